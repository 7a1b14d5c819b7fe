/* The target table: looked at, planned for, altered, under one lock. */
#include "loaders/sink_postgres_inside.h"

#include "base/log.h"
#include "loaders/quarantine.h"

#include <stdio.h>
#include <stdlib.h>

static const char *quoted(const struct postgres *p)
{
    return (const char *)p->quoted.p;
}

static const char *target(const struct postgres *p)
{
    return (const char *)p->target.p;
}

void postgres_put_seal(struct buf *sql, const struct postgres *p)
{
    // Whatever COPY depends on: names, types, order, what may be absent.
    buf_printf(sql,
               "(SELECT coalesce(sum(hashtextextended(concat_ws(' ', attnum, attname, "
               "atttypid, atttypmod, attnotnull, atthasdef, attgenerated, "
               "attisdropped), 0)), 0) %% 4611686018427387904 FROM pg_attribute WHERE "
               "attrelid IN (to_regclass(%s), to_regclass(%s)) AND attnum > 0)",
               target(p),
               p->aside_target.n > 0 ? (const char *)p->aside_target.p : "NULL");
}

/* The type under a domain, under domains of domains: the modifier is the outermost's.
 */
static void put_under(struct buf *sql)
{
    buf_put_str(
        sql, "WITH RECURSIVE under(oid, typtype, base, typmod, depth) AS (SELECT "
             "t.oid, t.typtype, t.typbasetype, CASE t.typtype WHEN 'd' THEN "
             "t.typtypmod ELSE a.atttypmod END, 0 UNION ALL SELECT b.oid, b.typtype, "
             "b.typbasetype, CASE WHEN d.typmod < 0 THEN b.typtypmod ELSE d.typmod "
             "END, d.depth + 1 FROM under d JOIN pg_type b ON b.oid = d.base WHERE "
             "d.typtype = 'd') SELECT * FROM under ORDER BY depth DESC LIMIT 1");
}

static enum err_kind look(struct postgres *p, const char *at, PGresult **out,
                          struct err *e)
{
    const char *text;

    buf_reset(&p->sql);
    buf_put_str(
        &p->sql,
        "SELECT a.attname, format_type(u.oid, NULL), u.typmod, a.attnotnull, "
        "a.atthasdef OR a.attidentity <> '' OR t.typdefault IS NOT NULL, "
        "a.attgenerated <> '' OR a.attidentity = 'a', u.typtype = 'e' OR coalesce("
        "i.typtype = 'e', false), CASE "
        "t.typtype WHEN 'd' THEN format_type(t.oid, NULL) END, EXISTS (SELECT FROM "
        "pg_trigger g WHERE g.tgrelid = a.attrelid AND g.tgtype & 7 = 7), "
        "coalesce(i.oid, 0)::bigint FROM "
        "pg_attribute a "
        "JOIN pg_type t ON t.oid = a.atttypid CROSS JOIN LATERAL (");
    put_under(&p->sql);
    buf_printf(&p->sql,
               ") u LEFT JOIN pg_type i ON i.typarray = u.oid AND u.oid <> 0 WHERE "
               "a.attrelid = to_regclass(%s) AND a.attnum > 0 AND NOT "
               "a.attisdropped ORDER BY a.attnum",
               at);
    TRY(postgres_text(&p->sql, &text, e));
    return pg_ask(&p->pg, out, text, e);
}

static enum err_kind exists(struct postgres *p, const char *at, bool *yes,
                            struct err *e)
{
    PGresult *r = NULL;
    const char *text;

    buf_reset(&p->sql);
    buf_printf(&p->sql, "SELECT to_regclass(%s) IS NOT NULL", at);
    TRY(postgres_text(&p->sql, &text, e));
    TRY(pg_ask(&p->pg, &r, text, e));
    *yes = PQgetvalue(r, 0, 0)[0] == 't';
    PQclear(r);
    return ERR_OK;
}

static bool truth(const PGresult *r, int row, int column)
{
    return PQgetvalue(r, row, column)[0] == 't';
}

#define COLUMNS_MOST 1600 // MaxHeapAttributeNumber

static enum err_kind read_columns(const PGresult *r, struct table_has *has,
                                  struct err *e)
{
    int n = PQntuples(r);

    if (n > COLUMNS_MOST)
        return err_set(e, ERR_INTERNAL, "a table of %d columns", n);
    for (int i = 0; i < n; i++)
        has[i] = (struct table_has){
            .name = PQgetvalue(r, i, 0),
            .type = PQgetvalue(r, i, 1),
            .typmod = atoi(PQgetvalue(r, i, 2)),
            .not_null = truth(r, i, 3),
            .has_default = truth(r, i, 4),
            .generated = truth(r, i, 5),
            .is_enum = truth(r, i, 6),
            .domain = PQgetisnull(r, i, 7) ? NULL : PQgetvalue(r, i, 7),
            .filled = truth(r, i, 8), // row, before, insert
            .item_oid = (uint32_t)strtoul(PQgetvalue(r, i, 9), NULL, 10),
        };
    return ERR_OK;
}

/* Plans for the target, or for the quarantine. */
static enum err_kind plan(struct postgres *p, struct av_schema *reader, bool aside,
                          bool *there, struct table *t, struct buf *ddl, struct err *e)
{
    const char *at = aside ? (const char *)p->aside_target.p : target(p);
    struct table_has has[COLUMNS_MOST];
    PGresult *r = NULL;

    TRY(exists(p, at, there, e));
    TRY(look(p, at, &r, e));
    size_t n = (size_t)PQntuples(r);
    enum err_kind rc = read_columns(r, has, e);
    if (rc == ERR_OK && aside)
        rc = quarantine_plan(t, reader, *there ? has : NULL, n,
                             (const char *)p->aside_quoted.p, p->o.evolve, ddl, e);
    else if (rc == ERR_OK)
        rc = table_plan(t, reader, *there ? has : NULL, n, quoted(p), p->o.evolve,
                        &p->o.keys, ddl, e);
    PQclear(r);
    return rc;
}

static enum err_kind alter(struct postgres *p, const char *name, bool there,
                           struct buf *ddl, struct err *e)
{
    struct err why = {0};
    const char *text;

    if (ddl->n == 0)
        return ERR_OK;
    if (!p->o.evolve && !there)
        return err_set(e, ERR_NOT_FOUND, "table %s does not exist (and evolve is off)",
                       name);
    TRY(postgres_text(ddl, &text, e));
    if (pg_run(&p->pg, text, &why) != ERR_OK) {
        (void)err_set(e, why.kind, "%s could not be %s: %s: %.*s", name,
                      there ? "altered" : "created", why.msg, (int)strcspn(text, "("),
                      text);
        for (char *c = e->msg; (c = strchr(c, '\n')) != NULL;)
            *c = ' ';
        return e->kind;
    }
    log_event(LOG_INFO, there ? "table altered" : "table created", LOG_S("table", name),
              LOG_S("statements", text), LOG_END);
    return ERR_OK;
}

static enum err_kind read_seal(struct postgres *p, struct err *e)
{
    PGresult *r = NULL;
    const char *text;

    buf_reset(&p->sql);
    buf_put_str(&p->sql, "SELECT ");
    postgres_put_seal(&p->sql, p);
    TRY(postgres_text(&p->sql, &text, e));
    TRY(pg_ask(&p->pg, &r, text, e));
    p->seal = strtoll(PQgetvalue(r, 0, 0), NULL, 10);
    PQclear(r);
    return ERR_OK;
}

/* The server is asked whether it would merge: it knows its indexes. */
static enum err_kind check_index(struct postgres *p, const struct table *t,
                                 struct err *e)
{
    struct err why = {0};
    const char *text;

    if (p->o.mode == MERGE_APPEND)
        return ERR_OK;
    buf_reset(&p->sql);
    merge_put_probe(&p->sql, p->o.mode, t, quoted(p));
    TRY(postgres_text(&p->sql, &text, e));
    enum err_kind rc = pg_run(&p->pg, text, &why);
    if (rc == ERR_OK || strcmp(p->pg.sqlstate, "42P10") != 0) {
        *e = why;
        return rc;
    }
    buf_reset(&p->sql);
    merge_put_index(&p->sql, p->o.mode, t, quoted(p));
    TRY(postgres_text(&p->sql, &text, e));
    return err_set(e, ERR_NOT_FOUND, "table %s has no unique index on its key: %s",
                   quoted(p), text);
}

static enum err_kind shape_target(struct postgres *p, struct av_schema *reader,
                                  struct table *t, struct buf *ddl, struct err *e)
{
    bool there;

    TRY(plan(p, reader, false, &there, t, ddl, e));
    enum err_kind rc = alter(p, quoted(p), there, ddl, e);
    if (rc == ERR_OK)
        rc = check_index(p, t, e);
    if (rc != ERR_OK)
        table_free(t);
    return rc;
}

static enum err_kind shape_aside(struct postgres *p, struct av_schema *reader,
                                 struct table *t, struct buf *ddl, struct err *e)
{
    bool there;

    *t = (struct table){0};
    if (!postgres_has_aside(p))
        return ERR_OK;
    buf_reset(ddl);
    TRY(plan(p, reader, true, &there, t, ddl, e));
    enum err_kind rc = alter(p, (const char *)p->aside_quoted.p, there, ddl, e);
    if (rc != ERR_OK)
        table_free(t);
    return rc;
}

static enum err_kind shape_both(struct postgres *p, struct av_schema *reader,
                                struct table *t, struct table *aside, struct buf *ddl,
                                struct err *e)
{
    TRY(shape_target(p, reader, t, ddl, e));
    enum err_kind rc = shape_aside(p, reader, aside, ddl, e);
    if (rc != ERR_OK) {
        table_free(t);
        return rc;
    }
    rc = read_seal(p, e);
    if (rc == ERR_OK)
        rc = pg_run(&p->pg, "COMMIT", e);
    if (rc != ERR_OK) {
        table_free(t);
        if (aside->n > 0)
            table_free(aside);
    }
    return rc;
}

/* *t and *aside are filled on ERR_OK; `aside` with n 0 when there is none. */
static enum err_kind work(struct postgres *p, struct av_schema *reader, struct table *t,
                          struct table *aside, struct buf *ddl, struct err *e)
{
    // One instance at a time: both would find no table, and one would fail.
    TRY(pg_runf(&p->pg, e,
                "BEGIN; SELECT pg_advisory_xact_lock(hashtextextended('avrogate shape "
                "' || %s, 0))",
                target(p)));
    return shape_both(p, reader, t, aside, ddl, e);
}

static void put_text(struct buf *to, void (*put)(struct buf *, const struct postgres *),
                     const struct postgres *p)
{
    buf_reset(to);
    put(to, p);
    buf_put_u8(to, 0);
}

static void put_copy(struct buf *sql, const struct postgres *p)
{
    if (p->o.mode == MERGE_APPEND)
        table_put_copy(sql, &p->table, quoted(p));
    else
        merge_put_copy(sql, &p->table, p->stage);
}

static void put_make(struct buf *sql, const struct postgres *p)
{
    merge_put_stage(sql, &p->table, quoted(p), p->stage);
}

static void put_apply(struct buf *sql, const struct postgres *p)
{
    merge_put_apply(sql, p->o.mode, &p->table, quoted(p), p->stage);
}

/* The stage has the table's columns: another shape, another stage.  The one before goes
 * with the session. */
static void adopt_stage(struct postgres *p)
{
    snprintf(p->stage, sizeof p->stage, "avrogate_stage_%u", ++p->stages);
    p->rows.extra = MERGE_EXTRA;
    put_text(&p->make, put_make, p);
    put_text(&p->apply, put_apply, p);
    deletion_use(&p->deletion, &p->table);
}

static void adopt(struct postgres *p, struct table *t)
{
    if (p->table.n > 0)
        table_free(&p->table);
    p->table = *t;
    p->stale = false;
    rows_use(&p->rows, &p->table);
    if (p->o.mode != MERGE_APPEND)
        adopt_stage(p);
    put_text(&p->copy, put_copy, p);
}

enum err_kind postgres_shape(struct sink *s, struct av_schema *reader, struct err *e)
{
    struct postgres *p = postgres_of(s);
    struct buf ddl = BUF_INIT(4 << 20);
    struct table t, aside;
    struct err ignored = {0};

    enum err_kind rc = work(p, reader, &t, &aside, &ddl, e);
    buf_free(&ddl);
    if (rc == ERR_OK) {
        adopt(p, &t);
        if (aside.n > 0)
            postgres_adopt_aside(p, &aside);
        return ERR_OK;
    }
    if (p->pg.conn != NULL)
        (void)!pg_run(&p->pg, "ROLLBACK", &ignored);
    if (rc == ERR_INVALID) // the table, not a record, is to blame: nothing to set aside
        e->kind = rc = ERR_NOT_FOUND;
    return rc;
}

enum err_kind postgres_plan(struct sink *s, struct av_schema *reader, struct buf *ddl,
                            struct err *e)
{
    struct postgres *p = postgres_of(s);
    struct table t;
    bool there;

    p->o.evolve = true; // what it would take, whoever may do it
    TRY(pg_run(&p->pg, "BEGIN READ ONLY", e));
    TRY(plan(p, reader, false, &there, &t, ddl, e));
    table_free(&t);
    if (postgres_has_aside(p)) {
        TRY(plan(p, reader, true, &there, &t, ddl, e));
        table_free(&t);
    }
    return pg_run(&p->pg, "ROLLBACK", e);
}

enum err_kind postgres_reshape(struct postgres *p, struct err *e)
{
    struct av_schema *reader = av_schema_retain(p->table.reader);
    enum err_kind rc = postgres_shape(&p->sink, reader, e);

    av_schema_release(reader);
    return rc;
}
