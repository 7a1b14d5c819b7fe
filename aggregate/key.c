#include "aggregate/key.h"

#include <math.h>

#define SIGN64 (UINT64_C(1) << 63)

enum { TAG_NULL, TAG_WHOLE, TAG_REAL, TAG_TEXT };

static void put_be64(struct buf *out, uint64_t u)
{
    uint8_t b[8];

    for (size_t i = 8; i-- > 0; u >>= 8)
        b[i] = (uint8_t)u;
    buf_put(out, span_of(b, sizeof b));
}

static bool take_be64(struct span *s, uint64_t *u)
{
    if (s->n < 8)
        return false;
    *u = 0;
    for (size_t i = 0; i < 8; i++)
        *u = *u << 8 | s->p[i];
    *s = span_skip(*s, 8);
    return true;
}

void agg_key_put_window(struct buf *out, int64_t start_ms)
{
    put_be64(out, (uint64_t)start_ms ^ SIGN64);
}

bool agg_key_window(struct span *key, int64_t *start_ms)
{
    uint64_t u;

    if (!take_be64(key, &u))
        return false;
    *start_ms = (int64_t)(u ^ SIGN64);
    return true;
}

static void put_whole(struct buf *out, __int128 x)
{
    uint8_t b[WHOLE_BYTES];

    whole_write(b, x);
    b[0] ^= 0x80;
    buf_put(out, span_of(b, sizeof b));
}

static void put_real(struct buf *out, double x)
{
    uint64_t u;

    if (isnan(x))
        x = (double)NAN;
    if (x == 0)
        x = 0; // -0 is 0
    memcpy(&u, &x, sizeof u);
    put_be64(out, u & SIGN64 ? ~u : u | SIGN64);
}

static void put_text(struct buf *out, struct span s)
{
    while (s.n > 0) {
        const uint8_t *zero = memchr(s.p, 0, s.n);
        size_t n = zero == NULL ? s.n : (size_t)(zero - s.p) + 1;

        buf_put(out, span_of(s.p, n));
        if (zero != NULL)
            buf_put_u8(out, 0xff);
        s = span_skip(s, n);
    }
    buf_put(out, span_of("\0\0", 2));
}

void agg_key_put(struct buf *out, const struct agg_value *v)
{
    switch (v->kind) {
    case AGG_NONE: buf_put_u8(out, TAG_NULL); break;
    case AGG_WHOLE:
        buf_put_u8(out, TAG_WHOLE);
        put_whole(out, v->whole.v);
        break;
    case AGG_REAL:
        buf_put_u8(out, TAG_REAL);
        put_real(out, v->real);
        break;
    case AGG_TEXT:
        buf_put_u8(out, TAG_TEXT);
        put_text(out, v->text);
        break;
    }
}

static bool take_whole(struct span *key, struct agg_value *out)
{
    uint8_t b[WHOLE_BYTES];
    __int128 x;

    if (key->n < WHOLE_BYTES)
        return false;
    memcpy(b, key->p, WHOLE_BYTES);
    b[0] ^= 0x80;
    *key = span_skip(*key, WHOLE_BYTES);
    if (!whole_read(&x, span_of(b, sizeof b)))
        return false;
    *out = (struct agg_value){.kind = AGG_WHOLE, .whole = {x}};
    return true;
}

static bool take_real(struct span *key, struct agg_value *out)
{
    uint64_t u;

    if (!take_be64(key, &u))
        return false;
    u = u & SIGN64 ? u & ~SIGN64 : ~u;
    *out = (struct agg_value){.kind = AGG_REAL};
    memcpy(&out->real, &u, sizeof u);
    return true;
}

/* How many bytes the text takes, its end included; 0: it has none. */
static size_t text_size(struct span key, size_t *zeros)
{
    *zeros = 0;
    for (size_t i = 0; i + 1 < key.n; i++) {
        if (key.p[i] != 0)
            continue;
        if (key.p[i + 1] == 0)
            return i + 2;
        if (key.p[i + 1] != 0xff)
            return 0;
        ++*zeros;
        i++;
    }
    return 0;
}

static bool take_text(struct span *key, struct agg_value *out, struct arena *a)
{
    size_t zeros, n = text_size(*key, &zeros);

    if (n == 0)
        return false;
    *out = (struct agg_value){.kind = AGG_TEXT, .text = span_of(key->p, n - 2)};
    if (zeros > 0) {
        uint8_t *copy = arena_alloc(a, n);
        size_t k = 0;

        for (size_t i = 0; i < n - 2; i++) {
            copy[k++] = key->p[i];
            i += key->p[i] == 0; // its ff
        }
        out->text = span_of(copy, k);
    }
    *key = span_skip(*key, n);
    return true;
}

bool agg_key_next(struct span *key, struct agg_value *out, struct arena *a)
{
    if (key->n == 0)
        return false;
    uint8_t tag = key->p[0];
    *key = span_skip(*key, 1);
    switch (tag) {
    case TAG_NULL: *out = (struct agg_value){0}; return true;
    case TAG_WHOLE: return take_whole(key, out);
    case TAG_REAL: return take_real(key, out);
    case TAG_TEXT: return take_text(key, out, a);
    default: return false;
    }
}
