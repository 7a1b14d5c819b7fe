#include "gateway/gateway_inside.h"

#include "base/clock.h"
#include "base/log.h"
#include "gateway/answer.h"
#include "gateway/ids.h"
#include "gateway/key.h"
#include "gateway/openapi.h"
#include "gateway/rest.h"
#include "gateway/room.h"
#include "gateway/trace.h"
#include "wire/status.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#define RECORDS "/v1/topics/{topic}/records"
#define JSON_TYPE "application/json"
#define ANSWER_MOST (64 << 20)
/* A report may take KF_REPORT_MS, and librdkafka looks once a second: what is sent with
 * less time left could not be answered with what became of it. */
#define SEND_MS (KF_REPORT_MS + 1500)
#define LARGE_BODY (64 << 10) // read on a worker: a loop serves many connections
#define SMALL_RECORDS 16
#define SMALL_BYTES (4 << 10)
#define ANSWER_HEAD 128 // bytes that an answer has as a rule, and each record in it
#define ANSWER_RECORD 48

/* A step of a request ended it: the answer has been given. */
#define ANSWERED false

/* The status is our own endpoints' code; REST Proxy's have one of theirs. */
static int code_of(const struct http_req *r, int status)
{
    return rest_is_route(r->route) ? rest_outcome_code(status) : status;
}

/* Nothing was written, and soon it may be. */
static void refuse_busy(struct http_req *r, const char *message)
{
    admit_refuse(r, 503, admit_after(1), message);
}

/* What one thread takes and another gives back goes through malloc's locks: a small
 * publish waits for its request, whose loop made it; of a large one that its loop made,
 * what is left of it does.  false: it is the caller's still, until the answer is given,
 * which may look at it (retry.h). */
static bool leave_to_loop(struct publish *p)
{
    struct visit *visit = p->req->visit;
    bool small = p->batch.n <= SMALL_RECORDS && p->batch.frames.cap <= SMALL_BYTES &&
                 p->batch.problems.n == 0;

    if (!small && p->in_arena)
        publish_shed(p); // a client slow to read its answer does not hold it
    if (small || p->in_arena)
        visit->finished = p;
    return small || p->in_arena;
}

/* The same of an answer. */
static void give(struct http_req *r, int status, struct buf *body)
{
    if (body->n > SMALL_BYTES) {
        http_answer_take(r, status, JSON_TYPE, body);
        return;
    }
    http_answer(r, status, JSON_TYPE, buf_span(body));
    buf_free(body);
}

/* The last report came, on the producer's thread or on the sender's. */
static void on_done(struct publish *p)
{
    struct http_req *r = p->req;
    struct buf body = BUF_INIT(ANSWER_MOST);
    int retry;

    int64_t began_us = clock_us();
    (void)buf_room(&body, ANSWER_HEAD + p->batch.n * ANSWER_RECORD);
    int status = answer_put(&body, p, &retry);
    count_answer(p);
    count_phase(PHASE_ANSWER, clock_us() - began_us);
    if (p->sent > 0)
        count_phase(PHASE_KAFKA, began_us - p->checked_us);
    if (retry > 0)
        http_answer_retry_after(r, admit_after(retry));
    bool left = leave_to_loop(p);
    if (body.over) {
        buf_free(&body);
        http_answer_error(r, status, status,
                          "the answer itself is larger than %d bytes", ANSWER_MOST);
    } else {
        give(r, status, &body);
    }
    if (!left)
        publish_free(p);
}

static void take_back(struct gateway *g, const struct publish *p)
{
    if (g->s->room != NULL)
        room_settle(g->s->room, p);
    admit_reported(g, p, p->bytes);
}

static void on_sent_done(struct publish *p)
{
    struct gateway *g = ((struct sent *)p)->gateway;

    take_back(g, p);
    retry_note(p);
    ((struct sent *)p)->answer(p);
}

/* Registry and topic of a request; from memory unless it `may_wait`.  ERR_UNAVAILABLE
 * without may_wait means: ask on a worker. */
static enum err_kind find_schema(struct gateway *g, struct publish *p, bool may_wait,
                                 struct err *e)
{
    int64_t deadline = may_wait ? clock_ms() + g->s->registry_ms : 0;
    uint8_t room[4096];
    struct buf subject = BUF_OVER(room);
    enum err_kind rc;

    if (p->ask.schema_id == 0)
        p->ask.schema_id = retry_schema(p->req);
    if (p->ask.schema_id != 0) {
        TRY(rc_by_id(g->rc, p->ask.schema_id, deadline, &p->schema, e));
        return ERR_OK;
    }
    if (p->ask.subject.n > 0) {
        buf_put(&subject, p->ask.subject);
        rc = buf_status(&subject, e);
    } else {
        rc = subject_name(&subject, p->ask.strategy, p->ask.topic, p->ask.record_name,
                          false, e);
        if (rc != ERR_OK)
            err_prefix(e, "parameter record_name");
    }
    if (rc == ERR_OK)
        rc = rc_by_version(g->rc, buf_span(&subject), p->ask.version, deadline,
                           &p->schema, e);
    return rc;
}

static enum err_kind find_topic(struct gateway *g, const struct publish *p,
                                bool may_wait, struct err *e)
{
    int32_t partitions;

    TRY(may_wait ? topics_ask(&g->topics, p->ask.topic, &partitions, e)
                 : topics_recall(&g->topics, p->ask.topic, &partitions, e));
    if (p->ask.partition >= partitions)
        return err_set(e, ERR_NOT_FOUND,
                       "partition %d of topic " SPAN_FMT " does not exist, it has %d",
                       p->ask.partition, SPAN_ARG(p->ask.topic), partitions);
    return ERR_OK;
}

/* Neither topic nor subject: it is the topic's name that is wrong. */
static bool is_unknown_topic(struct gateway *g, const struct publish *p,
                             const struct err *e)
{
    return e->kind == ERR_NOT_FOUND && p->ask.schema_id == 0 && p->ask.subject.n == 0 &&
           !topics_exist(&g->topics, p->ask.topic);
}

static void refuse_schema(struct publish *p, const struct err *e)
{
    switch (e->kind) {
    case ERR_NOT_FOUND: http_answer_error(p->req, 422, 40403, "%s", e->msg); break;
    case ERR_INVALID:
    case ERR_LIMIT: http_answer_error(p->req, 422, 42201, "%s", e->msg); break;
    default: refuse_busy(p->req, e->msg); break;
    }
}

static void refuse_topic(struct publish *p, const struct err *e)
{
    if (e->kind == ERR_NOT_FOUND)
        http_answer_error(p->req, 404, 40401, "%s", e->msg);
    else
        refuse_busy(p->req, e->msg);
}

/* Before anything is read with it: can key_field be a key under this schema? */
static bool has_key_field(const struct publish *p)
{
    const struct av_node *root = av_schema_root(p->schema.schema);

    if (p->ask.key_field.n == 0)
        return true;
    for (size_t i = 0; i < root->n_fields; i++)
        if (span_eq(root->fields[i].name, p->ask.key_field))
            return true;
    return false;
}

/* Records that do not fit may be of a version registered a moment ago: what was learnt
 * before they arrived is asked for again before they are refused.  Requests that doubt
 * at the same time share the answer. */
static bool is_worth_asking(struct gateway *g, const struct publish *p)
{
    return p->ask.schema_id == 0 && p->ask.version == 0 &&
           rc_doubt_latest(g->rc, p->schema.subject, p->req->began_us / 1000);
}

/* Kafka's limit for a record is one for its headers as well. */
static void less_headers(struct gw_batch *b, const struct http_req *r)
{
    size_t headers = carry_size(r);

    b->limits.record -= headers < b->limits.record ? headers : b->limits.record;
}

enum reading { READ, REFUSED, DOUBTED };

static enum err_kind read_framed_batch(struct gateway *g, struct publish *p,
                                       struct gw_batch_schema *against, bool may_wait,
                                       struct err *e)
{
    struct ids *ids = mem_alloc(sizeof *ids);

    ids_init(ids, g, p, may_wait ? clock_ms() + g->s->registry_ms : 0);
    against->others = &ids->batch;
    enum err_kind rc = gw_batch_read(&p->batch, &p->ask, against, p->req->body, e);
    ids_free(ids);
    free(ids);
    return rc;
}

static enum err_kind read_batch(struct gateway *g, struct publish *p,
                                struct gw_run **run, bool may_wait, struct err *e)
{
    struct gw_batch_schema against = {.encoder = p->codec->encoder,
                                      .plan = p->codec->plan,
                                      .id = p->schema.id,
                                      .contract = p->contract};
    bool framed = p->ask.body == BODY_FRAMED; // of other versions, with other rules

    if (framed || p->contract != NULL)
        against.run = *run = contracts_take_run(&g->contracts);
    return framed ? read_framed_batch(g, p, &against, may_wait, e)
                  : gw_batch_read(&p->batch, &p->ask, &against, p->req->body, e);
}

static void refuse_body(struct publish *p, enum err_kind rc, const struct err *e)
{
    int status = rc == ERR_LIMIT ? 413 : rc == ERR_CONFLICT ? 422 : 400;

    if (rc == ERR_UNAVAILABLE)
        refuse_busy(p->req, e->msg);
    else
        http_answer_error(p->req, status, status, "%s", e->msg);
}

static enum reading check_records(struct gateway *g, struct publish *p,
                                  struct gw_run **run, bool may_wait)
{
    struct err e = {0};

    if (!has_key_field(p)) {
        http_answer_error(p->req, 400, 400,
                          "parameter key_field: schema %d has no field \"" SPAN_FMT
                          "\"",
                          p->schema.id, SPAN_ARG(p->ask.key_field));
        return REFUSED;
    }
    const struct av_encode_options o = {.unknown_fields = p->ask.unknown_fields,
                                        .bytes_as = p->ask.bytes_as};
    if (codec_get(&g->codecs, p->schema.id, p->schema.schema, &o, &p->codec, &e) !=
        ERR_OK) {
        refuse_schema(p, &e);
        return REFUSED;
    }
    if (contracts_get(&g->contracts, &p->schema, p->schema.subject, &p->contract, &e) !=
        ERR_OK) {
        http_answer_error(p->req, 422, REG_INVALID_RULES, "%s", e.msg);
        return REFUSED;
    }
    gw_batch_init(&p->batch, &g->batch);
    gw_batch_expect(&p->batch, p->req->body.n,
                    arena_alloc(&p->req->arena, sizeof *p->batch.items));
    less_headers(&p->batch, p->req);
    enum err_kind rc = read_batch(g, p, run, may_wait, &e);
    p->held = p->batch.bad > 0 && p->ask.on_error == ON_ERROR_REJECT;
    if (rc == ERR_UNAVAILABLE && !may_wait)
        return DOUBTED;
    if ((rc == ERR_CONFLICT || p->batch.bad > 0) && is_worth_asking(g, p))
        return DOUBTED;
    if (rc != ERR_OK) {
        refuse_body(p, rc, &e);
        return REFUSED;
    }
    publish_expect(p);
    p->checked_us = clock_us();
    count_phase(PHASE_CHECK, p->checked_us - p->found_us);
    return READ;
}

static enum reading read_records(struct gateway *g, struct publish *p, bool may_wait)
{
    struct gw_run *run = NULL;
    enum reading reading = check_records(g, p, &run, may_wait);

    if (run != NULL)
        contracts_give_run(&g->contracts, run, reading != DOUBTED);
    return reading;
}

static bool wants_sending(const struct publish *p)
{
    if (p->ask.dry_run)
        return false;
    return (p->batch.bad < p->batch.n && !p->held) || publish_buries_any(p);
}

/* Everything a send needs is taken here and given back by on_sent_done(), or here where
 * something is missing. */
static enum err_kind admit_sending(struct gateway *g, struct publish *p, struct err *e)
{
    char topic[264];

    if (p->req->due_ms - p->checked_us / 1000 < SEND_MS)
        return err_set(
            e, ERR_UNAVAILABLE,
            "registry and topic were too long in coming; they are known now, "
            "retry");
    if (g->s->room != NULL && !room_take(g->s->room, p, topic))
        return err_set(e, ERR_UNAVAILABLE,
                       "topic %s of the embedded Kafka is full until what it holds has "
                       "been loaded",
                       topic);
    if (admit_records(g, p, p->bytes, e) == ERR_OK)
        return ERR_OK;
    if (g->s->room != NULL)
        room_settle(g->s->room, p);
    return e->kind;
}

enum err_kind api_send(struct sent *s, struct err *e)
{
    const struct kf_producer *healthy = NULL;
    struct gateway *g = s->gateway;
    struct publish *p = &s->publish;

    p->bytes = p->batch.frames.n + p->batch.keys.n;
    p->sent = p->batch.n;
    TRY(admit_sending(g, p, e));
    retry_recall(p);
    carry_add(p);
    p->done = on_sent_done;
    pthread_rwlock_rdlock(&g->producer_lock);
    if (g->producer != NULL && kf_healthy(g->producer))
        healthy = g->producer;
    if (healthy != NULL)
        publish_start(p, g->producer);
    pthread_rwlock_unlock(&g->producer_lock);
    if (healthy != NULL)
        return ERR_OK;
    take_back(g, p);
    return err_set(e, ERR_UNAVAILABLE, "the producer is being rebuilt");
}

static void send_records(struct sent *s)
{
    struct publish *p = &s->publish;
    struct err e = {0};

    s->answer = on_done;
    if (api_send(s, &e) == ERR_OK)
        return;
    refuse_busy(p->req, e.msg);
    publish_free(p);
}

/* Hands the request to a worker, which may wait for registry and Kafka. */
static void serve_later(struct gateway *g, struct publish *p)
{
    struct http_req *r = p->req;

    publish_free(p);
    if (!queue_try_put(&g->waiting, r))
        refuse_busy(r, "too many requests wait for the registry");
}

static void answer_records(struct gateway *g, struct publish *p, bool may_wait)
{
    p->found_us = clock_us();
    count_phase(PHASE_SCHEMA, p->found_us - p->began_us);
    switch (read_records(g, p, may_wait)) {
    case READ:
        if (wants_sending(p))
            send_records((struct sent *)p);
        else
            on_done(p);
        return;
    case DOUBTED: serve_later(g, p); return;
    case REFUSED: publish_free(p); return;
    }
}

static void refuse_packed(struct http_req *r, int status, const struct err *e)
{
    if (status == 503)
        refuse_busy(r, e->msg);
    else
        http_answer_error(r, status, status, "%s", e->msg);
}

/* What its header says of the records. */
static void note_beside(struct gateway *g, struct publish *p)
{
    carry_note(g, p->req);
    ask_event(&p->ask, p->req->fields, p->req->nfields);
    if (p->ask.body == BODY_OCF) { // no JSON of the client's: ours has bytes one way
        p->ask.bytes_as = AV_BYTES_BASE64;
        p->ask.unknown_fields = AV_UNKNOWN_REJECT;
    }
}

/* A worker frees its own after the answer, when the request may be gone. */
static struct sent *make_sent(struct gateway *g, struct http_req *r, bool is_worker)
{
    struct sent *s =
        is_worker ? mem_alloc(sizeof *s) : arena_alloc(&r->arena, sizeof *s);

    s->gateway = g;
    s->publish.req = r;
    s->publish.in_arena = !is_worker;
    return s;
}

static void serve(struct gateway *g, struct http_req *r, int64_t now_us, bool may_wait)
{
    struct sent *s = make_sent(g, r, may_wait);
    struct publish *p = &s->publish;
    struct err e = {0};
    bool unsupported;
    int status;

    p->began_us = now_us;
    if (ask_read(&p->ask, &g->defaults, http_part(r, "topic"), r->params, r->nparams,
                 http_header(r, "Content-Type"), http_header(r, "Kafka-Key"),
                 &unsupported, &e) != ERR_OK) {
        status = unsupported ? 415 : 400;
        http_answer_error(r, status, status, "%s", e.msg);
    } else if (ask_timestamp(&p->ask, http_header(r, "Kafka-Timestamp"), &e) !=
               ERR_OK) {
        http_answer_error(r, 400, 400, "%s", e.msg);
    } else if (!may_wait && (r->body.n > LARGE_BODY || unpack_is_due(r))) {
        serve_later(g, p);
        return;
    } else if (unpack_is_due(r) && (status = unpack_body(g, r, &e)) != 0) {
        refuse_packed(r, status, &e);
    } else if (retry_ask(g, r, p->ask.dry_run) == RETRY_ANSWERED) {
        publish_free(p);
        return;
    } else if (note_beside(g, p), find_schema(g, p, may_wait, &e) != ERR_OK) {
        if (!may_wait && (e.kind == ERR_UNAVAILABLE || e.kind == ERR_NOT_FOUND)) {
            serve_later(g, p);
            return;
        }
        if (is_unknown_topic(g, p, &e))
            http_answer_error(r, 404, 40401,
                              "topic " SPAN_FMT " does not exist, and it has no schema",
                              SPAN_ARG(p->ask.topic));
        else
            refuse_schema(p, &e);
    } else if (find_topic(g, p, may_wait, &e) != ERR_OK) {
        if (e.kind == ERR_UNAVAILABLE && !may_wait) {
            serve_later(g, p);
            return;
        }
        refuse_topic(p, &e);
    } else if (http_gone(r)) {
        http_answer_error(r, 499, 499, "the client left before anything was written");
    } else {
        answer_records(g, p, may_wait);
        return;
    }
    publish_free(p);
}

static void post_records(struct http_app *app, struct http_req *r)
{
    int64_t now_us = clock_us();

    count_phase(PHASE_BODY, now_us - r->began_us);
    serve((struct gateway *)app, r, now_us, false);
}

void api_serve_waiting(struct gateway *g, struct http_req *r)
{
    if (r->route->handler == post_records)
        serve(g, r, clock_us(), true);
    else
        rest_serve_waiting(g, r);
}

static void get_healthz(struct http_app *app, struct http_req *r)
{
    (void)app;
    http_answer(r, 200, JSON_TYPE, span_str("{\"status\":\"ok\"}"));
}

static void get_readyz(struct http_app *app, struct http_req *r)
{
    struct gateway *g = (struct gateway *)app;
    char why[sizeof g->not_ready];

    pthread_mutex_lock(&g->ready_lock);
    memcpy(why, g->not_ready, sizeof why);
    pthread_mutex_unlock(&g->ready_lock);
    if (atomic_load(&g->draining))
        refuse_busy(r, "draining");
    else if (why[0] != '\0')
        refuse_busy(r, why);
    else
        http_answer(r, 200, JSON_TYPE, span_str("{\"status\":\"ready\"}"));
}

static void get_metrics(struct http_app *app, struct http_req *r)
{
    struct buf out = BUF_INIT(16 << 20);

    count_print(&out, (struct gateway *)app);
    http_answer_take(r, 200, "text/plain; version=0.0.4", &out);
}

static void get_openapi(struct http_app *app, struct http_req *r)
{
    struct buf out = BUF_INIT(1 << 20);

    (void)app;
    openapi_put(&out, &gateway_openapi);
    http_answer_take(r, 200, JSON_TYPE, &out);
}

static void get_root(struct http_app *app, struct http_req *r)
{
    (void)app;
    http_answer(
        r, 200, JSON_TYPE,
        span_str("{\"name\":\"avrogate gateway\",\"version\":\"" AVROGATE_VERSION
                 "\"}"));
}

static const struct http_route own[] = {
    {HTTP_POST, RECORDS, post_records, 0, 0, 0},
    {HTTP_GET, "/healthz", get_healthz, HTTP_ALWAYS, 0, 0},
    {HTTP_GET, "/readyz", get_readyz, HTTP_ALWAYS, 0, 0},
    {HTTP_GET, "/metrics", get_metrics, HTTP_ALWAYS, 0, 0},
    {HTTP_GET, "/", get_root, 0, 0, 0},
    {HTTP_GET, "/openapi.json", get_openapi, 0, 0, 0},
};

#define OWN (sizeof own / sizeof *own)
#define ROUTES_MOST 40

/* Ours and REST Proxy's; filled once, before the first server. */
static struct http_route routes[ROUTES_MOST];
static size_t n_routes;

static void gather_routes(void)
{
    size_t n;
    const struct http_route *rest = rest_routes(&n);

    assert(OWN + n <= ROUTES_MOST);
    memcpy(routes, own, sizeof own);
    memcpy(routes + OWN, rest, n * sizeof *rest);
    n_routes = OWN + n;
    for (size_t i = 0; i < n_routes; i++) // none goes undescribed
        assert(
            openapi_describes(&gateway_openapi, routes[i].method, routes[i].pattern));
}

/* The deadline passed first: what is in flight may still arrive. */
static int expired(struct http_app *app, const struct http_req *r, struct buf *body)
{
    (void)app;
    buf_printf(body,
               "{\"error_code\":%d,\"message\":\"no answer within the deadline\","
               "\"outcome\":\"unknown\"}",
               code_of(r, 504));
    return 504;
}

static void on_finished(struct http_app *app, const struct http_done *d)
{
    const struct gateway *g = (const struct gateway *)app;

    if (d->method == HTTP_POST && d->pattern[0] != '\0')
        count_status(d->status);
    if (g->s->access_log == 0 || (g->s->access_log == 1 && d->status < 400))
        return;
    log_event(
        LOG_INFO, "request", LOG_S("method", http_method_name(d->method)),
        LOG_B("path", d->path), LOG_B("who", d->who), LOG_I("status", d->status),
        LOG_I("us", d->us), LOG_I("bytes_in", d->bytes_in),
        LOG_I("bytes_out", d->bytes_out), LOG_B("peer", d->peer),
        LOG_B("request_id", d->id), LOG_I("gone", d->gone),
        LOG_B("traceparent", trace_is_parent(d->trace) ? d->trace : (struct span){0}),
        LOG_END);
}

void api_install(struct gateway *g)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    pthread_once(&once, gather_routes);
    g->app = (struct http_app){.routes = routes,
                               .nroutes = n_routes,
                               .error_type = JSON_TYPE,
                               .admit = admit_head,
                               .enter = admit_enter,
                               .keep = admit_keep,
                               .answered = admit_answered,
                               .leave = admit_leave,
                               .streams = rest_streams,
                               .expired = expired,
                               .done = on_finished};
}
