/*
 * coding.h - Content-Encoding of a request's body: gzip (RFC 1952) and zstd (RFC 8878).
 *
 * What comes in small may come out large, so the reader says how large it may become:
 * out->limit bytes, and past a MiB not more than `ratio` times what came in.  Members
 * and frames one behind the other are one body; anything behind the last, or the last
 * cut short, is an error.  A zstd window is at most 8 MiB (RFC 9659).
 *
 * Pure; one thread at a time.
 */
#pragma once

#include "base/buf.h"

struct http_coding_limits {
    size_t ratio; // 0 = 200
    /* Asked before `out` grows by `n`: false refuses (ERR_UNAVAILABLE).  NULL: it may.
     */
    bool (*may_grow)(void *who, size_t n);
    void *who;
};

enum http_coding { HTTP_IDENTITY, HTTP_GZIP, HTTP_ZSTD, HTTP_CODING_UNKNOWN };

/* Of a field's value; empty is identity.  More than one coding is unknown. */
enum http_coding http_coding_of(struct span value);

#define HTTP_CODINGS "gzip, zstd" // for Accept-Encoding of a 415

/* Appends `in` decoded.  ERR_INVALID: it is not what it says.  ERR_LIMIT: it is too
 * large.  `out` holds no more than its limit whatever comes. */
enum err_kind http_decode(struct buf *out, enum http_coding coding, struct span in,
                          const struct http_coding_limits *lim, struct err *e) MUST_USE;
