#include "http/server_inside.h"

#include "base/clock.h"

#include <stdio.h>
#include <stdlib.h>

#define SPARE_CALLS 64
#define SPARE_BYTES (16 << 10) // of arena or body that a spare call may keep

struct call *call_new(struct loop *l, struct conn *c)
{
    struct call *k = l->spare;

    if (k != NULL) {
        l->spare = k->next;
        l->nspare--;
    } else {
        k = mem_alloc(sizeof *k);
    }
    struct arena arena = k->req.arena;
    struct buf body = k->body;
    memset(k, 0, sizeof *k);
    k->req.arena = arena;
    k->body = body;
    k->req.peer = arena_copy(&k->req.arena, span_str(c->peer)); // it may outlive c
    k->req.certificate = arena_copy(&k->req.arena, socket_client(&c->socket));
    k->req.address = arena_copy(&k->req.arena, span_of(c->ip, sizeof c->ip));
    k->loop = l;
    k->conn = c;
    k->last_line = &k->lines;
    l->ncalls++;
    return k;
}

void call_drop_body(struct call *k)
{
    if (k->held > 0)
        atomic_fetch_sub_explicit(&k->loop->server->bodies, k->held,
                                  memory_order_relaxed);
    k->held = 0;
    if (k->body.cap > SPARE_BYTES)
        buf_free(&k->body);
}

void call_free(struct call *k)
{
    struct loop *l = k->loop;
    struct http_app *app = l->server->app;

    if (k->entered && app->leave != NULL)
        app->leave(app, &k->req);
    stream_free(k);
    call_drop_body(k);
    buf_free(&k->taken);
    buf_reset(&k->body);
    if (k->req.arena.used > SPARE_BYTES)
        arena_free(&k->req.arena);
    arena_reset(&k->req.arena);

    if (l->nspare < SPARE_CALLS) {
        k->next = l->spare;
        l->spare = k;
        l->nspare++;
    } else {
        arena_free(&k->req.arena);
        buf_free(&k->body);
        free(k);
    }
    l->ncalls--;
}

/* What may go into our logs and headers as it is: no quotes, no spaces, not long. */
static bool is_sane_id(struct span id)
{
    if (id.n == 0 || id.n > 128)
        return false;
    for (size_t i = 0; i < id.n; i++)
        if (id.p[i] <= ' ' || id.p[i] > '~' || id.p[i] == '"' || id.p[i] == '\\')
            return false;
    return true;
}

/* xorshift128+: ids must differ, not be secret. */
static uint64_t random_next(uint64_t s[2])
{
    uint64_t a = s[0], b = s[1];

    s[0] = b;
    a ^= a << 23;
    s[1] = a ^ b ^ (a >> 17) ^ (b >> 26);
    return s[1] + b;
}

/* A version 4 UUID, which is what log pipelines know. */
static struct span make_id(struct loop *l, struct arena *a)
{
    static const char hex[] = "0123456789abcdef";
    uint64_t r[2] = {random_next(l->random), random_next(l->random)};
    char *p = arena_alloc(a, 36);

    for (size_t i = 0; i < 36; i++) {
        if (i == 8 || i == 13 || i == 18 || i == 23) {
            p[i] = '-';
            continue;
        }
        p[i] = hex[r[i & 1] & 15];
        r[i & 1] >>= 3; // 18 digits from 64 bits: they overlap, and still differ
    }
    p[14] = '4';
    p[19] = hex[8 | (r[0] & 3)];
    return span_of(p, 36);
}

enum http_step call_read_head(struct call *k, struct span head, size_t lines,
                              struct http_head *h, struct http_refusal *no)
{
    struct arena *a = &k->req.arena;
    size_t most = k->loop->server->limits.fields;
    size_t room = lines - 1 < most ? lines - 1 : most;
    struct http_field *fields = arena_array(a, room, sizeof *fields);

    k->req.began_us = clock_us();
    head = arena_copy(a, head);
    enum http_step step =
        http_read_head(h, head, fields, &k->loop->server->head_limits, no);
    k->req.method = h->method;
    k->req.path = h->path;
    k->req.query = h->query;
    k->req.fields = h->fields;
    k->req.nfields = h->nfields;
    k->req.declared = h->length;
    k->keep_alive = h->keep_alive;
    k->old = h->minor == 0;

    struct span id = http_header(&k->req, "X-Request-ID");
    k->req.trace = http_header(&k->req, "traceparent");
    k->req.id = is_sane_id(id) ? id : make_id(k->loop, a);
    return step;
}

bool call_has_body(const struct call *k)
{
    return k->req.method != HTTP_HEAD && k->status != 204 && k->status != 304;
}

static void put_number(struct buf *out, size_t v)
{
    char digits[20];
    size_t at = sizeof digits;

    do {
        digits[--at] = (char)('0' + v % 10);
        v /= 10;
    } while (v > 0);
    buf_put(out, span_of(digits + at, sizeof digits - at));
}

/* The literal without strlen: this is written for every request. */
#define PUT(out, literal) buf_put((out), span_of((literal), sizeof(literal) - 1))

void call_put_head(struct call *k, struct buf *out, bool keep_alive)
{
    PUT(out, "HTTP/1.1 ");
    put_number(out, (size_t)k->status);
    PUT(out, " ");
    buf_put_str(out, http_status_name(k->status));
    if (k->type != NULL && k->out.n > 0) {
        PUT(out, "\r\nContent-Type: ");
        buf_put_str(out, k->type);
    }
    if (k->status != 204 && k->status != 304) {
        PUT(out, "\r\nContent-Length: ");
        put_number(out, k->out.n);
    }
    if (k->req.id.n > 0) {
        PUT(out, "\r\nX-Request-ID: ");
        buf_put(out, k->req.id);
    }
    if (!keep_alive)
        PUT(out, "\r\nConnection: close\r\n");
    else if (k->old)
        PUT(out, "\r\nConnection: keep-alive\r\n");
    else
        PUT(out, "\r\n");
    for (const struct answer_line *l = k->lines; l != NULL; l = l->next)
        buf_put(out, l->text);
    PUT(out, "\r\n");
}

void call_put_stream_head(const struct call *k, struct buf *out)
{
    PUT(out, "HTTP/1.1 ");
    put_number(out, (size_t)k->status);
    PUT(out, " ");
    buf_put_str(out, http_status_name(k->status));
    PUT(out, "\r\nContent-Type: ");
    buf_put_str(out, k->type);
    PUT(out, "\r\nTransfer-Encoding: chunked\r\nX-Request-ID: ");
    buf_put(out, k->req.id);
    if (!k->keep_alive)
        PUT(out, "\r\nConnection: close");
    PUT(out, "\r\n");
    for (const struct answer_line *l = k->lines; l != NULL; l = l->next)
        buf_put(out, l->text);
    PUT(out, "\r\n");
}
