#include "contract/ruleset.h"

#include "tests/check.h"

static struct arena arena;
static struct err e;

static enum err_kind reads(struct ruleset *rs, const char *json)
{
    arena_reset(&arena);
    return ruleset_read(rs, span_str(json), &arena, &e);
}

static void what_a_rule_says_is_read(void)
{
    struct ruleset rs;

    CHECK_INT(reads(&rs, "{\"domainRules\":[{\"name\":\"r\",\"doc\":\"why\",\"kind\":"
                         "\"CONDITION\",\"mode\":\"WRITEREAD\",\"type\":\"CEL_FIELD\","
                         "\"tags\":[\"PII\",\"GDPR\"],\"expr\":\"value != ''\","
                         "\"onSuccess\":\"NONE\",\"onFailure\":\"DLQ,NONE\","
                         "\"params\":{\"avrogate.mode\":\"observe\"},\"x\":1}]}"),
              ERR_OK);
    const struct rule *r = &rs.domain[0];
    CHECK_INT(rs.n_domain, 1);
    CHECK_INT(rs.n_encoding, 0);
    CHECK(rs.enabled);
    CHECK_SPAN(r->name, "r");
    CHECK_SPAN(r->doc, "why");
    CHECK_SPAN(r->type, "CEL_FIELD");
    CHECK_SPAN(r->expr, "value != ''");
    CHECK_INT(r->kind, RULE_CONDITION);
    CHECK_INT(r->mode, RULE_WRITEREAD);
    CHECK_INT(r->n_tags, 2);
    CHECK_SPAN(r->tags[1], "GDPR");
    CHECK_INT(r->on_success, RULE_NONE);
    CHECK_INT(r->on_failure, RULE_DLQ);
    CHECK(r->observed && !r->disabled);
}

static void what_is_not_said_has_a_meaning(void)
{
    struct ruleset rs;

    CHECK_INT(reads(&rs, "{\"domainRules\":[{\"name\":\"r\",\"mode\":\"WRITE\"}]}"),
              ERR_OK);
    CHECK_INT(rs.domain[0].kind, RULE_EITHER);
    CHECK_INT(rs.domain[0].on_success, RULE_NONE);
    CHECK_INT(rs.domain[0].on_failure, RULE_ERROR);
    CHECK(!rs.domain[0].disabled && !rs.domain[0].observed);
    CHECK_INT(reads(&rs, ""), ERR_OK);
    CHECK_INT(rs.n_domain, 0);
    CHECK_INT(reads(&rs, "null"), ERR_OK);
    CHECK_INT(reads(&rs, "{\"domainRules\":null,\"encodingRules\":[]}"), ERR_OK);
    CHECK_INT(rs.n_encoding, 0);
}

static enum rule_action on_failure(const char *action, const char *mode)
{
    struct ruleset rs;
    char json[200];

    snprintf(
        json, sizeof json,
        "{\"domainRules\":[{\"name\":\"r\",\"mode\":\"%s\",\"onFailure\":\"%s\"}]}",
        mode, action);
    CHECK_INT(reads(&rs, json), ERR_OK);
    return rs.domain[0].on_failure;
}

static void of_two_actions_the_first_is_for_writing(void)
{
    CHECK_INT(on_failure("NONE,ERROR", "WRITEREAD"), RULE_NONE);
    CHECK_INT(on_failure("ERROR,NONE", "WRITEREAD"), RULE_ERROR);
    CHECK_INT(on_failure("DLQ", "WRITEREAD"), RULE_DLQ);
    CHECK_INT(on_failure("DLQ", "WRITE"), RULE_DLQ);
    CHECK_INT(on_failure("NONE,ERROR", "WRITE"), RULE_UNKNOWN); // a name of its own
    CHECK_INT(on_failure("EMAIL", "WRITE"), RULE_UNKNOWN);
}

static void none_means_nowhere(void)
{
    struct ruleset rs;

    CHECK_INT(reads(&rs, "{\"enableAt\":\"NONE\"}"), ERR_OK);
    CHECK(!rs.enabled);
    CHECK_INT(reads(&rs, "{\"enableAt\":\"GATEWAY\"}"), ERR_OK);
    CHECK(rs.enabled);
}

static void what_is_no_rule_set_is_refused(void)
{
    struct ruleset rs;

    CHECK_INT(reads(&rs, "[]"), ERR_INVALID);
    CHECK_INT(reads(&rs, "{\"domainRules\":{}}"), ERR_INVALID);
    CHECK_INT(reads(&rs, "{\"domainRules\":[1]}"), ERR_INVALID);
    CHECK_INT(reads(&rs, "{\"domainRules\":[{\"mode\":\"WRITE\"}]}"), ERR_INVALID);
    CHECK_STR(e.msg, "domainRules: a rule without a name");
}

static void tags_come_by_path(void)
{
    const struct path_tags *tags = NULL;
    size_t n = 0;

    arena_reset(&arena);
    CHECK_INT(ruleset_tags(&tags, &n,
                           span_str("{\"tags\":{\"**.ssn\":[\"PII\",\"X\"],\"a\":[]},"
                                    "\"properties\":{}}"),
                           &arena, &e),
              ERR_OK);
    CHECK_INT(n, 1);
    CHECK_SPAN(tags[0].path, "**.ssn");
    CHECK_INT(tags[0].n, 2);
    CHECK_SPAN(tags[0].tags[1], "X");
    CHECK_INT(ruleset_tags(&tags, &n, (struct span){0}, &arena, &e), ERR_OK);
    CHECK_INT(n, 0);
}

int main(void)
{
    RUN(what_a_rule_says_is_read);
    RUN(what_is_not_said_has_a_meaning);
    RUN(of_two_actions_the_first_is_for_writing);
    RUN(none_means_nowhere);
    RUN(what_is_no_rule_set_is_refused);
    RUN(tags_come_by_path);
    arena_free(&arena);
    return REPORT();
}
