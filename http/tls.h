/*
 * tls.h - the server's side of TLS: certificate, key, and whose certificates are taken.
 *
 * TLS 1.2 and 1.3, forward secrecy only, no renegotiation, no compression, no
 * resumption: each connection proves itself anew, so a certificate that was withdrawn
 * is of no use at the next one (docs/decisions/070-tls-in-the-loop.md).  HTTP/1.1 is
 * what ALPN is answered.  Handshakes run on the loops (conn.c) and are part of the time
 * a client has for its first request header.
 *
 * A program makes one, gives it to http_server_open() and closes it after the server.
 * OpenSSL writes without MSG_NOSIGNAL: whoever serves TLS ignores SIGPIPE.
 */
#pragma once

#include "base/err.h"

struct http_tls;

struct http_tls_files { // PEM; borrowed for the life of the http_tls, read at each load
    const char *cert;   // ours first, then what leads to the root
    const char *key;    // without a passphrase
    const char *client_ca;  // NULL: clients are not asked who they are
    const char *client_crl; // with client_ca: lists of what its authorities withdrew;
                            // who issued one of the chain must have one in force. NULL:
                            // nothing is looked up
    bool client_may_lack; // with client_ca: one without a certificate comes in too
};

/* ERR_INVALID names the file and what is wrong with it. */
enum err_kind http_tls_open(struct http_tls **out, const struct http_tls_files *files,
                            struct err *e) MUST_USE;

/* Reads the files again: for connections from now on.  On failure all stays as it was.
 * Any thread. */
enum err_kind http_tls_reload(struct http_tls *t, struct err *e) MUST_USE;
void http_tls_close(struct http_tls *t);
