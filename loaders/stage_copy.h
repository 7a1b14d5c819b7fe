/*
 * stage_copy.h - statements by which a warehouse takes staged files in by itself.
 *
 *      COPY INTO "WEATHER" FROM @stage/weather FILES = ('dt=2026-11-20/weather+3+...')
 *
 * Exactly the files that claims name, once each: the warehouse keeps a history of what
 * it loaded (Snowflake: by name and content, 64 days) and passes over what it has, so
 * the same statement again adds nothing; what it can no longer be sure of it leaves
 * (LOAD_UNCERTAIN_FILES = FALSE).  A file is loaded whole or not at all.
 *
 * A name is good for that as long as its rows are never given another.  So either a
 * place is not merged, and the loaders' files are named; or, with `merged`, those that
 * merges put into a backup are, which no merge and no cleaning touches again
 * (decisions/171).  What was named in the first way is noted in the place, for each
 * table (stage_note.h), before the first statement; in the second way what holds rows
 * of it is refused (decisions/189).
 *
 * Nothing else of the place is changed.  One thread.
 */
#pragma once

#include "loaders/dialect.h"
#include "place/place.h"

#define COPY_FILES 1000 // of one statement: Snowflake's limit

/* ERR_INVALID: the dialect has no such statement, or not for files of this kind. */
enum err_kind stage_copy_put(struct buf *sql, const struct dialect *d,
                             const char *table, const char *at,
                             const char *const *files, size_t n,
                             struct err *e) MUST_USE;

struct copy_options { // all borrowed
    struct place *place;
    const char *topic;
    const struct dialect *d;
    const char *table;
    const char *at;   // the place, as the warehouse names it: "@stage/weather"
    int64_t since_ms; // only what was claimed since then (wall clock), 0 = all
    bool merged;      // what merges put into backups, instead of what loaders staged
    bool unnoted;     // notes are neither written nor asked
    bool anew;        // the table was emptied: what was noted is forgotten

    void *arg;
    /* A statement; what it says ends the work. */
    enum err_kind (*statement)(void *arg, const char *sql, struct err *e);
};

struct copy_sums {
    int64_t claims, files, rows, statements; // `merged`: claims of merges
    int64_t open; // newest claims whose files have not got their names yet: next time
    int64_t gone; // claims whose files were cleaned
    int64_t waiting; // `merged`: rows that no merge has put into a backup yet
};

/* ERR_CONFLICT: files of the place were merged, and what their claims name is gone;
 * a backup has rows that the table was told to copy already, or is not what its claim
 * says.  Otherwise as place.h. */
enum err_kind stage_copy(const struct copy_options *o, struct copy_sums *sums,
                         struct err *e) MUST_USE;
