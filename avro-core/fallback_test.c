#include "tests/schema_texts.h"

/* The Avro binary of the default of the first field, in hexadecimal. */
static void hex_of_default(char out[240], const char *text)
{
    struct err e;
    struct av_schema *s = parse(text, &e);

    if (s == NULL) {
        snprintf(out, 240, "%s", e.msg);
        return;
    }
    const struct av_node *r = av_schema_root(s);
    const struct av_field *f = &r->fields[r->n_fields - 1];
    size_t n = 0;
    out[0] = '\0';
    CHECK(f->fallback != NULL && f->fallback_avro.p != NULL);
    for (size_t i = 0; i < f->fallback_avro.n && n < 190; i++)
        n += (size_t)snprintf(out + n, 200 - n, "%02x", f->fallback_avro.p[i]);
    av_schema_release(s);
}

#define P "/fields/0/default at 1:"
#define POINT                                                                   \
    "{\"type\":\"record\",\"name\":\"P\",\"fields\":[{\"name\":\"x\",\"type\":" \
    "\"int\"},"                                                                 \
    "{\"name\":\"y\",\"type\":\"int\",\"default\":-1}]}"

static void defaults_are_checked_and_made_binary(void)
{
    static const struct row t[] = {
        {D("\"null\"", "null"), ""},
        {D("\"null\"", "0"), P "75: number 0, wanted null"},
        {D("\"boolean\"", "true"), "01"},
        {D("\"boolean\"", "false"), "00"},
        {D("\"boolean\"", "\"true\""), P "78: string \"true\", wanted boolean"},
        {D("\"int\"", "-1"), "01"},
        {D("\"int\"", "2147483647"), "feffffff0f"},
        {D("\"int\"", "-2147483648"), "ffffffff0f"},
        {D("\"int\"", "2147483648"), P "74: number 2147483648, wanted int"},
        {D("\"int\"", "1.0"), P "74: number 1.0, wanted int"},
        {D("\"int\"", "1e2"), P "74: number 1e2, wanted int"},
        {D("\"int\"", "\"1\""), P "74: string \"1\", wanted int"},
        {D("\"int\"", "null"), P "74: null, wanted int"},
        {D("\"long\"", "9223372036854775807"), "feffffffffffffffff01"},
        {D("\"long\"", "9223372036854775808"),
         P "75: number 9223372036854775808, wanted long"},
        {D("\"double\"", "1.5"), "000000000000f83f"},
        {D("\"double\"", "-0.0"), "0000000000000080"},
        {D("\"double\"", "1"), "000000000000f03f"},
        {D("\"double\"", "\"NaN\""), "000000000000f87f"},
        {D("\"double\"", "\"-NaN\""), "000000000000f87f"},
        {D("\"double\"", "\"-Infinity\""), "000000000000f0ff"},
        {D("\"double\"", "\" +1.5e0d \""), "000000000000f83f"},
        {D("\"double\"", "\"0x1.8p0\""), "000000000000f83f"},
        {D("\"double\"", "\".5\""), "000000000000e03f"},
        {D("\"double\"", "\"5.f\""), "0000000000001440"},
        {D("\"double\"", "\".\""), P "77: string \".\", wanted double"},
        {D("\"double\"", "\"\""), P "77: string \"\", wanted double"},
        {D("\"double\"", "\"0x1\""), P "77: string \"0x1\", wanted double"},
        {D("\"double\"", "\"1e\""), P "77: string \"1e\", wanted double"},
        {D("\"double\"", "\"1x\""), P "77: string \"1x\", wanted double"},
        {D("\"double\"", "\"nan\""), P "77: string \"nan\", wanted double"},
        {D("\"double\"", "\"inf\""), P "77: string \"inf\", wanted double"},
        {D("\"double\"", "1e400"), P "77: number 1e400, wanted double"},
        {D("\"double\"", "\"1e400\""), P "77: string \"1e400\", wanted double"},
        {D("\"float\"", "0.1"), "cdcccc3d"},
        {D("\"float\"", "\"NaN\""), "0000c07f"},
        {D("\"float\"", "\"Infinity\""), "0000807f"},
        {D("\"float\"", "1e39"), P "76: number 1e39, wanted float"},
        {D("[\"double\"]", "\"NaN\""), P "79: string \"NaN\", wanted union"},
        {D("\"string\"", "\"\\u00e9\""), "04c3a9"},
        {D("\"string\"", "\"\""), "00"},
        {D("\"string\"", "5"), P "77: number 5, wanted string"},
        {D("\"bytes\"", "\"\\u0000\\u00ffA\""), "0600ff41"},
        {D("\"bytes\"", "\"\\u0100\""),
         P "76: string \"\xc4\x80\", wanted no character past U+00FF"},
        {D("\"bytes\"", "[]"), P "76: an array, wanted bytes"},
        {D(FIXED2, "\"\\u00e9a\""), "e961"},
        {D(FIXED2, "\"a\""), P "105: string \"a\", wanted 2 bytes of X"},
        {D(FIXED2, "1"), P "105: number 1, wanted X"},
        {D(ENUM, "\"b\""), "02"},
        {D(ENUM, "\"c\""), P "115: string \"c\", wanted a symbol of E"},
        {D(ENUM, "1"), P "115: number 1, wanted E"},
        {D("{\"type\":\"array\",\"items\":\"int\"}", "[]"), "00"},
        {D("{\"type\":\"array\",\"items\":\"int\"}", "[1,2]"), "04020400"},
        {D("{\"type\":\"array\",\"items\":\"int\"}", "[1,\"x\"]"),
         "/fields/0/default/1 at 1:102: string \"x\", wanted int"},
        {D("{\"type\":\"array\",\"items\":\"int\"}", "{}"),
         P "99: an object, wanted array"},
        {D("{\"type\":\"map\",\"values\":\"int\"}", "{}"), "00"},
        {D("{\"type\":\"map\",\"values\":\"int\"}", "{\"a\":1,\"b\":2}"),
         "0402610202620400"},
        {D("{\"type\":\"map\",\"values\":\"int\"}", "{\"a/b\":null}"),
         "/fields/0/default/a~1b at 1:105: null, wanted int"},
        {D("{\"type\":\"map\",\"values\":\"int\"}", "[]"),
         P "98: an array, wanted map"},
        {D("[\"null\",\"int\"]", "null"), "00"},
        {D("[\"null\",\"int\"]", "5"), "020a"}, // any branch
        {D("[\"int\",\"null\"]", "null"), "02"},
        {D("[\"int\",\"long\"]", "5000000000"), "0280c8afa025"},
        {D("[\"int\",\"double\"]", "1.5"), "02000000000000f83f"},
        {D("[\"null\",\"int\"]", "\"x\""), P "83: string \"x\", wanted union"},
        {D("[]", "null"), P "71: null, wanted union"},
        {D(POINT, "{\"x\":1}"), "0201"},
        {D(POINT, "{\"y\":3,\"z\":0,\"x\":1}"), "0206"},
        {D(POINT, "{}"), P "173: no \"x\", and it has no default in P"},
        {D(POINT, "{\"x\":null}"), "/fields/0/default/x at 1:178: null, wanted int"},
        {D(POINT, "[]"), P "173: an array, wanted P"},
        {R("{\"name\":\"p\",\"type\":" POINT
           ",\"default\":{\"x\":2}},{\"name\":\"q\",\"type\":"
           "{\"type\":\"record\",\"name\":\"Q\",\"fields\":[{\"name\":\"p\",\"type\":"
           "\"P\","
           "\"default\":{\"x\":3}}]},\"default\":{}}"),
         "0601"},
    };

    for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
        char hex[240];
        hex_of_default(hex, t[i].text);
        CHECK_STR(hex, t[i].want);
    }
}

static void defaults_of_types_defined_later_are_checked_too(void)
{
    static const struct row t[] = {
        {R("{\"name\":\"p\",\"type\":\"P\",\"default\":{\"x\":1}},{\"name\":\"q\","
           "\"type\":" POINT "}"),
         "ok"},
        {R("{\"name\":\"p\",\"type\":\"P\",\"default\":{}},{\"name\":\"q\","
           "\"type\":" POINT "}"),
         "/fields/0/default at 1:72: no \"x\", and it has no default in P"},
        {R("{\"name\":\"p\",\"type\":[\"null\",\"P\"],\"default\":null},{\"name\":"
           "\"q\",\"type\":" POINT "}"),
         "ok"},
        {R("{\"name\":\"e\",\"type\":\"E\",\"default\":\"a\"},{\"name\":\"g\","
           "\"type\":" ENUM "}"),
         "/fields/0/default at 1:72: string \"a\", wanted E"},
        {D("\"R\"", "{}"),
         "/fields/0/default at 1:72: a default holds R while that is being defined"},
        {D("[\"null\",\"R\"]", "{\"f\":null}"),
         "/fields/0/default at 1:81: a default holds R while that is being defined"},
        {D("{\"type\":\"array\",\"items\":\"R\"}", "[]"), "ok"},
        {D("{\"type\":\"map\",\"values\":\"R\"}", "{\"a\":{\"f\":{}}}"),
         "/fields/0/default/a at 1:101: a default holds R while that is being defined"},
        {D("[\"R\",\"null\"]", "null"), "ok"},
    };

    CHECK_ROWS(t);
}

static void old_mistakes_in_defaults_can_be_kept(void)
{
    const struct av_parse_limits lim = {.keep_bad_defaults = true};
    struct err e = {0};
    struct av_schema *s;

    CHECK_INT(av_schema_parse(
                  &s,
                  span_str(R("{\"name\":\"f\",\"type\":\"int\",\"default\":null},"
                             "{\"name\":\"g\",\"type\":\"null\",\"default\":null},"
                             "{\"name\":\"h\",\"type\":\"R\",\"default\":{}},"
                             "{\"name\":\"i\",\"type\":" FIXED2 ",\"default\":\"\"}")),
                  NULL, 0, &lim, &e),
              ERR_OK);
    const struct av_field *f = av_schema_root(s)->fields;
    CHECK(json_is(f[0].fallback, JSON_NULL) && f[0].fallback_avro.p == NULL);
    CHECK(f[1].fallback != NULL && f[1].fallback_avro.p != NULL);
    CHECK(f[2].fallback != NULL && f[2].fallback_avro.p == NULL);
    CHECK(f[3].fallback != NULL && f[3].fallback_avro.p == NULL);
    av_schema_release(s);
    CHECK_INT(av_schema_parse(&s, span_str("\"x\""), NULL, 0, &lim, &e), ERR_INVALID);
}

/* Each record twice in the next one's default: 2^n bytes, were nobody to stop it. */
static void defaults_cannot_explode(void)
{
    struct buf text = BUF_INIT(1 << 20);
    struct av_schema *s;
    struct err e = {0};

    buf_put_str(&text, "[{\"type\":\"record\",\"name\":\"R0\",\"fields\":[{\"name\":"
                       "\"a\",\"type\":\"int\",\"default\":0}]}");
    for (int i = 1; i < 60; i++)
        buf_printf(&text,
                   ",{\"type\":\"record\",\"name\":\"R%d\",\"fields\":["
                   "{\"name\":\"a\",\"type\":\"R%d\",\"default\":{}},"
                   "{\"name\":\"b\",\"type\":\"R%d\",\"default\":{}}]}",
                   i, i - 1, i - 1);
    buf_put_str(&text, "]");
    CHECK_INT(av_schema_parse(&s, buf_span(&text), NULL, 0, NULL, &e), ERR_LIMIT);
    CHECK(strstr(e.msg, "defaults of more than 4194304 bytes in all") != NULL);
    buf_free(&text);
}

/* Unions of records that fit but for the innermost value: 2^n tries. */
static void unions_cannot_be_tried_for_ever(void)
{
    struct buf text = BUF_INIT(1 << 20);
    struct av_schema *s;
    struct err e = {0};

    buf_put_str(&text, "{\"type\":\"record\",\"name\":\"Z\",\"fields\":[{\"name\":"
                       "\"l\",\"type\":[\"null\"");
    for (int i = 0; i < 50; i++)
        buf_put_str(&text, &",\"null\""[7]);
    buf_put_str(&text, "]},{\"name\":\"l0\",\"type\":[\"int\"]}");
    for (int i = 1; i < 40; i++)
        for (int k = 0; k < 2; k++)
            buf_printf(&text,
                       ",{\"name\":\"f%d_%d\",\"type\":{\"type\":\"record\",\"name\":"
                       "\"A%d_%d\",\"fields\":["
                       "{\"name\":\"a\",\"type\":[%s%d%s%s%d%s]}]}}",
                       i, k, i, k,
                       i == 1 ? "{\"type\":\"array\",\"items\":\"int\",\"i\":" : "\"A",
                       i - 1, i == 1 ? "}" : "_0\",",
                       i == 1 ? ",{\"type\":\"map\",\"values\":\"int\",\"i\":" : "\"A",
                       i - 1, i == 1 ? "}" : "_1\"");
    buf_put_str(&text, ",{\"name\":\"z\",\"type\":[\"A39_0\",\"A39_1\"],\"default\":");
    nest(&text, 39, "{\"a\":", "true", "}");
    buf_put_str(&text, "}]}");
    CHECK_INT(av_schema_parse(&s, buf_span(&text), NULL, 0, NULL, &e), ERR_LIMIT);
    CHECK(strstr(e.msg, "more than 4000000 steps for defaults and attributes") != NULL);
    buf_free(&text);
}

int main(void)
{
    RUN(defaults_are_checked_and_made_binary);
    RUN(defaults_of_types_defined_later_are_checked_too);
    RUN(old_mistakes_in_defaults_can_be_kept);
    RUN(defaults_cannot_explode);
    RUN(unions_cannot_be_tried_for_ever);
    return REPORT();
}
