#include "cli/schema_history.h"

#include "base/clock.h"
#include "base/conf.h"
#include "base/json.h"
#include "http/client.h"
#include "http/url.h"
#include "registry-client/login.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define URL_MOST 16384
#define OUT_MOST ((size_t)256 << 20)
#define COLUMNS 7

struct settings {
    const char *registry;
    struct rc_login login;
    int64_t timeout_ms;
    bool json;
};

#define AT(field) offsetof(struct settings, field)

static const struct conf_row rows[] = {
    {"registry", CONF_TEXT, AT(registry), .fallback = "http://127.0.0.1:8081",
     .letter = 'r', .argument = "URL", .help = "the registry to ask"},
    RC_LOGIN_ROWS(struct settings, login),
    {"timeout", CONF_DURATION, AT(timeout_ms), .fallback = "10s", .min = 1,
     .max = 600000, .help = "longest wait for each answer"},
    {"json", CONF_BOOL, AT(json), .help = "the answers as JSON, one version a line"},
    {0},
};

static const struct conf_program program = {
    .name = "avrogate schema history",
    .operands = "SUBJECT [VERSION]",
    .about = "Who registered, deleted or brought back a version, when, from where and "
             "why; of each\nversion of the subject when none is named, softly deleted "
             "ones included.\n\nExit status: 0 told, 1 there is no such version or the "
             "registry does not answer, 2 called\nwrongly.",
    .examples = "  avrogate schema history orders-value\n"
                "  avrogate schema history orders-value 3 --json | jq .history\n"
                "  avrogate schema history :.eu:orders-value latest --registry "
                "https://registry:8081 --registry-user me\n",
    .rows = rows,
};

/* One way to the registry, and what it said. */
struct asking {
    const struct settings *s;
    struct http_client *client;
    char *authorization;
    struct http_field fields[1];
    size_t n_fields;
    struct arena arena;
};

static enum err_kind open_asking(struct asking *k, const struct settings *s,
                                 struct err *e)
{
    const struct http_client_settings how = {.ca_file = s->login.ca_file,
                                             .cert_file = s->login.cert_file,
                                             .key_file = s->login.key_file};

    *k = (struct asking){.s = s, .authorization = rc_authorization(&s->login)};
    if (k->authorization != NULL)
        k->fields[k->n_fields++] =
            (struct http_field){span_str("Authorization"), span_str(k->authorization)};
    return http_client_open(&k->client, &how, e);
}

static void close_asking(struct asking *k)
{
    http_client_close(k->client);
    free(k->authorization);
    arena_free(&k->arena);
}

/* ".../subjects/SUBJECT/versions" and `tail`. */
static char *make_url(struct asking *k, const char *subject, const char *tail)
{
    struct span base = span_str(k->s->registry);
    struct buf out = BUF_INIT(URL_MOST);

    while (base.n > 0 && base.p[base.n - 1] == '/')
        base.n--;
    buf_put(&out, base);
    buf_put_str(&out, "/subjects/");
    url_put_escaped(&out, span_str(subject));
    buf_put_str(&out, "/versions");
    buf_put_str(&out, tail);
    char *url = arena_str(&k->arena, buf_span(&out));
    buf_free(&out);
    return url;
}

/* What it said against it, in its own words. */
static enum err_kind explain(const struct http_reply *reply, struct asking *k,
                             struct err *e)
{
    const struct json *j = NULL;
    struct err why;

    if (json_read(&j, reply->body, NULL, &k->arena, &why) == ERR_OK &&
        json_is(json_member(j, "message"), JSON_STRING))
        return err_set(e, ERR_NOT_FOUND, SPAN_FMT " (%d)",
                       SPAN_ARG(json_member(j, "message")->text), reply->status);
    return err_set(e, ERR_UNAVAILABLE, "%s answered %d", k->s->registry, reply->status);
}

static enum err_kind ask(struct asking *k, const char *subject, const char *tail,
                         struct span *body, const struct json **out, struct err *e)
{
    const struct http_call call = {.method = HTTP_GET,
                                   .url = make_url(k, subject, tail),
                                   .fields = k->fields,
                                   .nfields = k->n_fields,
                                   .deadline_ms = clock_ms() + k->s->timeout_ms};
    struct http_reply reply = {0};

    TRY(http_client_call(k->client, &call, &reply, e));
    enum err_kind rc = ERR_OK;
    *body = arena_copy(&k->arena, reply.body);
    if (reply.status != 200)
        rc = explain(&reply, k, e);
    else if (json_read(out, *body, NULL, &k->arena, e) != ERR_OK)
        rc = err_prefix(e, "%s is no registry that tells histories: its answer",
                        k->s->registry);
    http_reply_free(&reply);
    return rc;
}

/* The table. */

struct table {
    struct span (*cells)[COLUMNS];
    size_t n, cap;
    struct arena arena;
};

/* What strangers wrote must not speak to the terminal. */
static struct span shown(const struct json *j, struct arena *a)
{
    if (!json_is(j, JSON_STRING) && !json_is(j, JSON_NUMBER))
        return span_str("-");
    uint8_t *text = arena_alloc(a, j->text.n + 1);
    for (size_t i = 0; i < j->text.n; i++)
        text[i] = j->text.p[i] < ' ' || j->text.p[i] == 0x7f ? '?' : j->text.p[i];
    return span_of(text, j->text.n);
}

static struct span time_of(const struct json *ts, struct arena *a)
{
    char text[WALL_TEXT];
    int64_t ms = 0;
    struct err e;

    if (ts == NULL || json_int(&ms, ts, 1, INT64_C(253402300799999), &e) != ERR_OK)
        return span_str("-");
    wall_print(text, ms);
    return arena_copy(a, span_str(text));
}

static struct span *new_row(struct table *t)
{
    if (t->n == t->cap) {
        t->cap = t->cap * 2 + 16;
        t->cells = mem_grow(t->cells, t->cap, sizeof *t->cells);
    }
    return t->cells[t->n++];
}

static void add_head(struct table *t)
{
    static const char *const names[COLUMNS] = {"VERSION", "WHEN",  "WHAT",  "PRINCIPAL",
                                               "ADDRESS", "AGENT", "REASON"};
    struct span *row = new_row(t);

    for (size_t i = 0; i < COLUMNS; i++)
        row[i] = span_str(names[i]);
}

static void add_history(struct table *t, const struct json *j)
{
    const struct json *acts = json_member(j, "history");

    if (!json_is(acts, JSON_ARRAY))
        return;
    for (const struct json *act = acts->first; act != NULL; act = act->next) {
        struct span *row = new_row(t);

        row[0] = shown(json_member(j, "version"), &t->arena);
        row[1] = time_of(json_member(act, "ts"), &t->arena);
        row[2] = shown(json_member(act, "what"), &t->arena);
        row[3] = shown(json_member(act, "principal"), &t->arena);
        row[4] = shown(json_member(act, "address"), &t->arena);
        row[5] = shown(json_member(act, "agent"), &t->arena);
        row[6] = shown(json_member(act, "reason"), &t->arena);
    }
}

/* Columns of the terminal, taking each character for one. */
static size_t width_of(struct span s)
{
    size_t n = 0;

    for (size_t i = 0; i < s.n; i++)
        n += (s.p[i] & 0xc0) != 0x80;
    return n;
}

static void put_table(struct buf *out, const struct table *t)
{
    size_t widths[COLUMNS] = {0};

    for (size_t r = 0; r < t->n; r++)
        for (size_t c = 0; c < COLUMNS; c++)
            if (width_of(t->cells[r][c]) > widths[c])
                widths[c] = width_of(t->cells[r][c]);
    for (size_t r = 0; r < t->n; r++)
        for (size_t c = 0; c < COLUMNS; c++) {
            struct span cell = t->cells[r][c];

            buf_put(out, cell);
            if (c + 1 == COLUMNS)
                buf_put_u8(out, '\n');
            else
                buf_printf(out, "%*s", (int)(widths[c] - width_of(cell) + 2), "");
        }
}

/* Asking for all of it. */

struct telling {
    struct asking ask;
    struct table table;
    struct buf out;
};

static enum err_kind tell_version(struct telling *t, const char *subject,
                                  const char *version, struct err *e)
{
    const struct json *j = NULL;
    struct span body = {0};
    char tail[80];

    if ((size_t)snprintf(tail, sizeof tail, "/%s/history", version) >= sizeof tail)
        return err_set(e, ERR_INVALID, "%.40s...: no version", version);
    TRY(ask(&t->ask, subject, tail, &body, &j, e));
    if (t->ask.s->json) {
        json_put(&t->out, j);
        buf_put_u8(&t->out, '\n');
    } else {
        add_history(&t->table, j);
    }
    return ERR_OK;
}

static enum err_kind tell_all(struct telling *t, const char *subject, struct err *e)
{
    const struct json *versions = NULL;
    struct span body = {0};

    TRY(ask(&t->ask, subject, "?deleted=true", &body, &versions, e));
    if (!json_is(versions, JSON_ARRAY))
        return err_set(e, ERR_UNAVAILABLE, "%s answered no list of versions",
                       t->ask.s->registry);
    for (const struct json *v = versions->first; v != NULL; v = v->next)
        TRY(tell_version(t, subject, arena_str(&t->ask.arena, v->text), e));
    return ERR_OK;
}

static enum err_kind tell(const struct settings *s, const struct conf *c, struct err *e)
{
    const char *subject = c->operands[0];
    struct telling t = {.out = BUF_INIT(OUT_MOST)};

    enum err_kind rc = open_asking(&t.ask, s, e);
    add_head(&t.table);
    if (rc == ERR_OK)
        rc = c->n_operands == 2 ? tell_version(&t, subject, c->operands[1], e)
                                : tell_all(&t, subject, e);
    if (rc == ERR_OK && !s->json)
        put_table(&t.out, &t.table);
    if (rc == ERR_OK)
        rc = buf_status(&t.out, e);
    if (rc == ERR_OK)
        fwrite(t.out.p, 1, t.out.n, stdout);
    buf_free(&t.out);
    free(t.table.cells);
    arena_free(&t.table.arena);
    close_asking(&t.ask);
    return rc;
}

int cmd_schema_history(int argc, char **argv)
{
    struct settings s = {0};
    enum conf_outcome outcome = CONF_RUN;
    struct conf c = {0};
    struct err e = {0};
    int code = 0;

    if (conf_read(&c, &program, argc, argv, &s, &outcome, &e) != ERR_OK)
        code = 2;
    else if (outcome == CONF_RUN && (c.n_operands < 1 || c.n_operands > 2)) {
        err_set(&e, ERR_INVALID, "%zu operands, wanted SUBJECT [VERSION]",
                c.n_operands);
        code = 2;
    } else if (outcome == CONF_RUN && tell(&s, &c, &e) != ERR_OK)
        code = 1;
    if (code != 0)
        fprintf(stderr, "avrogate schema history: %s\n", e.msg);
    conf_free(&c);
    return code;
}
