#include "guard/guard_inside.h"

#include "base/base64.h"
#include "base/clock.h"
#include "base/log.h"

#include <openssl/crypto.h>
#include <strings.h>

#define CREDENTIAL_MOST (PASSWORDS_USER + 1 + PASSWORDS_TEXT)

struct credential { // NAME '\0' PASSWORD '\0', in the request's arena
    struct span user, password, both;
};

struct hashing { // in the request's arena
    struct guard *guard;
    struct http_req *r;
    struct guard_ask ask;
    struct credential given;
};

/* One line for each refusal: who, what, why. */
static void tell(const struct http_req *r, const struct guard_ask *ask, struct span who,
                 const char *why)
{
    log_event(LOG_WARN, "refused", LOG_S("why", why), LOG_B("who", who),
              LOG_S("what", acl_op_name(ask->op)),
              LOG_S("kind", acl_kind_name(ask->kind)), LOG_B("name", ask->name),
              LOG_S("method", http_method_name(r->method)), LOG_B("path", r->path),
              LOG_B("client", r->peer), LOG_B("request", r->id), LOG_END);
}

static void refuse_stranger(struct guard *g, struct http_req *r,
                            const struct guard_ask *ask, struct span who,
                            const char *why)
{
    tell(r, ask, who, why);
    if (g->s->passwords != NULL)
        http_answer_header(r, "WWW-Authenticate",
                           span_str("Basic realm=\"avrogate\", charset=\"UTF-8\""));
    if (g->s->jwks != NULL)
        http_answer_header(r, "WWW-Authenticate",
                           span_str("Bearer realm=\"avrogate\""));
    http_answer_error(r, 401, 401, "Unauthorized");
}

void guard_tell(const struct http_req *r, const struct guard_ask *ask)
{
    tell(r, ask, r->who, "not permitted");
}

static void refuse(struct http_req *r, const struct guard_ask *ask)
{
    guard_tell(r, ask);
    if (ask->over == GUARD_ONE)
        http_answer_error(r, 403, 40301, SPAN_FMT " may not %s %s " SPAN_FMT,
                          SPAN_ARG(r->who), acl_op_name(ask->op),
                          acl_kind_name(ask->kind), SPAN_ARG(ask->name));
    else
        http_answer_error(r, 403, 40301, SPAN_FMT " may not %s every %s",
                          SPAN_ARG(r->who), acl_op_name(ask->op),
                          acl_kind_name(ask->kind));
}

bool guard_may(struct guard *g, struct span who, const struct guard_ask *ask)
{
    if (g->s->acl == NULL || ask->over == GUARD_NOTHING)
        return true;
    pthread_rwlock_rdlock(&g->lock);
    bool may = ask->over == GUARD_ALL
                   ? acl_may_all(g->acl, who, ask->op, ask->kind)
                   : acl_may(g->acl, who, ask->op, ask->kind, ask->name);
    pthread_rwlock_unlock(&g->lock);
    return may;
}

static bool is_scheme(struct span *header, const char *scheme)
{
    size_t n = strlen(scheme);

    if (header->n <= n || header->p[n] != ' ' ||
        strncasecmp((const char *)header->p, scheme, n) != 0)
        return false;
    *header = span_skip(*header, n + 1);
    while (header->n > 0 && header->p[0] == ' ')
        *header = span_skip(*header, 1);
    return true;
}

/* RFC 7617: base64 of NAME ':' PASSWORD. */
static bool read_basic(struct credential *out, struct span coded, struct arena *a)
{
    size_t length;

    if (coded.n == 0 || BASE64_ROOM(coded.n) > CREDENTIAL_MOST + 2)
        return false;
    uint8_t *text = arena_alloc(a, BASE64_ROOM(coded.n) + 1);
    if (!base64_read(text, &length, coded))
        return false;
    text[length] = '\0';
    uint8_t *colon = memchr(text, ':', length);
    if (colon == NULL || colon == text || memchr(text, '\0', length) != NULL)
        return false;
    *colon = '\0';
    out->both = span_of(text, length);
    out->user = span_of(text, (size_t)(colon - text));
    out->password = span_skip(out->both, out->user.n + 1);
    return out->user.n <= PASSWORDS_USER && out->password.n <= PASSWORDS_TEXT;
}

static void set_who(struct http_req *r, const char *way, struct span name)
{
    uint8_t *p = arena_alloc(&r->arena, strlen(way) + name.n);

    memcpy(p, way, strlen(way));
    if (name.n > 0)
        memcpy(p + strlen(way), name.p, name.n);
    r->who = span_of(p, strlen(way) + name.n);
}

/* It is known who asks.  true: they may. */
static bool is_permitted(struct guard *g, struct http_req *r,
                         const struct guard_ask *ask)
{
    if (!throttle_request(g, r))
        return false;
    if (guard_may(g, r->who, ask))
        return true;
    refuse(r, ask);
    return false;
}

/* Who has once shown that they know the password guesses nothing. */
static void check_later(struct guard *g, struct http_req *r,
                        const struct guard_ask *ask, const struct credential *given)
{
    if (!proven_knows(&g->proven, given->both) && !throttle_guess(g, r, given->user))
        return;
    struct hashing *h = arena_alloc(&r->arena, sizeof *h);

    *h = (struct hashing){g, r, *ask, *given};
    http_admit_later(r);
    if (queue_try_put(&g->hashing, h))
        return;
    http_answer_retry_after(r, 2);
    http_answer_error(r, 503, 503, "too many passwords are being checked");
}

/* A token is looked at each time, its signature once in a while. */
static bool is_signed(struct guard *g, const struct jwt *t, struct span token)
{
    if (proven_has(&g->proven, token, clock_ms()))
        return true;
    uint64_t age = proven_age(&g->proven);
    pthread_rwlock_rdlock(&g->lock);
    bool good = g->keys != NULL && jwt_is_signed(t, g->keys);
    pthread_rwlock_unlock(&g->lock);
    if (good)
        proven_put(&g->proven, token, age, clock_ms());
    return good;
}

static void admit_with_token(struct guard *g, struct http_req *r,
                             const struct guard_ask *ask, struct span token)
{
    struct err e = {0};
    struct jwt t;

    if (jwt_read(&t, token, &g->tokens, wall_ms() / 1000, &r->arena, &e) != ERR_OK) {
        refuse_stranger(g, r, ask, (struct span){0}, e.msg);
    } else if (!is_signed(g, &t, token)) {
        refuse_stranger(g, r, ask, (struct span){0}, "no key of ours signed the token");
    } else {
        set_who(r, ACL_TOKEN, t.who);
        is_permitted(g, r, ask);
    }
}

static void admit_with_header(struct guard *g, struct http_req *r,
                              const struct guard_ask *ask, struct span header)
{
    struct credential given;

    if (g->s->jwks != NULL && is_scheme(&header, "Bearer")) {
        admit_with_token(g, r, ask, header);
    } else if (g->s->passwords == NULL || !is_scheme(&header, "Basic") ||
               !read_basic(&given, header, &r->arena)) {
        refuse_stranger(g, r, ask, (struct span){0},
                        "authorization of a kind not taken");
    } else if (proven_has(&g->proven, given.both, clock_ms())) {
        set_who(r, ACL_USER, given.user);
        is_permitted(g, r, ask);
    } else {
        check_later(g, r, ask, &given);
    }
}

void guard_admit(struct guard *g, struct http_req *r, const struct guard_ask *ask)
{
    struct span header = http_header(r, "Authorization");

    if (g->s->passwords == NULL && g->s->jwks == NULL && g->s->acl == NULL) {
        if (r->certificate.n > 0)
            set_who(r, ACL_CERT, r->certificate);
        throttle_request(g, r);
        return;
    }
    if (header.n > 0) {
        admit_with_header(g, r, ask, header);
    } else if (r->certificate.n > 0) {
        set_who(r, ACL_CERT, r->certificate);
        is_permitted(g, r, ask);
    } else if (g->s->passwords != NULL || g->s->jwks != NULL) {
        refuse_stranger(g, r, ask, (struct span){0}, "no credentials");
    } else {
        set_who(r, "anonymous", (struct span){0});
        is_permitted(g, r, ask);
    }
}

static bool is_theirs(struct guard *g, const struct credential *given)
{
    char hash[PASSWORDS_HASH];

    uint64_t age = proven_age(&g->proven); // before the hash is looked up
    pthread_rwlock_rdlock(&g->lock);
    bool known = passwords_hash(g->passwords, given->user, hash);
    pthread_rwlock_unlock(&g->lock);
    bool fits = passwords_fit(hash, (const char *)given->password.p) && known;
    if (fits)
        proven_put(&g->proven, given->both, age, clock_ms());
    OPENSSL_cleanse(hash, sizeof hash);
    return fits;
}

static void check(struct hashing *h)
{
    struct http_req *r = h->r;
    bool theirs = is_theirs(h->guard, &h->given);

    OPENSSL_cleanse((void *)(uintptr_t)h->given.password.p, h->given.password.n);
    if (!theirs) {
        throttle_wrong(h->guard, r, h->given.user);
        refuse_stranger(h->guard, r, &h->ask, h->given.user, "wrong name or password");
        return;
    }
    set_who(r, ACL_USER, h->given.user);
    if (is_permitted(h->guard, r, &h->ask))
        http_admit(r);
}

void *guard_hash(void *guard)
{
    struct guard *g = guard;
    struct hashing *h;

    pthread_setname_np(pthread_self(), "guard-hash");
    while ((h = queue_get(&g->hashing, -1)) != NULL)
        check(h);
    return NULL;
}
