#include "base/queue.h"
#include "tests/check.h"

static void keeps_order_and_its_bound(void)
{
    struct queue q;
    int items[3];

    queue_init(&q, 2);
    CHECK(queue_try_put(&q, &items[0]));
    CHECK(queue_try_put(&q, &items[1]));
    CHECK(!queue_try_put(&q, &items[2]));
    CHECK(queue_get(&q, 0) == &items[0]);
    CHECK(queue_try_put(&q, &items[2]));
    CHECK(queue_get(&q, 0) == &items[1]);
    CHECK(queue_get(&q, -1) == &items[2]);
    CHECK(queue_get(&q, 1) == NULL);
    queue_free(&q);
}

static void what_was_in_it_is_read_after_closing(void)
{
    struct queue q;
    int item;

    queue_init(&q, 2);
    CHECK(queue_put(&q, &item));
    queue_close(&q);
    CHECK(queue_closed(&q));
    CHECK(!queue_put(&q, &item));
    CHECK(queue_get(&q, -1) == &item);
    CHECK(queue_get(&q, -1) == NULL);
    queue_free(&q);
}

#define MANY 20000

static void *write_many(void *arg)
{
    static int items[MANY];

    for (int i = 0; i < MANY; i++)
        if (!queue_put(arg, &items[i]))
            return NULL;
    queue_close(arg);
    return NULL;
}

static void passes_everything_between_threads(void)
{
    struct queue q;
    pthread_t writer;
    size_t n = 0;

    queue_init(&q, 7);
    pthread_create(&writer, NULL, write_many, &q);
    while (queue_get(&q, -1) != NULL)
        n++;
    pthread_join(writer, NULL);
    CHECK_INT(n, MANY);
    queue_free(&q);
}

int main(void)
{
    RUN(keeps_order_and_its_bound);
    RUN(what_was_in_it_is_read_after_closing);
    RUN(passes_everything_between_threads);
    return REPORT();
}
