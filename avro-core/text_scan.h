/*
 * text_scan.h - the first byte of a JSON string that needs a look.
 *
 * That is a quote, a backslash, a control character or anything beyond ASCII.  Sixteen
 * bytes a step where SSE2 is, eight elsewhere; never reads behind `end`.
 */
#pragma once

#include <stdint.h>
#include <string.h>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

static inline const uint8_t *scan_by_byte(const uint8_t *p, const uint8_t *end)
{
    while (p < end && *p >= 0x20 && *p < 0x80 && *p != '"' && *p != '\\')
        p++;
    return p;
}

/* Eight bytes at once: the top bit of each byte that needs a look; lower ones are sure.
 */
static inline uint64_t scan_word(uint64_t x)
{
    const uint64_t ones = 0x0101010101010101u, tops = ones << 7;
    uint64_t quote = x ^ ones * '"', back = x ^ ones * '\\';

    return (x | (x - ones * 0x20) | (quote - ones) | (back - ones)) & tops;
}

static inline const uint8_t *scan_plain(const uint8_t *p, const uint8_t *end)
{
#ifdef __SSE2__
    const __m128i quote = _mm_set1_epi8('"'), back = _mm_set1_epi8('\\');
    const __m128i blank = _mm_set1_epi8(' ');

    for (; end - p >= 16; p += 16) {
        __m128i x = _mm_loadu_si128((const __m128i *)p);
        __m128i low = _mm_cmplt_epi8(x, blank); // signed: beyond ASCII is below, too
        __m128i hit = _mm_or_si128(_mm_cmpeq_epi8(x, quote), _mm_cmpeq_epi8(x, back));
        unsigned bits = (unsigned)_mm_movemask_epi8(_mm_or_si128(hit, low));
        if (bits != 0)
            return p + __builtin_ctz(bits);
    }
#endif
    for (; end - p >= 8; p += 8) {
        uint64_t x;
        memcpy(&x, p, 8);
        if (scan_word(x) != 0)
            break;
    }
    return scan_by_byte(p, end);
}
