/*
 * route.h - method and path to a row of the program's table, and its {parts}.
 *
 *      {HTTP_GET, "/subjects/{subject}/versions/{version}", get_version}
 *
 * A path is cut at its slashes first and each segment percent-decoded then, so %2F
 * stays inside its segment.  One trailing slash is accepted; an empty segment matches
 * a {part}.  Rows are tried in order and the first match wins: write literal rows above
 * those with parts.  HEAD finds the row of GET where it has none of its own.
 *
 * Pure.  struct http_routes is immutable once made: any thread may match with it.
 */
#pragma once

#include "base/err.h"
#include "base/mem.h"
#include "http/message.h"

struct http_app;
struct http_req;

enum {
    HTTP_MAY_BLOCK = 1, // runs on a worker thread, not on the loop
    HTTP_STREAM = 4,    // a body without a declared length comes in pieces (stream.h)
    HTTP_ALWAYS = 2,    // health: passes admission, overload and draining
};

struct http_route {
    enum http_method method;
    const char *pattern;
    void (*handler)(struct http_app *app, struct http_req *r); // see server.h
    unsigned flags;
    size_t body_max;     // bytes of body taken; 0 = http_limits.body
    int64_t deadline_ms; // from handler to answer; 0 = http_limits.request_ms
};

#define HTTP_SEGMENTS 24 // a path with more is not found; a pattern may not have more
#define HTTP_PARTS 8

struct http_match {
    const struct http_route *route;      // NULL unless HTTP_FOUND
    struct http_field parts[HTTP_PARTS]; // name from the pattern, value decoded
    size_t nparts;
    struct span allow; // HTTP_NOT_ALLOWED: "GET, HEAD, POST"
};

enum http_found {
    HTTP_FOUND,
    HTTP_NOT_FOUND,   // 404
    HTTP_NOT_ALLOWED, // 405: the path exists for other methods
    HTTP_BAD_PATH,    // 400: a % without two hex digits, or %00
};

struct http_routes;

/* Borrows `rows`, which must outlive it.  Asserts that every pattern is well formed. */
struct http_routes *http_routes_make(const struct http_route *rows, size_t n);
void http_routes_free(struct http_routes *t);

/* `path` begins with '/' and has no query.  Values borrow from `path` or live in `a`.
 */
enum http_found http_routes_match(const struct http_routes *t, enum http_method method,
                                  struct span path, struct arena *a,
                                  struct http_match *out);

/*
 * Takes a query apart by the rules of application/x-www-form-urlencoded: '&' between,
 * '+' is a space, %XX a byte; a name without '=' has an empty value.  ERR_INVALID for a
 * bad % or %00, ERR_LIMIT for more than HTTP_PARAMS.
 */
#define HTTP_PARAMS 64
enum err_kind http_query_read(const struct http_field **out, size_t *n,
                              struct span query, struct arena *a,
                              struct err *e) MUST_USE;
