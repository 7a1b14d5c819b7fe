/*
 * rest_read.h - what a REST Proxy client asks for: its body, understood.
 *
 *      v2      {"value_schema_id":7,"records":[{"key":..,"value":..,"partition":0}]}
 *      v3      {"key":{"type":"BINARY","data":"YQ=="},"value":{"type":"AVRO",..}} {..}
 *      batch   {"entries":[{"id":"1", ..as v3..}]}
 *
 * The shapes are Confluent REST Proxy's (docs/gateway.md, "REST Proxy's interface").
 * Pure: bytes in, structs out; everything lives in the arena and borrows the body.  A
 * member nobody knows is passed over, as REST Proxy does.
 */
#pragma once

#include "base/json.h"
#include "http/message.h"
#include "kafka/producer.h"
#include "wire/subject.h"

enum rest_format { REST_NONE, REST_BINARY, REST_JSON, REST_STRING, REST_AVRO };

/* REST Proxy's error codes, as far as we give them. */
enum rest_code {
    REST_BAD_REQUEST = 400,
    REST_NOT_FOUND = 404,
    REST_TOO_LARGE = 413,
    REST_UNSUPPORTED_TYPE = 415,
    REST_UNPROCESSABLE = 422,
    REST_KAFKA_BAD_REQUEST = 40002,
    REST_NOT_ALLOWED = 40301,
    REST_TOPIC_NOT_FOUND = 40401,
    REST_PARTITION_NOT_FOUND = 40402,
    REST_UNKNOWN_TOPIC = 40403,
    REST_KEY_SCHEMA_MISSING = 42201,
    REST_VALUE_SCHEMA_MISSING = 42202,
    REST_NO_CONVERSION = 42203,
    REST_INVALID_SCHEMA = 42205,
    REST_INVALID_PAYLOAD = 42206,
    REST_NO_SERIALIZATION = 42207,
    REST_INVALID_BATCH = 42208,
    REST_KAFKA_ERROR = 50002,
    REST_KAFKA_RETRIABLE = 50003,
};
int rest_status(int code); // 42203 -> 422; 50002 -> 500, 50003 -> 503

/* Where in a stream of JSON values we stand: {0} at the beginning of each. */
struct rest_cut {
    size_t at; // bytes looked at
    size_t depth;
    bool quoted, escaped;
};
/* Goes on with a longer `body`.  true: a value ends at c->at, or what cannot be one: a
 * line ends within quotes. */
bool rest_cut(struct rest_cut *c, struct span body);

/* Which schema a datum is read with.  Nothing given: the subject's latest version. */
struct rest_ref {
    int32_t id;          // 0 = not given
    int32_t version;     // 0 = not given
    struct span text;    // p NULL = not given
    struct span subject; // n 0 = by strategy
    enum subject_strategy strategy;
};

struct rest_datum {
    bool given; // v3: there is such a member
    enum rest_format format;
    const struct json *value; // NULL: none; so is JSON_NULL
    struct span text;         // where `value->at` counts from
    struct rest_ref ref;      // REST_AVRO
};

struct rest_record {
    struct span id; // of a batch's entry
    struct rest_datum key, value;
    struct kf_record extra; // partition (-1: any), headers, time; no key or value yet
    int code;               // not 0: it is refused, and says
    struct span why;
};

struct rest_body {
    struct rest_record *records;
    size_t n;
    bool has_key_ref, has_value_ref; // v2: a schema was given
    struct rest_ref key_ref, value_ref;
};

struct rest_limits {
    size_t records;
    enum subject_strategy strategy; // where the body does not say
    bool go_on; // behind a value of v3 that is no JSON, where its braces end
};

#define REST_BATCH_MOST 10 // api.v3.produce.batch.maximum.entries
#define REST_BATCH_ID_MOST 80

/* Each: ERR_OK, or a request that is refused as a whole, *code saying how. */
enum err_kind rest_read_v2(struct rest_body *out, enum rest_format f, struct span body,
                           const struct rest_limits *lim, struct arena *a, int *code,
                           struct err *e) MUST_USE;
/* A record that is wrong in itself carries its code; one that is no JSON is the last.
 */
enum err_kind rest_read_v3(struct rest_body *out, struct span body,
                           const struct rest_limits *lim, struct arena *a, int *code,
                           struct err *e) MUST_USE;
enum err_kind rest_read_batch(struct rest_body *out, struct span body,
                              const struct rest_limits *lim, struct arena *a, int *code,
                              struct err *e) MUST_USE;

/* "application/vnd.kafka.avro.v2+json; charset=utf-8": the format of v2 (and v1, which
 * differs in its name only).  False: not one of ours, *e says what is. */
bool rest_content_type(struct span type, enum rest_format *f, struct err *e);
/* May v3's records come so? */
bool rest_is_json(struct span type, struct err *e);
/* What a v2 answer is called, for a client that accepts this. */
const char *rest_answer_type(struct span accept);
