/*
 * The whole registry on librdkafka's mock cluster, asked over HTTP as clients ask.
 */
#include "base/clock.h"
#include "base/log.h"
#include "http/client.h"
#include "kafka/mock.h"
#include "kafka/producer.h"
#include "registry/run.h"
#include "tests/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define TOPIC "_schemas"
#define PATIENCE_MS 30000

struct house {
    struct kf_mock *kafka;
    struct registry *registry;
    struct registry_settings settings;
    struct http_client *client;
    const char *listen[1];
};

static void check_ok(enum err_kind rc, const struct err *e)
{
    CHECK_INT(rc, ERR_OK);
    if (rc != ERR_OK)
        printf("    %s\n", e->msg);
}

static void start(struct house *h)
{
    struct err e = {0};

    check_ok(registry_open(&h->registry, &h->settings, &e), &e);
    CHECK(registry_wait_ready(h->registry, PATIENCE_MS));
}

static void open_house(struct house *h)
{
    struct err e = {0};

    *h = (struct house){.listen = {"127.0.0.1:0"}};
    check_ok(kf_mock_open(&h->kafka, 1, &e), &e);
    check_ok(kf_mock_topic(h->kafka, TOPIC, 1, &e), &e);
    check_ok(http_client_open(&h->client, &(struct http_client_settings){0}, &e), &e);
    h->settings = (struct registry_settings){.listen = {h->listen, 1},
                                             .bootstrap = kf_mock_bootstrap(h->kafka),
                                             .topic = TOPIC,
                                             .write_ms = 5000,
                                             .drain_ms = 1000,
                                             .body = 1 << 20,
                                             .schema = 1 << 20,
                                             .bodies = 16 << 20,
                                             .connections = 100,
                                             .queue = 16,
                                             .loops = 2,
                                             .settings_may_be_untold = true};
    start(h);
}

static void close_house(struct house *h)
{
    registry_close(h->registry);
    http_client_close(h->client);
    kf_mock_close(h->kafka);
}

static int method_of(const char *request, const char **path)
{
    enum http_method m = HTTP_GET;
    const char *space = strchr(request, ' ');

    CHECK(http_method_of(span_of(request, (size_t)(space - request)), &m));
    *path = space + 1;
    return m;
}

static void call(struct house *h, const char *request, const char *body,
                 struct http_reply *out)
{
    static const struct http_field more[] = {
        {{(const uint8_t *)"Content-Type", 12},
         {(const uint8_t *)"application/json", 16}}};
    const char *path = "";
    char url[400];
    struct err e = {0};
    enum http_method m = (enum http_method)method_of(request, &path);

    snprintf(url, sizeof url, "http://127.0.0.1:%d%s", registry_port(h->registry),
             path);
    struct http_call c = {.method = m,
                          .url = url,
                          .fields = more,
                          .nfields = body != NULL,
                          .body = body != NULL ? span_str(body) : (struct span){0},
                          .deadline_ms = clock_ms() + PATIENCE_MS};
    *out = (struct http_reply){0};
    check_ok(http_client_call(h->client, &c, out, &e), &e);
}

/* Asks and compares.  `want` NULL: any body; ending in "...": begins so. */
static void ask(struct house *h, const char *request, const char *body, int status,
                const char *want)
{
    struct http_reply r;

    call(h, request, body, &r);
    if (r.status != status)
        printf("    %s: " SPAN_FMT "\n", request, SPAN_ARG(r.body));
    CHECK_INT(r.status, status);
    size_t n = want != NULL ? strlen(want) : 0;
    if (n > 3 && strcmp(want + n - 3, "...") == 0)
        CHECK(r.body.n >= n - 3 && memcmp(r.body.p, want, n - 3) == 0);
    else if (want != NULL)
        CHECK_SPAN(r.body, want);
    http_reply_free(&r);
}

#define INT "{\"schema\":\"\\\"int\\\"\"}"
#define LONG "{\"schema\":\"\\\"long\\\"\"}"
#define STRING "{\"schema\":\"\\\"string\\\"\"}"

static void a_schema_is_registered_and_read_by_every_path(void)
{
    static const struct {
        const char *request, *body;
        int status;
        const char *want;
    } rows[] = {
        {"GET /", NULL, 200, "{}"},
        {"POST /", "{}", 200, "{}"},
        {"GET /subjects", NULL, 200, "[]"},
        {"GET /schemas/types", NULL, 200, "[\"AVRO\"]"},
        {"POST /subjects/s/versions", INT, 200, "{\"id\":1}"},
        {"POST /subjects/s/versions", INT, 200, "{\"id\":1}"},
        {"POST /subjects/s/versions", LONG, 200, "{\"id\":2}"},
        {"POST /subjects/s/versions", STRING, 409, "{\"error_code\":409,..."},
        {"POST /subjects/s", LONG, 200,
         "{\"subject\":\"s\",\"version\":2,\"id\":2,\"schema\":\"\\\"long\\\"\"}"},
        {"POST /subjects/s", STRING, 404,
         "{\"error_code\":40403,\"message\":\"Schema not found\"}"},
        {"POST /subjects/t", INT, 404,
         "{\"error_code\":40401,\"message\":\"Subject 't' not found.\"}"},
        {"POST /subjects/a%2Fb%3Ac+d/versions?normalize=False", INT, 200, "{\"id\":1}"},
        {"GET /subjects", NULL, 200, "[\"a/b:c+d\",\"s\"]"},
        {"GET /subjects?subjectPrefix=s&offset=0&limit=1", NULL, 200, "[\"s\"]"},
        {"GET /subjects?deletedOnly=true", NULL, 200, "[]"},
        {"GET /subjects/s/versions", NULL, 200, "[1,2]"},
        {"GET /subjects/s/versions/", NULL, 200, "[1,2]"},
        {"GET /subjects/s/versions?offset=1", NULL, 200, "[2]"},
        {"GET /subjects/s/versions/latest", NULL, 200,
         "{\"subject\":\"s\",\"version\":2,\"id\":2,\"schema\":\"\\\"long\\\"\"}"},
        {"GET /subjects/s/versions/-1/schema", NULL, 200, "\"long\""},
        {"GET /subjects/s/versions/1?deleted=false&&key=", NULL, 200,
         "{\"subject\":\"s\",\"version\":1,\"id\":1,\"schema\":\"\\\"int\\\"\"}"},
        {"GET /subjects/s/versions/7", NULL, 404,
         "{\"error_code\":40402,\"message\":\"Version 7 not found.\"}"},
        {"GET /subjects/s/versions/0", NULL, 422, "{\"error_code\":42202,..."},
        {"GET /subjects/s/versions/x", NULL, 422, "{\"error_code\":42202,..."},
        {"GET /subjects/t/versions/1", NULL, 404, "{\"error_code\":40401,..."},
        {"GET /subjects/t/versions", NULL, 404, "{\"error_code\":40401,..."},
        {"GET /subjects/s/versions/1/referencedby", NULL, 200, "[]"},
        {"GET /schemas/ids/1", NULL, 200, "{\"schema\":\"\\\"int\\\"\"}"},
        {"GET /schemas/ids/1?fetchMaxId=true", NULL, 200,
         "{\"schema\":\"\\\"int\\\"\",\"maxId\":2}"},
        {"GET /schemas/ids/1/schema", NULL, 200, "\"int\""},
        {"GET /schemas/ids/1/subjects", NULL, 200, "[\"a/b:c+d\",\"s\"]"},
        {"GET /schemas/ids/1/versions?subject=s", NULL, 200,
         "[{\"subject\":\"s\",\"version\":1}]"},
        {"GET /schemas/ids/9", NULL, 404,
         "{\"error_code\":40403,\"message\":\"Schema 9 not found\"}"},
        {"GET /schemas/ids/nine", NULL, 404, "{\"error_code\":404,..."},
        {"GET /schemas/ids/9/subjects", NULL, 404, "{\"error_code\":40403,..."},
        {"GET /schemas?latestOnly=true", NULL, 200,
         "[{\"subject\":\"a/b:c+d\",\"version\":1,\"id\":1,\"schema\":\"\\\"int\\\"\"},"
         "{\"subject\":\"s\",\"version\":2,\"id\":2,\"schema\":\"\\\"long\\\"\"}]"},
        {"GET /schemas/guids/00000000-0000-0000-0000-000000000000", NULL, 404,
         "{\"error_code\":40403,..."},
        {"GET /schemas/guids/x/ids", NULL, 404, "{\"error_code\":40403,..."},
        {"GET /contexts", NULL, 200, "[\".\"]"},
        {"GET /v1/metadata/version", NULL, 200, "{\"version\":..."},
        {"GET /v1/metadata/id", NULL, 200, "{\"scope\":..."},
        {"GET /mode", NULL, 200, "{\"mode\":\"READWRITE\"}"},
        {"GET /mode/s", NULL, 404, "{\"error_code\":40409,..."},
        {"GET /mode/s?defaultToGlobal=True", NULL, 200, "{\"mode\":\"READWRITE\"}"},
        {"GET /associations/subjects/s", NULL, 404, "{\"error_code\":404,..."},
        {"GET /healthz", NULL, 200, NULL},
        {"GET /metrics", NULL, 200, "# HELP ..."},
        {"POST /subjects/s/versions", "{\"schema\":\"\\\"in\\\"\"}", 422,
         "{\"error_code\":42201,..."},
        {"POST /subjects/s/versions", "no json", 422, "{\"error_code\":42201,..."},
        {"POST /subjects/nobody/versions", "{}", 422, "{\"error_code\":42201,..."},
    };
    struct house h;

    open_house(&h);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        ask(&h, rows[i].request, rows[i].body, rows[i].status, rows[i].want);
    close_house(&h);
}

static void settings_and_compatibility_are_asked_and_set(void)
{
    static const struct {
        const char *request, *body;
        int status;
        const char *want;
    } rows[] = {
        {"GET /config", NULL, 200, "{\"compatibilityLevel\":\"BACKWARD\"}"},
        {"GET /config/s", NULL, 404, "{\"error_code\":40408,..."},
        {"GET /config/s?defaultToGlobal=true", NULL, 200,
         "{\"compatibilityLevel\":\"BACKWARD\"}"},
        {"PUT /config/s", "{\"compatibility\":\"none\"}", 200,
         "{\"compatibility\":\"NONE\"}"},
        {"GET /config/s", NULL, 200, "{\"compatibilityLevel\":\"NONE\"}"},
        {"PUT /config/s", "{\"compatibility\":\"most\"}", 422,
         "{\"error_code\":42203,..."},
        {"PUT /config/s", "[", 422, "{\"error_code\":42203,..."},
        {"DELETE /config/s", NULL, 200, "{\"compatibilityLevel\":\"NONE\"}"},
        {"DELETE /config/s", NULL, 404, "{\"error_code\":40401,..."},
        {"PUT /config", "{\"compatibility\":\"FORWARD\"}", 200, NULL},
        {"GET /config", NULL, 200, "{\"compatibilityLevel\":\"FORWARD\"}"},
        {"DELETE /config", NULL, 200, "{\"compatibilityLevel\":\"FORWARD\"}"},
        {"POST /subjects/s/versions", LONG, 200, "{\"id\":1}"},
        {"POST /compatibility/subjects/s/versions/latest", STRING, 200,
         "{\"is_compatible\":false}"},
        {"POST /compatibility/subjects/s/versions", STRING, 200,
         "{\"is_compatible\":false}"},
        {"POST /compatibility/subjects/s/versions?verbose=True", STRING, 200,
         "{\"is_compatible\":false,\"messages\":[\"{errorType:'TYPE_MISMATCH', ..."},
        {"POST /compatibility/subjects/s/versions/1?verbose=true",
         "{\"schema\":\"\\\"double\\\"\"}", 200,
         "{\"is_compatible\":true,\"messages\":[]}"},
        {"POST /compatibility/subjects/s/versions/2", LONG, 404,
         "{\"error_code\":40402,\"message\":\"Version 2 not found.\"}"},
        {"POST /compatibility/subjects/none/versions/latest", LONG, 200,
         "{\"is_compatible\":true}"},
        {"POST /compatibility/subjects/none/versions", LONG, 200,
         "{\"is_compatible\":true}"},
        {"POST /compatibility/subjects/s/versions/1", "{\"schema\":\"x\"}", 422,
         "{\"error_code\":42201,..."},
        {"POST /compatibility/subjects/s/versions/1?verbose=true", "{\"schema\":\"x\"}",
         200, "{\"is_compatible\":false,\"messages\":[..."},
        {"POST /compatibility/subjects/s/versions/x", LONG, 422,
         "{\"error_code\":42202,..."},
        {"DELETE /subjects/s/versions/latest", NULL, 200, "1"},
        {"GET /subjects/s/versions", NULL, 404, "{\"error_code\":40401,..."},
        {"GET /subjects/s/versions?deletedAsNegative=true", NULL, 200, "[-1]"},
        {"GET /subjects?deleted=true", NULL, 200, "[\"s\"]"},
        {"GET /schemas/ids/1", NULL, 200, "{\"schema\":\"\\\"long\\\"\"}"},
        {"DELETE /subjects/s", NULL, 404, "{\"error_code\":40404,..."},
        {"DELETE /subjects/s?permanent=true", NULL, 200, "[1]"},
        {"GET /schemas/ids/1", NULL, 404, "{\"error_code\":40403,..."},
        {"DELETE /subjects/s/versions/x", NULL, 422, "{\"error_code\":42202,..."},
    };
    struct house h;

    open_house(&h);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        ask(&h, rows[i].request, rows[i].body, rows[i].status, rows[i].want);
    close_house(&h);
}

static void content_types_are_agreed_on(void)
{
    struct house h;
    struct http_reply r;
    struct err e = {0};
    char url[100];
    struct http_field field = {span_str("Accept"), span_str("text/html")};
    struct http_call c = {.method = HTTP_GET,
                          .url = url,
                          .fields = &field,
                          .nfields = 1,
                          .deadline_ms = clock_ms() + PATIENCE_MS};

    open_house(&h);
    snprintf(url, sizeof url, "http://127.0.0.1:%d/subjects",
             registry_port(h.registry));
    r = (struct http_reply){0};
    check_ok(http_client_call(h.client, &c, &r, &e), &e);
    CHECK_INT(r.status, 406);
    http_reply_free(&r);

    field.value = span_str("application/json");
    check_ok(http_client_call(h.client, &c, &r, &e), &e);
    CHECK_INT(r.status, 200);
    CHECK_SPAN(http_reply_header(&r, "Content-Type"), "application/json");
    http_reply_free(&r);

    field = (struct http_field){span_str("Content-Type"), span_str("text/plain")};
    c.method = HTTP_POST;
    c.body = span_str(INT);
    check_ok(http_client_call(h.client, &c, &r, &e), &e);
    CHECK_INT(r.status, 405); // there is no such method here
    http_reply_free(&r);
    snprintf(url, sizeof url, "http://127.0.0.1:%d/subjects/s",
             registry_port(h.registry));
    check_ok(http_client_call(h.client, &c, &r, &e), &e);
    CHECK_INT(r.status, 415);
    http_reply_free(&r);

    // Who takes more gets more.
    ask(&h, "POST /subjects/s/versions", INT, 200, "{\"id\":1}");
    snprintf(url, sizeof url, "http://127.0.0.1:%d/schemas/ids/1",
             registry_port(h.registry));
    field = (struct http_field){span_str("Confluent-Accept-Unknown-Properties"),
                                span_str("true")};
    c.method = HTTP_GET;
    c.body = (struct span){0};
    check_ok(http_client_call(h.client, &c, &r, &e), &e);
    CHECK_SPAN(r.body, "{\"subject\":\"s\",\"version\":1,"
                       "\"guid\":\"ef524ea1-b91e-7317-3d93-8ade36c1db32\","
                       "\"schemaType\":\"AVRO\",\"schema\":\"\\\"int\\\"\"}");
    http_reply_free(&r);
    close_house(&h);
}

static void a_restart_knows_what_was_there(void)
{
    struct house h;

    open_house(&h);
    ask(&h, "POST /subjects/s/versions", INT, 200, "{\"id\":1}");
    ask(&h, "PUT /config/s", "{\"compatibility\":\"NONE\"}", 200, NULL);
    registry_close(h.registry);
    start(&h);
    ask(&h, "GET /subjects/s/versions/1", NULL, 200, NULL);
    ask(&h, "GET /config/s", NULL, 200, "{\"compatibilityLevel\":\"NONE\"}");
    ask(&h, "POST /subjects/s/versions", STRING, 200, "{\"id\":2}");
    ask(&h, "GET /readyz", NULL, 200, "{\"status\":\"ready\",...");
    close_house(&h);
}

static void two_instances_see_each_others_schemas(void)
{
    struct house h, other;

    open_house(&h);
    other = h;
    start(&other);
    ask(&h, "POST /subjects/s/versions", INT, 200, "{\"id\":1}");
    ask(&other, "GET /schemas/ids/1", NULL, 200, NULL); // no false 404
    ask(&other, "POST /subjects/t/versions", STRING, 200, "{\"id\":2}");
    ask(&h, "POST /subjects/t", STRING, 200, NULL);
    registry_close(other.registry);
    close_house(&h);
}

static void while_kafka_is_away_reads_go_on_and_writes_say_so(void)
{
    struct house h;

    open_house(&h);
    h.settings.write_ms = 1500;
    registry_close(h.registry);
    start(&h);
    ask(&h, "POST /subjects/s/versions", INT, 200, "{\"id\":1}");
    kf_mock_broker_down(h.kafka, -1, true);
    ask(&h, "GET /schemas/ids/1", NULL, 200, NULL);
    ask(&h, "POST /subjects/s/versions", INT, 200, "{\"id\":1}"); // is there already
    ask(&h, "POST /subjects/s/versions", LONG, 500, "{\"error_code\":5000...");
    ask(&h, "GET /readyz", NULL, 503, "{\"status\":\"not ready\",\"kafka\":false...");
    ask(&h, "GET /healthz", NULL, 200, NULL);
    kf_mock_broker_down(h.kafka, -1, false);

    struct http_reply r = {0};
    int64_t patience = clock_ms() + PATIENCE_MS;
    do { // it comes back by itself
        http_reply_free(&r);
        call(&h, "POST /subjects/s/versions", LONG, &r);
    } while (r.status != 200 && clock_ms() < patience);
    CHECK_SPAN(r.body, "{\"id\":2}");
    http_reply_free(&r);
    close_house(&h);
}

static void written(struct kf_waiter *w, uint32_t index, const struct kf_report *r)
{
    (void)w;
    (void)index;
    CHECK_INT(r->kind, ERR_OK);
}

/* The status of the answer to `request`, whatever it says. */
static int status_of(struct house *h, const char *request)
{
    struct http_reply r;

    call(h, request, NULL, &r);
    int status = r.status;
    http_reply_free(&r);
    return status;
}

/* What others write is seen when the reader comes to it, which may take a busy machine
 * longer than a reader of an unknown id is made to wait. */
static void wait_until_read(struct house *h, const char *request)
{
    int64_t until = clock_ms() + PATIENCE_MS;

    while (status_of(h, request) != 200 && clock_ms() < until)
        usleep(20000);
}

static void garbage_in_the_topic_is_skipped_and_counted(void)
{
    static const struct {
        const char *key, *value;
    } rows[] = {
        {NULL, "headless"},
        {"garbage", "garbage"},
        {"{\"keytype\":\"SCHEMA\",\"subject\":\"s\",\"version\":1,\"magic\":1}", "{}"},
        {"{\"keytype\":\"SCHEMA\",\"subject\":\"s\",\"version\":1,\"magic\":0}",
         "{\"subject\":\"s\",\"version\":1,\"id\":4,\"schema\":\"\\\"int\\\"\"}"},
        {"\xff", NULL},
    };
    struct kf_waiter waiter = {written};
    struct kf_producer *p = NULL;
    struct kf_record records[5] = {0};
    struct house h;
    struct err e = {0};

    open_house(&h);
    check_ok(kf_producer_open(&p, h.settings.bootstrap, NULL, &e), &e);
    for (size_t i = 0; i < 5; i++) {
        if (rows[i].key != NULL)
            records[i].key = span_str(rows[i].key);
        if (rows[i].value != NULL)
            records[i].value = span_str(rows[i].value);
        check_ok(kf_send(p, TOPIC, &records[i], &waiter, 0, &e), &e);
    }
    CHECK(kf_flush(p, PATIENCE_MS));
    kf_producer_close(p);
    wait_until_read(&h, "GET /schemas/ids/4/schema");
    ask(&h, "GET /schemas/ids/4/schema", NULL, 200, "\"int\"");
    ask(&h, "POST /subjects/s/versions", LONG, 200, "{\"id\":5}");
    ask(&h, "GET /readyz", NULL, 200,
        "{\"status\":\"ready\",\"kafka\":true,\"read_to_end\":true,\"topic_is_sound\":"
        "true,"
        "\"offset\":7,\"skipped\":4}");
    close_house(&h);
}

/* The broker's answer is lost, or the write fails for now: asked twice, written once.
 */
static void a_write_without_an_answer_is_looked_for(void)
{
    static const char *const how[] = {"timed_out", "not_leader", "not_enough_replicas",
                                      "disconnect"};
    struct house h;

    open_house(&h);
    for (size_t i = 0; i < sizeof how / sizeof *how; i++) {
        char body[80], want[40];

        snprintf(body, sizeof body,
                 "{\"schema\":\"{\\\"type\\\":\\\"int\\\",\\\"x\\\":%zu}\"}", i);
        snprintf(want, sizeof want, "{\"id\":%zu}", i + 1);
        kf_mock_fail_produce(h.kafka, how[i], 2);
        ask(&h, "POST /subjects/s/versions", body, 200, want);
    }
    ask(&h, "GET /subjects/s/versions", NULL, 200, "[1,2,3,4]");
    close_house(&h);
}

static void a_topic_of_several_partitions_is_refused(void)
{
    struct registry *r = NULL;
    struct house h;
    struct err e = {0};

    open_house(&h);
    check_ok(kf_mock_topic(h.kafka, "three", 3, &e), &e);
    struct registry_settings s = h.settings;
    s.topic = "three";
    CHECK_INT(registry_open(&r, &s, &e), ERR_CONFLICT);
    CHECK_STR(e.msg, "topic three has 3 partitions, wanted 1: there is no order among "
                     "several. Name another one with --topic");
    close_house(&h);
}

int main(void)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    log_set_level(LOG_ERROR);
    RUN(a_schema_is_registered_and_read_by_every_path);
    RUN(settings_and_compatibility_are_asked_and_set);
    RUN(content_types_are_agreed_on);
    RUN(a_restart_knows_what_was_there);
    RUN(two_instances_see_each_others_schemas);
    RUN(while_kafka_is_away_reads_go_on_and_writes_say_so);
    RUN(garbage_in_the_topic_is_skipped_and_counted);
    RUN(a_write_without_an_answer_is_looked_for);
    RUN(a_topic_of_several_partitions_is_refused);
    return REPORT();
}
