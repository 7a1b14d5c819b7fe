#include "gateway/rest.h"

#define ANSWER_MOST (64 << 20)
#define MESSAGE_MOST 3500 // of a refusal: the records it names
#define CONFIGS_MS 2000

static enum err_kind read_v2(struct rest *t, struct span body, int *code, struct err *e)
{
    struct http_req *r = rest_publish(t)->req;
    enum rest_format format;
    int32_t partition = -1;

    if (!rest_content_type(http_header(r, "Content-Type"), &format, e)) {
        *code = REST_UNSUPPORTED_TYPE;
        return ERR_INVALID;
    }
    if (r->nparts == 2) { // .../partitions/{partition}
        partition = rest_number(http_part(r, "partition"));
        if (partition < 0) {
            *code = REST_PARTITION_NOT_FOUND;
            return err_set(e, ERR_NOT_FOUND, "partition " SPAN_FMT " does not exist",
                           SPAN_ARG(http_part(r, "partition")));
        }
    }
    TRY(rest_read_v2(&t->body, format, body, &t->limits, &r->arena, code, e));
    for (size_t i = 0; i < t->body.n; i++)
        if (t->body.records[i].extra.partition < 0)
            t->body.records[i].extra.partition = partition;
    return ERR_OK;
}

/* ---- the answer to records ---- */

static void put_id(struct buf *out, const char *name, const struct rest *t, bool is_key,
                   const struct rest_ref *ref, bool given)
{
    const struct rest_datum d = {.ref = *ref};
    const struct rest_schema *s = given ? rest_schema_of(t, &d, is_key) : NULL;

    buf_printf(out, ",\"%s\":", name);
    if (s != NULL && s->schema.id > 0)
        json_put_int(out, s->schema.id);
    else if (given && ref->id > 0)
        json_put_int(out, ref->id);
    else
        buf_put_str(out, "null");
}

static void put_offset(struct buf *out, const struct written *w)
{
    if (w->outcome == OUTCOME_WRITTEN) {
        buf_printf(
            out,
            "{\"partition\":%d,\"offset\":%lld,\"error_code\":null,\"error\":null}",
            w->partition, (long long)w->offset);
        return;
    }
    buf_printf(out, "{\"partition\":null,\"offset\":null,\"error_code\":%d,\"error\":",
               rest_report_code(w));
    json_put_string(out, span_str(w->reason != NULL ? w->reason : ""));
    buf_put_u8(out, '}');
}

static void put_offsets(struct buf *out, struct rest *t)
{
    const struct publish *p = rest_publish(t);

    buf_put_str(out, "\"offsets\":[");
    for (size_t i = 0; i < p->batch.n; i++) {
        if (i > 0)
            buf_put_u8(out, ',');
        put_offset(out, &p->main[i]);
    }
    buf_put_u8(out, ']');
    put_id(out, "key_schema_id", t, true, &t->body.key_ref, t->body.has_key_ref);
    put_id(out, "value_schema_id", t, false, &t->body.value_ref, t->body.has_value_ref);
}

/* "2 of 5 records are refused, nothing was written: record 1: value: ..." */
static void refuse_records(struct rest *t)
{
    const struct publish *p = rest_publish(t);
    struct buf text = BUF_INIT(MESSAGE_MOST);
    int code = 0;

    for (size_t i = 0; i < t->body.n && !text.over; i++) {
        const struct rest_record *r = &t->body.records[i];
        if (r->code == 0)
            continue;
        if (code == 0)
            code = r->code;
        buf_printf(&text, "%s record %zu: ", text.n > 0 ? ";" : ":", i);
        buf_put(&text, r->why);
    }
    rest_refuse(p->req, t->type, code,
                "%zu of %zu records are refused, nothing was written%.*s%s",
                p->batch.bad, p->batch.n, (int)text.n, (const char *)text.p,
                text.over ? " ..." : "");
    buf_free(&text);
}

static size_t count(const struct publish *p, enum outcome o)
{
    size_t n = 0;

    for (size_t i = 0; i < p->batch.n; i++)
        n += p->main[i].outcome == o;
    return n;
}

static const struct written *first_failure(const struct publish *p)
{
    size_t i = 0;

    while (i + 1 < p->batch.n && p->main[i].outcome == OUTCOME_WRITTEN)
        i++;
    return &p->main[i];
}

/* Nothing was written, or nobody knows: the offsets are said all the same. */
static void answer_failure(struct rest *t, size_t unknown, struct buf *body)
{
    const struct publish *p = rest_publish(t);
    const struct written *w = first_failure(p);
    int code = unknown > 0 ? REST_KAFKA_ERROR : rest_report_code(w);
    int status = unknown > 0 ? 504 : rest_report_status(w);

    buf_printf(body, "{\"error_code\":%d,\"message\":\"", code);
    if (unknown > 0)
        buf_printf(body,
                   "Kafka may have written %zu of %zu records: the answer was lost\"",
                   unknown, p->batch.n);
    else
        buf_put_str(body, "nothing was written, of the reason see offsets\"");
    buf_printf(body, ",\"outcome\":\"%s\",", unknown > 0 ? "unknown" : "not_written");
    put_offsets(body, t);
    buf_put_u8(body, '}');
    if (status == 503)
        http_answer_retry_after(p->req, 1);
    rest_answer(p->req, status, t->type, body);
}

static void answer_v2(struct rest *t)
{
    const struct publish *p = rest_publish(t);
    struct buf body = BUF_INIT(ANSWER_MOST);
    size_t unknown = count(p, OUTCOME_UNKNOWN), written = count(p, OUTCOME_WRITTEN);

    if (p->batch.bad > 0) {
        refuse_records(t);
        return;
    }
    if (unknown > 0 || written == 0) {
        answer_failure(t, unknown, &body);
        return;
    }
    // Some written, some surely not: each says so, as REST Proxy's clients expect.
    buf_put_u8(&body, '{');
    put_offsets(&body, t);
    buf_put_u8(&body, '}');
    rest_answer(p->req, 200, t->type, &body);
}

const struct rest_kind rest_v2_records = {
    .all_or_none = true, .read = read_v2, .answer = answer_v2};

/* ---- what there is ---- */

static const char *type_of(const struct http_req *r)
{
    return rest_answer_type(http_header(r, "Accept"));
}

void rest_v2_topics(struct gateway *g, struct http_req *r)
{
    const struct kf_topic *all = NULL;
    struct buf body = BUF_INIT(ANSWER_MOST);
    struct err e = {0};
    size_t n = 0;

    if (kf_topics(g->admin, &r->arena, &all, &n, REST_ASK_MS, &e) != ERR_OK) {
        rest_refuse_kafka(r, type_of(r), &e);
        return;
    }
    buf_put_u8(&body, '[');
    for (size_t i = 0; i < n; i++) {
        if (!admit_shows(g, r, span_str(all[i].name)))
            continue;
        if (body.n > 1)
            buf_put_u8(&body, ',');
        json_put_string(&body, span_str(all[i].name));
    }
    buf_put_u8(&body, ']');
    rest_answer(r, 200, type_of(r), &body);
}

static bool is_in_sync(const struct kf_partition *p, int32_t broker)
{
    for (size_t i = 0; i < p->n_in_sync; i++)
        if (p->in_sync[i] == broker)
            return true;
    return false;
}

static const char *word(bool v)
{
    return v ? "true" : "false";
}

static void put_partition(struct buf *out, const struct kf_partition *p)
{
    buf_printf(out, "{\"partition\":%d,\"leader\":%d,\"replicas\":[", p->id, p->leader);
    for (size_t i = 0; i < p->n_copies; i++)
        buf_printf(out, "%s{\"broker\":%d,\"leader\":%s,\"in_sync\":%s}",
                   i > 0 ? "," : "", p->copies[i], word(p->copies[i] == p->leader),
                   word(is_in_sync(p, p->copies[i])));
    buf_put_str(out, "]}");
}

static void put_partitions(struct buf *out, const struct kf_topic_shape *t)
{
    buf_put_u8(out, '[');
    for (size_t i = 0; i < t->n; i++) {
        if (i > 0)
            buf_put_u8(out, ',');
        put_partition(out, &t->partitions[i]);
    }
    buf_put_u8(out, ']');
}

static void put_configs(struct buf *out, struct gateway *g, const char *topic,
                        struct arena *a)
{
    struct conf_pairs all = {0};
    struct err ignored = {0};

    // A cluster that does not say its settings to us still has topics.
    if (kf_topic_settings(g->admin, topic, a, &all, CONFIGS_MS, &ignored) != ERR_OK)
        all.n = 0;
    buf_put_u8(out, '{');
    for (size_t i = 0; i < all.n; i++) {
        if (i > 0)
            buf_put_u8(out, ',');
        json_put_string(out, span_str(all.items[i].name));
        buf_put_u8(out, ':');
        json_put_string(out, span_str(all.items[i].value));
    }
    buf_put_u8(out, '}');
}

void rest_v2_topic(struct gateway *g, struct http_req *r)
{
    const struct kf_topic_shape *t =
        rest_find_topic(g, r, type_of(r), REST_TOPIC_NOT_FOUND);
    struct buf body = BUF_INIT(ANSWER_MOST);

    if (t == NULL)
        return;
    buf_put_str(&body, "{\"name\":");
    json_put_string(&body, span_str(t->name));
    buf_put_str(&body, ",\"configs\":");
    put_configs(&body, g, t->name, &r->arena);
    buf_put_str(&body, ",\"partitions\":");
    put_partitions(&body, t);
    buf_put_u8(&body, '}');
    rest_answer(r, 200, type_of(r), &body);
}

void rest_v2_partitions(struct gateway *g, struct http_req *r)
{
    const struct kf_topic_shape *t =
        rest_find_topic(g, r, type_of(r), REST_TOPIC_NOT_FOUND);
    struct buf body = BUF_INIT(ANSWER_MOST);

    if (t == NULL)
        return;
    put_partitions(&body, t);
    rest_answer(r, 200, type_of(r), &body);
}

/* NULL: it has been answered. */
static const struct kf_partition *find_partition(struct gateway *g, struct http_req *r,
                                                 const char **topic)
{
    const struct kf_topic_shape *t =
        rest_find_topic(g, r, type_of(r), REST_TOPIC_NOT_FOUND);
    int32_t id = rest_number(http_part(r, "partition"));

    if (t == NULL)
        return NULL;
    *topic = t->name;
    for (size_t i = 0; i < t->n; i++)
        if (t->partitions[i].id == id)
            return &t->partitions[i];
    rest_refuse(r, type_of(r), REST_PARTITION_NOT_FOUND,
                "partition " SPAN_FMT " of topic %s does not exist, it has %zu",
                SPAN_ARG(http_part(r, "partition")), t->name, t->n);
    return NULL;
}

void rest_v2_partition(struct gateway *g, struct http_req *r)
{
    struct buf body = BUF_INIT(ANSWER_MOST);
    const char *topic;
    const struct kf_partition *p = find_partition(g, r, &topic);

    if (p == NULL)
        return;
    put_partition(&body, p);
    rest_answer(r, 200, type_of(r), &body);
}

void rest_v2_offsets(struct gateway *g, struct http_req *r)
{
    struct buf body = BUF_INIT(ANSWER_MOST);
    const char *topic;
    const struct kf_partition *p = find_partition(g, r, &topic);
    int64_t low, high;
    struct err e = {0};

    if (p == NULL)
        return;
    if (kf_offsets(g->admin, topic, p->id, &low, &high, REST_ASK_MS, &e) != ERR_OK) {
        rest_refuse_kafka(r, type_of(r), &e);
        return;
    }
    buf_printf(&body, "{\"beginning_offset\":%lld,\"end_offset\":%lld}", (long long)low,
               (long long)high);
    rest_answer(r, 200, type_of(r), &body);
}

void rest_v2_brokers(struct gateway *g, struct http_req *r)
{
    const struct kf_broker *all = NULL;
    struct buf body = BUF_INIT(ANSWER_MOST);
    int32_t controller;
    struct err e = {0};
    size_t n = 0;

    if (kf_brokers(g->admin, &r->arena, &all, &n, &controller, REST_ASK_MS, &e) !=
        ERR_OK) {
        rest_refuse_kafka(r, type_of(r), &e);
        return;
    }
    buf_put_str(&body, "{\"brokers\":[");
    for (size_t i = 0; i < n; i++)
        buf_printf(&body, "%s%d", i > 0 ? "," : "", all[i].id);
    buf_put_str(&body, "]}");
    rest_answer(r, 200, type_of(r), &body);
}
