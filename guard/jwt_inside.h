/*
 * jwt_inside.h - the keys, between jwks.c that reads them and jwt.c that uses them.
 */
#pragma once

#include "guard/jwt.h"

#include <openssl/evp.h>

#define JWKS_TRIED 4 // keys for one token that names none

struct jwk {
    struct span kid; // may be empty
    unsigned algs;   // 1 << enum jwt_alg of those it verifies
    EVP_PKEY *key;
    struct jwk *next;
};

struct jwks {
    struct arena arena; // owns all but the EVP_PKEYs
    struct jwk *first;
    size_t n;
};

/* base64url without padding (RFC 7515, 2); false: something else. */
bool jwt_decode(struct span *out, struct span text, struct arena *a);
