#include "avro-core/canon.h"
#include "tests/check.h"

#include <stdio.h>

static void hex(char *out, const uint8_t *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        sprintf(out + 2 * i, "%02x", p[i]);
}

/* The specification's own example values, and those of Avro's shared test data. */
static void the_three_fingerprints_are_those_of_Avro(void)
{
    static const struct {
        const char *canonical;
        uint64_t crc64;
        const char *md5;
    } t[] = {
        {"\"null\"", UINT64_C(0x63dd24e7cc258f8a), "9b41ef67651c18488a8b08bb67c75699"},
        {"\"boolean\"", UINT64_C(0x9f42fc78a4d4f764),
         "01f692b30d4a1c8a3e600b1440637f8f"},
        {"\"int\"", UINT64_C(0x7275d51a3f395c8f), "ef524ea1b91e73173d938ade36c1db32"},
        {"\"long\"", UINT64_C(0xd054e14493f41db7), "e1dd9a1ef98b451b53690370b393966b"},
        {"\"float\"", UINT64_C(0x4d7c02cb3ea8d790), "50a6b9db85da367a6d2df400a41758a6"},
        {"\"double\"", UINT64_C(0x8e7535c032ab957e),
         "bfc71a62f38b99d6a93690deeb4b3af6"},
        {"\"bytes\"", UINT64_C(0x4fc016dac3201965), "b462f06cb909be57c85008867784cde6"},
        {"\"string\"", UINT64_C(0x8f014872634503c7),
         "095d71cf12556b9d5e330ad575b3df5d"},
    };

    for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
        uint8_t digest[16];
        char text[33];

        CHECK(av_crc64(span_str(t[i].canonical)) == t[i].crc64);
        av_md5(digest, span_str(t[i].canonical));
        hex(text, digest, 16);
        CHECK_STR(text, t[i].md5);
    }
}

static void sha_256_of_int_is_that_of_the_specification(void)
{
    uint8_t digest[32];
    char text[65];

    av_sha256(digest, span_str("\"int\""));
    hex(text, digest, 32);
    CHECK_STR(text, "3f2b87a9fe7cc9b13835598c3981cd45e3e355309e5090aa0933d7becb6fba45");
}

/* What the registry makes a schema's guid of. */
static void md5_of_a_schemas_text_is_the_registrys(void)
{
    uint8_t digest[16];
    char text[33];

    av_md5(digest, span_str("{\"type\":\"record\",\"name\":\"myrecord\",\"fields\":[{"
                            "\"type\":\"string\",\"default\":null,\"name\":\"f\"}]}"));
    hex(text, digest, 16);
    CHECK_STR(text, "1d20cbb9e5e35e9754e7da170b6e5ddb");
}

static void nothing_has_the_fingerprint_that_the_specification_starts_from(void)
{
    CHECK(av_crc64(span_str("")) == UINT64_C(0xc15d213aa4d7a795));
}

int main(void)
{
    RUN(the_three_fingerprints_are_those_of_Avro);
    RUN(sha_256_of_int_is_that_of_the_specification);
    RUN(md5_of_a_schemas_text_is_the_registrys);
    RUN(nothing_has_the_fingerprint_that_the_specification_starts_from);
    return REPORT();
}
