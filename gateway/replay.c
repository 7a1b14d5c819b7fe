#include "gateway/replay.h"

#include "gateway/publish.h"

#include <assert.h>
#include <stdlib.h>

struct replay_entry {
    struct replay_entry *newer, *older;
    uint8_t hash[REPLAY_HASH];
    bool running;
    int64_t ended_ms;
    struct replay_answer answer; // status 0: none yet; its body is ours
    struct replay_known known;   // ours
    void **waiters;
    size_t n_waiters;
    size_t bytes;
    size_t name_n;
    uint8_t name[];
};

void replay_init(struct replay *t, const struct replay_limits *lim)
{
    *t = (struct replay){.limits = *lim};
    pthread_mutex_init(&t->lock, NULL);
}

static void forget_outcome(struct replay_entry *e)
{
    free((void *)(uintptr_t)e->answer.body.p);
    free(e->known.main);
    free(e->known.dlq);
    e->answer = (struct replay_answer){0};
    e->known = (struct replay_known){0};
}

static void free_entry(struct replay_entry *e)
{
    forget_outcome(e);
    free(e->waiters);
    free(e);
}

void replay_free(struct replay *t)
{
    for (struct replay_entry *e = t->first, *older; e != NULL; e = older) {
        older = e->older;
        free_entry(e);
    }
    tab_free(&t->entries);
    pthread_mutex_destroy(&t->lock);
}

/* ---- the order in which they were asked for; under the lock ---- */

static void take_out(struct replay *t, struct replay_entry *e)
{
    if (e->newer != NULL)
        e->newer->older = e->older;
    else
        t->first = e->older;
    if (e->older != NULL)
        e->older->newer = e->newer;
    else
        t->last = e->newer;
    e->newer = e->older = NULL;
}

static void put_first(struct replay *t, struct replay_entry *e)
{
    e->older = t->first;
    if (t->first != NULL)
        t->first->newer = e;
    else
        t->last = e;
    t->first = e;
}

static void drop(struct replay *t, struct replay_entry *e)
{
    take_out(t, e);
    tab_drop(&t->entries, span_of(e->name, e->name_n));
    t->bytes -= e->bytes;
    free_entry(e);
}

static void weigh(struct replay *t, struct replay_entry *e)
{
    t->bytes -= e->bytes;
    e->bytes = sizeof *e + e->name_n * 2 + 64 + e->answer.body.n +
               2 * e->known.n * sizeof *e->known.main;
    t->bytes += e->bytes;
}

/* Those that run are somebody's, and bounded by the requests in flight. */
static void make_room(struct replay *t)
{
    for (struct replay_entry *e = t->last, *newer;
         e != NULL && t->bytes > t->limits.bytes; e = newer) {
        newer = e->newer;
        if (!e->running)
            drop(t, e);
    }
}

static struct replay_entry *make(struct replay *t, struct span name,
                                 const uint8_t hash[REPLAY_HASH])
{
    struct replay_entry *e = mem_alloc(sizeof *e + name.n);

    memcpy(e->hash, hash, REPLAY_HASH);
    memcpy(e->name, name.p, name.n);
    e->name_n = name.n;
    tab_put(&t->entries, name, e);
    put_first(t, e);
    weigh(t, e);
    return e;
}

static void wait_for(struct replay_entry *e, void *waiter)
{
    e->waiters = mem_grow(e->waiters, e->n_waiters + 1, sizeof *e->waiters);
    e->waiters[e->n_waiters++] = waiter;
}

static enum replay_verdict ask(struct replay *t, struct span name,
                               const uint8_t hash[REPLAY_HASH], void *waiter,
                               int64_t now_ms, struct replay_entry **out)
{
    struct replay_entry *e = tab_get(&t->entries, name);

    if (e != NULL && !e->running && now_ms - e->ended_ms >= t->limits.ttl_ms) {
        drop(t, e);
        e = NULL;
    }
    if (e == NULL)
        e = make(t, name, hash);
    *out = e;
    if (memcmp(e->hash, hash, REPLAY_HASH) != 0)
        return REPLAY_OTHER;
    take_out(t, e);
    put_first(t, e);
    if (e->running) {
        wait_for(e, waiter);
        return REPLAY_WAIT;
    }
    if (e->answer.status != 0)
        return REPLAY_AGAIN;
    e->running = true;
    return REPLAY_RUN;
}

enum replay_verdict replay_begin(struct replay *t, struct span name,
                                 const uint8_t hash[REPLAY_HASH], void *waiter,
                                 int64_t now_ms, struct arena *a,
                                 struct replay_entry **entry,
                                 struct replay_known *known,
                                 struct replay_answer *again)
{
    struct replay_entry *e;

    pthread_mutex_lock(&t->lock);
    enum replay_verdict v = ask(t, name, hash, waiter, now_ms, &e);
    if (v == REPLAY_AGAIN) {
        *again = e->answer;
        again->body = arena_copy(a, e->answer.body);
    } else if (v == REPLAY_RUN) {
        *entry = e;
        *known = e->known;
    }
    pthread_mutex_unlock(&t->lock);
    return v;
}

static struct written *copy_of(const struct written *w, size_t n)
{
    struct written *copy = mem_array(n, sizeof *copy);

    memcpy(copy, w, n * sizeof *copy);
    return copy;
}

static void keep_known(struct replay_entry *e, const struct replay_known *known)
{
    forget_outcome(e);
    e->known = *known;
    e->known.main = copy_of(known->main, known->n);
    e->known.dlq = copy_of(known->dlq, known->n);
}

static void keep_answer(struct replay_entry *e, const struct replay_answer *answer)
{
    forget_outcome(e);
    e->answer = *answer;
    e->answer.body = (struct span){0};
    if (answer->body.n > 0) {
        uint8_t *p = mem_alloc(answer->body.n);
        memcpy(p, answer->body.p, answer->body.n);
        e->answer.body = span_of(p, answer->body.n);
    }
}

void **replay_end(struct replay *t, struct replay_entry *e, enum replay_end how,
                  const struct replay_answer *answer, const struct replay_known *known,
                  int64_t now_ms, size_t *n)
{
    pthread_mutex_lock(&t->lock);
    assert(e->running);
    void **waiters = e->waiters;
    *n = e->n_waiters;
    e->waiters = NULL;
    e->n_waiters = 0;
    e->running = false;
    e->ended_ms = now_ms;
    if (how == REPLAY_FINISHED)
        keep_answer(e, answer);
    else if (how == REPLAY_UNFINISHED)
        keep_known(e, known);
    if (how == REPLAY_NOTHING && e->known.n == 0)
        drop(t, e);
    else
        weigh(t, e);
    make_room(t);
    pthread_mutex_unlock(&t->lock);
    return waiters;
}

size_t replay_bytes(struct replay *t)
{
    pthread_mutex_lock(&t->lock);
    size_t n = t->bytes;
    pthread_mutex_unlock(&t->lock);
    return n;
}
