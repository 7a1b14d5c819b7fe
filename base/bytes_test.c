#include "base/bytes.h"

#include "base/buf.h"
#include "tests/check.h"

static void a_number_is_read_lowest_byte_first(void)
{
    CHECK_INT(bytes_le32((const uint8_t[]){0x78, 0x56, 0x34, 0x12}), 0x12345678);
    CHECK_INT(bytes_le32((const uint8_t[]){0xff, 0xff, 0xff, 0xff}), UINT32_MAX);
}

static void or_highest_byte_first(void)
{
    CHECK_INT(bytes_be32((const uint8_t[]){0x12, 0x34, 0x56, 0x78}), 0x12345678);
    CHECK_INT(bytes_be32((const uint8_t[]){0xff, 0xff, 0xff, 0xff}), UINT32_MAX);
}

static void digits_are_small_letters_and_end_with_nul(void)
{
    char text[9] = "xxxxxxxx";

    bytes_hex(text, span_of("\x00\x9f\xff", 3));
    CHECK_STR(text, "009fff");
    bytes_hex(text, span_of("", 0));
    CHECK_STR(text, "");
}

static void a_buf_takes_both(void)
{
    struct buf b = BUF_INIT(100);

    buf_put_le(&b, 0x1234567890abcdefULL, 8);
    buf_put_le(&b, 0x1234567890abcdefULL, 2);
    CHECK_SPAN(buf_span(&b), "\xef\xcd\xab\x90\x78\x56\x34\x12\xef\xcd");
    buf_reset(&b);
    buf_put_hex(&b, span_of("\x01\xAB", 2));
    CHECK_SPAN(buf_span(&b), "01ab");
    buf_free(&b);
}

int main(void)
{
    RUN(a_number_is_read_lowest_byte_first);
    RUN(or_highest_byte_first);
    RUN(digits_are_small_letters_and_end_with_nul);
    RUN(a_buf_takes_both);
    return REPORT();
}
