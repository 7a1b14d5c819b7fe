#include "quality/seen.h"

#include "base/mem.h"

#include <stdlib.h>

#define NOTE 16 // bytes

void seen_init(struct seen *s, int64_t last)
{
    *s = (struct seen){.last = last};
}

void seen_free(struct seen *s)
{
    free(s->slots);
    free(s->notes);
    *s = (struct seen){.last = s->last};
}

static struct seen_slot *find(const struct seen *s, uint64_t hash)
{
    size_t i = (size_t)hash & (s->cap - 1);

    while (s->slots[i].hash != 0 && s->slots[i].hash != hash)
        i = (i + 1) & (s->cap - 1);
    return &s->slots[i];
}

bool seen_before(const struct seen *s, uint64_t hash, int64_t offset)
{
    if (s->cap == 0)
        return false;
    const struct seen_slot *slot = find(s, hash);
    return slot->hash == hash && slot->offset < offset &&
           offset - slot->offset <= s->last;
}

/* A slot is needed as long as a record to come, or one that is taken back, can ask. */
static bool is_wanted(const struct seen *s, const struct seen_slot *slot, int64_t from)
{
    return slot->hash != 0 && from - slot->offset <= s->last;
}

/* Room for one more: what is too old goes. */
static void make_room(struct seen *s, int64_t offset)
{
    struct seen_slot *old = s->slots;
    size_t cap = s->cap, live = 0;
    int64_t from = s->n_notes > 0 ? s->notes[0].offset : offset;

    if (s->n * 2 < s->cap)
        return;
    for (size_t i = 0; i < cap; i++)
        live += is_wanted(s, &old[i], from);
    s->cap = 64;
    while (s->cap < live * 3)
        s->cap *= 2;
    s->slots = mem_array(s->cap, sizeof *s->slots);
    s->n = live;
    for (size_t i = 0; i < cap; i++)
        if (is_wanted(s, &old[i], from))
            *find(s, old[i].hash) = old[i];
    free(old);
}

static int64_t put(struct seen *s, uint64_t hash, int64_t offset)
{
    make_room(s, offset);
    struct seen_slot *slot = find(s, hash);
    int64_t before = slot->hash == 0 ? -1 : slot->offset;
    s->n += slot->hash == 0;
    *slot = (struct seen_slot){hash, offset};
    return before;
}

void seen_note(struct seen *s, uint64_t hash, int64_t offset)
{
    if (s->n_notes == s->cap_notes) {
        s->cap_notes = s->cap_notes * 2 + 64;
        s->notes = mem_grow(s->notes, s->cap_notes, sizeof *s->notes);
    }
    // noted first: make_room() asks from where on a slot may still be wanted
    struct seen_note *n = &s->notes[s->n_notes++];
    *n = (struct seen_note){hash, offset, -1};
    n->before = put(s, hash, offset);
}

void seen_keep(struct seen *s)
{
    s->n_notes = 0;
}

/* Backwards, so that a key that was noted twice is as it was before the first.  One
 * that was not there stays as a slot too old to matter. */
void seen_undo(struct seen *s)
{
    while (s->n_notes > 0) {
        const struct seen_note *n = &s->notes[--s->n_notes];
        struct seen_slot *slot = find(s, n->hash);
        slot->offset = n->before >= 0 ? n->before : -1 - s->last;
    }
}

static void put_be64(struct buf *out, uint64_t x)
{
    buf_put_be32(out, (uint32_t)(x >> 32));
    buf_put_be32(out, (uint32_t)x);
}

void seen_put(const struct seen *s, struct buf *out)
{
    for (size_t i = 0; i < s->n_notes; i++) {
        put_be64(out, s->notes[i].hash);
        put_be64(out, (uint64_t)s->notes[i].offset);
    }
}

static uint64_t take_be64(const uint8_t *p)
{
    uint64_t x = 0;

    for (int i = 0; i < 8; i++)
        x = x << 8 | p[i];
    return x;
}

bool seen_take(struct seen *s, struct span noted)
{
    if (noted.n % NOTE != 0)
        return false;
    for (; noted.n > 0; noted = span_skip(noted, NOTE)) {
        uint64_t hash = take_be64(noted.p);
        int64_t offset = (int64_t)take_be64(noted.p + 8);
        if (hash == 0 || offset < 0 || offset > INT64_MAX / 2)
            return false;
        (void)put(s, hash, offset);
    }
    return true;
}

/* Two rounds of 64x64->128 bits, folded, of each eight bytes (as wyhash does it). */
static uint64_t fold(uint64_t a, uint64_t b)
{
    unsigned __int128 m = (unsigned __int128)a * b;
    return (uint64_t)m ^ (uint64_t)(m >> 64);
}

uint64_t seen_hash(struct span key)
{
    uint64_t h = 0x2d358dccaa6c78a5u ^ key.n;

    while (key.n > 0) {
        uint64_t word = 0;
        size_t n = key.n < 8 ? key.n : 8;
        for (size_t i = 0; i < n; i++)
            word |= (uint64_t)key.p[i] << (8 * i);
        h = fold(h ^ word, 0x8bb84b93962eacc9u) + 0x9e3779b97f4a7c15u;
        key = span_skip(key, n);
    }
    h = fold(h ^ 0x4b33a62ed433d4a3u, 0xd6e8feb86659fd93u);
    return h != 0 ? h : 1;
}
