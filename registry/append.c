#include "registry/append.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/queue.h"
#include "kafka/producer.h"
#include "wire/status.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define TRIES 3
#define RECORD_MOST (16 << 20)

struct reg_writer {
    struct reg_tail *tail;
    struct reg_writer_options o;
    struct conf_pairs properties; // the user's, and our time-out
    char timeout[24];
    struct queue queue;
    pthread_t thread;
    // the thread's alone
    struct kf_producer *producer;
    bool unsure; // something sent may still land
};

/* What became of the records of one write. */
struct delivery {
    struct kf_waiter waiter; // first: kf_send() knows us by it
    pthread_mutex_t lock;
    pthread_cond_t all_in;
    // under lock
    size_t awaited;
    int64_t last; // largest offset
    bool maybe;   // some may be there
    bool too_large;
    struct err failed; // kind ERR_OK: none
};

static void note_report(struct kf_waiter *w, uint32_t index, const struct kf_report *r)
{
    struct delivery *d = (struct delivery *)w;

    (void)index;
    pthread_mutex_lock(&d->lock);
    if (r->kind == ERR_OK) {
        d->maybe = true; // it is; whether all of them are, the others tell
        if (r->offset > d->last)
            d->last = r->offset;
    } else {
        d->maybe |= r->maybe;
        d->too_large |= r->kind == ERR_LIMIT;
        err_set(&d->failed, r->kind, "%s: %s", r->name, r->reason);
    }
    if (--d->awaited == 0)
        pthread_cond_signal(&d->all_in);
    pthread_mutex_unlock(&d->lock);
}

/* Sends all and waits for every report: message.timeout.ms says that they come. */
static void deliver(struct reg_writer *w, struct delivery *d,
                    const struct kf_record *records, size_t n)
{
    *d = (struct delivery){.waiter = {note_report}, .awaited = n, .last = -1};
    pthread_mutex_init(&d->lock, NULL);
    pthread_cond_init(&d->all_in, NULL);
    (void)kf_send_batch(w->producer, w->o.topic, records, n, &d->waiter, 0);

    pthread_mutex_lock(&d->lock);
    while (d->awaited > 0)
        pthread_cond_wait(&d->all_in, &d->lock);
    pthread_mutex_unlock(&d->lock);
    pthread_cond_destroy(&d->all_in);
    pthread_mutex_destroy(&d->lock);
}

/* A producer that died is replaced; what it left unsaid was `maybe`. */
static enum err_kind wake_producer(struct reg_writer *w, struct err *e)
{
    if (w->producer != NULL && kf_healthy(w->producer))
        return ERR_OK;
    if (w->producer != NULL)
        kf_producer_close(w->producer);
    w->producer = NULL;
    return kf_producer_open(&w->producer, w->o.bootstrap, &w->properties, e);
}

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

static struct kf_record *records_of(const struct reg_decision *d, struct arena *a)
{
    struct kf_record *records = arena_array(a, d->n, sizeof *records);

    for (size_t i = 0; i < d->n; i++) {
        struct kf_record *r = &records[i];
        *r = (struct kf_record){.key = put_key(&d->events[i], a),
                                .value = put_value(&d->events[i], a)};
        r->headers = reg_event_headers(&d->events[i], wall_ms(), a, &r->n_headers);
    }
    return records;
}

/* Puts a NOOP behind whatever may still be on its way and reads up to it. */
static enum err_kind make_sure(struct reg_writer *w, int64_t due_ms, struct err *e)
{
    struct reg_event noop = {.kind = REG_NOOP};
    struct arena a = {0};
    struct kf_record record = {.key = put_key(&noop, &a)};
    struct delivery d;

    enum err_kind rc = wake_producer(w, e);
    if (rc == ERR_OK) {
        deliver(w, &d, &record, 1);
        rc = d.failed.kind != ERR_OK ? err_set(e, d.failed.kind, "%s", d.failed.msg)
                                     : ERR_OK;
    }
    arena_free(&a);
    if (rc != ERR_OK)
        return rc;
    if (!reg_tail_wait(w->tail, d.last + 1, due_ms))
        return err_set(e, ERR_UNAVAILABLE, "not read up to offset %" PRId64 " in time",
                       d.last);
    w->unsure = false;
    return ERR_OK;
}

static enum err_kind catch_up(struct reg_writer *w, int64_t due_ms, struct err *e)
{
    TRY(reg_tail_sync(w->tail, due_ms, e));
    return w->unsure ? make_sure(w, due_ms, e) : ERR_OK;
}

static void decide(struct reg_writer *w, struct reg_job *job, struct reg_decision *d,
                   struct kf_record **records)
{
    reg_decide(d, reg_tail_look(w->tail), &job->command, &w->o.rules, job->arena);
    *records = records_of(d, job->arena);
    reg_tail_done(w->tail);
}

static bool is_so(struct reg_writer *w, const struct reg_job *job,
                  const struct reg_decision *d)
{
    bool so = reg_is_so(reg_tail_look(w->tail), &job->command, d);

    reg_tail_done(w->tail);
    return so;
}

static void refuse(struct reg_job *job, struct reg_decision *d, int code,
                   const char *what, const char *why)
{
    *d = (struct reg_decision){0};
    reg_refuse(&d->no, job->arena, code, "%s: %s", what, why);
}

/* Kafka did not do as it was told, or did not say. */
static void refuse_failure(struct reg_job *job, struct reg_decision *d,
                           const struct delivery *del)
{
    if (del->too_large)
        refuse(job, d, REG_TOO_LARGE, "Schema is too large", del->failed.msg);
    else
        refuse(job, d, REG_STORE_ERROR, "Kafka refused the write", del->failed.msg);
}

/* Produces what was decided.  True: the answer stands in *d.  False: decide again. */
static bool produce(struct reg_writer *w, struct reg_job *job, struct reg_decision *d,
                    const struct kf_record *records)
{
    struct delivery del;
    struct err e = {0};

    if (wake_producer(w, &e) != ERR_OK) {
        refuse(job, d, REG_STORE_ERROR, "Kafka refused the write", e.msg);
        return true;
    }
    deliver(w, &del, records, d->n);
    if (del.failed.kind != ERR_OK && !del.maybe) {
        refuse_failure(job, d, &del);
        return true;
    }
    if (del.failed.kind != ERR_OK) {
        w->unsure = true;
        log_err(LOG_WARN, "a write has no known outcome: looking", &del.failed);
        if (make_sure(w, job->due_ms, &e) != ERR_OK) {
            refuse(job, d, REG_TIMEOUT, "The write may or may not have been done",
                   e.msg);
            return true;
        }
    } else if (!reg_tail_wait(w->tail, del.last + 1, job->due_ms)) {
        refuse(job, d, REG_TIMEOUT, "The write was done but not read back",
               "try again");
        return true;
    }
    return is_so(w, job, d);
}

static void work(struct reg_writer *w, struct reg_job *job, struct reg_decision *d)
{
    struct err e = {0};

    for (int i = 0; i < TRIES; i++) {
        struct kf_record *records = NULL;

        if (catch_up(w, job->due_ms, &e) != ERR_OK) {
            int code = clock_ms() >= job->due_ms ? REG_TIMEOUT : REG_STORE_ERROR;
            refuse(job, d, code, "Kafka cannot be written to", e.msg);
            return;
        }
        decide(w, job, d, &records);
        if (d->n == 0 || produce(w, job, d, records))
            return;
        log_event(LOG_WARN, "what was written is not there: deciding again",
                  LOG_S("topic", w->o.topic), LOG_END);
    }
    refuse(job, d, REG_STORE_ERROR, "Somebody else writes to the topic",
           "every attempt was overtaken");
}

static void *work_all(void *writer)
{
    struct reg_writer *w = writer;
    struct reg_job *job;

    while ((job = queue_get(&w->queue, -1)) != NULL) {
        struct reg_decision d = {0};

        if (queue_closed(&w->queue))
            refuse(job, &d, REG_STORE_ERROR, "The registry is stopping", "try again");
        else
            work(w, job, &d);
        job->done(job, &d);
    }
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
    add_timeout(w);
    if (wake_producer(w, e) != ERR_OK) {
        free(w->properties.items);
        free(w);
        return e->kind;
    }
    queue_init(&w->queue, o->queue);
    if (pthread_create(&w->thread, NULL, work_all, w) != 0)
        abort(); // no threads at start: the machine is out
    *out = w;
    return ERR_OK;
}

bool reg_writer_submit(struct reg_writer *w, struct reg_job *job)
{
    return queue_try_put(&w->queue, job);
}

void reg_writer_close(struct reg_writer *w)
{
    if (w == NULL)
        return;
    queue_close(&w->queue);
    pthread_join(w->thread, NULL);
    queue_free(&w->queue);
    if (w->producer != NULL)
        kf_producer_close(w->producer);
    free(w->properties.items);
    free(w);
}
