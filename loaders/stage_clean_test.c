/*
 * Cleaning a place, broken off and slept through between any two requests to it.
 */
#include "loaders/stage_clean.h"

#include "tests/stage_house.h"

static int64_t loaded; // of each partition, all before it

static enum err_kind ask_loaded(void *arg, const char *topic, int32_t partition,
                                int64_t *next, struct err *e)
{
    (void)arg, (void)topic, (void)partition, (void)e;
    *next = loaded;
    return ERR_OK;
}

static enum err_kind clean_at(struct place *p, struct clean_sums *sums)
{
    struct clean_options o = {.place = p, .loaded = ask_loaded};
    struct err e = {0};

    enum err_kind rc = stage_clean(&o, sums, &e);
    if (rc != ERR_OK && verbs_left != 0)
        printf("    %s\n", e.msg);
    return rc;
}

static void clean_all(void)
{
    struct place *p = open_place();
    struct clean_sums sums;

    CHECK_INT(clean_at(p, &sums), ERR_OK);
    place_close(p);
}

static bool clean_until(int verbs, void (*then)(void))
{
    struct place *p = open_place();
    struct clean_sums sums;

    count_verbs(p);
    verbs_left = verbs;
    meanwhile = then;
    enum err_kind rc = clean_at(p, &sums);
    bool reached = verbs_left == -1;
    verbs_left = -1;
    place_close(p);
    CHECK(then == NULL || rc == ERR_OK);
    return then == NULL ? rc == ERR_OK : !reached;
}

/* What is not loaded is there once, and no row twice. */
static bool keeps_what_is_not_loaded(void)
{
    struct seen s;
    bool well = true;

    read_place(&s, true);
    for (int64_t i = 0; i < MOST; i++)
        well = well && s.times[i] <= 1 && (i < loaded || s.times[i] == (i < came));
    return well;
}

static int lying_in(const char *at)
{
    struct arena a = {0};
    struct place_entry *all;
    struct err e = {0};
    size_t n;
    int files = 0;

    CHECK_INT(place_list(place, at, NULL, &a, &all, &n, &e), ERR_OK);
    for (size_t i = 0; i < n; i++)
        files += !all[i].dir;
    arena_free(&a);
    return files;
}

static void what_is_loaded_is_cleaned_and_nothing_else(void)
{
    struct clean_sums sums;

    enter();
    stage_four();
    loaded = 25; // in the middle of a claim
    CHECK_INT(clean_at(place, &sums), ERR_OK);
    CHECK_INT(sums.claims, 2);
    CHECK_INT(sums.files, 2);
    CHECK_INT(sums.rows, 2 * EACH);
    CHECK_INT(lying_in(""), 2);
    CHECK_INT(clean_at(place, &sums), ERR_OK);
    CHECK_INT(sums.claims, 0); // again: nothing is left to do
    merge_all();
    stage_four();
    merge_all();
    loaded = 60; // of the merged file in part
    CHECK_INT(clean_at(place, &sums), ERR_OK);
    CHECK_INT(sums.merged, 0);
    CHECK(keeps_what_is_not_loaded());
    CHECK_INT(wrongs(true), 0); // merges of what is cleaned are known while it lives on
    loaded = came;
    CHECK_INT(clean_at(place, &sums), ERR_OK);
    CHECK_INT(sums.merged, 1);
    CHECK_INT(lying_in(""), 0);
    CHECK_INT(lying_in(SWAP_DIR), 2);          // the newest, which is the next number's
    CHECK_INT(lying_in("_claims/t/00000"), 8); // claims stay, with .done
    CHECK_INT(lying_in("_claims/t/00001.clean"), 1);
    stage_rows(0, true);
    merge_all();
    loaded = came - EACH;
    CHECK(keeps_what_is_not_loaded());
    leave();
}

static void dead_at_any_request_cleaning_is_finished_by_the_next(void)
{
    bool ended = false;
    int k = 0;

    for (; !ended && k < 500; k++) {
        enter();
        stage_four();
        merge_all();
        stage_four();
        loaded = 60;
        ended = clean_until(k, NULL);
        CHECK(keeps_what_is_not_loaded());
        merge_all();
        CHECK(keeps_what_is_not_loaded());
        CHECK_INT(wrongs(true), 0);
        loaded = came;
        clean_all();
        CHECK_INT(lying_in(""), 0);
        CHECK_INT(wrongs(true), 0);
        leave();
    }
    CHECK(ended && k > 20);
}

static void others_stage_and_merge(void)
{
    stage_four();
    merge_all();
    stage_four();
    CHECK(keeps_what_is_not_loaded());
}

static void others_stage_merge_and_clean(void)
{
    int64_t was = loaded;

    stage_four();
    merge_all();
    clean_all();
    stage_four();
    merge_all();
    loaded = was + 20;
    clean_all();
    CHECK(keeps_what_is_not_loaded());
}

static void one_that_slept_while_cleaning_takes_nothing_new(void)
{
    static void (*const others[])(void) = {others_stage_and_merge,
                                           others_stage_merge_and_clean};

    for (size_t i = 0; i < 2; i++) {
        bool slept = true;
        int k = 0;
        for (; slept && k < 500; k++) {
            enter();
            stage_four();
            merge_all();
            stage_four();
            loaded = 60;
            slept = !clean_until(k, others[i]);
            CHECK(keeps_what_is_not_loaded());
            merge_all();
            CHECK(keeps_what_is_not_loaded());
            leave();
        }
        CHECK(!slept && k > 20);
    }
}

/* ... and forget merges, so that their numbers are free again. */
static void others_load_and_clean(void)
{
    for (int i = 0; i < 3; i++) {
        merge_all();
        stage_four();
        merge_all();
        loaded = came;
        clean_all();
        stage_four();
    }
    CHECK(keeps_what_is_not_loaded());
}

static void a_merge_that_slept_through_others_cleaning_does_no_harm(void)
{
    bool slept = true;
    int k = 0;

    for (; slept && k < 500; k++) {
        enter();
        stage_four();
        loaded = 0;
        slept = !merge_until(k, others_load_and_clean);
        merge_all();
        clean_all();
        CHECK(keeps_what_is_not_loaded());
        CHECK_INT(wrongs(true), 0);
        leave();
    }
    CHECK(!slept && k > 30);
}

static void a_merge_sleeps_while_others_clean(void)
{
    for (int k = 0; k < 60; k++) {
        enter();
        stage_four();
        loaded = 20;
        (void)merge_until(k, clean_all);
        CHECK(keeps_what_is_not_loaded());
        merge_all();
        clean_all();
        CHECK(keeps_what_is_not_loaded());
        loaded = came;
        clean_all();
        CHECK_INT(lying_in(""), 0);
        leave();
    }
}

int main(void)
{
    RUN(what_is_loaded_is_cleaned_and_nothing_else);
    RUN(dead_at_any_request_cleaning_is_finished_by_the_next);
    RUN(one_that_slept_while_cleaning_takes_nothing_new);
    RUN(a_merge_that_slept_through_others_cleaning_does_no_harm);
    RUN(a_merge_sleeps_while_others_clean);
    return REPORT();
}
