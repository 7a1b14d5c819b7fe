/*
 * route_inside.h - the steps of a route: compiled by route.c, followed by route_run.c.
 */
#pragma once

#include "format/columns_inside.h"

#include "avro-core/resolve_inside.h"
#include "avro-core/to_json.h"

/*
 * A plan says, op by op, what bytes come and what they are to the reader; a step says
 * also into which column they go.  A type used in two places is one op but two columns,
 * so the ops are unrolled; a record inside itself ends in a column of JSON, which
 * decode.h's own walk writes.
 */
enum step_kind {
    STEP_NULL,
    STEP_BOOLEAN,
    STEP_INT,      // -> INT32
    STEP_INT_LONG, // -> INT64
    STEP_LONG,
    STEP_INT_FLOAT,
    STEP_INT_DOUBLE,
    STEP_LONG_FLOAT,
    STEP_LONG_DOUBLE,
    STEP_FLOAT,
    STEP_FLOAT_DOUBLE,
    STEP_DOUBLE,
    STEP_BYTES, // -> BINARY
    STEP_TEXT,  // -> STRING, or BINARY of what was a string
    STEP_FIXED, // -> FIXED
    STEP_SYMBOL,
    STEP_SYMBOL_MAP,
    STEP_SPAN, // bytes, text or fixed that become something else, by `to`
    STEP_RECORD,
    STEP_PRESENT,
    STEP_FALLBACK,
    STEP_ARRAY,
    STEP_MAP,
    STEP_UNION,  // the writer's: an index says which of `n` steps
    STEP_MEMBER, // the reader's: `member` gets a value, the others null
    STEP_JSON,
    STEP_SKIP, // no column: checked only
    STEP_SKIP_LONG,
    STEP_REFUSE,
};

struct step {
    uint8_t kind;
    bool is_text;    // SPAN: must be UTF-8
    uint32_t first;  // children: steps[first ...]
    uint32_t n;      // of children; UNION: branches; SYMBOL: symbols
    uint32_t member; // MEMBER
    struct column *to;
    uint32_t op;          // SKIP, JSON: where in the plan
    uint32_t least;       // ARRAY, MAP: bytes an item takes at least
    uint32_t map;         // SYMBOL_MAP: its numbers in plan->symbols
    size_t size;          // FIXED, SPAN of a fixed
    struct span fallback; // FALLBACK: Avro binary, of the reader's schema
};

#define NO_SIZE SIZE_MAX // a SPAN with a length in front
#define STEPS_MOST 1000000u
#define ITEMS 16000000 // as decode.h
#define EMPTY_ITEMS 1000000
#define TEXT_MOST ((size_t)INT32_MAX - COLUMN_SLACK)

struct route {
    struct step *steps;
    uint32_t n, cap, root;
    uint64_t plan;   // its id
    struct buf text; // of JSON and decimals, on their way into a column
    struct av_to_json *json;
    struct err said; // by what decode.h walked for us
};
