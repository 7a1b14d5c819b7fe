/*
 * etl_log.h - the run's row in etl_log: begun, kept, ended.
 *
 *      running --(batches, each in the data's transaction)--> success | failed
 *         '--- the process is gone, and the next start of the job sees it --->
 * interrupted
 *
 * A run that lives holds an advisory lock of its run_id on its ledger connection; a row
 * that says `running` and whose lock is free belongs to nobody.  A batch that commits
 * says `running` again, so that a run that was only cut off comes back by itself.
 *
 * docs/etl-log.md has every column.  One thread.
 */
#pragma once

#include "loaders/pg.h"

#define RUN_ID 37

struct run {
    char id[RUN_ID]; // UUID, made by run_init()
    const char *job, *topic, *source, *target;
    char instance[80]; // host:pid
};

void run_init(struct run *r, const char *job);

/* Takes the run's lock on this connection; part of every greeting of the ledger's. */
enum err_kind run_lock(struct pg *pg, const struct run *r, struct err *e) MUST_USE;
/* Marks what died, and writes our row. */
enum err_kind run_begin(struct pg *pg, const struct run *r, struct err *e) MUST_USE;
/* A run that was ended goes on: its row says `running` again. */
enum err_kind run_reopen(struct pg *pg, const struct run *r, struct err *e) MUST_USE;
/* `status` "success", "failed" or "interrupted"; `why` NULL = nothing to say. */
enum err_kind run_end(struct pg *pg, const struct run *r, const char *status,
                      const char *why, struct err *e) MUST_USE;

/* Appends text as an SQL literal, NULL for NULL, with what is no UTF-8 as '?'. */
void etl_put_text(struct buf *sql, const char *text);
/* Appends `text` with what is no UTF-8, and zero bytes, as '?'. */
void etl_put_clean(struct buf *out, struct span text);
