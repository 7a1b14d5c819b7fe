#include "guard/passwords.h"

#include "base/tab.h"

#include <crypt.h>
#include <openssl/crypto.h>
#include <stdlib.h>

struct passwords {
    struct arena arena;
    struct tab users; // name -> hash, a text
    const char *any;  // a hash, of whomever; NULL without users
};

/* What a hash begins with, and the most work in it that we do for a stranger. */
static const struct method {
    const char *begins;
    unsigned cost_most; // of bcrypt: two digits behind it; 0: not looked at
} methods[] = {
    {"$2a$", 16}, {"$2b$", 16}, {"$2y$", 16}, {"$y$", 0}, {"$7$", 0}, {"$6$", 0},
};

static const struct method *method_of(const char *hash)
{
    for (size_t i = 0; i < sizeof methods / sizeof *methods; i++)
        if (strncmp(hash, methods[i].begins, strlen(methods[i].begins)) == 0)
            return &methods[i];
    return NULL;
}

static enum err_kind check_hash(const char *hash, struct err *e)
{
    const struct method *m = method_of(hash);

    if (m == NULL)
        return err_set(e, ERR_INVALID,
                       "a hash of a kind not taken, wanted bcrypt (htpasswd -B), "
                       "yescrypt, scrypt or sha512crypt");
    if (m->cost_most > 0 && (unsigned)atoi(hash + 4) > m->cost_most)
        return err_set(e, ERR_LIMIT, "bcrypt of cost %d, at most %u is computed here",
                       atoi(hash + 4), m->cost_most);
    if (strncmp(hash, "$6$rounds=", 10) == 0 && atol(hash + 10) > 1000000)
        return err_set(e, ERR_LIMIT, "sha512crypt of more than 1000000 rounds");
    if (crypt_checksalt(hash) == CRYPT_SALT_INVALID)
        return err_set(e, ERR_INVALID, "a hash that crypt(3) cannot read");
    return ERR_OK;
}

/* Principals are logged and compared byte by byte: no control characters. */
static bool is_name(struct span s)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] < ' ' || s.p[i] == 0x7f)
            return false;
    return s.n > 0 && s.n <= PASSWORDS_USER;
}

static enum err_kind take_line(struct passwords *p, struct span line, struct err *e)
{
    const uint8_t *colon = line.n > 0 ? memchr(line.p, ':', line.n) : NULL;

    if (line.n == 0 || line.p[0] == '#')
        return ERR_OK;
    if (colon == NULL)
        return err_set(e, ERR_INVALID, "no colon, wanted NAME:HASH");
    struct span name = span_of(line.p, (size_t)(colon - line.p));
    struct span hash = span_skip(line, name.n + 1);
    if (!is_name(name))
        return err_set(e, ERR_INVALID,
                       "a name of no or over %d bytes, or not printable",
                       PASSWORDS_USER);
    if (hash.n == 0 || hash.n >= PASSWORDS_HASH || memchr(hash.p, '\0', hash.n) != NULL)
        return err_set(e, ERR_INVALID,
                       "a hash of %zu bytes or with a NUL, wanted 1 to %d", hash.n,
                       PASSWORDS_HASH - 1);
    if (tab_get(&p->users, name) != NULL)
        return err_set(e, ERR_INVALID, "\"" SPAN_FMT "\" is there twice",
                       SPAN_ARG(name));
    if (p->users.n == PASSWORDS_MOST)
        return err_set(e, ERR_LIMIT, "more than %d users", PASSWORDS_MOST);
    char *text = arena_str(&p->arena, hash);
    TRY(check_hash(text, e));
    tab_put(&p->users, name, text);
    p->any = text;
    return ERR_OK;
}

static struct span cut_line(struct span *text)
{
    const uint8_t *end = memchr(text->p, '\n', text->n);
    struct span line =
        span_of(text->p, end != NULL ? (size_t)(end - text->p) : text->n);

    *text = span_skip(*text, line.n + 1);
    if (line.n > 0 && line.p[line.n - 1] == '\r')
        line.n--;
    return line;
}

enum err_kind passwords_read(struct passwords **out, struct span text, struct err *e)
{
    struct passwords *p;

    if (text.n > PASSWORDS_FILE)
        return err_set(e, ERR_LIMIT, "%zu bytes, at most %d are read", text.n,
                       PASSWORDS_FILE);
    p = mem_alloc(sizeof *p);
    for (int line = 1; text.n > 0; line++)
        if (take_line(p, cut_line(&text), e) != ERR_OK) {
            passwords_free(p);
            return err_prefix(e, "line %d", line);
        }
    *out = p;
    return ERR_OK;
}

void passwords_free(struct passwords *p)
{
    if (p == NULL)
        return;
    tab_free(&p->users);
    arena_free(&p->arena);
    free(p);
}

bool passwords_hash(const struct passwords *p, struct span user,
                    char hash[PASSWORDS_HASH])
{
    const char *found = tab_get(&p->users, user);
    const char *tried = found != NULL ? found : p->any;

    hash[0] = '\0';
    if (tried != NULL)
        memcpy(hash, tried, strlen(tried) + 1);
    return found != NULL;
}

bool passwords_fit(const char *hash, const char *password)
{
    struct crypt_data *d = mem_alloc(sizeof *d); // 32 KB: too much for a stack
    const char *got = crypt_rn(password, hash, d, sizeof *d);
    size_t n = strlen(hash);
    bool fit =
        got != NULL && n > 0 && strlen(got) == n && CRYPTO_memcmp(got, hash, n) == 0;

    OPENSSL_cleanse(d, sizeof *d);
    free(d);
    return fit;
}
