/*
 * run.h - the gateway as a program, and as a part of `avrogate dev`.
 *
 * HTTP in, Kafka out; it answers 200 only for what Kafka has (docs/gateway.md).
 */
#pragma once

#include "base/conf.h"
#include "guard/guard.h"
#include "http/server.h"
#include "registry-client/login.h"

struct gateway_settings {
    struct conf_list listen;
    const char *bootstrap;
    struct conf_list registry;
    struct rc_login login; // at the registry
    struct conf_pairs kafka;
    int contracts;                                    // enum contracts_mode
    int on_error, unknown_fields, bytes_as, strategy; // the enums of gateway/ask.h
    int64_t body, records, connections;
    int64_t in_flight_bytes, in_flight_requests, in_flight_records;
    struct conf_list headers;
    const char *principal_header;
    int64_t idempotency_bytes, idempotency_ms;
    int64_t unpack_ratio;
    int64_t share; // percent of these that one principal may have; 0 = 100
    int64_t registry_ms, schema_ttl_ms, drain_ms, threads, workers;
    int access_log; // 0 none, 1 errors, 2 all
    const char *log_level;
    struct guard_settings guard;
    struct http_limits http; // not from the table: HTTP_LIMITS with the above in place

    struct gateway_room *room; // for `avrogate dev` alone; NULL = there is always room
};

/*
 * What an embedded Kafka still has room for.  It keeps a few MiB of a partition and
 * then drops the oldest in silence; the gateway answers 503 before that.  Any thread.
 */
struct gateway_room {
    /* Takes room for `bytes` that are to be written; false: there is none. */
    bool (*take)(struct gateway_room *r, const char *topic, size_t bytes);
    /* `bytes` of what was taken stand at this offset, or (partition -1) came to
     * nothing. */
    void (*settle)(struct gateway_room *r, const char *topic, size_t bytes,
                   int32_t partition, int64_t offset);
};

extern const struct conf_program gateway_program;

struct gateway;

/* Connects, binds, serves.  `s` and all it points at outlive the gateway. */
enum err_kind gateway_open(struct gateway **out, const struct gateway_settings *s,
                           struct err *e) MUST_USE;
uint16_t gateway_port(const struct gateway *g);
/* Not ready, drains, flushes, answers what remains, closes. */
void gateway_close(struct gateway *g);

int cmd_gateway(int argc, char **argv);
