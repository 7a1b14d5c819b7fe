/*
 * stage_merge.h - does what stage_swap.h decides: small staged files into large ones.
 *
 * Every call first finishes what an earlier one claimed, whoever made it, so a crash at
 * any step is mended by calling again.  Errors: ERR_UNAVAILABLE the place or the disk
 * is away, ERR_INVALID and ERR_CONFLICT what was asked for cannot be done and nothing
 * was, ERR_INTERNAL what lies there is not what was written.
 *
 * docs/staging.md, decisions/138.  One thread.
 */
#pragma once

#include "format/format.h"
#include "loaders/stage_swap.h"
#include "place/place.h"

#include <stdatomic.h>

struct merge_options { // all borrowed
    struct place *place;
    const char *dir;         // "" = the place itself; with what is below it
    const char *topic;       // NULL = all, each into files of its own
    const char *format, *to; // of the inputs, of the output
    const char *into;        // NULL = large files; else all into this one name
    struct av_schema
        *schema; // what all are read as; NULL = what they bring or their claims say
    struct format_options how; // of the output; notes are ours
    int64_t max_bytes;         // inputs of one output
    const char *backup;        // directory the output goes to instead, with the time in
                               // its name; NULL = where the inputs are
    bool all;                  // with `backup`: also what is alone, or large enough
    bool dry_run;
    const char *spool; // directory for what is written until the place has it

    const atomic_bool *stop; // true: try no more, NULL = never
    void *arg;
    void (*say)(void *arg, const char *line); // what was done, or would be
    void (*progress)(void *arg, int64_t rows, int64_t bytes, int64_t whole);
};

struct merge_sums {
    int64_t merges, inputs, rows, bytes_in, bytes_out;
    const char *other; // a format in which staged files lie there that is not the one
                       // to merge, NULL = none; static
    bool waits;        // a large file is left until as many bytes lie beside it
    int64_t settled;   // merges of others, or of an earlier call, that were finished
};

/* Looks at what was asked for: ERR_INVALID.  A `to` that is NULL becomes the format of
 * `into`, or of the inputs. */
enum err_kind merge_check(struct merge_options *o, struct err *e) MUST_USE;

enum err_kind stage_merge(const struct merge_options *o, struct merge_sums *sums,
                          struct err *e) MUST_USE;
