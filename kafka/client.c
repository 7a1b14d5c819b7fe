#include "kafka/client_inside.h"

#include "base/clock.h"
#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define REPLICAS_MAX 3
#define LOOK_MS 20

struct kf_admin {
    struct kf_voice voice; // first: it is librdkafka's opaque
    rd_kafka_t *rk;
};

enum err_kind kf_admin_open(struct kf_admin **out, const char *bootstrap,
                            const struct conf_pairs *properties, struct err *e)
{
    struct kf_admin *a = mem_alloc(sizeof *a);
    rd_kafka_conf_t *conf = NULL;

    kf_voice_init(&a->voice);
    enum err_kind rc =
        kf_conf_make(&conf, KF_ADMIN, bootstrap, properties, &a->voice, e);
    if (rc == ERR_OK)
        rc = kf_new(&a->rk, RD_KAFKA_PRODUCER, conf, e);
    if (rc != ERR_OK) {
        kf_admin_close(a);
        return rc;
    }
    *out = a;
    return ERR_OK;
}

void kf_admin_close(struct kf_admin *a)
{
    if (a->rk != NULL)
        rd_kafka_destroy(a->rk);
    kf_voice_free(&a->voice);
    free(a);
}

enum err_kind kf_ping(struct kf_admin *a, int timeout_ms, struct err *e)
{
    const rd_kafka_metadata_t *md = NULL;
    rd_kafka_resp_err_t code = rd_kafka_metadata(a->rk, 0, NULL, &md, timeout_ms);

    if (code != RD_KAFKA_RESP_ERR_NO_ERROR)
        return kf_fail_heard(e, &a->voice, code, "asking Kafka who is there");
    rd_kafka_metadata_destroy(md);
    return ERR_OK;
}

/* What the cluster says about one topic, or about all when it is NULL. */
static enum err_kind ask(struct kf_admin *a, const char *topic,
                         const rd_kafka_metadata_t **out, int timeout_ms, struct err *e)
{
    rd_kafka_topic_t *rkt =
        topic == NULL ? NULL : rd_kafka_topic_new(a->rk, topic, NULL);
    if (topic != NULL && rkt == NULL)
        return kf_fail(e, rd_kafka_last_error(), "topic \"%s\"", topic);

    rd_kafka_resp_err_t code =
        rd_kafka_metadata(a->rk, topic == NULL, rkt, out, timeout_ms);
    if (rkt != NULL)
        rd_kafka_topic_destroy(rkt);
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR)
        return kf_fail_heard(e, &a->voice, code, "asking Kafka about its topics");
    return ERR_OK;
}

static enum err_kind partitions_in(const rd_kafka_metadata_t *md, const char *topic,
                                   int32_t *n, struct err *e)
{
    rd_kafka_resp_err_t code = md->topic_cnt == 1
                                   ? md->topics[0].err
                                   : RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART;
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR)
        return kf_fail(e, code, "topic %s", topic);
    *n = md->topics[0].partition_cnt;
    return ERR_OK;
}

enum err_kind kf_topic_partitions(struct kf_admin *a, const char *topic, int32_t *n,
                                  int timeout_ms, struct err *e)
{
    const rd_kafka_metadata_t *md = NULL;

    TRY(ask(a, topic, &md, timeout_ms, e));
    enum err_kind rc = partitions_in(md, topic, n, e);
    rd_kafka_metadata_destroy(md);
    return rc;
}

enum err_kind kf_topic_replicas(struct kf_admin *a, const char *topic, int32_t *n,
                                int timeout_ms, struct err *e)
{
    const rd_kafka_metadata_t *md = NULL;
    int32_t partitions = 0;

    TRY(ask(a, topic, &md, timeout_ms, e));
    enum err_kind rc = partitions_in(md, topic, &partitions, e);
    if (rc == ERR_OK)
        *n = partitions > 0 ? md->topics[0].partitions[0].replica_cnt : 0;
    rd_kafka_metadata_destroy(md);
    return rc;
}

enum err_kind kf_topics(struct kf_admin *a, struct arena *mem,
                        const struct kf_topic **out, size_t *n, int timeout_ms,
                        struct err *e)
{
    const rd_kafka_metadata_t *md = NULL;

    TRY(ask(a, NULL, &md, timeout_ms, e));
    struct kf_topic *all = arena_array(mem, (size_t)md->topic_cnt + 1, sizeof *all);
    size_t m = 0;
    for (int i = 0; i < md->topic_cnt; i++) {
        const rd_kafka_metadata_topic_t *t = &md->topics[i];

        if (t->err != RD_KAFKA_RESP_ERR_NO_ERROR)
            continue; // being deleted, or not ours to see
        all[m++] = (struct kf_topic){
            .name = arena_str(mem, span_str(t->topic)),
            .partitions = t->partition_cnt,
            // The flag of the protocol does not come through librdkafka 2.0.2.
            .internal = strncmp(t->topic, "__", 2) == 0,
        };
    }
    rd_kafka_metadata_destroy(md);
    *out = all;
    *n = m;
    return ERR_OK;
}

/* One admin request about a topic and its answer; its queue and options die here. */
struct request {
    struct kf_admin *admin;
    const char *doing, *topic; // "creating": for the messages
    rd_kafka_queue_t *queue;
    rd_kafka_AdminOptions_t *options;
    rd_kafka_event_t *answer;
};

static struct request request_open(struct kf_admin *a, rd_kafka_admin_op_t op,
                                   const char *doing, const char *topic, int timeout_ms)
{
    char words[120];
    struct request r = {.admin = a,
                        .doing = doing,
                        .topic = topic,
                        .queue = rd_kafka_queue_new(a->rk),
                        .options = rd_kafka_AdminOptions_new(a->rk, op)};

    // Out of range each keeps its default; request_wait() has the deadline all the
    // same.  A request that changes nothing has but the first.
    (void)rd_kafka_AdminOptions_set_request_timeout(r.options, timeout_ms, words,
                                                    sizeof words);
    (void)rd_kafka_AdminOptions_set_operation_timeout(r.options, timeout_ms, words,
                                                      sizeof words);
    return r;
}

static enum err_kind request_wait(struct request *r, int timeout_ms, struct err *e)
{
    r->answer = rd_kafka_queue_poll(r->queue, timeout_ms + 100);
    rd_kafka_resp_err_t code = r->answer == NULL ? RD_KAFKA_RESP_ERR__TIMED_OUT
                                                 : rd_kafka_event_error(r->answer);
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR)
        return kf_fail_heard(e, &r->admin->voice, code, "%s topic %s", r->doing,
                             r->topic);
    return ERR_OK;
}

static void request_free(struct request *r)
{
    if (r->answer != NULL)
        rd_kafka_event_destroy(r->answer);
    rd_kafka_AdminOptions_destroy(r->options);
    rd_kafka_queue_destroy(r->queue);
}

/* What the answer says of the topic; `already`: somebody else was quicker.  The topic's
 * own words are the broker's, and say more than the code. */
static enum err_kind changed(const struct request *r,
                             const rd_kafka_topic_result_t **topics, size_t n,
                             rd_kafka_resp_err_t already, struct err *e)
{
    if (n != 1)
        return err_set(e, ERR_UNAVAILABLE, "%s topic %s: no answer about it", r->doing,
                       r->topic);
    rd_kafka_resp_err_t code = rd_kafka_topic_result_error(topics[0]);
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR || code == already)
        return ERR_OK;
    const char *words = rd_kafka_topic_result_error_string(topics[0]);
    return err_set(e, kf_kind(code), "%s topic %s: %s: %s", r->doing, r->topic,
                   rd_kafka_err2name(code), words ? words : rd_kafka_err2str(code));
}

static enum err_kind created(const struct request *r, struct err *e)
{
    size_t n = 0;
    const rd_kafka_topic_result_t **topics = rd_kafka_CreateTopics_result_topics(
        rd_kafka_event_CreateTopics_result(r->answer), &n);

    return changed(r, topics, n, RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS, e);
}

static enum err_kind create(struct kf_admin *a, rd_kafka_NewTopic_t *t,
                            const char *topic, int timeout_ms, struct err *e)
{
    struct request r =
        request_open(a, RD_KAFKA_ADMIN_OP_CREATETOPICS, "creating", topic, timeout_ms);

    rd_kafka_CreateTopics(a->rk, &t, 1, r.options, r.queue);
    enum err_kind rc = request_wait(&r, timeout_ms, e);
    if (rc == ERR_OK)
        rc = created(&r, e);
    request_free(&r);
    return rc;
}

static enum err_kind describe_new(rd_kafka_NewTopic_t **out, const char *topic,
                                  int32_t partitions, int replication,
                                  const struct conf_pairs *config, struct err *e)
{
    char words[160];
    rd_kafka_NewTopic_t *t =
        rd_kafka_NewTopic_new(topic, partitions, replication, words, sizeof words);

    if (t == NULL)
        return err_set(e, ERR_INVALID, "topic \"%s\": %s", topic, words);
    for (size_t i = 0; config != NULL && i < config->n; i++) {
        const struct conf_pair *p = &config->items[i];
        rd_kafka_resp_err_t code = rd_kafka_NewTopic_set_config(t, p->name, p->value);

        if (code != RD_KAFKA_RESP_ERR_NO_ERROR) {
            rd_kafka_NewTopic_destroy(t);
            return kf_fail(e, code, "topic %s, setting \"%s\"", topic, p->name);
        }
    }
    *out = t;
    return ERR_OK;
}

static enum err_kind count_brokers(struct kf_admin *a, int *n, int timeout_ms,
                                   struct err *e)
{
    const rd_kafka_metadata_t *md = NULL;

    TRY(ask(a, NULL, &md, timeout_ms, e));
    *n = md->broker_cnt;
    rd_kafka_metadata_destroy(md);
    return ERR_OK;
}

static int left_of(int64_t deadline_ms)
{
    int64_t left = deadline_ms - clock_ms();
    return left > 1 ? (int)left : 1;
}

/* The controller has it done; the brokers hear of it a little later. */
static enum err_kind wait_until(struct kf_admin *a, const char *topic,
                                enum err_kind said, int64_t deadline_ms, struct err *e)
{
    static const struct timespec pause = {.tv_nsec = LOOK_MS * 1000000L};

    for (;;) {
        int32_t n;
        enum err_kind rc = kf_topic_partitions(a, topic, &n, left_of(deadline_ms), e);

        if (rc == said || clock_ms() >= deadline_ms)
            return rc;
        if (rc != ERR_OK && rc != ERR_NOT_FOUND && rc != ERR_UNAVAILABLE)
            return rc;
        nanosleep(&pause, NULL);
    }
}

enum err_kind kf_topic_create(struct kf_admin *a, const char *topic, int32_t partitions,
                              int16_t replication, const struct conf_pairs *config,
                              int timeout_ms, struct err *e)
{
    int64_t deadline_ms = clock_ms() + timeout_ms;
    struct err absent = {0};
    int32_t n;

    // Looking first lets those in who may use the topic but not create any.
    enum err_kind rc = kf_topic_partitions(a, topic, &n, timeout_ms, &absent);
    if (rc == ERR_OK)
        return ERR_OK;
    if (rc != ERR_NOT_FOUND) {
        *e = absent;
        return rc;
    }

    int copies = replication;
    if (copies == 0) {
        TRY(count_brokers(a, &copies, left_of(deadline_ms), e));
        copies = copies > REPLICAS_MAX ? REPLICAS_MAX : copies;
    }
    rd_kafka_NewTopic_t *t = NULL;
    TRY(describe_new(&t, topic, partitions, copies, config, e));
    rc = create(a, t, topic, left_of(deadline_ms), e);
    rd_kafka_NewTopic_destroy(t);
    if (rc != ERR_OK)
        return rc;
    return wait_until(a, topic, ERR_OK, deadline_ms, e);
}

static enum err_kind deleted(const struct request *r, struct err *e)
{
    size_t n = 0;
    const rd_kafka_topic_result_t **topics = rd_kafka_DeleteTopics_result_topics(
        rd_kafka_event_DeleteTopics_result(r->answer), &n);

    return changed(r, topics, n, RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART, e);
}

static enum err_kind drop(struct kf_admin *a, const char *topic, int timeout_ms,
                          struct err *e)
{
    rd_kafka_DeleteTopic_t *t = rd_kafka_DeleteTopic_new(topic);
    struct request r =
        request_open(a, RD_KAFKA_ADMIN_OP_DELETETOPICS, "deleting", topic, timeout_ms);

    rd_kafka_DeleteTopics(a->rk, &t, 1, r.options, r.queue);
    enum err_kind rc = request_wait(&r, timeout_ms, e);
    if (rc == ERR_OK)
        rc = deleted(&r, e);
    request_free(&r);
    rd_kafka_DeleteTopic_destroy(t);
    return rc;
}

enum err_kind kf_topic_delete(struct kf_admin *a, const char *topic, int timeout_ms,
                              struct err *e)
{
    int64_t deadline_ms = clock_ms() + timeout_ms;
    struct err why = {0};

    TRY(drop(a, topic, timeout_ms, e));
    enum err_kind rc = wait_until(a, topic, ERR_NOT_FOUND, deadline_ms, &why);
    if (rc == ERR_NOT_FOUND)
        return ERR_OK;
    if (rc == ERR_OK)
        return err_set(e, ERR_UNAVAILABLE, "topic %s is still being deleted", topic);
    *e = why;
    return rc;
}

enum err_kind kf_group_members(struct kf_admin *a, const char *group, int *n,
                               int timeout_ms, struct err *e)
{
    const struct rd_kafka_group_list *list = NULL;
    rd_kafka_resp_err_t code = rd_kafka_list_groups(a->rk, group, &list, timeout_ms);

    if (code != RD_KAFKA_RESP_ERR_NO_ERROR)
        return kf_fail_heard(e, &a->voice, code, "asking who is in group %s", group);
    *n = 0;
    for (int i = 0; i < list->group_cnt; i++)
        *n += list->groups[i].member_cnt;
    rd_kafka_group_list_destroy(list);
    return ERR_OK;
}

/* The settings in an answer about one topic; they live as long as the answer. */
static enum err_kind take_entries(const rd_kafka_event_t *answer, const char *topic,
                                  const rd_kafka_ConfigEntry_t ***entries, size_t *m,
                                  struct err *e)
{
    size_t n = 0;
    const rd_kafka_DescribeConfigs_result_t *result =
        rd_kafka_event_DescribeConfigs_result((rd_kafka_event_t *)(uintptr_t)answer);
    const rd_kafka_ConfigResource_t **resources =
        rd_kafka_DescribeConfigs_result_resources(result, &n);

    if (n != 1)
        return err_set(e, ERR_UNAVAILABLE, "settings of topic %s: no answer", topic);
    rd_kafka_resp_err_t code = rd_kafka_ConfigResource_error(resources[0]);
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR)
        return kf_fail(e, code, "settings of topic %s", topic);

    *entries = rd_kafka_ConfigResource_configs(resources[0], m);
    return ERR_OK;
}

enum err_kind kf_watermarks(rd_kafka_t *rk, struct kf_voice *v, const char *topic,
                            int32_t partition, int64_t *low, int64_t *high,
                            int timeout_ms, struct err *e)
{
    int64_t first, next;
    rd_kafka_resp_err_t code = rd_kafka_query_watermark_offsets(
        rk, topic, partition, &first, &next, timeout_ms);

    if (code != RD_KAFKA_RESP_ERR_NO_ERROR)
        return kf_fail_heard(e, v, code, "offsets of %s/%d", topic, (int)partition);
    *low = first;
    *high = next;
    return ERR_OK;
}

enum err_kind kf_offsets(struct kf_admin *a, const char *topic, int32_t partition,
                         int64_t *low, int64_t *high, int timeout_ms, struct err *e)
{
    return kf_watermarks(a->rk, &a->voice, topic, partition, low, high, timeout_ms, e);
}

enum err_kind kf_offset_at(struct kf_admin *a, const char *topic, int32_t partition,
                           int64_t ms, int64_t *offset, int timeout_ms, struct err *e)
{
    rd_kafka_topic_partition_list_t *l = rd_kafka_topic_partition_list_new(1);
    int64_t low;

    rd_kafka_topic_partition_list_add(l, topic, partition)->offset = ms;
    rd_kafka_resp_err_t code = rd_kafka_offsets_for_times(a->rk, l, timeout_ms);
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR)
        code = l->elems[0].err;
    int64_t found = l->elems[0].offset;
    rd_kafka_topic_partition_list_destroy(l);
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR)
        return kf_fail_heard(e, &a->voice, code, "offsets of %s/%d", topic,
                             (int)partition);
    if (found < 0) // RD_KAFKA_OFFSET_END: nothing so young
        return kf_offsets(a, topic, partition, &low, offset, timeout_ms, e);
    *offset = found;
    return ERR_OK;
}

enum err_kind kf_cluster_id(struct kf_admin *a, struct arena *mem, struct span *id,
                            int timeout_ms, struct err *e)
{
    char *text = rd_kafka_clusterid(a->rk, timeout_ms);
    if (text == NULL)
        return kf_fail_heard(e, &a->voice, RD_KAFKA_RESP_ERR__TIMED_OUT,
                             "asking Kafka who it is");

    *id = arena_copy(mem, span_str(text));
    rd_kafka_mem_free(a->rk, text);
    return ERR_OK;
}

enum err_kind kf_brokers(struct kf_admin *a, struct arena *mem,
                         const struct kf_broker **out, size_t *n, int32_t *controller,
                         int timeout_ms, struct err *e)
{
    int64_t deadline_ms = clock_ms() + timeout_ms;
    const rd_kafka_metadata_t *md = NULL;

    TRY(ask(a, NULL, &md, timeout_ms, e));
    struct kf_broker *all = arena_array(mem, (size_t)md->broker_cnt + 1, sizeof *all);
    for (int i = 0; i < md->broker_cnt; i++)
        all[i] =
            (struct kf_broker){.id = md->brokers[i].id,
                               .host = arena_str(mem, span_str(md->brokers[i].host)),
                               .port = md->brokers[i].port};
    *out = all;
    *n = (size_t)md->broker_cnt;
    rd_kafka_metadata_destroy(md);
    *controller = rd_kafka_controllerid(a->rk, left_of(deadline_ms));
    return ERR_OK;
}

static const int32_t *copy_ids(struct arena *mem, const int32_t *ids, int n)
{
    int32_t *copy = arena_array(mem, (size_t)n + 1, sizeof *copy);

    if (n > 0)
        memcpy(copy, ids, (size_t)n * sizeof *copy);
    return copy;
}

static int by_id(const void *a, const void *b)
{
    const struct kf_partition *p = a, *q = b;

    return (p->id > q->id) - (p->id < q->id);
}

static const struct kf_partition *copy_partitions(struct arena *mem,
                                                  const rd_kafka_metadata_topic_t *t)
{
    struct kf_partition *all =
        arena_array(mem, (size_t)t->partition_cnt + 1, sizeof *all);

    for (int i = 0; i < t->partition_cnt; i++) {
        const rd_kafka_metadata_partition_t *p = &t->partitions[i];
        all[i] = (struct kf_partition){
            .id = p->id,
            .leader = p->leader,
            .copies = copy_ids(mem, p->replicas, p->replica_cnt),
            .in_sync = copy_ids(mem, p->isrs, p->isr_cnt),
            .n_copies = (size_t)p->replica_cnt,
            .n_in_sync = (size_t)p->isr_cnt,
        };
    }
    qsort(all, (size_t)t->partition_cnt, sizeof *all, by_id);
    return all;
}

enum err_kind kf_topic_shapes(struct kf_admin *a, struct arena *mem,
                              const struct kf_topic_shape **out, size_t *n,
                              int timeout_ms, struct err *e)
{
    const rd_kafka_metadata_t *md = NULL;
    size_t m = 0;

    TRY(ask(a, NULL, &md, timeout_ms, e));
    struct kf_topic_shape *all =
        arena_array(mem, (size_t)md->topic_cnt + 1, sizeof *all);
    for (int i = 0; i < md->topic_cnt; i++) {
        const rd_kafka_metadata_topic_t *t = &md->topics[i];

        if (t->err != RD_KAFKA_RESP_ERR_NO_ERROR)
            continue; // as in kf_topics()
        all[m++] = (struct kf_topic_shape){
            .name = arena_str(mem, span_str(t->topic)),
            .internal = strncmp(t->topic, "__", 2) == 0,
            .partitions = copy_partitions(mem, t),
            .n = (size_t)t->partition_cnt,
        };
    }
    rd_kafka_metadata_destroy(md);
    *out = all;
    *n = m;
    return ERR_OK;
}

static enum err_kind copy_settings(const rd_kafka_event_t *answer, const char *topic,
                                   struct arena *mem, struct conf_pairs *out,
                                   struct err *e)
{
    const rd_kafka_ConfigEntry_t **entries = NULL;
    size_t m = 0, kept = 0;

    TRY(take_entries(answer, topic, &entries, &m, e));
    struct conf_pair *all = arena_array(mem, m + 1, sizeof *all);
    for (size_t i = 0; i < m; i++) {
        const char *text = rd_kafka_ConfigEntry_value(entries[i]);

        if (text != NULL) // a secret has none
            all[kept++] = (struct conf_pair){
                .name = arena_str(mem, span_str(rd_kafka_ConfigEntry_name(entries[i]))),
                .value = arena_str(mem, span_str(text))};
    }
    *out = (struct conf_pairs){.items = all, .n = kept};
    return ERR_OK;
}

enum err_kind kf_topic_settings(struct kf_admin *a, const char *topic,
                                struct arena *mem, struct conf_pairs *out,
                                int timeout_ms, struct err *e)
{
    rd_kafka_ConfigResource_t *about =
        rd_kafka_ConfigResource_new(RD_KAFKA_RESOURCE_TOPIC, topic);
    if (about == NULL)
        return err_set(e, ERR_INVALID, "\"%s\" is no name of a topic", topic);

    struct request r = request_open(a, RD_KAFKA_ADMIN_OP_DESCRIBECONFIGS, "settings of",
                                    topic, timeout_ms);
    rd_kafka_DescribeConfigs(a->rk, &about, 1, r.options, r.queue);
    enum err_kind rc = request_wait(&r, timeout_ms, e);
    if (rc == ERR_OK)
        rc = copy_settings(r.answer, topic, mem, out, e);
    request_free(&r);
    rd_kafka_ConfigResource_destroy(about);
    return rc;
}

enum err_kind kf_topic_setting(struct kf_admin *a, const char *topic, const char *name,
                               struct arena *mem, struct span *value, int timeout_ms,
                               struct err *e)
{
    struct conf_pairs all = {0};

    TRY(kf_topic_settings(a, topic, mem, &all, timeout_ms, e));
    for (size_t i = 0; i < all.n; i++)
        if (strcmp(all.items[i].name, name) == 0) {
            *value = span_str(all.items[i].value);
            return ERR_OK;
        }
    return err_set(e, ERR_NOT_FOUND, "topic %s has no setting %s", topic, name);
}
