#include "avro-core/to_json.h"

#include "avro-core/encode.h"
#include "tests/check.h"

struct row {
    const char *schema, *bytes;
    size_t n;
    const char *plain, *avro; // avro NULL: the same
};

#define BYTES(b) b, sizeof(b) - 1

static struct av_schema *parse(const char *text)
{
    struct av_schema *s = NULL;
    struct err e = {0};

    if (av_schema_parse(&s, span_str(text), NULL, 0, NULL, &e) != ERR_OK)
        printf("    %.200s: %s\n", text, e.msg);
    return s;
}

static enum err_kind show(struct av_schema *s, struct span bytes, bool avro_json,
                          struct buf *out, struct err *e)
{
    struct av_plan *plan;
    struct av_to_json w;

    CHECK_INT(av_plan_new(&plan, s, s, e), ERR_OK);
    av_to_json_init(&w, out, avro_json);
    enum err_kind k = av_decode_all(plan, bytes, NULL, &w.visitor, e);
    av_plan_free(plan);
    return k;
}

/* The text encodes to the bytes it was made of. */
static void check_back(struct av_schema *s, struct span text, bool strict,
                       struct span want)
{
    struct av_encode_options o = {.strict_avro_json = strict};
    struct av_encoder *enc;
    struct av_problems p = {0};
    struct buf back = BUF_INIT(1 << 16);
    struct err e = {0};

    CHECK_INT(av_encoder_new(&enc, s, &o, &e), ERR_OK);
    CHECK_INT(av_encode(enc, text, &back, &p), ERR_OK);
    CHECK(span_eq(buf_span(&back), want));
    if (p.first != NULL)
        printf("    " SPAN_FMT " -> " SPAN_FMT "\n", SPAN_ARG(text),
               SPAN_ARG(p.first->message));
    av_problems_free(&p);
    av_encoder_free(enc);
    buf_free(&back);
}

static void check_row(const struct row *row, bool avro_json)
{
    struct av_schema *s = parse(row->schema);
    struct buf out = BUF_INIT(1 << 16);
    struct err e = {0};
    struct span bytes = span_of(row->bytes, row->n);
    const char *want = avro_json && row->avro != NULL ? row->avro : row->plain;

    CHECK_INT(show(s, bytes, avro_json, &out, &e), ERR_OK);
    CHECK_SPAN(buf_span(&out), want);
    check_back(s, buf_span(&out), avro_json, bytes);
    av_schema_release(s);
    buf_free(&out);
}

static void check_rows(const struct row *rows, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        check_row(&rows[i], false);
        check_row(&rows[i], true);
    }
}

#define ROWS(rows) check_rows(rows, sizeof rows / sizeof *rows)

#define LOGICAL(type, logical) "{\"type\":\"" type "\",\"logicalType\":\"" logical "\"}"
#define DECIMAL \
    "{\"type\":\"bytes\",\"logicalType\":\"decimal\",\"precision\":6,\"scale\":2}"
#define FIXED(name, size) "{\"type\":\"fixed\",\"name\":\"" name "\",\"size\":" size "}"

static void logical_types_are_texts_that_people_read(void)
{
    static const struct row rows[] = {
        {LOGICAL("int", "date"), BYTES("\xd2\xc4\2"), "\"2026-11-20\"", "20777"},
        {LOGICAL("int", "date"), BYTES("\xfe\xff\xff\xff\x0f"), "2147483647", NULL},
        {LOGICAL("int", "time-millis"), BYTES("\2"), "\"00:00:00.001\"", "1"},
        {LOGICAL("int", "time-millis"), BYTES("\1"), "-1", NULL},
        {LOGICAL("long", "time-micros"), BYTES("\2"), "\"00:00:00.000001\"", "1"},
        {LOGICAL("long", "timestamp-millis"), BYTES("\0"), "\"1970-01-01T00:00:00Z\"",
         "0"},
        {LOGICAL("long", "timestamp-micros"), BYTES("\1"),
         "\"1969-12-31T23:59:59.999999Z\"", "-1"},
        {LOGICAL("long", "timestamp-nanos"), BYTES("\2"),
         "\"1970-01-01T00:00:00.000000001Z\"", "1"},
        {LOGICAL("long", "local-timestamp-millis"), BYTES("\0"),
         "\"1970-01-01T00:00:00\"", "0"},
        {LOGICAL("long", "local-timestamp-micros"), BYTES("\0"),
         "\"1970-01-01T00:00:00\"", "0"},
        {LOGICAL("long", "local-timestamp-nanos"), BYTES("\0"),
         "\"1970-01-01T00:00:00\"", "0"},
        {DECIMAL, BYTES("\4\x04\xd2"), "\"12.34\"", "\"\\u0004\\u00D2\""},
        {DECIMAL, BYTES("\2\xff"), "\"-0.01\"", "\"\\u00FF\""},
        {LOGICAL("bytes", "big-decimal"), BYTES("\6\2\x0c\2"), "\"1.2\"",
         "\"\\u0002\\u000C\\u0002\""},
        {LOGICAL("string", "uuid"), BYTES("H123e4567-e89b-12d3-a456-426614174000"),
         "\"123e4567-e89b-12d3-a456-426614174000\"", NULL},
        {"{\"type\":\"fixed\",\"name\":\"F\",\"size\":12,\"logicalType\":\"duration\"}",
         BYTES("\1\0\0\0\2\0\0\0\3\0\0\0"), "\"P1M2DT0.003S\"",
         "\"\\u0001\\u0000\\u0000\\u0000\\u0002\\u0000\\u0000\\u0000\\u0003\\u0000\\u00"
         "00"
         "\\u0000\""},
        {"{\"type\":\"fixed\",\"name\":\"F\",\"size\":16,\"logicalType\":\"uuid\"}",
         BYTES("abcdefghijklmnop"), "\"61626364-6566-6768-696a-6b6c6d6e6f70\"",
         "\"abcdefghijklmnop\""},
        {"{\"type\":\"fixed\",\"name\":\"F\",\"size\":3,\"logicalType\":\"decimal\","
         "\"precision\":6,\"scale\":1}",
         BYTES("\xff\xff\xf6"), "\"-1.0\"", "\"\\u00FF\\u00FF\\u00F6\""},
    };

    ROWS(rows);
}

static void numbers_that_are_none_are_words(void)
{
    static const struct row rows[] = {
        {"\"double\"", BYTES("\0\0\0\0\0\0\xf0\x7f"), "\"Infinity\"", NULL},
        {"\"double\"", BYTES("\0\0\0\0\0\0\xf0\xff"), "\"-Infinity\"", NULL},
        {"\"double\"", BYTES("\0\0\0\0\0\0\xf8\x7f"), "\"NaN\"", NULL},
        {"\"float\"", BYTES("\0\0\x80\x7f"), "\"Infinity\"", NULL},
        {"\"float\"", BYTES("\xcd\xcc\xcc\x3d"), "0.1", NULL},
        {"\"float\"", BYTES("\xff\xff\x7f\x7f"), "3.4028235e+38", NULL},
        {"\"float\"", BYTES("\1\0\0\0"), "1.4013e-45", NULL},
        {"\"float\"", BYTES("\0\0\0\x80"), "-0.0", NULL},
        {"\"double\"", BYTES("\x9a\x99\x99\x99\x99\x99\xb9\x3f"), "0.1", NULL},
    };

    ROWS(rows);
}

static void texts_and_bytes_are_escaped(void)
{
    static const struct row rows[] = {
        {"\"string\"", BYTES("\x0a\"\\\n\1x"), "\"\\\"\\\\\\n\\u0001x\"", NULL},
        {"\"bytes\"", BYTES("\x0a\"\\\xff\1x"), "\"Ilz/AXg=\"",
         "\"\\u0022\\u005C\\u00FF\\u0001x\""},
        {FIXED("F", "2"), BYTES("\x7f\x80"), "\"f4A=\"", "\"\\u007F\\u0080\""},
        {"{\"type\":\"map\",\"values\":\"null\"}", BYTES("\2\2\"\0"), "{\"\\\"\":null}",
         NULL},
    };

    ROWS(rows);
}

#define REC(name, field, type)                                                  \
    "{\"type\":\"record\",\"name\":\"" name "\",\"fields\":[{\"name\":\"" field \
    "\",\"type\":\"" type "\"}]}"
#define MAP(values) "{\"type\":\"map\",\"values\":\"" values "\"}"
#define ENUM "{\"type\":\"enum\",\"name\":\"e.E\",\"symbols\":[\"RED\",\"AAAA\"]}"

static void a_union_goes_without_wrapper_where_only_one_branch_reads_it(void)
{
    static const struct row rows[] = {
        {"[\"null\",\"string\"]", BYTES("\0"), "null", NULL},
        {"[\"null\",\"string\"]", BYTES("\2\2x"), "\"x\"", "{\"string\":\"x\"}"},
        {"[\"boolean\",\"int\"]", BYTES("\0\1"), "true", "{\"boolean\":true}"},
        {"[\"int\",\"string\"]", BYTES("\0\2"), "1", "{\"int\":1}"},
        {"[\"int\",\"long\"]", BYTES("\2\x80\x80\x80\x80\x20"), "4294967296",
         "{\"long\":4294967296}"},
        {"[\"long\",\"double\"]", BYTES("\0\2"), "1", "{\"long\":1}"},
        {"[\"long\",\"double\"]", BYTES("\2\0\0\0\0\0\0\xf0\x3f"), "1.0",
         "{\"double\":1.0}"},
        {"[\"double\",\"string\"]", BYTES("\2\2x"), "\"x\"", "{\"string\":\"x\"}"},
        {"[\"bytes\",\"string\"]", BYTES("\2\6x y"), "\"x y\"", "{\"string\":\"x y\"}"},
        {"[" ENUM "," FIXED("F", "1") "]", BYTES("\0\0"), "\"RED\"",
         "{\"e.E\":\"RED\"}"},
        {"[" LOGICAL("int", "date") ",\"string\"]", BYTES("\2\2x"), "\"x\"",
         "{\"string\":\"x\"}"},
        {"[" LOGICAL("long", "timestamp-millis") "," LOGICAL(
             "int", "time-millis") "," LOGICAL("string", "uuid") "," DECIMAL "]",
         BYTES("\0\0"), "\"1970-01-01T00:00:00Z\"", "{\"long\":0}"},
        {"[\"null\"," REC("x.R", "a", "int") "]", BYTES("\2\2"), "{\"a\":1}",
         "{\"x.R\":{\"a\":1}}"},
        {"[\"null\",{\"type\":\"array\",\"items\":\"int\"}]", BYTES("\2\2\2\0"), "[1]",
         "{\"array\":[1]}"},
        {"[\"null\"," MAP("int") "]", BYTES("\2\2\2k\2\0"), "{\"k\":1}",
         "{\"map\":{\"k\":1}}"},
        {"[\"null\"," MAP("int") "]", BYTES("\2\0"), "{}", "{\"map\":{}}"},
    };

    ROWS(rows);
}

static void a_value_that_two_branches_read_names_its_branch(void)
{
    static const struct row rows[] = {
        {"[\"int\",\"long\"]", BYTES("\0\2"), "{\"int\":1}", NULL},
        {"[\"int\",\"long\"]", BYTES("\2\2"), "{\"long\":1}", NULL},
        {"[\"float\",\"double\"]", BYTES("\0\0\0\0\0"), "{\"float\":0.0}", NULL},
        {"[\"double\",\"string\"]", BYTES("\2\6NaN"), "{\"string\":\"NaN\"}", NULL},
        {"[\"double\",\"string\"]", BYTES("\0\0\0\0\0\0\0\xf8\x7f"),
         "{\"double\":\"NaN\"}", NULL},
        {"[\"bytes\",\"string\"]", BYTES("\2\x08help"), "{\"string\":\"help\"}", NULL},
        {"[\"bytes\",\"string\"]", BYTES("\0\2x"), "{\"bytes\":\"eA==\"}",
         "{\"bytes\":\"x\"}"},
        {"[\"bytes\"," ENUM "]", BYTES("\0\6\0\0\0"), "{\"bytes\":\"AAAA\"}",
         "{\"bytes\":\"\\u0000\\u0000\\u0000\"}"},
        {"[\"bytes\"," ENUM "]", BYTES("\0\6\0\0\1"), "\"AAAB\"",
         "{\"bytes\":\"\\u0000\\u0000\\u0001\"}"},
        {"[\"string\"," ENUM "]", BYTES("\2\0"), "{\"e.E\":\"RED\"}", NULL},
        {"[" LOGICAL("int", "date") ",\"string\"]", BYTES("\0\0"),
         "{\"int\":\"1970-01-01\"}", "{\"int\":0}"},
        {"[" LOGICAL("string", "uuid") ",\"bytes\"]",
         BYTES("\0H123e4567-e89b-12d3-a456-426614174000"),
         "{\"string\":\"123e4567-e89b-12d3-a456-426614174000\"}", NULL},
        {"[\"null\"," REC("x.R", "a", "int") "," REC("x.S", "b", "int") "]",
         BYTES("\4\2"), "{\"x.S\":{\"b\":1}}", NULL},
        {"[\"null\"," REC("R", "R", "int") "]", BYTES("\2\2"), "{\"R\":{\"R\":1}}",
         NULL},
        {"[\"null\"," MAP("int") "]", BYTES("\2\2\6map\2\0"), "{\"map\":{\"map\":1}}",
         NULL},
        {"[\"int\"," MAP("int") "]", BYTES("\2\2\6int\2\0"), "{\"map\":{\"int\":1}}",
         NULL},
    };

    ROWS(rows);
}

static void what_no_json_of_the_schema_says_is_refused(void)
{
    static uint8_t long_decimal[3 + 2000] = {0xa0, 0x1f, 0x7f};
    static const struct row rows[] = {
        {DECIMAL, BYTES("\6\x7f\xff\xff"),
         "byte 0: decimal of 7 digits, its precision is 6", NULL},
        {LOGICAL("bytes", "big-decimal"), BYTES("\2\2"),
         "byte 0: big-decimal of 1 bytes is malformed", NULL},
        {LOGICAL("bytes", "big-decimal"), BYTES("\x06\2\1\x80"),
         "byte 0: big-decimal of 3 bytes is malformed", NULL},
        {LOGICAL("bytes", "big-decimal"), BYTES("\x10\2\1\xfe\xff\xff\xff\xff\xff"),
         "byte 0: big-decimal of 8 bytes is malformed", NULL},
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct av_schema *s = parse(rows[i].schema);
        struct buf out = BUF_INIT(1 << 16);
        struct err e = {0};

        CHECK_INT(show(s, span_of(rows[i].bytes, rows[i].n), false, &out, &e),
                  ERR_INVALID);
        CHECK_STR(e.msg, rows[i].plain);
        av_schema_release(s);
        buf_free(&out);
    }

    struct av_schema *s = parse(DECIMAL);
    struct buf out = BUF_INIT(1 << 16);
    struct err e = {0};
    CHECK_INT(show(s, span_of(long_decimal, 2 + 2000), false, &out, &e), ERR_LIMIT);
    CHECK_STR(e.msg, "byte 0: decimal of 2000 bytes, 1720 are the most");
    av_schema_release(s);
    buf_free(&out);
}

static void a_full_buf_ends_the_walk(void)
{
    struct av_schema *s = parse("{\"type\":\"array\",\"items\":[\"null\",\"bytes\"]}");
    struct err e = {0};

    for (size_t limit = 0; limit < 14; limit++) {
        struct buf out = BUF_INIT(limit);
        enum err_kind k = show(s, span_of("\4\0\2\6foo\0", 8), false, &out, &e);

        CHECK_INT(k, limit < 13 ? ERR_LIMIT : ERR_OK); // [null,"Zm9v"]
        buf_free(&out);
    }
    av_schema_release(s);
}

static void levels_end_somewhere(void)
{
    struct av_schema *s =
        parse("{\"type\":\"record\",\"name\":\"L\",\"fields\":[{\"name\":"
              "\"n\",\"type\":[\"null\",\"L\"]}]}");
    const struct av_decode_limits lim = {.depth = 1000};
    struct buf out = BUF_INIT(1 << 16);
    struct av_plan *plan;
    struct av_to_json w;
    struct err e = {0};
    uint8_t deep[200];

    memset(deep, 2, sizeof deep);
    deep[199] = 0;
    CHECK_INT(av_plan_new(&plan, s, s, &e), ERR_OK);
    av_to_json_init(&w, &out, false);
    CHECK_INT(av_decode_all(plan, span_of(deep, 200), &lim, &w.visitor, &e), ERR_LIMIT);
    av_plan_free(plan);
    av_schema_release(s);
    buf_free(&out);
}

int main(void)
{
    RUN(logical_types_are_texts_that_people_read);
    RUN(numbers_that_are_none_are_words);
    RUN(texts_and_bytes_are_escaped);
    RUN(a_union_goes_without_wrapper_where_only_one_branch_reads_it);
    RUN(a_value_that_two_branches_read_names_its_branch);
    RUN(what_no_json_of_the_schema_says_is_refused);
    RUN(a_full_buf_ends_the_walk);
    RUN(levels_end_somewhere);
    return REPORT();
}
