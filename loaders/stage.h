/*
 * stage.h - the decisions of staging exactly once.  Pure: outcomes in, actions out.
 *
 *      LOOK --claim there--> SETTLE --> READY          F1: finish the newest claim
 *        '----none------------------------^
 *      READY --sealed--> WRITE --> CLAIM --> FINISH --> KEPT       F2, F3, F4: ours
 *                                    '--exists--> DISCARD --> YIELD --> LOST
 *
 * Whoever runs it does what stage_action() says, tells the outcome to stage_next(), and
 * may die between any two: a new one begins at LOOK.  An outcome of ERR_UNAVAILABLE
 * never moves it: the same action again finds out.  loaders/stage_test.c runs it
 * against crashes, zombies and lost answers.
 *
 * Source: failure-model.md, section 4.  No thread of its own.
 */
#pragma once

#include "base/err.h"

#include <stdint.h>

enum stage_phase {
    STAGE_LOOK,    // list the claims, read the newest
    STAGE_SETTLE,  // finish the newest claim, whoever made it
    STAGE_READY,   // gather; stage_seal() when there is a range
    STAGE_WRITE,   // write the range's files privately
    STAGE_CLAIM,   // claim the range
    STAGE_FINISH,  // our files to their final names
    STAGE_KEPT,    // the range is durable and visible; stage_again()
    STAGE_DISCARD, // somebody has the range: our private files away
    STAGE_YIELD,   // ... and theirs finished
    STAGE_LOST,    // what was gathered is of no use: read again from `next`
    STAGE_STOPPED, // a person must look
};

struct stage {
    enum stage_phase phase;
    int64_t next;        // the offset the next claim begins with
    int64_t first, last; // the range that is being staged, or somebody else's
};

/* What a look or a lost claim found: the newest claim's range; `last` < 0 = none.
 * `done`: its files were taken on already, and there is nothing to finish. */
struct stage_found {
    int64_t first, last;
    bool done;
};

struct stage stage_begin(void);
/* READY: [next, last] is to be staged. */
void stage_seal(struct stage *s, int64_t last);
/* How the action of this phase ended.  `found` with STAGE_LOOK's ERR_OK and
 * STAGE_CLAIM's ERR_CONFLICT.  `low` is where a partition without any claim begins. */
void stage_next(struct stage *s, enum err_kind outcome, const struct stage_found *found,
                int64_t low);
/* KEPT, LOST: ready for the next range. */
void stage_again(struct stage *s);
