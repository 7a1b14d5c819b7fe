#include "http/route.h"

#include <assert.h>
#include <stdlib.h>

struct pattern {
    const struct http_route *route;
    size_t n;
    struct span segments[HTTP_SEGMENTS];
    bool is_part[HTTP_SEGMENTS]; // then the segment is the part's name
};

struct http_routes {
    size_t n;
    struct pattern patterns[];
};

/* Cuts "/a/b/" to "a", "b".  false when there are more than HTTP_SEGMENTS. */
static bool cut_path(struct span path, struct span *segments, size_t *n)
{
    *n = 0;
    while (path.n > 1) {
        struct span rest = span_of(path.p + 1, path.n - 1);
        const uint8_t *slash = memchr(rest.p, '/', rest.n);
        size_t len = slash == NULL ? rest.n : (size_t)(slash - rest.p);

        if (*n == HTTP_SEGMENTS)
            return false;
        segments[(*n)++] = span_of(rest.p, len);
        path = span_of(rest.p + len, rest.n - len);
    }
    return true;
}

static void read_pattern(struct pattern *p, const struct http_route *route)
{
    size_t parts = 0;

    p->route = route;
    assert(route->pattern[0] == '/');
    bool fits = cut_path(span_str(route->pattern), p->segments, &p->n);
    assert(fits);
    for (size_t i = 0; i < p->n; i++) {
        struct span *s = &p->segments[i];
        p->is_part[i] = s->n > 2 && s->p[0] == '{' && s->p[s->n - 1] == '}';
        assert(p->is_part[i] || memchr(s->p, '{', s->n) == NULL);
        if (p->is_part[i]) {
            *s = span_of(s->p + 1, s->n - 2);
            parts++;
        }
    }
    assert(parts <= HTTP_PARTS);
}

struct http_routes *http_routes_make(const struct http_route *rows, size_t n)
{
    struct http_routes *t = mem_alloc(sizeof *t + n * sizeof t->patterns[0]);

    t->n = n;
    for (size_t i = 0; i < n; i++)
        read_pattern(&t->patterns[i], &rows[i]);
    return t;
}

void http_routes_free(struct http_routes *t)
{
    free(t);
}

static int hex_of(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The byte that "%XX" at `s` stands for; -1 when it is none, or NUL. */
static int escaped_byte(struct span s)
{
    if (s.n < 3 || hex_of(s.p[1]) < 0 || hex_of(s.p[2]) < 0)
        return -1;
    int byte = hex_of(s.p[1]) << 4 | hex_of(s.p[2]);
    return byte > 0 ? byte : -1;
}

static bool is_plain(struct span s, bool plus_is_space)
{
    return s.n == 0 || (memchr(s.p, '%', s.n) == NULL &&
                        (!plus_is_space || memchr(s.p, '+', s.n) == NULL));
}

/* "%41" -> "A"; without a % it is `s` itself.  False: a bad % or %00. */
static bool unescape(struct span *out, struct span s, bool plus_is_space,
                     struct arena *a)
{
    if (is_plain(s, plus_is_space)) {
        *out = s;
        return true;
    }

    uint8_t *p = arena_alloc(a, s.n);
    size_t n = 0;
    for (size_t i = 0; i < s.n; i++) {
        int byte = s.p[i];
        if (byte == '%') {
            byte = escaped_byte(span_of(s.p + i, s.n - i));
            if (byte < 0)
                return false;
            i += 2;
        } else if (byte == '+' && plus_is_space) {
            byte = ' ';
        }
        p[n++] = (uint8_t)byte;
    }
    *out = span_of(p, n);
    return true;
}

static bool fits(const struct pattern *p, const struct span *segments, size_t n)
{
    if (p->n != n)
        return false;
    for (size_t i = 0; i < n; i++)
        if (!p->is_part[i] && !span_eq(p->segments[i], segments[i]))
            return false;
    return true;
}

static void take_parts(struct http_match *out, const struct pattern *p,
                       const struct span *segments)
{
    for (size_t i = 0; i < p->n; i++)
        if (p->is_part[i])
            out->parts[out->nparts++] =
                (struct http_field){p->segments[i], segments[i]};
    out->route = p->route;
}

static struct span list_methods(const bool *has, struct arena *a)
{
    char text[80] = "";

    for (int m = 0; m < HTTP_METHODS; m++)
        if (has[m]) {
            if (text[0] != '\0')
                strcat(text, ", ");
            strcat(text, http_method_name((enum http_method)m));
        }
    return arena_copy(a, span_str(text));
}

static enum http_found match_rows(const struct http_routes *t, enum http_method method,
                                  const struct span *segments, size_t n,
                                  struct arena *a, struct http_match *out)
{
    const struct pattern *stands_in = NULL; // the row of GET, for HEAD
    bool has[HTTP_METHODS] = {false}, any = false;

    for (size_t i = 0; i < t->n; i++) {
        const struct pattern *p = &t->patterns[i];
        if (!fits(p, segments, n))
            continue;
        if (p->route->method == method) {
            take_parts(out, p, segments);
            return HTTP_FOUND;
        }
        if (method == HTTP_HEAD && p->route->method == HTTP_GET && stands_in == NULL)
            stands_in = p;
        has[p->route->method] = any = true;
    }
    if (stands_in != NULL) {
        take_parts(out, stands_in, segments);
        return HTTP_FOUND;
    }
    if (!any)
        return HTTP_NOT_FOUND;
    has[HTTP_HEAD] |= has[HTTP_GET];
    out->allow = list_methods(has, a);
    return HTTP_NOT_ALLOWED;
}

enum http_found http_routes_match(const struct http_routes *t, enum http_method method,
                                  struct span path, struct arena *a,
                                  struct http_match *out)
{
    struct span segments[HTTP_SEGMENTS];
    size_t n;

    *out = (struct http_match){0};
    if (path.n == 0 || path.p[0] != '/')
        return HTTP_NOT_FOUND; // "*"
    if (!cut_path(path, segments, &n))
        return HTTP_NOT_FOUND;
    for (size_t i = 0; i < n; i++)
        if (!unescape(&segments[i], segments[i], false, a))
            return HTTP_BAD_PATH;
    return match_rows(t, method, segments, n, a, out);
}

static enum err_kind read_param(struct http_field *out, struct span text,
                                struct arena *a, struct err *e)
{
    const uint8_t *eq = memchr(text.p, '=', text.n);
    size_t n = eq == NULL ? text.n : (size_t)(eq - text.p);
    struct span value = span_skip(text, n + 1);

    if (!unescape(&out->name, span_of(text.p, n), true, a) ||
        !unescape(&out->value, value, true, a))
        return err_set(e, ERR_INVALID, "query has a bad %%: \"" SPAN_FMT "\"",
                       SPAN_ARG(text));
    return ERR_OK;
}

static size_t count_of(struct span s, uint8_t c)
{
    size_t n = 0;

    for (size_t i = 0; i < s.n; i++)
        n += s.p[i] == c;
    return n;
}

enum err_kind http_query_read(const struct http_field **out, size_t *n,
                              struct span query, struct arena *a, struct err *e)
{
    size_t most = query.n > 0 ? count_of(query, '&') + 1 : 0, read = 0;

    if (most > HTTP_PARAMS)
        return err_set(e, ERR_LIMIT, "query of %zu parameters, at most %d are read",
                       most, HTTP_PARAMS);
    struct http_field *params = most > 0 ? arena_array(a, most, sizeof *params) : NULL;
    while (query.n > 0) {
        const uint8_t *amp = memchr(query.p, '&', query.n);
        size_t len = amp == NULL ? query.n : (size_t)(amp - query.p);
        if (len > 0) { // "a=1&&b=2"
            TRY(read_param(&params[read], span_of(query.p, len), a, e));
            read++;
        }
        query = span_skip(query, len + 1);
    }
    *out = params;
    *n = read;
    return ERR_OK;
}
