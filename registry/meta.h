/*
 * meta.h - what is kept beside a schema: metadata and a set of rules.
 *
 *      {"tags":{"**.ssn":["PII"]},"properties":{"owner":"ann"},"sensitive":["key"]}
 *      {"migrationRules":[..],"domainRules":[{"name":"r","mode":"WRITE",..}]}
 *
 * Both travel as JSON text; tidying checks one and writes it in the form it is stored
 * in (Confluent's: members in its order, maps and sets sorted, empty ones left out), so
 * that equal ones are equal texts.  Pure; safe from any thread.
 */
#pragma once

#include "base/err.h"
#include "base/mem.h"

/* Empty stays empty, and what says nothing becomes empty.  ERR_INVALID says what is
 * wrong. The result lives in `a`. */
enum err_kind reg_metadata_tidy(struct span *out, struct span json, struct arena *a,
                                struct err *e) MUST_USE;
enum err_kind reg_rules_tidy(struct span *out, struct span json, struct arena *a,
                             struct err *e) MUST_USE;

/* Tidied (what is neither that nor can be read counts as nothing): what `over` says
 * goes before what `under` says, key by key, and rule by rule by their names. */
struct span reg_metadata_merge(struct span under, struct span over, struct arena *a);
struct span reg_rules_merge(struct span under, struct span over, struct arena *a);
/* Tidied rules without those of these names. */
struct span reg_rules_without(struct span rules, const struct span *names, size_t n,
                              struct arena *a);
/* Metadata whose property `key` is `value`. */
struct span reg_metadata_with(struct span metadata, struct span key, struct span value,
                              struct arena *a);

/* The property `key` of tidied metadata; false when it has none. */
bool reg_metadata_property(struct span metadata, struct span key, struct arena *a,
                           struct span *value);
/* Is one of the rules of `type`? */
bool reg_rules_use(struct span rules, struct span type, struct arena *a);
