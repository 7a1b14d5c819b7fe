/*
 * plan.h - a spec on a reader's schema: which fields are taken from a record, and what
 * each does to the table.
 *
 *      struct agg_taker t;                   a visitor: pass &t.visitor to the decoder
 *      agg_take_begin(&t); decode; agg_take(&t, table, ...)
 *
 * A plan is immutable and retains the schema; borrows the spec.  A taker belongs to one
 * thread.
 */
#pragma once

#include "aggregate/spec.h"
#include "aggregate/table.h"
#include "avro-core/visitor.h"

#define AGG_DEPTH 66 // a decoder goes 64 deep

struct agg_plan;

/* ERR_INVALID: "sum(amount): no such field", "avg(name): a string: avg makes nothing of
 * it". */
enum err_kind agg_plan_new(struct agg_plan **out, const struct agg_spec *spec,
                           struct av_schema *reader, struct err *e) MUST_USE;
void agg_plan_free(struct agg_plan *p); // NULL is nothing
const struct agg_shape *agg_plan_shape(const struct agg_plan *p);

struct agg_taker {
    struct av_visitor visitor; // first
    const struct agg_plan *plan;
    struct agg_value *slots;
    // private to plan.c
    const struct agg_step *level, *levels[AGG_DEPTH];
    int32_t slot, child;  // of the field that comes
    size_t depth, inside; // records open; arrays and maps open
    uint8_t (*uuids)[36]; // one a slot
    struct buf key;
};

void agg_taker_init(struct agg_taker *t, const struct agg_plan *p);
void agg_taker_free(struct agg_taker *t);

void agg_take_begin(struct agg_taker *t);

enum agg_outcome { AGG_TAKEN, AGG_LATE };

/*
 * Takes the record that was decoded into the table.  `time_ms` is the record's own time
 * (-1 = none), `now_ms` the wall clock's; *watermark, the greatest time seen in this
 * partition, rises.  AGG_LATE: its window was closed, nothing was changed.
 * ERR_INVALID, ERR_LIMIT: it cannot be counted, nothing was changed.
 */
enum err_kind agg_take(struct agg_taker *t, struct agg_table *table, int64_t time_ms,
                       int64_t now_ms, int64_t *watermark, enum agg_outcome *outcome,
                       struct err *e) MUST_USE;
/* Drops the windows that nobody keeps any more; how many rows those were. */
size_t agg_expire(const struct agg_spec *s, struct agg_table *table, int64_t watermark);
