#include "registry/api_inside.h"
#include "registry/may.h"
#include "registry/openapi.h"

#include <assert.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define OPENAPI_MOST (1 << 20)
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

const char *agreed_type(struct http_req *r)
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

/* What we answer may be old while Kafka is away. */
static void say_lag(const struct reading *rd)
{
    int64_t ms = reg_tail_lag(rd->api->tail);
    char text[24];

    if (ms == 0)
        return;
    snprintf(text, sizeof text, "%" PRId64, ms);
    http_answer_header(rd->r, REG_LAG, span_str(text));
}

static void finish(struct reading *rd)
{
    struct buf out = rd->out;
    struct http_req *r = rd->r;

    say_lag(rd);
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
READ(history)
READ(lookup)
READ(compat_one)
READ(compat_all)
READ(config)
READ(mode)
READ(contexts)
READ(metadata)
READ(deployment)
READ(cluster)
READ(release)
READ(nothing)
#undef READ

static void get_openapi(struct http_app *app, struct http_req *r)
{
    struct reg_api *api = (struct reg_api *)app;

    http_answer(r, 200, "application/json", api->openapi);
}

static const struct http_route routes[] = {
    {HTTP_GET, "/", get_nothing, 0, 0, 0},
    {HTTP_POST, "/", get_nothing, 0, 0, 0},
    {HTTP_GET, "/healthz", get_health, HTTP_ALWAYS, 0, 0},
    {HTTP_GET, "/readyz", get_ready, HTTP_ALWAYS, 0, 0},
    {HTTP_GET, "/metrics", get_metrics, HTTP_ALWAYS, 0, 0},
    {HTTP_GET, "/openapi.json", get_openapi, 0, 0, 0},

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
    {HTTP_GET, "/subjects/{subject}/metadata", get_metadata, 0, 0, 0},
    {HTTP_GET, "/subjects/{subject}/versions", get_versions, 0, 0, 0},
    {HTTP_POST, "/subjects/{subject}/versions", post_version, 0, 0, 0},
    {HTTP_GET, "/subjects/{subject}/versions/{version}", get_version, 0, 0, 0},
    {HTTP_DELETE, "/subjects/{subject}/versions/{version}", delete_version, 0, 0, 0},
    {HTTP_GET, "/subjects/{subject}/versions/{version}/schema", get_text_of_version, 0,
     0, 0},
    {HTTP_GET, "/subjects/{subject}/versions/{version}/referencedby", get_referencedby,
     0, 0, 0},
    {HTTP_GET, "/subjects/{subject}/versions/{version}/history", get_history, 0, 0, 0},
    {HTTP_POST, "/subjects/{subject}/versions/{version}/tags", post_tags, 0, 0, 0},

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
    {HTTP_PUT, "/mode", put_mode, 0, 0, 0},
    {HTTP_DELETE, "/mode", delete_mode, 0, 0, 0},
    {HTTP_GET, "/mode/{subject}", get_mode, 0, 0, 0},
    {HTTP_PUT, "/mode/{subject}", put_mode, 0, 0, 0},
    {HTTP_DELETE, "/mode/{subject}", delete_mode, 0, 0, 0},

    {HTTP_GET, "/contexts", get_contexts, 0, 0, 0},
    {HTTP_DELETE, "/contexts/{context}", delete_context, 0, 0, 0},
    {HTTP_GET, "/v1/metadata/id", get_cluster, 0, 0, 0},
    {HTTP_GET, "/v1/metadata/version", get_release, 0, 0, 0},
    {HTTP_GET, "/v1/metadata/deployment", get_deployment, 0, 0, 0},
};

#define ROUTES (sizeof routes / sizeof *routes)

/* Those that may stand behind /contexts/{context}. */
static const char *const in_contexts[] = {"/subjects", "/schemas", "/config", "/mode",
                                          "/compatibility"};

static bool stands_in_contexts(const char *pattern)
{
    for (size_t i = 0; i < sizeof in_contexts / sizeof *in_contexts; i++)
        if (strncmp(pattern, in_contexts[i], strlen(in_contexts[i])) == 0)
            return true;
    return false;
}

/* Our rows, each that may with its twin behind /contexts/{context}. */
static void make_routes(struct reg_api *api)
{
    size_t n = 0;

    api->routes = mem_array(2 * ROUTES, sizeof *api->routes);
    for (size_t i = 0; i < ROUTES; i++) {
        struct http_route row = routes[i];

        assert(openapi_describes(&registry_openapi, row.method,
                                 row.pattern)); // none goes undescribed
        row.deadline_ms = api->o.write_ms + DEADLINE_SLACK_MS;
        api->routes[n++] = row;
        if (!stands_in_contexts(row.pattern))
            continue;
        row.pattern =
            arena_str(&api->arena,
                      arena_printf(&api->arena, "/contexts/{context}%s", row.pattern));
        api->routes[n++] = row;
    }
    api->nroutes = n;
}

static void describe(struct reg_api *api)
{
    struct buf text = BUF_INIT(OPENAPI_MOST);

    openapi_put(&text, &registry_openapi);
    api->openapi = arena_copy(&api->arena, buf_span(&text));
    buf_free(&text);
}

/* Before everything has been read "there is none" would be a guess. */
static bool has_read(struct reg_api *api)
{
    struct reg_tail_view view;

    if (atomic_load(&api->has_read))
        return true;
    reg_tail_view(api->tail, &view);
    if (view.caught_up)
        atomic_store(&api->has_read, true);
    return view.caught_up;
}

static void admit(struct http_app *app, struct http_req *r)
{
    struct reg_api *api = (struct reg_api *)app;
    struct guard_ask ask;

    if (!has_read(api)) {
        http_answer_retry_after(r, 1);
        answer_code(r, 503, "The registry is still reading its topic");
        return;
    }
    if (api->o.guard == NULL)
        return;
    reg_ask_of(&ask, r, &r->arena);
    guard_admit(api->o.guard, r, &ask);
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
    make_routes(api);
    describe(api);
    api->app = (struct http_app){.routes = api->routes,
                                 .nroutes = api->nroutes,
                                 .error_type = REG_JSON,
                                 .admit = admit,
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
    arena_free(&api->arena);
    free(api);
}
