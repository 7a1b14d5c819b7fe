/*
 * stage_clean.h - takes away what was staged and is not needed any more.
 *
 *      of each partition, from its first claim on, while it is old enough and loaded:
 *          names finished, .done beside the claim, files away
 *      _claims/weather/00003.clean/00000000000000000100    a hint: so far it was done
 *      of each merge whose rows were all in such claims: its file and its claim away
 *
 * Claims stay, for a loader that was asleep could claim their range again; so do
 * rejects, backups, and files of a name that may come again (`--into`).  May be
 * repeated by anybody, and broken off anywhere.  docs/staging.md, decisions/157.  One
 * thread.
 */
#pragma once

#include "loaders/pg.h"
#include "place/place.h"

#include <stdatomic.h>

struct clean_options { // all borrowed
    struct place *place;
    const char *topic; // NULL = all
    int64_t older_ms;  // what was claimed longer ago: the place's stamp, our clock
    /* The next offset of a partition that is not loaded yet; NULL = all is. */
    enum err_kind (*loaded)(void *arg, const char *topic, int32_t partition,
                            int64_t *next, struct err *e);
    bool dry_run;
    const atomic_bool *stop; // true: go on no further, NULL = never
    void *arg;
    void (*say)(void *arg, const char *line);
};

struct clean_sums {
    int64_t claims, files, bytes, rows; // of loaders
    int64_t merged, merged_bytes, forgotten;
};

/* What `job` has loaded of the partition into the warehouse of `pg`: 0 = nothing yet.
 */
enum err_kind clean_ask_loaded(struct pg *pg, const char *job, const char *topic,
                               int32_t partition, int64_t *next,
                               struct err *e) MUST_USE;
enum err_kind stage_clean(const struct clean_options *o, struct clean_sums *sums,
                          struct err *e) MUST_USE;
