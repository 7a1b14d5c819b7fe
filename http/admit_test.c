/*
 * A door that takes its time: the verdict on a request comes from another thread.
 */
#include "tests/http_house.h"

static void put_off(struct http_app *app, struct http_req *r)
{
    http_admit_later(r);
    keep(app, r);
}

static void open_slow_door(struct house *h)
{
    static const char *const listen[] = {"127.0.0.1:0"};
    struct http_settings settings = {
        .listen = listen, .nlisten = 1, .loops = 1, .limits = h->limits};
    struct err e = {0};

    h->p.app = (struct http_app){
        .routes = routes, .nroutes = sizeof routes / sizeof *routes, .admit = put_off};
    settings.workers = 1;
    pthread_mutex_init(&h->p.lock, NULL);
    pthread_cond_init(&h->p.more, NULL);
    CHECK_INT(http_server_open(&h->s, &settings, &h->p.app, &e), ERR_OK);
}

#define POST "POST /echo HTTP/1.1\r\nHost: here\r\nContent-Length: 5\r\n\r\n"

static void whom_the_door_lets_in_later_is_served(void)
{
    struct house h = HOUSE();
    struct answer a;

    open_slow_door(&h);
    int fd = dial(&h);
    for (int i = 0; i < 3; i++) { // the body there already, then with the next request
        say(fd, span_str(POST "hello" POST));
        http_admit(take_kept(&h));
        hear(fd, &a);
        CHECK_SPAN(buf_span(&a.body), "hello");
        answer_free(&a);
        struct http_req *r = take_kept(&h);
        http_admit(r);
        say(fd, span_str("later"));
        hear(fd, &a);
        CHECK_SPAN(buf_span(&a.body), "later");
        answer_free(&a);
    }
    say(fd, span_str(GET("/ping")));
    http_admit(take_kept(&h));
    hear(fd, &a);
    CHECK_SPAN(buf_span(&a.body), "pong");
    answer_free(&a);
    close(fd);
    close_house(&h);
}

static void whom_the_door_refuses_later_is_not_read(void)
{
    struct house h = HOUSE();
    struct answer a;

    open_slow_door(&h);
    int fd = dial(&h);
    say(fd, span_str(GET("/ping")));
    http_answer_error(take_kept(&h), 401, 401, "who is there");
    hear(fd, &a);
    CHECK_INT(a.status, 401);
    answer_free(&a);
    for (int i = 0; i < 3;
         i++) { // a small body is passed over, before or after it came
        say(fd, span_str(i == 1 ? POST "hello" : POST));
        http_answer_error(take_kept(&h), 401, 401, "who is there");
        hear(fd, &a);
        CHECK_INT(a.status, 401);
        CHECK(strstr(a.head, "Connection: close") == NULL);
        answer_free(&a);
        if (i != 1)
            say(fd, span_str("GET /"));
    }
    say(fd,
        span_str("POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 1000000\r\n\r\n"));
    http_answer_error(take_kept(&h), 401, 401, "who is there");
    hear(fd, &a);
    CHECK_INT(a.status, 401);
    answer_free(&a);
    CHECK(is_closed(fd)); // a large one is not
    close(fd);
    close_house(&h);
}

static void a_door_that_takes_too_long_is_a_504(void)
{
    struct house h = HOUSE();
    struct answer a;

    h.limits.request_ms = 50;
    open_slow_door(&h);
    int fd = dial(&h), gone = dial(&h);
    say(fd, span_str(GET("/ping")));
    struct http_req *r = take_kept(&h);
    hear(fd, &a);
    CHECK_INT(a.status, 504);
    answer_free(&a);
    http_admit(r); // too late: nothing comes of it
    say(fd, span_str(GET("/ping")));
    http_admit(take_kept(&h));
    hear(fd, &a);
    CHECK_INT(a.status, 200);
    answer_free(&a);

    say(gone, span_str(GET("/ping")));
    r = take_kept(&h);
    close(gone);
    http_admit(r);
    close(fd);
    close_house(&h);
}

int main(void)
{
    RUN(whom_the_door_lets_in_later_is_served);
    RUN(whom_the_door_refuses_later_is_not_read);
    RUN(a_door_that_takes_too_long_is_a_504);
    return REPORT();
}
