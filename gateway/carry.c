#include "gateway/carry.h"

#include "gateway/gateway_inside.h"
#include "gateway/trace.h"

#include <stdlib.h>

#define HEADER_EXTRA 10 // of lengths, in a record
#define ID_TEXT 44      // 32 digits, ':' and a number

/* Secrets, and what belongs to one connection and not to a record. */
static const char *const never[] = {
    "authorization",     "cookie",  "proxy-authorization", "host", "connection",
    "transfer-encoding", "upgrade", "content-length",      "te",   "expect"};

static bool is_star(struct span name)
{
    return name.n > 0 && name.p[name.n - 1] == '*';
}

static bool matches(struct span pattern, struct span name)
{
    if (!is_star(pattern))
        return http_same(pattern, name);
    return name.n >= pattern.n - 1 &&
           http_same(span_of(pattern.p, pattern.n - 1), span_of(name.p, pattern.n - 1));
}

static bool is_never(struct span name)
{
    for (size_t i = 0; i < sizeof never / sizeof *never; i++)
        if (http_same(name, span_str(never[i])))
            return true;
    return false;
}

enum err_kind carry_check(const struct conf_list *names, struct err *e)
{
    for (size_t i = 0; i < names->n; i++) {
        struct span name = span_str(names->items[i]);

        if (name.n == 0 || is_never(name))
            return err_set(e, ERR_INVALID, "headers: \"%s\" may not be carried",
                           names->items[i]);
    }
    return ERR_OK;
}

static bool is_wanted(const struct conf_list *names, struct span name)
{
    for (size_t i = 0; i < names->n; i++)
        if (matches(span_str(names->items[i]), name))
            return !is_never(name);
    return false;
}

static char *small(struct arena *a, struct span name)
{
    char *text = arena_str(a, name);

    for (char *p = text; *p != '\0'; p++)
        if (*p >= 'A' && *p <= 'Z')
            *p = (char)(*p + ('a' - 'A'));
    return text;
}

static void add(struct visit *v, const char *name, struct span value)
{
    v->headers[v->n_headers++] = (struct kf_header){name, value};
    v->headers_bytes += strlen(name) + value.n + HEADER_EXTRA;
}

/* Several tracestate fields are one (RFC 9110, 5.2). */
static struct span join(struct http_req *r, const char *name)
{
    struct span all = {0};

    for (size_t i = 0; i < r->nfields; i++) {
        struct span value = r->fields[i].value;

        if (!http_same(r->fields[i].name, span_str(name)))
            continue;
        all = all.p == NULL ? value : arena_join(&r->arena, all, ",", value);
    }
    return all;
}

static size_t count_named(const struct http_req *r, const char *name)
{
    size_t n = 0;

    for (size_t i = 0; i < r->nfields; i++)
        n += http_same(r->fields[i].name, span_str(name));
    return n;
}

static void note_trace(struct visit *v, struct http_req *r)
{
    struct span parent = http_header(r, "traceparent"), state = join(r, "tracestate");

    if (count_named(r, "traceparent") != 1 || !trace_is_parent(parent))
        return;
    v->trace = parent;
    add(v, "traceparent", parent);
    if (trace_is_state(state))
        add(v, "tracestate", state);
}

void carry_note(const struct gateway *g, struct http_req *r)
{
    struct visit *v = r->visit;

    v->n_headers = v->headers_bytes = 0;
    v->headers = arena_array(&r->arena, r->nfields + 4, sizeof *v->headers);
    note_trace(v, r);
    for (size_t i = 0; g->s->headers.n > 0 && i < r->nfields; i++)
        if (is_wanted(&g->s->headers, r->fields[i].name))
            add(v, small(&r->arena, r->fields[i].name), r->fields[i].value);
    if (g->s->principal_header != NULL && r->who.n > 0)
        add(v, g->s->principal_header, r->who);
    if (v->key.n > 0) {
        add(v, CARRY_KEY, v->key);
        v->headers_bytes += strlen(CARRY_ID) + ID_TEXT + HEADER_EXTRA;
    }
}

size_t carry_size(const struct http_req *r)
{
    return ((const struct visit *)r->visit)->headers_bytes;
}

static struct kf_record *extras(struct publish *p)
{
    struct kf_record *all = arena_array(&p->req->arena, p->batch.n, sizeof *all);

    for (size_t i = 0; i < p->batch.n; i++) {
        const struct item *it = &p->batch.items[i];

        if (p->extra != NULL) { // REST Proxy's
            all[i] = p->extra[i];
            continue;
        }
        all[i] = (struct kf_record){
            .partition = p->ask.partition,
            .headers = it->headers,
            .n_headers = it->n_headers,
            .timestamp_ms =
                it->timestamp_ms != 0 ? it->timestamp_ms : p->ask.timestamp_ms,
        };
    }
    return all;
}

static void add_to(const struct visit *v, struct kf_record *r, size_t index,
                   struct arena *a)
{
    size_t n = r->n_headers + v->n_headers + 1;
    struct kf_header *headers = arena_array(a, n, sizeof *headers);

    if (r->n_headers > 0)
        memcpy(headers, r->headers, r->n_headers * sizeof *headers);
    if (v->n_headers > 0)
        memcpy(headers + r->n_headers, v->headers, v->n_headers * sizeof *headers);
    r->n_headers += v->n_headers;
    if (v->key.n > 0)
        headers[r->n_headers++] = (struct kf_header){
            CARRY_ID, arena_printf(a, "%.*s:%zu", SPAN_WHOLE(v->id), index)};
    r->headers = headers;
}

/* Rules that would have refused the record, had they not been told to watch only. */
static void add_mark(const struct item *it, struct kf_record *r, struct arena *a)
{
    if (it->observed.n == 0)
        return;
    struct kf_header *headers = arena_array(a, r->n_headers + 1, sizeof *headers);
    if (r->n_headers > 0)
        memcpy(headers, r->headers, r->n_headers * sizeof *headers);
    headers[r->n_headers++] = (struct kf_header){CARRY_OBSERVED, it->observed};
    r->headers = headers;
}

static bool has_marks(const struct publish *p)
{
    for (size_t i = 0; i < p->batch.n; i++)
        if (p->batch.items[i].observed.n > 0)
            return true;
    return false;
}

void carry_add(struct publish *p)
{
    const struct visit *v = p->req->visit;
    bool own = v->key.n > 0 || p->extra != NULL || p->batch.beside;
    bool marks = has_marks(p);

    if (v->n_headers == 0 && !p->batch.beside && p->ask.timestamp_ms == 0 && !marks)
        return;
    struct kf_record *all = extras(p);
    for (size_t i = 0; i < p->batch.n; i++) {
        if (p->batch.items[i].refused)
            continue;
        if (own) {
            add_to(v, &all[i], i, &p->req->arena);
        } else { // the same for all
            all[i].headers = v->headers;
            all[i].n_headers = v->n_headers;
        }
        if (marks)
            add_mark(&p->batch.items[i], &all[i], &p->req->arena);
    }
    p->extra = all;
}
