/*
 * spec.h - what is asked for, as a person writes it.
 *
 *      key: [customer, address.city]            fields of the record, or none: one row
 *      columns: {orders: count, revenue: sum(amount), newest: last(status)}
 *      window: {size: 60s, grace: 10s, field: at}
 *
 * Nothing of a schema is known here: agg_plan_new() finds the fields.  Immutable once
 * read.
 */
#pragma once

#include "aggregate/shape.h"
#include "base/conf.h"

struct agg_column {
    struct span name;
    enum agg_function fn;
    struct span path; // of the field; n 0 = count: every record
};

struct agg_spec {
    struct arena mem;        // owns what follows
    const struct span *keys; // paths
    const struct span *key_names;
    size_t n_keys;
    const struct agg_column *columns;
    size_t n_columns;
    struct span time_field; // n 0 = the record's own time
    int64_t window_ms;      // 0 = none
    int64_t grace_ms;       // how late a record may be
    int64_t keep_ms;        // a window stays in the table so long after its grace
    int64_t ahead_ms;       // a record's time may be so far in the future
};

struct agg_asked { // as the settings have it
    const struct conf_list *keys;
    const struct conf_pairs *columns;
    const char *time_field; // NULL = none
    int64_t window_ms, grace_ms, keep_ms, ahead_ms;
};

/* ERR_INVALID names the column and what was wanted.  On any failure there is nothing to
 * free. */
enum err_kind agg_spec_read(struct agg_spec *out, const struct agg_asked *asked,
                            struct err *e) MUST_USE;
void agg_spec_free(struct agg_spec *s);

/* Whether a table of that shape can be what is asked for; its types only a schema
 * tells. */
bool agg_spec_suits(const struct agg_spec *s, const struct agg_shape *shape);
