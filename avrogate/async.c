/*
 * Questions asked without waiting: a queue, a few threads that ask and block, and a
 * list of callbacks to be run.  The threads are the price of libcurl's simple
 * interface below; they start with the first question and are as many as `threads`.
 *
 * Who asks for what is being asked for already joins that question: a slow answer costs
 * one thread, however many wait for it.
 */
#include "avrogate/inside.h"

#include "base/clock.h"
#include "base/tab.h"
#include "wire/guid.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum about { BY_ID, BY_VERSION, REGISTER, OF_TOPIC, OF_MESSAGE };

struct waiter {
    struct waiter *next;
    struct avrogate_done done;
};

/* One question.  All but `next`, `waiters` is fixed before it is queued. */
struct question {
    struct question *next;
    struct waiter *waiters; // under lock
    enum about about;
    char *text; // subject or topic
    int32_t version;
    struct writer writer; // BY_ID, OF_MESSAGE
    struct draft draft;   // REGISTER
    struct avrogate_serializer *serializer;
    struct avrogate_deserializer *deserializer;
    int64_t deadline_ms;
    struct span key; // what others may ask for too; empty = each for himself
};

/* A callback that has its answer. */
struct answered {
    struct answered *next;
    struct avrogate_done done;
    enum avrogate_kind kind;
    struct avrogate_schema *schema; // held
    struct avrogate_error e;
};

struct async {
    struct avrogate_registry *registry;
    size_t threads_most, pending_most;
    int fd; // eventfd, or -1: callbacks run in our threads

    pthread_mutex_t lock;
    pthread_cond_t some;
    // under lock
    pthread_t *threads;
    size_t n_threads, idle;
    struct question *first, **last; // waiting their turn
    struct tab asked;               // by key: waiting or under way
    size_t pending;                 // waiters of all of them
    struct answered *ready, **ready_last;
    bool closing;
};

struct async *async_open(struct avrogate_registry *r, size_t threads, size_t pending,
                         enum avrogate_completions where)
{
    struct async *a = mem_alloc(sizeof *a);

    a->registry = r;
    a->threads_most = threads;
    a->pending_most = pending;
    a->fd = where == AVROGATE_ON_DISPATCH ? eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK) : -1;
    pthread_mutex_init(&a->lock, NULL);
    pthread_cond_init(&a->some, NULL);
    a->threads = mem_array(threads, sizeof *a->threads);
    a->last = &a->first;
    a->ready_last = &a->ready;
    return a;
}

/* ---- answering ---- */

static void call_back(struct answered *c)
{
    c->done.call(c->done.arg, c->kind, c->schema, &c->e);
    avrogate_schema_release(c->schema);
    free(c);
}

static void wake_dispatcher(struct async *a)
{
    uint64_t one = 1;

    if (write(a->fd, &one, sizeof one) < 0)
        return; // full: then it is readable, and that is all it is for
}

static void deliver(struct async *a, struct answered *c)
{
    if (a->fd < 0) {
        call_back(c);
        return;
    }
    pthread_mutex_lock(&a->lock);
    *a->ready_last = c;
    a->ready_last = &c->next;
    pthread_mutex_unlock(&a->lock);
    wake_dispatcher(a);
}

static struct answered *answer_for(const struct waiter *w, enum err_kind kind,
                                   struct avrogate_schema *schema, const struct err *e)
{
    struct answered *c = mem_alloc(sizeof *c);

    c->done = w->done;
    c->kind = give_error(&c->e, kind, e);
    c->schema = kind == ERR_OK ? avrogate_schema_retain(schema) : NULL;
    return c;
}

static void question_free(struct question *q)
{
    free((void *)(uintptr_t)q->key.p);
    free(q->text);
    draft_free(&q->draft);
    free(q);
}

/* Ends a question: nobody can join it any more, and each waiter is told. */
static void end_question(struct async *a, struct question *q, enum err_kind kind,
                         struct avrogate_schema *schema, const struct err *e)
{
    size_t told = 0;

    pthread_mutex_lock(&a->lock);
    if (q->key.n > 0)
        tab_drop(&a->asked, q->key);
    struct waiter *w = q->waiters;
    pthread_mutex_unlock(&a->lock);
    while (w != NULL) {
        struct waiter *next = w->next;
        deliver(a, answer_for(w, kind, schema, e));
        free(w);
        w = next;
        told++;
    }
    pthread_mutex_lock(&a->lock);
    a->pending -= told;
    pthread_mutex_unlock(&a->lock);
    question_free(q);
}

/* ---- asking ---- */

static enum err_kind wrap(enum err_kind kind, struct rc_schema *s,
                          struct avrogate_schema **out)
{
    if (kind == ERR_OK)
        *out = schema_wrap(s);
    return kind;
}

static enum err_kind put_question(struct async *a, struct question *q,
                                  struct avrogate_schema **out, struct err *e)
{
    struct rc *rc = a->registry->rc;
    struct rc_schema s = {0};

    switch (q->about) {
    case BY_ID: return wrap(rc_by_id(rc, q->writer.id, q->deadline_ms, &s, e), &s, out);
    case BY_VERSION:
        return wrap(
            rc_by_version(rc, span_str(q->text), q->version, q->deadline_ms, &s, e), &s,
            out);
    case REGISTER:
        return wrap(
            rc_register(rc, span_str(q->text), &q->draft.d, q->deadline_ms, &s, e), &s,
            out);
    case OF_TOPIC:
        return serializer_find(q->serializer, q->text, q->deadline_ms, out, e);
    case OF_MESSAGE:
        return deserializer_find(q->deserializer, &q->writer, q->deadline_ms, out, e);
    }
    return err_set(e, ERR_INTERNAL, "a question about %d", (int)q->about);
}

static void put_and_end(struct async *a, struct question *q)
{
    struct avrogate_schema *schema = NULL;
    struct err e = {0};
    enum err_kind kind = put_question(a, q, &schema, &e);

    end_question(a, q, kind, schema, &e);
    avrogate_schema_release(schema);
}

static struct question *next_question(struct async *a)
{
    pthread_mutex_lock(&a->lock);
    a->idle++;
    while (a->first == NULL && !a->closing)
        pthread_cond_wait(&a->some, &a->lock);
    a->idle--;
    struct question *q = a->closing ? NULL : a->first;
    if (q != NULL && (a->first = q->next) == NULL)
        a->last = &a->first;
    pthread_mutex_unlock(&a->lock);
    return q;
}

static void *ask_all(void *arg)
{
    struct async *a = arg;
    struct question *q;

    while ((q = next_question(a)) != NULL)
        put_and_end(a, q);
    return NULL;
}

void async_close(struct async *a)
{
    static const char *const why = "the registry client is being closed";
    struct err closing = {0};
    struct answered *c;
    struct question *q;

    err_set(&closing, ERR_UNAVAILABLE, "%s", why);
    pthread_mutex_lock(&a->lock);
    a->closing = true;
    q = a->first;
    a->first = NULL;
    a->last = &a->first;
    pthread_cond_broadcast(&a->some);
    pthread_mutex_unlock(&a->lock);
    for (size_t i = 0; i < a->n_threads; i++)
        pthread_join(a->threads[i], NULL);
    while (q != NULL) {
        struct question *next = q->next;
        end_question(a, q, ERR_UNAVAILABLE, NULL, &closing);
        q = next;
    }
    while ((c = a->ready) != NULL) {
        a->ready = c->next;
        call_back(c);
    }
    if (a->fd >= 0)
        close(a->fd);
    tab_free(&a->asked);
    free(a->threads);
    pthread_cond_destroy(&a->some);
    pthread_mutex_destroy(&a->lock);
    free(a);
}

/* Under the lock.  A thread more when all are busy. */
static enum err_kind have_a_thread(struct async *a, struct err *e)
{
    if (a->idle > 0 || a->n_threads == a->threads_most)
        return ERR_OK;
    int rc = pthread_create(&a->threads[a->n_threads], NULL, ask_all, a);
    if (rc == 0)
        a->n_threads++;
    else if (a->n_threads == 0)
        return err_set(e, ERR_UNAVAILABLE, "no thread can be started: error %d", rc);
    return ERR_OK;
}

static enum err_kind accept_locked(struct async *a, struct question *q,
                                   struct question **joined, struct err *e)
{
    *joined = q->key.n > 0 ? tab_get(&a->asked, q->key) : NULL;
    if (a->closing)
        return err_set(e, ERR_UNAVAILABLE, "the registry client is being closed");
    if (a->pending >= a->pending_most)
        return err_set(e, ERR_LIMIT, "%zu questions wait already", a->pending);
    if (*joined == NULL) {
        TRY(have_a_thread(a, e));
        *a->last = q;
        a->last = &q->next;
        if (q->key.n > 0)
            tab_put(&a->asked, q->key, q);
        pthread_cond_signal(&a->some);
    }
    a->pending++;
    return ERR_OK;
}

/* Takes `q` over, also when it fails. */
static enum avrogate_kind ask(struct async *a, struct question *q,
                              struct avrogate_done done, struct avrogate_error *e)
{
    struct question *joined = NULL;
    struct err why = {0};

    pthread_mutex_lock(&a->lock);
    enum err_kind kind = accept_locked(a, q, &joined, &why);
    if (kind == ERR_OK) {
        struct question *to = joined != NULL ? joined : q;
        struct waiter *w = mem_alloc(sizeof *w);
        *w = (struct waiter){.next = to->waiters, .done = done};
        to->waiters = w;
    }
    pthread_mutex_unlock(&a->lock);
    if (kind != ERR_OK || joined != NULL)
        question_free(q);
    return give_error(e, kind, &why);
}

/* ---- the public questions ---- */

/* In time 0 nothing can be asked: then it gets the registry's patience. */
static struct question *question_new(const struct avrogate_registry *r,
                                     enum about about, int32_t timeout_ms)
{
    struct question *q = mem_alloc(sizeof *q);

    q->about = about;
    q->deadline_ms = deadline_of(r, timeout_ms == 0 ? AVROGATE_PATIENCE : timeout_ms);
    return q;
}

/* Writes the key under which others may join. */
static void joinable(struct question *q, const char *format, ...) PRINTF_LIKE(2, 3);
static void joinable(struct question *q, const char *format, ...)
{
    va_list ap;
    char *key = NULL;

    va_start(ap, format);
    int n = vasprintf(&key, format, ap);
    va_end(ap);
    if (n > 0)
        q->key = span_of(key, (size_t)n);
}

enum avrogate_kind avrogate_schema_by_id_async(struct avrogate_registry *r, int32_t id,
                                               int32_t timeout_ms,
                                               struct avrogate_done done,
                                               struct avrogate_error *e)
{
    struct question *q = question_new(r, BY_ID, timeout_ms);

    q->writer.id = id;
    joinable(q, "i%d", id);
    return ask(r->async, q, done, e);
}

static enum avrogate_kind ask_version(struct avrogate_registry *r, const char *subject,
                                      int32_t version, int32_t timeout_ms,
                                      struct avrogate_done done,
                                      struct avrogate_error *e)
{
    struct question *q = question_new(r, BY_VERSION, timeout_ms);

    q->text = mem_str(span_str(subject));
    q->version = version;
    joinable(q, "v%d %s", version, subject);
    return ask(r->async, q, done, e);
}

enum avrogate_kind avrogate_schema_latest_async(struct avrogate_registry *r,
                                                const char *subject, int32_t timeout_ms,
                                                struct avrogate_done done,
                                                struct avrogate_error *e)
{
    return ask_version(r, subject, 0, timeout_ms, done, e);
}

enum avrogate_kind avrogate_schema_by_version_async(struct avrogate_registry *r,
                                                    const char *subject,
                                                    int32_t version, int32_t timeout_ms,
                                                    struct avrogate_done done,
                                                    struct avrogate_error *e)
{
    if (version < 1)
        return avrogate_error_set(e, AVROGATE_INVALID, "version %d, wanted 1 or more",
                                  version);
    return ask_version(r, subject, version, timeout_ms, done, e);
}

enum avrogate_kind avrogate_schema_register_async(struct avrogate_registry *r,
                                                  const char *subject,
                                                  const struct avrogate_draft *draft,
                                                  int32_t timeout_ms,
                                                  struct avrogate_done done,
                                                  struct avrogate_error *e)
{
    struct question *q = question_new(r, REGISTER, timeout_ms);
    struct err why = {0};
    enum err_kind kind = take_draft(&q->draft, draft, &why);

    if (kind != ERR_OK) {
        question_free(q);
        return give_error(e, kind, &why);
    }
    q->text = mem_str(span_str(subject));
    return ask(r->async, q, done, e);
}

enum avrogate_kind avrogate_serializer_schema_async(struct avrogate_serializer *s,
                                                    const char *topic,
                                                    int32_t timeout_ms,
                                                    struct avrogate_done done,
                                                    struct avrogate_error *e)
{
    struct avrogate_registry *r = serializer_registry(s);
    struct question *q = question_new(r, OF_TOPIC, timeout_ms);

    q->serializer = s;
    q->text = topic != NULL ? mem_str(span_str(topic)) : NULL;
    joinable(q, "s%p %s", (void *)s, topic != NULL ? topic : "");
    return ask(r->async, q, done, e);
}

enum avrogate_kind avrogate_deserializer_schema_async(struct avrogate_deserializer *d,
                                                      const struct avrogate_message *m,
                                                      int32_t timeout_ms,
                                                      struct avrogate_done done,
                                                      struct avrogate_error *e)
{
    struct avrogate_registry *r = deserializer_registry(d);
    struct question *q = question_new(r, OF_MESSAGE, timeout_ms);
    struct err why = {0};
    struct span body;
    char text[GUID_TEXT];
    enum err_kind kind = writer_read(&q->writer, &body, m, &why);

    if (kind != ERR_OK) {
        question_free(q);
        return give_error(e, kind, &why);
    }
    q->deserializer = d;
    guid_print(text, q->writer.guid);
    joinable(q, "d%p %d %s", (void *)d, q->writer.id, text);
    return ask(r->async, q, done, e);
}

int avrogate_registry_fd(const struct avrogate_registry *r)
{
    return r->async->fd;
}

size_t avrogate_registry_dispatch(struct avrogate_registry *r)
{
    struct async *a = r->async;
    struct answered *c;
    uint64_t count;
    size_t n = 0;

    if (a->fd < 0)
        return 0;
    if (read(a->fd, &count, sizeof count) < 0)
        count = 0; // nothing new; what is ready is run all the same
    pthread_mutex_lock(&a->lock);
    c = a->ready;
    a->ready = NULL;
    a->ready_last = &a->ready;
    pthread_mutex_unlock(&a->lock);
    for (; c != NULL; n++) {
        struct answered *next = c->next;
        call_back(c);
        c = next;
    }
    return n;
}
