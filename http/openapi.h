/*
 * openapi.h - a program's interface described: OpenAPI 3.1, written from tables.
 *
 * A program has a row for each row of its routes (it asserts that at the start, so that
 * no path goes undescribed), and says itself what it takes and answers.  Pure.
 */
#pragma once

#include "base/buf.h"
#include "http/route.h"

struct openapi_param {
    const char *name, *schema, *says;
};

struct openapi_row {
    enum http_method method;
    const char *pattern, *says;
    const char *query, *header; // names of parameters, a blank between
};

struct openapi_book {
    const char *title, *about;
    const struct openapi_param *parts, *queries, *headers; // each ends with a name NULL
    size_t n;
    const struct openapi_row *(*row)(size_t i);
    void (*put_body)(struct buf *out, size_t i);    // ,"requestBody":{...} or nothing
    void (*put_answers)(struct buf *out, size_t i); // "200":{...},...
    void (*put_responses)(struct buf *out);         // "Name":{...},...
    void (*put_schemas)(struct buf *out);           // the same, of components
};

/* Is there a description of this route? */
bool openapi_describes(const struct openapi_book *b, enum http_method method,
                       const char *pattern);
/* The whole document, as JSON. */
void openapi_put(struct buf *out, const struct openapi_book *b);

/* /healthz, /readyz, /metrics: who asks is not asked who it is. */
bool openapi_is_open(const struct openapi_row *row);
/* Does the blank-separated `list` have `word`? */
bool openapi_lists(const char *list, const char *word);
/* "content":{...}: `schema` in each of the blank-separated types. */
void openapi_put_content(struct buf *out, const char *types, const char *schema);
