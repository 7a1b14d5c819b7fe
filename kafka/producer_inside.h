/*
 * producer_inside.h - a producer from within, for what stands beside it.
 *
 * A *ticket* says to whom and under which index a record's report goes; it is
 * librdkafka's opaque of that record.  Tickets come from a pool that grows to what was
 * ever in flight, so that sending allocates nothing of ours.
 */
#pragma once

#include "kafka/client_inside.h"
#include "kafka/handle.h"
#include "kafka/producer.h"

#include <stdatomic.h>

struct kf_ticket {
    struct kf_waiter *waiter;
    uint32_t index;
    bool our_time; // the record brought none
};

struct kf_producer {
    struct kf_voice voice; // first: it is librdkafka's opaque
    rd_kafka_t *rk;
    rd_kafka_queue_t *events;
    pthread_t poll_thread;
    atomic_bool stop;
    atomic_size_t in_flight;
    _Atomic(const struct kf_together *) together;
    struct kf_handles handles;

    pthread_mutex_t lock;
    pthread_cond_t none_left;
    // under lock
    struct kf_ticket **pool; // a list of them would be one cache miss after the other
    size_t pooled, tickets;  // in the pool, in all
    struct kf_slab *slabs;
};

/* kf_producer_open() with properties of ours that no user may set. */
enum err_kind kf_producer_make(struct kf_producer **out, const char *bootstrap,
                               const struct conf_pairs *properties,
                               const struct conf_pair *more, size_t n,
                               struct err *e) MUST_USE;
