#include "gateway/ask.h"
#include "tests/check.h"

#define TYPES                                                              \
    "application/json, application/x-ndjson, text/csv, application/avro, " \
    "application/vnd.avrogate.framed or application/cloudevents+json"

static const struct ask_defaults defaults = {.on_error = ON_ERROR_REJECT};

static enum err_kind ask(struct ask *a, const char *topic, const char *name,
                         const char *value, const char *type, struct err *e)
{
    struct http_field params[1] = {{{NULL, 0}, {NULL, 0}}};
    bool unsupported;

    if (name != NULL)
        params[0] = (struct http_field){span_str(name), span_str(value)};
    return ask_read(a, &defaults, span_str(topic), params, name != NULL, span_str(type),
                    (struct span){0}, &unsupported, e);
}

static void a_plain_post_asks_for_the_defaults(void)
{
    struct ask a;
    struct err e = {0};

    CHECK_INT(ask(&a, "orders", NULL, NULL, "Application/JSON; charset=utf-8", &e),
              ERR_OK);
    CHECK_SPAN(a.topic, "orders");
    CHECK_INT(a.body, BODY_JSON);
    CHECK_INT(a.on_error, ON_ERROR_REJECT);
    CHECK_INT(a.version, 0);
    CHECK_INT(a.partition, -1);
    CHECK_INT(a.delimiter, ',');
    CHECK(!a.dry_run);
}

static void each_parameter_is_understood(void)
{
    struct ask a;
    struct err e = {0};

    CHECK_INT(ask(&a, "t", "on_error", "DLQ", "text/csv", &e), ERR_OK);
    CHECK_INT(a.on_error, ON_ERROR_DLQ);
    CHECK_INT(a.body, BODY_CSV);
    CHECK_INT(ask(&a, "t", "dry_run", "true", "application/x-ndjson", &e), ERR_OK);
    CHECK(a.dry_run);
    CHECK_INT(a.body, BODY_NDJSON);
    CHECK_INT(ask(&a, "t", "schema_id", "2147483647", "text/csv", &e), ERR_OK);
    CHECK_INT(a.schema_id, INT32_MAX);
    CHECK_INT(ask(&a, "t", "version", "latest", "text/csv", &e), ERR_OK);
    CHECK_INT(ask(&a, "t", "version", "3", "text/csv", &e), ERR_OK);
    CHECK_INT(a.version, 3);
    CHECK_INT(ask(&a, "t", "delimiter", "tab", "text/csv", &e), ERR_OK);
    CHECK_INT(a.delimiter, '\t');
    CHECK_INT(ask(&a, "t", "partition", "0", "text/csv", &e), ERR_OK);
    CHECK_INT(a.partition, 0);
    CHECK_INT(ask(&a, "t", "unknown_fields", "ignore", "text/csv", &e), ERR_OK);
    CHECK_INT(a.unknown_fields, AV_UNKNOWN_IGNORE);
    CHECK_STR(e.msg, "");
}

static void a_strategy_by_record_wants_the_record(void)
{
    struct http_field params[] = {
        {span_str("subject_name_strategy"), span_str("topic_record")},
        {span_str("record_name"), span_str("lab.Reading")}};
    struct ask a;
    struct err e = {0};
    bool unsupported;

    CHECK_INT(ask_read(&a, &defaults, span_str("t"), params, 2, span_str("text/csv"),
                       (struct span){0}, &unsupported, &e),
              ERR_OK);
    CHECK_INT(a.strategy, SUBJECT_TOPIC_RECORD);
    CHECK_INT(ask_read(&a, &defaults, span_str("t"), params, 1, span_str("text/csv"),
                       (struct span){0}, &unsupported, &e),
              ERR_INVALID);
    CHECK_STR(e.msg,
              "parameter record_name is not given, wanted the full name of the "
              "record: strategy TopicRecordNameStrategy finds the subject by it");
}

static void a_content_type_may_say_more_but_not_other_things(void)
{
    static const struct {
        const char *type, *msg;
    } t[] = {
        {"application/json", ""},
        {"application/json;charset=\"UTF-8\"", ""},
        {"text/csv ; header=present; x", ""},
        {"application/json; ;", ""},
        {"text/csv; charset=ISO-8859-1",
         "content type with charset \"ISO-8859-1\", wanted utf-8"},
        {"text/csv;x=1; charset=utf-16 ; y",
         "content type with charset \"utf-16\", wanted utf-8"},
        {"text/csv; header=absent",
         "content type with header=absent, wanted CSV with a header line: it names the "
         "fields"},
        {"application/jsonx", "content type \"application/jsonx\", wanted " TYPES},
        {"", "no content type, wanted " TYPES},
    };

    for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
        struct ask a;
        struct err e = {0};

        CHECK_INT(ask(&a, "t", NULL, NULL, t[i].type, &e),
                  t[i].msg[0] == '\0' ? ERR_OK : ERR_INVALID);
        CHECK_STR(e.msg, t[i].msg);
    }
}

static void refuses_what_it_does_not_know(void)
{
    static const struct {
        const char *topic, *name, *value, *type, *msg;
    } t[] = {
        {"t", "on_eror", "dlq", "text/csv",
         "parameter \"on_eror\" is not known here; known are on_error, dry_run, "
         "schema_id, "
         "version, subject, subject_name_strategy, record_name, key_field, partition, "
         "unknown_fields, bytes_as, delimiter, timestamp, timestamp_field"},
        {"t", "on_error", "drop", "text/csv",
         "parameter on_error: \"drop\", wanted one of reject|partial|dlq"},
        {"t", "schema_id", "0", "text/csv",
         "parameter schema_id: \"0\", wanted a number from 1 to 2147483647"},
        {"t", "schema_id", "2147483648", "text/csv",
         "parameter schema_id: \"2147483648\", wanted a number from 1 to 2147483647"},
        {"t", "version", "-1", "text/csv",
         "parameter version: \"-1\", wanted a number from 1 to 2147483647"},
        {"t", "key_field", "", "text/csv",
         "parameter key_field: \"\", wanted the name of a field"},
        {"t", "delimiter", "\"", "text/csv",
         "parameter delimiter: \"\"\", wanted one ASCII character or \"tab\""},
        {"t", NULL, NULL, "text/plain", "content type \"text/plain\", wanted " TYPES},
        {"a b", NULL, NULL, "text/csv",
         "topic \"a b\" is no legal name, wanted 1 to 249 of A-Z a-z 0-9 . _ -"},
        {"..", NULL, NULL, "text/csv",
         "topic \"..\" is no legal name, wanted 1 to 249 of A-Z a-z 0-9 . _ -"},
    };

    for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
        struct ask a = {.version = -7};
        struct err e = {0};

        CHECK_INT(ask(&a, t[i].topic, t[i].name, t[i].value, t[i].type, &e),
                  ERR_INVALID);
        CHECK_SPAN(span_of(e.msg, strlen(e.msg)), t[i].msg);
        CHECK_INT(a.version, -7);
    }
}

static void two_ways_to_say_one_thing_are_one_too_many(void)
{
    struct http_field params[] = {{span_str("schema_id"), span_str("1")},
                                  {span_str("version"), span_str("1")},
                                  {span_str("key_field"), span_str("id")},
                                  {span_str("key_field"), span_str("x")}};
    struct ask a;
    struct err e = {0};
    bool unsupported;

    CHECK_INT(ask_read(&a, &defaults, span_str("t"), params, 2, span_str("text/csv"),
                       (struct span){0}, &unsupported, &e),
              ERR_INVALID);
    CHECK_STR(e.msg, "schema_id and version are both given, wanted one");
    CHECK_INT(ask_read(&a, &defaults, span_str("t"), params + 2, 1,
                       span_str("text/csv"), span_str("k"), &unsupported, &e),
              ERR_INVALID);
    CHECK_STR(e.msg, "key_field and the header Kafka-Key are both given, wanted one");
    CHECK_INT(ask_read(&a, &defaults, span_str("t"), params + 2, 2,
                       span_str("text/csv"), (struct span){0}, &unsupported, &e),
              ERR_INVALID);
    CHECK_STR(e.msg, "parameter \"key_field\" is given twice, wanted once");
}

int main(void)
{
    RUN(a_plain_post_asks_for_the_defaults);
    RUN(each_parameter_is_understood);
    RUN(a_strategy_by_record_wants_the_record);
    RUN(a_content_type_may_say_more_but_not_other_things);
    RUN(refuses_what_it_does_not_know);
    RUN(two_ways_to_say_one_thing_are_one_too_many);
    return REPORT();
}
