/*
 * out.h - where rows go as they change: PostgreSQL, or a topic.
 *
 *      begin --> positions       from now on this instance writes, nobody else
 *      add, add, ...; flush      rows, and with the last of a round the changelog's
 *                                positions they are of: in one transaction
 *
 * Rows of which all is written whose record lies before the position; a writer that
 * comes new writes those behind it again.  A late writer, whom another has followed,
 * writes nothing: its flush is ERR_CONFLICT.  The follower's thread.
 */
#pragma once

#include "aggregate/view.h"

struct out {
    const struct out_ops *ops;
};

struct out_ops {
    /* *positions: n of them, 0 for what was never written.  Drops what was added. */
    enum err_kind (*begin)(struct out *o, const struct agg_shape *shape,
                           int64_t *positions, size_t n, struct err *e);
    /* What is added is the sink's own copy. */
    enum err_kind (*add)(struct out *o, const struct agg_merged *row, struct err *e);
    /* `positions` NULL: more of the round comes.  On failure what was added is dropped,
     * and whether it was written is not known: begin anew. */
    enum err_kind (*flush)(struct out *o, const int64_t *positions, size_t n,
                           struct err *e);
    void (*close)(struct out *o);
};
