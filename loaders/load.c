/* avrogate load: the command around a loader. */
#include "loaders/control.h"
#include "loaders/run.h"

#include "base/clock.h"
#include "base/json.h"
#include "base/log.h"
#include "base/stats.h"
#include "http/server.h"
#include "loaders/cycle.h"

#include <inttypes.h>
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#define TICK_MS 500

static const struct conf_program program = {
    .name = "avrogate load",
    .operands = "[status|pause|resume|reset]",
    .about =
        "Loads a topic of framed Avro into a PostgreSQL table, each record exactly "
        "once, and\nwrites what it did into etl_log, etl_batch and etl_reject in "
        "the same transactions.\nOr into files (Parquet, Avro, JSON lines, CSV) in a "
        "directory, on HDFS or S3, and\nfrom such files on into a table; or behind "
        "ODBC.\n\nExit status: 0 loaded, or told to stop; 1 "
        "stopped by something that a person must mend\n(said on stderr and in "
        "etl_log.error_message); 2 wrong settings.\n\nAbout a job, running or not: "
        "`avrogate load status|pause|resume|reset --help`.",
    .examples =
        "  avrogate load -c pipeline.yaml\n"
        "  avrogate load -c pipeline.yaml --until-end\n"
        "  avrogate load -c pipeline.yaml --for 120s --listen 127.0.0.1:9464\n"
        "  avrogate load -c pipeline.yaml --every 5m --phases "
        "collect,merge,load,clean\n"
        "  avrogate load -c pipeline.yaml --plan\n"
        "  avrogate load -c pipeline.yaml --sample 5\n"
        "  avrogate load status -c pipeline.yaml\n\n"
        "  pipeline.yaml:\n"
        "    job: weather\n"
        "    registry: http://127.0.0.1:8081\n"
        "    source: {kafka: {bootstrap: \"127.0.0.1:9092\", topic: weather, "
        "group: weather-load}}\n"
        "    sink: {postgres: {url: \"${WAREHOUSE_URL}\", table: weather, mode: "
        "append}}\n"
        "  into files:\n"
        "    sink: {files: {place: \"file:///var/stage/weather\", format: parquet, "
        "rotate: {age: 60s}}}\n"
        "  and on from there, without registry:\n"
        "    source: {stage: {place: \"file:///var/stage/weather\"}}\n",
    .rows = loader_rows,
};

/* --- /metrics, /healthz, /readyz ---------------------------------------------------
 */

struct web {
    struct http_app app;
    struct http_server *server;
    bool repeats;
    pthread_mutex_t lock;
    // under lock
    struct loader *loader;    // NULL between two runs
    struct loader_state last; // of the run before
};

static void state_of(struct http_app *app, struct loader_state *out)
{
    struct web *w = (struct web *)app;

    pthread_mutex_lock(&w->lock);
    if (w->loader != NULL)
        loader_state(w->loader, out);
    else
        *out = w->last;
    pthread_mutex_unlock(&w->lock);
}

static void get_metrics(struct http_app *app, struct http_req *r)
{
    struct buf body = BUF_INIT(16 << 20);

    stats_print(&body);
    http_server_metrics(((struct web *)app)->server, &body);
    http_answer_take(r, 200, "text/plain; version=0.0.4", &body);
}

static void answer_state(struct http_req *r, int status, const struct loader_state *s)
{
    static const char *const phases[] = {"starting", "running", "ended"};
    struct buf body = BUF_INIT(64 << 10);

    buf_printf(&body,
               "{\"phase\":\"%s\",\"run_id\":\"%s\",\"loaded\":%" PRId64
               ",\"rejected\":%" PRId64 ",\"filtered\":%" PRId64 ",\"lag\":%" PRId64
               ",\"partitions\":%zu,\"stopped\":%zu,\"waits\":",
               phases[s->phase], s->run_id, s->loaded, s->rejected, s->filtered, s->lag,
               s->partitions, s->stopped);
    if (s->why[0] == '\0')
        buf_put_str(&body, "null");
    else
        json_put_string(&body, span_str(s->why));
    buf_put_str(&body, "}\n");
    http_answer_take(r, status, "application/json", &body);
}

static void get_health(struct http_app *app, struct http_req *r)
{
    struct loader_state s;

    state_of(app, &s);
    answer_state(r, 200, &s);
}

static void get_ready(struct http_app *app, struct http_req *r)
{
    struct loader_state s;

    state_of(app, &s);
    bool pausing = ((struct web *)app)->repeats && s.phase == LOADER_ENDED && !s.failed;
    bool ready =
        pausing || (s.phase == LOADER_RUNNING && s.why[0] == '\0' && s.stopped == 0);
    answer_state(r, ready ? 200 : 503, &s);
}

static const struct http_route routes[] = {
    {HTTP_GET, "/metrics", get_metrics, HTTP_ALWAYS, 0, 0},
    {HTTP_GET, "/healthz", get_health, HTTP_ALWAYS, 0, 0},
    {HTTP_GET, "/readyz", get_ready, HTTP_ALWAYS, 0, 0},
};

static enum err_kind open_web(struct web *w, const char *listen, struct err *e)
{
    struct http_settings s = {
        .listen = &listen, .nlisten = 1, .loops = 1, .limits = HTTP_LIMITS};

    w->app = (struct http_app){.routes = routes,
                               .nroutes = sizeof routes / sizeof routes[0]};
    return http_server_open(&w->server, &s, &w->app, e);
}

/* --- the terminal ------------------------------------------------------------------
 */

static void show(const struct loader_settings *s, const struct loader_state *now,
                 int64_t *loaded, int64_t *at_ms)
{
    int64_t ms = clock_ms() - *at_ms;
    int64_t rate = ms > 0 ? (now->loaded - *loaded) * 1000 / ms : 0;

    if (!isatty(STDERR_FILENO) || ms < 2 * TICK_MS)
        return;
    fprintf(stderr,
            "\r\033[K%s: %" PRId64 " rows  %" PRId64 "/s  lag %" PRId64
            "  set aside %" PRId64 "%s%.60s",
            s->job, now->loaded, rate, now->lag, now->rejected,
            now->why[0] == '\0' ? "" : "  waits: ", now->why);
    *loaded = now->loaded;
    *at_ms = clock_ms();
}

static bool is_told(const sigset_t *signals)
{
    struct timespec tick = {0, TICK_MS * 1000000L};

    return sigtimedwait(signals, NULL, &tick) > 0;
}

/* True when it was told to stop. */
static bool watch(struct loader *l, const struct loader_settings *s,
                  const sigset_t *signals, struct loader_state *last)
{
    int64_t loaded = 0, at_ms = clock_ms();
    bool told = false;

    do {
        loader_state(l, last);
        show(s, last, &loaded, &at_ms);
    } while (last->phase != LOADER_ENDED && !(told = is_told(signals)));
    if (isatty(STDERR_FILENO))
        fprintf(stderr, "\r\033[K");
    return told;
}

static void sum_up(const struct loader_settings *s, const struct loader_state *st)
{
    char filtered[40] = "", quarantined[40] = "";

    if (s->transform.root != NULL)
        snprintf(filtered, sizeof filtered, " %" PRId64 " filtered,", st->filtered);
    if (s->quality.root != NULL)
        snprintf(quarantined, sizeof quarantined, " %" PRId64 " in quarantine,",
                 st->quarantined);
    printf("%s: %" PRId64 " rows loaded, %" PRId64 " set aside,%s%s %" PRId64
           " batches, run %s\n",
           s->job, st->loaded, st->rejected, filtered, quarantined, st->batches,
           st->run_id);
    if (st->failed)
        fprintf(stderr, "avrogate load: %s\n", st->why);
}

static void set_loader(struct web *w, struct loader *l)
{
    pthread_mutex_lock(&w->lock);
    w->loader = l;
    pthread_mutex_unlock(&w->lock);
}

struct shift { // what a run of the command needs
    struct web *w;
    const sigset_t *signals;
};

/* A loader to its end. */
static enum err_kind run_loader(void *arg, const struct loader_settings *s,
                                struct loader_state *last, char run_id[RUN_ID],
                                bool *told, struct err *e)
{
    const struct shift *shift = arg;
    struct web *w = shift->w;
    struct loader *l;
    struct loader_state st;

    TRY(loader_open(&l, s, e));
    set_loader(w, l);
    *told = watch(l, s, shift->signals, &st);
    loader_end(l);
    loader_state(l, &st);
    sum_up(s, &st);
    fflush(stdout);
    pthread_mutex_lock(&w->lock);
    w->loader = NULL;
    w->last = st;
    // a text of the loader's own
    w->last.run_id = "";
    *last = w->last;
    pthread_mutex_unlock(&w->lock);
    snprintf(run_id, RUN_ID, "%s", st.run_id);
    loader_close(l);
    return ERR_OK;
}

static bool shift_is_over(void *arg)
{
    return is_told(((const struct shift *)arg)->signals);
}

static enum err_kind run_phases(struct shift *shift, const struct loader_settings *s,
                                bool *told, struct err *e)
{
    const struct cycle_hands hands = {run_loader, shift_is_over, shift};
    struct web *w = shift->w;
    struct cycle_end end;

    TRY(cycle_run(s, &hands, &end, e));
    *told = end.told;
    pthread_mutex_lock(&w->lock);
    w->last.phase = LOADER_ENDED;
    if (end.failed && !w->last.failed) {
        snprintf(w->last.why, sizeof w->last.why, "%.239s", end.why);
        fprintf(stderr, "avrogate load: %s\n", end.why);
    }
    w->last.failed = end.failed;
    pthread_mutex_unlock(&w->lock);
    return ERR_OK;
}

static enum err_kind run_once(struct shift *shift, const struct loader_settings *s,
                              bool *told, struct err *e)
{
    struct loader_state last;
    char run_id[RUN_ID];

    if (s->phases.n > 0)
        return run_phases(shift, s, told, e);
    return run_loader(shift, s, &last, run_id, told, e);
}

/* Until the next run is due; true when told to stop. */
static bool pause_until(int64_t due_ms, const sigset_t *signals)
{
    while (clock_ms() < due_ms)
        if (is_told(signals))
            return true;
    return false;
}

static enum err_kind run_all(struct web *w, const struct loader_settings *s,
                             const sigset_t *signals, struct err *e)
{
    struct shift shift = {w, signals};
    bool told = false;

    do {
        int64_t began_ms = clock_ms();
        TRY(run_once(&shift, s, &told, e));
        if (s->every_ms == 0 || told)
            return ERR_OK;
        told = pause_until(began_ms + s->every_ms, signals);
    } while (!told);
    return ERR_OK;
}

static int run(struct loader_settings *s, const sigset_t *signals, struct err *e)
{
    struct web web = {.repeats = s->every_ms > 0,
                      .lock = PTHREAD_MUTEX_INITIALIZER,
                      .last = {.run_id = ""}};
    enum err_kind rc = ERR_OK;

    if (s->every_ms > 0 && s->for_ms == 0)
        s->until_end = true;
    rc = cycle_check(s, e);
    if (rc == ERR_OK && s->listen != NULL)
        rc = open_web(&web, s->listen, e);
    if (rc == ERR_OK)
        rc = run_all(&web, s, signals, e);
    if (web.server != NULL)
        http_server_close(web.server);
    return rc != ERR_OK ? 2 : web.last.failed ? 1 : 0;
}

static int show_plan(struct loader_settings *s, struct err *e)
{
    struct buf statements = BUF_INIT(4 << 20);
    char job[CYCLE_JOB];

    enum err_kind rc = cycle_check(s, e);
    if (rc != ERR_OK)
        return 2;
    if (s->phases.n > 0 && (s->url != NULL || loader_is_odbc(s)))
        *s = cycle_load(s, job); // the table is the load's
    rc = loader_plan(s, &statements, e);
    if (rc == ERR_OK && statements.n == 0)
        printf("-- nothing to do: the table fits\n");
    else if (rc == ERR_OK)
        fwrite(statements.p, 1, statements.n, stdout);
    else
        fprintf(stderr, "avrogate load: %s\n", e->msg);
    buf_free(&statements);
    return rc == ERR_OK ? 0 : 1;
}

static int show_sample(const struct loader_settings *s, struct err *e)
{
    struct buf text = BUF_INIT(256 << 20);

    enum err_kind rc = loader_sample(s, &text, e);
    if (text.n > 0)
        fwrite(text.p, 1, text.n, stdout);
    else if (rc == ERR_OK)
        printf("the topic is empty\n");
    if (rc != ERR_OK)
        fprintf(stderr, "avrogate load: %s\n", e->msg);
    buf_free(&text);
    return rc == ERR_OK ? 0 : 1;
}

/* One thread makes the batches that another frees, and librdkafka's does the same with
 * what it fetches: heaps of their own would each keep what the others could use. */
static void share_memory(void)
{
    (void)mallopt(M_ARENA_MAX, 2);
}

static int complain(struct conf *conf, const struct err *e)
{
    fprintf(stderr, "avrogate load: %s\n", e->msg);
    conf_free(conf);
    return 2;
}

int cmd_load(int argc, char **argv)
{
    struct conf conf = {0};
    struct loader_settings s = {0};
    enum conf_outcome outcome;
    enum log_level level;
    struct err e = {0};
    sigset_t signals;

    if (argc > 1 && control_is(argv[1]))
        return control_run(argc, argv);
    if (conf_read(&conf, &program, argc, argv, &s, &outcome, &e) != ERR_OK)
        return complain(&conf, &e);
    int code = 0;
    if (outcome == CONF_RUN) {
        if (conf.n_operands > 0) {
            (void)err_set(&e, ERR_INVALID,
                          "\"%.60s\": wanted status, pause, resume or "
                          "reset, as the first word, or flags alone",
                          conf.operands[0]);
            return complain(&conf, &e);
        }
        if (log_level_read(&level, span_str(s.log_level), &e) != ERR_OK)
            return complain(&conf, &e);
        log_set_level(level);
        // Before any thread is made, so that all of them leave signals to this one.
        sigemptyset(&signals);
        sigaddset(&signals, SIGTERM);
        sigaddset(&signals, SIGINT);
        pthread_sigmask(SIG_BLOCK, &signals, NULL);
        signal(SIGPIPE, SIG_IGN);
        share_memory();
        code = s.plan         ? show_plan(&s, &e)
               : s.sample > 0 ? show_sample(&s, &e)
                              : run(&s, &signals, &e);
        if (code == 2)
            return complain(&conf, &e);
    }
    conf_free(&conf);
    return code;
}
