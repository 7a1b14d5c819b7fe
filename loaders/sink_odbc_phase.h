/*
 * sink_odbc_phase.h - a run in phases (cycle.h) whose load goes to a database by ODBC:
 * its row of etl_log, and a row of etl_phase for each phase, there.
 *
 * The row is the run's own, for the files that it collects have no audit by ODBC; their
 * ranges are in the place's claims.  A sink that is opened so is asked for nothing but
 * this.  One thread.
 */
#pragma once

#include "loaders/etl_phase.h"
#include "loaders/sink_odbc.h"

/* `run` is whose row it is; borrowed with its texts.  Connects when first used: begin()
 * writes the row, end() ends it. */
enum err_kind odbc_phases_open(struct sink **out, const struct odbc_options *o,
                               const struct run *run, struct err *e) MUST_USE;

enum err_kind odbc_phase_begin(struct sink *s, const struct etl_phase *p,
                               struct err *e) MUST_USE;
/* As phase_end(), etl_phase.h. */
enum err_kind odbc_phase_end(struct sink *s, const struct etl_phase *p,
                             const char *status, const char *why,
                             struct err *e) MUST_USE;

/* How far another job is with a partition, 0 = it has none of it. */
enum err_kind odbc_ask_loaded(struct sink *s, const char *job, const char *topic,
                              int32_t partition, int64_t *next, struct err *e) MUST_USE;
