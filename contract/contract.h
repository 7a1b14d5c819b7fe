/*
 * contract.h - the rules stored beside a schema, compiled once and asked of each
 * record.
 *
 *      schema, ruleSet ── contract_new ──> contract          once a schema
 *      contract, datum ── contract_apply ──> contract_result  a record
 *
 * A ruleSet is Confluent's JSON (docs/contracts.md): domainRules in their order, each a
 * CONDITION that must hold or a TRANSFORM that makes another record, in CEL over the
 * record (type CEL) or over its fields (CEL_FIELD).  What happens then is the rule's
 * onSuccess and onFailure.
 *
 * A contract is immutable once it is made: any number of threads may apply it, each
 * with a run of its own.
 */
#pragma once

#include "cel/cel.h"

struct contract;

/* Is every CEL rule of the set good for this schema?  Whatever its mode; one that is
 * disabled, or of another type, is not looked at.  ERR_INVALID, ERR_LIMIT:
 * "domainRules: rule \"x\": 1:9: why". */
enum err_kind contract_check(struct av_schema *schema, struct span metadata,
                             struct span rules, struct err *e) MUST_USE;

struct contract_options {
    bool observe; // count and mark, refuse and change nothing
};

/*
 * What must be done before a record is written.  *out is NULL where that is nothing.
 * Metadata and rules are JSON objects or empty; both are copied.
 *
 * ERR_INVALID: a rule that cannot be carried out here, because it does not compile, or
 * because it would encrypt.  Nothing may be written then: a door that does not know its
 * rule stays shut.  With `observe` a rule that does not compile is kept, and errs; one
 * that encrypts is refused all the same.
 */
enum err_kind contract_new(struct contract **out, struct av_schema *schema,
                           struct span metadata, struct span rules,
                           const struct contract_options *o, struct err *e) MUST_USE;
void contract_free(struct contract *c); // NULL is nothing

struct contract_rule {
    struct span name, doc, type, expr;
    bool observed; // by the contract's option or its own parameter avrogate.mode
};
size_t contract_rules(const struct contract *c); // those that apply to writing
const struct contract_rule *contract_rule(const struct contract *c, size_t i);

enum contract_outcome {
    CONTRACT_UNASKED,  // a rule before it refused the record
    CONTRACT_PASSED,   // it holds, or the record is as it made it
    CONTRACT_SKIPPED,  // its guard says no
    CONTRACT_REFUSED,  // onFailure ERROR, or onSuccess ERROR
    CONTRACT_DEAD,     // the same, and the record goes to the dead letters
    CONTRACT_IGNORED,  // it failed, and onFailure is NONE
    CONTRACT_OBSERVED, // it would have failed
    CONTRACT_OUTCOMES,
};

/* Spans are borrowed from the run and the contract, until the run is used again. */
struct contract_result {
    bool refused, dead;
    const struct contract_rule *rule; // that refused it
    struct span why;                  // "is false", "error: no such key: a", ...
    struct span field, pointer;       // CEL_FIELD: its full name, and where it stands
    struct span datum;                // what is to be written, when it is not refused
    bool changed;                     // by a TRANSFORM
    struct span observed;             // "a,b": rules that would have refused it
    const enum contract_outcome *outcomes; // one a rule
};

struct contract_run;

struct contract_run *contract_run_new(void);
void contract_run_free(struct contract_run *run); // NULL is nothing

/* `datum` is the record's Avro binary, just encoded with the contract's schema; `now`
 * nanoseconds since 1970. */
void contract_apply(const struct contract *c, struct contract_run *run,
                    struct span datum, int64_t now, struct contract_result *out);
