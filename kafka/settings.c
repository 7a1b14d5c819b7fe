#include "kafka/client_inside.h"

#include "base/log.h"
#include "base/mem.h"
#include "kafka/producer.h"
#include "kafka/spin.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#define EVERY (KF_ADMIN | KF_PRODUCER | KF_ASSIGNED | KF_GROUP)
#define CONSUMER (KF_ASSIGNED | KF_GROUP)

/* What a user's property may replace. */
static const struct {
    int roles;
    const char *name, *value;
} ours[] = {
    {EVERY, "client.id", "avrogate"},
    {EVERY, "log.connection.close", "false"}, // idle connections are closed all day
    {EVERY, "socket.nagle.disable", "true"},
    {EVERY, "socket.keepalive.enable", "true"},
    // A broker that hangs, or comes back, is noticed in seconds and not in a minute.
    {EVERY, "socket.timeout.ms", "10000"},
    {EVERY, "socket.connection.setup.timeout.ms", "5000"},
    {EVERY, "reconnect.backoff.max.ms", "1000"},
    {EVERY, "allow.auto.create.topics", "false"}, // a misspelt topic is an error
    // Never 0: a millisecond lets requests that come together travel together.
    {KF_PRODUCER, "linger.ms", "1"},
    {KF_PRODUCER, "message.timeout.ms", "20000"},
    {KF_PRODUCER, "topic.metadata.propagation.max.ms", "5000"},
    {KF_PRODUCER, "partitioner", "murmur2_random"}, // Java's; librdkafka's is CRC32
    // Bytes bind first; the count bounds what tiny records cost beside their bytes.
    {KF_PRODUCER, "queue.buffering.max.kbytes", "65536"},
    {KF_PRODUCER, "queue.buffering.max.messages", "200000"},
    {CONSUMER, "queued.max.messages.kbytes", "16384"}, // 64 MiB a partition otherwise
    {CONSUMER, "fetch.error.backoff.ms", "100"},
    {KF_GROUP, "partition.assignment.strategy", "range,roundrobin"}, // decision 041
    // By this they hear of a rebalance, which waits for the last of them.
    {KF_GROUP, "heartbeat.interval.ms", "500"},
    // How late "read to the end" may be told behind a transaction's mark.
    {KF_ASSIGNED, "fetch.wait.max.ms", "100"},
    {KF_ASSIGNED, "group.id", "avrogate-assigned"}, // librdkafka wants one; unused
};

/* What a promise hangs on.  `value` NULL: not the user's to set at all. */
static const struct kept {
    int roles;
    const char *name, *value, *why;
} kept[] = {
    {KF_PRODUCER, "enable.idempotence", "true", "a retry would write a record twice"},
    {KF_PRODUCER, "acks", "all", "200 means that every replica in sync has the record"},
    {KF_PRODUCER, "request.required.acks", NULL, "another name of acks, which is all"},
    {KF_PRODUCER, "delivery.timeout.ms", NULL,
     "another name of message.timeout.ms: set that"},
    {KF_PRODUCER, "transactional.id", NULL, "it says who may write"},
    {CONSUMER, "enable.auto.commit", "false", "the sink keeps the offsets"},
    {CONSUMER, "auto.commit.enable", NULL, "the sink keeps the offsets"},
    {CONSUMER, "enable.auto.offset.store", "false", "the sink keeps the offsets"},
    {CONSUMER, "auto.offset.reset", "error", "records would be skipped in silence"},
    {CONSUMER, "isolation.level", "read_committed",
     "records of aborted transactions would be taken for real"},
    {CONSUMER, "enable.partition.eof", "true", "nobody would know the end"},
    {KF_GROUP, "group.id", NULL, "the group is a setting of its own"},
    {EVERY, "bootstrap.servers", NULL, "the brokers are a setting of their own"},
    {EVERY, "metadata.broker.list", NULL, "the brokers are a setting of their own"},
    {EVERY, "test.mock.num.brokers", NULL, "records would go to a Kafka that forgets"},
};

void kf_voice_init(struct kf_voice *v)
{
    *v = (struct kf_voice){0};
    pthread_mutex_init(&v->lock, NULL);
}

void kf_voice_free(struct kf_voice *v)
{
    pthread_mutex_destroy(&v->lock);
}

/* "[thrd:127.0.0.1:9/bootstrap]: 127.0.0.1:9/bootstrap: Connect to ..." without the
 * thread, which means nothing to whoever reads it. */
static const char *without_thread(const char *words)
{
    const char *end = strncmp(words, "[thrd:", 6) == 0 ? strstr(words, "]: ") : NULL;
    return end == NULL ? words : end + 3;
}

static void remember(struct kf_voice *v, const char *words)
{
    pthread_mutex_lock(&v->lock);
    snprintf(v->failure, sizeof v->failure, "%s", words);
    pthread_mutex_unlock(&v->lock);
}

/* librdkafka's levels are syslog's.  CONFWARN says that a producer ignores a consumer's
 * property: one set of properties serves both here, so that is no news.  AUTOCREATE is
 * said to every broker too old (the mock) each time it is asked.  GETPID: a name is not
 * to be had at once, which is what taking it is like. */
static enum log_level our_level(int level, const char *facility)
{
    if (level >= 7 || strcmp(facility, "CONFWARN") == 0 ||
        strcmp(facility, "AUTOCREATE") == 0 || strcmp(facility, "GETPID") == 0)
        return LOG_DEBUG;
    return level <= 3 ? LOG_WARN : LOG_INFO; // it goes on trying: hardly an error
}

static void hear(const rd_kafka_t *rk, int level, const char *facility,
                 const char *words)
{
    struct kf_voice *v = rk == NULL ? NULL : rd_kafka_opaque(rk);

    words = without_thread(words);
    if (v != NULL && strcmp(facility, "FAIL") == 0)
        remember(v, words);
    if (v != NULL && strcmp(facility, "GETPID") == 0)
        atomic_store(&v->id_is_busy, true);
    log_event(our_level(level, facility), "kafka", LOG_S("about", facility),
              LOG_S("said", words), LOG_END);
}

static bool is_secret(const struct conf_pair *p)
{
    static const char *const marks[] = {"password", "secret", ".pem",
                                        "oauthbearer.config", "jaas"};

    for (size_t i = 0; i < sizeof marks / sizeof *marks; i++)
        if (strstr(p->name, marks[i]) != NULL)
            return true;
    return p->secret;
}

static enum err_kind put(rd_kafka_conf_t *conf, const char *name, const char *value,
                         bool secret, struct err *e)
{
    char words[256];

    switch (rd_kafka_conf_set(conf, name, value, words, sizeof words)) {
    case RD_KAFKA_CONF_OK: return ERR_OK;
    case RD_KAFKA_CONF_UNKNOWN:
        return err_set(e, ERR_INVALID, "kafka.%s is no property of librdkafka %s", name,
                       rd_kafka_version_str());
    default:
        return err_set(e, ERR_INVALID, "kafka.%s: %s", name,
                       secret ? "librdkafka does not take this value" : words);
    }
}

static enum err_kind check_kept(const struct conf_pair *p, enum kf_role role,
                                struct err *e)
{
    for (size_t i = 0; i < sizeof kept / sizeof *kept; i++) {
        const struct kept *k = &kept[i];

        if (!(k->roles & role) || strcmp(k->name, p->name) != 0)
            continue;
        if (k->value == NULL)
            return err_set(e, ERR_INVALID, "kafka.%s may not be set: %s", p->name,
                           k->why);
        if (strcasecmp(k->value, p->value) != 0)
            return err_set(e, ERR_INVALID, "kafka.%s is \"%s\", but stays \"%s\": %s",
                           p->name, p->value, k->value, k->why);
    }
    return ERR_OK;
}

static enum err_kind check_timeout(const struct conf_pair *p, enum kf_role role,
                                   struct err *e)
{
    if (role != KF_PRODUCER || strcmp(p->name, "message.timeout.ms") != 0)
        return ERR_OK;

    char *end;
    long ms = strtol(p->value, &end, 10);
    if (end == p->value || *end != '\0' || ms < 1 || ms > KF_REPORT_MS)
        return err_set(e, ERR_INVALID,
                       "kafka.message.timeout.ms is \"%s\", wanted 1 to %d: a report "
                       "must be final before the request's answer is due",
                       p->value, KF_REPORT_MS);
    return ERR_OK;
}

static enum err_kind put_all(rd_kafka_conf_t *conf, enum kf_role role,
                             const char *bootstrap, const struct conf_pairs *properties,
                             struct err *e)
{
    for (size_t i = 0; i < sizeof ours / sizeof *ours; i++)
        if (ours[i].roles & role)
            TRY(put(conf, ours[i].name, ours[i].value, false, e));

    for (size_t i = 0; properties != NULL && i < properties->n; i++) {
        const struct conf_pair *p = &properties->items[i];

        TRY(check_kept(p, role, e));
        TRY(check_timeout(p, role, e));
        TRY(put(conf, p->name, p->value, is_secret(p), e));
    }

    for (size_t i = 0; i < sizeof kept / sizeof *kept; i++)
        if (kept[i].roles & role && kept[i].value != NULL)
            TRY(put(conf, kept[i].name, kept[i].value, false, e));
    return put(conf, "bootstrap.servers", bootstrap, false, e);
}

enum err_kind kf_conf_make(rd_kafka_conf_t **out, enum kf_role role,
                           const char *bootstrap, const struct conf_pairs *properties,
                           struct kf_voice *v, struct err *e)
{
    rd_kafka_conf_t *conf = rd_kafka_conf_new();

    enum err_kind rc = put_all(conf, role, bootstrap, properties, e);
    if (rc != ERR_OK) {
        rd_kafka_conf_destroy(conf);
        return rc;
    }
    rd_kafka_conf_set_opaque(conf, v);
    rd_kafka_conf_set_log_cb(conf, hear);
    kf_spin_stop(conf);
    *out = conf;
    return ERR_OK;
}

enum err_kind kf_new(rd_kafka_t **out, rd_kafka_type_t type, rd_kafka_conf_t *conf,
                     struct err *e)
{
    char words[200];
    rd_kafka_t *rk = rd_kafka_new(type, conf, words, sizeof words);

    if (rk == NULL) {
        rd_kafka_conf_destroy(conf); // it takes it only when it succeeds
        return err_set(e, ERR_INVALID, "kafka: %s", words);
    }
    *out = rk;
    return ERR_OK;
}

/* What is not here is ERR_UNAVAILABLE: nearly all of Kafka's errors go away. */
static const struct {
    rd_kafka_resp_err_t code;
    enum err_kind kind;
} kinds[] = {
    {RD_KAFKA_RESP_ERR_NO_ERROR, ERR_OK},
    {RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC, ERR_NOT_FOUND},
    {RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION, ERR_NOT_FOUND},
    {RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART, ERR_NOT_FOUND},
    {RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE, ERR_LIMIT},
    {RD_KAFKA_RESP_ERR_RECORD_LIST_TOO_LARGE, ERR_LIMIT},
    {RD_KAFKA_RESP_ERR_INVALID_MSG_SIZE, ERR_LIMIT},
    {RD_KAFKA_RESP_ERR_INVALID_RECORD, ERR_INVALID},
    {RD_KAFKA_RESP_ERR_INVALID_TIMESTAMP, ERR_INVALID},
    {RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION, ERR_INVALID},
    {RD_KAFKA_RESP_ERR_INVALID_PARTITIONS, ERR_INVALID},
    {RD_KAFKA_RESP_ERR_INVALID_REPLICATION_FACTOR, ERR_INVALID},
    {RD_KAFKA_RESP_ERR_INVALID_CONFIG, ERR_INVALID},
    {RD_KAFKA_RESP_ERR__INVALID_ARG, ERR_INVALID},
    {RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE, ERR_CONFLICT},
    {RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET, ERR_CONFLICT},
    {RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS, ERR_CONFLICT},
    {RD_KAFKA_RESP_ERR_POLICY_VIOLATION, ERR_CONFLICT},
    {RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED, ERR_CONFLICT},
    {RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED, ERR_CONFLICT},
    {RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED, ERR_CONFLICT},
    {RD_KAFKA_RESP_ERR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED, ERR_CONFLICT},
    {RD_KAFKA_RESP_ERR_SASL_AUTHENTICATION_FAILED, ERR_CONFLICT},
    {RD_KAFKA_RESP_ERR__AUTHENTICATION, ERR_CONFLICT},
    {RD_KAFKA_RESP_ERR_FENCED_INSTANCE_ID, ERR_CONFLICT},
    {RD_KAFKA_RESP_ERR__FENCED, ERR_CONFLICT},
    {RD_KAFKA_RESP_ERR__FATAL, ERR_CONFLICT},
    {RD_KAFKA_RESP_ERR__UNSUPPORTED_FEATURE, ERR_CONFLICT},
    {RD_KAFKA_RESP_ERR_UNSUPPORTED_VERSION, ERR_CONFLICT},
};

enum err_kind kf_kind(rd_kafka_resp_err_t code)
{
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (kinds[i].code == code)
            return kinds[i].kind;
    return ERR_UNAVAILABLE;
}

static enum err_kind fail(struct err *e, rd_kafka_resp_err_t code, const char *heard,
                          const char *fmt, va_list ap)
{
    char about[160];

    vsnprintf(about, sizeof about, fmt, ap);
    return err_set(e, kf_kind(code), "%s: %s: %s%s%s", about, rd_kafka_err2name(code),
                   rd_kafka_err2str(code), *heard ? "; " : "", heard);
}

enum err_kind kf_fail(struct err *e, rd_kafka_resp_err_t code, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    enum err_kind rc = fail(e, code, "", fmt, ap);
    va_end(ap);
    return rc;
}

enum err_kind kf_fail_heard(struct err *e, struct kf_voice *v, rd_kafka_resp_err_t code,
                            const char *fmt, ...)
{
    char heard[sizeof v->failure] = "";
    va_list ap;

    if (kf_kind(code) == ERR_UNAVAILABLE) {
        pthread_mutex_lock(&v->lock);
        memcpy(heard, v->failure, sizeof heard);
        pthread_mutex_unlock(&v->lock);
    }
    va_start(ap, fmt);
    enum err_kind rc = fail(e, code, heard, fmt, ap);
    va_end(ap);
    return rc;
}
