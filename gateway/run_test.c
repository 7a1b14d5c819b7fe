/*
 * The whole gateway, over HTTP, between a registry that says what it is told and
 * librdkafka's mock cluster.
 */
#include "gateway/gateway_inside.h"

#include "base/clock.h"
#include "http/client.h"
#include "kafka/consumer.h"
#include "kafka/mock.h"
#include "tests/check.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct fake_registry {
    struct http_app app;
    struct http_server *server;
    atomic_bool away;
};

static const char schema_answer[] =
    "{\"subject\":\"weather-value\",\"version\":3,\"id\":7,\"schema\":\"{\\\"type\\\":"
    "\\\"record\\\","
    "\\\"name\\\":\\\"W\\\",\\\"fields\\\":[{\\\"name\\\":\\\"city\\\",\\\"type\\\":"
    "\\\"string\\\"},"
    "{\\\"name\\\":\\\"temperature\\\",\\\"type\\\":\\\"double\\\"}]}\"}";

static void get_schema(struct http_app *app, struct http_req *r)
{
    struct fake_registry *f = (struct fake_registry *)app;

    if (atomic_load(&f->away))
        http_answer_error(r, 500, 50001, "away");
    else if (r->nparts == 2 &&
             !span_eq(http_part(r, "subject"), span_str("weather-value")) &&
             !span_eq(http_part(r, "subject"), span_str("full-value")))
        http_answer_error(r, 404, 40401, "Subject not found.");
    else
        http_answer(r, 200, "application/json", span_str(schema_answer));
}

static void get_subjects(struct http_app *app, struct http_req *r)
{
    (void)app;
    http_answer(r, 200, "application/json", span_str("[]"));
}

static const struct http_route routes[] = {
    {HTTP_GET, "/subjects/{subject}/versions/{version}", get_schema, 0, 0, 0},
    {HTTP_GET, "/schemas/ids/{id}", get_schema, 0, 0, 0},
    {HTTP_GET, "/subjects", get_subjects, 0, 0, 0},
};

/* Topic "full" has no room; of all others it counts what stands and what came back. */
struct counted_room {
    struct gateway_room room;
    atomic_size_t taken, standing, returned;
};

static bool take_room(struct gateway_room *r, const char *topic, size_t bytes)
{
    if (strcmp(topic, "full") == 0 || strcmp(topic, "crowded.dlq") == 0)
        return false;
    atomic_fetch_add(&((struct counted_room *)r)->taken, bytes);
    return true;
}

static void settle_room(struct gateway_room *r, const char *topic, size_t bytes,
                        int32_t partition, int64_t offset)
{
    struct counted_room *c = (struct counted_room *)r;

    (void)topic;
    CHECK((partition >= 0) == (offset >= 0));
    atomic_fetch_add(partition >= 0 ? &c->standing : &c->returned, bytes);
}

/* Everything a test needs, opened once a test. */
struct world {
    struct fake_registry registry;
    struct kf_mock *kafka;
    struct counted_room room;
    struct gateway_settings s;
    struct gateway *gateway;
    struct http_client *client;
    char registry_url[64];
    const char *urls[1], *listen[1];
    struct conf_pair properties[1];
};

/* `patience`: for Kafka, in ms; long where it is there. */
static void open_world_for(struct world *w, const char *patience)
{
    static const struct http_client_settings plain;
    static const char *const any[] = {"127.0.0.1:0"};
    struct http_settings h = {
        .listen = any, .nlisten = 1, .loops = 1, .limits = HTTP_LIMITS};
    struct err e = {0};

    *w = (struct world){
        .registry = {.app = {.routes = routes, .nroutes = 3}},
        .room = {{take_room, settle_room}, 0, 0, 0},
        .properties = {{.name = "message.timeout.ms", .value = patience}}};
    CHECK_INT(http_server_open(&w->registry.server, &h, &w->registry.app, &e), ERR_OK);
    CHECK_INT(kf_mock_open(&w->kafka, 1, &e), ERR_OK);
    CHECK_INT(kf_mock_topic(w->kafka, "weather", 2, &e), ERR_OK);
    CHECK_INT(kf_mock_topic(w->kafka, "weather.dlq", 1, &e), ERR_OK);
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
                                     .idempotency_bytes = 1 << 20,
                                     .idempotency_ms = 60000,
                                     .connections = 100,
                                     .registry_ms = 20000,
                                     .schema_ttl_ms = 60000,
                                     .drain_ms = 3000,
                                     .threads = 1,
                                     .workers = 2,
                                     .room = &w->room.room};
    CHECK_INT(gateway_open(&w->gateway, &w->s, &e), ERR_OK);
    CHECK_STR(e.msg, "");
    CHECK_INT(http_client_open(&w->client, &plain, &e), ERR_OK);
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

static int post_under(struct world *w, const char *key, const char *path,
                      const char *type, const char *body, char said[4000])
{
    struct http_field fields[] = {{span_str("Content-Type"), span_str(type)},
                                  {span_str("Idempotency-Key"), span_str(key)}};
    char url[300];
    struct http_call call = {.method = HTTP_POST,
                             .url = url,
                             .fields = fields,
                             .nfields = *key != '\0' ? 2 : 1,
                             .body = span_str(body),
                             .deadline_ms = clock_ms() + 60000};
    struct http_reply reply = {0};
    struct err e = {0};

    snprintf(url, sizeof url, "http://127.0.0.1:%d%s", gateway_port(w->gateway), path);
    CHECK_INT(http_client_call(w->client, &call, &reply, &e), ERR_OK);
    snprintf(said, 4000, "%.*s", (int)reply.body.n,
             reply.body.n > 0 ? (const char *)reply.body.p : "");
    int status = reply.status;
    http_reply_free(&reply);
    return status;
}

static int post(struct world *w, const char *path, const char *type, const char *body,
                char said[4000])
{
    return post_under(w, "", path, type, body, said);
}

#define JSON "application/json"
#define RECORDS "/v1/topics/weather/records"

static void ok_means_kafka_has_it(void)
{
    struct world w;
    char said[4000];

    open_world(&w);
    CHECK_INT(post(&w, RECORDS "?partition=1", JSON,
                   "[{\"city\":\"Oslo\",\"temperature\":-3.5},{\"city\":\"Rome\","
                   "\"temperature\":"
                   "21}]",
                   said),
              200);
    CHECK_STR(
        said,
        "{\"accepted\":2,\"rejected\":0,\"records\":[{\"index\":0,\"partition\":1,"
        "\"offset\":0},{\"index\":1,\"partition\":1,\"offset\":1}],\"schema\":{"
        "\"subject\":\"weather-value\",\"id\":7,\"version\":3}}");

    struct kf_consumer *c;
    struct kf_message m;
    struct kf_end end;
    struct err e = {0};
    bool got = false;
    CHECK_INT(kf_consumer_assign(&c, w.s.bootstrap, NULL, "weather", 1, 0, &e), ERR_OK);
    for (int i = 0; i < 100 && !got; i++)
        CHECK_INT(kf_poll(c, 100, &m, &got, &end, &e), ERR_OK);
    CHECK(got);
    CHECK(span_eq(m.value, span_of("\0\0\0\0\7\x08Oslo\0\0\0\0\0\0\x0c\xc0", 18)));
    kf_message_free(&m);
    kf_consumer_close(c);
    close_world(&w);
}

static void one_bad_record_and_nothing_is_written(void)
{
    struct world w;
    char said[4000];

    open_world(&w);
    CHECK_INT(post(&w, RECORDS, JSON,
                   "[{\"city\":\"Oslo\",\"temperature\":\"abc\"},{\"city\":\"Rome\","
                   "\"temperature\":21}]",
                   said),
              422);
    CHECK(
        strstr(said,
               "{\"accepted\":0,\"rejected\":1,\"records\":[{\"index\":0,\"errors\":[{"
               "\"pointer\":\"/temperature\",\"offset\":30,\"expected\":\"double\","
               "\"found\":\"string \\\"abc\\\"\",\"rule\":\"type\"") == said);
    CHECK_INT(post(&w, RECORDS, JSON, "[{\"city\":\"Rome\",\"temperature\":21}", said),
              400);
    CHECK_INT(post(&w, RECORDS "?partition=0", JSON,
                   "{\"city\":\"R\",\"temperature\":1}", said),
              200);
    CHECK(strstr(said, "\"partition\":0,\"offset\":0") != NULL); // the first there is
    close_world(&w);
}

static void the_good_ones_are_written_where_that_was_asked(void)
{
    struct world w;
    char said[4000];

    open_world(&w);
    CHECK_INT(post(&w, RECORDS "?on_error=partial&partition=0", "application/x-ndjson",
                   "{\"city\":\"Oslo\"}\n{\"city\":\"Rome\",\"temperature\":21}\n",
                   said),
              207);
    CHECK(strstr(said, "\"accepted\":1,\"rejected\":1") != NULL);
    CHECK(strstr(said, "{\"index\":1,\"partition\":0,\"offset\":0}") != NULL);
    CHECK_INT(post(&w, RECORDS "?on_error=partial", JSON, "{\"city\":\"Oslo\"}", said),
              422);

    CHECK_INT(post(&w, RECORDS "?on_error=dlq&partition=0", "text/csv",
                   "city,temperature\nOslo,cold\nRome,22\n", said),
              207);
    CHECK(strstr(said,
                 "\"dlq\":{\"topic\":\"weather.dlq\",\"partition\":0,\"offset\":0}") !=
          NULL);
    CHECK(strstr(said, "\"dlq\":\"stored\"") != NULL);
    CHECK(strstr(said, "{\"index\":1,\"partition\":0,\"offset\":1}") != NULL);

    struct kf_consumer *c;
    struct kf_message m;
    struct kf_end end;
    struct err e = {0};
    bool got = false;
    CHECK_INT(kf_consumer_assign(&c, w.s.bootstrap, NULL, "weather.dlq", 0, 0, &e),
              ERR_OK);
    for (int i = 0; i < 100 && !got; i++)
        CHECK_INT(kf_poll(c, 100, &m, &got, &end, &e), ERR_OK);
    CHECK(got);
    CHECK_SPAN(m.value, "Oslo,cold");
    CHECK_INT(m.n_headers, 9);
    CHECK_STR(m.headers[0].name, "avrogate.errors");
    CHECK_STR(m.headers[2].name, "avrogate.schema.id");
    CHECK_SPAN(m.headers[2].value, "7");
    CHECK_STR(m.headers[8].name, "avrogate.query");
    CHECK_SPAN(m.headers[8].value, "on_error=dlq&partition=0");
    kf_message_free(&m);
    kf_consumer_close(c);
    close_world(&w);
}

static void a_dry_run_writes_nothing(void)
{
    struct world w;
    char said[4000];

    open_world(&w);
    CHECK_INT(post(&w, RECORDS "?dry_run=true", JSON,
                   "{\"city\":\"R\",\"temperature\":1}", said),
              200);
    CHECK_STR(
        said,
        "{\"accepted\":1,\"rejected\":0,\"dry_run\":true,\"records\":[{\"index\":0}],"
        "\"schema\":{\"subject\":\"weather-value\",\"id\":7,\"version\":3}}");
    CHECK_INT(post(&w, RECORDS "?partition=0", JSON,
                   "{\"city\":\"R\",\"temperature\":1}", said),
              200);
    CHECK(strstr(said, "\"offset\":0") != NULL);
    close_world(&w);
}

static void statuses_say_whose_fault_it_was(void)
{
    struct world w;
    char said[4000];
    static const char good[] = "{\"city\":\"R\",\"temperature\":1}";

    open_world(&w);
    CHECK_INT(post(&w, RECORDS "?on_eror=dlq", JSON, good, said), 400);
    CHECK_INT(post(&w, RECORDS, "application/xml", good, said), 415);
    CHECK_INT(post(&w, RECORDS "?subject_name_strategy=record", JSON, good, said), 400);
    CHECK_INT(post(&w, RECORDS, "text/csv", "city,temp\nOslo,1\n", said), 422);
    CHECK_INT(post(&w, RECORDS "?subject=nobody", JSON, good, said), 422);
    CHECK(strstr(said, "\"error_code\":40403") != NULL);
    CHECK_INT(post(&w, RECORDS "?key_field=none", JSON, good, said), 400);
    CHECK_INT(post(&w, RECORDS "?key_field=temperature", JSON, good, said), 422);
    CHECK(strstr(said,
                 "\"expected\":\"a key: string, bytes, int, long, boolean or enum\","
                 "\"found\":\"a value of type double\",\"rule\":\"key\"") != NULL);
    CHECK_INT(post(&w, RECORDS "?partition=2", JSON, good, said), 404);
    CHECK_INT(post(&w, "/v1/topics/full/records?subject=full-value", JSON, good, said),
              503);
    CHECK(strstr(said, "\"outcome\":\"not_written\"") != NULL);
    CHECK_INT(post(&w, "/v1/nothing", JSON, good, said), 404);
    CHECK_INT(post(&w, RECORDS "?schema_id=7&partition=0", JSON, good, said), 200);
    CHECK(strstr(said, "\"version\":null") != NULL);
    close_world(&w);
}

static void room_that_was_taken_comes_back_or_stands_at_an_offset(void)
{
    struct world w;
    char said[4000];
    static const char good[] = "{\"city\":\"R\",\"temperature\":1}";
    static const char half[] =
        "[{\"city\":\"R\",\"temperature\":1},{\"city\":\"R\",\"temperature\":\"x\"}]";

    open_world_for(&w, "5000");
    CHECK_INT(post(&w, RECORDS, JSON, good, said), 200);
    size_t one = atomic_load(&w.room.taken);
    CHECK(one > sizeof good / 2);
    CHECK_INT(atomic_load(&w.room.standing), one);
    // Nothing of it is written where its dead letters have no room.
    CHECK_INT(post(&w, "/v1/topics/crowded/records?subject=weather-value&on_error=dlq",
                   JSON, half, said),
              503);
    CHECK(strstr(said, "crowded.dlq") != NULL);
    CHECK_INT(atomic_load(&w.room.returned), one);
    kf_mock_broker_down(w.kafka, -1, true);
    CHECK(post(&w, RECORDS, JSON, good, said) >= 503);
    CHECK_INT(atomic_load(&w.room.taken), 3 * one);
    CHECK_INT(atomic_load(&w.room.returned), 2 * one);
    kf_mock_broker_down(w.kafka, -1, false);
    close_world(&w);
}

static void what_is_known_goes_on_without_the_registry(void)
{
    struct world w;
    char said[4000];
    static const char good[] = "{\"city\":\"R\",\"temperature\":1}";

    open_world(&w);
    CHECK_INT(post(&w, RECORDS, JSON, good, said), 200);
    atomic_store(&w.registry.away, true);
    CHECK_INT(post(&w, RECORDS, JSON, good, said), 200);
    CHECK_INT(post(&w, RECORDS "?version=3", JSON, good, said), 503);
    CHECK(strstr(said, "\"outcome\":\"not_written\"") != NULL);
    atomic_store(&w.registry.away, false);
    CHECK_INT(post(&w, RECORDS "?version=3", JSON, good, said), 200);
    close_world(&w);
}

static void a_broker_that_is_away_is_never_a_success(void)
{
    struct world w;
    char said[4000];
    static const char good[] = "{\"city\":\"R\",\"temperature\":1}";

    open_world_for(&w, "1500");
    CHECK_INT(post(&w, RECORDS, JSON, good, said), 200);
    kf_mock_broker_down(w.kafka, 1, true);
    int status = post(&w, RECORDS, JSON, good, said);
    CHECK(status == 503 || status == 504);
    CHECK(strstr(said, status == 503 ? "\"outcome\":\"not_written\""
                                     : "\"outcome\":\"unknown\"") != NULL);
    kf_mock_broker_down(w.kafka, 1, false);
    for (int i = 0; i < 600 && status != 200; i++) {
        status = post(&w, RECORDS, JSON, good, said);
        usleep(100000);
    }
    CHECK_INT(status, 200); // and it recovers by itself
    close_world(&w);
}

/* More than a loop frees by itself (api.c): what is known of them is copied in time. */
static void what_was_written_of_many_is_not_sent_again(void)
{
    struct buf body = BUF_INIT(4000);
    char first[4000], again[4000], record[60];
    struct world w;

    open_world(&w);
    for (int i = 0; i < 20; i++)
        buf_printf(&body, "%s{\"city\":\"%c\",\"temperature\":1}", i > 0 ? "," : "[",
                   'a' + i);
    buf_put_str(&body, "]");
    buf_put_u8(&body, '\0');
    const char *text = (const char *)body.p, *path = RECORDS "?key_field=city";
    CHECK_INT(post(&w, path, JSON, text, first), 200);
    kf_mock_fail_produce(w.kafka, "too_large", 1); // one partition's, not the other's
    CHECK_INT(post_under(&w, "k", path, JSON, text, first), 504);
    CHECK(strstr(first, "\"partly_written\"") != NULL);
    CHECK_INT(post_under(&w, "k", path, JSON, text, again), 200);
    size_t kept = 0;
    for (const char *at = first; (at = strstr(at, "{\"index\":")) != NULL; at++) {
        snprintf(record, sizeof record, "%.*s", (int)strcspn(at, "}"), at);
        if (strstr(record, "\"offset\":") == NULL)
            continue;
        kept++;
        CHECK(strstr(again, record) != NULL);
    }
    CHECK(kept > 0);
    CHECK(kept < 20);
    close_world(&w);
    buf_free(&body);
}

static void a_dead_producer_is_replaced(void)
{
    struct world w;
    char said[4000];
    static const char good[] = "{\"city\":\"R\",\"temperature\":1}";
    int status = 0;

    open_world(&w);
    CHECK_INT(post(&w, RECORDS, JSON, good, said), 200);
    kf_mock_kill_producer(w.gateway->producer);
    for (int i = 0; i < 3000 && status != 200; i++) {
        status = post(&w, RECORDS, JSON, good, said);
        CHECK(status == 200 ||
              (status == 503 && strstr(said, "\"outcome\":\"not_written\"") != NULL));
        usleep(20000);
    }
    CHECK_INT(status, 200);
    close_world(&w);
}

static void a_record_too_large_for_kafka_keeps_all_of_them_out(void)
{
    struct world w;
    char said[4000], *body = mem_alloc(130000);

    open_world(&w);
    w.gateway->batch.record =
        100000; // message.max.bytes is above the body's limit here
    snprintf(body, 130000,
             "[{\"city\":\"Oslo\",\"temperature\":1},{\"city\":\"%0100000d\","
             "\"temperature\":1}]",
             0);
    CHECK_INT(post(&w, RECORDS, JSON, body, said), 413);
    CHECK(strstr(said, "\"index\":1,\"errors\":[{\"pointer\":\"\",\"offset\":33,"
                       "\"expected\":\"at most 100000 bytes for Kafka\"") != NULL);
    CHECK_INT(post(&w, RECORDS "?on_error=partial&partition=0", JSON, body, said), 207);
    CHECK(strstr(said, "{\"index\":0,\"partition\":0,\"offset\":0}") != NULL);
    free(body);
    close_world(&w);
}

int main(void)
{
    RUN(ok_means_kafka_has_it);
    RUN(one_bad_record_and_nothing_is_written);
    RUN(the_good_ones_are_written_where_that_was_asked);
    RUN(a_dry_run_writes_nothing);
    RUN(statuses_say_whose_fault_it_was);
    RUN(room_that_was_taken_comes_back_or_stands_at_an_offset);
    RUN(what_is_known_goes_on_without_the_registry);
    RUN(a_broker_that_is_away_is_never_a_success);
    RUN(what_was_written_of_many_is_not_sent_again);
    RUN(a_dead_producer_is_replaced);
    RUN(a_record_too_large_for_kafka_keeps_all_of_them_out);
    return REPORT();
}
