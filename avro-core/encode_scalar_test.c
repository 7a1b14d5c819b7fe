/* What one value becomes: numbers, texts, bytes, dates and decimals. */
#include "avro-core/varint.h"
#include "tests/encoding.h"

static void plain_values_are_avro_s_bytes(void)
{
    static const struct encoding cases[] = {
        {"\"null\"", "null", "", NULL},
        {NULL, " null ", "", NULL},
        {NULL, "0", NULL, "the value: number 0, wanted null (type)\n"},
        {"\"boolean\"", "true", "01", NULL},
        {NULL, "false", "00", NULL},
        {NULL, "\"true\"", NULL, "the value: string \"true\", wanted boolean (type)\n"},
        {NULL, "1", NULL, "the value: number 1, wanted boolean (type)\n"},
        {"\"int\"", "0", "00", NULL},
        {NULL, "-1", "01", NULL},
        {NULL, "1", "02", NULL},
        {NULL, "-64", "7f", NULL},
        {NULL, "64", "8001", NULL},
        {NULL, "2147483647", "feffffff0f", NULL},
        {NULL, "-2147483648", "ffffffff0f", NULL},
        {NULL, "2147483648", NULL,
         "the value: number 2147483648, wanted int (range)\n"},
        {NULL, "-2147483649", NULL,
         "the value: number -2147483649, wanted int (range)\n"},
        {NULL, "99999999999999999999", NULL,
         "the value: number 99999999999999999999, wanted int (range)\n"},
        {NULL, "1.0", "02", NULL},
        {NULL, "1e2", "c801", NULL},
        {NULL, "1.5", NULL, "the value: number 1.5, wanted int (type)\n"},
        {NULL, "\"1\"", NULL, "the value: string \"1\", wanted int (type)\n"},
        {NULL, "null", NULL, "the value: null, wanted int (type)\n"},
        {NULL, "[1]", NULL, "the value: array, wanted int (type)\n"},
        {NULL, "{\"a\":[1,{}]}", NULL, "the value: object, wanted int (type)\n"},
        {"\"long\"", "9223372036854775807", "feffffffffffffffff01", NULL},
        {NULL, "-9223372036854775808", "ffffffffffffffffff01", NULL},
        {NULL, "9223372036854775808", NULL,
         "the value: number 9223372036854775808, wanted long (range)\n"},
        {NULL, "123456789012345678", "9ccd87e3f4d2cdb603", NULL},
        {NULL, "-0", "00", NULL},
        {"\"float\"", "1.5", "0000c03f", NULL},
        {NULL, "0.1", "cdcccc3d", NULL},
        {NULL, "-0.0", "00000080", NULL},
        {NULL, "3.5e38", NULL, "the value: number 3.5e38, wanted float (range)\n"},
        {NULL, "\"NaN\"", "0000c07f", NULL},
        {NULL, "\"-Infinity\"", "000080ff", NULL},
        {"\"double\"", "1.5", "000000000000f83f", NULL},
        {NULL, "1", "000000000000f03f", NULL},
        {NULL, "-0.0", "0000000000000080", NULL},
        {NULL, "5e-324", "0100000000000000", NULL},
        {NULL, "1e400", NULL, "the value: number 1e400, wanted double (range)\n"},
        {NULL, "\"NaN\"", "000000000000f87f", NULL},
        {NULL, "\"Infinity\"", "000000000000f07f", NULL},
        {NULL, "\"nan\"", NULL, "the value: string \"nan\", wanted double (type)\n"},
        {NULL, "\"abc\"", NULL, "the value: string \"abc\", wanted double (type)\n"},
        {"\"string\"", "\"\"", "00", NULL},
        {NULL, "\"abc\"", "06616263", NULL},
        {NULL, "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", "10225c2f080c0a0d09", NULL},
        {NULL, "\"\\u0041\\u00e9\\u20ac\\ud83d\\ude00\"", "1441c3a9e282acf09f9880",
         NULL},
        {NULL, "\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\"", "12c3a9e282acf09f9880",
         NULL},
        {NULL, "\"a\\u0000b\"", "06610062", NULL},
        {NULL, "\"0123456789012345678901234567890123456789\"",
         "50303132333435363738393031323334353637383930313233343536373839303132333435363"
         "73839",
         NULL},
        {NULL, "\"\xff\"", NULL, "the value: byte 0xff, wanted UTF-8 (utf8)\n"},
        {NULL, "\"\xc0\xaf\"", NULL, "the value: byte 0xc0, wanted UTF-8 (utf8)\n"},
        {NULL, "\"\xed\xa0\x80\"", NULL, "the value: byte 0xed, wanted UTF-8 (utf8)\n"},
        {NULL, "\"\xf4\x90\x80\x80\"", NULL,
         "the value: byte 0xf4, wanted UTF-8 (utf8)\n"},
        {NULL, "\"\\ud800\"", NULL,
         "the value: \\ud800, wanted both halves of a surrogate pair (utf8)\n"},
        {NULL, "\"\\ude00\\ud83d\"", NULL,
         "the value: \\ude00, wanted both halves of a surrogate pair (utf8)\n"},
        {NULL, "\"\\x\"", NULL,
         "the value: 'x', wanted an escape: one of \"\\/bfnrtu (json)\n"},
        {NULL, "\"a\nb\"", NULL,
         "the value: byte 0x0a, wanted control characters escaped (json)\n"},
        {NULL, "\"abc", NULL,
         "the value: the end of the text, wanted '\"' after the string (json)\n"},
        {NULL, "12", NULL, "the value: number 12, wanted string (type)\n"},
        {"\"bytes\"", "\"\"", "00", NULL},
        {NULL, "\"AP8=\"", "0400ff", NULL},
        {NULL, "\"+/+/\"", "06fbffbf", NULL},
        {NULL, "\"-_-_\"", "06fbffbf", NULL},
        {NULL, "\"\\u0041P8=\"", "0400ff", NULL},
        {NULL, "\"-/-/\"", NULL, "the value: string \"-/-/\", wanted bytes (base64)\n"},
        {NULL, "\"AP9=\"", NULL, "the value: string \"AP9=\", wanted bytes (base64)\n"},
        {NULL, "\"AP8\"", NULL, "the value: string \"AP8\", wanted bytes (base64)\n"},
        {NULL, "\"A===\"", NULL, "the value: string \"A===\", wanted bytes (base64)\n"},
        {NULL, "\"=AAA\"", NULL, "the value: string \"=AAA\", wanted bytes (base64)\n"},
        {"{\"type\":\"fixed\",\"name\":\"com.x.F\",\"size\":2}", "\"AP8=\"", "00ff",
         NULL},
        {NULL, "\"AP8A\"", NULL,
         "the value: string \"AP8A\", wanted com.x.F, 2 bytes (fixed-size)\n"},
        {NULL, "\"~\"", NULL,
         "the value: string \"~\", wanted com.x.F, 2 bytes (base64)\n"},
        {"{\"type\":\"enum\",\"name\":\"E\",\"symbols\":[\"A\",\"B\",\"C\"]}", "\"B\"",
         "02", NULL},
        {NULL, "\"\\u0043\"", "04", NULL},
        {NULL, "\"D\"", NULL,
         "the value: string \"D\", wanted one of: A, B, C (enum)\n"},
        {NULL, "\"a\"", NULL,
         "the value: string \"a\", wanted one of: A, B, C (enum)\n"},
        {NULL, "1", NULL, "the value: number 1, wanted one of: A, B, C (type)\n"},
    };

    CHECK_ALL(cases, NULL);
}

static void what_is_no_json_says_where_and_what(void)
{
    static const struct encoding cases[] = {
        {"\"long\"", "", NULL,
         "the value: the end of the text, wanted a value (json)\n"},
        {NULL, "01", NULL, "the value: '0', wanted a number (json)\n"},
        {NULL, "-", NULL, "the value: '-', wanted a number (json)\n"},
        {NULL, "1 2", NULL, "the value: '2', wanted the end of the text (json)\n"},
        {NULL, "1x", NULL, "the value: 'x', wanted the end of the text (json)\n"},
        {NULL, "1.e3", NULL, "the value: '1', wanted a number (json)\n"},
        {NULL, "nul", NULL, "the value: the end of the text, wanted null (json)\n"},
        {NULL, "tru", NULL, "the value: the end of the text, wanted true (json)\n"},
        {NULL, "'1'", NULL, "the value: ''', wanted a value (json)\n"},
        {NULL, "[1,]", NULL, "the value: ']', wanted a value (json)\n"},
        {NULL, "[1", NULL,
         "the value: the end of the text, wanted ',' or ']' (json)\n"},
        {NULL, "[1}", NULL, "the value: '}', wanted ',' or ']' (json)\n"},
        {NULL, "{\"a\":1", NULL,
         "the value: the end of the text, wanted ',' or '}' (json)\n"},
        {NULL, "{\"a\" 1}", NULL, "the value: '1', wanted ':' (json)\n"},
        {NULL, "{a:1}", NULL, "the value: 'a', wanted a name in quotes (json)\n"},
        {NULL, "{\"a\":1,}", NULL, "the value: '}', wanted a name in quotes (json)\n"},
        {NULL,
         "\xef\xbb\xbf"
         "1",
         NULL, "the value: byte 0xef, wanted a value (json)\n"},
        {"{\"type\":\"array\",\"items\":\"int\"}", "[1,2", NULL,
         "/1: the end of the text, wanted ',' or ']' (json)\n"},
        {NULL, "[1,]", NULL, "/1: ']', wanted a value (json)\n"},
        {"{\"type\":\"record\",\"name\":\"R\",\"fields\":[{\"name\":\"a\",\"type\":"
         "\"int\"}]}",
         "{\"a\":1", NULL, "/a: the end of the text, wanted ',' or '}' (json)\n"},
        {NULL, "{", NULL,
         "the value: the end of the text, wanted a name in quotes (json)\n"},
        {NULL, "{\"a\":1,}", NULL, "/a: '}', wanted a name in quotes (json)\n"},
        {NULL, "{\"a\";1}", NULL, "the value: ';', wanted ':' (json)\n"},
        {"{\"type\":\"map\",\"values\":\"int\"}", "{\"a\":1", NULL,
         "/a: the end of the text, wanted ',' or '}' (json)\n"},
        {NULL, "{1:1}", NULL, "the value: '1', wanted a name in quotes (json)\n"},
        {NULL, "{\"a\"}", NULL, "/a: '}', wanted ':' (json)\n"},
    };

    CHECK_ALL(cases, NULL);
}

static void bytes_may_be_avro_s_own_text(void)
{
    static const struct av_encode_options avro = {.bytes_as = AV_BYTES_AVRO_JSON};
    static const struct encoding cases[] = {
        {"\"bytes\"", "\"AP8=\"", "084150383d", NULL},
        {"{\"type\":\"fixed\",\"name\":\"F\",\"size\":1}", "\"\\u00fe\"", "fe", NULL},
        {DECIMAL, "1.5",
         "04"
         "0096",
         NULL},
    };

    CHECK_ALL(cases, &avro);
}

static void logical_types_are_read_as_people_write_them(void)
{
    static const struct encoding cases[] = {
        {LOGICAL("int", "date"), "\"1970-01-01\"", "00", NULL},
        {NULL, "\"2026-11-20\"", "d2c402", NULL},
        {NULL, "\"1969-12-31\"", "01", NULL},
        {NULL, "7", "0e", NULL},
        {NULL, "\"2026-02-29\"", NULL,
         "the value: string \"2026-02-29\" (there is no such, or it is out of range), "
         "wanted "
         "date (date)\n"},
        {NULL, "\"20.11.2026\"", NULL,
         "the value: string \"20.11.2026\", wanted date (date)\n"},
        {NULL, "true", NULL, "the value: true, wanted date (type)\n"},
        {NULL, "3e9", NULL, "the value: number 3e9, wanted date (range)\n"},
        {LOGICAL("int", "time-millis"), "\"00:00:00.001\"", "02", NULL},
        {NULL, "\"00:00:01.0020000\"", "d40f", NULL},
        {NULL, "\"00:00:00.0001\"", NULL,
         "the value: string \"00:00:00.0001\", wanted time-millis (precision)\n"},
        {NULL, "\"24:00:00\"", NULL,
         "the value: string \"24:00:00\" (there is no such, or it is out of range), "
         "wanted "
         "time-millis (time)\n"},
        {NULL, "\"9:00\"", NULL,
         "the value: string \"9:00\", wanted time-millis (time)\n"},
        {LOGICAL("long", "time-micros"), "\"00:00:00.000001\"", "02", NULL},
        {LOGICAL("long", "timestamp-millis"), "\"1970-01-01T00:00:00Z\"", "00", NULL},
        {NULL, "\"1970-01-01T01:00:00.001+01:00\"", "02", NULL},
        {NULL, "\"1969-12-31T23:59:59.999Z\"", "01", NULL},
        {NULL, "\"1970-01-01 00:00:00z\"", "00", NULL},
        {NULL, "\"1970-01-01t00:00Z\"", "00", NULL},
        {NULL, "1", "02", NULL},
        {NULL, "\"1970-01-01T00:00:00\"", NULL,
         "the value: string \"1970-01-01T00:00:00\" (no Z or offset), wanted "
         "timestamp-millis "
         "(timestamp)\n"},
        {NULL, "\"1970-01-01\"", NULL,
         "the value: string \"1970-01-01\", wanted timestamp-millis (timestamp)\n"},
        {NULL, "\"2016-12-31T23:59:60Z\"", NULL,
         "the value: string \"2016-12-31T23:59:60Z\" (there is no such, or it is out "
         "of "
         "range), wanted timestamp-millis (timestamp)\n"},
        {LOGICAL("long", "timestamp-micros"), "\"1970-01-01T00:00:00.000001Z\"", "02",
         NULL},
        {LOGICAL("long", "timestamp-nanos"), "\"1970-01-01T00:00:00.000000001Z\"", "02",
         NULL},
        {NULL, "\"9999-12-31T00:00:00Z\"", NULL, NULL},
        {LOGICAL("long", "local-timestamp-millis"), "\"1970-01-01T00:00:00.001\"", "02",
         NULL},
        {NULL, "\"1970-01-01T00:00:00Z\"", NULL,
         "the value: string \"1970-01-01T00:00:00Z\" (a local time has no zone), "
         "wanted "
         "local-timestamp-millis (timestamp)\n"},
        {LOGICAL("long", "local-timestamp-nanos"), "\"1970-01-01T00:00:00.000000001\"",
         "02", NULL},
        {LOGICAL("string", "uuid"), "\"f81d4fae-7dec-11d0-a765-00a0c91e6bf6\"",
         "4866383164346661652d376465632d313164302d613736352d303061306339316536626636",
         NULL},
        {NULL, "\"f81d4fae7dec11d0a76500a0c91e6bf6\"", NULL,
         "the value: string \"f81d4fae7dec11d0a76500a0c91e6bf6\", wanted uuid "
         "(uuid)\n"},
        {NULL, "\"f81d4fae-7dec-11d0-a765-00a0c91e6bfg\"", NULL, NULL},
        {"{\"type\":\"fixed\",\"size\":16,\"name\":\"U\",\"logicalType\":\"uuid\"}",
         "\"F81D4FAE-7dec-11d0-a765-00a0c91e6bf6\"", "f81d4fae7dec11d0a76500a0c91e6bf6",
         NULL},
        {DECIMAL, "1.10", "026e", NULL},
        {NULL, "\"1.10\"", "026e", NULL},
        {NULL, "-1.28", "0280", NULL},
        {NULL, "0", "0200", NULL},
        {NULL, "9999.99", "060f423f", NULL},
        {NULL, "10000", NULL, "the value: number 10000, wanted decimal(6,2) (range)\n"},
        {NULL, "1.234", NULL,
         "the value: number 1.234, wanted decimal(6,2) (precision)\n"},
        {NULL, "\"1,5\"", NULL,
         "the value: string \"1,5\", wanted decimal(6,2) (decimal)\n"},
        {NULL, "\"\"", NULL, "the value: string \"\", wanted decimal(6,2) (decimal)\n"},
        {NULL, "null", NULL, "the value: null, wanted decimal(6,2) (type)\n"},
        {"{\"type\":\"fixed\",\"size\":4,\"name\":\"D\",\"logicalType\":\"decimal\","
         "\"precision\":9,\"scale\":0}",
         "-2", "fffffffe", NULL},
        {NULL, "999999999", "3b9ac9ff", NULL},
        {LOGICAL("bytes", "big-decimal"), "1.10", "06026e04", NULL},
        {NULL, "\"-1e3\"", "0602ff05", NULL},
        {NULL, "\"x\"", NULL,
         "the value: string \"x\", wanted big-decimal (decimal)\n"},
        {"{\"type\":\"fixed\",\"size\":12,\"name\":\"D\",\"logicalType\":\"duration\"}",
         "\"P1Y2M3DT4H5M6.789S\"",
         "0e00000003000000"
         "6568e000",
         NULL},
        {NULL, "\"P2W\"", "000000000e00000000000000", NULL},
        {NULL, "\"PT0S\"", "000000000000000000000000", NULL},
        {NULL, "\"P\"", NULL, "the value: string \"P\", wanted duration (duration)\n"},
        {NULL, "\"-P1D\"", NULL,
         "the value: string \"-P1D\", wanted duration (duration)\n"},
        {NULL, "5", NULL, "the value: number 5, wanted duration (type)\n"},
    };

    CHECK_ALL(cases, NULL);
}

/* The C library reads the same texts; it is asked in the C locale. */
static void check_number(const struct av_encoder *real, const struct av_encoder *whole,
                         const char *text)
{
    struct av_problems p = {0};
    struct buf out = BUF_INIT(100);
    double want = strtod(text, NULL), got = 0;

    CHECK_INT(av_encode(real, span_str(text), &out, &p), ERR_OK);
    CHECK_INT(out.n, sizeof got);
    memcpy(&got, out.p, sizeof got); // as the machine that tests has doubles
    CHECK(memcmp(&got, &want, sizeof got) == 0);
    if (memcmp(&got, &want, sizeof got) != 0)
        printf("    of %s\n", text);
    if (strchr(text, '.') == NULL) {
        struct buf again = BUF_INIT(VARINT_MOST);
        varint_append(&again, strtoll(text, NULL, 10));
        buf_reset(&out);
        CHECK_INT(av_encode(whole, span_str(text), &out, &p), ERR_OK);
        CHECK(span_eq(buf_span(&out), buf_span(&again)));
        buf_free(&again);
    }
    buf_free(&out);
    av_problems_free(&p);
}

/* One to eighteen digits, a point behind any of them: around where the quick way ends.
 */
static void numbers_of_any_length_are_the_c_library_s(void)
{
    struct av_encoder *real = encoder_for("\"double\"", NULL);
    struct av_encoder *whole = encoder_for("\"long\"", NULL);
    uint64_t seed = 1;

    for (int i = 0; i < 20000; i++) {
        char text[40] = "-";
        size_t n = 1 + (size_t)i % 18, at = i % 3 == 0, point = (size_t)i / 18 % 20;
        for (size_t k = 0; k < n; k++) {
            seed = seed * 6364136223846793005u + 1442695040888963407u;
            text[at++] = (char)('0' + (k == 0 ? 1 + seed / 7 % 9 : (seed >> 33) % 10));
            if (k == point && k + 1 < n)
                text[at++] = '.';
        }
        text[at] = '\0';
        check_number(real, whole, text);
    }
    check_number(real, whole, "0");
    check_number(real, whole, "0.000000000000001");
    check_number(real, whole, "-0.0");
    check_number(real, whole, "9007199254740993.0");
    check_number(real, whole, "999999999999999.9");
    av_encoder_free(real);
    av_encoder_free(whole);
}

int main(void)
{
    RUN(plain_values_are_avro_s_bytes);
    RUN(what_is_no_json_says_where_and_what);
    RUN(bytes_may_be_avro_s_own_text);
    RUN(logical_types_are_read_as_people_write_them);
    RUN(numbers_of_any_length_are_the_c_library_s);
    return REPORT();
}
