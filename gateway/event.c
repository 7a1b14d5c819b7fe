#include "gateway/event.h"

#include "base/base64.h"
#include "base/utf8.h"
#include "gateway/when.h"

#include <stdio.h>

#define NAMES_MOST 100
#define CONTENT_TYPE "application/avro"

static bool is_name(struct span s)
{
    for (size_t i = 0; i < s.n; i++)
        if (!((s.p[i] >= 'a' && s.p[i] <= 'z') || (s.p[i] >= '0' && s.p[i] <= '9')))
            return false;
    return s.n > 0;
}

static bool is(struct span name, const char *text)
{
    return span_eq(name, span_str(text));
}

static const char *header_name(struct arena *a, struct span name)
{
    return (const char *)arena_join(a, span_str("ce_"), "", name).p;
}

/* application/json, text/json, anything+json; parameters do not count. */
static bool is_json_type(struct span type)
{
    size_t n = 0;

    while (n < type.n && type.p[n] != ';' && type.p[n] != ' ')
        n++;
    type.n = n;
    return http_same(type, span_str("application/json")) ||
           http_same(type, span_str("text/json")) ||
           (n > 5 && http_same(span_of(type.p + n - 5, 5), span_str("+json")));
}

/* What an attribute must be, beyond being text. */
static enum err_kind check(struct event *ev, struct span name, struct span value,
                           struct err *e)
{
    if (value.n == 0 && !is(name, "partitionkey"))
        return err_set(e, ERR_INVALID, "attribute " SPAN_FMT " is empty",
                       SPAN_ARG(name));
    if (is(name, "specversion") && !is(value, "1.0"))
        return err_set(e, ERR_INVALID, "specversion \"" SPAN_FMT "\", wanted \"1.0\"",
                       SPAN_ARG(value));
    if (is(name, "time") && !when_read(&ev->time_ms, value))
        return err_set(e, ERR_INVALID,
                       "time \"" SPAN_FMT "\", wanted one of RFC 3339: "
                       "2026-11-20T09:30:00Z",
                       SPAN_ARG(value));
    if (is(name, "datacontenttype") && !is_json_type(value))
        return err_set(e, ERR_INVALID,
                       "datacontenttype \"" SPAN_FMT "\", wanted JSON: the data is "
                       "checked against the subject's Avro schema",
                       SPAN_ARG(value));
    return ERR_OK;
}

static enum err_kind add(struct event *ev, struct span name, struct span value,
                         struct arena *a, struct err *e)
{
    if (!is_name(name))
        return err_set(e, ERR_INVALID,
                       "attribute \"" SPAN_FMT "\", wanted a name of a-z and 0-9",
                       SPAN_ARG(name));
    TRY(check(ev, name, value, e));
    if (is(name, "partitionkey"))
        ev->key = value.n > 0 ? value : span_str("");
    if (!is(name, "datacontenttype"))
        ev->headers[ev->n_headers++] = (struct kf_header){header_name(a, name), value};
    return ERR_OK;
}

/* The four without which it is no event; and what its data will be. */
static enum err_kind finish(struct event *ev, struct err *e)
{
    static const char *const required[] = {"ce_specversion", "ce_id", "ce_source",
                                           "ce_type"};

    for (size_t i = 0; i < 4; i++) {
        size_t at = 0;

        while (at < ev->n_headers && strcmp(ev->headers[at].name, required[i]) != 0)
            at++;
        if (at == ev->n_headers)
            return err_set(e, ERR_INVALID, "attribute %s is not there",
                           required[i] + 3);
    }
    ev->headers[ev->n_headers++] =
        (struct kf_header){"content-type", span_str(CONTENT_TYPE)};
    return ERR_OK;
}

/* Attributes are text, whole numbers or truth values; null is not there. */
static enum err_kind text_of(struct span *out, const struct json *j, struct err *e)
{
    int64_t ignored;

    switch (j->kind) {
    case JSON_STRING: *out = j->text; return ERR_OK;
    case JSON_TRUE: *out = span_str("true"); return ERR_OK;
    case JSON_FALSE: *out = span_str("false"); return ERR_OK;
    case JSON_NUMBER:
        *out = j->text;
        if (json_int(&ignored, j, INT32_MIN, INT32_MAX, e) == ERR_OK)
            return ERR_OK;
        return err_prefix(e, "attribute " SPAN_FMT, SPAN_ARG(j->name));
    default:
        return err_set(e, ERR_INVALID,
                       "attribute " SPAN_FMT ": %s, wanted text, a whole number or a "
                       "truth value",
                       SPAN_ARG(j->name), json_kind_name(j->kind));
    }
}

static bool wants_text(struct span name)
{
    static const char *const names[] = {
        "specversion", "id",         "source",          "type",        "subject",
        "time",        "dataschema", "datacontenttype", "partitionkey"};

    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (is(name, names[i]))
            return true;
    return false;
}

static enum err_kind read_base64(struct event *ev, const struct json *j,
                                 struct arena *a, struct err *e)
{
    if (j->kind != JSON_STRING)
        return err_set(e, ERR_INVALID, "data_base64: %s, wanted text",
                       json_kind_name(j->kind));
    uint8_t *p = arena_alloc(a, BASE64_ROOM(j->text.n) + 1);
    size_t n = 0;
    if (!base64_read(p, &n, j->text))
        return err_set(e, ERR_INVALID, "data_base64 is no base64");
    ev->decoded = span_of(p, n);
    return ERR_OK;
}

static enum err_kind read_member(struct event *ev, const struct json *j,
                                 struct arena *a, struct err *e)
{
    struct span text = {0};

    if (j->kind == JSON_NULL && !is(j->name, "data"))
        return ERR_OK;
    if (is(j->name, "data")) {
        ev->data = j;
        return ERR_OK;
    }
    if (is(j->name, "data_base64"))
        return read_base64(ev, j, a, e);
    if (wants_text(j->name) && j->kind != JSON_STRING)
        return err_set(e, ERR_INVALID, "attribute " SPAN_FMT ": %s, wanted text",
                       SPAN_ARG(j->name), json_kind_name(j->kind));
    TRY(text_of(&text, j, e));
    return add(ev, j->name, text, a, e);
}

enum err_kind event_read(struct event *out, const struct json *j, struct arena *a,
                         struct err *e)
{
    *out = (struct event){0};
    if (j->kind != JSON_OBJECT)
        return err_set(e, ERR_INVALID, "%s, wanted an object", json_kind_name(j->kind));
    if (j->n > NAMES_MOST)
        return err_set(e, ERR_INVALID, "%zu attributes, wanted at most %d", j->n,
                       NAMES_MOST);
    out->headers = arena_array(a, j->n + 1, sizeof *out->headers);
    for (const struct json *m = j->first; m != NULL; m = m->next)
        TRY(read_member(out, m, a, e));
    if (out->data != NULL && out->decoded.p != NULL)
        return err_set(e, ERR_INVALID, "data and data_base64 are both there");
    if (out->data == NULL && out->decoded.p == NULL)
        return err_set(e, ERR_INVALID, "no data");
    return finish(out, e);
}

/* ---- binary mode ---- */

bool event_is_field(struct span name)
{
    return name.n > 3 && http_same(span_of(name.p, 3), span_str("ce-"));
}

bool event_is_binary(const struct http_field *f, size_t n)
{
    static const char *const marks[] = {"ce-specversion", "ce-id", "ce-source",
                                        "ce-type"};

    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < 4; k++)
            if (http_same(f[i].name, span_str(marks[k])))
                return true;
    return false;
}

static int digit(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* HTTP binding 3.1.3.2: quotes first, then %XX, then it is UTF-8. */
static bool unquote(struct span *out, struct span v, struct arena *a)
{
    bool quoted = v.n >= 2 && v.p[0] == '"' && v.p[v.n - 1] == '"';
    uint8_t *p = arena_alloc(a, v.n + 1);
    size_t n = 0;

    if (quoted)
        v = span_of(v.p + 1, v.n - 2);
    for (size_t i = 0; i < v.n; i++) {
        uint8_t c = v.p[i];
        if (quoted && c == '\\' && i + 1 < v.n) {
            c = v.p[++i];
        } else if (c == '%') {
            if (i + 2 >= v.n || digit(v.p[i + 1]) < 0 || digit(v.p[i + 2]) < 0)
                return false;
            c = (uint8_t)(digit(v.p[i + 1]) << 4 | digit(v.p[i + 2]));
            i += 2;
        }
        p[n++] = c;
    }
    *out = span_of(p, n);
    return utf8_ok(*out);
}

static struct span small(struct arena *a, struct span s)
{
    uint8_t *p = arena_alloc(a, s.n + 1);

    for (size_t i = 0; i < s.n; i++)
        p[i] = s.p[i] >= 'A' && s.p[i] <= 'Z' ? (uint8_t)(s.p[i] | 0x20) : s.p[i];
    return span_of(p, s.n);
}

static bool has_name(const struct event *ev, struct span name)
{
    for (size_t i = 0; i < ev->n_headers; i++)
        if (is(name, ev->headers[i].name + 3))
            return true;
    return false;
}

enum err_kind event_read_fields(struct event *out, const struct http_field *f, size_t n,
                                struct arena *a, struct err *e)
{
    *out = (struct event){0};
    out->headers = arena_array(a, n + 1, sizeof *out->headers);
    for (size_t i = 0; i < n; i++) {
        struct span value;

        if (!event_is_field(f[i].name))
            continue;
        struct span name = small(a, span_skip(f[i].name, 3));
        if (has_name(out, name))
            return err_set(e, ERR_INVALID, "attribute " SPAN_FMT " is there twice",
                           SPAN_ARG(name));
        if (is(name, "datacontenttype"))
            return err_set(e, ERR_INVALID,
                           "ce-datacontenttype, wanted Content-Type instead");
        if (!unquote(&value, f[i].value, a))
            return err_set(e, ERR_INVALID,
                           "attribute " SPAN_FMT ": wanted UTF-8 as %%XX",
                           SPAN_ARG(name));
        TRY(add(out, name, value, a, e));
    }
    return finish(out, e);
}
