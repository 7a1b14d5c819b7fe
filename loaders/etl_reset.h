/*
 * etl_reset.h - positions that a person moves, as the audit has them.
 *
 * The partition's generation rises with its position, so that what is read again, or
 * passed over, is neither an overlap nor a gap; etl_reset says who, when and why
 * (003-control.sql).  Pure, but for etl_who().
 */
#pragma once

#include "base/buf.h"

/* One statement; within a transaction of the caller's. */
void etl_put_reset(struct buf *sql, const char *job, const char *topic, int32_t part,
                   int64_t goes_on, const char *who, const char *reason);
/* "user@host" */
void etl_who(char *out, size_t n);
