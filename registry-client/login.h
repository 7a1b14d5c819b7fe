/*
 * login.h - who we are to a registry and whom we believe to be it, as settings.
 *
 *      static const struct conf_row rows[] = {..., RC_LOGIN_ROWS(struct my, login),
 * {0}}; static const struct conf_row rows[] = {..., RC_LOGIN_TREE(struct my, login),
 * {0}};
 *
 * The same six, in two spellings that are promised: `registry_user` to programs that
 * are all flags, `registry_auth.user` to files that describe a pipeline.
 */
#pragma once

#include "base/conf.h"

#include <stddef.h>

struct rc_login {                // borrowed; NULL = none
    const char *user, *password; // basic authentication
    const char *bearer;          // token; goes before it
    const char *ca_file;         // who vouches for the registry, PEM; NULL = the system
    const char *cert_file, *key_file; // ours, PEM
};

#define RC_LOGIN_ROWS(type, member)                                                    \
    {"registry_user", CONF_TEXT, offsetof(type, member.user),                          \
     .help = "basic authentication"},                                                  \
        {"registry_password", CONF_TEXT, offsetof(type, member.password),              \
         .secret = true, .help = "of registry_user"},                                  \
        {"registry_token", CONF_TEXT, offsetof(type, member.bearer), .secret = true,   \
         .help = "bearer token for the registry"},                                     \
        {"registry_ca", CONF_TEXT, offsetof(type, member.ca_file), .argument = "FILE", \
         .help = "certificate authority of the registry, PEM"},                        \
        {"registry_cert", CONF_TEXT, offsetof(type, member.cert_file),                 \
         .argument = "FILE", .help = "our certificate for it, PEM"},                   \
    {                                                                                  \
        "registry_key", CONF_TEXT, offsetof(type, member.key_file),                    \
            .argument = "FILE", .help = "and its key, PEM"                             \
    }

#define RC_LOGIN_TREE(type, member)                                                   \
    {"registry_auth.user", CONF_TEXT, offsetof(type, member.user),                    \
     .help = "user for HTTP basic authentication"},                                   \
        {"registry_auth.password", CONF_TEXT, offsetof(type, member.password),        \
         .secret = true, .help = "its password"},                                     \
        {"registry_auth.bearer", CONF_TEXT, offsetof(type, member.bearer),            \
         .secret = true, .help = "bearer token"},                                     \
        {"registry_tls.ca", CONF_TEXT, offsetof(type, member.ca_file),                \
         .argument = "PATH", .help = "certificates the registry is checked against"}, \
        {"registry_tls.cert", CONF_TEXT, offsetof(type, member.cert_file),            \
         .argument = "PATH", .help = "our certificate"},                              \
    {                                                                                 \
        "registry_tls.key", CONF_TEXT, offsetof(type, member.key_file),               \
            .argument = "PATH", .help = "its private key"                             \
    }

/* The value of an Authorization header, to be freed; NULL = none. */
char *rc_authorization(const struct rc_login *l);
