/*
 * share.h - what is in flight, whose it is, and how much of the whole one may have.
 *
 *      budget  |#### greedy ####|## others ##|........ free ........|
 *
 * Requests, records and bytes each have a budget.  One principal may have `percent` of
 * it when alone, and less the fuller it is: what it has may not grow past
 * percent/(100-percent) times what is free (dynamic thresholds; Choudhury and Hahne,
 * "Dynamic queue length thresholds for shared-memory packet switches", 1998).  So
 * whoever takes all it can get leaves room, and who comes second finds it; nobody is
 * told a fixed part, and nothing has to know how many there are.  Who has nothing in
 * flight is let in while anything is free, however large his first request is.
 *
 * One lock, held for a look-up.  Any thread.
 */
#pragma once

#include "base/span.h"
#include "base/tab.h"

#include <pthread.h>

enum share_of { SHARE_REQUESTS, SHARE_RECORDS, SHARE_BYTES };
#define SHARE_KINDS 3
/* So many of one kind, for what wants a number of each. */
#define SHARE_ONLY(what_, n_) ((const size_t[SHARE_KINDS]){[what_] = (n_)})

struct share_limits {
    size_t most[SHARE_KINDS];
    int percent; // of each, for one alone; 100: all of it, whoever else waits
};

struct account { // of one principal, as long as it has requests
    size_t used[SHARE_KINDS];
    struct span name;
};

struct shares {
    struct share_limits limits;
    pthread_mutex_t lock;
    // under lock
    struct tab accounts; // name -> struct account
    size_t used[SHARE_KINDS];
};

enum share_verdict {
    SHARE_GIVEN,
    SHARE_FULL, // there is no more, for anybody
    SHARE_OVER, // there is, for others
};

void shares_init(struct shares *s, const struct share_limits *lim);
void shares_free(struct shares *s);

/* One more request of `name`, with so many `bytes`; *out is its account until
 * shares_leave().  Where it is not let in, *missing says for want of what. */
enum share_verdict shares_enter(struct shares *s, struct span name, size_t bytes,
                                struct account **out, enum share_of *missing);
/* The request, and what bytes it has still. */
void shares_leave(struct shares *s, struct account *a, size_t bytes);

/* All of these, or nothing. */
enum share_verdict shares_take(struct shares *s, struct account *a,
                               const size_t n[SHARE_KINDS], enum share_of *missing);
void shares_give(struct shares *s, struct account *a, const size_t n[SHARE_KINDS]);

/* What all have in flight. */
size_t shares_used(struct shares *s, enum share_of what);
/* How many principals have something in flight. */
size_t shares_accounts(struct shares *s);
