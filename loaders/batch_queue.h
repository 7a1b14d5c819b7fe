/*
 * batch_queue.h - sealed batches on their way from a source's reader to the pump, and
 * what the pump says of them on the way back.
 *
 *      reader --put--> ring --take--> pump --let_go--> gone
 *      reader <--drops-- pump
 *
 * A batch counts in `cost` until the pump lets it go.  Every call is under the lock of
 * the source whose queue it is.
 */
#pragma once

#include "loaders/batch.h"

struct batch_queue {
    struct batch **ring;
    size_t first, n, cap;
    size_t in_hand; // with the pump
    int64_t cost;   // bytes of all of them
    struct batch_drop {
        int32_t partition;
        int64_t epoch;
    } * drops; // what the pump was refused, for the reader, who empties it
    size_t n_drops;
};

/* Takes the batch. */
void batch_queue_put(struct batch_queue *q, struct batch *b);
/* The oldest, NULL = none; the pump's until it lets it go. */
struct batch *batch_queue_take(struct batch_queue *q);
/* Frees it. */
void batch_queue_let_go(struct batch_queue *q, struct batch *b);
/* Throws away all that waits of a partition. */
void batch_queue_forget(struct batch_queue *q, int32_t partition);
/* What waits of it and was read under `epoch`, because that is over: noted for the
 * reader.  He may have taken it anew by now, and what he read since stays. */
void batch_queue_drop(struct batch_queue *q, int32_t partition, int64_t epoch);
/* Nothing waits, and the pump has nothing. */
bool batch_queue_is_idle(const struct batch_queue *q);
void batch_queue_free(struct batch_queue *q);
