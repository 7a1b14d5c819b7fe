#include "guard/guard_inside.h"

#include "tests/check.h"

static void an_address_is_what_one_customer_gets(void)
{
    static const struct {
        const char *peer, *wanted;
    } rows[] = {
        {"127.0.0.1:40332", "127.0.0.1"},
        {"10.1.2.3:1", "10.1.2.3"},
        {"[2001:db8:1:2:3:4:5:6]:443", "2001:db8:1:2::"},
        {"[2001:db8:1:2:ffff::1]:9", "2001:db8:1:2::"},
        {"[2001:db8:1:3::1]:9", "2001:db8:1:3::"},
        {"[::1]:9", "::"},
        {"[nonsense]:9", "[nonsense]"},
        {"[", ""},
        {"", ""},
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct arena a = {0};
        CHECK_SPAN(throttle_address(span_str(rows[i].peer), &a), rows[i].wanted);
        arena_free(&a);
    }
}

int main(void)
{
    RUN(an_address_is_what_one_customer_gets);
    return REPORT();
}
