/*
 * Whatever a gateway answers: every reason is about a row that was sent, rows are
 * settled only where the answer settles them, and nothing is sent again that may be
 * written.
 */
#include "cli/produce_way.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static void want(bool ok)
{
    if (!ok)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    static const int statuses[] = {200, 207, 400, 404, 413, 422, 429, 500, 503, 504};
    enum { ROWS = 5 };
    struct verdict v;

    if (n < 2)
        return 0;
    verdict_begin(&v, ROWS);
    verdict_read(&v, statuses[p[0] % 10], span_of(p + 2, n - 2), span_of(p + 1, 1),
                 (p[1] & 1) != 0);
    size_t unknown = verdict_count(&v, FATE_UNKNOWN);
    size_t open = unknown + verdict_count(&v, FATE_NOT_WRITTEN);
    for (size_t i = 0; i < v.n_refusals; i++)
        want(v.refusals[i].row < ROWS);
    want(v.kind != VERDICT_DONE || open == 0);
    want(v.kind != VERDICT_PARTLY || unknown == 0);
    want((v.kind != VERDICT_AGAIN && v.kind != VERDICT_SPLIT) ||
         verdict_count(&v, FATE_NOT_WRITTEN) == ROWS);
    verdict_free(&v);
    return 0;
}
