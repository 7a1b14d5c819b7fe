#include "kafka/consumer.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "kafka/consumer_inside.h"

#include <inttypes.h>
#include <stdlib.h>

#define CALL_MS 5000 // seek and close: how long we wait for librdkafka's own thread
#define ASK_AGAIN_MS 250
#define DROPS_IN_ROW 256 // old records passed over before kf_poll() looks up
/* Where a partition is held that may not be read yet.  Any offset that need not be
 * asked for: librdkafka 2.0.2 forgets a seek while it asks where "the end" is (decision
 * 041). */
#define HELD_AT 0

/* What librdkafka says comes next is not what we want, perhaps: taking many messages at
 * once, 2.0.2 forgets those of them that a rebalance found on their way (decision 200).
 */
enum part_trust {
    PART_SURE,
    PART_DOUBTED, // should the next one not be the one wanted, that is sought first
    PART_SOUGHT,  // and what comes now is what there is
};

enum part_state {
    PART_READING,
    PART_WAITING, // the group could not say yet where it starts; asked again
    PART_STOPPED, // nothing of it is given until kf_seek()
};

/* A partition we hold.  `next` is the least offset that may be given. */
struct part {
    char *topic;
    int32_t partition;
    int64_t next;
    enum part_state state;
    enum part_trust trust;
    bool paused; // by the user
};

struct kf_consumer {
    struct kf_voice voice; // first: it is librdkafka's opaque
    rd_kafka_t *rk;
    struct kf_group *group; // NULL when assigned by hand
    struct part *parts;
    size_t n_parts, n_waiting;
    size_t last;        // the part of the last message: mostly the next one's too
    char *end_topic;    // what kf_end.topic points at
    int64_t ask_at_ms;  // when those waiting are asked for again
    struct err trouble; // found inside a callback; kf_poll() returns it
    bool closing;
    bool given_partitions; // by the group, once; they may have been none
    bool cooperative;      // the group's protocol, when it was last known
    bool leaves_headers;
    rd_kafka_queue_t *queue;
    size_t n_taken, given; // of `taken`; all from before `given` are the user's
    rd_kafka_message_t *taken[KF_TAKEN_MOST];
};

/* ---- the partitions we hold ---- */

static struct part *find(struct kf_consumer *c, const char *topic, int32_t partition)
{
    for (size_t k = 0; k < c->n_parts; k++) {
        size_t i = (c->last + k) % c->n_parts;
        struct part *p = &c->parts[i];

        if (p->partition == partition && strcmp(p->topic, topic) == 0) {
            c->last = i;
            return p;
        }
    }
    return NULL;
}

static struct part *add(struct kf_consumer *c, const char *topic, int32_t partition)
{
    c->parts = mem_grow(c->parts, c->n_parts + 1, sizeof *c->parts);
    struct part *p = &c->parts[c->n_parts++];
    *p = (struct part){.topic = mem_str(span_str(topic)), .partition = partition};
    return p;
}

static void set_state(struct kf_consumer *c, struct part *p, enum part_state s)
{
    c->n_waiting -= p->state == PART_WAITING;
    p->state = s;
    c->n_waiting += p->state == PART_WAITING;
}

static void drop(struct kf_consumer *c, struct part *p)
{
    set_state(c, p, PART_STOPPED);
    free(p->topic);
    *p = c->parts[--c->n_parts];
    c->last = 0;
}

static rd_kafka_topic_partition_list_t *list_of(const char *topic, int32_t partition,
                                                int64_t offset)
{
    rd_kafka_topic_partition_list_t *l = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(l, topic, partition)->offset = offset;
    return l;
}

/* What a call on one partition came to: the call's own error, or the partition's. */
static rd_kafka_resp_err_t close_list(rd_kafka_topic_partition_list_t *l,
                                      rd_kafka_resp_err_t code)
{
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR)
        code = l->elems[0].err;
    rd_kafka_topic_partition_list_destroy(l);
    return code;
}

static rd_kafka_resp_err_t pause_or_resume(struct kf_consumer *c, const struct part *p,
                                           bool pause)
{
    rd_kafka_topic_partition_list_t *l = list_of(p->topic, p->partition, 0);
    return close_list(l, pause ? rd_kafka_pause_partitions(c->rk, l)
                               : rd_kafka_resume_partitions(c->rk, l));
}

/* ---- the group ---- */

/* Asks the group's owner where to start.  What fails is said by the next kf_poll(). */
static enum part_state ask_start(struct kf_consumer *c, const char *topic,
                                 int32_t partition, int64_t *start)
{
    struct err e = {0};
    enum err_kind rc = c->group->ops->assigned(c->group, topic, partition, start, &e);

    if (rc == ERR_OK)
        return PART_READING;
    err_prefix(&e, "start of %s/%" PRId32, topic, partition);
    c->trouble = e;
    return err_retryable(rc) ? PART_WAITING : PART_STOPPED;
}

static void take_over(struct kf_consumer *c, rd_kafka_topic_partition_t *tp)
{
    int64_t start = HELD_AT;
    enum part_state s = ask_start(c, tp->topic, tp->partition, &start);
    struct part *p = add(c, tp->topic, tp->partition);

    // One that cannot start is held all the same, or the group would come to a stop;
    // paused, it fetches nothing.
    tp->offset = s == PART_READING ? start : HELD_AT;
    p->next = tp->offset;
    set_state(c, p, s);
}

static void doubt_all(struct kf_consumer *c)
{
    for (size_t i = 0; i < c->n_parts; i++)
        c->parts[i].trust = PART_DOUBTED;
}

static void hold_back(struct kf_consumer *c)
{
    for (size_t i = 0; i < c->n_parts; i++)
        if (c->parts[i].state != PART_READING || c->parts[i].paused)
            (void)pause_or_resume(c, &c->parts[i], true);
}

static void let_go(struct kf_consumer *c, const rd_kafka_topic_partition_list_t *taken,
                   bool lost)
{
    for (int i = 0; i < taken->cnt; i++) {
        const rd_kafka_topic_partition_t *tp = &taken->elems[i];
        struct part *p = find(c, tp->topic, tp->partition);

        if (p == NULL)
            continue;
        drop(c, p);
        c->group->ops->revoked(c->group, tp->topic, tp->partition, lost);
    }
}

static void note_refusal(struct kf_consumer *c, const char *what,
                         rd_kafka_error_t *error)
{
    if (error == NULL)
        return;
    c->trouble.kind =
        err_set(&c->trouble, kf_kind(rd_kafka_error_code(error)), "%s: %s: %s", what,
                rd_kafka_error_name(error), rd_kafka_error_string(error));
    rd_kafka_error_destroy(error);
}

static rd_kafka_error_t *as_error(rd_kafka_resp_err_t code)
{
    return code == RD_KAFKA_RESP_ERR_NO_ERROR
               ? NULL
               : rd_kafka_error_new(code, "%s", rd_kafka_err2str(code));
}

/* While it is being closed librdkafka may have ended the group already, and knows no
 * protocol any more (NULL), but still wants what we held back: as it was, then. */
static bool is_cooperative(struct kf_consumer *c)
{
    const char *protocol = rd_kafka_rebalance_protocol(c->rk);

    if (protocol != NULL)
        c->cooperative = strcmp(protocol, "COOPERATIVE") == 0;
    return c->cooperative;
}

/* Eager protocols name all we hold, and take all away; cooperative ones name what
 * changes. */
static void rebalance(rd_kafka_t *rk, rd_kafka_resp_err_t code,
                      rd_kafka_topic_partition_list_t *l, void *consumer)
{
    struct kf_consumer *c = consumer;
    bool cooperative = is_cooperative(c);

    c->given_partitions |= code == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS;
    if (code == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS && !c->closing) {
        for (int i = 0; i < l->cnt; i++)
            take_over(c, &l->elems[i]);
        note_refusal(c, "taking partitions over",
                     cooperative ? rd_kafka_incremental_assign(rk, l)
                                 : as_error(rd_kafka_assign(rk, l)));
        hold_back(c);
        doubt_all(c);
        return;
    }
    if (code != RD_KAFKA_RESP_ERR__REVOKE_PARTITIONS && !c->closing)
        log_event(LOG_WARN, "kafka rebalance failed",
                  LOG_S("error", rd_kafka_err2name(code)), LOG_END);
    let_go(c, l, rd_kafka_assignment_lost(rk));
    note_refusal(c, "giving partitions up",
                 cooperative ? rd_kafka_incremental_unassign(rk, l)
                             : as_error(rd_kafka_assign(rk, NULL)));
    doubt_all(c);
}

static void committed(rd_kafka_t *rk, rd_kafka_resp_err_t code,
                      rd_kafka_topic_partition_list_t *l, void *consumer)
{
    (void)rk, (void)l, (void)consumer;
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR && code != RD_KAFKA_RESP_ERR__NO_OFFSET)
        log_event(LOG_WARN, "offset copy not committed",
                  LOG_S("error", rd_kafka_err2name(code)),
                  LOG_S("said", rd_kafka_err2str(code)), LOG_END);
}

/* Runs inside kf_poll(), on its thread. */
static void troubled(rd_kafka_t *rk, int code, const char *words, void *consumer)
{
    struct kf_consumer *c = consumer;
    char fatal[160];

    if (code == RD_KAFKA_RESP_ERR__FATAL) {
        code = (int)rd_kafka_fatal_error(rk, fatal, sizeof fatal);
        err_set(&c->trouble, ERR_CONFLICT, "consumer is dead: %s: %s",
                rd_kafka_err2name(code), fatal);
        return;
    }
    if (code == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN || kf_kind(code) != ERR_UNAVAILABLE)
        err_set(&c->trouble, kf_kind(code), "%s: %s", rd_kafka_err2name(code), words);
}

/* ---- opening and closing ---- */

static enum err_kind start(struct kf_consumer **out, enum kf_role role,
                           const char *bootstrap, const struct conf_pairs *properties,
                           const char *group, struct kf_group *g, struct err *e)
{
    struct kf_consumer *c = mem_alloc(sizeof *c);
    rd_kafka_conf_t *conf = NULL;
    char words[160];

    kf_voice_init(&c->voice);
    c->group = g;
    enum err_kind rc = kf_conf_make(&conf, role, bootstrap, properties, &c->voice, e);
    if (rc == ERR_OK) {
        rd_kafka_conf_set_error_cb(conf, troubled);
        rd_kafka_conf_set_offset_commit_cb(conf, committed);
        if (g != NULL)
            rd_kafka_conf_set_rebalance_cb(conf, rebalance);
        if (group != NULL &&
            rd_kafka_conf_set(conf, "group.id", group, words, sizeof words) != 0) {
            rd_kafka_conf_destroy(conf);
            rc = err_set(e, ERR_INVALID, "group \"%s\": %s", group, words);
        } else {
            rc = kf_new(&c->rk, RD_KAFKA_CONSUMER, conf, e);
        }
    }
    if (rc != ERR_OK) {
        kf_consumer_close(c);
        return rc;
    }
    rd_kafka_poll_set_consumer(c->rk);
    c->queue = rd_kafka_queue_get_consumer(c->rk);
    *out = c;
    return ERR_OK;
}

enum err_kind kf_consumer_assign(struct kf_consumer **out, const char *bootstrap,
                                 const struct conf_pairs *properties, const char *topic,
                                 int32_t partition, int64_t offset, struct err *e)
{
    struct kf_consumer *c = NULL;

    TRY(start(&c, KF_ASSIGNED, bootstrap, properties, NULL, NULL, e));
    add(c, topic, partition)->next = offset;
    rd_kafka_topic_partition_list_t *l = list_of(topic, partition, offset);
    rd_kafka_resp_err_t code = close_list(l, rd_kafka_assign(c->rk, l));
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR) {
        kf_consumer_close(c);
        return kf_fail(e, code, "reading %s/%" PRId32, topic, partition);
    }
    *out = c;
    return ERR_OK;
}

enum err_kind kf_consumer_join(struct kf_consumer **out, const char *bootstrap,
                               const struct conf_pairs *properties, const char *group,
                               const char *const *topics, size_t n, struct kf_group *g,
                               struct err *e)
{
    struct kf_consumer *c = NULL;

    TRY(start(&c, KF_GROUP, bootstrap, properties, group, g, e));
    rd_kafka_topic_partition_list_t *l = rd_kafka_topic_partition_list_new((int)n);
    for (size_t i = 0; i < n; i++)
        rd_kafka_topic_partition_list_add(l, topics[i], RD_KAFKA_PARTITION_UA);
    rd_kafka_resp_err_t code = rd_kafka_subscribe(c->rk, l);
    rd_kafka_topic_partition_list_destroy(l);
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR) {
        kf_consumer_close(c);
        return kf_fail(e, code, "joining group %s", group);
    }
    *out = c;
    return ERR_OK;
}

/* Before 2.3.0 rd_kafka_destroy() aborts the process when a member of a group that is
 * "cooperative-sticky" goes between the answer to its join and its first assignment
 * (librdkafka's issue 4312).  Unsubscribed, it hears no answer any more, so what is
 * asked here stays true. */
static bool destroying_aborts(struct kf_consumer *c)
{
    if (rd_kafka_version() >= 0x02030000 || c->group == NULL || c->given_partitions)
        return false;
    (void)rd_kafka_unsubscribe(c->rk); // closing does it again
    return is_cooperative(c);
}

void kf_consumer_close(struct kf_consumer *c)
{
    c->closing = true;
    while (c->given < c->n_taken)
        rd_kafka_message_destroy(c->taken[c->given++]);
    if (c->queue != NULL)
        rd_kafka_queue_destroy(c->queue);
    if (c->rk != NULL) {
        bool stays = destroying_aborts(c);
        (void)rd_kafka_consumer_close(c->rk); // it has no failure we could mend
        if (stays)
            return; // out of its group, and with what its threads may still speak to
        rd_kafka_destroy(c->rk);
    }
    while (c->n_parts > 0)
        drop(c, &c->parts[0]);
    free(c->parts);
    free(c->end_topic);
    kf_voice_free(&c->voice);
    free(c);
}

/* ---- reading ---- */

/* rd_kafka_seek_partitions() waits a thousand times too short before 2.1.0. */
static int seek_timeout_ms(void)
{
    return rd_kafka_version() < 0x020100ff ? CALL_MS * 1000 : CALL_MS;
}

static rd_kafka_resp_err_t take_error(rd_kafka_error_t *error)
{
    rd_kafka_resp_err_t code =
        error == NULL ? RD_KAFKA_RESP_ERR_NO_ERROR : rd_kafka_error_code(error);

    if (error != NULL)
        rd_kafka_error_destroy(error);
    return code;
}

static rd_kafka_resp_err_t seek(struct kf_consumer *c, const struct part *p,
                                int64_t offset)
{
    rd_kafka_topic_partition_list_t *l = list_of(p->topic, p->partition, offset);
    return close_list(
        l, take_error(rd_kafka_seek_partitions(c->rk, l, seek_timeout_ms())));
}

static rd_kafka_resp_err_t assign_anew(struct kf_consumer *c)
{
    rd_kafka_topic_partition_list_t *l =
        rd_kafka_topic_partition_list_new((int)c->n_parts);

    for (size_t i = 0; i < c->n_parts; i++)
        rd_kafka_topic_partition_list_add(l, c->parts[i].topic, c->parts[i].partition)
            ->offset = c->parts[i].next;
    rd_kafka_resp_err_t code = rd_kafka_assign(c->rk, l);
    rd_kafka_topic_partition_list_destroy(l);
    hold_back(c);
    return code;
}

static rd_kafka_resp_err_t assign_one_anew(struct kf_consumer *c, const struct part *p)
{
    rd_kafka_topic_partition_list_t *l = list_of(p->topic, p->partition, p->next);
    rd_kafka_resp_err_t code = take_error(rd_kafka_incremental_unassign(c->rk, l));

    if (code == RD_KAFKA_RESP_ERR_NO_ERROR)
        code = take_error(rd_kafka_incremental_assign(c->rk, l));
    hold_back(c);
    return close_list(l, code);
}

/* A partition whose offset was gone is not fetched any more, and cannot be sought in:
 * it must be assigned again, under an eager protocol with all the others. */
static rd_kafka_resp_err_t revive(struct kf_consumer *c, const struct part *p)
{
    return c->group != NULL && is_cooperative(c) ? assign_one_anew(c, p)
                                                 : assign_anew(c);
}

/* Those of a partition that were taken and not given yet; how many. */
static size_t forget_taken(struct kf_consumer *c, const struct part *p)
{
    size_t kept = c->given, before = c->n_taken;

    for (size_t i = c->given; i < c->n_taken; i++) {
        rd_kafka_message_t *m = c->taken[i];

        if (m->rkt != NULL && m->partition == p->partition &&
            strcmp(rd_kafka_topic_name(m->rkt), p->topic) == 0)
            rd_kafka_message_destroy(m);
        else
            c->taken[kept++] = m;
    }
    c->n_taken = kept;
    return before - kept;
}

static enum err_kind start_at(struct kf_consumer *c, struct part *p, int64_t offset,
                              struct err *e)
{
    if (p->next <
        0) // beginning or end: Kafka is being asked, and the seek might be lost
        return err_set(e, ERR_UNAVAILABLE,
                       "going to %s/%" PRId32 "@%" PRId64
                       ": where it stands is still being asked",
                       p->topic, p->partition, offset);

    rd_kafka_resp_err_t code = seek(c, p, offset);
    int64_t before = p->next;
    enum part_state state = p->state;

    p->next = offset;
    set_state(c, p, PART_READING);
    if (code == RD_KAFKA_RESP_ERR__STATE)
        code = revive(c, p);
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR && state != PART_READING && !p->paused)
        code = pause_or_resume(c, p, false);
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR) {
        (void)forget_taken(c, p);
        return ERR_OK;
    }
    p->next = before;
    set_state(c, p, state);
    return kf_fail(e, code, "going to %s/%" PRId32 "@%" PRId64, p->topic, p->partition,
                   offset);
}

/* Those whose start could not be told when the group gave them to us. */
static void ask_again(struct kf_consumer *c)
{
    c->ask_at_ms = clock_ms() + ASK_AGAIN_MS;
    for (size_t i = 0; i < c->n_parts && c->n_waiting > 0; i++) {
        struct part *p = &c->parts[i];
        struct err e = {0};
        int64_t start;

        if (p->state != PART_WAITING)
            continue;
        enum part_state s = ask_start(c, p->topic, p->partition, &start);
        if (s != PART_READING)
            set_state(c, p, s);
        else if (start_at(c, p, start, &e) != ERR_OK)
            c->trouble = e; // still waiting: asked again
    }
}

static enum err_kind say_trouble(struct kf_consumer *c, struct err *e)
{
    if (c->trouble.kind == ERR_OK)
        return ERR_OK;
    *e = c->trouble;
    c->trouble = (struct err){0};
    return e->kind;
}

static void read_headers(struct kf_message *m)
{
    rd_kafka_headers_t *all;

    if (rd_kafka_message_headers(m->kept, &all) != RD_KAFKA_RESP_ERR_NO_ERROR)
        return;
    size_t n = rd_kafka_header_cnt(all);
    struct kf_header *h = mem_array(n, sizeof *h);
    for (size_t i = 0; i < n; i++) {
        const void *value = NULL;
        size_t size = 0;

        if (rd_kafka_header_get_all(all, i, &h[i].name, &value, &size) == 0)
            h[i].value = span_of(value, size);
    }
    m->headers = h;
    m->n_headers = n;
}

static void give(const struct kf_consumer *c, rd_kafka_message_t *m,
                 struct kf_message *out)
{
    rd_kafka_timestamp_type_t type;
    int64_t at = rd_kafka_message_timestamp(m, &type);

    *out = (struct kf_message){
        .topic = rd_kafka_topic_name(m->rkt),
        .partition = m->partition,
        .offset = m->offset,
        .timestamp_ms = type == RD_KAFKA_TIMESTAMP_NOT_AVAILABLE ? -1 : at,
        .key = span_of(m->key, m->key_len),
        .value = span_of(m->payload, m->len),
        .kept = m,
    };
    if (!c->leaves_headers)
        read_headers(out);
}

static void say_end(struct kf_consumer *c, const rd_kafka_message_t *m,
                    struct kf_end *end)
{
    free(c->end_topic);
    c->end_topic = mem_str(span_str(rd_kafka_topic_name(m->rkt)));
    *end = (struct kf_end){.reached = true,
                           .topic = c->end_topic,
                           .partition = m->partition,
                           .offset = m->offset};
}

static const char *words_of(const rd_kafka_message_t *m)
{
    const char *words = rd_kafka_message_errstr(m);
    return words != NULL ? words : rd_kafka_err2str(m->err);
}

/* The offset wanted is gone.  Only when it is the one we want now: what is said of
 * another was meant for a fetch from before a seek, and has stopped the new one. */
static enum err_kind gone(struct kf_consumer *c, const rd_kafka_message_t *m,
                          struct part *p, struct err *e)
{
    if (p->state != PART_READING)
        return ERR_OK; // start_at() finds it stopped, and revives it
    if (p->next >= 0 && m->offset != p->next &&
        revive(c, p) == RD_KAFKA_RESP_ERR_NO_ERROR)
        return ERR_OK;
    set_state(c, p, PART_STOPPED);
    return err_set(e, kf_kind(m->err), "%s/%" PRId32 "@%" PRId64 ": %s: %s", p->topic,
                   p->partition, p->next >= 0 ? p->next : m->offset,
                   rd_kafka_err2name(m->err), words_of(m));
}

/* An error in place of a message. */
static enum err_kind refused(struct kf_consumer *c, const rd_kafka_message_t *m,
                             struct err *e)
{
    enum err_kind kind = kf_kind(m->err);
    const char *topic = m->rkt == NULL ? NULL : rd_kafka_topic_name(m->rkt);

    if (m->err == RD_KAFKA_RESP_ERR__MAX_POLL_EXCEEDED) {
        log_event(LOG_WARN, "kafka group left us", LOG_S("said", words_of(m)), LOG_END);
        return ERR_OK; // revoked() says the rest
    }
    if (topic == NULL)
        return err_set(e, kind, "%s: %s", rd_kafka_err2name(m->err), words_of(m));

    struct part *p = find(c, topic, m->partition);
    if (m->err == RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET ||
        m->err == RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE)
        return p == NULL ? ERR_OK : gone(c, m, p, e);
    return err_set(e, kind, "%s/%" PRId32 ": %s: %s", topic, m->partition,
                   rd_kafka_err2name(m->err), words_of(m));
}

/* May what came at `offset` be given?  Where it is a later one than the one wanted, and
 * there is reason to doubt that it is the next, the one wanted is sought first. */
static enum err_kind vouch(struct kf_consumer *c, struct part *p, int64_t offset,
                           bool *yes, struct err *e)
{
    *yes = p->trust != PART_DOUBTED || p->next < 0 || offset == p->next;
    if (!*yes)
        TRY(start_at(c, p, p->next, e));
    p->trust = *yes ? PART_SURE : PART_SOUGHT;
    return ERR_OK;
}

/* Whose it is; *out NULL when it is nobody's by now, was given before, or is not yet
 * the next one. */
static enum err_kind wanted_by(struct kf_consumer *c, const rd_kafka_message_t *m,
                               struct part **out, struct err *e)
{
    struct part *p = find(c, rd_kafka_topic_name(m->rkt), m->partition);
    bool yes = p != NULL && p->state == PART_READING && m->offset >= p->next;

    *out = NULL;
    if (yes)
        TRY(vouch(c, p, m->offset, &yes, e));
    if (yes)
        *out = p;
    return ERR_OK;
}

/* One thing out of librdkafka's queue; *again when it was nothing to tell about. */
static enum err_kind look(struct kf_consumer *c, rd_kafka_message_t *m,
                          struct kf_message *out, bool *got, struct kf_end *end,
                          bool *again, struct err *e)
{
    enum err_kind rc;
    struct part *p;

    switch (m->err) {
    case RD_KAFKA_RESP_ERR_NO_ERROR:
        rc = wanted_by(c, m, &p, e);
        *again = rc == ERR_OK && p == NULL;
        if (p == NULL)
            break;
        p->next = m->offset + 1;
        give(c, m, out);
        *got = true;
        return ERR_OK;
    case RD_KAFKA_RESP_ERR__PARTITION_EOF:
        rc = wanted_by(c, m, &p, e);
        *again = rc == ERR_OK && p == NULL;
        if (p == NULL)
            break;
        p->next = m->offset;
        say_end(c, m, end);
        break;
    default: rc = refused(c, m, e);
    }
    rd_kafka_message_destroy(m);
    return rc;
}

/* Where a partition stands is known of all: none could lose its first messages
 * unnoticed. */
static bool may_take_many(const struct kf_consumer *c)
{
    for (size_t i = 0; i < c->n_parts; i++)
        if (c->parts[i].next < 0)
            return false;
    return c->n_parts > 0;
}

/* What is there, many at once: a message alone costs librdkafka three looks at the
 * clock and four locks. */
static rd_kafka_message_t *take_there(struct kf_consumer *c)
{
    if (!may_take_many(c))
        return rd_kafka_consumer_poll(c->rk, 0);

    ssize_t n = rd_kafka_consume_batch_queue(c->queue, 0, c->taken, KF_TAKEN_MOST);
    c->n_taken = n > 0 ? (size_t)n : 0;
    c->given = 0;
    return c->n_taken == 0 ? NULL : c->taken[c->given++];
}

static rd_kafka_message_t *take(struct kf_consumer *c, int timeout_ms)
{
    if (c->given < c->n_taken)
        return c->taken[c->given++];
    rd_kafka_message_t *m = take_there(c);
    return m != NULL || timeout_ms == 0 ? m : rd_kafka_consumer_poll(c->rk, timeout_ms);
}

enum err_kind kf_poll(struct kf_consumer *c, int timeout_ms, struct kf_message *m,
                      bool *got, struct kf_end *end, struct err *e)
{
    *got = false;
    end->reached = false;
    if (c->n_waiting > 0 && clock_ms() >= c->ask_at_ms)
        ask_again(c);
    TRY(say_trouble(c, e)); // first, or a stream of messages would hide it

    for (int i = 0; i < DROPS_IN_ROW; i++) {
        rd_kafka_message_t *next = take(c, timeout_ms);
        bool again = false;

        if (next == NULL)
            return say_trouble(c, e);
        TRY(look(c, next, m, got, end, &again, e));
        if (!again)
            return ERR_OK;
        timeout_ms = 0; // what waited, waited
    }
    return ERR_OK;
}

void kf_message_free(struct kf_message *m)
{
    free((void *)(uintptr_t)m->headers);
    if (m->kept != NULL)
        rd_kafka_message_destroy(m->kept);
    *m = (struct kf_message){0};
}

/* ---- what the user asks of a partition ---- */

static enum err_kind held(struct kf_consumer *c, const char *topic, int32_t partition,
                          struct part **out, struct err *e)
{
    *out = find(c, topic, partition);
    if (*out == NULL)
        return err_set(e, ERR_CONFLICT, "%s/%" PRId32 " is not ours", topic, partition);
    return ERR_OK;
}

static enum err_kind set_paused(struct kf_consumer *c, const char *topic,
                                int32_t partition, bool paused, struct err *e)
{
    struct part *p;

    TRY(held(c, topic, partition, &p, e));
    p->paused = paused;
    if (p->state != PART_READING)
        return ERR_OK; // it stands still anyhow; start_at() looks at `paused`
    rd_kafka_resp_err_t code = pause_or_resume(c, p, paused);
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR)
        return kf_fail(e, code, "%s %s/%" PRId32, paused ? "pausing" : "resuming",
                       topic, partition);
    if (paused && forget_taken(c, p) > 0)
        p->trust = PART_DOUBTED; // librdkafka takes them for given
    return ERR_OK;
}

enum err_kind kf_pause(struct kf_consumer *c, const char *topic, int32_t partition,
                       struct err *e)
{
    return set_paused(c, topic, partition, true, e);
}

enum err_kind kf_resume(struct kf_consumer *c, const char *topic, int32_t partition,
                        struct err *e)
{
    return set_paused(c, topic, partition, false, e);
}

enum err_kind kf_consumer_assign_all(struct kf_consumer **out, const char *bootstrap,
                                     const struct conf_pairs *properties,
                                     const char *topic, int32_t n, int64_t offset,
                                     struct err *e)
{
    struct kf_consumer *c = NULL;

    TRY(start(&c, KF_ASSIGNED, bootstrap, properties, NULL, NULL, e));
    for (int32_t i = 0; i < n; i++)
        add(c, topic, i)->next = offset;
    rd_kafka_resp_err_t code = assign_anew(c);
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR) {
        kf_consumer_close(c);
        return kf_fail(e, code, "reading %s", topic);
    }
    *out = c;
    return ERR_OK;
}

void kf_consumer_leave_headers(struct kf_consumer *c)
{
    c->leaves_headers = true;
}

rd_kafka_t *kf_consumer_handle(const struct kf_consumer *c)
{
    return c->rk;
}

enum err_kind kf_consumer_committed(struct kf_consumer *c, const char *topic,
                                    int32_t partition, int64_t *next, int timeout_ms,
                                    struct err *e)
{
    rd_kafka_topic_partition_list_t *l =
        list_of(topic, partition, RD_KAFKA_OFFSET_INVALID);
    rd_kafka_resp_err_t code = rd_kafka_committed(c->rk, l, timeout_ms);
    int64_t offset = l->elems[0].offset;

    code = close_list(l, code);
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR)
        return kf_fail_heard(e, &c->voice, code, "committed offset of %s/%" PRId32,
                             topic, partition);
    *next = offset < 0 ? -1 : offset;
    return ERR_OK;
}

enum err_kind kf_seek(struct kf_consumer *c, const char *topic, int32_t partition,
                      int64_t offset, struct err *e)
{
    struct part *p;

    TRY(held(c, topic, partition, &p, e));
    return start_at(c, p, offset, e);
}

void kf_commit_copy(struct kf_consumer *c, const char *topic, int32_t partition,
                    int64_t next_offset)
{
    rd_kafka_topic_partition_list_t *l = list_of(topic, partition, next_offset);
    rd_kafka_resp_err_t code = rd_kafka_commit(c->rk, l, true);

    committed(c->rk, code, l, c);
    rd_kafka_topic_partition_list_destroy(l);
}

enum err_kind kf_consumer_offsets(struct kf_consumer *c, const char *topic,
                                  int32_t partition, int64_t *low, int64_t *high,
                                  int timeout_ms, struct err *e)
{
    return kf_watermarks(c->rk, &c->voice, topic, partition, low, high, timeout_ms, e);
}
