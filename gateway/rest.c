#include "gateway/rest.h"

#include "base/clock.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define SCHEMAS_MOST 100      // different ones in one request
#define REGISTERED_MOST 1000  // texts whose ids are remembered
#define REGISTERED_TEXT 65536 // longer texts are asked for each time
#define LARGE_BODY (64 << 10) // as in api.c
#define REFUSAL_MOST (64 << 10)

/* ---- answers ---- */

void rest_answer(struct http_req *r, int status, const char *type, struct buf *body)
{
    if (!body->over) {
        http_answer_take(r, status, type, body);
        return;
    }
    size_t limit = body->limit;
    buf_free(body);
    http_answer_error(r, status, status, "the answer itself is larger than %zu bytes",
                      limit);
}

void rest_refuse(struct http_req *r, const char *type, int code, const char *fmt, ...)
{
    struct buf body = BUF_INIT(REFUSAL_MOST);
    int status = rest_status(code);
    char text[4096];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    buf_printf(&body, "{\"error_code\":%d,\"message\":", code);
    json_put_string(&body, span_str(text));
    if (status == 503) {
        http_answer_retry_after(r, admit_after(1));
        buf_put_str(&body, ",\"outcome\":\"not_written\"");
    }
    buf_put_u8(&body, '}');
    http_answer_take(r, status, type, &body);
}

void rest_refuse_kafka(struct http_req *r, const char *type, const struct err *e)
{
    rest_refuse(r, type,
                e->kind == ERR_CONFLICT ? REST_NOT_ALLOWED : REST_KAFKA_RETRIABLE, "%s",
                e->msg);
}

int rest_report_code(const struct written *w)
{
    static const struct {
        enum err_kind kind;
        int code;
    } t[] = {{ERR_NOT_FOUND, REST_UNKNOWN_TOPIC},
             {ERR_LIMIT, REST_TOO_LARGE},
             {ERR_INVALID, REST_KAFKA_BAD_REQUEST},
             {ERR_CONFLICT, REST_NOT_ALLOWED}};

    if (w->outcome == OUTCOME_WRITTEN)
        return 0;
    if (w->outcome == OUTCOME_UNKNOWN)
        return REST_KAFKA_ERROR; // not "retriable": a second one might be a double
    for (size_t i = 0; i < sizeof t / sizeof *t; i++)
        if (t[i].kind == w->kind)
            return t[i].code;
    return REST_KAFKA_RETRIABLE;
}

int rest_report_status(const struct written *w)
{
    if (w->outcome == OUTCOME_UNKNOWN)
        return 504;
    int code = rest_report_code(w);
    return code == 0 ? 200 : rest_status(code);
}

/* ---- what is asked of Kafka ---- */

enum err_kind rest_cluster_id(struct gateway *g, struct arena *a, struct span *id,
                              bool may_wait, struct err *e)
{
    pthread_mutex_lock(&g->rest_lock);
    *id = arena_copy(a, span_str(g->cluster_id));
    pthread_mutex_unlock(&g->rest_lock);
    if (id->n > 0)
        return ERR_OK;
    if (!may_wait)
        return err_set(e, ERR_UNAVAILABLE, "the cluster was not asked for its id yet");
    TRY(kf_cluster_id(g->admin, a, id, REST_ASK_MS, e));
    if (id->n >= sizeof g->cluster_id)
        return ERR_OK; // asked for again each time
    pthread_mutex_lock(&g->rest_lock);
    memcpy(g->cluster_id, id->p, id->n);
    g->cluster_id[id->n] = '\0';
    pthread_mutex_unlock(&g->rest_lock);
    return ERR_OK;
}

const struct kf_topic_shape *rest_find_topic(struct gateway *g, struct http_req *r,
                                             const char *type, int missing)
{
    struct span name = http_part(r, "topic");
    const struct kf_topic_shape *all = NULL;
    struct err e = {0};
    size_t n = 0;

    if (kf_topic_shapes(g->admin, &r->arena, &all, &n, REST_ASK_MS, &e) != ERR_OK) {
        rest_refuse_kafka(r, type, &e);
        return NULL;
    }
    for (size_t i = 0; i < n; i++)
        if (span_eq(span_str(all[i].name), name))
            return &all[i];
    rest_refuse(r, type, missing, "topic " SPAN_FMT " does not exist", SPAN_ARG(name));
    return NULL;
}

int32_t rest_number(struct span text)
{
    int32_t v = 0;

    if (text.n == 0 || text.n > 9)
        return -1;
    for (size_t i = 0; i < text.n; i++) {
        if (text.p[i] < '0' || text.p[i] > '9')
            return -1;
        v = v * 10 + (text.p[i] - '0');
    }
    return v;
}

/* ---- schemas ---- */

struct registered {
    int32_t id, version;
};

static void forget_registered(struct gateway *g)
{
    struct registered *known;

    for (size_t at = 0; (known = tab_each(&g->registered, &at, NULL)) != NULL;)
        free(known);
    tab_free(&g->registered);
}

void rest_free(struct gateway *g)
{
    forget_registered(g);
    pthread_mutex_destroy(&g->rest_lock);
}

static struct span registered_key(struct arena *a, const struct rest_schema *s)
{
    size_t n = s->subject.n + 1 + s->ref.text.n;
    uint8_t *p = arena_alloc(a, n);

    memcpy(p, s->subject.p, s->subject.n);
    memcpy(p + s->subject.n + 1, s->ref.text.p, s->ref.text.n);
    return span_of(p, n);
}

static bool recall_registered(struct gateway *g, struct span key,
                              struct registered *out)
{
    pthread_mutex_lock(&g->rest_lock);
    const struct registered *known = tab_get(&g->registered, key);
    if (known != NULL)
        *out = *known;
    pthread_mutex_unlock(&g->rest_lock);
    return known != NULL;
}

static void note_registered(struct gateway *g, struct span key,
                            const struct rc_schema *s)
{
    if (key.n > REGISTERED_TEXT)
        return;
    struct registered *fresh = mem_alloc(sizeof *fresh);
    *fresh = (struct registered){s->id, s->version};
    pthread_mutex_lock(&g->rest_lock);
    if (g->registered.n >= REGISTERED_MOST)
        forget_registered(g);
    free(tab_put(&g->registered, key, fresh));
    pthread_mutex_unlock(&g->rest_lock);
}

/* The subject, where the body or a strategy says it. `root` is the schema when it is
 * known already. */
static enum err_kind name_subject(struct rest *t, struct rest_schema *s,
                                  const struct av_node *root, struct err *e)
{
    struct publish *p = rest_publish(t);
    struct buf name = BUF_INIT(4096);
    struct span record = {0};

    if (s->ref.subject.n > 0) {
        s->subject = s->ref.subject;
        return ERR_OK;
    }
    if (root != NULL && root->name.space.n > 0)
        record = arena_printf(&p->req->arena, "%.*s.%.*s", (int)root->name.space.n,
                              (const char *)root->name.space.p, (int)root->name.base.n,
                              (const char *)root->name.base.p);
    else if (root != NULL)
        record = root->name.base;
    enum err_kind rc =
        subject_name(&name, s->ref.strategy, p->ask.topic, record, s->is_key, e);
    if (rc == ERR_OK)
        rc = buf_status(&name, e);
    if (rc == ERR_OK)
        s->subject = arena_copy(&p->req->arena, buf_span(&name));
    buf_free(&name);
    return rc;
}

static enum err_kind find_by_text(struct gateway *g, struct rest *t,
                                  struct rest_schema *s, int64_t deadline_ms,
                                  struct err *e)
{
    struct publish *p = rest_publish(t);
    struct av_schema *parsed = NULL;
    struct registered known = {0};

    if (av_schema_parse(&parsed, s->ref.text, NULL, 0, NULL, e) != ERR_OK)
        return err_prefix(e, "schema");
    enum err_kind rc = name_subject(t, s, av_schema_root(parsed), e);
    av_schema_release(parsed);
    if (rc != ERR_OK)
        return rc;
    struct span key = registered_key(&p->req->arena, s);
    if (recall_registered(g, key, &known)) {
        TRY(rc_by_id(g->rc, known.id, deadline_ms, &s->schema, e));
        s->schema.version = known.version;
        return ERR_OK;
    }
    if (deadline_ms == 0)
        return err_set(e, ERR_UNAVAILABLE, "the registry was not asked yet");
    TRY(rc_register(g->rc, s->subject, &(struct rc_draft){.text = s->ref.text},
                    deadline_ms, &s->schema, e));
    note_registered(g, key, &s->schema);
    return ERR_OK;
}

static enum err_kind find_schema(struct gateway *g, struct rest *t,
                                 struct rest_schema *s, bool may_wait, struct err *e)
{
    int64_t deadline_ms = may_wait ? clock_ms() + g->s->registry_ms : 0;
    struct err ignored = {0};

    if (s->ref.text.p != NULL)
        return find_by_text(g, t, s, deadline_ms, e);
    if (s->ref.id != 0) {
        TRY(rc_by_id(g->rc, s->ref.id, deadline_ms, &s->schema, e));
        // Only to be said in the answer: a record by id needs no subject.
        if (name_subject(t, s, av_schema_root(s->schema.schema), &ignored) != ERR_OK)
            s->subject = (struct span){0};
        return ERR_OK;
    }
    TRY(name_subject(t, s, NULL, e));
    return rc_by_version(g->rc, s->subject, s->ref.version, deadline_ms, &s->schema, e);
}

/* Text of these types means other bytes in Avro's JSON than in plain JSON: where a
 * schema has one, only REST Proxy's reading is taken (decision 033). */
static bool wants_strict(const struct av_schema *s)
{
    for (uint32_t i = 0; i < av_schema_nodes(s); i++) {
        const struct av_node *n = av_schema_node(s, i);

        if (n->logical == AV_DECIMAL || n->logical == AV_BIG_DECIMAL ||
            n->logical == AV_DURATION || (n->logical == AV_UUID && n->type == AV_FIXED))
            return true;
    }
    return false;
}

static enum err_kind find_codec(struct gateway *g, struct rest_schema *s, struct err *e)
{
    const struct av_encode_options o = {.unknown_fields = g->defaults.unknown_fields,
                                        .bytes_as = AV_BYTES_AVRO_JSON,
                                        .strict_avro_json =
                                            wants_strict(s->schema.schema)};

    return codec_get(&g->codecs, s->schema.id, s->schema.schema, &o, &s->codec, e);
}

static int code_of_schema(const struct rest_schema *s, enum err_kind kind)
{
    if (kind == ERR_UNAVAILABLE)
        return REST_KAFKA_RETRIABLE;
    if (s->ref.text.p != NULL || kind != ERR_NOT_FOUND)
        return REST_INVALID_SCHEMA;
    return REST_NO_SERIALIZATION;
}

/* False: a worker has to ask.  What cannot be found says so in its code. */
static bool settle_schema(struct gateway *g, struct rest *t, struct rest_schema *s,
                          bool may_wait)
{
    struct err e = {0};

    enum err_kind rc = find_schema(g, t, s, may_wait, &e);
    if (rc == ERR_OK)
        rc = find_codec(g, s, &e);
    if (rc == ERR_OK)
        rc = contracts_get(&g->contracts, &s->schema, s->subject, &s->contract, &e);
    if (rc == ERR_OK)
        return true;
    if (!may_wait && (rc == ERR_UNAVAILABLE || rc == ERR_NOT_FOUND))
        return false;
    s->code = code_of_schema(s, rc);
    s->why = arena_copy(&rest_publish(t)->req->arena, span_str(e.msg));
    return true;
}

static bool same_ref(const struct rest_ref *a, const struct rest_ref *b)
{
    return a->id == b->id && a->version == b->version && a->strategy == b->strategy &&
           (a->text.p == NULL) == (b->text.p == NULL) && span_eq(a->text, b->text) &&
           span_eq(a->subject, b->subject);
}

const struct rest_schema *rest_schema_of(const struct rest *t,
                                         const struct rest_datum *d, bool is_key)
{
    for (size_t i = t->n_schemas; i-- > 0;) // the latest first: they come in runs
        if (t->schemas[i].is_key == is_key && same_ref(&t->schemas[i].ref, &d->ref))
            return &t->schemas[i];
    return NULL;
}

static bool add_schema(struct rest *t, const struct rest_datum *d, bool is_key)
{
    if (d->format != REST_AVRO || !rest_has_value(d) ||
        rest_schema_of(t, d, is_key) != NULL)
        return true;
    if (t->n_schemas == SCHEMAS_MOST)
        return false;
    t->schemas[t->n_schemas++] = (struct rest_schema){.is_key = is_key, .ref = d->ref};
    return true;
}

/* Every schema the good records name, once. */
static void gather_schemas(struct rest *t)
{
    // Not of the arena: what they hold is given back after the answer took that along.
    t->schemas = mem_array(t->kind->all_or_none ? 2 : SCHEMAS_MOST, sizeof *t->schemas);
    for (size_t i = 0; i < t->body.n; i++) {
        struct rest_record *r = &t->body.records[i];

        if (r->code != 0 ||
            (add_schema(t, &r->key, true) && add_schema(t, &r->value, false)))
            continue;
        r->code = REST_TOO_LARGE;
        r->why = span_str("the request names more than 100 schemas");
    }
}

/* Those with a text, or those without: a text is registered, so its topic is looked
 * for first.  False: a worker has to ask. */
static bool settle_schemas(struct gateway *g, struct rest *t, bool with_text,
                           bool may_wait)
{
    for (size_t i = 0; i < t->n_schemas; i++) {
        struct rest_schema *s = &t->schemas[i];

        if ((s->ref.text.p != NULL) == with_text && s->codec == NULL && s->code == 0 &&
            !settle_schema(g, t, s, may_wait))
            return false;
    }
    return true;
}

/* v2 has one schema a side: without it, nothing of the request can be read. */
static const struct rest_schema *first_missing(const struct rest *t)
{
    for (size_t i = 0; i < t->n_schemas; i++)
        if (t->schemas[i].code != 0)
            return &t->schemas[i];
    return NULL;
}

/* ---- a POST ---- */

static void drop(struct publish *p)
{
    struct rest *t = (struct rest *)p;

    for (size_t i = 0; i < t->n_schemas; i++) {
        rc_schema_free(&t->schemas[i].schema);
        codec_release(t->schemas[i].codec);
        gw_contract_release(t->schemas[i].contract);
    }
    free(t->schemas);
    if (t->drop != NULL)
        t->drop(p);
}

static void on_answer(struct publish *p)
{
    struct rest *t = (struct rest *)p;

    count_answer(p);
    int64_t began_us = clock_us();
    if (p->sent > 0)
        count_phase(PHASE_KAFKA, began_us - p->checked_us);
    t->kind->answer(t);
    count_phase(PHASE_ANSWER, clock_us() - began_us);
    publish_free(p);
}

/* What a step of a POST came to. */
enum step { STEP_ON, STEP_LATER, STEP_ANSWERED };

static enum step refuse(struct rest *t, int code, const char *msg)
{
    if (t->kind->refuse != NULL)
        t->kind->refuse(t, code, msg);
    else
        rest_refuse(rest_publish(t)->req, t->type, code, "%s", msg);
    return STEP_ANSWERED;
}

static enum step refuse_kafka(struct rest *t, const struct err *e)
{
    return refuse(t, e->kind == ERR_CONFLICT ? REST_NOT_ALLOWED : REST_KAFKA_RETRIABLE,
                  e->msg);
}

static void send_or_answer(struct rest *t)
{
    struct publish *p = rest_publish(t);
    struct err e = {0};

    p->checked_us = clock_us();
    count_phase(PHASE_CHECK, p->checked_us - p->found_us);
    p->held = t->kind->all_or_none && p->batch.bad > 0;
    if ((p->held || p->batch.bad == p->batch.n) && !publish_buries_any(p)) {
        on_answer(p);
        return;
    }
    t->sent.answer = on_answer;
    if (api_send(&t->sent, &e) == ERR_OK)
        return;
    refuse(t, REST_KAFKA_RETRIABLE, e.msg);
    publish_free(p);
}

static enum step check_cluster(struct gateway *g, struct rest *t, bool may_wait)
{
    struct http_req *r = rest_publish(t)->req;
    struct err e = {0};
    char text[200];

    if (!t->kind->has_cluster)
        return STEP_ON;
    if (rest_cluster_id(g, &r->arena, &t->cluster, may_wait, &e) != ERR_OK) {
        if (!may_wait)
            return STEP_LATER;
        return refuse_kafka(t, &e);
    }
    if (span_eq(t->cluster, http_part(r, "cluster")))
        return STEP_ON;
    snprintf(text, sizeof text, "Cluster " SPAN_FMT " cannot be found.",
             SPAN_ARG(http_part(r, "cluster")));
    return refuse(t, REST_NOT_FOUND, text);
}

static enum step read_body(struct gateway *g, struct rest *t)
{
    struct publish *p = rest_publish(t);
    struct err e = {0};
    int code = 0;

    t->limits = (struct rest_limits){.records = (size_t)g->s->records,
                                     .strategy = g->defaults.strategy};
    p->ask.topic = http_part(p->req, "topic");
    p->ask.partition = -1;
    p->ask.on_error = t->kind->all_or_none ? ON_ERROR_REJECT : ON_ERROR_PARTIAL;
    if (!ask_topic_is_legal(p->ask.topic))
        return refuse(
            t, REST_KAFKA_BAD_REQUEST,
            "the topic's name has other characters than Kafka takes: letters, "
            "digits, '.', '_' and '-'");
    if (t->kind->read(t, p->req->body, &code, &e) != ERR_OK)
        return refuse(t, code, e.msg);
    gather_schemas(t);
    return STEP_ON;
}

static enum step find_topic(struct gateway *g, struct rest *t, int32_t *partitions,
                            bool may_wait)
{
    struct publish *p = rest_publish(t);
    struct err e = {0};

    enum err_kind rc = may_wait
                           ? topics_ask(&g->topics, p->ask.topic, partitions, &e)
                           : topics_recall(&g->topics, p->ask.topic, partitions, &e);
    if (rc == ERR_OK)
        return STEP_ON;
    if (rc == ERR_UNAVAILABLE && !may_wait)
        return STEP_LATER;
    if (rc == ERR_NOT_FOUND)
        return refuse(t, REST_TOPIC_NOT_FOUND, e.msg);
    return refuse_kafka(t, &e);
}

static enum step find_schemas(struct gateway *g, struct rest *t, bool with_text,
                              bool may_wait)
{
    if (!settle_schemas(g, t, with_text, may_wait))
        return STEP_LATER;
    const struct rest_schema *missing = t->kind->all_or_none ? first_missing(t) : NULL;
    if (missing == NULL)
        return STEP_ON;
    rest_refuse(rest_publish(t)->req, t->type, missing->code,
                "%s: "
                "%.*s",
                missing->is_key ? "key" : "value", (int)missing->why.n,
                (const char *)missing->why.p);
    return STEP_ANSWERED;
}

/* As in api.c: what does not fit the latest version, as far as we know it, may fit one
 * that was registered a moment ago. */
static bool is_worth_asking(struct gateway *g, struct rest *t)
{
    int64_t since_ms = rest_publish(t)->req->began_us / 1000;
    bool worth = false;

    for (size_t i = 0; i < t->n_schemas; i++) {
        const struct rest_schema *s = &t->schemas[i];

        if (s->code == 0 && s->ref.id == 0 && s->ref.version == 0 &&
            s->ref.text.p == NULL)
            worth |= rc_doubt_latest(g->rc, s->subject, since_ms);
    }
    return worth;
}

static enum step frame_records(struct gateway *g, struct rest *t, int32_t partitions)
{
    struct err e = {0};

    if (rest_frame(g, t, partitions, &e) != ERR_OK)
        return refuse(t, REST_TOO_LARGE, e.msg);
    if (rest_publish(t)->batch.bad > 0 && is_worth_asking(g, t))
        return STEP_LATER;
    return STEP_ON;
}

static enum step unpack(struct gateway *g, struct rest *t, bool may_wait)
{
    struct http_req *r = rest_publish(t)->req;
    struct err e = {0};

    if (!unpack_is_due(r))
        return STEP_ON;
    if (!may_wait)
        return STEP_LATER;
    int status = unpack_body(g, r, &e);
    if (status == 0)
        return STEP_ON;
    return refuse(t, status == 503 ? REST_KAFKA_RETRIABLE : status, e.msg);
}

static enum step frame_all(struct gateway *g, struct rest *t, int32_t partitions)
{
    if (!rest_has_contract(t))
        return frame_records(g, t, partitions);
    t->run = contracts_take_run(&g->contracts);
    enum step step = frame_records(g, t, partitions);
    contracts_give_run(&g->contracts, t->run, step != STEP_LATER);
    return step;
}

static enum step prepare(struct gateway *g, struct rest *t, bool may_wait)
{
    int32_t partitions = 0;
    enum step step = unpack(g, t, may_wait);

    if (step == STEP_ON)
        step = read_body(g, t);

    if (step == STEP_ON)
        step = check_cluster(g, t, may_wait);
    if (step == STEP_ON && retry_ask(g, rest_publish(t)->req, false) == RETRY_ANSWERED)
        step = STEP_ANSWERED;
    if (step == STEP_ON)
        carry_note(g, rest_publish(t)->req);
    if (step == STEP_ON)
        step = find_schemas(g, t, false, may_wait);
    if (step == STEP_ON)
        step = find_topic(g, t, &partitions, may_wait);
    if (step == STEP_ON)
        step = find_schemas(g, t, true, may_wait);
    if (step != STEP_ON)
        return step;
    rest_publish(t)->found_us = clock_us();
    count_phase(PHASE_SCHEMA, rest_publish(t)->found_us - rest_publish(t)->began_us);
    step = frame_all(g, t, partitions);
    return step;
}

static void serve_later(struct gateway *g, struct http_req *r, const char *type)
{
    if (!queue_try_put(&g->waiting, r))
        rest_refuse(r, type, REST_KAFKA_RETRIABLE,
                    "too many requests wait for the registry or Kafka");
}

static const char *type_of(const struct rest_kind *kind, const struct http_req *r)
{
    return kind == &rest_v2_records ? rest_answer_type(http_header(r, "Accept"))
                                    : REST_JSON_TYPE;
}

bool rest_carry_out(struct rest *t, bool may_wait)
{
    struct publish *p = rest_publish(t);

    t->drop = p->drop;
    p->drop = drop;
    enum step step = prepare(t->sent.gateway, t, may_wait);
    if (step == STEP_ON)
        send_or_answer(t);
    else
        publish_free(p);
    return step != STEP_LATER;
}

static void post(struct gateway *g, struct http_req *r, const struct rest_kind *kind,
                 bool may_wait)
{
    const char *type = type_of(kind, r);
    struct rest *t;

    if (may_wait || r->body.n <= LARGE_BODY) {
        t = mem_alloc(sizeof *t);
        t->sent.gateway = g;
        t->kind = kind;
        t->type = type;
        rest_publish(t)->req = r;
        rest_publish(t)->began_us = clock_us();
        if (rest_carry_out(t, may_wait))
            return;
    }
    serve_later(g, r, type);
}

/* ---- routes ---- */

static void on_post(struct http_app *app, struct http_req *r);
static void on_get(struct http_app *app, struct http_req *r);

#define V3 "/v3/clusters/{cluster}"
#define V3_TOPIC V3 "/topics/{topic}"
#define V3_PARTITION V3_TOPIC "/partitions/{partition}"

static const struct http_route routes[] = {
    {HTTP_POST, "/topics/{topic}", on_post, 0, 0, 0},
    {HTTP_POST, "/topics/{topic}/partitions/{partition}", on_post, 0, 0, 0},
    {HTTP_POST, V3_TOPIC "/records", on_post, HTTP_STREAM, 0, 0},
    {HTTP_POST, V3_TOPIC "/records:batch", on_post, 0, 0, 0},
    {HTTP_GET, "/topics", on_get, 0, 0, 0},
    {HTTP_GET, "/topics/{topic}", on_get, 0, 0, 0},
    {HTTP_GET, "/topics/{topic}/partitions", on_get, 0, 0, 0},
    {HTTP_GET, "/topics/{topic}/partitions/{partition}", on_get, 0, 0, 0},
    {HTTP_GET, "/topics/{topic}/partitions/{partition}/offsets", on_get, 0, 0, 0},
    {HTTP_GET, "/brokers", on_get, 0, 0, 0},
    {HTTP_GET, "/v3/clusters", on_get, 0, 0, 0},
    {HTTP_GET, V3, on_get, 0, 0, 0},
    {HTTP_GET, V3 "/brokers", on_get, 0, 0, 0},
    {HTTP_GET, V3 "/brokers/{broker}", on_get, 0, 0, 0},
    {HTTP_GET, V3 "/topics", on_get, 0, 0, 0},
    {HTTP_GET, V3_TOPIC, on_get, 0, 0, 0},
    {HTTP_GET, V3_TOPIC "/partitions", on_get, 0, 0, 0},
    {HTTP_GET, V3_PARTITION, on_get, 0, 0, 0},
    {HTTP_GET, V3_PARTITION "/replicas", on_get, 0, 0, 0},
    {HTTP_GET, V3_PARTITION "/replicas/{broker}", on_get, 0, 0, 0},
};

/* Who answers each row: the same order. */
static const struct {
    const struct rest_kind *kind;
    void (*get)(struct gateway *g, struct http_req *r);
} answerers[] = {
    {&rest_v2_records, NULL},   {&rest_v2_records, NULL},   {&rest_v3_records, NULL},
    {&rest_v3_batch, NULL},     {NULL, rest_v2_topics},     {NULL, rest_v2_topic},
    {NULL, rest_v2_partitions}, {NULL, rest_v2_partition},  {NULL, rest_v2_offsets},
    {NULL, rest_v2_brokers},    {NULL, rest_v3_clusters},   {NULL, rest_v3_cluster},
    {NULL, rest_v3_brokers},    {NULL, rest_v3_broker},     {NULL, rest_v3_topics},
    {NULL, rest_v3_topic},      {NULL, rest_v3_partitions}, {NULL, rest_v3_partition},
    {NULL, rest_v3_replicas},   {NULL, rest_v3_replica},
};

#define ROUTES (sizeof routes / sizeof *routes)
_Static_assert(sizeof answerers / sizeof *answerers == ROUTES, "one answerer a row");

const struct http_route *rest_routes(size_t *n)
{
    *n = ROUTES;
    return routes;
}

bool rest_is_route(const struct http_route *route)
{
    return route->handler == on_post || route->handler == on_get;
}

int rest_outcome_code(int status)
{
    return status == 504 ? REST_KAFKA_ERROR : REST_KAFKA_RETRIABLE;
}

static size_t row_of(const struct http_req *r)
{
    size_t i = 0;

    while (r->route->method != routes[i].method ||
           strcmp(r->route->pattern, routes[i].pattern) != 0)
        i++; // it is one of them: that is how it came here
    return i;
}

static void on_post(struct http_app *app, struct http_req *r)
{
    if (r->streams) {
        rest_stream_open((struct gateway *)app, r);
        return;
    }
    count_phase(PHASE_BODY, clock_us() - r->began_us);
    post((struct gateway *)app, r, answerers[row_of(r)].kind, false);
}

static void on_get(struct http_app *app, struct http_req *r)
{
    serve_later((struct gateway *)app, r, REST_JSON_TYPE);
}

void rest_serve_waiting(struct gateway *g, struct http_req *r)
{
    size_t row = row_of(r);

    if (r->streams)
        rest_stream_work(g, r);
    else if (answerers[row].get != NULL)
        answerers[row].get(g, r);
    else
        post(g, r, answerers[row].kind, true);
}
