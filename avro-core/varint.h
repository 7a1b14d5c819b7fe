/*
 * varint.h - Avro's int and long: zigzag, then seven bits a byte, low ones first.
 *
 * Avro specification, "Binary Encoding".  Pure.
 */
#pragma once

#include "base/buf.h"

#define VARINT_MOST 10 // bytes

/* Takes one from the start of *s, which then stands behind it; false when it is cut, or
 * longer than 64 bits: *s is then as it was. */
static inline bool varint_take(struct span *s, int64_t *out)
{
    uint64_t u = 0;

    for (size_t i = 0; i < s->n && i < VARINT_MOST; i++) {
        uint8_t b = s->p[i];

        if (i == VARINT_MOST - 1 && b > 1)
            return false;
        u |= (uint64_t)(b & 0x7F) << (7 * i);
        if (b < 0x80) {
            *out = (int64_t)(u >> 1) ^ -(int64_t)(u & 1);
            *s = span_skip(*s, i + 1);
            return true;
        }
    }
    return false;
}

static inline void varint_append(struct buf *out, int64_t x)
{
    uint64_t u = (uint64_t)x << 1 ^ (uint64_t)(x >> 63);
    uint8_t bytes[VARINT_MOST];
    size_t n = 0;

    for (; u >= 0x80; u >>= 7)
        bytes[n++] = (uint8_t)(u | 0x80);
    bytes[n++] = (uint8_t)u;
    buf_put(out, span_of(bytes, n));
}
