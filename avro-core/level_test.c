#include "avro-core/compat.h"
#include "tests/check.h"

#include <stdio.h>

#define R(fields) "{\"type\":\"record\",\"name\":\"R\",\"fields\":[" fields "]}"
#define A "{\"name\":\"a\",\"type\":\"int\"}"
#define B "{\"name\":\"b\",\"type\":\"int\"}"
#define B0 "{\"name\":\"b\",\"type\":\"int\",\"default\":0}"

static struct av_schema *parsed(const char *text)
{
    struct av_schema *s = NULL;
    struct err e = {0};

    CHECK_INT(av_schema_parse(&s, span_str(text), NULL, 0, NULL, &e), ERR_OK);
    return s;
}

/* "0b 1f": versions and directions, in the order they come. */
static void put_verdicts(struct buf *out, const struct av_verdict *v)
{
    for (; v != NULL; v = v->next) {
        CHECK(v->reasons != NULL);
        buf_printf(out, "%s%zu%c", out->n > 0 ? " " : "", v->version,
                   v->new_reads_old ? 'b' : 'f');
    }
}

static void a_level_says_which_versions_count_and_which_way(void)
{
    static const char *const old[] = {R(A), R(A "," B)}; // oldest first
    static const struct {
        enum av_level level;
        const char *fresh, *verdicts;
    } t[] = {
        {AV_LEVEL_NONE, "\"string\"", ""},
        {AV_LEVEL_BACKWARD, R(A "," B), ""},
        {AV_LEVEL_BACKWARD, "\"string\"", "1b"},
        {AV_LEVEL_BACKWARD_TRANSITIVE, R(A "," B), "0b"},
        {AV_LEVEL_BACKWARD_TRANSITIVE, R(A "," B0), ""},
        {AV_LEVEL_FORWARD, R(A), "1f"},
        {AV_LEVEL_FORWARD, R(A "," B0), ""},
        {AV_LEVEL_FORWARD_TRANSITIVE, R(A), "1f"},
        {AV_LEVEL_FORWARD_TRANSITIVE, R(""), "1f 0f"},
        {AV_LEVEL_FULL, R(A), "1f"},
        {AV_LEVEL_FULL, R(A "," B), ""},
        {AV_LEVEL_FULL, "\"string\"", "1b 1f"},
        {AV_LEVEL_FULL_TRANSITIVE, "\"string\"", "1b 1f 0b 0f"},
        {AV_LEVEL_FULL_TRANSITIVE, R(A "," B0), ""},
        {AV_LEVEL_FULL_TRANSITIVE, R(A "," B), "0b"},
    };
    struct av_schema *olds[2] = {parsed(old[0]), parsed(old[1])};
    const struct av_schema *versions[2] = {olds[0], olds[1]};

    for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
        struct av_schema *fresh = parsed(t[i].fresh);
        struct arena a = {0};
        struct buf out = BUF_INIT(100);

        put_verdicts(&out, av_compat_level(t[i].level, fresh, versions, 2, &a));
        CHECK_SPAN(buf_span(&out), t[i].verdicts);
        buf_free(&out);
        arena_free(&a);
        av_schema_release(fresh);
    }
    av_schema_release(olds[0]);
    av_schema_release(olds[1]);
}

static void the_first_version_is_always_welcome(void)
{
    struct av_schema *fresh = parsed("\"int\"");
    struct arena a = {0};

    for (int l = AV_LEVEL_NONE; l <= AV_LEVEL_FULL_TRANSITIVE; l++)
        CHECK(av_compat_level((enum av_level)l, fresh, NULL, 0, &a) == NULL);
    arena_free(&a);
    av_schema_release(fresh);
}

static void level_names_are_read_in_any_case_and_written_in_capitals(void)
{
    enum av_level l = AV_LEVEL_NONE;
    struct err e = {0};

    for (int i = AV_LEVEL_NONE; i <= AV_LEVEL_FULL_TRANSITIVE; i++) {
        CHECK_INT(av_level_read(&l, span_str(av_level_name((enum av_level)i)), &e),
                  ERR_OK);
        CHECK_INT(l, i);
    }
    CHECK_INT(av_level_read(&l, span_str("full_Transitive"), &e), ERR_OK);
    CHECK_INT(l, AV_LEVEL_FULL_TRANSITIVE);
    CHECK_STR(av_level_name(l), "FULL_TRANSITIVE");
}

static void an_unknown_level_is_answered_with_the_known_ones(void)
{
    enum av_level l = AV_LEVEL_FULL;
    struct err e = {0};

    CHECK_INT(av_level_read(&l, span_str("BACKWARDS"), &e), ERR_INVALID);
    CHECK_STR(e.msg,
              "level \"BACKWARDS\": wanted NONE, BACKWARD, FORWARD or FULL, or one "
              "of the last three with _TRANSITIVE");
    CHECK_INT(av_level_read(&l, span_str(""), &e), ERR_INVALID);
    CHECK_INT(l, AV_LEVEL_FULL);
}

int main(void)
{
    RUN(a_level_says_which_versions_count_and_which_way);
    RUN(the_first_version_is_always_welcome);
    RUN(level_names_are_read_in_any_case_and_written_in_capitals);
    RUN(an_unknown_level_is_answered_with_the_known_ones);
    return REPORT();
}
