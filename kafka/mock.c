#include "kafka/mock.h"

#include "base/mem.h"
#include "kafka/producer_inside.h"

#include <assert.h>
#include <librdkafka/rdkafka_mock.h>
#include <stdlib.h>

#define API_PRODUCE 0 // Kafka protocol guide, "Api Keys"

struct kf_mock {
    struct kf_voice voice; // first: it is librdkafka's opaque
    rd_kafka_t *rk;        // librdkafka keeps the cluster's books in a client
    rd_kafka_mock_cluster_t *cluster;
};

enum err_kind kf_mock_open(struct kf_mock **out, int brokers, struct err *e)
{
    struct kf_mock *m = mem_alloc(sizeof *m);
    rd_kafka_conf_t *conf = NULL;

    kf_voice_init(&m->voice);
    // This client knows no broker: it only keeps the books.
    enum err_kind rc = kf_conf_make(&conf, KF_ADMIN, "", NULL, &m->voice, e);
    if (rc == ERR_OK)
        rc = kf_new(&m->rk, RD_KAFKA_PRODUCER, conf, e);
    if (rc == ERR_OK) {
        m->cluster = rd_kafka_mock_cluster_new(m->rk, brokers);
        if (m->cluster == NULL)
            rc = err_set(e, ERR_UNAVAILABLE, "no mock cluster of %d brokers", brokers);
    }
    if (rc != ERR_OK) {
        kf_mock_close(m);
        return rc;
    }
    *out = m;
    return ERR_OK;
}

void kf_mock_close(struct kf_mock *m)
{
    if (m->cluster != NULL)
        rd_kafka_mock_cluster_destroy(m->cluster);
    if (m->rk != NULL)
        rd_kafka_destroy(m->rk);
    kf_voice_free(&m->voice);
    free(m);
}

const char *kf_mock_bootstrap(const struct kf_mock *m)
{
    return rd_kafka_mock_cluster_bootstraps(m->cluster);
}

enum err_kind kf_mock_topic(struct kf_mock *m, const char *topic, int32_t partitions,
                            struct err *e)
{
    rd_kafka_resp_err_t code =
        rd_kafka_mock_topic_create(m->cluster, topic, partitions, 1);

    if (code != RD_KAFKA_RESP_ERR_NO_ERROR)
        return kf_fail(e, code, "mock topic %s of %d partitions", topic,
                       (int)partitions);
    return ERR_OK;
}

void kf_mock_topic_absent(struct kf_mock *m, const char *topic, bool absent)
{
    rd_kafka_mock_topic_set_error(m->cluster, topic,
                                  absent ? RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART
                                         : RD_KAFKA_RESP_ERR_NO_ERROR);
}

void kf_mock_fail_produce(struct kf_mock *m, const char *how, int n)
{
    static const struct {
        const char *how;
        rd_kafka_resp_err_t code;
    } ways[] = {
        {"timed_out", RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT},
        {"not_leader", RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION},
        {"not_enough_replicas", RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS},
        {"too_large", RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE},
        {"invalid_record", RD_KAFKA_RESP_ERR_INVALID_RECORD},
        {"not_allowed", RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED},
        {"disconnect", RD_KAFKA_RESP_ERR__TRANSPORT},
        {"out_of_order", RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER},
        {"taken", RD_KAFKA_RESP_ERR_NO_ERROR},
    };
    size_t w = 0;

    while (w < sizeof ways / sizeof *ways && strcmp(ways[w].how, how) != 0)
        w++;
    assert(w < sizeof ways / sizeof *ways);
    for (int i = 0; i < n; i++)
        rd_kafka_mock_push_request_errors(m->cluster, API_PRODUCE, 1, ways[w].code);
}

void kf_mock_broker_down(struct kf_mock *m, int32_t broker, bool down)
{
    (void)(down ? rd_kafka_mock_broker_set_down
                : rd_kafka_mock_broker_set_up)(m->cluster, broker);
}

void kf_mock_kill_producer(struct kf_producer *p)
{
    rd_kafka_test_fatal_error(p->rk, RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER,
                              "killed by a test");
}

void kf_mock_broker_slow(struct kf_mock *m, int32_t broker, int ms)
{
    (void)rd_kafka_mock_broker_set_rtt(m->cluster, broker, ms);
}
