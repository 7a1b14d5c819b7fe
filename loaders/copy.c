#include "loaders/copy.h"

#include "base/bytes.h"

#include <inttypes.h>

const struct span copy_head = {(const uint8_t *)"PGCOPY\n\377\r\n\0\0\0\0\0\0\0\0\0",
                               19};
const struct span copy_end = {(const uint8_t *)"\377\377", 2};

#define DAYS_TO_2000 10957
#define DAY_US INT64_C(86400000000)

/* What PostgreSQL's types hold (datatype/timestamp.h): the limits it checks itself, but
 * only after the whole batch is on its way. */
#define DATE_MIN (-2451545) // 4714-11-24 BC, in days since 2000-01-01
#define DATE_END 2145031949 // 5874898-01-01
#define STAMP_MIN (-INT64_C(211813488000000000))
#define STAMP_END INT64_C(9223371331200000000)

#define NUMERIC_BYTES 1024 // 2466 decimal digits: more than any numeric(p,s) declares
#define NUMERIC_LIMBS (NUMERIC_BYTES / 4 + 1)
#define NUMERIC_DIGITS (NUMERIC_BYTES * 5 / 8 + 4) // of base 10000: 13.28 bits each

static void store16(uint8_t *p, uint16_t v)
{
    p[0] = (uint8_t)(v >> 8);
    p[1] = (uint8_t)v;
}

static void store32(uint8_t *p, uint32_t v)
{
    store16(p, (uint16_t)(v >> 16));
    store16(p + 2, (uint16_t)v);
}

static void store64(uint8_t *p, uint64_t v)
{
    store32(p, (uint32_t)(v >> 32));
    store32(p + 4, (uint32_t)v);
}

static void put_sized(struct buf *out, uint32_t n, uint64_t v)
{
    uint8_t *p = buf_room(out, 4 + n);

    if (p == NULL)
        return;
    store32(p, n);
    if (n == 8)
        store64(p + 4, v);
    else if (n == 4)
        store32(p + 4, (uint32_t)v);
    else if (n == 2)
        store16(p + 4, (uint16_t)v);
    else
        p[4] = (uint8_t)v;
    buf_added(out, 4 + n);
}

void copy_row(struct buf *out, uint16_t fields)
{
    uint8_t *p = buf_room(out, 2);

    if (p == NULL)
        return;
    store16(p, fields);
    buf_added(out, 2);
}

void copy_null(struct buf *out)
{
    buf_put_be32(out, UINT32_MAX);
}

void copy_bool(struct buf *out, bool x)
{
    put_sized(out, 1, x);
}

enum err_kind copy_int2(struct buf *out, int64_t x, struct err *e)
{
    if (x < INT16_MIN || x > INT16_MAX)
        return err_set(e, ERR_INVALID, "%" PRId64 " does not fit a smallint", x);
    put_sized(out, 2, (uint64_t)x);
    return ERR_OK;
}

enum err_kind copy_int4(struct buf *out, int64_t x, struct err *e)
{
    if (x < INT32_MIN || x > INT32_MAX)
        return err_set(e, ERR_INVALID, "%" PRId64 " does not fit an integer", x);
    put_sized(out, 4, (uint64_t)x);
    return ERR_OK;
}

void copy_int8(struct buf *out, int64_t x)
{
    put_sized(out, 8, (uint64_t)x);
}

void copy_float4(struct buf *out, float x)
{
    uint32_t v;

    memcpy(&v, &x, sizeof v);
    put_sized(out, 4, v);
}

void copy_float8(struct buf *out, double x)
{
    uint64_t v;

    memcpy(&v, &x, sizeof v);
    put_sized(out, 8, v);
}

void copy_bytea(struct buf *out, struct span x)
{
    buf_put_be32(out, (uint32_t)x.n);
    buf_put(out, x);
}

enum err_kind copy_text(struct buf *out, struct span x, struct err *e)
{
    const uint8_t *zero = x.n == 0 ? NULL : memchr(x.p, 0, x.n);

    if (zero != NULL)
        return err_set(e, ERR_INVALID, "a zero byte at %zu: text cannot hold one",
                       (size_t)(zero - x.p));
    copy_bytea(out, x);
    return ERR_OK;
}

enum err_kind copy_date(struct buf *out, int64_t days, struct err *e)
{
    int64_t d = days - DAYS_TO_2000;

    if (d < DATE_MIN || d >= DATE_END)
        return err_set(e, ERR_INVALID,
                       "day %" PRId64 " since 1970: date goes from 4714 BC to 5874897",
                       days);
    put_sized(out, 4, (uint64_t)d);
    return ERR_OK;
}

enum err_kind copy_time(struct buf *out, int64_t us, struct err *e)
{
    if (us < 0 || us > DAY_US)
        return err_set(e, ERR_INVALID,
                       "%" PRId64 " us since midnight: a day has %" PRId64, us, DAY_US);
    put_sized(out, 8, (uint64_t)us);
    return ERR_OK;
}

enum err_kind copy_timestamp(struct buf *out, int64_t x, int64_t unit_us, struct err *e)
{
    int64_t us; // from 2000 on first: the last 29 years are beyond 64 bits from 1970

    if (__builtin_sub_overflow(x, DAYS_TO_2000 * DAY_US / unit_us, &us) ||
        __builtin_mul_overflow(us, unit_us, &us) || us < STAMP_MIN || us >= STAMP_END)
        return err_set(e, ERR_INVALID,
                       "%" PRId64 " %s since 1970: timestamp goes from 4714 BC to "
                       "294276",
                       x, unit_us == 1 ? "us" : "ms");
    put_sized(out, 8, (uint64_t)us);
    return ERR_OK;
}

enum err_kind copy_interval(struct buf *out, struct span duration, struct err *e)
{
    if (duration.n != 12)
        return err_set(e, ERR_INVALID, "duration of %zu bytes, wanted 12", duration.n);

    uint32_t months = bytes_le32(duration.p), days = bytes_le32(duration.p + 4);
    if (months > INT32_MAX || days > INT32_MAX)
        return err_set(e, ERR_INVALID,
                       "duration of %" PRIu32 " months and %" PRIu32
                       " days: interval holds 2147483647 of each",
                       months, days);

    uint8_t *p = buf_room(out, 20);
    if (p == NULL)
        return ERR_OK;
    store32(p, 16);
    store64(p + 4, (uint64_t)bytes_le32(duration.p + 8) * 1000);
    store32(p + 12, days);
    store32(p + 16, months);
    buf_added(out, 20);
    return ERR_OK;
}

static int hex(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool read_uuid(uint8_t out[16], struct span x)
{
    size_t at = 0;

    if (x.n != 36)
        return false;
    for (int i = 0; i < 16; i++) {
        if (at == 8 || at == 13 || at == 18 || at == 23)
            if (x.p[at++] != '-')
                return false;
        int high = hex(x.p[at]), low = hex(x.p[at + 1]);
        if (high < 0 || low < 0)
            return false;
        out[i] = (uint8_t)(high << 4 | low);
        at += 2;
    }
    return true;
}

enum err_kind copy_uuid(struct buf *out, struct span x, struct err *e)
{
    uint8_t id[16];

    if (!read_uuid(id, x))
        return err_set(e, ERR_INVALID, "\"" SPAN_FMT "\" is no UUID", SPAN_ARG(x));
    copy_bytea(out, span_of(id, sizeof id));
    return ERR_OK;
}

/* |x| as limbs of 32 bits, the least significant first; returns how many. */
static size_t magnitude(uint32_t limbs[NUMERIC_LIMBS], struct span x, bool negative)
{
    size_t n = (x.n + 3) / 4;
    uint64_t carry = negative;

    for (size_t i = 0; i < n; i++) {
        uint32_t v = 0;
        for (size_t k = 0; k < 4; k++) {
            size_t at = i * 4 + k; // from the right
            uint8_t byte = at < x.n ? x.p[x.n - 1 - at] : negative ? 0xff : 0;
            v |= (uint32_t)byte << (8 * k);
        }
        carry += negative ? (uint32_t)~v : v;
        limbs[i] = (uint32_t)carry;
        carry >>= 32;
    }
    limbs[n++] = (uint32_t)carry; // -128 in one byte is 128, and its like
    return n;
}

static size_t trim(const uint32_t *limbs, size_t n)
{
    while (n > 0 && limbs[n - 1] == 0)
        n--;
    return n;
}

static size_t multiply(uint32_t *limbs, size_t n, uint32_t by)
{
    uint64_t carry = 0;

    for (size_t i = 0; i < n; i++) {
        carry += (uint64_t)limbs[i] * by;
        limbs[i] = (uint32_t)carry;
        carry >>= 32;
    }
    if (carry != 0)
        limbs[n++] = (uint32_t)carry;
    return n;
}

static uint16_t divide(uint32_t *limbs, size_t n)
{
    uint64_t rest = 0;

    for (size_t i = n; i-- > 0;) {
        rest = rest << 32 | limbs[i];
        limbs[i] = (uint32_t)(rest / 10000);
        rest %= 10000;
    }
    return (uint16_t)rest;
}

static int decimal_digits(uint16_t top)
{
    return top >= 1000 ? 4 : top >= 100 ? 3 : top >= 10 ? 2 : 1;
}

/* Digits are base 10000, the least significant first: `shift` of them stand behind the
 * point. */
static void put_numeric(struct buf *out, const uint16_t *digits, int n, int shift,
                        bool negative, int64_t scale)
{
    int low = 0;

    while (low < n && digits[low] == 0)
        low++;
    int kept = n - low;
    uint8_t *p = buf_room(out, 12 + 2 * (size_t)kept);
    if (p == NULL)
        return;
    store32(p, 8 + 2 * (uint32_t)kept);
    store16(p + 4, (uint16_t)kept);
    store16(p + 6, kept == 0 ? 0 : (uint16_t)(n - 1 - shift));
    store16(p + 8, negative && kept > 0 ? 0x4000 : 0);
    store16(p + 10, (uint16_t)(scale < 0 ? 0 : scale));
    for (int i = 0; i < kept; i++)
        store16(p + 12 + 2 * i, digits[n - 1 - i]);
    buf_added(out, 12 + 2 * (size_t)kept);
}

enum err_kind copy_numeric(struct buf *out, struct span unscaled, int64_t scale,
                           int precision, struct err *e)
{
    static const uint32_t tens[] = {1, 10, 100, 1000};
    uint32_t limbs[NUMERIC_LIMBS + 2];
    uint16_t digits[NUMERIC_DIGITS];
    int n = 0;

    while (unscaled.n > 1 && (unscaled.p[0] == 0 || unscaled.p[0] == 0xff) &&
           (unscaled.p[0] & 0x80) == (unscaled.p[1] & 0x80))
        unscaled = span_skip(unscaled, 1); // a fixed is padded with its sign
    if (unscaled.n > NUMERIC_BYTES)
        return err_set(e, ERR_INVALID, "decimal of %zu bytes, the most is %d",
                       unscaled.n, NUMERIC_BYTES);
    if (scale < -1000 || scale > 16383)
        return err_set(e, ERR_INVALID,
                       "scale %" PRId64 ": numeric takes -1000 to 16383", scale);

    bool negative = unscaled.n > 0 && (unscaled.p[0] & 0x80) != 0;
    int pad = (int)(((-scale % 4) + 4) % 4); // digits of four, aligned at the point
    size_t m = trim(limbs, magnitude(limbs, unscaled, negative));
    m = multiply(limbs, m, tens[pad]);
    while ((m = trim(limbs, m)) > 0)
        digits[n++] = divide(limbs, m);

    int long_ = n == 0 ? 0 : 4 * (n - 1) + decimal_digits(digits[n - 1]) - pad;
    if (precision > 0 && long_ > precision)
        return err_set(e, ERR_INVALID, "decimal of %d digits, precision is %d", long_,
                       precision);
    put_numeric(out, digits, n, (int)((scale + pad) / 4), negative, scale);
    return ERR_OK;
}

void copy_numeric_int(struct buf *out, int64_t x)
{
    uint64_t rest = x < 0 ? 0 - (uint64_t)x : (uint64_t)x;
    uint16_t digits[5];
    int n = 0;

    for (; rest > 0; rest /= 10000)
        digits[n++] = (uint16_t)(rest % 10000);
    put_numeric(out, digits, n, 0, x < 0, 0);
}

static bool read_long(int64_t *out, struct span *in)
{
    uint64_t v = 0;

    for (unsigned shift = 0; shift < 70 && in->n > 0; shift += 7) {
        uint8_t byte = in->p[0];
        *in = span_skip(*in, 1);
        if (shift == 63 && byte > 1)
            return false;
        v |= (uint64_t)(byte & 0x7f) << shift;
        if ((byte & 0x80) == 0) {
            *out = (int64_t)(v >> 1) ^ -(int64_t)(v & 1);
            return true;
        }
    }
    return false;
}

enum err_kind copy_big_decimal(struct buf *out, struct span x, struct err *e)
{
    int64_t n, scale;
    struct span rest = x;

    if (!read_long(&n, &rest) || n < 0 || (uint64_t)n > rest.n)
        return err_set(e, ERR_INVALID, "big-decimal of %zu bytes without its length",
                       x.n);
    struct span unscaled = span_of(rest.p, (size_t)n);
    rest = span_skip(rest, (size_t)n);
    if (!read_long(&scale, &rest) || rest.n != 0)
        return err_set(e, ERR_INVALID, "big-decimal of %zu bytes without its scale",
                       x.n);
    return copy_numeric(out, unscaled, scale, 0, e);
}

size_t copy_open(struct buf *out)
{
    buf_put_be32(out, 0);
    return out->n;
}

void copy_close(struct buf *out, size_t opened)
{
    if (!out->over)
        store32(out->p + opened - 4, (uint32_t)(out->n - opened));
}

/* dimensions (32)  has a NULL (32)  oid (32)  { items (32)  first index (32) }* */
size_t copy_open_array(struct buf *out, uint32_t oid)
{
    size_t at = copy_open(out);

    buf_put_be32(out, 1);
    buf_put_be32(out, 0);
    buf_put_be32(out, oid);
    buf_put_be32(out, 0);
    buf_put_be32(out, 1);
    return at;
}

void copy_close_array(struct buf *out, size_t opened, uint32_t items, bool has_null)
{
    if (out->over)
        return;
    uint8_t *head = out->p + opened;
    if (items == 0) { // no dimension at all, as '{}' is
        store32(head, 0);
        buf_cut(out, opened + 12);
    } else {
        store32(head + 4, has_null);
        store32(head + 12, items);
    }
    copy_close(out, opened);
}
