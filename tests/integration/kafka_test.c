/*
 * kafka/ against a real Kafka: AVROGATE_TEST_KAFKA=HOST:PORT, skipped without it.
 *
 * What the mock cluster cannot show: settings of topics, transactions, a topic deleted
 * and created again, and a hundred thousand records in order.
 */
#include "base/clock.h"
#include "kafka/client_inside.h"
#include "kafka/consumer.h"
#include "kafka/producer.h"
#include "tests/check.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define SKIPPED 77
#define WAIT_MS 30000
#define MANY 100000

static const char *brokers;
static char topic[64]; // one for each test

static struct kf_admin *admin(void)
{
    struct kf_admin *a = NULL;
    struct err e = {0};

    if (kf_admin_open(&a, brokers, NULL, &e) != ERR_OK) {
        printf("Bail out! %s\n", e.msg);
        exit(1);
    }
    return a;
}

static void make_topic(struct kf_admin *a, int32_t partitions,
                       const struct conf_pairs *config)
{
    static int serial;
    struct err e = {0};

    snprintf(topic, sizeof topic, "avrogate-test-%d-%d", (int)getpid(), serial++);
    CHECK_INT(kf_topic_create(a, topic, partitions, 0, config, WAIT_MS, &e), ERR_OK);
}

static void drop_topic(void)
{
    char words[200];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();

    rd_kafka_conf_set(conf, "bootstrap.servers", brokers, words, sizeof words);
    rd_kafka_t *rk = rd_kafka_new(RD_KAFKA_PRODUCER, conf, words, sizeof words);
    rd_kafka_queue_t *q = rd_kafka_queue_new(rk);
    rd_kafka_DeleteTopic_t *t = rd_kafka_DeleteTopic_new(topic);

    rd_kafka_DeleteTopics(rk, &t, 1, NULL, q);
    rd_kafka_event_t *ev = rd_kafka_queue_poll(q, WAIT_MS);
    CHECK(ev != NULL && rd_kafka_event_error(ev) == RD_KAFKA_RESP_ERR_NO_ERROR);
    if (ev != NULL)
        rd_kafka_event_destroy(ev);
    rd_kafka_DeleteTopic_destroy(t);
    rd_kafka_queue_destroy(q);
    rd_kafka_destroy(rk);
}

struct counter {
    struct kf_waiter waiter; // first
    atomic_size_t good, bad;
    struct kf_report last;
};

static void count_report(struct kf_waiter *w, uint32_t index, const struct kf_report *r)
{
    struct counter *c = (struct counter *)w;

    (void)index;
    c->last = *r;
    atomic_fetch_add(r->kind == ERR_OK ? &c->good : &c->bad, 1);
}

static struct kf_producer *producer(void)
{
    struct kf_producer *p = NULL;
    struct err e = {0};

    CHECK_INT(kf_producer_open(&p, brokers, NULL, &e), ERR_OK);
    return p;
}

static void fill(uint32_t n)
{
    struct counter c = {.waiter = {count_report}};
    struct kf_producer *p = producer();
    struct err e = {0};

    for (uint32_t i = 0; i < n; i++) {
        struct kf_record r = {.value = span_of(&i, sizeof i), .partition = 0};
        CHECK_INT(kf_send(p, topic, &r, &c.waiter, i, &e), ERR_OK);
    }
    CHECK(kf_flush(p, WAIT_MS));
    CHECK_INT(c.good, n);
    kf_producer_close(p);
}

/* A partition made a moment ago may have no leader yet: that is "call again". */
static enum err_kind offsets_once_led(struct kf_admin *a, int32_t partition,
                                      int64_t *low, int64_t *high, struct err *e)
{
    int64_t end = clock_ms() + WAIT_MS;
    enum err_kind rc;

    while ((rc = kf_offsets(a, topic, partition, low, high, WAIT_MS, e)) ==
               ERR_UNAVAILABLE &&
           clock_ms() < end)
        usleep(50 * 1000);
    return rc;
}

static void topics_are_created_described_and_counted(void)
{
    static struct conf_pair compact[] = {{"cleanup.policy", "compact", false},
                                         {"min.insync.replicas", "1", false}};
    struct conf_pairs config = {compact, 2};
    struct kf_admin *a = admin();
    struct arena mem = {0};
    struct err e = {0};
    struct span value;
    const struct kf_topic *all;
    size_t n;
    int32_t partitions = -1;
    int64_t low = -1, high = -1;
    bool found = false;

    make_topic(a, 3, &config);
    CHECK_INT(kf_topic_create(a, topic, 3, 0, &config, WAIT_MS, &e), ERR_OK); // again
    CHECK_INT(kf_topic_partitions(a, topic, &partitions, WAIT_MS, &e), ERR_OK);
    CHECK_INT(partitions, 3);
    CHECK_INT(kf_topic_setting(a, topic, "cleanup.policy", &mem, &value, WAIT_MS, &e),
              ERR_OK);
    CHECK_SPAN(value, "compact");
    CHECK_INT(kf_topic_setting(a, topic, "no.such", &mem, &value, WAIT_MS, &e),
              ERR_NOT_FOUND);
    CHECK_INT(kf_topics(a, &mem, &all, &n, WAIT_MS, &e), ERR_OK);
    for (size_t i = 0; i < n; i++)
        found = found || (strcmp(all[i].name, topic) == 0 && all[i].partitions == 3);
    CHECK(found);
    CHECK_INT(offsets_once_led(a, 2, &low, &high, &e), ERR_OK);
    CHECK_INT(low, 0);
    CHECK_INT(high, 0);
    CHECK_INT(kf_cluster_id(a, &mem, &value, WAIT_MS, &e), ERR_OK);
    CHECK(value.n > 0);
    CHECK_INT(kf_topic_delete(a, topic, WAIT_MS, &e), ERR_OK);
    CHECK_INT(kf_topic_partitions(a, topic, &partitions, WAIT_MS, &e), ERR_NOT_FOUND);
    CHECK_INT(kf_topic_delete(a, topic, WAIT_MS, &e), ERR_OK); // gone already
    arena_free(&mem);
    kf_admin_close(a);
}

static void what_is_not_there_is_not_found(void)
{
    struct kf_admin *a = admin();
    struct arena mem = {0};
    struct err e = {0};
    struct span value;
    int32_t n;
    int64_t low, high;

    CHECK_INT(kf_topic_partitions(a, "avrogate-none", &n, 5000, &e), ERR_NOT_FOUND);
    CHECK_INT(
        kf_topic_setting(a, "avrogate-none", "cleanup.policy", &mem, &value, 5000, &e),
        ERR_NOT_FOUND);
    CHECK_INT(kf_offsets(a, "avrogate-none", 0, &low, &high, 5000, &e), ERR_NOT_FOUND);
    CHECK_INT(kf_topic_partitions(a, "avrogate-none", &n, 5000, &e), ERR_NOT_FOUND);
    CHECK_INT(kf_topic_create(a, "bad name", 1, 1, NULL, 5000, &e), ERR_INVALID);
    arena_free(&mem);
    kf_admin_close(a);
}

/* The broker would create it: we do not let it (allow.auto.create.topics). */
static void sending_to_no_topic_creates_none(void)
{
    struct counter c = {.waiter = {count_report}};
    struct kf_producer *p = producer();
    struct kf_record r = {.value = span_str("v"), .partition = -1};
    struct kf_admin *a = admin();
    struct err e = {0};
    int32_t n;

    int64_t before = clock_ms();
    CHECK_INT(kf_send(p, "avrogate-none", &r, &c.waiter, 0, &e), ERR_OK);
    CHECK(kf_flush(p, WAIT_MS));
    printf("# an unknown topic took %" PRId64 " ms\n", clock_ms() - before);
    CHECK_INT(c.last.kind, ERR_NOT_FOUND);
    CHECK(!c.last.maybe);
    CHECK_INT(kf_topic_partitions(a, "avrogate-none", &n, 5000, &e), ERR_NOT_FOUND);
    kf_producer_close(p);
    kf_admin_close(a);
}

static struct kf_consumer *assign(int64_t offset)
{
    struct kf_consumer *c = NULL;
    struct err e = {0};

    CHECK_INT(kf_consumer_assign(&c, brokers, NULL, topic, 0, offset, &e), ERR_OK);
    return c;
}

/* Reads to the end: how many came, each with `first` + its place as value. */
static uint32_t read_on(struct kf_consumer *c, uint32_t first, struct kf_end *end,
                        struct err *e)
{
    uint32_t n = 0;

    for (int64_t until = clock_ms() + WAIT_MS; clock_ms() < until;) {
        struct kf_message m;
        bool got;
        uint32_t v;

        if (kf_poll(c, 100, &m, &got, end, e) != ERR_OK || end->reached)
            break;
        if (!got)
            continue;
        memcpy(&v, m.value.p, sizeof v);
        if (v != first + n)
            CHECK_INT(v, first + n);
        n++;
        kf_message_free(&m);
    }
    return n;
}

static void a_hundred_thousand_records_come_back_in_order(void)
{
    struct kf_admin *a = admin();
    struct kf_end end = {0};
    struct err e = {0};

    make_topic(a, 1, NULL);
    int64_t t0 = clock_us();
    fill(MANY);
    int64_t t1 = clock_us();
    struct kf_consumer *c = assign(0);
    CHECK_INT(read_on(c, 0, &end, &e), MANY);
    CHECK(end.reached);
    CHECK_INT(end.offset, MANY);
    int64_t t2 = clock_us();
    printf("# sent in %" PRId64 " ms, read in %" PRId64 " ms\n", (t1 - t0) / 1000,
           (t2 - t1) / 1000);
    kf_consumer_close(c);
    drop_topic();
    kf_admin_close(a);
}

static void reports_carry_the_time_of_the_record(void)
{
    struct counter c = {.waiter = {count_report}};
    struct kf_producer *p = producer();
    struct kf_admin *a = admin();
    struct kf_record r = {.value = span_str("v"), .timestamp_ms = 1234567890123};
    struct err e = {0};

    make_topic(a, 1, NULL);
    CHECK_INT(kf_send(p, topic, &r, &c.waiter, 0, &e), ERR_OK);
    CHECK(kf_flush(p, WAIT_MS));
    CHECK_INT(c.last.kind, ERR_OK);
    CHECK_INT(c.last.timestamp_ms, 1234567890123);
    kf_producer_close(p);
    drop_topic();
    kf_admin_close(a);
}

/* A producer with transactions, librdkafka's own. */
static rd_kafka_t *transactional(void)
{
    char words[200];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();

    rd_kafka_conf_set(conf, "bootstrap.servers", brokers, words, sizeof words);
    rd_kafka_conf_set(conf, "transactional.id", topic, words, sizeof words);
    rd_kafka_t *rk = rd_kafka_new(RD_KAFKA_PRODUCER, conf, words, sizeof words);
    CHECK(rd_kafka_init_transactions(rk, WAIT_MS) == NULL);
    return rk;
}

static void in_transaction(rd_kafka_t *rk, uint32_t first, uint32_t n, bool commit)
{
    CHECK(rd_kafka_begin_transaction(rk) == NULL);
    for (uint32_t i = first; i < first + n; i++)
        CHECK_INT(rd_kafka_producev(rk, RD_KAFKA_V_TOPIC(topic),
                                    RD_KAFKA_V_PARTITION(0),
                                    RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
                                    RD_KAFKA_V_VALUE(&i, sizeof i), RD_KAFKA_V_END),
                  0);
    rd_kafka_flush(rk, WAIT_MS);
    CHECK((commit ? rd_kafka_commit_transaction(rk, WAIT_MS)
                  : rd_kafka_abort_transaction(rk, WAIT_MS)) == NULL);
}

static void what_was_aborted_is_never_read(void)
{
    struct kf_admin *a = admin();
    struct kf_end end = {0};
    struct err e = {0};

    make_topic(a, 1, NULL);
    rd_kafka_t *rk = transactional();
    in_transaction(rk, 0, 10, true);
    in_transaction(rk, 1000, 10, false);
    in_transaction(rk, 10, 10, true);
    rd_kafka_destroy(rk);
    struct kf_consumer *c = assign(0);
    CHECK_INT(read_on(c, 0, &end, &e), 20);
    CHECK(end.reached);
    CHECK_INT(end.offset, 33); // 30 records and three marks
    kf_consumer_close(c);
    drop_topic();
    kf_admin_close(a);
}

static void a_topic_made_anew_is_a_conflict(void)
{
    struct kf_admin *a = admin();
    struct kf_end end = {0};
    struct err e = {0};

    make_topic(a, 1, NULL);
    fill(100);
    struct kf_consumer *c = assign(0);
    CHECK_INT(read_on(c, 0, &end, &e), 100);
    drop_topic();
    int32_t n;
    for (int i = 0; i < 100 && kf_topic_partitions(a, topic, &n, 1000, &e) == ERR_OK;
         i++)
        nanosleep(&(struct timespec){.tv_nsec = 50000000}, NULL);
    CHECK_INT(kf_topic_create(a, topic, 1, 0, NULL, WAIT_MS, &e), ERR_OK);

    // Whoever reads on, and whoever starts with the old offset: both hear of it.
    bool conflict = false;
    for (int64_t until = clock_ms() + WAIT_MS; !conflict && clock_ms() < until;) {
        e.kind = ERR_OK;
        (void)read_on(c, 100, &end, &e);
        conflict = e.kind == ERR_CONFLICT;
    }
    CHECK(conflict);
    kf_consumer_close(c);
    c = assign(100);
    e.kind = ERR_OK;
    CHECK_INT(read_on(c, 100, &end, &e), 0);
    CHECK_INT(e.kind, ERR_CONFLICT);
    printf("# %s\n", e.msg);
    kf_consumer_close(c);
    drop_topic();
    kf_admin_close(a);
}

int main(void)
{
    brokers = getenv("AVROGATE_TEST_KAFKA");
    if (brokers == NULL || *brokers == '\0') {
        printf("skipped: AVROGATE_TEST_KAFKA is not set\n");
        return SKIPPED;
    }
    RUN(topics_are_created_described_and_counted);
    RUN(what_is_not_there_is_not_found);
    RUN(sending_to_no_topic_creates_none);
    RUN(a_hundred_thousand_records_come_back_in_order);
    RUN(reports_carry_the_time_of_the_record);
    RUN(what_was_aborted_is_never_read);
    RUN(a_topic_made_anew_is_a_conflict);
    return REPORT();
}
