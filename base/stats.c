#include "base/stats.h"

#include "base/mem.h"

#include <pthread.h>
#include <stdio.h>

struct stats_child {
    struct stats_child *next;
    char *values; // "orders\0ok\0": one after the other
    size_t values_n;
    struct stats_value value;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
// under lock: the list of metrics, each metric's list of children
static struct stats_metric *first, **last = &first;

const double stats_latency_bounds[] = {0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025,
                                       0.05,   0.1,   0.25,   0.5,   1,    2.5,
                                       5,      10,    30,     0};

void stats_add(struct stats_metric *m)
{
    pthread_mutex_lock(&lock);
    bool known = m->next != NULL || last == &m->next;
    if (!known) {
        *last = m;
        last = &m->next;
    }
    pthread_mutex_unlock(&lock);
}

static size_t count_labels(const char *labels)
{
    size_t n = 1;

    for (; *labels != '\0'; labels++)
        n += *labels == ',';
    return n;
}

/* The child of these values, made unless there are `most` already: NULL then. */
static struct stats_child *find_or_make(struct stats_metric *m, struct span values,
                                        size_t most)
{
    size_t n = 0;

    for (struct stats_child *c = m->children; c != NULL; c = c->next, n++)
        if (span_eq(span_of(c->values, c->values_n), values))
            return c;
    if (n >= most)
        return NULL;

    struct stats_child *c = mem_alloc(sizeof *c);
    c->values = mem_str(values);
    c->values_n = values.n;
    c->next = m->children;
    m->children = c;
    return c;
}

static void join_values(struct buf *out, const char *const *values, size_t n)
{
    buf_reset(out);
    for (size_t i = 0; i < n; i++) {
        buf_put_str(out, values != NULL ? values[i] : "other");
        buf_put_u8(out, '\0');
    }
}

struct stats_value *stats_child(struct stats_metric *m, const char *const *values)
{
    struct buf joined = BUF_INIT(4096);
    struct stats_child *c = NULL;
    size_t n = count_labels(m->labels);

    join_values(&joined, values, n);
    pthread_mutex_lock(&lock);
    if (!joined.over)
        c = find_or_make(m, buf_span(&joined), STATS_CHILDREN);
    if (c == NULL) {
        join_values(&joined, NULL, n);
        c = find_or_make(m, buf_span(&joined), SIZE_MAX);
    }
    pthread_mutex_unlock(&lock);
    buf_free(&joined);
    return &c->value;
}

void stats_observe(const struct stats_metric *m, struct stats_value *v, int64_t us)
{
    size_t i = 0;

    while (i < STATS_BUCKETS - 1 && m->bounds[i] > 0 && (double)us > m->bounds[i] * 1e6)
        i++;
    atomic_fetch_add_explicit(&v->sum, us, memory_order_relaxed);
    atomic_fetch_add_explicit(&v->buckets[i], 1, memory_order_relaxed);
}

static void put_escaped(struct buf *out, const char *s)
{
    for (; *s != '\0'; s++) {
        if (*s == '\\' || *s == '"')
            buf_put_u8(out, '\\');
        if (*s == '\n')
            buf_put_str(out, "\\n");
        else
            buf_put_u8(out, (uint8_t)*s);
    }
}

/* {topic="orders",le="0.5"}, or nothing when there is no label at all. */
static void put_labels(struct buf *out, const char *names, const char *values,
                       const char *extra)
{
    bool some = false;

    while (names != NULL && *names != '\0') {
        size_t n = strcspn(names, ",");
        buf_put_u8(out, some ? ',' : '{');
        buf_put(out, span_of(names, n));
        buf_put_str(out, "=\"");
        put_escaped(out, values);
        buf_put_u8(out, '"');
        values += strlen(values) + 1;
        names += n + (names[n] == ',');
        some = true;
    }
    if (extra != NULL) {
        buf_put_u8(out, some ? ',' : '{');
        buf_put_str(out, extra);
        some = true;
    }
    if (some)
        buf_put_u8(out, '}');
}

static void put_line(struct buf *out, const struct stats_metric *m, const char *suffix,
                     const char *values, const char *extra, double v)
{
    buf_printf(out, "%s%s", m->name, suffix);
    put_labels(out, m->labels, values, extra);
    buf_printf(out, " %.17g\n", v);
}

static void put_histogram(struct buf *out, const struct stats_metric *m,
                          const struct stats_value *v, const char *values)
{
    long long below = 0;
    char le[48];
    size_t i = 0;

    for (; i < STATS_BUCKETS - 1 && m->bounds[i] > 0; i++) {
        below += atomic_load(&((struct stats_value *)(uintptr_t)v)->buckets[i]);
        snprintf(le, sizeof le, "le=\"%g\"", m->bounds[i]);
        put_line(out, m, "_bucket", values, le, (double)below);
    }
    below += atomic_load(&((struct stats_value *)(uintptr_t)v)->buckets[i]);
    put_line(out, m, "_bucket", values, "le=\"+Inf\"", (double)below);
    long long sum = atomic_load(&((struct stats_value *)(uintptr_t)v)->sum);
    put_line(out, m, "_sum", values, NULL, (double)sum / 1e6);
    put_line(out, m, "_count", values, NULL, (double)below);
}

static void put_value(struct buf *out, const struct stats_metric *m,
                      const struct stats_value *v, const char *values)
{
    if (m->kind == STATS_HISTOGRAM)
        put_histogram(out, m, v, values);
    else
        put_line(out, m, "", values, NULL, (double)stats_get(v));
}

void stats_print(struct buf *out)
{
    static const char *const kinds[] = {"counter", "gauge", "histogram"};

    pthread_mutex_lock(&lock);
    for (const struct stats_metric *m = first; m != NULL; m = m->next) {
        buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", m->name, m->help, m->name,
                   kinds[m->kind]);
        if (m->labels == NULL)
            put_value(out, m, &m->value, "");
        for (const struct stats_child *c = m->children; c != NULL; c = c->next)
            put_value(out, m, &c->value, c->values);
    }
    pthread_mutex_unlock(&lock);
}
