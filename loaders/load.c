/* avrogate load: the command around a loader. */
#include "loaders/run.h"

#include "base/clock.h"
#include "base/json.h"
#include "base/log.h"
#include "base/stats.h"
#include "http/server.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#define TICK_MS 500

static const struct conf_program program = {
    .name = "avrogate load",
    .about =
        "Loads a topic of framed Avro into a PostgreSQL table, each record exactly "
        "once, and\nwrites what it did into etl_log, etl_batch and etl_reject in "
        "the same transactions.\n\nExit status: 0 loaded, or told to stop; 1 "
        "stopped by something that a person must mend\n(said on stderr and in "
        "etl_log.error_message); 2 wrong settings.",
    .examples =
        "  avrogate load -c pipeline.yaml\n"
        "  avrogate load -c pipeline.yaml --until-end\n"
        "  avrogate load -c pipeline.yaml --for 120s --listen 127.0.0.1:9464\n\n"
        "  pipeline.yaml:\n"
        "    job: weather\n"
        "    registry: http://127.0.0.1:8081\n"
        "    source: {kafka: {bootstrap: \"127.0.0.1:9092\", topic: weather, "
        "group: weather-load}}\n"
        "    sink: {postgres: {url: \"${WAREHOUSE_URL}\", table: weather, mode: "
        "append}}\n",
    .rows = loader_rows,
};

/* --- /metrics, /healthz, /readyz ---------------------------------------------------
 */

struct web {
    struct http_app app;
    struct loader *loader;
    struct http_server *server;
};

static void get_metrics(struct http_app *app, struct http_req *r)
{
    struct buf body = BUF_INIT(16 << 20);

    (void)app;
    stats_print(&body);
    http_answer_take(r, 200, "text/plain; version=0.0.4", &body);
}

static void answer_state(struct http_req *r, int status, const struct loader_state *s)
{
    static const char *const phases[] = {"starting", "running", "ended"};
    struct buf body = BUF_INIT(64 << 10);

    buf_printf(&body,
               "{\"phase\":\"%s\",\"run_id\":\"%s\",\"loaded\":%" PRId64
               ",\"rejected\":%" PRId64 ",\"lag\":%" PRId64
               ",\"partitions\":%zu,\"stopped\":%zu,\"waits\":",
               phases[s->phase], s->run_id, s->loaded, s->rejected, s->lag,
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

    loader_state(((struct web *)app)->loader, &s);
    answer_state(r, 200, &s);
}

static void get_ready(struct http_app *app, struct http_req *r)
{
    struct loader_state s;

    loader_state(((struct web *)app)->loader, &s);
    bool ready = s.phase == LOADER_RUNNING && s.why[0] == '\0' && s.stopped == 0;
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

static void watch(struct loader *l, const struct loader_settings *s,
                  const sigset_t *signals, struct loader_state *last)
{
    int64_t loaded = 0, at_ms = clock_ms();

    do {
        loader_state(l, last);
        show(s, last, &loaded, &at_ms);
    } while (last->phase != LOADER_ENDED && !is_told(signals));
    if (isatty(STDERR_FILENO))
        fprintf(stderr, "\r\033[K");
}

static void sum_up(const struct loader_settings *s, const struct loader_state *st)
{
    printf("%s: %" PRId64 " rows loaded, %" PRId64 " set aside, %" PRId64
           " batches, run %s\n",
           s->job, st->loaded, st->rejected, st->batches, st->run_id);
    if (st->failed)
        fprintf(stderr, "avrogate load: %s\n", st->why);
}

static int run(const struct loader_settings *s, const sigset_t *signals, struct err *e)
{
    struct web web = {0};
    struct loader_state st;

    if (loader_open(&web.loader, s, e) != ERR_OK)
        return 2;
    if (s->listen != NULL && open_web(&web, s->listen, e) != ERR_OK) {
        loader_close(web.loader);
        return 2;
    }
    watch(web.loader, s, signals, &st);
    loader_end(web.loader);
    if (web.server != NULL)
        http_server_close(web.server);
    loader_state(web.loader, &st);
    sum_up(s, &st);
    loader_close(web.loader);
    return st.failed ? 1 : 0;
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

    if (conf_read(&conf, &program, argc, argv, &s, &outcome, &e) != ERR_OK)
        return complain(&conf, &e);
    int code = 0;
    if (outcome == CONF_RUN) {
        if (log_level_read(&level, span_str(s.log_level), &e) != ERR_OK)
            return complain(&conf, &e);
        log_set_level(level);
        // Before any thread is made, so that all of them leave signals to this one.
        sigemptyset(&signals);
        sigaddset(&signals, SIGTERM);
        sigaddset(&signals, SIGINT);
        pthread_sigmask(SIG_BLOCK, &signals, NULL);
        signal(SIGPIPE, SIG_IGN);
        code = run(&s, &signals, &e);
        if (code == 2)
            return complain(&conf, &e);
    }
    conf_free(&conf);
    return code;
}
