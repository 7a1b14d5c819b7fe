#include "base/buf.h"

#include "base/bytes.h"

#include "base/mem.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

/* Makes room for `more` bytes, or marks the buffer as over its limit. */
static bool make_room(struct buf *b, size_t more)
{
    if (b->over || more > b->limit - b->n) {
        b->over = true;
        return false;
    }
    if (more <= b->cap - b->n)
        return true;

    size_t cap = b->cap < 64 ? 64 : b->cap;
    while (cap - b->n < more)
        cap = cap > b->limit / 2 ? b->limit : cap * 2;

    if (cap > b->limit)
        cap = b->limit;
    b->p = mem_grow(b->p, cap, 1);
    b->cap = cap;
    return true;
}

void buf_put(struct buf *b, struct span bytes)
{
    assert(b->n <= b->limit);
    if (bytes.n == 0 || !make_room(b, bytes.n))
        return;
    memcpy(b->p + b->n, bytes.p, bytes.n);
    b->n += bytes.n;
}

void buf_put_u8(struct buf *b, uint8_t v)
{
    buf_put(b, span_of(&v, 1));
}

void buf_put_str(struct buf *b, const char *s)
{
    buf_put(b, span_str(s));
}

void buf_put_le(struct buf *b, uint64_t v, size_t n)
{
    uint8_t bytes[8];

    for (size_t i = 0; i < n; i++)
        bytes[i] = (uint8_t)(v >> 8 * i);
    buf_put(b, span_of(bytes, n));
}

void buf_put_hex(struct buf *b, struct span bytes)
{
    char two[3];

    for (size_t i = 0; i < bytes.n; i++) {
        bytes_hex(two, span_of(bytes.p + i, 1));
        buf_put(b, span_of(two, 2));
    }
}

void buf_put_be32(struct buf *b, uint32_t v)
{
    const uint8_t be[4] = {(uint8_t)(v >> 24), (uint8_t)(v >> 16), (uint8_t)(v >> 8),
                           (uint8_t)v};
    buf_put(b, span_of(be, sizeof be));
}

void buf_printf(struct buf *b, const char *fmt, ...)
{
    char small[256];
    va_list ap, again;

    va_start(ap, fmt);
    va_copy(again, ap);
    int n = vsnprintf(small, sizeof small, fmt, ap);
    va_end(ap);
    if (n >= 0 && (size_t)n < sizeof small) {
        buf_put(b, span_of(small, (size_t)n));
    } else if (n >= 0) {
        uint8_t *room = buf_room(b, (size_t)n + 1);
        if (room != NULL) {
            vsnprintf((char *)room, (size_t)n + 1, fmt, again);
            buf_added(b, (size_t)n);
        }
    }
    va_end(again);
}

uint8_t *buf_room(struct buf *b, size_t n)
{
    static uint8_t none; // room for no bytes is there before any was allocated

    if (!make_room(b, n))
        return NULL;
    return b->p == NULL ? &none : b->p + b->n;
}

void buf_added(struct buf *b, size_t n)
{
    assert(n <= b->cap - b->n);
    b->n += n;
}

void buf_cut(struct buf *b, size_t n)
{
    assert(n <= b->n);
    b->n = n;
    b->over = false;
}

uint8_t *buf_take(struct buf *b, size_t *n)
{
    assert(!b->over);
    uint8_t *p = b->p;

    *n = b->n;
    *b = BUF_INIT(b->limit);
    return p;
}

enum err_kind buf_status(const struct buf *b, struct err *e)
{
    if (b->over)
        return err_set(e, ERR_LIMIT, "more than %zu bytes", b->limit);
    return ERR_OK;
}

struct span buf_span(const struct buf *b)
{
    assert(!b->over);
    return span_of(b->p, b->n);
}

void buf_reset(struct buf *b)
{
    b->n = 0;
    b->over = false;
}

void buf_free(struct buf *b)
{
    free(b->p);
    *b = BUF_INIT(b->limit);
}
