/*
 * sink.h - where batches go.  To add a destination, fill in one of these.
 *
 * write() makes four promises, and tests/promises/sink.c holds every sink to them:
 *   - ERR_OK means the whole batch is durable, the good records in the target and the
 *     others set aside, and the position and the audit with them;
 *   - anything else means all of it or none of it, never a part: an answer can be lost
 *     on the way back, so the caller learns which by writing the batch again;
 *   - writing a batch of the same name again leaves it there once;
 *   - a batch whose `epoch` is no longer the partition's is refused with ERR_CONFLICT.
 *
 * Two threads: take(), release() and reached() belong to the source's, trial(), shape()
 * and write() to the pump's, and a sink keeps what the two use apart (Postgres: a
 * connection each). cancel() may be called by any.  An implementation puts `struct
 * sink` first in its own struct.
 */
#pragma once

#include "loaders/pause.h"
#include "loaders/rule_result.h"
#include "loaders/sift.h"

/*
 * A sink that gathers batches into larger things (files) says `held` in the receipt: it
 * has the batch, but not durably, and the first promise is then settle()'s, which tells
 * up to where a partition is durable.  What is held and not settled is read again after
 * a crash.
 */

struct sink {
    const struct sink_ops *ops;
    bool no_headers; // looks at no record's headers: its source need not read them
};

/* What the sink knows of a partition that was just given to us. */
struct claim {
    int64_t next; // -1: nothing of it was ever loaded
    int64_t epoch;
    int32_t generation;
    int64_t mark;          // record_mark() of the record at next - 1, -1 = not known
    bool careful;          // its last owner died where it began
    int64_t isolate_until; // one record at a time below this offset
    bool undecoded;        // and even so: set the record at `next` aside unread
};

struct receipt {
    size_t loaded, rejected, duplicate, filtered, quarantined; // together: all records
    const struct quality_count *rules; // what each said; NULL = there are none.
                                       // Borrowed until the sink is called again
    size_t bytes;
    size_t files, file_bytes; // of rows, where the target is files
    size_t untaken; // of those loaded: the table took no row, a trigger kept it out
    bool again;     // it was there already: the answer had been lost
    bool busy;      // with ERR_UNAVAILABLE: only a lock or a deadlock, try soon
    bool held;      // taken, and settle() will say when it is durable
    size_t part;    // with held: only the first so many records; settle, then write the
                    // others.  0 = all of it
};

struct settled { // what became of held batches of a partition
    bool any;    // something did
    bool lost;   // it was somebody else's by now: read again from where take() says
    int32_t partition;
    int64_t epoch, next; // all before `next` is durable
    struct receipt receipt;
};

struct sink_ops {
    const char *name;

    /*
     * Makes us the owner of a partition: whoever had it before can write no more.
     * `low` is where a partition never seen before starts.  `cluster` names the Kafka
     * cluster.  ERR_CONFLICT: what the sink knows does not fit (another cluster).
     */
    enum err_kind (*take)(struct sink *s, const char *topic, int32_t partition,
                          int64_t low, const char *cluster, struct claim *out,
                          struct err *e);
    /* We give it back in order; best effort. */
    void (*release)(struct sink *s, const char *topic, int32_t partition,
                    int64_t epoch);
    /* Has everything below next[p] been loaded, by us or anybody, for all partitions?
     */
    enum err_kind (*reached)(struct sink *s, const char *topic, const int64_t *next,
                             size_t n, bool *yes, struct err *e);

    /* Notes that we are about to touch a batch somebody died at (batch.trial), so that
     * dying of it counts and dying of something else does not. */
    enum err_kind (*trial)(struct sink *s, const struct batch *b, struct err *e);
    /* Makes the target fit for records of this schema. ERR_INVALID: it cannot be. */
    enum err_kind (*shape)(struct sink *s, struct av_schema *reader, struct err *e);
    enum err_kind (*write)(struct sink *s, const struct batch *b, struct sift *sift,
                           struct receipt *r, struct err *e);

    /*
     * Makes durable what is due of the held batches, or with `all` what there is: of
     * one partition a call, and *out says which.  Call again until nothing is settled.
     * ERR_UNAVAILABLE: later; nothing is lost.  NULL: write() holds nothing.
     */
    enum err_kind (*settle)(struct sink *s, bool all, struct settled *out,
                            struct err *e);

    /* What the rules of the run said so far, and which rule stopped it, as
     * etl_rule_result is to have it from now on; by the pump's thread.  NULL: this sink
     * keeps no quality rules. */
    enum err_kind (*rules)(struct sink *s, const struct rule_result *results, size_t n,
                           struct err *e);

    /* The run: begin() before anything else, again until it is ERR_OK or not
     * ERR_UNAVAILABLE; end() after the last.  By the thread that runs the pump. */
    enum err_kind (*begin)(struct sink *s, struct err *e);
    enum err_kind (*end)(struct sink *s, const char *status, const char *why,
                         struct err *e);
    const char *(*run_id)(const struct sink *s);

    /* Did a person pause the job (loaders/pause.h)?  By the pump's thread.  NULL:
     * nobody can. */
    enum err_kind (*paused)(struct sink *s, struct pause *out, struct err *e);
    /* What a person does to load a topic that was made anew, and to go on behind
     * records that were deleted; clauses. */
    const char *anew, *skip;

    void (*cancel)(struct sink *s); // whatever write() waits for, it stops waiting
    void (*close)(struct sink *s);
};
