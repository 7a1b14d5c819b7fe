/*
 * guard.h - who may come in: the settings that the registry and the gateway share, and
 * what was read from the files they name.
 *
 *      static const struct conf_row rows[] = { ..., GUARD_ROWS(struct my, guard), {0}};
 *
 * A program opens one before its server and closes it after.  guard_reload() reads
 * every file again; one that cannot be read leaves what it would have replaced.  Any
 * thread.
 */
#pragma once

#include "base/conf.h"
#include "http/server.h"

#include <stddef.h>

struct guard_settings {
    const char *tls_cert, *tls_key, *tls_client_ca;
    int tls_client_cert; // 0: required, 1: optional
};

#define GUARD_ROWS(type, member)                                                   \
    {"tls.cert", CONF_TEXT, offsetof(type, member.tls_cert), .argument = "FILE",   \
     .help = "our certificate and what leads to its root, PEM; turns TLS on"},     \
        {"tls.key", CONF_TEXT, offsetof(type, member.tls_key), .argument = "FILE", \
         .help = "its key, PEM, without a passphrase"},                            \
        {"tls.client_ca", CONF_TEXT, offsetof(type, member.tls_client_ca),         \
         .argument = "FILE",                                                       \
         .help = "who vouches for clients' certificates, PEM; turns mTLS on"},     \
    {                                                                              \
        "tls.client_cert", CONF_CHOICE, offsetof(type, member.tls_client_cert),    \
            .choices = "required|optional", .fallback = "required",                \
            .help = "with tls.client_ca: may a client come without one"            \
    }

struct guard;

/* ERR_INVALID says which setting or file is wrong. */
enum err_kind guard_open(struct guard **out, const struct guard_settings *s,
                         struct err *e) MUST_USE;
void guard_close(struct guard *g);

struct http_tls *guard_tls(const struct guard *g); // NULL: in the clear

/* Reads every file again and logs what came of each. */
void guard_reload(struct guard *g);
