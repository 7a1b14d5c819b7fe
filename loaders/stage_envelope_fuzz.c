/*
 * Rows of staged files are a stranger's.  The first byte says with which parts; what is
 * taken apart must be put together as the same record.
 */
#include "loaders/stage_envelope.h"

#include "base/mem.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

#define VALUE                                                                    \
    "{\"type\":\"record\",\"name\":\"R\",\"fields\":[{\"name\":\"id\",\"type\":" \
    "\"long\"},"                                                                 \
    "{\"name\":\"s\",\"type\":\"string\"}]}"

static struct envelope *envelopes[64];
static struct av_plan *plan;

static struct envelope *envelope_of(unsigned parts)
{
    struct av_schema *s;
    struct err e = {0};

    if (envelopes[parts] != NULL)
        return envelopes[parts];
    if (av_schema_parse(&s, span_str(VALUE), NULL, 0, NULL, &e) != ERR_OK ||
        envelope_new(&envelopes[parts], s, parts, &e) != ERR_OK ||
        envelope_from(envelopes[parts], envelope_schema(envelopes[parts]), &e) !=
            ERR_OK ||
        (plan == NULL && av_plan_new(&plan, s, s, &e) != ERR_OK))
        abort();
    av_schema_release(s);
    return envelopes[parts];
}

static void check_same(const struct record *a, const struct record *b)
{
    if (a->offset != b->offset || a->timestamp_ms != b->timestamp_ms ||
        !span_eq(a->key, b->key) || !span_eq(a->headers, b->headers) ||
        (a->key.p == NULL) != (b->key.p == NULL) ||
        (a->value.p == NULL) != (b->value.p == NULL))
        __builtin_trap();
}

/* Without ENVELOPE_DELETED a row is the file's as it is put. */
static void put_again(struct envelope *v, const struct record *r, int32_t partition)
{
    struct envelope_row row;
    struct record again;
    int32_t same;
    struct err e = {0};

    if (envelope_put(v, r, partition, plan, r->value, &row, &e) != ERR_OK)
        return; // the value itself was torn
    struct buf copy = BUF_INIT(1 << 24);
    buf_put(&copy, row.datum);
    if (envelope_take(v, buf_span(&copy), &again, &same, &e) != ERR_OK ||
        same != partition || !span_eq(again.value, r->value))
        __builtin_trap();
    check_same(r, &again);
    buf_free(&copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    struct record r;
    int32_t partition;
    struct err e = {0};
    struct buf headers = BUF_INIT(1 << 24);

    if (n == 0)
        return 0;
    unsigned parts = p[0] % 64;
    struct envelope *v = envelope_of(parts == 0 ? 1 : parts);
    if (envelope_take(v, span_of(p + 1, n - 1), &r, &partition, &e) == ERR_OK &&
        (parts & ENVELOPE_DELETED) == 0 && r.timestamp_ms >= -1) {
        buf_put(&headers, r.headers); // borrowed of what is used again
        r.headers = buf_span(&headers);
        put_again(v, &r, partition);
    }
    buf_free(&headers);
    return 0;
}
