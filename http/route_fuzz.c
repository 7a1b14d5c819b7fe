/*
 * Any path and query is matched or refused inside its own bytes, and what a part
 * becomes is never longer than what was sent.
 */
#include "http/route.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static void never_called(struct http_app *app, struct http_req *r)
{
    (void)app, (void)r;
}

static const struct http_route rows[] = {
    {.method = HTTP_GET, .pattern = "/a/{b}/c", .handler = never_called},
    {.method = HTTP_POST, .pattern = "/a/{b}", .handler = never_called},
    {.method = HTTP_GET, .pattern = "/{x}/{y}/{z}", .handler = never_called},
};

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    struct http_routes *routes = http_routes_make(rows, sizeof rows / sizeof *rows);
    const struct http_field *params;
    struct arena a = {0};
    struct http_match m;
    struct err e;
    size_t nparams, sum = 0;

    if (http_routes_match(routes, HTTP_GET, span_of(p, n), &a, &m) == HTTP_FOUND)
        for (size_t i = 0; i < m.nparts; i++)
            sum += m.parts[i].value.n;
    if (sum > n)
        abort();
    if (http_query_read(&params, &nparams, span_of(p, n), &a, &e) == ERR_OK) {
        sum = 0;
        for (size_t i = 0; i < nparams; i++)
            sum += params[i].name.n + params[i].value.n;
        if (sum > n)
            abort();
    }
    arena_free(&a);
    http_routes_free(routes);
    return 0;
}
