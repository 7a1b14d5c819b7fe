#include "avro-core/number.h"
#include "avro-core/put.h"
#include "avro-core/varint.h"
#include "cel/cel_inside.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/*
 * Decimals stay exact: two are equal when their values are, whatever their scales.  A
 * double is compared as the shortest decimal that reads back as it (Java's
 * BigDecimal.valueOf), so 19.99 is the 19.99 that somebody wrote.
 */
struct unscaled {
    struct span bytes; // two's complement, big-endian
    int64_t scale;
};

/* Avro 1.12, "Alternative" decimals: bytes within the bytes, then the scale. */
static bool take_big(struct span s, struct unscaled *out)
{
    int64_t n;

    if (!varint_take(&s, &n) || n < 0 || (uint64_t)n > s.n)
        return false;
    out->bytes = span_of(s.p, (size_t)n);
    s = span_skip(s, (size_t)n);
    return varint_take(&s, &out->scale) && out->scale >= INT32_MIN &&
           out->scale <= INT32_MAX;
}

static bool take(struct cel_run *run, struct cel_value v, struct unscaled *out)
{
    struct span s = span_of(v.p, (size_t)(run->end - v.p));
    int64_t n = (int64_t)v.node->size;

    if (v.node->type == AV_BYTES && !varint_take(&s, &n))
        return false;
    if (n < 0 || (uint64_t)n > s.n)
        return false;
    *out = (struct unscaled){span_of(s.p, (size_t)n), v.node->scale};
    return v.node->logical != AV_BIG_DECIMAL || take_big(out->bytes, out);
}

static bool is_small(const struct unscaled *u)
{
    return u->bytes.n <= 8 && u->scale >= 0 && u->scale <= 18;
}

static int64_t small(const struct unscaled *u)
{
    uint64_t x = u->bytes.n > 0 && u->bytes.p[0] >= 0x80 ? UINT64_MAX : 0;

    for (size_t i = 0; i < u->bytes.n; i++)
        x = x << 8 | u->bytes.p[i];
    return (int64_t)x;
}

static const int64_t tens[] = {1,
                               10,
                               100,
                               1000,
                               10000,
                               100000,
                               1000000,
                               10000000,
                               100000000,
                               1000000000,
                               10000000000,
                               100000000000,
                               1000000000000,
                               10000000000000,
                               100000000000000,
                               1000000000000000,
                               10000000000000000,
                               100000000000000000,
                               1000000000000000000};

/* Any number as digits: +-0.d1d2d3... * 10^point; no digits are zero. */
struct digits {
    bool negative;
    size_t n;
    int64_t point;
    char d[PUT_DECIMAL_DIGITS + 1];
};

static void tidy(struct digits *d)
{
    size_t zeros = 0;

    while (zeros < d->n && d->d[zeros] == '0')
        zeros++;
    memmove(d->d, d->d + zeros, d->n - zeros);
    d->n -= zeros;
    d->point -= (int64_t)zeros;
    while (d->n > 0 && d->d[d->n - 1] == '0')
        d->n--;
    if (d->n == 0)
        d->negative = false;
}

static bool digits_of_unscaled(struct digits *out, const struct unscaled *u)
{
    struct decimal x;

    if (!decimal_read(&x, u->bytes))
        return false;
    *out = (struct digits){
        .negative = x.negative, .n = x.n, .point = (int64_t)x.n - u->scale};
    memcpy(out->d, x.digits, x.n);
    tidy(out);
    return true;
}

static void digits_of_text(struct digits *out, const char *text, int64_t point)
{
    *out = (struct digits){.negative = text[0] == '-', .point = point};
    for (text += out->negative; *text != '\0' && *text != 'e'; text++)
        if (*text != '.')
            out->d[out->n++] = *text;
}

/* v is a finite number. */
static void digits_of_number(struct digits *out, struct cel_value v)
{
    char text[48];

    if (v.kind == CEL_DOUBLE) {
        for (int n = 0; n < 17; n++) {
            snprintf(text, sizeof text, "%.*e", n, v.d);
            if (strtod(text, NULL) == v.d)
                break;
        }
        digits_of_text(out, text, atoi(strchr(text, 'e') + 1) + 1);
    } else {
        if (v.kind == CEL_INT)
            snprintf(text, sizeof text, "%lld", (long long)v.i);
        else
            snprintf(text, sizeof text, "%llu", (unsigned long long)v.u);
        digits_of_text(out, text, 0);
        out->point = (int64_t)out->n;
    }
    tidy(out);
}

static int compare_magnitudes(const struct digits *x, const struct digits *y)
{
    if (x->n == 0 || y->n == 0)
        return (x->n > 0) - (y->n > 0);
    if (x->point != y->point)
        return x->point > y->point ? 1 : -1;
    for (size_t i = 0; i < x->n || i < y->n; i++) {
        char a = i < x->n ? x->d[i] : '0', b = i < y->n ? y->d[i] : '0';

        if (a != b)
            return a > b ? 1 : -1;
    }
    return 0;
}

static int compare_digits(const struct digits *x, const struct digits *y)
{
    if (x->negative != y->negative)
        return x->negative ? -1 : 1;
    int c = compare_magnitudes(x, y);
    return x->negative ? -c : c;
}

static int malformed(struct cel_run *run)
{
    if (run->broken == NULL)
        run->broken = "a decimal that is malformed or too long";
    return CEL_UNORDERED;
}

/* The general way: as digits. */
static int compare_slowly(struct cel_run *run, const struct unscaled *x,
                          struct cel_value y)
{
    struct digits dx, dy;
    struct unscaled uy;

    if (!cel_steps(run, 10 + x->bytes.n) || !digits_of_unscaled(&dx, x))
        return malformed(run);
    if (y.kind != CEL_DECIMAL)
        digits_of_number(&dy, y);
    else if (!take(run, y, &uy) || !digits_of_unscaled(&dy, &uy))
        return malformed(run);
    return compare_digits(&dx, &dy);
}

/* With an int, in 128 bits. */
static int compare_small(const struct unscaled *x, int64_t y)
{
    __int128 a = small(x), b = (__int128)y * tens[x->scale];

    return (a > b) - (a < b);
}

#define SURE 1000000000000000 // up to 15 digits are told apart by their doubles

static bool is_sure(const struct unscaled *u)
{
    return is_small(u) && small(u) > -SURE && small(u) < SURE;
}

int cel_decimal_compare(struct cel_run *run, struct cel_value x, struct cel_value y)
{
    struct unscaled u;

    if (!take(run, x, &u))
        return malformed(run);
    if (y.kind == CEL_INT && is_small(&u))
        return compare_small(&u, y.i);
    if (y.kind == CEL_DOUBLE && isnan(y.d))
        return CEL_UNORDERED;
    if (y.kind == CEL_DOUBLE && isinf(y.d))
        return y.d > 0 ? -1 : 1;
    if (y.kind == CEL_DOUBLE && is_sure(&u)) {
        double d = (double)small(&u) / (double)tens[u.scale];

        return (d > y.d) - (d < y.d);
    }
    return compare_slowly(run, &u, y);
}

bool cel_decimal_put(struct cel_run *run, struct cel_value x, struct buf *out)
{
    struct unscaled u;
    struct decimal d;

    if (!take(run, x, &u) || !cel_steps(run, u.bytes.n) || !decimal_read(&d, u.bytes))
        return false;
    if (x.node->logical == AV_BIG_DECIMAL)
        put_big_decimal(out, &d, (int32_t)u.scale);
    else
        put_decimal(out, &d, (int)u.scale);
    return true;
}

struct cel_value cel_decimal_double(struct cel_run *run, struct cel_value x)
{
    struct number number;
    double d;

    buf_reset(&run->text);
    if (!cel_decimal_put(run, x, &run->text))
        return cel_fail("a decimal that is malformed");
    if (!number_scan(&number, buf_span(&run->text)) ||
        number_double(&d, &number) != NUMBER_FITS)
        return cel_fail("a decimal that no double can hold");
    return cel_double(d);
}

/* The part before the point. */
struct cel_value cel_decimal_whole(struct cel_run *run, struct cel_value x)
{
    struct unscaled u;
    struct digits d;
    __int128 sum = 0;

    if (!take(run, x, &u) || !cel_steps(run, u.bytes.n) || !digits_of_unscaled(&d, &u))
        return cel_fail("a decimal that is malformed");
    if (d.point > 19)
        return cel_fail("integer overflow");
    for (int64_t i = 0; i < d.point; i++)
        sum = sum * 10 + ((size_t)i < d.n ? d.d[i] - '0' : 0);
    if (d.negative)
        sum = -sum;
    if (sum < INT64_MIN || sum > INT64_MAX)
        return cel_fail("integer overflow");
    return cel_int((int64_t)sum);
}
