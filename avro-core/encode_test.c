#include "avro-core/encode.h"
#include "tests/check.h"

#include <stdlib.h>

static struct av_encoder *encoder_for(const char *schema,
                                      const struct av_encode_options *o)
{
    struct av_schema *s = NULL;
    struct av_encoder *enc = NULL;
    struct err e = {0};

    if (av_schema_parse(&s, span_str(schema), NULL, 0, NULL, &e) != ERR_OK ||
        av_encoder_new(&enc, s, o, &e) != ERR_OK)
        printf("    %s: %s\n", schema, e.msg);
    av_schema_release(s); // the encoder has its own
    return enc;
}

static void to_hex(char *to, size_t room, struct span bytes)
{
    to[0] = '\0';
    for (size_t i = 0; i < bytes.n && 2 * i + 3 < room; i++)
        sprintf(to + 2 * i, "%02x", bytes.p[i]);
}

struct encoding {
    const char *schema; // NULL: that of the case before
    const char *json;
    const char *hex;      // NULL: refused
    const char *messages; // then: all of them, '\n' after each
};

static void join_messages(struct buf *out, const struct av_problems *p)
{
    for (const struct av_problem *x = p->first; x != NULL; x = x->next) {
        buf_put(out, x->message);
        buf_put_u8(out, '\n');
    }
    buf_put_u8(out, '\0');
}

static void check_encoding(const struct av_encoder *enc, const struct encoding *c)
{
    struct buf out = BUF_INIT(1 << 20), said = BUF_INIT(1 << 16);
    struct av_problems p = {0};
    char hex[2000] = "";
    /* A text of its own size, so that ASan sees a read behind its end. */
    struct span text = {.n = strlen(c->json)};
    uint8_t *copy = malloc(text.n + 1);
    text.p = memcpy(copy, c->json, text.n);
    if (text.n > 0)
        text.p = copy = realloc(copy, text.n);

    buf_put_str(&out, "before");
    enum err_kind k = av_encode(enc, text, &out, &p);
    CHECK_INT(k, c->hex != NULL ? ERR_OK : ERR_INVALID);
    CHECK_INT(p.n > 0, k != ERR_OK);
    join_messages(&said, &p);
    to_hex(hex, sizeof hex, span_skip(buf_span(&out), 6));
    CHECK_STR(hex, c->hex != NULL ? c->hex : "");
    if (c->messages != NULL || k == ERR_OK)
        CHECK_STR((const char *)said.p, c->messages != NULL ? c->messages : "");
    if ((k == ERR_OK) != (c->hex != NULL))
        printf("    of %s\n    %s\n", c->json, (const char *)said.p);
    free(copy);
    av_problems_free(&p);
    buf_free(&said);
    buf_free(&out);
}

static void check_all(const struct encoding *c, size_t n,
                      const struct av_encode_options *o)
{
    struct av_encoder *enc = NULL;

    for (size_t i = 0; i < n; i++) {
        if (c[i].schema != NULL) {
            av_encoder_free(enc);
            enc = encoder_for(c[i].schema, o);
        }
        CHECK(enc != NULL);
        if (enc != NULL)
            check_encoding(enc, &c[i]);
    }
    av_encoder_free(enc);
}

#define CHECK_ALL(cases, o) check_all(cases, sizeof cases / sizeof *cases, o)

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

#define FIELD(name, type) "{\"name\":\"" name "\",\"type\":" type "}"
#define FILLED(name, type, fallback) \
    "{\"name\":\"" name "\",\"type\":" type ",\"default\":" fallback "}"
#define RECORD(name, fields) \
    "{\"type\":\"record\",\"name\":\"" name "\",\"fields\":[" fields "]}"

#define THREE                                                                 \
    RECORD("com.shop.Order",                                                  \
           FIELD("id", "\"long\"") "," FIELD("name", "\"string\"") "," FIELD( \
               "paid", "\"boolean\""))

static void a_record_s_members_come_in_any_order(void)
{
    static const struct encoding cases[] = {
        {THREE, "{\"id\":1,\"name\":\"x\",\"paid\":true}", "02027801", NULL},
        {NULL, " { \"id\" : 1 , \"name\" : \"x\" , \"paid\" : true } ", "02027801",
         NULL},
        {NULL, "{\"paid\":true,\"name\":\"x\",\"id\":1}", "02027801", NULL},
        {NULL, "{\"name\":\"x\",\"paid\":true,\"id\":1}", "02027801", NULL},
        {NULL, "{\"id\":1,\"paid\":true,\"name\":\"x\"}", "02027801", NULL},
        {NULL, "{\"paid\":true,\"id\":1,\"name\":\"x\"}", "02027801", NULL},
        {NULL, "{\"\\u0069d\":1,\"n\\u0061me\":\"x\",\"paid\":true}", "02027801", NULL},
        {NULL, "{\"name\":\"x\",\"\\u0069d\":1,\"paid\":true}", "02027801", NULL},
        {NULL, "{\"id\":1,\"paid\":true}", NULL,
         "/name: nothing, wanted string (missing-field)\n"},
        {NULL, "{}", NULL,
         "/id: nothing, wanted long (missing-field)\n"
         "/name: nothing, wanted string (missing-field)\n"
         "/paid: nothing, wanted boolean (missing-field)\n"},
        {NULL, "{\"id\":1,\"name\":\"x\",\"paid\":true,\"id\":2}", NULL,
         "/id: the name again, wanted each name once (duplicate-key)\n"},
        {NULL, "{\"id\":1,\"id\":1,\"name\":\"x\",\"paid\":true}", NULL,
         "/id: the name again, wanted each name once (duplicate-key)\n"},
        {NULL, "{\"paid\":true,\"id\":1,\"name\":\"x\",\"paid\":[]}", NULL,
         "/paid: the name again, wanted each name once (duplicate-key)\n"},
        {NULL, "{\"id\":\"a\",\"name\":7,\"paid\":null}", NULL,
         "/id: string \"a\", wanted long (type)\n"
         "/name: number 7, wanted string (type)\n"
         "/paid: null, wanted boolean (type)\n"},
        {NULL, "{\"paid\":0,\"nmae\":\"x\",\"id\":1.5}", NULL,
         "/paid: number 0, wanted boolean (type)\n"
         "/nmae: string \"nmae\" (did you mean \"name\"?), wanted a field of "
         "com.shop.Order "
         "(unknown-field)\n"
         "/id: number 1.5, wanted long (type)\n"
         "/name: nothing, wanted string (missing-field)\n"},
        {NULL, "{\"id\":1,\"name\":\"x\",\"paid\":true,\"a/b~c\":{}}", NULL,
         "/a~1b~0c: string \"a/b~c\", wanted a field of com.shop.Order "
         "(unknown-field)\n"},
        {NULL, "[]", NULL, "the value: array, wanted com.shop.Order (type)\n"},
        {NULL, "{\"id\":1,\"name\":\"\xff\",\"paid\":7}", NULL,
         "/name: byte 0xff, wanted UTF-8 (utf8)\n"
         "/paid: number 7, wanted boolean (type)\n"},
        {RECORD("R", ""), "{}", "", NULL},
    };

    CHECK_ALL(cases, NULL);
}

static void a_missing_field_takes_its_default(void)
{
    static const struct encoding cases[] = {
        {RECORD("R", FILLED("a", "\"int\"", "7") "," FIELD("b", "\"int\"") "," FILLED(
                         "c", "[\"null\",\"string\"]",
                         "null") "," FILLED("d", "\"string\"", "\"x\"")),
         "{\"a\":1,\"b\":2,\"c\":\"y\",\"d\":\"z\"}", "0204020279027a", NULL},
        {NULL, "{\"b\":2}", "0e04000278", NULL},
        {NULL, "{\"b\":2,\"d\":\"z\"}", "0e0400027a", NULL},
        {NULL, "{\"d\":\"z\",\"b\":2}", "0e0400027a", NULL},
        {NULL, "{\"c\":null,\"b\":2}", "0e04000278", NULL},
        {NULL, "{\"a\":1,\"b\":2}", "0204000278", NULL},
        {NULL, "{\"c\":\"y\",\"a\":1,\"b\":2}", "02040202790278", NULL},
        {NULL, "{}", NULL, "/b: nothing, wanted int (missing-field)\n"},
        {NULL, "{\"d\":\"z\"}", NULL, "/b: nothing, wanted int (missing-field)\n"},
        {RECORD("R", FIELD("a", "[\"null\",\"int\"]")), "{\"a\":null}", "00", NULL},
        {NULL, "{}", NULL,
         "/a: nothing (null must be given, or the schema declare a default), wanted "
         "one of: "
         "null, int (missing-field)\n"},
        {RECORD("R", "{\"name\":\"temp\",\"type\":\"int\",\"aliases\":[\"t\"]}"),
         "{\"t\":1}", NULL,
         "/t: string \"t\" (an alias; data names the field \"temp\"), wanted a field "
         "of R "
         "(unknown-field)\n"
         "/temp: nothing, wanted int (missing-field)\n"},
    };

    CHECK_ALL(cases, NULL);
}

static void arrays_and_maps_are_one_block(void)
{
    static const struct encoding cases[] = {
        {"{\"type\":\"array\",\"items\":\"int\"}", "[]", "00", NULL},
        {NULL, "[ ]", "00", NULL},
        {NULL, "[1,-1]", "04020100", NULL},
        {NULL, " [ 1 , -1 ] ", "04020100", NULL},
        {NULL, "[1,\"a\",2,null]", NULL,
         "/1: string \"a\", wanted int (type)\n/3: null, wanted int (type)\n"},
        {NULL, "{}", NULL, "the value: object, wanted array (type)\n"},
        {"{\"type\":\"array\",\"items\":\"null\"}", "[null,null]", "0400", NULL},
        {"{\"type\":\"array\",\"items\":{\"type\":\"array\",\"items\":\"int\"}}",
         "[[],[1],[2,3]]",
         "06"
         "00"
         "020200"
         "04040600"
         "00",
         NULL},
        {"{\"type\":\"map\",\"values\":\"int\"}", "{}", "00", NULL},
        {NULL, "{\"a\":1,\"b\":2}",
         "04026102"
         "02620400",
         NULL},
        {NULL, "{\"b\":1,\"a\":2}",
         "04026202"
         "02610400",
         NULL},
        {NULL, "{\"\":1}", "02000200", NULL},
        {NULL, "{\"\\u0061\":1}", "0202610200", NULL},
        {NULL, "{\"a\":1,\"\\u0061\":2}", NULL,
         "/a: the name again, wanted each name once (duplicate-key)\n"},
        {NULL, "{\"b\":1,\"a\":2,\"b\":3,\"a\":4}", NULL,
         "/a: the name again, wanted each name once (duplicate-key)\n"
         "/b: the name again, wanted each name once (duplicate-key)\n"},
        {NULL, "{\"a\":1,\"b/c\":\"x\"}", NULL,
         "/b~1c: string \"x\", wanted int (type)\n"},
        {NULL, "{\"\xff\":1}", NULL, "the value: byte 0xff, wanted UTF-8 (utf8)\n"},
        {"{\"type\":\"map\",\"values\":{\"type\":\"map\",\"values\":\"int\"}}",
         "{\"z\":{\"b\":1,\"a\":2},\"y\":{\"c\":3}}",
         "04"
         "027a"
         "04"
         "026202"
         "026104"
         "00"
         "0279"
         "02"
         "026306"
         "00"
         "00",
         NULL},
    };

    CHECK_ALL(cases, NULL);
}

static void a_union_takes_the_branch_that_fits(void)
{
    static const struct encoding cases[] = {
        {"[\"null\",\"string\"]", "null", "00", NULL},
        {NULL, "\"x\"", "020278", NULL},
        {NULL, "{\"string\":\"x\"}", "020278", NULL},
        {NULL, " { \"string\" : \"x\" } ", "020278", NULL},
        {NULL, "7", NULL, "the value: number 7, wanted one of: null, string (type)\n"},
        {NULL, "{\"int\":7}", NULL,
         "the value: object, wanted one of: null, string (type)\n"},
        {NULL, "{}", NULL, "the value: object, wanted one of: null, string (type)\n"},
        {NULL, "{\"null\":null}", NULL,
         "the value: object, wanted one of: null, string (type)\n"},
        {NULL, "{\"string\":7}", NULL,
         "/string: number 7, wanted one of: null, string (type)\n"},
        {NULL, "{\"string\":\"x\",\"a\":1}", NULL,
         "the value: object (a wrapper has one member), wanted one of: null, string "
         "(union)\n"},
        {"[\"null\",\"double\"]", "\"abc\"", NULL,
         "the value: string \"abc\", wanted one of: null, double (type)\n"},
        {NULL, "1e999", NULL, "the value: number 1e999, wanted double (range)\n"},
        {"[\"int\",\"string\"]", "5", "000a", NULL},
        {NULL, "\"5\"", "020235", NULL},
        {"[\"int\",\"long\"]", "5", NULL,
         "the value: number 5 (fits both int and long), wanted {\"int\": ...} or "
         "{\"long\": "
         "...} (ambiguous)\n"},
        {NULL, "5000000000", "0280c8afa025", NULL},
        {NULL, "{\"int\":5}", "000a", NULL},
        {NULL, "{\"long\":5}", "020a", NULL},
        {NULL, "1.5", NULL,
         "the value: number 1.5, wanted one of: int, long (union)\n"},
        {"[\"null\",\"long\",\"double\"]", "5", "020a", NULL},
        {NULL, "5.0", "040000000000001440", NULL},
        {NULL, "5e0", "040000000000001440", NULL},
        {NULL, "10000000000000000000", "04003d9160e458e143", NULL},
        {NULL, "100000000000000000000", "04408cb5781daf1544", NULL},
        {"[\"float\",\"double\"]", "1.5", NULL,
         "the value: number 1.5 (fits both float and double), wanted {\"float\": ...} "
         "or "
         "{\"double\": ...} (ambiguous)\n"},
        {NULL, "1e40", "02a55cc3f129633d48", NULL},
        {NULL, "\"NaN\"", NULL, NULL},
        {"[\"string\",\"bytes\"]", "\"abcd\"", NULL,
         "the value: string \"abcd\" (fits both string and bytes), wanted {\"string\": "
         "...} "
         "or {\"bytes\": ...} (ambiguous)\n"},
        {NULL, "\"hello\"", "000a68656c6c6f", NULL},
        {NULL, "{\"bytes\":\"abcd\"}", "020669b71d", NULL},
        {"[\"string\",{\"type\":\"enum\",\"name\":\"n.E\",\"symbols\":[\"A\"]}]",
         "\"A\"", NULL,
         "the value: string \"A\" (fits both string and n.E), wanted {\"string\": ...} "
         "or "
         "{\"n.E\": ...} (ambiguous)\n"},
        {NULL, "\"B\"", "000242", NULL},
        {NULL, "{\"n.E\":\"A\"}", "0200", NULL},
        {"[\"string\",{\"type\":\"int\",\"logicalType\":\"date\"}]", "\"2026-11-20\"",
         NULL, NULL},
        {NULL, "\"x\"", "000278", NULL},
        {NULL, "{\"int\":\"1970-01-02\"}", "0202", NULL},
        {NULL, "{\"int\":1}", "0202", NULL},
        {"[\"null\",{\"type\":\"array\",\"items\":\"int\"},{\"type\":\"map\","
         "\"values\":\"int\"}]",
         "[1]", "02020200", NULL},
        {NULL, "{\"a\":1}", "040202610200", NULL},
        {NULL, "{\"map\":{\"a\":1}}", "040202610200", NULL},
        {NULL, "{\"map\":1}", "0402066d61700200", NULL},
        {NULL, "{\"array\":[]}", "0200", NULL},
        {"[\"long\",{\"type\":\"map\",\"values\":\"long\"}]", "{\"long\":5}", NULL,
         "the value: object (fits both a wrapped long and map), wanted {\"long\": ...} "
         "or "
         "{\"map\": ...} (ambiguous)\n"},
        {NULL, "{\"map\":{\"long\":5}}", "0202086c6f6e670a00", NULL},
        {NULL, "{\"long\":5,\"x\":1}", "0204086c6f6e670a02780200", NULL},
    };

    CHECK_ALL(cases, NULL);
}

#define TWO                                                                          \
    "[\"null\"," RECORD(                                                             \
        "n.A", FIELD("x", "\"int\"") "," FILLED(                                     \
                   "y", "\"int\"", "0")) "," RECORD("n.B",                           \
                                                    FIELD("x", "\"int\"") "," FIELD( \
                                                        "z", "\"int\"")) "]"

static void records_in_a_union_are_told_apart_by_their_fields(void)
{
    static const struct encoding cases[] = {
        {TWO, "{\"x\":1}", "020200", NULL},
        {NULL, "{\"x\":1,\"y\":2}", "020204", NULL},
        {NULL, "{\"z\":3,\"x\":1}", "040206", NULL},
        {NULL, "{\"n.B\":{\"z\":3,\"x\":1}}", "040206", NULL},
        {NULL, "{\"x\":1,\"y\":2,\"z\":3}", NULL,
         "the value: object, wanted one of: null, n.A, n.B (union)\n"},
        {NULL, "{\"n.B\":{\"z\":3}}", NULL,
         "/n.B/x: nothing, wanted int (missing-field)\n"},
        {NULL, "{\"n.B\":{\"z\":\"a\",\"x\":1}}", NULL,
         "/n.B/z: string \"a\", wanted int (type)\n"},
        {"[" RECORD("A", FILLED("x", "\"int\"", "0")) "," RECORD(
             "B", FILLED("y", "\"int\"", "0")) "]",
         "{}", NULL,
         "the value: object (fits both A and B), wanted {\"A\": ...} or {\"B\": ...} "
         "(ambiguous)\n"},
        {NULL, "{\"A\":{}}", "0000", NULL},
        {NULL, "{\"x\":1}", "0002", NULL},
        {NULL, "{\"y\":1}", "0202", NULL},
        {NULL, "{\"y\":1", NULL,
         "the value: the end of the text, wanted ',' or '}' (json)\n"},
    };

    CHECK_ALL(cases, NULL);
}

#define LOGICAL(type, logical) "{\"type\":\"" type "\",\"logicalType\":\"" logical "\"}"
#define DECIMAL \
    "{\"type\":\"bytes\",\"logicalType\":\"decimal\",\"precision\":6,\"scale\":2}"

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

static void strict_avro_json_wants_all_of_it(void)
{
    static const struct av_encode_options strict = {.strict_avro_json = true};
    static const struct encoding cases[] = {
        {"[\"null\",\"string\"]", "null", "00", NULL},
        {NULL, "{\"string\":\"x\"}", "020278", NULL},
        {NULL, "\"x\"", NULL,
         "the value: string \"x\" (strict Avro JSON wants {\"branch\": value}), wanted "
         "one of: "
         "null, string (union)\n"},
        {NULL, "{\"null\":null}", NULL, NULL},
        {"\"bytes\"", "\"\\u00ff\\u0000a\"", "06ff0061", NULL},
        {NULL, "\"\xc3\xbf\"", "02ff", NULL},
        {NULL, "\"\\u0100\"", NULL,
         "the value: string \"\\u0100\", wanted bytes (bytes)\n"},
        {LOGICAL("int", "date"), "7", "0e", NULL},
        {NULL, "\"2026-11-20\"", NULL,
         "the value: string \"2026-11-20\", wanted int (type)\n"},
        {DECIMAL, "\"\\u0001\"", "0201", NULL},
        {NULL, "1.5", NULL, "the value: number 1.5, wanted bytes (type)\n"},
        {RECORD("R", FILLED("a", "\"int\"", "7")), "{\"a\":1}", "02", NULL},
        {NULL, "{}", NULL, "/a: nothing, wanted int (missing-field)\n"},
        {"[\"long\",{\"type\":\"map\",\"values\":\"long\"}]", "{\"long\":5}", "000a",
         NULL},
        {"[]", "null", NULL,
         "the value: null (strict Avro JSON wants {\"branch\": value}), wanted one of: "
         " "
         "(union)\n"},
    };

    CHECK_ALL(cases, &strict);
}

#define OPEN20 "[[[[[[[[[[[[[[[[[[[["
#define CLOSE20 "]]]]]]]]]]]]]]]]]]]]"

static void unknown_fields_can_be_ignored_but_not_be_nonsense(void)
{
    static const struct av_encode_options ignore = {.unknown_fields =
                                                        AV_UNKNOWN_IGNORE};
    static const struct encoding cases[] = {
        {RECORD("R", FIELD("a", "\"int\"")),
         "{\"x\":[1,{\"y\":null}],\"a\":1,\"z\":{}}", "02", NULL},
        {NULL, "{\"x\":[1,{\"y\":nul}],\"a\":1}", NULL,
         "the value: '}', wanted null (json)\n"},
        {NULL, "{\"x\":\"\xff\",\"a\":1}", NULL,
         "the value: byte 0xff, wanted UTF-8 (utf8)\n"},
        {NULL,
         "{\"x\":" OPEN20 OPEN20 OPEN20 OPEN20 CLOSE20 CLOSE20 CLOSE20 CLOSE20
         ",\"a\":1}",
         "02", NULL}, // deeper than what is typed may be
    };

    CHECK_ALL(cases, &ignore);
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

/* ---- what a table cannot say ---- */

static enum err_kind encode_into(const char *schema, const char *json,
                                 const struct av_encode_options *o, struct buf *out,
                                 struct av_problems *p)
{
    struct av_encoder *enc = encoder_for(schema, o);
    enum err_kind k = av_encode(enc, span_str(json), out, p);

    av_encoder_free(enc);
    return k;
}

static void sixty_four_items_move_for_their_count(void)
{
    struct buf out = BUF_INIT(1 << 20), json = BUF_INIT(1 << 20);
    struct av_problems p = {0};

    buf_put_str(&json, "[[0");
    for (int i = 1; i < 10000; i++)
        buf_printf(&json, ",%d", i % 64);
    buf_put(&json, span_of("],[]]", 6)); // with its NUL
    CHECK_INT(
        encode_into(
            "{\"type\":\"array\",\"items\":{\"type\":\"array\",\"items\":\"int\"}}",
            (char *)json.p, NULL, &out, &p),
        ERR_OK);
    struct span s = buf_span(&out);
    CHECK_INT(s.n, 1 + 3 + 10000 + 1 + 1 + 1);
    CHECK(span_eq(span_of(s.p, 5), span_of("\x04\xa0\x9c\x01\x00", 5)));
    CHECK(span_eq(span_of(s.p + s.n - 3, 3), span_of("\0\0\0", 3)));
    av_problems_free(&p);
    buf_free(&json);
    buf_free(&out);
}

static void many_names_are_compared_without_many_comparisons(void)
{
    struct buf out = BUF_INIT(1 << 24), json = BUF_INIT(1 << 24);
    struct av_problems p = {0};

    buf_put_str(&json, "{\"k7\":0");
    for (int i = 50000; i-- > 0;)
        buf_printf(&json, ",\"k%d\":1", i);
    buf_put(&json, span_of("}", 2));
    CHECK_INT(encode_into("{\"type\":\"map\",\"values\":\"int\"}", (char *)json.p, NULL,
                          &out, &p),
              ERR_INVALID);
    CHECK_INT(p.n, 1);
    CHECK_STR(p.first->rule, "duplicate-key");
    CHECK_SPAN(p.first->pointer, "/k7");
    CHECK(p.first->offset > 500000); // the second of the two
    CHECK_INT(out.n, 0);
    av_problems_free(&p);
    buf_free(&json);
    buf_free(&out);
}

static void values_behind_one_another_are_read_one_by_one(void)
{
    struct av_encoder *enc = encoder_for(THREE, NULL);
    struct span text =
        span_str(" {\"id\":1,\"name\":\"a\",\"paid\":true}\n{\"id\":\"x\"}\n"
                 "{\"id\":2,\"name\":\"b\",\"paid\":false}{\"id\":3,}");
    struct buf out = BUF_INIT(1000);
    struct av_problems p = {0};
    size_t at = 0;

    CHECK_INT(av_encode_next(enc, text, &at, &out, &p), ERR_OK);
    CHECK_INT(at, 32);
    CHECK_INT(out.n, 4);
    CHECK_INT(av_encode_next(enc, text, &at, &out, &p), ERR_INVALID);
    CHECK_INT(at, 43);
    CHECK_INT(p.n, 3);
    CHECK_INT(p.first->offset, 39);
    CHECK(!av_problems_blame_json(&p));
    CHECK_INT(out.n, 4);
    av_problems_reset(&p);
    CHECK_INT(av_encode_next(enc, text, &at, &out, &p), ERR_OK);
    CHECK_INT(out.n, 8);
    CHECK_INT(av_encode_next(enc, text, &at, &out, &p), ERR_INVALID);
    CHECK(av_problems_blame_json(&p));
    CHECK_STR(p.last->rule, "json");
    CHECK_INT(at, text.n - 1);
    av_problems_free(&p);
    buf_free(&out);
    av_encoder_free(enc);
}

static void a_value_may_not_run_on(void)
{
    struct av_encoder *enc = encoder_for("\"int\"", NULL);
    struct buf out = BUF_INIT(1000);
    struct av_problems p = {0};
    size_t at = 0;

    CHECK_INT(av_encode_next(enc, span_str("1.0.0"), &at, &out, &p), ERR_INVALID);
    CHECK_INT(at, 3);
    at = 0;
    CHECK_INT(av_encode_next(enc, span_str("12abc"), &at, &out, &p), ERR_INVALID);
    at = 0;
    CHECK_INT(av_encode_next(enc, span_str("12 abc"), &at, &out, &p), ERR_OK);
    at = 0;
    CHECK_INT(av_encode_next(enc, span_str("1.5x"), &at, &out, &p), ERR_INVALID);
    CHECK(av_problems_blame_json(&p));
    av_problems_free(&p);
    buf_free(&out);
    av_encoder_free(enc);
}

static void what_is_too_large_or_too_deep_is_stepped_over(void)
{
    static const struct av_encode_options small = {.bytes = 20, .depth = 3};
    static const char list[] =
        "{\"type\":\"record\",\"name\":\"L\",\"fields\":[{\"name\":\"v\","
        "\"type\":\"string\"},{\"name\":\"next\",\"type\":[\"null\",\"L\"],"
        "\"default\":null}]}";
    static const struct encoding cases[] = {
        {list, "{\"v\":\"aaaaaaaaaaaaaaa\"}", "1e61616161616161616161616161616100",
         NULL},
        {NULL, "{\"v\":\"aaaaaaaaaaaaaaaaaaaa\"}", NULL,
         "the value: more, wanted at most 20 bytes of Avro (size)\n"},
        {NULL, "{\"v\":\"\",\"next\":{\"v\":\"\",\"next\":{\"v\":\"\"}}}",
         "000200020000", NULL},
        {NULL,
         "{\"v\":1,\"next\":{\"v\":\"\",\"next\":{\"v\":\"\",\"next\":{\"v\":\"\"}}}}",
         NULL,
         "/v: number 1, wanted string (type)\n"
         "/next/next/next: one more, wanted at most 3 levels (depth)\n"},
    };
    struct buf out = BUF_INIT(1 << 20), json = BUF_INIT(1 << 20);
    struct av_problems p = {0};
    size_t at = 0;

    CHECK_ALL(cases, &small);
    struct av_encoder *enc = encoder_for(list, &small);
    buf_put_str(&json, "{\"v\":\"");
    for (int i = 0; i < 5000; i++)
        buf_put_u8(&json, 'a');
    buf_put_str(&json, "\"} {\"v\":\"\"}");
    CHECK_INT(av_encode_next(enc, buf_span(&json), &at, &out, &p), ERR_INVALID);
    CHECK_STR(p.last->rule, "size");
    CHECK(!av_problems_blame_json(&p));
    CHECK_INT(av_encode_next(enc, buf_span(&json), &at, &out, &p), ERR_OK);
    av_encoder_free(enc);
    av_problems_free(&p);
    buf_free(&json);
    buf_free(&out);
}

static void an_output_that_is_full_is_no_harm(void)
{
    struct buf out = BUF_INIT(8);
    struct av_problems p = {0};

    CHECK_INT(encode_into("\"string\"", "\"0123456789\"", NULL, &out, &p), ERR_INVALID);
    CHECK_STR(p.first->rule, "size");
    CHECK(!out.over);
    CHECK_INT(out.n, 0);
    av_problems_free(&p);
    buf_free(&out);
}

static void problems_past_the_limit_are_counted(void)
{
    struct buf out = BUF_INIT(1 << 20);
    struct av_problems p = {.most = 2};

    CHECK_INT(encode_into("{\"type\":\"array\",\"items\":\"int\"}",
                          "[null,null,null,null,]", NULL, &out, &p),
              ERR_INVALID);
    CHECK_INT(p.n, 3); // and that it is no JSON
    CHECK_INT(p.more, 2);
    CHECK(av_problems_blame_json(&p));
    av_problems_free(&p);
    buf_free(&out);
}

/* Each level has two branches that fail only at the end: 2^depth without a bound. */
static void hostile_nesting_in_unions_is_bounded(void)
{
    static const char schema[] = "[{\"type\":\"record\",\"name\":\"A\",\"fields\":[{"
                                 "\"name\":\"x\",\"type\":[\"null\",\"A\","
                                 "{\"type\":\"record\",\"name\":\"B\",\"fields\":[{"
                                 "\"name\":\"x\",\"type\":[\"null\",\"A\","
                                 "\"B\"]},{\"name\":\"b\",\"type\":\"int\"}]}]},{"
                                 "\"name\":\"a\",\"type\":\"int\"}]},\"B\"]";
    struct buf out = BUF_INIT(1 << 20), json = BUF_INIT(1 << 20);
    struct av_problems p = {0};
    size_t at = 0;

    for (int i = 0; i < 40; i++)
        buf_put_str(&json, "{\"x\":");
    buf_put_str(&json, "null");
    for (int i = 0; i < 40; i++)
        buf_put_str(&json, ",\"c\":1}");
    struct av_encoder *enc = encoder_for(schema, NULL);
    CHECK_INT(av_encode_next(enc, buf_span(&json), &at, &out, &p), ERR_INVALID);
    CHECK_INT(at, json.n);
    CHECK_INT(p.n, 1);
    av_encoder_free(enc);
    av_problems_free(&p);
    buf_free(&json);
    buf_free(&out);
}

static void a_problem_is_written_as_json(void)
{
    struct buf out = BUF_INIT(1000), json = BUF_INIT(1000);
    struct av_problems p = {0};

    CHECK_INT(encode_into(RECORD("R", FIELD("a", "\"double\"")),
                          "{\"a\":\"abc\",\"b\\n\":1}", NULL, &out, &p),
              ERR_INVALID);
    av_problems_put(&json, &p);
    CHECK_SPAN(
        buf_span(&json),
        "[{\"pointer\":\"/a\",\"offset\":5,\"expected\":\"double\",\"found\":\"string "
        "\\\"abc\\\"\",\"rule\":\"type\",\"message\":\"/a: string \\\"abc\\\", wanted "
        "double (type)\"},{\"pointer\":\"/b\\n\",\"offset\":11,\"expected\":\"a field "
        "of "
        "R\",\"found\":\"string "
        "\\\"b\\\\n\\\"\",\"rule\":\"unknown-field\",\"message\":"
        "\"/b\\n: string \\\"b\\\\n\\\", wanted a field of R (unknown-field)\"}]");
    av_problems_free(&p);
    buf_free(&json);
    buf_free(&out);
}

/* The same text twice into the same buf: the second time nothing need grow. */
static void a_second_record_costs_no_memory(void)
{
    struct av_encoder *enc = encoder_for(THREE, NULL);
    struct span text = span_str("{\"paid\":true,\"name\":\"a\\u0020b\",\"id\":1}");
    struct buf out = BUF_INIT(1 << 20);
    struct av_problems p = {0};

    CHECK_INT(av_encode(enc, text, &out, &p), ERR_OK);
    size_t cap = out.cap;
    const uint8_t *at = out.p;
    for (int i = 0; i < 100; i++) {
        buf_reset(&out);
        CHECK_INT(av_encode(enc, text, &out, &p), ERR_OK);
    }
    CHECK(out.cap == cap && out.p == at);
    CHECK(p.arena.blocks == NULL);
    buf_free(&out);
    av_encoder_free(enc);
}

int main(void)
{
    RUN(plain_values_are_avro_s_bytes);
    RUN(what_is_no_json_says_where_and_what);
    RUN(a_record_s_members_come_in_any_order);
    RUN(a_missing_field_takes_its_default);
    RUN(arrays_and_maps_are_one_block);
    RUN(a_union_takes_the_branch_that_fits);
    RUN(records_in_a_union_are_told_apart_by_their_fields);
    RUN(logical_types_are_read_as_people_write_them);
    RUN(strict_avro_json_wants_all_of_it);
    RUN(unknown_fields_can_be_ignored_but_not_be_nonsense);
    RUN(bytes_may_be_avro_s_own_text);
    RUN(sixty_four_items_move_for_their_count);
    RUN(many_names_are_compared_without_many_comparisons);
    RUN(values_behind_one_another_are_read_one_by_one);
    RUN(a_value_may_not_run_on);
    RUN(what_is_too_large_or_too_deep_is_stepped_over);
    RUN(an_output_that_is_full_is_no_harm);
    RUN(problems_past_the_limit_are_counted);
    RUN(hostile_nesting_in_unions_is_bounded);
    RUN(a_problem_is_written_as_json);
    RUN(a_second_record_costs_no_memory);
    return REPORT();
}
