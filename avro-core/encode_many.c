/*
 * Arrays and maps: one block, whose count is written when it is known.
 *
 *      count  item item ...  0          an empty one is the 0 alone
 *
 * One byte is kept for the count; more than 63 items move up to make room for the rest
 * of it.
 */
#include "avro-core/encode_inside.h"

struct block {
    size_t at; // offset of the count in the output
    int64_t n;
};

static bool begin_block(struct walk *w, struct block *b)
{
    if (!walk_room(w, 1))
        return false;
    *b = (struct block){.at = walk_written(w)};
    *w->w++ = 0;
    return true;
}

static bool end_block(struct walk *w, const struct block *b)
{
    uint8_t count[VARINT];
    size_t n = (size_t)(varint_put(count, b->n) - count);

    if (b->n == 0)
        return true;
    if (!walk_room(w, n))
        return false;
    uint8_t *at = w->out->p + b->at;
    if (n > 1)
        memmove(at + n, at + 1, (size_t)(w->w - at - 1));
    memcpy(at, count, n);
    w->w += n - 1;
    *w->w++ = 0;
    return true;
}

/* Behind an item: *more tells whether another follows. */
static inline bool item_end(struct walk *w, uint8_t close, bool *more)
{
    walk_blanks(w);
    if (w->p < w->end && (*w->p == ',' || *w->p == close)) {
        *more = *w->p++ == ',';
        return true;
    }
    return walk_no_json(w, w->p, close == ']' ? "',' or ']'" : "',' or '}'");
}

static bool take_items(struct walk *w, const struct node *n, struct place *here)
{
    struct block b;

    w->p++;
    if (!begin_block(w, &b))
        return false;
    bool more = !walk_take(w, ']');
    for (; more; b.n++) {
        here->index = (size_t)b.n;
        walk_blanks(w);
        if (!encode_value(w, n->items) || !item_end(w, ']', &more))
            return false;
    }
    return end_block(w, &b);
}

bool encode_array(struct walk *w, const struct node *n)
{
    struct place here;

    if (walk_token(w) != TOKEN_ARRAY)
        return walk_wrong_kind(w, n);
    if (walk_at_depth_limit(w))
        return walk_too_deep(w);
    walk_enter(w, &here);
    bool on = take_items(w, n, &here);
    walk_leave(w);
    return on;
}

/*
 * A map's names must differ.  Where each was written is pushed on the scratch; if they
 * did not come in rising order they are sorted at the end (heap sort: n log n whoever
 * chose the names), and equal ones are neighbours then.
 */
struct key {
    uint32_t avro; // offset behind the map's start in the output
    uint32_t text; // and of the name behind the map's start in the text
};

struct map {
    const struct node *n;
    const uint8_t *at; // the '{'
    struct place here;
    struct block block;
    bool rising;
};

static struct span key_name(const struct walk *w, const struct map *m, struct key k)
{
    const uint8_t *p = w->out->p + m->block.at + k.avro;
    uint64_t n = 0;
    int shift = 0;

    do {
        n |= (uint64_t)(*p & 0x7f) << shift;
        shift += 7;
    } while ((*p++ & 0x80) != 0);
    return span_of(p, (size_t)(n >> 1));
}

static int compare(struct span a, struct span b)
{
    size_t n = a.n < b.n ? a.n : b.n;
    int c = n > 0 ? memcmp(a.p, b.p, n) : 0;

    return c != 0 ? c : (a.n > b.n) - (a.n < b.n);
}

/* Keys lie newest first in the scratch. */
static struct key key_get(const struct walk *w, size_t i)
{
    struct key k;

    memcpy(&k, (uint8_t *)walk_scratch(w) + i * sizeof k, sizeof k);
    return k;
}

static void key_set(struct walk *w, size_t i, struct key k)
{
    memcpy((uint8_t *)walk_scratch(w) + i * sizeof k, &k, sizeof k);
}

static bool is_before(const struct walk *w, const struct map *m, size_t i, size_t j)
{
    struct key a = key_get(w, i), b = key_get(w, j);
    int c = compare(key_name(w, m, a), key_name(w, m, b));

    return c != 0 ? c < 0 : a.text < b.text;
}

static void swap(struct walk *w, size_t i, size_t j)
{
    struct key a = key_get(w, i), b = key_get(w, j);

    key_set(w, i, b);
    key_set(w, j, a);
}

static void sift(struct walk *w, const struct map *m, size_t i, size_t n)
{
    for (;;) {
        size_t child = 2 * i + 1;
        if (child >= n)
            return;
        if (child + 1 < n && is_before(w, m, child, child + 1))
            child++;
        if (!is_before(w, m, i, child))
            return;
        swap(w, i, child);
        i = child;
    }
}

static void sort_keys(struct walk *w, const struct map *m, size_t n)
{
    for (size_t i = n / 2; i-- > 0;)
        sift(w, m, i, n);
    for (size_t i = n; i-- > 1;) {
        swap(w, 0, i);
        sift(w, m, 0, i);
    }
}

static bool check_names(struct walk *w, struct map *m)
{
    size_t n = (size_t)m->block.n;

    if (m->rising)
        return true;
    sort_keys(w, m, n);
    for (size_t i = 1; i < n; i++) {
        struct key k = key_get(w, i);
        struct span name = key_name(w, m, k);
        if (!span_eq(name, key_name(w, m, key_get(w, i - 1))))
            continue;
        if (w->trying > 0)
            return false;
        m->here.name = name.n > 0 ? name : span_str("");
        m->here.raw = false;
        walk_note_text(w, "duplicate-key", m->at + k.text, span_str("each name once"),
                       "the name again");
    }
    return true;
}

static bool put_key(struct walk *w, struct span name)
{
    if (!walk_room(w, name.n + VARINT))
        return false;
    w->w = varint_put(w->w, (int64_t)name.n);
    if (name.n > 0)
        memcpy(w->w, name.p, name.n);
    w->w += name.n;
    return true;
}

static bool remember(struct walk *w, struct map *m, struct key k)
{
    if (walk_push(w, sizeof k) == NULL)
        return false;
    key_set(w, 0, k);
    if (m->rising && m->block.n > 0)
        m->rising = compare(key_name(w, m, key_get(w, 1)), key_name(w, m, k)) < 0;
    return true;
}

static bool take_key(struct walk *w, struct map *m)
{
    struct string s;
    struct span name;

    walk_blanks(w);
    if (walk_token(w) != TOKEN_STRING)
        return walk_no_json(w, w->p, "a name in quotes");
    struct key k = {(uint32_t)(walk_written(w) - m->block.at),
                    (uint32_t)(w->p - m->at)};
    if (!text_scan(w, &s) || !text_plain(w, &s, &name) || !put_key(w, name) ||
        !remember(w, m, k))
        return false;
    m->here.name = s.raw;
    m->here.raw = true;
    if (!walk_take(w, ':'))
        return walk_no_json(w, w->p, "':'");
    walk_blanks(w);
    return true;
}

static bool take_entries(struct walk *w, struct map *m)
{
    w->p++;
    if (!begin_block(w, &m->block))
        return false;
    bool more = !walk_take(w, '}');
    while (more) {
        if (!take_key(w, m))
            return false;
        m->block.n++;
        if (!encode_value(w, m->n->items) || !item_end(w, '}', &more))
            return false;
    }
    if (!check_names(w, m))
        return false;
    walk_pop(w, (size_t)m->block.n * sizeof(struct key));
    return end_block(w, &m->block);
}

bool encode_map(struct walk *w, const struct node *n)
{
    struct map m = {.n = n, .at = w->p, .rising = true};

    if (walk_token(w) != TOKEN_OBJECT)
        return walk_wrong_kind(w, n);
    if (walk_at_depth_limit(w))
        return walk_too_deep(w);
    walk_enter(w, &m.here);
    bool on = take_entries(w, &m);
    walk_leave(w);
    return on;
}
