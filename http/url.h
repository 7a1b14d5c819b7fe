/*
 * url.h - http and https URLs: taken apart, put together, shown without their secrets.
 *
 * RFC 3986, as far as http goes.  Pure.  Safe from any thread.
 */
#pragma once

#include "base/buf.h"

struct url {            // all borrowed from the text
    struct span scheme; // "http" or "https"
    struct span user;   // "name:secret", empty when absent; still escaped
    struct span host;   // "db", "10.0.0.1", "::1"
    uint16_t port;      // 80 or 443 when absent
    bool tls;
    struct span path;  // "" or "/..."
    struct span query; // without '?'
};

/* ERR_INVALID when `text` is no http(s) URL; the message shows it without userinfo. */
enum err_kind url_split(struct url *out, struct span text, struct err *e) MUST_USE;

/* May a secret be sent to `text`, or one's trust be put in what comes from there?  Over
 * TLS, or to this machine, which no wire leads to. */
bool url_keeps_secrets(struct span text);

/* Appends `s` with everything but unreserved characters as %XX: one path segment, or
 * one name or value of a query. */
void url_put_escaped(struct buf *out, struct span s);

/* Appends `text` with "user:secret@" left out: for logs and messages. */
void url_put_shown(struct buf *out, struct span text);
