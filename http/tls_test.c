/*
 * The server under TLS, asked by OpenSSL's own client over real sockets.
 */
#include "http/tls.h"

#include "tests/http_house.h"
#include "tests/tls_papers.h"

#include <openssl/err.h>
#include <signal.h>

struct guarded { // a house behind TLS, and the papers of all who come
    struct house house;
    struct papers papers;
    struct paper server;
    char ca[64];
    struct http_tls_files files;
    struct http_tls *tls;
};

static void say_who(struct http_app *app, struct http_req *r)
{
    (void)app;
    http_answer(r, 200, "text/plain", r->certificate);
}

static const struct http_route guarded_routes[] = {
    {.method = HTTP_GET, .pattern = "/who", .handler = say_who},
    {.method = HTTP_POST, .pattern = "/echo", .handler = say_back},
    {.method = HTTP_GET, .pattern = "/much", .handler = say_much},
};

enum asking { NOBODY, WHOEVER_HAS_ONE, EVERYBODY };

static void serve(struct guarded *g, struct http_limits limits)
{
    static const char *const listen[] = {"127.0.0.1:0"};
    struct err e = {0};

    CHECK_INT(http_tls_open(&g->tls, &g->files, &e), ERR_OK);
    struct http_settings settings = {
        .listen = listen, .nlisten = 1, .loops = 1, .tls = g->tls, .limits = limits};
    g->house.p.app = (struct http_app){.routes = guarded_routes, .nroutes = 3};
    CHECK_INT(http_server_open(&g->house.s, &settings, &g->house.p.app, &e), ERR_OK);
}

static void open_guarded(struct guarded *g, enum asking asked,
                         struct http_limits limits)
{
    *g = (struct guarded){0};
    papers_make(&g->papers);
    g->server = papers_for(&g->papers, "server", "localhost");
    snprintf(g->ca, sizeof g->ca, "%s/ca.pem", g->papers.dir);
    g->files = (struct http_tls_files){.cert = g->server.cert,
                                       .key = g->server.key,
                                       .client_ca = asked != NOBODY ? g->ca : NULL,
                                       .client_may_lack = asked == WHOEVER_HAS_ONE};
    serve(g, limits);
}

static void close_guarded(struct guarded *g)
{
    http_server_close(g->house.s);
    http_tls_close(g->tls);
    papers_burn(&g->papers);
}

/* A client of these versions and papers; NULL when the server does not have it. */
static SSL *call(struct guarded *g, const struct paper *mine, int version)
{
    SSL_CTX *c = SSL_CTX_new(TLS_client_method());

    SSL_CTX_load_verify_locations(c, g->ca, NULL);
    SSL_CTX_set_verify(c, SSL_VERIFY_PEER, NULL);
    SSL_CTX_set_security_level(c, 0); // to be able to ask for what is too old
    SSL_CTX_set_min_proto_version(c, version);
    SSL_CTX_set_max_proto_version(c, version);
    if (mine != NULL) {
        SSL_CTX_use_certificate_chain_file(c, mine->cert);
        SSL_CTX_use_PrivateKey_file(c, mine->key, SSL_FILETYPE_PEM);
    }
    SSL *ssl = SSL_new(c);
    SSL_CTX_free(c);
    SSL_set_fd(ssl, dial(&g->house));
    SSL_set1_host(ssl, "localhost");
    if (SSL_connect(ssl) == 1)
        return ssl;
    close(SSL_get_fd(ssl));
    SSL_free(ssl);
    return NULL;
}

static void hang_up(SSL *ssl)
{
    if (ssl == NULL)
        return;
    SSL_shutdown(ssl);
    close(SSL_get_fd(ssl));
    SSL_free(ssl);
}

/* Bytes until the server ends, or `wanted` are here; -1: it broke off. */
static long hear_bytes(SSL *ssl, char *out, long wanted)
{
    long n = 0;

    while (n < wanted) {
        int got = SSL_read(ssl, out + n, (int)(wanted - n));
        if (got <= 0)
            return SSL_get_error(ssl, got) == SSL_ERROR_ZERO_RETURN ? n : -1;
        n += got;
    }
    return n;
}

/* Asks with Connection: close; "" when there was no answer at all. */
static void ask_once(SSL *ssl, const char *path, char *out, long room)
{
    char text[200];
    int n =
        snprintf(text, sizeof text,
                 "GET %s HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n", path);
    ERR_clear_error(); // of somebody who was turned away before
    long got = ssl != NULL && SSL_write(ssl, text, n) == n
                   ? hear_bytes(ssl, out, room - 1)
                   : -1;

    out[got > 0 ? got : 0] = '\0';
}

static void who_am_i(struct guarded *g, const struct paper *mine, const char *wanted)
{
    char answer[1000];
    SSL *ssl = call(g, mine, TLS1_3_VERSION);

    ask_once(ssl, "/who", answer, sizeof answer);
    const char *body = strstr(answer, "\r\n\r\n");
    const char *heard = body != NULL ? body + 4 : "turned away";
    CHECK(strcmp(heard, wanted) == 0);
    hang_up(ssl);
}

static void speaks_1_2_and_1_3_and_nothing_older(void)
{
    static const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};
    struct guarded g;
    char answer[1000];

    open_guarded(&g, NOBODY, HTTP_LIMITS);
    for (int i = 0; i < 2; i++) {
        SSL *ssl = call(&g, NULL, versions[i]);
        ask_once(ssl, "/who", answer, sizeof answer);
        CHECK(strncmp(answer, "HTTP/1.1 200 OK\r\n", 17) == 0);
        hang_up(ssl);
    }
    CHECK(call(&g, NULL, TLS1_1_VERSION) == NULL);
    close_guarded(&g);
}

static void the_name_in_a_clients_certificate_is_told(void)
{
    struct guarded g;

    open_guarded(&g, EVERYBODY, HTTP_LIMITS);
    struct paper writer = papers_for(&g.papers, "writer",
                                     "wr\xc3\xad"
                                     "ter");
    struct paper other = papers_for(&g.papers, "other", "a,b=c");
    who_am_i(&g, &writer,
             "CN=wr\xc3\xad"
             "ter,O=Shop");
    who_am_i(&g, &other, "CN=a\\,b=c,O=Shop");
    who_am_i(&g, NULL, "turned away");
    close_guarded(&g);
}

static void a_stranger_s_certificate_is_none(void)
{
    struct guarded g;
    struct papers elsewhere;

    open_guarded(&g, WHOEVER_HAS_ONE, HTTP_LIMITS);
    papers_make(&elsewhere);
    struct paper forged = papers_for(&elsewhere, "forged", "writer");
    who_am_i(&g, &forged, "turned away");
    who_am_i(&g, NULL, ""); // whoever has none may still come
    papers_burn(&elsewhere);
    close_guarded(&g);
}

static void a_certificate_that_was_withdrawn_is_none(void)
{
    struct guarded g;
    struct err e = {0};
    char list[64];

    open_guarded(&g, WHOEVER_HAS_ONE, HTTP_LIMITS);
    struct paper first = papers_for(&g.papers, "first", "first");
    long serial = g.papers.serial;
    struct paper second = papers_for(&g.papers, "second", "second");
    snprintf(list, sizeof list, "%s/list.crl", g.papers.dir);
    papers_withdraw(&g.papers, "list", 900, 900, 3600);
    http_server_close(g.house.s);
    http_tls_close(g.tls);
    g.files.client_crl = list;
    serve(&g, HTTP_LIMITS);

    who_am_i(&g, &first, "CN=first,O=Shop");
    papers_withdraw(&g.papers, "list", serial, serial, 3600);
    CHECK_INT(http_tls_reload(g.tls, &e), ERR_OK);
    who_am_i(&g, &first, "turned away");
    who_am_i(&g, &second, "CN=second,O=Shop");
    who_am_i(&g, NULL, "");

    papers_withdraw(&g.papers, "list", 900, 900, -60); // out of date
    CHECK_INT(http_tls_reload(g.tls, &e), ERR_OK);
    who_am_i(&g, &second, "turned away");
    CHECK_INT(truncate(list, 10), 0);
    CHECK_INT(http_tls_reload(g.tls, &e), ERR_INVALID);
    CHECK(strstr(e.msg, list) != NULL);
    close_guarded(&g);
}

/* More than a record and more than the socket holds, both ways. */
static void much_goes_through(void)
{
    enum { MUCH = 8 << 20, SENT = 3 << 20 };
    struct guarded g;
    char *p = malloc(MUCH + 1000);
    char head[200];

    open_guarded(&g, NOBODY, HTTP_LIMITS);
    SSL *ssl = call(&g, NULL, TLS1_3_VERSION);
    for (long i = 0; i < SENT; i++)
        p[i] = (char)(i * 7 + i / 251);
    int n = snprintf(head, sizeof head,
                     "POST /echo HTTP/1.1\r\nHost: here\r\nContent-Length: %d\r\n\r\n",
                     SENT);
    CHECK_INT(SSL_write(ssl, head, n), n);
    CHECK_INT(SSL_write(ssl, p, SENT), SENT);
    char *back = malloc(SENT + 1000);
    long got = 0;
    char *end = NULL;
    while (end == NULL && got < 999) { // the head
        int one = SSL_read(ssl, back + got, 999 - (int)got);
        CHECK(one > 0);
        got += one;
        back[got] = '\0';
        end = strstr(back, "\r\n\r\n");
    }
    long had = got - (end + 4 - back);
    memmove(back, end + 4, (size_t)had);
    CHECK_INT(hear_bytes(ssl, back + had, SENT - had), SENT - had);
    CHECK(memcmp(back, p, SENT) == 0);
    ask_once(ssl, "/much", p, MUCH + 1000);
    CHECK(strstr(p, "Content-Length: 8388608\r\n") != NULL);
    CHECK_INT(p[MUCH], 'x');
    hang_up(ssl);
    free(back);
    free(p);
    close_guarded(&g);
}

/* Who begins a handshake and dawdles is cut off when a header would be, and meanwhile
 * the only loop serves others. */
static void a_slow_handshake_costs_one_connection(void)
{
    struct http_limits limits = HTTP_LIMITS;
    struct http_counters n;
    struct guarded g;

    limits.head_ms = 300;
    open_guarded(&g, NOBODY, limits);
    int slow = dial(&g.house);
    CHECK_INT(send(slow, "\x16\x03\x01", 3, 0), 3);
    who_am_i(&g, NULL, "");
    char c;
    CHECK(recv(slow, &c, 1, 0) <= 0); // and not PATIENCE later
    CHECK(errno != EAGAIN);
    http_server_counters(g.house.s, &n);
    CHECK_INT(n.late_head, 1);
    close(slow);
    close_guarded(&g);
}

static void what_is_no_tls_is_counted_and_closed(void)
{
    struct http_counters n;
    struct guarded g;
    char c[200];

    open_guarded(&g, NOBODY, HTTP_LIMITS);
    int fd = dial(&g.house);
    CHECK(send(fd, GET("/who"), sizeof GET("/who") - 1, 0) > 0);
    while (recv(fd, c, sizeof c, 0) > 0)
        CHECK(strstr(c, "HTTP/1.1 200") == NULL);
    http_server_counters(g.house.s, &n);
    CHECK_INT(n.bad_handshakes, 1);
    close(fd);
    close_guarded(&g);
}

static void a_new_certificate_is_shown_to_who_comes_after(void)
{
    struct guarded g;
    struct err e = {0};
    char answer[1000];

    open_guarded(&g, NOBODY, HTTP_LIMITS);
    SSL *before = call(&g, NULL, TLS1_3_VERSION);
    papers_for(&g.papers, "server", "elsewhere");
    CHECK_INT(http_tls_reload(g.tls, &e), ERR_OK);
    CHECK(call(&g, NULL, TLS1_3_VERSION) == NULL); // it is not localhost any more
    ask_once(before, "/who", answer, sizeof answer);
    CHECK(strncmp(answer, "HTTP/1.1 200 OK\r\n", 17) == 0);
    hang_up(before);

    CHECK_INT(truncate(g.server.key, 20), 0);
    CHECK_INT(http_tls_reload(g.tls, &e), ERR_INVALID);
    CHECK(strstr(e.msg, g.server.key) != NULL);
    papers_for(&g.papers, "server", "localhost");
    CHECK(call(&g, NULL, TLS1_3_VERSION) == NULL); // not read: the last good one stays
    CHECK_INT(http_tls_reload(g.tls, &e), ERR_OK);
    who_am_i(&g, NULL, "");
    close_guarded(&g);
}

static void files_that_do_not_fit_are_refused_by_name(void)
{
    struct papers p;
    struct http_tls *t = NULL;
    struct err e = {0};

    papers_make(&p);
    struct paper one = papers_for(&p, "one", "one"), two = papers_for(&p, "two", "two");
    struct http_tls_files swapped = {.cert = one.cert, .key = two.key};
    struct http_tls_files absent = {.cert = "/nowhere.pem", .key = two.key};
    CHECK_INT(http_tls_open(&t, &swapped, &e), ERR_INVALID);
    CHECK(strstr(e.msg, two.key) != NULL);
    CHECK_INT(http_tls_open(&t, &absent, &e), ERR_INVALID);
    CHECK(strstr(e.msg, "/nowhere.pem") != NULL);
    papers_burn(&p);
}

int main(void)
{
    signal(SIGPIPE, SIG_IGN);
    RUN(speaks_1_2_and_1_3_and_nothing_older);
    RUN(the_name_in_a_clients_certificate_is_told);
    RUN(a_stranger_s_certificate_is_none);
    RUN(a_certificate_that_was_withdrawn_is_none);
    RUN(much_goes_through);
    RUN(a_slow_handshake_costs_one_connection);
    RUN(what_is_no_tls_is_counted_and_closed);
    RUN(a_new_certificate_is_shown_to_who_comes_after);
    RUN(files_that_do_not_fit_are_refused_by_name);
    return REPORT();
}
