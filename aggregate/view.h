/*
 * view.h - the whole table, as the changelog's partitions tell it.
 *
 *      changelog/0 --> table 0 \
 *      changelog/1 --> table 1  >-- merged by key --> rows
 *
 * A key may have come in any partition: each holds a part of its row, and the row is
 * all of them together, in the order of the partitions.  One thread; whoever shares a
 * view locks around it.
 */
#pragma once

#include "aggregate/state.h"

struct agg_view {
    struct agg_part {
        struct agg_table table;
        struct agg_position position;
        int64_t offset; // of the changelog: the one that comes
        bool has_shape;
    } * parts;
    size_t n_parts;
    struct agg_shape shape; // once `has_shape`
    bool has_shape;
    uint64_t changes;  // rises with every record
    struct arena mem;  // the shape's
    struct span *keys; // sorted, while `sorted`
    size_t n_keys;
    bool sorted;
};

void agg_view_init(struct agg_view *v, size_t partitions);
void agg_view_free(struct agg_view *v);

/*
 * A record of the changelog; value p NULL = none.  ERR_CONFLICT: the partition's shape
 * is another than the view's.  ERR_INVALID: it is no record of a changelog.
 */
enum err_kind agg_view_apply(struct agg_view *v, size_t partition, int64_t offset,
                             struct span key, struct span value,
                             struct err *e) MUST_USE;

/* The keys there are, sorted.  Borrowed until the next apply. */
const struct span *agg_view_keys(struct agg_view *v, size_t *n);

/* A row of all partitions together. */
struct agg_merged {
    struct span key; // borrowed
    const struct agg_shape *shape;
    struct agg_cell cells[AGG_COLUMNS_MOST];
    bool over[AGG_COLUMNS_MOST]; // its sum has more than 38 digits: it cannot be said
    struct agg_table scratch;
};
/* Fills *m, which is {0} or was filled before; agg_merged_free() at the end.  False:
 * there is no such row. */
bool agg_view_merge(const struct agg_view *v, struct span key, struct agg_merged *m);
void agg_merged_free(struct agg_merged *m);
/* What column `i` shows; false: it cannot be said. */
bool agg_merged_value(const struct agg_merged *m, size_t i, struct agg_value *out);
