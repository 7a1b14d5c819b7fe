#include "avro-core/to_json.h"

#include "avro-core/moment.h"
#include "avro-core/number.h"
#include "avro-core/put.h"
#include "avro-core/uuid.h"
#include "avro-core/varint.h"
#include "base/json.h"

#include <assert.h>
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

struct clock {
    int64_t per_second;
    bool is_time, is_local;
};

/* The types that have a clock; per_second is 0 for others. */
static const struct clock clocks[] = {
    [AV_TIME_MILLIS] = {1000, true, true},
    [AV_TIME_MICROS] = {1000000, true, true},
    [AV_TIMESTAMP_MILLIS] = {1000, false, false},
    [AV_TIMESTAMP_MICROS] = {1000000, false, false},
    [AV_TIMESTAMP_NANOS] = {1000000000, false, false},
    [AV_LOCAL_TIMESTAMP_MILLIS] = {1000, false, true},
    [AV_LOCAL_TIMESTAMP_MICROS] = {1000000, false, true},
    [AV_LOCAL_TIMESTAMP_NANOS] = {1000000000, false, true},
    [AV_DURATION] = {0, false, false},
};

/* ---- how encode.h reads a union without a wrapper: by what the value looks like ----
 */

enum shape { TRUTH, WHOLE, BROKEN, TEXT, LIST, OBJECT };

/* A value about to be written: WHOLE is a number without point and exponent. */
struct look {
    enum shape shape;
    struct span text; // TEXT
    int64_t whole;    // WHOLE
};

static bool is_real(const struct av_node *n)
{
    return n->type == AV_FLOAT || n->type == AV_DOUBLE || n->logical == AV_DECIMAL ||
           n->logical == AV_BIG_DECIMAL;
}

static bool is_symbol(const struct av_node *n, struct span text)
{
    for (size_t i = 0; i < n->n_symbols; i++)
        if (span_eq(n->symbols[i], text))
            return true;
    return false;
}

static bool is_special(struct span text)
{
    return span_eq(text, span_str("NaN")) || span_eq(text, span_str("Infinity")) ||
           span_eq(text, span_str("-Infinity"));
}

static bool is_number(struct span text)
{
    struct number x;

    return number_scan(&x, text) && x.text.n == text.n;
}

/* Rather yes than no: where the padding stands is not asked. */
static bool is_base64(struct span text)
{
    for (size_t i = 0; i < text.n; i++) {
        uint8_t c = text.p[i] | 0x20;
        if ((c < 'a' || c > 'z') && (text.p[i] < '/' || text.p[i] > '9') &&
            (text.p[i] == 0 || strchr("+-_=", text.p[i]) == NULL))
            return false;
    }
    return text.n % 4 == 0;
}

static bool is_moment(enum av_logical logical, struct span text)
{
    const struct clock *c = &clocks[logical];
    uint32_t parts[3];
    int32_t days;
    int64_t x;

    if (logical == AV_DATE)
        return moment_date(&days, text) == MOMENT_FITS;
    if (logical == AV_DURATION)
        return moment_duration(parts, text) == MOMENT_FITS;
    if (c->is_time)
        return moment_time(&x, text, c->per_second) == MOMENT_FITS;
    return moment_instant(&x, text, c->per_second, c->is_local) == MOMENT_FITS;
}

static bool takes_text(const struct av_node *n, struct span text)
{
    uint8_t id[16];

    switch (n->logical) {
    case AV_PLAIN: break;
    case AV_UUID: return uuid_read(id, text);
    case AV_DECIMAL:
    case AV_BIG_DECIMAL: return is_number(text);
    default: return is_moment(n->logical, text);
    }
    switch (n->type) {
    case AV_FLOAT:
    case AV_DOUBLE: return is_special(text);
    case AV_STRING: return true;
    case AV_ENUM: return is_symbol(n, text);
    case AV_BYTES: return is_base64(text);
    case AV_FIXED: return text.n == (n->size + 2) / 3 * 4 && is_base64(text);
    default: return false;
    }
}

/* True when a branch of that type might read the value.  An integer literal is meant
 * for int and long, any other number for the rest, as long as there is one to take it.
 */
static bool takes(const struct av_node *n, const struct look *look)
{
    switch (look->shape) {
    case TRUTH: return n->type == AV_BOOLEAN;
    case WHOLE:
        return n->type == AV_LONG || (n->type == AV_INT && look->whole >= INT32_MIN &&
                                      look->whole <= INT32_MAX);
    case BROKEN: return is_real(n);
    case TEXT: return takes_text(n, look->text);
    case LIST: return n->type == AV_ARRAY;
    case OBJECT: return n->type == AV_MAP || n->type == AV_RECORD;
    }
    return false;
}

static bool is_ambiguous(const struct av_node *u, uint32_t chosen,
                         const struct look *look)
{
    for (uint32_t i = 0; i < u->n_branches; i++)
        if (i != chosen && takes(u->branches[i], look))
            return true;
    return false;
}

/* What a wrapper calls a branch: its type, or the fullname of a named one.  The dot of
 * a fullname stands where the schema's text has none, so it comes in two parts. */
static bool branch_is_called(const struct av_node *b, struct span name)
{
    const struct av_name *full = &b->name;

    if (b->type != AV_RECORD && b->type != AV_ENUM && b->type != AV_FIXED)
        return span_eq(name, span_str(av_type_name(b->type)));
    if (full->space.n == 0)
        return span_eq(name, full->base);
    return name.n == full->space.n + 1 + full->base.n &&
           memcmp(name.p, full->space.p, full->space.n) == 0 &&
           name.p[full->space.n] == '.' &&
           span_eq(span_skip(name, full->space.n + 1), full->base);
}

static bool has_branch_called(const struct av_node *u, struct span name)
{
    for (size_t i = 0; i < u->n_branches; i++)
        if (branch_is_called(u->branches[i], name))
            return true;
    return false;
}

/* ---- wrappers ---- */

static void open_wrapper(struct av_to_json *w, const struct av_node *b)
{
    buf_put_str(w->out, "{\"");
    if (b->type == AV_RECORD || b->type == AV_ENUM || b->type == AV_FIXED) {
        buf_put(w->out, b->name.space);
        if (b->name.space.n > 0)
            buf_put_u8(w->out, '.');
        buf_put(w->out, b->name.base);
    } else {
        buf_put_str(w->out, av_type_name(b->type));
    }
    buf_put_str(w->out, "\":");
}

/* Opens the wrapper that a value of this look wants; true when there is one to close.
 */
static bool wrap(struct av_to_json *w, struct look look)
{
    const struct av_node *u = w->chosen_of;

    if (u == NULL)
        return false;
    w->chosen_of = NULL;
    const struct av_node *b = u->branches[w->chosen];
    bool wanted = w->avro_json ? b->type != AV_NULL : is_ambiguous(u, w->chosen, &look);
    if (wanted)
        open_wrapper(w, b);
    return wanted;
}

static void unwrap(struct av_to_json *w, bool wrapped)
{
    if (wrapped)
        buf_put_u8(w->out, '}');
}

/* After a value; the visitor's promise that a full buf ends the walk. */
static enum err_kind done(struct av_to_json *w, struct err *e)
{
    return w->out->over ? buf_status(w->out, e) : ERR_OK;
}

/* A text that needs no escapes. */
static void put_quoted(struct av_to_json *w, struct span text)
{
    buf_put_u8(w->out, '"');
    buf_put(w->out, text);
    buf_put_u8(w->out, '"');
}

/* ---- numbers ---- */

/* A text made aside, for a wrapper depends on it. */
static void put_made_text(struct av_to_json *w, struct buf *made)
{
    bool wrapped = wrap(w, (struct look){.shape = TEXT, .text = buf_span(made)});

    put_quoted(w, buf_span(made));
    unwrap(w, wrapped);
}

/* Dates and times as ISO 8601; false where the number has no such form. */
static bool put_moment(struct buf *out, enum av_logical logical, int64_t x)
{
    const struct clock *c = &clocks[logical];

    if (logical == AV_DATE)
        return put_date(out, x);
    if (c->per_second == 0)
        return false;
    return c->is_time ? put_time(out, x, c->per_second)
                      : put_instant(out, x, c->per_second, c->is_local);
}

static bool put_as_moment(struct av_to_json *w, const struct av_node *node, int64_t x)
{
    uint8_t room[64];
    struct buf made = {.p = room, .cap = sizeof room, .limit = sizeof room};

    if (w->avro_json || node->logical == AV_PLAIN ||
        !put_moment(&made, node->logical, x))
        return false;
    put_made_text(w, &made);
    return true;
}

static enum err_kind on_int64(struct av_visitor *v, const struct av_node *node,
                              int64_t x, struct err *e)
{
    struct av_to_json *w = (struct av_to_json *)v;

    if (!put_as_moment(w, node, x)) {
        bool wrapped = wrap(w, (struct look){.shape = WHOLE, .whole = x});
        json_put_int(w->out, x);
        unwrap(w, wrapped);
    }
    return done(w, e);
}

static const char *name_of_no_number(double x)
{
    if (isnan(x))
        return "NaN";
    return x > 0 ? "Infinity" : "-Infinity";
}

/* The shortest text that reads back as the same float: 0.1, where the double is
 * 0.10000000149011612. */
static void put_float(struct buf *out, float x)
{
    char text[32];

    if (x == 0) {
        json_put_double(out, (double)x);
        return;
    }
    for (int digits = 6; digits <= FLT_DECIMAL_DIG; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, (double)x);
        if (strtof(text, NULL) == x)
            break;
    }
    buf_put_str(out, text);
}

/* 5 would be an integer to whoever reads the JSON, the encoder not excepted; and -0 a
 * 0. */
static void put_point(struct buf *out)
{
    for (size_t i = 0; i < out->n; i++)
        if (out->p[i] == '.' || out->p[i] == 'e' || out->p[i] == 'E')
            return;
    buf_put_str(out, ".0");
}

static void put_real(struct av_to_json *w, const struct av_node *node, double x)
{
    uint8_t room[64];
    struct buf made = {.p = room, .cap = sizeof room, .limit = sizeof room};

    if (node->type == AV_FLOAT)
        put_float(&made, (float)x);
    else
        json_put_double(&made, x);
    put_point(&made);
    bool wrapped = wrap(w, (struct look){.shape = BROKEN});
    buf_put(w->out, buf_span(&made));
    unwrap(w, wrapped);
}

static enum err_kind on_real(struct av_visitor *v, const struct av_node *node, double x,
                             struct err *e)
{
    struct av_to_json *w = (struct av_to_json *)v;

    if (isfinite(x)) {
        put_real(w, node, x);
        return done(w, e);
    }
    struct span name = span_str(name_of_no_number(x));
    bool wrapped = wrap(w, (struct look){.shape = TEXT, .text = name});
    put_quoted(w, name);
    unwrap(w, wrapped);
    return done(w, e);
}

/* ---- bytes ---- */

/* Avro's JSON encoding: byte XX is the character U+00XX. */
static void put_latin(struct buf *out, struct span x)
{
    buf_put_u8(out, '"');
    for (size_t i = 0; i < x.n; i++) {
        uint8_t b = x.p[i];
        if (b < 0x20 || b >= 0x7F || b == '"' || b == '\\')
            buf_printf(out, "\\u%04X", b);
        else
            buf_put_u8(out, b);
    }
    buf_put_u8(out, '"');
}

static enum err_kind too_long(size_t n, struct err *e)
{
    return err_set(e, ERR_LIMIT, "decimal of %zu bytes, %d are the most", n,
                   PUT_DECIMAL_BYTES);
}

static enum err_kind make_decimal(struct buf *made, const struct av_node *node,
                                  struct span x, struct err *e)
{
    struct decimal d;

    if (!decimal_read(&d, x))
        return too_long(x.n, e);
    if (node->precision > 0 && d.n > (size_t)node->precision)
        return err_set(e, ERR_INVALID, "decimal of %zu digits, its precision is %d",
                       d.n, node->precision);
    put_decimal(made, &d, node->scale);
    return ERR_OK;
}

/* Avro Java's BigDecimalConversion: the unscaled number as Avro bytes, the scale as
 * int. */
static bool take_big_decimal(struct span s, struct span *unscaled, int64_t *scale)
{
    int64_t n;

    if (!varint_take(&s, &n) || n < 0 || (uint64_t)n > s.n)
        return false;
    *unscaled = span_of(s.p, (size_t)n);
    s = span_skip(s, (size_t)n);
    return varint_take(&s, scale) && s.n == 0 && *scale >= INT32_MIN &&
           *scale <= INT32_MAX;
}

static enum err_kind make_big_decimal(struct buf *made, struct span x, struct err *e)
{
    struct span unscaled;
    int64_t scale;
    struct decimal d;

    if (!take_big_decimal(x, &unscaled, &scale))
        return err_set(e, ERR_INVALID, "big-decimal of %zu bytes is malformed", x.n);
    if (!decimal_read(&d, unscaled))
        return too_long(unscaled.n, e);
    put_big_decimal(made, &d, (int32_t)scale);
    return ERR_OK;
}

static enum err_kind put_as_number(struct av_to_json *w, const struct av_node *node,
                                   struct span x, struct err *e)
{
    uint8_t room[2 * PUT_DECIMAL_DIGITS];
    struct buf made = {.p = room, .cap = sizeof room, .limit = sizeof room};

    if (node->logical == AV_DECIMAL)
        TRY(make_decimal(&made, node, x, e));
    else
        TRY(make_big_decimal(&made, x, e));
    TRY(buf_status(&made, e));
    put_made_text(w, &made);
    return done(w, e);
}

static void put_short(struct av_to_json *w, const struct av_node *node, struct span x)
{
    uint8_t room[64];
    struct buf made = {.p = room, .cap = sizeof room, .limit = sizeof room};

    if (node->logical == AV_UUID)
        put_uuid(&made, x.p);
    else
        put_duration(&made, x.p);
    put_made_text(w, &made);
}

static struct span put_quoted_base64(struct buf *out, struct span x)
{
    size_t at = out->n + 1;

    buf_put_u8(out, '"');
    put_base64(out, x);
    buf_put_u8(out, '"');
    return out->over ? (struct span){0} : span_of(out->p + at, out->n - at - 1);
}

/* Written first and looked at then: base64 may be long, and is hardly ever anything
 * else. */
static void put_chosen_base64(struct av_to_json *w, struct span x)
{
    const struct av_node *u = w->chosen_of;
    size_t before = w->out->n;
    struct look look = {.shape = TEXT, .text = put_quoted_base64(w->out, x)};

    w->chosen_of = NULL;
    if (w->out->over || !is_ambiguous(u, w->chosen, &look))
        return;
    buf_cut(w->out, before);
    open_wrapper(w, u->branches[w->chosen]);
    put_quoted_base64(w->out, x);
    unwrap(w, true);
}

static void put_binary(struct av_to_json *w, struct span x)
{
    if (w->avro_json) {
        bool wrapped = wrap(w, (struct look){.shape = TEXT});
        put_latin(w->out, x);
        unwrap(w, wrapped);
    } else if (w->chosen_of != NULL) {
        put_chosen_base64(w, x);
    } else {
        put_quoted_base64(w->out, x);
    }
}

static enum err_kind on_bytes(struct av_visitor *v, const struct av_node *node,
                              struct span x, struct err *e)
{
    struct av_to_json *w = (struct av_to_json *)v;
    enum av_logical logical = w->avro_json ? AV_PLAIN : node->logical;

    if (logical == AV_DECIMAL || logical == AV_BIG_DECIMAL)
        return put_as_number(w, node, x, e);
    if (logical == AV_UUID || logical == AV_DURATION)
        put_short(w, node, x);
    else
        put_binary(w, x);
    return done(w, e);
}

/* ---- the other leaves ---- */

static enum err_kind on_string(struct av_visitor *v, const struct av_node *node,
                               struct span x, struct err *e)
{
    struct av_to_json *w = (struct av_to_json *)v;
    bool wrapped = wrap(w, (struct look){.shape = TEXT, .text = x});

    (void)node;
    json_put_string(w->out, x);
    unwrap(w, wrapped);
    return done(w, e);
}

static enum err_kind on_symbol(struct av_visitor *v, const struct av_node *node,
                               uint32_t i, struct err *e)
{
    struct av_to_json *w = (struct av_to_json *)v;
    bool wrapped = wrap(w, (struct look){.shape = TEXT, .text = node->symbols[i]});

    put_quoted(w, node->symbols[i]);
    unwrap(w, wrapped);
    return done(w, e);
}

static enum err_kind on_null(struct av_visitor *v, const struct av_node *node,
                             struct err *e)
{
    struct av_to_json *w = (struct av_to_json *)v;

    (void)node;
    w->chosen_of = NULL; // null is never wrapped
    buf_put_str(w->out, "null");
    return done(w, e);
}

static enum err_kind on_boolean(struct av_visitor *v, const struct av_node *node,
                                bool x, struct err *e)
{
    struct av_to_json *w = (struct av_to_json *)v;
    bool wrapped = wrap(w, (struct look){.shape = TRUTH});

    (void)node;
    buf_put_str(w->out, x ? "true" : "false");
    unwrap(w, wrapped);
    return done(w, e);
}

static enum err_kind on_branch(struct av_visitor *v, const struct av_node *node,
                               uint32_t i, struct err *e)
{
    struct av_to_json *w = (struct av_to_json *)v;

    (void)e;
    w->chosen_of = node;
    w->chosen = i;
    return ERR_OK;
}

/* ---- what holds others ---- */

static enum err_kind down(struct av_to_json *w, bool wrapped, struct err *e)
{
    if (w->depth == AV_TO_JSON_DEPTH)
        return err_set(e, ERR_LIMIT, "JSON of more than %d levels", AV_TO_JSON_DEPTH);
    w->level[w->depth].some = false;
    w->level[w->depth].wrapped = wrapped;
    w->level[w->depth].unsure_of = NULL;
    w->depth++;
    return done(w, e);
}

static enum err_kind up(struct av_to_json *w, char close, struct err *e)
{
    assert(w->depth > 0);
    w->depth--;
    buf_put_u8(w->out, (uint8_t)close);
    unwrap(w, w->level[w->depth].wrapped);
    return done(w, e);
}

static void comma(struct av_to_json *w)
{
    if (w->level[w->depth - 1].some)
        buf_put_u8(w->out, ',');
    w->level[w->depth - 1].some = true;
}

/* An object of one member called like a branch would be taken for a wrapper. */
static bool looks_like_wrapper(const struct av_node *u, const struct av_node *record)
{
    return record->n_fields == 1 && has_branch_called(u, record->fields[0].name);
}

static enum err_kind on_record_begin(struct av_visitor *v, const struct av_node *node,
                                     struct err *e)
{
    struct av_to_json *w = (struct av_to_json *)v;
    const struct av_node *u = w->chosen_of;
    bool wrapped = wrap(w, (struct look){.shape = OBJECT});

    if (u != NULL && !wrapped && looks_like_wrapper(u, node)) {
        open_wrapper(w, node);
        wrapped = true;
    }
    buf_put_u8(w->out, '{');
    return down(w, wrapped, e);
}

static enum err_kind on_field(struct av_visitor *v, const struct av_node *node,
                              uint32_t i, struct err *e)
{
    struct av_to_json *w = (struct av_to_json *)v;

    comma(w);
    put_quoted(w, node->fields[i].name);
    buf_put_u8(w->out, ':');
    return done(w, e);
}

static enum err_kind on_record_end(struct av_visitor *v, const struct av_node *node,
                                   struct err *e)
{
    (void)node;
    return up((struct av_to_json *)v, '}', e);
}

static enum err_kind on_array_begin(struct av_visitor *v, const struct av_node *node,
                                    struct err *e)
{
    struct av_to_json *w = (struct av_to_json *)v;
    bool wrapped = wrap(w, (struct look){.shape = LIST});

    (void)node;
    buf_put_u8(w->out, '[');
    return down(w, wrapped, e);
}

static enum err_kind on_item(struct av_visitor *v, const struct av_node *node,
                             struct err *e)
{
    struct av_to_json *w = (struct av_to_json *)v;

    (void)node;
    comma(w);
    return done(w, e);
}

static enum err_kind on_array_end(struct av_visitor *v, const struct av_node *node,
                                  struct err *e)
{
    (void)node;
    return up((struct av_to_json *)v, ']', e);
}

/* A map's brace waits for its first key: whether it looks like a wrapper shows only
 * then. */
static enum err_kind on_map_begin(struct av_visitor *v, const struct av_node *node,
                                  struct err *e)
{
    struct av_to_json *w = (struct av_to_json *)v;
    const struct av_node *u = w->chosen_of;
    bool wrapped = wrap(w, (struct look){.shape = OBJECT});

    (void)node;
    TRY(down(w, wrapped, e));
    if (u != NULL && !wrapped) {
        w->level[w->depth - 1].unsure_of = u;
        w->level[w->depth - 1].unsure = w->chosen;
    } else {
        buf_put_u8(w->out, '{');
    }
    return done(w, e);
}

static void begin_unsure(struct av_to_json *w, const struct span *key)
{
    const struct av_node *u = w->level[w->depth - 1].unsure_of;

    if (u == NULL)
        return;
    w->level[w->depth - 1].unsure_of = NULL;
    if (key != NULL && has_branch_called(u, *key)) {
        open_wrapper(w, u->branches[w->level[w->depth - 1].unsure]);
        w->level[w->depth - 1].wrapped = true;
    }
    buf_put_u8(w->out, '{');
}

static enum err_kind on_key(struct av_visitor *v, const struct av_node *node,
                            struct span key, struct err *e)
{
    struct av_to_json *w = (struct av_to_json *)v;

    (void)node;
    begin_unsure(w, &key);
    comma(w);
    json_put_string(w->out, key);
    buf_put_u8(w->out, ':');
    return done(w, e);
}

static enum err_kind on_map_end(struct av_visitor *v, const struct av_node *node,
                                struct err *e)
{
    struct av_to_json *w = (struct av_to_json *)v;

    (void)node;
    begin_unsure(w, NULL);
    return up(w, '}', e);
}

static const struct av_visitor_ops ops = {
    .null = on_null,
    .boolean = on_boolean,
    .int64 = on_int64,
    .real = on_real,
    .bytes = on_bytes,
    .string = on_string,
    .symbol = on_symbol,
    .branch = on_branch,
    .record_begin = on_record_begin,
    .field = on_field,
    .record_end = on_record_end,
    .array_begin = on_array_begin,
    .item = on_item,
    .array_end = on_array_end,
    .map_begin = on_map_begin,
    .key = on_key,
    .map_end = on_map_end,
};

void av_to_json_init(struct av_to_json *w, struct buf *out, bool avro_json)
{
    w->visitor.ops = &ops;
    w->out = out;
    w->avro_json = avro_json;
    w->depth = 0;
    w->chosen_of = NULL;
}
