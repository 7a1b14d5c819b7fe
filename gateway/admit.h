/*
 * admit.h - who gets in, and what he holds of us while he is here.
 *
 *      head --guard--> enter: rate, share --> body: share --> handler --> answer, leave
 *
 * A request holds its place and the bytes of its body from its head to its answer, its
 * records and their frames from their sending to Kafka's last report.  What there is
 * not room for is 503, what comes too often 429, both with Retry-After, and nothing of
 * it was written.  The limits are per principal as well (gateway/share.h,
 * guard/rate.h): a principal is who guard/ says it is, and without guard the address.
 */
#pragma once

#include "gateway/publish.h"
#include "gateway/replay.h"

struct gateway;

/* What a request holds; http_req.visit, in its arena. */
struct visit {
    struct account *account; // NULL: it has left
    size_t bytes;            // taken for its body
    size_t kept;             // of the body so far
    struct buf unpacked;     // the body, where it came packed (unpack.h)
    bool is_unpacked;

    struct kf_header *headers; // of each of its records (carry.h)
    size_t n_headers, headers_bytes;
    struct session *stream; // rest_stream.c
    struct span trace;      // its traceparent, n 0 = none

    struct publish *finished; // answered, and freed with the request; NULL = none

    struct replay_entry *entry; // it bears an Idempotency-Key and runs (retry.h)
    struct replay_known known;
    enum replay_end end;
    struct span key, id;
};

/* The hooks of struct http_app. */
void admit_head(struct http_app *app, struct http_req *r);
void admit_enter(struct http_app *app, struct http_req *r);
bool admit_keep(struct http_app *app, struct http_req *r, size_t n);
void admit_answered(struct http_app *app, struct http_req *r, int status,
                    const char *type, struct span body);
void admit_leave(struct http_app *app, struct http_req *r);

/* More bytes for the body of `r`, which unpacked itself.  ERR_UNAVAILABLE. */
enum err_kind admit_bytes(struct gateway *g, struct http_req *r, size_t n,
                          struct err *e) MUST_USE;

/* The records of `p` and their `bytes` go to Kafka: taken before, given back when the
 * last report came.  ERR_UNAVAILABLE: there is no room. */
enum err_kind admit_records(struct gateway *g, const struct publish *p, size_t bytes,
                            struct err *e) MUST_USE;
void admit_reported(struct gateway *g, const struct publish *p, size_t bytes);

/* May `r` be told of `topic`? */
bool admit_shows(struct gateway *g, const struct http_req *r, struct span topic);

/* Retry-After: some seconds from these on, so that those who were refused together do
 * not return together. */
int admit_after(int seconds);
/* {"error_code":..,"message":..,"outcome":"not_written"} and Retry-After. */
void admit_refuse(struct http_req *r, int status, int seconds, const char *message);
