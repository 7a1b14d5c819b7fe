#include "registry/append.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/queue.h"
#include "registry/forward.h"
#include "registry/pen.h"
#include "registry/pen_count.h"
#include "registry/share.h"
#include "wire/status.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#define TRIES 3
#define TAKE_MS 5000      // for one attempt at the pen
#define LOOK_MS 500       // for who took it from us
#define DUEL_MS 100       // two who take it at once: the loser looks so long, and
#define DUEL_MORE_MS 300  // up to this much longer, for the winner's fence; and for
#define DUEL_SLOW_MS 2000 // what taking it took us, up to this: it takes them as long
#define RECORD_MOST (16 << 20)

struct reg_writer {
    struct reg_tail *tail;
    struct reg_writer_options o;
    struct conf_pairs properties; // the user's, and our time-out
    char timeout[24];
    struct queue queue;
    struct reg_pen *pen;
    struct reg_forward *forward;
    atomic_bool taking; // the pen, right now
    pthread_t thread;
    // the thread's alone
    struct err trouble; // why the pen could not be taken last
    bool missed;        // it could not, and nobody else was faster
    int64_t take_ms;    // how long that took, or taking it
    int64_t without_us; // since when writes are here and the pen is not; 0: it is
    unsigned dice;
};

enum fate { WAITS, ANSWERED, REFUSED, WRITTEN };

/* The jobs in hand, and what becomes of them in one round. */
struct round {
    size_t n;
    struct reg_job *jobs[REG_SHARE_MOST];
    struct reg_decision decisions[REG_SHARE_MOST];
    enum fate fates[REG_SHARE_MOST];
    struct kf_record *records; // of all that are WRITTEN; ours
    size_t n_records, cap_records;
    struct arena arena;
};

/* Records. */

static struct span put_key(const struct reg_event *ev, struct arena *a)
{
    struct buf b = BUF_INIT(RECORD_MOST);

    reg_event_put_key(&b, ev);
    struct span key = arena_copy(a, buf_span(&b));
    buf_free(&b);
    return key;
}

static struct span put_value(const struct reg_event *ev, struct arena *a)
{
    struct buf b = BUF_INIT(RECORD_MOST);
    struct span value = {0};

    if (reg_event_put_value(&b, ev))
        value = arena_copy(a, buf_span(&b));
    buf_free(&b);
    return value;
}

/* False when one is larger than may be sent. */
static bool put_records(struct kf_record *out, const struct reg_decision *d,
                        size_t largest, struct arena *a)
{
    for (size_t i = 0; i < d->n; i++) {
        struct kf_record *r = &out[i];

        *r = (struct kf_record){.key = put_key(&d->events[i], a),
                                .value = put_value(&d->events[i], a)};
        r->headers = reg_event_headers(&d->events[i], wall_ms(), a, &r->n_headers);
        if (r->key.n + r->value.n > largest)
            return false;
    }
    return true;
}

/* Answers. */

static void refuse(struct reg_job *job, struct reg_decision *d, int code,
                   const char *what, const char *why)
{
    *d = (struct reg_decision){0};
    reg_refuse(&d->no, job->arena, code, "%s: %s", what, why);
}

static void refuse_now(struct reg_job *job, int code, const char *what, const char *why)
{
    struct reg_decision d;

    refuse(job, &d, code, what, why);
    job->done(job, &d);
}

/* Takes out what is answered or has gone elsewhere. */
static void keep_waiting(struct round *r)
{
    size_t kept = 0;

    for (size_t i = 0; i < r->n; i++)
        if (r->fates[i] == WAITS)
            r->jobs[kept++] = r->jobs[i];
    r->n = kept;
}

/* Without the state's lock, which an answer may take. */
static void answer_all(struct round *r)
{
    for (size_t i = 0; i < r->n; i++)
        if (r->fates[i] == ANSWERED)
            r->jobs[i]->done(r->jobs[i], &r->decisions[i]);
    keep_waiting(r);
}

static void refuse_all(struct round *r, int code, const char *what, const char *why)
{
    for (size_t i = 0; i < r->n; i++)
        refuse_now(r->jobs[i], code, what, why);
    r->n = 0;
}

static void refuse_late(struct reg_writer *w, struct round *r)
{
    for (size_t i = 0; i < r->n; i++) {
        r->fates[i] = WAITS;
        if (clock_ms() < r->jobs[i]->due_ms)
            continue;
        refuse(r->jobs[i], &r->decisions[i], REG_TIMEOUT,
               r->jobs[i]->doubt != REG_SURE ? "The write may or may not have been done"
                                             : "Kafka cannot be written to",
               w->trouble.kind != ERR_OK ? w->trouble.msg : "no time left");
        r->fates[i] = ANSWERED;
    }
    answer_all(r);
}

/* Doubt. */

/* True: it is answered.  False: it may be decided again. */
static bool settle(struct reg_job *job, const struct reg_state *s,
                   struct reg_decision *d)
{
    enum reg_settled how = reg_settle(job->doubt, s, &job->command, &job->before);

    job->doubt = REG_SURE;
    if (how == REG_DONE)
        *d = job->before;
    else if (how == REG_UNKNOWABLE)
        refuse(job, d, REG_TIMEOUT, "The write may or may not have been done",
               "the instance that had the pen is gone");
    return how != REG_AGAIN;
}

/* Where to. */

static enum reg_way way_of(struct reg_writer *w, const struct reg_job *job)
{
    struct reg_fence newest;

    reg_tail_fence(w->tail, &newest);
    struct reg_standing standing = {
        .holds = atomic_load(&w->taking) || reg_pen_held(w->pen),
        .from_instance = job != NULL && job->from_instance,
        .url = w->o.url,
        .newest = newest.url,
        .newest_is_dead = reg_forward_gave_up(w->forward, &newest)};
    return reg_way_of(&standing);
}

static bool go(struct reg_writer *w, struct reg_job *job)
{
    switch (way_of(w, job)) {
    case REG_NOT_MINE:
        refuse_now(job, REG_NOT_THE_HOLDER, "Not the holder of the pen",
                   "another instance writes");
        return true;
    case REG_FORWARD: return job->asked != NULL && reg_forward_submit(w->forward, job);
    default: return false;
    }
}

/* Somebody else has the pen, or nobody: what can be asked elsewhere goes. */
static void send_elsewhere(struct reg_writer *w, struct round *r)
{
    struct reg_fence newest;

    const struct reg_state *s = reg_tail_look(w->tail);
    reg_tail_fence(w->tail, &newest);
    for (size_t i = 0; i < r->n; i++)
        r->fates[i] = newest.offset > r->jobs[i]->doubted &&
                              settle(r->jobs[i], s, &r->decisions[i])
                          ? ANSWERED
                          : WAITS;
    reg_tail_done(w->tail);
    answer_all(r);

    for (size_t i = 0; i < r->n; i++)
        r->fates[i] = go(w, r->jobs[i]) ? WRITTEN : WAITS;
    keep_waiting(r);
}

/* Nobody asked did it. */
static void take_back(void *writer, struct reg_job *job)
{
    struct reg_writer *w = writer;

    if (!queue_try_put(&w->queue, job))
        refuse_now(job, job->doubt != REG_SURE ? REG_TIMEOUT : REG_STORE_ERROR,
                   "The write was not done here", "too many writes are waiting");
}

/* The pen. */

static int64_t first_due(const struct round *r)
{
    int64_t due = r->jobs[0]->due_ms;

    for (size_t i = 1; i < r->n; i++)
        if (r->jobs[i]->due_ms < due)
            due = r->jobs[i]->due_ms;
    return due;
}

static enum err_kind take_pen(struct reg_writer *w, int64_t due_ms)
{
    int64_t began = clock_ms(), until = began + TAKE_MS;

    w->trouble = (struct err){0};
    atomic_store(&w->taking, true);
    enum err_kind rc =
        reg_pen_take(w->pen, due_ms < until ? due_ms : until, &w->trouble);
    atomic_store(&w->taking, false);
    w->take_ms = clock_ms() - began;
    w->missed = rc != ERR_OK && rc != ERR_CONFLICT && rc != ERR_INVALID;
    reg_forward_note_take(w->forward, w->take_ms * 1000);
    if (rc != ERR_OK)
        log_err(LOG_INFO, "the pen could not be taken", &w->trouble);
    return rc;
}

static int64_t newest_fence(struct reg_writer *w)
{
    struct reg_fence newest;

    reg_tail_fence(w->tail, &newest);
    return newest.offset;
}

static int64_t moment_ms(struct reg_writer *w)
{
    int64_t slow = w->take_ms < DUEL_SLOW_MS ? w->take_ms : DUEL_SLOW_MS;

    return DUEL_MS + rand_r(&w->dice) % (DUEL_MORE_MS + slow);
}

/* Lets somebody who was faster say so, and Kafka breathe.  Who waits shorter than
 * taking it takes only takes it from who is about to have it. */
static void wait_a_moment(struct reg_writer *w, int64_t fence)
{
    (void)reg_tail_wait_fence(w->tail, fence, clock_ms() + moment_ms(w));
}

/* The gap ends when it is ours, or somebody else's who was asked. */
static void note_gap(struct reg_writer *w, bool there)
{
    if (there && w->without_us != 0)
        reg_count_gap(clock_us() - w->without_us);
    if (there)
        w->without_us = 0;
    else if (w->without_us == 0)
        w->without_us = clock_us();
}

static bool have_pen(struct reg_writer *w, struct round *r)
{
    struct reg_fence newest;

    if (reg_pen_held(w->pen)) {
        note_gap(w, true);
        return true;
    }
    send_elsewhere(w, r);
    note_gap(w, r->n == 0);
    if (r->n == 0)
        return false;
    reg_tail_fence(w->tail, &newest);
    switch (take_pen(w, first_due(r))) {
    case ERR_OK: note_gap(w, true); return true;
    case ERR_INVALID:
        refuse_all(r, REG_STORE_ERROR, "Kafka cannot be written to", w->trouble.msg);
        return false;
    default: wait_a_moment(w, newest.offset); return false;
    }
}

/* One round with the pen. */

/* Behind those there are; what is put there is among them once it is counted. */
static struct kf_record *room_for(struct round *r, size_t n)
{
    if (r->n_records + n > r->cap_records) {
        r->cap_records = 2 * r->cap_records + n;
        r->records = mem_grow(r->records, r->cap_records, sizeof *r->records);
    }
    return r->records + r->n_records;
}

static void decide(struct reg_writer *w, struct round *r, size_t i,
                   const struct reg_state *s, struct reg_share *share)
{
    struct reg_job *job = r->jobs[i];
    struct reg_decision *d = &r->decisions[i];
    struct reg_rules rules = w->o.rules;

    r->fates[i] = ANSWERED;
    if (settle(job, s, d))
        return;
    rules.ids_ahead = reg_share_ids(share, job->command.subject);
    reg_decide(d, s, &job->command, &rules, job->arena);
    if (d->n == 0) {
        r->fates[i] = d->no.code != 0 && !job->synced ? REFUSED : ANSWERED;
        return;
    }
    if (job->tries >= TRIES) {
        refuse(job, d, REG_STORE_ERROR, "Kafka refused the write",
               w->trouble.kind != ERR_OK ? w->trouble.msg : "every attempt failed");
        return;
    }
    if (!put_records(room_for(r, d->n), d, reg_pen_largest(w->pen), &r->arena)) {
        refuse(job, d, REG_TOO_LARGE, "Schema is too large", "no record can hold it");
        return;
    }
    r->fates[i] = WAITS;
    if ((job->alone && share->n > 0) || !reg_share_add(share, &job->command, d))
        return;
    share->closed |= job->alone;
    r->fates[i] = WRITTEN;
    r->n_records += d->n;
}

static void decide_all(struct reg_writer *w, struct round *r)
{
    struct reg_share share = {0};

    r->n_records = 0;
    const struct reg_state *s = reg_tail_look(w->tail);
    for (size_t i = 0; i < r->n; i++)
        decide(w, r, i, s, &share);
    for (size_t i = 0; i < r->n; i++)
        r->decisions[i].events = NULL; // they borrow from the state of this moment
    reg_tail_done(w->tail);
}

/* Committed and read: what was decided is so, unless somebody wrote without the pen. */
static void look(struct reg_writer *w, struct round *r)
{
    const struct reg_state *s = reg_tail_look(w->tail);

    for (size_t i = 0; i < r->n; i++) {
        if (r->fates[i] != WRITTEN)
            continue;
        bool so = reg_is_so(s, &r->jobs[i]->command, &r->decisions[i]);
        r->fates[i] = so ? ANSWERED : WAITS;
        r->jobs[i]->tries += !so;
    }
    reg_tail_done(w->tail);
}

/* Nothing is known of what was written; or, of one too large, that nothing was. */
static void doubt(struct round *r, enum err_kind why, int64_t fence)
{
    size_t n = 0;

    for (size_t i = 0; i < r->n; i++)
        n += r->fates[i] == WRITTEN;
    for (size_t i = 0; i < r->n; i++) {
        struct reg_job *job = r->jobs[i];

        if (r->fates[i] != WRITTEN)
            continue;
        r->fates[i] = WAITS;
        job->alone |= why == ERR_LIMIT;
        if (why == ERR_LIMIT && n == 1) {
            refuse(job, &r->decisions[i], REG_TOO_LARGE, "Schema is too large",
                   "the broker takes no record of this size");
            r->fates[i] = ANSWERED;
        } else if (why != ERR_LIMIT) {
            job->tries++;
            job->before = r->decisions[i];
            job->doubt = REG_DOUBT_OURS;
            job->doubted = fence;
        }
    }
}

static void say_unread(struct round *r)
{
    for (size_t i = 0; i < r->n; i++)
        if (r->fates[i] == WRITTEN) {
            refuse(r->jobs[i], &r->decisions[i], REG_TIMEOUT,
                   "The write was done but not read back", "try again");
            r->fates[i] = ANSWERED;
        }
}

/* Somebody took the pen, maybe long ago while we stood still: who, is worth knowing
 * before it is taken back. */
static void look_for_holder(struct reg_writer *w, int64_t fence)
{
    struct err e = {0};

    wait_a_moment(w, fence);
    if (newest_fence(w) == fence &&
        reg_tail_sync(w->tail, clock_ms() + LOOK_MS, &e) != ERR_OK)
        log_err(LOG_DEBUG, "no look for the holder", &e);
}

static void write_out(struct reg_writer *w, struct round *r)
{
    struct reg_fence ours;
    struct err e = {0};
    int64_t next = 0, due = first_due(r);

    if (r->n_records == 0)
        return;
    reg_tail_fence(w->tail, &ours);
    enum err_kind rc = reg_pen_write(w->pen, r->records, r->n_records, due, &next, &e);
    if (rc != ERR_OK) {
        log_err(LOG_WARN, "a write has no known outcome: looking", &e);
        w->trouble = e;
        doubt(r, rc, ours.offset);
        if (rc != ERR_LIMIT)
            look_for_holder(w, ours.offset);
    } else if (reg_tail_wait(w->tail, next, due)) {
        look(w, r);
    } else {
        say_unread(r);
        reg_pen_drop(w->pen); // a state without it must decide nothing more
    }
}

/* No is said only of a state that was read to the end. */
static void read_for_refused(struct reg_writer *w, struct round *r)
{
    struct err e = {0};
    bool any = false;

    for (size_t i = 0; i < r->n; i++)
        any |= r->fates[i] == REFUSED;
    if (!any)
        return;
    enum err_kind rc = reg_tail_sync(w->tail, first_due(r), &e);
    for (size_t i = 0; i < r->n; i++) {
        if (r->fates[i] != REFUSED)
            continue;
        r->jobs[i]->synced = rc == ERR_OK;
        r->fates[i] = rc == ERR_OK ? WAITS : ANSWERED;
        if (rc != ERR_OK)
            refuse(r->jobs[i], &r->decisions[i],
                   clock_ms() >= r->jobs[i]->due_ms ? REG_TIMEOUT : REG_STORE_ERROR,
                   "Kafka cannot be written to", e.msg);
    }
}

/* What was decided on the log that was must not be written into the one that is. */
static void refuse_if_broken(struct reg_writer *w, struct round *r)
{
    struct reg_tail_view view;

    reg_tail_view(w->tail, &view);
    if (view.broken)
        refuse_all(r, REG_STORE_ERROR, "Kafka cannot be written to", view.why);
}

static void serve_once(struct reg_writer *w, struct round *r)
{
    refuse_late(w, r);
    refuse_if_broken(w, r);
    if (r->n == 0 || !have_pen(w, r))
        return;
    decide_all(w, r);
    write_out(w, r);
    read_for_refused(w, r);
    answer_all(r);
    arena_reset(&r->arena);
}

static void fetch_more(struct reg_writer *w, struct round *r)
{
    while (r->n < REG_SHARE_MOST) {
        struct reg_job *job = queue_get(&w->queue, 0);
        if (job == NULL)
            return;
        r->jobs[r->n++] = job;
    }
}

/* Nobody has the pen and nobody writes.  The next write must not wait for what was too
 * slow once: while Kafka is there it is tried again. */
static void take_at_rest(struct reg_writer *w)
{
    struct reg_tail_view view;

    reg_tail_view(w->tail, &view);
    if (view.kafka_is_up && !view.broken && way_of(w, NULL) == REG_WRITE)
        (void)take_pen(w, clock_ms() + TAKE_MS);
    else if (view.kafka_is_up)
        w->missed = false; // somebody else has it now
}

static struct reg_job *next_job(struct reg_writer *w)
{
    struct reg_job *job;

    while ((job = queue_get(&w->queue, w->missed ? (int)moment_ms(w) : -1)) == NULL &&
           !queue_closed(&w->queue))
        take_at_rest(w);
    return job != NULL ? job : queue_get(&w->queue, -1); // what came as it was closed
}

/* Who finds that nobody else has the pen takes it before it is needed. */
static void begin(struct reg_writer *w)
{
    while (!reg_tail_wait_read(w->tail, clock_ms() + DUEL_MS))
        if (queue_closed(&w->queue))
            return;
    if (w->o.url[0] != '\0' && way_of(w, NULL) == REG_WRITE)
        wait_a_moment(w, newest_fence(w)); // several may start at once
    if (!queue_closed(&w->queue) && way_of(w, NULL) == REG_WRITE)
        (void)take_pen(w, clock_ms() + TAKE_MS);
}

static void *work_all(void *writer)
{
    struct reg_writer *w = writer;
    struct round *r = mem_alloc(sizeof *r);
    struct reg_job *job;

    begin(w);
    while ((job = next_job(w)) != NULL) {
        r->n = 0;
        r->jobs[r->n++] = job;
        while (r->n > 0) {
            fetch_more(w, r);
            if (queue_closed(&w->queue))
                refuse_all(r, REG_STORE_ERROR, "The registry is stopping", "try again");
            else
                serve_once(w, r);
        }
    }
    arena_free(&r->arena);
    free(r->records);
    free(r);
    return NULL;
}

/* The user's properties and our time-out, unless the user set one. */
static void add_timeout(struct reg_writer *w)
{
    static const char name[] = "message.timeout.ms";
    const struct conf_pairs *theirs = w->o.properties;
    size_t n = theirs != NULL ? theirs->n : 0;
    struct conf_pair *all = mem_array(n + 1, sizeof *all);

    snprintf(w->timeout, sizeof w->timeout, "%" PRId64, w->o.timeout_ms * 3 / 5);
    all[0] = (struct conf_pair){.name = name, .value = w->timeout};
    for (size_t i = 0; i < n; i++)
        if (strcmp(theirs->items[i].name, name) != 0)
            all[++w->properties.n] = theirs->items[i];
    w->properties.items = all;
    w->properties.n++;
}

enum err_kind reg_writer_open(struct reg_writer **out, struct reg_tail *t,
                              const struct reg_writer_options *o, struct err *e)
{
    struct reg_writer *w = mem_alloc(sizeof *w);

    w->tail = t;
    w->o = *o;
    w->dice = (unsigned)clock_us();
    add_timeout(w);
    struct reg_pen_options pen = {o->bootstrap, o->topic, &w->properties, o->url};
    w->pen = reg_pen_open(t, &pen);
    struct reg_forward_options forward = {.tail = t,
                                          .instance = reg_pen_instance(w->pen),
                                          .forward_ms = o->forward_ms,
                                          .ca_file = o->forward_ca,
                                          .rules = o->rules,
                                          .queue = o->queue,
                                          .back = take_back,
                                          .to = w};
    queue_init(&w->queue, o->queue);
    if (reg_forward_open(&w->forward, &forward, e) != ERR_OK) {
        reg_pen_close(w->pen);
        queue_free(&w->queue);
        free(w->properties.items);
        free(w);
        return e->kind;
    }
    if (pthread_create(&w->thread, NULL, work_all, w) != 0)
        abort(); // no threads at start: the machine is out
    *out = w;
    return ERR_OK;
}

bool reg_writer_submit(struct reg_writer *w, struct reg_job *job)
{
    enum reg_way way = way_of(w, job);

    if (way == REG_FORWARD && job->asked != NULL)
        return reg_forward_submit(w->forward, job);
    if (way == REG_NOT_MINE) {
        refuse_now(job, REG_NOT_THE_HOLDER, "Not the holder of the pen",
                   "another instance writes");
        return true;
    }
    return queue_try_put(&w->queue, job);
}

bool reg_writer_holds(struct reg_writer *w)
{
    return reg_pen_held(w->pen);
}

void reg_writer_close(struct reg_writer *w)
{
    if (w == NULL)
        return;
    reg_forward_stop(w->forward);
    queue_close(&w->queue);
    pthread_join(w->thread, NULL);
    reg_forward_close(w->forward);
    queue_free(&w->queue);
    reg_pen_close(w->pen);
    free(w->properties.items);
    free(w);
}
