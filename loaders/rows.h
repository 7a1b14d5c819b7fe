/*
 * rows.h - a visitor that writes rows of binary COPY.
 *
 * A record's fields become a row's fields (table.h says which form each has); maps,
 * records and unions inside become JSON, arrays where SQL has none for their items.
 * Fields arrive in the writer's order, a row has the table's: the usual case, both the
 * same, costs no copy.
 *
 * One record at a time: rows_begin(), the decoder, rows_end().  A record that cannot be
 * held leaves nothing behind.  One thread; no allocation once the buffers have grown.
 */
#pragma once

#include "avro-core/to_json.h"
#include "loaders/table.h"

struct rows {
    struct av_visitor visitor; // first: pass &r->visitor to the decoder
    struct buf out;            // the rows, without COPY's head and end
    bool refused;              // the last record was read, but the table cannot hold it
    uint16_t extra;            // fields that the caller appends to each row
    // private to rows.c
    const struct table *table; // borrowed
    struct row_cell {
        size_t at, n; // in `out`; n 0 = not written yet (a field takes 4 at least)
    } * cells;
    size_t row;            // where the present row begins
    size_t written, depth; // columns so far; containers open inside a column
    const struct column *column;
    size_t json_at;  // where the JSON of this column begins
    size_t array_at; // where the SQL array of this column begins
    uint32_t items;  // of it so far
    bool in_array, has_null;
    bool in_json, sorted;
    const struct av_node *branch; // announced, its value still to come
    uint32_t branch_index;
    struct buf scratch;
    struct av_to_json json;
};

void rows_init(struct rows *r, size_t limit);
void rows_free(struct rows *r);
/* From now on for this table, which must outlive its use; empties the buffer. */
void rows_use(struct rows *r, const struct table *t);
void rows_reset(struct rows *r); // no rows

void rows_begin(struct rows *r);
/* ERR_LIMIT when the buffer is full; the row is taken back then. */
enum err_kind rows_end(struct rows *r, struct err *e) MUST_USE;
void rows_take_back(struct rows *r); // after the decoder refused

/* The column at which the last record failed, "" when at none. */
const char *rows_failed_at(const struct rows *r);

/* Appends the default of a column's field as an SQL literal; false when it is null, or
 * there is none. */
bool rows_put_default(struct buf *sql, const struct column *c);
