/*
 * dedupe.h - rows of etl_dedupe: what a pipeline's dedupe steps remember, written in
 * the transaction of the batch whose keys they are, and read where a partition is new.
 *
 *      pipeline, topic, part, generation, first_offset, last_offset   the batch
 *      piece, keys                            transform_memory_noted() as hex, in order
 *
 * A row goes when the steps look back no further than behind it.  Statements are of any
 * dialect; conditions on the place ("pipeline = .. AND topic = .. AND part = ..") are
 * the caller's.  Pure; one thread.
 */
#pragma once

#include "loaders/batch.h"
#include "transform/memory.h"

#define DEDUPE_SQL ((size_t)4 << 20) // of one statement

/* Makes `m` ready for the batch.  False: first it must be told what there is, with
 * dedupe_take() of each row. */
bool dedupe_begin(struct transform_memory *m, const struct batch *b);
/* " AND .. ORDER BY ..", behind "SELECT keys FROM etl_dedupe WHERE" and the place. */
void dedupe_put_before(struct buf *sql, const struct batch *b);
/* A cell of `keys`.  ERR_INTERNAL: it is damaged, and the memory stands nowhere. */
enum err_kind dedupe_take(struct transform_memory *m, const struct batch *b,
                          const char *keys, struct err *e) MUST_USE;

/* The batch is durable.  `again`: it was so before, its answer was lost, and perhaps
 * nothing of it was sifted at this try: it is read next time. */
void dedupe_keep(struct transform_memory *m, const struct batch *b, bool again);

struct dedupe_rows { // of a batch that was sifted
    const struct transform_memory *memory;
    const struct batch *batch;
    const char *pipeline, *topic; // literals of the dialect
    struct transform_noted at;
    int piece;
};

/* The next INSERT, or nothing and false.  The caller has reset `sql`. */
bool dedupe_put_row(struct buf *sql, struct dedupe_rows *r);
/* " AND (..)", behind "DELETE FROM etl_dedupe WHERE" and the place. */
void dedupe_put_forgotten(struct buf *sql, const struct transform_memory *m,
                          const struct batch *b);
