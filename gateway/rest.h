/*
 * rest.h - REST Proxy's interface among its own files: one request, from body to
 * answer.
 *
 *      rest_read.c   body -> records           rest.c      schemas, topic, send
 *      rest_frame.c  records -> frames
 *      rest_v2.c     v2's answers and GETs     rest_v3.c   v3's
 *
 * v2 refuses a request for one bad record, v3 the record alone: that is all the
 * difference struct rest_kind knows.  A request has one thread at a time, as in
 * http/server.h; a struct rest is a publish with more behind it.
 */
#pragma once

#include "gateway/gateway_inside.h"
#include "gateway/rest_read.h"
#include "http/stream.h"

#define REST_JSON_TYPE "application/json"
#define REST_ASK_MS 2000

/* A schema the records of a request are read with, found once for all of them. */
struct rest_schema {
    bool is_key;
    struct rest_ref ref;
    struct span subject; // "" where nobody said
    struct rc_schema schema;
    struct codec *codec;
    struct gw_contract *contract; // NULL = no rules
    int code;                     // not 0: there is none, and why
    struct span why;
};

struct rest;

struct rest_kind {
    bool all_or_none; // one bad record refuses all
    bool has_cluster; // its path says which
    /* The body as records; ERR_UNAVAILABLE never. */
    enum err_kind (*read)(struct rest *t, struct span body, int *code, struct err *e);
    /* Answers, once everything is known. */
    void (*answer)(struct rest *t);
    /* Refuses all of it; NULL: with an answer (rest_refuse()). */
    void (*refuse)(struct rest *t, int code, const char *msg);
};

struct rest {
    struct sent sent; // first: its publish is the request
    const struct rest_kind *kind;
    struct rest_limits limits;
    struct rest_body body;
    struct rest_schema *schemas; // owned
    size_t n_schemas;
    struct gw_run *run; // while records are framed,
    struct item *item;  // and which one is
    struct span cluster;
    const char *type;                // of the answer
    void (*drop)(struct publish *p); // the publish's own, called behind ours
};

static inline struct publish *rest_publish(struct rest *t)
{
    return &t->sent.publish;
}

/* Is there one, and not null? */
static inline bool rest_has_value(const struct rest_datum *d)
{
    return d->value != NULL && d->value->kind != JSON_NULL;
}

/* The schema of a datum that has one; NULL when it has none. */
const struct rest_schema *rest_schema_of(const struct rest *t,
                                         const struct rest_datum *d, bool is_key);
/* What a record's report says in REST Proxy's codes; 0: it is written. */
int rest_report_code(const struct written *w);
/* The status of that: 504 where it may have been written. */
int rest_report_status(const struct written *w);

/* Carries out the records of `t`, whose request, kind and gateway are set, and takes it
 * over: its `answer` or `refuse` is called, perhaps before this returns, and then its
 * publish's `drop`.  false: neither was, nothing was sent, and it is gone: a worker has
 * to ask (only unless may_wait). */
bool rest_carry_out(struct rest *t, bool may_wait);

/* rest_frame.c: the records as frames and keys of the publish's batch, asked by the
 * rules of their schemas; one that is wrong says so in its code.  ERR_LIMIT: all of
 * them together are too large. */
enum err_kind rest_frame(struct gateway *g, struct rest *t, int32_t partitions,
                         struct err *e) MUST_USE;
/* Has any of the schemas rules?  Then rest.run must be set for rest_frame(). */
bool rest_has_contract(const struct rest *t);

/* {"error_code":..,"message":..}; with Retry-After where trying again is right. */
void rest_refuse(struct http_req *r, const char *type, int code, const char *fmt, ...)
    PRINTF_LIKE(4, 5);
/* The same for what Kafka or the registry answered. */
void rest_refuse_kafka(struct http_req *r, const char *type, const struct err *e);
/* Sends the body with that status, unless it is over its limit. */
void rest_answer(struct http_req *r, int status, const char *type, struct buf *body);

/* The cluster's id, in `a`; blocks at most REST_ASK_MS, or not at all: then
 * ERR_UNAVAILABLE. */
enum err_kind rest_cluster_id(struct gateway *g, struct arena *a, struct span *id,
                              bool may_wait, struct err *e) MUST_USE;
/* The topic among those that are, allocated in the request's arena; else it has been
 * answered: NULL. */
const struct kf_topic_shape *rest_find_topic(struct gateway *g, struct http_req *r,
                                             const char *type, int missing);
/* "12" -> 12; -1 when it is no number. */
int32_t rest_number(struct span text);

/* One report, as v3 writes it. */
void rest_v3_put_report(struct buf *out, struct rest *t, size_t i);
enum err_kind rest_v3_read(struct rest *t, struct span body, int *code, struct err *e);
void rest_v3_put_failure(struct buf *out, int code, struct span why);

/* rest_stream.c: v3's records as a stream, a request that lives as long as its client
 * likes.  On its loop; `work`: on a worker, for what the loop had to put off. */
void rest_stream_open(struct gateway *g, struct http_req *r);
void rest_stream_work(struct gateway *g, struct http_req *r);
void rest_stream_free(struct http_req *r); // it is over
bool rest_streams(struct http_app *app, const struct http_req *r);

extern const struct rest_kind rest_v2_records, rest_v3_records, rest_v3_batch;

/* Answered on a worker: they ask Kafka. */
void rest_v2_topics(struct gateway *g, struct http_req *r);
void rest_v2_topic(struct gateway *g, struct http_req *r);
void rest_v2_partitions(struct gateway *g, struct http_req *r);
void rest_v2_partition(struct gateway *g, struct http_req *r);
void rest_v2_offsets(struct gateway *g, struct http_req *r);
void rest_v2_brokers(struct gateway *g, struct http_req *r);
void rest_v3_clusters(struct gateway *g, struct http_req *r);
void rest_v3_cluster(struct gateway *g, struct http_req *r);
void rest_v3_brokers(struct gateway *g, struct http_req *r);
void rest_v3_broker(struct gateway *g, struct http_req *r);
void rest_v3_topics(struct gateway *g, struct http_req *r);
void rest_v3_topic(struct gateway *g, struct http_req *r);
void rest_v3_partitions(struct gateway *g, struct http_req *r);
void rest_v3_partition(struct gateway *g, struct http_req *r);
void rest_v3_replicas(struct gateway *g, struct http_req *r);
void rest_v3_replica(struct gateway *g, struct http_req *r);
