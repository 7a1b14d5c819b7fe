#include "registry/fresh.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/queue.h"

#include <stdlib.h>
#include <time.h>

#define TOGETHER 256

struct reg_fresh {
    struct reg_tail *tail;
    struct queue queue;
    pthread_t thread;
};

/* Lets others join, and the broker breathe. */
static void pace(int64_t last_ms)
{
    int64_t left = last_ms + FRESH_EVERY_MS - clock_ms();
    struct timespec t = {.tv_nsec = left * 1000000};

    if (left > 0)
        nanosleep(&t, NULL);
}

static void *serve(void *fresh)
{
    struct reg_fresh *f = fresh;
    struct reg_waiting *all[TOGETHER];
    int64_t last_ms = 0;

    while ((all[0] = queue_get(&f->queue, -1)) != NULL) {
        struct err e = {0};
        size_t n = 1;

        if (!queue_closed(&f->queue))
            pace(last_ms);
        while (n < TOGETHER && (all[n] = queue_get(&f->queue, 0)) != NULL)
            n++;
        last_ms = clock_ms();
        if (!queue_closed(&f->queue) &&
            reg_tail_sync(f->tail, last_ms + FRESH_WITHIN_MS, &e) != ERR_OK)
            log_err(LOG_DEBUG, "no second look", &e);
        for (size_t i = 0; i < n; i++)
            all[i]->again(all[i]);
    }
    return NULL;
}

struct reg_fresh *reg_fresh_open(struct reg_tail *t, size_t most)
{
    struct reg_fresh *f = mem_alloc(sizeof *f);

    f->tail = t;
    queue_init(&f->queue, most);
    if (pthread_create(&f->thread, NULL, serve, f) != 0)
        abort(); // no threads at start: the machine is out
    return f;
}

bool reg_fresh_wait(struct reg_fresh *f, struct reg_waiting *w)
{
    struct reg_tail_view view;

    reg_tail_view(f->tail, &view);
    return view.kafka_is_up && !view.broken && queue_try_put(&f->queue, w);
}

void reg_fresh_close(struct reg_fresh *f)
{
    if (f == NULL)
        return;
    queue_close(&f->queue);
    pthread_join(f->thread, NULL);
    queue_free(&f->queue);
    free(f);
}
