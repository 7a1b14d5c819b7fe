#include "aggregator/audit.h"

#include "base/clock.h"
#include "base/log.h"
#include "loaders/etl_log.h"
#include "loaders/migrate.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define EVERY_MS 1000
#define AGAIN_MS 2000 // while it is away
#define CLOSE_MS 3000
#define SHARDS_MOST 10000

struct known { // what stands in the audit about a partition
    bool known;
    int32_t generation; // a reset begins another
    int64_t next, loaded, rejected, filtered, bytes;
};

struct audit {
    const struct aggregator_settings *s;
    struct engine *g;
    struct pg pg;
    struct run run;
    char *target; // of the run: no table, so that nobody counts its rows
    pthread_t thread;
    atomic_bool stop, done;
    bool begun;
    struct known *known; // by partition
    size_t n_known;
    struct shard_state *shards;
    const char *status, *why;
};

/* --- what is known -----------------------------------------------------------------
 */

static void put_which(struct buf *sql, const struct audit *a, int32_t partition)
{
    buf_put_str(sql, "pipeline = ");
    etl_put_text(sql, a->s->job);
    buf_put_str(sql, " AND topic = ");
    etl_put_text(sql, a->s->topic);
    buf_printf(sql, " AND part = %" PRId32, partition);
}

static int64_t total(const struct agg_position *p)
{
    return p->records + p->filtered + p->rejected + p->late;
}

static int64_t number(const PGresult *rows, int column)
{
    return strtoll(PQgetvalue(rows, 0, column), NULL, 10);
}

/* A partition that is audited for the first time begins where its reading did, or, when
 * that is long ago, at 0. */
static enum err_kind learn(struct audit *a, const struct shard_state *st,
                           struct known *k, struct err *e)
{
    struct buf sql = BUF_INIT(1 << 16);
    PGresult *rows = NULL;

    buf_put_str(
        &sql, "INSERT INTO etl_offsets (pipeline, topic, part, next_offset) VALUES (");
    etl_put_text(&sql, a->s->job);
    buf_put_str(&sql, ", ");
    etl_put_text(&sql, a->s->topic);
    buf_printf(&sql,
               ", %" PRId32 ", %" PRId64
               ") ON CONFLICT DO NOTHING; SELECT o.generation, o.next_offset, "
               "coalesce(sum(rows_loaded), 0), "
               "coalesce(sum(rows_rejected), 0), coalesce(sum(rows_filtered), 0), "
               "coalesce(sum(bytes), 0) FROM etl_offsets o LEFT JOIN etl_batch b USING "
               "(pipeline, topic, part, generation) WHERE ",
               st->partition,
               total(&st->done) > 0 || st->start < 0 ? (int64_t)0 : st->start);
    put_which(&sql, a, st->partition);
    buf_put_str(&sql, " GROUP BY o.generation, o.next_offset");
    buf_put_u8(&sql, 0);
    enum err_kind rc = pg_ask(&a->pg, &rows, (const char *)sql.p, e);
    buf_free(&sql);
    if (rc != ERR_OK)
        return rc;
    if (PQntuples(rows) == 1)
        *k = (struct known){true,
                            (int32_t)number(rows, 0),
                            number(rows, 1),
                            number(rows, 2),
                            number(rows, 3),
                            number(rows, 4),
                            number(rows, 5)};
    PQclear(rows);
    return ERR_OK;
}

/* --- writing -----------------------------------------------------------------------
 */

static void put_batch(struct buf *sql, const struct audit *a,
                      const struct shard_state *st, const struct known *k,
                      const struct known *now)
{
    buf_put_str(
        sql,
        "WITH moved AS (UPDATE etl_offsets SET updated = clock_timestamp(), owner = ");
    etl_put_text(sql, a->run.instance);
    buf_printf(sql, ", next_offset = %" PRId64 " WHERE ", now->next);
    put_which(sql, a, st->partition);
    buf_printf(
        sql,
        " AND generation = %" PRId32 " AND next_offset = %" PRId64
        " RETURNING updated), new AS (INSERT INTO etl_batch (pipeline, topic, part, "
        "generation, first_offset, last_offset, run_id, rows_in, rows_loaded, "
        "rows_rejected, rows_duplicate, rows_filtered, bytes, target, schema_ids, "
        "started, "
        "duration_us, instance, epoch) SELECT ",
        k->generation, k->next);
    etl_put_text(sql, a->s->job);
    buf_put_str(sql, ", ");
    etl_put_text(sql, a->s->topic);
    buf_printf(sql,
               ", %" PRId32 ", %" PRId32 ", %" PRId64 ", %" PRId64
               ", '%s'::uuid, %" PRId64 ", %" PRId64 ", %" PRId64 ", 0, %" PRId64
               ", %" PRId64 ", ",
               st->partition, k->generation, k->next, now->next - 1, a->run.id,
               now->loaded - k->loaded + now->rejected - k->rejected + now->filtered -
                   k->filtered,
               now->loaded - k->loaded, now->rejected - k->rejected,
               now->filtered - k->filtered, now->bytes - k->bytes);
    etl_put_text(sql, a->run.target);
    buf_put_str(sql, ", '{}', clock_timestamp(), 0, ");
    etl_put_text(sql, a->run.instance);
    buf_put_str(sql, ", 0 FROM moved RETURNING run_id) ");
}

/* The run's sums move only with a row that is new. */
static void put_run(struct buf *sql, const struct shard_state *st,
                    const struct known *k, const struct known *now)
{
    char when[100];

    snprintf(when, sizeof when, "CASE WHEN l.partitions - '%" PRId32 "' = '{}' THEN ",
             st->partition);
    buf_printf(sql,
               "UPDATE etl_log l SET changed = clock_timestamp(), last_sign = "
               "clock_timestamp(), records_processed = records_processed + %" PRId64
               ", records_rejected = records_rejected + %" PRId64
               ", records_filtered = records_filtered + %" PRId64
               ", batches = batches + 1, bytes = bytes + %" PRId64
               ", partitions = l.partitions || jsonb_build_object('%" PRId32
               "', jsonb_build_array(least((l.partitions -> '%" PRId32
               "' ->> 0)::bigint, %" PRId64
               "::bigint), greatest((l.partitions -> '%" PRId32
               "' ->> 1)::bigint, %" PRId64 "::bigint)))",
               now->loaded - k->loaded, now->rejected - k->rejected,
               now->filtered - k->filtered, now->bytes - k->bytes, st->partition,
               st->partition, k->next, st->partition, now->next - 1);
    buf_printf(sql,
               ", \"partition\" = %s%" PRId32
               " END, first_offset = %sleast(l.first_offset, %" PRId64
               ") END, last_offset = %sgreatest(l.last_offset, %" PRId64
               ") END FROM new WHERE l.run_id = new.run_id RETURNING 1",
               when, st->partition, when, k->next, when, now->next - 1);
}

static enum err_kind account(struct audit *a, const struct shard_state *st,
                             struct err *e)
{
    struct known *k = &a->known[st->partition];
    const struct agg_position *p = &st->done;
    struct buf sql = BUF_INIT(1 << 20);
    PGresult *rows = NULL;

    if (!k->known)
        TRY(learn(a, st, k, e));
    const struct known now = {true,        k->generation,         p->next, p->records,
                              p->rejected, p->filtered + p->late, p->bytes};
    if (!k->known || now.next <= k->next)
        return ERR_OK;
    put_batch(&sql, a, st, k, &now);
    put_run(&sql, st, k, &now);
    buf_put_u8(&sql, 0);
    enum err_kind rc = pg_ask(&a->pg, &rows, (const char *)sql.p, e);
    buf_free(&sql);
    if (rc != ERR_OK) {
        k->known = false; // it may be there all the same
        return rc;
    }
    *k = now;
    k->known = PQntuples(rows) == 1; // else somebody wrote meanwhile
    PQclear(rows);
    return ERR_OK;
}

static enum err_kind account_all(struct audit *a, size_t n, struct err *e)
{
    for (size_t i = 0; i < n; i++) {
        size_t p = (size_t)a->shards[i].partition;

        if (p >= a->n_known) {
            a->known = mem_grow(a->known, p + 1, sizeof *a->known);
            memset(a->known + a->n_known, 0, (p + 1 - a->n_known) * sizeof *a->known);
            a->n_known = p + 1;
        }
        if (a->shards[i].phase == SHARD_READY)
            TRY(account(a, &a->shards[i], e));
    }
    return ERR_OK;
}

/* --- its life ----------------------------------------------------------------------
 */

static enum err_kind greet(struct pg *pg, struct err *e)
{
    struct audit *a = (struct audit *)((char *)pg - offsetof(struct audit, pg));

    return run_lock(pg, &a->run, e);
}

static enum err_kind once(struct audit *a, struct err *e)
{
    TRY(pg_connect(&a->pg, e));
    if (!a->begun) {
        TRY(migrate(&a->pg, e));
        TRY(run_begin(&a->pg, &a->run, e));
        a->begun = true;
    }
    return account_all(a, engine_shards(a->g, a->shards, SHARDS_MOST), e);
}

static void nap(struct audit *a, int64_t ms)
{
    for (int64_t until = clock_ms() + ms; clock_ms() < until && !atomic_load(&a->stop);)
        nanosleep(&(struct timespec){0, 20 * 1000000}, NULL);
}

static enum err_kind finish(struct audit *a, struct err *e)
{
    TRY(once(a, e));
    TRY(account_all(a, engine_last(a->g, a->shards, SHARDS_MOST), e));
    return run_end(&a->pg, &a->run, a->status, a->why, e);
}

/* The first try may find a connection that broke long ago. */
static void finish_in_time(struct audit *a)
{
    struct err e = {0};

    for (int64_t until = clock_ms() + CLOSE_MS; finish(a, &e) != ERR_OK;) {
        if (clock_ms() >= until) {
            log_err(LOG_WARN, "the run's end could not be written", &e);
            return;
        }
        nanosleep(&(struct timespec){0, 100 * 1000000}, NULL);
    }
}

static void *work(void *arg)
{
    struct audit *a = arg;
    struct err e = {0};
    bool away = false;

    while (!atomic_load(&a->stop)) {
        bool good = once(a, &e) == ERR_OK;

        if (!good && !away)
            log_err(LOG_WARN, "audit is away, counting goes on", &e);
        away = !good;
        nap(a, good ? EVERY_MS : AGAIN_MS);
    }
    finish_in_time(a);
    atomic_store(&a->done, true);
    return NULL;
}

enum err_kind audit_open(struct audit **out, const char *url,
                         const struct aggregator_settings *s, struct engine *g,
                         struct err *e)
{
    struct audit *a = mem_alloc(sizeof *a);

    a->s = s;
    a->g = g;
    run_init(&a->run, s->job);
    a->run.topic = s->topic;
    a->run.source = s->bootstrap;
    struct buf target = BUF_INIT(4096);
    buf_printf(&target, "kafka://%s/%s", s->bootstrap, engine_changelog(g));
    a->run.target = a->target = mem_str(buf_span(&target));
    buf_free(&target);
    a->shards = mem_array(SHARDS_MOST, sizeof *a->shards);
    pg_init(&a->pg, url, "avrogate aggregate audit");
    a->pg.greet = greet;
    if (pthread_create(&a->thread, NULL, work, a) != 0) {
        pg_close(&a->pg);
        free(a->shards);
        free(a->target);
        free(a);
        return err_set(e, ERR_UNAVAILABLE, "no thread for the audit");
    }
    *out = a;
    return ERR_OK;
}

void audit_close(struct audit *a, const char *status, const char *why)
{
    a->status = status;
    a->why = why;
    atomic_store(&a->stop, true);
    for (int64_t until = clock_ms() + CLOSE_MS;
         clock_ms() < until && !atomic_load(&a->done);)
        nanosleep(&(struct timespec){0, 5 * 1000000}, NULL);
    if (!atomic_load(&a->done))
        pg_cancel(&a->pg);
    pthread_join(a->thread, NULL);
    pg_close(&a->pg);
    free(a->known);
    free(a->shards);
    free(a->target);
    free(a);
}
