#include "gateway/run.h"

#include "base/clock.h"
#include "base/log.h"
#include "gateway/gateway_inside.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define BALANCER_MS 1000 // between saying "not ready" and taking no more
#define WATCH_MS 100
#define ASK_EVERY 20 // watch rounds between two looks at registry and Kafka
#define ASK_SOON 3   // the same while something is away
#define ASK_MS 2000

#define AT(field) offsetof(struct gateway_settings, field)

static const struct conf_row rows[] = {
    {"listen", CONF_LIST, AT(listen), .fallback = "127.0.0.1:8082", .letter = 'l',
     .argument = "HOST:PORT",
     .help = "addresses to listen on; port 0 takes a free one"},
    {"bootstrap", CONF_TEXT, AT(bootstrap), .letter = 'b', .required = true,
     .argument = "HOST:PORT,...", .help = "Kafka brokers"},
    {"registry", CONF_LIST, AT(registry), .letter = 'r', .required = true,
     .argument = "URL,...",
     .help = "schema registry, ours or a Confluent-compatible one"},
    RC_LOGIN_ROWS(struct gateway_settings, login),
    {"on_error", CONF_CHOICE, AT(on_error), .choices = "reject|partial|dlq",
     .fallback = "reject",
     .help = "what a bad record does to its request, unless that says"},
    {"unknown_fields", CONF_CHOICE, AT(unknown_fields), .choices = "reject|ignore",
     .fallback = "reject", .help = "what fields do that the schema does not have"},
    {"bytes_as", CONF_CHOICE, AT(bytes_as), .choices = "base64|avro_json",
     .fallback = "base64", .help = "how bytes and fixed stand in JSON"},
    {"subject_name_strategy", CONF_CHOICE, AT(strategy),
     .choices = "topic|record|topic_record", .fallback = "topic",
     .help = "how a topic's subject is called"},
    {"contracts", CONF_CHOICE, AT(contracts), .choices = "enforce|observe|off",
     .fallback = "enforce",
     .help =
         "the rules stored with a schema: kept, counted and marked only, or unread"},
    {"limits.body", CONF_BYTES, AT(body), .fallback = "16MiB", .min = 1024,
     .max = 1 << 30, .help = "largest request body"},
    {"limits.records", CONF_INT, AT(records), .fallback = "100000", .min = 1,
     .max = 10000000, .help = "most records in a request"},
    {"limits.in_flight_bytes", CONF_BYTES, AT(in_flight_bytes), .fallback = "64MiB",
     .min = 1 << 16, .max = 1LL << 36,
     .help = "of bodies, and of records that wait for Kafka; 503 past it"},
    {"limits.in_flight_requests", CONF_INT, AT(in_flight_requests), .fallback = "10000",
     .min = 1, .max = 1000000, .help = "requests from head to answer; 503 past it"},
    {"limits.in_flight_records", CONF_INT, AT(in_flight_records), .fallback = "150000",
     .min = 1, .max = 10000000, .help = "records that wait for Kafka; 503 past it"},
    {"limits.share", CONF_INT, AT(share), .fallback = "80", .min = 1, .max = 100,
     .help = "percent of what may be in flight that one principal gets when alone; "
             "less, the fuller it is; 100 = no fairness"},
    {"limits.connections", CONF_INT, AT(connections), .fallback = "10000", .min = 1,
     .max = 1000000, .help = "open connections"},
    {"limits.unpack_ratio", CONF_INT, AT(unpack_ratio), .fallback = "200", .min = 2,
     .max = 100000,
     .help =
         "how many times as large as it came a body may become when it is unpacked"},
    {"headers", CONF_LIST, AT(headers), .fallback = "", .argument = "NAME,...",
     .help =
         "request headers that become record headers; X-App-* is all that begin so"},
    {"principal_header", CONF_TEXT, AT(principal_header), .argument = "NAME",
     .help = "record header that says who sent it; none unless given"},
    {"idempotency.memory", CONF_BYTES, AT(idempotency_bytes), .fallback = "64MiB",
     .min = 0, .max = 1LL << 36,
     .help = "of answers kept for an Idempotency-Key that comes again"},
    {"idempotency.ttl", CONF_DURATION, AT(idempotency_ms), .fallback = "1d",
     .min = 1000, .max = 7 * 86400000LL, .help = "how long they are kept"},
    GUARD_ROWS(struct gateway_settings, guard),
    {"registry_timeout", CONF_DURATION, AT(registry_ms), .fallback = "5s", .min = 10,
     .max = 20000, .help = "wait for the registry where the schema is not at hand"},
    {"schema_ttl", CONF_DURATION, AT(schema_ttl_ms), .fallback = "5s", .min = 100,
     .max = 86400000, .help = "how long a subject's latest version is believed"},
    {"drain_timeout", CONF_DURATION, AT(drain_ms), .fallback = "15s", .min = 100,
     .max = 600000, .help = "for requests in flight when stopping"},
    {"threads", CONF_INT, AT(threads), .fallback = "0", .min = 0, .max = 256,
     .help = "event loops; 0 = one a core"},
    {"workers", CONF_INT, AT(workers), .fallback = "8", .min = 1, .max = 256,
     .help = "threads that may wait for registry and Kafka"},
    {"access_log", CONF_CHOICE, AT(access_log), .choices = "none|errors|all",
     .fallback = "errors", .help = "requests to log"},
    {"log_level", CONF_TEXT, AT(log_level), .fallback = "info",
     .help = "debug, info, warn or error"},
    {"kafka", CONF_PAIRS, AT(kafka), .help = "any librdkafka property"},
    {0}};

const struct conf_program gateway_program = {
    .name = "avrogate gateway",
    .about =
        "Takes records by POST, checks each against the Avro schema of its subject, "
        "and\n"
        "publishes them to Kafka.  200 means Kafka has every record of the request.",
    .examples =
        "  avrogate gateway --bootstrap 127.0.0.1:9092 --registry "
        "http://127.0.0.1:8081\n"
        "  curl -d '{\"id\":7}' -H 'Content-Type: application/json' \\\n"
        "       http://127.0.0.1:8082/v1/topics/orders/records\n"
        "  curl --data-binary @orders.csv -H 'Content-Type: text/csv' \\\n"
        "       'http://127.0.0.1:8082/v1/topics/orders/records?on_error=partial'\n",
    .rows = rows,
};

static void set_not_ready(struct gateway *g, const char *why)
{
    pthread_mutex_lock(&g->ready_lock);
    snprintf(g->not_ready, sizeof g->not_ready, "%s", why);
    pthread_mutex_unlock(&g->ready_lock);
}

/* Registry and Kafka, asked now and then, so that /readyz answers from memory. */
static void look_around(struct gateway *g)
{
    struct err e = {0};

    if (kf_ping(g->admin, ASK_MS, &e) != ERR_OK) {
        err_prefix(&e, "kafka");
        set_not_ready(g, e.msg);
    } else if (rc_ping(g->rc, clock_ms() + ASK_MS, &e) != ERR_OK) {
        set_not_ready(g, e.msg);
    } else {
        set_not_ready(g, "");
    }
}

/* Requests whose reports come together are answered together. */
static enum err_kind open_producer(struct gateway *g, struct kf_producer **out,
                                   struct err *e)
{
    static const struct kf_together answers = {http_answers_hold, http_answers_release};

    TRY(kf_producer_open(out, g->s->bootstrap, &g->s->kafka, e));
    kf_report_together(*out, &answers);
    return ERR_OK;
}

/* A producer that died of a fatal error is replaced; those who sent with it get
 * reports. */
static void mend_producer(struct gateway *g)
{
    struct kf_producer *fresh = NULL, *dead;
    struct err e = {0};

    pthread_rwlock_rdlock(&g->producer_lock);
    bool healthy = g->producer != NULL && kf_healthy(g->producer);
    pthread_rwlock_unlock(&g->producer_lock);
    if (healthy)
        return;
    if (open_producer(g, &fresh, &e) != ERR_OK) {
        log_err(LOG_ERROR, "no new producer", &e);
        return;
    }
    pthread_rwlock_wrlock(&g->producer_lock);
    dead = g->producer;
    g->producer = fresh;
    pthread_rwlock_unlock(&g->producer_lock);
    log_event(LOG_WARN, "producer rebuilt after a fatal error", LOG_END);
    if (dead != NULL)
        kf_producer_close(dead);
}

static void *watch(void *arg)
{
    struct gateway *g = arg;

    for (unsigned round = 0; !atomic_load(&g->stopping); round++) {
        if (round % (g->not_ready[0] != '\0' ? ASK_SOON : ASK_EVERY) == 0)
            look_around(g); // which alone writes not_ready
        mend_producer(g);
        usleep(WATCH_MS * 1000);
    }
    return NULL;
}

static void *work(void *arg)
{
    struct gateway *g = arg;
    struct http_req *r;

    while ((r = queue_get(&g->waiting, -1)) != NULL)
        api_serve_waiting(g, r);
    return NULL;
}

static enum err_kind open_registry(struct gateway *g, struct err *e)
{
    const struct gateway_settings *s = g->s;
    const struct rc_options o = {.urls = s->registry.items,
                                 .n_urls = s->registry.n,
                                 .login = s->login,
                                 .latest_ttl_ms = s->schema_ttl_ms};

    return rc_open(&g->rc, &o, e);
}

static enum err_kind open_server(struct gateway *g, struct err *e)
{
    struct http_settings h = {.listen = g->s->listen.items,
                              .nlisten = g->s->listen.n,
                              .loops = (size_t)g->s->threads,
                              .tls = guard_tls(g->guard),
                              .limits = g->s->http};

    if (h.limits.head == 0)
        h.limits = HTTP_LIMITS;
    h.limits.body = (size_t)g->s->body;
    h.limits.connections = (size_t)g->s->connections;
    api_install(g);
    return http_server_open(&g->server, &h, &g->app, e);
}

static void set_up(struct gateway *g, const struct gateway_settings *s)
{
    const struct share_limits shares = {
        .most = {[SHARE_REQUESTS] = (size_t)s->in_flight_requests,
                 [SHARE_RECORDS] =
                     (size_t)(s->in_flight_records > 0 ? s->in_flight_records
                                                       : s->records),
                 [SHARE_BYTES] = (size_t)s->in_flight_bytes},
        .percent = s->share > 0 ? (int)s->share : 100};

    const struct replay_limits replay = {(size_t)s->idempotency_bytes,
                                         s->idempotency_ms};

    g->s = s;
    g->defaults = (struct ask_defaults){
        (enum on_error)s->on_error, (enum av_unknown)s->unknown_fields,
        (enum av_bytes_as)s->bytes_as, (enum subject_strategy)s->strategy};
    g->batch = (struct gw_batch_limits){
        .records = (size_t)s->records, .frames = (size_t)s->body * 4, .problems = 1000};
    codecs_init(&g->codecs, 1000);
    contracts_init(&g->contracts, 1000, (enum contracts_mode)s->contracts);
    shares_init(&g->shares, &shares);
    replay_init(&g->replay, &replay);
    queue_init(&g->waiting, GATEWAY_WAITING);
    pthread_rwlock_init(&g->producer_lock, NULL);
    pthread_mutex_init(&g->ready_lock, NULL);
    pthread_mutex_init(&g->rest_lock, NULL);
    set_not_ready(g, "starting");
    count_install();
}

static void start_threads(struct gateway *g)
{
    g->n_workers = (size_t)g->s->workers;
    g->workers = mem_array(g->n_workers, sizeof *g->workers);
    for (size_t i = 0; i < g->n_workers; i++)
        pthread_create(&g->workers[i], NULL, work, g);
    pthread_create(&g->watch, NULL, watch, g);
}

static void stop_threads(struct gateway *g)
{
    atomic_store(&g->stopping, true);
    queue_close(&g->waiting);
    for (size_t i = 0; i < g->n_workers; i++)
        pthread_join(g->workers[i], NULL);
    if (g->n_workers > 0)
        pthread_join(g->watch, NULL);
}

/* Takes down what open_edges() got to, whatever that was. */
static void take_down(struct gateway *g)
{
    if (g->producer != NULL)
        kf_producer_close(g->producer);
    if (g->admin != NULL) {
        topics_free(&g->topics);
        kf_admin_close(g->admin);
    }
    rc_close(g->rc);
    guard_close(g->guard);
    codecs_free(&g->codecs);
    contracts_free(&g->contracts);
    shares_free(&g->shares);
    replay_free(&g->replay);
    rest_free(g);
    queue_free(&g->waiting);
    pthread_rwlock_destroy(&g->producer_lock);
    pthread_mutex_destroy(&g->ready_lock);
    free(g->workers);
    free(g);
}

/* The cluster's own policy says whether a topic that has a schema is made when it is
 * first asked for; a user's property of that name wins. */
static enum err_kind open_admin(struct gateway *g, struct err *e)
{
    const struct conf_pairs *given = &g->s->kafka;
    struct conf_pair *items = mem_array(given->n + 1, sizeof *items);
    const struct conf_pairs with = {items, given->n + 1};

    items[0] = (struct conf_pair){.name = "allow.auto.create.topics", .value = "true"};
    if (given->n > 0)
        memcpy(items + 1, given->items, given->n * sizeof *items);
    enum err_kind rc = kf_admin_open(&g->admin, g->s->bootstrap, &with, e);
    free(items);
    return rc;
}

static enum err_kind open_edges(struct gateway *g, struct err *e)
{
    TRY(carry_check(&g->s->headers, e));
    TRY(guard_open(&g->guard, &g->s->guard, e));
    TRY(open_admin(g, e));
    topics_init(&g->topics, g->admin, ASK_MS);
    TRY(open_producer(g, &g->producer, e));
    TRY(open_registry(g, e));
    g->batch.record = kf_largest(g->producer);
    start_threads(g);
    return open_server(g, e);
}

enum err_kind gateway_open(struct gateway **out, const struct gateway_settings *s,
                           struct err *e)
{
    struct gateway *g = mem_alloc(sizeof *g);

    set_up(g, s);
    enum err_kind rc = open_edges(g, e);
    if (rc != ERR_OK) {
        stop_threads(g);
        take_down(g);
        return rc;
    }
    *out = g;
    return ERR_OK;
}

uint16_t gateway_port(const struct gateway *g)
{
    return http_server_port(g->server, 0);
}

void gateway_close(struct gateway *g)
{
    atomic_store(&g->draining, true);
    http_server_drain(g->server, g->s->drain_ms);
    stop_threads(g);
    if (!kf_flush(g->producer, (int)g->s->drain_ms))
        log_event(LOG_WARN,
                  "some records had no report when the time to drain was over",
                  LOG_I("left", kf_in_flight(g->producer)), LOG_END);
    kf_producer_close(g->producer); // reports what is left, which answers every request
    g->producer = NULL;
    http_server_close(g->server);
    take_down(g);
}

static void wait_for_signal(struct gateway *g, const sigset_t *signals)
{
    int which;

    while (sigwait(signals, &which) != 0 || which == SIGHUP)
        guard_reload(g->guard);
    log_event(LOG_INFO, "stopping", LOG_S("signal", strsignal(which)), LOG_END);
}

static int run(const struct gateway_settings *s)
{
    struct gateway *g;
    struct err e = {0};
    sigset_t signals;

    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGHUP);
    pthread_sigmask(SIG_BLOCK, &signals, NULL); // every thread after this inherits it
    signal(SIGPIPE, SIG_IGN);
    if (gateway_open(&g, s, &e) != ERR_OK) {
        fprintf(stderr, "avrogate gateway: %s\n", e.msg);
        return 1;
    }
    log_event(LOG_INFO, "gateway listens", LOG_S("address", s->listen.items[0]),
              LOG_I("port", gateway_port(g)), LOG_S("kafka", s->bootstrap),
              LOG_S("registry", s->registry.items[0]), LOG_END);
    wait_for_signal(g, &signals);
    atomic_store(&g->draining, true);
    usleep(BALANCER_MS * 1000);
    gateway_close(g);
    return 0;
}

int cmd_gateway(int argc, char **argv)
{
    struct gateway_settings s = {0};
    enum conf_outcome outcome;
    enum log_level level;
    struct conf c;
    struct err e = {0};

    if (conf_read(&c, &gateway_program, argc, argv, &s, &outcome, &e) != ERR_OK ||
        (outcome == CONF_RUN &&
         log_level_read(&level, span_str(s.log_level), &e) != ERR_OK)) {
        fprintf(stderr, "avrogate gateway: %s\n", e.msg);
        conf_free(&c);
        return 2;
    }
    int rc = 0;
    if (outcome == CONF_RUN) {
        log_set_level(level);
        rc = run(&s);
    }
    conf_free(&c);
    return rc;
}
