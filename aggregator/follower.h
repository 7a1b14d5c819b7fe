/*
 * follower.h - the whole table as it is committed, whoever counts it.
 *
 *      changelog/0..n, read committed --> view --> a terminal, HTTP, a sink
 *
 * Every instance that shows the table follows all partitions of the changelog, its own
 * too: what it shows was committed, and is the same everywhere (decision 149).
 *
 * Its thread reads and, where there is a sink and partition 0 is ours, writes what
 * changed.  The view is read between follower_lock() and _unlock(), by any thread.
 */
#pragma once

#include "aggregate/view.h"
#include "aggregator/engine.h"
#include "aggregator/out.h"

struct follower;

/* Borrows all of it; `out` NULL = no sink.  ERR_UNAVAILABLE: no thread. */
enum err_kind follower_open(struct follower **f, const struct aggregator_settings *s,
                            struct engine *g, struct out *out, struct err *e) MUST_USE;
struct agg_view *follower_lock(struct follower *f);
void follower_unlock(struct follower *f);

struct follower_state {
    bool whole;      // it has seen all that was there when it began
    bool failed;     // `why` says what a person must do
    char why[240];   // what it waits for
    int64_t written; // rows, to the sink, of this run
};
void follower_state(struct follower *f, struct follower_state *out);

/* Waits until the view has what these shards committed and the sink has the view, at
 * most `ms`; false: it has not. */
bool follower_catch_up(struct follower *f, const struct shard_state *shards, size_t n,
                       int64_t ms);
void follower_close(struct follower *f);
