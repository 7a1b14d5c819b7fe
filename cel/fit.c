#include "avro-core/number.h"
#include "avro-core/uuid.h"
#include "avro-core/varint.h"
#include "base/utf8.h"
#include "cel/cel_inside.h"

#include <math.h>

/*
 * A rule's result as Avro binary: what fits is written, nothing is bent.  In a union
 * the first branch takes it that has the value's own kind; then the first that takes it
 * at all (an int in a double).
 */
struct fitting {
    struct cel_run *run;
    struct buf *out;
    bool strict; // the own kind only
};

static bool fit(struct fitting *f, struct cel_value v, const struct av_node *n,
                struct cel_value *why);

static bool no_fit(struct fitting *f, struct cel_value v, const struct av_node *n,
                   struct cel_value *why)
{
    char name[AV_FULLNAME_SHOWN];

    av_node_name(name, n);
    *why =
        cel_failf(f->run, "a value of type %s, wanted %s%s%s", cel_kind_name(v.kind),
                  name, n->logical != AV_PLAIN ? " " : "", av_logical_name(n->logical));
    return false;
}

static void put_bytes(struct buf *out, struct span s)
{
    varint_append(out, (int64_t)s.n);
    buf_put(out, s);
}

/* Whole numbers and times */

/* Units of 1/per_second since 1970; false where digits would be lost. */
static bool units_of(struct cel_value t, int64_t per_second, int64_t *out)
{
    int64_t unit = 1000000000 / per_second, units;

    if (t.nanos % unit != 0 || __builtin_mul_overflow(t.i, per_second, &units))
        return false;
    return !__builtin_add_overflow(units, t.nanos / unit, out);
}

static bool whole_of_timestamp(struct cel_value t, enum av_logical l, int64_t *out)
{
    switch (l) {
    case AV_DATE: *out = t.i / 86400; return t.i % 86400 == 0 && t.nanos == 0;
    case AV_TIMESTAMP_MILLIS:
    case AV_LOCAL_TIMESTAMP_MILLIS: return units_of(t, 1000, out);
    case AV_TIMESTAMP_MICROS:
    case AV_LOCAL_TIMESTAMP_MICROS: return units_of(t, 1000000, out);
    case AV_TIMESTAMP_NANOS:
    case AV_LOCAL_TIMESTAMP_NANOS: return units_of(t, 1000000000, out);
    default: return false;
    }
}

static bool whole_of_duration(int64_t nanos, enum av_logical l, int64_t *out)
{
    int64_t unit = l == AV_TIME_MILLIS ? 1000000 : 1000;

    *out = nanos / unit;
    return (l == AV_TIME_MILLIS || l == AV_TIME_MICROS) && nanos % unit == 0 &&
           nanos >= 0 && nanos < 86400000000000;
}

static bool whole_of(const struct fitting *f, struct cel_value v,
                     const struct av_node *n, int64_t *out)
{
    switch (v.kind) {
    case CEL_INT: *out = v.i; return !f->strict || n->logical == AV_PLAIN;
    case CEL_UINT: *out = v.i; return v.u <= INT64_MAX && !f->strict;
    case CEL_TIMESTAMP: return whole_of_timestamp(v, n->logical, out);
    case CEL_DURATION: return whole_of_duration(v.i, n->logical, out);
    default: return false;
    }
}

static bool fit_whole(struct fitting *f, struct cel_value v, const struct av_node *n,
                      struct cel_value *why)
{
    int64_t x;

    if (!whole_of(f, v, n, &x) ||
        (n->type == AV_INT && (x < INT32_MIN || x > INT32_MAX)))
        return no_fit(f, v, n, why);
    varint_append(f->out, x);
    return true;
}

#define DOUBLE_WHOLE 9007199254740992 // a double holds every int up to it

/* Doubles: an int that a double holds exactly is one, unless a branch is its own. */
static bool double_of(const struct fitting *f, struct cel_value v, double *out)
{
    if (v.kind == CEL_DOUBLE) {
        *out = v.d;
        return true;
    }
    if (f->strict || (v.kind != CEL_INT && v.kind != CEL_UINT))
        return false;
    *out = v.kind == CEL_INT ? (double)v.i : (double)v.u;
    return v.kind == CEL_INT ? v.i >= -DOUBLE_WHOLE && v.i <= DOUBLE_WHOLE
                             : v.u <= DOUBLE_WHOLE;
}

static bool fit_real(struct fitting *f, struct cel_value v, const struct av_node *n,
                     struct cel_value *why)
{
    uint64_t bits = 0;
    double d;

    if (!double_of(f, v, &d))
        return no_fit(f, v, n, why);
    if (n->type == AV_FLOAT) {
        float narrow = (float)d;

        if (isinf(narrow) && !isinf(d))
            return no_fit(f, v, n, why);
        memcpy(&bits, &narrow, sizeof narrow);
        buf_put_le(f->out, bits, 4);
        return true;
    }
    memcpy(&bits, &d, sizeof d);
    buf_put_le(f->out, bits, 8);
    return true;
}

/* Decimals: any number or its text, exactly. */

static bool text_of_number(struct fitting *f, struct cel_value v, struct buf *out)
{
    switch (v.kind) {
    case CEL_DECIMAL: return cel_decimal_put(f->run, v, out);
    case CEL_INT: json_put_int(out, v.i); return !f->strict;
    case CEL_UINT: buf_printf(out, "%llu", (unsigned long long)v.u); return !f->strict;
    case CEL_DOUBLE:
        if (isfinite(v.d))
            json_put_double(out, v.d);
        return isfinite(v.d) && !f->strict;
    case CEL_STRING: buf_put(out, v.s); return !f->strict;
    default: return false;
    }
}

/* The number in the `size` bytes of a fixed: its sign goes on to the left. */
static bool put_fixed_decimal(struct buf *out, const struct number_bytes *x,
                              size_t size)
{
    uint8_t sign = x->n > 0 && x->p[0] >= 0x80 ? 0xFF : 0;

    if (x->n > size)
        return false;
    for (size_t i = x->n; i < size; i++)
        buf_put_u8(out, sign);
    buf_put(out, span_of(x->p, x->n));
    return true;
}

static void put_big(struct buf *out, const struct number_bytes *x, int32_t scale)
{
    struct buf inner = BUF_INIT(NUMBER_BYTES + 32);

    put_bytes(&inner, span_of(x->p, x->n));
    varint_append(&inner, scale);
    put_bytes(out, buf_span(&inner));
    buf_free(&inner);
}

static bool fit_decimal(struct fitting *f, struct cel_value v, const struct av_node *n,
                        struct cel_value *why)
{
    struct buf text = BUF_INIT(65536);
    struct number number;
    struct number_bytes x;
    int32_t scale;
    bool fits = text_of_number(f, v, &text) && number_scan(&number, buf_span(&text)) &&
                number.text.n == text.n;

    if (fits && n->logical == AV_BIG_DECIMAL) {
        fits = number_big_decimal(&x, &scale, &number) == NUMBER_FITS;
        if (fits)
            put_big(f->out, &x, scale);
    } else if (fits) {
        fits = number_decimal(&x, &number, n->precision, n->scale) == NUMBER_FITS;
        if (fits && n->type == AV_FIXED)
            fits = put_fixed_decimal(f->out, &x, n->size);
        else if (fits)
            put_bytes(f->out, span_of(x.p, x.n));
    }
    buf_free(&text);
    return fits || no_fit(f, v, n, why);
}

/* Bytes and texts */

static bool fit_bytes(struct fitting *f, struct cel_value v, const struct av_node *n,
                      struct cel_value *why)
{
    uint8_t uuid[16];

    if (n->logical == AV_DECIMAL || n->logical == AV_BIG_DECIMAL)
        return fit_decimal(f, v, n, why);
    if (n->logical == AV_UUID && v.kind == CEL_STRING && uuid_read(uuid, v.s)) {
        buf_put(f->out, span_of(uuid, sizeof uuid));
        return true;
    }
    if (v.kind != CEL_BYTES || (n->type == AV_FIXED && v.s.n != n->size))
        return no_fit(f, v, n, why);
    if (n->type == AV_FIXED)
        buf_put(f->out, v.s);
    else
        put_bytes(f->out, v.s);
    return true;
}

static bool fit_string(struct fitting *f, struct cel_value v, const struct av_node *n,
                       struct cel_value *why)
{
    uint8_t uuid[16];

    if (v.kind != CEL_STRING || !utf8_ok(v.s) ||
        (n->logical == AV_UUID && !uuid_read(uuid, v.s)))
        return no_fit(f, v, n, why);
    put_bytes(f->out, v.s);
    return true;
}

static bool fit_enum(struct fitting *f, struct cel_value v, const struct av_node *n,
                     struct cel_value *why)
{
    for (size_t i = 0; v.kind == CEL_STRING && i < n->n_symbols; i++)
        if (span_eq(v.s, n->symbols[i])) {
            varint_append(f->out, (int64_t)i);
            return true;
        }
    return no_fit(f, v, n, why);
}

/* Lists, maps, records */

static bool fit_items(struct fitting *f, struct cel_value v, const struct av_node *n,
                      struct cel_value *why)
{
    bool map = n->type == AV_MAP;
    struct cel_each each = cel_each_of(f->run, v);
    struct cel_value item, value;
    int64_t count = v.kind == (map ? CEL_MAP : CEL_LIST) ? cel_count(f->run, v) : -1;

    if (count < 0)
        return no_fit(f, v, n, why);
    if (count > 0)
        varint_append(f->out, count);
    while (cel_next(&each, &item, &value)) {
        if (map && item.kind != CEL_STRING)
            return no_fit(f, item, n, why);
        if (map)
            put_bytes(f->out, item.s);
        if (!fit(f, map ? value : item, n->items, why))
            return false;
    }
    buf_put_u8(f->out, 0);
    return true;
}

static bool fit_field(struct fitting *f, struct cel_value map,
                      const struct av_field *field, size_t *taken,
                      struct cel_value *why)
{
    struct cel_value v;

    if (cel_find(f->run, map, cel_string(field->name), &v)) {
        ++*taken;
        if (fit(f, v, field->type, why))
            return true;
        *why = cel_failf(f->run, "field " SPAN_FMT ": " SPAN_FMT, SPAN_ARG(field->name),
                         SPAN_ARG(why->s));
        return false;
    }
    if (field->fallback == NULL ||
        (field->fallback_avro.n == 0 && field->type->type != AV_NULL &&
         field->type->type != AV_RECORD)) {
        *why = cel_failf(f->run, "field " SPAN_FMT " is missing and has no default",
                         SPAN_ARG(field->name));
        return false;
    }
    buf_put(f->out, field->fallback_avro);
    return true;
}

static bool unknown_name(struct fitting *f, struct cel_value map,
                         const struct av_node *n, struct cel_value *why)
{
    struct cel_each each = cel_each_of(f->run, map);
    struct cel_value key;

    while (cel_next(&each, &key, NULL))
        if (key.kind != CEL_STRING || cel_field_index(n, key.s) < 0) {
            if (key.kind == CEL_STRING)
                *why = cel_failf(f->run, "the record has no field \"" SPAN_FMT "\"",
                                 SPAN_ARG(key.s));
            else
                no_fit(f, key, n, why);
            return true;
        }
    return false;
}

static bool fit_record(struct fitting *f, struct cel_value v, const struct av_node *n,
                       struct cel_value *why)
{
    size_t taken = 0;

    if (v.kind == CEL_MESSAGE && v.node == n) {
        const uint8_t *end = cel_skip(f->run, n, v.p);

        if (end != NULL)
            buf_put(f->out, span_of(v.p, (size_t)(end - v.p)));
        return end != NULL || no_fit(f, v, n, why);
    }
    if (v.kind != CEL_MAP)
        return no_fit(f, v, n, why);
    for (size_t i = 0; i < n->n_fields; i++)
        if (!fit_field(f, v, &n->fields[i], &taken, why))
            return false;
    return taken == (size_t)cel_count(f->run, v) || !unknown_name(f, v, n, why);
}

static bool fit_union(struct fitting *f, struct cel_value v, const struct av_node *n,
                      struct cel_value *why)
{
    bool strict = f->strict;
    size_t start = f->out->n;

    for (int lenient = 0; lenient <= !strict; lenient++) {
        f->strict = !lenient;
        for (size_t i = 0; i < n->n_branches; i++) {
            varint_append(f->out, (int64_t)i);
            if (fit(f, v, n->branches[i], why)) {
                f->strict = strict;
                return true;
            }
            buf_cut(f->out, start);
        }
    }
    f->strict = strict;
    if (n->n_branches != 2 || v.kind == CEL_NULL)
        return no_fit(f, v, n, why);
    return false; // of [null, T] the reason of T is the better one, if it came last
}

static bool fit_inside(struct fitting *f, struct cel_value v, const struct av_node *n,
                       struct cel_value *why)
{
    switch (n->type) {
    case AV_NULL: return v.kind == CEL_NULL || no_fit(f, v, n, why);
    case AV_BOOLEAN:
        if (v.kind != CEL_BOOL)
            return no_fit(f, v, n, why);
        buf_put_u8(f->out, v.b);
        return true;
    case AV_INT:
    case AV_LONG: return fit_whole(f, v, n, why);
    case AV_FLOAT:
    case AV_DOUBLE: return fit_real(f, v, n, why);
    case AV_BYTES:
    case AV_FIXED: return fit_bytes(f, v, n, why);
    case AV_STRING: return fit_string(f, v, n, why);
    case AV_ENUM: return fit_enum(f, v, n, why);
    case AV_RECORD: return fit_record(f, v, n, why);
    case AV_UNION: return fit_union(f, v, n, why);
    default: return fit_items(f, v, n, why);
    }
}

#define NESTING_MOST 200

static bool fit(struct fitting *f, struct cel_value v, const struct av_node *n,
                struct cel_value *why)
{
    if (!cel_steps(f->run, 1) || f->run->nesting >= NESTING_MOST) {
        *why = cel_fail("a result that is too large or too deep");
        return false;
    }
    f->run->nesting++;
    bool fits = fit_inside(f, v, n, why);
    f->run->nesting--;
    return fits;
}

bool cel_fit(struct cel_run *run, struct cel_value v, const struct av_node *n,
             struct buf *out, struct cel_value *why)
{
    struct fitting f = {.run = run, .out = out};
    size_t start = out->n;

    bool fits = fit(&f, v, n, why);
    if (fits && (out->over || run->broken != NULL)) {
        *why = run->broken != NULL ? cel_broken(run) : cel_fail("a record too large");
        fits = false;
    }
    if (!fits)
        buf_cut(out, start);
    return fits;
}
