/*
 * Properties, errors and the questions about topics, as far as the mock answers them.
 */
#include "kafka/client_inside.h"
#include "kafka/consumer.h"
#include "kafka/mock.h"
#include "kafka/producer.h"
#include "tests/check.h"

#include "base/clock.h"

#include <stdlib.h>

static const enum kf_role roles[] = {KF_ADMIN, KF_PRODUCER, KF_ASSIGNED, KF_GROUP};

/* What comes of one property in one role. */
static enum err_kind try_property(enum kf_role role, const char *name,
                                  const char *value, struct err *e)
{
    struct conf_pair pair = {name, value, false};
    struct conf_pairs props = {&pair, 1};
    struct kf_voice v;
    rd_kafka_conf_t *conf = NULL;

    kf_voice_init(&v);
    enum err_kind rc = kf_conf_make(&conf, role, "127.0.0.1:9", &props, &v, e);
    if (rc == ERR_OK)
        rd_kafka_conf_destroy(conf);
    kf_voice_free(&v);
    return rc;
}

static void what_a_promise_hangs_on_is_refused_where_it_does(void)
{
    enum { A = KF_ADMIN, P = KF_PRODUCER, C = KF_ASSIGNED, G = KF_GROUP };
    static const struct {
        const char *name, *value;
        int refused_in;
    } cases[] = {
        {"enable.idempotence", "false", P},
        {"enable.idempotence", "true", 0},
        {"acks", "1", P},
        {"acks", "all", 0},
        {"request.required.acks", "1", P},
        {"transactional.id", "x", P},
        {"message.timeout.ms", "0", P}, // never
        {"message.timeout.ms", "20001", P},
        {"message.timeout.ms", "20000", 0},
        {"delivery.timeout.ms", "100000", P},
        {"enable.auto.commit", "true", C | G},
        {"auto.commit.enable", "true", C | G},
        {"enable.auto.offset.store", "true", C | G},
        {"auto.offset.reset", "latest", C | G},
        {"isolation.level", "read_uncommitted", C | G},
        {"enable.partition.eof", "false", C | G},
        {"group.id", "mine", G},
        {"bootstrap.servers", "elsewhere:1", A | P | C | G},
        {"metadata.broker.list", "elsewhere:1", A | P | C | G},
        {"test.mock.num.brokers", "3", A | P | C | G},
        {"linger.ms", "20", 0},
        {"partitioner", "consistent", 0},
        {"group.instance.id", "one", 0},
        {"security.protocol", "ssl", 0},
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (size_t r = 0; r < sizeof roles / sizeof *roles; r++) {
            struct err e = {0};
            enum err_kind want =
                cases[i].refused_in & (int)roles[r] ? ERR_INVALID : ERR_OK;
            enum err_kind got =
                try_property(roles[r], cases[i].name, cases[i].value, &e);

            CHECK_INT(got, want);
            if (got != want)
                printf("    %s=%s in role %d: %s\n", cases[i].name, cases[i].value,
                       (int)roles[r], e.msg);
            if (got != ERR_OK)
                CHECK(strstr(e.msg, cases[i].name) != NULL);
        }
}

static void a_refusal_gives_the_reason(void)
{
    struct err e = {0};

    CHECK_INT(try_property(KF_PRODUCER, "acks", "1", &e), ERR_INVALID);
    CHECK_STR(e.msg, "kafka.acks is \"1\", but stays \"all\": 200 means that every "
                     "replica in sync has the record");
    CHECK_INT(try_property(KF_ADMIN, "no.such.thing", "1", &e), ERR_INVALID);
    CHECK(strstr(e.msg, "kafka.no.such.thing is no property of librdkafka") != NULL);
    CHECK_INT(try_property(KF_ADMIN, "socket.timeout.ms", "lots", &e), ERR_INVALID);
    CHECK(strstr(e.msg, "kafka.socket.timeout.ms: ") != NULL);
}

static void the_value_of_a_secret_is_in_no_message(void)
{
    static const char *const names[] = {"ssl.key.pem", "ssl.certificate.pem",
                                        "ssl.ca.pem", "sasl.jaas.config"};
    struct conf_pair marked = {"client.rack", "hunter2", true};
    struct conf_pair pair = {"socket.timeout.ms", "hunter2", true};
    struct conf_pairs props = {&pair, 1};
    struct kf_admin *a = NULL;
    struct err e = {0};

    CHECK_INT(kf_admin_open(&a, "127.0.0.1:9", &props, &e), ERR_INVALID);
    CHECK(strstr(e.msg, "hunter2") == NULL);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        pair = (struct conf_pair){names[i], "hunter2", false};
        e = (struct err){0};
        if (kf_admin_open(&a, "127.0.0.1:9", &props, &e) == ERR_OK)
            kf_admin_close(a);
        CHECK(strstr(e.msg, "hunter2") == NULL);
    }
    pair = marked;
    CHECK_INT(kf_admin_open(&a, "127.0.0.1:9", &props, &e), ERR_OK);
    kf_admin_close(a);
}

static void errors_are_of_our_kinds(void)
{
    static const struct {
        rd_kafka_resp_err_t code;
        enum err_kind kind;
    } cases[] = {
        {RD_KAFKA_RESP_ERR_NO_ERROR, ERR_OK},
        {RD_KAFKA_RESP_ERR__TRANSPORT, ERR_UNAVAILABLE},
        {RD_KAFKA_RESP_ERR__QUEUE_FULL, ERR_UNAVAILABLE},
        {RD_KAFKA_RESP_ERR__MSG_TIMED_OUT, ERR_UNAVAILABLE},
        {RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS, ERR_UNAVAILABLE},
        {RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET, ERR_CONFLICT},
        {RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART, ERR_NOT_FOUND},
        {RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE, ERR_LIMIT},
        {RD_KAFKA_RESP_ERR_INVALID_RECORD, ERR_INVALID},
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        CHECK_INT(kf_kind(cases[i].code), cases[i].kind);

    struct err e = {0};
    CHECK_INT(kf_fail(&e, RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART, "topic %s", "x"),
              ERR_NOT_FOUND);
    CHECK_STR(e.msg, "topic x: UNKNOWN_TOPIC_OR_PART: Broker: Unknown topic or "
                     "partition");
}

static void nobody_there_is_said_in_time_and_why(void)
{
    struct kf_admin *a = NULL;
    struct arena mem = {0};
    struct err e = {0};
    const struct kf_topic *all;
    struct span text;
    size_t n;
    int32_t partitions = -7;
    int64_t low, high;

    // Port 9 of this host: nothing listens there.
    CHECK_INT(kf_admin_open(&a, "127.0.0.1:9", NULL, &e), ERR_OK);
    int64_t before = clock_ms();
    CHECK_INT(kf_topic_partitions(a, "t", &partitions, 500, &e), ERR_UNAVAILABLE);
    CHECK_INT(partitions, -7); // a failed call leaves its result alone
    CHECK(strstr(e.msg, "Connection refused") != NULL);
    CHECK_INT(kf_topics(a, &mem, &all, &n, 500, &e), ERR_UNAVAILABLE);
    CHECK_INT(kf_topic_create(a, "t", 1, 0, NULL, 500, &e), ERR_UNAVAILABLE);
    CHECK_INT(kf_topic_delete(a, "t", 500, &e), ERR_UNAVAILABLE);
    CHECK(strstr(e.msg, "deleting topic t") != NULL);
    CHECK_INT(kf_topic_setting(a, "t", "cleanup.policy", &mem, &text, 500, &e),
              ERR_UNAVAILABLE);
    CHECK_INT(kf_offsets(a, "t", 0, &low, &high, 500, &e), ERR_UNAVAILABLE);
    CHECK_INT(kf_cluster_id(a, &mem, &text, 500, &e), ERR_UNAVAILABLE);
    CHECK(clock_ms() - before < 60000); // seven questions of half a second
    arena_free(&mem);
    kf_admin_close(a);
}

static void the_mock_answers_about_its_topics(void)
{
    struct kf_mock *m = NULL;
    struct kf_admin *a = NULL;
    struct arena mem = {0};
    struct err e = {0};
    const struct kf_topic *all = NULL;
    struct span text;
    size_t n = 0;
    int32_t partitions = 0;
    int64_t low = -1, high = -1;

    CHECK_INT(kf_mock_open(&m, 2, &e), ERR_OK);
    CHECK_INT(kf_mock_topic(m, "orders", 5, &e), ERR_OK);
    CHECK_INT(kf_mock_topic(m, "orders", 5, &e), ERR_CONFLICT);
    CHECK_INT(kf_admin_open(&a, kf_mock_bootstrap(m), NULL, &e), ERR_OK);
    CHECK_INT(kf_topic_partitions(a, "orders", &partitions, 5000, &e), ERR_OK);
    CHECK_INT(partitions, 5);
    CHECK_INT(kf_topics(a, &mem, &all, &n, 5000, &e), ERR_OK);
    CHECK_INT(n, 1);
    CHECK_STR(all[0].name, "orders");
    CHECK_INT(all[0].partitions, 5);
    CHECK(!all[0].internal);
    CHECK_INT(kf_offsets(a, "orders", 4, &low, &high, 5000, &e), ERR_OK);
    CHECK_INT(low, 0);
    CHECK_INT(high, 0);
    // There already: the mock, which cannot create any, is not asked to.
    CHECK_INT(kf_topic_create(a, "orders", 5, 0, NULL, 5000, &e), ERR_OK);
    CHECK_INT(kf_topic_setting(a, "orders", "cleanup.policy", &mem, &text, 300, &e),
              ERR_UNAVAILABLE);
    kf_mock_topic_absent(m, "gone", true);
    CHECK_INT(kf_topic_partitions(a, "gone", &partitions, 5000, &e), ERR_NOT_FOUND);
    CHECK_INT(partitions, 5);
    arena_free(&mem);
    kf_admin_close(a);
    kf_mock_close(m);
}

int main(void)
{
    RUN(what_a_promise_hangs_on_is_refused_where_it_does);
    RUN(a_refusal_gives_the_reason);
    RUN(the_value_of_a_secret_is_in_no_message);
    RUN(errors_are_of_our_kinds);
    RUN(nobody_there_is_said_in_time_and_why);
    RUN(the_mock_answers_about_its_topics);
    return REPORT();
}
