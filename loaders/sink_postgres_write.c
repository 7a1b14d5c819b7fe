/* One batch, one transaction. */
#include "loaders/sink_postgres_inside.h"

#include "base/clock.h"
#include "base/log.h"
#include "loaders/dedupe.h"
#include "loaders/etl_field.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define CHUNK (256 << 10) // sent while the rest is still being decoded
#define ATTEMPTS_MOST 20  // failed tries remembered until one comes through

/* --- what is set aside ------------------------------------------------------------ */

static enum err_kind check_limit(const struct postgres *p, const struct batch *b,
                                 struct err *e)
{
    return rejects_check(&p->rejects, b, p->run_rejected, p->o.reject_floor,
                         p->o.reject_limit, e);
}

static const char reject_copy[] =
    "COPY etl_reject (" REJECT_COLUMNS ") FROM STDIN (FORMAT binary)";

static enum err_kind write_rejects(struct postgres *p, const struct batch *b,
                                   struct err *e)
{
    struct buf out = BUF_INIT((size_t)1 << 30);

    if (p->rejects.n == 0)
        return ERR_OK;
    buf_put(&out, copy_head);
    for (size_t i = 0; i < p->rejects.n; i++)
        reject_put(&out, &p->rejects.items[i], b, p->o.job, p->run.id, INT64_MAX);
    buf_put(&out, copy_end);
    enum err_kind rc = buf_status(&out, e);
    if (rc == ERR_OK)
        rc = pg_copy_begin(&p->pg, reject_copy, e);
    if (rc == ERR_OK)
        rc = pg_copy_put(&p->pg, buf_span(&out), e);
    if (rc == ERR_OK)
        rc = pg_copy_end(&p->pg, e);
    buf_free(&out);
    if (rc == ERR_INVALID) // our own table refuses us: no record's fault
        e->kind = rc = ERR_INTERNAL;
    return rc;
}

/* --- the transaction's first answer ----------------------------------------------- */

enum standing { STANDS_FIRST, STANDS_NEXT, STANDS_ALTERED };

static void compose_open(struct postgres *p, const struct batch *b)
{
    buf_reset(&p->sql);
    buf_printf(&p->sql,
               "BEGIN; SET LOCAL lock_timeout = %" PRId64
               "; SET LOCAL statement_timeout = %" PRId64
               "; SET CONSTRAINTS ALL IMMEDIATE; ",
               p->o.lock_timeout_ms, p->o.statement_timeout_ms);
    if (p->table.n > 0)
        buf_printf(&p->sql, "LOCK TABLE %s%s%s IN ROW EXCLUSIVE MODE; ",
                   (const char *)p->quoted.p, p->aside_table.n > 0 ? ", " : "",
                   p->aside_table.n > 0 ? (const char *)p->aside_quoted.p : "");
    if (p->stage[0] != '\0')
        buf_printf(&p->sql, "%s; ", (const char *)p->make.p);
    buf_put_str(&p->sql, "SELECT next_offset, epoch, ");
    postgres_put_seal(&p->sql, p);
    buf_put_str(&p->sql, " FROM etl_offsets WHERE");
    postgres_put_where(&p->sql, p, b->topic, b->partition);
    buf_put_str(&p->sql, " FOR UPDATE");
}

static int64_t number(const PGresult *r, int row, int column)
{
    return strtoll(PQgetvalue(r, row, column), NULL, 10);
}

static enum err_kind judge(const struct postgres *p, const struct batch *b,
                           const PGresult *r, enum standing *out, struct err *e)
{
    if (PQntuples(r) != 1)
        return err_set(e, ERR_CONFLICT, "etl_offsets has no row for this partition");
    int64_t next = number(r, 0, 0), epoch = number(r, 0, 1);
    if (epoch != b->epoch)
        return err_set(e, ERR_CONFLICT,
                       "epoch %" PRId64 " was ours, etl_offsets is at %" PRId64,
                       b->epoch, epoch);
    if (next != b->first && next != b->next)
        return err_set(e, ERR_CONFLICT, "etl_offsets stands at %" PRId64, next);
    *out = next == b->next                                ? STANDS_NEXT
           : p->table.n > 0 && number(r, 0, 2) != p->seal ? STANDS_ALTERED
                                                          : STANDS_FIRST;
    return ERR_OK;
}

static enum err_kind open_transaction(struct postgres *p, const struct batch *b,
                                      enum standing *out, struct err *e)
{
    PGresult *r = NULL;
    const char *text;

    compose_open(p, b);
    TRY(postgres_text(&p->sql, &text, e));
    TRY(pg_ask(&p->pg, &r, text, e));
    enum err_kind rc = judge(p, b, r, out, e);
    PQclear(r);
    return rc;
}

/* --- rows ------------------------------------------------------------------------- */

static void add_row(struct postgres *p, size_t at, size_t record, int32_t id)
{
    if (p->n_rows == p->cap_rows) {
        p->cap_rows = p->cap_rows == 0 ? 1024 : p->cap_rows * 2;
        p->index = mem_grow(p->index, p->cap_rows, sizeof *p->index);
    }
    p->index[p->n_rows++] =
        (struct row){.at = at, .record = (uint32_t)record, .schema_id = id};
}

static void note_id(struct postgres *p, int32_t id)
{
    for (size_t i = 0; i < p->n_ids; i++)
        if (p->ids[i] == id)
            return;
    if (p->n_ids < IDS_MOST)
        p->ids[p->n_ids++] = id;
}

static enum err_kind decode(struct postgres *p, struct sift *sift,
                            const struct record *rec, struct sifted *got, struct err *e)
{
    rows_begin(&p->rows);
    enum err_kind rc = sift_record(sift, rec, &p->rows.visitor, got, e);
    if (rc != ERR_OK || got->fate != SIFT_ROW) {
        rows_take_back(&p->rows);
        if (rc != ERR_OK && p->rows.refused)
            got->stage = "value";
        return rc;
    }
    got->stage = "value";
    return rows_end(&p->rows, e);
}

/* A record's row, and what a stage wants behind it. */
static enum err_kind put_row(struct postgres *p, struct sift *sift,
                             const struct record *rec, struct sifted *got,
                             struct err *e)
{
    bool deletion = p->o.deletes && rec->value.p == NULL;
    size_t at = p->rows.out.n;

    if (deletion) {
        got->stage = "tombstone";
        TRY(deletion_put(&p->deletion, &p->rows.out, MERGE_EXTRA, sift, rec, e));
    } else {
        TRY(decode(p, sift, rec, got, e));
        if (got->fate != SIFT_ROW)
            return ERR_OK;
    }
    if (p->stage[0] != '\0')
        merge_put_extra(&p->rows.out, rec->offset, deletion, rec->timestamp_ms);
    if (buf_status(&p->rows.out, e) == ERR_OK)
        return ERR_OK;
    buf_cut(&p->rows.out, at);
    p->rows.out.over = false;
    return e->kind;
}

static void set_aside(struct postgres *p, size_t i, const struct sifted *got,
                      const struct err *why)
{
    rejects_add_sifted(&p->rejects, i, got, rows_failed_at(&p->rows), why->msg);
}

static void stop(struct postgres *p, const struct batch *b, size_t i,
                 const struct sifted *got)
{
    (void)err_set(&p->stop, ERR_LIMIT,
                  "stopped by quality rule \"%.100s\": %.60s/%" PRId32 "@%" PRId64
                  ": %.*s",
                  got->rule, b->topic, b->partition, b->records[i].offset,
                  (int)got->why.n, (const char *)got->why.p);
}

static void encode(struct postgres *p, const struct batch *b, struct sift *sift,
                   size_t i)
{
    struct sifted got = {.id = -1, .stage = "value", .rule = "", .pointer = ""};
    struct err e = {0};
    size_t at = p->rows.out.n;

    if (b->undecoded) {
        rejects_add(&p->rejects, i, -1, "crash",
                    "the loader died on this record again and again");
        return;
    }
    if (put_row(p, sift, &b->records[i], &got, &e) != ERR_OK) {
        set_aside(p, i, &got, &e);
        return;
    }
    if (got.fate == SIFT_ASIDE &&
        postgres_put_aside(p, b, &b->records[i], &got, &e) != ERR_OK) {
        got.stage = "value";
        set_aside(p, i, &got, &e);
        return;
    }
    if (got.fate == SIFT_STOP)
        stop(p, b, i, &got);
    p->filtered += got.fate == SIFT_FILTERED;
    p->repeated += got.fate == SIFT_REPEATED;
    if (got.fate == SIFT_ROW)
        add_row(p, at, i, got.id);
    if (got.id >= 0 && (p->n_ids == 0 || p->ids[p->n_ids - 1] != got.id))
        note_id(p, got.id);
}

static enum err_kind send(struct postgres *p, size_t *sent, bool *copying,
                          struct err *e)
{
    if (p->rows.out.n == *sent)
        return ERR_OK;
    if (!*copying) {
        TRY(pg_copy_begin(&p->pg, (const char *)p->copy.p, e));
        *copying = true;
        TRY(pg_copy_put(&p->pg, copy_head, e));
    }
    TRY(pg_copy_put(&p->pg, span_of(p->rows.out.p + *sent, p->rows.out.n - *sent), e));
    *sent = p->rows.out.n;
    return ERR_OK;
}

/* Decodes all of it, sending what is ready: the server reads while we decode. */
static enum err_kind stream(struct postgres *p, const struct batch *b,
                            struct sift *sift, bool *copying, struct err *e)
{
    size_t sent = 0;

    for (size_t i = 0; i < b->n; i++) {
        if (repeats_has(&p->repeats, i))
            continue;
        if (p->table.n == 0 && !b->undecoded) { // no schema was ever readable
            struct err why = {0};
            struct sifted got;
            (void)!sift_find(sift, &b->records[i], &got, &why);
            rejects_add(&p->rejects, i, got.id, got.stage, why.msg);
            continue;
        }
        encode(p, b, sift, i);
        if (p->stop.kind != ERR_OK) {
            *e = p->stop;
            return e->kind;
        }
        if (p->rows.out.n - sent >= CHUNK)
            TRY(send(p, &sent, copying, e));
    }
    return send(p, &sent, copying, e);
}

static size_t row_end(const struct postgres *p, size_t i)
{
    return i + 1 < p->n_rows ? p->index[i + 1].at : p->rows.out.n;
}

/* A trigger that returns NULL keeps a row out without a word; only the count tells. */
static size_t untaken(const struct postgres *p, size_t sent)
{
    size_t taken = p->pg.copied < 0 ? sent : (size_t)p->pg.copied;

    return taken < sent ? sent - taken : 0;
}

/* The end of a COPY of `n` rows and, with keys, the step from the stage to the table.
 */
static enum err_kind finish_part(struct postgres *p, size_t n, struct err *e)
{
    PGresult *r = NULL;

    TRY(pg_copy_put(&p->pg, copy_end, e));
    TRY(pg_copy_end(&p->pg, e));
    if (p->stage[0] == '\0') {
        p->untaken += untaken(p, n);
        return ERR_OK;
    }
    TRY(pg_ask(&p->pg, &r, (const char *)p->apply.p, e));
    p->applied += (size_t)number(r, 0, 0);
    p->grown += number(r, 0, 1);
    PQclear(r);
    return ERR_OK;
}

/* Rows [low, high) again, from memory; a stage is empty. */
static enum err_kind copy_range(struct postgres *p, size_t low, size_t high,
                                struct err *e)
{
    size_t from = p->index[low].at, to = row_end(p, high - 1);

    TRY(pg_run(&p->pg, "SAVEPOINT part", e));
    TRY(pg_copy_begin(&p->pg, (const char *)p->copy.p, e));
    TRY(pg_copy_put(&p->pg, copy_head, e));
    TRY(pg_copy_put(&p->pg, span_of(p->rows.out.p + from, to - from), e));
    return finish_part(p, high - low, e);
}

struct finding { // what the server said about the row it stopped at
    char sqlstate[6], column[COLUMN_NAME], constraint[COLUMN_NAME];
    size_t line; // from 1, 0 = it did not say
};

/* Back to where the range began; the next statement would forget what was said. */
static enum err_kind step_back(struct postgres *p, struct finding *f, struct err *e)
{
    *f = (struct finding){.line = p->pg.line > 0 ? (size_t)p->pg.line : 0};
    memcpy(f->sqlstate, p->pg.sqlstate, sizeof f->sqlstate);
    memcpy(f->column, p->pg.column, sizeof f->column);
    memcpy(f->constraint, p->pg.constraint, sizeof f->constraint);
    // Released as well: a savepoint stays when it was gone back to, and the next one
    // would stand inside it, ever deeper, each slower than the one before.
    return pg_run(&p->pg, "ROLLBACK TO SAVEPOINT part; RELEASE SAVEPOINT part", e);
}

static void blame(struct postgres *p, size_t row, const struct finding *f,
                  const char *why)
{
    struct reject *r = rejects_add(&p->rejects, p->index[row].record,
                                   p->index[row].schema_id, "database", why);

    memcpy(r->sqlstate, f->sqlstate, sizeof r->sqlstate);
    memcpy(r->column, f->column, sizeof r->column);
    memcpy(r->constraint, f->constraint, sizeof r->constraint);
}

#define NOT_NAMED SIZE_MAX

struct search {   // for the rows that cannot be loaded
    size_t low;   // all before it is loaded, or to blame
    size_t end;   // a bad row is before it; not behind low: none is known
    size_t named; // the row the server stopped at: a hint, or NOT_NAMED
    size_t good;  // loaded since the last bad one
    size_t most;  // rows of the next part when no bad one is known
};

static void search_failed(struct search *s, const struct finding *f, size_t n)
{
    s->end = s->low + n;
    s->named = f->line >= 1 && f->line <= n ? s->low + f->line - 1 : NOT_NAMED;
}

static void search_loaded(struct search *s, size_t n)
{
    s->low += n;
    s->good += n;
    s->most = s->most > SIZE_MAX / 2 ? SIZE_MAX : s->most * 2;
}

/* What was good before the bad row says how much may be good behind it. */
static void search_found(struct search *s)
{
    s->end = ++s->low;
    s->most = s->good * 2 + 1;
    s->good = 0;
}

/* What is before the row that was named, then that row; without a name, halves. */
static size_t search_next(const struct search *s, size_t n_rows)
{
    size_t left = n_rows - s->low, n = s->most;

    if (s->end > s->low) {
        n = (s->end - s->low) / 2;
        if (s->named >= s->low && s->named < s->end)
            n = s->named - s->low;
        if (n == 0)
            n = 1;
    }
    return n < left ? n : left;
}

static enum err_kind keep_part(struct postgres *p, struct err *e)
{
    TRY(pg_run(&p->pg, "RELEASE SAVEPOINT part", e));
    return p->stage[0] == '\0' ? ERR_OK : pg_runf(&p->pg, e, "TRUNCATE %s", p->stage);
}

/*
 * Loads what can be loaded, part by part: one bad row of many is found in a few tries,
 * and a batch of bad ones takes one try a row, with that row alone.
 */
static enum err_kind load_by_parts(struct postgres *p, const struct batch *b,
                                   struct search *s, struct err *e)
{
    while (s->low < p->n_rows) {
        size_t n = search_next(s, p->n_rows);
        struct err why = {0};
        struct finding f;
        enum err_kind rc = copy_range(p, s->low, s->low + n, &why);

        if (rc == ERR_OK) {
            TRY(keep_part(p, e));
            search_loaded(s, n);
            continue;
        }
        if (rc != ERR_INVALID) {
            *e = why;
            return rc;
        }
        TRY(step_back(p, &f, e));
        if (n > 1) {
            search_failed(s, &f, n);
            continue;
        }
        blame(p, s->low, &f, why.msg);
        search_found(s);
        TRY(check_limit(p, b, e));
    }
    return ERR_OK;
}

static enum err_kind finish_copy(struct postgres *p, const struct batch *b,
                                 struct err *e)
{
    struct search s = {.most = 1};
    struct finding f;
    struct err why = {0};

    enum err_kind rc = finish_part(p, p->n_rows, &why);
    if (rc == ERR_OK)
        return ERR_OK;
    if (rc != ERR_INVALID) {
        *e = why;
        return rc;
    }
    TRY(step_back(p, &f, e));
    search_failed(&s, &f, p->n_rows); // what was told just now, not all a second time
    return load_by_parts(p, b, &s, e);
}

static enum err_kind load(struct postgres *p, const struct batch *b, struct sift *sift,
                          struct err *e)
{
    bool copying = false;

    if (p->o.ids_keep_ms > 0)
        TRY(postgres_note_ids(p, b, e));
    TRY(pg_run(&p->pg, "SAVEPOINT part", e));
    TRY(stream(p, b, sift, &copying, e));
    if (copying)
        TRY(finish_copy(p, b, e));
    TRY(postgres_write_aside(p, e));
    TRY(postgres_write_noted(p, b, e));
    if (p->rejects.n > 0)
        TRY(check_limit(p, b, e));
    return write_rejects(p, b, e);
}

/* --- the transaction's last statements -------------------------------------------- */

static void put_ids(struct buf *sql, const struct postgres *p)
{
    buf_put_str(sql, "'{");
    for (size_t i = 0; i < p->n_ids; i++)
        buf_printf(sql, "%s%" PRId32, i == 0 ? "" : ",", p->ids[i]);
    buf_put_str(sql, "}'::integer[]");
}

static void put_position(struct buf *sql, const struct postgres *p,
                         const struct batch *b)
{
    buf_printf(sql,
               "UPDATE etl_offsets SET next_offset = %" PRId64
               ", trying = false, updated = clock_timestamp()",
               b->next);
    int64_t mark = batch_mark(b);
    if (mark >= 0)
        buf_printf(sql, ", mark = %" PRId64, mark);
    else
        buf_put_str(sql, ", mark = NULL"); // a hole has no fingerprint
    buf_put_str(sql, " WHERE");
    postgres_put_where(sql, p, b->topic, b->partition);
    buf_put_str(sql, ";\n");
}

static void put_batch(struct buf *sql, const struct postgres *p, const struct batch *b,
                      const struct receipt *r, int64_t us)
{
    buf_put_str(
        sql, "INSERT INTO etl_batch (pipeline, topic, part, generation, first_offset, "
             "last_offset, run_id, rows_in, rows_loaded, rows_rejected, "
             "rows_duplicate, rows_filtered, rows_quarantined, rows_added, bytes, "
             "quarantine, target, schema_ids, started, duration_us, instance, epoch) "
             "VALUES (");
    etl_put_text(sql, p->o.job);
    buf_put_str(sql, ", ");
    etl_put_text(sql, b->topic);
    buf_printf(sql,
               ", %" PRId32 ", %" PRId32 ", %" PRId64 ", %" PRId64
               ", '%s', %zu, %zu, %zu, %zu, %zu, %zu, %" PRId64 ", %zu, ",
               b->partition, b->generation, b->first, b->next - 1, p->run.id, b->n,
               r->loaded, r->rejected, r->duplicate, r->filtered, r->quarantined,
               p->stage[0] == '\0' ? (int64_t)r->loaded : p->grown, b->bytes);
    etl_put_text(sql, r->quarantined > 0 ? p->aside_name : NULL);
    buf_put_str(sql, ", ");
    etl_put_text(sql, p->o.table);
    buf_put_str(sql, ", ");
    put_ids(sql, p);
    buf_printf(sql, ", now(), %" PRId64 ", ", us);
    etl_put_text(sql, p->run.instance);
    buf_printf(sql, ", %" PRId64 ");\n", b->epoch);
}

/* Plain columns for the run that loads from one partition alone; NULL from the second
 * on. `partitions` here is what it was before. */
static void put_only_partition(struct buf *sql, const struct batch *b)
{
    static const char only[] = "CASE WHEN partitions - '%" PRId32 "' = '{}' THEN ";
    char when[100];

    snprintf(when, sizeof when, only, b->partition);
    buf_printf(sql,
               ", \"partition\" = %s%" PRId32
               " END, first_offset = %scoalesce(first_offset, %" PRId64
               ") END, last_offset = %s%" PRId64 " END",
               when, b->partition, when, b->first, when, b->next - 1);
}

static void put_run(struct buf *sql, const struct postgres *p, const struct batch *b,
                    const struct receipt *r)
{
    buf_printf(
        sql,
        "UPDATE etl_log SET status = 'running', end_time = NULL, error_message = "
        "NULL, last_sign = clock_timestamp(), changed = clock_timestamp(), "
        "records_processed = "
        "records_processed + %zu, records_rejected = records_rejected + %zu, "
        "records_duplicate = records_duplicate + %zu, records_filtered = "
        "records_filtered + %zu, records_quarantined = records_quarantined + %zu, "
        "batches = batches + 1, "
        "bytes = bytes + %zu, partitions = partitions || "
        "jsonb_build_object('%" PRId32
        "', jsonb_build_array(coalesce(partitions -> '%" PRId32
        "' -> 0, to_jsonb(%" PRId64 "::bigint)), %" PRId64 "::bigint))",
        r->loaded, r->rejected, r->duplicate, r->filtered, r->quarantined, b->bytes,
        b->partition, b->partition, b->first, b->next - 1);
    put_only_partition(sql, b);
    if (r->untaken > 0)
        buf_printf(sql, ", records_untaken = records_untaken + %zu", r->untaken);
    if (p->n_ids > 0) {
        buf_put_str(sql, ", schema_ids = (SELECT array_agg(DISTINCT x ORDER BY x) FROM "
                         "unnest(schema_ids || ");
        put_ids(sql, p);
        buf_put_str(sql, ") x)");
    }
    buf_printf(sql, " WHERE run_id = '%s';\n", p->run.id);
}

static void put_attempts(struct buf *sql, const struct postgres *p)
{
    if (p->n_attempts == 0 || p->attempts.over)
        return;
    buf_put_str(sql, "INSERT INTO etl_attempt (run_id, pipeline, topic, part, "
                     "first_offset, at, sqlstate, error) VALUES ");
    buf_put(sql, buf_span(&p->attempts));
    buf_put_str(sql, ";\n");
}

static enum err_kind close_transaction(struct postgres *p, const struct batch *b,
                                       struct receipt *r, int64_t began_us,
                                       struct err *e)
{
    const char *text;

    r->rejected = p->rejects.n;
    r->filtered = p->filtered;
    r->quarantined = p->aside;
    r->loaded = p->stage[0] != '\0' ? p->applied
                                    : b->n - p->rejects.n - repeats_count(&p->repeats) -
                                          p->filtered - p->repeated - p->aside;
    r->duplicate = b->n - r->loaded - r->rejected - r->filtered - r->quarantined;
    r->bytes = b->bytes;
    r->untaken = p->untaken;
    buf_reset(&p->sql);
    put_position(&p->sql, p, b);
    put_batch(&p->sql, p, b, r, clock_us() - began_us);
    put_attempts(&p->sql, p);
    postgres_put_rules(&p->sql, p, b);
    put_run(&p->sql, p, b, r); // last: lanes of one run share this row
    buf_put_str(&p->sql, "COMMIT");
    TRY(postgres_text(&p->sql, &text, e));
    enum err_kind rc = pg_run(&p->pg, text, e);
    if (rc == ERR_INVALID)
        e->kind = rc = ERR_INTERNAL; // a rule of the audit's own tables
    return rc;
}

/* --- one try ---------------------------------------------------------------------- */

static void start_over(struct postgres *p)
{
    rows_reset(&p->rows);
    rejects_reset(&p->rejects);
    p->n_rows = p->n_ids = p->applied = 0;
    p->filtered = p->repeated = 0;
    p->stop = (struct err){0};
    p->grown = 0;
    p->untaken = 0;
    repeats_reset(&p->repeats);
}

/* It was committed, and only the answer was lost: the audit knows the numbers. */
static enum err_kind recall(struct postgres *p, const struct batch *b,
                            struct receipt *r, struct err *e)
{
    PGresult *rows = NULL;
    const char *text;

    buf_reset(&p->sql);
    buf_put_str(&p->sql, "SELECT rows_loaded, rows_rejected, rows_duplicate, bytes, "
                         "rows_filtered, rows_quarantined FROM etl_batch WHERE");
    postgres_put_where(&p->sql, p, b->topic, b->partition);
    buf_printf(&p->sql,
               " AND generation = %" PRId32 " AND first_offset = %" PRId64
               " AND last_offset = %" PRId64,
               b->generation, b->first, b->next - 1);
    TRY(postgres_text(&p->sql, &text, e));
    TRY(pg_ask(&p->pg, &rows, text, e));
    if (PQntuples(rows) != 1) {
        PQclear(rows);
        return err_set(e, ERR_CONFLICT,
                       "etl_offsets passed this range, etl_batch has not");
    }
    *r = (struct receipt){.loaded = (size_t)number(rows, 0, 0),
                          .rejected = (size_t)number(rows, 0, 1),
                          .duplicate = (size_t)number(rows, 0, 2),
                          .bytes = (size_t)number(rows, 0, 3),
                          .filtered = (size_t)number(rows, 0, 4),
                          .quarantined = (size_t)number(rows, 0, 5),
                          .again = true};
    PQclear(rows);
    return pg_run(&p->pg, "ROLLBACK", e);
}

static enum err_kind try(struct postgres *p, const struct batch *b, struct sift *sift,
                         struct receipt *r, struct err *e)
{
    int64_t began_us = clock_us();
    enum standing at = STANDS_FIRST;

    start_over(p);
    TRY(open_transaction(p, b, &at, e));
    if (at == STANDS_NEXT)
        return recall(p, b, r, e);
    if (at == STANDS_ALTERED) {
        p->stale = r->busy = true;
        return err_set(e, ERR_UNAVAILABLE, "the table was altered: looking again");
    }
    TRY(postgres_begin_rules(p, b, sift, e));
    TRY(postgres_begin_dedupe(p, b, e));
    TRY(load(p, b, sift, e));
    TRY(postgres_write_dedupe(p, b, e));
    TRY(postgres_sweep_ids(p, e));
    return close_transaction(p, b, r, began_us, e);
}

static void note_attempt(struct postgres *p, const struct batch *b, const struct err *e)
{
    if (p->n_attempts >= ATTEMPTS_MOST)
        return;
    buf_printf(&p->attempts, "%s('%s', ", p->n_attempts == 0 ? "" : ", ", p->run.id);
    etl_put_text(&p->attempts, p->o.job);
    buf_put_str(&p->attempts, ", ");
    etl_put_text(&p->attempts, b->topic);
    buf_printf(&p->attempts,
               ", %" PRId32 ", %" PRId64 ", to_timestamp(%" PRId64 " / 1000.0), ",
               b->partition, b->first, wall_ms());
    etl_put_text(&p->attempts, p->pg.sqlstate[0] == '\0' ? NULL : p->pg.sqlstate);
    buf_put_str(&p->attempts, ", ");
    etl_put_text(&p->attempts, e->msg);
    buf_put_str(&p->attempts, ")");
    p->n_attempts++;
}

/* Once a run: a table that is parted by a trigger does it with every row. */
static void tell_untaken(struct postgres *p, const struct batch *b,
                         const struct receipt *r)
{
    char name[BATCH_NAME];

    if (r->untaken == 0 || p->told_untaken)
        return;
    p->told_untaken = true;
    batch_name(name, b);
    log_event(LOG_WARN, "the table took fewer rows than were sent",
              LOG_S("table", p->o.table), LOG_S("batch", name),
              LOG_I("sent", r->loaded), LOG_I("taken", r->loaded - r->untaken),
              LOG_S("why",
                    "a trigger of it returns NULL; whether it put them elsewhere "
                    "is its own affair"),
              LOG_S("see", "etl_log.records_untaken"), LOG_END);
}

enum err_kind postgres_write(struct sink *s, const struct batch *b, struct sift *sift,
                             struct receipt *r, struct err *e)
{
    struct postgres *p = postgres_of(s);
    struct err ignored = {0};

    *r = (struct receipt){0};
    if (p->stale)
        TRY(postgres_reshape(p, e));
    enum err_kind rc = try(p, b, sift, r, e);
    if (rc == ERR_OK) {
        postgres_keep_rules(p, b, r);
        tell_untaken(p, b, r);
        if (p->o.memory != NULL)
            dedupe_keep(p->o.memory, b, r->again);
        if (!r->again) {
            buf_reset(&p->attempts);
            p->n_attempts = 0;
        }
        p->run_rejected += r->rejected;
        return ERR_OK;
    }
    r->busy |= p->pg.busy;
    note_attempt(p, b, e);
    // A COPY still open ends here too: the server throws it away.
    pg_copy_abandon(&p->pg);
    if (p->pg.conn != NULL)
        (void)!pg_run(&p->pg, "ROLLBACK", &ignored);
    return rc;
}
