/*
 * stage_order.h - the order that rows of an envelope lie in, and where it breaks.
 *
 *      _partition  _offset
 *               0      100
 *               0      101
 *               1        7
 *               0      102    it falls here: what follows is a run of its own
 *
 * A loader's file is one partition's and rises; of what is merged nothing is believed,
 * each row is looked at.  Parquet says of all row groups of a file what they are sorted
 * by, so a row group ends where a run does (decisions/201).  One thread.
 */
#pragma once

#include "avro-core/decode.h"
#include "format/format.h"

#define ORDER_COLUMNS 2

/* What such rows are sorted by, and how many columns that is; 0 without offsets. */
size_t order_columns(struct format_sort out[ORDER_COLUMNS], unsigned envelope);

struct stage_order {
    struct av_visitor visitor; // private, like the rest
    unsigned envelope;         // parts that give the order; 0 = there is none
    int64_t depth, field;      // of the walk: records begun, field of the root
    int64_t partition, offset; // where in the root they are
    bool began;
    struct order_at {
        int64_t partition, offset;
    } last, at;
};

/* For rows of this schema, the next being the first. */
void order_use(struct stage_order *o, struct av_schema *file);

/* *falls: the row belongs before the one before it.  The plan's reader is
 * order_use()'s. ERR_INVALID, ERR_LIMIT: it is no row. */
enum err_kind order_next(struct stage_order *o, const struct av_plan *plan,
                         struct span datum, bool *falls, struct err *e) MUST_USE;
