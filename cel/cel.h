/*
 * cel.h - rules in the Common Expression Language over Avro records: text -> checked
 * plan -> verdict on the record's Avro binary, without a tree.
 *
 *      schema ── cel_rules ── add "size(message.items) > 0" ──> cel_rule      once
 *      datum, now ── cel_begin ── cel_check, cel_transform ──> cel_outcome    a record
 *
 * The language: https://github.com/google/cel-spec/blob/master/doc/langdef.md with its
 * standard macros and functions and the strings extension; what an expression sees of a
 * record is docs/cel.md.  A rule is `expression`, or `guard ; expression`: it applies
 * where the guard is true.
 *
 * CEL_RECORD: `message` (the record) and `now` are bound, and the expression is asked
 * once.  CEL_FIELD: it is asked for each primitive field, depth first, with `value`,
 * `name`, `fullName`, `typeName`, `tags`, `message` (the record that holds the field)
 * and `now`; the first false or error decides.
 *
 * A strangers' expression and a strangers' datum are both bounded: text, depth and
 * nodes when compiling, steps and memory when asking.
 */
#pragma once

#include "avro-core/schema.h"

#define CEL_TEXT_MOST 65536  // bytes of a rule
#define CEL_DEPTH_MOST 200   // expressions inside each other
#define CEL_NODES_MOST 10000 // of one rule
#define CEL_STEPS_MOST \
    2000000 // of one question: operations, elements, 64-byte blocks of text
#define CEL_ROOM_MOST (4u << 20) // bytes of one record's questions

enum cel_mode { CEL_RECORD, CEL_FIELD };

/*
 * The rules of one schema.  Add all of them on one thread; then any number of threads
 * may ask.  Retains the schema.  Owns its rules.
 */
struct cel_rules;
struct cel_rule;

enum err_kind cel_rules_new(struct cel_rules **out, struct av_schema *schema,
                            struct err *e) MUST_USE;
void cel_rules_free(struct cel_rules *set); // NULL is nothing

/*
 * Compiles `text`.  ERR_INVALID for what does not parse or does not type-check against
 * the schema, ERR_LIMIT past a limit above: the message begins with "line:column: ", in
 * code points from 1.  *out belongs to the set, which is as good as before when the
 * rule is refused.
 */
enum err_kind cel_rules_add(struct cel_rules *set, struct span text, enum cel_mode mode,
                            struct cel_rule **out, struct err *e) MUST_USE;

/*
 * A tag for the fields whose fullName is like `path`, beside what "confluent:tags" says
 * in the schema: `*` and `?` stay inside a name, `**` does not ("**.ssn",
 * "com.shop.*").  Before the first cel_rules_add().  Both are copied.
 */
void cel_rules_tag(struct cel_rules *set, struct span path, struct span tag);

/*
 * From now on a field of the record is a name by itself: `amount > 0` is
 * `message.amount > 0`.  What `message`, `now` and a macro's variable name comes first,
 * types after the fields.  Before the first cel_rules_add(); CEL_RECORD only.
 */
void cel_rules_bare(struct cel_rules *set);

/* CEL_FIELD: asked only of fields with one of these tags; `n` 0: of all.  Copied. */
void cel_rule_only(struct cel_rule *rule, const struct span *tags, size_t n);

enum cel_yield {
    CEL_YIELDS_BOOL,  // a condition
    CEL_YIELDS_VALUE, // certainly none: for cel_transform() only
    CEL_YIELDS_ANY,   // only the data will say
};
enum cel_yield cel_rule_yield(const struct cel_rule *rule);

/* What a CEL_RECORD rule's value is as Avro, as far as its types tell. */
struct cel_result {
    struct span type; // JSON, without its null: "\"long\"", "{\"type\":\"array\",..."
    const struct av_node *record; // or a record of the set's schema; neither: unknown
    bool nullable;
};
/* Borrowed from the rule.  Timestamps are timestamp-micros; decimals, durations, uints
 * and what only the data will say have no type of their own. */
struct cel_result cel_rule_result(const struct cel_rule *rule);

/* Where a thread asks: its memory and what it remembers of the record in hand.  One
 * thread at a time; serves any rules, one set after the other. */
struct cel_run;

struct cel_run *cel_run_new(void);
void cel_run_free(struct cel_run *run); // NULL is nothing

/*
 * A record to be asked about: its Avro binary, valid for the set's schema (just
 * encoded, or seen by av_decode_all(): other bytes are safe but get errors).  `set` and
 * `datum` must live until the next cel_begin().  `now` is nanoseconds since 1970.
 */
void cel_begin(struct cel_run *run, const struct cel_rules *set, struct span datum,
               int64_t now);

enum cel_verdict {
    CEL_HOLDS,
    CEL_FAILS,
    CEL_ERRS, // a condition that cannot be answered does not hold either
};

/* Spans are borrowed from the run until its next question. */
struct cel_outcome {
    enum cel_verdict verdict;
    bool applied;        // false: the guard said no (of all fields, in CEL_FIELD)
    bool judged;         // cel_transform() of CEL_FIELD: all answers were a condition's
    struct span message; // CEL_ERRS: why
    struct span field;   // CEL_FIELD: fullName of the field that decided, else empty
    struct span pointer; // and where it stands (RFC 6901): "/items/0/price"
};

/* Is the condition true?  One whose value is no bool is an error. */
void cel_check(struct cel_run *run, const struct cel_rule *rule,
               struct cel_outcome *out);

/* Where field `i` of the record in hand stands in the datum (its own bytes, borrowed);
 * false: the datum is cut, or its schema's root is no record that has one. */
bool cel_locate(struct cel_run *run, size_t i, struct span *out);

/*
 * Appends the record that the rule makes of this one, as Avro binary of the set's
 * schema.  CEL_RECORD: a map by field names (a field that is missing takes its default)
 * or a record.  CEL_FIELD: each field's new value.  Where the guard says no, the record
 * as it was.  CEL_ERRS: nothing is appended; so too when the value does not fit.
 * CEL_FAILS: a rule of CEL_YIELDS_ANY was a condition after all and said false.
 */
void cel_transform(struct cel_run *run, const struct cel_rule *rule, struct buf *out,
                   struct cel_outcome *outcome);

/*
 * Appends the value of a CEL_RECORD rule as Avro binary of `type`, which is no union
 * with null: *is_null says that the value is null (or the guard no) and nothing was
 * appended.  A record fits its own type in the set's schema.  CEL_ERRS: nothing is
 * appended.
 */
void cel_compute(struct cel_run *run, const struct cel_rule *rule,
                 const struct av_node *type, struct buf *out, bool *is_null,
                 struct cel_outcome *outcome);

/* Seconds east of UTC at `when` (seconds since 1970, UTC) in the zone called so in the
 * system's tzdata; false: there is none.  The run remembers what it has read. */
bool cel_zone_offset(struct cel_run *run, struct span name, int64_t when, int64_t *out);

/* Appends one line's text: true, false, "error: why", or the value as JSON; of a
 * CEL_FIELD transform the whole new record. */
void cel_show(struct cel_run *run, const struct cel_rule *rule, struct buf *out);
