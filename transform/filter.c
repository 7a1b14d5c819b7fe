/* filter: a condition in CEL; what it does not hold for goes no further. */
#include "transform/transform_inside.h"

static enum err_kind read_filter(struct step *s, struct arena *a, struct err *e)
{
    (void)a;
    if (s->given->text == NULL || s->given->text[0] == '\0')
        return tr_given_refuse(s->given, e, "wanted one expression");
    return ERR_OK;
}

static enum err_kind run_filter(struct transform_run *r, const struct op *op,
                                struct transform_result *out, struct err *e)
{
    struct cel_outcome o;

    tr_begin(r, op);
    cel_check(r->cel, op->made, &o);
    if (o.verdict == CEL_ERRS)
        return tr_refuse(out, op, (struct span){0}, e, SPAN_FMT, SPAN_ARG(o.message));
    if (o.verdict == CEL_FAILS)
        out->fate = TRANSFORM_FILTERED;
    return ERR_OK;
}

static enum err_kind compile_filter(struct compiler *c, const struct step *s,
                                    struct err *e)
{
    struct cel_rules *rules;
    struct cel_rule *rule;

    TRY(tr_compile_rules(c, &rules, e));
    TRY(cel_rules_add(rules, span_str(s->given->text), CEL_RECORD, &rule, e));
    if (cel_rule_yield(rule) == CEL_YIELDS_VALUE)
        return err_set(e, ERR_INVALID, "a filter is a condition, true or false");
    struct op *op = tr_add_op(c, run_filter, rule);
    op->view = tr_compile_view(c);
    op->rules = rules;
    return ERR_OK;
}

const struct verb tr_verb_filter = {"filter", read_filter, NULL, compile_filter};
