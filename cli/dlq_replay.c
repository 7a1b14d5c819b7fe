#include "base/clock.h"
#include "cli/dlq_inside.h"
#include "cli/dlq_print.h"
#include "cli/dlq_record.h"
#include "cli/produce_way.h"
#include "http/client.h"
#include "http/route.h"
#include "http/url.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define URL_MOST 16384
#define REPORT_MOST ((size_t)1 << 20)
#define CONNECT_MS 3000
#define PAUSE_MS 500
#define SHOW_MS 1000
#define NAME_SHOWN 60 // of the topic, in an Idempotency-Key of 128 characters
#define FIELDS 6

struct replay {
    struct dlq_reader reader; // first
    struct dlq *d;
    struct http_client *client;
    struct rc *registry; // NULL = none
    int64_t letters, written, already, refused, skipped;
    int64_t shown_ms;
    struct err e; // why it stopped
};

struct request {
    struct arena arena;
    const char *url, *content_type;
    struct span body, key;     // of Idempotency-Key
    struct span before, after; // the record as JSON; p NULL = it is not changed
    const char *why;           // it cannot be sent; NULL = it can
    struct err e;              // its text
};

static volatile int stop; // by whoever sends a signal; an int, as sig_atomic_t is

static void on_signal(int which)
{
    stop = which;
}

/* The first signal lets the request in flight end, the second one ends the process. */
static void catch_signals(void)
{
    struct sigaction a = {.sa_handler = on_signal, .sa_flags = (int)SA_RESETHAND};

    sigemptyset(&a.sa_mask);
    sigaction(SIGINT, &a, NULL);
    sigaction(SIGTERM, &a, NULL);
    signal(SIGPIPE, SIG_IGN);
}

/* ---- a letter as a request ---- */

/* A letter was cut out of a body; what stands here is how one record of it is sent. */
static const struct form {
    const char *came, *goes, *bytes_as;
    enum record_kind kind;
} forms[] = {
    {"application/json", "application/x-ndjson", NULL, RECORD_JSON},
    {"application/x-ndjson", "application/x-ndjson", NULL, RECORD_JSON},
    {"application/vnd.kafka.avro.v1+json", "application/x-ndjson", "avro_json",
     RECORD_JSON},
    {"application/vnd.kafka.avro.v2+json", "application/x-ndjson", "avro_json",
     RECORD_JSON},
    {"text/csv", "text/csv", NULL, RECORD_CSV},
    {"application/cloudevents+json", "application/cloudevents+json", NULL,
     RECORD_EVENT},
    {"application/cloudevents-batch+json", "application/cloudevents+json", NULL,
     RECORD_EVENT},
    {"application/vnd.avrogate.framed", "application/vnd.avrogate.framed", NULL,
     RECORD_FRAMED},
};

/* What was decoded in order to be changed. */
static const struct form decoded = {NULL, "application/x-ndjson", "base64",
                                    RECORD_FRAMED};

static const struct form *find_form(struct span type)
{
    size_t n = 0;

    while (n < type.n && type.p[n] != ';' && type.p[n] != ' ')
        n++;
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++)
        if (http_same(span_of(type.p, n), span_str(forms[i].came)))
            return &forms[i];
    return NULL;
}

/* The schema is to be the newest, the outcome ours to report. */
static const char *const ours[] = {"schema_id",  "version", "on_error",
                                   "dry_run",    "subject", "subject_name_strategy",
                                   "record_name"};

static bool is_given(const struct dlq *d, struct span name)
{
    for (size_t i = 0; i < d->s.param.n; i++)
        if (span_eq(name, span_str(d->s.param.items[i].name)))
            return true;
    return false;
}

static bool is_ours(const struct dlq *d, struct span name)
{
    for (size_t i = 0; i < sizeof ours / sizeof *ours; i++)
        if (span_eq(name, span_str(ours[i])))
            return true;
    return is_given(d, name);
}

static void put_param(struct buf *url, const char *name, struct span value)
{
    buf_printf(url, "&%s=", name);
    url_put_escaped(url, value);
}

static struct span cut(struct span *rest, uint8_t at)
{
    size_t n = 0;

    while (n < rest->n && rest->p[n] != at)
        n++;
    struct span piece = span_of(rest->p, n);
    *rest = span_skip(*rest, n + 1);
    return piece;
}

static void put_query(struct buf *url, const struct dlq *d, const struct letter *l,
                      const struct form *form)
{
    struct span rest = l->query;

    buf_put_str(url, "?on_error=reject");
    while (rest.n > 0) {
        struct span pair = cut(&rest, '&'), left = pair, name = cut(&left, '=');

        // what the form says of bytes would be said twice
        if (pair.n == 0 || is_ours(d, name) ||
            (form->bytes_as != NULL && span_eq(name, span_str("bytes_as"))))
            continue;
        buf_put_u8(url, '&');
        buf_put(url, pair);
    }
    for (size_t i = 0; i < d->s.param.n; i++) {
        buf_put_u8(url, '&');
        url_put_escaped(url, span_str(d->s.param.items[i].name));
        buf_put_u8(url, '=');
        url_put_escaped(url, span_str(d->s.param.items[i].value));
    }
    if (l->subject.n > 0 && !is_given(d, span_str("subject")))
        put_param(url, "subject", l->subject);
    if (form->bytes_as != NULL && !is_given(d, span_str("bytes_as")))
        put_param(url, "bytes_as", span_str(form->bytes_as));
    if (d->s.dry_run)
        buf_put_str(url, "&dry_run=true");
}

static void make_url(struct request *q, const struct dlq *d, const struct letter *l,
                     const struct form *form)
{
    struct buf url = BUF_INIT(URL_MOST);
    struct span base = span_str(d->s.gateway);

    while (base.n > 0 && base.p[base.n - 1] == '/')
        base.n--;
    buf_put(&url, base);
    buf_put_str(&url, "/v1/topics/");
    url_put_escaped(&url, span_of(d->topic, strlen(d->topic) - strlen(".dlq")));
    buf_put_str(&url, "/records");
    put_query(&url, d, l, form);
    if (url.over)
        q->why = "its query is too long";
    else
        q->url = arena_str(&q->arena, buf_span(&url));
    buf_free(&url);
}

/* A line is one record, whatever stands in it.  What has several goes as one object:
 * in an array a text like `1],[2` would be two. */
static void make_json(struct request *q, const struct letter *l)
{
    q->body = l->m->value;
    if (memchr(q->body.p, '\n', q->body.n) == NULL)
        return;
    q->content_type = "application/json";
    if (q->body.p[0] != '{')
        q->why = "it has several lines and is no object";
}

static void make_csv(struct request *q, const struct dlq *d, const struct letter *l)
{
    struct buf body = BUF_INIT(l->m->value.n + URL_MOST);

    if (d->s.csv_header == NULL) {
        q->why = "it is a row of CSV: say what its columns are (--csv-header)";
        return;
    }
    buf_put_str(&body, d->s.csv_header);
    buf_put_u8(&body, '\n');
    buf_put(&body, l->m->value);
    buf_put_u8(&body, '\n');
    if (body.over)
        q->why = "the header line is too long";
    else
        q->body = arena_copy(&q->arena, buf_span(&body));
    buf_free(&body);
}

/* The time tells a topic that was made anew from the one before. */
static struct span key_of(struct arena *a, const struct letter *l)
{
    return arena_printf(a, "dlq:%.*s/%" PRId32 "@%" PRId64 ":%" PRId64, NAME_SHOWN,
                        l->m->topic, l->m->partition, l->m->offset, l->m->timestamp_ms);
}

static bool fits_header(struct span text)
{
    for (size_t i = 0; i < text.n; i++)
        if (text.p[i] < 0x20 || text.p[i] == 0x7f)
            return false;
    return text.n == 0 || (text.p[0] != ' ' && text.p[text.n - 1] != ' ');
}

static void make_as_it_is(struct request *q, const struct replay *r,
                          const struct letter *l, const struct form *form)
{
    if (form->kind == RECORD_JSON)
        make_json(q, l);
    else if (form->kind == RECORD_CSV)
        make_csv(q, r->d, l);
    else
        q->body = l->m->value;
}

/* As the request had it, or --param has it now. */
static char delimiter_of(const struct dlq *d, const struct letter *l, struct arena *a)
{
    const struct http_field *params = NULL;
    struct err ignored = {0};
    struct span value = {0};
    size_t n = 0;

    if (http_query_read(&params, &n, l->query, a, &ignored) == ERR_OK)
        for (size_t i = 0; i < n; i++)
            if (span_eq(params[i].name, span_str("delimiter")))
                value = params[i].value;
    for (size_t i = 0; i < d->s.param.n; i++)
        if (strcmp(d->s.param.items[i].name, "delimiter") == 0)
            value = span_str(d->s.param.items[i].value);
    if (span_eq(value, span_str("tab")))
        return '\t';
    return value.n == 1 ? (char)value.p[0] : ',';
}

/* The record decoded, changed and made a body again. */
static enum err_kind change(struct request *q, const struct replay *r,
                            const struct letter *l, const struct form *form,
                            struct err *e)
{
    const struct dlq *d = r->d;
    const struct record_form f = {.kind = form->kind,
                                  .csv_header = d->s.csv_header,
                                  .delimiter = delimiter_of(d, l, &q->arena),
                                  .registry = r->registry,
                                  .timeout_ms = d->s.timeout_ms};
    struct span text = l->m->value, before, after;

    if (form->kind != RECORD_FRAMED)
        TRY(dlq_edit_repair(d->edit, l, &q->arena, &text, e));
    TRY(record_open(&before, &f, text, &q->arena, e));
    TRY(dlq_edit_record(d->edit, l, before, &q->arena, &after, e));
    TRY(record_close(&q->body, &f, text, after, &q->arena, e));
    q->before = form->kind == RECORD_JSON ? l->m->value : before;
    q->after = after;
    return ERR_OK;
}

static void make_changed(struct request *q, const struct replay *r,
                         const struct letter *l, const struct form *form)
{
    if (change(q, r, l, form, &q->e) != ERR_OK)
        q->why = q->e.msg;
}

static void make_request(struct request *q, const struct replay *r,
                         const struct letter *l)
{
    const struct form *form = find_form(l->content_type);

    q->key = key_of(&q->arena, l);
    if (form == NULL) {
        q->why = "what came with its content type cannot be sent record by record";
        return;
    }
    bool changes = r->d->edit != NULL;
    if (changes && form->kind == RECORD_FRAMED)
        form = &decoded;
    q->content_type = form->goes;
    if (json_is_blank(l->m->value) && r->d->s.edit.repair == NULL)
        q->why = "it is empty";
    else if (!fits_header(l->m->key))
        q->why = "its key is no text";
    else if (changes)
        make_changed(q, r, l, form);
    else
        make_as_it_is(q, r, l, form);
    if (q->why == NULL)
        make_url(q, r->d, l, form);
}

/* ---- the report ---- */

static void put_refusals(struct buf *out, const struct verdict *v)
{
    if (v->n_refusals == 0)
        dlq_put_shown(out, span_str(v->why));
    for (size_t i = 0; i < v->n_refusals; i++) {
        const struct refusal *f = &v->refusals[i];

        buf_put_str(out, i == 0 ? "" : "; ");
        dlq_put_shown(out, f->rule);
        buf_put_str(out, f->pointer.n > 0 ? " at " : "");
        dlq_put_shown(out, f->pointer);
        buf_put_str(out, ": ");
        dlq_put_shown(out, f->message);
    }
}

static void put_change_text(struct buf *out, const struct request *q)
{
    if (q->after.p == NULL)
        return;
    buf_put_str(out, "  before  ");
    dlq_put_shown(out, q->before);
    buf_put_str(out, "\n  after   ");
    dlq_put_shown(out, q->after);
    buf_put_u8(out, '\n');
}

static void put_change_json(struct buf *out, const struct request *q)
{
    if (q->after.p == NULL)
        return;
    dlq_put_member(out, "before", q->before);
    buf_put_str(out, ",\"after\":");
    buf_put(out, q->after);
}

/* What became of it, and why (n 0 = no more is to be said). */
static void say(const struct replay *r, const struct letter *l, const struct request *q,
                const char *what, struct span why)
{
    struct buf out = BUF_INIT(REPORT_MOST);

    if (r->d->s.json) {
        buf_printf(&out,
                   "{\"partition\":%" PRId32 ",\"offset\":%" PRId64
                   ",\"outcome\":\"%s\",\"why\":",
                   l->m->partition, l->m->offset, what);
        json_put_string(&out, why);
        put_change_json(&out, q);
        buf_put_str(&out, "}\n");
    } else {
        dlq_put_place(&out, l);
        buf_printf(&out, "  %s%s", what, why.n > 0 ? ": " : "");
        buf_put(&out, why);
        buf_put_u8(&out, '\n');
        put_change_text(&out, q);
    }
    if (out.over)
        printf("%s/%" PRId32 "@%" PRId64 "  %s: a report too long to be shown\n",
               l->m->topic, l->m->partition, l->m->offset, what);
    else
        fwrite(out.p, 1, out.n, stdout);
    buf_free(&out);
}

static void refuse(struct replay *r, const struct letter *l, const struct request *q,
                   const struct verdict *v)
{
    struct buf why = BUF_INIT(REPORT_MOST / 4);

    put_refusals(&why, v);
    r->refused++;
    say(r, l, q, "refused", buf_span(&why));
    buf_free(&why);
}

static void skip(struct replay *r, const struct letter *l, const struct request *q)
{
    r->skipped++;
    say(r, l, q, "not sent", span_str(q->why));
}

static void show_progress(struct replay *r)
{
    if (r->d->s.quiet || !isatty(STDERR_FILENO) || clock_ms() - r->shown_ms < SHOW_MS)
        return;
    r->shown_ms = clock_ms();
    fprintf(stderr, "\r%" PRId64 " letters, %" PRId64 " went in ", r->letters,
            r->written);
}

/* ---- sending ---- */

static struct span place_of(struct arena *a, const struct letter *l)
{
    return arena_printf(a, "%s/%" PRId32 "@%" PRId64, l->m->topic, l->m->partition,
                        l->m->offset);
}

static size_t put_fields(struct http_field f[FIELDS], struct request *q,
                         const struct replay *r, const struct letter *l)
{
    const struct dlq_settings *s = &r->d->s;
    size_t n = 0;

    f[n++] = (struct http_field){span_str("Content-Type"), span_str(q->content_type)};
    f[n++] = (struct http_field){span_str("Avrogate-Replay"), place_of(&q->arena, l)};
    if (!s->dry_run)
        f[n++] = (struct http_field){span_str("Idempotency-Key"), q->key};
    if (l->m->key.n > 0)
        f[n++] = (struct http_field){span_str("Kafka-Key"), l->m->key};
    if (s->gateway_login.token != NULL)
        f[n++] = (struct http_field){
            span_str("Authorization"),
            arena_printf(&q->arena, "Bearer %s", s->gateway_login.token)};
    return n;
}

enum result { IN, ALREADY, REFUSED, AGAIN, OVER };

static enum result judge(const struct verdict *v, int status, bool replayed)
{
    if (status == 200 && v->kind == VERDICT_DONE && v->fates[0] == FATE_WRITTEN)
        return replayed ? ALREADY : IN;
    if (status == 400 || status == 413 || status == 415 || status == 422)
        return REFUSED;
    return status == 429 || status >= 500 ? AGAIN : OVER;
}

/* One request.  Who asks again does it under the same key: never twice in the topic. */
static enum result send_once(struct replay *r, struct request *q,
                             const struct letter *l, struct verdict *v, struct err *e)
{
    struct http_field fields[FIELDS];
    struct http_reply reply = {0};
    const struct http_call call = {.method = HTTP_POST,
                                   .url = q->url,
                                   .fields = fields,
                                   .nfields = put_fields(fields, q, r, l),
                                   .body = q->body,
                                   .deadline_ms = clock_ms() + r->d->s.timeout_ms};

    enum err_kind rc = http_client_call(r->client, &call, &reply, e);
    if (rc != ERR_OK)
        return rc == ERR_UNAVAILABLE ? AGAIN : OVER;
    verdict_read(v, reply.status, reply.body, http_reply_header(&reply, "Retry-After"),
                 true);
    bool replayed = http_reply_header(&reply, "Idempotent-Replayed").n > 0;
    enum result result = judge(v, reply.status, replayed);
    if (result == AGAIN || result == OVER)
        (void)err_set(e, ERR_UNAVAILABLE, "the gateway says: %.200s", v->why);
    http_reply_free(&reply);
    return result;
}

static void pause_for(int64_t ms)
{
    const struct timespec t = {ms / 1000, (long)(ms % 1000) * 1000000};

    nanosleep(&t, NULL); // a signal ends it
}

static enum result send(struct replay *r, struct request *q, const struct letter *l,
                        struct verdict *v)
{
    int64_t until = clock_ms() + r->d->s.patience_ms;

    for (;;) {
        struct err e = {0};

        verdict_begin(v, 1);
        enum result result = send_once(r, q, l, v, &e);
        if (result != AGAIN && result != OVER)
            return result;
        if (result == OVER || stop != 0 || clock_ms() >= until) {
            r->e = e;
            return OVER;
        }
        pause_for(v->after_ms > 0 && v->after_ms < 10000 ? v->after_ms : PAUSE_MS);
        verdict_free(v);
    }
}

static bool settle(struct replay *r, struct request *q, const struct letter *l)
{
    struct verdict v;
    enum result result = send(r, q, l, &v);

    r->written += result == IN;
    r->already += result == ALREADY;
    if (result == REFUSED)
        refuse(r, l, q, &v);
    if (result == IN && r->d->s.dry_run && q->after.p != NULL)
        say(r, l, q, "would go in", (struct span){0});
    if (result == OVER) // it may be there: the next replay, under the same key, tells
        say(r, l, q, "unsettled", span_str(r->e.msg));
    verdict_free(&v);
    return result != OVER;
}

static bool replay_letter(struct dlq_reader *reader, const struct letter *l)
{
    struct replay *r = (struct replay *)reader;
    struct request q = {0};
    bool more = true;

    r->letters++;
    show_progress(r);
    make_request(&q, r, l);
    if (q.why != NULL)
        skip(r, l, &q);
    else
        more = settle(r, &q, l);
    arena_free(&q.arena);
    return more;
}

/* ---- the question ---- */

static void sum_up(const struct replay *r)
{
    const char *dry = r->d->s.dry_run ? "true" : "false";

    if (r->d->s.json) {
        printf("{\"letters\":%" PRId64 ",\"written\":%" PRId64 ",\"already\":%" PRId64
               ",\"refused\":%" PRId64 ",\"not_sent\":%" PRId64
               ",\"dry_run\":%s,\"finished\":%s}\n",
               r->letters, r->written, r->already, r->refused, r->skipped, dry,
               r->e.kind == ERR_OK && stop == 0 ? "true" : "false");
        return;
    }
    printf("%s: %" PRId64 " letters: %" PRId64 " %s, %" PRId64
           " had gone in before, %" PRId64 " refused again, %" PRId64 " not sent%s\n",
           r->d->topic, r->letters, r->written,
           r->d->s.dry_run ? "would go in" : "went in", r->already, r->refused,
           r->skipped, stop != 0 ? "; interrupted" : "");
}

static enum err_kind open_registry(struct replay *r, struct err *e)
{
    const struct dlq_settings *s = &r->d->s;
    const struct rc_options o = {
        .urls = s->registry.items, .n_urls = s->registry.n, .login = s->login};

    return o.n_urls > 0 ? rc_open(&r->registry, &o, e) : ERR_OK;
}

static enum err_kind replay_all(struct replay *r, struct err *e)
{
    struct dlq *d = r->d;

    catch_signals();
    d->source.stop = &stop;
    enum err_kind rc = dlq_read(&d->source, d->kafka, d->topic, &r->reader, e);
    if (rc == ERR_OK && r->e.kind != ERR_OK) {
        *e = r->e;
        rc = r->e.kind;
    }
    sum_up(r);
    return rc;
}

enum err_kind dlq_replay(struct dlq *d, int *code, struct err *e)
{
    struct replay r = {.reader = {replay_letter}, .d = d};
    const struct http_client_settings c = {.ca_file = d->s.gateway_login.ca_file,
                                           .cert_file = d->s.gateway_login.cert_file,
                                           .key_file = d->s.gateway_login.key_file,
                                           .connect_ms = CONNECT_MS};

    TRY(http_client_open(&r.client, &c, e));
    enum err_kind rc = open_registry(&r, e);
    if (rc == ERR_OK)
        rc = replay_all(&r, e);
    *code = r.refused > 0 || r.skipped > 0 || stop != 0;
    if (r.registry != NULL)
        rc_close(r.registry);
    http_client_close(r.client);
    return rc;
}
