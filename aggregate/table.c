#include "aggregate/table.h"

#include "base/tab.h"

#include <math.h>
#include <stdlib.h>
#include <sys/random.h>

#define FIRST_CAP 64
#define LINE 64 // bytes of the processor's cache
#define FETCH_MOST (16 * LINE)

struct agg_slot {
    uint64_t hash;
    struct agg_row *row; // NULL = free
};

void agg_table_init(struct agg_table *t, const struct agg_shape *shape)
{
    *t = (struct agg_table){.shape = shape, .oldest = INT64_MAX};
    if (getrandom(&t->seed, sizeof t->seed, 0) != sizeof t->seed)
        t->seed = (uint64_t)(uintptr_t)t;
}

static void free_row(const struct agg_table *t, struct agg_row *r)
{
    for (size_t i = 0; i < t->shape->n_columns; i++)
        agg_cell_free(&r->cells[i]);
    free(r);
}

void agg_table_free(struct agg_table *t)
{
    agg_table_forget_dirty(t);
    for (size_t i = 0; i < t->cap; i++)
        if (t->slots[i].row != NULL)
            free_row(t, t->slots[i].row);
    free(t->slots);
    free(t->dirty);
    *t = (struct agg_table){0};
}

static uint8_t *key_of(const struct agg_table *t, const struct agg_row *r)
{
    return (uint8_t *)(uintptr_t)&r->cells[t->shape->n_columns];
}

struct span agg_row_key(const struct agg_table *t, const struct agg_row *r)
{
    return span_of(key_of(t, r), r->n_key);
}

/* Its key stands behind its cells, which are wanted next: all lines come at once. */
static void fetch(const struct agg_table *t, const struct agg_row *r)
{
    size_t n = sizeof *r + t->shape->n_columns * sizeof r->cells[0];

    for (size_t at = 0; at <= n && at < FETCH_MOST; at += LINE)
        __builtin_prefetch((const char *)r + at);
}

static bool is_row(const struct agg_table *t, const struct agg_slot *s, uint64_t hash,
                   struct span key)
{
    if (s->hash != hash)
        return false;
    fetch(t, s->row);
    return span_eq(agg_row_key(t, s->row), key);
}

/* Where the row of that key stands, or would. */
static size_t place(const struct agg_table *t, uint64_t hash, struct span key)
{
    size_t i = hash & (t->cap - 1);

    while (t->slots[i].row != NULL && !is_row(t, &t->slots[i], hash, key))
        i = (i + 1) & (t->cap - 1);
    return i;
}

struct agg_row *agg_table_find(const struct agg_table *t, struct span key)
{
    return t->n == 0 ? NULL : t->slots[place(t, tab_hash(t->seed, key), key)].row;
}

static void grow(struct agg_table *t)
{
    struct agg_slot *old = t->slots;
    size_t n = t->cap;

    t->cap = n == 0 ? FIRST_CAP : n * 2;
    t->slots = mem_array(t->cap, sizeof *t->slots);
    for (size_t k = 0; k < n; k++) {
        if (old[k].row == NULL)
            continue;
        size_t i = old[k].hash & (t->cap - 1);
        while (t->slots[i].row != NULL)
            i = (i + 1) & (t->cap - 1);
        t->slots[i] = old[k];
    }
    free(old);
}

static size_t row_size(const struct agg_table *t, size_t n_key)
{
    return sizeof(struct agg_row) + t->shape->n_columns * sizeof(struct agg_cell) +
           n_key;
}

static struct agg_row *make_row(struct agg_table *t, uint64_t hash, struct span key)
{
    struct agg_row *r = mem_alloc(row_size(t, key.n));
    struct span rest = key;

    r->hash = hash;
    r->n_key = (uint32_t)key.n;
    memcpy(key_of(t, r), key.p, key.n);
    if (agg_key_window(&rest, &r->window) && r->window < t->oldest)
        t->oldest = r->window;
    t->bytes += row_size(t, key.n);
    return r;
}

struct agg_row *agg_table_get(struct agg_table *t, struct span key, bool *made)
{
    uint64_t hash = tab_hash(t->seed, key);

    if (t->n * 2 >= t->cap)
        grow(t);
    size_t i = place(t, hash, key);
    *made = t->slots[i].row == NULL;
    if (*made) {
        t->slots[i] = (struct agg_slot){hash, make_row(t, hash, key)};
        t->n++;
    }
    return t->slots[i].row;
}

void agg_table_touch(struct agg_table *t, struct agg_row *r)
{
    if (r->dirty)
        return;
    r->dirty = true;
    if (t->n_dirty == t->cap_dirty) {
        t->cap_dirty = t->cap_dirty == 0 ? FIRST_CAP : t->cap_dirty * 2;
        t->dirty = mem_grow(t->dirty, t->cap_dirty, sizeof(struct agg_row *));
    }
    t->dirty[t->n_dirty++] = r;
}

void agg_table_forget_dirty(struct agg_table *t)
{
    for (size_t i = 0; i < t->n_dirty; i++) {
        t->dirty[i]->dirty = false;
        if (t->dirty[i]->dropped)
            free_row(t, t->dirty[i]);
    }
    t->n_dirty = 0;
}

/* Those that follow move up, or a search would stop at the gap. */
static void close_gap(struct agg_table *t, size_t gap)
{
    size_t mask = t->cap - 1;

    for (size_t i = (gap + 1) & mask; t->slots[i].row != NULL; i = (i + 1) & mask) {
        size_t home = t->slots[i].hash & mask;
        if (((i - home) & mask) < ((i - gap) & mask))
            continue;
        t->slots[gap] = t->slots[i];
        gap = i;
    }
    t->slots[gap] = (struct agg_slot){0};
}

void agg_table_drop(struct agg_table *t, struct agg_row *r)
{
    agg_table_touch(t, r);
    r->dropped = true;
    t->bytes -= row_size(t, r->n_key);
    for (size_t i = 0; i < t->shape->n_columns; i++)
        if (r->cells[i].kind == AGG_TEXT)
            t->bytes -= r->cells[i].text.cap;
    t->n--;
    close_gap(t, place(t, r->hash, agg_row_key(t, r)));
}

struct agg_row *agg_table_each(const struct agg_table *t, size_t *at)
{
    while (*at < t->cap) {
        struct agg_row *r = t->slots[(*at)++].row;
        if (r != NULL)
            return r;
    }
    return NULL;
}

size_t agg_table_drop_before(struct agg_table *t, int64_t start_ms)
{
    struct agg_row **old;
    struct agg_row *r;
    size_t n = 0;

    if (t->oldest >= start_ms)
        return 0;
    old = mem_array(t->n + 1, sizeof *old);
    t->oldest = INT64_MAX;
    for (size_t at = 0; (r = agg_table_each(t, &at)) != NULL;) {
        if (r->window < start_ms)
            old[n++] = r;
        else if (r->window < t->oldest)
            t->oldest = r->window;
    }
    for (size_t i = 0; i < n; i++)
        agg_table_drop(t, old[i]);
    free(old);
    return n;
}

/* --- cells -------------------------------------------------------------------------
 */

void agg_cell_free(struct agg_cell *c)
{
    if (c->kind == AGG_TEXT)
        free(c->text.p);
    *c = (struct agg_cell){0};
}

void agg_cell_set_text(struct agg_table *t, struct agg_cell *c, struct span text)
{
    if (c->kind != AGG_TEXT) {
        c->kind = AGG_TEXT;
        c->text.p = NULL;
        c->text.n = c->text.cap = 0;
    }
    if (text.n > c->text.cap) {
        t->bytes += text.n - c->text.cap;
        c->text.p = mem_grow(c->text.p, text.n, 1);
        c->text.cap = (uint32_t)text.n;
    }
    if (text.n > 0)
        memmove(c->text.p, text.p, text.n);
    c->text.n = (uint32_t)text.n;
}

static bool is_sum(enum agg_function fn)
{
    return fn == AGG_SUM || fn == AGG_AVG;
}

/* Both lie within WHOLE_MOST, so the addition itself cannot overflow. */
static bool sum_fits(const struct agg_cell *c, __int128 more)
{
    return whole_fits((c->kind == AGG_WHOLE ? c->whole.v : 0) + more, WHOLE_MOST);
}

enum err_kind agg_cell_check(const struct agg_cell *c, enum agg_function fn,
                             const struct agg_value *v, struct err *e)
{
    if (is_sum(fn) && v->kind == AGG_WHOLE && !sum_fits(c, v->whole.v))
        return err_set(e, ERR_LIMIT, "the sum would have more than %d digits",
                       WHOLE_DIGITS);
    return ERR_OK;
}

static void add_real(struct agg_cell *c, double x)
{
    double sum = c->real.sum + x;

    // What rounding lost (Neumaier 1974); infinities and NaN are left to the sum.
    if (isfinite(sum))
        c->real.rest += fabs(c->real.sum) >= fabs(x) ? (c->real.sum - sum) + x
                                                     : (x - sum) + c->real.sum;
    c->real.sum = sum;
}

static void add_up(struct agg_cell *c, const struct agg_value *v)
{
    if (c->kind == AGG_NONE) {
        c->kind = v->kind;
        c->real.sum = c->real.rest = 0;
        if (v->kind == AGG_WHOLE)
            c->whole.v = 0;
    }
    if (v->kind == AGG_WHOLE)
        c->whole.v += v->whole.v;
    else
        add_real(c, v->real);
}

static void set(struct agg_table *t, struct agg_cell *c, const struct agg_value *v)
{
    if (v->kind == AGG_TEXT) {
        agg_cell_set_text(t, c, v->text);
        return;
    }
    c->kind = v->kind;
    if (v->kind == AGG_WHOLE) {
        c->whole = v->whole;
    } else {
        c->real.sum = v->real;
        c->real.rest = 0;
    }
}

/* NaN sorts behind everything, as in PostgreSQL and Spark. */
static int compare_real(double a, double b)
{
    if (isnan(a) || isnan(b))
        return isnan(a) - isnan(b);
    return (a > b) - (a < b);
}

static int compare_text(struct span a, struct span b)
{
    size_t n = a.n < b.n ? a.n : b.n;
    int c = n == 0 ? 0 : memcmp(a.p, b.p, n);

    return c != 0 ? c : (a.n > b.n) - (a.n < b.n);
}

static int compare(const struct agg_cell *c, const struct agg_value *v)
{
    switch (v->kind) {
    case AGG_WHOLE: return (c->whole.v > v->whole.v) - (c->whole.v < v->whole.v);
    case AGG_REAL: return compare_real(c->real.sum, v->real);
    case AGG_TEXT: return compare_text(span_of(c->text.p, c->text.n), v->text);
    default: return 0;
    }
}

static bool replaces(const struct agg_cell *c, enum agg_function fn,
                     const struct agg_value *v, int64_t time)
{
    if (c->kind == AGG_NONE)
        return true;
    switch (fn) {
    case AGG_MIN: return compare(c, v) > 0;
    case AGG_MAX: return compare(c, v) < 0;
    default: return time >= c->time; // AGG_LAST
    }
}

void agg_cell_add(struct agg_table *t, struct agg_cell *c, enum agg_function fn,
                  const struct agg_value *v, int64_t time)
{
    if (v->kind == AGG_NONE)
        return;
    c->n++;
    if (fn == AGG_COUNT)
        return;
    if (is_sum(fn)) {
        add_up(c, v);
    } else if (replaces(c, fn, v, time)) {
        set(t, c, v);
        c->time = fn == AGG_LAST ? time : 0;
    }
}

static struct agg_value held(const struct agg_cell *c)
{
    struct agg_value v = {.kind = c->kind};

    if (c->kind == AGG_WHOLE)
        v.whole = c->whole;
    if (c->kind == AGG_REAL)
        v.real = c->real.sum;
    if (c->kind == AGG_TEXT)
        v.text = span_of(c->text.p, c->text.n);
    return v;
}

bool agg_cell_merge(struct agg_table *t, struct agg_cell *c,
                    const struct agg_cell *from, enum agg_function fn)
{
    struct agg_value v = held(from);

    if (is_sum(fn) && v.kind == AGG_WHOLE && !sum_fits(c, v.whole.v))
        return false;
    int64_t n = c->n + from->n;
    agg_cell_add(t, c, fn, &v, from->time);
    if (is_sum(fn) && v.kind == AGG_REAL)
        c->real.rest += from->real.rest;
    c->n = n;
    return true;
}

static bool value_of_sum(const struct agg_cell *c, const struct agg_field *f,
                         struct agg_value *out)
{
    *out = held(c);
    if (c->kind == AGG_REAL) {
        double sum = isfinite(c->real.sum) ? c->real.sum + c->real.rest : c->real.sum;
        out->real = f->fn == AGG_AVG ? sum / (double)c->n : sum;
    }
    if (c->kind == AGG_WHOLE && f->fn == AGG_AVG) {
        __int128 mean = 0;
        bool good = whole_average(&mean, c->whole.v, c->n, AGG_AVERAGE_DIGITS);
        out->whole.v = mean;
        return good;
    }
    return true;
}

bool agg_cell_value(const struct agg_cell *c, const struct agg_field *f,
                    struct agg_value *out)
{
    if (f->fn == AGG_COUNT) {
        *out = (struct agg_value){.kind = AGG_WHOLE, .whole = {c->n}};
        return true;
    }
    if (c->kind == AGG_NONE || !is_sum(f->fn)) {
        *out = held(c);
        return true;
    }
    return value_of_sum(c, f, out);
}
