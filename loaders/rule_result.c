#include "loaders/rule_result.h"

#include "loaders/dialect_sql.h"
#include "loaders/etl_log.h"

#include <inttypes.h>
#include <stdio.h>

void rule_result_of(struct rule_result *out, const struct quality_rule *rule,
                    const struct quality_count *count, const char *topic,
                    char last[RULE_LAST])
{
    *out = (struct rule_result){.name = rule->name,
                                .severity = quality_severities[rule->severity],
                                .form = rule->form,
                                .wanted = rule->shown,
                                .checked = count->checked,
                                .failed = count->failed,
                                .errors = count->errors};
    if (count->offset < 0)
        return;
    snprintf(last, RULE_LAST, "%.255s/%" PRId32 "@%" PRId64 ": %s", topic,
             count->partition, count->offset, count->why);
    out->last_failed = last;
}

static void put_values(struct buf *sql, const struct rule_result *r)
{
    const char *const texts[] = {r->name, r->severity, r->form, r->wanted};

    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        etl_put_text(sql, texts[i]);
        buf_put_str(sql, ", ");
    }
    buf_printf(sql, "%" PRId64 "::bigint, %" PRId64 "::bigint, %" PRId64 "::bigint, ",
               r->checked, r->failed, r->errors);
    etl_put_text(sql, r->last_failed);
    buf_put_str(sql, "::text, ");
    etl_put_text(sql, r->stopped);
    buf_put_str(sql, "::text");
}

static void put_conflict(struct buf *sql, bool set)
{
    static const char *const counts[] = {"checked", "failed", "errors"};

    buf_put_str(sql, " ON CONFLICT (run_id, topic, rule) DO UPDATE SET changed = "
                     "clock_timestamp(), last_failed = coalesce(EXCLUDED.last_failed, "
                     "r.last_failed), stopped = coalesce(EXCLUDED.stopped, r.stopped)");
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++)
        buf_printf(sql,
                   set ? ", %s = greatest(r.%s, EXCLUDED.%s)"
                       : ", %s = r.%s + EXCLUDED.%s",
                   counts[i], counts[i], counts[i]);
}

void rule_result_put(struct buf *sql, const struct rule_origin *o,
                     const struct rule_result *results, size_t n, bool set,
                     const char *from)
{
    if (n == 0)
        return;
    buf_put_str(sql, "INSERT INTO etl_rule_result AS r (run_id, pipeline, topic, rule, "
                     "severity, form, wanted, checked, failed, errors, last_failed, "
                     "stopped) SELECT ");
    if (from == NULL)
        buf_printf(sql, "'%s'::uuid, ", o->run_id);
    else
        buf_printf(sql, "%s, ", o->run_id);
    etl_put_text(sql, o->job);
    buf_put_str(sql, ", ");
    etl_put_text(sql, o->topic);
    buf_put_str(sql, ", v.* FROM (VALUES ");
    for (size_t i = 0; i < n; i++) {
        buf_put_str(sql, i > 0 ? ", (" : "(");
        put_values(sql, &results[i]);
        buf_put_u8(sql, ')');
    }
    buf_put_str(sql, ") v (rule, severity, form, wanted, checked, failed, errors, "
                     "last_failed, stopped)");
    if (from != NULL)
        buf_printf(sql, ", %s", from);
    buf_put_str(sql, " WHERE true"); // else ON would be a join's
    put_conflict(sql, set);
}

/* --- in a dialect's words --------------------------------------------------------- */

static const char *word(struct arena *a, struct buf *sql)
{
    const char *out = arena_str(a, buf_span(sql));

    buf_reset(sql);
    return out;
}

static const char *literal(struct arena *a, struct buf *scratch,
                           const struct dialect *d, const char *text)
{
    dialect_put_text(scratch, d, text);
    return word(a, scratch);
}

void rule_result_put_once(struct buf *sql, const struct dialect *d,
                          const struct rule_origin *o,
                          const struct rule_result *results, size_t n)
{
    struct buf scratch = BUF_INIT(1 << 16);
    struct arena a = {0};

    dialect_put_ledger_name(&scratch, d, "rule");
    const char *const columns[] = {"run_id",   "topic",  "rule",   "pipeline",
                                   "severity", "form",   "wanted", "checked",
                                   "failed",   "errors", "changed"};
    enum { COLUMNS = sizeof columns / sizeof columns[0], AT_RULE = 2 };
    const char *named[COLUMNS];
    memcpy(named, columns, sizeof columns);
    named[AT_RULE] = word(&a, &scratch);

    const char *run = literal(&a, &scratch, d, o->run_id);
    const char *topic = literal(&a, &scratch, d, o->topic);
    const char *job = literal(&a, &scratch, d, o->job);
    const char **values = arena_array(&a, n * COLUMNS, sizeof *values), **v = values;
    for (size_t i = 0; i < n; i++) {
        const char *const texts[] = {results[i].severity, results[i].form,
                                     results[i].wanted};
        *v++ = run;
        *v++ = topic;
        *v++ = literal(&a, &scratch, d, results[i].name);
        *v++ = job;
        for (size_t k = 0; k < 3; k++)
            *v++ = literal(&a, &scratch, d, texts[k]);
        for (size_t k = 0; k < 3; k++)
            *v++ = "0";
        *v++ = d->now;
    }
    d->put_once(sql, d, "etl_rule_result", named, values, COLUMNS, n, 3);
    arena_free(&a);
    buf_free(&scratch);
}

static void put_when(struct buf *sql, const struct dialect *d, const char *rule)
{
    buf_put_str(sql, " WHEN ");
    dialect_put_text(sql, d, rule);
    buf_put_str(sql, " THEN ");
}

/* checked = CASE rule WHEN 'a' THEN checked + 5 .. END; set: never less than it is. */
static void put_counts(struct buf *sql, const struct dialect *d, const char *column,
                       size_t at, const struct rule_result *results, size_t n, bool set)
{
    buf_printf(sql, ", %s = CASE ", column);
    dialect_put_ledger_name(sql, d, "rule");
    for (size_t i = 0; i < n; i++) {
        int64_t x = ((const int64_t[]){results[i].checked, results[i].failed,
                                       results[i].errors})[at];
        put_when(sql, d, results[i].name);
        if (set)
            buf_printf(sql, "CASE WHEN %s > %" PRId64 " THEN %s ELSE %" PRId64 " END",
                       column, x, column, x);
        else
            buf_printf(sql, "%s + %" PRId64, column, x);
    }
    buf_printf(sql, " ELSE %s END", column);
}

/* What there is to say; where there is nothing, what was said stays. */
static void put_said(struct buf *sql, const struct dialect *d, const char *column,
                     bool stopped, const struct rule_result *results, size_t n)
{
    bool any = false;

    for (size_t i = 0; i < n; i++) {
        const char *said = stopped ? results[i].stopped : results[i].last_failed;
        if (said == NULL)
            continue;
        if (!any) {
            buf_printf(sql, ", %s = CASE ", column);
            dialect_put_ledger_name(sql, d, "rule");
        }
        put_when(sql, d, results[i].name);
        dialect_put_text(sql, d, said);
        any = true;
    }
    if (any)
        buf_printf(sql, " ELSE %s END", column);
}

void rule_result_put_change(struct buf *sql, const struct dialect *d,
                            const struct rule_origin *o,
                            const struct rule_result *results, size_t n, bool set)
{
    static const char *const counts[] = {"checked", "failed", "errors"};

    buf_printf(sql, "UPDATE etl_rule_result SET changed = %s", d->now);
    for (size_t i = 0; i < 3; i++)
        put_counts(sql, d, counts[i], i, results, n, set);
    put_said(sql, d, "last_failed", false, results, n);
    put_said(sql, d, "stopped", true, results, n);
    buf_put_str(sql, " WHERE run_id = ");
    dialect_put_text(sql, d, o->run_id);
    buf_put_str(sql, " AND topic = ");
    dialect_put_text(sql, d, o->topic);
    buf_put_str(sql, " AND ");
    dialect_put_ledger_name(sql, d, "rule");
    buf_put_str(sql, " IN (");
    for (size_t i = 0; i < n; i++) {
        buf_put_str(sql, i > 0 ? ", " : "");
        dialect_put_text(sql, d, results[i].name);
    }
    buf_put_u8(sql, ')');
}
