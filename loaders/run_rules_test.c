#include "loaders/run_rules.h"

#include "base/yaml.h"
#include "tests/check.h"

#include <stdlib.h>

#define MINUTE 60000

struct world {
    struct arena arena;
    struct quality *q;
    struct run_rules rules;
    struct err e;
};

static void open_world(struct world *w, const char *yaml)
{
    struct conf_tree tree = {.file = "p.yaml"};

    *w = (struct world){0};
    if (yaml_read(&tree.root, "p.yaml", span_str(yaml), &w->arena, &w->e) != ERR_OK ||
        quality_read(&w->q, &tree, &w->e) != ERR_OK) {
        printf("%s\n", w->e.msg);
        abort();
    }
    run_rules_open(&w->rules, w->q, 0);
}

static void close_world(struct world *w)
{
    run_rules_close(&w->rules);
    quality_free(w->q);
    arena_free(&w->arena);
}

static void the_whole_run_is_asked_at_its_end(void)
{
    struct rule_result results[4];
    struct world w;

    open_world(&w, "- {name: all, severity: fail, rows: {min: 10}}\n"
                   "- {name: known, not_null: id}\n");
    run_rules_note(&w.rules, NULL, 9);
    CHECK_INT(run_rules_ask(&w.rules, false, 100 * MINUTE, 0, &w.e), ERR_OK);
    CHECK_INT(run_rules_results(&w.rules, results), 1);
    CHECK_INT(results[0].checked, 0);
    CHECK_INT(run_rules_ask(&w.rules, true, 100 * MINUTE, 0, &w.e), ERR_LIMIT);
    CHECK_STR(w.e.msg, "stopped by quality rule \"all\": 9 rows, wanted at least 10");
    CHECK(w.rules.changed);
    CHECK_INT(run_rules_results(&w.rules, results), 1);
    CHECK_INT(results[0].checked, 1);
    CHECK_INT(results[0].failed, 1);
    CHECK_STR(results[0].last_failed, "9 rows, wanted at least 10");
    CHECK_STR(results[0].stopped, w.e.msg);
    CHECK(!w.rules.changed);
    close_world(&w);
}

static void an_interval_is_asked_of_its_own_rows(void)
{
    struct rule_result results[4];
    struct world w;

    open_world(&w, "- {name: flow, rows: {min: 5, every: 1m}}\n"
                   "- {name: few, severity: fail, rows: {max: 100, every: 1m}}\n");
    run_rules_note(&w.rules, NULL, 7);
    CHECK_INT(run_rules_ask(&w.rules, false, MINUTE - 1, 0, &w.e), ERR_OK);
    CHECK(!w.rules.changed);
    CHECK_INT(run_rules_ask(&w.rules, false, MINUTE, 0, &w.e), ERR_OK);
    run_rules_note(&w.rules, NULL, 3);
    CHECK_INT(run_rules_ask(&w.rules, false, 2 * MINUTE, 0, &w.e), ERR_OK);
    run_rules_note(&w.rules, NULL, 101);
    CHECK_INT(run_rules_ask(&w.rules, true, 3 * MINUTE - 1, 0, &w.e), ERR_OK);
    CHECK_INT(run_rules_ask(&w.rules, false, 3 * MINUTE, 0, &w.e), ERR_LIMIT);
    CHECK_STR(w.e.msg, "stopped by quality rule \"few\": 101 rows, wanted at most 100");
    CHECK_INT(run_rules_results(&w.rules, results), 2);
    CHECK_INT(results[0].checked, 3);
    CHECK_INT(results[0].failed, 1);
    CHECK_STR(results[0].last_failed, "3 rows, wanted at least 5");
    CHECK_INT(results[1].failed, 1);
    close_world(&w);
}

static void a_rule_of_records_that_stops_the_run_is_told_without_counts(void)
{
    struct rule_result results[4];
    struct world w;

    open_world(&w, "- {name: good, severity: fail, expr: 'true'}\n");
    run_rules_stop(&w.rules, 0, "stopped by it");
    CHECK(w.rules.changed);
    CHECK_INT(run_rules_results(&w.rules, results), 1);
    CHECK_STR(results[0].stopped, "stopped by it");
    CHECK_INT(results[0].checked, 0);
    close_world(&w);
}

static void without_rules_nothing_is_asked(void)
{
    struct rule_result none[1];
    struct run_rules r;
    struct err e = {0};

    run_rules_open(&r, NULL, 0);
    run_rules_note(&r, NULL, 5);
    CHECK_INT(run_rules_ask(&r, true, 100, 0, &e), ERR_OK);
    CHECK_INT(run_rules_results(&r, none), 0);
    run_rules_close(&r);
}

static void a_result_is_a_statement(void)
{
    struct rule_result results[] = {{.name = "a",
                                     .severity = "warn",
                                     .form = "expr",
                                     .wanted = "x == 'y'",
                                     .checked = 7,
                                     .failed = 2,
                                     .errors = 1,
                                     .last_failed = "t/0@5: is false"},
                                    {.name = "b",
                                     .severity = "fail",
                                     .form = "rows",
                                     .wanted = "rows",
                                     .stopped = "1 rows"}};
    struct rule_origin o = {"123e4567-e89b-12d3-a456-426614174000", "job", "t"};
    struct buf sql = BUF_INIT(10000);

    rule_result_put(&sql, &o, results, 2, false, NULL);
    CHECK_SPAN(
        buf_span(&sql),
        "INSERT INTO etl_rule_result AS r (run_id, pipeline, topic, rule, severity, "
        "form, wanted, checked, failed, errors, last_failed, stopped) SELECT "
        "'123e4567-e89b-12d3-a456-426614174000'::uuid, E'job', E't', v.* FROM (VALUES "
        "(E'a', E'warn', E'expr', E'x == ''y''', 7::bigint, 2::bigint, 1::bigint, "
        "E't/0@5: "
        "is false'::text, NULL::text), (E'b', E'fail', E'rows', E'rows', 0::bigint, "
        "0::bigint, 0::bigint, NULL::text, E'1 rows'::text)) v (rule, severity, form, "
        "wanted, checked, failed, errors, last_failed, stopped) WHERE true ON CONFLICT "
        "(run_id, topic, rule) DO UPDATE SET changed = clock_timestamp(), last_failed "
        "= "
        "coalesce(EXCLUDED.last_failed, r.last_failed), stopped = "
        "coalesce(EXCLUDED.stopped, r.stopped), checked = r.checked + "
        "EXCLUDED.checked, failed = r.failed + EXCLUDED.failed, errors = r.errors + "
        "EXCLUDED.errors");
    buf_reset(&sql);
    o.run_id = "new.run_id";
    rule_result_put(&sql, &o, results, 1, true, "new");
    struct span s = buf_span(&sql);
    CHECK(memmem(s.p, s.n, "SELECT new.run_id, E'job'", 25) != NULL);
    CHECK(memmem(s.p, s.n, "stopped), new WHERE true", 24) != NULL);
    CHECK(memmem(s.p, s.n, "checked = greatest(r.checked, EXCLUDED.checked)", 47) !=
          NULL);
    buf_reset(&sql);
    rule_result_put(&sql, &o, results, 0, true, NULL);
    CHECK_INT(sql.n, 0);
    buf_free(&sql);
}

int main(void)
{
    RUN(the_whole_run_is_asked_at_its_end);
    RUN(an_interval_is_asked_of_its_own_rows);
    RUN(a_rule_of_records_that_stops_the_run_is_told_without_counts);
    RUN(without_rules_nothing_is_asked);
    RUN(a_result_is_a_statement);
    return REPORT();
}
