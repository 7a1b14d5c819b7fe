#include "tests/check.h"
#include "wire/api.h"

static struct arena arena;

static struct span text_of(struct buf *b)
{
    struct span s = arena_copy(&arena, buf_span(b));

    buf_free(b);
    return s;
}

static struct span schema_back(const struct api_schema *s)
{
    struct buf b = BUF_INIT(1 << 20);

    api_schema_put(&b, s);
    return text_of(&b);
}

static void what_is_read_is_written_back(void)
{
    static const char *const bodies[] = {
        "{}",
        "{\"id\":7}",
        "{\"subject\":\"s\",\"version\":1,\"id\":7,\"schema\":\"\\\"string\\\"\"}",
        "{\"subject\":\"s\",\"version\":1,\"id\":7,"
        "\"guid\":\"1d20cbb9-e5e3-5e97-54e7-da170b6e5ddb\",\"schemaType\":\"AVRO\","
        "\"references\":[{\"name\":\"a.B\",\"subject\":\"b\",\"version\":2}],"
        "\"metadata\":{\"tags\":{\"t\":[\"PII\"]}},\"ruleSet\":{\"domainRules\":[]},"
        "\"schema\":\"x\",\"ts\":1700000000123,\"deleted\":false}",
        "{\"schema\":\"caf\xc3\xa9 \\n\\\"\",\"deleted\":true,\"maxId\":9}",
    };

    for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++) {
        struct api_schema s = {0};
        struct err e = {0};

        CHECK_INT(api_schema_read(&s, span_str(bodies[i]), &arena, &e), ERR_OK);
        CHECK_SPAN(schema_back(&s), bodies[i]);
    }
}

/* What clients really send: nulls, -1, members of other releases, white space. */
static void what_says_nothing_is_not_there(void)
{
    static const char *const bodies[] = {
        "{\"schema\":\"\\\"int\\\"\",\"schemaType\":null,\"references\":null,"
        "\"metadata\":null,\"ruleSet\":null,\"version\":null,\"id\":null}",
        " { \"schema\" : \"\\\"int\\\"\" , \"version\" : -1 , \"id\" : 0,"
        "\"references\":[] }",
        "{\"schema\":\"\\\"int\\\"\",\"propagateSchemaTags\":true,\"x\":{\"id\":[1]}}",
    };

    for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++) {
        struct api_schema s = {0};
        struct err e = {0};

        CHECK_INT(api_schema_read(&s, span_str(bodies[i]), &arena, &e), ERR_OK);
        CHECK_SPAN(schema_back(&s), "{\"schema\":\"\\\"int\\\"\"}");
        CHECK(api_is_avro(&s));
    }
}

static void a_wrong_member_is_named(void)
{
    static const struct {
        const char *body, *msg;
        enum err_kind kind;
    } rows[] = {
        {"[]", "found array, wanted object", ERR_INVALID},
        {"{\"schema\":{}}", "schema: found object, wanted string", ERR_INVALID},
        {"{\"deleted\":1}", "deleted: found number, wanted true or false", ERR_INVALID},
        {"{\"references\":{}}", "references: found object, wanted array", ERR_INVALID},
        {"{\"references\":[{},{\"name\":1}]}",
         "references: 1: name: found number, wanted string", ERR_INVALID},
        {"{\"references\":[7]}", "references: 0: found number, wanted object",
         ERR_INVALID},
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct api_schema s = {.id = -7};
        struct err e = {0};

        CHECK_INT(api_schema_read(&s, span_str(rows[i].body), &arena, &e),
                  rows[i].kind);
        CHECK_STR(e.msg, rows[i].msg);
        CHECK_INT(s.id, -7);
    }

    static const char *const numbers[] = {"{\"id\":2147483648}", "{\"version\":-2}",
                                          "{\"id\":1.5}",        "{\"id\":\"1\"}",
                                          "{\"ts\":\"x\"}",      "{\"id\":1"};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        struct api_schema s = {0};
        struct err e = {0};
        CHECK_INT(api_schema_read(&s, span_str(numbers[i]), &arena, &e), ERR_INVALID);
    }
}

static void references_have_a_limit(void)
{
    struct buf b = BUF_INIT(1 << 20);
    struct api_schema s = {0};
    struct err e = {0};

    buf_put_str(&b, "{\"references\":[{}");
    for (int i = 0; i < API_REFERENCES_MOST; i++)
        buf_put_str(&b, ",{}");
    buf_put_str(&b, "]}");
    CHECK_INT(api_schema_read(&s, buf_span(&b), &arena, &e), ERR_LIMIT);
    CHECK_STR(e.msg, "references: 1001 references, at most 1000");
    buf_free(&b);
}

static struct span config_back(const struct api_config *c, enum api_config_style style)
{
    struct buf b = BUF_INIT(1 << 20);

    api_config_put(&b, c, style);
    return text_of(&b);
}

static struct api_config config(const char *body)
{
    struct api_config c = {0};
    struct err e = {0};

    CHECK_INT(api_config_read(&c, span_str(body), &arena, &e), ERR_OK);
    return c;
}

static void the_level_has_two_names(void)
{
    struct api_config set = config("{\"compatibility\":\"FULL\"}");
    struct api_config got = config("{\"compatibilityLevel\": \"FULL\", \"x\": 1}");
    enum av_level level = AV_LEVEL_NONE;

    CHECK_SPAN(config_back(&set, API_CONFIG_GET), "{\"compatibilityLevel\":\"FULL\"}");
    CHECK_SPAN(config_back(&got, API_CONFIG_SET), "{\"compatibility\":\"FULL\"}");
    CHECK(api_config_level(&set, &level));
    CHECK_INT(level, AV_LEVEL_FULL);
}

static void only_a_level_is_a_level(void)
{
    static const char *const none[] = {
        "{}", "{\"compatibility\":null}", "{\"compatibility\":3}",
        "{\"compatibility\":\"BACKWARDS\"}", "{\"compatibility\":\"\"}"};

    for (size_t i = 0; i < sizeof none / sizeof *none; i++) {
        struct api_config c = config(none[i]);
        enum av_level level = AV_LEVEL_FORWARD;
        CHECK(!api_config_level(&c, &level));
        CHECK_INT(level, AV_LEVEL_FORWARD);
    }

    struct api_config c = {0};
    struct err e = {0};
    CHECK_INT(api_config_read(&c, span_str("7"), &arena, &e), ERR_INVALID);
    CHECK_STR(e.msg, "found number, wanted object");
}

static void a_change_keeps_what_it_does_not_say(void)
{
    static const struct {
        const char *is, *change, *then;
    } rows[] = {
        {"{}", "{\"normalize\":true}", "{\"normalize\":true}"},
        {"{\"alias\":\"b\"}", "{\"normalize\":false}",
         "{\"alias\":\"b\",\"normalize\":false}"},
        {"{\"alias\":\"b\",\"compatibility\":\"NONE\"}", "{\"alias\":null}",
         "{\"compatibilityLevel\":\"NONE\"}"},
        {"{\"compatibility\":\"NONE\"}", "{\"compatibility\":null}", "{}"},
        {"{\"compatibilityGroup\":\"g\"}", "{}", "{\"compatibilityGroup\":\"g\"}"},
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct api_config c = config(rows[i].is), change = config(rows[i].change);

        api_config_change(&c, &change);
        CHECK_SPAN(config_back(&c, API_CONFIG_GET), rows[i].then);
        CHECK(api_config_is_empty(&c) == (strcmp(rows[i].then, "{}") == 0));
    }
}

static void what_a_subject_does_not_set_comes_from_the_wider_scope(void)
{
    struct api_config c = config("{\"normalize\":true,\"compatibility\":null}");
    struct api_config wider =
        config("{\"normalize\":false,\"compatibility\":\"FULL\"}");

    api_config_inherit(&c, &wider);
    CHECK_SPAN(config_back(&c, API_CONFIG_GET),
               "{\"normalize\":true,\"compatibilityLevel\":\"FULL\"}");
    CHECK(api_config_true(&c, API_NORMALIZE));
    CHECK(!api_config_true(&wider, API_NORMALIZE));
    CHECK_STR(api_config_name(API_OVERRIDE_RULES), "overrideRuleSet");
}

static void a_mode_is_one_of_five(void)
{
    static const struct {
        const char *body;
        enum api_mode mode;
    } rows[] = {{"{\"mode\":\"READWRITE\"}", API_READWRITE},
                {"{\"mode\":\"readonly\"}", API_READONLY},
                {"{\"mode\":\"READONLY_OVERRIDE\"}", API_READONLY_OVERRIDE},
                {"{\"mode\":\"Import\"}", API_IMPORT},
                {"{\"mode\":\"FORWARD\"}", API_FORWARD}};
    static const char *const bad[] = {"{}", "{\"mode\":\"WRITE\"}", "{\"mode\":1}", "[",
                                      "[]"};

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        enum api_mode mode = API_READWRITE;
        struct buf b = BUF_INIT(100);
        struct err e = {0};

        CHECK_INT(api_mode_read(&mode, span_str(rows[i].body), &arena, &e), ERR_OK);
        CHECK_INT(mode, rows[i].mode);
        api_mode_put(&b, mode);
        enum api_mode again = API_IMPORT;
        CHECK_INT(api_mode_read(&again, buf_span(&b), &arena, &e), ERR_OK);
        CHECK_INT(again, mode);
        CHECK_STR(api_mode_name(again), api_mode_name(mode));
        buf_free(&b);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        enum api_mode mode = API_FORWARD;
        struct err e = {0};
        CHECK_INT(api_mode_read(&mode, span_str(bad[i]), &arena, &e), ERR_INVALID);
        CHECK_INT(mode, API_FORWARD);
    }
}

static void an_error_is_a_code_and_a_message(void)
{
    struct buf b = BUF_INIT(200);
    struct api_error got = {0};
    struct err e = {0};

    api_error_put(&b, 40401, span_str("Subject 'a\"b' not found."));
    CHECK_SPAN(buf_span(&b),
               "{\"error_code\":40401,\"message\":\"Subject 'a\\\"b' not found.\"}");
    CHECK_INT(api_error_read(&got, buf_span(&b), &arena, &e), ERR_OK);
    CHECK_INT(got.code, 40401);
    CHECK_SPAN(got.message, "Subject 'a\"b' not found.");
    buf_free(&b);

    static const char *const bad[] = {"\"Not found\"", "{\"message\":\"x\"}", "<html>",
                                      "{\"error_code\":\"a\"}"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        CHECK_INT(api_error_read(&got, span_str(bad[i]), &arena, &e), ERR_INVALID);
    CHECK_INT(got.code, 40401);
}

static void lists_are_these_bytes(void)
{
    static const int32_t ints[] = {1, 2, 2147483647};
    const struct span texts[] = {span_str("a"), span_str(":.c:b\"")};
    const struct api_place places[] = {{span_str("a"), 1}, {span_str("b"), 2}};
    struct buf b = BUF_INIT(1000);

    api_ints_put(&b, ints, 3);
    api_ints_put(&b, ints, 0);
    api_texts_put(&b, texts, 2);
    api_texts_put(&b, texts, 0);
    api_places_put(&b, places, 2);
    api_places_put(&b, places, 0);
    CHECK_SPAN(text_of(&b), "[1,2,2147483647][][\"a\",\":.c:b\\\"\"][]"
                            "[{\"subject\":\"a\",\"version\":1},"
                            "{\"subject\":\"b\",\"version\":2}][]");
}

static void a_verdict_carries_messages_only_when_asked(void)
{
    const struct span why[] = {span_str("{oldSchemaVersion: 1}")};
    struct buf b = BUF_INIT(1000);

    api_compat_put(&b, true, NULL, 0);
    api_compat_put(&b, true, why, 0);
    api_compat_put(&b, false, why, 1);
    CHECK_SPAN(text_of(&b), "{\"is_compatible\":true}"
                            "{\"is_compatible\":true,\"messages\":[]}"
                            "{\"is_compatible\":false,"
                            "\"messages\":[\"{oldSchemaVersion: 1}\"]}");
}

int main(void)
{
    RUN(what_is_read_is_written_back);
    RUN(what_says_nothing_is_not_there);
    RUN(a_wrong_member_is_named);
    RUN(references_have_a_limit);
    RUN(the_level_has_two_names);
    RUN(only_a_level_is_a_level);
    RUN(a_change_keeps_what_it_does_not_say);
    RUN(what_a_subject_does_not_set_comes_from_the_wider_scope);
    RUN(a_mode_is_one_of_five);
    RUN(an_error_is_a_code_and_a_message);
    RUN(lists_are_these_bytes);
    RUN(a_verdict_carries_messages_only_when_asked);
    arena_free(&arena);
    return REPORT();
}
