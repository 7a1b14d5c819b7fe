/*
 * source.h - where batches come from.
 *
 * A source reads ahead on a thread of its own, within the memory it was given, and goes
 * on being a member of its group while the sink is away.  next(), done() and drop() are
 * called by the pump's thread.
 */
#pragma once

#include "loaders/batch.h"

struct source {
    const struct source_ops *ops;
};

struct source_state {
    bool finished;   // all that was there at the start is loaded, by us or others
    bool drained;    // drain() was called and nothing is left to load
    bool read_all;   // nothing more of our partitions is to come before that end
    size_t assigned; // partitions in hand
    size_t stopped;  // ... of which so many stand still for good
    char why[240];   // the first of those, in words
    int64_t lag;     // records between what is loaded and the ends last seen
    int64_t held;    // bytes read ahead
    int64_t aside;   // records that somebody before us had set aside
};

struct source_ops {
    const char *name;

    /* The next batch, waiting at most `wait_ms`; *out = NULL when none came.  It is the
     * caller's until done() or drop().  Batches of one partition come in order. An
     * error is the source's end: what it cannot get over by itself. */
    enum err_kind (*next)(struct source *s, int wait_ms, struct batch **out,
                          struct err *e) MUST_USE;

    /* It is durable: never give it out again.  Takes the batch. */
    void (*done)(struct source *s, struct batch *b);

    /* The sink holds it: it counts as loaded only when kept() says so.  Takes the
     * batch. */
    void (*held)(struct source *s, struct batch *b);
    /* All of the partition before `next` is durable. */
    void (*kept)(struct source *s, int32_t partition, int64_t epoch, int64_t next);
    /* What the sink held of it is of no use: as drop(), without a batch. */
    void (*lost)(struct source *s, int32_t partition, int64_t epoch);

    /* Somebody else owns its partition by now: forget what was read of it and ask
     * again where to start.  Takes the batch. */
    void (*drop)(struct source *s, struct batch *b);

    void (*state)(struct source *s, struct source_state *out); // any thread
    /* Of each partition in hand its number, how far it is loaded, and the end last
     * seen.  Any thread. */
    void (*each)(struct source *s,
                 void (*tell)(void *arg, int32_t partition, int64_t loaded,
                              int64_t end),
                 void *arg);
    /* How far a partition is loaded: the next offset, -1 when it is not ours.  Any
     * thread. */
    int64_t (*loaded)(struct source *s, int32_t partition);
    /* Reads no more; what was read is sealed and may still be loaded. */
    void (*drain)(struct source *s);
    /* Gives all partitions back and ends the thread.  Nobody may be in next() any
     * more. */
    void (*close)(struct source *s);
};
