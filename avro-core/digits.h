/*
 * digits.h - decimal digits, eight at a time.
 *
 * The eight are one little-endian word; digits are checked by their high nibble and by
 * what adding six does to it, and joined in three multiplications: pairs, fours, all.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

static inline uint64_t digits_word(const uint8_t *p)
{
    uint64_t x;

    memcpy(&x, p, sizeof x);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    x = __builtin_bswap64(x);
#endif
    return x;
}

static inline bool digits_are_eight(uint64_t x)
{
    const uint64_t high = 0xf0f0f0f0f0f0f0f0u, zeros = 0x3030303030303030u;

    return (((x & high) | ((x + 0x0606060606060606u) & high) >> 4)) ==
           (zeros | zeros >> 4);
}

static inline uint64_t digits_value(uint64_t x)
{
    x = (x & 0x0f0f0f0f0f0f0f0fu) * 2561 >> 8;
    x = (x & 0x00ff00ff00ff00ffu) * 6553601 >> 16;
    return (x & 0x0000ffff0000ffffu) * 42949672960001u >> 32;
}

/* Behind the digits that start at `p`; they are added to *sum, which may overflow. */
static inline const uint8_t *digits_take(const uint8_t *p, const uint8_t *end,
                                         uint64_t *sum)
{
    uint64_t x = *sum;

    while (end - p >= 8 && digits_are_eight(digits_word(p))) {
        x = x * 100000000 + digits_value(digits_word(p));
        p += 8;
    }
    for (; p < end && (uint8_t)(*p - '0') < 10; p++)
        x = x * 10 + (uint64_t)(*p - '0');
    *sum = x;
    return p;
}
