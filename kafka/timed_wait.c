#include "kafka/timed_wait.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <threads.h>

static _Atomic uint64_t waits;

uint64_t kf_timed_waits(void)
{
    return atomic_load_explicit(&waits, memory_order_relaxed);
}

struct timespec kf_wait_until(const struct timespec *wall, const struct timespec *now,
                              const struct timespec *steady)
{
    int64_t s = steady->tv_sec + (wall->tv_sec - now->tv_sec);
    int64_t ns = steady->tv_nsec + (wall->tv_nsec - now->tv_nsec);

    while (ns < 0) {
        ns += 1000000000;
        s--;
    }
    while (ns >= 1000000000) {
        ns -= 1000000000;
        s++;
    }
    return s < 0 ? (struct timespec){0} : (struct timespec){.tv_sec = s, .tv_nsec = ns};
}

#ifndef __SANITIZE_THREAD__ // tests/tsan_threads.c has one that the sanitizer sees

static_assert(sizeof(cnd_t) >= sizeof(pthread_cond_t), "cnd_t holds a POSIX condition");
static_assert(sizeof(mtx_t) >= sizeof(pthread_mutex_t), "mtx_t holds a POSIX mutex");

/* libc's, for the whole process, by another clock.  glibc's types are the POSIX ones
 * underneath, and its conditions take either clock with each wait. */
__attribute__((visibility("default"))) int cnd_timedwait(
    cnd_t *restrict c, mtx_t *restrict m, const struct timespec *restrict t)
{
    struct timespec now, steady;

    atomic_fetch_add_explicit(&waits, 1, memory_order_relaxed);
    clock_gettime(CLOCK_REALTIME, &now);
    clock_gettime(CLOCK_MONOTONIC, &steady);
    struct timespec until = kf_wait_until(t, &now, &steady);
    int no = pthread_cond_clockwait((pthread_cond_t *)c, (pthread_mutex_t *)m,
                                    CLOCK_MONOTONIC, &until);
    return no == 0 ? thrd_success : no == ETIMEDOUT ? thrd_timedout : thrd_error;
}

#endif
