/*
 * api.h - the registry's HTTP interface (docs/registry.md): request -> command, event
 * or refusal -> answer.
 *
 * Reads are answered on the loop, from memory; a read that finds nothing takes a second
 * look (fresh.h) first.  Writes wait in the writer's queue.  A write that asks for what
 * is so already is a read.
 */
#pragma once

#include "guard/guard.h"
#include "http/server.h"
#include "registry/append.h"
#include "registry/fresh.h"

struct reg_api_options {
    int64_t write_ms; // deadline of a write
    size_t body;      // bytes of a request
    size_t schema;    // bytes of the text of one that is registered
    struct reg_rules rules;
    const char *topic;
    struct guard *guard; // NULL: everybody may do everything
    struct span cluster; // Kafka's id, "" when not known
};

struct reg_api;

/* Borrows all; close in reverse. */
struct reg_api *reg_api_open(const struct reg_api_options *o, struct reg_tail *t,
                             struct reg_writer *w, struct reg_fresh *f);
struct http_app *reg_api_app(struct reg_api *api);
/* The server whose counters /metrics shows; set once, before the first request counts.
 */
void reg_api_serves(struct reg_api *api, const struct http_server *s);
void reg_api_close(struct reg_api *api);
