#include "aggregator/follower.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/tab.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define POLL_MS 50
#define BATCH 1000    // records applied between two looks
#define CHUNK 5000    // rows written in one transaction
#define WRITE_MS 500  // from one round to the next
#define AGAIN_MS 1000 // after the sink was away
#define GRUMBLE_MS 5000

struct follower {
    const struct aggregator_settings *s;
    struct engine *g;
    struct out *out;
    pthread_t thread;

    // its thread
    struct kf_consumer *consumer;
    bool *seen; // partitions that were read to their end
    size_t n_seen, n;
    int64_t grumbled_ms, write_at_ms;
    bool writing; // begun, and still ours
    struct arena pending_mem;
    struct span *pending; // keys of this round
    size_t n_pending, cap_pending, done;
    int64_t *positions; // of this round

    pthread_mutex_t lock;
    atomic_bool stop;
    // under lock
    struct agg_view view;
    bool has_view;
    bool settled; // all of the view is in the sink
    struct follower_state state;
};

static void nap(int64_t ms)
{
    nanosleep(&(struct timespec){ms / 1000, ms % 1000 * 1000000}, NULL);
}

static void set_why(struct follower *f, const char *why, bool failed)
{
    pthread_mutex_lock(&f->lock);
    snprintf(f->state.why, sizeof f->state.why, "%s", why);
    f->state.failed = f->state.failed || failed;
    pthread_mutex_unlock(&f->lock);
}

static void grumble(struct follower *f, const char *event, const struct err *e)
{
    set_why(f, e->msg, false);
    if (f->grumbled_ms != 0 && clock_ms() - f->grumbled_ms < GRUMBLE_MS)
        return;
    f->grumbled_ms = clock_ms();
    log_err(LOG_WARN, event, e);
}

/* --- reading -----------------------------------------------------------------------
 */

static bool wait_partitions(struct follower *f)
{
    struct engine_state st;

    while (!atomic_load(&f->stop)) {
        engine_state(f->g, &st);
        if (st.partitions > 0) {
            f->n = (size_t)st.partitions;
            return true;
        }
        nap(POLL_MS);
    }
    return false;
}

static enum err_kind open_all(struct follower *f, struct err *e)
{
    TRY(kf_consumer_assign_all(&f->consumer, f->s->bootstrap, &f->s->kafka,
                               engine_changelog(f->g), (int32_t)f->n, KF_BEGINNING, e));
    f->seen = mem_array(f->n, sizeof *f->seen);
    f->positions = mem_array(f->n, sizeof *f->positions);
    pthread_mutex_lock(&f->lock);
    agg_view_init(&f->view, f->n);
    f->has_view = true;
    pthread_mutex_unlock(&f->lock);
    return ERR_OK;
}

static void forget_dirty(struct follower *f, size_t partition)
{
    struct agg_part *p = &f->view.parts[partition];

    if (p->has_shape)
        agg_table_forget_dirty(&p->table);
}

static enum err_kind apply(struct follower *f, const struct kf_message *m,
                           struct err *e)
{
    size_t partition = (size_t)m->partition;

    if (partition >= f->n)
        return ERR_OK;
    pthread_mutex_lock(&f->lock);
    enum err_kind rc =
        agg_view_apply(&f->view, partition, m->offset, m->key, m->value, e);
    f->settled = false;
    f->state.why[0] = '\0';
    if (rc == ERR_OK && f->out == NULL)
        forget_dirty(f, partition);
    pthread_mutex_unlock(&f->lock);
    if (rc != ERR_OK)
        return err_prefix(e, "%s/%" PRId32 "@%" PRId64, m->topic, m->partition,
                          m->offset);
    return ERR_OK;
}

static void note_end(struct follower *f, const struct kf_end *end)
{
    size_t partition = (size_t)end->partition;

    if (partition >= f->n || f->seen[partition])
        return;
    f->seen[partition] = true;
    if (++f->n_seen < f->n)
        return;
    pthread_mutex_lock(&f->lock);
    f->state.whole = true;
    f->state.why[0] = '\0';
    pthread_mutex_unlock(&f->lock);
}

/* Until nothing more is there at once. */
static enum err_kind read_some(struct follower *f, struct err *e)
{
    struct kf_message m;
    struct kf_end end;
    bool got;

    for (int i = 0; i < BATCH; i++) {
        enum err_kind rc =
            kf_poll(f->consumer, i == 0 ? POLL_MS : 0, &m, &got, &end, e);

        if (rc == ERR_UNAVAILABLE || rc == ERR_NOT_FOUND) {
            grumble(f, "the table waits", e);
            return ERR_OK;
        }
        TRY(rc);
        if (end.reached)
            note_end(f, &end);
        if (!got && !end.reached)
            return ERR_OK;
        if (!got)
            continue;
        rc = apply(f, &m, e);
        kf_message_free(&m);
        TRY(rc);
    }
    return ERR_OK;
}

/* --- writing -----------------------------------------------------------------------
 */

static void add_pending(struct follower *f, struct tab *met, struct span key)
{
    if (tab_put(met, key, f) != NULL)
        return;
    if (f->n_pending == f->cap_pending) {
        f->cap_pending = f->cap_pending == 0 ? 1024 : f->cap_pending * 2;
        f->pending = mem_grow(f->pending, f->cap_pending, sizeof *f->pending);
    }
    f->pending[f->n_pending++] = arena_copy(&f->pending_mem, key);
}

static void clear_pending(struct follower *f)
{
    arena_reset(&f->pending_mem);
    f->n_pending = f->done = 0;
}

/* A round: what changed since the last one, or since the positions that the sink has.
 * Under the lock. */
static void begin_round(struct follower *f, const int64_t *from)
{
    struct tab met = {0};

    clear_pending(f);
    for (size_t i = 0; i < f->n; i++) {
        struct agg_part *p = &f->view.parts[i];
        struct agg_row *r;

        f->positions[i] = p->offset;
        if (!p->has_shape)
            continue;
        for (size_t k = 0; from == NULL && k < p->table.n_dirty; k++)
            add_pending(f, &met, agg_row_key(&p->table, p->table.dirty[k]));
        for (size_t at = 0;
             from != NULL && (r = agg_table_each(&p->table, &at)) != NULL;)
            if (r->from >= from[i])
                add_pending(f, &met, agg_row_key(&p->table, r));
        agg_table_forget_dirty(&p->table);
    }
    tab_free(&met);
    f->settled = f->n_pending == 0;
}

static enum err_kind begin_writing(struct follower *f, struct err *e)
{
    int64_t *from = mem_array(f->n, sizeof *from);
    enum err_kind rc = f->out->ops->begin(f->out, &f->view.shape, from, f->n, e);

    if (rc == ERR_OK) {
        pthread_mutex_lock(&f->lock);
        begin_round(f, from);
        pthread_mutex_unlock(&f->lock);
        f->writing = true;
    }
    free(from);
    return rc;
}

static enum err_kind add_rows(struct follower *f, size_t *n, struct err *e)
{
    struct agg_merged m = {0};
    enum err_kind rc = ERR_OK;

    pthread_mutex_lock(&f->lock);
    for (*n = 0; rc == ERR_OK && *n < CHUNK && f->done + *n < f->n_pending; ++*n)
        if (agg_view_merge(&f->view, f->pending[f->done + *n], &m))
            rc = f->out->ops->add(f->out, &m, e); // one that is gone stays in the sink
    pthread_mutex_unlock(&f->lock);
    agg_merged_free(&m);
    return rc;
}

static enum err_kind write_chunk(struct follower *f, struct err *e)
{
    size_t n;

    TRY(add_rows(f, &n, e));
    bool last = f->done + n == f->n_pending;
    TRY(f->out->ops->flush(f->out, last ? f->positions : NULL, f->n, e));
    f->done += n;
    pthread_mutex_lock(&f->lock);
    f->state.written += (int64_t)n;
    f->state.why[0] = '\0';
    pthread_mutex_unlock(&f->lock);
    return ERR_OK;
}

static enum err_kind write_round(struct follower *f, struct err *e)
{
    while (f->done < f->n_pending && !atomic_load(&f->stop))
        TRY(write_chunk(f, e));
    pthread_mutex_lock(&f->lock);
    if (f->done == f->n_pending)
        begin_round(f, NULL);
    pthread_mutex_unlock(&f->lock);
    return ERR_OK;
}

/* Whoever holds partition 0 writes. */
static enum err_kind write_some(struct follower *f, struct err *e)
{
    if (clock_ms() < f->write_at_ms || f->n_seen < f->n || !f->view.has_shape)
        return ERR_OK;
    f->write_at_ms = clock_ms() + WRITE_MS;
    if (!engine_is_first(f->g)) {
        f->writing = false;
        return ERR_OK;
    }
    enum err_kind rc = f->writing ? ERR_OK : begin_writing(f, e);
    if (rc == ERR_OK)
        rc = write_round(f, e);
    if (rc != ERR_UNAVAILABLE && rc != ERR_CONFLICT)
        return rc;
    f->writing = false;
    f->write_at_ms = clock_ms() + AGAIN_MS;
    grumble(f, "sink waits", e);
    return ERR_OK;
}

/* --- its life ----------------------------------------------------------------------
 */

static enum err_kind run(struct follower *f, struct err *e)
{
    TRY(open_all(f, e));
    while (!atomic_load(&f->stop)) {
        TRY(read_some(f, e));
        if (f->out != NULL)
            TRY(write_some(f, e));
    }
    return ERR_OK;
}

static void *work(void *arg)
{
    struct follower *f = arg;
    struct err e = {0};

    if (wait_partitions(f) && run(f, &e) != ERR_OK) {
        log_err(LOG_ERROR, "the table cannot be shown", &e);
        set_why(f, e.msg, true);
    }
    return NULL;
}

enum err_kind follower_open(struct follower **out, const struct aggregator_settings *s,
                            struct engine *g, struct out *sink, struct err *e)
{
    struct follower *f = mem_alloc(sizeof *f);

    f->s = s;
    f->g = g;
    f->out = sink;
    pthread_mutex_init(&f->lock, NULL);
    if (pthread_create(&f->thread, NULL, work, f) != 0) {
        pthread_mutex_destroy(&f->lock);
        free(f);
        return err_set(e, ERR_UNAVAILABLE, "no thread for the table");
    }
    *out = f;
    return ERR_OK;
}

struct agg_view *follower_lock(struct follower *f)
{
    pthread_mutex_lock(&f->lock);
    return &f->view;
}

void follower_unlock(struct follower *f)
{
    pthread_mutex_unlock(&f->lock);
}

void follower_state(struct follower *f, struct follower_state *out)
{
    pthread_mutex_lock(&f->lock);
    *out = f->state;
    pthread_mutex_unlock(&f->lock);
}

static bool has_all(struct follower *f, const struct shard_state *shards, size_t n)
{
    pthread_mutex_lock(&f->lock);
    bool all = f->has_view && f->state.whole &&
               (f->out == NULL || f->settled || !engine_is_first(f->g));
    bool none = n > 0; // nothing was ever committed: there is no table to be shown
    for (size_t i = 0; i < n; i++)
        none = none && shards[i].done.next <= 0;
    for (size_t i = 0; all && i < n; i++)
        all = (size_t)shards[i].partition < f->n &&
              f->view.parts[shards[i].partition].position.next >= shards[i].done.next;
    all = all || none || f->state.failed;
    pthread_mutex_unlock(&f->lock);
    return all;
}

bool follower_catch_up(struct follower *f, const struct shard_state *shards, size_t n,
                       int64_t ms)
{
    for (int64_t until = clock_ms() + ms; !has_all(f, shards, n);) {
        if (clock_ms() >= until)
            return false;
        nap(20);
    }
    return true;
}

void follower_close(struct follower *f)
{
    atomic_store(&f->stop, true);
    pthread_join(f->thread, NULL);
    if (f->consumer != NULL)
        kf_consumer_close(f->consumer);
    if (f->has_view)
        agg_view_free(&f->view);
    arena_free(&f->pending_mem);
    free(f->pending);
    free(f->seen);
    free(f->positions);
    pthread_mutex_destroy(&f->lock);
    free(f);
}
