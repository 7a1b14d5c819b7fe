#include "guard/guard_inside.h"

#include "base/clock.h"
#include "base/log.h"
#include "http/client.h"
#include "http/url.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define KEYS_EVERY_MS 300000 // from a URL
#define KEYS_PATIENCE_MS 5000
#define LEEWAY_S 30

/* Half of a wish for security would come to nothing in silence. */
static enum err_kind check_settings(const struct guard_settings *s, struct err *e)
{
    if ((s->tls_cert == NULL) != (s->tls_key == NULL))
        return err_set(e, ERR_INVALID,
                       "tls.cert and tls.key: one is given, wanted both");
    if (s->tls_client_ca != NULL && s->tls_cert == NULL)
        return err_set(e, ERR_INVALID,
                       "tls.client_ca is given, but without tls.cert there is no TLS");
    if (s->tls_client_crl != NULL && s->tls_client_ca == NULL)
        return err_set(
            e, ERR_INVALID,
            "tls.client_crl is given, but without tls.client_ca no client is "
            "asked for a certificate");
    if (s->jwks != NULL && (s->issuer == NULL || s->audience == NULL))
        return err_set(
            e, ERR_INVALID,
            "auth.jwks is given, wanted auth.jwt_issuer and auth.jwt_audience "
            "as well: a token for others is none for us");
    return ERR_OK;
}

static enum err_kind set_tokens(struct jwt_rules *out, const struct guard_settings *s,
                                struct err *e)
{
    enum jwt_alg alg;

    *out = (struct jwt_rules){.issuer = s->issuer,
                              .audience = s->audience,
                              .claim = s->claim,
                              .leeway = LEEWAY_S};
    for (size_t i = 0; s->jwks != NULL && i < s->algorithms.n; i++) {
        if (!jwt_alg_read(&alg, span_str(s->algorithms.items[i])))
            return err_set(e, ERR_INVALID,
                           "auth.jwt_algorithms has \"%s\", wanted RS256, PS256, ES256 "
                           "or EdDSA",
                           s->algorithms.items[i]);
        out->algs |= 1U << alg;
    }
    return ERR_OK;
}

/* Files. */

static enum err_kind read_to_end(struct buf *out, int fd, struct err *e)
{
    ssize_t n;

    for (;;) {
        uint8_t *p = buf_room(out, 64 << 10);
        if (p == NULL)
            return buf_status(out, e);
        n = read(fd, p, 64 << 10);
        if (n == 0)
            return ERR_OK;
        if (n < 0 && errno != EINTR)
            return err_set(e, ERR_INVALID, "%s", strerror(errno));
        buf_added(out, n > 0 ? (size_t)n : 0);
    }
}

static enum err_kind read_file(struct buf *out, const char *path, struct err *e)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

    if (fd < 0)
        return err_set(e, ERR_INVALID, "%s", strerror(errno));
    enum err_kind rc = read_to_end(out, fd, e);
    close(fd);
    return rc;
}

static enum err_kind load_passwords(struct guard *g, struct err *e)
{
    struct buf text = BUF_INIT(PASSWORDS_FILE + (64 << 10));
    struct passwords *fresh = NULL, *old;

    enum err_kind rc = read_file(&text, g->s->passwords, e);
    if (rc == ERR_OK)
        rc = passwords_read(&fresh, buf_span(&text), e);
    if (text.cap > 0)
        OPENSSL_cleanse(text.p, text.cap);
    buf_free(&text);
    if (rc != ERR_OK)
        return err_prefix(e, "%s", g->s->passwords);
    pthread_rwlock_wrlock(&g->lock);
    old = g->passwords;
    g->passwords = fresh;
    pthread_rwlock_unlock(&g->lock);
    proven_forget(&g->proven); // after: what is proven from now on is proven by these
    passwords_free(old);
    return ERR_OK;
}

static enum err_kind load_acl(struct guard *g, struct err *e)
{
    struct buf text = BUF_INIT(ACL_FILE + (64 << 10));
    struct acl *fresh = NULL, *old;

    enum err_kind rc = read_file(&text, g->s->acl, e);
    if (rc == ERR_OK)
        rc = acl_read(&fresh, buf_span(&text), e);
    buf_free(&text);
    if (rc != ERR_OK)
        return err_prefix(e, "%s", g->s->acl);
    pthread_rwlock_wrlock(&g->lock);
    old = g->acl;
    g->acl = fresh;
    pthread_rwlock_unlock(&g->lock);
    acl_free(old);
    return ERR_OK;
}

static bool begins(const char *s, const char *with)
{
    return strncmp(s, with, strlen(with)) == 0;
}

static bool is_url(const char *s)
{
    return s != NULL && (begins(s, "https://") || begins(s, "http://"));
}

static enum err_kind ask_keys(struct buf *out, const struct guard_settings *s,
                              struct err *e)
{
    const struct http_client_settings how = {.ca_file = s->jwks_ca};
    const struct http_call call = {.method = HTTP_GET,
                                   .url = s->jwks,
                                   .deadline_ms = clock_ms() + KEYS_PATIENCE_MS,
                                   .body_max = JWKS_FILE};
    struct http_reply reply = {0};
    struct http_client *c = NULL;

    // keys that came in the clear are anybody's
    if (!url_keeps_secrets(span_str(s->jwks)))
        return err_set(e, ERR_INVALID, "wanted https");
    TRY(http_client_open(&c, &how, e));
    enum err_kind rc = http_client_call(c, &call, &reply, e);
    if (rc == ERR_OK && reply.status != 200)
        rc = err_set(e, ERR_UNAVAILABLE, "answered %d", reply.status);
    if (rc == ERR_OK)
        buf_put(out, reply.body);
    http_reply_free(&reply);
    http_client_close(c);
    return rc;
}

static enum err_kind load_keys(struct guard *g, struct err *e)
{
    struct buf text = BUF_INIT(JWKS_FILE + (64 << 10));
    struct jwks *fresh = NULL, *old;

    enum err_kind rc =
        is_url(g->s->jwks) ? ask_keys(&text, g->s, e) : read_file(&text, g->s->jwks, e);
    if (rc == ERR_OK)
        rc = jwks_read(&fresh, buf_span(&text), e);
    buf_free(&text);
    atomic_store(&g->keys_due,
                 clock_ms() + (rc == ERR_OK ? KEYS_EVERY_MS : g->s->reload_ms));
    if (rc != ERR_OK)
        return err_prefix(e, "%s", g->s->jwks);
    pthread_rwlock_wrlock(&g->lock);
    old = g->keys;
    g->keys = fresh;
    pthread_rwlock_unlock(&g->lock);
    proven_forget(&g->proven);
    jwks_free(old);
    return ERR_OK;
}

static enum err_kind load_tls(struct guard *g, struct err *e)
{
    const struct http_tls_files files = {.cert = g->s->tls_cert,
                                         .key = g->s->tls_key,
                                         .client_ca = g->s->tls_client_ca,
                                         .client_crl = g->s->tls_client_crl,
                                         .client_may_lack = g->s->tls_client_cert == 1};

    return g->tls == NULL ? http_tls_open(&g->tls, &files, e)
                          : http_tls_reload(g->tls, e);
}

/* What is made of the files, and by which of them it is asked for. */
static const struct part {
    const char *name;
    size_t asked_by; // offsetof a path in struct guard_settings; NULL there: not at all
    enum err_kind (*load)(struct guard *g, struct err *e);
} parts[] = {
    {"tls", offsetof(struct guard_settings, tls_cert), load_tls},
    {"passwords", offsetof(struct guard_settings, passwords), load_passwords},
    {"acl", offsetof(struct guard_settings, acl), load_acl},
    {"keys", offsetof(struct guard_settings, jwks), load_keys},
};

#define PARTS (sizeof parts / sizeof *parts)

static const char *path_of(const struct guard *g, size_t at)
{
    return *(const char *const *)(const void *)((const char *)g->s + at);
}

static bool is_asked_for(const struct guard *g, const struct part *p)
{
    return path_of(g, p->asked_by) != NULL;
}

static void read_again(struct guard *g, const struct part *p)
{
    struct err e = {0};

    if (p->load(g, &e) == ERR_OK)
        log_event(LOG_INFO, "read again", LOG_S("what", p->name), LOG_END);
    else
        log_err(LOG_ERROR, "not read again, what was read before stays", &e);
}

void guard_reload(struct guard *g)
{
    for (size_t i = 0; i < PARTS; i++)
        if (is_asked_for(g, &parts[i]))
            read_again(g, &parts[i]);
}

/* An issuer that is away must not keep us from starting: until it is back its tokens
 * are none. */
static bool may_come_later(const struct guard *g, const struct part *p,
                           const struct err *e)
{
    return p->load == load_keys && is_url(g->s->jwks) && e->kind == ERR_UNAVAILABLE;
}

static enum err_kind load_first(struct guard *g, const struct part *p, struct err *e)
{
    if (!is_asked_for(g, p) || p->load(g, e) == ERR_OK)
        return ERR_OK;
    if (!may_come_later(g, p, e))
        return e->kind;
    log_err(LOG_ERROR, "no keys yet, tokens are refused until there are", e);
    return ERR_OK;
}

/* Watching. */

/* true: it is not as it was when last looked at. */
static bool look_at(struct watched *f)
{
    struct stat st;
    int64_t now[4] = {0};

    if (stat(f->path, &st) == 0) {
        now[0] = (int64_t)st.st_ino;
        now[1] = st.st_size;
        now[2] = st.st_mtim.tv_sec;
        now[3] = st.st_mtim.tv_nsec;
    }
    bool news = memcmp(now, f->seen, sizeof now) != 0;
    memcpy(f->seen, now, sizeof now);
    return news;
}

/* A file still being written changes from look to look: it is read when it has not. */
static void look_around(struct guard *g)
{
    bool news = false, settled = true;

    if (is_url(g->s->jwks) && clock_ms() >= atomic_load(&g->keys_due))
        read_again(g, &parts[PARTS - 1]);

    for (size_t i = 0; i < g->nfiles; i++) {
        struct watched *f = &g->files[i];
        bool changed = look_at(f);
        settled &= !changed;
        f->changed |= changed;
        news |= f->changed;
    }
    if (!news || !settled)
        return;
    for (size_t i = 0; i < g->nfiles; i++)
        g->files[i].changed = false;
    guard_reload(g);
}

/* Sleeps; false: it is over. */
static bool sleep_a_while(struct guard *g)
{
    int64_t until = clock_ms() + g->s->reload_ms;
    struct timespec t = {until / 1000, until % 1000 * 1000000};
    int rc = 0;

    pthread_mutex_lock(&g->watch_lock);
    while (!g->stopped && rc != ETIMEDOUT)
        rc = pthread_cond_timedwait(&g->stop_watching, &g->watch_lock, &t);
    bool stopped = g->stopped;
    pthread_mutex_unlock(&g->watch_lock);
    return !stopped;
}

static void *watch(void *arg)
{
    struct guard *g = arg;

    pthread_setname_np(pthread_self(), "guard-watch");
    while (sleep_a_while(g))
        look_around(g);
    return NULL;
}

static void note_files(struct guard *g)
{
    const char *const paths[] = {g->s->tls_cert,
                                 g->s->tls_key,
                                 g->s->tls_client_ca,
                                 g->s->tls_client_crl,
                                 g->s->passwords,
                                 g->s->acl,
                                 is_url(g->s->jwks) ? NULL : g->s->jwks};

    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++)
        if (paths[i] != NULL) {
            g->files[g->nfiles].path = paths[i];
            look_at(&g->files[g->nfiles++]);
        }
}

/* Life. */

static void start_thread(pthread_t *t, void *(*run)(void *arg), struct guard *g)
{
    if (pthread_create(t, NULL, run, g) != 0) {
        perror("guard: a thread cannot start");
        abort();
    }
}

static void start_threads(struct guard *g)
{
    if (g->s->passwords != NULL) {
        for (int i = 0; i < HASHERS; i++)
            start_thread(&g->hashers[i], guard_hash, g);
        g->is_hashing = true;
    }
    if ((g->nfiles > 0 || is_url(g->s->jwks)) && g->s->reload_ms > 0) {
        start_thread(&g->watcher, watch, g);
        g->is_watching = true;
    }
}

static void stop_threads(struct guard *g)
{
    queue_close(&g->hashing);
    for (int i = 0; g->is_hashing && i < HASHERS; i++)
        pthread_join(g->hashers[i], NULL);
    pthread_mutex_lock(&g->watch_lock);
    g->stopped = true;
    pthread_cond_signal(&g->stop_watching);
    pthread_mutex_unlock(&g->watch_lock);
    if (g->is_watching)
        pthread_join(g->watcher, NULL);
}

static struct guard *make(const struct guard_settings *s)
{
    struct guard *g = mem_alloc(sizeof *g);

    g->s = s;
    pthread_rwlock_init(&g->lock, NULL);
    pthread_mutex_init(&g->watch_lock, NULL);
    clock_cond_init(&g->stop_watching);
    queue_init(&g->hashing, HASHES);
    proven_init(&g->proven);
    throttle_init(g);
    return g;
}

enum err_kind guard_open(struct guard **out, const struct guard_settings *s,
                         struct err *e)
{
    struct jwt_rules tokens;

    TRY(check_settings(s, e));
    TRY(set_tokens(&tokens, s, e));
    struct guard *g = make(s);
    g->tokens = tokens;
    note_files(g); // before they are read: a change meanwhile is seen
    for (size_t i = 0; i < PARTS; i++)
        if (load_first(g, &parts[i], e) != ERR_OK) {
            guard_close(g);
            return e->kind;
        }
    if ((s->passwords != NULL || s->jwks != NULL) && s->tls_cert == NULL)
        log_event(LOG_WARN, "passwords or tokens are asked for, and come in the clear",
                  LOG_END);
    start_threads(g);
    *out = g;
    return ERR_OK;
}

void guard_close(struct guard *g)
{
    if (g == NULL)
        return;
    stop_threads(g);
    http_tls_close(g->tls);
    passwords_free(g->passwords);
    acl_free(g->acl);
    jwks_free(g->keys);
    proven_free(&g->proven);
    throttle_free(g);
    queue_free(&g->hashing);
    pthread_cond_destroy(&g->stop_watching);
    pthread_mutex_destroy(&g->watch_lock);
    pthread_rwlock_destroy(&g->lock);
    free(g);
}

struct http_tls *guard_tls(const struct guard *g)
{
    return g->tls;
}
