#include "loaders/sink_postgres_inside.h"

#include "loaders/migrate.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

/* Deaths in one-row mode at one offset before its record is set aside unread. */
#define CRASHES_MOST 3

struct postgres *postgres_of(struct sink *s)
{
    return (struct postgres *)s;
}

enum err_kind postgres_text(struct buf *sql, const char **text, struct err *e)
{
    buf_put_u8(sql, 0);
    TRY(buf_status(sql, e));
    *text = (const char *)sql->p;
    return ERR_OK;
}

void postgres_put_where(struct buf *sql, const struct postgres *p, const char *topic,
                        int32_t partition)
{
    buf_put_str(sql, " pipeline = ");
    etl_put_text(sql, p->o.job);
    buf_put_str(sql, " AND topic = ");
    etl_put_text(sql, topic);
    buf_printf(sql, " AND part = %" PRId32, partition);
}

/* --- every new connection --------------------------------------------------------- */

static enum err_kind check_durability(const struct postgres *p, const PGresult *r,
                                      struct err *e)
{
    const char *fsync = PQgetvalue(r, 0, 0), *commit = PQgetvalue(r, 0, 1);

    if (p->o.allow_unsafe || (strcmp(fsync, "on") == 0 && strcmp(commit, "off") != 0))
        return ERR_OK;
    return err_set(e, ERR_NOT_FOUND,
                   "the server has fsync = %s and synchronous_commit = %s: a committed "
                   "batch could be lost by a crash.  Turn them on, or set "
                   "sink.postgres.allow_unsafe",
                   fsync, commit);
}

static enum err_kind greet(struct pg *pg, const struct postgres *p, struct err *e)
{
    PGresult *r = NULL;

    // A loader that was stopped in a transaction must not hold its locks for ever.
    TRY(pg_ask(pg, &r,
               "SET TimeZone = 'UTC'; SET DateStyle = 'ISO'; "
               "SET standard_conforming_strings = on; SET lock_timeout = '5s'; "
               "SET client_min_messages = 'warning'; "
               "SET idle_in_transaction_session_timeout = '60s'; "
               "SELECT current_setting('fsync'), current_setting('synchronous_commit')",
               e));
    enum err_kind rc = check_durability(p, r, e);
    PQclear(r);
    return rc;
}

static enum err_kind greet_writer(struct pg *pg, struct err *e)
{
    return greet(pg, (struct postgres *)((char *)pg - offsetof(struct postgres, pg)),
                 e);
}

static enum err_kind greet_ledger(struct pg *pg, struct err *e)
{
    struct postgres *p =
        (struct postgres *)((char *)pg - offsetof(struct postgres, ledger));

    TRY(greet(pg, p, e));
    return run_lock(pg, &p->run, e);
}

/* --- whose partition it is (the source's thread) ---------------------------------- */

static void compose_take(const struct postgres *p, const char *topic, int32_t partition,
                         int64_t low, const char *cluster, struct buf *sql)
{
    buf_put_str(sql, "INSERT INTO etl_offsets (pipeline, topic, part, next_offset, "
                     "cluster_id) VALUES (");
    etl_put_text(sql, p->o.job);
    buf_put_str(sql, ", ");
    etl_put_text(sql, topic);
    buf_printf(sql, ", %" PRId32 ", %" PRId64 ", ", partition, low);
    etl_put_text(sql, cluster);
    buf_printf(sql, ") ON CONFLICT DO NOTHING; "
                    "WITH was AS (SELECT * FROM etl_offsets WHERE");
    postgres_put_where(sql, p, topic, partition);
    buf_put_str(sql,
                " FOR UPDATE), now AS (SELECT CASE WHEN NOT was.trying OR was.released "
                "THEN 0 WHEN was.crash_offset = was.next_offset THEN was.crashes + 1 "
                "ELSE 1 END AS crashes FROM was) "
                "UPDATE etl_offsets o SET epoch = was.epoch + 1, owner = ");
    etl_put_text(sql, p->run.instance);
    buf_printf(sql,
               " || ' ' || '%s', updated = clock_timestamp(), cluster_id = "
               "coalesce(was.cluster_id, ",
               p->run.id);
    etl_put_text(sql, cluster);
    buf_printf(
        sql,
        "), crash_offset = was.next_offset, crashes = now.crashes, trying = "
        "false, released = false, isolate_until = CASE WHEN now.crashes > 0 THEN "
        "greatest(was.isolate_until, was.next_offset + %" PRId64
        ") ELSE was.isolate_until END FROM was, now WHERE o.pipeline = "
        "was.pipeline AND o.topic = was.topic AND o.part = was.part "
        "RETURNING o.next_offset, o.epoch, o.generation, coalesce(o.mark, -1), "
        "o.isolate_until, o.crashes, (NOT was.released AND was.crash_offset = "
        "was.next_offset), was.isolate_until > was.next_offset, "
        "coalesce(was.cluster_id, ''), o.owner",
        p->o.isolate);
}

static int64_t number(const PGresult *r, int column)
{
    return strtoll(PQgetvalue(r, 0, column), NULL, 10);
}

static bool truth(const PGresult *r, int column)
{
    return PQgetvalue(r, 0, column)[0] == 't';
}

static void read_claim(struct claim *out, const PGresult *r)
{
    *out = (struct claim){
        .next = number(r, 0),
        .epoch = number(r, 1),
        .generation = (int32_t)number(r, 2),
        .mark = number(r, 3),
        .isolate_until = number(r, 4),
        .careful = truth(r, 6),
        .undecoded = truth(r, 7) && number(r, 5) >= CRASHES_MOST,
    };
}

static enum err_kind check_cluster(const PGresult *r, const char *cluster,
                                   struct err *e)
{
    const char *known = PQgetvalue(r, 0, 8);

    if (known[0] == '\0' || cluster == NULL || strcmp(known, cluster) == 0)
        return ERR_OK;
    return err_set(e, ERR_CONFLICT,
                   "etl_offsets speaks of Kafka cluster %.60s, this one is %.60s: the "
                   "offsets mean other records",
                   known, cluster);
}

/*
 * The owner before us may have been stopped in the middle of a COPY, with the row
 * locked: no time-out of the server's ends that (it waits for the client's data, and
 * holds off cancellation while it does).  The partition is ours, so that transaction
 * can only lose; ending its session is the fence.
 */
static void end_former_owner(struct postgres *p, const char *topic, int32_t partition)
{
    struct buf sql = BUF_INIT(1 << 16);
    struct err ignored = {0};
    const char *text;

    buf_put_str(&sql, "SELECT pg_terminate_backend(a.pid) FROM etl_offsets o JOIN "
                      "pg_stat_activity a ON a.application_name = 'avrogate w ' || "
                      "right(o.owner, 36) WHERE a.pid <> pg_backend_pid() AND");
    postgres_put_where(&sql, p, topic, partition);
    if (postgres_text(&sql, &text, &ignored) == ERR_OK)
        (void)!pg_run(&p->ledger, text, &ignored);
    buf_free(&sql);
}

static enum err_kind ask_take(struct postgres *p, const char *text, const char *cluster,
                              struct claim *out, struct err *e)
{
    PGresult *r = NULL;

    TRY(pg_ask(&p->ledger, &r, text, e));
    if (PQntuples(r) != 1) {
        PQclear(r);
        return err_set(e, ERR_UNAVAILABLE, "etl_offsets lost the row it just had");
    }
    enum err_kind rc = check_cluster(r, cluster, e);
    if (rc == ERR_OK)
        read_claim(out, r);
    PQclear(r);
    return rc;
}

static enum err_kind take(struct sink *s, const char *topic, int32_t partition,
                          int64_t low, const char *cluster, struct claim *out,
                          struct err *e)
{
    struct postgres *p = postgres_of(s);
    struct buf sql = BUF_INIT(1 << 16);
    const char *text;

    compose_take(p, topic, partition, low, cluster, &sql);
    enum err_kind rc = postgres_text(&sql, &text, e);
    if (rc == ERR_OK)
        rc = ask_take(p, text, cluster, out, e);
    if (rc == ERR_UNAVAILABLE && strcmp(p->ledger.sqlstate, "55P03") == 0)
        end_former_owner(p, topic, partition); // the caller tries again
    buf_free(&sql);
    return rc;
}

/* A write that hung and was cancelled on our side: the server does not know, and holds
 * the position's row. */
static void end_own_writer(struct postgres *p)
{
    struct err ignored = {0};

    (void)!pg_runf(&p->ledger, &ignored,
                   "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE "
                   "application_name = '%s'",
                   p->app_writer);
}

static void release(struct sink *s, const char *topic, int32_t partition, int64_t epoch)
{
    struct postgres *p = postgres_of(s);
    struct buf sql = BUF_INIT(1 << 16);
    struct err ignored = {0};
    const char *text;

    if (pg_is_cancelled(&p->pg))
        end_own_writer(p);
    buf_put_str(&sql, "UPDATE etl_offsets SET released = true, trying = false, updated "
                      "= clock_timestamp() WHERE");
    postgres_put_where(&sql, p, topic, partition);
    buf_printf(&sql, " AND epoch = %" PRId64, epoch);
    if (postgres_text(&sql, &text, &ignored) == ERR_OK)
        (void)!pg_run(&p->ledger, text, &ignored);
    buf_free(&sql);
}

/* Of how many partitions anything is wanted.  One that is empty needs no row. */
static size_t put_targets(struct buf *sql, const struct postgres *p, const char *topic,
                          const int64_t *next, size_t n)
{
    size_t wanted = 0;

    buf_put_str(sql, "SELECT count(*) FROM (VALUES ");
    for (size_t i = 0; i < n; i++)
        if (next[i] > 0)
            buf_printf(sql, "%s(%zu, %" PRId64 "::bigint)", wanted++ == 0 ? "" : ", ",
                       i, next[i]);
    buf_put_str(sql, ") w (part, wanted) JOIN etl_offsets o ON o.part = w.part AND "
                     "o.next_offset >= w.wanted AND o.pipeline = ");
    etl_put_text(sql, p->o.job);
    buf_put_str(sql, " AND o.topic = ");
    etl_put_text(sql, topic);
    return wanted;
}

static enum err_kind reached(struct sink *s, const char *topic, const int64_t *next,
                             size_t n, bool *yes, struct err *e)
{
    struct postgres *p = postgres_of(s);
    struct buf sql = BUF_INIT(8 << 20);
    PGresult *r = NULL;
    const char *text;

    size_t wanted = put_targets(&sql, p, topic, next, n);
    enum err_kind rc = wanted == 0 ? ERR_OK : postgres_text(&sql, &text, e);
    if (rc == ERR_OK && wanted > 0)
        rc = pg_ask(&p->ledger, &r, text, e);
    if (rc == ERR_OK)
        *yes = wanted == 0 || number(r, 0) == (int64_t)wanted;
    PQclear(r);
    buf_free(&sql);
    return rc;
}

/* --- the pump's thread ------------------------------------------------------------ */

static enum err_kind trial(struct sink *s, const struct batch *b, struct err *e)
{
    struct postgres *p = postgres_of(s);
    PGresult *r = NULL;
    const char *text;

    buf_reset(&p->sql);
    buf_put_str(&p->sql, "UPDATE etl_offsets SET trying = true WHERE");
    postgres_put_where(&p->sql, p, b->topic, b->partition);
    buf_printf(&p->sql,
               " AND epoch = %" PRId64 " AND next_offset IN (%" PRId64 ", %" PRId64 ")",
               b->epoch, b->first, b->next);
    TRY(postgres_text(&p->sql, &text, e));
    TRY(pg_ask(&p->pg, &r, text, e));
    bool mine = strcmp(PQcmdTuples(r), "1") == 0;
    PQclear(r);
    if (!mine)
        return err_set(e, ERR_CONFLICT, "%s/%" PRId32 " is somebody else's by now",
                       b->topic, b->partition);
    return ERR_OK;
}

static enum err_kind paused(struct sink *s, struct pause *out, struct err *e)
{
    struct postgres *p = postgres_of(s);

    return pause_ask_pg(&p->pg, p->o.job, out, e);
}

static void cancel(struct sink *s)
{
    pg_cancel(&postgres_of(s)->pg);
}

static void close_sink(struct sink *s)
{
    struct postgres *p = postgres_of(s);

    pg_close(&p->pg);
    pg_close(&p->ledger);
    if (p->table.n > 0)
        table_free(&p->table);
    rows_free(&p->rows);
    deletion_free(&p->deletion);
    repeats_free(&p->repeats);
    buf_free(&p->quoted);
    buf_free(&p->target);
    buf_free(&p->copy);
    buf_free(&p->make);
    buf_free(&p->apply);
    buf_free(&p->sql);
    buf_free(&p->attempts);
    if (p->aside_table.n > 0)
        table_free(&p->aside_table);
    rows_free(&p->aside_rows);
    buf_free(&p->aside_quoted);
    buf_free(&p->aside_target);
    buf_free(&p->aside_copy);
    free(p->aside_name);
    free(p->counts);
    free(p->index);
    rejects_free(&p->rejects);
    free(p);
}

static const struct sink_ops postgres_ops = {
    .name = "postgres",
    .take = take,
    .release = release,
    .reached = reached,
    .trial = trial,
    .shape = postgres_shape,
    .write = postgres_write,
    .rules = postgres_tell_rules,
    .begin = postgres_begin,
    .end = postgres_end,
    .run_id = postgres_run_id,
    .paused = paused,
    .anew = "UPDATE etl_offsets SET next_offset = 0, generation = generation + 1, mark "
            "= NULL",
    .skip =
        "UPDATE etl_offsets SET next_offset = that, generation = generation + 1, mark "
        "= NULL",
    .cancel = cancel,
    .close = close_sink,
};

/* --- opening ---------------------------------------------------------------------- */

/* "staging.weather" are two names, "weather" is one; a dot in quotes nobody writes. */
static enum err_kind quote_table(const char *table, struct buf *quoted,
                                 struct buf *target, struct err *e)
{
    struct span name = span_str(table);
    const uint8_t *dot = name.n == 0 ? NULL : memchr(name.p, '.', name.n);
    size_t first = dot == NULL ? 0 : (size_t)(dot - name.p);

    if (name.n == 0 || (dot != NULL && (first == 0 || first + 1 == name.n)))
        return err_set(e, ERR_INVALID, "table \"%s\", wanted a name or schema.name",
                       table);
    if (dot != NULL) {
        pg_put_name(quoted, span_of(name.p, first));
        buf_put_u8(quoted, '.');
        name = span_skip(name, first + 1);
    }
    pg_put_name(quoted, name);
    pg_put_literal(target, buf_span(quoted));
    buf_put_u8(quoted, 0);
    buf_put_u8(target, 0);
    return ERR_OK;
}

static enum err_kind check_name(const char *table, struct err *e)
{
    const char *dot = strchr(table, '.');

    if (strlen(dot != NULL ? dot + 1 : table) < COLUMN_NAME)
        return ERR_OK;
    return err_set(e, ERR_INVALID,
                   "the quarantine's name \"%.100s\" is longer than the server's 63 "
                   "bytes: sink.postgres.quarantine gives another",
                   table);
}

static enum err_kind name_tables(struct postgres *p, struct err *e)
{
    struct buf name = BUF_INIT(1000);

    TRY(quote_table(p->o.table, &p->quoted, &p->target, e));
    if (!postgres_has_aside(p))
        return ERR_OK;
    buf_printf(&name, "%s", p->o.quarantine != NULL ? p->o.quarantine : p->o.table);
    if (p->o.quarantine == NULL)
        buf_put_str(&name, "_quarantine");
    p->aside_name = mem_str(buf_span(&name));
    buf_free(&name);
    if (strcmp(p->aside_name, p->o.table) == 0)
        return err_set(e, ERR_INVALID,
                       "sink.postgres.quarantine is the target: wanted another table");
    TRY(check_name(p->aside_name, e));
    return quote_table(p->aside_name, &p->aside_quoted, &p->aside_target, e);
}

enum err_kind postgres_sink_open(struct sink **out, const struct postgres_options *o,
                                 struct err *e)
{
    struct postgres *p = mem_alloc(sizeof *p);

    *p = (struct postgres){.sink = {.ops = &postgres_ops},
                           .o = *o,
                           .quoted = BUF_INIT(1000),
                           .target = BUF_INIT(2000),
                           .aside_quoted = BUF_INIT(1000),
                           .aside_target = BUF_INIT(2000),
                           .aside_copy = BUF_INIT(4 << 20),
                           .copy = BUF_INIT(4 << 20),
                           .make = BUF_INIT(4 << 20),
                           .apply = BUF_INIT(4 << 20),
                           .sql = BUF_INIT(4 << 20),
                           .attempts = BUF_INIT(64 << 10)};
    run_init(&p->run, o->job);
    p->run.topic = o->topic;
    p->run.source = o->source;
    p->run.target = o->table;
    snprintf(p->app_ledger, sizeof p->app_ledger, "avrogate l %s", p->run.id);
    snprintf(p->app_writer, sizeof p->app_writer, "avrogate w %s", p->run.id);
    pg_init(&p->ledger, p->o.url, p->app_ledger);
    pg_init(&p->pg, p->o.url, p->app_writer);
    p->ledger.greet = greet_ledger;
    p->pg.greet = greet_writer;
    rows_init(&p->rows, (size_t)1 << 30);
    deletion_init(&p->deletion);
    rows_init(&p->aside_rows, (size_t)1 << 30);
    if (o->quality != NULL)
        p->counts = quality_counts(o->quality);
    if (name_tables(p, e) != ERR_OK) {
        close_sink(&p->sink);
        return e->kind;
    }
    *out = &p->sink;
    return ERR_OK;
}

enum err_kind postgres_begin(struct sink *s, struct err *e)
{
    struct postgres *p = postgres_of(s);

    TRY(migrate(&p->ledger, e));
    return run_begin(&p->ledger, &p->run, e);
}

enum err_kind postgres_end(struct sink *s, const char *status, const char *why,
                           struct err *e)
{
    struct postgres *p = postgres_of(s);

    return run_end(&p->ledger, &p->run, status, why, e);
}

const char *postgres_run_id(const struct sink *s)
{
    return ((const struct postgres *)s)->run.id;
}
