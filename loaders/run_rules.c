#include "loaders/run_rules.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

void run_rules_open(struct run_rules *r, struct quality *q, int64_t now_ms)
{
    *r = (struct run_rules){.q = q, .stop = -1};
    if (q == NULL)
        return;
    r->totals = quality_counts(q);
    r->of = mem_array(quality_rules(q), sizeof *r->of);
    for (size_t i = 0; i < quality_rules(q); i++)
        r->of[i].asked_ms = now_ms;
}

void run_rules_close(struct run_rules *r)
{
    free(r->totals);
    free(r->of);
}

void run_rules_note(struct run_rules *r, const struct quality_count *counts,
                    int64_t loaded)
{
    r->rows += loaded;
    if (r->q != NULL && counts != NULL)
        quality_add(r->q, r->totals, counts);
}

static bool is_due(const struct of_run *of, const struct quality_rule *rule,
                   bool at_end, int64_t now_ms)
{
    if (!rule->of_run)
        return false;
    if (rule->every_ms == 0)
        return at_end;
    return now_ms - of->asked_ms >= rule->every_ms;
}

void run_rules_stop(struct run_rules *r, int rule, const char *why)
{
    r->stop = rule;
    snprintf(r->stopped, sizeof r->stopped, "%s", why);
    r->changed = true;
}

static enum err_kind ask(struct run_rules *r, size_t i, int64_t now_ms, int64_t wall,
                         struct err *e)
{
    const struct quality_rule *rule = quality_rule(r->q, i);
    struct of_run *of = &r->of[i];
    struct quality_finding f;

    quality_ask_run(r->q, i, r->totals, r->rows - of->rows_before, wall, &f);
    of->checked++;
    of->asked_ms = now_ms;
    if (rule->every_ms > 0)
        of->rows_before = r->rows;
    r->changed = true;
    if (f.good)
        return ERR_OK;
    of->failed++;
    snprintf(of->last, sizeof of->last, "%s", f.why);
    if (rule->severity != QUALITY_FAIL)
        return ERR_OK;
    (void)err_set(e, ERR_LIMIT, "stopped by quality rule \"%.100s\": %s", rule->name,
                  f.why);
    if (r->stop < 0)
        run_rules_stop(r, (int)i, e->msg);
    return e->kind;
}

enum err_kind run_rules_ask(struct run_rules *r, bool at_end, int64_t now_ms,
                            int64_t wall, struct err *e)
{
    enum err_kind rc = ERR_OK;
    struct err next = {0};

    for (size_t i = 0; i < quality_rules(r->q); i++)
        if (is_due(&r->of[i], quality_rule(r->q, i), at_end, now_ms) &&
            ask(r, i, now_ms, wall, &next) != ERR_OK && rc == ERR_OK) {
            *e = next; // the first says why, all are counted
            rc = next.kind;
        }
    return rc;
}

size_t run_rules_results(struct run_rules *r, struct rule_result *out)
{
    size_t n = 0;

    for (size_t i = 0; i < quality_rules(r->q); i++) {
        const struct quality_rule *rule = quality_rule(r->q, i);
        const struct of_run *of = &r->of[i];
        if (rule->of_run || (int)i == r->stop)
            out[n++] = (struct rule_result){
                .name = rule->name,
                .severity = quality_severities[rule->severity],
                .form = rule->form,
                .wanted = rule->shown,
                .checked = of->checked,
                .failed = of->failed,
                .last_failed = of->last[0] == '\0' ? NULL : of->last,
                .stopped = (int)i == r->stop ? r->stopped : NULL,
            };
    }
    r->changed = false;
    return n;
}
