#include "contract/contract.h"

#include "avro-core/decode.h"
#include "avro-core/encode.h"
#include "avro-core/resolve.h"
#include "avro-core/to_json.h"
#include "tests/check.h"

#include <string.h>

static const char customer[] =
    "{\"type\":\"record\",\"name\":\"Customer\",\"namespace\":\"shop\",\"fields\":["
    "{\"name\":\"name\",\"type\":\"string\"},"
    "{\"name\":\"email\",\"type\":\"string\",\"confluent:tags\":[\"PII\"]},"
    "{\"name\":\"age\",\"type\":\"int\"},"
    "{\"name\":\"tags\",\"type\":{\"type\":\"array\",\"items\":\"string\"},"
    "\"default\":[]}]}";

#define GOOD "{\"name\":\"Ann\",\"email\":\"ann@x.org\",\"age\":30,\"tags\":[\"a\"]}"

/* One schema, one rule set, one record. */
struct trial {
    struct av_schema *schema;
    struct contract *contract;
    struct contract_run *run;
    struct buf datum;
    struct contract_result result;
    struct err e;
};

static void open_trial(struct trial *t)
{
    *t = (struct trial){.datum = BUF_INIT(1 << 20)};
    CHECK_INT(av_schema_parse(&t->schema, span_str(customer), NULL, 0, NULL, &t->e),
              ERR_OK);
    t->run = contract_run_new();
}

static void close_trial(struct trial *t)
{
    contract_run_free(t->run);
    contract_free(t->contract);
    av_schema_release(t->schema);
    buf_free(&t->datum);
}

static enum err_kind compile_with(struct trial *t, const char *metadata,
                                  const char *rules, bool observe)
{
    const struct contract_options o = {.observe = observe};
    struct buf json = BUF_INIT(1 << 16);

    buf_printf(&json, "{\"domainRules\":[%s]}", rules);
    contract_free(t->contract);
    t->contract = NULL;
    enum err_kind k = contract_new(&t->contract, t->schema, span_str(metadata),
                                   buf_span(&json), &o, &t->e);
    buf_free(&json);
    return k;
}

static enum err_kind compile(struct trial *t, const char *rules)
{
    return compile_with(t, "", rules, false);
}

static void apply(struct trial *t, const char *json)
{
    const struct av_encode_options o = {0};
    struct av_problems problems = {0};
    struct av_encoder *encoder = NULL;
    size_t at = 0;

    buf_reset(&t->datum);
    CHECK_INT(av_encoder_new(&encoder, t->schema, &o, &t->e), ERR_OK);
    CHECK_INT(av_encode_next(encoder, span_str(json), &at, &t->datum, &problems),
              ERR_OK);
    contract_apply(t->contract, t->run, buf_span(&t->datum), 1000000000, &t->result);
    av_problems_free(&problems);
    av_encoder_free(encoder);
}

static void compile_and_apply(struct trial *t, const char *rules, const char *json)
{
    if (compile(t, rules) != ERR_OK)
        printf("    %s\n", t->e.msg);
    CHECK(t->contract != NULL);
    if (t->contract != NULL)
        apply(t, json);
}

/* A rule: a condition on writing, with more members behind. */
#define RULE(name, type, expr, more)                                \
    "{\"name\":\"" name                                             \
    "\",\"kind\":\"CONDITION\",\"mode\":\"WRITE\",\"type\":\"" type \
    "\",\"expr\":\"" expr "\"" more "}"
#define CHANGE(name, type, expr, more)                              \
    "{\"name\":\"" name                                             \
    "\",\"kind\":\"TRANSFORM\",\"mode\":\"WRITE\",\"type\":\"" type \
    "\",\"expr\":\"" expr "\"" more "}"

static void a_condition_that_holds_lets_the_record_through(void)
{
    struct trial t;

    open_trial(&t);
    compile_and_apply(&t, RULE("adult", "CEL", "message.age >= 18", ""), GOOD);
    CHECK(!t.result.refused && !t.result.changed);
    CHECK_INT(t.result.outcomes[0], CONTRACT_PASSED);
    CHECK(t.result.datum.p == t.datum.p);
    close_trial(&t);
}

static void one_that_does_not_hold_refuses_and_says_so(void)
{
    struct trial t;

    open_trial(&t);
    compile_and_apply(
        &t, RULE("adult", "CEL", "message.age >= 40", ",\"doc\":\"grown up\""), GOOD);
    CHECK(t.result.refused && !t.result.dead);
    CHECK_SPAN(t.result.rule->name, "adult");
    CHECK_SPAN(t.result.rule->doc, "grown up");
    CHECK_SPAN(t.result.rule->expr, "message.age >= 40");
    CHECK_SPAN(t.result.why, "is false");
    close_trial(&t);
}

static void an_error_fails_a_condition(void)
{
    struct trial t;

    open_trial(&t);
    compile_and_apply(&t, RULE("r", "CEL", "message.tags[5] == 'a'", ""), GOOD);
    CHECK(t.result.refused);
    CHECK(t.result.why.n > 7 && memcmp(t.result.why.p, "error: ", 7) == 0);
    close_trial(&t);
}

static void a_field_that_fails_is_named(void)
{
    struct trial t;

    open_trial(&t);
    compile_and_apply(
        &t, RULE("r", "CEL_FIELD", "name == 'email' ; value.contains('#')", ""), GOOD);
    CHECK(t.result.refused);
    CHECK_SPAN(t.result.field, "shop.Customer.email");
    CHECK_SPAN(t.result.pointer, "/email");
    close_trial(&t);
}

static void what_happens_on_failure_is_the_rules_business(void)
{
    struct trial t;

    open_trial(&t);
    compile_and_apply(&t, RULE("r", "CEL", "false", ",\"onFailure\":\"DLQ\""), GOOD);
    CHECK(t.result.refused && t.result.dead);
    CHECK_INT(t.result.outcomes[0], CONTRACT_DEAD);
    compile_and_apply(&t, RULE("r", "CEL", "false", ",\"onFailure\":\"NONE\""), GOOD);
    CHECK(!t.result.refused);
    CHECK_INT(t.result.outcomes[0], CONTRACT_IGNORED);
    compile_and_apply(&t, RULE("r", "CEL", "true", ",\"onSuccess\":\"ERROR\""), GOOD);
    CHECK(t.result.refused);
    CHECK_INT(compile(&t, RULE("r", "CEL", "true", ",\"onFailure\":\"MAIL\"")),
              ERR_INVALID);
    close_trial(&t);
}

static void rules_go_in_their_order_up_to_the_first_refusal(void)
{
    struct trial t;

    open_trial(&t);
    compile_and_apply(&t,
                      RULE("a", "CEL", "message.age > 0",
                           "") "," RULE("b", "CEL", "message.age < 0",
                                        "") "," RULE("c", "CEL", "true", ""),
                      GOOD);
    CHECK_SPAN(t.result.rule->name, "b");
    CHECK_INT(t.result.outcomes[0], CONTRACT_PASSED);
    CHECK_INT(t.result.outcomes[1], CONTRACT_REFUSED);
    CHECK_INT(t.result.outcomes[2], CONTRACT_UNASKED);
    close_trial(&t);
}

static void a_guard_that_says_no_skips_the_rule(void)
{
    struct trial t;

    open_trial(&t);
    compile_and_apply(&t, RULE("r", "CEL", "message.age > 99 ; false", ""), GOOD);
    CHECK(!t.result.refused);
    CHECK_INT(t.result.outcomes[0], CONTRACT_SKIPPED);
    close_trial(&t);
}

static void check_datum(const struct trial *t, const char *want)
{
    struct buf json = BUF_INIT(1 << 16);
    struct av_plan *plan = NULL;
    struct av_to_json writer;
    struct err e = {0};

    av_to_json_init(&writer, &json, false);
    CHECK_INT(av_plan_new(&plan, t->schema, t->schema, &e), ERR_OK);
    CHECK_INT(av_decode_all(plan, t->result.datum, NULL, &writer.visitor, &e), ERR_OK);
    CHECK_SPAN(buf_span(&json), want);
    av_plan_free(plan);
    buf_free(&json);
}

static void a_transform_makes_the_record_that_is_written(void)
{
    struct trial t;

    open_trial(&t);
    compile_and_apply(
        &t,
        CHANGE("mask", "CEL_FIELD", "name == 'email' ; 'x' + value",
               "") "," RULE("seen", "CEL", "message.email == 'xann@x.org'", ""),
        GOOD);
    CHECK(!t.result.refused && t.result.changed);
    check_datum(&t, "{\"name\":\"Ann\",\"email\":\"xann@x.org\",\"age\":30,\"tags\":["
                    "\"a\"]}");
    compile_and_apply(
        &t,
        CHANGE("one", "CEL_FIELD", "name == 'email' ; value + '1'", "") "," CHANGE(
            "two", "CEL_FIELD", "name == 'email' ; value + '2'",
            "") "," CHANGE("three", "CEL_FIELD", "name == 'name' ; 'B'", ""),
        GOOD);
    check_datum(&t, "{\"name\":\"B\",\"email\":\"ann@x.org12\",\"age\":30,\"tags\":["
                    "\"a\"]}");
    close_trial(&t);
}

static void a_transform_that_does_not_fit_the_schema_fails(void)
{
    struct trial t;

    open_trial(&t);
    compile_and_apply(&t, CHANGE("r", "CEL_FIELD", "name == 'age' ; 'old'", ""), GOOD);
    CHECK(t.result.refused);
    close_trial(&t);
}

static void tags_choose_the_fields(void)
{
    static const char only_pii[] =
        RULE("r", "CEL_FIELD", "value.size() > 100", ",\"tags\":[\"PII\"]");
    static const char by_path[] =
        RULE("r", "CEL_FIELD", "value == 'nobody'", ",\"tags\":[\"WHO\"]");
    struct trial t;

    open_trial(&t);
    compile_and_apply(&t, only_pii, GOOD);
    CHECK_SPAN(t.result.field, "shop.Customer.email");
    CHECK_INT(compile_with(&t, "{\"tags\":{\"**.na?e\":[\"WHO\"]}}", by_path, false),
              ERR_OK);
    apply(&t, GOOD);
    CHECK_SPAN(t.result.field, "shop.Customer.name");
    CHECK_INT(compile_with(&t, "{\"tags\":{\"*.name\":[\"WHO\"]}}", by_path, false),
              ERR_OK);
    apply(&t, GOOD); // a * does not go over a dot
    CHECK(!t.result.refused);
    close_trial(&t);
}

static void watching_refuses_and_changes_nothing(void)
{
    struct trial t;

    open_trial(&t);
    CHECK_INT(compile_with(&t, "",
                           RULE("a", "CEL", "false", "") "," CHANGE(
                               "b", "CEL_FIELD", "name == 'email' ; 'x'",
                               "") "," RULE("c", "CEL", "message.nope", ""),
                           true),
              ERR_OK);
    apply(&t, GOOD);
    CHECK(!t.result.refused && !t.result.changed);
    CHECK_SPAN(t.result.observed, "a,c");
    CHECK_INT(t.result.outcomes[0], CONTRACT_OBSERVED);
    CHECK_INT(t.result.outcomes[1], CONTRACT_PASSED);
    compile_and_apply(
        &t,
        RULE("a", "CEL", "false",
             ",\"params\":{\"avrogate.mode\":\"observe\"}") "," RULE("b", "CEL",
                                                                     "message.age > 99",
                                                                     ""),
        GOOD);
    CHECK(t.result.refused);
    CHECK_SPAN(t.result.rule->name, "b");
    CHECK_SPAN(t.result.observed, "a");
    close_trial(&t);
}

static void what_is_not_for_writing_is_not_asked(void)
{
    struct trial t;

    open_trial(&t);
    CHECK_INT(compile(&t, "{\"name\":\"r\",\"mode\":\"READ\",\"type\":\"CEL\",\"expr\":"
                          "\"1 +\"}"),
              ERR_OK);
    CHECK(t.contract == NULL);
    CHECK_INT(compile(&t, RULE("r", "CEL", "1 +", ",\"disabled\":true")), ERR_OK);
    CHECK(t.contract == NULL);
    CHECK_INT(compile(&t, RULE("r", "ENCRYPT", "", ",\"disabled\":true")), ERR_OK);
    CHECK(t.contract == NULL);
    close_trial(&t);
}

static void a_rule_that_does_not_compile_shuts_the_door(void)
{
    struct trial t;

    open_trial(&t);
    CHECK_INT(compile(&t, RULE("good", "CEL", "true",
                               "") "," RULE("bad", "CEL", "message.nope > 1", "")),
              ERR_INVALID);
    CHECK(strncmp(t.e.msg, "domainRules: rule \"bad\": 1:", 27) == 0);
    CHECK_INT(compile(&t, "{\"name\":\"r\",\"mode\":\"WRITE\",\"type\":\"CEL\"}"),
              ERR_INVALID);
    CHECK_STR(t.e.msg, "domainRules: rule \"r\": expr is missing");
    CHECK_INT(compile(&t, RULE("r", "CEL", "message.name + 'x'", "")), ERR_INVALID);
    CHECK_INT(compile(&t, CHANGE("r", "CEL", "message.age > 1", "")), ERR_INVALID);
    close_trial(&t);
}

static void a_secret_is_not_written_in_clear(void)
{
    struct trial t;

    open_trial(&t);
    CHECK_INT(compile(&t, CHANGE("r", "ENCRYPT", "", ",\"onFailure\":\"NONE\"")),
              ERR_INVALID);
    CHECK_INT(compile_with(&t, "", CHANGE("r", "ENCRYPT", "", ""), true), ERR_INVALID);
    const struct contract_options o = {0};
    CHECK_INT(contract_new(&t.contract, t.schema, (struct span){0},
                           span_str("{\"encodingRules\":[{\"name\":\"r\",\"mode\":"
                                    "\"WRITEREAD\",\"type\":\"ENCRYPT_PAYLOAD\"}]}"),
                           &o, &t.e),
              ERR_INVALID);
    CHECK(strncmp(t.e.msg, "encodingRules: rule \"r\"", 22) == 0);
    close_trial(&t);
}

static void a_type_of_others_fails_as_its_rule_says(void)
{
    struct trial t;

    open_trial(&t);
    compile_and_apply(&t, CHANGE("r", "JSONATA", "$", ""), GOOD);
    CHECK(t.result.refused);
    CHECK_SPAN(t.result.why, "a rule of type \"JSONATA\" is not carried out here");
    compile_and_apply(&t, CHANGE("r", "JSONATA", "$", ",\"onFailure\":\"NONE\""), GOOD);
    CHECK(!t.result.refused);
    close_trial(&t);
}

static void a_registry_asks_of_all_cel_rules(void)
{
    struct trial t;
    struct err e = {0};

    open_trial(&t);
    CHECK_INT(contract_check(
                  t.schema, (struct span){0},
                  span_str("{\"domainRules\":[" RULE("a", "JSONATA", "((", "") "," RULE(
                      "b", "CEL", "true", "") "]}"),
                  &e),
              ERR_OK);
    CHECK_INT(contract_check(t.schema, (struct span){0},
                             span_str("{\"domainRules\":[{\"name\":\"r\",\"mode\":"
                                      "\"READ\",\"type\":\"CEL\",\"expr\":\"1 +\"}]}"),
                             &e),
              ERR_INVALID);
    CHECK_INT(contract_check(t.schema, (struct span){0}, (struct span){0}, &e), ERR_OK);
    close_trial(&t);
}

int main(void)
{
    RUN(a_condition_that_holds_lets_the_record_through);
    RUN(one_that_does_not_hold_refuses_and_says_so);
    RUN(an_error_fails_a_condition);
    RUN(a_field_that_fails_is_named);
    RUN(what_happens_on_failure_is_the_rules_business);
    RUN(rules_go_in_their_order_up_to_the_first_refusal);
    RUN(a_guard_that_says_no_skips_the_rule);
    RUN(a_transform_makes_the_record_that_is_written);
    RUN(a_transform_that_does_not_fit_the_schema_fails);
    RUN(tags_choose_the_fields);
    RUN(watching_refuses_and_changes_nothing);
    RUN(what_is_not_for_writing_is_not_asked);
    RUN(a_rule_that_does_not_compile_shuts_the_door);
    RUN(a_secret_is_not_written_in_clear);
    RUN(a_type_of_others_fails_as_its_rule_says);
    RUN(a_registry_asks_of_all_cel_rules);
    return REPORT();
}
