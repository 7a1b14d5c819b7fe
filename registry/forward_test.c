#include "registry/forward.h"
#include "tests/check.h"

static void a_busy_holder_is_given_more_time_but_never_for_ever(void)
{
    static const struct {
        int64_t forward_ms, usual_us, want_ms;
    } rows[] = {
        {300, 0, 300},        {300, 20000, 340},   {300, 100000, 500},
        {300, 500000, 600},   {300, 9000000, 600}, {5000, 0, 5000},
        {5000, 100000, 5000}, {10, 1000, 12},
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        CHECK_INT(reg_forward_patience(rows[i].forward_ms, rows[i].usual_us),
                  rows[i].want_ms);
}

int main(void)
{
    RUN(a_busy_holder_is_given_more_time_but_never_for_ever);
    return REPORT();
}
