/*
 * columns_inside.h - growing, nulls and cutting: what columns.c, route.c and their
 * kin share.
 */
#pragma once

#include "format/columns.h"

/* Room for one more value, or for `n` more bytes; false past the limit. */
bool column_grow(struct columns *set, struct column *c);
bool column_grow_bytes(struct columns *set, struct column *c, size_t n);

#define COLUMN_SLACK 32 // bytes behind `bytes` that may be overwritten

/* A null; in what cannot be null a zero that nobody sees. */
bool column_append_null(struct columns *set, struct column *c);
/* Back to `n` values. */
void column_cut(struct column *c, size_t n);

static inline void column_mark(struct column *c)
{
    if (c->nullable)
        c->valid[c->n >> 3] |= (uint8_t)(1u << (c->n & 7));
}
