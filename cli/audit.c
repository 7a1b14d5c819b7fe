#include "cli/audit.h"

#include "base/conf.h"
#include "base/json.h"
#include "cli/audit_print.h"
#include "kafka/client.h"
#include "loaders/pg.h"

#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define OUT_MOST ((size_t)1 << 30)
#define ASK_MS 10000

struct settings {
    const char *url, *job, *topic, *bootstrap;
    int64_t since_ms, limit;
    bool json, csv;
    struct conf_pairs kafka;
};

#define AT(field) offsetof(struct settings, field)

static const struct conf_row rows[] = {
    {"audit.url", CONF_TEXT, AT(url), .flag = "url", .required = true,
     .help =
         "database of the audit's tables; PGPASSWORD, PGPASSFILE and PGSERVICE work",
     .argument = "postgresql://..."},
    {"job", CONF_TEXT, AT(job), .help = "of this job only"},
    {"topic", CONF_TEXT, AT(topic), .help = "of this topic only"},
    {"since", CONF_DURATION, AT(since_ms), .fallback = "0",
     .help = "of the last 24h, 7d, ...; 0 = all"},
    {"limit", CONF_INT, AT(limit), .fallback = "100", .min = 1, .max = 1000000,
     .help = "most rows, the newest first"},
    {"json", CONF_BOOL, AT(json), .help = "one JSON object a line"},
    {"csv", CONF_BOOL, AT(csv), .help = "CSV with a header"},
    {"bootstrap", CONF_TEXT, AT(bootstrap), .argument = "HOST:PORT",
     .help = "verify: compare with the topic's offsets in Kafka too"},
    {"kafka", CONF_PAIRS, AT(kafka), .help = "any librdkafka property"},
    {0},
};

static const struct conf_program program = {
    .name = "avrogate audit",
    .operands = "runs|phases|failures|rejects|rules|verify",
    .about =
        "Shows what the loaders wrote down, and proves that it adds up.\n\n"
        "  runs      etl_log: each run of each job\n"
        "  phases    what runs did one after the other: collect, merge, load, clean\n"
        "  failures  runs that failed or broke off, and tries that were repeated\n"
        "  rejects   records that were set aside, and why\n"
        "  rules     what each quality rule said of each run\n"
        "  verify    per partition: ranges without gap or overlap, records in = loaded "
        "+ "
        "set aside +\n            duplicate + filtered + quarantined, the runs' sums, "
        "the rows of "
        "the table\n\n"
        "Exit status of verify: 0 proved, 1 something does not add up, 2 called "
        "wrongly,\n"
        "3 it could not be looked at.",
    .examples =
        "  avrogate audit runs --url postgresql://me@127.0.0.1/warehouse --job "
        "weather --since 24h\n"
        "  AVROGATE_AUDIT_URL=service=warehouse avrogate audit rejects --json | jq .\n"
        "  avrogate audit verify --url postgresql://me@127.0.0.1/warehouse "
        "--bootstrap 127.0.0.1:9092\n",
    .rows = rows,
};

/* $1 job, $2 topic, $3 milliseconds back (NULL = all), $4 limit */
#define OF_RUNS                                                                      \
    " FROM etl_log WHERE ($1::text IS NULL OR job_name = $1) AND ($2::text IS NULL " \
    "OR "                                                                            \
    "topic = $2) AND ($3::bigint IS NULL OR coalesce(end_time, now()) >= now() - "   \
    "$3::bigint * interval '1 ms') ORDER BY start_time DESC LIMIT $4::bigint"

static const char runs_table_sql[] =
    "SELECT start_time::timestamptz(0), end_time::timestamptz(0), job_name, status, "
    "records_processed, records_rejected AS rejected, topic, partitions, "
    "error_message" OF_RUNS;

static const char runs_sql[] =
    "SELECT start_time, end_time, job_name, status, records_processed, error_message, "
    "run_id, source, topic, target, \"partition\", first_offset, last_offset, "
    "partitions, records_rejected, records_duplicate, records_filtered, "
    "records_quarantined, batches, "
    "bytes, "
    "to_jsonb(schema_ids) AS schema_ids, instance, program" OF_RUNS;

static const char phases_sql[] =
    "SELECT p.start_time::timestamptz(0), p.end_time::timestamptz(0), p.job_name, "
    "p.number, p.phase, p.status, p.rows_in, p.rows_out, p.files_in, p.files_out, "
    "p.bytes_in, p.bytes_out, p.run_id, p.load_run, p.error_message FROM etl_phase p "
    "LEFT JOIN etl_log l USING (run_id) WHERE ($1::text IS NULL OR p.job_name = $1) "
    "AND ($2::text IS NULL OR l.topic = $2) AND ($3::bigint IS NULL OR "
    "coalesce(p.end_time, now()) >= now() - $3::bigint * interval '1 ms') ORDER BY "
    "p.start_time DESC LIMIT $4::bigint";

static const char failures_sql[] =
    "SELECT * FROM (SELECT end_time::timestamptz(0) AS at, job_name, topic, status AS "
    "what, NULL::text AS place, NULL::text AS sqlstate, error_message AS error, run_id "
    "FROM etl_log WHERE status IN ('failed', 'interrupted') UNION ALL SELECT "
    "at::timestamptz(0), pipeline, topic, 'repeated', part || '@' || first_offset, "
    "sqlstate, error, run_id FROM etl_attempt) x WHERE ($1::text IS NULL OR job_name = "
    "$1) AND ($2::text IS NULL OR topic = $2) AND ($3::bigint IS NULL OR at >= now() - "
    "$3::bigint * interval '1 ms') ORDER BY at DESC LIMIT $4::bigint";

static const char rejects_sql[] =
    "SELECT rejected::timestamptz(0), pipeline AS job_name, topic, part, record_offset "
    "AS \"offset\", stage, rule, pointer, sqlstate, column_name AS \"column\", "
    "constraint_name AS "
    "\"constraint\", schema_id, error, octet_length(record_value) AS bytes FROM "
    "etl_reject WHERE ($1::text IS NULL OR pipeline = $1) AND ($2::text IS NULL OR "
    "topic "
    "= $2) AND ($3::bigint IS NULL OR rejected >= now() - $3::bigint * interval '1 "
    "ms') "
    "ORDER BY rejected DESC, topic, part, record_offset DESC LIMIT $4::bigint";

static const char proof_sql[] =
    "SELECT b.pipeline AS job_name, b.topic, b.part, b.generation, min(first_offset) "
    "AS "
    "first_offset, max(last_offset) AS last_offset, count(*) AS batches, "
    "sum(rows_in)::bigint AS rows_in, sum(rows_loaded)::bigint AS loaded, "
    "sum(rows_rejected)::bigint AS rejected, sum(rows_duplicate)::bigint AS duplicate, "
    "sum(rows_filtered)::bigint AS filtered, "
    "sum(rows_quarantined)::bigint AS quarantined FROM etl_batch b WHERE ($1::text IS "
    "NULL "
    "OR pipeline = $1) AND ($2::text IS NULL "
    "OR "
    "topic = $2) GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4";

/* The newest runs first, and of a run the rules in their order of name. */
static const char rules_sql[] =
    "SELECT x.start_time::timestamptz(0) AS run, r.pipeline AS job_name, r.topic, "
    "r.rule, r.severity, r.checked, r.failed, r.errors, r.wanted, "
    "coalesce(r.stopped, r.last_failed) AS last_failed, x.status, r.run_id FROM "
    "etl_rule_result r JOIN etl_log x USING (run_id) WHERE ($1::text IS NULL OR "
    "r.pipeline = $1) AND ($2::text IS NULL OR r.topic = $2) AND ($3::bigint IS NULL "
    "OR r.changed >= now() - $3::bigint * interval '1 ms') ORDER BY x.start_time DESC, "
    "r.run_id, r.rule LIMIT $4::bigint";

/* Each selects sentences about what is wrong: none when all is well. $1 job, $2 topic
 */
/* Staged files ("file:///...") have their position and their rejects in the place. */
static const struct check {
    const char *what, *sql;
} checks[] = {
    {"ranges without gap or overlap",
     "SELECT format('%s/%s generation %s: expected a range at %s, found one at %s', "
     "topic, part, generation, expected, found) FROM etl_gap WHERE ($1::text IS NULL "
     "OR "
     "pipeline = $1) AND ($2::text IS NULL OR topic = $2)"},
    {"records in = loaded + set aside + duplicate + filtered + quarantined",
     "SELECT format('%s/%s@%s: %s in, %s + %s + %s + %s + %s accounted for', topic, "
     "part, first_offset, rows_in, rows_loaded, rows_rejected, rows_duplicate, "
     "rows_filtered, rows_quarantined) FROM etl_batch WHERE rows_in <> rows_loaded + "
     "rows_rejected + "
     "rows_duplicate + rows_filtered + rows_quarantined AND ($1::text IS "
     "NULL OR pipeline = $1) AND ($2::text IS NULL OR topic = $2)"},
    {"positions stand where the ranges end",
     "SELECT format('%s/%s: the position is %s, the ranges end at %s', o.topic, "
     "o.part, "
     "o.next_offset, x.last + 1) FROM etl_offsets o JOIN (SELECT pipeline, topic, "
     "part, "
     "generation, max(last_offset) AS last FROM etl_batch GROUP BY 1, 2, 3, 4) x USING "
     "(pipeline, topic, part, generation) WHERE o.next_offset <> x.last + 1 AND "
     "($1::text IS NULL OR o.pipeline = $1) AND ($2::text IS NULL OR o.topic = $2)"},
    {"every range has its position",
     "SELECT format('%s/%s has ranges and no row in "
     "etl_offsets', b.topic, b.part) FROM "
     "etl_batch b LEFT JOIN etl_offsets o USING "
     "(pipeline, topic, part) WHERE o.topic IS "
     "NULL AND b.target NOT LIKE '%://%' AND ($1::text IS NULL OR b.pipeline = $1) "
     "AND ($2::text IS NULL OR b.topic = "
     "$2) GROUP BY b.topic, b.part"},
    {"runs' sums and offsets are those of their ranges",
     "SELECT format('run %s of %s: %s is %s in etl_log, %s in etl_batch', run_id, "
     "job_name, what, coalesce(in_run::text, 'nothing'), in_batches) FROM etl_miscount "
     "WHERE ($1::text IS NULL OR job_name = $1) AND ($2::text IS NULL OR topic = $2)"},
    {"every range belongs to a run",
     "SELECT format('%s/%s@%s is of run %s, which is not in etl_log', b.topic, b.part, "
     "b.first_offset, b.run_id) FROM etl_batch b LEFT JOIN etl_log l USING (run_id) "
     "WHERE l.run_id IS NULL AND ($1::text IS NULL OR b.pipeline = $1) AND ($2::text "
     "IS "
     "NULL OR b.topic = $2)"},
    {"records set aside are in etl_reject",
     "SELECT format('%s/%s generation %s: %s set aside, %s in etl_reject', topic, "
     "part, "
     "generation, b.n, coalesce(r.n, 0)) FROM (SELECT pipeline, topic, part, "
     "generation, "
     "sum(rows_rejected) AS n FROM etl_batch WHERE target NOT LIKE '%://%' GROUP BY 1, "
     "2, 3, 4) b LEFT JOIN (SELECT "
     "pipeline, topic, part, generation, count(*) AS n FROM etl_reject GROUP BY 1, 2, "
     "3, "
     "4) r USING (pipeline, topic, part, generation) WHERE b.n <> coalesce(r.n, 0) AND "
     "($1::text IS NULL OR pipeline = $1) AND ($2::text IS NULL OR topic = $2)"},
};

/* Databases of before have no such table. */
static const struct check phases_check = {
    "phases belong to runs and end with them",
    "SELECT format('phase %s of run %s, %s, is %s, and the run is %s', p.number, "
    "p.run_id, p.phase, p.status, coalesce(l.status, 'not in etl_log')) FROM "
    "etl_phase p LEFT JOIN etl_log l USING (run_id) WHERE (l.run_id IS NULL OR "
    "(p.status = 'running' AND l.status <> 'running') OR (p.status = 'failed' AND "
    "l.status = 'success')) AND ($1::text IS NULL OR p.job_name = $1) AND ($2::text "
    "IS NULL OR l.topic = $2)"};

struct audit {
    struct settings s;
    struct pg pg;
    enum audit_form form;
    const char *args[4]; // of the queries
    char since[24], limit[24];
    struct buf out;
    size_t wrong;
};

static size_t terminal_width(void)
{
    struct winsize w;

    if (!isatty(STDOUT_FILENO) || ioctl(STDOUT_FILENO, TIOCGWINSZ, &w) != 0)
        return 0;
    return w.ws_col;
}

static enum err_kind show(struct audit *a, const char *sql, int n_args, struct err *e)
{
    PGresult *r = NULL;

    TRY(pg_ask_with(&a->pg, &r, sql, n_args, a->args, e));
    audit_print(&a->out, r, a->form, terminal_width());
    PQclear(r);
    return ERR_OK;
}

static enum err_kind do_runs(struct audit *a, struct err *e)
{
    return show(a, a->form == AUDIT_TABLE ? runs_table_sql : runs_sql, 4, e);
}

static enum err_kind do_phases(struct audit *a, struct err *e)
{
    return show(a, phases_sql, 4, e);
}

static enum err_kind do_failures(struct audit *a, struct err *e)
{
    return show(a, failures_sql, 4, e);
}

static enum err_kind do_rejects(struct audit *a, struct err *e)
{
    return show(a, rejects_sql, 4, e);
}

static enum err_kind do_rules(struct audit *a, struct err *e)
{
    return show(a, rules_sql, 4, e);
}

/* --- verify ------------------------------------------------------------------------
 */

enum verdict { PROVED, WRONG, NOT_HERE };

static const struct {
    const char *word, *csv, *json;
} verdicts[] = {
    [PROVED] = {"ok    ", "ok", "true"},
    [WRONG] = {"WRONG ", "wrong", "false"},
    [NOT_HERE] = {"-     ", "not here", "null"},
};

/* `why` NULL: nothing to add. */
static void say(struct audit *a, enum verdict v, const char *what, const char *why)
{
    if (a->form == AUDIT_JSON) {
        buf_put_str(&a->out, "{\"check\":");
        json_put_string(&a->out, span_str(what));
        buf_printf(&a->out, ",\"ok\":%s%s", verdicts[v].json,
                   why == NULL ? "" : ",\"why\":");
        if (why != NULL)
            json_put_string(&a->out, span_str(why));
        buf_put_str(&a->out, "}\n");
    } else if (a->form == AUDIT_CSV) {
        const char *const cells[] = {verdicts[v].csv, what, why == NULL ? "" : why};
        audit_print_csv(&a->out, cells, 3);
    } else {
        buf_printf(&a->out, "%s  %s%s%s\n", verdicts[v].word, what,
                   why == NULL ? "" : ": ", why == NULL ? "" : why);
    }
    a->wrong += v == WRONG;
}

static enum err_kind has_table(struct audit *a, const char *name, bool *yes,
                               struct err *e)
{
    PGresult *r = NULL;

    TRY(pg_ask_with(&a->pg, &r, "SELECT to_regclass($1) IS NOT NULL", 1, &name, e));
    *yes = PQgetvalue(r, 0, 0)[0] == 't';
    PQclear(r);
    return ERR_OK;
}

static enum err_kind run_check(struct audit *a, const struct check *c, struct err *e)
{
    PGresult *r = NULL;

    TRY(pg_ask_with(&a->pg, &r, c->sql, 2, a->args, e));
    for (int i = 0; i < PQntuples(r); i++)
        say(a, WRONG, c->what, PQgetvalue(r, i, 0));
    if (PQntuples(r) == 0)
        say(a, PROVED, c->what, NULL);
    PQclear(r);
    return ERR_OK;
}

/* "staging.weather" as the loader quotes it. */
static void put_table(struct buf *sql, const char *target)
{
    const char *dot = strchr(target, '.');

    if (dot != NULL) {
        pg_put_name(sql, span_of(target, (size_t)(dot - target)));
        buf_put_u8(sql, '.');
        target = dot + 1;
    }
    pg_put_name(sql, span_str(target));
}

static enum err_kind count_rows(struct audit *a, const char *target, int64_t *n,
                                bool *there, struct err *e)
{
    struct buf sql = BUF_INIT(4096);
    PGresult *r = NULL;

    buf_put_str(&sql, "SAVEPOINT t; SELECT count(*) FROM ");
    put_table(&sql, target);
    buf_put_u8(&sql, 0);
    enum err_kind rc = pg_ask(&a->pg, &r, (const char *)sql.p, e);
    buf_free(&sql);
    *there = rc == ERR_OK;
    if (rc == ERR_OK)
        *n = strtoll(PQgetvalue(r, 0, 0), NULL, 10);
    PQclear(r);
    if (rc == ERR_NOT_FOUND)
        return pg_run(&a->pg, "ROLLBACK TO SAVEPOINT t", e);
    return rc;
}

static enum err_kind check_target(struct audit *a, const char *target,
                                  const char *added, struct err *e)
{
    char what[200], wrong[200];
    int64_t n = 0;
    bool there;

    snprintf(what, sizeof what, "rows of %.100s = rows added to it", target);
    if (strstr(target, "://") != NULL) { // staged files: a place, no table
        say(a, NOT_HERE, what, "files are not read here");
        return ERR_OK;
    }
    TRY(count_rows(a, target, &n, &there, e));
    if (there && n == strtoll(added, NULL, 10)) {
        say(a, PROVED, what, NULL);
        return ERR_OK;
    }
    if (there)
        snprintf(wrong, sizeof wrong,
                 "%s added, count(*) is %" PRId64
                 " (does somebody else write or delete there?)",
                 added, n);
    else
        snprintf(wrong, sizeof wrong, "the table cannot be read");
    say(a, WRONG, what, wrong);
    return ERR_OK;
}

/* etl_copy.h: the targets stand elsewhere. */
static enum err_kind is_copy(struct audit *a, bool *yes, struct err *e)
{
    return has_table(a, "etl_is_copy", yes, e);
}

/* All jobs that feed a table count, whatever was asked for. */
static enum err_kind check_targets(struct audit *a, struct err *e)
{
    PGresult *r = NULL;
    enum err_kind rc = ERR_OK;
    bool copy = false;

    TRY(is_copy(a, &copy, e));
    if (copy) {
        say(a, NOT_HERE, "rows of the tables",
            "this is a copy of the audit (audit.url); verify where the tables are");
        return ERR_OK;
    }
    TRY(pg_ask_with(
        &a->pg, &r,
        "WITH fed AS (SELECT target AS t, coalesce(rows_added, rows_loaded) AS n, "
        "pipeline, topic FROM etl_batch UNION ALL SELECT quarantine, rows_quarantined, "
        "pipeline, topic FROM etl_batch WHERE quarantine IS NOT NULL) SELECT t, "
        "sum(n)::bigint FROM fed WHERE t IN (SELECT t FROM fed WHERE ($1::text IS NULL "
        "OR pipeline = $1) AND ($2::text IS NULL OR topic = $2)) GROUP BY 1 ORDER BY "
        "1",
        2, a->args, e));
    for (int i = 0; i < PQntuples(r) && rc == ERR_OK; i++)
        rc = check_target(a, PQgetvalue(r, i, 0), PQgetvalue(r, i, 1), e);
    PQclear(r);
    return rc;
}

static enum err_kind check_position(struct audit *a, struct kf_admin *kafka,
                                    const char *topic, int32_t part, int64_t next,
                                    struct err *e)
{
    char what[300], wrong[200];
    int64_t low, high;

    TRY(kf_offsets(kafka, topic, part, &low, &high, ASK_MS, e));
    snprintf(what, sizeof what,
             "%.200s/%" PRId32 " is loaded within the topic (lag %" PRId64 ")", topic,
             part, high - next);
    snprintf(wrong, sizeof wrong,
             "loaded up to %" PRId64 ", Kafka has %" PRId64 " to %" PRId64, next, low,
             high);
    bool out = next < low || next > high;
    say(a, out ? WRONG : PROVED, what, out ? wrong : NULL);
    return ERR_OK;
}

static enum err_kind check_kafka(struct audit *a, struct err *e)
{
    struct kf_admin *kafka;
    PGresult *r = NULL;
    enum err_kind rc = ERR_OK;

    if (a->s.bootstrap == NULL)
        return ERR_OK;
    TRY(pg_ask_with(
        &a->pg, &r,
        "SELECT topic, part, next_offset FROM etl_offsets WHERE ($1::text IS "
        "NULL OR pipeline = $1) AND ($2::text IS NULL OR topic = $2) ORDER BY "
        "1, 2",
        2, a->args, e));
    rc = kf_admin_open(&kafka, a->s.bootstrap, &a->s.kafka, e);
    if (rc == ERR_OK) {
        for (int i = 0; i < PQntuples(r) && rc == ERR_OK; i++)
            rc =
                check_position(a, kafka, PQgetvalue(r, i, 0), atoi(PQgetvalue(r, i, 1)),
                               strtoll(PQgetvalue(r, i, 2), NULL, 10), e);
        kf_admin_close(kafka);
    }
    PQclear(r);
    return rc;
}

/* Of nothing everything can be proved. */
static enum err_kind check_asked(struct audit *a, struct err *e)
{
    PGresult *r = NULL;

    TRY(pg_ask_with(&a->pg, &r,
                    "SELECT 1 FROM etl_log WHERE ($1::text IS NULL OR job_name = $1) "
                    "AND ($2::text IS NULL OR topic = $2) UNION ALL SELECT 1 FROM "
                    "etl_batch WHERE ($1::text IS NULL OR pipeline = $1) AND ($2::text "
                    "IS NULL OR topic = $2) LIMIT 1",
                    2, a->args, e));
    bool none = PQntuples(r) == 0;
    PQclear(r);
    return none ? err_set(e, ERR_NOT_FOUND, "etl_log has no run of this job and topic")
                : ERR_OK;
}

static enum err_kind do_verify(struct audit *a, struct err *e)
{
    bool phases;

    TRY(check_asked(a, e));
    if (a->form == AUDIT_TABLE) {
        TRY(show(a, proof_sql, 2, e));
        buf_put_str(&a->out, "\n");
    }
    for (size_t i = 0; i < sizeof checks / sizeof checks[0]; i++)
        TRY(run_check(a, &checks[i], e));
    TRY(has_table(a, "etl_phase", &phases, e));
    if (phases)
        TRY(run_check(a, &phases_check, e));
    TRY(check_targets(a, e));
    return check_kafka(a, e);
}

/* --- the command -------------------------------------------------------------------
 */

static const struct question {
    const char *name;
    enum err_kind (*ask)(struct audit *a, struct err *e);
} questions[] = {
    {"runs", do_runs},       {"phases", do_phases}, {"failures", do_failures},
    {"rejects", do_rejects}, {"rules", do_rules},   {"verify", do_verify},
};

static const struct question *find_question(const struct conf *c)
{
    for (size_t i = 0; i < sizeof questions / sizeof questions[0]; i++)
        if (c->n_operands == 1 && strcmp(c->operands[0], questions[i].name) == 0)
            return &questions[i];
    return NULL;
}

static enum err_kind check_installed(struct audit *a, struct err *e)
{
    PGresult *r = NULL;

    TRY(pg_ask(&a->pg, &r,
               "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SELECT "
               "to_regclass('etl_log') IS NULL",
               e));
    bool none = PQgetvalue(r, 0, 0)[0] == 't';
    PQclear(r);
    if (!none)
        return ERR_OK;
    struct buf shown = BUF_INIT(400);
    pg_show_url(&shown, a->s.url);
    (void)err_set(e, ERR_NOT_FOUND, SPAN_FMT " has no etl_log: no loader has run there",
                  SPAN_ARG(buf_span(&shown)));
    buf_free(&shown);
    return e->kind;
}

static int ask(struct audit *a, const struct question *q)
{
    struct err e = {0};

    a->form = a->s.json ? AUDIT_JSON : a->s.csv ? AUDIT_CSV : AUDIT_TABLE;
    snprintf(a->since, sizeof a->since, "%" PRId64, a->s.since_ms);
    snprintf(a->limit, sizeof a->limit, "%" PRId64, a->s.limit);
    a->args[0] = a->s.job;
    a->args[1] = a->s.topic;
    a->args[2] = a->s.since_ms > 0 ? a->since : NULL;
    a->args[3] = a->limit;
    a->out = BUF_INIT(OUT_MOST);
    pg_init(&a->pg, a->s.url, "avrogate audit");
    enum err_kind rc = check_installed(a, &e);
    if (rc == ERR_OK)
        rc = q->ask(a, &e);
    if (rc == ERR_OK)
        rc = buf_status(&a->out, &e);
    pg_close(&a->pg);
    if (a->out.n > 0)
        fwrite(a->out.p, 1, a->out.n, stdout);
    buf_free(&a->out);
    if (rc != ERR_OK) {
        fprintf(stderr, "avrogate audit: %s\n", e.msg);
        return 3;
    }
    return a->wrong > 0 || fflush(stdout) != 0;
}

int cmd_audit(int argc, char **argv)
{
    struct conf conf = {0};
    struct audit a = {0};
    enum conf_outcome outcome;
    struct err e = {0};
    int code = 0;

    if (conf_read(&conf, &program, argc, argv, &a.s, &outcome, &e) != ERR_OK) {
        fprintf(stderr, "avrogate audit: %s\n", e.msg);
        conf_free(&conf);
        return 2;
    }
    const struct question *q = find_question(&conf);
    if (outcome == CONF_RUN && q == NULL) {
        fprintf(stderr,
                "avrogate audit: what? one of runs, phases, failures, rejects, rules, "
                "verify\n");
        code = 2;
    } else if (outcome == CONF_RUN) {
        code = ask(&a, q);
    }
    conf_free(&conf);
    return code;
}
