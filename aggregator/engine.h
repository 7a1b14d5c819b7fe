/*
 * engine.h - an aggregate at work: a member of the group, and a shard for each
 * partition it is given.
 *
 *      reader thread: kf_poll --parcels--> shard 0, shard 1, ...   (shard.h)
 *
 * Any thread may call these.
 */
#pragma once

#include "aggregator/shard.h"

struct engine;

enum engine_phase { ENGINE_STARTING, ENGINE_RUNNING, ENGINE_ENDED };

struct engine_state {
    enum engine_phase phase;
    bool failed;        // ENGINE_ENDED: `why` says what a person must do
    char why[240];      // while it waits: for what
    int32_t partitions; // of the topic, 0 = not known yet
    size_t held;        // ... of which so many are ours
    int64_t records, late, rejected, filtered, bytes; // of ours, since the beginning
    int64_t commits;                                  // of this run
    int64_t lag; // records of ours that were seen and not committed yet
    size_t rows, row_bytes;
};

/* Borrows the settings.  ERR_INVALID: they cannot be. */
enum err_kind engine_open(struct engine **out, const struct aggregator_settings *s,
                          struct err *e) MUST_USE;
void engine_state(struct engine *g, struct engine_state *out);
/* The partitions we hold now, at most `most`; how many those are. */
size_t engine_shards(struct engine *g, struct shard_state *out, size_t most);
/* Those that were ours at the end, as they were then. */
size_t engine_last(struct engine *g, struct shard_state *out, size_t most);
/* Is partition 0 ours, or was it at the end?  Whoever has it writes the sink. */
bool engine_is_first(struct engine *g);
const char *engine_changelog(const struct engine *g);
const char *engine_group(const struct engine *g);
struct rc *engine_registry(const struct engine *g);
void engine_stop(struct engine *g);             // asks it to end, with a last commit
bool engine_wait(struct engine *g, int64_t ms); // true when it has ended
void engine_close(struct engine *g);            // ends it and waits
