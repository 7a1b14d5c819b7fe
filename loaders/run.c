#include "loaders/run_inside.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/stats.h"
#include "loaders/pump.h"
#include "loaders/sample.h"
#include "loaders/sink_odbc.h"
#include "loaders/sink_postgres.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define STEP_MS 100       // between two looks at whether to stop
#define WAIT_FIRST_MS 200 // for what is away at the start, doubling
#define WAIT_MOST_MS 10000
#define DRAIN_MS 30000 // for what was read when --for is over
#define FINISH_MS 3500 // of the five seconds a stop may take
#define GRUMBLE_MS 5000

static struct stats_metric rows_total = {
    .name = "avrogate_loader_rows_total",
    .help = "Records by what became of them",
    .kind = STATS_COUNTER,
    .labels = "job,outcome",
};
static struct stats_metric untaken_total = {
    .name = "avrogate_loader_rows_untaken_total",
    .help = "Rows that were sent and that the table took none for: a trigger returned "
            "NULL",
    .kind = STATS_COUNTER,
    .labels = "job",
};
static struct stats_metric batches_total = {
    .name = "avrogate_loader_batches_total",
    .help = "Committed transactions",
    .kind = STATS_COUNTER,
    .labels = "job",
};
static struct stats_metric failures_total = {
    .name = "avrogate_loader_failed_tries_total",
    .help = "Tries to write a batch that will be repeated",
    .kind = STATS_COUNTER,
    .labels = "job",
};
static struct stats_metric bytes_total = {
    .name = "avrogate_loader_bytes_total",
    .help = "Bytes of the loaded records, as they are on the topic",
    .kind = STATS_COUNTER,
    .labels = "job",
};
static struct stats_metric lag_records = {
    .name = "avrogate_loader_lag_records",
    .help = "Records between what is loaded and the ends last seen",
    .kind = STATS_GAUGE,
    .labels = "job",
};
static struct stats_metric held_bytes = {
    .name = "avrogate_loader_held_bytes",
    .help = "Bytes read ahead of the sink",
    .kind = STATS_GAUGE,
    .labels = "job",
};
static struct stats_metric aside_records = {
    .name = "avrogate_loader_aside_records",
    .help =
        "Records of this run's claims that had been set aside when they were staged",
    .kind = STATS_GAUGE,
    .labels = "job",
};
static struct stats_metric stopped_partitions = {
    .name = "avrogate_loader_stopped_partitions",
    .help = "Partitions that stand still until a person acts",
    .kind = STATS_GAUGE,
    .labels = "job",
};
static struct stats_metric paused_jobs = {
    .name = "avrogate_loader_paused",
    .help = "1 while a person has paused the job",
    .kind = STATS_GAUGE,
    .labels = "job",
};
static struct stats_metric partition_position = {
    .name = "avrogate_loader_partition_position",
    .help = "The offset a partition in hand goes on at",
    .kind = STATS_GAUGE,
    .labels = "job,partition",
};
static struct stats_metric partition_lag = {
    .name = "avrogate_loader_partition_lag_records",
    .help = "Records between there and the end last seen",
    .kind = STATS_GAUGE,
    .labels = "job,partition",
};
static struct stats_metric rule_checked_total = {
    .name = "avrogate_loader_rule_checked_total",
    .help = "Records that a quality rule was asked of",
    .kind = STATS_COUNTER,
    .labels = "job,rule",
};
static struct stats_metric rule_failed_total = {
    .name = "avrogate_loader_rule_failed_total",
    .help = "Those that failed it",
    .kind = STATS_COUNTER,
    .labels = "job,rule,severity",
};
static struct stats_metric write_seconds = {
    .name = "avrogate_loader_write_seconds",
    .help = "Time from a batch to its commit",
    .kind = STATS_HISTOGRAM,
    .labels = "job",
    .bounds = stats_latency_bounds,
};

static void add_metrics(void)
{
    static struct stats_metric *const all[] = {
        &rows_total,         &batches_total,     &failures_total,     &bytes_total,
        &lag_records,        &held_bytes,        &stopped_partitions, &write_seconds,
        &aside_records,      &paused_jobs,       &partition_position, &partition_lag,
        &rule_checked_total, &rule_failed_total, &untaken_total};

    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        stats_add(all[i]);
}

static void count(const struct loader *l, struct stats_metric *m, long long by)
{
    stats_count(stats_child(m, &l->s.job), by);
}

static void count_rows(const struct loader *l, const char *outcome, size_t n)
{
    const char *const labels[] = {l->s.job, outcome};

    stats_count(stats_child(&rows_total, labels), (long long)n);
}

/* --- the loader's own state --------------------------------------------------------
 */

static bool is_stopped(struct loader *l)
{
    pthread_mutex_lock(&l->lock);
    bool yes = l->stop;
    pthread_mutex_unlock(&l->lock);
    return yes;
}

/* Sleeps; true when told to stop meanwhile. */
static bool pause_for(struct loader *l, int64_t ms)
{
    int64_t end = clock_ms() + ms;

    while (!is_stopped(l) && clock_ms() < end) {
        int64_t left = end - clock_ms();
        struct timespec t = {0, (left < STEP_MS ? left : STEP_MS) * 1000000};
        if (left > 0)
            nanosleep(&t, NULL);
    }
    return is_stopped(l);
}

static void set_why(struct loader *l, const char *why)
{
    pthread_mutex_lock(&l->lock);
    snprintf(l->state.why, sizeof l->state.why, "%s", why);
    pthread_mutex_unlock(&l->lock);
}

static void grumble(struct loader *l, const char *event, const struct err *e)
{
    set_why(l, e->msg);
    if (clock_ms() - l->grumbled_ms < GRUMBLE_MS && l->grumbled_ms != 0)
        return;
    l->grumbled_ms = clock_ms();
    log_err(LOG_WARN, event, e);
}

static void set_phase(struct loader *l, enum loader_phase phase)
{
    pthread_mutex_lock(&l->lock);
    l->state.phase = phase;
    pthread_cond_broadcast(&l->changed);
    pthread_mutex_unlock(&l->lock);
}

/* --- coming up ---------------------------------------------------------------------
 */

static bool is_over(const struct loader *l)
{
    return l->s.for_ms > 0 && clock_ms() - l->began_ms >= l->s.for_ms;
}

/* Again and again until it works; ERR_UNAVAILABLE: told to stop before it did. */
static enum err_kind insist(struct loader *l, const char *event,
                            enum err_kind (*step)(struct loader *l, struct err *e),
                            bool wait_for_missing, struct err *e)
{
    int64_t wait = WAIT_FIRST_MS;

    for (;;) {
        enum err_kind rc = step(l, e);
        if (rc == ERR_OK ||
            (rc != ERR_UNAVAILABLE && !(rc == ERR_NOT_FOUND && wait_for_missing)))
            return rc;
        grumble(l, event, e);
        if (pause_for(l, wait) || is_over(l))
            return ERR_UNAVAILABLE;
        wait = wait * 2 < WAIT_MOST_MS ? wait * 2 : WAIT_MOST_MS;
    }
}

static enum err_kind begin_sink(struct loader *l, struct err *e)
{
    return l->sink->ops->begin(l->sink, e);
}

static enum err_kind open_source(struct loader *l, struct err *e)
{
    struct source *source;

    TRY(loader_open_source(l, &source, e));
    pthread_mutex_lock(&l->lock);
    l->source = source;
    l->has_source = true;
    pthread_mutex_unlock(&l->lock);
    return ERR_OK;
}

/* The table may exist before the first record: best effort, the pump does it anyway.
 * But transforms that do not fit the schema need not wait for a record. */
static enum err_kind shape_early(struct loader *l, struct pump *p, struct err *e)
{
    struct err why = {0};

    if (sift_latest(l->sift, &why) == ERR_OK &&
        l->sink->ops->shape(l->sink, sift_reader(l->sift), &why) == ERR_OK) {
        p->shape = sift_shape(l->sift);
        return ERR_OK;
    }
    if (sift_misfits(l->sift)) {
        *e = why;
        return ERR_INVALID;
    }
    // a stage's claims bring the schema, and none was read yet: no news
    if (why.kind != ERR_NOT_FOUND || l->s.stage.place == NULL)
        log_err(LOG_INFO, "the target waits for its first record", &why);
    return ERR_OK;
}

/* --- running -----------------------------------------------------------------------
 */

static void count_rules(const struct loader *l, const struct quality_count *counts)
{
    for (size_t i = 0; i < quality_rules(l->quality); i++) {
        const struct quality_rule *rule = quality_rule(l->quality, i);
        const char *const labels[] = {l->s.job, rule->name,
                                      quality_severities[rule->severity]};
        if (rule->of_run)
            continue;
        stats_count(stats_child(&rule_checked_total, labels), counts[i].checked);
        stats_count(stats_child(&rule_failed_total, labels), counts[i].failed);
    }
}

static void note_moved(struct loader *l, const struct pump_moved *m, int64_t us)
{
    const struct receipt *r = &m->receipt;

    pthread_mutex_lock(&l->lock);
    l->state.loaded += (int64_t)r->loaded;
    l->state.rejected += (int64_t)r->rejected;
    l->state.duplicate += (int64_t)r->duplicate;
    l->state.filtered += (int64_t)r->filtered;
    l->state.quarantined += (int64_t)r->quarantined;
    l->state.bytes += (int64_t)r->bytes;
    l->state.files += (int64_t)r->files;
    l->state.file_bytes += (int64_t)r->file_bytes;
    l->state.batches++;
    l->state.why[0] = '\0';
    pthread_mutex_unlock(&l->lock);
    count_rows(l, "loaded", r->loaded);
    count_rows(l, "rejected", r->rejected);
    count_rows(l, "duplicate", r->duplicate);
    count_rows(l, "filtered", r->filtered);
    count_rows(l, "quarantined", r->quarantined);
    run_rules_note(&l->rules, r->rules, (int64_t)r->loaded);
    if (r->rules != NULL)
        count_rules(l, r->rules);
    count(l, &batches_total, 1);
    count(l, &bytes_total, (long long)r->bytes);
    count(l, &untaken_total, (long long)r->untaken);
    stats_observe(&write_seconds, stats_child(&write_seconds, &l->s.job), us);
    if (r->rejected > 0)
        log_event(LOG_WARN, "records set aside", LOG_S("job", l->s.job),
                  LOG_I("partition", m->partition), LOG_I("rejected", r->rejected),
                  LOG_I("loaded", r->loaded),
                  LOG_S("see", l->s.place == NULL ? "etl_reject" : "_rejects/"),
                  LOG_END);
}

/* Under the lock. */
static void note_source(struct loader *l, const struct source_state *k)
{
    l->state.partitions = k->assigned;
    l->state.stopped = k->stopped;
    l->state.lag = k->lag;
    l->state.held = k->held;
    l->state.aside = k->aside;
    if (k->assigned > 0 && l->state.phase == LOADER_STARTING)
        l->state.phase = LOADER_RUNNING;
    stats_set(stats_child(&lag_records, &l->s.job), k->lag);
    stats_set(stats_child(&held_bytes, &l->s.job), k->held);
    if (l->s.stage.place != NULL)
        stats_set(stats_child(&aside_records, &l->s.job), k->aside);
    stats_set(stats_child(&stopped_partitions, &l->s.job), (long long)k->stopped);
}

enum ending { NOT_YET, REACHED, EXPIRED, TOLD, STUCK };

static enum ending look(struct loader *l, struct pump *p, struct source_state *k,
                        int64_t *drain_ms)
{
    l->source->ops->state(l->source, k);
    p->all = k->drained || k->read_all; // nothing follows what the sink holds
    pthread_mutex_lock(&l->lock);
    note_source(l, k);
    pthread_mutex_unlock(&l->lock);
    if (is_stopped(l))
        return TOLD;
    if (k->finished)
        return k->stopped > 0 ? STUCK : REACHED;
    if (k->assigned > 0 && k->stopped == k->assigned)
        return STUCK;
    if (!is_over(l))
        return NOT_YET;
    if (*drain_ms == 0) {
        *drain_ms = clock_ms() + DRAIN_MS;
        l->source->ops->drain(l->source);
        return NOT_YET;
    }
    return (k->drained && p->empty) || clock_ms() > *drain_ms ? EXPIRED : NOT_YET;
}

static enum err_kind step(struct loader *l, struct pump *p, struct err *e)
{
    struct pump_moved m;
    int64_t began = clock_us();
    enum err_kind rc = pump_once(p, STEP_MS, &m, e);

    if (m.moved)
        note_moved(l, &m, clock_us() - began);
    if (rc != ERR_UNAVAILABLE)
        return rc;
    if (is_stopped(l))
        return ERR_OK; // the cancelled write, most likely
    count(l, &failures_total, 1);
    grumble(l, "batch waits", e);
    (void)pause_for(l, pump_pause_ms(p, &m));
    return ERR_OK;
}

static void note_paused(struct loader *l, const struct pause *p)
{
    struct buf why = BUF_INIT(sizeof l->state.why);

    if (p->on) {
        pause_put(&why, p);
        buf_put_u8(&why, 0);
        set_why(l, why.over ? "paused" : (const char *)why.p);
    } else if (l->paused) {
        set_why(l, "");
    }
    if (p->on != l->paused)
        log_event(LOG_WARN, p->on ? "paused" : "resumed", LOG_S("job", l->s.job),
                  LOG_S("who", p->who), LOG_S("reason", p->reason), LOG_END);
    l->paused = p->on;
    stats_set(stats_child(&paused_jobs, &l->s.job), p->on);
    buf_free(&why);
}

static void tell_partition(void *arg, int32_t partition, int64_t loaded, int64_t end)
{
    const struct loader *l = arg;
    char number[16];
    const char *const labels[] = {l->s.job, number};

    if (loaded < 0)
        return;
    snprintf(number, sizeof number, "%" PRId32, partition);
    stats_set(stats_child(&partition_position, labels), loaded);
    stats_set(stats_child(&partition_lag, labels), end > loaded ? end - loaded : 0);
}

/* Every so often: has a person something to say, and what is there to be said? */
static bool is_paused(struct loader *l)
{
    struct pause p;
    struct err later = {0};

    if (l->looked_ms != 0 && clock_ms() - l->looked_ms < PAUSE_LOOK_MS)
        return l->paused;
    l->looked_ms = clock_ms();
    l->source->ops->each(l->source, tell_partition, l);
    if (l->sink->ops->paused != NULL &&
        l->sink->ops->paused(l->sink, &p, &later) == ERR_OK)
        note_paused(l, &p);
    return l->paused;
}

static void note_settled(void *arg, const struct pump_moved *m)
{
    note_moved(arg, m, 0);
}

/* What the rules of the run said; best effort, until the run's end the next time. */
static void tell_rules(struct loader *l)
{
    size_t n = quality_rules(l->quality);
    struct err later = {0};

    if (n == 0 || !l->rules.changed)
        return;
    struct rule_result *results = mem_array(n, sizeof *results);
    n = run_rules_results(&l->rules, results);
    if (l->sink->ops->rules(l->sink, results, n, &later) != ERR_OK) {
        log_err(LOG_WARN, "what the quality rules say is told later", &later);
        l->rules.changed = true;
    }
    free(results);
}

static enum err_kind ask_rules(struct loader *l, bool at_end, struct err *e)
{
    if (l->quality == NULL)
        return ERR_OK;
    enum err_kind rc =
        run_rules_ask(&l->rules, at_end, clock_ms(), wall_ms() * 1000000, e);
    tell_rules(l);
    return rc;
}

static enum err_kind run(struct loader *l, struct pump *p, enum ending *ending,
                         struct err *e)
{
    struct source_state k;
    int64_t drain_ms = 0;

    while ((*ending = look(l, p, &k, &drain_ms)) == NOT_YET)
        if (is_paused(l))
            (void)pause_for(l, STEP_MS);
        else {
            TRY(step(l, p, e));
            TRY(ask_rules(l, false, e));
        }
    // what was gathered need not be gathered again: as far as it goes at once
    pump_settle_all(p, note_settled, l);
    if (*ending == STUCK)
        return err_set(e, ERR_CONFLICT, "%s", k.why);
    return *ending == TOLD ? ERR_OK : ask_rules(l, true, e);
}

static enum err_kind up_and_run(struct loader *l, enum ending *ending, struct err *e)
{
    struct pump p = {.sink = l->sink, .sift = l->sift};

    *ending = TOLD;
    TRY(insist(l, "sink waits", begin_sink, false, e));
    TRY(insist(l, "source waits", open_source, true, e));
    p.source = l->source;
    TRY(shape_early(l, &p, e));
    enum err_kind rc = run(l, &p, ending, e);
    if (rc != ERR_OK && l->quality != NULL && quality_stopped(l->quality) >= 0)
        run_rules_stop(&l->rules, quality_stopped(l->quality), e->msg);
    tell_rules(l);
    pump_end(&p);
    return rc;
}

/* --- going down --------------------------------------------------------------------
 */

static const char *status_of(const struct loader *l, enum err_kind rc,
                             enum ending ending)
{
    if (rc != ERR_OK && rc != ERR_UNAVAILABLE)
        return "failed";
    if (rc == ERR_UNAVAILABLE) // something never came up
        return is_over(l) ? "failed" : "interrupted";
    return ending == TOLD && !l->complete ? "interrupted" : "success";
}

static void close_source(struct loader *l)
{
    pthread_mutex_lock(&l->lock);
    struct source *source = l->source;
    l->has_source = false;
    l->source = NULL;
    pthread_mutex_unlock(&l->lock);
    if (source != NULL)
        source->ops->close(source);
}

/* error_message of the run, "" = none. */
static void put_reason(char *out, size_t n, const char *status, enum err_kind rc,
                       const struct err *why)
{
    bool told = strcmp(status, "interrupted") == 0;

    snprintf(out, n, "%s%s%s", told ? "told to stop" : "",
             told && rc != ERR_OK ? " while waiting: " : "",
             rc == ERR_OK ? "" : why->msg);
}

static void end(struct loader *l, enum err_kind rc, enum ending ending, struct err *why)
{
    pthread_mutex_lock(&l->lock);
    const char *status = status_of(l, rc, ending);
    pthread_mutex_unlock(&l->lock);
    char reason[sizeof why->msg + 40];
    struct err e = {0};

    put_reason(reason, sizeof reason, status, rc, why);
    if (strcmp(status, "failed") == 0)
        log_err(LOG_ERROR, "loader failed", why);
    close_source(l);
    if (l->sink->ops->end(l->sink, status, reason[0] == '\0' ? NULL : reason, &e) !=
        ERR_OK)
        log_err(LOG_WARN, "the run's end could not be written", &e);
    pthread_mutex_lock(&l->lock);
    l->state.failed = strcmp(status, "failed") == 0;
    if (rc != ERR_OK)
        snprintf(l->state.why, sizeof l->state.why, "%s", why->msg);
    pthread_mutex_unlock(&l->lock);
    log_event(LOG_INFO, "loader ended", LOG_S("job", l->s.job), LOG_S("status", status),
              LOG_I("loaded", l->state.loaded), LOG_I("rejected", l->state.rejected),
              LOG_END);
    set_phase(l, LOADER_ENDED);
}

static void *work(void *arg)
{
    struct loader *l = arg;
    enum ending ending = TOLD;
    struct err e = {0};

    enum err_kind rc = up_and_run(l, &ending, &e);
    end(l, rc, ending, &e);
    return NULL;
}

/* --- opening and closing -----------------------------------------------------------
 */

static void free_loader(struct loader *l)
{
    if (l->copy != NULL)
        etl_copy_close(l->copy); // with what the end of the run has changed
    if (l->sink != NULL)
        l->sink->ops->close(l->sink);
    sift_close(l->sift);
    transform_memory_free(l->memory);
    transform_free(l->transform);
    stage_schemas_close(l->schemas);
    run_rules_close(&l->rules);
    quality_free(l->quality);
    if (l->rc != NULL)
        rc_close(l->rc);
    pthread_mutex_destroy(&l->lock);
    pthread_cond_destroy(&l->changed);
    free(l->group);
    free(l->subject);
    free(l->topic);
    free(l);
}

static enum err_kind open_parts(struct loader *l, struct err *e)
{
    TRY(loader_open_reading(l, e));
    TRY(loader_open_sink(l, e));
    if (l->s.audit_url != NULL && loader_is_odbc(&l->s))
        return err_set(e, ERR_INVALID,
                       "audit.url: an ODBC sink's audit is in its own "
                       "database alone");
    if (l->quality != NULL && l->sink->ops->rules == NULL)
        return err_set(e, ERR_INVALID, "quality: sink %s keeps no rules",
                       l->sink->ops->name);
    if (l->s.audit_url != NULL && l->s.place == NULL)
        TRY(etl_copy_open(&l->copy, l->s.url, l->s.audit_url, l->s.job, e));
    l->state.run_id = l->sink->ops->run_id(l->sink);
    if (pthread_create(&l->thread, NULL, work, l) != 0)
        return err_set(e, ERR_UNAVAILABLE, "no thread for the loader");
    return ERR_OK;
}

static struct loader *new_loader(const struct loader_settings *s)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    struct loader *l = mem_alloc(sizeof *l);

    pthread_once(&once, add_metrics);
    l->s = *s;
    l->began_ms = clock_ms();
    l->topic = loader_use_stage(&l->s);
    if (l->topic != NULL)
        l->schemas = stage_schemas_open();
    l->group = conf_or(s->group, s->job, "");
    l->subject = conf_or(s->subject, l->s.topic == NULL ? "" : l->s.topic, "-value");
    pthread_mutex_init(&l->lock, NULL);
    clock_cond_init(&l->changed);
    return l;
}

enum err_kind loader_open(struct loader **out, const struct loader_settings *s,
                          struct err *e)
{
    struct loader *l = new_loader(s);

    if (open_parts(l, e) != ERR_OK) {
        free_loader(l);
        return e->kind;
    }
    *out = l;
    return ERR_OK;
}

static enum err_kind plan(struct loader *l, struct buf *statements, struct err *e)
{
    if (l->s.place != NULL)
        return err_set(e, ERR_INVALID,
                       "a plan is of a table: sink.postgres or sink.odbc");
    TRY(loader_open_reading(l, e));
    TRY(loader_open_sink(l, e));
    TRY(loader_learn_stage(l, e));
    TRY(sift_latest(l->sift, e));
    if (loader_is_odbc(&l->s))
        return odbc_sink_plan(l->sink, sift_reader(l->sift), statements, e);
    return postgres_plan(l->sink, sift_reader(l->sift), statements, e);
}

enum err_kind loader_plan(const struct loader_settings *s, struct buf *statements,
                          struct err *e)
{
    struct loader *l = new_loader(s);
    enum err_kind rc = plan(l, statements, e);

    free_loader(l);
    return rc;
}

static enum err_kind sample(struct loader *l, struct buf *out, struct err *e)
{
    struct sample_options o = {.bootstrap = l->s.bootstrap,
                               .topic = l->s.topic,
                               .kafka = &l->s.kafka,
                               .records = (size_t)l->s.sample};

    if (l->s.stage.place != NULL)
        return err_set(e, ERR_INVALID, "a sample is of a topic: source.kafka");
    TRY(loader_open_reading(l, e));
    return loader_sample_records(&o, l->sift, out, e);
}

enum err_kind loader_sample(const struct loader_settings *s, struct buf *out,
                            struct err *e)
{
    struct loader *l = new_loader(s);
    enum err_kind rc = sample(l, out, e);

    free_loader(l);
    return rc;
}

void loader_state(struct loader *l, struct loader_state *out)
{
    struct source_state k;

    pthread_mutex_lock(&l->lock);
    if (l->has_source) { // the pump may be in a write that hangs
        l->source->ops->state(l->source, &k);
        note_source(l, &k);
    }
    *out = l->state;
    pthread_mutex_unlock(&l->lock);
}

int64_t loader_loaded(struct loader *l, int32_t partition)
{
    // Under the lock, so that the source is not closed meanwhile; its own lock is held
    // for moments only.
    pthread_mutex_lock(&l->lock);
    int64_t next = l->has_source ? l->source->ops->loaded(l->source, partition) : -1;
    pthread_mutex_unlock(&l->lock);
    return next;
}

void loader_stop(struct loader *l)
{
    pthread_mutex_lock(&l->lock);
    l->stop = true;
    pthread_mutex_unlock(&l->lock);
}

void loader_finish(struct loader *l)
{
    pthread_mutex_lock(&l->lock);
    l->stop = l->complete = true;
    pthread_mutex_unlock(&l->lock);
}

bool loader_wait(struct loader *l, int64_t ms)
{
    int64_t end_ms = clock_ms() + ms;
    struct timespec t = {end_ms / 1000, end_ms % 1000 * 1000000};
    int rc = 0;

    pthread_mutex_lock(&l->lock);
    while (l->state.phase != LOADER_ENDED && rc == 0)
        rc = pthread_cond_timedwait(&l->changed, &l->lock, &t);
    bool ended = l->state.phase == LOADER_ENDED;
    pthread_mutex_unlock(&l->lock);
    return ended;
}

void loader_end(struct loader *l)
{
    if (l->joined)
        return;
    loader_stop(l);
    if (!loader_wait(l, FINISH_MS)) {
        log_event(LOG_WARN, "rolling back what is being written", LOG_END);
        l->sink->ops->cancel(l->sink);
    }
    pthread_join(l->thread, NULL);
    l->joined = true;
}

void loader_close(struct loader *l)
{
    loader_end(l);
    free_loader(l);
}
