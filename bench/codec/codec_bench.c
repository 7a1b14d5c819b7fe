/*
 * How long a record takes from JSON to Avro and back: ours and the ways there were
 * before, in turns, in one process and on one core.
 *
 *      bench/codec/run
 */
#include "avro-core/decode.h"
#include "avro-core/encode.h"
#include "bench/codec/codec.h"
#include "format/columns.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

const char schema_text[] =
    "{\"type\":\"record\",\"name\":\"Reading\",\"namespace\":\"com.sensors\","
    "\"fields\":["
    "{\"name\":\"device_id\",\"type\":\"string\"},"
    "{\"name\":\"seq\",\"type\":\"long\"},"
    "{\"name\":\"recorded_at\",\"type\":\"long\"},"
    "{\"name\":\"temperature\",\"type\":\"double\"},"
    "{\"name\":\"humidity\",\"type\":[\"null\",\"double\"]},"
    "{\"name\":\"location\",\"type\":\"string\"}]}";

#define RECORDS 4096
#define REPEATS 60
#define PADDING 64

/* Texts one after the other, a line each, and their Avro as we write it. */
static uint8_t text[RECORDS * 256 + PADDING], avro[RECORDS * 128],
    scratch[RECORDS * 128];
static size_t text_at[RECORDS + 1], avro_at[RECORDS + 1];

struct shape {
    const char *name, *format; // of device, seq, time, temperature, humidity
};

static const struct shape shapes[] = {
    {"in order", "{\"device_id\":\"sensor-%04d\",\"seq\":%d,\"recorded_at\":%lld,"
                 "\"temperature\":%.2f,\"humidity\":%s,"
                 "\"location\":\"Hall 7, row 12, rack 3c/d\"}\n"},
    {"with blanks",
     "{\"device_id\": \"sensor-%04d\", \"seq\": %d, \"recorded_at\": %lld, "
     "\"temperature\": %.2f, \"humidity\": %s, "
     "\"location\": \"Hall 7, row 12, rack 3c/d\"}\n"},
    {"shuffled",
     "{\"location\":\"Hall 7, row 12, rack 3c/d\",\"device_id\":\"sensor-%04d\","
     "\"seq\":%d,\"recorded_at\":%lld,\"temperature\":%.2f,"
     "\"humidity\":%s}\n"},
};

static void stop(const char *why)
{
    fprintf(stderr, "codec bench: %s\n", why);
    exit(1);
}

/* Each tenth record has no humidity. */
static size_t make_texts(const struct shape *s)
{
    size_t at = 0;

    for (int i = 0; i < RECORDS; i++) {
        char humidity[20] = "null";
        if (i % 10 != 9)
            snprintf(humidity, sizeof humidity, "%.3f", (i * 104729 % 1000) / 1000.0);
        text_at[i] = at;
        at += (size_t)snprintf((char *)text + at, 256, s->format, i % 9973,
                               1000000 + i * 37, 1763700000000LL + i * 1013,
                               15 + (i * 7919 % 1500) / 100.0, humidity);
    }
    text_at[RECORDS] = at;
    return at;
}

/* ---- those who run ---- */

static struct av_encoder *encoder;
static struct av_plan *plan;
static struct buf out;

static size_t ours(const uint8_t *json, size_t n, uint8_t *to)
{
    struct av_problems p = {0};

    (void)to;
    buf_reset(&out);
    return av_encode(encoder, span_of(json, n), &out, &p) == ERR_OK ? out.n : 0;
}

static struct span text_of(size_t i)
{
    return span_of(text + text_at[i], text_at[i + 1] - text_at[i]);
}

static void run_encode(peer_encode *encode)
{
    for (size_t i = 0; i < RECORDS; i++) {
        struct span x = text_of(i);
        if (encode(x.p, x.n, scratch) == 0)
            stop("a record was refused");
    }
}

static void encode_ours(void)
{
    struct av_problems p = {0};

    buf_reset(&out);
    for (size_t i = 0; i < RECORDS; i++)
        if (av_encode(encoder, text_of(i), &out, &p) != ERR_OK)
            stop("a record was refused");
}

static void encode_ours_lines(void)
{
    struct av_problems p = {0};
    struct span all = span_of(text, text_at[RECORDS]);

    buf_reset(&out);
    for (size_t at = 0, i = 0; i < RECORDS; i++)
        if (av_encode_next(encoder, all, &at, &out, &p) != ERR_OK)
            stop("a record was refused");
}

static void encode_simdjson(void)
{
    run_encode(simdjson_record);
}

static void encode_simdjson_lines(void)
{
    if (simdjson_lines(text, text_at[RECORDS], scratch) != avro_at[RECORDS])
        stop("a record was refused");
}

static void encode_avroc(void)
{
    run_encode(jansson_avroc);
}

/* Adds all values up: what a reader of records does at least. */
struct sum {
    struct av_visitor visitor;
    double total;
};

static enum err_kind sum_int64(struct av_visitor *v, const struct av_node *node,
                               int64_t x, struct err *e)
{
    (void)node, (void)e;
    ((struct sum *)v)->total += (double)x;
    return ERR_OK;
}

static enum err_kind sum_real(struct av_visitor *v, const struct av_node *node,
                              double x, struct err *e)
{
    (void)node, (void)e;
    ((struct sum *)v)->total += x;
    return ERR_OK;
}

static enum err_kind sum_string(struct av_visitor *v, const struct av_node *node,
                                struct span x, struct err *e)
{
    (void)node, (void)e;
    ((struct sum *)v)->total += (double)x.n;
    return ERR_OK;
}

static const struct av_visitor_ops sums = {
    .int64 = sum_int64, .real = sum_real, .string = sum_string};

static double total;

static void decode_ours(void)
{
    struct sum s = {.visitor = {&sums}};
    struct err e = {0};
    size_t used;

    for (size_t i = 0; i < RECORDS; i++)
        if (av_decode(plan, span_of(avro + avro_at[i], avro_at[i + 1] - avro_at[i]),
                      NULL, &s.visitor, &used, &e) != ERR_OK)
            stop(e.msg);
    total = s.total;
}

static struct columns *columns;
static struct route *route;

/* As a file's batches are: the memory of the last one is there. */
static void decode_columns(void)
{
    struct err e = {0};

    columns_reset(columns);
    for (size_t i = 0; i < RECORDS; i++)
        if (columns_append(columns, route, plan,
                           span_of(avro + avro_at[i], avro_at[i + 1] - avro_at[i]),
                           NULL, &e) != ERR_OK)
            stop(e.msg);
}

static void decode_avroc(void)
{
    size_t used;

    total = 0;
    for (size_t i = 0; i < RECORDS; i++)
        total += avroc_decode(avro + avro_at[i], avro_at[i + 1] - avro_at[i], &used);
}

/* ---- measuring ---- */

struct runner {
    const char *name;
    void (*run)(void);
    double best; // ns a record
};

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

/* In turns, so that a busy moment of the machine hits all of them; the best counts. */
static void measure(struct runner *r, size_t n)
{
    for (int k = 0; k < REPEATS; k++)
        for (size_t i = 0; i < n; i++) {
            double t = now();
            r[i].run();
            t = (now() - t) / RECORDS;
            if (r[i].best == 0 || t < r[i].best)
                r[i].best = t;
        }
}

static void print(const struct runner *r, size_t n, double bytes)
{
    for (size_t i = 0; i < n; i++)
        printf("  %-34s %8.1f ns  %5.2f GB/s  %6.2fx\n", r[i].name, r[i].best,
               bytes / r[i].best, r[i].best / r[0].best);
}

/* All write the same bytes, or comparing their times says nothing. */
static void check(const char *who, peer_encode *encode)
{
    for (size_t i = 0; i < RECORDS; i++) {
        struct span x = text_of(i);
        uint8_t to[4096];
        size_t n = encode(x.p, x.n, to);
        if (n != avro_at[i + 1] - avro_at[i] || memcmp(to, avro + avro_at[i], n) != 0) {
            fprintf(stderr, "codec bench: record %zu: %s wrote other bytes\n", i, who);
            exit(1);
        }
    }
}

static void make_avro(void)
{
    for (size_t i = 0; i < RECORDS; i++) {
        struct span x = text_of(i);
        size_t n = ours(x.p, x.n, NULL);
        if (n == 0)
            stop("a record was refused");
        memcpy(avro + avro_at[i], out.p, n);
        avro_at[i + 1] = avro_at[i] + n;
    }
}

/* `peers`: how many of the encoders can take this shape. */
static void bench_encode(const struct shape *s, size_t peers)
{
    struct runner runners[] = {
        {"avrogate, record by record", encode_ours, 0},
        {"avrogate, lines of one text", encode_ours_lines, 0},
        {"jansson + avro-c", encode_avroc, 0},
        {"simdjson On-Demand, by record", encode_simdjson, 0},
        {"simdjson On-Demand, lines", encode_simdjson_lines, 0},
    };
    double bytes = (double)(make_texts(s) - RECORDS) / RECORDS;

    make_avro();
    check("jansson + avro-c", jansson_avroc);
    if (peers == 5)
        check("simdjson", simdjson_record);
    measure(runners, peers);
    printf("JSON to Avro, %s, %.1f bytes of JSON\n", s->name, bytes);
    print(runners, peers, bytes);
}

static void bench_decode(void)
{
    struct runner runners[] = {{"avrogate, to Arrow columns", decode_columns, 0},
                               {"avrogate, to a visitor", decode_ours, 0},
                               {"avro-c, to a value", decode_avroc, 0}};
    double bytes = (double)avro_at[RECORDS] / RECORDS;

    decode_ours();
    double sum = total;
    decode_avroc();
    if (sum / total > 1 + 1e-9 || total / sum > 1 + 1e-9) // added in another order
        stop("avro-c read other values");
    measure(runners, 3);
    printf("Avro to values, %.1f bytes of Avro\n", bytes);
    print(runners, 3, bytes);
}

static void write_file(const char *path, struct span bytes)
{
    FILE *f = fopen(path, "wb");

    if (f == NULL || fwrite(bytes.p, 1, bytes.n, f) != bytes.n || fclose(f) != 0)
        stop(path);
}

/* The records in order and their Avro, for those who do not live in this process. */
static void write_files(char **argv)
{
    make_texts(&shapes[0]);
    make_avro();
    write_file(argv[1], span_of(text, text_at[RECORDS]));
    write_file(argv[2], span_of(avro, avro_at[RECORDS]));
    puts(schema_text);
}

static void begin(void)
{
    struct av_schema *s;
    struct err e = {0};

    out = BUF_INIT(64 << 20);
    if (av_schema_parse(&s, span_str(schema_text), NULL, 0, NULL, &e) != ERR_OK ||
        av_encoder_new(&encoder, s, NULL, &e) != ERR_OK ||
        av_plan_new(&plan, s, s, &e) != ERR_OK ||
        columns_new(&columns, s, (size_t)1 << 30, false, &e) != ERR_OK ||
        route_new(&route, columns, plan, &e) != ERR_OK)
        stop(e.msg);
    av_schema_release(s);
    avroc_begin();
}

static void end(void)
{
    avroc_end();
    route_free(route);
    columns_free(columns);
    av_plan_free(plan);
    av_encoder_free(encoder);
    buf_free(&out);
}

int main(int argc, char **argv)
{
    begin();
    if (argc == 3) {
        write_files(argv);
    } else {
        bench_encode(&shapes[0], 5);
        bench_encode(&shapes[1], 5);
        bench_encode(&shapes[2],
                     3); // the one in schema order would not find its fields
        bench_decode();
    }
    end();
    return 0;
}
