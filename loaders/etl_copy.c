#include "loaders/etl_copy.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "loaders/etl_log.h"
#include "loaders/migrate.h"

#include <stdlib.h>
#include <time.h>

#define EVERY_MS 2000
#define LAST_MS 3000
#define AT_ONCE ((size_t)256 << 20)

/* What was begun before a row we already have, and committed after it, is as old as the
 * longest transaction: so far back each round looks. */
#define OVERLAP "interval '10 minutes'"

static const struct copied {
    const char *table, *job, *changed, *key;
} tables[] = {
    {"etl_offsets", "pipeline", "updated", "pipeline, topic, part"},
    {"etl_log", "job_name", "changed", "run_id"},
    {"etl_batch", "pipeline", "finished",
     "pipeline, topic, part, generation, first_offset"},
    {"etl_reject", "pipeline", "rejected",
     "pipeline, topic, part, generation, record_offset"},
    {"etl_rule_result", "pipeline", "changed", "run_id, topic, rule"},
    {"etl_attempt", "pipeline", "at", "run_id, topic, part, first_offset, at"},
};
#define TABLES (sizeof tables / sizeof tables[0])

struct etl_copy {
    struct pg from, to;
    const char *job;
    bool ready; // the copy's tables are there
    int64_t grumbled_ms;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool quit, ended; // under lock
};

static enum err_kind text_of(struct buf *sql, const char **text, struct err *e)
{
    buf_put_u8(sql, 0);
    TRY(buf_status(sql, e));
    *text = (const char *)sql->p;
    return ERR_OK;
}

/* The newest moment the copy has, as an SQL literal. */
static enum err_kind reached(struct etl_copy *c, const struct copied *t,
                             struct buf *out, struct err *e)
{
    struct buf sql = BUF_INIT(4096);
    PGresult *r = NULL;
    const char *text;

    buf_printf(
        &sql, "SELECT coalesce(max(%s) - " OVERLAP ", '-infinity') FROM %s WHERE %s = ",
        t->changed, t->table, t->job);
    etl_put_text(&sql, c->job);
    enum err_kind rc = text_of(&sql, &text, e);
    if (rc == ERR_OK)
        rc = pg_ask(&c->to, &r, text, e);
    if (rc == ERR_OK)
        pg_put_literal(out, span_str(PQgetvalue(r, 0, 0)));
    PQclear(r);
    buf_free(&sql);
    return rc;
}

static enum err_kind read_rows(struct etl_copy *c, const struct copied *t,
                               struct buf *rows, struct err *e)
{
    struct buf sql = BUF_INIT(8192);
    const char *text;

    buf_printf(&sql, "COPY (SELECT * FROM %s WHERE %s = ", t->table, t->job);
    etl_put_text(&sql, c->job);
    buf_printf(&sql, " AND %s >= ", t->changed);
    enum err_kind rc = reached(c, t, &sql, e);
    buf_put_str(&sql, "::timestamptz) TO STDOUT");
    if (rc == ERR_OK)
        rc = text_of(&sql, &text, e);
    if (rc == ERR_OK)
        rc = pg_copy_out(&c->from, text, rows, e);
    buf_free(&sql);
    return rc;
}

static enum err_kind fill(struct etl_copy *c, struct span rows, struct err *e)
{
    TRY(pg_copy_begin(&c->to, "COPY carried FROM STDIN", e));
    TRY(pg_copy_put(&c->to, rows, e));
    return pg_copy_end(&c->to, e);
}

static enum err_kind write_rows(struct etl_copy *c, const struct copied *t,
                                struct span rows, struct err *e)
{
    TRY(pg_runf(&c->to, e, "BEGIN; CREATE TEMP TABLE carried (LIKE %s) ON COMMIT DROP",
                t->table));
    TRY(fill(c, rows, e));
    return pg_runf(
        &c->to, e,
        "DELETE FROM %s WHERE (%s) IN (SELECT %s FROM carried); INSERT INTO %s "
        "SELECT * FROM carried; COMMIT",
        t->table, t->key, t->key, t->table);
}

static enum err_kind carry(struct etl_copy *c, const struct copied *t, struct err *e)
{
    struct buf rows = BUF_INIT(AT_ONCE);
    struct err ignored = {0};

    enum err_kind rc = read_rows(c, t, &rows, e);
    if (rc == ERR_OK && rows.n > 0)
        rc = write_rows(c, t, buf_span(&rows), e);
    if (rc != ERR_OK && c->to.conn != NULL)
        (void)!pg_run(&c->to, "ROLLBACK", &ignored);
    buf_free(&rows);
    return rc;
}

static enum err_kind round_(struct etl_copy *c, struct err *e)
{
    if (!c->ready) {
        TRY(migrate(&c->to, e));
        // `audit verify` cannot count the target here, and this tells it so.
        TRY(pg_run(&c->to, "CREATE TABLE IF NOT EXISTS etl_is_copy ()", e));
        c->ready = true;
    }
    for (size_t i = 0; i < TABLES; i++)
        TRY(carry(c, &tables[i], e));
    return ERR_OK;
}

static bool wait_until(struct etl_copy *c, int64_t ms, const bool *flag)
{
    struct timespec t = {ms / 1000, ms % 1000 * 1000000};
    int rc = 0;

    pthread_mutex_lock(&c->lock);
    while (!*flag && rc == 0)
        rc = pthread_cond_timedwait(&c->changed, &c->lock, &t);
    bool yes = *flag;
    pthread_mutex_unlock(&c->lock);
    return yes;
}

static void *work(void *arg)
{
    struct etl_copy *c = arg;
    bool last = false;

    for (;;) {
        struct err e = {0};
        if (round_(c, &e) != ERR_OK && clock_ms() - c->grumbled_ms > 30000) {
            c->grumbled_ms = clock_ms();
            log_err(LOG_WARN, "the audit's copy is late", &e);
        }
        if (last)
            break;
        last = wait_until(c, clock_ms() + EVERY_MS, &c->quit);
    }
    pthread_mutex_lock(&c->lock);
    c->ended = true;
    pthread_cond_broadcast(&c->changed);
    pthread_mutex_unlock(&c->lock);
    return NULL;
}

enum err_kind etl_copy_open(struct etl_copy **out, const char *from_url,
                            const char *to_url, const char *job, struct err *e)
{
    struct etl_copy *c = mem_alloc(sizeof *c);

    c->job = job;
    c->grumbled_ms = -30001;
    pg_init(&c->from, from_url, "avrogate audit copy");
    pg_init(&c->to, to_url, "avrogate audit copy");
    pthread_mutex_init(&c->lock, NULL);
    clock_cond_init(&c->changed);
    if (pthread_create(&c->thread, NULL, work, c) != 0) {
        free(c);
        return err_set(e, ERR_UNAVAILABLE, "no thread for the audit's copy");
    }
    *out = c;
    return ERR_OK;
}

void etl_copy_close(struct etl_copy *c)
{
    pthread_mutex_lock(&c->lock);
    c->quit = true;
    pthread_cond_broadcast(&c->changed);
    pthread_mutex_unlock(&c->lock);
    if (!wait_until(c, clock_ms() + LAST_MS, &c->ended)) {
        pg_cancel(&c->from);
        pg_cancel(&c->to);
    }
    pthread_join(c->thread, NULL);
    pg_close(&c->from);
    pg_close(&c->to);
    pthread_mutex_destroy(&c->lock);
    pthread_cond_destroy(&c->changed);
    free(c);
}
