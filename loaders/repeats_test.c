#include "loaders/repeats.h"
#include "tests/check.h"

#include <stdio.h>

static void add(struct batch *b, const char *name, const char *id)
{
    struct buf headers = BUF_INIT(1000);
    struct record r = {.offset = b->next, .value = span_str("v")};

    batch_pack_header(&headers, "other", span_str("x"));
    if (id != NULL)
        batch_pack_header(&headers, name, span_str(id));
    r.headers = buf_span(&headers);
    batch_add(b, &r);
    buf_free(&headers);
}

#define HEADER "avrogate.idempotency-id"
#define HEX "0123456789abcdef0123456789abcde"

static void finds_ids_in_order_and_each_once(void)
{
    struct batch *b = batch_new("t", 0, 100);
    struct repeats s = {0};

    add(b, HEADER, HEX "f:10");
    add(b, HEADER, HEX "f:1");
    add(b, HEADER, NULL);
    add(b, HEADER, HEX "0:7");
    add(b, HEADER, HEX "f:1");
    add(b, HEADER, HEX "f:1");
    repeats_find(&s, b);
    CHECK_INT(s.n, 3);
    CHECK_INT(s.ids[0].record, 3);
    CHECK_INT(s.ids[1].record, 1);
    CHECK_INT(s.ids[2].record, 0);
    CHECK_INT(repeats_count(&s), 2);
    for (size_t i = 0; i < b->n; i++)
        CHECK_INT(repeats_has(&s, i), i >= 4);
    repeats_add(&s, 0); // as the database says
    CHECK(repeats_has(&s, 0) && !repeats_has(&s, 2));
    repeats_find(&s, b);
    CHECK_INT(repeats_count(&s), 2); // of this look alone
    repeats_free(&s);
    batch_free(b);
}

static void takes_for_an_id_what_the_gateway_writes_alone(void)
{
    static const struct {
        const char *name, *id;
        bool is;
    } headers[] = {
        {HEADER, HEX "f:0", true},
        {HEADER, HEX "f:12345678901234567", true},
        {HEADER, HEX "f:123456789012345678", false}, // too long
        {HEADER, HEX "f:", false},
        {HEADER, HEX "f:x", false},
        {HEADER, HEX "g:1", false},
        {HEADER, HEX "F:1", false},
        {HEADER, HEX ":1", false},
        {HEADER, HEX "'-:1", false},
        {HEADER, HEX "ff1", false},
        {HEADER, "", false},
        {"avrogate.idempotency-key", HEX "f:0", false},
    };
    for (size_t i = 0; i < sizeof headers / sizeof headers[0]; i++) {
        struct batch *b = batch_new("t", 0, 0);
        struct repeats s = {0};
        add(b, headers[i].name, headers[i].id);
        repeats_find(&s, b);
        CHECK_INT(s.n, headers[i].is);
        repeats_free(&s);
        batch_free(b);
    }
}

int main(void)
{
    RUN(finds_ids_in_order_and_each_once);
    RUN(takes_for_an_id_what_the_gateway_writes_alone);
    return REPORT();
}
