/*
 * window.h - which keys went on at the last so many offsets of a partition, for whoever
 * lets each through once.
 *
 *      key ── 128 bits of a seeded hash ──> ring, the oldest goes first
 *
 * Offsets rise; one that is not above the last means that the records from there on
 * come again (a batch that was rolled back), and what was noted of them is forgotten.
 * So a record is no repetition of itself.  Keys that leave the window are kept behind
 * it until the records before them are said to be (tr_window_kept()), so that it is
 * then as it was: every try of a batch has the same repetitions.
 *
 * What was noted can be written down and read again, with the seeds it was hashed with.
 *
 * Memory: 50 bytes a key, of the window and of a batch; twice that while it grows.  One
 * thread.
 */
#pragma once

#include "base/buf.h"

#include <stdint.h>

#define WINDOW_LAST_MOST 10000000
#define WINDOW_SEEDS 16 // bytes
#define WINDOW_ENTRY 24

struct window;

/* It looks back WINDOW_LAST_MOST offsets until it is told otherwise. */
struct window *tr_window_new(void);
void tr_window_free(struct window *w);               // NULL is nothing
void tr_window_last(struct window *w, int64_t last); // 1 or more

/* Did the key go on at one of the `last` offsets before this one?  If not, it is noted.
 */
bool tr_window_has(struct window *w, struct span key, int64_t offset);
/* Records before this one will not come again. */
void tr_window_kept(struct window *w, int64_t offset);
/* Those from this one on will, if at all, as new ones. */
void tr_window_forget(struct window *w, int64_t offset);

void tr_window_put_seeds(const struct window *w, struct buf *out);
/* Before the first key; false: keys were noted with others. */
bool tr_window_use_seeds(struct window *w, const uint8_t seeds[WINDOW_SEEDS]);
/* The place of the first entry at `offset` or behind, the oldest being 0; how many. */
size_t tr_window_from(const struct window *w, int64_t offset);
size_t tr_window_count(const struct window *w);
int64_t tr_window_put(const struct window *w, size_t i, struct buf *out); // its offset
/* The same back, oldest first; false: offsets do not rise. */
bool tr_window_take(struct window *w, const uint8_t entry[WINDOW_ENTRY]);
