/*
 * The client against our own server, and against peers that behave badly on purpose.
 */
#include "http/client.h"

#include "base/clock.h"
#include "http/server.h"
#include "tests/check.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

static void say_back(struct http_app *app, struct http_req *r)
{
    struct buf out = BUF_INIT(1 << 20);

    (void)app;
    buf_printf(&out, "%s " SPAN_FMT " [" SPAN_FMT "] ", http_method_name(r->method),
               SPAN_ARG(r->path), SPAN_ARG(http_header(r, "X-Given")));
    buf_put(&out, http_header(r, "Authorization"));
    buf_put_str(&out,
                http_header(r, "Content-Type").p == NULL ? " untyped " : " typed ");
    buf_put(&out, r->body);
    http_answer_header(r, "X-Peer", r->peer);
    http_answer_take(r, r->method == HTTP_PUT ? 409 : 200, "text/plain", &out);
}

static void never(struct http_app *app, struct http_req *r)
{
    (void)app;
    for (int i = 0; i < 400 && !http_gone(r); i++)
        usleep(5000);
    http_answer(r, 200, NULL, (struct span){0});
}

static void go_elsewhere(struct http_app *app, struct http_req *r)
{
    (void)app;
    http_answer_header(r, "Location", span_str("/echo/elsewhere"));
    http_answer(r, 302, NULL, (struct span){0});
}

static const struct http_route routes[] = {
    {.method = HTTP_GET, .pattern = "/echo/{any}", .handler = say_back},
    {.method = HTTP_POST, .pattern = "/echo/{any}", .handler = say_back},
    {.method = HTTP_PUT, .pattern = "/echo/{any}", .handler = say_back},
    {.method = HTTP_PATCH, .pattern = "/echo/{any}", .handler = say_back},
    {.method = HTTP_DELETE, .pattern = "/echo/{any}", .handler = say_back},
    {.method = HTTP_GET,
     .pattern = "/never",
     .handler = never,
     .flags = HTTP_MAY_BLOCK},
    {.method = HTTP_GET, .pattern = "/moved", .handler = go_elsewhere},
};

struct pair { // a server and a client of it
    struct http_app app;
    struct http_server *s;
    struct http_client *c;
    char url[128];
};

static void open_pair(struct pair *p)
{
    static const char *const listen[] = {"127.0.0.1:0"};
    struct http_settings settings = {.listen = listen,
                                     .nlisten = 1,
                                     .loops = 1,
                                     .workers = 2,
                                     .limits = HTTP_LIMITS};
    struct http_client_settings mine = {0};
    struct err e = {0};

    p->app =
        (struct http_app){.routes = routes, .nroutes = sizeof routes / sizeof *routes};
    if (http_server_open(&p->s, &settings, &p->app, &e) != ERR_OK ||
        http_client_open(&p->c, &mine, &e) != ERR_OK)
        abort();
}

static void close_pair(struct pair *p)
{
    http_client_close(p->c);
    http_server_close(p->s);
}

static const char *url_to(struct pair *p, const char *user, const char *path)
{
    snprintf(p->url, sizeof p->url, "http://%s127.0.0.1:%u%s", user,
             http_server_port(p->s, 0), path);
    return p->url;
}

static struct http_call call_to(struct pair *p, enum http_method m, const char *path)
{
    return (struct http_call){
        .method = m, .url = url_to(p, "", path), .deadline_ms = clock_ms() + 10000};
}

static void check_reply(struct pair *p, const struct http_call *call, int status,
                        const char *body)
{
    struct http_reply r = {0};
    struct err e = {0};

    CHECK_INT(http_client_call(p->c, call, &r, &e), ERR_OK);
    CHECK_STR(e.msg, "");
    CHECK_INT(r.status, status);
    CHECK_SPAN(r.body, body);
    http_reply_free(&r);
}

static void sends_what_it_is_told(void)
{
    static const struct {
        enum http_method method;
        const char *body;
        int status;
        const char *reply;
    } t[] = {
        {HTTP_GET, "", 200, "GET /echo/a [v]  untyped "},
        {HTTP_POST, "b1", 200, "POST /echo/a [v]  untyped b1"},
        {HTTP_POST, "", 200, "POST /echo/a [v]  untyped "},
        {HTTP_PUT, "b2", 409, "PUT /echo/a [v]  untyped b2"},
        {HTTP_PUT, "", 409, "PUT /echo/a [v]  untyped "},
        {HTTP_PATCH, "b3", 200, "PATCH /echo/a [v]  untyped b3"},
        {HTTP_DELETE, "", 200, "DELETE /echo/a [v]  untyped "},
        {HTTP_DELETE, "b4", 200, "DELETE /echo/a [v]  untyped b4"},
        {HTTP_HEAD, "", 200, ""},
        {HTTP_GET, "", 200, "GET /echo/a [v]  untyped "}, // HEAD left nothing behind
    };
    const struct http_field given = {span_str("X-Given"), span_str("v")};
    struct pair p;

    open_pair(&p);
    for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
        struct http_call call = call_to(&p, t[i].method, "/echo/a");
        call.fields = &given;
        call.nfields = 1;
        call.body = span_str(t[i].body);
        check_reply(&p, &call, t[i].status, t[i].reply);
    }
    close_pair(&p);
}

static void keeps_its_connection(void)
{
    struct http_counters n;
    struct pair p;

    open_pair(&p);
    for (int i = 0; i < 5; i++) {
        struct http_call call = call_to(&p, i == 2 ? HTTP_POST : HTTP_GET, "/echo/a");
        struct http_reply r = {0};
        struct err e = {0};
        call.body = i == 2 ? span_str("x") : (struct span){0};
        CHECK_INT(http_client_call(p.c, &call, &r, &e), ERR_OK);
        http_reply_free(&r);
    }
    http_server_counters(p.s, &n);
    CHECK_INT(n.accepted, 1);
    close_pair(&p);
}

static void userinfo_goes_as_basic_and_is_not_shown(void)
{
    struct pair p;
    struct http_reply r = {0};
    struct err e = {0};

    open_pair(&p);
    struct http_call call = call_to(&p, HTTP_GET, "/echo/a");
    call.url = url_to(&p, "me:pass@", "/echo/a");
    check_reply(&p, &call, 200, "GET /echo/a [] Basic bWU6cGFzcw== untyped ");

    call.url = "http://me:pass@127.0.0.1:1/x";
    CHECK_INT(http_client_call(p.c, &call, &r, &e), ERR_UNAVAILABLE);
    CHECK(strstr(e.msg, "GET http://127.0.0.1:1/x: ") == e.msg);
    CHECK(strstr(e.msg, "pass") == NULL);
    close_pair(&p);
}

static void headers_of_the_answer_are_there(void)
{
    struct pair p;
    struct http_reply r = {0};
    struct err e = {0};

    open_pair(&p);
    struct http_call call = call_to(&p, HTTP_GET, "/moved");
    CHECK_INT(http_client_call(p.c, &call, &r, &e), ERR_OK);
    CHECK_INT(r.status, 302); // and it did not go there
    CHECK_SPAN(http_reply_header(&r, "location"), "/echo/elsewhere");
    CHECK(http_reply_header(&r, "x-none").p == NULL);
    http_reply_free(&r);
    close_pair(&p);
}

static void the_deadline_is_for_everything(void)
{
    struct pair p;
    struct http_reply r = {0};
    struct err e = {0};

    open_pair(&p);
    struct http_call call = call_to(&p, HTTP_GET, "/never");
    int64_t began = clock_ms();
    call.deadline_ms = began + 50;
    CHECK_INT(http_client_call(p.c, &call, &r, &e), ERR_UNAVAILABLE);
    CHECK(clock_ms() - began >= 45);
    call.deadline_ms = began;
    CHECK_INT(http_client_call(p.c, &call, &r, &e), ERR_UNAVAILABLE);
    CHECK(strstr(e.msg, "no time left") != NULL);
    close_pair(&p);
}

/* Listens and reads nothing: what fits into the sockets arrives, and no more. */
static int open_deaf_peer(char url[64])
{
    struct sockaddr_in a = {.sin_family = AF_INET,
                            .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof a;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (bind(fd, (struct sockaddr *)&a, sizeof a) != 0 || listen(fd, 8) != 0 ||
        getsockname(fd, (struct sockaddr *)&a, &n) != 0)
        abort();
    snprintf(url, 64, "http://127.0.0.1:%u/x", ntohs(a.sin_port));
    return fd;
}

/* POSTs `n` bytes and gets no answer; was a whole request sent? */
static bool is_sent(const char *url, size_t n, int64_t ms)
{
    struct http_client_settings mine = {0};
    struct http_client *c;
    struct http_reply r = {0};
    struct err e = {0};
    bool sent = ms < 0;
    uint8_t *body = mem_alloc(n);

    CHECK_INT(http_client_open(&c, &mine, &e), ERR_OK);
    struct http_call call = {.method = HTTP_POST,
                             .url = url,
                             .deadline_ms = clock_ms() + ms,
                             .body = span_of(body, n),
                             .sent = &sent};
    CHECK_INT(http_client_call(c, &call, &r, &e), ERR_UNAVAILABLE);
    http_client_close(c);
    free(body);
    return sent;
}

static void tells_whether_a_whole_request_may_have_arrived(void)
{
    char url[64];
    int deaf = open_deaf_peer(url);

    CHECK(is_sent(url, 10, 1000));
    CHECK(!is_sent(url, (size_t)64 << 20, 300)); // a part of it is no request
    CHECK(!is_sent(url, 10, -1));                // no time left to ask
    close(deaf);
    CHECK(!is_sent("http://127.0.0.1:1/x", 10, 1000)); // nobody listens
}

static void an_answer_too_long_is_not_taken(void)
{
    struct pair p;
    struct http_reply r = {0};
    struct err e = {0};

    open_pair(&p);
    struct http_call call = call_to(&p, HTTP_GET, "/echo/a");
    call.body_max = 10;
    CHECK_INT(http_client_call(p.c, &call, &r, &e), ERR_LIMIT);
    CHECK(strstr(e.msg, "answer of more than 10 bytes") != NULL);
    close_pair(&p);
}

static void refuses_what_it_cannot_say(void)
{
    static const struct http_field split = {{(const uint8_t *)"A", 1},
                                            {(const uint8_t *)"b\r\nC: d", 7}};
    struct pair p;
    struct http_reply r = {0};
    struct err e = {0};

    open_pair(&p);
    struct http_call call = call_to(&p, HTTP_GET, "/echo/a");
    call.fields = &split;
    call.nfields = 1;
    CHECK_INT(http_client_call(p.c, &call, &r, &e), ERR_INVALID);
    call.nfields = 0;
    call.url = "file:///etc/passwd";
    CHECK_INT(http_client_call(p.c, &call, &r, &e), ERR_INVALID);
    call.url = "http://127.0.0.1/a b";
    CHECK_INT(http_client_call(p.c, &call, &r, &e), ERR_INVALID);
    close_pair(&p);
}

static void a_file_that_is_not_there_stops_the_start(void)
{
    struct http_client_settings s = {.ca_file = "/nowhere/ca.pem"};
    struct http_client *c = NULL;
    struct err e = {0};

    CHECK_INT(http_client_open(&c, &s, &e), ERR_INVALID);
    CHECK_STR(e.msg, "CA file \"/nowhere/ca.pem\" cannot be read");
    http_client_close(c);
}

/* A peer that answers the first request of each connection and hangs up, without a
 * word, on the second: what a client sees of a server killed at the wrong moment. */
struct peer {
    int listener;
    uint16_t port;
    pthread_t thread;
    atomic_int requests;
};

static bool hear_request(int fd)
{
    char in[4096];
    size_t n = 0;

    while (n + 1 < sizeof in) {
        ssize_t got = recv(fd, in + n, sizeof in - 1 - n, 0);
        if (got <= 0)
            return false;
        n += (size_t)got;
        in[n] = '\0';
        const char *end = strstr(in, "\r\n\r\n");
        const char *length = strstr(in, "Content-Length: ");
        if (end != NULL &&
            n >= (size_t)(end + 4 - in) + (length ? strtoul(length + 16, NULL, 10) : 0))
            return true;
    }
    return false;
}

static void *be_a_bad_peer(void *arg)
{
    struct peer *p = arg;
    static const char ok[] = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
    int fd;

    while ((fd = accept(p->listener, NULL, NULL)) >= 0) {
        if (hear_request(fd)) {
            atomic_fetch_add(&p->requests, 1);
            if (send(fd, ok, sizeof ok - 1, MSG_NOSIGNAL) > 0 && hear_request(fd))
                atomic_fetch_add(&p->requests, 1);
        }
        close(fd);
    }
    return NULL;
}

static void open_peer(struct peer *p)
{
    struct sockaddr_in a = {.sin_family = AF_INET,
                            .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof a;

    p->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    atomic_init(&p->requests, 0);
    if (bind(p->listener, (struct sockaddr *)&a, sizeof a) != 0 ||
        listen(p->listener, 8) != 0 ||
        getsockname(p->listener, (struct sockaddr *)&a, &n) != 0)
        abort();
    p->port = ntohs(a.sin_port);
    pthread_create(&p->thread, NULL, be_a_bad_peer, p);
}

static void close_peer(struct peer *p)
{
    shutdown(p->listener, SHUT_RDWR);
    pthread_join(p->thread, NULL);
    close(p->listener);
}

static void a_post_is_never_sent_twice(void)
{
    static const struct {
        enum http_method method;
        enum err_kind says;
        int requests; // that reached the peer, with the one before
    } t[] = {
        {HTTP_POST, ERR_UNAVAILABLE, 2},
        {HTTP_PATCH, ERR_UNAVAILABLE, 2},
        {HTTP_GET, ERR_OK, 3}, // idempotent: asked again on a new connection
    };

    for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
        struct http_client_settings mine = {0};
        struct http_client *c;
        struct http_reply r = {0};
        struct err e = {0};
        struct peer p;
        char url[64];

        open_peer(&p);
        snprintf(url, sizeof url, "http://127.0.0.1:%u/", p.port);
        CHECK_INT(http_client_open(&c, &mine, &e), ERR_OK);
        struct http_call call = {.url = url, .deadline_ms = clock_ms() + 10000};
        CHECK_INT(http_client_call(c, &call, &r, &e), ERR_OK);
        http_reply_free(&r);
        call.method = t[i].method;
        call.body = t[i].method == HTTP_GET ? (struct span){0} : span_str("once");
        CHECK_INT(http_client_call(c, &call, &r, &e), t[i].says);
        http_reply_free(&r);
        http_client_close(c);
        close_peer(&p);
        CHECK_INT(atomic_load(&p.requests), t[i].requests);
    }
}

struct tap { // gives 'x' so often, then what `end` says
    int64_t left, end;
    atomic_bool *cancel;
};

static int64_t draw(void *arg, uint8_t *p, size_t n)
{
    struct tap *t = arg;

    if (t->cancel != NULL)
        atomic_store(t->cancel, true);
    if (t->left == 0)
        return t->end;
    n = t->left < (int64_t)n ? (size_t)t->left : n;
    memset(p, 'x', n);
    t->left -= (int64_t)n;
    return (int64_t)n;
}

static void a_body_can_be_drawn_piece_by_piece(void)
{
    struct pair p;
    struct http_reply r = {0};
    struct err e = {0};
    struct tap tap = {.left = 300000};
    struct http_source source = {draw, &tap, 300000};

    open_pair(&p);
    struct http_call call = call_to(&p, HTTP_PUT, "/echo/a");
    call.source = &source;
    CHECK_INT(http_client_call(p.c, &call, &r, &e), ERR_OK);
    CHECK(r.body.n > 300000 && r.body.p[r.body.n - 1] == 'x');
    http_reply_free(&r);

    bool sent = true;
    tap = (struct tap){.left = 1000, .end = -1}; // it said there were more
    call.sent = &sent;
    CHECK_INT(http_client_call(p.c, &call, &r, &e), ERR_UNAVAILABLE);
    CHECK(!sent);
    close_pair(&p);
}

static void what_is_cancelled_ends_long_before_its_deadline(void)
{
    struct http_client_settings mine = {0};
    struct http_client *c;
    struct http_reply r = {0};
    struct err e = {0};
    atomic_bool cancel = false;
    struct tap tap = {.left = 100 << 20, .cancel = &cancel};
    struct http_source source = {draw, &tap, 100 << 20};
    char url[64];
    int fd = open_deaf_peer(url);

    CHECK_INT(http_client_open(&c, &mine, &e), ERR_OK);
    struct http_call call = {.method = HTTP_PUT,
                             .url = url,
                             .source = &source,
                             .cancel = &cancel,
                             .deadline_ms = clock_ms() + 600000};
    CHECK_INT(http_client_call(c, &call, &r, &e), ERR_UNAVAILABLE);
    CHECK(tap.left > 0);

    atomic_store(&cancel, false); // and one that moves nothing ends by itself
    tap = (struct tap){.left = 100 << 20};
    call.stall_ms = 1000;
    CHECK_INT(http_client_call(c, &call, &r, &e), ERR_UNAVAILABLE);
    CHECK(call.deadline_ms > clock_ms() + 300000);
    http_client_close(c);
    close(fd);
}

/* That the signature is right only a real server tells: tests/promises/place.c. */
static void signs_as_amazon_wants_it(void)
{
    struct pair p;
    struct http_reply r = {0};
    struct err e = {0};
    struct http_sigv4 sign = {"aws:amz:eu-west-1:s3", "AKID", "secret"};
    struct http_field hash = {span_str("x-amz-content-sha256"),
                              span_str("UNSIGNED-PAYLOAD")};

    open_pair(&p);
    struct http_call call = call_to(&p, HTTP_GET, "/echo/a");
    call.sign = &sign;
    call.fields = &hash;
    call.nfields = 1;
    CHECK_INT(http_client_call(p.c, &call, &r, &e), ERR_OK);
    CHECK(memmem(r.body.p, r.body.n, "AWS4-HMAC-SHA256 Credential=AKID/", 33) != NULL);
    CHECK(memmem(r.body.p, r.body.n, "/eu-west-1/s3/aws4_request", 26) != NULL);
    CHECK(memmem(r.body.p, r.body.n, "x-amz-content-sha256", 20) != NULL);
    http_reply_free(&r);
    close_pair(&p);
}

int main(void)
{
    setbuf(stdout, NULL);
    RUN(sends_what_it_is_told);
    RUN(keeps_its_connection);
    RUN(userinfo_goes_as_basic_and_is_not_shown);
    RUN(headers_of_the_answer_are_there);
    RUN(the_deadline_is_for_everything);
    RUN(tells_whether_a_whole_request_may_have_arrived);
    RUN(an_answer_too_long_is_not_taken);
    RUN(refuses_what_it_cannot_say);
    RUN(a_file_that_is_not_there_stops_the_start);
    RUN(a_post_is_never_sent_twice);
    RUN(a_body_can_be_drawn_piece_by_piece);
    RUN(what_is_cancelled_ends_long_before_its_deadline);
    RUN(signs_as_amazon_wants_it);
    return REPORT();
}
