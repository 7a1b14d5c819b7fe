/*
 * window.h - the last keys of a partition, for whoever lets each through once.
 *
 *      key ── 128 bits of a seeded hash ──> ring of `most`, the oldest goes first
 *
 * Offsets rise; one that is not above the last means that the records from there on
 * come again (a batch that was rolled back), and what was noted of them is forgotten.
 * So a record is no repetition of itself.  Keys that leave the window are kept behind
 * it until the records before them are said to be (tr_window_kept()), so that it is
 * then as it was: every try of a batch has the same repetitions.
 *
 * Memory: 50 bytes a key, of the window and of a batch; twice that while it grows.  One
 * thread.
 */
#pragma once

#include "base/span.h"

#include <stdint.h>

struct window;

struct window *tr_window_new(size_t most); // 1 or more
void tr_window_free(struct window *w);     // NULL is nothing

/* Is the key among the last?  If not, it is noted. */
bool tr_window_has(struct window *w, struct span key, int64_t offset);
/* Records before this one will not come again; nothing when it is not a new one. */
void tr_window_kept(struct window *w, int64_t offset);
