/*
 * Questions asked without waiting: every callback comes, once, where it was promised.
 */
#include "avrogate/serde.h"

#include "base/clock.h"
#include "registry-fake/registry_fake.h"
#include "tests/check.h"

#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

#define SOON 20000

struct world {
    struct registry_fake *fake;
    struct avrogate_registry *registry;
    struct avrogate_error e;
};

static void open_world(struct world *w, struct avrogate_registry_options o)
{
    *w = (struct world){.fake = registry_fake_start()};
    o.size = sizeof o;
    o.urls = registry_fake_url(w->fake);
    CHECK_INT(avrogate_registry_open(&w->registry, &o, &w->e), AVROGATE_OK);
    CHECK_INT(registry_fake_add(w->fake, "t-value", "\"long\"", NULL), 1);
}

static void slow(struct world *w, int ms)
{
    registry_fake_be(
        w->fake, (struct registry_fake_mood){.how = REGISTRY_FAKE_SLOW, .ms = ms}, 0);
}

static void close_world(struct world *w)
{
    avrogate_registry_close(w->registry);
    registry_fake_stop(w->fake);
}

struct heard {
    atomic_int calls, good, bad, id, code;
    _Atomic pthread_t thread;
};

static void hear(void *arg, enum avrogate_kind kind, struct avrogate_schema *s,
                 const struct avrogate_error *e)
{
    struct heard *h = arg;

    h->thread = pthread_self();
    if (kind == AVROGATE_OK)
        h->id = avrogate_schema_id(s);
    else
        h->code = e->code;
    atomic_fetch_add(&h->good, kind == AVROGATE_OK);
    atomic_fetch_add(&h->bad, kind != AVROGATE_OK && s == NULL);
    atomic_fetch_add(&h->calls, 1);
}

static void wait_for(const struct heard *h, int calls)
{
    int64_t until = clock_ms() + SOON;

    while (h->calls < calls && clock_ms() < until)
        usleep(1000);
    CHECK_INT(h->calls, calls);
}

static void each_question_is_answered_once(void)
{
    struct world w;
    struct heard h = {0};
    const struct avrogate_done done = {hear, &h};
    struct avrogate_draft draft = {.size = sizeof draft, .text = "\"int\""};

    open_world(&w, (struct avrogate_registry_options){0});
    CHECK_INT(avrogate_registry_fd(w.registry), -1);
    CHECK_INT(avrogate_schema_by_id_async(w.registry, 1, SOON, done, &w.e),
              AVROGATE_OK);
    wait_for(&h, 1);
    CHECK_INT(h.id, 1);
    CHECK(!pthread_equal(h.thread, pthread_self()));
    CHECK_INT(
        avrogate_schema_register_async(w.registry, "t-value", &draft, SOON, done, &w.e),
        AVROGATE_OK);
    wait_for(&h, 2);
    CHECK_INT(h.id, 2);
    CHECK_INT(
        avrogate_schema_by_version_async(w.registry, "t-value", 1, SOON, done, &w.e),
        AVROGATE_OK);
    wait_for(&h, 3);
    CHECK_INT(h.id, 1);
    CHECK_INT(avrogate_schema_latest_async(w.registry, "t-value", SOON, done, &w.e),
              AVROGATE_OK);
    wait_for(&h, 4);
    CHECK_INT(h.id, 2);
    CHECK_INT(avrogate_schema_by_id_async(w.registry, 9, SOON, done, &w.e),
              AVROGATE_OK);
    wait_for(&h, 5);
    CHECK_INT(h.bad, 1);
    CHECK_INT(h.code, 40403);
    CHECK_INT(avrogate_schema_by_version_async(w.registry, "t", 0, SOON, done, &w.e),
              AVROGATE_INVALID);
    draft.text = NULL;
    CHECK_INT(
        avrogate_schema_register_async(w.registry, "t-value", &draft, SOON, done, &w.e),
        AVROGATE_INVALID);
    close_world(&w);
    CHECK_INT(h.calls, 5);
}

static void what_was_learnt_is_there_for_a_thread_that_may_not_wait(void)
{
    struct world w;
    struct heard h = {0};
    const struct avrogate_done done = {hear, &h};
    struct avrogate_serializer *s = NULL;
    struct avrogate_deserializer *d = NULL;
    struct avrogate_buffer m = {0}, json = {0};
    const struct avrogate_bytes seven = {"7", 1};

    open_world(&w, (struct avrogate_registry_options){0});
    struct avrogate_serializer_options so = {.size = sizeof so, .schema = "\"long\""};
    struct avrogate_deserializer_options o = {.size = sizeof o};
    CHECK_INT(avrogate_serializer_open(&s, w.registry, &so, &w.e), AVROGATE_OK);
    CHECK_INT(avrogate_deserializer_open(&d, w.registry, &o, &w.e), AVROGATE_OK);
    CHECK_INT(avrogate_serialize_json(s, "t", seven, 0, &m, &w.e),
              AVROGATE_UNAVAILABLE);
    CHECK_INT(avrogate_serializer_schema_async(s, "t", SOON, done, &w.e), AVROGATE_OK);
    wait_for(&h, 1);
    CHECK_INT(avrogate_serialize_json(s, "t", seven, 0, &m, &w.e), AVROGATE_OK);
    CHECK_INT(registry_fake_add(w.fake, "u", "\"int\"", NULL), 2);
    struct avrogate_message in = {.p = "\0\0\0\0\2\16", .n = 6};
    CHECK_INT(avrogate_deserialize_json(d, &in, 0, &json, &w.e), AVROGATE_UNAVAILABLE);
    CHECK_INT(avrogate_deserializer_schema_async(d, &in, SOON, done, &w.e),
              AVROGATE_OK);
    wait_for(&h, 2);
    CHECK_INT(avrogate_deserialize_json(d, &in, 0, &json, &w.e), AVROGATE_OK);
    CHECK(json.n == 1 && memcmp(json.p, "7", 1) == 0);
    in.n = 3;
    CHECK_INT(avrogate_deserializer_schema_async(d, &in, SOON, done, &w.e),
              AVROGATE_INVALID);
    avrogate_buffer_free(&m);
    avrogate_buffer_free(&json);
    avrogate_serializer_close(s);
    avrogate_deserializer_close(d);
    close_world(&w);
}

/* One thread, one slow answer, a hundred who wait for it, and one who does not. */
static void who_asks_for_the_same_shares_the_answer(void)
{
    struct world w;
    struct heard same = {0}, other = {0};

    open_world(&w, (struct avrogate_registry_options){.threads = 1});
    registry_fake_add(w.fake, "u", "\"int\"", NULL);
    slow(&w, 50);
    for (int i = 0; i < 100; i++)
        CHECK_INT(avrogate_schema_by_id_async(
                      w.registry, 1, SOON, (struct avrogate_done){hear, &same}, &w.e),
                  AVROGATE_OK);
    CHECK_INT(avrogate_schema_by_id_async(w.registry, 2, SOON,
                                          (struct avrogate_done){hear, &other}, &w.e),
              AVROGATE_OK);
    wait_for(&other, 1);
    CHECK_INT(same.good, 100);
    CHECK_INT(registry_fake_asked(w.fake), 2);
    close_world(&w);
}

static void callbacks_can_wait_for_the_callers_own_thread(void)
{
    struct world w;
    struct heard h = {0};
    const struct avrogate_done done = {hear, &h};

    open_world(&w,
               (struct avrogate_registry_options){.completions = AVROGATE_ON_DISPATCH});
    struct pollfd p = {.fd = avrogate_registry_fd(w.registry), .events = POLLIN};
    CHECK(p.fd >= 0);
    CHECK_INT(poll(&p, 1, 0), 0);
    for (int i = 1; i <= 3; i++)
        CHECK_INT(avrogate_schema_by_id_async(w.registry, i, SOON, done, &w.e),
                  AVROGATE_OK);
    while (h.calls < 3) {
        CHECK_INT(poll(&p, 1, SOON), 1);
        CHECK(avrogate_registry_dispatch(w.registry) <= 3);
    }
    CHECK(pthread_equal(h.thread, pthread_self()));
    CHECK_INT(h.good, 1);
    CHECK_INT(h.bad, 2);
    CHECK_INT(poll(&p, 1, 0), 0); // and is quiet again
    close_world(&w);
}

static void too_many_are_refused_and_the_rest_is_told_of_the_end(void)
{
    struct world w;
    struct heard h = {0};
    const struct avrogate_done done = {hear, &h};
    int accepted = 0;

    open_world(&w, (struct avrogate_registry_options){.threads = 1, .pending = 3});
    registry_fake_be(w.fake, (struct registry_fake_mood){.how = REGISTRY_FAKE_NEVER},
                     0);
    for (int i = 1; i <= 5; i++)
        accepted +=
            avrogate_schema_by_id_async(w.registry, i, 300, done, &w.e) == AVROGATE_OK;
    CHECK_INT(accepted, 3);
    CHECK_INT(w.e.kind, AVROGATE_LIMIT);
    while (registry_fake_asked(w.fake) == 0)
        usleep(1000);
    avrogate_registry_close(w.registry); // one is under way, two never get their turn
    CHECK_INT(h.calls, 3);
    CHECK_INT(h.bad, 3);
    registry_fake_stop(w.fake);
}

struct chain {
    struct avrogate_registry *r;
    atomic_int left, refused;
};

/* A callback may ask again. */
static void ask_again(void *arg, enum avrogate_kind kind, struct avrogate_schema *s,
                      const struct avrogate_error *e)
{
    struct chain *c = arg;
    struct avrogate_error why = {0};

    (void)kind, (void)s, (void)e;
    if (atomic_fetch_sub(&c->left, 1) > 1 &&
        avrogate_schema_by_id_async(c->r, 1, SOON, (struct avrogate_done){ask_again, c},
                                    &why) != AVROGATE_OK)
        atomic_fetch_add(&c->refused, 1);
}

static void a_callback_may_ask_again(void)
{
    struct world w;

    open_world(&w, (struct avrogate_registry_options){.threads = 1});
    struct chain c = {.r = w.registry, .left = 20};
    CHECK_INT(avrogate_schema_by_id_async(w.registry, 1, SOON,
                                          (struct avrogate_done){ask_again, &c}, &w.e),
              AVROGATE_OK);
    int64_t until = clock_ms() + SOON;
    while (c.left > 0 && clock_ms() < until)
        usleep(1000);
    CHECK_INT(c.left, 0);
    CHECK_INT(c.refused, 0);
    close_world(&w);
}

int main(void)
{
    RUN(each_question_is_answered_once);
    RUN(what_was_learnt_is_there_for_a_thread_that_may_not_wait);
    RUN(who_asks_for_the_same_shares_the_answer);
    RUN(callbacks_can_wait_for_the_callers_own_thread);
    RUN(too_many_are_refused_and_the_rest_is_told_of_the_end);
    RUN(a_callback_may_ask_again);
    return REPORT();
}
