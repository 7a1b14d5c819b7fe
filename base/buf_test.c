#include "base/buf.h"
#include "tests/check.h"

#include <stdlib.h>

static void one_check_at_the_end_is_enough(void)
{
    struct buf b = BUF_INIT(6);
    struct err e = {0};

    buf_put_u8(&b, 7);
    buf_put_be32(&b, 0x01020304);
    CHECK_INT(buf_status(&b, &e), ERR_OK);

    buf_put_be32(&b, 5); // would be nine bytes
    buf_put_u8(&b, 9);   // would fit, but comes after a hole
    CHECK_INT(buf_status(&b, &e), ERR_LIMIT);
    CHECK_STR(e.msg, "more than 6 bytes");
    CHECK_INT(b.n, 5);

    buf_reset(&b);
    CHECK_INT(buf_status(&b, &e), ERR_OK);
    buf_free(&b);
}

static void grows_past_any_first_guess(void)
{
    struct buf b = BUF_INIT(100000);
    struct err e = {0};

    for (uint32_t i = 0; i < 25000; i++)
        buf_put_be32(&b, i);
    CHECK_INT(buf_status(&b, &e), ERR_OK);
    CHECK_INT(buf_span(&b).n, 100000);
    CHECK_INT(buf_span(&b).p[99999], 24999 & 0xff);
    buf_free(&b);
}

static void what_was_written_can_be_taken_back_or_away(void)
{
    struct buf b = BUF_INIT(1000);
    size_t n;

    buf_printf(&b, "%s:%d", "orders", 3);
    buf_printf(&b, "%0300d", 7);
    CHECK_INT(b.n, 308);
    buf_cut(&b, 8);
    CHECK_SPAN(buf_span(&b), "orders:3");
    uint8_t *p = buf_take(&b, &n);
    CHECK_SPAN(span_of(p, n), "orders:3");
    CHECK_INT(b.n, 0);
    free(p);
    CHECK(buf_room(&b, 1001) == NULL);
    buf_cut(&b, 0);
    CHECK(buf_room(&b, 1000) != NULL);
    buf_free(&b);
    b = BUF_INIT(0);
    CHECK(buf_room(&b, 0) != NULL); // no bytes fit anywhere
    CHECK(buf_room(&b, 1) == NULL);
}

int main(void)
{
    RUN(one_check_at_the_end_is_enough);
    RUN(grows_past_any_first_guess);
    RUN(what_was_written_can_be_taken_back_or_away);
    return REPORT();
}
