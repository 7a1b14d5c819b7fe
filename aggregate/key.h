/*
 * key.h - what a row is found by: the window's start and the values of the key's
 * fields, as bytes that sort as the values do.
 *
 *      window   8 bytes, big-endian, sign turned
 *      null     00
 *      whole    01, 16 bytes big-endian, sign turned
 *      real     02, 8 bytes: IEEE 754, turned so that they sort; one zero, one NaN
 *      text     03, the bytes with 00 as 00 ff, then 00 00
 *
 * Every value has one form, so equal bytes are equal keys.  Pure.
 */
#pragma once

#include "aggregate/shape.h"
#include "aggregate/whole.h"

struct agg_value {
    enum agg_kind kind;
    double real;
    struct whole whole;
    struct span text; // borrowed
};

#define AGG_KEY_BYTES 65536 // of one key, at most
#define AGG_WINDOW_BYTES 8

void agg_key_put_window(struct buf *out, int64_t start_ms);
void agg_key_put(struct buf *out, const struct agg_value *v);

/* Takes the window's start off *key; then a value (a text is made in `a`).  False:
 * that is none. */
bool agg_key_window(struct span *key, int64_t *start_ms) MUST_USE;
bool agg_key_next(struct span *key, struct agg_value *out, struct arena *a) MUST_USE;
