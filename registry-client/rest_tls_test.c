/*
 * The client before a registry that wants to know by certificate who asks.
 */
#include "base/clock.h"
#include "http/server.h"
#include "http/tls.h"
#include "registry-client/registry_client.h"
#include "tests/tls_papers.h"

#include <signal.h>

static void get_schema(struct http_app *app, struct http_req *r)
{
    (void)app;
    http_answer(r, 200, "application/json", span_str("{\"schema\":\"\\\"long\\\"\"}"));
}

static const struct http_route routes[] = {
    {HTTP_GET, "/schemas/ids/{id}", get_schema, 0, 0, 0},
};

struct world {
    struct papers papers;
    struct paper server, client;
    char ca[64], url[64];
    struct http_app app;
    struct http_tls *tls;
    struct http_server *http;
};

static void open_world(struct world *w)
{
    static const char *const any[] = {"127.0.0.1:0"};
    struct err e = {0};

    *w = (struct world){.app = {.routes = routes, .nroutes = 1}};
    papers_make(&w->papers);
    w->server = papers_for(&w->papers, "server", "127.0.0.1");
    w->client = papers_for(&w->papers, "client", "ann");
    snprintf(w->ca, sizeof w->ca, "%s/ca.pem", w->papers.dir);
    const struct http_tls_files files = {
        .cert = w->server.cert, .key = w->server.key, .client_ca = w->ca};
    CHECK_INT(http_tls_open(&w->tls, &files, &e), ERR_OK);
    struct http_settings s = {
        .listen = any, .nlisten = 1, .loops = 1, .tls = w->tls, .limits = HTTP_LIMITS};
    CHECK_INT(http_server_open(&w->http, &s, &w->app, &e), ERR_OK);
    snprintf(w->url, sizeof w->url, "https://127.0.0.1:%d",
             http_server_port(w->http, 0));
}

static void close_world(struct world *w)
{
    http_server_close(w->http);
    http_tls_close(w->tls);
    papers_burn(&w->papers);
}

static enum err_kind ask(const struct world *w, const char *ca,
                         const struct paper *client)
{
    const char *urls[] = {w->url};
    const struct rc_options o = {
        .urls = urls,
        .n_urls = 1,
        .login = {.ca_file = ca,
                  .cert_file = client != NULL ? client->cert : NULL,
                  .key_file = client != NULL ? client->key : NULL}};
    struct rc_schema s = {0};
    struct rc *rc = NULL;
    struct err e = {0};

    enum err_kind kind = rc_open(&rc, &o, &e);
    CHECK_INT(kind, ERR_OK);
    kind = rc_by_id(rc, 7, clock_ms() + 5000, &s, &e);
    rc_schema_free(&s);
    rc_close(rc);
    return kind;
}

static void who_shows_no_certificate_or_trusts_nobody_gets_nothing(void)
{
    struct world w;

    open_world(&w);
    CHECK_INT(ask(&w, w.ca, &w.client), ERR_OK);
    CHECK_INT(ask(&w, w.ca, NULL), ERR_UNAVAILABLE);
    CHECK_INT(ask(&w, NULL, &w.client), ERR_UNAVAILABLE); // nobody vouches for it
    close_world(&w);
}

int main(void)
{
    signal(SIGPIPE, SIG_IGN);
    RUN(who_shows_no_certificate_or_trusts_nobody_gets_nothing);
    return REPORT();
}
