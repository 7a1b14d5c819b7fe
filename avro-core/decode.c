#include "avro-core/decode.h"

#include "avro-core/resolve_inside.h"
#include "avro-core/varint.h"
#include "base/utf8.h"

#include <stdarg.h>
#include <stdio.h>

#define DEPTH 64
#define EMPTY_ITEMS 1000000
#define ITEMS 16000000

#define NOWHERE SIZE_MAX

/* Where we are inside a record, array or map: a chain on the stack, read for messages
 * only. */
struct place {
    const struct place *up;
    const struct av_op *op;
    size_t i; // step, item; NOWHERE before the first
    struct span key;
};

struct walker {
    const uint8_t *p, *end, *start;
    const uint8_t *at; // where the value began that the visitor is told
    const struct av_visitor_ops *calls;
    struct av_visitor *v;
    const struct av_op *ops;
    const uint32_t *symbols;
    const struct place *here;
    size_t depth, empty_items, items; // left of the limits
    size_t first;                     // what messages call `start`
    struct err *e;
};

static const struct av_visitor_ops silence = {0};

/* ---- saying where ---- */

#define PATH_SHOWN 100
#define KEY_SHOWN 32

static struct span place_name(const struct walker *w, const struct place *at,
                              char number[24])
{
    const struct av_op *op = at->op;

    if (op->kind == AV_OP_MAP)
        return at->key;
    if (op->kind == AV_OP_ARRAY)
        return span_of(number, (size_t)snprintf(number, 24, "%zu", at->i));
    if (at->i < op->writer->n_fields)
        return op->writer->fields[at->i].name;
    return w->ops[op->first + at->i].fallback->name;
}

/* What a stranger's key may put into a message: no control characters, no half
 * character. */
static void show_name(char *to, struct span name)
{
    for (size_t i = 0; i < name.n; i++)
        to[i] = name.p[i] < 0x20 || name.p[i] == 0x7F ? '?' : (char)name.p[i];
}

/* Writes the path from its end, so that what does not fit is lost at the front. */
static const char *show_path(const struct walker *w, char out[PATH_SHOWN + 1])
{
    char *p = out + PATH_SHOWN;

    *p = '\0';
    for (const struct place *at = w->here; at != NULL; at = at->up) {
        char number[24];

        if (at->i == NOWHERE)
            continue;
        struct span name = place_name(w, at, number);
        name.n = utf8_good(span_of(name.p, name.n < KEY_SHOWN ? name.n : KEY_SHOWN));
        if ((size_t)(p - out) < name.n + 4)
            return memcpy(p - 3, "...", 3);
        p -= name.n;
        show_name(p, name);
        *--p = '/';
    }
    return p;
}

static size_t offset(const struct walker *w, const uint8_t *at)
{
    return w->first + (size_t)(at - w->start);
}

static enum err_kind fail(const struct walker *w, enum err_kind kind, const uint8_t *at,
                          const char *fmt, ...) PRINTF_LIKE(4, 5);

static enum err_kind fail(const struct walker *w, enum err_kind kind, const uint8_t *at,
                          const char *fmt, ...)
{
    char why[AV_REFUSAL_SHOWN], room[PATH_SHOWN + 1];
    const char *path = show_path(w, room);
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(why, sizeof why, fmt, ap);
    va_end(ap);
    return err_set(w->e, kind, "byte %zu%s%s%s: %s", offset(w, at), *path ? " (" : "",
                   path, *path ? ")" : "", why);
}

/* The visitor blames the value at w->at: says which one that is. */
static enum err_kind pass_on(const struct walker *w, enum err_kind kind)
{
    char room[PATH_SHOWN + 1];

    if (!err_blames_input(kind)) // as of one who has seen enough
        return kind;
    const char *path = show_path(w, room);
    return err_prefix(w->e, "byte %zu%s%s%s", offset(w, w->at), *path ? " (" : "", path,
                      *path ? ")" : "");
}

/* Calls the visitor, unless it does not care. */
#define TELL(w, call, ...)                                                            \
    do {                                                                              \
        if ((w)->calls->call != NULL) {                                               \
            enum err_kind tell_kind_ = (w)->calls->call((w)->v, __VA_ARGS__, (w)->e); \
            if (tell_kind_ != ERR_OK)                                                 \
                return pass_on(w, tell_kind_);                                        \
        }                                                                             \
    } while (0)

static size_t left(const struct walker *w)
{
    return (size_t)(w->end - w->p);
}

static enum err_kind cut(const struct walker *w, const char *what, size_t takes)
{
    return fail(w, ERR_INVALID, w->p, "%s takes %zu bytes, %zu are left", what, takes,
                left(w));
}

/* ---- numbers ---- */

static enum err_kind read_long_slow(struct walker *w, int64_t *out)
{
    uint64_t u = 0;
    const uint8_t *p = w->p;

    for (int i = 0; i < VARINT_MOST; i++) {
        if (p == w->end)
            return fail(w, ERR_INVALID, w->p,
                        "a number ends after %d bytes, in its middle", i);
        uint8_t b = *p++;
        if (i == VARINT_MOST - 1 && b > 1)
            return fail(w, ERR_INVALID, w->p, "a number of more than 64 bits");
        u |= (uint64_t)(b & 0x7F) << (7 * i);
        if (b < 0x80)
            break;
    }
    w->p = p;
    *out = (int64_t)(u >> 1) ^ -(int64_t)(u & 1);
    return ERR_OK;
}

static inline enum err_kind read_long(struct walker *w, int64_t *out)
{
    if (w->p < w->end && *w->p < 0x80) { // most numbers are small
        uint8_t b = *w->p++;
        *out = (int64_t)(b >> 1) ^ -(int64_t)(b & 1);
        return ERR_OK;
    }
    return read_long_slow(w, out);
}

#define INT_BYTES 5 // of an int, however small; Avro Java takes no more either

static inline enum err_kind read_int(struct walker *w, int64_t *out)
{
    const uint8_t *at = w->p;

    TRY(read_long(w, out));
    if (*out < INT32_MIN || *out > INT32_MAX)
        return fail(w, ERR_INVALID, at, "int of %lld, out of range", (long long)*out);
    if (w->p - at > INT_BYTES)
        return fail(w, ERR_INVALID, at, "int of %d bytes, %d are the most",
                    (int)(w->p - at), INT_BYTES);
    return ERR_OK;
}

static inline uint64_t little_endian(const uint8_t *p, int n)
{
    uint64_t u = 0;

    for (int i = 0; i < n; i++)
        u |= (uint64_t)p[i] << (8 * i);
    return u;
}

static inline enum err_kind read_float(struct walker *w, double *out)
{
    if (left(w) < 4)
        return cut(w, "float", 4);
    uint32_t bits = (uint32_t)little_endian(w->p, 4);
    float f;

    memcpy(&f, &bits, sizeof f);
    w->p += 4;
    *out = (double)f;
    return ERR_OK;
}

static inline enum err_kind read_double(struct walker *w, double *out)
{
    if (left(w) < 8)
        return cut(w, "double", 8);
    uint64_t bits = little_endian(w->p, 8);

    memcpy(out, &bits, sizeof *out);
    w->p += 8;
    return ERR_OK;
}

static enum err_kind read_boolean(struct walker *w, bool *out)
{
    if (left(w) < 1)
        return cut(w, "boolean", 1);
    if (*w->p > 1)
        return fail(w, ERR_INVALID, w->p, "boolean of 0x%02x, neither 0 nor 1", *w->p);
    *out = *w->p++;
    return ERR_OK;
}

/* An index below n: of a symbol or a branch.  It is an int. */
static inline enum err_kind read_index(struct walker *w, const char *what, uint32_t n,
                                       uint32_t *out)
{
    const uint8_t *at = w->p;
    int64_t i;

    TRY(read_long(w, &i));
    if (i < 0 || i >= n)
        return fail(w, ERR_INVALID, at, "%s %lld, there are %u", what, (long long)i, n);
    if (w->p - at > INT_BYTES)
        return fail(w, ERR_INVALID, at, "%s in %d bytes, %d are the most", what,
                    (int)(w->p - at), INT_BYTES);
    *out = (uint32_t)i;
    return ERR_OK;
}

/* An int's or a long's value as the reader's float or double: rounded once, to that
 * type. */
static inline double as_real(const struct av_node *node, int64_t x)
{
    return node->type == AV_FLOAT ? (double)(float)x : (double)x;
}

/* ---- texts ---- */

static inline enum err_kind read_bytes(struct walker *w, const char *what,
                                       struct span *out)
{
    const uint8_t *at = w->p;
    int64_t n;

    TRY(read_long(w, &n));
    if (n < 0)
        return fail(w, ERR_INVALID, at, "%s of %lld bytes", what, (long long)n);
    if ((uint64_t)n > left(w))
        return fail(w, ERR_INVALID, at, "%s of %lld bytes, %zu are left", what,
                    (long long)n, left(w));
    *out = span_of(w->p, (size_t)n);
    w->p += n;
    return ERR_OK;
}

static inline enum err_kind read_text(struct walker *w, const char *what,
                                      struct span *out)
{
    TRY(read_bytes(w, what, out));
    size_t good = utf8_good(*out);
    if (good < out->n)
        return fail(w, ERR_INVALID, out->p + good, "%s is not UTF-8: 0x%02x", what,
                    out->p[good]);
    return ERR_OK;
}

static enum err_kind read_fixed(struct walker *w, const struct av_op *op,
                                struct span *out)
{
    size_t n = op->writer->size;

    if (n > left(w))
        return cut(w, "fixed", n);
    *out = span_of(w->p, n);
    w->p += n;
    return ERR_OK;
}

/* ---- what holds others ---- */

static enum err_kind walk(struct walker *w, const struct av_op *op);

static enum err_kind enter(struct walker *w)
{
    if (w->depth == 0)
        return fail(w, ERR_LIMIT, w->p, "records, arrays and maps nest too deep");
    w->depth--;
    return ERR_OK;
}

/* A field that only the writer has: its bytes are checked all the same. */
static enum err_kind skip(struct walker *w, const struct av_op *op)
{
    const struct av_visitor_ops *calls = w->calls;

    w->calls = &silence;
    TRY(walk(w, op));
    w->calls = calls;
    return ERR_OK;
}

/* A field that only the reader has: the same walk, over the default's bytes. */
static enum err_kind visit_fallback(struct walker *w, const struct av_op *op)
{
    const uint8_t *p = w->p, *end = w->end, *start = w->start;

    w->p = w->start = op->fallback->fallback_avro.p;
    w->end = w->p + op->fallback->fallback_avro.n;
    TRY(walk(w, &w->ops[op->first]));
    w->p = p;
    w->end = end;
    w->start = start;
    return ERR_OK;
}

static enum err_kind walk_record(struct walker *w, const struct av_op *op)
{
    const struct av_op *steps = &w->ops[op->first];
    struct place at = {.up = w->here, .op = op, .i = 0};

    TRY(enter(w));
    w->here = &at;
    TELL(w, record_begin, op->node);
    for (; at.i < op->n; at.i++) {
        const struct av_op *step = &steps[at.i];

        if (step->field == AV_SKIPPED) {
            TRY(skip(w, step));
            continue;
        }
        TELL(w, field, op->node, step->field);
        TRY(walk(w, step));
    }
    TELL(w, record_end, op->node);
    w->here = at.up;
    w->depth++;
    return ERR_OK;
}

/* Checks a count of items against what is left and the limits, before any is read. */
static enum err_kind admit(struct walker *w, const struct av_op *op, const uint8_t *at,
                           uint64_t n)
{
    if (op->n > 0 && n > left(w) / op->n)
        return fail(w, ERR_INVALID, at,
                    "block of %llu items of %u bytes or more, %zu are left",
                    (unsigned long long)n, op->n, left(w));
    if (n > w->items)
        return fail(w, ERR_LIMIT, at, "block of %llu items, %zu more are allowed",
                    (unsigned long long)n, w->items);
    w->items -= n;
    if (op->n > 0)
        return ERR_OK;
    if (n > w->empty_items)
        return fail(w, ERR_LIMIT, at,
                    "block of %llu items of no size, %zu more are allowed",
                    (unsigned long long)n, w->empty_items);
    w->empty_items -= n;
    return ERR_OK;
}

/* A block's head: how many items; *ends is where they must end, NULL when it does not
 * say. */
static enum err_kind read_block(struct walker *w, const struct av_op *op, uint64_t *n,
                                const uint8_t **ends)
{
    const uint8_t *at = w->p;
    int64_t count, size;

    TRY(read_long(w, &count));
    *ends = NULL;
    *n = count < 0 ? -(uint64_t)count : (uint64_t)count;
    if (count < 0) {
        TRY(read_long(w, &size));
        if (size < 0 || (uint64_t)size > left(w))
            return fail(w, ERR_INVALID, at, "block of %lld bytes, %zu are left",
                        (long long)size, left(w));
        *ends = w->p + size;
    }
    return admit(w, op, at, *n);
}

static enum err_kind check_end(const struct walker *w, const uint8_t *ends)
{
    if (ends != NULL && ends != w->p)
        return fail(w, ERR_INVALID, w->p,
                    "block ends at byte %zu, and said at byte %zu", offset(w, w->p),
                    offset(w, ends));
    return ERR_OK;
}

static enum err_kind walk_item(struct walker *w, const struct av_op *op,
                               struct place *at)
{
    at->i++; // from NOWHERE to 0 at first
    TELL(w, item, op->node);
    return walk(w, &w->ops[op->first]);
}

static enum err_kind walk_entry(struct walker *w, const struct av_op *op,
                                struct place *at)
{
    struct span key;

    at->i = NOWHERE; // until the key is known to be one
    w->at = w->p;
    TRY(read_text(w, "key", &key));
    at->i = 0;
    at->key = key;
    TELL(w, key, op->node, key);
    return walk(w, &w->ops[op->first]);
}

static enum err_kind walk_blocks(struct walker *w, const struct av_op *op,
                                 struct place *at)
{
    const uint8_t *ends;
    uint64_t n;

    for (;;) {
        TRY(read_block(w, op, &n, &ends));
        for (uint64_t i = 0; i < n; i++)
            TRY(op->kind == AV_OP_MAP ? walk_entry(w, op, at) : walk_item(w, op, at));
        TRY(check_end(w, ends));
        if (n == 0)
            return ERR_OK;
    }
}

static enum err_kind walk_array(struct walker *w, const struct av_op *op)
{
    struct place at = {.up = w->here, .op = op, .i = NOWHERE};

    TRY(enter(w));
    w->here = &at;
    TELL(w, array_begin, op->node);
    TRY(walk_blocks(w, op, &at));
    TELL(w, array_end, op->node);
    w->here = at.up;
    w->depth++;
    return ERR_OK;
}

static enum err_kind walk_map(struct walker *w, const struct av_op *op)
{
    struct place at = {.up = w->here, .op = op, .i = NOWHERE};

    TRY(enter(w));
    w->here = &at;
    TELL(w, map_begin, op->node);
    TRY(walk_blocks(w, op, &at));
    TELL(w, map_end, op->node);
    w->here = at.up;
    w->depth++;
    return ERR_OK;
}

static enum err_kind walk_symbol(struct walker *w, const struct av_op *op)
{
    const uint8_t *at = w->p;
    uint32_t i = 0;

    TRY(read_index(w, "symbol", op->n, &i));
    uint32_t to = op->kind == AV_OP_ENUM ? i : w->symbols[op->first + i];
    if (to == AV_NO_SYMBOL)
        return fail(w, ERR_INVALID, at,
                    "symbol " SPAN_FMT ", which the reader's enum has not",
                    SPAN_ARG(op->writer->symbols[i]));
    TELL(w, symbol, op->node, to);
    return ERR_OK;
}

static enum err_kind refuse(const struct walker *w, const struct av_op *op)
{
    char why[AV_REFUSAL_SHOWN];

    av_refusal_say(why, op);
    return fail(w, ERR_INVALID, w->p, "%s", why);
}

/*
 * One op.  A switch and not a table of functions: the leaves are a few instructions
 * each, and are read here without a call of their own.
 */
static enum err_kind walk(struct walker *w, const struct av_op *op)
{
    struct span text;
    int64_t x;
    double d;
    bool yes = false;
    uint32_t i = 0;

    w->at = w->p;
again:
    switch ((enum av_op_kind)op->kind) {
    case AV_OP_NULL: TELL(w, null, op->node); return ERR_OK;
    case AV_OP_BOOLEAN:
        TRY(read_boolean(w, &yes));
        TELL(w, boolean, op->node, yes);
        return ERR_OK;
    case AV_OP_INT:
        TRY(read_int(w, &x));
        TELL(w, int64, op->node, x);
        return ERR_OK;
    case AV_OP_LONG:
        TRY(read_long(w, &x));
        TELL(w, int64, op->node, x);
        return ERR_OK;
    case AV_OP_INT_REAL:
        TRY(read_int(w, &x));
        TELL(w, real, op->node, as_real(op->node, x));
        return ERR_OK;
    case AV_OP_LONG_REAL:
        TRY(read_long(w, &x));
        TELL(w, real, op->node, as_real(op->node, x));
        return ERR_OK;
    case AV_OP_FLOAT:
        TRY(read_float(w, &d));
        TELL(w, real, op->node, d);
        return ERR_OK;
    case AV_OP_DOUBLE:
        TRY(read_double(w, &d));
        TELL(w, real, op->node, d);
        return ERR_OK;
    case AV_OP_BYTES:
        TRY(read_bytes(w, "bytes", &text));
        TELL(w, bytes, op->node, text);
        return ERR_OK;
    case AV_OP_STRING:
        TRY(read_text(w, "string", &text));
        TELL(w, string, op->node, text);
        return ERR_OK;
    case AV_OP_BYTES_STRING:
        TRY(read_text(w, "bytes read as a string", &text));
        TELL(w, string, op->node, text);
        return ERR_OK;
    case AV_OP_STRING_BYTES:
        TRY(read_text(w, "string", &text));
        TELL(w, bytes, op->node, text);
        return ERR_OK;
    case AV_OP_FIXED:
        TRY(read_fixed(w, op, &text));
        TELL(w, bytes, op->node, text);
        return ERR_OK;
    case AV_OP_ENUM:
    case AV_OP_ENUM_MAP: return walk_symbol(w, op);
    case AV_OP_RECORD: return walk_record(w, op);
    case AV_OP_FALLBACK: return visit_fallback(w, op);
    case AV_OP_ARRAY: return walk_array(w, op);
    case AV_OP_MAP: return walk_map(w, op);
    case AV_OP_UNION:
        TRY(read_index(w, "branch", op->n, &i));
        op = &w->ops[op->first + i];
        goto again;
    case AV_OP_BRANCH:
        TELL(w, branch, op->node, op->n);
        op = &w->ops[op->first];
        goto again;
    case AV_OP_REFUSE: return refuse(w, op);
    }
    return err_set(w->e, ERR_INTERNAL, "plan with an op of kind %d", op->kind);
}

static struct walker start(const struct av_plan *plan, struct span in,
                           const struct av_decode_limits *lim, struct av_visitor *v,
                           struct err *e)
{
    static const struct av_decode_limits none = {0};

    if (lim == NULL)
        lim = &none;
    if (in.p == NULL) // nothing to point at is still something to subtract from
        in = span_of("", 0);
    return (struct walker){
        .p = in.p,
        .start = in.p,
        .end = in.p + in.n,
        .calls = v->ops,
        .v = v,
        .ops = plan->ops,
        .symbols = plan->symbols,
        .depth = lim->depth > 0 ? lim->depth : DEPTH,
        .empty_items = lim->empty_items > 0 ? lim->empty_items : EMPTY_ITEMS,
        .items = lim->items > 0 ? lim->items : ITEMS,
        .first = lim->first,
        .e = e,
    };
}

enum err_kind av_decode(const struct av_plan *plan, struct span in,
                        const struct av_decode_limits *lim, struct av_visitor *v,
                        size_t *used, struct err *e)
{
    struct walker w = start(plan, in, lim, v, e);

    TRY(walk(&w, &plan->ops[plan->root]));
    *used = (size_t)(w.p - w.start);
    return ERR_OK;
}

enum err_kind av_decode_all(const struct av_plan *plan, struct span in,
                            const struct av_decode_limits *lim, struct av_visitor *v,
                            struct err *e)
{
    size_t used;

    TRY(av_decode(plan, in, lim, v, &used, e));
    if (used != in.n)
        return err_set(e, ERR_INVALID,
                       "byte %zu: the datum ends here, %zu bytes follow",
                       (lim != NULL ? lim->first : 0) + used, in.n - used);
    return ERR_OK;
}
