#include "registry-fake/registry_fake.h"

#include "base/clock.h"
#include "base/json.h"
#include "http/parse.h"
#include "registry-fake/table.h"
#include "wire/guid.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define HEAD_MOST (64 << 10)
#define BODY_MOST (64 << 20)
#define FIELDS_MOST 100
#define HUGE_BYTES ((size_t)1 << 30)

/* A connection has a thread: a fake may block as it likes. */
struct line {
    struct registry_fake *fake;
    struct line *next;
    pthread_t thread;
    int fd;    // under lock: -1 when its thread has closed it
    bool over; // under lock
};

struct registry_fake {
    int fd;
    char url[40];
    pthread_t accepting;

    pthread_mutex_t lock;
    // under lock
    struct line *lines;
    bool stopping;
    struct fake_table table;
    struct registry_fake_mood mood, after; // `after` when `times` are over
    size_t times;                          // 0 = for ever
    size_t asked;
    struct arena last;
    struct span last_target;
    struct http_field *last_fields;
    size_t n_last_fields;
};

/* One request, and what becomes of it. */
struct ask {
    enum http_method method;
    struct span path, body; // borrowed from `in`
    struct registry_fake_mood mood;
    int status;
    struct buf answer;
    size_t number; // the how many-th request it is
    bool keep;
};

/* ---- what a registry says ---- */

static void say_error(struct ask *q, int status, int code, const char *message)
{
    q->status = status;
    buf_reset(&q->answer);
    buf_printf(&q->answer, "{\"error_code\":%d,\"message\":", code);
    json_put_string(&q->answer, span_str(message));
    buf_put_str(&q->answer, "}");
}

static void put_text(struct buf *out, struct span text, const struct fake_schema *s)
{
    buf_put_str(out, "\"schema\":");
    json_put_string(out, text);
    if (s->references.n > 0) {
        buf_put_str(out, ",\"references\":");
        buf_put(out, s->references);
    }
}

/* What the mood makes of a schema: its own text, or another one. */
static struct span text_for(const struct ask *q, const struct fake_schema *s,
                            struct arena *a)
{
    if (q->mood.how == REGISTRY_FAKE_WRONG)
        return span_str("{\"type\":\"fixed\",\"name\":\"Wrong\",\"size\":3}");
    if (q->mood.how == REGISTRY_FAKE_CHANGES)
        return arena_printf(a, "{\"type\":\"fixed\",\"name\":\"Changed\",\"size\":%zu}",
                            q->number);
    return s->text;
}

static void say_schema(struct registry_fake *f, struct ask *q, int32_t id,
                       struct span subject, int32_t version)
{
    const struct fake_schema *s = &f->table.schemas[id - 1];
    int off = q->mood.how == REGISTRY_FAKE_WRONG;
    char guid[GUID_TEXT];
    uint8_t md5[16];
    struct arena a = {0};

    buf_put_str(&q->answer, "{");
    if (version > 0) {
        buf_put_str(&q->answer, "\"subject\":");
        json_put_string(&q->answer, subject);
        buf_printf(&q->answer, ",\"version\":%d,", version + off);
    }
    buf_printf(&q->answer, "\"id\":%d,", id + off);
    if (table_guid(&f->table, id, md5)) {
        guid_print(guid, md5);
        buf_printf(&q->answer, "\"guid\":\"%s\",", guid);
    }
    put_text(&q->answer, text_for(q, s, &a), s);
    buf_put_str(&q->answer, "}");
    arena_free(&a);
}

static bool number_of(struct span text, int32_t *out)
{
    int64_t n = 0;

    if (text.n == 0 || text.n > 9)
        return false;
    for (size_t i = 0; i < text.n; i++) {
        if (text.p[i] < '0' || text.p[i] > '9')
            return false;
        n = n * 10 + (text.p[i] - '0');
    }
    *out = (int32_t)n;
    return true;
}

static void get_id(struct registry_fake *f, struct ask *q, struct span id_text)
{
    int32_t id;

    if (!number_of(id_text, &id) || id < 1 || (size_t)id > f->table.n_schemas)
        say_error(q, 404, 40403, "Schema not found");
    else
        say_schema(f, q, id, (struct span){0}, 0);
}

static void get_guid(struct registry_fake *f, struct ask *q, struct span text)
{
    uint8_t wanted[16], has[16];
    struct err e = {0};

    if (guid_read(wanted, text, &e) == ERR_OK)
        for (int32_t id = 1; (size_t)id <= f->table.n_schemas; id++)
            if (table_guid(&f->table, id, has) && memcmp(wanted, has, 16) == 0) {
                say_schema(f, q, id, (struct span){0}, 0);
                return;
            }
    say_error(q, 404, 40403, "Schema not found");
}

static void get_subjects(struct registry_fake *f, struct ask *q)
{
    buf_put_str(&q->answer, "[");
    for (size_t i = 0; i < f->table.n_subjects; i++) {
        buf_put_str(&q->answer, i > 0 ? "," : "");
        json_put_string(&q->answer, f->table.subjects[i].name);
    }
    buf_put_str(&q->answer, "]");
}

static void get_versions(struct ask *q, const struct fake_subject *s)
{
    buf_put_str(&q->answer, "[");
    for (size_t i = 0; i < s->n; i++)
        buf_printf(&q->answer, "%s%zu", i > 0 ? "," : "", i + 1);
    buf_put_str(&q->answer, "]");
}

static void get_version(struct registry_fake *f, struct ask *q,
                        const struct fake_subject *s, struct span text)
{
    int32_t version = (int32_t)s->n;

    if (!span_eq(text, span_str("latest")) && !number_of(text, &version))
        say_error(q, 422, 42202, "The specified version is not a valid version id");
    else if (version < 1 || (size_t)version > s->n)
        say_error(q, 404, 40402, "Version not found.");
    else
        say_schema(f, q, s->ids[version - 1], s->name, version);
}

/* Text and references (as JSON) of a request's body. */
static bool read_draft(struct ask *q, struct span *text, struct span *references,
                       struct arena *a)
{
    const struct json *body;
    struct buf written = BUF_INIT(BODY_MOST);
    struct err e = {0};

    if (json_read(&body, q->body, NULL, a, &e) != ERR_OK ||
        !json_is(json_member(body, "schema"), JSON_STRING))
        return false;
    const struct json *refs = json_member(body, "references");
    *text = json_member(body, "schema")->text;
    *references = (struct span){0};
    if (json_is(refs, JSON_ARRAY) && refs->n > 0) {
        json_put(&written, refs);
        *references = arena_copy(a, buf_span(&written));
        buf_free(&written);
    }
    return true;
}

static void post(struct registry_fake *f, struct ask *q, struct span subject,
                 bool registers)
{
    struct fake_subject *s = table_subject(&f->table, subject, registers);
    struct span text, references;
    struct arena a = {0};

    if (s == NULL) {
        say_error(q, 404, 40401, "Subject not found.");
        return;
    }
    if (!read_draft(q, &text, &references, &a)) {
        say_error(q, 422, 42201, "Invalid schema");
        arena_free(&a);
        return;
    }
    int32_t id = table_find(&f->table, text, references);
    int32_t version = id > 0 ? table_version(s, id) : 0;
    if (version == 0 && !registers)
        say_error(q, 404, 40403, "Schema not found");
    else if (version == 0 && s->refuses)
        say_error(q, 409, 409, "Schema being registered is incompatible");
    else {
        id = table_add(&f->table, s, text, references);
        say_schema(f, q, id, subject, table_version(s, id));
    }
    arena_free(&a);
}

/* What follows `prefix` up to the next '/', taken off *path. */
static bool take_part(struct span *path, const char *prefix, struct span *part)
{
    size_t n = strlen(prefix);

    if (path->n < n || memcmp(path->p, prefix, n) != 0)
        return false;
    *path = span_skip(*path, n);
    const uint8_t *end = path->n > 0 ? memchr(path->p, '/', path->n) : NULL;
    *part = span_of(path->p, end != NULL ? (size_t)(end - path->p) : path->n);
    *path = span_skip(*path, part->n);
    return true;
}

static void unescape(struct span *part, struct arena *a)
{
    uint8_t *out = arena_alloc(a, part->n + 1);
    size_t n = 0;
    unsigned hex;

    for (size_t i = 0; i < part->n; i++, n++) {
        out[n] = part->p[i];
        if (part->p[i] == '%' && i + 2 < part->n &&
            sscanf((const char *)part->p + i + 1, "%2x", &hex) == 1) {
            out[n] = (uint8_t)hex;
            i += 2;
        }
    }
    *part = span_of(out, n);
}

/* Under the lock. */
static void answer_subject(struct registry_fake *f, struct ask *q, struct span path,
                           struct span name)
{
    struct span part;
    struct arena a = {0};

    unescape(&name, &a);
    struct fake_subject *s = table_subject(&f->table, name, false);
    bool of_versions = span_eq(path, span_str("/versions"));
    if (q->method == HTTP_POST && (path.n == 0 || of_versions))
        post(f, q, name, of_versions);
    else if (s == NULL || s->n == 0)
        say_error(q, 404, 40401, "Subject not found.");
    else if (of_versions)
        get_versions(q, s);
    else if (take_part(&path, "/versions/", &part))
        get_version(f, q, s, part);
    else
        say_error(q, 404, 404, "HTTP 404 Not Found");
    arena_free(&a);
}

static void answer(struct registry_fake *f, struct ask *q)
{
    struct span path = q->path, part;

    q->status = 200;
    if (take_part(&path, "/schemas/ids/", &part))
        get_id(f, q, part);
    else if (take_part(&path, "/schemas/guids/", &part))
        get_guid(f, q, part);
    else if (take_part(&path, "/subjects/", &part))
        answer_subject(f, q, path, part);
    else if (span_eq(path, span_str("/subjects")))
        get_subjects(f, q);
    else
        say_error(q, 404, 404, "HTTP 404 Not Found");
}

/* ---- how it is said ---- */

static bool send_all(int fd, const void *p, size_t n)
{
    const uint8_t *at = p;

    while (n > 0) {
        ssize_t sent = send(fd, at, n, MSG_NOSIGNAL);
        if (sent <= 0)
            return false;
        at += sent;
        n -= (size_t)sent;
    }
    return true;
}

static bool send_answer(int fd, const struct ask *q, const char *type, size_t length,
                        const char *more)
{
    char head[512];
    int n = snprintf(
        head, sizeof head,
        "HTTP/1.1 %d %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\n%s%s\r\n",
        q->status, http_status_name(q->status), type, length, more,
        q->keep ? "" : "Connection: close\r\n");

    return send_all(fd, head, (size_t)n);
}

/* Waits, unless the fake is stopped or the client leaves meanwhile. */
static void wait_ms(int fd, int64_t ms)
{
    struct pollfd p = {.fd = fd, .events = POLLRDHUP};
    int64_t until = clock_ms() + ms, left;

    while ((left = until - clock_ms()) > 0)
        if (poll(&p, 1, left > 1 << 30 ? 1 << 30 : (int)left) > 0)
            return;
}

static bool reset(int fd)
{
    struct linger at_once = {.l_onoff = 1, .l_linger = 0};

    setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    return false;
}

static bool send_huge(int fd, struct ask *q)
{
    size_t left = q->mood.bytes > 0 ? q->mood.bytes : HUGE_BYTES;
    char piece[65536];

    q->status = 200;
    memset(piece, 'x', sizeof piece);
    if (!send_answer(fd, q, "application/json", left + 13, "") ||
        !send_all(fd, "{\"schema\":\"", 11))
        return false;
    while (left > 0) {
        size_t n = left < sizeof piece ? left : sizeof piece;
        if (!send_all(fd, piece, n))
            return false;
        left -= n;
    }
    return send_all(fd, "\"}", 2);
}

static bool send_text(int fd, struct ask *q, int status, const char *type,
                      const char *more, const char *text)
{
    q->status = status;
    return send_answer(fd, q, type, strlen(text), more) &&
           send_all(fd, text, strlen(text));
}

static bool send_redirect(int fd, struct ask *q)
{
    struct buf more = BUF_INIT(HEAD_MOST);

    buf_printf(&more, "Location: %.*s\r\n", (int)(q->path.n < 200 ? q->path.n : 200),
               (const char *)q->path.p);
    buf_put_u8(&more, '\0');
    bool good = send_text(fd, q, 302, "text/plain", (const char *)more.p, "there");
    buf_free(&more);
    return good;
}

static bool send_status(int fd, struct ask *q)
{
    int status = q->mood.status != 0 ? q->mood.status : 500;
    int code = q->mood.error_code != 0 ? q->mood.error_code
               : status == 500         ? 50001
                                       : status;

    say_error(q, status, code, "as the test wished");
    return send_answer(fd, q, "application/vnd.schemaregistry.v1+json", q->answer.n,
                       status == 429 || status == 503 ? "Retry-After: 1\r\n" : "") &&
           send_all(fd, q->answer.p, q->answer.n);
}

static bool send_good(int fd, struct ask *q, bool half)
{
    size_t n = half ? q->answer.n / 2 : q->answer.n;

    return send_answer(fd, q, "application/vnd.schemaregistry.v1+json", q->answer.n,
                       "") &&
           send_all(fd, q->answer.p, n) && !half;
}

/* False: the connection is over. */
static bool say(int fd, struct ask *q)
{
    switch (q->mood.how) {
    case REGISTRY_FAKE_SLOW:
        wait_ms(fd, q->mood.ms > 0 ? q->mood.ms : 1000);
        return send_good(fd, q, false);
    case REGISTRY_FAKE_NEVER: wait_ms(fd, INT32_MAX); return false;
    case REGISTRY_FAKE_STOPS: return send_good(fd, q, true);
    case REGISTRY_FAKE_RESETS: return reset(fd);
    case REGISTRY_FAKE_STATUS: return send_status(fd, q);
    case REGISTRY_FAKE_STRANGER:
        return send_text(fd, q, q->mood.status != 0 ? q->mood.status : 404, "text/html",
                         "", "<html>not here</html>");
    case REGISTRY_FAKE_GARBAGE:
        return send_text(fd, q, 200, "application/json", "",
                         q->mood.body != NULL ? q->mood.body : "{\"schema\":");
    case REGISTRY_FAKE_HUGE: return send_huge(fd, q);
    case REGISTRY_FAKE_REDIRECTS: return send_redirect(fd, q);
    case REGISTRY_FAKE_KIND:
    case REGISTRY_FAKE_WRONG:
    case REGISTRY_FAKE_CHANGES: return send_good(fd, q, false);
    }
    return false;
}

/* ---- a request ---- */

static void remember(struct registry_fake *f, const struct http_head *h)
{
    arena_reset(&f->last);
    f->last_target =
        arena_printf(&f->last, "%s %.*s%s%.*s", http_method_name(h->method),
                     (int)h->path.n, (const char *)h->path.p, h->query.n > 0 ? "?" : "",
                     (int)h->query.n, h->query.n > 0 ? (const char *)h->query.p : "");
    f->last_fields = arena_array(&f->last, h->nfields + 1, sizeof *f->last_fields);
    f->n_last_fields = h->nfields;
    for (size_t i = 0; i < h->nfields; i++)
        f->last_fields[i] =
            (struct http_field){arena_copy(&f->last, h->fields[i].name),
                                arena_copy(&f->last, h->fields[i].value)};
}

static void take_mood(struct registry_fake *f, struct ask *q)
{
    q->mood = f->mood;
    if (f->times > 0 && --f->times == 0)
        f->mood = f->after;
}

static bool serve(struct registry_fake *f, int fd, const struct http_head *h,
                  struct span body)
{
    struct ask q = {.method = h->method,
                    .path = h->path,
                    .body = body,
                    .keep = h->keep_alive,
                    .answer = BUF_INIT(BODY_MOST)};

    pthread_mutex_lock(&f->lock);
    q.number = ++f->asked;
    remember(f, h);
    take_mood(f, &q);
    answer(f, &q);
    pthread_mutex_unlock(&f->lock);
    bool open = say(fd, &q) && q.keep;
    buf_free(&q.answer);
    return open;
}

/* Reads more; false at the end. */
static bool read_more(int fd, struct buf *in)
{
    uint8_t *room = buf_room(in, 16384);
    ssize_t n = room != NULL ? recv(fd, room, 16384, 0) : 0;

    if (n <= 0)
        return false;
    buf_added(in, (size_t)n);
    return true;
}

static bool read_body(int fd, const struct http_head *h, struct buf *rest,
                      struct buf *body)
{
    struct http_refusal no = {0};
    struct http_body state;
    struct span in, data;

    if (http_body_begin(&state, h, BODY_MOST, &no) == HTTP_REFUSED)
        return false;
    for (;;) {
        in = buf_span(rest);
        enum http_step step;
        while ((step = http_read_body(&state, &in, &data, &no)) == HTTP_DATA)
            buf_put(body, data);
        if (step == HTTP_REFUSED)
            return false;
        // what was taken is cut off the front
        struct buf left = BUF_INIT(rest->limit);
        buf_put(&left, in);
        buf_free(rest);
        *rest = left;
        if (step == HTTP_WHOLE)
            return true;
        if (!read_more(fd, rest))
            return false;
    }
}

/* One request from the front of `in`; what comes behind it stays there. */
static bool serve_next(struct registry_fake *f, int fd, struct buf *in)
{
    const struct http_head_limits lim = {HEAD_MOST, HEAD_MOST, FIELDS_MOST};
    struct http_field fields[FIELDS_MOST + 1];
    struct http_scan scan = {0};
    struct http_refusal no = {0};
    struct http_head head;
    struct buf rest = BUF_INIT(BODY_MOST), body = BUF_INIT(BODY_MOST);
    enum http_step step;

    while ((step = http_scan_head(&scan, buf_span(in), &lim, &no)) == HTTP_MORE)
        if (!read_more(fd, in))
            return false;
    if (step != HTTP_WHOLE ||
        http_read_head(&head, span_of(in->p + scan.start, scan.end - scan.start),
                       fields, &lim, &no) != HTTP_WHOLE)
        return false;
    buf_put(&rest, span_of(in->p + scan.end, in->n - scan.end));
    bool open =
        read_body(fd, &head, &rest, &body) && serve(f, fd, &head, buf_span(&body));
    buf_free(&body);
    buf_free(in);
    *in = rest;
    return open;
}

static void *serve_line(void *arg)
{
    struct line *l = arg;
    struct registry_fake *f = l->fake;
    struct buf in = BUF_INIT(HEAD_MOST + BODY_MOST);

    while (serve_next(f, l->fd, &in))
        ;
    buf_free(&in);
    pthread_mutex_lock(&f->lock);
    close(l->fd);
    l->fd = -1;
    l->over = true;
    pthread_mutex_unlock(&f->lock);
    return NULL;
}

/* ---- connections ---- */

/* Takes the lines out whose threads are done; all of them when `all`. */
static struct line *take_lines(struct registry_fake *f, bool all)
{
    struct line *taken = NULL;

    pthread_mutex_lock(&f->lock);
    for (struct line **at = &f->lines; *at != NULL;) {
        struct line *l = *at;
        if (!all && !l->over) {
            at = &l->next;
            continue;
        }
        if (l->fd >= 0)
            shutdown(l->fd, SHUT_RDWR);
        *at = l->next;
        l->next = taken;
        taken = l;
    }
    pthread_mutex_unlock(&f->lock);
    return taken;
}

static void join_lines(struct line *l)
{
    while (l != NULL) {
        struct line *next = l->next;
        pthread_join(l->thread, NULL);
        free(l);
        l = next;
    }
}

static void begin_line(struct registry_fake *f, int fd)
{
    struct line *l = mem_alloc(sizeof *l);

    l->fake = f;
    l->fd = fd;
    pthread_mutex_lock(&f->lock);
    if (f->stopping || pthread_create(&l->thread, NULL, serve_line, l) != 0) {
        close(fd);
        free(l);
    } else {
        l->next = f->lines;
        f->lines = l;
    }
    pthread_mutex_unlock(&f->lock);
}

static void *accept_all(void *arg)
{
    struct registry_fake *f = arg;
    int fd;

    while ((fd = accept4(f->fd, NULL, NULL, SOCK_CLOEXEC)) >= 0 || errno == EINTR ||
           errno == ECONNABORTED) {
        join_lines(take_lines(f, false));
        if (fd >= 0)
            begin_line(f, fd);
    }
    return NULL;
}

static int listen_anywhere(uint16_t *port)
{
    struct sockaddr_in at = {.sin_family = AF_INET,
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof at;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0)
        return -1;
    if (bind(fd, (struct sockaddr *)&at, sizeof at) != 0 || listen(fd, 128) != 0 ||
        getsockname(fd, (struct sockaddr *)&at, &n) != 0) {
        close(fd);
        return -1;
    }
    *port = ntohs(at.sin_port);
    return fd;
}

struct registry_fake *registry_fake_start(void)
{
    uint16_t port;
    int fd = listen_anywhere(&port);

    if (fd < 0)
        return NULL;
    struct registry_fake *f = mem_alloc(sizeof *f);
    f->fd = fd;
    snprintf(f->url, sizeof f->url, "http://127.0.0.1:%d", port);
    pthread_mutex_init(&f->lock, NULL);
    if ((errno = pthread_create(&f->accepting, NULL, accept_all, f)) != 0) {
        close(fd);
        pthread_mutex_destroy(&f->lock);
        free(f);
        return NULL;
    }
    return f;
}

void registry_fake_stop(struct registry_fake *f)
{
    if (f == NULL)
        return;
    pthread_mutex_lock(&f->lock);
    f->stopping = true;
    pthread_mutex_unlock(&f->lock);
    shutdown(f->fd, SHUT_RDWR); // wakes accept4()
    pthread_join(f->accepting, NULL);
    close(f->fd);
    join_lines(take_lines(f, true));
    table_free(&f->table);
    arena_free(&f->last);
    pthread_mutex_destroy(&f->lock);
    free(f);
}

/* ---- what the test says and asks ---- */

const char *registry_fake_url(const struct registry_fake *f)
{
    return f->url;
}

int32_t registry_fake_add(struct registry_fake *f, const char *subject,
                          const char *schema, const char *references)
{
    pthread_mutex_lock(&f->lock);
    int32_t id = table_add(
        &f->table, table_subject(&f->table, span_str(subject), true), span_str(schema),
        references != NULL ? span_str(references) : (struct span){0});
    pthread_mutex_unlock(&f->lock);
    return id;
}

bool registry_fake_guid(struct registry_fake *f, int32_t id, uint8_t guid[16])
{
    pthread_mutex_lock(&f->lock);
    bool known = table_guid(&f->table, id, guid);
    pthread_mutex_unlock(&f->lock);
    return known;
}

void registry_fake_refuse(struct registry_fake *f, const char *subject)
{
    pthread_mutex_lock(&f->lock);
    table_subject(&f->table, span_str(subject), true)->refuses = true;
    pthread_mutex_unlock(&f->lock);
}

void registry_fake_be(struct registry_fake *f, struct registry_fake_mood mood,
                      size_t times)
{
    pthread_mutex_lock(&f->lock);
    if (f->times == 0) // else the one before is still to come back
        f->after = f->mood;
    f->mood = mood;
    f->times = times;
    pthread_mutex_unlock(&f->lock);
}

/* The lock is no part of what is asked. */
static pthread_mutex_t *lock_of(const struct registry_fake *f)
{
    return &((struct registry_fake *)(uintptr_t)f)->lock;
}

size_t registry_fake_asked(const struct registry_fake *f)
{
    pthread_mutex_lock(lock_of(f));
    size_t n = f->asked;
    pthread_mutex_unlock(lock_of(f));
    return n;
}

static void copy_out(char *out, size_t n, struct span s)
{
    if (n > 0)
        snprintf(out, n, "%.*s", (int)s.n, s.n > 0 ? (const char *)s.p : "");
}

void registry_fake_last(const struct registry_fake *f, char *out, size_t n)
{
    pthread_mutex_lock(lock_of(f));
    copy_out(out, n, f->last_target);
    pthread_mutex_unlock(lock_of(f));
}

void registry_fake_last_header(const struct registry_fake *f, const char *name,
                               char *out, size_t n)
{
    pthread_mutex_lock(lock_of(f));
    copy_out(out, n, http_field_find(f->last_fields, f->n_last_fields, name));
    pthread_mutex_unlock(lock_of(f));
}
