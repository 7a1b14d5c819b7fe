/*
 * shard.h - one partition of the input: its part of the table, and its transactions.
 *
 *      reader --parcels--> the shard's thread: decode, aggregate; every state.commit:
 *
 *          begin { rows that changed, the position -> changelog/p
 *                  what was set aside -> dead letters
 *                  the group's offset } commit                       KIP-98, KIP-447
 *
 * Whoever has the name JOB-p (its transactional.id) writes changelog/p.  A shard takes
 * it, which ends what its former holder left open; then it reads the changelog to its
 * end, and only then the input.  A transaction that fails leaves its outcome unknown:
 * the shard forgets everything and starts from the name again (decision 148).
 *
 * shard_open(), _give(), _end(), _close() belong to the reader; the rest to any thread.
 */
#pragma once

#include "aggregate/plan.h"
#include "aggregate/state.h"
#include "aggregator/settings.h"
#include "base/queue.h"
#include "kafka/consumer.h"
#include "registry-client/registry_client.h"
#include "transform/transform.h"

struct shard_world { // what all shards share; borrowed
    const struct aggregator_settings *settings;
    const struct agg_spec *spec;
    const char *group, *subject, *changelog;
    const struct transform *transform; // NULL = none
    struct rc *rc;
    struct kf_consumer *consumer; // for its membership in the group
    int64_t clock_zero_ms;        // what the wall clock said when clock_ms() was 0
};

enum shard_phase {
    SHARD_RESTORING, // the name, the changelog
    SHARD_READY,     // knows where it starts; the reader may give
    SHARD_AGAIN,     // starts anew: the reader must go back to `start`
    SHARD_FAILED,    // a person must act; `why` says how
};

struct shard_state {
    int32_t partition;
    enum shard_phase phase;
    struct agg_position done; // as of the last commit
    int64_t start;            // SHARD_READY: where to read from, -1 = it was never read
    size_t rows, bytes;       // of the table
    int64_t commits;
    char why[240]; // what it waits for, or what failed; "" = nothing
};

struct parcel {
    struct kf_message *messages;
    size_t n, cap;
    int64_t next;   // where the following one starts; -1 = behind the last message
    uint64_t epoch; // of the shard when it was read
};

struct shard;

struct shard *shard_open(const struct shard_world *w, int32_t partition);
/* Where the input begins for a partition that was never read. */
void shard_begin_at(struct shard *s, int64_t offset);
uint64_t shard_epoch(struct shard *s);
/* SHARD_AGAIN is over: the reader went back. */
void shard_went_back(struct shard *s);
/* Takes the parcel over, waiting for room at most `ms`; false: there is none, and the
 * parcel is still the caller's. */
bool shard_give(struct shard *s, struct parcel *p, int64_t ms);
bool shard_is_full(struct shard *s);
void shard_state(struct shard *s, struct shard_state *out);
/* Asks it to end: with a last commit of what it has counted, or at once. */
void shard_end(struct shard *s, bool commit);
void shard_finish(struct shard *s); // waits until it has
void shard_close(struct shard *s);  // all of it, and gives everything back
void shard_metrics_add(void);       // once a process

struct parcel *shard_parcel_new(uint64_t epoch);
void shard_parcel_free(struct parcel *p);
