#include "cel/cel_inside.h"

#include <math.h>

/* Numbers of different kinds: int and double compare as doubles, as in cel-go. */

static int sign(int64_t x, int64_t y)
{
    return (x > y) - (x < y);
}

static int compare_doubles(double x, double y)
{
    if (isnan(x) || isnan(y))
        return CEL_UNORDERED;
    return (x > y) - (x < y);
}

static int compare_uints(uint64_t x, uint64_t y)
{
    return (x > y) - (x < y);
}

static double as_double(struct cel_value v)
{
    switch (v.kind) {
    case CEL_INT: return (double)v.i;
    case CEL_UINT: return (double)v.u;
    default: return v.d;
    }
}

static bool is_number(struct cel_value v)
{
    return v.kind == CEL_INT || v.kind == CEL_UINT || v.kind == CEL_DOUBLE;
}

static int compare_numbers(struct cel_value x, struct cel_value y)
{
    if (x.kind == CEL_INT && y.kind == CEL_INT)
        return sign(x.i, y.i);
    if (x.kind == CEL_DOUBLE || y.kind == CEL_DOUBLE)
        return compare_doubles(as_double(x), as_double(y));
    if (x.kind == CEL_INT && x.i < 0)
        return -1;
    if (y.kind == CEL_INT && y.i < 0)
        return 1;
    return compare_uints(x.kind == CEL_INT ? (uint64_t)x.i : x.u,
                         y.kind == CEL_INT ? (uint64_t)y.i : y.u);
}

/* Bytes in their order are code points in theirs. */
static int compare_spans(struct span x, struct span y)
{
    size_t n = x.n < y.n ? x.n : y.n;
    int c = n > 0 ? memcmp(x.p, y.p, n) : 0;

    return c != 0 ? (c > 0) - (c < 0) : (x.n > y.n) - (x.n < y.n);
}

static bool is_decimal_with_number(struct cel_value x, struct cel_value y)
{
    return x.kind == CEL_DECIMAL && (y.kind == CEL_DECIMAL || is_number(y));
}

int cel_compare(struct cel_run *run, struct cel_value x, struct cel_value y)
{
    if (is_number(x) && is_number(y))
        return compare_numbers(x, y);
    if (is_decimal_with_number(x, y))
        return cel_decimal_compare(run, x, y);
    if (is_decimal_with_number(y, x)) {
        int c = cel_decimal_compare(run, y, x);

        return c == CEL_UNORDERED ? c : -c;
    }
    if (x.kind != y.kind)
        return CEL_INCOMPARABLE;
    switch (x.kind) {
    case CEL_BOOL: return x.b - y.b;
    case CEL_STRING:
    case CEL_BYTES: cel_steps(run, x.s.n / 64); return compare_spans(x.s, y.s);
    case CEL_DURATION: return sign(x.i, y.i);
    case CEL_TIMESTAMP: return x.i != y.i ? sign(x.i, y.i) : sign(x.nanos, y.nanos);
    default: return CEL_INCOMPARABLE;
    }
}

/* Equality */

static bool equal_lists(struct cel_run *run, struct cel_value x, struct cel_value y)
{
    struct cel_each ex = cel_each_of(run, x), ey = cel_each_of(run, y);
    struct cel_value vx, vy;

    for (;;) {
        bool more = cel_next(&ex, &vx, NULL);

        if (more != cel_next(&ey, &vy, NULL))
            return false;
        if (!more)
            return true;
        if (!cel_equal(run, vx, vy))
            return false;
    }
}

/* Each of x's is in y. */
static bool contains_all(struct cel_run *run, struct cel_value x, struct cel_value y)
{
    struct cel_each each = cel_each_of(run, x);
    struct cel_value key, value, other;

    while (cel_next(&each, &key, &value))
        if (!cel_find(run, y, key, &other) || !cel_equal(run, value, other))
            return false;
    return true;
}

static bool equal_maps(struct cel_run *run, struct cel_value x, struct cel_value y)
{
    return cel_count(run, x) == cel_count(run, y) && contains_all(run, x, y);
}

static bool equal_records(struct cel_run *run, struct cel_value x, struct cel_value y)
{
    const uint8_t *px = x.p, *py = y.p;

    if (x.node != y.node)
        return false;
    for (size_t i = 0; i < x.node->n_fields; i++) {
        const struct av_node *type = x.node->fields[i].type;

        if (!cel_equal(run, cel_load(run, type, px), cel_load(run, type, py)))
            return false;
        px = cel_skip(run, type, px);
        py = cel_skip(run, type, py);
        if (px == NULL || py == NULL)
            return false;
    }
    return true;
}

static bool equal_inside(struct cel_run *run, struct cel_value x, struct cel_value y)
{
    switch (x.kind) {
    case CEL_NULL: return true;
    case CEL_TYPE: return span_eq(x.s, y.s);
    case CEL_LIST: return equal_lists(run, x, y);
    case CEL_MAP: return equal_maps(run, x, y);
    case CEL_MESSAGE: return equal_records(run, x, y);
    default: return cel_compare(run, x, y) == 0;
    }
}

#define NESTING_MOST 200 // of lists in lists: recursion along the data

bool cel_equal(struct cel_run *run, struct cel_value x, struct cel_value y)
{
    if (x.kind == CEL_STRING && y.kind == CEL_STRING)
        return cel_steps(run, 1 + x.s.n / 64) && span_eq(x.s, y.s);
    if (x.kind != y.kind)
        return cel_compare(run, x, y) == 0;
    if (run->nesting >= NESTING_MOST || !cel_steps(run, 1)) {
        if (run->broken == NULL)
            run->broken = "values too deep to compare";
        return false;
    }
    run->nesting++;
    bool equal = equal_inside(run, x, y);
    run->nesting--;
    return equal;
}
