#include "tests/check.h"
#include "wire/messages.h"

static const struct messages_old old[] = {
    {3, {(const uint8_t *)"\"int\"", 5}},
    {4, {(const uint8_t *)"\"long\"", 6}},
};

static void a_reason_reads_as_confluent_words_it(void)
{
    static const struct {
        enum av_incompat_kind kind;
        bool new_reads_old;
        const char *location, *detail, *want;
    } rows[] = {
        {AV_READER_FIELD_MISSING_DEFAULT_VALUE, true, "/fields/1", "x",
         "{errorType:'READER_FIELD_MISSING_DEFAULT_VALUE', description:'The field 'x' "
         "at "
         "path '/fields/1' in the new schema has no default value and is missing in "
         "the "
         "old schema', additionalInfo:'x'}"},
        {AV_READER_FIELD_MISSING_DEFAULT_VALUE, false, "/fields/1", "x",
         "{errorType:'READER_FIELD_MISSING_DEFAULT_VALUE', description:'The field 'x' "
         "at "
         "path '/fields/1' in the old schema has no default value and is missing in "
         "the "
         "new schema', additionalInfo:'x'}"},
        {AV_NAME_MISMATCH, true, "/name", "expected: a.B",
         "{errorType:'NAME_MISMATCH', description:'The name of the schema has changed "
         "(path '/name')', additionalInfo:'expected: a.B'}"},
        {AV_FIXED_SIZE_MISMATCH, true, "/size", "expected: 2, found: 3",
         "{errorType:'FIXED_SIZE_MISMATCH', description:'The size of FIXED type field "
         "at "
         "path '/size' in the new schema does not match with the old schema', "
         "additionalInfo:'expected: 2, found: 3'}"},
        {AV_MISSING_ENUM_SYMBOLS, false, "/symbols", "[B]",
         "{errorType:'MISSING_ENUM_SYMBOLS', description:'The old schema is missing "
         "enum "
         "symbols '[B]' at path '/symbols' in the new schema', additionalInfo:'[B]'}"},
        {AV_TYPE_MISMATCH, true, "/fields/0/type",
         "reader type: INT not compatible with writer type: STRING",
         "{errorType:'TYPE_MISMATCH', description:'The type (path '/fields/0/type') of "
         "a "
         "field in the new schema does not match with the old schema', "
         "additionalInfo:'reader type: INT not compatible with writer type: STRING'}"},
        {AV_MISSING_UNION_BRANCH, true, "/1",
         "reader union lacking writer type: STRING",
         "{errorType:'MISSING_UNION_BRANCH', description:'The new schema is missing a "
         "type inside a union field at path '/1' in the old schema', "
         "additionalInfo:'reader union lacking writer type: STRING'}"},
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const struct av_incompat reason = {.kind = rows[i].kind,
                                           .location = span_str(rows[i].location),
                                           .detail = span_str(rows[i].detail)};
        const struct av_verdict v = {.new_reads_old = rows[i].new_reads_old,
                                     .reasons = &reason};
        struct arena a = {0};
        size_t n = 0;
        const struct span *lines = messages_of(&v, old, AV_LEVEL_BACKWARD, &a, &n);

        CHECK_INT(n, 4);
        CHECK_SPAN(lines[0], rows[i].want);
        arena_free(&a);
    }
}

static void the_old_schema_and_the_level_come_last(void)
{
    const struct av_incompat second = {.kind = AV_NAME_MISMATCH};
    const struct av_incompat first = {.kind = AV_TYPE_MISMATCH, .next = &second};
    const struct av_verdict v = {.version = 1, .reasons = &first};
    struct arena a = {0};
    size_t n = 0;
    const struct span *lines = messages_of(&v, old, AV_LEVEL_FULL_TRANSITIVE, &a, &n);

    CHECK_INT(n, 5);
    CHECK_SPAN(lines[2], "{oldSchemaVersion: 4}");
    CHECK_SPAN(lines[3], "{oldSchema: '\"long\"'}");
    CHECK_SPAN(lines[4], "{validateFields: 'false', compatibility: 'FULL_TRANSITIVE'}");
    arena_free(&a);
}

int main(void)
{
    RUN(a_reason_reads_as_confluent_words_it);
    RUN(the_old_schema_and_the_level_come_last);
    return REPORT();
}
