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
               "UPDATE etl_phase SET status = '%s', end_time = greatest(start_time, "
               "clock_timestamp()), rows_in = %" PRId64 ", rows_out = %" PRId64
               ", files_in = %" PRId64 ", files_out = %" PRId64 ", bytes_in = %" PRId64
               ", bytes_out = %" PRId64 ", load_run = ",
               status, p->rows_in, p->rows_out, p->files_in, p->files_out, p->bytes_in,
               p->bytes_out);
    etl_put_text(&sql, p->load_run);
    buf_put_str(&sql, "::uuid, error_message = ");
    etl_put_text(&sql, why);
    buf_printf(&sql, " WHERE run_id = '%s' AND number = %d%c", r->id, p->number, 0);
    enum err_kind rc = buf_status(&sql, e);
    if (rc == ERR_OK)
        rc = pg_run(pg, (const char *)sql.p, e);
    buf_free(&sql);
    return rc;
}
