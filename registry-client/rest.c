#include "registry-client/rest.h"

#include "avro-core/put.h"
#include "base/clock.h"
#include "http/url.h"
#include "wire/status.h"

#include <pthread.h>
#include <stdlib.h>

#define CONTENT_TYPE "application/vnd.schemaregistry.v1+json"
#define ANSWER_MOST (16 << 20)
#define TRY_LEAST_MS 100

struct place {
    char *url;         // without a trailing slash
    int64_t failed_at; // clock_ms(), 0 = never; under the lock
};

struct idle {
    struct http_client *client;
    struct idle *next;
};

struct rest {
    struct place *places;
    size_t n_places;
    char *ca_file, *cert_file, *key_file;

    pthread_mutex_t lock;
    // under lock
    char *authorization; // the whole header value, NULL = none
    struct idle *idle;   // connections nobody uses now
};

static char *copy_text(const char *s)
{
    return s != NULL ? mem_str(span_str(s)) : NULL;
}

static char *copy_url(const char *url)
{
    size_t n = strlen(url);

    while (n > 0 && url[n - 1] == '/')
        n--;
    return mem_str(span_of(url, n));
}

char *rc_authorization(const struct rc_login *l)
{
    struct buf pair = BUF_INIT(8192), value = BUF_INIT(16384);
    char *made = NULL;

    if (l->bearer != NULL) {
        buf_printf(&value, "Bearer %s", l->bearer);
    } else if (l->user != NULL) {
        buf_printf(&pair, "%s:%s", l->user, l->password != NULL ? l->password : "");
        buf_put_str(&value, "Basic ");
        put_base64(&value, buf_span(&pair));
    }
    if (value.n > 0)
        made = mem_str(buf_span(&value));
    buf_free(&pair);
    buf_free(&value);
    return made;
}

static enum err_kind check_urls(const struct rc_options *o, struct err *e)
{
    struct url u;

    if (o->n_urls == 0)
        return err_set(e, ERR_INVALID, "no registry URL is given");
    for (size_t i = 0; i < o->n_urls; i++)
        TRY(url_split(&u, span_str(o->urls[i]), e));
    return ERR_OK;
}

enum err_kind rest_open(struct rest **out, const struct rc_options *o, struct err *e)
{
    TRY(check_urls(o, e));
    struct rest *r = mem_alloc(sizeof *r);
    pthread_mutex_init(&r->lock, NULL);
    r->places = mem_array(o->n_urls, sizeof *r->places);
    r->n_places = o->n_urls;
    for (size_t i = 0; i < o->n_urls; i++)
        r->places[i].url = copy_url(o->urls[i]);
    r->authorization = rc_authorization(&o->login);
    r->ca_file = copy_text(o->login.ca_file);
    r->cert_file = copy_text(o->login.cert_file);
    r->key_file = copy_text(o->login.key_file);
    *out = r;
    return ERR_OK;
}

void rest_close(struct rest *r)
{
    if (r == NULL)
        return;
    while (r->idle != NULL) {
        struct idle *i = r->idle;
        r->idle = i->next;
        http_client_close(i->client);
        free(i);
    }
    for (size_t i = 0; i < r->n_places; i++)
        free(r->places[i].url);
    free(r->places);
    free(r->authorization);
    free(r->ca_file);
    free(r->cert_file);
    free(r->key_file);
    pthread_mutex_destroy(&r->lock);
    free(r);
}

void rest_set_bearer(struct rest *r, const char *token)
{
    char *fresh = rc_authorization(&(struct rc_login){.bearer = token});

    pthread_mutex_lock(&r->lock);
    char *old = r->authorization;
    r->authorization = fresh;
    pthread_mutex_unlock(&r->lock);
    free(old);
}

/* A copy, for the token may change meanwhile; NULL = none. */
static char *take_authorization(struct rest *r)
{
    pthread_mutex_lock(&r->lock);
    char *copy = copy_text(r->authorization);
    pthread_mutex_unlock(&r->lock);
    return copy;
}

static enum err_kind take_client(struct rest *r, struct http_client **out,
                                 struct err *e)
{
    const struct http_client_settings s = {
        .ca_file = r->ca_file, .cert_file = r->cert_file, .key_file = r->key_file};

    pthread_mutex_lock(&r->lock);
    struct idle *i = r->idle;
    if (i != NULL)
        r->idle = i->next;
    pthread_mutex_unlock(&r->lock);
    if (i == NULL)
        return http_client_open(out, &s, e);
    *out = i->client;
    free(i);
    return ERR_OK;
}

static void give_client_back(struct rest *r, struct http_client *client)
{
    struct idle *i = mem_alloc(sizeof *i);

    i->client = client;
    pthread_mutex_lock(&r->lock);
    i->next = r->idle;
    r->idle = i;
    pthread_mutex_unlock(&r->lock);
}

static enum err_kind read_body(struct rest_answer *a, struct err *e)
{
    return json_read(&a->body, a->reply.body, NULL, &a->reply.arena, e);
}

/* What a status other than 200 says, as an error. */
static enum err_kind explain(struct rest_answer *a, struct err *e)
{
    const struct json *code = NULL, *message = NULL;
    struct err ignored = {0};
    int64_t number = 0;

    if (read_body(a, &ignored) == ERR_OK) {
        code = json_member(a->body, "error_code");
        message = json_member(a->body, "message");
    }
    if (!json_is(code, JSON_NUMBER) ||
        json_int(&number, code, 0, 99999, &ignored) != ERR_OK)
        return err_set(e, ERR_UNAVAILABLE,
                       "status %d without a registry's error_code: is this a registry?",
                       a->reply.status);

    enum err_kind kind = kind_of_status(a->reply.status);
    if (kind == ERR_NOT_FOUND && number < 40400)
        kind = ERR_UNAVAILABLE; // a wrong path, not a missing schema
    if (a->reply.status == 401 || a->reply.status == 403)
        kind = ERR_UNAVAILABLE; // somebody has to mend the settings; the data is not to
                                // blame
    err_set(e, kind, "%lld: " SPAN_FMT, (long long)number,
            SPAN_ARG(json_is(message, JSON_STRING) ? message->text
                                                   : span_str("no message")));
    e->code = (int)number;
    return kind;
}

static enum err_kind ask_place(struct rest *r, const char *url, enum http_method method,
                               struct span path, struct span body, int64_t deadline_ms,
                               struct rest_answer *out, struct err *e)
{
    struct http_field fields[3] = {
        {span_str("Accept"), span_str(CONTENT_TYPE ", application/json")},
        {span_str("Content-Type"), span_str(CONTENT_TYPE)}};
    struct http_call call = {.method = method,
                             .fields = fields,
                             .nfields = 2,
                             .body = body,
                             .deadline_ms = deadline_ms,
                             .body_max = ANSWER_MOST};
    struct buf whole = BUF_INIT(16384);
    struct http_client *client;

    TRY(take_client(r, &client, e));
    char *authorization = take_authorization(r);
    if (authorization != NULL)
        fields[call.nfields++] =
            (struct http_field){span_str("Authorization"), span_str(authorization)};
    buf_put_str(&whole, url);
    buf_put(&whole, path);
    buf_put_u8(&whole, '\0');
    enum err_kind rc = buf_status(&whole, e);
    if (rc == ERR_OK) {
        call.url = (const char *)whole.p;
        rc = http_client_call(client, &call, &out->reply, e);
    }
    buf_free(&whole);
    free(authorization);
    give_client_back(r, client);
    if (rc == ERR_LIMIT) // the data is not to blame for what the registry says
        return err_set(e, ERR_UNAVAILABLE,
                       "the registry's answer is longer than %d bytes", ANSWER_MOST);
    if (rc != ERR_OK)
        return rc;
    rc = out->reply.status == 200 ? read_body(out, e) : explain(out, e);
    if (rc == ERR_INVALID && out->reply.status == 200)
        rc = err_set(e, ERR_UNAVAILABLE, "the registry's answer is no JSON");
    return rc;
}

/* Of the URLs not yet asked (`asked` bits), the one whose failure lies furthest back.
 */
static size_t next_place(struct rest *r, const bool *asked)
{
    size_t best = r->n_places;

    pthread_mutex_lock(&r->lock);
    for (size_t i = 0; i < r->n_places; i++)
        if (!asked[i] &&
            (best == r->n_places || r->places[i].failed_at < r->places[best].failed_at))
            best = i;
    pthread_mutex_unlock(&r->lock);
    return best;
}

static void note_outcome(struct rest *r, size_t i, bool failed)
{
    pthread_mutex_lock(&r->lock);
    r->places[i].failed_at = failed ? clock_ms() : 0;
    pthread_mutex_unlock(&r->lock);
}

/* The time left, shared among the URLs that are left. */
static int64_t share_of(int64_t deadline_ms, size_t left)
{
    int64_t now = clock_ms(), share = (deadline_ms - now) / (int64_t)left;

    if (share < TRY_LEAST_MS)
        share = TRY_LEAST_MS;
    return now + share < deadline_ms ? now + share : deadline_ms;
}

enum err_kind rest_ask(struct rest *r, enum http_method method, struct span path,
                       struct span body, int64_t deadline_ms, struct rest_answer *out,
                       struct err *e)
{
    bool *asked = mem_array(r->n_places, sizeof *asked);
    enum err_kind rc = err_set(e, ERR_UNAVAILABLE, "no time left to ask the registry");

    for (size_t left = r->n_places; left > 0 && clock_ms() < deadline_ms; left--) {
        size_t i = next_place(r, asked);
        *out = (struct rest_answer){0};
        rc = ask_place(r, r->places[i].url, method, path, body,
                       share_of(deadline_ms, left), out, e);
        asked[i] = true;
        note_outcome(r, i, rc == ERR_UNAVAILABLE);
        if (rc == ERR_OK)
            break;
        rest_answer_free(out);
        if (rc != ERR_UNAVAILABLE)
            break;
    }
    free(asked);
    return rc == ERR_OK ? rc : err_prefix(e, "registry");
}

void rest_answer_free(struct rest_answer *a)
{
    http_reply_free(&a->reply);
    a->body = NULL;
}

static enum err_kind read_number(int32_t *out, const struct json *body,
                                 const char *name, struct err *e)
{
    const struct json *j = json_member(body, name);
    int64_t v = 0;

    if (j != NULL && j->kind != JSON_NULL)
        TRY(json_int(&v, j, 0, INT32_MAX, e));
    *out = (int32_t)v;
    return ERR_OK;
}

/* The JSON of a member that is an object, as it came. */
static struct span object_text(const struct json *body, const char *name,
                               struct span whole)
{
    const struct json *j = json_member(body, name);

    return json_is(j, JSON_OBJECT) ? span_of(whole.p + j->at, j->end - j->at)
                                   : (struct span){0};
}

enum err_kind rest_read_schema(struct rest_schema *out, const struct rest_answer *a,
                               struct err *e)
{
    const struct json *body = a->body;
    const struct json *type = json_member(body, "schemaType");
    const struct json *text = json_member(body, "schema");
    const struct json *subject = json_member(body, "subject");
    const struct json *references = json_member(body, "references");

    if (json_is(type, JSON_STRING) && !span_eq(type->text, span_str("AVRO")))
        return err_set(e, ERR_INVALID, "a schema of type " SPAN_FMT ", wanted AVRO",
                       SPAN_ARG(type->text));
    if (!json_is(text, JSON_STRING))
        return err_set(e, ERR_UNAVAILABLE, "the registry's answer has no schema in it");
    TRY(read_number(&out->id, body, "id", e));
    TRY(read_number(&out->version, body, "version", e));
    out->text = text->text;
    out->subject = json_is(subject, JSON_STRING) ? subject->text : (struct span){0};
    out->references =
        json_is(references, JSON_ARRAY) && references->n > 0 ? references : NULL;
    out->metadata = object_text(body, "metadata", a->reply.body);
    out->rules = object_text(body, "ruleSet", a->reply.body);
    return ERR_OK;
}
