/*
 * sink_odbc.h - a sink that brings records into a table of any database that has an
 * ODBC driver, exactly once.
 *
 * As the Postgres sink (sink_postgres.h): position, rows, rejects and audit change in
 * one transaction, and the position's row carries the fencing token.  Where a SELECT
 * .. FOR UPDATE is not to be had everywhere, the row is locked by writing it:
 *
 *      UPDATE etl_offsets SET updated = now ..; SELECT next_offset, epoch ..
 *          next_offset = first and epoch = mine     go on
 *          next_offset = next  and epoch = mine     it is there: an answer was lost
 *          anything else                            ERR_CONFLICT
 *      the ids of records that bear one, into etl_seen; those there are passed over
 *      INSERT the rows by parameters, many at a time; with keys into a stage, and from
 *      there ON CONFLICT or MERGE (dialect_sql.h)
 *                    (a row refused: back to a savepoint, and in halves)
 *      INSERT quarantine, etl_rule_seen, etl_reject; UPDATE etl_rule_result,
 * etl_offsets; INSERT etl_batch; UPDATE etl_log; COMMIT
 *
 * What a database cannot do is in its dialect's row, and in docs/odbc.md.
 *
 * Threads: see sink.h.
 */
#pragma once

#include "loaders/dialect.h"
#include "loaders/sink.h"

struct odbc_options {
    const char *connection; // the driver manager's ...
    const char *dsn;        // ... or a data source's name; one of them is NULL
    const char *dialect;    // a name, or "auto": by what the driver says
    const char *table;
    const char *job, *topic, *source;
    double reject_limit; // see sink_postgres.h
    int64_t reject_floor, isolate;
    bool evolve;
    enum apply_mode mode;
    bool deletes; // a tombstone removes the row of its key: APPLY_MIRROR, _HISTORY
    struct table_keys keys;          // of every mode but append
    struct quality *quality;         // the sift's; NULL = no rules
    struct transform_memory *memory; // the sift's; NULL = no dedupe
    const char *quarantine; // its table; NULL = the target's name and "_quarantine"
    int64_t ids_keep_ms;    // how long etl_seen remembers an id, 0 = ids do not matter
    int64_t array;          // most rows of one call; 1 where a driver cannot be trusted
    int64_t lock_timeout_ms, statement_timeout_ms;
};

/* Borrows the options' texts.  Connects only when first used. */
enum err_kind odbc_sink_open(struct sink **out, const struct odbc_options *o,
                             struct err *e) MUST_USE;

/* What a session of this dialect is told first; `role` and `run` are its name. */
enum err_kind odbc_greet(struct odbc *o, const struct dialect *d, const char *role,
                         const char *run, int64_t lock_timeout_ms,
                         int64_t statement_timeout_ms, struct err *e) MUST_USE;

/* Appends what shape() would run for `reader`, evolving, and, as comments, what a batch
 * is written with; runs none of it.  Instead of begin, on an open sink. */
enum err_kind odbc_sink_plan(struct sink *s, struct av_schema *reader, struct buf *ddl,
                             struct err *e) MUST_USE;
