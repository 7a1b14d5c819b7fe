/*
 * when.h - the time of a record, taken from one of its fields.
 *
 * As key.h takes a key: read from the record's Avro, so that it has been checked.  A
 * timestamp or local timestamp of any unit, a long that is milliseconds, or text of
 * RFC 3339; null is no time.  Kafka keeps milliseconds: what is finer is cut off.
 */
#pragma once

#include "avro-core/decode.h"

/* Milliseconds since 1970; *has = false when the field is null. */
enum err_kind when_of(int64_t *ms, const struct av_plan *plan, struct span field,
                      struct span datum, bool *has, struct err *e) MUST_USE;
/* RFC 3339 text, any number of digits behind the second.  False: it is none. */
bool when_read(int64_t *ms, struct span text) MUST_USE;
