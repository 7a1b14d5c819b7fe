#include "registry-client/registry_client.h"

#include "base/clock.h"
#include "base/tab.h"
#include "http/url.h"
#include "registry-client/fetch.h"
#include "wire/guid.h"
#include "wire/subject.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define NAMES_MOST 10000    // subjects and versions kept; strangers choose the names
#define RETRY_AFTER_MS 1000 // how long a stale answer is given before asking again

/*
 * What is known under one key: "i<id>", "g<guid>" or "v<version> <subject>" ("v0 ..." =
 * latest).
 * All fields are under rc.lock; an entry is never freed while `users` hold it.
 */
struct entry {
    struct entry *newer, *older; // by last use
    size_t users;                // threads between taking it and letting go
    bool fetching;               // one of them is asking
    bool by_id;
    struct rc_schema value; // schema NULL = nothing yet
    bool doubted;           // the last answer does not go on while it is renewed
    int64_t asked_ms;       // when the last fetch began
    int64_t fresh_until;    // of `value`, or of the refusal
    enum err_kind refused;  // ERR_OK, or why there is no value
    uint64_t asked;         // how many fetches have ended
    struct err reason;      // of `refused`
    size_t key_n;
    uint8_t key[];
};

struct rc {
    struct rest *rest;
    int64_t latest_ttl_ms, negative_ttl_ms;
    size_t most;

    pthread_mutex_t lock;
    pthread_cond_t fetched;
    // under lock
    struct tab entries;
    struct entry *newest, *oldest;
};

enum err_kind rc_open(struct rc **out, const struct rc_options *o, struct err *e)
{
    struct rest *rest;

    TRY(rest_open(&rest, o, e));
    struct rc *rc = mem_alloc(sizeof *rc);
    rc->rest = rest;
    rc->latest_ttl_ms = o->latest_ttl_ms > 0 ? o->latest_ttl_ms : 30000;
    rc->negative_ttl_ms = o->negative_ttl_ms > 0 ? o->negative_ttl_ms : 1000;
    rc->most = (o->cached_ids > 0 ? o->cached_ids : 10000) + NAMES_MOST;
    pthread_mutex_init(&rc->lock, NULL);
    clock_cond_init(&rc->fetched);
    *out = rc;
    return ERR_OK;
}

void rc_set_bearer(struct rc *rc, const char *token)
{
    rest_set_bearer(rc->rest, token);
}

static void entry_free(struct entry *en)
{
    rc_schema_free(&en->value);
    free(en);
}

void rc_close(struct rc *rc)
{
    if (rc == NULL)
        return;
    while (rc->newest != NULL) {
        struct entry *en = rc->newest;
        rc->newest = en->older;
        entry_free(en);
    }
    tab_free(&rc->entries);
    pthread_cond_destroy(&rc->fetched);
    pthread_mutex_destroy(&rc->lock);
    rest_close(rc->rest);
    free(rc);
}

static struct rc_beside *retain_beside(struct rc_beside *b)
{
    if (b != NULL)
        atomic_fetch_add(&b->users, 1);
    return b;
}

static void release_beside(struct rc_beside *b)
{
    if (b == NULL || atomic_fetch_sub(&b->users, 1) > 1)
        return;
    free((void *)(uintptr_t)b->metadata.p);
    free((void *)(uintptr_t)b->rules.p);
    free(b);
}

struct rc_schema rc_schema_copy(const struct rc_schema *s)
{
    struct rc_schema copy = *s;

    copy.subject = span_of(mem_str(s->subject), s->subject.n);
    copy.schema = av_schema_retain(s->schema);
    copy.beside = retain_beside(s->beside);
    return copy;
}

void rc_schema_free(struct rc_schema *s)
{
    free((void *)(uintptr_t)s->subject.p);
    av_schema_release(s->schema);
    release_beside(s->beside);
    *s = (struct rc_schema){0};
}

static void unlink_entry(struct rc *rc, struct entry *en)
{
    *(en->newer != NULL ? &en->newer->older : &rc->newest) = en->older;
    *(en->older != NULL ? &en->older->newer : &rc->oldest) = en->newer;
}

static void link_newest(struct rc *rc, struct entry *en)
{
    en->newer = NULL;
    en->older = rc->newest;
    *(rc->newest != NULL ? &rc->newest->newer : &rc->oldest) = en;
    rc->newest = en;
}

/* Lets the least recently used entries go that nobody holds. */
static void make_room(struct rc *rc)
{
    struct entry *en = rc->oldest;

    while (rc->entries.n >= rc->most && en != NULL) {
        struct entry *newer = en->newer;
        if (en->users == 0) {
            tab_drop(&rc->entries, span_of(en->key, en->key_n));
            unlink_entry(rc, en);
            entry_free(en);
        }
        en = newer;
    }
}

static struct entry *take_entry(struct rc *rc, struct span key, bool by_id)
{
    struct entry *en = tab_get(&rc->entries, key);

    if (en == NULL) {
        make_room(rc);
        en = mem_alloc(sizeof *en + key.n);
        en->by_id = by_id;
        en->key_n = key.n;
        memcpy(en->key, key.p, key.n);
        tab_put(&rc->entries, key, en);
    } else {
        unlink_entry(rc, en);
    }
    link_newest(rc, en);
    en->users++;
    return en;
}

static bool is_settled(const struct entry *en)
{
    if (en->value.schema != NULL && en->by_id)
        return true; // an id never changes its meaning
    if (en->value.schema != NULL && en->fetching && !en->doubted)
        return true; // somebody is renewing it: the last answer goes on meanwhile
    return (en->value.schema != NULL || en->refused != ERR_OK) &&
           clock_coarse_ms() + CLOCK_COARSE_MS < en->fresh_until;
}

static enum err_kind answer(const struct entry *en, struct rc_schema *out,
                            struct err *e)
{
    if (en->value.schema == NULL) {
        *e = en->reason;
        return en->refused;
    }
    *out = rc_schema_copy(&en->value);
    return ERR_OK;
}

static void wait_until(struct rc *rc, int64_t deadline_ms)
{
    struct timespec t = clock_at(deadline_ms);

    pthread_cond_timedwait(&rc->fetched, &rc->lock, &t);
}

/* Puts what a fetch found into its entry.  `fresh` is taken over. */
static void settle(struct rc *rc, struct entry *en, enum err_kind kind,
                   struct rc_schema *fresh, const struct err *why)
{
    int64_t now = clock_ms();

    en->asked++;
    en->fetching = en->doubted = false;
    en->refused = ERR_OK;
    if (kind == ERR_OK) {
        rc_schema_free(&en->value);
        en->value = *fresh;
        en->fresh_until = now + rc->latest_ttl_ms;
    } else if (kind == ERR_UNAVAILABLE && en->value.schema != NULL) {
        en->value.stale = true;
        en->fresh_until = now + RETRY_AFTER_MS;
    } else {
        rc_schema_free(&en->value);
        en->refused = kind;
        en->reason = *why;
        // Nobody answered: the next one may ask at once, but those who waited share
        // this.
        en->fresh_until = kind == ERR_UNAVAILABLE ? now : now + rc->negative_ttl_ms;
    }
    pthread_cond_broadcast(&rc->fetched);
}

/* Of the same id there is one av_schema, however it was asked for; an id of another
 * context is not the same. */
static void share_schema(struct rc *rc, struct rc_schema *fresh)
{
    char key[24];

    if (fresh->id == 0 || subject_split(fresh->subject).context.n != 1)
        return;
    int n = snprintf(key, sizeof key, "i%d", fresh->id);
    struct entry *en = take_entry(rc, span_of(key, (size_t)n), true);
    en->users--;
    if (en->value.schema != NULL) {
        av_schema_release(fresh->schema);
        fresh->schema = av_schema_retain(en->value.schema);
    } else if (!en->fetching) {
        en->refused = ERR_OK;
        en->value = (struct rc_schema){.id = fresh->id,
                                       .schema = av_schema_retain(fresh->schema),
                                       .beside = retain_beside(fresh->beside)};
    }
}

/* An answer that names another schema than was asked for is somebody's mistake, and it
 * would be kept for ever. */
static enum err_kind check_answer(struct rc_schema *fresh, int32_t id, int32_t version,
                                  struct err *e)
{
    enum err_kind kind = ERR_OK;

    if (id != 0 && fresh->id != 0 && fresh->id != id)
        kind = err_set(e, ERR_UNAVAILABLE, "the registry answers with schema id %d",
                       fresh->id);
    else if (version != 0 && fresh->version != 0 && fresh->version != version)
        kind = err_set(e, ERR_UNAVAILABLE, "the registry answers with version %d",
                       fresh->version);
    if (kind != ERR_OK)
        rc_schema_free(fresh);
    return kind;
}

/* Asks the registry for `en`, without the lock, and settles it. */
static void fetch_entry(struct rc *rc, struct entry *en, struct span path, int32_t id,
                        int32_t version, int64_t deadline_ms)
{
    struct rc_schema fresh = {0};
    struct err why = {0};

    en->fetching = true;
    en->asked_ms = clock_ms();
    pthread_mutex_unlock(&rc->lock);
    enum err_kind kind = fetch_schema(rc->rest, path, deadline_ms, &fresh, &why);
    pthread_mutex_lock(&rc->lock);
    if (kind == ERR_OK)
        kind = check_answer(&fresh, id, version, &why);
    if (kind == ERR_OK && en->by_id) {
        fresh.id = id;
        fresh.version = 0;
        fresh.subject.n = 0;
    } else if (kind == ERR_OK) {
        share_schema(rc, &fresh);
    }
    settle(rc, en, kind, &fresh, &why);
}

/*
 * One loop for all: settled -> answer; being fetched -> wait; else fetch.  A waiter
 * shares the failure of the fetch it waited for, so that a dead registry is asked once
 * and not by each in turn.
 */
static enum err_kind get_locked(struct rc *rc, struct entry *en, struct span path,
                                int32_t id, int32_t version, int64_t deadline_ms,
                                struct rc_schema *out, struct err *e)
{
    uint64_t asked = en->asked;

    while (!is_settled(en)) {
        if (en->asked != asked && !en->fetching)
            return answer(en, out, e);
        if (clock_ms() >= deadline_ms)
            return err_set(e, ERR_UNAVAILABLE, "the registry has not answered in time");
        if (en->fetching)
            wait_until(rc, deadline_ms);
        else
            fetch_entry(rc, en, path, id, version, deadline_ms);
    }
    return answer(en, out, e);
}

/* What is known already: it needs no path to ask by.  false: it has to be asked for. */
static bool recall(struct rc *rc, struct span key, struct rc_schema *out,
                   enum err_kind *kind, struct err *e)
{
    pthread_mutex_lock(&rc->lock);
    struct entry *en = tab_get(&rc->entries, key);
    bool settled = en != NULL && is_settled(en);
    if (settled) {
        unlink_entry(rc, en);
        link_newest(rc, en);
        *kind = answer(en, out, e);
    }
    pthread_mutex_unlock(&rc->lock);
    return settled;
}

/* `for_ever`: what is found never changes. */
static enum err_kind get(struct rc *rc, struct span key, struct span path,
                         bool for_ever, int32_t id, int32_t version,
                         int64_t deadline_ms, struct rc_schema *out, struct err *e)
{
    pthread_mutex_lock(&rc->lock);
    struct entry *en = take_entry(rc, key, for_ever);
    enum err_kind kind = get_locked(rc, en, path, id, version, deadline_ms, out, e);
    en->users--;
    pthread_mutex_unlock(&rc->lock);
    return kind;
}

enum err_kind rc_by_id(struct rc *rc, int32_t id, int64_t deadline_ms,
                       struct rc_schema *out, struct err *e)
{
    char key[24], path[48];

    if (id <= 0)
        return err_set(e, ERR_INVALID, "schema id %d, wanted 1 or more", id);
    int n = snprintf(key, sizeof key, "i%d", id);
    int m = snprintf(path, sizeof path, "/schemas/ids/%d", id);
    if (get(rc, span_of(key, (size_t)n), span_of(path, (size_t)m), true, id, 0,
            deadline_ms, out, e) != ERR_OK)
        return err_prefix(e, "schema id %d", id);
    return ERR_OK;
}

enum err_kind rc_by_guid(struct rc *rc, const uint8_t guid[16], int64_t deadline_ms,
                         struct rc_schema *out, struct err *e)
{
    char text[GUID_TEXT], key[GUID_TEXT + 1], path[64];

    guid_print(text, guid);
    int n = snprintf(key, sizeof key, "g%s", text);
    int m = snprintf(path, sizeof path, "/schemas/guids/%s", text);
    if (get(rc, span_of(key, (size_t)n), span_of(path, (size_t)m), true, 0, 0,
            deadline_ms, out, e) != ERR_OK)
        return err_prefix(e, "schema guid %s", text);
    return ERR_OK;
}

static enum err_kind get_version(struct rc *rc, struct span key, struct span subject,
                                 int32_t version, int64_t deadline_ms,
                                 struct rc_schema *out, struct err *e)
{
    struct buf path = BUF_INIT(16384);

    fetch_put_version_path(&path, subject, version);
    enum err_kind kind = buf_status(&path, e);
    if (kind == ERR_OK)
        kind = get(rc, key, buf_span(&path), false, 0, version, deadline_ms, out, e);
    buf_free(&path);
    return kind;
}

enum err_kind rc_by_version(struct rc *rc, struct span subject, int32_t version,
                            int64_t deadline_ms, struct rc_schema *out, struct err *e)
{
    uint8_t room[4096];
    struct buf key = BUF_OVER(room);

    buf_put_u8(&key, 'v');
    json_put_int(&key, version);
    buf_put_u8(&key, ' ');
    buf_put(&key, subject);
    enum err_kind kind = buf_status(&key, e);
    if (kind == ERR_OK && !recall(rc, buf_span(&key), out, &kind, e))
        kind = get_version(rc, buf_span(&key), subject, version, deadline_ms, out, e);
    return kind == ERR_OK ? kind
                          : err_prefix(e, "subject " SPAN_FMT, SPAN_ARG(subject));
}

enum err_kind rc_latest(struct rc *rc, struct span subject, int64_t deadline_ms,
                        struct rc_schema *out, struct err *e)
{
    return rc_by_version(rc, subject, 0, deadline_ms, out, e);
}

bool rc_doubt_latest(struct rc *rc, struct span subject, int64_t before_ms)
{
    struct buf key = BUF_INIT(4096);

    buf_put_str(&key, "v0 ");
    buf_put(&key, subject);
    pthread_mutex_lock(&rc->lock);
    struct entry *en = key.over ? NULL : tab_get(&rc->entries, buf_span(&key));
    bool doubt = en != NULL && en->value.schema != NULL && !en->value.stale &&
                 en->asked_ms < before_ms;
    if (doubt) {
        en->doubted = true;
        en->fresh_until = 0;
    }
    pthread_mutex_unlock(&rc->lock);
    buf_free(&key);
    return doubt;
}

/* Appends "/subjects/<subject>" and what comes after it. */
static void put_subject_path(struct buf *out, struct span subject, const char *rest,
                             bool normalize)
{
    buf_put_str(out, "/subjects/");
    url_put_escaped(out, subject);
    buf_put_str(out, rest);
    if (normalize)
        buf_put_str(out, "?normalize=true");
}

static enum err_kind read_place(const struct json *body, int32_t *id, int32_t *version,
                                struct err *e)
{
    const struct json *at = json_member(body, "version");
    int64_t v;

    TRY(json_int(&v, json_member(body, "id"), 1, INT32_MAX, e));
    *id = (int32_t)v;
    *version = 0; // older registries answer with the id alone
    if (at != NULL) {
        TRY(json_int(&v, at, 1, INT32_MAX, e));
        *version = (int32_t)v;
    }
    return ERR_OK;
}

static enum err_kind post_schema(struct rc *rc, struct span subject, const char *rest,
                                 const struct rc_draft *draft, int64_t deadline_ms,
                                 int32_t *id, int32_t *version, struct err *e)
{
    struct buf path = BUF_INIT(16384), body = BUF_INIT(16 << 20);
    struct rest_answer reply;

    put_subject_path(&path, subject, rest, draft->normalize);
    api_schema_put(&body, &(struct api_schema){.schema = draft->text,
                                               .references = draft->references,
                                               .n_references = draft->n_references});
    enum err_kind kind = buf_status(&path, e);
    if (kind == ERR_OK)
        kind = buf_status(&body, e);
    if (kind == ERR_OK)
        kind = rest_ask(rc->rest, HTTP_POST, buf_span(&path), buf_span(&body),
                        deadline_ms, &reply, e);
    buf_free(&path);
    buf_free(&body);
    if (kind != ERR_OK)
        return kind;
    kind = read_place(reply.body, id, version, e);
    rest_answer_free(&reply);
    if (kind != ERR_OK)
        return err_set(e, ERR_UNAVAILABLE, "the registry's answer has no id in it");
    return ERR_OK;
}

enum err_kind rc_parse(struct rc *rc, const struct rc_draft *draft, int64_t deadline_ms,
                       struct av_schema **out, struct err *e)
{
    return fetch_references(rc->rest, draft, deadline_ms, out, e);
}

/* The schema by subject and version, for the registry may have put something beside it;
 * not by id, which means another in another context. */
static enum err_kind found_at(struct rc *rc, struct span subject, int32_t version,
                              int32_t id, int64_t deadline_ms, struct rc_schema *out,
                              struct err *e)
{
    TRY(rc_by_version(rc, subject, version, deadline_ms, out, e));
    out->id = id;
    return ERR_OK;
}

enum err_kind rc_register(struct rc *rc, struct span subject,
                          const struct rc_draft *draft, int64_t deadline_ms,
                          struct rc_schema *out, struct err *e)
{
    int32_t id, version, same;

    TRY(post_schema(rc, subject, "/versions", draft, deadline_ms, &id, &version, e));
    rc_doubt_latest(rc, subject, clock_ms() + 1); // it may be this one now
    if (version == 0)
        TRY(post_schema(rc, subject, "", draft, deadline_ms, &same, &version, e));
    return found_at(rc, subject, version, id, deadline_ms, out, e);
}

enum err_kind rc_lookup(struct rc *rc, struct span subject,
                        const struct rc_draft *draft, int64_t deadline_ms,
                        struct rc_schema *out, struct err *e)
{
    int32_t id, version;

    TRY(post_schema(rc, subject, "", draft, deadline_ms, &id, &version, e));
    return found_at(rc, subject, version, id, deadline_ms, out, e);
}

enum err_kind rc_ping(struct rc *rc, int64_t deadline_ms, struct err *e)
{
    struct rest_answer reply;

    TRY(rest_ask(rc->rest, HTTP_GET, span_str("/subjects?limit=1"), (struct span){0},
                 deadline_ms, &reply, e));
    rest_answer_free(&reply);
    return ERR_OK;
}
