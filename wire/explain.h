/*
 * explain.h - why a schema does not fit, for programs, and what would make it fit.
 *
 *      {"version":3,"direction":"BACKWARD","rule":"TYPE_MISMATCH",
 *       "newPointer":"/fields/0/type","oldPointer":"/fields/0/type",
 *       "new":"string","old":"int","why":"...","change":"..."}
 *
 * Pointers are RFC 6901, into the text that was sent and the one that is stored; where
 * the other side has no counterpart, pointer and value are left out.  A value of more
 * than EXPLAIN_VALUE bytes is left out, its pointer is not.  `direction` is BACKWARD
 * where the new schema cannot read what was written with the old one, FORWARD the other
 * way round.  What messages.h words for Confluent's clients stands beside this.  Pure.
 */
#pragma once

#include "base/buf.h"
#include "wire/messages.h"

#define EXPLAIN_VALUE 1000
#define EXPLAIN_MOST 1000 // reasons in one answer

/* An array of all reasons of all verdicts, newest version first. */
void explain_put(struct buf *out, const struct av_verdict *v,
                 const struct messages_old *old, struct span fresh);

/* The smallest change to the new schema that takes this reason away, a sentence.
 * `fresh` and `old` are the JSON at the two pointers, empty where there is none. */
void explain_change(struct buf *out, const struct av_incompat *r, bool new_reads_old,
                    struct span fresh, struct span old);
/* The JSON at `pointer` of `text` without white space, in `a`; empty when there is
 * none or it is too long. */
struct span explain_value(struct span text, struct span pointer, struct arena *a);
