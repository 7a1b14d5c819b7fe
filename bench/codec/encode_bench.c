/*
 * How long a record takes from JSON to Avro: one thread, records of different values
 * one after the other, as they would come in a batch.
 *
 *      cmake --build --preset dev --target bench-encode && build-dev/bench-encode
 */
#include "avro-core/encode.h"
#include "base/clock.h"

#include <stdio.h>
#include <stdlib.h>

static const char schema_text[] =
    "{\"type\":\"record\",\"name\":\"Reading\",\"namespace\":\"com.sensors\","
    "\"fields\":["
    "{\"name\":\"device_id\",\"type\":\"string\"},"
    "{\"name\":\"seq\",\"type\":\"long\"},"
    "{\"name\":\"recorded_at\",\"type\":\"long\"},"
    "{\"name\":\"temperature\",\"type\":\"double\"},"
    "{\"name\":\"humidity\",\"type\":[\"null\",\"double\"]},"
    "{\"name\":\"location\",\"type\":\"string\"}]}";

#define RECORDS 4096
#define ROUNDS 300
#define REPEATS 7

struct shape {
    const char *name;
    const char *format; // of device, seq, time, temperature, humidity
};

static const struct shape shapes[] = {
    {"in order", "{\"device_id\":\"sensor-%04d\",\"seq\":%d,\"recorded_at\":%lld,"
                 "\"temperature\":%.2f,"
                 "\"humidity\":%.3f,\"location\":\"Hall 7, row 12, rack 3\"}"},
    {"with blanks",
     "{\"device_id\": \"sensor-%04d\", \"seq\": %d, \"recorded_at\": %lld, "
     "\"temperature\": %.2f, \"humidity\": %.3f, \"location\": \"Hall 7, row 12, rack "
     "3\"}"},
    {"shuffled", "{\"location\":\"Hall 7, row 12, rack "
                 "3\",\"device_id\":\"sensor-%04d\",\"seq\":%d,"
                 "\"recorded_at\":%lld,\"temperature\":%.2f,\"humidity\":%.3f}"},
};

static struct span texts[RECORDS];

static size_t make_texts(const struct shape *s)
{
    static char room[RECORDS * 256];
    size_t at = 0;

    for (int i = 0; i < RECORDS; i++) {
        int n = snprintf(room + at, 256, s->format, i % 9973, 1000000 + i * 37,
                         1763700000000LL + i * 1013, 15 + (i * 7919 % 1500) / 100.0,
                         (i * 104729 % 1000) / 1000.0);
        texts[i] = span_of(room + at, (size_t)n);
        at += (size_t)n;
    }
    return at;
}

static void stop(const char *why)
{
    fprintf(stderr, "%s\n", why);
    exit(1);
}

static double run(const struct av_encoder *enc, struct buf *out)
{
    struct av_problems p = {0};
    int64_t best = INT64_MAX;

    for (int k = 0; k < REPEATS; k++) {
        int64_t t = clock_us();
        for (int r = 0; r < ROUNDS; r++) {
            buf_reset(out);
            for (int i = 0; i < RECORDS; i++)
                if (av_encode(enc, texts[i], out, &p) != ERR_OK)
                    stop("a record was refused");
        }
        t = clock_us() - t;
        best = t < best ? t : best;
    }
    av_problems_free(&p);
    return (double)best * 1000 / ((double)ROUNDS * RECORDS);
}

int main(void)
{
    struct av_schema *s;
    struct av_encoder *enc;
    struct buf out = BUF_INIT(64 << 20);
    struct err e = {0};

    if (av_schema_parse(&s, span_str(schema_text), NULL, 0, NULL, &e) != ERR_OK ||
        av_encoder_new(&enc, s, NULL, &e) != ERR_OK)
        stop(e.msg);
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        double bytes = (double)make_texts(&shapes[i]) / RECORDS;
        double ns = run(enc, &out);
        printf("%-12s %6.1f bytes  %6.1f ns/record  %5.2f GB/s\n", shapes[i].name,
               bytes, ns, bytes / ns);
    }
    buf_free(&out);
    av_encoder_free(enc);
    av_schema_release(s);
    return 0;
}
