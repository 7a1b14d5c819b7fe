/*
 * dialect_sql.h - statements, composed of a dialect's words.
 *
 *      the target    CREATE TABLE, ALTER TABLE t ADD c, the stage beside it
 *      rows          INSERT INTO t (..) VALUES (?, CAST(? AS uuid)), (..) ..
 *      their keys    from the stage to the target: ON CONFLICT, or MERGE
 *      the ledger    etl_offsets, etl_log, etl_batch, etl_reject, etl_rule_result, ..
 *
 * Of the records of a key in one batch the last one counts (APPLY_UPSERT, _MIRROR) or
 * the first (APPLY_IGNORE), by the column avrogate_seq that the stage has behind the
 * target's; what a tombstone's key names has 1 in avrogate_op (APPLY_MIRROR).
 *
 * A history (APPLY_HISTORY, what it promises is in merge.h) is three statements, for
 * what PostgreSQL does in one has no other words that all know: the changes are worked
 * out into rows of the stage itself, which say of a record by its avrogate_seq that its
 * span begins, when and until when (avrogate_op 2, or 3 where it is a deletion); then
 * rows that hold no more are ended, and the new ones come.
 *
 * Pure: it writes SQL.
 */
#pragma once

#include "loaders/dialect.h"

#define STAGE_SEQ "avrogate_seq"
#define STAGE_OP "avrogate_op"
#define STAGE_AT "avrogate_at"

struct stage_column { // behind the target's columns
    const char *name;
    enum dialect_kind kind;
    enum table_form form;
};
extern const struct stage_column stage_columns[];
size_t stage_extra(enum apply_mode mode); // how many of them there are

/* `primary`: the key is its primary key. */
void dialect_put_create(struct buf *sql, const struct dialect *d, const struct table *t,
                        const char *quoted, bool primary);
/* The i-th index of a history's table ("schema.t"), of which `t` are the record's
 * columns; false past the last. */
bool dialect_put_index(struct buf *sql, const struct dialect *d, size_t i,
                       const struct table *t, const char *table);
/* One column more, with the field's default for the rows that are there. */
void dialect_put_add(struct buf *sql, const struct dialect *d, const char *quoted,
                     const struct column *c);
/* The column's type as we would make it now; `relax` only lets it be NULL. */
void dialect_put_alter(struct buf *sql, const struct dialect *d, const char *quoted,
                       const struct column *c, bool relax);
void dialect_put_stage(struct buf *sql, const struct dialect *d, enum apply_mode mode,
                       const struct table *t, const char *stage);

/* INSERT for `rows` rows, into a stage with so many columns behind the target's, or
 * into the target (0). */
void dialect_put_insert(struct buf *sql, const struct dialect *d, const struct table *t,
                        const char *into, size_t extra, size_t rows);
/* Nothing, or a refusal: would the target take such rows? */
void dialect_put_probe(struct buf *sql, const struct dialect *d, const struct table *t,
                       const char *quoted);
/* How many keys the stage has, how many of them the target has, and how many the target
 * is to have. */
void dialect_put_count(struct buf *sql, const struct dialect *d, enum apply_mode mode,
                       const struct table *t, const char *quoted, const char *stage);

/* A history: works out what changes; puts in what is new, once d->put_close() has ended
 * what is over. */
void dialect_put_spans(struct buf *sql, const struct dialect *d, const struct table *t,
                       const char *quoted, const char *stage);
void dialect_put_begun(struct buf *sql, const struct dialect *d, const struct table *t,
                       const char *quoted, const char *stage);

/* put_apply, put_delete, put_close and put_once of the two families.  `keys`: the first
 * so many columns are the key. */
void dialect_conflict_apply(struct buf *sql, const struct dialect *d,
                            enum apply_mode mode, const struct table *t,
                            const char *quoted, const char *stage);
void dialect_conflict_delete(struct buf *sql, const struct dialect *d,
                             const struct table *t, const char *quoted,
                             const char *stage);
void dialect_conflict_close(struct buf *sql, const struct dialect *d,
                            const struct table *t, const char *quoted,
                            const char *stage);
void dialect_merge_close(struct buf *sql, const struct dialect *d,
                         const struct table *t, const char *quoted, const char *stage);
void dialect_merge_apply(struct buf *sql, const struct dialect *d, enum apply_mode mode,
                         const struct table *t, const char *quoted, const char *stage);
void dialect_conflict_once(struct buf *sql, const struct dialect *d, const char *table,
                           const char *const *columns, const char *const *values,
                           size_t n, size_t rows, size_t keys);
void dialect_merge_once(struct buf *sql, const struct dialect *d, const char *table,
                        const char *const *columns, const char *const *values, size_t n,
                        size_t rows, size_t keys);

#define LEDGER_COLUMNS 26 // most of a table
/* A column of the ledger, in quotes where it must be. */
void dialect_put_ledger_name(struct buf *sql, const struct dialect *d,
                             const char *name);
/* The ledger's tables, one statement each; false past the last. */
bool dialect_put_ledger(struct buf *sql, const struct dialect *d, size_t i,
                        const char **table);
/* What gives table i a column that it has not got yet (a ledger of before), and the
 * column's name; false past the last. */
bool dialect_put_ledger_add(struct buf *sql, const struct dialect *d, size_t i,
                            size_t column, const char **name);
