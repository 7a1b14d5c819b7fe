#include "gateway/share.h"

#include "tests/check.h"

static const struct share_limits limits = {.most = {100, 1000, 1 << 20}, .percent = 80};
static enum share_of missing;

static size_t fill(struct shares *s, const char *name, struct account **out,
                   size_t most)
{
    size_t n = 0;

    while (n < most &&
           shares_enter(s, span_str(name), 0, &out[n], &missing) == SHARE_GIVEN)
        n++;
    return n;
}

static void leave(struct shares *s, struct account **all, size_t n)
{
    for (size_t i = 0; i < n; i++)
        shares_leave(s, all[i], 0);
}

static void one_alone_has_its_percent(void)
{
    struct account *all[200], *other;
    struct shares s;

    shares_init(&s, &limits);
    size_t n = fill(&s, "greedy", all, 200);
    CHECK_INT(n, 80);
    CHECK_INT(shares_enter(&s, span_str("greedy"), 0, &other, &missing), SHARE_OVER);
    leave(&s, all, n);
    CHECK_INT(shares_used(&s, SHARE_REQUESTS), 0);
    CHECK_INT(shares_accounts(&s), 0);
    shares_free(&s);
}

static void who_comes_second_finds_room_and_the_first_has_to_give(void)
{
    struct account *greedy[200], *modest[200], *other;
    struct shares s;

    shares_init(&s, &limits);
    size_t n = fill(&s, "greedy", greedy, 200);
    size_t m = fill(&s, "modest", modest, 200);
    CHECK_INT(m, 16); // four times what would then be left
    CHECK_INT(shares_enter(&s, span_str("greedy"), 0, &other, &missing), SHARE_OVER);
    for (int round = 0; round < 40; round++) { // one of each ends, both come back
        shares_leave(&s, greedy[--n], 0);
        if (shares_enter(&s, span_str("modest"), 0, &modest[m], &missing) ==
            SHARE_GIVEN)
            m++;
        if (shares_enter(&s, span_str("greedy"), 0, &greedy[n], &missing) ==
            SHARE_GIVEN)
            n++;
    }
    CHECK(n > 40 && n < 48); // each 4/9 of the whole
    CHECK(m > 40 && m < 48);
    leave(&s, greedy, n);
    leave(&s, modest, m);
    shares_free(&s);
}

static void a_hundred_greedy_ones_leave_room_for_the_next(void)
{
    static struct account *all[100];
    struct account *a, *next;
    struct shares s;
    struct share_limits many = limits;
    size_t n = 0;
    char name[24];

    many.most[SHARE_REQUESTS] = 100000;
    shares_init(&s, &many);
    for (int i = 0; i < 100; i++) {
        snprintf(name, sizeof name, "greedy%d", i);
        CHECK_INT(shares_enter(&s, span_str(name), 0, &all[i], &missing), SHARE_GIVEN);
    }
    for (bool any = true; any;) { // everybody takes turns until nobody gets any
        any = false;
        for (int i = 0; i < 100; i++)
            if (shares_enter(&s, all[i]->name, 0, &a, &missing) == SHARE_GIVEN) {
                any = true;
                n++;
            }
    }
    CHECK(shares_used(&s, SHARE_REQUESTS) < 100000);
    CHECK_INT(shares_enter(&s, span_str("next"), 0, &next, &missing), SHARE_GIVEN);
    shares_leave(&s, next, 0);
    for (size_t i = 0; i < 100; i++)
        for (size_t left = all[i]->used[SHARE_REQUESTS]; left > 0; left--)
            shares_leave(&s, all[i], 0);
    shares_free(&s);
}

static void a_first_request_may_be_larger_than_what_is_free(void)
{
    struct account *greedy, *modest;
    struct shares s;

    shares_init(&s, &limits);
    CHECK_INT(shares_enter(&s, span_str("greedy"), 0, &greedy, &missing), SHARE_GIVEN);
    CHECK_INT(shares_enter(&s, span_str("modest"), 0, &modest, &missing), SHARE_GIVEN);
    CHECK_INT(shares_take(&s, greedy, SHARE_ONLY(SHARE_BYTES, 800 << 10), &missing),
              SHARE_GIVEN);
    CHECK_INT(shares_take(&s, greedy, SHARE_ONLY(SHARE_BYTES, 800 << 10), &missing),
              SHARE_FULL);
    CHECK_INT(shares_take(&s, modest, SHARE_ONLY(SHARE_BYTES, 4 << 20), &missing),
              SHARE_GIVEN);
    CHECK_INT(shares_take(&s, modest, SHARE_ONLY(SHARE_BYTES, 1), &missing),
              SHARE_FULL);
    CHECK_INT(shares_take(&s, greedy, SHARE_ONLY(SHARE_BYTES, 1), &missing),
              SHARE_FULL);
    shares_give(&s, modest, SHARE_ONLY(SHARE_BYTES, 4 << 20));
    shares_give(&s, greedy, SHARE_ONLY(SHARE_BYTES, 800 << 10));
    shares_leave(&s, greedy, 0);
    shares_leave(&s, modest, 0);
    shares_free(&s);
}

static void a_hundred_percent_is_first_come_first_served(void)
{
    struct share_limits all_of_it = limits;
    struct account *all[200], *other;
    struct shares s;

    all_of_it.percent = 100;
    shares_init(&s, &all_of_it);
    size_t n = fill(&s, "greedy", all, 200);
    CHECK_INT(n, 100);
    CHECK_INT(shares_enter(&s, span_str("modest"), 0, &other, &missing), SHARE_FULL);
    leave(&s, all, n);
    shares_free(&s);
}

static void all_of_it_or_nothing_and_what_is_missing_is_said(void)
{
    static const size_t records[SHARE_KINDS] = {0, 10, 100};
    static const size_t many[SHARE_KINDS] = {0, 995, 100};
    static const size_t large[SHARE_KINDS] = {0, 10, 2 << 20};
    struct account *a, *none;
    struct shares s;

    shares_init(&s, &limits);
    CHECK_INT(shares_enter(&s, span_str("a"), 500, &a, &missing), SHARE_GIVEN);
    CHECK_INT(shares_used(&s, SHARE_BYTES), 500);
    CHECK_INT(shares_take(&s, a, records, &missing), SHARE_GIVEN);
    CHECK_INT(shares_take(&s, a, many, &missing), SHARE_FULL);
    CHECK_INT(missing, SHARE_RECORDS);
    CHECK_INT(shares_take(&s, a, large, &missing), SHARE_FULL);
    CHECK_INT(missing, SHARE_BYTES);
    CHECK_INT(shares_enter(&s, span_str("a"), 2 << 20, &none, &missing), SHARE_FULL);
    CHECK_INT(missing, SHARE_BYTES);
    CHECK_INT(shares_used(&s, SHARE_REQUESTS), 1);
    CHECK_INT(shares_used(&s, SHARE_RECORDS), 10);
    CHECK_INT(shares_used(&s, SHARE_BYTES), 600);
    shares_give(&s, a, records);
    shares_leave(&s, a, 500);
    CHECK_INT(shares_used(&s, SHARE_BYTES), 0);
    CHECK_INT(shares_accounts(&s), 0);
    shares_free(&s);
}

int main(void)
{
    RUN(one_alone_has_its_percent);
    RUN(who_comes_second_finds_room_and_the_first_has_to_give);
    RUN(a_hundred_greedy_ones_leave_room_for_the_next);
    RUN(a_first_request_may_be_larger_than_what_is_free);
    RUN(a_hundred_percent_is_first_come_first_served);
    RUN(all_of_it_or_nothing_and_what_is_missing_is_said);
    return REPORT();
}
