/* Records that are set aside, and rows for the ledger's tables. */
#include "loaders/sink_odbc_inside.h"

#include "base/clock.h"
#include "loaders/etl_field.h"

#include <stdio.h>
#include <stdlib.h>

enum err_kind odbc_check_limit(const struct odbc_sink *s, const struct batch *b,
                               struct err *e)
{
    return rejects_check(&s->rejects, b, s->run_rejected, s->o.reject_floor,
                         s->o.reject_limit, e);
}

/* As reject_put() has them. */
static const struct ledger_column reject_columns[REJECT_FIELDS] = {
    {"pipeline", KIND_NAME, FORM_TEXT},
    {"topic", KIND_NAME, FORM_TEXT},
    {"part", KIND_INT, FORM_INT4},
    {"generation", KIND_INT, FORM_INT4},
    {"record_offset", KIND_LONG, FORM_INT8},
    {"run_id", KIND_UUID, FORM_UUID},
    {"rejected", KIND_INSTANT, FORM_TIMESTAMP},
    {"record_time", KIND_INSTANT, FORM_TIMESTAMP},
    {"stage", KIND_NAME, FORM_TEXT},
    {"error", KIND_TEXT, FORM_TEXT},
    {"sqlstate", KIND_NAME, FORM_TEXT},
    {"column_name", KIND_NAME, FORM_TEXT},
    {"constraint_name", KIND_NAME, FORM_TEXT},
    {"schema_id", KIND_INT, FORM_INT4},
    {"record_key", KIND_BYTES, FORM_BYTEA},
    {"record_value", KIND_BYTES, FORM_BYTEA},
    {"headers", KIND_JSON, FORM_JSONB},
    {"rule", KIND_TEXT, FORM_TEXT},
    {"pointer", KIND_TEXT, FORM_TEXT},
};

static enum dialect_kind kind_in(const struct dialect *d, const struct ledger_column *c)
{
    return c->kind == KIND_JSON && !d->json_in_ledger ? KIND_TEXT : c->kind;
}

/* Where a value is made in a SELECT, a literal does as well: no stage for the ledger.
 */
static void put_insert(struct buf *sql, const struct dialect *d, const char *table,
                       const struct ledger_column *columns, size_t n)
{
    buf_printf(sql, "INSERT INTO %s (", table);
    for (size_t i = 0; i < n; i++) {
        buf_put_str(sql, i == 0 ? "" : ", ");
        dialect_put_ledger_name(sql, d, columns[i].name);
    }
    buf_put_str(sql, ") VALUES (");
    for (size_t i = 0; i < n; i++)
        buf_printf(sql, "%s%s", i == 0 ? "" : ", ",
                   d->types[kind_in(d, &columns[i])].marker);
    buf_put_u8(sql, ')');
    buf_put_u8(sql, 0);
}

static void use_columns(struct bound *b, const struct ledger_column *columns, size_t n)
{
    enum dialect_kind kinds[LEDGER_COLUMNS];
    enum table_form forms[LEDGER_COLUMNS];

    for (size_t i = 0; i < n && b->n == 0; i++) {
        kinds[i] = kind_in(b->d, &columns[i]);
        forms[i] = columns[i].form;
    }
    if (b->n == 0)
        bound_use_kinds(b, kinds, forms, n);
}

enum err_kind odbc_put_ledger_rows(struct odbc_sink *s, struct bound *bound,
                                   const char *table,
                                   const struct ledger_column *columns, size_t n,
                                   struct buf *rows, const struct bound_row *index,
                                   size_t n_rows, struct err *e)
{
    enum err_kind rc = buf_status(rows, e);
    size_t most = s->o.array > 1 ? (size_t)s->o.array : 1;
    int64_t hint;

    use_columns(bound, columns, n);
    buf_reset(&s->sql);
    put_insert(&s->sql, s->d, table, columns, n);
    for (size_t at = 0; at < n_rows && rc == ERR_OK;) {
        size_t now = bound_fill(bound, rows->p, index + at, n_rows - at, most);
        rc = odbc_put(&s->db, 1, (const char *)s->sql.p, bound->values, n, now, true,
                      &hint, e);
        at += now;
    }
    if (rc == ERR_INVALID || rc == ERR_LIMIT) // no record's fault
        e->kind = rc = ERR_INTERNAL;
    return rc;
}

static int64_t ms_most(const struct dialect *d)
{
    return (d->year_max - 1970) * INT64_C(365) * 86400000;
}

bool odbc_put_time(struct buf *out, const struct dialect *d, int64_t ms)
{
    struct err ignored = {0};

    return ms >= 0 && ms <= ms_most(d) &&
           copy_timestamp(out, ms, 1000, &ignored) == ERR_OK;
}

enum err_kind odbc_write_rejects(struct odbc_sink *s, const struct batch *b,
                                 struct err *e)
{
    struct buf out = BUF_INIT((size_t)1 << 30);
    struct bound_row *index = mem_array(s->rejects.n + 1, sizeof *index);

    for (size_t i = 0; i < s->rejects.n; i++) {
        index[i].at = out.n;
        reject_put(&out, &s->rejects.items[i], b, s->o.job, s->run.id, ms_most(s->d));
    }
    enum err_kind rc =
        odbc_put_ledger_rows(s, &s->rejects_bound, "etl_reject", reject_columns,
                             REJECT_FIELDS, &out, index, s->rejects.n, e);
    free(index);
    buf_free(&out);
    return rc;
}
