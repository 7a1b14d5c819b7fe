/*
 * memory.h - what a pipeline's dedupe steps remember, partition by partition; written
 * down piece by piece, and read again.
 *
 *      stands? ── no ──> stand, recall what was written     a partition is new here
 *      records ──> notes                                    transform_run (transform.h)
 *      noted ──> pieces, beside the data and the position   in their transaction
 *      keep, or undo                                        it was committed, or not
 *
 * So whoever goes on, after a crash or on another machine, knows what the one before
 * knew.  A batch that was rolled back is forgotten with it: no record is a repetition
 * of itself.
 *
 * A piece is of one step: its identity (the fields and their types: keys of others are
 * not compared), the seeds of its hashes, and for each key 128 bits of a hash and its
 * offset.  docs/decisions/188.
 *
 * Pure: no clock, no file, no thread.  One thread.
 */
#pragma once

#include "base/buf.h"

struct transform;
struct transform_memory;

/* NULL: no step of these remembers anything, and nothing of this is to be called. */
struct transform_memory *transform_memory_new(const struct transform *t);
void transform_memory_free(struct transform_memory *m); // NULL is nothing
/* Offsets that the step looks back which does so furthest. */
int64_t transform_memory_last(const struct transform_memory *m);

/* Is it that of all before `next`, and kept?  Then there is nothing to recall. */
bool transform_memory_stands(const struct transform_memory *m, int32_t partition,
                             int32_t generation, int64_t next);
/* Forgets all of the partition, and stands at `next`. */
void transform_memory_stand(struct transform_memory *m, int32_t partition,
                            int32_t generation, int64_t next);
/* Pieces as transform_memory_noted() writes them, one behind the other, oldest first.
 * ERR_INVALID: they are not that. */
enum err_kind transform_memory_recall(struct transform_memory *m, int32_t partition,
                                      struct span pieces, struct err *e) MUST_USE;

struct transform_noted { // where a walk along the notes is; use as from {0}
    size_t window, entry;
    int64_t first, last; // offsets of the piece
};

/* Appends a piece of at most `most` keys that were noted since the last keep and will
 * still matter at `next`; false: there is no more. */
bool transform_memory_noted(const struct transform_memory *m, int32_t partition,
                            int64_t next, size_t most, struct transform_noted *at,
                            struct buf *out);
/* What was noted is durable: all before `next`. */
void transform_memory_keep(struct transform_memory *m, int32_t partition, int64_t next);
/* What was noted since then is not. */
void transform_memory_undo(struct transform_memory *m, int32_t partition);
