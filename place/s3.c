/*
 * Amazon S3 and what speaks like it.
 *
 *      write    CreateMultipartUpload, UploadPart ...: invisible; the ticket is
 *               {"upload": id, "parts": [etag, ...]}
 *      claim    PUT with If-None-Match: *; 412 = it exists, 409 = two at once, ask
 * again finish   CompleteMultipartUpload; NoSuchUpload = look whether the object is
 * there
 *
 * Every body's SHA-256 is in its signed head, so a part that was cut or hurt on the way
 * is refused by the server.  What libcurl's SigV4 wants of us: x-amz-content-sha256
 * set, the query sorted and with '=' after every name, keys escaped but for '/'.
 */
#include "place/place_inside.h"

#include "base/bytes.h"
#include "base/clock.h"
#include "base/json.h"
#include "http/url.h"
#include "place/answers.h"
#include "place/xml.h"

#include <inttypes.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define PART (8 << 20)
#define PART_LEAST (5 << 20) // S3's own, of all but the last
#define PARTS_MOST 10000     // S3's own
#define TRIES 3              // of one part
#define LIST_MAX (32 << 20)
#define APART_MS 300000 // S3 believes no signature a quarter of an hour old

struct s3 {
    struct place place;
    struct http_client *client;
    char *base;   // "http://127.0.0.1:7070/bucket" or "https://bucket.s3.region..."
    char *prefix; // "" or "a/b/"
    char scope[80];
    struct http_sigv4 sign;
};

struct request {
    enum http_method method;
    const char *key;   // below the prefix; NULL = the bucket
    const char *query; // sorted, or NULL
    struct span body;
    const char *extra, *extra_value; // one more field, or NULL
    size_t body_max;
};

static struct s3 *s3_of(struct place *p)
{
    return (struct s3 *)p;
}

static void put_sha256(char out[65], struct span body)
{
    uint8_t md[32];
    unsigned n = sizeof md;

    if (EVP_Digest(body.p, body.n, md, &n, EVP_sha256(), NULL) != 1)
        abort(); // no SHA-256 in libcrypto
    bytes_hex(out, span_of(md, sizeof md));
}

static void put_url(const struct s3 *s, const struct request *r, struct buf *url)
{
    buf_put_str(url, s->base);
    buf_put_u8(url, '/');
    if (r->key != NULL) {
        struct buf key = BUF_INIT(4096);
        buf_printf(&key, "%s%s%c", s->prefix, r->key, 0);
        place_put_path(url, (const char *)key.p);
        buf_free(&key);
    }
    if (r->query != NULL)
        buf_printf(url, "?%s", r->query);
    buf_put_u8(url, 0);
}

static enum err_kind send(struct s3 *s, const struct request *r, const char *url,
                          struct http_reply *out, struct err *e)
{
    struct http_field fields[4];
    size_t n = 0;
    char hash[65];

    put_sha256(hash, r->body);
    fields[n++] = (struct http_field){span_str("x-amz-content-sha256"), span_str(hash)};
    if (s->place.s.s3.session_token != NULL)
        fields[n++] = (struct http_field){span_str("x-amz-security-token"),
                                          span_str(s->place.s.s3.session_token)};
    if (r->extra != NULL)
        fields[n++] = (struct http_field){span_str(r->extra), span_str(r->extra_value)};
    struct http_call call = {.method = r->method,
                             .url = url,
                             .fields = fields,
                             .nfields = n,
                             .body = r->body,
                             .sign = &s->sign,
                             .stall_ms = place_stall(&s->place),
                             .cancel = &s->place.cancelled,
                             .body_max = r->body_max,
                             .deadline_ms =
                                 place_deadline(&s->place, (int64_t)r->body.n)};
    return http_client_call(s->client, &call, out, e);
}

/* ERR_OK with a reply to be freed only when the server did it. */
/* An answer to HEAD has no body to say why: a signature from another time is refused as
 * one that is wrong, but only time mends it. */
static bool is_apart(const struct request *r, const struct http_reply *reply)
{
    int64_t theirs = answer_time(http_reply_header(reply, "Date"));
    int64_t by = wall_ms() - theirs;

    return r->method == HTTP_HEAD && reply->status == 403 && theirs >= 0 &&
           (by < -APART_MS || by > APART_MS);
}

static enum err_kind ask(struct s3 *s, const struct request *r, struct http_reply *out,
                         struct err *e)
{
    struct buf url = BUF_INIT(16 << 10);
    char what[120];

    put_url(s, r, &url);
    enum err_kind rc = buf_status(&url, e);
    if (rc == ERR_OK)
        rc = send(s, r, (const char *)url.p, out, e);
    buf_free(&url);
    TRY(rc);
    snprintf(what, sizeof what, "S3 %s %.100s", http_method_name(r->method),
             r->key != NULL ? r->key : "");
    rc = answer_of_s3(out->status,
                      r->method == HTTP_GET && r->key != NULL && out->status < 300
                          ? (struct span){0} // a file, which may say <Error>
                          : out->body,
                      what, e);
    if (is_apart(r, out))
        rc = err_set(e, ERR_UNAVAILABLE, "%s: 403, and S3's clock and ours are apart",
                     what);
    if (rc != ERR_OK)
        http_reply_free(out);
    return rc;
}

/* The same where nothing of the answer is wanted. */
static enum err_kind tell(struct s3 *s, const struct request *r, struct err *e)
{
    struct http_reply reply = {0};

    TRY(ask(s, r, &reply, e));
    http_reply_free(&reply);
    return ERR_OK;
}

/* --- writing ---------------------------------------------------------------------- */

static enum err_kind begin_upload(struct s3 *s, const char *final, struct buf *id,
                                  struct err *e)
{
    struct request r = {.method = HTTP_POST, .key = final, .query = "uploads="};
    struct http_reply reply = {0};

    TRY(ask(s, &r, &reply, e));
    bool got = xml_text(reply.body, "UploadId", id) && id->n > 0 && !id->over;
    http_reply_free(&reply);
    if (!got)
        return err_set(e, ERR_UNAVAILABLE, "S3 %.80s: an upload without an id", final);
    return ERR_OK;
}

static enum err_kind send_part(struct s3 *s, const struct request *r, struct buf *etag,
                               struct err *e)
{
    struct http_reply reply = {0};

    TRY(ask(s, r, &reply, e));
    struct span tag = http_reply_header(&reply, "ETag");
    bool got = tag.n > 0 && tag.n < 200;
    if (got)
        json_put_string(etag, tag);
    http_reply_free(&reply);
    if (!got)
        return err_set(e, ERR_UNAVAILABLE, "S3 %.80s: a part without an ETag", r->key);
    return ERR_OK;
}

static void pause_for(int tries)
{
    struct timespec t = {0, 100000000L << (tries < 3 ? tries : 3)};

    nanosleep(&t, NULL);
}

static enum err_kind upload_part(struct s3 *s, const char *final, struct span id,
                                 int number, struct span body, struct buf *etag,
                                 struct err *e)
{
    struct buf query = BUF_INIT(4096);
    struct request r = {.method = HTTP_PUT, .key = final, .body = body};
    enum err_kind rc = ERR_UNAVAILABLE;

    buf_printf(&query, "partNumber=%d&uploadId=", number);
    url_put_escaped(&query, id);
    buf_put_u8(&query, 0);
    r.query = (const char *)query.p;
    for (int i = 0; i < TRIES && rc == ERR_UNAVAILABLE &&
                    (i == 0 || !atomic_load(&s->place.cancelled));
         i++) {
        if (i > 0)
            pause_for(i - 1);
        rc = send_part(s, &r, etag, e);
    }
    buf_free(&query);
    return rc == ERR_NOT_FOUND // swept away under us: the whole file again
               ? err_set(e, ERR_UNAVAILABLE, "S3 %.80s: the upload is gone", final)
               : rc;
}

static size_t part_size(const struct s3 *s, int64_t n)
{
    int64_t wanted = s->place.s.s3.part > 0 ? s->place.s.s3.part : PART;
    int64_t least = n / (PARTS_MOST - 1) + 1;

    if (wanted < PART_LEAST)
        wanted = PART_LEAST;
    return (size_t)(wanted > least ? wanted : least);
}

static enum err_kind upload_all(struct s3 *s, const char *final, struct span id,
                                const struct place_bytes *bytes, struct buf *ticket,
                                struct err *e)
{
    size_t size = part_size(s, bytes->n);
    uint8_t *part = mem_array(bytes->n < (int64_t)size ? (size_t)bytes->n : size, 1);
    enum err_kind rc = ERR_OK;
    int number = 0;

    for (int64_t at = 0; at < bytes->n && rc == ERR_OK;) {
        size_t n = bytes->n - at < (int64_t)size ? (size_t)(bytes->n - at) : size;
        rc = bytes->read(bytes->arg, at, part, n, e);
        if (rc == ERR_OK && number > 0)
            buf_put_u8(ticket, ',');
        if (rc == ERR_OK)
            rc = upload_part(s, final, id, ++number, span_of(part, n), ticket, e);
        at += (int64_t)n;
    }
    free(part);
    return rc;
}

static enum err_kind abort_upload(struct s3 *s, const char *final, struct span id,
                                  struct err *e)
{
    struct buf query = BUF_INIT(4096);
    struct request r = {.method = HTTP_DELETE, .key = final};

    buf_put_str(&query, "uploadId=");
    url_put_escaped(&query, id);
    buf_put_u8(&query, 0);
    r.query = (const char *)query.p;
    enum err_kind rc = tell(s, &r, e);
    buf_free(&query);
    return rc;
}

static enum err_kind write_(struct place *p, const char *tmp, const char *final,
                            const struct place_bytes *bytes, struct buf *ticket,
                            struct err *e)
{
    struct s3 *s = s3_of(p);
    struct buf id = BUF_INIT(1024);
    struct err ignored = {0};

    (void)tmp; // an upload is private by itself
    enum err_kind rc = begin_upload(s, final, &id, e);
    if (rc == ERR_OK) {
        buf_put_str(ticket, "{\"upload\":");
        json_put_string(ticket, buf_span(&id));
        buf_put_str(ticket, ",\"parts\":[");
        rc = upload_all(s, final, buf_span(&id), bytes, ticket, e);
        buf_put_str(ticket, "]}");
        if (rc != ERR_OK)
            (void)!abort_upload(s, final, buf_span(&id), &ignored);
    }
    buf_free(&id);
    return rc;
}

static enum err_kind claim(struct place *p, const char *name, const char *tmp,
                           struct span body, struct err *e)
{
    struct request r = {.method = HTTP_PUT,
                        .key = name,
                        .body = body,
                        .extra = "If-None-Match",
                        .extra_value = "*"};

    (void)tmp;
    enum err_kind rc = tell(s3_of(p), &r, e);
    return rc == ERR_NOT_FOUND ? err_set(e, ERR_UNAVAILABLE, "S3 %.80s: 404", name)
                               : rc;
}

/* --- finishing -------------------------------------------------------------------- */

static enum err_kind read_ticket(struct span ticket, struct arena *a,
                                 const struct json **upload, const struct json **parts,
                                 struct err *e)
{
    const struct json *root;

    TRY(json_read(&root, ticket, NULL, a, e));
    *upload = json_member(root, "upload");
    *parts = json_member(root, "parts");
    if (!json_is(*upload, JSON_STRING) || !json_is(*parts, JSON_ARRAY))
        return err_set(e, ERR_INTERNAL, "\"" SPAN_FMT "\" is no upload",
                       SPAN_ARG(ticket));
    return ERR_OK;
}

static void put_parts(struct buf *out, const struct json *parts)
{
    int number = 0;

    buf_put_str(out, "<CompleteMultipartUpload>");
    for (const struct json *j = parts->first; j != NULL; j = j->next) {
        buf_printf(out, "<Part><PartNumber>%d</PartNumber><ETag>", ++number);
        xml_put(out, j->text);
        buf_put_str(out, "</ETag></Part>");
    }
    buf_put_str(out, "</CompleteMultipartUpload>");
}

static enum err_kind complete(struct s3 *s, const char *final, struct span id,
                              const struct json *parts, struct err *e)
{
    struct buf body = BUF_INIT(4 << 20), query = BUF_INIT(4096);

    put_parts(&body, parts);
    buf_put_str(&query, "uploadId=");
    url_put_escaped(&query, id);
    buf_put_u8(&query, 0);
    struct request r = {.method = HTTP_POST,
                        .key = final,
                        .query = (const char *)query.p,
                        .body = buf_span(&body)};
    enum err_kind rc = tell(s, &r, e);
    buf_free(&body);
    buf_free(&query);
    return rc;
}

static enum err_kind stat_(struct place *p, const char *name, struct place_entry *out,
                           struct err *e)
{
    struct request r = {.method = HTTP_HEAD, .key = name};
    struct http_reply reply = {0};

    TRY(ask(s3_of(p), &r, &reply, e));
    struct span length = http_reply_header(&reply, "Content-Length");
    char digits[24] = "";
    snprintf(digits, sizeof digits, "%.*s", (int)(length.n < 20 ? length.n : 20),
             length.n > 0 ? (const char *)length.p : "");
    out->bytes = strtoll(digits, NULL, 10);
    out->modified_ms = answer_time(http_reply_header(&reply, "Last-Modified"));
    out->dir = false;
    http_reply_free(&reply);
    return ERR_OK;
}

/* Whatever completing said, the object decides: a zombie may have come before us, and
 * an answer may have been lost. */
static enum err_kind finish(struct place *p, struct span ticket, const char *final,
                            int64_t n, struct err *e)
{
    struct s3 *s = s3_of(p);
    struct arena a = {0};
    const struct json *upload, *parts;
    struct place_entry there;
    struct err look = {0};

    enum err_kind rc = read_ticket(ticket, &a, &upload, &parts, e);
    if (rc == ERR_OK)
        rc = complete(s, final, upload->text, parts, e);
    arena_free(&a);
    if (rc != ERR_OK && rc != ERR_NOT_FOUND)
        return rc;
    enum err_kind found = stat_(p, final, &there, &look);
    if (found == ERR_OK)
        return place_same_length(final, there.bytes, n, e);
    if (rc == ERR_OK || found != ERR_NOT_FOUND) {
        *e = look;
        return found == ERR_NOT_FOUND ? ERR_UNAVAILABLE : found;
    }
    return err_set(e, ERR_NOT_FOUND,
                   "%.100s: neither the upload nor the object is there", final);
}

static enum err_kind discard(struct place *p, struct span ticket, const char *final,
                             struct err *e)
{
    struct arena a = {0};
    const struct json *upload, *parts;

    enum err_kind rc = read_ticket(ticket, &a, &upload, &parts, e);
    if (rc == ERR_OK)
        rc = abort_upload(s3_of(p), final, upload->text, e);
    arena_free(&a);
    return rc;
}

/* Its parts have pages of their own, so their sum is not asked for. */
static enum err_kind list_parts(struct s3 *s, const char *final, struct span id,
                                struct err *e)
{
    struct buf query = BUF_INIT(4096);
    struct request r = {.method = HTTP_GET, .key = final, .body_max = LIST_MAX};
    struct http_reply reply = {0};

    buf_put_str(&query, "max-parts=1&uploadId=");
    url_put_escaped(&query, id);
    buf_put_u8(&query, 0);
    r.query = (const char *)query.p;
    enum err_kind rc = ask(s, &r, &reply, e);
    if (rc == ERR_OK)
        http_reply_free(&reply);
    buf_free(&query);
    return rc;
}

static enum err_kind pending(struct place *p, struct span ticket, const char *final,
                             int64_t *n, struct err *e)
{
    struct arena a = {0};
    const struct json *upload, *parts;

    enum err_kind rc = read_ticket(ticket, &a, &upload, &parts, e);
    if (rc == ERR_OK)
        rc = list_parts(s3_of(p), final, upload->text, e);
    arena_free(&a);
    if (rc == ERR_OK)
        *n = -1;
    return rc;
}

/* --- looking ---------------------------------------------------------------------- */

static enum err_kind read_(struct place *p, const char *name, int64_t at, size_t n,
                           struct buf *out, struct err *e)
{
    char range[80];
    struct request r = {.method = HTTP_GET,
                        .key = name,
                        .extra = "Range",
                        .extra_value = range,
                        .body_max = n + (64 << 10)}; // or an error of theirs
    struct http_reply reply = {0};

    if (n == 0)
        return ERR_OK;
    snprintf(range, sizeof range, "bytes=%" PRId64 "-%" PRId64, at,
             at + (int64_t)n - 1);
    enum err_kind rc = ask(s3_of(p), &r, &reply, e);
    if (rc == ERR_NOT_FOUND) { // or behind its end
        struct place_entry there;
        struct err ignored = {0};
        return stat_(p, name, &there, &ignored) == ERR_OK ? ERR_OK : rc;
    }
    TRY(rc);
    if (reply.body.n > n) // a server without ranges
        rc = err_set(e, ERR_UNAVAILABLE, "S3 GET %.80s: more bytes than asked for",
                     name);
    else
        buf_put(out, reply.body);
    http_reply_free(&reply);
    return rc;
}

static enum err_kind remove_(struct place *p, const char *name, struct err *e)
{
    struct request r = {.method = HTTP_DELETE, .key = name};

    return tell(s3_of(p), &r, e);
}

/* The last part of a key, without what it is below; {0} when it is not. */
static struct span last_part(struct span key, struct span below)
{
    if (key.n <= below.n || memcmp(key.p, below.p, below.n) != 0)
        return (struct span){0};
    key = span_skip(key, below.n);
    if (key.p[key.n - 1] == '/')
        key.n--;
    return key;
}

static enum err_kind add_entry(struct place_list *l, struct span element,
                               struct span below, bool dir, struct err *e)
{
    struct buf key = BUF_INIT(8192), time = BUF_INIT(100);
    struct place_entry one = {.dir = dir, .bytes = xml_number(element, "Size")};
    enum err_kind rc = ERR_OK;

    (void)xml_text(element, dir ? "Prefix" : "Key", &key);
    (void)xml_text(element, "LastModified", &time);
    one.modified_ms = answer_time(buf_span(&time));
    if (dir || one.bytes < 0)
        one.bytes = 0;
    struct span name = last_part(buf_span(&key), below);
    bool marker = !dir && key.n > 0 && key.p[key.n - 1] == '/';
    if (name.n > 0 && !marker)
        rc = place_list_add(l, name, &one, e);
    buf_free(&key);
    buf_free(&time);
    return rc;
}

static enum err_kind read_page(struct place_list *l, struct span page,
                               struct span below, struct buf *token, struct err *e)
{
    struct span rest = page, one;

    while (xml_next(&rest, "Contents", &one))
        TRY(add_entry(l, one, below, false, e));
    for (rest = page; xml_next(&rest, "CommonPrefixes", &one);)
        TRY(add_entry(l, one, below, true, e));
    rest = page;
    bool more = xml_next(&rest, "IsTruncated", &one) && span_eq(one, span_str("true"));
    buf_reset(token);
    if (more && (!xml_text(page, "NextContinuationToken", token) || token->n == 0))
        return err_set(e, ERR_UNAVAILABLE, "S3: a list that goes on nowhere");
    rest = page;
    if (!xml_next(&rest, "ListBucketResult", &one))
        return err_set(e, ERR_UNAVAILABLE, "S3: a list that was cut off");
    return ERR_OK;
}

static enum err_kind list_page(struct s3 *s, struct place_list *l, struct span below,
                               struct buf *token, struct err *e)
{
    struct buf query = BUF_INIT(16 << 10);
    struct request r = {.method = HTTP_GET, .body_max = LIST_MAX};
    struct http_reply reply = {0};

    if (token->n > 0) {
        buf_put_str(&query, "continuation-token=");
        url_put_escaped(&query, buf_span(token));
        buf_put_u8(&query, '&');
    }
    buf_put_str(&query, "delimiter=%2F&list-type=2&prefix=");
    url_put_escaped(&query, below);
    if (l->after != NULL && token->n == 0) {
        struct buf after = BUF_INIT(4096);
        buf_put(&after, below);
        buf_put_str(&after, l->after);
        buf_put_str(&query, "&start-after=");
        url_put_escaped(&query, buf_span(&after));
        buf_free(&after);
    }
    buf_put_u8(&query, 0);
    r.query = (const char *)query.p;
    enum err_kind rc = ask(s, &r, &reply, e);
    if (rc == ERR_OK)
        rc = read_page(l, reply.body, below, token, e);
    http_reply_free(&reply);
    buf_free(&query);
    return rc;
}

static enum err_kind list(struct place *p, const char *dir, struct place_list *l,
                          struct err *e)
{
    struct s3 *s = s3_of(p);
    struct buf below = BUF_INIT(4096), token = BUF_INIT(8192);
    enum err_kind rc;

    buf_printf(&below, "%s%s%s", s->prefix, dir, dir[0] == '\0' ? "" : "/");
    do {
        rc = list_page(s, l, buf_span(&below), &token, e);
    } while (rc == ERR_OK && token.n > 0);
    buf_free(&below);
    buf_free(&token);
    return rc;
}

/* --- sweeping --------------------------------------------------------------------- */

struct sweep {
    int64_t before_ms;
    bool (*keep)(void *arg, struct span id);
    void *arg;
    size_t *swept;
};

static enum err_kind sweep_one(struct s3 *s, struct span upload, const struct sweep *w,
                               struct err *e)
{
    struct buf key = BUF_INIT(4096), id = BUF_INIT(1024), time = BUF_INIT(100);
    enum err_kind rc = ERR_OK;
    size_t below = strlen(s->prefix);

    bool whole = xml_text(upload, "Key", &key) && xml_text(upload, "UploadId", &id);
    (void)xml_text(upload, "Initiated", &time);
    buf_put_u8(&key, 0);
    int64_t begun = answer_time(buf_span(&time));
    if (whole && begun >= 0 && begun < w->before_ms && key.n > below + 1 &&
        memcmp(key.p, s->prefix, below) == 0 && !w->keep(w->arg, buf_span(&id))) {
        rc = abort_upload(s, (const char *)key.p + below, buf_span(&id), e);
        *w->swept += rc == ERR_OK;
    }
    buf_free(&key);
    buf_free(&id);
    buf_free(&time);
    return rc == ERR_NOT_FOUND ? ERR_OK : rc;
}

/* One page is enough: what is beyond a thousand uploads is for the next time. */
static enum err_kind sweep(struct place *p, int64_t age_ms,
                           bool (*keep)(void *arg, struct span id), void *arg,
                           size_t *swept, struct err *e)
{
    struct s3 *s = s3_of(p);
    struct sweep w = {0, keep, arg, swept};
    struct buf query = BUF_INIT(4096);
    struct http_reply reply = {0};
    struct span rest, one;

    buf_put_str(&query, "prefix=");
    url_put_escaped(&query, span_str(s->prefix));
    buf_put_str(&query, "&uploads=");
    buf_put_u8(&query, 0);
    struct request r = {
        .method = HTTP_GET, .query = (const char *)query.p, .body_max = LIST_MAX};
    enum err_kind rc = ask(s, &r, &reply, e);
    buf_free(&query);
    TRY(rc);
    // RFC 9110, 6.6.1: a server with a clock says what time it is
    int64_t now_ms = answer_time(http_reply_header(&reply, "Date"));
    w.before_ms = now_ms - age_ms;
    for (rest = reply.body;
         rc == ERR_OK && now_ms >= 0 && xml_next(&rest, "Upload", &one);)
        rc = sweep_one(s, one, &w, e);
    http_reply_free(&reply);
    return rc;
}

/* --- opening ---------------------------------------------------------------------- */

static void close_(struct place *p)
{
    struct s3 *s = s3_of(p);

    http_client_close(s->client);
    free(s->base);
    free(s->prefix);
    free(s);
}

static const struct place_ops ops = {
    .kind = "s3",
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

static bool is_bucket(struct span b)
{
    if (b.n < 3 || b.n > 63)
        return false;
    for (size_t i = 0; i < b.n; i++)
        if (!((b.p[i] >= 'a' && b.p[i] <= 'z') || (b.p[i] >= '0' && b.p[i] <= '9') ||
              b.p[i] == '-' || b.p[i] == '.' || b.p[i] == '_'))
            return false;
    return true;
}

static char *make_base(const struct place_settings *s, const char *region,
                       struct span bucket)
{
    struct buf b = BUF_INIT(4096);
    const char *endpoint = s->s3.endpoint;

    if (endpoint == NULL)
        buf_printf(&b, "https://" SPAN_FMT ".s3.%s.amazonaws.com", SPAN_ARG(bucket),
                   region);
    else
        buf_printf(
            &b, "%.*s/" SPAN_FMT,
            (int)(strlen(endpoint) - (endpoint[strlen(endpoint) - 1] == '/' ? 1 : 0)),
            endpoint, SPAN_ARG(bucket));
    char *text = mem_str(buf_span(&b));
    buf_free(&b);
    return text;
}

static char *make_prefix(struct span rest)
{
    struct buf b = BUF_INIT(4096);

    while (rest.n > 0 && rest.p[rest.n - 1] == '/')
        rest.n--;
    buf_put(&b, rest);
    if (rest.n > 0)
        buf_put_u8(&b, '/');
    char *text = mem_str(buf_span(&b));
    buf_free(&b);
    return text;
}

static enum err_kind check_settings(const struct place_settings *s, struct span bucket,
                                    struct err *e)
{
    struct url u;

    if (!is_bucket(bucket))
        return err_set(e, ERR_INVALID, "place \"%.80s\", wanted s3://BUCKET/PREFIX",
                       s->url);
    if (s->s3.access_key == NULL || s->s3.secret_key == NULL)
        return err_set(e, ERR_INVALID,
                       "S3 needs an access key and a secret key: "
                       "s3.access_key and s3.secret_key");
    if (s->s3.endpoint != NULL)
        TRY(url_split(&u, span_str(s->s3.endpoint), e));
    return ERR_OK;
}

enum err_kind place_s3_open(struct place **out, const struct place_settings *s,
                            struct span rest, struct err *e)
{
    const uint8_t *slash = rest.n == 0 ? NULL : memchr(rest.p, '/', rest.n);
    struct span bucket =
        span_of(rest.p, slash == NULL ? rest.n : (size_t)(slash - rest.p));
    const char *region = s->s3.region != NULL ? s->s3.region : "us-east-1";
    struct http_client_settings hs = {.ca_file = s->ca_file};
    struct http_client *client;

    TRY(check_settings(s, bucket, e));
    TRY(http_client_open(&client, &hs, e));
    struct s3 *p = mem_alloc(sizeof *p);
    p->place.ops = &ops;
    p->client = client;
    p->base = make_base(s, region, bucket);
    p->prefix = make_prefix(span_skip(rest, bucket.n + 1));
    snprintf(p->scope, sizeof p->scope, "aws:amz:%.40s:s3", region);
    p->sign = (struct http_sigv4){p->scope, s->s3.access_key, s->s3.secret_key};
    *out = &p->place;
    return ERR_OK;
}
