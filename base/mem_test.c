#include "base/mem.h"
#include "tests/check.h"

static void an_arena_gives_zeroed_pieces_of_any_size(void)
{
    struct arena a = {0};

    for (size_t n = 0; n < 5000; n += 7) {
        uint8_t *p = arena_alloc(&a, n);
        for (size_t i = 0; i < n; i++)
            CHECK_INT(p[i], 0);
        memset(p, 0xff, n);
        CHECK_INT((uintptr_t)p % _Alignof(max_align_t), 0);
    }
    arena_reset(&a);
    CHECK_INT(a.used, 0);
    uint8_t *again = arena_alloc(&a, 200000);
    CHECK_INT(again[0], 0);
    CHECK_INT(again[199999], 0);
    arena_free(&a);
}

static void text_is_copied_with_its_nul(void)
{
    struct arena a = {0};

    CHECK_STR(arena_str(&a, span_of("schema!", 6)), "schema");
    CHECK_SPAN(arena_copy(&a, span_str("x")), "x");
    CHECK_SPAN(arena_printf(&a, "%s/%d", "orders", 3), "orders/3");
    arena_free(&a);
}

static void what_is_reserved_is_there_in_one_piece(void)
{
    struct arena a = {0};

    arena_reserve(&a, 3, 5000 + 1 + 7);
    uint8_t *first = arena_alloc(&a, 5000);
    uint8_t *second = arena_alloc(&a, 1), *third = arena_alloc(&a, 7);
    memset(first, 1, 5000);
    CHECK_INT(second[0] + third[0] + third[6], 0);
#ifndef __SANITIZE_ADDRESS__
    CHECK(second > first && third > second && third - first < 5100);
#endif
    arena_reserve(&a, 1, 1);
    arena_free(&a);
}

static void joins_whole_what_messages_would_cut(void)
{
    static uint8_t x[200];
    struct arena a = {0};

    struct span got = arena_join(&a, span_of(x, sizeof x), ",", span_of(x, sizeof x));
    CHECK_INT(got.n, 401);
    CHECK_INT(got.p[200], ',');
    CHECK_SPAN(arena_join(&a, (struct span){0}, "", span_str("b")), "b");
    CHECK_INT(got.p[401], 0);
    arena_free(&a);
}

int main(void)
{
    RUN(an_arena_gives_zeroed_pieces_of_any_size);
    RUN(text_is_copied_with_its_nul);
    RUN(what_is_reserved_is_there_in_one_piece);
    RUN(joins_whole_what_messages_would_cut);
    return REPORT();
}
