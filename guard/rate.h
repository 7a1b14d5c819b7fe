/*
 * rate.h - token buckets, one for each name: so many a second, so many at once.
 *
 *      tokens  burst |‾‾\            each call takes one; one comes back every so
 * often, |    \__/‾‾     and there are never more than `burst` 0 |____________
 *
 * A bucket is one number, the time at which it will be full again (GCRA, ITU-T I.371):
 * a name never seen is a full bucket and costs nothing.  Names are kept as 64 bits of a
 * hash under a secret of this process.  There are RATE_BUCKETS of them and no more,
 * 1 MiB: when more names than that are busy, the one nearest to full is forgotten, so
 * that who has spent most is remembered longest.  Any thread.
 */
#pragma once

#include "base/span.h"

#include <pthread.h>

#define RATE_BUCKETS (1 << 16)

struct rate_rule {
    int64_t every_ns; // a token comes back
    int64_t burst;    // tokens in a full bucket, from 1
};

/* `per_second` tokens, more than 0; `burst` 0: as many as come in a second. */
struct rate_rule rate_rule_of(double per_second, int64_t burst);

struct rate_bucket {
    uint64_t name;   // 0: none
    int64_t full_ns; // when it is full; before now: it is
};

struct rate {
    uint64_t secret; // constant
    pthread_mutex_t lock;
    struct rate_bucket *buckets; // under lock; NULL until the first spends
};

void rate_init(struct rate *r);
void rate_free(struct rate *r);

/* Nanoseconds until there is a token for `name`; 0: there is one. */
int64_t rate_wait(struct rate *r, const struct rate_rule *rule, struct span name,
                  int64_t now_ns);

/* Takes one, also where there is none: then the wait is the longer. */
void rate_spend(struct rate *r, const struct rate_rule *rule, struct span name,
                int64_t now_ns);

/* Takes one if there is one and says 0; else nanoseconds until there is. */
int64_t rate_take(struct rate *r, const struct rate_rule *rule, struct span name,
                  int64_t now_ns);

/* For Retry-After: whole seconds, at least 1. */
int rate_seconds(int64_t wait_ns);
