#include "aggregate/shape.h"

#include "aggregate/whole.h"

#include <inttypes.h>
#include <stdio.h>

static const char *const functions[] = {"count", "sum", "min", "max", "avg", "last"};
#define N_FUNCTIONS (sizeof functions / sizeof *functions)

const char *agg_function_name(enum agg_function fn)
{
    return functions[fn];
}

bool agg_function_read(enum agg_function *out, struct span name)
{
    for (size_t i = 0; i < N_FUNCTIONS; i++)
        if (span_eq(name, span_str(functions[i]))) {
            *out = (enum agg_function)i;
            return true;
        }
    return false;
}

/* Every type a table can have but decimals, by the name the shape's text has for it. */
static const struct {
    const char *name;
    struct agg_type type;
} types[] = {
    {"boolean", {AGG_WHOLE, AV_BOOLEAN, AV_PLAIN, 0}},
    {"long", {AGG_WHOLE, AV_LONG, AV_PLAIN, 0}},
    {"double", {AGG_REAL, AV_DOUBLE, AV_PLAIN, 0}},
    {"string", {AGG_TEXT, AV_STRING, AV_PLAIN, 0}},
    {"bytes", {AGG_TEXT, AV_BYTES, AV_PLAIN, 0}},
    {"uuid", {AGG_TEXT, AV_STRING, AV_UUID, 0}},
    {"date", {AGG_WHOLE, AV_INT, AV_DATE, 0}},
    {"time-millis", {AGG_WHOLE, AV_INT, AV_TIME_MILLIS, 0}},
    {"time-micros", {AGG_WHOLE, AV_LONG, AV_TIME_MICROS, 0}},
    {"timestamp-millis", {AGG_WHOLE, AV_LONG, AV_TIMESTAMP_MILLIS, 0}},
    {"timestamp-micros", {AGG_WHOLE, AV_LONG, AV_TIMESTAMP_MICROS, 0}},
    {"timestamp-nanos", {AGG_WHOLE, AV_LONG, AV_TIMESTAMP_NANOS, 0}},
    {"local-timestamp-millis", {AGG_WHOLE, AV_LONG, AV_LOCAL_TIMESTAMP_MILLIS, 0}},
    {"local-timestamp-micros", {AGG_WHOLE, AV_LONG, AV_LOCAL_TIMESTAMP_MICROS, 0}},
    {"local-timestamp-nanos", {AGG_WHOLE, AV_LONG, AV_LOCAL_TIMESTAMP_NANOS, 0}},
};
#define N_TYPES (sizeof types / sizeof *types)

static struct agg_type decimal(int scale)
{
    return (struct agg_type){AGG_WHOLE, AV_BYTES, AV_DECIMAL, scale};
}

static bool by_logical(struct agg_type *out, enum av_logical logical)
{
    for (size_t i = 0; i < N_TYPES; i++)
        if (logical != AV_PLAIN && types[i].type.logical == logical) {
            *out = types[i].type;
            return true;
        }
    return false;
}

static enum err_kind plain(struct agg_type *out, const struct av_node *n, struct err *e)
{
    char name[AV_FULLNAME_SHOWN];

    switch (n->type) {
    case AV_BOOLEAN: *out = types[0].type; return ERR_OK;
    case AV_INT:
    case AV_LONG: *out = types[1].type; return ERR_OK;
    case AV_FLOAT:
    case AV_DOUBLE: *out = types[2].type; return ERR_OK;
    case AV_STRING:
    case AV_ENUM: *out = types[3].type; return ERR_OK;
    case AV_BYTES:
    case AV_FIXED: *out = types[4].type; return ERR_OK;
    default:
        av_node_name(name, n);
        return err_set(e, ERR_INVALID, "of type %s, wanted one that holds a value",
                       name);
    }
}

enum err_kind agg_type_of(struct agg_type *out, const struct av_node *n, struct err *e)
{
    const struct av_node *other;

    if (av_is_nullable(n, &other))
        n = other;
    if (n->logical == AV_BIG_DECIMAL)
        return err_set(e, ERR_INVALID,
                       "a big-decimal, whose scale every value has for itself");
    if (n->logical == AV_DECIMAL && (n->scale < 0 || n->scale > WHOLE_DIGITS))
        return err_set(e, ERR_INVALID, "a decimal of scale %d, at most %d will do",
                       n->scale, WHOLE_DIGITS);
    if (n->logical == AV_DECIMAL) {
        *out = decimal(n->scale);
        return ERR_OK;
    }
    return by_logical(out, n->logical) ? ERR_OK : plain(out, n, e);
}

void agg_type_put(struct buf *out, const struct agg_type *t)
{
    if (t->logical == AV_DECIMAL) {
        buf_printf(out, "decimal(%d)", t->scale);
        return;
    }
    for (size_t i = 0; i < N_TYPES; i++)
        if (types[i].type.avro == t->avro && types[i].type.logical == t->logical)
            buf_put_str(out, types[i].name);
}

static bool read_scale(int *out, struct span text)
{
    int n = 0;

    if (text.n < 10 || text.n > 11 || memcmp(text.p, "decimal(", 8) != 0 ||
        text.p[text.n - 1] != ')')
        return false;
    for (size_t i = 8; i + 1 < text.n; i++) {
        if (text.p[i] < '0' || text.p[i] > '9')
            return false;
        n = n * 10 + (text.p[i] - '0');
    }
    *out = n;
    return n <= WHOLE_DIGITS;
}

bool agg_type_read(struct agg_type *out, struct span text)
{
    int scale;

    if (read_scale(&scale, text)) {
        *out = decimal(scale);
        return true;
    }
    for (size_t i = 0; i < N_TYPES; i++)
        if (span_eq(text, span_str(types[i].name))) {
            *out = types[i].type;
            return true;
        }
    return false;
}

static bool is_number(const struct agg_type *t)
{
    return t->kind == AGG_REAL || t->logical == AV_DECIMAL ||
           (t->kind == AGG_WHOLE && t->avro == AV_LONG && t->logical == AV_PLAIN);
}

enum err_kind agg_result_type(struct agg_type *out, enum agg_function fn,
                              const struct agg_type *in, struct err *e)
{
    if (fn == AGG_COUNT) {
        *out = types[1].type;
        return ERR_OK;
    }
    *out = *in;
    if (fn != AGG_SUM && fn != AGG_AVG)
        return ERR_OK;
    if (!is_number(in))
        return err_set(e, ERR_INVALID, "no number: %s makes nothing of it",
                       functions[fn]);
    if (in->kind == AGG_REAL)
        return ERR_OK;
    int scale = in->scale + (fn == AGG_AVG ? AGG_AVERAGE_DIGITS : 0);
    if (scale > WHOLE_DIGITS)
        return err_set(e, ERR_INVALID, "a decimal of scale %d: avg wants at most %d",
                       in->scale, WHOLE_DIGITS - AGG_AVERAGE_DIGITS);
    *out = decimal(scale); // exact: a long would overflow
    return ERR_OK;
}

bool agg_name_is_good(struct span name)
{
    if (name.n == 0 || name.n > 63 || (name.p[0] >= '0' && name.p[0] <= '9'))
        return false;
    for (size_t i = 0; i < name.n; i++) {
        uint8_t c = name.p[i];
        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
              (c >= '0' && c <= '9') || c == '_'))
            return false;
    }
    return true;
}

/* --- as text -----------------------------------------------------------------------
 */

void agg_shape_put(struct buf *out, const struct agg_shape *s)
{
    buf_printf(out, "window %" PRId64 "\n", s->window_ms);
    for (size_t i = 0; i < s->n_keys + s->n_columns; i++) {
        const struct agg_field *f = &s->fields[i];

        buf_put_str(out, i < s->n_keys ? "key " : "column ");
        buf_put(out, f->name);
        if (i >= s->n_keys)
            buf_printf(out, " %s", functions[f->fn]);
        buf_put_u8(out, ' ');
        agg_type_put(out, &f->type);
        buf_put_u8(out, '\n');
    }
}

/* Takes what stands before the next `end` (or the rest) off *text. */
static struct span word(struct span *text, char end)
{
    const uint8_t *at = text->n == 0 ? NULL : memchr(text->p, end, text->n);
    struct span w = span_of(text->p, at == NULL ? text->n : (size_t)(at - text->p));

    *text = span_skip(*text, w.n + 1);
    return w;
}

static bool read_window(int64_t *out, struct span line)
{
    uint64_t ms = 0;

    if (!span_eq(word(&line, ' '), span_str("window")) || line.n == 0 || line.n > 15)
        return false;
    for (size_t i = 0; i < line.n; i++) {
        if (line.p[i] < '0' || line.p[i] > '9')
            return false;
        ms = ms * 10 + (uint64_t)(line.p[i] - '0');
    }
    *out = (int64_t)ms;
    return true;
}

static bool read_field(struct agg_field *f, struct span line, bool *is_key,
                       struct arena *a)
{
    struct span what = word(&line, ' ');

    *is_key = span_eq(what, span_str("key"));
    *f = (struct agg_field){.name = word(&line, ' ')};
    if (!*is_key && !(span_eq(what, span_str("column")) &&
                      agg_function_read(&f->fn, word(&line, ' '))))
        return false;
    if (!agg_name_is_good(f->name) || !agg_type_read(&f->type, line))
        return false;
    f->name = arena_copy(a, f->name);
    return true;
}

enum err_kind agg_shape_read(struct agg_shape *out, struct span text, struct arena *a,
                             struct err *e)
{
    struct agg_shape s = {0};
    bool is_key;

    if (text.n > AGG_SHAPE_BYTES)
        return err_set(e, ERR_LIMIT, "a shape of %zu bytes, %d are the most", text.n,
                       AGG_SHAPE_BYTES);
    if (!read_window(&s.window_ms, word(&text, '\n')))
        return err_set(e, ERR_INVALID, "a shape without its window");
    struct agg_field *f = arena_array(a, AGG_KEYS_MOST + AGG_COLUMNS_MOST, sizeof *f);
    s.fields = f;
    while (text.n > 0) {
        size_t n = s.n_keys + s.n_columns;
        struct span line = word(&text, '\n');

        if (n == AGG_KEYS_MOST + AGG_COLUMNS_MOST)
            return err_set(e, ERR_LIMIT, "a shape of more than %zu fields", n);
        if (!read_field(&f[n], line, &is_key, a) || (is_key && s.n_columns > 0))
            return err_set(e, ERR_INVALID,
                           "a shape with the line \"" SPAN_FMT
                           "\", which means nothing",
                           SPAN_ARG(line));
        s.n_keys += is_key;
        s.n_columns += !is_key;
    }
    if (s.n_keys > AGG_KEYS_MOST || s.n_columns == 0)
        return err_set(e, ERR_INVALID, "a shape of %zu keys and %zu columns", s.n_keys,
                       s.n_columns);
    *out = s;
    return ERR_OK;
}
