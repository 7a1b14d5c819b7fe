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

#define WORK_A_TURN 16          // reads, writes, requests before others have their turn
#define SMALL_ANSWER (24 << 10) // copied behind its head: one piece, one send

void conn_set_state(struct conn *c, enum conn_state state)
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
    conn_set_state(c, CONN_LINGER);
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
        conn_set_state(c, c->skips ? CONN_SKIP : CONN_HEAD);
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
void conn_write_answer(struct conn *c)
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
    conn_set_state(c, CONN_WRITE);
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

bool conn_receive_at(struct conn *c, uint8_t *p, size_t room, size_t *n)
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
    if (!conn_receive_at(c, start + in->n, LOOP_IN - in->n, &n))
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
    case HTTP_WHOLE: request_begin(c, in); return true;
    case HTTP_REFUSED:
        loop_count(c->loop, COUNT_MALFORMED, 1);
        request_refuse(c, no.status, no.why);
        return true;
    default: return conn_receive(c, in);
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
        conn_set_state(c, CONN_HEAD);
    return !c->closed;
}

static bool step_linger(struct conn *c)
{
    size_t n;

    return conn_receive_at(c, c->loop->in, LOOP_IN, &n);
}

static bool step(struct conn *c, struct span *in)
{
    switch (c->state) {
    case CONN_HEAD: return step_head(c, in);
    case CONN_BODY: return request_step_body(c, in);
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
    conn_set_state(c, CONN_HEAD);
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
        request_let_in(c);
    } else {
        if (k->asking || k->stream != NULL)
            request_leave_rest(c);
        conn_write_answer(c);
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
        request_leave_rest(c);
    let_go(late);
    c->call = k;
    c->loop->running = k;
    http_answer_take(&k->req, status, type, &body);
    conn_write_answer(c);
}

static void late_head(struct conn *c)
{
    bool begun = c->in.n > 0;

    loop_count(c->loop, c->mid_head ? COUNT_LATE_HEAD : COUNT_LATE_IDLE, 1);
    if (begun)
        request_refuse(c, 408, "the request header took too long");
    else
        conn_close(c);
}

void conn_late(struct conn *c)
{
    switch (c->state) {
    case CONN_HEAD: late_head(c); break;
    case CONN_BODY:
        loop_count(c->loop, COUNT_LATE_BODY, 1);
        request_refuse(c, 408, "the request body comes too slowly");
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
