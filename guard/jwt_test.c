#include "guard/jwt.h"

#include "tests/check.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <stdlib.h>

#define NOW 1000

static const struct jwt_rules all = {
    .algs = 15, .issuer = "us", .audience = "registry", .claim = "sub", .leeway = 30};

static char *code(const void *p, size_t n)
{
    char *out = malloc(n * 2 + 8);
    int len = EVP_EncodeBlock((uint8_t *)out, p, (int)n);

    while (len > 0 && out[len - 1] == '=')
        out[--len] = '\0';
    for (char *c = out; *c != '\0'; c++)
        *c = *c == '+' ? '-' : *c == '/' ? '_' : *c;
    return out;
}

/* A key of each algorithm, and the set that publishes them. */
static EVP_PKEY *keys[JWT_ALGS];
static char set_text[8000];

static char *member(EVP_PKEY *key, const char *name, int width)
{
    uint8_t bytes[1024];
    BIGNUM *n = NULL;

    CHECK_INT(EVP_PKEY_get_bn_param(key, name, &n), 1);
    int len = width > 0 ? BN_bn2binpad(n, bytes, width) : BN_bn2bin(n, bytes);
    BN_free(n);
    return code(bytes, (size_t)len);
}

static void make_keys(void)
{
    uint8_t raw[32];
    size_t n = sizeof raw;

    keys[JWT_RS256] = EVP_RSA_gen(2048);
    keys[JWT_PS256] = keys[JWT_RS256];
    keys[JWT_ES256] = EVP_EC_gen("P-256");
    keys[JWT_EDDSA] = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
    EVP_PKEY_get_raw_public_key(keys[JWT_EDDSA], raw, &n);
    char *parts[] = {member(keys[JWT_RS256], OSSL_PKEY_PARAM_RSA_N, 0),
                     member(keys[JWT_RS256], OSSL_PKEY_PARAM_RSA_E, 0),
                     member(keys[JWT_ES256], OSSL_PKEY_PARAM_EC_PUB_X, 32),
                     member(keys[JWT_ES256], OSSL_PKEY_PARAM_EC_PUB_Y, 32),
                     code(raw, n)};
    snprintf(
        set_text, sizeof set_text,
        "{\"keys\":[{\"kty\":\"oct\",\"k\":\"c2VjcmV0\"},"
        "{\"kty\":\"RSA\",\"kid\":\"r\",\"n\":\"%s\",\"e\":\"%s\"},"
        "{\"kty\":\"EC\",\"crv\":\"P-256\",\"use\":\"sig\",\"x\":\"%s\",\"y\":\"%s\"},"
        "{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"alg\":\"EdDSA\",\"x\":\"%s\"}]}",
        parts[0], parts[1], parts[2], parts[3], parts[4]);
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        free(parts[i]);
}

static struct jwks *published(void)
{
    struct jwks *k = NULL;
    struct err e = {0};

    CHECK_INT(jwks_read(&k, span_str(set_text), &e), ERR_OK);
    return k;
}

static size_t sign(enum jwt_alg alg, const char *text, uint8_t sig[600])
{
    EVP_MD_CTX *c = EVP_MD_CTX_new();
    EVP_PKEY_CTX *of;
    size_t n = 600;

    EVP_DigestSignInit(c, &of, alg == JWT_EDDSA ? NULL : EVP_sha256(), NULL, keys[alg]);
    if (alg == JWT_PS256) {
        EVP_PKEY_CTX_set_rsa_padding(of, RSA_PKCS1_PSS_PADDING);
        EVP_PKEY_CTX_set_rsa_pss_saltlen(of, RSA_PSS_SALTLEN_DIGEST);
    }
    CHECK_INT(EVP_DigestSign(c, sig, &n, (const uint8_t *)text, strlen(text)), 1);
    EVP_MD_CTX_free(c);
    if (alg != JWT_ES256)
        return n;
    const uint8_t *der = sig;
    ECDSA_SIG *s = d2i_ECDSA_SIG(NULL, &der, (long)n);
    BN_bn2binpad(ECDSA_SIG_get0_r(s), sig, 32);
    BN_bn2binpad(ECDSA_SIG_get0_s(s), sig + 32, 32);
    ECDSA_SIG_free(s);
    return 64;
}

static void make_token(char out[4000], enum jwt_alg alg, const char *head,
                       const char *claims)
{
    uint8_t sig[600];
    char *h = code(head, strlen(head)), *c = code(claims, strlen(claims));

    snprintf(out, 4000, "%s.%s", h, c);
    char *s = code(sig, sign(alg, out, sig));
    snprintf(out + strlen(out), 4000 - strlen(out), ".%s", s);
    free(h);
    free(c);
    free(s);
}

#define GOOD \
    "{\"iss\":\"us\",\"aud\":[\"x\",\"registry\"],\"exp\":2000,\"sub\":\"alice\"}"

/* Is it taken, and if not, does it say why? */
static bool taken(const char *token, const char *says)
{
    struct arena a = {0};
    struct jwks *k = published();
    struct err e = {0};
    struct jwt t;

    bool good = jwt_read(&t, span_str(token), &all, NOW, &a, &e) == ERR_OK;
    if (!good && says != NULL)
        CHECK(strstr(e.msg, says) != NULL);
    if (good) {
        CHECK_SPAN(t.who, "alice");
        good = jwt_is_signed(&t, k);
    }
    jwks_free(k);
    arena_free(&a);
    return good;
}

static const char *const heads[JWT_ALGS] = {
    "{\"alg\":\"RS256\",\"kid\":\"r\"}", "{\"alg\":\"PS256\"}", "{\"alg\":\"ES256\"}",
    "{\"alg\":\"EdDSA\",\"typ\":\"JWT\"}"};

static void each_algorithm_is_verified(void)
{
    char token[4000];

    for (int alg = 0; alg < JWT_ALGS; alg++) {
        make_token(token, (enum jwt_alg)alg, heads[alg], GOOD);
        CHECK(taken(token, NULL));
        char *last = token + strlen(token) - 9;
        *last = *last == 'A' ? 'B' : 'A';
        CHECK(!taken(token, NULL));
    }
}

static void a_key_verifies_only_what_it_is_for(void)
{
    char token[4000];

    make_token(token, JWT_RS256, heads[JWT_PS256], GOOD);
    CHECK(!taken(token, NULL));
    make_token(token, JWT_ES256, heads[JWT_EDDSA], GOOD);
    CHECK(!taken(token, NULL));
    make_token(token, JWT_RS256, "{\"alg\":\"RS256\",\"kid\":\"other\"}", GOOD);
    CHECK(!taken(token, NULL));
}

static void what_a_token_must_say_it_must_say(void)
{
    static const struct {
        const char *head, *claims, *says;
    } rows[] = {
        {"{\"alg\":\"none\"}", GOOD, "alg is not"},
        {"{\"alg\":\"HS256\"}", GOOD, "alg is not"},
        {"{\"alg\":\"rs256\"}", GOOD, "alg is not"},
        {"{}", GOOD, "alg is not"},
        {"[]", GOOD, "no JSON object"},
        {"{\"alg\":\"RS256\",\"alg\":\"ES256\"}", GOOD, "no JSON object"},
        {"{\"alg\":\"RS256\",\"crit\":[\"b64\"],\"b64\":false}", GOOD, "critical"},
        {"{\"alg\":\"RS256\",\"kid\":1}", GOOD, "kid"},
        {"{\"alg\":\"RS256\"}", "{\"aud\":\"registry\",\"exp\":2000,\"sub\":\"a\"}",
         "issuer"},
        {"{\"alg\":\"RS256\"}",
         "{\"iss\":\"us\",\"aud\":\"regist\",\"exp\":2000,\"sub\":\"a\"}", "audience"},
        {"{\"alg\":\"RS256\"}", "{\"iss\":\"us\",\"exp\":2000,\"sub\":\"a\"}",
         "audience"},
        {"{\"alg\":\"RS256\"}", "{\"iss\":\"us\",\"aud\":\"registry\",\"sub\":\"a\"}",
         "no exp"},
        {"{\"alg\":\"RS256\"}",
         "{\"iss\":\"us\",\"aud\":\"registry\",\"exp\":\"2000\",\"sub\":\"a\"}",
         "no exp"},
        {"{\"alg\":\"RS256\"}",
         "{\"iss\":\"us\",\"aud\":\"registry\",\"exp\":9e9,\"sub\":\"a\"}", "no exp"},
        {"{\"alg\":\"RS256\"}",
         "{\"iss\":\"us\",\"aud\":\"registry\",\"exp\":970,\"sub\":\"a\"}", "expired"},
        {"{\"alg\":\"RS256\"}",
         "{\"iss\":\"us\",\"aud\":\"registry\",\"exp\":2000,\"nbf\":1031,\"sub\":"
         "\"a\"}",
         "not valid yet"},
        {"{\"alg\":\"RS256\"}", "{\"iss\":\"us\",\"aud\":\"registry\",\"exp\":2000}",
         "sub is no name"},
        {"{\"alg\":\"RS256\"}",
         "{\"iss\":\"us\",\"aud\":\"registry\",\"exp\":2000,\"sub\":\"a\\nb\"}",
         "sub is no name"},
    };
    char token[4000];

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        make_token(token, JWT_RS256, rows[i].head, rows[i].claims);
        CHECK(!taken(token, rows[i].says));
    }
    make_token(token, JWT_RS256, "{\"alg\":\"RS256\"}",
               "{\"iss\":\"us\",\"aud\":\"registry\",\"exp\":970.9,\"nbf\":1030,"
               "\"sub\":\"alice\"}");
    CHECK(!taken(token, "expired"));
    make_token(token, JWT_RS256, "{\"alg\":\"RS256\"}",
               "{\"iss\":\"us\",\"aud\":\"registry\",\"exp\":971,\"nbf\":1030,"
               "\"sub\":\"alice\"}");
    CHECK(taken(token, NULL));
}

static void what_is_no_token_is_refused(void)
{
    static const char *const texts[] = {"",           ".",          "..",
                                        "a.b.c",      "e30.e30",    "e30.e30.",
                                        "e30.e30.a=", "e30.e30.+a", "e30.e30.YQ.YQ"};
    char token[JWT_MOST + 2];

    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        CHECK(!taken(texts[i], NULL));
    memset(token, 'a', sizeof token - 1);
    token[sizeof token - 1] = '\0';
    CHECK(!taken(token, "at most"));
}

/* RFC 7515, A.3: made by others. */
static void the_rfc_s_own_token_is_taken(void)
{
    static const char set[] =
        "{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-256\","
        "\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\","
        "\"y\":\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0\"}]}";
    static const char token[] =
        "eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6"
        "Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4Gawxa"
        "epmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q";
    static const struct jwt_rules rules = {
        .algs = 1 << JWT_ES256, .issuer = "joe", .claim = "iss"};
    struct arena a = {0};
    struct jwks *k = NULL;
    struct err e = {0};
    struct jwt t;

    CHECK_INT(jwks_read(&k, span_str(set), &e), ERR_OK);
    CHECK_INT(jwt_read(&t, span_str(token), &rules, 1300819379, &a, &e), ERR_OK);
    CHECK(jwt_is_signed(&t, k));
    CHECK_INT(jwt_read(&t, span_str(token), &rules, 1300819380, &a, &e), ERR_INVALID);
    jwks_free(k);
    arena_free(&a);
}

static void keys_that_are_broken_or_weak_are_refused(void)
{
    static const struct {
        const char *text, *says;
    } rows[] = {
        {"", "1:1"},
        {"[]", "\"keys\""},
        {"{\"keys\":[]}", "no key of a kind known"},
        {"{\"keys\":[{\"kty\":\"oct\",\"k\":\"AAAA\"}]}", "no key of a kind known"},
        {"{\"keys\":[1]}", "key 0: no object"},
        {"{\"keys\":[{\"kty\":\"oct\"},{\"kty\":\"RSA\",\"n\":\"AQAB\",\"e\":\"AQAB\"}]"
         "}",
         "key 1: broken"},
        {"{\"keys\":[{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"AAAA\"}]}", "broken"},
        {"{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"AAAA\",\"y\":\"AAAA\"}]"
         "}",
         "broken"},
        {"{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-256\","
         "\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\","
         "\"y\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\"}]}",
         "broken"},
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct jwks *k = NULL;
        struct err e = {0};
        CHECK_INT(jwks_read(&k, span_str(rows[i].text), &e), ERR_INVALID);
        CHECK(strstr(e.msg, rows[i].says) != NULL);
    }
}

int main(void)
{
    make_keys();
    RUN(each_algorithm_is_verified);
    RUN(a_key_verifies_only_what_it_is_for);
    RUN(what_a_token_must_say_it_must_say);
    RUN(what_is_no_token_is_refused);
    RUN(the_rfc_s_own_token_is_taken);
    RUN(keys_that_are_broken_or_weak_are_refused);
    EVP_PKEY_free(keys[JWT_RS256]);
    EVP_PKEY_free(keys[JWT_ES256]);
    EVP_PKEY_free(keys[JWT_EDDSA]);
    return REPORT();
}
