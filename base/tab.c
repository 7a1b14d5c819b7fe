#include "base/tab.h"

#include <assert.h>
#include <stdlib.h>
#include <sys/random.h>

struct tab_slot {
    uint64_t hash; // 0 = never used
    uint8_t *key;  // owned
    size_t key_n;
    void *value; // NULL in a used slot = dropped
};

/* A keyed hash of the wyhash shape: 64x64->128 multiplication, folded. */
static uint64_t fold(uint64_t a, uint64_t b)
{
    unsigned __int128 m = (unsigned __int128)a * b;
    return (uint64_t)m ^ (uint64_t)(m >> 64);
}

uint64_t tab_hash(uint64_t seed, struct span key)
{
    uint64_t h = seed ^ key.n;

    while (key.n > 0) {
        uint64_t word = 0;
        size_t n = key.n < 8 ? key.n : 8;
        memcpy(&word, key.p, n);
        h = fold(h ^ word, seed | 1) + 0x9e3779b97f4a7c15u;
        key = span_skip(key, n);
    }
    h = fold(h, 0xd6e8feb86659fd93u);
    return h != 0 ? h : 1;
}

static uint64_t hash_of(const struct tab *t, struct span key)
{
    return tab_hash(t->seed, key);
}

static void draw_seed(struct tab *t)
{
    if (getrandom(&t->seed, sizeof t->seed, GRND_NONBLOCK) != sizeof t->seed)
        t->seed = (uint64_t)(uintptr_t)t * 0x9e3779b97f4a7c15u;
    t->seed |= 1;
}

static struct tab_slot *find(const struct tab *t, struct span key, uint64_t hash)
{
    for (size_t i = hash & (t->cap - 1);; i = (i + 1) & (t->cap - 1)) {
        struct tab_slot *s = &t->slots[i];
        if (s->hash == 0)
            return s;
        if (s->hash == hash && span_eq(span_of(s->key, s->key_n), key))
            return s;
    }
}

static void grow(struct tab *t)
{
    struct tab old = *t;

    t->cap = old.n * 4 < 16 ? 16 : 1;
    while (t->cap < old.n * 4)
        t->cap *= 2;
    t->slots = mem_array(t->cap, sizeof *t->slots);
    t->used = t->n;
    for (size_t i = 0; i < old.cap; i++) {
        struct tab_slot *s = &old.slots[i];
        if (s->hash != 0 && s->value != NULL)
            *find(t, span_of(s->key, s->key_n), s->hash) = *s;
        else
            free(s->key);
    }
    free(old.slots);
}

void *tab_put(struct tab *t, struct span key, void *value)
{
    assert(value != NULL);
    if (t->seed == 0)
        draw_seed(t);
    if ((t->used + 1) * 2 > t->cap)
        grow(t);

    uint64_t hash = hash_of(t, key);
    struct tab_slot *s = find(t, key, hash);
    if (s->hash == 0) {
        *s = (struct tab_slot){.hash = hash, .key = mem_alloc(key.n), .key_n = key.n};
        if (key.n > 0)
            memcpy(s->key, key.p, key.n);
        t->used++;
    }
    void *before = s->value;
    s->value = value;
    t->n += before == NULL;
    return before;
}

void *tab_get(const struct tab *t, struct span key)
{
    return t->n > 0 ? find(t, key, hash_of(t, key))->value : NULL;
}

void *tab_drop(struct tab *t, struct span key)
{
    if (t->n == 0)
        return NULL;
    struct tab_slot *s = find(t, key, hash_of(t, key));
    void *before = s->value;
    s->value = NULL;
    t->n -= before != NULL;
    return before;
}

void *tab_put_id(struct tab *t, int64_t key, void *value)
{
    return tab_put(t, span_of(&key, sizeof key), value);
}

void *tab_get_id(const struct tab *t, int64_t key)
{
    return tab_get(t, span_of(&key, sizeof key));
}

void *tab_drop_id(struct tab *t, int64_t key)
{
    return tab_drop(t, span_of(&key, sizeof key));
}

void *tab_each(const struct tab *t, size_t *at, struct span *key)
{
    while (*at < t->cap) {
        const struct tab_slot *s = &t->slots[(*at)++];
        if (s->value == NULL)
            continue;
        if (key != NULL)
            *key = span_of(s->key, s->key_n);
        return s->value;
    }
    return NULL;
}

void tab_free(struct tab *t)
{
    for (size_t i = 0; i < t->cap; i++)
        free(t->slots[i].key);
    free(t->slots);
    *t = (struct tab){0};
}
