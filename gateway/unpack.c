#include "gateway/unpack.h"

#include "gateway/gateway_inside.h"
#include "http/coding.h"

struct sender { // whose bytes grow
    struct gateway *gateway;
    struct http_req *r;
};

static bool may_grow(void *who, size_t n)
{
    const struct sender *s = who;
    struct err ignored = {0};

    return admit_bytes(s->gateway, s->r, n, &ignored) == ERR_OK;
}

static enum http_coding coding_of(const struct http_req *r)
{
    return http_coding_of(http_header(r, "Content-Encoding"));
}

bool unpack_is_due(const struct http_req *r)
{
    const struct visit *v = r->visit;

    return coding_of(r) != HTTP_IDENTITY && !v->is_unpacked;
}

static int status_of(enum err_kind kind)
{
    switch (kind) {
    case ERR_LIMIT: return 413;
    case ERR_UNAVAILABLE: return 503;
    default: return 400;
    }
}

int unpack_body(struct gateway *g, struct http_req *r, struct err *e)
{
    struct visit *v = r->visit;
    struct sender sender = {g, r};
    const struct http_coding_limits lim = {
        .ratio = (size_t)g->s->unpack_ratio, .may_grow = may_grow, .who = &sender};

    if (coding_of(r) == HTTP_CODING_UNKNOWN) {
        http_answer_header(r, "Accept-Encoding", span_str(HTTP_CODINGS));
        err_set(e, ERR_INVALID,
                "content encoding \"" SPAN_FMT "\", wanted gzip, zstd or none",
                SPAN_ARG(http_header(r, "Content-Encoding")));
        return 415;
    }
    v->unpacked = BUF_INIT((size_t)g->s->body + 1);
    if (http_decode(&v->unpacked, coding_of(r), r->body, &lim, e) != ERR_OK)
        return status_of(e->kind);
    r->body = buf_span(&v->unpacked);
    v->is_unpacked = true;
    return 0;
}
