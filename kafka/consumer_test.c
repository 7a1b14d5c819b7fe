/*
 * The consumer against the mock cluster: which records come, and from where.
 */
#include "tests/kafka_house.h"

static struct kf_consumer *assign(struct kf_mock *m, int64_t offset)
{
    // The mock answers a fetch that finds nothing only when this is over.
    static struct conf_pair pair = {"fetch.wait.max.ms", "20", false};
    const struct conf_pairs props = {&pair, 1};
    struct kf_consumer *c = NULL;
    struct err e = {0};

    CHECK_INT(kf_consumer_assign(&c, kf_mock_bootstrap(m), &props, "t", 0, offset, &e),
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

static void a_seek_before_the_beginning_is_known_is_put_off_not_lost(void)
{
    struct kf_mock *m = mock("t", 1);
    struct kf_end end;
    struct err e = {0};

    fill(m, "t", 1, 100, 10);
    struct kf_consumer *c = assign(m, KF_END);
    CHECK_INT(kf_seek(c, "t", 0, 70, &e), ERR_UNAVAILABLE);
    CHECK_STR(e.msg, "going to t/0@70: where it stands is still being asked");
    CHECK_INT(next(c, &end, &e), -1);
    CHECK_INT(end.offset, 100);
    CHECK_INT(kf_seek(c, "t", 0, 70, &e), ERR_OK);
    for (int i = 70; i < 100; i++)
        CHECK_INT(next(c, &end, &e), i);
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
        CHECK_INT(kf_poll(c, 20, &got, &any, &end, &e), ERR_OK);
        CHECK(!any && !end.reached);
    }
    CHECK_INT(kf_resume(c, "t", 0, &e), ERR_OK);
    for (int i = 10; i < 100; i++)
        CHECK_INT(next(c, &end, &e), i);
    kf_consumer_close(c);
    kf_mock_close(m);
}

static void headers_that_are_left_are_not_there_and_all_else_is(void)
{
    struct kf_mock *m = mock("t", 1);
    struct kf_producer *p = NULL;
    struct kf_waiter w = {ignore_report};
    struct kf_header h = {"a", span_str("b")};
    struct kf_record r = {.key = span_str("k"), .value = span_str("v"), .headers = &h};
    struct err e = {0};

    r.n_headers = 1;
    CHECK_INT(kf_producer_open(&p, kf_mock_bootstrap(m), NULL, &e), ERR_OK);
    CHECK_INT(kf_send(p, "t", &r, &w, 0, &e), ERR_OK);
    CHECK(kf_flush(p, WAIT_MS));
    kf_producer_close(p);

    for (int leave = 0; leave < 2; leave++) {
        struct kf_consumer *c = assign(m, 0);
        struct kf_message got;
        struct kf_end end;
        bool any = false;

        if (leave)
            kf_consumer_leave_headers(c);
        for (int64_t until = clock_ms() + WAIT_MS; !any && clock_ms() < until;)
            CHECK_INT(kf_poll(c, 100, &got, &any, &end, &e), ERR_OK);
        CHECK_INT(got.n_headers, leave ? 0 : 1);
        CHECK_SPAN(got.key, "k");
        CHECK_SPAN(got.value, "v");
        kf_message_free(&got);
        kf_consumer_close(c);
    }
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

static void several_partitions_are_read_by_one_that_was_assigned(void)
{
    struct kf_mock *m = mock("t", 3);
    struct kf_end end;
    struct kf_message got;
    struct err e = {0};
    int seen[3] = {0}, ends = 0;
    bool any;

    fill(m, "t", 3, 20, 10);
    struct kf_consumer *c = NULL;
    CHECK_INT(kf_consumer_assign_all(&c, kf_mock_bootstrap(m), NULL, "t", 3,
                                     KF_BEGINNING, &e),
              ERR_OK);
    for (int i = 0; i < 3000 && ends < 3; i++) {
        CHECK_INT(kf_poll(c, 100, &got, &any, &end, &e), ERR_OK);
        ends += end.reached;
        if (!any)
            continue;
        seen[got.partition]++;
        kf_message_free(&got);
    }
    CHECK_INT(seen[0], 20);
    CHECK_INT(seen[1], 20);
    CHECK_INT(seen[2], 20);
    kf_consumer_close(c);
    kf_mock_close(m);
}

int main(void)
{
    RUN(several_partitions_are_read_by_one_that_was_assigned);
    RUN(an_assigned_partition_is_read_from_its_offset_to_its_end);
    RUN(an_empty_partition_is_at_its_end);
    RUN(an_offset_that_was_deleted_is_a_conflict_not_a_skip);
    RUN(an_offset_behind_the_end_is_a_conflict);
    RUN(seeking_back_and_forth_skips_and_repeats_nothing_else);
    RUN(a_seek_before_the_beginning_is_known_is_put_off_not_lost);
    RUN(headers_that_are_left_are_not_there_and_all_else_is);
    RUN(a_paused_partition_gives_nothing_until_resumed);
    RUN(brokers_away_is_said_and_reading_goes_on_when_they_are_back);
    return REPORT();
}
