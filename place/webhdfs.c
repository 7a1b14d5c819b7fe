/*
 * HDFS by WebHDFS (REST API of Hadoop 3; no JVM here).
 *
 *      write    CREATE overwrite=true, two steps; GETFILESTATUS: the length must agree
 * (a DataNode closes what was cut off as if it were whole) claim    _tmp/y written,
 * RENAME to the claim's name: "boolean": false = it exists finish   RENAME to the final
 * name; false = look who did it before us
 *
 * CREATE overwrite=false would be exclusive, too, but leaves an empty claim when we die
 * between its two steps.  A rename over a directory would go *into* it; so the name is
 * looked at afterwards.
 */
#include "place/place_inside.h"

#include "base/clock.h"
#include "base/json.h"
#include "http/url.h"
#include "place/answers.h"
#include "place/redirect.h"

#include <inttypes.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define NODES_MOST 8
#define LIST_MAX (16 << 20)

struct hdfs {
    struct place place;
    struct http_client *client;
    bool tls;
    char *nodes[NODES_MOST]; // "nn1:9870"
    size_t n_nodes, node;    // the one that answered last
    char *root;              // "/stage/weather" or ""
    char *who;               // "&user.name=etl" or "&delegation=..."
};

static struct hdfs *hdfs_of(struct place *p)
{
    return (struct hdfs *)p;
}

/* --- asking a NameNode ------------------------------------------------------------ */

static void put_path(const struct hdfs *h, struct buf *out, const char *name)
{
    if (h->root[0] != '\0')
        place_put_path(out, h->root); // begins with '/': its first part is empty
    if (name[0] != '\0') {
        buf_put_u8(out, '/');
        place_put_path(out, name);
    } else if (h->root[0] == '\0') {
        buf_put_u8(out, '/');
    }
}

/* `query` is "op=...", escaped where it must be. */
static void put_url(const struct hdfs *h, struct buf *out, const char *name,
                    const char *query)
{
    buf_printf(out, "http%s://%s/webhdfs/v1", h->tls ? "s" : "", h->nodes[h->node]);
    put_path(h, out, name);
    buf_printf(out, "?%s%s%c", query, h->who, 0);
}

static enum err_kind call_node(struct hdfs *h, enum http_method method,
                               const char *name, const char *query,
                               struct http_reply *out, struct err *e)
{
    struct buf url = BUF_INIT(16 << 10);
    struct http_call call = {.method = method,
                             .deadline_ms = place_deadline(&h->place, 0),
                             .cancel = &h->place.cancelled,
                             .body_max = LIST_MAX};
    char what[200];

    put_url(h, &url, name, query);
    enum err_kind rc = buf_status(&url, e);
    call.url = (const char *)url.p;
    if (rc == ERR_OK)
        rc = http_client_call(h->client, &call, out, e);
    buf_free(&url);
    TRY(rc);
    snprintf(what, sizeof what, "%.*s %.100s", (int)strcspn(query, "&"), query, name);
    bool moved = out->status == 307; // an old NameNode that knows no noredirect
    rc = moved ? ERR_OK : answer_of_webhdfs(out->status, out->body, what, e);
    if (rc != ERR_OK)
        http_reply_free(out);
    return rc;
}

/* One NameNode of several is active; the others say so, or nothing.  Each once. */
static enum err_kind ask(struct hdfs *h, enum http_method method, const char *name,
                         const char *query, struct http_reply *out, struct err *e)
{
    enum err_kind rc = ERR_UNAVAILABLE;

    for (size_t i = 0; i < h->n_nodes && rc == ERR_UNAVAILABLE; i++) {
        rc = call_node(h, method, name, query, out, e);
        if (rc == ERR_UNAVAILABLE && !atomic_load(&h->place.cancelled))
            h->node = (h->node + 1) % h->n_nodes;
    }
    return rc;
}

/* An answer that is no JSON was cut off, or is a stranger's: it may pass. */
static enum err_kind read_json(struct http_reply *reply, const char *name,
                               const struct json **root, struct err *e)
{
    struct err why = {0};

    if (json_read(root, reply->body, NULL, &reply->arena, &why) == ERR_OK)
        return ERR_OK;
    return err_set(e, ERR_UNAVAILABLE, "%.80s: an answer that is no JSON, %.100s", name,
                   why.msg);
}

/* {"boolean": true} */
static enum err_kind ask_bool(struct hdfs *h, enum http_method method, const char *name,
                              const char *query, bool *yes, struct err *e)
{
    struct http_reply reply = {0};
    const struct json *root;

    TRY(ask(h, method, name, query, &reply, e));
    enum err_kind rc = read_json(&reply, name, &root, e);
    const struct json *b = rc == ERR_OK ? json_member(root, "boolean") : NULL;
    if (json_is(b, JSON_TRUE) || json_is(b, JSON_FALSE))
        *yes = b->kind == JSON_TRUE;
    else if (rc == ERR_OK)
        rc = err_set(e, ERR_UNAVAILABLE, "%.100s: neither true nor false", name);
    http_reply_free(&reply);
    return rc;
}

/* --- the DataNode's step ---------------------------------------------------------- */

/* Where the NameNode sends us: {"Location": "http://dn1:9864/..."}, or the header. */
static enum err_kind read_location(struct hdfs *h, struct http_reply *reply, char **url,
                                   struct err *e)
{
    struct span to = http_reply_header(reply, "Location");
    const struct json *root;

    if (reply->status != 307 || to.n == 0) {
        TRY(read_json(reply, "redirect", &root, e));
        const struct json *j = json_member(root, "Location");
        to = json_is(j, JSON_STRING) ? j->text : (struct span){0};
    }
    if (to.n == 0)
        return err_set(e, ERR_UNAVAILABLE, "the NameNode names no DataNode");
    TRY(redirect_check(to, h->nodes[h->node], h->tls, &h->place.s.hdfs.redirects, e));
    *url = mem_str(to);
    return ERR_OK;
}

/* ERR_OK: *url is the caller's to free. */
static enum err_kind find_data(struct hdfs *h, enum http_method method,
                               const char *name, const char *query, char **url,
                               struct err *e)
{
    struct http_reply reply = {0};

    TRY(ask(h, method, name, query, &reply, e));
    enum err_kind rc = read_location(h, &reply, url, e);
    http_reply_free(&reply);
    return rc;
}

struct feed {
    const struct place_bytes *bytes;
    int64_t at;
    struct err why; // of a read that failed
};

static int64_t feed(void *arg, uint8_t *p, size_t n)
{
    struct feed *f = arg;
    int64_t left = f->bytes->n - f->at;
    size_t now = left < (int64_t)n ? (size_t)left : n;

    if (now > 0 && f->bytes->read(f->bytes->arg, f->at, p, now, &f->why) != ERR_OK)
        return -1;
    f->at += (int64_t)now;
    return (int64_t)now;
}

static enum err_kind put_data(struct hdfs *h, const char *url, const char *name,
                              const struct place_bytes *bytes, struct err *e)
{
    struct feed f = {.bytes = bytes};
    struct http_source source = {feed, &f, bytes->n};
    struct http_field type = {span_str("Content-Type"),
                              span_str("application/octet-stream")};
    struct http_call call = {.method = HTTP_PUT,
                             .url = url,
                             .fields = &type,
                             .nfields = 1,
                             .source = &source,
                             .stall_ms = place_stall(&h->place),
                             .cancel = &h->place.cancelled,
                             .deadline_ms = place_deadline(&h->place, bytes->n)};
    struct http_reply reply = {0};
    char what[200];

    enum err_kind rc = http_client_call(h->client, &call, &reply, e);
    if (rc != ERR_OK) {
        if (f.why.kind != ERR_OK)
            *e = f.why;
        return e->kind;
    }
    snprintf(what, sizeof what, "CREATE %.100s", name);
    rc = answer_of_webhdfs(reply.status, reply.body, what, e);
    http_reply_free(&reply);
    return rc;
}

/* --- looking ---------------------------------------------------------------------- */

static enum err_kind read_status(const struct json *s, struct place_entry *out,
                                 struct err *e)
{
    const struct json *type = json_member(s, "type");
    const struct json *length = json_member(s, "length");
    const struct json *time = json_member(s, "modificationTime");

    if (!json_is(type, JSON_STRING) || !json_is(length, JSON_NUMBER) ||
        !json_is(time, JSON_NUMBER))
        return err_set(e, ERR_UNAVAILABLE, "a FileStatus without type and length");
    TRY(json_int(&out->bytes, length, 0, INT64_MAX, e));
    TRY(json_int(&out->modified_ms, time, 0, INT64_MAX, e));
    out->dir = span_eq(type->text, span_str("DIRECTORY"));
    return ERR_OK;
}

static enum err_kind stat_(struct place *p, const char *name, struct place_entry *out,
                           struct err *e)
{
    struct http_reply reply = {0};
    const struct json *root;

    TRY(ask(hdfs_of(p), HTTP_GET, name, "op=GETFILESTATUS", &reply, e));
    enum err_kind rc = read_json(&reply, name, &root, e);
    if (rc == ERR_OK)
        rc = read_status(json_member(root, "FileStatus"), out, e);
    http_reply_free(&reply);
    return rc;
}

static enum err_kind read_page(const struct json *root, struct place_list *l,
                               struct buf *last, bool *more, struct err *e)
{
    const struct json *dir = json_member(root, "DirectoryListing");
    const struct json *part =
        json_member(json_member(dir, "partialListing"), "FileStatuses");
    const struct json *all = json_member(part, "FileStatus");
    const struct json *left = json_member(dir, "remainingEntries");

    if (!json_is(all, JSON_ARRAY) || !json_is(left, JSON_NUMBER))
        return err_set(e, ERR_UNAVAILABLE, "LISTSTATUS_BATCH without a listing");
    *more = !span_eq(left->text, span_str("0")) && all->n > 0;
    for (const struct json *j = all->first; j != NULL; j = j->next) {
        const struct json *name = json_member(j, "pathSuffix");
        struct place_entry one = {0};
        TRY(read_status(j, &one, e));
        if (!json_is(name, JSON_STRING) || name->text.n == 0)
            return err_set(e, ERR_NOT_FOUND, "a file, not a directory");
        buf_reset(last);
        buf_put(last, name->text);
        TRY(place_list_add(l, name->text, &one, e));
    }
    return ERR_OK;
}

static enum err_kind list_page(struct hdfs *h, const char *dir, struct place_list *l,
                               struct buf *last, bool *more, struct err *e)
{
    struct buf query = BUF_INIT(8192);
    struct http_reply reply = {0};
    const struct json *root;

    buf_put_str(&query, "op=LISTSTATUS_BATCH");
    if (last->n > 0) {
        buf_put_str(&query, "&startAfter=");
        url_put_escaped(&query, buf_span(last));
    }
    buf_put_u8(&query, 0);
    enum err_kind rc = ask(h, HTTP_GET, dir, (const char *)query.p, &reply, e);
    buf_free(&query);
    TRY(rc);
    rc = read_json(&reply, dir, &root, e);
    if (rc == ERR_OK)
        rc = read_page(root, l, last, more, e);
    http_reply_free(&reply);
    return rc;
}

static enum err_kind list(struct place *p, const char *dir, struct place_list *l,
                          struct err *e)
{
    struct buf last = BUF_INIT(4096);
    enum err_kind rc;
    bool more;

    if (l->after != NULL)
        buf_put_str(&last, l->after);
    do {
        more = false;
        rc = list_page(hdfs_of(p), dir, l, &last, &more, e);
    } while (rc == ERR_OK && more);
    buf_free(&last);
    return rc;
}

static enum err_kind get_data(struct hdfs *h, const char *url, const char *name,
                              size_t n, struct buf *out, struct err *e)
{
    struct http_call call = {.method = HTTP_GET,
                             .url = url,
                             .stall_ms = place_stall(&h->place),
                             .cancel = &h->place.cancelled,
                             .body_max = n + (64 << 10), // or an error of theirs
                             .deadline_ms = place_deadline(&h->place, (int64_t)n)};
    struct http_reply reply = {0};
    char what[200];

    TRY(http_client_call(h->client, &call, &reply, e));
    snprintf(what, sizeof what, "OPEN %.100s", name);
    enum err_kind rc = answer_of_webhdfs(reply.status, reply.body, what, e);
    if (rc == ERR_OK && reply.body.n > n)
        rc = err_set(e, ERR_UNAVAILABLE, "%s: more bytes than asked for", what);
    if (rc == ERR_OK)
        buf_put(out, reply.body);
    http_reply_free(&reply);
    return rc;
}

static enum err_kind read_(struct place *p, const char *name, int64_t at, size_t n,
                           struct buf *out, struct err *e)
{
    struct hdfs *h = hdfs_of(p);
    struct place_entry there;
    char query[120], *url = NULL;

    // a look first: behind the end, OPEN is an error like any other
    TRY(stat_(p, name, &there, e));
    if (at >= there.bytes || n == 0)
        return ERR_OK;
    if ((int64_t)n > there.bytes - at)
        n = (size_t)(there.bytes - at);
    snprintf(query, sizeof query,
             "op=OPEN&noredirect=true&offset=%" PRId64 "&length=%zu", at, n);
    TRY(find_data(h, HTTP_GET, name, query, &url, e));
    size_t before = out->n;
    enum err_kind rc = get_data(h, url, name, n, out, e);
    free(url);
    if (rc == ERR_OK && !out->over && out->n - before != n) {
        buf_cut(out, before);
        return err_set(e, ERR_UNAVAILABLE, "%.100s: cut off", name);
    }
    return rc;
}

/* --- writing, claiming, finishing ------------------------------------------------- */

static enum err_kind create(struct hdfs *h, const char *name,
                            const struct place_bytes *bytes, struct err *e)
{
    struct place_entry there;
    char *url = NULL;

    TRY(find_data(h, HTTP_PUT, name, "op=CREATE&overwrite=true&noredirect=true", &url,
                  e));
    enum err_kind rc = put_data(h, url, name, bytes, e);
    free(url);
    // It was ours alone and is written anew: whatever is in the way may pass.
    if (rc == ERR_CONFLICT || rc == ERR_NOT_FOUND)
        return e->kind = ERR_UNAVAILABLE;
    TRY(rc);
    rc = stat_(&h->place, name, &there, e);
    if (rc == ERR_OK && there.bytes != bytes->n)
        return err_set(e, ERR_UNAVAILABLE,
                       "%.100s has %" PRId64 " bytes on HDFS, sent were %" PRId64, name,
                       there.bytes, bytes->n);
    return rc == ERR_NOT_FOUND ? (e->kind = ERR_UNAVAILABLE) : rc;
}

static enum err_kind remove_(struct place *p, const char *name, struct err *e)
{
    bool gone;

    return ask_bool(hdfs_of(p), HTTP_DELETE, name, "op=DELETE&recursive=false", &gone,
                    e);
}

static enum err_kind write_(struct place *p, const char *tmp, const char *final,
                            const struct place_bytes *bytes, struct buf *ticket,
                            struct err *e)
{
    struct err ignored = {0};

    (void) final;
    enum err_kind rc = create(hdfs_of(p), tmp, bytes, e);
    if (rc == ERR_OK)
        buf_put_str(ticket, tmp);
    else if (rc != ERR_UNAVAILABLE)
        (void)!remove_(p, tmp, &ignored);
    return rc;
}

static enum err_kind make_parent(struct hdfs *h, const char *name, struct err *e)
{
    char dir[PLACE_NAME + 1];
    bool made;

    snprintf(dir, sizeof dir, "%s", name);
    char *slash = strrchr(dir, '/');
    if (slash != NULL)
        *slash = '\0';
    else
        dir[0] = '\0';
    return ask_bool(h, HTTP_PUT, dir, "op=MKDIRS", &made, e);
}

static enum err_kind rename_(struct hdfs *h, const char *from, const char *to,
                             bool *yes, struct err *e)
{
    struct buf query = BUF_INIT(16 << 10);

    buf_put_str(&query, "op=RENAME&destination=");
    put_path(h, &query, to);
    buf_put_u8(&query, 0);
    enum err_kind rc = buf_status(&query, e);
    if (rc == ERR_OK)
        rc = ask_bool(h, HTTP_PUT, from, (const char *)query.p, yes, e);
    buf_free(&query);
    return rc;
}

/* false says little: the target exists, the source does not, or a parent is missing. */
static enum err_kind move(struct hdfs *h, const char *from, const char *to, bool *yes,
                          struct err *e)
{
    struct place_entry there;

    TRY(rename_(h, from, to, yes, e));
    if (*yes)
        return ERR_OK;
    enum err_kind rc = stat_(&h->place, to, &there, e);
    if (rc != ERR_NOT_FOUND)
        return rc;
    TRY(make_parent(h, to, e));
    return rename_(h, from, to, yes, e);
}

static enum err_kind claim(struct place *p, const char *name, const char *tmp,
                           struct span body, struct err *e)
{
    struct hdfs *h = hdfs_of(p);
    struct place_bytes bytes = place_bytes_of(&body);
    struct err ignored = {0};
    bool mine = false;

    TRY(create(h, tmp, &bytes, e));
    TRY(move(h, tmp, name, &mine, e));
    if (mine)
        return ERR_OK;
    (void)!remove_(p, tmp, &ignored);
    return err_set(e, ERR_CONFLICT, "%.100s exists", name);
}

static enum err_kind finish(struct place *p, struct span ticket, const char *final,
                            int64_t n, struct err *e)
{
    struct hdfs *h = hdfs_of(p);
    char tmp[PLACE_NAME + 1];
    struct place_entry there;
    struct err ignored = {0};
    bool moved = false;

    TRY(place_ticket_name(tmp, ticket, e));
    enum err_kind rc = move(h, tmp, final, &moved, e);
    if (rc != ERR_OK && rc != ERR_NOT_FOUND)
        return rc;
    TRY(stat_(p, final, &there, e));
    TRY(place_same_length(final, there.dir ? -1 : there.bytes, n, e));
    if (!moved) // somebody finished before us, from this very file: it is gone
        (void)!remove_(p, tmp, &ignored);
    return ERR_OK;
}

static enum err_kind discard(struct place *p, struct span ticket, const char *final,
                             struct err *e)
{
    char tmp[PLACE_NAME + 1];

    (void) final;
    TRY(place_ticket_name(tmp, ticket, e));
    return remove_(p, tmp, e);
}

static enum err_kind pending(struct place *p, struct span ticket, const char *final,
                             int64_t *n, struct err *e)
{
    char tmp[PLACE_NAME + 1];
    struct place_entry there;

    (void) final;
    TRY(place_ticket_name(tmp, ticket, e));
    TRY(stat_(p, tmp, &there, e));
    *n = there.bytes;
    return ERR_OK;
}

/* The time by the NameNode. */
static enum err_kind ask_time(struct place *p, int64_t *ms, struct err *e)
{
    char name[PLACE_NAME], host[80] = "";
    struct span any = span_str("now");
    struct place_bytes bytes = place_bytes_of(&any);
    struct place_entry there;
    struct err ignored = {0};

    (void)gethostname(host, sizeof host - 1);
    snprintf(name, sizeof name, "_tmp/%s-%d-%" PRId64 ".now", host, (int)getpid(),
             clock_us());
    enum err_kind rc = create(hdfs_of(p), name, &bytes, e);
    if (rc == ERR_OK)
        rc = stat_(p, name, &there, e);
    (void)!remove_(p, name, &ignored);
    if (rc == ERR_OK)
        *ms = there.modified_ms;
    return rc;
}

static enum err_kind sweep(struct place *p, int64_t age_ms,
                           bool (*keep)(void *arg, struct span id), void *arg,
                           size_t *swept, struct err *e)
{
    struct arena a = {0};
    struct place_entry *all = NULL;
    int64_t now_ms = 0;
    size_t n = 0;

    enum err_kind rc = place_list(p, "_tmp", NULL, &a, &all, &n, e);
    if (rc == ERR_OK && n > 0)
        rc = ask_time(p, &now_ms, e);
    for (size_t i = 0; i < n && rc == ERR_OK; i++) {
        char id[PLACE_NAME];
        snprintf(id, sizeof id, "_tmp/%s", all[i].name);
        if (all[i].dir || all[i].modified_ms > now_ms - age_ms ||
            keep(arg, span_str(id)))
            continue;
        rc = remove_(p, id, e);
        *swept += rc == ERR_OK;
    }
    arena_free(&a);
    return rc;
}

/* --- opening ---------------------------------------------------------------------- */

static void close_(struct place *p)
{
    struct hdfs *h = hdfs_of(p);

    http_client_close(h->client);
    for (size_t i = 0; i < h->n_nodes; i++)
        free(h->nodes[i]);
    free(h->root);
    free(h->who);
    free(h);
}

static const struct place_ops ops = {
    .kind = "hdfs",
    .write = write_,
    .claim = claim,
    .finish = finish,
    .discard = discard,
    .pending = pending,
    .list = list,
    .read = read_,
    .stat = stat_,
    .remove = remove_,
    .sweep = sweep,
    .close = close_,
};

/* Without a name WebHDFS takes "dr.who". */
static char *make_who(const struct place_settings *s)
{
    struct buf b = BUF_INIT(8192);
    char name[256] = "";
    struct passwd pw, *found = NULL;

    if (s->hdfs.token != NULL) {
        buf_put_str(&b, "&delegation=");
        url_put_escaped(&b, span_str(s->hdfs.token));
    } else {
        if (s->hdfs.user == NULL &&
            (getpwuid_r(geteuid(), &pw, name, sizeof name, &found) != 0 ||
             found == NULL))
            snprintf(name, sizeof name, "%u", (unsigned)geteuid());
        buf_put_str(&b, "&user.name=");
        url_put_escaped(&b, span_str(s->hdfs.user != NULL ? s->hdfs.user
                                     : found != NULL      ? found->pw_name
                                                          : name));
    }
    char *text = mem_str(buf_span(&b));
    buf_free(&b);
    return text;
}

static enum err_kind read_nodes(struct hdfs *h, struct span nodes, struct err *e)
{
    while (nodes.n > 0) {
        const uint8_t *comma = memchr(nodes.p, ',', nodes.n);
        size_t n = comma == NULL ? nodes.n : (size_t)(comma - nodes.p);
        char url[300];
        struct url u;
        if (h->n_nodes == NODES_MOST)
            return err_set(e, ERR_INVALID, "more than %d NameNodes", NODES_MOST);
        snprintf(url, sizeof url, "http://%.*s", (int)(n < 250 ? n : 250),
                 (const char *)nodes.p);
        TRY(url_split(&u, span_str(url), e));
        if (memchr(nodes.p, ':', n) == NULL || u.user.n > 0)
            return err_set(e, ERR_INVALID, "NameNode \"%.*s\", wanted HOST:PORT",
                           (int)(n < 80 ? n : 80), (const char *)nodes.p);
        h->nodes[h->n_nodes++] = mem_str(span_of(nodes.p, n));
        nodes = span_skip(nodes, n + (comma != NULL));
    }
    if (h->n_nodes == 0)
        return err_set(e, ERR_INVALID, "no NameNode, wanted webhdfs://HOST:PORT/DIR");
    return ERR_OK;
}

/* "nn1:9870,webhdfs://nn2:9870" is how people write several, too. */
static char *without_schemes(struct span nodes)
{
    struct buf b = BUF_INIT(4096);

    while (nodes.n > 0) {
        const uint8_t *comma = memchr(nodes.p, ',', nodes.n);
        struct span one =
            span_of(nodes.p, comma == NULL ? nodes.n : (size_t)(comma - nodes.p));
        nodes = span_skip(nodes, one.n + 1);
        const uint8_t *scheme = memmem(one.p, one.n, "://", 3);
        if (scheme != NULL)
            one = span_skip(one, (size_t)(scheme - one.p) + 3);
        buf_printf(&b, "%s", b.n > 0 ? "," : "");
        buf_put(&b, one);
    }
    char *text = mem_str(buf_span(&b));
    buf_free(&b);
    return text;
}

/* Behind the last NameNode's ':' the path begins. */
static size_t nodes_length(struct span rest)
{
    size_t n = 0;

    for (;; n++) {
        if (n == rest.n)
            return n;
        if (rest.p[n] != '/')
            continue;
        if (n > 0 && rest.p[n - 1] == ':' && n + 1 < rest.n && rest.p[n + 1] == '/')
            n++; // of "webhdfs://"
        else
            return n;
    }
}

static enum err_kind fill(struct hdfs *h, const struct place_settings *s,
                          struct span rest, struct err *e)
{
    struct http_client_settings hs = {.ca_file = s->ca_file};
    size_t n = nodes_length(rest);
    struct span root = span_skip(rest, n);
    char *nodes = without_schemes(span_of(rest.p, n));

    while (root.n > 0 && root.p[root.n - 1] == '/')
        root.n--;
    h->root = mem_str(root);
    h->who = make_who(s);
    enum err_kind rc = read_nodes(h, span_str(nodes), e);
    free(nodes);
    TRY(rc);
    if (root.n > 0)
        TRY(place_check_name(h->root + 1, e));
    return http_client_open(&h->client, &hs, e);
}

enum err_kind place_webhdfs_open(struct place **out, const struct place_settings *s,
                                 struct span rest, bool tls, struct err *e)
{
    struct hdfs *h = mem_alloc(sizeof *h);

    h->place.ops = &ops;
    h->tls = tls;
    if (fill(h, s, rest, e) != ERR_OK) {
        close_(&h->place);
        return e->kind;
    }
    *out = &h->place;
    return ERR_OK;
}
