/*
 * parse.h - bytes of a client to one request: RFC 9112, read as strictly as it allows.
 *
 * Where two readers could disagree about where a message ends, one of them is being
 * smuggled past; so whatever is ambiguous is refused here, once, before any handler:
 * a line ends with CR LF and with nothing else; one Host; one Content-Length of digits
 * or one Transfer-Encoding of `chunked`, never both; no folding, no space before a
 * colon, no control character in a value.
 *
 * Three steps, each of which may be repeated with more bytes and gives the same result
 * however the bytes are split:
 *
 *      http_scan_head()  is the head whole?  (also the limits and the line ends)
 *      http_read_head()  the whole head to a struct http_head
 *      http_read_body()  what follows to pieces of body, up to the exact last byte
 *
 * Pure: no allocation, no I/O, bounded by `struct http_head_limits`.
 */
#pragma once

#include "http/message.h"

/* Why a message is refused: the status it gets, and a sentence (static). */
struct http_refusal {
    int status; // 400 405.. 413 414 417 431 501 505
    const char *why;
};

struct http_head_limits {
    size_t head;   // bytes of everything up to the empty line
    size_t target; // bytes of the request target
    size_t fields;
};

enum http_step {
    HTTP_MORE, // nothing wrong so far, nothing whole yet
    HTTP_DATA, // http_read_body only: a piece of it
    HTTP_WHOLE,
    HTTP_REFUSED,
};

/* Where the scan stands; {0} at the start of each message. */
struct http_scan {
    size_t at;    // bytes looked at
    size_t line;  // where the line we are in starts
    size_t lines; // whole lines that are not empty
    size_t start; // of the request line: one empty line before it is skipped
    size_t end;   // HTTP_WHOLE: behind the empty line
};

/* `in` is the message from its first byte, longer at each call. */
enum http_step http_scan_head(struct http_scan *s, struct span in,
                              const struct http_head_limits *lim,
                              struct http_refusal *no);

struct http_head { // borrows from the bytes it was read from
    enum http_method method;
    struct span path;  // begins with '/', or is "*"
    struct span query; // without '?'
    int minor;         // 1.0 or 1.1
    struct http_field *fields;
    size_t nfields;
    uint64_t length; // Content-Length, 0 when absent
    bool chunked;
    bool keep_alive; // the client's side of it
    bool expects_100;
};

/*
 * Reads the head that http_scan_head() found, `in` being [s->start, s->end) of it.
 * `fields` has room for s->lines - 1.  HTTP_WHOLE or HTTP_REFUSED.
 */
enum http_step http_read_head(struct http_head *out, struct span in,
                              struct http_field *fields,
                              const struct http_head_limits *lim,
                              struct http_refusal *no);

/* Where the body stands.  Chunk extensions and trailers are checked, bounded, dropped.
 */
struct http_body {
    int state;
    bool chunked;
    uint64_t left;  // of the body or of the chunk in hand
    uint64_t total; // bytes of data given out
    uint64_t max;
    size_t digits;  // of the chunk size in hand
    size_t dropped; // bytes of extensions and trailers
};

/* HTTP_REFUSED with 413 when the declared length is over `max`. */
enum http_step http_body_begin(struct http_body *b, const struct http_head *h,
                               uint64_t max, struct http_refusal *no);

/*
 * Takes bytes from the front of *in.  HTTP_DATA: *data is the next piece, borrowed from
 * *in.  HTTP_WHOLE: the body is over, *in starts with the next message.  HTTP_MORE: *in
 * is empty.
 */
enum http_step http_read_body(struct http_body *b, struct span *in, struct span *data,
                              struct http_refusal *no);

/* Is every byte one that RFC 9110 5.6.2 calls a token's?  Empty is not a token. */
bool http_is_token(struct span s);

/* May every byte stand in a field value (RFC 9110 5.5)? */
bool http_is_value(struct span s);
