#include "gateway/key.h"

#include "tests/datum_house.h"

static const char schema_text[] =
    "{\"type\":\"record\",\"name\":\"R\",\"fields\":["
    "{\"name\":\"s\",\"type\":\"string\",\"default\":\"\"},"
    "{\"name\":\"n\",\"type\":\"long\",\"default\":0},"
    "{\"name\":\"b\",\"type\":\"boolean\",\"default\":false},"
    "{\"name\":\"raw\",\"type\":\"bytes\",\"default\":\"\"},"
    "{\"name\":\"e\",\"type\":{\"type\":\"enum\",\"name\":\"E\",\"symbols\":[\"A\","
    "\"B\"]},\"default\":\"A\"},"
    "{\"name\":\"d\",\"type\":\"double\",\"default\":0},"
    "{\"name\":\"u\",\"type\":[\"null\",\"string\",{\"type\":\"array\",\"items\":"
    "\"string\"}],\"default\":null},"
    "{\"name\":\"in\",\"type\":{\"type\":\"record\",\"name\":\"In\",\"fields\":["
    "{\"name\":\"s\",\"type\":\"string\",\"default\":\"inner\"}]},\"default\":{}}]}";

/* The key of `json` by `field`, as "text", "none" or "! message". */
static void key_is(const char *json, const char *field, const char *want)
{
    struct buf key = BUF_INIT(100), got = BUF_INIT(200);
    struct datum_house h;
    struct err e = {0};
    bool has = false;

    open_datum(&h, schema_text, json);
    if (key_of(&key, h.plan, span_str(field), buf_span(&h.datum), &has, &e) != ERR_OK)
        buf_printf(&got, "! %s", e.msg);
    else if (has)
        buf_put(&got, buf_span(&key));
    else
        buf_put_str(&got, "none");
    CHECK_SPAN(buf_span(&got), want);
    close_datum(&h);
    buf_free(&key);
    buf_free(&got);
}

static void each_type_that_can_be_a_key_is_its_text(void)
{
    key_is("{\"s\":\"\\u00e4\"}", "s", "\xc3\xa4");
    key_is("{\"n\":-9223372036854775808}", "n", "-9223372036854775808");
    key_is("{\"b\":true}", "b", "true");
    key_is("{}", "b", "false");
    key_is("{\"raw\":\"YWI=\"}", "raw", "ab");
    key_is("{\"e\":\"B\"}", "e", "B");
    key_is("{\"u\":\"x\"}", "u", "x");
}

static void null_is_no_key_and_an_empty_text_is_one(void)
{
    key_is("{}", "u", "none");
    key_is("{}", "s", "");
}

static void what_has_no_one_text_is_refused(void)
{
    key_is("{\"d\":1}", "d", "! a value of type double");
    key_is("{\"u\":[\"x\"]}", "u", "! a value of type array");
    key_is("{}", "in", "! a value of type record");
    key_is("{}", "x", "! the schema has no field \"x\"");
}

static void a_field_of_the_same_name_further_in_is_another_one(void)
{
    key_is("{\"s\":\"outer\",\"in\":{\"s\":\"inner\"}}", "s", "outer");
}

int main(void)
{
    RUN(each_type_that_can_be_a_key_is_its_text);
    RUN(null_is_no_key_and_an_empty_text_is_one);
    RUN(what_has_no_one_text_is_refused);
    RUN(a_field_of_the_same_name_further_in_is_another_one);
    return REPORT();
}
