/*
 * where.h - a condition in CEL, asked of records of any writer's schema.
 *
 * It is compiled for each writer's schema it meets; one it does not fit (a field that
 * is not there) sets that writer's records aside, with the reason.  One thread.
 */
#pragma once

#include "avro-core/resolve.h"

struct where;

struct where *where_new(const char *text);
void where_free(struct where *w); // NULL is nothing
/* `datum` as `plan`'s writer wrote it, seen by a decoder.  ERR_INVALID: it cannot be
 * answered. */
enum err_kind where_holds(struct where *w, const struct av_plan *plan,
                          struct span datum, int64_t now_ns, bool *holds,
                          struct err *e) MUST_USE;
