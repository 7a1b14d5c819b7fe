/*
 * whole.h - whole numbers of 128 bits, as sums of longs and decimals need them.
 *
 * A decimal is its unscaled number.  WHOLE_MOST is what decimal(38) holds; whatever is
 * kept lies within +-WHOLE_MOST, so that two of them never overflow when added.  Pure.
 */
#pragma once

#include "base/buf.h"

#define WHOLE_DIGITS 38
#define WHOLE_BYTES 16

__extension__ struct whole {
    __int128 v;
} __attribute__((aligned(8), packed));

static inline __int128 whole_power(int n) // of ten, n <= 38
{
    __int128 p = 1;

    while (n-- > 0)
        p *= 10;
    return p;
}

#define WHOLE_MOST (whole_power(WHOLE_DIGITS) - 1)

static inline bool whole_fits(__int128 x, __int128 most)
{
    return x <= most && x >= -most;
}

/* Big-endian two's complement of any length; false: more than 16 bytes hold. */
bool whole_read(__int128 *out, struct span bytes) MUST_USE;
void whole_write(uint8_t out[WHOLE_BYTES], __int128 x);
/* -12.50: x * 10^-scale, scale >= 0. */
void whole_print(struct buf *out, __int128 x, int scale);
/* sum / n with `digits` more behind the point, halves away from zero; n > 0.  False:
 * more than WHOLE_MOST. */
bool whole_average(__int128 *out, __int128 sum, int64_t n, int digits) MUST_USE;
