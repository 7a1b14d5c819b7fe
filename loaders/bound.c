#include "loaders/bound.h"

#include "loaders/dialect_sql.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define DAY_US INT64_C(86400000000)
#define DAYS_TO_2000 10957

static uint64_t be(const uint8_t *p, size_t n)
{
    uint64_t v = 0;

    for (size_t i = 0; i < n; i++)
        v = v << 8 | p[i];
    return v;
}

static int64_t signed_be(const uint8_t *p, size_t n)
{
    uint64_t v = be(p, n);

    return n == 2 ? (int16_t)v : n == 4 ? (int32_t)v : (int64_t)v;
}

/* The next field of a row; p NULL = NULL. */
static struct span next_field(const uint8_t **p)
{
    uint32_t n = (uint32_t)be(*p, 4);
    const uint8_t *at = *p + 4;

    if (n == UINT32_MAX) {
        *p = at;
        return (struct span){0};
    }
    *p = at + n;
    return span_of(at, n);
}

static double read_real(enum table_form form, const uint8_t *p)
{
    uint64_t v = be(p, form == FORM_FLOAT4 ? 4 : 8);
    uint32_t v4 = (uint32_t)v;
    float f;
    double x;

    if (form == FORM_FLOAT4) {
        memcpy(&f, &v4, sizeof f);
        return f;
    }
    memcpy(&x, &v, sizeof x);
    return x;
}

/* --- the calendar: days since 1970 to year, month, day (proleptic Gregorian) -------
 */

static void civil(int64_t days, int64_t *year, int *month, int *day)
{
    days += 719468; // since 0000-03-01
    int64_t era = (days >= 0 ? days : days - 146096) / 146097;
    int64_t in_era = days - era * 146097;
    int64_t y = (in_era - in_era / 1460 + in_era / 36524 - in_era / 146096) / 365;
    int64_t in_year = in_era - (365 * y + y / 4 - y / 100);
    int64_t m = (5 * in_year + 2) / 153;

    *day = (int)(in_year - (153 * m + 2) / 5 + 1);
    *month = (int)(m < 10 ? m + 3 : m - 9);
    *year = y + era * 400 + (*month <= 2);
}

static int64_t floor_div(int64_t x, int64_t by)
{
    return x / by - (x % by < 0);
}

static int64_t days_of(enum table_form form, const uint8_t *p)
{
    int64_t x =
        form == FORM_DATE ? signed_be(p, 4) : floor_div(signed_be(p, 8), DAY_US);

    return x + DAYS_TO_2000;
}

/* --- text ------------------------------------------------------------------------- */

/* Years before 1 are PostgreSQL's: "0044-03-15 BC". */
static const char *put_day(struct buf *out, int64_t days)
{
    int64_t year;
    int month, day;

    civil(days, &year, &month, &day);
    buf_printf(out, "%04" PRId64 "-%02d-%02d", year > 0 ? year : 1 - year, month, day);
    return year > 0 ? "" : " BC";
}

static void put_clock(struct buf *out, int64_t us)
{
    buf_printf(out, "%02" PRId64 ":%02" PRId64 ":%02" PRId64 ".%06" PRId64,
               us / 3600000000, us / 60000000 % 60, us / 1000000 % 60, us % 1000000);
}

static void put_stamp(struct buf *out, bool zone, int64_t us)
{
    int64_t days = floor_div(us, DAY_US);
    const char *era = put_day(out, days + DAYS_TO_2000);

    buf_put_u8(out, ' ');
    put_clock(out, us - days * DAY_US);
    buf_put_str(out, zone ? "+00:00" : "");
    buf_put_str(out, era);
}

/* ndigits, weight, sign, scale, then digits of base 10000 (copy.h). */
static void put_numeric(struct buf *out, const uint8_t *p)
{
    int n = (int)be(p, 2), weight = (int)signed_be(p + 2, 2), scale = (int)be(p + 6, 2);

    if (be(p + 4, 2) == 0x4000)
        buf_put_u8(out, '-');
    if (weight < 0)
        buf_put_u8(out, '0');
    for (int i = 0; i <= weight; i++)
        buf_printf(out, i == 0 ? "%u" : "%04u",
                   i < n ? (unsigned)be(p + 8 + 2 * i, 2) : 0);
    if (scale == 0)
        return;
    buf_put_u8(out, '.');
    size_t end = out->n + (size_t)scale;
    for (int i = weight + 1; out->n < end && !out->over; i++)
        buf_printf(out, "%04u", i >= 0 && i < n ? (unsigned)be(p + 8 + 2 * i, 2) : 0);
    if (!out->over)
        buf_cut(out, end);
}

static void put_real(struct buf *out, enum table_form form, const uint8_t *p)
{
    double x = read_real(form, p);

    if (isnan(x))
        buf_put_str(out, "NaN");
    else if (isinf(x))
        buf_put_str(out, x < 0 ? "-Infinity" : "Infinity");
    else
        buf_printf(out, form == FORM_FLOAT4 ? "%.9g" : "%.17g", x);
}

static void put_uuid(struct buf *out, struct span x)
{
    for (size_t i = 0; i < x.n; i++)
        buf_printf(out, i == 4 || i == 6 || i == 8 || i == 10 ? "-%02x" : "%02x",
                   x.p[i]);
}

/* ISO 8601, which PostgreSQL reads as well. */
static void put_interval(struct buf *out, const uint8_t *p)
{
    int64_t us = signed_be(p, 8);

    buf_printf(out, "P%" PRId64 "M%" PRId64 "DT%" PRId64 ".%06" PRId64 "S",
               signed_be(p + 12, 4), signed_be(p + 8, 4), us / 1000000, us % 1000000);
}

void bound_put_text(struct buf *out, enum table_form form, bool zone, struct span field)
{
    switch (form) {
    case FORM_BOOL: buf_put_str(out, field.p[0] != 0 ? "1" : "0"); break;
    case FORM_INT2:
    case FORM_INT4:
    case FORM_INT8: buf_printf(out, "%" PRId64, signed_be(field.p, field.n)); break;
    case FORM_FLOAT4:
    case FORM_FLOAT8: put_real(out, form, field.p); break;
    case FORM_NUMERIC: put_numeric(out, field.p); break;
    case FORM_UUID: put_uuid(out, field); break;
    case FORM_DATE: buf_put_str(out, put_day(out, days_of(form, field.p))); break;
    case FORM_TIME: put_clock(out, signed_be(field.p, 8)); break;
    case FORM_TIMESTAMP: put_stamp(out, zone, signed_be(field.p, 8)); break;
    case FORM_INTERVAL: put_interval(out, field.p); break;
    case FORM_JSONB: buf_put(out, span_skip(field, 1)); break;
    case FORM_TEXT:
    case FORM_BYTEA:
    case FORM_JSON: buf_put(out, field); break;
    }
}

/* --- what is to be bound ---------------------------------------------------------- */

void bound_init(struct bound *b, const struct dialect *d)
{
    *b = (struct bound){.d = d};
}

void bound_free(struct bound *b)
{
    for (size_t i = 0; i < b->n; i++) {
        free(b->values[i].p);
        free(b->values[i].sizes);
    }
    free(b->columns);
    free(b->values);
    free(b->widest);
    free(b->caps);
    *b = (struct bound){.d = b->d};
}

static void make_columns(struct bound *b, size_t n)
{
    bound_free(b);
    b->n = n;
    b->columns = mem_array(n, sizeof *b->columns);
    b->values = mem_array(n, sizeof *b->values);
    b->widest = mem_array(n, sizeof *b->widest);
    b->caps = mem_array(n, sizeof *b->caps);
}

static void set_column(struct bound *b, size_t i, enum dialect_kind kind,
                       enum table_form form)
{
    b->columns[i] = (struct bound_column){form, kind, b->d->types[kind].bind};
    b->values[i].bind = b->d->types[kind].bind;
}

void bound_use(struct bound *b, const struct table *t, size_t extra)
{
    make_columns(b, t->n + extra);
    for (size_t i = 0; i < t->n; i++)
        set_column(b, i, dialect_kind(b->d, &t->columns[i]), t->columns[i].form);
    for (size_t i = 0; i < extra; i++)
        set_column(b, t->n + i, stage_columns[i].kind, stage_columns[i].form);
}

void bound_use_kinds(struct bound *b, const enum dialect_kind *kinds,
                     const enum table_form *forms, size_t n)
{
    make_columns(b, n);
    for (size_t i = 0; i < n; i++)
        set_column(b, i, kinds[i], forms[i]);
}

/* --- what the database can never hold --------------------------------------------- */

static enum err_kind check_year(const struct bound *b, enum table_form form,
                                struct span field, struct err *e)
{
    int64_t year;
    int month, day;

    civil(days_of(form, field.p), &year, &month, &day);
    if (year >= b->d->year_min && year <= b->d->year_max)
        return ERR_OK;
    return err_set(e, ERR_INVALID, "year %" PRId64 ": %s holds %d to %d", year,
                   b->d->name, b->d->year_min, b->d->year_max);
}

static enum err_kind check_field(const struct bound *b, const struct bound_column *c,
                                 struct span field, struct err *e)
{
    if (c->form == FORM_DATE || c->form == FORM_TIMESTAMP)
        return check_year(b, c->form, field, e);
    if (b->d->no_nan && (c->form == FORM_FLOAT4 || c->form == FORM_FLOAT8) &&
        !isfinite(read_real(c->form, field.p)))
        return err_set(e, ERR_INVALID, "%s holds neither NaN nor infinities",
                       b->d->name);
    return ERR_OK;
}

enum err_kind bound_check(const struct bound *b, const uint8_t *row, size_t *column,
                          struct err *e)
{
    const uint8_t *p = row + 2;

    for (size_t i = 0; i < b->n; i++) {
        struct span field = next_field(&p);
        *column = i;
        if (field.p != NULL)
            TRY(check_field(b, &b->columns[i], field, e));
    }
    return ERR_OK;
}

/* --- a chunk ---------------------------------------------------------------------- */

/* At least as many bytes as the value has when it is written. */
static size_t width(const struct bound_column *c, struct span field)
{
    size_t unit = c->bind == ODBC_WIDE ? 2 : 1;

    if (c->bind == ODBC_INT || c->bind == ODBC_DOUBLE)
        return 8;
    switch (c->form) {
    case FORM_TEXT:
    case FORM_JSON:
    case FORM_JSONB: return field.n * unit + unit;
    case FORM_BYTEA: return field.n == 0 ? 1 : field.n;
    case FORM_UUID: return 36 * unit + unit;
    case FORM_NUMERIC:
        return field.p == NULL
                   ? 8
                   : (size_t)(16 + 4 * be(field.p, 2) + be(field.p + 6, 2) +
                              (size_t)(4 * (signed_be(field.p + 2, 2) < 0
                                                ? 0
                                                : signed_be(field.p + 2, 2)))) *
                         unit;
    default: return 72 * unit;
    }
}

static size_t widen(struct bound *b, const uint8_t *row)
{
    const uint8_t *p = row + 2;
    size_t all = 0;

    for (size_t i = 0; i < b->n; i++) {
        size_t w = width(&b->columns[i], next_field(&p));
        b->widest[i] = w > b->widest[i] ? w : b->widest[i];
        all += b->widest[i];
    }
    return all;
}

/* How many rows fit; `widest` is then right for them. */
static size_t measure(struct bound *b, const uint8_t *rows,
                      const struct bound_row *index, size_t n)
{
    size_t before[ODBC_COLUMNS_MOST + 1];

    memset(b->widest, 0, b->n * sizeof *b->widest);
    for (size_t r = 0; r < n; r++) {
        memcpy(before, b->widest, b->n * sizeof *b->widest);
        size_t all = widen(b, rows + index[r].at);
        if (r > 0 && all * (r + 1) > BOUND_BYTES) {
            memcpy(b->widest, before, b->n * sizeof *b->widest);
            return r;
        }
    }
    return n;
}

static void make_room(struct bound *b, size_t rows)
{
    for (size_t i = 0; i < b->n; i++) {
        struct odbc_values *v = &b->values[i];
        // A statement stays prepared for a size: grow in steps, not with every chunk.
        size_t stride = 8;
        while (stride < b->widest[i])
            stride *= 2;
        v->stride = stride > BOUND_BYTES ? b->widest[i] : stride;
        if (rows * v->stride > b->caps[i].bytes) {
            b->caps[i].bytes = rows * v->stride;
            v->p = mem_grow(v->p, b->caps[i].bytes, 1);
        }
        if (rows > b->caps[i].rows) {
            b->caps[i].rows = rows;
            v->sizes = mem_grow(v->sizes, rows, sizeof *v->sizes);
        }
    }
}

/* The decoder's promise: it is UTF-8. */
static size_t widen_text(uint8_t *out, struct span x)
{
    uint16_t *to = (uint16_t *)(void *)out;
    size_t n = 0;

    for (size_t i = 0; i < x.n;) {
        uint32_t c = x.p[i];
        size_t more = c < 0x80 ? 0 : c < 0xe0 ? 1 : c < 0xf0 ? 2 : 3;
        c &= more == 0 ? 0x7f : 0x3fu >> more;
        for (size_t k = 1; k <= more && i + k < x.n; k++)
            c = c << 6 | (x.p[i + k] & 0x3f);
        i += more + 1;
        if (c >= 0x10000) {
            to[n++] = (uint16_t)(0xd800 + ((c - 0x10000) >> 10));
            to[n++] = (uint16_t)(0xdc00 + ((c - 0x10000) & 0x3ff));
        } else {
            to[n++] = (uint16_t)c;
        }
    }
    return n * 2;
}

static size_t store_text(uint8_t *to, const struct bound_column *c, struct span field,
                         struct buf *scratch)
{
    struct span text = field;

    if (c->form == FORM_JSONB) {
        text = span_skip(field, 1);
    } else if (c->form != FORM_TEXT && c->form != FORM_JSON && c->form != FORM_BYTEA) {
        buf_reset(scratch);
        bound_put_text(scratch, c->form, c->kind == KIND_INSTANT, field);
        text = buf_span(scratch);
    }
    if (c->bind == ODBC_WIDE)
        return widen_text(to, text);
    if (text.n > 0)
        memcpy(to, text.p, text.n);
    return text.n;
}

static int64_t store(uint8_t *to, const struct bound_column *c, struct span field,
                     struct buf *scratch)
{
    int64_t x;
    double real;

    if (field.p == NULL)
        return ODBC_NULL;
    switch (c->bind) {
    case ODBC_INT:
        x = c->form == FORM_BOOL ? field.p[0] != 0 : signed_be(field.p, field.n);
        memcpy(to, &x, sizeof x);
        return sizeof x;
    case ODBC_DOUBLE:
        real = read_real(c->form, field.p);
        memcpy(to, &real, sizeof real);
        return sizeof real;
    default: return (int64_t)store_text(to, c, field, scratch);
    }
}

size_t bound_fill(struct bound *b, const uint8_t *rows, const struct bound_row *index,
                  size_t n, size_t most)
{
    struct buf scratch = BUF_INIT(1 << 20);

    n = measure(b, rows, index, n < most ? n : most);
    make_room(b, n);
    for (size_t r = 0; r < n; r++) {
        const uint8_t *p = rows + index[r].at + 2;
        for (size_t i = 0; i < b->n; i++) {
            struct odbc_values *v = &b->values[i];
            v->sizes[r] =
                store(v->p + r * v->stride, &b->columns[i], next_field(&p), &scratch);
        }
    }
    buf_free(&scratch);
    return n;
}
