#include "loaders/batch.h"

#include "tests/check.h"

static struct record at(int64_t offset, const char *value)
{
    return (struct record){
        .offset = offset, .timestamp_ms = 7, .value = span_str(value)};
}

static void is_named_by_its_range(void)
{
    struct batch *b = batch_new("weather", 3, 100);
    struct record r = at(104, "x");
    char name[BATCH_NAME];

    batch_add(b, &r);
    CHECK_INT(b->first, 100); // the position, not the first record
    CHECK_INT(b->next, 105);
    batch_name(name, b);
    CHECK_STR(name, "weather/3@100-104");
    batch_free(b);
}

static void keeps_its_bytes_when_the_message_is_gone(void)
{
    struct batch *b = batch_new("weather", 0, 0);
    char text[] = "first";
    struct record r = at(0, text);

    batch_add(b, &r);
    memcpy(text, "xxxxx", 5);
    for (int i = 1; i < 1000; i++) {
        struct record more = at(i, "another");
        batch_add(b, &more);
    }
    CHECK_SPAN(b->records[0].value, "first");
    CHECK_SPAN(b->records[999].value, "another");
    CHECK_INT(b->bytes, 5 + 999 * 7);
    CHECK(batch_cost(b) > b->bytes);
    batch_free(b);
}

static void knows_empty_from_absent(void)
{
    struct batch *b = batch_new("weather", 0, 0);
    struct record r = {.offset = 0, .key = span_of("", 0)};

    batch_add(b, &r);
    CHECK(b->records[0].key.p != NULL);
    CHECK(b->records[0].value.p == NULL);
    batch_free(b);
}

static void packs_headers_and_takes_them_out_again(void)
{
    struct buf packed = BUF_INIT(1000);
    struct span rest, name, value;

    batch_pack_header(&packed, "id", span_str("abc"));
    batch_pack_header(&packed, "none", (struct span){0});
    batch_pack_header(&packed, "empty", span_of("", 0));
    rest = buf_span(&packed);
    CHECK(batch_next_header(&rest, &name, &value));
    CHECK_SPAN(name, "id");
    CHECK_SPAN(value, "abc");
    CHECK(batch_next_header(&rest, &name, &value));
    CHECK_SPAN(name, "none");
    CHECK(value.p == NULL);
    CHECK(batch_next_header(&rest, &name, &value));
    CHECK_SPAN(name, "empty");
    CHECK(value.p != NULL && value.n == 0);
    CHECK(!batch_next_header(&rest, &name, &value));
    buf_free(&packed);
}

static void marks_differ_by_value_key_and_time(void)
{
    struct record a = at(0, "x"), b = at(5, "x"), c = at(0, "y"), d = at(0, "x"),
                  k = at(0, "x");
    d.timestamp_ms = 8;
    k.key = span_str("k");

    CHECK(record_mark(&a) == record_mark(&b)); // the offset is compared on its own
    CHECK(record_mark(&a) != record_mark(&c));
    CHECK(record_mark(&a) != record_mark(&d));
    CHECK(record_mark(&a) != record_mark(&k));
    CHECK(record_mark(&a) >= 0);
}

static void what_is_done_with_is_taken_off_its_front(void)
{
    struct batch *b = batch_new("t", 0, 3);

    for (int i = 0; i < 5; i++) {
        struct record r = at(10 + 2 * i, i == 0 ? "long one" : "x");
        batch_add(b, &r);
    }
    size_t cost = batch_cost(b), bytes = b->bytes;
    batch_pass(b, 2);
    CHECK_INT(b->n, 3);
    CHECK_INT(b->first, 13);
    CHECK_INT(b->next, 19);
    CHECK_INT(b->records[0].offset, 14);
    CHECK_INT(b->bytes, bytes - strlen("long one") - 1);
    CHECK_INT(batch_cost(b), cost);
    batch_pass(b, 0);
    CHECK_INT(b->first, 13);
    batch_free(b);
}

int main(void)
{
    RUN(what_is_done_with_is_taken_off_its_front);
    RUN(is_named_by_its_range);
    RUN(keeps_its_bytes_when_the_message_is_gone);
    RUN(knows_empty_from_absent);
    RUN(packs_headers_and_takes_them_out_again);
    RUN(marks_differ_by_value_key_and_time);
    return REPORT();
}
