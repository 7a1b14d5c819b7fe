/*
 * What a record cannot cost less than: its JSON encoded, and librdkafka's produce; each
 * alone, in CPU of the whole process, on the payload that bench/gateway/run.py posts.
 * And how fast a bare producer is that has as many records in flight as the gateway's
 * clients: batches of 1,000 (records a second), single records (until their reports).
 *
 *      bench-parts BOOTSTRAP TOPIC SCHEMA-FILE JSON-FILE SECONDS BATCHES SINGLES
 *
 * The producer is librdkafka as it comes: the gateway's threads do not spin (decision
 * 164), its do.
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

static rd_kafka_t *open_producer(const char *bootstrap,
                                 void (*on_report)(rd_kafka_t *,
                                                   const rd_kafka_message_t *, void *))
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

/* ---- batches ---- */

static long left;

static void on_batched(rd_kafka_t *rk, const rd_kafka_message_t *m, void *opaque)
{
    (void)rk, (void)opaque;
    if (m->err != RD_KAFKA_RESP_ERR_NO_ERROR)
        die("a record", rd_kafka_err2str(m->err));
    left--;
}

static void send_batch(rd_kafka_topic_t *rkt, struct span payload)
{
    static rd_kafka_message_t batch[BATCH];

    for (int i = 0; i < BATCH; i++)
        batch[i] = (rd_kafka_message_t){.payload = (void *)(uintptr_t)payload.p,
                                        .len = payload.n};
    left += rd_kafka_produce_batch(rkt, RD_KAFKA_PARTITION_UA, RD_KAFKA_MSG_F_COPY,
                                   batch, BATCH);
}

static void measure_rate(const char *bootstrap, const char *topic, struct span payload,
                         double secs, long most)
{
    rd_kafka_t *rk = open_producer(bootstrap, on_batched);
    rd_kafka_topic_t *rkt = rd_kafka_topic_new(rk, topic, NULL);
    long n = 0;

    for (send_batch(rkt, payload); left > 0;) // connected, and with a producer id
        rd_kafka_poll(rk, 10);
    double cpu = seconds(CLOCK_PROCESS_CPUTIME_ID), wall = seconds(CLOCK_MONOTONIC);
    while (seconds(CLOCK_MONOTONIC) - wall < secs) {
        send_batch(rkt, payload);
        n += BATCH;
        while (left > (most - 1) * BATCH)
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

/* ---- single records ---- */

#define LATENCIES (8 << 20)

static struct {
    rd_kafka_topic_t *rkt;
    struct span payload;
    double until;
    uint32_t *us; // of every report
    size_t n;
} singles;

static void send_single(double *sent)
{
    *sent = seconds(CLOCK_MONOTONIC);
    if (rd_kafka_produce(singles.rkt, RD_KAFKA_PARTITION_UA, RD_KAFKA_MSG_F_COPY,
                         (void *)(uintptr_t)singles.payload.p, singles.payload.n, NULL,
                         0, sent) != 0)
        die("a record", rd_kafka_err2str(rd_kafka_last_error()));
    left++;
}

/* Each report is followed by the next record, as an answer by the next request. */
static void on_single(rd_kafka_t *rk, const rd_kafka_message_t *m, void *opaque)
{
    double *sent = m->_private, now = seconds(CLOCK_MONOTONIC);

    (void)rk, (void)opaque;
    if (m->err != RD_KAFKA_RESP_ERR_NO_ERROR)
        die("a record", rd_kafka_err2str(m->err));
    left--;
    if (singles.n < LATENCIES)
        singles.us[singles.n++] = (uint32_t)((now - *sent) * 1e6);
    if (now < singles.until)
        send_single(sent);
}

static int by_size(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

    return (x > y) - (x < y);
}

static void measure_latency(const char *bootstrap, const char *topic,
                            struct span payload, double secs, long most)
{
    rd_kafka_t *rk = open_producer(bootstrap, on_single);
    double *sent = calloc((size_t)most, sizeof *sent);

    singles.rkt = rd_kafka_topic_new(rk, topic, NULL);
    singles.payload = payload;
    singles.us = malloc(LATENCIES * sizeof *singles.us);
    for (send_single(&sent[0]); left > 0;)
        rd_kafka_poll(rk, 10);
    singles.n = 0;
    singles.until = seconds(CLOCK_MONOTONIC) + secs;
    for (long i = 0; i < most; i++)
        send_single(&sent[i]);
    while (left > 0)
        rd_kafka_poll(rk, 10);
    qsort(singles.us, singles.n, sizeof *singles.us, by_size);
    printf("p50 %.3f\np99 %.3f\nsingles %.0f\n", singles.us[singles.n / 2] / 1e3,
           singles.us[singles.n * 99 / 100] / 1e3, (double)singles.n / secs);
    free(singles.us);
    free(sent);
    rd_kafka_topic_destroy(singles.rkt);
    rd_kafka_destroy(rk);
}

#define ENCODED 400000

int main(int argc, char **argv)
{
    struct buf out = BUF_INIT(1 << 20);

    if (argc != 8)
        die("usage",
            "bench-parts BOOTSTRAP TOPIC SCHEMA-FILE JSON-FILE SECONDS BATCHES "
            "SINGLES");
    encode(&out, read_file(argv[3]), read_file(argv[4]), ENCODED + 1);
    double secs = atof(argv[5]);
    if (atol(argv[6]) > 0)
        measure_rate(argv[1], argv[2], buf_span(&out), secs, atol(argv[6]));
    if (atol(argv[7]) > 0)
        measure_latency(argv[1], argv[2], buf_span(&out), secs, atol(argv[7]));
    buf_free(&out);
    return 0;
}
