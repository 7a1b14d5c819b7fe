/*
 * gateway_inside.h - the gateway's parts, for its own files.
 */
#pragma once

#include "base/queue.h"
#include "base/stats.h"
#include "gateway/codec.h"
#include "gateway/publish.h"
#include "gateway/run.h"
#include "gateway/topics.h"

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

    struct queue waiting; // of http_req: what could not be answered from memory
    pthread_t *workers;
    size_t n_workers;

    pthread_rwlock_t producer_lock; // readers send; the writer replaces a dead producer
    struct kf_producer *producer;   // under producer_lock

    pthread_t watch;
    atomic_bool stopping, draining;
    atomic_size_t in_flight_requests, in_flight_bytes;

    pthread_mutex_t ready_lock;
    char not_ready[300]; // under ready_lock: why /readyz says 503, "" when it says 200
};

/* api.c: the routes, the admission hook, and what a worker does with a waiting request.
 */
void api_install(struct gateway *g);
void api_serve_waiting(struct gateway *g, struct http_req *r);

/* count.c: everything /metrics says of the gateway. */
void count_install(void);
void count_answer(const struct publish *p);
void count_status(int status); // of the records' endpoint; 0: the client left
void count_phase(const char *phase, int64_t us);
void count_print(struct buf *out, const struct gateway *g);
