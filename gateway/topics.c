#include "gateway/topics.h"

#include "base/clock.h"

#include <stdlib.h>
#include <unistd.h>

#define THERE_MS 60000
#define MISSING_MS 1000
#define CREATED_MS 100
#define CREATED_TRIES 10
#define KNOWN_MOST 10000 // names come from strangers

struct topic {
    int64_t until;      // clock_ms()
    int32_t partitions; // 0 = there is none
};

void topics_init(struct topics *t, struct kf_admin *admin, int timeout_ms)
{
    *t = (struct topics){.admin = admin, .timeout_ms = timeout_ms};
    pthread_mutex_init(&t->lock, NULL);
}

static void forget_all(struct topics *t)
{
    struct topic *topic;

    for (size_t at = 0; (topic = tab_each(&t->known, &at, NULL)) != NULL;)
        free(topic);
    tab_free(&t->known);
}

void topics_free(struct topics *t)
{
    forget_all(t);
    pthread_mutex_destroy(&t->lock);
}

static enum err_kind missing(struct span topic, struct err *e)
{
    return err_set(e, ERR_NOT_FOUND, "topic " SPAN_FMT " does not exist",
                   SPAN_ARG(topic));
}

enum err_kind topics_recall(struct topics *t, struct span topic, int32_t *partitions,
                            struct err *e)
{
    pthread_mutex_lock(&t->lock);
    const struct topic *found = tab_get(&t->known, topic);
    struct topic seen = found != NULL ? *found : (struct topic){0};
    pthread_mutex_unlock(&t->lock);

    if (seen.until <= clock_coarse_ms() + CLOCK_COARSE_MS)
        return err_set(e, ERR_UNAVAILABLE,
                       "topic " SPAN_FMT " was not asked for lately", SPAN_ARG(topic));
    *partitions = seen.partitions;
    return seen.partitions > 0 ? ERR_OK : missing(topic, e);
}

static void note(struct topics *t, struct span name, int32_t partitions)
{
    struct topic *fresh = mem_alloc(sizeof *fresh);

    *fresh =
        (struct topic){.until = clock_ms() + (partitions > 0 ? THERE_MS : MISSING_MS),
                       .partitions = partitions};
    pthread_mutex_lock(&t->lock);
    if (t->known.n >= KNOWN_MOST)
        forget_all(t);
    struct topic *before = tab_put(&t->known, name, fresh);
    pthread_mutex_unlock(&t->lock);
    free(before);
}

enum err_kind topics_ask(struct topics *t, struct span topic, int32_t *partitions,
                         struct err *e)
{
    struct err ignored = {0};
    enum err_kind rc = topics_recall(t, topic, partitions, &ignored);
    char name[256];

    if (rc != ERR_UNAVAILABLE) {
        if (rc != ERR_OK)
            *e = ignored;
        return rc;
    }
    memcpy(name, topic.p, topic.n); // ask_topic_is_legal(): at most 249
    name[topic.n] = '\0';
    rc = kf_topic_partitions(t->admin, name, partitions, t->timeout_ms, e);
    // A cluster that makes the topic says first that there is none.
    for (int i = 0; rc == ERR_NOT_FOUND && i < CREATED_TRIES; i++) {
        usleep(CREATED_MS * 1000);
        rc = kf_topic_partitions(t->admin, name, partitions, t->timeout_ms, e);
    }
    if (rc == ERR_OK || rc == ERR_NOT_FOUND)
        note(t, topic, rc == ERR_OK ? *partitions : 0);
    return rc == ERR_NOT_FOUND ? missing(topic, e) : rc;
}

bool topics_exist(struct topics *t, struct span topic)
{
    const struct kf_topic *all = NULL;
    struct arena mem = {0};
    struct err e = {0};
    bool found = false;
    size_t n = 0;

    if (kf_topics(t->admin, &mem, &all, &n, t->timeout_ms, &e) != ERR_OK)
        n = 0;
    for (size_t i = 0; i < n && !found; i++)
        found = span_eq(span_str(all[i].name), topic);
    arena_free(&mem);
    return found;
}
