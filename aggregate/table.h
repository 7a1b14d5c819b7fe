/*
 * table.h - rows by key: a cell for each column, and which rows changed.
 *
 *      slots (hash, row) --> row { key, dirty, cells }     open addressing, linear
 *
 * A cell is a partial aggregate: cells of the same column and key, from any number of
 * partitions, become one by agg_cell_merge(), in whatever order they came (docs/
 * aggregates.md).  Sums of whole numbers are exact, or the record is refused.
 *
 * One thread.  Grows with its keys: `bytes` says what it holds.
 */
#pragma once

#include "aggregate/key.h"

struct agg_cell {
    int64_t n;    // values that were not null; 0: `kind` is AGG_NONE or the count is 0
    int64_t time; // AGG_LAST: of the value, milliseconds
    enum agg_kind kind;
    union {
        struct whole whole;
        struct {
            double sum, rest; // Neumaier's: their sum is the value
        } real;
        struct {
            uint8_t *p; // its own
            uint32_t n, cap;
        } text;
    };
};

struct agg_row {
    uint64_t hash;
    int64_t window; // its start
    int64_t from;   // of a view: the changelog's offset it came with
    uint32_t n_key;
    bool dirty;
    bool dropped;            // dirty, and no longer in the table
    struct agg_cell cells[]; // as many as columns; the key's bytes follow
};

struct agg_table {
    const struct agg_shape *shape; // borrowed
    struct agg_slot *slots;
    size_t n, cap;
    uint64_t seed;
    struct agg_row **dirty; // in the order in which they became it
    size_t n_dirty, cap_dirty;
    size_t bytes;   // rows, keys and texts
    int64_t oldest; // no row's window starts before it
};

void agg_table_init(struct agg_table *t, const struct agg_shape *shape);
void agg_table_free(struct agg_table *t);

struct span agg_row_key(const struct agg_table *t, const struct agg_row *r);
struct agg_row *agg_table_find(const struct agg_table *t, struct span key);
/* The row of that key, made when it is not there; *made says so. */
struct agg_row *agg_table_get(struct agg_table *t, struct span key, bool *made);
/* Takes it out; it stays among the dirty, as dropped, until those are forgotten. */
void agg_table_drop(struct agg_table *t, struct agg_row *r);
void agg_table_touch(struct agg_table *t, struct agg_row *r); // it is dirty now
void agg_table_forget_dirty(struct agg_table *t);
/* Walks: `size_t at = 0; while ((r = agg_table_each(t, &at)) != NULL)`. */
struct agg_row *agg_table_each(const struct agg_table *t, size_t *at);
/* Drops every row whose window starts before `start_ms`; how many those were. */
size_t agg_table_drop_before(struct agg_table *t, int64_t start_ms);

/* A value more.  ERR_LIMIT: the sum would have more digits than a decimal(38), and
 * nothing was changed. */
enum err_kind agg_cell_check(const struct agg_cell *c, enum agg_function fn,
                             const struct agg_value *v, struct err *e) MUST_USE;
/* After agg_cell_check() said ERR_OK. */
void agg_cell_add(struct agg_table *t, struct agg_cell *c, enum agg_function fn,
                  const struct agg_value *v, int64_t time);
/* `from` into *c.  False: the sum has too many digits, *c is as it was. */
bool agg_cell_merge(struct agg_table *t, struct agg_cell *c,
                    const struct agg_cell *from, enum agg_function fn);
/* What is shown of it; a text is borrowed from the cell.  False: it cannot be said (an
 * average of more than 38 digits). */
bool agg_cell_value(const struct agg_cell *c, const struct agg_field *f,
                    struct agg_value *out) MUST_USE;
void agg_cell_set_text(struct agg_table *t, struct agg_cell *c, struct span text);
void agg_cell_free(struct agg_cell *c);
