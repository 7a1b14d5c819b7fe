/*
 * value.h - what a value of a logical type must be beyond its bytes, and its text.
 *
 * Avro's decoder takes a decimal's bytes as they come; a column of decimals cannot.
 * Pure; safe from any thread.
 */
#pragma once

#include "avro-core/schema.h"

/* Two's complement, big-endian, as 256 bits low word first.  False: |x| >= bound, or
 * longer than that. */
bool value_decimal(uint64_t out[4], struct span big_endian, const uint64_t bound[4]);

/* Appends the exact text of a decimal or big-decimal.  ERR_INVALID: more digits than
 * its precision, or malformed. */
enum err_kind value_decimal_text(struct buf *out, const struct av_node *node,
                                 struct span x, struct err *e) MUST_USE;

/* ERR_INVALID: bytes or text that a column of this type cannot hold; of
 * text that should be a UUID only where `uuids`. */
enum err_kind value_check(const struct av_node *node, struct span x, bool uuids,
                          struct err *e) MUST_USE;
