/*
 * bound.h - rows of binary COPY (rows.h) as values bound to parameters, column by
 * column.
 *
 * The decoder, the forms and the limits of rows.c serve ODBC as well: a row is written
 * once, in PostgreSQL's binary form, and read here into what a dialect wants to be
 * given: numbers, text, bytes.  Nothing is rounded or cut on the way; what the database
 * cannot hold at all (a year, NaN) is refused by bound_check() before it is sent.
 *
 * One thread.
 */
#pragma once

#include "loaders/copy.h"
#include "loaders/dialect.h"

struct bound_row { // where in the rows' bytes a record's row begins
    size_t at;
    uint32_t record;
    int32_t schema_id;
};

struct bound_column {
    enum table_form form;
    enum dialect_kind kind;
    enum odbc_bind bind;
};

struct bound {
    const struct dialect *d;
    struct bound_column *columns;
    struct odbc_values *values;
    size_t *widest; // of the chunk at hand
    size_t n;
    struct {
        size_t bytes, rows;
    } * caps;
};

#define BOUND_BYTES (16 << 20) // of one chunk; a row that is larger goes alone

void bound_init(struct bound *b, const struct dialect *d);
void bound_free(struct bound *b);
/* From now on rows have these columns, and so many of stage_columns[] behind them. */
void bound_use(struct bound *b, const struct table *t, size_t extra);
void bound_use_kinds(struct bound *b, const enum dialect_kind *kinds,
                     const enum table_form *forms, size_t n);

/* ERR_INVALID: the database cannot hold it; *column is then its index. */
enum err_kind bound_check(const struct bound *b, const uint8_t *row, size_t *column,
                          struct err *e) MUST_USE;

/* Fills `values` with the first of these rows, as many as are worth one statement but
 * `most` at the most; says how many. */
size_t bound_fill(struct bound *b, const uint8_t *rows, const struct bound_row *index,
                  size_t n, size_t most);

/* A field's text; `zone` puts +00:00 behind a timestamp. */
void bound_put_text(struct buf *out, enum table_form form, bool zone,
                    struct span field);
