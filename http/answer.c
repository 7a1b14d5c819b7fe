#include "http/server_inside.h"

#include "base/json.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>

#define ERROR_TEXT 4096

static struct call *call_of(struct http_req *r)
{
    return (struct call *)r;
}

struct span http_header(const struct http_req *r, const char *name)
{
    return http_field_find(r->fields, r->nfields, name);
}

static const struct http_field *find_exact(const struct http_field *f, size_t n,
                                           const char *name)
{
    struct span wanted = span_str(name);

    for (size_t i = 0; i < n; i++)
        if (span_eq(f[i].name, wanted))
            return &f[i];
    return NULL;
}

struct span http_part(const struct http_req *r, const char *name)
{
    const struct http_field *f = find_exact(r->parts, r->nparts, name);

    assert(f != NULL);
    return f->value;
}

bool http_param(const struct http_req *r, const char *name, struct span *out)
{
    const struct http_field *f = find_exact(r->params, r->nparams, name);

    if (f != NULL)
        *out = f->value;
    return f != NULL;
}

bool http_gone(const struct http_req *r)
{
    const struct call *k = (const struct call *)r;

    return atomic_load_explicit(&((struct call *)(uintptr_t)k)->gone,
                                memory_order_relaxed);
}

void http_answer_header(struct http_req *r, const char *name, struct span value)
{
    struct call *k = call_of(r);
    struct answer_line *line = arena_alloc(&r->arena, sizeof *line);
    size_t at = strlen(name) + 2;
    uint8_t *text = arena_alloc(&r->arena, at + value.n + 2);

    memcpy(text, name, at - 2);
    memcpy(text + at - 2, ": ", 2);
    for (size_t i = 0; i < value.n; i++)
        text[at + i] = http_is_value(span_of(value.p + i, 1)) ? value.p[i] : '?';
    memcpy(text + at + value.n, "\r\n", 2);
    line->text = span_of(text, at + value.n + 2);
    *k->last_line = line;
    k->last_line = &line->next;
}

static void tell_answered(struct call *k, int status, const char *type)
{
    struct http_app *app = k->loop->server->app;

    if (k->entered && app->answered != NULL)
        app->answered(app, &k->req, status, type, k->out);
}

/* From here on the call belongs to its loop. */
static void hand_in(struct call *k, int status, const char *type)
{
    struct loop *l = k->loop;

    assert(status >= 200 && status <= 599);
    k->status = status;
    k->type = type;
    if (pthread_equal(pthread_self(), l->self) && l->running == k)
        l->running = NULL; // whoever called the handler goes on with it
    else
        loop_mail(l, k);
}

void http_admit_later(struct http_req *r)
{
    call_of(r)->asking = true;
}

/* A mail without a status. */
void http_admit(struct http_req *r)
{
    loop_mail(call_of(r)->loop, call_of(r));
}

void http_answer(struct http_req *r, int status, const char *type, struct span body)
{
    struct call *k = call_of(r);

    k->out = arena_copy(&r->arena, body);
    tell_answered(k, status, type);
    hand_in(k, status, type);
}

void http_answer_take(struct http_req *r, int status, const char *type,
                      struct buf *body)
{
    struct call *k = call_of(r);

    assert(!body->over);
    k->taken = *body;
    *body = BUF_INIT(body->limit);
    k->out = buf_span(&k->taken);
    tell_answered(k, status, type);
    hand_in(k, status, type);
}

void http_answer_error(struct http_req *r, int status, int code, const char *fmt, ...)
{
    const char *type = call_of(r)->loop->server->app->error_type;
    struct buf body = BUF_INIT(16 * ERROR_TEXT);
    char text[ERROR_TEXT];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    buf_printf(&body, "{\"error_code\":%d,\"message\":", code);
    json_put_string(&body, span_str(text));
    buf_put_u8(&body, '}');
    http_answer_take(r, status, type == NULL ? "application/json" : type, &body);
}

void http_answer_retry_after(struct http_req *r, int seconds)
{
    char text[16];

    snprintf(text, sizeof text, "%d", seconds);
    http_answer_header(r, "Retry-After", span_str(text));
}
