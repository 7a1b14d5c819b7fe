/*
 * stats.h - counters, gauges and histograms, and the /metrics text about them.
 *
 * Prometheus text exposition format 0.0.4.  A metric is a static struct that its room
 * declares, registers once with stats_add() and counts with atomics: no lock on the
 * way. Labels: a metric with labels is a family; stats_child() finds or makes the child
 * of given label values (a lock there: keep the pointer).  A family has at most
 * STATS_CHILDREN children; the rest are counted under label values "other", so that
 * strangers cannot grow our memory.
 */
#pragma once

#include "base/buf.h"

#include <stdatomic.h>

#define STATS_CHILDREN 1000
#define STATS_BUCKETS 20

enum stats_kind { STATS_COUNTER, STATS_GAUGE, STATS_HISTOGRAM };

struct stats_value {
    atomic_llong n;                      // counter, gauge
    atomic_llong sum;                    // histogram: of the observed, in its unit
    atomic_llong buckets[STATS_BUCKETS]; // histogram: counts per bound, not cumulative
};

struct stats_metric {
    const char *name; // "avrogate_gateway_records_total"
    const char *help;
    enum stats_kind kind;
    const char *labels; // "topic,outcome", NULL for none
    const double
        *bounds; // histogram: upper bounds, ascending, 0-terminated; in seconds
    struct stats_value value; // of a metric without labels
    struct stats_child *children;
    struct stats_metric *next;
};

void stats_add(struct stats_metric *m); // any thread, once; never removed

/* `values` are as many as the labels; kept for the life of the process. */
struct stats_value *stats_child(struct stats_metric *m, const char *const *values);

static inline void stats_count(struct stats_value *v, long long by)
{
    atomic_fetch_add_explicit(&v->n, by, memory_order_relaxed);
}

static inline void stats_set(struct stats_value *v, long long to)
{
    atomic_store_explicit(&v->n, to, memory_order_relaxed);
}

static inline long long stats_get(const struct stats_value *v)
{
    return atomic_load_explicit(&((struct stats_value *)(uintptr_t)v)->n,
                                memory_order_relaxed);
}

/* One observation of `us` microseconds in a histogram whose bounds are seconds. */
void stats_observe(const struct stats_metric *m, struct stats_value *v, int64_t us);

extern const double stats_latency_bounds[]; // 0.5 ms to 30 s

void stats_print(struct buf *out); // all that were added, in that order
