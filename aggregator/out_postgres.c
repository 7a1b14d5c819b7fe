#include "aggregator/out_postgres.h"

#include "aggregate/show.h"
#include "avro-core/canon.h"
#include "loaders/etl_log.h"

#include <inttypes.h>
#include <stdlib.h>

#define SQL_MOST ((size_t)256 << 20)
#define KEY_MOST 2000 // bytes; an index takes no more than 2,700

struct postgres {
    struct out base; // first
    struct pg pg;
    const char *job;
    struct buf table; // its name in SQL
    const struct agg_shape *shape;
    int64_t epoch;
    struct buf rows;
    size_t n_rows;
};

static const char *type_name(const struct agg_type *t)
{
    switch (t->logical) {
    case AV_DECIMAL: return "numeric";
    case AV_UUID: return "uuid";
    case AV_DATE: return "date";
    case AV_TIME_MILLIS:
    case AV_TIME_MICROS: return "time";
    case AV_TIMESTAMP_MILLIS:
    case AV_TIMESTAMP_MICROS: return "timestamptz";
    case AV_LOCAL_TIMESTAMP_MILLIS:
    case AV_LOCAL_TIMESTAMP_MICROS: return "timestamp";
    default: break;
    }
    switch (t->avro) {
    case AV_BOOLEAN: return "boolean";
    case AV_DOUBLE: return "double precision";
    case AV_STRING: return "text";
    case AV_BYTES: return "bytea";
    default: return "bigint"; // nanoseconds too: timestamptz would cut three digits
    }
}

/* --- the table ---------------------------------------------------------------------
 */

/* schema.table */
static void put_table(struct buf *out, const char *table)
{
    const char *dot = strchr(table, '.');

    if (dot != NULL) {
        pg_put_name(out, span_of(table, (size_t)(dot - table)));
        buf_put_u8(out, '.');
        table = dot + 1;
    }
    pg_put_name(out, span_str(table));
}

enum form { NAMES, TEXTS, TYPES, SETS, ADDS };

static void put_name(struct buf *sql, struct span name, const char *type,
                     enum form form, bool first)
{
    buf_put_str(sql, form == ADDS ? (first ? " ADD COLUMN IF NOT EXISTS "
                                           : ", ADD COLUMN IF NOT EXISTS ")
                                  : ", ");
    if (form == TEXTS) {
        pg_put_literal(sql, name);
        return;
    }
    pg_put_name(sql, name);
    if (form == TYPES || form == ADDS)
        buf_printf(sql, " %s", type);
    if (form == SETS) {
        buf_put_str(sql, " = EXCLUDED.");
        pg_put_name(sql, name);
    }
}

/* Each column, as they stand in the table, with a comma in front. */
static void put_names(struct buf *sql, const struct agg_shape *s, enum form form)
{
    static const char *const window[] = {"window_start", "window_end"};
    bool first = true;

    for (size_t i = 0; i < s->n_keys + s->n_columns + 2; i++) {
        bool is_window = i >= s->n_keys && i < s->n_keys + 2;
        const struct agg_field *f = &s->fields[i < s->n_keys ? i : i - 2];

        if (is_window && s->window_ms == 0)
            continue;
        put_name(sql, is_window ? span_str(window[i - s->n_keys]) : f->name,
                 is_window ? "timestamptz" : type_name(&f->type), form, first);
        first = false;
    }
}

static enum err_kind make_tables(struct postgres *p, struct err *e)
{
    struct buf sql = BUF_INIT(1 << 20);

    buf_put_str(&sql,
                "BEGIN; SET LOCAL client_min_messages = error; SELECT "
                "pg_advisory_xact_lock(hashtextextended('avrogate aggregate', 0)); "
                "CREATE TABLE IF NOT EXISTS etl_aggregate (job text NOT NULL, part "
                "integer NOT NULL, next_offset bigint NOT NULL, epoch bigint NOT NULL, "
                "owner text NOT NULL, updated timestamptz NOT NULL DEFAULT "
                "clock_timestamp(), PRIMARY KEY (job, part)); CREATE TABLE IF NOT "
                "EXISTS ");
    buf_put(&sql, buf_span(&p->table));
    buf_put_str(&sql, " (_key bytea PRIMARY KEY");
    put_names(&sql, p->shape, TYPES);
    buf_put_str(&sql, "); COMMIT");
    enum err_kind rc = pg_run_buf(&p->pg, &sql, e);
    buf_free(&sql);
    return rc;
}

static size_t count_names(const struct agg_shape *s)
{
    return s->n_keys + s->n_columns + (s->window_ms > 0 ? 2 : 0);
}

/* A table that was there before, of other columns: those that are missing are added. */
static enum err_kind add_columns(struct postgres *p, struct err *e)
{
    struct buf sql = BUF_INIT(1 << 20);
    PGresult *rows = NULL;

    buf_put_str(&sql,
                "SELECT count(*) FROM pg_attribute WHERE attrelid = to_regclass(");
    pg_put_literal(&sql, buf_span(&p->table));
    buf_put_str(&sql, ") AND attnum > 0 AND NOT attisdropped AND attname IN (''");
    put_names(&sql, p->shape, TEXTS);
    buf_put_str(&sql, ")");
    buf_put_u8(&sql, 0);
    enum err_kind rc = pg_ask(&p->pg, &rows, (const char *)sql.p, e);
    buf_reset(&sql);
    if (rc == ERR_OK &&
        strtoul(PQgetvalue(rows, 0, 0), NULL, 10) < count_names(p->shape)) {
        buf_put_str(&sql, "ALTER TABLE ");
        buf_put(&sql, buf_span(&p->table));
        put_names(&sql, p->shape, ADDS);
        buf_put_u8(&sql, 0);
        rc = pg_run(&p->pg, (const char *)sql.p, e);
    }
    PQclear(rows);
    buf_free(&sql);
    return rc;
}

/* --- whose it is -------------------------------------------------------------------
 */

static enum err_kind take(struct postgres *p, size_t n, PGresult **rows, struct err *e)
{
    struct buf sql = BUF_INIT(1 << 16);
    struct run me; // for its instance's name

    run_init(&me, p->job);
    buf_put_str(&sql, "INSERT INTO etl_aggregate AS a (job, part, next_offset, epoch, "
                      "owner) SELECT ");
    etl_put_text(&sql, p->job);
    buf_printf(&sql, ", i, 0, 1, ");
    etl_put_text(&sql, me.instance);
    buf_printf(&sql,
               " FROM generate_series(0, %zu) i ORDER BY i ON CONFLICT (job, part) DO "
               "UPDATE SET epoch = a.epoch + 1, owner = EXCLUDED.owner, updated = "
               "clock_timestamp() RETURNING part, next_offset, epoch",
               n - 1);
    buf_put_u8(&sql, 0);
    enum err_kind rc = pg_ask(&p->pg, rows, (const char *)sql.p, e);
    buf_free(&sql);
    return rc;
}

static void read_positions(struct postgres *p, const PGresult *rows, int64_t *positions,
                           size_t n)
{
    for (int i = 0; i < PQntuples(rows); i++) {
        long part = strtol(PQgetvalue(rows, i, 0), NULL, 10);

        if (part >= 0 && (size_t)part < n)
            positions[part] = strtoll(PQgetvalue(rows, i, 1), NULL, 10);
        if (part == 0)
            p->epoch = strtoll(PQgetvalue(rows, i, 2), NULL, 10);
    }
}

static void drop_rows(struct postgres *p)
{
    buf_reset(&p->rows);
    p->n_rows = 0;
}

static enum err_kind begin(struct out *o, const struct agg_shape *shape,
                           int64_t *positions, size_t n, struct err *e)
{
    struct postgres *p = (struct postgres *)o;
    PGresult *rows = NULL;

    drop_rows(p);
    p->shape = shape;
    TRY(pg_connect(&p->pg, e));
    TRY(make_tables(p, e));
    TRY(add_columns(p, e));
    TRY(take(p, n, &rows, e));
    read_positions(p, rows, positions, n);
    PQclear(rows);
    return ERR_OK;
}

/* --- rows --------------------------------------------------------------------------
 */

static void put_bytes(struct buf *sql, struct span s)
{
    buf_put_str(sql, "'\\x");
    buf_put_hex(sql, s);
    buf_put_u8(sql, '\'');
}

static bool is_nanos(const struct agg_type *t)
{
    return t->logical == AV_TIMESTAMP_NANOS || t->logical == AV_LOCAL_TIMESTAMP_NANOS;
}

static void put_value(struct buf *sql, const struct agg_type *t,
                      const struct agg_value *v)
{
    struct buf text = BUF_INIT(sql->limit), clean = BUF_INIT(sql->limit);

    buf_put_str(sql, ", ");
    if (v->kind == AGG_NONE) {
        buf_put_str(sql, "NULL");
    } else if (t->avro == AV_BYTES && t->logical == AV_PLAIN) {
        put_bytes(sql, v->text);
    } else {
        if (is_nanos(t))
            whole_print(&text, v->whole.v, 0);
        else
            agg_show_value(&text, t, v);
        etl_put_clean(&clean, buf_span(&text));
        pg_put_literal(sql, buf_span(&clean));
    }
    buf_free(&text);
    buf_free(&clean);
}

static void put_key(struct buf *sql, struct span key)
{
    uint8_t hash[32];

    if (key.n <= KEY_MOST) {
        put_bytes(sql, key);
        return;
    }
    av_sha256(hash, key);
    put_bytes(sql, span_of(hash, sizeof hash));
}

static enum err_kind add(struct out *o, const struct agg_merged *m, struct err *e)
{
    static const struct agg_type instant = {AGG_WHOLE, AV_LONG, AV_TIMESTAMP_MILLIS, 0};
    struct postgres *p = (struct postgres *)o;
    const struct agg_shape *s = m->shape;
    struct arena mem = {0};
    struct span key = m->key;
    struct agg_value v;
    int64_t start = 0;
    bool good = agg_key_window(&key, &start);

    buf_put_str(&p->rows, p->n_rows++ == 0 ? "(" : ",\n(");
    put_key(&p->rows, m->key);
    for (size_t i = 0; i < s->n_keys; i++) {
        v = (struct agg_value){0};
        good = good && agg_key_next(&key, &v, &mem);
        put_value(&p->rows, &s->fields[i].type, &v);
    }
    for (int k = 0; k < 2 && s->window_ms > 0; k++) {
        v = (struct agg_value){.kind = AGG_WHOLE, .whole = {start + k * s->window_ms}};
        put_value(&p->rows, &instant, &v);
    }
    for (size_t i = 0; i < s->n_columns; i++) {
        if (!agg_merged_value(m, i, &v))
            v = (struct agg_value){0};
        put_value(&p->rows, &s->fields[s->n_keys + i].type, &v);
    }
    buf_put_u8(&p->rows, ')');
    arena_free(&mem);
    return buf_status(&p->rows, e);
}

/* --- a transaction -----------------------------------------------------------------
 */

/* Locks the epoch, or finds that it is over. */
static enum err_kind begin_writing(struct postgres *p, struct err *e)
{
    struct buf sql = BUF_INIT(1 << 16);
    PGresult *rows = NULL;

    buf_put_str(&sql, "BEGIN; SELECT 1 FROM etl_aggregate WHERE job = ");
    etl_put_text(&sql, p->job);
    buf_printf(&sql, " AND part = 0 AND epoch = %" PRId64 " FOR UPDATE%c", p->epoch, 0);
    enum err_kind rc = pg_ask(&p->pg, &rows, (const char *)sql.p, e);
    buf_free(&sql);
    if (rc != ERR_OK)
        return rc;
    int n = PQntuples(rows);
    PQclear(rows);
    if (n != 1)
        return err_set(e, ERR_CONFLICT, "another instance writes the table now");
    return ERR_OK;
}

static enum err_kind write_rows(struct postgres *p, struct err *e)
{
    struct buf sql = BUF_INIT(SQL_MOST);

    if (p->n_rows == 0)
        return ERR_OK;
    buf_put_str(&sql, "INSERT INTO ");
    buf_put(&sql, buf_span(&p->table));
    buf_put_str(&sql, " (_key");
    put_names(&sql, p->shape, NAMES);
    buf_put_str(&sql, ") VALUES\n");
    buf_put(&sql, buf_span(&p->rows));
    buf_put_str(&sql, "\nON CONFLICT (_key) DO UPDATE SET _key = EXCLUDED._key");
    put_names(&sql, p->shape, SETS);
    enum err_kind rc = pg_run_buf(&p->pg, &sql, e);
    buf_free(&sql);
    return rc;
}

static enum err_kind end_writing(struct postgres *p, const int64_t *positions, size_t n,
                                 struct err *e)
{
    struct buf sql = BUF_INIT(1 << 20);

    for (size_t i = 0; positions != NULL && i < n; i++) {
        buf_printf(&sql,
                   "UPDATE etl_aggregate SET next_offset = %" PRId64
                   ", updated = clock_timestamp() WHERE part = %zu AND job = ",
                   positions[i], i);
        etl_put_text(&sql, p->job);
        buf_put_str(&sql, "; ");
    }
    buf_put_str(&sql, "COMMIT");
    enum err_kind rc = pg_run_buf(&p->pg, &sql, e);
    buf_free(&sql);
    return rc;
}

static enum err_kind flush(struct out *o, const int64_t *positions, size_t n,
                           struct err *e)
{
    struct postgres *p = (struct postgres *)o;
    enum err_kind rc = begin_writing(p, e);

    if (rc == ERR_OK)
        rc = write_rows(p, e);
    if (rc == ERR_OK)
        rc = end_writing(p, positions, n, e);
    drop_rows(p);
    if (rc != ERR_OK)
        pg_drop(&p->pg); // with whatever was begun
    return rc;
}

/* A writer that sleeps in a transaction holds the epoch: the server ends its session.
 */
static enum err_kind greet(struct pg *pg, struct err *e)
{
    return pg_run(pg,
                  "SET idle_in_transaction_session_timeout = '10s'; SET lock_timeout = "
                  "'5s'; SET standard_conforming_strings = on; SET client_min_messages "
                  "= warning",
                  e);
}

static void close_out(struct out *o)
{
    struct postgres *p = (struct postgres *)o;

    pg_close(&p->pg);
    buf_free(&p->table);
    buf_free(&p->rows);
    free(p);
}

static const struct out_ops ops = {begin, add, flush, close_out};

/* --- a new beginning ---------------------------------------------------------------
 */

static enum err_kind ask_number(struct pg *pg, struct buf *sql, int64_t *n,
                                struct err *e)
{
    PGresult *rows = NULL;

    buf_put_u8(sql, 0);
    TRY(pg_ask(pg, &rows, (const char *)sql->p, e));
    *n = PQntuples(rows) == 0 ? 0 : strtoll(PQgetvalue(rows, 0, 0), NULL, 10);
    PQclear(rows);
    buf_reset(sql);
    return ERR_OK;
}

static enum err_kind is_there(struct pg *pg, struct buf *sql, struct span name,
                              int64_t *yes, struct err *e)
{
    buf_put_str(sql, "SELECT (to_regclass(");
    pg_put_literal(sql, name);
    buf_put_str(sql, ") IS NOT NULL)::int");
    return ask_number(pg, sql, yes, e);
}

static enum err_kind clear_table(struct pg *pg, struct buf *sql, struct span table,
                                 const char *job, bool count_only, int64_t *rows,
                                 struct err *e)
{
    int64_t there, made;

    *rows = 0;
    TRY(is_there(pg, sql, table, &there, e));
    TRY(is_there(pg, sql, span_str("etl_aggregate"), &made, e));
    if (there) {
        buf_put_str(sql, "SELECT count(*) FROM ");
        buf_put(sql, table);
        TRY(ask_number(pg, sql, rows, e));
    }
    if (count_only || !made)
        return ERR_OK; // nobody has written it
    buf_put_str(sql, "BEGIN; UPDATE etl_aggregate SET epoch = epoch + 1, next_offset = "
                     "0, owner = 'reset', updated = clock_timestamp() WHERE job = ");
    etl_put_text(sql, job);
    if (there) {
        buf_put_str(sql, "; DELETE FROM ");
        buf_put(sql, table);
    }
    buf_put_str(sql, "; COMMIT");
    buf_put_u8(sql, 0);
    return pg_run(pg, (const char *)sql->p, e);
}

enum err_kind postgres_out_clear(const char *url, const char *table, const char *job,
                                 bool count_only, int64_t *rows, struct err *e)
{
    struct buf name = BUF_INIT(1000), sql = BUF_INIT(1 << 16);
    struct pg pg;

    put_table(&name, table);
    pg_init(&pg, url, "avrogate aggregate reset");
    enum err_kind rc = pg_connect(&pg, e);
    if (rc == ERR_OK)
        rc = clear_table(&pg, &sql, buf_span(&name), job, count_only, rows, e);
    pg_close(&pg);
    buf_free(&name);
    buf_free(&sql);
    return rc;
}

enum err_kind postgres_out_open(struct out **out, const char *url, const char *table,
                                const char *job, struct err *e)
{
    if (table == NULL || table[0] == '\0')
        return err_set(e, ERR_INVALID, "sink.postgres.table is missing");
    struct postgres *p = mem_alloc(sizeof *p);
    p->base.ops = &ops;
    p->job = job;
    p->table = BUF_INIT(1000);
    p->rows = BUF_INIT(SQL_MOST);
    put_table(&p->table, table);
    pg_init(&p->pg, url, "avrogate aggregate");
    p->pg.greet = greet;
    *out = &p->base;
    return ERR_OK;
}
