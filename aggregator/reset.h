/*
 * reset.h - avrogate aggregate reset: the table starts anew, under the same job.
 *
 *      nobody of the job runs; the names are taken, so that whoever wakes is refused
 *      sinks:     no row, no position
 *      audit:     the positions, a generation on; etl_reset says who and why
 *      changelog: deleted, and made anew                  <-- from here on it is done
 *      sinks:     once more, for an instance that came meanwhile
 *
 * Whatever lies before the line is derived from the changelog: after a crash there the
 * old table goes on, and is written into the sinks again.
 */
#pragma once

/* argv[1] is "reset".  The process's exit code. */
int reset_run(int argc, char **argv);
