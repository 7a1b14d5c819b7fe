#include "http/server_inside.h"

#include <stdlib.h>

/* What nobody waits for any more is not begun: the answer only gives it back. */
static void work_on(struct http_app *app, struct call *k)
{
    if (atomic_load_explicit(&k->unwanted, memory_order_acquire) ||
        http_gone(&k->req)) {
        http_answer(&k->req, 503, NULL, (struct span){0});
        return;
    }
    k->req.route->handler(app, &k->req);
}

static void *work(void *arg)
{
    struct http_server *s = arg;
    struct call *k;

    pthread_setname_np(pthread_self(), "http-work");
    while ((k = queue_get(&s->work, -1)) != NULL)
        work_on(s->app, k);
    return NULL;
}

void work_start(struct http_server *s, size_t workers)
{
    queue_init(&s->work, s->limits.queue);
    s->nworkers = workers;
    s->workers = mem_array(workers, sizeof *s->workers);
    for (size_t i = 0; i < workers; i++)
        if (pthread_create(&s->workers[i], NULL, work, s) != 0)
            abort(); // as out of memory: see base/mem.h
}

void work_stop(struct http_server *s)
{
    queue_close(&s->work);
    for (size_t i = 0; i < s->nworkers; i++)
        pthread_join(s->workers[i], NULL);
    free(s->workers);
    queue_free(&s->work);
}
