/*
 * message.h - what both ends of HTTP talk about: methods, header fields, status words.
 *
 * Pure.  Safe from any thread.
 */
#pragma once

#include "base/span.h"

enum http_method {
    HTTP_GET,
    HTTP_HEAD,
    HTTP_POST,
    HTTP_PUT,
    HTTP_DELETE,
    HTTP_PATCH,
    HTTP_OPTIONS,
};
#define HTTP_METHODS 7

const char *http_method_name(enum http_method m); // "GET"
bool http_method_of(struct span name, enum http_method *out);

/* RFC 9110's reason phrase, "Unknown" for a status it does not name. */
const char *http_status_name(int status);

struct http_field {
    struct span name, value;
};

/* ASCII letters alone lose their case: header names, codings, host names. */
bool http_same(struct span a, struct span b);

/* Is `token` an element of the comma-separated `list`?  Case is ignored. */
bool http_list_has(struct span list, const char *token);

/* The value of the first field called `name` (case ignored); {NULL, 0} when absent. */
struct span http_field_find(const struct http_field *fields, size_t n,
                            const char *name);
