#include "loaders/etl_log.h"

#include <stdio.h>
#include <sys/random.h>
#include <unistd.h>

static void make_uuid(char out[RUN_ID])
{
    uint8_t b[16];

    if (getrandom(b, sizeof b, 0) != sizeof b)
        memset(b, 0, sizeof b); // cannot be: 16 bytes never come in part
    b[6] = (b[6] & 0x0f) | 0x40;
    b[8] = (b[8] & 0x3f) | 0x80;
    size_t n = 0;
    for (int i = 0; i < 16; i++)
        n += (size_t)snprintf(out + n, RUN_ID - n,
                              i == 4 || i == 6 || i == 8 || i == 10 ? "-%02x" : "%02x",
                              b[i]);
}

void run_init(struct run *r, const char *job)
{
    char host[60] = "";

    *r = (struct run){.job = job, .topic = "", .source = "", .target = ""};
    make_uuid(r->id);
    if (gethostname(host, sizeof host - 1) != 0)
        snprintf(host, sizeof host, "unknown");
    snprintf(r->instance, sizeof r->instance, "%s:%ld", host, (long)getpid());
}

/* The bytes of the UTF-8 character at the start of `s`, 0 when there is none. */
static size_t character(struct span s)
{
    uint8_t c = s.p[0];
    size_t n = c < 0x80                ? 1
               : c >= 0xc2 && c < 0xe0 ? 2
               : c >= 0xe0 && c < 0xf0 ? 3
               : c >= 0xf0 && c < 0xf5 ? 4
                                       : 0;

    if (n == 0 || n > s.n || c == 0)
        return 0;
    for (size_t i = 1; i < n; i++)
        if ((s.p[i] & 0xc0) != 0x80)
            return 0;
    if ((c == 0xe0 && s.p[1] < 0xa0) || (c == 0xed && s.p[1] >= 0xa0) ||
        (c == 0xf0 && s.p[1] < 0x90) || (c == 0xf4 && s.p[1] >= 0x90))
        return 0; // overlong, a surrogate, or past U+10FFFF
    return n;
}

void etl_put_clean(struct buf *out, struct span text)
{
    while (text.n > 0) {
        size_t n = character(text);
        buf_put(out, n == 0 ? span_str("?") : span_of(text.p, n));
        text = span_skip(text, n == 0 ? 1 : n);
    }
}

void etl_put_text(struct buf *sql, const char *text)
{
    struct buf clean = BUF_INIT(1 << 16);

    if (text == NULL) {
        buf_put_str(sql, "NULL");
        return;
    }
    etl_put_clean(&clean, span_str(text));
    pg_put_literal(sql, buf_span(&clean));
    buf_free(&clean);
}

enum err_kind run_lock(struct pg *pg, const struct run *r, struct err *e)
{
    return pg_runf(pg, e,
                   "SELECT pg_try_advisory_lock(hashtextextended('avrogate run ' || "
                   "'%s', 0))",
                   r->id);
}

static const char mark_the_dead[] =
    "WITH gone AS MATERIALIZED (SELECT run_id FROM etl_log WHERE job_name = $1 AND "
    "status = 'running' FOR UPDATE SKIP LOCKED) "
    "UPDATE etl_log l SET status = 'interrupted', end_time = greatest(last_sign, "
    "start_time), changed = clock_timestamp(), error_message = coalesce(error_message, "
    "'the process ended without "
    "saying why') FROM gone WHERE l.run_id = gone.run_id AND "
    "pg_try_advisory_xact_lock(hashtextextended('avrogate run ' || gone.run_id, 0))";

/* ... and what they were at. */
static const char mark_their_phases[] =
    "UPDATE etl_phase p SET status = l.status, end_time = greatest(p.start_time, "
    "l.end_time), error_message = l.error_message FROM etl_log l WHERE p.job_name = $1 "
    "AND p.status = 'running' AND l.run_id = p.run_id AND l.status <> 'running'";

enum err_kind run_begin(struct pg *pg, const struct run *r, struct err *e)
{
    const char *const job[] = {r->job};
    const char *const row[] = {r->id,     r->job,      r->source,       r->topic,
                               r->target, r->instance, AVROGATE_VERSION};

    TRY(pg_ask_with(pg, NULL, mark_the_dead, 1, job, e));
    TRY(pg_ask_with(pg, NULL, mark_their_phases, 1, job, e));
    return pg_ask_with(pg, NULL,
                       "INSERT INTO etl_log (run_id, job_name, status, source, topic, "
                       "target, instance, program) VALUES ($1, $2, 'running', $3, $4, "
                       "$5, $6, 'avrogate ' || $7) ON CONFLICT (run_id) DO NOTHING",
                       7, row, e);
}

enum err_kind run_reopen(struct pg *pg, const struct run *r, struct err *e)
{
    return pg_runf(
        pg, e,
        "UPDATE etl_log SET status = 'running', end_time = NULL, last_sign = "
        "clock_timestamp(), changed = clock_timestamp(), error_message = "
        "NULL WHERE run_id = '%s'",
        r->id);
}

enum err_kind run_end(struct pg *pg, const struct run *r, const char *status,
                      const char *why, struct err *e)
{
    struct buf sql = BUF_INIT(1 << 16);

    buf_printf(&sql,
               "UPDATE etl_log SET status = '%s', end_time = greatest(start_time, "
               "clock_timestamp()), last_sign = clock_timestamp(), changed = "
               "clock_timestamp(), error_message = ",
               status);
    etl_put_text(&sql, why);
    buf_printf(&sql, " WHERE run_id = '%s'", r->id);
    enum err_kind rc = pg_run_buf(pg, &sql, e);
    buf_free(&sql);
    return rc;
}
