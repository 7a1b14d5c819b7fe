#include "gateway/replay.h"

#include "gateway/publish.h"
#include "tests/check.h"

#include <stdlib.h>

#define DAY 86400000

static const uint8_t hash[REPLAY_HASH] = "one", other_hash[REPLAY_HASH] = "another";
static const struct replay_limits limits = {1 << 20, DAY};
static const struct replay_answer written = {200, "application/json", {NULL, 0}};

struct asked {
    enum replay_verdict verdict;
    struct replay_entry *entry;
    struct replay_known known;
    struct replay_answer again;
};

static struct asked ask(struct replay *t, const char *name, const uint8_t *h, void *who,
                        int64_t now, struct arena *a)
{
    struct asked out = {0};

    out.verdict = replay_begin(t, span_str(name), h, who, now, a, &out.entry,
                               &out.known, &out.again);
    return out;
}

static size_t end(struct replay *t, struct replay_entry *entry, enum replay_end how,
                  const char *body, const struct replay_known *known, int64_t now)
{
    struct replay_answer answer = written;
    size_t n;

    answer.body = span_str(body);
    free(replay_end(t, entry, how, &answer, known, now, &n));
    return n;
}

static void a_finished_one_is_answered_again_until_its_day_is_over(void)
{
    struct arena a = {0};
    struct replay t;

    replay_init(&t, &limits);
    struct asked x = ask(&t, "k", hash, NULL, 0, &a);
    CHECK_INT(x.verdict, REPLAY_RUN);
    CHECK_INT(x.known.n, 0);
    CHECK_INT(end(&t, x.entry, REPLAY_FINISHED, "said", NULL, 10), 0);
    x = ask(&t, "k", hash, NULL, 9 + DAY, &a);
    CHECK_INT(x.verdict, REPLAY_AGAIN);
    CHECK_INT(x.again.status, 200);
    CHECK_SPAN(x.again.body, "said");
    CHECK_INT(ask(&t, "k", other_hash, NULL, 20, &a).verdict, REPLAY_OTHER);
    CHECK_INT(ask(&t, "another", other_hash, NULL, 20, &a).verdict, REPLAY_RUN);
    CHECK_INT(ask(&t, "k", other_hash, NULL, 10 + DAY, &a).verdict, REPLAY_RUN);
    replay_free(&t);
    arena_free(&a);
}

static void who_comes_while_it_runs_waits_and_another_request_does_not(void)
{
    struct arena a = {0};
    struct replay t;
    int second, third;
    size_t n;

    replay_init(&t, &limits);
    struct asked x = ask(&t, "k", hash, NULL, 0, &a);
    CHECK_INT(ask(&t, "k", hash, &second, 1, &a).verdict, REPLAY_WAIT);
    CHECK_INT(ask(&t, "k", hash, &third, 2 * DAY, &a).verdict, REPLAY_WAIT);
    CHECK_INT(ask(&t, "k", other_hash, NULL, 1, &a).verdict, REPLAY_OTHER);
    void **w = replay_end(&t, x.entry, REPLAY_FINISHED, &written, NULL, 3, &n);
    CHECK_INT(n, 2);
    CHECK(w[0] == &second && w[1] == &third);
    free(w);
    replay_free(&t);
    arena_free(&a);
}

static void one_that_wrote_nothing_never_was(void)
{
    struct arena a = {0};
    struct replay t;

    replay_init(&t, &limits);
    struct asked x = ask(&t, "k", hash, NULL, 0, &a);
    end(&t, x.entry, REPLAY_NOTHING, "503", NULL, 1);
    CHECK_INT(replay_bytes(&t), 0);
    CHECK_INT(ask(&t, "k", other_hash, NULL, 2, &a).verdict, REPLAY_RUN);
    replay_free(&t);
    arena_free(&a);
}

static void of_an_unfinished_one_it_is_known_what_was_written(void)
{
    struct written main[2] = {{.outcome = OUTCOME_WRITTEN, .offset = 7},
                              {.outcome = OUTCOME_UNKNOWN}};
    struct written dlq[2] = {{.outcome = OUTCOME_NONE}};
    const struct replay_known known = {3, main, dlq, 2};
    struct arena a = {0};
    struct replay t;

    replay_init(&t, &limits);
    struct asked x = ask(&t, "k", hash, NULL, 0, &a);
    end(&t, x.entry, REPLAY_UNFINISHED, "504", &known, 1);
    x = ask(&t, "k", hash, NULL, 2, &a);
    CHECK_INT(x.verdict, REPLAY_RUN);
    CHECK_INT(x.known.n, 2);
    CHECK_INT(x.known.schema_id, 3);
    CHECK_INT(x.known.main[0].offset, 7);
    end(&t, x.entry, REPLAY_NOTHING, "503", NULL, 3); // Kafka was away: still known
    x = ask(&t, "k", hash, NULL, 4, &a);
    CHECK_INT(x.known.n, 2);
    main[1].outcome = OUTCOME_WRITTEN;
    end(&t, x.entry, REPLAY_FINISHED, "200", &known, 5);
    x = ask(&t, "k", hash, NULL, 6, &a);
    CHECK_INT(x.verdict, REPLAY_AGAIN);
    CHECK_SPAN(x.again.body, "200");
    replay_free(&t);
    arena_free(&a);
}

static void the_one_asked_for_longest_ago_goes_first_and_one_that_runs_never(void)
{
    const struct replay_limits few = {3500, DAY};
    struct arena a = {0};
    struct replay t;
    char body[1001] = {0}, name[16];

    memset(body, 'x', 1000);
    replay_init(&t, &few);
    struct asked running = ask(&t, "running", hash, NULL, 0, &a);
    for (int i = 0; i < 3; i++) {
        snprintf(name, sizeof name, "k%d", i);
        struct asked x = ask(&t, name, hash, NULL, i, &a);
        end(&t, x.entry, REPLAY_FINISHED, body, NULL, i);
        CHECK(replay_bytes(&t) <= few.bytes);
        ask(&t, "k0", hash, NULL, i, &a);
    }
    CHECK_INT(ask(&t, "k0", hash, NULL, 9, &a).verdict, REPLAY_AGAIN);
    CHECK_INT(ask(&t, "k1", hash, NULL, 9, &a).verdict, REPLAY_RUN); // forgotten
    CHECK_INT(ask(&t, "running", hash, &t, 9, &a).verdict, REPLAY_WAIT);
    CHECK_INT(end(&t, running.entry, REPLAY_FINISHED, "", NULL, 10), 1);
    replay_free(&t);
    arena_free(&a);
}

int main(void)
{
    RUN(a_finished_one_is_answered_again_until_its_day_is_over);
    RUN(who_comes_while_it_runs_waits_and_another_request_does_not);
    RUN(one_that_wrote_nothing_never_was);
    RUN(of_an_unfinished_one_it_is_known_what_was_written);
    RUN(the_one_asked_for_longest_ago_goes_first_and_one_that_runs_never);
    return REPORT();
}
