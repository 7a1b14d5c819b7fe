#include "gateway/event.h"

#include "tests/check.h"

#include <string.h>

static enum err_kind read(struct event *ev, const char *text, struct arena *a,
                          struct err *e)
{
    const struct json *j = NULL;

    CHECK_INT(json_read(&j, span_str(text), NULL, a, e), ERR_OK);
    return event_read(ev, j, a, e);
}

static struct span header(const struct event *ev, const char *name)
{
    for (size_t i = 0; i < ev->n_headers; i++)
        if (strcmp(ev->headers[i].name, name) == 0)
            return ev->headers[i].value;
    return span_str("(none)");
}

#define FOUR "\"specversion\":\"1.0\",\"id\":\"7\",\"source\":\"/a\",\"type\":\"t\""

static void attributes_become_headers(void)
{
    struct arena a = {0};
    struct event ev;
    struct err e = {0};

    CHECK_INT(read(&ev,
                   "{" FOUR ",\"subject\":\"s\",\"n\":-3,\"b\":true,\"gone\":null,"
                   "\"time\":\"2026-11-20T09:30:00.123456789+01:00\","
                   "\"datacontenttype\":\"application/json; charset=utf-8\","
                   "\"partitionkey\":\"k\",\"data\":null}",
                   &a, &e),
              ERR_OK);
    CHECK_SPAN(header(&ev, "ce_specversion"), "1.0");
    CHECK_SPAN(header(&ev, "ce_id"), "7");
    CHECK_SPAN(header(&ev, "ce_source"), "/a");
    CHECK_SPAN(header(&ev, "ce_type"), "t");
    CHECK_SPAN(header(&ev, "ce_subject"), "s");
    CHECK_SPAN(header(&ev, "ce_n"), "-3");
    CHECK_SPAN(header(&ev, "ce_b"), "true");
    CHECK_SPAN(header(&ev, "ce_gone"), "(none)");
    CHECK_SPAN(header(&ev, "ce_data"), "(none)");
    CHECK_SPAN(header(&ev, "ce_datacontenttype"), "(none)");
    CHECK_SPAN(header(&ev, "content-type"), "application/avro");
    CHECK_SPAN(ev.key, "k");
    CHECK_INT(ev.time_ms, 1795163400123 - 0);
    CHECK(json_is(ev.data, JSON_NULL));
    arena_free(&a);
}

static void what_is_wrong_is_named(void)
{
    static const struct {
        const char *text, *says;
    } rows[] = {
        {"{\"id\":\"7\",\"source\":\"/a\",\"type\":\"t\",\"data\":1}",
         "attribute specversion is not there"},
        {"{\"specversion\":\"1.0\",\"source\":\"/a\",\"type\":\"t\",\"data\":1}",
         "attribute id is not there"},
        {"{\"specversion\":\"1.0\",\"id\":\"7\",\"type\":\"t\",\"data\":1}",
         "attribute source is not there"},
        {"{\"specversion\":\"1.0\",\"id\":\"7\",\"source\":\"/a\",\"data\":1}",
         "attribute type is not there"},
        {"{\"specversion\":\"0.3\",\"data\":1}", "specversion \"0.3\", wanted \"1.0\""},
        {"{\"id\":\"\"}", "attribute id is empty"},
        {"{\"id\":7}", "attribute id: number, wanted text"},
        {"{" FOUR "}", "no data"},
        {"{" FOUR ",\"data\":1,\"data_base64\":\"\"}",
         "data and data_base64 are both there"},
        {"{" FOUR ",\"data_base64\":\"?\"}", "data_base64 is no base64"},
        {"{" FOUR ",\"data_base64\":1}", "data_base64: number, wanted text"},
        {"{" FOUR ",\"Big\":\"x\"}", "attribute \"Big\", wanted a name of a-z and 0-9"},
        {"{" FOUR ",\"x\":{}}",
         "attribute x: object, wanted text, a whole number or a truth value"},
        {"{" FOUR ",\"time\":\"today\"}",
         "time \"today\", wanted one of RFC 3339: 2026-11-20T09:30:00Z"},
        {"[]", "array, wanted an object"},
    };
    struct arena a = {0};

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct event ev;
        struct err e = {0};
        CHECK_INT(read(&ev, rows[i].text, &a, &e), ERR_INVALID);
        CHECK_STR(e.msg, rows[i].says);
    }
    struct event ev;
    struct err e = {0};
    CHECK_INT(read(&ev, "{" FOUR ",\"x\":1.5,\"data\":1}", &a, &e), ERR_INVALID);
    CHECK_INT(
        read(&ev, "{" FOUR ",\"datacontenttype\":\"text/xml\",\"data\":\"\"}", &a, &e),
        ERR_INVALID);
    arena_free(&a);
}

static void bytes_are_decoded(void)
{
    struct arena a = {0};
    struct event ev;
    struct err e = {0};

    CHECK_INT(read(&ev, "{" FOUR ",\"data_base64\":\"eyJpZCI6MX0=\"}", &a, &e), ERR_OK);
    CHECK_SPAN(ev.decoded, "{\"id\":1}");
    CHECK(ev.data == NULL);
    arena_free(&a);
}

#define FIELD(n, v)                  \
    {                                \
        span_str((n)), span_str((v)) \
    }

static void header_fields_are_attributes_too(void)
{
    const struct http_field fields[] = {
        FIELD("Content-Type", "application/json"),
        FIELD("CE-ID", "\"a \\\"b\\\" c\""),
        FIELD("ce-specversion", "1.0"),
        FIELD("ce-source", "/Stra%C3%9fe"),
        FIELD("ce-type", "t"),
        FIELD("ce-PartitionKey", "k"),
    };
    struct arena a = {0};
    struct event ev;
    struct err e = {0};

    CHECK(event_is_binary(fields, 6));
    CHECK(!event_is_binary(fields, 1));
    CHECK_INT(event_read_fields(&ev, fields, 6, &a, &e), ERR_OK);
    CHECK_SPAN(header(&ev, "ce_id"), "a \"b\" c");
    CHECK_SPAN(header(&ev, "ce_source"), "/Stra\xc3\x9f"
                                         "e");
    CHECK_SPAN(ev.key, "k");
    CHECK_INT(event_read_fields(&ev, fields, 4, &a, &e), ERR_INVALID);
    CHECK_STR(e.msg, "attribute type is not there");
    const struct http_field wrong[][1] = {{FIELD("ce-id", "%4")},
                                          {FIELD("ce-id", "%ff")},
                                          {FIELD("ce-", "x")},
                                          {FIELD("ce-a_b", "x")},
                                          {FIELD("ce-datacontenttype", "text/xml")}};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        CHECK_INT(event_read_fields(&ev, wrong[i], 1, &a, &e), ERR_INVALID);
    arena_free(&a);
}

int main(void)
{
    RUN(attributes_become_headers);
    RUN(what_is_wrong_is_named);
    RUN(bytes_are_decoded);
    RUN(header_fields_are_attributes_too);
    return REPORT();
}
