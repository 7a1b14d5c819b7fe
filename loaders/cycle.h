/*
 * cycle.h - one run of a pipeline in phases.
 *
 *      phases: [collect, merge, load, clean]
 *
 *      collect --> merge --> load --> clean --> end
 *         '----------'---------'--failed, or told to stop--> the rest is left out
 *
 *      collect   the topic into files, as a run without phases; ends by --for, or
 *                --until-end
 *      merge     small files into large ones, stage_merge.h
 *      load      what is claimed into Postgres, or by ODBC, as job JOB/load,
 *                source_stage.h
 *      clean     what was loaded away, stage_clean.h
 *
 * A run is one row of etl_log, the collecting loader's, which is held open until the
 * last phase is through, and a row of etl_phase for each.  Between two phases nothing
 * is remembered but what lies in the place: a run that died is followed by one that
 * does what is left.  docs/staging.md.  Main's thread.
 */
#pragma once

#include "loaders/etl_log.h"
#include "loaders/run.h"

struct cycle_end {
    bool told;     // to stop: what was not begun is left out
    bool failed;   // `why` says what a person must do
    char why[300]; // with the phase
};

/* What the command can do. */
struct cycle_hands {
    /* Runs a loader to its end, however that is. */
    enum err_kind (*load)(void *arg, const struct loader_settings *s,
                          struct loader_state *last, char run_id[RUN_ID], bool *told,
                          struct err *e);
    /* Waits a moment; true when told to stop.  It is said once. */
    bool (*is_told)(void *arg);
    void *arg;
};

/* Looks at the settings, ERR_INVALID, and fills in what follows from `phases`. */
enum err_kind cycle_check(struct loader_settings *s, struct err *e) MUST_USE;
/* The settings of its load; the text of its job is kept in `job`. */
#define CYCLE_JOB 300
struct loader_settings cycle_load(const struct loader_settings *s, char job[CYCLE_JOB]);
/* An error says that a loader did not open; what failed later is in *end. */
enum err_kind cycle_run(const struct loader_settings *s, const struct cycle_hands *h,
                        struct cycle_end *end, struct err *e) MUST_USE;
