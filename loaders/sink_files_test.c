/*
 * What the files sink does at its edges, in a directory; the promises of every sink are
 * asked in tests/promises/sink.c, the whole of it in tests/integration/stage_test.py.
 */
#include "loaders/sink_files_inside.h"

#include "base/clock.h"
#include "tests/fakes/batches.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define SCHEMA                                                                   \
    "{\"type\":\"record\",\"name\":\"R\",\"fields\":[{\"name\":\"id\",\"type\":" \
    "\"long\"}]}"

static char dir[100], url[120];
static int32_t id;
static struct sift *sift;

static struct files_options options(void)
{
    return (struct files_options){.place.url = url,
                                  .format = "json",
                                  .rotate_rows = 1000,
                                  .rotate_bytes = 1 << 30,
                                  .rotate_age_ms = 3600000,
                                  .memory = 1 << 20,
                                  .spool = "/tmp",
                                  .job = "job",
                                  .topic = "t",
                                  .source = "",
                                  .reject_limit = 100,
                                  .hint_every = 3};
}

static struct sink *open_sink(const struct files_options *o)
{
    struct sink *s = NULL;
    struct err e = {0};

    CHECK_INT(files_sink_open(&s, o, &e), ERR_OK);
    CHECK_INT(s->ops->begin(s, &e), ERR_OK);
    return s;
}

static void enter(void)
{
    static int count;
    struct sift_options o = {.subject = "t-value", .timeout_ms = 1000};
    struct err e = {0};

    snprintf(dir, sizeof dir, "/tmp/avrogate-files-%ld-%d", (long)getpid(), ++count);
    snprintf(url, sizeof url, "file://%s", dir);
    fake_registry_reset();
    id = fake_register(SCHEMA);
    CHECK_INT(sift_open(&sift, NULL, &o, &e), ERR_OK);
}

static void leave(void)
{
    char command[200];

    snprintf(command, sizeof command, "rm -rf %s", dir);
    CHECK_INT(system(command), 0);
    sift_close(sift);
    fake_registry_reset();
}

static struct claim take(struct sink *s)
{
    struct claim c = {0};
    struct err e = {0};

    if (s->ops->take(s, "t", 0, 0, "cluster", &c, &e) != ERR_OK)
        printf("    %s\n", e.msg);
    return c;
}

/* Ten records from `first` on, staged at once when `all`. */
static enum err_kind stage_ten(struct sink *s, const struct claim *c, int64_t first,
                               bool all, struct err *e)
{
    struct batch *b = batch_new("t", 0, first);
    struct receipt r = {0};
    struct settled told = {0};
    char json[40];

    b->epoch = c->epoch;
    for (int i = 0; i < 10; i++) {
        snprintf(json, sizeof json, "{\"id\":%lld}", (long long)first + i);
        add_json(b, id, json);
    }
    enum err_kind rc = sift_prepare(sift, b, e);
    if (rc == ERR_OK && files_of(s)->reader == NULL)
        rc = s->ops->shape(s, sift_reader(sift), e);
    if (rc == ERR_OK)
        rc = s->ops->write(s, b, sift, &r, e);
    batch_free(b);
    if (rc == ERR_OK && all) {
        rc = s->ops->settle(s, true, &told, e);
        CHECK(told.any || rc != ERR_OK);
        if (told.lost)
            rc = ERR_CONFLICT;
    }
    return rc;
}

static bool exists(const char *name)
{
    char path[400];
    struct stat st;

    snprintf(path, sizeof path, "%s/%s", dir, name);
    return stat(path, &st) == 0;
}

static void what_is_held_is_not_there_and_lost_with_us(void)
{
    enter();
    struct files_options o = options();
    struct sink *s = open_sink(&o);
    struct claim c = take(s);
    struct err e = {0};

    CHECK_INT(stage_ten(s, &c, 0, false, &e), ERR_OK);
    CHECK_INT(stage_ten(s, &c, 10, false, &e), ERR_OK);
    CHECK_INT(stage_ten(s, &c, 25, false, &e), ERR_CONFLICT); // does not follow
    s->ops->close(s);
    s = open_sink(&o);
    CHECK_INT(take(s).next, 0);
    s->ops->close(s);
    leave();
}

/* Partitioned by an id, a batch has as many directories as records. */
static void a_batch_of_too_many_directories_is_staged_in_parts(void)
{
    struct conf_pair by = {.name = "0.field", .value = "id"};
    struct files_options o = options();
    struct err e = {0};
    char json[40];
    size_t parts = 0, rows = 0;

    enter();
    o.partition_by = (struct conf_pairs){&by, 1};
    struct sink *s = open_sink(&o);
    struct claim c = take(s);
    struct batch *b = batch_new("t", 0, 0);
    b->epoch = c.epoch;
    for (int i = 0; i < 600; i++) {
        snprintf(json, sizeof json, "{\"id\":%d}", i);
        add_json(b, id, json);
    }
    CHECK_INT(sift_prepare(sift, b, &e), ERR_OK);
    CHECK_INT(s->ops->shape(s, sift_reader(sift), &e), ERR_OK);
    for (bool whole = false; !whole && parts < 10; parts++) {
        struct receipt r = {0};
        struct settled told = {0};
        CHECK_INT(s->ops->write(s, b, sift, &r, &e), ERR_OK);
        CHECK(r.held);
        whole = r.part == 0;
        batch_pass(b, r.part);
        CHECK_INT(s->ops->settle(s, whole, &told, &e), ERR_OK);
        CHECK(told.any && !told.lost);
        CHECK_INT(told.next, whole ? 600 : b->first);
        rows += told.receipt.loaded;
    }
    CHECK_INT(parts, 3);
    CHECK_INT(rows, 600);
    CHECK(exists("id=0/t+0+00000000000000000000+00000000000000000255.jsonl"));
    CHECK(exists("id=599/t+0+00000000000000000512+00000000000000000599.jsonl"));
    batch_free(b);
    s->ops->close(s);
    leave();
}

/* However large batches are: a range has no more rows than was said. */
static void a_batch_of_more_than_a_files_rows_is_staged_in_parts(void)
{
    struct files_options o = options();
    struct err e = {0};
    int64_t at = 0;

    enter();
    o.rotate_rows = 4;
    struct sink *s = open_sink(&o);
    struct claim c = take(s);
    struct batch *b = batch_new("t", 0, 0);
    b->epoch = c.epoch;
    for (int i = 0; i < 10; i++)
        add_json(b, id, "{\"id\":1}");
    CHECK_INT(sift_prepare(sift, b, &e), ERR_OK);
    CHECK_INT(s->ops->shape(s, sift_reader(sift), &e), ERR_OK);
    for (bool whole = false; !whole && at < 10;) {
        struct receipt r = {0};
        struct settled told = {0};
        CHECK_INT(s->ops->write(s, b, sift, &r, &e), ERR_OK);
        whole = r.part == 0;
        batch_pass(b, r.part);
        CHECK_INT(s->ops->settle(s, whole, &told, &e), ERR_OK);
        CHECK(told.any);
        CHECK_INT(told.receipt.loaded, whole ? 2 : 4);
        at = told.next;
    }
    CHECK_INT(at, 10);
    CHECK(exists("t+0+00000000000000000004+00000000000000000007.jsonl"));
    CHECK(exists("t+0+00000000000000000008+00000000000000000009.jsonl"));
    batch_free(b);
    s->ops->close(s);
    leave();
}

static void what_no_format_has_is_said_at_the_start(void)
{
    static const char *const id_only[] = {"id"};
    static const struct {
        const char *format, *codec;
        size_t n_bloom;
    } rows[] = {{"json", "zstd", 0},
                {"csv", "gzip", 0},
                {"ocf", "lzma", 0},
                {"ocf", NULL, 1},
                {"orc", NULL, 0}};

    enter();
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct files_options o = options();
        struct sink *s = NULL;
        struct err e = {0};
        o.format = rows[i].format;
        o.how.codec = rows[i].codec;
        o.how.bloom = id_only;
        o.how.n_bloom = rows[i].n_bloom;
        CHECK_INT(files_sink_open(&s, &o, &e), ERR_INVALID);
        CHECK(strncmp(e.msg, "sink.files", 10) == 0);
    }
    leave();
}

static void two_sinks_that_want_the_same_range_get_it_once(void)
{
    enter();
    struct files_options o = options();
    struct sink *a = open_sink(&o), *b = open_sink(&o);
    struct claim ca = take(a), cb = take(b);
    struct err e = {0};

    CHECK_INT(stage_ten(a, &ca, 0, false, &e), ERR_OK);
    CHECK_INT(stage_ten(b, &cb, 0, true, &e), ERR_OK);
    CHECK_INT(stage_ten(a, &ca, 10, true, &e), ERR_CONFLICT); // the zombie
    ca = take(a);
    CHECK_INT(ca.next, 10);
    CHECK_INT(stage_ten(a, &ca, 10, true, &e), ERR_OK);
    CHECK(exists("t+0+00000000000000000000+00000000000000000009.jsonl"));
    CHECK(exists("t+0+00000000000000000010+00000000000000000019.jsonl"));
    CHECK(!exists("t+0+00000000000000000000+00000000000000000019.jsonl"));
    a->ops->close(a);
    b->ops->close(b);
    leave();
}

static void hints_shorten_the_list_and_hide_nothing(void)
{
    enter();
    struct files_options o = options();
    struct sink *s = open_sink(&o);
    struct claim c = take(s);
    struct err e = {0};

    for (int i = 0; i < 11; i++)
        CHECK_INT(stage_ten(s, &c, i * 10, true, &e), ERR_OK);
    CHECK(exists("_claims/t/00000.from/00000000000000000030"));
    CHECK(exists("_claims/t/00000.from/00000000000000000060"));
    CHECK(exists("_claims/t/00000.from/00000000000000000090"));
    CHECK(!exists("_claims/t/00000.from/00000000000000000000"));
    s->ops->close(s);
    // what lies before the last hint but one is not looked at any more
    char first[300];
    snprintf(first, sizeof first, "rm -rf %s/_claims/t/00000/0000000000000000005*",
             dir);
    CHECK_INT(system(first), 0);
    s = open_sink(&o);
    c = take(s);
    CHECK_INT(c.next, 110);
    s->ops->close(s);
    leave();
}

static void a_gap_between_the_newest_claims_stops_it(void)
{
    enter();
    struct files_options o = options();
    struct sink *s = open_sink(&o);
    struct claim c = take(s);
    struct err e = {0};

    for (int i = 0; i < 3; i++)
        CHECK_INT(stage_ten(s, &c, i * 10, true, &e), ERR_OK);
    char rm[300];
    snprintf(rm, sizeof rm, "rm %s/_claims/t/00000/00000000000000000010", dir);
    CHECK_INT(system(rm), 0);
    CHECK_INT(s->ops->take(s, "t", 0, 0, "cluster", &c, &e), ERR_CONFLICT);
    CHECK(strstr(e.msg, "a gap") != NULL);
    s->ops->close(s);
    leave();
}

static void files_of_the_newest_claim_that_are_gone_stop_it_unless_done(void)
{
    enter();
    struct files_options o = options();
    struct sink *s = open_sink(&o);
    struct claim c = take(s);
    struct err e = {0};

    CHECK_INT(stage_ten(s, &c, 0, true, &e), ERR_OK);
    char command[300];
    snprintf(command, sizeof command, "rm %s/*.jsonl", dir);
    CHECK_INT(system(command), 0);
    CHECK_INT(s->ops->take(s, "t", 0, 0, "cluster", &c, &e), ERR_CONFLICT);
    snprintf(command, sizeof command, "touch %s/_claims/t/00000/%020d.done", dir, 0);
    CHECK_INT(system(command), 0);
    CHECK_INT(s->ops->take(s, "t", 0, 0, "cluster", &c, &e), ERR_OK);
    CHECK_INT(c.next, 10);
    s->ops->close(s);
    leave();
}

static void another_job_or_cluster_is_refused(void)
{
    enter();
    struct files_options o = options();
    struct sink *s = open_sink(&o);
    struct claim c = take(s);
    struct err e = {0};

    CHECK_INT(stage_ten(s, &c, 0, true, &e), ERR_OK);
    CHECK_INT(s->ops->take(s, "t", 0, 0, "other", &c, &e), ERR_CONFLICT);
    CHECK(strstr(e.msg, "this one is other") != NULL);
    s->ops->close(s);
    o.job = "another";
    s = open_sink(&o);
    CHECK_INT(s->ops->take(s, "t", 0, 0, "cluster", &c, &e), ERR_CONFLICT);
    CHECK(strstr(e.msg, "job \"job\"") != NULL);
    s->ops->close(s);
    leave();
}

/* Some servers show a name a moment before its body. */
static void a_claim_without_a_body_is_asked_for_again(void)
{
    enter();
    struct files_options o = options();
    struct sink *s = open_sink(&o);
    struct buf found = BUF_INIT(PLACE_CLAIM);
    struct place *p = NULL;
    char name[200];
    struct claim c;
    struct err e = {0};
    FILE *f;

    CHECK_INT(place_open(&p, &o.place, &e), ERR_OK);
    CHECK_INT(place_claim(p, "_claims/t/00000/00000000000000000000", "_tmp/x",
                          span_str("not yet"), &found, &e),
              ERR_OK);
    snprintf(name, sizeof name, "%s/_claims/t/00000/00000000000000000000", dir);
    CHECK_INT(truncate(name, 0), 0);
    CHECK_INT(place_claim(p, "_claims/t/00000/00000000000000000000", "_tmp/y",
                          span_str("mine"), &found, &e),
              ERR_UNAVAILABLE);
    CHECK_INT(s->ops->take(s, "t", 0, 0, "cluster", &c, &e), ERR_UNAVAILABLE);
    CHECK(strstr(e.msg, "empty claim as yet") != NULL);
    f = fopen(name, "w");
    CHECK(f != NULL && fputs("theirs", f) >= 0 && fclose(f) == 0);
    CHECK_INT(place_claim(p, "_claims/t/00000/00000000000000000000", "_tmp/y",
                          span_str("mine"), &found, &e),
              ERR_CONFLICT);
    CHECK_SPAN(buf_span(&found), "theirs");
    buf_free(&found);
    place_close(p);
    s->ops->close(s);
    leave();
}

static void a_spool_that_cannot_be_written_gives_the_range_up(void)
{
    enter();
    struct files_options o = options();
    char spool[120];
    snprintf(spool, sizeof spool, "%s-spool", dir);
    CHECK_INT(mkdir(spool, 0700), 0);
    o.spool = spool;
    o.rotate_rows = INT64_MAX;
    struct sink *s = open_sink(&o);
    struct claim c = take(s);
    struct err e = {0};

    CHECK_INT(rmdir(spool), 0); // as if the disk were full
    enum err_kind rc = ERR_OK;
    int64_t at = 0;
    for (; at < 300000 && rc == ERR_OK; at += 10)
        rc = stage_ten(s, &c, at, false, &e);
    CHECK_INT(rc, ERR_CONFLICT);
    CHECK(at > 10);
    CHECK_INT(stage_ten(s, &c, at, false, &e), ERR_CONFLICT); // nothing follows
    CHECK_INT(mkdir(spool, 0700), 0);
    c = take(s);
    CHECK_INT(c.next, 0);
    CHECK_INT(stage_ten(s, &c, 0, true, &e), ERR_OK);
    s->ops->close(s);
    CHECK_INT(rmdir(spool), 0); // nothing is left in it
    leave();
}

static void old_private_files_are_swept_unless_the_newest_claim_names_them(void)
{
    enter();
    struct files_options o = options();
    struct sink *s = open_sink(&o);
    struct claim c = take(s);
    struct settled told;
    struct err e = {0};
    char command[600];

    CHECK_INT(stage_ten(s, &c, 0, true, &e), ERR_OK);
    // its private name is in the claim: as if it had not been moved yet
    snprintf(command, sizeof command,
             "cd %s && T=$(grep -o '_tmp/[^\"]*' _claims/t/00000/%020d) && touch -d '2 "
             "days ago' "
             "$T _tmp/old && touch _tmp/young && echo $T > claimed",
             dir, 0);
    CHECK_INT(system(command), 0);
    files_of(s)->swept_ms = clock_ms() - 3600000 - 1;
    files_of(s)->clocks_ms = wall_ms() - clock_ms() - INT64_C(2) * 86400000;
    CHECK_INT(s->ops->settle(s, false, &told, &e), ERR_OK);
    CHECK(exists("_tmp/old")); // the clock was set two days ahead since we looked
    files_of(s)->swept_ms = clock_ms() - 3600000 - 1;
    CHECK_INT(s->ops->settle(s, false, &told, &e), ERR_OK);
    CHECK(!exists("_tmp/old"));
    CHECK(exists("_tmp/young"));
    snprintf(command, sizeof command, "cd %s && test -e $(cat claimed)", dir);
    CHECK_INT(system(command), 0);
    s->ops->close(s);
    leave();
}

int main(void)
{
    RUN(what_is_held_is_not_there_and_lost_with_us);
    RUN(a_batch_of_too_many_directories_is_staged_in_parts);
    RUN(a_batch_of_more_than_a_files_rows_is_staged_in_parts);
    RUN(what_no_format_has_is_said_at_the_start);
    RUN(two_sinks_that_want_the_same_range_get_it_once);
    RUN(hints_shorten_the_list_and_hide_nothing);
    RUN(a_gap_between_the_newest_claims_stops_it);
    RUN(files_of_the_newest_claim_that_are_gone_stop_it_unless_done);
    RUN(another_job_or_cluster_is_refused);
    RUN(a_claim_without_a_body_is_asked_for_again);
    RUN(a_spool_that_cannot_be_written_gives_the_range_up);
    RUN(old_private_files_are_swept_unless_the_newest_claim_names_them);
    return REPORT();
}
