/*
 * out_postgres.h - rows into a table of PostgreSQL, upserted.
 *
 *      etl_aggregate (job, part, next_offset, epoch)     where the writer stands, and
 *                                                        who it is
 *
 * The table is made when it is not there: a column for each field, and `_key`, the
 * row's key as bytes, its primary key (fields of a key may be null).  Rows and
 * positions are one transaction, which locks the epoch's row: a writer whose epoch is
 * over writes nothing.  Rows are never deleted: windows that left the state stay.
 */
#pragma once

#include "aggregator/out.h"

/* Borrows the texts.  ERR_INVALID: the table's name cannot be one. */
/* The table without a row, and no position; whoever writes it now is shut out.  *rows:
 * how many there were, with `count_only` how many there are and nothing is changed. */
enum err_kind postgres_out_clear(const char *url, const char *table, const char *job,
                                 bool count_only, int64_t *rows,
                                 struct err *e) MUST_USE;
enum err_kind postgres_out_open(struct out **out, const char *url, const char *table,
                                const char *job, struct err *e) MUST_USE;
