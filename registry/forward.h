/*
 * forward.h - asks the holder of the pen to write for us, and relays its answer.
 *
 * The request goes as it came, with REG_FORWARDED, and with the client's Authorization
 * where that stays secret (decision 081), so that the holder judges and names the
 * client itself.  A holder that does not answer in time, or says that it is none, is
 * not asked again until there is a newer fence: the job goes back to the writer, which
 * takes the pen.  So does one that the holder does not let in: we have.  How long is
 * "in time" grows with how long its answers take, and taking the pen took us, up to
 * FORWARD_MOST_MS: a busy holder keeps the pen, for who takes it from one that is only
 * slow loses more time than waiting costs, and so do all the others.  Before an answer
 * is relayed our own reader has what the holder had read: who writes here can read it
 * here.
 *
 * FORWARD_THREADS threads, one call each at a time.
 */
#pragma once

#include "registry/append.h"

#define FORWARD_THREADS 16
#define FORWARD_MOST_MS 1500
#define FORWARD_READ_MS 2000 // for our reader to follow

struct reg_forward;

struct reg_forward_options {
    struct reg_tail *tail;
    const char *instance; // borrowed
    int64_t forward_ms;
    const char *ca_file; // of the holder's certificate; NULL or "": the system's
    struct reg_rules rules;
    size_t queue;
    void (*back)(void *to, struct reg_job *job); // nobody did it
    void *to;
};

enum err_kind reg_forward_open(struct reg_forward **out,
                               const struct reg_forward_options *o,
                               struct err *e) MUST_USE;
/* False when too many wait: nothing was taken. */
bool reg_forward_submit(struct reg_forward *f, struct reg_job *job);
/* Was the writer of this fence asked in vain? */
bool reg_forward_gave_up(struct reg_forward *f, const struct reg_fence *fence);
/* We took the pen, or tried: how long that takes here and now. */
void reg_forward_note_take(struct reg_forward *f, int64_t us);
/* Gives back what waits, and takes nothing more. */
void reg_forward_stop(struct reg_forward *f);
/* Behind that, and when nobody asks or tells it anything any more. */
void reg_forward_close(struct reg_forward *f);

/* How long to wait for an answer, when answers took `usual_us` of late.  Pure. */
int64_t reg_forward_patience(int64_t forward_ms, int64_t usual_us);
/* What is usual after an answer that took so long; or after taking the pen, for which
 * we then wait as long, until the answers have told otherwise.  Pure. */
int64_t reg_forward_usual(int64_t usual_us, int64_t took_us, bool taking);
