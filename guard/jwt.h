/*
 * jwt.h - bearer tokens: JSON Web Tokens (RFC 7519) signed by keys of a JSON Web Key
 * Set (RFC 7517), read by the rules of RFC 8725.
 *
 * RS256, PS256, ES256 and EdDSA (Ed25519) are known, so `none` and the HS* that turn a
 * public key into a secret cannot be asked for.  A key verifies only what its kind and
 * its "alg" say.  Pure; keys are immutable once read: any thread may ask.
 */
#pragma once

#include "base/json.h"

enum jwt_alg { JWT_RS256, JWT_PS256, JWT_ES256, JWT_EDDSA, JWT_ALGS };

#define JWKS_FILE (1 << 20) // bytes
#define JWKS_KEYS 100
#define JWT_MOST (8 << 10) // bytes of a token
#define JWT_WHO 255        // bytes of a principal

struct jwks;

/* Keys of kinds not known, or not for signatures, are left out (RFC 7517, 5); one of a
 * known kind that is broken or weak is ERR_INVALID, as is a set without a key to use.
 */
enum err_kind jwks_read(struct jwks **out, struct span text, struct err *e) MUST_USE;
void jwks_free(struct jwks *k);

/* "RS256" -> JWT_RS256; false: not known. */
bool jwt_alg_read(enum jwt_alg *out, struct span name);

struct jwt_rules {
    unsigned algs;        // 1 << enum jwt_alg of those taken
    const char *issuer;   // `iss` must be it
    const char *audience; // and be in `aud`; NULL: not looked at
    const char *claim;    // whose value is the principal
    int64_t leeway;       // seconds that clocks may differ
};

struct jwt { // borrows from the token and the arena
    enum jwt_alg alg;
    struct span kid; // may be empty
    struct span who;
    struct span text;      // what is signed
    struct span signature; // bytes
};

/* Takes a token apart and looks at all of it but the signature, `now` in seconds since
 * 1970.  ERR_INVALID says what is wrong, never quoting the token. */
enum err_kind jwt_read(struct jwt *out, struct span token,
                       const struct jwt_rules *rules, int64_t now, struct arena *a,
                       struct err *e) MUST_USE;

/* Did a key of `keys` sign it?  Up to 0.1 ms. */
bool jwt_is_signed(const struct jwt *t, const struct jwks *keys);
