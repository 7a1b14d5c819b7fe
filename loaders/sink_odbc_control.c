/* A person's word about a job whose positions are in a database by ODBC. */
#include "loaders/control_inside.h"
#include "loaders/sink_odbc_inside.h"

#include <inttypes.h>
#include <stdlib.h>
#include <strings.h>

static struct odbc_sink *sink_of(struct control *c)
{
    return odbc_sink_of(c->odbc);
}

static enum err_kind open_odbc(struct control *c, struct err *e)
{
    struct odbc_options o = loader_odbc(&c->s.load);

    TRY(odbc_sink_open(&c->odbc, &o, e));
    return odbc_sink_connect(sink_of(c), e);
}

static void close_odbc(struct control *c)
{
    if (c->odbc != NULL)
        c->odbc->ops->close(c->odbc);
}

static enum err_kind need(struct control *c, struct err *e)
{
    return odbc_ledger_need(sink_of(c), e);
}

/* --- how it stands ---------------------------------------------------------------- */

/* The runs of the job that say they are at work. */
static enum err_kind ask_runs(struct odbc_sink *s, struct odbc_answer *out,
                              struct err *e)
{
    buf_reset(&s->sql);
    buf_put_str(&s->sql, "SELECT run_id FROM etl_log WHERE status = 'running' AND "
                         "job_name = ");
    dialect_put_text(&s->sql, s->d, s->o.job);
    return odbc_ask_buf(&s->ledger, &s->sql, out, e);
}

/* "host:pid run": who took it last. */
static bool is_at_work(const char *owner, const struct odbc_answer *runs)
{
    size_t n = strlen(owner);

    for (size_t i = 0; n >= (RUN_ID - 1) && i < runs->rows; i++)
        if (strcasecmp(owner + n - (RUN_ID - 1), odbc_cell(runs, i, 0)) == 0)
            return true;
    return false;
}

enum { AT_PART, AT_NEXT, AT_GENERATION, AT_CRASHES, AT_UPDATED, AT_OWNER, AT_RELEASED };

static enum err_kind ask_positions(struct odbc_sink *s, struct odbc_answer *out,
                                   struct err *e)
{
    buf_reset(&s->sql);
    buf_put_str(&s->sql,
                "SELECT part, next_offset, generation, crashes, updated, owner, "
                "released FROM etl_offsets WHERE");
    odbc_put_job(&s->sql, s, s->o.topic);
    return odbc_ask_buf(&s->ledger, &s->sql, out, e);
}

static int64_t number(const struct odbc_answer *a, size_t row, size_t column)
{
    const char *cell = odbc_cell(a, row, column);

    return cell == NULL ? 0 : strtoll(cell, NULL, 10);
}

static void read_positions(struct control *c, const struct odbc_answer *a,
                           const struct odbc_answer *runs)
{
    for (size_t i = 0; i < a->rows; i++) {
        struct stand *t = control_stand(c, number(a, i, AT_PART));
        const char *owner = odbc_cell(a, i, AT_OWNER);
        if (t == NULL || owner == NULL)
            continue;
        t->next = number(a, i, AT_NEXT);
        t->generation = (int32_t)number(a, i, AT_GENERATION);
        t->crashes = number(a, i, AT_CRASHES);
        t->changed_ms = odbc_time_ms(odbc_cell(a, i, AT_UPDATED));
        t->owner = arena_str(&c->a, span_of(owner, strcspn(owner, " ")));
        t->running =
            !odbc_is_true(odbc_cell(a, i, AT_RELEASED)) && is_at_work(owner, runs);
    }
}

static enum err_kind ask_pause(struct control *c, struct err *e)
{
    return c->odbc->ops->paused(c->odbc, &c->pause, e);
}

static enum err_kind ask(struct control *c, struct err *e)
{
    struct odbc_sink *s = sink_of(c);
    struct odbc_answer a, runs;
    bool began;

    TRY(odbc_ledger_is_there(s, "etl_pause", &began, e));
    if (!began)
        return ERR_OK;
    TRY(ask_runs(s, &runs, e));
    enum err_kind rc = ask_positions(s, &a, e);
    if (rc == ERR_OK) {
        read_positions(c, &a, &runs);
        odbc_answer_free(&a);
    }
    odbc_answer_free(&runs);
    TRY(rc);
    return ask_pause(c, e);
}

static enum err_kind ask_jobs(struct control *c, struct err *e)
{
    struct odbc_sink *s = sink_of(c);
    struct odbc_answer a;
    bool began;

    TRY(odbc_ledger_is_there(s, "etl_offsets", &began, e));
    if (!began)
        return ERR_OK;
    buf_reset(&s->sql);
    buf_put_str(&s->sql, CONTROL_JOBS);
    dialect_put_text(&s->sql, s->d, s->o.job);
    TRY(odbc_ask_buf(&s->ledger, &s->sql, &a, e));
    c->jobs.names = arena_array(&c->a, a.rows + 1, sizeof *c->jobs.names);
    for (size_t i = 0; i < a.rows; i++)
        if (odbc_cell(&a, i, 0) != NULL)
            c->jobs.names[c->jobs.n++] =
                arena_str(&c->a, span_str(odbc_cell(&a, i, 0)));
    odbc_answer_free(&a);
    return ERR_OK;
}

/* --- pause, resume ---------------------------------------------------------------- */

/* Paused already: the newer word counts. */
static enum err_kind put_pause(struct odbc_sink *s, const char *who, const char *reason,
                               struct err *e)
{
    static const char *const columns[] = {"pipeline", "since", "who", "reason"};
    struct buf job = BUF_INIT(4000);

    dialect_put_text(&job, s->d, s->o.job);
    buf_put_u8(&job, 0);
    const char *const values[] = {(const char *)job.p, s->d->now, who, reason};
    buf_reset(&s->sql);
    buf_printf(&s->sql,
               "UPDATE etl_pause SET since = %s, who = %s, reason = %s WHERE "
               "pipeline = %s",
               s->d->now, who, reason, (const char *)job.p);
    enum err_kind rc = odbc_run_buf(&s->ledger, &s->sql, NULL, e);
    buf_reset(&s->sql);
    s->d->put_once(&s->sql, s->d, "etl_pause", columns, values, 4, 1, 1);
    if (rc == ERR_OK)
        rc = odbc_run_buf(&s->ledger, &s->sql, NULL, e);
    buf_free(&job);
    return rc;
}

static enum err_kind pause_job(struct control *c, const struct pause *p, struct err *e)
{
    struct odbc_sink *s = sink_of(c);
    struct buf who = BUF_INIT(4000), reason = BUF_INIT(4000);

    dialect_put_text(&who, s->d, p->who);
    buf_put_u8(&who, 0);
    dialect_put_text(&reason, s->d, p->reason);
    buf_put_u8(&reason, 0);
    enum err_kind rc = put_pause(s, (const char *)who.p, (const char *)reason.p, e);
    buf_free(&who);
    buf_free(&reason);
    return rc;
}

static enum err_kind resume(struct control *c, struct err *e)
{
    struct odbc_sink *s = sink_of(c);

    buf_reset(&s->sql);
    buf_put_str(&s->sql, "DELETE FROM etl_pause WHERE pipeline = ");
    dialect_put_text(&s->sql, s->d, s->o.job);
    return odbc_run_buf(&s->ledger, &s->sql, NULL, e);
}

/* --- reset ------------------------------------------------------------------------ */

/* Whoever loads meanwhile waits, or was before us: then the rows tell. */
static enum err_kind lock_positions(struct control *c, struct odbc_answer *out,
                                    struct err *e)
{
    struct odbc_sink *s = sink_of(c);

    for (int32_t i = 0; i < c->n; i++) {
        const struct stand *t = &c->stands[i];
        if (control_moves(c, t) && t->next == CONTROL_NONE)
            TRY(odbc_ensure_position(s, s->o.topic, i, t->target, e));
    }
    buf_reset(&s->sql);
    buf_printf(&s->sql, "UPDATE etl_offsets SET updated = %s WHERE", s->d->now);
    odbc_put_job(&s->sql, s, s->o.topic);
    TRY(odbc_run_buf(&s->ledger, &s->sql, NULL, e));
    return ask_positions(s, out, e);
}

static enum err_kind put_move(struct odbc_sink *s, const struct stand *t,
                              int32_t generation, struct err *e)
{
    buf_reset(&s->sql);
    buf_printf(&s->sql,
               "UPDATE etl_offsets SET next_offset = %" PRId64
               ", epoch = epoch + 1, generation = %" PRId32
               ", mark = NULL, crashes = 0, crash_offset = NULL, trying = %s, "
               "isolate_until = 0, updated = %s WHERE",
               t->target, generation, s->d->no, s->d->now);
    odbc_put_where(&s->sql, s, s->o.topic, t->partition);
    return odbc_run_buf(&s->ledger, &s->sql, NULL, e);
}

/* `was` -1: it had no position yet. */
static enum err_kind put_reset(struct control *c, const struct stand *t,
                               int32_t generation, int64_t was, const char *who,
                               struct err *e)
{
    struct odbc_sink *s = sink_of(c);

    buf_reset(&s->sql);
    buf_put_str(&s->sql, "INSERT INTO etl_reset (pipeline, topic, part, generation, "
                         "was, goes_on, who, reason, ");
    dialect_put_ledger_name(&s->sql, s->d, "at");
    buf_put_str(&s->sql, ") VALUES (");
    dialect_put_text(&s->sql, s->d, s->o.job);
    buf_put_str(&s->sql, ", ");
    dialect_put_text(&s->sql, s->d, s->o.topic);
    buf_printf(&s->sql, ", %" PRId32 ", %" PRId32 ", ", t->partition, generation);
    if (was < 0)
        buf_put_str(&s->sql, "NULL");
    else
        buf_printf(&s->sql, "%" PRId64, was);
    buf_printf(&s->sql, ", %" PRId64 ", ", t->target);
    dialect_put_text(&s->sql, s->d, who);
    buf_put_str(&s->sql, ", ");
    dialect_put_text(&s->sql, s->d, c->s.reason);
    buf_printf(&s->sql, ", %s)", s->d->now);
    return odbc_run_buf(&s->ledger, &s->sql, NULL, e);
}

/* The generation rises, so that what is loaded again, or passed over, is neither an
 * overlap nor a gap; a position that we have just made begins with none. */
static enum err_kind move_one(struct control *c, const struct odbc_answer *a,
                              size_t row, const char *who, struct err *e)
{
    const struct stand *t = control_stand(c, number(a, row, AT_PART));

    if (t == NULL || !control_moves(c, t))
        return ERR_OK;
    int64_t was = number(a, row, AT_NEXT);
    bool made = t->next == CONTROL_NONE && was == t->target;
    int32_t generation = (int32_t)number(a, row, AT_GENERATION) + !made;
    TRY(put_move(sink_of(c), t, generation, e));
    return put_reset(c, t, generation, made ? -1 : was, who, e);
}

static enum err_kind move_all(struct control *c, const char *who, struct err *e)
{
    struct odbc_answer a;
    enum err_kind rc = ERR_OK;

    TRY(lock_positions(c, &a, e));
    for (size_t i = 0; i < a.rows && rc == ERR_OK; i++)
        rc = move_one(c, &a, i, who, e);
    odbc_answer_free(&a);
    return rc;
}

static enum err_kind move(struct control *c, const char *who, struct err *e)
{
    struct odbc *o = &sink_of(c)->ledger;

    TRY(odbc_begin(o, e));
    if (move_all(c, who, e) == ERR_OK)
        return odbc_commit(o, e);
    odbc_rollback(o);
    return e->kind;
}

const struct control_ledger control_odbc = {
    .open = open_odbc,
    .close = close_odbc,
    .need = need,
    .ask = ask,
    .ask_pause = ask_pause,
    .ask_jobs = ask_jobs,
    .what = "job",
    .pause = pause_job,
    .resume = resume,
    .move = move,
};
