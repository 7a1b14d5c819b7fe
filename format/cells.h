/*
 * cells.h - Arrow columns as Avro binary, a row at a time: columns.h the other way.
 *
 * Bound once to a schema and the types of the columns, then to each batch.  What is
 * read is a stranger's, but Arrow has checked lengths and offsets; what only Avro knows
 * (a null that may not be, a symbol that is none) is checked here.  One thread.
 */
#pragma once

#include "format/columns.h"

struct cells;

/* ERR_INVALID: the columns are not those of that schema; says the first that is not. */
enum err_kind cells_new(struct cells **out, struct av_schema *s,
                        const struct ArrowSchema *columns, struct err *e) MUST_USE;
void cells_free(struct cells *c);

/* `batch` stays the caller's, and until the next one. */
enum err_kind cells_take(struct cells *c, const struct ArrowArray *batch,
                         struct err *e) MUST_USE;
/* Appends row i of the batch. */
enum err_kind cells_put(struct cells *c, size_t i, struct buf *out,
                        struct err *e) MUST_USE;

/* The text of an Avro schema for the columns of somebody else. */
enum err_kind cells_schema(struct buf *out, const struct ArrowSchema *columns,
                           struct err *e) MUST_USE;
