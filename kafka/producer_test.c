/*
 * The producer against the mock cluster: what comes back for each record, and when.
 */
#include "base/clock.h"
#include "kafka/consumer.h"
#include "kafka/mock.h"
#include "kafka/producer.h"
#include "kafka/producer_inside.h"
#include "tests/check.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define RECORDS_MAX 8192

/* Counts reports and keeps each of them. */
struct catcher {
    struct kf_waiter waiter; // first
    atomic_size_t n;
    struct kf_report reports[RECORDS_MAX];
    atomic_int seen[RECORDS_MAX];
};

static void catch_report(struct kf_waiter *w, uint32_t index, const struct kf_report *r)
{
    struct catcher *c = (struct catcher *)w;

    c->reports[index] = *r;
    atomic_fetch_add(&c->seen[index], 1);
    atomic_fetch_add(&c->n, 1);
}

static struct catcher *new_catcher(void)
{
    struct catcher *c = calloc(1, sizeof *c);
    c->waiter.report = catch_report;
    return c;
}

static void nap(int ms)
{
    nanosleep(&(struct timespec){.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L},
              NULL);
}

static struct kf_mock *mock(int brokers, const char *topic, int32_t partitions)
{
    struct kf_mock *m = NULL;
    struct err e = {0};

    if (kf_mock_open(&m, brokers, &e) != ERR_OK ||
        kf_mock_topic(m, topic, partitions, &e) != ERR_OK) {
        printf("Bail out! %s\n", e.msg);
        exit(1);
    }
    return m;
}

static struct kf_producer *producer(struct kf_mock *m, const struct conf_pairs *props)
{
    struct kf_producer *p = NULL;
    struct err e = {0};

    if (kf_producer_open(&p, kf_mock_bootstrap(m), props, &e) != ERR_OK) {
        printf("Bail out! %s\n", e.msg);
        exit(1);
    }
    return p;
}

static struct kf_record record(const char *key, const char *value)
{
    return (struct kf_record){
        .key = key == NULL ? (struct span){0} : span_str(key),
        .value = value == NULL ? (struct span){0} : span_str(value),
        .partition = -1,
    };
}

static enum err_kind post(struct kf_producer *p, const char *topic,
                          const struct kf_record *r, struct catcher *c, uint32_t index)
{
    struct err e = {0};
    return kf_send(p, topic, r, &c->waiter, index, &e);
}

static void every_record_gets_one_report_with_its_place(void)
{
    struct kf_mock *m = mock(1, "t", 1);
    struct kf_producer *p = producer(m, NULL);
    struct catcher *c = new_catcher();

    for (uint32_t i = 0; i < 1000; i++) {
        struct kf_record r = record("k", "v");
        CHECK_INT(post(p, "t", &r, c, i), ERR_OK);
    }
    CHECK(kf_flush(p, 60000));
    CHECK_INT(kf_in_flight(p), 0);
    CHECK_INT(atomic_load(&c->n), 1000);
    for (uint32_t i = 0; i < 1000; i++) {
        CHECK_INT(c->seen[i], 1);
        CHECK_INT(c->reports[i].kind, ERR_OK);
        CHECK_INT(c->reports[i].partition, 0);
        CHECK_INT(c->reports[i].offset, i);
        CHECK(!c->reports[i].maybe && c->reports[i].name == NULL);
    }
    kf_producer_close(p);
    kf_mock_close(m);
    free(c);
}

/* Hashes from Kafka's own test, org.apache.kafka.common.utils.UtilsTest.testMurmur2. */
static void a_key_goes_where_java_sends_it(void)
{
    static const struct {
        const char *key;
        int32_t murmur2;
    } known[] = {
        {"21", -973932308},
        {"foobar", -790332482},
        {"a-little-bit-long-string", -985981536},
        {"a-little-bit-longer-string", -1486304829},
        {"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971},
        {"abc", 479470107},
    };
    enum { N = sizeof known / sizeof *known, PARTITIONS = 7 };
    struct kf_mock *m = mock(1, "t", PARTITIONS);
    struct kf_producer *p = producer(m, NULL);
    struct catcher *c = new_catcher();
    struct kf_record all[N];

    for (uint32_t i = 0; i < N; i++) {
        all[i] = record(known[i].key, "v");
        CHECK_INT(post(p, "t", &all[i], c, i), ERR_OK);
    }
    CHECK_INT(kf_send_batch(p, "t", all, N, &c->waiter, N), 0);
    CHECK(kf_flush(p, 60000));
    for (uint32_t i = 0; i < 2 * N; i++)
        CHECK_INT(c->reports[i].partition,
                  (known[i % N].murmur2 & 0x7fffffff) % PARTITIONS);
    kf_producer_close(p);
    kf_mock_close(m);
    free(c);
}

/* Reads `n` messages of t/0 and hands each to `look`. */
static void read_back(struct kf_mock *m, size_t n,
                      void (*look)(size_t i, const struct kf_message *got))
{
    struct kf_consumer *k = NULL;
    struct err e = {0};
    size_t i = 0;

    CHECK_INT(
        kf_consumer_assign(&k, kf_mock_bootstrap(m), NULL, "t", 0, KF_BEGINNING, &e),
        ERR_OK);
    for (int64_t until = clock_ms() + 60000; i < n && clock_ms() < until;) {
        struct kf_message got;
        struct kf_end end;
        bool any;

        CHECK_INT(kf_poll(k, 100, &got, &any, &end, &e), ERR_OK);
        if (!any)
            continue;
        look(i++, &got);
        kf_message_free(&got);
    }
    CHECK_INT(i, n);
    kf_consumer_close(k);
}

static void look_at_bytes(size_t i, const struct kf_message *got)
{
    switch (i % 4) {
    case 0:
        CHECK_SPAN(got->key, "key");
        CHECK_SPAN(got->value, "value");
        CHECK_INT(got->timestamp_ms, 1234567890123);
        CHECK_INT(got->n_headers, 3);
        CHECK_STR(got->headers[0].name, "trace");
        CHECK_SPAN(got->headers[0].value, "abc");
        CHECK_STR(got->headers[1].name, "none");
        CHECK(got->headers[1].value.p == NULL);
        CHECK_STR(got->headers[2].name, "empty");
        CHECK(got->headers[2].value.p != NULL && got->headers[2].value.n == 0);
        break;
    case 1:
        CHECK(got->value.p == NULL);
        CHECK_SPAN(got->key, "gone");
        break;
    case 2:
        CHECK(got->key.p == NULL);
        CHECK(got->value.p != NULL && got->value.n == 0);
        break;
    default: CHECK(span_eq(got->value, span_of("a\0b", 3)));
    }
    CHECK_INT(got->offset, i);
}

static void bytes_arrive_as_they_were_one_by_one_and_in_batches(void)
{
    static const struct kf_header headers[] = {
        {"trace", {(const uint8_t *)"abc", 3}},
        {"none", {NULL, 0}},
        {"empty", {(const uint8_t *)"", 0}},
    };
    struct kf_mock *m = mock(1, "t", 1);
    struct kf_producer *p = producer(m, NULL);
    struct catcher *c = new_catcher();
    struct kf_record all[4] = {
        {.key = span_str("key"),
         .value = span_str("value"),
         .headers = headers,
         .n_headers = 3,
         .partition = -1,
         .timestamp_ms = 1234567890123},
        record("gone", NULL),
        record(NULL, ""),
        {.value = span_of("a\0b", 3)}, // partition 0, asked for
    };

    for (uint32_t i = 0; i < 4; i++)
        CHECK_INT(post(p, "t", &all[i], c, i), ERR_OK);
    CHECK_INT(kf_send_batch(p, "t", all, 4, &c->waiter, 4), 0);
    CHECK(kf_flush(p, 60000));
    read_back(m, 8, look_at_bytes);
    kf_producer_close(p);
    kf_mock_close(m);
    free(c);
}

static void a_large_batch_is_reported_record_by_record(void)
{
    struct kf_mock *m = mock(3, "t", 4);
    struct kf_producer *p = producer(m, NULL);
    struct catcher *c = new_catcher();
    struct kf_record *all = calloc(5000, sizeof *all);

    for (size_t i = 0; i < 5000; i++)
        all[i] = record(i % 2 ? "odd" : NULL, "value");
    CHECK_INT(kf_send_batch(p, "t", all, 5000, &c->waiter, 7), 0);
    CHECK(kf_flush(p, 60000));
    CHECK_INT(atomic_load(&c->n), 5000);
    for (size_t i = 7; i < 5007; i++) {
        CHECK_INT(c->seen[i], 1);
        CHECK_INT(c->reports[i].kind, ERR_OK);
    }
    kf_producer_close(p);
    kf_mock_close(m);
    free(all);
    free(c);
}

static void what_is_too_large_is_refused_at_once_and_the_rest_is_taken(void)
{
    struct kf_mock *m = mock(1, "t", 1);
    struct kf_producer *p = producer(m, NULL);
    struct catcher *c = new_catcher();
    size_t n = 2 << 20;
    uint8_t *big = calloc(1, n);
    struct kf_record all[3] = {
        record("a", "1"),
        {.value = span_of(big, n), .partition = -1},
        record("c", "3"),
    };

    CHECK_INT(post(p, "t", &all[1], c, 9), ERR_LIMIT);
    CHECK_INT(c->seen[9], 0); // refused: no report
    CHECK_INT(kf_send_batch(p, "t", all, 3, &c->waiter, 0), 1);
    CHECK_INT(c->seen[1], 1); // refused in a batch: reported already
    CHECK_INT(c->reports[1].kind, ERR_LIMIT);
    CHECK(!c->reports[1].maybe);
    CHECK_STR(c->reports[1].name, "MSG_SIZE_TOO_LARGE");
    CHECK(kf_flush(p, 60000));
    CHECK_INT(c->reports[0].kind, ERR_OK);
    CHECK_INT(c->reports[2].kind, ERR_OK);
    CHECK_INT(c->reports[2].offset, 1);
    kf_producer_close(p);
    kf_mock_close(m);
    free(big);
    free(c);
}

static void a_full_queue_refuses_and_keeps_what_it_took(void)
{
    static struct conf_pair few[] = {{"queue.buffering.max.messages", "10", false},
                                     {"message.timeout.ms", "20000", false}};
    struct conf_pairs props = {few, 2};
    struct kf_mock *m = mock(1, "t", 1);
    struct kf_producer *p = producer(m, &props);
    struct catcher *c = new_catcher();
    struct kf_record all[20];
    size_t taken = 0;

    kf_mock_broker_down(m, -1, true);
    for (uint32_t i = 0; i < 20; i++) {
        all[i] = record("k", "v");
        taken += post(p, "t", &all[i], c, i) == ERR_OK;
    }
    CHECK_INT(taken, 10);
    CHECK_INT(kf_in_flight(p), 10);
    CHECK_INT(kf_send_batch(p, "t", all, 20, &c->waiter, 100), 20);
    for (uint32_t i = 100; i < 120; i++) {
        CHECK_INT(c->seen[i], 1);
        CHECK_INT(c->reports[i].kind, ERR_UNAVAILABLE);
        CHECK(!c->reports[i].maybe);
    }
    kf_mock_broker_down(m, -1, false);
    CHECK(kf_flush(p, 60000));
    for (uint32_t i = 0; i < 20; i++)
        CHECK_INT(c->seen[i], i < 10);
    for (uint32_t i = 0; i < 10; i++)
        CHECK_INT(c->reports[i].kind, ERR_OK);
    kf_producer_close(p);
    kf_mock_close(m);
    free(c);
}

static void a_passing_failure_is_retried_in_silence(void)
{
    static const char *const ways[] = {"timed_out", "not_leader", "not_enough_replicas",
                                       "disconnect"};

    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
        struct kf_mock *m = mock(1, "t", 1);
        struct kf_producer *p = producer(m, NULL);
        struct catcher *c = new_catcher();
        struct kf_record r = record("k", "v");

        kf_mock_fail_produce(m, ways[i], 2);
        CHECK_INT(post(p, "t", &r, c, 0), ERR_OK);
        CHECK(kf_flush(p, 60000));
        CHECK_INT(c->reports[0].kind, ERR_OK);
        CHECK_INT(c->reports[0].offset, 0);
        kf_producer_close(p);
        kf_mock_close(m);
        free(c);
    }
}

static void what_the_broker_refuses_for_good_is_said(void)
{
    static const struct {
        const char *how, *name;
        enum err_kind kind;
    } ways[] = {
        {"too_large", "MSG_SIZE_TOO_LARGE", ERR_LIMIT},
        {"invalid_record", "INVALID_RECORD", ERR_INVALID},
        {"not_allowed", "TOPIC_AUTHORIZATION_FAILED", ERR_CONFLICT},
    };

    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
        struct kf_mock *m = mock(1, "t", 1);
        struct kf_producer *p = producer(m, NULL);
        struct catcher *c = new_catcher();
        struct kf_record r = record("k", "v");

        kf_mock_fail_produce(m, ways[i].how, 1);
        CHECK_INT(post(p, "t", &r, c, 0), ERR_OK);
        CHECK(kf_flush(p, 60000));
        CHECK_INT(c->reports[0].kind, ways[i].kind);
        CHECK(!c->reports[0].maybe);
        CHECK_INT(c->reports[0].offset, -1);
        CHECK(c->reports[0].name != NULL &&
              strcmp(c->reports[0].name, ways[i].name) == 0);
        CHECK(kf_healthy(p));
        kf_producer_close(p);
        kf_mock_close(m);
        free(c);
    }
}

static struct conf_pair short_timeout[] = {{"message.timeout.ms", "1500", false}};

static void brokers_away_is_said_within_the_time_and_nothing_was_written(void)
{
    struct conf_pairs props = {short_timeout, 1};
    struct kf_mock *m = mock(1, "t", 1);
    struct kf_producer *p = producer(m, &props);
    struct catcher *c = new_catcher();
    struct kf_record r = record("k", "v");

    CHECK_INT(post(p, "t", &r, c, 0), ERR_OK); // it knows the topic and the leader
    CHECK(kf_flush(p, 60000));
    kf_mock_broker_down(m, -1, true);
    nap(200);
    CHECK_INT(post(p, "t", &r, c, 1), ERR_OK);
    CHECK(kf_flush(p, 60000));
    CHECK_INT(c->reports[1].kind, ERR_UNAVAILABLE);
    CHECK(!c->reports[1].maybe);
    CHECK_STR(c->reports[1].name, "_MSG_TIMED_OUT");

    kf_mock_broker_down(m, -1, false); // and it recovers by itself
    CHECK_INT(post(p, "t", &r, c, 2), ERR_OK);
    CHECK(kf_flush(p, 60000));
    CHECK_INT(c->reports[2].kind, ERR_OK);
    CHECK_INT(c->reports[2].offset, 1);
    kf_producer_close(p);
    kf_mock_close(m);
    free(c);
}

/* The broker wrote it; its answer never came. */
static void an_answer_that_comes_too_late_is_maybe(void)
{
    struct conf_pairs props = {short_timeout, 1};
    struct kf_mock *m = mock(1, "t", 1);
    struct kf_producer *p = producer(m, &props);
    struct catcher *c = new_catcher();
    struct kf_record r = record("k", "v");

    CHECK_INT(post(p, "t", &r, c, 0), ERR_OK);
    CHECK(kf_flush(p, 60000));
    kf_mock_broker_slow(m, 1, 6000);
    CHECK_INT(post(p, "t", &r, c, 1), ERR_OK);
    CHECK(kf_flush(p, 60000));
    CHECK_INT(c->reports[1].kind, ERR_UNAVAILABLE);
    CHECK(c->reports[1].maybe);
    kf_producer_close(p);
    kf_mock_close(m);
    free(c);
}

/* Sent, the connection lost, and lost again whenever it asks: still maybe. */
static void a_broker_lost_after_sending_is_maybe(void)
{
    struct conf_pairs props = {short_timeout, 1};
    struct kf_mock *m = mock(1, "t", 1);
    struct kf_producer *p = producer(m, &props);
    struct catcher *c = new_catcher();
    struct kf_record r = record("k", "v");

    CHECK_INT(post(p, "t", &r, c, 0), ERR_OK);
    CHECK(kf_flush(p, 60000));
    kf_mock_fail_produce(m, "disconnect", 1000);
    CHECK_INT(post(p, "t", &r, c, 1), ERR_OK);
    CHECK(kf_flush(p, 60000));
    CHECK_INT(c->reports[1].kind, ERR_UNAVAILABLE);
    CHECK(c->reports[1].maybe);
    kf_producer_close(p);
    kf_mock_close(m);
    free(c);
}

/* What a broker does that turns away the first batch of a new partition and takes the
 * second, whose sequence number is as good as any to it (KIP-360): the first comes too
 * late then, and librdkafka believes it to be there, as a later one is. */
static void a_record_is_not_there_because_a_later_one_is(void)
{
    struct kf_mock *m = mock(1, "order", 1);
    struct conf_pair rows[] = {{"linger.ms", "0", false},
                               {"message.timeout.ms", "5000", false}};
    struct conf_pairs props = {.items = rows, .n = 2};
    struct kf_producer *p = producer(m, &props);
    struct catcher *c = new_catcher();
    struct kf_record r = record(NULL, "x");

    CHECK_INT(kf_send_batch(p, "order", &r, 1, &c->waiter, 0), 0);
    CHECK(kf_flush(p, 60000)); // the topic is known now
    kf_mock_broker_slow(m, 1, 300);
    kf_mock_fail_produce(m, "not_leader", 1);
    kf_mock_fail_produce(m, "taken", 1);
    kf_mock_fail_produce(m, "out_of_order", 1);
    CHECK_INT(kf_send_batch(p, "order", &r, 1, &c->waiter, 1), 0);
    nap(100); // two requests on their way
    CHECK_INT(kf_send_batch(p, "order", &r, 1, &c->waiter, 2), 0);
    CHECK(kf_flush(p, 60000));
    CHECK_INT(c->reports[2].kind, ERR_OK);
    CHECK_INT(c->reports[2].offset, 1); // right behind the first of all
    CHECK_INT(c->reports[1].kind, ERR_UNAVAILABLE);
    CHECK(c->reports[1].maybe);
    CHECK_INT(c->reports[1].offset, -1);
    kf_producer_close(p);
    free(c);
    kf_mock_close(m);
}

static void an_unknown_topic_is_said_and_may_be_created_later(void)
{
    static struct conf_pair quick[] = {
        {"topic.metadata.propagation.max.ms", "300", false}};
    struct conf_pairs props = {quick, 1};
    struct kf_mock *m = mock(1, "t", 1);
    struct kf_producer *p = producer(m, &props);
    struct catcher *c = new_catcher();
    static const struct kf_header h = {"a", {(const uint8_t *)"b", 1}};
    struct kf_record r = {
        .value = span_str("v"), .partition = -1, .headers = &h, .n_headers = 1};

    kf_mock_topic_absent(m, "nowhere", true);
    CHECK_INT(post(p, "nowhere", &r, c, 0), ERR_OK); // not known yet
    CHECK(kf_flush(p, 60000));
    CHECK_INT(c->reports[0].kind, ERR_NOT_FOUND);
    CHECK(!c->reports[0].maybe);
    CHECK_INT(post(p, "nowhere", &r, c, 1), ERR_NOT_FOUND); // now it is

    r.partition = 5;
    (void)post(p, "t", &r, c, 2);
    CHECK(kf_flush(p, 60000));
    CHECK_INT(post(p, "t", &r, c, 3), ERR_NOT_FOUND);
    r.partition = -1;

    kf_mock_topic_absent(m, "nowhere", false);
    enum err_kind rc = ERR_NOT_FOUND;
    for (int64_t until = clock_ms() + 60000; rc != ERR_OK && clock_ms() < until;
         nap(50)) {
        rc = post(p, "nowhere", &r, c, 4);
        CHECK(kf_flush(p, 60000));
        if (rc == ERR_OK)
            rc = c->reports[4].kind;
    }
    CHECK_INT(rc, ERR_OK);
    kf_producer_close(p);
    kf_mock_close(m);
    free(c);
}

static void a_dead_producer_says_so_and_takes_nothing(void)
{
    struct kf_mock *m = mock(1, "t", 1);
    struct kf_producer *p = producer(m, NULL);
    struct catcher *c = new_catcher();
    struct kf_record r = record("k", "v");

    CHECK(kf_healthy(p));
    rd_kafka_test_fatal_error(p->rk, RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER,
                              "made up");
    CHECK(!kf_healthy(p));
    CHECK_INT(post(p, "t", &r, c, 0), ERR_UNAVAILABLE);
    CHECK_INT(kf_send_batch(p, "t", &r, 1, &c->waiter, 1), 1);
    CHECK_INT(c->reports[1].kind, ERR_UNAVAILABLE);
    CHECK(!c->reports[1].maybe);
    CHECK(kf_flush(p, 1000));
    kf_producer_close(p);
    kf_mock_close(m);
    free(c);
}

static void closing_reports_what_is_left(void)
{
    struct kf_mock *m = mock(1, "t", 1);
    struct kf_producer *p = producer(m, NULL);
    struct catcher *c = new_catcher();
    struct kf_record r = record("k", "v");

    CHECK_INT(post(p, "t", &r, c, 0), ERR_OK);
    CHECK(kf_flush(p, 60000));
    kf_mock_broker_slow(m, 1, 3000);
    CHECK_INT(post(p, "t", &r, c, 1), ERR_OK);
    nap(300); // on its way
    kf_mock_broker_down(m, -1, true);
    CHECK_INT(post(p, "t", &r, c, 2), ERR_OK);
    kf_producer_close(p);
    CHECK_INT(atomic_load(&c->n), 3);
    CHECK_INT(c->reports[1].kind, ERR_UNAVAILABLE);
    CHECK(c->reports[1].maybe);
    CHECK_INT(c->reports[2].kind, ERR_UNAVAILABLE);
    CHECK(!c->reports[2].maybe);
    kf_mock_close(m);
    free(c);
}

static atomic_int begun, ended, outside;

static void note_begin(void)
{
    atomic_fetch_add(&begun, 1);
}

static void note_end(void)
{
    atomic_fetch_add(&ended, 1);
}

static void report_between(struct kf_waiter *w, uint32_t index,
                           const struct kf_report *r)
{
    if (atomic_load(&begun) != atomic_load(&ended) + 1)
        atomic_fetch_add(&outside, 1);
    catch_report(w, index, r);
}

static void reports_that_come_together_are_told_of(void)
{
    static const struct kf_together together = {note_begin, note_end};
    struct kf_mock *m = mock(1, "t", 1);
    struct kf_producer *p = producer(m, NULL);
    struct catcher *c = new_catcher();
    struct kf_record r = record("k", "v");

    c->waiter.report = report_between;
    kf_report_together(p, &together);
    for (uint32_t i = 0; i < 20; i++)
        CHECK_INT(post(p, "t", &r, c, i), ERR_OK);
    CHECK(kf_flush(p, 60000));
    kf_producer_close(p);
    CHECK_INT(atomic_load(&c->n), 20);
    CHECK_INT(atomic_load(&outside), 0);
    CHECK(atomic_load(&begun) > 0);
    CHECK_INT(atomic_load(&ended), atomic_load(&begun));
    kf_mock_close(m);
    free(c);
}

struct sender {
    struct kf_producer *p;
    struct catcher *c;
    uint32_t first;
    size_t refused;
};

static void *send_some(void *arg)
{
    struct sender *s = arg;
    struct kf_record r = record("k", "v"), both[2] = {r, r};
    struct err e = {0};

    for (uint32_t i = 0; i < 500; i++)
        s->refused += kf_send(s->p, "t", &r, &s->c->waiter, s->first + i, &e) != ERR_OK;
    for (uint32_t i = 500; i < 1000; i += 2)
        s->refused += kf_send_batch(s->p, "t", both, 2, &s->c->waiter, s->first + i);
    return NULL;
}

static void many_threads_may_send(void)
{
    struct kf_mock *m = mock(1, "t", 2);
    struct kf_producer *p = producer(m, NULL);
    struct catcher *c = new_catcher();
    struct sender s[4];
    pthread_t threads[4];

    for (uint32_t i = 0; i < 4; i++) {
        s[i] = (struct sender){p, c, i * 1000, 0};
        pthread_create(&threads[i], NULL, send_some, &s[i]);
    }
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    for (int i = 0; i < 4; i++)
        CHECK_INT(s[i].refused, 0);
    CHECK(kf_flush(p, 60000));
    for (int i = 0; i < 4000; i++) {
        CHECK_INT(c->seen[i], 1);
        CHECK_INT(c->reports[i].kind, ERR_OK);
    }
    kf_producer_close(p);
    kf_mock_close(m);
    free(c);
}

int main(void)
{
    RUN(every_record_gets_one_report_with_its_place);
    RUN(a_key_goes_where_java_sends_it);
    RUN(bytes_arrive_as_they_were_one_by_one_and_in_batches);
    RUN(a_large_batch_is_reported_record_by_record);
    RUN(what_is_too_large_is_refused_at_once_and_the_rest_is_taken);
    RUN(a_full_queue_refuses_and_keeps_what_it_took);
    RUN(a_passing_failure_is_retried_in_silence);
    RUN(what_the_broker_refuses_for_good_is_said);
    RUN(brokers_away_is_said_within_the_time_and_nothing_was_written);
    RUN(an_answer_that_comes_too_late_is_maybe);
    RUN(a_broker_lost_after_sending_is_maybe);
    RUN(a_record_is_not_there_because_a_later_one_is);
    RUN(an_unknown_topic_is_said_and_may_be_created_later);
    RUN(a_dead_producer_says_so_and_takes_nothing);
    RUN(closing_reports_what_is_left);
    RUN(reports_that_come_together_are_told_of);
    RUN(many_threads_may_send);
    return REPORT();
}
