/*
 * What becomes of a request: its head is read and found a route, the program is asked
 * whether it may come in, its body is taken, a handler gets it.
 *
 *      head ── route ── admit ── enter ── body, piece by piece ── handler
 *         \________\________\________\_______ answered on the way: the rest is left
 */
#include "http/server_inside.h"

#include <stdio.h>

#define BODY_AT_ONCE (256 << 10) // reserved for a declared body before it is seen
#define BODY_DIRECT (16 << 10)   // from here on a body is read into its place
#define SKIP_MOST (64 << 10) // of a body nobody wants, so that its connection goes on

/* The server's own answer to the call in hand. */
static void reply(struct conn *c, int status, const char *why)
{
    c->loop->running = c->call;
    http_answer_error(&c->call->req, status, status, "%s", why);
    conn_write_answer(c);
}

/* The same, and nothing after it is read: where the next message starts is unknown. */
void request_refuse(struct conn *c, int status, const char *why)
{
    if (c->call == NULL)
        c->call = call_new(c->loop, c);
    c->last = c->unread = true;
    reply(c, status, why);
}

static void refuse_busy(struct conn *c, const char *why)
{
    http_answer_retry_after(&c->call->req, 1);
    request_refuse(c, 503, why);
}

static void reply_unfound(struct conn *c)
{
    struct call *k = c->call;

    switch (k->found) {
    case HTTP_BAD_PATH:
        reply(c, 400, "the path or query has a % without two hex digits, or %00");
        break;
    case HTTP_NOT_ALLOWED:
        http_answer_header(&k->req, "Allow", k->allow);
        reply(c, 405, "this path exists for other methods");
        break;
    default: reply(c, 404, "nothing is at this path");
    }
}

static void run_handler(struct conn *c)
{
    struct loop *l = c->loop;
    struct call *k = c->call;

    l->running = k;
    k->req.route->handler(l->server->app, &k->req);
    if (l->running == NULL) {
        loop_count(l, COUNT_IN_FLIGHT, -1);
        conn_write_answer(c);
    }
    l->running = NULL; // kept: from here on `k` is somebody's
}

/* The request is whole. */
static void serve(struct conn *c)
{
    struct loop *l = c->loop;
    struct call *k = c->call;

    if (k->found != HTTP_FOUND) {
        reply_unfound(c);
        return;
    }
    const struct http_route *route = k->req.route;
    int64_t ms =
        route->deadline_ms > 0 ? route->deadline_ms : l->server->limits.request_ms;

    k->req.body = buf_span(&k->body);
    k->req.due_ms = l->now + ms;
    atomic_store_explicit(&k->gone, c->half_closed, memory_order_relaxed);
    conn_set_state(c, CONN_WAIT);
    c->due = k->req.due_ms;
    loop_count(l, COUNT_IN_FLIGHT, 1);
    if (!(route->flags & HTTP_MAY_BLOCK)) {
        run_handler(c);
    } else if (!queue_try_put(&l->server->work, k)) {
        loop_count(l, COUNT_IN_FLIGHT, -1);
        loop_count(l, COUNT_OVER_QUEUE, 1);
        http_answer_retry_after(&k->req, 1);
        reply(c, 503, "all workers are busy and the queue before them is full");
    }
}

static void find_route(struct call *k)
{
    struct http_req *r = &k->req;
    struct http_match m;
    struct err e;

    k->found =
        http_routes_match(k->loop->server->routes, r->method, r->path, &r->arena, &m);
    k->allow = m.allow;
    r->route = m.route;
    r->nparts = m.nparts;
    if (m.nparts > 0) {
        struct http_field *parts = arena_array(&r->arena, m.nparts, sizeof *parts);
        memcpy(parts, m.parts, m.nparts * sizeof *parts);
        r->parts = parts;
    }
    if (k->found == HTTP_FOUND &&
        http_query_read(&r->params, &r->nparams, r->query, &r->arena, &e) != ERR_OK)
        k->found = HTTP_BAD_PATH;
}

static bool is_always(const struct call *k)
{
    return k->req.route != NULL && (k->req.route->flags & HTTP_ALWAYS);
}

/* It was answered before its body was read. */
void request_leave_rest(struct conn *c)
{
    bool whole = !c->body.chunked && c->body.left == 0;
    bool small = !c->body.chunked && c->body.left <= SKIP_MOST && !c->expected;

    if (small) {
        c->skips = !whole; // cheaper for both than another connection
        return;
    }
    c->last = c->unread = true;
}

/* A hook of the program: false when it answered, and the rest is not read. */
static bool goes_on(struct conn *c, void (*hook)(struct http_app *, struct http_req *))
{
    struct loop *l = c->loop;

    l->running = c->call;
    hook(l->server->app, &c->call->req);
    bool answered = l->running == NULL;
    l->running = NULL;
    if (answered) {
        request_leave_rest(c);
        conn_write_answer(c);
    }
    return !answered;
}

/* It is known whose it is: is there room for it? */
static bool enter(struct conn *c)
{
    struct http_app *app = c->loop->server->app;

    if (app->enter == NULL)
        return true;
    c->call->entered = true;
    return goes_on(c, app->enter);
}

/* The door has yet to decide; until it does this is a request like those in Kafka. */
static void wait_for_verdict(struct conn *c)
{
    struct loop *l = c->loop;

    c->call->req.due_ms = c->due = l->now + l->server->limits.request_ms;
    atomic_store_explicit(&c->call->gone, c->half_closed, memory_order_relaxed);
    conn_set_state(c, CONN_WAIT);
    loop_count(l, COUNT_IN_FLIGHT, 1);
}

/* May this request come in?  false: not yet, or it was answered, and the rest of it is
 * not read. */
static bool admit(struct conn *c)
{
    struct loop *l = c->loop;
    struct call *k = c->call;
    struct http_app *app = l->server->app;

    if (is_always(k))
        return true;
    if (l->draining) {
        refuse_busy(c, "this server is shutting down");
        return false;
    }
    if (c->reserved) {
        loop_count(l, COUNT_OVER_CAP, 1);
        refuse_busy(c, "too many connections are open");
        return false;
    }
    if (k->found != HTTP_FOUND)
        return true;
    if (app->admit != NULL && !goes_on(c, app->admit))
        return false;
    if (!k->asking)
        return enter(c);
    wait_for_verdict(c);
    return false;
}

static uint64_t body_most(const struct call *k)
{
    const struct http_route *r = k->req.route;

    return r != NULL && r->body_max > 0 ? r->body_max : k->loop->server->limits.body;
}

/* Who sent too much wants to know what would not be. */
static void refuse_body(struct conn *c, const struct http_refusal *no)
{
    char why[80];

    snprintf(why, sizeof why, "the body is longer than the %llu bytes taken here",
             (unsigned long long)body_most(c->call));
    request_refuse(c, no->status, no->status == 413 ? why : no->why);
}

static void begin_body(struct conn *c, uint64_t declared)
{
    struct call *k = c->call;

    conn_set_state(c, CONN_BODY);
    k->body.limit = (size_t)body_most(k);
    buf_room(&k->body, declared < BODY_AT_ONCE ? (size_t)declared : BODY_AT_ONCE);
}

/* Does the program want this body as it comes? */
static bool is_to_stream(const struct conn *c)
{
    struct http_app *app = c->loop->server->app;
    struct call *k = c->call;

    return k->found == HTTP_FOUND && (k->req.route->flags & HTTP_STREAM) &&
           c->body.chunked && (app->streams == NULL || app->streams(app, &k->req));
}

/* Until it begins, a request like those in Kafka. */
static void begin_stream(struct conn *c)
{
    struct loop *l = c->loop;
    struct call *k = c->call;

    stream_new(k);
    c->body.max = UINT64_MAX;
    k->req.due_ms = c->due = l->now + l->server->limits.request_ms;
    atomic_store_explicit(&k->gone, c->half_closed, memory_order_relaxed);
    conn_set_state(c, CONN_STREAM);
    loop_count(l, COUNT_IN_FLIGHT, 1);
    l->running = k;
    k->req.route->handler(l->server->app, &k->req);
    if (l->running == NULL) {
        loop_count(l, COUNT_IN_FLIGHT, -1);
        request_leave_rest(c);
        conn_write_answer(c);
    }
    l->running = NULL;
}

/* Its head is in, and so may the rest be. */
static void go_on(struct conn *c)
{
    if (is_to_stream(c))
        begin_stream(c);
    else if (!c->body.chunked && c->body.left == 0) {
        serve(c);
    } else if (c->expected && c->call->found != HTTP_FOUND) {
        c->last = c->unread = true; // its body may come or not
        reply_unfound(c);
    } else {
        begin_body(c, c->body.chunked ? 0 : c->body.left);
    }
}

void request_begin(struct conn *c, struct span *in)
{
    struct span head = span_of(in->p + c->scan.start, c->scan.end - c->scan.start);
    struct call *k = c->call = call_new(c->loop, c);
    size_t lines = c->scan.lines;
    struct http_refusal no;
    struct http_head h;

    *in = span_of(in->p + c->scan.end, in->n - c->scan.end);
    c->scan = (struct http_scan){0};
    c->mid_head = false;
    if (call_read_head(k, head, lines, &h, &no) == HTTP_REFUSED) {
        loop_count(c->loop, COUNT_MALFORMED, 1);
        request_refuse(c, no.status, no.why);
        return;
    }
    find_route(k);
    enum http_step body = http_body_begin(&c->body, &h, body_most(k), &no);
    c->expected = h.expects_100;
    if (body == HTTP_REFUSED)
        refuse_body(c, &no);
    else if (admit(c))
        go_on(c);
}

/* Takes `n` bytes of body out of what all bodies together may hold. */
static bool hold(struct call *k, size_t n)
{
    struct http_server *s = k->loop->server;
    size_t before = atomic_fetch_add_explicit(&s->bodies, n, memory_order_relaxed);

    if (before + n > s->limits.bodies) {
        atomic_fetch_sub_explicit(&s->bodies, n, memory_order_relaxed);
        return false;
    }
    k->held += n;
    k->kept += n;
    return true;
}

/* May `n` more bytes be kept, of all there are and of its sender's?  false: it was
 * answered. */
static bool may_keep(struct conn *c, size_t n)
{
    struct call *k = c->call;
    struct loop *l = c->loop;
    struct http_app *app = l->server->app;

    if (!hold(k, n)) {
        loop_count(l, COUNT_OVER_BODIES, 1);
        refuse_busy(c, "too many bytes of requests are being held");
        return false;
    }
    if (!k->entered || app->keep == NULL)
        return true;
    l->running = k;
    bool may = app->keep(app, &k->req, n);
    l->running = NULL;
    if (!may) {
        c->last = c->unread = true;
        conn_write_answer(c);
    }
    return may;
}

/* A request to nowhere is read to its end too, but not kept. */
static bool take_body(struct conn *c, struct span data)
{
    struct call *k = c->call;

    if (k->found != HTTP_FOUND)
        return true;
    if (!may_keep(c, data.n))
        return false;
    buf_put(&k->body, data);
    return true;
}

/* Of a long body with a declared length: from the socket to its place. */
static bool receive_direct(struct conn *c)
{
    struct call *k = c->call;
    struct http_refusal no;
    struct span in, data;
    size_t room = c->body.left < BODY_AT_ONCE ? (size_t)c->body.left : BODY_AT_ONCE, n;
    uint8_t *p = buf_room(&k->body, room);

    if (!conn_receive_at(c, p, room, &n))
        return false;
    if (!may_keep(c, n))
        return true;
    in = span_of(p, n);
    if (http_read_body(&c->body, &in, &data, &no) == HTTP_DATA)
        buf_added(&k->body, n);
    return true;
}

bool request_ask_for_body(struct conn *c)
{
    static const char line[] = "HTTP/1.1 100 Continue\r\n\r\n";
    const struct span pieces[2] = {span_of(line, sizeof line - 1)};
    size_t n;

    c->expected = false;
    if (socket_send(&c->socket, pieces, &n) == SOCKET_DONE && n == sizeof line - 1)
        return true;
    conn_close(c); // 25 bytes do not fit: it never read what it was sent before
    return false;
}

static bool receive_body(struct conn *c, struct span *in)
{
    if (c->expected && !request_ask_for_body(c))
        return false;
    if (c->call->found == HTTP_FOUND && !c->body.chunked && c->body.left >= BODY_DIRECT)
        return receive_direct(c);
    return conn_receive(c, in);
}

bool request_step_body(struct conn *c, struct span *in)
{
    struct http_refusal no;
    struct span data;

    for (;;)
        switch (http_read_body(&c->body, in, &data, &no)) {
        case HTTP_DATA:
            c->expected = false; // it did not wait
            if (!take_body(c, data))
                return true;
            break;
        case HTTP_WHOLE: serve(c); return true;
        case HTTP_REFUSED:
            loop_count(c->loop, COUNT_MALFORMED, 1);
            refuse_body(c, &no);
            return true;
        case HTTP_MORE: return receive_body(c, in);
        }
}

void request_let_in(struct conn *c)
{
    if (enter(c))
        go_on(c);
}
