/*
 * ruleset.h - Confluent's ruleSet JSON, read.
 *
 *      {"domainRules":[{"name":"r","kind":"CONDITION","type":"CEL","mode":"WRITE",
 *        "expr":"..","onFailure":"DLQ",..}],"enableAt":"ALL"}
 *
 * Members nobody knows are passed over, as other registries may have more of them.
 * Pure; everything lives in the arena.
 */
#pragma once

#include "base/json.h"

enum rule_kind { RULE_EITHER, RULE_CONDITION, RULE_TRANSFORM };
enum rule_mode { RULE_WRITE = 1, RULE_READ = 2, RULE_WRITEREAD = 3, RULE_OTHER = 4 };
enum rule_action { RULE_NONE, RULE_ERROR, RULE_DLQ, RULE_UNKNOWN };

struct rule {
    struct span name, doc, type, expr;
    enum rule_kind kind;
    enum rule_mode mode;
    const struct span *tags; // only fields with one of these; none: all
    size_t n_tags;
    enum rule_action on_success, on_failure; // of writing
    bool disabled, observed;
};

struct ruleset {
    const struct rule *domain, *encoding;
    size_t n_domain, n_encoding;
    bool enabled; // enableAt is not NONE
};

/* Empty text: no rules.  ERR_INVALID for what is no rule set; a name is all that a rule
 * must have. */
enum err_kind ruleset_read(struct ruleset *out, struct span text, struct arena *a,
                           struct err *e) MUST_USE;

/* Tags by path, of metadata: {"tags":{"**.ssn":["PII"]}}. */
struct path_tags {
    struct span path;
    const struct span *tags;
    size_t n;
};
enum err_kind ruleset_tags(const struct path_tags **out, size_t *n,
                           struct span metadata, struct arena *a,
                           struct err *e) MUST_USE;
