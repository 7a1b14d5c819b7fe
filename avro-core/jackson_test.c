#include "avro-core/jackson.h"

#include "tests/check.h"

#include <math.h>

static void doubles_are_written_as_Java_writes_them(void)
{
    static const struct {
        double v;
        const char *text;
    } t[] = {
        {0, "0.0"},
        {-0.0, "-0.0"},
        {1, "1.0"},
        {-1.5, "-1.5"},
        {100, "100.0"},
        {1234.5, "1234.5"},
        {0.1, "0.1"},
        {0.001, "0.001"},
        {0.00099, "9.9E-4"},
        {9999999, "9999999.0"},
        {10000000, "1.0E7"},
        {12345678.9, "1.23456789E7"},
        {1e23, "1.0E23"},
        {3.141592653589793, "3.141592653589793"},
        {4.9e-324, "4.9E-324"},
        {1.7976931348623157e308, "1.7976931348623157E308"},
        {INFINITY, "\"Infinity\""},
        {-INFINITY, "\"-Infinity\""},
        {NAN, "\"NaN\""},
    };

    for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
        struct buf b = BUF_INIT(100);

        jackson_put_double(&b, t[i].v);
        CHECK_SPAN(buf_span(&b), t[i].text);
        buf_free(&b);
    }
}

static void floats_have_no_more_digits_than_they_need(void)
{
    static const struct {
        float v;
        const char *text;
    } t[] = {
        {0.1f, "0.1"},
        {16777217.0f, "1.6777216E7"},
        {3.4028235e38f, "3.4028235E38"},
        {1.4e-45f, "1.4E-45"},
        {-2.5f, "-2.5"},
        {0.0f, "0.0"},
    };

    for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
        struct buf b = BUF_INIT(100);

        jackson_put_float(&b, t[i].v);
        CHECK_SPAN(buf_span(&b), t[i].text);
        buf_free(&b);
    }
}

static void values_are_written_again_and_sorted_when_asked(void)
{
    static const struct {
        const char *text, *as_is, *sorted;
    } t[] = {
        {"[1, -0, 1e3, 2.50, 123456789012345678901234567890]",
         "[1,0,1000.0,2.5,123456789012345678901234567890]",
         "[1,0,1000.0,2.5,123456789012345678901234567890]"},
        {"{\"b\": {\"z\": null, \"a\": true}, \"a\": [false, {\"d\": 1, \"c\": 2}]}",
         "{\"b\":{\"z\":null,\"a\":true},\"a\":[false,{\"d\":1,\"c\":2}]}",
         "{\"a\":[false,{\"c\":2,\"d\":1}],\"b\":{\"a\":true,\"z\":null}}"},
        {"{}", "{}", "{}"},
        {"[]", "[]", "[]"},
        {"1e400", "\"Infinity\"", "\"Infinity\""},
        {"\"\\u0001\\u001f\\b\\t\\n\\f\\r\\\"\\\\\\/\\u007f\\u2028\xc3\xa9\"",
         "\"\\u0001\\u001F\\b\\t\\n\\f\\r\\\"\\\\/\x7f\xe2\x80\xa8\xc3\xa9\"",
         "\"\\u0001\\u001F\\b\\t\\n\\f\\r\\\"\\\\/\x7f\xe2\x80\xa8\xc3\xa9\""},
    };

    for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
        struct arena a = {0};
        struct buf b = BUF_INIT(1000);
        const struct json *j = NULL;
        struct err e = {0};

        CHECK_INT(json_read(&j, span_str(t[i].text), NULL, &a, &e), ERR_OK);
        jackson_put(&b, j, false);
        CHECK_SPAN(buf_span(&b), t[i].as_is);
        buf_reset(&b);
        jackson_put(&b, j, true);
        CHECK_SPAN(buf_span(&b), t[i].sorted);
        buf_free(&b);
        arena_free(&a);
    }
}

static void order_is_that_of_UTF_16(void)
{
    CHECK(jackson_order(span_str("a"), span_str("b")) < 0);
    CHECK(jackson_order(span_str("a"), span_str("ab")) < 0);
    CHECK(jackson_order(span_str("ab"), span_str("a")) > 0);
    CHECK(jackson_order(span_str("a"), span_str("a")) == 0);
    CHECK(jackson_order(span_str("z"), span_str("\xc3\xa9")) < 0);
    /* U+1F600 is D83D DE00, before U+E000 and U+FF5E */
    CHECK(jackson_order(span_str("\xf0\x9f\x98\x80"), span_str("\xee\x80\x80")) < 0);
    CHECK(jackson_order(span_str("\xef\xbd\x9e"), span_str("\xf0\x9f\x98\x80")) > 0);
    CHECK(jackson_order(span_str("\xf0\x9f\x98\x80"), span_str("\xe2\x82\xac")) > 0);
    CHECK(jackson_order(span_str("\xf0\x9f\x98\x80"), span_str("\xf1\x80\x80\x80")) <
          0);
    CHECK(jackson_order(span_str("\xee\x80\x80"), span_str("\xef\x80\x80")) < 0);
}

int main(void)
{
    RUN(doubles_are_written_as_Java_writes_them);
    RUN(floats_have_no_more_digits_than_they_need);
    RUN(values_are_written_again_and_sorted_when_asked);
    RUN(order_is_that_of_UTF_16);
    return REPORT();
}
