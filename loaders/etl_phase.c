#include "loaders/etl_phase.h"

#include <inttypes.h>

enum err_kind phase_begin(struct pg *pg, const struct run *r, const struct etl_phase *p,
                          struct err *e)
{
    struct buf sql = BUF_INIT(1 << 16);

    buf_printf(&sql,
               "INSERT INTO etl_phase (run_id, job_name, number, phase, status) VALUES "
               "('%s', ",
               r->id);
    etl_put_text(&sql, r->job);
    buf_printf(&sql, ", %d, '%s', 'running') ON CONFLICT (run_id, number) DO NOTHING%c",
               p->number, p->name, 0);
    enum err_kind rc = buf_status(&sql, e);
    if (rc == ERR_OK)
        rc = pg_run(pg, (const char *)sql.p, e);
    buf_free(&sql);
    return rc;
}

enum err_kind phase_end(struct pg *pg, const struct run *r, const struct etl_phase *p,
                        const char *status, const char *why, struct err *e)
{
    struct buf sql = BUF_INIT(1 << 16);

    buf_printf(&sql,
               "INSERT INTO etl_phase AS p (run_id, job_name, number, phase, "
               "start_time, end_time, status, rows_in, rows_out, files_in, files_out, "
               "bytes_in, bytes_out, load_run, error_message) VALUES ('%s', ",
               r->id);
    etl_put_text(&sql, r->job);
    buf_printf(&sql,
               ", %d, '%s', now() - %" PRId64
               " * interval '1 ms', now(), '%s', %" PRId64 ", %" PRId64 ", %" PRId64
               ", %" PRId64 ", %" PRId64 ", %" PRId64 ", ",
               p->number, p->name, p->ms, status, p->rows_in, p->rows_out, p->files_in,
               p->files_out, p->bytes_in, p->bytes_out);
    etl_put_text(&sql, p->load_run);
    buf_put_str(&sql, "::uuid, ");
    etl_put_text(&sql, why);
    buf_put_str(&sql,
                ") ON CONFLICT (run_id, number) DO UPDATE SET end_time = "
                "greatest(p.start_time, excluded.end_time), status = excluded.status, "
                "rows_in = excluded.rows_in, rows_out = excluded.rows_out, files_in = "
                "excluded.files_in, files_out = excluded.files_out, bytes_in = "
                "excluded.bytes_in, bytes_out = excluded.bytes_out, load_run = "
                "excluded.load_run, error_message = excluded.error_message");
    enum err_kind rc = pg_run_buf(pg, &sql, e);
    buf_free(&sql);
    return rc;
}
