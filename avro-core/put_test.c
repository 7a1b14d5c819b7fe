#include "avro-core/put.h"
#include "tests/check.h"

#include <limits.h>

#define SHOWS(call, want)                   \
    do {                                    \
        struct buf out = BUF_INIT(1 << 16); \
        call;                               \
        CHECK_SPAN(buf_span(&out), want);   \
        buf_free(&out);                     \
    } while (0)

static void bytes_become_base64_of_rfc_4648(void)
{
    static const char *const rows[][2] = {
        {"", ""},
        {"f", "Zg=="},
        {"fo", "Zm8="},
        {"foo", "Zm9v"},
        {"foob", "Zm9vYg=="},
        {"fooba", "Zm9vYmE="},
        {"foobar", "Zm9vYmFy"},
        {"\xff\xff\xfe", "///+"},
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        SHOWS(put_base64(&out, span_str(rows[i][0])), rows[i][1]);
}

static void a_uuid_has_its_four_dashes(void)
{
    const uint8_t id[16] = {0x12, 0x3e, 0x45, 0x67, 0xe8, 0x9b, 0x12, 0xd3,
                            0xa4, 0x56, 0x42, 0x66, 0x14, 0x17, 0x40, 0x00};

    SHOWS(put_uuid(&out, id), "123e4567-e89b-12d3-a456-426614174000");
}

static void days_are_those_of_the_gregorian_calendar(void)
{
    static const struct {
        int64_t days;
        const char *text;
    } rows[] = {
        {0, "1970-01-01"},       {-1, "1969-12-31"},      {11016, "2000-02-29"},
        {11017, "2000-03-01"},   {19782, "2024-02-29"},   {-25509, "1900-02-28"},
        {-25508, "1900-03-01"},  {-719528, "0000-01-01"}, {-719468, "0000-03-01"},
        {-719469, "0000-02-29"}, {2932896, "9999-12-31"}, {20777, "2026-11-20"},
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        SHOWS(CHECK(put_date(&out, rows[i].days)), rows[i].text);
    SHOWS(CHECK(!put_date(&out, -719529)), "");
    SHOWS(CHECK(!put_date(&out, 2932897)), "");
    SHOWS(CHECK(!put_date(&out, INT32_MIN)), "");
}

static void times_show_the_fraction_they_have(void)
{
    SHOWS(CHECK(put_time(&out, 0, 1000)), "00:00:00");
    SHOWS(CHECK(put_time(&out, 34200250, 1000)), "09:30:00.250");
    SHOWS(CHECK(put_time(&out, 86399999, 1000)), "23:59:59.999");
    SHOWS(CHECK(put_time(&out, 1, 1000000)), "00:00:00.000001");
    SHOWS(CHECK(put_time(&out, 5000, 1000000)), "00:00:00.005");
    SHOWS(CHECK(!put_time(&out, 86400000, 1000)), "");
    SHOWS(CHECK(!put_time(&out, -1, 1000)), "");
}

static void instants_before_1970_count_down(void)
{
    SHOWS(CHECK(put_instant(&out, 0, 1000, false)), "1970-01-01T00:00:00Z");
    SHOWS(CHECK(put_instant(&out, -1, 1000, false)), "1969-12-31T23:59:59.999Z");
    SHOWS(CHECK(put_instant(&out, -86400000, 1000, true)), "1969-12-31T00:00:00");
    SHOWS(CHECK(put_instant(&out, 1700000000123456789, 1000000000, false)),
          "2023-11-14T22:13:20.123456789Z");
    SHOWS(CHECK(put_instant(&out, INT64_MIN, 1000000000, true)),
          "1677-09-21T00:12:43.145224192");
    SHOWS(CHECK(!put_instant(&out, INT64_MAX, 1000, false)), "");
    SHOWS(CHECK(!put_instant(&out, INT64_MIN, 1000, false)), "");
}

static void durations_leave_out_what_is_zero(void)
{
    SHOWS(put_duration(&out, (const uint8_t[12]){0}), "PT0S");
    SHOWS(put_duration(&out, (const uint8_t[12]){14, 0, 0, 0, 3, 0, 0, 0, 0xa5, 0x0f}),
          "P14M3DT4.005S");
    SHOWS(put_duration(&out, (const uint8_t[12]){1}), "P1M");
    SHOWS(put_duration(&out, (const uint8_t[12]){0, 0, 0, 0, 2}), "P2D");
    SHOWS(
        put_duration(
            &out, (const uint8_t *)"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"),
        "P4294967295M4294967295DT4294967.295S");
}

static void decimals_are_exact(void)
{
    static const struct {
        const char *bytes;
        size_t n;
        int scale;
        const char *text;
    } rows[] = {
        {"", 0, 0, "0"},
        {"", 0, 2, "0.00"},
        {"\0", 1, 0, "0"},
        {"\x01", 1, 0, "1"},
        {"\xff", 1, 0, "-1"},
        {"\xff", 1, 3, "-0.001"},
        {"\x04\xd2", 2, 2, "12.34"},
        {"\0\0\0\0\0\0\x04\xd2", 8, 2, "12.34"},
        {"\xff\xff\xff\xff\xfb\x2e", 6, 2, "-12.34"},
        {"\x80", 1, 0, "-128"},
        {"\x80\0", 2, 0, "-32768"},
        {"\x80\0\0\0", 4, 0, "-2147483648"},
        {"\xff\0\0\0\0", 5, 0, "-4294967296"},
        {"\x3b\x9a\xca\0", 4, 0, "1000000000"},
        {"\x0d\xe0\xb6\xb3\xa7\x64\0\0", 8, 18, "1.000000000000000000"},
        {"\x80\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 16, 0,
         "-170141183460469231731687303715884105728"},
        {"\x7f\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", 16, 38,
         "1.70141183460469231731687303715884105727"},
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct decimal d;

        CHECK(decimal_read(&d, span_of(rows[i].bytes, rows[i].n)));
        SHOWS(put_decimal(&out, &d, rows[i].scale), rows[i].text);
    }
}

static void the_largest_decimal_has_room(void)
{
    static uint8_t bytes[PUT_DECIMAL_BYTES + 1];
    struct decimal d;

    memset(bytes, 0x7f, sizeof bytes);
    CHECK(decimal_read(&d, span_of(bytes, PUT_DECIMAL_BYTES)));
    CHECK_INT(d.n, 4142);
    CHECK(!decimal_read(&d, span_of(bytes, PUT_DECIMAL_BYTES + 1)));
    memset(bytes, 0x80, sizeof bytes);
    CHECK(decimal_read(&d, span_of(bytes, PUT_DECIMAL_BYTES)));
    CHECK(d.negative);
    memset(bytes, 0xff, sizeof bytes);
    CHECK(decimal_read(&d, span_of(bytes, PUT_DECIMAL_BYTES + 1))); // -1, padded
    CHECK_INT(d.n, 1);
}

static void big_decimals_keep_their_scale(void)
{
    struct decimal d;

    CHECK(decimal_read(&d, span_of("\x0c", 1)));
    SHOWS(put_big_decimal(&out, &d, 0), "12");
    SHOWS(put_big_decimal(&out, &d, 1), "1.2");
    SHOWS(put_big_decimal(&out, &d, 64),
          "0.0000000000000000000000000000000000000000000000000000000000000012");
    SHOWS(put_big_decimal(&out, &d, 65), "12e-65");
    SHOWS(put_big_decimal(&out, &d, -3), "12e3");
    SHOWS(put_big_decimal(&out, &d, INT32_MIN), "12e2147483648");
}

int main(void)
{
    RUN(bytes_become_base64_of_rfc_4648);
    RUN(a_uuid_has_its_four_dashes);
    RUN(days_are_those_of_the_gregorian_calendar);
    RUN(times_show_the_fraction_they_have);
    RUN(instants_before_1970_count_down);
    RUN(durations_leave_out_what_is_zero);
    RUN(decimals_are_exact);
    RUN(the_largest_decimal_has_room);
    RUN(big_decimals_keep_their_scale);
    return REPORT();
}
