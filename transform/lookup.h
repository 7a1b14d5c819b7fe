/*
 * lookup.h - a small file as a table: rows found by key.
 *
 *      code,name,population         keys: code, as the record's field has it
 *      CH,Switzerland,9000000       taken: name (string), population (long)
 *
 * CSV with a header (RFC 4180), or a JSON object a line.  The cells are typed as
 * everywhere (docs/json.md, avro-core/row.h); a cell that does not fit, a column that
 * is missing, a key that is there twice are errors with their line.  All of it is read
 * at the start and kept.
 *
 * A table is immutable; any number of threads may ask.
 */
#pragma once

#include "avro-core/schema.h"

#define LOOKUP_BYTES ((size_t)64 << 20) // of the file
#define LOOKUP_ROWS 1000000
#define LOOKUP_COLUMNS 100 // keys and taken together

struct lookup_column {
    const char *name; // in the file
    const char *type; // JSON of its Avro type
};

struct lookup;

/* `file` is for messages, and by its end says which format: .csv, .json, .jsonl,
 * .ndjson.  The first `n_keys` columns are the key. */
enum err_kind tr_lookup_new(struct lookup **out, const char *file, struct span text,
                            const struct lookup_column *columns, size_t n_keys,
                            size_t n_taken, struct err *e) MUST_USE;
void tr_lookup_free(struct lookup *l); // NULL is nothing

struct lookup_row;

/* `key` is the key's Avro binary (tr_put_key); NULL: there is no such row. */
const struct lookup_row *tr_lookup_find(const struct lookup *l, struct span key);
/* The Avro binary of the i-th taken column. */
struct span tr_lookup_value(const struct lookup_row *row, size_t i);
