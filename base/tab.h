/*
 * tab.h - a hash table from bytes or a number to a pointer.
 *
 * Keys are copied in; values are the caller's (the table never frees one).  Seeded
 * hash, so that strangers' keys cannot be made to collide.  Grows without limit:
 * whoever puts strangers' keys in keeps a count.  Not thread-safe.  Use as from {0}.
 */
#pragma once

#include "base/mem.h"

struct tab {
    struct tab_slot *slots;
    size_t n, cap, used; // live, allocated, live + deleted
    uint64_t seed;
};

/* Puts `value` (not NULL) under `key`; returns what stood there, or NULL. */
void *tab_put(struct tab *t, struct span key, void *value);
void *tab_get(const struct tab *t, struct span key);
void *tab_drop(struct tab *t, struct span key); // returns what stood there, or NULL
void *tab_put_id(struct tab *t, int64_t key, void *value);
void *tab_get_id(const struct tab *t, int64_t key);
void *tab_drop_id(struct tab *t, int64_t key);

/* Walks in no order: `size_t at = 0; while ((v = tab_each(t, &at, &key)) != NULL)`.
 * The table may not change meanwhile.  `key` may be NULL. */
void *tab_each(const struct tab *t, size_t *at, struct span *key);
void tab_free(struct tab *t); // not the values

/* The hash it uses, never 0: for tables of another shape.  Who knows `seed` can make
 * keys collide. */
uint64_t tab_hash(uint64_t seed, struct span key);
