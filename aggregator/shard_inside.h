/*
 * shard_inside.h - what the files of a shard share.  The shard's thread, but for what
 * stands under the lock.
 */
#pragma once

#include "aggregator/shard.h"

#include "aggregator/where.h"
#include "kafka/transaction.h"
#include "loaders/sift.h"
#include "transform/memory.h"

#include <stdatomic.h>

#define SHARD_CALL_MS 10000     // one call of a transaction
#define LETTERS_MOST (16 << 20) // bytes set aside before they are committed
#define DIRTY_ROWS 200000       // ... and rows changed: a transaction has 30 seconds
#define DIRTY_MOST (64 << 20)   // bytes of the table's growth before it is committed

struct shard {
    struct shard_world w;
    int32_t partition;
    pthread_t thread;
    bool joined; // the reader's
    struct queue parcels;

    // the shard's thread
    char *id; // transactional
    struct kf_producer *producer;
    struct sift *sift;
    struct transform_memory *memory; // of dedupes; NULL = there are none
    struct shard_seen {              // what the changelog has of it, oldest first
        int64_t next;
        uint32_t piece;
    } * seen;
    size_t n_seen, cap_seen;
    struct agg_plan *plan;
    uint64_t plan_shape; // of the sift, that the plan was made for
    struct agg_taker taker;
    bool has_taker;
    struct where *where; // NULL = every record counts
    struct agg_table table;
    bool has_table;    // its shape is known
    bool has_shape;    // ... and in the changelog
    bool has_position; // it was read before, by us or another
    struct agg_shape shape;
    struct arena shape_mem;
    struct agg_position now; // beyond the last commit
    struct buf *told;        // what is set aside, for people; NULL = it is logged
    struct arena letters_mem;
    struct kf_record *letters; // set aside, until the commit
    size_t n_letters, cap_letters;
    size_t bytes_before; // of the table at the last commit
    int64_t commit_at_ms, grumbled_ms;
    struct record *records;
    size_t cap_records;

    pthread_mutex_t lock;
    // under lock
    struct shard_state state;
    uint64_t epoch;
    bool commit_at_end;
    atomic_bool ending;
};

void shard_grumble(struct shard *s, const char *event, const struct err *e);

/* shard_count.c: a parcel into the table.  ERR_UNAVAILABLE: told to end while waiting
 * for the registry, nothing was counted.  Else what a person must mend. */
enum err_kind shard_count(struct shard *s, const struct parcel *p,
                          struct err *e) MUST_USE;
void shard_count_free(struct shard *s);
/* ERR_INVALID, and what a person may do. */
enum err_kind shard_other_table(const struct shard *s, struct err *e);

/* shard_commit.c: takes the name and reads the changelog; commits what was counted. */
enum err_kind shard_come_up(struct shard *s, struct err *e) MUST_USE;
enum err_kind shard_commit(struct shard *s, struct err *e) MUST_USE;
bool shard_is_due(const struct shard *s);
void shard_forget(struct shard *s); // producer, table, letters, position

void shard_metrics_count(const struct shard *s, const struct agg_position *before);
