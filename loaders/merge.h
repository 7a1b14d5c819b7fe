/*
 * merge.h - what becomes of a batch in a table that has keys.
 *
 * The batch goes by COPY into a temporary table beside the target (the target's
 * columns, and seq, op and at of each record), and from there in one statement:
 *
 *      insert_ignore  the first record of a key stays, later ones are duplicates
 *      upsert         the last record of a key is the row
 *      history        each change of a key is a row with its time span (SCD2):
 *                     valid_from, valid_to (NULL = still so), is_current
 *
 * "First" and "last" follow the offsets: what a producer sent later wins, whatever its
 * time says; valid_from never goes back (a record older than the one before it counts
 * from then on).  A deletion (a tombstone) removes the row, or closes it in a history.
 * A record that changed nothing, because a later one of the batch overtook it or the
 * row was the same already, is a duplicate in the audit.
 *
 * Pure: it writes SQL (tried on PostgreSQL 15; the syntax is of 12).
 */
#pragma once

#include "loaders/table.h"

enum merge_mode { MERGE_APPEND, MERGE_INSERT_IGNORE, MERGE_UPSERT, MERGE_HISTORY };

#define MERGE_EXTRA 3 // fields behind the columns in a staged row: seq, op, at

/* The temporary table, if this session has none of the name yet. */
void merge_put_stage(struct buf *sql, const struct table *t, const char *quoted,
                     const char *stage);
/* COPY into it, binary. */
void merge_put_copy(struct buf *sql, const struct table *t, const char *stage);
/* One statement, whose two values say how many of the staged records took effect, and
 * by how many rows the table grew.  (The second is exact while a key stays in its
 * partition; so is the order that "last" speaks of.) */
void merge_put_apply(struct buf *sql, enum merge_mode mode, const struct table *t,
                     const char *quoted, const char *stage);
/* A statement that does nothing, and fails where the target lacks the unique index that
 * merge_put_apply() stands on; and the one that makes it. */
void merge_put_probe(struct buf *sql, enum merge_mode mode, const struct table *t,
                     const char *quoted);
void merge_put_index(struct buf *sql, enum merge_mode mode, const struct table *t,
                     const char *quoted);

/* The three fields behind a staged row; `at_ms` -1 = now. */
void merge_put_extra(struct buf *row, int64_t seq, bool deletion, int64_t at_ms);
