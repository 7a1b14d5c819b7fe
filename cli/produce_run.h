/*
 * produce_run.h - rows read, gathered, sent, accounted for: the loop of produce.
 *
 *      rows --> parcel --> way --> verdict --> counts, rejects, the line to go on from
 *
 * One parcel is on its way at a time: rows of a key keep their order, and after a
 * failure there is one line before which everything is settled.  One thread.
 */
#pragma once

#include "cli/produce_rejects.h"
#include "cli/produce_rows.h"
#include "cli/produce_way.h"
#include "cli/progress.h"

enum ending {
    GOING,
    ENDED,       // all rows there were, or that were asked for
    INTERRUPTED, // by a signal
    FAILED,
    IN_DOUBT, // stopped, and of some rows nobody knows whether they are written
};

struct run_settings {
    const char *path, *name; // name: for messages
    enum rows_kind kind;
    char delimiter;
    struct conf_list map; // "HEADER=FIELD"
    size_t batch_rows, batch_bytes;
    double rate; // rows a second; 0 = as fast as it goes
    bool sample, loop, quiet, append_rejects;
    uint64_t count;     // rows to send in all; 0 = no end
    uint64_t from_line; // 0 = the beginning
    const char *rejects;
    size_t show; // refused rows on stderr
    int64_t patience_ms;
};

struct run_totals {
    uint64_t read, written, refused, unknown, not_written, bytes;
    int64_t elapsed_ms;
    enum ending ending;
    char why[500];
    uint64_t next_line;               // everything before it is settled
    uint64_t doubt_from, doubt_until; // IN_DOUBT: lines of the parcel
};

/*
 * ERR_INVALID, ERR_NOT_FOUND: nothing was sent, the call was wrong.  ERR_OK: it ran,
 * *totals says how far.  `stop` is set by a signal's handler.
 */
enum err_kind run_rows(struct run_totals *totals, const struct run_settings *s,
                       struct way *way, const volatile int *stop,
                       struct err *e) MUST_USE;

/* Applies "HEADER=FIELD" items: `fields` is filled from `names`.  Pure. */
enum err_kind header_map(struct span *fields, const struct span *names, size_t n,
                         const struct conf_list *map, struct err *e) MUST_USE;
