/*
 * What /metrics says of a server: of its connections and requests, and of those that
 * there was no room for.
 */
#include "tests/http_house.h"

static bool says(const struct house *h, const char *line)
{
    struct buf text = BUF_INIT(64 << 10);

    http_server_metrics(h->s, &text);
    buf_put_u8(&text, 0);
    bool found = strstr((const char *)text.p, line) != NULL;
    if (!found)
        printf("# wanted %s of\n%s", line, (const char *)text.p);
    buf_free(&text);
    return found;
}

static void connections_and_requests_are_counted(void)
{
    struct house h = HOUSE();
    open_house(&h);
    int fd = dial(&h);

    ask(fd, GET("/ping"), 200, "pong");
    ask(fd, GET("/ping"), 200, "pong");
    COMES_TO(&h, requests, 2);
    CHECK(says(&h, "# HELP avrogate_http_connections open now\n"
                   "# TYPE avrogate_http_connections gauge\n"
                   "avrogate_http_connections 1\n"));
    CHECK(says(&h, "# TYPE avrogate_http_requests_total counter\n"
                   "avrogate_http_requests_total 2\n"));
    CHECK(says(&h, "\navrogate_http_accepted_total 1\n"));
    close(fd);
    close_house(&h);
}

static void what_there_was_no_room_for_is_told_by_what_there_was_none_of(void)
{
    struct house h = HOUSE();
    h.limits.connections = 1;
    h.limits.reserve = 1;
    open_house(&h);
    int a = dial(&h);
    ask(a, GET("/ping"), 200, "pong");
    int b = dial(&h);
    ask(b, GET("/healthz"), 200, "pong");
    int c = dial(&h);
    ask(c, "", 503, NULL); // past the reserve
    ask(b, GET("/ping"), 503, NULL);
    COMES_TO(&h, over_cap, 2);
    CHECK(says(&h, "# TYPE avrogate_http_refused_total counter\n"
                   "avrogate_http_refused_total{of=\"connections\",for=\"all\"} 2\n"
                   "avrogate_http_refused_total{of=\"connections\",for=\"one\"} 0\n"
                   "avrogate_http_refused_total{of=\"bodies\",for=\"all\"} 0\n"
                   "avrogate_http_refused_total{of=\"workers\",for=\"all\"} 0\n#"));
    close(a), close(b), close(c);
    close_house(&h);
}

/* The workers have taken theirs. */
static bool come_to_wait(const struct house *h, uint64_t n)
{
    int64_t until = clock_ms() + PATIENCE;
    struct http_counters c;

    do {
        http_server_counters(h->s, &c);
        if (c.queued == n)
            return true;
        usleep(1000);
    } while (clock_ms() < until);
    return false;
}

static void requests_that_wait_for_a_worker_are_told(void)
{
    struct house h = HOUSE();
    open_house(&h);
    int fds[6]; // two more than workers

    for (int i = 0; i < 6; i++) {
        fds[i] = dial(&h);
        CHECK(say(fds[i], span_str(GET("/gate"))));
    }
    COMES_TO(&h, in_flight, 6);
    CHECK(come_to_wait(&h, 2));
    CHECK(says(&h, "\navrogate_http_requests_queued 2\n"));
    for (int i = 0; i < 6; i++)
        sem_post(&h.p.gate);
    for (int i = 0; i < 6; i++) {
        ask(fds[i], "", 200, "pong");
        close(fds[i]);
    }
    CHECK(says(&h, "\navrogate_http_requests_queued 0\n"));
    close_house(&h);
}

int main(void)
{
    RUN(connections_and_requests_are_counted);
    RUN(what_there_was_no_room_for_is_told_by_what_there_was_none_of);
    RUN(requests_that_wait_for_a_worker_are_told);
    return REPORT();
}
