/*
 * buf.h - bytes we own, growing up to an agreed limit.
 *
 * Appending never fails at the call.  A write past the limit is dropped, and so is
 * every write after it; buf_status() tells once, at the end.  Encoders therefore
 * read as a list of what they write, with one check before the result is used.
 *
 * Owner: whoever declared it, with BUF_INIT; buf_free() gives the memory back.  Not
 * thread-safe: a buf belongs to one thread at a time.
 */
#pragma once

#include "base/err.h"
#include "base/span.h"

struct buf {
    uint8_t *p;
    size_t n;     // bytes written
    size_t cap;   // bytes allocated
    size_t limit; // bytes we agreed to hold
    bool over;    // a write was dropped; stays true until buf_reset()
};

#define BUF_INIT(limit_) ((struct buf){.limit = (limit_)})
/* Over an array of bytes, which is its limit: nothing is allocated, nothing freed. */
#define BUF_OVER(array_) \
    ((struct buf){.p = (array_), .cap = sizeof(array_), .limit = sizeof(array_)})

void buf_put(struct buf *b, struct span bytes);
void buf_put_u8(struct buf *b, uint8_t v);
void buf_put_be32(struct buf *b, uint32_t v);
void buf_put_le(struct buf *b, uint64_t v, size_t n); // its n low bytes, lowest first
void buf_put_hex(struct buf *b, struct span bytes);   // two digits each
void buf_put_str(struct buf *b, const char *s);

/* ERR_LIMIT when a write was dropped.  Call it before buf_span(). */
enum err_kind buf_status(const struct buf *b, struct err *e) MUST_USE;

/* What was written: valid until the next write, reset or free. */
struct span buf_span(const struct buf *b);

void buf_reset(struct buf *b); // empty again, memory kept
void buf_free(struct buf *b);  // memory given back, usable again as from BUF_INIT

void buf_printf(struct buf *b, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* Room for `n` more bytes, to be written by the caller and then counted with
 * buf_added(); NULL when that would pass the limit (the buf is then over). */
uint8_t *buf_room(struct buf *b, size_t n);
void buf_added(struct buf *b, size_t n);

/* Cuts back to `n` bytes written earlier: how an encoder takes a failed record back. */
void buf_cut(struct buf *b, size_t n);

/* Gives the memory to the caller, who frees it with free(); the buf is empty then. */
uint8_t *buf_take(struct buf *b, size_t *n);
