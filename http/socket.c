#include "http/tls_inside.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#define BACKLOG 1024

static bool is_later(int error)
{
    return error == EAGAIN || error == EWOULDBLOCK || error == EINTR;
}

bool socket_begin(struct http_socket *s, int fd, struct http_tls *tls)
{
    *s = (struct http_socket){.fd = fd};
    if (tls != NULL)
        s->tls = tls_begin(tls, fd);
    return tls == NULL || s->tls != NULL;
}

bool socket_may_have_more(const struct http_socket *s, size_t n, size_t room)
{
    return n == room || s->tls != NULL;
}

bool socket_waits_to_send(const struct http_socket *s)
{
    return s->tls != NULL && tls_waits_to_send(s->tls);
}

bool socket_is_shaking(const struct http_socket *s)
{
    return s->tls != NULL && !tls_is_agreed(s->tls);
}

struct span socket_client(const struct http_socket *s)
{
    return s->tls != NULL ? tls_client(s->tls) : (struct span){0};
}

enum socket_result socket_recv(struct http_socket *s, uint8_t *p, size_t room,
                               size_t *n)
{
    if (s->tls != NULL)
        return tls_recv(s->tls, p, room, n);

    ssize_t got = recv(s->fd, p, room, 0);

    *n = got > 0 ? (size_t)got : 0;
    if (got > 0)
        return SOCKET_DONE;
    if (got == 0)
        return SOCKET_ENDED;
    return is_later(errno) ? SOCKET_WAIT : SOCKET_BROKEN;
}

/* The common answer is one piece, and send() is the cheaper call. */
static ssize_t send_pieces(int fd, const struct span pieces[2])
{
    if (pieces[1].n == 0)
        return send(fd, pieces[0].p, pieces[0].n, MSG_NOSIGNAL);

    struct iovec v[2] = {{(void *)(uintptr_t)pieces[0].p, pieces[0].n},
                         {(void *)(uintptr_t)pieces[1].p, pieces[1].n}};
    struct msghdr m = {.msg_iov = v, .msg_iovlen = 2};
    return sendmsg(fd, &m, MSG_NOSIGNAL);
}

enum socket_result socket_send(struct http_socket *s, const struct span pieces[2],
                               size_t *n)
{
    if (s->tls != NULL)
        return tls_send(s->tls, pieces, n);

    ssize_t sent = send_pieces(s->fd, pieces);

    *n = sent > 0 ? (size_t)sent : 0;
    if (sent >= 0)
        return SOCKET_DONE;
    return is_later(errno) ? SOCKET_WAIT : SOCKET_BROKEN;
}

void socket_finish(struct http_socket *s)
{
    if (s->tls != NULL)
        tls_finish(s->tls);
    shutdown(s->fd, SHUT_WR);
}

void socket_close(struct http_socket *s)
{
    if (s->tls != NULL) {
        tls_finish(s->tls);
        tls_end(s->tls);
        s->tls = NULL;
    }
    close(s->fd);
}

struct place {
    char host[64];
    char port[8];
};

/* "127.0.0.1:80", "[::1]:80", "localhost:80", ":80". */
static enum err_kind read_address(struct place *out, const char *address, struct err *e)
{
    const char *colon = strrchr(address, ':');
    const char *from = address, *to = colon;

    if (colon == NULL || strlen(colon + 1) == 0 || strlen(colon + 1) > 5 ||
        strspn(colon + 1, "0123456789") != strlen(colon + 1))
        return err_set(e, ERR_INVALID, "listen address \"%s\" is not host:port",
                       address);
    if (from[0] == '[' && to > from + 1 && to[-1] == ']') {
        from++;
        to--;
    }
    if ((size_t)(to - from) >= sizeof out->host)
        return err_set(e, ERR_INVALID, "listen address \"%s\" has a host too long",
                       address);
    snprintf(out->host, sizeof out->host, "%.*s", (int)(to - from), from);
    snprintf(out->port, sizeof out->port, "%s", colon + 1);
    return ERR_OK;
}

static uint16_t port_of(int fd)
{
    struct sockaddr_storage a;
    socklen_t n = sizeof a;

    if (getsockname(fd, (struct sockaddr *)&a, &n) != 0)
        return 0;
    return ntohs(a.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&a)->sin6_port
                                         : ((struct sockaddr_in *)&a)->sin_port);
}

/* NULL, or the call that failed. */
static const char *bind_one(int fd, const struct addrinfo *a, bool any_family)
{
    int on = 1, only6 = !any_family;

    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (a->ai_family == AF_INET6)
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &only6, sizeof only6);
    if (bind(fd, a->ai_addr, a->ai_addrlen) != 0)
        return "bind";
    // Linux hands these down to what is accepted: one call a listener, not a client.
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return listen(fd, BACKLOG) != 0 ? "listen" : NULL;
}

static enum err_kind open_one(int *fd, const struct addrinfo *a, bool any_family,
                              const char *address, struct err *e)
{
    int s = socket(a->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (s < 0)
        return err_set(e, ERR_UNAVAILABLE, "listen on %s: socket: %s", address,
                       strerror(errno));

    const char *failed = bind_one(s, a, any_family);
    if (failed != NULL) {
        int why = errno;
        close(s);
        return err_set(e, ERR_UNAVAILABLE, "listen on %s: %s: %s", address, failed,
                       strerror(why));
    }
    *fd = s;
    return ERR_OK;
}

/* A machine without IPv6 still serves ":8081". */
static enum err_kind open_any(int *fd, const struct addrinfo *list, bool any_family,
                              const char *address, struct err *e)
{
    for (const struct addrinfo *a = list; a != NULL; a = a->ai_next)
        if (any_family && a->ai_family == AF_INET6 &&
            open_one(fd, a, any_family, address, e) == ERR_OK)
            return ERR_OK;
    return open_one(fd, list, any_family, address, e);
}

enum err_kind socket_listen(int *fd, uint16_t *port, const char *address, struct err *e)
{
    struct addrinfo want = {.ai_flags = AI_PASSIVE | AI_NUMERICSERV,
                            .ai_socktype = SOCK_STREAM};
    struct addrinfo *list = NULL;
    struct place place;

    TRY(read_address(&place, address, e));
    bool any = place.host[0] == '\0';
    int bad = getaddrinfo(any ? NULL : place.host, place.port, &want, &list);
    if (bad != 0)
        return err_set(e, ERR_INVALID, "listen address \"%s\": %s", address,
                       gai_strerror(bad));
    enum err_kind rc = open_any(fd, list, any, address, e);
    freeaddrinfo(list);
    if (rc == ERR_OK)
        *port = port_of(*fd);
    return rc;
}
