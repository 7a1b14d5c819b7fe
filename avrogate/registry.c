#include "avrogate/registry.h"

#include "avrogate/inside.h"
#include "base/clock.h"

#include <stdlib.h>

#define URLS_MOST 64

/* ---- open and close ---- */

/* "a, b" -> texts in `a`; how many. */
static enum err_kind split_urls(const char **out, size_t *n, const char *urls,
                                struct arena *a, struct err *e)
{
    *n = 0;
    for (const char *at = urls; at != NULL && *at != '\0';) {
        at += strspn(at, ", \t");
        size_t length = strcspn(at, ", \t");
        if (length > 0 && *n == URLS_MOST)
            return err_set(e, ERR_INVALID, "more than %d URLs", URLS_MOST);
        if (length > 0)
            out[(*n)++] = arena_str(a, span_of(at, length));
        at += length;
    }
    return ERR_OK;
}

static enum err_kind open_rc(struct rc **out, const struct avrogate_registry_options *o,
                             struct err *e)
{
    const char *urls[URLS_MOST];
    struct arena a = {0};
    struct rc_options r = {
        .urls = urls,
        .login = {.user = o->user,
                  .password = o->password,
                  .bearer = o->bearer,
                  .ca_file = o->ca_file,
                  .cert_file = o->cert_file,
                  .key_file = o->key_file},
        .latest_ttl_ms = o->latest_ttl_ms,
        .negative_ttl_ms = o->negative_ttl_ms,
        .cached_ids = o->cached_ids,
    };
    enum err_kind kind = split_urls(urls, &r.n_urls, o->urls, &a, e);

    if (kind == ERR_OK)
        kind = rc_open(out, &r, e);
    arena_free(&a);
    return kind;
}

static enum err_kind open_registry(struct avrogate_registry **out,
                                   const struct avrogate_registry_options *theirs,
                                   struct err *e)
{
    struct avrogate_registry_options o;
    struct rc *rc = NULL;

    TRY(take_options(&o, sizeof o, theirs, e));
    TRY(open_rc(&rc, &o, e));
    struct avrogate_registry *r = mem_alloc(sizeof *r);
    r->rc = rc;
    r->timeout_ms = o.timeout_ms > 0 ? o.timeout_ms : 10000;
    r->negative_ttl_ms = o.negative_ttl_ms > 0 ? o.negative_ttl_ms : 1000;
    r->async = async_open(r, o.threads > 0 ? o.threads : 2,
                          o.pending > 0 ? o.pending : 10000, o.completions);
    *out = r;
    return ERR_OK;
}

enum avrogate_kind avrogate_registry_open(struct avrogate_registry **out,
                                          const struct avrogate_registry_options *o,
                                          struct avrogate_error *e)
{
    struct err why = {0};

    return give_error(e, open_registry(out, o, &why), &why);
}

void avrogate_registry_close(struct avrogate_registry *r)
{
    if (r == NULL)
        return;
    async_close(r->async);
    rc_close(r->rc);
    free(r);
}

void avrogate_registry_set_bearer(struct avrogate_registry *r, const char *token)
{
    rc_set_bearer(r->rc, token);
}

/* The time limit of what cannot be answered from memory. */
static int64_t some_time(const struct avrogate_registry *r, int32_t timeout_ms)
{
    return timeout_ms == 0 ? clock_ms() : deadline_of(r, timeout_ms);
}

enum avrogate_kind avrogate_registry_ping(struct avrogate_registry *r,
                                          int32_t timeout_ms, struct avrogate_error *e)
{
    struct err why = {0};

    return give_error(e, rc_ping(r->rc, some_time(r, timeout_ms), &why), &why);
}

/* ---- a schema in the caller's hands ---- */

struct avrogate_schema *schema_wrap(struct rc_schema *s)
{
    struct avrogate_schema *w = mem_alloc(sizeof *w);

    atomic_init(&w->holders, 1);
    w->s = *s;
    av_node_name(w->name, av_schema_root(s->schema));
    *s = (struct rc_schema){0};
    return w;
}

struct avrogate_schema *avrogate_schema_retain(struct avrogate_schema *s)
{
    atomic_fetch_add_explicit(&s->holders, 1, memory_order_relaxed);
    return s;
}

void avrogate_schema_release(struct avrogate_schema *s)
{
    if (s == NULL ||
        atomic_fetch_sub_explicit(&s->holders, 1, memory_order_acq_rel) != 1)
        return;
    rc_schema_free(&s->s);
    free(s);
}

int32_t avrogate_schema_id(const struct avrogate_schema *s)
{
    return s->s.id;
}

int32_t avrogate_schema_version(const struct avrogate_schema *s)
{
    return s->s.version;
}

const char *avrogate_schema_subject(const struct avrogate_schema *s)
{
    // mem_str() made it: there is a NUL behind it
    return s->s.subject.n > 0 ? (const char *)s->s.subject.p : "";
}

const char *avrogate_schema_name(const struct avrogate_schema *s)
{
    return s->name;
}

struct avrogate_bytes avrogate_schema_text(const struct avrogate_schema *s)
{
    struct span text = av_schema_text(s->s.schema);

    return (struct avrogate_bytes){text.p, text.n};
}

bool avrogate_schema_stale(const struct avrogate_schema *s)
{
    return s->s.stale;
}

/* ---- questions ---- */

static enum avrogate_kind give_schema(struct avrogate_schema **out, enum err_kind kind,
                                      struct rc_schema *found, const struct err *why,
                                      struct avrogate_error *e)
{
    if (kind == ERR_OK)
        *out = schema_wrap(found);
    return give_error(e, kind, why);
}

enum avrogate_kind avrogate_schema_by_id(struct avrogate_registry *r, int32_t id,
                                         int32_t timeout_ms,
                                         struct avrogate_schema **out,
                                         struct avrogate_error *e)
{
    struct rc_schema s = {0};
    struct err why = {0};

    return give_schema(out, rc_by_id(r->rc, id, deadline_of(r, timeout_ms), &s, &why),
                       &s, &why, e);
}

enum avrogate_kind avrogate_schema_by_guid(struct avrogate_registry *r,
                                           const uint8_t guid[16], int32_t timeout_ms,
                                           struct avrogate_schema **out,
                                           struct avrogate_error *e)
{
    struct rc_schema s = {0};
    struct err why = {0};

    return give_schema(out,
                       rc_by_guid(r->rc, guid, deadline_of(r, timeout_ms), &s, &why),
                       &s, &why, e);
}

enum avrogate_kind avrogate_schema_latest(struct avrogate_registry *r,
                                          const char *subject, int32_t timeout_ms,
                                          struct avrogate_schema **out,
                                          struct avrogate_error *e)
{
    struct rc_schema s = {0};
    struct err why = {0};

    return give_schema(
        out, rc_latest(r->rc, span_str(subject), deadline_of(r, timeout_ms), &s, &why),
        &s, &why, e);
}

enum avrogate_kind avrogate_schema_by_version(struct avrogate_registry *r,
                                              const char *subject, int32_t version,
                                              int32_t timeout_ms,
                                              struct avrogate_schema **out,
                                              struct avrogate_error *e)
{
    struct rc_schema s = {0};
    struct err why = {0};

    if (version < 1) {
        err_set(&why, ERR_INVALID, "version %d, wanted 1 or more", version);
        return give_error(e, ERR_INVALID, &why);
    }
    return give_schema(out,
                       rc_by_version(r->rc, span_str(subject), version,
                                     deadline_of(r, timeout_ms), &s, &why),
                       &s, &why, e);
}

enum avrogate_kind avrogate_schema_register(struct avrogate_registry *r,
                                            const char *subject,
                                            const struct avrogate_draft *draft,
                                            int32_t timeout_ms,
                                            struct avrogate_schema **out,
                                            struct avrogate_error *e)
{
    struct rc_schema s = {0};
    struct err why = {0};
    struct draft d;

    enum err_kind kind = take_draft(&d, draft, &why);
    if (kind == ERR_OK) {
        kind = rc_register(r->rc, span_str(subject), &d.d, some_time(r, timeout_ms), &s,
                           &why);
        draft_free(&d);
    }
    return give_schema(out, kind, &s, &why, e);
}

enum avrogate_kind avrogate_schema_lookup(struct avrogate_registry *r,
                                          const char *subject,
                                          const struct avrogate_draft *draft,
                                          int32_t timeout_ms,
                                          struct avrogate_schema **out,
                                          struct avrogate_error *e)
{
    struct rc_schema s = {0};
    struct err why = {0};
    struct draft d;

    enum err_kind kind = take_draft(&d, draft, &why);
    if (kind == ERR_OK) {
        kind = rc_lookup(r->rc, span_str(subject), &d.d, some_time(r, timeout_ms), &s,
                         &why);
        draft_free(&d);
    }
    return give_schema(out, kind, &s, &why, e);
}
