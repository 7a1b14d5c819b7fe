/*
 * Whatever rule and whatever datum come, there is an answer within the limits; a rule
 * says the same twice; what a transform writes is a datum of the schema.
 *
 * The first byte chooses mode and datum: the input up to the first NUL is the rule,
 * what follows it is the datum, or one of ours is taken.
 */
#include "avro-core/decode.h"
#include "cel/cel.h"

#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static const char schema_text[] =
    "{\"type\":\"record\",\"name\":\"R\",\"namespace\":\"a.b\",\"fields\":["
    "{\"name\":\"i\",\"type\":\"int\"},{\"name\":\"l\",\"type\":\"long\"},"
    "{\"name\":\"f\",\"type\":\"float\"},{\"name\":\"d\",\"type\":\"double\"},"
    "{\"name\":\"s\",\"type\":\"string\",\"confluent:tags\":[\"PII\"]},"
    "{\"name\":\"y\",\"type\":\"bytes\"},{\"name\":\"o\",\"type\":[\"null\",\"string\"]"
    "},"
    "{\"name\":\"e\",\"type\":{\"type\":\"enum\",\"name\":\"E\",\"symbols\":[\"A\","
    "\"B\"]}},{\"name\":\"t\",\"type\":{\"type\":\"long\",\"logicalType\":\"timestamp-"
    "micros\"}},{\"name\":\"m\",\"type\":{\"type\":\"bytes\",\"logicalType\":"
    "\"decimal\",\"precision\":30,\"scale\":4}},{\"name\":\"g\",\"type\":{\"type\":"
    "\"bytes\",\"logicalType\":\"big-decimal\"}},{\"name\":\"a\",\"type\":{\"type\":"
    "\"array\",\"items\":\"long\"}},{\"name\":\"k\",\"type\":{\"type\":\"map\","
    "\"values\":[\"null\",\"string\",\"R\"]}},{\"name\":\"r\",\"type\":[\"null\",\"R\"]"
    "}"
    ",{\"name\":\"u\",\"type\":[\"int\",\"string\",{\"type\":\"array\",\"items\":"
    "\"R\"}]}]}";

/* i=1 l=-3 f=1.5 d=2.5 s="hé" y=ff o="x" e=B t=1e15 m=1.0000 g=1.0 a=[1,2] k={"a":"b"}
 * r=null u="z" */
static const uint8_t ours[] = {
    2,    5,    0,    0,    0xC0, 0x3F, 0,    0, 0,   0,  0,    0,    4,    0x40,
    6,    'h',  0xC3, 0xA9, 2,    0xFF, 2,    2, 'x', 2,  0x80, 0x80, 0x9A, 0xA6,
    0xEA, 0xAF, 0xC6, 3,    4,    0x27, 0x10, 6, 2,   10, 2,    4,    2,    4,
    0,    2,    2,    'a',  2,    2,    'b',  0, 0,   2,  2,    'z'};

static struct av_schema *schema;
static struct av_plan *plan;

static void want(bool ok)
{
    if (!ok)
        abort();
}

static void prepare(void)
{
    struct err e;

    if (schema != NULL)
        return;
    want(av_schema_parse(&schema, span_str(schema_text), NULL, 0, NULL, &e) == ERR_OK);
    want(av_plan_new(&plan, schema, schema, &e) == ERR_OK);
}

static bool decodes(struct span datum)
{
    static const struct av_visitor_ops nothing = {0};
    struct av_visitor v = {&nothing};
    struct err e;

    return av_decode_all(plan, datum, NULL, &v, &e) == ERR_OK;
}

static void ask(const struct cel_rules *set, const struct cel_rule *rule,
                struct span datum)
{
    struct cel_run *run = cel_run_new();
    struct buf made = BUF_INIT(1 << 20), line = BUF_INIT(1 << 22),
               again = BUF_INIT(1 << 22);
    struct cel_outcome outcome;

    cel_begin(run, set, datum, 1700000000123456789);
    cel_check(run, rule, &outcome);
    cel_show(run, rule, &line);
    cel_show(run, rule, &again);
    want(span_eq(buf_span(&line), buf_span(&again)));
    want(memchr(line.p, '\n', line.n) == NULL);
    cel_transform(run, rule, &made, &outcome);
    if (outcome.verdict == CEL_HOLDS && decodes(datum))
        want(decodes(buf_span(&made)));
    want(outcome.verdict == CEL_HOLDS || made.n == 0);
    buf_free(&made);
    buf_free(&line);
    buf_free(&again);
    cel_run_free(run);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    struct span in = span_of(p, n);
    struct cel_rules *set;
    struct cel_rule *rule;
    struct err e = {0};

    prepare();
    if (n == 0)
        return 0;
    in = span_skip(in, 1);
    const uint8_t *nul = in.n > 0 ? memchr(in.p, 0, in.n) : NULL;
    struct span text = nul != NULL ? span_of(in.p, (size_t)(nul - in.p)) : in;
    struct span datum = nul != NULL && (p[0] & 2) != 0 ? span_skip(in, text.n + 1)
                                                       : span_of(ours, sizeof ours);
    want(cel_rules_new(&set, schema, &e) == ERR_OK);
    if (cel_rules_add(set, text, p[0] & 1 ? CEL_FIELD : CEL_RECORD, &rule, &e) ==
        ERR_OK)
        ask(set, rule, datum);
    else
        want(e.msg[0] >= '1' && e.msg[0] <= '9');
    cel_rules_free(set);
    return 0;
}
