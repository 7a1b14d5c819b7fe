/*
 * http_wire.h - a way to an HTTP server on which one request goes wrong.
 *
 * One thread, one connection at a time, one request a connection (it says so: "close").
 * The `armed`-th request from now meets `trouble`; what is sent to the second port
 * comes from answers in which `rewrite` was replaced by it, so that a redirect stays on
 * the wire.
 */
#pragma once

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum trouble {
    LOSE_ANSWER, // the server did it, and nobody hears
    LOSE_REQUEST,
    CUT_ANSWER,    // half of it
    CUT_REQUEST,   // half of its body
    SAY,           // `say` instead
    STALL_ANSWER,  // part of it, and then nothing, for as long as somebody waits
    STALL_REQUEST, // the same of the request
};

static struct {
    int ports[2]; // ours
    int to[2];    // theirs
    int fds[2];
    pthread_t thread;
    atomic_int armed, met, seen;
    atomic_int trouble;
    const char *say;
} wire;

#define WIRE_MOST (64 << 20)

struct wire_message {
    char *p;
    size_t n, head;
};

static inline long wire_header(const struct wire_message *m, const char *name)
{
    const char *at = m->p == NULL ? NULL : strcasestr(m->p, name);

    return at == NULL || at > m->p + m->head ? -1 : atol(at + strlen(name));
}

/* A whole message; an answer without a length ends with the connection. */
static inline bool wire_read(int fd, struct wire_message *m, bool answer, bool no_body)
{
    size_t cap = 1 << 16;

    *m = (struct wire_message){.p = malloc(cap + 1)};
    for (;;) {
        m->p[m->n] = '\0';
        char *end = m->head > 0 ? NULL : strstr(m->p, "\r\n\r\n");
        if (end != NULL && strncmp(m->p, "HTTP/1.1 100", 12) == 0) {
            m->n -= (size_t)(end - m->p) + 4; // only the beginning of an answer
            memmove(m->p, end + 4, m->n + 1);
            continue;
        }
        if (end != NULL)
            m->head = (size_t)(end - m->p) + 4;
        if (m->head > 0) {
            long body = wire_header(m, "\r\nContent-Length:");
            if (no_body || (body < 0 && !answer))
                body = 0;
            if (body < 0 && strncmp(m->p + 8, " 204", 4) == 0)
                body = 0;
            if (body >= 0 && m->n >= m->head + (size_t)body)
                return true;
        }
        if (m->n == cap) {
            if ((cap *= 2) > WIRE_MOST)
                return false;
            m->p = realloc(m->p, cap + 1);
        }
        ssize_t got = read(fd, m->p + m->n, cap - m->n);
        if (got <= 0)
            return answer && m->head > 0;
        m->n += (size_t)got;
    }
}

static inline void wire_send(int fd, const char *p, size_t n)
{
    while (n > 0) {
        ssize_t got = send(fd, p, n, MSG_NOSIGNAL);
        if (got <= 0)
            return;
        p += got;
        n -= (size_t)got;
    }
}

static inline int wire_connect(int port)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (connect(fd, (struct sockaddr *)&a, sizeof a) == 0)
        return fd;
    close(fd);
    return -1;
}

static inline void wire_one_connection(struct wire_message *m)
{
    char *at = strcasestr(m->p, "\r\nConnection: keep-alive");

    if (at != NULL && at < m->p + m->head)
        memcpy(at, "\r\nConnection: close     ", 24);
}

/* The redirect's port: as many digits as ours, the test sees to that. */
static inline void wire_rewrite(struct wire_message *m)
{
    char theirs[16], ours[16];

    snprintf(theirs, sizeof theirs, ":%d/", wire.to[1]);
    snprintf(ours, sizeof ours, ":%d/", wire.ports[1]);
    for (char *at = m->p; wire.to[1] != 0 && (at = strstr(at, theirs)) != NULL; at++)
        memcpy(at, ours, strlen(ours));
}

/* Its beginning reaches the server, and no more.  Both lines stay open as long as this
 * process: nobody is told anything. */
static inline void wire_stall(int client, int which)
{
    char part[4096];
    int up = wire_connect(wire.to[which]);
    ssize_t n = read(client, part, sizeof part);

    atomic_fetch_add(&wire.seen, 1);
    atomic_fetch_add(&wire.met, 1);
    if (n > 0)
        wire_send(up, part, (size_t)n - (size_t)n / 4);
}

static inline void wire_exchange(int client, int which)
{
    struct wire_message q = {0}, a = {0};
    int trouble = -1;

    if (atomic_load(&wire.trouble) == STALL_REQUEST && atomic_load(&wire.armed) == 1) {
        atomic_store(&wire.armed, 0);
        wire_stall(client, which);
        return;
    }
    if (wire_read(client, &q, false, false)) {
        atomic_fetch_add(&wire.seen, 1);
        if (atomic_load(&wire.armed) > 0 && atomic_fetch_sub(&wire.armed, 1) == 1)
            trouble = atomic_load(&wire.trouble);
        if (trouble >= 0)
            atomic_fetch_add(&wire.met, 1);
        int up = trouble == LOSE_REQUEST || trouble == SAY
                     ? -1
                     : wire_connect(wire.to[which]);
        size_t n = trouble == CUT_REQUEST ? q.head + (q.n - q.head) / 2 : q.n;
        if (up >= 0) {
            const char *line = strstr(q.p, "\r\n"); // and the server hangs up, too
            size_t first = (size_t)(line - q.p);
            wire_send(up, q.p, first);
            wire_send(up, "\r\nConnection: close", 19);
            wire_send(up, line, n - first);
            if (n < q.n)
                shutdown(up, SHUT_WR);
            bool head = strncmp(q.p, "HEAD ", 5) == 0;
            if (wire_read(up, &a, true, head) && trouble != LOSE_ANSWER &&
                trouble != CUT_REQUEST) {
                wire_rewrite(&a);
                if (!head)
                    wire_one_connection(&a);
                bool part = trouble == CUT_ANSWER || trouble == STALL_ANSWER;
                wire_send(client, a.p, part ? a.n - a.n / 4 - 1 : a.n);
            }
            close(up);
        }
        if (trouble == SAY)
            wire_send(client, wire.say, strlen(wire.say));
    }
    free(q.p);
    free(a.p);
    if (trouble == STALL_ANSWER)
        return; // and says no more
    shutdown(client, SHUT_RDWR);
    close(client);
}

static inline void *wire_run(void *arg)
{
    (void)arg;
    for (;;) {
        struct pollfd p[2] = {{wire.fds[0], POLLIN, 0}, {wire.fds[1], POLLIN, 0}};
        if (poll(p, 2, -1) < 0)
            continue;
        for (int i = 0; i < 2; i++) {
            int fd = p[i].revents ? accept(wire.fds[i], NULL, NULL) : -1;
            if (fd >= 0)
                wire_exchange(fd, i);
        }
    }
    return NULL;
}

/* A port of five digits, as DataNodes on test ports have.  Called again: to others. */
static inline void wire_open(int to, int second)
{
    wire.to[0] = to;
    wire.to[1] = second;
    if (wire.ports[0] != 0)
        return;
    for (int i = 0; i < 2; i++) {
        struct sockaddr_in a = {.sin_family = AF_INET};
        socklen_t n = sizeof a;
        wire.fds[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        if (bind(wire.fds[i], (struct sockaddr *)&a, sizeof a) != 0 ||
            listen(wire.fds[i], 16) != 0 ||
            getsockname(wire.fds[i], (struct sockaddr *)&a, &n) != 0)
            abort();
        wire.ports[i] = ntohs(a.sin_port);
    }
    if (pthread_create(&wire.thread, NULL, wire_run, NULL) != 0)
        abort();
}

static inline void wire_arm(enum trouble t, int nth)
{
    atomic_store(&wire.trouble, (int)t);
    atomic_store(&wire.armed, nth);
}
