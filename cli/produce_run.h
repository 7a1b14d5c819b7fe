/*
 * produce_run.h - rows read, gathered, sent, accounted for: the loop of produce.
 *
 *      rows --> parcel --> way --> verdict --> counts, rejects, the line to go on from
 *
 * It reads; produce_send.h sends and keeps account.  One thread.
 */
#pragma once

#include "cli/produce_rows.h"
#include "cli/produce_send.h"

struct run_settings {
    const char *path, *name; // name: for messages
    enum rows_kind kind;
    char delimiter;
    struct conf_list map; // "HEADER=FIELD"
    size_t batch_rows, batch_bytes;
    double rate; // rows a second; 0 = as fast as it goes
    bool sample, loop, quiet, append_rejects, to_dlq;
    uint64_t seed;      // of the sample; 0 = another one each time
    uint64_t count;     // rows to send in all; 0 = no end
    uint64_t from_line; // 0 = the beginning
    const char *rejects;
    size_t show; // refused rows on stderr
    int64_t patience_ms;
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
