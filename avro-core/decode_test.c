#include "avro-core/to_json.h"
#include "tests/check.h"

#include <stdlib.h>

/* Decodes `bytes` of `schema`; *text gets the JSON, or the message. */
static enum err_kind decode_limited(const char *schema, struct span bytes,
                                    const struct av_decode_limits *lim,
                                    struct buf *text)
{
    struct av_schema *s;
    struct av_plan *plan;
    struct av_to_json w;
    struct err e = {0};
    enum err_kind k = av_schema_parse(&s, span_str(schema), NULL, 0, NULL, &e);

    buf_reset(text);
    if (k == ERR_OK) {
        k = av_plan_new(&plan, s, s, &e);
        av_to_json_init(&w, text, false);
        if (k == ERR_OK)
            k = av_decode_all(plan, bytes, lim, &w.visitor, &e);
        if (k == ERR_OK || k == ERR_INVALID || k == ERR_LIMIT)
            av_plan_free(plan);
        av_schema_release(s);
    }
    if (k != ERR_OK) {
        buf_reset(text);
        buf_put_str(text, e.msg);
    }
    return k;
}

struct row {
    const char *schema, *bytes;
    size_t n;
    const char *text;
};

#define BYTES(b) b, sizeof(b) - 1

static void check_rows(const struct row *rows, size_t n, enum err_kind wanted)
{
    struct buf text = BUF_INIT(1 << 20);

    for (size_t i = 0; i < n; i++) {
        // A copy of its own, so that the sanitizer sees a step behind its end.
        uint8_t *copy = malloc(rows[i].n);
        if (rows[i].n > 0)
            memcpy(copy, rows[i].bytes, rows[i].n);
        CHECK_INT(decode_limited(rows[i].schema, span_of(copy, rows[i].n), NULL, &text),
                  wanted);
        CHECK_SPAN(buf_span(&text), rows[i].text);
        free(copy);
    }
    buf_free(&text);
}

#define ROWS(rows, wanted) check_rows(rows, sizeof rows / sizeof *rows, wanted)

#define ENUM "{\"type\":\"enum\",\"name\":\"E\",\"symbols\":[\"A\",\"B\"]}"
#define FIXED "{\"type\":\"fixed\",\"name\":\"F\",\"size\":3}"
#define INTS "{\"type\":\"array\",\"items\":\"int\"}"
#define NULLS "{\"type\":\"array\",\"items\":\"null\"}"
#define MAP "{\"type\":\"map\",\"values\":\"long\"}"
#define ORDER                                                                          \
    "{\"type\":\"record\",\"name\":\"Order\",\"fields\":[{\"name\":\"id\",\"type\":"   \
    "\"long\"},{\"name\":\"tags\",\"type\":{\"type\":\"array\",\"items\":\"string\"}}" \
    "]}"
#define LIST                                                                       \
    "{\"type\":\"record\",\"name\":\"L\",\"fields\":[{\"name\":\"next\",\"type\":" \
    "[\"null\",\"L\"]}]}"

static void every_type_is_read(void)
{
    static const struct row rows[] = {
        {"\"null\"", BYTES(""), "null"},
        {"\"boolean\"", BYTES("\0"), "false"},
        {"\"boolean\"", BYTES("\1"), "true"},
        {"\"int\"", BYTES("\0"), "0"},
        {"\"int\"", BYTES("\1"), "-1"},
        {"\"int\"", BYTES("\2"), "1"},
        {"\"int\"", BYTES("\x7f"), "-64"},
        {"\"int\"", BYTES("\x80\1"), "64"},
        {"\"int\"", BYTES("\xff\xff\xff\xff\x0f"), "-2147483648"},
        {"\"int\"", BYTES("\xfe\xff\xff\xff\x0f"), "2147483647"},
        {"\"int\"", BYTES("\x80\0"), "0"}, // longer than it need be: Java reads it too
        {"\"long\"", BYTES("\xff\xff\xff\xff\xff\xff\xff\xff\xff\1"),
         "-9223372036854775808"},
        {"\"long\"", BYTES("\xfe\xff\xff\xff\xff\xff\xff\xff\xff\1"),
         "9223372036854775807"},
        {"\"float\"", BYTES("\0\0\xc0\x3f"), "1.5"},
        {"\"double\"", BYTES("\0\0\0\0\0\0\xf8\x3f"), "1.5"},
        {"\"bytes\"", BYTES("\6foo"), "\"Zm9v\""},
        {"\"string\"", BYTES("\6foo"), "\"foo\""},
        {"\"string\"", BYTES("\0"), "\"\""},
        {"\"string\"", BYTES("\x6\xe2\x82\xac"), "\"\xe2\x82\xac\""},
        {FIXED, BYTES("foo"), "\"Zm9v\""},
        {ENUM, BYTES("\2"), "\"B\""},
        {INTS, BYTES("\0"), "[]"},
        {INTS, BYTES("\4\2\4\0"), "[1,2]"},
        {INTS, BYTES("\2\2\2\4\0"), "[1,2]"},         // two blocks
        {INTS, BYTES("\3\4\2\4\1\2\6\0"), "[1,2,3]"}, // blocks that say their size
        {MAP, BYTES("\2\2k\2\0"), "{\"k\":1}"},
        {MAP, BYTES("\1\6\2k\2\0"), "{\"k\":1}"},
        {"[\"null\",\"long\"]", BYTES("\0"), "null"},
        {"[\"null\",\"long\"]", BYTES("\2\4"), "2"},
        {ORDER, BYTES("\xe\2\2x\0"), "{\"id\":7,\"tags\":[\"x\"]}"},
        {LIST, BYTES("\2\2\0"), "{\"next\":{\"next\":{\"next\":null}}}"},
        {"{\"type\":\"fixed\",\"name\":\"F\",\"size\":0}", BYTES(""), "\"\""},
        {NULLS, BYTES("\6\0"), "[null,null,null]"},
    };

    ROWS(rows, ERR_OK);
}

static void bytes_that_are_no_datum_are_refused_with_their_place(void)
{
    static const struct row rows[] = {
        {"\"boolean\"", BYTES(""), "byte 0: boolean takes 1 bytes, 0 are left"},
        {"\"boolean\"", BYTES("\2"), "byte 0: boolean of 0x02, neither 0 nor 1"},
        {"\"int\"", BYTES(""), "byte 0: a number ends after 0 bytes, in its middle"},
        {"\"int\"", BYTES("\x80"),
         "byte 0: a number ends after 1 bytes, in its middle"},
        {"\"int\"", BYTES("\x80\x80\x80\x80\x10"),
         "byte 0: int of 2147483648, out of range"},
        {"\"int\"", BYTES("\x81\x80\x80\x80\x10"),
         "byte 0: int of -2147483649, out of range"},
        {"\"int\"", BYTES("\x80\x80\x80\x80\x80\0"),
         "byte 0: int of 6 bytes, 5 are the most"},
        {"\"long\"", BYTES("\xff\xff\xff\xff\xff\xff\xff\xff\xff\2"),
         "byte 0: a number of more than 64 bits"},
        {"\"long\"", BYTES("\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\1"),
         "byte 0: a number of more than 64 bits"},
        {"\"float\"", BYTES("\0\0\0"), "byte 0: float takes 4 bytes, 3 are left"},
        {"\"double\"", BYTES("\0\0\0"), "byte 0: double takes 8 bytes, 3 are left"},
        {"\"bytes\"", BYTES("\1"), "byte 0: bytes of -1 bytes"},
        {"\"bytes\"", BYTES("\10oo"), "byte 0: bytes of 4 bytes, 2 are left"},
        {"\"string\"", BYTES("\xfe\xff\xff\xff\xff\xff\xff\xff\xff\1"),
         "byte 0: string of 9223372036854775807 bytes, 0 are left"},
        {"\"string\"", BYTES("\4a\xff"), "byte 2: string is not UTF-8: 0xff"},
        {FIXED, BYTES("fo"), "byte 0: fixed takes 3 bytes, 2 are left"},
        {ENUM, BYTES("\4"), "byte 0: symbol 2, there are 2"},
        {ENUM, BYTES("\1"), "byte 0: symbol -1, there are 2"},
        {ENUM, BYTES("\x82\x80\x80\x80\x80\0"),
         "byte 0: symbol in 6 bytes, 5 are the most"},
        {"[\"null\",\"long\"]", BYTES("\4"), "byte 0: branch 2, there are 2"},
        {"[\"null\",\"long\"]", BYTES("\1"), "byte 0: branch -1, there are 2"},
        {"[\"null\",\"long\"]", BYTES("\x80\x80\x80\x80\x80\0"),
         "byte 0: branch in 6 bytes, 5 are the most"},
        {INTS, BYTES("\x6\2"),
         "byte 0: block of 3 items of 1 bytes or more, 1 are left"},
        {INTS, BYTES("\4\2"),
         "byte 0: block of 2 items of 1 bytes or more, 1 are left"},
        {INTS, BYTES("\4\2\x80"),
         "byte 2 (/1): a number ends after 1 bytes, in its middle"},
        {INTS, BYTES("\3\2\2\4\0"),
         "byte 4 (/1): block ends at byte 4, and said at byte 3"},
        {INTS, BYTES("\1\6\2\0"), "byte 0: block of 3 bytes, 2 are left"},
        {INTS, BYTES("\1\1\2\0"), "byte 0: block of -1 bytes, 2 are left"},
        {INTS, BYTES("\xff\xff\xff\xff\xff\xff\xff\xff\xff\1\2\0"),
         "byte 0: block of 9223372036854775808 items of 1 bytes or more, 1 are left"},
        {MAP, BYTES("\4\2k"),
         "byte 0: block of 2 items of 2 bytes or more, 2 are left"},
        {MAP, BYTES("\2\2\xff\2\0"), "byte 2: key is not UTF-8: 0xff"},
        {MAP, BYTES("\2\2k\x80"),
         "byte 3 (/k): a number ends after 1 bytes, in its middle"},
        {ORDER, BYTES("\xe\2\4x"), "byte 2 (/tags/0): string of 2 bytes, 1 are left"},
        {"\"null\"", BYTES("\0"), "byte 0: the datum ends here, 1 bytes follow"},
        {"\"long\"", BYTES("\2\2\2"), "byte 1: the datum ends here, 2 bytes follow"},
    };

    ROWS(rows, ERR_INVALID);
}

static void items_of_no_size_are_counted(void)
{
    struct buf text = BUF_INIT(32 << 20);
    const struct av_decode_limits five = {.empty_items = 5};
    const struct av_decode_limits four = {.items = 4};

    CHECK_INT(decode_limited(NULLS, span_of("\x80\x89\x7a\0", 4), NULL, &text), ERR_OK);
    CHECK_INT(decode_limited(NULLS, span_of("\x82\x89\x7a\0", 4), NULL, &text),
              ERR_LIMIT);
    CHECK_SPAN(buf_span(&text),
               "byte 0: block of 1000001 items of no size, 1000000 more "
               "are allowed");
    CHECK_INT(decode_limited(NULLS, span_of("\x0a\0", 2), &five, &text), ERR_OK);
    CHECK_INT(decode_limited(NULLS, span_of("\x04\x08\0", 3), &five, &text), ERR_LIMIT);
    CHECK_INT(decode_limited(INTS, span_of("\x08\1\1\1\1\0", 6), &four, &text), ERR_OK);
    CHECK_INT(decode_limited(INTS, span_of("\x08\1\1\1\1\2\1\0", 8), &four, &text),
              ERR_LIMIT);
    CHECK_SPAN(buf_span(&text), "byte 5 (/3): block of 1 items, 0 more are allowed");
    buf_free(&text);
}

static void nesting_ends_somewhere(void)
{
    struct buf text = BUF_INIT(1 << 16);
    uint8_t deep[1000];
    const struct av_decode_limits two = {.depth = 2};

    memset(deep, 2, sizeof deep); // branch 1, again and again
    deep[63] = 0;
    CHECK_INT(decode_limited(LIST, span_of(deep, 64), NULL, &text), ERR_OK);
    deep[63] = 2;
    CHECK_INT(decode_limited(LIST, span_of(deep, sizeof deep), NULL, &text), ERR_LIMIT);
    CHECK(text.n > 60 && memcmp(text.p, "byte 64 (...", 12) == 0);
    CHECK_INT(decode_limited(LIST, span_of("\2\0", 2), &two, &text), ERR_OK);
    CHECK_INT(decode_limited(LIST, span_of("\2\2\0", 3), &two, &text), ERR_LIMIT);
    CHECK_SPAN(buf_span(&text),
               "byte 2 (/next/next): records, arrays and maps nest too deep");

    // A record inside itself without a way out takes no bytes at all.
    CHECK_INT(
        decode_limited("{\"type\":\"record\",\"name\":\"R\",\"fields\":[{\"name\":"
                       "\"r\",\"type\":\"R\"}]}",
                       span_of("", 0), NULL, &text),
        ERR_LIMIT);
    buf_free(&text);
}

static void one_datum_may_follow_another(void)
{
    struct av_schema *s;
    struct av_plan *plan;
    struct av_to_json w;
    struct buf text = BUF_INIT(100);
    struct span in = span_of("\2\x90\3\6", 4);
    struct err e = {0};
    size_t used;

    CHECK_INT(av_schema_parse(&s, span_str("\"int\""), NULL, 0, NULL, &e), ERR_OK);
    CHECK_INT(av_plan_new(&plan, s, s, &e), ERR_OK);
    CHECK(av_plan_writer(plan) == s && av_plan_reader(plan) == s);
    av_schema_release(s); // the plan holds it
    av_to_json_init(&w, &text, false);
    for (; in.n > 0; in = span_skip(in, used)) {
        CHECK_INT(av_decode(plan, in, NULL, &w.visitor, &used, &e), ERR_OK);
        buf_put_u8(&text, ' ');
    }
    CHECK_SPAN(buf_span(&text), "1 200 3 ");
    av_plan_free(plan);
    buf_free(&text);
}

static enum err_kind say_no(struct av_visitor *v, const struct av_node *node, int64_t x,
                            struct err *e)
{
    (void)v, (void)node;
    return err_set(e, x == 1 ? ERR_INVALID : ERR_UNAVAILABLE, "no %d", (int)x);
}

static void a_visitor_that_refuses_ends_the_walk_and_learns_where(void)
{
    static const struct av_visitor_ops ops = {.int64 = say_no};
    struct av_visitor v = {&ops};
    struct av_schema *s;
    struct av_plan *plan;
    struct err e = {0};
    size_t used = 77;

    CHECK_INT(av_schema_parse(&s, span_str(MAP), NULL, 0, NULL, &e), ERR_OK);
    CHECK_INT(av_plan_new(&plan, s, s, &e), ERR_OK);
    CHECK_INT(av_decode(plan, span_of("\2\2k\2\0", 5), NULL, &v, &used, &e),
              ERR_INVALID);
    CHECK_STR(e.msg, "byte 3 (/k): no 1");
    CHECK_INT(av_decode(plan, span_of("\2\2k\4\0", 5), NULL, &v, &used, &e),
              ERR_UNAVAILABLE);
    CHECK_STR(e.msg, "no 2");
    CHECK_INT(used, 77);
    av_plan_free(plan);
    av_schema_release(s);
}

static void a_visitor_that_does_not_care_is_not_called(void)
{
    static const struct av_visitor_ops ops = {0};
    struct av_visitor v = {&ops};
    struct av_schema *s;
    struct av_plan *plan;
    struct err e = {0};

    CHECK_INT(av_schema_parse(&s, span_str(ORDER), NULL, 0, NULL, &e), ERR_OK);
    CHECK_INT(av_plan_new(&plan, s, s, &e), ERR_OK);
    CHECK_INT(av_decode_all(plan, span_of("\xe\2\2x\0", 5), NULL, &v, &e), ERR_OK);
    CHECK_INT(av_decode_all(plan, span_of("\xe\2\2\xff\0", 5), NULL, &v, &e),
              ERR_INVALID);
    CHECK_INT(av_decode_all(plan, span_of(NULL, 0), NULL, &v, &e), ERR_INVALID);
    av_plan_free(plan);
    av_schema_release(s);
}

int main(void)
{
    RUN(every_type_is_read);
    RUN(bytes_that_are_no_datum_are_refused_with_their_place);
    RUN(items_of_no_size_are_counted);
    RUN(nesting_ends_somewhere);
    RUN(one_datum_may_follow_another);
    RUN(a_visitor_that_refuses_ends_the_walk_and_learns_where);
    RUN(a_visitor_that_does_not_care_is_not_called);
    return REPORT();
}
