#include "base/base64.h"

#define NOT 0xff
#define STANDARD 0x40 // + and /
#define URL 0x80      // - and _

/* The six bits of a character, with the alphabet it gives away. */
static inline uint8_t bits_of(uint8_t c)
{
    if (c >= 'A' && c <= 'Z')
        return (uint8_t)(c - 'A');
    if (c >= 'a' && c <= 'z')
        return (uint8_t)(c - 'a' + 26);
    if (c >= '0' && c <= '9')
        return (uint8_t)(c - '0' + 52);
    switch (c) {
    case '+': return 62 | STANDARD;
    case '/': return 63 | STANDARD;
    case '-': return 62 | URL;
    case '_': return 63 | URL;
    default: return NOT;
    }
}

/* Four characters; `pads` of them are '='.  Gathers the alphabets seen. */
static bool quad(uint32_t *out, const uint8_t *p, size_t pads, uint8_t *seen)
{
    uint32_t x = 0;

    for (size_t i = 0; i < 4; i++) {
        uint8_t b = i < 4 - pads ? bits_of(p[i]) : 0;
        if (b == NOT)
            return false;
        *seen |= b & (STANDARD | URL);
        x = x << 6 | (b & 63);
    }
    *out = x;
    return true;
}

bool base64_read(uint8_t *out, size_t *n, struct span text)
{
    uint8_t seen = 0, *to = out;
    uint32_t x;

    if (text.n % 4 != 0)
        return false;
    size_t pads = 0;
    if (text.n > 0)
        pads = text.p[text.n - 1] != '=' ? 0 : text.p[text.n - 2] != '=' ? 1 : 2;
    for (size_t i = 0; i < text.n; i += 4) {
        size_t p = i + 4 == text.n ? pads : 0;
        if (!quad(&x, text.p + i, p, &seen))
            return false;
        if ((x & (((uint32_t)1 << 8 * p) - 1)) != 0)
            return false; // bits left over
        for (size_t k = 0; k < 3 - p; k++)
            *to++ = (uint8_t)(x >> (16 - 8 * k));
    }
    *n = (size_t)(to - out);
    return seen != (STANDARD | URL);
}
