/*
 * sink_files.h - a sink that stages records in files, exactly once (docs/staging.md).
 *
 *      batches --> one open range per partition, a file per window --(rows, bytes,
 * age)--> write private, claim [first, last], move to the final names, audit
 *
 * The position is the place's: the newest claim's last offset + 1 (stage.h decides,
 * place.h does).  A range is claimed whole, with all the files of its windows, so a
 * rotation ends all windows of its partition.
 *
 * The audit is optional and comes after: its rows are written once the files are there,
 * and what a crash left out is filled in from the claims when a partition is taken.
 *
 * Memory: what the formats' writers keep (`memory`, past which the largest range is
 * rotated), and 256 KiB a file of packed bytes; the rest of those lies in `spool`.
 *
 * Threads: see sink.h.
 */
#pragma once

#include "base/conf.h"
#include "format/format.h"
#include "loaders/sink.h"
#include "loaders/stage_claim.h"
#include "place/place.h"

struct files_options { // all texts borrowed
    struct place_settings place;
    const char *format;        // "parquet", ...
    struct format_options how; // notes are added
    struct conf_pairs partition_by;
    unsigned envelope; // parts that stand in front of each row (stage_envelope.h)
    bool by_count;     // names weather+3+0000000017, else by offsets
    int64_t rotate_rows, rotate_bytes, rotate_age_ms;
    int64_t memory;
    const char *spool; // directory
    const char *job, *topic, *source;
    struct quality *quality;         // the sift's; NULL = no rules
    struct transform_memory *dedupe; // the sift's; NULL = no dedupe
    double reject_limit;
    int64_t reject_floor;
    const char *audit_url; // NULL = none
    int64_t max_behind_ms; // how long loading goes on without it
    int64_t hint_every;    // claims; 0 = 10,000
};

/* ERR_INVALID: settings that cannot be. */
enum err_kind files_sink_open(struct sink **out, const struct files_options *o,
                              struct err *e) MUST_USE;

/* The newest claim of a partition of what is staged there; *any false = none. */
enum err_kind files_newest(struct place *p, const char *topic, int32_t partition,
                           struct stage_claim *c, bool *any, struct arena *a,
                           struct err *e) MUST_USE;
