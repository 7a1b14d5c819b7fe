#include "cli/dev.h"

#include "base/clock.h"
#include "base/log.h"
#include "cli/dev_room.h"
#include "gateway/run.h"
#include "http/client.h"
#include "kafka/mock.h"
#include "loaders/run.h"
#include "registry/run.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define READY_MS 30000
#define LOADED_MS 10000 // for what is still unread when it ends
#define LOOK_MS 100
/* Of what the mock keeps of a partition; the rest is for what we cannot count, such as
 * a record that arrived although its report was lost. */
#define ROOM (KF_MOCK_KEEPS / 5 * 4)

struct dev_settings {
    struct conf_list registry_listen, gateway_listen, topics;
    const char *warehouse, *log_level;
    int64_t partitions;
};

#define AT(field) offsetof(struct dev_settings, field)

static const struct conf_row rows[] = {
    {"registry_listen", CONF_LIST, AT(registry_listen), .fallback = "127.0.0.1:8081",
     .min = 1, .max = 16, .argument = "HOST:PORT",
     .help = "where the registry listens"},
    {"gateway_listen", CONF_LIST, AT(gateway_listen), .fallback = "127.0.0.1:8082",
     .min = 1, .max = 16, .argument = "HOST:PORT", .help = "where the gateway listens"},
    {"topics", CONF_LIST, AT(topics), .letter = 't', .max = 100, .argument = "NAME,...",
     .help = "topics to make; each is loaded into a table of its name"},
    {"partitions", CONF_INT, AT(partitions), .fallback = "1", .min = 1, .max = 64,
     .help = "of each of them"},
    {"warehouse", CONF_TEXT, AT(warehouse), .secret = true,
     .help = "postgresql://user:password@host:port/database; without it nothing is "
             "loaded"},
    {"log_level", CONF_TEXT, AT(log_level), .fallback = "warn",
     .help = "debug, info, warn or error"},
    {0},
};

static const struct conf_program program = {
    .name = "avrogate dev",
    .about = "Registry, gateway, loaders and an embedded Kafka in one process, to try "
             "things "
             "out.\n"
             "The Kafka is in memory: it is gone at the end, and a topic keeps about 5 "
             "MiB a\n"
             "partition.  The gateway answers 503 before anything unread could be "
             "dropped, so "
             "a\n"
             "topic that no loader reads is full after 4 MiB.",
    .examples =
        "  avrogate dev\n"
        "  AVROGATE_WAREHOUSE=postgresql://me@127.0.0.1/warehouse avrogate dev "
        "--topics "
        "sensors\n"
        "  avrogate dev --registry-listen 127.0.0.1:0 --gateway-listen 127.0.0.1:0\n",
    .rows = rows,
};

/* One topic's way into its table. */
struct lane {
    const char *topic;
    struct conf conf;
    struct loader_settings s;
    struct loader *loader;
    bool mourned; // its end has been told
};

struct dev {
    struct dev_room room; // first: it calls back
    const struct dev_settings *s;
    struct kf_mock *kafka;

    struct conf registry_conf, gateway_conf;
    struct registry_settings registry_s;
    struct gateway_settings gateway_s;
    struct registry *registry;
    struct gateway *gateway;
    char registry_url[64];
    const char *registry_urls[1];

    struct lane *lanes; // one a topic, where there is a warehouse
    size_t n_lanes;
};

/* --- the parts, each as its own command would open it -*/

static enum err_kind open_kafka(struct dev *d, struct err *e)
{
    TRY(kf_mock_open(&d->kafka, 1, e));
    TRY(kf_mock_topic(d->kafka, "_schemas", 1, e));
    for (size_t i = 0; i < d->s->topics.n; i++)
        TRY(kf_mock_topic(d->kafka, d->s->topics.items[i], (int32_t)d->s->partitions,
                          e));
    return ERR_OK;
}

/* A program's defaults, with `given` for what has none. */
static enum err_kind defaults(struct conf *c, const struct conf_row *of,
                              const char *given, void *settings, struct err *e)
{
    return conf_read_text(c, of, "avrogate dev", span_str(given), settings, e);
}

static enum err_kind open_registry(struct dev *d, struct err *e)
{
    struct registry_settings *s = &d->registry_s;

    TRY(defaults(&d->registry_conf, registry_program.rows, "bootstrap: embedded", s,
                 e));
    s->bootstrap = kf_mock_bootstrap(d->kafka);
    s->listen = d->s->registry_listen;
    s->settings_may_be_untold = true;
    TRY(registry_open(&d->registry, s, e));
    snprintf(d->registry_url, sizeof d->registry_url, "http://127.0.0.1:%d",
             registry_port(d->registry));
    d->registry_urls[0] = d->registry_url;
    return ERR_OK;
}

static enum err_kind open_gateway(struct dev *d, struct err *e)
{
    struct gateway_settings *s = &d->gateway_s;

    TRY(defaults(&d->gateway_conf, gateway_program.rows,
                 "{bootstrap: embedded, registry: embedded, access_log: none}", s, e));
    s->bootstrap = kf_mock_bootstrap(d->kafka);
    s->registry = (struct conf_list){d->registry_urls, 1};
    s->listen = d->s->gateway_listen;
    s->room = &d->room.gate;
    return gateway_open(&d->gateway, s, e);
}

/* The Kafka begins anew each time, so its offsets do too: a job of the same name would
 * go on where the last Kafka ended. */
static enum err_kind open_lane(struct dev *d, struct lane *l, const char *topic,
                               const char *stamp, struct err *e)
{
    struct loader_settings *s = &l->s;

    l->topic = topic;
    TRY(defaults(&l->conf, loader_rows,
                 "{job: dev, registry: embedded,"
                 " source: {kafka: {bootstrap: embedded, topic: embedded}},"
                 " sink: {postgres: {url: embedded, table: embedded}}}",
                 s, e));
    s->job = arena_str(&l->conf.arena,
                       arena_printf(&l->conf.arena, "%s-dev-%s", topic, stamp));
    s->registry = (struct conf_list){d->registry_urls, 1};
    s->bootstrap = kf_mock_bootstrap(d->kafka);
    s->topic = topic;
    s->table = topic;
    s->url = d->s->warehouse;
    s->allow_unsafe = true; // a Postgres to play with may have fsync off
    return loader_open(&l->loader, s, e);
}

static enum err_kind open_lanes(struct dev *d, struct err *e)
{
    time_t now = time(NULL);
    char stamp[32];
    struct tm utc;

    if (d->s->warehouse == NULL)
        return ERR_OK;
    strftime(stamp, sizeof stamp, "%Y%m%dT%H%M%SZ", gmtime_r(&now, &utc));
    d->lanes = mem_array(d->s->topics.n + 1, sizeof *d->lanes);
    for (size_t i = 0; i < d->s->topics.n; i++) {
        d->n_lanes++;
        TRY(open_lane(d, &d->lanes[i], d->s->topics.items[i], stamp, e));
    }
    return ERR_OK;
}

static int64_t loaded(struct dev_room *r, const char *topic, int32_t partition)
{
    struct dev *d = (struct dev *)r;

    for (size_t i = 0; i < d->n_lanes; i++)
        if (d->lanes[i].loader != NULL && strcmp(d->lanes[i].topic, topic) == 0)
            return loader_loaded(d->lanes[i].loader, partition);
    return -1;
}

/* --- ready -*/

static enum err_kind wait_until_ready(uint16_t port, int64_t deadline, struct err *e)
{
    static const struct http_client_settings plain;
    struct http_client *c = NULL;
    char url[64];
    int status = 0;

    snprintf(url, sizeof url, "http://127.0.0.1:%d/readyz", port);
    TRY(http_client_open(&c, &plain, e));
    while (status != 200 && clock_ms() < deadline) {
        struct http_reply reply = {0};
        const struct http_call call = {
            .method = HTTP_GET, .url = url, .deadline_ms = deadline};
        if (http_client_call(c, &call, &reply, e) == ERR_OK)
            status = reply.status;
        http_reply_free(&reply);
        usleep(20 * 1000);
    }
    http_client_close(c);
    if (status == 200)
        return ERR_OK;
    return err_set(e, ERR_UNAVAILABLE, "%s says %d after %d s", url, status,
                   READY_MS / 1000);
}

static void say_ready(const struct dev *d)
{
    printf("ready: registry %s, gateway http://127.0.0.1:%d, embedded Kafka %s (in "
           "memory, about 5 MiB a partition, gone at the end; 503 before anything "
           "unread is dropped)",
           d->registry_url, gateway_port(d->gateway), kf_mock_bootstrap(d->kafka));
    for (size_t i = 0; i < d->n_lanes; i++)
        printf("%s%s", i == 0 ? ", loading into Postgres: " : ", ", d->lanes[i].topic);
    if (d->n_lanes == 0)
        printf(", nothing is loaded (%s)", d->s->topics.n == 0
                                               ? "--topics says what"
                                               : "AVROGATE_WAREHOUSE says where");
    printf("\n");
    fflush(stdout);
}

static enum err_kind open_all(struct dev *d, struct err *e)
{
    int64_t deadline = clock_ms() + READY_MS;

    TRY(open_kafka(d, e));
    TRY(open_registry(d, e));
    TRY(wait_until_ready(registry_port(d->registry), deadline, e));
    TRY(open_gateway(d, e));
    TRY(wait_until_ready(gateway_port(d->gateway), deadline, e));
    return open_lanes(d, e);
}

/* --- running and ending -*/

static void mourn_ended(struct dev *d)
{
    for (size_t i = 0; i < d->n_lanes; i++) {
        struct loader_state now;
        loader_state(d->lanes[i].loader, &now);
        if (now.phase != LOADER_ENDED || d->lanes[i].mourned)
            continue;
        d->lanes[i].mourned = true;
        fprintf(stderr, "avrogate dev: the loader of %s ended: %s\n", d->lanes[i].topic,
                now.why);
    }
}

static void wait_for_signal(struct dev *d, const sigset_t *signals)
{
    const struct timespec look = {0, LOOK_MS * 1000000L};

    while (sigtimedwait(signals, NULL, &look) < 0)
        mourn_ended(d);
}

/* What the Kafka holds goes with it: the loaders get a moment to take it. */
static void let_loaders_finish(struct dev *d)
{
    int64_t deadline = clock_ms() + LOADED_MS;

    for (size_t i = 0; i < d->n_lanes; i++) {
        const struct lane *l = &d->lanes[i];
        while (dev_room_held(&d->room, l->topic) > 0 && !l->mourned &&
               clock_ms() < deadline) {
            usleep(LOOK_MS * 1000);
            mourn_ended(d);
        }
        size_t left = dev_room_held(&d->room, l->topic);
        if (left > 0)
            fprintf(
                stderr,
                "avrogate dev: about %zu bytes of %s were not loaded and are gone\n",
                left, l->topic);
        else if (l->loader != NULL)
            loader_finish(l->loader);
    }
}

static void sum_up(const struct lane *l)
{
    struct loader_state end;

    loader_state(l->loader, &end);
    printf("%s: %" PRId64 " rows loaded, %" PRId64 " set aside\n", l->topic, end.loaded,
           end.rejected);
}

static void close_lane(struct lane *l)
{
    if (l->loader != NULL) {
        loader_end(l->loader);
        sum_up(l);
        loader_close(l->loader);
    }
    conf_free(&l->conf);
}

/* Closes what open_all() got to. */
static void close_all(struct dev *d)
{
    if (d->gateway != NULL)
        gateway_close(d->gateway);
    let_loaders_finish(d);
    for (size_t i = 0; i < d->n_lanes; i++)
        close_lane(&d->lanes[i]);
    free(d->lanes);
    if (d->registry != NULL)
        registry_close(d->registry);
    if (d->kafka != NULL)
        kf_mock_close(d->kafka);
    conf_free(&d->gateway_conf);
    conf_free(&d->registry_conf);
    dev_room_free(&d->room);
}

static enum err_kind run(const struct dev_settings *s, struct err *e)
{
    struct dev d = {.s = s};
    enum log_level level;
    sigset_t signals;

    TRY(log_level_read(&level, span_str(s->log_level), e));
    log_set_level(level);
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    pthread_sigmask(SIG_BLOCK, &signals, NULL); // every thread after this inherits it
    signal(SIGPIPE, SIG_IGN);
    dev_room_init(&d.room, ROOM, loaded);
    enum err_kind rc = open_all(&d, e);
    if (rc == ERR_OK) {
        say_ready(&d);
        wait_for_signal(&d, &signals);
    }
    close_all(&d);
    return rc;
}

int cmd_dev(int argc, char **argv)
{
    struct dev_settings s = {0};
    enum conf_outcome outcome = CONF_RUN;
    struct conf c = {0};
    struct err e = {0};

    enum err_kind rc = conf_read(&c, &program, argc, argv, &s, &outcome, &e);
    if (rc == ERR_OK && outcome == CONF_RUN)
        rc = run(&s, &e);
    if (rc != ERR_OK)
        fprintf(stderr, "avrogate dev: %s\n", e.msg);
    conf_free(&c);
    return rc == ERR_OK ? 0 : rc == ERR_INVALID ? 2 : 1;
}
