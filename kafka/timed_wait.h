/*
 * timed_wait.h - librdkafka waits by the clock nobody sets (decision 179).
 *
 * Its threads wait with C11's cnd_timedwait(), which knows the time of day only: after
 * `date -s` an hour back, the thread that sends heartbeats wakes an hour late, and the
 * group has long given its partitions to others.  The program's own cnd_timedwait()
 * takes what is left until then, and waits for so long.
 */
#pragma once

#include <stdint.h>
#include <time.h>

/* When `wall` will be, by the steady clock; both clocks read just now. */
struct timespec kf_wait_until(const struct timespec *wall, const struct timespec *now,
                              const struct timespec *steady);
/* How often somebody waited so, in this process.  Any thread. */
uint64_t kf_timed_waits(void);
