/*
 * avrogate/avro_value.h - messages as avro_value_t of Apache Avro's C library, and
 * back.
 *
 * In a library of its own, libavrogate-registry-avro: who does not use it does not need
 * libavro.  avro-c never reads a message: it does not survive hostile bytes and drops
 * defaults, aliases and logical types.  Messages are read by the deserializer, with
 * schema resolution, into the value.
 *
 * A value belongs to one thread at a time, and so does its class: make a class for each
 * thread.
 *
 * See avrogate_avro_value(3).
 */
#pragma once

#include "avrogate/serde.h"

#include <avro.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * avro-c's form of a schema, for avro_generic_class_from_schema(); give it back with
 * avro_schema_decref().  AVROGATE_INVALID: avro-c does not take it (types of other
 * schemas).
 */
AVROGATE_API enum avrogate_kind avrogate_avro_schema(
    const struct avrogate_schema *s, avro_schema_t *out,
    struct avrogate_error *e) AVROGATE_MUST_USE;

/*
 * Fills `value`, which is reset first and whose type must be the reader's: that of the
 * deserializer's options, or of avrogate_deserializer_schema(m).  AVROGATE_INVALID: as
 * avrogate_deserialize_json(), and a string with a NUL, which avro-c would cut; the
 * value is then half filled.
 */
AVROGATE_API enum avrogate_kind avrogate_deserialize_avro(
    struct avrogate_deserializer *d, const struct avrogate_message *m,
    int32_t timeout_ms, avro_value_t *value,
    struct avrogate_error *e) AVROGATE_MUST_USE;

/* Writes the message of `value`, whose type must be the serializer's, into `out`. */
AVROGATE_API enum avrogate_kind avrogate_serialize_avro(
    struct avrogate_serializer *s, const char *topic, const avro_value_t *value,
    int32_t timeout_ms, struct avrogate_buffer *out,
    struct avrogate_error *e) AVROGATE_MUST_USE;

#ifdef __cplusplus
}
#endif
