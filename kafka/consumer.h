/*
 * consumer.h - records of chosen partitions, from chosen offsets, in order.
 *
 * Two ways: *assigned* (the registry's tail: partition and offset given by hand, no
 * group), and *in a group* (loaders): the group says which partitions, struct kf_group
 * says where each starts.  A consumer never commits by itself, reads committed records
 * only, and never resets an offset: one that is gone is ERR_CONFLICT, not a skip.
 * Continuity is kept: a record at or below one already given is dropped, and what
 * librdkafka 2.0.2 skips in a rebalance is sought (decision 200).
 *
 * One thread uses a consumer; the group's calls come from inside kf_poll() and
 * kf_consumer_close().
 *
 * In a group kf_poll() must be called at least every max.poll.interval.ms (5 minutes),
 * or the group takes the partitions away (revoked() with `lost`); one in KF_TAKEN_MOST
 * calls may be the only one that librdkafka hears of.  A consumer with
 * nothing to do with records (sink away) calls kf_pause() on its partitions and goes on
 * calling kf_poll(), which then gives none of theirs.  Static membership:
 * `group.instance.id` in the properties.
 */
#pragma once

#include "kafka/producer.h"

struct kf_message {
    const char *topic;
    int32_t partition;
    int64_t offset;
    int64_t timestamp_ms; // -1 when it has none
    struct span key;      // p NULL = none
    struct span value;    // p NULL = tombstone
    const struct kf_header *headers;
    size_t n_headers;
    void *kept; // librdkafka's; kf_message_free() gives it back
};

#define KF_TAKEN_MOST 256 // messages that wait inside for their kf_poll()

#define KF_BEGINNING (-2) // as an offset: the first there is
#define KF_END (-1)       // the next that will be written

struct kf_group {
    const struct kf_group_ops *ops;
};

struct kf_group_ops {
    /* The group gave us topic/partition: say in *start which offset is wanted first.
     * ERR_UNAVAILABLE: kf_poll() returns it, and asks again a quarter of a second
     * later.  Any other failure: kf_poll() returns it once, and the partition is not
     * read until a kf_seek().  Called from inside kf_poll(); call nothing of this
     * consumer but kf_consumer_offsets(). */
    enum err_kind (*assigned)(struct kf_group *g, const char *topic, int32_t partition,
                              int64_t *start, struct err *e);
    /* It was taken away; `lost`: long ago, nothing may be written for it any more. */
    void (*revoked)(struct kf_group *g, const char *topic, int32_t partition,
                    bool lost);
};

struct kf_consumer;

enum err_kind kf_consumer_assign(struct kf_consumer **out, const char *bootstrap,
                                 const struct conf_pairs *properties, const char *topic,
                                 int32_t partition, int64_t offset,
                                 struct err *e) MUST_USE;
enum err_kind kf_consumer_join(struct kf_consumer **out, const char *bootstrap,
                               const struct conf_pairs *properties, const char *group,
                               const char *const *topics, size_t n, struct kf_group *g,
                               struct err *e) MUST_USE;

/* Partitions [0, n) of a topic at once.  (One by one would be to assign anew what is
 * just being started: librdkafka 2.0.2 ends the process then, now and again.) */
enum err_kind kf_consumer_assign_all(struct kf_consumer **out, const char *bootstrap,
                                     const struct conf_pairs *properties,
                                     const char *topic, int32_t n, int64_t offset,
                                     struct err *e) MUST_USE;

/* From now on no message has headers: to look for them costs librdkafka as much as the
 * message itself, also where there are none. */
void kf_consumer_leave_headers(struct kf_consumer *c);

/* Said when a partition has been read to its present end. */
struct kf_end {
    bool reached;
    const char *topic;
    int32_t partition;
    int64_t offset; // the one that comes next
};

/*
 * The next message, waiting at most `timeout_ms`; *got = false when none came, and then
 * `end` may say that a partition has been read to its end.  ERR_UNAVAILABLE: brokers
 * away, call again.  ERR_CONFLICT: the offset wanted is not there (deleted or
 * recreated); said once, the partition is not read until a kf_seek().  ERR_NOT_FOUND:
 * the topic is not there (now).  A message is the caller's until kf_message_free(),
 * which comes before kf_consumer_close(); its texts live as long as it does.
 */
enum err_kind kf_poll(struct kf_consumer *c, int timeout_ms, struct kf_message *m,
                      bool *got, struct kf_end *end, struct err *e) MUST_USE;
void kf_message_free(struct kf_message *m);

enum err_kind kf_pause(struct kf_consumer *c, const char *topic, int32_t partition,
                       struct err *e) MUST_USE;
enum err_kind kf_resume(struct kf_consumer *c, const char *topic, int32_t partition,
                        struct err *e) MUST_USE;
/* What was given before does not come again unless it lies at or behind `offset`.
 * ERR_UNAVAILABLE, nothing done: it was to start at KF_BEGINNING or KF_END and has
 * given neither a message nor its end yet; try again when it has. */
enum err_kind kf_seek(struct kf_consumer *c, const char *topic, int32_t partition,
                      int64_t offset, struct err *e) MUST_USE;
/* A copy for lag tools only; asynchronous, a failure is logged. */
void kf_commit_copy(struct kf_consumer *c, const char *topic, int32_t partition,
                    int64_t next_offset);
enum err_kind kf_consumer_offsets(struct kf_consumer *c, const char *topic,
                                  int32_t partition, int64_t *low, int64_t *high,
                                  int timeout_ms, struct err *e) MUST_USE;
/* The next offset that the consumer's group (`group.id`) has committed, transactions
 * that are about to end awaited (KIP-447); -1 = none. */
enum err_kind kf_consumer_committed(struct kf_consumer *c, const char *topic,
                                    int32_t partition, int64_t *next, int timeout_ms,
                                    struct err *e) MUST_USE;
/* Leaves the group; revoked() is called for what it held.  Of a cooperative member that
 * goes before its first assignment librdkafka's handle and idle threads stay (decision
 * 041). */
void kf_consumer_close(struct kf_consumer *c);
