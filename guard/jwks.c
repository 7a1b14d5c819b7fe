#include "guard/jwt_inside.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/param_build.h>
#include <stdlib.h>

#define RSA_LEAST 2048 // bits
#define RSA_MOST 8192

static bool bytes_of(struct span *out, const struct json *key, const char *name,
                     struct arena *a)
{
    const struct json *j = json_member(key, name);

    return json_is(j, JSON_STRING) && jwt_decode(out, j->text, a);
}

static bool is(const struct json *j, const char *text)
{
    return json_is(j, JSON_STRING) && span_eq(j->text, span_str(text));
}

static EVP_PKEY *make(const char *kind, OSSL_PARAM *params)
{
    EVP_PKEY_CTX *c = EVP_PKEY_CTX_new_from_name(NULL, kind, NULL);
    EVP_PKEY *key = NULL;

    if (c == NULL || params == NULL || EVP_PKEY_fromdata_init(c) != 1 ||
        EVP_PKEY_fromdata(c, &key, EVP_PKEY_PUBLIC_KEY, params) != 1)
        key = NULL;
    EVP_PKEY_CTX_free(c);
    return key;
}

static EVP_PKEY *make_rsa(struct span n, struct span e)
{
    OSSL_PARAM_BLD *b = OSSL_PARAM_BLD_new();
    BIGNUM *modulus = BN_bin2bn(n.p, (int)n.n, NULL);
    BIGNUM *exponent = BN_bin2bn(e.p, (int)e.n, NULL);
    OSSL_PARAM *params = NULL;

    if (b != NULL && modulus != NULL && exponent != NULL &&
        BN_num_bits(modulus) >= RSA_LEAST && BN_num_bits(modulus) <= RSA_MOST &&
        BN_is_odd(modulus) && BN_is_odd(exponent) && BN_num_bits(exponent) > 1 &&
        BN_num_bits(exponent) <= 64 &&
        OSSL_PARAM_BLD_push_BN(b, OSSL_PKEY_PARAM_RSA_N, modulus) == 1 &&
        OSSL_PARAM_BLD_push_BN(b, OSSL_PKEY_PARAM_RSA_E, exponent) == 1)
        params = OSSL_PARAM_BLD_to_param(b);
    EVP_PKEY *key = make("RSA", params);
    OSSL_PARAM_free(params);
    OSSL_PARAM_BLD_free(b);
    BN_free(modulus);
    BN_free(exponent);
    return key;
}

/* OpenSSL refuses a point that is not on the curve. */
static EVP_PKEY *make_p256(struct span x, struct span y)
{
    char group[] = "P-256";
    uint8_t point[65] = {4};

    if (x.n != 32 || y.n != 32)
        return NULL;
    memcpy(point + 1, x.p, 32);
    memcpy(point + 33, y.p, 32);
    OSSL_PARAM params[] = {
        OSSL_PARAM_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, group, sizeof group - 1),
        OSSL_PARAM_octet_string(OSSL_PKEY_PARAM_PUB_KEY, point, sizeof point),
        OSSL_PARAM_END};
    return make("EC", params);
}

/* The key of a kind we know; NULL with *known: it is broken. */
static EVP_PKEY *key_of(const struct json *j, unsigned *algs, bool *known,
                        struct arena *a)
{
    struct span x, y;

    *known = true;
    if (is(json_member(j, "kty"), "RSA")) {
        *algs = 1U << JWT_RS256 | 1U << JWT_PS256;
        return bytes_of(&x, j, "n", a) && bytes_of(&y, j, "e", a) ? make_rsa(x, y)
                                                                  : NULL;
    }
    if (is(json_member(j, "kty"), "EC") && is(json_member(j, "crv"), "P-256")) {
        *algs = 1U << JWT_ES256;
        return bytes_of(&x, j, "x", a) && bytes_of(&y, j, "y", a) ? make_p256(x, y)
                                                                  : NULL;
    }
    if (is(json_member(j, "kty"), "OKP") && is(json_member(j, "crv"), "Ed25519")) {
        *algs = 1U << JWT_EDDSA;
        return bytes_of(&x, j, "x", a) && x.n == 32
                   ? EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, x.p, x.n)
                   : NULL;
    }
    *known = false;
    return NULL;
}

static bool is_for_signatures(const struct json *j)
{
    const struct json *use = json_member(j, "use");

    return use == NULL || is(use, "sig");
}

/* What "alg" leaves of what the kind could. */
static unsigned narrow(unsigned algs, const struct json *alg)
{
    enum jwt_alg named;

    if (alg == NULL)
        return algs;
    if (!json_is(alg, JSON_STRING) || !jwt_alg_read(&named, alg->text))
        return 0;
    return algs & 1U << named;
}

static enum err_kind take_key(struct jwks *k, const struct json *j, struct err *e)
{
    const struct json *kid = json_member(j, "kid");
    unsigned algs = 0;
    bool known;

    if (!json_is(j, JSON_OBJECT))
        return err_set(e, ERR_INVALID, "no object");
    if (!is_for_signatures(j))
        return ERR_OK;
    EVP_PKEY *key = key_of(j, &algs, &known, &k->arena);
    ERR_clear_error();
    if (!known)
        return ERR_OK;
    if (key == NULL)
        return err_set(e, ERR_INVALID,
                       "broken, or of fewer than %d or more than %d bits", RSA_LEAST,
                       RSA_MOST);
    algs = narrow(algs, json_member(j, "alg"));
    if (algs == 0) {
        EVP_PKEY_free(key);
        return ERR_OK;
    }
    struct jwk *kept = arena_alloc(&k->arena, sizeof *kept);
    *kept = (struct jwk){.algs = algs, .key = key, .next = k->first};
    if (json_is(kid, JSON_STRING))
        kept->kid = arena_copy(&k->arena, kid->text);
    k->first = kept;
    k->n++;
    return ERR_OK;
}

static enum err_kind take_keys(struct jwks *k, struct span text, struct err *e)
{
    static const struct json_limits limits = {.depth = 16, .values = 20000};
    const struct json *root, *keys;
    size_t at = 0;

    if (text.n > JWKS_FILE)
        return err_set(e, ERR_LIMIT, "%zu bytes, at most %d are read", text.n,
                       JWKS_FILE);
    TRY(json_read(&root, text, &limits, &k->arena, e));
    keys = json_member(root, "keys");
    if (!json_is(keys, JSON_ARRAY))
        return err_set(e, ERR_INVALID, "no key set: wanted an object with \"keys\"");
    if (keys->n > JWKS_KEYS)
        return err_set(e, ERR_LIMIT, "%zu keys, at most %d", keys->n, JWKS_KEYS);
    for (const struct json *j = keys->first; j != NULL; j = j->next, at++)
        if (take_key(k, j, e) != ERR_OK)
            return err_prefix(e, "key %zu", at);
    if (k->n == 0)
        return err_set(e, ERR_INVALID,
                       "no key of a kind known: RSA, EC P-256 or OKP Ed25519");
    return ERR_OK;
}

enum err_kind jwks_read(struct jwks **out, struct span text, struct err *e)
{
    struct jwks *k = mem_alloc(sizeof *k);
    enum err_kind rc = take_keys(k, text, e);

    if (rc != ERR_OK) {
        jwks_free(k);
        return rc;
    }
    *out = k;
    return ERR_OK;
}

void jwks_free(struct jwks *k)
{
    if (k == NULL)
        return;
    for (struct jwk *j = k->first; j != NULL; j = j->next)
        EVP_PKEY_free(j->key);
    arena_free(&k->arena);
    free(k);
}
