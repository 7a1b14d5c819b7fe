#include "loaders/sink_odbc_phase.h"

#include "loaders/sink_odbc_inside.h"

#include <inttypes.h>
#include <stdio.h>

enum err_kind odbc_phases_open(struct sink **out, const struct odbc_options *o,
                               const struct run *run, struct err *e)
{
    TRY(odbc_sink_open(out, o, e));
    odbc_sink_of(*out)->run = *run;
    return ERR_OK;
}

/* The row, where it is not there yet. */
static enum err_kind put_row(struct odbc_sink *s, const struct etl_phase *p,
                             struct err *e)
{
    static const char *const names[] = {
        "run_id",  "number",   "job_name", "phase",     "start_time", "status",
        "rows_in", "rows_out", "files_in", "files_out", "bytes_in",   "bytes_out"};
    enum { COLUMNS = sizeof names / sizeof names[0] };
    const char *columns[COLUMNS];
    struct arena a = {0};
    struct buf name = BUF_INIT(100);
    char number[16];

    memcpy(columns, names, sizeof names);
    dialect_put_ledger_name(&name, s->d, "number");
    columns[1] = arena_str(&a, buf_span(&name));
    snprintf(number, sizeof number, "%d", p->number);
    const char *const values[COLUMNS] = {odbc_literal(s, &a, s->run.id),
                                         number,
                                         odbc_literal(s, &a, s->run.job),
                                         odbc_literal(s, &a, p->name),
                                         s->d->now,
                                         "'running'",
                                         "0",
                                         "0",
                                         "0",
                                         "0",
                                         "0",
                                         "0"};
    buf_reset(&s->sql);
    s->d->put_once(&s->sql, s->d, "etl_phase", columns, values, COLUMNS, 1, 2);
    enum err_kind rc = odbc_run_buf(&s->ledger, &s->sql, NULL, e);
    buf_free(&name);
    arena_free(&a);
    return rc;
}

/* The run is at work: it says so in its row, too. */
static enum err_kind give_sign(struct odbc_sink *s, struct err *e)
{
    buf_reset(&s->sql);
    buf_printf(&s->sql,
               "UPDATE etl_log SET last_sign = %s, changed = %s WHERE run_id = '%s'",
               s->d->now, s->d->now, s->run.id);
    return odbc_run_buf(&s->ledger, &s->sql, NULL, e);
}

enum err_kind odbc_phase_begin(struct sink *sink, const struct etl_phase *p,
                               struct err *e)
{
    struct odbc_sink *s = odbc_sink_of(sink);

    TRY(odbc_connect(&s->ledger, e));
    TRY(put_row(s, p, e));
    return give_sign(s, e);
}

enum err_kind odbc_phase_end(struct sink *sink, const struct etl_phase *p,
                             const char *status, const char *why, struct err *e)
{
    struct odbc_sink *s = odbc_sink_of(sink);

    TRY(odbc_connect(&s->ledger, e));
    TRY(put_row(s, p, e));
    buf_reset(&s->sql);
    buf_printf(&s->sql,
               "UPDATE etl_phase SET end_time = %s, status = '%s', rows_in = %" PRId64
               ", rows_out = %" PRId64 ", files_in = %" PRId64 ", files_out = %" PRId64
               ", bytes_in = %" PRId64 ", bytes_out = %" PRId64 ", load_run = ",
               s->d->now, status, p->rows_in, p->rows_out, p->files_in, p->files_out,
               p->bytes_in, p->bytes_out);
    dialect_put_text(&s->sql, s->d, p->load_run);
    buf_put_str(&s->sql, ", error_message = ");
    dialect_put_text(&s->sql, s->d, why);
    buf_printf(&s->sql, " WHERE run_id = '%s' AND ", s->run.id);
    dialect_put_ledger_name(&s->sql, s->d, "number");
    buf_printf(&s->sql, " = %d", p->number);
    TRY(odbc_run_buf(&s->ledger, &s->sql, NULL, e));
    return give_sign(s, e);
}

enum err_kind odbc_ask_loaded(struct sink *sink, const char *job, const char *topic,
                              int32_t partition, int64_t *next, struct err *e)
{
    struct odbc_sink *s = odbc_sink_of(sink);
    struct odbc_answer a;

    TRY(odbc_sink_connect(s, e));
    TRY(odbc_ledger_need(s, e));
    buf_reset(&s->sql);
    buf_put_str(&s->sql, "SELECT next_offset FROM etl_offsets WHERE pipeline = ");
    dialect_put_text(&s->sql, s->d, job);
    buf_put_str(&s->sql, " AND topic = ");
    dialect_put_text(&s->sql, s->d, topic);
    buf_printf(&s->sql, " AND part = %" PRId32, partition);
    TRY(odbc_ask_buf(&s->ledger, &s->sql, &a, e));
    *next = a.rows == 0 ? 0 : odbc_number(&a, 0);
    odbc_answer_free(&a);
    return ERR_OK;
}
