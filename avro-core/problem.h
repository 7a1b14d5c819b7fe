/*
 * problem.h - what is wrong with a record: everything, up to a limit, with its place.
 *
 *      {"pointer":"/items/0/price","offset":123,"expected":"double",
 *       "found":"string \"abc\"","rule":"type","message":"..."}
 *
 * Filled by encode.h and row.h, written to people by wire/ and cli/.  One thread.
 */
#pragma once

#include "base/buf.h"
#include "base/mem.h"

struct av_problem {
    const char *rule;     // "type", "range", "unknown-field", ...: docs/errors.md
    struct span pointer;  // JSON pointer (RFC 6901) into the record; "" is the record
    size_t offset;        // byte offset in the text the record was read from
    struct span expected; // "double", "one of: null, com.shop.Money"
    struct span found;    // "string \"abc\""
    struct span message;  // one sentence with all of it
    struct av_problem *next;
};

struct av_problems {
    struct arena arena;
    struct av_problem *first, *last;
    size_t n;    // kept
    size_t more; // dropped, past `most`
    size_t most; // 0 = 20
};

void av_problems_reset(struct av_problems *p); // empty again, memory kept
void av_problems_free(struct av_problems *p);

/* False when the limit is reached and this one would only be counted.  Rule "json" is
 * kept whatever the limit: there is at most one of it a text. */
bool av_problem_wanted(const struct av_problems *p, const char *rule);

/* Adds one.  `pointer` and `expected` are copied; the message is made from the parts:
 * "/a: string \"x\", wanted double (type)". */
void av_problem_add(struct av_problems *p, const char *rule, struct span pointer,
                    size_t offset, struct span expected, const char *found_fmt, ...)
    PRINTF_LIKE(6, 7);

/* Appends the object above / an array of them. */
void av_problem_put(struct buf *out, const struct av_problem *p);
void av_problems_put(struct buf *out, const struct av_problems *p);
