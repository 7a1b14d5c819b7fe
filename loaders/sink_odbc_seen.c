/* What was seen before: records that bear an id (repeats.h), asked of etl_seen; keys of
 * dedupe steps, kept in etl_dedupe.  With what every database has. */
#include "loaders/sink_odbc_inside.h"

#include "base/clock.h"
#include "base/log.h"
#include "loaders/dedupe.h"

#include <inttypes.h>
#include <stdlib.h>

#define IDS_AT_ONCE 500       // of one statement: T-SQL has a thousand rows of VALUES
#define SWEEP_EVERY_MS 600000 // and at the start

static const char *const columns[] = {
    "pipeline", "id", "topic", "part", "generation", "record_offset", "seen"};
#define COLUMNS (sizeof columns / sizeof columns[0])

static const char *word(struct odbc_sink *s, const struct buf *sql)
{
    return arena_str(&s->arena, buf_span(sql));
}

static const char *number(struct odbc_sink *s, int64_t x)
{
    char text[24];
    struct buf sql = BUF_INIT(sizeof text);

    buf_printf(&sql, "%" PRId64, x);
    const char *out = word(s, &sql);
    buf_free(&sql);
    return out;
}

static void put_id(struct buf *sql, const struct repeats_id *id)
{
    buf_printf(sql, "'" SPAN_FMT "'", SPAN_ARG(id->id));
}

/* Those that are not there yet; a row that another instance has just written is waited
 * for. */
static void put_rows(struct odbc_sink *s, const struct batch *b,
                     const struct repeats_id *ids, size_t n)
{
    const char **values = mem_array(n * COLUMNS, sizeof *values), **v = values;
    const char *job = odbc_literal(s, &s->arena, s->o.job),
               *topic = odbc_literal(s, &s->arena, b->topic);
    const char *part = number(s, b->partition), *gen = number(s, b->generation);
    struct buf id = BUF_INIT(100);

    for (size_t i = 0; i < n; i++) {
        buf_reset(&id);
        put_id(&id, &ids[i]);
        *v++ = job;
        *v++ = word(s, &id);
        *v++ = topic;
        *v++ = part;
        *v++ = gen;
        *v++ = number(s, b->records[ids[i].record].offset);
        *v++ = s->d->now;
    }
    buf_reset(&s->sql);
    s->d->put_once(&s->sql, s->d, "etl_seen", columns, values, COLUMNS, n, 2);
    buf_free(&id);
    free(values);
}

static void put_ask(struct odbc_sink *s, const struct batch *b,
                    const struct repeats_id *ids, size_t n)
{
    buf_reset(&s->sql);
    buf_put_str(&s->sql, "SELECT id, record_offset FROM etl_seen WHERE");
    odbc_put_where(&s->sql, s, b->topic, b->partition);
    buf_printf(&s->sql, " AND generation = %" PRId32 " AND id IN (", b->generation);
    for (size_t i = 0; i < n; i++) {
        buf_put_str(&s->sql, i == 0 ? "" : ", ");
        put_id(&s->sql, &ids[i]);
    }
    buf_put_u8(&s->sql, ')');
}

/* What did not come back under its own place was loaded from another. */
static void mark_others(struct odbc_sink *s, const struct batch *b,
                        const struct repeats_id *ids, size_t n,
                        const struct odbc_answer *a)
{
    struct tab ours = {0};

    for (size_t i = 0; i < a->rows; i++)
        tab_put(&ours, span_str(odbc_cell(a, i, 0)), (void *)odbc_cell(a, i, 1));
    for (size_t i = 0; i < n; i++) {
        const char *at = tab_get(&ours, ids[i].id);
        if (at == NULL || strtoll(at, NULL, 10) != b->records[ids[i].record].offset)
            repeats_add(&s->repeats, ids[i].record);
    }
    tab_free(&ours);
}

/* Our own table refuses us, which is no record's fault: a MERGE that did not see what
 * another instance was writing, and the next try does; or it is not as we made it. */
static enum err_kind refused(struct odbc_sink *s, struct err *e)
{
    s->db.busy = strncmp(s->db.sqlstate, "23", 2) == 0;
    e->kind = s->db.busy ? ERR_UNAVAILABLE : ERR_INTERNAL;
    return err_prefix(e, "etl_seen");
}

static enum err_kind ask(struct odbc_sink *s, const struct batch *b,
                         const struct repeats_id *ids, size_t n, struct err *e)
{
    struct odbc_answer a;

    put_rows(s, b, ids, n);
    enum err_kind rc = odbc_run_buf(&s->db, &s->sql, NULL, e);
    if (rc == ERR_INVALID)
        return refused(s, e);
    TRY(rc);
    put_ask(s, b, ids, n);
    TRY(odbc_ask_buf(&s->db, &s->sql, &a, e));
    mark_others(s, b, ids, n, &a);
    odbc_answer_free(&a);
    return ERR_OK;
}

enum err_kind odbc_note_ids(struct odbc_sink *s, const struct batch *b, struct err *e)
{
    for (size_t at = 0; at < s->repeats.n; at += IDS_AT_ONCE) {
        size_t rest = s->repeats.n - at;
        TRY(ask(s, b, s->repeats.ids + at, rest < IDS_AT_ONCE ? rest : IDS_AT_ONCE, e));
    }
    return ERR_OK;
}

/* Not in a batch's transaction: instances of a job would only wait for each other. */
void odbc_sweep_ids(struct odbc_sink *s)
{
    int64_t now = clock_ms();
    struct err why = {0};

    if (s->o.ids_keep_ms == 0 ||
        (s->swept_ms != 0 && now - s->swept_ms < SWEEP_EVERY_MS) ||
        odbc_connect(&s->db, &why) != ERR_OK)
        return;
    s->swept_ms = now;
    buf_reset(&s->sql);
    buf_put_str(&s->sql, "DELETE FROM etl_seen WHERE pipeline = ");
    dialect_put_text(&s->sql, s->d, s->o.job);
    buf_put_str(&s->sql, " AND seen < ");
    dialect_put_ago(&s->sql, s->d, s->o.ids_keep_ms);
    if (odbc_run_buf(&s->db, &s->sql, NULL, &why) != ERR_OK)
        log_event(LOG_INFO, "old ids stay for now", LOG_S("why", why.msg), LOG_END);
}

/* --- dedupe ----------------------------------------------------------------------- */

enum err_kind odbc_begin_dedupe(struct odbc_sink *s, const struct batch *b,
                                struct err *e)
{
    struct odbc_answer a;
    enum err_kind rc;

    if (s->o.memory == NULL || dedupe_begin(s->o.memory, b))
        return ERR_OK;
    buf_reset(&s->sql);
    buf_put_str(&s->sql, "SELECT keys FROM etl_dedupe WHERE");
    odbc_put_where(&s->sql, s, b->topic, b->partition);
    dedupe_put_before(&s->sql, b);
    rc = odbc_connect(&s->db, e);
    if (rc == ERR_OK)
        rc = odbc_ask_buf(&s->db, &s->sql, &a, e);
    if (rc != ERR_OK) {
        transform_memory_stand(s->o.memory, b->partition, b->generation, -1);
        return rc;
    }
    for (size_t i = 0; i < a.rows && rc == ERR_OK; i++)
        rc = dedupe_take(s->o.memory, b, odbc_cell(&a, i, 0), e);
    odbc_answer_free(&a);
    return rc;
}

static enum err_kind write_rows(struct odbc_sink *s, struct dedupe_rows *r,
                                struct err *e)
{
    struct buf sql = BUF_INIT(DEDUPE_SQL);
    enum err_kind rc = ERR_OK;

    while (rc == ERR_OK && dedupe_put_row(&sql, r)) {
        rc = odbc_run_buf(&s->db, &sql, NULL, e);
        buf_reset(&sql);
    }
    if (rc == ERR_OK) {
        buf_put_str(&sql, "DELETE FROM etl_dedupe WHERE");
        odbc_put_where(&sql, s, r->batch->topic, r->batch->partition);
        dedupe_put_forgotten(&sql, r->memory, r->batch);
        rc = odbc_run_buf(&s->db, &sql, NULL, e);
    }
    buf_free(&sql);
    return rc;
}

enum err_kind odbc_write_dedupe(struct odbc_sink *s, const struct batch *b,
                                struct err *e)
{
    if (s->o.memory == NULL)
        return ERR_OK;
    struct dedupe_rows r = {.memory = s->o.memory,
                            .batch = b,
                            .pipeline = odbc_literal(s, &s->arena, s->o.job),
                            .topic = odbc_literal(s, &s->arena, b->topic)};
    enum err_kind rc = write_rows(s, &r, e);
    if (rc == ERR_INVALID || rc == ERR_LIMIT)
        return e->kind = ERR_INTERNAL;
    return rc;
}
