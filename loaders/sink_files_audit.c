/*
 * The audit of staged files: after the fact, once each, and never in the way for long.
 *
 * A row is made from a claim alone, so whoever finds a claim without a row can write
 * it.
 */
#include "loaders/sink_files_inside.h"

#include "base/clock.h"
#include "base/log.h"
#include "loaders/migrate.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define ASK_EVERY_MS 2000 // while it is away
#define FILL_MOST 100000  // claims compared at one taking

static void put_ids(struct buf *sql, const struct stage_claim *c)
{
    buf_put_str(sql, "'{");
    for (size_t i = 0; i < c->n_ids; i++)
        buf_printf(sql, "%s%" PRId32, i == 0 ? "" : ",", c->ids[i]);
    buf_put_str(sql, "}'::integer[]");
}

static void put_quarantine(struct buf *sql, const struct files *f,
                           const struct stage_claim *c)
{
    char where[2000];

    snprintf(where, sizeof where, "%s/_quarantine", place_shown(f->place));
    etl_put_text(sql, c->quarantined > 0 ? where : NULL);
}

static void put_batch(struct buf *sql, const struct files *f,
                      const struct stage_claim *c)
{
    buf_put_str(
        sql,
        "INSERT INTO etl_batch (pipeline, topic, part, generation, first_offset, "
        "last_offset, run_id, rows_in, rows_loaded, rows_rejected, "
        "rows_duplicate, rows_filtered, rows_quarantined, bytes, quarantine, target, "
        "schema_ids, started, duration_us, instance, epoch) VALUES (");
    etl_put_text(sql, c->job);
    buf_put_str(sql, ", ");
    etl_put_text(sql, c->topic);
    buf_printf(sql, ", %" PRId32 ", 0, %" PRId64 ", %" PRId64 ", ", c->partition,
               c->first, c->last);
    etl_put_text(sql, c->run);
    buf_printf(sql,
               "::uuid, %" PRId64 ", %" PRId64 ", %" PRId64 ", %" PRId64 ", %" PRId64
               ", %" PRId64 ", %" PRId64 ", ",
               c->loaded + c->rejected + c->duplicate + c->filtered + c->quarantined,
               c->loaded, c->rejected, c->duplicate, c->filtered, c->quarantined,
               c->bytes);
    put_quarantine(sql, f, c);
    buf_put_str(sql, ", ");
    etl_put_text(sql, place_shown(f->place));
    buf_put_str(sql, ", ");
    put_ids(sql, c);
    buf_printf(sql, ", to_timestamp(%" PRId64 " / 1000.0), %" PRId64 ", ",
               c->started_ms, c->us);
    etl_put_text(sql, c->instance);
    buf_printf(sql, ", %" PRId64 ") ON CONFLICT DO NOTHING RETURNING run_id", c->epoch);
}

/* The run's sums move only with a row that is new: etl_miscount compares them. */
static void put_run(struct buf *sql, const struct stage_claim *c)
{
    static const char only[] = "CASE WHEN l.partitions - '%" PRId32 "' = '{}' THEN ";
    char when[100];

    snprintf(when, sizeof when, only, c->partition);
    buf_printf(sql,
               "UPDATE etl_log l SET changed = clock_timestamp(), records_processed = "
               "records_processed + %" PRId64 ", records_rejected = records_rejected + "
               "%" PRId64 ", records_duplicate = records_duplicate + %" PRId64
               ", records_filtered = records_filtered + %" PRId64
               ", records_quarantined = records_quarantined + %" PRId64
               ", batches = batches + 1, bytes = bytes + %" PRId64
               ", last_sign = CASE WHEN end_time IS NULL THEN clock_timestamp() ELSE "
               "last_sign END",
               c->loaded, c->rejected, c->duplicate, c->filtered, c->quarantined,
               c->bytes);
    buf_printf(sql,
               ", partitions = l.partitions || jsonb_build_object('%" PRId32
               "', jsonb_build_array(least((l.partitions -> '%" PRId32
               "' ->> 0)::bigint, %" PRId64
               "::bigint), greatest((l.partitions -> '%" PRId32
               "' ->> 1)::bigint, %" PRId64 "::bigint)))",
               c->partition, c->partition, c->first, c->partition, c->last);
    buf_printf(sql,
               ", \"partition\" = %s%" PRId32
               " END, first_offset = %sleast(l.first_offset, %" PRId64
               ") END, last_offset = %sgreatest(l.last_offset, %" PRId64 ") END",
               when, c->partition, when, c->first, when, c->last);
    buf_put_str(sql,
                ", schema_ids = (SELECT coalesce(array_agg(DISTINCT x ORDER BY x), "
                "'{}') FROM unnest(l.schema_ids || ");
    put_ids(sql, c);
    buf_put_str(sql, ") x)");
}

static char *compose(const struct files *f, const struct stage_claim *c)
{
    struct buf sql = BUF_INIT(PLACE_CLAIM);
    struct rule_origin o = {"new.run_id", c->job, c->topic};

    buf_put_str(&sql, "WITH new AS (");
    put_batch(&sql, f, c);
    if (c->n_rules > 0)
        buf_put_str(&sql, "), rules AS (");
    rule_result_put(&sql, &o, c->rules, c->n_rules, false, "new");
    buf_put_str(&sql, ") ");
    put_run(&sql, c);
    buf_put_str(&sql, " FROM new WHERE l.run_id = new.run_id");
    char *text = mem_str(buf_span(&sql));
    buf_free(&sql);
    return text;
}

void audit_add(struct files *f, const struct stage_claim *c)
{
    if (f->o.audit_url == NULL)
        return;
    struct audit_row *row = mem_alloc(sizeof *row);
    row->sql = compose(f, c);
    *f->rows_end = row;
    f->rows_end = &row->next;
}

static void drop_row(struct files *f)
{
    struct audit_row *row = f->rows;

    f->rows = row->next;
    if (f->rows == NULL)
        f->rows_end = &f->rows;
    free(row->sql);
    free(row);
}

static enum err_kind write_rows(struct files *f, struct err *e)
{
    while (f->rows != NULL) {
        TRY(pg_run(&f->pg, f->rows->sql, e));
        drop_row(f);
    }
    return ERR_OK;
}

enum err_kind audit_flush(struct files *f, bool now, struct err *e)
{
    struct err why = {0};

    if (f->rows == NULL)
        return ERR_OK;
    if (f->behind_ms == 0 || now || clock_ms() - f->asked_ms >= ASK_EVERY_MS) {
        f->asked_ms = clock_ms();
        if (write_rows(f, &why) == ERR_OK) {
            if (f->behind_ms != 0)
                log_event(LOG_INFO, "audit has caught up", LOG_END);
            f->behind_ms = 0;
            return ERR_OK;
        }
        if (f->behind_ms == 0) {
            f->behind_ms = clock_ms();
            log_err(LOG_WARN, "audit is away, staging goes on", &why);
        }
    }
    if (!now && clock_ms() - f->behind_ms < f->o.max_behind_ms)
        return ERR_OK;
    return err_set(e, ERR_UNAVAILABLE,
                   "the audit is behind for %" PRId64
                   " s, etl_log.max_behind is %" PRId64 " s%s%.120s",
                   (clock_ms() - f->behind_ms) / 1000, f->o.max_behind_ms / 1000,
                   why.msg[0] == '\0' ? "" : ": ", why.msg);
}

/* --- filling in (the source's thread) --------------------------------------------- */

static enum err_kind ask_known(struct files *f, int32_t partition, int64_t from,
                               PGresult **rows, struct err *e)
{
    struct buf sql = BUF_INIT(1 << 16);

    buf_put_str(&sql, "SELECT first_offset FROM etl_batch WHERE pipeline = ");
    etl_put_text(&sql, f->o.job);
    buf_put_str(&sql, " AND topic = ");
    etl_put_text(&sql, f->o.topic);
    buf_printf(&sql,
               " AND part = %" PRId32 " AND generation = 0 AND first_offset >= %" PRId64
               " ORDER BY first_offset%c",
               partition, from, 0);
    enum err_kind rc = pg_ask(&f->ledger, rows, (const char *)sql.p, e);
    buf_free(&sql);
    return rc;
}

/* The run may be of a time when there was no audit. */
static enum err_kind ensure_run(struct files *f, const struct stage_claim *c,
                                struct err *e)
{
    struct buf sql = BUF_INIT(1 << 16);

    buf_put_str(&sql, "INSERT INTO etl_log (run_id, job_name, status, start_time, "
                      "end_time, source, topic, target, instance, program, "
                      "error_message) VALUES (");
    etl_put_text(&sql, c->run);
    buf_put_str(&sql, "::uuid, ");
    etl_put_text(&sql, c->job);
    buf_printf(&sql, ", 'interrupted', to_timestamp(%" PRId64 " / 1000.0), ",
               c->started_ms);
    buf_printf(&sql, "to_timestamp(%" PRId64 " / 1000.0), ", c->started_ms);
    etl_put_text(&sql, f->o.source);
    buf_put_str(&sql, ", ");
    etl_put_text(&sql, c->topic);
    buf_put_str(&sql, ", ");
    etl_put_text(&sql, place_shown(f->place));
    buf_put_str(&sql, ", ");
    etl_put_text(&sql, c->instance);
    buf_put_str(&sql,
                ", 'avrogate', 'known from its claims alone') ON CONFLICT (run_id) "
                "DO NOTHING");
    enum err_kind rc = pg_run_buf(&f->ledger, &sql, e);
    buf_free(&sql);
    return rc;
}

static enum err_kind fill_one(struct files *f, int32_t partition, int64_t first,
                              struct err *e)
{
    char name[STAGE_NAME];
    struct stage_claim c;
    struct arena a = {0};

    stage_claim_name(name, f->o.topic, partition, first);
    enum err_kind rc = files_read_claim(f->look, name, &c, &a, e);
    if (rc == ERR_OK)
        rc = ensure_run(f, &c, e);
    if (rc == ERR_OK) {
        char *sql = compose(f, &c);
        rc = pg_run(&f->ledger, sql, e);
        free(sql);
        log_event(LOG_INFO, "audit filled in", LOG_S("topic", f->o.topic),
                  LOG_I("partition", partition), LOG_I("first", first), LOG_END);
    }
    arena_free(&a);
    return rc;
}

enum err_kind audit_fill(struct files *f, int32_t partition, const int64_t *firsts,
                         size_t n, struct err *e)
{
    PGresult *rows = NULL;
    enum err_kind rc = ERR_OK;
    int at = 0;

    if (f->o.audit_url == NULL || n == 0)
        return ERR_OK;
    if (n > FILL_MOST) {
        firsts += n - FILL_MOST;
        n = FILL_MOST;
    }
    TRY(ask_known(f, partition, firsts[0], &rows, e));
    for (size_t i = 0; i < n && rc == ERR_OK; i++) {
        while (at < PQntuples(rows) && atoll(PQgetvalue(rows, at, 0)) < firsts[i])
            at++;
        if (at == PQntuples(rows) || atoll(PQgetvalue(rows, at, 0)) != firsts[i])
            rc = fill_one(f, partition, firsts[i], e);
    }
    PQclear(rows);
    return rc;
}

/* --- the run ---------------------------------------------------------------------- */

static enum err_kind greet_ledger(struct pg *pg, struct err *e)
{
    struct files *f = (struct files *)((char *)pg - offsetof(struct files, ledger));

    TRY(pg_run(pg, "SET TimeZone = 'UTC'; SET lock_timeout = '5s'", e));
    return run_lock(pg, &f->run, e);
}

enum err_kind audit_begin(struct files *f, struct err *e)
{
    if (f->o.audit_url == NULL)
        return ERR_OK;
    f->ledger.greet = greet_ledger;
    TRY(migrate(&f->ledger, e));
    return run_begin(&f->ledger, &f->run, e);
}

enum err_kind audit_end(struct files *f, const char *status, const char *why,
                        struct err *e)
{
    struct err behind = {0};

    if (f->o.audit_url == NULL)
        return ERR_OK;
    if (audit_flush(f, true, &behind) != ERR_OK) // the next start fills it in
        log_err(LOG_WARN, "the audit's last rows could not be written", &behind);
    return run_end(&f->ledger, &f->run, status, why, e);
}

void audit_free(struct files *f)
{
    while (f->rows != NULL)
        drop_row(f);
    pg_close(&f->pg);
    pg_close(&f->ledger);
}
