/*
 * stage_rows.h - the rows of one claim from its files, in the order of their offsets.
 *
 *      claim 100..199     a.parquet  0:50,10:20     rows of 100..149, 160..179
 *                         b.parquet  50:10          rows of 150..159
 *      comes as           100 ... 149 (a)  150 ... 159 (b)  160 ... 179 (a)
 *
 * A claim that does not say the offsets of its rows is *counted*: file after file, as
 * the claim names them, and its k-th row goes by the offset first + k.  That is an
 * offset of the claim and always the same one, so a position in such a claim means so
 * many of its rows (decisions/160); stage_rows_mark() tells such a position from one
 * that means records.
 *
 * A file is taken whole into a spool and believed when its length and SHA-256 are the
 * claim's.  One that has not its name yet is given it.  One that was merged is read in
 * what it was merged into (stage_where.h), which stays open for the claims that follow.
 *
 * What is read is a stranger's: files by format.h's readers and their limits.  One
 * thread.
 */
#pragma once

#include "loaders/stage_claim.h"
#include "loaders/stage_schemas.h"
#include "place/place.h"

/* Merged files that were read and have more, FILES_KEPT of them: spools and readers. */
struct stage_files;
struct stage_files *stage_files_open(struct place *p);
void stage_files_close(struct stage_files *f); // NULL is fine

struct stage_rows_from { // borrowed
    struct place *place;
    struct stage_files *files;
    const char *spool;  // directory
    const char *format; // that all files must have; NULL = any, by their names
    struct stage_schemas *schemas; // learns what the files bring
};

struct stage_row { // until the next call
    int64_t offset;
    int32_t schema;    // id in stage_schemas
    struct span datum; // Avro binary of that
    // what the claim's envelope has of it (stage_envelope.h), else -1 and nothing
    bool deleted; // a tombstone: no datum
    int64_t timestamp_ms;
    struct span key, headers; // as struct record has them
};

struct stage_rows;

/*
 * From the first row whose offset is `at` or more.  The claim is borrowed.
 * ERR_UNAVAILABLE, here and below: the place, or the spool's disk; open again later.
 * Anything else: a person must look, and the message says at what.
 */
enum err_kind stage_rows_open(struct stage_rows **out,
                              const struct stage_rows_from *from,
                              const struct stage_claim *c, int64_t at,
                              struct err *e) MUST_USE;
enum err_kind stage_rows_next(struct stage_rows *r, struct stage_row *out, bool *more,
                              struct err *e) MUST_USE;
void stage_rows_close(struct stage_rows *r); // NULL is fine

bool stage_rows_counted(const struct stage_claim *c);
/* A fingerprint of having loaded everything before `next`, which lies in the claim or
 * right behind it; -1 = there is none. */
int64_t stage_rows_mark(const struct stage_claim *c, int64_t next);

/* What lies in _schemas/ under a key.  ERR_NOT_FOUND: the key is empty. */
enum err_kind stage_rows_schema(struct place *p, const char *key,
                                struct av_schema **out, struct err *e) MUST_USE;
/* The key of the schema that a claim's values have, without what is in front. */
const char *stage_rows_value(const struct stage_claim *c);
