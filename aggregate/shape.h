/*
 * shape.h - what is counted: the keys and columns of a table of running aggregates,
 * their functions and types.
 *
 *      window 60000
 *      key customer string
 *      column total sum decimal(2)
 *
 * That is a shape as text: it stands in the state, so that whoever reads the state
 * knows what it is, and another shape's state is never taken for ours.
 *
 * Immutable; any thread.
 */
#pragma once

#include "avro-core/schema.h"
#include "base/buf.h"
#include "base/mem.h"

#define AGG_KEYS_MOST 16
#define AGG_COLUMNS_MOST 64
#define AGG_SHAPE_BYTES 65536

enum agg_function { AGG_COUNT, AGG_SUM, AGG_MIN, AGG_MAX, AGG_AVG, AGG_LAST };

enum agg_kind {
    AGG_NONE,  // null
    AGG_WHOLE, // boolean, int, long, dates and times, decimals (unscaled)
    AGG_REAL,  // float, double
    AGG_TEXT,  // string, enum, uuid, bytes, fixed
};

/* A type as the table has it: "long", "decimal(2)", "timestamp-millis". */
struct agg_type {
    enum agg_kind kind;
    enum av_type avro; // of what is published
    enum av_logical logical;
    int scale; // AV_DECIMAL; its precision is 38
};

/* The type of a field's values.  ERR_INVALID: arrays, maps, records, unions of several,
 * and what has no fixed scale. */
enum err_kind agg_type_of(struct agg_type *out, const struct av_node *n,
                          struct err *e) MUST_USE;
void agg_type_put(struct buf *out, const struct agg_type *t);
bool agg_type_read(struct agg_type *out, struct span text) MUST_USE;

/* Digits an average has behind those of its values. */
#define AGG_AVERAGE_DIGITS 4
/* What `fn` makes of values of type `in`.  ERR_INVALID: it makes nothing of them. */
enum err_kind agg_result_type(struct agg_type *out, enum agg_function fn,
                              const struct agg_type *in, struct err *e) MUST_USE;

const char *agg_function_name(enum agg_function fn);
bool agg_function_read(enum agg_function *out, struct span name) MUST_USE;

struct agg_field {
    struct span name;     // of the column
    enum agg_function fn; // of a column, not of a key
    struct agg_type type; // of what is shown
};

struct agg_shape {
    int64_t window_ms;              // 0 = none
    const struct agg_field *fields; // keys first
    size_t n_keys, n_columns;
};

/* A name that is good in JSON, SQL and Avro: [A-Za-z_][A-Za-z0-9_]*, 63 bytes. */
bool agg_name_is_good(struct span name);

void agg_shape_put(struct buf *out, const struct agg_shape *s);
/* In `a`, the names too.  ERR_INVALID, ERR_LIMIT: it is none of ours. */
enum err_kind agg_shape_read(struct agg_shape *out, struct span text, struct arena *a,
                             struct err *e) MUST_USE;
