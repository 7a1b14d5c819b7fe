/*
 * What steps cost a record, beside what the same record costs without them: a walk by
 * the decoder, which is what each sink does at least (the row "decoded").
 *
 *      ninja -C build-release bench-transform && build-release/bench-transform
 * [RECORDS]
 *
 * A row's time is: the steps, and the decoder's walk along what comes out.
 */
#include "avro-core/decode.h"
#include "avro-core/encode.h"
#include "base/conf.h"
#include "transform/transform.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static const char schema_text[] =
    "{\"type\":\"record\",\"name\":\"Order\",\"fields\":["
    "{\"name\":\"id\",\"type\":\"long\"},{\"name\":\"customer\",\"type\":\"string\"},"
    "{\"name\":\"price\",\"type\":\"double\"},{\"name\":\"quantity\",\"type\":\"int\"},"
    "{\"name\":\"country\",\"type\":[\"null\",\"string\"]},"
    "{\"name\":\"ordered\",\"type\":\"string\"},{\"name\":\"amount\",\"type\":"
    "\"string\"},"
    "{\"name\":\"at\",\"type\":{\"type\":\"long\",\"logicalType\":\"timestamp-millis\"}"
    "}]}";

static const struct {
    const char *name, *steps;
} rows[] = {
    {"no steps", ""},
    {"rename", "- rename: {customer: who}\n"},
    {"select 5, rename", "- select: [id, customer, price, country, at]\n- rename: "
                         "{customer: who}\n"},
    {"filter that holds", "- filter: \"price > 0.0 && country != ''\"\n"},
    {"filter that lets go", "- filter: \"price < 0.0\"\n"},
    {"select, rename, filter",
     "- select: [id, customer, price, country, at]\n- rename: "
     "{customer: who}\n- filter: \"price > 0.0\"\n"},
    {"cast string to decimal", "- cast: {amount: \"decimal(12,2)\"}\n"},
    {"cast int to long, long to string", "- cast: {quantity: long, id: string}\n"},
    {"parse dd/MM/yyyy", "- parse: {ordered: {as: date, format: dd/MM/yyyy}}\n"},
    {"compute price * quantity", "- compute: {total: \"price * double(quantity)\"}\n"},
    {"dedupe by id", "- dedupe: {key: id, last: 500}\n"},
    {"all of them",
     "- select: [id, customer, price, quantity, country, ordered, amount]\n- rename: "
     "{customer: who}\n- parse: {ordered: {as: date, format: dd/MM/yyyy}}\n- cast: "
     "{amount: "
     "\"decimal(12,2)\", quantity: long}\n- filter: \"price > 0.0 && country != "
     "''\"\n- "
     "compute: {total: \"price * double(quantity)\"}\n- dedupe: {key: id, last: "
     "500}\n"},
};

#define DATA 1000
static struct buf data[DATA];
static struct av_schema *schema;
static const struct conf_row conf_rows[] = {
    {"transform", CONF_TREE, 0, .help = "steps"}, {0}};

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t); // others may be at work beside it
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static void must(enum err_kind k, const struct err *e)
{
    if (k == ERR_OK)
        return;
    fprintf(stderr, "%s\n", e->msg);
    exit(1);
}

static void fill(void)
{
    struct err e = {0};
    struct av_encoder *enc;
    struct av_problems problems = {0};

    must(av_schema_parse(&schema, span_str(schema_text), NULL, 0, NULL, &e), &e);
    must(av_encoder_new(&enc, schema, NULL, &e), &e);
    for (int i = 0; i < DATA; i++) {
        char json[400];
        snprintf(
            json, sizeof json,
            "{\"id\":%d,\"customer\":\"customer %d\",\"price\":%d.25,\"quantity\":%d,"
            "\"country\":\"CH\",\"ordered\":\"%02d/%02d/2026\",\"amount\":\"%d.5\","
            "\"at\":%lld}",
            1000000 + i, i, i + 1, i % 50, i % 28 + 1, i % 12 + 1, i,
            1700000000000 + (long long)i);
        data[i] = BUF_INIT(1000);
        must(av_encode(enc, span_str(json), &data[i], &problems), &e);
    }
    av_encoder_free(enc);
}

static const struct av_visitor_ops nobody;

static double plain(long records)
{
    struct av_visitor v = {&nobody};
    struct av_plan *plan;
    struct err e = {0};

    must(av_plan_new(&plan, schema, schema, &e), &e);
    double began = now();
    for (long i = 0; i < records; i++)
        must(av_decode_all(plan, buf_span(&data[i % DATA]), NULL, &v, &e), &e);
    double took = (now() - began) / (double)records;
    av_plan_free(plan);
    return took;
}

static double with(const char *steps, long records)
{
    struct av_visitor v = {&nobody};
    struct conf conf;
    struct conf_tree tree = {0};
    struct transform *t;
    struct transform_program *p;
    struct transform_result result;
    struct av_plan *plan;
    struct err e = {0};
    char yaml[2000];

    snprintf(yaml, sizeof yaml, steps[0] == '\0' ? "transform: []\n" : "transform:\n%s",
             steps);
    must(conf_read_text(&conf, conf_rows, "bench", span_str(yaml), &tree, &e), &e);
    must(transform_read(&t, &tree, &e), &e);
    must(transform_compile(&p, t, schema, &e), &e);
    must(av_plan_new(&plan, transform_schema(p), transform_schema(p), &e), &e);
    struct transform_run *run = transform_run_new(NULL);
    double began = now();
    for (long i = 0; i < records; i++) {
        struct transform_origin o = {0, i, 1700000000000000000};
        must(transform_apply(run, p, &o, buf_span(&data[i % DATA]), &result, &e), &e);
        if (result.fate == TRANSFORM_KEPT)
            must(av_decode_all(plan, result.datum, NULL, &v, &e), &e);
    }
    double took = (now() - began) / (double)records;
    transform_run_free(run);
    av_plan_free(plan);
    transform_program_free(p);
    transform_free(t);
    conf_free(&conf);
    return took;
}

static double least(const char *steps, long records)
{
    double best = 1e18;

    for (int round = 0; round < 5; round++) {
        double took = steps == NULL ? plain(records) : with(steps, records);
        best = took < best ? took : best;
    }
    return best;
}

int main(int argc, char **argv)
{
    long records = argc > 1 ? atol(argv[1]) : 300000;

    fill();
    double base = least(NULL, records);
    printf("%-34s %7.1f ns\n", "decoded", base);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        double took = least(rows[i].steps, records);
        printf("%-34s %7.1f ns  %5.2f x\n", rows[i].name, took, took / base);
    }
    for (int i = 0; i < DATA; i++)
        buf_free(&data[i]);
    av_schema_release(schema);
    return 0;
}
