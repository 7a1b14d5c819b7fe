#include "loaders/cycle.h"

#include "base/clock.h"
#include "base/log.h"
#include "loaders/etl_phase.h"
#include "loaders/migrate.h"
#include "loaders/sink_odbc_phase.h"
#include "loaders/stage_clean.h"
#include "loaders/stage_merge.h"

#include <inttypes.h>
#include <pthread.h>
#include <stddef.h>
#include <stdio.h>

struct cycle {
    const struct loader_settings *s;
    const struct cycle_hands *h;
    struct pg pg;
    struct run run;
    bool has_run, is_open; // a loader's row is ours to go on with; we hold it open
    bool told, unopened;   // its settings are wrong
    struct sink *odbc;     // the audit, where the load's database keeps it; NULL = `pg`
    char load_job[CYCLE_JOB], load_run[RUN_ID], collect_run[RUN_ID];
    struct pg warehouse;  // asked by clean how far the load is ...
    struct sink *by_odbc; // ... or this; NULL = that
    struct place *place;  // of the phase at hand
    atomic_bool stop;
};

/* --- the audit -------------------------------------------------------------------- */

static enum err_kind greet(struct pg *pg, struct err *e)
{
    struct cycle *c = (struct cycle *)((char *)pg - offsetof(struct cycle, pg));

    TRY(pg_run(pg, "SET TimeZone = 'UTC'; SET lock_timeout = '5s'", e));
    return run_lock(pg, &c->run, e);
}

static bool has_audit(const struct cycle *c)
{
    return c->s->audit_url != NULL || c->odbc != NULL;
}

/* The row is the collecting loader's where there was one, else one of our own. */
static enum err_kind open_run(struct cycle *c, struct err *e)
{
    if (c->odbc != NULL)
        return c->odbc->ops->begin(c->odbc, e);
    TRY(migrate(&c->pg, e));
    return c->has_run ? run_reopen(&c->pg, &c->run, e) : run_begin(&c->pg, &c->run, e);
}

struct saying { // what the audit is to be told
    const struct etl_phase *phase;
    const char *status, *why; // of phase or run
};

static enum err_kind begin_phase(struct cycle *c, const struct saying *x, struct err *e)
{
    if (!c->is_open)
        TRY(open_run(c, e));
    c->is_open = true;
    if (c->odbc != NULL)
        return odbc_phase_begin(c->odbc, x->phase, e);
    return phase_begin(&c->pg, &c->run, x->phase, e);
}

static enum err_kind end_phase(struct cycle *c, const struct saying *x, struct err *e)
{
    if (c->odbc != NULL)
        return odbc_phase_end(c->odbc, x->phase, x->status, x->why, e);
    return phase_end(&c->pg, &c->run, x->phase, x->status, x->why, e);
}

static enum err_kind end_run(struct cycle *c, const struct saying *x, struct err *e)
{
    if (c->odbc != NULL)
        return c->odbc->ops->end(c->odbc, x->status, x->why, e);
    return run_end(&c->pg, &c->run, x->status, x->why, e);
}

/* Files do not wait for the audit: for so long as etl_log.max_behind it is asked again,
 * then the work goes on, and what is missing is told of by the next start. */
static void tell(struct cycle *c,
                 enum err_kind (*what)(struct cycle *c, const struct saying *x,
                                       struct err *e),
                 const struct saying *x)
{
    int64_t end_ms = clock_ms() + c->s->max_behind_ms;
    struct err e = {0};
    bool grumbled = false;

    while (has_audit(c) && what(c, x, &e) != ERR_OK) {
        if (!grumbled || e.kind != ERR_UNAVAILABLE)
            log_err(LOG_WARN, "the audit waits", &e);
        grumbled = true;
        if (e.kind != ERR_UNAVAILABLE || c->told || clock_ms() > end_ms)
            return;
        for (int i = 0; i < 4 && !c->told; i++)
            c->told = c->h->is_told(c->h->arg);
    }
}

/* --- work beside which somebody listens whether to stop --------------------------- */

struct chore {
    struct cycle *c;
    enum err_kind (*work)(struct cycle *c, struct etl_phase *row, struct err *e);
    struct etl_phase *row;
    enum err_kind rc;
    struct err e;
    atomic_bool ended;
};

static void *do_chore(void *arg)
{
    struct chore *x = arg;

    x->rc = x->work(x->c, x->row, &x->e);
    atomic_store(&x->ended, true);
    return NULL;
}

static void stop_chore(struct cycle *c)
{
    c->told = true;
    atomic_store(&c->stop, true);
    place_cancel(c->place);
}

static enum err_kind in_place(struct cycle *c,
                              enum err_kind (*work)(struct cycle *c,
                                                    struct etl_phase *row,
                                                    struct err *e),
                              struct etl_phase *row, struct err *e)
{
    const struct place_settings p = loader_place(c->s);
    struct chore x = {.c = c, .work = work, .row = row};
    pthread_t thread;

    TRY(place_open(&c->place, &p, e));
    if (pthread_create(&thread, NULL, do_chore, &x) != 0) {
        place_close(c->place);
        return err_set(e, ERR_UNAVAILABLE, "no thread for the %s", row->name);
    }
    while (!atomic_load(&x.ended))
        if (c->h->is_told(c->h->arg))
            stop_chore(c);
    pthread_join(thread, NULL);
    place_close(c->place);
    if (x.rc != ERR_OK)
        *e = x.e;
    return x.rc;
}

/* --- phases ----------------------------------------------------------------------- */

static enum err_kind collect(struct cycle *c, struct etl_phase *row, struct err *e)
{
    struct loader_settings s = *c->s;
    struct loader_state last = {0};

    s.url = s.odbc_connection = s.odbc_dsn = NULL;
    c->unopened = true;
    TRY(c->h->load(c->h->arg, &s, &last, c->odbc != NULL ? c->collect_run : c->run.id,
                   &c->told, e));
    c->unopened = false;
    c->has_run = c->odbc == NULL;
    row->rows_in =
        last.loaded + last.rejected + last.duplicate + last.filtered + last.quarantined;
    row->rows_out = last.loaded;
    row->bytes_in = last.bytes;
    row->files_out = last.files;
    row->bytes_out = last.file_bytes;
    return last.failed ? err_set(e, ERR_INVALID, "%s", last.why) : ERR_OK;
}

static void say_merge(void *arg, const char *line)
{
    struct cycle *c = arg;

    log_event(LOG_INFO, "merge", LOG_S("job", c->s->job), LOG_S("what", line), LOG_END);
}

static struct merge_options merge_of(const struct loader_settings *s)
{
    return (struct merge_options){
        .dir = "",
        .topic = s->topic,
        .format = s->format,
        .to = s->merge_to,
        .into = s->merge_into,
        .how = {.codec = s->codec, .bloom = s->bloom.items, .n_bloom = s->bloom.n},
        .max_bytes = s->merge_bytes,
        .backup = s->merge_backup,
        .all = s->merge_all,
        .spool = s->spool,
    };
}

static enum err_kind merge_files(struct cycle *c, struct etl_phase *row, struct err *e)
{
    struct merge_options o = merge_of(c->s);
    struct merge_sums sums;

    o.place = c->place;
    o.stop = &c->stop;
    o.arg = c;
    o.say = say_merge;
    TRY(merge_check(&o, e));
    enum err_kind rc = stage_merge(&o, &sums, e);
    row->rows_in = row->rows_out = sums.rows;
    row->files_in = sums.inputs;
    row->files_out = sums.merges;
    row->bytes_in = sums.bytes_in;
    row->bytes_out = sums.bytes_out;
    printf("%s: %" PRId64 " files merged into %" PRId64 ", %" PRId64 " rows\n",
           c->s->job, sums.inputs, sums.merges, sums.rows);
    fflush(stdout);
    return rc;
}

static enum err_kind merge(struct cycle *c, struct etl_phase *row, struct err *e)
{
    return in_place(c, merge_files, row, e);
}

struct loader_settings cycle_load(const struct loader_settings *s, char job[CYCLE_JOB])
{
    struct loader_settings l = *s;

    snprintf(job, CYCLE_JOB, "%.250s/load", s->job);
    l.job = job;
    l.bootstrap = l.place = l.group = NULL;
    l.transform.root = l.quality.root = NULL; // collecting has asked them
    l.until_end = true;
    l.for_ms = 0;
    l.stage.place = s->place;
    l.stage.topic = s->topic;
    l.stage.format = NULL; // merged files may have another
    l.stage.spool = s->spool;
    l.stage.ca = s->place_ca;
    l.stage.timeout_ms = s->place_timeout_ms;
    l.stage.s3_endpoint = s->s3_endpoint;
    l.stage.s3_region = s->s3_region;
    l.stage.s3_access_key = s->s3_access_key;
    l.stage.s3_secret_key = s->s3_secret_key;
    l.stage.s3_token = s->s3_token;
    l.stage.hdfs_user = s->hdfs_user;
    l.stage.hdfs_token = s->hdfs_token;
    l.stage.hdfs_redirects = s->hdfs_redirects;
    if (l.audit_url != NULL && (s->url == NULL || strcmp(l.audit_url, s->url) == 0))
        l.audit_url = NULL; // a copy of itself; by ODBC there is none
    return l;
}

static enum err_kind load(struct cycle *c, struct etl_phase *row, struct err *e)
{
    struct loader_settings s = cycle_load(c->s, c->load_job);
    struct loader_state last = {0};

    TRY(c->h->load(c->h->arg, &s, &last, c->load_run, &c->told, e));
    row->load_run = c->load_run;
    row->rows_in =
        last.loaded + last.rejected + last.duplicate + last.filtered + last.quarantined;
    row->rows_out = last.loaded;
    row->bytes_in = last.bytes;
    return last.failed ? err_set(e, ERR_INVALID, "%s", last.why) : ERR_OK;
}

static enum err_kind ask_loaded(void *arg, const char *topic, int32_t partition,
                                int64_t *next, struct err *e)
{
    struct cycle *c = arg;

    if (c->by_odbc != NULL)
        return odbc_ask_loaded(c->by_odbc, c->load_job, topic, partition, next, e);
    return clean_ask_loaded(&c->warehouse, c->load_job, topic, partition, next, e);
}

static bool has_phase(const struct loader_settings *s, const char *name)
{
    for (size_t i = 0; i < s->phases.n; i++)
        if (strcmp(s->phases.items[i], name) == 0)
            return true;
    return false;
}

static enum err_kind open_by_odbc(struct cycle *c, struct err *e)
{
    const struct odbc_options o = loader_odbc(c->s);

    return loader_is_odbc(c->s) ? odbc_phases_open(&c->by_odbc, &o, &c->run, e)
                                : ERR_OK;
}

static enum err_kind clean_files(struct cycle *c, struct etl_phase *row, struct err *e)
{
    const struct clean_options o = {.place = c->place,
                                    .topic = c->s->topic,
                                    .older_ms = c->s->clean_older_ms,
                                    .loaded =
                                        has_phase(c->s, "load") ? ask_loaded : NULL,
                                    .stop = &c->stop,
                                    .arg = c};
    struct clean_sums sums = {0};

    snprintf(c->load_job, sizeof c->load_job, "%.250s/load", c->s->job);
    pg_init(&c->warehouse, c->s->url != NULL ? c->s->url : "", "avrogate clean");
    enum err_kind rc = open_by_odbc(c, e);
    if (rc == ERR_OK)
        rc = stage_clean(&o, &sums, e);
    pg_close(&c->warehouse);
    if (c->by_odbc != NULL)
        c->by_odbc->ops->close(c->by_odbc);
    c->by_odbc = NULL;
    row->rows_in = sums.rows;
    row->files_in = sums.files + sums.merged;
    row->bytes_in = sums.bytes + sums.merged_bytes;
    printf("%s: %" PRId64 " files cleaned, %" PRId64 " rows\n", c->s->job,
           row->files_in, sums.rows);
    fflush(stdout);
    return rc;
}

static enum err_kind clean(struct cycle *c, struct etl_phase *row, struct err *e)
{
    return in_place(c, clean_files, row, e);
}

static const struct way {
    const char *name;
    enum err_kind (*run)(struct cycle *c, struct etl_phase *row, struct err *e);
    bool is_run; // its loader begins the run's row
} ways[] = {
    {"collect", collect, true},
    {"merge", merge, false},
    {"load", load, false},
    {"clean", clean, false},
};
#define N_WAYS (sizeof ways / sizeof ways[0])

static const struct way *way_of(const char *name)
{
    for (size_t i = 0; i < N_WAYS; i++)
        if (strcmp(ways[i].name, name) == 0)
            return &ways[i];
    return NULL;
}

/* --- the settings ----------------------------------------------------------------- */

static enum err_kind check_names(const struct conf_list *phases, struct err *e)
{
    for (size_t i = 0; i < phases->n; i++) {
        if (way_of(phases->items[i]) == NULL)
            return err_set(e, ERR_INVALID,
                           "phases: \"%.40s\", wanted collect, merge, load or "
                           "clean",
                           phases->items[i]);
        for (size_t k = 0; k < i; k++)
            if (strcmp(phases->items[i], phases->items[k]) == 0)
                return err_set(e, ERR_INVALID, "phases: %.40s twice", phases->items[i]);
        if (i > 0 && way_of(phases->items[i])->is_run)
            return err_set(e, ERR_INVALID, "phases: %.40s comes first",
                           phases->items[i]);
    }
    return ERR_OK;
}

/* The warehouse has its own audit; without another it is the files' too. */
static enum err_kind check_load(struct loader_settings *s, struct err *e)
{
    bool odbc = loader_is_odbc(s), load = has_phase(s, "load");

    if (load && !odbc && (s->url == NULL || s->table == NULL))
        return err_set(e, ERR_INVALID,
                       "phases: load wants sink.postgres.url and sink.postgres.table, "
                       "or sink.odbc");
    if ((load && odbc && s->url != NULL) || (!load && (odbc || s->url != NULL)))
        return err_set(e, ERR_INVALID,
                       "wanted one sink, or the phase load, which sink.postgres or "
                       "sink.odbc is of");
    if (has_phase(s, "clean") && !has_phase(s, "load") && s->clean_older_ms == 0)
        return err_set(e, ERR_INVALID,
                       "phases: clean without load wants clean.older: how old what it "
                       "takes away must be");
    if (s->audit_url == NULL)
        s->audit_url = s->url;
    return ERR_OK;
}

enum err_kind cycle_check(struct loader_settings *s, struct err *e)
{
    struct merge_options o = merge_of(s);

    if (s->phases.n == 0)
        return ERR_OK;
    TRY(check_names(&s->phases, e));
    if (s->place == NULL)
        return err_set(e, ERR_INVALID,
                       "phases are of staged files: wanted sink.files.place");
    if (merge_check(&o, e) != ERR_OK)
        return err_prefix(e, "merge");
    if (s->merge_into != NULL && s->merge_backup == NULL && s->every_ms > 0)
        return err_set(e, ERR_INVALID,
                       "merge.into \"%.80s\" is made anew by each run: wanted "
                       "merge.backup, which puts the time into its name",
                       s->merge_into);
    TRY(check_load(s, e));
    if (s->for_ms == 0)
        s->until_end = true; // or there is no second phase
    return ERR_OK;
}

/* --- the run ---------------------------------------------------------------------- */

static const char *status_of(const struct cycle *c, enum err_kind rc)
{
    return c->told ? "interrupted" : rc == ERR_OK ? "success" : "failed";
}

static enum err_kind run_phase(struct cycle *c, size_t i, struct cycle_end *end,
                               struct err *e)
{
    const struct way *way = way_of(c->s->phases.items[i]);
    struct etl_phase row = {.number = (int)i + 1, .name = way->name};
    struct saying x = {.phase = &row};
    int64_t began_ms = clock_ms();

    if (!way->is_run || c->odbc != NULL)
        tell(c, begin_phase, &x);
    enum err_kind rc = way->run(c, &row, e);
    row.ms = clock_ms() - began_ms;
    x.status = status_of(c, rc);
    x.why = rc == ERR_OK ? NULL : e->msg;
    if (rc != ERR_OK)
        snprintf(end->why, sizeof end->why, "%s: %s", way->name, e->msg);
    if (!c->unopened)
        tell(c, end_phase, &x);
    return rc;
}

/* Without another audit the load's database keeps it. */
static enum err_kind open_audit(struct cycle *c, struct err *e)
{
    const struct odbc_options o = loader_odbc(c->s);

    return loader_is_odbc(c->s) && c->s->audit_url == NULL
               ? odbc_phases_open(&c->odbc, &o, &c->run, e)
               : ERR_OK;
}

enum err_kind cycle_run(const struct loader_settings *s, const struct cycle_hands *h,
                        struct cycle_end *end, struct err *e)
{
    struct cycle c = {.s = s, .h = h};
    enum err_kind rc = ERR_OK;

    *end = (struct cycle_end){0};
    run_init(&c.run, s->job);
    c.run.topic = s->topic;
    c.run.source = s->place;
    c.run.target = s->place;
    pg_init(&c.pg, s->audit_url != NULL ? s->audit_url : "", "avrogate phases");
    c.pg.greet = greet;
    TRY(open_audit(&c, e));
    for (size_t i = 0; i < s->phases.n && rc == ERR_OK && !c.told; i++)
        rc = run_phase(&c, i, end, e);
    struct saying x = {.status = status_of(&c, rc),
                       .why = rc != ERR_OK ? end->why
                              : c.told     ? "told to stop"
                                           : NULL};
    if (c.is_open)
        tell(&c, end_run, &x);
    pg_close(&c.pg);
    if (c.odbc != NULL)
        c.odbc->ops->close(c.odbc);
    end->told = c.told;
    end->failed = rc != ERR_OK && !c.told;
    return c.unopened ? rc : ERR_OK;
}
