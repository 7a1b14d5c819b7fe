/*
 * client.h - how we speak of Kafka: properties in, librdkafka's errors as ours.
 *
 * kafka/ is the only folder that knows librdkafka.  Properties are librdkafka's own
 * names (CONFIGURATION.md); what a user sets as `kafka.<property>` wins over ours,
 * except those a promise hangs on, which are refused with the reason.
 *
 * struct kf_admin asks about topics; every call blocks, at most `timeout_ms`.  Any
 * thread.
 */
#pragma once

#include "base/conf.h"
#include "base/err.h"

struct kf_topic {
    const char *name;
    int32_t partitions;
    bool internal;
};

struct kf_admin;

enum err_kind kf_admin_open(struct kf_admin **out, const char *bootstrap,
                            const struct conf_pairs *properties,
                            struct err *e) MUST_USE;
void kf_admin_close(struct kf_admin *a);

/* ERR_NOT_FOUND when the topic does not exist, ERR_UNAVAILABLE when nobody answers. */
enum err_kind kf_topic_partitions(struct kf_admin *a, const char *topic, int32_t *n,
                                  int timeout_ms, struct err *e) MUST_USE;
/* How many copies there are to be of its partition 0; else as above. */
enum err_kind kf_topic_replicas(struct kf_admin *a, const char *topic, int32_t *n,
                                int timeout_ms, struct err *e) MUST_USE;
/* Every topic, allocated in `mem`. */
enum err_kind kf_topics(struct kf_admin *a, struct arena *mem,
                        const struct kf_topic **out, size_t *n, int timeout_ms,
                        struct err *e) MUST_USE;
/* Creates it unless it is there, whatever its settings; then it can be used.  `config`:
 * topic settings, NULL = none.  `replication` 0 = as many as there are brokers, 3 at
 * most. */
enum err_kind kf_topic_create(struct kf_admin *a, const char *topic, int32_t partitions,
                              int16_t replication, const struct conf_pairs *config,
                              int timeout_ms, struct err *e) MUST_USE;
/* Deletes it; nobody is told any more that it is there when this returns.  One that is
 * not there is deleted already. */
enum err_kind kf_topic_delete(struct kf_admin *a, const char *topic, int timeout_ms,
                              struct err *e) MUST_USE;
/* How many members a consumer group has now; 0: it has none, or is none. */
enum err_kind kf_group_members(struct kf_admin *a, const char *group, int *n,
                               int timeout_ms, struct err *e) MUST_USE;
/* One setting of a topic ("cleanup.policy"), as text in `mem`.  ERR_NOT_FOUND: no such
 * topic, or no such setting.  The mock never answers: ERR_UNAVAILABLE, late. */
enum err_kind kf_topic_setting(struct kf_admin *a, const char *topic, const char *name,
                               struct arena *mem, struct span *value, int timeout_ms,
                               struct err *e) MUST_USE;
/* The first offset there is, and the one that comes next; read_committed readers may
 * see a smaller end while a transaction is open. */
enum err_kind kf_offsets(struct kf_admin *a, const char *topic, int32_t partition,
                         int64_t *low, int64_t *high, int timeout_ms,
                         struct err *e) MUST_USE;
/* The first offset whose record is not older than `ms` (wall clock), the end when all
 * are. */
enum err_kind kf_offset_at(struct kf_admin *a, const char *topic, int32_t partition,
                           int64_t ms, int64_t *offset, int timeout_ms,
                           struct err *e) MUST_USE;
/* Does a broker answer now?  For readiness: what is remembered does not count. */
enum err_kind kf_ping(struct kf_admin *a, int timeout_ms, struct err *e) MUST_USE;
/* From memory once it is known. */
enum err_kind kf_cluster_id(struct kf_admin *a, struct arena *mem, struct span *id,
                            int timeout_ms, struct err *e) MUST_USE;

struct kf_broker {
    int32_t id;
    const char *host;
    int port;
};
/* Every broker there is, in `mem`, and which of them is the controller (-1: unknown).
 */
enum err_kind kf_brokers(struct kf_admin *a, struct arena *mem,
                         const struct kf_broker **out, size_t *n, int32_t *controller,
                         int timeout_ms, struct err *e) MUST_USE;

struct kf_partition {
    int32_t id, leader;              // leader -1: nobody, now
    const int32_t *copies, *in_sync; // broker ids
    size_t n_copies, n_in_sync;
};
struct kf_topic_shape {
    const char *name;
    bool internal;
    const struct kf_partition *partitions; // by id
    size_t n;
};
/* Every topic with its partitions, in `mem`.  Creates none, whatever the cluster does
 * with topics it is asked for by name. */
enum err_kind kf_topic_shapes(struct kf_admin *a, struct arena *mem,
                              const struct kf_topic_shape **out, size_t *n,
                              int timeout_ms, struct err *e) MUST_USE;
/* Every setting of a topic that has a value, in `mem`; fails as kf_topic_setting(). */
enum err_kind kf_topic_settings(struct kf_admin *a, const char *topic,
                                struct arena *mem, struct conf_pairs *out,
                                int timeout_ms, struct err *e) MUST_USE;
