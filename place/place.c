#include "place/place_inside.h"

#include "base/clock.h"
#include "base/log.h"
#include "http/url.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

static enum err_kind open_local(struct place **out, const struct place_settings *s,
                                struct span rest, struct err *e)
{
    return place_local_open(out, s, rest, e);
}

static enum err_kind open_webhdfs(struct place **out, const struct place_settings *s,
                                  struct span rest, struct err *e)
{
    return place_webhdfs_open(out, s, rest, false, e);
}

static enum err_kind open_swebhdfs(struct place **out, const struct place_settings *s,
                                   struct span rest, struct err *e)
{
    return place_webhdfs_open(out, s, rest, true, e);
}

static const struct {
    const char *scheme;
    enum err_kind (*open)(struct place **out, const struct place_settings *s,
                          struct span rest, struct err *e);
} schemes[] = {
    {"file://", open_local},
    {"webhdfs://", open_webhdfs},
    {"swebhdfs://", open_swebhdfs},
    {"s3://", place_s3_open},
};

enum err_kind place_open(struct place **out, const struct place_settings *s,
                         struct err *e)
{
    struct span url = span_str(s->url);

    for (size_t i = 0; i < sizeof schemes / sizeof schemes[0]; i++) {
        size_t n = strlen(schemes[i].scheme);
        if (url.n < n || memcmp(url.p, schemes[i].scheme, n) != 0)
            continue;
        struct place *p;
        TRY(schemes[i].open(&p, s, span_skip(url, n), e));
        struct buf shown = BUF_INIT(4096);
        url_put_shown(&shown, url);
        p->s = *s;
        p->shown = mem_str(buf_span(&shown));
        buf_free(&shown);
        *out = p;
        return ERR_OK;
    }
    return err_set(e, ERR_INVALID,
                   "place \"%.80s\", wanted file:///DIR, webhdfs://HOST:PORT/DIR or "
                   "s3://BUCKET/PREFIX",
                   s->url);
}

void place_close(struct place *p)
{
    if (p == NULL)
        return;
    free(p->shown);
    p->ops->close(p);
}

void place_cancel(struct place *p)
{
    atomic_store(&p->cancelled, true);
}

const char *place_shown(const struct place *p)
{
    return p->shown;
}

const char *place_kind(const struct place *p)
{
    return p->ops->kind;
}

int64_t place_timeout(const struct place *p)
{
    return p->s.timeout_ms > 0 ? p->s.timeout_ms : TIMEOUT_MS;
}

int64_t place_stall(const struct place *p)
{
    int64_t ms = place_timeout(p);

    return ms < STALL_MS ? ms : STALL_MS;
}

int64_t place_deadline(const struct place *p, int64_t n)
{
    return clock_ms() + place_timeout(p) + n / (SLOWEST / 1000);
}

/* --- bytes and names -------------------------------------------------------------- */

static enum err_kind read_memory(void *arg, int64_t at, uint8_t *p, size_t n,
                                 struct err *e)
{
    const struct span *s = arg;

    if (at < 0 || (uint64_t)at > s->n || n > s->n - (size_t)at)
        return err_set(e, ERR_INTERNAL, "bytes [%" PRId64 ", +%zu) of %zu", at, n,
                       s->n);
    memcpy(p, s->p + at, n);
    return ERR_OK;
}

struct place_bytes place_bytes_of(const struct span *s)
{
    return (struct place_bytes){read_memory, (void *)(uintptr_t)s, (int64_t)s->n};
}

static bool is_part(struct span part)
{
    if (part.n == 0 || part.n > 255 || (part.n == 1 && part.p[0] == '.') ||
        (part.n == 2 && memcmp(part.p, "..", 2) == 0))
        return false;
    for (size_t i = 0; i < part.n; i++)
        if (part.p[i] < 0x20 || part.p[i] == 0x7f)
            return false;
    return true;
}

enum err_kind place_check_name(const char *name, struct err *e)
{
    struct span rest = span_str(name);
    bool good = rest.n > 0 && rest.n <= PLACE_NAME;

    while (good) {
        const uint8_t *slash = memchr(rest.p, '/', rest.n);
        size_t n = slash == NULL ? rest.n : (size_t)(slash - rest.p);
        good = is_part(span_of(rest.p, n));
        if (slash == NULL)
            break;
        rest = span_of(rest.p + n + 1, rest.n - n - 1);
    }
    if (!good)
        return err_set(e, ERR_INVALID, "\"%.80s\" is no name for a file here", name);
    return ERR_OK;
}

enum err_kind place_ticket_name(char out[PLACE_NAME + 1], struct span ticket,
                                struct err *e)
{
    if (ticket.n <= 5 || ticket.n > PLACE_NAME || memcmp(ticket.p, "_tmp/", 5) != 0)
        return err_set(e, ERR_INTERNAL, "\"" SPAN_FMT "\" is no private file",
                       SPAN_ARG(ticket));
    memcpy(out, ticket.p, ticket.n);
    out[ticket.n] = '\0';
    return place_check_name(out, e);
}

void place_put_path(struct buf *out, const char *name)
{
    for (const char *at = name;;) {
        size_t n = strcspn(at, "/");
        url_put_escaped(out, span_of(at, n));
        if (at[n] == '\0')
            return;
        buf_put_u8(out, '/');
        at += n + 1;
    }
}

enum err_kind place_same_length(const char *name, int64_t found, int64_t wanted,
                                struct err *e)
{
    if (found == wanted)
        return ERR_OK;
    return err_set(e, ERR_INTERNAL,
                   "%.100s has %" PRId64 " bytes, written were %" PRId64, name, found,
                   wanted);
}

static enum err_kind check(struct place *p, const char *name, struct err *e)
{
    if (atomic_load(&p->cancelled))
        return err_set(e, ERR_UNAVAILABLE, "cancelled");
    return place_check_name(name, e);
}

/* --- the verbs -------------------------------------------------------------------- */

enum err_kind place_write(struct place *p, const char *tmp, const char *final,
                          const struct place_bytes *bytes, struct buf *ticket,
                          struct err *e)
{
    TRY(check(p, tmp, e));
    TRY(place_check_name(final, e));
    if (bytes->n <= 0)
        return err_set(e, ERR_INVALID, "%.80s: a file of no bytes", final);
    buf_reset(ticket);
    TRY(p->ops->write(p, tmp, final, bytes, ticket, e));
    return buf_status(ticket, e);
}

static enum err_kind read_found(struct place *p, const char *name, struct buf *found,
                                struct err *e)
{
    buf_reset(found);
    enum err_kind rc = p->ops->read(p, name, 0, PLACE_CLAIM, found, e);
    if (rc == ERR_NOT_FOUND) // removed between the two looks: ask again
        return err_set(e, ERR_UNAVAILABLE, "%.80s was there and is gone", name);
    TRY(rc);
    TRY(buf_status(found, e));
    if (found->n == 0) // versitygw shows a name a moment before its body
        return err_set(e, ERR_UNAVAILABLE, "%.80s is an empty claim as yet", name);
    return ERR_OK;
}

enum err_kind place_claim(struct place *p, const char *name, const char *tmp,
                          struct span body, struct buf *found, struct err *e)
{
    TRY(check(p, name, e));
    TRY(place_check_name(tmp, e));
    if (body.n == 0 || body.n > PLACE_CLAIM)
        return err_set(e, ERR_LIMIT, "claim of %zu bytes, the most is %d", body.n,
                       PLACE_CLAIM);
    enum err_kind rc = p->ops->claim(p, name, tmp, body, e);
    if (rc != ERR_CONFLICT)
        return rc;
    struct err ours = *e;
    TRY(read_found(p, name, found, e));
    if (span_eq(buf_span(found), body))
        return ERR_OK;
    *e = ours;
    return ERR_CONFLICT;
}

enum err_kind place_finish(struct place *p, struct span ticket, const char *final,
                           int64_t n, struct err *e)
{
    TRY(check(p, final, e));
    return p->ops->finish(p, ticket, final, n, e);
}

enum err_kind place_discard(struct place *p, struct span ticket, const char *final,
                            struct err *e)
{
    TRY(check(p, final, e));
    enum err_kind rc = p->ops->discard(p, ticket, final, e);
    return rc == ERR_NOT_FOUND ? ERR_OK : rc;
}

enum err_kind place_pending(struct place *p, struct span ticket, const char *final,
                            int64_t *n, struct err *e)
{
    TRY(check(p, final, e));
    return p->ops->pending(p, ticket, final, n, e);
}

enum err_kind place_list_add(struct place_list *l, struct span name,
                             const struct place_entry *entry, struct err *e)
{
    char *text = arena_str(l->arena, name);

    if (l->after != NULL && strcmp(text, l->after) <= 0)
        return ERR_OK;
    if (l->n == ENTRIES_MOST)
        return err_set(e, ERR_LIMIT, "directory of more than %d entries", ENTRIES_MOST);
    if (l->n == l->cap) {
        l->cap = l->cap == 0 ? 64 : l->cap * 2;
        l->entries = mem_grow(l->entries, l->cap, sizeof *l->entries);
    }
    l->entries[l->n] = *entry;
    l->entries[l->n++].name = text;
    return ERR_OK;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct place_entry *)a)->name,
                  ((const struct place_entry *)b)->name);
}

enum err_kind place_list(struct place *p, const char *dir, const char *after,
                         struct arena *a, struct place_entry **out, size_t *n,
                         struct err *e)
{
    struct place_list l = {.arena = a, .after = after};

    if (dir[0] != '\0')
        TRY(check(p, dir, e));
    enum err_kind rc = p->ops->list(p, dir, &l, e);
    if (rc == ERR_NOT_FOUND)
        rc = ERR_OK;
    if (rc == ERR_OK) {
        if (l.n > 1)
            qsort(l.entries, l.n, sizeof *l.entries, by_name);
        *out = arena_array(a, l.n + 1, sizeof **out);
        if (l.n > 0)
            memcpy(*out, l.entries, l.n * sizeof **out);
        *n = l.n;
    }
    free(l.entries);
    return rc;
}

enum err_kind place_read(struct place *p, const char *name, int64_t at, size_t n,
                         struct buf *out, struct err *e)
{
    TRY(check(p, name, e));
    TRY(p->ops->read(p, name, at, n, out, e));
    return buf_status(out, e);
}

enum err_kind place_stat(struct place *p, const char *name, struct place_entry *out,
                         struct err *e)
{
    TRY(check(p, name, e));
    return p->ops->stat(p, name, out, e);
}

enum err_kind place_remove(struct place *p, const char *name, struct err *e)
{
    TRY(check(p, name, e));
    enum err_kind rc = p->ops->remove(p, name, e);
    return rc == ERR_NOT_FOUND ? ERR_OK : rc;
}

enum err_kind place_sweep(struct place *p, int64_t age_ms,
                          bool (*keep)(void *arg, struct span id), void *arg,
                          size_t *swept, struct err *e)
{
    if (atomic_load(&p->cancelled))
        return err_set(e, ERR_UNAVAILABLE, "cancelled");
    *swept = 0;
    return p->ops->sweep(p, age_ms, keep, arg, swept, e);
}

/* --- the probe -------------------------------------------------------------------- */

static enum err_kind claim_twice(struct place *p, const char *name, const char *tmp,
                                 struct err *e)
{
    struct buf found = BUF_INIT(PLACE_CLAIM);

    enum err_kind rc = place_claim(p, name, tmp, span_str("first"), &found, e);
    if (rc == ERR_OK)
        rc = place_claim(p, name, tmp, span_str("second"), &found, e);
    bool refused = rc == ERR_CONFLICT && span_eq(buf_span(&found), span_str("first"));
    buf_free(&found);
    if (refused)
        return ERR_OK;
    if (rc != ERR_OK && rc != ERR_CONFLICT)
        return rc;
    return err_set(
        e, ERR_INVALID,
        "%.100s makes a file that exists a second time: without that refusal "
        "nothing can be staged exactly once",
        p->shown);
}

enum err_kind place_probe(struct place *p, struct err *e)
{
    uint64_t r = 0;
    char name[60], tmp[60];
    struct err ignored = {0};

    if (getrandom(&r, sizeof r, 0) != sizeof r)
        return err_set(e, ERR_UNAVAILABLE, "no random number");
    snprintf(name, sizeof name, "_tmp/probe-%016" PRIx64, r);
    snprintf(tmp, sizeof tmp, "_tmp/probe-%016" PRIx64 ".tmp", r);
    enum err_kind rc = claim_twice(p, name, tmp, e);
    (void)!place_remove(p, name, &ignored);
    return rc;
}
