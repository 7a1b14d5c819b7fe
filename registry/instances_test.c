/*
 * What an instance does with a holder of the pen that is not as it should be: the fence
 * names a ghost, a server of ours that answers what a row says.  On librdkafka's mock
 * cluster, which does not fence; tests/integration/registry_pen_test.py has a real one.
 */
#include "base/clock.h"
#include "http/client.h"
#include "kafka/mock.h"
#include "kafka/producer.h"
#include "registry/append.h"
#include "registry/run.h"
#include "tests/check.h"

#include <arpa/inet.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define TOPIC "_schemas"
#define PATIENCE_MS 30000

/* ---- the ghost ---- */

struct ghost {
    int fd;
    uint16_t port;
    pthread_t thread;
    atomic_bool stop;
    pthread_mutex_t lock;
    // under lock
    const char *says; // NULL: nothing, for ever
    char heard[4096]; // the last request
};

static bool readable(int fd, int ms)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};

    return poll(&p, 1, ms) == 1;
}

/* One whole request, which is short. */
static void hear(struct ghost *g, int fd)
{
    char text[sizeof g->heard] = "";
    size_t n = 0;

    while (n < sizeof text - 1 && readable(fd, 200)) {
        ssize_t got = read(fd, text + n, sizeof text - 1 - n);
        if (got <= 0)
            break;
        n += (size_t)got;
        text[n] = 0;
        if (strstr(text, "\r\n\r\n{") != NULL)
            break;
    }
    pthread_mutex_lock(&g->lock);
    memcpy(g->heard, text, n + 1);
    pthread_mutex_unlock(&g->lock);
}

static void answer(struct ghost *g, int fd)
{
    pthread_mutex_lock(&g->lock);
    const char *says = g->says;
    pthread_mutex_unlock(&g->lock);

    if (says != NULL && write(fd, says, strlen(says)) != (ssize_t)strlen(says))
        abort(); // the other side hung up on a few bytes
    if (says == NULL)
        (void)readable(fd, PATIENCE_MS); // until it is given up
}

static void *haunt(void *ghost)
{
    struct ghost *g = ghost;

    while (!atomic_load(&g->stop)) {
        if (!readable(g->fd, 20))
            continue;
        int fd = accept(g->fd, NULL, NULL);
        hear(g, fd);
        answer(g, fd);
        close(fd);
    }
    return NULL;
}

static void open_ghost(struct ghost *g)
{
    struct sockaddr_in at = {.sin_family = AF_INET,
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof at;

    *g = (struct ghost){.fd = socket(AF_INET, SOCK_STREAM, 0)};
    pthread_mutex_init(&g->lock, NULL);
    if (bind(g->fd, (struct sockaddr *)&at, sizeof at) != 0 || listen(g->fd, 8) != 0 ||
        getsockname(g->fd, (struct sockaddr *)&at, &n) != 0 ||
        pthread_create(&g->thread, NULL, haunt, g) != 0)
        abort();
    g->port = ntohs(at.sin_port);
}

static void close_ghost(struct ghost *g)
{
    atomic_store(&g->stop, true);
    pthread_join(g->thread, NULL);
    close(g->fd);
    pthread_mutex_destroy(&g->lock);
}

static void will_say(struct ghost *g, const char *says)
{
    pthread_mutex_lock(&g->lock);
    g->says = says;
    g->heard[0] = 0;
    pthread_mutex_unlock(&g->lock);
}

static bool was_told(struct ghost *g, const char *words)
{
    pthread_mutex_lock(&g->lock);
    bool there = strcasestr(g->heard, words) != NULL;
    pthread_mutex_unlock(&g->lock);
    return there;
}

/* ---- the instance ---- */

struct house {
    struct kf_mock *kafka;
    struct kf_producer *others; // who writes into the topic beside us
    struct registry *registry;
    struct registry_settings settings;
    struct http_client *client;
    const char *listen[1];
    struct ghost ghost;
};

static void check_ok(enum err_kind rc, const struct err *e)
{
    CHECK_INT(rc, ERR_OK);
    if (rc != ERR_OK)
        printf("    %s\n", e->msg);
}

static struct http_field field(const char *name, const char *value)
{
    return (struct http_field){span_str(name), span_str(value)};
}

static void call(struct house *h, enum http_method m, const char *path,
                 const char *body, bool as_instance, struct http_reply *out)
{
    const struct http_field more[] = {
        field("Content-Type", "application/json"),
        field("Authorization", "Basic YTpi"),
        field("X-Registry-Reason", "because"),
        field(REG_FORWARDED, "somebody"),
    };
    char url[200];
    struct err e = {0};

    snprintf(url, sizeof url, "http://127.0.0.1:%d%s", registry_port(h->registry),
             path);
    struct http_call c = {.method = m,
                          .url = url,
                          .fields = more,
                          .nfields = as_instance ? 4 : 3,
                          .body = span_str(body),
                          .deadline_ms = clock_ms() + PATIENCE_MS};
    *out = (struct http_reply){0};
    check_ok(http_client_call(h->client, &c, out, &e), &e);
}

static bool says_metric(struct house *h, const char *line)
{
    struct http_reply r;
    struct buf text = BUF_INIT(1 << 20);

    call(h, HTTP_GET, "/metrics", "", false, &r);
    buf_put(&text, r.body);
    buf_put_u8(&text, 0);
    bool there = strstr((const char *)buf_span(&text).p, line) != NULL;
    buf_free(&text);
    http_reply_free(&r);
    return there;
}

static void wait_for(struct house *h, const char *line)
{
    int64_t due_ms = clock_ms() + PATIENCE_MS;

    while (!says_metric(h, line) && clock_ms() < due_ms)
        usleep(10000);
    CHECK(says_metric(h, line));
}

/* The first `unlucky` records into the topic are refused, for ever. */
static void open_house_unlucky(struct house *h, int unlucky)
{
    struct err e = {0};

    *h = (struct house){.listen = {"127.0.0.1:0"}};
    open_ghost(&h->ghost);
    check_ok(kf_mock_open(&h->kafka, 1, &e), &e);
    check_ok(kf_mock_topic(h->kafka, TOPIC, 1, &e), &e);
    kf_mock_fail_produce(h->kafka, "invalid_record", unlucky);
    const char *at = kf_mock_bootstrap(h->kafka);
    check_ok(kf_producer_open(&h->others, at, NULL, &e), &e);
    check_ok(http_client_open(&h->client, &(struct http_client_settings){0}, &e), &e);
    h->settings = (struct registry_settings){.listen = {h->listen, 1},
                                             .bootstrap = at,
                                             .topic = TOPIC,
                                             .advertise = "http://127.0.0.1:1",
                                             .forward_ms = 300,
                                             .write_ms = 10000,
                                             .drain_ms = 1000,
                                             .body = 1 << 20,
                                             .schema = 1 << 20,
                                             .bodies = 16 << 20,
                                             .connections = 100,
                                             .queue = 16,
                                             .loops = 2,
                                             .settings_may_be_untold = true};
    check_ok(registry_open(&h->registry, &h->settings, &e), &e);
    CHECK(registry_wait_ready(h->registry, PATIENCE_MS));
    wait_for(h, "\navrogate_registry_pen 1\n");
}

static void open_house(struct house *h)
{
    open_house_unlucky(h, 0);
}

static void close_house(struct house *h)
{
    registry_close(h->registry);
    http_client_close(h->client);
    kf_producer_close(h->others);
    kf_mock_close(h->kafka);
    close_ghost(&h->ghost);
}

static void ignore(struct kf_waiter *w, uint32_t i, const struct kf_report *r)
{
    (void)w, (void)i, (void)r;
}

/* The ghost takes the pen, as far as the log says. */
static void ghost_takes_the_pen(struct house *h)
{
    struct reg_fence f = {.epoch = 1, .instance = "ghost"};
    struct reg_event noop = {.kind = REG_NOOP};
    struct kf_header headers[REG_FENCE_HEADERS];
    struct kf_waiter w = {ignore};
    struct buf key = BUF_INIT(256);
    struct arena a = {0};
    struct err e = {0};

    snprintf(f.url, sizeof f.url, "http://127.0.0.1:%d", h->ghost.port);
    reg_fence_put(&f, headers, &a);
    reg_event_put_key(&key, &noop);
    struct kf_record r = {
        .key = buf_span(&key), .headers = headers, .n_headers = REG_FENCE_HEADERS};
    check_ok(kf_send(h->others, TOPIC, &r, &w, 0, &e), &e);
    CHECK(kf_flush(h->others, PATIENCE_MS));
    buf_free(&key);
    arena_free(&a);
    wait_for(h, "\navrogate_registry_pen 0\n");
}

static void check_post(struct house *h, int n, int status, const char *want)
{
    char path[60], body[120];
    struct http_reply r;

    snprintf(path, sizeof path, "/subjects/s%d/versions", n);
    snprintf(body, sizeof body,
             "{\"schema\":\"{\\\"type\\\":\\\"fixed\\\",\\\"name\\\":\\\"F%d\\\","
             "\\\"size\\\":1}\"}",
             n);
    call(h, HTTP_POST, path, body, false, &r);
    CHECK_INT(r.status, status);
    CHECK_SPAN(r.body, want);
    http_reply_free(&r);
}

#define HEAD(status, more) "HTTP/1.1 " status "\r\nConnection: close\r\n" more
#define EMPTY(status) HEAD(status, "Content-Length: 2\r\n\r\n{}")

static void who_does_not_write_for_us_loses_the_pen(void)
{
    static const struct {
        const char *why, *says;
    } rows[] = {
        {"it is not the holder", EMPTY("421 Misdirected Request")},
        {"it is starting or stopping", EMPTY("503 Service Unavailable")},
        {"it does not know the client", EMPTY("401 Unauthorized")},
        {"it does not let the client in", EMPTY("403 Forbidden")},
        {"it hangs up", ""},
        {"it speaks no HTTP", "hello\r\n\r\n"},
        {"it ends in the middle", HEAD("200 OK", "Content-Length: 99\r\n\r\n{\"id\"")},
        {"it says nothing", NULL},
    };
    struct house h;

    open_house(&h);
    check_post(&h, 0, 200, "{\"id\":1}");
    for (int i = 0; i < (int)(sizeof rows / sizeof *rows); i++) {
        char want[40];
        int before = check_failed;

        will_say(&h.ghost, rows[i].says);
        ghost_takes_the_pen(&h);
        snprintf(want, sizeof want, "{\"id\":%d}", i + 2);
        check_post(&h, i + 1, 200, want);
        CHECK(was_told(&h.ghost, "POST /subjects/s"));
        CHECK(says_metric(&h, "\navrogate_registry_pen 1\n"));
        if (check_failed != before)
            printf("    %s\n", rows[i].why);
    }
    close_house(&h);
}

static void what_the_holder_says_is_said(void)
{
    static const struct {
        const char *says;
        int status;
        const char *want;
    } rows[] = {
        {HEAD("200 OK", REG_SEEN ": 1\r\nContent-Length: 9\r\n\r\n{\"id\":77}"), 200,
         "{\"id\":77}"},
        {HEAD("409 Conflict", "Content-Length: 18\r\n\r\n{\"error_code\":409}"), 409,
         "{\"error_code\":409}"},
        {HEAD("503 Busy", REG_SEEN ": 1\r\nContent-Length: 2\r\n\r\n[]"), 503, "[]"},
        {HEAD("429 Slowly", "Retry-After: 7\r\nContent-Length: 2\r\n\r\n[]"), 429,
         "[]"},
    };
    struct house h;

    open_house(&h);
    ghost_takes_the_pen(&h);
    for (int i = 0; i < (int)(sizeof rows / sizeof *rows); i++) {
        will_say(&h.ghost, rows[i].says);
        check_post(&h, i, rows[i].status, rows[i].want);
    }
    CHECK(was_told(&h.ghost, "POST /subjects/s3/versions HTTP/1.1"));
    CHECK(was_told(&h.ghost, REG_FORWARDED ": "));
    CHECK(was_told(&h.ghost, "Authorization: Basic YTpi"));
    CHECK(was_told(&h.ghost, "X-Registry-Reason: because"));
    CHECK(says_metric(&h, "\navrogate_registry_pen 0\n"));
    close_house(&h);
}

static void who_is_asked_by_an_instance_asks_no_other(void)
{
    struct http_reply r;
    struct house h;

    open_house(&h);
    will_say(&h.ghost, EMPTY("200 OK"));
    ghost_takes_the_pen(&h);
    call(&h, HTTP_POST, "/subjects/s/versions", "{\"schema\":\"\\\"int\\\"\"}", true,
         &r);
    CHECK_INT(r.status, REG_NOT_THE_HOLDER);
    CHECK(!was_told(&h.ghost, "POST"));
    http_reply_free(&r);
    close_house(&h);
}

/* Nobody writes: without a write before it, the pen is there. */
static void who_could_not_take_the_pen_at_first_has_it_before_it_is_needed(void)
{
    struct house h;

    open_house_unlucky(&h, 2);
    CHECK(says_metric(&h, "_pen_takes_total{outcome=\"failed\"} 2\n"));
    check_post(&h, 0, 200, "{\"id\":1}");
    close_house(&h);
}

int main(void)
{
    RUN(who_could_not_take_the_pen_at_first_has_it_before_it_is_needed);
    RUN(who_does_not_write_for_us_loses_the_pen);
    RUN(what_the_holder_says_is_said);
    RUN(who_is_asked_by_an_instance_asks_no_other);
    return REPORT();
}
