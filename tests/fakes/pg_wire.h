/*
 * pg_wire.h - a wire between libpq and a real PostgreSQL that can be cut.
 *
 * It passes bytes on in both directions, reading only the frame of each message of the
 * server's.  Armed with n, it cuts the line instead of passing on the server's nth
 * CommandComplete or CopyInResponse from then on: the server has done it, the client
 * will never know.  Armed with -n it cuts before the client's nth message instead: the
 * server never got it.
 */
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static struct {
    int listener, port, server_port;
    atomic_int armed; // 0 = passes everything
    atomic_int cuts;
} wire;

struct wire_side {
    unsigned char head[5]; // of the message that is being passed
    size_t have, left;
    int started; // the client's first message has no type
};

/* Should the line be cut before these bytes go on?  Follows the messages in them. */
static int wire_counts(struct wire_side *s, const unsigned char *p, size_t n,
                       int server)
{
    while (n > 0) {
        size_t take = s->left < n ? s->left : n;
        p += take, n -= take, s->left -= take;
        if (n == 0)
            break;
        size_t want = s->started ? 5 : 4;
        s->head[s->have++] = *p++, n--;
        if (s->have < want)
            continue;
        const unsigned char *l = s->head + want - 4;
        s->left =
            ((size_t)l[0] << 24 | (size_t)l[1] << 16 | (size_t)l[2] << 8 | l[3]) - 4;
        int type = s->started ? s->head[0] : 0, armed = atomic_load(&wire.armed);
        s->have = 0;
        s->started = 1;
        if (server && armed > 0 && (type == 'C' || type == 'G') &&
            atomic_fetch_sub(&wire.armed, 1) == 1)
            return 1;
        if (!server && armed < 0 && (type == 'Q' || type == 'c') &&
            atomic_fetch_add(&wire.armed, 1) == -1)
            return 1;
    }
    return 0;
}

static int wire_pass(struct wire_side *s, int from, int to, int server)
{
    unsigned char chunk[65536];
    ssize_t n = read(from, chunk, sizeof chunk);

    if (n <= 0)
        return 0;
    if (wire_counts(s, chunk, (size_t)n, server)) {
        atomic_fetch_add(&wire.cuts, 1);
        return 0;
    }
    for (ssize_t at = 0; at < n;) {
        ssize_t w = write(to, chunk + at, (size_t)(n - at));
        if (w <= 0)
            return 0;
        at += w;
    }
    return 1;
}

static void *wire_serve(void *arg)
{
    int client = (int)(long)arg, server = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in a = {.sin_family = AF_INET,
                            .sin_port = htons((uint16_t)wire.server_port)};
    struct wire_side up = {0}, down = {.started = 1};
    struct pollfd fds[2] = {{client, POLLIN, 0}, {server, POLLIN, 0}};

    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int open = connect(server, (struct sockaddr *)&a, sizeof a) == 0;
    while (open && poll(fds, 2, -1) > 0) {
        if (fds[0].revents != 0)
            open = wire_pass(&up, client, server, 0);
        if (open && fds[1].revents != 0)
            open = wire_pass(&down, server, client, 1);
    }
    close(client);
    close(server);
    return NULL;
}

static void *wire_accept(void *arg)
{
    int client;

    (void)arg;
    while ((client = accept(wire.listener, NULL, NULL)) >= 0) {
        pthread_t t;
        if (pthread_create(&t, NULL, wire_serve, (void *)(long)client) == 0)
            pthread_detach(t);
    }
    return NULL;
}

static int wire_open(int server_port)
{
    struct sockaddr_in a = {.sin_family = AF_INET};
    socklen_t n = sizeof a;
    pthread_t t;

    wire.server_port = server_port;
    wire.listener = socket(AF_INET, SOCK_STREAM, 0);
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (bind(wire.listener, (struct sockaddr *)&a, sizeof a) != 0 ||
        listen(wire.listener, 16) != 0 ||
        getsockname(wire.listener, (struct sockaddr *)&a, &n) != 0 ||
        pthread_create(&t, NULL, wire_accept, NULL) != 0)
        return -1;
    pthread_detach(t);
    return wire.port = ntohs(a.sin_port);
}
