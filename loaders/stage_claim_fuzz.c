/* A claim is read from a place that others can write to. */
#include "loaders/stage_claim.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

/* Offsets that were believed rise, and lie in the claim. */
static void walk_runs(const struct stage_claim *c, const struct stage_file *f)
{
    struct stage_runs r = stage_runs_begin(c, f);
    int64_t before = c->first - 1;

    for (int i = 0; i < 1000; i++) {
        int64_t offset = stage_runs_next(&r);
        if (offset < 0)
            break;
        if (offset <= before || offset > c->last)
            __builtin_trap();
        before = offset;
    }
    r = stage_runs_begin(c, f);
    if (f->runs[0] != '\0' && stage_runs_skip(&r, INT64_MAX) != f->rows)
        __builtin_trap();
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    struct arena a = {0};
    struct stage_claim c;
    struct err e = {0};

    if (stage_claim_read(&c, span_of(p, n), &a, &e) == ERR_OK) {
        struct buf again = BUF_INIT(16 << 20);
        struct stage_claim d;
        stage_claim_put(&again, &c);
        if (stage_claim_read(&d, buf_span(&again), &a, &e) != ERR_OK)
            __builtin_trap(); // what we read we write so that we read it
        buf_free(&again);
        for (size_t i = 0; i < c.n_files; i++)
            walk_runs(&c, &c.files[i]);
    }
    arena_free(&a);
    return 0;
}
