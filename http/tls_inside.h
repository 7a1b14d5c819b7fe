/*
 * tls_inside.h - one client's TLS session: what socket.c does where there is one.
 *
 * Never blocks.  One thread: the connection's loop; tls_begin() may run on several.
 */
#pragma once

#include "http/socket.h"
#include "http/tls.h"

struct tls_session;

/* A session that waits for the client's hello; NULL when OpenSSL has no room. */
struct tls_session *tls_begin(struct http_tls *t, int fd);

/* As socket_recv() and socket_send(); the first calls carry the handshake. */
enum socket_result tls_recv(struct tls_session *s, uint8_t *p, size_t room, size_t *n);
enum socket_result tls_send(struct tls_session *s, const struct span pieces[2],
                            size_t *n);

/* Did tls_recv() wait for room to send in? */
bool tls_waits_to_send(const struct tls_session *s);
bool tls_is_agreed(const struct tls_session *s); // the handshake is over

/* Name in the client's certificate (RFC 2253), "" without one; lives as the session. */
struct span tls_client(struct tls_session *s);

void tls_finish(struct tls_session *s); // close_notify, if it goes at once
void tls_end(struct tls_session *s);    // and frees; not the descriptor
