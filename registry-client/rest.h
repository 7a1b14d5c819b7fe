/*
 * rest.h - one question to the registry: which URL, how long, what the answer means.
 *
 * The registry REST interface's endpoints and error codes (docs/registry.md).  Keeps
 * nothing but connections and which URL failed last.  Any thread.
 */
#pragma once

#include "http/client.h"
#include "registry-client/registry_client.h"

struct rest;

enum err_kind rest_open(struct rest **out, const struct rc_options *o,
                        struct err *e) MUST_USE;
void rest_close(struct rest *r);

/* From now on another token; NULL = none. */
void rest_set_bearer(struct rest *r, const char *token);

/* What the registry says of a schema: text and names live in the reply's arena. */
struct rest_schema {
    int32_t id, version;
    struct span subject, text;
    const struct json *references; // array or NULL
    struct span metadata, rules;   // JSON objects, empty = none
};

struct rest_answer {
    struct http_reply reply; // http_reply_free() when done
    const struct json *body; // in reply.arena
};

/*
 * Asks each URL in turn until one answers or `deadline_ms` is there.  `body` is empty
 * for GET.  ERR_OK: 200 with JSON.  ERR_NOT_FOUND only when the answer was the
 * registry's own (error_code 404xx); a 404 of somebody else's is ERR_UNAVAILABLE, for
 * it says nothing of the schema.
 */
enum err_kind rest_ask(struct rest *r, enum http_method method, struct span path,
                       struct span body, int64_t deadline_ms, struct rest_answer *out,
                       struct err *e) MUST_USE;
void rest_answer_free(struct rest_answer *a);

/* Reads a Schema object; its spans are the answer's.  ERR_INVALID for another
 * schemaType, or where something is missing. */
enum err_kind rest_read_schema(struct rest_schema *out, const struct rest_answer *a,
                               struct err *e) MUST_USE;
