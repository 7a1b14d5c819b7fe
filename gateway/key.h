/*
 * key.h - the Kafka key of a record, taken from one of its fields.
 *
 * The field is read from the record's Avro, so that it has been checked: a string, uuid
 * or enum is its text, an int or long its decimal digits, bytes and fixed their bytes,
 * a boolean "true" or "false"; null is no key.  Other types have no text two programs
 * would agree on, and are refused.
 */
#pragma once

#include "avro-core/decode.h"

/* Appends the key to `out`; *has = false when the field is null. */
enum err_kind key_of(struct buf *out, const struct av_plan *plan, struct span field,
                     struct span datum, bool *has, struct err *e) MUST_USE;
