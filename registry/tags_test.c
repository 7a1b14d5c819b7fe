#include "registry/tags.h"

#include "tests/check.h"

#include <string.h>

#define FIELD(path, tag)                                                           \
    "{\"schemaEntity\":{\"entityPath\":\"" path "\",\"entityType\":\"sr_field\"}," \
    "\"tags\":[\"" tag "\"]}"
#define RECORD(path, tag)                                                           \
    "{\"schemaEntity\":{\"entityPath\":\"" path "\",\"entityType\":\"sr_record\"}," \
    "\"tags\":[\"" tag "\"]}"

/* Longer than what a message shows of a text. */
#define LONG                                                \
    "a234567890123456789012345678901234567890123456789.b23" \
    "4567890123456789012345678901234567890"

static struct reg_tags tags(const char *list, struct arena *a)
{
    const struct json *j = NULL;
    struct reg_tags out = {0};
    struct err e = {0};

    if (list[0] == '\0')
        return out;
    CHECK_INT(json_read(&j, span_str(list), NULL, a, &e), ERR_OK);
    CHECK_INT(reg_tags_read(&out, j, a, &e), ERR_OK);
    CHECK_STR(e.msg, "");
    return out;
}

static void tags_are_put_where_they_belong(void)
{
    static const struct {
        const char *schema, *add, *drop, *wanted; // NULL: refused
    } rows[] = {
        {"{\"type\":\"record\",\"name\":\"R\",\"fields\":[]}", "[" RECORD("R", "A") "]",
         "",
         "{\"type\":\"record\",\"name\":\"R\",\"fields\":[],\"confluent:tags\":[\"A\"]"
         "}"},
        {"{\"type\":\"record\",\"name\":\"R\",\"confluent:tags\":[\"A\",\"B\"],"
         "\"fields\":[]}",
         "[" RECORD("R", "C") "]", "[" RECORD("R", "A") "]",
         "{\"type\":\"record\",\"name\":\"R\",\"confluent:tags\":[\"B\",\"C\"],"
         "\"fields\":[]}"},
        {"{\"type\":\"record\",\"name\":\"R\",\"confluent:tags\":[\"A\"],\"fields\":[]"
         "}",
         "", "[" RECORD("R", "A") "]",
         "{\"type\":\"record\",\"name\":\"R\",\"fields\":[]}"},
        {"{\"type\":\"record\",\"name\":\"n.R\",\"fields\":[{\"name\":\"f\",\"type\":"
         "[\"null\",{\"type\":\"array\",\"items\":{\"type\":\"record\",\"name\":\"S\","
         "\"fields\":[{\"name\":\"g\",\"type\":\"int\"}]}}]}]}",
         "[" FIELD("n.S.g", "A") "," FIELD("n.R.f", "B") "]", "",
         "{\"type\":\"record\",\"name\":\"n.R\",\"fields\":[{\"name\":\"f\",\"type\":"
         "[\"null\",{\"type\":\"array\",\"items\":{\"type\":\"record\",\"name\":\"S\","
         "\"fields\":[{\"name\":\"g\",\"type\":\"int\",\"confluent:tags\":[\"A\"]}]}}],"
         "\"confluent:tags\":[\"B\"]}]}"},
        {"{\"type\":\"record\",\"name\":\"R\",\"namespace\":\"n\",\"fields\":[]}",
         "[" RECORD(".n.R", "A") "]", "",
         "{\"type\":\"record\",\"name\":\"R\",\"namespace\":\"n\",\"fields\":[],"
         "\"confluent:tags\":[\"A\"]}"},
        {"{\"type\":\"record\",\"name\":\"" LONG
         "\",\"fields\":[{\"name\":\"a\",\"type\":"
         "\"int\"},{\"name\":\"b\",\"type\":\"int\"}]}",
         "[" FIELD(LONG ".b", "B") "]", "",
         "{\"type\":\"record\",\"name\":\"" LONG
         "\",\"fields\":[{\"name\":\"a\",\"type\":"
         "\"int\"},{\"name\":\"b\",\"type\":\"int\",\"confluent:tags\":[\"B\"]}]}"},
        {"{\"type\":\"record\",\"name\":\"R\",\"fields\":[]}", "[" FIELD("R", "A") "]",
         "", NULL},
        {"{\"type\":\"record\",\"name\":\"R\",\"fields\":[]}", "",
         "[" RECORD("S", "A") "]", NULL},
        {"\"int\"", "[" RECORD("int", "A") "]", "", NULL},
        {"{\"type\":\"enum\",\"name\":\"E\",\"symbols\":[\"A\"]}",
         "[" RECORD("E", "A") "]", "", NULL},
        {"{", "", "", NULL},
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct arena a = {0};
        struct reg_tags add = tags(rows[i].add, &a), drop = tags(rows[i].drop, &a);
        struct span out = {0};
        struct err e = {0};

        enum err_kind rc =
            reg_tags_change(&out, span_str(rows[i].schema), &add, &drop, NULL, &a, &e);
        CHECK_INT(rc, rows[i].wanted != NULL ? ERR_OK : ERR_INVALID);
        if (rows[i].wanted != NULL)
            CHECK_SPAN(out, rows[i].wanted);
        arena_free(&a);
    }
}

static void a_place_that_is_gone_takes_its_tags_along(void)
{
    struct arena a = {0};
    struct reg_tags before = tags("[" FIELD("R.a", "A") "," FIELD("R.b", "B") "]", &a);
    struct span out = {0};
    struct err e = {0};

    CHECK_INT(reg_tags_change(&out,
                              span_str("{\"type\":\"record\",\"name\":\"R\","
                                       "\"fields\":[{\"name\":\"b\",\"type\":\"int\"}]"
                                       "}"),
                              NULL, NULL, &before, &a, &e),
              ERR_OK);
    CHECK_SPAN(out, "{\"type\":\"record\",\"name\":\"R\",\"fields\":[{\"name\":\"b\","
                    "\"type\":\"int\",\"confluent:tags\":[\"B\"]}]}");
    arena_free(&a);
}

static void places_are_told_with_all_their_tags(void)
{
    static const char schema[] =
        "{\"type\":\"record\",\"name\":\"n.R\",\"fields\":[{\"name\":\"a\",\"type\":"
        "\"int\",\"confluent:tags\":[\"A\",\"B\"]},{\"name\":\"b\",\"type\":\"int\","
        "\"confluent:tags\":[\"C\"]}]}";
    static const struct {
        const char *wanted, *told;
    } rows[] = {
        {"B", "[{\"schemaEntity\":{\"entityPath\":\"n.R.a\",\"entityType\":"
              "\"sr_field\"},\"tags\":[\"A\",\"B\"]}]"},
        {"*", "[{\"schemaEntity\":{\"entityPath\":\"n.R.a\",\"entityType\":"
              "\"sr_field\"},\"tags\":[\"A\",\"B\"]},{\"schemaEntity\":{"
              "\"entityPath\":\"n.R.b\",\"entityType\":\"sr_field\"},\"tags\":[\"C\"]}"
              "]"},
        {"D", "[]"},
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct span wanted = span_str(rows[i].wanted);
        struct buf out = BUF_INIT(1 << 16);
        struct arena a = {0};

        reg_tags_put(&out, span_str(schema), &wanted, 1, &a);
        CHECK_SPAN(buf_span(&out), rows[i].told);
        arena_free(&a);
        buf_free(&out);
    }
}

static void what_is_no_list_of_tags_is_refused(void)
{
    static const char *const rows[] = {
        "{}",
        "[1]",
        "[{}]",
        "[{\"schemaEntity\":{\"entityPath\":\"R\"},\"tags\":[]}]",
        "[{\"schemaEntity\":{\"entityPath\":\"\",\"entityType\":\"sr_field\"},\"tags\":"
        "[]}]",
        "[{\"schemaEntity\":{\"entityPath\":\"R\",\"entityType\":\"sr_table\"},"
        "\"tags\":[]}]",
        "[{\"schemaEntity\":{\"entityPath\":\"R\",\"entityType\":\"sr_record\"}}]",
        "[{\"schemaEntity\":{\"entityPath\":\"R\",\"entityType\":\"sr_record\"},"
        "\"tags\":[1]}]",
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const struct json *j = NULL;
        struct reg_tags out;
        struct arena a = {0};
        struct err e = {0};

        CHECK_INT(json_read(&j, span_str(rows[i]), NULL, &a, &e), ERR_OK);
        CHECK_INT(reg_tags_read(&out, j, &a, &e), ERR_INVALID);
        arena_free(&a);
    }
}

int main(void)
{
    RUN(tags_are_put_where_they_belong);
    RUN(a_place_that_is_gone_takes_its_tags_along);
    RUN(places_are_told_with_all_their_tags);
    RUN(what_is_no_list_of_tags_is_refused);
    return REPORT();
}
