#include "http/route.h"

#include "base/buf.h"

#include "tests/check.h"

static void never_called(struct http_app *app, struct http_req *r)
{
    (void)app, (void)r;
}

#define ROW(method_, pattern_)                                              \
    {                                                                       \
        .method = (method_), .pattern = (pattern_), .handler = never_called \
    }

static const struct http_route rows[] = {
    ROW(HTTP_GET, "/"),
    ROW(HTTP_GET, "/subjects"),
    ROW(HTTP_POST, "/subjects/{subject}"),
    ROW(HTTP_GET, "/subjects/{subject}/versions"),
    ROW(HTTP_POST, "/subjects/{subject}/versions"),
    ROW(HTTP_GET, "/subjects/{subject}/versions/latest"),
    ROW(HTTP_GET, "/subjects/{subject}/versions/{version}"),
    ROW(HTTP_DELETE, "/subjects/{subject}/versions/{version}"),
    ROW(HTTP_POST, "/v3/clusters/{c}/topics/{t}/records:batch"),
};

static void finds_the_row_and_its_parts(void)
{
    static const struct {
        enum http_method method;
        const char *path;
        enum http_found found;
        int row;
        const char *first, *second;
    } t[] = {
        {HTTP_GET, "/", HTTP_FOUND, 0, "", ""},
        {HTTP_HEAD, "/", HTTP_FOUND, 0, "", ""},
        {HTTP_GET, "/subjects", HTTP_FOUND, 1, "", ""},
        {HTTP_GET, "/subjects/", HTTP_FOUND, 1, "", ""},
        {HTTP_GET, "/%73ubjects", HTTP_FOUND, 1, "", ""},
        {HTTP_POST, "/subjects/a", HTTP_FOUND, 2, "a", ""},
        {HTTP_POST, "/subjects/a/", HTTP_FOUND, 2, "a", ""},
        {HTTP_POST, "/subjects/a%2Fb", HTTP_FOUND, 2, "a/b", ""},
        {HTTP_POST, "/subjects/%3A.ctx%3Aa", HTTP_FOUND, 2, ":.ctx:a", ""},
        {HTTP_POST, "/subjects/:.ctx:a", HTTP_FOUND, 2, ":.ctx:a", ""},
        {HTTP_POST, "/subjects/a+b", HTTP_FOUND, 2, "a+b", ""},
        {HTTP_POST, "/subjects/..", HTTP_FOUND, 2, "..", ""},
        {HTTP_POST, "/subjects/%e2%82%ac", HTTP_FOUND, 2, "\xe2\x82\xac", ""},
        {HTTP_POST, "/subjects//versions", HTTP_FOUND, 4, "", ""},
        {HTTP_GET, "/subjects/a/versions/latest", HTTP_FOUND, 5, "a", ""},
        {HTTP_GET, "/subjects/a/versions/3", HTTP_FOUND, 6, "a", "3"},
        {HTTP_DELETE, "/subjects/a/versions/latest", HTTP_FOUND, 7, "a", "latest"},
        {HTTP_HEAD, "/subjects/a/versions/3", HTTP_FOUND, 6, "a", "3"},
        {HTTP_POST, "/v3/clusters/x/topics/y/records:batch", HTTP_FOUND, 8, "x", "y"},
        {HTTP_GET, "/nowhere", HTTP_NOT_FOUND, -1, "", ""},
        {HTTP_GET, "/subjects//", HTTP_NOT_ALLOWED, -1, "GET", ""},
        {HTTP_GET, "/subjects/a/b", HTTP_NOT_FOUND, -1, "", ""},
        {HTTP_GET, "*", HTTP_NOT_FOUND, -1, "", ""},
        {HTTP_PUT, "/subjects", HTTP_NOT_ALLOWED, -1, "", ""},
        {HTTP_GET, "/subjects/%", HTTP_BAD_PATH, -1, "", ""},
        {HTTP_GET, "/subjects/%2", HTTP_BAD_PATH, -1, "", ""},
        {HTTP_GET, "/subjects/%2x", HTTP_BAD_PATH, -1, "", ""},
        {HTTP_GET, "/subjects/a%00", HTTP_BAD_PATH, -1, "", ""},
        {HTTP_GET, "/nowhere/%zz", HTTP_BAD_PATH, -1, "", ""},
        {HTTP_GET, "/1/2/3/4/5/6/7/8/9/0/1/2/3/4/5/6/7/8/9/0/1/2/3/4/5", HTTP_NOT_FOUND,
         -1, "", ""},
    };
    struct http_routes *routes = http_routes_make(rows, sizeof rows / sizeof *rows);

    for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
        struct arena a = {0};
        struct http_match m;
        enum http_found found =
            http_routes_match(routes, t[i].method, span_str(t[i].path), &a, &m);

        CHECK_INT(found, t[i].found);
        if (t[i].row >= 0) {
            CHECK(m.route == &rows[t[i].row]);
            CHECK_SPAN(m.nparts > 0 ? m.parts[0].value : (struct span){0}, t[i].first);
            CHECK_SPAN(m.nparts > 1 ? m.parts[1].value : (struct span){0}, t[i].second);
        } else {
            CHECK(m.route == NULL);
        }
        arena_free(&a);
    }
    http_routes_free(routes);
}

static void says_what_the_path_allows(void)
{
    static const struct {
        enum http_method method;
        const char *path, *allow;
    } t[] = {
        {HTTP_PUT, "/subjects", "GET, HEAD"},
        {HTTP_PUT, "/subjects/a", "POST"},
        {HTTP_PUT, "/subjects/a/versions", "GET, HEAD, POST"},
        {HTTP_HEAD, "/subjects/a", "POST"},
        {HTTP_OPTIONS, "/subjects/a/versions/1", "GET, HEAD, DELETE"},
    };
    struct http_routes *routes = http_routes_make(rows, sizeof rows / sizeof *rows);

    for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
        struct arena a = {0};
        struct http_match m;

        CHECK_INT(http_routes_match(routes, t[i].method, span_str(t[i].path), &a, &m),
                  HTTP_NOT_ALLOWED);
        CHECK_SPAN(m.allow, t[i].allow);
        arena_free(&a);
    }
    http_routes_free(routes);
}

static void parts_have_the_names_of_the_pattern(void)
{
    struct http_routes *routes = http_routes_make(rows, sizeof rows / sizeof *rows);
    struct arena a = {0};
    struct http_match m;

    http_routes_match(routes, HTTP_GET, span_str("/subjects/a/versions/1"), &a, &m);
    CHECK_INT(m.nparts, 2);
    CHECK_SPAN(m.parts[0].name, "subject");
    CHECK_SPAN(m.parts[1].name, "version");
    arena_free(&a);
    http_routes_free(routes);
}

/* Each query as "name=value;" of what was read. */
static void reads_a_query(void)
{
    static const struct {
        const char *query, *read;
    } t[] = {
        {"", ""},
        {"a=1", "a=1;"},
        {"a=1&b=2", "a=1;b=2;"},
        {"a", "a=;"},
        {"a=", "a=;"},
        {"=a", "=a;"},
        {"a=b=c", "a=b=c;"},
        {"&a=1&&b=2&", "a=1;b=2;"},
        {"a+b=c+d", "a b=c d;"},
        {"a%2Bb=%26%3D", "a+b=&=;"},
        {"a=1&a=2", "a=1;a=2;"},
        {"q=%C3%a9", "q=\xc3\xa9;"},
    };

    for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
        const struct http_field *params;
        struct arena a = {0};
        struct err e = {0};
        struct buf b = BUF_INIT(1000);
        size_t n = 99;

        CHECK_INT(http_query_read(&params, &n, span_str(t[i].query), &a, &e), ERR_OK);
        for (size_t k = 0; k < n; k++) {
            buf_put(&b, params[k].name);
            buf_put_u8(&b, '=');
            buf_put(&b, params[k].value);
            buf_put_u8(&b, ';');
        }
        CHECK_SPAN(buf_span(&b), t[i].read);
        buf_free(&b);
        arena_free(&a);
    }
}

static void refuses_a_query_it_cannot_read(void)
{
    struct buf many = BUF_INIT(1000);
    const struct http_field *params;
    struct arena a = {0};
    struct err e = {0};
    size_t n;

    CHECK_INT(http_query_read(&params, &n, span_str("a=%"), &a, &e), ERR_INVALID);
    CHECK_STR(e.msg, "query has a bad %: \"a=%\"");
    CHECK_INT(http_query_read(&params, &n, span_str("a=1&%g0=2"), &a, &e), ERR_INVALID);
    CHECK_INT(http_query_read(&params, &n, span_str("a=%00"), &a, &e), ERR_INVALID);
    for (int i = 0; i < HTTP_PARAMS; i++)
        buf_put_str(&many, "a&");
    CHECK_INT(http_query_read(&params, &n, buf_span(&many), &a, &e), ERR_LIMIT);
    buf_free(&many);
    arena_free(&a);
}

static void lists_are_searched_by_element(void)
{
    static const struct {
        const char *list, *token;
        bool has;
    } t[] = {
        {"close", "close", true},
        {"a, CLOSE", "close", true},
        {"a,\tclose ,b", "close", true},
        {"closed", "close", false},
        {"", "close", false},
        {",,close", "close", true},
        {"a close", "close", false},
    };

    for (size_t i = 0; i < sizeof t / sizeof *t; i++)
        CHECK_INT(http_list_has(span_str(t[i].list), t[i].token), t[i].has);
}

int main(void)
{
    RUN(finds_the_row_and_its_parts);
    RUN(says_what_the_path_allows);
    RUN(parts_have_the_names_of_the_pattern);
    RUN(reads_a_query);
    RUN(refuses_a_query_it_cannot_read);
    RUN(lists_are_searched_by_element);
    return REPORT();
}
