/*
 * What a rule costs a record, beside what encoding it costs: ten rules such as people
 * write, each by itself and all together, over 4,096 records.
 *
 *      bench/cel/run
 *
 * The mean is of the best of many passes; p99 is of single records, timed one by one
 * with the cost of the clock (printed first) taken off.
 */
#include "avro-core/encode.h"
#include "cel/cel.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define RECORDS 4096
#define REPEATS 40

static const char schema_text[] =
    "{\"type\":\"record\",\"name\":\"Order\",\"namespace\":\"com.shop\",\"fields\":["
    "{\"name\":\"id\",\"type\":\"string\"},{\"name\":\"seq\",\"type\":\"long\"},"
    "{\"name\":\"currency\",\"type\":\"string\"},{\"name\":\"amount\",\"type\":"
    "\"double\"},"
    "{\"name\":\"price\",\"type\":{\"type\":\"bytes\",\"logicalType\":\"decimal\","
    "\"precision\":9,\"scale\":2}},{\"name\":\"email\",\"type\":[\"null\",\"string\"],"
    "\"confluent:tags\":[\"PII\"]},{\"name\":\"at\",\"type\":{\"type\":\"long\","
    "\"logicalType\":\"timestamp-millis\"}},{\"name\":\"address\",\"type\":{\"type\":"
    "\"record\",\"name\":\"Address\",\"fields\":[{\"name\":\"street\",\"type\":"
    "\"string\"}"
    ",{\"name\":\"city\",\"type\":\"string\"}]}},{\"name\":\"items\",\"type\":{"
    "\"type\":"
    "\"array\",\"items\":{\"type\":\"record\",\"name\":\"Item\",\"fields\":[{\"name\":"
    "\"sku\",\"type\":\"string\"},{\"name\":\"qty\",\"type\":\"int\"}]}}}]}";

static const struct {
    const char *rule;
    enum cel_mode mode;
} rules[] = {
    {"message.amount > 0.0", CEL_RECORD},
    {"message.currency in ['EUR', 'USD', 'CHF', 'GBP']", CEL_RECORD},
    {"message.amount >= 0.0 && message.amount < 100000.0 && message.seq > 0",
     CEL_RECORD},
    {"size(message.id) == 12 && message.id.startsWith('o-')", CEL_RECORD},
    {"message.price >= 0.01", CEL_RECORD},
    {"message.email == null || message.email.matches('^[^@ ]+@[^@ ]+$')", CEL_RECORD},
    {"message.at < now + duration('24h')", CEL_RECORD},
    {"message.address.city != ''", CEL_RECORD},
    {"message.items.all(i, i.qty > 0 && i.sku != '')", CEL_RECORD},
    {"typeName == 'STRING' ; size(value) < 256", CEL_FIELD},
};
#define RULES (sizeof rules / sizeof *rules)

static char *texts[RECORDS];
static struct span data[RECORDS];
static struct cel_rule *compiled[RULES];
static struct cel_rules *set;
static struct cel_run *run;
static struct av_encoder *encoder;
static struct buf all = {.limit = 1 << 24};
static size_t failed;

static void stop(const char *why)
{
    fprintf(stderr, "cel bench: %s\n", why);
    exit(1);
}

static int64_t nanos(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static void encode(size_t i, struct buf *out)
{
    struct av_problems p = {0};

    if (av_encode(encoder, span_str(texts[i]), out, &p) != ERR_OK)
        stop("a record does not encode");
}

static void prepare(void)
{
    struct av_schema *schema;
    struct err e;
    size_t at[RECORDS + 1];

    if (av_schema_parse(&schema, span_str(schema_text), NULL, 0, NULL, &e) != ERR_OK ||
        av_encoder_new(&encoder, schema, NULL, &e) != ERR_OK ||
        cel_rules_new(&set, schema, &e) != ERR_OK)
        stop(e.msg);
    for (size_t i = 0; i < RULES; i++)
        if (cel_rules_add(set, span_str(rules[i].rule), rules[i].mode, &compiled[i],
                          &e) != ERR_OK)
            stop(e.msg);
    for (size_t i = 0; i < RECORDS; i++) {
        texts[i] = malloc(512);
        snprintf(
            texts[i], 512,
            "{\"id\":\"o-%010zu\",\"seq\":%zu,\"currency\":\"%s\",\"amount\":%zu.25,"
            "\"price\":\"%zu.99\",\"email\":%s,\"at\":\"2024-05-0%zuT10:00:00Z\","
            "\"address\":{\"street\":\"Hauptgasse %zu\",\"city\":\"Bern\"},\"items\":"
            "[{\"sku\":\"A-%zu\",\"qty\":2},{\"sku\":\"B-77\",\"qty\":%zu}]}",
            i, i + 1, i % 3 == 0 ? "USD" : "EUR", i, i % 1000,
            i % 10 == 9 ? "null" : "\"someone@example.org\"", i % 9 + 1, i % 100, i,
            i % 7 + 1);
        at[i] = all.n;
        encode(i, &all);
    }
    at[RECORDS] = all.n;
    for (size_t i = 0; i < RECORDS; i++)
        data[i] = span_of(all.p + at[i], at[i + 1] - at[i]);
    run = cel_run_new();
}

static void ask(size_t rule)
{
    struct cel_outcome o;

    cel_check(run, compiled[rule], &o);
    failed += o.verdict != CEL_HOLDS;
}

/* The record's rules from `from` up to `to`. */
static void ask_about(size_t record, size_t from, size_t to)
{
    cel_begin(run, set, data[record], 1763700000000000000);
    for (size_t i = from; i < to; i++)
        ask(i);
}

static int ascending(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

    return (x > y) - (x < y);
}

static double mean_of(void (*one)(size_t record, size_t from, size_t to), size_t from,
                      size_t to)
{
    int64_t best = INT64_MAX;

    for (int i = 0; i < REPEATS; i++) {
        int64_t start = nanos();

        for (size_t r = 0; r < RECORDS; r++)
            one(r, from, to);
        int64_t took = nanos() - start;
        best = took < best ? took : best;
    }
    return (double)best / RECORDS;
}

static int64_t p99_of(void (*one)(size_t record, size_t from, size_t to), size_t from,
                      size_t to, int64_t clock)
{
    static int64_t took[RECORDS * 8];
    size_t n = 0;

    for (int i = 0; i < 8; i++)
        for (size_t r = 0; r < RECORDS; r++) {
            int64_t start = nanos();

            one(r, from, to);
            took[n++] = nanos() - start - clock;
        }
    qsort(took, n, sizeof *took, ascending);
    return took[n * 99 / 100];
}

static void encode_one(size_t record, size_t from, size_t to)
{
    static struct buf out = {.limit = 1 << 16};

    (void)from;
    (void)to;
    buf_reset(&out);
    encode(record, &out);
}

static void nothing(size_t record, size_t from, size_t to)
{
    (void)record;
    (void)from;
    (void)to;
}

int main(void)
{
    prepare();
    int64_t clock = p99_of(nothing, 0, 0, 0);
    printf("the clock itself: %lld ns; %zu bytes of Avro a record\n", (long long)clock,
           all.n / RECORDS);
    printf("%8s %8s\n", "ns", "p99 ns");
    printf("%8.0f %8lld  encoding the record from JSON\n", mean_of(encode_one, 0, 0),
           (long long)p99_of(encode_one, 0, 0, clock));
    for (size_t i = 0; i < RULES; i++)
        printf("%8.0f %8lld  %s\n", mean_of(ask_about, i, i + 1),
               (long long)p99_of(ask_about, i, i + 1, clock), rules[i].rule);
    printf("%8.0f %8lld  the nine rules of the record together\n",
           mean_of(ask_about, 0, RULES - 1),
           (long long)p99_of(ask_about, 0, RULES - 1, clock));
    printf("%8.0f %8lld  all ten\n", mean_of(ask_about, 0, RULES),
           (long long)p99_of(ask_about, 0, RULES, clock));
    if (failed > 0)
        stop("a rule does not hold");
    return 0;
}
