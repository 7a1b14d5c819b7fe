#include "registry/decide.h"
#include "registry/meta.h"

#include "tests/check.h"
#include "wire/status.h"

#include <stdlib.h>

static struct reg_state state;
static struct arena arena;

static void fresh(void)
{
    reg_state_free(&state);
    arena_free(&arena);
    reg_state_init(&state);
}

/* Decides, and applies what was decided as it would be read back. */
static struct reg_decision run(const struct reg_command *c)
{
    static const struct reg_rules rules = {0};
    struct reg_decision d;

    reg_decide(&d, &state, c, &rules, &arena);
    for (size_t i = 0; i < d.n; i++) {
        struct buf key = BUF_INIT(1 << 16), value = BUF_INIT(1 << 16);
        struct reg_event ev = {0};
        struct err e = {0};

        reg_event_put_key(&key, &d.events[i]);
        bool there = reg_event_put_value(&value, &d.events[i]);
        CHECK_INT(reg_event_read(&ev, arena_copy(&arena, buf_span(&key)),
                                 there ? arena_copy(&arena, buf_span(&value))
                                       : (struct span){0},
                                 &arena, &e),
                  ERR_OK);
        reg_state_apply(&state, &ev);
        buf_free(&key);
        buf_free(&value);
    }
    return d;
}

static struct reg_decision send(const char *schema, const char *metadata,
                                int32_t version, const struct reg_tagging *tagging)
{
    return run(&(struct reg_command){.verb = REG_DO_REGISTER,
                                     .subject = span_str("s"),
                                     .tagging = tagging,
                                     .schema = {.schema = span_str(schema),
                                                .metadata = span_str(metadata),
                                                .version = version}});
}

static struct reg_decision tag(int32_t of, int32_t version,
                               const struct reg_tagging *tagging)
{
    return run(&(struct reg_command){.verb = REG_DO_TAG,
                                     .subject = span_str("s"),
                                     .version = of,
                                     .tagging = tagging,
                                     .schema = {.version = version}});
}

static const struct api_schema *stored(int32_t version)
{
    const struct reg_version *v =
        reg_version_of(reg_subject_of(&state, span_str("s")), version);

    CHECK(v != NULL);
    return &v->schema->what;
}

#define R(fields, more) \
    "{\"type\":\"record\",\"name\":\"R\",\"fields\":[" fields "]" more "}"
#define A(more) "{\"name\":\"a\",\"type\":\"int\"" more "}"
#define B ",{\"name\":\"b\",\"type\":\"int\",\"default\":0}"
#define PII ",\"confluent:tags\":[\"PII\"]"

static struct reg_tag pii[] = {
    {.path = {(const uint8_t *)"R", 1}, .name = {(const uint8_t *)"PII", 3}}};
static struct reg_tag pii_of_a[] = {{.of_field = true,
                                     .path = {(const uint8_t *)"R.a", 3},
                                     .name = {(const uint8_t *)"PII", 3}}};
static const struct reg_tagging with_pii = {.add = {pii, 1, 1}},
                                without_pii = {.drop = {pii, 1, 1}},
                                with_pii_of_a = {.add = {pii_of_a, 1, 1}},
                                handing_down = {.propagate = true}, nothing = {0};

static void a_tagged_version_is_the_next_and_says_so(void)
{
    fresh();
    send(R(A(""), ""), "", 0, NULL);
    struct reg_decision d = tag(0, 0, &with_pii);
    CHECK_INT(d.version, 2);
    CHECK_SPAN(stored(2)->schema, R(A(""), PII));
    CHECK_SPAN(stored(2)->metadata, "{\"properties\":{\"confluent:version\":\"2\"}}");
    d = tag(1, 3, &with_pii_of_a); // of the first, not of the newest
    CHECK_INT(d.version, 3);
    CHECK_SPAN(stored(3)->schema, R(A(PII), ""));
    d = tag(0, 5, &with_pii); // the next is 4
    CHECK_INT(d.no.code, REG_INVALID_SCHEMA);
}

static void what_has_its_tags_already_is_no_new_version(void)
{
    fresh();
    send(R(A(""), PII), "", 0, NULL);
    CHECK_INT((long)tag(0, 0, &with_pii).n, 0);
    CHECK_INT((long)tag(0, 0, &nothing).n, 0);
    struct reg_decision d = tag(0, 0, &without_pii);
    CHECK_INT(d.version, 2);
    CHECK_SPAN(stored(2)->schema, R(A(""), ""));
}

static void tags_are_handed_down_to_what_is_still_there(void)
{
    fresh();
    send(R(A(PII) B, PII), "", 0, NULL);
    send(R("{\"name\":\"b\",\"type\":\"int\"}", ""), "", 0, &handing_down);
    CHECK_SPAN(stored(2)->schema, R("{\"name\":\"b\",\"type\":\"int\"}", PII));
    CHECK_INT((long)stored(2)->metadata.n, 0); // nobody said a number
}

static void tags_of_nowhere_are_refused(void)
{
    fresh();
    CHECK_INT(tag(0, 0, &with_pii).no.code, REG_SUBJECT_NOT_FOUND);
    CHECK_INT(send("\"int\"", "", 0, &with_pii).no.code, REG_INVALID_SCHEMA);
    send("\"int\"", "", 0, NULL);
    CHECK_INT(tag(0, 0, &with_pii).no.code, REG_INVALID_SCHEMA);
    CHECK_INT(tag(7, 0, &with_pii).no.code, REG_VERSION_NOT_FOUND);
}

#define RULE(name) \
    "{\"domainRules\":[{\"name\":\"" name "\",\"mode\":\"READ\",\"type\":\"T\"}]}"

static void rules_are_merged_and_left_out(void)
{
    struct span names[] = {span_str("one")};
    struct reg_tagging merge = {.rules_to_merge = span_str(RULE("two"))},
                       leave = {.rules_to_drop = names, .n_rules_to_drop = 1},
                       broken = {.rules_to_merge = span_str("{\"domainRules\":[1]}")},
                       outright = {.rules = span_str(RULE("one"))};

    fresh();
    send("\"int\"", "", 0, NULL);
    tag(0, 0, &outright);
    CHECK(reg_rules_use(stored(2)->rules, span_str("T"), &arena));
    tag(0, 0, &merge);
    CHECK(memmem(stored(3)->rules.p, stored(3)->rules.n, "\"one\"", 5) != NULL);
    CHECK(memmem(stored(3)->rules.p, stored(3)->rules.n, "\"two\"", 5) != NULL);
    tag(0, 0, &leave);
    CHECK(memmem(stored(4)->rules.p, stored(4)->rules.n, "\"one\"", 5) == NULL);
    CHECK(memmem(stored(4)->rules.p, stored(4)->rules.n, "\"two\"", 5) != NULL);
    names[0] = span_str("two");
    tag(0, 0, &leave);
    CHECK_INT((long)stored(5)->rules.n, 0);
    CHECK_INT(tag(0, 0, &broken).no.code, REG_INVALID_RULES);
}

static void a_number_said_once_is_kept_true(void)
{
    fresh();
    CHECK_INT(send("\"int\"", "", -1, NULL).version, 1);
    CHECK_INT((long)send("\"int\"", "", -1, NULL).n, 0); // it is the newest
    CHECK_INT(send("\"long\"", "", 0, NULL).version, 2);
    CHECK_SPAN(stored(2)->metadata, "{\"properties\":{\"confluent:version\":\"2\"}}");
    CHECK_INT(send("\"long\"", "", 1, NULL).no.code, REG_INVALID_SCHEMA);
}

static void no_text_is_the_text_there_is(void)
{
    fresh();
    CHECK_INT(send(" ", "", 0, NULL).no.code, REG_INVALID_SCHEMA);
    send("\"int\"", "", 0, NULL);
    CHECK_INT((long)send("", "", 0, NULL).n, 0);
    struct reg_decision d = send("", "{\"properties\":{\"owner\":\"ann\"}}", 0, NULL);
    CHECK_INT(d.version, 2);
    CHECK_SPAN(stored(2)->schema, "\"int\"");
}

static void what_is_imported_is_taken_for_what_it_is(void)
{
    fresh();
    send("\"int\"", "{\"properties\":{\"owner\":\"ann\"}}", 0, NULL);
    run(&(struct reg_command){.verb = REG_DO_SET_MODE,
                              .subject = span_str("s"),
                              .mode = API_IMPORT,
                              .force = true});
    struct reg_decision d = run(&(struct reg_command){
        .verb = REG_DO_REGISTER,
        .subject = span_str("s"),
        .schema = {.schema = span_str("\"long\""), .id = 70, .version = 7}});
    CHECK_INT(d.version, 7);
    CHECK_INT((long)stored(7)->metadata.n, 0); // nothing inherited, no number put in
}

static void names_that_are_reserved_are_no_fields_and_stay_reserved(void)
{
    static const char reserves_x[] =
        "{\"properties\":{\"confluent:reserved\":\" x , y\"}}",
                      reserves_y[] = "{\"properties\":{\"confluent:reserved\":\"y\"}}",
                      reserves_a[] = "{\"properties\":{\"confluent:reserved\":\"a\"}}";

    fresh();
    CHECK_INT(send(R(A(""), ""), reserves_a, 0, NULL).version, 1); // nobody looks
    fresh();
    run(&(struct reg_command){
        .verb = REG_DO_SET_CONFIG,
        .subject = span_str("s"),
        .config = {.member[API_VALIDATE_FIELDS] = span_str("true")}});
    CHECK_INT(send(R(A(""), ""), reserves_a, 0, NULL).no.code, REG_INCOMPATIBLE_OLD);
    CHECK_INT(send(R(A(""), ""), reserves_x, 0, NULL).version, 1);
    CHECK_INT(send(R(A("") B, ""), reserves_y, 0, NULL).no.code, REG_INCOMPATIBLE_OLD);
    CHECK_INT(send(R(A("") B, ""), "", 0, NULL).version, 2);               // inherited
    CHECK_INT(send("\"int\"", "", 0, NULL).no.code, REG_INCOMPATIBLE_OLD); // of Avro's
}

int main(void)
{
    RUN(a_tagged_version_is_the_next_and_says_so);
    RUN(what_has_its_tags_already_is_no_new_version);
    RUN(tags_are_handed_down_to_what_is_still_there);
    RUN(tags_of_nowhere_are_refused);
    RUN(rules_are_merged_and_left_out);
    RUN(a_number_said_once_is_kept_true);
    RUN(no_text_is_the_text_there_is);
    RUN(what_is_imported_is_taken_for_what_it_is);
    RUN(names_that_are_reserved_are_no_fields_and_stay_reserved);
    reg_state_free(&state);
    arena_free(&arena);
    return REPORT();
}
