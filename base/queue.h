/*
 * queue.h - a bounded queue of pointers between threads; closing it ends the reader.
 *
 * Any number of writers and readers.  What is in the queue belongs to the queue's user:
 * after queue_close() readers still get what is left, then NULL.
 */
#pragma once

#include "base/mem.h"

#include <pthread.h>

struct queue {
    pthread_mutex_t lock;
    pthread_cond_t some, room;
    // under lock
    void **items;
    size_t first, n, cap;
    bool closed;
};

void queue_init(struct queue *q, size_t cap);
void queue_free(struct queue *q);

bool queue_try_put(struct queue *q, void *item); // false when full or closed
bool queue_put(struct queue *q, void *item);     // waits for room; false when closed
/* Waits at most `ms` (-1 = for ever): NULL when nothing came, or closed and empty. */
void *queue_get(struct queue *q, int ms);
void queue_close(struct queue *q);
bool queue_closed(struct queue *q);
