/*
 * produce_way.h - a way for rows into Kafka, and what became of those it was given.
 *
 * There are two: through the gateway (produce_http.c) and straight to Kafka after the
 * same checks (produce_kafka.c).  Both take the same body and the same parameters, and
 * answer with the same verdict, so that whoever sends need not know which it is.
 */
#pragma once

#include "base/conf.h"
#include "cli/gateway_login.h"
#include "cli/produce_parcel.h"
#include "http/message.h"
#include "registry-client/login.h"

enum fate { FATE_UNKNOWN, FATE_WRITTEN, FATE_REFUSED, FATE_NOT_WRITTEN };

struct refusal { // one thing that is wrong with a row
    size_t row;
    struct span pointer; // "/field"
    struct span rule, message;
    bool has_offset;
    size_t offset; // in the body
};

enum verdict_kind {
    VERDICT_DONE,   // every row is written or refused
    VERDICT_PARTLY, // some are not written and may be sent again, the others are
                    // settled
    VERDICT_AGAIN,  // nothing was written, and the same may succeed later
    VERDICT_SPLIT,  // nothing was written: too large, a smaller body may do
    VERDICT_STOP,   // it will not go on like this; fates say what was written (none,
                    // mostly)
    VERDICT_DOUBT,  // of some rows nobody knows; fates say which
};

struct verdict {
    enum verdict_kind kind;
    int64_t after_ms; // AGAIN: wanted pause, 0 = ours to choose
    char why[400];
    enum fate *fates; // of `n` rows; for AGAIN and SPLIT: all not written
    size_t n;
    struct refusal *refusals;
    size_t n_refusals;  // in the order of their rows
    bool dlq_failed;    // some refused rows did not get into the dead-letter topic
    struct arena arena; // holds all of it
};

void verdict_begin(struct verdict *v, size_t n); // empty, for n rows of unknown fate
void verdict_all(struct verdict *v, enum fate fate);
void verdict_say(struct verdict *v, enum verdict_kind kind, const char *fmt, ...)
    PRINTF_LIKE(3, 4);
size_t verdict_count(const struct verdict *v, enum fate fate);
void verdict_free(struct verdict *v);

/*
 * Reads a gateway's answer (docs/gateway.md).  `rejecting`: on_error was reject, so one
 * refused row means that none of its request was written.  Pure.
 */
void verdict_read(struct verdict *v, int status, struct span body,
                  struct span retry_after, bool rejecting);

struct way;

struct way_ops {
    /* Sends the first n rows and waits for what becomes of them.  *v was begun. */
    void (*send)(struct way *w, const struct parcel *p, size_t n, struct verdict *v);
    void (*close)(struct way *w);
};

struct way {
    const struct way_ops *ops; // first in the implementation's own struct
};

/* What both ways are told: parameters as in docs/gateway.md, unescaped. */
struct way_settings {
    const char *topic, *content_type;
    const struct http_field *params;
    size_t n_params;
    bool rejecting, dry_run;
    int64_t timeout_ms; // for one request and its answer
};

struct way_http_settings {
    struct conf_list urls; // may carry user:secret@
    struct gateway_login login;
};

struct way_kafka_settings {
    const char *bootstrap;
    struct conf_list registry;
    const struct rc_login *login;
    const struct conf_pairs *kafka;
};

/* Nobody is asked yet. */
enum err_kind way_http_open(struct way **out, const struct way_settings *s,
                            const struct way_http_settings *h, struct err *e) MUST_USE;
/* ERR_INVALID when a parameter is wrong; the schema is asked for by the first send. */
enum err_kind way_kafka_open(struct way **out, const struct way_settings *s,
                             const struct way_kafka_settings *k,
                             struct err *e) MUST_USE;
