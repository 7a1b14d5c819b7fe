#include "kafka/producer_inside.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"

#include <assert.h>
#include <stdlib.h>
#include <time.h>

#define SLAB 1024           // tickets made at a time
#define CHUNK 256           // records sent, and reports read, under one lock
#define POLL_MS 100         // how late the poll thread may see that it should stop
#define PURGE_MS 5000       // how long purged records may take to be reported
#define HEADERS_MAX 1000    // of one record
#define RECORD_OVERHEAD 128 // of a batch of one (61) and of a record (36), rounded up

struct kf_slab {
    struct kf_slab *next;
    struct kf_ticket tickets[SLAB];
};

/* ---- tickets ---- */

static void grow(struct kf_producer *p)
{
    struct kf_slab *s = mem_alloc(sizeof *s);

    s->next = p->slabs;
    p->slabs = s;
    p->tickets += SLAB;
    p->pool = mem_grow(p->pool, p->tickets, sizeof(struct kf_ticket *));
    for (size_t i = 0; i < SLAB; i++)
        p->pool[p->pooled++] = &s->tickets[i];
}

static void take(struct kf_producer *p, struct kf_ticket **out, size_t n,
                 struct kf_waiter *w, uint32_t first)
{
    pthread_mutex_lock(&p->lock);
    while (p->pooled < n)
        grow(p);
    p->pooled -= n;
    memcpy(out, p->pool + p->pooled, n * sizeof(struct kf_ticket *));
    pthread_mutex_unlock(&p->lock);
    for (size_t i = 0; i < n; i++)
        *out[i] = (struct kf_ticket){.waiter = w, .index = first + (uint32_t)i};
    atomic_fetch_add(&p->in_flight, n);
}

/* After their reports: whoever waits for none to be left may free the waiters. */
static void done(struct kf_producer *p, size_t n)
{
    if (n == 0 || atomic_fetch_sub(&p->in_flight, n) != n)
        return;
    pthread_mutex_lock(&p->lock);
    pthread_cond_broadcast(&p->none_left);
    pthread_mutex_unlock(&p->lock);
}

static void give_back(struct kf_producer *p, struct kf_ticket *const *tickets, size_t n)
{
    pthread_mutex_lock(&p->lock);
    memcpy(p->pool + p->pooled, tickets, n * sizeof(struct kf_ticket *));
    p->pooled += n;
    pthread_mutex_unlock(&p->lock);
}

/* ---- reports ---- */

static const char *name_of(rd_kafka_resp_err_t code)
{
    return code == RD_KAFKA_RESP_ERR_NO_ERROR ? NULL : rd_kafka_err2name(code);
}

/* A success without an offset is librdkafka's conclusion from a later record's, not the
 * broker's word for this one.  A broker takes any first sequence number of a producer
 * it does not know (KIP-360), so where the first batch of a new partition was turned
 * away and the second was not, that conclusion is wrong. */
static struct kf_report no_offset(const rd_kafka_message_t *m)
{
    return (struct kf_report){
        .kind = ERR_UNAVAILABLE,
        .maybe = true,
        .partition = m->partition,
        .offset = -1,
        .timestamp_ms = -1,
        .name = "NO_OFFSET",
        .reason = "Kafka acknowledged what came after this record, not the record",
    };
}

static struct kf_report read_report(const rd_kafka_message_t *m, bool our_time)
{
    rd_kafka_timestamp_type_t type;
    int64_t at = rd_kafka_message_timestamp(m, &type);
    bool there = m->err == RD_KAFKA_RESP_ERR_NO_ERROR;
    enum err_kind kind = kf_kind(m->err);

    if (there && m->offset < 0)
        return no_offset(m);

    // A dead producer is the producer's trouble, not the record's: another may send it.
    if (m->err == RD_KAFKA_RESP_ERR__FATAL || m->err == RD_KAFKA_RESP_ERR__FENCED)
        kind = ERR_UNAVAILABLE;
    // Kafka takes nothing from an hour ahead of its clock: ours is wrong, or Kafka's.
    if (m->err == RD_KAFKA_RESP_ERR_INVALID_TIMESTAMP && our_time)
        kind = ERR_UNAVAILABLE;
    return (struct kf_report){
        .kind = kind,
        .maybe =
            !there && rd_kafka_message_status(m) != RD_KAFKA_MSG_STATUS_NOT_PERSISTED,
        .partition = m->partition,
        .offset = there ? m->offset : -1,
        .timestamp_ms = type == RD_KAFKA_TIMESTAMP_NOT_AVAILABLE ? -1 : at,
        .name = name_of(m->err),
        .reason = rd_kafka_err2str(m->err),
    };
}

/* The tickets are read and given back, under one lock, before the reports are handed
 * over without it. */
static void report_chunk(struct kf_producer *p, const rd_kafka_message_t *const *m,
                         size_t n)
{
    struct kf_ticket *tickets[CHUNK];
    struct kf_ticket copies[CHUNK];

    for (size_t i = 0; i < n; i++) {
        tickets[i] = m[i]->_private;
        copies[i] = *tickets[i];
    }
    give_back(p, tickets, n);

    const struct kf_together *together = atomic_load(&p->together);
    if (together != NULL)
        together->begin();
    for (size_t i = 0; i < n; i++) {
        struct kf_report r = read_report(m[i], copies[i].our_time);
        if (r.kind == ERR_NOT_FOUND)
            kf_handle_doubt(&p->handles, rd_kafka_topic_name(m[i]->rkt));
        copies[i].waiter->report(copies[i].waiter, copies[i].index, &r);
    }
    if (together != NULL)
        together->end();
    done(p, n);
}

static void report_all(struct kf_producer *p, rd_kafka_event_t *ev)
{
    const rd_kafka_message_t *m[CHUNK];
    size_t n;

    while ((n = rd_kafka_event_message_array(ev, m, CHUNK)) > 0)
        report_chunk(p, m, n);
}

static void note_error(struct kf_producer *p, rd_kafka_event_t *ev)
{
    char words[200] = "";
    rd_kafka_resp_err_t code = rd_kafka_event_error(ev);
    bool fatal = rd_kafka_event_error_is_fatal(ev);

    if (code == RD_KAFKA_RESP_ERR__TRANSPORT)
        return; // its log said so
    if (fatal)
        code = rd_kafka_fatal_error(p->rk, words, sizeof words);
    log_event(fatal ? LOG_ERROR : LOG_WARN,
              fatal ? "kafka producer is dead" : "kafka producer in trouble",
              LOG_S("error", rd_kafka_err2name(code)),
              LOG_S("said", fatal ? words : rd_kafka_event_error_string(ev)), LOG_END);
}

static void *poll_events(void *producer)
{
    struct kf_producer *p = producer;

    while (!atomic_load(&p->stop)) {
        rd_kafka_event_t *ev = rd_kafka_queue_poll(p->events, POLL_MS);

        switch (rd_kafka_event_type(ev)) {
        case RD_KAFKA_EVENT_DR: report_all(p, ev); break;
        case RD_KAFKA_EVENT_ERROR: note_error(p, ev); break;
        default: break;
        }
        if (ev != NULL)
            rd_kafka_event_destroy(ev);
    }
    return NULL;
}

/* ---- opening and closing ---- */

static enum err_kind start(struct kf_producer *p, const char *bootstrap,
                           const struct conf_pairs *properties,
                           const struct conf_pair *more, size_t n, struct err *e)
{
    rd_kafka_conf_t *conf = NULL;

    TRY(kf_conf_make(&conf, KF_PRODUCER, bootstrap, properties, &p->voice, e));
    for (size_t i = 0; i < n; i++)
        if (rd_kafka_conf_set(conf, more[i].name, more[i].value, NULL, 0) !=
            RD_KAFKA_CONF_OK) {
            rd_kafka_conf_destroy(conf);
            return err_set(e, ERR_INVALID, "kafka.%s: librdkafka does not take \"%s\"",
                           more[i].name, more[i].value);
        }
    kf_handles_install(conf, properties);
    rd_kafka_conf_set_events(conf, RD_KAFKA_EVENT_DR | RD_KAFKA_EVENT_ERROR);
    TRY(kf_new(&p->rk, RD_KAFKA_PRODUCER, conf, e));
    p->events = rd_kafka_queue_get_main(p->rk);

    int no = pthread_create(&p->poll_thread, NULL, poll_events, p);
    if (no == 0)
        return ERR_OK;
    rd_kafka_queue_destroy(p->events);
    rd_kafka_destroy(p->rk);
    return err_set(e, ERR_UNAVAILABLE, "no thread for the producer: %s", strerror(no));
}

static void free_all(struct kf_producer *p)
{
    while (p->slabs != NULL) {
        struct kf_slab *next = p->slabs->next;
        free(p->slabs);
        p->slabs = next;
    }
    free(p->pool);
    pthread_cond_destroy(&p->none_left);
    pthread_mutex_destroy(&p->lock);
    kf_voice_free(&p->voice);
    free(p);
}

enum err_kind kf_producer_make(struct kf_producer **out, const char *bootstrap,
                               const struct conf_pairs *properties,
                               const struct conf_pair *more, size_t n, struct err *e)
{
    struct kf_producer *p = mem_alloc(sizeof *p);

    kf_voice_init(&p->voice);
    kf_handles_init(&p->handles);
    pthread_mutex_init(&p->lock, NULL);
    clock_cond_init(&p->none_left);

    enum err_kind rc = start(p, bootstrap, properties, more, n, e);
    if (rc != ERR_OK) {
        kf_handles_free(&p->handles);
        free_all(p);
        return rc;
    }
    *out = p;
    return ERR_OK;
}

enum err_kind kf_producer_open(struct kf_producer **out, const char *bootstrap,
                               const struct conf_pairs *properties, struct err *e)
{
    return kf_producer_make(out, bootstrap, properties, NULL, 0, e);
}

static bool wait_none_left(struct kf_producer *p, int64_t deadline_ms)
{
    struct timespec until = clock_at(deadline_ms);
    bool none;

    pthread_mutex_lock(&p->lock);
    while (!(none = atomic_load(&p->in_flight) == 0))
        if (pthread_cond_timedwait(&p->none_left, &p->lock, &until) != 0)
            break;
    none = none || atomic_load(&p->in_flight) == 0;
    pthread_mutex_unlock(&p->lock);
    return none;
}

bool kf_flush(struct kf_producer *p, int timeout_ms)
{
    int64_t deadline_ms = clock_ms() + timeout_ms;

    // Its answer says what librdkafka holds; ours, what was reported.
    (void)rd_kafka_flush(p->rk, timeout_ms);
    return wait_none_left(p, deadline_ms);
}

void kf_producer_close(struct kf_producer *p)
{
    if (atomic_load(&p->in_flight) > 0) {
        rd_kafka_purge(p->rk, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
        bool reported = kf_flush(p, PURGE_MS);
        assert(reported);
    }
    atomic_store(&p->stop, true);
    rd_kafka_queue_yield(p->events); // do not sleep POLL_MS for nothing
    pthread_join(p->poll_thread, NULL);
    rd_kafka_queue_destroy(p->events);
    kf_handles_free(&p->handles);
    rd_kafka_destroy(p->rk);
    free_all(p);
}

void kf_report_together(struct kf_producer *p, const struct kf_together *t)
{
    atomic_store(&p->together, t);
}

bool kf_healthy(const struct kf_producer *p)
{
    return rd_kafka_fatal_error(p->rk, NULL, 0) == RD_KAFKA_RESP_ERR_NO_ERROR;
}

size_t kf_largest(const struct kf_producer *p)
{
    char text[24] = "";
    size_t n = sizeof text;

    if (rd_kafka_conf_get(rd_kafka_conf(p->rk), "message.max.bytes", text, &n) != 0)
        return SIZE_MAX;
    size_t most = strtoul(text, NULL, 10);
    return most > RECORD_OVERHEAD ? most - RECORD_OVERHEAD : 0;
}

size_t kf_in_flight(const struct kf_producer *p)
{
    return atomic_load(&((struct kf_producer *)(uintptr_t)p)->in_flight);
}

/* ---- sending ---- */

/* Where the records of one call go, and when it began. */
struct target {
    struct kf_handle *handle;
    int64_t now_us;
};

/* By handle, not by name: a handle that is new asks Kafka for its partitions at once, a
 * name waits up to a second for the next look around (librdkafka 2.0.2). */
static bool aim(struct kf_producer *p, struct target *to, const char *topic)
{
    to->now_us = clock_us();
    to->handle = kf_handle_take(&p->handles, p->rk, topic, to->now_us);
    return to->handle != NULL;
}

static bool is_unknown(rd_kafka_resp_err_t code)
{
    return code == RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC ||
           code == RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION ||
           code == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART;
}

static rd_kafka_headers_t *make_headers(const struct kf_record *r)
{
    if (r->n_headers == 0)
        return NULL;

    rd_kafka_headers_t *all = rd_kafka_headers_new(r->n_headers);
    for (size_t i = 0; i < r->n_headers; i++) {
        const struct kf_header *h = &r->headers[i];
        rd_kafka_header_add(all, h->name, -1, h->value.p, (ssize_t)h->value.n);
    }
    return all;
}

static bool is_spread(const struct kf_record *r)
{
    return r->partition < 0 && r->key.p == NULL;
}

static rd_kafka_resp_err_t send_one(struct kf_producer *p, const struct target *to,
                                    const struct kf_record *r, struct kf_ticket *t)
{
    if (r->n_headers > HEADERS_MAX)
        return RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE;

    t->our_time = r->timestamp_ms == 0;
    rd_kafka_headers_t *headers = make_headers(r);
    int32_t partition =
        is_spread(r) ? kf_handle_partition(to->handle, to->now_us) : r->partition;
    rd_kafka_resp_err_t code = rd_kafka_producev(
        p->rk, RD_KAFKA_V_RKT(to->handle->rkt), RD_KAFKA_V_PARTITION(partition),
        RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
        RD_KAFKA_V_KEY((void *)(uintptr_t)r->key.p, r->key.n),
        RD_KAFKA_V_VALUE((void *)(uintptr_t)r->value.p, r->value.n),
        RD_KAFKA_V_TIMESTAMP(r->timestamp_ms), RD_KAFKA_V_HEADERS(headers),
        RD_KAFKA_V_OPAQUE(t), RD_KAFKA_V_END);

    if (code != RD_KAFKA_RESP_ERR_NO_ERROR && headers != NULL)
        rd_kafka_headers_destroy(headers); // it takes them only when it succeeds
    return code;
}

/* A fatal error is about the producer; the record can be sent by the next one. */
static enum err_kind refusal(rd_kafka_resp_err_t code)
{
    return code == RD_KAFKA_RESP_ERR__FATAL ? ERR_UNAVAILABLE : kf_kind(code);
}

static rd_kafka_resp_err_t send_to(struct kf_producer *p, const char *topic,
                                   const struct kf_record *r, struct kf_ticket *t)
{
    struct target to;

    if (!aim(p, &to, topic))
        return rd_kafka_last_error();
    rd_kafka_resp_err_t code = send_one(p, &to, r, t);
    if (is_unknown(code))
        kf_handle_doubt(&p->handles, topic);
    kf_handle_give(&p->handles, to.handle);
    return code;
}

enum err_kind kf_send(struct kf_producer *p, const char *topic,
                      const struct kf_record *r, struct kf_waiter *w, uint32_t index,
                      struct err *e)
{
    struct kf_ticket *t;

    take(p, &t, 1, w, index);
    rd_kafka_resp_err_t code = send_to(p, topic, r, t);
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR)
        return ERR_OK;
    give_back(p, &t, 1);
    done(p, 1);
    return err_set(e, refusal(code), "topic %s: %s: %s", topic, rd_kafka_err2name(code),
                   rd_kafka_err2str(code));
}

static void refuse(struct kf_producer *p, struct kf_ticket *t,
                   const struct kf_record *record, rd_kafka_resp_err_t code)
{
    struct kf_report r = {.kind = refusal(code),
                          .partition = record->partition,
                          .offset = -1,
                          .timestamp_ms = -1,
                          .name = rd_kafka_err2name(code),
                          .reason = rd_kafka_err2str(code)};
    struct kf_ticket copy = *t;

    give_back(p, &t, 1);
    copy.waiter->report(copy.waiter, copy.index, &r);
    done(p, 1);
}

static void turn_down(struct kf_producer *p, const struct target *to,
                      struct kf_ticket *t, const struct kf_record *record,
                      rd_kafka_resp_err_t code)
{
    if (is_unknown(code))
        kf_handle_doubt(&p->handles, to->handle->name);
    refuse(p, t, record, code);
}

/* librdkafka's batch call knows neither headers nor timestamps. */
static bool is_plain(const struct kf_record *r)
{
    return r->n_headers == 0 && r->timestamp_ms == 0;
}

/* To one partition: librdkafka looks it up once.  RD_KAFKA_PARTITION_UA: wherever its
 * partitioner says, for each of them. */
static size_t send_plain(struct kf_producer *p, const struct target *to,
                         int32_t partition, const struct kf_record *records, size_t n,
                         struct kf_ticket **tickets)
{
    rd_kafka_message_t m[CHUNK];

    for (size_t i = 0; i < n; i++) {
        tickets[i]->our_time = true;
        m[i] = (rd_kafka_message_t){
            .payload = (void *)(uintptr_t)records[i].value.p,
            .len = records[i].value.n,
            .key = (void *)(uintptr_t)records[i].key.p,
            .key_len = records[i].key.n,
            ._private = tickets[i],
        };
    }
    size_t taken = (size_t)rd_kafka_produce_batch(to->handle->rkt, partition,
                                                  RD_KAFKA_MSG_F_COPY, m, (int)n);
    for (size_t i = 0; taken < n && i < n; i++)
        if (m[i].err != RD_KAFKA_RESP_ERR_NO_ERROR)
            turn_down(p, to, tickets[i], &records[i], m[i].err);
    return n - taken;
}

/* By itself: librdkafka reads the clock when the record is in, and by that decides to
 * wake its thread.  In a batch for one partition it goes by the clock of when the call
 * began, which is too early where we were not let run since. */
static size_t send_last(struct kf_producer *p, const struct target *to,
                        int32_t partition, const struct kf_record *r,
                        struct kf_ticket *t)
{
    t->our_time = true;
    if (rd_kafka_produce(to->handle->rkt, partition, RD_KAFKA_MSG_F_COPY,
                         (void *)(uintptr_t)r->value.p, r->value.n, r->key.p, r->key.n,
                         t) == 0)
        return 0;
    turn_down(p, to, t, r, rd_kafka_last_error());
    return 1;
}

/* Records without a key: the first is asked where it goes, unless that is known. */
static size_t send_spread(struct kf_producer *p, const struct target *to,
                          const struct kf_record *records, size_t n,
                          struct kf_ticket **tickets)
{
    int32_t partition = kf_handle_partition(to->handle, to->now_us);
    size_t refused = 0, i = 0;

    if (partition < 0 && n > 1) {
        refused = send_plain(p, to, RD_KAFKA_PARTITION_UA, records, 1, tickets);
        i = 1;
        partition = kf_handle_partition(to->handle, to->now_us);
    }
    if (n > i + 1)
        refused += send_plain(p, to, partition, records + i, n - i - 1, tickets + i);
    return refused + send_last(p, to, partition, &records[n - 1], tickets[n - 1]);
}

/* How many of them, from the first, go the way of the first. */
static size_t run_of(const struct kf_record *records, size_t n)
{
    size_t run = 1;

    while (run < n && is_plain(&records[run]) &&
           records[run].partition == records[0].partition &&
           is_spread(&records[run]) == is_spread(&records[0]))
        run++;
    return run;
}

static size_t send_run(struct kf_producer *p, const struct target *to,
                       const struct kf_record *records, size_t n,
                       struct kf_ticket **tickets)
{
    if (is_spread(records))
        return send_spread(p, to, records, n, tickets);
    return send_plain(p, to, records->partition, records, n, tickets);
}

static size_t send_chunk(struct kf_producer *p, const struct target *to,
                         const struct kf_record *records, size_t n, struct kf_waiter *w,
                         uint32_t first)
{
    struct kf_ticket *tickets[CHUNK];
    size_t refused = 0;

    take(p, tickets, n, w, first);
    for (size_t i = 0; i < n;) {
        if (is_plain(&records[i])) {
            size_t run = run_of(records + i, n - i);
            refused += send_run(p, to, records + i, run, tickets + i);
            i += run;
            continue;
        }
        rd_kafka_resp_err_t code = send_one(p, to, &records[i], tickets[i]);
        if (code != RD_KAFKA_RESP_ERR_NO_ERROR) {
            turn_down(p, to, tickets[i], &records[i], code);
            refused++;
        }
        i++;
    }
    return refused;
}

static size_t refuse_all(struct kf_producer *p, const struct kf_record *records,
                         size_t n, struct kf_waiter *w, uint32_t first,
                         rd_kafka_resp_err_t code)
{
    for (size_t i = 0; i < n; i++) {
        struct kf_ticket *t;

        take(p, &t, 1, w, first + (uint32_t)i);
        refuse(p, t, &records[i], code);
    }
    return n;
}

size_t kf_send_batch(struct kf_producer *p, const char *topic,
                     const struct kf_record *records, size_t n, struct kf_waiter *w,
                     uint32_t first)
{
    struct target to;
    size_t refused = 0;

    if (!aim(p, &to, topic))
        return refuse_all(p, records, n, w, first, rd_kafka_last_error());
    if (!kf_healthy(p)) // the batch call does not look
        refused = refuse_all(p, records, n, w, first, RD_KAFKA_RESP_ERR__FATAL);
    else
        for (size_t i = 0; i < n; i += CHUNK)
            refused += send_chunk(p, &to, records + i, n - i < CHUNK ? n - i : CHUNK, w,
                                  first + (uint32_t)i);
    kf_handle_give(&p->handles, to.handle);
    return refused;
}
