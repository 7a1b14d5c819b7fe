/* The ledger's tables, and the run's row in etl_log. */
#include "loaders/sink_odbc_inside.h"

#include "base/clock.h"
#include "base/log.h"
#include "loaders/migrate.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <unistd.h>

/* A run that says `running` and gave no sign for so long is not believed. */
#define SILENT_MS (INT64_C(86400) * 1000)

static enum err_kind runf(struct odbc_sink *s, struct err *e, const char *fmt, ...)
    PRINTF_LIKE(3, 4);

static enum err_kind runf(struct odbc_sink *s, struct err *e, const char *fmt, ...)
{
    char *sql = NULL;
    va_list ap;

    va_start(ap, fmt);
    int n = vasprintf(&sql, fmt, ap);
    va_end(ap);
    if (n < 0)
        return err_set(e, ERR_INTERNAL, "a statement could not be printed");
    enum err_kind rc = odbc_run(&s->ledger, sql, NULL, e);
    free(sql);
    return rc;
}

/* --- tables ----------------------------------------------------------------------- */

enum err_kind odbc_ledger_is_there(struct odbc_sink *s, const char *table, bool *yes,
                                   struct err *e)
{
    struct buf sql = BUF_INIT(1000);
    struct odbc_answer a;

    buf_printf(&sql, "SELECT * FROM %s WHERE 1 = 0", table);
    enum err_kind rc = odbc_ask_buf(&s->ledger, &sql, &a, e);
    buf_free(&sql);
    *yes = rc == ERR_OK;
    if (rc == ERR_OK)
        odbc_answer_free(&a);
    return rc == ERR_UNAVAILABLE ? rc : ERR_OK;
}

static enum err_kind make(struct odbc_sink *s, struct buf *sql, const char *table,
                          struct err *e)
{
    struct err ignored = {0};
    bool there = false;

    if (odbc_run_buf(&s->ledger, sql, NULL, e) == ERR_OK) {
        log_event(LOG_INFO, "table created", LOG_S("table", table), LOG_END);
        return ERR_OK;
    }
    if (e->kind != ERR_UNAVAILABLE &&
        odbc_ledger_is_there(s, table, &there, &ignored) == ERR_OK && there)
        return ERR_OK; // another instance was first
    return err_prefix(e, "%s", table);
}

static bool has_column(const struct odbc_column *columns, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++)
        if (strcasecmp(columns[i].name, name) == 0)
            return true;
    return false;
}

/* What a ledger of before has not got: columns that may be NULL. */
static enum err_kind add_columns(struct odbc_sink *s, size_t i, const char *table,
                                 struct err *e)
{
    struct buf sql = BUF_INIT(1 << 16);
    struct odbc_column *columns = NULL;
    const char *name;
    size_t n = 0;

    buf_printf(&sql, "SELECT * FROM %s WHERE 1 = 0%c", table, 0);
    enum err_kind rc = odbc_describe(&s->ledger, (const char *)sql.p, &columns, &n, e);
    for (size_t c = 0; rc == ERR_OK; c++) {
        buf_reset(&sql);
        if (!dialect_put_ledger_add(&sql, s->d, i, c, &name))
            break;
        if (has_column(columns, n, name))
            continue;
        log_event(LOG_INFO, "table altered", LOG_S("table", table),
                  LOG_S("column", name), LOG_END);
        rc = odbc_run_buf(&s->ledger, &sql, NULL, e);
    }
    free(columns);
    buf_free(&sql);
    return rc;
}

static enum err_kind make_tables(struct odbc_sink *s, struct err *e)
{
    struct buf sql = BUF_INIT(1 << 16);
    const char *table;
    enum err_kind rc = ERR_OK;
    bool there;

    for (size_t i = 0; rc == ERR_OK; i++) {
        buf_reset(&sql);
        if (!dialect_put_ledger(&sql, s->d, i, &table))
            break;
        rc = odbc_ledger_is_there(s, table, &there, e);
        if (rc == ERR_OK)
            rc = there ? add_columns(s, i, table, e) : make(s, &sql, table, e);
    }
    buf_free(&sql);
    return rc;
}

static enum err_kind version_of(struct odbc_sink *s, int64_t *out, struct err *e)
{
    struct odbc_answer a;

    TRY(odbc_ask(&s->ledger, "SELECT coalesce(max(number), 0) FROM etl_version", &a,
                 e));
    *out = odbc_number(&a, 0);
    odbc_answer_free(&a);
    return ERR_OK;
}

/* In a PostgreSQL database they are the Postgres sink's own: what reads the audit there
 * need not know who wrote it. */
static enum err_kind migrate_all(struct odbc_sink *s, struct err *e)
{
    struct err ignored = {0};
    int64_t version;

    if (version_of(s, &version, &ignored) == ERR_OK &&
        version == migrations[n_migrations - 1].number)
        return ERR_OK;
    TRY(odbc_begin(&s->ledger, e));
    TRY(odbc_run(&s->ledger, "SELECT pg_advisory_xact_lock(6021023)", NULL, e));
    TRY(odbc_run(&s->ledger, migrate_version_table, NULL, e));
    TRY(version_of(s, &version, e));
    for (size_t i = 0; i < n_migrations; i++) {
        if (migrations[i].number <= version)
            continue;
        TRY(odbc_run(&s->ledger, migrations[i].sql, NULL, e));
        TRY(runf(s, e, "INSERT INTO etl_version (number, name) VALUES (%d, '%s')",
                 migrations[i].number, migrations[i].name));
    }
    return odbc_commit(&s->ledger, e);
}

enum err_kind odbc_ledger_need(struct odbc_sink *s, struct err *e)
{
    if (!s->d->migrated)
        return make_tables(s, e);
    enum err_kind rc = migrate_all(s, e);
    if (rc != ERR_OK)
        odbc_rollback(&s->ledger);
    return rc;
}

/* --- runs that are over, and did not say so ----------------------------------------
 */

static enum err_kind mark(struct odbc_sink *s, const char *run, struct err *e)
{
    TRY(runf(s, e, // the phases first, or they would be looked for no more
             "UPDATE etl_phase SET status = 'interrupted', end_time = %s, "
             "error_message = 'the process ended without saying why' WHERE run_id = "
             "'%s' AND status = 'running'",
             s->d->now, run));
    return runf(s, e,
                "UPDATE etl_log SET status = 'interrupted', end_time = CASE WHEN "
                "last_sign > start_time THEN last_sign ELSE start_time END, changed = "
                "%s, error_message = COALESCE(error_message, 'the process ended "
                "without saying why') WHERE run_id = '%s' AND status = 'running'",
                s->d->now, run);
}

/* Of this host, and no such process; elsewhere nobody can know but by its silence. */
static bool is_dead(const char *instance)
{
    char host[80] = "";
    const char *colon = strrchr(instance, ':');

    if (colon == NULL || gethostname(host, sizeof host - 1) != 0 ||
        strncmp(instance, host, (size_t)(colon - instance)) != 0 ||
        host[colon - instance] != '\0')
        return false;
    long pid = strtol(colon + 1, NULL, 10);
    return pid > 0 && kill((pid_t)pid, 0) != 0 && errno == ESRCH;
}

static enum err_kind mark_the_dead(struct odbc_sink *s, struct err *e)
{
    struct buf sql = BUF_INIT(1 << 16);
    struct odbc_answer a;
    enum err_kind rc;

    buf_put_str(&sql, "SELECT run_id, instance, CASE WHEN last_sign < ");
    dialect_put_ago(&sql, s->d, SILENT_MS);
    buf_put_str(&sql, " THEN 1 ELSE 0 END FROM etl_log WHERE status = 'running' AND "
                      "job_name = ");
    dialect_put_text(&sql, s->d, s->o.job);
    rc = odbc_ask_buf(&s->ledger, &sql, &a, e);
    buf_free(&sql);
    TRY(rc);
    for (size_t i = 0; i < a.rows && rc == ERR_OK; i++)
        if (is_dead(odbc_cell(&a, i, 1)) || odbc_cell(&a, i, 2)[0] == '1')
            rc = mark(s, odbc_cell(&a, i, 0), e);
    odbc_answer_free(&a);
    return rc;
}

/* --- our own ---------------------------------------------------------------------- */

const char *odbc_literal(const struct odbc_sink *s, struct arena *a, const char *text)
{
    struct buf sql = BUF_INIT(1 << 16);

    dialect_put_text(&sql, s->d, text);
    const char *out = arena_str(a, buf_span(&sql));
    buf_free(&sql);
    return out;
}

static enum err_kind write_row(struct odbc_sink *s, struct err *e)
{
    static const char *const columns[] = {"run_id",           "job_name",
                                          "status",           "start_time",
                                          "source",           "topic",
                                          "target",           "instance",
                                          "program",          "records_processed",
                                          "batches",          "bytes",
                                          "changed",          "records_rejected",
                                          "last_sign",        "partitions",
                                          "schema_ids",       "records_duplicate",
                                          "records_filtered", "records_quarantined"};
    struct arena a = {0};
    struct buf sql = BUF_INIT(1 << 16);
    const char *now = s->d->now;
    const char *const values[] = {odbc_literal(s, &a, s->run.id),
                                  odbc_literal(s, &a, s->o.job),
                                  "'running'",
                                  now,
                                  odbc_literal(s, &a, s->run.source),
                                  odbc_literal(s, &a, s->run.topic),
                                  odbc_literal(s, &a, s->run.target),
                                  odbc_literal(s, &a, s->run.instance),
                                  odbc_literal(s, &a, "avrogate " AVROGATE_VERSION),
                                  "0",
                                  "0",
                                  "0",
                                  now,
                                  "0",
                                  now,
                                  "'{}'",
                                  "'{}'",
                                  "0",
                                  "0",
                                  "0"};

    s->d->put_once(&sql, s->d, "etl_log", columns, values, 20, 1, 1);
    enum err_kind rc = odbc_run_buf(&s->ledger, &sql, NULL, e);
    buf_free(&sql);
    arena_free(&a);
    return rc;
}

enum err_kind odbc_ledger_begin(struct odbc_sink *s, struct err *e)
{
    TRY(odbc_connect(&s->ledger, e));
    TRY(odbc_ledger_need(s, e));
    TRY(mark_the_dead(s, e));
    return write_row(s, e);
}

enum err_kind odbc_ledger_end(struct odbc_sink *s, const char *status, const char *why,
                              struct err *e)
{
    struct buf sql = BUF_INIT(1 << 16);

    TRY(odbc_connect(&s->ledger, e));
    buf_printf(&sql,
               "UPDATE etl_log SET status = '%s', end_time = %s, last_sign = %s, "
               "changed = %s, error_message = ",
               status, s->d->now, s->d->now, s->d->now);
    dialect_put_text(&sql, s->d, why);
    buf_printf(&sql, " WHERE run_id = '%s'", s->run.id);
    enum err_kind rc = odbc_run_buf(&s->ledger, &sql, NULL, e);
    buf_free(&sql);
    return rc;
}
