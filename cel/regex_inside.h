/*
 * regex_inside.h - the rooms of a regular expression, and what is handed on.
 *
 *      pattern --regex_parse.c--> nodes --regex_program.c--> steps --regex.c--> yes or
 * no
 *                    |
 *              regex_set.c: sets of code points, each kept once
 *
 * Sets become numbers: code points that no set of the pattern tells apart are one
 * class, and a step asks whether the class is in its set.
 */
#pragma once

#include "base/mem.h"
#include "cel/regex.h"

#define CODE_POINTS 0x110000u

struct range {
    uint32_t first, last;
};

/* A set of code points, ranges ascending and apart.  Lives in the arena of its table.
 */
struct set {
    struct range *ranges;
    size_t n;
};

/* The sets of one pattern: each once, known by number. */
struct sets {
    struct arena *arena;
    struct set *all;
    size_t n, cap;
    uint32_t *slots; // open addressing, number + 1
    size_t slots_n;
};

/* A set being gathered; ranges in any order.  Memory is reused from one to the next. */
struct gather {
    struct range *ranges;
    size_t n, cap;
};

void gather_clear(struct gather *g);
void gather_free(struct gather *g);
void gather_add(struct gather *g, uint32_t first, uint32_t last);
/* Adds all of `other`, or with `not` all that is not in it. */
void gather_all(struct gather *g, struct gather *other, bool negated);
void gather_negate(struct gather *g);
bool gather_has(struct gather *g, uint32_t c);
/* Adds whatever differs from a member only in case (simple folding). */
void gather_fold(struct gather *g);

/* Adds what `name` names, false when it names nothing: "Lu", "L", "Greek", "Any". */
bool gather_property(struct gather *g, struct span name);
bool gather_posix(struct gather *g, struct span name); // "alpha", "word", ...
bool gather_perl(struct gather *g, uint32_t letter);   // d s w

/* The number of the set gathered, which is new or had before. */
uint32_t sets_number(struct sets *sets, struct gather *g);
void sets_free(struct sets *sets);

/* From tools/unicode_tables.py: runs of code points, length << 8 | what, 0 being
 * nothing and i + 1 being names[i]. */
struct folding {
    uint32_t first, last, stride, to; // `to` is the first's
};
extern const uint32_t category_runs[], script_runs[];
extern const char *const category_names[], *const script_names[];
extern const struct folding foldings[];
extern const size_t category_runs_n, category_names_n, script_runs_n, script_names_n,
    foldings_n;

enum assertion {
    AT_TEXT_START, // \A, ^
    AT_LINE_START, // (?m)^
    AT_TEXT_END,   // \z, $
    AT_LINE_END,   // (?m)$
    AT_WORD_EDGE,  // \b
    AT_NO_WORD_EDGE,
};

enum node_kind {
    NODE_EMPTY,
    NODE_SET,
    NODE_ASSERTION,
    NODE_ALL,
    NODE_ONE_OF,
    NODE_REPEAT
};

struct node {
    enum node_kind kind;
    uint32_t set;             // SET
    enum assertion assertion; // ASSERTION
    int min, max;             // REPEAT; max -1 = any number
    struct node *first;       // ALL, ONE_OF: in order; REPEAT: the one
    struct node *next;
    size_t height; // of the tree under it
    size_t times;  // the largest product of nested {n}
};

enum err_kind regex_parse(struct node **out, struct sets *sets, struct span pattern,
                          struct arena *a, size_t *at, struct err *e) MUST_USE;

enum step_kind { STEP_SET, STEP_ASSERTION, STEP_FORK, STEP_MATCH };

struct step {
    enum step_kind kind;
    uint32_t what; // SET: the set; ASSERTION: which
    uint32_t next, other;
};

#define NEAR 0x800 // code points whose class is looked up at once

#define KIND_WORD 1u    // of a class: its characters are [0-9A-Za-z_]
#define KIND_NEWLINE 2u // it is \n
#define KIND_START 4u   // of a place: before the first character

struct cel_regex {
    uint64_t id; // never two the same: a scratch knows whose states it holds
    struct step *steps;
    uint32_t steps_n, entry;
    unsigned asks;      // KIND_..: what its assertions ask about the character before
    bool line_starts;   // has (?m)^: it may begin to match after any newline
    uint32_t classes;   // of characters; the number itself stands for the end
    uint8_t *kinds;     // of each class, KIND_..
    uint64_t *members;  // a row of bits a set: which classes are in it
    size_t members_row; // in words
    uint16_t near[NEAR];
    uint32_t *starts; // where a run of one class begins, ascending from 0
    uint16_t *of;     // and which
    size_t runs;
};

enum err_kind regex_program(struct cel_regex *re, const struct node *root,
                            struct sets *sets, struct err *e) MUST_USE;

static inline bool regex_in(const struct cel_regex *re, uint32_t set, uint32_t class)
{
    return re->members[set * re->members_row + class / 64] >> class % 64 & 1;
}

/* The code point at p, of `left` bytes, and its length; U+FFFD for a byte that is none.
 */
uint32_t regex_character(const uint8_t *p, size_t left, size_t *n);
