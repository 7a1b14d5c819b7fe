/*
 * carry.h - what of a request travels beside its records, as their Kafka headers.
 *
 *      traceparent, tracestate     as sent, where they are what they say (trace.h)
 *      what `headers` lists        name in small letters
 *      what `principal_header` is  who sent it, as guard/ names them
 *      avrogate.idempotency-key    as sent; and of each record
 *      avrogate.idempotency-id     32 hex digits and ":<index>": the same for the same
 *                                  record of the same request sent again, else another
 */
#pragma once

#include "gateway/publish.h"

struct gateway;

#define CARRY_KEY "avrogate.idempotency-key"
#define CARRY_OBSERVED "avrogate.observed" // rules a record would have been refused by
#define CARRY_ID "avrogate.idempotency-id"

/* Finds them in the request's header; once, before its records are read. */
void carry_note(const struct gateway *g, struct http_req *r);
/* Bytes they add to each record. */
size_t carry_size(const struct http_req *r);
/* Adds them to each record of `p` that is to be sent, behind those it has. */
void carry_add(struct publish *p);
/* Is there a request header that may not be carried?  Start of the program. */
enum err_kind carry_check(const struct conf_list *names, struct err *e) MUST_USE;
