/* What dedupe remembered, read from a place or a database that others can write to:
 * whatever stands there, no more than an error comes of it, and what is taken is
 * written back so that it is taken again. */
#include "transform/memory.h"

#include "transform/transform_inside.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t write_down(const struct transform_memory *m, struct buf *out)
{
    struct transform_noted at = {0};
    size_t n = 0;

    while (transform_memory_noted(m, 0, 0, 3, &at, out))
        n++;
    return n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct transform_memory *m = tr_memory_new(100);
    struct buf again = BUF_INIT(16 << 20), third = BUF_INIT(16 << 20);
    struct err e = {0};

    transform_memory_stand(m, 0, 0, 0);
    if (transform_memory_recall(m, 0, span_of(data, size), &e) == ERR_OK) {
        size_t n = write_down(m, &again);
        transform_memory_stand(m, 0, 0, 0);
        if (transform_memory_recall(m, 0, buf_span(&again), &e) != ERR_OK ||
            write_down(m, &third) != n || !span_eq(buf_span(&again), buf_span(&third)))
            abort();
    }
    transform_memory_free(m);
    buf_free(&again);
    buf_free(&third);
    return 0;
}
