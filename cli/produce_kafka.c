/*
 * Straight to Kafka: what the gateway does between its HTTP ends, in this process.  The
 * parameters are read by the gateway's reader and the body by its batch, so that a row
 * is taken here if and only if it is taken there.
 */
#include "cli/produce_way.h"

#include "base/clock.h"
#include "gateway/batch.h"
#include "gateway/codec.h"
#include "gateway/contracts.h"
#include "gateway/topics.h"
#include "kafka/producer.h"
#include "registry-client/registry_client.h"

#include <assert.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#define REGISTRY_MS 5000
#define TOPIC_MS 5000
#define FRAMES_MOST ((size_t)256 << 20)
#define PROBLEMS_A_ROW 20
#define CODECS_MOST 16 // a subject's latest version may change while we run

/* One batch in flight. */
struct flight {
    struct kf_waiter waiter; // first: reports come back to this
    pthread_mutex_t lock;
    pthread_cond_t all_here;
    // under lock
    size_t left;
    struct verdict *v;
    const size_t *rows; // record -> row
    enum err_kind kind; // of the first failure
    const char *reason;
};

struct way_kafka {
    struct way way; // first
    const struct way_settings *s;
    const struct way_kafka_settings *k;
    struct ask ask;
    struct rc *rc;
    struct kf_admin *admin;
    struct kf_producer *producer;
    size_t largest; // bytes of a record that it takes
    struct codecs codecs;
    struct contracts contracts;
    struct topics topics;
    struct flight flight;
};

/* What failed, as the loop outside wants it: retry, smaller, or stop. */
static void say_failure(struct verdict *v, const struct err *e)
{
    enum verdict_kind kind = e->kind == ERR_UNAVAILABLE ? VERDICT_AGAIN
                             : e->kind == ERR_LIMIT     ? VERDICT_SPLIT
                                                        : VERDICT_STOP;

    verdict_all(v, FATE_NOT_WRITTEN);
    v->n_refusals = 0;
    verdict_say(v, kind, "%s", e->msg);
}

/* ---- what is asked before a batch ---- */

static enum err_kind find_schema(struct way_kafka *w, struct rc_schema *out,
                                 struct err *e)
{
    int64_t deadline = clock_ms() + REGISTRY_MS;
    struct buf subject = BUF_INIT(4096);

    if (w->ask.schema_id != 0)
        return rc_by_id(w->rc, w->ask.schema_id, deadline, out, e);
    enum err_kind rc = ERR_OK;
    if (w->ask.subject.n > 0)
        buf_put(&subject, w->ask.subject);
    else
        rc = subject_name(&subject, w->ask.strategy, w->ask.topic, w->ask.record_name,
                          false, e);
    if (rc == ERR_OK)
        rc = rc_by_version(w->rc, buf_span(&subject), w->ask.version, deadline, out, e);
    buf_free(&subject);
    return rc;
}

static enum err_kind check_key_field(const struct way_kafka *w,
                                     const struct rc_schema *s, struct err *e)
{
    const struct av_node *root = av_schema_root(s->schema);

    if (w->ask.key_field.n == 0)
        return ERR_OK;
    for (size_t i = 0; i < root->n_fields; i++)
        if (span_eq(root->fields[i].name, w->ask.key_field))
            return ERR_OK;
    return err_set(e, ERR_INVALID, "key_field: schema %d has no field \"" SPAN_FMT "\"",
                   s->id, SPAN_ARG(w->ask.key_field));
}

static enum err_kind mend_producer(struct way_kafka *w, struct err *e)
{
    if (w->producer != NULL && kf_healthy(w->producer))
        return ERR_OK;
    if (w->producer != NULL)
        kf_producer_close(w->producer);
    w->producer = NULL;
    return kf_producer_open(&w->producer, w->k->bootstrap, w->k->kafka, e);
}

/* ---- a batch ---- */

static void on_report(struct kf_waiter *waiter, uint32_t index,
                      const struct kf_report *r)
{
    struct flight *f = (struct flight *)waiter;

    pthread_mutex_lock(&f->lock);
    f->v->fates[f->rows[index]] = r->kind == ERR_OK ? FATE_WRITTEN
                                  : r->maybe        ? FATE_UNKNOWN
                                                    : FATE_NOT_WRITTEN;
    if (r->kind != ERR_OK && f->kind == ERR_OK) {
        f->kind = r->kind;
        f->reason = r->reason;
    }
    if (--f->left == 0)
        pthread_cond_signal(&f->all_here);
    pthread_mutex_unlock(&f->lock);
}

static void take_refusals(const struct gw_batch *b, struct verdict *v)
{
    v->refusals = arena_array(&v->arena, b->problems.n, sizeof *v->refusals);
    for (size_t i = 0; i < b->n; i++) {
        const struct item *it = &b->items[i];
        const struct av_problem *p = it->first;
        if (it->frame_n == 0)
            v->fates[i] = FATE_REFUSED;
        for (size_t k = 0; k < it->n_problems; k++, p = p->next)
            v->refusals[v->n_refusals++] =
                (struct refusal){.row = i,
                                 .pointer = arena_copy(&v->arena, p->pointer),
                                 .rule = arena_copy(&v->arena, span_str(p->rule)),
                                 .message = arena_copy(&v->arena, p->message),
                                 .has_offset = true,
                                 .offset = p->offset};
    }
}

/* Sends what is good and waits for the last report: it comes within message.timeout.ms.
 */
static void fly(struct way_kafka *w, const struct gw_batch *b, struct verdict *v)
{
    struct kf_record *records = mem_array(b->n, sizeof *records);
    size_t *rows = mem_array(b->n, sizeof *rows), n = 0;
    struct flight *f = &w->flight;

    for (size_t i = 0; i < b->n; i++) {
        if (b->items[i].frame_n == 0)
            continue;
        rows[n] = i;
        records[n++] = (struct kf_record){.key = gw_batch_key(b, i),
                                          .value = gw_batch_frame(b, i),
                                          .partition = w->ask.partition};
    }
    f->v = v;
    f->rows = rows;
    f->left = n;
    f->kind = ERR_OK;
    f->reason = "";
    if (n > 0)
        kf_send_batch(w->producer, w->s->topic, records, n, &f->waiter, 0);
    pthread_mutex_lock(&f->lock);
    while (f->left > 0)
        pthread_cond_wait(&f->all_here, &f->lock);
    pthread_mutex_unlock(&f->lock);
    free(records);
    free(rows);
}

static void judge(const struct flight *f, struct verdict *v)
{
    size_t lost = verdict_count(v, FATE_NOT_WRITTEN);
    size_t unknown = verdict_count(v, FATE_UNKNOWN);
    struct err e = {.kind = f->kind};

    if (lost + unknown == 0) {
        v->kind = VERDICT_DONE;
        return;
    }
    snprintf(e.msg, sizeof e.msg, "Kafka: %s", f->reason);
    if (unknown > 0)
        verdict_say(v, VERDICT_DOUBT, "%s", e.msg);
    else if (verdict_count(v, FATE_WRITTEN) > 0)
        verdict_say(v, VERDICT_PARTLY, "%s", e.msg);
    else
        say_failure(v, &e);
}

static void settle_dry_run(const struct gw_batch *b, struct verdict *v)
{
    for (size_t i = 0; i < b->n; i++)
        if (b->items[i].frame_n > 0)
            v->fates[i] = FATE_WRITTEN;
    v->kind = VERDICT_DONE;
}

static void send_checked(struct way_kafka *w, const struct gw_batch *b,
                         struct verdict *v)
{
    struct err e = {0};

    assert(b->n == v->n);
    take_refusals(b, v);
    if (b->bad > 0 && w->s->rejecting) {
        for (size_t i = 0; i < b->n; i++)
            if (b->items[i].frame_n > 0)
                v->fates[i] = FATE_NOT_WRITTEN;
        verdict_say(v, VERDICT_STOP, "%zu of %zu records refused, nothing was written",
                    b->bad, b->n);
    } else if (w->s->dry_run) {
        settle_dry_run(b, v);
    } else if (mend_producer(w, &e) != ERR_OK) {
        say_failure(v, &e);
    } else {
        fly(w, b, v);
        judge(&w->flight, v);
    }
}

/* The batch read against its schema and the rules beside it. */
static enum err_kind read_batch(struct way_kafka *w, const struct rc_schema *schema,
                                struct gw_batch_schema *against, struct span body,
                                struct gw_batch *b, struct err *e)
{
    TRY(contracts_get(&w->contracts, schema, schema->subject, &against->contract, e));
    if (against->contract == NULL)
        return gw_batch_read(b, &w->ask, against, body, e);
    against->run = contracts_take_run(&w->contracts);
    enum err_kind rc = gw_batch_read(b, &w->ask, against, body, e);
    contracts_give_run(&w->contracts, against->run, true);
    gw_contract_release(against->contract);
    return rc;
}

static enum err_kind check_and_send(struct way_kafka *w, const struct rc_schema *schema,
                                    struct span body, struct verdict *v, struct err *e)
{
    const struct gw_batch_limits limits = {.records = v->n + 1,
                                           .frames = FRAMES_MOST,
                                           .record = w->largest,
                                           .problems = v->n * PROBLEMS_A_ROW};
    const struct av_encode_options how = {.unknown_fields = w->ask.unknown_fields,
                                          .bytes_as = w->ask.bytes_as};
    struct codec *codec;
    struct gw_batch b;

    TRY(check_key_field(w, schema, e));
    TRY(codec_get(&w->codecs, schema->id, schema->schema, &how, &codec, e));
    struct gw_batch_schema against = {
        .encoder = codec->encoder, .plan = codec->plan, .id = schema->id};
    gw_batch_init(&b, &limits);
    enum err_kind rc = read_batch(w, schema, &against, body, &b, e);
    if (rc == ERR_OK)
        send_checked(w, &b, v);
    gw_batch_free(&b);
    codec_release(codec);
    return rc;
}

/* Asking may make the topic: only once it has a schema, and not to try things out. */
static enum err_kind find_topic(struct way_kafka *w, struct err *e)
{
    int32_t partitions;

    return w->s->dry_run ? ERR_OK
                         : topics_ask(&w->topics, w->ask.topic, &partitions, e);
}

static void send_kafka(struct way *way, const struct parcel *p, size_t n,
                       struct verdict *v)
{
    struct way_kafka *w = (struct way_kafka *)way;
    struct rc_schema schema = {0};
    struct err e = {0};

    enum err_kind rc = find_schema(w, &schema, &e);
    if (rc == ERR_OK)
        rc = find_topic(w, &e);
    if (rc == ERR_OK)
        rc = check_and_send(w, &schema, parcel_body(p, n), v, &e);
    if (rc != ERR_OK)
        say_failure(v, &e);
    rc_schema_free(&schema);
}

static void close_kafka(struct way *way)
{
    struct way_kafka *w = (struct way_kafka *)way;

    if (w->producer != NULL)
        kf_producer_close(w->producer); // nothing is in flight between two sends
    if (w->admin != NULL) {
        topics_free(&w->topics);
        kf_admin_close(w->admin);
    }
    if (w->rc != NULL)
        rc_close(w->rc);
    codecs_free(&w->codecs);
    contracts_free(&w->contracts);
    pthread_mutex_destroy(&w->flight.lock);
    pthread_cond_destroy(&w->flight.all_here);
    free(w);
}

static const struct way_ops ops = {.send = send_kafka, .close = close_kafka};

static enum err_kind read_ask(struct way_kafka *w, struct err *e)
{
    const struct ask_defaults d = {.on_error = ON_ERROR_PARTIAL,
                                   .unknown_fields = AV_UNKNOWN_REJECT,
                                   .bytes_as = AV_BYTES_BASE64,
                                   .strategy = SUBJECT_TOPIC};
    bool unsupported;

    return ask_read(&w->ask, &d, span_str(w->s->topic), w->s->params, w->s->n_params,
                    span_str(w->s->content_type), (struct span){0}, &unsupported, e);
}

static enum err_kind set_up(struct way_kafka *w, struct err *e)
{
    const struct way_kafka_settings *k = w->k;
    const struct rc_options o = {
        .urls = k->registry.items, .n_urls = k->registry.n, .login = *k->login};

    TRY(read_ask(w, e));
    TRY(rc_open(&w->rc, &o, e));
    TRY(kf_admin_open(&w->admin, k->bootstrap, k->kafka, e));
    topics_init(&w->topics, w->admin, TOPIC_MS);
    TRY(kf_producer_open(&w->producer, k->bootstrap, k->kafka, e));
    w->largest = kf_largest(w->producer);
    return ERR_OK;
}

enum err_kind way_kafka_open(struct way **out, const struct way_settings *s,
                             const struct way_kafka_settings *k, struct err *e)
{
    struct way_kafka *w = mem_alloc(sizeof *w);

    w->way.ops = &ops;
    w->s = s;
    w->k = k;
    w->flight.waiter.report = on_report;
    pthread_mutex_init(&w->flight.lock, NULL);
    pthread_cond_init(&w->flight.all_here, NULL);
    codecs_init(&w->codecs, CODECS_MOST);
    contracts_init(&w->contracts, CODECS_MOST, CONTRACTS_ENFORCE);
    enum err_kind rc = set_up(w, e);
    if (rc != ERR_OK) {
        close_kafka(&w->way);
        return rc;
    }
    *out = &w->way;
    return ERR_OK;
}
