/*
 * Transactions on the mock cluster, which does not fence: that is tried on a real Kafka
 * (tests/integration/registry_pen_test.py).
 */
#include "base/clock.h"
#include "kafka/mock.h"
#include "kafka/transaction.h"
#include "tests/check.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#define TOPIC "t"

struct catcher {
    struct kf_waiter waiter; // first
    atomic_int good, bad;
};

static void catch_report(struct kf_waiter *w, uint32_t index, const struct kf_report *r)
{
    struct catcher *c = (struct catcher *)w;

    (void)index;
    atomic_fetch_add(r->kind == ERR_OK ? &c->good : &c->bad, 1);
}

static struct kf_mock *mock(void)
{
    struct kf_mock *m = NULL;
    struct err e = {0};

    if (kf_mock_open(&m, 1, &e) != ERR_OK || kf_mock_topic(m, TOPIC, 1, &e) != ERR_OK) {
        printf("Bail out! %s\n", e.msg);
        exit(1);
    }
    return m;
}

static struct kf_producer *open_named(const char *bootstrap)
{
    struct kf_producer *p = NULL;
    struct err e = {0};

    CHECK_INT(kf_transactional_open(&p, bootstrap, NULL, "pen", TOPIC, &e), ERR_OK);
    return p;
}

static void transactions_follow_each_other(void)
{
    struct kf_record records[3] = {0};
    struct catcher c = {.waiter = {catch_report}};
    struct kf_mock *m = mock();
    struct kf_producer *p = open_named(kf_mock_bootstrap(m));
    struct err e = {0};

    for (size_t i = 0; i < 3; i++)
        records[i].key = span_str("k");
    CHECK_INT(kf_take(p, 5000, &e), ERR_OK);
    for (int i = 1; i <= 3; i++) {
        CHECK_INT(kf_begin(p, &e), ERR_OK);
        CHECK_INT(kf_send_batch(p, TOPIC, records, 3, &c.waiter, 0), 0);
        CHECK_INT(kf_commit(p, 5000, &e), ERR_OK);
        CHECK(kf_flush(p, 60000));
        CHECK_INT(c.good, 3 * i);
    }
    CHECK_INT(c.bad, 0);
    kf_producer_close(p);
    kf_mock_close(m);
}

static void out_of_turn_is_an_error_and_not_a_crash(void)
{
    struct kf_mock *m = mock();
    struct kf_producer *p = open_named(kf_mock_bootstrap(m));
    struct err e = {0};

    CHECK(kf_begin(p, &e) != ERR_OK);
    CHECK(kf_commit(p, 1000, &e) != ERR_OK);
    kf_producer_close(p);
    kf_mock_close(m);
}

static struct kf_consumer *of_group(const char *bootstrap, struct conf_pair *group)
{
    struct conf_pairs all = {group, 1};
    struct kf_consumer *c = NULL;
    struct err e = {0};

    CHECK_INT(kf_consumer_assign(&c, bootstrap, &all, TOPIC, 0, KF_BEGINNING, &e),
              ERR_OK);
    return c;
}

static void a_position_is_taken_within_a_transaction_only(void)
{
    struct conf_pair group = {"group.id", "g", false};
    const int64_t next[] = {42};
    int64_t got = 0;
    struct kf_mock *m = mock();
    struct kf_producer *p = open_named(kf_mock_bootstrap(m));
    struct kf_consumer *c = of_group(kf_mock_bootstrap(m), &group);
    struct err e = {0};

    CHECK_INT(kf_consumer_committed(c, TOPIC, 0, &got, 10000, &e), ERR_OK);
    CHECK_INT(got, -1);
    CHECK_INT(kf_take(p, 5000, &e), ERR_OK);
    CHECK_INT(kf_begin(p, &e), ERR_OK);
    CHECK_INT(kf_commit_positions(p, "g", TOPIC, next, 1, 10000, &e), ERR_OK);
    CHECK_INT(kf_commit(p, 10000, &e), ERR_OK);
    // That it is there then is tried on a real Kafka: the mock keeps none of these
    // (tests/integration/aggregate_test.py).
    CHECK(kf_commit_positions(p, "g", TOPIC, next, 1, 1000, &e) != ERR_OK);
    kf_consumer_close(c);
    kf_producer_close(p);
    kf_mock_close(m);
}

static void nobody_there_ends_in_time(void)
{
    struct kf_producer *p = open_named("127.0.0.1:1");
    struct err e = {0};

    CHECK_INT(kf_take(p, 300, &e), ERR_UNAVAILABLE);
    kf_producer_close(p);
}

static void the_name_is_not_the_users_to_set(void)
{
    struct conf_pair row = {"transactional.id", "mine", false};
    struct conf_pairs all = {&row, 1};
    struct kf_producer *p = NULL;
    struct err e = {0};

    CHECK_INT(kf_transactional_open(&p, "127.0.0.1:1", &all, "pen", TOPIC, &e),
              ERR_INVALID);
    CHECK(p == NULL);
}

int main(void)
{
    RUN(transactions_follow_each_other);
    RUN(out_of_turn_is_an_error_and_not_a_crash);
    RUN(a_position_is_taken_within_a_transaction_only);
    RUN(nobody_there_ends_in_time);
    RUN(the_name_is_not_the_users_to_set);
    return REPORT();
}
