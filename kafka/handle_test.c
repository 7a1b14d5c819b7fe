/*
 * Where records without a key go, and how long a handle is kept: against the mock
 * cluster.
 */
#include "base/clock.h"
#include "kafka/mock.h"
#include "kafka/producer_inside.h"
#include "tests/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define PARTITIONS 4
#define BATCH 300 // more than one chunk
#define BATCHES 40

/* How many of the records reported lie in each partition. */
struct places {
    struct kf_waiter waiter; // first
    atomic_size_t in[PARTITIONS];
    atomic_size_t failed;
};

static void note_place(struct kf_waiter *w, uint32_t index, const struct kf_report *r)
{
    struct places *all = (struct places *)w;

    (void)index;
    if (r->kind == ERR_OK && r->partition >= 0 && r->partition < PARTITIONS)
        atomic_fetch_add(&all->in[r->partition], 1);
    else
        atomic_fetch_add(&all->failed, 1);
}

static void nap(int ms)
{
    nanosleep(&(struct timespec){.tv_nsec = ms * 1000000L}, NULL);
}

static struct kf_mock *open_mock(void)
{
    struct kf_mock *m = NULL;
    struct err e = {0};

    if (kf_mock_open(&m, 1, &e) != ERR_OK ||
        kf_mock_topic(m, "t", PARTITIONS, &e) != ERR_OK) {
        printf("Bail out! %s\n", e.msg);
        exit(1);
    }
    return m;
}

static struct kf_producer *open_producer(struct kf_mock *m, const char *name,
                                         const char *value)
{
    struct conf_pair pair = {name, value, false};
    const struct conf_pairs pairs = {.items = &pair, .n = name != NULL};
    struct kf_producer *p = NULL;
    struct err e = {0};

    if (kf_producer_open(&p, kf_mock_bootstrap(m), &pairs, &e) != ERR_OK) {
        printf("Bail out! %s\n", e.msg);
        exit(1);
    }
    return p;
}

static void send_batch(struct kf_producer *p, struct places *all, size_t n,
                       const struct kf_record *one)
{
    static struct kf_record records[BATCH];

    for (size_t i = 0; i < n; i++)
        records[i] = *one;
    *all = (struct places){.waiter.report = note_place};
    CHECK_INT(kf_send_batch(p, "t", records, n, &all->waiter, 0), 0);
    CHECK(kf_flush(p, 60000));
    CHECK_INT(all->failed, 0);
}

static const struct kf_record keyless = {.value = {(const uint8_t *)"v", 1},
                                         .partition = -1};

static size_t count_used(const struct places *all)
{
    size_t n = 0;

    for (size_t i = 0; i < PARTITIONS; i++)
        n += all->in[i] > 0;
    return n;
}

static void records_without_a_key_stay_together_and_then_move_on(void)
{
    struct kf_mock *m = open_mock();
    struct kf_producer *p = open_producer(m, NULL, NULL);
    struct places all;
    bool used[PARTITIONS] = {false};
    size_t n = 0;

    send_batch(p, &all, 1, &keyless); // the topic is known from here on
    for (size_t b = 0; b < BATCHES; b++) {
        send_batch(p, &all, BATCH, &keyless);
        CHECK(count_used(&all) <= 2); // its time may have been over between two chunks
        for (size_t i = 0; i < PARTITIONS; i++)
            used[i] |= all.in[i] > 0;
        nap(12); // longer than one partition is kept
    }
    for (size_t i = 0; i < PARTITIONS; i++)
        n += used[i];
    CHECK(n > 1);
    kf_producer_close(p);
    kf_mock_close(m);
}

static void a_partition_that_was_asked_for_is_taken(void)
{
    struct kf_mock *m = open_mock();
    struct kf_producer *p = open_producer(m, NULL, NULL);
    struct kf_record r = keyless;
    struct places all;

    for (int32_t to = 0; to < PARTITIONS; to++) {
        r.partition = to;
        send_batch(p, &all, BATCH, &r);
        CHECK_INT(all.in[to], BATCH);
    }
    kf_producer_close(p);
    kf_mock_close(m);
}

static int32_t remembered(struct kf_producer *p)
{
    struct kf_handle *h = kf_handle_take(&p->handles, p->rk, "t", clock_us());
    int32_t partition = kf_handle_partition(h, 0); // at no time is its time over

    kf_handle_give(&p->handles, h);
    return partition;
}

static void whoever_sets_the_partitioner_gets_librdkafkas(void)
{
    static const char *const set[][2] = {{"partitioner", "consistent_random"},
                                         {"sticky.partitioning.linger.ms", "100"}};
    struct kf_mock *m = open_mock();
    struct places all;

    for (size_t i = 0; i < 2; i++) {
        struct kf_producer *p = open_producer(m, set[i][0], set[i][1]);
        send_batch(p, &all, 1, &keyless);
        send_batch(p, &all, BATCH, &keyless);
        CHECK_INT(all.in[0] + all.in[1] + all.in[2] + all.in[3], BATCH);
        CHECK_INT(remembered(p), -1);
        kf_producer_close(p);
    }
    struct kf_producer *p = open_producer(m, NULL, NULL);
    send_batch(p, &all, 1, &keyless);
    send_batch(p, &all, 1, &keyless);
    CHECK(remembered(p) >= 0);
    kf_producer_close(p);
    kf_mock_close(m);
}

/* A handle that saw its topic go would refuse until librdkafka's next look around. */
static void a_topic_that_comes_back_is_found_at_once(void)
{
    struct kf_mock *m = open_mock();
    struct kf_producer *p = open_producer(m, NULL, NULL);
    struct places all = {.waiter.report = note_place};

    send_batch(p, &all, BATCH, &keyless);
    struct kf_handle *h = kf_handle_take(&p->handles, p->rk, "t", clock_us());
    CHECK(h->rkt != NULL);
    kf_handle_doubt(&p->handles, "t");
    CHECK(h->rkt != NULL); // somebody has it
    kf_handle_give(&p->handles, h);
    CHECK(h->rkt == NULL);
    CHECK_INT(kf_handle_partition(h, 0), -1);
    send_batch(p, &all, BATCH, &keyless);
    CHECK(h->rkt != NULL);
    kf_handle_doubt(&p->handles, "t");
    CHECK(h->rkt == NULL); // nobody had it
    kf_handle_doubt(&p->handles, "never heard of");
    kf_producer_close(p);
    kf_mock_close(m);
}

static void what_nobody_used_for_a_while_is_asked_for_again(void)
{
    struct kf_mock *m = open_mock();
    struct kf_producer *p = open_producer(m, NULL, NULL);
    struct places all;

    send_batch(p, &all, BATCH, &keyless);
    struct kf_handle *h = kf_handle_take(&p->handles, p->rk, "t", clock_us());
    atomic_store(&h->until_us, INT64_MAX); // would be forgotten with the handle
    kf_handle_give(&p->handles, h);
    CHECK(kf_handle_take(&p->handles, p->rk, "t", clock_us()) == h);
    CHECK_INT(atomic_load(&h->until_us), INT64_MAX);
    kf_handle_give(&p->handles, h);
    CHECK(kf_handle_take(&p->handles, p->rk, "t", clock_us() + 2000000) == h);
    CHECK_INT(atomic_load(&h->until_us), 0);
    kf_handle_give(&p->handles, h);
    kf_producer_close(p);
    kf_mock_close(m);
}

int main(void)
{
    RUN(records_without_a_key_stay_together_and_then_move_on);
    RUN(a_partition_that_was_asked_for_is_taken);
    RUN(whoever_sets_the_partitioner_gets_librdkafkas);
    RUN(a_topic_that_comes_back_is_found_at_once);
    RUN(what_nobody_used_for_a_while_is_asked_for_again);
    return REPORT();
}
