/*
 * A stage, its source and a pump into a sink in memory that loses answers: every row
 * once, whatever the batches are and whoever dies.
 */
#include "loaders/source_stage.h"

#include "base/clock.h"
#include "loaders/pump.h"
#include "loaders/sink_files_inside.h"
#include "tests/fakes/batches.h"
#include "tests/fakes/memory_sink.h"

#include <inttypes.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define SCHEMA                                                                   \
    "{\"type\":\"record\",\"name\":\"R\",\"fields\":[{\"name\":\"id\",\"type\":" \
    "\"long\"},{\"name\":\"city\",\"type\":\"string\"}]}"

static char dir[100], url[120];
static int32_t id;
static struct stage_schemas *schemas;
static struct sift *staging, *loading;
static struct memory_sink to;

static void enter(void)
{
    static int count;
    struct sift_options o = {.subject = "t-value", .timeout_ms = 1000};
    struct err e = {0};

    snprintf(dir, sizeof dir, "/tmp/avrogate-source-%ld-%d", (long)getpid(), ++count);
    snprintf(url, sizeof url, "file://%s", dir);
    fake_registry_reset();
    id = fake_register(SCHEMA);
    schemas = stage_schemas_open();
    CHECK_INT(sift_open(&staging, NULL, &o, &e), ERR_OK);
    o.schemas = stage_schemas_sift(schemas);
    CHECK_INT(sift_open(&loading, NULL, &o, &e), ERR_OK);
    to = (struct memory_sink){.sink = {.ops = &memory_ops}};
}

static void leave(void)
{
    char command[200];

    snprintf(command, sizeof command, "rm -rf %s", dir);
    CHECK_INT(system(command), 0);
    sift_close(staging);
    sift_close(loading);
    stage_schemas_close(schemas);
    fake_registry_reset();
}

static void damage(const char *command)
{
    char all[500];

    snprintf(all, sizeof all, "cd %s && %s", dir, command);
    CHECK_INT(system(all), 0);
}

/* `n` claims of fifty offsets each from `first` on, in two cities. */
static void stage(int64_t first, int n)
{
    struct conf_pair by = {"0.field", "city", false};
    struct files_options o = {.place.url = url,
                              .format = "json",
                              .rotate_rows = 1 << 20,
                              .rotate_bytes = 1 << 30,
                              .rotate_age_ms = 3600000,
                              .memory = 1 << 20,
                              .spool = "/tmp",
                              .job = "job",
                              .topic = "t",
                              .source = "",
                              .reject_limit = 100,
                              .partition_by = {&by, 1}};
    struct sink *s = NULL;
    struct claim c;
    struct err e = {0};

    CHECK_INT(files_sink_open(&s, &o, &e), ERR_OK);
    CHECK_INT(s->ops->begin(s, &e), ERR_OK);
    CHECK_INT(s->ops->take(s, "t", 0, first, "cluster", &c, &e), ERR_OK);
    for (int i = 0; i < n; i++, first += 50) {
        struct batch *b = batch_new("t", 0, first);
        struct receipt r;
        struct settled told;
        b->epoch = c.epoch;
        for (int k = 0; k < 50; k++) {
            char json[80];
            snprintf(json, sizeof json, "{\"id\":%lld,\"city\":\"%s\"}",
                     (long long)first + k, k % 3 == 0 ? "Ulm" : "Bonn");
            add_json(b, id, json);
        }
        CHECK_INT(sift_prepare(staging, b, &e), ERR_OK);
        CHECK_INT(s->ops->shape(s, sift_reader(staging), &e), ERR_OK);
        CHECK_INT(s->ops->write(s, b, staging, &r, &e), ERR_OK);
        CHECK_INT(s->ops->settle(s, true, &told, &e), ERR_OK);
        CHECK(told.any && !told.lost);
        batch_free(b);
    }
    s->ops->close(s);
}

static struct stage_source_options options(void)
{
    return (struct stage_source_options){.place.url = url,
                                         .topic = "t",
                                         .spool = "/tmp",
                                         .shares = 1,
                                         .interval_ms = 10,
                                         .batch_rows = 37,
                                         .batch_bytes = 1 << 20,
                                         .batch_age_ms = 20,
                                         .memory = 1 << 20,
                                         .until_end = true,
                                         .ordered = true,
                                         .schemas = schemas};
}

/* Pumps until all is loaded, `batches` were, or nothing more comes for a while. */
static struct source_state load(const struct stage_source_options *o, int batches,
                                struct err *e)
{
    struct pump p = {.sink = &to.sink, .sift = loading};
    struct source_state now = {0};
    int64_t until = clock_ms() + 20000;

    CHECK_INT(stage_source_open(&p.source, o, &to.sink, e), ERR_OK);
    for (;;) {
        struct pump_moved m;
        struct err ignored = {0};
        enum err_kind rc = pump_once(&p, 5, &m, &ignored);
        p.source->ops->state(p.source, &now);
        if (rc != ERR_OK && rc != ERR_UNAVAILABLE) {
            *e = ignored;
            break;
        }
        batches -= m.moved;
        if (now.finished || (now.assigned > 0 && now.stopped == now.assigned) ||
            batches == 0 || clock_ms() > until)
            break;
    }
    pump_end(&p);
    p.source->ops->close(p.source);
    return now;
}

static void every_row_is_loaded_once_whatever_the_batches_are(void)
{
    static const int rows[] = {1, 7, 37, 50, 51, 1000};

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct stage_source_options o = options();
        struct err e = {0};

        enter();
        o.schemas = schemas;
        o.batch_rows = rows[i];
        stage(100, 4);
        CHECK(load(&o, -1, &e).finished);
        CHECK_INT(to.rows, 200);
        CHECK_INT(to.next, 300);
        stage(300, 1);
        CHECK(load(&o, -1, &e).finished);
        CHECK_INT(to.rows, 250);
        CHECK_INT(to.next, 350);
        leave();
    }
}

static void who_dies_between_any_two_batches_goes_on_in_the_middle_of_a_claim(void)
{
    struct stage_source_options o = options();
    struct err e = {0};

    enter();
    o.schemas = schemas;
    stage(100, 4);
    for (int i = 0; i < 100 && to.next < 300; i++) {
        to.lose_after = i % 3; // some answers never come
        to.fail_before = i % 2;
        (void)load(&o, 1, &e);
    }
    CHECK_INT(to.next, 300);
    CHECK_INT(to.rows, 200);
    leave();
}

static void what_comes_later_is_seen(void)
{
    struct stage_source_options o = options();
    struct pump p = {.sink = &to.sink};
    struct pump_moved m;
    struct err e = {0};

    enter();
    p.sift = loading;
    o.schemas = schemas;
    o.until_end = false;
    CHECK_INT(stage_source_open(&p.source, &o, &to.sink, &e), ERR_OK);
    CHECK_INT(pump_once(&p, 50, &m, &e), ERR_OK); // nothing is there yet
    for (int n = 1; n <= 3; n++) {
        stage(n * 50, 1);
        for (int64_t until = clock_ms() + 20000;
             to.rows < (size_t)n * 50 && clock_ms() < until;)
            CHECK_INT(pump_once(&p, 20, &m, &e), ERR_OK);
    }
    CHECK_INT(to.rows, 150);
    CHECK_INT(to.next, 200);
    pump_end(&p);
    p.source->ops->close(p.source);
    leave();
}

static bool stops_saying(const char *part)
{
    struct stage_source_options o = options();
    struct err e = {0};

    o.schemas = schemas;
    struct source_state now = load(&o, -1, &e);
    bool said = now.stopped == 1 && strstr(now.why, part) != NULL;
    if (!said)
        printf("    \"%s\", wanted \"%s\"\n", now.why, part);
    return said;
}

static void what_was_good_before_the_fault_is_loaded(void)
{
    enter();
    stage(100, 4);
    damage("rm city=Ulm/t+0+00000000000000000200*");
    CHECK(stops_saying("city=Ulm/t+0+00000000000000000200"));
    CHECK_INT(to.rows, 100);
    CHECK_INT(to.next, 200);
    leave();
}

static void a_gap_stops_the_partition(void)
{
    enter();
    stage(100, 4);
    damage("rm _claims/t/00000/00000000000000000200");
    CHECK(stops_saying("a gap"));
    CHECK_INT(to.next, 200);
    leave();
    enter();
    stage(100, 1);
    to.epoch = 1; // loaded before, up to 50
    to.next = 50;
    CHECK(stops_saying("50 to 99 are not staged"));
    CHECK_INT(to.rows, 0);
    leave();
}

static void a_torn_claim_stops_the_partition(void)
{
    enter();
    stage(100, 2);
    damage("truncate -s 100 _claims/t/00000/00000000000000000100");
    CHECK(stops_saying("00000000000000000100"));
    leave();
}

static void order_that_nobody_knows_is_refused_where_it_matters(void)
{
    struct stage_source_options o = options();
    struct err e = {0};

    enter();
    o.schemas = schemas;
    stage(100, 2);
    damage("sed -i 's/,\"runs\":\"[^\"]*\"//g' _claims/t/00000/*");
    CHECK(stops_saying("order of its rows"));
    o.ordered = false;
    CHECK(load(&o, -1, &e).finished);
    CHECK_INT(to.rows, 100);
    leave();
}

static void a_claim_that_counts_is_gone_on_with_in_its_middle(void)
{
    struct stage_source_options o = options();
    struct err e = {0};

    enter();
    o.schemas = schemas;
    o.ordered = false;
    o.batch_rows = 11;
    stage(100, 3);
    damage("sed -i 's/,\"runs\":\"[^\"]*\"//g' _claims/t/00000/*");
    struct source_state now = {0};
    int64_t until = clock_ms() + 60000; // on a busy machine many tries load nothing
    for (int i = 0; clock_ms() < until && to.next < 250; i++) {
        to.lose_after = i % 3;
        now = load(&o, 1, &e);
    }
    if (to.next < 250)
        printf("# at %" PRId64 ": %s; %s\n", to.next, now.why, e.msg);
    CHECK_INT(to.next, 250);
    CHECK_INT(to.rows, 150);
    leave();
}

static void a_position_of_somebody_elses_counting_is_not_believed(void)
{
    enter();
    stage(100, 2);
    damage("sed -i 's/,\"runs\":\"[^\"]*\"//g' _claims/t/00000/*");
    to.epoch = 1;
    to.next = 120; // without the mark that we would have left
    CHECK(stops_saying("in the middle of a claim"));
    CHECK_INT(to.rows, 0);
    leave();
}

static void another_name_than_what_is_staged_is_told(void)
{
    struct stage_source_options o = options();
    struct err e = {0};

    enter();
    o.schemas = schemas;
    o.topic = "u";
    stage(100, 1);
    (void)load(&o, -1, &e);
    CHECK_INT(e.kind, ERR_INVALID);
    CHECK(strstr(e.msg, "but of t") != NULL);
    leave();
}

static void another_instances_share_is_left_alone(void)
{
    struct stage_source_options o = options();
    struct err e = {0};

    enter();
    o.schemas = schemas;
    o.shares = 2;
    o.share = 1;
    stage(100, 1);
    struct source_state now = load(&o, -1, &e);
    CHECK_INT(now.assigned, 0);
    CHECK_INT(to.rows, 0);
    leave();
}

static void learns_the_newest_schema_without_reading_rows(void)
{
    struct stage_source_options o = options();
    const struct sift_schemas *ask;
    struct rc_schema got;
    struct err e = {0};

    enter();
    o.schemas = schemas;
    ask = stage_schemas_sift(schemas);
    stage(100, 2);
    CHECK_INT(stage_source_learn(&o, &e), ERR_OK);
    CHECK_INT(ask->latest(ask->arg, &got, &e), ERR_OK);
    CHECK_INT(got.id, id);
    rc_schema_free(&got);
    leave();
}

int main(void)
{
    RUN(every_row_is_loaded_once_whatever_the_batches_are);
    RUN(who_dies_between_any_two_batches_goes_on_in_the_middle_of_a_claim);
    RUN(what_comes_later_is_seen);
    RUN(what_was_good_before_the_fault_is_loaded);
    RUN(a_gap_stops_the_partition);
    RUN(a_torn_claim_stops_the_partition);
    RUN(order_that_nobody_knows_is_refused_where_it_matters);
    RUN(a_claim_that_counts_is_gone_on_with_in_its_middle);
    RUN(a_position_of_somebody_elses_counting_is_not_believed);
    RUN(another_name_than_what_is_staged_is_told);
    RUN(another_instances_share_is_left_alone);
    RUN(learns_the_newest_schema_without_reading_rows);
    return REPORT();
}
