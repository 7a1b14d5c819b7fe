/*
 * The server over real sockets: what is asked, byte for byte, and what comes back.
 */
#include "tests/http_house.h"

#include <sys/wait.h>

static void answers_one_request_after_the_other(void)
{
    struct house h = HOUSE();
    open_house(&h);
    int fd = dial(&h);

    for (int i = 0; i < 3; i++)
        ask(fd, GET("/ping"), 200, "pong");
    ask(fd, "POST /echo HTTP/1.1\r\nHost: here\r\nContent-Length: 5\r\n\r\nhello", 200,
        "hello");
    ask(fd, "POST /work HTTP/1.1\r\nHost: here\r\nContent-Length: 5\r\n\r\nhello", 200,
        "hello");
    ask(fd,
        "POST /echo HTTP/1.1\r\nHost: here\r\nTransfer-Encoding: chunked\r\n\r\n"
        "5;x=y\r\nhello\r\n1\r\n!\r\n0\r\nX-T: 1\r\n\r\n",
        200, "hello!");
    ask(fd, GET("/of/1%2F2/and/%c3%a9?q=a+b%21"), 200, "1/2|\xc3\xa9|a b!");
    close(fd);
    close_house(&h);
}

static void errors_are_json_objects(void)
{
    struct house h = HOUSE();
    open_house(&h);
    int fd = dial(&h);
    struct answer a;

    ask(fd, GET("/nowhere"), 404,
        "{\"error_code\":404,\"message\":\"nothing is at this path\"}");
    say(fd, span_str("DELETE /ping HTTP/1.1\r\nHost: here\r\n\r\n"));
    hear(fd, &a);
    CHECK_INT(a.status, 405);
    CHECK(strstr(a.head, "\r\nAllow: GET, HEAD\r\n") != NULL);
    CHECK(strstr(a.head, "\r\nContent-Type: application/json\r\n") != NULL);
    answer_free(&a);
    ask(fd, GET("/of/%zz/and/1"), 400, NULL);
    ask(fd, GET("/of/1/and/1?q=%"), 400, NULL);
    ask(fd, GET("/ping"), 200, "pong"); // none of these ends the connection
    COMES_TO(&h, by_class[4], 4);
    COMES_TO(&h, by_class[2], 1);
    close(fd);
    close_house(&h);
}

static void a_kept_request_is_answered_by_another_thread(void)
{
    struct house h = HOUSE();
    open_house(&h);
    int fd = dial(&h);

    for (int i = 0; i < 3; i++) {
        struct answer a;
        say(fd, span_str(GET("/kept")));
        struct http_req *r = take_kept(&h);
        CHECK(!http_gone(r));
        http_answer(r, 201, "text/plain", span_str("later"));
        hear(fd, &a);
        CHECK_INT(a.status, 201);
        CHECK_SPAN(buf_span(&a.body), "later");
        answer_free(&a);
    }
    close(fd);
    close_house(&h);
}

/* Whose value it is matters not: a line of it could be a header of its own. */
static void a_header_of_the_answer_stays_one_line(void)
{
    struct house h = HOUSE();
    open_house(&h);
    int fd = dial(&h);
    struct answer a;

    say(fd, span_str(GET("/kept")));
    struct http_req *r = take_kept(&h);
    http_answer_header(r, "X-Said", span_of("a\r\nSet-Cookie: b\0\t\xc3\xa9", 20));
    http_answer_header(r, "X-None", span_str(""));
    http_answer(r, 200, NULL, (struct span){0});
    hear(fd, &a);
    CHECK(strstr(a.head, "\r\nX-Said: a??Set-Cookie: b?\t\xc3\xa9\r\n") != NULL);
    CHECK(strstr(a.head, "\r\nX-None: \r\n") != NULL);
    answer_free(&a);
    close(fd);
    close_house(&h);
}

/* The body is not read, let alone waited for. */
static void a_body_too_long_is_refused_before_it_comes(void)
{
    struct house h = HOUSE();
    open_house(&h);
    int fd = dial(&h);

    ask(fd, "POST /small HTTP/1.1\r\nHost: here\r\nContent-Length: 11\r\n\r\n", 413,
        "{\"error_code\":413,\"message\":\"the body is longer than the 10 bytes taken "
        "here\"}");
    CHECK(is_closed(fd));
    close(fd);
    close_house(&h);
}

static void pipelined_requests_are_answered_in_order(void)
{
    struct house h = HOUSE();
    open_house(&h);
    int fd = dial(&h);
    struct answer a;

    say(fd, span_str(GET("/ping") GET("/kept") GET("/of/1/and/2") GET("/nowhere")
                         GET("/slow") "POST /echo HTTP/1.1\r\nHost: h\r\n"
                                      "Content-Length: 3\r\n\r\nend" GET("/ping")));
    hear(fd, &a);
    CHECK_SPAN(buf_span(&a.body), "pong");
    answer_free(&a);
    http_answer(take_kept(&h), 200, "text/plain", span_str("kept"));
    static const char *const bodies[] = {"kept", "1|2|-", NULL, "pong", "end", "pong"};
    for (size_t i = 0; i < 6; i++) {
        hear(fd, &a);
        CHECK_INT(a.status, bodies[i] == NULL ? 404 : 200);
        if (bodies[i] != NULL)
            CHECK_SPAN(buf_span(&a.body), bodies[i]);
        answer_free(&a);
    }
    close(fd);
    close_house(&h);
}

static void many_pipelined_requests_do_not_stop_the_others(void)
{
    struct house h = HOUSE();
    h.loops = 1;
    open_house(&h);
    int fd = dial(&h), other = dial(&h);
    struct buf many = BUF_INIT(1 << 20);

    for (int i = 0; i < 500; i++)
        buf_put_str(&many, GET("/ping"));
    say(fd, buf_span(&many));
    ask(other, GET("/ping"), 200, "pong");
    for (int i = 0; i < 500; i++) {
        struct answer a;
        hear(fd, &a);
        CHECK_INT(a.status, 200);
        answer_free(&a);
    }
    buf_free(&many);
    close(fd);
    close(other);
    close_house(&h);
}

static void each_byte_may_come_alone(void)
{
    static const char text[] =
        "POST /echo HTTP/1.1\r\nHost: here\r\nTransfer-Encoding: "
        "chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n";
    struct house h = HOUSE();
    open_house(&h);
    int fd = dial(&h);
    struct answer a;

    for (size_t i = 0; i + 1 < sizeof text; i++) {
        say(fd, span_of(text + i, 1));
        usleep(200);
    }
    hear(fd, &a);
    CHECK_INT(a.status, 200);
    CHECK_SPAN(buf_span(&a.body), "abcde");
    answer_free(&a);
    close(fd);
    close_house(&h);
}

static void head_is_get_without_the_body(void)
{
    struct house h = HOUSE();
    open_house(&h);
    int fd = dial(&h);
    struct answer a;

    say(fd, span_str("HEAD /ping HTTP/1.1\r\nHost: here\r\n\r\n"));
    hear_with(fd, &a, true);
    CHECK_INT(a.status, 200);
    CHECK(strstr(a.head, "\r\nContent-Length: 4\r\n") != NULL);
    answer_free(&a);
    say(fd, span_str("DELETE /nothing HTTP/1.1\r\nHost: here\r\n\r\n"));
    hear(fd, &a);
    CHECK_INT(a.status, 204);
    CHECK(strstr(a.head, "Content-Length") == NULL);
    answer_free(&a);
    ask(fd, GET("/ping"), 200, "pong"); // no stray byte between them
    close(fd);
    close_house(&h);
}

static void http_1_0_closes_unless_asked_to_stay(void)
{
    struct house h = HOUSE();
    open_house(&h);
    int fd = dial(&h);
    struct answer a;

    say(fd, span_str("GET /ping HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"));
    hear(fd, &a);
    CHECK(strstr(a.head, "\r\nConnection: keep-alive\r\n") != NULL);
    answer_free(&a);
    say(fd, span_str("GET /ping HTTP/1.0\r\n\r\n"));
    hear(fd, &a);
    CHECK(strstr(a.head, "\r\nConnection: close\r\n") != NULL);
    CHECK(is_closed(fd));
    answer_free(&a);
    close(fd);
    close_house(&h);
}

static void a_body_is_asked_for_when_it_waits(void)
{
    static const char head[] =
        "POST /echo HTTP/1.1\r\nHost: here\r\nContent-Length: 2\r\n"
        "Expect: 100-continue\r\n\r\n";
    struct house h = HOUSE();
    open_house(&h);
    int fd = dial(&h);
    struct answer a;

    say(fd, span_str(head));
    hear(fd, &a);
    CHECK_INT(a.status, 100);
    answer_free(&a);
    ask(fd, "ok", 200, "ok");

    // where it would be thrown away it is not asked for
    say(fd, span_str("POST /nowhere HTTP/1.1\r\nHost: here\r\nContent-Length: 2\r\n"
                     "Expect: 100-continue\r\n\r\n"));
    hear(fd, &a);
    CHECK_INT(a.status, 404);
    CHECK(is_closed(fd));
    answer_free(&a);
    close(fd);
    close_house(&h);
}

static void malformed_requests_end_the_connection(void)
{
    static const struct {
        const char *text;
        int status;
    } t[] = {
        {"GET / HTTP/1.1\r\n\r\n", 400},
        {"GET /ping HTTP/1.1\nHost: here\r\n\r\n", 400},
        {"POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n"
         "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /ping HTTP/1.1\r\nHost: "
         "h\r\n\r\n",
         400},
        {"BREW /ping HTTP/1.1\r\nHost: h\r\n\r\n", 501},
        {"GET /ping HTTP/2.0\r\nHost: h\r\n\r\n", 505},
        {"POST /echo HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n1\nab",
         400},
        {"\x16\x03\x01\x02\x03", 400},
    };
    struct house h = HOUSE();
    open_house(&h);

    for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
        int fd = dial(&h);
        struct answer a;
        say(fd, span_str(t[i].text));
        hear(fd, &a);
        CHECK_INT(a.status, t[i].status);
        CHECK(strstr(a.head, "\r\nConnection: close\r\n") != NULL);
        CHECK(a.body.n > 0 && a.body.p[0] == '{');
        CHECK(is_closed(fd)); // one answer, not two
        answer_free(&a);
        close(fd);
    }
    COMES_TO(&h, malformed, sizeof t / sizeof *t);
    close_house(&h);
}

static void a_header_too_long_is_refused(void)
{
    struct house h = HOUSE();
    h.limits.head = 1000;
    h.limits.target = 100;
    open_house(&h);
    struct buf b = BUF_INIT(1 << 20);
    int fd = dial(&h);

    buf_printf(&b, "GET /ping HTTP/1.1\r\nHost: h\r\nX: %01000d\r\n\r\n", 1);
    buf_put_u8(&b, 0);
    ask(fd, (const char *)b.p, 431, NULL);
    CHECK(is_closed(fd));
    close(fd);
    fd = dial(&h);
    buf_reset(&b);
    buf_printf(&b, "GET /%0100d HTTP/1.1\r\nHost: h\r\n\r\n", 1);
    buf_put_u8(&b, 0);
    ask(fd, (const char *)b.p, 414, NULL);
    close(fd);
    buf_free(&b);
    close_house(&h);
}

static void a_body_that_grows_too_long_is_refused(void)
{
    struct house h = HOUSE();
    open_house(&h);
    int fd = dial(&h);

    ask(fd,
        "POST /small HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
        "8\r\n12345678\r\n3\r\n",
        413, NULL);
    CHECK(is_closed(fd));
    close(fd);
    close_house(&h);
}

static void a_long_body_comes_whole(void)
{
    size_t n = 3 << 20;
    struct house h = HOUSE();
    open_house(&h);
    struct buf b = BUF_INIT(8 << 20);
    int fd = dial(&h);
    struct answer a;

    buf_printf(&b, "POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: %zu\r\n\r\n", n);
    size_t head = b.n;
    for (size_t i = 0; i < n; i++)
        buf_put_u8(&b, (uint8_t)(i * 7 + i / 1000));
    say(fd, buf_span(&b));
    hear(fd, &a);
    CHECK_INT(a.status, 200);
    CHECK(span_eq(buf_span(&a.body), span_skip(buf_span(&b), head)));
    answer_free(&a);
    COMES_TO(&h, requests, 1);
    struct http_counters c;
    http_server_counters(h.s, &c);
    CHECK_INT(c.body_bytes, 0); // given back
    buf_free(&b);
    close(fd);
    close_house(&h);
}

static void a_hundred_thousand_chunks_of_one_byte_are_fine(void)
{
    struct house h = HOUSE();
    open_house(&h);
    struct buf b = BUF_INIT(8 << 20);
    int fd = dial(&h);
    struct answer a;

    buf_put_str(&b,
                "POST /echo HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n");
    for (int i = 0; i < 100000; i++)
        buf_put_str(&b, "1\r\nx\r\n");
    buf_put_str(&b, "0\r\n\r\n");
    say(fd, buf_span(&b));
    hear(fd, &a);
    CHECK_INT(a.status, 200);
    CHECK_INT(a.body.n, 100000);
    answer_free(&a);
    buf_free(&b);
    close(fd);
    close_house(&h);
}

static void a_long_answer_to_a_slow_reader_comes_whole(void)
{
    struct house h = HOUSE();
    open_house(&h);
    int fd = dial(&h), small = 256 << 10;
    struct answer a;

    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
    say(fd, span_str(GET("/much") GET("/ping")));
    usleep(20000); // the server meets a full socket
    hear(fd, &a);
    CHECK_INT(a.status, 200);
    CHECK_INT(a.body.n, 8 << 20);
    answer_free(&a);
    hear(fd, &a);
    CHECK_SPAN(buf_span(&a.body), "pong");
    answer_free(&a);
    close(fd);
    close_house(&h);
}

static void a_kept_request_learns_that_its_client_left(void)
{
    struct house h = HOUSE();
    open_house(&h);
    int fd = dial(&h);

    say(fd, span_str(GET("/kept")));
    struct http_req *r = take_kept(&h);
    CHECK(!http_gone(r));
    close(fd);
    for (int i = 0; i < PATIENCE && !http_gone(r); i++)
        usleep(1000);
    CHECK(http_gone(r));
    http_answer(r, 200, "text/plain", span_str("to nobody"));
    CHECK(all_closed(&h));
    close_house(&h);
}

static void one_that_only_stops_sending_still_gets_its_answer(void)
{
    struct house h = HOUSE();
    open_house(&h);
    int fd = dial(&h);
    struct answer a;

    say(fd, span_str(GET("/kept")));
    shutdown(fd, SHUT_WR);
    struct http_req *r = take_kept(&h);
    http_answer(r, 200, "text/plain", span_str("still here"));
    hear(fd, &a);
    CHECK_INT(a.status, 200);
    CHECK_SPAN(buf_span(&a.body), "still here");
    CHECK(is_closed(fd));
    answer_free(&a);
    close(fd);
    close_house(&h);
}

/* A thread that answers whatever is kept, until it is told to stop. */
struct answerer {
    struct house *h;
    pthread_t thread;
    atomic_bool stop;
};

static void *answer_all(void *arg)
{
    struct answerer *w = arg;
    struct program *p = &w->h->p;

    for (;;) {
        pthread_mutex_lock(&p->lock);
        while (p->nkept == 0 && !atomic_load(&w->stop))
            pthread_cond_wait(&p->more, &p->lock);
        struct http_req *r = p->nkept > 0 ? p->kept[--p->nkept] : NULL;
        pthread_mutex_unlock(&p->lock);
        if (r == NULL)
            return NULL;
        http_answer(r, 200, "text/plain", span_str("later"));
    }
}

static void start_answerer(struct answerer *w, struct house *h)
{
    w->h = h;
    atomic_init(&w->stop, false);
    pthread_create(&w->thread, NULL, answer_all, w);
}

static void stop_answerer(struct answerer *w)
{
    pthread_mutex_lock(&w->h->p.lock);
    atomic_store(&w->stop, true);
    pthread_cond_broadcast(&w->h->p.more);
    pthread_mutex_unlock(&w->h->p.lock);
    pthread_join(w->thread, NULL);
}

static void answering_races_with_clients_that_leave(void)
{
    struct house h = HOUSE();
    open_house(&h);
    struct answerer w;

    start_answerer(&w, &h);
    for (int i = 0; i < 300; i++) {
        int fd = dial(&h);
        struct linger now = {1, 0};
        say(fd, span_str(i % 3 == 0 ? GET("/slow") : GET("/kept")));
        if (i % 2 == 0) // a reset rather than an end
            setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
        if (i % 5 == 0)
            usleep(300);
        close(fd);
    }
    COMES_TO(&h, accepted, 300); // or one of them still has a request to keep
    CHECK(all_closed(&h));
    stop_answerer(&w);
    close_house(&h);
}

/* The counts at which another server's epoll mode stood still. */
static void goes_on_at_any_number_of_busy_connections(void)
{
    static const size_t counts[] = {127, 128, 129, 256, 384, 512};
    static int fds[512];
    struct house h = HOUSE();
    open_house(&h);
    struct answerer w;

    start_answerer(&w, &h);
    for (size_t k = 0; k < sizeof counts / sizeof *counts; k++) {
        for (size_t i = 0; i < counts[k]; i++)
            fds[i] = dial(&h);
        for (int round = 0; round < 4; round++) {
            for (size_t i = 0; i < counts[k]; i++)
                say(fds[i], span_str(round % 2 == 0 ? GET("/kept") : GET("/ping")));
            for (size_t i = 0; i < counts[k]; i++)
                ask(fds[i], "", 200, round % 2 == 0 ? "later" : "pong");
        }
        for (size_t i = 0; i < counts[k]; i++)
            close(fds[i]);
        CHECK(all_closed(&h));
    }
    stop_answerer(&w);
    close_house(&h);
}

/* All of them kept at once, then all answered. */
static void hundreds_may_wait_at_once(void)
{
    static int fds[512];
    struct house h = HOUSE();
    open_house(&h);

    for (size_t i = 0; i < 512; i++) {
        fds[i] = dial(&h);
        say(fds[i], span_str(GET("/kept")));
    }
    COMES_TO(&h, in_flight, 512);
    int health = dial(&h);
    ask(health, GET("/healthz"), 200, "pong");
    for (size_t i = 0; i < 512; i++)
        http_answer(take_kept(&h), 200, "text/plain", span_str("later"));
    for (size_t i = 0; i < 512; i++) {
        ask(fds[i], "", 200, "later");
        close(fds[i]);
    }
    close(health);
    close_house(&h);
}

static void answers_that_were_held_come_with_the_release(void)
{
    struct house h = HOUSE();
    open_house(&h);
    int fds[20];

    for (int i = 0; i < 20; i++) {
        fds[i] = dial(&h);
        say(fds[i], span_str(GET("/kept")));
    }
    http_answers_hold();
    for (int i = 0; i < 20; i++)
        http_answer(take_kept(&h), 200, "text/plain", span_str("later"));
    http_answers_release();
    for (int i = 0; i < 20; i++) {
        ask(fds[i], "", 200, "later");
        close(fds[i]);
    }
    close_house(&h);
}

static void the_request_id_is_taken_or_made(void)
{
    struct house h = HOUSE();
    open_house(&h);
    int fd = dial(&h);
    struct answer a, b;

    say(fd, span_str("GET /ping HTTP/1.1\r\nHost: h\r\nX-Request-ID: abc-1\r\n\r\n"));
    hear(fd, &a);
    CHECK(strstr(a.head, "\r\nX-Request-ID: abc-1\r\n") != NULL);
    answer_free(&a);
    say(fd, span_str("GET /ping HTTP/1.1\r\nHost: h\r\nX-Request-ID: a\"b\r\n\r\n"));
    hear(fd, &a);
    CHECK(strstr(a.head, "a\"b") == NULL);
    answer_free(&a);
    say(fd, span_str(GET("/ping") GET("/ping")));
    hear(fd, &a);
    hear(fd, &b);
    const char *x = strstr(a.head, "X-Request-ID: "),
               *y = strstr(b.head, "X-Request-ID: ");
    CHECK(x != NULL && y != NULL && memcmp(x, y, 14 + 36) != 0);
    CHECK(x != NULL && strspn(x + 14, "0123456789abcdef-") == 36 && x[14 + 14] == '4');
    answer_free(&a);
    answer_free(&b);
    close(fd);
    close_house(&h);
}

static void finished_requests_are_told_to_the_log(void)
{
    struct house h = HOUSE();
    open_house(&h);
    int fd = dial(&h);

    ask(fd, "POST /echo HTTP/1.1\r\nHost: here\r\nContent-Length: 5\r\n\r\nhello", 200,
        "hello");
    pthread_mutex_lock(&h.p.lock);
    while (h.p.ndone < 1)
        pthread_cond_wait(&h.p.more, &h.p.lock);
    CHECK_STR(h.p.last.pattern, "/echo");
    CHECK_INT(h.p.last.method, HTTP_POST);
    CHECK_INT(h.p.last.status, 200);
    CHECK_INT(h.p.last.bytes_in, 5);
    CHECK_INT(h.p.last.bytes_out, 5);
    CHECK(h.p.last.us >= 0 && h.p.last.us < PATIENCE * 1000);
    CHECK(!h.p.last.gone);
    pthread_mutex_unlock(&h.p.lock);
    close(fd);
    close_house(&h);
}

static void *drain_it(void *arg)
{
    struct house *h = arg;

    http_server_drain(h->s, PATIENCE);
    return NULL;
}

static void draining_finishes_what_is_asked(void)
{
    struct house h = HOUSE();
    open_house(&h);
    int busy = dial(&h), idle = dial(&h), late = dial(&h);
    pthread_t drainer;
    struct answer a;

    ask(idle, GET("/ping"), 200, "pong");
    say(late, span_str("GET /pi"));
    say(busy, span_str(GET("/kept")));
    struct http_req *r = take_kept(&h);
    COMES_TO(&h, bytes_in, strlen(GET("/ping") "GET /pi" GET("/kept")));
    pthread_create(&drainer, NULL, drain_it, &h);
    CHECK(is_closed(idle));
    say(late, span_str("ng HTTP/1.1\r\nHost: h\r\n\r\n"));
    hear(late, &a);
    CHECK_INT(a.status, 503);
    answer_free(&a);
    http_answer(r, 200, "text/plain", span_str("finished"));
    hear(busy, &a);
    CHECK_INT(a.status, 200);
    CHECK_SPAN(buf_span(&a.body), "finished");
    CHECK(strstr(a.head, "\r\nConnection: close\r\n") != NULL);
    answer_free(&a);
    pthread_join(drainer, NULL);
    CHECK_INT(open_now(&h), 0);
    close(busy), close(idle), close(late);
    close_house(&h);
}

/* A client that leaves just as the drain begins must not be waited for. */
static void draining_notices_who_leaves_meanwhile(void)
{
    bool in_time = true;

    for (int i = 0; i < 200 && in_time; i++) {
        struct house h = HOUSE();
        open_house(&h);
        int fd = dial(&h);
        ask(fd, GET("/ping"), 200, "pong");
        close(fd);
        int64_t began = clock_ms();
        http_server_drain(h.s, PATIENCE);
        in_time = clock_ms() - began < PATIENCE;
        close_house(&h);
    }
    CHECK(in_time);
}

static void draining_ends_with_504_for_what_still_waits(void)
{
    struct house h = HOUSE();
    open_house(&h);
    int fd = dial(&h);
    struct answer a;

    say(fd, span_str(GET("/kept")));
    struct http_req *r = take_kept(&h);
    http_server_drain(h.s, 20);
    hear(fd, &a);
    CHECK_INT(a.status, 504);
    answer_free(&a);
    http_answer(r, 200, "text/plain", span_str("in vain"));
    close(fd);
    close_house(&h);
}

static void wait_until_closed(const struct house *h)
{
    struct http_counters n = {.open = 1};

    for (int i = 0; i < PATIENCE && n.open > 0; i++) {
        usleep(1000);
        http_server_counters(h->s, &n);
    }
    CHECK_INT(n.open, 0);
}

/* A child that holds copies of all descriptors until its pipe is closed. */
static pid_t start_holder(int hold[2])
{
    char c;

    CHECK_INT(pipe(hold), 0);
    pid_t child = fork();
    if (child == 0) {
        close(hold[1]);
        _exit(read(hold[0], &c, 1) < 0);
    }
    return child;
}

/* epoll forgets a socket when the last descriptor of it is closed, and no sooner. */
static void a_closed_connection_is_gone_though_a_child_holds_its_socket(void)
{
    struct house h = HOUSE();
    int hold[2];

    open_house(&h);
    int fd = dial(&h);
    ask(fd, GET("/ping"), 200, "pong");
    pid_t child = start_holder(hold);
    ask(fd, "GET /ping HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n", 200,
        "pong");
    wait_until_closed(&h);
    for (int i = 0; i < 10; i++) { // what would be heard by whoever was here
        say(fd, span_str("more"));
        usleep(2000);
    }
    close(fd);
    fd = dial(&h);
    ask(fd, GET("/ping"), 200, "pong");
    close(fd);
    close(hold[0]);
    close(hold[1]);
    CHECK_INT(waitpid(child, NULL, 0), child);
    close_house(&h);
}

static void an_address_in_use_is_named(void)
{
    struct house h = HOUSE();
    open_house(&h);
    char address[40];
    const char *const listen[] = {address};
    struct http_settings again = {
        .listen = listen, .nlisten = 1, .limits = HTTP_LIMITS};
    struct http_server *s = NULL;
    struct err e = {0};

    snprintf(address, sizeof address, "127.0.0.1:%u", http_server_port(h.s, 0));
    CHECK_INT(http_server_open(&s, &again, &h.p.app, &e), ERR_UNAVAILABLE);
    CHECK(strstr(e.msg, address) != NULL && strstr(e.msg, "in use") != NULL);
    listen[0] == address ? (void)snprintf(address, sizeof address, "nonsense")
                         : (void)0;
    CHECK_INT(http_server_open(&s, &again, &h.p.app, &e), ERR_INVALID);
    CHECK_STR(e.msg, "listen address \"nonsense\" is not host:port");
    close_house(&h);
}

static void listens_on_several_addresses(void)
{
    static const char *const listen[] = {"127.0.0.1:0", "[::1]:0"};
    struct http_settings settings = {.listen = listen,
                                     .nlisten = 2,
                                     .loops = 1,
                                     .workers = 1,
                                     .limits = HTTP_LIMITS};
    struct house h = HOUSE();
    struct sockaddr_in6 six = {.sin6_family = AF_INET6,
                               .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    struct err e = {0};
    int probe = socket(AF_INET6, SOCK_STREAM, 0);
    bool has_six = bind(probe, (struct sockaddr *)&six, sizeof six) == 0;

    close(probe);
    if (!has_six)
        settings.nlisten = 1; // a machine without IPv6
    h.p.app = (struct http_app){.routes = routes, .nroutes = 2};
    CHECK_INT(http_server_open(&h.s, &settings, &h.p.app, &e), ERR_OK);
    int fd = dial(&h);
    ask(fd, GET("/ping"), 200, "pong");
    close(fd);
    if (has_six) {
        six.sin6_port = htons(http_server_port(h.s, 1));
        fd = socket(AF_INET6, SOCK_STREAM, 0);
        CHECK(connect(fd, (struct sockaddr *)&six, sizeof six) == 0);
        ask(fd, GET("/ping"), 200, "pong");
        close(fd);
    }
    http_server_close(h.s);
}

int main(void)
{
    setbuf(stdout, NULL);
    RUN(answers_one_request_after_the_other);
    RUN(errors_are_json_objects);
    RUN(a_kept_request_is_answered_by_another_thread);
    RUN(a_header_of_the_answer_stays_one_line);
    RUN(a_body_too_long_is_refused_before_it_comes);
    RUN(pipelined_requests_are_answered_in_order);
    RUN(many_pipelined_requests_do_not_stop_the_others);
    RUN(each_byte_may_come_alone);
    RUN(head_is_get_without_the_body);
    RUN(http_1_0_closes_unless_asked_to_stay);
    RUN(a_body_is_asked_for_when_it_waits);
    RUN(malformed_requests_end_the_connection);
    RUN(a_header_too_long_is_refused);
    RUN(a_body_that_grows_too_long_is_refused);
    RUN(a_long_body_comes_whole);
    RUN(a_hundred_thousand_chunks_of_one_byte_are_fine);
    RUN(a_long_answer_to_a_slow_reader_comes_whole);
    RUN(a_kept_request_learns_that_its_client_left);
    RUN(one_that_only_stops_sending_still_gets_its_answer);
    RUN(answering_races_with_clients_that_leave);
    RUN(goes_on_at_any_number_of_busy_connections);
    RUN(hundreds_may_wait_at_once);
    RUN(answers_that_were_held_come_with_the_release);
    RUN(the_request_id_is_taken_or_made);
    RUN(finished_requests_are_told_to_the_log);
    RUN(draining_finishes_what_is_asked);
    RUN(draining_notices_who_leaves_meanwhile);
    RUN(draining_ends_with_504_for_what_still_waits);
    RUN(a_closed_connection_is_gone_though_a_child_holds_its_socket);
    RUN(an_address_in_use_is_named);
    RUN(listens_on_several_addresses);
    return REPORT();
}
