/*
 * audit.h - what an aggregate did, in ETL_Log: a job's row, and a row for each range of
 * offsets (docs/etl-log.md).
 *
 * After the fact: Kafka's transaction cannot hold PostgreSQL's.  But the position in
 * the changelog has the counts of all that lies before it, so the difference to what is
 * written already is exact, whoever writes it and however late: ranges follow each
 * other without gap or overlap, also after a crash (decision 150).
 *
 * rows_loaded are records that were counted, rows_rejected those set aside,
 * rows_filtered those that `where` let go or that came too late.  Its own thread; never
 * in the way of the counting.
 */
#pragma once

#include "aggregator/engine.h"

struct audit;

/* Borrows all of it.  ERR_UNAVAILABLE: no thread. */
enum err_kind audit_open(struct audit **out, const char *url,
                         const struct aggregator_settings *s, struct engine *g,
                         struct err *e) MUST_USE;
/* Writes what is left and the run's end ("success", "failed", "interrupted"; `why` NULL
 * = nothing to say), for three seconds at most. */
void audit_close(struct audit *a, const char *status, const char *why);
