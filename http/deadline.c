#include "http/deadline.h"

#include <limits.h>
#include <stdlib.h>

struct deadline_slot {
    int64_t key; // never later than d->due
    struct deadline *d;
};

static void put(struct deadlines *all, size_t i, struct deadline_slot s)
{
    all->slots[i] = s;
    s.d->at = i + 1;
}

static void rise(struct deadlines *all, size_t i, struct deadline_slot s)
{
    while (i > 0 && all->slots[(i - 1) / 2].key > s.key) {
        put(all, i, all->slots[(i - 1) / 2]);
        i = (i - 1) / 2;
    }
    put(all, i, s);
}

static void sink(struct deadlines *all, size_t i, struct deadline_slot s)
{
    for (;;) {
        size_t child = 2 * i + 1;
        if (child >= all->n)
            break;
        if (child + 1 < all->n && all->slots[child + 1].key < all->slots[child].key)
            child++;
        if (all->slots[child].key >= s.key)
            break;
        put(all, i, all->slots[child]);
        i = child;
    }
    put(all, i, s);
}

void deadline_set(struct deadlines *all, struct deadline *d, int64_t due)
{
    d->due = due;
    if (d->at == 0) {
        if (all->n == all->cap) {
            all->cap = all->cap == 0 ? 64 : all->cap * 2;
            all->slots = mem_grow(all->slots, all->cap, sizeof *all->slots);
        }
        rise(all, all->n++, (struct deadline_slot){due, d});
    } else if (due < all->slots[d->at - 1].key) {
        rise(all, d->at - 1, (struct deadline_slot){due, d});
    }
}

void deadline_drop(struct deadlines *all, struct deadline *d)
{
    if (d->at == 0)
        return;
    size_t i = d->at - 1;
    struct deadline_slot last = all->slots[--all->n];

    d->at = 0;
    if (last.d == d)
        return;
    if (i > 0 && all->slots[(i - 1) / 2].key > last.key)
        rise(all, i, last);
    else
        sink(all, i, last);
}

struct deadline *deadline_next(struct deadlines *all, int64_t now)
{
    while (all->n > 0 && all->slots[0].key <= now) {
        struct deadline *d = all->slots[0].d;
        if (d->due <= now) {
            deadline_drop(all, d);
            return d;
        }
        sink(all, 0, (struct deadline_slot){d->due, d}); // it had moved later
    }
    return NULL;
}

int deadline_wait(const struct deadlines *all, int64_t now)
{
    if (all->n == 0)
        return -1;
    int64_t left = all->slots[0].key - now;
    return left < 0 ? 0 : left > INT_MAX ? INT_MAX : (int)left;
}

void deadlines_free(struct deadlines *all)
{
    free(all->slots);
    *all = (struct deadlines){0};
}
