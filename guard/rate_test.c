#include "guard/rate.h"

#include "tests/check.h"

#include <stdio.h>

#define MS INT64_C(1000000)
#define NOW (INT64_C(5000) * MS)

static const struct rate_rule ten = {100 * MS, 3}; // ten a second, three at once

static void so_many_at_once_then_as_they_come(void)
{
    struct span a = span_str("alice");
    struct rate r;

    rate_init(&r);
    for (int i = 0; i < 3; i++)
        CHECK_INT(rate_take(&r, &ten, a, NOW), 0);
    CHECK_INT(rate_take(&r, &ten, a, NOW), 100 * MS);
    CHECK_INT(rate_take(&r, &ten, a, NOW + 60 * MS), 40 * MS);
    CHECK_INT(rate_take(&r, &ten, a, NOW + 100 * MS), 0);
    CHECK_INT(rate_take(&r, &ten, a, NOW + 100 * MS), 100 * MS);
    rate_free(&r);
}

static void a_pause_gives_back_the_burst_and_no_more(void)
{
    struct span a = span_str("alice");
    struct rate r;
    int taken = 0;

    rate_init(&r);
    for (int i = 0; i < 3; i++)
        CHECK_INT(rate_take(&r, &ten, a, NOW), 0);
    while (rate_take(&r, &ten, a, NOW + 3600000 * MS) == 0)
        taken++;
    CHECK_INT(taken, 3);
    rate_free(&r);
}

static void over_a_long_time_it_is_the_rate(void)
{
    struct span a = span_str("alice");
    struct rate r;
    int taken = 0;

    rate_init(&r);
    for (int64_t t = 0; t < 100000; t += 7) // 100 s, somebody who never stops asking
        taken += rate_take(&r, &ten, a, NOW + t * MS) == 0;
    CHECK_INT(taken, 1002);
    rate_free(&r);
}

static void one_does_not_pay_for_another(void)
{
    struct rate r;

    rate_init(&r);
    while (rate_take(&r, &ten, span_str("alice"), NOW) == 0)
        ;
    CHECK_INT(rate_take(&r, &ten, span_str("bob"), NOW), 0);
    CHECK_INT(rate_wait(&r, &ten, span_str("carol"), NOW), 0);
    CHECK(rate_wait(&r, &ten, span_str("alice"), NOW) > 0);
    rate_free(&r);
}

static void what_is_spent_without_a_token_is_waited_for(void)
{
    struct span a = span_str("alice");
    struct rate r;

    rate_init(&r);
    for (int i = 0; i < 10; i++)
        rate_spend(&r, &ten, a, NOW);
    CHECK_INT(rate_wait(&r, &ten, a, NOW), 800 * MS);
    CHECK_INT(rate_wait(&r, &ten, a, NOW + 800 * MS), 0);
    rate_free(&r);
}

/* A flood of names may cost those who have spent little their place, not the one who
 * has spent most. */
static void a_flood_of_names_does_not_make_the_worst_forgotten(void)
{
    struct span a = span_str("alice");
    char name[24];
    struct rate r;

    rate_init(&r);
    for (int i = 0; i < 10; i++)
        rate_spend(&r, &ten, a, NOW);
    for (int i = 0; i < 3 * RATE_BUCKETS; i++) {
        snprintf(name, sizeof name, "stranger %d", i);
        rate_spend(&r, &ten, span_str(name), NOW);
    }
    CHECK_INT(rate_wait(&r, &ten, a, NOW), 800 * MS);
    rate_free(&r);
}

static void rules_are_made_of_what_people_write(void)
{
    static const struct {
        double per_second;
        int64_t burst;
        struct rate_rule want;
    } rows[] = {
        {10, 0, {100 * MS, 10}},       {10, 3, {100 * MS, 3}}, {0.5, 0, {2000 * MS, 1}},
        {1000000, 0, {1000, 1000000}}, {1e12, 1, {1, 1}},
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct rate_rule got = rate_rule_of(rows[i].per_second, rows[i].burst);
        CHECK_INT(got.every_ns, rows[i].want.every_ns);
        CHECK_INT(got.burst, rows[i].want.burst);
    }
}

static void seconds_are_whole_and_never_none(void)
{
    CHECK_INT(rate_seconds(1), 1);
    CHECK_INT(rate_seconds(1000 * MS), 1);
    CHECK_INT(rate_seconds(1000 * MS + 1), 2);
    CHECK_INT(rate_seconds(INT64_MAX / 2), 2147483647);
}

int main(void)
{
    RUN(so_many_at_once_then_as_they_come);
    RUN(a_pause_gives_back_the_burst_and_no_more);
    RUN(over_a_long_time_it_is_the_rate);
    RUN(one_does_not_pay_for_another);
    RUN(what_is_spent_without_a_token_is_waited_for);
    RUN(a_flood_of_names_does_not_make_the_worst_forgotten);
    RUN(rules_are_made_of_what_people_write);
    RUN(seconds_are_whole_and_never_none);
    return REPORT();
}
