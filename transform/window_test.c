#include "transform/window.h"

#include "tests/check.h"

#include <stdlib.h>

static bool has(struct window *w, int key, int64_t offset)
{
    return tr_window_has(w, span_of(&key, sizeof key), offset);
}

static struct window *of(int64_t last)
{
    struct window *w = tr_window_new();

    tr_window_last(w, last);
    return w;
}

static void a_key_goes_through_once_in_so_many_offsets(void)
{
    struct window *w = of(3);

    CHECK(!has(w, 1, 0));
    CHECK(has(w, 1, 1));
    CHECK(!has(w, 2, 2));
    CHECK(has(w, 1, 3));
    CHECK(
        !has(w, 1, 4)); // what went on at 0 is too far back, and at 1 and 3 it did not
    CHECK(has(w, 2, 5));
    CHECK(!has(w, 2, 100));
    tr_window_free(w);
}

static void what_comes_again_is_no_repetition_of_itself(void)
{
    struct window *w = of(100);

    for (int round = 0; round < 3; round++) {
        CHECK(!has(w, 1, 10));
        CHECK(!has(w, 2, 11));
        CHECK(has(w, 1, 12));
        CHECK(!has(w, 3, 20));
    }
    CHECK(has(w, 2, 21));
    CHECK(!has(w, 2, 0)); // the topic begins again
    CHECK(has(w, 2, 1));
    CHECK(!has(w, 1, 2));
    tr_window_free(w);
}

/* A batch that is tried again pushed others out of the window at its first try. */
static void every_try_has_the_same_repetitions(void)
{
    enum { MOST = 50, KEYS = 120, BATCH = 400 }; // all of it leaves in one batch
    struct window *w = of(MOST);
    int keys[BATCH], wrong = 0, again = 0;
    bool said[BATCH];

    srandom(11);
    for (int64_t first = 0; first < 100 * BATCH; first += BATCH) {
        tr_window_kept(w, first);
        for (int i = 0; i < BATCH; i++) {
            keys[i] = (int)(random() % KEYS);
            said[i] = has(w, keys[i], first + i);
            again += said[i];
        }
        for (int tries = (int)(random() % 4); tries > 0; tries--)
            for (int i = tries == 1 ? 0 : (int)(random() % BATCH); i < BATCH; i++)
                wrong += has(w, keys[i], first + i) != said[i];
    }
    CHECK_INT(wrong, 0);
    CHECK(again > 1000);
    tr_window_free(w);
}

/* Against a table of what went on where. */
static void it_is_what_a_slow_window_is(void)
{
    enum { LAST = 1000, KEYS = 3000 };
    struct window *w = of(LAST);
    static int64_t went[KEYS];
    int wrong = 0;

    srandom(7);
    for (int key = 0; key < KEYS; key++)
        went[key] = -LAST - 1;
    for (int64_t offset = 0; offset < 30000; offset++) {
        int key = (int)(random() % KEYS);
        bool there = offset - went[key] <= LAST;
        wrong += has(w, key, offset) != there;
        if (!there)
            went[key] = offset;
        if (offset % 700 == 0)
            tr_window_kept(w, offset + 1);
    }
    CHECK_INT(wrong, 0);
    CHECK(tr_window_count(w) <= LAST + 700);
    tr_window_free(w);
}

/* Written down at any place and read by another, which then says the same. */
static void another_goes_on_with_what_was_written(void)
{
    enum { LAST = 100, KEYS = 200 };
    struct window *w = of(LAST);
    struct buf seeds = BUF_INIT(100), entries = BUF_INIT(1 << 20);
    int wrong = 0, again = 0;

    srandom(3);
    for (int64_t offset = 0; offset < 5000; offset++) {
        int key = (int)(random() % KEYS);
        if (offset % 37 == 0) {
            struct window *other = tr_window_new();
            buf_reset(&seeds);
            buf_reset(&entries);
            tr_window_put_seeds(w, &seeds);
            for (size_t i = tr_window_from(w, offset - LAST); i < tr_window_count(w);
                 i++)
                tr_window_put(w, i, &entries);
            CHECK(tr_window_use_seeds(other, seeds.p));
            for (size_t at = 0; at < entries.n; at += WINDOW_ENTRY)
                CHECK(tr_window_take(other, entries.p + at));
            CHECK(entries.n == 0 || !tr_window_take(other, entries.p));
            CHECK_INT(tr_window_use_seeds(other, (const uint8_t *)"sixteen bytes of"),
                      entries.n == 0);
            tr_window_use_seeds(other, seeds.p);
            tr_window_last(other, LAST);
            tr_window_free(w);
            w = other;
        }
        static int64_t went[KEYS];
        bool there = went[key] != 0 && offset - (went[key] - 1) <= LAST;
        wrong += has(w, key, offset) != there;
        again += there;
        if (!there)
            went[key] = offset + 1;
    }
    CHECK_INT(wrong, 0);
    CHECK(again > 500);
    tr_window_free(w);
    buf_free(&seeds);
    buf_free(&entries);
}

int main(void)
{
    RUN(a_key_goes_through_once_in_so_many_offsets);
    RUN(what_comes_again_is_no_repetition_of_itself);
    RUN(every_try_has_the_same_repetitions);
    RUN(it_is_what_a_slow_window_is);
    RUN(another_goes_on_with_what_was_written);
    return REPORT();
}
