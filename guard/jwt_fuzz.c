#include "guard/jwt.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

/* The first byte says which: a token, its parts as JSON, or a key set. */
int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    static const struct jwt_rules rules = {.algs = 15, .issuer = "i", .claim = "sub"};
    struct arena a = {0};
    struct jwks *keys = NULL;
    struct err e = {0};
    struct jwt t;

    if (n > 0 && (p[0] & 1)) {
        if (jwks_read(&keys, span_of(p + 1, n - 1), &e) == ERR_OK)
            jwks_free(keys);
    } else if (n > 0 &&
               jwt_read(&t, span_of(p + 1, n - 1), &rules, 0, &a, &e) == ERR_OK &&
               t.who.n == 0) {
        __builtin_trap();
    }
    arena_free(&a);
    return 0;
}
