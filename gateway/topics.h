/*
 * topics.h - which topics there are, as far as Kafka was asked lately.
 *
 * A topic that is there is believed for a minute, one that is not for a second.  Any
 * thread; the lock is not held while Kafka is asked.
 */
#pragma once

#include "base/tab.h"
#include "kafka/client.h"

#include <pthread.h>

struct topics {
    struct kf_admin *admin; // borrowed
    int timeout_ms;
    pthread_mutex_t lock;
    struct tab known; // under lock: name -> struct topic
};

void topics_init(struct topics *t, struct kf_admin *admin, int timeout_ms);
void topics_free(struct topics *t);

/* From memory: ERR_OK, ERR_NOT_FOUND, or ERR_UNAVAILABLE when Kafka would have to be
 * asked. */
enum err_kind topics_recall(struct topics *t, struct span topic, int32_t *partitions,
                            struct err *e) MUST_USE;
/*
 * Asks Kafka where memory does not know; blocks.  A cluster with
 * auto.create.topics.enable makes the topic by this: its owner's policy, so ask only
 * for topics that have a schema.
 */
enum err_kind topics_ask(struct topics *t, struct span topic, int32_t *partitions,
                         struct err *e) MUST_USE;

/* Is there such a topic?  Blocks, creates nothing; false too when Kafka does not
 * answer. */
bool topics_exist(struct topics *t, struct span topic);
