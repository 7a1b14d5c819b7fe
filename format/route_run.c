/*
 * A datum along its route into the columns: decode.h's checks, but yes or no only
 * (decision 128).
 */
#include "format/route_inside.h"

#include "avro-core/uuid.h"
#include "avro-core/varint.h"
#include "base/utf8.h"
#include "format/value.h"

#include <assert.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

/* ---- running: false is "no", and nobody asks why before it happened ---- */

struct run {
    const uint8_t *p, *end, *start;
    const struct step *steps;
    struct columns *set;
    struct route *r;
    const struct av_plan *plan;
    const struct av_decode_limits *lim;
    size_t items, empty_items; // left of the limits
};

static bool walk(struct run *r, const struct step *first, uint32_t n);

static size_t left(const struct run *r)
{
    return (size_t)(r->end - r->p);
}

/*
 * What takes from the front of [*p, end).  They are inlined into walk(), where p is in
 * a register: writing into a column could otherwise change it, for all that C knows.
 */
#define INLINED static inline __attribute__((always_inline))

static bool take_long_slow(const uint8_t **p, const uint8_t *end, int64_t *out)
{
    struct span s = span_of(*p, (size_t)(end - *p));

    if (!varint_take(&s, out))
        return false;
    *p = end - s.n;
    return true;
}

/* Seven bits of each of eight bytes, moved together. */
INLINED uint64_t gather(uint64_t x)
{
    x = (x & 0x007F007F007F007F) | (x & 0x7F007F007F007F00) >> 1;
    x = (x & 0x00003FFF00003FFF) | (x & 0x3FFF00003FFF0000) >> 2;
    return (x & 0x000000000FFFFFFF) | (x & 0x0FFFFFFF00000000) >> 4;
}

INLINED bool take_long(const uint8_t **p, const uint8_t *end, int64_t *out)
{
    uint64_t x, stops;

    if (*p < end && **p < 0x80) { // most numbers are small
        uint8_t b = *(*p)++;
        *out = (int64_t)(b >> 1) ^ -(int64_t)(b & 1);
        return true;
    }
    if (__BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__ || (size_t)(end - *p) < sizeof x)
        return take_long_slow(p, end, out);
    memcpy(&x, *p, sizeof x);
    stops = ~x & 0x8080808080808080; // the last byte of a number has no bit there
    if (stops == 0)
        return take_long_slow(p, end, out);
    *p += __builtin_ctzll(stops) / 8 + 1;
    x = gather(x & (stops ^ (stops - 1)));
    *out = (int64_t)(x >> 1) ^ -(int64_t)(x & 1);
    return true;
}

#define INT_BYTES 5

INLINED bool take_int(const uint8_t **p, const uint8_t *end, int64_t *out)
{
    const uint8_t *at = *p;

    return take_long(p, end, out) && *out == (int32_t)*out && *p - at <= INT_BYTES;
}

INLINED bool take_index(const uint8_t **p, const uint8_t *end, uint32_t n,
                        uint32_t *out)
{
    const uint8_t *at = *p;
    int64_t i;

    if (!take_long(p, end, &i) || i < 0 || i >= n || *p - at > INT_BYTES)
        return false;
    *out = (uint32_t)i;
    return true;
}

INLINED bool take_real(const uint8_t **p, const uint8_t *end, size_t n, void *to)
{
    if ((size_t)(end - *p) < n)
        return false;
    memcpy(to, *p, n); // little-endian, as IEEE 754 lies in ours
    *p += n;
    return true;
}

INLINED bool take_bytes(const uint8_t **p, const uint8_t *end, struct span *out)
{
    int64_t n;

    if (!take_long(p, end, &n) || n < 0 || n > end - *p)
        return false;
    *out = span_of(*p, (size_t)n);
    *p += n;
    return true;
}

/* ---- into a column ---- */

INLINED bool make_room(struct run *r, struct column *c)
{
    return c->n < c->cap || column_grow(r->set, c);
}

INLINED void count_value(struct column *c)
{
    column_mark(c);
    c->n++;
}

INLINED bool put_value(struct run *r, struct column *c, const void *x, size_t n)
{
    if (!make_room(r, c))
        return false;
    memcpy(c->values + c->n * n, x, n);
    count_value(c);
    return true;
}

INLINED bool put_int32(struct run *r, struct column *c, int32_t x)
{
    return put_value(r, c, &x, sizeof x);
}

INLINED bool put_int64(struct run *r, struct column *c, int64_t x)
{
    return put_value(r, c, &x, sizeof x);
}

INLINED bool put_float(struct run *r, struct column *c, float x)
{
    return put_value(r, c, &x, sizeof x);
}

INLINED bool put_double(struct run *r, struct column *c, double x)
{
    return put_value(r, c, &x, sizeof x);
}

static bool put_boolean(struct run *r, struct column *c, bool x)
{
    if (!make_room(r, c))
        return false;
    c->values[c->n >> 3] |= (uint8_t)(x << (c->n & 7));
    count_value(c);
    return true;
}

/* Short texts are copied in one move, past their end, where both sides have the room.
 */
INLINED void copy_text(uint8_t *to, struct span x, const uint8_t *end)
{
    if (x.n <= COLUMN_SLACK && (size_t)(end - x.p) >= COLUMN_SLACK) {
        memcpy(to, x.p, COLUMN_SLACK);
    } else if (x.n >= 16 && x.n <= 32) { // twice sixteen, which overlap
        memcpy(to, x.p, 16);
        memcpy(to + x.n - 16, x.p + x.n - 16, 16);
    } else if (x.n > 0) {
        memcpy(to, x.p, x.n);
    }
}

INLINED bool put_text(struct run *r, struct column *c, struct span x,
                      const uint8_t *end)
{
    if (!make_room(r, c) ||
        (x.n > c->cap_bytes - c->n_bytes && !column_grow_bytes(r->set, c, x.n)))
        return false;
    if (x.n > 0)
        copy_text(c->bytes + c->n_bytes, x, end);
    c->n_bytes += x.n;
    c->offsets[c->n + 1] = (int32_t)c->n_bytes;
    count_value(c);
    return true;
}

#ifdef __SSE2__
/* A bit for each of 16 bytes that is no ASCII. */
INLINED uint32_t high_bits(const uint8_t *p)
{
    return (uint32_t)_mm_movemask_epi8(_mm_loadu_si128((const __m128i *)p));
}
#endif

/* utf8_ok(), without the call for short ASCII. */
INLINED bool is_text(struct span x, const uint8_t *end)
{
    (void)end;
#ifdef __SSE2__
    if (x.n < 32 && end - x.p >= 32 &&
        ((high_bits(x.p) | high_bits(x.p + 16) << 16) & ((1u << x.n) - 1)) == 0)
        return true;
    if (x.n >= 16 && x.n <= 32 && (high_bits(x.p) | high_bits(x.p + x.n - 16)) == 0)
        return true;
#endif
    return utf8_ok(x);
}

/* ---- texts and bytes that become something else ---- */

static bool put_made(struct run *r, struct column *c)
{
    if (r->r->text.over)
        return false;
    struct span made = buf_span(&r->r->text);

    return put_text(r, c, made, made.p + made.n);
}

static bool put_decimal_text(struct run *r, struct column *c, struct span x)
{
    struct err ignored;

    buf_reset(&r->r->text);
    return value_decimal_text(&r->r->text, c->node, x, &ignored) == ERR_OK &&
           put_made(r, c);
}

static bool put_decimal_value(struct run *r, struct column *c, struct span x)
{
    uint64_t words[4];

    return value_decimal(words, x, c->bound) && put_value(r, c, words, c->width);
}

static bool put_uuid_value(struct run *r, struct column *c, struct span x)
{
    uint8_t bytes[16];

    if (c->node->type == AV_FIXED)
        return put_value(r, c, x.p, sizeof bytes);
    return uuid_read(bytes, x) && put_value(r, c, bytes, sizeof bytes);
}

static bool put_duration_value(struct run *r, struct column *c, struct span x)
{
    if (!make_room(r, c))
        return false;
    for (size_t i = 0; i < 3; i++) {
        const uint8_t *p = x.p + 4 * i;
        uint32_t part = (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 |
                        (uint32_t)p[3] << 24;
        if (!put_int32(r, &c->children[i], (int32_t)part))
            return false;
    }
    count_value(c);
    return true;
}

static bool walk_span(struct run *r, const struct step *s)
{
    struct span x;

    if (s->size != NO_SIZE) {
        if (s->size > left(r))
            return false;
        x = span_of(r->p, s->size);
        r->p += s->size;
    } else if (!take_bytes(&r->p, r->end, &x)) {
        return false;
    }
    if (s->is_text && !is_text(x, r->end))
        return false;
    switch (s->to->kind) {
    case COLUMN_UUID: return put_uuid_value(r, s->to, x);
    case COLUMN_DECIMAL: return put_decimal_value(r, s->to, x);
    case COLUMN_DURATION: return put_duration_value(r, s->to, x);
    case COLUMN_DECIMAL_TEXT:
    case COLUMN_BIG_DECIMAL: return put_decimal_text(r, s->to, x);
    default: return put_text(r, s->to, x, r->end); // a fixed of no size
    }
}

/* ---- what decode.h walks for us ---- */

static bool walk_plan(struct run *r, uint32_t op, struct av_visitor *v)
{
    struct av_plan from_here = *r->plan;
    struct av_decode_limits lim =
        r->lim != NULL ? *r->lim : (struct av_decode_limits){0};
    size_t used;

    lim.first += (size_t)(r->p - r->start);

    from_here.root = op;
    if (av_decode(&from_here, span_of(r->p, left(r)), &lim, v, &used, &r->r->said) !=
        ERR_OK)
        return false;
    r->p += used;
    return true;
}

static bool skip(struct run *r, const struct step *s)
{
    static const struct av_visitor_ops nobody;
    struct av_visitor v = {&nobody};

    return walk_plan(r, s->op, &v);
}

static bool walk_json(struct run *r, const struct step *s)
{
    buf_reset(&r->r->text);
    av_to_json_init(r->r->json, &r->r->text, false);
    return walk_plan(r, s->op, &r->r->json->visitor) && put_made(r, s->to);
}

/* ---- what holds others ---- */

static bool walk_record(struct run *r, const struct step *s)
{
    if (!make_room(r, s->to))
        return false;
    if (!walk(r, &r->steps[s->first], s->n))
        return false;
    count_value(s->to);
    return true;
}

static bool walk_present(struct run *r, const struct step *s)
{
    return walk(r, &r->steps[s->first], s->n) && put_boolean(r, s->to, true);
}

static bool walk_fallback(struct run *r, const struct step *s)
{
    struct run inside = *r;

    inside.p = inside.start = s->fallback.p;
    inside.end = inside.p + s->fallback.n;
    return walk(&inside, &r->steps[s->first], 1);
}

/* Is a count of items possible, before any of them is read? */
static bool admit(struct run *r, const struct step *s, uint64_t n)
{
    if (s->least > 0 ? n > left(r) / s->least : n > r->empty_items)
        return false;
    if (n > r->items)
        return false;
    r->items -= n;
    r->empty_items -= s->least > 0 ? 0 : n;
    return true;
}

static bool take_block(struct run *r, const struct step *s, uint64_t *n,
                       const uint8_t **ends)
{
    int64_t count, size;

    *ends = NULL;
    if (!take_long(&r->p, r->end, &count))
        return false;
    *n = count < 0 ? -(uint64_t)count : (uint64_t)count;
    if (count < 0) {
        if (!take_long(&r->p, r->end, &size) || size < 0 || (uint64_t)size > left(r))
            return false;
        *ends = r->p + size;
    }
    return admit(r, s, *n);
}

static bool walk_entry(struct run *r, const struct step *s)
{
    struct span key;

    if (s->kind == STEP_MAP &&
        (!take_bytes(&r->p, r->end, &key) || !is_text(key, r->end) ||
         !put_text(r, &s->to->children[0], key, r->end)))
        return false;
    return walk(r, &r->steps[s->first], 1);
}

static bool walk_blocks(struct run *r, const struct step *s)
{
    const uint8_t *ends;
    uint64_t n;

    do {
        if (!take_block(r, s, &n, &ends))
            return false;
        for (uint64_t i = 0; i < n; i++)
            if (!walk_entry(r, s))
                return false;
        if (ends != NULL && ends != r->p)
            return false;
    } while (n > 0);
    return true;
}

static bool walk_list(struct run *r, const struct step *s)
{
    struct column *c = s->to;

    if (!make_room(r, c) || !walk_blocks(r, s) || c->children[0].n > TEXT_MOST)
        return false;
    c->offsets[c->n + 1] = (int32_t)c->children[0].n;
    count_value(c);
    return true;
}

static bool walk_member(struct run *r, const struct step *s)
{
    struct column *c = s->to;

    if (!make_room(r, c) || !walk(r, &r->steps[s->first], 1))
        return false;
    for (uint32_t i = 0; i < c->n_children; i++)
        if (i != s->member && !column_append_null(r->set, &c->children[i]))
            return false;
    count_value(c);
    return true;
}

static bool walk_symbol(struct run *r, const struct step *s)
{
    uint32_t i;

    if (!take_index(&r->p, r->end, s->n, &i))
        return false;
    if (s->kind == STEP_SYMBOL_MAP)
        i = r->plan->symbols[s->map + i];
    if (i == AV_NO_SYMBOL)
        return false;
    if (s->to->kind == COLUMN_ENUM)
        return put_int32(r, s->to, (int32_t)i);
    struct span text = s->to->node->symbols[i];
    return put_text(r, s->to, text, text.p + text.n);
}

static bool walk_boolean(struct run *r, const struct step *s)
{
    if (left(r) < 1 || *r->p > 1)
        return false;
    return put_boolean(r, s->to, *r->p++);
}

static bool walk_fixed(struct run *r, const struct step *s)
{
    if (s->size > left(r) || !put_value(r, s->to, r->p, s->size))
        return false;
    r->p += s->size;
    return true;
}

/* What is not read in walk() itself. */
static bool walk_other(struct run *r, const struct step *s)
{
    switch ((enum step_kind)s->kind) {
    case STEP_NULL: return column_append_null(r->set, s->to);
    case STEP_BOOLEAN: return walk_boolean(r, s);
    case STEP_FIXED: return walk_fixed(r, s);
    case STEP_SYMBOL:
    case STEP_SYMBOL_MAP: return walk_symbol(r, s);
    case STEP_SPAN: return walk_span(r, s);
    case STEP_RECORD: return walk_record(r, s);
    case STEP_PRESENT: return walk_present(r, s);
    case STEP_FALLBACK: return walk_fallback(r, s);
    case STEP_ARRAY:
    case STEP_MAP: return walk_list(r, s);
    case STEP_MEMBER: return walk_member(r, s);
    case STEP_JSON: return walk_json(r, s);
    case STEP_SKIP: return skip(r, s);
    default: return false; // STEP_REFUSE
    }
}

/* `n` steps, one after the other. */
static bool walk(struct run *r, const struct step *s, uint32_t n)
{
    const uint8_t *p = r->p, *const end = r->end;
    const struct step *const behind = s + n;
    struct span text;
    int64_t x;
    double d;
    float f;
    uint32_t i;
    bool ok = true;

    for (; s < behind && ok; s++) {
        const struct step *one = s;
    again:
        switch ((enum step_kind)one->kind) {
        case STEP_INT:
            ok = take_int(&p, end, &x) && put_int32(r, one->to, (int32_t)x);
            break;
        case STEP_INT_LONG:
            ok = take_int(&p, end, &x) && put_int64(r, one->to, x);
            break;
        case STEP_LONG: ok = take_long(&p, end, &x) && put_int64(r, one->to, x); break;
        case STEP_INT_FLOAT:
            ok = take_int(&p, end, &x) && put_float(r, one->to, (float)x);
            break;
        case STEP_INT_DOUBLE:
            ok = take_int(&p, end, &x) && put_double(r, one->to, (double)x);
            break;
        case STEP_LONG_FLOAT:
            ok = take_long(&p, end, &x) && put_float(r, one->to, (float)x);
            break;
        case STEP_LONG_DOUBLE:
            ok = take_long(&p, end, &x) && put_double(r, one->to, (double)x);
            break;
        case STEP_FLOAT:
            ok = take_real(&p, end, 4, &f) && put_float(r, one->to, f);
            break;
        case STEP_FLOAT_DOUBLE:
            ok = take_real(&p, end, 4, &f) && put_double(r, one->to, f);
            break;
        case STEP_DOUBLE:
            ok = take_real(&p, end, 8, &d) && put_double(r, one->to, d);
            break;
        case STEP_BYTES:
            ok = take_bytes(&p, end, &text) && put_text(r, one->to, text, end);
            break;
        case STEP_TEXT:
            ok = take_bytes(&p, end, &text) && is_text(text, end) &&
                 put_text(r, one->to, text, end);
            break;
        case STEP_UNION:
            if (!take_index(&p, end, one->n, &i))
                return false;
            one = &r->steps[one->first + i];
            goto again;
        case STEP_SKIP_LONG: ok = take_long(&p, end, &x); break;
        default:
            r->p = p;
            ok = walk_other(r, one);
            p = r->p;
            break;
        }
    }
    r->p = p;
    return ok;
}

/* ---- why not ---- */

struct checker {
    struct av_visitor visitor; // first
    bool uuids;
};

static enum err_kind on_span(struct av_visitor *v, const struct av_node *node,
                             struct span x, struct err *e)
{
    return value_check(node, x, ((const struct checker *)v)->uuids, e);
}

static const struct av_visitor_ops checks = {.bytes = on_span, .string = on_span};

/* The same datum again, by the walk that can tell. */
static enum err_kind explain(const struct run *r, struct span datum, struct err *e)
{
    struct checker v = {.visitor = {&checks}, .uuids = r->set->uuids};

    TRY(av_decode_all(r->plan, datum, r->lim, &v.visitor, e));
    if (r->r->said.kind != ERR_OK) {
        *e = r->r->said;
        return e->kind;
    }
    return err_set(e, ERR_LIMIT, "a record that takes more than %zu bytes in columns",
                   r->set->most);
}

enum err_kind columns_append(struct columns *c, struct route *route,
                             const struct av_plan *plan, struct span datum,
                             const struct av_decode_limits *lim, struct err *e)
{
    size_t rows = c->root.n;
    struct run r = {
        .p = datum.n > 0 ? datum.p : (const uint8_t *)"",
        .steps = route->steps,
        .set = c,
        .r = route,
        .plan = plan,
        .lim = lim,
        .items = lim != NULL && lim->items > 0 ? lim->items : ITEMS,
        .empty_items =
            lim != NULL && lim->empty_items > 0 ? lim->empty_items : EMPTY_ITEMS,
    };

    assert(route->plan == plan->id);
    r.start = r.p;
    r.end = r.p + datum.n;
    route->said.kind = ERR_OK;
    const struct step *root = &r.steps[route->root];
    bool ok = root->kind == STEP_RECORD ? walk_record(&r, root) : walk(&r, root, 1);
    if (ok && r.p == r.end) {
        c->root.n = rows + 1;
        return ERR_OK;
    }
    column_cut(&c->root, rows);
    return explain(&r, datum, e);
}
