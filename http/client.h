/*
 * client.h - one HTTP call: blocking, one deadline for all of it, no surprises.
 *
 * Over libcurl.  A struct http_client keeps connections open between calls.  One thread
 * at a time uses it; open one per thread, or keep a few in a list.  Nothing is retried
 * here (one exception: libcurl asks again, what is not POST or PATCH, when a kept
 * connection turns out dead), redirects are not followed, only http and https
 * are spoken, no proxy is taken from the environment, and messages name the URL without
 * its userinfo.
 */
#pragma once

#include "base/buf.h"
#include "base/mem.h"
#include "http/message.h"

#include <stdatomic.h>

struct http_client_settings { // all may be zero; strings are copied
    const char *ca_file;      // PEM; NULL: the system's
    const char *cert_file;    // client certificate, PEM, or NULL
    const char *key_file;
    bool insecure;      // believes any certificate: for trying things out only
    const char *agent;  // User-Agent; NULL: "avrogate/VERSION"
    int64_t connect_ms; // at most this much of the deadline for connecting; 0 = 3000
};

struct http_client;

/* ERR_INVALID when a file named in `s` is not readable. */
enum err_kind http_client_open(struct http_client **out,
                               const struct http_client_settings *s,
                               struct err *e) MUST_USE;
void http_client_close(struct http_client *c); // NULL is fine

/* A body too large for memory.  Gives the next bytes, at most `n`; fewer than `n` only
 * at its end, 0 there, -1 to give the call up.  It cannot be rewound: such a call is
 * sent once, whatever its method. */
struct http_source {
    int64_t (*read)(void *arg, uint8_t *p, size_t n);
    void *arg;
    int64_t n; // Content-Length
};

/* Signs the call as AWS does (Signature Version 4); libcurl's reading of it has two
 * conditions: the caller sends x-amz-content-sha256, and sorts the query by name. */
struct http_sigv4 {
    const char *scope; // "aws:amz:us-east-1:s3"
    const char *access_key, *secret_key;
};

struct http_call {
    enum http_method method;
    const char *url; // may carry "user:secret@": sent as Basic, never shown
    const struct http_field *fields; // Authorization among them where wanted
    size_t nfields;
    struct span body;                 // sent with POST, PUT, PATCH
    const struct http_source *source; // instead of `body`; NULL = `body`
    const struct http_sigv4 *sign;    // NULL = no
    int64_t stall_ms; // over as soon as less than 1 KiB/s moved for so long; 0 = never
    const atomic_bool *cancel; // over within a second once this is true; NULL = never
    int64_t deadline_ms;       // clock_ms() by which everything is over
    size_t body_max;           // bytes of answer taken; 0 = 16 MiB.  ERR_LIMIT past it
    bool *sent; // may be NULL.  After a failure: may the server have a whole request?
                // false: certainly not, so whatever it was, it can be asked again
};

struct http_reply {
    int status; // whatever the server said: 500 is a reply, not an error
    struct span body;
    const struct http_field *fields; // header of the final answer, up to 64 KiB
    size_t nfields;
    struct arena arena; // holds all of the above
};

/*
 * Calls.  ERR_OK when a whole answer came, of any status.  ERR_UNAVAILABLE when it did
 * not: no connection, time-out, cut off, TLS refused; the message says URL and cause.
 * ERR_LIMIT when the answer was too long, ERR_INVALID when the URL is none or a field
 * holds a line break.  *out starts as {0}; after ERR_OK its owner frees it.
 */
enum err_kind http_client_call(struct http_client *c, const struct http_call *call,
                               struct http_reply *out, struct err *e) MUST_USE;

/* The first header field of the answer called `name`; {NULL, 0} when absent. */
struct span http_reply_header(const struct http_reply *r, const char *name);
void http_reply_free(struct http_reply *r); // usable again as from {0}
