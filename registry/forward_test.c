#include "registry/forward.h"
#include "tests/check.h"

static void a_busy_holder_is_given_more_time_but_never_for_ever(void)
{
    static const struct {
        int64_t forward_ms, usual_us, want_ms;
    } rows[] = {
        {300, 0, 300},        {300, 20000, 340},    {300, 100000, 500},
        {300, 500000, 1300},  {300, 9000000, 1500}, {5000, 0, 5000},
        {5000, 100000, 5000}, {10, 1000, 12},
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        CHECK_INT(reg_forward_patience(rows[i].forward_ms, rows[i].usual_us),
                  rows[i].want_ms);
}

static void who_took_the_pen_waits_as_long_as_that_took_until_answers_are_quick(void)
{
    int64_t usual = reg_forward_usual(5000, 800000, true);

    CHECK_INT(reg_forward_patience(300, usual), 300 + 800);
    CHECK_INT(reg_forward_usual(usual, 40000, true), usual);
    for (int i = 0; i < 40; i++)
        usual = reg_forward_usual(usual, 5000, false);
    CHECK(reg_forward_patience(300, usual) < 320);
}

int main(void)
{
    RUN(who_took_the_pen_waits_as_long_as_that_took_until_answers_are_quick);
    RUN(a_busy_holder_is_given_more_time_but_never_for_ever);
    return REPORT();
}
