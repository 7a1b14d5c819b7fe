#include "registry/tail.h"

#include "base/clock.h"
#include "base/log.h"
#include "kafka/consumer.h"

#include <inttypes.h>
#include <malloc.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#define POLL_MS 100
#define PULSE_MS 2000
#define PULSE_AWAY_MS 200 // so that what waits goes on soon after it is back
#define PULSE_PATIENCE_MS 1500
#define SOCKET_PATIENCE "3000"
#define SILENT_MS 6000 // more than a pulse and its question

struct reg_tail {
    const char *bootstrap, *topic;
    const struct conf_pairs *properties;
    struct kf_admin *admin;
    struct kf_consumer *consumer; // the reader's alone
    pthread_t reader, pulse;
    atomic_bool stop;
    // written under lock
    _Atomic(int64_t) heard_ms; // of Kafka, last
    atomic_bool is_away;

    pthread_rwlock_t state_lock;
    struct reg_state state; // under state_lock; the reader alone changes it

    pthread_mutex_t lock;
    pthread_cond_t moved;
    // under lock
    struct reg_tail_view view;
    int64_t first_end; // where the topic ended when first asked; -1: not known yet
    int64_t awaited;   // the least offset that somebody waits for
    struct reg_fence fence;
};

/* Readers come without a pause: the one writer must not wait for a moment without. */
static void make_state_lock(pthread_rwlock_t *l)
{
    pthread_rwlockattr_t writer_first;

    pthread_rwlockattr_init(&writer_first);
    pthread_rwlockattr_setkind_np(&writer_first,
                                  PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
    pthread_rwlock_init(l, &writer_first);
    pthread_rwlockattr_destroy(&writer_first);
}

/* Whoever waits says for which offset (ANY: for each), so that thousands of records at
 * start wake nobody thousands of times. */
#define ANY 0
#define NONE INT64_MAX

static void await(struct reg_tail *t, int64_t next)
{
    if (next < t->awaited)
        t->awaited = next;
}

static void wake_all(struct reg_tail *t)
{
    t->awaited = NONE;
    pthread_cond_broadcast(&t->moved);
}

static bool wait_moved(struct reg_tail *t, int64_t due_ms)
{
    struct timespec until = clock_at(due_ms);

    return pthread_cond_timedwait(&t->moved, &t->lock, &until) == 0;
}

/* The reader. */

static void skip(struct reg_tail *t, const struct kf_message *m, const struct err *why)
{
    log_event(LOG_WARN, "record skipped", LOG_S("topic", t->topic),
              LOG_I("offset", m->offset), LOG_S("why", why->msg), LOG_END);
    pthread_mutex_lock(&t->lock);
    t->view.skipped++;
    pthread_mutex_unlock(&t->lock);
}

/* Before the offset moves: who sees it moved sees the fence. */
static void note_fence(struct reg_tail *t, const struct kf_message *m)
{
    struct reg_fence f;

    if (!reg_fence_read(&f, m->headers, m->n_headers, m->offset))
        return;
    pthread_mutex_lock(&t->lock);
    t->fence = f;
    bool news = t->view.caught_up;
    pthread_mutex_unlock(&t->lock);
    log_event(news ? LOG_INFO : LOG_DEBUG, "the pen was taken",
              LOG_S("topic", t->topic), LOG_I("offset", f.offset),
              LOG_S("instance", f.instance), LOG_S("url", f.url), LOG_END);
}

static void apply(struct reg_tail *t, const struct kf_message *m, struct arena *a)
{
    struct reg_event ev = {0};
    struct err e = {0};

    if (reg_event_read(&ev, m->key, m->value, a, &e) != ERR_OK) {
        skip(t, m, &e);
        return;
    }
    ev.offset = m->offset;
    ev.ts = m->timestamp_ms > 0 ? m->timestamp_ms : 0;
    reg_event_read_headers(&ev, m->headers, m->n_headers, a);
    if (ev.kind == REG_NOOP)
        note_fence(t, m);

    pthread_rwlock_wrlock(&t->state_lock);
    uint64_t clashes = t->state.clashes;
    reg_state_apply(&t->state, &ev);
    bool clashed = t->state.clashes != clashes;
    pthread_rwlock_unlock(&t->state_lock);

    if (clashed)
        log_event(LOG_ERROR, "two schemas under one id: the first stands",
                  LOG_S("topic", t->topic), LOG_I("offset", m->offset),
                  LOG_B("subject", ev.subject), LOG_I("id", ev.schema.id), LOG_END);
}

/* Reading a whole topic takes librdkafka tens of megabytes that it never needs again;
 * glibc keeps them unless told. */
static void give_back_memory(void)
{
    malloc_trim(0);
}

/* Read to the end is also who read past where it ended at first: while others write
 * without a pause the end itself is never seen. */
static void advance(struct reg_tail *t, int64_t next, bool record, bool at_end)
{
    pthread_mutex_lock(&t->lock);
    if (next > t->view.next)
        t->view.next = next;
    if (record)
        atomic_store(&t->heard_ms, clock_ms());
    at_end |= t->first_end >= 0 && t->view.next >= t->first_end;
    t->view.records += record;
    if (record)
        t->view.seen = next;
    bool first_end = at_end && !t->view.caught_up;
    if (at_end)
        t->view.caught_up = true;
    uint64_t records = t->view.records;
    if (first_end || t->view.next >= t->awaited)
        wake_all(t);
    pthread_mutex_unlock(&t->lock);

    if (!first_end)
        return;
    give_back_memory();
    log_event(LOG_INFO, "read to the end", LOG_S("topic", t->topic),
              LOG_I("offset", next), LOG_I("records", records), LOG_END);
}

static void break_off(struct reg_tail *t, const char *why)
{
    pthread_mutex_lock(&t->lock);
    bool first = !t->view.broken;
    t->view.broken = true;
    snprintf(t->view.why, sizeof t->view.why, "%s", why);
    wake_all(t);
    pthread_mutex_unlock(&t->lock);
    if (first)
        log_event(LOG_ERROR, "the topic is not the one that was read: writes refused",
                  LOG_S("topic", t->topic), LOG_S("why", why), LOG_END);
}

/* librdkafka 2.0.2 may keep a question for long when nothing comes through
 * and nothing is refused: who has not been heard is away, asked or not. */
static bool is_silent(const struct reg_tail *t)
{
    return clock_ms() - atomic_load(&t->heard_ms) > SILENT_MS;
}

/* Kafka was heard, or was not. */
static void set_up(struct reg_tail *t, bool up, const char *why)
{
    pthread_mutex_lock(&t->lock);
    bool was_up = t->view.kafka_is_up;
    t->view.kafka_is_up = up;
    atomic_store(&t->is_away, !up);
    if (up)
        atomic_store(&t->heard_ms, clock_ms());
    if (!t->view.broken)
        snprintf(t->view.why, sizeof t->view.why, "%s", why);
    wake_all(t);
    pthread_mutex_unlock(&t->lock);

    if (was_up && !up)
        log_event(LOG_WARN, "Kafka is away: reads go on, writes wait or are refused",
                  LOG_S("topic", t->topic), LOG_S("why", why), LOG_END);
    if (up && !was_up)
        log_event(LOG_INFO, "Kafka is there", LOG_S("topic", t->topic), LOG_END);
}

static void read_on(struct reg_tail *t, struct arena *a)
{
    struct kf_message m;
    struct kf_end end = {0};
    struct err e = {0};
    bool got = false;

    if (kf_poll(t->consumer, POLL_MS, &m, &got, &end, &e) != ERR_OK) {
        if (e.kind == ERR_CONFLICT)
            break_off(t, e.msg);
        else
            set_up(t, false, e.msg);
        return;
    }
    if (got) {
        apply(t, &m, a);
        advance(t, m.offset + 1, true, false);
        kf_message_free(&m);
        arena_reset(a);
    }
    if (end.reached)
        advance(t, end.offset, false, true);
}

static void *read_all(void *tail)
{
    struct reg_tail *t = tail;
    struct arena a = {0};

    while (!atomic_load(&t->stop))
        read_on(t, &a);
    arena_free(&a);
    return NULL;
}

/* The pulse. */

static enum err_kind ask_end(struct reg_tail *t, int timeout_ms, int64_t *end,
                             struct err *e)
{
    int64_t low = 0;
    char why[160];

    // Before asking: while the answer is on its way we read on, maybe past it.
    pthread_mutex_lock(&t->lock);
    int64_t next = t->view.next;
    pthread_mutex_unlock(&t->lock);

    enum err_kind rc = kf_offsets(t->admin, t->topic, 0, &low, end, timeout_ms, e);
    set_up(t, rc == ERR_OK, rc == ERR_OK ? "" : e->msg);
    if (rc != ERR_OK)
        return rc;
    if (*end < next) {
        snprintf(why, sizeof why,
                 "it ends at offset %" PRId64 ", %" PRId64 " were read before", *end,
                 next);
        break_off(t, why);
        return err_set(e, ERR_CONFLICT, "topic %s: %s", t->topic, why);
    }
    return ERR_OK;
}

static void *feel_pulse(void *tail)
{
    struct reg_tail *t = tail;
    int64_t end = 0;

    while (!atomic_load(&t->stop)) {
        struct err e = {0};
        int64_t again = clock_ms() + PULSE_MS;

        if (ask_end(t, PULSE_PATIENCE_MS, &end, &e) == ERR_OK) {
            pthread_mutex_lock(&t->lock);
            if (t->first_end < 0)
                t->first_end = end;
            bool all = end <= t->view.next;
            pthread_mutex_unlock(&t->lock);
            if (all)
                advance(t, end, false, true);
        }
        pthread_mutex_lock(&t->lock);
        if (!t->view.kafka_is_up)
            again = clock_ms() + PULSE_AWAY_MS;
        while (!atomic_load(&t->stop) && clock_ms() < again)
            (void)wait_moved(t, again);
        pthread_mutex_unlock(&t->lock);
    }
    return NULL;
}

/* Questions are given up sooner than records, unless the user says when. */
static enum err_kind open_admin(struct reg_tail *t, struct err *e)
{
    static const char name[] = "socket.timeout.ms";
    size_t n = t->properties != NULL ? t->properties->n : 0;
    struct conf_pairs p = {.items = mem_array(n + 1, sizeof *p.items), .n = n + 1};

    p.items[0] = (struct conf_pair){.name = name, .value = SOCKET_PATIENCE};
    for (size_t i = 0; i < n; i++) {
        p.items[i + 1] = t->properties->items[i];
        if (strcmp(p.items[i + 1].name, name) == 0)
            p.items[0] = p.items[i + 1];
    }
    enum err_kind rc = kf_admin_open(&t->admin, t->bootstrap, &p, e);
    free(p.items);
    return rc;
}

enum err_kind reg_tail_open(struct reg_tail **out, const char *bootstrap,
                            const struct conf_pairs *properties, const char *topic,
                            struct err *e)
{
    struct reg_tail *t = mem_alloc(sizeof *t);

    t->bootstrap = bootstrap;
    t->properties = properties;
    t->topic = topic;
    t->fence.offset = -1;
    t->first_end = -1;
    t->awaited = NONE;
    atomic_store(&t->heard_ms, clock_ms());
    t->view.kafka_is_up = true;
    if (open_admin(t, e) != ERR_OK)
        goto no_admin;
    if (kf_consumer_assign(&t->consumer, bootstrap, properties, topic, 0, KF_BEGINNING,
                           e) != ERR_OK)
        goto no_consumer;

    reg_state_init(&t->state);
    make_state_lock(&t->state_lock);
    pthread_mutex_init(&t->lock, NULL);
    clock_cond_init(&t->moved);
    if (pthread_create(&t->reader, NULL, read_all, t) != 0 ||
        pthread_create(&t->pulse, NULL, feel_pulse, t) != 0)
        abort(); // no threads at start: the machine is out
    *out = t;
    return ERR_OK;

no_consumer:
    kf_admin_close(t->admin);
no_admin:
    free(t);
    return e->kind;
}

void reg_tail_close(struct reg_tail *t)
{
    if (t == NULL)
        return;
    pthread_mutex_lock(&t->lock);
    atomic_store(&t->stop, true);
    wake_all(t);
    pthread_mutex_unlock(&t->lock);
    pthread_join(t->reader, NULL);
    pthread_join(t->pulse, NULL);
    kf_consumer_close(t->consumer);
    kf_admin_close(t->admin);
    reg_state_free(&t->state);
    pthread_rwlock_destroy(&t->state_lock);
    pthread_mutex_destroy(&t->lock);
    pthread_cond_destroy(&t->moved);
    free(t);
}

const struct reg_state *reg_tail_look(struct reg_tail *t)
{
    pthread_rwlock_rdlock(&t->state_lock);
    return &t->state;
}

void reg_tail_done(struct reg_tail *t)
{
    pthread_rwlock_unlock(&t->state_lock);
}

void reg_tail_view(struct reg_tail *t, struct reg_tail_view *out)
{
    pthread_mutex_lock(&t->lock);
    *out = t->view;
    if (t->view.kafka_is_up && is_silent(t)) {
        out->kafka_is_up = false;
        if (!out->broken)
            snprintf(out->why, sizeof out->why,
                     "Kafka was last heard %" PRId64 " ms ago",
                     clock_ms() - atomic_load(&t->heard_ms));
    }
    pthread_mutex_unlock(&t->lock);
}

int64_t reg_tail_lag(struct reg_tail *t)
{
    if (!atomic_load(&t->is_away) && !is_silent(t))
        return 0;
    int64_t ms = clock_ms() - atomic_load(&t->heard_ms);
    return ms > 0 ? ms : 1;
}

bool reg_tail_wait(struct reg_tail *t, int64_t next, int64_t due_ms)
{
    pthread_mutex_lock(&t->lock);
    while (t->view.next < next && !t->view.broken && clock_ms() < due_ms) {
        await(t, next);
        (void)wait_moved(t, due_ms);
    }
    bool there = t->view.next >= next && !t->view.broken;
    pthread_mutex_unlock(&t->lock);
    return there;
}

void reg_tail_fence(struct reg_tail *t, struct reg_fence *out)
{
    pthread_mutex_lock(&t->lock);
    *out = t->fence;
    pthread_mutex_unlock(&t->lock);
}

bool reg_tail_wait_fence(struct reg_tail *t, int64_t after, int64_t due_ms)
{
    pthread_mutex_lock(&t->lock);
    while (t->fence.offset <= after && !t->view.broken && clock_ms() < due_ms) {
        await(t, ANY);
        (void)wait_moved(t, due_ms);
    }
    bool newer = t->fence.offset > after;
    pthread_mutex_unlock(&t->lock);
    return newer;
}

bool reg_tail_wait_read(struct reg_tail *t, int64_t due_ms)
{
    pthread_mutex_lock(&t->lock);
    while (!t->view.caught_up && clock_ms() < due_ms)
        (void)wait_moved(t, due_ms);
    bool read = t->view.caught_up;
    pthread_mutex_unlock(&t->lock);
    return read;
}

/* While Kafka is known to be away it is the pulse that asks: librdkafka 2.0.2 does not
 * give up a question at its time-out when the broker is gone, but at the socket's. */
static enum err_kind wait_up(struct reg_tail *t, int64_t due_ms, struct err *e)
{
    enum err_kind rc = ERR_OK;

    pthread_mutex_lock(&t->lock);
    while (!t->view.kafka_is_up && !t->view.broken && clock_ms() < due_ms)
        (void)wait_moved(t, due_ms);
    if (!t->view.kafka_is_up || t->view.broken)
        rc = err_set(e, t->view.broken ? ERR_CONFLICT : ERR_UNAVAILABLE, "topic %s: %s",
                     t->topic, t->view.why);
    pthread_mutex_unlock(&t->lock);
    return rc;
}

enum err_kind reg_tail_sync(struct reg_tail *t, int64_t due_ms, struct err *e)
{
    int64_t end = 0;

    TRY(wait_up(t, due_ms, e));
    int64_t left = due_ms - clock_ms();
    if (left <= 0)
        return err_set(e, ERR_UNAVAILABLE, "no time left to ask Kafka");
    TRY(ask_end(t, (int)left, &end, e));
    if (reg_tail_wait(t, end, due_ms))
        return ERR_OK;

    struct reg_tail_view view;
    reg_tail_view(t, &view);
    if (view.broken)
        return err_set(e, ERR_CONFLICT, "topic %s: %s", t->topic, view.why);
    return err_set(e, ERR_UNAVAILABLE,
                   "topic %s read to offset %" PRId64 " of %" PRId64 " in time",
                   t->topic, view.next, end);
}
