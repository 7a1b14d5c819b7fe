/* One batch, one transaction. */
#include "loaders/sink_odbc_inside.h"

#include "base/clock.h"
#include "base/log.h"
#include "loaders/dedupe.h"
#include "loaders/etl_field.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

/* --- the transaction's first answer ----------------------------------------------- */

static enum err_kind judge(const struct batch *b, const struct odbc_answer *a,
                           bool *there, struct err *e)
{
    if (a->rows != 1)
        return err_set(e, ERR_CONFLICT, "etl_offsets has %zu rows for this partition",
                       a->rows);
    int64_t next = odbc_number(a, 0), epoch = odbc_number(a, 1);
    if (epoch != b->epoch)
        return err_set(e, ERR_CONFLICT,
                       "epoch %" PRId64 " was ours, etl_offsets is at %" PRId64,
                       b->epoch, epoch);
    if (next != b->first && next != b->next)
        return err_set(e, ERR_CONFLICT, "etl_offsets stands at %" PRId64, next);
    *there = next == b->next;
    return ERR_OK;
}

static enum err_kind open_transaction(struct odbc_sink *s, const struct batch *b,
                                      bool *there, struct err *e)
{
    struct odbc_answer a;

    TRY(odbc_need_stages(s, e));
    TRY(odbc_begin(&s->db, e));
    buf_reset(&s->sql);
    buf_printf(&s->sql, "UPDATE etl_offsets SET updated = %s WHERE", s->d->now);
    odbc_put_where(&s->sql, s, b->topic, b->partition);
    TRY(odbc_run_buf(&s->db, &s->sql, NULL, e)); // and from here on it is locked
    buf_reset(&s->sql);
    buf_put_str(&s->sql, "SELECT next_offset, epoch FROM etl_offsets WHERE");
    odbc_put_where(&s->sql, s, b->topic, b->partition);
    TRY(odbc_ask_buf(&s->db, &s->sql, &a, e));
    enum err_kind rc = judge(b, &a, there, e);
    odbc_answer_free(&a);
    return rc;
}

/* --- rows ------------------------------------------------------------------------- */

static void add_row(struct odbc_sink *s, size_t at, size_t record, int32_t id)
{
    if (s->n_rows == s->cap_rows) {
        s->cap_rows = s->cap_rows == 0 ? 1024 : s->cap_rows * 2;
        s->index = mem_grow(s->index, s->cap_rows, sizeof *s->index);
    }
    s->index[s->n_rows++] =
        (struct bound_row){.at = at, .record = (uint32_t)record, .schema_id = id};
}

static bool is_deletion(const struct odbc_sink *s, const struct record *rec)
{
    return s->o.deletes && rec->value.p == NULL;
}

static void note_id(int32_t *ids, size_t *n, int32_t id)
{
    for (size_t i = 0; i < *n; i++)
        if (ids[i] == id)
            return;
    if (*n < ODBC_IDS_MOST)
        ids[(*n)++] = id;
}

/* Behind the columns of a staged row (stage_columns[]): its offset is its order. */
static void put_extra(struct odbc_sink *s, const struct record *rec)
{
    struct err never = {0};

    if (s->to.extra > 0)
        copy_int8(&s->rows.out, rec->offset);
    if (s->to.extra > 1)
        (void)!copy_int4(&s->rows.out, is_deletion(s, rec), &never);
    if (s->to.extra > 2 && !odbc_put_time(&s->rows.out, s->d, rec->timestamp_ms))
        (void)!odbc_put_time(&s->rows.out, s->d, wall_ms());
}

static enum err_kind check_row(struct odbc_sink *s, size_t at, const struct record *rec,
                               const char **column, struct err *e)
{
    size_t i;

    put_extra(s, rec);
    enum err_kind rc = buf_status(&s->rows.out, e);
    if (rc == ERR_OK &&
        (rc = bound_check(&s->to.bound, s->rows.out.p + at, &i, e)) != ERR_OK)
        *column = s->to.table.columns[i].name;
    return rc;
}

static enum err_kind decode(struct odbc_sink *s, struct sift *sift,
                            const struct record *rec, struct sifted *got,
                            const char **column, struct err *e)
{
    rows_begin(&s->rows);
    enum err_kind rc = sift_record(sift, rec, &s->rows.visitor, got, e);
    if (rc != ERR_OK || got->fate != SIFT_ROW) {
        rows_take_back(&s->rows);
        *column = rows_failed_at(&s->rows);
        if (rc != ERR_OK && s->rows.refused)
            got->stage = "value";
        return rc;
    }
    got->stage = "value";
    return rows_end(&s->rows, e);
}

static enum err_kind delete_row(struct odbc_sink *s, struct sift *sift,
                                const struct record *rec, struct sifted *got,
                                struct err *e)
{
    got->stage = "tombstone";
    return deletion_put(&s->deletion, &s->rows.out, s->rows.extra, sift, rec, e);
}

static enum err_kind put_row(struct odbc_sink *s, struct sift *sift,
                             const struct record *rec, struct sifted *got,
                             const char **column, struct err *e)
{
    size_t at = s->rows.out.n;

    TRY(is_deletion(s, rec) ? delete_row(s, sift, rec, got, e)
                            : decode(s, sift, rec, got, column, e));
    if (got->fate != SIFT_ROW)
        return ERR_OK;
    if (check_row(s, at, rec, column, e) == ERR_OK)
        return ERR_OK;
    buf_cut(&s->rows.out, at);
    s->rows.out.over = false;
    return e->kind;
}

static void set_aside(struct odbc_sink *s, size_t i, const struct sifted *got,
                      const char *column, const struct err *why)
{
    rejects_add_sifted(&s->rejects, i, got, column, why->msg);
}

static void stop(struct odbc_sink *s, const struct batch *b, size_t i,
                 const struct sifted *got)
{
    (void)err_set(&s->stop, ERR_LIMIT,
                  "stopped by quality rule \"%.100s\": %.60s/%" PRId32 "@%" PRId64
                  ": %.*s",
                  got->rule, b->topic, b->partition, b->records[i].offset,
                  (int)got->why.n, (const char *)got->why.p);
}

static void encode(struct odbc_sink *s, const struct batch *b, struct sift *sift,
                   size_t i)
{
    struct sifted got = {.id = -1, .stage = "value", .rule = "", .pointer = ""};
    const char *column = "";
    struct err e = {0};
    size_t at = s->rows.out.n;

    if (b->undecoded) {
        rejects_add(&s->rejects, i, -1, "crash",
                    "the loader died on this record again and again");
        return;
    }
    if (s->to.table.n == 0) { // no schema was ever readable
        (void)!sift_find(sift, &b->records[i], &got, &e);
        set_aside(s, i, &got, "", &e);
        return;
    }
    if (put_row(s, sift, &b->records[i], &got, &column, &e) != ERR_OK) {
        set_aside(s, i, &got, column, &e);
        return;
    }
    if (got.fate == SIFT_ASIDE &&
        odbc_put_aside(s, b, &b->records[i], &got, &e) != ERR_OK) {
        got.stage = "value";
        set_aside(s, i, &got, rows_failed_at(&s->aside_rows), &e);
        return;
    }
    if (got.fate == SIFT_STOP)
        stop(s, b, i, &got);
    s->filtered += got.fate == SIFT_FILTERED;
    if (got.fate == SIFT_ROW)
        add_row(s, at, i, got.id);
    if (got.id >= 0)
        note_id(s->ids, &s->n_ids, got.id);
}

static enum err_kind encode_all(struct odbc_sink *s, const struct batch *b,
                                struct sift *sift, struct err *e)
{
    TRY(odbc_begin_rules(s, b, sift, e));
    for (size_t i = 0; i < b->n && s->stop.kind == ERR_OK; i++)
        if (!repeats_has(&s->repeats, i))
            encode(s, b, sift, i);
    if (s->stop.kind != ERR_OK)
        *e = s->stop;
    return s->stop.kind;
}

/* --- to the database -------------------------------------------------------------- */

enum err_kind odbc_put_rows(struct odbc_sink *s, struct odbc_way *w,
                            const uint8_t *rows, const struct bound_row *index,
                            size_t n, int64_t *hint, struct err *e)
{
    bool by_array = s->d->rows_most == 1;
    struct table all = odbc_way_all(w);

    for (size_t at = 0; at < n;) {
        size_t now = bound_fill(&w->bound, rows, index + at, n - at, w->per);
        const char *sql = (const char *)w->insert.p;
        bool full = w == &s->to && (by_array || now == w->per);
        if (!by_array && now != w->per) {
            buf_reset(&s->sql);
            dialect_put_insert(&s->sql, s->d, &all,
                               w->stage[0] == '\0' ? (const char *)w->quoted.p
                                                   : w->stage,
                               w->extra, now);
            buf_put_u8(&s->sql, 0);
            TRY(buf_status(&s->sql, e));
            sql = (const char *)s->sql.p;
        }
        enum err_kind rc = odbc_put(&s->db, full ? 0 : 1, sql, w->bound.values,
                                    w->bound.n, now, by_array, hint, e);
        if (rc != ERR_OK) {
            *hint = *hint < 0 ? -1 : *hint + (int64_t)at;
            return rc;
        }
        at += now;
    }
    return ERR_OK;
}

/* From the stage to the target. */
static enum err_kind apply(struct odbc_sink *s, size_t staged, struct err *e)
{
    struct odbc_answer a;

    if (s->to.stage[0] == '\0' || s->o.mode == APPLY_APPEND) {
        if (s->to.stage[0] != '\0')
            TRY(odbc_apply_stage(s, e));
        s->loaded += staged;
        s->grown += (int64_t)staged;
        return ERR_OK;
    }
    TRY(odbc_work_out(s, e));
    TRY(odbc_ask(&s->db, (const char *)s->count.p, &a, e));
    int64_t keys = odbc_number(&a, 0), there = odbc_number(&a, 1);
    int64_t stay = odbc_number(&a, 2);
    odbc_answer_free(&a);
    TRY(odbc_apply_stage(s, e));
    s->loaded += (size_t)(s->o.mode == APPLY_IGNORE ? keys - there : keys);
    s->grown += stay - there;
    return ERR_OK;
}

static enum err_kind run_word(struct odbc_sink *s, const char *word, struct err *e)
{
    return word == NULL ? ERR_OK : odbc_run(&s->db, word, NULL, e);
}

static enum err_kind put_range(struct odbc_sink *s, size_t low, size_t high,
                               int64_t *hint, struct err *e)
{
    *hint = -1;
    TRY(run_word(s, s->d->savepoint, e));
    if (s->to.stage[0] != '\0') {
        buf_reset(&s->sql);
        buf_printf(&s->sql, "DELETE FROM %s", s->to.stage);
        TRY(odbc_run_buf(&s->db, &s->sql, NULL, e));
    }
    enum err_kind rc =
        odbc_put_rows(s, &s->to, s->rows.out.p, s->index + low, high - low, hint, e);
    if (rc != ERR_OK) {
        *hint = *hint < 0 ? -1 : *hint + (int64_t)low;
        return rc;
    }
    TRY(apply(s, high - low, e));
    return run_word(s, s->d->release, e);
}

static void blame(struct odbc_sink *s, size_t row, const char *sqlstate,
                  const char *why)
{
    struct reject *r = rejects_add(&s->rejects, s->index[row].record,
                                   s->index[row].schema_id, "database", why);

    snprintf(r->sqlstate, sizeof r->sqlstate, "%s", sqlstate);
}

/*
 * Loads what of [low, high) can be loaded.  The row that a driver names is only a hint:
 * each part is tried by itself, and halved where there is no hint.
 */
static enum err_kind bisect(struct odbc_sink *s, const struct batch *b, size_t low,
                            size_t high, struct err *e)
{
    while (low < high) {
        size_t loaded = s->loaded;
        int64_t grown = s->grown, hint;
        struct err why = {0};
        char sqlstate[6];
        enum err_kind rc = put_range(s, low, high, &hint, &why);

        if (rc == ERR_OK)
            return ERR_OK;
        if (rc != ERR_INVALID) {
            *e = why;
            return rc;
        }
        snprintf(sqlstate, sizeof sqlstate, "%s", s->db.sqlstate);
        s->loaded = loaded;
        s->grown = grown;
        TRY(run_word(s, s->d->back, e));
        if (high - low == 1) {
            blame(s, low, sqlstate, why.msg);
            return odbc_check_limit(s, b, e);
        }
        bool told = hint >= (int64_t)low && hint < (int64_t)high;
        size_t at = told ? (size_t)hint : low + (high - low) / 2;
        TRY(bisect(s, b, low, at, e));
        if (told && high - at > 1) {
            TRY(bisect(s, b, at, at + 1, e));
            at++;
        }
        low = at;
    }
    return ERR_OK;
}

static enum err_kind load(struct odbc_sink *s, const struct batch *b, struct err *e)
{
    TRY(odbc_check_limit(s, b, e));
    TRY(bisect(s, b, 0, s->n_rows, e));
    TRY(odbc_write_rules(s, b, e));
    return s->rejects.n == 0 ? ERR_OK : odbc_write_rejects(s, b, e);
}

/* --- the transaction's last statements -------------------------------------------- */

static void put_ids(struct buf *sql, const int32_t *ids, size_t n)
{
    buf_put_str(sql, "'{");
    for (size_t i = 0; i < n; i++)
        buf_printf(sql, "%s%" PRId32, i == 0 ? "" : ",", ids[i]);
    buf_put_str(sql, "}'");
}

static enum err_kind move_position(struct odbc_sink *s, const struct batch *b,
                                   struct err *e)
{
    buf_reset(&s->sql);
    buf_printf(&s->sql,
               "UPDATE etl_offsets SET next_offset = %" PRId64
               ", trying = %s, updated = %s, mark = ",
               b->next, s->d->no, s->d->now);
    int64_t mark = batch_mark(b);
    if (mark >= 0)
        buf_printf(&s->sql, "%" PRId64, mark);
    else
        buf_put_str(&s->sql, "NULL"); // a hole has no fingerprint
    buf_put_str(&s->sql, " WHERE");
    odbc_put_where(&s->sql, s, b->topic, b->partition);
    return odbc_run_buf(&s->db, &s->sql, NULL, e);
}

static enum err_kind add_batch(struct odbc_sink *s, const struct batch *b,
                               const struct receipt *r, int64_t us, struct err *e)
{
    struct buf *sql = &s->sql;

    buf_reset(sql);
    buf_put_str(
        sql,
        "INSERT INTO etl_batch (pipeline, topic, part, generation, first_offset, "
        "last_offset, run_id, rows_in, rows_loaded, rows_rejected, rows_duplicate, "
        "rows_filtered, rows_quarantined, rows_added, bytes, quarantine, target, "
        "schema_ids, started, finished, duration_us, instance, epoch) VALUES (");
    dialect_put_text(sql, s->d, s->o.job);
    buf_put_str(sql, ", ");
    dialect_put_text(sql, s->d, b->topic);
    buf_printf(sql,
               ", %" PRId32 ", %" PRId32 ", %" PRId64 ", %" PRId64
               ", '%s', %zu, %zu, %zu, %zu, %zu, %zu, %" PRId64 ", %zu, ",
               b->partition, b->generation, b->first, b->next - 1, s->run.id, b->n,
               r->loaded, r->rejected, r->duplicate, r->filtered, r->quarantined,
               s->grown, b->bytes);
    dialect_put_text(sql, s->d, r->quarantined > 0 ? s->aside_name : NULL);
    buf_put_str(sql, ", ");
    dialect_put_text(sql, s->d, s->o.table);
    buf_put_str(sql, ", ");
    put_ids(sql, s->ids, s->n_ids);
    buf_put_str(sql, ", ");
    dialect_put_ago(sql, s->d, us / 1000);
    buf_printf(sql, ", %s, %" PRId64 ", ", s->d->now, us);
    dialect_put_text(sql, s->d, s->run.instance);
    buf_printf(sql, ", %" PRId64 ")", b->epoch);
    return odbc_run_buf(&s->db, sql, NULL, e);
}

static enum err_kind add_attempt(struct odbc_sink *s, const struct batch *b,
                                 struct err *e)
{
    if (s->n_attempts == 0)
        return ERR_OK;
    buf_reset(&s->sql);
    buf_put_str(&s->sql, "INSERT INTO etl_attempt (run_id, pipeline, topic, part, "
                         "first_offset, sqlstate, error, ");
    dialect_put_ledger_name(&s->sql, s->d, "at");
    buf_printf(&s->sql, ") VALUES ('%s', ", s->run.id);
    dialect_put_text(&s->sql, s->d, s->o.job);
    buf_put_str(&s->sql, ", ");
    dialect_put_text(&s->sql, s->d, b->topic);
    buf_printf(&s->sql, ", %" PRId32 ", %" PRId64 ", ", b->partition, b->first);
    dialect_put_text(&s->sql, s->d,
                     s->attempt_state[0] == '\0' ? NULL : s->attempt_state);
    buf_put_str(&s->sql, ", ");
    dialect_put_text(&s->sql, s->d, (const char *)s->attempts_error.p);
    buf_put_str(&s->sql, ", ");
    dialect_put_ago(&s->sql, s->d, clock_ms() - s->attempt_ms);
    buf_put_str(&s->sql, ")");
    return odbc_run_buf(&s->db, &s->sql, NULL, e);
}

static struct odbc_range *range_of(struct odbc_sink *s, const struct batch *b)
{
    for (size_t i = 0; i < s->n_ranges; i++)
        if (s->ranges[i].partition == b->partition)
            return &s->ranges[i];
    s->ranges = mem_grow(s->ranges, s->n_ranges + 1, sizeof *s->ranges);
    s->ranges[s->n_ranges] = (struct odbc_range){b->partition, b->first, b->first - 1};
    return &s->ranges[s->n_ranges++];
}

/* The run's ranges as they are with this batch. */
static void put_ranges(struct buf *sql, const struct odbc_sink *s)
{
    const struct odbc_range *only = s->ranges;

    buf_put_str(sql, ", partitions = '{");
    for (size_t i = 0; i < s->n_ranges; i++)
        buf_printf(sql, "%s\"%" PRId32 "\": [%" PRId64 ", %" PRId64 "]",
                   i == 0 ? "" : ", ", s->ranges[i].partition, s->ranges[i].first,
                   s->ranges[i].last);
    buf_put_str(sql, "}', ");
    dialect_put_ledger_name(sql, s->d, "partition");
    if (s->n_ranges == 1)
        buf_printf(sql,
                   " = %" PRId32 ", first_offset = %" PRId64 ", last_offset = %" PRId64,
                   only->partition, only->first, only->last);
    else
        buf_put_str(sql, " = NULL, first_offset = NULL, last_offset = NULL");
}

static enum err_kind move_run(struct odbc_sink *s, const struct batch *b,
                              const struct receipt *r, struct err *e)
{
    buf_reset(&s->sql);
    buf_printf(
        &s->sql,
        "UPDATE etl_log SET status = 'running', end_time = NULL, error_message = "
        "NULL, last_sign = %s, changed = %s, records_processed = "
        "records_processed + %zu, records_rejected = records_rejected + %zu, "
        "records_duplicate = records_duplicate + %zu, records_filtered = "
        "records_filtered + %zu, records_quarantined = COALESCE(records_quarantined, "
        "0) "
        "+ %zu, batches = batches + 1, bytes = bytes + %zu, schema_ids = ",
        s->d->now, s->d->now, r->loaded, r->rejected, r->duplicate, r->filtered,
        r->quarantined, b->bytes);
    put_ids(&s->sql, s->run_ids, s->n_run_ids);
    put_ranges(&s->sql, s);
    buf_printf(&s->sql, " WHERE run_id = '%s'", s->run.id);
    return odbc_run_buf(&s->db, &s->sql, NULL, e);
}

static enum err_kind close_transaction(struct odbc_sink *s, const struct batch *b,
                                       struct receipt *r, int64_t began_us,
                                       struct err *e)
{
    int64_t us = clock_us() - began_us;
    struct odbc_range *range = range_of(s, b);
    struct odbc_range before = *range;
    size_t ids_before = s->n_run_ids;

    r->rejected = s->rejects.n;
    r->loaded = s->loaded;
    r->filtered = s->filtered;
    r->quarantined = s->n_aside;
    r->duplicate = b->n - r->loaded - r->rejected - r->filtered - r->quarantined;
    r->bytes = b->bytes;
    range->last = b->next - 1;
    for (size_t i = 0; i < s->n_ids; i++)
        note_id(s->run_ids, &s->n_run_ids, s->ids[i]);
    enum err_kind rc = move_position(s, b, e);
    if (rc == ERR_OK)
        rc = add_batch(s, b, r, us, e);
    if (rc == ERR_OK)
        rc = add_attempt(s, b, e);
    if (rc == ERR_OK)
        rc = move_run(s, b, r, e);
    if (rc == ERR_OK)
        rc = odbc_commit(&s->db, e);
    if (rc == ERR_INVALID)
        e->kind = rc = ERR_INTERNAL; // a rule of the audit's own tables
    if (rc != ERR_OK) {              // nobody knows: the next try finds out
        *range = before;
        s->n_run_ids = ids_before;
    }
    return rc;
}

/* --- one try ---------------------------------------------------------------------- */

static void start_over(struct odbc_sink *s)
{
    if (s->to.table.n > 0)
        rows_reset(&s->rows);
    arena_reset(&s->arena);
    rejects_reset(&s->rejects);
    repeats_reset(&s->repeats);
    if (s->aside.table.n > 0)
        rows_reset(&s->aside_rows);
    s->n_rows = s->n_ids = s->loaded = s->filtered = s->n_aside = 0;
    s->stop = (struct err){0};
    s->grown = 0;
}

/* It was committed, and only the answer was lost: the audit knows the numbers. */
static enum err_kind recall(struct odbc_sink *s, const struct batch *b,
                            struct receipt *r, struct err *e)
{
    struct odbc_answer a;

    buf_reset(&s->sql);
    buf_put_str(&s->sql, "SELECT rows_loaded, rows_rejected, rows_duplicate, bytes, "
                         "rows_filtered, rows_quarantined FROM etl_batch WHERE");
    odbc_put_where(&s->sql, s, b->topic, b->partition);
    buf_printf(&s->sql,
               " AND generation = %" PRId32 " AND first_offset = %" PRId64
               " AND last_offset = %" PRId64,
               b->generation, b->first, b->next - 1);
    TRY(odbc_ask_buf(&s->db, &s->sql, &a, e));
    if (a.rows != 1) {
        odbc_answer_free(&a);
        return err_set(e, ERR_CONFLICT,
                       "etl_offsets passed this range, etl_batch has not");
    }
    *r = (struct receipt){.loaded = (size_t)odbc_number(&a, 0),
                          .rejected = (size_t)odbc_number(&a, 1),
                          .duplicate = (size_t)odbc_number(&a, 2),
                          .bytes = (size_t)odbc_number(&a, 3),
                          .filtered = (size_t)odbc_number(&a, 4),
                          .quarantined = (size_t)odbc_number(&a, 5),
                          .again = true};
    odbc_answer_free(&a);
    range_of(s, b)->last = b->next - 1;
    odbc_rollback(&s->db);
    return ERR_OK;
}

static enum err_kind try(struct odbc_sink *s, const struct batch *b, struct sift *sift,
                         struct receipt *r, struct err *e)
{
    int64_t began_us = clock_us();
    bool there = false;

    start_over(s);
    if (s->o.ids_keep_ms > 0)
        repeats_find(&s->repeats, b);
    // What the owners before us have committed no longer changes: we have the epoch.
    TRY(odbc_begin_dedupe(s, b, e));
    bool inside = s->repeats.n > 0 || odbc_rules_remember(s);
    if (!inside) // before the row is locked: others wait for it
        TRY(encode_all(s, b, sift, e));
    TRY(open_transaction(s, b, &there, e));
    if (there)
        return recall(s, b, r, e);
    TRY(odbc_note_ids(s, b, e));
    if (inside)
        TRY(encode_all(s, b, sift, e));
    TRY(load(s, b, e));
    TRY(odbc_write_dedupe(s, b, e));
    return close_transaction(s, b, r, began_us, e);
}

static void note_attempt(struct odbc_sink *s, const struct err *e)
{
    s->n_attempts = 1;
    s->attempt_ms = clock_ms();
    snprintf(s->attempt_state, sizeof s->attempt_state, "%s", s->db.sqlstate);
    buf_reset(&s->attempts_error);
    buf_put_str(&s->attempts_error, e->msg);
    buf_put_u8(&s->attempts_error, 0);
}

/* A statement the database does not know (any more): somebody may have altered the
 * table.  Looked at once; if that does not help, a person must. */
static enum err_kind suspect(struct odbc_sink *s, struct receipt *r, struct err *e)
{
    if (s->reshaped || s->to.table.n == 0)
        return e->kind;
    s->stale = r->busy = true;
    e->kind = ERR_UNAVAILABLE;
    return err_prefix(e, "looking at the table again");
}

static enum err_kind reshape(struct odbc_sink *s, struct err *e)
{
    struct av_schema *reader = av_schema_retain(s->to.table.reader);
    enum err_kind rc = odbc_sink_shape(&s->sink, reader, e);

    av_schema_release(reader);
    s->reshaped = rc == ERR_OK;
    return rc;
}

enum err_kind odbc_sink_write(struct sink *sink, const struct batch *b,
                              struct sift *sift, struct receipt *r, struct err *e)
{
    struct odbc_sink *s = odbc_sink_of(sink);

    *r = (struct receipt){0};
    if (s->stale)
        TRY(reshape(s, e));
    odbc_sweep_ids(s);
    enum err_kind rc = try(s, b, sift, r, e);
    if (rc == ERR_OK) {
        odbc_keep_rules(s, b, r);
        s->n_attempts = 0;
        s->reshaped = false;
        if (s->o.memory != NULL)
            dedupe_keep(s->o.memory, b, r->again);
        s->run_rejected += r->rejected;
        return ERR_OK;
    }
    r->busy |= s->db.busy;
    note_attempt(s, e);
    odbc_rollback(&s->db);
    return rc == ERR_NOT_FOUND ? suspect(s, r, e) : rc;
}
