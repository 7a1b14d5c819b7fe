#include "gateway/retry.h"

#include "avro-core/canon.h"
#include "base/bytes.h"
#include "base/clock.h"
#include "gateway/event.h"
#include "gateway/gateway_inside.h"

#include <stdlib.h>

#define KEY_HEADER "Idempotency-Key"
#define REPLAYED "Idempotent-Replayed"
#define KEY_MOST 128
#define CLIENT_LEFT 499

/* draft-ietf-httpapi-idempotency-key-header makes it a quoted string, most that use it
 * do not; both are the same key. */
static struct span unquote(struct span key)
{
    if (key.n >= 2 && key.p[0] == '"' && key.p[key.n - 1] == '"')
        return span_of(key.p + 1, key.n - 2);
    return key;
}

static bool is_legal(struct span key)
{
    if (key.n == 0 || key.n > KEY_MOST)
        return false;
    for (size_t i = 0; i < key.n; i++)
        if (key.p[i] < ' ' || key.p[i] > '~')
            return false;
    return true;
}

/* The key; 0 there is none, -1 one that is none, or two. */
static int find_key(const struct http_req *r, struct span *key)
{
    int n = 0;

    for (size_t i = 0; i < r->nfields; i++) {
        if (!http_same(r->fields[i].name, span_str(KEY_HEADER)))
            continue;
        *key = unquote(r->fields[i].value);
        if (++n > 1 || !is_legal(*key))
            return -1;
    }
    return n;
}

/* Each part with its length before it, so that no two lists of parts are one. */
static void put_part(struct buf *out, struct span part)
{
    buf_put_be32(out, (uint32_t)part.n);
    buf_put(out, part);
}

static struct span name_of(struct http_req *r, struct span key)
{
    struct buf name = BUF_INIT(64 << 10);

    put_part(&name, r->who);
    put_part(&name, http_part(r, "topic"));
    put_part(&name, key);
    struct span copy = arena_copy(&r->arena, buf_span(&name));
    buf_free(&name);
    return copy;
}

/* All that decides what a request does. */
static void hash_request(uint8_t hash[REPLAY_HASH], const struct http_req *r)
{
    uint8_t body[32];
    struct buf all = BUF_INIT(256 << 10);

    av_sha256(body, r->body);
    put_part(&all, r->path);
    put_part(&all, r->query);
    put_part(&all, http_header(r, "Content-Type"));
    put_part(&all, http_header(r, "Kafka-Key"));
    put_part(&all, http_header(r, "Kafka-Timestamp"));
    for (size_t i = 0; i < r->nfields; i++)
        if (event_is_field(r->fields[i].name)) {
            put_part(&all, r->fields[i].name);
            put_part(&all, r->fields[i].value);
        }
    put_part(&all, span_of(body, sizeof body));
    av_sha256(hash, buf_span(&all));
    buf_free(&all);
}

/* Half a hash of who, where, which name and which bytes: a key used again for another
 * body after it was forgotten makes other ids, so that no sink takes new records for
 * old ones. */
static struct span id_of(struct arena *a, struct span name,
                         const uint8_t hash[REPLAY_HASH])
{
    struct buf all = BUF_INIT(64 << 10);
    uint8_t sum[32];
    char *text = arena_alloc(a, 33);

    buf_put(&all, name);
    buf_put(&all, span_of(hash, REPLAY_HASH));
    av_sha256(sum, buf_span(&all));
    buf_free(&all);
    bytes_hex(text, span_of(sum, 16));
    return span_of(text, 32);
}

static void repeat(struct http_req *r, const struct replay_answer *a)
{
    http_answer_header(r, REPLAYED, span_str("true"));
    if (a->status == 503 || a->status == 429)
        http_answer_retry_after(r, admit_after(1));
    http_answer(r, a->status, a->type, a->body);
}

enum retry_step retry_ask(struct gateway *g, struct http_req *r, bool dry_run)
{
    struct visit *v = r->visit;
    uint8_t hash[REPLAY_HASH];
    struct replay_answer again;
    struct span key = {0};

    int found = v->entry != NULL || dry_run ? 0 : find_key(r, &key);
    if (found == 0)
        return RETRY_ON;
    if (found < 0) {
        http_answer_error(r, 400, 400,
                          "%s: wanted one, of 1 to %d printable ASCII characters",
                          KEY_HEADER, KEY_MOST);
        return RETRY_ANSWERED;
    }
    struct span name = name_of(r, key);
    hash_request(hash, r);
    v->key = key;
    v->id = id_of(&r->arena, name, hash);
    switch (replay_begin(&g->replay, name, hash, r, clock_ms(), &r->arena, &v->entry,
                         &v->known, &again)) {
    case REPLAY_RUN: return RETRY_ON;
    case REPLAY_WAIT: count_replay("waited"); return RETRY_ANSWERED;
    case REPLAY_AGAIN:
        count_replay("replayed");
        repeat(r, &again);
        return RETRY_ANSWERED;
    case REPLAY_OTHER:
        count_replay("other");
        http_answer_error(r, 422, 422,
                          "%s \"" SPAN_FMT
                          "\" came before, with another request: another body, "
                          "query, content type or key",
                          KEY_HEADER, SPAN_ARG(key));
        return RETRY_ANSWERED;
    }
    return RETRY_ON;
}

int32_t retry_schema(const struct http_req *r)
{
    const struct visit *v = r->visit;

    return v->known.n > 0 ? v->known.schema_id : 0;
}

void retry_recall(struct publish *p)
{
    const struct visit *v = p->req->visit;

    for (size_t i = 0; i < v->known.n && i < p->batch.n; i++) {
        bool refused = p->batch.items[i].refused;

        if (!refused && v->known.main[i].outcome == OUTCOME_WRITTEN)
            p->main[i] = v->known.main[i];
        if (refused && v->known.dlq[i].outcome == OUTCOME_WRITTEN)
            p->dlq[i] = v->known.dlq[i];
    }
}

void retry_note(const struct publish *p)
{
    struct visit *v = p->req->visit;
    size_t there = 0, unsure = 0, not_there = 0;

    if (v->entry == NULL)
        return;
    for (size_t i = 0; i < p->batch.n; i++) {
        enum outcome o =
            p->batch.items[i].refused ? p->dlq[i].outcome : p->main[i].outcome;

        there += o == OUTCOME_WRITTEN;
        unsure += o == OUTCOME_UNKNOWN;
        not_there += o == OUTCOME_NOT_WRITTEN;
    }
    v->known = (struct replay_known){p->schema.id, p->main, p->dlq, p->batch.n};
    v->end = unsure + not_there == 0 ? REPLAY_FINISHED
             : there + unsure == 0   ? REPLAY_NOTHING
                                     : REPLAY_UNFINISHED;
}

/* The client of the first left before anything was written: the next takes its turn. */
static void ask_anew(struct gateway *g, struct http_req *r)
{
    if (!queue_try_put(&g->waiting, r))
        admit_refuse(r, 503, admit_after(1), "too many requests wait for the registry");
}

void retry_answered(struct gateway *g, struct http_req *r,
                    const struct replay_answer *answer)
{
    struct visit *v = r->visit;
    struct replay_entry *entry = v->entry;
    size_t n = 0;

    if (entry == NULL)
        return;
    v->entry = NULL;
    void **waiters =
        replay_end(&g->replay, entry, v->end, answer, &v->known, clock_ms(), &n);
    for (size_t i = 0; i < n; i++) {
        if (answer->status == CLIENT_LEFT)
            ask_anew(g, waiters[i]);
        else
            repeat(waiters[i], answer);
    }
    free(waiters);
}
