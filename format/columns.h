/*
 * columns.h - records as Arrow columns: one tree of growing buffers for a schema.
 *
 *      {long id; ["null","string"] note}
 *
 *      id    INT64   values  7 -1 ...
 *      note  STRING  valid 1 0 ...   offsets 0 3 3 ...   bytes "abc..."
 *
 * Which type becomes which column: docs/formats.md.  A datum is appended by a program
 * compiled for its plan (route): no tree, no visitor, no text of an error; what it
 * refuses is read once more, slowly, to say why.  The memory is kept from batch to
 * batch.  One thread at a time.
 */
#pragma once

#include "avro-core/decode.h"
#include "parquet/arrow.h"

enum column_kind {
    COLUMN_NULL,
    COLUMN_BOOLEAN,
    COLUMN_INT32,
    COLUMN_INT64,
    COLUMN_FLOAT,
    COLUMN_DOUBLE,
    COLUMN_BINARY,
    COLUMN_STRING,
    COLUMN_FIXED,
    COLUMN_UUID,         // fixed of 16, from text or fixed
    COLUMN_DECIMAL,      // 128 or 256 bits
    COLUMN_DECIMAL_TEXT, // more digits than those hold
    COLUMN_BIG_DECIMAL,  // as text
    COLUMN_DURATION,     // a struct of three
    COLUMN_ENUM,         // numbers, and a dictionary; of the row itself
    COLUMN_SYMBOL,       // an enum further inside: text
    COLUMN_LIST,
    COLUMN_MAP,
    COLUMN_STRUCT,
    COLUMN_PRESENT, // a record without fields: true
    COLUMN_UNION,   // a struct, one member a branch
    COLUMN_JSON,    // a record inside itself
};

struct column {
    enum column_kind kind;
    bool nullable;
    const struct av_node *node;   // of the values; of a null that may be: the other one
    const struct av_node *union_; // the union this column stands for, or NULL
    char *name;
    char format[24]; // Arrow's
    size_t width;    // bytes of a value in `values`; 0: none
    size_t n, cap;   // values; room for them in valid, values and offsets
    size_t nulls;
    uint8_t *valid;   // bits, when nullable
    uint8_t *values;  // BOOLEAN, PRESENT: bits
    int32_t *offsets; // n + 1 of them
    uint8_t *bytes;
    size_t n_bytes, cap_bytes;
    struct column *children;
    size_t n_children;
    uint64_t bound[4]; // DECIMAL: values are less, 10^precision
    struct column *dictionary;
};

struct columns {
    struct av_schema *schema; // retained
    struct column root;       // a struct; a schema that is no record is its one child
    bool wrapped;             // then
    bool uuids;               // are columns of their own kind
    size_t total;             // columns
    size_t held, most;        // bytes in all buffers; the limit of that
};

#define COLUMNS_MOST 20000
#define COLUMNS_DEPTH 64

/* `uuids`: they are arrow.uuid; else what they are without the logical type.
 * ERR_INVALID: the schema has no columns (a record of no fields); ERR_LIMIT. */
enum err_kind columns_new(struct columns **out, struct av_schema *s, size_t most_bytes,
                          bool uuids, struct err *e) MUST_USE;
void columns_free(struct columns *c);

void columns_reset(struct columns *c); // of no row again, memory kept
size_t columns_rows(const struct columns *c);
size_t columns_bytes(const struct columns *c); // of the values in them

/* What the columns are; the caller releases it, or gives it to who does. */
void columns_schema(struct columns *c, struct ArrowSchema *out);
/* What is in them, lent: valid until the columns change, though `out` may be released
 * later; dictionaries until columns_free(). */
void columns_export(struct columns *c, struct ArrowArray *out);

/* ---- appending ---- */

struct route;

/* Compiles how data of the plan's writer get into the columns, whose schema is its
 * reader.  Keeps nothing of the plan but its numbers: give the same one to append. */
enum err_kind route_new(struct route **out, struct columns *to,
                        const struct av_plan *plan, struct err *e) MUST_USE;
uint64_t route_plan(const struct route *r); // av_plan_id() of its plan
void route_free(struct route *r);

/* One row; on an error none, and it says which byte and why. */
enum err_kind columns_append(struct columns *c, struct route *r,
                             const struct av_plan *plan, struct span datum,
                             const struct av_decode_limits *lim,
                             struct err *e) MUST_USE;
