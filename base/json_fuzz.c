/*
 * Whatever bytes arrive, json_read() answers, and what it accepts it writes back as a
 * text that reads and writes the same again.
 */
#include "base/json.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static void check_places(const struct json *j, size_t n)
{
    if (j->at >= j->end || j->end > n)
        abort();
    for (const struct json *k = j->first; k != NULL; k = k->next) {
        if (k->parent != j || k->at < j->at || k->end > j->end)
            abort();
        check_places(k, n);
    }
}

static void check_int(const struct json *j)
{
    struct err e = {0};
    int64_t v;

    if (j->kind == JSON_NUMBER && json_int(&v, j, -1000, 1000, &e) == ERR_OK &&
        (v < -1000 || v > 1000))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    struct arena a = {0};
    struct err e = {0};
    const struct json *j, *again;
    struct buf once = BUF_INIT(6 * n + 16), twice = BUF_INIT(6 * n + 16);

    if (json_read(&j, span_of(p, n), NULL, &a, &e) == ERR_OK) {
        check_places(j, n);
        check_int(j);
        json_put(&once, j);
        if (json_read(&again, buf_span(&once), NULL, &a, &e) != ERR_OK)
            abort();
        json_put(&twice, again);
        if (!span_eq(buf_span(&once), buf_span(&twice)))
            abort();
    }
    buf_free(&once);
    buf_free(&twice);
    arena_free(&a);
    return 0;
}
