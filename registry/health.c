#include "base/log.h"
#include "base/stats.h"
#include "registry/api_inside.h"

#include <pthread.h>
#include <stdio.h>

#define METRICS_MOST (8 << 20)

static struct stats_metric requests = {.name = "avrogate_registry_requests_total",
                                       .help = "requests answered",
                                       .kind = STATS_COUNTER,
                                       .labels = "path,status"};
static struct stats_metric seconds = {.name = "avrogate_registry_request_seconds",
                                      .help =
                                          "from the head of a request to its answer",
                                      .kind = STATS_HISTOGRAM,
                                      .labels = "path",
                                      .bounds = stats_latency_bounds};
static struct stats_metric writes = {.name = "avrogate_registry_writes_total",
                                     .help =
                                         "commands decided, by error code (0: done)",
                                     .kind = STATS_COUNTER,
                                     .labels = "what,code"};

#define GAUGE(name_, help_)                                                    \
    {                                                                          \
        .name = "avrogate_registry_" name_, .help = help_, .kind = STATS_GAUGE \
    }
enum gauge {
    OFFSET,
    RECORDS,
    SKIPPED,
    CLASHES,
    KAFKA_UP,
    READY,
    SCHEMAS,
    SUBJECTS,
    CONNS,
    PEN
};
static struct stats_metric gauges[] = {
    [OFFSET] = GAUGE("offset", "the offset of _schemas that comes next"),
    [RECORDS] = GAUGE("records_read", "records read from _schemas"),
    [SKIPPED] = GAUGE("records_skipped", "records that could not be decoded"),
    [CLASHES] = GAUGE("id_clashes", "schemas written under an id that means another"),
    [KAFKA_UP] = GAUGE("kafka_up", "1 when the broker answered last"),
    [READY] = GAUGE("ready", "1 when /readyz says so"),
    [SCHEMAS] = GAUGE("schemas", "ids that mean something"),
    [SUBJECTS] = GAUGE("subjects", "subjects, softly deleted ones included"),
    [CONNS] = GAUGE("connections", "open connections"),
    [PEN] = GAUGE("pen", "1 when this instance is the one that writes"),
};

static void add_all(void)
{
    stats_add(&requests);
    stats_add(&seconds);
    stats_add(&writes);
    for (size_t i = 0; i < sizeof gauges / sizeof *gauges; i++)
        stats_add(&gauges[i]);
}

static void add_once(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    pthread_once(&once, add_all);
}

void count_request(struct http_app *app, const struct http_done *d)
{
    char status[12];
    const char *labels[] = {d->pattern, status};

    (void)app;
    add_once();
    snprintf(status, sizeof status, "%d", d->status);
    stats_count(stats_child(&requests, labels), 1);
    stats_observe(&seconds, stats_child(&seconds, labels), d->us);
    log_event(d->status >= 500 ? LOG_WARN : LOG_DEBUG, "request",
              LOG_S("method", http_method_name(d->method)), LOG_B("path", d->path),
              LOG_I("status", d->status), LOG_I("us", d->us), LOG_B("client", d->peer),
              LOG_B("request", d->id), LOG_END);
}

void count_write(const char *verb, int code)
{
    char text[12];
    const char *labels[] = {verb, text};

    add_once();
    snprintf(text, sizeof text, "%d", code);
    stats_count(stats_child(&writes, labels), 1);
}

static bool is_ready(const struct reg_tail_view *v)
{
    return v->caught_up && v->kafka_is_up && !v->broken;
}

void get_health(struct http_app *app, struct http_req *r)
{
    (void)app;
    http_answer(r, 200, "application/json", span_str("{\"status\":\"alive\"}"));
}

static uint64_t clashes_of(struct reg_api *api)
{
    uint64_t clashes = reg_tail_look(api->tail)->clashes;

    reg_tail_done(api->tail);
    return clashes;
}

static void put_flag(struct buf *out, const char *name, bool v)
{
    buf_printf(out, ",\"%s\":%s", name, v ? "true" : "false");
}

void get_ready(struct http_app *app, struct http_req *r)
{
    struct reg_api *api = (struct reg_api *)app;
    struct buf out = BUF_INIT(4096);
    struct reg_tail_view v;

    reg_tail_view(api->tail, &v);
    bool ready = is_ready(&v);
    buf_printf(&out, "{\"status\":\"%s\"", ready ? "ready" : "not ready");
    put_flag(&out, "kafka", v.kafka_is_up);
    put_flag(&out, "read_to_end", v.caught_up);
    put_flag(&out, "topic_is_sound", !v.broken && clashes_of(api) == 0);
    buf_printf(&out, ",\"offset\":%lld,\"skipped\":%llu", (long long)v.next,
               (unsigned long long)v.skipped);
    if (v.why[0] != 0) {
        buf_put_str(&out, ",\"reason\":");
        json_put_string(&out, span_str(v.why));
    }
    buf_put_u8(&out, '}');
    http_answer_take(r, ready ? 200 : 503, "application/json", &out);
}

static void set(enum gauge g, long long to)
{
    stats_set(&gauges[g].value, to);
}

static void set_gauges(struct reg_api *api)
{
    const struct http_server *server = atomic_load(&api->server);
    long long ids = 0, subjects = 0;
    const struct reg_context *c;
    struct reg_tail_view v;

    reg_tail_view(api->tail, &v);
    const struct reg_state *s = reg_tail_look(api->tail);
    for (size_t at = 0; (c = tab_each(&s->contexts, &at, NULL)) != NULL;) {
        ids += (long long)c->ids.n;
        subjects += (long long)c->subjects.n;
    }
    set(CLASHES, (long long)s->clashes);
    reg_tail_done(api->tail);
    set(OFFSET, v.next);
    set(RECORDS, (long long)v.records);
    set(SKIPPED, (long long)v.skipped);
    set(KAFKA_UP, v.kafka_is_up);
    set(READY, is_ready(&v));
    set(PEN, reg_writer_holds(api->writer));
    set(SCHEMAS, ids);
    set(SUBJECTS, subjects);
    if (server != NULL) {
        struct http_counters n;
        http_server_counters(server, &n);
        set(CONNS, (long long)n.open);
    }
}

void get_metrics(struct http_app *app, struct http_req *r)
{
    const struct reg_api *api = (struct reg_api *)app;
    const struct http_server *server = atomic_load(&api->server);
    struct buf out = BUF_INIT(METRICS_MOST);

    add_once();
    set_gauges((struct reg_api *)app);
    stats_print(&out);
    if (server != NULL)
        http_server_metrics(server, &out);
    if (out.over) {
        buf_free(&out);
        http_answer_error(r, 500, 500, "more than %d bytes of metrics", METRICS_MOST);
        return;
    }
    http_answer_take(r, 200, "text/plain; version=0.0.4", &out);
}
