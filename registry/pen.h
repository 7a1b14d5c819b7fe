/*
 * pen.h - the right to write `_schemas`: taken from the broker, lost to whoever takes
 * it next.  No election, no leases, no clocks.
 *
 *      open a producer under the topic's one transactional id
 *   -> the broker refuses everything of the former holder from now on, for ever
 *   -> write a fence record (fence.h)
 *   -> wait until our own reader has applied it: the state is the whole truth
 *
 * Held, nobody else can commit: what is decided on the state stays right until it is
 * committed, or the commit fails.  A write that fails has no known outcome, also when
 * it failed because somebody took the pen.  The pen is dropped then, and what was
 * written is looked for behind the next fence: no transaction of a former holder can
 * come after it.
 *
 * One thread takes, writes and drops; any may ask.
 */
#pragma once

#include "registry/tail.h"

struct reg_pen;

struct reg_pen_options {
    const char *bootstrap, *topic; // borrowed
    const struct conf_pairs *properties;
    const char *url; // where others reach us; "" = they cannot
};

struct reg_pen *reg_pen_open(struct reg_tail *t, const struct reg_pen_options *o);
void reg_pen_close(struct reg_pen *p);

/* Have we the pen, as far as we know? */
bool reg_pen_held(struct reg_pen *p);
/* Who we are in our fence records: random, new with each start. */
const char *reg_pen_instance(const struct reg_pen *p);

/* ERR_CONFLICT: another instance was faster.  ERR_INVALID: we may not, and trying again
 * does not help.  ERR_UNAVAILABLE: Kafka does not answer. */
enum err_kind reg_pen_take(struct reg_pen *p, int64_t due_ms, struct err *e) MUST_USE;
/* All or none, committed.  *next: the offset behind the last of them.  ERR_LIMIT: the
 * broker finds one too large, none is there.  Else the outcome is not known. */
enum err_kind reg_pen_write(struct reg_pen *p, const struct kf_record *records,
                            size_t n, int64_t due_ms, int64_t *next,
                            struct err *e) MUST_USE;
/* Key and value of a record may be so many bytes together. */
size_t reg_pen_largest(const struct reg_pen *p);
void reg_pen_drop(struct reg_pen *p);
