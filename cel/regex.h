/*
 * regex.h - RE2's regular expressions: does a part of the text match?
 *
 * The syntax of https://github.com/google/re2/wiki/Syntax over code points.  The answer
 * is yes or no, so captures and greediness are read and have no meaning.  Time is
 * linear in the text whatever the pattern, memory has a bound: a set of states that has
 * been seen is remembered (a DFA built as it is walked), and forgotten when there are
 * too many.
 *
 * \p{..} takes the general categories and the scripts of Unicode 15.0 under RE2's
 * names; \C (one byte of a character) is refused, as Go's regexp does: a text is
 * characters.
 *
 * A compiled pattern is immutable: any number of threads may use it, each with a
 * scratch of its own.  A scratch serves one pattern after the other and is fast for the
 * last one; whoever has several patterns and a text for each gives each a scratch.
 */
#pragma once

#include "base/err.h"
#include "base/span.h"

#define CEL_REGEX_PATTERN 16384 // bytes of a pattern
#define CEL_REGEX_PROGRAM \
    50000                     // steps of what it compiles to, after x{n} is written out
#define CEL_REGEX_SETS 2000   // different sets of characters in one pattern
#define CEL_REGEX_NESTING 250 // groups inside each other
#define CEL_REGEX_REPEAT 1000 // x{n}, also the product of nested ones, as RE2

struct cel_regex;
struct cel_regex_scratch;

/*
 * ERR_INVALID for what is no pattern, ERR_LIMIT for one past a limit above; then *at is
 * where, in code points from 0, and the message does not repeat it.
 */
enum err_kind cel_regex_compile(struct cel_regex **out, struct span pattern, size_t *at,
                                struct err *e) MUST_USE;
void cel_regex_free(struct cel_regex *re); // NULL is nothing

struct cel_regex_scratch *cel_regex_scratch_open(void); // small until it is used
void cel_regex_scratch_close(struct cel_regex_scratch *s);

/* Some part of `text`, perhaps an empty one, matches.  `text` is UTF-8; a byte that is
 * none counts as U+FFFD. */
bool cel_regex_matches(const struct cel_regex *re, struct span text,
                       struct cel_regex_scratch *s);
