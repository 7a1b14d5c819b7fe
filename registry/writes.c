#include "base/clock.h"
#include "base/log.h"
#include "registry/api_inside.h"
#include "registry/may.h"

#include <inttypes.h>
#include <stdio.h>

#define WHY_LOGGED 300

static const char *const verbs[] = {
    [REG_DO_REGISTER] = "register",
    [REG_DO_SET_CONFIG] = "set config",
    [REG_DO_DROP_CONFIG] = "drop config",
    [REG_DO_DELETE_VERSION] = "delete version",
    [REG_DO_DELETE_SUBJECT] = "delete subject",
    [REG_DO_SET_MODE] = "set mode",
    [REG_DO_DROP_MODE] = "drop mode",
    [REG_DO_DROP_CONTEXT] = "drop context",
    [REG_DO_TAG] = "tag",
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
static void tell(const struct http_req *r, const struct reg_command *c,
                 const struct reg_decision *d)
{
    count_write(verbs[c->verb], d->no.code);
    if (d->no.code != 0) {
        log_event(LOG_INFO, "refused", LOG_S("what", verbs[c->verb]),
                  LOG_B("subject", c->subject), LOG_I("code", d->no.code),
                  LOG_B("why", cut(d->no.message)), LOG_B("who", r->who),
                  LOG_B("client", r->peer), LOG_B("request", r->id), LOG_END);
        return;
    }
    log_event(d->n > 0 ? LOG_INFO : LOG_DEBUG, d->n > 0 ? "changed" : "no change",
              LOG_S("what", verbs[c->verb]), LOG_B("subject", c->subject),
              LOG_I("id", d->id), LOG_I("version", d->version), LOG_B("who", r->who),
              LOG_B("client", r->peer), LOG_B("reason", c->by.reason),
              LOG_B("request", r->id), LOG_END);
}

/* The address alone: a port tells nothing once the connection is gone. */
static struct span address_of(const struct http_req *r)
{
    size_t n = r->peer.n;

    while (n > 0 && r->peer.p[n - 1] != ':')
        n--;
    return span_of(r->peer.p, n > 0 ? n - 1 : 0);
}

void refuse_write(struct http_req *r, const char *type, const struct reg_command *c,
                  const struct reg_refusal *no)
{
    const struct reg_decision d = {.no = *no};

    if (no->code != REG_FORBIDDEN) // may.c has told that
        tell(r, c, &d);
    answer_refusal(r, type, no);
}

/* Where the request came from; through which instance, if one says so: what it says of
 * others is told beside it, never instead. */
static struct span client_of(const struct http_req *r, struct arena *a)
{
    struct span here = address_of(r), there = http_header(r, REG_CLIENT);

    if (http_header(r, REG_FORWARDED).p != NULL && there.n > 0)
        here = arena_printf(a, WHOLE_FMT " via " WHOLE_FMT, WHOLE(there), WHOLE(here));
    return reg_text_kept(here, REG_CLIENT_BYTES, a);
}

/* Who asks, from where and why, as the history keeps it; false: refused. */
static bool say_who(struct reg_act *out, struct http_req *r, const char *type,
                    const struct reg_command *c)
{
    struct span reason = http_header(r, "X-Registry-Reason");
    struct arena *a = &r->arena;
    struct reg_refusal no = {0};
    struct err e = {0};

    *out = (struct reg_act){
        .who = reg_text_kept(r->who, REG_WHO_BYTES, a),
        .client = client_of(r, a),
        .agent = reg_text_kept(http_header(r, "User-Agent"), REG_AGENT_BYTES, a)};
    if (reg_reason_read(&out->reason, reason, a, &e) == ERR_OK)
        return true;
    reg_refuse(&no, a, 400, "%s", e.msg);
    refuse_write(r, type, c, &no);
    return false;
}

/* What is registered, as the state has it now; the id alone for classic clients. */
static void put_registered(struct writing *w, const struct reg_decision *d,
                           struct buf *out)
{
    const struct reg_version *v = NULL;
    struct api_schema answer = {.id = d->id};

    if (takes_more(w->r)) {
        const struct reg_state *s = reg_tail_look(w->api->tail);
        struct span meant = reg_subject_meant(s, w->job.command.subject, &w->r->arena);
        v = reg_version_of(reg_subject_of(s, meant), d->version);
        if (v != NULL && v->schema->id == d->id) {
            answer = answer_of(v, true, &w->r->arena);
            answer.subject = (struct span){0};
            answer.deleted = API_UNSAID;
        }
        struct reg_refusal no = {0}; // then it is told as it stands
        if (v != NULL)
            (void)format_answer(w->api, w->r, s, v->schema, &answer, &w->r->arena, &no);
        api_schema_put(out, &answer);
        reg_tail_done(w->api->tail);
        return;
    }
    api_schema_put(out, &answer);
}

static void put_answer(struct writing *w, const struct reg_decision *d, struct buf *out)
{
    switch (w->job.command.verb) {
    case REG_DO_REGISTER:
    case REG_DO_TAG: put_registered(w, d, out); break;
    case REG_DO_SET_CONFIG: api_config_put(out, &d->config, API_CONFIG_SET); break;
    case REG_DO_DROP_CONFIG: api_config_put(out, &d->config, API_CONFIG_GET); break;
    case REG_DO_DELETE_VERSION: json_put_int(out, d->version); break;
    case REG_DO_DELETE_SUBJECT: api_ints_put(out, d->versions, d->n_versions); break;
    case REG_DO_SET_MODE: api_mode_put(out, d->mode); break;
    case REG_DO_DROP_MODE:
        if (w->job.command.recursive)
            buf_put_str(out, "null"); // of several there is no one that was
        else
            api_mode_put(out, d->mode);
        break;
    case REG_DO_DROP_CONTEXT: break;
    }
}

/* To whom we write for: up to where its reader must have read to see this. */
static void say_seen(const struct writing *w)
{
    struct reg_tail_view view;
    char text[24];

    if (!w->job.from_instance)
        return;
    reg_tail_view(w->api->tail, &view);
    snprintf(text, sizeof text, "%" PRId64, view.seen);
    http_answer_header(w->r, REG_SEEN, span_str(text));
}

static void answer_write(struct reg_job *job, const struct reg_decision *d)
{
    struct writing *w = (struct writing *)job;
    struct buf out = BUF_INIT(ANSWER_MOST);

    tell(w->r, &w->job.command, d);
    say_seen(w);
    if (d->no.code != 0) {
        answer_refusal(w->r, w->type, &d->no);
        return;
    }
    if (job->command.verb == REG_DO_DROP_CONTEXT) {
        http_answer(w->r, 204, NULL, (struct span){0});
        return;
    }
    put_answer(w, d, &out);
    http_answer_take(w->r, 200, w->type, &out);
}

/* What the holder of the pen answered. */
static void relay_answer(struct reg_job *job, const struct http_reply *reply)
{
    struct writing *w = (struct writing *)job;
    struct span after = http_reply_header(reply, "Retry-After");

    count_write(verbs[job->command.verb], reply->status == 200 ? 0 : reply->status);
    log_event(LOG_DEBUG, "relayed", LOG_S("what", verbs[job->command.verb]),
              LOG_B("subject", job->command.subject), LOG_I("status", reply->status),
              LOG_B("request", w->r->id), LOG_END);
    if (after.n > 0)
        http_answer_header(w->r, "Retry-After", after);
    http_answer(w->r, reply->status, reply->status == 204 ? NULL : w->type,
                reply->body);
}

/* Registering what is there is answered here and now, also while Kafka is away. */
static bool answered_from_memory(struct writing *w)
{
    const struct reg_state *s = reg_tail_look(w->api->tail);
    struct reg_rules rules = w->api->o.rules;
    struct reg_decision d;

    // what is new the writer decides, on the state that it writes to
    rules.only_known = true;
    reg_decide(&d, s, &w->job.command, &rules, &w->r->arena);
    reg_tail_done(w->api->tail);
    if (d.no.code != 0 || d.left)
        return false;
    answer_write(&w->job, &d);
    return true;
}

void write_command(struct http_app *app, struct http_req *r, const char *type,
                   const struct reg_command *c)
{
    struct reg_api *api = (struct reg_api *)app;
    struct writing *w = arena_alloc(&r->arena, sizeof *w);
    struct reg_refusal busy = {.code = 503,
                               .message = span_str("Too many writes are waiting")};
    bool forwarded = http_header(r, REG_FORWARDED).p != NULL;
    struct reg_act by;

    if (!say_who(&by, r, type, c))
        return;
    *w = (struct writing){.job = {.command = *c,
                                  .arena = &r->arena,
                                  .due_ms = clock_ms() + api->o.write_ms,
                                  .done = answer_write,
                                  .relayed = relay_answer,
                                  .asked = forwarded ? NULL : r,
                                  .from_instance = forwarded},
                          .api = api,
                          .r = r,
                          .type = type};
    w->job.command.by = by;
    if (c->verb == REG_DO_REGISTER && answered_from_memory(w))
        return;
    if (reg_writer_submit(api->writer, &w->job))
        return;
    say_seen(w);
    http_answer_retry_after(r, 1);
    refuse_write(r, type, c, &busy);
}

/* Less than a body may have: escapes and what stands beside it take room too. */
static bool is_of_size(const struct http_app *app, const struct reg_command *c,
                       struct arena *a, struct reg_refusal *no)
{
    size_t most = ((const struct reg_api *)app)->o.schema;

    if (c->schema.schema.n <= most)
        return true;
    reg_refuse(no, a, REG_TOO_LARGE, "Schema is too large: %zu bytes, at most %zu",
               c->schema.schema.n, most);
    return false;
}

void post_version(struct http_app *app, struct http_req *r)
{
    struct reg_command c = {.verb = REG_DO_REGISTER,
                            .subject = subject_part(r, &r->arena),
                            .normalize = param_true(r, "normalize"),
                            .force = param_true(r, "force")};
    const char *type = agreed_type(r);
    struct reg_refusal no = {0};

    if (type == NULL)
        return;
    if (!schema_body(r, &r->arena, &c.schema, &no) ||
        !is_of_size(app, &c, &r->arena, &no) || !tagging_asked(&c, r, &r->arena, &no) ||
        !reg_may_refer((struct reg_api *)app, r, &c.schema, c.subject, &r->arena,
                       &no)) {
        refuse_write(r, type, &c, &no);
        return;
    }
    write_command(app, r, type, &c);
}

void put_config(struct http_app *app, struct http_req *r)
{
    struct reg_command c = {.verb = REG_DO_SET_CONFIG,
                            .subject = subject_part(r, &r->arena)};
    const char *type = agreed_type(r);
    struct reg_refusal no = {0};
    struct err e = {0};

    if (type == NULL)
        return;
    if (api_config_read(&c.config, r->body, &r->arena, &e) != ERR_OK) {
        reg_refuse(&no, &r->arena, REG_INVALID_LEVEL,
                   "The request is no JSON we can read: %s", e.msg);
        refuse_write(r, type, &c, &no);
        return;
    }
    if (!reg_may_alias((struct reg_api *)app, r, &c.config, &r->arena, &no)) {
        refuse_write(r, type, &c, &no);
        return;
    }
    write_command(app, r, type, &c);
}

void delete_config(struct http_app *app, struct http_req *r)
{
    struct reg_command c = {.verb = REG_DO_DROP_CONFIG,
                            .subject = subject_part(r, &r->arena)};
    const char *type = agreed_type(r);

    if (type != NULL)
        write_command(app, r, type, &c);
}

void delete_version(struct http_app *app, struct http_req *r)
{
    struct reg_command c = {.verb = REG_DO_DELETE_VERSION,
                            .subject = subject_part(r, &r->arena),
                            .permanent = param_true(r, "permanent")};
    const char *type = agreed_type(r);
    struct reg_refusal no = {0};

    if (type == NULL)
        return;
    if (!version_part(r, &r->arena, &c.version, &no)) {
        refuse_write(r, type, &c, &no);
        return;
    }
    write_command(app, r, type, &c);
}

void delete_subject(struct http_app *app, struct http_req *r)
{
    struct reg_command c = {.verb = REG_DO_DELETE_SUBJECT,
                            .subject = subject_part(r, &r->arena),
                            .permanent = param_true(r, "permanent")};
    const char *type = agreed_type(r);

    if (type != NULL)
        write_command(app, r, type, &c);
}

void put_mode(struct http_app *app, struct http_req *r)
{
    struct reg_command c = {.verb = REG_DO_SET_MODE,
                            .subject = subject_part(r, &r->arena),
                            .force = param_true(r, "force")};
    const char *type = agreed_type(r);
    struct reg_refusal no = {0};
    struct err e = {0};

    if (type == NULL)
        return;
    if (api_mode_read(&c.mode, r->body, &r->arena, &e) != ERR_OK) {
        reg_refuse(&no, &r->arena, REG_INVALID_MODE,
                   "Invalid mode. Valid values are READWRITE, READONLY, IMPORT and "
                   "FORWARD (%s)",
                   e.msg);
        refuse_write(r, type, &c, &no);
        return;
    }
    write_command(app, r, type, &c);
}

void delete_mode(struct http_app *app, struct http_req *r)
{
    struct reg_command c = {.verb = REG_DO_DROP_MODE,
                            .subject = subject_part(r, &r->arena),
                            .recursive = param_true(r, "recursive")};
    const char *type = agreed_type(r);

    if (type != NULL)
        write_command(app, r, type, &c);
}

void delete_context(struct http_app *app, struct http_req *r)
{
    struct reg_command c = {.verb = REG_DO_DROP_CONTEXT,
                            .subject = subject_part(r, &r->arena)};
    const char *type = agreed_type(r);

    if (type != NULL)
        write_command(app, r, type, &c);
}
