/*
 * etl_phase.h - the phases of a run, each a row of etl_phase.
 *
 *      running --> success | failed | interrupted
 *
 * The run's own row is etl_log.h's.  A phase whose process died is marked with its run,
 * when the job starts again.  docs/etl-log.md has every column.  One thread.
 */
#pragma once

#include "loaders/etl_log.h"

struct etl_phase {
    int number;       // in its run, from 1
    const char *name; // "collect", "merge", "load", "clean"
    int64_t rows_in, rows_out, files_in, files_out, bytes_in, bytes_out;
    const char *load_run; // of a load: its run in the warehouse; NULL = none
    int64_t ms;           // how long it took, for one that is told of at its end alone
};

enum err_kind phase_begin(struct pg *pg, const struct run *r, const struct etl_phase *p,
                          struct err *e) MUST_USE;
/* `status` "success", "failed" or "interrupted"; `why` NULL = nothing to say.  Makes
 * the row where none was begun. */
enum err_kind phase_end(struct pg *pg, const struct run *r, const struct etl_phase *p,
                        const char *status, const char *why, struct err *e) MUST_USE;
