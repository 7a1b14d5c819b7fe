/*
 * socket.h - bytes in and out of one client: the seam where TLS goes.
 *
 * Everything that reads from or writes to a client's socket is in socket.c.  A TLS
 * session will sit beside `fd` and these two calls will go through it; both may then
 * want the other direction's event, which is why the result says what to wait for.
 * Never blocks.  One thread: the connection's loop.
 */
#pragma once

#include "base/err.h"
#include "base/span.h"

struct http_socket {
    int fd;
};

enum socket_result {
    SOCKET_DONE,  // *n bytes went
    SOCKET_WAIT,  // nothing now: wait for the event
    SOCKET_ENDED, // receive only: the client closed its side
    SOCKET_BROKEN,
};

enum socket_result socket_recv(struct http_socket *s, uint8_t *p, size_t room,
                               size_t *n);
enum socket_result socket_send(struct http_socket *s, const struct span pieces[2],
                               size_t *n);

/* Nothing more will be sent; what was is still delivered. */
void socket_finish(struct http_socket *s);
void socket_close(struct http_socket *s);

/* "127.0.0.1:8081" to a listening, non-blocking descriptor: see http_server_open(). */
enum err_kind socket_listen(int *fd, uint16_t *port, const char *address,
                            struct err *e) MUST_USE;
