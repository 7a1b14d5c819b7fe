#include "registry/meta.h"
#include "tests/check.h"

#include <stdio.h>

static void is_kept_as(enum err_kind (*t)(struct span *, struct span, struct arena *,
                                          struct err *),
                       const char *sent, const char *want)
{
    struct span out = {0}, again = {0};
    struct arena a = {0};
    struct err e = {0};

    CHECK_INT(t(&out, span_str(sent), &a, &e), ERR_OK);
    CHECK_STR(e.msg, "");
    CHECK_SPAN(out, want);
    CHECK_INT(t(&again, out, &a, &e), ERR_OK); // tidy is tidy
    CHECK_SPAN(again, want);
    arena_free(&a);
}

static void is_refused(enum err_kind (*t)(struct span *, struct span, struct arena *,
                                          struct err *),
                       const char *sent, const char *why)
{
    struct span out = {0};
    struct arena a = {0};
    struct err e = {0};

    CHECK_INT(t(&out, span_str(sent), &a, &e), ERR_INVALID);
    CHECK_STR(e.msg, why);
    arena_free(&a);
}

static void metadata_is_kept_sorted_and_without_what_is_empty(void)
{
    is_kept_as(reg_metadata_tidy, "", "");
    is_kept_as(reg_metadata_tidy, "{}", "");
    is_kept_as(reg_metadata_tidy, "{\"tags\":{},\"properties\":null,\"x\":[1]}", "");
    is_kept_as(reg_metadata_tidy,
               "{\"sensitive\":[\"b\",\"a\",\"b\"],\"properties\":{\"z\":\"1\",\"a\":2,"
               "\"t\":true},\"tags\":{\"y\":[\"Q\",\"P\"],\"x\":[]}}",
               "{\"tags\":{\"x\":[],\"y\":[\"P\",\"Q\"]},\"properties\":{\"a\":\"2\","
               "\"t\":\"true\",\"z\":\"1\"},\"sensitive\":[\"a\",\"b\"]}");
}

static void metadata_of_another_shape_is_refused(void)
{
    is_refused(reg_metadata_tidy, "[]", "metadata: found array, wanted object");
    is_refused(
        reg_metadata_tidy, "{\"properties\":{\"a\":[]}}",
        "metadata: properties: found object, wanted object of at most 1000 strings");
    is_refused(
        reg_metadata_tidy, "{\"tags\":[\"a\"]}",
        "metadata: tags: found array, wanted object of at most 1000 arrays of strings");
    is_refused(
        reg_metadata_tidy, "{\"sensitive\":[1]}",
        "metadata: sensitive: found array, wanted array of at most 1000 strings");
}

static void rules_are_kept_in_one_order(void)
{
    is_kept_as(reg_rules_tidy, "{\"domainRules\":[]}", "");
    is_kept_as(
        reg_rules_tidy,
        "{\"enableAt\":\"CLIENT\",\"domainRules\":[{\"type\":\"CEL\",\"mode\":"
        "\"WRITE\","
        "\"name\":\"b-1\",\"expr\":\"x > 1\",\"tags\":[\"Q\",\"P\"],\"params\":{\"k\":"
        "\"v\"},\"kind\":\"CONDITION\"}],\"migrationRules\":[{\"name\":\"m\",\"mode\":"
        "\"UPGRADE\",\"type\":\"JSONATA\",\"disabled\":true}]}",
        "{\"migrationRules\":[{\"name\":\"m\",\"mode\":\"UPGRADE\",\"type\":"
        "\"JSONATA\","
        "\"disabled\":true}],\"domainRules\":[{\"name\":\"b-1\",\"kind\":\"CONDITION\","
        "\"mode\":\"WRITE\",\"type\":\"CEL\",\"tags\":[\"P\",\"Q\"],\"params\":{\"k\":"
        "\"v\"},\"expr\":\"x > 1\",\"disabled\":false}],\"enableAt\":\"CLIENT\"}");
}

static void rules_that_could_not_be_followed_are_refused(void)
{
    is_refused(
        reg_rules_tidy, "{\"domainRules\":[{\"mode\":\"WRITE\"}]}",
        "ruleSet: domainRules: name: wanted a letter or _, then letters, digits, "
        "_ and -");
    is_refused(
        reg_rules_tidy,
        "{\"domainRules\":[{\"name\":\"a\",\"mode\":\"UPGRADE\",\"type\":\"C\"}]}",
        "ruleSet: domainRules: mode of \"a\": wanted one of WRITE READ WRITEREAD ");
    is_refused(
        reg_rules_tidy,
        "{\"migrationRules\":[{\"name\":\"a\",\"mode\":\"WRITE\",\"type\":\"C\"}]}",
        "ruleSet: migrationRules: mode of \"a\": wanted one of UPGRADE DOWNGRADE "
        "UPDOWN ");
    is_refused(reg_rules_tidy,
               "{\"domainRules\":[{\"name\":\"a\",\"mode\":\"READ\",\"type\":\"C\"},"
               "{\"name\":\"a\",\"mode\":\"READ\",\"type\":\"C\"}]}",
               "ruleSet: domainRules: two rules \"a\"");
    is_refused(reg_rules_tidy,
               "{\"encodingRules\":[{\"name\":\"a\",\"mode\":\"READ\"}]}",
               "ruleSet: encodingRules: type of \"a\" is missing");
    is_refused(reg_rules_tidy, "{\"enableAt\":\"NOON\"}",
               "ruleSet: enableAt: wanted ALL, CLIENT, GATEWAY, SERVER or NONE");
}

static void what_is_over_wins(void)
{
    struct arena a = {0};
    struct span v = {0};

    struct span meta = reg_metadata_merge(
        span_str("{\"tags\":{\"x\":[\"P\"]},\"properties\":{\"a\":\"1\",\"b\":\"1\"}}"),
        span_str("{\"tags\":{\"x\":[\"Q\"]},\"properties\":{\"b\":\"2\"}}"), &a);
    CHECK_SPAN(meta, "{\"tags\":{\"x\":[\"P\",\"Q\"]},\"properties\":{\"a\":\"1\","
                     "\"b\":\"2\"}}");
    CHECK(reg_metadata_property(meta, span_str("b"), &a, &v));
    CHECK_SPAN(v, "2");
    CHECK(!reg_metadata_property(meta, span_str("c"), &a, &v));
    CHECK(!reg_metadata_property((struct span){0}, span_str("c"), &a, &v));

    struct span rules = reg_rules_merge(
        span_str("{\"domainRules\":[{\"name\":\"a\",\"mode\":\"READ\",\"type\":\"A\"},"
                 "{\"name\":\"b\",\"mode\":\"READ\",\"type\":\"A\"}]}"),
        span_str(
            "{\"domainRules\":[{\"name\":\"a\",\"mode\":\"READ\",\"type\":\"B\"}]}"),
        &a);
    CHECK_SPAN(rules,
               "{\"domainRules\":[{\"name\":\"b\",\"mode\":\"READ\",\"type\":\"A\","
               "\"disabled\":false},{\"name\":\"a\",\"mode\":\"READ\",\"type\":\"B\","
               "\"disabled\":false}]}");
    CHECK_INT((long)reg_rules_merge(span_str("{\"domainRules\":[{\"mode\":\"READ\"}]}"),
                                    (struct span){0}, &a)
                  .n,
              0); // another registry's, which nobody could follow
    CHECK(reg_rules_use(rules, span_str("B"), &a));
    CHECK(!reg_rules_use(rules, span_str("C"), &a));
    arena_free(&a);
}

int main(void)
{
    RUN(metadata_is_kept_sorted_and_without_what_is_empty);
    RUN(metadata_of_another_shape_is_refused);
    RUN(rules_are_kept_in_one_order);
    RUN(rules_that_could_not_be_followed_are_refused);
    RUN(what_is_over_wins);
    return REPORT();
}
