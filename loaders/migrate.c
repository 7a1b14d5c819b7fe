#include "loaders/migrate.h"

#include <stdlib.h>

#define LOCK 6021023 // any number, as long as everybody takes the same

static enum err_kind version_of(struct pg *pg, int *version, struct err *e)
{
    PGresult *r;

    TRY(pg_ask(pg, &r, "SELECT coalesce(max(number), 0) FROM etl_version", e));
    *version = atoi(PQgetvalue(r, 0, 0));
    PQclear(r);
    return ERR_OK;
}

static enum err_kind apply(struct pg *pg, const struct migration *m, struct err *e)
{
    // One statement list is one transaction, if it opens none itself.
    struct buf sql = BUF_INIT(4 << 20);

    buf_printf(&sql, "BEGIN;\n");
    buf_put_str(&sql, m->sql);
    buf_printf(&sql, ";\nINSERT INTO etl_version (number, name) VALUES (%d, ",
               m->number);
    pg_put_literal(&sql, span_str(m->name));
    buf_put(&sql, span_of(");\nCOMMIT", 10)); // with its zero byte
    enum err_kind rc = buf_status(&sql, e);
    if (rc == ERR_OK)
        rc = pg_run(pg, (const char *)sql.p, e);
    buf_free(&sql);
    if (rc == ERR_OK)
        return ERR_OK;

    struct err ignored = {0};
    (void)!pg_run(pg, "ROLLBACK", &ignored);
    return err_prefix(e, "migration %s", m->name);
}

const char migrate_version_table[] =
    "CREATE TABLE IF NOT EXISTS etl_version (number integer PRIMARY KEY, name text NOT "
    "NULL, applied timestamptz NOT NULL DEFAULT clock_timestamp())";

static enum err_kind apply_missing(struct pg *pg, struct err *e)
{
    int version;

    TRY(pg_run(pg, migrate_version_table, e));
    TRY(version_of(pg, &version, e));
    if (version > migrations[n_migrations - 1].number)
        return err_set(
            e, ERR_NOT_FOUND,
            "the audit's tables are of version %d, this program knows %d: use "
            "a newer one",
            version, migrations[n_migrations - 1].number);
    for (size_t i = 0; i < n_migrations; i++)
        if (migrations[i].number > version)
            TRY(apply(pg, &migrations[i], e));
    return ERR_OK;
}

static bool is_current(struct pg *pg)
{
    struct err ignored = {0};
    int version;

    // The usual case asks for no right but to read.
    return version_of(pg, &version, &ignored) == ERR_OK &&
           version == migrations[n_migrations - 1].number;
}

enum err_kind migrate(struct pg *pg, struct err *e)
{
    struct err ignored = {0};

    TRY(pg_connect(pg, e));
    if (is_current(pg))
        return ERR_OK;
    TRY(pg_runf(pg, e, "SELECT pg_advisory_lock(%d)", LOCK));
    enum err_kind rc = apply_missing(pg, e);
    (void)!pg_runf(pg, &ignored, "SELECT pg_advisory_unlock(%d)", LOCK);
    return rc;
}
