#include "base/near.h"

#include "tests/check.h"

static size_t apart(const char *a, const char *b)
{
    return near_distance(span_str(a), span_str(b));
}

static void letters_put_in_left_out_and_changed_are_counted(void)
{
    CHECK_INT(apart("", ""), 0);
    CHECK_INT(apart("", "abc"), 3);
    CHECK_INT(apart("abc", ""), 3);
    CHECK_INT(apart("weather", "weather"), 0);
    CHECK_INT(apart("wether", "weather"), 1);
    CHECK_INT(apart("weather", "wheather"), 1);
    CHECK_INT(apart("kitten", "sitting"), 3);
    CHECK_INT(apart("Weather", "wEATHER"), 0);
    CHECK_INT(apart("ab", "ba"), 2);
}

static void long_names_are_looked_at_as_far_as_they_go(void)
{
    char a[400], b[400];

    memset(a, 'x', sizeof a);
    memset(b, 'x', sizeof b);
    b[0] = 'y';
    b[399] = 'y';
    CHECK_INT(near_distance(span_of(a, sizeof a), span_of(b, sizeof b)), 1);
    CHECK_INT(near_distance(span_of(a, sizeof a), span_of(b, 0)), NEAR_MOST);
}

static void the_nearest_comes_first(void)
{
    const char *names[] = {"orders", "weather-daily", "wether",
                           "bother", "leather",       "weather2"};
    static const char *const wanted[] = {"leather", "weather2", "wether",
                                         "bother",  "orders",   "weather-daily"};

    near_sort(names, 6, "weather");
    for (size_t i = 0; i < 6; i++)
        CHECK_STR(names[i], wanted[i]);
    near_sort(names, 0, "weather");
}

int main(void)
{
    RUN(letters_put_in_left_out_and_changed_are_counted);
    RUN(long_names_are_looked_at_as_far_as_they_go);
    RUN(the_nearest_comes_first);
    return REPORT();
}
