/*
 * What a check of a place finds, and what it must not take for a fault.
 */
#include "tests/stage_house.h"

static void what_was_tampered_with_is_found(void)
{
    struct arena a = {0};
    struct place_entry *all;
    struct err e = {0};
    char merged[300];
    size_t n;

    for (int what = 0; what < 4; what++) {
        enter();
        stage_four();
        merge_all();
        CHECK_INT(place_list(place, "", NULL, &a, &all, &n, &e), ERR_OK);
        for (size_t i = 0; i < n; i++)
            if (!all[i].dir)
                snprintf(merged, sizeof merged, "%s", all[i].name);
        stage_four();
        CHECK_INT(wrongs(true), 0);
        switch (what) {
        case 0: remove_one(merged); break;
        case 1:
            remove_one("t+0+00000000000000000030+00000000000000000049.jsonl");
            break;
        case 2: remove_one("_merges/00000000000000000000"); break;
        case 3: remove_one("_claims/t/00000/00000000000000000010"), came -= EACH; break;
        }
        CHECK(wrongs(false) > 0);
        leave();
    }
    arena_free(&a);
}

/* Of the newest claim: a file whose name nobody has come to give it is no loss, one
 * that is in neither place is. */
static void what_has_no_name_yet_is_told_from_what_is_gone(void)
{
    static const struct {
        bool finished;
        const char *remove;
        int64_t open, wrong;
    } cases[] = {
        {true, NULL, 0, 0},
        {false, NULL, 1, 0},
        {false, "_tmp/loader-20", 0, 1},
        {true, "t+0+00000000000000000010+00000000000000000019.jsonl", 0, 1},
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct check_options o = {0};
        struct check_sums sums;
        struct err e = {0};
        enter();
        stage_rows(0, true);
        stage_rows(0, cases[i].finished);
        if (cases[i].remove != NULL)
            remove_one(cases[i].remove);
        o.place = place;
        CHECK_INT(stage_check(&o, &sums, &e), ERR_OK);
        CHECK_INT(sums.open, cases[i].open);
        CHECK_INT(sums.wrong, cases[i].wrong);
        leave();
    }
}

int main(void)
{
    RUN(what_was_tampered_with_is_found);
    RUN(what_has_no_name_yet_is_told_from_what_is_gone);
    return REPORT();
}
