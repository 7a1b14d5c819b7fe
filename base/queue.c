#include "base/queue.h"

#include "base/clock.h"

#include <stdlib.h>

void queue_init(struct queue *q, size_t cap)
{
    *q = (struct queue){.items = mem_array(cap, sizeof *q->items), .cap = cap};
    pthread_mutex_init(&q->lock, NULL);
    clock_cond_init(&q->some);
    clock_cond_init(&q->room);
}

void queue_free(struct queue *q)
{
    pthread_cond_destroy(&q->some);
    pthread_cond_destroy(&q->room);
    pthread_mutex_destroy(&q->lock);
    free(q->items);
}

static bool put_locked(struct queue *q, void *item)
{
    if (q->closed || q->n == q->cap)
        return false;
    q->items[(q->first + q->n++) % q->cap] = item;
    pthread_cond_signal(&q->some);
    return true;
}

bool queue_try_put(struct queue *q, void *item)
{
    pthread_mutex_lock(&q->lock);
    bool taken = put_locked(q, item);
    pthread_mutex_unlock(&q->lock);
    return taken;
}

bool queue_put(struct queue *q, void *item)
{
    pthread_mutex_lock(&q->lock);
    while (q->n == q->cap && !q->closed)
        pthread_cond_wait(&q->room, &q->lock);
    bool taken = put_locked(q, item);
    pthread_mutex_unlock(&q->lock);
    return taken;
}

static void *take_locked(struct queue *q)
{
    if (q->n == 0)
        return NULL;
    void *item = q->items[q->first];
    q->first = (q->first + 1) % q->cap;
    q->n--;
    pthread_cond_signal(&q->room);
    return item;
}

void *queue_get(struct queue *q, int ms)
{
    struct timespec until = clock_at(clock_ms() + (ms < 0 ? 0 : ms));
    bool waiting = true;

    pthread_mutex_lock(&q->lock);
    while (q->n == 0 && !q->closed && waiting)
        waiting = ms < 0 ? pthread_cond_wait(&q->some, &q->lock) == 0
                         : pthread_cond_timedwait(&q->some, &q->lock, &until) == 0;
    void *item = take_locked(q);
    pthread_mutex_unlock(&q->lock);
    return item;
}

void queue_close(struct queue *q)
{
    pthread_mutex_lock(&q->lock);
    q->closed = true;
    pthread_cond_broadcast(&q->some);
    pthread_cond_broadcast(&q->room);
    pthread_mutex_unlock(&q->lock);
}

bool queue_closed(struct queue *q)
{
    pthread_mutex_lock(&q->lock);
    bool closed = q->closed;
    pthread_mutex_unlock(&q->lock);
    return closed;
}
