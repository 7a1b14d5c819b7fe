#include "gateway/contracts.h"

#include "base/stats.h"
#include "tests/check.h"

#include <string.h>

static const char schema_text[] =
    "{\"type\":\"record\",\"name\":\"R\",\"fields\":["
    "{\"name\":\"s\",\"type\":\"string\"},{\"name\":\"n\",\"type\":\"int\"}]}";

#define RULES(kind, type, expr, more)                                    \
    "{\"domainRules\":[{\"name\":\"r\",\"doc\":\"why\",\"kind\":\"" kind \
    "\",\"mode\":\"WRITE\",\"type\":\"" type "\",\"expr\":\"" expr "\"" more "}]}"

/* A schema with rules beside it, and what one record came to. */
struct setting {
    struct contracts contracts;
    struct rc_beside beside;
    struct rc_schema schema;
    struct gw_contract *contract;
    struct buf out;
    struct item item;
    struct av_problems problems;
    struct err e;
};

static void set_up(struct setting *s, const char *rules, enum contracts_mode mode)
{
    *s = (struct setting){.out = BUF_INIT(1 << 16)};
    s->beside.rules = span_str(rules);
    s->schema = (struct rc_schema){.id = 7, .beside = &s->beside};
    CHECK_INT(
        av_schema_parse(&s->schema.schema, span_str(schema_text), NULL, 0, NULL, &s->e),
        ERR_OK);
    contracts_init(&s->contracts, 2, mode);
}

static void take_down(struct setting *s)
{
    gw_contract_release(s->contract);
    contracts_free(&s->contracts);
    av_schema_release(s->schema.schema);
    av_problems_free(&s->problems);
    buf_free(&s->out);
}

static enum err_kind get(struct setting *s)
{
    gw_contract_release(s->contract);
    return contracts_get(&s->contracts, &s->schema, span_str("t-value"), &s->contract,
                         &s->e);
}

/* Is {"s":"ab","n":5}, behind three bytes of something else, let through? */
static bool holds(struct setting *s, bool counts)
{
    struct gw_run *run = contracts_take_run(&s->contracts);

    buf_reset(&s->out);
    buf_put(&s->out, span_str("xyz\x04"
                              "ab\x0a"));
    bool good =
        gw_contract_holds(s->contract, run, &s->out, 3, 40, &s->item, &s->problems);
    contracts_give_run(&s->contracts, run, counts);
    return good;
}

static bool metrics_say(const char *line)
{
    struct buf text = BUF_INIT(1 << 20);

    stats_print(&text);
    bool there = memmem(text.p, text.n, line, strlen(line)) != NULL;
    buf_free(&text);
    return there;
}

static void a_refusal_says_by_which_rule(void)
{
    struct setting s;

    set_up(&s, RULES("CONDITION", "CEL", "message.n > 5", ",\"onFailure\":\"DLQ\""),
           CONTRACTS_ENFORCE);
    CHECK_INT(get(&s), ERR_OK);
    CHECK(!holds(&s, true));
    CHECK_SPAN(s.item.broken->rule, "r");
    CHECK_SPAN(s.item.broken->doc, "why");
    CHECK_SPAN(s.item.broken->expr, "message.n > 5");
    CHECK_SPAN(s.item.broken->why, "is false");
    CHECK_SPAN(s.item.broken->subject, "t-value");
    CHECK_INT(s.item.broken->schema_id, 7);
    CHECK(s.item.broken->dead);
    CHECK_INT(s.problems.n, 1);
    CHECK_STR(s.problems.first->rule, "contract");
    CHECK_INT(s.problems.first->offset, 40);
    CHECK_SPAN(s.problems.first->message,
               "the value: rule \"r\" (why) is false, wanted message.n > 5 (contract)");
    take_down(&s);
}

static void what_a_rule_makes_takes_the_records_place(void)
{
    struct setting s;

    set_up(&s, RULES("TRANSFORM", "CEL_FIELD", "name == 's' ; value + 'cd'", ""),
           CONTRACTS_ENFORCE);
    CHECK_INT(get(&s), ERR_OK);
    CHECK(holds(&s, true));
    CHECK_SPAN(buf_span(&s.out), "xyz\x08"
                                 "abcd\x0a");
    take_down(&s);
}

static void what_grows_over_the_limit_is_refused_whole(void)
{
    struct setting s;

    set_up(&s, RULES("TRANSFORM", "CEL_FIELD", "name == 's' ; value + 'cd'", ""),
           CONTRACTS_ENFORCE);
    CHECK_INT(get(&s), ERR_OK);
    s.out.limit = 3 + 5;
    CHECK(!holds(&s, true));
    CHECK_STR(s.problems.first->rule, "size");
    CHECK(!s.out.over);
    take_down(&s);
}

static void a_request_that_is_read_again_counts_once(void)
{
    struct setting s;

    set_up(&s, RULES("CONDITION", "CEL", "message.n < 5", ",\"onFailure\":\"NONE\""),
           CONTRACTS_ENFORCE);
    CHECK_INT(get(&s), ERR_OK);
    CHECK(holds(&s, false));
    CHECK(!metrics_say("rule=\"r\",outcome=\"ignored\""));
    CHECK(holds(&s, true));
    CHECK(metrics_say("avrogate_gateway_rules_total{subject=\"t-value\",rule=\"r\","
                      "outcome=\"ignored\"} 1"));
    take_down(&s);
}

static void watching_marks_the_record(void)
{
    struct setting s;

    set_up(&s, RULES("CONDITION", "CEL", "false", ""), CONTRACTS_OBSERVE);
    CHECK_INT(get(&s), ERR_OK);
    CHECK(holds(&s, true));
    CHECK_SPAN(s.item.observed, "r");
    CHECK(holds(&s, true)); // a key and a value of one record
    CHECK_SPAN(s.item.observed, "r,r");
    take_down(&s);
}

static void only_what_has_rules_for_writing_has_a_contract(void)
{
    struct setting s;

    set_up(&s, RULES("CONDITION", "CEL", "true", ",\"disabled\":true"),
           CONTRACTS_ENFORCE);
    CHECK_INT(get(&s), ERR_OK);
    CHECK(s.contract == NULL);
    s.beside.rules = (struct span){0};
    CHECK_INT(get(&s), ERR_OK);
    CHECK(s.contract == NULL);
    s.schema.beside = NULL;
    CHECK_INT(get(&s), ERR_OK);
    CHECK(s.contract == NULL);
    take_down(&s);
    set_up(&s, RULES("CONDITION", "CEL", "((", ""), CONTRACTS_OFF);
    CHECK_INT(get(&s), ERR_OK);
    CHECK(s.contract == NULL);
    take_down(&s);
}

static void a_contract_is_compiled_once_and_a_full_table_begins_anew(void)
{
    struct setting s;

    set_up(&s, RULES("CONDITION", "CEL", "true", ""), CONTRACTS_ENFORCE);
    CHECK_INT(get(&s), ERR_OK);
    const struct gw_contract *first = s.contract;
    CHECK_INT(get(&s), ERR_OK);
    CHECK(s.contract == first);
    for (s.schema.id = 8; s.schema.id < 20; s.schema.id++)
        CHECK_INT(get(&s), ERR_OK);
    CHECK(s.contracts.table.n <= 2);
    CHECK(holds(&s, true));
    take_down(&s);
}

static void rules_that_cannot_be_kept_are_no_contract(void)
{
    struct setting s;

    set_up(&s, RULES("CONDITION", "CEL", "message.nope", ""), CONTRACTS_ENFORCE);
    CHECK_INT(get(&s), ERR_INVALID);
    CHECK(strncmp(s.e.msg, "schema 7: domainRules: rule \"r\": 1:", 35) == 0);
    CHECK(s.contract == NULL);
    take_down(&s);
}

int main(void)
{
    contracts_count_install();
    RUN(a_refusal_says_by_which_rule);
    RUN(what_a_rule_makes_takes_the_records_place);
    RUN(what_grows_over_the_limit_is_refused_whole);
    RUN(a_request_that_is_read_again_counts_once);
    RUN(watching_marks_the_record);
    RUN(only_what_has_rules_for_writing_has_a_contract);
    RUN(a_contract_is_compiled_once_and_a_full_table_begins_anew);
    RUN(rules_that_cannot_be_kept_are_no_contract);
    return REPORT();
}
