#include "registry/may.h"

#include "tests/check.h"

/* What is asked of a request for `pattern`, with {subject} or {context} as given. */
static struct guard_ask asked(enum http_method method, const char *pattern,
                              const char *context, const char *subject, struct arena *a)
{
    const struct http_route route = {.method = method, .pattern = pattern};
    struct http_field parts[2];
    struct http_req r = {.method = method, .route = &route, .parts = parts};
    struct guard_ask out;

    if (context != NULL)
        parts[r.nparts++] = (struct http_field){span_str("context"), span_str(context)};
    if (subject != NULL)
        parts[r.nparts++] = (struct http_field){span_str("subject"), span_str(subject)};
    reg_ask_of(&out, &r, a);
    return out;
}

#define IN "/contexts/{context}"

static void a_path_says_what_it_needs(void)
{
    static const struct {
        enum http_method method;
        const char *pattern, *context, *subject;
        enum guard_over over;
        enum acl_op op;
        const char *name;
    } rows[] = {
        {HTTP_GET, "/", NULL, NULL, GUARD_NOTHING, ACL_READ, ""},
        {HTTP_HEAD, "/subjects", NULL, NULL, GUARD_NOTHING, ACL_READ, ""},
        {HTTP_GET, "/schemas/ids/{id}", NULL, NULL, GUARD_NOTHING, ACL_READ, ""},
        {HTTP_GET, "/config", NULL, NULL, GUARD_NOTHING, ACL_READ, ""},
        {HTTP_PUT, "/config", NULL, NULL, GUARD_ALL, ACL_CONFIGURE, ""},
        {HTTP_DELETE, "/mode", NULL, NULL, GUARD_ALL, ACL_CONFIGURE, ""},
        {HTTP_GET, "/config/{subject}", NULL, "a", GUARD_ONE, ACL_READ, "a"},
        {HTTP_PUT, "/config/{subject}", NULL, "a", GUARD_ONE, ACL_CONFIGURE, "a"},
        {HTTP_PUT, "/mode/{subject}", NULL, ":.:a", GUARD_ONE, ACL_CONFIGURE, "a"},
        {HTTP_PUT, "/mode/{subject}", NULL, ":.:", GUARD_ALL, ACL_CONFIGURE, ""},
        {HTTP_PUT, "/mode/{subject}", NULL, "", GUARD_ALL, ACL_CONFIGURE, ""},
        {HTTP_PUT, "/mode/{subject}", NULL, ":*:", GUARD_ALL, ACL_CONFIGURE, ""},
        {HTTP_PUT, "/mode/{subject}", NULL, ":.c:", GUARD_ONE, ACL_CONFIGURE, ":.c:"},
        {HTTP_PUT, IN "/config", ".c", NULL, GUARD_ONE, ACL_CONFIGURE, ":.c:"},
        {HTTP_PUT, IN "/config", ".", NULL, GUARD_ALL, ACL_CONFIGURE, ""},
        {HTTP_DELETE, IN, ":.c:", NULL, GUARD_ONE, ACL_DELETE, ":.c:"},
        {HTTP_POST, "/subjects/{subject}", NULL, "a", GUARD_ONE, ACL_READ, "a"},
        {HTTP_POST, "/subjects/{subject}/versions", NULL, "a", GUARD_ONE, ACL_WRITE,
         "a"},
        {HTTP_POST, IN "/subjects/{subject}/versions", "c", "a", GUARD_ONE, ACL_WRITE,
         ":.c:a"},
        {HTTP_POST, "/subjects/{subject}/versions/{version}/tags", NULL, "a", GUARD_ONE,
         ACL_WRITE, "a"},
        {HTTP_GET, "/subjects/{subject}/versions/{version}/history", NULL, "a",
         GUARD_ONE, ACL_READ, "a"},
        {HTTP_DELETE, "/subjects/{subject}", NULL, "a", GUARD_ONE, ACL_DELETE, "a"},
        {HTTP_DELETE, "/subjects/{subject}/versions/{version}", NULL, "a", GUARD_ONE,
         ACL_DELETE, "a"},
        {HTTP_GET, "/subjects/{subject}/versions", NULL, "a", GUARD_ONE, ACL_READ, "a"},
        {HTTP_POST, "/compatibility/subjects/{subject}/versions", NULL, "a", GUARD_ONE,
         ACL_READ, "a"},
        {HTTP_POST, "/of/tomorrow", NULL, NULL, GUARD_ALL, ACL_CONFIGURE, ""},
        {HTTP_GET, "/of/tomorrow", NULL, NULL, GUARD_ALL, ACL_CONFIGURE, ""},
        {HTTP_PUT, "/subjects/{subject}", NULL, "a", GUARD_ALL, ACL_CONFIGURE, ""},
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct arena a = {0};
        struct guard_ask got = asked(rows[i].method, rows[i].pattern, rows[i].context,
                                     rows[i].subject, &a);
        CHECK_INT(got.over, rows[i].over);
        if (got.over != GUARD_NOTHING)
            CHECK_INT(got.op, rows[i].op);
        if (got.over == GUARD_ONE)
            CHECK(span_eq(got.name, span_str(rows[i].name)));
        if (check_failed > 0)
            printf("    row %zu: %s\n", i, rows[i].pattern);
        arena_free(&a);
    }
}

int main(void)
{
    RUN(a_path_says_what_it_needs);
    return REPORT();
}
