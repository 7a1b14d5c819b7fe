#include "cli/produce_sample.h"

#include "base/mem.h"

#include <stdlib.h>

void sample_begin(struct sample *s, size_t most, uint64_t seed)
{
    *s = (struct sample){
        .most = most > 0 ? most : SAMPLE_MARKS, .stride = 1, .random = seed};
}

void sample_free(struct sample *s)
{
    free(s->marks);
    *s = (struct sample){0};
}

/* Every second mark goes: there is room again, and the rest are twice as far apart. */
static void thin(struct sample *s)
{
    size_t n = 0;

    for (size_t i = 0; i < s->n_marks; i += 2)
        s->marks[n++] = s->marks[i];
    s->n_marks = n;
    s->stride *= 2;
}

void sample_add(struct sample *s, const struct row *row)
{
    if (s->n_marks == s->most && s->rows % s->stride == 0)
        thin(s);
    if (s->rows++ % s->stride != 0)
        return;
    if (s->n_marks % 1024 == 0)
        s->marks = mem_grow(s->marks, s->n_marks + 1024, sizeof *s->marks);
    s->marks[s->n_marks++] = (struct rows_mark){row->offset, row->line};
}

/* SplitMix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators). */
static uint64_t next_random(struct sample *s)
{
    uint64_t z = s->random += 0x9e3779b97f4a7c15;

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
}

uint64_t sample_draw(struct sample *s)
{
    uint64_t top = UINT64_MAX - UINT64_MAX % s->rows, r;

    do
        r = next_random(s);
    while (r >= top); // the rest would favour the first rows
    return r % s->rows;
}

enum err_kind sample_read(const struct sample *s, struct rows *r, uint64_t i,
                          struct row *row, struct err *e)
{
    enum rows_got got;

    TRY(rows_go(r, s->marks[i / s->stride], e));
    for (uint64_t skip = i % s->stride;;) {
        TRY(rows_next(r, &got, row, e));
        if (got == ROWS_END)
            return err_set(e, ERR_CONFLICT, "the file has become shorter");
        if (got == ROWS_ROW && skip-- == 0)
            return ERR_OK;
    }
}
