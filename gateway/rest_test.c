/*
 * REST Proxy's interface, over HTTP, between a registry that says what it is told and
 * librdkafka's mock cluster: what becomes of a request when something is away.
 */
#include "gateway/gateway_inside.h"

#include "base/clock.h"
#include "http/client.h"
#include "kafka/consumer.h"
#include "kafka/mock.h"
#include "tests/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct fake_registry {
    struct http_app app;
    struct http_server *server;
    atomic_bool away;
    atomic_int posts;
};

static void get_schema(struct http_app *app, struct http_req *r)
{
    struct fake_registry *f = (struct fake_registry *)app;

    if (atomic_load(&f->away))
        http_answer_error(r, 500, 50001, "away");
    else if (!span_eq(http_part(r, "id"), span_str("7")))
        http_answer_error(r, 404, 40403, "Schema not found");
    else
        http_answer(r, 200, "application/json",
                    span_str("{\"schema\":\"[\\\"null\\\",\\\"string\\\"]\"}"));
}

static void get_version(struct http_app *app, struct http_req *r)
{
    (void)app;
    http_answer(r, 200, "application/json",
                span_str("{\"subject\":\"t-value\",\"version\":1,\"id\":7,"
                         "\"schema\":\"[\\\"null\\\",\\\"string\\\"]\"}"));
}

static void post_schema(struct http_app *app, struct http_req *r)
{
    struct fake_registry *f = (struct fake_registry *)app;

    atomic_fetch_add(&f->posts, 1);
    if (atomic_load(&f->away))
        http_answer_error(r, 500, 50001, "away");
    else
        http_answer(r, 200, "application/json", span_str("{\"id\":7,\"version\":1}"));
}

static void get_subjects(struct http_app *app, struct http_req *r)
{
    (void)app;
    http_answer(r, 200, "application/json", span_str("[]"));
}

static const struct http_route routes[] = {
    {HTTP_GET, "/schemas/ids/{id}", get_schema, 0, 0, 0},
    {HTTP_POST, "/subjects/{subject}/versions", post_schema, 0, 0, 0},
    {HTTP_GET, "/subjects/{subject}/versions/{version}", get_version, 0, 0, 0},
    {HTTP_GET, "/subjects", get_subjects, 0, 0, 0},
};

struct world {
    struct fake_registry registry;
    struct kf_mock *kafka;
    struct gateway_settings s;
    struct gateway *gateway;
    struct http_client *client;
    char registry_url[64];
    const char *urls[1], *listen[1];
    struct conf_pair properties[1];
    char cluster[100]; // "/v3/clusters/ID"
    char said[40000], type[100];
};

/* `patience`: for Kafka, in ms; long where it is there. */
static void open_world_for(struct world *w, const char *patience)
{
    static const struct http_client_settings plain;
    static const char *const any[] = {"127.0.0.1:0"};
    struct http_settings h = {
        .listen = any, .nlisten = 1, .loops = 1, .limits = HTTP_LIMITS};
    struct arena a = {0};
    struct span id;
    struct err e = {0};

    *w = (struct world){
        .registry = {.app = {.routes = routes,
                             .nroutes = sizeof routes / sizeof *routes}},
        .properties = {{.name = "message.timeout.ms", .value = patience}}};
    CHECK_INT(http_server_open(&w->registry.server, &h, &w->registry.app, &e), ERR_OK);
    CHECK_INT(kf_mock_open(&w->kafka, 1, &e), ERR_OK);
    CHECK_INT(kf_mock_topic(w->kafka, "t", 2, &e), ERR_OK);
    snprintf(w->registry_url, sizeof w->registry_url, "http://127.0.0.1:%d",
             http_server_port(w->registry.server, 0));
    w->urls[0] = w->registry_url;
    w->listen[0] = "127.0.0.1:0";
    w->s = (struct gateway_settings){.listen = {w->listen, 1},
                                     .bootstrap = kf_mock_bootstrap(w->kafka),
                                     .registry = {w->urls, 1},
                                     .kafka = {w->properties, 1},
                                     .body = 1 << 20,
                                     .records = 1000,
                                     .in_flight_bytes = 1 << 20,
                                     .in_flight_requests = 100,
                                     .connections = 100,
                                     .registry_ms = 20000,
                                     .schema_ttl_ms = 60000,
                                     .drain_ms = 3000,
                                     .threads = 1,
                                     .workers = 2};
    CHECK_INT(gateway_open(&w->gateway, &w->s, &e), ERR_OK);
    CHECK_INT(http_client_open(&w->client, &plain, &e), ERR_OK);
    CHECK_INT(kf_cluster_id(w->gateway->admin, &a, &id, 5000, &e), ERR_OK);
    snprintf(w->cluster, sizeof w->cluster, "/v3/clusters/" SPAN_FMT, SPAN_ARG(id));
    CHECK_STR(e.msg, "");
    arena_free(&a);
}

static void open_world(struct world *w)
{
    open_world_for(w, "20000");
}

static void close_world(struct world *w)
{
    http_client_close(w->client);
    gateway_close(w->gateway);
    kf_mock_close(w->kafka);
    http_server_close(w->registry.server);
}

/* The status; what was said is in w->said.  `body` NULL: GET. */
static int call(struct world *w, const char *path, const char *type, const char *body)
{
    struct http_field fields[] = {{span_str("Content-Type"), span_str(type)}};
    char url[400];
    struct http_call c = {.method = body != NULL ? HTTP_POST : HTTP_GET,
                          .url = url,
                          .fields = fields,
                          .nfields = 1,
                          .body = span_str(body != NULL ? body : ""),
                          .deadline_ms = clock_ms() + 60000};
    struct http_reply reply = {0};
    struct err e = {0};

    snprintf(url, sizeof url, "http://127.0.0.1:%d%s", gateway_port(w->gateway), path);
    CHECK_INT(http_client_call(w->client, &c, &reply, &e), ERR_OK);
    snprintf(w->said, sizeof w->said, "%.*s", (int)reply.body.n,
             reply.body.n > 0 ? (const char *)reply.body.p : "");
    int status = reply.status;
    http_reply_free(&reply);
    return status;
}

#define AVRO "application/vnd.kafka.avro.v2+json"
#define PLAIN "application/vnd.kafka.json.v2+json"
#define JSON "application/json"
#define BY_ID "{\"value_schema_id\":7,\"records\":[{\"value\":{\"string\":\"x\"}}]}"

static bool says(const struct world *w, const char *words)
{
    return strstr(w->said, words) != NULL;
}

static void v2_answers_with_offsets_or_names_the_record(void)
{
    struct world w;

    open_world(&w);
    CHECK_INT(call(&w, "/topics/t/partitions/1", AVRO, BY_ID), 200);
    CHECK_STR(w.said, "{\"offsets\":[{\"partition\":1,\"offset\":0,\"error_code\":null,"
                      "\"error\":null}],\"key_schema_id\":null,\"value_schema_id\":7}");
    CHECK_INT(call(&w, "/topics/t", AVRO,
                   "{\"value_schema_id\":7,\"records\":[{\"value\":{\"string\":\"x\"}},"
                   "{\"value\":{\"int\":1}},{\"value\":5}]}"),
              422);
    CHECK(says(&w, "{\"error_code\":42203,\"message\":\"2 of 3 records are refused, "
                   "nothing was written: record 1: value: "));
    CHECK(says(&w, "; record 2: value: "));
    CHECK_INT(call(&w, "/topics/t/partitions/1", AVRO, BY_ID), 200);
    CHECK(says(&w, "\"offset\":1,"));
    kf_mock_topic_absent(w.kafka, "absent", true);
    CHECK_INT(call(&w, "/topics/absent", PLAIN, "{\"records\":[{\"value\":1}]}"), 404);
    CHECK(says(&w, "{\"error_code\":40401,"));
    close_world(&w);
}

static void a_schemas_text_is_registered_once(void)
{
    static const char body[] = "{\"value_schema\":\"[\\\"null\\\",\\\"string\\\"]\","
                               "\"records\":[{\"value\":{\"string\":\"x\"}}]}";
    struct world w;

    open_world(&w);
    for (int i = 0; i < 3; i++)
        CHECK_INT(call(&w, "/topics/t", AVRO, body), 200);
    CHECK_INT(atomic_load(&w.registry.posts), 1);
    atomic_store(&w.registry.away, true);
    CHECK_INT(call(&w, "/topics/t", AVRO, body), 200); // known, it goes on
    CHECK_INT(call(&w, "/topics/t", AVRO,
                   "{\"value_schema\":\"\\\"int\\\"\",\"records\":[{\"value\":1}]}"),
              503);
    CHECK(says(&w, "{\"error_code\":50003,"));
    CHECK(says(&w, "\"outcome\":\"not_written\""));
    close_world(&w);
}

static void nothing_is_a_success_without_a_broker(void)
{
    char path[200];
    struct world w;

    open_world_for(&w, "1500");
    snprintf(path, sizeof path, "%s/topics/t/records", w.cluster);
    CHECK_INT(call(&w, "/topics/t", AVRO, BY_ID), 200);
    CHECK_INT(call(&w, path, JSON, "{\"value\":{\"type\":\"STRING\",\"data\":\"x\"}}"),
              200);
    kf_mock_broker_down(w.kafka, 1, true);
    int status = call(&w, "/topics/t", AVRO, BY_ID);
    CHECK(status == 503 || status == 504);
    CHECK(
        says(&w, status == 503 ? "{\"error_code\":50003," : "{\"error_code\":50002,"));
    CHECK(says(&w, status == 503 ? "\"outcome\":\"not_written\",\"offsets\":[{"
                                   "\"partition\":null,\"offset\":null,"
                                 : "\"outcome\":\"unknown\",\"offsets\":[{"));
    status = call(&w, path, JSON, "{\"value\":{\"type\":\"STRING\",\"data\":\"x\"}}");
    CHECK(status == 503 || status == 504);
    CHECK(
        says(&w, status == 503 ? "{\"error_code\":50003," : "{\"error_code\":50002,"));
    CHECK_INT(call(&w, "/topics", JSON, NULL), 503);
    CHECK(says(&w, "{\"error_code\":50003,"));
    kf_mock_broker_down(w.kafka, 1, false);
    for (int i = 0; i < 600 && status != 200; i++) {
        status = call(&w, "/topics/t", AVRO, BY_ID);
        usleep(100000);
    }
    CHECK_INT(status, 200); // and it recovers by itself
    close_world(&w);
}

static void what_is_late_or_too_much_has_rest_proxys_code(void)
{
    struct world w;

    open_world(&w);
    CHECK_INT(call(&w, "/topics/t", AVRO, BY_ID), 200);
    w.gateway->shares.limits.most[SHARE_REQUESTS] = 0;
    CHECK_INT(call(&w, "/topics/t", AVRO, BY_ID), 503);
    CHECK(says(&w, "{\"error_code\":50003,"));
    CHECK_INT(call(&w, "/v1/topics/t/records?schema_id=7", JSON, "null"), 503);
    CHECK(says(&w, "{\"error_code\":503,"));
    w.gateway->shares.limits.most[SHARE_REQUESTS] = 100;
    CHECK_INT(call(&w, "/topics/t", AVRO, BY_ID), 200);

    struct http_route late = {.pattern = "/topics"};
    const struct http_req r = {.route = &late};
    struct buf body = BUF_INIT(1000);
    CHECK_INT(w.gateway->app.expired(&w.gateway->app, &r, &body), 504);
    buf_put_u8(&body, '\0');
    CHECK(strstr((const char *)body.p, "\"error_code\":504,") != NULL); // not a row
    buf_reset(&body);
    late = w.gateway->app.routes[w.gateway->app.nroutes - 1];
    CHECK_INT(w.gateway->app.expired(&w.gateway->app, &r, &body), 504);
    buf_put_u8(&body, '\0');
    CHECK(strstr((const char *)body.p, "\"error_code\":50002,") != NULL);
    buf_free(&body);
    close_world(&w);
}

static void what_kafka_refuses_has_its_code(void)
{
    static const struct {
        const char *how;
        int status;
        const char *code;
    } rows[] = {
        {"too_large", 413, "{\"error_code\":413,"},
        {"invalid_record", 400, "{\"error_code\":40002,"},
        {"not_allowed", 403, "{\"error_code\":40301,"}}; // which lasts: the last
    struct world w;

    open_world(&w);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        kf_mock_fail_produce(w.kafka, rows[i].how, 1);
        CHECK_INT(call(&w, "/topics/t", AVRO, BY_ID), rows[i].status);
        CHECK(says(&w, rows[i].code));
    }
    close_world(&w);
}

static void bytes_are_avros_and_empty_is_not_null(void)
{
    struct kf_consumer *c;
    struct kf_message m;
    struct kf_end end;
    struct err e = {0};
    struct world w;
    size_t seen = 0;

    open_world(&w);
    CHECK_INT(call(&w, "/topics/t/partitions/0", "application/vnd.kafka.binary.v2+json",
                   "{\"records\":[{\"key\":\"\",\"value\":\"\"},{\"value\":null}]}"),
              200);
    CHECK_INT(kf_consumer_assign(&c, w.s.bootstrap, NULL, "t", 0, 0, &e), ERR_OK);
    for (int i = 0; i < 100 && seen < 2; i++) {
        bool got = false;
        CHECK_INT(kf_poll(c, 100, &m, &got, &end, &e), ERR_OK);
        if (!got)
            continue;
        CHECK_INT(m.value.n, 0);
        CHECK_INT(m.value.p != NULL, seen == 0);
        CHECK_INT(m.key.p != NULL, seen == 0);
        kf_message_free(&m);
        seen++;
    }
    CHECK_INT(seen, 2);
    kf_consumer_close(c);
    close_world(&w);
}

static void a_stream_refuses_the_bad_alone(void)
{
    char path[200];
    struct world w;

    open_world(&w);
    snprintf(path, sizeof path, "%s/topics/t/records", w.cluster);
    CHECK_INT(
        call(&w, path, JSON,
             "{\"partition_id\":0,\"value\":{\"schema_id\":7,\"data\":null}}"
             "{\"value\":{\"schema_id\":8,\"data\":1}}"
             "{\"partition_id\":2,\"value\":{\"type\":\"JSON\",\"data\":1}}"
             "{\"partition_id\":0,\"value\":{\"schema_id\":7,\"data\":{\"string\":"
             "\"y\"}}}"),
        200);
    CHECK(says(&w, "\"partition_id\":0,\"offset\":0,"));
    CHECK(says(&w, "\r\n{\"error_code\":42207,\"message\":\"value: schema id 8"));
    CHECK(says(&w, "\r\n{\"error_code\":40402,"));
    CHECK(says(&w, "\"partition_id\":0,\"offset\":1,"));
    CHECK(says(&w,
               "\"value\":{\"type\":\"AVRO\",\"subject\":\"t-value\",\"schema_id\":7,"
               "\"schema_version\":null,\"size\":8}}"));
    CHECK_INT(call(&w, path, JSON, "{\"value\":{\"schema_id\":8,\"data\":1}}"), 422);
    CHECK_INT(call(&w, path, JSON,
                   "{\"headers\":[{\"name\":\"a\",\"value\":null},{\"name\":5}]}"),
              400);
    CHECK(says(&w, "header 1"));
    close_world(&w);
}

static void too_many_schemas_in_a_stream_are_refused_where_they_are_too_many(void)
{
    struct buf body = BUF_INIT(1 << 20);
    char path[200];
    struct world w;

    open_world(&w);
    snprintf(path, sizeof path, "%s/topics/t/records", w.cluster);
    atomic_store(&w.registry.away, true);
    for (int i = 0; i < 110; i++)
        buf_printf(&body,
                   "{\"value\":{\"type\":\"AVRO\",\"schema\":\"%d\",\"data\":1}}", i);
    buf_put_u8(&body, '\0');
    CHECK_INT(call(&w, path, JSON, (const char *)body.p), 200);
    CHECK(says(&w, "{\"error_code\":42205,")); // "0" is no schema
    CHECK(
        says(&w, "{\"error_code\":413,\"message\":\"the request names more than 100"));
    CHECK_INT(call(&w, path, JSON, "{\"value\":{\"type\":\"STRING\",\"data\":\"x\"}}"),
              200);
    buf_free(&body);
    close_world(&w);
}

static void gets_say_what_the_cluster_says(void)
{
    char path[200];
    struct world w;

    open_world(&w);
    CHECK_INT(call(&w, "/brokers", JSON, NULL), 200);
    CHECK_STR(w.said, "{\"brokers\":[1]}");
    CHECK_INT(call(&w, "/topics/t/partitions/1", JSON, NULL), 200);
    CHECK_STR(w.said, "{\"partition\":1,\"leader\":1,\"replicas\":[{\"broker\":1,"
                      "\"leader\":true,\"in_sync\":true}]}");
    CHECK_INT(call(&w, "/topics/t/partitions/x", JSON, NULL), 404);
    CHECK(says(&w, "{\"error_code\":40402,"));
    CHECK_INT(call(&w, "/topics/absent", JSON, NULL), 404);
    CHECK_INT(call(&w, "/topics/t/partitions/0/offsets", JSON, NULL), 200);
    CHECK_STR(w.said, "{\"beginning_offset\":0,\"end_offset\":0}");
    snprintf(path, sizeof path, "%s/topics/t/partitions/1/replicas/1", w.cluster);
    CHECK_INT(call(&w, path, JSON, NULL), 200);
    CHECK(says(&w, "{\"kind\":\"KafkaReplica\","));
    CHECK(says(&w, "\"broker_id\":1,\"is_leader\":true,\"is_in_sync\":true"));
    snprintf(path, sizeof path, "%s/topics/t/partitions/1/replicas/2", w.cluster);
    CHECK_INT(call(&w, path, JSON, NULL), 404);
    CHECK_INT(call(&w, "/v3/clusters/other/topics", JSON, NULL), 404);
    close_world(&w);
}

int main(void)
{
    RUN(v2_answers_with_offsets_or_names_the_record);
    RUN(a_schemas_text_is_registered_once);
    RUN(nothing_is_a_success_without_a_broker);
    RUN(what_is_late_or_too_much_has_rest_proxys_code);
    RUN(what_kafka_refuses_has_its_code);
    RUN(bytes_are_avros_and_empty_is_not_null);
    RUN(a_stream_refuses_the_bad_alone);
    RUN(too_many_schemas_in_a_stream_are_refused_where_they_are_too_many);
    RUN(gets_say_what_the_cluster_says);
    return REPORT();
}
