/*
 * put.h - values of logical types as text: the other way of moment.h, number.h,
 * base64.h.
 *
 * Whatever is put here reads back as the same value.  A put_ that returns false has
 * appended nothing: the value has no such text (a time of day past midnight, a year of
 * five digits), and the number itself is what can be written.  Pure; safe from any
 * thread.
 */
#pragma once

#include "base/buf.h"

void put_base64(struct buf *out, struct span bytes); // RFC 4648, section 4, padded
void put_uuid(struct buf *out, const uint8_t bytes[16]);

bool put_date(struct buf *out, int64_t days);                      // 2026-11-20
bool put_time(struct buf *out, int64_t units, int64_t per_second); // 09:30:00.25
/* 2026-11-20T09:30:00Z; `local`: without the Z.  Years 0 to 9999. */
bool put_instant(struct buf *out, int64_t units, int64_t per_second, bool local);
/* P14M3DT4.005S, of Avro's twelve bytes: months, days, milliseconds, little-endian. */
void put_duration(struct buf *out, const uint8_t bytes[12]);

/* Magnitudes beyond this cost too much: turning bytes into digits is quadratic. */
#define PUT_DECIMAL_BYTES 1720
#define PUT_DECIMAL_DIGITS (PUT_DECIMAL_BYTES * 241 / 100 + 1)

struct decimal {
    bool negative;
    size_t n; // digits, without leading zeros; 0 is "0"
    char digits[PUT_DECIMAL_DIGITS];
};

/* Takes apart a two's complement big-endian number; no bytes are 0, as Go writes it.
 * False: longer than PUT_DECIMAL_BYTES. */
bool decimal_read(struct decimal *out, struct span unscaled) MUST_USE;
/* -12.50: the digits with the point `scale` digits from the right. */
void put_decimal(struct buf *out, const struct decimal *d, int scale);
/* The same, with an exponent where the scale is negative or large: 12e3. */
void put_big_decimal(struct buf *out, const struct decimal *d, int32_t scale);
