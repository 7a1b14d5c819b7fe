#include "base/clock.h"
#include "base/log.h"
#include "registry/api_inside.h"

#include <stdlib.h>

#define ANSWER_MOST (256 << 20)
#define WHY_LOGGED 300
#define DEADLINE_SLACK_MS 1000 // an answer says more than a 504 does

/* Answers. */

void answer_refusal(struct http_req *r, const char *type, const struct reg_refusal *no)
{
    struct buf out = BUF_INIT(ANSWER_MOST);

    api_error_put(&out, no->code, no->message);
    http_answer_take(r, status_of_code(no->code), type, &out);
}

static void answer_code(struct http_req *r, int code, const char *text)
{
    struct reg_refusal no = {.code = code, .message = span_str(text)};

    answer_refusal(r, REG_JSON, &no);
}

/* The type to answer in; NULL: the request has been refused. */
static const char *agreed_type(struct http_req *r)
{
    const char *type = reg_accepted(http_header(r, "Accept"));

    if (type == NULL)
        answer_code(r, 406, "HTTP 406 Not Acceptable");
    else if (r->body.n > 0 && !reg_readable(http_header(r, "Content-Type"))) {
        answer_code(r, 415, "HTTP 415 Unsupported Media Type");
        return NULL;
    }
    return type;
}

/* Reads. */

static void look(struct reading *rd)
{
    buf_reset(&rd->out);
    rd->no = (struct reg_refusal){0};
    rd->s = reg_tail_look(rd->api->tail);
    rd->read(rd);
    reg_tail_done(rd->api->tail);
    rd->s = NULL;
}

static void finish(struct reading *rd)
{
    struct buf out = rd->out;
    struct http_req *r = rd->r;

    if (rd->no.code == 0 && out.over)
        reg_refuse(&rd->no, rd->a, 500, "an answer of more than %d bytes", ANSWER_MOST);
    if (rd->no.code != 0) {
        answer_refusal(r, rd->type, &rd->no);
        buf_free(&out);
        return;
    }
    http_answer_take(r, 200, rd->type, &out);
}

static void look_again(struct reg_waiting *w)
{
    struct reading *rd = (struct reading *)w;

    look(rd);
    finish(rd);
}

static bool may_be_news(const struct reading *rd)
{
    return rd->no.code == REG_SUBJECT_NOT_FOUND ||
           rd->no.code == REG_VERSION_NOT_FOUND || rd->no.code == REG_SCHEMA_NOT_FOUND;
}

static void answer_read(struct http_app *app, struct http_req *r,
                        void (*read)(struct reading *rd))
{
    struct reg_api *api = (struct reg_api *)app;
    const char *type = agreed_type(r);

    if (type == NULL)
        return;

    struct reading *rd = arena_alloc(&r->arena, sizeof *rd);
    *rd = (struct reading){.waiting = {look_again},
                           .api = api,
                           .r = r,
                           .read = read,
                           .type = type,
                           .a = &r->arena,
                           .out = BUF_INIT(ANSWER_MOST)};
    look(rd);
    if (may_be_news(rd) && reg_fresh_wait(api->fresh, &rd->waiting))
        return;
    finish(rd);
}

#define READ(name)                                                   \
    static void get_##name(struct http_app *app, struct http_req *r) \
    {                                                                \
        answer_read(app, r, read_##name);                            \
    }
READ(schema_types)
READ(schemas)
READ(by_id)
READ(text_by_id)
READ(subjects_of_id)
READ(versions_of_id)
READ(by_guid)
READ(ids_of_guid)
READ(subjects)
READ(versions)
READ(version)
READ(text_of_version)
READ(referencedby)
READ(lookup)
READ(compat_one)
READ(compat_all)
READ(config)
READ(mode)
READ(contexts)
READ(cluster)
READ(release)
READ(nothing)
#undef READ

/* Writes. */

static const char *const verbs[] = {
    [REG_DO_REGISTER] = "register",
    [REG_DO_SET_CONFIG] = "set config",
    [REG_DO_DROP_CONFIG] = "drop config",
    [REG_DO_DELETE_VERSION] = "delete version",
    [REG_DO_DELETE_SUBJECT] = "delete subject",
};

struct writing {
    struct reg_job job; // first: the writer gives it back
    struct reg_api *api;
    struct http_req *r;
    const char *type;
};

/* Enough for a log line: a refusal may quote whole schemas. */
static struct span cut(struct span why)
{
    return span_of(why.p, why.n < WHY_LOGGED ? why.n : WHY_LOGGED);
}

/* One line for each change and each refusal: who, what, and what became of it. */
static void tell(const struct writing *w, const struct reg_decision *d)
{
    const struct reg_command *c = &w->job.command;

    count_write(verbs[c->verb], d->no.code);
    if (d->no.code != 0) {
        log_event(LOG_INFO, "refused", LOG_S("what", verbs[c->verb]),
                  LOG_B("subject", c->subject), LOG_I("code", d->no.code),
                  LOG_B("why", cut(d->no.message)), LOG_B("client", w->r->peer),
                  LOG_B("request", w->r->id), LOG_END);
        return;
    }
    log_event(d->n > 0 ? LOG_INFO : LOG_DEBUG, d->n > 0 ? "changed" : "no change",
              LOG_S("what", verbs[c->verb]), LOG_B("subject", c->subject),
              LOG_I("id", d->id), LOG_I("version", d->version),
              LOG_B("client", w->r->peer), LOG_B("request", w->r->id), LOG_END);
}

/* What is registered, as the state has it now; the id alone for classic clients. */
static void put_registered(struct writing *w, const struct reg_decision *d,
                           struct buf *out)
{
    const struct reg_version *v = NULL;
    struct api_schema answer = {.id = d->id};

    if (takes_more(w->r)) {
        const struct reg_state *s = reg_tail_look(w->api->tail);
        v = reg_version_of(reg_subject_of(s, w->job.command.subject), d->version);
        if (v != NULL && v->schema->id == d->id) {
            answer = answer_of(v, true, &w->r->arena);
            answer.subject = (struct span){0};
            answer.deleted = API_UNSAID;
        }
        api_schema_put(out, &answer);
        reg_tail_done(w->api->tail);
        return;
    }
    api_schema_put(out, &answer);
}

static void put_answer(struct writing *w, const struct reg_decision *d, struct buf *out)
{
    switch (w->job.command.verb) {
    case REG_DO_REGISTER: put_registered(w, d, out); break;
    case REG_DO_SET_CONFIG: api_config_put(out, &d->config, API_CONFIG_SET); break;
    case REG_DO_DROP_CONFIG: api_config_put(out, &d->config, API_CONFIG_GET); break;
    case REG_DO_DELETE_VERSION: json_put_int(out, d->version); break;
    case REG_DO_DELETE_SUBJECT: api_ints_put(out, d->versions, d->n_versions); break;
    }
}

static void answer_write(struct reg_job *job, const struct reg_decision *d)
{
    struct writing *w = (struct writing *)job;
    struct buf out = BUF_INIT(ANSWER_MOST);

    tell(w, d);
    if (d->no.code != 0) {
        answer_refusal(w->r, w->type, &d->no);
        return;
    }
    put_answer(w, d, &out);
    http_answer_take(w->r, 200, w->type, &out);
}

/* Registering what is there is answered here and now, also while Kafka is away. */
static bool answered_from_memory(struct writing *w)
{
    const struct reg_state *s = reg_tail_look(w->api->tail);
    struct reg_decision d;

    reg_decide(&d, s, &w->job.command, &w->api->o.rules, &w->r->arena);
    reg_tail_done(w->api->tail);
    if (d.no.code != 0 || d.n > 0)
        return false;
    answer_write(&w->job, &d);
    return true;
}

static void write_command(struct http_app *app, struct http_req *r, const char *type,
                          const struct reg_command *c)
{
    struct reg_api *api = (struct reg_api *)app;
    struct writing *w = arena_alloc(&r->arena, sizeof *w);
    struct reg_refusal busy = {.code = 503,
                               .message = span_str("Too many writes are waiting")};

    *w = (struct writing){.job = {.command = *c,
                                  .arena = &r->arena,
                                  .due_ms = clock_ms() + api->o.write_ms,
                                  .done = answer_write},
                          .api = api,
                          .r = r,
                          .type = type};
    if (c->verb == REG_DO_REGISTER && answered_from_memory(w))
        return;
    if (reg_writer_submit(api->writer, &w->job))
        return;
    count_write(verbs[c->verb], 503);
    http_answer_retry_after(r, 1);
    answer_refusal(r, type, &busy);
}

static void post_version(struct http_app *app, struct http_req *r)
{
    struct reg_command c = {.verb = REG_DO_REGISTER,
                            .subject = subject_part(r),
                            .normalize = param_true(r, "normalize"),
                            .force = param_true(r, "force")};
    const char *type = agreed_type(r);
    struct reg_refusal no = {0};

    if (type == NULL)
        return;
    if (!schema_body(r, &r->arena, &c.schema, &no)) {
        answer_refusal(r, type, &no);
        return;
    }
    write_command(app, r, type, &c);
}

static void put_config(struct http_app *app, struct http_req *r)
{
    struct reg_command c = {.verb = REG_DO_SET_CONFIG, .subject = subject_part(r)};
    const char *type = agreed_type(r);
    struct reg_refusal no = {0};
    struct err e = {0};

    if (type == NULL)
        return;
    if (api_config_read(&c.config, r->body, &r->arena, &e) != ERR_OK) {
        reg_refuse(&no, &r->arena, REG_INVALID_LEVEL,
                   "The request is no JSON we can read: %s", e.msg);
        answer_refusal(r, type, &no);
        return;
    }
    write_command(app, r, type, &c);
}

static void delete_config(struct http_app *app, struct http_req *r)
{
    struct reg_command c = {.verb = REG_DO_DROP_CONFIG, .subject = subject_part(r)};
    const char *type = agreed_type(r);

    if (type != NULL)
        write_command(app, r, type, &c);
}

static void delete_version(struct http_app *app, struct http_req *r)
{
    struct reg_command c = {.verb = REG_DO_DELETE_VERSION,
                            .subject = subject_part(r),
                            .permanent = param_true(r, "permanent")};
    const char *type = agreed_type(r);
    struct reg_refusal no = {0};

    if (type == NULL)
        return;
    if (!version_part(r, &r->arena, &c.version, &no)) {
        answer_refusal(r, type, &no);
        return;
    }
    write_command(app, r, type, &c);
}

static void delete_subject(struct http_app *app, struct http_req *r)
{
    struct reg_command c = {.verb = REG_DO_DELETE_SUBJECT,
                            .subject = subject_part(r),
                            .permanent = param_true(r, "permanent")};
    const char *type = agreed_type(r);

    if (type != NULL)
        write_command(app, r, type, &c);
}

static const struct http_route routes[] = {
    {HTTP_GET, "/", get_nothing, 0, 0, 0},
    {HTTP_POST, "/", get_nothing, 0, 0, 0},
    {HTTP_GET, "/healthz", get_health, HTTP_ALWAYS, 0, 0},
    {HTTP_GET, "/readyz", get_ready, HTTP_ALWAYS, 0, 0},
    {HTTP_GET, "/metrics", get_metrics, HTTP_ALWAYS, 0, 0},

    {HTTP_GET, "/schemas", get_schemas, 0, 0, 0},
    {HTTP_GET, "/schemas/types", get_schema_types, 0, 0, 0},
    {HTTP_GET, "/schemas/ids/{id}", get_by_id, 0, 0, 0},
    {HTTP_GET, "/schemas/ids/{id}/schema", get_text_by_id, 0, 0, 0},
    {HTTP_GET, "/schemas/ids/{id}/subjects", get_subjects_of_id, 0, 0, 0},
    {HTTP_GET, "/schemas/ids/{id}/versions", get_versions_of_id, 0, 0, 0},
    {HTTP_GET, "/schemas/guids/{guid}", get_by_guid, 0, 0, 0},
    {HTTP_GET, "/schemas/guids/{guid}/ids", get_ids_of_guid, 0, 0, 0},

    {HTTP_GET, "/subjects", get_subjects, 0, 0, 0},
    {HTTP_POST, "/subjects/{subject}", get_lookup, 0, 0, 0},
    {HTTP_DELETE, "/subjects/{subject}", delete_subject, 0, 0, 0},
    {HTTP_GET, "/subjects/{subject}/versions", get_versions, 0, 0, 0},
    {HTTP_POST, "/subjects/{subject}/versions", post_version, 0, 0, 0},
    {HTTP_GET, "/subjects/{subject}/versions/{version}", get_version, 0, 0, 0},
    {HTTP_DELETE, "/subjects/{subject}/versions/{version}", delete_version, 0, 0, 0},
    {HTTP_GET, "/subjects/{subject}/versions/{version}/schema", get_text_of_version, 0,
     0, 0},
    {HTTP_GET, "/subjects/{subject}/versions/{version}/referencedby", get_referencedby,
     0, 0, 0},

    {HTTP_POST, "/compatibility/subjects/{subject}/versions", get_compat_all, 0, 0, 0},
    {HTTP_POST, "/compatibility/subjects/{subject}/versions/{version}", get_compat_one,
     0, 0, 0},

    {HTTP_GET, "/config", get_config, 0, 0, 0},
    {HTTP_PUT, "/config", put_config, 0, 0, 0},
    {HTTP_DELETE, "/config", delete_config, 0, 0, 0},
    {HTTP_GET, "/config/{subject}", get_config, 0, 0, 0},
    {HTTP_PUT, "/config/{subject}", put_config, 0, 0, 0},
    {HTTP_DELETE, "/config/{subject}", delete_config, 0, 0, 0},
    {HTTP_GET, "/mode", get_mode, 0, 0, 0},
    {HTTP_GET, "/mode/{subject}", get_mode, 0, 0, 0},

    {HTTP_GET, "/contexts", get_contexts, 0, 0, 0},
    {HTTP_GET, "/v1/metadata/id", get_cluster, 0, 0, 0},
    {HTTP_GET, "/v1/metadata/version", get_release, 0, 0, 0},
};

#define ROUTES (sizeof routes / sizeof *routes)

/* Before everything has been read "there is none" would be a guess. */
static void turn_away_unread(struct http_app *app, struct http_req *r)
{
    struct reg_api *api = (struct reg_api *)app;
    struct reg_tail_view view;

    if (atomic_load(&api->has_read))
        return;
    reg_tail_view(api->tail, &view);
    if (view.caught_up) {
        atomic_store(&api->has_read, true);
        return;
    }
    http_answer_retry_after(r, 1);
    answer_code(r, 503, "The registry is still reading its topic");
}

/* A write that is late: clients know this code and ask again. */
static int say_expired(struct http_app *app, const struct http_req *r, struct buf *body)
{
    (void)app;
    (void)r;
    api_error_put(body, REG_TIMEOUT, span_str("The operation timed out"));
    return status_of_code(REG_TIMEOUT);
}

struct reg_api *reg_api_open(const struct reg_api_options *o, struct reg_tail *t,
                             struct reg_writer *w, struct reg_fresh *f)
{
    struct reg_api *api = mem_alloc(sizeof *api);

    *api = (struct reg_api){.o = *o, .tail = t, .writer = w, .fresh = f};
    api->routes = mem_array(ROUTES, sizeof *api->routes);
    memcpy(api->routes, routes, sizeof routes);
    for (size_t i = 0; i < ROUTES; i++)
        api->routes[i].deadline_ms = o->write_ms + DEADLINE_SLACK_MS;
    api->app = (struct http_app){.routes = api->routes,
                                 .nroutes = ROUTES,
                                 .error_type = REG_JSON,
                                 .admit = turn_away_unread,
                                 .expired = say_expired,
                                 .done = count_request};
    return api;
}

struct http_app *reg_api_app(struct reg_api *api)
{
    return &api->app;
}

void reg_api_serves(struct reg_api *api, const struct http_server *s)
{
    atomic_store(&api->server, s);
}

void reg_api_close(struct reg_api *api)
{
    if (api == NULL)
        return;
    free(api->routes);
    free(api);
}
