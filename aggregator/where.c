#include "aggregator/where.h"

#include "base/tab.h"
#include "cel/cel.h"

#include <stdio.h>
#include <stdlib.h>

#define KEPT 1000 // schemas; past it all are forgotten

struct compiled {
    struct cel_rules *set;
    struct cel_rule *rule; // NULL: `why` says why not
    char why[200];
};

struct where {
    const char *text;
    struct cel_run *run;
    struct tab by_plan;
    uint64_t last_id;
    struct compiled *last; // the record before was nearly always of the same
};

struct where *where_new(const char *text)
{
    struct where *w = mem_alloc(sizeof *w);

    w->text = text;
    w->run = cel_run_new();
    return w;
}

static void forget_all(struct where *w)
{
    struct compiled *c;

    for (size_t at = 0; (c = tab_each(&w->by_plan, &at, NULL)) != NULL;) {
        cel_rules_free(c->set);
        free(c);
    }
    tab_free(&w->by_plan);
    w->by_plan = (struct tab){0};
    w->last = NULL;
}

void where_free(struct where *w)
{
    if (w == NULL)
        return;
    forget_all(w);
    cel_run_free(w->run);
    free(w);
}

static void compile(struct compiled *c, const char *text, const struct av_plan *plan)
{
    // The rules retain it; const is av_plan_writer()'s caution.
    struct av_schema *writer = (struct av_schema *)(uintptr_t)av_plan_writer(plan);
    struct cel_rule *rule;
    struct err e = {0};

    if (cel_rules_new(&c->set, writer, &e) != ERR_OK ||
        cel_rules_add(c->set, span_str(text), CEL_RECORD, &rule, &e) != ERR_OK)
        snprintf(c->why, sizeof c->why, "%.190s", e.msg);
    else if (cel_rule_yield(rule) == CEL_YIELDS_VALUE)
        snprintf(c->why, sizeof c->why, "aggregate.where is no condition");
    else
        c->rule = rule;
}

static struct compiled *find(struct where *w, const struct av_plan *plan)
{
    uint64_t id = av_plan_id(plan);

    if (w->last != NULL && w->last_id == id)
        return w->last;
    struct compiled *c = tab_get_id(&w->by_plan, (int64_t)id);
    if (c == NULL) {
        if (w->by_plan.n >= KEPT)
            forget_all(w);
        c = mem_alloc(sizeof *c);
        compile(c, w->text, plan);
        tab_put_id(&w->by_plan, (int64_t)id, c);
    }
    w->last_id = id;
    return w->last = c;
}

enum err_kind where_holds(struct where *w, const struct av_plan *plan,
                          struct span datum, int64_t now_ns, bool *holds, struct err *e)
{
    const struct compiled *c = find(w, plan);
    struct cel_outcome out;

    if (c->rule == NULL)
        return err_set(e, ERR_INVALID, "aggregate.where: %s", c->why);
    cel_begin(w->run, c->set, datum, now_ns);
    cel_check(w->run, c->rule, &out);
    if (out.verdict == CEL_ERRS)
        return err_set(e, ERR_INVALID, "aggregate.where: " SPAN_FMT,
                       SPAN_ARG(out.message));
    *holds = out.verdict == CEL_HOLDS;
    return ERR_OK;
}
