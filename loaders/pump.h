/*
 * pump.h - moves batches from a source to a sink.
 *
 *      source --next--> batch --prepare--> sift --shape, write--> sink --done--> source
 *
 * The order is the guarantee, and the sink's promises (sink.h) are what it stands on: a
 * batch is done only when the sink said so; a crash anywhere repeats it, and repeating
 * is harmless.  One thread.
 */
#pragma once

#include "loaders/sink.h"
#include "loaders/source.h"

struct pump { // borrows all three; whoever opened them closes them
    struct source *source;
    struct sink *sink;
    struct sift *sift;
    bool all;   // settle everything the sink holds: nothing more is coming
    bool empty; // out: `all`, and the sink holds nothing
    // private to pump.c
    struct batch *held; // not done yet: the next call tries it again
    uint64_t shape;     // of sift, as the sink has it
    unsigned tries;     // failed ones in a row
};

struct pump_moved {
    bool moved;   // a batch became durable
    bool dropped; // it was somebody else's by now
    int32_t partition;
    int64_t next;
    struct receipt receipt;
};

/*
 * Moves at most one batch, waiting at most `wait_ms` for it.  After ERR_UNAVAILABLE
 * the batch is kept: wait pump_pause_ms(), then call again.  Any other error stops the
 * pipeline.
 */
enum err_kind pump_once(struct pump *p, int wait_ms, struct pump_moved *m,
                        struct err *e) MUST_USE;

/* How long to wait after the last failure: 50 ms doubling to 30 s (2 s when the sink
 * was only busy), with jitter. */
int64_t pump_pause_ms(const struct pump *p, const struct pump_moved *m);

/* Settles everything the sink holds, as far as it goes at once; `moved` is told of
 * each.
 */
void pump_settle_all(struct pump *p,
                     void (*moved)(void *arg, const struct pump_moved *m), void *arg);

/* Gives what it holds back to the source. */
void pump_end(struct pump *p);
