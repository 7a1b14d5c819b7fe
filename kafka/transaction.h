/*
 * transaction.h - a producer that alone may write under a name (KIP-98, KIP-360).
 *
 *      open -> take -> { begin, kf_send_batch()..., commit } ...
 *
 * Whoever takes a name has it: the broker has ended the former holder's open
 * transaction and refuses its producer for good.  Records of a transaction are there
 * together, at the commit, or never (readers are read_committed).
 *
 * A call that fails leaves the outcome unknown, kf_take() included: close the producer,
 * take the name anew and read.  Never go on with a producer after that; a late commit
 * could commit what comes next.  One thread calls these; each blocks, at most
 * `timeout_ms`.
 */
#pragma once

#include "kafka/consumer.h"

/* `id` is the name; `topic`, the one that will be written, is asked about at once: the
 * first record to a topic nobody asked about waits a second (librdkafka 2.0.2). */
enum err_kind kf_transactional_open(struct kf_producer **out, const char *bootstrap,
                                    const struct conf_pairs *properties, const char *id,
                                    const char *topic, struct err *e) MUST_USE;
/* Here and below: ERR_CONFLICT, somebody took the name from us; ERR_INVALID, the broker
 * does not allow it; else ERR_UNAVAILABLE.  Taking may fail so before its time, when
 * the former holder's transaction is still being ended: the next producer has it
 * sooner. */
enum err_kind kf_take(struct kf_producer *p, int timeout_ms, struct err *e) MUST_USE;
enum err_kind kf_begin(struct kf_producer *p, struct err *e) MUST_USE;
/*
 * Within the transaction, the next offset of what was read to write it: committed with
 * the records or not at all.  By a member: `c` is of the group, and the broker refuses
 * whoever the group no longer counts as one (KIP-447).  Any thread may hold `c`.
 */
enum err_kind kf_commit_position(struct kf_producer *p, const struct kf_consumer *c,
                                 const char *topic, int32_t partition, int64_t next,
                                 int timeout_ms, struct err *e) MUST_USE;
/* The same of partitions [0, n) of `topic`, for a group that has no members: the name
 * alone says whose it is. */
enum err_kind kf_commit_positions(struct kf_producer *p, const char *group,
                                  const char *topic, const int64_t *next, int32_t n,
                                  int timeout_ms, struct err *e) MUST_USE;
/* After the reports of all that was sent. */
enum err_kind kf_commit(struct kf_producer *p, int timeout_ms, struct err *e) MUST_USE;
