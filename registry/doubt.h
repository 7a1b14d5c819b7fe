/*
 * doubt.h - what became of a write nobody knows the outcome of.
 *
 * Its answer was lost, or the pen was at the commit.  Behind the next fence nothing of
 * a former holder can come any more: what was to be done is so there, or was not done
 * and never will be.  Pure; tried with every fault in pen_sim_test.c.
 */
#pragma once

#include "registry/decide.h"

enum reg_doubt {
    REG_SURE,
    REG_DOUBT_OURS,      // what `before` decided may have been written by us
    REG_DOUBT_ELSEWHERE, // it, or what the holder decided, by the holder
};

enum reg_settled {
    REG_AGAIN,      // not done: to be decided again
    REG_DONE,       // `before` is its answer
    REG_UNKNOWABLE, // by the state: may have been done, must not be done twice
};

/* `s` lies behind a newer fence than the one under which the doubt arose. */
enum reg_settled reg_settle(enum reg_doubt doubt, const struct reg_state *s,
                            const struct reg_command *c,
                            const struct reg_decision *before);
