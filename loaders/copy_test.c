#include "loaders/copy.h"
#include "tests/check.h"

#include <float.h>

static struct buf out;
static struct err e;

static const char *shown(void)
{
    static char text[200];
    size_t n = 0;

    for (size_t i = 0; i < out.n && n + 3 < sizeof text; i++)
        n += (size_t)snprintf(text + n, sizeof text - n, "%02x", out.p[i]);
    text[n] = '\0';
    buf_reset(&out);
    return text;
}

static struct span bytes(const char *p, size_t n)
{
    return span_of(p, n);
}

static void writes_a_row_as_postgres_documents_it(void)
{
    CHECK_INT(copy_head.n, 19);
    copy_row(&out, 3);
    copy_null(&out);
    copy_bool(&out, true);
    CHECK_INT(copy_int4(&out, -2, &e), ERR_OK);
    CHECK_STR(shown(), "0003ffffffff0000000101"
                       "00000004fffffffe");
}

static void refuses_integers_that_do_not_fit_and_writes_nothing(void)
{
    CHECK_INT(copy_int4(&out, INT64_C(2147483648), &e), ERR_INVALID);
    CHECK_STR(e.msg, "2147483648 does not fit an integer");
    CHECK_INT(copy_int4(&out, INT64_C(-2147483649), &e), ERR_INVALID);
    CHECK_INT(copy_int2(&out, 32768, &e), ERR_INVALID);
    CHECK_INT(out.n, 0);
    CHECK_INT(copy_int2(&out, -32768, &e), ERR_OK);
    CHECK_STR(shown(), "000000028000");
}

static void refuses_a_zero_byte_in_text(void)
{
    CHECK_INT(copy_text(&out, bytes("ab\0c", 4), &e), ERR_INVALID);
    CHECK_STR(e.msg, "a zero byte at 2: text cannot hold one");
    CHECK_INT(out.n, 0);
    CHECK_INT(copy_text(&out, bytes("", 0), &e), ERR_OK);
    CHECK_STR(shown(), "00000000");
}

static void counts_days_and_microseconds_from_2000(void)
{
    CHECK_INT(copy_date(&out, 10957, &e), ERR_OK);
    CHECK_STR(shown(), "0000000400000000");
    CHECK_INT(copy_timestamp(&out, 946684800001, 1000, &e), ERR_OK);
    CHECK_STR(shown(), "0000000800000000000003e8");
    CHECK_INT(copy_timestamp(&out, 0, 1, &e), ERR_OK);
    CHECK_STR(shown(), "00000008fffca2fec4c82000"); // -946684800000000
}

static void refuses_dates_out_of_range_instead_of_wrapping(void)
{
    CHECK_INT(copy_date(&out, INT32_MAX, &e), ERR_INVALID);
    CHECK_INT(copy_date(&out, INT32_MIN, &e), ERR_INVALID);
    CHECK_INT(copy_timestamp(&out, INT64_MAX, 1000, &e), ERR_INVALID);
    CHECK_INT(copy_timestamp(&out, INT64_MIN, 1, &e), ERR_INVALID);
    CHECK_INT(copy_time(&out, -1, &e), ERR_INVALID);
    CHECK_INT(copy_time(&out, INT64_C(86400000001), &e), ERR_INVALID);
    // the last millisecond of 294276, and the one after it
    CHECK_INT(copy_timestamp(&out, INT64_C(9224318016000000), 1000, &e), ERR_INVALID);
    CHECK_INT(out.n, 0);
    CHECK_INT(copy_timestamp(&out, INT64_C(9224318015999999), 1000, &e), ERR_OK);
    buf_reset(&out);
}

static void writes_decimals_aligned_at_the_point(void)
{
    // 123.45 = 12345 * 10^-2 -> digits 123, 4500; weight 0; scale 2
    CHECK_INT(copy_numeric(&out, bytes("\x30\x39", 2), 2, 9, &e), ERR_OK);
    CHECK_STR(shown(), "0000000c00020000000000"
                       "02007b1194");
    // -1 * 10^-4: digit 1, weight -1
    CHECK_INT(copy_numeric(&out, bytes("\xff", 1), 4, 9, &e), ERR_OK);
    CHECK_STR(shown(), "0000000a0001ffff400000040001");
    // 0, padded
    CHECK_INT(copy_numeric(&out, bytes("\0\0\0\0", 4), 2, 9, &e), ERR_OK);
    CHECK_STR(shown(), "000000080000000000000002");
    // -128 in one byte; 10000 loses its trailing digit
    CHECK_INT(copy_numeric(&out, bytes("\x80", 1), 0, 9, &e), ERR_OK);
    CHECK_STR(shown(), "0000000a00010000400000000080");
    CHECK_INT(copy_numeric(&out, bytes("\x27\x10", 2), 0, 9, &e), ERR_OK);
    CHECK_STR(shown(), "0000000a00010001000000000001");
    // 1 * 10^3 and 1 * 10^5: negative scales
    CHECK_INT(copy_numeric(&out, bytes("\1", 1), -3, 0, &e), ERR_OK);
    CHECK_STR(shown(), "0000000a000100000000000003e8");
    CHECK_INT(copy_numeric(&out, bytes("\1", 1), -5, 0, &e), ERR_OK);
    CHECK_STR(shown(), "0000000a0001000100000000000a");
}

static void counts_digits_against_the_precision(void)
{
    CHECK_INT(copy_numeric(&out, bytes("\x03\xe7", 2), 1, 3, &e), ERR_OK); // 99.9
    buf_reset(&out);
    CHECK_INT(copy_numeric(&out, bytes("\x03\xe8", 2), 1, 3, &e), ERR_INVALID);
    CHECK_STR(e.msg, "decimal of 4 digits, precision is 3");
    CHECK_INT(out.n, 0);
}

static void writes_integers_as_numeric(void)
{
    copy_numeric_int(&out, INT64_MIN);
    CHECK_STR(shown(), "000000120005000440000000"
                       "039a0d2c0170156516b0"); // 922 3372 0368 5477 5808
    copy_numeric_int(&out, 0);
    CHECK_STR(shown(), "000000080000000000000000");
}

static void reads_a_big_decimal_in_full_or_not_at_all(void)
{
    // length 2 (zigzag 4), 0x3039, scale 2 (zigzag 4)
    CHECK_INT(copy_big_decimal(&out, bytes("\4\x30\x39\4", 4), &e), ERR_OK);
    CHECK_STR(shown(), "0000000c00020000000000"
                       "02007b1194");
    CHECK_INT(copy_big_decimal(&out, bytes("\4\x30\x39", 3), &e), ERR_INVALID);
    CHECK_INT(copy_big_decimal(&out, bytes("\x7f\x30", 2), &e), ERR_INVALID);
    CHECK_INT(copy_big_decimal(&out, bytes("\4\x30\x39\4\0", 5), &e), ERR_INVALID);
    CHECK_INT(copy_big_decimal(&out, bytes("", 0), &e), ERR_INVALID);
    CHECK_INT(out.n, 0);
}

static void reads_uuids_and_nothing_like_them(void)
{
    struct span text = span_str("00112233-4455-6677-8899-AaBbCcDdEeFf");

    CHECK_INT(copy_uuid(&out, text, &e), ERR_OK);
    CHECK_STR(shown(), "0000001000112233445566778899aabbccddeeff");
    CHECK_INT(copy_uuid(&out, span_of(text.p, 35), &e), ERR_INVALID);
    CHECK_INT(copy_uuid(&out, span_str("sixteen letters."), &e), ERR_INVALID);
    CHECK_INT(copy_uuid(&out, span_str("00112233x4455-6677-8899-AaBbCcDdEeFf"), &e),
              ERR_INVALID);
    CHECK_INT(copy_uuid(&out, span_str("0011223344-55-6677-8899-AaBbCcDdEeFg"), &e),
              ERR_INVALID);
    CHECK_INT(out.n, 0);
}

static void turns_a_duration_into_an_interval(void)
{
    CHECK_INT(copy_interval(&out, bytes("\1\0\0\0\2\0\0\0\3\0\0\0", 12), &e), ERR_OK);
    CHECK_STR(shown(), "000000100000000000000bb80000000200000001");
    CHECK_INT(copy_interval(&out, bytes("\0\0\0\x80\0\0\0\0\0\0\0\0", 12), &e),
              ERR_INVALID);
    CHECK_INT(out.n, 0);
}

static void writes_a_length_afterwards(void)
{
    size_t at = copy_open(&out);
    buf_put_str(&out, "abc");
    copy_close(&out, at);
    CHECK_STR(shown(), "00000003616263");
}

int main(void)
{
    out = BUF_INIT(1 << 20);
    RUN(writes_a_row_as_postgres_documents_it);
    RUN(refuses_integers_that_do_not_fit_and_writes_nothing);
    RUN(refuses_a_zero_byte_in_text);
    RUN(counts_days_and_microseconds_from_2000);
    RUN(refuses_dates_out_of_range_instead_of_wrapping);
    RUN(writes_decimals_aligned_at_the_point);
    RUN(counts_digits_against_the_precision);
    RUN(writes_integers_as_numeric);
    RUN(reads_a_big_decimal_in_full_or_not_at_all);
    RUN(reads_uuids_and_nothing_like_them);
    RUN(turns_a_duration_into_an_interval);
    RUN(writes_a_length_afterwards);
    buf_free(&out);
    return REPORT();
}
