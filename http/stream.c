/*
 * What a stream is between its threads and its loop: whoever writes leaves bytes and
 * flags under the lock and mails the call; the loop takes them over and acts upon its
 * own copies only, so that nothing ends while somebody is on the way to the mail.
 */
#include "http/stream.h"

#include "http/server_inside.h"

#include <assert.h>
#include <stdlib.h>

#define ANSWER_MOST (1 << 30) // bytes that wait; a program writes far less

struct stream {
    pthread_mutex_t lock;
    // under lock
    struct buf out; // chunks that the loop has not taken yet
    bool begun, resumed, ended;
    bool mailed; // and the loop has not looked yet
    const struct http_stream *ops;
    // the loop's
    struct buf sending;
    size_t sent; // of `sending`
    bool open;   // begun, as the loop has seen
    bool closing;
    bool paused, body_over, told_gone;
};

void stream_new(struct call *k)
{
    struct stream *s = mem_alloc(sizeof *s);

    pthread_mutex_init(&s->lock, NULL);
    s->out = s->sending = BUF_INIT(ANSWER_MOST);
    k->stream = s;
    k->req.streams = true;
}

void stream_free(struct call *k)
{
    struct stream *s = k->stream;

    if (s == NULL)
        return;
    buf_free(&s->out);
    buf_free(&s->sending);
    pthread_mutex_destroy(&s->lock);
    free(s);
    k->stream = NULL;
}

/* False: if it has an answer, that is one like any other. */
bool stream_has_begun(struct call *k)
{
    pthread_mutex_lock(&k->stream->lock);
    bool begun = k->stream->begun;
    pthread_mutex_unlock(&k->stream->lock);
    return begun;
}

bool stream_is_open(const struct call *k)
{
    return k->stream != NULL && k->stream->open;
}

bool stream_is_closing(const struct call *k)
{
    return k->stream->closing;
}

/* ---- any thread ---- */

static struct stream *lock_of(struct http_req *r)
{
    struct stream *s = ((struct call *)r)->stream;

    pthread_mutex_lock(&s->lock);
    return s;
}

static void unlock_and_mail(struct http_req *r, struct stream *s)
{
    struct call *k = (struct call *)r;
    bool first = !s->mailed;

    s->mailed = true;
    pthread_mutex_unlock(&s->lock);
    if (first) // until the loop has read it, it does not look at what we left
        loop_mail(k->loop, k);
}

void http_stream_begin(struct http_req *r, int status, const char *type,
                       const struct http_stream *ops)
{
    struct stream *s = lock_of(r);
    struct call *k = (struct call *)r;

    assert(!s->begun && status >= 200);
    s->begun = true;
    s->ops = ops;
    k->status = status;
    k->type = type;
    call_put_stream_head(k, &s->out);
    unlock_and_mail(r, s);
}

void http_stream_write(struct http_req *r, struct span bytes)
{
    struct stream *s = lock_of(r);

    assert(!s->ended);
    if (bytes.n > 0) {
        buf_printf(&s->out, "%zx\r\n", bytes.n);
        buf_put(&s->out, bytes);
        buf_put_str(&s->out, "\r\n");
    }
    unlock_and_mail(r, s);
}

void http_stream_resume(struct http_req *r)
{
    struct stream *s = lock_of(r);

    s->resumed = true;
    unlock_and_mail(r, s);
}

void http_stream_end(struct http_req *r)
{
    struct stream *s = lock_of(r);

    assert(s->begun && !s->ended);
    s->ended = true;
    buf_put_str(&s->out, "0\r\n\r\n");
    unlock_and_mail(r, s);
}

/* Bytes written that the client has not taken. */
static size_t pending(struct http_req *r)
{
    struct stream *s = lock_of(r);
    size_t n = s->out.n + s->sending.n - s->sent;

    pthread_mutex_unlock(&s->lock);
    return n;
}

/* ---- the loop ---- */

static void take_over(struct stream *s, bool *begins, bool *resumes)
{
    pthread_mutex_lock(&s->lock);
    s->mailed = false;
    *begins = s->begun && !s->open;
    *resumes = s->resumed;
    s->resumed = false;
    s->open = s->begun;
    s->closing = s->ended;
    if (s->sent == s->sending.n) { // all of it is out: the buffers change places
        struct buf empty = s->sending;
        s->sending = s->out;
        s->out = empty;
        buf_reset(&s->out);
        s->sent = 0;
    } else if (s->out.n > 0) {
        buf_put(&s->sending, buf_span(&s->out));
        buf_reset(&s->out);
    }
    pthread_mutex_unlock(&s->lock);
}

static void tell_data(struct call *k, struct span piece)
{
    struct stream *s = k->stream;

    if (!s->closing && !s->told_gone)
        s->paused = !s->ops->data(&k->req, piece);
}

/* Sends what there is.  false: none, or the client does not take it. */
static bool step_send(struct conn *c, struct stream *s)
{
    struct span pieces[2] = {0};
    size_t n;

    pthread_mutex_lock(&s->lock);
    pieces[0] = span_of(s->sending.p + s->sent, s->sending.n - s->sent);
    pthread_mutex_unlock(&s->lock);
    if (pieces[0].n == 0)
        return false;
    switch (socket_send(&c->socket, pieces, &n)) {
    case SOCKET_DONE:
        loop_count(c->loop, COUNT_BYTES_OUT, (int64_t)n);
        c->since = c->loop->now;
        c->call->streamed += n;
        pthread_mutex_lock(&s->lock);
        s->sent += n;
        pthread_mutex_unlock(&s->lock);
        return true;
    case SOCKET_WAIT: return false;
    default: conn_close(c); return false;
    }
}

static bool is_sent(const struct stream *s)
{
    return s->sent == s->sending.n;
}

static void end_body(struct conn *c, int status, const char *why)
{
    struct call *k = c->call;
    struct stream *s = k->stream;

    s->body_over = true;
    if (status != 0)
        c->last = c->unread = true; // where a next request would begin nobody knows
    if (!s->closing)
        s->ops->end(&k->req, status, why);
}

static bool step_read(struct conn *c, struct span *in)
{
    struct call *k = c->call;
    struct http_refusal no;
    struct span data;

    switch (http_read_body(&c->body, in, &data, &no)) {
    case HTTP_DATA:
        c->since = c->loop->now;
        k->kept += data.n;
        tell_data(k, data);
        return true;
    case HTTP_WHOLE: end_body(c, 0, NULL); return true;
    case HTTP_REFUSED:
        loop_count(c->loop, COUNT_MALFORMED, 1);
        end_body(c, 400, no.why);
        return true;
    default: return conn_receive(c, in);
    }
}

bool stream_step(struct conn *c, struct span *in)
{
    struct stream *s = c->call->stream;

    if (!s->open)
        return false;
    if (step_send(c, s))
        return true;
    if (c->closed)
        return false;
    if (s->closing && is_sent(s)) {
        c->last |= !c->call->keep_alive || c->loop->draining || !s->body_over;
        c->unread |= !s->body_over;
        conn_finish(c);
        return true;
    }
    if (s->closing || s->body_over || s->paused ||
        pending(&c->call->req) > HTTP_STREAM_OUT)
        return false;
    return step_read(c, in);
}

/* 0: it has not begun, and waits for the handler as any request does. */
int64_t stream_due(const struct conn *c)
{
    const struct http_limits *lim = &c->loop->server->limits;
    const struct stream *s = c->call->stream;

    if (!s->open)
        return c->due;
    return c->since + (is_sent(s) ? lim->stream_ms : lim->write_ms);
}

void stream_late(struct conn *c)
{
    const struct stream *s = c->call->stream;

    if (!is_sent(s)) {
        loop_count(c->loop, COUNT_LATE_WRITE, 1);
        conn_close(c);
        return;
    }
    c->since = c->loop->now; // also where it waits for the program: ask again later
    if (!s->body_over && !s->paused) {
        loop_count(c->loop, COUNT_LATE_BODY, 1);
        end_body(c, 408, "nothing came for too long");
    }
}

void stream_drain(struct conn *c)
{
    if (!c->call->stream->body_over)
        end_body(c, 503, "the server is shutting down");
}

static void tell_gone(struct call *k)
{
    struct stream *s = k->stream;

    if (s->told_gone || !s->open || s->closing)
        return;
    s->told_gone = true;
    s->ops->gone(&k->req);
}

void stream_lost(struct call *k)
{
    tell_gone(k);
}

/* By mail.  true: the call is over and its memory may go. */
bool stream_news(struct call *k)
{
    struct stream *s = k->stream;
    struct conn *c = k->conn;
    bool begins, resumes;

    take_over(s, &begins, &resumes);
    if (c == NULL) {
        tell_gone(k);
        return s->closing;
    }
    if (begins)
        c->since = c->loop->now;
    if (begins && c->expected && !request_ask_for_body(c))
        return false; // it closed, and came here again by stream_lost()
    if (begins && c->loop->draining)
        stream_drain(c);
    if (resumes) {
        s->paused = false;
        tell_data(k, (struct span){0});
    }
    return false;
}
