/*
 * Whatever bytes arrive, decoding answers; and what it writes as Avro's JSON encodes to
 * the same datum, byte for byte where the bytes were the shortest: so twice there and
 * back is once.  The first byte picks the schema.
 */
#include "avro-core/encode.h"
#include "avro-core/to_json.h"

#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static const char *const schemas[] = {
    "[\"null\",\"boolean\",\"int\",\"long\",\"float\",\"double\",\"bytes\",\"string\"]",
    "{\"type\":\"array\",\"items\":[\"null\",\"int\",\"double\"]}",
    "{\"type\":\"map\",\"values\":{\"type\":\"array\",\"items\":\"null\"}}",
    "{\"type\":\"record\",\"name\":\"T\",\"fields\":[{\"name\":\"kids\",\"type\":{"
    "\"type\":"
    "\"array\",\"items\":\"T\"}},{\"name\":\"next\",\"type\":[\"null\",\"T\"]}]}",
    "{\"type\":\"record\",\"name\":\"R\",\"fields\":["
    "{\"name\":\"a\",\"type\":{\"type\":\"bytes\",\"logicalType\":\"decimal\","
    "\"precision\":"
    "9,\"scale\":2}},"
    "{\"name\":\"b\",\"type\":{\"type\":\"bytes\",\"logicalType\":\"big-decimal\"}},"
    "{\"name\":\"c\",\"type\":{\"type\":\"fixed\",\"name\":\"D\",\"size\":12,"
    "\"logicalType\":"
    "\"duration\"}},"
    "{\"name\":\"d\",\"type\":{\"type\":\"long\",\"logicalType\":\"timestamp-nanos\"}},"
    "{\"name\":\"e\",\"type\":{\"type\":\"int\",\"logicalType\":\"date\"}},"
    "{\"name\":\"f\",\"type\":{\"type\":\"enum\",\"name\":\"E\",\"symbols\":[\"A\","
    "\"B\"]}}]}",
    "{\"type\":\"array\",\"items\":[{\"type\":\"int\",\"logicalType\":\"date\"},{"
    "\"type\":"
    "\"long\",\"logicalType\":\"time-micros\"},\"string\",\"bytes\",{\"type\":"
    "\"fixed\","
    "\"name\":\"U\",\"size\":16,\"logicalType\":\"uuid\"}]}",
    "{\"type\":\"array\",\"items\":[\"null\",\"float\",\"double\",{\"type\":\"fixed\","
    "\"name\":"
    "\"F\",\"size\":3},{\"type\":\"enum\",\"name\":\"E\",\"symbols\":[\"NaN\",\"AAAA\"]"
    "},"
    "\"bytes\",{\"type\":\"record\",\"name\":\"R\",\"fields\":[{\"name\":\"R\","
    "\"type\":"
    "\"int\"}]}]}",
};
#define SCHEMAS (sizeof schemas / sizeof *schemas)

static struct {
    struct av_plan *plan;
    struct av_encoder *plain, *strict;
} tools[SCHEMAS];

static void prepare(size_t i)
{
    const struct av_encode_options strict = {.strict_avro_json = true, .depth = 200};
    const struct av_encode_options plain = {.depth = 200};
    struct av_schema *s;
    struct err e = {0};

    if (tools[i].plan != NULL)
        return;
    if (av_schema_parse(&s, span_str(schemas[i]), NULL, 0, NULL, &e) != ERR_OK ||
        av_plan_new(&tools[i].plan, s, s, &e) != ERR_OK ||
        av_encoder_new(&tools[i].plain, s, &plain, &e) != ERR_OK ||
        av_encoder_new(&tools[i].strict, s, &strict, &e) != ERR_OK) {
        fprintf(stderr, "%s\n", e.msg);
        abort();
    }
    av_schema_release(s);
}

static bool to_json(size_t i, struct span avro, bool strict, struct buf *out)
{
    const struct av_decode_limits lim = {.items = 10000, .empty_items = 1000};
    struct av_to_json w;
    struct err e = {0};

    av_to_json_init(&w, out, strict);
    return av_decode_all(tools[i].plan, avro, &lim, &w.visitor, &e) == ERR_OK;
}

/* JSON -> Avro -> the same JSON. */
static void back(size_t i, struct span json, bool strict)
{
    struct buf avro = BUF_INIT(1 << 22), again = BUF_INIT(1 << 22);
    struct av_problems p = {0};
    struct av_encoder *enc = strict ? tools[i].strict : tools[i].plain;

    if (av_encode(enc, json, &avro, &p) != ERR_OK) {
        if (p.first == NULL || strcmp(p.first->rule, "duplicate-key") == 0 ||
            strcmp(p.first->rule, "duplicate") == 0 ||
            strcmp(p.first->rule, "depth") == 0 || strcmp(p.first->rule, "size") == 0 ||
            strcmp(p.first->rule, "json") == 0)
            goto out; // a map's key came twice
        fprintf(stderr, "%s: %.*s\n%.*s\n", p.first->rule, (int)p.first->message.n,
                (const char *)p.first->message.p, (int)json.n, (const char *)json.p);
        abort();
    }
    if (!to_json(i, buf_span(&avro), strict, &again) ||
        !span_eq(buf_span(&again), json)) {
        fprintf(stderr, "%.*s\n%.*s\n", (int)json.n, (const char *)json.p, (int)again.n,
                (const char *)again.p);
        abort();
    }
out:
    av_problems_free(&p);
    buf_free(&avro);
    buf_free(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    if (n == 0)
        return 0;
    size_t i = p[0] % SCHEMAS;
    bool strict = p[0] >= 128;
    struct buf json = BUF_INIT(1 << 22);

    prepare(i);
    if (to_json(i, span_of(p + 1, n - 1), strict, &json))
        back(i, buf_span(&json), strict);
    buf_free(&json);
    return 0;
}
