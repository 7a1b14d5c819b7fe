#include "avro-core/put.h"

#include "base/bytes.h"

#include <stdio.h>

/* ---- bytes ---- */

static void put_group(char to[4], uint32_t group)
{
    static const char alphabet[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

    for (int i = 0; i < 4; i++)
        to[i] = alphabet[group >> (18 - 6 * i) & 63];
}

void put_base64(struct buf *out, struct span bytes)
{
    char four[4];
    size_t i = 0;

    for (; bytes.n - i >= 3; i += 3) {
        put_group(four, (uint32_t)bytes.p[i] << 16 | (uint32_t)bytes.p[i + 1] << 8 |
                            bytes.p[i + 2]);
        buf_put(out, span_of(four, 4));
    }
    if (i == bytes.n)
        return;
    bool two = bytes.n - i == 2;
    put_group(four,
              (uint32_t)bytes.p[i] << 16 | (two ? (uint32_t)bytes.p[i + 1] << 8 : 0));
    four[3] = '=';
    if (!two)
        four[2] = '=';
    buf_put(out, span_of(four, 4));
}

void put_uuid(struct buf *out, const uint8_t bytes[16])
{
    static const char hex[] = "0123456789abcdef";
    char text[36];
    size_t n = 0;

    for (int i = 0; i < 16; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10)
            text[n++] = '-';
        text[n++] = hex[bytes[i] >> 4];
        text[n++] = hex[bytes[i] & 15];
    }
    buf_put(out, span_of(text, n));
}

/* ---- days and hours ---- */

#define DAY 86400
#define FIRST_DAY (-719528) // 0000-01-01
#define LAST_DAY 2932896    // 9999-12-31

/* The civil date of a day since 1970-01-01, counted from 0000-03-01 in 400-year eras,
 * whose years end with the leap day. */
static void put_day(struct buf *out, int32_t days)
{
    const int32_t era_days = 146097;
    int32_t d = days + 719468 + era_days; // one era more, so that nothing is negative
    int32_t era = d / era_days, of_era = d % era_days;
    int32_t year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    int32_t of_year = of_era - (365 * year + year / 4 - year / 100);
    int32_t m = (5 * of_year + 2) / 153; // from March
    int32_t day = of_year - (153 * m + 2) / 5 + 1;
    int32_t month = m < 10 ? m + 3 : m - 9;

    buf_printf(out, "%04d-%02d-%02d", year + (era - 1) * 400 + (month <= 2), month,
               day);
}

/* The fraction of a second, in as many groups of three digits as it needs. */
static void put_fraction(struct buf *out, int64_t units, int64_t per_second)
{
    int digits = 0;

    if (units == 0)
        return;
    for (int64_t u = per_second; u > 1; u /= 10)
        digits++;
    while (units % 1000 == 0) {
        units /= 1000;
        digits -= 3;
    }
    buf_printf(out, ".%0*lld", digits, (long long)units);
}

static void put_clock(struct buf *out, int64_t seconds)
{
    buf_printf(out, "%02d:%02d:%02d", (int)(seconds / 3600), (int)(seconds / 60 % 60),
               (int)(seconds % 60));
}

bool put_date(struct buf *out, int64_t days)
{
    if (days < FIRST_DAY || days > LAST_DAY)
        return false;
    put_day(out, (int32_t)days);
    return true;
}

bool put_time(struct buf *out, int64_t units, int64_t per_second)
{
    if (units < 0 || units / per_second >= DAY)
        return false;
    put_clock(out, units / per_second);
    put_fraction(out, units % per_second, per_second);
    return true;
}

bool put_instant(struct buf *out, int64_t units, int64_t per_second, bool local)
{
    int64_t fraction = units % per_second, seconds = units / per_second;

    if (fraction < 0) { // down, not towards zero
        fraction += per_second;
        seconds--;
    }
    int64_t clock = seconds % DAY, days = seconds / DAY;
    if (clock < 0) {
        clock += DAY;
        days--;
    }
    if (!put_date(out, days))
        return false;
    buf_put_u8(out, 'T');
    put_clock(out, clock);
    put_fraction(out, fraction, per_second);
    if (!local)
        buf_put_u8(out, 'Z');
    return true;
}

void put_duration(struct buf *out, const uint8_t bytes[12])
{
    uint32_t months = bytes_le32(bytes), days = bytes_le32(bytes + 4),
             millis = bytes_le32(bytes + 8);

    buf_put_u8(out, 'P');
    if (months > 0)
        buf_printf(out, "%uM", months);
    if (days > 0)
        buf_printf(out, "%uD", days);
    if (millis == 0 && (months > 0 || days > 0))
        return;
    buf_printf(out, "T%u", millis / 1000);
    put_fraction(out, millis % 1000, 1000);
    buf_put_u8(out, 'S');
}

/* ---- decimals ---- */

#define LIMBS ((PUT_DECIMAL_BYTES + 3) / 4)
#define BILLION 1000000000u

/* The magnitude in 32-bit limbs, most significant first. */
static size_t limbs_of(uint32_t limbs[LIMBS], struct span s, bool negative)
{
    size_t n = (s.n + 3) / 4;
    uint32_t carry = negative;

    for (size_t i = 0; i < n; i++) {
        uint32_t x = 0;
        for (size_t k = 0; k < 4; k++) { // sign-extended at the front
            size_t from_end = (i + 1) * 4 - k;
            uint8_t b = from_end > s.n ? (negative ? 0xFF : 0) : s.p[s.n - from_end];
            x = x << 8 | b;
        }
        if (negative)
            x = ~x + carry;
        carry &= x == 0;
        limbs[n - 1 - i] = x;
    }
    return n;
}

/* Divides by a billion in place; returns the remainder. */
static uint32_t take_nine(uint32_t *limbs, size_t n)
{
    uint64_t rest = 0;

    for (size_t i = 0; i < n; i++) {
        rest = rest << 32 | limbs[i];
        limbs[i] = (uint32_t)(rest / BILLION);
        rest %= BILLION;
    }
    return (uint32_t)rest;
}

/* Sign bytes that say nothing: what a fixed is padded with. */
static struct span trim_sign(struct span s)
{
    while (s.n > 1 &&
           ((s.p[0] == 0x00 && s.p[1] < 0x80) || (s.p[0] == 0xFF && s.p[1] >= 0x80)))
        s = span_skip(s, 1);
    return s;
}

bool decimal_read(struct decimal *out, struct span unscaled)
{
    uint32_t limbs[LIMBS];
    struct span s = trim_sign(unscaled);
    char *end = out->digits + sizeof out->digits, *p = end;

    if (s.n > PUT_DECIMAL_BYTES)
        return false;
    out->negative = s.n > 0 && s.p[0] >= 0x80;
    size_t n = limbs_of(limbs, s, out->negative), first = 0;
    while (first < n) {
        uint32_t nine = take_nine(limbs + first, n - first);
        for (int i = 0; i < 9 && p > out->digits; i++, nine /= 10)
            *--p = (char)('0' + nine % 10);
        while (first < n && limbs[first] == 0)
            first++;
    }
    while (p < end && *p == '0')
        p++;
    out->n = (size_t)(end - p);
    memmove(out->digits, p, out->n);
    if (out->n == 0)
        out->digits[out->n++] = '0';
    return true;
}

void put_decimal(struct buf *out, const struct decimal *d, int scale)
{
    size_t behind = scale > 0 ? (size_t)scale : 0;
    size_t before = d->n > behind ? d->n - behind : 0;

    if (d->negative)
        buf_put_u8(out, '-');
    if (before == 0)
        buf_put_u8(out, '0');
    buf_put(out, span_of(d->digits, before));
    if (behind == 0)
        return;
    buf_put_u8(out, '.');
    for (size_t i = d->n; i < behind && !out->over; i++)
        buf_put_u8(out, '0');
    buf_put(out, span_of(d->digits + before, d->n - before));
}

#define SCALE_PLAIN 64

void put_big_decimal(struct buf *out, const struct decimal *d, int32_t scale)
{
    if (scale >= 0 && scale <= SCALE_PLAIN) {
        put_decimal(out, d, scale);
        return;
    }
    put_decimal(out, d, 0);
    buf_printf(out, "e%lld", -(long long)scale);
}
