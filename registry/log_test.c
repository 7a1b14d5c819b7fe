#include "registry/log.h"
#include "tests/check.h"

static struct arena arena;

static struct span key_of(const struct reg_event *ev)
{
    struct buf b = BUF_INIT(1 << 16);

    reg_event_put_key(&b, ev);
    struct span s = arena_copy(&arena, buf_span(&b));
    buf_free(&b);
    return s;
}

/* "null" for a tombstone. */
static struct span value_of(const struct reg_event *ev)
{
    struct buf b = BUF_INIT(1 << 16);

    if (!reg_event_put_value(&b, ev))
        buf_put_str(&b, "null");
    struct span s = arena_copy(&arena, buf_span(&b));
    buf_free(&b);
    return s;
}

static struct span value_bytes(const char *text)
{
    return text != NULL ? span_str(text) : (struct span){0};
}

/* Records as Confluent's registry writes them: read, then written to the same bytes. */
static void confluents_records_are_written_back_to_the_byte(void)
{
    static const struct {
        const char *key, *value;
        enum reg_event_kind kind;
    } rows[] = {
        {"{\"keytype\":\"SCHEMA\",\"subject\":\"s\",\"version\":1,\"magic\":1}",
         "{\"subject\":\"s\",\"version\":1,\"id\":7,\"schema\":\"\\\"string\\\"\","
         "\"deleted\":false}",
         REG_SCHEMA},
        {"{\"keytype\":\"SCHEMA\",\"subject\":\":.eu:s\",\"version\":2,\"magic\":1}",
         "{\"subject\":\":.eu:s\",\"version\":2,\"id\":8,\"references\":[{\"name\":\"a."
         "B\",\"subject\":\"b\",\"version\":1}],\"metadata\":{\"properties\":{\"k\":"
         "\"v\"}},\"ruleSet\":{\"domainRules\":[{\"name\":\"r\"}]},\"schema\":\"\\\"a."
         "B\\\"\",\"deleted\":true}",
         REG_SCHEMA},
        {"{\"keytype\":\"SCHEMA\",\"subject\":\"j\",\"version\":1,\"magic\":1}",
         "{\"subject\":\"j\",\"version\":1,\"id\":9,\"schemaType\":\"JSON\",\"schema\":"
         "\"{}\",\"deleted\":false}",
         REG_SCHEMA},
        {"{\"keytype\":\"SCHEMA\",\"subject\":\"s\",\"version\":1,\"magic\":1}", NULL,
         REG_SCHEMA},
        {"{\"keytype\":\"CONFIG\",\"subject\":\"s\",\"magic\":0}",
         "{\"subject\":\"s\",\"alias\":\"t\",\"normalize\":true,"
         "\"compatibilityLevel\":\"FULL\",\"compatibilityGroup\":\"g\"}",
         REG_CONFIG},
        {"{\"keytype\":\"CONFIG\",\"magic\":0}", "{\"compatibilityLevel\":\"NONE\"}",
         REG_CONFIG},
        {"{\"keytype\":\"CONFIG\",\"subject\":\"s\",\"magic\":0}", NULL, REG_CONFIG},
        {"{\"keytype\":\"MODE\",\"subject\":\"s\",\"magic\":0}",
         "{\"subject\":\"s\",\"mode\":\"READONLY\"}", REG_MODE},
        {"{\"keytype\":\"MODE\",\"magic\":0}", "{\"mode\":\"IMPORT\"}", REG_MODE},
        {"{\"keytype\":\"DELETE_SUBJECT\",\"subject\":\"s\",\"magic\":0}",
         "{\"subject\":\"s\",\"version\":3}", REG_DELETE_SUBJECT},
        {"{\"keytype\":\"CLEAR_SUBJECT\",\"subject\":\"s\",\"magic\":0}",
         "{\"subject\":\"s\"}", REG_CLEAR_SUBJECT},
        {"{\"keytype\":\"NOOP\",\"magic\":0}", NULL, REG_NOOP},
        {"{\"keytype\":\"CONTEXT\",\"tenant\":\"default\",\"context\":\".eu\","
         "\"magic\":0}",
         "{\"tenant\":\"default\",\"context\":\".eu\"}", REG_CONTEXT},
        {"{\"keytype\":\"SCHEMA\",\"subject\":\"q\\\"\\\\\\n\xc3\xa9\",\"version\":1,"
         "\"magic\":1}",
         NULL, REG_SCHEMA},
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct reg_event ev = {0};
        struct err e = {0};

        CHECK_INT(reg_event_read(&ev, span_str(rows[i].key), value_bytes(rows[i].value),
                                 &arena, &e),
                  ERR_OK);
        CHECK_STR(e.msg, "");
        CHECK_INT(ev.kind, rows[i].kind);
        CHECK_INT(ev.gone, rows[i].value == NULL);
        CHECK_INT(ev.odd_key.n, 0);
        CHECK_SPAN(key_of(&ev), rows[i].key);
        CHECK_SPAN(value_of(&ev), rows[i].value != NULL ? rows[i].value : "null");
    }
}

/* Karapace, Redpanda and old Confluent releases. */
static void other_peoples_keys_mean_the_same_and_are_remembered(void)
{
    static const struct {
        const char *key;
        enum reg_event_kind kind;
        const char *ours;
    } rows[] = {
        {"{\"keytype\":\"SCHEMA\",\"subject\":\"s\",\"version\":1,\"magic\":0}",
         REG_SCHEMA,
         "{\"keytype\":\"SCHEMA\",\"subject\":\"s\",\"version\":1,\"magic\":1}"},
        {"{\"subject\":\"s\",\"version\":1,\"magic\":1,\"keytype\":\"SCHEMA\"}",
         REG_SCHEMA,
         "{\"keytype\":\"SCHEMA\",\"subject\":\"s\",\"version\":1,\"magic\":1}"},
        {"{\"keytype\":\"SCHEMA\",\"subject\":\"s\",\"version\":1,\"magic\":1,\"seq\":"
         "9,"
         "\"node\":2}",
         REG_SCHEMA,
         "{\"keytype\":\"SCHEMA\",\"subject\":\"s\",\"version\":1,\"magic\":1}"},
        {"{\"keytype\": \"CONFIG\", \"subject\": null, \"magic\": 0}", REG_CONFIG,
         "{\"keytype\":\"CONFIG\",\"magic\":0}"},
        {"{\"keytype\":\"MODE\",\"subject\":null,\"magic\":0}", REG_MODE,
         "{\"keytype\":\"MODE\",\"magic\":0}"},
        {"{\"keytype\":\"NOOP\"}", REG_NOOP, "{\"keytype\":\"NOOP\",\"magic\":0}"},
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct reg_event ev = {0};
        struct err e = {0};

        CHECK_INT(
            reg_event_read(&ev, span_str(rows[i].key), (struct span){0}, &arena, &e),
            ERR_OK);
        CHECK_INT(ev.kind, rows[i].kind);
        CHECK_SPAN(ev.odd_key, rows[i].key);
        CHECK_SPAN(key_of(&ev), rows[i].key);
        ev.odd_key = (struct span){0};
        CHECK_SPAN(key_of(&ev), rows[i].ours);
    }
}

static void values_are_read_liberally(void)
{
    static const char key[] =
        "{\"keytype\":\"SCHEMA\",\"subject\":\"s\",\"version\":4,\"magic\":1}";
    struct reg_event ev = {0};
    struct err e = {0};

    CHECK_INT(reg_event_read(&ev, span_str(key),
                             span_str("{\"deleted\":true,\"schema\":\"\\\"int\\\"\","
                                      "\"offset\":12,\"ts\":99,\"id\":5,\"x\":[1],"
                                      "\"schemaType\":\"AVRO\",\"md5\":null}"),
                             &arena, &e),
              ERR_OK);
    CHECK_INT(ev.version, 4);
    CHECK_INT(ev.schema.id, 5);
    CHECK_SPAN(value_of(&ev), "{\"subject\":\"s\",\"version\":4,\"id\":5,"
                              "\"schema\":\"\\\"int\\\"\",\"deleted\":true}");

    CHECK_INT(reg_event_read(&ev, span_str("{\"keytype\":\"ASSOC\",\"tenant\":\"d\"}"),
                             span_str("anything"), &arena, &e),
              ERR_OK);
    CHECK_INT(ev.kind, REG_FOREIGN);
    CHECK_INT(reg_event_read(&ev, span_str("{\"keytype\":\"NOOP\",\"magic\":0}"),
                             span_str("not json"), &arena, &e),
              ERR_OK);
}

static void what_is_no_record_says_why(void)
{
    static const struct {
        const char *key, *value, *msg;
    } rows[] = {
        {NULL, "{}", "a record without a key"},
        {"[]", "{}", "key: found array, wanted object"},
        {"{}", "{}", "key: keytype is missing"},
        {"{\"keytype\":7}", "{}", "key: keytype: found number, wanted string"},
        {"{\"keytype\":\"SCHEMA\",\"subject\":\"s\"}", NULL, "key: version is missing"},
        {"{\"keytype\":\"SCHEMA\",\"version\":1}", NULL, "key: subject is missing"},
        {"{\"keytype\":\"SCHEMA\",\"subject\":\"s\",\"version\":1}", "{}",
         "value: id is missing"},
        {"{\"keytype\":\"SCHEMA\",\"subject\":\"s\",\"version\":1}", "{\"id\":1}",
         "value: schema is missing"},
        {"{\"keytype\":\"MODE\"}", "{\"mode\":\"X\"}", "value: mode \"X\""},
        {"{\"keytype\":\"DELETE_SUBJECT\",\"subject\":\"s\"}", "{}",
         "value: version is missing"},
        {"{\"keytype\":\"CONFIG\"}", "7", "value: found number, wanted object"},
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct reg_event ev = {.version = -7};
        struct err e = {0};

        CHECK_INT(reg_event_read(&ev, value_bytes(rows[i].key),
                                 value_bytes(rows[i].value), &arena, &e),
                  ERR_INVALID);
        CHECK_STR(e.msg, rows[i].msg);
        CHECK_INT(ev.version, -7);
    }

    static const char *const keys[] = {
        "",
        "garbage",
        "\xff\xfe",
        "{\"keytype\":\"NOOP\",\"magic\":2}",
        "{\"keytype\":\"SCHEMA\",\"subject\":\"s\",\"version\":0,\"magic\":1}",
        "{\"keytype\":\"SCHEMA\",\"subject\":\"s\",\"version\":\"1\",\"magic\":1}"};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        struct reg_event ev = {0};
        struct err e = {0};
        CHECK_INT(reg_event_read(&ev, span_str(keys[i]), (struct span){0}, &arena, &e),
                  ERR_INVALID);
    }
}

/* A tombstone is a null value; an empty one is a value, and wrong. */
static void an_empty_value_is_no_tombstone(void)
{
    struct reg_event ev = {0};
    struct err e = {0};

    CHECK_INT(reg_event_read(&ev, span_str("{\"keytype\":\"CONFIG\",\"magic\":0}"),
                             span_str(""), &arena, &e),
              ERR_INVALID);
}

int main(void)
{
    RUN(confluents_records_are_written_back_to_the_byte);
    RUN(other_peoples_keys_mean_the_same_and_are_remembered);
    RUN(values_are_read_liberally);
    RUN(what_is_no_record_says_why);
    RUN(an_empty_value_is_no_tombstone);
    arena_free(&arena);
    return REPORT();
}
