/*
 * stream.h - a request whose body comes in pieces while its answer goes out in pieces.
 *
 *      head --> handler --http_stream_begin()--> 200, Transfer-Encoding: chunked
 *      chunk --> data()      http_stream_write() --> chunk
 *      end   --> end()       http_stream_end()   --> last chunk
 *
 * For rows flagged HTTP_STREAM, and bodies of no declared length: the handler is called
 * when the head is in (r->streams is true, r->body empty), and either answers as any
 * does or begins a stream.  Until then nothing of the body is read.
 *
 * The functions of struct http_stream run on the request's loop, one at a time, and
 * must not wait.  http_stream_write(), _resume() and _end() may be called from any
 * thread; after _end(), which is called exactly once, `r` is gone.
 *
 * What comes too fast is not read: while data() said false, or the client leaves more
 * than HTTP_STREAM_OUT of the answer lying.  A client that takes nothing for
 * http_limits.write_ms is cut off; one that sends nothing for stream_ms has ended.
 */
#pragma once

#include "http/server.h"

#define HTTP_STREAM_OUT (4 << 20)

struct http_stream {
    /* A piece of the body, borrowed.  false: no more of it until http_stream_resume(),
     * after which this is called at once, with nothing if nothing came. */
    bool (*data)(struct http_req *r, struct span piece);
    /* The body is over, or what there will ever be of it: data() may still be called
     * with nothing.  `status` 0: it is whole; else it broke off, and why: 400 no
     * chunks, 408 silence, 503 we are shutting down. */
    void (*end)(struct http_req *r, int status, const char *why);
    /* The client is gone, nothing is called any more.  Once, instead of end() or after
     * it; the stream has to be ended all the same. */
    void (*gone)(struct http_req *r);
};

/* Instead of an answer; `s` static, `type` a literal. */
void http_stream_begin(struct http_req *r, int status, const char *type,
                       const struct http_stream *s);
void http_stream_write(struct http_req *r, struct span bytes);
void http_stream_resume(struct http_req *r);
void http_stream_end(struct http_req *r);
