/*
 * server_inside.h - the server's rooms among themselves.
 *
 *      server.c  opens, drains, closes         accept.c  the accept thread, caps
 *      loop.c    epoll, mail, the clock        conn.c    one connection's states
 *      request.c what becomes of a request     call.c    one request's memory
 *      answer.c  what handlers say to it       stream.c  bodies, answers in pieces
 *      work.c    threads for rows that wait    metrics.c the counters as text
 *      (parse, route, deadline, socket: pure)
 *
 * Who may touch what is said at each field.  A call goes from loop to handler and back
 * by mail; in between the loop keeps only the connection's side of it.
 */
#pragma once

#include "base/queue.h"
#include "http/deadline.h"
#include "http/parse.h"
#include "http/server.h"
#include "http/socket.h"

#include <pthread.h>
#include <stdatomic.h>

enum count {
    COUNT_IN_FLIGHT,
    COUNT_REQUESTS,
    COUNT_CLASS, // and five more
    COUNT_MALFORMED = COUNT_CLASS + 6,
    COUNT_OVER_CAP,
    COUNT_OVER_BODIES,
    COUNT_OVER_QUEUE,
    COUNT_BAD_HANDSHAKE,
    COUNT_LATE_HEAD,
    COUNT_LATE_BODY,
    COUNT_LATE_IDLE,
    COUNT_LATE_WRITE,
    COUNT_LATE_REQUEST,
    COUNT_GONE,
    COUNT_BYTES_IN,
    COUNT_BYTES_OUT,
    COUNTS,
};

/* One header line of the answer, CR LF and all; in the call's arena. */
struct answer_line {
    struct answer_line *next;
    struct span text;
};

struct call {
    struct http_req req; // first, so that a struct http_req * is ours to cast back
    struct loop *loop;
    struct call *next;    // in the mail, or among the spare
    atomic_bool gone;     // set by the loop, read by whoever has the call
    atomic_bool unwanted; // the same: nobody waits for the answer any more

    // the loop's
    struct conn *conn; // NULL: let go of
    struct buf body;
    size_t held; // of the server's budget of bodies
    size_t kept; // bytes of body, for the log
    enum http_found found;
    struct span allow;
    bool keep_alive;       // as the client asked
    bool old;              // HTTP/1.0
    bool asking;           // the verdict of http_app.admit was put off
    bool entered;          // http_app.leave is to be told
    struct stream *stream; // NULL: its body is read before it is served
    size_t streamed;       // bytes of it that are out

    // the answer: whoever has the call, then the loop
    int status;
    const char *type;
    struct span out; // in the arena, or in `taken`
    struct buf taken;
    struct answer_line *lines, **last_line;
};

enum conn_state {
    CONN_HEAD,
    CONN_BODY,
    CONN_WAIT,
    CONN_WRITE,
    CONN_STREAM,
    CONN_SKIP,
    CONN_LINGER
};

struct conn { // the loop's, but for what the accept thread filled in before
    struct deadline deadline; // first, to be cast back
    struct http_socket socket;
    struct loop *loop;
    struct conn *next, *before; // of the loop; `next` also on the way there
    struct conn *next_again;
    enum conn_state state;
    bool readable, half_closed; // what epoll said
    bool again;                 // waits in loop->again
    bool closed;                // to be freed as soon as nothing points here
    bool reserved;              // over the cap: HTTP_ALWAYS rows only
    bool mid_head;              // a head has begun, or is the first and owed
    bool last;                  // no request after this one
    bool skips;                 // the rest of its body is read after the answer
    bool unread;                // and what the client sends still is not for us
    bool expected;              // the client waits for 100 Continue
    int64_t since;              // clock_ms() when this state began
    int64_t due;                // WAIT: when the client is told 504
    uint64_t sent;              // WRITE: bytes so far
    struct buf in;              // bytes that are no whole head yet, or not our turn
    struct http_scan scan;
    struct http_body body;
    struct call *call;  // BODY, WAIT, WRITE, STREAM
    struct span out[2]; // WRITE: what is left, in the call's arena or its buf
    uint8_t ip[16];     // key of the per-address cap
    char peer[56];
};

struct loop {
    struct http_server *server;
    int epoll, wake;
    pthread_t thread;
    // from other threads
    _Atomic(struct call *) mail;     // answered
    _Atomic(struct conn *) arrivals; // accepted
    atomic_size_t nconns;            // counted up by the accept thread, down by us
    atomic_size_t mailing;           // threads in loop_mail() right now
    _Atomic uint64_t counts[COUNTS]; // written here only
    // own thread only
    pthread_t self;
    int64_t now;
    struct deadlines deadlines;
    struct conn *conns;
    size_t ncalls; // alive
    struct conn *again;
    struct call *running; // in a handler on this thread; NULL once it answered
    struct call *spare;
    size_t nspare;
    uint8_t *in;    // LOOP_IN bytes: what was just received
    struct buf out; // an answer being put together
    uint64_t random[2];
    bool draining, cut, stopping; // seen, of the server's
};

#define LOOP_IN (128 << 10)
#define LOOP_OUT (64 << 10)

struct accepting;

struct http_server {
    struct http_app *app;
    struct http_tls *tls;      // NULL: in the clear
    struct http_limits limits; // as given, then constant
    struct http_head_limits head_limits;
    struct http_routes *routes;
    size_t nlisten;
    uint16_t *ports;
    size_t nloops;
    struct loop *loops;
    struct accepting *accepting;
    struct queue work;
    size_t nworkers;
    pthread_t *workers;
    atomic_size_t bodies; // bytes held
    atomic_size_t open;   // connections
    atomic_bool draining; // no more requests but HTTP_ALWAYS
    atomic_bool cut;      // and no more patience
    atomic_bool stopping; // close everything, wait for kept calls, end
    bool drained;
    pthread_mutex_t lock;
    pthread_cond_t emptier; // a connection closed while draining
};

/* loop.c */
void loop_start(struct loop *l, struct http_server *s);
void loop_join(struct loop *l); // after `stopping`: waits for every call it has out
void loop_free(struct loop *l);
void loop_wake(struct loop *l);
void loop_mail(struct loop *l, struct call *k);   // any thread
void loop_arrive(struct loop *l, struct conn *c); // the accept thread
static inline void loop_count(struct loop *l, enum count what, int64_t by)
{
    uint64_t v = atomic_load_explicit(&l->counts[what], memory_order_relaxed);
    atomic_store_explicit(&l->counts[what], v + (uint64_t)by, memory_order_relaxed);
}

/* conn.c: the connection's loop only; `c` may be gone after each of them */
void conn_begin(struct conn *c);
void conn_event(struct conn *c, uint32_t events);
void conn_again(struct conn *c);
void conn_late(struct conn *c);     // its deadline came
void conn_answered(struct call *k); // by mail
void conn_drain(struct conn *c);    // the server's draining or cut was set

void conn_close(struct conn *c);  // `c` itself goes when nobody holds it
void conn_finish(struct conn *c); // its answer is out
bool conn_receive(struct conn *c, struct span *in); // appends; false: nothing now
/* Up to `room` bytes to `p`.  false: none now, or none ever. */
bool conn_receive_at(struct conn *c, uint8_t *p, size_t room, size_t *n);
void conn_set_state(struct conn *c, enum conn_state state);
void conn_write_answer(struct conn *c); // the call is answered: sends what goes at once

/* request.c: the same */
void request_begin(struct conn *c, struct span *in); // its head is whole
bool request_step_body(struct conn *c, struct span *in);
void request_let_in(struct conn *c);     // the program's verdict came: it may
void request_leave_rest(struct conn *c); // answered before its body was read
/* The server's answer, and nothing after it is read. */
void request_refuse(struct conn *c, int status, const char *why);
bool request_ask_for_body(struct conn *c); // false: it closed

/* stream.c: the loop only */
struct stream;
void stream_new(struct call *k);
void stream_free(struct call *k); // none is fine
bool stream_has_begun(struct call *k);
bool stream_is_open(const struct call *k);    // it has begun, and the loop has seen it
bool stream_is_closing(const struct call *k); // the program ended it
bool stream_step(struct conn *c, struct span *in);
bool stream_news(struct call *k); // true: it is over, and nobody waits for it
int64_t stream_due(const struct conn *c);
void stream_late(struct conn *c);
void stream_drain(struct conn *c);
void stream_lost(struct call *k); // its connection closed

/* call.c: the loop only */
struct call *call_new(struct loop *l, struct conn *c);
void call_free(struct call *k);
void call_drop_body(struct call *k); // it is answered: nobody reads that any more
enum http_step call_read_head(struct call *k, struct span head, size_t lines,
                              struct http_head *h, struct http_refusal *no);
void call_put_head(struct call *k, struct buf *out, bool keep_alive);
void call_put_stream_head(const struct call *k, struct buf *out); // any thread
bool call_has_body(const struct call *k); // of its answer: not to HEAD, not 204

/* accept.c */
enum err_kind accept_open(struct accepting **out, struct http_server *s,
                          const struct http_settings *settings, struct err *e) MUST_USE;
void accept_start(struct accepting *a);
void accept_stop(struct accepting *a); // ends its thread, closes the listeners
void accept_free(struct accepting *a);
void accept_forget(struct accepting *a, const uint8_t ip[16]); // any thread
void accept_counts(const struct accepting *a, struct http_counters *out);

/* work.c */
void work_start(struct http_server *s, size_t workers);
void work_stop(struct http_server *s);
