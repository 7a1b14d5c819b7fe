/*
 * sink_files_inside.h - for the files of the files sink.
 */
#pragma once

#include "base/tab.h"
#include "loaders/etl_log.h"
#include "loaders/sink_files.h"
#include "loaders/stage.h"
#include "loaders/stage_claim.h"
#include "loaders/stage_envelope.h"
#include "loaders/stage_window.h"
#include "place/spool.h"
#include "transform/memory.h"

#define SPOOL_MEMORY (256 << 10) // of one file; the rest is on disk
#define DIRS_MOST 256            // of one range: a batch of more is staged in parts
#define RUNS_MOST (512 << 10)    // of a claim; past that it does not say them
#define DIRS_WELL 64             // past these it is rotated

/* What both threads know of a partition; under files.lock. */
struct files_part {
    int32_t partition;
    int64_t epoch, next, count, mark; // mark of the record at next - 1
    bool released;
    struct files_part *link;
};

struct files_window {             // one file
    char *dir;                    // "" or "dt=2026-11-20"
    struct format_writer *writer; // NULL once finished, and for rejects
    struct spool *spool;
    int64_t rows;
    struct buf runs;            // offsets of its rows, but the last run
    int64_t run_at, run, ended; // its first offset and rows; where the one before ended
    const char *suffix;         // NULL = the format's
    bool rejects;               // not of the data: rejects, the quarantine
    bool seen;                  // ... what `unique` noted
    bool written, final_there;
    char final[STAGE_NAME];
    struct buf ticket;
    char sha256[SPOOL_SHA];
};

/* What is gathered of one partition; the pump's thread. */
struct files_range {
    int32_t partition;
    int64_t epoch;
    struct stage stage;
    int64_t end; // what comes next begins here; stage.next = nothing is held
    struct files_window **windows;
    size_t n_windows;
    struct files_window *last;                     // of the record before
    struct files_window *rejects;                  // NULL = none
    struct files_window *aside;                    // the quarantine; NULL = none
    struct files_window *seen;                     // what `unique` noted; NULL = none
    int64_t loaded, rejected, duplicate, filtered; // records
    int64_t quarantined;
    struct quality *q;              // NULL = no rules, and nothing of these
    struct quality_count *counts;   // of what is gathered
    struct quality_count *told;     // of what report tells
    struct rule_result *results;    // of the claim
    char (*last_failed)[RULE_LAST]; // ... its texts
    int64_t bytes, mark, opened_ms, started_ms, count;
    int32_t ids[STAGE_IDS];
    size_t n_ids;
    struct stage_key *keys; // of its tombstones; texts in keys_a
    size_t n_keys;
    struct arena keys_a;
    size_t runs;           // bytes of all windows' runs
    bool sealed;           // writers finished, names given
    struct buf body;       // of our claim, once made
    struct arena theirs_a; // of the claim that was there instead
    struct stage_claim theirs;
    char claim[STAGE_NAME];
    struct settled report;         // not told yet
    int64_t last_first, last_next; // of the last batch that is durable
    struct receipt last_receipt;
    struct files_range *link;
};

struct audit_row {
    char *sql;
    struct audit_row *next;
};

struct files {
    struct sink sink;
    struct files_options o;
    struct run run;
    char app_ledger[64], app_writer[64];
    char tag[24]; // of our private names

    // the source's thread, and main before and after
    struct place *look;
    struct pg ledger;
    char *cluster;

    // the pump's thread
    struct place *place;
    struct pg pg;
    struct av_schema *reader;  // of the files; held
    char schema[STAGE_SCHEMA]; // its key
    struct envelope *envelope; // NULL = rows are values
    struct av_schema *value;   // held; the same, but for an envelope
    char value_key[STAGE_SCHEMA];
    int32_t schema_id; // of the values; 0 = in no registry
    bool schema_there; // in _schemas/, and that of the values
    struct tab keys;   // schemas of keys that are in _schemas/, by their name
    struct windows windows;
    struct files_range *ranges;
    struct buf dir;
    uint64_t seq;
    size_t run_rejected;
    int64_t swept_ms, clocks_ms; // the latter: wall and steady apart, when looked last
    struct audit_row *rows, **rows_end; // of the audit, not there yet
    int64_t behind_ms, asked_ms;        // since when; 0 = it is not

    pthread_mutex_t lock;
    // under lock
    struct files_part *parts;
};

struct files *files_of(struct sink *s);
struct files_part *files_part(struct files *f, int32_t partition); // under the lock

/* Finishes every file of a claim; what was taken on meanwhile is not missed. */
enum err_kind files_finish(struct place *p, const struct stage_claim *c,
                           struct err *e) MUST_USE;
enum err_kind files_read_claim(struct place *p, const char *name, struct stage_claim *c,
                               struct arena *a, struct err *e) MUST_USE;

/* sink_files_write.c */
enum err_kind files_shape(struct sink *s, struct av_schema *reader, struct err *e);
enum err_kind files_write(struct sink *s, const struct batch *b, struct sift *sift,
                          struct receipt *r, struct err *e);
void files_free_schemas(struct files *f);
void files_end_run(struct files_range *r, struct files_window *w);
void files_forget(const struct files *f, struct files_range *r); // what is gathered
void files_free_range(const struct files *f, struct files_range *r);

/* sink_files_schemas.c: what lies in _schemas/. */

/* Before the first claim that names it.  Whoever else puts it there puts the same. */
enum err_kind files_store_schemas(struct files *f, struct err *e) MUST_USE;
/* A tombstone's key: its schema goes into the claim, where it is framed and to be had.
 * ERR_LIMIT in *why: it is to be set aside; else *e tells. */
enum err_kind files_note_key(struct files *f, struct files_range *r, struct sift *sift,
                             const struct record *rec, struct err *why,
                             struct err *e) MUST_USE;

/* sink_files_quality.c */

/* The window of a file of JSON lines, made when it is not there. */
struct files_window *files_lines(struct files *f, struct files_window **w,
                                 const char *dir);
/* ERR_INVALID, ERR_LIMIT: it is to be set aside for *why; else *e tells. */
enum err_kind files_put_aside(struct files *f, struct files_range *r,
                              const struct record *rec, struct sifted *got,
                              struct err *why, struct err *e) MUST_USE;
enum err_kind files_stop(const struct files *f, const struct files_range *r,
                         const struct record *rec, const struct sifted *got,
                         struct err *e) MUST_USE;
void files_open_rules(struct files *f, struct files_range *r);
void files_free_rules(struct files_range *r);
/* The range ends: what `unique` and dedupe noted becomes a file of it. */
enum err_kind files_note_seen(struct files *f, struct files_range *r,
                              struct err *e) MUST_USE;
/* A partition is new here: what they noted in the claims before `next`. */
enum err_kind files_recall(struct files *f, struct files_range *r, int64_t next,
                           struct err *e) MUST_USE;
void files_begin_rules(struct files_range *r, const struct batch *b, struct sift *sift);
void files_step_rules(struct files_range *r, const struct batch *b); // it is gathered
/* What is gathered; it is staged. */
void files_forget_rules(const struct files *f, struct files_range *r);
void files_keep_rules(const struct files *f, struct files_range *r);
/* Fills r->results with what is gathered; how many. */
size_t files_results(const struct files *f, const struct files_range *r);
enum err_kind files_tell_rules(struct sink *s, const struct rule_result *results,
                               size_t n, struct err *e);

/* sink_files_rotate.c */
enum err_kind files_settle(struct sink *s, bool all, struct settled *out,
                           struct err *e);
/* What is gathered is as much as one range may be: rows, bytes, directories. */
bool files_is_full(const struct files *f, const struct files_range *r);
/* Until KEPT or LOST, which goes to range.report. */
enum err_kind files_rotate(struct files *f, struct files_range *r,
                           struct err *e) MUST_USE;

/* sink_files_audit.c: nothing of it does anything without audit_url. */
void audit_add(struct files *f, const struct stage_claim *c);
/* Writes what waits.  ERR_UNAVAILABLE: it has waited for longer than max_behind. */
enum err_kind audit_flush(struct files *f, bool now, struct err *e) MUST_USE;
/* F1: the claims that have no row.  `firsts` ascending. */
enum err_kind audit_fill(struct files *f, int32_t partition, const int64_t *firsts,
                         size_t n, struct err *e) MUST_USE;
enum err_kind audit_begin(struct files *f, struct err *e) MUST_USE;
enum err_kind audit_end(struct files *f, const char *status, const char *why,
                        struct err *e) MUST_USE;
void audit_free(struct files *f);
