/*
 * visit.h - CEL_FIELD: one question for each primitive field of a record, depth first
 * in the schema's order, into records, arrays and maps (an item under the name of its
 * field).
 *
 * A union shows its branch, a null is visited too; enums, fixed and records themselves
 * are not.  With `out`, the record is written again as it is walked, each value
 * replaced by its answer.
 */
#pragma once

#include "cel/cel_inside.h"

enum {
    FIELD_MESSAGE,
    FIELD_NOW,
    FIELD_VALUE,
    FIELD_NAME,
    FIELD_FULL_NAME,
    FIELD_TYPE_NAME,
    FIELD_TAGS,
    CEL_FIELD_VARIABLES
};

/* What is known of each field beforehand: names and tags, by the record's index. */
struct cel_visits *cel_visits_new(const struct cel_rules *set);
void cel_visits_free(struct cel_visits *v); // NULL is nothing

/* `out` NULL: a condition.  The first false or error ends it. */
void cel_visit(struct cel_run *run, const struct cel_rule *rule, struct buf *out,
               struct cel_outcome *outcome);

/* rule.c */
bool cel_applies(struct cel_run *run, const struct cel_rule *rule,
                 const struct cel_value *variables);
void cel_judge(struct cel_run *run, struct cel_value v, struct cel_outcome *out);
