/*
 * The accept thread.  One thread accepts for all listeners and hands each connection to
 * the loop that has the fewest: the loads differ by one at most, where SO_REUSEPORT
 * would leave them to a hash (and let a second server bind the same port unnoticed) and
 * EPOLLEXCLUSIVE to whichever loop wakes first (docs/decisions/031-http-threads.md).
 */
#include "http/server_inside.h"

#include "base/clock.h"
#include "base/tab.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#define ACCEPT_AT_ONCE 64
#define PAUSE_MS 50 // when descriptors have run out: polling would spin

struct ip_count {
    size_t n;
};

struct accepting {
    struct http_server *server;
    pthread_t thread;
    int wake;
    size_t n;
    struct pollfd *polled; // the listeners, then `wake`
    atomic_bool stop;
    _Atomic uint64_t accepted, over_cap, over_ip_cap;
    pthread_mutex_t lock;
    struct tab ips; // under lock: key of an address -> struct ip_count
};

/* IPv4 as ::ffff:a.b.c.d; of IPv6 the /64, which is what one customer gets. */
static void key_of(uint8_t key[16], const struct sockaddr_storage *a)
{
    const struct sockaddr_in6 *six = (const struct sockaddr_in6 *)a;

    memset(key, 0, 16);
    if (a->ss_family == AF_INET) {
        key[10] = key[11] = 0xff;
        memcpy(key + 12, &((const struct sockaddr_in *)a)->sin_addr, 4);
    } else if (IN6_IS_ADDR_V4MAPPED(&six->sin6_addr)) {
        memcpy(key, &six->sin6_addr, 16);
    } else {
        memcpy(key, &six->sin6_addr, 8);
    }
}

static void print_peer(char *out, size_t room, const struct sockaddr_storage *a)
{
    const struct sockaddr_in6 *six = (const struct sockaddr_in6 *)a;
    char ip[INET6_ADDRSTRLEN] = "";

    if (a->ss_family == AF_INET) {
        const struct sockaddr_in *four = (const struct sockaddr_in *)a;
        inet_ntop(AF_INET, &four->sin_addr, ip, sizeof ip);
        snprintf(out, room, "%s:%u", ip, ntohs(four->sin_port));
    } else if (IN6_IS_ADDR_V4MAPPED(&six->sin6_addr)) {
        inet_ntop(AF_INET, six->sin6_addr.s6_addr + 12, ip, sizeof ip);
        snprintf(out, room, "%s:%u", ip, ntohs(six->sin6_port));
    } else {
        inet_ntop(AF_INET6, &six->sin6_addr, ip, sizeof ip);
        snprintf(out, room, "[%s]:%u", ip, ntohs(six->sin6_port));
    }
}

/* Counts one more of this address; false when it has its share. */
static bool take_place(struct accepting *a, const uint8_t ip[16])
{
    size_t most = a->server->limits.per_ip;
    struct span key = span_of(ip, 16);

    if (most == 0)
        return true;
    pthread_mutex_lock(&a->lock);
    struct ip_count *c = tab_get(&a->ips, key);
    if (c == NULL) {
        c = mem_alloc(sizeof *c);
        tab_put(&a->ips, key, c);
    }
    bool room = c->n < most;
    c->n += room;
    pthread_mutex_unlock(&a->lock);
    return room;
}

void accept_forget(struct accepting *a, const uint8_t ip[16])
{
    if (a->server->limits.per_ip == 0)
        return;
    pthread_mutex_lock(&a->lock);
    struct ip_count *c = tab_get(&a->ips, span_of(ip, 16));
    if (c != NULL && --c->n == 0)
        free(tab_drop(&a->ips, span_of(ip, 16)));
    pthread_mutex_unlock(&a->lock);
}

static struct loop *least_loaded(struct http_server *s)
{
    struct loop *best = &s->loops[0];

    for (size_t i = 1; i < s->nloops; i++)
        if (atomic_load(&s->loops[i].nconns) < atomic_load(&best->nconns))
            best = &s->loops[i];
    return best;
}

/* Said without waiting, to whoever may listen: under TLS nobody would understand. */
static void turn_away(struct http_server *s, int fd)
{
    static const char words[] =
        "HTTP/1.1 503 Service Unavailable\r\n"
        "Content-Type: application/json\r\nContent-Length: 64\r\n"
        "Retry-After: 1\r\nConnection: close\r\n\r\n"
        "{\"error_code\":503,\"message\":\"too many connections are open now\"}";
    ssize_t n = s->tls == NULL
                    ? send(fd, words, sizeof words - 1, MSG_NOSIGNAL | MSG_DONTWAIT)
                    : 0;

    (void)n;
    close(fd);
}

static void let_in(struct accepting *a, int fd, const struct sockaddr_storage *from)
{
    struct http_server *s = a->server;
    size_t open = atomic_load(&s->open);
    uint8_t ip[16];

    key_of(ip, from);
    if (open >= s->limits.connections + s->limits.reserve) {
        atomic_fetch_add(&a->over_cap, 1);
        turn_away(s, fd);
        return;
    }
    if (!take_place(a, ip)) {
        atomic_fetch_add(&a->over_ip_cap, 1);
        turn_away(s, fd);
        return;
    }

    struct conn *c = mem_alloc(sizeof *c);
    c->socket.fd = fd;
    c->loop = least_loaded(s);
    c->reserved = open >= s->limits.connections;
    memcpy(c->ip, ip, sizeof ip);
    print_peer(c->peer, sizeof c->peer, from);
    atomic_fetch_add(&s->open, 1); // first: all accepted and none open means all gone
    atomic_fetch_add(&a->accepted, 1);
    atomic_fetch_add(&c->loop->nconns, 1);
    loop_arrive(c->loop, c);
}

static bool is_out_of_something(int error)
{
    return error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM;
}

/* false: the system has no more descriptors to give for now. */
static bool accept_from(struct accepting *a, int listener)
{
    for (int i = 0; i < ACCEPT_AT_ONCE; i++) {
        struct sockaddr_storage from = {0};
        socklen_t n = sizeof from;
        int fd = accept4(listener, (struct sockaddr *)&from, &n,
                         SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0)
            let_in(a, fd, &from);
        else if (is_out_of_something(errno))
            return false;
        else if (errno == EAGAIN || errno == EWOULDBLOCK)
            return true;
    }
    return true;
}

static void *run(void *arg)
{
    struct accepting *a = arg;
    bool paused = false;

    pthread_setname_np(pthread_self(), "http-accept");
    while (!atomic_load(&a->stop)) {
        size_t first = paused ? a->n : 0;
        int n = poll(a->polled + first, a->n + 1 - first, paused ? PAUSE_MS : -1);
        paused = false;
        for (size_t i = first; n > 0 && i < a->n; i++)
            if (a->polled[i].revents != 0)
                paused |= !accept_from(a, a->polled[i].fd);
    }
    return NULL;
}

static void close_listeners(struct accepting *a)
{
    for (size_t i = 0; i < a->n; i++)
        close(a->polled[i].fd);
    a->n = 0;
}

enum err_kind accept_open(struct accepting **out, struct http_server *s,
                          const struct http_settings *settings, struct err *e)
{
    struct accepting *a = mem_alloc(sizeof *a);

    a->server = s;
    a->polled = mem_array(settings->nlisten + 1, sizeof *a->polled);
    pthread_mutex_init(&a->lock, NULL);
    for (; a->n < settings->nlisten; a->n++) {
        struct pollfd *p = &a->polled[a->n];
        p->events = POLLIN;
        enum err_kind rc =
            socket_listen(&p->fd, &s->ports[a->n], settings->listen[a->n], e);
        if (rc != ERR_OK) {
            accept_free(a);
            return rc;
        }
    }
    *out = a;
    return ERR_OK;
}

void accept_start(struct accepting *a)
{
    a->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    a->polled[a->n] = (struct pollfd){.fd = a->wake, .events = POLLIN};
    if (a->wake < 0 || pthread_create(&a->thread, NULL, run, a) != 0) {
        perror("http: the accept thread cannot start");
        abort();
    }
}

void accept_stop(struct accepting *a)
{
    uint64_t one = 1;

    atomic_store(&a->stop, true);
    while (write(a->wake, &one, sizeof one) < 0 && errno == EINTR)
        ;
    pthread_join(a->thread, NULL);
    close(a->wake);
    close_listeners(a);
}

void accept_free(struct accepting *a)
{
    struct ip_count *c;
    size_t at = 0;

    close_listeners(a);
    while ((c = tab_each(&a->ips, &at, NULL)) != NULL)
        free(c);
    tab_free(&a->ips);
    pthread_mutex_destroy(&a->lock);
    free(a->polled);
    free(a);
}

void accept_counts(const struct accepting *a, struct http_counters *out)
{
    struct accepting *b = (struct accepting *)(uintptr_t)a;

    out->accepted = atomic_load(&b->accepted);
    out->over_cap += atomic_load(&b->over_cap); // the loops' are there
    out->over_ip_cap = atomic_load(&b->over_ip_cap);
}
