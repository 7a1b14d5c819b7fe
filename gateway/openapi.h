/*
 * openapi.h - the interface described: OpenAPI 3.1, served at /openapi.json.
 *
 * One row for each row of routes (api.c asserts it at the start), so that no path goes
 * undescribed.  Pure.
 */
#pragma once

#include "base/buf.h"
#include "http/route.h"

/* Is there a description of this route? */
bool openapi_has_route(enum http_method method, const char *pattern);

/* The whole document, as JSON. */
void openapi_write(struct buf *out);
