#include "loaders/rule_result.h"

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
