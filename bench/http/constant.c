/*
 * A server that answers a constant, three ways: at once, after another thread's word,
 * from a worker.  bench/http/run.sh measures it beside nginx.
 *
 *      bench-http PORT LOOPS
 */
#include "base/queue.h"
#include "http/server.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

struct program {
    struct http_app app;
    struct queue kept;
};

static void answer(struct http_req *r)
{
    http_answer(r, 200, "text/plain", span_str("pong"));
}

static void at_once(struct http_app *app, struct http_req *r)
{
    (void)app;
    answer(r);
}

static void keep(struct http_app *app, struct http_req *r)
{
    if (!queue_try_put(&((struct program *)app)->kept, r))
        http_answer_error(r, 503, 503, "the other thread is behind");
}

static const struct http_route routes[] = {
    {.method = HTTP_GET, .pattern = "/now", .handler = at_once},
    {.method = HTTP_POST, .pattern = "/now", .handler = at_once},
    {.method = HTTP_GET, .pattern = "/kept", .handler = keep},
    {.method = HTTP_GET,
     .pattern = "/work",
     .handler = at_once,
     .flags = HTTP_MAY_BLOCK},
};

static void *answer_kept(void *arg)
{
    struct program *p = arg;
    struct http_req *r;

    while ((r = queue_get(&p->kept, -1)) != NULL)
        answer(r);
    return NULL;
}

int main(int argc, char **argv)
{
    struct program p = {
        .app = {.routes = routes, .nroutes = sizeof routes / sizeof *routes}};
    char address[64];
    const char *const listen[] = {address};
    struct http_settings s = {.listen = listen, .nlisten = 1, .limits = HTTP_LIMITS};
    struct http_server *server;
    struct err e = {0};
    pthread_t other;
    sigset_t stop;
    int sig;

    if (argc != 3)
        return 2;
    snprintf(address, sizeof address, "127.0.0.1:%s", argv[1]);
    s.loops = (size_t)atoi(argv[2]);
    sigemptyset(&stop);
    sigaddset(&stop, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &stop, NULL); // before any thread: all inherit it
    queue_init(&p.kept, 4096);
    if (http_server_open(&server, &s, &p.app, &e) != ERR_OK) {
        fprintf(stderr, "%s\n", e.msg);
        return 1;
    }
    pthread_create(&other, NULL, answer_kept, &p);
    sigwait(&stop, &sig);
    http_server_drain(server, 1000);
    queue_close(&p.kept);
    pthread_join(other, NULL);
    http_server_close(server);
    queue_free(&p.kept);
    return 0;
}
