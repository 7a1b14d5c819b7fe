/*
 * http_house.h - a server with a small program behind it, and a client that says bytes
 * and hears answers: what the server's tests share.
 */
#pragma once

#include "http/server.h"

#include "base/clock.h"
#include "tests/check.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define PATIENCE 60000
#define KEPT 1024

/* The program under test: answers at once, keeps requests, or blocks. */
struct program {
    struct http_app app;
    pthread_mutex_t lock;
    pthread_cond_t more;
    // under lock
    struct http_req *kept[KEPT];
    size_t nkept;
    struct http_done last; // spans not to be followed
    size_t ndone;
    bool closed_door;
    sem_t gate; // one post lets one request through
};

static inline struct program *program_of(struct http_app *app)
{
    return (struct program *)app;
}

static inline void say_pong(struct http_app *app, struct http_req *r)
{
    (void)app;
    http_answer(r, 200, "text/plain", span_str("pong"));
}

static inline void say_back(struct http_app *app, struct http_req *r)
{
    (void)app;
    http_answer_header(r, "X-Method", span_str(http_method_name(r->method)));
    http_answer(r, 200, "application/octet-stream", r->body);
}

static inline void say_parts(struct http_app *app, struct http_req *r)
{
    struct buf out = BUF_INIT(4096);
    struct span q = span_str("-");

    (void)app;
    http_param(r, "q", &q);
    buf_printf(&out, SPAN_FMT "|" SPAN_FMT "|" SPAN_FMT, SPAN_ARG(http_part(r, "a")),
               SPAN_ARG(http_part(r, "b")), SPAN_ARG(q));
    http_answer_take(r, 200, "text/plain", &out);
}

static inline void keep(struct http_app *app, struct http_req *r)
{
    struct program *p = program_of(app);

    pthread_mutex_lock(&p->lock);
    p->kept[p->nkept++] = r;
    pthread_cond_signal(&p->more);
    pthread_mutex_unlock(&p->lock);
}

static inline void say_nothing(struct http_app *app, struct http_req *r)
{
    (void)app;
    http_answer(r, 204, NULL, (struct span){0});
}

static inline void say_much(struct http_app *app, struct http_req *r)
{
    struct buf out = BUF_INIT(8 << 20);
    uint8_t *p = buf_room(&out, 8 << 20);

    (void)app;
    memset(p, 'x', 8 << 20);
    buf_added(&out, 8 << 20);
    http_answer_take(r, 200, "text/plain", &out);
}

static inline void sleep_a_little(struct http_app *app, struct http_req *r)
{
    usleep(2000);
    say_pong(app, r);
}

static inline void wait_at_the_gate(struct http_app *app, struct http_req *r)
{
    while (sem_wait(&program_of(app)->gate) != 0)
        ;
    say_pong(app, r);
}

static const struct http_route routes[] = {
    {.method = HTTP_GET, .pattern = "/ping", .handler = say_pong},
    {.method = HTTP_GET,
     .pattern = "/healthz",
     .handler = say_pong,
     .flags = HTTP_ALWAYS},
    {.method = HTTP_POST, .pattern = "/echo", .handler = say_back},
    {.method = HTTP_POST, .pattern = "/small", .handler = say_back, .body_max = 10},
    {.method = HTTP_GET, .pattern = "/of/{a}/and/{b}", .handler = say_parts},
    {.method = HTTP_GET, .pattern = "/kept", .handler = keep},
    {.method = HTTP_POST, .pattern = "/kept", .handler = keep},
    {.method = HTTP_DELETE, .pattern = "/nothing", .handler = say_nothing},
    {.method = HTTP_GET, .pattern = "/much", .handler = say_much},
    {.method = HTTP_GET,
     .pattern = "/slow",
     .handler = sleep_a_little,
     .flags = HTTP_MAY_BLOCK},
    {.method = HTTP_GET,
     .pattern = "/gate",
     .handler = wait_at_the_gate,
     .flags = HTTP_MAY_BLOCK},
    {.method = HTTP_POST,
     .pattern = "/work",
     .handler = say_back,
     .flags = HTTP_MAY_BLOCK},
};

static inline void note_done(struct http_app *app, const struct http_done *d)
{
    struct program *p = program_of(app);

    pthread_mutex_lock(&p->lock);
    p->last = *d;
    p->ndone++;
    pthread_cond_signal(&p->more);
    pthread_mutex_unlock(&p->lock);
}

static inline void ask_at_the_door(struct http_app *app, struct http_req *r)
{
    struct program *p = program_of(app);

    pthread_mutex_lock(&p->lock);
    bool closed = p->closed_door;
    pthread_mutex_unlock(&p->lock);
    if (closed) {
        http_answer_retry_after(r, 3);
        http_answer_error(r, 429, 42900, "too \"fast\"");
    }
}

struct house { // a server and its program
    struct program p;
    struct http_server *s;
    struct http_limits limits;
    size_t loops;
    int (*expired)(struct http_app *app, const struct http_req *r, struct buf *body);
};

static inline void open_house(struct house *h)
{
    static const char *const listen[] = {"127.0.0.1:0"};
    struct http_settings settings = {.listen = listen,
                                     .nlisten = 1,
                                     .loops = h->loops,
                                     .workers = 4,
                                     .limits = h->limits};
    struct err e = {0};

    h->p.app = (struct http_app){.routes = routes,
                                 .nroutes = sizeof routes / sizeof *routes,
                                 .admit = ask_at_the_door,
                                 .expired = h->expired,
                                 .done = note_done};
    pthread_mutex_init(&h->p.lock, NULL);
    pthread_cond_init(&h->p.more, NULL);
    sem_init(&h->p.gate, 0, 0);
    if (http_server_open(&h->s, &settings, &h->p.app, &e) != ERR_OK) {
        printf("%s\n", e.msg);
        abort();
    }
}

static inline void close_house(struct house *h)
{
    http_server_close(h->s);
    sem_destroy(&h->p.gate);
    pthread_cond_destroy(&h->p.more);
    pthread_mutex_destroy(&h->p.lock);
}

#define HOUSE()                           \
    {                                     \
        .limits = HTTP_LIMITS, .loops = 2 \
    }

static inline int dial(const struct house *h)
{
    struct sockaddr_in a = {.sin_family = AF_INET,
                            .sin_port = htons(http_server_port(h->s, 0)),
                            .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct timeval patience = {PATIENCE / 1000, 0};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    if (connect(fd, (struct sockaddr *)&a, sizeof a) != 0)
        abort();
    return fd;
}

static inline bool say(int fd, struct span s)
{
    while (s.n > 0) {
        ssize_t n = send(fd, s.p, s.n, MSG_NOSIGNAL);
        if (n <= 0)
            return false;
        s = span_skip(s, (size_t)n);
    }
    return true;
}

/* One answer, as a client takes it apart. */
struct answer {
    int status;      // 0: the connection ended instead; -1: nothing in PATIENCE
    char head[2048]; // NUL-terminated
    struct buf body;
};

static inline void answer_free(struct answer *a)
{
    buf_free(&a->body);
}

/* One byte at a time: what follows belongs to the next answer. */
static inline bool hear_head(int fd, struct answer *a)
{
    size_t n = 0;

    while (n + 1 < sizeof a->head) {
        ssize_t got = recv(fd, a->head + n, 1, 0);
        if (got <= 0) {
            a->status = got == 0 || errno == ECONNRESET ? 0 : -1;
            return false;
        }
        a->head[++n] = '\0';
        if (n >= 4 && memcmp(a->head + n - 4, "\r\n\r\n", 4) == 0)
            return true;
    }
    return false;
}

static inline void hear_with(int fd, struct answer *a, bool no_body)
{
    *a = (struct answer){.body = BUF_INIT(64 << 20)};
    if (!hear_head(fd, a))
        return;
    a->status = atoi(a->head + 9);
    const char *length = strstr(a->head, "Content-Length: ");
    size_t left = length == NULL || no_body ? 0 : strtoul(length + 16, NULL, 10);
    while (left > 0) {
        uint8_t *p = buf_room(&a->body, left);
        ssize_t got = recv(fd, p, left, 0);
        if (got <= 0) {
            a->status = -2; // cut off
            return;
        }
        buf_added(&a->body, (size_t)got);
        left -= (size_t)got;
    }
}

static inline void hear(int fd, struct answer *a)
{
    hear_with(fd, a, false);
}

static inline bool is_closed(int fd)
{
    char c;
    ssize_t n = recv(fd, &c, 1, 0);

    return n == 0 || (n < 0 && errno == ECONNRESET);
}

/* Asks on `fd` and checks status and body. */
static inline void ask(int fd, const char *request, int status, const char *body)
{
    struct answer a;

    CHECK(say(fd, span_str(request)));
    hear(fd, &a);
    CHECK_INT(a.status, status);
    if (body != NULL)
        CHECK_SPAN(buf_span(&a.body), body);
    answer_free(&a);
}

#define GET(path) "GET " path " HTTP/1.1\r\nHost: here\r\n\r\n"

static inline struct http_req *take_kept(struct house *h)
{
    pthread_mutex_lock(&h->p.lock);
    while (h->p.nkept == 0)
        pthread_cond_wait(&h->p.more, &h->p.lock);
    struct http_req *r = h->p.kept[--h->p.nkept];
    pthread_mutex_unlock(&h->p.lock);
    return r;
}

/* Waits until `counter` of the server is at least `want`. */
static inline bool comes_to(struct house *h, size_t offset, uint64_t want)
{
    int64_t until = clock_ms() + PATIENCE;
    struct http_counters n;
    uint64_t v;

    do {
        http_server_counters(h->s, &n);
        memcpy(&v, (const char *)&n + offset, sizeof v);
        if (v >= want)
            return true;
        usleep(1000);
    } while (clock_ms() < until);
    return false;
}

#define COMES_TO(h, field, want) \
    CHECK(comes_to((h), offsetof(struct http_counters, field), (want)))

static inline uint64_t open_now(struct house *h)
{
    struct http_counters n;

    http_server_counters(h->s, &n);
    return n.open;
}

static inline bool all_closed(struct house *h)
{
    int64_t until = clock_ms() + PATIENCE;

    while (open_now(h) > 0 && clock_ms() < until)
        usleep(1000);
    return open_now(h) == 0;
}
