/*
 * What a rule costs a record: nanoseconds at the median, the 99th and the 99.9th of a
 * hundred, one record at a time, beside the encoding of the same record.
 *
 *      ninja -C build-release bench-contract && build-release/bench-contract [RECORDS]
 *
 * Each time includes reading the clock (some 25 ns, the row "nothing").
 */
#include "avro-core/encode.h"
#include "contract/contract.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static const char schema_text[] =
    "{\"type\":\"record\",\"name\":\"Order\",\"namespace\":\"shop\",\"fields\":["
    "{\"name\":\"id\",\"type\":\"long\"},"
    "{\"name\":\"customer\",\"type\":\"string\",\"confluent:tags\":[\"PII\"]},"
    "{\"name\":\"email\",\"type\":\"string\",\"confluent:tags\":[\"PII\"]},"
    "{\"name\":\"total\",\"type\":\"double\"},"
    "{\"name\":\"note\",\"type\":[\"null\",\"string\"]},"
    "{\"name\":\"items\",\"type\":{\"type\":\"array\",\"items\":\"string\"}}]}";

#define DATA 1000

static const struct {
    const char *name, *kind, *type, *expr;
} rules[] = {
    {"one comparison", "CONDITION", "CEL", "message.total >= 0.0"},
    {"three, with a guard", "CONDITION", "CEL",
     "message.note != null ; message.total > 1.0 && size(message.items) > 0 && "
     "message.id "
     "> 0"},
    {"a regular expression", "CONDITION", "CEL",
     "message.email.matches('^[^@ ]+@[^@ ]+[.][a-z]{2,}$')"},
    {"a macro over eight items", "CONDITION", "CEL",
     "message.items.all(i, i.startsWith('item-'))"},
    {"each field", "CONDITION", "CEL_FIELD", "typeName == 'STRING' ; value != ''"},
    {"each field, a regular expression", "CONDITION", "CEL_FIELD",
     "name == 'email' ; value.matches('^[^@ ]+@[^@ ]+[.][a-z]{2,}$')"},
    {"a field transformed", "TRANSFORM", "CEL_FIELD",
     "name == 'email' ; value.lowerAscii()"},
};

static int64_t now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void must(enum err_kind k, const struct err *e)
{
    if (k == ERR_OK)
        return;
    fprintf(stderr, "%s\n", e->msg);
    exit(1);
}

static int ascending(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

    return x < y ? -1 : x > y;
}

static void report(const char *name, int64_t *took, size_t n)
{
    int64_t sum = 0;

    qsort(took, n, sizeof *took, ascending);
    for (size_t i = 0; i < n; i++)
        sum += took[i];
    printf("%-34s mean %6lld  p50 %6lld  p99 %6lld  p99.9 %6lld ns\n", name,
           (long long)(sum / (int64_t)n), (long long)took[n / 2],
           (long long)took[n / 100 * 99], (long long)took[n / 1000 * 999]);
}

static size_t write_order(char *out, size_t room, unsigned i)
{
    return (size_t)snprintf(
        out, room,
        "{\"id\":%u,\"customer\":\"Customer %u\",\"email\":\"c%u@example.org\","
        "\"total\":%u.5,\"note\":%s,\"items\":[\"item-1\",\"item-2\",\"item-3\","
        "\"item-4\",\"item-5\",\"item-6\",\"item-7\",\"item-8\"]}",
        i + 1, i * 7919, i * 104729, i % 997 + 1, i % 3 ? "null" : "\"call first\"");
}

struct data {
    struct buf bytes;
    size_t at[DATA + 1];
};

static void encode_all(struct data *d, struct av_schema *schema, int64_t *took,
                       size_t n)
{
    const struct av_encode_options o = {0};
    struct av_problems problems = {0};
    struct av_encoder *encoder;
    struct err e = {0};
    char json[500];

    must(av_encoder_new(&encoder, schema, &o, &e), &e);
    for (size_t i = 0; i < n; i++) {
        struct span text = span_of(json, write_order(json, sizeof json, i % DATA));
        size_t at = 0;
        if (i % DATA == 0)
            buf_reset(&d->bytes);
        d->at[i % DATA] = d->bytes.n;
        int64_t began = now();
        must(av_encode_next(encoder, text, &at, &d->bytes, &problems), &e);
        took[i] = now() - began;
        d->at[i % DATA + 1] = d->bytes.n;
    }
    av_encoder_free(encoder);
}

static void ask(const struct data *d, struct av_schema *schema, size_t rule,
                int64_t *took, size_t n)
{
    const struct contract_options o = {0};
    struct contract_run *run = contract_run_new();
    struct contract_result r;
    struct contract *c;
    struct err e = {0};
    char set[1000];
    size_t bad = 0;

    snprintf(set, sizeof set,
             "{\"domainRules\":[{\"name\":\"r\",\"mode\":\"WRITE\",\"kind\":\"%s\","
             "\"type\":\"%s\",\"expr\":\"%s\"}]}",
             rules[rule].kind, rules[rule].type, rules[rule].expr);
    must(contract_new(&c, schema, span_str(""), span_str(set), &o, &e), &e);
    for (size_t i = 0; i < n; i++) {
        size_t at = d->at[i % DATA];
        struct span datum = span_of(d->bytes.p + at, d->at[i % DATA + 1] - at);
        int64_t began = now();
        contract_apply(c, run, datum, began, &r);
        took[i] = now() - began;
        bad += r.refused;
    }
    report(rules[rule].name, took, n);
    if (bad > 0)
        printf("    %zu refused: not what was to be measured\n", bad);
    contract_run_free(run);
    contract_free(c);
}

int main(int argc, char **argv)
{
    size_t n = argc > 1 ? strtoul(argv[1], NULL, 10) : 1000000;
    int64_t *took = mem_array(n, sizeof *took);
    struct data *d = mem_alloc(sizeof *d);
    struct av_schema *schema;
    struct err e = {0};

    d->bytes = BUF_INIT(64 << 20);
    must(av_schema_parse(&schema, span_str(schema_text), NULL, 0, NULL, &e), &e);
    for (size_t i = 0; i < n; i++) {
        int64_t began = now();
        took[i] = now() - began;
    }
    report("nothing", took, n);
    encode_all(d, schema, took, n);
    report("encode from JSON", took, n);
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++)
        ask(d, schema, i, took, n);
    av_schema_release(schema);
    buf_free(&d->bytes);
    free(d);
    free(took);
    return 0;
}
