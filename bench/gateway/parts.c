/*
 * What a record cannot cost less than: its JSON encoded, and librdkafka's produce; each
 * alone, in CPU of the whole process, on the payload that bench/gateway/run.py posts.
 *
 *      bench-parts BOOTSTRAP TOPIC SCHEMA-FILE JSON-FILE RECORDS
 */
#include "avro-core/encode.h"
#include "wire/frame.h"

#include <librdkafka/rdkafka.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define BATCH 1000

static struct span read_file(const char *path)
{
    FILE *f = fopen(path, "rb");
    char *p = malloc(1 << 20);
    size_t n = f != NULL ? fread(p, 1, 1 << 20, f) : 0;

    if (n == 0) {
        perror(path);
        exit(1);
    }
    fclose(f);
    return span_of(p, n);
}

static double seconds(clockid_t clock)
{
    struct timespec t;

    clock_gettime(clock, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void die(const char *what, const char *why)
{
    fprintf(stderr, "%s: %s\n", what, why);
    exit(1);
}

/* `n` records encoded, BATCH into one buf as the gateway does; the last is left. */
static void encode(struct buf *out, struct span schema, struct span json, long n)
{
    struct av_problems problems = {0};
    struct av_schema *s = NULL;
    struct av_encoder *enc = NULL;
    struct err e = {0};

    if (av_schema_parse(&s, schema, NULL, 0, NULL, &e) != ERR_OK ||
        av_encoder_new(&enc, s, NULL, &e) != ERR_OK)
        die("schema", e.msg);
    double cpu = seconds(CLOCK_PROCESS_CPUTIME_ID);
    for (long i = 0; i < n; i++) {
        size_t at = 0;
        if (i % BATCH == 0 || i == n - 1)
            buf_reset(out);
        frame_write_head(out, 1);
        if (av_encode_next(enc, json, &at, out, &problems) != ERR_OK)
            die("record", "does not fit the schema");
    }
    printf("encode %.1f\n",
           (seconds(CLOCK_PROCESS_CPUTIME_ID) - cpu) / (double)n * 1e9);
    av_encoder_free(enc);
    av_schema_release(s);
}

static long left;

static void on_report(rd_kafka_t *rk, const rd_kafka_message_t *m, void *opaque)
{
    (void)rk, (void)opaque;
    if (m->err != RD_KAFKA_RESP_ERR_NO_ERROR)
        die("a record", rd_kafka_err2str(m->err));
    left--;
}

static rd_kafka_t *open_producer(const char *bootstrap)
{
    static const char *const set[][2] = {
        {"enable.idempotence", "true"}, {"acks", "all"}, {"linger.ms", "1"}};
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    char why[256];

    for (size_t i = 0; i < 3; i++)
        rd_kafka_conf_set(conf, set[i][0], set[i][1], why, sizeof why);
    rd_kafka_conf_set(conf, "bootstrap.servers", bootstrap, why, sizeof why);
    rd_kafka_conf_set_dr_msg_cb(conf, on_report);
    rd_kafka_t *rk = rd_kafka_new(RD_KAFKA_PRODUCER, conf, why, sizeof why);
    if (rk == NULL)
        die("producer", why);
    return rk;
}

static void produce(const char *bootstrap, const char *topic, struct span payload,
                    long n)
{
    rd_kafka_t *rk = open_producer(bootstrap);
    rd_kafka_topic_t *rkt = rd_kafka_topic_new(rk, topic, NULL);
    rd_kafka_message_t batch[BATCH];
    double cpu = seconds(CLOCK_PROCESS_CPUTIME_ID), wall = seconds(CLOCK_MONOTONIC);

    for (long sent = 0; sent < n; sent += BATCH) {
        for (int i = 0; i < BATCH; i++)
            batch[i] = (rd_kafka_message_t){.payload = (void *)(uintptr_t)payload.p,
                                            .len = payload.n};
        left += BATCH;
        rd_kafka_produce_batch(rkt, RD_KAFKA_PARTITION_UA, RD_KAFKA_MSG_F_COPY, batch,
                               BATCH);
        while (left > 64 * BATCH)
            rd_kafka_poll(rk, 10);
    }
    while (left > 0)
        rd_kafka_poll(rk, 10);
    printf("produce %.1f\n",
           (seconds(CLOCK_PROCESS_CPUTIME_ID) - cpu) / (double)n * 1e9);
    printf("bare %.0f\n", (double)n / (seconds(CLOCK_MONOTONIC) - wall));
    rd_kafka_topic_destroy(rkt);
    rd_kafka_destroy(rk);
}

int main(int argc, char **argv)
{
    struct buf out = BUF_INIT(1 << 20);

    if (argc != 6)
        die("usage", "bench-parts BOOTSTRAP TOPIC SCHEMA-FILE JSON-FILE RECORDS");
    long n = atol(argv[5]) / BATCH * BATCH;
    encode(&out, read_file(argv[3]), read_file(argv[4]), n + 1);
    produce(argv[1], argv[2], buf_span(&out), n);
    buf_free(&out);
    return 0;
}
