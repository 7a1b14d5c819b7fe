/* Records that bear an id: each once, however often the topic has it. */
#include "loaders/sink_postgres_inside.h"

#include "base/clock.h"

#include <ctype.h>
#include <inttypes.h>

#define ID_HEADER "avrogate.idempotency-id"
#define ID_MOST 50            // 32 hex digits, ':', an index
#define IDS_AT_ONCE 5000      // of one statement
#define SWEEP_EVERY_MS 600000 // and at the start

/* What the gateway writes and nothing else: it goes into SQL as it is. */
static bool is_id(struct span x)
{
    if (x.n < 34 || x.n > ID_MOST || x.p[32] != ':')
        return false;
    for (size_t i = 0; i < x.n; i++)
        if (i != 32 && (i < 32 ? !isxdigit(x.p[i]) : !isdigit(x.p[i])))
            return false;
    return true;
}

static bool id_of(const struct record *r, struct span *id)
{
    struct span packed = r->headers, name;

    while (packed.n > 0 && batch_next_header(&packed, &name, id))
        if (span_eq(name, span_str(ID_HEADER)))
            return is_id(*id);
    return false;
}

static void mark(struct postgres *p, size_t record)
{
    tab_put_id(&p->repeats, (int64_t)record, p); // any pointer: it is there
}

static void put_ask(struct buf *sql, const struct postgres *p, const struct batch *b)
{
    buf_put_str(sql,
                "INSERT INTO etl_seen AS s (pipeline, id, topic, part, generation, "
                "record_offset) SELECT ");
    etl_put_text(sql, p->o.job);
    buf_put_str(sql, ", v.id, ");
    etl_put_text(sql, b->topic);
    buf_printf(sql, ", %" PRId32 ", %" PRId32 ", v.record_offset FROM (VALUES ",
               b->partition, b->generation);
}

/* Rows are locked in the order of the ids: two instances do not wait for each other in
 * a circle. */
static const char ask_end[] =
    ") v (id, record_offset) ORDER BY v.id ON CONFLICT (pipeline, id) DO UPDATE SET "
    "seen "
    "= s.seen WHERE s.topic = EXCLUDED.topic AND s.part = EXCLUDED.part AND "
    "s.generation "
    "= EXCLUDED.generation AND s.record_offset = EXCLUDED.record_offset RETURNING s.id";

/* The ids that came back are ours; the others were loaded from another place. */
static void mark_others(struct postgres *p, const struct tab *asked, const PGresult *r)
{
    struct tab ours = {0};
    struct span id;
    size_t at = 0;
    void *record;

    for (int i = 0; i < PQntuples(r); i++)
        tab_put(&ours, span_str(PQgetvalue(r, i, 0)), p);
    while ((record = tab_each(asked, &at, &id)) != NULL)
        if (tab_get(&ours, id) == NULL)
            mark(p, (size_t)(uintptr_t)record - 1);
    tab_free(&ours);
}

static enum err_kind ask(struct postgres *p, const struct tab *asked, struct err *e)
{
    PGresult *r = NULL;
    const char *text;

    buf_put_str(&p->sql, ask_end);
    TRY(postgres_text(&p->sql, &text, e));
    TRY(pg_ask(&p->pg, &r, text, e));
    if ((size_t)PQntuples(r) < asked->n)
        mark_others(p, asked, r);
    PQclear(r);
    return ERR_OK;
}

static void put_one(struct postgres *p, const struct batch *b, struct tab *asked,
                    size_t record, struct span id)
{
    if (asked->n == 0) {
        buf_reset(&p->sql);
        put_ask(&p->sql, p, b);
    }
    buf_printf(&p->sql, "%s('" SPAN_FMT "', %" PRId64 "::bigint)",
               asked->n == 0 ? "" : ", ", SPAN_ARG(id), b->records[record].offset);
    tab_put(asked, id, (void *)(uintptr_t)(record + 1)); // where, from 1
}

static enum err_kind note(struct postgres *p, const struct batch *b, struct tab *asked,
                          struct err *e)
{
    struct span id;

    for (size_t i = 0; i < b->n; i++) {
        if (b->records[i].headers.n == 0 || !id_of(&b->records[i], &id))
            continue;
        if (tab_get(asked, id) != NULL) {
            mark(p, i); // twice in this very batch
            continue;
        }
        put_one(p, b, asked, i, id);
        if (asked->n < IDS_AT_ONCE)
            continue;
        TRY(ask(p, asked, e));
        tab_free(asked); // a repeat of these is found in the table
        *asked = (struct tab){0};
    }
    return asked->n == 0 ? ERR_OK : ask(p, asked, e);
}

enum err_kind postgres_note_ids(struct postgres *p, const struct batch *b,
                                struct err *e)
{
    struct tab asked = {0};
    enum err_kind rc = note(p, b, &asked, e);

    tab_free(&asked);
    return rc;
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
