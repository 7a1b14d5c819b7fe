#include "avro-core/canon.h"
#include "tests/vectors.h"

static void hex(char *out, const uint8_t *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        sprintf(out + 2 * i, "%02x", p[i]);
}

static void check_fingerprints(const struct json *line, struct span form)
{
    uint8_t digest[32];
    char text[65];

    sprintf(text, "0x%016llx", (unsigned long long)av_crc64(form));
    vectors_same("crc64", span_str(text), vectors_text(line, "crc64"));
    av_md5(digest, form);
    hex(text, digest, 16);
    vectors_same("md5", span_str(text), vectors_text(line, "md5"));
    av_sha256(digest, form);
    hex(text, digest, 32);
    vectors_same("sha256", span_str(text), vectors_text(line, "sha256"));
}

static void canonical_one(const struct json *line)
{
    struct av_schema *s = NULL;
    struct buf form = BUF_INIT(1 << 20);
    struct err e = {0};

    if (json_member(line, "refs") != NULL)
        return;
    CHECK_INT(av_schema_parse(&s, vectors_text(line, "schema"), NULL, 0, NULL, &e),
              ERR_OK);
    if (s != NULL) {
        av_print_canonical(&form, s);
        vectors_same("canonical", buf_span(&form), vectors_text(line, "canonical"));
        check_fingerprints(line, buf_span(&form));
    }
    av_schema_release(s);
    buf_free(&form);
}

static void canonical_forms_and_fingerprints_are_Javas(void)
{
    CHECK(vectors_each("tests/vectors/schema/printed.ndjson", canonical_one) >= 80);
}

/* The forms that the specification's rules are shown by in Avro's shared test data. */
static void each_rule_of_the_specification_is_kept(void)
{
    static const struct {
        const char *text, *canonical;
    } t[] = {
        {"{\"type\": \"int\"}", "\"int\""}, // PRIMITIVES
        {"{\"type\":\"fixed\",\"name\":\"F\",\"namespace\":\"x.y\",\"size\":15}",
         "{\"name\":\"x.y.F\",\"type\":\"fixed\",\"size\":15}"}, // FULLNAMES, ORDER
        {"{\"type\":\"enum\",\"name\":\"foo\",\"doc\":\"foo bar\",\"symbols\":[\"A1\"],"
         "\"default\":\"A1\",\"aliases\":[\"b\"],\"x\":1}",
         "{\"name\":\"foo\",\"type\":\"enum\",\"symbols\":[\"A1\"]}"}, // STRIP
        {"[ \"null\" , \"string\" ]", "[\"null\",\"string\"]"},        // WHITESPACE
        {"{\"name\":\"foo\",\"type\":\"record\",\"fields\":[{\"name\":\"\\u0066\","
         "\"type\":\"boolean\"}]}",
         "{\"name\":\"foo\",\"type\":\"record\",\"fields\":[{\"name\":\"f\","
         "\"type\":\"boolean\"}]}"}, // STRINGS
        {"{\"type\":\"error\",\"name\":\"foo\",\"fields\":[]}",
         "{\"name\":\"foo\",\"type\":\"record\",\"fields\":[]}"},
    };

    for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
        struct av_schema *s = NULL;
        struct buf out = BUF_INIT(1000);
        struct err e = {0};

        CHECK_INT(av_schema_parse(&s, span_str(t[i].text), NULL, 0, NULL, &e), ERR_OK);
        if (s != NULL)
            av_print_canonical(&out, s);
        CHECK_SPAN(buf_span(&out), t[i].canonical);
        buf_free(&out);
        av_schema_release(s);
    }
}

int main(void)
{
    RUN(canonical_forms_and_fingerprints_are_Javas);
    RUN(each_rule_of_the_specification_is_kept);
    return REPORT();
}
