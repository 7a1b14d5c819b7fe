/*
 * resolve_inside.h - what a plan is made of.  For resolve.c, decode.c, and
 * format/route.c, which compiles a plan further.
 *
 * A plan is one array of ops.  An op says what bytes come (the writer's type) and what
 * the visitor is told (the reader's).  Children of a record, array, map or union stand
 * side by side at ops[first ...]; an op is 32 bytes, and two share a cache line:
 *
 *      RECORD first=1 n=3      [1] LONG field=0
 *                              [2] STRING field=SKIPPED
 *                              [3] UNION field=1 first=4 n=2    [4] BRANCH n=0 first=6
 * ...
 *
 * Recursion of a type is an op whose `first` points back.
 */
#pragma once

#include "avro-core/resolve.h"

enum av_op_kind {
    AV_OP_NULL,
    AV_OP_BOOLEAN,
    AV_OP_INT, // read by an int or a long
    AV_OP_LONG,
    AV_OP_INT_REAL,  // int read by a float or a double
    AV_OP_LONG_REAL, // long likewise
    AV_OP_FLOAT,     // read by a float or a double
    AV_OP_DOUBLE,
    AV_OP_BYTES,
    AV_OP_STRING,
    AV_OP_BYTES_STRING, // bytes read as a string: must be UTF-8
    AV_OP_STRING_BYTES,
    AV_OP_FIXED,
    AV_OP_ENUM,     // n symbols, the same numbers on both sides
    AV_OP_ENUM_MAP, // n symbols, symbols[first + i] is the reader's number
    AV_OP_RECORD,   // n steps: the writer's fields in order, then AV_OP_FALLBACK
    AV_OP_FALLBACK, // a field the writer lacks: `fallback`, by ops[first]
    AV_OP_ARRAY,    // ops[first]; an item takes at least n bytes
    AV_OP_MAP,      // ops[first]; key and value take at least n bytes
    AV_OP_UNION,    // the writer's union: n branches
    AV_OP_BRANCH,   // the reader's union: announce branch n, then ops[first]
    AV_OP_REFUSE,   // cannot be resolved; an error when data comes here
};

enum av_refusal {
    AV_REFUSE_TYPE,
    AV_REFUSE_NAME,
    AV_REFUSE_SIZE,
    AV_REFUSE_FIELD, // reader's field number `first` has no default
    AV_REFUSE_BRANCH,
    AV_REFUSE_LOGICAL,
};

#define AV_SKIPPED UINT32_MAX   // as a field: the reader has none for it
#define AV_NO_SYMBOL UINT32_MAX // as a symbol: the reader lacks it and has no default

struct av_op {
    uint8_t kind;   // enum av_op_kind
    uint8_t why;    // AV_OP_REFUSE: enum av_refusal
    bool hopeless;  // no datum at all gets through here
    uint32_t field; // of a record's step: the reader's field, or AV_SKIPPED
    uint32_t first, n;
    const struct av_node *node; // the reader's type; the writer's where it is skipped
    union {
        const struct av_node *writer;
        const struct av_field *fallback; // AV_OP_FALLBACK
    };
};

struct av_plan {
    uint64_t id; // see av_plan_id()
    struct av_schema *writer, *reader;
    struct av_op *ops;
    uint32_t *symbols;
    uint32_t root;
};

/* One sentence for AV_OP_REFUSE, into `out`. */
#define AV_REFUSAL_SHOWN 280
void av_refusal_say(char out[AV_REFUSAL_SHOWN], const struct av_op *op);
