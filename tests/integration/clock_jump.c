/*
 * clock_jump.so - a wall clock that jumps, under a program that knows nothing of it.
 *
 *      CLOCK_JUMP=FILE LD_PRELOAD=clock_jump.so program
 *
 * FILE holds one int64_t: nanoseconds that CLOCK_REALTIME is off.  It is mapped:
 * whoever writes there sets the clock of every thread at once, as `date -s` does.
 * Monotonic clocks, files' times and everybody else's clocks stay as they are.
 *
 * A wait until a time of day ends when the clock that jumps says so, as the kernel's
 * do: early after a jump ahead, late after one back.  So such a wait is cut into
 * pieces; between them its caller sees a wake-up without a reason, which POSIX allows
 * at any time, and asks again.
 *
 * For tests, on glibc.  Any thread.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <threads.h>
#include <unistd.h>

#define SECOND INT64_C(1000000000)
#define PIECE (SECOND / 20)
#define TIME_OF_DAY 1000000000 // s: less was before 2001, and is a monotonic clock's

static const _Atomic int64_t *jump;
static int (*wait_by)(pthread_cond_t *, pthread_mutex_t *, clockid_t,
                      const struct timespec *); // libc's own

__attribute__((constructor)) static void begin(void)
{
    const char *name = getenv("CLOCK_JUMP");
    int fd = name == NULL ? -1 : open(name, O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        abort(); // a test that is not what it says
    void *at = mmap(NULL, sizeof *jump, PROT_READ, MAP_SHARED, fd, 0);
    if (at == MAP_FAILED)
        abort();
    close(fd);
    jump = at;
    *(void **)&wait_by = dlsym(RTLD_NEXT, "pthread_cond_clockwait");
}

static int64_t off(void)
{
    return jump == NULL ? 0 : atomic_load(jump); // NULL: before we were asked in
}

static int64_t ns_of(const struct timespec *t)
{
    return t->tv_sec * SECOND + t->tv_nsec;
}

static struct timespec of_ns(int64_t ns)
{
    return (struct timespec){.tv_sec = ns / SECOND, .tv_nsec = ns % SECOND};
}

static int64_t read_clock(clockid_t which)
{
    struct timespec t;

    syscall(SYS_clock_gettime, which, &t);
    return ns_of(&t);
}

static int64_t now(void)
{
    return read_clock(CLOCK_REALTIME) + off();
}

/* --- what time it is -------------------------------------------------------------- */

int clock_gettime(clockid_t which, struct timespec *t)
{
    int rc = (int)syscall(SYS_clock_gettime, which, t);

    if (rc == 0 && (which == CLOCK_REALTIME || which == CLOCK_REALTIME_COARSE))
        *t = of_ns(ns_of(t) + off());
    return rc;
}

int gettimeofday(struct timeval *restrict t, void *restrict zone)
{
    int64_t ns = now();

    (void)zone;
    *t = (struct timeval){.tv_sec = ns / SECOND, .tv_usec = ns % SECOND / 1000};
    return 0;
}

time_t time(time_t *out)
{
    time_t t = (time_t)(now() / SECOND);

    if (out != NULL)
        *out = t;
    return t;
}

int timespec_get(struct timespec *t, int base)
{
    if (base != TIME_UTC)
        return 0;
    *t = of_ns(now());
    return base;
}

/* --- waiting until then ----------------------------------------------------------- */

static int wait_by_jumping(pthread_cond_t *c, pthread_mutex_t *m,
                           const struct timespec *t)
{
    int64_t left = ns_of(t) - now();
    int64_t piece = left < 0 ? 0 : left > PIECE ? PIECE : left;
    struct timespec until = of_ns(read_clock(CLOCK_MONOTONIC) + piece);

    int rc = wait_by(c, m, CLOCK_MONOTONIC, &until);
    return rc == ETIMEDOUT && now() < ns_of(t) ? 0 : rc;
}

int pthread_cond_timedwait(pthread_cond_t *restrict c, pthread_mutex_t *restrict m,
                           const struct timespec *restrict t)
{
    return t->tv_sec < TIME_OF_DAY ? wait_by(c, m, CLOCK_MONOTONIC, t)
                                   : wait_by_jumping(c, m, t);
}

int pthread_cond_clockwait(pthread_cond_t *restrict c, pthread_mutex_t *restrict m,
                           clockid_t which, const struct timespec *restrict t)
{
    return which == CLOCK_REALTIME ? wait_by_jumping(c, m, t) : wait_by(c, m, which, t);
}

int cnd_timedwait(cnd_t *restrict c, mtx_t *restrict m,
                  const struct timespec *restrict t)
{
    int rc = pthread_cond_timedwait((pthread_cond_t *)c, (pthread_mutex_t *)m, t);

    return rc == 0 ? thrd_success : rc == ETIMEDOUT ? thrd_timedout : thrd_error;
}

/* These have no wake-ups without a reason: looked at again and again. */
int pthread_mutex_timedlock(pthread_mutex_t *restrict m,
                            const struct timespec *restrict t)
{
    int rc;

    while ((rc = pthread_mutex_trylock(m)) == EBUSY && now() < ns_of(t))
        usleep(1000);
    return rc == EBUSY ? ETIMEDOUT : rc;
}

int sem_timedwait(sem_t *restrict s, const struct timespec *restrict t)
{
    int rc;

    while ((rc = sem_trywait(s)) != 0 && errno == EAGAIN && now() < ns_of(t))
        usleep(1000);
    if (rc != 0 && errno == EAGAIN)
        errno = ETIMEDOUT;
    return rc;
}
