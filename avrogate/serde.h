/*
 * avrogate/serde.h - messages of Kafka to values and back, by the registry's schemas.
 *
 *      0        1               5
 *      +--------+---------------+------------------
 *      | 0x00   | schema id, BE | Avro binary ...
 *      +--------+---------------+------------------
 *
 * A serializer takes JSON or Avro binary of a schema and makes such a message.  A
 * deserializer takes such a message apart and gives JSON, calls on a visitor, or (with
 * avrogate/avro_value.h) an avro_value_t; it also finds the schema by the guid that
 * newer clients put into a header instead of the five bytes.
 *
 * Both are immutable to their users: any number of threads may share one.  Neither
 * knows Kafka: they work beside librdkafka or anything else.  What they learn they
 * keep: after the first message of a schema no call waits for anything.
 *
 * Bytes are a stranger's: lengths are checked before anything is believed, and depth
 * and sizes have limits.
 *
 * See avrogate_serde(3).
 */
#pragma once

#include "avrogate/registry.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- to a message ---- */

/* What the subject is called: Confluent's strategies. */
enum avrogate_strategy {
    AVROGATE_TOPIC_NAME,        // <topic>-value, <topic>-key
    AVROGATE_RECORD_NAME,       // <full name of the record>
    AVROGATE_TOPIC_RECORD_NAME, // <topic>-<full name of the record>
};

/* Where the schema that is written comes from. */
enum avrogate_source {
    AVROGATE_REGISTER,   // `schema`, registered when it is not yet
    AVROGATE_LOOKUP,     // `schema`, which must be registered
    AVROGATE_USE_LATEST, // the subject's latest; `schema` only gives the record's name
};

/* How bytes and fixed stand in JSON, and unions: docs/json.md of avrogate. */
enum avrogate_json {
    AVROGATE_JSON_PLAIN, // as people write it: base64, ISO 8601, unions unwrapped
    AVROGATE_JSON_AVRO,  // the Avro specification's: \u00XX, {"string": "x"}
};

struct avrogate_serializer_options { // strings are copied
    size_t size;
    const char *schema; // may be NULL with AVROGATE_USE_LATEST and topic names
    const struct avrogate_reference *references;
    size_t n_references;
    enum avrogate_source source;
    enum avrogate_strategy strategy;
    bool is_key;
    bool normalize;
    enum avrogate_json json;
    size_t message_most; // bytes; 0 = 16 MiB, then AVROGATE_LIMIT
};

struct avrogate_serializer;

/* Borrows `r`, which is closed after it.  Asks nothing yet. */
AVROGATE_API enum avrogate_kind avrogate_serializer_open(
    struct avrogate_serializer **out, struct avrogate_registry *r,
    const struct avrogate_serializer_options *o,
    struct avrogate_error *e) AVROGATE_MUST_USE;
AVROGATE_API void avrogate_serializer_close(struct avrogate_serializer *s);

/*
 * What a call wrote.  Begin with {0}, use it again for the next message, free it once.
 * `p` is from malloc(): whoever gives it away (RD_KAFKA_MSG_F_FREE) sets it to {0}.
 */
struct avrogate_buffer {
    void *p;
    size_t n;    // bytes written
    size_t room; // bytes allocated
};
AVROGATE_API void avrogate_buffer_free(struct avrogate_buffer *b);

/*
 * Writes the message of one value for `topic` into `out`, over what was there.
 * AVROGATE_INVALID: it does not fit the schema; the message lists where and why.
 * AVROGATE_CONFLICT, AVROGATE_NOT_FOUND: what the registry says of the schema, asked
 * again after a moment.
 */
AVROGATE_API enum avrogate_kind avrogate_serialize_json(
    struct avrogate_serializer *s, const char *topic, struct avrogate_bytes json,
    int32_t timeout_ms, struct avrogate_buffer *out,
    struct avrogate_error *e) AVROGATE_MUST_USE;
/* The same of Avro binary that somebody encoded; checked to be a value of the schema.
 */
AVROGATE_API enum avrogate_kind avrogate_serialize_binary(
    struct avrogate_serializer *s, const char *topic, struct avrogate_bytes avro,
    int32_t timeout_ms, struct avrogate_buffer *out,
    struct avrogate_error *e) AVROGATE_MUST_USE;
/* The five bytes for `s` and `avro` behind them, which is believed to be of it.
 * AVROGATE_INVALID: `s` has no id. */
AVROGATE_API enum avrogate_kind avrogate_frame(
    const struct avrogate_schema *s, struct avrogate_bytes avro,
    struct avrogate_buffer *out, struct avrogate_error *e) AVROGATE_MUST_USE;
/* The schema that is written to `topic`; to be released. */
AVROGATE_API enum avrogate_kind avrogate_serializer_schema(
    struct avrogate_serializer *s, const char *topic, int32_t timeout_ms,
    struct avrogate_schema **out, struct avrogate_error *e) AVROGATE_MUST_USE;
/* Learns it; after that a call with time limit 0 succeeds. */
AVROGATE_API enum avrogate_kind avrogate_serializer_schema_async(
    struct avrogate_serializer *s, const char *topic, int32_t timeout_ms,
    struct avrogate_done done, struct avrogate_error *e) AVROGATE_MUST_USE;

/* ---- from a message ---- */

/* The headers in which newer clients put 0x01 and 16 bytes of guid. */
#define AVROGATE_VALUE_SCHEMA_ID "__value_schema_id"
#define AVROGATE_KEY_SCHEMA_ID "__key_schema_id"

struct avrogate_message { // borrowed
    const void *p;        // the payload (or key)
    size_t n;
    struct avrogate_bytes schema_id; // value of that header; {0} when it has none
};

struct avrogate_deserializer_options { // strings are copied
    size_t size;
    const char *schema; // what the reader wants; NULL = as it was written
    const struct avrogate_reference *references;
    size_t n_references;
    enum avrogate_json json;
    size_t depth;     // values inside each other; 0 = 64
    size_t json_most; // bytes of JSON; 0 = 64 MiB, then AVROGATE_LIMIT
};

struct avrogate_deserializer;

/* Borrows `r`, which is closed after it.  With references it asks for them, and waits
 * as long as the registry's options say. */
AVROGATE_API enum avrogate_kind avrogate_deserializer_open(
    struct avrogate_deserializer **out, struct avrogate_registry *r,
    const struct avrogate_deserializer_options *o,
    struct avrogate_error *e) AVROGATE_MUST_USE;
AVROGATE_API void avrogate_deserializer_close(struct avrogate_deserializer *d);

/*
 * AVROGATE_INVALID: it is no such message, or not a value of its schema, or the reader
 * cannot read what was written: set it aside.  AVROGATE_UNAVAILABLE: try again.
 * Writes over what was in `out`.
 */
AVROGATE_API enum avrogate_kind avrogate_deserialize_json(
    struct avrogate_deserializer *d, const struct avrogate_message *m,
    int32_t timeout_ms, struct avrogate_buffer *out,
    struct avrogate_error *e) AVROGATE_MUST_USE;
/* The schema it was written by; to be released. */
AVROGATE_API enum avrogate_kind avrogate_deserializer_schema(
    struct avrogate_deserializer *d, const struct avrogate_message *m,
    int32_t timeout_ms, struct avrogate_schema **out,
    struct avrogate_error *e) AVROGATE_MUST_USE;
/* Learns it; after that a call with time limit 0 succeeds. */
AVROGATE_API enum avrogate_kind avrogate_deserializer_schema_async(
    struct avrogate_deserializer *d, const struct avrogate_message *m,
    int32_t timeout_ms, struct avrogate_done done,
    struct avrogate_error *e) AVROGATE_MUST_USE;

/* ---- to a visitor ---- */

enum avrogate_type_kind {
    AVROGATE_NULL,
    AVROGATE_BOOLEAN,
    AVROGATE_INT,
    AVROGATE_LONG,
    AVROGATE_FLOAT,
    AVROGATE_DOUBLE,
    AVROGATE_BYTES,
    AVROGATE_STRING,
    AVROGATE_RECORD,
    AVROGATE_ENUM,
    AVROGATE_ARRAY,
    AVROGATE_MAP,
    AVROGATE_UNION,
    AVROGATE_FIXED,
};

/* A type in a schema: borrowed from it. */
struct avrogate_type;

AVROGATE_API const struct avrogate_type *avrogate_schema_type(
    const struct avrogate_schema *s);
AVROGATE_API enum avrogate_type_kind avrogate_type_kind(const struct avrogate_type *t);
/* "date", "decimal", ...; "" for none, or one that does not fit its type. */
AVROGATE_API const char *avrogate_type_logical(const struct avrogate_type *t);
AVROGATE_API int avrogate_type_scale(const struct avrogate_type *t); // of a decimal
/* How many fields, symbols or branches; the bytes of a fixed; 1 for array and map. */
AVROGATE_API size_t avrogate_type_size(const struct avrogate_type *t);
/* The type of the i-th field or branch; array and map: of their items (i = 0). */
AVROGATE_API const struct avrogate_type *avrogate_type_part(
    const struct avrogate_type *t, size_t i);
/* Record: the i-th field's name.  Enum: the i-th symbol. */
AVROGATE_API struct avrogate_bytes avrogate_type_label(const struct avrogate_type *t,
                                                       size_t i);
/* The name of record, enum and fixed, without and of the namespace; empty for others.
 */
AVROGATE_API struct avrogate_bytes avrogate_type_name(const struct avrogate_type *t);
AVROGATE_API struct avrogate_bytes avrogate_type_namespace(
    const struct avrogate_type *t);

/*
 * What a message says, one call a piece, in the reader's schema:
 *
 *      {"id":7,"tags":["a"]}   record_begin  field(0) integer(7)
 *                              field(1) array_begin item string("a") array_end
 *                              record_end
 *
 * A union's branch is announced by branch() and then visited as itself.  Fields come in
 * the order of the writer, then those that take their default.  Bytes are borrowed:
 * copy what must outlive the call.  A call that is NULL is skipped.  One that returns
 * another kind than AVROGATE_OK ends the walk with it, and says why in `e`.
 */
struct avrogate_visitor {
    size_t size;
    enum avrogate_kind (*null)(void *arg, const struct avrogate_type *t,
                               struct avrogate_error *e);
    enum avrogate_kind (*boolean)(void *arg, const struct avrogate_type *t, bool x,
                                  struct avrogate_error *e);
    enum avrogate_kind (*integer)(void *arg, const struct avrogate_type *t, int64_t x,
                                  struct avrogate_error *e); // int and long
    enum avrogate_kind (*real)(void *arg, const struct avrogate_type *t, double x,
                               struct avrogate_error *e); // float and double
    enum avrogate_kind (*bytes)(void *arg, const struct avrogate_type *t,
                                struct avrogate_bytes x,
                                struct avrogate_error *e); // bytes and fixed
    enum avrogate_kind (*string)(void *arg, const struct avrogate_type *t,
                                 struct avrogate_bytes x, struct avrogate_error *e);
    enum avrogate_kind (*symbol)(void *arg, const struct avrogate_type *t, uint32_t i,
                                 struct avrogate_error *e);
    enum avrogate_kind (*branch)(void *arg, const struct avrogate_type *t, uint32_t i,
                                 struct avrogate_error *e);
    enum avrogate_kind (*record_begin)(void *arg, const struct avrogate_type *t,
                                       struct avrogate_error *e);
    enum avrogate_kind (*field)(void *arg, const struct avrogate_type *t, uint32_t i,
                                struct avrogate_error *e);
    enum avrogate_kind (*record_end)(void *arg, const struct avrogate_type *t,
                                     struct avrogate_error *e);
    enum avrogate_kind (*array_begin)(void *arg, const struct avrogate_type *t,
                                      struct avrogate_error *e);
    enum avrogate_kind (*item)(void *arg, const struct avrogate_type *t,
                               struct avrogate_error *e);
    enum avrogate_kind (*array_end)(void *arg, const struct avrogate_type *t,
                                    struct avrogate_error *e);
    enum avrogate_kind (*map_begin)(void *arg, const struct avrogate_type *t,
                                    struct avrogate_error *e);
    enum avrogate_kind (*key)(void *arg, const struct avrogate_type *t,
                              struct avrogate_bytes key, struct avrogate_error *e);
    enum avrogate_kind (*map_end)(void *arg, const struct avrogate_type *t,
                                  struct avrogate_error *e);
};

/* Each call gets `arg`.  Errors as avrogate_deserialize_json(); the visitor may then
 * have seen a part. */
AVROGATE_API enum avrogate_kind avrogate_deserialize_visit(
    struct avrogate_deserializer *d, const struct avrogate_message *m,
    int32_t timeout_ms, const struct avrogate_visitor *v, void *arg,
    struct avrogate_error *e) AVROGATE_MUST_USE;
/* Fills an error as a visitor wants it, and returns `kind`. */
AVROGATE_API enum avrogate_kind avrogate_error_set(struct avrogate_error *e,
                                                   enum avrogate_kind kind,
                                                   const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#ifdef __cplusplus
}
#endif
