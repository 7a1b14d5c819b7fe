/*
 * quality.h - named rules of a pipeline, asked of each record before it is loaded, and
 * of each run at its end (docs/quality.md).
 *
 *      YAML ── quality_read ──> quality                      once; positions in errors
 *      quality, schema ── quality_use ──> compiled           when the schema is another
 *      datum ── quality_ask ──> quality_verdict, counts      a record
 *      counts, rows ── quality_ask_run ──> quality_finding   a run, or an interval
 *
 * Rules do not see each other's work: each is asked of the record as it came.  The
 * counts are the caller's: of a batch, thrown away with it and added up when it is
 * durable.
 *
 * `unique` remembers: per partition, the keys of the last N offsets.  What a batch
 * added is taken back by quality_undo() and stays with quality_keep(); whoever keeps
 * what quality_noted() gives beside the data can go on after a crash as if nothing had
 * happened.
 *
 * Pure: no clock, no file, no thread.  One thread.
 */
#pragma once

#include "avro-core/schema.h"
#include "base/conf.h"

#define QUALITY_RULES_MOST 200
#define QUALITY_NAME_MOST 100
#define QUALITY_WHY 220
#define QUALITY_LAST_MOST 1000000 // offsets that a `unique` remembers
#define QUALITY_NONE INT64_MIN    // no time

enum quality_severity { // what becomes of a record that fails
    QUALITY_WARN,       // it is loaded, and counted
    QUALITY_NULL_FIELD, // it is loaded without the field
    QUALITY_QUARANTINE, // it goes elsewhere, with the reasons
    QUALITY_FAIL,       // nothing of the batch is loaded, the run ends
};
extern const char *const quality_severities[]; // "warn", ...

struct quality;

struct quality_rule {
    const char *name;
    enum quality_severity severity;
    const char *form;  // "not_null", ...; "expr"
    const char *shown; // what it wants, for the audit
    bool of_run;       // rows, fresh
    bool remembers;    // unique
    int64_t last;      // ... so many offsets
    int64_t every_ms;  // of_run: also so often while the run goes on, 0 = at its end
};

/* ERR_INVALID: "pipeline.yaml:12:5: quality rule \"x\": why".  A tree without a root:
 * *out is NULL.  Copies all it keeps. */
enum err_kind quality_read(struct quality **out, const struct conf_tree *tree,
                           struct err *e) MUST_USE;
void quality_free(struct quality *q); // NULL is nothing

size_t quality_rules(const struct quality *q);
const struct quality_rule *quality_rule(const struct quality *q, size_t i);
bool quality_has(const struct quality *q, enum quality_severity s);
bool quality_remembers(const struct quality *q); // any of them

/* Compiles for records of this schema (retained).  ERR_INVALID: a rule does not fit it,
 * with the rule's position and, of an expression, that inside it; the rules before
 * stay. */
enum err_kind quality_use(struct quality *q, struct av_schema *reader,
                          struct err *e) MUST_USE;
struct av_schema *quality_schema(const struct quality *q); // NULL before the first

/*
 * What came of a rule's questions.  `why` names what was found and what was wanted,
 * "temp is 61.5, wanted from -90 to 60", each cut at a character; a field that a rule
 * of severity null_field takes out of the row is in no message either.
 */
struct quality_count {
    int64_t checked; // records it was asked of: its guard, a null key pass it by
    int64_t failed;
    int64_t errors; // of those: it could not be answered
    int64_t newest; // fresh: the newest time, nanoseconds; QUALITY_NONE
    int32_t partition;
    int64_t offset; // of the last that failed, -1 = none did
    char why[QUALITY_WHY];
};

/* One a rule, all nothing.  The caller frees it. */
struct quality_count *quality_counts(const struct quality *q);
void quality_zero(const struct quality *q, struct quality_count *counts);
void quality_add(const struct quality *q, struct quality_count *to,
                 const struct quality_count *more);

enum quality_outcome {
    QUALITY_LOAD,  // `datum`
    QUALITY_ASIDE, // `errors` say why
    QUALITY_STOP,  // `rule` says stop
};

struct quality_verdict { // spans are borrowed until the next question
    enum quality_outcome outcome;
    struct span datum;  // the record, or what null_field left of it
    struct span errors; // [{"rule":"x","severity":"quarantine","why":"a is null"},...]
    size_t rule;
    struct span why;
};

struct quality_place { // whose record it is
    int32_t partition;
    int64_t offset;
    int64_t now; // nanoseconds since 1970
};

/* `datum` is a record's Avro binary in quality_use()'s schema, written by us or seen by
 * the decoder. */
void quality_ask(struct quality *q, struct span datum, const struct quality_place *at,
                 struct quality_count *counts, struct quality_verdict *out);

/* The rule that said stop the last time one did, -1 = none did. */
int quality_stopped(const struct quality *q);

/* --- what `unique` remembers of a partition --------------------------------------- */

/* Is it that of all before `next`?  Then there is nothing to load. */
bool quality_stands(const struct quality *q, int32_t partition, int32_t generation,
                    int64_t next);
/* Forgets, and stands at `next`; then quality_recall() for what was kept elsewhere. */
void quality_stand(struct quality *q, int32_t partition, int32_t generation,
                   int64_t next);
/* `noted` as quality_noted() wrote it, oldest first.  ERR_INVALID: it is not that. */
enum err_kind quality_recall(struct quality *q, int32_t partition, size_t rule,
                             struct span noted, struct err *e) MUST_USE;
/* The same by the rule's name; one that is gone, or remembers no more, is passed over.
 */
enum err_kind quality_recall_named(struct quality *q, int32_t partition,
                                   const char *rule, struct span noted,
                                   struct err *e) MUST_USE;

/* Appends what the rule noted since the last keep or undo; nothing when it was nothing.
 */
void quality_noted(const struct quality *q, int32_t partition, size_t rule,
                   struct buf *out);
/* The same of all rules together, by name, and back: rules that are gone are passed
 * over. ERR_INVALID: not what quality_pack() writes. */
void quality_pack(const struct quality *q, int32_t partition, struct buf *out);
enum err_kind quality_unpack(struct quality *q, int32_t partition, struct span packed,
                             struct err *e) MUST_USE;
void quality_step(struct quality *q, int32_t partition, int64_t next); // not kept yet
void quality_keep(struct quality *q, int32_t partition, int64_t next);
void quality_undo(struct quality *q, int32_t partition, int64_t next);

/* --- of a run --------------------------------------------------------------------- */

struct quality_finding {
    bool good;
    char why[QUALITY_WHY]; // not good: "12 rows, wanted at least 100"
};

/* What a rule of the run says of `rows` loaded and of the counts' newest time. */
void quality_ask_run(const struct quality *q, size_t rule,
                     const struct quality_count *counts, int64_t rows, int64_t now,
                     struct quality_finding *out);
