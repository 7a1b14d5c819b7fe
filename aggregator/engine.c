#include "aggregator/engine.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/stats.h"
#include "loaders/batch.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define PARCEL_RECORDS 1000
#define PARCEL_BYTES (1 << 20)
#define ASK_MS 10000
#define WAIT_FIRST_MS 200 // for what is away at the start, doubling
#define WAIT_MOST_MS 5000
#define IDLE_MS 50  // one poll that brings nothing
#define ROOM_MS 200 // before a partition is paused whose shard is behind
#define LOOK_MS 20  // between two looks at the shards
#define GRUMBLE_MS 5000
#define FORGIVEN_MS 2000 // after trouble that did not come again

struct hand { // a partition that we hold
    struct shard *shard;
    int32_t partition;
    struct parcel *open; // what was read and not given yet
    size_t open_bytes;
    uint64_t epoch; // of what is read now
    int64_t target; // until_end: done once it is committed up to there; -1 = unknown
    int64_t seen;   // the offset behind the last that was read
    int64_t marked; // the record to be known again before the first; -1 = none
    int64_t mark;
    int64_t from; // records before it are counted
    bool paused;
};

struct engine {
    const struct aggregator_settings *s;
    struct kf_group group; // an opaque of the consumer
    struct agg_spec spec;
    struct transform *transform; // NULL = none
    char *group_name, *subject, *changelog;
    struct rc *rc;
    pthread_t thread;

    // the reader's thread
    struct kf_admin *admin;
    struct kf_consumer *consumer;
    int64_t began_ms, grumbled_ms, looked_ms;
    int64_t clock_zero_ms; // the wall clock's, when clock_ms() was 0, as of began_ms
    int64_t troubled_ms;   // of the last trouble, 0 = none that still counts
    bool was_given;        // partitions, at least once

    pthread_mutex_t lock;
    pthread_cond_t changed;
    atomic_bool stop;
    // under lock
    struct hand **hands; // changed by the reader alone
    size_t n_hands;
    struct engine_state state;
    bool ending;
    bool held_first;          // partition 0 was ours at the end
    struct shard_state *last; // those that were ours at the end
    size_t n_last;
    struct agg_position gone; // counted by shards that were ours at the end
    int64_t gone_commits;
};

static struct stats_metric rows_held = {
    .name = "avrogate_aggregate_rows",
    .help = "Rows of the partitions held",
    .kind = STATS_GAUGE,
    .labels = "job",
};
static struct stats_metric bytes_held = {
    .name = "avrogate_aggregate_row_bytes",
    .help = "Memory of those rows",
    .kind = STATS_GAUGE,
    .labels = "job",
};
static struct stats_metric lag_records = {
    .name = "avrogate_aggregate_lag_records",
    .help = "Records that were seen and are not committed yet",
    .kind = STATS_GAUGE,
    .labels = "job",
};

static void add_metrics(void)
{
    shard_metrics_add();
    stats_add(&rows_held);
    stats_add(&bytes_held);
    stats_add(&lag_records);
}

static void set_why(struct engine *g, const char *why)
{
    pthread_mutex_lock(&g->lock);
    snprintf(g->state.why, sizeof g->state.why, "%s", why);
    pthread_mutex_unlock(&g->lock);
}

static void grumble(struct engine *g, const char *event, const struct err *e)
{
    set_why(g, e->msg);
    g->troubled_ms = clock_ms();
    if (g->grumbled_ms != 0 && clock_ms() - g->grumbled_ms < GRUMBLE_MS)
        return;
    g->grumbled_ms = clock_ms();
    log_err(LOG_WARN, event, e);
}

static bool is_over(const struct engine *g)
{
    return g->s->for_ms > 0 && clock_ms() - g->began_ms >= g->s->for_ms;
}

/* --- coming up ---------------------------------------------------------------------
 */

static enum err_kind prepare(struct engine *g, struct err *e)
{
    struct conf_pair stamped = AGGREGATOR_STAMPED;
    struct conf_pairs config = {&stamped, 1};
    int32_t n;

    if (g->admin == NULL)
        TRY(kf_admin_open(&g->admin, g->s->bootstrap, &g->s->kafka, e));
    TRY(kf_topic_partitions(g->admin, g->s->topic, &n, ASK_MS, e));
    if (g->s->dead_letters != NULL) {
        int32_t letters;
        TRY(kf_topic_create(g->admin, g->s->dead_letters, n, (int16_t)g->s->replication,
                            &config, ASK_MS, e));
        TRY(kf_topic_partitions(g->admin, g->s->dead_letters, &letters, ASK_MS, e));
    }
    TRY(aggregator_make_changelog(g->admin, g->s, g->changelog, n, ASK_MS, e));
    pthread_mutex_lock(&g->lock);
    g->state.partitions = n;
    pthread_mutex_unlock(&g->lock);
    return kf_consumer_join(&g->consumer, g->s->bootstrap, &g->s->kafka, g->group_name,
                            &g->s->topic, 1, &g->group, e);
}

/* Until it works; ERR_UNAVAILABLE: told to stop before it did. */
static enum err_kind insist(struct engine *g, struct err *e)
{
    for (int64_t wait = WAIT_FIRST_MS;;) {
        enum err_kind rc = prepare(g, e);

        if (rc != ERR_UNAVAILABLE && rc != ERR_NOT_FOUND)
            return rc;
        grumble(g, "aggregate waits", e);
        for (int64_t until = clock_ms() + wait; clock_ms() < until;) {
            nanosleep(&(struct timespec){0, 20 * 1000000}, NULL);
            if (atomic_load(&g->stop) || is_over(g))
                return ERR_UNAVAILABLE;
        }
        wait = wait * 2 < WAIT_MOST_MS ? wait * 2 : WAIT_MOST_MS;
    }
}

/* --- the group ---------------------------------------------------------------------
 */

static struct engine *of_group(struct kf_group *group)
{
    return (struct engine *)((char *)group - offsetof(struct engine, group));
}

static struct hand *find(struct engine *g, int32_t partition)
{
    for (size_t i = 0; i < g->n_hands; i++)
        if (g->hands[i]->partition == partition)
            return g->hands[i];
    return NULL;
}

static struct hand *add_hand(struct engine *g, int32_t partition)
{
    struct shard_world w = {.settings = g->s,
                            .spec = &g->spec,
                            .group = g->group_name,
                            .subject = g->subject,
                            .changelog = g->changelog,
                            .transform = g->transform,
                            .rc = g->rc,
                            .consumer = g->consumer,
                            .clock_zero_ms = g->clock_zero_ms};
    struct hand *h = mem_alloc(sizeof *h);

    h->partition = partition;
    h->target = h->marked = -1;
    h->shard = shard_open(&w, partition);
    pthread_mutex_lock(&g->lock);
    g->hands = mem_grow(g->hands, g->n_hands + 1, sizeof *g->hands);
    g->hands[g->n_hands++] = h;
    pthread_mutex_unlock(&g->lock);
    return h;
}

/* Where a partition starts is its changelog's word; only one that was never read is
 * asked about. */
static enum err_kind assigned(struct kf_group *group, const char *topic,
                              int32_t partition, int64_t *start, struct err *e)
{
    struct engine *g = of_group(group);
    struct hand *h = find(g, partition);
    struct shard_state st;
    int64_t low, high;

    if (h == NULL)
        h = add_hand(g, partition);
    g->was_given = true;
    shard_state(h->shard, &st);
    if (st.phase == SHARD_FAILED)
        return err_set(e, ERR_INVALID, "%s", st.why);
    if (st.phase != SHARD_READY)
        return err_set(e, ERR_UNAVAILABLE, "the table is being read back%s%s",
                       st.why[0] == '\0' ? "" : ": ", st.why);
    TRY(kf_consumer_offsets(g->consumer, topic, partition, &low, &high, ASK_MS, e));
    if (st.start < 0)
        shard_begin_at(h->shard, g->s->start == 1 ? high : low);
    *start = st.start >= 0 ? st.start : g->s->start == 1 ? high : low;
    h->target = high;
    h->seen = h->from = *start;
    h->marked = -1;
    // A topic that was deleted and made anew has other records at the same offsets.
    if (st.start > high)
        return err_set(e, ERR_INVALID,
                       "%s/%" PRId32 " ends at %" PRId64 ", but was read up to %" PRId64
                       ": it is not the topic it was.  Wanted another job, or "
                       "state.topic",
                       topic, partition, high, st.start);
    if (st.start > 0 && st.done.mark != 0 && st.done.marked >= low) {
        *start = h->marked = st.done.marked;
        h->mark = st.done.mark;
    }
    h->epoch = shard_epoch(h->shard);
    return ERR_OK;
}

static void add_up(struct agg_position *sum, const struct agg_position *p)
{
    sum->records += p->records;
    sum->late += p->late;
    sum->rejected += p->rejected;
    sum->filtered += p->filtered;
    sum->bytes += p->bytes;
}

static void drop_hand(struct engine *g, struct hand *h, bool commit)
{
    struct shard_state st;

    shard_end(h->shard, commit);
    pthread_mutex_lock(&g->lock);
    for (size_t i = 0; i < g->n_hands; i++)
        if (g->hands[i] == h)
            g->hands[i] = g->hands[g->n_hands-- - 1];
    pthread_mutex_unlock(&g->lock);
    shard_parcel_free(h->open);
    shard_finish(h->shard);
    shard_state(h->shard, &st);
    pthread_mutex_lock(&g->lock);
    if (g->ending) { // else it is somebody's, who says it
        add_up(&g->gone, &st.done);
        g->last = mem_grow(g->last, g->n_last + 1, sizeof *g->last);
        g->last[g->n_last++] = st;
    }
    g->gone_commits += st.commits;
    pthread_mutex_unlock(&g->lock);
    shard_close(h->shard);
    free(h);
}

static void revoked(struct kf_group *group, const char *topic, int32_t partition,
                    bool lost)
{
    struct engine *g = of_group(group);
    struct hand *h = find(g, partition);

    (void)topic;
    if (h != NULL)
        drop_hand(g, h, !lost);
}

static const struct kf_group_ops ops = {assigned, revoked};

/* --- reading -----------------------------------------------------------------------
 */

static enum err_kind set_paused(struct engine *g, struct hand *h, bool paused,
                                struct err *e)
{
    TRY((paused ? kf_pause : kf_resume)(g->consumer, g->s->topic, h->partition, e));
    h->paused = paused;
    return ERR_OK;
}

/* To the shard; where that is behind, the partition waits, and polling goes on. */
static enum err_kind give(struct engine *g, struct hand *h, struct err *e)
{
    if (h->open == NULL)
        return ERR_OK;
    if (!shard_give(h->shard, h->open, h->paused ? 0 : ROOM_MS))
        return h->paused ? ERR_OK : set_paused(g, h, true, e);
    h->open = NULL;
    h->open_bytes = 0;
    return ERR_OK;
}

static struct parcel *open_parcel(struct hand *h)
{
    if (h->open == NULL)
        h->open = shard_parcel_new(h->epoch);
    return h->open;
}

/* The last record that was counted, read again: is it the one? */
static enum err_kind check_mark(struct engine *g, struct hand *h,
                                const struct kf_message *m, struct err *e)
{
    const struct record r = {.offset = m->offset,
                             .timestamp_ms = m->timestamp_ms,
                             .key = m->key,
                             .value = m->value};

    if (m->offset != h->marked || record_mark(&r) == h->mark)
        return ERR_OK; // compaction may have taken it
    return err_set(e, ERR_INVALID,
                   "%s/%" PRId32 "@%" PRId64
                   " is not the record that was counted: the topic was made anew.  "
                   "Wanted another job, or state.topic",
                   g->s->topic, h->partition, m->offset);
}

static enum err_kind add_message(struct engine *g, struct kf_message *m, struct err *e)
{
    struct hand *h = find(g, m->partition);
    enum err_kind rc = ERR_OK;

    if (h != NULL && h->marked >= 0)
        rc = check_mark(g, h, m, e);
    if (h == NULL || rc != ERR_OK || m->offset < h->from) {
        kf_message_free(m); // taken away in the same poll, or counted long ago
        return rc;
    }
    h->marked = -1;
    struct parcel *p = open_parcel(h);
    if (p->n == p->cap) {
        p->cap = p->cap == 0 ? PARCEL_RECORDS : p->cap * 2;
        p->messages = mem_grow(p->messages, p->cap, sizeof *p->messages);
    }
    p->messages[p->n++] = *m;
    h->seen = m->offset + 1;
    h->open_bytes += m->key.n + m->value.n;
    return p->n < PARCEL_RECORDS && h->open_bytes < PARCEL_BYTES ? ERR_OK
                                                                 : give(g, h, e);
}

/* What lies between the last record and the end are marks of transactions: passed. */
static enum err_kind add_end(struct engine *g, const struct kf_end *end, struct err *e)
{
    struct hand *h = find(g, end->partition);

    if (h == NULL || end->offset < h->from)
        return ERR_OK;
    open_parcel(h)->next = end->offset;
    h->seen = end->offset;
    return give(g, h, e);
}

static enum err_kind give_all(struct engine *g, struct err *e)
{
    for (size_t i = 0; i < g->n_hands; i++)
        TRY(give(g, g->hands[i], e));
    return ERR_OK;
}

/* A shard that started anew wants its records again, from where its table stands. */
static enum err_kind go_back(struct engine *g, struct hand *h, int64_t start,
                             struct err *e)
{
    shard_parcel_free(h->open);
    h->open = NULL;
    h->open_bytes = 0;
    enum err_kind rc = kf_seek(g->consumer, g->s->topic, h->partition, start, e);
    if (rc == ERR_UNAVAILABLE)
        return ERR_OK; // at the next look
    TRY(rc);
    h->epoch = shard_epoch(h->shard);
    h->seen = h->from = start;
    h->marked = -1;
    shard_went_back(h->shard);
    return ERR_OK;
}

static enum err_kind look_at(struct engine *g, struct hand *h, struct err *e)
{
    struct shard_state st;

    shard_state(h->shard, &st);
    if (st.phase == SHARD_FAILED)
        return err_set(e, ERR_INVALID, "%s", st.why);
    if (st.phase == SHARD_AGAIN)
        TRY(go_back(g, h, st.start, e));
    if (h->paused && !shard_is_full(h->shard)) {
        TRY(give(g, h, e));
        if (h->open == NULL)
            return set_paused(g, h, false, e);
    }
    return ERR_OK;
}

static enum err_kind look_at_all(struct engine *g, struct err *e)
{
    if (clock_ms() - g->looked_ms < LOOK_MS)
        return ERR_OK;
    g->looked_ms = clock_ms();
    if (g->troubled_ms != 0 && clock_ms() - g->troubled_ms > FORGIVEN_MS) {
        g->troubled_ms = 0;
        set_why(g, "");
    }
    for (size_t i = 0; i < g->n_hands; i++)
        TRY(look_at(g, g->hands[i], e));
    return ERR_OK;
}

/* until_end: all that was there at the start is committed. */
static bool is_finished(struct engine *g)
{
    struct shard_state st;

    if (!g->s->until_end || !g->was_given || g->n_hands == 0)
        return false;
    for (size_t i = 0; i < g->n_hands; i++) {
        shard_state(g->hands[i]->shard, &st);
        if (g->hands[i]->target < 0 || st.phase != SHARD_READY ||
            st.done.next < g->hands[i]->target)
            return false;
    }
    return true;
}

static enum err_kind poll_once(struct engine *g, bool *idle, struct err *e)
{
    struct kf_message m;
    struct kf_end end;
    bool got;
    enum err_kind rc = kf_poll(g->consumer, *idle ? IDLE_MS : 0, &m, &got, &end, e);

    if (rc == ERR_UNAVAILABLE || rc == ERR_NOT_FOUND) {
        grumble(g, "aggregate waits", e);
        return ERR_OK;
    }
    TRY(rc);
    *idle = !got && !end.reached;
    if (got)
        return add_message(g, &m, e);
    return end.reached ? add_end(g, &end, e) : give_all(g, e);
}

static enum err_kind run(struct engine *g, struct err *e)
{
    bool idle = false;

    while (!atomic_load(&g->stop) && !is_over(g)) {
        for (int i = 0; i < PARCEL_RECORDS; i++) {
            TRY(poll_once(g, &idle, e));
            if (idle)
                break;
        }
        TRY(look_at_all(g, e));
        if (idle && is_finished(g))
            return ERR_OK;
    }
    return ERR_OK;
}

/* --- the reader's life -------------------------------------------------------------
 */

static void go_down(struct engine *g, bool commit)
{
    pthread_mutex_lock(&g->lock);
    g->ending = true;
    g->held_first = find(g, 0) != NULL;
    pthread_mutex_unlock(&g->lock);
    for (size_t i = 0; i < g->n_hands; i++)
        shard_end(g->hands[i]->shard, commit); // all at once, then wait for each
    while (g->n_hands > 0)
        drop_hand(g, g->hands[0], commit);
    if (g->consumer != NULL)
        kf_consumer_close(g->consumer);
    if (g->admin != NULL)
        kf_admin_close(g->admin);
}

static void *work(void *arg)
{
    struct engine *g = arg;
    struct err e = {0};
    enum err_kind rc = insist(g, &e);

    if (rc == ERR_OK) {
        pthread_mutex_lock(&g->lock);
        g->state.phase = ENGINE_RUNNING;
        pthread_mutex_unlock(&g->lock);
        rc = run(g, &e);
    } else if (rc == ERR_UNAVAILABLE && atomic_load(&g->stop)) {
        rc = ERR_OK; // told to stop
    }
    if (rc != ERR_OK)
        log_err(LOG_ERROR, "aggregate failed", &e);
    go_down(g, rc == ERR_OK);
    pthread_mutex_lock(&g->lock);
    g->state.failed = rc != ERR_OK;
    snprintf(g->state.why, sizeof g->state.why, "%s", rc == ERR_OK ? "" : e.msg);
    g->state.phase = ENGINE_ENDED;
    pthread_cond_broadcast(&g->changed);
    pthread_mutex_unlock(&g->lock);
    return NULL;
}

static enum err_kind read_transform(struct engine *g, struct err *e)
{
    if (g->s->transform.root == NULL)
        return ERR_OK;
    return transform_read(&g->transform, &g->s->transform, e);
}

static enum err_kind open_parts(struct engine *g, struct err *e)
{
    const struct aggregator_settings *s = g->s;
    struct agg_asked asked = aggregator_asked(s);
    struct rc_options o = {.urls = s->registry.items,
                           .n_urls = s->registry.n,
                           .login = s->login,
                           .latest_ttl_ms = 1000};

    TRY(agg_spec_read(&g->spec, &asked, e));
    TRY(read_transform(g, e));
    TRY(rc_open(&g->rc, &o, e));
    if (pthread_create(&g->thread, NULL, work, g) != 0)
        return err_set(e, ERR_UNAVAILABLE, "no thread for the aggregate");
    return ERR_OK;
}

static void free_engine(struct engine *g)
{
    if (g->rc != NULL)
        rc_close(g->rc);
    agg_spec_free(&g->spec);
    transform_free(g->transform);
    free(g->hands);
    free(g->last);
    free(g->group_name);
    free(g->subject);
    free(g->changelog);
    pthread_cond_destroy(&g->changed);
    pthread_mutex_destroy(&g->lock);
    free(g);
}

enum err_kind engine_open(struct engine **out, const struct aggregator_settings *s,
                          struct err *e)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    struct engine *g = mem_alloc(sizeof *g);

    pthread_once(&once, add_metrics);
    g->s = s;
    g->group.ops = &ops;
    g->began_ms = clock_ms();
    g->clock_zero_ms = wall_ms() - g->began_ms;
    g->group_name = aggregator_group(s);
    g->subject = aggregator_subject(s);
    g->changelog = aggregator_changelog(s);
    pthread_mutex_init(&g->lock, NULL);
    clock_cond_init(&g->changed);
    if (open_parts(g, e) != ERR_OK) {
        free_engine(g);
        return e->kind;
    }
    *out = g;
    return ERR_OK;
}

/* --- questions ---------------------------------------------------------------------
 */

/* Under the lock. */
static void add_shard(struct engine_state *out, const struct hand *h)
{
    struct shard_state st;
    struct agg_position sum = {0};

    shard_state(h->shard, &st);
    add_up(&sum, &st.done);
    out->records += sum.records;
    out->late += sum.late;
    out->rejected += sum.rejected;
    out->filtered += sum.filtered;
    out->bytes += sum.bytes;
    out->commits += st.commits;
    out->rows += st.rows;
    out->row_bytes += st.bytes;
    if (h->seen > st.done.next)
        out->lag += h->seen - st.done.next;
    if (out->why[0] == '\0')
        memcpy(out->why, st.why, sizeof out->why);
}

void engine_state(struct engine *g, struct engine_state *out)
{
    pthread_mutex_lock(&g->lock);
    *out = g->state;
    out->records = g->gone.records;
    out->late = g->gone.late;
    out->rejected = g->gone.rejected;
    out->filtered = g->gone.filtered;
    out->bytes = g->gone.bytes;
    out->commits = g->gone_commits;
    out->held = g->n_hands;
    if (g->n_hands > 0 && !out->failed)
        out->why[0] = '\0'; // the shards' word is newer
    for (size_t i = 0; i < g->n_hands; i++)
        add_shard(out, g->hands[i]);
    pthread_mutex_unlock(&g->lock);
    stats_set(stats_child(&rows_held, &g->s->job), (long long)out->rows);
    stats_set(stats_child(&bytes_held, &g->s->job), (long long)out->row_bytes);
    stats_set(stats_child(&lag_records, &g->s->job), out->lag);
}

size_t engine_shards(struct engine *g, struct shard_state *out, size_t most)
{
    size_t n = 0;

    pthread_mutex_lock(&g->lock);
    for (; n < g->n_hands && n < most; n++)
        shard_state(g->hands[n]->shard, &out[n]);
    pthread_mutex_unlock(&g->lock);
    return n;
}

size_t engine_last(struct engine *g, struct shard_state *out, size_t most)
{
    pthread_mutex_lock(&g->lock);
    size_t n = g->n_last < most ? g->n_last : most;
    if (n > 0)
        memcpy(out, g->last, n * sizeof *out);
    pthread_mutex_unlock(&g->lock);
    return n;
}

bool engine_is_first(struct engine *g)
{
    pthread_mutex_lock(&g->lock);
    bool held = g->ending ? g->held_first : find(g, 0) != NULL;
    pthread_mutex_unlock(&g->lock);
    return held;
}

const char *engine_changelog(const struct engine *g)
{
    return g->changelog;
}

const char *engine_group(const struct engine *g)
{
    return g->group_name;
}

struct rc *engine_registry(const struct engine *g)
{
    return g->rc;
}

void engine_stop(struct engine *g)
{
    atomic_store(&g->stop, true);
}

bool engine_wait(struct engine *g, int64_t ms)
{
    int64_t due = clock_ms() + ms;
    struct timespec until = {due / 1000, due % 1000 * 1000000};

    pthread_mutex_lock(&g->lock);
    while (g->state.phase != ENGINE_ENDED &&
           pthread_cond_timedwait(&g->changed, &g->lock, &until) == 0)
        ;
    bool ended = g->state.phase == ENGINE_ENDED;
    pthread_mutex_unlock(&g->lock);
    return ended;
}

void engine_close(struct engine *g)
{
    engine_stop(g);
    pthread_join(g->thread, NULL);
    free_engine(g);
}
