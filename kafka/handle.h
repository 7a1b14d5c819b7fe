/*
 * handle.h - a producer's handles of its topics, and where records without a key go.
 *
 * librdkafka spreads records without a key by itself, a partition for some milliseconds
 * and then another, but asks for each record anew whether that time is over and whether
 * the partition has a leader; that is half of what producing costs (decision 183).
 * Here the choice is made by the same rule in a partitioner of ours, and remembered, so
 * that whoever sends may name the partition.  Who sets kafka.partitioner or
 * kafka.sticky.partitioning.linger.ms gets librdkafka's way.
 *
 * A handle is kept while it is used: making one takes the lock of the whole producer
 * and looks through all topics.  Any thread.
 */
#pragma once

#include "base/tab.h"
#include "kafka/client_inside.h"

struct kf_handle {
    rd_kafka_topic_t *rkt; // constant while somebody has it
    // under the lock
    size_t users;
    int64_t used_us; // when it was last taken
    bool doubted;
    // where records without a key go, and until when
    _Atomic int32_t partition;
    _Atomic int64_t until_us;
    char name[];
};

struct kf_handles {
    pthread_mutex_t lock;
    struct tab known; // under lock; a struct kf_handle lives as long as its producer
};

void kf_handles_init(struct kf_handles *all);
void kf_handles_free(struct kf_handles *all); // before its rd_kafka_t goes

/* Makes the partitioner of `conf` ours, unless the user's properties say otherwise. */
void kf_handles_install(rd_kafka_conf_t *conf, const struct conf_pairs *properties);

/* NULL: rd_kafka_last_error() says why.  `now_us` is clock_us()'s. */
struct kf_handle *kf_handle_take(struct kf_handles *all, rd_kafka_t *rk,
                                 const char *topic, int64_t now_us);
void kf_handle_give(struct kf_handles *all, struct kf_handle *h);
/* librdkafka said that topic or partition does not exist: a new handle would ask Kafka
 * again. */
void kf_handle_doubt(struct kf_handles *all, const char *topic);

/* RD_KAFKA_PARTITION_UA: the partitioner is to choose, for the next record. */
int32_t kf_handle_partition(struct kf_handle *h, int64_t now_us);
