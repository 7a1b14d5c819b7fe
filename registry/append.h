/*
 * append.h - the only writer: one command at a time.
 *
 *      read to the end -> decide -> produce -> wait until the tail has it -> look
 *
 * A command is answered from the state, never from what we meant to write.  When it is
 * not known whether Kafka has a record (time-out, lost answer), a NOOP behind it makes
 * it known: once the tail has read that, either the record is there or it will never
 * be.
 *
 * One thread; commands wait in a bounded queue.
 */
#pragma once

#include "registry/decide.h"
#include "registry/tail.h"

struct reg_job {
    struct reg_command command;
    struct arena *arena; // the request's; the writer's from submit to done
    int64_t due_ms;      // by clock_ms()
    /* Called once, on the writer's thread; then the job is the caller's again.
     * `d->no` is a refusal.  What `d` holds lives in the arena. */
    void (*done)(struct reg_job *job, const struct reg_decision *d);
};

struct reg_writer;

struct reg_writer_options {
    const char *bootstrap, *topic; // borrowed
    const struct conf_pairs *properties;
    int64_t timeout_ms; // of one write, before which its outcome is known
    struct reg_rules rules;
    size_t queue;
};

enum err_kind reg_writer_open(struct reg_writer **out, struct reg_tail *t,
                              const struct reg_writer_options *o,
                              struct err *e) MUST_USE;
/* False when too many are waiting: nothing was taken. */
bool reg_writer_submit(struct reg_writer *w, struct reg_job *job);
/* Finishes what waits (refusing it), then ends. */
void reg_writer_close(struct reg_writer *w);
