#include "cli/produce_way.h"

#include "base/clock.h"
#include "http/client.h"
#include "http/url.h"

#include <stdlib.h>

#define ANSWER_MOST ((size_t)256 << 20)
#define URL_MOST 16384
#define CONNECT_MS 3000

struct way_http {
    struct way way; // first
    struct http_client *client;
    char **urls; // whole ones, with their query
    size_t n_urls, at;
    struct http_field fields[2];
    size_t n_fields;
    struct arena arena;
    const struct way_settings *s;
};

/* The gateways are equals: whoever does not answer is asked last. */
static void ask_the_next(struct way_http *w)
{
    w->at = (w->at + 1) % w->n_urls;
}

static void explain_silence(struct verdict *v, bool sent, const struct err *e)
{
    if (e->kind == ERR_INVALID) {
        verdict_all(v, FATE_NOT_WRITTEN);
        verdict_say(v, VERDICT_STOP, "%s", e->msg);
    } else if (sent) { // also an answer too long: it was written, but we cannot tell
                       // what
        verdict_all(v, FATE_UNKNOWN);
        verdict_say(v, VERDICT_DOUBT, "%s", e->msg);
    } else {
        verdict_all(v, FATE_NOT_WRITTEN);
        verdict_say(v, VERDICT_AGAIN, "%s", e->msg);
    }
}

static void send_http(struct way *way, const struct parcel *p, size_t n,
                      struct verdict *v)
{
    struct way_http *w = (struct way_http *)way;
    struct http_reply reply = {0};
    struct err e = {0};
    bool sent = true;
    const struct http_call call = {.method = HTTP_POST,
                                   .url = w->urls[w->at],
                                   .fields = w->fields,
                                   .nfields = w->n_fields,
                                   .body = parcel_body(p, n),
                                   .deadline_ms = clock_ms() + w->s->timeout_ms,
                                   .body_max = ANSWER_MOST,
                                   .sent = &sent};

    if (http_client_call(w->client, &call, &reply, &e) != ERR_OK) {
        explain_silence(v, sent, &e);
    } else {
        verdict_read(v, reply.status, reply.body,
                     http_reply_header(&reply, "Retry-After"), w->s->rejecting);
        http_reply_free(&reply);
    }
    if (v->kind == VERDICT_AGAIN)
        ask_the_next(w);
}

static void close_http(struct way *way)
{
    struct way_http *w = (struct way_http *)way;

    http_client_close(w->client);
    arena_free(&w->arena);
    free(w);
}

static const struct way_ops ops = {.send = send_http, .close = close_http};

static enum err_kind put_url(struct way_http *w, const char *base, struct err *e)
{
    struct span text = span_str(base);
    struct buf out = BUF_INIT(URL_MOST);
    struct url u;

    TRY(url_split(&u, text, e));
    if (u.query.n > 0)
        return err_set(e, ERR_INVALID,
                       "gateway: the URL has a query, wanted http://HOST:PORT");
    while (text.n > 0 && text.p[text.n - 1] == '/')
        text.n--;
    buf_put(&out, text);
    buf_put_str(&out, "/v1/topics/");
    url_put_escaped(&out, span_str(w->s->topic));
    buf_put_str(&out, "/records");
    for (size_t i = 0; i < w->s->n_params; i++) {
        buf_put_u8(&out, i == 0 ? '?' : '&');
        url_put_escaped(&out, w->s->params[i].name);
        buf_put_u8(&out, '=');
        url_put_escaped(&out, w->s->params[i].value);
    }
    enum err_kind rc = buf_status(&out, e);
    if (rc == ERR_OK)
        w->urls[w->n_urls++] = arena_str(&w->arena, buf_span(&out));
    buf_free(&out);
    return rc;
}

/* user:secret@ in the URL is http/client.h's business. */
static void authorize(struct way_http *w, const struct way_http_settings *h)
{
    if (h->login.token != NULL)
        w->fields[w->n_fields++] =
            (struct http_field){span_str("Authorization"),
                                arena_printf(&w->arena, "Bearer %s", h->login.token)};
}

static enum err_kind set_up(struct way_http *w, const struct way_http_settings *h,
                            struct err *e)
{
    const struct http_client_settings c = {.ca_file = h->login.ca_file,
                                           .cert_file = h->login.cert_file,
                                           .key_file = h->login.key_file,
                                           .connect_ms = CONNECT_MS};

    w->urls = arena_array(&w->arena, h->urls.n, sizeof *w->urls);
    for (size_t i = 0; i < h->urls.n; i++)
        TRY(put_url(w, h->urls.items[i], e));
    w->fields[w->n_fields++] =
        (struct http_field){span_str("Content-Type"), span_str(w->s->content_type)};
    authorize(w, h);
    return http_client_open(&w->client, &c, e);
}

enum err_kind way_http_open(struct way **out, const struct way_settings *s,
                            const struct way_http_settings *h, struct err *e)
{
    struct way_http *w = mem_alloc(sizeof *w);

    w->way.ops = &ops;
    w->s = s;
    enum err_kind rc = set_up(w, h, e);
    if (rc != ERR_OK) {
        close_http(&w->way);
        return rc;
    }
    *out = &w->way;
    return ERR_OK;
}
