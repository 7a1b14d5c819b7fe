/*
 * C11's threads (librdkafka's) on POSIX threads, for the thread sanitizer alone.
 *
 * gcc-12's sanitizer knows pthread_*() only: a thread made with thrd_create() crashes
 * it, and what mtx_lock() guards looks unguarded.  glibc's types are the same
 * underneath; these definitions go before its own in every program that links them.
 */
#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <threads.h>

static_assert(sizeof(mtx_t) >= sizeof(pthread_mutex_t), "mtx_t holds a POSIX mutex");
static_assert(sizeof(cnd_t) >= sizeof(pthread_cond_t), "cnd_t holds a POSIX condition");

struct beginning {
    thrd_start_t run;
    void *arg;
};

static void *begin(void *beginning)
{
    struct beginning b = *(struct beginning *)beginning;

    free(beginning);
    return (void *)(intptr_t)b.run(b.arg);
}

static int answer(int no)
{
    return no == 0 ? thrd_success : thrd_error;
}

int thrd_create(thrd_t *t, thrd_start_t run, void *arg)
{
    struct beginning *b = malloc(sizeof *b);

    *b = (struct beginning){run, arg};
    return answer(pthread_create(t, NULL, begin, b));
}

int thrd_join(thrd_t t, int *result)
{
    void *r = NULL;
    int no = pthread_join(t, &r);

    if (result != NULL)
        *result = (int)(intptr_t)r;
    return answer(no);
}

int thrd_detach(thrd_t t)
{
    return answer(pthread_detach(t));
}

int mtx_init(mtx_t *m, int type)
{
    pthread_mutexattr_t attr;

    pthread_mutexattr_init(&attr);
    if (type & mtx_recursive)
        pthread_mutexattr_settype(&attr, PTHREAD_MUTEX_RECURSIVE);
    int no = pthread_mutex_init((pthread_mutex_t *)m, &attr);
    pthread_mutexattr_destroy(&attr);
    return answer(no);
}

void mtx_destroy(mtx_t *m)
{
    pthread_mutex_destroy((pthread_mutex_t *)m);
}

int mtx_lock(mtx_t *m)
{
    return answer(pthread_mutex_lock((pthread_mutex_t *)m));
}

int mtx_trylock(mtx_t *m)
{
    return pthread_mutex_trylock((pthread_mutex_t *)m) == 0 ? thrd_success : thrd_busy;
}

int mtx_unlock(mtx_t *m)
{
    return answer(pthread_mutex_unlock((pthread_mutex_t *)m));
}

int cnd_init(cnd_t *c)
{
    return answer(pthread_cond_init((pthread_cond_t *)c, NULL));
}

void cnd_destroy(cnd_t *c)
{
    pthread_cond_destroy((pthread_cond_t *)c);
}

int cnd_signal(cnd_t *c)
{
    return answer(pthread_cond_signal((pthread_cond_t *)c));
}

int cnd_broadcast(cnd_t *c)
{
    return answer(pthread_cond_broadcast((pthread_cond_t *)c));
}

int cnd_wait(cnd_t *c, mtx_t *m)
{
    return answer(pthread_cond_wait((pthread_cond_t *)c, (pthread_mutex_t *)m));
}

int cnd_timedwait(cnd_t *restrict c, mtx_t *restrict m,
                  const struct timespec *restrict t)
{
    int no = pthread_cond_timedwait((pthread_cond_t *)c, (pthread_mutex_t *)m, t);
    return no == 0 ? thrd_success : no == ETIMEDOUT ? thrd_timedout : thrd_error;
}
