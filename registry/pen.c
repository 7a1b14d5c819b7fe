#include "registry/pen.h"

#include "base/bytes.h"
#include "base/clock.h"
#include "base/log.h"
#include "kafka/transaction.h"
#include "registry/pen_count.h"

#include <assert.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#define CALL_LEAST_MS 100 // a commit that was sent is worth waiting for a moment
#define AGAIN_MS 20       // before the name is asked for anew

struct reg_pen {
    struct reg_tail *tail;
    struct reg_pen_options o;
    char id[300];
    char instance[REG_INSTANCE + 1];
    struct kf_producer *producer; // the writer's

    pthread_mutex_t lock;
    // under lock
    int64_t fence; // the offset of ours; -1: we have not the pen
};

/* What became of the records of one transaction. */
struct delivery {
    struct kf_waiter waiter; // first: kf_send_batch() knows us by it
    pthread_mutex_t lock;
    pthread_cond_t all_in;
    // under lock
    size_t awaited;
    int64_t last;      // largest offset
    struct err failed; // kind ERR_OK: none; ERR_LIMIT goes before all others
};

static void note_report(struct kf_waiter *w, uint32_t index, const struct kf_report *r)
{
    struct delivery *d = (struct delivery *)w;

    (void)index;
    pthread_mutex_lock(&d->lock);
    if (r->kind == ERR_OK && r->offset > d->last)
        d->last = r->offset;
    if (r->kind != ERR_OK && d->failed.kind != ERR_LIMIT)
        err_set(&d->failed, r->kind == ERR_LIMIT ? ERR_LIMIT : ERR_UNAVAILABLE,
                "%s: %s", r->name, r->reason);
    if (--d->awaited == 0)
        pthread_cond_signal(&d->all_in);
    pthread_mutex_unlock(&d->lock);
}

static bool wait_all_in(struct delivery *d, int64_t due_ms)
{
    struct timespec until = clock_at(due_ms);
    int rc = 0;

    pthread_mutex_lock(&d->lock);
    while (d->awaited > 0 && rc == 0)
        rc = pthread_cond_timedwait(&d->all_in, &d->lock, &until);
    bool all = d->awaited == 0;
    pthread_mutex_unlock(&d->lock);
    return all;
}

static void close_producer(struct reg_pen *p)
{
    if (p->producer != NULL)
        kf_producer_close(p->producer);
    p->producer = NULL;
}

/* Sends all and waits for every report.  message.timeout.ms says that they come; where
 * librdkafka forgets one, closing the producer makes it. */
static enum err_kind deliver(struct reg_pen *p, const struct kf_record *records,
                             size_t n, int64_t due_ms, int64_t *last, struct err *e)
{
    struct delivery d = {.waiter = {note_report}, .awaited = n, .last = -1};

    pthread_mutex_init(&d.lock, NULL);
    clock_cond_init(&d.all_in);
    (void)kf_send_batch(p->producer, p->o.topic, records, n, &d.waiter, 0);
    if (!wait_all_in(&d, due_ms))
        close_producer(p);
    pthread_cond_destroy(&d.all_in);
    pthread_mutex_destroy(&d.lock);
    assert(d.awaited == 0);
    if (p->producer == NULL && d.failed.kind == ERR_OK)
        return err_set(e, ERR_UNAVAILABLE, "no delivery report in time");
    if (d.failed.kind != ERR_OK)
        return err_set(e, d.failed.kind, "%s", d.failed.msg);
    *last = d.last;
    return ERR_OK;
}

static int left(int64_t due_ms)
{
    int64_t ms = due_ms - clock_ms();

    return ms < CALL_LEAST_MS ? CALL_LEAST_MS : ms > INT32_MAX ? INT32_MAX : (int)ms;
}

/* One transaction. */
static enum err_kind transact(struct reg_pen *p, const struct kf_record *records,
                              size_t n, int64_t due_ms, int64_t *last, struct err *e)
{
    TRY(kf_begin(p->producer, e));
    TRY(deliver(p, records, n, due_ms, last, e));
    return kf_commit(p->producer, left(due_ms), e);
}

static void set_fence(struct reg_pen *p, int64_t offset)
{
    pthread_mutex_lock(&p->lock);
    p->fence = offset;
    pthread_mutex_unlock(&p->lock);
}

static enum err_kind put_fence(struct reg_pen *p, int64_t due_ms, int64_t *offset,
                               struct err *e)
{
    struct reg_event noop = {.kind = REG_NOOP};
    struct kf_header headers[REG_FENCE_HEADERS];
    struct buf key = BUF_INIT(256);
    struct arena a = {0};
    struct reg_fence f;

    reg_tail_fence(p->tail, &f);
    f.epoch++;
    memcpy(f.instance, p->instance, sizeof f.instance);
    snprintf(f.url, sizeof f.url, "%s", p->o.url);
    reg_fence_put(&f, headers, &a);
    reg_event_put_key(&key, &noop);
    struct kf_record record = {
        .key = buf_span(&key), .headers = headers, .n_headers = REG_FENCE_HEADERS};

    enum err_kind rc = transact(p, &record, 1, due_ms, offset, e);
    buf_free(&key);
    arena_free(&a);
    return rc;
}

/* Is the state all that was written before our fence? */
static enum err_kind read_up(struct reg_pen *p, int64_t offset, int64_t due_ms,
                             struct err *e)
{
    struct reg_fence newest;

    if (!reg_tail_wait(p->tail, offset + 1, due_ms))
        return err_set(e, ERR_UNAVAILABLE, "not read up to offset %" PRId64 " in time",
                       offset);
    reg_tail_fence(p->tail, &newest);
    if (newest.offset > offset)
        return err_set(e, ERR_CONFLICT, "instance %s took it next", newest.instance);
    return ERR_OK;
}

static void pause_ms(int ms)
{
    struct timespec t = {.tv_nsec = ms * 1000000L};

    nanosleep(&t, NULL);
}

/* Asked for until it is ours, or somebody was faster: two who go on asking only take it
 * from each other. */
static enum err_kind take_name(struct reg_pen *p, int64_t due_ms, struct err *e)
{
    struct reg_fence before, newest;

    reg_tail_fence(p->tail, &before);
    for (;;) {
        TRY(kf_transactional_open(&p->producer, p->o.bootstrap, p->o.properties, p->id,
                                  p->o.topic, e));
        enum err_kind rc = kf_take(p->producer, left(due_ms), e);
        if (rc != ERR_UNAVAILABLE || clock_ms() >= due_ms)
            return rc;
        close_producer(p);
        pause_ms(AGAIN_MS);
        reg_tail_fence(p->tail, &newest);
        if (newest.offset > before.offset)
            return err_set(e, ERR_CONFLICT, "instance %s was faster", newest.instance);
        *e = (struct err){0};
    }
}

static enum err_kind take(struct reg_pen *p, int64_t due_ms, int64_t *offset,
                          struct err *e)
{
    TRY(take_name(p, due_ms, e));
    TRY(put_fence(p, due_ms, offset, e));
    return read_up(p, *offset, due_ms, e);
}

enum err_kind reg_pen_take(struct reg_pen *p, int64_t due_ms, struct err *e)
{
    int64_t offset = -1, began = clock_us();
    struct reg_tail_view view;

    reg_pen_drop(p);
    reg_tail_view(p->tail, &view);
    if (view.broken) // a holder's state must be the log's
        return err_set(e, ERR_INVALID, "topic %s: %s", p->o.topic, view.why);
    enum err_kind rc = take(p, due_ms, &offset, e);
    reg_count_taking(rc == ERR_OK         ? REG_TAKEN
                     : rc == ERR_CONFLICT ? REG_TAKEN_BY_OTHER
                                          : REG_NOT_TAKEN,
                     clock_us() - began);
    if (rc != ERR_OK) {
        reg_pen_drop(p);
        return err_prefix(e, "taking the pen");
    }
    set_fence(p, offset);
    log_event(LOG_INFO, "we have the pen", LOG_S("topic", p->o.topic),
              LOG_I("offset", offset), LOG_I("ms", (clock_us() - began) / 1000),
              LOG_END);
    return ERR_OK;
}

enum err_kind reg_pen_write(struct reg_pen *p, const struct kf_record *records,
                            size_t n, int64_t due_ms, int64_t *next, struct err *e)
{
    int64_t last = -1;
    enum err_kind rc = transact(p, records, n, due_ms, &last, e);

    if (rc == ERR_OK) {
        *next = last + 1;
        return ERR_OK;
    }
    reg_pen_drop(p);
    return rc;
}

size_t reg_pen_largest(const struct reg_pen *p)
{
    return p->producer != NULL ? kf_largest(p->producer) : SIZE_MAX;
}

void reg_pen_drop(struct reg_pen *p)
{
    set_fence(p, -1);
    close_producer(p);
}

bool reg_pen_held(struct reg_pen *p)
{
    struct reg_fence newest;

    reg_tail_fence(p->tail, &newest);
    pthread_mutex_lock(&p->lock);
    bool held = p->fence >= 0 && newest.offset == p->fence;
    pthread_mutex_unlock(&p->lock);
    return held;
}

const char *reg_pen_instance(const struct reg_pen *p)
{
    return p->instance;
}

static void name_instance(struct reg_pen *p)
{
    uint8_t random[REG_INSTANCE / 2];

    if (getrandom(random, sizeof random, 0) != (ssize_t)sizeof random)
        abort(); // asked for so little it gives all or the system has none
    bytes_hex(p->instance, span_of(random, sizeof random));
}

struct reg_pen *reg_pen_open(struct reg_tail *t, const struct reg_pen_options *o)
{
    struct reg_pen *p = mem_alloc(sizeof *p);

    p->tail = t;
    p->o = *o;
    p->fence = -1;
    snprintf(p->id, sizeof p->id, "avrogate-registry-%s-pen", o->topic);
    name_instance(p);
    pthread_mutex_init(&p->lock, NULL);
    return p;
}

void reg_pen_close(struct reg_pen *p)
{
    if (p == NULL)
        return;
    reg_pen_drop(p);
    pthread_mutex_destroy(&p->lock);
    free(p);
}
