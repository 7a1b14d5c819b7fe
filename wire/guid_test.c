#include "avro-core/canon.h"
#include "tests/check.h"
#include "wire/guid.h"

static struct span guid_of(const struct api_schema *s)
{
    static char text[GUID_TEXT];
    uint8_t md5[16];

    guid_md5(md5, s);
    guid_print(text, md5);
    return span_str(text);
}

/* The vector of Confluent's own tests (docs/registry.md). */
static void the_known_schema_has_the_known_guid(void)
{
    struct api_schema s = {
        .schema = span_str("{\"type\":\"record\",\"name\":\"myrecord\",\"fields\":[{"
                           "\"type\":\"string\",\"default\":null,\"name\":\"f\"}]}")};

    CHECK_SPAN(guid_of(&s), "1d20cbb9-e5e3-5e97-54e7-da170b6e5ddb");
}

/* The bytes that are hashed, spelled out. */
static struct span guid_of_bytes(const char *bytes, size_t n)
{
    static char text[GUID_TEXT];
    uint8_t md5[16];

    av_md5(md5, span_of(bytes, n));
    guid_print(text, md5);
    return span_str(text);
}

#define CHECK_HASHED(s, bytes) \
    CHECK(span_eq(guid_of(s),  \
                  arena_copy(&arena, guid_of_bytes(bytes, sizeof bytes - 1))))

static struct arena arena;

static void references_metadata_and_rules_are_hashed_in_order(void)
{
    static const struct api_reference refs[] = {{.name = {(const uint8_t *)"N", 1},
                                                 .subject = {(const uint8_t *)"S", 1},
                                                 .version = 258}};
    struct api_schema s = {
        .schema = span_str("x"), .references = refs, .n_references = 1};

    CHECK_HASHED(&s, "xNS\0\0\1\2");
    s.metadata = span_str("{\"tags\":{\"b\":[\"2\",\"1\"],\"a\":[\"3\"]},"
                          "\"properties\":{\"q\":\"w\",\"p\":\"v\"},"
                          "\"sensitive\":[\"z\",\"y\"]}");
    CHECK_HASHED(&s, "xNS\0\0\1\2\1a3b12pvqwyz");
    s.n_references = 0;
    s.metadata = (struct span){0};
    s.rules = span_str("{\"domainRules\":[{\"name\":\"n\",\"doc\":null,\"kind\":\"k\","
                       "\"mode\":\"m\",\"type\":\"t\",\"tags\":[\"b\",\"a\"],"
                       "\"params\":{\"q\":\"2\",\"p\":\"1\"},\"expr\":\"e\","
                       "\"onSuccess\":\"s\",\"onFailure\":\"f\",\"disabled\":true}],"
                       "\"migrationRules\":[{\"name\":\"M\",\"disabled\":false}],"
                       "\"enableAt\":\"ALL\"}");
    CHECK_HASHED(&s, "x\1Mnkmtabp1q2esf\1ALL");
}

static void a_printed_guid_is_read_back(void)
{
    static const char text[] = "1d20cbb9-e5e3-5e97-54e7-da170b6e5ddb";
    uint8_t md5[16] = {0};
    char back[GUID_TEXT];
    struct err e = {0};

    CHECK_INT(guid_read(md5, span_str(text), &e), ERR_OK);
    CHECK_INT(md5[0], 0x1d);
    CHECK_INT(md5[15], 0xdb);
    guid_print(back, md5);
    CHECK_STR(back, text);
    CHECK_INT(guid_read(md5, span_str("1D20CBB9-E5E3-5E97-54E7-DA170B6E5DDB"), &e),
              ERR_OK);
    guid_print(back, md5);
    CHECK_STR(back, text);
}

static void what_is_no_guid_is_refused(void)
{
    static const char *const bad[] = {
        "",
        "1d20cbb9",
        "1d20cbb9-e5e3-5e97-54e7-da170b6e5ddg",
        "1d20cbb9-e5e3-5e97-54e7-da170b6e5ddb0",
        "1d20cbb9ae5e3-5e97-54e7-da170b6e5ddb",
        "1d20cbb9-e5e3-5e97-54e7-da170b6e-ddb",
        "111111111111111111111111111111111111",
        "------------------------------------",
    };

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        uint8_t md5[16] = {7};
        struct err e = {0};
        CHECK_INT(guid_read(md5, span_str(bad[i]), &e), ERR_INVALID);
        CHECK_INT(md5[0], 7);
    }
}

int main(void)
{
    RUN(the_known_schema_has_the_known_guid);
    RUN(references_metadata_and_rules_are_hashed_in_order);
    RUN(a_printed_guid_is_read_back);
    RUN(what_is_no_guid_is_refused);
    arena_free(&arena);
    return REPORT();
}
