#include "kafka/handle.h"

#include "base/clock.h"

#include <stdlib.h>

#define STICK_US 10000  // as librdkafka's sticky.partitioning.linger.ms
#define KEEP_US 1000000 // unused for longer, a handle is made again: topics come and go

void kf_handles_init(struct kf_handles *all)
{
    *all = (struct kf_handles){0};
    pthread_mutex_init(&all->lock, NULL);
}

static void let_go(struct kf_handle *h)
{
    if (h->rkt != NULL)
        rd_kafka_topic_destroy(h->rkt);
    h->rkt = NULL;
    h->doubted = false;
    atomic_store(&h->until_us, 0);
}

void kf_handles_free(struct kf_handles *all)
{
    struct kf_handle *h;

    for (size_t at = 0; (h = tab_each(&all->known, &at, NULL)) != NULL;) {
        let_go(h);
        free(h);
    }
    tab_free(&all->known);
    pthread_mutex_destroy(&all->lock);
}

/* By librdkafka's own rule: one partition for a while, if it has a leader.  On whatever
 * thread sends, or on one of librdkafka's for what was sent before the topic was known.
 */
static int32_t choose(const rd_kafka_topic_t *rkt, const void *key, size_t key_n,
                      int32_t partitions, void *handle, void *record)
{
    struct kf_handle *h = handle;

    (void)record;
    if (key != NULL || h == NULL)
        return rd_kafka_msg_partitioner_murmur2_random(rkt, key, key_n, partitions,
                                                       NULL, NULL);
    int64_t now_us = clock_us();
    int32_t chosen = kf_handle_partition(h, now_us);
    if (chosen >= 0 && chosen < partitions &&
        rd_kafka_topic_partition_available(rkt, chosen))
        return chosen;
    chosen = rd_kafka_msg_partitioner_random(rkt, NULL, 0, partitions, NULL, NULL);
    atomic_store_explicit(&h->partition, chosen, memory_order_relaxed);
    atomic_store_explicit(&h->until_us, now_us + STICK_US, memory_order_release);
    return chosen;
}

int32_t kf_handle_partition(struct kf_handle *h, int64_t now_us)
{
    if (now_us >= atomic_load_explicit(&h->until_us, memory_order_acquire))
        return RD_KAFKA_PARTITION_UA;
    return atomic_load_explicit(&h->partition, memory_order_relaxed);
}

void kf_handles_install(rd_kafka_conf_t *conf, const struct conf_pairs *properties)
{
    rd_kafka_topic_conf_t *topics = rd_kafka_conf_get_default_topic_conf(conf);

    for (size_t i = 0; properties != NULL && i < properties->n; i++)
        if (strcmp(properties->items[i].name, "partitioner") == 0 ||
            strcmp(properties->items[i].name, "sticky.partitioning.linger.ms") == 0)
            return;
    if (topics == NULL || rd_kafka_conf_set(conf, "sticky.partitioning.linger.ms", "0",
                                            NULL, 0) != RD_KAFKA_CONF_OK)
        return; // else librdkafka would not ask us about records without a key
    rd_kafka_topic_conf_set_partitioner_cb(topics, choose);
}

/* The handle as it will be known to choose(). */
static rd_kafka_topic_t *ask_for(rd_kafka_t *rk, struct kf_handle *h)
{
    rd_kafka_topic_conf_t *conf = rd_kafka_default_topic_conf_dup(rk);

    rd_kafka_topic_conf_set_opaque(conf, h);
    return rd_kafka_topic_new(rk, h->name, conf);
}

static struct kf_handle *find_or_make(struct kf_handles *all, struct span name)
{
    struct kf_handle *h = tab_get(&all->known, name);

    if (h == NULL) {
        h = mem_alloc(sizeof *h + name.n + 1);
        memcpy(h->name, name.p, name.n);
        tab_put(&all->known, name, h);
    }
    return h;
}

struct kf_handle *kf_handle_take(struct kf_handles *all, rd_kafka_t *rk,
                                 const char *topic, int64_t now_us)
{
    pthread_mutex_lock(&all->lock);
    struct kf_handle *h = find_or_make(all, span_str(topic));
    if (h->users == 0 && (h->doubted || now_us - h->used_us > KEEP_US))
        let_go(h);
    if (h->rkt == NULL)
        h->rkt = ask_for(rk, h);
    h->users += h->rkt != NULL;
    h->used_us = now_us;
    bool there = h->rkt != NULL;
    pthread_mutex_unlock(&all->lock);
    return there ? h : NULL;
}

void kf_handle_give(struct kf_handles *all, struct kf_handle *h)
{
    pthread_mutex_lock(&all->lock);
    if (--h->users == 0 && h->doubted)
        let_go(h);
    pthread_mutex_unlock(&all->lock);
}

void kf_handle_doubt(struct kf_handles *all, const char *topic)
{
    pthread_mutex_lock(&all->lock);
    struct kf_handle *h = tab_get(&all->known, span_str(topic));
    if (h != NULL) {
        h->doubted = true;
        if (h->users == 0)
            let_go(h);
    }
    pthread_mutex_unlock(&all->lock);
}
