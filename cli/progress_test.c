#include "cli/progress.h"

#include "tests/check.h"

static void check(const struct progress_state *s, uint64_t at_begin, size_t width,
                  const char *want)
{
    struct buf out = BUF_INIT(1000);

    progress_print(&out, s, at_begin, width);
    CHECK_SPAN(buf_span(&out), want);
    buf_free(&out);
}

static void a_bar_shows_how_far_how_fast_and_how_long(void)
{
    const struct progress_state s = {.rows = 12345,
                                     .refused = 2,
                                     .done = 340,
                                     .whole = 1000,
                                     .elapsed_ms = 3400,
                                     .rate = 3210.4};

    check(&s, 0, 20,
          "[======>             ]  34 %  12,345 rows  3,210/s  2 refused  ETA 0:07");
}

static void elsewhere_the_same_comes_without_a_bar(void)
{
    const struct progress_state s = {
        .rows = 1, .done = 1, .whole = 1000, .elapsed_ms = 10000, .rate = 0.1};

    check(&s, 0, 0, "  0 %  1 rows  0/s  ETA 2:46:30");
}

static void what_was_skipped_costs_no_time(void)
{
    const struct progress_state s = {
        .rows = 100, .done = 600, .whole = 1000, .elapsed_ms = 10000, .rate = 10};

    check(&s, 500, 0, " 60 %  100 rows  10/s  ETA 0:40");
    check(&s, 600, 0, " 60 %  100 rows  10/s");
}

static void without_an_end_there_is_no_percentage(void)
{
    const struct progress_state s = {.rows = 1234567, .elapsed_ms = 60000, .rate = 50};

    check(&s, 0, 30, "1,234,567 rows  50/s");
}

static void a_file_that_grows_stays_at_its_end(void)
{
    const struct progress_state s = {
        .rows = 5, .done = 2000, .whole = 1000, .elapsed_ms = 1000, .rate = 5};

    check(&s, 0, 4, "[====] 100 %  5 rows  5/s  ETA 0:00");
}

static void a_narrow_terminal_gets_no_bar(void)
{
    CHECK_INT(progress_bar_width(0), 0);
    CHECK_INT(progress_bar_width(74), 0);
    CHECK_INT(progress_bar_width(80), 30);
    CHECK_INT(progress_bar_width(200), 50);
}

int main(void)
{
    RUN(a_bar_shows_how_far_how_fast_and_how_long);
    RUN(elsewhere_the_same_comes_without_a_bar);
    RUN(what_was_skipped_costs_no_time);
    RUN(without_an_end_there_is_no_percentage);
    RUN(a_file_that_grows_stays_at_its_end);
    RUN(a_narrow_terminal_gets_no_bar);
    return REPORT();
}
