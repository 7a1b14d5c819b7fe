#include "aggregate/whole.h"

bool whole_read(__int128 *out, struct span bytes)
{
    bool negative = bytes.n > 0 && bytes.p[0] >= 0x80;
    uint8_t sign = negative ? 0xff : 0;
    unsigned __int128 u = negative ? ~(unsigned __int128)0 : 0;

    while (bytes.n > WHOLE_BYTES && bytes.p[0] == sign)
        bytes = span_skip(bytes, 1);
    if (bytes.n > WHOLE_BYTES ||
        (bytes.n == WHOLE_BYTES && (bytes.p[0] >= 0x80) != negative))
        return false;
    for (size_t i = 0; i < bytes.n; i++)
        u = u << 8 | bytes.p[i];
    *out = (__int128)u;
    return true;
}

void whole_write(uint8_t out[WHOLE_BYTES], __int128 x)
{
    unsigned __int128 u = (unsigned __int128)x;

    for (size_t i = WHOLE_BYTES; i-- > 0; u >>= 8)
        out[i] = (uint8_t)u;
}

void whole_print(struct buf *out, __int128 x, int scale)
{
    char digits[48]; // backwards
    int n = 0;
    unsigned __int128 u = x < 0 ? -(unsigned __int128)x : (unsigned __int128)x;

    for (; u > 0 || n <= scale; u /= 10) {
        if (n == (int)sizeof digits)
            break;
        digits[n++] = (char)('0' + (int)(u % 10));
    }
    if (x < 0)
        buf_put_u8(out, '-');
    while (n-- > 0) {
        buf_put_u8(out, (uint8_t)digits[n]);
        if (n == scale && n > 0)
            buf_put_u8(out, '.');
    }
}

bool whole_average(__int128 *out, __int128 sum, int64_t n, int digits)
{
    __int128 ten = whole_power(digits), q = sum / n, rest = sum % n;
    __int128 part = rest * ten, more = part / n, left = part % n;

    if (left < 0)
        left = -left;
    if (left * 2 >= n)
        more += sum < 0 ? -1 : 1;
    if (__builtin_mul_overflow(q, ten, &q) || __builtin_add_overflow(q, more, &q) ||
        !whole_fits(q, WHOLE_MOST))
        return false;
    *out = q;
    return true;
}
