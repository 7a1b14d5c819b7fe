#include "cel/regex_inside.h"

#include <stdlib.h>

void gather_clear(struct gather *g)
{
    g->n = 0;
}

void gather_free(struct gather *g)
{
    free(g->ranges);
    *g = (struct gather){0};
}

void gather_add(struct gather *g, uint32_t first, uint32_t last)
{
    if (g->n > 0 && g->ranges[g->n - 1].last + 1 == first) {
        g->ranges[g->n - 1].last = last;
        return;
    }
    if (g->n == g->cap) {
        g->cap = g->cap == 0 ? 64 : 2 * g->cap;
        g->ranges = mem_grow(g->ranges, g->cap, sizeof *g->ranges);
    }
    g->ranges[g->n++] = (struct range){first, last};
}

static int by_first(const void *a, const void *b)
{
    uint32_t x = ((const struct range *)a)->first, y = ((const struct range *)b)->first;

    return x < y ? -1 : x > y;
}

static bool in_order(const struct gather *g)
{
    for (size_t i = 1; i < g->n; i++)
        if (g->ranges[i].first <= g->ranges[i - 1].last + 1)
            return false;
    return true;
}

/* Ascending, and nothing touching. */
static void tidy(struct gather *g)
{
    size_t n = 0;

    if (in_order(g))
        return;
    qsort(g->ranges, g->n, sizeof *g->ranges, by_first);
    for (size_t i = 0; i < g->n; i++) {
        struct range r = g->ranges[i];
        if (n > 0 && r.first <= g->ranges[n - 1].last + 1) {
            if (r.last > g->ranges[n - 1].last)
                g->ranges[n - 1].last = r.last;
        } else {
            g->ranges[n++] = r;
        }
    }
    g->n = n;
}

/* Adds to `out` what lies between the ranges of a tidy `g`. */
static void add_gaps(struct gather *out, const struct gather *g)
{
    uint32_t from = 0;

    for (size_t i = 0; i < g->n; i++) {
        if (g->ranges[i].first > from)
            gather_add(out, from, g->ranges[i].first - 1);
        from = g->ranges[i].last + 1;
    }
    if (from < CODE_POINTS)
        gather_add(out, from, CODE_POINTS - 1);
}

void gather_all(struct gather *g, struct gather *other, bool negated)
{
    tidy(other);
    if (negated)
        add_gaps(g, other);
    else
        for (size_t i = 0; i < other->n; i++)
            gather_add(g, other->ranges[i].first, other->ranges[i].last);
}

void gather_negate(struct gather *g)
{
    struct gather gaps = {0};

    gather_all(&gaps, g, true);
    gather_free(g);
    *g = gaps;
}

/* The first of n tidy ranges that ends at or after c. */
static size_t find(const struct range *r, size_t n, uint32_t c)
{
    size_t low = 0;

    while (n > 0) {
        size_t half = n / 2;
        if (r[low + half].last < c) {
            low += half + 1;
            n -= half + 1;
        } else {
            n = half;
        }
    }
    return low;
}

static bool has(const struct gather *g, uint32_t c)
{
    size_t i = find(g->ranges, g->n, c);

    return i < g->n && g->ranges[i].first <= c;
}

bool gather_has(struct gather *g, uint32_t c)
{
    tidy(g);
    return has(g, c);
}

/* Adds the foldings of members, or with `back` what folds to members. */
static void fold_once(struct gather *g, bool back)
{
    struct gather added = {0};

    tidy(g);
    if (g->n == 0)
        return;
    uint32_t least = g->ranges[0].first, most = g->ranges[g->n - 1].last;
    for (size_t i = 0; i < foldings_n; i++) {
        const struct folding *f = &foldings[i];
        uint32_t from = back ? f->to : f->first, to = back ? f->first : f->to;
        if (from > most || from + (f->last - f->first) < least)
            continue;
        for (uint32_t d = 0; d <= f->last - f->first; d += f->stride)
            if (has(g, from + d) && !has(g, to + d))
                gather_add(&added, to + d, to + d);
    }
    gather_all(g, &added, false);
    gather_free(&added);
}

void gather_fold(struct gather *g)
{
    fold_once(g, false);
    fold_once(g, true);
}

/* `wanted` has a bit for each number of the runs. */
static void add_runs(struct gather *g, const uint32_t *runs, size_t n,
                     const bool wanted[256])
{
    uint32_t at = 0;

    for (size_t i = 0; i < n; i++) {
        uint32_t length = runs[i] >> 8;
        if (wanted[runs[i] & 0xFF])
            gather_add(g, at, at + length - 1);
        at += length;
    }
}

/* "Lu" is a category, "L" all whose names begin so. */
static bool add_category(struct gather *g, struct span name)
{
    bool wanted[256] = {0}, any = false;

    if (name.n != 1 && name.n != 2)
        return false;
    for (size_t i = 0; i < category_names_n; i++)
        if (memcmp(category_names[i], name.p, name.n) == 0)
            any = wanted[i + 1] = true;
    if (any)
        add_runs(g, category_runs, category_runs_n, wanted);
    return any;
}

static bool add_script(struct gather *g, struct span name)
{
    bool wanted[256] = {0}, any = false;

    for (size_t i = 0; i < script_names_n; i++)
        if (span_eq(name, span_str(script_names[i])))
            any = wanted[i + 1] = true;
    if (any)
        add_runs(g, script_runs, script_runs_n, wanted);
    return any;
}

bool gather_property(struct gather *g, struct span name)
{
    if (span_eq(name, span_str("Any"))) {
        gather_add(g, 0, CODE_POINTS - 1);
        return true;
    }
    return add_category(g, name) || add_script(g, name);
}

#define ASCII_SET_RANGES 4

struct ascii_set {
    const char *name;
    struct range ranges[ASCII_SET_RANGES];
    size_t n;
};

static const struct ascii_set posix[] = {
    {"alnum", {{'0', '9'}, {'A', 'Z'}, {'a', 'z'}}, 3},
    {"alpha", {{'A', 'Z'}, {'a', 'z'}}, 2},
    {"ascii", {{0, 0x7F}}, 1},
    {"blank", {{'\t', '\t'}, {' ', ' '}}, 2},
    {"cntrl", {{0, 0x1F}, {0x7F, 0x7F}}, 2},
    {"digit", {{'0', '9'}}, 1},
    {"graph", {{'!', '~'}}, 1},
    {"lower", {{'a', 'z'}}, 1},
    {"print", {{' ', '~'}}, 1},
    {"punct", {{'!', '/'}, {':', '@'}, {'[', '`'}, {'{', '~'}}, 4},
    {"space", {{'\t', '\r'}, {' ', ' '}}, 2},
    {"upper", {{'A', 'Z'}}, 1},
    {"word", {{'0', '9'}, {'A', 'Z'}, {'_', '_'}, {'a', 'z'}}, 4},
    {"xdigit", {{'0', '9'}, {'A', 'F'}, {'a', 'f'}}, 3},
};

static const struct ascii_set perl[] = {
    {"d", {{'0', '9'}}, 1},
    {"s", {{'\t', '\n'}, {'\f', '\r'}, {' ', ' '}}, 3}, // no \v: so it is in Perl 5.8
    {"w", {{'0', '9'}, {'A', 'Z'}, {'_', '_'}, {'a', 'z'}}, 4},
};

static bool add_ascii(struct gather *g, const struct ascii_set *sets, size_t n,
                      struct span name)
{
    for (size_t i = 0; i < n; i++)
        if (span_eq(name, span_str(sets[i].name))) {
            for (size_t k = 0; k < sets[i].n; k++)
                gather_add(g, sets[i].ranges[k].first, sets[i].ranges[k].last);
            return true;
        }
    return false;
}

bool gather_posix(struct gather *g, struct span name)
{
    return add_ascii(g, posix, sizeof posix / sizeof *posix, name);
}

bool gather_perl(struct gather *g, uint32_t letter)
{
    char name = (char)letter;

    return letter < 0x80 &&
           add_ascii(g, perl, sizeof perl / sizeof *perl, span_of(&name, 1));
}

static size_t hash(const struct gather *g)
{
    uint64_t h = 1469598103934665603u;

    for (size_t i = 0; i < g->n; i++) {
        h = (h ^ g->ranges[i].first) * 1099511628211u;
        h = (h ^ g->ranges[i].last) * 1099511628211u;
    }
    return (size_t)(h ^ h >> 29);
}

static bool same(const struct set *s, const struct gather *g)
{
    return s->n == g->n &&
           (g->n == 0 || memcmp(s->ranges, g->ranges, g->n * sizeof *g->ranges) == 0);
}

static uint32_t *slot_of(struct sets *sets, const struct gather *g)
{
    size_t i = hash(g) % sets->slots_n;

    while (sets->slots[i] != 0 && !same(&sets->all[sets->slots[i] - 1], g))
        i = (i + 1) % sets->slots_n;
    return &sets->slots[i];
}

static void make_room(struct sets *sets)
{
    if (sets->slots == NULL) { // there are at most CEL_REGEX_SETS, and two of our own
        sets->slots_n = 2 * (CEL_REGEX_SETS + 8);
        sets->slots = mem_array(sets->slots_n, sizeof *sets->slots);
    }
    if (sets->n == sets->cap) {
        sets->cap = sets->cap == 0 ? 16 : 2 * sets->cap;
        sets->all = mem_grow(sets->all, sets->cap, sizeof *sets->all);
    }
}

uint32_t sets_number(struct sets *sets, struct gather *g)
{
    tidy(g);
    make_room(sets);
    uint32_t *slot = slot_of(sets, g);
    if (*slot == 0) {
        struct range *kept = arena_array(sets->arena, g->n, sizeof *kept);
        if (g->n > 0)
            memcpy(kept, g->ranges, g->n * sizeof *kept);
        sets->all[sets->n++] = (struct set){kept, g->n};
        *slot = (uint32_t)sets->n;
    }
    return *slot - 1;
}

void sets_free(struct sets *sets)
{
    free(sets->all);
    free(sets->slots);
    *sets = (struct sets){.arena = sets->arena};
}
