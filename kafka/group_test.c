/*
 * Groups of consumers against the mock cluster: who gets which partitions, and where
 * they start.  The mock takes three seconds to begin a group, and two with these
 * settings for each change in it: so all of them wait at once.
 */
#include "kafka/consumer_inside.h"
#include "tests/at_once.h"
#include "tests/kafka_house.h"

#define PARTITIONS 4
#define MUCH 20000

/* One member: where its partitions start, and what it saw. */
struct member {
    struct kf_group group; // first
    struct kf_consumer *c;
    int64_t start[PARTITIONS]; // the sink's offsets, shared through `sink`
    int64_t *sink;
    bool held[PARTITIONS];
    int assigned, revoked, lost, refuse; // `refuse`: how often assigned() fails
    enum err_kind refuse_as;
    int failures; // of the checks below
    bool skipping;
    int skips;
};

/* librdkafka goes on a little later than it should, as 2.0.2 does when it pauses a
 * partition of which it was about to return messages. */
static void skip_some(struct member *k)
{
    for (int32_t p = 0; p < PARTITIONS; p++) {
        if (!k->held[p] || k->sink[p] + 50 >= MUCH)
            continue;
        rd_kafka_topic_partition_list_t *l = rd_kafka_topic_partition_list_new(1);
        rd_kafka_topic_partition_list_add(l, "t", p)->offset = k->sink[p] + 50;
        rd_kafka_error_t *error =
            rd_kafka_seek_partitions(kf_consumer_handle(k->c), l, 5000 * 1000);
        k->skips += error == NULL && l->elems[0].err == RD_KAFKA_RESP_ERR_NO_ERROR;
        if (error != NULL)
            rd_kafka_error_destroy(error);
        rd_kafka_topic_partition_list_destroy(l);
    }
}

static enum err_kind member_assigned(struct kf_group *g, const char *topic,
                                     int32_t partition, int64_t *start, struct err *e)
{
    struct member *m = (struct member *)g;

    m->failures += strcmp(topic, "t") != 0;
    if (m->refuse > 0) {
        m->refuse--;
        return err_set(e, m->refuse_as, "the sink is away");
    }
    m->failures += m->held[partition];
    m->held[partition] = true;
    m->assigned++;
    *start = m->sink[partition];
    return ERR_OK;
}

static void member_revoked(struct kf_group *g, const char *topic, int32_t partition,
                           bool lost)
{
    struct member *m = (struct member *)g;

    (void)topic;
    m->held[partition] = false;
    m->revoked++;
    m->lost += lost;
    if (m->skipping && m->revoked == PARTITIONS / 2)
        skip_some(m);
}

static const struct kf_group_ops member_ops = {member_assigned, member_revoked};

static void join(struct member *k, struct kf_mock *m, const struct conf_pairs *props,
                 int64_t *sink)
{
    static const char *const topics[] = {"t"};
    struct err e = {0};

    k->group.ops = &member_ops;
    k->sink = sink;
    CHECK_INT(kf_consumer_join(&k->c, kf_mock_bootstrap(m), props, "g", topics, 1,
                               &k->group, &e),
              ERR_OK);
}

/* One poll: a message must be the next of a partition held, and is "loaded". */
static void step(struct member *k, struct err *e)
{
    struct kf_message m;
    struct kf_end end;
    bool got;

    enum err_kind rc = kf_poll(k->c, 10, &m, &got, &end, e);
    if (rc != ERR_OK || !got)
        return;
    k->failures += !k->held[m.partition] || m.offset != k->sink[m.partition];
    k->sink[m.partition] = m.offset + 1;
    if (m.offset % 10 == 9)
        kf_commit_copy(k->c, m.topic, m.partition, m.offset + 1);
    kf_message_free(&m);
}

/* The same, and who is at the end begins anew. */
static void step_round(struct member *k, struct err *e)
{
    struct kf_message m;
    struct kf_end end;
    bool got;

    if (kf_poll(k->c, 10, &m, &got, &end, e) != ERR_OK)
        return;
    if (end.reached) {
        k->failures += end.offset != k->sink[end.partition];
        CHECK_INT(kf_seek(k->c, "t", end.partition, 0, e), ERR_OK);
        k->sink[end.partition] = 0;
    }
    if (!got)
        return;
    k->failures += !k->held[m.partition] || m.offset != k->sink[m.partition];
    k->sink[m.partition] = m.offset + 1;
    kf_message_free(&m);
}

static int64_t total(const int64_t *sink)
{
    int64_t n = 0;
    for (int i = 0; i < PARTITIONS; i++)
        n += sink[i];
    return n;
}

static int holds(const struct member *k)
{
    int n = 0;
    for (int i = 0; i < PARTITIONS; i++)
        n += k->held[i];
    return n;
}

static void two_share_a_topic(const char *strategy)
{
    struct conf_pair pairs[] = {
        {"partition.assignment.strategy", strategy, false},
        {"session.timeout.ms", "3000", false},
        {"heartbeat.interval.ms", "200", false},
    };
    struct conf_pairs props = {pairs, 3};
    struct kf_mock *m = mock("t", PARTITIONS);
    struct member one = {0}, two = {0};
    int64_t sink[PARTITIONS] = {5, 0, 0, 10}; // some was loaded before
    struct err e = {0};

    fill(m, "t", PARTITIONS, 100, 10);
    join(&one, m, &props, sink);
    for (int64_t until = clock_ms() + WAIT_MS; total(sink) < 200 && clock_ms() < until;)
        step(&one, &e);
    CHECK_INT(holds(&one), PARTITIONS);

    join(&two, m, &props, sink);
    for (int64_t until = clock_ms() + WAIT_MS;
         (holds(&one) != 2 || holds(&two) != 2) && clock_ms() < until;) {
        step(&one, &e);
        step(&two, &e);
    }
    CHECK_INT(holds(&one), 2);
    CHECK_INT(holds(&two), 2);
    CHECK(one.revoked >= 2);

    fill(m, "t", PARTITIONS, 50, 10);
    for (int64_t until = clock_ms() + WAIT_MS;
         total(sink) < 600 && clock_ms() < until;) {
        step(&one, &e);
        step(&two, &e);
    }
    CHECK_INT(total(sink), 600);

    kf_consumer_close(two.c); // leaves: the other takes all over
    CHECK_INT(holds(&two), 0);
    for (int64_t until = clock_ms() + WAIT_MS;
         holds(&one) != PARTITIONS && clock_ms() < until;)
        step(&one, &e);
    CHECK_INT(holds(&one), PARTITIONS);
    kf_consumer_close(one.c);
    CHECK_INT(holds(&one), 0);
    CHECK_INT(one.failures, 0);
    CHECK_INT(two.failures, 0);
    kf_mock_close(m);
}

static void two_members_share_a_topic_and_nothing_is_read_twice(void)
{
    two_share_a_topic("range");
}

static void two_members_share_a_topic_cooperatively(void)
{
    two_share_a_topic("cooperative-sticky");
}

static void what_a_rebalance_makes_librdkafka_skip_is_read_all_the_same(void)
{
    struct conf_pair pairs[] = {
        {"partition.assignment.strategy", "cooperative-sticky", false},
        {"session.timeout.ms", "3000", false},
        {"heartbeat.interval.ms", "200", false},
    };
    struct conf_pairs props = {pairs, 3};
    struct kf_mock *m = mock("t", PARTITIONS);
    struct member one = {.skipping = true}, two = {0};
    int64_t sink[PARTITIONS] = {0}, others[PARTITIONS] = {0};
    struct err e = {0};

    fill(m, "t", PARTITIONS, MUCH, 10);
    join(&one, m, &props, sink);
    for (int64_t until = clock_ms() + WAIT_MS;
         holds(&one) != PARTITIONS && clock_ms() < until;)
        step_round(&one, &e);
    join(&two, m, &props, others);
    for (int64_t until = clock_ms() + WAIT_MS; one.skips == 0 && clock_ms() < until;) {
        step_round(&one, &e);
        step(&two, &e);
    }
    CHECK(one.skips > 0);
    for (int i = 0; i < 4 * MUCH; i++)
        step_round(&one, &e);
    for (int64_t until = clock_ms() + WAIT_MS;
         (holds(&one) != 2 || holds(&two) != 2) && clock_ms() < until;) {
        step_round(&one, &e);
        step(&two, &e);
    }
    CHECK_INT(holds(&one), PARTITIONS / 2);
    CHECK_INT(one.failures, 0);
    kf_consumer_close(two.c);
    // To librdkafka the group is over before this one gives up its half.
    kf_consumer_close(one.c);
    CHECK_INT(holds(&one), 0);
    kf_mock_close(m);
}

/* librdkafka 2.0.2 aborts the process, left to itself. */
static void who_leaves_before_it_was_given_anything_leaves_in_peace(void)
{
    struct conf_pair pairs[] = {
        {"partition.assignment.strategy", "cooperative-sticky", false},
    };
    struct conf_pairs props = {pairs, 1};
    struct kf_mock *m = mock("t", PARTITIONS);
    struct member k = {0};
    int64_t sink[PARTITIONS] = {0};
    const char *protocol = "NONE";

    kf_mock_broker_slow(m, 1, 400); // between joining and what follows
    join(&k, m, &props, sink);
    for (int64_t until = clock_ms() + WAIT_MS;
         strcmp(protocol, "NONE") == 0 && clock_ms() < until;)
        protocol = rd_kafka_rebalance_protocol(kf_consumer_handle(k.c));
    CHECK_STR(protocol, "COOPERATIVE");
    kf_consumer_close(k.c);
    CHECK_INT(k.assigned, 0);
    kf_mock_close(m);
}

static void a_sink_that_is_away_is_asked_again_for_the_start(void)
{
    struct kf_mock *m = mock("t", PARTITIONS);
    struct member k = {.refuse = 6, .refuse_as = ERR_UNAVAILABLE};
    int64_t sink[PARTITIONS] = {1, 2, 3, 4};
    struct err e = {0};
    int said = 0;

    fill(m, "t", PARTITIONS, 10, 10);
    join(&k, m, NULL, sink);
    for (int64_t until = clock_ms() + WAIT_MS;
         total(sink) < 40 && clock_ms() < until;) {
        e.kind = ERR_OK;
        step(&k, &e);
        said += e.kind == ERR_UNAVAILABLE && strstr(e.msg, "the sink is away") != NULL;
    }
    CHECK(said >= 2);
    CHECK_INT(total(sink), 40);
    CHECK_INT(k.failures, 0);
    kf_consumer_close(k.c);
    kf_mock_close(m);
}

/* librdkafka 2.0.2 forgets a seek that meets an answer about "the end" on its way, and
 * goes to the end: so nobody may be asking when the start becomes known. */
static void a_start_found_late_is_where_reading_begins_on_a_slow_broker(void)
{
    struct kf_mock *m = mock("t", PARTITIONS);
    // A quarter of a second each: said at one of the moments at which it would be lost.
    struct member k = {.refuse = 4 * PARTITIONS, .refuse_as = ERR_UNAVAILABLE};
    int64_t sink[PARTITIONS] = {1, 2, 3, 4};
    struct err e = {0};

    fill(m, "t", PARTITIONS, 10, 10);
    kf_mock_broker_slow(m, 1, 400);
    join(&k, m, NULL, sink);
    for (int64_t until = clock_ms() + WAIT_MS; total(sink) < 40 && clock_ms() < until;)
        step(&k, &e);
    CHECK_INT(total(sink), 40);
    CHECK_INT(k.failures, 0);
    kf_consumer_close(k.c);
    kf_mock_close(m);
}

static void a_start_that_is_refused_is_said_and_the_partition_stays_unread(void)
{
    struct kf_mock *m = mock("t", PARTITIONS);
    struct member k = {.refuse = 1, .refuse_as = ERR_CONFLICT};
    int64_t sink[PARTITIONS] = {0};
    struct err e = {0};
    int said = 0, stopped = -1;

    fill(m, "t", PARTITIONS, 10, 10);
    join(&k, m, NULL, sink);
    for (int64_t until = clock_ms() + WAIT_MS;
         total(sink) < 30 && clock_ms() < until;) {
        e.kind = ERR_OK;
        step(&k, &e);
        said += e.kind == ERR_CONFLICT;
    }
    for (int i = 0; i < 30; i++)
        step(&k, &e);
    CHECK_INT(said, 1);
    CHECK_INT(total(sink), 30);
    for (int i = 0; i < PARTITIONS; i++)
        if (sink[i] == 0)
            stopped = i;
    CHECK(stopped >= 0);
    k.held[stopped] = true;
    CHECK_INT(kf_seek(k.c, "t", stopped, 0, &e), ERR_OK);
    for (int64_t until = clock_ms() + WAIT_MS; total(sink) < 40 && clock_ms() < until;)
        step(&k, &e);
    CHECK_INT(total(sink), 40);
    CHECK_INT(k.failures, 0);
    kf_consumer_close(k.c);
    kf_mock_close(m);
}

int main(void)
{
    static const struct at_once tests[] = {
        AT_ONCE(two_members_share_a_topic_and_nothing_is_read_twice),
        AT_ONCE(two_members_share_a_topic_cooperatively),
        AT_ONCE(what_a_rebalance_makes_librdkafka_skip_is_read_all_the_same),
        AT_ONCE(who_leaves_before_it_was_given_anything_leaves_in_peace),
        AT_ONCE(a_sink_that_is_away_is_asked_again_for_the_start),
        AT_ONCE(a_start_found_late_is_where_reading_begins_on_a_slow_broker),
        AT_ONCE(a_start_that_is_refused_is_said_and_the_partition_stays_unread),
    };
    return RUN_AT_ONCE(tests);
}
