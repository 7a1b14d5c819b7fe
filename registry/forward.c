#include "registry/forward.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/queue.h"
#include "http/url.h"
#include "registry/pen_count.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define URL_MOST 16384
#define FIELDS_MOST 9
#define WEIGHT 8 // of what is usual against one more answer

struct reg_forward {
    struct reg_forward_options o;
    struct queue queue;
    pthread_t threads[FORWARD_THREADS];
    struct http_client *clients[FORWARD_THREADS];
    atomic_size_t next_client;
    _Atomic(int64_t) gave_up;  // the offset of the newest fence asked in vain, -1
    _Atomic(int64_t) usual_us; // how long answers take
};

int64_t reg_forward_patience(int64_t forward_ms, int64_t usual_us)
{
    int64_t ms = forward_ms + usual_us * 2 / 1000;
    int64_t most = forward_ms > FORWARD_MOST_MS ? forward_ms : FORWARD_MOST_MS;

    return ms < most ? ms : most;
}

bool reg_forward_gave_up(struct reg_forward *f, const struct reg_fence *fence)
{
    return fence->offset <= atomic_load(&f->gave_up);
}

static void give_up(struct reg_forward *f, const struct reg_fence *fence,
                    const char *why)
{
    int64_t old = atomic_load(&f->gave_up);

    while (old < fence->offset)
        if (atomic_compare_exchange_weak(&f->gave_up, &old, fence->offset)) {
            log_event(LOG_WARN, "the holder of the pen does not write for us",
                      LOG_S("url", fence->url), LOG_S("why", why), LOG_END);
            return;
        }
}

int64_t reg_forward_usual(int64_t usual_us, int64_t took_us, bool taking)
{
    if (!taking)
        return usual_us + (took_us - usual_us) / WEIGHT;
    return usual_us > took_us / 2 ? usual_us : took_us / 2;
}

/* Two who note at once: one is forgotten. */
static void note(struct reg_forward *f, int64_t took_us, bool taking)
{
    int64_t usual = atomic_load(&f->usual_us);

    atomic_store(&f->usual_us, reg_forward_usual(usual, took_us, taking));
}

void reg_forward_note_take(struct reg_forward *f, int64_t us)
{
    note(f, us, true);
}

/* What goes along: what the answer depends on, and by which name it is known. */
static size_t pick_fields(const struct reg_forward *f, const struct reg_job *job,
                          bool secrets, struct http_field *out)
{
    const struct http_req *r = job->asked;
    static const char *const names[] = {"Authorization",
                                        "Content-Type",
                                        "Accept",
                                        "User-Agent",
                                        "Confluent-Accept-Unknown-Properties",
                                        "X-Registry-Reason"};
    size_t n = 0;

    for (size_t i = secrets ? 0 : 1; i < sizeof names / sizeof *names; i++) {
        struct span value = http_header(r, names[i]);
        if (value.p != NULL)
            out[n++] = (struct http_field){span_str(names[i]), value};
    }
    out[n++] = (struct http_field){span_str("X-Request-ID"), r->id};
    out[n++] = (struct http_field){span_str(REG_FORWARDED), span_str(f->o.instance)};
    out[n++] = (struct http_field){span_str(REG_CLIENT), job->command.by.client};
    return n;
}

static enum err_kind ask(struct reg_forward *f, struct http_client *client,
                         const struct reg_job *job, const struct reg_fence *fence,
                         struct http_reply *reply, bool *sent, struct err *e)
{
    const struct http_req *r = job->asked;
    struct http_field fields[FIELDS_MOST];
    char *url = mem_alloc(URL_MOST);
    int64_t due =
        clock_ms() + reg_forward_patience(f->o.forward_ms, atomic_load(&f->usual_us));
    int n = snprintf(url, URL_MOST, "%s" WHOLE_FMT "%s" WHOLE_FMT, fence->url,
                     WHOLE(r->path), r->query.n > 0 ? "?" : "", WHOLE(r->query));

    struct http_call call = {
        .method = r->method,
        .url = url,
        .fields = fields,
        .nfields = pick_fields(f, job, url_keeps_secrets(span_str(fence->url)), fields),
        .body = r->body,
        .deadline_ms = due < job->due_ms ? due : job->due_ms,
        .sent = sent};
    enum err_kind rc = n < URL_MOST ? http_client_call(client, &call, reply, e)
                                    : err_set(e, ERR_LIMIT, "a path too long");
    free(url);
    return rc;
}

/* Our reader follows the holder's, or the client would not find here what it wrote. */
static void follow(struct reg_forward *f, const struct reg_job *job,
                   const struct http_reply *reply)
{
    struct span text = http_reply_header(reply, REG_SEEN);
    int64_t until = clock_ms() + FORWARD_READ_MS;
    char digits[24] = {0};

    if (text.n == 0 || text.n >= sizeof digits)
        return;
    memcpy(digits, text.p, text.n);
    (void)reg_tail_wait(f->o.tail, strtoll(digits, NULL, 10),
                        until < job->due_ms ? until : job->due_ms);
}

/* What would be written if it were ours: how an answer that is lost is found out. */
static void decide_before(struct reg_forward *f, struct reg_job *job)
{
    reg_decide(&job->before, reg_tail_look(f->o.tail), &job->command, &f->o.rules,
               job->arena);
    reg_tail_done(f->o.tail);
    job->before.events = NULL; // they borrow from the state of this moment
}

/* 503 without a word of ours: it is starting or stopping. */
static bool is_the_holder(const struct http_reply *reply)
{
    return reply->status != REG_NOT_THE_HOLDER &&
           (reply->status != 503 || http_reply_header(reply, REG_SEEN).p != NULL);
}

/* We let the client in ourselves.  The holder did not: it was not shown a certificate,
 * or a secret that must not go there; or it reads another list. */
static bool lets_in(const struct http_reply *reply)
{
    return reply->status != 401 && reply->status != 403;
}

/* Who is not the holder any more knows of the next one; we may not yet. */
static void look_for_newer(struct reg_forward *f)
{
    struct err e = {0};

    if (reg_tail_sync(f->o.tail, clock_ms() + f->o.forward_ms, &e) != ERR_OK)
        log_err(LOG_DEBUG, "no look for a newer fence", &e);
}

static void forward(struct reg_forward *f, struct http_client *client,
                    struct reg_job *job)
{
    struct http_reply reply = {0};
    struct reg_fence fence;
    struct err e = {0};
    int64_t began = clock_us();
    bool sent = false;

    reg_tail_fence(f->o.tail, &fence);
    if (queue_closed(&f->queue) || reg_forward_gave_up(f, &fence) ||
        fence.url[0] == '\0' || clock_ms() >= job->due_ms || job->doubt != REG_SURE) {
        f->o.back(f->o.to, job);
        return;
    }
    decide_before(f, job);
    if (ask(f, client, job, &fence, &reply, &sent, &e) != ERR_OK) {
        if (sent) {
            job->doubt = REG_DOUBT_ELSEWHERE;
            job->doubted = fence.offset;
        }
        reg_count_passing(REG_HOLDER_SILENT);
        give_up(f, &fence, e.msg);
        f->o.back(f->o.to, job);
        return;
    }
    note(f, clock_us() - began, false);
    if (is_the_holder(&reply) && lets_in(&reply)) {
        reg_count_passing(REG_RELAYED);
        follow(f, job, &reply);
        job->relayed(job, &reply);
    } else {
        reg_count_passing(REG_NOT_BY_HOLDER);
        give_up(f, &fence,
                lets_in(&reply) ? "it is not the holder" : "it does not let us in");
        if (lets_in(&reply))
            look_for_newer(f);
        f->o.back(f->o.to, job);
    }
    http_reply_free(&reply);
}

static void *work(void *forwarder)
{
    struct reg_forward *f = forwarder;
    struct http_client *client = f->clients[atomic_fetch_add(&f->next_client, 1)];
    struct reg_job *job;

    while ((job = queue_get(&f->queue, -1)) != NULL)
        forward(f, client, job);
    return NULL;
}

enum err_kind reg_forward_open(struct reg_forward **out,
                               const struct reg_forward_options *o, struct err *e)
{
    struct http_client_settings tls = {
        .ca_file = o->ca_file != NULL && o->ca_file[0] != '\0' ? o->ca_file : NULL};
    struct reg_forward *f = mem_alloc(sizeof *f);

    f->o = *o;
    atomic_store(&f->gave_up, -1);
    for (size_t i = 0; i < FORWARD_THREADS; i++)
        if (http_client_open(&f->clients[i], &tls, e) != ERR_OK) {
            while (i-- > 0)
                http_client_close(f->clients[i]);
            free(f);
            return e->kind;
        }
    queue_init(&f->queue, o->queue);
    for (size_t i = 0; i < FORWARD_THREADS; i++)
        if (pthread_create(&f->threads[i], NULL, work, f) != 0)
            abort(); // no threads at start: the machine is out
    *out = f;
    return ERR_OK;
}

bool reg_forward_submit(struct reg_forward *f, struct reg_job *job)
{
    return queue_try_put(&f->queue, job);
}

void reg_forward_stop(struct reg_forward *f)
{
    queue_close(&f->queue);
    for (size_t i = 0; i < FORWARD_THREADS; i++)
        pthread_join(f->threads[i], NULL);
}

void reg_forward_close(struct reg_forward *f)
{
    for (size_t i = 0; i < FORWARD_THREADS; i++)
        http_client_close(f->clients[i]);
    queue_free(&f->queue);
    free(f);
}
