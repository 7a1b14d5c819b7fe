/*
 * socket.h - bytes in and out of one client, in the clear or under TLS.
 *
 * Everything that reads from or writes to a client's socket goes through socket.c.
 * Where a TLS session sits beside `fd` the first calls carry its handshake.  Never
 * blocks.  One thread: the connection's loop.
 */
#pragma once

#include "base/err.h"
#include "base/span.h"

struct http_tls;
struct tls_session;

struct http_socket {
    int fd;
    struct tls_session *tls; // NULL: in the clear
};

enum socket_result {
    SOCKET_DONE,  // *n bytes went
    SOCKET_WAIT,  // nothing now: wait for the event
    SOCKET_ENDED, // receive only: the client closed its side
    SOCKET_BROKEN,
};

/* Takes `fd` over; `tls` NULL: in the clear.  false: no session could be had. */
bool socket_begin(struct http_socket *s, int fd, struct http_tls *tls);

enum socket_result socket_recv(struct http_socket *s, uint8_t *p, size_t room,
                               size_t *n);
enum socket_result socket_send(struct http_socket *s, const struct span pieces[2],
                               size_t *n);

/* After socket_recv() brought `n` of `room`: may there be more without a new event?  A
 * short read empties a socket, but only one record of a session. */
bool socket_may_have_more(const struct http_socket *s, size_t n, size_t room);

/* After SOCKET_WAIT from socket_recv(): is it room to send in that it waits for? */
bool socket_waits_to_send(const struct http_socket *s);

/* Is this client still in its handshake? */
bool socket_is_shaking(const struct http_socket *s);

/* Name in the client's verified certificate, empty without one; see tls_inside.h. */
struct span socket_client(const struct http_socket *s);

/* Nothing more will be sent; what was is still delivered. */
void socket_finish(struct http_socket *s);
void socket_close(struct http_socket *s);

/* "127.0.0.1:8081" to a listening, non-blocking descriptor: see http_server_open(). */
enum err_kind socket_listen(int *fd, uint16_t *port, const char *address,
                            struct err *e) MUST_USE;
