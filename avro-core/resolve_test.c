#include "avro-core/to_json.h"
#include "tests/check.h"

struct row {
    const char *writer, *reader, *bytes;
    size_t n;
    const char *text;
};

#define BYTES(b) b, sizeof(b) - 1
#define ROWS(rows, wanted) check_rows(rows, sizeof rows / sizeof *rows, wanted)

static struct av_schema *parse(const char *text)
{
    struct av_schema *s = NULL;
    struct err e = {0};

    if (av_schema_parse(&s, span_str(text), NULL, 0, NULL, &e) != ERR_OK)
        printf("    %.200s: %s\n", text, e.msg);
    return s;
}

/* Reads `bytes` of the writer as the reader; *text gets the JSON, or the message. */
static enum err_kind read_as(const struct row *row, struct buf *text)
{
    struct av_schema *w = parse(row->writer), *r = parse(row->reader);
    struct av_plan *plan = NULL;
    struct av_to_json json;
    struct err e = {0};
    enum err_kind k = av_plan_new(&plan, w, r, &e);

    buf_reset(text);
    if (k == ERR_OK) {
        av_to_json_init(&json, text, false);
        k = av_decode_all(plan, span_of(row->bytes, row->n), NULL, &json.visitor, &e);
    } else {
        e.msg[sizeof e.msg - 1] = '\0';
        CHECK(plan == NULL); // a failed call leaves its result alone
    }
    if (k != ERR_OK) {
        buf_reset(text);
        buf_put_str(text, e.msg);
    }
    av_plan_free(plan);
    av_schema_release(w);
    av_schema_release(r);
    return k;
}

static void check_rows(const struct row *rows, size_t n, enum err_kind wanted)
{
    struct buf text = BUF_INIT(1 << 20);

    for (size_t i = 0; i < n; i++) {
        CHECK_INT(read_as(&rows[i], &text), wanted);
        CHECK_SPAN(buf_span(&text), rows[i].text);
    }
    buf_free(&text);
}

static void numbers_are_promoted_and_texts_change_sides(void)
{
    static const struct row rows[] = {
        {"\"int\"", "\"int\"", BYTES("\2"), "1"},
        {"\"int\"", "\"long\"", BYTES("\2"), "1"},
        {"\"int\"", "\"float\"", BYTES("\2"), "1.0"},
        {"\"int\"", "\"double\"", BYTES("\2"), "1.0"},
        {"\"long\"", "\"float\"", BYTES("\2"), "1.0"},
        {"\"long\"", "\"double\"", BYTES("\2"), "1.0"},
        {"\"float\"", "\"double\"", BYTES("\0\0\xc0\x3f"), "1.5"},
        {"\"string\"", "\"bytes\"", BYTES("\6foo"), "\"Zm9v\""},
        {"\"bytes\"", "\"string\"", BYTES("\6foo"), "\"foo\""},
        // 16777217 has no float; the nearest is even
        {"\"int\"", "\"float\"", BYTES("\x82\x80\x80\x10"), "16777216.0"},
        {"\"int\"", "\"double\"", BYTES("\x82\x80\x80\x10"), "16777217.0"},
    };

    ROWS(rows, ERR_OK);
}

static void what_no_datum_can_pass_is_refused_at_once(void)
{
    static const struct row rows[] = {
        {"\"long\"", "\"int\"", BYTES("\2"), "the writer's long cannot be read as int"},
        {"\"double\"", "\"float\"", BYTES(""),
         "the writer's double cannot be read as float"},
        {"\"string\"", "\"int\"", BYTES(""),
         "the writer's string cannot be read as int"},
        {"{\"type\":\"array\",\"items\":\"int\"}",
         "{\"type\":\"map\",\"values\":\"int\"}", BYTES(""),
         "the writer's array cannot be read as map"},
        {"{\"type\":\"fixed\",\"name\":\"F\",\"size\":1}",
         "{\"type\":\"fixed\",\"name\":\"F\",\"size\":2}", BYTES(""),
         "fixed F takes 1 bytes at the writer's, 2 at the reader's"},
        {"{\"type\":\"fixed\",\"name\":\"F\",\"size\":1}",
         "{\"type\":\"fixed\",\"name\":\"G\",\"size\":1}", BYTES(""),
         "the writer's fixed F is not the reader's G, nor an alias of it"},
        {"{\"type\":\"enum\",\"name\":\"F\",\"symbols\":[\"A\"]}",
         "{\"type\":\"enum\",\"name\":\"G\",\"symbols\":[\"A\"]}", BYTES(""),
         "the writer's enum F is not the reader's G, nor an alias of it"},
        {"{\"type\":\"enum\",\"name\":\"F\",\"symbols\":[\"A\"]}",
         "{\"type\":\"enum\",\"name\":\"F\",\"symbols\":[\"B\"]}", BYTES(""),
         "the reader's enum has none of the writer's symbols"},
        {"\"int\"", "[\"null\",\"string\"]", BYTES(""),
         "the reader's union has no branch for the writer's int"},
        {"[]", "[]", BYTES(""), "the writer's union has no branch"},
        {"[\"int\",\"boolean\"]", "\"string\"", BYTES(""),
         "the writer's int cannot be read as string"},
        {"{\"type\":\"record\",\"name\":\"R\",\"fields\":[]}",
         "{\"type\":\"record\",\"name\":\"R\",\"fields\":[{\"name\":\"a\",\"type\":"
         "\"int\"}]}",
         BYTES(""),
         "the writer's R has no field \"a\", and the reader's no default that fits"},
        {"{\"type\":\"record\",\"name\":\"R\",\"fields\":[{\"name\":\"a\",\"type\":{"
         "\"type\":"
         "\"record\",\"name\":\"S\",\"fields\":[{\"name\":\"b\",\"type\":\"int\"}]}}]}",
         "{\"type\":\"record\",\"name\":\"R\",\"fields\":[{\"name\":\"a\",\"type\":{"
         "\"type\":"
         "\"record\",\"name\":\"S\",\"fields\":[{\"name\":\"b\",\"type\":\"string\"}]}}"
         "]}",
         BYTES(""), "/a/b: the writer's int cannot be read as string"},
        {"{\"type\":\"bytes\",\"logicalType\":\"decimal\",\"precision\":9,\"scale\":2}",
         "{\"type\":\"bytes\",\"logicalType\":\"decimal\",\"precision\":9,\"scale\":3}",
         BYTES(""),
         "the writer's decimal (scale 2) cannot be read as decimal (scale 3)"},
        {"{\"type\":\"long\",\"logicalType\":\"timestamp-millis\"}",
         "{\"type\":\"long\",\"logicalType\":\"timestamp-micros\"}", BYTES(""),
         "the writer's timestamp-millis (scale 0) cannot be read as timestamp-micros "
         "(scale "
         "0)"},
    };

    ROWS(rows, ERR_INVALID);
}

#define AB                                                                      \
    "{\"type\":\"record\",\"name\":\"R\",\"fields\":[{\"name\":\"a\",\"type\":" \
    "\"int\"},"                                                                 \
    "{\"name\":\"b\",\"type\":\"string\"}]}"

static void fields_meet_by_name_then_by_alias(void)
{
    static const struct row rows[] = {
        {AB, AB, BYTES("\2\2x"), "{\"a\":1,\"b\":\"x\"}"},
        // fewer, in another order, under another record name: Avro Java does not mind
        // either
        {AB,
         "{\"type\":\"record\",\"name\":\"Q\",\"fields\":[{\"name\":\"b\",\"type\":"
         "\"string\"}]}",
         BYTES("\2\2x"), "{\"b\":\"x\"}"},
        {AB,
         "{\"type\":\"record\",\"name\":\"R\",\"fields\":[{\"name\":\"b\",\"type\":"
         "\"string\"},{\"name\":\"a\",\"type\":\"long\"}]}",
         BYTES("\2\2x"), "{\"a\":1,\"b\":\"x\"}"},
        {AB,
         "{\"type\":\"record\",\"name\":\"R\",\"fields\":[{\"name\":\"z\",\"type\":"
         "\"int\","
         "\"aliases\":[\"y\",\"a\"]}]}",
         BYTES("\2\2x"), "{\"z\":1}"},
        // the name wins over an alias
        {AB,
         "{\"type\":\"record\",\"name\":\"R\",\"fields\":[{\"name\":\"z\",\"type\":"
         "\"int\","
         "\"aliases\":[\"a\"],\"default\":9},{\"name\":\"a\",\"type\":\"int\"}]}",
         BYTES("\2\2x"), "{\"a\":1,\"z\":9}"},
        // two that want the same: the first has it
        {AB,
         "{\"type\":\"record\",\"name\":\"R\",\"fields\":[{\"name\":\"y\",\"type\":"
         "\"int\","
         "\"aliases\":[\"a\"],\"default\":8},{\"name\":\"z\",\"type\":\"int\","
         "\"aliases\":"
         "[\"a\"],\"default\":9}]}",
         BYTES("\2\2x"), "{\"y\":1,\"z\":9}"},
    };

    ROWS(rows, ERR_OK);
}

static void a_missing_field_takes_its_default(void)
{
    static const struct row rows[] = {
        {"{\"type\":\"record\",\"name\":\"R\",\"fields\":[]}",
         "{\"type\":\"record\",\"name\":\"R\",\"fields\":["
         "{\"name\":\"a\",\"type\":\"int\",\"default\":-3},"
         "{\"name\":\"b\",\"type\":\"null\",\"default\":null},"
         "{\"name\":\"c\",\"type\":[\"null\",\"int\"],\"default\":null},"
         "{\"name\":\"d\",\"type\":{\"type\":\"array\",\"items\":\"int\"},\"default\":["
         "1,2]},"
         "{\"name\":\"e\",\"type\":{\"type\":\"map\",\"values\":\"string\"},"
         "\"default\":{\"k\":\"v\"}},"
         "{\"name\":\"f\",\"type\":{\"type\":\"record\",\"name\":\"S\",\"fields\":["
         "{\"name\":\"x\",\"type\":\"double\"}]},\"default\":{\"x\":2.5}},"
         "{\"name\":\"g\",\"type\":\"bytes\",\"default\":\"\\u00FF\"},"
         "{\"name\":\"h\",\"type\":{\"type\":\"enum\",\"name\":\"E\",\"symbols\":["
         "\"A\","
         "\"B\"]},\"default\":\"B\"}]}",
         BYTES(""),
         "{\"a\":-3,\"b\":null,\"c\":null,\"d\":[1,2],\"e\":{\"k\":\"v\"},\"f\":{\"x\":"
         "2.5},"
         "\"g\":\"/w==\",\"h\":\"B\"}"},
        // the writer's fields first, then the defaults; in an array again and again
        {"{\"type\":\"array\",\"items\":" AB "}",
         "{\"type\":\"array\",\"items\":{\"type\":\"record\",\"name\":\"R\",\"fields\":"
         "["
         "{\"name\":\"n\",\"type\":\"long\",\"default\":7},{\"name\":\"b\",\"type\":"
         "\"string\"}]}}",
         BYTES("\4\2\2x\2\2y\0"), "[{\"b\":\"x\",\"n\":7},{\"b\":\"y\",\"n\":7}]"},
    };

    ROWS(rows, ERR_OK);
}

static void what_is_skipped_is_checked_too(void)
{
    static const struct row rows[] = {
        {AB, "{\"type\":\"record\",\"name\":\"R\",\"fields\":[]}", BYTES("\2\2\xff"),
         "byte 2 (/b): string is not UTF-8: 0xff"},
        {AB, "{\"type\":\"record\",\"name\":\"R\",\"fields\":[]}", BYTES("\2\4x"),
         "byte 1 (/b): string of 2 bytes, 1 are left"},
    };

    ROWS(rows, ERR_INVALID);
}

static void a_default_that_does_not_fit_is_none(void)
{
    const struct av_parse_limits kept = {.keep_bad_defaults = true};
    struct av_schema *w = parse("{\"type\":\"record\",\"name\":\"R\",\"fields\":[]}"),
                     *r;
    struct av_plan *plan;
    struct err e = {0};

    CHECK_INT(av_schema_parse(
                  &r,
                  span_str("{\"type\":\"record\",\"name\":\"R\",\"fields\":[{"
                           "\"name\":\"a\",\"type\":\"int\",\"default\":\"x\"}]}"),
                  NULL, 0, &kept, &e),
              ERR_OK);
    CHECK_INT(av_plan_new(&plan, w, r, &e), ERR_INVALID);
    CHECK_STR(
        e.msg,
        "the writer's R has no field \"a\", and the reader's no default that fits");
    av_schema_release(w);
    av_schema_release(r);
}

#define E_ABC "{\"type\":\"enum\",\"name\":\"E\",\"symbols\":[\"A\",\"B\",\"C\"]}"

static void symbols_are_numbered_anew(void)
{
    static const struct row rows[] = {
        {E_ABC, "{\"type\":\"enum\",\"name\":\"E\",\"symbols\":[\"C\",\"B\",\"A\"]}",
         BYTES("\0"), "\"A\""},
        {E_ABC, "{\"type\":\"enum\",\"name\":\"x.E\",\"symbols\":[\"C\",\"A\"]}",
         BYTES("\4"), "\"C\""},
        {E_ABC,
         "{\"type\":\"enum\",\"name\":\"E\",\"symbols\":[\"X\",\"A\"],\"default\":"
         "\"X\"}",
         BYTES("\2"), "\"X\""},
        {E_ABC,
         "{\"type\":\"enum\",\"name\":\"F\",\"aliases\":[\"E\"],\"symbols\":[\"A\","
         "\"B\","
         "\"C\",\"D\"]}",
         BYTES("\4"), "\"C\""},
    };
    static const struct row bad[] = {
        {E_ABC, "{\"type\":\"enum\",\"name\":\"E\",\"symbols\":[\"A\"]}", BYTES("\2"),
         "byte 0: symbol B, which the reader's enum has not"},
        {E_ABC, "{\"type\":\"enum\",\"name\":\"E\",\"symbols\":[\"C\",\"A\"]}",
         BYTES("\6"), "byte 0: symbol 3, there are 3"},
    };

    ROWS(rows, ERR_OK);
    ROWS(bad, ERR_INVALID);
}

#define FIXED(name) "{\"type\":\"fixed\",\"name\":\"" name "\",\"size\":1}"
#define REC(name, field, type)                                                  \
    "{\"type\":\"record\",\"name\":\"" name "\",\"fields\":[{\"name\":\"" field \
    "\",\"type\":\"" type "\"}]}"

static void a_union_of_the_writer_is_judged_branch_by_branch(void)
{
    static const struct row rows[] = {
        {"[\"null\",\"int\"]", "[\"null\",\"int\"]", BYTES("\2\2"), "1"},
        {"[\"null\",\"int\"]", "[\"long\",\"null\"]", BYTES("\2\2"), "1"},
        {"[\"null\",\"int\"]", "\"int\"", BYTES("\2\2"), "1"},
        {"[\"string\",\"int\"]", "\"long\"", BYTES("\2\2"), "1"},
        {"[\"null\",\"string\"]", "[\"null\",\"bytes\"]", BYTES("\2\6foo"), "\"Zm9v\""},
    };
    static const struct row bad[] = {
        {"[\"null\",\"int\"]", "\"int\"", BYTES("\0"),
         "byte 1: the writer's null cannot be read as int"},
        {"[\"string\",\"int\"]", "[\"null\",\"long\"]", BYTES("\0\2x"),
         "byte 1: the reader's union has no branch for the writer's string"},
        {"{\"type\":\"array\",\"items\":\"int\"}",
         "{\"type\":\"array\",\"items\":\"string\"}", BYTES("\2\2\0"),
         "byte 1 (/0): the writer's int cannot be read as string"},
    };
    static const struct row empty[] = {
        {"{\"type\":\"array\",\"items\":\"int\"}",
         "{\"type\":\"array\",\"items\":\"string\"}", BYTES("\0"), "[]"},
    };

    ROWS(rows, ERR_OK);
    ROWS(bad, ERR_INVALID);
    ROWS(empty, ERR_OK);
}

static void a_union_of_the_reader_takes_the_branch_that_avro_java_takes(void)
{
    static const struct row rows[] = {
        {"\"int\"", "[\"double\",\"int\"]", BYTES("\2"), "1"}, // the same type first
        {"\"int\"", "[\"string\",\"double\",\"long\"]", BYTES("\2"),
         "1.0"}, // then the first promotion
        {"\"bytes\"", "[\"null\",\"string\"]", BYTES("\2x"), "\"x\""},
        {"\"null\"", "[\"int\",\"null\"]", BYTES(""), "null"},
        {FIXED("a.F"), "[" FIXED("b.F") "," FIXED("a.F") "]", BYTES("x"),
         "{\"a.F\":\"eA==\"}"},
        {FIXED("a.F"), "[\"null\"," FIXED("b.F") "]", BYTES("x"), "\"eA==\""},
        {"[" FIXED("a.F") "," FIXED("b.F") "]", "[" FIXED("c.F") "," FIXED("d.F") "]",
         BYTES("\2x"), "{\"d.F\":\"eA==\"}"}, // both renamed: by place
        {REC("R", "a", "int"), "[" REC("S", "b", "int") "," REC("T", "a", "long") "]",
         BYTES("\2"), "{\"T\":{\"a\":1}}"}, // by what it holds
        {REC("R", "a", "int"), "[" REC("S", "a", "int") "," REC("x.R", "a", "long") "]",
         BYTES("\2"), "{\"x.R\":{\"a\":1}}"},
        {REC("R", "a", "int"),
         "[" REC("S", "a",
                 "int") ",{\"type\":\"record\",\"name\":\"T\",\"aliases\":[\"R\"],"
                        "\"fields\":[{\"name\":\"a\",\"type\":\"int\"}]}]",
         BYTES("\2"), "{\"T\":{\"a\":1}}"},
    };

    ROWS(rows, ERR_OK);
}

#define LIST(name, value)                              \
    "{\"type\":\"record\",\"name\":\"" name            \
    "\",\"fields\":[{\"name\":\"v\",\"type\":\"" value \
    "\"},{\"name\":\"next\",\"type\":[\"null\",\"" name "\"]}]}"
#define TREE                                                                        \
    "{\"type\":\"record\",\"name\":\"T\",\"fields\":[{\"name\":\"kids\",\"type\":{" \
    "\"type\":\"array\",\"items\":\"T\"}}]}"

static void recursion_resolves_once(void)
{
    static const struct row rows[] = {
        {LIST("L", "int"), LIST("L", "int"), BYTES("\2\2\4\0"),
         "{\"v\":1,\"next\":{\"v\":2,\"next\":null}}"},
        {LIST("L", "int"), LIST("M", "long"), BYTES("\2\2\4\0"),
         "{\"v\":1,\"next\":{\"v\":2,\"next\":null}}"},
        {LIST("L", "int"),
         "{\"type\":\"record\",\"name\":\"L\",\"fields\":[{\"name\":\"v\",\"type\":"
         "\"int\"}]}",
         BYTES("\2\2\4\0"), "{\"v\":1}"},
        {TREE, TREE, BYTES("\4\0\2\0\0\0"),
         "{\"kids\":[{\"kids\":[]},{\"kids\":[{\"kids\":"
         "[]}]}]}"},
    };

    ROWS(rows, ERR_OK);
}

static void logical_types_meet_plain_ones(void)
{
    static const struct row rows[] = {
        {"\"int\"", "{\"type\":\"int\",\"logicalType\":\"date\"}", BYTES("\2"),
         "\"1970-01-02\""},
        {"{\"type\":\"int\",\"logicalType\":\"date\"}", "\"long\"", BYTES("\2"), "1"},
        {"{\"type\":\"long\",\"logicalType\":\"timestamp-millis\"}",
         "{\"type\":\"long\",\"logicalType\":\"local-timestamp-millis\"}", BYTES("\0"),
         "\"1970-01-01T00:00:00\""},
        {"{\"type\":\"bytes\",\"logicalType\":\"decimal\",\"precision\":4,\"scale\":2}",
         "{\"type\":\"bytes\",\"logicalType\":\"decimal\",\"precision\":9,\"scale\":2}",
         BYTES("\2\x64"), "\"1.00\""},
    };

    ROWS(rows, ERR_OK);
}

#define CHAIN 600

/* A record of CHAIN arrays of records, each of which holds the one before it; all
 * fields are called after `prefix` but the last. */
static struct av_schema *chain(const char *prefix)
{
    struct buf text = BUF_INIT(1 << 20);

    buf_put_str(&text, "{\"type\":\"record\",\"name\":\"W\",\"fields\":[");
    for (int i = 0; i < CHAIN; i++) {
        char inner[16] = "null";

        if (i > 0)
            snprintf(inner, sizeof inner, "R%d", i - 1);
        buf_printf(&text,
                   "%s{\"name\":\"%s%d\",\"default\":[],\"type\":", i > 0 ? "," : "",
                   i == CHAIN - 1 ? "last" : prefix, i);
        buf_printf(
            &text,
            "{\"type\":\"array\",\"items\":{\"type\":\"record\",\"name\":\"R%d\","
            "\"fields\":[{\"name\":\"f\",\"type\":\"%s\"}]}}}",
            i, inner);
    }
    buf_put_str(&text, "]}");
    buf_put_u8(&text, 0);
    struct av_schema *s = parse((const char *)text.p);
    buf_free(&text);
    return s;
}

static void types_that_lean_on_hundreds_of_others_are_a_limit_and_no_crash(void)
{
    struct av_schema *w = chain("w"), *r = chain("r"),
                     *none = parse("{\"type\":\"record\","
                                   "\"name\":\"W\","
                                   "\"fields\":[]}");
    struct av_plan *plan;
    struct err e = {0};

    CHECK(w != NULL && r != NULL && none != NULL);
    CHECK_INT(av_plan_new(&plan, w, none, &e),
              ERR_OK); // each leans on one known already
    av_plan_free(plan);
    CHECK_INT(av_plan_new(&plan, w, r, &e),
              ERR_LIMIT); // only the last pair: all the way
    CHECK_STR(e.msg, "types nest more than 512 deep");
    av_schema_release(w);
    av_schema_release(r);
    av_schema_release(none);
}

int main(void)
{
    RUN(numbers_are_promoted_and_texts_change_sides);
    RUN(what_no_datum_can_pass_is_refused_at_once);
    RUN(fields_meet_by_name_then_by_alias);
    RUN(a_missing_field_takes_its_default);
    RUN(a_default_that_does_not_fit_is_none);
    RUN(what_is_skipped_is_checked_too);
    RUN(symbols_are_numbered_anew);
    RUN(a_union_of_the_writer_is_judged_branch_by_branch);
    RUN(a_union_of_the_reader_takes_the_branch_that_avro_java_takes);
    RUN(recursion_resolves_once);
    RUN(logical_types_meet_plain_ones);
    RUN(types_that_lean_on_hundreds_of_others_are_a_limit_and_no_crash);
    return REPORT();
}
