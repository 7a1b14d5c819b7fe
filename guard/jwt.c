#include "guard/jwt_inside.h"

#include "base/base64.h"

#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/rsa.h>

static const char *const alg_names[JWT_ALGS] = {"RS256", "PS256", "ES256", "EdDSA"};

bool jwt_alg_read(enum jwt_alg *out, struct span name)
{
    for (int i = 0; i < JWT_ALGS; i++)
        if (span_eq(name, span_str(alg_names[i]))) {
            *out = (enum jwt_alg)i;
            return true;
        }
    return false;
}

static bool is_base64url(uint8_t c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
           c == '-' || c == '_';
}

bool jwt_decode(struct span *out, struct span text, struct arena *a)
{
    size_t whole = (text.n + 3) / 4 * 4, pad = whole - text.n;

    if (text.n == 0 || pad > 2 || text.n > JWKS_FILE)
        return false;
    uint8_t *bytes = arena_alloc(a, whole);
    size_t n;
    for (size_t i = 0; i < text.n; i++)
        if (!is_base64url(text.p[i]))
            return false;
    memcpy(bytes, text.p, text.n);
    memset(bytes + text.n, '=', pad);
    if (!base64_read(bytes, &n, span_of(bytes, whole)))
        return false;
    *out = span_of(bytes, n);
    return true;
}

/* Cuts what stands before the next dot off `s`. */
static struct span cut_dot(struct span *s)
{
    const uint8_t *dot = s->n > 0 ? memchr(s->p, '.', s->n) : NULL;
    size_t n = dot != NULL ? (size_t)(dot - s->p) : s->n;
    struct span part = span_of(s->p, n);

    *s = span_skip(*s, n + 1);
    return part;
}

static enum err_kind read_object(const struct json **out, struct span coded,
                                 const char *which, struct arena *a, struct err *e)
{
    static const struct json_limits limits = {.depth = 8, .values = 1000};
    struct span text;
    struct err why;

    if (!jwt_decode(&text, coded, a))
        return err_set(e, ERR_INVALID, "the token's %s is no base64url", which);
    if (json_read(out, text, &limits, a, &why) != ERR_OK || !json_is(*out, JSON_OBJECT))
        return err_set(e, ERR_INVALID, "the token's %s is no JSON object", which);
    return ERR_OK;
}

static struct span text_of(const struct json *j)
{
    return json_is(j, JSON_STRING) ? j->text : (struct span){0};
}

static enum err_kind read_head(struct jwt *out, const struct json *head,
                               const struct jwt_rules *rules, struct err *e)
{
    const struct json *kid = json_member(head, "kid");

    if (!jwt_alg_read(&out->alg, text_of(json_member(head, "alg"))) ||
        !(rules->algs & 1U << out->alg))
        return err_set(e, ERR_INVALID, "the token's alg is not one that is taken");
    if (json_member(head, "crit") != NULL) // RFC 7515, 4.1.11: we know none
        return err_set(e, ERR_INVALID, "the token has critical headers");
    if (kid != NULL && !json_is(kid, JSON_STRING))
        return err_set(e, ERR_INVALID, "the token's kid is no string");
    out->kid = text_of(kid);
    return ERR_OK;
}

/* A NumericDate (RFC 7519, 2), its fraction left out. */
static bool read_date(int64_t *out, const struct json *j)
{
    size_t n = 0;

    if (!json_is(j, JSON_NUMBER))
        return false;
    for (*out = 0; n < j->text.n && j->text.p[n] >= '0' && j->text.p[n] <= '9'; n++)
        *out = n < 15 ? *out * 10 + (j->text.p[n] - '0') : *out;
    if (n == 0 || n > 15)
        return false;
    if (n == j->text.n)
        return true;
    return j->text.p[n] == '.' && memchr(j->text.p, 'e', j->text.n) == NULL &&
           memchr(j->text.p, 'E', j->text.n) == NULL;
}

static enum err_kind check_dates(const struct json *claims,
                                 const struct jwt_rules *rules, int64_t now,
                                 struct err *e)
{
    const struct json *nbf = json_member(claims, "nbf");
    int64_t until, from;

    if (!read_date(&until, json_member(claims, "exp")))
        return err_set(e, ERR_INVALID, "the token has no exp");
    if (now >= until + rules->leeway)
        return err_set(e, ERR_INVALID, "the token has expired");
    if (nbf == NULL)
        return ERR_OK;
    if (!read_date(&from, nbf))
        return err_set(e, ERR_INVALID, "the token's nbf is no date");
    if (now < from - rules->leeway)
        return err_set(e, ERR_INVALID, "the token is not valid yet");
    return ERR_OK;
}

static bool is_for(const struct json *aud, const char *us)
{
    if (json_is(aud, JSON_STRING))
        return span_eq(aud->text, span_str(us));
    if (!json_is(aud, JSON_ARRAY))
        return false;
    for (const struct json *j = aud->first; j != NULL; j = j->next)
        if (json_is(j, JSON_STRING) && span_eq(j->text, span_str(us)))
            return true;
    return false;
}

static bool is_principal(struct span s)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] < ' ' || s.p[i] == 0x7f)
            return false;
    return s.n > 0 && s.n <= JWT_WHO;
}

static enum err_kind read_claims(struct jwt *out, const struct json *claims,
                                 const struct jwt_rules *rules, int64_t now,
                                 struct err *e)
{
    if (!span_eq(text_of(json_member(claims, "iss")), span_str(rules->issuer)))
        return err_set(e, ERR_INVALID, "the token is of another issuer");
    if (rules->audience != NULL && !is_for(json_member(claims, "aud"), rules->audience))
        return err_set(e, ERR_INVALID, "the token is for another audience");
    TRY(check_dates(claims, rules, now, e));
    out->who = text_of(json_member(claims, rules->claim));
    if (!is_principal(out->who))
        return err_set(e, ERR_INVALID, "the token's %s is no name", rules->claim);
    return ERR_OK;
}

enum err_kind jwt_read(struct jwt *out, struct span token,
                       const struct jwt_rules *rules, int64_t now, struct arena *a,
                       struct err *e)
{
    const struct json *head, *claims;
    struct span rest = token;

    if (token.n > JWT_MOST)
        return err_set(e, ERR_LIMIT, "a token of %zu bytes, at most %d", token.n,
                       JWT_MOST);
    *out = (struct jwt){0};
    struct span first = cut_dot(&rest), second = cut_dot(&rest);
    out->text = span_of(token.p, first.n + 1 + second.n);
    if (rest.n == 0 || !jwt_decode(&out->signature, rest, a))
        return err_set(e, ERR_INVALID, "a token is three parts of base64url");
    TRY(read_object(&head, first, "header", a, e));
    TRY(read_head(out, head, rules, e));
    TRY(read_object(&claims, second, "payload", a, e));
    return read_claims(out, claims, rules, now, e);
}

/* Signatures. */

/* RFC 7518, 3.4: r and s one after the other, which OpenSSL wants as DER. */
static struct span to_der(struct span raw, uint8_t out[80])
{
    struct span der = {0};

    if (raw.n != 64)
        return der;
    ECDSA_SIG *sig = ECDSA_SIG_new();
    BIGNUM *r = BN_bin2bn(raw.p, 32, NULL), *s = BN_bin2bn(raw.p + 32, 32, NULL);
    if (sig != NULL && r != NULL && s != NULL && ECDSA_SIG_set0(sig, r, s) == 1) {
        uint8_t *end = out;
        int n = i2d_ECDSA_SIG(sig, &end); // at most 72 bytes of P-256
        der = span_of(out, n > 0 ? (size_t)n : 0);
        r = s = NULL; // are the signature's
    }
    BN_free(r);
    BN_free(s);
    ECDSA_SIG_free(sig);
    return der;
}

static bool set_padding(EVP_PKEY_CTX *c, enum jwt_alg alg)
{
    return alg != JWT_PS256 ||
           (EVP_PKEY_CTX_set_rsa_padding(c, RSA_PKCS1_PSS_PADDING) == 1 &&
            EVP_PKEY_CTX_set_rsa_pss_saltlen(c, RSA_PSS_SALTLEN_DIGEST) == 1);
}

static bool verify(const struct jwt *t, const struct jwk *k)
{
    const EVP_MD *md = t->alg == JWT_EDDSA ? NULL : EVP_sha256();
    EVP_MD_CTX *c = EVP_MD_CTX_new();
    EVP_PKEY_CTX *of = NULL;
    uint8_t room[80];
    struct span sig = t->alg == JWT_ES256 ? to_der(t->signature, room) : t->signature;

    bool good = c != NULL && sig.n > 0 &&
                EVP_DigestVerifyInit(c, &of, md, NULL, k->key) == 1 &&
                set_padding(of, t->alg) &&
                EVP_DigestVerify(c, sig.p, sig.n, t->text.p, t->text.n) == 1;
    EVP_MD_CTX_free(c);
    ERR_clear_error();
    return good;
}

static bool may_verify(const struct jwk *k, const struct jwt *t)
{
    return (k->algs & 1U << t->alg) && (t->kid.n == 0 || span_eq(k->kid, t->kid));
}

bool jwt_is_signed(const struct jwt *t, const struct jwks *keys)
{
    int tried = 0;

    for (const struct jwk *k = keys->first; k != NULL && tried < JWKS_TRIED;
         k = k->next)
        if (may_verify(k, t)) {
            tried++;
            if (verify(t, k))
                return true;
        }
    return false;
}
