/* compute: fields whose values are expressions of the record as it stands. */
#include "transform/transform_inside.h"

#include <stdlib.h>

struct formula { // as given
    const char *field, *text, *from;
    struct tr_type type;
    bool typed, nullable, else_null;
};

struct formulas {
    struct formula *items;
    size_t n;
};

static enum err_kind read_type(struct formula *f, const char *text, struct arena *a,
                               struct err *e)
{
    size_t n = strlen(text);

    f->typed = true;
    f->nullable = n > 0 && text[n - 1] == '?';
    return tr_type_read(&f->type, arena_str(a, span_of(text, n - f->nullable)), e);
}

static enum err_kind read_one(struct formula *f, const struct given *g, struct arena *a,
                              struct err *e)
{
    const char *type = NULL, *otherwise = NULL;

    *f = (struct formula){.field = g->key, .text = g->text, .from = g->from};
    if (tr_column_check_name(g->key, e) != ERR_OK)
        return err_prefix(e, "%.60s", g->from);
    if (g->text == NULL) {
        TRY(tr_given_known(g, "expr|type|else", e));
        TRY(tr_given_text(&f->text, g, "expr", true, e));
        TRY(tr_given_text(&type, g, "type", false, e));
        TRY(tr_given_text(&otherwise, g, "else", false, e));
    }
    TRY(tr_read_else(&f->else_null, otherwise, g, e));
    if (type != NULL && read_type(f, type, a, e) != ERR_OK)
        return err_prefix(e, "%.60s", g->from);
    return ERR_OK;
}

static enum err_kind read_compute(struct step *s, struct arena *a, struct err *e)
{
    struct formulas *all = arena_alloc(a, sizeof *all);

    if (s->given->text != NULL || s->given->list || s->given->n == 0)
        return tr_given_refuse(s->given, e, "wanted expressions: {field: \"a + b\"}");
    all->items = arena_array(a, s->given->n, sizeof *all->items);
    for (const struct given *g = s->given->first; g != NULL; g = g->next)
        TRY(read_one(&all->items[all->n++], g, a, e));
    s->read = all;
    return ERR_OK;
}

struct computed {
    const struct formula *formula;
    const struct cel_rule *rule;
    const struct av_node *type; // without its null
    enum tr_null null;
    bool by_schema; // `type` is that of the schema which comes out
    size_t out;
};

static enum err_kind run_compute(struct transform_run *r, const struct op *op,
                                 struct transform_result *out, struct err *e)
{
    const struct computed *c = op->made;
    struct cel_outcome o;
    size_t at = tr_make(r);
    bool is_null;

    tr_begin(r, op);
    tr_put_branch(&r->scratch, c->null, false);
    cel_compute(r->cel, c->rule, c->type, &r->scratch, &is_null, &o);
    bool failed = o.verdict == CEL_ERRS && !c->formula->else_null;
    if (failed || (is_null && c->null == TR_NEVER_NULL)) {
        struct span why = failed ? o.message : span_str("null, wanted a value");
        return tr_refuse(out, op, span_str(c->formula->field), e, SPAN_FMT,
                         SPAN_ARG(why));
    }
    if (is_null || o.verdict == CEL_ERRS) {
        buf_cut(&r->scratch, at);
        tr_put_branch(&r->scratch, c->null, true);
    }
    tr_made(r, c->out, at);
    return ERR_OK;
}

static enum err_kind type_of(struct compiler *k, struct computed *c, struct column *col,
                             struct err *e)
{
    const struct formula *f = c->formula;
    struct cel_result r = cel_rule_result(c->rule);

    if (!f->typed && r.type.n == 0 && r.record == NULL)
        return err_set(
            e, ERR_INVALID,
            "%s: no type follows from the expression, say one: {expr: \"...\", "
            "type: decimal(12,2)}",
            f->field);
    bool null = f->else_null || (f->typed ? f->nullable : r.nullable);
    c->null = null ? TR_NULL_FIRST : TR_NEVER_NULL;
    c->by_schema = f->typed || r.record == NULL;
    c->type = r.record;
    if (f->typed)
        col->type = tr_type_json(&f->type, c->null, &k->p->arena);
    else if (r.record != NULL)
        *col = (struct column){.node = r.record, .null = c->null};
    else
        col->type =
            null ? arena_join(&k->p->arena, span_str("[\"null\""), ",",
                              arena_join(&k->p->arena, r.type, "", span_str("]")))
                 : r.type;
    return ERR_OK;
}

static enum err_kind compile_one(struct compiler *k, const struct formula *f,
                                 struct computed **out, struct column *col,
                                 struct err *e)
{
    struct computed *c = arena_alloc(&k->p->arena, sizeof *c);
    struct cel_rules *rules;
    struct cel_rule *rule;

    c->formula = f;
    TRY(tr_compile_rules(k, &rules, e));
    if (cel_rules_add(rules, span_str(f->text), CEL_RECORD, &rule, e) != ERR_OK)
        return err_prefix(e, "%.60s", f->field);
    c->rule = rule;
    *col = (struct column){0};
    TRY(type_of(k, c, col, e));
    col->name = span_str(f->field);
    col->reg = c->out = tr_new_register(k);
    struct op *op = tr_add_op(k, run_compute, c);
    op->view = tr_compile_view(k);
    op->rules = rules;
    *out = c;
    return ERR_OK;
}

static const struct av_node *type_by_name(const struct compiler *k, const char *name)
{
    return tr_nullable_of(tr_column_find(k, name)->field->type).value;
}

static enum err_kind compile_compute(struct compiler *k, const struct step *s,
                                     struct err *e)
{
    const struct formulas *all = s->read;
    struct column *columns = arena_array(&k->p->arena, k->n + all->n, sizeof *columns);
    struct computed **made =
        arena_array(&k->p->arena, all->n, sizeof(struct computed *));
    size_t n = k->n;

    memcpy(columns, k->columns, k->n * sizeof *columns);
    for (size_t i = 0; i < all->n; i++) {
        struct column col;
        TRY(compile_one(k, &all->items[i], &made[i], &col, e));
        tr_place(k, columns, &n, &col);
    }
    TRY(tr_compile_adopt(k, columns, n, e));
    for (size_t i = 0; i < all->n; i++)
        if (made[i]->by_schema)
            made[i]->type = type_by_name(k, all->items[i].field);
    return ERR_OK;
}

const struct verb tr_verb_compute = {"compute", read_compute, NULL, compile_compute};
