#include "base/near.h"

#include "base/mem.h"

#include <ctype.h>
#include <stdlib.h>

static bool same_letter(uint8_t a, uint8_t b)
{
    return tolower(a) == tolower(b);
}

static size_t least(size_t a, size_t b, size_t c)
{
    size_t ab = a < b ? a : b;

    return ab < c ? ab : c;
}

size_t near_distance(struct span a, struct span b)
{
    size_t row[NEAR_MOST + 1]; // of a's first letters: how far from b's first j

    if (a.n > NEAR_MOST)
        a.n = NEAR_MOST;
    if (b.n > NEAR_MOST)
        b.n = NEAR_MOST;
    for (size_t j = 0; j <= b.n; j++)
        row[j] = j;
    for (size_t i = 0; i < a.n; i++) {
        size_t aslant = row[0];
        row[0] = i + 1;
        for (size_t j = 0; j < b.n; j++) {
            size_t above = row[j + 1];
            row[j + 1] =
                least(above + 1, row[j] + 1, aslant + !same_letter(a.p[i], b.p[j]));
            aslant = above;
        }
    }
    return row[b.n];
}

struct ranked {
    const char *name;
    size_t distance;
};

static int by_distance(const void *a, const void *b)
{
    const struct ranked *x = (const struct ranked *)a, *y = (const struct ranked *)b;

    if (x->distance != y->distance)
        return x->distance < y->distance ? -1 : 1;
    return strcmp(x->name, y->name);
}

void near_sort(const char **names, size_t n, const char *meant)
{
    struct ranked *all = mem_array(n + 1, sizeof *all);

    for (size_t i = 0; i < n; i++)
        all[i] = (struct ranked){names[i],
                                 near_distance(span_str(names[i]), span_str(meant))};
    qsort(all, n, sizeof *all, by_distance);
    for (size_t i = 0; i < n; i++)
        names[i] = all[i].name;
    free(all);
}
