#include "transform/window.h"

#include "base/bytes.h"
#include "base/mem.h"
#include "base/tab.h"

#include <assert.h>
#include <stdlib.h>
#include <sys/random.h>

#define FIRST 256           // entries to begin with
#define BEHIND_MOST 1000000 // that left the window and are kept, whatever happens

struct entry {
    uint64_t a, b; // the key's hash
    int64_t offset;
    uint32_t before; // place + 1 of the same key, which had left the window; 0 = none
};

struct window {
    int64_t last;
    size_t cap_most; // of the ring
    uint64_t seeds[2];
    struct entry *ring;
    size_t cap, begin, n;
    uint32_t *slots; // place in the ring + 1, 0 = free; a power of two of them
    size_t mask;
    int64_t newest;
};

struct window *tr_window_new(void)
{
    struct window *w = mem_alloc(sizeof *w);

    tr_window_last(w, WINDOW_LAST_MOST);
    w->newest = INT64_MIN;
    if (getrandom(w->seeds, sizeof w->seeds, 0) != (ssize_t)sizeof w->seeds)
        abort();
    return w;
}

void tr_window_last(struct window *w, int64_t last)
{
    assert(last > 0);
    w->last = last;
    w->cap_most = (size_t)last + BEHIND_MOST;
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

/* How many entries are older than the one at this place; >= n: none of ours is there.
 */
static size_t age_of(const struct window *w, size_t place)
{
    return (place + w->cap - w->begin) % w->cap;
}

/* Where it stands when the oldest stands first; 0: it is gone. */
static uint32_t moved(const struct window *w, uint32_t before)
{
    size_t age = age_of(w, before - 1);

    return age < w->n ? (uint32_t)age + 1 : 0;
}

static void grow(struct window *w)
{
    size_t cap = w->cap == 0 ? FIRST : w->cap * 2, slots = 2;

    if (cap > w->cap_most)
        cap = w->cap_most;
    while (slots < cap * 2)
        slots *= 2;
    struct entry *ring = mem_array(cap, sizeof *ring);
    for (size_t i = 0; i < w->n; i++) {
        ring[i] = *entry_at(w, i);
        if (ring[i].before != 0)
            ring[i].before = moved(w, ring[i].before);
    }
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
    size_t at = find(w, &w->ring[w->begin]);

    if (w->slots[at] == w->begin + 1) // else its key came again
        free_slot(w, at);
    w->begin = (w->begin + 1) % w->cap;
    w->n--;
}

/* What it took the slot of stands there again. */
static void forget_newest(struct window *w)
{
    const struct entry *e = entry_at(w, w->n - 1);
    size_t at = find(w, e);
    const struct entry *old = e->before == 0 ? NULL : &w->ring[e->before - 1];

    w->n--;
    if (old != NULL && age_of(w, e->before - 1) < w->n && old->a == e->a &&
        old->b == e->b)
        w->slots[at] = e->before;
    else
        free_slot(w, at);
}

void tr_window_forget(struct window *w, int64_t offset)
{
    while (w->n > 0 && entry_at(w, w->n - 1)->offset >= offset)
        forget_newest(w);
    if (w->newest >= offset)
        w->newest = offset - 1;
}

static void add(struct window *w, const struct entry *entry)
{
    struct entry e = *entry;

    if (w->n == w->cap && w->cap < w->cap_most)
        grow(w);
    else if (w->n == w->cap)
        drop_oldest(w);
    assert(w->cap > 0); // `last` is
    size_t place = (w->begin + w->n) % w->cap, at = find(w, &e);
    e.before = w->slots[at];
    w->ring[place] = e;
    w->slots[at] = (uint32_t)place + 1;
    w->n++;
}

bool tr_window_has(struct window *w, struct span key, int64_t offset)
{
    struct entry e = {tab_hash(w->seeds[0], key), tab_hash(w->seeds[1], key), offset,
                      0};

    if (offset <= w->newest)
        tr_window_forget(w, offset);
    w->newest = offset;
    if (w->cap > 0) {
        uint32_t slot = w->slots[find(w, &e)];
        if (slot != 0 && offset - w->ring[slot - 1].offset <= w->last)
            return true;
    }
    add(w, &e);
    return false;
}

void tr_window_kept(struct window *w, int64_t offset)
{
    while (w->n > 0 && offset - entry_at(w, 0)->offset > w->last)
        drop_oldest(w);
}

/* --- written down ----------------------------------------------------------------- */

static uint64_t le64(const uint8_t *p)
{
    return bytes_le32(p) | (uint64_t)bytes_le32(p + 4) << 32;
}

void tr_window_put_seeds(const struct window *w, struct buf *out)
{
    buf_put_le(out, w->seeds[0], 8);
    buf_put_le(out, w->seeds[1], 8);
}

bool tr_window_use_seeds(struct window *w, const uint8_t seeds[WINDOW_SEEDS])
{
    uint64_t a = le64(seeds), b = le64(seeds + 8);

    if (w->n > 0)
        return w->seeds[0] == a && w->seeds[1] == b;
    w->seeds[0] = a;
    w->seeds[1] = b;
    return true;
}

size_t tr_window_count(const struct window *w)
{
    return w->n;
}

size_t tr_window_from(const struct window *w, int64_t offset)
{
    size_t low = 0, high = w->n;

    while (low < high) {
        size_t at = low + (high - low) / 2;
        if (entry_at(w, at)->offset < offset)
            low = at + 1;
        else
            high = at;
    }
    return low;
}

int64_t tr_window_put(const struct window *w, size_t i, struct buf *out)
{
    const struct entry *e = entry_at(w, i);

    buf_put_le(out, e->a, 8);
    buf_put_le(out, e->b, 8);
    buf_put_le(out, (uint64_t)e->offset, 8);
    return e->offset;
}

bool tr_window_take(struct window *w, const uint8_t entry[WINDOW_ENTRY])
{
    struct entry e = {le64(entry), le64(entry + 8), (int64_t)le64(entry + 16), 0};

    if (e.offset < 0 || e.offset <= w->newest)
        return false;
    w->newest = e.offset;
    add(w, &e);
    return true;
}
