#include "gateway/trace.h"

#include "tests/check.h"

#include <string.h>

#define ID "4bf92f3577b34da6a3ce929d0e0e4736"
#define PARENT_ID "00f067aa0ba902b7"

static void parents_are_told_from_what_looks_like_one(void)
{
    static const struct {
        const char *text;
        bool is;
    } rows[] = {
        {"00-" ID "-" PARENT_ID "-01", true},
        {"00-" ID "-" PARENT_ID "-00", true},
        {"cc-" ID "-" PARENT_ID "-01-what-the-future-has", true},
        {"cc-" ID "-" PARENT_ID "-01.what-the-future-has", false},
        {"00-" ID "-" PARENT_ID "-01-more", false},
        {"ff-" ID "-" PARENT_ID "-01", false},
        {"00-" ID "-" PARENT_ID "-1", false},
        {"00-" ID "-0000000000000000-01", false},
        {"00-00000000000000000000000000000000-" PARENT_ID "-01", false},
        {"00-4BF92F3577B34DA6A3CE929D0E0E4736-" PARENT_ID "-01", false},
        {"00_" ID "-" PARENT_ID "-01", false},
        {"00-" ID "-" PARENT_ID "-0g", false},
        {"", false},
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        CHECK_INT(trace_is_parent(span_str(rows[i].text)), rows[i].is);
}

static void states_are_lists_of_members(void)
{
    char many[400] = "";

    for (int i = 0; i < 33; i++)
        snprintf(many + strlen(many), sizeof many - strlen(many), "a%d=b,", i);
    CHECK(trace_is_state(span_str("rojo=00f067aa0ba902b7,congo=t61rcWkgMzE")));
    CHECK(trace_is_state(span_str("a=1, ,b@c=2\t")));
    CHECK(trace_is_state(span_str("0/x*_-=a b!")));
    CHECK(!trace_is_state(span_str("")));
    CHECK(!trace_is_state(span_str(",")));
    CHECK(!trace_is_state(span_str("a")));
    CHECK(!trace_is_state(span_str("a=")));
    CHECK(!trace_is_state(span_str("A=1")));
    CHECK(!trace_is_state(span_str("a=1=2")));
    CHECK(!trace_is_state(span_str("a=\x7f")));
    CHECK(!trace_is_state(span_str(many)));
    CHECK(trace_is_state(span_of(many, strlen(many) - 6))); // one less
}

int main(void)
{
    RUN(parents_are_told_from_what_looks_like_one);
    RUN(states_are_lists_of_members);
    return REPORT();
}
