#include "base/clock.h"
#include "tests/check.h"

static void wall_time_reads_as_rfc_3339(void)
{
    char t[WALL_TEXT];

    wall_print(t, 0);
    CHECK_STR(t, "1970-01-01T00:00:00.000Z");
    wall_print(t, 1763717400123);
    CHECK_STR(t, "2025-11-21T09:30:00.123Z");
    wall_print(t, -1);
    CHECK_STR(t, "1969-12-31T23:59:59.999Z");
}

static void durations_never_run_backwards(void)
{
    int64_t before = clock_us();

    for (int i = 0; i < 1000; i++) {
        int64_t now = clock_us();
        CHECK(now >= before);
        before = now;
    }
}

int main(void)
{
    RUN(wall_time_reads_as_rfc_3339);
    RUN(durations_never_run_backwards);
    return REPORT();
}
