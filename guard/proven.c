#include "guard/proven.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>

struct proof {
    int64_t until;
};

void proven_init(struct proven *p)
{
    *p = (struct proven){0};
    pthread_mutex_init(&p->lock, NULL);
    if (RAND_bytes(p->key, sizeof p->key) != 1) {
        fprintf(stderr, "guard: the system gives no random bytes\n");
        abort();
    }
}

static void drop_all(struct proven *p)
{
    struct proof *proof;

    for (size_t at = 0; (proof = tab_each(&p->good, &at, NULL)) != NULL;)
        free(proof);
    tab_free(&p->good);
    p->good = (struct tab){0};
}

void proven_free(struct proven *p)
{
    drop_all(p);
    pthread_mutex_destroy(&p->lock);
    OPENSSL_cleanse(p->key, sizeof p->key);
}

static struct span name_of(const struct proven *p, struct span credential,
                           uint8_t out[32])
{
    unsigned n = 32;

    if (HMAC(EVP_sha256(), p->key, sizeof p->key, credential.p, credential.n, out,
             &n) == NULL) {
        fprintf(stderr, "guard: OpenSSL has no SHA-256\n");
        abort();
    }
    return span_of(out, n);
}

bool proven_has(struct proven *p, struct span credential, int64_t now_ms)
{
    uint8_t name[32];
    struct span key = name_of(p, credential, name);

    pthread_mutex_lock(&p->lock);
    const struct proof *proof = tab_get(&p->good, key);
    bool has = proof != NULL && now_ms < proof->until;
    pthread_mutex_unlock(&p->lock);
    return has;
}

bool proven_knows(struct proven *p, struct span credential)
{
    return proven_has(p, credential, INT64_MIN);
}

void proven_put(struct proven *p, struct span credential, uint64_t age, int64_t now_ms)
{
    uint8_t name[32];
    struct span key = name_of(p, credential, name);
    struct proof *proof = mem_alloc(sizeof *proof);

    proof->until = now_ms + PROVEN_MS;
    pthread_mutex_lock(&p->lock);
    if (age != p->age) {
        free(proof);
    } else {
        if (p->good.n >= PROVEN_MOST)
            drop_all(p); // the good ones come back at the price of one hash each
        free(tab_put(&p->good, key, proof));
    }
    pthread_mutex_unlock(&p->lock);
}

uint64_t proven_age(struct proven *p)
{
    pthread_mutex_lock(&p->lock);
    uint64_t age = p->age;
    pthread_mutex_unlock(&p->lock);
    return age;
}

void proven_forget(struct proven *p)
{
    pthread_mutex_lock(&p->lock);
    p->age++;
    drop_all(p);
    pthread_mutex_unlock(&p->lock);
}
