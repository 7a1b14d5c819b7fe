/*
 * deadline.h - who is due next: one moment for each connection, in order.
 *
 * A binary heap that is lazy in one direction: a deadline moved later, which is what
 * happens all day, costs nothing until its old moment comes round; one moved earlier
 * rises at once.  Moments are clock_ms().
 *
 * Owner: a loop; one thread.
 */
#pragma once

#include "base/mem.h"

struct deadline { // embedded; {0} is not waiting
    int64_t due;
    size_t at; // slot + 1; 0 = not waiting
};

struct deadlines { // {0} is empty
    struct deadline_slot *slots;
    size_t n, cap;
};

void deadline_set(struct deadlines *all, struct deadline *d, int64_t due);
void deadline_drop(struct deadlines *all, struct deadline *d);

/* One that is due at `now`, no longer waiting; NULL when none is. */
struct deadline *deadline_next(struct deadlines *all, int64_t now);

/* Milliseconds to sleep: at most until the first may be due; -1 when none waits. */
int deadline_wait(const struct deadlines *all, int64_t now);
void deadlines_free(struct deadlines *all);
