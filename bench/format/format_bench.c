/*
 * How many records a second go into a file, by format and codec: from Avro binary, as
 * Kafka gives it, to a sink that throws the bytes away.
 *
 *      format_bench FILE       the records also into FILE, length and datum, for others
 *      bench/format/run
 */
#include "avro-core/encode.h"
#include "avro-core/varint.h"
#include "format/format.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>

static const char schema_text[] =
    "{\"type\":\"record\",\"name\":\"Reading\",\"namespace\":\"com.sensors\","
    "\"fields\":["
    "{\"name\":\"device_id\",\"type\":\"string\"},"
    "{\"name\":\"seq\",\"type\":\"long\"},"
    "{\"name\":\"recorded_at\",\"type\":{\"type\":\"long\",\"logicalType\":"
    "\"timestamp-millis\"}},"
    "{\"name\":\"temperature\",\"type\":\"double\"},"
    "{\"name\":\"humidity\",\"type\":[\"null\",\"double\"]}]}";

#define RECORDS 500000
#define ROUNDS 4 // of all records, into one file
#define REPEATS 3

static struct buf avro = {.limit = (size_t)256 << 20};
static size_t at[RECORDS + 1];
static struct av_schema *schema;
static struct av_plan *plan;

static void stop(const char *why)
{
    fprintf(stderr, "format bench: %s\n", why);
    exit(1);
}

/* 200 devices, each with its own slowly moving temperature. */
static void make_records(void)
{
    struct av_problems p = {0};
    struct av_encoder *enc;
    struct err e = {0};
    char json[300], humidity[20];

    if (av_encoder_new(&enc, schema, NULL, &e) != ERR_OK)
        stop(e.msg);
    for (int i = 0; i < RECORDS; i++) {
        snprintf(humidity, sizeof humidity, "%.1f", 30 + (i * 104729LL % 500) / 10.0);
        int n =
            snprintf(json, sizeof json,
                     "{\"device_id\":\"sensor-%04d\",\"seq\":%d,\"recorded_at\":%lld,"
                     "\"temperature\":%.2f,\"humidity\":%s}",
                     (int)(i * 7919LL % 200), i, 1763700000000LL + i * 13LL,
                     15 + (i * 7919LL % 1500) / 100.0, i % 10 == 9 ? "null" : humidity);
        if (av_encode(enc, span_of(json, (size_t)n), &avro, &p) != ERR_OK)
            stop(p.first != NULL ? (const char *)p.first->message.p : "too much");
        at[i + 1] = avro.n;
    }
    av_encoder_free(enc);
}

static uint64_t thrown;

static enum err_kind throw_away(void *ctx, struct span bytes, struct err *e)
{
    (void)ctx, (void)e;
    thrown += bytes.n;
    return ERR_OK;
}

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void write_file(const char *format, const char *codec)
{
    const struct format_options o = {.codec = codec};
    const struct format_sink to = {throw_away, NULL};
    struct format_writer *w;
    struct err e = {0};

    thrown = 0;
    if (format_open(&w, format, schema, &o, &to, &e) != ERR_OK)
        stop(e.msg);
    for (int k = 0; k < ROUNDS; k++)
        for (size_t i = 0; i < RECORDS; i++)
            if (format_append(w, plan, span_of(avro.p + at[i], at[i + 1] - at[i]), NULL,
                              &e) != ERR_OK)
                stop(e.msg);
    if (format_finish(w, &e) != ERR_OK)
        stop(e.msg);
    format_close(w);
}

static const struct {
    const char *format, *codec;
} files[] = {
    {"parquet", "zstd"},  {"parquet", "snappy"}, {"parquet", "none"},
    {"ocf", "zstandard"}, {"ocf", "null"},       {"json", NULL},
    {"csv", NULL},
};

static void measure(const char *format, const char *codec)
{
    const double rows = (double)RECORDS * ROUNDS;
    struct rusage usage;
    double best = 1e9;

    for (int k = 0; k < REPEATS; k++) {
        double t = now();
        write_file(format, codec);
        t = now() - t;
        best = t < best ? t : best;
    }
    getrusage(RUSAGE_SELF, &usage);
    printf(
        "  %-8s %-10s %6.2f M rows/s %6.0f ns a row %6.1f bytes a row, peak %ld MB\n",
        format, codec == NULL ? "" : codec, rows / best / 1e6, best / rows * 1e9,
        (double)thrown / rows, usage.ru_maxrss / 1024);
}

static void keep_records(const char *path)
{
    struct buf out = BUF_INIT((size_t)512 << 20);
    FILE *f = fopen(path, "wb");

    for (size_t i = 0; i < RECORDS; i++) {
        varint_append(&out, (int64_t)(at[i + 1] - at[i]));
        buf_put(&out, span_of(avro.p + at[i], at[i + 1] - at[i]));
    }
    if (f == NULL || fwrite(out.p, 1, out.n, f) != out.n || fclose(f) != 0)
        stop(path);
    buf_free(&out);
    puts(schema_text);
}

int main(int argc, char **argv)
{
    struct err e = {0};

    if (av_schema_parse(&schema, span_str(schema_text), NULL, 0, NULL, &e) != ERR_OK ||
        av_plan_new(&plan, schema, schema, &e) != ERR_OK)
        stop(e.msg);
    make_records();
    if (argc == 2) {
        keep_records(argv[1]);
    } else {
        printf("%d records, %.1f bytes of Avro each; CPU time, the best of %d\n",
               RECORDS * ROUNDS, (double)avro.n / RECORDS, REPEATS);
        for (size_t i = 0; i < sizeof files / sizeof *files; i++)
            measure(files[i].format, files[i].codec);
    }
    av_plan_free(plan);
    av_schema_release(schema);
    buf_free(&avro);
    return 0;
}
