#include "avro-core/schema.h"
#include "tests/check.h"
#include "wire/explain.h"

#include <stdio.h>

/* What `level` says of NEW after OLD, explained. */
static void is_explained(enum av_level level, const char *fresh, const char *before,
                         const char *want)
{
    struct av_schema *n = NULL, *o = NULL;
    struct buf out = BUF_INIT(1 << 20);
    struct arena a = {0};
    struct err e = {0};
    const struct messages_old old = {7, span_str(before)};

    CHECK_INT(av_schema_parse(&n, span_str(fresh), NULL, 0, NULL, &e), ERR_OK);
    CHECK_INT(av_schema_parse(&o, span_str(before), NULL, 0, NULL, &e), ERR_OK);
    explain_put(&out,
                av_compat_level(level, n, (const struct av_schema *const *)&o, 1, &a),
                &old, span_str(fresh));
    CHECK_SPAN(buf_span(&out), want);
    buf_free(&out);
    arena_free(&a);
    av_schema_release(n);
    av_schema_release(o);
}

#define R(fields) "{\"type\":\"record\",\"name\":\"R\",\"fields\":[" fields "]}"
#define E(symbols) "{\"type\":\"enum\",\"name\":\"E\",\"symbols\":[" symbols "]}"

static void each_rule_says_where_why_and_what_to_change(void)
{
    is_explained(AV_LEVEL_BACKWARD, "\"int\"", "\"int\"", "[]");
    is_explained(
        AV_LEVEL_BACKWARD, R("{\"name\":\"a\",\"type\":\"string\"}"),
        R("{\"name\":\"a\",\"type\":\"int\"}"),
        "[{\"version\":7,\"direction\":\"BACKWARD\",\"rule\":\"TYPE_MISMATCH\","
        "\"newPointer\":\"/fields/0/type\",\"new\":\"string\",\"oldPointer\":\"/fields/"
        "0/type\",\"old\":\"int\",\"why\":\"a reader's string cannot be read from a "
        "writer's int\",\"change\":\"keep \\\"int\\\", or a type that Avro promotes it "
        "to, or a union with \\\"int\\\" in it\"}]");
    is_explained(
        AV_LEVEL_BACKWARD, R("{\"name\":\"z\",\"type\":\"int\"}"), R(""),
        "[{\"version\":7,\"direction\":\"BACKWARD\",\"rule\":\"READER_FIELD_MISSING_"
        "DEFAULT_VALUE\",\"newPointer\":\"/fields/0\",\"new\":{\"name\":\"z\",\"type\":"
        "\"int\"},\"why\":\"field \\\"z\\\" of the reader's record R has no default, "
        "and the writer has no such field\",\"change\":\"give the field \\\"z\\\" a "
        "\\\"default\\\"\"}]");
    is_explained(
        AV_LEVEL_FORWARD, R(""), R("{\"name\":\"z\",\"type\":\"int\"}"),
        "[{\"version\":7,\"direction\":\"FORWARD\",\"rule\":\"READER_FIELD_MISSING_"
        "DEFAULT_VALUE\",\"oldPointer\":\"/fields/0\",\"old\":{\"name\":\"z\",\"type\":"
        "\"int\"},\"why\":\"field \\\"z\\\" of the reader's record R has no default, "
        "and the writer has no such field\",\"change\":\"keep the field \\\"z\\\": "
        "readers of the old schema have no default for it\"}]");
    is_explained(
        AV_LEVEL_BACKWARD, E("\"A\""), E("\"A\",\"B\""),
        "[{\"version\":7,\"direction\":\"BACKWARD\",\"rule\":\"MISSING_ENUM_SYMBOLS\","
        "\"newPointer\":\"/symbols\",\"new\":[\"A\"],\"oldPointer\":\"/symbols\","
        "\"old\":[\"A\",\"B\"],\"why\":\"the reader's enum E has no default and lacks "
        "symbols of the writer's: [B]\",\"change\":\"keep the symbols [B], or give the "
        "enum a \\\"default\\\" to read them as\"}]");
    is_explained(
        AV_LEVEL_FORWARD, "[\"null\",\"int\"]", "[\"null\"]",
        "[{\"version\":7,\"direction\":\"FORWARD\",\"rule\":\"MISSING_UNION_BRANCH\","
        "\"newPointer\":\"/1\",\"new\":\"int\",\"oldPointer\":\"\",\"old\":[\"null\"],"
        "\"why\":\"no branch of the reader's union [null] takes a writer's "
        "int\",\"change\":\"leave \\\"int\\\" out: the old union does not take it\"}]");
}

static void a_pointer_finds_its_value_or_nothing(void)
{
    static const struct {
        const char *text, *pointer, *want;
    } rows[] = {
        {"{\"a\":[1,{\"b/c\":\"x\",\"~\":2}]}", "",
         "{\"a\":[1,{\"b/c\":\"x\",\"~\":2}]}"},
        {"{\"a\":[1,{\"b/c\":\"x\",\"~\":2}]}", "/a/1/b~1c", "\"x\""},
        {"{\"a\":[1,{\"b/c\":\"x\",\"~\":2}]}", "/a/1/~0", "2"},
        {"{\"a\":[1]}", "/a/1", ""},
        {"{\"a\":[1]}", "/a/x", ""},
        {"{\"a\":[1]}", "/b", ""},
        {"nonsense", "/b", ""},
    };
    struct arena a = {0};

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        CHECK_SPAN(explain_value(span_str(rows[i].text), span_str(rows[i].pointer), &a),
                   rows[i].want);
    arena_free(&a);
}

int main(void)
{
    RUN(each_rule_says_where_why_and_what_to_change);
    RUN(a_pointer_finds_its_value_or_nothing);
    return REPORT();
}
