/*
 * The client among registries that misbehave on request.
 */
#include "registry-client/registry_client.h"

#include "base/clock.h"
#include "registry-fake/registry_fake.h"
#include "tests/check.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <unistd.h>

/* What the table holds, in this order. */
enum { LONG = 1, UNREADABLE, SYMBOLS, REFERRING, NEWER, UNKNOWN };

static struct registry_fake *fake_open(void)
{
    struct registry_fake *f = registry_fake_start();

    CHECK(f != NULL);
    CHECK_INT(registry_fake_add(f, "orders-value", "\"long\"", NULL), LONG);
    CHECK_INT(registry_fake_add(f, "bad", "{\"type\":\"strin\"}", NULL), UNREADABLE);
    CHECK_INT(
        registry_fake_add(
            f, "b/s", "{\"type\":\"enum\",\"name\":\"a.B\",\"symbols\":[\"X\"]}", NULL),
        SYMBOLS);
    CHECK_INT(
        registry_fake_add(f, "r", "{\"type\":\"array\",\"items\":\"a.B\"}",
                          "[{\"name\":\"a.B\",\"subject\":\"b/s\",\"version\":1}]"),
        REFERRING);
    return f;
}

static void be(struct registry_fake *f, enum registry_fake_how how)
{
    registry_fake_be(f, (struct registry_fake_mood){.how = how}, 0);
}

static void away(struct registry_fake *f)
{
    be(f, REGISTRY_FAKE_STATUS);
}

static void has_authorization(struct registry_fake *f, const char *wanted)
{
    char got[200];

    registry_fake_last_header(f, "Authorization", got, sizeof got);
    CHECK_STR(got, wanted);
}

static struct rc *client_of(const struct registry_fake *f,
                            const struct registry_fake *second, int64_t ttl_ms)
{
    const char *urls[] = {registry_fake_url(f),
                          second != NULL ? registry_fake_url(second) : NULL};
    const struct rc_options o = {.urls = urls,
                                 .n_urls = second != NULL ? 2 : 1,
                                 .login = {.user = "ann", .password = "pass"},
                                 .latest_ttl_ms = ttl_ms,
                                 .negative_ttl_ms = 50};
    struct rc *rc = NULL;
    struct err e = {0};

    CHECK_INT(rc_open(&rc, &o, &e), ERR_OK);
    return rc;
}

static int64_t soon(void)
{
    return clock_ms() + 20000;
}

static void an_id_is_asked_for_once(void)
{
    struct registry_fake *f = fake_open();
    struct rc_schema s = {0};
    struct err e = {0};

    struct rc *rc = client_of(f, NULL, 0);
    for (int i = 0; i < 5; i++) {
        CHECK_INT(rc_by_id(rc, LONG, soon(), &s, &e), ERR_OK);
        CHECK_INT(s.id, LONG);
        CHECK_INT(av_schema_root(s.schema)->type, AV_LONG);
        rc_schema_free(&s);
    }
    CHECK_INT(registry_fake_asked(f), 1);
    has_authorization(f, "Basic YW5uOnBhc3M=");
    away(f); // what is known goes on for ever
    CHECK_INT(rc_by_id(rc, LONG, 0, &s, &e), ERR_OK);
    rc_schema_free(&s);
    rc_close(rc);
    registry_fake_stop(f);
}

static void a_token_is_sent_as_bearer(void)
{
    struct rc_schema s = {0};
    struct rc *rc = NULL;
    struct err e = {0};
    struct registry_fake *f = fake_open();

    const char *urls[] = {registry_fake_url(f)};
    CHECK_INT(rc_open(&rc,
                      &(struct rc_options){
                          .urls = urls, .n_urls = 1, .login = {.bearer = "t0k.en"}},
                      &e),
              ERR_OK);
    CHECK_INT(rc_by_id(rc, LONG, soon(), &s, &e), ERR_OK);
    has_authorization(f, "Bearer t0k.en");
    rc_schema_free(&s);
    rc_close(rc);
    registry_fake_stop(f);
}

static void says_what_the_registry_said(void)
{
    struct registry_fake *f = fake_open();
    struct rc_schema s = {0};

    struct rc *rc = client_of(f, NULL, 0);
    static const struct registry_fake_mood kind = {0};
    struct {
        int32_t id;
        struct registry_fake_mood mood;
        enum err_kind kind;
        int code;
        const char *msg;
    } t[] = {
        {UNKNOWN, kind, ERR_NOT_FOUND, 40403,
         "schema id 6: registry: 40403: Schema not found"},
        {0, kind, ERR_INVALID, 0, "schema id 0, wanted 1 or more"},
        {7,
         {.how = REGISTRY_FAKE_GARBAGE,
          .body = "{\"schemaType\":\"PROTOBUF\",\"schema\":\"syntax\"}"},
         ERR_INVALID,
         0,
         "schema id 7: a schema of type PROTOBUF, wanted AVRO"},
        {8,
         {.how = REGISTRY_FAKE_STATUS},
         ERR_UNAVAILABLE,
         50001,
         "schema id 8: registry: 50001: as the test wished"},
        {9,
         {.how = REGISTRY_FAKE_STATUS, .status = 401},
         ERR_UNAVAILABLE,
         401,
         "schema id 9: registry: 401: as the test wished"},
        {10,
         {.how = REGISTRY_FAKE_STATUS, .status = 429},
         ERR_UNAVAILABLE,
         429,
         "schema id 10: registry: 429: as the test wished"},
        {11,
         {.how = REGISTRY_FAKE_GARBAGE},
         ERR_UNAVAILABLE,
         0,
         "schema id 11: registry: the registry's answer is no JSON"},
        {12,
         {.how = REGISTRY_FAKE_STRANGER},
         ERR_UNAVAILABLE,
         0,
         "schema id 12: registry: status 404 without a registry's error_code: is this "
         "a registry?"},
        {13,
         {.how = REGISTRY_FAKE_REDIRECTS},
         ERR_UNAVAILABLE,
         0,
         "schema id 13: registry: status 302 without a registry's error_code: is this "
         "a registry?"},
        {14,
         {.how = REGISTRY_FAKE_HUGE},
         ERR_UNAVAILABLE,
         0,
         "schema id 14: registry: the registry's answer is longer than 16777216 bytes"},
        {LONG,
         {.how = REGISTRY_FAKE_WRONG},
         ERR_UNAVAILABLE,
         0,
         "schema id 1: the registry answers with schema id 2"},
    };
    for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
        struct err e = {0};
        registry_fake_be(f, t[i].mood, 0);
        CHECK_INT(rc_by_id(rc, t[i].id, soon(), &s, &e), t[i].kind);
        CHECK_STR(e.msg, t[i].msg);
        CHECK_INT(e.code, t[i].code);
    }
    struct err e = {0};
    be(f, REGISTRY_FAKE_KIND);
    CHECK_INT(rc_by_id(rc, UNREADABLE, soon(), &s, &e), ERR_INVALID);
    CHECK_INT(rc_by_id(rc, SYMBOLS, 0, &s, &e),
              ERR_UNAVAILABLE); // not at hand, and no time to ask
    rc_close(rc);
    registry_fake_stop(f);
}

/* Each costs its own time and no more, and leaves nothing behind: the next one is
 * whole.
 */
static void what_is_cut_off_is_asked_again(void)
{
    static const enum registry_fake_how moods[] = {
        REGISTRY_FAKE_STOPS, REGISTRY_FAKE_RESETS, REGISTRY_FAKE_NEVER};

    for (size_t i = 0; i < sizeof moods / sizeof *moods; i++) {
        struct registry_fake *f = fake_open();
        struct rc *rc = client_of(f, NULL, 0);
        struct rc_schema s = {0};
        struct err e = {0};
        be(f, moods[i]);
        CHECK_INT(rc_by_id(rc, LONG, clock_ms() + 200, &s, &e), ERR_UNAVAILABLE);
        be(f, REGISTRY_FAKE_KIND);
        CHECK_INT(rc_by_id(rc, LONG, soon(), &s, &e), ERR_OK);
        rc_schema_free(&s);
        rc_close(rc);
        registry_fake_stop(f);
    }
}

static void an_id_keeps_its_meaning_whatever_the_registry_says_later(void)
{
    struct registry_fake *f = fake_open();
    struct rc *rc = client_of(f, NULL, 20);
    struct rc_schema first = {0}, again = {0};
    struct err e = {0};

    be(f, REGISTRY_FAKE_CHANGES);
    CHECK_INT(rc_by_id(rc, LONG, soon(), &first, &e), ERR_OK);
    usleep(30000);
    CHECK_INT(rc_by_id(rc, LONG, soon(), &again, &e), ERR_OK);
    CHECK(again.schema == first.schema);
    CHECK_INT(registry_fake_asked(f), 1);
    rc_schema_free(&first);
    rc_schema_free(&again);
    rc_close(rc);
    registry_fake_stop(f);
}

static void a_guid_names_a_schema_too(void)
{
    struct registry_fake *f = fake_open();
    struct rc *rc = client_of(f, NULL, 0);
    struct rc_schema s = {0};
    struct err e = {0};
    uint8_t guid[16];

    CHECK(registry_fake_guid(f, REFERRING, guid));
    for (int i = 0; i < 2; i++) {
        CHECK_INT(rc_by_guid(rc, guid, soon(), &s, &e), ERR_OK);
        CHECK_INT(av_schema_root(s.schema)->items->type, AV_ENUM);
        CHECK_INT(s.id, 0);
        rc_schema_free(&s);
    }
    CHECK_INT(registry_fake_asked(f), 2); // it and its reference, once
    guid[0] ^= 1;
    CHECK_INT(rc_by_guid(rc, guid, soon(), &s, &e), ERR_NOT_FOUND);
    rc_close(rc);
    registry_fake_stop(f);
}

static void references_are_fetched_with_it(void)
{
    struct registry_fake *f = fake_open();
    struct rc_schema s = {0};
    struct err e = {0};

    struct rc *rc = client_of(f, NULL, 0);
    CHECK_INT(rc_by_id(rc, REFERRING, soon(), &s, &e), ERR_OK);
    CHECK_STR(e.msg, "");
    CHECK_INT(av_schema_root(s.schema)->items->type, AV_ENUM);
    rc_schema_free(&s);
    rc_close(rc);
    registry_fake_stop(f);
}

static void there_is_none_is_remembered_for_a_moment(void)
{
    struct registry_fake *f = fake_open();
    struct rc_schema s = {0};
    struct err e = {0};

    struct rc *rc = client_of(f, NULL, 0);
    int64_t began = clock_ms();
    for (int i = 0; i < 3; i++)
        CHECK_INT(rc_latest(rc, span_str("nobody"), soon(), &s, &e), ERR_NOT_FOUND);
    int64_t asked = registry_fake_asked(f);
    CHECK(asked == 1 || clock_ms() - began >= 50); // a busy machine's moment is short
    usleep(80000);
    CHECK_INT(rc_latest(rc, span_str("nobody"), soon(), &s, &e), ERR_NOT_FOUND);
    CHECK_INT(registry_fake_asked(f), asked + 1);
    rc_close(rc);
    registry_fake_stop(f);
}

static void the_latest_goes_on_while_the_registry_is_away(void)
{
    struct registry_fake *f = fake_open();
    struct rc_schema s = {0};
    struct err e = {0};

    struct rc *rc = client_of(f, NULL, 20);
    CHECK_INT(rc_latest(rc, span_str("orders-value"), soon(), &s, &e), ERR_OK);
    CHECK_INT(s.version, 1);
    CHECK(!s.stale);
    rc_schema_free(&s);
    away(f);
    registry_fake_add(f, "orders-value", "\"string\"", NULL);
    usleep(30000);
    CHECK_INT(rc_latest(rc, span_str("orders-value"), soon(), &s, &e), ERR_OK);
    CHECK_INT(s.version, 1);
    CHECK(s.stale);
    rc_schema_free(&s);
    rc_close(rc);
    rc = client_of(f, NULL, 20);
    be(f, REGISTRY_FAKE_KIND);
    CHECK_INT(rc_latest(rc, span_str("orders-value"), soon(), &s, &e), ERR_OK);
    CHECK_INT(s.version, 2);
    CHECK_SPAN(s.subject, "orders-value");
    rc_schema_free(&s);
    rc_close(rc);
    registry_fake_stop(f);
}

static void the_latest_may_be_doubted(void)
{
    struct registry_fake *f = fake_open();
    struct rc_schema s = {0};
    struct err e = {0};

    struct rc *rc = client_of(f, NULL, 3600 * 1000);
    struct span subject = span_str("orders-value");
    CHECK(!rc_doubt_latest(rc, subject, clock_ms() + 1)); // nothing is known yet
    CHECK_INT(rc_latest(rc, subject, soon(), &s, &e), ERR_OK);
    rc_schema_free(&s);
    registry_fake_add(f, "orders-value", "\"string\"", NULL);
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
    away(f);
    CHECK(rc_doubt_latest(rc, subject, clock_ms() + 1));
    CHECK_INT(rc_latest(rc, subject, soon(), &s, &e), ERR_OK);
    CHECK(s.stale);
    rc_schema_free(&s);
    CHECK(!rc_doubt_latest(rc, subject, clock_ms() + 1));
    rc_close(rc);
    registry_fake_stop(f);
}

static void another_url_answers_where_the_first_does_not(void)
{
    struct registry_fake *f = fake_open(), *g = fake_open();
    struct rc_schema s = {0};
    struct err e = {0};

    away(f);
    struct rc *rc = client_of(f, g, 0);
    CHECK_INT(rc_by_id(rc, LONG, soon(), &s, &e), ERR_OK);
    rc_schema_free(&s);
    CHECK_INT(registry_fake_asked(f), 1);
    CHECK_INT(registry_fake_asked(g), 1);
    CHECK_INT(rc_latest(rc, span_str("orders-value"), soon(), &s, &e), ERR_OK);
    rc_schema_free(&s);
    CHECK_INT(registry_fake_asked(f), 1); // what failed is asked last
    CHECK_INT(registry_fake_asked(g), 2);
    rc_close(rc);
    registry_fake_stop(f);
    registry_fake_stop(g);
}

static void what_stands_beside_a_schema_comes_with_it(void)
{
    struct registry_fake *f = fake_open();
    struct rc *rc = client_of(f, NULL, 0);
    struct rc_schema s = {0};
    struct err e = {0};

    CHECK_INT(rc_by_id(rc, LONG, soon(), &s, &e), ERR_OK);
    CHECK(s.beside == NULL);
    rc_schema_free(&s);
    registry_fake_be(f,
                     (struct registry_fake_mood){
                         .how = REGISTRY_FAKE_GARBAGE,
                         .body =
                             "{\"schema\":\"\\\"long\\\"\",\"metadata\": {\"tags\":{}},"
                             "\"ruleSet\": {\"domainRules\":[]} }"},
                     1);
    CHECK_INT(rc_by_id(rc, UNKNOWN, soon(), &s, &e), ERR_OK);
    struct rc_schema copy = rc_schema_copy(&s);
    rc_schema_free(&s);
    rc_close(rc);
    CHECK_SPAN(copy.beside->metadata, "{\"tags\":{}}");
    CHECK_SPAN(copy.beside->rules, "{\"domainRules\":[]}");
    rc_schema_free(&copy);
    registry_fake_stop(f);
}

/* The same id means another schema in another context. */
static void an_id_of_another_context_is_another(void)
{
    struct registry_fake *f = fake_open();
    struct rc *rc = client_of(f, NULL, 0);
    struct rc_schema here = {0}, there = {0};
    struct err e = {0};

    CHECK_INT(rc_by_id(rc, LONG, soon(), &here, &e), ERR_OK);
    registry_fake_be(f,
                     (struct registry_fake_mood){
                         .how = REGISTRY_FAKE_GARBAGE,
                         .body = "{\"subject\":\":.c:s\",\"version\":1,\"id\":1,"
                                 "\"schema\":\"\\\"int\\\"\"}"},
                     1);
    CHECK_INT(rc_by_version(rc, span_str(":.c:s"), 1, soon(), &there, &e), ERR_OK);
    CHECK_INT(av_schema_root(there.schema)->type, AV_INT);
    CHECK_INT(av_schema_root(here.schema)->type, AV_LONG);
    rc_schema_free(&here);
    rc_schema_free(&there);
    rc_close(rc);
    registry_fake_stop(f);
}

static enum err_kind register_text(struct rc *rc, const char *subject, const char *text,
                                   struct rc_schema *out, struct err *e)
{
    return rc_register(rc, span_str(subject),
                       &(struct rc_draft){.text = span_str(text)}, soon(), out, e);
}

static void registering_gives_id_and_version(void)
{
    struct registry_fake *f = fake_open();
    struct rc *rc = client_of(f, NULL, 3600 * 1000);
    struct rc_schema s = {0};
    struct err e = {0};
    char last[100];

    CHECK_INT(rc_latest(rc, span_str("orders-value"), soon(), &s, &e), ERR_OK);
    rc_schema_free(&s);
    CHECK_INT(register_text(rc, "orders-value", "\"string\"", &s, &e), ERR_OK);
    CHECK_INT(s.id, NEWER);
    CHECK_INT(s.version, 2);
    rc_schema_free(&s);
    // The latest is another one now, and we know it.
    CHECK_INT(rc_latest(rc, span_str("orders-value"), soon(), &s, &e), ERR_OK);
    CHECK_INT(s.version, 2);
    rc_schema_free(&s);
    // An answer without a version, as of older registries, is followed by a look-up.
    registry_fake_be(
        f,
        (struct registry_fake_mood){.how = REGISTRY_FAKE_GARBAGE, .body = "{\"id\":1}"},
        1);
    CHECK_INT(register_text(rc, "orders-value", "\"long\"", &s, &e), ERR_OK);
    CHECK_INT(s.id, LONG);
    CHECK_INT(s.version, 1);
    CHECK_SPAN(s.subject, "orders-value");
    rc_schema_free(&s);
    registry_fake_last(f, last, sizeof last); // as the registry has it
    CHECK_STR(last, "GET /subjects/orders-value/versions/1");
    registry_fake_refuse(f, "orders-value");
    CHECK_INT(register_text(rc, "orders-value", "\"int\"", &s, &e), ERR_CONFLICT);
    CHECK_STR(e.msg, "registry: 409: Schema being registered is incompatible");
    CHECK_INT(e.code, 409);
    registry_fake_be(f,
                     (struct registry_fake_mood){.how = REGISTRY_FAKE_GARBAGE,
                                                 .body = "{\"id\":-1}"},
                     1);
    CHECK_INT(register_text(rc, "orders-value", "\"int\"", &s, &e), ERR_UNAVAILABLE);
    rc_close(rc);
    registry_fake_stop(f);
}

static void a_draft_may_refer_to_others(void)
{
    struct registry_fake *f = fake_open();
    struct rc *rc = client_of(f, NULL, 0);
    const struct api_reference refers[] = {
        {.name = span_str("a.B"), .subject = span_str("b/s"), .version = 1}};
    const struct rc_draft draft = {
        .text = span_str("{\"type\":\"map\",\"values\":\"a.B\"}"),
        .references = refers,
        .n_references = 1,
        .normalize = true};
    struct rc_schema s = {0};
    struct err e = {0};
    char last[100];

    CHECK_INT(rc_lookup(rc, span_str("m"), &draft, soon(), &s, &e), ERR_NOT_FOUND);
    CHECK_INT(e.code, 40401);
    registry_fake_last(f, last, sizeof last);
    CHECK_STR(last, "POST /subjects/m?normalize=true");
    CHECK_INT(rc_register(rc, span_str("m"), &draft, soon(), &s, &e), ERR_OK);
    CHECK_INT(s.id, NEWER);
    CHECK_INT(av_schema_root(s.schema)->items->type, AV_ENUM);
    rc_schema_free(&s);
    CHECK_INT(rc_lookup(rc, span_str("m"), &draft, soon(), &s, &e), ERR_OK);
    CHECK_INT(s.id, NEWER);
    rc_schema_free(&s);
    CHECK_INT(rc_by_id(rc, NEWER, soon(), &s, &e), ERR_OK); // as others find it
    CHECK_INT(av_schema_root(s.schema)->items->type, AV_ENUM);
    rc_schema_free(&s);
    rc_close(rc);
    registry_fake_stop(f);
}

static void another_token_is_sent_from_now_on(void)
{
    struct registry_fake *f = fake_open();
    struct rc *rc = client_of(f, NULL, 0);
    struct err e = {0};

    rc_set_bearer(rc, "fresh");
    CHECK_INT(rc_ping(rc, soon(), &e), ERR_OK);
    has_authorization(f, "Bearer fresh");
    rc_set_bearer(rc, NULL);
    CHECK_INT(rc_ping(rc, soon(), &e), ERR_OK);
    has_authorization(f, "");
    rc_close(rc);
    registry_fake_stop(f);
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
    struct registry_fake *f = fake_open();
    pthread_t threads[16];

    registry_fake_be(
        f, (struct registry_fake_mood){.how = REGISTRY_FAKE_SLOW, .ms = 60}, 0);
    struct crowd c = {.rc = client_of(f, NULL, 0), .id = LONG};
    for (int i = 0; i < 16; i++)
        pthread_create(&threads[i], NULL, ask_once, &c);
    for (int i = 0; i < 16; i++)
        pthread_join(threads[i], NULL);
    CHECK_INT(c.good, 16);
    CHECK_INT(registry_fake_asked(f), 1);
    rc_close(c.rc);
    registry_fake_stop(f);
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
    RUN(what_is_cut_off_is_asked_again);
    RUN(an_id_keeps_its_meaning_whatever_the_registry_says_later);
    RUN(a_guid_names_a_schema_too);
    RUN(what_stands_beside_a_schema_comes_with_it);
    RUN(an_id_of_another_context_is_another);
    RUN(registering_gives_id_and_version);
    RUN(a_draft_may_refer_to_others);
    RUN(another_token_is_sent_from_now_on);
    RUN(a_crowd_asks_once);
    return REPORT();
}
