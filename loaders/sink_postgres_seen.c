/* What was seen before: records that bear an id (repeats.h), asked of etl_seen; keys of
 * dedupe steps, kept in etl_dedupe. */
#include "loaders/sink_postgres_inside.h"

#include "base/clock.h"
#include "loaders/dedupe.h"

#include <inttypes.h>
#include <stdlib.h>

#define IDS_AT_ONCE 5000      // of one statement
#define SWEEP_EVERY_MS 600000 // and at the start

static void put_ask(struct buf *sql, const struct postgres *p, const struct batch *b,
                    const struct repeats_id *ids, size_t n)
{
    buf_reset(sql);
    buf_put_str(sql,
                "INSERT INTO etl_seen AS s (pipeline, id, topic, part, generation, "
                "record_offset) SELECT ");
    etl_put_text(sql, p->o.job);
    buf_put_str(sql, ", v.id, ");
    etl_put_text(sql, b->topic);
    buf_printf(sql, ", %" PRId32 ", %" PRId32 ", v.record_offset FROM (VALUES ",
               b->partition, b->generation);
    for (size_t i = 0; i < n; i++)
        buf_printf(sql, "%s('" SPAN_FMT "', %" PRId64 "::bigint)", i == 0 ? "" : ", ",
                   SPAN_ARG(ids[i].id), b->records[ids[i].record].offset);
    // in the order of the ids: two instances do not wait for each other in a circle
    buf_put_str(
        sql,
        ") v (id, record_offset) ORDER BY v.id ON CONFLICT (pipeline, id) DO UPDATE "
        "SET seen = s.seen WHERE s.topic = EXCLUDED.topic AND s.part = EXCLUDED.part "
        "AND s.generation = EXCLUDED.generation AND s.record_offset = "
        "EXCLUDED.record_offset RETURNING s.id");
}

/* The ids that came back are ours; the others were loaded from another place. */
static void mark_others(struct postgres *p, const struct repeats_id *ids, size_t n,
                        const PGresult *r)
{
    struct tab ours = {0};

    for (int i = 0; i < PQntuples(r); i++)
        tab_put(&ours, span_str(PQgetvalue(r, i, 0)), p);
    for (size_t i = 0; i < n; i++)
        if (tab_get(&ours, ids[i].id) == NULL)
            repeats_add(&p->repeats, ids[i].record);
    tab_free(&ours);
}

static enum err_kind ask(struct postgres *p, const struct batch *b,
                         const struct repeats_id *ids, size_t n, struct err *e)
{
    PGresult *r = NULL;
    const char *text;

    put_ask(&p->sql, p, b, ids, n);
    TRY(postgres_text(&p->sql, &text, e));
    TRY(pg_ask(&p->pg, &r, text, e));
    if ((size_t)PQntuples(r) < n)
        mark_others(p, ids, n, r);
    PQclear(r);
    return ERR_OK;
}

enum err_kind postgres_note_ids(struct postgres *p, const struct batch *b,
                                struct err *e)
{
    repeats_find(&p->repeats, b);
    for (size_t at = 0; at < p->repeats.n; at += IDS_AT_ONCE) {
        size_t rest = p->repeats.n - at;
        TRY(ask(p, b, p->repeats.ids + at, rest < IDS_AT_ONCE ? rest : IDS_AT_ONCE, e));
    }
    return ERR_OK;
}

enum err_kind postgres_sweep_ids(struct postgres *p, struct err *e)
{
    int64_t now = clock_ms();
    const char *text;

    if (p->o.ids_keep_ms == 0 ||
        (p->swept_ms != 0 && now - p->swept_ms < SWEEP_EVERY_MS))
        return ERR_OK;
    buf_reset(&p->sql);
    // Instances of a job would only wait for each other: skip what another is at.
    buf_put_str(&p->sql,
                "DELETE FROM etl_seen WHERE (pipeline, id) IN (SELECT pipeline, "
                "id FROM etl_seen WHERE pipeline = ");
    etl_put_text(&p->sql, p->o.job);
    buf_printf(&p->sql,
               " AND seen < now() - interval '%" PRId64
               " ms' LIMIT 100000 FOR UPDATE SKIP LOCKED)",
               p->o.ids_keep_ms);
    TRY(postgres_text(&p->sql, &text, e));
    TRY(pg_run(&p->pg, text, e));
    p->swept_ms = now;
    return ERR_OK;
}

/* --- dedupe ----------------------------------------------------------------------- */

enum err_kind postgres_begin_dedupe(struct postgres *p, const struct batch *b,
                                    struct err *e)
{
    PGresult *rows = NULL;
    enum err_kind rc = ERR_OK;
    const char *text;

    if (p->o.memory == NULL || dedupe_begin(p->o.memory, b))
        return ERR_OK;
    buf_reset(&p->sql);
    buf_put_str(&p->sql, "SELECT keys FROM etl_dedupe WHERE");
    postgres_put_where(&p->sql, p, b->topic, b->partition);
    dedupe_put_before(&p->sql, b);
    rc = postgres_text(&p->sql, &text, e);
    if (rc == ERR_OK)
        rc = pg_ask(&p->pg, &rows, text, e);
    if (rc != ERR_OK) {
        transform_memory_stand(p->o.memory, b->partition, b->generation, -1);
        return rc;
    }
    for (int i = 0; i < PQntuples(rows) && rc == ERR_OK; i++)
        rc = dedupe_take(p->o.memory, b, PQgetvalue(rows, i, 0), e);
    PQclear(rows);
    return rc;
}

static char *literal(const char *text)
{
    struct buf sql = BUF_INIT(1 << 16);

    etl_put_text(&sql, text);
    buf_put_u8(&sql, 0);
    return (char *)buf_take(&sql, &(size_t){0});
}

static enum err_kind write_rows(struct postgres *p, struct dedupe_rows *r,
                                struct err *e)
{
    struct buf sql = BUF_INIT(DEDUPE_SQL);
    enum err_kind rc = ERR_OK;

    while (rc == ERR_OK && dedupe_put_row(&sql, r)) {
        rc = pg_run_buf(&p->pg, &sql, e);
        buf_reset(&sql);
    }
    if (rc == ERR_OK) {
        buf_put_str(&sql, "DELETE FROM etl_dedupe WHERE");
        postgres_put_where(&sql, p, r->batch->topic, r->batch->partition);
        dedupe_put_forgotten(&sql, r->memory, r->batch);
        rc = pg_run_buf(&p->pg, &sql, e);
    }
    buf_free(&sql);
    return rc;
}

enum err_kind postgres_write_dedupe(struct postgres *p, const struct batch *b,
                                    struct err *e)
{
    if (p->o.memory == NULL)
        return ERR_OK;
    char *job = literal(p->o.job), *topic = literal(b->topic);
    struct dedupe_rows r = {
        .memory = p->o.memory, .batch = b, .pipeline = job, .topic = topic};
    enum err_kind rc = write_rows(p, &r, e);
    free(job);
    free(topic);
    return rc == ERR_INVALID || rc == ERR_LIMIT ? (e->kind = ERR_INTERNAL) : rc;
}
