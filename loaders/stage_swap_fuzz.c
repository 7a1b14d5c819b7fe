/* A merge is read from a place that others can write to. */
#include "loaders/stage_swap.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    struct arena a = {0};
    struct swap c;
    struct err e = {0};

    if (swap_read(&c, span_of(p, n), &a, &e) == ERR_OK) {
        struct buf again = BUF_INIT(16 << 20);
        struct swap d;
        swap_put(&again, &c);
        if (swap_read(&d, buf_span(&again), &a, &e) != ERR_OK)
            __builtin_trap(); // what we read we write so that we read it
        buf_free(&again);
    }
    arena_free(&a);
    return 0;
}
