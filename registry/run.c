#include "registry/run.h"

#include "base/clock.h"
#include "base/log.h"
#include "registry/api.h"
#include "registry/repair_run.h"
#include "registry/topic.h"

#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#define START_PATIENCE_MS 30000
#define SECOND_LOOKS 1024 // requests that may wait for one at once

#define AT(field) offsetof(struct registry_settings, field)

static const struct conf_row rows[] = {
    {"listen", CONF_LIST, AT(listen), .fallback = "127.0.0.1:8081", .min = 1, .max = 16,
     .help = "addresses and ports to listen on", .argument = "HOST:PORT"},
    {"bootstrap", CONF_TEXT, AT(bootstrap), .required = true, .argument = "HOST:PORT",
     .help = "Kafka brokers, with commas"},
    {"topic", CONF_TEXT, AT(topic), .fallback = "_schemas",
     .help = "compacted topic that holds everything"},
    {"allow_unsafe", CONF_BOOL, AT(allow_unsafe), .fallback = "false",
     .flag = "allow-unsafe",
     .help = "start although the topic has fewer than 3 replicas, 2 of them in sync"},
    {"incompatible_code", CONF_CHOICE, AT(incompatible_code), .fallback = "409",
     .choices = "409|40901",
     .help =
         "error_code of an incompatible schema: Confluent's to 8.1, or from 8.2 on"},
    {"advertise", CONF_TEXT, AT(advertise), .fallback = "", .argument = "URL",
     .help = "where other instances reach this one, http://HOST:PORT; without it they "
             "take the pen instead of asking"},
    {"forward_timeout", CONF_DURATION, AT(forward_ms), .fallback = "300ms", .min = 10,
     .max = 60000,
     .help = "wait for the instance that holds the pen before taking it; longer while "
             "its answers take long, up to 600ms"},
    {"forward_ca", CONF_TEXT, AT(forward_ca), .argument = "FILE",
     .help = "who vouches for the other instances' certificates, PEM; without it the "
             "system's authorities"},
    {"write_timeout", CONF_DURATION, AT(write_ms), .fallback = "10s", .min = 1000,
     .max = 300000, .help = "longest wait for Kafka to have a write"},
    {"write_queue", CONF_INT, AT(queue), .fallback = "1024", .min = 1, .max = 100000,
     .help = "writes that may wait; more are told 503"},
    {"drain", CONF_DURATION, AT(drain_ms), .fallback = "15s", .min = 0, .max = 300000,
     .help = "longest wait for open requests when told to stop"},
    {"limits.body", CONF_BYTES, AT(body), .fallback = "1MiB", .min = 1024,
     .max = 64 << 20, .help = "largest request body"},
    {"limits.schema", CONF_BYTES, AT(schema), .fallback = "1MiB", .min = 64,
     .max = 64 << 20, .help = "largest text of a schema that is registered"},
    {"limits.bodies", CONF_BYTES, AT(bodies), .fallback = "64MiB", .min = 1 << 20,
     .max = INT64_C(1) << 33, .help = "all request bodies held at once"},
    {"limits.connections", CONF_INT, AT(connections), .fallback = "10000", .min = 1,
     .max = 1000000, .help = "connections open at once"},
    {"limits.per_ip", CONF_INT, AT(per_ip), .fallback = "4096", .min = 0,
     .max = 1000000, .help = "connections of one address; 0 = no cap"},
    GUARD_ROWS(struct registry_settings, guard),
    {"loops", CONF_INT, AT(loops), .fallback = "0", .min = 0, .max = 256,
     .help = "threads that serve; 0 = one per core"},
    {"log_level", CONF_TEXT, AT(log_level), .fallback = "info",
     .help = "least level of log lines: debug, info, warn, error"},
    {"kafka", CONF_PAIRS, AT(kafka), .help = "any librdkafka property"},
    {0},
};

const struct conf_program registry_program = {
    .name = "avrogate registry",
    .about = "A schema registry with Confluent's interface, whose state is a compacted "
             "topic of Kafka.  `avrogate registry fsck`, `backup`, `restore` and "
             "`undelete` look after that topic; each has --help.",
    .examples = "  avrogate registry --bootstrap 127.0.0.1:9092 --allow-unsafe\n"
                "  avrogate registry -c registry.yaml --listen 0.0.0.0:8081\n",
    .rows = rows,
};

struct registry {
    const struct registry_settings *s;
    struct reg_tail *tail;
    struct reg_writer *writer;
    struct reg_fresh *fresh;
    struct reg_api *api;
    struct guard *guard;
    struct http_server *server;
    struct arena arena; // the cluster's id
    struct span cluster;
};

/* The mock and old clusters tell no id; nothing hangs on it. */
static void ask_cluster(struct registry *r, struct kf_admin *a)
{
    struct err e = {0};

    if (kf_cluster_id(a, &r->arena, &r->cluster, 5000, &e) != ERR_OK)
        log_err(LOG_DEBUG, "the cluster has no id", &e);
}

static enum err_kind prepare_topic(struct registry *r, struct err *e)
{
    const struct registry_settings *s = r->s;
    struct reg_topic_wish wish = {.topic = s->topic,
                                  .allow_unsafe = s->allow_unsafe,
                                  .may_be_untold = s->settings_may_be_untold,
                                  .timeout_ms = START_PATIENCE_MS};
    struct kf_admin *a = NULL;

    TRY(kf_admin_open(&a, s->bootstrap, &s->kafka, e));
    enum err_kind rc = reg_topic_prepare(a, &wish, e);
    if (rc == ERR_OK)
        ask_cluster(r, a);
    kf_admin_close(a);
    return rc;
}

static enum err_kind open_kafka(struct registry *r, const struct reg_rules *rules,
                                struct err *e)
{
    const struct registry_settings *s = r->s;
    struct reg_writer_options writer = {.bootstrap = s->bootstrap,
                                        .topic = s->topic,
                                        .properties = &s->kafka,
                                        .url = s->advertise != NULL ? s->advertise : "",
                                        .timeout_ms = s->write_ms,
                                        .forward_ms = s->forward_ms,
                                        .forward_ca = s->forward_ca,
                                        .rules = *rules,
                                        .queue = (size_t)s->queue};

    if (writer.url[0] != '\0' && reg_url_check(writer.url, e) != ERR_OK)
        return err_prefix(e, "advertise");
    TRY(prepare_topic(r, e));
    TRY(reg_tail_open(&r->tail, s->bootstrap, &s->kafka, s->topic, e));
    TRY(reg_writer_open(&r->writer, r->tail, &writer, e));
    r->fresh = reg_fresh_open(r->tail, SECOND_LOOKS);
    return ERR_OK;
}

static enum err_kind open_http(struct registry *r, const struct reg_rules *rules,
                               struct err *e)
{
    const struct registry_settings *s = r->s;
    struct reg_api_options api = {.write_ms = s->write_ms,
                                  .body = (size_t)s->body,
                                  .schema = (size_t)s->schema,
                                  .rules = *rules,
                                  .topic = s->topic,
                                  .guard = r->guard,
                                  .cluster = r->cluster};
    struct http_settings http = {.listen = (const char *const *)s->listen.items,
                                 .nlisten = s->listen.n,
                                 .loops = (size_t)s->loops,
                                 .tls = guard_tls(r->guard),
                                 .limits = HTTP_LIMITS};

    http.limits.body = (size_t)s->body;
    http.limits.bodies = (size_t)s->bodies;
    http.limits.connections = (size_t)s->connections;
    http.limits.per_ip = (size_t)s->per_ip;
    r->api = reg_api_open(&api, r->tail, r->writer, r->fresh);
    TRY(http_server_open(&r->server, &http, reg_api_app(r->api), e));
    reg_api_serves(r->api, r->server);
    return ERR_OK;
}

enum err_kind registry_open(struct registry **out, const struct registry_settings *s,
                            struct err *e)
{
    struct reg_rules rules = {.code_40901 = s->incompatible_code == 1};
    struct registry *r = mem_alloc(sizeof *r);

    r->s = s;
    if (guard_open(&r->guard, &s->guard, e) != ERR_OK ||
        open_kafka(r, &rules, e) != ERR_OK || open_http(r, &rules, e) != ERR_OK) {
        registry_close(r);
        return e->kind;
    }
    log_event(LOG_INFO, "registry listens", LOG_S("address", s->listen.items[0]),
              LOG_I("port", registry_port(r)), LOG_S("topic", s->topic), LOG_END);
    *out = r;
    return ERR_OK;
}

uint16_t registry_port(const struct registry *r)
{
    return http_server_port(r->server, 0);
}

bool registry_wait_ready(struct registry *r, int timeout_ms)
{
    return reg_tail_wait_read(r->tail, clock_ms() + timeout_ms);
}

void registry_close(struct registry *r)
{
    if (r->server != NULL)
        http_server_drain(r->server, r->s->drain_ms);
    reg_fresh_close(r->fresh);
    reg_writer_close(r->writer);
    if (r->api != NULL)
        reg_api_serves(r->api, NULL);
    if (r->server != NULL)
        http_server_close(r->server);
    reg_api_close(r->api);
    reg_tail_close(r->tail);
    guard_close(r->guard);
    arena_free(&r->arena);
    free(r);
}

static void block_signals(sigset_t *told)
{
    sigemptyset(told);
    sigaddset(told, SIGTERM);
    sigaddset(told, SIGINT);
    sigaddset(told, SIGHUP);
    pthread_sigmask(SIG_BLOCK, told, NULL);
    signal(SIGPIPE, SIG_IGN);
}

static enum err_kind serve(const struct registry_settings *s, struct err *e)
{
    struct registry *r = NULL;
    enum log_level level = LOG_INFO;
    sigset_t told;
    int which = 0;

    TRY(log_level_read(&level, span_str(s->log_level), e));
    log_set_level(level);
    block_signals(&told); // before any thread is made, so that all leave them to us
    TRY(registry_open(&r, s, e));
    while (sigwait(&told, &which) != 0 || which == SIGHUP)
        guard_reload(r->guard);
    log_event(LOG_INFO, "told to stop", LOG_I("signal", which), LOG_END);
    registry_close(r);
    return ERR_OK;
}

int cmd_registry(int argc, char **argv)
{
    struct registry_settings s = {0};
    enum conf_outcome outcome = CONF_RUN;
    struct conf c = {0};
    struct err e = {0};
    int status = 0;

    if (reg_repair_cmd(argc, argv, &status))
        return status;
    enum err_kind rc = conf_read(&c, &registry_program, argc, argv, &s, &outcome, &e);
    if (rc == ERR_OK && outcome == CONF_RUN)
        rc = serve(&s, &e);
    if (rc != ERR_OK)
        fprintf(stderr, "avrogate registry: %s\n", e.msg);
    conf_free(&c);
    return rc == ERR_OK ? 0 : rc == ERR_INVALID ? 2 : 1;
}
