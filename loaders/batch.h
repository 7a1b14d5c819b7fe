/*
 * batch.h - the unit of durability: an offset range of one partition.
 *
 *      weather/3@[100, 200)      first = the position we asked for, next = where the
 *                                following batch starts; gaps inside are legal
 *
 * A batch is named by where it came from, never by when it was taken: the same range
 * always has the same name, and that is what lets a sink write it twice and keep it
 * once. `first` is a position, not the first record: compaction and transaction markers
 * leave holes, and a hole belongs to the range that passed over it.
 *
 * It owns the bytes of its records (they outlive the consumer's message).  One thread
 * at a time: it is handed on whole, from the source's thread to the pump's.
 */
#pragma once

#include "base/buf.h"
#include "base/mem.h"

struct record {
    int64_t offset;
    int64_t timestamp_ms; // -1 when it has none
    struct span key;      // p NULL = none
    struct span value;    // still framed; p NULL = tombstone
    struct span headers;  // packed by batch_pack_header(), n 0 = none
};

struct batch {
    const char *topic; // borrowed from whoever made the batch
    int32_t partition;
    int64_t first, next; // [first, next); next > first once sealed
    struct record *records;
    size_t n, cap;
    size_t bytes;       // keys, values and headers
    size_t passed;      // what those cost that batch_pass() took off
    size_t off;         // so many of them: `records` was allocated before them
    int64_t epoch;      // the fencing token it was read under
    int32_t generation; // of the topic: 1 more each time somebody declared it new
    bool trial;         // we died here before: say so before touching it
    bool undecoded;     // ... and even one at a time: set it aside without looking
    bool marked;        // `mark` says what batch_mark() would have to find out
    int64_t mark;       // of the record at next - 1, -1 = not known
    int64_t born_ms;    // clock_ms() when its first record came
    struct arena arena;
};

#define BATCH_NAME 300
/* "weather/3@100-199", cut to fit. */
void batch_name(char out[BATCH_NAME], const struct batch *b);

struct batch *batch_new(const char *topic, int32_t partition, int64_t first);
void batch_free(struct batch *b); // NULL is fine

/* Copies the record in; `next` follows it.  Offsets must rise. */
void batch_add(struct batch *b, const struct record *r);

/* The first `n` records are done with, and the batch begins behind them; it costs what
 * it cost, and takes no more. */
void batch_pass(struct batch *b, size_t n);

/* What the batch costs in memory, bookkeeping included. */
size_t batch_cost(const struct batch *b);

/* record_mark() of the record at next - 1, -1 = not known: a hole has none. */
int64_t batch_mark(const struct batch *b);

/* One header behind the others in `out`: name, 0, length (BE 32, all ones = null),
 * value. */
void batch_pack_header(struct buf *out, const char *name, struct span value);
/* Takes the next one off `packed`; false at the end. */
bool batch_next_header(struct span *packed, struct span *name, struct span *value);

/* A fingerprint of a record (CRC-64 of key and value, with the timestamp mixed in):
 * how a topic is known again after it was deleted and made anew. */
int64_t record_mark(const struct record *r);
