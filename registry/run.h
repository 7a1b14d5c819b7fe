/*
 * run.h - the registry as a program, and as a part of `avrogate dev`.
 *
 * Starting: Kafka is asked about the topic, the tail reads, the port is bound.  Until
 * everything has been read /readyz and every request are answered 503.  Stopping, in
 * reverse: nothing new is accepted, writes finish, readers end.
 */
#pragma once

#include "base/conf.h"
#include "guard/guard.h"

struct registry_settings {
    struct conf_list listen;
    const char *bootstrap, *topic;
    bool allow_unsafe;
    struct conf_pairs kafka;
    int incompatible_code;  // 0: 409, 1: 40901
    const char *advertise;  // "http://host:8081" for other instances, "" or NULL = none
    const char *forward_ca; // PEM, NULL or "": the system's
    int64_t forward_ms;
    int64_t write_ms, drain_ms, body, schema, bodies, connections, per_ip, loops, queue;
    const char *log_level;
    struct guard_settings guard;

    /* For `avrogate dev` alone: the topic's settings are not asked for, as the mock
     * cluster cannot tell them. */
    bool settings_may_be_untold;
};

extern const struct conf_program registry_program;

struct registry;

/* `s` and all it points at outlive the registry.  ERR_CONFLICT: the topic is unfit,
 * with what to do about it. */
enum err_kind registry_open(struct registry **out, const struct registry_settings *s,
                            struct err *e) MUST_USE;
uint16_t registry_port(const struct registry *r);
/* Waits until the topic has been read, which is when requests are served (503 before);
 * false when that took longer. */
bool registry_wait_ready(struct registry *r, int timeout_ms);
void registry_close(struct registry *r);

/* `avrogate registry`; exit status. */
int cmd_registry(int argc, char **argv);
