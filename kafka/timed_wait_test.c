/* librdkafka's waits are found to go by the steady clock; tests/integration/
 * loader_clock_test.py sets the other one. */
#include "kafka/timed_wait.h"

#include "kafka/mock.h"
#include "kafka/producer.h"
#include "tests/check.h"

#include <stdlib.h>
#include <threads.h>

#define SECOND INT64_C(1000000000)

static int64_t until(int64_t wall, int64_t now, int64_t steady)
{
    struct timespec t[3];
    const int64_t ns[] = {wall, now, steady};

    for (int i = 0; i < 3; i++)
        t[i] = (struct timespec){.tv_sec = ns[i] / SECOND, .tv_nsec = ns[i] % SECOND};
    struct timespec u = kf_wait_until(&t[0], &t[1], &t[2]);
    CHECK(u.tv_nsec >= 0 && u.tv_nsec < SECOND);
    return u.tv_sec * SECOND + u.tv_nsec;
}

static void what_is_left_is_counted_from_the_steady_clock(void)
{
    int64_t wall = 1795309471 * SECOND, steady = 4711 * SECOND;

    CHECK_INT(until(wall + 7, wall, steady), steady + 7);
    CHECK_INT(until(wall + SECOND - 1, wall + 1, steady + 3), steady + SECOND + 1);
    CHECK_INT(until(wall + SECOND, wall + SECOND - 1, steady + SECOND - 1),
              steady + SECOND);
    CHECK_INT(until(wall, wall + 1, steady), steady - 1); // it was before: no wait
    CHECK_INT(until(0, wall, steady), 0);                 // long before
    CHECK_INT(until(wall + 86400 * SECOND, wall, steady), steady + 86400 * SECOND);
}

static int64_t steady_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * SECOND + t.tv_nsec;
}

static void a_wait_lasts_until_then_and_not_longer(void)
{
    struct timespec t;
    mtx_t m;
    cnd_t c;

    CHECK_INT(mtx_init(&m, mtx_plain), thrd_success);
    CHECK_INT(cnd_init(&c), thrd_success);
    CHECK_INT(mtx_lock(&m), thrd_success);
    timespec_get(&t, TIME_UTC);
    CHECK_INT(cnd_timedwait(&c, &m, &t), thrd_timedout);
    int64_t began = steady_ns();
    timespec_get(&t, TIME_UTC);
    t.tv_sec++;
    int rc;
    while ((rc = cnd_timedwait(&c, &m, &t)) == thrd_success) {
    } // as POSIX allows
    CHECK_INT(rc, thrd_timedout);
    CHECK(steady_ns() - began > SECOND * 9 / 10);
    mtx_unlock(&m);
    cnd_destroy(&c);
    mtx_destroy(&m);
}

#ifndef __SANITIZE_THREAD__
static void librdkafka_waits_so(void)
{
    struct kf_producer *p = NULL;
    struct kf_mock *m = NULL;
    struct err e = {0};
    uint64_t before = kf_timed_waits();

    CHECK_INT(kf_mock_open(&m, 1, &e), ERR_OK);
    CHECK_INT(kf_producer_open(&p, kf_mock_bootstrap(m), NULL, &e), ERR_OK);
    CHECK(kf_flush(p, 60000));
    for (int i = 0; i < 100 && kf_timed_waits() == before; i++)
        nanosleep(&(struct timespec){.tv_nsec = SECOND / 20}, NULL);
    CHECK(kf_timed_waits() > before);
    kf_producer_close(p);
    kf_mock_close(m);
}
#endif

int main(void)
{
    RUN(what_is_left_is_counted_from_the_steady_clock);
    RUN(a_wait_lasts_until_then_and_not_longer);
#ifndef __SANITIZE_THREAD__
    RUN(librdkafka_waits_so);
#endif
    return REPORT();
}
