/*
 * produce_send.h - a parcel on its way, until each of its rows is settled or it is
 * over.
 *
 *      parcel --> way --> verdict --> counts, rejects, the line to go on from
 *
 * One request at a time: rows of a key keep their order, and there is one line before
 * which everything is settled.  Nothing is sent twice unless it is known that it was
 * not written; where nobody knows, it stops and says so.  One thread.
 */
#pragma once

#include "cli/produce_rejects.h"
#include "cli/produce_way.h"
#include "cli/progress.h"

enum ending {
    GOING,
    ENDED,       // all rows there were, or that were asked for
    INTERRUPTED, // by a signal
    FAILED,
    IN_DOUBT, // stopped, and behind next_line some rows are, or may be, written
};

struct run_totals {
    uint64_t read, written, refused, bytes;
    uint64_t unknown, not_written; // of the last request alone: others ended well
    int64_t elapsed_ms;
    enum ending ending;
    char why[500];
    uint64_t next_line;               // everything before it is settled
    uint64_t doubt_from, doubt_until; // IN_DOUBT: the lines it is about
    bool dlq_failed;                  // some refused rows are in no dead-letter topic
};

struct sender {
    // given
    struct way *way;
    const char *name;               // of the file, for messages
    size_t batch_rows, batch_bytes; // most in a request
    int64_t patience_ms;
    double rate; // rows a second; 0 = as fast as it goes
    bool quiet, to_dlq;
    const volatile int *stop; // set by a signal's handler
    struct run_totals *t;
    struct rejects *rejects;
    struct progress *progress;
    uint64_t done, whole; // of the file, as far as it was read: for the progress

    // its own
    size_t most_rows, most_bytes; // as far as we have learned
    uint64_t settled;             // done, when nothing was left to send
    uint64_t ahead;               // all lines from here on are not written
    int64_t due_us;               // when the next row may go
    int64_t noted_ms;
};

void sender_begin(struct sender *s); // after the given ones were filled in
/* Sends all of it, unless it is over before; what was not sent stays in `p`. */
void sender_flush(struct sender *s, struct parcel *p);
void sender_end(struct sender *s, enum ending ending, const char *why);
/* At the very end: what is left in `p` was not sent. */
void sender_finish(struct sender *s, const struct parcel *p);

bool sender_is_over(const struct sender *s);
/* Asks for the signal; is it over? */
bool sender_is_interrupted(struct sender *s);
