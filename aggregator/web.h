/*
 * web.h - the table over HTTP.
 *
 *      GET /aggregate                   what it is and how it stands
 *      GET /aggregate/rows?limit=100    rows by key, a page; "next" is the following
 *                                       one's ?after=
 *      GET /aggregate/rows?customer=a   those whose key's fields are so
 *      GET /aggregate/rows/{key}        the same, where the key has one field
 *      GET /metrics /healthz /readyz
 */
#pragma once

#include "aggregator/follower.h"
#include "http/server.h"

struct web;

enum err_kind web_open(struct web **out, const struct aggregator_settings *s,
                       struct engine *g, struct follower *f, struct err *e) MUST_USE;
void web_close(struct web *w); // NULL is nothing
