/*
 * gateway_inside.h - the gateway's parts, for its own files.
 */
#pragma once

#include "base/queue.h"
#include "base/stats.h"
#include "gateway/admit.h"
#include "gateway/carry.h"
#include "gateway/codec.h"
#include "gateway/publish.h"
#include "gateway/retry.h"
#include "gateway/run.h"
#include "gateway/share.h"
#include "gateway/topics.h"
#include "gateway/unpack.h"

#include <pthread.h>
#include <stdatomic.h>

#define GATEWAY_WAITING 1024 // requests waiting for a schema or a topic to be asked for

struct gateway {
    struct http_app app; // first: handlers get this
    const struct gateway_settings *s;
    struct ask_defaults defaults;
    struct gw_batch_limits batch;
    struct guard *guard;
    struct http_server *server;
    struct rc *rc;
    struct kf_admin *admin;
    struct topics topics;
    struct codecs codecs;
    struct contracts contracts;

    pthread_mutex_t rest_lock;
    struct tab registered; // under rest_lock: "subject\0text" -> struct registered
    char cluster_id[128];  // under rest_lock: "" until it is known

    struct queue waiting; // of http_req: what could not be answered from memory
    pthread_t *workers;
    size_t n_workers;

    pthread_rwlock_t producer_lock; // readers send; the writer replaces a dead producer
    struct kf_producer *producer;   // under producer_lock

    pthread_t watch;
    atomic_bool stopping, draining;
    struct shares shares;
    struct replay replay;

    pthread_mutex_t ready_lock;
    char not_ready[300]; // under ready_lock: why /readyz says 503, "" when it says 200
};

/* api.c: the routes, and what a worker does with a waiting request.
 */
void api_install(struct gateway *g);
void api_serve_waiting(struct gateway *g, struct http_req *r);

/* A publish on its way; `answer` is called with it once, when all is known. */
struct sent {
    struct publish publish; // first: done() gets it
    struct gateway *gateway;
    void (*answer)(struct publish *p);
};
/* Admits and sends.  ERR_UNAVAILABLE: nothing was sent and `s` is still the caller's,
 * to be answered 503. */
enum err_kind api_send(struct sent *s, struct err *e) MUST_USE;

/* rest.c: REST Proxy's interface; rest_v2.c and rest_v3.c have its answers. */
const struct http_route *rest_routes(size_t *n);
bool rest_is_route(const struct http_route *route);
int rest_outcome_code(int status); // of a 503 that wrote nothing, of a 504
void rest_serve_waiting(struct gateway *g, struct http_req *r);
void rest_free(struct gateway *g);

/* count.c: everything /metrics says of the gateway. */
void count_install(void);
void count_answer(const struct publish *p);
void count_status(int status);       // of the records' endpoint; 0: the client left
void count_replay(const char *what); // of an Idempotency-Key
enum phase {
    PHASE_BODY,   // its head to its last byte
    PHASE_SCHEMA, // until schema and topic are known
    PHASE_CHECK,  // read and encoded
    PHASE_KAFKA,  // sent, until the last report
    PHASE_ANSWER, // its answer put together
    PHASES
};
void count_phase(enum phase phase, int64_t us);
void count_full(enum share_of what, enum share_verdict v); // a 503 by admit.c
void count_print(struct buf *out, struct gateway *g);
