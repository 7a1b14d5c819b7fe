/*
 * gateway_login.h - who we are to a gateway and whom we believe to be it, as settings;
 * registry-client/login.h is the same for a registry.
 */
#pragma once

#include "base/conf.h"

#include <stddef.h>

struct gateway_login {   // borrowed; NULL = none
    const char *token;   // bearer
    const char *ca_file; // who vouches for the gateway, PEM; NULL = the system
    const char *cert_file, *key_file; // ours, PEM
};

#define GATEWAY_LOGIN_ROWS(type, member)                                              \
    {"gateway_token", CONF_TEXT, offsetof(type, member.token), .secret = true,        \
     .help = "bearer token for the gateway"},                                         \
        {"gateway_ca", CONF_TEXT, offsetof(type, member.ca_file), .argument = "FILE", \
         .help = "certificate authority of the gateway, PEM"},                        \
        {"gateway_cert", CONF_TEXT, offsetof(type, member.cert_file),                 \
         .argument = "FILE", .help = "our certificate for it, PEM"},                  \
    {                                                                                 \
        "gateway_key", CONF_TEXT, offsetof(type, member.key_file),                    \
            .argument = "FILE", .help = "and its key, PEM"                            \
    }
