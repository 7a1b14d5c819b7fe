/*
 * One connection: what it waits for, and what happens when that comes or does not.
 *
 *      HEAD --whole--> BODY --whole--> WAIT --answer--> WRITE --sent--> HEAD
 *        \_______________\______________________refused___^  \--last--> LINGER, closed
 *
 * Edge-triggered: epoll tells once that a direction became ready; `readable` remembers
 * it until a read comes back short.  run() goes on until nothing can go on.
 */
#include "http/server_inside.h"

#include "base/clock.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>

#define WORK_A_TURN 16 // reads, writes, requests before others have their turn
#define BODY_AT_ONCE (256 << 10) // reserved for a declared body before it is seen
#define BODY_DIRECT (16 << 10)   // from here on a body is read into its place
#define SKIP_MOST (64 << 10) // of a body nobody wants, so that its connection goes on
#define SMALL_ANSWER (24 << 10) // copied behind its head: one piece, one send

static void set_state(struct conn *c, enum conn_state state)
{
    c->state = state;
    c->since = c->loop->now;
}

static void tell_done(struct call *k, bool gone)
{
    struct loop *l = k->loop;
    struct http_app *app = l->server->app;

    if (gone)
        loop_count(l, COUNT_GONE, 1);
    if (k->status > 0) {
        loop_count(l, COUNT_REQUESTS, 1);
        loop_count(l, COUNT_CLASS + (enum count)(k->status / 100), 1);
    }
    if (app->done == NULL)
        return;

    struct http_done d = {
        .method = k->req.method,
        .pattern = k->req.route != NULL ? k->req.route->pattern : "",
        .path = k->req.path,
        .id = k->req.id,
        .trace = k->req.trace,
        .peer = k->req.peer,
        .who = k->req.who,
        .status = k->status,
        .bytes_in = k->kept,
        .bytes_out = k->stream != NULL  ? k->streamed
                     : call_has_body(k) ? k->out.n
                                        : 0,
        .us = k->req.began_us > 0 ? clock_us() - k->req.began_us : 0,
        .gone = gone,
    };
    app->done(app, &d);
}

/* The handler still has the call, and nobody waits for it any more. */
static void let_go(struct call *k)
{
    k->conn = NULL;
    atomic_store_explicit(&k->gone, true, memory_order_relaxed);
    atomic_store_explicit(&k->unwanted, true, memory_order_release);
}

/* Somebody else has it: what he writes while we read must not be read. */
static void log_let_go(const struct call *k)
{
    struct http_app *app = k->loop->server->app;
    struct http_done d = {
        .method = k->req.method,
        .pattern = k->req.route->pattern,
        .path = k->req.path,
        .id = k->req.id,
        .trace = k->req.trace,
        .peer = k->req.peer,
        .who = k->asking ? (struct span){0} : k->req.who,
        .bytes_in = k->kept,
        .us = clock_us() - k->req.began_us,
        .gone = true,
    };

    loop_count(k->loop, COUNT_GONE, 1);
    if (app->done != NULL)
        app->done(app, &d);
}

static void drop_call(struct conn *c)
{
    struct call *k = c->call;

    if (k == NULL)
        return;
    c->call = NULL;
    if (c->state == CONN_STREAM && stream_is_closing(k)) {
        loop_count(c->loop, COUNT_IN_FLIGHT, -1);
        tell_done(k, true);
        call_free(k);
    } else if (c->state == CONN_WAIT || c->state == CONN_STREAM) {
        log_let_go(k);
        let_go(k);
        if (c->state == CONN_STREAM)
            stream_lost(k);
    } else {
        tell_done(k, true);
        call_free(k);
    }
}

static void unlink_conn(struct conn *c)
{
    if (c->before != NULL)
        c->before->next = c->next;
    else
        c->loop->conns = c->next;
    if (c->next != NULL)
        c->next->before = c->before;
}

static void tell_drain(struct http_server *s)
{
    pthread_mutex_lock(&s->lock);
    pthread_cond_signal(&s->emptier);
    pthread_mutex_unlock(&s->lock);
}

/* Frees everything but `c` itself, which settle() does when nobody holds it. */
void conn_close(struct conn *c)
{
    struct loop *l = c->loop;

    c->closed = true;
    drop_call(c);
    deadline_drop(&l->deadlines, &c->deadline);
    unlink_conn(c);
    // Closing would do, but for a child just being forked that has the descriptor too.
    (void)epoll_ctl(l->epoll, EPOLL_CTL_DEL, c->socket.fd, NULL);
    socket_close(&c->socket);
    accept_forget(l->server->accepting, c->ip);
    atomic_fetch_sub(&l->nconns, 1);
    atomic_fetch_sub(&l->server->open, 1);
    // the server's flag, not ours: whoever set it after this line sees `open` as it is
    // now
    if (atomic_load(&l->server->draining))
        tell_drain(l->server);
}

/* Our last word is out; give the client time to read it before a reset could undo it.
 */
static void part(struct conn *c)
{
    if (!c->unread && !c->readable) {
        conn_close(c);
        return;
    }
    c->unread = true;
    socket_finish(&c->socket);
    set_state(c, CONN_LINGER);
}

void conn_finish(struct conn *c)
{
    if (stream_is_open(c->call))
        loop_count(c->loop, COUNT_IN_FLIGHT, -1);
    tell_done(c->call, false);
    call_free(c->call);
    c->call = NULL;
    c->unread |= c->last && c->skips;
    if (c->last)
        part(c);
    else
        set_state(c, c->skips ? CONN_SKIP : CONN_HEAD);
    c->skips = false;
}

static void skip_sent(struct conn *c, size_t n)
{
    for (int i = 0; i < 2; i++) {
        size_t here = n < c->out[i].n ? n : c->out[i].n;
        c->out[i] = span_skip(c->out[i], here);
        n -= here;
    }
}

/* One send.  true: it got somewhere. */
static bool step_write(struct conn *c)
{
    size_t n;

    if (c->out[0].n == 0) { // the head is out: the body moves up
        c->out[0] = c->out[1];
        c->out[1] = (struct span){0};
    }
    switch (socket_send(&c->socket, c->out, &n)) {
    case SOCKET_DONE:
        loop_count(c->loop, COUNT_BYTES_OUT, (int64_t)n);
        c->sent += n;
        skip_sent(c, n);
        if (c->out[0].n + c->out[1].n == 0)
            conn_finish(c);
        return true;
    case SOCKET_WAIT: return false;
    default: conn_close(c); return false;
    }
}

/* The call is answered: puts the answer together and sends what goes at once. */
static void write_answer(struct conn *c)
{
    struct loop *l = c->loop;
    struct call *k = c->call;
    struct span body = call_has_body(k) ? k->out : (struct span){0};

    c->last |= !k->keep_alive || l->draining;
    buf_reset(&l->out);
    call_put_head(k, &l->out, !c->last);
    if (body.n <= SMALL_ANSWER) {
        buf_put(&l->out, body);
        body = (struct span){0};
    }
    set_state(c, CONN_WRITE);
    c->sent = 0;
    call_drop_body(k); // a client slow to read its answer does not hold it
    if (l->out.over) { // a program with 40 KB of header fields: a bug of ours
        conn_close(c);
        return;
    }
    c->out[0] = buf_span(&l->out);
    c->out[1] = body;
    step_write(c);
    // l->out is the next answer's: what could not be sent moves to the call
    if (!c->closed && c->state == CONN_WRITE && c->out[0].n > 0)
        c->out[0] = arena_copy(&k->req.arena, c->out[0]);
}

/* The server's own answer to the call in hand. */
static void reply(struct conn *c, int status, const char *why)
{
    c->loop->running = c->call;
    http_answer_error(&c->call->req, status, status, "%s", why);
    write_answer(c);
}

/* The same, and nothing after it is read: where the next message starts is unknown. */
static void refuse(struct conn *c, int status, const char *why)
{
    if (c->call == NULL)
        c->call = call_new(c->loop, c);
    c->last = c->unread = true;
    reply(c, status, why);
}

static void refuse_busy(struct conn *c, const char *why)
{
    http_answer_retry_after(&c->call->req, 1);
    refuse(c, 503, why);
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
        write_answer(c);
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
    set_state(c, CONN_WAIT);
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
static void leave_rest(struct conn *c)
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
        leave_rest(c);
        write_answer(c);
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
    set_state(c, CONN_WAIT);
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
    if (l->draining || c->reserved) {
        refuse_busy(c, l->draining ? "this server is shutting down"
                                   : "too many connections are open");
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
    refuse(c, no->status, no->status == 413 ? why : no->why);
}

static void begin_body(struct conn *c, uint64_t declared)
{
    struct call *k = c->call;

    set_state(c, CONN_BODY);
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
    set_state(c, CONN_STREAM);
    loop_count(l, COUNT_IN_FLIGHT, 1);
    l->running = k;
    k->req.route->handler(l->server->app, &k->req);
    if (l->running == NULL) {
        loop_count(l, COUNT_IN_FLIGHT, -1);
        leave_rest(c);
        write_answer(c);
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

static void begin_call(struct conn *c, struct span *in)
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
        refuse(c, no.status, no.why);
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

/* Up to `room` bytes to `p`.  false: none now, or none ever. */
static bool receive(struct conn *c, uint8_t *p, size_t room, size_t *n)
{
    if (!c->readable)
        return false;
    switch (socket_recv(&c->socket, p, room, n)) {
    case SOCKET_DONE:
        loop_count(c->loop, COUNT_BYTES_IN, (int64_t)*n);
        // more bytes may be a new event, but the end of the stream was announced with
        // this one
        c->readable = socket_may_have_more(&c->socket, *n, room) || c->half_closed;
        return true;
    case SOCKET_WAIT: c->readable = false; return false;
    default: // gone, or done sending before it was done asking
        if (socket_is_shaking(&c->socket))
            loop_count(c->loop, COUNT_BAD_HANDSHAKE, 1);
        conn_close(c);
        return false;
    }
}

/* Appends to *in, which stands somewhere in loop->in. */
bool conn_receive(struct conn *c, struct span *in)
{
    uint8_t *start = c->loop->in;
    size_t n;

    if (in->n > 0 && in->p != start)
        memmove(start, in->p, in->n);
    *in = span_of(start, in->n);
    if (!receive(c, start + in->n, LOOP_IN - in->n, &n))
        return false;
    in->n += n;
    return true;
}

static bool step_head(struct conn *c, struct span *in)
{
    struct http_refusal no;

    if (in->n == 0)
        return conn_receive(c, in);
    switch (http_scan_head(&c->scan, *in, &c->loop->server->head_limits, &no)) {
    case HTTP_WHOLE: begin_call(c, in); return true;
    case HTTP_REFUSED:
        loop_count(c->loop, COUNT_MALFORMED, 1);
        refuse(c, no.status, no.why);
        return true;
    default: return conn_receive(c, in);
    }
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
        write_answer(c);
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

    if (!receive(c, p, room, &n))
        return false;
    if (!may_keep(c, n))
        return true;
    in = span_of(p, n);
    if (http_read_body(&c->body, &in, &data, &no) == HTTP_DATA)
        buf_added(&k->body, n);
    return true;
}

bool conn_ask_for_body(struct conn *c)
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
    if (c->expected && !conn_ask_for_body(c))
        return false;
    if (c->call->found == HTTP_FOUND && !c->body.chunked && c->body.left >= BODY_DIRECT)
        return receive_direct(c);
    return conn_receive(c, in);
}

static bool step_body(struct conn *c, struct span *in)
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

/* The rest of a body that was answered already. */
static bool step_skip(struct conn *c, struct span *in)
{
    struct http_refusal no;
    struct span data;

    switch (http_read_body(&c->body, in, &data, &no)) {
    case HTTP_DATA: return true;
    case HTTP_MORE: return conn_receive(c, in);
    default: break;
    }
    if (c->loop->draining)
        conn_close(c);
    else
        set_state(c, CONN_HEAD);
    return !c->closed;
}

static bool step_linger(struct conn *c)
{
    size_t n;

    return receive(c, c->loop->in, LOOP_IN, &n);
}

static bool step(struct conn *c, struct span *in)
{
    switch (c->state) {
    case CONN_HEAD: return step_head(c, in);
    case CONN_BODY: return step_body(c, in);
    case CONN_WRITE: return step_write(c);
    case CONN_LINGER: return step_linger(c);
    case CONN_SKIP: return step_skip(c, in);
    case CONN_STREAM: return stream_step(c, in);
    default: // CONN_WAIT: for the answer, whatever the client does
        return false;
    }
}

static int64_t due_of(const struct conn *c)
{
    const struct http_limits *lim = &c->loop->server->limits;

    switch (c->state) {
    case CONN_HEAD: return c->since + (c->mid_head ? lim->head_ms : lim->idle_ms);
    case CONN_BODY:
    case CONN_SKIP:
        return c->since + lim->body_ms +
               (int64_t)(c->body.total * 1000 / lim->body_rate);
    case CONN_WAIT: return c->due;
    case CONN_STREAM: return stream_due(c);
    case CONN_WRITE:
        return c->since + lim->write_ms + (int64_t)(c->sent * 1000 / lim->write_rate);
    default: return c->since + lim->linger_ms;
    }
}

/* What came and is not used is copied aside: loop->in is everybody's. */
static void keep_input(struct conn *c, struct span in)
{
    buf_reset(&c->in);
    if (in.n > 0 && !c->unread)
        buf_put(&c->in, in);
    else
        buf_free(&c->in);
    if (c->state == CONN_HEAD && c->in.n > 0 && !c->mid_head) {
        c->mid_head = true;
        c->since = c->loop->now;
    }
}

static struct span recall_input(struct conn *c)
{
    if (c->in.n == 0)
        return span_of(c->loop->in, 0);
    memcpy(c->loop->in, c->in.p, c->in.n);
    return span_of(c->loop->in, c->in.n);
}

static void settle(struct conn *c, struct span in)
{
    if (!c->closed) {
        keep_input(c, in);
        deadline_set(&c->loop->deadlines, &c->deadline, due_of(c));
    } else if (!c->again) {
        buf_free(&c->in);
        free(c);
    }
}

static void wait_for_turn(struct conn *c)
{
    if (c->again)
        return;
    c->again = true;
    c->next_again = c->loop->again;
    c->loop->again = c;
}

static void run(struct conn *c)
{
    struct span in = recall_input(c);

    for (int work = 0; !c->closed && step(c, &in); work++)
        if (work == WORK_A_TURN) {
            wait_for_turn(c);
            break;
        }
    settle(c, in);
}

void conn_begin(struct conn *c)
{
    struct loop *l = c->loop;
    struct epoll_event ev = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET,
                             .data.ptr = c};

    c->in = BUF_INIT(LOOP_IN);
    c->mid_head = true; // it owes us a head, from now
    set_state(c, CONN_HEAD);
    c->next = l->conns;
    if (c->next != NULL)
        c->next->before = c;
    l->conns = c;
    if (!socket_begin(&c->socket, c->socket.fd, l->server->tls) || l->draining ||
        epoll_ctl(l->epoll, EPOLL_CTL_ADD, c->socket.fd, &ev) != 0)
        conn_close(c);
    settle(c, (struct span){0});
}

void conn_event(struct conn *c, uint32_t events)
{
    if (events & (EPOLLIN | EPOLLRDHUP))
        c->readable = true;
    if ((events & EPOLLOUT) && socket_waits_to_send(&c->socket))
        c->readable = true;
    if (events & EPOLLRDHUP) {
        c->half_closed = true;
        if (c->state == CONN_WAIT)
            atomic_store_explicit(&c->call->gone, true, memory_order_relaxed);
    }
    if (events & (EPOLLERR | EPOLLHUP)) {
        conn_close(c);
        settle(c, (struct span){0});
    } else if (c->state != CONN_WAIT) {
        run(c);
    }
}

void conn_again(struct conn *c)
{
    c->again = false;
    if (c->closed)
        settle(c, (struct span){0});
    else
        run(c);
}

/* A stream has news; it began, or it is over and nobody waits for it. */
static void see_stream(struct call *k)
{
    struct conn *c = k->conn; // which may close by what it hears

    if (stream_news(k)) {
        loop_count(k->loop, COUNT_IN_FLIGHT, -1);
        call_free(k);
    } else if (c != NULL) {
        run(c);
    }
}

void conn_answered(struct call *k)
{
    struct conn *c = k->conn;

    if (k->stream != NULL && stream_has_begun(k)) {
        see_stream(k);
        return;
    }
    loop_count(k->loop, COUNT_IN_FLIGHT, -1);
    if (c == NULL) {
        call_free(k);
        return;
    }
    if (k->asking && k->status == 0) {
        k->asking = false;
        if (enter(c))
            go_on(c);
    } else {
        if (k->asking || k->stream != NULL)
            leave_rest(c);
        write_answer(c);
    }
    run(c);
}

static void copy_for_log(struct call *to, const struct call *from)
{
    to->req.method = from->req.method;
    to->req.route = from->req.route;
    to->req.path = arena_copy(&to->req.arena, from->req.path);
    to->req.id = arena_copy(&to->req.arena, from->req.id);
    to->req.trace = arena_copy(&to->req.arena, from->req.trace);
    if (!from->asking) // else somebody may be finding it out right now
        to->req.who = arena_copy(&to->req.arena, from->req.who);
    to->req.began_us = from->req.began_us;
    to->keep_alive = from->keep_alive;
    to->old = from->old;
}

/* The client has waited long enough; the handler keeps its call, we answer another. */
static void expire(struct conn *c)
{
    struct http_app *app = c->loop->server->app;
    struct call *late = c->call, *k = call_new(c->loop, c);
    const char *type = app->error_type != NULL ? app->error_type : "application/json";
    struct buf body = BUF_INIT(LOOP_OUT);
    int status = 504;

    loop_count(c->loop, COUNT_LATE_REQUEST, 1);
    if (app->expired != NULL)
        status = app->expired(app, &late->req, &body);
    if (body.over)
        buf_reset(&body);
    if (body.n == 0)
        buf_put_str(&body, "{\"error_code\":504,\"message\":\"no answer in time\"}");
    copy_for_log(k, late);
    if (late->asking || late->stream != NULL)
        leave_rest(c);
    let_go(late);
    c->call = k;
    c->loop->running = k;
    http_answer_take(&k->req, status, type, &body);
    write_answer(c);
}

static void late_head(struct conn *c)
{
    bool begun = c->in.n > 0;

    loop_count(c->loop, c->mid_head ? COUNT_LATE_HEAD : COUNT_LATE_IDLE, 1);
    if (begun)
        refuse(c, 408, "the request header took too long");
    else
        conn_close(c);
}

void conn_late(struct conn *c)
{
    switch (c->state) {
    case CONN_HEAD: late_head(c); break;
    case CONN_BODY:
        loop_count(c->loop, COUNT_LATE_BODY, 1);
        refuse(c, 408, "the request body comes too slowly");
        break;
    case CONN_WAIT: expire(c); break;
    case CONN_STREAM:
        if (stream_is_open(c->call))
            stream_late(c);
        else
            expire(c);
        break;
    case CONN_WRITE:
        loop_count(c->loop, COUNT_LATE_WRITE, 1);
        conn_close(c);
        break;
    default: conn_close(c);
    }
    if (c->closed)
        settle(c, (struct span){0});
    else
        run(c);
}

void conn_drain(struct conn *c)
{
    bool idle = c->state == CONN_HEAD && c->in.n == 0 && !c->readable;
    bool streams = c->state == CONN_STREAM && stream_is_open(c->call);

    if (c->loop->stopping || idle)
        conn_close(c);
    else if (c->loop->cut &&
             (c->state == CONN_WAIT || (c->state == CONN_STREAM && !streams)))
        expire(c);
    else if (streams && !c->loop->cut)
        stream_drain(c);
    else if (c->loop->cut && c->state != CONN_LINGER)
        conn_close(c);
    else
        return;
    if (c->closed)
        settle(c, (struct span){0});
    else
        run(c);
}
