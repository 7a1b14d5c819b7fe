/*
 * server.h - an HTTP/1.1 server: strict at the door, patient with Kafka, never with
 * clients.
 *
 *      accept thread --> loop 0..n-1 (epoll) --> handler, on the loop
 *                            ^      \--> workers --> handler of an HTTP_MAY_BLOCK row
 *                            |                          |
 *                            +------- http_answer() ----+---- from any thread, once
 *
 * The message rules are RFC 9112's, read as strictly as it allows (parse.h); every
 * wait for a client has a total deadline (struct http_limits).
 *
 * HANDLERS.  A handler gets the whole request, body and all, and owns it until it calls
 * http_answer(), or hands the pointer to whoever will: returning without an answer
 * keeps the request.  EVERY request is answered exactly once, also late, also when the
 * client is gone: the answer is what gives the memory back.  After it the pointer and
 * everything in its arena is gone.  When the deadline passes first, the client gets a
 * 504 (http_app.expired) and the late answer is dropped.
 *
 * THREADS.  A handler runs on a loop thread and must not wait for anything; a row
 * flagged HTTP_MAY_BLOCK runs on a worker thread and may.  From then on one thread at a
 * time may use the request and its arena; whoever passes it on passes both.  http_app's
 * hooks run on loop threads, several at once, and must not wait.
 */
#pragma once

#include "base/buf.h"
#include "base/mem.h"
#include "http/route.h"
#include "http/tls.h"

struct http_req { // read only, except that the arena is yours to allocate in
    enum http_method method;
    const struct http_route *route;
    struct span path;  // as sent, without the query; "/subjects/a%2Fb"
    struct span query; // as sent, without the '?'
    struct span body;
    struct span id;          // X-Request-ID, taken or made
    struct span trace;       // its field traceparent as it came, or empty
    struct span peer;        // "127.0.0.1:40332"
    struct span certificate; // name in the client's verified one (RFC 2253), or empty
    struct span who;         // whose request it is: set by http_app.admit, else empty
    struct span address; // 16 bytes: the IPv4 address, or IPv6 /64, that it comes from
    uint64_t declared;   // Content-Length; 0 where there is none
    bool streams;        // its body comes in pieces: http/stream.h
    void *visit;         // the program's own, from http_app.enter to http_app.leave
    const struct http_field *fields; // the header, in order
    size_t nfields;
    const struct http_field *params; // the query, decoded
    size_t nparams;
    const struct http_field *parts; // {parts} of the pattern, decoded
    size_t nparts;
    int64_t began_us; // clock_us() when its head was whole
    int64_t due_ms;   // clock_ms() at which the client will be told 504
    struct arena arena;
};

/* The header field called `name` (first one, case ignored); {NULL, 0} when absent. */
struct span http_header(const struct http_req *r, const char *name);

/* The {part} called `name`: a pattern without it is our own bug and asserts. */
struct span http_part(const struct http_req *r, const char *name);

/* The first query parameter called `name`; false when absent. */
bool http_param(const struct http_req *r, const char *name, struct span *out);

/* Only within http_app.admit, as its last act but for passing `r` on: the verdict comes
 * later, by http_admit() or an answer, from any thread, once.  Until then the body is
 * not read, and the deadline runs. */
void http_admit_later(struct http_req *r);
void http_admit(struct http_req *r);

/* Has the client left (or closed its sending side)?  Any thread that holds `r`. */
bool http_gone(const struct http_req *r);

/* Adds a header field to the answer to come; both are copied.  Content-Type,
 * Content-Length, Connection and X-Request-ID are the server's.  A value with bytes a
 * header may not carry loses them to '?'. */
void http_answer_header(struct http_req *r, const char *name, struct span value);

/* The answer; `body` is copied, `type` (a literal) NULL where there is no body. */
void http_answer(struct http_req *r, int status, const char *type, struct span body);

/* The same, taking over the memory of `body`, which is empty then. The buf must not be
 * over its limit. */
void http_answer_take(struct http_req *r, int status, const char *type,
                      struct buf *body);

/* {"error_code":code,"message":"..."} in http_app.error_type. */
void http_answer_error(struct http_req *r, int status, int code, const char *fmt, ...)
    PRINTF_LIKE(4, 5);

/* Between the two, what this thread answers waits for the release: one wake-up for a
 * loop then, and not one for a connection.  For who answers many in a row, and waits
 * for nothing in between.  Not on a loop. */
void http_answers_hold(void);
void http_answers_release(void);

/* Retry-After: `seconds`, for 429 and 503. */
void http_answer_retry_after(struct http_req *r, int seconds);

/* One finished request, for the access log.  Borrowed for the call. */
struct http_done {
    enum http_method method; // GET when there was no readable request
    const char *pattern;     // of its row; "" when none matched
    struct span path, id, trace, peer, who;
    int status;                 // 0: the client left, or was cut off, before any
    size_t bytes_in, bytes_out; // bodies
    int64_t us;                 // from head to the last byte given to the kernel
    bool gone;                  // the client left before it had everything
};

/*
 * The program: puts this first in a struct of its own and casts back in its handlers.
 * All of it is set before http_server_open() and not changed after.
 */
struct http_app {
    const struct http_route *routes; // static rows
    size_t nroutes;
    const char *error_type; // of the server's own 4xx/5xx; NULL: application/json

    /* Asked when a head is in and its row found, before any of the body is read; may
     * answer at once (401, 429, 503), put the verdict off (http_admit_later()), else
     * lets it in.  Rows flagged HTTP_ALWAYS are not asked about.  May be NULL. */
    void (*admit)(struct http_app *app, struct http_req *r);

    /* Asked of a request that `admit` let in, when it is known whose it is and still
     * before any of its body is read; may answer (429, 503), else it is in.  May be
     * NULL. */
    void (*enter)(struct http_app *app, struct http_req *r);

    /* Asked of one that is in, before `n` more bytes of its body are kept: false after
     * an answer (503), and no more of it is read.  May be NULL. */
    bool (*keep)(struct http_app *app, struct http_req *r, size_t n);

    /* Told of each answer that the program gives to one that is in, before the client
     * gets any of it: on the thread that answers.  `type` as given.  May be NULL. */
    void (*answered)(struct http_app *app, struct http_req *r, int status,
                     const char *type, struct span body);

    /* One that `enter` was asked about is over and its memory about to go, whatever
     * became of it.  Once.  May be NULL. */
    void (*leave)(struct http_app *app, struct http_req *r);

    /* Of a row flagged HTTP_STREAM: is this request's body to come in pieces (true), or
     * whole?  NULL: it is. */
    bool (*streams)(struct http_app *app, const struct http_req *r);

    /* The deadline of `r` passed: writes the body of the client's answer to `body` and
     * returns its status.  `r` is still somebody's: read method, route, path, id, parts
     * of it only.  NULL: 504 with error_code 504. */
    int (*expired)(struct http_app *app, const struct http_req *r, struct buf *body);

    void (*done)(struct http_app *app,
                 const struct http_done *d); // access log, or NULL
};

/* What a client may cost us.  HTTP_LIMITS are the defaults, documented by value. */
struct http_limits {
    size_t head;        // request line and header fields, bytes: 431 past it
    size_t target;      // request target, bytes: 414 past it
    size_t fields;      // header fields: 431 past it
    size_t body;        // bytes, unless the row says otherwise: 413 past it
    size_t bodies;      // bytes of all bodies held at once: 503 past it
    size_t connections; // open at once; `reserve` more may only ask HTTP_ALWAYS rows
    size_t reserve;
    size_t per_ip;    // connections of one IPv4 address or IPv6 /64; 0 = no cap
    size_t queue;     // requests waiting for a worker: 503 past it
    int64_t head_ms;  // first byte to whole head, in total
    int64_t body_ms;  // grace before body_rate counts
    size_t body_rate; // bytes a second, averaged from the first
    int64_t idle_ms;  // between requests
    int64_t write_ms; // for an answer, and 1 s more for each write_rate bytes taken
    size_t write_rate;
    int64_t request_ms; // handler to answer, unless the row says otherwise: 504 past it
    int64_t stream_ms;  // of a stream in which nothing comes or goes
    int64_t linger_ms;  // for the client to read a refusal before we close
};

#define HTTP_LIMITS                               \
    ((struct http_limits){.head = 16 << 10,       \
                          .target = 8 << 10,      \
                          .fields = 100,          \
                          .body = 10 << 20,       \
                          .bodies = 256 << 20,    \
                          .connections = 10000,   \
                          .reserve = 16,          \
                          .per_ip = 4096,         \
                          .queue = 1024,          \
                          .head_ms = 10000,       \
                          .body_ms = 10000,       \
                          .body_rate = 1 << 10,   \
                          .idle_ms = 30000,       \
                          .write_ms = 15000,      \
                          .write_rate = 64 << 10, \
                          .request_ms = 25000,    \
                          .stream_ms = 300000,    \
                          .linger_ms = 1000})

struct http_settings {
    const char *const
        *listen; // "127.0.0.1:8081", "[::1]:0", ":8081"; port 0: any free one
    size_t nlisten;
    struct http_tls *tls; // for every address; NULL: in the clear.  Outlives the server
    size_t loops;         // threads; 0 = one per core
    size_t workers; // threads for HTTP_MAY_BLOCK rows; 0 = 16, none when there is none
    struct http_limits limits;
};

struct http_server;

/* Binds, starts the threads and serves.  ERR_INVALID for an address that is none,
 * ERR_UNAVAILABLE naming the address that cannot be bound.  Borrows `app` and its rows;
 * `s` is copied. */
enum err_kind http_server_open(struct http_server **out, const struct http_settings *s,
                               struct http_app *app, struct err *e) MUST_USE;

/* The port bound for s->listen[i]. */
uint16_t http_server_port(const struct http_server *s, size_t i);

/*
 * Stops accepting, closes idle connections, answers what is being asked (with
 * Connection: close), and returns when all is answered or after `within_ms`; what then
 * still waits has been told 504.  Meanwhile requests on kept connections get 503, those
 * for HTTP_ALWAYS rows their answer.  Any thread but the server's; once.
 */
void http_server_drain(struct http_server *s, int64_t within_ms);

/* Drains if nobody did, waits for the program to answer every request it kept (so stop
 * Kafka between drain and close), ends the threads, frees. */
void http_server_close(struct http_server *s);

struct http_counters {       // since open, except where "now"
    uint64_t open;           // connections now
    uint64_t in_flight;      // requests with a handler now
    uint64_t body_bytes;     // of bodies held now
    uint64_t queued;         // requests waiting for a worker now
    uint64_t accepted;       // connections
    uint64_t over_cap;       // connections refused: total, in the reserve or past it
    uint64_t over_ip_cap;    // connections refused: one address
    uint64_t requests;       // answered, by status below
    uint64_t by_class[6];    // [2] = 2xx
    uint64_t malformed;      // refused by the message rules
    uint64_t bad_handshakes; // of TLS that were begun and came to nothing
    uint64_t over_bodies;    // 503: bodies
    uint64_t over_queue;     // 503: workers busy
    uint64_t late_head, late_body, late_idle, late_write, late_request;
    uint64_t gone;                // clients that left before their answer
    uint64_t bytes_in, bytes_out; // all that was received and sent
};

/* A snapshot; any thread. */
void http_server_counters(const struct http_server *s, struct http_counters *out);
/* The same for /metrics, as avrogate_http_*: appended, in Prometheus' text format. */
void http_server_metrics(const struct http_server *s, struct buf *out);
