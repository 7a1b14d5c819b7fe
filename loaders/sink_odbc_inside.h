/*
 * sink_odbc_inside.h - for the files of the ODBC sink.
 */
#pragma once

#include "loaders/bound.h"
#include "loaders/deletion.h"
#include "loaders/dialect_sql.h"
#include "loaders/etl_log.h"
#include "loaders/quarantine.h"
#include "loaders/reject.h"
#include "loaders/repeats.h"
#include "loaders/rows.h"
#include "loaders/sink_odbc.h"

#define ODBC_IDS_MOST 64

struct odbc_way {       // how rows get into a table
    struct buf quoted;  // its name
    struct table table; // of the record's columns; n 0 = not shaped yet
    size_t own;         // columns of ours behind them that are bound, too
    char stage[40];     // "" = rows go straight to the table
    uint64_t stage_of;  // the connection that has it
    size_t extra;       // columns that are bound behind the table's
    size_t per;         // rows of one INSERT
    struct buf insert, make, apply;
    struct bound bound;
};

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
    struct odbc_way to,
        aside; // the target; the quarantine, `quoted` n 0 = there is none
    char *aside_name;
    bool stale;    // a statement no longer fits: look again
    bool reshaped; // ... and that was just done
    unsigned stages;
    struct buf spans, remove, count; // statements about the target; n 0 = none
    struct deletion deletion;
    struct bound rejects_bound, noted_bound;

    struct repeats repeats;
    int64_t swept_ms; // clock_ms() when etl_seen was last cleaned

    struct rows rows;
    struct bound_row *index;
    size_t n_rows, cap_rows;
    struct rejects rejects;
    struct arena arena;
    size_t loaded, filtered; // of the batch
    int64_t grown;
    struct rows aside_rows; // what rules put aside
    struct bound_row *aside_index;
    size_t n_aside, cap_aside;
    struct quality_count *counts; // NULL = there are no rules
    struct err stop;              // a rule says stop; kind ERR_OK = none does
    int32_t ids[ODBC_IDS_MOST];
    size_t n_ids;

    // of the run, what is committed
    size_t run_rejected;
    bool ruled; // etl_rule_result has a row for each rule of records
    struct odbc_range *ranges;
    size_t n_ranges;
    int32_t run_ids[ODBC_IDS_MOST];
    size_t n_run_ids;

    struct buf sql, attempts_error; // scratch; the last failed try
    size_t n_attempts;
    char attempt_state[6];
    int64_t attempt_ms; // steady
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

const char *odbc_literal(const struct odbc_sink *s, struct arena *a, const char *text);

/* Of the ids that s->repeats found: which were loaded before; notes the others.  In the
 * batch's transaction. */
enum err_kind odbc_note_ids(struct odbc_sink *s, const struct batch *b,
                            struct err *e) MUST_USE;
/* What dedupe remembers (dedupe.h): read before the records of a batch are sifted,
 * where it must be; written in the batch's transaction. */
enum err_kind odbc_begin_dedupe(struct odbc_sink *s, const struct batch *b,
                                struct err *e) MUST_USE;
enum err_kind odbc_write_dedupe(struct odbc_sink *s, const struct batch *b,
                                struct err *e) MUST_USE;
/* Forgets ids that are old enough; now and then, outside of a transaction. */
void odbc_sweep_ids(struct odbc_sink *s);

enum err_kind odbc_sink_shape(struct sink *s, struct av_schema *reader, struct err *e);
/* Makes the stages where this connection has none yet; outside of a transaction. */
enum err_kind odbc_need_stages(struct odbc_sink *s, struct err *e) MUST_USE;
/* From the stage to the target; empty, it only asks whether that can be done.  Of a
 * history odbc_work_out() says first what changes. */
enum err_kind odbc_work_out(struct odbc_sink *s, struct err *e) MUST_USE;
enum err_kind odbc_apply_stage(struct odbc_sink *s, struct err *e) MUST_USE;

/* What is set aside of the batch (sink_odbc_reject.c). */
enum err_kind odbc_check_limit(const struct odbc_sink *s, const struct batch *b,
                               struct err *e) MUST_USE;
enum err_kind odbc_write_rejects(struct odbc_sink *s, const struct batch *b,
                                 struct err *e) MUST_USE;

/* A field; false, and nothing is appended, when no database here holds the time. */
bool odbc_put_time(struct buf *out, const struct dialect *d, int64_t ms);

struct ledger_column { // of rows that go to a table of the ledger
    const char *name;
    enum dialect_kind kind;
    enum table_form form;
};
/* Rows written by copy.h, `n_rows` of them where `index` says.  ERR_INTERNAL: our own
 * table refuses us. */
enum err_kind odbc_put_ledger_rows(struct odbc_sink *s, struct bound *bound,
                                   const char *table,
                                   const struct ledger_column *columns, size_t n,
                                   struct buf *rows, const struct bound_row *index,
                                   size_t n_rows, struct err *e) MUST_USE;

/* Rules (sink_odbc_quality.c).  Is a record only to be asked when the batch is known to
 * be the next one? */
bool odbc_rules_remember(const struct odbc_sink *s);
/* Before the first record of a try: counts of nothing, and `unique` as it was. */
enum err_kind odbc_begin_rules(struct odbc_sink *s, const struct batch *b,
                               struct sift *sift, struct err *e) MUST_USE;
/* A record that a rule puts aside.  ERR_INVALID, ERR_LIMIT: no row can hold it. */
enum err_kind odbc_put_aside(struct odbc_sink *s, const struct batch *b,
                             const struct record *rec, const struct sifted *got,
                             struct err *e) MUST_USE;
/* The quarantine, the counts and what is remembered, in the batch's transaction. */
enum err_kind odbc_write_rules(struct odbc_sink *s, const struct batch *b,
                               struct err *e) MUST_USE;
/* The batch is durable. */
void odbc_keep_rules(struct odbc_sink *s, const struct batch *b, struct receipt *r);
enum err_kind odbc_tell_rules(struct sink *s, const struct rule_result *results,
                              size_t n, struct err *e);
bool odbc_has_aside(const struct odbc_sink *s);

/* Rows by way of w->bound, `n` of them where `index` says: into the stage, where there
 * is one.  *hint is the row the driver blames, -1 when none. */
enum err_kind odbc_put_rows(struct odbc_sink *s, struct odbc_way *w,
                            const uint8_t *rows, const struct bound_row *index,
                            size_t n, int64_t *hint, struct err *e) MUST_USE;
/* With the columns of ours that are bound; for as long as the way stays. */
struct table odbc_way_all(const struct odbc_way *w);
enum err_kind odbc_sink_write(struct sink *s, const struct batch *b, struct sift *sift,
                              struct receipt *r, struct err *e);
