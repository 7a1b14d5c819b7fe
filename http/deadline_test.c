#include "http/deadline.h"

#include "tests/check.h"

#define MANY 500

static void gives_them_out_in_order(void)
{
    struct deadline d[5] = {{0}};
    static const int64_t due[5] = {30, 10, 50, 20, 40};
    struct deadlines all = {0};

    for (int i = 0; i < 5; i++)
        deadline_set(&all, &d[i], due[i]);
    CHECK_INT(deadline_wait(&all, 4), 6);
    CHECK(deadline_next(&all, 9) == NULL);
    CHECK(deadline_next(&all, 100) == &d[1]);
    CHECK(deadline_next(&all, 100) == &d[3]);
    CHECK(deadline_next(&all, 100) == &d[0]);
    CHECK(deadline_next(&all, 45) == &d[4]);
    CHECK(deadline_next(&all, 45) == NULL);
    CHECK(deadline_next(&all, 50) == &d[2]);
    CHECK_INT(deadline_wait(&all, 50), -1);
    deadlines_free(&all);
}

static void one_that_moved_is_due_where_it_moved_to(void)
{
    struct deadline a = {0}, b = {0};
    struct deadlines all = {0};

    deadline_set(&all, &a, 10);
    deadline_set(&all, &b, 20);
    deadline_set(&all, &a, 30); // later
    CHECK(deadline_next(&all, 15) == NULL);
    CHECK(deadline_next(&all, 25) == &b);
    CHECK(deadline_next(&all, 25) == NULL);
    deadline_set(&all, &a, 5); // earlier
    CHECK(deadline_next(&all, 5) == &a);
    deadlines_free(&all);
}

static void one_that_was_dropped_is_never_due(void)
{
    struct deadline a = {0}, b = {0};
    struct deadlines all = {0};

    deadline_set(&all, &a, 10);
    deadline_set(&all, &b, 20);
    deadline_drop(&all, &a);
    deadline_drop(&all, &a);
    CHECK(deadline_next(&all, 99) == &b);
    CHECK(deadline_next(&all, 99) == NULL);
    deadlines_free(&all);
}

/* Against the plainest possible bookkeeping. */
static void agrees_with_a_list(void)
{
    static struct deadline d[MANY];
    bool waits[MANY] = {false};
    struct deadlines all = {0};
    unsigned r = 1;

    for (int64_t now = 0; now < 3000; now++) {
        for (int k = 0; k < 5; k++) {
            r = r * 1103515245 + 12345;
            int i = (int)(r >> 16) % MANY;
            waits[i] = (r >> 8) % 8 != 0;
            if (waits[i])
                deadline_set(&all, &d[i], now + (r >> 4) % 200);
            else
                deadline_drop(&all, &d[i]);
        }
        struct deadline *next;
        while ((next = deadline_next(&all, now)) != NULL) {
            CHECK(waits[next - d] && next->due <= now);
            waits[next - d] = false;
        }
        for (int i = 0; i < MANY; i++)
            if (waits[i] && d[i].due <= now)
                CHECK(!"one was due and not given out");
    }
    deadlines_free(&all);
}

int main(void)
{
    RUN(gives_them_out_in_order);
    RUN(one_that_moved_is_due_where_it_moved_to);
    RUN(one_that_was_dropped_is_never_due);
    RUN(agrees_with_a_list);
    return REPORT();
}
