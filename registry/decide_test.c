#include "registry/decide.h"
#include "tests/check.h"
#include "wire/status.h"

/* A registry without Kafka: what is decided is written to bytes and read from them. */
static struct arena arena;
static struct reg_state state;
static struct reg_rules rules;
static struct buf lines; // the records of the last command, "key value\n"

static void write_and_apply(const struct reg_event *ev)
{
    struct buf key = BUF_INIT(1 << 20), value = BUF_INIT(1 << 20);
    struct reg_event back = {0};
    struct err e = {0};

    reg_event_put_key(&key, ev);
    bool there = reg_event_put_value(&value, ev);
    buf_put(&lines, buf_span(&key));
    buf_put_u8(&lines, ' ');
    buf_put(&lines, there ? buf_span(&value) : span_str("null"));
    buf_put_u8(&lines, '\n');

    CHECK_INT(reg_event_read(&back, buf_span(&key),
                             there ? buf_span(&value) : (struct span){0}, &arena, &e),
              ERR_OK);
    CHECK_STR(e.msg, "");
    reg_state_apply(&state, &back);
    buf_free(&key);
    buf_free(&value);
}

static struct reg_decision run(const struct reg_command *c)
{
    struct reg_decision d;

    reg_decide(&d, &state, c, &rules, &arena);
    buf_reset(&lines);
    for (size_t i = 0; i < d.n; i++)
        write_and_apply(&d.events[i]);
    return d;
}

static bool wrote(const char *text)
{
    return memmem(lines.p, lines.n, text, strlen(text)) != NULL;
}

static void fresh(void)
{
    reg_state_free(&state);
    rules = (struct reg_rules){0};
    lines.limit = 1 << 20;
}

static struct reg_decision submit(const char *subject, const char *schema)
{
    return run(&(struct reg_command){.verb = REG_DO_REGISTER,
                                     .subject = span_str(subject),
                                     .schema = {.schema = span_str(schema)}});
}

static struct reg_decision set(const char *subject, const char *body)
{
    struct reg_command c = {.verb = REG_DO_SET_CONFIG, .subject = span_str(subject)};
    struct err e = {0};

    CHECK_INT(api_config_read(&c.config, span_str(body), &arena, &e), ERR_OK);
    return run(&c);
}

static struct reg_decision delete_version(const char *subject, int32_t v,
                                          bool permanent)
{
    return run(&(struct reg_command){.verb = REG_DO_DELETE_VERSION,
                                     .subject = span_str(subject),
                                     .version = v,
                                     .permanent = permanent});
}

static struct reg_decision delete_subject(const char *subject, bool permanent)
{
    return run(&(struct reg_command){.verb = REG_DO_DELETE_SUBJECT,
                                     .subject = span_str(subject),
                                     .permanent = permanent});
}

static void record(const char *key, const char *value)
{
    struct reg_event ev = {0};
    struct err e = {0};
    struct span v = value != NULL ? span_str(value) : (struct span){0};

    CHECK_INT(reg_event_read(&ev, span_str(key), v, &arena, &e), ERR_OK);
    reg_state_apply(&state, &ev);
}

#define V1                                                                      \
    "{\"type\":\"record\",\"name\":\"R\",\"fields\":[{\"name\":\"a\",\"type\":" \
    "\"int\"}]}"
#define V2                                                                      \
    "{\"type\":\"record\",\"name\":\"R\",\"fields\":[{\"name\":\"a\",\"type\":" \
    "\"int\"},{"                                                                \
    "\"name\":\"b\",\"type\":\"int\",\"default\":0}]}"
#define BAD                                                                     \
    "{\"type\":\"record\",\"name\":\"R\",\"fields\":[{\"name\":\"a\",\"type\":" \
    "\"int\"},{"                                                                \
    "\"name\":\"c\",\"type\":\"int\"}]}"

static void the_first_schema_gets_id_and_version_one(void)
{
    fresh();
    struct reg_decision d = submit("s", " { \"type\" : \"string\" } ");

    CHECK_INT(d.no.code, 0);
    CHECK_INT(d.id, 1);
    CHECK_INT(d.version, 1);
    CHECK_SPAN(
        buf_span(&lines),
        "{\"keytype\":\"SCHEMA\",\"subject\":\"s\",\"version\":1,\"magic\":1} "
        "{\"subject\":\"s\",\"version\":1,\"id\":1,\"schema\":\"\\\"string\\\"\","
        "\"deleted\":false}\n");
}

static void the_same_schema_is_no_write(void)
{
    fresh();
    submit("s", V1);
    struct reg_decision d = submit("s", " " V1 " ");

    CHECK_INT(d.n, 0);
    CHECK_INT(d.id, 1);
    CHECK_INT(d.version, 1);
}

static void another_subject_shares_the_id(void)
{
    fresh();
    submit("s", V1);
    submit("s", V2);
    struct reg_decision d = submit("t", V2);

    CHECK_INT(d.id, 2);
    CHECK_INT(d.version, 1);
    CHECK_INT(d.n, 1);
}

static void another_context_counts_from_one_again(void)
{
    fresh();
    submit("s", V1);
    struct reg_decision d = submit(":.eu:s", V2);

    CHECK_INT(d.id, 1);
    CHECK_SPAN(
        buf_span(&lines),
        "{\"keytype\":\"CONTEXT\",\"tenant\":\"default\",\"context\":\".eu\","
        "\"magic\":0} {\"tenant\":\"default\",\"context\":\".eu\"}\n"
        "{\"keytype\":\"SCHEMA\",\"subject\":\":.eu:s\",\"version\":1,\"magic\":1} "
        "{\"subject\":\":.eu:s\",\"version\":1,\"id\":1,\"schema\":\"{\\\"type\\\":"
        "\\\"record\\\",\\\"name\\\":\\\"R\\\",\\\"fields\\\":[{\\\"name\\\":"
        "\\\"a\\\",\\\"type\\\":\\\"int\\\"},{\\\"name\\\":\\\"b\\\",\\\"type\\\":"
        "\\\"int\\\",\\\"default\\\":0}]}\",\"deleted\":false}\n");
    CHECK_INT(submit(":.eu:s2", V1).n, 1); // the context is born once
}

static void one_subject_has_one_name_in_the_log(void)
{
    fresh();
    submit(":.:s", "\"int\"");
    CHECK(reg_subject_of(&state, span_str("s")) != NULL);
    CHECK_INT(submit("s", "\"int\"").n, 0);
    CHECK(!wrote(":.:"));
}

static void an_evolution_gets_the_next_version(void)
{
    fresh();
    submit("s", V1);
    struct reg_decision d = submit("s", V2);

    CHECK_INT(d.id, 2);
    CHECK_INT(d.version, 2);
}

static void an_incompatible_schema_says_why(void)
{
    fresh();
    submit("s", V1);
    struct reg_decision d = submit("s", BAD);

    CHECK_INT(d.no.code, 409);
    CHECK_INT(d.n, 0);
    CHECK_SPAN(
        d.no.message,
        "Schema being registered is incompatible with an earlier schema for "
        "subject \"s\", details: [{errorType:'READER_FIELD_MISSING_DEFAULT_VALUE', "
        "description:'The field 'c' at path '/fields/1' in the new schema has no "
        "default value and is missing in the old schema', additionalInfo:'c'}, "
        "{oldSchemaVersion: 1}, {oldSchema: '" V1 "'}, {validateFields: 'false', "
        "compatibility: 'BACKWARD'}]");
    rules.code_40901 = true;
    CHECK_INT(submit("s", BAD).no.code, 40901);
}

static void force_and_level_none_let_it_pass(void)
{
    fresh();
    submit("s", V1);
    struct reg_decision d =
        run(&(struct reg_command){.verb = REG_DO_REGISTER,
                                  .subject = span_str("s"),
                                  .schema = {.schema = span_str(BAD)},
                                  .force = true});
    CHECK_INT(d.version, 2);

    fresh();
    submit("s", V1);
    set("s", "{\"compatibility\":\"NONE\"}");
    CHECK_INT(submit("s", BAD).version, 2);
}

static void a_transitive_level_looks_at_all_versions(void)
{
    static const struct {
        const char *level;
        int code;
    } rows[] = {{"BACKWARD", 0}, {"BACKWARD_TRANSITIVE", 409}};

    for (size_t i = 0; i < 2; i++) {
        fresh();
        set("", "{\"compatibility\":\"NONE\"}");
        submit("s", "\"int\"");
        submit("s", "\"string\"");
        struct buf b = BUF_INIT(100);
        buf_printf(&b, "{\"compatibility\":\"%s\"}", rows[i].level);
        buf_put_u8(&b, 0);
        set("s", (const char *)b.p);
        buf_free(&b);
        CHECK_INT(submit("s", "\"bytes\"").no.code, rows[i].code);
    }
}

static void what_cannot_be_registered_is_refused_with_its_code(void)
{
    static const struct {
        const char *subject;
        struct api_schema schema;
        int code;
    } rows[] = {
#define TEXT(t) {(const uint8_t *)(t), sizeof(t) - 1}
        {"s", {.schema = TEXT("")}, REG_INVALID_SCHEMA},
        {"s", {.schema = TEXT("{\"type\":\"strin\"}")}, REG_INVALID_SCHEMA},
        {"s", {.schema = TEXT("\"int\""), .type = TEXT("JSON")}, REG_INVALID_SCHEMA},
        {"s", {.schema = TEXT("\"int\""), .type = TEXT("avro")}, REG_INVALID_SCHEMA},
        {"s",
         {.schema = TEXT("\"int\""), .rules = TEXT("{\"domainRules\":1}")},
         REG_INVALID_RULES},
        {"s",
         {.schema = TEXT("\"int\""), .metadata = TEXT("{\"tags\":1}")},
         REG_INVALID_SCHEMA},
        {"s", {.schema = TEXT("\"int\""), .id = 7}, REG_NOT_PERMITTED},
        {"s", {.schema = TEXT("\"int\""), .version = 2}, REG_INVALID_SCHEMA},
        {"__GLOBAL", {.schema = TEXT("\"int\"")}, REG_INVALID_SUBJECT},
        {"a\x01", {.schema = TEXT("\"int\"")}, REG_INVALID_SUBJECT},
        {"s", {.schema = TEXT("\"int\""), .version = 1, .metadata = TEXT("{}")}, 0},
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        fresh();
        struct reg_decision d =
            run(&(struct reg_command){.verb = REG_DO_REGISTER,
                                      .subject = span_str(rows[i].subject),
                                      .schema = rows[i].schema});
        CHECK_INT(d.no.code, rows[i].code);
        CHECK_INT(d.n, rows[i].code == 0);
    }
}

/* The rules of identity: docs/registry.md. */
static void a_doc_makes_another_schema_an_order_of_attributes_does_not(void)
{
    fresh();
    set("", "{\"compatibility\":\"NONE\"}");
    submit("s", "{\"type\":\"string\",\"x\":1,\"y\":2}");
    CHECK_INT(submit("s", "{\"type\":\"string\",\"y\":2,\"x\":1}").version, 1);
    CHECK_INT(submit("s", "{\"type\":\"string\",\"y\":2,\"x\":1.0}").version, 2);
    CHECK_INT(submit("t", "{\"type\":\"string\",\"y\":2,\"x\":1}").id, 3);

    submit("e", "{\"type\":\"enum\",\"name\":\"E\",\"symbols\":[\"A\"],\"aliases\":["
                "\"F\",\"G\"]}");
    int32_t same = submit("e", "{\"type\":\"enum\",\"name\":\"E\",\"symbols\":[\"A\"],"
                               "\"aliases\":[\"G\",\"F\"]}")
                       .version;
    CHECK_INT(same, 1);
    CHECK_INT(
        submit("e",
               "{\"type\":\"enum\",\"name\":\"E\",\"symbols\":[\"A\"],\"doc\":\"\","
               "\"aliases\":[\"G\",\"F\"]}")
            .version,
        2);
}

static void normalizing_is_asked_for_or_configured(void)
{
    static const char sent[] = "{\"type\":\"string\",\"y\":2,\"x\":1}";

    fresh();
    struct reg_decision d =
        run(&(struct reg_command){.verb = REG_DO_REGISTER,
                                  .subject = span_str("s"),
                                  .schema = {.schema = span_str(sent)},
                                  .normalize = true});
    CHECK_INT(d.id, 1);
    CHECK(wrote("\\\"x\\\":1,\\\"y\\\":2"));
    CHECK_INT(submit("t", sent).id, 2);
    set("u", "{\"normalize\":true}");
    CHECK_INT(submit("u", sent).id, 1);
}

static void a_deleted_schema_comes_back_under_its_id(void)
{
    fresh();
    submit("s", V1);
    submit("s", V2);
    CHECK_INT(delete_version("s", 2, false).version, 2);
    struct reg_decision d = submit("s", V2);

    CHECK_INT(d.id, 2);
    CHECK_INT(d.version, 3);
    CHECK_INT(d.n, 2); // the deleted entry goes away
    CHECK(reg_version_of(reg_subject_of(&state, span_str("s")), 2) == NULL);
}

static void read_only_refuses_what_is_new_only(void)
{
    fresh();
    submit("s", V1);
    record("{\"keytype\":\"MODE\",\"magic\":0}", "{\"mode\":\"READONLY\"}");
    CHECK_INT(submit("s", V1).id, 1);
    CHECK_INT(submit("s", V2).no.code, REG_NOT_PERMITTED);
    CHECK_INT(set("s", "{\"compatibility\":\"NONE\"}").no.code, REG_NOT_PERMITTED);
    CHECK_INT(delete_subject("s", false).no.code, REG_NOT_PERMITTED);
    CHECK_INT(delete_version("s", 1, false).no.code, REG_NOT_PERMITTED);
}

static void a_log_with_two_meanings_of_an_id_is_not_written_to(void)
{
    fresh();
    submit("s", "\"int\"");
    record("{\"keytype\":\"SCHEMA\",\"subject\":\"t\",\"version\":1,\"magic\":1}",
           "{\"subject\":\"t\",\"version\":1,\"id\":1,\"schema\":\"\\\"long\\\"\"}");
    CHECK_INT(submit("s", "\"int\"").id, 1);
    CHECK_INT(submit("u", "\"long\"").no.code, REG_STORE_ERROR);
}

static void ids_end_at_the_largest(void)
{
    fresh();
    record("{\"keytype\":\"SCHEMA\",\"subject\":\"t\",\"version\":1,\"magic\":1}",
           "{\"subject\":\"t\",\"version\":1,\"id\":2147483647,\"schema\":"
           "\"\\\"long\\\"\"}");
    CHECK_INT(submit("s", "\"long\"").id, 2147483647);
    CHECK_INT(submit("s", "\"int\"").no.code, REG_INCOMPATIBLE_OLD);
    CHECK_INT(submit("u", "\"int\"").no.code, REG_STORE_ERROR);
}

static void a_reference_is_resolved_and_kept(void)
{
    static const struct api_reference
        good = {.name = TEXT("R"), .subject = TEXT("r"), .version = 1},
        latest = {.name = TEXT("R"), .subject = TEXT("r")},
        none = {.name = TEXT("R"), .subject = TEXT("r"), .version = 9};
    struct reg_command c = {
        .verb = REG_DO_REGISTER,
        .subject = span_str("s"),
        .schema = {.schema = span_str("{\"type\":\"array\",\"items\":\"R\"}"),
                   .n_references = 1}};

    fresh();
    submit("r", V1);
    CHECK_INT(submit("s", "{\"type\":\"array\",\"items\":\"R\"}").no.code,
              REG_INVALID_SCHEMA);
    c.schema.references = &none;
    CHECK_INT(run(&c).no.code, REG_INVALID_SCHEMA);
    c.schema.references = &good;
    CHECK_INT(run(&c).id, 2);
    CHECK(wrote("\"references\":[{\"name\":\"R\",\"subject\":\"r\",\"version\":1}]"));
    c.schema.references = &latest; // the same, said otherwise
    CHECK_INT(run(&c).n, 0);
    CHECK_INT(delete_version("r", 1, false).no.code, REG_REFERENCE_EXISTS);
    CHECK_INT(delete_subject("r", false).no.code, REG_REFERENCE_EXISTS);
    delete_subject("s", false);
    CHECK_INT(delete_subject("r", false).no.code, REG_REFERENCE_EXISTS);
    delete_subject("s", true);
    CHECK_INT(delete_subject("r", false).no.code, 0);
}

static void a_reference_may_stand_on_another(void)
{
    static const struct api_reference a = {.name = TEXT("R"),
                                           .subject = TEXT("r"),
                                           .version = 1},
                                      b = {.name = TEXT("W"),
                                           .subject = TEXT("w"),
                                           .version = 1};
    static const char w[] =
        "{\"type\":\"record\",\"name\":\"W\",\"fields\":[{\"name\":\"r\","
        "\"type\":\"R\"}]}";
    struct reg_command c = {
        .verb = REG_DO_REGISTER,
        .subject = span_str("w"),
        .schema = {.schema = span_str(w), .references = &a, .n_references = 1}};

    fresh();
    submit("r", V1);
    CHECK_INT(run(&c).id, 2);
    c.subject = span_str("x");
    c.schema.schema = span_str("{\"type\":\"map\",\"values\":\"W\"}");
    c.schema.references = &b;
    CHECK_INT(run(&c).id, 3);
}

static void a_level_is_set_and_dropped(void)
{
    fresh();
    struct reg_decision d = set("s", "{\"compatibility\":\"full_transitive\"}");
    CHECK_SPAN(buf_span(&lines),
               "{\"keytype\":\"CONFIG\",\"subject\":\"s\",\"magic\":0} "
               "{\"subject\":\"s\",\"compatibilityLevel\":\"FULL_TRANSITIVE\"}\n");
    CHECK_SPAN(d.config.member[API_LEVEL], "\"FULL_TRANSITIVE\"");
    CHECK_INT(set("s", "{\"compatibility\":\"FULL_TRANSITIVE\"}").n, 0);
    set("", "{\"compatibility\":\"NONE\"}");
    CHECK_SPAN(
        buf_span(&lines),
        "{\"keytype\":\"CONFIG\",\"magic\":0} {\"compatibilityLevel\":\"NONE\"}\n");

    d = run(
        &(struct reg_command){.verb = REG_DO_DROP_CONFIG, .subject = span_str("s")});
    CHECK_SPAN(d.config.member[API_LEVEL], "\"FULL_TRANSITIVE\"");
    CHECK_SPAN(buf_span(&lines),
               "{\"keytype\":\"CONFIG\",\"subject\":\"s\",\"magic\":0} null\n");
    d = run(
        &(struct reg_command){.verb = REG_DO_DROP_CONFIG, .subject = span_str("s")});
    CHECK_INT(d.no.code, REG_SUBJECT_NOT_FOUND);
    run(&(struct reg_command){.verb = REG_DO_DROP_CONFIG});
    d = run(&(struct reg_command){.verb = REG_DO_DROP_CONFIG});
    CHECK_INT(d.n, 0);
    CHECK_SPAN(d.config.member[API_LEVEL], "\"BACKWARD\"");
}

static void a_setting_that_would_not_be_obeyed_is_refused(void)
{
    static const struct {
        const char *subject, *body;
        int code;
    } rows[] = {{"s", "{\"compatibility\":\"BACKWARDS\"}", REG_INVALID_LEVEL},
                {"s", "{\"compatibility\":7}", REG_INVALID_LEVEL},
                {"s", "{\"alias\":7}", REG_NOT_PERMITTED},
                {"s", "{\"aliasForDeks\":\"t\"}", REG_NOT_PERMITTED},
                {"s", "{\"compatibilityPolicy\":\"LOGICAL\"}", REG_NOT_PERMITTED},
                {"s", "{\"defaultRuleSet\":{\"domainRules\":[{}]}}", REG_INVALID_RULES},
                {"s", "{\"overrideMetadata\":[]}", REG_INVALID_RULES},
                {"s", "{\"normalize\":1}", REG_NOT_PERMITTED},
                {"s", "{\"validateFields\":1}", REG_NOT_PERMITTED},
                {"s", "{\"validateRules\":\"yes\"}", REG_NOT_PERMITTED},
                {"s", "{\"validateFields\":true,\"validateRules\":true}", 0},
                {"__EMPTY", "{\"compatibility\":\"NONE\"}", REG_INVALID_SUBJECT},
                {"s", "{\"validateFields\":false,\"alias\":null}", 0},
                {":.eu:", "{\"compatibility\":\"NONE\"}", 0},
                {":.__GLOBAL:", "{\"compatibility\":\"NONE\"}", 0},
                {"s", "{}", 0}};

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        fresh();
        CHECK_INT(set(rows[i].subject, rows[i].body).no.code, rows[i].code);
    }
    fresh();
    set("s", "{\"compatibility\":\"NONE\"}");
    set("s", "{\"compatibility\":null}");
    CHECK_SPAN(buf_span(&lines),
               "{\"keytype\":\"CONFIG\",\"subject\":\"s\",\"magic\":0} null\n");
}

static void deleting_has_two_steps(void)
{
    fresh();
    CHECK_INT(delete_version("s", 1, false).no.code, REG_SUBJECT_NOT_FOUND);
    submit("s", V1);
    submit("s", V2);
    CHECK_INT(delete_version("s", 3, false).no.code, REG_VERSION_NOT_FOUND);
    CHECK_INT(delete_version("s", 1, true).no.code, REG_VERSION_NOT_SOFT_DELETED);
    CHECK_INT(delete_version("s", 1, false).version, 1);
    CHECK_SPAN(buf_span(&lines),
               "{\"keytype\":\"SCHEMA\",\"subject\":\"s\",\"version\":1,\"magic\":1} "
               "{\"subject\":\"s\",\"version\":1,\"id\":1,\"schema\":\"{\\\"type\\\":"
               "\\\"record\\\",\\\"name\\\":\\\"R\\\",\\\"fields\\\":[{\\\"name\\\":"
               "\\\"a\\\",\\\"type\\\":\\\"int\\\"}]}\",\"deleted\":true}\n");
    CHECK_INT(delete_version("s", 1, false).no.code, REG_VERSION_SOFT_DELETED);
    CHECK_INT(delete_version("s", 1, true).version, 1);
    CHECK_SPAN(
        buf_span(&lines),
        "{\"keytype\":\"SCHEMA\",\"subject\":\"s\",\"version\":1,\"magic\":1} null\n");
    CHECK_INT(delete_version("s", 0, false).version, 2); // the latest
}

static void deleting_a_subject_for_good_takes_its_settings_along(void)
{
    fresh();
    CHECK_INT(delete_subject("s", false).no.code, REG_SUBJECT_NOT_FOUND);
    submit("s", V1);
    submit("s", V2);
    set("s", "{\"compatibility\":\"FULL\"}");
    CHECK_INT(delete_subject("s", true).no.code, REG_SUBJECT_NOT_SOFT_DELETED);
    struct reg_decision d = delete_subject("s", false);
    CHECK_INT(d.n_versions, 2);
    CHECK_SPAN(buf_span(&lines),
               "{\"keytype\":\"DELETE_SUBJECT\",\"subject\":\"s\",\"magic\":0} "
               "{\"subject\":\"s\",\"version\":2}\n");
    CHECK_INT(delete_subject("s", false).no.code, REG_SUBJECT_SOFT_DELETED);
    struct api_config config = reg_config_in_force(&state, span_str("s"));
    CHECK_INT(reg_level_of(&config), AV_LEVEL_FULL);
    d = delete_subject("s", true);
    CHECK_INT(d.n_versions, 2);
    CHECK_SPAN(
        buf_span(&lines),
        "{\"keytype\":\"SCHEMA\",\"subject\":\"s\",\"version\":2,\"magic\":1} null\n"
        "{\"keytype\":\"SCHEMA\",\"subject\":\"s\",\"version\":1,\"magic\":1} null\n"
        "{\"keytype\":\"CONFIG\",\"subject\":\"s\",\"magic\":0} null\n");
    CHECK_INT(submit("s", V2).id, 3); // an id is never given out twice
}

static void every_form_of_a_key_gets_its_tombstone(void)
{
    static const char odd[] =
        "{\"subject\":\"s\",\"version\":1,\"magic\":1,\"keytype\":\"SCHEMA\"}";

    fresh();
    record(odd,
           "{\"subject\":\"s\",\"version\":1,\"id\":1,\"schema\":\"\\\"int\\\"\"}");
    delete_version("s", 1, false);
    delete_version("s", 1, true);
    CHECK_SPAN(
        buf_span(&lines),
        "{\"subject\":\"s\",\"version\":1,\"magic\":1,\"keytype\":\"SCHEMA\"} null\n"
        "{\"keytype\":\"SCHEMA\",\"subject\":\"s\",\"version\":1,\"magic\":1} null\n");
}

static void settings_under_another_key_are_dropped_with_it(void)
{
    fresh();
    record("{\"keytype\":\"CONFIG\",\"subject\":null,\"magic\":0}",
           "{\"compatibilityLevel\":\"FULL\"}");
    set("", "{\"compatibility\":\"NONE\"}");
    CHECK_SPAN(buf_span(&lines), "{\"keytype\":\"CONFIG\",\"magic\":0} "
                                 "{\"compatibilityLevel\":\"NONE\"}\n");
    run(&(struct reg_command){.verb = REG_DO_DROP_CONFIG});
    CHECK_SPAN(buf_span(&lines),
               "{\"keytype\":\"CONFIG\",\"subject\":null,\"magic\":0} null\n"
               "{\"keytype\":\"CONFIG\",\"magic\":0} null\n");
}

static struct reg_decision set_mode(const char *subject, enum api_mode mode, bool force)
{
    return run(&(struct reg_command){.verb = REG_DO_SET_MODE,
                                     .subject = span_str(subject),
                                     .mode = mode,
                                     .force = force});
}

static struct reg_decision drop_mode(const char *subject, bool recursive)
{
    return run(&(struct reg_command){.verb = REG_DO_DROP_MODE,
                                     .subject = span_str(subject),
                                     .recursive = recursive});
}

static struct reg_decision import(const char *subject, const char *schema, int32_t id,
                                  int32_t version)
{
    return run(&(struct reg_command){
        .verb = REG_DO_REGISTER,
        .subject = span_str(subject),
        .schema = {.schema = span_str(schema), .id = id, .version = version}});
}

static void a_mode_is_set_once_and_dropped(void)
{
    fresh();
    CHECK_INT(set_mode("s", API_READONLY, false).mode, API_READONLY);
    CHECK_SPAN(buf_span(&lines), "{\"keytype\":\"MODE\",\"subject\":\"s\",\"magic\":0} "
                                 "{\"subject\":\"s\",\"mode\":\"READONLY\"}\n");
    CHECK_INT(set_mode("s", API_READONLY, false).n, 0);
    CHECK_INT(submit("s", V1).no.code, REG_NOT_PERMITTED);
    CHECK_INT(set("s", "{\"compatibility\":\"NONE\"}").no.code, REG_NOT_PERMITTED);
    CHECK_INT(drop_mode("s", false).mode, API_READONLY);
    CHECK_INT(drop_mode("s", false).no.code, REG_SUBJECT_NOT_FOUND);
    CHECK_INT(submit("s", V1).id, 1);
    CHECK_INT(set_mode("s", API_FORWARD, false).no.code, REG_NOT_PERMITTED);
    set_mode("", API_READONLY_OVERRIDE, false); // goes before the subject's own
    set_mode("s", API_READWRITE, false);
    CHECK_INT(submit("s", V2).no.code, REG_NOT_PERMITTED);
}

static void modes_are_dropped_all_the_way_down(void)
{
    fresh();
    set_mode("s", API_READONLY, false);
    set_mode("", API_READONLY, false);
    set_mode(":.x:t", API_READONLY, false);
    CHECK_INT(drop_mode("", true).n, 2);
    CHECK_INT(submit("s", V1).id, 1);
    CHECK_INT(submit(":.x:t", V1).no.code, REG_NOT_PERMITTED);
}

static void import_needs_an_empty_scope_and_takes_ids_as_they_are(void)
{
    fresh();
    submit("s", V1);
    CHECK_INT(set_mode("", API_IMPORT, false).no.code, REG_NOT_PERMITTED);
    CHECK_INT(set_mode("s", API_IMPORT, false).no.code, REG_NOT_PERMITTED);
    CHECK_INT(import("s", V2, 7, 0).no.code, REG_NOT_PERMITTED);
    delete_version("s", 1, false);
    set_mode("", API_IMPORT, false);
    CHECK_SPAN(buf_span(&lines),
               "{\"keytype\":\"SCHEMA\",\"subject\":\"s\",\"version\":1,\"magic\":1} "
               "null\n{\"keytype\":\"CLEAR_SUBJECT\",\"magic\":0} {}\n"
               "{\"keytype\":\"MODE\",\"magic\":0} {\"mode\":\"IMPORT\"}\n");
    CHECK_INT(submit("s", V1).no.code, REG_NOT_PERMITTED); // no id
    CHECK_INT(import("s", V1, 70, 5).version, 5);
    CHECK_INT(import("s", "\"string\"", 71, 2).id, 71); // nothing is compared
    CHECK_INT(import("t", V1, 70, 0).version, 1);
    CHECK_INT(import("t", V2, 70, 0).no.code, REG_NOT_PERMITTED);
    CHECK_INT(import("t", V1, 72, 0).no.code, REG_ID_MISMATCH);
    CHECK_INT(import("u", V1, 72, 0).id, 72); // one text under two ids, as it was there
    CHECK_INT(submit("s", V1).id, 70);        // what is there needs no id
    set_mode("", API_READWRITE, false);
    CHECK_INT(submit("v", "\"int\"").id, 73);
    CHECK_INT(set_mode("v", API_IMPORT, true).no.code, 0);
}

static void a_context_goes_when_it_is_empty(void)
{
    struct reg_command drop = {.verb = REG_DO_DROP_CONTEXT,
                               .subject = span_str(":.x:")};

    fresh();
    CHECK_INT(run(&drop).no.code, REG_SUBJECT_NOT_FOUND);
    submit(":.x:s", V1);
    CHECK_INT(run(&drop).no.code, REG_CONTEXT_NOT_EMPTY);
    delete_subject(":.x:s", false);
    delete_subject(":.x:s", true);
    CHECK_INT(run(&drop).no.code, 0);
    CHECK_SPAN(buf_span(&lines), "{\"keytype\":\"CONTEXT\",\"tenant\":\"default\","
                                 "\"context\":\".x\",\"magic\":0} null\n");
    CHECK_INT(run(&drop).no.code, REG_SUBJECT_NOT_FOUND);
}

static struct reg_decision submit_with(const char *subject, const char *schema,
                                       const char *metadata, const char *rule_set)
{
    return run(&(struct reg_command){.verb = REG_DO_REGISTER,
                                     .subject = span_str(subject),
                                     .schema = {.schema = span_str(schema),
                                                .metadata = span_str(metadata),
                                                .rules = span_str(rule_set)}});
}

#define OWNER(name) "{\"properties\":{\"owner\":\"" name "\"}}"
#define RULE                                                                 \
    "{\"domainRules\":[{\"name\":\"r\",\"mode\":\"WRITE\",\"type\":\"CEL\"," \
    "\"expr\":\"true\",\"disabled\":false}]}"

static void metadata_and_rules_are_part_of_what_a_schema_is(void)
{
    fresh();
    CHECK_INT(submit_with("s", V1, OWNER("ann"), "").id, 1);
    CHECK(wrote("\"metadata\":{\"properties\":{\"owner\":\"ann\"}},\"schema\":"));
    CHECK_INT(submit("s", V1).n, 0); // does not say: the one that is there will do
    CHECK_INT(submit_with("s", V1, OWNER("bob"), "").id, 2);
    CHECK_INT(submit_with("s", V2, "", RULE).id, 3); // and inherits the owner
    CHECK(wrote("\"owner\":\"bob\"") && wrote("\"ruleSet\":{\"domainRules\":["));
    CHECK_INT(submit_with("s", V2, "{}", "{}").id, 4); // says that there are none
    CHECK(!wrote("owner") && !wrote("ruleSet"));
    CHECK_INT(submit_with("s", V1, "[]", "").no.code, REG_INVALID_SCHEMA);
    CHECK_INT(submit_with("s", V1, "", "{\"domainRules\":1}").no.code,
              REG_INVALID_RULES);
}

#define BAD_RULE                                                             \
    "{\"domainRules\":[{\"name\":\"r\",\"mode\":\"WRITE\",\"type\":\"CEL\"," \
    "\"expr\":\"message.nope > 1\"}]}"

static void a_rule_that_does_not_fit_its_schema_is_refused(void)
{
    fresh();
    struct reg_decision d = submit_with("s", V1, "", BAD_RULE);
    CHECK_INT(d.no.code, REG_INVALID_RULES);
    CHECK_INT(d.n, 0);
    CHECK(memmem(d.no.message.p, d.no.message.n, "rule \"r\": 1:", 12) != NULL);
    set("", "{\"overrideRuleSet\":" BAD_RULE "}"); // has no schema to be checked with
    CHECK_INT(submit("s", V1).no.code, REG_INVALID_RULES);
}

static void settings_dress_what_is_registered(void)
{
    fresh();
    set("", "{\"defaultMetadata\":" OWNER("any") ",\"overrideRuleSet\":" RULE "}");
    submit("s", V1);
    CHECK(wrote("\"owner\":\"any\"") && wrote("\"name\":\"r\""));
    CHECK_INT(submit("s", V1).n, 0);
    submit_with("t", V1, OWNER("ann"), "");
    CHECK(wrote("\"owner\":\"ann\""));
}

static void groups_are_compared_among_themselves(void)
{
    fresh();
    set("s", "{\"compatibilityGroup\":\"owner\"}");
    submit_with("s", "\"int\"", OWNER("ann"), "");
    CHECK_INT(submit_with("s", "\"string\"", OWNER("bob"), "").version, 2);
    CHECK_INT(submit_with("s", "\"string\"", OWNER("ann"), "").no.code,
              REG_INCOMPATIBLE_OLD);
    CHECK_INT(submit_with("s", "\"long\"", OWNER("ann"), "").version, 3);
}

static void an_alias_stands_for_its_subject(void)
{
    fresh();
    set("short", "{\"alias\":\"long-value\"}");
    submit("short", V1);
    CHECK(wrote("\"subject\":\"long-value\""));
    CHECK_INT(submit("long-value", V2).version, 2);
    CHECK_INT(delete_version("short", 2, false).version, 2);
    set("short", "{\"alias\":null}"); // settings are those of the name itself
    CHECK_SPAN(buf_span(&lines),
               "{\"keytype\":\"CONFIG\",\"subject\":\"short\",\"magic\":0} null\n");
}

static void a_stored_schema_of_another_kind_fits_nothing(void)
{
    fresh();
    record("{\"keytype\":\"SCHEMA\",\"subject\":\"s\",\"version\":1,\"magic\":1}",
           "{\"subject\":\"s\",\"version\":1,\"id\":1,\"schemaType\":\"JSON\","
           "\"schema\":\"{}\"}");
    CHECK_INT(submit("s", "\"int\"").no.code, REG_INCOMPATIBLE_OLD);
    record("{\"keytype\":\"SCHEMA\",\"subject\":\"t\",\"version\":1,\"magic\":1}",
           "{\"subject\":\"t\",\"version\":1,\"id\":2,\"schema\":\"{}\"}");
    CHECK_INT(submit("t", "\"int\"").no.code, REG_INCOMPATIBLE_OLD);
    set("t", "{\"compatibility\":\"NONE\"}");
    CHECK_INT(submit("t", "\"int\"").version, 2);
}

int main(void)
{
    RUN(the_first_schema_gets_id_and_version_one);
    RUN(the_same_schema_is_no_write);
    RUN(another_subject_shares_the_id);
    RUN(another_context_counts_from_one_again);
    RUN(one_subject_has_one_name_in_the_log);
    RUN(an_evolution_gets_the_next_version);
    RUN(an_incompatible_schema_says_why);
    RUN(force_and_level_none_let_it_pass);
    RUN(a_transitive_level_looks_at_all_versions);
    RUN(what_cannot_be_registered_is_refused_with_its_code);
    RUN(a_doc_makes_another_schema_an_order_of_attributes_does_not);
    RUN(normalizing_is_asked_for_or_configured);
    RUN(a_deleted_schema_comes_back_under_its_id);
    RUN(read_only_refuses_what_is_new_only);
    RUN(a_log_with_two_meanings_of_an_id_is_not_written_to);
    RUN(ids_end_at_the_largest);
    RUN(a_reference_is_resolved_and_kept);
    RUN(a_reference_may_stand_on_another);
    RUN(a_level_is_set_and_dropped);
    RUN(a_setting_that_would_not_be_obeyed_is_refused);
    RUN(deleting_has_two_steps);
    RUN(deleting_a_subject_for_good_takes_its_settings_along);
    RUN(every_form_of_a_key_gets_its_tombstone);
    RUN(settings_under_another_key_are_dropped_with_it);
    RUN(a_mode_is_set_once_and_dropped);
    RUN(modes_are_dropped_all_the_way_down);
    RUN(import_needs_an_empty_scope_and_takes_ids_as_they_are);
    RUN(a_context_goes_when_it_is_empty);
    RUN(metadata_and_rules_are_part_of_what_a_schema_is);
    RUN(a_rule_that_does_not_fit_its_schema_is_refused);
    RUN(settings_dress_what_is_registered);
    RUN(groups_are_compared_among_themselves);
    RUN(an_alias_stands_for_its_subject);
    RUN(a_stored_schema_of_another_kind_fits_nothing);
    reg_state_free(&state);
    buf_free(&lines);
    arena_free(&arena);
    return REPORT();
}
