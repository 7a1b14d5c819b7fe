/*
 * producer.h - records to Kafka, and for each its delivery report.
 *
 * Idempotent, acks=all; message.timeout.ms lies below every request deadline, so that a
 * report is final before the answer is due (failure-model.md, 2).  kf_send() copies
 * key, value and headers and never blocks: a full queue is ERR_UNAVAILABLE with nothing
 * taken. A report is handed, on the producer's poll thread, to the function in the
 * struct kf_waiter given with the record: put the waiter first in a struct of your own.
 * After a fatal error kf_healthy() is false and kf_send() refuses; whoever owns the
 * producer closes it and opens another.
 *
 * Any thread may send.
 */
#pragma once

#include "kafka/client.h"

#define KF_REPORT_MS 20000 // the longest a report may take (message.timeout.ms at most)

struct kf_report {
    /* ERR_OK: persisted.  ERR_UNAVAILABLE: not, now; also when Kafka takes our clock,
     * by which a record without a time is stamped, for wrong.  ERR_NOT_FOUND: no such
     * topic or partition.  ERR_LIMIT: too large for the broker.  ERR_INVALID: the
     * broker refused the record.  ERR_CONFLICT: not allowed, or against the cluster's
     * policy. */
    enum err_kind kind;
    bool maybe; // failed, but may have been persisted (POSSIBLY_PERSISTED)
    int32_t partition;
    int64_t offset;       // -1 when it is not known to be there
    int64_t timestamp_ms; // the record's, -1 when unknown
    const char *name;     // "_MSG_TIMED_OUT"; NULL when persisted
    const char *reason;   // librdkafka's words; both live as long as the process
};

struct kf_waiter {
    void (*report)(struct kf_waiter *w, uint32_t index, const struct kf_report *r);
};

/* Told of reports that come together: before the first of some, after the last. */
struct kf_together {
    void (*begin)(void);
    void (*end)(void);
};

struct kf_header {
    const char *name;
    struct span value; // p NULL = null
};

struct kf_record {
    struct span key;   // p NULL = no key
    struct span value; // p NULL = tombstone
    const struct kf_header *headers;
    size_t n_headers;
    int32_t partition; // -1 = by key (murmur2, as Java's), or spread when there is none
    int64_t timestamp_ms; // 0 = now
};

struct kf_producer;

/* `properties` may be NULL. */
enum err_kind kf_producer_open(struct kf_producer **out, const char *bootstrap,
                               const struct conf_pairs *properties,
                               struct err *e) MUST_USE;
/* From now on, on the thread that hands out the reports.  `t` lives as long as `p`. */
void kf_report_together(struct kf_producer *p, const struct kf_together *t);
/*
 * `index` comes back in the report.  On anything but ERR_OK nothing was taken and no
 * report comes: ERR_UNAVAILABLE queue full or producer dead, ERR_LIMIT too large,
 * ERR_NOT_FOUND topic or partition known not to exist.
 */
enum err_kind kf_send(struct kf_producer *p, const char *topic,
                      const struct kf_record *r, struct kf_waiter *w, uint32_t index,
                      struct err *e) MUST_USE;
/*
 * The records of one request, cheaper than one by one (decision 040): each of them gets
 * exactly one report, with index `first` + its place.  librdkafka takes what it can: a
 * record it refuses is reported right here, on the calling thread, before this returns,
 * and never `maybe`.  So hold no lock that report() takes, and count from two threads.
 * Returns how many were refused.
 */
size_t kf_send_batch(struct kf_producer *p, const char *topic,
                     const struct kf_record *records, size_t n, struct kf_waiter *w,
                     uint32_t first);
/* Key and value of a record may be so many bytes together (message.max.bytes less what
 * a record costs beside them); a topic's own limit may be lower. */
size_t kf_largest(const struct kf_producer *p);
bool kf_healthy(const struct kf_producer *p);
size_t kf_in_flight(const struct kf_producer *p);
/* Waits until everything sent was reported, at most so long; false when some is left.
 * Not from inside report(). */
bool kf_flush(struct kf_producer *p, int timeout_ms);
/* What is still unreported is reported as failed (`maybe` when it had been sent) before
 * this returns.  Nobody sends any more. */
void kf_producer_close(struct kf_producer *p);
