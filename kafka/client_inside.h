/*
 * client_inside.h - what the files of kafka/ share: properties become a librdkafka
 * configuration, its error codes become our kinds, its log becomes ours.
 */
#pragma once

#include "kafka/client.h"

#include <librdkafka/rdkafka.h>
#include <pthread.h>
#include <stdatomic.h>

enum kf_role { KF_ADMIN = 1, KF_PRODUCER = 2, KF_ASSIGNED = 4, KF_GROUP = 8 };

/*
 * Stands first in whatever owns an rd_kafka_t and is its opaque: librdkafka's log ends
 * here.  The last failure to connect is remembered, so that "nobody answers" can say
 * why; and that a transactional id cannot be had yet, which is said nowhere else.
 */
struct kf_voice {
    atomic_bool id_is_busy;
    pthread_mutex_t lock;
    char failure[160]; // under lock
};

void kf_voice_init(struct kf_voice *v);
void kf_voice_free(struct kf_voice *v);

/*
 * Ours for that role, then the user's, then what may not be changed.  ERR_INVALID names
 * the property and what is wrong with it, never the value of a secret.  *out is the
 * caller's until rd_kafka_new() takes it.
 */
enum err_kind kf_conf_make(rd_kafka_conf_t **out, enum kf_role role,
                           const char *bootstrap, const struct conf_pairs *properties,
                           struct kf_voice *v, struct err *e) MUST_USE;
/* rd_kafka_new(), which takes `conf` whatever comes of it. */
enum err_kind kf_new(rd_kafka_t **out, rd_kafka_type_t type, rd_kafka_conf_t *conf,
                     struct err *e) MUST_USE;

enum err_kind kf_kind(rd_kafka_resp_err_t code);
/* "topic x: UNKNOWN_TOPIC_OR_PART: Broker: Unknown topic or partition" */
enum err_kind kf_fail(struct err *e, rd_kafka_resp_err_t code, const char *fmt, ...)
    PRINTF_LIKE(3, 4);
/* The same, with the last failure to connect when that explains it. */
enum err_kind kf_fail_heard(struct err *e, struct kf_voice *v, rd_kafka_resp_err_t code,
                            const char *fmt, ...) PRINTF_LIKE(4, 5);

enum err_kind kf_watermarks(rd_kafka_t *rk, struct kf_voice *v, const char *topic,
                            int32_t partition, int64_t *low, int64_t *high,
                            int timeout_ms, struct err *e) MUST_USE;
