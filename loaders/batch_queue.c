#include "loaders/batch_queue.h"

#include <stdlib.h>

static struct batch **at(const struct batch_queue *q, size_t i)
{
    return &q->ring[(q->first + i) % q->cap];
}

static void grow(struct batch_queue *q)
{
    size_t cap = q->cap == 0 ? 16 : q->cap * 2;
    struct batch **ring = mem_array(cap, sizeof *ring);

    for (size_t i = 0; i < q->n; i++)
        ring[i] = *at(q, i);
    free(q->ring);
    q->ring = ring;
    q->cap = cap;
    q->first = 0;
}

void batch_queue_put(struct batch_queue *q, struct batch *b)
{
    if (q->n == q->cap)
        grow(q);
    *at(q, q->n++) = b;
    q->cost += (int64_t)batch_cost(b);
}

struct batch *batch_queue_take(struct batch_queue *q)
{
    if (q->n == 0)
        return NULL;
    struct batch *b = *at(q, 0);
    q->first = (q->first + 1) % q->cap;
    q->n--;
    q->in_hand++;
    return b;
}

void batch_queue_let_go(struct batch_queue *q, struct batch *b)
{
    q->cost -= (int64_t)batch_cost(b);
    q->in_hand--;
    batch_free(b);
}

/* `epoch` NULL: of any. */
static void forget(struct batch_queue *q, int32_t partition, const int64_t *epoch)
{
    size_t kept = 0;

    for (size_t i = 0; i < q->n; i++) {
        struct batch *b = *at(q, i);
        if (b->partition != partition || (epoch != NULL && b->epoch != *epoch)) {
            *at(q, kept++) = b;
            continue;
        }
        q->cost -= (int64_t)batch_cost(b);
        batch_free(b);
    }
    q->n = kept;
}

void batch_queue_forget(struct batch_queue *q, int32_t partition)
{
    forget(q, partition, NULL);
}

void batch_queue_drop(struct batch_queue *q, int32_t partition, int64_t epoch)
{
    q->drops = mem_grow(q->drops, q->n_drops + 1, sizeof *q->drops);
    q->drops[q->n_drops++] = (struct batch_drop){partition, epoch};
    forget(q, partition, &epoch);
}

bool batch_queue_is_idle(const struct batch_queue *q)
{
    return q->n == 0 && q->in_hand == 0;
}

void batch_queue_free(struct batch_queue *q)
{
    for (size_t i = 0; i < q->n; i++)
        batch_free(*at(q, i));
    free(q->ring);
    free(q->drops);
    *q = (struct batch_queue){0};
}
