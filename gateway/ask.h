/*
 * ask.h - what a POST of records asks for: its path, query and header, understood.
 *
 *      POST /v1/topics/{topic}/records?on_error=partial&key_field=id
 *
 * Pure: bytes in, a struct out.  A parameter nobody knows is refused: a mistyped
 * on_error must not silently become the default.  Spans borrow from the request.
 */
#pragma once

#include "avro-core/encode.h"
#include "http/message.h"
#include "wire/subject.h"

enum on_error { ON_ERROR_REJECT, ON_ERROR_PARTIAL, ON_ERROR_DLQ };
enum body_kind {
    BODY_JSON,
    BODY_NDJSON,
    BODY_CSV,
    BODY_OCF,        // an Avro object container file
    BODY_FRAMED,     // 0x00, schema id, Avro; one frame behind the other
    BODY_EVENT,      // a CloudEvent of the JSON format
    BODY_EVENTS,     // an array of them
    BODY_EVENT_DATA, // its attributes are header fields, the body is its data
};

struct ask_defaults {
    enum on_error on_error;
    enum av_unknown unknown_fields;
    enum av_bytes_as bytes_as;
    enum subject_strategy strategy;
};

struct ask {
    struct span topic;
    enum body_kind body;
    enum on_error on_error;
    bool dry_run;
    enum av_unknown unknown_fields;
    enum av_bytes_as bytes_as;
    enum subject_strategy strategy;
    struct span subject;             // given outright; else by strategy
    struct span record_name;         // for the strategies that need it
    int32_t schema_id;               // 0 = not given
    int32_t version;                 // 0 = latest
    struct span key_field;           // n 0 = none
    struct span key;                 // of the header Kafka-Key; p NULL = none
    int32_t partition;               // -1 = by key
    uint8_t delimiter;               // CSV
    struct span timestamp_field;     // n 0 = none
    int64_t timestamp_ms;            // of the header Kafka-Timestamp; 0 = now
    bool event_time;                 // a CloudEvent's time is the record's
    const struct http_field *fields; // BODY_EVENT_DATA: the request's header
    size_t n_fields;
};

/*
 * ERR_INVALID (400) for a wrong or unknown parameter, ERR_NOT_FOUND never; *unsupported
 * is set, with ERR_INVALID, when it is the content type that is not known (415).
 */
enum err_kind ask_read(struct ask *out, const struct ask_defaults *d, struct span topic,
                       const struct http_field *params, size_t n_params,
                       struct span content_type, struct span key_header,
                       bool *unsupported, struct err *e) MUST_USE;

/* A content type without its parameters.  ERR_INVALID when one of them means that the
 * body is read otherwise than we would: a charset that is not UTF-8. */
enum err_kind ask_bare_type(struct span *type, struct err *e) MUST_USE;

/* The header Kafka-Timestamp: milliseconds since 1970, or RFC 3339. */
enum err_kind ask_timestamp(struct ask *a, struct span value, struct err *e) MUST_USE;
/* A JSON body whose header has a CloudEvent's attributes is its data. */
void ask_event(struct ask *a, const struct http_field *fields, size_t n);

/* A name Kafka takes for a topic: 1 to 249 of [A-Za-z0-9._-], not "." or "..". */
bool ask_topic_is_legal(struct span topic);
