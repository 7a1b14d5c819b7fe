#include "base/tab.h"
#include "tests/check.h"

#include <stdio.h>

static void an_empty_table_holds_nothing(void)
{
    struct tab t = {0};
    size_t at = 0;

    CHECK(tab_get(&t, span_str("x")) == NULL);
    CHECK(tab_drop_id(&t, 1) == NULL);
    CHECK(tab_each(&t, &at, NULL) == NULL);
    tab_free(&t);
}

static void what_is_put_is_found_until_it_is_dropped(void)
{
    static int values[5000];
    struct tab t = {0};
    size_t at = 0, seen = 0;
    struct span key;

    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 5000; i++)
            CHECK(tab_put_id(&t, i, &values[i]) == NULL);
        CHECK_INT(t.n, 5000);
        for (int i = 0; i < 5000; i += 2)
            CHECK(tab_drop_id(&t, i) == &values[i]);
        for (int i = 0; i < 5000; i++)
            CHECK(tab_get_id(&t, i) == (i % 2 ? &values[i] : NULL));
        for (int i = 1; i < 5000; i += 2)
            CHECK(tab_drop_id(&t, i) == &values[i]);
        CHECK_INT(t.n, 0);
    }
    CHECK(tab_put(&t, span_str(""), &values[1]) == NULL);
    CHECK(tab_put(&t, span_str("a"), &values[2]) == NULL);
    CHECK(tab_put(&t, span_str("a"), &values[3]) == &values[2]);
    CHECK(tab_get(&t, span_str("")) == &values[1]);
    while (tab_each(&t, &at, &key) != NULL)
        seen += key.n + 1;
    CHECK_INT(seen, 3);
    tab_free(&t);
}

int main(void)
{
    RUN(an_empty_table_holds_nothing);
    RUN(what_is_put_is_found_until_it_is_dropped);
    return REPORT();
}
