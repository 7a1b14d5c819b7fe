/*
 * The consumer against the mock cluster: which records come, from where, and to whom.
 */
#include "base/clock.h"
#include "kafka/consumer.h"
#include "kafka/mock.h"
#include "tests/check.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#define WAIT_MS 20000
#define PARTITIONS 4

static struct kf_mock *mock(const char *topic, int32_t partitions)
{
    struct kf_mock *m = NULL;
    struct err e = {0};

    if (kf_mock_open(&m, 1, &e) != ERR_OK ||
        kf_mock_topic(m, topic, partitions, &e) != ERR_OK) {
        printf("Bail out! %s\n", e.msg);
        exit(1);
    }
    return m;
}

static void ignore_report(struct kf_waiter *w, uint32_t i, const struct kf_report *r)
{
    (void)w, (void)i, (void)r;
}

/* `n` records of `size` bytes to each partition of `topic`. */
static void fill(struct kf_mock *m, const char *topic, int32_t partitions, int n,
                 size_t size)
{
    struct kf_producer *p = NULL;
    struct kf_waiter w = {ignore_report};
    struct err e = {0};
    uint8_t *bytes = calloc(1, size);

    CHECK_INT(kf_producer_open(&p, kf_mock_bootstrap(m), NULL, &e), ERR_OK);
    for (int i = 0; i < n; i++)
        for (int32_t k = 0; k < partitions; k++) {
            struct kf_record r = {.value = span_of(bytes, size), .partition = k};
            CHECK_INT(kf_send(p, topic, &r, &w, 0, &e), ERR_OK);
        }
    CHECK(kf_flush(p, WAIT_MS));
    kf_producer_close(p);
    free(bytes);
}

static struct kf_consumer *assign(struct kf_mock *m, int64_t offset)
{
    struct kf_consumer *c = NULL;
    struct err e = {0};

    CHECK_INT(kf_consumer_assign(&c, kf_mock_bootstrap(m), NULL, "t", 0, offset, &e),
              ERR_OK);
    return c;
}

/* The next message's offset; -1 when the end came, -2 on an error, -3 when nothing. */
static int64_t next(struct kf_consumer *c, struct kf_end *end, struct err *e)
{
    for (int64_t until = clock_ms() + WAIT_MS; clock_ms() < until;) {
        struct kf_message m;
        bool got;

        if (kf_poll(c, 100, &m, &got, end, e) != ERR_OK)
            return -2;
        if (end->reached)
            return -1;
        if (!got)
            continue;
        int64_t offset = m.offset;
        kf_message_free(&m);
        return offset;
    }
    return -3;
}

static void an_assigned_partition_is_read_from_its_offset_to_its_end(void)
{
    struct kf_mock *m = mock("t", 1);
    struct kf_end end;
    struct err e = {0};

    fill(m, "t", 1, 100, 10);
    struct kf_consumer *c = assign(m, 40);
    for (int i = 40; i < 100; i++)
        CHECK_INT(next(c, &end, &e), i);
    CHECK_INT(next(c, &end, &e), -1);
    CHECK_STR(end.topic, "t");
    CHECK_INT(end.partition, 0);
    CHECK_INT(end.offset, 100);

    fill(m, "t", 1, 1, 10); // and goes on behind it
    CHECK_INT(next(c, &end, &e), 100);
    CHECK_INT(next(c, &end, &e), -1);
    CHECK_INT(end.offset, 101);
    kf_consumer_close(c);
    kf_mock_close(m);
}

static void an_empty_partition_is_at_its_end(void)
{
    struct kf_mock *m = mock("t", 1);
    struct kf_consumer *c = assign(m, KF_BEGINNING);
    struct kf_end end;
    struct err e = {0};

    CHECK_INT(next(c, &end, &e), -1);
    CHECK_INT(end.offset, 0);
    kf_consumer_close(c);
    kf_mock_close(m);
}

static void an_offset_that_was_deleted_is_a_conflict_not_a_skip(void)
{
    struct kf_mock *m = mock("t", 1);
    struct kf_end end;
    struct err e = {0};
    int64_t low, high;

    fill(m, "t", 1, 40, 300 << 10); // 12 MB: the mock keeps five and drops the oldest
    struct kf_consumer *c = assign(m, 0);
    CHECK_INT(next(c, &end, &e), -2);
    CHECK_INT(e.kind, ERR_CONFLICT);
    CHECK(strstr(e.msg, "t/0@0") != NULL);

    // After it was said, the partition can be taken up elsewhere.
    CHECK_INT(kf_consumer_offsets(c, "t", 0, &low, &high, WAIT_MS, &e), ERR_OK);
    CHECK(low > 0);
    CHECK_INT(high, 40);
    CHECK_INT(kf_seek(c, "t", 0, low, &e), ERR_OK);
    CHECK_INT(next(c, &end, &e), low);
    kf_consumer_close(c);
    kf_mock_close(m);
}

static void an_offset_behind_the_end_is_a_conflict(void)
{
    struct kf_mock *m = mock("t", 1);
    struct kf_end end;
    struct err e = {0};

    fill(m, "t", 1, 5, 10);
    struct kf_consumer *c = assign(m, 77);
    CHECK_INT(next(c, &end, &e), -2);
    CHECK_INT(e.kind, ERR_CONFLICT);
    CHECK(strstr(e.msg, "t/0@77") != NULL);
    kf_consumer_close(c);
    kf_mock_close(m);
}

static void seeking_back_and_forth_skips_and_repeats_nothing_else(void)
{
    struct kf_mock *m = mock("t", 1);
    struct kf_end end;
    struct err e = {0};

    fill(m, "t", 1, 100, 10);
    struct kf_consumer *c = assign(m, 0);
    for (int i = 0; i < 50; i++)
        CHECK_INT(next(c, &end, &e), i);
    CHECK_INT(kf_seek(c, "t", 0, 10, &e), ERR_OK);
    for (int i = 10; i < 20; i++)
        CHECK_INT(next(c, &end, &e), i);
    CHECK_INT(kf_seek(c, "t", 0, 90, &e), ERR_OK);
    for (int i = 90; i < 100; i++)
        CHECK_INT(next(c, &end, &e), i);
    CHECK_INT(next(c, &end, &e), -1);
    CHECK_INT(kf_seek(c, "t", 1, 90, &e), ERR_CONFLICT);
    CHECK_STR(e.msg, "t/1 is not ours");
    kf_consumer_close(c);
    kf_mock_close(m);
}

static void a_paused_partition_gives_nothing_until_resumed(void)
{
    struct kf_mock *m = mock("t", 1);
    struct kf_end end;
    struct kf_message got;
    struct err e = {0};
    bool any;

    fill(m, "t", 1, 100, 10);
    struct kf_consumer *c = assign(m, 0);
    for (int i = 0; i < 10; i++)
        CHECK_INT(next(c, &end, &e), i);
    CHECK_INT(kf_pause(c, "t", 0, &e), ERR_OK);
    for (int i = 0; i < 5; i++) {
        CHECK_INT(kf_poll(c, 100, &got, &any, &end, &e), ERR_OK);
        CHECK(!any && !end.reached);
    }
    CHECK_INT(kf_resume(c, "t", 0, &e), ERR_OK);
    for (int i = 10; i < 100; i++)
        CHECK_INT(next(c, &end, &e), i);
    kf_consumer_close(c);
    kf_mock_close(m);
}

static void brokers_away_is_said_and_reading_goes_on_when_they_are_back(void)
{
    struct kf_mock *m = mock("t", 1);
    struct kf_end end;
    struct err e = {0};

    fill(m, "t", 1, 10, 10);
    struct kf_consumer *c = assign(m, 0);
    for (int i = 0; i < 10; i++)
        CHECK_INT(next(c, &end, &e), i);
    CHECK_INT(next(c, &end, &e), -1);
    kf_mock_broker_down(m, -1, true);
    CHECK_INT(next(c, &end, &e), -2);
    CHECK_INT(e.kind, ERR_UNAVAILABLE);

    kf_mock_broker_down(m, -1, false);
    fill(m, "t", 1, 1, 10);
    int64_t got;
    for (int i = 0; (got = next(c, &end, &e)) < 0 && i < 50; i++)
        CHECK(got == -1 || e.kind == ERR_UNAVAILABLE);
    CHECK_INT(got, 10);
    kf_consumer_close(c);
    kf_mock_close(m);
}

/* ---- groups ---- */

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
};

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
    kf_commit_copy(k->c, m.topic, m.partition, m.offset + 1);
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
        {"session.timeout.ms", "6000", false},
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
    RUN(an_assigned_partition_is_read_from_its_offset_to_its_end);
    RUN(an_empty_partition_is_at_its_end);
    RUN(an_offset_that_was_deleted_is_a_conflict_not_a_skip);
    RUN(an_offset_behind_the_end_is_a_conflict);
    RUN(seeking_back_and_forth_skips_and_repeats_nothing_else);
    RUN(a_paused_partition_gives_nothing_until_resumed);
    RUN(brokers_away_is_said_and_reading_goes_on_when_they_are_back);
    RUN(two_members_share_a_topic_and_nothing_is_read_twice);
    RUN(two_members_share_a_topic_cooperatively);
    RUN(a_sink_that_is_away_is_asked_again_for_the_start);
    RUN(a_start_that_is_refused_is_said_and_the_partition_stays_unread);
    return REPORT();
}
