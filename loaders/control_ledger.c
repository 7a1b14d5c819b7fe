/* What keeps the positions: a Postgres warehouse, or the claims of staged files. */
#include "loaders/control_inside.h"

#include "loaders/etl_log.h"
#include "loaders/etl_reset.h"
#include "loaders/migrate.h"
#include "loaders/sink_files.h"

#include <inttypes.h>
#include <stdlib.h>

/* --- a Postgres warehouse --------------------------------------------------------- */

static enum err_kind open_postgres(struct control *c, struct err *e)
{
    (void)e;
    pg_init(&c->pg, c->s.load.url, "avrogate load control");
    return ERR_OK;
}

static void close_postgres(struct control *c)
{
    pg_close(&c->pg);
}

static enum err_kind need_postgres(struct control *c, struct err *e)
{
    return migrate(&c->pg, e);
}

static int64_t number(const PGresult *r, int row, int column)
{
    return strtoll(PQgetvalue(r, row, column), NULL, 10);
}

static const char positions_sql[] =
    "SELECT o.part, o.next_offset, o.generation, o.crashes, "
    "(extract(epoch FROM o.updated) * 1000)::bigint, split_part(o.owner, ' ', 1), "
    "NOT o.released AND coalesce(l.status = 'running', false) FROM etl_offsets o LEFT "
    "JOIN etl_log l ON l.run_id::text = right(o.owner, 36) WHERE o.pipeline = $1 AND "
    "o.topic = $2 ORDER BY 1";

static enum err_kind is_there(struct control *c, const char *table, bool *there,
                              struct err *e)
{
    PGresult *r = NULL;

    TRY(pg_ask_with(&c->pg, &r, "SELECT to_regclass($1) IS NOT NULL", 1, &table, e));
    *there = PQgetvalue(r, 0, 0)[0] == 't';
    PQclear(r);
    return ERR_OK;
}

static enum err_kind read_positions(struct control *c, struct err *e)
{
    const char *const values[] = {c->s.load.job, c->s.load.topic};
    PGresult *r = NULL;

    TRY(pg_ask_with(&c->pg, &r, positions_sql, 2, values, e));
    for (int i = 0; i < PQntuples(r); i++) {
        struct stand *t = control_stand(c, number(r, i, 0));
        if (t == NULL)
            continue;
        t->next = number(r, i, 1);
        t->generation = (int32_t)number(r, i, 2);
        t->crashes = number(r, i, 3);
        t->changed_ms = number(r, i, 4);
        t->owner = arena_str(&c->a, span_str(PQgetvalue(r, i, 5)));
        t->running = PQgetvalue(r, i, 6)[0] == 't';
    }
    PQclear(r);
    return pause_ask_pg(&c->pg, c->s.load.job, &c->pause, e);
}

static enum err_kind ask_postgres(struct control *c, struct err *e)
{
    bool began;

    TRY(is_there(c, "etl_pause", &began, e));
    return began ? read_positions(c, e) : ERR_OK;
}

static enum err_kind read_jobs(struct control *c, struct err *e)
{
    PGresult *r = NULL;

    TRY(pg_ask_with(&c->pg, &r, CONTROL_JOBS "$1", 1, &c->s.load.job, e));
    c->jobs.n = (size_t)PQntuples(r);
    c->jobs.names = arena_array(&c->a, c->jobs.n + 1, sizeof *c->jobs.names);
    for (size_t i = 0; i < c->jobs.n; i++)
        c->jobs.names[i] = arena_str(&c->a, span_str(PQgetvalue(r, (int)i, 0)));
    PQclear(r);
    return ERR_OK;
}

static enum err_kind ask_jobs_postgres(struct control *c, struct err *e)
{
    bool began;

    TRY(is_there(c, "etl_offsets", &began, e));
    return began ? read_jobs(c, e) : ERR_OK;
}

static enum err_kind ask_pause_postgres(struct control *c, struct err *e)
{
    return pause_ask_pg(&c->pg, c->s.load.job, &c->pause, e);
}

static enum err_kind pause_postgres(struct control *c, const struct pause *p,
                                    struct err *e)
{
    return pause_set_pg(&c->pg, c->s.load.job, p, e);
}

static enum err_kind resume_postgres(struct control *c, struct err *e)
{
    return pause_end_pg(&c->pg, c->s.load.job, e);
}

static void put_where(struct buf *sql, const struct control *c)
{
    buf_put_str(sql, " WHERE pipeline = ");
    etl_put_text(sql, c->s.load.job);
    buf_put_str(sql, " AND topic = ");
    etl_put_text(sql, c->s.load.topic);
}

static enum err_kind move_postgres(struct control *c, const char *who, struct err *e)
{
    struct buf sql = BUF_INIT(8 << 20);

    // locked by a statement of its own, so that the next one sees what it holds
    buf_put_str(&sql, "BEGIN;\nSELECT 1 FROM etl_offsets");
    put_where(&sql, c);
    buf_put_str(&sql, " FOR UPDATE;\n");
    for (int32_t i = 0; i < c->n; i++)
        if (control_moves(c, &c->stands[i]))
            etl_put_reset(&sql, c->s.load.job, c->s.load.topic, i, c->stands[i].target,
                          who, c->s.reason);
    buf_put_str(&sql, "COMMIT");
    enum err_kind rc = pg_run_buf(&c->pg, &sql, e);
    buf_free(&sql);
    return rc;
}

const struct control_ledger control_postgres = {
    .open = open_postgres,
    .close = close_postgres,
    .need = need_postgres,
    .ask = ask_postgres,
    .ask_pause = ask_pause_postgres,
    .ask_jobs = ask_jobs_postgres,
    .what = "job",
    .pause = pause_postgres,
    .resume = resume_postgres,
    .move = move_postgres,
};

/* --- claims ----------------------------------------------------------------------- */

static enum err_kind open_files(struct control *c, struct err *e)
{
    struct place_settings s = loader_place(&c->s.load);

    return place_open(&c->place, &s, e);
}

static void close_files(struct control *c)
{
    place_close(c->place);
}

static enum err_kind ask_files(struct control *c, struct err *e)
{
    const char *topic = c->s.load.topic;

    for (int32_t i = 0; i < c->n; i++) {
        struct stage_claim newest;
        bool any;

        TRY(files_newest(c->place, topic, i, &newest, &any, &c->a, e));
        if (!any)
            continue;
        c->stands[i].next = newest.last + 1;
        c->stands[i].changed_ms = newest.started_ms + newest.us / 1000;
        c->stands[i].owner = newest.instance;
    }
    return pause_ask_place(c->place, topic, &c->pause, e);
}

static enum err_kind ask_jobs_files(struct control *c, struct err *e)
{
    struct place_entry *all;
    size_t n;

    TRY(place_list(c->place, "_claims", NULL, &c->a, &all, &n, e));
    c->jobs.names = arena_array(&c->a, n + 1, sizeof *c->jobs.names);
    for (size_t i = 0; i < n; i++)
        if (all[i].dir)
            c->jobs.names[c->jobs.n++] = all[i].name;
    return ERR_OK;
}

static enum err_kind ask_pause_files(struct control *c, struct err *e)
{
    return pause_ask_place(c->place, c->s.load.topic, &c->pause, e);
}

static enum err_kind pause_files(struct control *c, const struct pause *p,
                                 struct err *e)
{
    return pause_set_place(c->place, c->s.load.topic, p, e);
}

static enum err_kind resume_files(struct control *c, struct err *e)
{
    return pause_end_place(c->place, c->s.load.topic, e);
}

const struct control_ledger control_files = {
    .open = open_files,
    .close = close_files,
    .ask = ask_files,
    .ask_pause = ask_pause_files,
    .ask_jobs = ask_jobs_files,
    .what = "topic",
    .pause = pause_files,
    .resume = resume_files,
};
