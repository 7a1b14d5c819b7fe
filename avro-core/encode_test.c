/* The encoder as a whole: texts that hold many values, limits, problems, memory. */
#include "tests/encoding.h"

static void values_behind_one_another_are_read_one_by_one(void)
{
    struct av_encoder *enc = encoder_for(THREE, NULL);
    struct span text =
        span_str(" {\"id\":1,\"name\":\"a\",\"paid\":true}\n{\"id\":\"x\"}\n"
                 "{\"id\":2,\"name\":\"b\",\"paid\":false}{\"id\":3,}");
    struct buf out = BUF_INIT(1000);
    struct av_problems p = {0};
    size_t at = 0;

    CHECK_INT(av_encode_next(enc, text, &at, &out, &p), ERR_OK);
    CHECK_INT(at, 32);
    CHECK_INT(out.n, 4);
    CHECK_INT(av_encode_next(enc, text, &at, &out, &p), ERR_INVALID);
    CHECK_INT(at, 43);
    CHECK_INT(p.n, 3);
    CHECK_INT(p.first->offset, 39);
    CHECK(!av_problems_blame_json(&p));
    CHECK_INT(out.n, 4);
    av_problems_reset(&p);
    CHECK_INT(av_encode_next(enc, text, &at, &out, &p), ERR_OK);
    CHECK_INT(out.n, 8);
    CHECK_INT(av_encode_next(enc, text, &at, &out, &p), ERR_INVALID);
    CHECK(av_problems_blame_json(&p));
    CHECK_STR(p.last->rule, "json");
    CHECK_INT(at, text.n - 1);
    av_problems_free(&p);
    buf_free(&out);
    av_encoder_free(enc);
}

static void a_value_may_not_run_on(void)
{
    struct av_encoder *enc = encoder_for("\"int\"", NULL);
    struct buf out = BUF_INIT(1000);
    struct av_problems p = {0};
    size_t at = 0;

    CHECK_INT(av_encode_next(enc, span_str("1.0.0"), &at, &out, &p), ERR_INVALID);
    CHECK_INT(at, 3);
    at = 0;
    CHECK_INT(av_encode_next(enc, span_str("12abc"), &at, &out, &p), ERR_INVALID);
    at = 0;
    CHECK_INT(av_encode_next(enc, span_str("12 abc"), &at, &out, &p), ERR_OK);
    at = 0;
    CHECK_INT(av_encode_next(enc, span_str("1.5x"), &at, &out, &p), ERR_INVALID);
    CHECK(av_problems_blame_json(&p));
    av_problems_free(&p);
    buf_free(&out);
    av_encoder_free(enc);
}

static void what_is_too_large_or_too_deep_is_stepped_over(void)
{
    static const struct av_encode_options small = {.bytes = 20, .depth = 3};
    static const char list[] =
        "{\"type\":\"record\",\"name\":\"L\",\"fields\":[{\"name\":\"v\","
        "\"type\":\"string\"},{\"name\":\"next\",\"type\":[\"null\",\"L\"],"
        "\"default\":null}]}";
    static const struct encoding cases[] = {
        {list, "{\"v\":\"aaaaaaaaaaaaaaa\"}", "1e61616161616161616161616161616100",
         NULL},
        {NULL, "{\"v\":\"aaaaaaaaaaaaaaaaaaaa\"}", NULL,
         "the value: more, wanted at most 20 bytes of Avro (size)\n"},
        {NULL, "{\"v\":\"\",\"next\":{\"v\":\"\",\"next\":{\"v\":\"\"}}}",
         "000200020000", NULL},
        {NULL,
         "{\"v\":1,\"next\":{\"v\":\"\",\"next\":{\"v\":\"\",\"next\":{\"v\":\"\"}}}}",
         NULL,
         "/v: number 1, wanted string (type)\n"
         "/next/next/next: one more, wanted at most 3 levels (depth)\n"},
    };
    struct buf out = BUF_INIT(1 << 20), json = BUF_INIT(1 << 20);
    struct av_problems p = {0};
    size_t at = 0;

    CHECK_ALL(cases, &small);
    struct av_encoder *enc = encoder_for(list, &small);
    buf_put_str(&json, "{\"v\":\"");
    for (int i = 0; i < 5000; i++)
        buf_put_u8(&json, 'a');
    buf_put_str(&json, "\"} {\"v\":\"\"}");
    CHECK_INT(av_encode_next(enc, buf_span(&json), &at, &out, &p), ERR_INVALID);
    CHECK_STR(p.last->rule, "size");
    CHECK(!av_problems_blame_json(&p));
    CHECK_INT(av_encode_next(enc, buf_span(&json), &at, &out, &p), ERR_OK);
    av_encoder_free(enc);
    av_problems_free(&p);
    buf_free(&json);
    buf_free(&out);
}

static void an_output_that_is_full_is_no_harm(void)
{
    struct buf out = BUF_INIT(8);
    struct av_problems p = {0};

    CHECK_INT(encode_into("\"string\"", "\"0123456789\"", NULL, &out, &p), ERR_INVALID);
    CHECK_STR(p.first->rule, "size");
    CHECK(!out.over);
    CHECK_INT(out.n, 0);
    av_problems_free(&p);
    buf_free(&out);
}

static void problems_past_the_limit_are_counted(void)
{
    struct buf out = BUF_INIT(1 << 20);
    struct av_problems p = {.most = 2};

    CHECK_INT(encode_into("{\"type\":\"array\",\"items\":\"int\"}",
                          "[null,null,null,null,]", NULL, &out, &p),
              ERR_INVALID);
    CHECK_INT(p.n, 3); // and that it is no JSON
    CHECK_INT(p.more, 2);
    CHECK(av_problems_blame_json(&p));
    av_problems_free(&p);
    buf_free(&out);
}

static void a_problem_is_written_as_json(void)
{
    struct buf out = BUF_INIT(1000), json = BUF_INIT(1000);
    struct av_problems p = {0};

    CHECK_INT(encode_into(RECORD("R", FIELD("a", "\"double\"")),
                          "{\"a\":\"abc\",\"b\\n\":1}", NULL, &out, &p),
              ERR_INVALID);
    av_problems_put(&json, &p);
    CHECK_SPAN(
        buf_span(&json),
        "[{\"pointer\":\"/a\",\"offset\":5,\"expected\":\"double\",\"found\":\"string "
        "\\\"abc\\\"\",\"rule\":\"type\",\"message\":\"/a: string \\\"abc\\\", wanted "
        "double (type)\"},{\"pointer\":\"/b\\n\",\"offset\":11,\"expected\":\"a field "
        "of "
        "R\",\"found\":\"string "
        "\\\"b\\\\n\\\"\",\"rule\":\"unknown-field\",\"message\":"
        "\"/b\\n: string \\\"b\\\\n\\\", wanted a field of R (unknown-field)\"}]");
    av_problems_free(&p);
    buf_free(&json);
    buf_free(&out);
}

/* The same text twice into the same buf: the second time nothing need grow. */
static void a_second_record_costs_no_memory(void)
{
    struct av_encoder *enc = encoder_for(THREE, NULL);
    struct span text = span_str("{\"paid\":true,\"name\":\"a\\u0020b\",\"id\":1}");
    struct buf out = BUF_INIT(1 << 20);
    struct av_problems p = {0};

    CHECK_INT(av_encode(enc, text, &out, &p), ERR_OK);
    size_t cap = out.cap;
    const uint8_t *at = out.p;
    for (int i = 0; i < 100; i++) {
        buf_reset(&out);
        CHECK_INT(av_encode(enc, text, &out, &p), ERR_OK);
    }
    CHECK(out.cap == cap && out.p == at);
    CHECK(p.arena.blocks == NULL);
    buf_free(&out);
    av_encoder_free(enc);
}

int main(void)
{
    RUN(values_behind_one_another_are_read_one_by_one);
    RUN(a_value_may_not_run_on);
    RUN(what_is_too_large_or_too_deep_is_stepped_over);
    RUN(an_output_that_is_full_is_no_harm);
    RUN(problems_past_the_limit_are_counted);
    RUN(a_problem_is_written_as_json);
    RUN(a_second_record_costs_no_memory);
    return REPORT();
}
