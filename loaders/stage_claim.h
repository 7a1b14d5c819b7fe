/*
 * stage_claim.h - what a claim says: which offsets are staged, and in which files.
 *
 *      _claims/weather/00003/00000000000000000100        the claim of 100 to 199
 *      _claims/weather/00003/00000000000000000100.done   its files may be gone by now:
 *                                                        merged, loaded, cleaned
 *      _claims/weather/00003.from/00000000000000000100   a hint, one for many claims:
 * there is no need to list those before it
 *      _schemas/2c26b46b68ffc68f...ae.avsc               what rows were written as
 *      dt=2026-11-20/weather+3+00000000000000000100+00000000000000000199.parquet
 *
 * The name is the partition and the FIRST offset, so of two loaders that have reached
 * the same position one can go on.  The body is one JSON object; members that are not
 * known are passed over.  Whoever reads staged files takes them from the claims, in
 * order: a file without a claim does not count.
 *
 * Pure.  Source: failure-model.md, section 4; docs/staging.md has the members.
 */
#pragma once

#include "base/buf.h"
#include "base/mem.h"
#include "loaders/rule_result.h"

#define STAGE_NAME 1100
#define STAGE_IDS 64
#define STAGE_DONE ".done"
#define STAGE_KEYS 1000 // schemas of tombstones' keys

struct stage_file {
    const char *final;  // relative to the place
    struct span ticket; // place.h
    int64_t bytes, rows;
    const char *sha256;
    bool rejects;     // not of the data: JSON lines of records that were set aside, or
    bool seen;        // ... what `unique` rules noted
    const char *runs; // offsets of its rows (stage_runs), "" = not known
};

struct stage_key { // the schema of framed keys, which a loader cannot ask for
    int32_t id;
    const char *schema; // stage_schema_name()
};

struct stage_claim {
    const char *job, *topic, *cluster; // cluster "" = not known
    int32_t partition;
    int64_t first, last; // offsets, both inside
    int64_t count;       // of claims of this partition before it
    int64_t loaded, rejected, bytes;
    int64_t duplicate, filtered; // by transforms; 0 in claims of before there were any
    int64_t quarantined;         // by quality rules
    const struct rule_result *rules; // what each said of the range
    size_t n_rules;
    int64_t mark;           // record_mark() of the record at `last`, -1 = not known
    int32_t ids[STAGE_IDS]; // of the writers
    size_t n_ids;
    const char *schema;       // of all rows: stage_schema_name(), "" = not known
    int64_t schema_id;        // in the registry, 0 = it has none
    unsigned envelope;        // parts (stage_envelope.h) that rows have in front;
    const char *value_schema; // ... then that of the values, whose id it is; else ""
    struct stage_key *keys;   // of tombstones in the rows
    size_t n_keys;
    const char *instance, *run;    // who made it
    int64_t epoch, started_ms, us; // wall clock; duration
    struct stage_file *files;
    size_t n_files;
};

/* "_claims/weather/00003" */
void stage_claims_dir(char out[STAGE_NAME], const char *topic, int32_t partition);
/* Below "_claims/weather": the partition, -1 when it is another name ("00003.from"). */
int32_t stage_claims_partition(const char *name);
/* Below that directory: the offset of a claim's name, -1 when it is none. */
int64_t stage_claim_first(const char *name);
struct place_entry;
/* The newest of what such a directory lists, -1 = none. */
int64_t stage_claim_newest(const struct place_entry *all, size_t n);
void stage_claim_name(char out[STAGE_NAME], const char *topic, int32_t partition,
                      int64_t first);

#define STAGE_SCHEMA 65
/* SHA-256 of the schema's printed form, in hexadecimal digits. */
void stage_schema_key(char out[STAGE_SCHEMA], struct span printed);
/* "_schemas/KEY.avsc" */
void stage_schema_name(char out[STAGE_NAME], const char *key);

/* "_claims/weather/00003.from" */
void stage_hints_dir(char out[STAGE_NAME], const char *topic, int32_t partition);

void stage_claim_put(struct buf *out, const struct stage_claim *c);
/*
 * Which offsets the rows of a file have: "0:100,3:17", 100 rows from the claim's first
 * offset on, then three offsets of others, then 17 rows.
 */
struct stage_runs {
    const char *at;
    int64_t next, left; // offset of the next row, and rows from there without a gap
};
struct stage_runs stage_runs_begin(const struct stage_claim *c,
                                   const struct stage_file *f);
/* The offset of the next row, -1 behind the last. */
int64_t stage_runs_next(struct stage_runs *r);
/* Passes over the rows before offset `at`, and says how many they are. */
int64_t stage_runs_skip(struct stage_runs *r, int64_t at);
/* Appends a run; `gap` from the end of the one before. */
void stage_runs_put(struct buf *out, int64_t gap, int64_t rows);

/* Everything lives in the arena.  ERR_INTERNAL: not what stage_claim_put() writes. */
enum err_kind stage_claim_read(struct stage_claim *c, struct span text, struct arena *a,
                               struct err *e) MUST_USE;
