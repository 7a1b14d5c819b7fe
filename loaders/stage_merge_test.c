/*
 * Merges in a directory, broken off and slept through between any two requests to it.
 */
#include "tests/stage_house.h"

static void many_small_files_become_one(void)
{
    struct merge_sums sums;

    enter();
    for (int i = 0; i < 6; i++)
        stage_rows(i % 2, true);
    CHECK_INT(merge_at(place, &sums), ERR_OK);
    CHECK_INT(sums.merges, 1);
    CHECK_INT(sums.inputs, 6);
    CHECK_INT(sums.rows, 6 * EACH);
    CHECK(lists_each_once(1));
    CHECK_INT(merge_at(place, &sums), ERR_OK);
    CHECK_INT(sums.merges, 0); // again: nothing is left to do
    stage_rows(0, true);
    merge_all();
    CHECK(lists_each_once(1)); // a merged file is merged on
    leave();
}

static void dead_at_any_request_it_is_mended_by_the_next(void)
{
    bool ended = false;
    int k = 0;

    for (; !ended && k < 500; k++) {
        enter();
        stage_four();
        ended = merge_until(k, NULL);
        CHECK(reads_each_once() && lists_all());
        if (k % 3 == 0) {
            stage_rows(1, true); // loaders go on meanwhile
            CHECK(reads_each_once() && lists_all());
        }
        merge_all();
        CHECK(lists_each_once(1) && reads_each_once());
        leave();
    }
    CHECK(ended);
    CHECK(k > 30); // there were as many requests to die at
}

static void dead_twice_it_is_mended_by_the_third(void)
{
    for (int k = 20; k < 60; k += 3)
        for (int j = 1; j < 30; j += 4) {
            enter();
            stage_four();
            (void)merge_until(k, NULL);
            stage_rows(0, true);
            (void)merge_until(j, NULL);
            CHECK(reads_each_once() && lists_all());
            merge_all();
            CHECK(lists_each_once(1));
            leave();
        }
}

static void others_merge(void)
{
    merge_all();
    CHECK(reads_each_once());
}

static void others_go_on_for_long(void)
{
    for (int i = 0; i < 3; i++) {
        merge_all();
        stage_rows(i % 2, true);
        stage_rows(i % 2, true);
    }
    merge_all();
    CHECK(reads_each_once() && lists_all());
}

static void sleep_at_any_request(void (*then)(void))
{
    bool slept = true;
    int k = 0;

    for (; slept && k < 500; k++) {
        enter();
        stage_four();
        slept = !merge_until(k, then);
        CHECK(reads_each_once() && lists_all());
        merge_all();
        CHECK(lists_each_once(1) && reads_each_once());
        leave();
    }
    CHECK(!slept && k > 30);
}

static void two_at_once_merge_each_file_once(void)
{
    sleep_at_any_request(others_merge);
}

static void one_that_slept_through_others_merges_does_no_harm(void)
{
    sleep_at_any_request(others_go_on_for_long);
}

static void a_loader_that_goes_on_is_not_disturbed(void)
{
    sleep_at_any_request(stage_four);
}

/* The newest claim's loader died before it gave the file its name. */
static void what_is_claimed_is_finished_before_it_is_merged(void)
{
    struct merge_sums sums;

    enter();
    stage_four();
    stage_rows(1, false);
    CHECK(!lists_all());
    CHECK_INT(merge_at(place, &sums), ERR_OK);
    CHECK_INT(sums.inputs, 4); // what nobody sees is nobody's yet
    stage_rows(0, true);
    CHECK_INT(merge_at(place, &sums), ERR_OK);
    leave();
}

static void what_is_not_ours_is_left_alone(void)
{
    static const char *const names[] = {"report.jsonl", "t+9+1.jsonl",
                                        "t+9+0000000001.jsonl",
                                        "backup/t+0+0000000001."
                                        "jsonl"};
    struct buf ticket = BUF_INIT(1000);
    struct place_entry there;
    struct merge_sums sums;
    struct err e = {0};

    enter();
    stage_four();
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        put_file("_tmp/x", names[i], span_str("{\"id\":7}\n"), &ticket);
        CHECK_INT(place_finish(place, buf_span(&ticket), names[i], 9, &e), ERR_OK);
    }
    CHECK_INT(merge_at(place, &sums), ERR_OK);
    CHECK_INT(sums.inputs, 4);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        CHECK_INT(place_stat(place, names[i], &there, &e), ERR_OK);
    buf_free(&ticket);
    leave();
}

/* The file's k-th row is the k-th of what was staged. */
static void check_rows(const struct stage_lies *l, int64_t first)
{
    struct buf text = BUF_INIT(1 << 20);
    struct err e = {0};
    const char *at;
    int64_t row = 0;

    CHECK_INT(place_read(place, l->name, 0, 1 << 20, &text, &e), ERR_OK);
    CHECK_INT(text.n, l->bytes);
    buf_put_u8(&text, 0);
    at = (const char *)text.p;
    for (; row < l->first && (at = strchr(at, '\n')) != NULL; at++)
        row++;
    for (int64_t i = 0; i < EACH && at != NULL; i++, at++) {
        const char *id = strstr(at, "\"id\":");
        CHECK_INT(id != NULL ? strtol(id + 5, NULL, 10) : -1, first + i);
        at = strchr(at, '\n');
    }
    buf_free(&text);
}

static void rows_that_were_merged_are_found_where_they_went(void)
{
    struct stage_lies l;
    struct err e = {0};

    enter();
    struct stage_where *w = stage_where_open(place);
    for (int round = 0; round < 3; round++) {
        stage_four();
        for (int64_t first = 0; first < came; first += EACH) {
            char name[STAGE_NAME];
            int64_t from = first < 2 * EACH ? 0 : first - EACH; // the other's between
            snprintf(name, sizeof name, "t+%d+%020" PRId64 "+%020" PRId64 ".jsonl",
                     (int)(first / EACH % 2), from, first + EACH - 1);
            CHECK_INT(stage_where_find(w, name, &l, &e), ERR_OK);
            CHECK_INT(l.merged, first < round * 4 * EACH);
            CHECK(!l.merged || (l.rows == round * 4 * EACH &&
                                strcmp(l.schema, key) == 0 && strlen(l.sha256) == 64));
            check_rows(&l, first);
        }
        merge_all();
    }
    CHECK_INT(stage_where_find(w, "t+9+0000000001.jsonl", &l, &e), ERR_NOT_FOUND);
    stage_where_close(w);
    leave();
}

static void what_has_no_schema_anywhere_is_not_merged(void)
{
    struct merge_sums sums;

    enter();
    key[0] = '\0'; // as an older loader's claims
    stage_four();
    struct merge_options o = {.place = place,
                              .dir = "",
                              .format = "json",
                              .to = "json",
                              .max_bytes = 1 << 20,
                              .spool = "/tmp"};
    struct err e = {0};
    CHECK_INT(stage_merge(&o, &sums, &e), ERR_INVALID);
    CHECK(strstr(e.msg, "--schema") != NULL);
    CHECK_INT(av_schema_parse(&schema, span_str(SCHEMA), NULL, 0, NULL, &e), ERR_OK);
    merge_all();
    CHECK(lists_each_once(1));
    av_schema_release(schema);
    schema = NULL;
    leave();
}

/* A crash, and nobody came for so long that the private bytes were swept. */
static void swept_before_anybody_came_it_is_called_off(void)
{
    int found = 0;

    for (int k = 20; k < 60; k++) {
        char command[200];
        enter();
        stage_four();
        (void)merge_until(k, NULL);
        snprintf(command, sizeof command, "rm -f %s/_tmp/*", dir);
        CHECK_INT(system(command), 0);
        CHECK(lists_all());
        merge_all();
        CHECK(lists_each_once(1));
        leave();
        found++;
    }
    CHECK_INT(found, 40);
}

int main(void)
{
    RUN(many_small_files_become_one);
    RUN(dead_at_any_request_it_is_mended_by_the_next);
    RUN(dead_twice_it_is_mended_by_the_third);
    RUN(two_at_once_merge_each_file_once);
    RUN(one_that_slept_through_others_merges_does_no_harm);
    RUN(a_loader_that_goes_on_is_not_disturbed);
    RUN(what_is_claimed_is_finished_before_it_is_merged);
    RUN(what_is_not_ours_is_left_alone);
    RUN(rows_that_were_merged_are_found_where_they_went);
    RUN(what_has_no_schema_anywhere_is_not_merged);
    RUN(swept_before_anybody_came_it_is_called_off);
    return REPORT();
}
