#include "aggregator/shard_inside.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/stats.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define PARCELS_MOST 16
#define AGAIN_MS 100   // after something was away
#define FENCED_MS 3000 // after another took the name: the group will say whose it is
#define GRUMBLE_MS 5000
#define IDLE_MS 1000

/* --- counters ----------------------------------------------------------------------
 */

static struct stats_metric records_total = {
    .name = "avrogate_aggregate_records_total",
    .help = "Records by what became of them, as of the last commit",
    .kind = STATS_COUNTER,
    .labels = "job,outcome",
};
static struct stats_metric commits_total = {
    .name = "avrogate_aggregate_commits_total",
    .help = "Committed transactions",
    .kind = STATS_COUNTER,
    .labels = "job",
};
static struct stats_metric restarts_total = {
    .name = "avrogate_aggregate_restores_total",
    .help = "How often a partition's table was read back from the changelog",
    .kind = STATS_COUNTER,
    .labels = "job",
};

void shard_metrics_add(void)
{
    stats_add(&records_total);
    stats_add(&commits_total);
    stats_add(&restarts_total);
}

static void count(const struct shard *s, const char *outcome, int64_t n)
{
    const char *const labels[] = {s->w.settings->job, outcome};

    if (n > 0)
        stats_count(stats_child(&records_total, labels), n);
}

void shard_metrics_count(const struct shard *s, const struct agg_position *before)
{
    const struct agg_position *now = &s->now;

    count(s, "counted", now->records - before->records);
    count(s, "late", now->late - before->late);
    count(s, "rejected", now->rejected - before->rejected);
    count(s, "filtered", now->filtered - before->filtered);
    stats_count(stats_child(&commits_total, &s->w.settings->job), 1);
}

/* --- parcels -----------------------------------------------------------------------
 */

struct parcel *shard_parcel_new(uint64_t epoch)
{
    struct parcel *p = mem_alloc(sizeof *p);

    p->next = -1;
    p->epoch = epoch;
    return p;
}

void shard_parcel_free(struct parcel *p)
{
    if (p == NULL)
        return;
    for (size_t i = 0; i < p->n; i++)
        kf_message_free(&p->messages[i]);
    free(p->messages);
    free(p);
}

/* --- the shard's thread ------------------------------------------------------------
 */

void shard_grumble(struct shard *s, const char *event, const struct err *e)
{
    pthread_mutex_lock(&s->lock);
    snprintf(s->state.why, sizeof s->state.why, "%s", e->msg);
    pthread_mutex_unlock(&s->lock);
    if (s->grumbled_ms != 0 && clock_ms() - s->grumbled_ms < GRUMBLE_MS)
        return;
    s->grumbled_ms = clock_ms();
    log_err(LOG_WARN, event, e);
}

static void set_phase(struct shard *s, enum shard_phase phase)
{
    pthread_mutex_lock(&s->lock);
    s->state.phase = phase;
    if (phase == SHARD_READY || phase == SHARD_AGAIN) {
        if (s->has_position)
            s->state.start = s->now.next;
        s->now.next = s->state.start < 0 ? 0 : s->state.start;
        s->state.done = s->now;
        s->state.rows = s->table.n;
        s->state.bytes = s->table.bytes;
        s->state.why[0] = '\0';
    }
    pthread_mutex_unlock(&s->lock);
}

/* True when told to end meanwhile. */
static bool pause_for(struct shard *s, int64_t ms)
{
    for (int64_t until = clock_ms() + ms;
         clock_ms() < until && !atomic_load(&s->ending);)
        nanosleep(&(struct timespec){0, 20 * 1000000}, NULL);
    return atomic_load(&s->ending);
}

static void fail(struct shard *s, const struct err *e)
{
    log_err(LOG_ERROR, "aggregate failed", e);
    pthread_mutex_lock(&s->lock);
    snprintf(s->state.why, sizeof s->state.why, "%s", e->msg);
    s->state.phase = SHARD_FAILED;
    pthread_mutex_unlock(&s->lock);
}

/* From the name on, again and again; false: told to end, or a person must act. */
static bool come_up(struct shard *s, bool again)
{
    struct err e = {0};

    for (;;) {
        enum err_kind rc = shard_come_up(s, &e);

        if (rc == ERR_OK)
            break;
        if (atomic_load(&s->ending))
            return false;
        bool taken = rc == ERR_CONFLICT;
        if (!taken && rc != ERR_UNAVAILABLE && rc != ERR_NOT_FOUND) {
            fail(s, &e);
            return false;
        }
        shard_grumble(s, "aggregate waits", &e);
        if (pause_for(s, taken ? FENCED_MS : AGAIN_MS))
            return false;
    }
    stats_count(stats_child(&restarts_total, &s->w.settings->job), 1);
    set_phase(s, again ? SHARD_AGAIN : SHARD_READY);
    return true;
}

static enum err_kind count_parcel(struct shard *s, struct parcel *p, struct err *e)
{
    pthread_mutex_lock(&s->lock);
    bool old = p->epoch != s->epoch;
    pthread_mutex_unlock(&s->lock);
    enum err_kind rc = old ? ERR_OK : shard_count(s, p, e);
    shard_parcel_free(p);
    return rc;
}

static int wait_ms(const struct shard *s)
{
    int64_t left = s->commit_at_ms - clock_ms();

    return left < 0 ? 0 : left > IDLE_MS ? IDLE_MS : (int)left;
}

/* Until told to end (ERR_OK), or something fails. */
static enum err_kind run(struct shard *s, struct err *e)
{
    for (;;) {
        struct parcel *p = queue_get(&s->parcels, wait_ms(s));

        if (atomic_load(&s->ending)) {
            shard_parcel_free(p);
            return ERR_OK;
        }
        if (p != NULL)
            TRY(count_parcel(s, p, e));
        if (shard_is_due(s))
            TRY(shard_commit(s, e));
    }
}

/* What was read under the last name is not to be counted. */
static void new_epoch(struct shard *s)
{
    pthread_mutex_lock(&s->lock);
    s->epoch++;
    s->state.phase = SHARD_RESTORING;
    pthread_mutex_unlock(&s->lock);
}

static bool is_final(enum err_kind rc)
{
    return rc != ERR_UNAVAILABLE && rc != ERR_CONFLICT;
}

static void say_goodbye(struct shard *s)
{
    struct err e = {0};

    pthread_mutex_lock(&s->lock);
    bool commit = s->commit_at_end;
    pthread_mutex_unlock(&s->lock);
    if (commit && shard_commit(s, &e) != ERR_OK)
        log_err(LOG_WARN, "the last commit failed: the next owner counts again", &e);
}

static void *work(void *arg)
{
    struct shard *s = arg;
    struct err e = {0};

    for (bool up = come_up(s, false); up; up = come_up(s, true)) {
        enum err_kind rc = run(s, &e);

        if (rc == ERR_OK) {
            say_goodbye(s);
            break;
        }
        if (is_final(rc)) {
            fail(s, &e);
            break;
        }
        shard_grumble(s, "aggregate starts anew", &e);
        new_epoch(s);
        if (rc == ERR_CONFLICT && pause_for(s, FENCED_MS))
            break;
    }
    shard_forget(s);
    return NULL;
}

/* --- the reader's side -------------------------------------------------------------
 */

static void open_sift(struct shard *s)
{
    struct sift_options o = {.subject = s->w.subject,
                             .unknown_ms = s->w.settings->unknown_ms,
                             .timeout_ms = s->w.settings->registry_timeout_ms,
                             .transform = s->w.transform};

    s->memory = transform_memory_new(s->w.transform);
    o.memory = s->memory;
    struct err e = {0};

    if (sift_open(&s->sift, s->w.rc, &o, &e) != ERR_OK)
        abort(); // only a fixed reader can be refused
}

struct shard *shard_open(const struct shard_world *w, int32_t partition)
{
    struct shard *s = mem_alloc(sizeof *s);

    s->w = *w;
    s->partition = partition;
    s->state = (struct shard_state){.partition = partition,
                                    .phase = SHARD_RESTORING,
                                    .done = AGG_NOWHERE,
                                    .start = -1};
    s->now = AGG_NOWHERE;
    s->epoch = 1;
    s->id = aggregator_name(w->settings, partition);
    queue_init(&s->parcels, PARCELS_MOST);
    pthread_mutex_init(&s->lock, NULL);
    open_sift(s);
    if (w->settings->where != NULL)
        s->where = where_new(w->settings->where);
    if (pthread_create(&s->thread, NULL, work, s) != 0)
        abort(); // mem.h: what a machine is out of
    return s;
}

void shard_begin_at(struct shard *s, int64_t offset)
{
    pthread_mutex_lock(&s->lock);
    if (s->state.start < 0)
        s->state.start = offset;
    pthread_mutex_unlock(&s->lock);
}

uint64_t shard_epoch(struct shard *s)
{
    pthread_mutex_lock(&s->lock);
    uint64_t epoch = s->epoch;
    pthread_mutex_unlock(&s->lock);
    return epoch;
}

void shard_went_back(struct shard *s)
{
    pthread_mutex_lock(&s->lock);
    if (s->state.phase == SHARD_AGAIN)
        s->state.phase = SHARD_READY;
    pthread_mutex_unlock(&s->lock);
}

bool shard_give(struct shard *s, struct parcel *p, int64_t ms)
{
    for (int64_t until = clock_ms() + ms; !queue_try_put(&s->parcels, p);) {
        if (clock_ms() >= until)
            return false;
        nanosleep(&(struct timespec){0, 1000000}, NULL);
    }
    return true;
}

bool shard_is_full(struct shard *s)
{
    pthread_mutex_lock(&s->parcels.lock);
    bool full = s->parcels.n > PARCELS_MOST / 2;
    pthread_mutex_unlock(&s->parcels.lock);
    return full;
}

void shard_state(struct shard *s, struct shard_state *out)
{
    pthread_mutex_lock(&s->lock);
    *out = s->state;
    pthread_mutex_unlock(&s->lock);
}

void shard_end(struct shard *s, bool commit)
{
    pthread_mutex_lock(&s->lock);
    s->commit_at_end = commit;
    pthread_mutex_unlock(&s->lock);
    atomic_store(&s->ending, true);
    queue_close(&s->parcels);
}

void shard_finish(struct shard *s)
{
    if (!atomic_load(&s->ending))
        shard_end(s, false);
    if (!s->joined)
        pthread_join(s->thread, NULL);
    s->joined = true;
}

void shard_close(struct shard *s)
{
    struct parcel *p;

    shard_finish(s);
    while ((p = queue_get(&s->parcels, 0)) != NULL)
        shard_parcel_free(p);
    queue_free(&s->parcels);
    sift_close(s->sift);
    transform_memory_free(s->memory);
    free(s->seen);
    where_free(s->where);
    arena_free(&s->letters_mem);
    arena_free(&s->shape_mem);
    free(s->letters);
    free(s->records);
    free(s->id);
    pthread_mutex_destroy(&s->lock);
    free(s);
}
