/*
 * Threads of librdkafka that would spin are seen to sleep, and those that would
 * oversleep to look up; poll() is libc's for all others.
 */
#include "kafka/spin.h"

#include "kafka/consumer.h"
#include "kafka/mock.h"
#include "kafka/producer.h"
#include "tests/check.h"

#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define SLOW_MS 200
#define HALF 20 // more than the five that may be in flight beside others

struct counter {
    struct kf_waiter waiter; // first
    atomic_size_t written, failed;
};

static void count(struct kf_waiter *w, uint32_t index, const struct kf_report *r)
{
    struct counter *c = (struct counter *)w;

    (void)index;
    atomic_fetch_add(r->kind == ERR_OK ? &c->written : &c->failed, 1);
}

static void nap(int ms)
{
    nanosleep(&(struct timespec){.tv_nsec = ms * 1000000L}, NULL);
}

static void send_half(struct kf_producer *p, struct counter *c, uint32_t first)
{
    struct kf_record records[HALF];

    for (size_t i = 0; i < HALF; i++)
        records[i] = (struct kf_record){.value = span_str("x"), .partition = 0};
    CHECK_INT(kf_send_batch(p, "slow", records, HALF, &c->waiter, first), 0);
}

static void a_broker_thread_that_waits_for_an_answer_sleeps(void)
{
    struct counter c = {.waiter.report = count};
    struct kf_producer *p = NULL;
    struct kf_mock *m = NULL;
    struct err e = {0};

    CHECK_INT(kf_mock_open(&m, 1, &e), ERR_OK);
    CHECK_INT(kf_mock_topic(m, "slow", 1, &e), ERR_OK);
    CHECK_INT(kf_producer_open(&p, kf_mock_bootstrap(m), NULL, &e), ERR_OK);
    send_half(p, &c, 0);
    CHECK(kf_flush(p, 60000)); // connected, and with a producer id
    kf_mock_broker_slow(m, 1, SLOW_MS);
    uint64_t before = kf_spin_sleeps();
    size_t sent = HALF;
    // Again where a busy machine did not run its thread between the two.
    for (int i = 0; i < 10 && kf_spin_sleeps() == before; i++) {
        send_half(p, &c, (uint32_t)sent);
        nap(SLOW_MS / 4); // it is on its way: what comes now waits for its answer
        send_half(p, &c, (uint32_t)sent);
        CHECK(kf_flush(p, 60000));
        sent += 2 * HALF;
    }
    CHECK_INT(atomic_load(&c.written), sent);
    CHECK_INT(atomic_load(&c.failed), 0);
    CHECK(kf_spin_sleeps() > before);
    kf_producer_close(p);
    kf_mock_close(m);
}

/* Nobody takes its messages, and it would sleep for a second. */
static void a_broker_thread_whose_queue_is_full_looks_up(void)
{
    struct conf_pair one = {"queued.min.messages", "1", false};
    struct conf_pairs few = {.items = &one, .n = 1};
    struct counter c = {.waiter.report = count};
    struct kf_producer *p = NULL;
    struct kf_consumer *reader = NULL;
    struct kf_mock *m = NULL;
    struct err e = {0};
    uint64_t before = kf_spin_looks();

    CHECK_INT(kf_mock_open(&m, 1, &e), ERR_OK);
    CHECK_INT(kf_mock_topic(m, "slow", 1, &e), ERR_OK);
    CHECK_INT(kf_producer_open(&p, kf_mock_bootstrap(m), NULL, &e), ERR_OK);
    send_half(p, &c, 0);
    CHECK(kf_flush(p, 60000));
    CHECK(kf_spin_looks() == before); // producers' are not woken
    CHECK_INT(kf_consumer_assign(&reader, kf_mock_bootstrap(m), &few, "slow", 0, 0, &e),
              ERR_OK);
    for (int i = 0; i < 400 && kf_spin_looks() < before + 5; i++)
        nap(50);
    CHECK(kf_spin_looks() >= before + 5);
    int64_t wanted = 0;
    for (int i = 0; i < 400 && wanted < HALF; i++) { // and no harm is done
        struct kf_message got_one;
        struct kf_end end;
        bool got;

        CHECK_INT(kf_poll(reader, 50, &got_one, &got, &end, &e), ERR_OK);
        if (!got)
            continue;
        CHECK_INT(got_one.offset, wanted++);
        kf_message_free(&got_one);
    }
    CHECK_INT(wanted, HALF);
    kf_consumer_close(reader);
    kf_producer_close(p);
    kf_mock_close(m);
}

static void poll_says_what_libc_says(void)
{
    uint64_t before = kf_spin_sleeps();
    int ends[2];

    CHECK_INT(pipe(ends), 0);
    struct pollfd p = {.fd = ends[0], .events = POLLIN};
    for (int i = 0; i < 10; i++)
        CHECK_INT(poll(&p, 1, 0), 0);
    CHECK_INT(poll(&p, 1, 1), 0);
    CHECK_INT(write(ends[1], "x", 1), 1);
    CHECK_INT(poll(&p, 1, -1), 1);
    CHECK_INT(p.revents, POLLIN);
    CHECK_INT(poll(&p, 1, 1500), 1);
    close(ends[0]);
    close(ends[1]);
    CHECK_INT(poll(&p, 1, 0), 1);
    CHECK_INT(p.revents, POLLNVAL);
    CHECK(kf_spin_sleeps() == before); // this thread is nobody's broker
}

int main(void)
{
    RUN(poll_says_what_libc_says);
    RUN(a_broker_thread_that_waits_for_an_answer_sleeps);
    RUN(a_broker_thread_whose_queue_is_full_looks_up);
    return REPORT();
}
