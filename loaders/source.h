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
};
