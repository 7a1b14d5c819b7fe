/*
 * Streams over a real socket: bodies and answers in pieces, whoever is slow, leaves or
 * breaks off.
 */
#include "http/stream.h"

#include "tests/http_house.h"

static atomic_int ends, goners;
static atomic_bool busy; // data() says false, resumed by the test

static bool echo(struct http_req *r, struct span piece)
{
    http_stream_write(r, piece);
    return !atomic_load(&busy);
}

static void say_end(struct http_req *r, int status, const char *why)
{
    if ((status == 0) != (why == NULL))
        abort();
    atomic_fetch_add(&ends, 1);
    http_stream_write(r, span_str(why == NULL ? "whole" : why));
    http_stream_end(r);
}

static void note_gone(struct http_req *r)
{
    atomic_fetch_add(&goners, 1);
    http_stream_end(r);
}

static const struct http_stream echoes = {echo, say_end, note_gone};

static void begin(struct http_app *app, struct http_req *r)
{
    (void)app;
    if (!r->streams)
        abort();
    http_stream_begin(r, 200, "text/plain", &echoes);
}

static void refuse(struct http_app *app, struct http_req *r)
{
    (void)app;
    http_answer_error(r, 404, 404, "not here");
}

/* Each piece makes a mebibyte of answer. */
static bool flood(struct http_req *r, struct span piece)
{
    static uint8_t much[1 << 20];

    if (piece.n > 0)
        http_stream_write(r, span_of(much, sizeof much));
    return true;
}

static const struct http_stream floods = {flood, say_end, note_gone};

static void begin_flood(struct http_app *app, struct http_req *r)
{
    (void)app;
    http_stream_begin(r, 200, "text/plain", &floods);
}

static const struct http_route rows[] = {
    {HTTP_POST, "/echo", begin, HTTP_STREAM, 0, 0},
    {HTTP_POST, "/refused", refuse, HTTP_STREAM, 0, 0},
    {HTTP_POST, "/kept", keep, HTTP_STREAM, 0, 0},
    {HTTP_POST, "/flood", begin_flood, HTTP_STREAM, 0, 0},
    {HTTP_GET, "/ping", say_pong, 0, 0, 0},
};

static void open_streams(struct house *h)
{
    static const char *const listen[] = {"127.0.0.1:0"};
    struct http_settings settings = {
        .listen = listen, .nlisten = 1, .loops = h->loops, .limits = h->limits};
    struct err e = {0};

    atomic_store(&ends, 0);
    atomic_store(&goners, 0);
    atomic_store(&busy, false);
    h->p.app = (struct http_app){
        .routes = rows, .nroutes = sizeof rows / sizeof *rows, .done = note_done};
    pthread_mutex_init(&h->p.lock, NULL);
    pthread_cond_init(&h->p.more, NULL);
    CHECK_INT(http_server_open(&h->s, &settings, &h->p.app, &e), ERR_OK);
}

#define CHUNKED(path) \
    "POST " path " HTTP/1.1\r\nHost: here\r\nTransfer-Encoding: chunked\r\n\r\n"

static size_t hear_some(int fd, char *text, size_t room)
{
    ssize_t n = recv(fd, text, room, 0);

    return n > 0 ? (size_t)n : 0;
}

/* Reads until `what` has come; false: the connection ended, or nothing came. */
static bool hear_text(int fd, const char *what)
{
    char text[8192] = "";
    size_t n = 0;

    while (strstr(text, what) == NULL) {
        if (n + 1 == sizeof text)
            n = 0;
        size_t got = hear_some(fd, text + n, sizeof text - 1 - n);
        if (got == 0)
            return false;
        n += got;
        text[n] = '\0';
    }
    return true;
}

static bool hear_begin(int fd)
{
    struct answer a = {0};
    bool good = hear_head(fd, &a) && strncmp(a.head, "HTTP/1.1 200 OK", 15) == 0 &&
                strstr(a.head, "Transfer-Encoding: chunked\r\n") != NULL &&
                strstr(a.head, "Content-Length") == NULL;

    return good;
}

static void a_piece_is_answered_before_the_next_is_sent(void)
{
    struct house h = HOUSE();

    open_streams(&h);
    int fd = dial(&h);
    for (int again = 0; again < 3; again++) { // on one connection, one after the other
        CHECK(say(fd, span_str(CHUNKED("/echo"))));
        CHECK(hear_begin(fd)); // before anything of the body
        for (int i = 0; i < 5; i++) {
            CHECK(say(fd, span_str("5\r\nhello\r\n")));
            CHECK(hear_text(fd, "5\r\nhello\r\n"));
        }
        CHECK(say(fd, span_str("0\r\n\r\n")));
        CHECK(hear_text(fd, "5\r\nwhole\r\n0\r\n\r\n"));
        CHECK_INT(atomic_load(&ends), again + 1);
    }
    ask(fd, GET("/ping"), 200, "pong");
    close(fd);
    close_house(&h);
}

static void a_handler_may_answer_instead(void)
{
    struct house h = HOUSE();

    open_streams(&h);
    int fd = dial(&h);
    CHECK(say(fd, span_str(CHUNKED("/refused"))));
    struct answer a;
    hear(fd, &a);
    CHECK_INT(a.status, 404);
    CHECK(strstr(a.head, "Connection: close") != NULL);
    answer_free(&a);
    close(fd);

    fd = dial(&h); // later, from another thread
    CHECK(say(fd, span_str(CHUNKED("/kept"))));
    http_answer(take_kept(&h), 503, "text/plain", span_str("no"));
    hear(fd, &a);
    CHECK_INT(a.status, 503);
    answer_free(&a);
    close(fd);

    fd = dial(&h);
    CHECK(say(fd, span_str(CHUNKED("/kept") "2\r\nhi\r\n")));
    http_stream_begin(take_kept(&h), 200, "text/plain", &echoes);
    CHECK(hear_text(fd, "2\r\nhi\r\n"));
    close(fd);
    COMES_TO(&h, gone, 1);
    close_house(&h);
    CHECK_INT(atomic_load(&goners), 1);
}

static void a_declared_body_is_none(void)
{
    struct house h = HOUSE();
    struct answer a;

    open_streams(&h);
    int fd = dial(&h);
    CHECK(say(fd, span_str("POST /refused HTTP/1.1\r\nHost: here\r\n"
                           "Content-Length: 2\r\n\r\nhi")));
    hear(fd, &a);
    CHECK_INT(a.status, 404);
    CHECK(strstr(a.head, "Connection: close") == NULL); // it was read
    answer_free(&a);
    close(fd);
    close_house(&h);
}

static void who_waits_for_100_gets_it(void)
{
    struct house h = HOUSE();

    open_streams(&h);
    int fd = dial(&h);
    CHECK(say(fd, span_str("POST /echo HTTP/1.1\r\nHost: here\r\nTransfer-Encoding: "
                           "chunked\r\nExpect: 100-continue\r\n\r\n")));
    CHECK(hear_text(fd, "HTTP/1.1 100 Continue\r\n\r\n"));
    CHECK(say(fd, span_str("1\r\nx\r\n0\r\n\r\n")));
    CHECK(hear_text(fd, "5\r\nwhole\r\n0\r\n\r\n"));
    close(fd);
    close_house(&h);
}

static void a_broken_chunk_ends_the_stream_and_the_connection(void)
{
    struct house h = HOUSE();

    open_streams(&h);
    int fd = dial(&h);
    CHECK(say(fd, span_str(CHUNKED("/echo") "1\r\nx\r\nzz\r\n")));
    CHECK(hear_begin(fd)); // its X-Request-ID may end in a 0, too
    CHECK(hear_text(fd, "\r\n0\r\n\r\n"));
    CHECK(is_closed(fd));
    close(fd);
    CHECK_INT(atomic_load(&ends), 1);
    close_house(&h);
}

static void what_says_it_is_busy_is_not_fed(void)
{
    struct house h = HOUSE();

    open_streams(&h);
    atomic_store(&busy, true);
    int fd = dial(&h);
    CHECK(say(fd, span_str(CHUNKED("/kept"))));
    struct http_req *r = take_kept(&h);
    http_stream_begin(r, 200, "text/plain", &echoes);
    CHECK(hear_begin(fd));
    CHECK(say(fd, span_str("1\r\na\r\n")));
    CHECK(hear_text(fd, "1\r\na\r\n"));
    CHECK(say(fd, span_str("1\r\nb\r\n")));
    struct timeval soon = {0, 200000};
    char c;
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &soon, sizeof soon);
    CHECK(recv(fd, &c, 1, 0) < 0); // it is not read
    soon = (struct timeval){PATIENCE / 1000, 0};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &soon, sizeof soon);
    atomic_store(&busy, false);
    http_stream_resume(r);
    CHECK(hear_text(fd, "1\r\nb\r\n"));
    close(fd);
    COMES_TO(&h, gone, 1); // before the house closes: then nobody would have left
    close_house(&h);
    CHECK_INT(atomic_load(&goners), 1);
}

/* It sends without end and takes nothing: what waits stays small, and it is cut off. */
static void a_client_that_takes_nothing_is_not_read_and_cut_off(void)
{
    struct house h = HOUSE();
    size_t sent = 0;

    h.limits.write_ms = 500;
    open_streams(&h);
    int fd = dial(&h);
    CHECK(say(fd, span_str(CHUNKED("/flood"))));
    while (sent < (1u << 20) && send(fd, "1\r\nx\r\n", 6, MSG_NOSIGNAL) == 6)
        sent++;
    CHECK(sent < (1u << 20)); // at most what the sockets' buffers took
    COMES_TO(&h, late_write, 1);
    close(fd);
    close_house(&h);
    CHECK_INT(atomic_load(&goners), 1);
}

static void silence_ends_it(void)
{
    struct house h = HOUSE();

    h.limits.stream_ms = 200;
    open_streams(&h);
    int fd = dial(&h);
    CHECK(say(fd, span_str(CHUNKED("/echo") "1\r\nx\r\n")));
    CHECK(hear_text(fd, "nothing came for too long\r\n0\r\n\r\n"));
    CHECK(is_closed(fd));
    close(fd);
    close_house(&h);
}

static void who_leaves_is_noticed_and_nothing_is_kept(void)
{
    struct house h = HOUSE();

    open_streams(&h);
    for (int i = 0; i < 50; i++) {
        int fd = dial(&h);
        CHECK(say(fd, span_str(CHUNKED("/echo") "5\r\nhel")));
        if (i % 2 == 0)
            CHECK(hear_begin(fd));
        close(fd);
    }
    COMES_TO(&h, gone, 50);
    struct http_counters n;
    http_server_counters(h.s, &n);
    for (int i = 0; n.in_flight > 0 && i < PATIENCE; i++) {
        usleep(1000);
        http_server_counters(h.s, &n);
    }
    CHECK_INT(n.in_flight, 0);
    close_house(&h);
}

static void draining_ends_streams(void)
{
    struct house h = HOUSE();

    open_streams(&h);
    int fd = dial(&h);
    CHECK(say(fd, span_str(CHUNKED("/echo"))));
    CHECK(hear_begin(fd));
    http_server_drain(h.s, 5000);
    CHECK(hear_text(fd, "the server is shutting down\r\n0\r\n\r\n"));
    close(fd);
    close_house(&h);
    CHECK_INT(atomic_load(&ends), 1);
}

static void many_at_once_all_get_on(void)
{
    static const int counts[] = {127, 128, 129, 256, 384, 512};
    int fds[512];

    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        struct house h = HOUSE();
        open_streams(&h);
        for (int k = 0; k < counts[i]; k++) {
            fds[k] = dial(&h);
            CHECK(say(fds[k], span_str(CHUNKED("/echo") "1\r\nx\r\n")));
        }
        for (int round = 0; round < 3; round++)
            for (int k = 0; k < counts[i]; k++) {
                CHECK(hear_text(fds[k], "1\r\nx\r\n"));
                CHECK(say(fds[k], span_str(round < 2 ? "1\r\nx\r\n" : "0\r\n\r\n")));
            }
        for (int k = 0; k < counts[i]; k++) {
            CHECK(hear_text(fds[k], "whole\r\n0\r\n\r\n"));
            close(fds[k]);
        }
        close_house(&h);
    }
}

int main(void)
{
    RUN(a_piece_is_answered_before_the_next_is_sent);
    RUN(a_handler_may_answer_instead);
    RUN(a_declared_body_is_none);
    RUN(who_waits_for_100_gets_it);
    RUN(a_broken_chunk_ends_the_stream_and_the_connection);
    RUN(what_says_it_is_busy_is_not_fed);
    RUN(a_client_that_takes_nothing_is_not_read_and_cut_off);
    RUN(silence_ends_it);
    RUN(who_leaves_is_noticed_and_nothing_is_kept);
    RUN(draining_ends_streams);
    RUN(many_at_once_all_get_on);
    return REPORT();
}
