#include "loaders/batch_queue.h"
#include "tests/check.h"

static struct batch *put(struct batch_queue *q, int32_t partition, int64_t first)
{
    struct batch *b = batch_new("t", partition, first);

    b->next = first + 1;
    batch_queue_put(q, b);
    return b;
}

static void gives_them_out_in_order_however_many_there_are(void)
{
    struct batch_queue q = {0};
    int64_t in = 0, out = 0;

    for (int round = 1; round < 40; round++) { // the ring turns and grows
        for (int i = 0; i < round; i++)
            put(&q, 0, in++);
        for (int i = 0; i < round - round / 3; i++) {
            struct batch *b = batch_queue_take(&q);
            CHECK_INT(b->first, out++);
            batch_queue_let_go(&q, b);
        }
    }
    for (struct batch *b; (b = batch_queue_take(&q)) != NULL; batch_queue_let_go(&q, b))
        CHECK_INT(b->first, out++);
    CHECK_INT(out, in);
    CHECK_INT(q.cost, 0);
    batch_queue_free(&q);
}

static void what_the_pump_has_still_counts(void)
{
    struct batch_queue q = {0};
    struct batch *b = put(&q, 0, 0);
    int64_t cost = (int64_t)batch_cost(b);

    CHECK(cost > 0);
    CHECK(!batch_queue_is_idle(&q));
    CHECK(batch_queue_take(&q) == b);
    CHECK(batch_queue_take(&q) == NULL);
    CHECK_INT(q.cost, cost);
    CHECK(!batch_queue_is_idle(&q));
    batch_queue_let_go(&q, b);
    CHECK_INT(q.cost, 0);
    CHECK(batch_queue_is_idle(&q));
    batch_queue_free(&q);
}

static void a_partition_that_is_somebody_elses_leaves_the_others_in_order(void)
{
    struct batch_queue q = {0};

    for (int i = 0; i < 30; i++)
        put(&q, i % 3, i)->epoch = 7;
    batch_queue_drop(&q, 1, 7);
    CHECK_INT(q.n_drops, 1);
    CHECK_INT(q.drops[0].partition, 1);
    CHECK_INT(q.drops[0].epoch, 7);
    for (int i = 0; i < 30; i++) {
        if (i % 3 == 1)
            continue;
        struct batch *b = batch_queue_take(&q);
        CHECK_INT(b->first, i);
        batch_queue_let_go(&q, b);
    }
    CHECK_INT(q.cost, 0);
    CHECK(batch_queue_is_idle(&q));
    for (int i = 0; i < 100; i++)
        batch_queue_drop(&q, i, 1);
    CHECK_INT(q.n_drops, 101);
    CHECK_INT(q.drops[100].partition, 99);
    put(&q, 0, 0);
    batch_queue_free(&q); // with what is in it
}

/* It was taken away and given back while the pump still tried a batch of before. */
static void what_was_read_under_a_newer_claim_stays(void)
{
    struct batch_queue q = {0};
    struct batch *b;

    put(&q, 0, 10)->epoch = 1;
    put(&q, 0, 20)->epoch = 1;
    CHECK((b = batch_queue_take(&q)) != NULL);
    put(&q, 0, 10)->epoch = 2;
    batch_queue_drop(&q, 0, b->epoch);
    batch_queue_let_go(&q, b);
    b = batch_queue_take(&q);
    CHECK(b != NULL && b->epoch == 2);
    if (b != NULL)
        batch_queue_let_go(&q, b);
    CHECK(batch_queue_is_idle(&q));
    CHECK_INT(q.cost, 0);
    batch_queue_free(&q);
}

int main(void)
{
    RUN(gives_them_out_in_order_however_many_there_are);
    RUN(what_the_pump_has_still_counts);
    RUN(a_partition_that_is_somebody_elses_leaves_the_others_in_order);
    RUN(what_was_read_under_a_newer_claim_stays);
    return REPORT();
}
