/*
 * dev_room.h - what the embedded Kafka holds that no loader has loaded yet.
 *
 *      taken ──settled──> held in pieces (partition, last offset, bytes) ──loaded──>
 * gone
 *
 * A topic may hold `most` bytes in all, though Kafka keeps that much of each partition:
 * which partition a record goes to is not known when its room is taken.  What nobody
 * loads is held until the end.  Any thread.
 */
#pragma once

#include "base/tab.h"
#include "gateway/run.h"

#include <pthread.h>

struct dev_room {
    struct gateway_room gate; // first: the gateway calls back with this
    size_t most;
    /* The next offset to be loaded, -1 when nobody loads it.  Any thread; calls nothing
     * here. */
    int64_t (*loaded)(struct dev_room *r, const char *topic, int32_t partition);
    pthread_mutex_t lock;
    struct tab shelves; // under lock: topic -> struct shelf
};

void dev_room_init(struct dev_room *r, size_t most,
                   int64_t (*loaded)(struct dev_room *r, const char *topic,
                                     int32_t partition));
void dev_room_free(struct dev_room *r);
/* Bytes of the topic that are not loaded, those on their way to Kafka among them. */
size_t dev_room_held(struct dev_room *r, const char *topic);
