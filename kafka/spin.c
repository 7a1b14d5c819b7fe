#undef _FORTIFY_SOURCE // poll() is defined here: no wrapper around it
#include "kafka/spin.h"

#include <poll.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <time.h>

#define IN_A_ROW 2 // polls that may find nothing before one is patient

static _Thread_local bool sends, fetches; // a producer's broker thread, a consumer's
static _Thread_local int found_nothing;   // polls without patience, in a row
static _Thread_local int look_ms;         // until it is woken
static _Atomic uint64_t sleeps, looks;

uint64_t kf_spin_sleeps(void)
{
    return atomic_load_explicit(&sleeps, memory_order_relaxed);
}

uint64_t kf_spin_looks(void)
{
    return atomic_load_explicit(&looks, memory_order_relaxed);
}

static bool spins(int timeout_ms)
{
    return sends && timeout_ms == 0 && found_nothing >= IN_A_ROW;
}

/* A connection and the pipe by which other threads wake this one. */
static bool oversleeps(nfds_t n, int timeout_ms)
{
    return fetches && n == 2 && timeout_ms > look_ms;
}

/* As if somebody had written to the pipe: a mere time-out would send it to sleep for
 * the rest of its second, by a condition, without an eye on its connection.  It reads
 * until the pipe is empty, and does not wait where it is so from the start. */
static int wake(struct pollfd *fds)
{
    atomic_fetch_add_explicit(&looks, 1, memory_order_relaxed);
    look_ms *= 2;
    fds[1].revents = POLLIN;
    return 1;
}

/*
 * libc's, for the whole process; of a broker thread a little more patient, or less.  A
 * library finds the program's before libc's, and librdkafka was built with
 * _FORTIFY_SOURCE, which makes its calls __poll_chk().
 */
int __poll_chk(struct pollfd *fds, nfds_t n, int timeout_ms, size_t room);

__attribute__((visibility("default"))) int poll(struct pollfd *fds, nfds_t n,
                                                int timeout_ms)
{
    bool woken = oversleeps(n, timeout_ms);
    int wait_ms = woken ? look_ms : timeout_ms;
    struct timespec t = {.tv_sec = wait_ms / 1000,
                         .tv_nsec = wait_ms % 1000 * 1000000L};

    if (spins(timeout_ms)) {
        t.tv_nsec = KF_SPIN_US * 1000L;
        atomic_fetch_add_explicit(&sleeps, 1, memory_order_relaxed);
    }
    int ready = ppoll(fds, n, timeout_ms < 0 ? NULL : &t, NULL);
    found_nothing = timeout_ms == 0 && ready == 0 ? found_nothing + 1 : 0;
    if (ready == 0 && woken)
        return wake(fds);
    if (ready > 0)
        look_ms = KF_LOOK_MS;
    return ready;
}

__attribute__((visibility("default"))) int __poll_chk(struct pollfd *fds, nfds_t n,
                                                      int timeout_ms, size_t room)
{
    if (room / sizeof *fds < n)
        abort(); // as libc does
    return poll(fds, n, timeout_ms);
}

static rd_kafka_resp_err_t on_thread_start(rd_kafka_t *rk, rd_kafka_thread_type_t type,
                                           const char *name, void *opaque)
{
    (void)rk, (void)name, (void)opaque;
    bool consumes = rd_kafka_type(rk) == RD_KAFKA_CONSUMER;

    sends = type == RD_KAFKA_THREAD_BROKER && !consumes;
    fetches = type == RD_KAFKA_THREAD_BROKER && consumes;
    look_ms = KF_LOOK_MS;
    return RD_KAFKA_RESP_ERR_NO_ERROR;
}

static rd_kafka_resp_err_t on_new(rd_kafka_t *rk, const rd_kafka_conf_t *conf,
                                  void *opaque, char *why, size_t n)
{
    (void)conf, (void)opaque, (void)why, (void)n;
    return rd_kafka_interceptor_add_on_thread_start(rk, "spin", on_thread_start, NULL);
}

void kf_spin_stop(rd_kafka_conf_t *conf)
{
    (void)rd_kafka_conf_interceptor_add_on_new(conf, "spin", on_new, NULL);
}
