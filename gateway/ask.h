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
enum body_kind { BODY_JSON, BODY_NDJSON, BODY_CSV };

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
    struct span subject;     // given outright; else by strategy
    struct span record_name; // for the strategies that need it
    int32_t schema_id;       // 0 = not given
    int32_t version;         // 0 = latest
    struct span key_field;   // n 0 = none
    struct span key;         // of the header Kafka-Key; p NULL = none
    int32_t partition;       // -1 = by key
    uint8_t delimiter;       // CSV
};

/*
 * ERR_INVALID (400) for a wrong or unknown parameter, ERR_NOT_FOUND never; *unsupported
 * is set, with ERR_INVALID, when it is the content type that is not known (415).
 */
enum err_kind ask_read(struct ask *out, const struct ask_defaults *d, struct span topic,
                       const struct http_field *params, size_t n_params,
                       struct span content_type, struct span key_header,
                       bool *unsupported, struct err *e) MUST_USE;

/* A name Kafka takes for a topic: 1 to 249 of [A-Za-z0-9._-], not "." or "..". */
bool ask_topic_is_legal(struct span topic);
