/*
 * seen.h - which keys were seen at the last N offsets of a partition.
 *
 * A key is a 64-bit hash: of a million keys, one in 10^13 questions takes another for
 * it. A note is taken back by undo() until keep() was said.  Memory: 16 bytes a key,
 * twice over, and 24 for each note that is not kept.  One thread.
 */
#pragma once

#include "base/buf.h"

struct seen {
    int64_t last; // offsets back
    struct seen_slot {
        uint64_t hash; // 0 = free
        int64_t offset;
    } * slots;
    size_t n, cap;
    struct seen_note {
        uint64_t hash;
        int64_t offset, before; // before -1: it was not there
    } * notes;
    size_t n_notes, cap_notes;
};

void seen_init(struct seen *s, int64_t last);
void seen_free(struct seen *s);

/* Was `hash` (not 0) noted at one of the `last` offsets before `offset`? */
bool seen_before(const struct seen *s, uint64_t hash, int64_t offset);
void seen_note(struct seen *s, uint64_t hash, int64_t offset);
void seen_keep(struct seen *s);
void seen_undo(struct seen *s);

/* The notes that are not kept, 16 bytes each: hash and offset, big-endian. */
void seen_put(const struct seen *s, struct buf *out);
/* Takes them in, kept; false: they are no such. */
bool seen_take(struct seen *s, struct span noted);
/* Of a key's bytes, never 0.  The same for ever: hashes are kept in tables. */
uint64_t seen_hash(struct span key);
