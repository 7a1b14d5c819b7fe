/* A shard's transactions: the name, the changelog read and written. */
#include "aggregator/shard_inside.h"

#include "base/bytes.h"
#include "base/clock.h"
#include "base/log.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define TAKE_MS 30000 // for the name; the broker ends the former holder meanwhile
#define POLL_MS 100
#define ENDING_MS 2500 // one call of the last commit
#define CHUNK 1000     // records of the changelog made at a time
#define FLUSH_AT 20000 // ... and sent before their reports are waited for
#define RECORD_MOST (1 << 20)
#define KEYS_OF_RECORD 10000 // of dedupe

/* What became of the records of a transaction. */
struct delivery {
    struct kf_waiter waiter; // first
    pthread_mutex_t lock;
    // under lock
    struct err failed; // kind ERR_OK: none
};

static void note_report(struct kf_waiter *w, uint32_t index, const struct kf_report *r)
{
    struct delivery *d = (struct delivery *)w;

    (void)index;
    if (r->kind == ERR_OK)
        return;
    pthread_mutex_lock(&d->lock);
    if (d->failed.kind == ERR_OK)
        d->failed.kind = err_set(&d->failed, r->kind, "%s: %s", r->name, r->reason);
    pthread_mutex_unlock(&d->lock);
}

static enum err_kind delivered(struct shard *s, struct delivery *d, struct err *e)
{
    if (!kf_flush(s->producer, SHARD_CALL_MS))
        return err_set(e, ERR_UNAVAILABLE, "no delivery report in time");
    pthread_mutex_lock(&d->lock);
    struct err failed = d->failed;
    pthread_mutex_unlock(&d->lock);
    if (failed.kind != ERR_OK)
        *e = failed;
    return failed.kind;
}

/* --- writing -----------------------------------------------------------------------
 */

struct writer { // gathers records until there is a chunk of them
    struct shard *s;
    struct delivery *d;
    struct kf_record *records;
    size_t n, sent;
    struct arena mem;
    struct buf key, value;
};

static enum err_kind send_chunk(struct writer *w, struct err *e)
{
    (void)kf_send_batch(w->s->producer, w->s->w.changelog, w->records, w->n,
                        &w->d->waiter, 0); // what was refused was reported
    w->sent += w->n;
    w->n = 0;
    arena_reset(&w->mem);
    if (w->sent < FLUSH_AT)
        return ERR_OK;
    w->sent = 0;
    return delivered(w->s, w->d, e);
}

/* What stands in w->key and w->value; without a value the key is gone. */
static enum err_kind write_record(struct writer *w, bool gone, struct err *e)
{
    TRY(buf_status(&w->key, e));
    TRY(buf_status(&w->value, e));
    w->records[w->n++] = (struct kf_record){
        .key = arena_copy(&w->mem, buf_span(&w->key)),
        .value = gone ? (struct span){0} : arena_copy(&w->mem, buf_span(&w->value)),
        .partition = w->s->partition};
    buf_reset(&w->key);
    buf_reset(&w->value);
    return w->n == CHUNK ? send_chunk(w, e) : ERR_OK;
}

static enum err_kind write_rows(struct writer *w, struct err *e)
{
    const struct agg_table *t = &w->s->table;

    for (size_t i = 0; i < t->n_dirty; i++) {
        const struct agg_row *r = t->dirty[i];
        agg_state_put_key(&w->key, t, r);
        if (!r->dropped)
            agg_state_put_row(&w->value, t, r);
        TRY(write_record(w, r->dropped, e));
    }
    return ERR_OK;
}

static void add_seen(struct shard *s, int64_t next, uint32_t piece)
{
    if (s->n_seen == s->cap_seen) {
        s->cap_seen = s->cap_seen == 0 ? 64 : s->cap_seen * 2;
        s->seen = mem_grow(s->seen, s->cap_seen, sizeof *s->seen);
    }
    s->seen[s->n_seen++] = (struct shard_seen){next, piece};
}

/* The first that still matters; those before it have nothing a step looks back to. */
static size_t first_seen(const struct shard *s)
{
    int64_t since = s->now.next - transform_memory_last(s->memory);
    size_t i = 0;

    while (i < s->n_seen && s->seen[i].next <= since)
        i++;
    return i;
}

/* What dedupe noted since the last commit, and that what is too old is gone.  When the
 * transaction fails, all of this is read again. */
static enum err_kind write_seen(struct writer *w, struct err *e)
{
    struct shard *s = w->s;
    struct buf keys = BUF_INIT(RECORD_MOST);
    struct transform_noted at = {0};
    enum err_kind rc = ERR_OK;
    size_t first = first_seen(s);

    for (size_t i = 0; i < first && rc == ERR_OK; i++) {
        agg_state_put_seen_key(&w->key, s->seen[i].next, s->seen[i].piece);
        rc = write_record(w, true, e);
    }
    if (first > 0)
        memmove(s->seen, s->seen + first, (s->n_seen - first) * sizeof *s->seen);
    s->n_seen -= first;
    for (uint32_t piece = 0;
         rc == ERR_OK && transform_memory_noted(s->memory, s->partition, s->now.next,
                                                KEYS_OF_RECORD, &at, &keys);
         piece++) {
        agg_state_put_seen_key(&w->key, s->now.next, piece);
        agg_state_put_seen(&w->value, buf_span(&keys));
        rc = buf_status(&keys, e);
        if (rc == ERR_OK)
            rc = write_record(w, false, e);
        add_seen(s, s->now.next, piece);
        buf_reset(&keys);
    }
    buf_free(&keys);
    return rc;
}

static enum err_kind write_state(struct writer *w, struct err *e)
{
    struct shard *s = w->s;

    if (s->has_table && !s->has_shape) {
        buf_put(&w->key, agg_state_shape_key);
        agg_state_put_shape(&w->value, &s->shape);
        TRY(write_record(w, false, e));
    }
    TRY(write_rows(w, e));
    if (s->memory != NULL)
        TRY(write_seen(w, e));
    buf_put(&w->key, agg_state_position_key);
    agg_state_put_position(&w->value, &s->now);
    TRY(write_record(w, false, e));
    return send_chunk(w, e);
}

static enum err_kind write_letters(struct shard *s, struct delivery *d, struct err *e)
{
    for (size_t i = 0; i < s->n_letters; i++)
        TRY(kf_send(s->producer, s->w.settings->dead_letters, &s->letters[i],
                    &d->waiter, 0, e));
    return ERR_OK;
}

static enum err_kind write_all(struct shard *s, struct delivery *d, struct err *e)
{
    struct writer w = {.s = s,
                       .d = d,
                       .records = mem_array(CHUNK, sizeof(struct kf_record)),
                       .key = BUF_INIT(RECORD_MOST),
                       .value = BUF_INIT(kf_largest(s->producer))};
    enum err_kind rc = write_state(&w, e);

    if (rc == ERR_OK)
        rc = write_letters(s, d, e);
    if (rc == ERR_OK)
        rc = delivered(s, d, e);
    free(w.records);
    arena_free(&w.mem);
    buf_free(&w.key);
    buf_free(&w.value);
    return rc;
}

static enum err_kind transact(struct shard *s, struct err *e)
{
    struct delivery d = {.waiter = {note_report}, .lock = PTHREAD_MUTEX_INITIALIZER};

    TRY(kf_begin(s->producer, e));
    enum err_kind rc = write_all(s, &d, e);
    if (rc != ERR_OK) { // reports must come while `d` is there
        kf_producer_close(s->producer);
        s->producer = NULL;
    }
    pthread_mutex_destroy(&d.lock);
    if (rc != ERR_OK)
        return rc;
    // Whoever is told to end is mostly no member any more, and need not insist.
    int ms = atomic_load(&s->ending) ? ENDING_MS : SHARD_CALL_MS;
    TRY(kf_commit_position(s->producer, s->w.consumer, s->w.settings->topic,
                           s->partition, s->now.next, ms, e));
    return kf_commit(s->producer, ms, e);
}

static void note_commit(struct shard *s)
{
    pthread_mutex_lock(&s->lock);
    struct agg_position before = s->state.done;
    s->state.done = s->now;
    s->state.rows = s->table.n;
    s->state.bytes = s->table.bytes;
    s->state.commits++;
    s->state.why[0] = '\0';
    pthread_mutex_unlock(&s->lock);
    shard_metrics_count(s, &before);
}

bool shard_is_due(const struct shard *s)
{
    return clock_ms() >= s->commit_at_ms || s->letters_mem.used > LETTERS_MOST ||
           s->table.bytes > s->bytes_before + DIRTY_MOST ||
           s->table.n_dirty > DIRTY_ROWS;
}

enum err_kind shard_commit(struct shard *s, struct err *e)
{
    s->commit_at_ms = clock_ms() + s->w.settings->commit_ms;
    if (s->now.next == s->state.done.next) // ours alone to change
        return ERR_OK;
    TRY(transact(s, e));
    s->has_shape = s->has_table;
    agg_table_forget_dirty(&s->table);
    s->bytes_before = s->table.bytes;
    s->n_letters = 0;
    arena_reset(&s->letters_mem);
    if (s->memory != NULL)
        transform_memory_keep(s->memory, s->partition, s->now.next);
    note_commit(s);
    return ERR_OK;
}

/* --- coming up ---------------------------------------------------------------------
 */

void shard_forget(struct shard *s)
{
    if (s->producer != NULL)
        kf_producer_close(s->producer);
    s->producer = NULL;
    if (s->has_table)
        agg_table_free(&s->table);
    s->table = (struct agg_table){0};
    shard_count_free(s);
    s->plan_shape = 0;
    s->has_table = s->has_shape = s->has_position = false;
    arena_reset(&s->shape_mem);
    s->n_letters = 0;
    arena_reset(&s->letters_mem);
    s->now = AGG_NOWHERE;
    s->bytes_before = 0;
    s->n_seen = 0;
    if (s->memory != NULL)
        transform_memory_stand(s->memory, s->partition, 0, 0);
}

static enum err_kind take_name(struct shard *s, struct err *e)
{
    TRY(kf_transactional_open(&s->producer, s->w.settings->bootstrap,
                              &s->w.settings->kafka, s->id, s->w.changelog, e));
    return kf_take(s->producer, TAKE_MS, e);
}

static enum err_kind read_shape(struct shard *s, struct span value, struct err *e)
{
    struct span text;

    if (s->has_shape)
        return ERR_OK;
    TRY(agg_state_read_shape(&text, value, e));
    TRY(agg_shape_read(&s->shape, text, &s->shape_mem, e));
    if (!agg_spec_suits(s->w.spec, &s->shape)) // before a record comes, and a schema
        return shard_other_table(s, e);
    agg_table_init(&s->table, &s->shape);
    s->has_table = s->has_shape = true;
    return ERR_OK;
}

/* Of a pipeline without such steps they are left alone. */
static enum err_kind read_seen(struct shard *s, const struct kf_message *m,
                               struct err *e)
{
    struct span keys;

    if (s->memory == NULL || m->value.p == NULL)
        return ERR_OK;
    TRY(agg_state_read_seen(&keys, m->value, e));
    add_seen(s, agg_state_seen_next(m->key), bytes_be32(m->key.p + 9));
    return transform_memory_recall(s->memory, s->partition, keys, e);
}

static enum err_kind apply(struct shard *s, const struct kf_message *m, struct err *e)
{
    enum agg_record kind;

    TRY(agg_state_kind(&kind, m->key, e));
    switch (kind) {
    case AGG_SHAPE: return read_shape(s, m->value, e);
    case AGG_POSITION:
        s->has_position = true;
        return agg_state_read_position(&s->now, m->value, e);
    case AGG_SEEN: return read_seen(s, m, e);
    case AGG_ROW:
        if (!s->has_table)
            return err_set(e, ERR_INVALID, "a row before the shape");
        TRY(agg_state_apply(&s->table, m->key, m->value, e));
        agg_table_forget_dirty(&s->table); // it is there already
        return ERR_OK;
    }
    return ERR_OK;
}

static enum err_kind read_changelog(struct shard *s, struct kf_consumer *c,
                                    struct err *e)
{
    struct kf_end end = {0};
    struct kf_message m;
    bool got;

    while (!end.reached) {
        // Before the poll: with a message in hand the consumer would not close.
        if (atomic_load(&s->ending))
            return err_set(e, ERR_UNAVAILABLE, "told to end");
        enum err_kind rc = kf_poll(c, POLL_MS, &m, &got, &end, e);

        if (rc == ERR_UNAVAILABLE)
            shard_grumble(s, "changelog waits", e);
        else if (rc != ERR_OK)
            return rc;
        if (rc != ERR_OK || !got)
            continue;
        rc = apply(s, &m, e);
        if (rc != ERR_OK)
            err_prefix(e, "%s/%" PRId32 "@%" PRId64, s->w.changelog, s->partition,
                       m.offset);
        kf_message_free(&m);
        if (rc != ERR_OK)
            return rc;
    }
    return ERR_OK;
}

static enum err_kind restore(struct shard *s, struct err *e)
{
    struct kf_consumer *c;

    TRY(kf_consumer_assign(&c, s->w.settings->bootstrap, &s->w.settings->kafka,
                           s->w.changelog, s->partition, KF_BEGINNING, e));
    enum err_kind rc = read_changelog(s, c, e);
    kf_consumer_close(c);
    return rc;
}

/* What was taken with the name is whole: its former holder's transaction is ended, so
 * the changelog's committed end is its end. */
enum err_kind shard_come_up(struct shard *s, struct err *e)
{
    int64_t began = clock_ms();

    shard_forget(s);
    TRY(take_name(s, e));
    TRY(restore(s, e));
    if (s->memory != NULL && s->has_position)
        transform_memory_keep(s->memory, s->partition, s->now.next);
    s->commit_at_ms = clock_ms() + s->w.settings->commit_ms;
    s->bytes_before = s->table.bytes;
    log_event(LOG_INFO, "aggregate restored", LOG_S("job", s->w.settings->job),
              LOG_I("partition", s->partition), LOG_I("rows", s->table.n),
              LOG_I("next", s->has_position ? s->now.next : -1),
              LOG_I("ms", clock_ms() - began), LOG_END);
    return ERR_OK;
}
