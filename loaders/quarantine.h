/*
 * quarantine.h - the table that records go to which a quality rule put aside.
 *
 *      the target's columns as they would be made for the schema, all of them
 *      _errors jsonb  _topic text  _partition integer  _offset bigint  _run_id uuid
 *      _quarantined timestamptz
 *
 * It has no key: of one key any number may be wrong.  It grows with the schema as the
 * target does (table.h).
 *
 * Pure: statements and bytes of COPY out, nothing run.  One thread.
 */
#pragma once

#include "loaders/rows.h"
#include "loaders/sift.h"

#define QUARANTINE_EXTRA 6 // columns behind the record's
extern const struct own_column quarantine_columns[QUARANTINE_EXTRA];

/* As table_plan(), without keys.  ERR_INVALID also: the record has a field of one of
 * these names. */
enum err_kind quarantine_plan(struct table *out, struct av_schema *reader,
                              const struct table_has *has, size_t n_has,
                              const char *quoted, bool evolve, struct buf *ddl,
                              struct err *e) MUST_USE;
void quarantine_put_copy(struct buf *out, const struct table *t, const char *quoted);

struct quarantined { // a record
    const char *topic, *run_id;
    int32_t partition;
    int64_t offset, wall_ms;
    struct span errors; // JSON
};
/* Appends the extra columns to a row. */
void quarantine_put_extra(struct buf *out, const struct quarantined *q);
/* Appends the whole row of a record that a rule put aside, now; on a failure nothing.
 */
enum err_kind quarantine_put(struct rows *rows, const struct batch *b,
                             const struct record *rec, const struct sifted *got,
                             const char *run_id, struct err *e) MUST_USE;
