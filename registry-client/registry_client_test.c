/*
 * The client among registries that misbehave on request.
 */
#include "registry-client/registry_client.h"

#include "base/clock.h"
#include "http/server.h"
#include "tests/check.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <unistd.h>

enum mood { KIND, AWAY, GARBAGE, STRANGER, SLOW, FORBIDDEN };

struct fake {
    struct http_app app;
    struct http_server *server;
    char url[64];
    _Atomic enum mood mood;
    atomic_int asked, latest; // requests so far; the version that is the latest
    struct span authorization;
    char seen[200];
};

/* True when the mood has answered for us. */
static bool misbehave(struct fake *f, struct http_req *r)
{
    atomic_fetch_add(&f->asked, 1);
    struct span auth = http_header(r, "Authorization");
    snprintf(f->seen, sizeof f->seen, "%.*s", (int)auth.n,
             auth.n ? (const char *)auth.p : "");
    switch (f->mood) {
    case KIND: return false;
    case SLOW: usleep(60000); return false;
    case AWAY: http_answer_error(r, 500, 50001, "store is away"); return true;
    case FORBIDDEN: http_answer_error(r, 401, 401, "who are you"); return true;
    case GARBAGE: http_answer(r, 200, "text/html", span_str("<html>")); return true;
    case STRANGER: http_answer(r, 404, "text/html", span_str("not here")); return true;
    }
    return false;
}

static void answer_json(struct http_req *r, const char *json)
{
    http_answer(r, 200, "application/json", span_str(json));
}

static void get_id(struct http_app *app, struct http_req *r)
{
    struct fake *f = (struct fake *)app;
    struct span id = http_part(r, "id");

    if (misbehave(f, r))
        return;
    if (span_eq(id, span_str("7")))
        answer_json(r, "{\"schema\":\"\\\"long\\\"\",\"unknown\":1}");
    else if (span_eq(id, span_str("8")))
        answer_json(r, "{\"schemaType\":\"PROTOBUF\",\"schema\":\"syntax\"}");
    else if (span_eq(id, span_str("9")))
        answer_json(
            r,
            "{\"schema\":\"{\\\"type\\\":\\\"array\\\",\\\"items\\\":\\\"a.B\\\"}\","
            "\"references\":[{\"name\":\"a.B\",\"subject\":\"b/s\",\"version\":1}]}");
    else if (span_eq(id, span_str("11")))
        answer_json(r, "{\"schema\":\"\\\"long\\\"\",\"metadata\": {\"tags\":{}},"
                       "\"ruleSet\": {\"domainRules\":[]} }");
    else if (span_eq(id, span_str("10")))
        answer_json(r, "{\"schema\":\"{\\\"type\\\":\\\"strin\\\"}\"}");
    else
        http_answer_error(r, 404, 40403, "Schema not found");
}

static void get_version(struct http_app *app, struct http_req *r)
{
    struct fake *f = (struct fake *)app;
    char json[200];

    if (misbehave(f, r))
        return;
    if (span_eq(http_part(r, "subject"), span_str("b/s"))) {
        answer_json(
            r, "{\"subject\":\"b/s\",\"version\":1,\"id\":2,\"schema\":\"{\\\"type\\\":"
               "\\\"enum\\\",\\\"name\\\":\\\"a.B\\\",\\\"symbols\\\":[\\\"X\\\"]}\"}");
        return;
    }
    if (!span_eq(http_part(r, "subject"), span_str("orders-value"))) {
        http_answer_error(r, 404, 40401, "Subject not found.");
        return;
    }
    snprintf(json, sizeof json,
             "{\"subject\":\"orders-value\",\"version\":%d,\"id\":7,\"schema\":"
             "\"\\\"long\\\"\"}",
             atomic_load(&f->latest));
    answer_json(r, json);
}

static void post_version(struct http_app *app, struct http_req *r)
{
    if (misbehave((struct fake *)app, r))
        return;
    if (memmem(r->body.p, r->body.n, "int", 3) != NULL)
        http_answer_error(r, 409, 409, "incompatible");
    else
        answer_json(r, "{\"id\":7}");
}

static void post_lookup(struct http_app *app, struct http_req *r)
{
    if (!misbehave((struct fake *)app, r))
        answer_json(
            r, "{\"subject\":\"orders-value\",\"id\":7,\"version\":3,\"schema\":\"\"}");
}

static const struct http_route routes[] = {
    {HTTP_GET, "/schemas/ids/{id}", get_id, HTTP_MAY_BLOCK, 0, 0},
    {HTTP_GET, "/subjects/{subject}/versions/{version}", get_version, HTTP_MAY_BLOCK, 0,
     0},
    {HTTP_POST, "/subjects/{subject}/versions", post_version, 0, 0, 0},
    {HTTP_POST, "/subjects/{subject}", post_lookup, 0, 0, 0},
};

static void fake_open(struct fake *f)
{
    static const char *const any[] = {"127.0.0.1:0"};
    struct http_settings s = {
        .listen = any, .nlisten = 1, .loops = 1, .limits = HTTP_LIMITS};
    struct err e = {0};

    *f = (struct fake){
        .app = {.routes = routes, .nroutes = sizeof routes / sizeof *routes}};
    f->latest = 1;
    CHECK_INT(http_server_open(&f->server, &s, &f->app, &e), ERR_OK);
    snprintf(f->url, sizeof f->url, "http://127.0.0.1:%d/",
             http_server_port(f->server, 0));
}

static struct rc *client_of(const struct fake *f, const struct fake *second,
                            int64_t ttl_ms)
{
    const char *urls[] = {f->url, second != NULL ? second->url : NULL};
    const struct rc_options o = {.urls = urls,
                                 .n_urls = second != NULL ? 2 : 1,
                                 .user = "ann",
                                 .password = "pass",
                                 .latest_ttl_ms = ttl_ms,
                                 .negative_ttl_ms = 50};
    struct rc *rc = NULL;
    struct err e = {0};

    CHECK_INT(rc_open(&rc, &o, &e), ERR_OK);
    return rc;
}

static int64_t soon(void)
{
    return clock_ms() + 2000;
}

static void an_id_is_asked_for_once(void)
{
    struct fake f;
    struct rc_schema s = {0};
    struct err e = {0};

    fake_open(&f);
    struct rc *rc = client_of(&f, NULL, 0);
    for (int i = 0; i < 5; i++) {
        CHECK_INT(rc_by_id(rc, 7, soon(), &s, &e), ERR_OK);
        CHECK_INT(s.id, 7);
        CHECK_INT(av_schema_root(s.schema)->type, AV_LONG);
        rc_schema_free(&s);
    }
    CHECK_INT(f.asked, 1);
    CHECK_STR(f.seen, "Basic YW5uOnBhc3M=");
    f.mood = AWAY; // what is known goes on for ever
    CHECK_INT(rc_by_id(rc, 7, 0, &s, &e), ERR_OK);
    rc_schema_free(&s);
    rc_close(rc);
    http_server_close(f.server);
}

static void a_token_is_sent_as_bearer(void)
{
    struct rc_schema s = {0};
    struct rc *rc = NULL;
    struct err e = {0};
    struct fake f;

    fake_open(&f);
    const char *urls[] = {f.url};
    CHECK_INT(
        rc_open(&rc,
                &(struct rc_options){.urls = urls, .n_urls = 1, .bearer = "t0k.en"},
                &e),
        ERR_OK);
    CHECK_INT(rc_by_id(rc, 7, soon(), &s, &e), ERR_OK);
    CHECK_STR(f.seen, "Bearer t0k.en");
    rc_schema_free(&s);
    rc_close(rc);
    http_server_close(f.server);
}

static void says_what_the_registry_said(void)
{
    struct fake f;
    struct rc_schema s = {0};

    fake_open(&f);
    struct rc *rc = client_of(&f, NULL, 0);
    struct {
        int32_t id;
        enum mood mood;
        enum err_kind kind;
        const char *msg;
    } t[] = {
        {5, KIND, ERR_NOT_FOUND, "schema id 5: registry: 40403: Schema not found"},
        {8, KIND, ERR_INVALID, "schema id 8: a schema of type PROTOBUF, wanted AVRO"},
        {0, KIND, ERR_INVALID, "schema id 0, wanted 1 or more"},
        {11, AWAY, ERR_UNAVAILABLE, "schema id 11: registry: 50001: store is away"},
        {12, FORBIDDEN, ERR_UNAVAILABLE, "schema id 12: registry: 401: who are you"},
        {13, GARBAGE, ERR_UNAVAILABLE,
         "schema id 13: registry: the registry's answer is no JSON"},
        {14, STRANGER, ERR_UNAVAILABLE,
         "schema id 14: registry: status 404 without a registry's error_code: is this "
         "a "
         "registry?"},
    };
    for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
        struct err e = {0};
        f.mood = t[i].mood;
        CHECK_INT(rc_by_id(rc, t[i].id, soon(), &s, &e), t[i].kind);
        CHECK_STR(e.msg, t[i].msg);
    }
    struct err e = {0};
    f.mood = KIND;
    CHECK_INT(rc_by_id(rc, 10, soon(), &s, &e), ERR_INVALID);
    CHECK_INT(rc_by_id(rc, 7, 0, &s, &e),
              ERR_UNAVAILABLE); // not at hand, and no time to ask
    rc_close(rc);
    http_server_close(f.server);
}

static void references_are_fetched_with_it(void)
{
    struct fake f;
    struct rc_schema s = {0};
    struct err e = {0};

    fake_open(&f);
    struct rc *rc = client_of(&f, NULL, 0);
    CHECK_INT(rc_by_id(rc, 9, soon(), &s, &e), ERR_OK);
    CHECK_STR(e.msg, "");
    CHECK_INT(av_schema_root(s.schema)->items->type, AV_ENUM);
    rc_schema_free(&s);
    rc_close(rc);
    http_server_close(f.server);
}

static void there_is_none_is_remembered_for_a_moment(void)
{
    struct fake f;
    struct rc_schema s = {0};
    struct err e = {0};

    fake_open(&f);
    struct rc *rc = client_of(&f, NULL, 0);
    for (int i = 0; i < 3; i++)
        CHECK_INT(rc_latest(rc, span_str("nobody"), soon(), &s, &e), ERR_NOT_FOUND);
    CHECK_INT(f.asked, 1);
    usleep(80000);
    CHECK_INT(rc_latest(rc, span_str("nobody"), soon(), &s, &e), ERR_NOT_FOUND);
    CHECK_INT(f.asked, 2);
    rc_close(rc);
    http_server_close(f.server);
}

static void the_latest_goes_on_while_the_registry_is_away(void)
{
    struct fake f;
    struct rc_schema s = {0};
    struct err e = {0};

    fake_open(&f);
    struct rc *rc = client_of(&f, NULL, 20);
    CHECK_INT(rc_latest(rc, span_str("orders-value"), soon(), &s, &e), ERR_OK);
    CHECK_INT(s.version, 1);
    CHECK(!s.stale);
    rc_schema_free(&s);
    f.mood = AWAY;
    f.latest = 2;
    usleep(30000);
    CHECK_INT(rc_latest(rc, span_str("orders-value"), soon(), &s, &e), ERR_OK);
    CHECK_INT(s.version, 1);
    CHECK(s.stale);
    rc_schema_free(&s);
    rc_close(rc);
    rc = client_of(&f, NULL, 20);
    f.mood = KIND;
    CHECK_INT(rc_latest(rc, span_str("orders-value"), soon(), &s, &e), ERR_OK);
    CHECK_INT(s.version, 2);
    CHECK_SPAN(s.subject, "orders-value");
    rc_schema_free(&s);
    rc_close(rc);
    http_server_close(f.server);
}

static void the_latest_may_be_doubted(void)
{
    struct fake f = {0};
    struct rc_schema s = {0};
    struct err e = {0};

    fake_open(&f);
    struct rc *rc = client_of(&f, NULL, 3600 * 1000);
    struct span subject = span_str("orders-value");
    CHECK(!rc_doubt_latest(rc, subject, clock_ms() + 1)); // nothing is known yet
    CHECK_INT(rc_latest(rc, subject, soon(), &s, &e), ERR_OK);
    rc_schema_free(&s);
    f.latest = 2;
    CHECK(!rc_doubt_latest(rc, subject, clock_ms() - 3600 * 1000)); // learnt since
    CHECK_INT(rc_latest(rc, subject, 0, &s, &e), ERR_OK);
    CHECK_INT(s.version, 1);
    rc_schema_free(&s);
    CHECK(rc_doubt_latest(rc, subject, clock_ms() + 1));
    CHECK_INT(rc_latest(rc, subject, 0, &s, &e), ERR_UNAVAILABLE); // not from memory
    CHECK_INT(rc_latest(rc, subject, soon(), &s, &e), ERR_OK);
    CHECK_INT(s.version, 2);
    rc_schema_free(&s);
    // Away: what it said last goes on, and is not doubted again and again.
    f.mood = AWAY;
    CHECK(rc_doubt_latest(rc, subject, clock_ms() + 1));
    CHECK_INT(rc_latest(rc, subject, soon(), &s, &e), ERR_OK);
    CHECK(s.stale);
    rc_schema_free(&s);
    CHECK(!rc_doubt_latest(rc, subject, clock_ms() + 1));
    rc_close(rc);
    http_server_close(f.server);
}

static void another_url_answers_where_the_first_does_not(void)
{
    struct fake f, g;
    struct rc_schema s = {0};
    struct err e = {0};

    fake_open(&f);
    fake_open(&g);
    f.mood = AWAY;
    struct rc *rc = client_of(&f, &g, 0);
    CHECK_INT(rc_by_id(rc, 7, soon(), &s, &e), ERR_OK);
    rc_schema_free(&s);
    CHECK_INT(f.asked, 1);
    CHECK_INT(g.asked, 1);
    CHECK_INT(rc_latest(rc, span_str("orders-value"), soon(), &s, &e), ERR_OK);
    rc_schema_free(&s);
    CHECK_INT(f.asked, 1); // what failed is asked last
    CHECK_INT(g.asked, 2);
    rc_close(rc);
    http_server_close(f.server);
    http_server_close(g.server);
}

static void what_stands_beside_a_schema_comes_with_it(void)
{
    struct fake f;
    struct rc_schema s = {0};
    struct err e = {0};

    fake_open(&f);
    struct rc *rc = client_of(&f, NULL, 0);
    CHECK_INT(rc_by_id(rc, 7, soon(), &s, &e), ERR_OK);
    CHECK(s.beside == NULL);
    rc_schema_free(&s);
    CHECK_INT(rc_by_id(rc, 11, soon(), &s, &e), ERR_OK);
    struct rc_schema copy = rc_schema_copy(&s);
    rc_schema_free(&s);
    rc_close(rc);
    CHECK_SPAN(copy.beside->metadata, "{\"tags\":{}}");
    CHECK_SPAN(copy.beside->rules, "{\"domainRules\":[]}");
    rc_schema_free(&copy);
    http_server_close(f.server);
}

static void registering_gives_id_and_version(void)
{
    struct fake f;
    struct rc_schema s = {0};
    struct err e = {0};

    fake_open(&f);
    struct rc *rc = client_of(&f, NULL, 0);
    CHECK_INT(
        rc_register(rc, span_str("orders-value"), span_str("\"long\""), soon(), &s, &e),
        ERR_OK);
    CHECK_INT(s.id, 7);
    CHECK_INT(s.version, 3); // an answer without a version is asked again
    CHECK_SPAN(s.subject, "orders-value");
    rc_schema_free(&s);
    CHECK_INT(
        rc_register(rc, span_str("orders-value"), span_str("\"int\""), soon(), &s, &e),
        ERR_CONFLICT);
    CHECK_STR(e.msg, "registry: 409: incompatible");
    rc_close(rc);
    http_server_close(f.server);
}

struct crowd {
    struct rc *rc;
    atomic_int good, unavailable;
    int32_t id;
};

static void *ask_once(void *arg)
{
    struct crowd *c = arg;
    struct rc_schema s = {0};
    struct err e = {0};
    enum err_kind kind = rc_by_id(c->rc, c->id, soon(), &s, &e);

    atomic_fetch_add(&c->good, kind == ERR_OK);
    atomic_fetch_add(&c->unavailable, kind == ERR_UNAVAILABLE);
    if (kind == ERR_OK)
        rc_schema_free(&s);
    return NULL;
}

static void a_crowd_asks_once(void)
{
    struct fake f;
    pthread_t threads[16];

    fake_open(&f);
    f.mood = SLOW;
    struct crowd c = {.rc = client_of(&f, NULL, 0), .id = 7};
    for (int i = 0; i < 16; i++)
        pthread_create(&threads[i], NULL, ask_once, &c);
    for (int i = 0; i < 16; i++)
        pthread_join(threads[i], NULL);
    CHECK_INT(c.good, 16);
    CHECK_INT(f.asked, 1);
    rc_close(c.rc);
    http_server_close(f.server);
}

int main(void)
{
    RUN(an_id_is_asked_for_once);
    RUN(a_token_is_sent_as_bearer);
    RUN(says_what_the_registry_said);
    RUN(references_are_fetched_with_it);
    RUN(there_is_none_is_remembered_for_a_moment);
    RUN(the_latest_goes_on_while_the_registry_is_away);
    RUN(the_latest_may_be_doubted);
    RUN(another_url_answers_where_the_first_does_not);
    RUN(what_stands_beside_a_schema_comes_with_it);
    RUN(registering_gives_id_and_version);
    RUN(a_crowd_asks_once);
    return REPORT();
}
