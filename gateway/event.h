/*
 * event.h - a CloudEvent (1.0.2), its attributes as Kafka headers.
 *
 *      structured  {"specversion":"1.0","id":"7","source":"/a","type":"t","data":{..}}
 *      binary      ce-specversion: 1.0 | ce-id: 7 | ... | body is the data
 *
 * CloudEvents JSON format, HTTP protocol binding; written as the Kafka protocol
 * binding's binary mode says: attribute `id` is header `ce_id`, the value is the data,
 * and `content-type` says what that is (application/avro: what reaches Kafka is Avro).
 * Pure: everything lives in the arena or borrows the text.
 */
#pragma once

#include "base/json.h"
#include "http/message.h"
#include "kafka/producer.h"

struct event {
    struct kf_header *headers; // ce_..., and content-type
    size_t n_headers;
    struct span key;         // of the extension partitionkey; p NULL = none
    int64_t time_ms;         // 0 = none
    const struct json *data; // where it stands in the text; NULL = not there, or
    struct span decoded;     // what data_base64 is; p NULL = none
};

/* A member of the JSON format.  ERR_INVALID says what is wrong with which attribute. */
enum err_kind event_read(struct event *out, const struct json *j, struct arena *a,
                         struct err *e) MUST_USE;
/* ce-id and its like, in any case. */
bool event_is_field(struct span name);
/* Header fields of the binary mode; the data is the body. */
enum err_kind event_read_fields(struct event *out, const struct http_field *f, size_t n,
                                struct arena *a, struct err *e) MUST_USE;
/* Does any of these fields say that the request is a CloudEvent in binary mode? */
bool event_is_binary(const struct http_field *f, size_t n);
