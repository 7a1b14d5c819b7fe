#include "gateway/rest_read.h"

#include "tests/check.h"

static const struct rest_limits limits = {.records = 5};

/* What reading `body` as v2 comes to: 0, or the code. */
static int v2(const char *body, enum rest_format f)
{
    struct rest_body b;
    struct arena a = {0};
    struct err e = {0};
    int code = -1;

    enum err_kind rc = rest_read_v2(&b, f, span_str(body), &limits, &a, &code, &e);
    CHECK((rc == ERR_OK) == (e.msg[0] == '\0'));
    arena_free(&a);
    return rc == ERR_OK ? 0 : code;
}

static void v2_says_with_a_code_what_it_does_not_take(void)
{
    static const struct {
        const char *body;
        enum rest_format format;
        int code;
    } rows[] = {
        {"{\"records\":[{\"value\":1}]}", REST_JSON, 0},
        {"{\"records\":[{}]}", REST_JSON, 0},
        {"{\"records\":[{\"value\":null}]}", REST_AVRO, 0},
        {"{\"more\":[{}],\"records\":[{\"value\":1,\"what\":2}]}", REST_JSON, 0},
        {"", REST_JSON, 42206},
        {" \r\n\t", REST_JSON, 42206},
        {"{", REST_JSON, 400},
        {"[]", REST_JSON, 422},
        {"{}", REST_JSON, 422},
        {"{\"records\":null}", REST_JSON, 422},
        {"{\"records\":{}}", REST_JSON, 422},
        {"{\"records\":[]}", REST_JSON, 422},
        {"{\"records\":[1]}", REST_JSON, 422},
        {"{\"records\":[{},{},{},{},{},{}]}", REST_JSON, 413},
        {"{\"records\":[{\"partition\":-1}]}", REST_JSON, 422},
        {"{\"records\":[{\"partition\":2147483648}]}", REST_JSON, 422},
        {"{\"records\":[{\"partition\":\"0\"}]}", REST_JSON, 422},
        {"{\"value_schema\":1,\"records\":[{}]}", REST_AVRO, 422},
        {"{\"value_schema_id\":0,\"records\":[{}]}", REST_AVRO, 422},
        {"{\"value_schema_id\":1,\"value_schema\":\"\",\"records\":[{}]}", REST_AVRO,
         422},
        {"{\"records\":[{\"value\":1}]}", REST_AVRO, 42202},
        {"{\"value_schema_id\":1,\"records\":[{\"value\":1,\"key\":1}]}", REST_AVRO,
         42201},
        {"{\"value_schema_id\":1,\"records\":[{\"value\":1,\"key\":null}]}", REST_AVRO,
         0},
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        int code = v2(rows[i].body, rows[i].format);
        CHECK_INT(code, rows[i].code);
        if (code != rows[i].code)
            printf("    of %s\n", rows[i].body);
    }
}

static void v2_gives_each_record_its_partition_and_the_requests_schemas(void)
{
    struct rest_body b;
    struct arena a = {0};
    struct err e = {0};
    int code;
    struct span body = span_str("{\"records\":[{\"key\":\"k\",\"value\":{\"a\":1},"
                                "\"partition\":3},{\"value\":2}],"
                                "\"key_schema\":\"\\\"string\\\"\","
                                "\"value_schema_id\":7}");

    CHECK_INT(rest_read_v2(&b, REST_AVRO, body, &limits, &a, &code, &e), ERR_OK);
    CHECK_INT(b.n, 2);
    CHECK_INT(b.records[0].extra.partition, 3);
    CHECK_INT(b.records[1].extra.partition, -1);
    CHECK_SPAN(b.records[0].key.ref.text, "\"string\"");
    CHECK_INT(b.records[0].key.ref.id, 0);
    CHECK_INT(b.records[1].value.ref.id, 7);
    const struct json *v = b.records[0].value.value;
    CHECK_SPAN(span_of(b.records[0].value.text.p + v->at, v->end - v->at), "{\"a\":1}");
    arena_free(&a);
}

/* What reading `body` as v3 comes to: the record's code. */
static int v3(const char *body)
{
    struct rest_body b;
    struct arena a = {0};
    struct err e = {0};
    int code = -1;

    enum err_kind rc = rest_read_v3(&b, span_str(body), &limits, &a, &code, &e);
    if (rc == ERR_OK) {
        CHECK_INT(b.n, 1);
        code = b.records[0].code;
        CHECK((code == 0) == (b.records[0].why.n == 0));
    }
    arena_free(&a);
    return code;
}

static void v3_says_with_a_code_what_it_does_not_take(void)
{
    static const struct {
        const char *body;
        int code;
    } rows[] = {
        {"{}", 0},
        {"{\"value\":{\"data\":1}}", 0},
        {"{\"value\":{\"schema_id\":1,\"data\":1}}", 0},
        {"{\"value\":{\"type\":\"AVRO\",\"schema\":\"1\",\"data\":1}}", 0},
        {"{\"value\":{\"subject\":\"s\",\"schema_version\":2}}", 0},
        {"{\"value\":{\"subject_name_strategy\":\"RECORD_NAME\",\"schema_id\":2}}", 0},
        {"", 42206},
        {"{", 400},
        {"7", 400},
        {"{\"value\":1}", 400},
        {"{\"value\":{\"type\":\"PROTOBUF\"}}", 400},
        {"{\"value\":{\"type\":\"AVRO\",\"schema_id\":1}}", 400},
        {"{\"value\":{\"type\":\"AVRO\",\"schema_version\":1}}", 400},
        {"{\"value\":{\"type\":\"STRING\",\"subject\":\"s\"}}", 400},
        {"{\"value\":{\"type\":\"JSON\",\"schema\":\"1\"}}", 400},
        {"{\"value\":{\"schema\":\"1\"}}", 400},
        {"{\"value\":{\"schema_id\":1,\"schema_version\":1}}", 400},
        {"{\"value\":{\"subject\":\"s\",\"subject_name_strategy\":\"TOPIC_NAME\"}}",
         400},
        {"{\"value\":{\"subject_name_strategy\":\"MINE\"}}", 400},
        {"{\"partition_id\":-1}", 400},
        {"{\"timestamp\":5}", 400},
        {"{\"timestamp\":\"2026-02-05\"}", 400},
        {"{\"timestamp\":\"1969-02-05T00:00:00Z\"}", 400},
        {"{\"headers\":{}}", 400},
        {"{\"headers\":[1]}", 400},
        {"{\"headers\":[{\"value\":\"\"}]}", 400},
        {"{\"headers\":[{\"name\":\"a\\u0000\"}]}", 400},
        {"{\"headers\":[{\"name\":\"a\",\"value\":\"=\"}]}", 400},
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        int code = v3(rows[i].body);
        CHECK_INT(code, rows[i].code);
        if (code != rows[i].code)
            printf("    of %s\n", rows[i].body);
    }
}

static void v3_reads_headers_and_time(void)
{
    struct rest_body b;
    struct arena a = {0};
    struct err e = {0};
    int code;
    struct span body =
        span_str("{\"timestamp\":\"2026-02-05T19:14:42.5Z\",\"headers\":["
                 "{\"name\":\"h\",\"value\":\"/w==\"},{\"name\":\"n\"}]}");

    CHECK_INT(rest_read_v3(&b, body, &limits, &a, &code, &e), ERR_OK);
    const struct kf_record *r = &b.records[0].extra;
    CHECK_INT(r->timestamp_ms, 1770318882500);
    CHECK_INT(r->n_headers, 2);
    CHECK_STR(r->headers[0].name, "h");
    CHECK_SPAN(r->headers[0].value, "\xff");
    CHECK(r->headers[1].value.p == NULL);
    arena_free(&a);
}

static void a_stream_is_cut_at_its_braces_and_ends_where_it_breaks(void)
{
    static const struct {
        const char *body;
        size_t n, broken; // which one; n: none
    } rows[] = {
        {"{}{}", 2, 2},
        {" {}\r\n{ } \n", 2, 2},
        {"{\"key\":{\"data\":\"}\\\"{\"}}{}", 2, 2},
        {"{}x{}", 2, 1},
        {"{}{\"value\":{}", 2, 1},
        {"{}}{}", 2, 1},
        {"{}[{}]", 2, 2}, // JSON, and no record
        {"{}\"{}{}", 2, 1},
    };
    struct arena a = {0};

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct rest_body b;
        struct err e = {0};
        int code;

        CHECK_INT(rest_read_v3(&b, span_str(rows[i].body), &limits, &a, &code, &e),
                  ERR_OK);
        CHECK_INT(b.n, rows[i].n);
        for (size_t k = 0; k < b.n && rows[i].broken < rows[i].n; k++)
            CHECK_INT(b.records[k].code, k == rows[i].broken ? 400 : 0);
    }
    arena_free(&a);
}

static void a_stream_has_as_many_records_as_a_request_may(void)
{
    struct rest_body b;
    struct arena a = {0};
    struct err e = {0};
    int code = 0;

    CHECK_INT(rest_read_v3(&b, span_str("{}{}{}{}{}"), &limits, &a, &code, &e), ERR_OK);
    CHECK_INT(rest_read_v3(&b, span_str("{}{}{}{}{}{}"), &limits, &a, &code, &e),
              ERR_LIMIT);
    CHECK_INT(code, 413);
    arena_free(&a);
}

static void a_batch_has_ids_that_differ(void)
{
    static const struct {
        const char *body;
        int code;
    } rows[] = {
        {"{\"entries\":[{\"id\":\"a\"},{\"id\":\"b\",\"value\":5}]}", 0},
        {"{\"entries\":[{\"id\":\"a\"},{\"id\":\"a\"}]}", 42208},
        {"{\"entries\":[{\"id\":\"\"}]}", 42208},
        {"{\"entries\":[{\"id\":1}]}", 42208},
        {"{\"entries\":[{}]}", 42208},
        {"{\"entries\":[1]}", 42208},
        {"{\"entries\":[]}", 42208},
        {"{\"entries\":null}", 42208},
        {"{}", 42208},
        {"", 42206},
        {"{\"entries\"", 400},
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct rest_body b;
        struct arena a = {0};
        struct err e = {0};
        int code = 0;

        (void)!rest_read_batch(&b, span_str(rows[i].body), &limits, &a, &code, &e);
        CHECK_INT(e.kind == ERR_OK ? 0 : code, rows[i].code);
        arena_free(&a);
    }
}

static void content_types_say_format_and_version(void)
{
    struct err e = {0};
    enum rest_format f;

    CHECK(rest_content_type(span_str("application/vnd.kafka.avro.v2+json"), &f, &e) &&
          f == REST_AVRO);
    CHECK(rest_content_type(
              span_str("Application/vnd.kafka.json.v2+JSON ; charset=\"UTF-8\""), &f,
              &e) &&
          f == REST_JSON);
    CHECK(rest_content_type(span_str("application/json"), &f, &e) && f == REST_BINARY);
    CHECK(rest_content_type(span_str("application/vnd.kafka.binary.v1+json"), &f, &e) &&
          f == REST_BINARY);
    CHECK(!rest_content_type(span_str("application/vnd.kafka.jsonschema.v2+json"), &f,
                             &e));
    CHECK(rest_content_type(
        span_str("application/vnd.kafka.v2+json; charset=utf-8; x=y"), &f, &e));
    CHECK(!rest_content_type(span_str("application/json;charset=latin1"), &f, &e));
    CHECK(!rest_content_type(span_str(""), &f, &e));
    CHECK_STR(rest_answer_type(span_str("")), "application/vnd.kafka.v2+json");
    CHECK_STR(rest_answer_type(span_str("*/*")), "application/vnd.kafka.v2+json");
    CHECK_STR(rest_answer_type(span_str("application/json;q=0.9")), "application/json");
    CHECK_STR(
        rest_answer_type(span_str("application/json, application/vnd.kafka.v2+json")),
        "application/vnd.kafka.v2+json");
}

static void codes_name_their_status(void)
{
    CHECK_INT(rest_status(400), 400);
    CHECK_INT(rest_status(42203), 422);
    CHECK_INT(rest_status(40401), 404);
    CHECK_INT(rest_status(REST_KAFKA_RETRIABLE), 503);
}

/* Where values end must not depend on how the bytes came. */
static void a_stream_is_cut_the_same_however_it_comes(void)
{
    static const char text[] =
        "{\"a\":\"}\\\"{\"}{\"b\":[1,{\"c\":2}]} \n[3]\"half\n{}}{}";
    static const size_t ends[] = {12, 29, 34, 40, 42, 43, 45};
    const size_t n = sizeof text - 1;

    for (size_t step = 1; step <= n; step++) {
        struct rest_cut c = {0};
        size_t found = 0, came = 0;
        while (came < n) {
            came = came + step < n ? came + step : n;
            while (rest_cut(&c, span_of(text, came))) {
                CHECK(found < sizeof ends / sizeof *ends);
                CHECK_INT(c.at, ends[found < 7 ? found : 6]);
                found++;
                c = (struct rest_cut){.at = c.at};
            }
        }
        CHECK_INT(found, sizeof ends / sizeof *ends);
    }
}

static void behind_what_is_no_json_it_goes_on_if_told_to(void)
{
    const struct rest_limits stop = {.records = 10},
                             go_on = {.records = 10, .go_on = true};
    const struct span text =
        span_str("{\"value\":{\"data\":1}}{\"a\" 1}{\"value\":{}}");
    struct arena a = {0};
    struct rest_body body;
    struct err e = {0};
    int code = 0;

    CHECK_INT(rest_read_v3(&body, text, &stop, &a, &code, &e), ERR_OK);
    CHECK_INT(body.n, 2);
    CHECK_INT(rest_read_v3(&body, text, &go_on, &a, &code, &e), ERR_OK);
    CHECK_INT(body.n, 3);
    CHECK_INT(body.records[1].code, REST_BAD_REQUEST);
    arena_free(&a);
}

int main(void)
{
    RUN(v2_says_with_a_code_what_it_does_not_take);
    RUN(v2_gives_each_record_its_partition_and_the_requests_schemas);
    RUN(v3_says_with_a_code_what_it_does_not_take);
    RUN(v3_reads_headers_and_time);
    RUN(a_stream_is_cut_at_its_braces_and_ends_where_it_breaks);
    RUN(a_stream_has_as_many_records_as_a_request_may);
    RUN(a_batch_has_ids_that_differ);
    RUN(content_types_say_format_and_version);
    RUN(codes_name_their_status);
    RUN(a_stream_is_cut_the_same_however_it_comes);
    RUN(behind_what_is_no_json_it_goes_on_if_told_to);
    return REPORT();
}
