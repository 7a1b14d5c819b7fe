#include "http/client.h"

#include "base/clock.h"
#include "http/parse.h"
#include "http/url.h"

#include <curl/curl.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#define CONNECT_MS 3000
#define BODY_MAX (16 << 20)
#define HEAD_MAX (64 << 10)

struct http_client {
    CURL *curl; // keeps its connections between calls
    char *ca_file, *cert_file, *key_file, *agent;
    bool insecure;
    int64_t connect_ms;
};

/* What libcurl's callbacks are about, for one call. */
struct exchange {
    struct buf head; // field lines of the answer in hand
    struct buf body;
    struct span unsent;
    const struct http_source *source; // NULL = `unsent`
    int64_t unread;                   // of it
    const atomic_bool *cancel;
};

static void start_curl(void)
{
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != 0)
        abort(); // out of memory, or a libcurl without its TLS library
}

static char *copy_of(const char *s)
{
    return s == NULL ? NULL : mem_str(span_str(s));
}

static enum err_kind check_file(const char *what, const char *path, struct err *e)
{
    if (path != NULL && access(path, R_OK) != 0)
        return err_set(e, ERR_INVALID, "%s \"%s\" cannot be read", what, path);
    return ERR_OK;
}

enum err_kind http_client_open(struct http_client **out,
                               const struct http_client_settings *s, struct err *e)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    TRY(check_file("CA file", s->ca_file, e));
    TRY(check_file("certificate file", s->cert_file, e));
    TRY(check_file("key file", s->key_file, e));
    pthread_once(&once, start_curl);

    struct http_client *c = mem_alloc(sizeof *c);
    c->curl = curl_easy_init();
    if (c->curl == NULL)
        abort(); // out of memory: base/mem.h
    c->ca_file = copy_of(s->ca_file);
    c->cert_file = copy_of(s->cert_file);
    c->key_file = copy_of(s->key_file);
    c->agent = copy_of(s->agent != NULL ? s->agent : "avrogate/" AVROGATE_VERSION);
    c->insecure = s->insecure;
    c->connect_ms = s->connect_ms > 0 ? s->connect_ms : CONNECT_MS;
    *out = c;
    return ERR_OK;
}

void http_client_close(struct http_client *c)
{
    if (c == NULL)
        return;
    curl_easy_cleanup(c->curl);
    free(c->ca_file);
    free(c->cert_file);
    free(c->key_file);
    free(c->agent);
    free(c);
}

static size_t take_body(char *p, size_t size, size_t n, void *arg)
{
    struct exchange *x = arg;

    buf_put(&x->body, span_of(p, size * n));
    return x->body.over ? 0 : size * n;
}

/* Called with one line at a time; "HTTP/1.1 100 Continue" begins a head, too. */
static size_t take_line(char *p, size_t size, size_t n, void *arg)
{
    struct exchange *x = arg;

    if (size * n >= 5 && memcmp(p, "HTTP/", 5) == 0)
        buf_reset(&x->head);
    else
        buf_put(&x->head, span_of(p, size * n));
    return x->head.over ? 0 : size * n;
}

static size_t draw(struct exchange *x, char *p, size_t n)
{
    size_t most = x->unread < (int64_t)n ? (size_t)x->unread : n;
    int64_t got = most == 0 ? 0 : x->source->read(x->source->arg, (uint8_t *)p, most);

    if (got < 0 || (size_t)got > most)
        return CURL_READFUNC_ABORT;
    x->unread -= got;
    return (size_t)got;
}

/* libcurl asks about once a second, and whenever something moves. */
static int look_up(void *arg, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d)
{
    const struct exchange *x = arg;

    (void)a, (void)b, (void)c, (void)d;
    return atomic_load(x->cancel) ? 1 : 0;
}

static size_t give_body(char *p, size_t size, size_t n, void *arg)
{
    struct exchange *x = arg;
    size_t here = x->unsent.n < size * n ? x->unsent.n : size * n;

    if (x->source != NULL)
        return draw(x, p, size * n);
    if (here > 0)
        memcpy(p, x->unsent.p, here);
    x->unsent = span_skip(x->unsent, here);
    return here;
}

static bool sends_body(const struct http_call *call)
{
    return call->method == HTTP_POST || call->method == HTTP_PUT ||
           call->method == HTTP_PATCH || call->body.n > 0 || call->source != NULL;
}

static bool is_once(const struct http_call *call)
{
    return call->method == HTTP_POST || call->method == HTTP_PATCH ||
           call->source != NULL;
}

static int64_t body_length(const struct http_call *call)
{
    return call->source != NULL ? call->source->n : (int64_t)call->body.n;
}

/*
 * libcurl sends a request again when a kept connection ends without a byte of answer,
 * even when all of it had been sent: the server may have done it.  It can only do so
 * when it can rewind the body; what is not idempotent therefore comes from a callback
 * that cannot be rewound, and such a call fails where it might have happened twice.
 */
static void set_method(CURL *h, const struct http_call *call)
{
    bool once = is_once(call);

    if (sends_body(call)) {
        curl_easy_setopt(h, CURLOPT_POST, 1L);
        curl_easy_setopt(h, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)body_length(call));
        if (!once || body_length(call) == 0)
            curl_easy_setopt(h, CURLOPT_POSTFIELDS,
                             call->body.n > 0 ? (const char *)call->body.p : "");
    } else if (call->method == HTTP_HEAD) {
        curl_easy_setopt(h, CURLOPT_NOBODY, 1L);
    }
    if (call->method != HTTP_HEAD)
        curl_easy_setopt(h, CURLOPT_CUSTOMREQUEST, http_method_name(call->method));
    // without a body there is nothing to rewind: a connection of its own cannot be
    // stale
    if (once && body_length(call) == 0)
        curl_easy_setopt(h, CURLOPT_FRESH_CONNECT, 1L);
}

static void set_tls(CURL *h, const struct http_client *c)
{
    if (c->ca_file != NULL)
        curl_easy_setopt(h, CURLOPT_CAINFO, c->ca_file);
    if (c->cert_file != NULL)
        curl_easy_setopt(h, CURLOPT_SSLCERT, c->cert_file);
    if (c->key_file != NULL)
        curl_easy_setopt(h, CURLOPT_SSLKEY, c->key_file);
    curl_easy_setopt(h, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    if (c->insecure) {
        curl_easy_setopt(h, CURLOPT_SSL_VERIFYPEER, 0L);
        curl_easy_setopt(h, CURLOPT_SSL_VERIFYHOST, 0L);
    }
}

static void set_signature(CURL *h, const struct http_sigv4 *sign)
{
    if (sign == NULL)
        return;
    curl_easy_setopt(h, CURLOPT_AWS_SIGV4, sign->scope);
    curl_easy_setopt(h, CURLOPT_USERNAME, sign->access_key);
    curl_easy_setopt(h, CURLOPT_PASSWORD, sign->secret_key);
}

static void set_ends(CURL *h, const struct http_call *call, struct exchange *x)
{
    if (call->stall_ms > 0) {
        curl_easy_setopt(h, CURLOPT_LOW_SPEED_LIMIT, 1024L);
        curl_easy_setopt(h, CURLOPT_LOW_SPEED_TIME,
                         (long)(call->stall_ms + 999) / 1000);
    }
    if (call->cancel != NULL) {
        curl_easy_setopt(h, CURLOPT_XFERINFOFUNCTION, look_up);
        curl_easy_setopt(h, CURLOPT_XFERINFODATA, x);
        curl_easy_setopt(h, CURLOPT_NOPROGRESS, 0L);
    }
}

static void set_all(const struct http_client *c, const struct http_call *call,
                    const struct curl_slist *fields, int64_t left, struct exchange *x,
                    char *why)
{
    CURL *h = c->curl;
    int64_t connect = left < c->connect_ms ? left : c->connect_ms;

    curl_easy_reset(h); // options only: the connections stay
    curl_easy_setopt(h, CURLOPT_URL, call->url);
    curl_easy_setopt(h, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(h, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(h, CURLOPT_PROXY, "");
    curl_easy_setopt(h, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(h, CURLOPT_TIMEOUT_MS, (long)left);
    curl_easy_setopt(h, CURLOPT_CONNECTTIMEOUT_MS, (long)connect);
    curl_easy_setopt(h, CURLOPT_PATH_AS_IS, 1L); // a subject may be called ".."
    curl_easy_setopt(h, CURLOPT_USERAGENT, c->agent);
    curl_easy_setopt(h, CURLOPT_ERRORBUFFER, why);
    curl_easy_setopt(h, CURLOPT_HTTPHEADER, fields);
    curl_easy_setopt(h, CURLOPT_WRITEFUNCTION, take_body);
    curl_easy_setopt(h, CURLOPT_WRITEDATA, x);
    curl_easy_setopt(h, CURLOPT_HEADERFUNCTION, take_line);
    curl_easy_setopt(h, CURLOPT_HEADERDATA, x);
    curl_easy_setopt(h, CURLOPT_READFUNCTION, give_body);
    curl_easy_setopt(h, CURLOPT_READDATA, x);
    set_tls(h, c);
    set_method(h, call);
    set_signature(h, call->sign);
    set_ends(h, call, x);
}

static enum err_kind check_fields(const struct http_call *call, struct err *e)
{
    for (size_t i = 0; i < call->nfields; i++) {
        const struct http_field *f = &call->fields[i];
        if (!http_is_token(f->name) || !http_is_value(f->value))
            return err_set(e, ERR_INVALID,
                           "header field \"" SPAN_FMT "\" has a byte no field has",
                           SPAN_ARG(f->name));
    }
    return ERR_OK;
}

static struct curl_slist *add(struct curl_slist *list, const char *line)
{
    struct curl_slist *longer = curl_slist_append(list, line);

    if (longer == NULL)
        abort(); // out of memory: base/mem.h
    return longer;
}

/* libcurl's way of writing fields: "A: b", "A;" for an empty one, "A:" for none. */
static struct curl_slist *make_fields(const struct http_call *call, struct arena *a)
{
    struct curl_slist *list = add(NULL, "Expect:"); // it would wait a second for 100

    if (http_field_find(call->fields, call->nfields, "Content-Type").p == NULL)
        list = add(list, "Content-Type:"); // else it claims a form
    for (size_t i = 0; i < call->nfields; i++) {
        const char *name = arena_str(a, call->fields[i].name);
        const char *value = arena_str(a, call->fields[i].value);
        struct span line = value[0] == '\0' ? arena_printf(a, "%s;", name)
                                            : arena_printf(a, "%s: %s", name, value);
        list = add(list, (const char *)line.p);
    }
    return list;
}

static struct span trim(struct span s)
{
    while (s.n > 0 && (s.p[0] == ' ' || s.p[0] == '\t'))
        s = span_of(s.p + 1, s.n - 1);
    while (s.n > 0 && s.p[s.n - 1] <= ' ')
        s.n--;
    return s;
}

static void read_fields(struct http_reply *out, struct span head)
{
    size_t most = 0;

    for (size_t i = 0; i < head.n; i++)
        most += head.p[i] == '\n';
    struct http_field *fields = arena_array(&out->arena, most, sizeof *fields);
    while (head.n > 0) {
        const uint8_t *nl = memchr(head.p, '\n', head.n);
        size_t n = nl == NULL ? head.n : (size_t)(nl - head.p) + 1;
        const uint8_t *colon = memchr(head.p, ':', n);
        if (colon != NULL) {
            size_t name = (size_t)(colon - head.p);
            fields[out->nfields++] = (struct http_field){
                span_of(head.p, name), trim(span_of(colon + 1, n - name - 1))};
        }
        head = span_skip(head, n);
    }
    out->fields = fields;
}

static const char *shown(const struct http_call *call, struct arena *a)
{
    struct buf b = BUF_INIT(4096);

    url_put_shown(&b, span_str(call->url));
    const char *text = b.over ? "(a long URL)" : arena_str(a, buf_span(&b));
    buf_free(&b);
    return text;
}

static enum err_kind failed(const struct http_call *call, CURLcode code,
                            const char *why, const struct exchange *x, struct arena *a,
                            struct err *e)
{
    const char *method = http_method_name(call->method), *url = shown(call, a);

    if (x->body.over)
        return err_set(e, ERR_LIMIT, "%s %s: answer of more than %zu bytes", method,
                       url, x->body.limit);
    if (x->head.over)
        return err_set(e, ERR_LIMIT, "%s %s: answer's header of more than %zu bytes",
                       method, url, x->head.limit);
    enum err_kind kind =
        code == CURLE_URL_MALFORMAT || code == CURLE_UNSUPPORTED_PROTOCOL
            ? ERR_INVALID
            : ERR_UNAVAILABLE;
    return err_set(e, kind, "%s %s: %s", method, url,
                   why[0] != '\0' ? why : curl_easy_strerror(code));
}

/* A request of which a part never left is none to any server.  What libcurl sends from
 * memory (not POST) it does not count for us: then its head is enough. */
static bool may_be_whole(const struct http_client *c, const struct exchange *x)
{
    long head = 0;

    curl_easy_getinfo(c->curl, CURLINFO_REQUEST_SIZE, &head);
    return head > 0 && x->unsent.n == 0 && x->unread == 0;
}

static enum err_kind perform(struct http_client *c, const struct http_call *call,
                             struct http_reply *out, struct exchange *x, struct err *e)
{
    struct arena scratch = {0};
    char why[CURL_ERROR_SIZE] = "";
    enum err_kind rc = ERR_OK;
    long status = 0;
    int64_t left = call->deadline_ms - clock_ms();

    if (call->sent != NULL)
        *call->sent = false;
    if (left <= 0) {
        rc = err_set(e, ERR_UNAVAILABLE, "%s %s: no time left to ask",
                     http_method_name(call->method), shown(call, &scratch));
        arena_free(&scratch);
        return rc;
    }
    struct curl_slist *fields = make_fields(call, &scratch);
    set_all(c, call, fields, left, x, why);
    CURLcode code = curl_easy_perform(c->curl);
    curl_easy_getinfo(c->curl, CURLINFO_RESPONSE_CODE, &status);
    if (call->sent != NULL)
        *call->sent = may_be_whole(c, x);
    curl_easy_reset(c->curl); // it shall not remember what dies here
    if (code != CURLE_OK)
        rc = failed(call, code, why, x, &scratch, e);
    curl_slist_free_all(fields);
    arena_free(&scratch);
    out->status = (int)status;
    return rc;
}

enum err_kind http_client_call(struct http_client *c, const struct http_call *call,
                               struct http_reply *out, struct err *e)
{
    struct exchange x = {
        .head = BUF_INIT(HEAD_MAX),
        .body = BUF_INIT(call->body_max > 0 ? call->body_max : BODY_MAX),
        .unsent = is_once(call) ? call->body : (struct span){0},
        .source = call->source,
        .unread = call->source != NULL ? call->source->n : 0,
        .cancel = call->cancel,
    };
    struct http_reply r = {0};
    struct url u;

    TRY(url_split(&u, span_str(call->url), e));
    TRY(check_fields(call, e));
    enum err_kind rc = perform(c, call, &r, &x, e);
    if (rc == ERR_OK) {
        r.body = arena_copy(&r.arena, buf_span(&x.body));
        read_fields(&r, arena_copy(&r.arena, buf_span(&x.head)));
        *out = r;
    }
    buf_free(&x.head);
    buf_free(&x.body);
    return rc;
}

struct span http_reply_header(const struct http_reply *r, const char *name)
{
    return http_field_find(r->fields, r->nfields, name);
}

void http_reply_free(struct http_reply *r)
{
    arena_free(&r->arena);
    *r = (struct http_reply){0};
}
