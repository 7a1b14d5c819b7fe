/*
 * row.h - a row of text cells (CSV) + schema -> Avro binary.
 *
 * The header is bound to the schema once; each row is then typed by the schema: an
 * empty cell is null where the schema allows it, else the field's default, else "" for
 * a string; "007" stays "007" in a string; numbers, dates and decimals follow the rules
 * of encode.h.  A field that is an array, map or record takes JSON text in its cell.
 *
 * A header that is no field's name matches, in this order: by `map`, by exact name, by
 * alias, with its odd characters as '_' ("temp max" -> temp_max), case kept.
 *
 * An av_row is immutable after av_row_bind().  It borrows the encoder.
 */
#pragma once

#include "avro-core/encode.h"

struct av_row_map {
    struct span header, field;
};

struct av_row;

/*
 * Binds `headers` (n of them) to the encoder's schema, whose root must be a record.
 * ERR_INVALID lists every header that matches no field (unless unknown fields are
 * ignored), every field without a column and without a default, and doubles.
 */
enum err_kind av_row_bind(struct av_row **out, const struct av_encoder *enc,
                          const struct span *headers, size_t n,
                          const struct av_row_map *map, size_t n_map,
                          struct err *e) MUST_USE;
void av_row_free(struct av_row *r);

struct av_cell {
    struct span text; // unquoted
    size_t offset;    // of the cell in the file or body, for problems
    bool quoted;      // "" in quotes is an empty string, not nothing
};

/*
 * Appends the row's Avro binary.  ERR_INVALID: problems added (pointer is "/field"),
 * nothing appended.  A row of too few or too many cells is a problem of rule "columns".
 */
enum err_kind av_row_encode(const struct av_row *r, const struct av_cell *cells,
                            size_t n, size_t offset, struct buf *out,
                            struct av_problems *p) MUST_USE;
