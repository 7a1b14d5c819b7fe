/*
 * quality_inside.h - for the files of this room.
 *
 *      rule ── questions: each a CEL expression, or a form that CEL has no words for
 *           '- key fields (unique), a time's field (fresh), the field to null
 */
#pragma once

#include "base/yaml.h"
#include "cel/cel.h"
#include "quality/pattern.h"
#include "quality/quality.h"
#include "quality/seen.h"

enum form {
    FORM_EXPR,
    FORM_NOT_NULL,
    FORM_RANGE,
    FORM_MATCHES,
    FORM_ONE_OF,
    FORM_TIMESTAMP,
    FORM_UNIQUE,
    FORM_FRESH,
    FORM_ROWS,
};

struct texts {
    const char **items;
    size_t n;
};

struct spot {
    size_t line, column;
};

struct question { // one thing that is asked of a record; the first bad answer decides
    const struct cel_rule *cel;
    const char *null_path; // NOT_NULL: what is null when it fails
};

struct found { // a field whose value a message names
    const char *path;
    const struct cel_rule *value; // NULL: it is not shown
    const char *type;             // then this is: "string"
    bool dropped;                 // ... because a rule takes it out of the row
};
#define FOUND_MOST 3 // of one rule

struct key_field {
    size_t index;
    const struct av_node *node; // without null
    int null;                   // the branch that is null, -1 = it never is
};

struct rule {
    struct quality_rule shown;
    enum form form;
    struct spot at;                // of its form
    const char *expr;              // EXPR
    struct texts fields;           // NOT_NULL, UNIQUE; of the others one
    const char *min, *max;         // RANGE, ROWS
    const char *re;                // MATCHES
    struct texts values;           // ONE_OF
    struct pattern pattern;        // TIMESTAMP
    int64_t within_ms;             // FRESH
    int64_t least_rows, most_rows; // ROWS; -1 = any
    const char *null_field;        // severity null_field
    const char *wanted;            // for the message: "from -90 to 60"

    // compiled: of the schema in use
    struct question *questions;
    size_t n_questions;
    struct key_field *keys; // UNIQUE, TIMESTAMP, FRESH
    size_t n_keys;
    struct found found[FOUND_MOST];
    size_t n_found;
    size_t null_index;
    int null_branch;
};

struct quality {
    struct arena arena; // what was read
    const char *file;
    struct rule *rules;
    size_t n;

    struct av_schema *schema; // held
    struct cel_rules *cel;
    struct arena compiled;

    int stopped; // the rule that said so, -1 = none
    struct cel_run *run;
    struct buf errors, datum, key, value;
    struct verdict_of { // of a rule, of the record in hand
        bool failed;
        uint64_t hash; // UNIQUE: of its key, 0 = none
        char why[QUALITY_WHY];
    } * said;
    struct partition *partitions;
};

struct partition {
    int32_t partition, generation;
    int64_t next;
    struct seen **seen; // by rule; NULL where it remembers nothing
    struct partition *link;
};

struct compiling {
    struct quality *q;
    struct av_schema *schema;
    struct cel_rules *cel;
    struct arena *arena;
};

/* compile.c: the questions of a rule.  Errors without the rule's place. */
enum err_kind compile_rule(struct compiling *c, struct rule *r, struct err *e) MUST_USE;

/*
 * tell.c: a rule's message about the record in hand.  `means` says what is wrong where
 * the values alone do not: "was seen at offset 7"; NULL: "temp is 61.5".
 */
void tell(struct quality *q, const struct rule *r, const char *means,
          char why[QUALITY_WHY]);

/* remember.c */
struct partition *partition_of(struct quality *q, int32_t partition);
struct seen *seen_of(struct quality *q, struct partition *p, size_t rule);
void free_partitions(struct quality *q);
