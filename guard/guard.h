/*
 * guard.h - who may come in, and what they may do: the settings that the registry and
 * the gateway share, and what was read from the files they name.
 *
 *      static const struct conf_row rows[] = { ..., GUARD_ROWS(struct my, guard), {0}};
 *
 * A program opens one before its server and closes it after.  Its http_app.admit ends
 * with guard_admit(), and its lists ask guard_may() of each thing they would show.
 *
 * Files that changed are read again by themselves or by guard_reload(); one that cannot
 * be read leaves what it would have replaced.  Any thread.
 */
#pragma once

#include "base/conf.h"
#include "guard/acl.h"
#include "http/server.h"

#include <stddef.h>

struct guard_settings {
    const char *tls_cert, *tls_key, *tls_client_ca, *tls_client_crl;
    int tls_client_cert; // 0: required, 1: optional
    const char *passwords, *acl;
    const char *jwks, *jwks_ca; // of jwks: a file, or a URL
    const char *issuer, *audience, *claim;
    struct conf_list algorithms;
    int64_t reload_ms;
    int64_t wrong; // passwords a minute
    double rate;   // requests a second; 0: no end
    int64_t burst; // at once; 0: as many as in a second
};

#define GUARD_ROWS(type, member)                                                       \
    {"tls.cert", CONF_TEXT, offsetof(type, member.tls_cert), .argument = "FILE",       \
     .help = "our certificate and what leads to its root, PEM; turns TLS on"},         \
        {"tls.key", CONF_TEXT, offsetof(type, member.tls_key), .argument = "FILE",     \
         .help = "its key, PEM, without a passphrase"},                                \
        {"tls.client_ca", CONF_TEXT, offsetof(type, member.tls_client_ca),             \
         .argument = "FILE",                                                           \
         .help = "who vouches for clients' certificates, PEM; turns mTLS on"},         \
        {"tls.client_crl", CONF_TEXT, offsetof(type, member.tls_client_crl),           \
         .argument = "FILE",                                                           \
         .help = "revocation lists of those who vouch, PEM: each of them has one"},    \
        {"tls.client_cert",                                                            \
         CONF_CHOICE,                                                                  \
         offsetof(type, member.tls_client_cert),                                       \
         .choices = "required|optional",                                               \
         .fallback = "required",                                                       \
         .help = "with tls.client_ca: may a client come without one"},                 \
        {"auth.passwords", CONF_TEXT, offsetof(type, member.passwords),                \
         .argument = "FILE",                                                           \
         .help = "NAME:HASH a line, as htpasswd -B makes; turns basic auth on"},       \
        {"auth.jwks", CONF_TEXT, offsetof(type, member.jwks), .argument = "FILE|URL",  \
         .help = "keys that sign bearer tokens (JWKS); turns tokens on"},              \
        {"auth.jwks_ca", CONF_TEXT, offsetof(type, member.jwks_ca),                    \
         .argument = "FILE", .help = "certificate authority of that URL, PEM"},        \
        {"auth.jwt_issuer", CONF_TEXT, offsetof(type, member.issuer),                  \
         .help = "what a token's iss must be; wanted with auth.jwks"},                 \
        {"auth.jwt_audience", CONF_TEXT, offsetof(type, member.audience),              \
         .help = "what must be in its aud; wanted with auth.jwks"},                    \
        {"auth.jwt_claim", CONF_TEXT, offsetof(type, member.claim), .fallback = "sub", \
         .help = "the claim that is the principal's name"},                            \
        {"auth.jwt_algorithms",                                                        \
         CONF_LIST,                                                                    \
         offsetof(type, member.algorithms),                                            \
         .fallback = "RS256,PS256,ES256,EdDSA",                                        \
         .min = 1,                                                                     \
         .max = 4,                                                                     \
         .help = "signatures taken; there are no others"},                             \
        {"auth.guesses",                                                               \
         CONF_INT,                                                                     \
         offsetof(type, member.wrong),                                                 \
         .fallback = "10",                                                             \
         .min = 0,                                                                     \
         .max = 1000000,                                                               \
         .help = "wrong passwords an address may send a minute, then it is told 429; " \
                 "0 = no end"},                                                        \
        {"rate.per_second",                                                            \
         CONF_REAL,                                                                    \
         offsetof(type, member.rate),                                                  \
         .argument = "N",                                                              \
         .fallback = "0",                                                              \
         .min = 0,                                                                     \
         .max = 1000000,                                                               \
         .help = "requests a principal, or else an address, may make a second, then "  \
                 "it is told 429; 0 = no end"},                                        \
        {"rate.burst",                                                                 \
         CONF_INT,                                                                     \
         offsetof(type, member.burst),                                                 \
         .fallback = "0",                                                              \
         .min = 0,                                                                     \
         .max = 1000000,                                                               \
         .help =                                                                       \
             "how many of them at once after a pause; 0 = as many as in a second"},    \
        {"auth.acl", CONF_TEXT, offsetof(type, member.acl), .argument = "FILE",        \
         .help = "who may do what, see docs/security.md; turns permissions on"},       \
    {                                                                                  \
        "auth.reload", CONF_DURATION, offsetof(type, member.reload_ms),                \
            .fallback = "5s", .max = 86400000,                                         \
            .help = "how often the files of tls and auth are looked at for changes; "  \
                    "0 = on SIGHUP only"                                               \
    }

struct guard;

/* ERR_INVALID says which setting or file is wrong. */
enum err_kind guard_open(struct guard **out, const struct guard_settings *s,
                         struct err *e) MUST_USE;
void guard_close(struct guard *g);

struct http_tls *guard_tls(const struct guard *g); // NULL: in the clear

/* Reads every file again and logs what came of each. */
void guard_reload(struct guard *g);

enum guard_over {
    GUARD_NOTHING, // nothing that permissions are about: it is enough to be known
    GUARD_ONE,     // the subject or topic `name`
    GUARD_ALL,     // every one there is and will be
};

struct guard_ask {
    enum acl_op op;
    enum acl_kind kind;
    enum guard_over over;
    struct span name; // of GUARD_ONE; lives as long as the request
};

/*
 * Who is it, may they, and is it not too much?  Sets r->who and lets in, answers 401,
 * 403, 429 or 503, or puts the verdict off while a password is hashed on a thread of
 * ours: within http_app.admit only, as its last act.  A program without `auth` lets
 * everybody in.
 */
void guard_admit(struct guard *g, struct http_req *r, const struct guard_ask *ask);

/* May `who` (http_req.who) do that?  From memory. */
bool guard_may(struct guard *g, struct span who, const struct guard_ask *ask);

/* The line in the log of a refusal that the program itself answers: where only the body
 * says what is asked. */
void guard_tell(const struct http_req *r, const struct guard_ask *ask);
