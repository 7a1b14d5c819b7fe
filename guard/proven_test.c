#include "guard/proven.h"

#include "tests/check.h"

#include <stdio.h>

static void what_was_good_is_good_for_a_while(void)
{
    struct proven p;
    struct span alice = span_of("alice\0secret", 12),
                other = span_of("alice\0Secret", 12);

    proven_init(&p);
    CHECK(!proven_has(&p, alice, 1000));
    proven_put(&p, alice, proven_age(&p), 1000);
    CHECK(proven_has(&p, alice, 1000));
    CHECK(proven_has(&p, alice, 1000 + PROVEN_MS - 1));
    CHECK(!proven_has(&p, alice, 1000 + PROVEN_MS));
    CHECK(!proven_has(&p, other, 1000));
    CHECK(proven_knows(&p, alice));
    CHECK(!proven_knows(&p, other));
    proven_free(&p);
}

static void what_was_forgotten_is_not_good_any_more(void)
{
    struct proven p;
    struct span alice = span_str("alice"), bob = span_str("bob");

    proven_init(&p);
    uint64_t before = proven_age(&p);
    proven_put(&p, alice, before, 0);
    proven_forget(&p);
    CHECK(!proven_has(&p, alice, 1));
    CHECK(!proven_knows(&p, alice));
    proven_put(&p, bob, before, 1); // checked against the old passwords
    CHECK(!proven_has(&p, bob, 1));
    proven_put(&p, bob, proven_age(&p), 1);
    CHECK(proven_has(&p, bob, 1));
    proven_free(&p);
}

static void there_is_a_most(void)
{
    struct proven p;
    char name[20];

    proven_init(&p);
    for (int i = 0; i <= PROVEN_MOST; i++) {
        snprintf(name, sizeof name, "user%d", i);
        proven_put(&p, span_str(name), 0, 0);
    }
    CHECK(p.good.n <= PROVEN_MOST);
    CHECK(proven_has(&p, span_str(name), 0));
    proven_free(&p);
}

int main(void)
{
    RUN(what_was_good_is_good_for_a_while);
    RUN(what_was_forgotten_is_not_good_any_more);
    RUN(there_is_a_most);
    return REPORT();
}
