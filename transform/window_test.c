#include "transform/window.h"

#include "tests/check.h"

#include <stdlib.h>

static bool has(struct window *w, int key, int64_t offset)
{
    return tr_window_has(w, span_of(&key, sizeof key), offset);
}

static void a_key_goes_through_once_among_the_last(void)
{
    struct window *w = tr_window_new(3);

    CHECK(!has(w, 1, 0));
    CHECK(has(w, 1, 1));
    CHECK(!has(w, 2, 2));
    CHECK(!has(w, 3, 3));
    CHECK(has(w, 1, 4));
    CHECK(!has(w, 4, 5)); // 1 is forgotten
    CHECK(!has(w, 1, 6)); // and noted anew, 2 is forgotten
    CHECK(has(w, 3, 7));
    CHECK(has(w, 4, 8));
    CHECK(!has(w, 2, 9));
    tr_window_free(w);
}

static void what_comes_again_is_no_repetition_of_itself(void)
{
    struct window *w = tr_window_new(100);

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
    struct window *w = tr_window_new(MOST);
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
        tr_window_kept(w, first); // it begins again: nothing is kept yet
        for (int tries = (int)(random() % 4); tries > 0; tries--)
            for (int i = tries == 1 ? 0 : (int)(random() % BATCH); i < BATCH; i++)
                wrong += has(w, keys[i], first + i) != said[i];
    }
    CHECK_INT(wrong, 0);
    CHECK(again > 1000);
    tr_window_free(w);
}

/* Against a list that is looked through. */
static void it_is_what_a_slow_window_is(void)
{
    enum { MOST = 1000, KEYS = 3000 };
    struct window *w = tr_window_new(MOST);
    static int keys[MOST];
    size_t n = 0, begin = 0;
    int wrong = 0;

    srandom(7);
    for (int64_t offset = 0; offset < 30000; offset++) {
        int key = (int)(random() % KEYS);
        bool there = false;
        for (size_t i = 0; i < n; i++)
            there |= keys[(begin + i) % MOST] == key;
        wrong += has(w, key, offset) != there;
        if (there)
            continue;
        if (n == MOST)
            begin = (begin + 1) % MOST, n--;
        keys[(begin + n++) % MOST] = key;
    }
    CHECK_INT(wrong, 0);
    tr_window_free(w);
}

int main(void)
{
    RUN(a_key_goes_through_once_among_the_last);
    RUN(what_comes_again_is_no_repetition_of_itself);
    RUN(every_try_has_the_same_repetitions);
    RUN(it_is_what_a_slow_window_is);
    return REPORT();
}
