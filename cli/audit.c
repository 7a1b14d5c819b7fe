#include "cli/audit.h"

#include "cli/audit_inside.h"

#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define OUT_MOST ((size_t)1 << 30)
#define ASK_MS 10000

#define AT(field) offsetof(struct audit_settings, field)

static const struct conf_row rows[] = {
    {"audit.url", CONF_TEXT, AT(at.url), .flag = "url",
     .help =
         "database of the audit's tables; PGPASSWORD, PGPASSFILE and PGSERVICE work",
     .argument = "postgresql://..."},
    {"audit.connection", CONF_TEXT, AT(at.connection), .secret = true,
     .help = "... or by ODBC: Driver=...;Server=...;UID=...;PWD=..."},
    {"audit.dsn", CONF_TEXT, AT(at.dsn), .flag = "dsn",
     .help = "... or a data source of odbc.ini"},
    {"audit.dialect", CONF_TEXT, AT(at.dialect), .flag = "dialect", .fallback = "auto",
     .help = "of the database by ODBC, as in sink.odbc.dialect"},
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

/* In the words of audit_words.c. */
#define OF_RUNS \
    " FROM etl_log l WHERE 1 = 1{of_runs} ORDER BY l.start_time DESC {limit}"

static const char runs_table_sql[] =
    "SELECT start_time{seconds}, end_time{seconds}, job_name, status, "
    "records_processed, records_rejected AS rejected, topic, partitions, "
    "error_message" OF_RUNS;

static const char runs_sql[] =
    "SELECT start_time, end_time, job_name, status, records_processed, error_message, "
    "run_id, source, topic, target, {partition}, first_offset, last_offset, "
    "partitions, records_rejected, records_duplicate, records_filtered, "
    "COALESCE(l.records_quarantined, 0) AS "
    "records_quarantined, batches, bytes, {schema_ids} AS schema_ids, instance, "
    "program" OF_RUNS;

static const char phases_sql[] =
    "SELECT p.start_time{seconds}, p.end_time{seconds}, p.job_name, p.{number}, "
    "p.phase, "
    "p.status, p.rows_in, p.rows_out, p.files_in, p.files_out, p.bytes_in, "
    "p.bytes_out, p.run_id, p.load_run, p.error_message FROM etl_phase p LEFT JOIN "
    "etl_log l ON l.run_id = p.run_id WHERE 1 = 1{of_phases} ORDER BY p.start_time "
    "DESC {limit}";

static const char failures_sql[] =
    "SELECT * FROM (SELECT end_time{seconds} AS {at}, job_name, topic, status AS what, "
    "CAST(NULL AS {text}) AS place, CAST(NULL AS {text}) AS sqlstate, error_message AS "
    "error, run_id FROM etl_log WHERE status IN ('failed', 'interrupted') UNION ALL "
    "SELECT {at}{seconds}, pipeline, topic, 'repeated', CAST(part AS {text}) {join} "
    "'@' {join} CAST(first_offset AS {text}), sqlstate, error, run_id FROM "
    "etl_attempt) x WHERE 1 = 1{of_failures} ORDER BY {at} DESC {limit}";

static const char rejects_sql[] =
    "SELECT rejected{seconds}, pipeline AS job_name, topic, part, record_offset AS "
    "{offset}, stage, {rule}, pointer, sqlstate, column_name AS {column}, "
    "constraint_name AS {constraint}, schema_id, error, {octets}(record_value) AS "
    "bytes FROM etl_reject r WHERE 1 = 1{of_rejects} ORDER BY r.rejected DESC, topic, "
    "part, record_offset DESC {limit}";

/* The newest runs first, and of a run the rules in their order of name. */
static const char rules_sql[] =
    "SELECT x.start_time{seconds} AS run, r.pipeline AS job_name, r.topic, r.{rule}, "
    "r.severity, r.checked, r.failed, r.errors, r.wanted, COALESCE(r.stopped, "
    "r.last_failed) AS last_failed, x.status, r.run_id FROM etl_rule_result r JOIN "
    "etl_log x ON x.run_id = r.run_id WHERE 1 = 1{of_rules} ORDER BY x.start_time "
    "DESC, r.run_id, r.{rule} {limit}";

static size_t terminal_width(void)
{
    struct winsize w;

    if (!isatty(STDOUT_FILENO) || ioctl(STDOUT_FILENO, TIOCGWINSZ, &w) != 0)
        return 0;
    return w.ws_col;
}

void audit_show(struct audit *a, const PGresult *r)
{
    audit_print(&a->out, r, a->form, terminal_width());
}

static enum err_kind show(struct audit *a, const char *sql, struct err *e)
{
    PGresult *r = NULL;

    TRY(audit_ask(a, &r, sql, e));
    audit_show(a, r);
    PQclear(r);
    return ERR_OK;
}

/* Of a table that not every database of the audit has. */
static enum err_kind show_of(struct audit *a, const char *table, const char *sql,
                             struct err *e)
{
    bool there = false;

    TRY(audit_db_has(&a->db, table, &there, e));
    if (!there)
        return err_set(e, ERR_NOT_FOUND, "there is no %s: nothing of it is kept here",
                       table);
    return show(a, sql, e);
}

static enum err_kind do_runs(struct audit *a, struct err *e)
{
    return show(a, a->form == AUDIT_TABLE ? runs_table_sql : runs_sql, e);
}

static enum err_kind do_phases(struct audit *a, struct err *e)
{
    return show_of(a, "etl_phase", phases_sql, e);
}

static enum err_kind do_failures(struct audit *a, struct err *e)
{
    return show(a, failures_sql, e);
}

static enum err_kind do_rejects(struct audit *a, struct err *e)
{
    return show(a, rejects_sql, e);
}

static enum err_kind do_rules(struct audit *a, struct err *e)
{
    return show_of(a, "etl_rule_result", rules_sql, e);
}

bool audit_say(struct buf *sql, const struct audit *a, size_t i)
{
    static const char *const all[] = {runs_table_sql, runs_sql,  failures_sql,
                                      rejects_sql,    rules_sql, phases_sql};

    if (i >= sizeof all / sizeof all[0])
        return audit_verify_say(sql, a, i - sizeof all / sizeof all[0]);
    audit_put(sql, a, all[i]);
    return true;
}

/* --- the command -------------------------------------------------------------------
 */

static const struct question {
    const char *name;
    enum err_kind (*ask)(struct audit *a, struct err *e);
} questions[] = {
    {"runs", do_runs},       {"phases", do_phases}, {"failures", do_failures},
    {"rejects", do_rejects}, {"rules", do_rules},   {"verify", audit_verify},
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
    struct buf shown = BUF_INIT(400);
    bool there = false;

    TRY(audit_db_has(&a->db, "etl_log", &there, e));
    if (there)
        return ERR_OK;
    if (a->s.at.url != NULL)
        pg_show_url(&shown, a->s.at.url);
    else
        buf_put_str(&shown, "the database");
    (void)err_set(e, ERR_NOT_FOUND, SPAN_FMT " has no etl_log: no loader has run there",
                  SPAN_ARG(buf_span(&shown)));
    buf_free(&shown);
    return e->kind;
}

static enum err_kind open_db(struct audit *a, struct err *e)
{
    TRY(audit_db_open(&a->db, &a->s.at, e));
    return check_installed(a, e);
}

static int ask(struct audit *a, const struct question *q)
{
    struct err e = {0};

    a->form = a->s.json ? AUDIT_JSON : a->s.csv ? AUDIT_CSV : AUDIT_TABLE;
    a->out = BUF_INIT(OUT_MOST);
    enum err_kind rc = open_db(a, &e);
    if (rc == ERR_OK)
        rc = q->ask(a, &e);
    if (rc == ERR_OK)
        rc = buf_status(&a->out, &e);
    audit_db_close(&a->db);
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
    } else if (outcome == CONF_RUN && (a.s.at.url != NULL) +
                                              (a.s.at.connection != NULL) +
                                              (a.s.at.dsn != NULL) !=
                                          1) {
        fprintf(stderr, "avrogate audit: wanted one of audit.url, audit.connection, "
                        "audit.dsn\n");
        code = 2;
    } else if (outcome == CONF_RUN) {
        code = ask(&a, q);
    }
    conf_free(&conf);
    return code;
}
