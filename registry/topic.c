#include "registry/topic.h"

#include "base/clock.h"
#include "base/log.h"

#include <stdlib.h>
#include <time.h>

#define ASK_AGAIN_MS 100

/* Three copies of which two must have a record; where the cluster is too small and the
 * user said so, as many as there are.  The brokers stamp the records: from an instance
 * whose clock is an hour ahead they would take none. */
static enum err_kind create(struct kf_admin *a, const struct reg_topic_wish *w,
                            struct err *e)
{
    struct conf_pair rows[] = {{"cleanup.policy", "compact", false},
                               {"message.timestamp.type", "LogAppendTime", false},
                               {"min.insync.replicas", "2", false}};
    struct conf_pairs safe = {.items = rows, .n = 3}, compact = {.items = rows, .n = 2};
    enum err_kind rc = kf_topic_create(a, w->topic, 1, 3, &safe, w->timeout_ms, e);

    if (rc != ERR_OK && rc != ERR_UNAVAILABLE && w->allow_unsafe)
        rc = kf_topic_create(a, w->topic, 1, 0, &compact, w->timeout_ms, e);
    if (rc == ERR_OK) {
        log_event(LOG_INFO, "topic created", LOG_S("topic", w->topic), LOG_END);
        return ERR_OK;
    }
    if (rc == ERR_UNAVAILABLE || w->allow_unsafe)
        return err_prefix(e, "topic %s cannot be created", w->topic);
    struct err why = *e;
    return err_set(
        e, ERR_CONFLICT,
        "topic %s cannot have 3 replicas here; with fewer than 3 brokers start "
        "with --allow-unsafe (%.100s)",
        w->topic, why.msg);
}

static enum err_kind find(struct kf_admin *a, const struct reg_topic_wish *w,
                          int32_t *n, struct err *e)
{
    enum err_kind rc = kf_topic_partitions(a, w->topic, n, w->timeout_ms, e);

    if (rc != ERR_NOT_FOUND)
        return rc;
    TRY(create(a, w, e));
    return kf_topic_partitions(a, w->topic, n, w->timeout_ms, e);
}

static enum err_kind check_policy(struct kf_admin *a, const struct reg_topic_wish *w,
                                  struct arena *mem, struct err *e)
{
    struct span policy = {0};
    enum err_kind rc =
        kf_topic_setting(a, w->topic, "cleanup.policy", mem, &policy, w->timeout_ms, e);

    if (rc != ERR_OK)
        return err_prefix(e, "cleanup.policy of topic %s", w->topic);
    if (!span_eq(policy, span_str("compact")))
        return err_set(e, ERR_CONFLICT,
                       "topic %s has cleanup.policy=" SPAN_FMT
                       ": schemas would be deleted. Set it to compact (kafka-configs "
                       "--alter --topic %s --add-config cleanup.policy=compact)",
                       w->topic, SPAN_ARG(policy), w->topic);
    return ERR_OK;
}

static enum err_kind check_in_sync(struct kf_admin *a, const struct reg_topic_wish *w,
                                   struct arena *mem, struct err *e)
{
    struct span text = {0};

    TRY(kf_topic_setting(a, w->topic, "min.insync.replicas", mem, &text, w->timeout_ms,
                         e));
    if (atoi(arena_str(mem, text)) < 2)
        return err_set(e, ERR_CONFLICT, "min.insync.replicas is " SPAN_FMT ", wanted 2",
                       SPAN_ARG(text));
    return ERR_OK;
}

static enum err_kind check_replicas(struct kf_admin *a, const struct reg_topic_wish *w,
                                    struct err *e)
{
    int32_t n = 0;

    TRY(kf_topic_replicas(a, w->topic, &n, w->timeout_ms, e));
    if (n < 3)
        return err_set(e, ERR_CONFLICT, "it has %d replica%s, wanted 3", (int)n,
                       n == 1 ? "" : "s");
    return ERR_OK;
}

/* What an acknowledged schema survives. */
static enum err_kind check_safety(struct kf_admin *a, const struct reg_topic_wish *w,
                                  struct arena *mem, struct err *e)
{
    enum err_kind rc = check_replicas(a, w, e);

    if (rc == ERR_OK)
        rc = check_in_sync(a, w, mem, e);
    if (rc != ERR_CONFLICT)
        return rc;
    if (w->allow_unsafe) {
        log_event(LOG_WARN, "schemas may be lost with a broker",
                  LOG_S("topic", w->topic), LOG_S("why", e->msg), LOG_END);
        return ERR_OK;
    }
    struct err why = *e;
    return err_set(e, ERR_CONFLICT,
                   "topic %s can lose what was acknowledged: %.60s. Raise it, or start "
                   "with --allow-unsafe (one broker on a developer's machine)",
                   w->topic, why.msg);
}

static enum err_kind check_settings(struct kf_admin *a, const struct reg_topic_wish *w,
                                    struct err *e)
{
    struct arena mem = {0};
    enum err_kind rc = check_policy(a, w, &mem, e);

    if (rc == ERR_OK)
        rc = check_safety(a, w, &mem, e);
    arena_free(&mem);
    return rc;
}

static enum err_kind prepare_once(struct kf_admin *a, const struct reg_topic_wish *w,
                                  struct err *e)
{
    int32_t n = 0;

    TRY(find(a, w, &n, e));
    if (n != 1)
        return err_set(e, ERR_CONFLICT,
                       "topic %s has %d partitions, wanted 1: there is no order among "
                       "several. Name another one with --topic",
                       w->topic, (int)n);
    return w->may_be_untold ? ERR_OK : check_settings(a, w, e);
}

/* Brokers hear of a new topic one after the other: what one of them has told, the next
 * may not know of yet.  So "there is none", at whatever step, is asked again. */
enum err_kind reg_topic_prepare(struct kf_admin *a, const struct reg_topic_wish *w,
                                struct err *e)
{
    static const struct timespec pause = {.tv_nsec = ASK_AGAIN_MS * 1000000L};
    int64_t due_ms = clock_ms() + w->timeout_ms;
    struct reg_topic_wish left = *w;

    for (;;) {
        enum err_kind rc = prepare_once(a, &left, e);

        left.timeout_ms = (int)(due_ms - clock_ms());
        if ((rc != ERR_NOT_FOUND && rc != ERR_UNAVAILABLE) ||
            left.timeout_ms <= ASK_AGAIN_MS)
            return rc;
        nanosleep(&pause, NULL);
        left.timeout_ms -= ASK_AGAIN_MS;
        *e = (struct err){0};
    }
}
