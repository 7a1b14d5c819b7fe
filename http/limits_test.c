/*
 * What a client may cost: deadlines, rates, caps.  Deadlines are tens of milliseconds
 * here, set by each test; a test waits for what happens, at most PATIENCE.
 */
#include "tests/http_house.h"

#include <sys/resource.h>

static void bodies_held_at_once_have_a_limit(void)
{
    struct house h = HOUSE();
    h.limits.bodies = 10;
    open_house(&h);
    int first = dial(&h), second = dial(&h);
    struct answer a;

    say(first, span_str("POST /kept HTTP/1.1\r\nHost: h\r\nContent-Length: 8\r\n\r\n"
                        "12345678"));
    struct http_req *r = take_kept(&h);
    say(second,
        span_str("POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\n123"));
    hear(second, &a);
    CHECK_INT(a.status, 503);
    CHECK(strstr(a.head, "\r\nRetry-After: 1\r\n") != NULL);
    answer_free(&a);
    COMES_TO(&h, over_bodies, 1);
    http_answer(r, 200, NULL, (struct span){0});
    ask(first, "", 200, "");
    ask(first, "POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\n123", 200,
        "123");
    close(first);
    close(second);
    close_house(&h);
}

/* Fifty clients that each send a byte just often enough for an idle time-out. */
static void dripping_a_header_does_not_extend_its_deadline(void)
{
    struct house h = HOUSE();
    h.limits.head_ms = 300;
    open_house(&h);
    int fds[50], alive = 50;
    int64_t began = clock_ms();

    for (int i = 0; i < 50; i++) {
        fds[i] = dial(&h);
        say(fds[i], span_str("GET /ping HTTP/1.1\r\nX: "));
    }
    while (alive > 0 && clock_ms() < began + PATIENCE) {
        usleep(20000);
        alive = 0;
        for (int i = 0; i < 50; i++)
            alive += say(fds[i], span_str("x"));
    }
    CHECK_INT(alive, 0);
    CHECK(clock_ms() - began >= 300);
    COMES_TO(&h, late_head, 50);
    CHECK(all_closed(&h));
    for (int i = 0; i < 50; i++)
        close(fds[i]);
    close_house(&h);
}

static void a_header_that_stops_is_told_408(void)
{
    struct house h = HOUSE();
    h.limits.head_ms = 50;
    open_house(&h);
    int silent = dial(&h), fd = -1;
    int64_t until = clock_ms() + PATIENCE;
    struct answer a = {0};

    do { // who is too slow to say a word in 50 ms is told none either
        if (fd >= 0)
            close(fd);
        answer_free(&a);
        fd = dial(&h);
        say(fd, span_str("GET /ping HT"));
        hear(fd, &a);
    } while (a.status == 0 && clock_ms() < until);
    CHECK_INT(a.status, 408);
    answer_free(&a);
    CHECK(is_closed(fd));
    CHECK(is_closed(silent)); // which never said a word, and is told none
    close(fd);
    close(silent);
    close_house(&h);
}

static void a_body_below_the_rate_is_told_408(void)
{
    struct house h = HOUSE();
    h.limits.body_ms = 50;
    h.limits.body_rate = 1000000;
    open_house(&h);
    int fd = dial(&h);

    ask(fd, "POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 100\r\n\r\nabc", 408,
        NULL);
    COMES_TO(&h, late_body, 1);
    close(fd);
    close_house(&h);
}

/* Longer than the grace, but always above the rate. */
static void a_body_above_the_rate_may_take_its_time(void)
{
    static const char head[] =
        "POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 10000\r\n\r\n";
    static char first[sizeof head - 1 + 500], piece[500];
    struct house h = HOUSE();
    h.limits.body_ms = 50;
    h.limits.body_rate = 50; // each piece is worth ten seconds
    open_house(&h);
    int fd = dial(&h);
    struct answer a;

    memcpy(first, head, sizeof head - 1);
    say(fd, span_of(first, sizeof first)); // at once: the grace is short
    for (int i = 1; i < 20; i++) {
        usleep(5000);
        say(fd, span_of(piece, sizeof piece));
    }
    hear(fd, &a);
    CHECK_INT(a.status, 200);
    CHECK_INT(a.body.n, 10000);
    answer_free(&a);
    close(fd);
    close_house(&h);
}

static void idle_connections_are_closed(void)
{
    struct house h = HOUSE();
    h.limits.idle_ms = 50;
    open_house(&h);
    int fd = dial(&h);

    ask(fd, GET("/ping"), 200, "pong");
    CHECK(is_closed(fd));
    COMES_TO(&h, late_idle, 1);
    close(fd);
    close_house(&h);
}

static void an_answer_nobody_reads_is_given_up(void)
{
    struct house h = HOUSE();
    h.limits.write_ms = 50;
    h.limits.write_rate = 100 << 20;
    open_house(&h);
    int fd = dial(&h);

    say(fd, span_str(GET("/much")));
    COMES_TO(&h, late_write, 1);
    CHECK(all_closed(&h));
    close(fd);
    close_house(&h);
}

static void a_request_past_its_deadline_is_told_504_and_answered_late_in_vain(void)
{
    struct house h = HOUSE();
    h.limits.request_ms = 50;
    open_house(&h);
    int fd = dial(&h);

    ask(fd, GET("/kept"), 504,
        "{\"error_code\":504,\"message\":\"no answer in time\"}");
    struct http_req *r = take_kept(&h);
    CHECK(http_gone(r));
    ask(fd, GET("/ping"), 200, "pong"); // the connection goes on
    http_answer(r, 200, "text/plain", span_str("too late"));
    ask(fd, GET("/ping"), 200, "pong");
    COMES_TO(&h, late_request, 1);
    close(fd);
    close_house(&h);
}

static int say_unknown(struct http_app *app, const struct http_req *r, struct buf *body)
{
    (void)app;
    buf_printf(body, "%s outcome unknown", r->route->pattern);
    return 504;
}

static void the_program_words_its_own_504(void)
{
    struct house h = HOUSE();
    h.limits.request_ms = 50;
    h.expired = say_unknown;
    open_house(&h);
    int fd = dial(&h);

    ask(fd, GET("/kept"), 504, "/kept outcome unknown");
    http_answer(take_kept(&h), 200, NULL, (struct span){0});
    close(fd);
    close_house(&h);
}

static void over_the_cap_only_health_is_answered(void)
{
    struct house h = HOUSE();
    h.limits.connections = 2;
    h.limits.reserve = 2;
    open_house(&h);
    int a = dial(&h), b = dial(&h);

    ask(a, GET("/ping"), 200, "pong");
    ask(b, GET("/ping"), 200, "pong");
    int c = dial(&h), d = dial(&h);
    ask(c, GET("/healthz"), 200, "pong");
    ask(d, GET("/ping"), 503, NULL);
    COMES_TO(&h, open, 3);
    int e = dial(&h);
    struct answer refused;
    COMES_TO(&h, accepted, 4);
    close(d);
    hear(e, &refused);
    CHECK(refused.status == 503 || open_now(&h) <= 4);
    answer_free(&refused);
    close(a), close(b), close(c), close(e);
    close_house(&h);
}

static void one_address_gets_its_share(void)
{
    struct house h = HOUSE();
    h.limits.per_ip = 2;
    open_house(&h);
    int a = dial(&h), b = dial(&h);

    ask(a, GET("/ping"), 200, "pong");
    ask(b, GET("/ping"), 200, "pong");
    int c = dial(&h);
    ask(c, "", 503, NULL);
    COMES_TO(&h, over_ip_cap, 1);
    close(a);
    close(b);
    CHECK(all_closed(&h));
    int d = dial(&h);
    ask(d, GET("/ping"), 200, "pong");
    close(c), close(d);
    close_house(&h);
}

static void the_door_may_be_closed_but_not_to_health(void)
{
    struct house h = HOUSE();
    h.p.closed_door = true;
    h.limits.body_ms = 200;
    open_house(&h);
    int fd = dial(&h), body = dial(&h);
    struct answer a;

    ask(fd, GET("/healthz"), 200, "pong");
    say(fd, span_str(GET("/ping")));
    hear(fd, &a);
    CHECK_INT(a.status, 429);
    CHECK(strstr(a.head, "\r\nRetry-After: 3\r\n") != NULL);
    CHECK_SPAN(buf_span(&a.body),
               "{\"error_code\":42900,\"message\":\"too \\\"fast\\\"\"}");
    answer_free(&a);
    ask(fd, GET("/ping"), 429, NULL); // there was no body: the connection goes on
    ask(body, "POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\n", 429, NULL);
    CHECK(is_closed(body)); // one that was not waited for
    close(fd);
    close(body);
    close_house(&h);
}

static void a_full_queue_before_the_workers_is_told(void)
{
    struct house h = HOUSE();
    h.limits.queue = 1;
    open_house(&h);
    int fds[40], busy = 0;

    for (int i = 0; i < 40; i++) {
        fds[i] = dial(&h);
        say(fds[i], span_str(GET("/gate")));
    }
    COMES_TO(&h, over_queue, 40 - 4 - 1); // four have workers, at most, one waits
    for (int i = 0; i < 5; i++)
        sem_post(&h.p.gate);
    for (int i = 0; i < 40; i++) {
        struct answer a;
        hear(fds[i], &a);
        CHECK(a.status == 200 || a.status == 503);
        busy += a.status == 503;
        answer_free(&a);
        close(fds[i]);
    }
    CHECK(busy >= 35 && busy < 40);
    COMES_TO(&h, over_queue, (uint64_t)busy);
    close_house(&h);
}

/* What /proc says we hold, in KB. */
static long resident_kb(void)
{
    long pages = 0, total;
    FILE *f = fopen("/proc/self/statm", "r");

    if (f == NULL || fscanf(f, "%ld %ld", &total, &pages) != 2)
        pages = 0;
    if (f != NULL)
        fclose(f);
    return pages * (sysconf(_SC_PAGESIZE) / 1024);
}

static void an_idle_connection_holds_little(void)
{
    enum { IDLE = 1000 };
    static int fds[IDLE];
    struct house h = HOUSE();
    open_house(&h);
    struct rlimit files = {4096, 4096};

    setrlimit(RLIMIT_NOFILE, &files);
    long before = 0;
    for (int i = 0; i < IDLE; i++) {
        fds[i] = dial(&h);
        ask(fds[i], GET("/ping"), 200, "pong");
        if (i == 99)
            before = resident_kb();
    }
    long each = (resident_kb() - before) * 1024 / (IDLE - 100);
    printf("# an idle connection holds %ld bytes here\n", each);
    CHECK(each < 8192);
    for (int i = 0; i < IDLE; i++)
        close(fds[i]);
    close_house(&h);
}

int main(void)
{
    setbuf(stdout, NULL);
    RUN(bodies_held_at_once_have_a_limit);
    RUN(dripping_a_header_does_not_extend_its_deadline);
    RUN(a_header_that_stops_is_told_408);
    RUN(a_body_below_the_rate_is_told_408);
    RUN(a_body_above_the_rate_may_take_its_time);
    RUN(idle_connections_are_closed);
    RUN(an_answer_nobody_reads_is_given_up);
    RUN(a_request_past_its_deadline_is_told_504_and_answered_late_in_vain);
    RUN(the_program_words_its_own_504);
    RUN(over_the_cap_only_health_is_answered);
    RUN(one_address_gets_its_share);
    RUN(the_door_may_be_closed_but_not_to_health);
    RUN(a_full_queue_before_the_workers_is_told);
    RUN(an_idle_connection_holds_little);
    return REPORT();
}
