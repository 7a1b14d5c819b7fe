#include "http/server_inside.h"

#include "base/clock.h"

#include <assert.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define WORKERS 16

static size_t core_count(void)
{
    long n = sysconf(_SC_NPROCESSORS_ONLN);

    return n > 0 ? (size_t)n : 1;
}

static size_t workers_wanted(const struct http_settings *s, const struct http_app *app)
{
    for (size_t i = 0; i < app->nroutes; i++)
        if (app->routes[i].flags & HTTP_MAY_BLOCK)
            return s->workers > 0 ? s->workers : WORKERS;
    return 0;
}

static void check_limits(const struct http_limits *l)
{
    assert(l->head >= 64 && l->head <= LOOP_IN / 2);
    assert(l->body_rate > 0 && l->write_rate > 0);
    assert(l->connections > 0 && l->queue > 0 && l->fields > 0);
}

static struct http_server *make(const struct http_settings *settings,
                                struct http_app *app)
{
    struct http_server *s = mem_alloc(sizeof *s);

    check_limits(&settings->limits);
    s->app = app;
    s->tls = settings->tls;
    s->limits = settings->limits;
    s->head_limits =
        (struct http_head_limits){s->limits.head, s->limits.target, s->limits.fields};
    s->routes = http_routes_make(app->routes, app->nroutes);
    s->nlisten = settings->nlisten;
    s->ports = mem_array(s->nlisten, sizeof *s->ports);
    s->nloops = settings->loops > 0 ? settings->loops : core_count();
    s->loops = mem_array(s->nloops, sizeof *s->loops);
    pthread_mutex_init(&s->lock, NULL);
    clock_cond_init(&s->emptier);
    return s;
}

static void unmake(struct http_server *s)
{
    pthread_cond_destroy(&s->emptier);
    pthread_mutex_destroy(&s->lock);
    free(s->loops);
    free(s->ports);
    http_routes_free(s->routes);
    free(s);
}

enum err_kind http_server_open(struct http_server **out,
                               const struct http_settings *settings,
                               struct http_app *app, struct err *e)
{
    struct http_server *s = make(settings, app);
    enum err_kind rc = accept_open(&s->accepting, s, settings, e);

    if (rc != ERR_OK) {
        unmake(s);
        return rc;
    }
    *out = s; // before the first thread: a handler may ask for our counters
    work_start(s, workers_wanted(settings, app));
    for (size_t i = 0; i < s->nloops; i++)
        loop_start(&s->loops[i], s);
    accept_start(s->accepting);
    return ERR_OK;
}

uint16_t http_server_port(const struct http_server *s, size_t i)
{
    assert(i < s->nlisten);
    return s->ports[i];
}

static void wake_all(struct http_server *s)
{
    for (size_t i = 0; i < s->nloops; i++)
        loop_wake(&s->loops[i]);
}

static void wait_until_empty(struct http_server *s, int64_t ms)
{
    int64_t until = clock_ms() + ms;
    struct timespec t = {until / 1000, until % 1000 * 1000000};

    pthread_mutex_lock(&s->lock);
    while (atomic_load(&s->open) > 0 && clock_ms() < until)
        pthread_cond_timedwait(&s->emptier, &s->lock, &t);
    pthread_mutex_unlock(&s->lock);
}

void http_server_drain(struct http_server *s, int64_t within_ms)
{
    assert(!s->drained);
    s->drained = true;
    accept_stop(s->accepting);
    atomic_store(&s->draining, true);
    wake_all(s);
    wait_until_empty(s, within_ms);
    atomic_store(&s->cut, true);
    wake_all(s);
    wait_until_empty(s, s->limits.linger_ms); // for the 504s to be read
}

void http_server_close(struct http_server *s)
{
    if (!s->drained)
        http_server_drain(s, s->limits.request_ms);
    atomic_store(&s->stopping, true);
    for (size_t i = 0; i < s->nloops; i++)
        loop_join(&s->loops[i]);
    work_stop(s);
    for (size_t i = 0; i < s->nloops; i++)
        loop_free(&s->loops[i]);
    accept_free(s->accepting);
    unmake(s);
}

/* Where each counter of a loop is shown. */
static uint64_t *shown_at(struct http_counters *out, enum count what)
{
    switch (what) {
    case COUNT_IN_FLIGHT: return &out->in_flight;
    case COUNT_REQUESTS: return &out->requests;
    case COUNT_MALFORMED: return &out->malformed;
    case COUNT_OVER_CAP: return &out->over_cap;
    case COUNT_OVER_BODIES: return &out->over_bodies;
    case COUNT_OVER_QUEUE: return &out->over_queue;
    case COUNT_BAD_HANDSHAKE: return &out->bad_handshakes;
    case COUNT_LATE_HEAD: return &out->late_head;
    case COUNT_LATE_BODY: return &out->late_body;
    case COUNT_LATE_IDLE: return &out->late_idle;
    case COUNT_LATE_WRITE: return &out->late_write;
    case COUNT_LATE_REQUEST: return &out->late_request;
    case COUNT_GONE: return &out->gone;
    case COUNT_BYTES_IN: return &out->bytes_in;
    case COUNT_BYTES_OUT: return &out->bytes_out;
    default: return &out->by_class[what - COUNT_CLASS];
    }
}

void http_server_counters(const struct http_server *s, struct http_counters *out)
{
    struct http_server *t = (struct http_server *)(uintptr_t)s; // to read its atomics

    *out = (struct http_counters){0};
    for (size_t i = 0; i < t->nloops; i++)
        for (int what = 0; what < COUNTS; what++)
            *shown_at(out, (enum count)what) +=
                atomic_load_explicit(&t->loops[i].counts[what], memory_order_relaxed);
    accept_counts(t->accepting, out);
    out->open = atomic_load(&t->open); // after `accepted`, see accept.c
    out->body_bytes = atomic_load(&t->bodies);
    pthread_mutex_lock(&t->work.lock);
    out->queued = t->work.n;
    pthread_mutex_unlock(&t->work.lock);
}
