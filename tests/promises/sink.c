/*
 * The promises of loaders/sink.h, asked of every sink there is.
 *
 * The Postgres sink needs AVROGATE_TEST_PG=postgresql://user:password@127.0.0.1:port/db
 * (a database where tables may be made); without it only the memory sink is asked, and
 * that is said.
 */
#include "loaders/pump.h"
#include "loaders/sink_files.h"
#include "loaders/sink_odbc.h"
#include "loaders/sink_postgres.h"
#include "tests/fakes/batches.h"
#include "tests/fakes/memory_sink.h"
#include "tests/fakes/pg_wire.h"

#include <signal.h>
#include <stdio.h>

#define SCHEMA                                                                   \
    "{\"type\":\"record\",\"name\":\"R\",\"fields\":[{\"name\":\"id\",\"type\":" \
    "\"long\"}]}"

struct world {
    const char *name;
    struct sink *sink;
    struct sift *sift;
    int64_t (*rows)(void);
    int64_t (*rejects)(void);
    uint64_t shape;
    int steps; // at which an answer can be lost
    void (*lose)(int step);
};

static struct world w;
static int32_t id;
static const char *pg_url;
static char wired_url[400], table[40];
static struct memory_sink memory;
static struct pg eye;

/* --- two worlds --------------------------------------------------------------------
 */

static int64_t memory_rows(void)
{
    return (int64_t)memory.rows;
}

static int64_t memory_rejects(void)
{
    return (int64_t)memory.rejects;
}

static void memory_lose(int step)
{
    memory.fail_before = step == 1;
    memory.lose_after = step == 2;
}

static int64_t ask(const char *fmt)
{
    char sql[300];
    PGresult *r = NULL;
    struct err e = {0};

    snprintf(sql, sizeof sql, fmt, table);
    if (pg_ask(&eye, &r, sql, &e) != ERR_OK) {
        printf("    %s\n", e.msg);
        return -1;
    }
    int64_t n = atoll(PQgetvalue(r, 0, 0));
    PQclear(r);
    return n;
}

static int64_t postgres_rows(void)
{
    return ask("SELECT count(*) FROM %s");
}

static int64_t postgres_rejects(void)
{
    return ask("SELECT count(*) FROM etl_reject WHERE pipeline = '%s'");
}

/* A write is some sixteen answers, the last of them COMMIT's, to seven requests. */
static void postgres_lose(int step)
{
    atomic_store(&wire.armed, step <= 16 ? step : 16 - step);
}

static struct sink *open_postgres(void)
{
    static int count;
    struct sink *s = NULL;
    struct err e = {0};

    snprintf(table, sizeof table, "prm_%ld_%d", (long)getpid(), ++count);
    struct postgres_options o = {.url = wired_url,
                                 .table = table,
                                 .job = table,
                                 .topic = "t",
                                 .source = "",
                                 .reject_limit = 100,
                                 .isolate = 10,
                                 .evolve = true,
                                 .allow_unsafe = true,
                                 .lock_timeout_ms = 1000,
                                 .statement_timeout_ms = 60000};
    CHECK_INT(postgres_sink_open(&s, &o, &e), ERR_OK);
    enum err_kind rc = postgres_begin(s, &e);
    if (rc != ERR_OK)
        printf("    %s\n", e.msg);
    CHECK_INT(rc, ERR_OK);
    return s;
}

/* --- and files: in a directory; what other places lose, tests/promises/place.c asks */

static char stage_dir[100], stage_url[120];

static int64_t count_lines(const char *what)
{
    char command[300];
    long long n = -1;

    snprintf(command, sizeof command,
             "find %s -name '*.jsonl' -path '%s' | xargs -r cat | wc -l", stage_dir,
             what);
    FILE *p = popen(command, "r");
    if (p == NULL || fscanf(p, "%lld", &n) != 1)
        n = -1;
    if (p != NULL)
        pclose(p);
    return n;
}

static int64_t files_rejects(void)
{
    return count_lines("*/_rejects/*");
}

static int64_t files_rows(void)
{
    return count_lines("*") - files_rejects();
}

static struct sink *open_files(void)
{
    static int count;
    struct sink *s = NULL;
    struct err e = {0};

    snprintf(stage_dir, sizeof stage_dir, "/tmp/prm-files-%ld-%d", (long)getpid(),
             ++count);
    snprintf(stage_url, sizeof stage_url, "file://%s", stage_dir);
    struct files_options o = {.place.url = stage_url,
                              .format = "json",
                              .rotate_rows = 1 << 20, // load() settles each batch
                              .rotate_bytes = 1 << 30,
                              .rotate_age_ms = 1,
                              .memory = 1 << 20,
                              .spool = "/tmp",
                              .job = "prm",
                              .topic = "t",
                              .source = "",
                              .reject_limit = 100};
    CHECK_INT(files_sink_open(&s, &o, &e), ERR_OK);
    CHECK_INT(s->ops->begin(s, &e), ERR_OK);
    return s;
}

/* --- and by ODBC: SQLite's driver in a file, PostgreSQL's by the wire; where a driver
 * is installed.  `eye` looks into PostgreSQL, a connection of its own into SQLite's
 * file. */

static char odbc_connection[500], sqlite_file[100];
static struct odbc odbc_eye;

static int64_t ask_odbc(const char *fmt)
{
    char sql[300];
    struct odbc_answer a;
    struct err e = {0};

    snprintf(sql, sizeof sql, fmt, table);
    if (odbc_ask(&odbc_eye, sql, &a, &e) != ERR_OK) {
        if (e.kind != ERR_NOT_FOUND)
            printf("    %s\n", e.msg);
        return -1;
    }
    const char *n = odbc_cell(&a, 0, 0);
    int64_t count = n == NULL ? -1 : atoll(n);
    odbc_answer_free(&a);
    return count;
}

static int64_t odbc_rows(void)
{
    return ask_odbc("SELECT count(*) FROM %s");
}

static int64_t odbc_rejects(void)
{
    return ask_odbc("SELECT count(*) FROM etl_reject WHERE pipeline = '%s'");
}

/* A write by psqlODBC is some thirty answers: it is asked until no more come. */
#define ODBC_STEPS 80

static void odbc_lose(int step)
{
    atomic_store(&wire.armed, step);
}

static struct sink *open_odbc(void)
{
    static int count;
    struct sink *s = NULL;
    struct err e = {0};

    snprintf(table, sizeof table, "pro_%ld_%d", (long)getpid(), ++count);
    struct odbc_options o = {.connection = odbc_connection,
                             .dialect = "auto",
                             .table = table,
                             .job = table,
                             .topic = "t",
                             .source = "",
                             .reject_limit = 100,
                             .isolate = 10,
                             .evolve = true,
                             .array = 4,
                             .lock_timeout_ms = 1000,
                             .statement_timeout_ms = 60000};
    CHECK_INT(odbc_sink_open(&s, &o, &e), ERR_OK);
    enum err_kind rc = s->ops->begin(s, &e);
    if (rc != ERR_OK)
        printf("    %s\n", e.msg);
    CHECK_INT(rc, ERR_OK);
    return s;
}

enum which { MEMORY, POSTGRES, FILES, ODBC_SQLITE, ODBC_POSTGRES };

static void enter(enum which which)
{
    struct sift_options o = {.subject = "t-value", .timeout_ms = 1000};
    struct err e = {0};

    fake_registry_reset();
    id = fake_register(SCHEMA);
    CHECK_INT(sift_open(&w.sift, NULL, &o, &e), ERR_OK);
    if (which == FILES) {
        w = (struct world){.name = "files",
                           .sink = open_files(),
                           .sift = w.sift,
                           .rows = files_rows,
                           .rejects = files_rejects};
    } else if (which == POSTGRES) {
        w = (struct world){.name = "postgres",
                           .sink = open_postgres(),
                           .sift = w.sift,
                           .rows = postgres_rows,
                           .rejects = postgres_rejects,
                           .steps = 23,
                           .lose = postgres_lose};
    } else if (which == ODBC_SQLITE || which == ODBC_POSTGRES) {
        w = (struct world){.name = which == ODBC_SQLITE ? "odbc to sqlite"
                                                        : "odbc to postgres",
                           .sink = open_odbc(),
                           .sift = w.sift,
                           .rows = odbc_rows,
                           .rejects = odbc_rejects,
                           .steps = which == ODBC_SQLITE ? 0 : ODBC_STEPS,
                           .lose = odbc_lose};
    } else {
        memory = (struct memory_sink){.sink = {&memory_ops}};
        w = (struct world){.name = "memory",
                           .sink = &memory.sink,
                           .sift = w.sift,
                           .rows = memory_rows,
                           .rejects = memory_rejects,
                           .steps = 2,
                           .lose = memory_lose};
    }
}

static void leave(void)
{
    struct err ignored = {0};

    if (w.rows == postgres_rows)
        (void)!pg_runf(&eye, &ignored, "DROP TABLE IF EXISTS %s", table);
    if (w.rows == odbc_rows) {
        char sql[100];
        snprintf(sql, sizeof sql, "DROP TABLE %s", table);
        (void)!odbc_run(&odbc_eye, sql, NULL, &ignored);
    }
    if (w.rows == files_rows) {
        char command[200];
        snprintf(command, sizeof command, "rm -rf %s", stage_dir);
        CHECK_INT(system(command), 0);
    }
    w.sink->ops->close(w.sink);
    sift_close(w.sift);
}

/* --- what is asked -----------------------------------------------------------------
 */

static struct claim take(void)
{
    struct claim c = {0};
    struct err e = {0};

    CHECK_INT(w.sink->ops->take(w.sink, "t", 0, 0, "cluster", &c, &e), ERR_OK);
    return c;
}

static struct batch *batch_of(const struct claim *c, int64_t first, int good, int bad)
{
    struct batch *b = batch_new("t", 0, first);
    char json[40];

    b->epoch = c->epoch;
    b->generation = c->generation;
    for (int i = 0; i < good + bad; i++) {
        snprintf(json, sizeof json, "{\"id\":%lld}", (long long)first + i);
        if (i < bad)
            add_rubbish(b);
        else
            add_json(b, id, json);
    }
    return b;
}

/* As the pump does it: prepare, shape, write. */
static enum err_kind load(const struct batch *b, struct receipt *r, struct err *e)
{
    TRY(sift_prepare(w.sift, b, e));
    if (w.shape != sift_shape(w.sift))
        TRY(w.sink->ops->shape(w.sink, sift_reader(w.sift), e));
    w.shape = sift_shape(w.sift);
    TRY(w.sink->ops->write(w.sink, b, w.sift, r, e));
    if (!r->held)
        return ERR_OK;
    struct settled s = {0}; // what gathers: made durable at once
    TRY(w.sink->ops->settle(w.sink, true, &s, e));
    CHECK(s.any);
    CHECK_INT(s.next, b->next);
    *r = s.receipt;
    return s.lost ? ERR_CONFLICT : ERR_OK;
}

static void writes_all_of_a_batch_and_once(void)
{
    struct claim c = take();
    struct batch *b = batch_of(&c, 0, 100, 0);
    struct receipt r;
    struct err e = {0};

    CHECK_INT(load(b, &r, &e), ERR_OK);
    CHECK_INT(r.loaded, 100);
    CHECK(!r.again);
    CHECK_INT(w.rows(), 100);
    CHECK_INT(load(b, &r, &e), ERR_OK);
    CHECK(r.again);
    CHECK_INT(r.loaded, 100);
    CHECK_INT(w.rows(), 100);
    batch_free(b);
}

static void sets_aside_the_bad_and_keeps_the_good(void)
{
    struct claim c = take();
    struct batch *b = batch_of(&c, 0, 7, 3);
    struct receipt r;
    struct err e = {0};

    CHECK_INT(load(b, &r, &e), ERR_OK);
    CHECK_INT(r.loaded, 7);
    CHECK_INT(r.rejected, 3);
    CHECK_INT(w.rows(), 7);
    CHECK_INT(w.rejects(), 3);
    batch_free(b);
}

static void refuses_a_batch_that_does_not_follow(void)
{
    struct claim c = take();
    struct batch *b = batch_of(&c, 5, 3, 0);
    struct receipt r;
    struct err e = {0};

    CHECK_INT(load(b, &r, &e), ERR_CONFLICT);
    CHECK_INT(w.rows() > 0, 0);
    batch_free(b);
}

static void refuses_who_is_not_the_owner_any_more(void)
{
    struct claim old = take();
    struct batch *b = batch_of(&old, 0, 3, 0);
    struct claim mine = take();
    struct receipt r;
    struct err e = {0};

    CHECK(mine.epoch > old.epoch);
    CHECK_INT(load(b, &r, &e), ERR_CONFLICT);
    CHECK_INT(w.sink->ops->trial(w.sink, b, &e), ERR_CONFLICT);
    b->epoch = mine.epoch;
    CHECK_INT(load(b, &r, &e), ERR_OK);
    CHECK_INT(w.rows(), 3);
    batch_free(b);
}

static void goes_on_where_the_last_owner_stopped(void)
{
    struct claim c = take();
    struct batch *b = batch_of(&c, 0, 4, 1);
    struct receipt r;
    struct err e = {0};
    bool yes = false;

    CHECK_INT(c.next, 0);
    CHECK_INT(load(b, &r, &e), ERR_OK);
    c = take();
    CHECK_INT(c.next, 5);
    CHECK_INT(w.sink->ops->reached(w.sink, "t", (int64_t[]){5}, 1, &yes, &e), ERR_OK);
    CHECK(yes);
    CHECK_INT(w.sink->ops->reached(w.sink, "t", (int64_t[]){6}, 1, &yes, &e), ERR_OK);
    CHECK(!yes);
    batch_free(b);
}

static void passes_over_holes_and_empty_ranges(void)
{
    struct claim c = take();
    struct batch *b = batch_of(&c, 0, 2, 0);
    struct receipt r;
    struct err e = {0};

    b->next = 10; // markers behind the records
    CHECK_INT(load(b, &r, &e), ERR_OK);
    batch_free(b);
    b = batch_of(&c, 10, 0, 0);
    b->next = 12;
    CHECK_INT(load(b, &r, &e), ERR_OK);
    CHECK_INT(r.loaded, 0);
    batch_free(b);
    CHECK_INT(take().next, 12);
    CHECK_INT(w.rows(), 2);
}

/* For each step: the line breaks there, and the batch is written until it is in. */
static void loses_and_doubles_nothing_wherever_an_answer_is_lost(void)
{
    struct claim c = take();
    int64_t first = 0;
    int cuts = atomic_load(&wire.cuts), failed = 0, again = 0, steps = w.steps;

    for (int step = 1; step <= steps; step++) {
        int before = failed;
        struct batch *b = batch_of(&c, first, 9, 1);
        struct receipt r = {0};
        struct err e = {0};
        enum err_kind rc = ERR_UNAVAILABLE;

        w.lose(step);
        for (int i = 0; i < 10 && rc == ERR_UNAVAILABLE; i++) {
            rc = load(b, &r, &e);
            failed += rc == ERR_UNAVAILABLE;
        }
        w.lose(0);
        if (w.rows == odbc_rows && failed == before)
            steps = failed; // past the last answer: this one broke nothing
        again += r.again;
        if (rc != ERR_OK)
            printf("    step %d: %s\n", step, e.msg);
        CHECK_INT(rc, ERR_OK);
        CHECK_INT(r.loaded, 9);
        CHECK_INT(r.rejected, 1);
        first = b->next;
        batch_free(b);
        CHECK_INT(w.rows(), 9 * step);
        CHECK_INT(w.rejects(), step);
    }
    CHECK(again >= 1);        // the commit's own answer among them
    CHECK_INT(failed, steps); // each step was tried: none came after the end
    CHECK(steps > 1 && steps < ODBC_STEPS);
    if (w.rows == postgres_rows)
        CHECK_INT(atomic_load(&wire.cuts) - cuts, failed);
}

static const struct {
    const char *name;
    void (*test)(void);
} promises[] = {
    {"writes_all_of_a_batch_and_once", writes_all_of_a_batch_and_once},
    {"sets_aside_the_bad_and_keeps_the_good", sets_aside_the_bad_and_keeps_the_good},
    {"refuses_a_batch_that_does_not_follow", refuses_a_batch_that_does_not_follow},
    {"refuses_who_is_not_the_owner_any_more", refuses_who_is_not_the_owner_any_more},
    {"goes_on_where_the_last_owner_stopped", goes_on_where_the_last_owner_stopped},
    {"passes_over_holes_and_empty_ranges", passes_over_holes_and_empty_ranges},
    {"loses_and_doubles_nothing_wherever_an_answer_is_lost",
     loses_and_doubles_nothing_wherever_an_answer_is_lost},
};

static void run_all(enum which which)
{
    for (size_t i = 0; i < sizeof promises / sizeof promises[0]; i++) {
        int before = check_failed;
        if ((which == FILES || which == ODBC_SQLITE) &&
            i == sizeof promises / sizeof promises[0] - 1)
            continue; // a directory loses no answers, nor does a file
        enter(which);
        promises[i].test();
        printf("%s - %s: %s\n", check_failed == before ? "ok" : "not ok", w.name,
               promises[i].name);
        leave();
    }
}

/* The URL again, with the wire's port. */
static bool connect_wire(void)
{
    const char *port = strstr(pg_url, "127.0.0.1:");

    if (port == NULL)
        return false;
    port += strlen("127.0.0.1:");
    int to = wire_open(atoi(port));
    snprintf(wired_url, sizeof wired_url, "%.*s%d%s?sslmode=disable&gssencmode=disable",
             (int)(port - pg_url), pg_url, to, port + strspn(port, "0123456789"));
    return to > 0;
}

/* What stands behind the driver may be missing, as a driver may: then it is said. */
static void run_odbc(enum which which, const char *name)
{
    struct err e = {0};

    odbc_init(&odbc_eye, odbc_connection);
    if (odbc_connect(&odbc_eye, &e) == ERR_OK)
        run_all(which);
    else
        printf("skipped: %s by ODBC: %s\n", name, e.msg);
    odbc_close(&odbc_eye);
}

static void run_odbc_sqlite(void)
{
    snprintf(sqlite_file, sizeof sqlite_file, "/tmp/prm-odbc-%ld.db", (long)getpid());
    snprintf(odbc_connection, sizeof odbc_connection, "Driver=SQLite3;Database=%s",
             sqlite_file);
    run_odbc(ODBC_SQLITE, "SQLite");
    unlink(sqlite_file);
}

/* postgresql://user:password@127.0.0.1:port/database, with the wire's port. */
static void run_odbc_postgres(void)
{
    char user[60] = "", password[60] = "", database[60] = "";

    if (sscanf(pg_url, "postgresql://%59[^:]:%59[^@]@127.0.0.1:%*[0-9]/%59s", user,
               password, database) != 3) {
        printf(
            "skipped: PostgreSQL by ODBC: AVROGATE_TEST_PG has no user, password and "
            "database\n");
        return;
    }
    snprintf(
        odbc_connection, sizeof odbc_connection,
        "Driver={PostgreSQL Unicode};Servername=127.0.0.1;Port=%d;Database=%s;UID=%s"
        ";PWD=%s;SSLmode=disable",
        wire.port, database, user, password);
    run_odbc(ODBC_POSTGRES, "PostgreSQL");
}

int main(void)
{
    signal(SIGPIPE, SIG_IGN);
    run_all(MEMORY);
    run_all(FILES);
    run_odbc_sqlite();
    pg_url = getenv("AVROGATE_TEST_PG");
    if (pg_url == NULL) {
        printf("skipped: the Postgres sink, AVROGATE_TEST_PG is not set\n");
    } else if (!connect_wire()) {
        printf("AVROGATE_TEST_PG must name 127.0.0.1:port\n");
        return 1;
    } else {
        pg_init(&eye, pg_url, "promises");
        run_all(POSTGRES);
        run_odbc_postgres();
        pg_close(&eye);
    }
    fake_registry_reset();
    return REPORT();
}
