/*
 * sink_postgres.h - a sink that brings records into a PostgreSQL table, exactly once.
 *
 * failure-model.md, section 3: position, rows, rejects and audit change in one
 * transaction; the position's row carries the fencing token and is locked first.
 *
 *      BEGIN; LOCK TABLE target; SELECT next_offset, epoch .. FOR UPDATE
 *          next_offset = first and epoch = mine     go on
 *          next_offset = next  and epoch = mine     it is there: an answer was lost
 *          anything else                            ERR_CONFLICT
 *      the ids of records that bear one, into etl_seen; those there are passed over
 *      COPY target, or COPY stage and merge.h's statement
 *                    (a row refused: back to a savepoint, and in halves)
 *      COPY quarantine, etl_rule_seen, etl_reject; UPDATE etl_offsets; INSERT
 * etl_batch; INSERT etl_rule_result; UPDATE etl_log; COMMIT
 *
 * An unknown outcome therefore needs no code of its own: the next try reads it.
 *
 * Threads: see sink.h.  postgres_begin() and _end() belong to the thread that opened
 * it, before and after the others ran.
 */
#pragma once

#include "loaders/etl_log.h"
#include "loaders/merge.h"
#include "loaders/sink.h"

struct postgres_options {
    const char *url, *table; // "weather", "staging.weather"
    const char *job, *topic, *source;
    double reject_limit;  // per cent of a batch that may be set aside; 100 = any
    int64_t reject_floor; // ... but so many of a run always may
    int64_t isolate;      // rows loaded one by one after the loader died
    bool evolve;          // create and alter the table
    enum merge_mode mode;
    struct table_keys keys;          // of every mode but append
    bool deletes;                    // a tombstone removes the row of its key
    struct quality *quality;         // the sift's; NULL = no rules
    struct transform_memory *memory; // the sift's; NULL = no dedupe
    const char *quarantine; // its table; NULL = the target's name and "_quarantine"
    int64_t ids_keep_ms;    // how long etl_seen remembers an id, 0 = ids do not matter
    bool allow_unsafe;      // a server with fsync or synchronous_commit off
    int64_t lock_timeout_ms, statement_timeout_ms;
};

/* Borrows the options' texts.  Connects only when first used. */
enum err_kind postgres_sink_open(struct sink **out, const struct postgres_options *o,
                                 struct err *e) MUST_USE;

/* Connects, brings the audit's tables up to date and writes the run's row.
 * ERR_UNAVAILABLE: not now.  Anything else: a person must act. */
enum err_kind postgres_begin(struct sink *s, struct err *e) MUST_USE;
enum err_kind postgres_end(struct sink *s, const char *status, const char *why,
                           struct err *e) MUST_USE;
/* Appends what shape() would run for `reader`, evolving; runs none of it.  Instead of
 * begin, on an open sink. */
enum err_kind postgres_plan(struct sink *s, struct av_schema *reader, struct buf *ddl,
                            struct err *e) MUST_USE;
const char *postgres_run_id(const struct sink *s);
