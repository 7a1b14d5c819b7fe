/*
 * sink_odbc_inside.h - for the files of the ODBC sink.
 */
#pragma once

#include "loaders/bound.h"
#include "loaders/deletion.h"
#include "loaders/dialect_sql.h"
#include "loaders/etl_log.h"
#include "loaders/repeats.h"
#include "loaders/rows.h"
#include "loaders/sink_odbc.h"

struct odbc_reject { // a record of the batch at hand that is set aside
    size_t record;
    int32_t schema_id;
    const char *stage; // a literal
    char sqlstate[6];
    char column[COLUMN_NAME];
    const char *rule, *pointer; // "" = none
    struct span error;          // in the batch's arena below
};

#define ODBC_IDS_MOST 64

struct odbc_range { // of one partition, of this run
    int32_t partition;
    int64_t first, last;
};

struct odbc_sink {
    struct sink sink;
    struct odbc_options o;
    const struct dialect *d; // NULL until the first connection
    struct run run;
    struct buf connection; // what is connected with
    bool told;             // ... has what the dialect has to say to the driver

    struct odbc ledger; // the source's thread, and main before and after

    // the pump's thread
    struct odbc db;
    struct buf quoted;  // the target's name
    struct table table; // n 0 = not shaped yet
    bool stale;         // a statement no longer fits: look again
    bool reshaped;      // ... and that was just done
    char stage[40];     // "" = rows go straight to the target
    unsigned stages;
    uint64_t stage_of;                     // the connection that has it
    struct buf insert;                     // for `per` rows
    size_t extra;                          // columns of the stage behind the target's
    struct buf make, remove, apply, count; // statements; `remove` n 0 = none
    struct deletion deletion;
    size_t per;
    bool by_array;
    struct bound bound, rejects_bound;

    struct repeats repeats;
    int64_t swept_ms; // clock_ms() when etl_seen was last cleaned

    struct rows rows;
    struct bound_row *index;
    size_t n_rows, cap_rows;
    struct odbc_reject *rejects;
    size_t n_rejects, cap_rejects;
    struct arena arena;
    size_t loaded, filtered; // of the batch
    int64_t grown;
    int32_t ids[ODBC_IDS_MOST];
    size_t n_ids;

    // of the run, what is committed
    size_t run_rejected;
    struct odbc_range *ranges;
    size_t n_ranges;
    int32_t run_ids[ODBC_IDS_MOST];
    size_t n_run_ids;

    struct buf sql, attempts_error; // scratch; the last failed try
    size_t n_attempts;
    char attempt_state[6];
    int64_t attempt_ms;
};

struct odbc_sink *odbc_sink_of(struct sink *s);

/* Which dialect it is, on the first connection; ERR_NOT_FOUND when it is another. */
enum err_kind odbc_adopt(struct odbc_sink *s, struct odbc *o, struct err *e) MUST_USE;
/* " pipeline = ... AND topic = ..." and " AND part = 3" */
void odbc_put_job(struct buf *sql, const struct odbc_sink *s, const char *topic);
void odbc_put_where(struct buf *sql, const struct odbc_sink *s, const char *topic,
                    int32_t partition);
/* Ends `sql`, runs it. */
enum err_kind odbc_run_buf(struct odbc *o, struct buf *sql, int64_t *changed,
                           struct err *e) MUST_USE;
enum err_kind odbc_ask_buf(struct odbc *o, struct buf *sql, struct odbc_answer *out,
                           struct err *e) MUST_USE;
bool odbc_is_true(const char *cell);    // NULL is false
int64_t odbc_time_ms(const char *cell); // of an INSTANT; 0 = none
int64_t odbc_number(const struct odbc_answer *a, size_t column);

/* The first connection, with what the driver has to be told. */
enum err_kind odbc_sink_connect(struct odbc_sink *s, struct err *e) MUST_USE;
/* By the ledger: the row of a partition never seen before, and nothing where it is. */
enum err_kind odbc_ensure_position(struct odbc_sink *s, const char *topic,
                                   int32_t partition, int64_t low,
                                   struct err *e) MUST_USE;

/* The ledger's tables (sink_odbc_ledger.c). */
enum err_kind odbc_ledger_need(struct odbc_sink *s, struct err *e) MUST_USE;
enum err_kind odbc_ledger_is_there(struct odbc_sink *s, const char *table, bool *yes,
                                   struct err *e) MUST_USE;
enum err_kind odbc_ledger_begin(struct odbc_sink *s, struct err *e) MUST_USE;
enum err_kind odbc_ledger_end(struct odbc_sink *s, const char *status, const char *why,
                              struct err *e) MUST_USE;

/* Of the ids that s->repeats found: which were loaded before; notes the others.  In the
 * batch's transaction. */
enum err_kind odbc_note_ids(struct odbc_sink *s, const struct batch *b,
                            struct err *e) MUST_USE;
/* Forgets ids that are old enough; now and then, outside of a transaction. */
void odbc_sweep_ids(struct odbc_sink *s);

enum err_kind odbc_sink_shape(struct sink *s, struct av_schema *reader, struct err *e);
/* Makes the stage where this connection has none yet; outside of a transaction. */
enum err_kind odbc_need_stage(struct odbc_sink *s, struct err *e) MUST_USE;
/* From the stage to the target; empty, it only asks whether that can be done. */
enum err_kind odbc_apply_stage(struct odbc_sink *s, struct err *e) MUST_USE;
enum err_kind odbc_sink_write(struct sink *s, const struct batch *b, struct sift *sift,
                              struct receipt *r, struct err *e);
