/* Which branch of a union a value is meant for. */
#include "tests/encoding.h"

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

int main(void)
{
    RUN(a_union_takes_the_branch_that_fits);
    RUN(records_in_a_union_are_told_apart_by_their_fields);
    RUN(hostile_nesting_in_unions_is_bounded);
    RUN(strict_avro_json_wants_all_of_it);
    return REPORT();
}
