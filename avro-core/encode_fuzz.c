/*
 * Whatever text comes, the encoder answers; problems are told if and only if it
 * refuses; what it accepts decodes whole, and written as JSON again it encodes to the
 * same bytes. The first byte chooses schema and options.
 */
#include "avro-core/encode.h"
#include "avro-core/to_json.h"

#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static const char *const schemas[] = {
    "\"string\"",
    "\"double\"",
    "\"bytes\"",
    "[\"null\",\"int\",\"long\",\"float\",\"double\",\"string\",\"bytes\",\"boolean\"]",
    "{\"type\":\"record\",\"name\":\"R\",\"fields\":[{\"name\":\"a\",\"type\":\"int\"},"
    "{\"name\":\"b\",\"type\":[\"null\",\"string\"],\"default\":null},{\"name\":\"c\","
    "\"type\":"
    "{\"type\":\"map\",\"values\":\"long\"},\"default\":{\"x\":1}},{\"name\":\"d\","
    "\"type\":"
    "\"float\",\"default\":1.5}]}",
    "{\"type\":\"record\",\"name\":\"T\",\"fields\":[{\"name\":\"v\",\"type\":["
    "\"null\",\"T\",{\"type\":"
    "\"record\",\"name\":\"U\",\"fields\":[{\"name\":\"v\",\"type\":[\"null\",\"T\","
    "\"U\"]},{\"name\":"
    "\"w\",\"type\":{\"type\":\"map\",\"values\":[\"T\",\"int\"]},\"default\":{}}]}]}]"
    "}",
    "{\"type\":\"array\",\"items\":[\"null\",{\"type\":\"array\",\"items\":\"long\"},{"
    "\"type\":\"map\","
    "\"values\":\"string\"},{\"type\":\"enum\",\"name\":\"E\",\"symbols\":[\"A\",\"B\"]"
    "}]}",
    "{\"type\":\"record\",\"name\":\"L\",\"fields\":["
    "{\"name\":\"d\",\"type\":{\"type\":\"int\",\"logicalType\":\"date\"},\"default\":"
    "0},"
    "{\"name\":\"t\",\"type\":{\"type\":\"int\",\"logicalType\":\"time-millis\"},"
    "\"default\":0},"
    "{\"name\":\"i\",\"type\":{\"type\":\"long\",\"logicalType\":\"timestamp-nanos\"},"
    "\"default\":0},"
    "{\"name\":\"l\",\"type\":{\"type\":\"long\",\"logicalType\":\"local-timestamp-"
    "micros\"},"
    "\"default\":0},"
    "{\"name\":\"p\",\"type\":{\"type\":\"bytes\",\"logicalType\":\"decimal\","
    "\"precision\":50,"
    "\"scale\":10},\"default\":\"\\u0000\"},"
    "{\"name\":\"g\",\"type\":{\"type\":\"bytes\",\"logicalType\":\"big-decimal\"},"
    "\"default\":\"\\u0002\\u0000\\u0000\"},"
    "{\"name\":\"u\",\"type\":[\"null\",{\"type\":\"string\",\"logicalType\":\"uuid\"}]"
    ","
    "\"default\":null},"
    "{\"name\":\"o\",\"type\":[\"null\",{\"type\":\"fixed\",\"name\":\"O\",\"size\":12,"
    "\"logicalType\":\"duration\"}],\"default\":null}]}",
};
#define SCHEMAS (sizeof schemas / sizeof *schemas)

static void want(bool ok)
{
    if (!ok)
        abort();
}

static struct av_encoder *encoder_for(uint8_t choice)
{
    static struct av_encoder *made[256];
    const struct av_encode_options o = {
        .unknown_fields =
            (choice / SCHEMAS & 1) != 0 ? AV_UNKNOWN_IGNORE : AV_UNKNOWN_REJECT,
        .strict_avro_json = (choice / SCHEMAS & 2) != 0,
        .depth = 20,
        .bytes = 4000,
    };
    struct av_schema *s;
    struct err e = {0};

    if (made[choice] != NULL)
        return made[choice];
    want(av_schema_parse(&s, span_str(schemas[choice % SCHEMAS]), NULL, 0, NULL, &e) ==
         ERR_OK);
    want(av_encoder_new(&made[choice], s, &o, &e) == ERR_OK);
    av_schema_release(s);
    return made[choice];
}

static void comes_back(const struct av_encoder *enc, struct span avro, bool strict)
{
    struct buf json = BUF_INIT(1 << 20), again = BUF_INIT(1 << 20);
    struct av_schema *s = (struct av_schema *)av_encoder_schema(enc);
    struct av_problems p = {0};
    struct av_to_json w;
    struct av_plan *plan;
    struct err e = {0};

    want(av_plan_new(&plan, s, s, &e) == ERR_OK);
    av_to_json_init(&w, &json, strict);
    want(av_decode_all(plan, avro, NULL, &w.visitor, &e) == ERR_OK);
    enum err_kind k = av_encode(enc, buf_span(&json), &again, &p);
    bool same = k == ERR_OK && span_eq(buf_span(&again), avro);
    if (!same)
        fprintf(stderr, "%.*s\n%.*s\n", (int)json.n, (const char *)json.p,
                p.n > 0 ? (int)p.first->message.n : 0,
                p.n > 0 ? (const char *)p.first->message.p : "");
    want(same);
    av_plan_free(plan);
    av_problems_free(&p);
    buf_free(&json);
    buf_free(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    struct buf out = BUF_INIT(1 << 20), shown = BUF_INIT(1 << 20);
    struct av_problems problems = {0};
    struct err e = {0};
    size_t at = 0;

    if (n < 1 || n > 4096)
        return 0;
    uint8_t choice = p[0] % (SCHEMAS * 4);
    const struct av_encoder *enc = encoder_for(choice);
    struct span text = span_of(p + 1, n - 1);
    enum err_kind k = av_encode_next(enc, text, &at, &out, &problems);
    want(at <= text.n);
    want((k == ERR_OK) == (problems.n == 0));
    want(k == ERR_OK || out.n == 0);
    want(buf_status(&out, &e) == ERR_OK);
    av_problems_put(&shown, &problems);
    if (k == ERR_OK)
        comes_back(enc, buf_span(&out), (choice / SCHEMAS & 2) != 0);
    av_problems_free(&problems);
    buf_free(&shown);
    buf_free(&out);
    return 0;
}
