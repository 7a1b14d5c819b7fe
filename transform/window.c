#include "transform/window.h"

#include "base/mem.h"
#include "base/tab.h"

#include <assert.h>
#include <stdlib.h>
#include <sys/random.h>

#define FIRST 256 // entries to begin with

struct entry {
    uint64_t a, b; // the key's hash
    int64_t offset;
};

struct window {
    size_t most;
    uint64_t seeds[2];
    struct entry *ring;
    size_t cap, begin, n;
    uint32_t *slots; // place in the ring + 1, 0 = free; a power of two of them
    size_t mask;
    int64_t newest;
};

struct window *tr_window_new(size_t most)
{
    struct window *w = mem_alloc(sizeof *w);

    assert(most > 0);
    w->most = most;
    w->newest = INT64_MIN;
    if (getrandom(w->seeds, sizeof w->seeds, 0) != (ssize_t)sizeof w->seeds)
        abort();
    return w;
}

void tr_window_free(struct window *w)
{
    if (w == NULL)
        return;
    free(w->ring);
    free(w->slots);
    free(w);
}

static struct entry *entry_at(const struct window *w, size_t i)
{
    return &w->ring[(w->begin + i) % w->cap];
}

/* The slot of the entry, or the free one where it would stand. */
static size_t find(const struct window *w, const struct entry *e)
{
    size_t at = e->a & w->mask;

    for (; w->slots[at] != 0; at = (at + 1) & w->mask) {
        const struct entry *there = &w->ring[w->slots[at] - 1];
        if (there->a == e->a && there->b == e->b)
            break;
    }
    return at;
}

/* Frees a slot; those behind it that stand too far from home move up. */
static void free_slot(struct window *w, size_t hole)
{
    for (size_t at = (hole + 1) & w->mask; w->slots[at] != 0; at = (at + 1) & w->mask) {
        size_t home = w->ring[w->slots[at] - 1].a & w->mask;
        if (((at - home) & w->mask) >= ((at - hole) & w->mask)) {
            w->slots[hole] = w->slots[at];
            hole = at;
        }
    }
    w->slots[hole] = 0;
}

static void grow(struct window *w)
{
    size_t cap = w->cap == 0 ? FIRST : w->cap * 2, slots = 2;

    if (cap > w->most)
        cap = w->most;
    while (slots < cap * 2)
        slots *= 2;
    struct entry *ring = mem_array(cap, sizeof *ring);
    for (size_t i = 0; i < w->n; i++)
        ring[i] = *entry_at(w, i);
    free(w->ring);
    free(w->slots);
    w->ring = ring;
    w->cap = cap;
    w->begin = 0;
    w->slots = mem_array(slots, sizeof *w->slots);
    w->mask = slots - 1;
    for (size_t i = 0; i < w->n; i++)
        w->slots[find(w, &ring[i])] = (uint32_t)i + 1;
}

static void drop_oldest(struct window *w)
{
    assert(w->cap > 0);
    free_slot(w, find(w, &w->ring[w->begin]));
    w->begin = (w->begin + 1) % w->cap;
    w->n--;
}

static void forget_from(struct window *w, int64_t offset)
{
    while (w->n > 0 && entry_at(w, w->n - 1)->offset >= offset) {
        free_slot(w, find(w, entry_at(w, w->n - 1)));
        w->n--;
    }
}

bool tr_window_has(struct window *w, struct span key, int64_t offset)
{
    struct entry e = {tab_hash(w->seeds[0], key), tab_hash(w->seeds[1], key), offset};

    if (offset <= w->newest)
        forget_from(w, offset);
    w->newest = offset;
    if (w->cap > 0 && w->slots[find(w, &e)] != 0)
        return true;
    if (w->n == w->cap && w->cap < w->most)
        grow(w);
    else if (w->n == w->cap)
        drop_oldest(w);
    assert(w->cap > 0); // `most` is
    size_t place = (w->begin + w->n) % w->cap;
    w->ring[place] = e;
    w->slots[find(w, &e)] = (uint32_t)place + 1;
    w->n++;
    return false;
}
