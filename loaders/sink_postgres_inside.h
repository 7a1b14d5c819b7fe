/*
 * sink_postgres_inside.h - for the files of the Postgres sink.
 */
#pragma once

#include "base/tab.h"
#include "loaders/copy.h"
#include "loaders/deletion.h"
#include "loaders/reject.h"
#include "loaders/repeats.h"
#include "loaders/rows.h"
#include "loaders/sink_postgres.h"

struct row { // where in rows.out a record's row begins
    size_t at;
    uint32_t record;
    int32_t schema_id;
};

#define IDS_MOST 64

struct postgres {
    struct sink sink;
    struct postgres_options o;
    struct run run;
    char app_ledger[64], app_writer[64];

    struct pg ledger; // the source's thread, and main before and after

    // the pump's thread
    struct pg pg;
    struct buf quoted;  // the target's name in SQL
    struct buf target;  // ... as a literal for ::regclass
    struct table table; // n 0 = not shaped yet
    bool stale;         // somebody altered it: look again
    int64_t seal;       // fingerprint of the table's columns as we planned for them
    struct buf copy;    // COPY statement, into the stage if there is one
    // with keys: rows go by way of a temporary table
    unsigned stages;        // made so far: each shape has its own
    char stage[40];         // its name, "" = none
    struct buf make, apply; // statements: the stage, and from there to the target
    size_t applied;         // staged records of the batch that took effect
    int64_t grown;          // rows the table has more since; fewer are negative
    size_t untaken;         // rows that went into no COPY's count
    bool told_untaken;      // in this run's log
    struct deletion deletion;
    struct repeats repeats;
    int64_t swept_ms; // clock_ms() when etl_seen was last cleaned
    struct rows rows;
    struct row *index;
    size_t n_rows, cap_rows;
    struct rejects rejects;
    size_t filtered, repeated; // records of the batch that transforms let go
    int32_t ids[IDS_MOST];
    size_t n_ids;
    size_t run_rejected; // of the whole run
    // with quality rules (sink_postgres_quality.c)
    struct quality_count *counts;          // of the batch
    char *aside_name;                      // of the quarantine
    struct buf aside_quoted, aside_target; // ... in SQL, and as a literal
    struct table aside_table;              // n 0 = none
    struct buf aside_copy;
    struct rows aside_rows;
    size_t aside;    // records of the batch
    struct err stop; // a rule says stop; kind ERR_OK = none does
    struct buf sql, attempts;
    size_t n_attempts;
};

struct postgres *postgres_of(struct sink *s);

/* etl_offsets' row of a partition: " pipeline = ... AND topic = ... AND part = 3". */
void postgres_put_where(struct buf *sql, const struct postgres *p, const char *topic,
                        int32_t partition);
/* Makes `sql` a C string; ERR_LIMIT when it was cut. */
enum err_kind postgres_text(struct buf *sql, const char **text, struct err *e) MUST_USE;

enum err_kind postgres_shape(struct sink *s, struct av_schema *reader, struct err *e);
enum err_kind postgres_reshape(struct postgres *p, struct err *e) MUST_USE;
/* Appends the expression whose value is `seal`. */
void postgres_put_seal(struct buf *sql, const struct postgres *p);

/* Finds the records of `b` that were loaded before under the same id, and notes the ids
 * of the others; in the batch's transaction. */
/* What dedupe remembers (dedupe.h), in the batch's transaction: read where it must be,
 * before records are sifted; written behind them. */
enum err_kind postgres_begin_dedupe(struct postgres *p, const struct batch *b,
                                    struct err *e) MUST_USE;
enum err_kind postgres_write_dedupe(struct postgres *p, const struct batch *b,
                                    struct err *e) MUST_USE;
enum err_kind postgres_note_ids(struct postgres *p, const struct batch *b,
                                struct err *e) MUST_USE;
/* Forgets ids that are old enough; now and then, in the batch's transaction. */
enum err_kind postgres_sweep_ids(struct postgres *p, struct err *e) MUST_USE;

/* Before the first record of a try: counts of nothing, and `unique` as it was. */
enum err_kind postgres_begin_rules(struct postgres *p, const struct batch *b,
                                   struct sift *sift, struct err *e) MUST_USE;
/* A record that a rule puts aside.  ERR_INVALID, ERR_LIMIT: no row can hold it. */
enum err_kind postgres_put_aside(struct postgres *p, const struct batch *b,
                                 const struct record *rec, const struct sifted *got,
                                 struct err *e) MUST_USE;
enum err_kind postgres_write_aside(struct postgres *p, struct err *e) MUST_USE;
enum err_kind postgres_write_noted(struct postgres *p, const struct batch *b,
                                   struct err *e) MUST_USE;
/* Appends the statements of the rules' counts. */
void postgres_put_rules(struct buf *sql, struct postgres *p, const struct batch *b);
/* The batch is durable. */
void postgres_keep_rules(struct postgres *p, const struct batch *b, struct receipt *r);
enum err_kind postgres_tell_rules(struct sink *s, const struct rule_result *results,
                                  size_t n, struct err *e);
bool postgres_has_aside(const struct postgres *p);
/* Takes the table. */
void postgres_adopt_aside(struct postgres *p, struct table *t);

enum err_kind postgres_write(struct sink *s, const struct batch *b, struct sift *sift,
                             struct receipt *r, struct err *e);
