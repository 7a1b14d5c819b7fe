/*
 * dialect_inside.h - pieces of statements, for the files that compose them.
 *
 * `t` is the target, `s` the stage.
 */
#pragma once

#include "loaders/dialect_sql.h"

const struct dialect_type *dialect_type_of(const struct dialect *d,
                                           const struct column *c);
void dialect_put_column(struct buf *sql, const struct dialect *d,
                        const struct column *c); // "a"
/* "a", "b": of all columns, or of the keys alone. */
void dialect_put_columns(struct buf *sql, const struct dialect *d,
                         const struct table *t, const char *prefix, bool keys);
/* A type's template, of this column. */
void dialect_put_typed(struct buf *sql, const struct column *c, const char *template,
                       const char *name);
/* s."a", or what makes it of its type. */
void dialect_put_staged(struct buf *sql, const struct dialect *d,
                        const struct column *c);
/* t."a" = s."a" AND .. */
void dialect_put_same_key(struct buf *sql, const struct dialect *d,
                          const struct table *t);

/* Of a history's stage: columns that are worked out, and how many rows they are. */
void dialect_put_stage_spans(struct buf *sql, const struct dialect *d);
void dialect_put_spans_count(struct buf *sql, const char *stage);
