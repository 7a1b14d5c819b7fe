/*
 * avroc.h - our data as avro-c's avro_value_t, and back; for C consumers who have it.
 *
 * avro-c 1.11 drops defaults, aliases and logical types and does not survive hostile
 * bytes, so it never reads any here: they go through decode.h, with resolution, into
 * the value, and come out of a value by a walk of our own.
 *
 * The only files that include <avro.h> are avroc.c and its test; here avro-c's types
 * are named and not defined, and who uses them includes <avro.h>.
 *
 * A value belongs to one thread at a time, and so does its class.
 */
#pragma once

#include "avro-core/decode.h"

struct avro_value; // avro_value_t
struct avro_obj_t; // *avro_schema_t

/*
 * avro-c's form of `s`, for avro_generic_class_from_schema(); avro_schema_decref() it.
 * Fields, symbols and branches stand in the same order.  ERR_INVALID: avro-c does not
 * take it (types of other schemas, recursion that it cannot follow).
 */
enum err_kind avroc_schema(struct avro_obj_t **out, const struct av_schema *s,
                           struct err *e) MUST_USE;

/*
 * Decodes the datum that `in` is into `value`, which is reset first and whose type must
 * be that of the plan's reader.  Errors as av_decode_all(); the value is then half
 * filled. A string with a NUL in it is ERR_INVALID: avro-c would cut it.
 */
enum err_kind avroc_decode(const struct av_plan *plan, struct span in,
                           const struct av_decode_limits *lim, struct avro_value *value,
                           struct err *e) MUST_USE;

/* Appends the Avro binary of `value`, whose type is `s`; ERR_LIMIT when `out` is full.
 */
enum err_kind avroc_encode(const struct av_schema *s, const struct avro_value *value,
                           struct buf *out, struct err *e) MUST_USE;
