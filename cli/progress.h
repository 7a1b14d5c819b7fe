/*
 * progress.h - how far it has come: a bar on a terminal, a line now and then elsewhere.
 *
 *      [=========>          ]  34 %  12,345 rows  3,210/s  2 refused  ETA 0:07
 *
 * On a terminal the bar is drawn anew ten times a second and must be wiped before
 * anything else is printed; elsewhere a line comes every five seconds, after the first
 * five.  One thread.
 */
#pragma once

#include "base/buf.h"

struct progress_state {
    uint64_t rows, refused;
    uint64_t done, whole; // bytes, or rows; whole 0 = nobody knows
    int64_t elapsed_ms;
    double rate; // rows a second, of late
};

struct progress {
    bool quiet, terminal, drawn;
    const char *name; // in front of a line
    int64_t began_ms, last_ms;
    uint64_t done_at_begin; // what was skipped costs no time
    int64_t marked_ms;      // for the rate of late
    uint64_t marked_rows;
    double rate;
};

/* Appends the text above; `width` 0: without a bar.  Pure. */
void progress_print(struct buf *out, const struct progress_state *s,
                    uint64_t done_at_begin, size_t width);

/* Of a terminal so wide, 0 = none. */
size_t progress_bar_width(size_t columns);

void progress_begin(struct progress *p, const char *name, bool quiet);
void progress_show(struct progress *p, uint64_t rows, uint64_t refused, uint64_t done,
                   uint64_t whole);
void progress_wipe(struct progress *p); // before something else goes to stderr
int64_t progress_elapsed_ms(const struct progress *p);
