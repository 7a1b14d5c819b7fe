/*
 * The promises of place/place.h, asked of every place on its real server.
 *
 *      AVROGATE_TEST_S3=http://127.0.0.1:7070     a bucket "staging" there, testkey and
 *                                                 testsecret123 (tests/services/s3.sh)
 *      AVROGATE_TEST_HDFS=127.0.0.1:19870,19864   NameNode and DataNode, both HTTP
 *                                                 (tests/services/hdfs.sh)
 *
 *
 * Without one it is not asked, and that is said.  PLACE_LONG=1: half a minute more.
 */
#include "place/place.h"
#include "base/clock.h"
#include "tests/check.h"
#include "tests/fakes/http_wire.h"

#include <inttypes.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>

static struct {
    const char *name;
    struct place_settings s; // straight to the server
    char url[200], wired_url[200], endpoint[100];
    bool wired;  // it has a way on which things go wrong
    int entries; // more than a page of a list
    struct place *p;
} w;

static char root[100];

static struct place *open_place(bool wired)
{
    struct place_settings s = w.s;
    struct place *p = NULL;
    struct err e = {0};

    s.url = wired && w.s.s3.endpoint == NULL ? w.wired_url : w.url;
    s.s3.endpoint = w.s.s3.endpoint == NULL ? NULL
                    : wired                 ? w.endpoint
                                            : w.s.s3.endpoint;
    CHECK_INT(place_open(&p, &s, &e), ERR_OK);
    if (p == NULL) {
        printf("    %s\n", e.msg);
        exit(1);
    }
    return p;
}

/* --- what is asked with ----------------------------------------------------------- */

static struct span filled(size_t n, uint8_t seed)
{
    static uint8_t *big;
    static size_t cap;

    if (n > cap)
        big = mem_grow(big, cap = n, 1);
    for (size_t i = 0; i < n; i++)
        big[i] = (uint8_t)(i * 31 + i / 251 + seed);
    return span_of(big, n);
}

static enum err_kind put(struct place *p, const char *tmp, const char *final,
                         struct span body, struct buf *ticket, struct err *e)
{
    struct place_bytes b = place_bytes_of(&body);

    return place_write(p, tmp, final, &b, ticket, e);
}

static enum err_kind say(enum err_kind rc, const struct err *e)
{
    if (rc != ERR_OK)
        printf("    %s\n", e->msg);
    return rc;
}

static size_t count(const char *dir)
{
    struct arena a = {0};
    struct place_entry *all = NULL;
    struct err e = {0};
    size_t n = 0;

    CHECK_INT(say(place_list(w.p, dir, NULL, &a, &all, &n, &e), &e), ERR_OK);
    arena_free(&a);
    return n;
}

static bool holds(const char *name, struct span body)
{
    struct buf got = BUF_INIT(64 << 20);
    struct err e = {0};

    bool same = say(place_read(w.p, name, 0, body.n + 10, &got, &e), &e) == ERR_OK &&
                span_eq(buf_span(&got), body);
    buf_free(&got);
    return same;
}

/* --- promises --------------------------------------------------------------------- */

static void nobody_sees_a_file_before_it_is_finished(void)
{
    struct buf ticket = BUF_INIT(4096);
    struct place_entry there = {0};
    struct err e = {0};
    struct span body = filled(300000, 1);
    int64_t n = 0;

    CHECK_INT(say(put(w.p, "_tmp/a", "d/a.bin", body, &ticket, &e), &e), ERR_OK);
    CHECK_INT(place_stat(w.p, "d/a.bin", &there, &e), ERR_NOT_FOUND);
    CHECK_INT(say(place_pending(w.p, buf_span(&ticket), "d/a.bin", &n, &e), &e),
              ERR_OK);
    CHECK(n == 300000 || n == -1);
    CHECK_INT(count("d"), 0);
    CHECK_INT(say(place_finish(w.p, buf_span(&ticket), "d/a.bin", 300000, &e), &e),
              ERR_OK);
    CHECK_INT(place_stat(w.p, "d/a.bin", &there, &e), ERR_OK);
    CHECK_INT(there.bytes, 300000);
    CHECK(!there.dir);
    CHECK(there.modified_ms > wall_ms() - 600000 &&
          there.modified_ms < wall_ms() + 600000);
    CHECK(holds("d/a.bin", body));
    CHECK_INT(count("d"), 1);
    CHECK_INT(place_pending(w.p, buf_span(&ticket), "d/a.bin", &n, &e), ERR_NOT_FOUND);
    buf_free(&ticket);
}

static void finishing_again_changes_nothing_and_another_length_is_broken(void)
{
    struct buf ticket = BUF_INIT(4096);
    struct err e = {0};

    CHECK_INT(put(w.p, "_tmp/b", "b.bin", filled(1000, 2), &ticket, &e), ERR_OK);
    for (int i = 0; i < 3; i++)
        CHECK_INT(say(place_finish(w.p, buf_span(&ticket), "b.bin", 1000, &e), &e),
                  ERR_OK);
    CHECK(holds("b.bin", filled(1000, 2)));
    CHECK_INT(place_finish(w.p, buf_span(&ticket), "b.bin", 999, &e), ERR_INTERNAL);
    CHECK_INT(place_finish(w.p, buf_span(&ticket), "never.bin", 1000, &e),
              ERR_NOT_FOUND);
    buf_free(&ticket);
}

static void what_is_given_up_is_gone(void)
{
    struct buf ticket = BUF_INIT(4096);
    struct err e = {0};
    int64_t n;

    CHECK_INT(put(w.p, "_tmp/c", "c.bin", filled(1000, 3), &ticket, &e), ERR_OK);
    CHECK_INT(place_discard(w.p, buf_span(&ticket), "c.bin", &e), ERR_OK);
    CHECK_INT(place_discard(w.p, buf_span(&ticket), "c.bin", &e), ERR_OK);
    CHECK_INT(place_pending(w.p, buf_span(&ticket), "c.bin", &n, &e), ERR_NOT_FOUND);
    CHECK_INT(place_finish(w.p, buf_span(&ticket), "c.bin", 1000, &e), ERR_NOT_FOUND);
    buf_free(&ticket);
}

static void a_claim_is_made_once_and_read_by_the_others(void)
{
    struct buf found = BUF_INIT(PLACE_CLAIM);
    struct err e = {0};

    CHECK_INT(
        say(place_claim(w.p, "_claims/t/0/1", "_tmp/k1", span_str("one"), &found, &e),
            &e),
        ERR_OK);
    CHECK_INT(place_claim(w.p, "_claims/t/0/1", "_tmp/k2", span_str("two"), &found, &e),
              ERR_CONFLICT);
    CHECK_SPAN(buf_span(&found), "one");
    CHECK_INT(place_claim(w.p, "_claims/t/0/1", "_tmp/k1", span_str("one"), &found, &e),
              ERR_OK); // our own: the answer had been lost
    CHECK_INT(count("_claims/t/0"), 1);
    buf_free(&found);
}

/* Processes that all want the same names at once. */
static void of_many_racing_processes_one_gets_each_claim(void)
{
    enum { RACERS = 8, ROUNDS = 12 };
    int won[ROUNDS] = {0}, pipes[2];

    CHECK_INT(pipe(pipes), 0);
    for (int r = 0; r < RACERS; r++) {
        if (fork() != 0)
            continue;
        struct place *p = open_place(false);
        struct buf found = BUF_INIT(PLACE_CLAIM);
        for (uint8_t i = 0; i < ROUNDS; i++) {
            char name[60], tmp[60], body[60];
            struct err e = {0};
            enum err_kind rc = ERR_UNAVAILABLE;
            snprintf(name, sizeof name, "_claims/race/%d", i);
            snprintf(tmp, sizeof tmp, "_tmp/race-%d-%d", r, i);
            snprintf(body, sizeof body, "racer %d in round %d", r, i);
            while (rc == ERR_UNAVAILABLE)
                rc = place_claim(p, name, tmp, span_str(body), &found, &e);
            // a loser must see a whole body of another
            bool whole = rc == ERR_OK || (rc == ERR_CONFLICT && found.n >= 18 &&
                                          memcmp(found.p, "racer ", 6) == 0);
            uint8_t say_[2] = {i, rc == ERR_OK ? 1 : whole ? 0 : 99};
            if (write(pipes[1], say_, 2) != 2)
                _exit(1);
        }
        _exit(0);
    }
    close(pipes[1]);
    uint8_t heard[2];
    int all = 0, torn = 0;
    while (read(pipes[0], heard, 2) == 2) {
        all++;
        won[heard[0]] += heard[1] == 1;
        torn += heard[1] == 99;
    }
    close(pipes[0]);
    while (wait(NULL) > 0)
        ;
    CHECK_INT(all, RACERS * ROUNDS);
    CHECK_INT(torn, 0);
    for (int i = 0; i < ROUNDS; i++)
        CHECK_INT(won[i], 1);
}

/* A process that dies after each step; another one goes on from what the place holds.
 */
static void whoever_comes_finishes_what_a_crash_left(void)
{
    for (int steps = 1; steps <= 3; steps++) {
        char claim[60], tmp[60], final[60];
        struct buf ticket = BUF_INIT(4096), found = BUF_INIT(PLACE_CLAIM);
        struct err e = {0};
        int status;

        snprintf(claim, sizeof claim, "_claims/crash/%d", steps);
        snprintf(tmp, sizeof tmp, "_tmp/crash-%d", steps);
        snprintf(final, sizeof final, "crash/%d.bin", steps);
        if (fork() == 0) {
            struct place *p = open_place(false);
            bool good = put(p, tmp, final, filled(5000, 7), &ticket, &e) == ERR_OK;
            if (steps >= 2)
                good = good && place_claim(p, claim, "_tmp/kc", buf_span(&ticket),
                                           &found, &e) == ERR_OK;
            if (steps >= 3)
                good = good &&
                       place_finish(p, buf_span(&ticket), final, 5000, &e) == ERR_OK;
            _exit(!good);
        }
        wait(&status);
        CHECK_INT(status, 0);
        enum err_kind rc =
            place_claim(w.p, claim, "_tmp/kd", span_str("mine"), &found, &e);
        CHECK_INT(rc, steps == 1 ? ERR_OK : ERR_CONFLICT);
        if (rc == ERR_CONFLICT) {
            CHECK_INT(say(place_finish(w.p, buf_span(&found), final, 5000, &e), &e),
                      ERR_OK);
            CHECK(holds(final, filled(5000, 7)));
        }
        CHECK_INT(count("crash"), steps - 1);
        buf_free(&ticket);
        buf_free(&found);
    }
}

static enum err_kind fails_at_half(void *arg, int64_t at, uint8_t *p, size_t n,
                                   struct err *e)
{
    if (at + (int64_t)n > *(int64_t *)arg)
        return err_set(e, ERR_INTERNAL, "the spool cannot be read");
    memset(p, 'x', n);
    return ERR_OK;
}

static void a_source_that_fails_leaves_nothing(void)
{
    int64_t half = 300000;
    struct place_bytes b = {fails_at_half, &half, 600000};
    struct buf ticket = BUF_INIT(4096);
    struct err e = {0};

    CHECK(place_write(w.p, "_tmp/h", "half.bin", &b, &ticket, &e) != ERR_OK);
    CHECK(strstr(e.msg, "spool") != NULL);
    // the same name again, whole; HDFS may still be closing the half
    enum err_kind rc = ERR_UNAVAILABLE;
    for (int i = 0; rc == ERR_UNAVAILABLE && i < 50; i++) {
        usleep(i == 0 ? 0 : 100000);
        rc = put(w.p, "_tmp/h", "half.bin", filled(10, 9), &ticket, &e);
    }
    CHECK_INT(say(rc, &e), ERR_OK);
    CHECK_INT(say(place_finish(w.p, buf_span(&ticket), "half.bin", 10, &e), &e),
              ERR_OK);
    CHECK(holds("half.bin", filled(10, 9)));
    buf_free(&ticket);
}

static void lists_more_than_a_page_in_order_and_from_a_name_on(void)
{
    struct buf found = BUF_INIT(PLACE_CLAIM);
    struct arena a = {0};
    struct place_entry *all = NULL;
    struct err e = {0};
    size_t n = 0;
    int bad = 0;

    for (int i = 0; i < w.entries; i++) {
        char name[60];
        snprintf(name, sizeof name, "many/%05d", (i * 7919) % w.entries);
        CHECK_INT(say(place_claim(w.p, name, "_tmp/m", span_str(name), &found, &e), &e),
                  ERR_OK);
    }
    CHECK_INT(say(place_list(w.p, "many", NULL, &a, &all, &n, &e), &e), ERR_OK);
    CHECK_INT(n, w.entries);
    for (size_t i = 0; i < n; i++) {
        char name[60];
        snprintf(name, sizeof name, "%05zu", i);
        bad += strcmp(all[i].name, name) != 0 || all[i].bytes != 10 || all[i].dir;
    }
    CHECK_INT(bad, 0);
    char after[60];
    snprintf(after, sizeof after, "%05d", w.entries - 4);
    CHECK_INT(say(place_list(w.p, "many", after, &a, &all, &n, &e), &e), ERR_OK);
    CHECK_INT(n, 3);
    arena_free(&a);
    buf_free(&found);
}

static void tells_directories_from_files(void)
{
    struct buf found = BUF_INIT(PLACE_CLAIM);
    struct arena a = {0};
    struct place_entry *all = NULL;
    struct err e = {0};
    size_t n = 0;

    CHECK_INT(place_claim(w.p, "tree/one/x", "_tmp/t1", span_str("x"), &found, &e),
              ERR_OK);
    CHECK_INT(place_claim(w.p, "tree/two", "_tmp/t2", span_str("y"), &found, &e),
              ERR_OK);
    CHECK_INT(say(place_list(w.p, "tree", NULL, &a, &all, &n, &e), &e), ERR_OK);
    CHECK_INT(n, 2);
    if (n == 2) {
        CHECK_STR(all[0].name, "one");
        CHECK(all[0].dir);
        CHECK_STR(all[1].name, "two");
        CHECK(!all[1].dir);
    }
    CHECK_INT(count("nowhere"), 0);
    arena_free(&a);
    buf_free(&found);
}

static void keeps_strange_names(void)
{
    static const char *const names[] = {
        "dt=2026-11-20/hour=09/a b.bin",
        ("stra\xc3\x9f"
         "e=\xe5\x8c\x97\xe4\xba\xac/x.bin"),
        "plus+and&amp;%41/q?x#y.bin",
        "quote'\"/<Key>.bin",
        "topic+3+00000000000000000100+00000000000000000199.parquet",
    };

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char tmp[60];
        struct buf ticket = BUF_INIT(4096);
        struct arena a = {0};
        struct place_entry *all = NULL;
        struct err e = {0};
        size_t n = 0;
        snprintf(tmp, sizeof tmp, "_tmp/s%zu", i);
        CHECK_INT(say(put(w.p, tmp, names[i], filled(100 + i, 4), &ticket, &e), &e),
                  ERR_OK);
        CHECK_INT(
            say(place_finish(w.p, buf_span(&ticket), names[i], (int64_t)(100 + i), &e),
                &e),
            ERR_OK);
        CHECK(holds(names[i], filled(100 + i, 4)));
        const char *slash = strrchr(names[i], '/');
        if (slash != NULL) {
            char dir[200];
            snprintf(dir, sizeof dir, "%.*s", (int)(slash - names[i]), names[i]);
            CHECK_INT(say(place_list(w.p, dir, NULL, &a, &all, &n, &e), &e), ERR_OK);
            CHECK_INT(n, 1);
            if (n == 1)
                CHECK_STR(all[0].name, slash + 1);
        }
        arena_free(&a);
        buf_free(&ticket);
    }
}

static void refuses_names_that_lead_elsewhere(void)
{
    static const char *const names[] = {"",      "/etc", "a//b", "../x",
                                        "a/./b", "a/",   "a\nb"};
    struct buf ticket = BUF_INIT(4096);
    struct err e = {0};

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        CHECK_INT(put(w.p, "_tmp/z", names[i], filled(5, 0), &ticket, &e), ERR_INVALID);
        CHECK_INT(place_remove(w.p, names[i], &e), ERR_INVALID);
    }
    CHECK(place_finish(w.p, span_str("_tmp/../../x"), "y", 5, &e) != ERR_OK);
    CHECK(place_finish(w.p, span_str("b.bin"), "y", 5, &e) != ERR_OK);
    buf_free(&ticket);
}

static void reads_any_part_and_nothing_behind_the_end(void)
{
    struct buf ticket = BUF_INIT(4096), got = BUF_INIT(1 << 20), small = BUF_INIT(10);
    struct err e = {0};

    CHECK_INT(put(w.p, "_tmp/r", "r.bin", filled(100000, 5), &ticket, &e), ERR_OK);
    CHECK_INT(place_finish(w.p, buf_span(&ticket), "r.bin", 100000, &e), ERR_OK);
    CHECK_INT(say(place_read(w.p, "r.bin", 99990, 100, &got, &e), &e), ERR_OK);
    CHECK(span_eq(buf_span(&got), span_skip(filled(100000, 5), 99990)));
    buf_reset(&got);
    CHECK_INT(say(place_read(w.p, "r.bin", 500, 7, &got, &e), &e), ERR_OK);
    CHECK(span_eq(buf_span(&got), span_of(filled(100000, 5).p + 500, 7)));
    buf_reset(&got);
    CHECK_INT(say(place_read(w.p, "r.bin", 100000, 7, &got, &e), &e), ERR_OK);
    CHECK_INT(got.n, 0);
    CHECK_INT(place_read(w.p, "no.bin", 0, 7, &got, &e), ERR_NOT_FOUND);
    CHECK_INT(place_read(w.p, "r.bin", 0, 100, &small, &e), ERR_LIMIT);
    CHECK_INT(place_remove(w.p, "r.bin", &e), ERR_OK);
    CHECK_INT(place_remove(w.p, "r.bin", &e), ERR_OK);
    CHECK_INT(place_read(w.p, "r.bin", 0, 7, &got, &e), ERR_NOT_FOUND);
    buf_free(&ticket);
    buf_free(&got);
    buf_free(&small);
}

static void writes_what_is_larger_than_a_part(void)
{
    struct buf ticket = BUF_INIT(4096);
    struct err e = {0};
    size_t n = (12 << 20) + 5;

    CHECK_INT(say(put(w.p, "_tmp/l", "large.bin", filled(n, 6), &ticket, &e), &e),
              ERR_OK);
    CHECK_INT(
        say(place_finish(w.p, buf_span(&ticket), "large.bin", (int64_t)n, &e), &e),
        ERR_OK);
    CHECK(holds("large.bin", filled(n, 6)));
    CHECK_INT(place_remove(w.p, "large.bin", &e), ERR_OK);
    buf_free(&ticket);
}

// S3 tells whole seconds, and its server may look at the clock once in each.
#define AGES_US 2200000

static bool keep_one(void *arg, struct span id)
{
    struct span ticket = buf_span(arg);

    return ticket.n > 0 && memmem(ticket.p, ticket.n, id.p, id.n) != NULL;
}

static void sweeps_what_is_old_and_not_kept(void)
{
    struct buf kept = BUF_INIT(4096), dropped = BUF_INIT(4096);
    struct err e = {0};
    size_t swept = 0;

    CHECK_INT(put(w.p, "_tmp/k", "k.bin", filled(100, 1), &kept, &e), ERR_OK);
    CHECK_INT(put(w.p, "_tmp/j", "j.bin", filled(100, 1), &dropped, &e), ERR_OK);
    CHECK_INT(say(place_sweep(w.p, 3600000, keep_one, &kept, &swept, &e), &e), ERR_OK);
    CHECK_INT(swept, 0); // too young
    usleep(AGES_US);
    CHECK_INT(say(place_sweep(w.p, 0, keep_one, &kept, &swept, &e), &e), ERR_OK);
    CHECK(swept >= 1);
    CHECK_INT(place_finish(w.p, buf_span(&dropped), "j.bin", 100, &e), ERR_NOT_FOUND);
    CHECK_INT(say(place_finish(w.p, buf_span(&kept), "k.bin", 100, &e), &e), ERR_OK);
    buf_free(&kept);
    buf_free(&dropped);
}

/* Of this process alone. */
static int64_t ahead_s;

int clock_gettime(clockid_t which, struct timespec *t)
{
    int rc = (int)syscall(SYS_clock_gettime, which, t);

    if (which == CLOCK_REALTIME)
        t->tv_sec += ahead_s;
    return rc;
}

static int64_t signs_ahead_s;

time_t time(time_t *out) // what libcurl signs with
{
    struct timespec t;

    syscall(SYS_clock_gettime, CLOCK_REALTIME, &t);
    t.tv_sec += signs_ahead_s;
    if (out != NULL)
        *out = t.tv_sec;
    return t.tv_sec;
}

static void sweeps_by_the_places_clock_and_not_by_ours(void)
{
    struct buf ticket = BUF_INIT(4096), none = BUF_INIT(16);
    struct err e = {0};
    size_t swept = 0;

    CHECK_INT(put(w.p, "_tmp/t", "t.bin", filled(100, 1), &ticket, &e), ERR_OK);
    int64_t right = wall_ms();
    ahead_s = 3 * 86400;
    CHECK(wall_ms() - right >= INT64_C(3) * 86400000);
    CHECK_INT(say(place_sweep(w.p, 86400000, keep_one, &none, &swept, &e), &e), ERR_OK);
    CHECK_INT(swept, 0);
    ahead_s = -3 * 86400;
    usleep(AGES_US);
    CHECK_INT(say(place_sweep(w.p, 0, keep_one, &none, &swept, &e), &e), ERR_OK);
    CHECK_INT(swept, 1); // and nothing that was made to ask for the time
    ahead_s = 0;
    CHECK_INT(place_finish(w.p, buf_span(&ticket), "t.bin", 100, &e), ERR_NOT_FOUND);
    buf_free(&ticket);
}

static void is_fit_for_exactly_once(void)
{
    struct err e = {0};

    CHECK_INT(say(place_probe(w.p, &e), &e), ERR_OK);
}

static void a_cancelled_place_waits_for_nothing(void)
{
    struct place *p = open_place(false);
    struct place_entry there;
    struct err e = {0};

    place_cancel(p);
    CHECK_INT(place_stat(p, "b.bin", &there, &e), ERR_UNAVAILABLE);
    place_close(p);
}

/* --- on a wire where things go wrong ---------------------------------------------- */

/* One file staged, each step until it says yes or something final. */
static enum err_kind stage(struct place *p, int n, struct span body, int *failed,
                           struct err *e)
{
    struct buf ticket = BUF_INIT(4096), found = BUF_INIT(PLACE_CLAIM);
    char claim[60], tmp[60], tmp2[60], final[60];
    enum err_kind rc;

    snprintf(claim, sizeof claim, "_claims/wire/%d", n);
    snprintf(tmp, sizeof tmp, "_tmp/w%d", n);
    snprintf(tmp2, sizeof tmp2, "_tmp/w%d.claim", n);
    snprintf(final, sizeof final, "wire/%d.bin", n);
    for (int i = 0;
         (rc = put(p, tmp, final, body, &ticket, e)) == ERR_UNAVAILABLE && i < 5; i++)
        ++*failed;
    for (int i = 0; rc == ERR_OK && i < 5; i++) {
        rc = place_claim(p, claim, tmp2, buf_span(&ticket), &found, e);
        if (rc != ERR_UNAVAILABLE)
            break;
        rc = ERR_OK;
        ++*failed;
    }
    for (int i = 0; rc == ERR_OK && i < 5; i++) {
        rc = place_finish(p, buf_span(&ticket), final, (int64_t)body.n, e);
        if (rc != ERR_UNAVAILABLE)
            break;
        rc = ERR_OK;
        ++*failed;
    }
    buf_free(&ticket);
    buf_free(&found);
    return rc;
}

static void troubled(enum trouble t, const char *what)
{
    struct place *p = open_place(true);
    int failed = 0;
    static int n;

    wire_arm(t, 0);
    for (int step = 1; step <= 60; step++) {
        struct span body = filled(2000, (uint8_t)step);
        struct err e = {0};
        char final[60];
        int met = atomic_load(&wire.met);
        wire_arm(t, step);
        n++;
        enum err_kind rc = stage(p, n, body, &failed, &e);
        if (rc != ERR_OK)
            printf("    %s at request %d: %s\n", what, step, e.msg);
        CHECK_INT(rc, ERR_OK);
        snprintf(final, sizeof final, "wire/%d.bin", n);
        CHECK(holds(final, body));
        if (atomic_load(&wire.met) == met)
            break; // past the last request: every one has been met
        CHECK(step < 60);
    }
    CHECK(failed >= 1 || t == SAY);
    wire_arm(t, 0);
    place_close(p);
}

static void stages_once_whichever_answer_is_lost(void)
{
    troubled(LOSE_ANSWER, "answer lost");
}

static void stages_once_whichever_request_is_lost(void)
{
    troubled(LOSE_REQUEST, "request lost");
}

static void stages_once_whichever_answer_is_cut(void)
{
    troubled(CUT_ANSWER, "answer cut");
}

static void stages_once_whichever_request_is_cut(void)
{
    troubled(CUT_REQUEST, "request cut");
}

/* A server that takes the connection, and a part, and is neither gone nor there. */
static void who_falls_silent_is_given_up(size_t size, const char *final)
{
    struct place_settings s = w.s;
    struct span body = filled(size, 7);
    struct buf ticket = BUF_INIT(4096), got = BUF_INIT(32 << 20);
    struct place *p = NULL;
    struct err e = {0};
    bool is_s3 = s.s3.endpoint != NULL;
    int met = atomic_load(&wire.met);

    s.url = is_s3 ? w.url : w.wired_url;
    s.s3.endpoint = is_s3 ? w.endpoint : NULL;
    s.timeout_ms = 300;
    CHECK_INT(place_open(&p, &s, &e), ERR_OK);

    wire_arm(STALL_REQUEST, 2); // the data, behind the question who takes it
    enum err_kind rc = put(p, "_tmp/silent", final, body, &ticket, &e);
    CHECK_INT(rc, is_s3 ? ERR_OK : ERR_UNAVAILABLE); // a part is sent again as it is
    place_close(p);
    s.timeout_ms = 0; // whoever was left with half of it may take a while to see that
    CHECK_INT(place_open(&p, &s, &e), ERR_OK);
    if (rc != ERR_OK)
        CHECK_INT(say(put(p, "_tmp/silent", final, body, &ticket, &e), &e), ERR_OK);
    CHECK_INT(say(place_finish(p, buf_span(&ticket), final, (int64_t)size, &e), &e),
              ERR_OK);
    CHECK(holds(final, body));
    place_close(p);

    s.timeout_ms = 300;
    CHECK_INT(place_open(&p, &s, &e), ERR_OK);
    wire_arm(STALL_ANSWER, is_s3 ? 1 : 2);
    CHECK_INT(place_read(p, final, 0, size, &got, &e), ERR_UNAVAILABLE);
    CHECK_INT(got.n, 0); // all of it or nothing
    CHECK_INT(say(place_read(p, final, 0, size, &got, &e), &e), ERR_OK);
    CHECK(span_eq(buf_span(&got), body));
    CHECK_INT(atomic_load(&wire.met) - met, 2);
    buf_free(&ticket);
    buf_free(&got);
    place_close(p);
}

static void who_falls_silent_is_given_up_and_asked_again(void)
{
    who_falls_silent_is_given_up(2000, "silent.bin");
    if (getenv("PLACE_LONG") != NULL) // more than the buffers of all sockets hold
        who_falls_silent_is_given_up(16 << 20, "silent16.bin");
}

#define ANSWER(line, length, body)                                    \
    "HTTP/1.1 " line "\r\nContent-Length: " length "\r\nConnection: " \
    "close\r\n\r\n" body
#define STANDBY                   \
    ANSWER("403 Forbidden", "60", \
           "{\"RemoteException\":{\"exception\":\"StandbyException\"}}         ")

static void says_try_again_when_the_server_does(void)
{
    enum { BOTH, S3, HDFS };
    static const struct {
        int whose;
        const char *answer;
    } t[] = {
        {BOTH, ANSWER("500 Oops", "0", "")},
        {BOTH, ANSWER("502 Bad Gateway", "5", "<html")},
        {S3, ANSWER("503 Slow Down", "36", "<Error><Code>SlowDown</Code></Error>")},
        {S3, ANSWER("409 Conflict", "54",
                    "<Error><Code>ConditionalRequestConflict</Code></Error>")},
        {S3, ANSWER("403 Forbidden\r\nDate: Mon, 05 Jan 2026 00:00:00 GMT", "48",
                    "<Error><Code>RequestTimeTooSkewed</Code></Error>")},
        {HDFS, ANSWER("403 Forbidden", "79",
                      "{\"RemoteException\":{\"exception\":\"SafeModeException\","
                      "\"message\":\"in safe mode\"}} ")},
        {HDFS, ANSWER("403 Forbidden", "60",
                      "{\"RemoteException\":{\"exception\":\"RetriableException\"}}  "
                      "    ")},
    };
    int here = w.s.s3.endpoint != NULL ? S3 : HDFS;

    for (size_t i = 0; i < sizeof t / sizeof t[0]; i++) {
        const char *body = strstr(t[i].answer, "\r\n\r\n") + 4;
        CHECK_INT(atoi(strstr(t[i].answer, "Length: ") + 8), strlen(body));
        if (t[i].whose != BOTH && t[i].whose != here)
            continue;
        wire.say = t[i].answer;
        troubled(SAY, t[i].answer);
    }
}

static void stage_by(const char *url, int n, int step, int *failed)
{
    struct place_settings s = w.s;
    struct span body = filled(2000, (uint8_t)n);
    struct place *p = NULL;
    struct err e = {0};
    char final[60];

    s.url = url;
    CHECK_INT(place_open(&p, &s, &e), ERR_OK);
    wire_arm(SAY, step);
    CHECK_INT(say(stage(p, n, body, failed, &e), &e), ERR_OK);
    snprintf(final, sizeof final, "wire/%d.bin", n);
    CHECK(holds(final, body));
    place_close(p);
}

/* Of several NameNodes one is dead, or becomes a standby between any two requests. */
static void the_next_name_node_is_asked(void)
{
    const char *rest = w.url + strlen("webhdfs://");
    char url[600];
    int met, failed = 0;

    if (w.s.s3.endpoint != NULL)
        return; // has one endpoint
    snprintf(url, sizeof url, "webhdfs://127.0.0.1:1,%s", rest);
    stage_by(url, 1000, 0, &failed);
    CHECK_INT(failed, 0);
    snprintf(url, sizeof url, "webhdfs://127.0.0.1:%d,%s", wire.ports[0], rest);
    wire.say = STANDBY;
    for (int step = 1; step <= 60; step++) {
        met = atomic_load(&wire.met);
        stage_by(url, 1000 + step, step, &failed);
        if (atomic_load(&wire.met) == met)
            break; // past the last request
        CHECK(step < 60);
    }
    CHECK(failed < 6); // two of the requests go to a DataNode: that was no NameNode
    wire_arm(SAY, 0);
}

/* S3 believes no signature from another time. */
static void a_clock_that_is_wrong_is_waited_for(void)
{
    enum err_kind wanted = w.s.s3.endpoint != NULL ? ERR_UNAVAILABLE : ERR_OK;
    struct buf ticket = BUF_INIT(4096);
    struct place_entry there;
    struct err e = {0};

    CHECK_INT(put(w.p, "_tmp/clock", "clock.bin", filled(10, 1), &ticket, &e), ERR_OK);
    CHECK_INT(say(place_finish(w.p, buf_span(&ticket), "clock.bin", 10, &e), &e),
              ERR_OK);
    ahead_s = signs_ahead_s = 86400;
    CHECK_INT(put(w.p, "_tmp/ahead", "ahead.bin", filled(10, 1), &ticket, &e), wanted);
    CHECK_INT(place_stat(w.p, "clock.bin", &there, &e), wanted);
    ahead_s = signs_ahead_s = -86400;
    CHECK_INT(place_stat(w.p, "clock.bin", &there, &e), wanted);
    ahead_s = signs_ahead_s = 0;
    CHECK_INT(say(place_stat(w.p, "clock.bin", &there, &e), &e), ERR_OK);
    buf_free(&ticket);
}

/* A server that knows no conditions makes the second claim, too. */
static void a_place_that_refuses_no_second_claim_is_refused(void)
{
    struct place *p = open_place(true);
    struct err e = {0};

    if (w.s.s3.endpoint != NULL) { // a claim is one request
        wire.say = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
        wire_arm(SAY, 2);
    } else { // a claim is four: CREATE, PUT, length, RENAME
        wire.say = "HTTP/1.1 200 OK\r\nContent-Length: 16\r\nConnection: close\r\n\r\n"
                   "{\"boolean\":true}";
        wire_arm(SAY, 8);
    }
    CHECK_INT(place_probe(p, &e), ERR_INVALID);
    CHECK(strstr(e.msg, "a second time") != NULL);
    wire_arm(SAY, 0);
    place_close(p);
}

static const struct {
    const char *name;
    void (*test)(void);
    bool wired;
} promises[] = {
#define PROMISE(f)   \
    {                \
#f, f, false \
    }
#define WIRED(f)    \
    {               \
#f, f, true \
    }
    PROMISE(is_fit_for_exactly_once),
    PROMISE(nobody_sees_a_file_before_it_is_finished),
    PROMISE(finishing_again_changes_nothing_and_another_length_is_broken),
    PROMISE(what_is_given_up_is_gone),
    PROMISE(a_claim_is_made_once_and_read_by_the_others),
    PROMISE(of_many_racing_processes_one_gets_each_claim),
    PROMISE(whoever_comes_finishes_what_a_crash_left),
    PROMISE(a_source_that_fails_leaves_nothing),
    PROMISE(lists_more_than_a_page_in_order_and_from_a_name_on),
    PROMISE(tells_directories_from_files),
    PROMISE(keeps_strange_names),
    PROMISE(refuses_names_that_lead_elsewhere),
    PROMISE(reads_any_part_and_nothing_behind_the_end),
    PROMISE(writes_what_is_larger_than_a_part),
    PROMISE(sweeps_what_is_old_and_not_kept),
    PROMISE(sweeps_by_the_places_clock_and_not_by_ours),
    PROMISE(a_clock_that_is_wrong_is_waited_for),
    PROMISE(a_cancelled_place_waits_for_nothing),
    WIRED(stages_once_whichever_answer_is_lost),
    WIRED(stages_once_whichever_request_is_lost),
    WIRED(stages_once_whichever_answer_is_cut),
    WIRED(stages_once_whichever_request_is_cut),
    WIRED(says_try_again_when_the_server_does),
    WIRED(who_falls_silent_is_given_up_and_asked_again),
    WIRED(the_next_name_node_is_asked),
    WIRED(a_place_that_refuses_no_second_claim_is_refused),
};

static void run_all(void)
{
    w.p = open_place(false);
    for (size_t i = 0; i < sizeof promises / sizeof promises[0]; i++) {
        int before = check_failed;
        int64_t began = clock_ms();
        if (promises[i].wired && !w.wired)
            continue;
        promises[i].test();
        printf("%s - %s: %s (%" PRId64 " ms)\n",
               check_failed == before ? "ok" : "not ok", w.name, promises[i].name,
               clock_ms() - began);
        fflush(stdout);
    }
    place_close(w.p);
}

static void ask_local(void)
{
    w.name = "local";
    w.s = (struct place_settings){0};
    w.wired = false;
    w.entries = 150; // has no pages
    snprintf(w.url, sizeof w.url, "file:///tmp/%s", root);
    run_all();
    char rm[200];
    snprintf(rm, sizeof rm, "rm -rf '/tmp/%s'", root);
    CHECK_INT(system(rm), 0);
}

static void ask_s3(const char *endpoint)
{
    int port = atoi(strrchr(endpoint, ':') + 1);

    w.name = "s3";
    w.s = (struct place_settings){.s3 = {.endpoint = endpoint,
                                         .access_key = "testkey",
                                         .secret_key = "testsecret123"}};
    wire_open(port, 0);
    w.wired = true;
    w.entries = 1100;
    snprintf(w.endpoint, sizeof w.endpoint, "http://127.0.0.1:%d", wire.ports[0]);
    snprintf(w.url, sizeof w.url, "s3://staging/%s", root);
    run_all();
}

static void ask_hdfs(const char *ports)
{
    int nn = atoi(strchr(ports, ':') + 1), dn = atoi(strchr(ports, ',') + 1);

    w.name = "hdfs";
    w.s = (struct place_settings){0}; // as whoever runs it, and HDFS
    wire_open(nn, dn);
    w.wired = true;
    w.entries = 25; // dfs.ls.limit is 10 there
    snprintf(w.url, sizeof w.url, "webhdfs://127.0.0.1:%d/tmp/%s", nn, root);
    snprintf(w.wired_url, sizeof w.wired_url, "webhdfs://127.0.0.1:%d/tmp/%s",
             wire.ports[0], root);
    run_all();
}

int main(void)
{
    const char *s3 = getenv("AVROGATE_TEST_S3"), *hdfs = getenv("AVROGATE_TEST_HDFS");

    signal(SIGPIPE, SIG_IGN);
    setvbuf(stdout, NULL, _IOLBF, 0);
    snprintf(root, sizeof root, "avrogate-place-%d-%" PRId64, (int)getpid(), wall_ms());
    ask_local();
    if (s3 != NULL)
        ask_s3(s3);
    else
        printf("skipped: s3, AVROGATE_TEST_S3 is not set\n");
    if (hdfs != NULL)
        ask_hdfs(hdfs);
    else
        printf("skipped: hdfs, AVROGATE_TEST_HDFS is not set\n");
    return REPORT();
}
