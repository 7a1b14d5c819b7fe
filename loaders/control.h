/*
 * control.h - avrogate load status|pause|resume|reset: how a job stands, and a person's
 * word about it.
 *
 * They read the pipeline file of the job and speak to what keeps its positions: the
 * warehouse, or the place of staged files.  The job need not run; one that does sees a
 * pause within PAUSE_LOOK_MS and a reset with its next batch.
 */
#pragma once

#include <stdbool.h>

bool control_is(const char *word); // "status" and its like
/* argv[1] is the word.  The process's exit code. */
int control_run(int argc, char **argv);
