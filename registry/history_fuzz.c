/*
 * Whatever a header says, reading it ends; what was read is written in a form that is
 * read as the same.  The same bytes are tried as a reason.
 */
#include "registry/history.h"

#include "base/utf8.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static void read_again(const struct reg_act *act, struct arena *a)
{
    struct buf first = BUF_INIT(1 << 16), second = BUF_INIT(1 << 16);
    struct reg_act again;

    reg_act_put(&first, act);
    if (first.n <= REG_ACT_BYTES) {
        if (!reg_act_read(&again, buf_span(&first), a))
            abort();
        reg_act_put(&second, &again);
        if (!span_eq(buf_span(&first), buf_span(&second)))
            abort();
    }
    buf_free(&first);
    buf_free(&second);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    struct span text = span_of(p, n), reason = {0};
    struct arena a = {0};
    struct reg_act act;
    struct err e;

    if (reg_act_read(&act, text, &a))
        read_again(&act, &a);
    if (reg_reason_read(&reason, text, &a, &e) == ERR_OK &&
        (reason.n > REG_REASON_BYTES || !utf8_ok(reason)))
        abort();
    struct span kept = reg_text_kept(text, 100, &a);
    if (kept.n > 100 || !utf8_ok(kept))
        abort();
    arena_free(&a);
    return 0;
}
