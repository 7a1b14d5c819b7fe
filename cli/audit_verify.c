/* Does the audit add up?  In words that every database knows (audit_db.h). */
#include "cli/audit_inside.h"

#include "base/json.h"
#include "kafka/client.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define ASK_MS 10000

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

/* --- what a statement finds ------------------------------------------------------- */

/* Each selects what is wrong, a sentence for a row: nothing when all is well. Staged
 * files ("file:///...") have their position and their rejects in the place. */
static const struct check {
    const char *what, *sql, *sentence;
} checks[] = {
    {"ranges without gap or overlap",
     "SELECT topic, part, generation, previous + 1, first_offset FROM (SELECT topic, "
     "part, generation, first_offset, LAG(last_offset) OVER (PARTITION BY pipeline, "
     "topic, part, generation ORDER BY first_offset) AS previous FROM etl_batch WHERE "
     "1 = 1{of}) x WHERE previous IS NOT NULL AND first_offset <> previous + 1",
     "{0}/{1} generation {2}: expected a range at {3}, found one at {4}"},
    {"records in = loaded + set aside + duplicate + filtered + quarantined",
     "SELECT topic, part, first_offset, rows_in, rows_loaded, rows_rejected, "
     "rows_duplicate, rows_filtered, COALESCE(rows_quarantined, 0) FROM etl_batch "
     "WHERE rows_in <> "
     "rows_loaded + rows_rejected + rows_duplicate + rows_filtered + "
     "COALESCE(rows_quarantined, 0){of}",
     "{0}/{1}@{2}: {3} in, {4} + {5} + {6} + {7} + {8} accounted for"},
    {"positions stand where the ranges end",
     "SELECT o.topic, o.part, o.next_offset, x.ends_at FROM etl_offsets o JOIN (SELECT "
     "pipeline, topic, part, generation, MAX(last_offset) + 1 AS ends_at FROM "
     "etl_batch "
     "GROUP BY pipeline, topic, part, generation) x ON x.pipeline = o.pipeline AND "
     "x.topic = o.topic AND x.part = o.part AND x.generation = o.generation WHERE "
     "o.next_offset <> x.ends_at{of_o}",
     "{0}/{1}: the position is {2}, the ranges end at {3}"},
    {"every range has its position",
     "SELECT DISTINCT b.topic, b.part FROM etl_batch b LEFT JOIN etl_offsets o ON "
     "o.pipeline = b.pipeline AND o.topic = b.topic AND o.part = b.part WHERE o.topic "
     "IS NULL AND b.target NOT LIKE '%://%'{of_b}",
     "{0}/{1} has ranges and no row in etl_offsets"},
    {"every range belongs to a run",
     "SELECT b.topic, b.part, b.first_offset, b.run_id FROM etl_batch b LEFT JOIN "
     "etl_log l ON l.run_id = b.run_id WHERE l.run_id IS NULL{of_b}",
     "{0}/{1}@{2} is of run {3}, which is not in etl_log"},
    {"records set aside are in etl_reject",
     "SELECT b.topic, b.part, b.generation, b.n, COALESCE(r.n, 0) FROM (SELECT "
     "pipeline, topic, part, generation, SUM(rows_rejected) AS n FROM etl_batch WHERE "
     "target NOT LIKE '%://%' GROUP BY pipeline, topic, part, generation) b LEFT JOIN "
     "(SELECT pipeline, topic, part, generation, COUNT(*) AS n FROM etl_reject GROUP "
     "BY "
     "pipeline, topic, part, generation) r ON r.pipeline = b.pipeline AND r.topic = "
     "b.topic AND r.part = b.part AND r.generation = b.generation WHERE b.n <> "
     "COALESCE(r.n, 0){of_b}",
     "{0}/{1} generation {2}: {3} set aside, {4} in etl_reject"},
};

/* Databases of before have no such table. */
static const char phases_sql[] =
    "SELECT p.{number}, p.run_id, p.phase, p.status, COALESCE(l.status, 'not in "
    "etl_log') FROM etl_phase p LEFT JOIN etl_log l ON l.run_id = p.run_id WHERE "
    "(l.run_id IS NULL OR (p.status = 'running' AND l.status <> 'running') OR "
    "(p.status "
    "= 'failed' AND l.status = 'success')){of_p}";

static const struct check phases_check = {
    "phases belong to runs and end with them", phases_sql,
    "phase {0} of run {1}, {2}, is {3}, and the run is {4}"};

static void put_sentence(struct buf *out, const char *sentence, const PGresult *r,
                         int row)
{
    static const char *const names[] = {"0", "1", "2", "3", "4", "5", "6", "7", "8"};
    const char *pairs[2 * sizeof names / sizeof names[0] + 1];
    int n = PQnfields(r);

    for (int i = 0; i < n; i++) {
        pairs[2 * i] = names[i];
        pairs[2 * i + 1] = PQgetvalue(r, row, i);
    }
    pairs[2 * n] = NULL;
    dialect_put(out, sentence, pairs);
    buf_put_u8(out, 0);
}

static enum err_kind run_check(struct audit *a, const struct check *c, struct err *e)
{
    struct buf sentence = BUF_INIT(1 << 20);
    PGresult *r = NULL;

    TRY(audit_ask(a, &r, c->sql, e));
    for (int i = 0; i < PQntuples(r); i++) {
        buf_reset(&sentence);
        put_sentence(&sentence, c->sentence, r, i);
        say(a, WRONG, c->what, (const char *)sentence.p);
    }
    if (PQntuples(r) == 0)
        say(a, PROVED, c->what, NULL);
    PQclear(r);
    buf_free(&sentence);
    return ERR_OK;
}

/* --- runs' sums and offsets ------------------------------------------------------- */

static const char sums_are[] = "runs' sums and offsets are those of their ranges";

/* Behind run and job, two columns of each: etl_log's and etl_batch's. */
static const char *const sums[] = {"records_processed",
                                   "records_rejected",
                                   "records_duplicate",
                                   "records_filtered",
                                   "records_quarantined",
                                   "batches",
                                   "bytes"};

static const char sums_sql[] =
    "SELECT l.run_id, l.job_name, l.records_processed, COALESCE(x.loaded, 0), "
    "l.records_rejected, COALESCE(x.rejected, 0), l.records_duplicate, "
    "COALESCE(x.repeated, 0), l.records_filtered, COALESCE(x.filtered, 0), "
    "COALESCE(l.records_quarantined, 0), "
    "COALESCE(x.aside, 0), l.batches, COALESCE(x.batches, 0), l.bytes, "
    "COALESCE(x.bytes, 0) FROM etl_log l LEFT JOIN (SELECT run_id, SUM(rows_loaded) AS "
    "loaded, SUM(rows_rejected) AS rejected, SUM(rows_duplicate) AS repeated, "
    "SUM(rows_filtered) AS filtered, SUM(COALESCE(rows_quarantined, 0)) AS aside, "
    "COUNT(*) AS batches, "
    "SUM(bytes) AS bytes FROM etl_batch GROUP BY run_id) x ON x.run_id = l.run_id "
    "WHERE "
    "(l.records_processed <> COALESCE(x.loaded, 0) OR l.records_rejected <> "
    "COALESCE(x.rejected, 0) OR l.records_duplicate <> COALESCE(x.repeated, 0) OR "
    "l.records_filtered <> COALESCE(x.filtered, 0) OR COALESCE(l.records_quarantined, "
    "0) <> COALESCE(x.aside, "
    "0) OR l.batches <> COALESCE(x.batches, 0) OR l.bytes <> COALESCE(x.bytes, "
    "0)){of_l}";

static int64_t number(const PGresult *r, int row, int column)
{
    return strtoll(PQgetvalue(r, row, column), NULL, 10);
}

static void say_sum(struct audit *a, const PGresult *r, int row, const char *what,
                    const char *in_run, const char *in_batches)
{
    struct buf why = BUF_INIT(4000);

    buf_printf(&why, "run %.40s of %.200s: %s is %s in etl_log, %s in etl_batch",
               PQgetvalue(r, row, 0), PQgetvalue(r, row, 1), what, in_run, in_batches);
    buf_put_u8(&why, 0);
    say(a, WRONG, sums_are, (const char *)why.p);
    buf_free(&why);
}

static enum err_kind check_sums(struct audit *a, struct err *e)
{
    PGresult *r = NULL;

    TRY(audit_ask(a, &r, sums_sql, e));
    for (int row = 0; row < PQntuples(r); row++)
        for (size_t i = 0; i < sizeof sums / sizeof sums[0]; i++) {
            int at = 2 + 2 * (int)i;
            if (number(r, row, at) != number(r, row, at + 1))
                say_sum(a, r, row, sums[i], PQgetvalue(r, row, at),
                        PQgetvalue(r, row, at + 1));
        }
    PQclear(r);
    return ERR_OK;
}

/* A topic declared new in the middle of a run begins twice: not compared. */
static const char offsets_sql[] =
    "SELECT l.run_id, l.job_name, l.partitions, p.part, p.low, p.high FROM (SELECT "
    "run_id, part, MIN(first_offset) AS low, MAX(last_offset) AS high FROM etl_batch "
    "GROUP BY run_id, part HAVING COUNT(DISTINCT generation) = 1) p JOIN etl_log l ON "
    "l.run_id = p.run_id WHERE 1 = 1{of_l} ORDER BY l.run_id, p.part";

/* {"0": [first, last], ..}: the pair of a partition; NULL when there is none. */
static const struct json *range_of(const char *partitions, const char *part,
                                   struct arena *a)
{
    const struct json *all;
    struct err unreadable = {0};

    if (json_read(&all, span_str(partitions), NULL, a, &unreadable) != ERR_OK)
        return NULL;
    const struct json *range = json_member(all, part);
    return json_is(range, JSON_ARRAY) && range->n == 2 ? range : NULL;
}

static bool is_at(const struct json *j, int64_t offset)
{
    struct err ignored = {0};
    int64_t x;

    return json_int(&x, j, INT64_MIN, INT64_MAX, &ignored) == ERR_OK && x == offset;
}

static int shown(const struct json *j)
{
    return j->kind != JSON_NUMBER ? 0 : j->text.n < 20 ? (int)j->text.n : 20;
}

static void check_range(struct audit *a, const PGresult *r, int row)
{
    struct arena scratch = {0};
    const char *part = PQgetvalue(r, row, 3);
    int64_t low = number(r, row, 4), high = number(r, row, 5);
    const struct json *range = range_of(PQgetvalue(r, row, 2), part, &scratch);
    char what[60], is[60], should[60];

    snprintf(what, sizeof what, "offsets of partition %.12s", part);
    snprintf(should, sizeof should, "%" PRId64 " to %" PRId64, low, high);
    if (range == NULL)
        say_sum(a, r, row, what, "nothing", should);
    else if (!is_at(range->first, low) || !is_at(range->first->next, high)) {
        snprintf(is, sizeof is, "%.*s to %.*s", shown(range->first),
                 (const char *)range->first->text.p, shown(range->first->next),
                 (const char *)range->first->next->text.p);
        say_sum(a, r, row, what, is, should);
    }
    arena_free(&scratch);
}

static enum err_kind check_runs(struct audit *a, struct err *e)
{
    size_t before = a->wrong;
    PGresult *r = NULL;

    TRY(check_sums(a, e));
    TRY(audit_ask(a, &r, offsets_sql, e));
    for (int row = 0; row < PQntuples(r); row++)
        check_range(a, r, row);
    PQclear(r);
    if (a->wrong == before)
        say(a, PROVED, sums_are, NULL);
    return ERR_OK;
}

/* --- rows of the tables ----------------------------------------------------------- */

static enum err_kind count_rows(struct audit *a, const char *target, int64_t *n,
                                bool *there, struct err *e)
{
    struct buf sql = BUF_INIT(4096);
    PGresult *r = NULL;

    buf_put_str(&sql, "SELECT COUNT(*) FROM ");
    enum err_kind rc = dialect_put_table(&sql, a->db.d, target, e);
    buf_put_u8(&sql, 0);
    if (rc == ERR_OK)
        rc = audit_db_try(&a->db, &r, (const char *)sql.p, e);
    buf_free(&sql);
    *there = r != NULL;
    if (r != NULL)
        *n = number(r, 0, 0);
    PQclear(r);
    return rc;
}

/* Rows that were sent to the table and that a trigger of it kept out, as the loaders
 * counted them; 0 in a ledger that has no such column. */
static enum err_kind ask_untaken(struct audit *a, const char *target, int64_t *n,
                                 struct err *e)
{
    struct buf sql = BUF_INIT(8192);
    PGresult *r = NULL;

    *n = 0;
    if (a->db.by_odbc)
        return ERR_OK;
    buf_put_str(&sql, "SELECT COALESCE(SUM((to_jsonb(l) ->> 'records_untaken')::bigint)"
                      ", 0) FROM etl_log l WHERE target = ");
    pg_put_literal(&sql, span_str(target));
    buf_put_u8(&sql, 0);
    enum err_kind rc = audit_db_ask(&a->db, &r, (const char *)sql.p, e);
    buf_free(&sql);
    TRY(rc);
    *n = number(r, 0, 0);
    PQclear(r);
    return ERR_OK;
}

static enum err_kind check_target(struct audit *a, const char *target,
                                  const char *added, struct err *e)
{
    char what[200], wrong[200];
    int64_t n = 0, untaken = 0;
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
        TRY(ask_untaken(a, target, &untaken, e));
    if (there && untaken > 0)
        snprintf(wrong, sizeof wrong,
                 "%s added, count(*) is %" PRId64 "; of %" PRId64
                 " that were sent the table took none: a trigger of it returns NULL",
                 added, n, untaken);
    else if (there)
        snprintf(wrong, sizeof wrong,
                 "%s added, count(*) is %" PRId64
                 " (does somebody else write or delete there?)",
                 added, n);
    else
        snprintf(wrong, sizeof wrong, "the table cannot be read");
    say(a, WRONG, what, wrong);
    return ERR_OK;
}

/* All jobs that feed a table count, whatever was asked for. */
static const char fed_sql[] =
    "WITH fed AS (SELECT target AS t, COALESCE(rows_added, rows_loaded) AS n, "
    "pipeline, "
    "topic FROM etl_batch UNION ALL SELECT quarantine, rows_quarantined, pipeline, "
    "topic FROM etl_batch WHERE quarantine IS NOT NULL) SELECT t, SUM(n) FROM fed "
    "WHERE t IN (SELECT t "
    "FROM fed WHERE 1 = 1{of}) GROUP BY t ORDER BY t";

static enum err_kind check_targets(struct audit *a, struct err *e)
{
    PGresult *r = NULL;
    enum err_kind rc = ERR_OK;
    bool copy = false;

    TRY(audit_db_has(&a->db, "etl_is_copy", &copy, e)); // etl_copy.h
    if (copy) {
        say(a, NOT_HERE, "rows of the tables",
            "this is a copy of the audit (audit.url); verify where the tables are");
        return ERR_OK;
    }
    TRY(audit_ask(a, &r, fed_sql, e));
    for (int i = 0; i < PQntuples(r) && rc == ERR_OK; i++)
        rc = check_target(a, PQgetvalue(r, i, 0), PQgetvalue(r, i, 1), e);
    PQclear(r);
    return rc;
}

/* --- the topic -------------------------------------------------------------------- */

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

static const char positions_sql[] =
    "SELECT topic, part, next_offset FROM etl_offsets WHERE 1 = 1{of} ORDER BY topic, "
    "part";

static enum err_kind check_kafka(struct audit *a, struct err *e)
{
    struct kf_admin *kafka;
    PGresult *r = NULL;
    enum err_kind rc = ERR_OK;

    if (a->s.bootstrap == NULL)
        return ERR_OK;
    TRY(audit_ask(a, &r, positions_sql, e));
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

/* --- all of it -------------------------------------------------------------------- */

static const char proof_sql[] =
    "SELECT pipeline AS job_name, topic, part, generation, MIN(first_offset) AS "
    "first_offset, MAX(last_offset) AS last_offset, COUNT(*) AS batches, SUM(rows_in) "
    "AS "
    "rows_in, SUM(rows_loaded) AS loaded, SUM(rows_rejected) AS rejected, "
    "SUM(rows_duplicate) AS duplicate, SUM(rows_filtered) AS filtered, "
    "SUM(COALESCE(rows_quarantined, 0)) AS "
    "quarantined FROM etl_batch WHERE 1 = 1{of} GROUP BY pipeline, topic, part, "
    "generation ORDER BY pipeline, topic, part, generation";

static enum err_kind count_of(struct audit *a, const char *sql, int64_t *n,
                              struct err *e)
{
    PGresult *r = NULL;

    TRY(audit_ask(a, &r, sql, e));
    *n = number(r, 0, 0);
    PQclear(r);
    return ERR_OK;
}

static const char runs_sql[] = "SELECT COUNT(*) FROM etl_log l WHERE 1 = 1{of_l}";
static const char ranges_sql[] = "SELECT COUNT(*) FROM etl_batch WHERE 1 = 1{of}";

/* Of nothing everything can be proved. */
static enum err_kind check_asked(struct audit *a, struct err *e)
{
    int64_t runs = 0, ranges = 0;

    TRY(count_of(a, runs_sql, &runs, e));
    TRY(count_of(a, ranges_sql, &ranges, e));
    if (runs + ranges > 0)
        return ERR_OK;
    return err_set(e, ERR_NOT_FOUND, "etl_log has no run of this job and topic");
}

bool audit_verify_say(struct buf *sql, const struct audit *a, size_t i)
{
    static const char *const others[] = {phases_sql, sums_sql,      offsets_sql,
                                         fed_sql,    positions_sql, proof_sql,
                                         runs_sql,   ranges_sql};
    size_t n = sizeof checks / sizeof checks[0];

    if (i >= n + sizeof others / sizeof others[0])
        return false;
    audit_put(sql, a, i < n ? checks[i].sql : others[i - n]);
    return true;
}

static enum err_kind show_proof(struct audit *a, struct err *e)
{
    PGresult *r = NULL;

    if (a->form != AUDIT_TABLE)
        return ERR_OK;
    TRY(audit_ask(a, &r, proof_sql, e));
    audit_show(a, r);
    PQclear(r);
    buf_put_str(&a->out, "\n");
    return ERR_OK;
}

enum err_kind audit_verify(struct audit *a, struct err *e)
{
    bool phases;

    TRY(check_asked(a, e));
    TRY(show_proof(a, e));
    for (size_t i = 0; i < sizeof checks / sizeof checks[0]; i++)
        TRY(run_check(a, &checks[i], e));
    TRY(check_runs(a, e));
    TRY(audit_db_has(&a->db, "etl_phase", &phases, e));
    if (phases)
        TRY(run_check(a, &phases_check, e));
    TRY(check_targets(a, e));
    return check_kafka(a, e);
}
