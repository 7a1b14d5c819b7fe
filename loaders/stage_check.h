/*
 * stage_check.h - proves that a place holds what its claims say.
 *
 *      partition   its claims follow each other without gap or overlap
 *      claim       its files are there with their bytes, or what they were merged into
 * has their rows, or it was cleaned; rows and rejects are as it says merge       its
 * file has as many rows as went into it file        a claim names it, or a merge; with
 * `deep` its bytes have their SHA-256
 *
 * Changes nothing.  Beside loaders and merges it may speak of what is just happening:
 * what it says of a place at rest is true.  One thread.
 */
#pragma once

#include "place/place.h"

struct check_options { // all borrowed
    struct place *place;
    const char *topic; // NULL = all
    bool deep;
    const char *spool; // directory, for `deep`
    void *arg;
    void (*say)(void *arg, const char *line); // what is wrong
};

struct check_sums {
    int64_t partitions, claims, rows, rejects;
    int64_t files,
        merged;      // files of claims that are there; rows' files that were merged
    int64_t cleaned; // files of claims that were cleaned
    int64_t open;    // files of newest claims that have no name yet, but are there
    int64_t wrong;
};

/* ERR_OK: it was looked at; `wrong` tells. */
enum err_kind stage_check(const struct check_options *o, struct check_sums *sums,
                          struct err *e) MUST_USE;
