#include "http/server_inside.h"

#include "base/clock.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <unistd.h>

#define EVENTS 256
#define HELD_MOST 64

/* Loops with mail from this thread that nobody has woken yet; each counts in its
 * `mailing`, and so stays. */
static _Thread_local struct {
    bool on;
    size_t n;
    struct loop *loops[HELD_MOST];
} held;

void loop_wake(struct loop *l)
{
    uint64_t one = 1;

    // Nobody reads: it would be full after 584 years of a wake a nanosecond.
    while (write(l->wake, &one, sizeof one) < 0 && errno == EINTR)
        ;
}

/* Both boxes are stacks taken whole, so an element cannot come back under a push. */
void loop_mail(struct loop *l, struct call *k)
{
    atomic_fetch_add(&l->mailing, 1); // the loop stays until we are through
    struct call *top = atomic_load_explicit(&l->mail, memory_order_relaxed);

    do
        k->next = top;
    while (!atomic_compare_exchange_weak_explicit(
        &l->mail, &top, k, memory_order_release, memory_order_relaxed));
    // else whoever put the first in has woken it, or will
    bool wake = top == NULL;
    if (wake && held.on && held.n < HELD_MOST) {
        held.loops[held.n++] = l;
        return;
    }
    if (wake)
        loop_wake(l);
    atomic_fetch_sub(&l->mailing, 1);
}

void http_answers_hold(void)
{
    held.on = true;
}

void http_answers_release(void)
{
    held.on = false;
    while (held.n > 0) {
        struct loop *l = held.loops[--held.n];
        loop_wake(l);
        atomic_fetch_sub(&l->mailing, 1);
    }
}

void loop_arrive(struct loop *l, struct conn *c)
{
    struct conn *top = atomic_load_explicit(&l->arrivals, memory_order_relaxed);

    do
        c->next = top;
    while (!atomic_compare_exchange_weak_explicit(
        &l->arrivals, &top, c, memory_order_release, memory_order_relaxed));
    if (top == NULL)
        loop_wake(l);
}

static void read_mail(struct loop *l)
{
    struct call *k = atomic_exchange_explicit(&l->mail, NULL, memory_order_acquire);

    while (k != NULL) {
        struct call *next = k->next;
        conn_answered(k);
        k = next;
    }
}

static void take_arrivals(struct loop *l)
{
    struct conn *c = atomic_exchange_explicit(&l->arrivals, NULL, memory_order_acquire);

    while (c != NULL) {
        struct conn *next = c->next;
        c->next = NULL;
        conn_begin(c);
        c = next;
    }
}

static void run_again(struct loop *l)
{
    struct conn *c = l->again;

    l->again = NULL;
    while (c != NULL) {
        struct conn *next = c->next_again;
        conn_again(c);
        c = next;
    }
}

static void run_late(struct loop *l)
{
    struct deadline *d;

    while ((d = deadline_next(&l->deadlines, l->now)) != NULL)
        conn_late((struct conn *)d);
}

static void tell_all(struct loop *l)
{
    for (struct conn *c = l->conns, *next; c != NULL; c = next) {
        next = c->next;
        conn_drain(c);
    }
}

/* Before anything else of a turn: what a client sends after it saw us drain, drains.
 * true when there is news for every connection, but only at the end of the turn: an
 * event of this turn may be for one that it closes. */
static bool see_draining(struct loop *l)
{
    bool draining = atomic_load(&l->server->draining);
    bool cut = atomic_load(&l->server->cut);
    bool stopping = atomic_load(&l->server->stopping);
    bool news = draining != l->draining || cut != l->cut || stopping != l->stopping;

    l->draining = draining;
    l->cut = cut;
    l->stopping = stopping;
    return news;
}

static void turn(struct loop *l)
{
    struct epoll_event events[EVENTS];
    int wait = l->again != NULL ? 0 : deadline_wait(&l->deadlines, clock_ms());
    int n = epoll_wait(l->epoll, events, EVENTS, wait);

    l->now = clock_ms();
    bool news = see_draining(l);
    for (int i = 0; i < n; i++)
        if (events[i].data.ptr != NULL) // else it is the wake, which has done its work
            conn_event(events[i].data.ptr, events[i].events);
    run_again(l);
    take_arrivals(l);
    read_mail(l);
    if (see_draining(l) || news) // again: its wake may have been read with another one
        tell_all(l);
    run_late(l);
}

static void *run(void *arg)
{
    struct loop *l = arg;

    pthread_setname_np(pthread_self(), "http-loop");
    l->self = pthread_self();
    while (!l->stopping || l->conns != NULL || l->again != NULL || l->ncalls > 0 ||
           atomic_load(&l->arrivals) != NULL)
        turn(l);
    while (atomic_load(&l->mailing) > 0)
        sched_yield();
    return NULL;
}

static void seed(uint64_t s[2])
{
    if (getrandom(s, 2 * sizeof *s, 0) != 2 * (ssize_t)sizeof *s)
        s[0] = (uint64_t)clock_us();
    s[1] |= 1; // all zeros would stay zeros
}

void loop_start(struct loop *l, struct http_server *s)
{
    // Edge-triggered: each write is an event, and nobody has to read what it wrote.
    struct epoll_event ev = {.events = EPOLLIN | EPOLLET};

    l->server = s;
    l->in = mem_alloc(LOOP_IN);
    l->out = BUF_INIT(LOOP_OUT);
    seed(l->random);
    l->epoll = epoll_create1(EPOLL_CLOEXEC);
    l->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (l->epoll < 0 || l->wake < 0 ||
        epoll_ctl(l->epoll, EPOLL_CTL_ADD, l->wake, &ev) != 0 ||
        pthread_create(&l->thread, NULL, run, l) != 0) {
        perror("http: a loop cannot start"); // out of descriptors or threads
        abort();
    }
}

static void free_spare(struct loop *l)
{
    while (l->spare != NULL) {
        struct call *k = l->spare;
        l->spare = k->next;
        arena_free(&k->req.arena);
        buf_free(&k->body);
        free(k);
    }
}

void loop_join(struct loop *l)
{
    loop_wake(l);
    pthread_join(l->thread, NULL);
}

void loop_free(struct loop *l)
{
    free_spare(l);
    deadlines_free(&l->deadlines);
    buf_free(&l->out);
    free(l->in);
    close(l->epoll);
    close(l->wake);
}
