#include "avro-core/compat.h"
#include "tests/vectors.h"

#define RECORD(name, fields) \
    "{\"type\":\"record\",\"name\":\"" name "\",\"fields\":[" fields "]}"
#define FIELD(name, type) "{\"name\":\"" name "\",\"type\":" type "}"

static struct av_schema *parsed(struct span text)
{
    struct av_schema *s = NULL;
    struct err e = {0};

    CHECK_INT(av_schema_parse(&s, text, NULL, 0, NULL, &e), ERR_OK);
    if (s == NULL)
        printf("    %s\n    %.*s\n", e.msg, (int)text.n, (const char *)text.p);
    return s;
}

/* Java's three words for each reason, one line each. */
static void put_wanted(struct buf *out, const struct json *reasons)
{
    for (const struct json *r = reasons->first; r != NULL; r = r->next) {
        for (const struct json *word = r->first; word != NULL; word = word->next) {
            buf_put(out, word->text);
            buf_put_u8(out, word->next != NULL ? ' ' : '\n');
        }
    }
}

static void put_got(struct buf *out, const struct av_incompat *r)
{
    for (; r != NULL; r = r->next)
        buf_printf(out, "%s %.*s %.*s\n", av_incompat_kind_name(r->kind),
                   (int)r->location.n, (const char *)r->location.p, (int)r->detail.n,
                   (const char *)r->detail.p);
}

static void compare_one(const struct json *line)
{
    struct av_schema *reader = parsed(vectors_text(line, "reader"));
    struct av_schema *writer = parsed(vectors_text(line, "writer"));
    struct buf got = BUF_INIT(1 << 20), want = BUF_INIT(1 << 20);
    struct arena a = {0};

    if (reader != NULL && writer != NULL) {
        const struct av_incompat *r = av_compat(reader, writer, 0, &a);
        if (json_member(line, "reasons") != NULL) {
            put_wanted(&want, json_member(line, "reasons"));
            put_got(&got, r);
            vectors_same("reasons", buf_span(&got), buf_span(&want));
        } else {
            CHECK(r != NULL); // Java throws: that is no yes
        }
    }
    arena_free(&a);
    buf_free(&got);
    buf_free(&want);
    av_schema_release(reader);
    av_schema_release(writer);
}

static void the_reasons_are_Javas_in_its_order(void)
{
    CHECK(vectors_each("tests/vectors/schema/compat.ndjson", compare_one) >= 100);
}

/* The first reason, or NULL; `s` is for the caller to release. */
static const struct av_incompat *first_reason(const char *reader, const char *writer,
                                              struct av_schema *s[2], struct arena *a)
{
    s[0] = parsed(span_str(reader));
    s[1] = parsed(span_str(writer));
    return s[0] != NULL && s[1] != NULL ? av_compat(s[0], s[1], 0, a) : NULL;
}

static void paths_lead_to_the_place_in_both_texts(void)
{
    static const struct {
        const char *reader, *writer, *reader_path, *writer_path;
    } t[] = {
        {"\"int\"", "\"string\"", "", ""},
        {RECORD("R", FIELD("a", "\"int\"") "," FIELD("b", "\"int\"")),
         RECORD("R", FIELD("a", "\"int\"")), "/fields/1", ""},
        {RECORD("R", FIELD("b", "\"int\"") "," FIELD("a", "\"int\"")),
         RECORD("R", FIELD("a", "\"null\"") "," FIELD("b", "\"int\"")),
         "/fields/1/type", "/fields/0/type"},
        {"{\"type\":\"array\",\"items\":{\"type\":\"map\",\"values\":\"int\"}}",
         "{\"type\":\"array\",\"items\":{\"type\":\"map\",\"values\":\"null\"}}",
         "/items/values", "/items/values"},
        {"[\"null\",\"int\"]", "[\"null\",\"string\"]", "", "/1"},
        {RECORD("S", ""), RECORD("R", ""), "/name", "/name"},
        /* used by name in /fields/1, defined in /fields/0 and the other way round */
        {RECORD("R", "{\"name\":\"a\",\"default\":null,\"type\":[\"null\"," RECORD(
                         "I", FIELD("x", "\"int\"")) "]}," FIELD("b", "\"I\"")),
         RECORD("R", FIELD("b", RECORD("I", FIELD("x", "\"null\"")))),
         "/fields/0/type/1/fields/0/type", "/fields/0/type/fields/0/type"},
        {RECORD("R", FIELD("b", "\"I\"") "," FIELD(
                         "a", "[\"null\"," RECORD("I", FIELD("x", "\"int\"")) "]")),
         RECORD("R", FIELD("a", "\"null\"") "," FIELD(
                         "b", RECORD("I", FIELD("x", "\"null\"")))),
         "/fields/1/type/1/fields/0/type", "/fields/1/type/fields/0/type"},
        {RECORD("R", FIELD("n", "[\"null\",\"R\"]") "," FIELD("v", "\"int\"")),
         RECORD("R", FIELD("n", "[\"null\",\"R\"]") "," FIELD("v", "\"null\"")),
         "/fields/1/type", "/fields/1/type"},
        {"/* why */" RECORD(
             "R",
             FIELD("a", RECORD("I", FIELD("x", "\"int\""))) "," FIELD("b", "\"I\"")),
         RECORD("R", FIELD("a", RECORD("I", FIELD("x", "\"int\""))) "," FIELD(
                         "b", RECORD("J", ""))),
         "/fields/0/type/name", "/fields/1/type/name"},
        {"/* why */" RECORD("R", FIELD("a", "\"int\"")), RECORD("R", ""), "/fields/0",
         ""},
    };

    for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
        struct av_schema *s[2];
        struct arena a = {0};
        const struct av_incompat *r = first_reason(t[i].reader, t[i].writer, s, &a);

        CHECK(r != NULL);
        if (r != NULL) {
            CHECK_SPAN(r->reader_path, t[i].reader_path);
            CHECK_SPAN(r->writer_path, t[i].writer_path);
        }
        arena_free(&a);
        av_schema_release(s[0]);
        av_schema_release(s[1]);
    }
}

static void messages_say_what_was_found_and_what_was_wanted(void)
{
    static const struct {
        const char *reader, *writer, *message;
    } t[] = {
        {"\"int\"", "\"string\"",
         "a reader's int cannot be read from a writer's string"},
        {"[\"null\",\"int\"]", RECORD("a.R", ""),
         "no branch of the reader's union [null, int] takes a writer's record a.R"},
        {RECORD("R", FIELD("x", "\"int\"")), RECORD("R", ""),
         "field \"x\" of the reader's record R has no default, and the writer has no "
         "such field"},
        {RECORD("R", ""), RECORD("S", ""),
         "the reader's record R is the writer's S: the names differ, and no alias of "
         "the "
         "reader's is the writer's"},
        {"{\"type\":\"fixed\",\"name\":\"F\",\"size\":4}",
         "{\"type\":\"fixed\",\"name\":\"F\",\"size\":8}",
         "fixed F has 4 bytes for the reader, 8 for the writer"},
        {"{\"type\":\"enum\",\"name\":\"E\",\"symbols\":[\"A\"]}",
         "{\"type\":\"enum\",\"name\":\"E\",\"symbols\":[\"C\",\"A\",\"B\"]}",
         "the reader's enum E has no default and lacks symbols of the writer's: [B, "
         "C]"},
    };

    for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
        struct av_schema *s[2];
        struct arena a = {0};
        const struct av_incompat *r = first_reason(t[i].reader, t[i].writer, s, &a);

        CHECK(r != NULL);
        if (r != NULL)
            vectors_same("message", r->message, span_str(t[i].message));
        arena_free(&a);
        av_schema_release(s[0]);
        av_schema_release(s[1]);
    }
}

static size_t count(const struct av_incompat *r)
{
    size_t n = 0;

    for (; r != NULL; r = r->next)
        n++;
    return n;
}

/* A record of `n` fields of `type`. */
static struct av_schema *wide(size_t n, const char *type)
{
    struct buf text = BUF_INIT(1 << 24);

    buf_put_str(&text, "{\"type\":\"record\",\"name\":\"R\",\"fields\":[");
    for (size_t i = 0; i < n; i++)
        buf_printf(&text, "%s{\"name\":\"f%zu\",\"type\":%s}", i > 0 ? "," : "", i,
                   type);
    buf_put_str(&text, "]}");
    struct av_schema *s = parsed(buf_span(&text));
    buf_free(&text);
    return s;
}

static void no_more_reasons_are_gathered_than_asked_for(void)
{
    struct av_schema *r = wide(1200, "\"int\""), *w = wide(1200, "\"null\"");
    struct arena a = {0};

    CHECK_INT(count(av_compat(r, w, 3, &a)), 3);
    CHECK_INT(count(av_compat(r, w, 0, &a)), 1000);
    CHECK_INT(count(av_compat(r, w, 2000, &a)), 1200);
    arena_free(&a);
    av_schema_release(r);
    av_schema_release(w);
}

/* Record i holds record i + 1 twice: 2^n ways through, and as many reasons at the end.
 */
static struct av_schema *doubling(int n, const char *last)
{
    struct buf text = BUF_INIT(1 << 20);

    buf_put_u8(&text, '[');
    for (int i = 0; i < n; i++) {
        char next[20];
        snprintf(next, sizeof next, "\"R%d\"", i + 1);
        const char *type = i + 1 < n ? next : last;
        buf_printf(&text,
                   "%s{\"type\":\"record\",\"name\":\"R%d\",\"fields\":["
                   "{\"name\":\"a\",\"type\":%s},{\"name\":\"b\",\"type\":%s}]}",
                   i > 0 ? "," : "", i, type, type);
    }
    buf_put_u8(&text, ']');
    struct av_schema *s = parsed(buf_span(&text));
    buf_free(&text);
    return s;
}

static void a_pair_is_compared_once_however_many_ways_lead_to_it(void)
{
    struct av_schema *r = doubling(40, "\"int\""), *w = doubling(40, "\"string\"");
    struct arena a = {0};

    CHECK(av_compat(r, r, 0, &a) == NULL);
    CHECK_INT(count(av_compat(r, w, 0, &a)), 40); // of the union, one for each branch
    arena_free(&a);
    av_schema_release(r);
    av_schema_release(w);
}

static void what_is_too_deep_to_be_compared_is_not_compatible(void)
{
    struct av_schema *s = doubling(1000, "\"int\"");
    struct arena a = {0};

    const struct av_incompat *r = av_compat(s, s, 0, &a);
    CHECK_INT(count(r), 1);
    if (r != NULL) {
        CHECK_INT(r->kind, AV_TYPE_MISMATCH);
        CHECK_SPAN(r->detail, "schemas too large to be compared");
    }
    arena_free(&a);
    av_schema_release(s);
}

/* Every branch of one against every branch of the other, none of which match. */
static struct av_schema *many_branches(size_t n, const char *name)
{
    struct buf text = BUF_INIT(1 << 24);

    buf_put_u8(&text, '[');
    for (size_t i = 0; i < n; i++)
        buf_printf(&text, "%s{\"type\":\"fixed\",\"name\":\"%s%zu\",\"size\":1}",
                   i > 0 ? "," : "", name, i);
    buf_put_u8(&text, ']');
    struct av_schema *s = parsed(buf_span(&text));
    buf_free(&text);
    return s;
}

/* Two unions of `n` records that all have the same fields, under different names. */
static struct av_schema *many_records(size_t n, const char *name)
{
    struct buf text = BUF_INIT(1 << 24);

    buf_put_u8(&text, '[');
    for (size_t i = 0; i < n; i++)
        buf_printf(&text,
                   "%s{\"type\":\"record\",\"name\":\"%s%zu\",\"fields\":["
                   "{\"name\":\"id\",\"type\":[\"null\",\"long\"]},"
                   "{\"name\":\"f%zu\",\"type\":\"int\"}]}",
                   i > 0 ? "," : "", name, i, i);
    buf_put_u8(&text, ']');
    struct av_schema *s = parsed(buf_span(&text));
    buf_free(&text);
    return s;
}

static void an_envelope_of_hundreds_of_events_is_compared_to_the_end(void)
{
    struct av_schema *r = many_records(400, "Event"), *w = many_records(400, "Other");
    struct arena a = {0};

    CHECK(av_compat(r, r, 0, &a) == NULL);
    const struct av_incompat *reasons = av_compat(r, w, 0, &a);
    CHECK_INT(count(reasons), 400);
    for (; reasons != NULL; reasons = reasons->next)
        CHECK_INT(reasons->kind, AV_MISSING_UNION_BRANCH);
    arena_free(&a);
    av_schema_release(r);
    av_schema_release(w);
}

/* Tried as a branch first, where only yes or no counts, then asked for by itself. */
static void a_pair_that_failed_in_haste_is_explained_when_asked(void)
{
    struct av_schema *s[2];
    struct buf text[2] = {BUF_INIT(1 << 24), BUF_INIT(1 << 24)};
    struct arena a = {0};

    for (int side = 0; side < 2; side++) {
        buf_put_str(&text[side], "{\"type\":\"record\",\"name\":\"R\",\"fields\":["
                                 "{\"name\":\"u\",\"type\":[");
        for (int i = 0; i < 400; i++)
            buf_printf(&text[side],
                       "{\"type\":\"fixed\",\"name\":\"%c%d\",\"size\":1},",
                       side == 0 ? 'A' : 'B', i);
        buf_printf(&text[side],
                   RECORD("X", FIELD("x", "%s")) "]}," FIELD("x", "\"X\"") "]}",
                   side == 0 ? "\"int\"" : "\"null\"");
        s[side] = parsed(buf_span(&text[side]));
        buf_free(&text[side]);
    }
    const struct av_incompat *last = av_compat(s[0], s[1], 0, &a);
    CHECK_INT(count(last), 402);
    while (last != NULL && last->next != NULL)
        last = last->next;
    if (last != NULL) {
        CHECK_INT(last->kind, AV_TYPE_MISMATCH);
        CHECK_SPAN(last->reader_path, "/fields/0/type/400/fields/0/type");
        CHECK(last->message.n > 0);
    }
    arena_free(&a);
    av_schema_release(s[0]);
    av_schema_release(s[1]);
}

static void what_is_too_wide_to_be_compared_is_not_compatible(void)
{
    struct av_schema *r = many_branches(3000, "A"), *w = many_branches(3000, "B");
    struct arena a = {0};

    const struct av_incompat *reasons = av_compat(r, w, 0, &a);
    CHECK_INT(count(reasons), 1);
    if (reasons != NULL)
        CHECK_SPAN(reasons->detail, "schemas too large to be compared");
    arena_free(&a);
    av_schema_release(r);
    av_schema_release(w);
}

int main(void)
{
    RUN(the_reasons_are_Javas_in_its_order);
    RUN(paths_lead_to_the_place_in_both_texts);
    RUN(messages_say_what_was_found_and_what_was_wanted);
    RUN(no_more_reasons_are_gathered_than_asked_for);
    RUN(a_pair_is_compared_once_however_many_ways_lead_to_it);
    RUN(what_is_too_deep_to_be_compared_is_not_compatible);
    RUN(an_envelope_of_hundreds_of_events_is_compared_to_the_end);
    RUN(a_pair_that_failed_in_haste_is_explained_when_asked);
    RUN(what_is_too_wide_to_be_compared_is_not_compatible);
    return REPORT();
}
