#include "loaders/source_kafka.h"

#include "base/clock.h"
#include "base/log.h"
#include "kafka/consumer.h"
#include "loaders/batch_queue.h"

#include <assert.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define POLLS 500       // messages between two looks at everything else
#define TURNS 8         // ... and of these to fill the memory
#define POLL_MS 20      // a wait for a message
#define ROOM_MS 200     // a wait for the pump to make room
#define ASK_MS 5000     // a question to the brokers
#define REACHED_MS 200  // between two looks at whether the end is loaded
#define IDLE_MS 15000   // without a partition: then the others have them all
#define RETAKE_MS 1000  // before a lost partition is asked for again
#define GRUMBLE_MS 5000 // between two lines about the same trouble
#define PARTITIONS_MOST 10000

struct part {
    int32_t id;
    struct claim claim;
    int64_t next;       // the next offset to gather
    struct batch *open; // being gathered, NULL = none
    bool checking;      // the record at claim.next - 1 is to come first
    bool paused, stopped;
    int64_t retake_ms; // not 0: when to ask the sink again
    // under the source's lock
    int64_t loaded, end; // next offset to load, and the end last seen
    int32_t commit;      // something loaded that Kafka was not told of
};

struct kafka_source {
    struct source source;
    struct kf_group group;
    struct kafka_source_options o;
    struct sink *sink;
    struct kf_consumer *consumer;
    struct conf_pairs properties;
    char *cluster; // NULL when the brokers do not say
    int64_t *targets;
    int32_t n_targets;
    pthread_t thread;
    int64_t joined_ms;
    int64_t reached_ms, grumbled_ms; // reader's
    struct part *latest;             // of the last message
    bool paused;                     // for want of room

    pthread_mutex_t lock;
    pthread_cond_t some, room; // batches in the queue; fewer of them
    // under lock
    struct part *
        *parts; // the list changes only by the reader, which may read it without
    size_t n_parts;
    struct batch_queue queue;
    bool drain, quit, finished, ended;
    bool read_all; // until_end: all of our partitions are read up to their targets
    struct err failure;
    char why[240];
    size_t n_stopped;
    int64_t open_cost;
};

static struct kafka_source *of_source(struct source *s)
{
    return (struct kafka_source *)s;
}

static struct kafka_source *of_group(struct kf_group *g)
{
    return (struct kafka_source *)((char *)g - offsetof(struct kafka_source, group));
}

static struct part *find(const struct kafka_source *k, int32_t id)
{
    for (size_t i = 0; i < k->n_parts; i++)
        if (k->parts[i]->id == id)
            return k->parts[i];
    return NULL;
}

/* --- the queue ---------------------------------------------------------------------
 */

static void push(struct kafka_source *k, struct batch *b)
{
    pthread_mutex_lock(&k->lock);
    batch_queue_put(&k->queue, b);
    pthread_cond_signal(&k->some);
    pthread_mutex_unlock(&k->lock);
}

/* --- gathering (reader) ------------------------------------------------------------
 */

static bool is_alone(const struct part *p)
{
    return p->next < p->claim.isolate_until || p->claim.undecoded;
}

static struct batch *open_batch(struct kafka_source *k, struct part *p)
{
    struct batch *b = batch_new(k->o.topic, p->id, p->next);

    b->epoch = p->claim.epoch;
    b->generation = p->claim.generation;
    b->trial = p->claim.careful || is_alone(p);
    b->undecoded = p->claim.undecoded;
    b->born_ms = clock_ms();
    return p->open = b;
}

static void seal(struct kafka_source *k, struct part *p)
{
    struct batch *b = p->open;

    p->open = NULL;
    p->claim.careful = p->claim.undecoded = false; // said of the first batch only
    push(k, b);
}

static void discard(struct part *p)
{
    batch_free(p->open);
    p->open = NULL;
}

static bool is_full(const struct kafka_source *k, const struct part *p)
{
    const struct batch *b = p->open;

    return (int64_t)b->n >= k->o.batch_rows || (int64_t)b->bytes >= k->o.batch_bytes ||
           (b->n > 0 && is_alone(p));
}

static void stop_part(struct kafka_source *k, struct part *p, const struct err *e)
{
    discard(p);
    p->stopped = true;
    pthread_mutex_lock(&k->lock);
    batch_queue_forget(&k->queue, p->id);
    k->n_stopped++;
    if (k->why[0] == '\0')
        snprintf(k->why, sizeof k->why, "%s", e->msg);
    pthread_mutex_unlock(&k->lock);
    log_event(LOG_ERROR, "partition stopped", LOG_S("topic", k->o.topic),
              LOG_I("partition", p->id), LOG_S("why", e->msg), LOG_END);
}

/* The record before the first one we want: is it the one we loaded? */
static bool check_mark(struct kafka_source *k, struct part *p, const struct record *r)
{
    struct err e = {0};

    p->checking = false;
    if (r->offset != p->claim.next - 1 || record_mark(r) == p->claim.mark)
        return true; // compacted away, then nobody can tell
    (void)err_set(
        &e, ERR_CONFLICT,
        "%.80s/%" PRId32 ": the record at %" PRId64
        " is not the one loaded: topic recreated? To load it as a new topic: %s",
        k->o.topic, p->id, r->offset, k->sink->ops->anew);
    stop_part(k, p, &e);
    (void)!kf_pause(k->consumer, k->o.topic, p->id, &e); // what still comes is dropped
    return false;
}

static void gather(struct kafka_source *k, const struct kf_message *m)
{
    struct part *p =
        k->latest != NULL && k->latest->id == m->partition ? k->latest : NULL;
    struct buf headers = BUF_INIT(16 << 20);
    struct record r = {.offset = m->offset,
                       .timestamp_ms = m->timestamp_ms,
                       .key = m->key,
                       .value = m->value};

    if (p == NULL)
        p = k->latest = find(k, m->partition);
    if (p == NULL || p->stopped || p->retake_ms != 0)
        return;
    if (p->checking && !check_mark(k, p, &r))
        return;
    if (m->offset < p->next)
        return;
    for (size_t i = 0; i < m->n_headers; i++)
        batch_pack_header(&headers, m->headers[i].name, m->headers[i].value);
    r.headers = headers.over ? (struct span){0} : buf_span(&headers);

    if (p->open == NULL)
        open_batch(k, p);
    batch_add(p->open, &r);
    buf_free(&headers);
    // One alone is asked for by where it begins, so before the position moves.
    bool full = is_full(k, p);
    p->next = p->open->next;
    if (full)
        seal(k, p);
}

/* Read to its present end: markers and aborted records before it are passed over, and
 * the range says so. */
static void pass_end(struct kafka_source *k, const struct kf_end *end)
{
    struct part *p = find(k, end->partition);

    if (p == NULL || p->stopped || p->retake_ms != 0)
        return;
    pthread_mutex_lock(&k->lock);
    if (end->offset > p->end)
        p->end = end->offset;
    pthread_mutex_unlock(&k->lock);
    if (end->offset > p->next) {
        if (p->open == NULL)
            open_batch(k, p);
        p->open->next = p->next = end->offset;
    }
    if (p->open != NULL && k->o.until_end)
        seal(k, p);
}

/* --- whose it is (reader, inside kf_poll) ------------------------------------------
 */

static enum err_kind check_claim(const struct kafka_source *k, int32_t id,
                                 const struct claim *c, int64_t low, int64_t high,
                                 struct err *e)
{
    if (c->next < low)
        return err_set(e, ERR_CONFLICT,
                       "%.60s/%" PRId32 ": records %" PRId64 " to %" PRId64
                       " were deleted before they were loaded; to go on without them, "
                       "from %" PRId64 ": %s",
                       k->o.topic, id, c->next, low - 1, low, k->sink->ops->skip);
    if (c->next > high)
        return err_set(e, ERR_CONFLICT,
                       "%.60s/%" PRId32 " ends at %" PRId64 ", loaded is %" PRId64
                       ": topic recreated? To load it as a new topic: %s",
                       k->o.topic, id, high, c->next, k->sink->ops->anew);
    return ERR_OK;
}

static struct part *new_part(struct kafka_source *k, int32_t id)
{
    struct part *p = mem_alloc(sizeof *p);

    p->id = id;
    pthread_mutex_lock(&k->lock);
    k->parts = mem_grow(k->parts, k->n_parts + 1, sizeof(struct part *));
    k->parts[k->n_parts++] = p;
    pthread_mutex_unlock(&k->lock);
    return p;
}

static void begin_part(struct kafka_source *k, struct part *p, const struct claim *c,
                       int64_t low, int64_t high)
{
    p->claim = *c;
    p->next = c->next;
    p->checking = c->mark >= 0 && c->next > low;
    p->retake_ms = 0;
    pthread_mutex_lock(&k->lock);
    p->loaded = c->next;
    p->end = high;
    pthread_mutex_unlock(&k->lock);
    log_event(LOG_INFO, "partition taken", LOG_S("topic", k->o.topic),
              LOG_I("partition", p->id), LOG_I("next", c->next),
              LOG_I("epoch", c->epoch), LOG_I("high", high),
              LOG_S("mode", is_alone(p) ? "one by one" : "batches"), LOG_END);
}

static enum err_kind take(struct kafka_source *k, struct part *p, int64_t *start,
                          struct err *e)
{
    struct claim c;
    int64_t low, high;

    TRY(kf_consumer_offsets(k->consumer, k->o.topic, p->id, &low, &high, ASK_MS, e));
    enum err_kind rc = k->sink->ops->take(k->sink, k->o.topic, p->id,
                                          k->o.latest ? high : low, k->cluster, &c, e);
    if (rc == ERR_OK)
        rc = check_claim(k, p->id, &c, low, high, e);
    if (rc == ERR_UNAVAILABLE)
        return rc;
    if (rc != ERR_OK) {
        stop_part(k, p, e);
        return rc;
    }
    begin_part(k, p, &c, low, high);
    *start = p->checking ? c.next - 1 : c.next;
    return ERR_OK;
}

static enum err_kind assigned(struct kf_group *g, const char *topic, int32_t partition,
                              int64_t *start, struct err *e)
{
    struct kafka_source *k = of_group(g);
    struct part *p = find(k, partition);

    (void)topic; // one only
    return take(k, p == NULL ? new_part(k, partition) : p, start, e);
}

static void remove_part(struct kafka_source *k, struct part *p)
{
    pthread_mutex_lock(&k->lock);
    batch_queue_forget(&k->queue, p->id);
    size_t i = 0;
    while (k->parts[i] != p)
        i++;
    k->parts[i] = k->parts[--k->n_parts];
    k->n_stopped -= p->stopped;
    pthread_mutex_unlock(&k->lock);
    k->latest = NULL;
    batch_free(p->open);
    free(p);
}

static void revoked(struct kf_group *g, const char *topic, int32_t partition, bool lost)
{
    struct kafka_source *k = of_group(g);
    struct part *p = find(k, partition);

    if (p == NULL)
        return;
    if (!lost && p->claim.epoch > 0)
        k->sink->ops->release(k->sink, topic, partition, p->claim.epoch);
    log_event(LOG_INFO, lost ? "partition lost" : "partition given back",
              LOG_S("topic", topic), LOG_I("partition", partition), LOG_END);
    remove_part(k, p);
}

static const struct kf_group_ops group_ops = {.assigned = assigned, .revoked = revoked};

/* --- between the polls (reader) ----------------------------------------------------
 */

static void grumble(struct kafka_source *k, const struct err *e)
{
    if (clock_ms() - k->grumbled_ms < GRUMBLE_MS)
        return;
    k->grumbled_ms = clock_ms();
    log_err(LOG_WARN, "source waits", e);
}

static void seal_old(struct kafka_source *k, bool all)
{
    int64_t born_before = clock_ms() - k->o.batch_age_ms;

    for (size_t i = 0; i < k->n_parts; i++)
        if (k->parts[i]->open != NULL &&
            (all || k->parts[i]->open->born_ms <= born_before))
            seal(k, k->parts[i]);
}

static void pause_part(struct kafka_source *k, struct part *p, bool pause)
{
    struct err e = {0};

    if (p->stopped || p->paused == pause)
        return;
    enum err_kind rc = pause ? kf_pause(k->consumer, k->o.topic, p->id, &e)
                             : kf_resume(k->consumer, k->o.topic, p->id, &e);
    if (rc == ERR_OK)
        p->paused = pause;
    else
        grumble(k, &e);
}

/* Before anything is paused: that throws away what librdkafka has read ahead, and a
 * batch is loaded in less.  Under the lock. */
static void wait_for_room(struct kafka_source *k)
{
    struct timespec t = clock_at(clock_ms() + ROOM_MS);

    while (!k->paused && !k->drain && !k->quit &&
           k->open_cost + k->queue.cost > k->o.memory)
        if (pthread_cond_timedwait(&k->room, &k->lock, &t) != 0)
            return;
}

static void throttle(struct kafka_source *k)
{
    int64_t open = 0;

    for (size_t i = 0; i < k->n_parts; i++)
        if (k->parts[i]->open != NULL)
            open += (int64_t)batch_cost(k->parts[i]->open);
    pthread_mutex_lock(&k->lock);
    k->open_cost = open;
    wait_for_room(k);
    int64_t held = open + k->queue.cost;
    bool drain = k->drain;
    pthread_mutex_unlock(&k->lock);

    bool full = held > k->o.memory || drain, low = held < k->o.memory / 2 && !drain;
    for (size_t i = 0; i < k->n_parts; i++)
        if (full || low)
            pause_part(k, k->parts[i], full);
    k->paused = full || (k->paused && !low);
}

static void tell_kafka(struct kafka_source *k)
{
    for (size_t i = 0; i < k->n_parts; i++) {
        struct part *p = k->parts[i];
        pthread_mutex_lock(&k->lock);
        int64_t next = p->commit > 0 ? p->loaded : -1;
        p->commit = 0;
        pthread_mutex_unlock(&k->lock);
        if (next >= 0)
            kf_commit_copy(k->consumer, k->o.topic, p->id, next);
    }
}

/* What the pump was refused: read again from wherever the sink stands. */
static void take_drops(struct kafka_source *k)
{
    pthread_mutex_lock(&k->lock);
    size_t n = k->queue.n_drops;
    for (size_t i = 0; i < n; i++) {
        struct part *p = find(k, k->queue.drops[i].partition);
        if (p == NULL || p->claim.epoch != k->queue.drops[i].epoch)
            continue;
        batch_queue_forget(&k->queue, p->id);
        discard(p);
        p->retake_ms = clock_ms() + RETAKE_MS / 2 + random() % RETAKE_MS;
    }
    k->queue.n_drops = 0;
    pthread_mutex_unlock(&k->lock);
}

static void retake(struct kafka_source *k)
{
    for (size_t i = 0; i < k->n_parts; i++) {
        struct part *p = k->parts[i];
        struct err e = {0};
        int64_t start;

        if (p->retake_ms == 0 || p->stopped || clock_ms() < p->retake_ms)
            continue;
        if (take(k, p, &start, &e) != ERR_OK ||
            kf_seek(k->consumer, k->o.topic, p->id, start, &e) != ERR_OK) {
            p->retake_ms = clock_ms() + RETAKE_MS;
            grumble(k, &e);
        }
    }
}

/* The brokers do not have an offset any more: of which partition, the sink's position
 * and the low watermark tell. */
static void recheck(struct kafka_source *k)
{
    for (size_t i = 0; i < k->n_parts; i++)
        if (!k->parts[i]->stopped) {
            discard(k->parts[i]);
            k->parts[i]->retake_ms = clock_ms();
        }
}

static int64_t loaded(struct kafka_source *k, const struct part *p)
{
    pthread_mutex_lock(&k->lock);
    int64_t next_offset = p->loaded;
    pthread_mutex_unlock(&k->lock);
    return next_offset;
}

static void look_for_read(struct kafka_source *k)
{
    bool all = k->targets != NULL && k->n_parts > 0;

    for (size_t i = 0; i < k->n_parts && all; i++) {
        const struct part *p = k->parts[i];
        all = p->stopped || (p->retake_ms == 0 && p->open == NULL &&
                             (p->id >= k->n_targets || p->next >= k->targets[p->id]));
    }
    pthread_mutex_lock(&k->lock);
    k->read_all = all;
    pthread_mutex_unlock(&k->lock);
}

static void look_for_end(struct kafka_source *k)
{
    int64_t wanted[PARTITIONS_MOST];
    struct err e = {0};
    bool yes = false;

    if (k->targets == NULL || clock_ms() - k->reached_ms < REACHED_MS)
        return;
    // The sink's word alone is not enough: a topic that was made anew ends before it.
    if (k->n_parts == 0 && clock_ms() - k->joined_ms < IDLE_MS)
        return;
    k->reached_ms = clock_ms();
    for (int32_t i = 0; i < k->n_targets; i++) {
        const struct part *p = find(k, i);
        wanted[i] = p != NULL && p->stopped ? 0 : k->targets[i];
        if (p != NULL && !p->stopped && loaded(k, p) < wanted[i])
            return; // no need to ask
    }
    if (k->sink->ops->reached(k->sink, k->o.topic, wanted, (size_t)k->n_targets, &yes,
                              &e) != ERR_OK)
        grumble(k, &e);
    pthread_mutex_lock(&k->lock);
    k->finished = yes;
    pthread_mutex_unlock(&k->lock);
}

static void fail(struct kafka_source *k, const struct err *e)
{
    pthread_mutex_lock(&k->lock);
    if (k->failure.kind == ERR_OK)
        k->failure = *e;
    pthread_cond_signal(&k->some);
    pthread_mutex_unlock(&k->lock);
}

static void meet_trouble(struct kafka_source *k, const struct err *e)
{
    if (e->kind == ERR_CONFLICT)
        recheck(k);
    else if (e->kind == ERR_INTERNAL)
        fail(k, e);
    grumble(k, e);
}

/* So many messages, or so many bytes, as throttle() is not asked meanwhile: of large
 * ones a few are all that may be held. */
static void poll_some(struct kafka_source *k)
{
    int64_t bytes = 0, most = k->o.memory / TURNS;

    for (int i = 0; i < POLLS && bytes <= most; i++) {
        struct kf_message m;
        struct kf_end end = {0};
        struct err e = {0};
        bool got = false;

        if (kf_poll(k->consumer, POLL_MS, &m, &got, &end, &e) != ERR_OK) {
            meet_trouble(k, &e);
            return;
        }
        if (got) {
            bytes += (int64_t)(m.key.n + m.value.n);
            gather(k, &m);
            kf_message_free(&m);
            continue;
        }
        if (end.reached)
            pass_end(k, &end);
        return;
    }
}

static bool goes_on(struct kafka_source *k, bool *drain)
{
    pthread_mutex_lock(&k->lock);
    bool yes = !k->quit;
    *drain = k->drain;
    pthread_mutex_unlock(&k->lock);
    return yes;
}

static void *reader(void *arg)
{
    struct kafka_source *k = arg;
    bool drain;

    while (goes_on(k, &drain)) {
        take_drops(k);
        retake(k);
        seal_old(k, drain);
        throttle(k);
        poll_some(k);
        tell_kafka(k);
        look_for_read(k);
        look_for_end(k);
    }
    tell_kafka(k);
    kf_consumer_close(k->consumer);
    return NULL;
}

/* --- the pump's side ---------------------------------------------------------------
 */

static enum err_kind next(struct source *s, int wait_ms, struct batch **out,
                          struct err *e)
{
    struct kafka_source *k = of_source(s);
    struct timespec t = clock_at(clock_ms() + wait_ms);
    enum err_kind rc = ERR_OK;

    pthread_mutex_lock(&k->lock);
    while (k->queue.n == 0 && k->failure.kind == ERR_OK)
        if (pthread_cond_timedwait(&k->some, &k->lock, &t) != 0)
            break;
    *out = batch_queue_take(&k->queue);
    if (*out == NULL && k->failure.kind != ERR_OK) {
        *e = k->failure;
        rc = e->kind;
    }
    pthread_mutex_unlock(&k->lock);
    return rc;
}

static void let_go(struct kafka_source *k, struct batch *b)
{
    batch_queue_let_go(&k->queue, b);
    pthread_cond_signal(&k->room);
}

static void done(struct source *s, struct batch *b)
{
    struct kafka_source *k = of_source(s);

    pthread_mutex_lock(&k->lock);
    struct part *p = find(k, b->partition);
    if (p != NULL && p->claim.epoch == b->epoch) {
        p->loaded = b->next;
        p->commit = 1;
    }
    let_go(k, b);
    pthread_mutex_unlock(&k->lock);
}

static void drop(struct source *s, struct batch *b)
{
    struct kafka_source *k = of_source(s);

    pthread_mutex_lock(&k->lock);
    batch_queue_drop(&k->queue, b->partition, b->epoch);
    let_go(k, b);
    pthread_mutex_unlock(&k->lock);
}

static void held(struct source *s, struct batch *b)
{
    struct kafka_source *k = of_source(s);

    pthread_mutex_lock(&k->lock);
    let_go(k, b);
    pthread_mutex_unlock(&k->lock);
}

static void kept(struct source *s, int32_t partition, int64_t epoch,
                 int64_t next_offset)
{
    struct kafka_source *k = of_source(s);

    pthread_mutex_lock(&k->lock);
    struct part *p = find(k, partition);
    if (p != NULL && p->claim.epoch == epoch) {
        p->loaded = next_offset;
        p->commit = 1;
    }
    pthread_mutex_unlock(&k->lock);
}

static void lost(struct source *s, int32_t partition, int64_t epoch)
{
    struct kafka_source *k = of_source(s);

    pthread_mutex_lock(&k->lock);
    batch_queue_drop(&k->queue, partition, epoch);
    pthread_mutex_unlock(&k->lock);
}

/* --- opening, asking, closing ------------------------------------------------------
 */

static enum err_kind ask_targets(struct kafka_source *k, struct kf_admin *a,
                                 struct err *e)
{
    int32_t n;

    TRY(kf_topic_partitions(a, k->o.topic, &n, ASK_MS, e));
    if (!k->o.until_end)
        return ERR_OK;
    if (n > PARTITIONS_MOST)
        return err_set(e, ERR_LIMIT, "topic of %" PRId32 " partitions, the most is %d",
                       n, PARTITIONS_MOST);
    k->targets = mem_array((size_t)n, sizeof *k->targets);
    k->n_targets = n;
    for (int32_t i = 0; i < n; i++) {
        int64_t low;
        TRY(kf_offsets(a, k->o.topic, i, &low, &k->targets[i], ASK_MS, e));
    }
    return ERR_OK;
}

static enum err_kind ask_cluster(struct kafka_source *k, struct err *e)
{
    struct kf_admin *a;
    struct arena mem = {0};
    struct span id = {0};
    struct err ignored = {0};

    TRY(kf_admin_open(&a, k->o.bootstrap, k->o.properties, e));
    enum err_kind rc = ask_targets(k, a, e);
    if (rc == ERR_OK && kf_cluster_id(a, &mem, &id, ASK_MS, &ignored) == ERR_OK &&
        id.n > 0)
        k->cluster = mem_str(id);
    arena_free(&mem);
    kf_admin_close(a);
    return rc;
}

/* What librdkafka itself reads ahead counts as memory too; the user's word wins. */
static void set_properties(struct kafka_source *k)
{
    static const struct conf_pair ours[] = {
        {"queued.max.messages.kbytes", "16384", false},
        // Of a partition; a fetch brings 25,000 small ones, and as many must wait below
        // them (kafka/spin.h).
        {"queued.min.messages", "50000", false},
        // a loader that was killed holds its partitions for so long
        {"session.timeout.ms", "10000", false},
        {"heartbeat.interval.ms", "1000", false},
    };
    size_t n = sizeof ours / sizeof ours[0];
    size_t more = k->o.properties == NULL ? 0 : k->o.properties->n;

    k->properties.items = mem_array(n + more, sizeof *k->properties.items);
    k->properties.n = n + more;
    memcpy(k->properties.items, ours, sizeof ours);
    for (size_t i = 0; i < more; i++)
        k->properties.items[n + i] = k->o.properties->items[i];
}

static void free_source(struct kafka_source *k)
{
    for (size_t i = 0; i < k->n_parts; i++) {
        batch_free(k->parts[i]->open);
        free(k->parts[i]);
    }
    batch_queue_free(&k->queue);
    pthread_mutex_destroy(&k->lock);
    pthread_cond_destroy(&k->some);
    pthread_cond_destroy(&k->room);
    free(k->parts);
    free(k->targets);
    free(k->cluster);
    free(k->properties.items);
    free(k);
}

static void init_lock(struct kafka_source *k)
{

    pthread_mutex_init(&k->lock, NULL);
    clock_cond_init(&k->some);
    clock_cond_init(&k->room);
}

static enum err_kind join(struct kafka_source *k, struct err *e)
{
    TRY(ask_cluster(k, e));
    TRY(kf_consumer_join(&k->consumer, k->o.bootstrap, &k->properties, k->o.group,
                         &k->o.topic, 1, &k->group, e));
    if (k->sink->no_headers)
        kf_consumer_leave_headers(k->consumer);
    k->joined_ms = clock_ms();
    if (pthread_create(&k->thread, NULL, reader, k) != 0) {
        kf_consumer_close(k->consumer);
        return err_set(e, ERR_UNAVAILABLE, "no thread for the reader");
    }
    return ERR_OK;
}

static void state(struct source *s, struct source_state *out)
{
    struct kafka_source *k = of_source(s);

    *out = (struct source_state){0};
    pthread_mutex_lock(&k->lock);
    out->finished = k->finished;
    out->drained = k->drain && batch_queue_is_idle(&k->queue) && k->open_cost == 0;
    out->read_all = k->read_all && batch_queue_is_idle(&k->queue);
    out->assigned = k->n_parts;
    out->stopped = k->n_stopped;
    out->held = k->queue.cost + k->open_cost;
    memcpy(out->why, k->why, sizeof out->why);
    for (size_t i = 0; i < k->n_parts; i++)
        if (k->parts[i]->end > k->parts[i]->loaded)
            out->lag += k->parts[i]->end - k->parts[i]->loaded;
    pthread_mutex_unlock(&k->lock);
}

static void each(struct source *s,
                 void (*tell)(void *arg, int32_t partition, int64_t loaded,
                              int64_t end),
                 void *arg)
{
    struct kafka_source *k = of_source(s);

    pthread_mutex_lock(&k->lock);
    for (size_t i = 0; i < k->n_parts; i++)
        tell(arg, k->parts[i]->id, k->parts[i]->loaded, k->parts[i]->end);
    pthread_mutex_unlock(&k->lock);
}

static int64_t loaded_of(struct source *s, int32_t partition)
{
    struct kafka_source *k = of_source(s);

    pthread_mutex_lock(&k->lock);
    const struct part *p = find(k, partition);
    int64_t next_offset = p == NULL ? -1 : p->loaded;
    pthread_mutex_unlock(&k->lock);
    return next_offset;
}

static void drain(struct source *s)
{
    struct kafka_source *k = of_source(s);

    pthread_mutex_lock(&k->lock);
    k->drain = true;
    pthread_cond_signal(&k->room);
    pthread_mutex_unlock(&k->lock);
}

static void close_source(struct source *s)
{
    struct kafka_source *k = of_source(s);

    pthread_mutex_lock(&k->lock);
    k->quit = true;
    pthread_cond_signal(&k->room);
    pthread_mutex_unlock(&k->lock);
    pthread_join(k->thread, NULL);
    free_source(k);
}

static const struct source_ops kafka_ops = {.name = "kafka",
                                            .next = next,
                                            .done = done,
                                            .drop = drop,
                                            .held = held,
                                            .kept = kept,
                                            .lost = lost,
                                            .state = state,
                                            .each = each,
                                            .loaded = loaded_of,
                                            .drain = drain,
                                            .close = close_source};

enum err_kind kafka_source_open(struct source **out,
                                const struct kafka_source_options *o, struct sink *sink,
                                struct err *e)
{
    struct kafka_source *k = mem_alloc(sizeof *k);

    *k = (struct kafka_source){
        .source = {&kafka_ops}, .group = {&group_ops}, .o = *o, .sink = sink};
    init_lock(k);
    set_properties(k);
    if (join(k, e) != ERR_OK) {
        free_source(k);
        return e->kind;
    }
    *out = &k->source;
    return ERR_OK;
}
