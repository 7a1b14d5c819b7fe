#include "cel/visit.h"

#include <stdlib.h>

/* The rules of a schema */

enum err_kind cel_rules_new(struct cel_rules **out, struct av_schema *schema,
                            struct err *e)
{
    struct cel_rules *set = mem_alloc(sizeof *set);

    (void)e; // what a schema may be refused for is refused by its parser today
    set->schema = av_schema_retain(schema);
    set->tags_end = &set->tags;
    *out = set;
    return ERR_OK;
}

static void free_rule(struct cel_rule *r)
{
    cel_plan_free(&r->guard);
    cel_plan_free(&r->body);
    free(r);
}

void cel_rules_free(struct cel_rules *set)
{
    if (set == NULL)
        return;
    while (set->first != NULL) {
        struct cel_rule *r = set->first;

        set->first = r->next;
        free_rule(r);
    }
    cel_visits_free(set->visits);
    free(set->slot_nodes);
    arena_free(&set->arena);
    av_schema_release(set->schema);
    free(set);
}

/* Compiling */

#define NAMED(name_)                                          \
    {                                                         \
        .p = (const uint8_t *)(name_), .n = sizeof(name_) - 1 \
    }

static void record_scope(struct cel_scope *out, struct cel_variable room[2],
                         const struct cel_rules *set, struct arena *a)
{
    room[0] = (struct cel_variable){NAMED("message"),
                                    cel_type_of_node(a, av_schema_root(set->schema))};
    room[1] = (struct cel_variable){NAMED("now"), cel_type_of(CEL_TIMESTAMP)};
    *out = (struct cel_scope){.variables = room, .n = 2, .schema = set->schema};
    if (set->bare && av_schema_root(set->schema)->type == AV_RECORD)
        out->bare = av_schema_root(set->schema);
}

static void field_scope(struct cel_scope *out,
                        struct cel_variable room[CEL_FIELD_VARIABLES],
                        const struct cel_rules *set, struct arena *a)
{
    const struct cel_type *string = cel_type_of(CEL_STRING);

    room[FIELD_MESSAGE] = (struct cel_variable){NAMED("message"), cel_type_of(CEL_DYN)};
    room[FIELD_NOW] = (struct cel_variable){NAMED("now"), cel_type_of(CEL_TIMESTAMP)};
    room[FIELD_VALUE] = (struct cel_variable){NAMED("value"), cel_type_of(CEL_DYN)};
    room[FIELD_NAME] = (struct cel_variable){NAMED("name"), string};
    room[FIELD_FULL_NAME] = (struct cel_variable){NAMED("fullName"), string};
    room[FIELD_TYPE_NAME] = (struct cel_variable){NAMED("typeName"), string};
    room[FIELD_TAGS] = (struct cel_variable){NAMED("tags"), cel_type_list(a, string)};
    *out = (struct cel_scope){
        .variables = room, .n = CEL_FIELD_VARIABLES, .schema = set->schema};
}

enum err_kind cel_guard_check(struct cel_ast *guard, const struct cel_scope *scope,
                              struct span text, struct arena *a, struct err *e)
{
    TRY(cel_type_check(guard, scope, text, a, e));
    const struct cel_type *t = cel_type_sure(guard->type);
    if (t->kind == CEL_BOOL || t->kind == CEL_DYN)
        return ERR_OK;
    return cel_refuse(text, guard->at, ERR_INVALID, e,
                      "a guard is a bool, this is a %s", cel_kind_name(t->kind));
}

static enum cel_yield yield_of(const struct cel_type *t)
{
    t = cel_type_sure(t);
    return t->kind == CEL_BOOL  ? CEL_YIELDS_BOOL
           : t->kind == CEL_DYN ? CEL_YIELDS_ANY
                                : CEL_YIELDS_VALUE;
}

static enum err_kind compile(struct cel_rule *r, struct cel_rules *set,
                             struct span text, struct arena *a, struct err *e)
{
    struct cel_variable variables[CEL_FIELD_VARIABLES];
    struct cel_parsed parsed;
    struct cel_scope scope;

    if (r->mode == CEL_RECORD)
        record_scope(&scope, variables, set, a);
    else
        field_scope(&scope, variables, set, a);
    TRY(cel_parse(&parsed, text, a, e));
    if (parsed.guard != NULL)
        TRY(cel_guard_check(parsed.guard, &scope, text, a, e));
    TRY(cel_type_check(parsed.body, &scope, text, a, e));
    r->yield = yield_of(parsed.body->type);
    r->has_guard = parsed.guard != NULL;
    r->result = cel_type_result(parsed.body->type, &set->arena);
    r->result.nullable |= r->has_guard;
    if (r->has_guard)
        TRY(cel_plan_make(&r->guard, parsed.guard, set, text, &set->arena, e));
    return cel_plan_make(&r->body, parsed.body, set, text, &set->arena, e);
}

enum err_kind cel_rules_add(struct cel_rules *set, struct span text, enum cel_mode mode,
                            struct cel_rule **out, struct err *e)
{
    static const uint8_t nothing[1];
    struct arena scratch = {0};
    struct cel_rule *r = mem_alloc(sizeof *r);

    if (text.p == NULL)
        text.p = nothing;
    r->set = set;
    r->mode = mode;
    enum err_kind k = compile(r, set, text, &scratch, e);
    if (k == ERR_OK && mode == CEL_FIELD && set->visits == NULL)
        set->visits = cel_visits_new(set);
    arena_free(&scratch);
    if (k != ERR_OK) {
        free_rule(r);
        return k;
    }
    r->next = set->first;
    set->first = *out = r;
    return ERR_OK;
}

void cel_rules_tag(struct cel_rules *set, struct span path, struct span tag)
{
    struct cel_tag *t = arena_alloc(&set->arena, sizeof *t);

    t->path = arena_copy(&set->arena, path);
    t->tag = arena_copy(&set->arena, tag);
    *set->tags_end = t;
    set->tags_end = &t->next;
}

void cel_rules_bare(struct cel_rules *set)
{
    set->bare = true;
}

void cel_rule_only(struct cel_rule *rule, const struct span *tags, size_t n)
{
    struct span *only = arena_array(&rule->set->arena, n, sizeof *only);

    for (size_t i = 0; i < n; i++)
        only[i] = arena_copy(&rule->set->arena, tags[i]);
    rule->only = only;
    rule->n_only = n;
}

enum cel_yield cel_rule_yield(const struct cel_rule *rule)
{
    return rule->yield;
}

struct cel_result cel_rule_result(const struct cel_rule *rule)
{
    return rule->result;
}

/* Runs */

#define TEXT_MOST CEL_ROOM_MOST

struct cel_run *cel_run_new(void)
{
    struct cel_run *run = mem_alloc(sizeof *run);

    run->text = BUF_INIT(TEXT_MOST);
    return run;
}

void cel_run_free(struct cel_run *run)
{
    if (run == NULL)
        return;
    for (size_t i = 0; i < run->n_scratches; i++)
        cel_regex_scratch_close(run->scratches[i]);
    free(run->scratches);
    cel_zones_free(run);
    arena_free(&run->arena);
    buf_free(&run->text);
    free(run->slots);
    free(run->locals);
    free(run);
}

void cel_begin(struct cel_run *run, const struct cel_rules *set, struct span datum,
               int64_t now)
{
    static const uint8_t nothing[1];

    if (datum.p == NULL)
        datum.p = nothing;
    run->set = set;
    run->datum = datum;
    run->end = datum.p + datum.n;
    run->walked = false;
    if (set->n_slots > run->cap_slots) {
        run->slots = mem_grow(run->slots, set->n_slots, sizeof *run->slots);
        run->cap_slots = set->n_slots;
    }
    int64_t seconds = now / 1000000000, nanos = now % 1000000000;
    run->now =
        cel_timestamp(seconds - (nanos < 0), nanos + (nanos < 0 ? 1000000000 : 0));
}

void cel_ask(struct cel_run *run)
{
    arena_reset(&run->arena);
    run->arena.used = 0;
    run->steps = 0;
    run->nesting = 0;
    run->broken = NULL;
}

/* Does the rule apply?  What breaks a guard breaks the rule; its own errors say no. */
bool cel_applies(struct cel_run *run, const struct cel_rule *rule,
                 const struct cel_value *variables)
{
    if (!rule->has_guard)
        return true;
    struct cel_value v = cel_eval(run, &rule->guard, variables);
    return v.kind == CEL_BOOL && v.b;
}

static void record_variables(struct cel_run *run, struct cel_value out[2])
{
    out[0] = cel_load(run, av_schema_root(run->set->schema), run->datum.p);
    out[1] = run->now;
}

static void fail_with(struct cel_outcome *out, struct cel_value why)
{
    out->verdict = CEL_ERRS;
    out->message = why.s;
}

/* A condition's value as a verdict. */
void cel_judge(struct cel_run *run, struct cel_value v, struct cel_outcome *out)
{
    if (v.kind == CEL_BOOL)
        out->verdict = v.b ? CEL_HOLDS : CEL_FAILS;
    else if (v.kind == CEL_ERROR)
        fail_with(out, v);
    else
        fail_with(out, cel_failf(run, "a condition is a bool, this is a %s",
                                 cel_kind_name(v.kind)));
}

/* The value for this record; false: the rule does not apply, or *out has the error. */
static bool value_of(struct cel_run *run, const struct cel_rule *rule,
                     struct cel_value *v, struct cel_outcome *out)
{
    struct cel_value variables[2];

    record_variables(run, variables);
    out->applied = cel_applies(run, rule, variables);
    if (out->applied)
        *v = cel_eval(run, &rule->body, variables);
    if (run->broken != NULL)
        fail_with(out, cel_broken(run));
    else if (out->applied && v->kind == CEL_ERROR)
        fail_with(out, *v);
    return out->applied && out->verdict != CEL_ERRS;
}

void cel_check(struct cel_run *run, const struct cel_rule *rule,
               struct cel_outcome *out)
{
    struct cel_value v;

    *out = (struct cel_outcome){.verdict = CEL_HOLDS};
    cel_ask(run);
    if (rule->mode == CEL_FIELD)
        cel_visit(run, rule, NULL, out);
    else if (value_of(run, rule, &v, out))
        cel_judge(run, v, out);
}

bool cel_locate(struct cel_run *run, size_t i, struct span *out)
{
    const struct av_node *root = av_schema_root(run->set->schema);

    cel_ask(run);
    if (root->type != AV_RECORD || i >= root->n_fields)
        return false;
    const uint8_t *from = cel_field_at(run, root, i, run->datum.p), *to = NULL;
    if (from != NULL)
        to = cel_skip(run, root->fields[i].type, from);
    if (to == NULL)
        return false;
    *out = span_of(from, (size_t)(to - from));
    return true;
}

static void copy_record(struct cel_run *run, struct buf *out)
{
    buf_put(out, run->datum);
}

static void transform_record(struct cel_run *run, const struct cel_rule *rule,
                             struct buf *out, struct cel_outcome *outcome)
{
    struct cel_value v, why;

    if (!value_of(run, rule, &v, outcome)) {
        if (outcome->verdict != CEL_ERRS)
            copy_record(run, out);
        return;
    }
    if (!cel_fit(run, v, av_schema_root(run->set->schema), out, &why))
        fail_with(outcome, why);
}

void cel_transform(struct cel_run *run, const struct cel_rule *rule, struct buf *out,
                   struct cel_outcome *outcome)
{
    size_t start = out->n;

    *outcome = (struct cel_outcome){.verdict = CEL_HOLDS};
    cel_ask(run);
    if (rule->mode == CEL_FIELD)
        cel_visit(run, rule, out, outcome);
    else
        transform_record(run, rule, out, outcome);
    if (outcome->verdict == CEL_HOLDS && out->over)
        fail_with(outcome, cel_fail("the new record is too large"));
    if (outcome->verdict != CEL_HOLDS)
        buf_cut(out, start);
}

void cel_compute(struct cel_run *run, const struct cel_rule *rule,
                 const struct av_node *type, struct buf *out, bool *is_null,
                 struct cel_outcome *outcome)
{
    struct cel_value v, why;

    *outcome = (struct cel_outcome){.verdict = CEL_HOLDS};
    *is_null = false;
    cel_ask(run);
    if (!value_of(run, rule, &v, outcome))
        *is_null = outcome->verdict != CEL_ERRS; // its guard said no
    else if (v.kind == CEL_NULL)
        *is_null = true;
    else if (!cel_fit(run, v, type, out, &why))
        fail_with(outcome, why);
}

/* A line for a person */

static void show_error(struct buf *out, struct span why)
{
    buf_put_str(out, "error: ");
    buf_put(out, why);
}

static void show_json(struct cel_run *run, struct cel_value v, struct buf *out)
{
    size_t start = out->n;

    if (cel_json_put(run, v, out) && !out->over)
        return;
    buf_cut(out, start);
    show_error(
        out, span_str(run->broken != NULL ? run->broken : "a value that has no JSON"));
}

static struct cel_value whole_record(struct cel_run *run)
{
    return cel_load(run, av_schema_root(run->set->schema), run->datum.p);
}

static void show_record_rule(struct cel_run *run, const struct cel_rule *rule,
                             struct buf *out)
{
    struct cel_outcome outcome = {.verdict = CEL_HOLDS};
    struct cel_value v;

    cel_ask(run);
    if (value_of(run, rule, &v, &outcome))
        show_json(run, v, out);
    else if (outcome.verdict == CEL_ERRS)
        show_error(out, outcome.message);
    else if (rule->yield == CEL_YIELDS_BOOL)
        buf_put_str(out, "true");
    else
        show_json(run, whole_record(run), out);
}

static void show_new_record(struct cel_run *run, struct span datum, struct buf *out)
{
    struct span old = run->datum;

    run->datum = datum;
    run->end = datum.p + datum.n;
    cel_ask(run);
    show_json(run, whole_record(run), out);
    run->datum = old;
    run->end = old.p + old.n;
}

static void show_field_rule(struct cel_run *run, const struct cel_rule *rule,
                            struct buf *out)
{
    struct buf made = BUF_INIT((size_t)64 << 20);
    struct cel_outcome outcome;

    if (rule->yield == CEL_YIELDS_BOOL)
        cel_check(run, rule, &outcome);
    else
        cel_transform(run, rule, &made, &outcome);
    if (outcome.verdict == CEL_ERRS)
        show_error(out, outcome.message);
    else if (outcome.verdict == CEL_FAILS)
        buf_put_str(out, "false");
    else if (rule->yield == CEL_YIELDS_BOOL || outcome.judged)
        buf_put_str(out, "true");
    else
        show_new_record(run, buf_span(&made), out);
    buf_free(&made);
}

void cel_show(struct cel_run *run, const struct cel_rule *rule, struct buf *out)
{
    if (rule->mode == CEL_FIELD)
        show_field_rule(run, rule, out);
    else
        show_record_rule(run, rule, out);
}
