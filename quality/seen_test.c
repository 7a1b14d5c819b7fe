#include "quality/seen.h"

#include "tests/check.h"

static void a_key_is_known_for_so_many_offsets(void)
{
    struct seen s;

    seen_init(&s, 10);
    CHECK(!seen_before(&s, 7, 0));
    seen_note(&s, 7, 100);
    CHECK(seen_before(&s, 7, 101));
    CHECK(seen_before(&s, 7, 110));
    CHECK(!seen_before(&s, 7, 111));
    CHECK(!seen_before(&s, 8, 101));
    CHECK(!seen_before(&s, 7, 100)); // not before itself
    seen_free(&s);
}

static void what_is_taken_back_never_was(void)
{
    struct seen s;

    seen_init(&s, 100);
    seen_note(&s, 7, 50);
    seen_keep(&s);
    seen_note(&s, 7, 105);
    seen_note(&s, 8, 106);
    seen_note(&s, 7, 107);
    seen_undo(&s);
    CHECK(seen_before(&s, 7, 105)); // of 50
    CHECK(!seen_before(&s, 8, 107));
    CHECK(!seen_before(&s, 7, 151));
    seen_note(&s, 8, 106);
    CHECK(seen_before(&s, 8, 107));
    seen_free(&s);
}

/* Against a plain array of who was where. */
static void many_keys_are_as_an_array_says(void)
{
    static int64_t at[500];
    struct seen s;
    uint32_t x = 1;

    seen_init(&s, 1000);
    for (size_t i = 0; i < 500; i++)
        at[i] = -1;
    for (int64_t offset = 0; offset < 200000; offset++) {
        x = x * 1664525 + 1013904223;
        size_t key = (x >> 8) % 500;
        if ((x >> 3) % 7 == 0)
            key = key % 3; // some often, some seldom
        bool known = at[key] >= 0 && offset - at[key] <= 1000;
        if (seen_before(&s, key + 1, offset) != known) {
            CHECK(false);
            break;
        }
        seen_note(&s, key + 1, offset);
        at[key] = offset;
        if (offset % 97 == 0)
            seen_keep(&s);
    }
    CHECK(s.cap <= 4096); // what is too old goes
    seen_free(&s);
}

static void notes_go_out_and_come_in(void)
{
    struct buf out = BUF_INIT(1000);
    struct seen s, t;

    seen_init(&s, 10);
    seen_init(&t, 10);
    seen_note(&s, 7, 100);
    seen_note(&s, UINT64_MAX, 101);
    seen_put(&s, &out);
    CHECK_INT(out.n, 32);
    CHECK(seen_take(&t, buf_span(&out)));
    CHECK(seen_before(&t, 7, 101));
    CHECK(seen_before(&t, UINT64_MAX, 110));
    seen_undo(&t); // what came in is kept
    CHECK(seen_before(&t, 7, 101));
    CHECK(!seen_take(&t, span_of(out.p, 31)));
    memset(out.p, 0, 8);
    CHECK(!seen_take(&t, buf_span(&out)));
    seen_keep(&s);
    buf_reset(&out);
    seen_put(&s, &out);
    CHECK_INT(out.n, 0);
    buf_free(&out);
    seen_free(&s);
    seen_free(&t);
}

/* They are in tables: another program must come to the same. */
static void hashes_are_the_same_for_ever(void)
{
    CHECK(seen_hash(span_str("")) == 0x8c45b3dae7aca22cu);
    CHECK(seen_hash(span_str("weather")) == 0x25f04c552b223efdu);
    CHECK(seen_hash(span_str("weather-station")) == 0x697157abfd413057u);
    CHECK(seen_hash(span_of("a\0", 2)) != seen_hash(span_of("a", 1)));
}

int main(void)
{
    RUN(a_key_is_known_for_so_many_offsets);
    RUN(what_is_taken_back_never_was);
    RUN(many_keys_are_as_an_array_says);
    RUN(notes_go_out_and_come_in);
    RUN(hashes_are_the_same_for_ever);
    return REPORT();
}
