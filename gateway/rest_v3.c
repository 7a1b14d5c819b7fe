#include "gateway/rest.h"

#include "base/clock.h"

#include <stdio.h>

#define ANSWER_MOST (64 << 20)

/* ---- records ---- */

static enum err_kind read_type(struct rest *t, int *code, struct err *e)
{
    struct span type = http_header(rest_publish(t)->req, "Content-Type");

    if (rest_is_json(type, e))
        return ERR_OK;
    *code = REST_UNSUPPORTED_TYPE;
    return ERR_INVALID;
}

enum err_kind rest_v3_read(struct rest *t, struct span body, int *code, struct err *e)
{
    TRY(read_type(t, code, e));
    return rest_read_v3(&t->body, body, &t->limits, &rest_publish(t)->req->arena, code,
                        e);
}

static enum err_kind read_batch(struct rest *t, struct span body, int *code,
                                struct err *e)
{
    TRY(read_type(t, code, e));
    return rest_read_batch(&t->body, body, &t->limits, &rest_publish(t)->req->arena,
                           code, e);
}

static const char *format_name(enum rest_format f)
{
    static const char *const names[] = {[REST_NONE] = "BINARY",
                                        [REST_BINARY] = "BINARY",
                                        [REST_JSON] = "JSON",
                                        [REST_STRING] = "STRING",
                                        [REST_AVRO] = "AVRO"};

    return names[f];
}

static void put_number(struct buf *out, const char *name, int32_t v)
{
    if (v > 0)
        buf_printf(out, ",\"%s\":%d", name, v);
    else
        buf_printf(out, ",\"%s\":null", name); // by id: an id may have many versions
}

static void put_datum(struct buf *out, const struct rest *t, const char *name,
                      const struct rest_datum *d, bool is_key, size_t size)
{
    const struct rest_schema *s = rest_schema_of(t, d, is_key);

    if (!d->given)
        return;
    buf_printf(out, ",\"%s\":{\"type\":\"%s\"", name, format_name(d->format));
    if (d->format == REST_AVRO && s != NULL) {
        buf_put_str(out, ",\"subject\":");
        if (s->subject.n > 0)
            json_put_string(out, s->subject);
        else
            buf_put_str(out, "null");
        put_number(out, "schema_id", s->schema.id);
        put_number(out, "schema_version", s->schema.version);
    }
    buf_printf(out, ",\"size\":%zu}", size);
}

static void put_success(struct buf *out, struct rest *t, size_t i)
{
    const struct publish *p = rest_publish(t);
    const struct rest_record *r = &t->body.records[i];
    const struct written *w = &p->main[i];
    char when[WALL_TEXT];

    buf_put_str(out, "\"cluster_id\":");
    json_put_string(out, t->cluster);
    buf_put_str(out, ",\"topic_name\":");
    json_put_string(out, p->ask.topic);
    buf_printf(out, ",\"partition_id\":%d,\"offset\":%lld", w->partition,
               (long long)w->offset);
    if (w->timestamp_ms >= 0) {
        wall_print(when, w->timestamp_ms);
        buf_printf(out, ",\"timestamp\":\"%s\"", when);
    }
    put_datum(out, t, "key", &r->key, true, p->batch.items[i].key_n);
    put_datum(out, t, "value", &r->value, false, p->batch.items[i].frame_n);
}

/* What became of record `i`: 200, or a code and why. */
static int code_of(struct rest *t, size_t i, struct span *why)
{
    const struct rest_record *r = &t->body.records[i];
    const struct written *w = &rest_publish(t)->main[i];

    *why = r->code != 0 ? r->why : span_str(w->reason != NULL ? w->reason : "");
    if (r->code != 0)
        return r->code;
    int code = rest_report_code(w);
    return code == 0 ? 200 : code;
}

void rest_v3_put_failure(struct buf *out, int code, struct span why)
{
    buf_printf(out, "\"error_code\":%d,\"message\":", code);
    json_put_string(out, why);
}

void rest_v3_put_report(struct buf *out, struct rest *t, size_t i)
{
    struct span why;
    int code = code_of(t, i, &why);

    buf_put_u8(out, '{');
    if (code == 200) {
        buf_put_str(out, "\"error_code\":200,");
        put_success(out, t, i);
    } else {
        rest_v3_put_failure(out, code, why);
    }
    buf_put_u8(out, '}');
}

/* One record alone has a status of its own; of a stream each report says its code. */
static int status_of(struct rest *t)
{
    const struct rest_record *r = &t->body.records[0];

    if (t->body.n > 1)
        return 200;
    return r->code != 0 ? rest_status(r->code)
                        : rest_report_status(&rest_publish(t)->main[0]);
}

static void answer_records(struct rest *t)
{
    struct publish *p = rest_publish(t);
    struct buf body = BUF_INIT(ANSWER_MOST);
    int status = status_of(t);

    for (size_t i = 0; i < t->body.n; i++) {
        rest_v3_put_report(&body, t, i);
        if (t->body.n > 1)
            buf_put_str(&body, "\r\n");
    }
    if (status == 503)
        http_answer_retry_after(p->req, admit_after(1));
    rest_answer(p->req, status, t->type, &body);
}

static void put_entries(struct buf *out, struct rest *t, bool good)
{
    bool some = false;

    for (size_t i = 0; i < t->body.n; i++) {
        struct span why;
        int code = code_of(t, i, &why);

        if ((code == 200) != good)
            continue;
        buf_put_str(out, some ? ",{\"id\":" : "{\"id\":");
        json_put_string(out, t->body.records[i].id);
        buf_put_u8(out, ',');
        if (good)
            put_success(out, t, i);
        else
            rest_v3_put_failure(out, code, why);
        buf_put_u8(out, '}');
        some = true;
    }
}

static void answer_batch(struct rest *t)
{
    struct buf body = BUF_INIT(ANSWER_MOST);

    buf_put_str(&body, "{\"successes\":[");
    put_entries(&body, t, true);
    buf_put_str(&body, "],\"failures\":[");
    put_entries(&body, t, false);
    buf_put_str(&body, "]}");
    rest_answer(rest_publish(t)->req, 207, t->type, &body);
}

const struct rest_kind rest_v3_records = {
    .has_cluster = true, .read = rest_v3_read, .answer = answer_records};
const struct rest_kind rest_v3_batch = {
    .has_cluster = true, .read = read_batch, .answer = answer_batch};

/* ---- what there is: each thing has a kind, a link to itself and links to others ----
 */

/* Where links begin: "http://host:port/v3/clusters/ID", as the client called us. */
struct links {
    struct span base;    // http://host:port
    struct span cluster; // the cluster's id
};

/* The cluster the path names, where it names one; false: it has been answered. */
static bool open_links(struct gateway *g, struct http_req *r, struct links *l)
{
    struct span host = http_header(r, "Host");
    struct err e = {0};

    if (rest_cluster_id(g, &r->arena, &l->cluster, true, &e) != ERR_OK) {
        rest_refuse_kafka(r, REST_JSON_TYPE, &e);
        return false;
    }
    l->base = arena_printf(&r->arena, "%s://%.*s",
                           guard_tls(g->guard) != NULL ? "https" : "http", (int)host.n,
                           (const char *)host.p);
    if (r->nparts == 0 || span_eq(http_part(r, "cluster"), l->cluster))
        return true;
    rest_refuse(r, REST_JSON_TYPE, REST_NOT_FOUND,
                "Cluster " SPAN_FMT " cannot be found.",
                SPAN_ARG(http_part(r, "cluster")));
    return false;
}

/* "...":"http://host/v3/clusters/ID<path>"; a topic's name needs no escaping. */
static void put_link(struct buf *out, const char *name, const struct links *l,
                     const char *path)
{
    buf_printf(out, "\"%s\":", name);
    struct buf url = BUF_INIT(32 << 10);
    buf_put(&url, l->base);
    buf_put_str(&url, "/v3/clusters");
    if (path != NULL) {
        buf_put_u8(&url, '/');
        buf_put(&url, l->cluster);
        buf_put_str(&url, path);
    }
    json_put_string(out, buf_span(&url));
    buf_free(&url);
}

static void put_related(struct buf *out, const char *name, const struct links *l,
                        const char *path)
{
    buf_printf(out, ",\"%s\":{", name);
    put_link(out, "related", l, path);
    buf_put_u8(out, '}');
}

/* The beginning every thing has; `crn` is its place below the cluster. */
static void put_head(struct buf *out, const char *kind, const struct links *l,
                     const char *path, const char *crn)
{
    buf_printf(out, "{\"kind\":\"%s\",\"metadata\":{", kind);
    put_link(out, "self", l, path);
    buf_printf(out, ",\"resource_name\":\"crn:///kafka=%.*s%s\"},\"cluster_id\":",
               (int)l->cluster.n, (const char *)l->cluster.p, crn);
    json_put_string(out, l->cluster);
}

static void put_list_head(struct buf *out, const char *kind, const struct links *l,
                          const char *path)
{
    buf_printf(out, "{\"kind\":\"%s\",\"metadata\":{", kind);
    put_link(out, "self", l, path);
    buf_put_str(out, ",\"next\":null},\"data\":[");
}

#define PATH_MOST 700 // a topic's name and three numbers

static void put_cluster(struct buf *out, const struct links *l, int32_t controller)
{
    char path[PATH_MOST];

    put_head(out, "KafkaCluster", l, "", "");
    if (controller >= 0) {
        snprintf(path, sizeof path, "/brokers/%d", controller);
        put_related(out, "controller", l, path);
    }
    put_related(out, "acls", l, "/acls");
    put_related(out, "brokers", l, "/brokers");
    put_related(out, "broker_configs", l, "/broker-configs");
    put_related(out, "consumer_groups", l, "/consumer-groups");
    put_related(out, "topics", l, "/topics");
    put_related(out, "partition_reassignments", l,
                "/topics/-/partitions/-/reassignment");
    buf_put_u8(out, '}');
}

static void put_broker(struct buf *out, const struct links *l,
                       const struct kf_broker *b)
{
    char path[PATH_MOST], crn[PATH_MOST];

    snprintf(path, sizeof path, "/brokers/%d", b->id);
    snprintf(crn, sizeof crn, "/broker=%d", b->id);
    put_head(out, "KafkaBroker", l, path, crn);
    buf_printf(out, ",\"broker_id\":%d,\"host\":", b->id);
    json_put_string(out, span_str(b->host));
    buf_printf(out, ",\"port\":%d", b->port);
    snprintf(path, sizeof path, "/brokers/%d/configs", b->id);
    put_related(out, "configs", l, path);
    snprintf(path, sizeof path, "/brokers/%d/partition-replicas", b->id);
    put_related(out, "partition_replicas", l, path);
    buf_put_u8(out, '}');
}

static void put_topic(struct buf *out, const struct links *l,
                      const struct kf_topic_shape *t)
{
    char path[PATH_MOST], crn[PATH_MOST];

    snprintf(path, sizeof path, "/topics/%s", t->name);
    snprintf(crn, sizeof crn, "/topic=%s", t->name);
    put_head(out, "KafkaTopic", l, path, crn);
    buf_put_str(out, ",\"topic_name\":");
    json_put_string(out, span_str(t->name));
    buf_printf(
        out, ",\"is_internal\":%s,\"replication_factor\":%zu,\"partitions_count\":%zu",
        t->internal ? "true" : "false", t->n > 0 ? t->partitions[0].n_copies : 0, t->n);
    snprintf(path, sizeof path, "/topics/%s/partitions", t->name);
    put_related(out, "partitions", l, path);
    snprintf(path, sizeof path, "/topics/%s/configs", t->name);
    put_related(out, "configs", l, path);
    snprintf(path, sizeof path, "/topics/%s/partitions/-/reassignment", t->name);
    put_related(out, "partition_reassignments", l, path);
    buf_put_u8(out, '}');
}

static void put_partition(struct buf *out, const struct links *l,
                          const struct kf_topic_shape *t, const struct kf_partition *p)
{
    char path[PATH_MOST], crn[PATH_MOST];

    snprintf(path, sizeof path, "/topics/%s/partitions/%d", t->name, p->id);
    snprintf(crn, sizeof crn, "/topic=%s/partition=%d", t->name, p->id);
    put_head(out, "KafkaPartition", l, path, crn);
    buf_put_str(out, ",\"topic_name\":");
    json_put_string(out, span_str(t->name));
    buf_printf(out, ",\"partition_id\":%d", p->id);
    if (p->leader >= 0) {
        snprintf(path, sizeof path, "/topics/%s/partitions/%d/replicas/%d", t->name,
                 p->id, p->leader);
        put_related(out, "leader", l, path);
    }
    snprintf(path, sizeof path, "/topics/%s/partitions/%d/replicas", t->name, p->id);
    put_related(out, "replicas", l, path);
    snprintf(path, sizeof path, "/topics/%s/partitions/%d/reassignment", t->name,
             p->id);
    put_related(out, "reassignment", l, path);
    buf_put_u8(out, '}');
}

static bool is_in_sync(const struct kf_partition *p, int32_t broker)
{
    for (size_t i = 0; i < p->n_in_sync; i++)
        if (p->in_sync[i] == broker)
            return true;
    return false;
}

static void put_replica(struct buf *out, const struct links *l,
                        const struct kf_topic_shape *t, const struct kf_partition *p,
                        int32_t broker)
{
    char path[PATH_MOST], crn[PATH_MOST];

    snprintf(path, sizeof path, "/topics/%s/partitions/%d/replicas/%d", t->name, p->id,
             broker);
    snprintf(crn, sizeof crn, "/topic=%s/partition=%d/replica=%d", t->name, p->id,
             broker);
    put_head(out, "KafkaReplica", l, path, crn);
    buf_put_str(out, ",\"topic_name\":");
    json_put_string(out, span_str(t->name));
    buf_printf(
        out, ",\"partition_id\":%d,\"broker_id\":%d,\"is_leader\":%s,\"is_in_sync\":%s",
        p->id, broker, p->leader == broker ? "true" : "false",
        is_in_sync(p, broker) ? "true" : "false");
    snprintf(path, sizeof path, "/brokers/%d", broker);
    put_related(out, "broker", l, path);
    buf_put_u8(out, '}');
}

static void end_list(struct buf *out)
{
    buf_put_str(out, "]}");
}

static void comma(struct buf *out, size_t i)
{
    if (i > 0)
        buf_put_u8(out, ',');
}

/* All brokers; false: it has been answered. */
static bool ask_brokers(struct gateway *g, struct http_req *r,
                        const struct kf_broker **all, size_t *n, int32_t *controller)
{
    struct err e = {0};

    if (kf_brokers(g->admin, &r->arena, all, n, controller, REST_ASK_MS, &e) == ERR_OK)
        return true;
    rest_refuse_kafka(r, REST_JSON_TYPE, &e);
    return false;
}

static void answer_clusters(struct gateway *g, struct http_req *r, bool as_list)
{
    struct buf body = BUF_INIT(ANSWER_MOST);
    const struct kf_broker *all;
    int32_t controller;
    struct links l;
    size_t n;

    if (!open_links(g, r, &l) || !ask_brokers(g, r, &all, &n, &controller))
        return;
    if (as_list)
        put_list_head(&body, "KafkaClusterList", &l, NULL);
    put_cluster(&body, &l, controller);
    if (as_list)
        end_list(&body);
    rest_answer(r, 200, REST_JSON_TYPE, &body);
}

void rest_v3_clusters(struct gateway *g, struct http_req *r)
{
    answer_clusters(g, r, true);
}

void rest_v3_cluster(struct gateway *g, struct http_req *r)
{
    answer_clusters(g, r, false);
}

void rest_v3_brokers(struct gateway *g, struct http_req *r)
{
    struct buf body = BUF_INIT(ANSWER_MOST);
    const struct kf_broker *all;
    int32_t controller;
    struct links l;
    size_t n;

    if (!open_links(g, r, &l) || !ask_brokers(g, r, &all, &n, &controller))
        return;
    put_list_head(&body, "KafkaBrokerList", &l, "/brokers");
    for (size_t i = 0; i < n; i++) {
        comma(&body, i);
        put_broker(&body, &l, &all[i]);
    }
    end_list(&body);
    rest_answer(r, 200, REST_JSON_TYPE, &body);
}

void rest_v3_broker(struct gateway *g, struct http_req *r)
{
    int32_t id = rest_number(http_part(r, "broker")), controller;
    struct buf body = BUF_INIT(ANSWER_MOST);
    const struct kf_broker *all;
    struct links l;
    size_t n;

    if (!open_links(g, r, &l) || !ask_brokers(g, r, &all, &n, &controller))
        return;
    for (size_t i = 0; i < n; i++)
        if (all[i].id == id) {
            put_broker(&body, &l, &all[i]);
            rest_answer(r, 200, REST_JSON_TYPE, &body);
            return;
        }
    rest_refuse(r, REST_JSON_TYPE, REST_NOT_FOUND,
                "broker " SPAN_FMT " cannot be found",
                SPAN_ARG(http_part(r, "broker")));
}

void rest_v3_topics(struct gateway *g, struct http_req *r)
{
    struct buf body = BUF_INIT(ANSWER_MOST);
    const struct kf_topic_shape *all;
    struct links l;
    struct err e = {0};
    size_t n;

    if (!open_links(g, r, &l))
        return;
    if (kf_topic_shapes(g->admin, &r->arena, &all, &n, REST_ASK_MS, &e) != ERR_OK) {
        rest_refuse_kafka(r, REST_JSON_TYPE, &e);
        return;
    }
    put_list_head(&body, "KafkaTopicList", &l, "/topics");
    for (size_t i = 0, shown = 0; i < n; i++) {
        if (!admit_shows(g, r, span_str(all[i].name)))
            continue;
        comma(&body, shown++);
        put_topic(&body, &l, &all[i]);
    }
    end_list(&body);
    rest_answer(r, 200, REST_JSON_TYPE, &body);
}

/* Links and topic; NULL: it has been answered. */
static const struct kf_topic_shape *open_topic(struct gateway *g, struct http_req *r,
                                               struct links *l)
{
    return open_links(g, r, l)
               ? rest_find_topic(g, r, REST_JSON_TYPE, REST_UNKNOWN_TOPIC)
               : NULL;
}

static const struct kf_partition *find_partition(struct http_req *r,
                                                 const struct kf_topic_shape *t)
{
    int32_t id = rest_number(http_part(r, "partition"));

    for (size_t i = 0; i < t->n; i++)
        if (t->partitions[i].id == id)
            return &t->partitions[i];
    rest_refuse(r, REST_JSON_TYPE, REST_NOT_FOUND,
                "partition " SPAN_FMT " of topic %s cannot be found, it has %zu",
                SPAN_ARG(http_part(r, "partition")), t->name, t->n);
    return NULL;
}

void rest_v3_topic(struct gateway *g, struct http_req *r)
{
    struct buf body = BUF_INIT(ANSWER_MOST);
    struct links l;
    const struct kf_topic_shape *t = open_topic(g, r, &l);

    if (t == NULL)
        return;
    put_topic(&body, &l, t);
    rest_answer(r, 200, REST_JSON_TYPE, &body);
}

void rest_v3_partitions(struct gateway *g, struct http_req *r)
{
    struct buf body = BUF_INIT(ANSWER_MOST);
    char path[PATH_MOST];
    struct links l;
    const struct kf_topic_shape *t = open_topic(g, r, &l);

    if (t == NULL)
        return;
    snprintf(path, sizeof path, "/topics/%s/partitions", t->name);
    put_list_head(&body, "KafkaPartitionList", &l, path);
    for (size_t i = 0; i < t->n; i++) {
        comma(&body, i);
        put_partition(&body, &l, t, &t->partitions[i]);
    }
    end_list(&body);
    rest_answer(r, 200, REST_JSON_TYPE, &body);
}

void rest_v3_partition(struct gateway *g, struct http_req *r)
{
    struct buf body = BUF_INIT(ANSWER_MOST);
    struct links l;
    const struct kf_topic_shape *t = open_topic(g, r, &l);
    const struct kf_partition *p = t != NULL ? find_partition(r, t) : NULL;

    if (p == NULL)
        return;
    put_partition(&body, &l, t, p);
    rest_answer(r, 200, REST_JSON_TYPE, &body);
}

void rest_v3_replicas(struct gateway *g, struct http_req *r)
{
    struct buf body = BUF_INIT(ANSWER_MOST);
    char path[PATH_MOST];
    struct links l;
    const struct kf_topic_shape *t = open_topic(g, r, &l);
    const struct kf_partition *p = t != NULL ? find_partition(r, t) : NULL;

    if (p == NULL)
        return;
    snprintf(path, sizeof path, "/topics/%s/partitions/%d/replicas", t->name, p->id);
    put_list_head(&body, "KafkaReplicaList", &l, path);
    for (size_t i = 0; i < p->n_copies; i++) {
        comma(&body, i);
        put_replica(&body, &l, t, p, p->copies[i]);
    }
    end_list(&body);
    rest_answer(r, 200, REST_JSON_TYPE, &body);
}

void rest_v3_replica(struct gateway *g, struct http_req *r)
{
    int32_t broker = rest_number(http_part(r, "broker"));
    struct buf body = BUF_INIT(ANSWER_MOST);
    struct links l;
    const struct kf_topic_shape *t = open_topic(g, r, &l);
    const struct kf_partition *p = t != NULL ? find_partition(r, t) : NULL;

    if (p == NULL)
        return;
    for (size_t i = 0; i < p->n_copies; i++)
        if (p->copies[i] == broker) {
            put_replica(&body, &l, t, p, broker);
            rest_answer(r, 200, REST_JSON_TYPE, &body);
            return;
        }
    rest_refuse(r, REST_JSON_TYPE, REST_NOT_FOUND,
                "partition %d of topic %s has no replica on broker " SPAN_FMT, p->id,
                t->name, SPAN_ARG(http_part(r, "broker")));
}
