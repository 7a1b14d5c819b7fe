#include "cel/functions.h"

#include <stdlib.h>

struct planner {
    struct cel_plan *plan;
    struct cel_rules *set;
    struct span text;
    struct arena *keep;
    struct err *e;
};

static enum err_kind plan(struct planner *p, const struct cel_ast *a, uint32_t *out);

/* Growing the arrays */

static uint32_t add_op(struct planner *p, struct cel_op op)
{
    struct cel_plan *plan = p->plan;

    if (plan->n == plan->cap) {
        plan->cap = plan->cap * 2 + 8;
        plan->ops = mem_grow(plan->ops, plan->cap, sizeof *plan->ops);
    }
    plan->ops[plan->n] = op;
    return (uint32_t)plan->n++;
}

static uint32_t add_const(struct planner *p, struct cel_value v)
{
    struct cel_plan *plan = p->plan;

    if (plan->n_consts == plan->cap_consts) {
        plan->cap_consts = plan->cap_consts * 2 + 4;
        plan->consts = mem_grow(plan->consts, plan->cap_consts, sizeof *plan->consts);
    }
    plan->consts[plan->n_consts] = cel_keep(p->keep, v);
    return (uint32_t)plan->n_consts++;
}

/* Room for `n` kids side by side. */
static uint32_t add_kids(struct planner *p, size_t n)
{
    struct cel_plan *plan = p->plan;
    size_t at = plan->n_kids;

    if (at + n > plan->cap_kids) {
        plan->cap_kids = plan->cap_kids * 2 + n + 8;
        plan->kids = mem_grow(plan->kids, plan->cap_kids, sizeof *plan->kids);
    }
    plan->n_kids += n;
    return (uint32_t)at;
}

/* What is constant */

static bool is_const(const struct planner *p, uint32_t op)
{
    return p->plan->ops[op].kind == OP_CONST;
}

struct cel_value cel_keep(struct arena *a, struct cel_value v)
{
    if (v.kind == CEL_STRING || v.kind == CEL_BYTES || v.kind == CEL_TYPE) {
        v.s = arena_copy(a, v.s);
    } else if (v.kind == CEL_LIST || v.kind == CEL_MAP) {
        size_t n = v.kind == CEL_MAP ? 2 * v.n : v.n;
        struct cel_value *items = arena_array(a, n, sizeof *items);

        for (size_t i = 0; i < n; i++)
            items[i] = cel_keep(a, v.items[i]);
        v.items = items;
    }
    return v;
}

#define KEPT_MOST 4096 // bytes of a value that is computed beforehand

/* Replaces the newest op by its value, when it has one; an error stays for later. */
static void fold(struct planner *p, uint32_t op, struct cel_value *found)
{
    struct cel_run *run = cel_run_new();
    uint32_t root = p->plan->root;

    p->plan->root = op;
    *found = cel_eval(run, p->plan, NULL);
    p->plan->root = root;
    if (found->kind != CEL_ERROR && run->arena.used <= KEPT_MOST)
        p->plan->ops[op] = (struct cel_op){.kind = OP_CONST, .a = add_const(p, *found)};
    if (found->kind == CEL_ERROR)
        *found = cel_keep(p->keep, *found);
    cel_run_free(run);
}

/* A literal that is wrong in itself: timestamp("yesterday"). */
static enum err_kind refuse_literal(struct planner *p, const struct cel_ast *a,
                                    struct cel_value found)
{
    if (found.kind != CEL_ERROR || a->args[0]->kind != AST_CONST ||
        (a->function->run != cel_to_timestamp && a->function->run != cel_to_duration))
        return ERR_OK;
    return cel_refuse(p->text, a->args[0]->at, ERR_INVALID, p->e, SPAN_FMT,
                      SPAN_ARG(found.s));
}

/* Wants */

static struct cel_want *new_want(struct cel_rules *set, const struct av_node *record)
{
    struct cel_want *w = arena_alloc(&set->arena, sizeof *w);

    w->record = record;
    w->slot = arena_array(&set->arena, record->n_fields, sizeof *w->slot);
    w->inner = arena_array(&set->arena, record->n_fields, sizeof *w->inner);
    for (size_t i = 0; i < record->n_fields; i++)
        w->slot[i] = -1;
    return w;
}

/* The field that a SELECT is of, when that is known: its record is *record. */
static int known_field(const struct cel_ast *a, const struct av_node **record)
{
    if (a->kind != AST_SELECT || a->is_type || a->is_variable)
        return -1;
    const struct cel_type *of = cel_type_sure(a->args[0]->type);
    if (of->kind != CEL_MESSAGE)
        return -1;
    *record = of->node;
    return cel_field_index(of->node, a->name);
}

/* Where the fields of the record `a` are wanted, if it is reached by names alone. */
static struct cel_want *want_of(struct planner *p, const struct cel_ast *a)
{
    const struct cel_type *type = cel_type_sure(a->type);
    const struct av_node *record;

    if (p->set == NULL || type->kind != CEL_MESSAGE)
        return NULL;
    if (a->kind == AST_NAME && a->is_variable && a->variable == 0) {
        if (p->set->want == NULL)
            p->set->want = new_want(p->set, type->node);
        return p->set->want;
    }
    int i = known_field(a, &record);
    struct cel_want *outer = i >= 0 && !a->has ? want_of(p, a->args[0]) : NULL;
    if (outer == NULL)
        return NULL;
    if (outer->inner[i] == NULL)
        outer->inner[i] = new_want(p->set, type->node);
    if (outer->n <= (size_t)i)
        outer->n = (size_t)i + 1;
    return outer->inner[i];
}

/* The slot of field `i`; -1 when there are too many. */
static int32_t slot_of(struct cel_rules *set, struct cel_want *w, size_t i)
{
    if (w->slot[i] >= 0 || set->n_slots >= CEL_SLOTS_MOST)
        return w->slot[i];
    if (set->n_slots == set->cap_slots) {
        set->cap_slots = set->cap_slots * 2 + 8;
        set->slot_nodes =
            mem_grow(set->slot_nodes, set->cap_slots, sizeof *set->slot_nodes);
    }
    set->slot_nodes[set->n_slots] = w->record->fields[i].type;
    if (w->n <= i)
        w->n = i + 1;
    return w->slot[i] = (int32_t)set->n_slots++;
}

/* Nodes */

static enum err_kind plan_known(struct planner *p, const struct cel_ast *a, int field,
                                uint32_t *out)
{
    struct cel_want *w = want_of(p, a->args[0]);
    int32_t slot = w != NULL ? slot_of(p->set, w, (size_t)field) : -1;
    uint32_t of;

    if (slot >= 0) {
        *out = add_op(p, (struct cel_op){.kind = OP_SLOT, .a = (uint32_t)slot});
    } else {
        TRY(plan(p, a->args[0], &of));
        *out =
            add_op(p, (struct cel_op){.kind = OP_FIELD, .a = of, .b = (uint32_t)field});
    }
    if (a->has)
        *out = add_op(p, (struct cel_op){.kind = OP_PRESENT, .a = *out});
    return ERR_OK;
}

static enum err_kind plan_select(struct planner *p, const struct cel_ast *a,
                                 uint32_t *out)
{
    const struct av_node *record;
    int field = known_field(a, &record);
    uint32_t of;

    if (field >= 0)
        return plan_known(p, a, field, out);
    TRY(plan(p, a->args[0], &of));
    *out = add_op(p, (struct cel_op){.kind = a->has ? OP_HAS : OP_SELECT,
                                     .a = of,
                                     .b = add_const(p, cel_string(a->name))});
    return ERR_OK;
}

/* Plans all arguments; *consts: each is constant. */
static enum err_kind plan_all(struct planner *p, const struct cel_ast *a,
                              uint32_t *kids, bool *consts)
{
    *kids = add_kids(p, a->n);
    *consts = true;
    for (size_t i = 0; i < a->n; i++) {
        uint32_t kid;

        TRY(plan(p, a->args[i], &kid));
        p->plan->kids[*kids + i] = kid;
        *consts = *consts && is_const(p, kid);
    }
    return ERR_OK;
}

static enum err_kind plan_literal(struct planner *p, const struct cel_ast *a,
                                  enum cel_op_kind kind, uint32_t *out)
{
    struct cel_value found;
    bool consts;
    uint32_t kids;

    TRY(plan_all(p, a, &kids, &consts));
    *out = add_op(
        p, (struct cel_op){.kind = (uint8_t)kind, .a = kids, .b = (uint32_t)a->n});
    if (consts)
        fold(p, *out, &found);
    return ERR_OK;
}

/* Name, value, ... */
static enum err_kind plan_make(struct planner *p, const struct cel_ast *a,
                               uint32_t *out)
{
    uint32_t kids = add_kids(p, 2 * a->n);

    for (size_t i = 0; i < a->n; i++) {
        struct cel_op name = {.kind = OP_CONST,
                              .a = add_const(p, cel_string(a->names[i]))};
        uint32_t kid = add_op(p, name);

        p->plan->kids[kids + 2 * i] = kid;
        TRY(plan(p, a->args[i], &kid));
        p->plan->kids[kids + 2 * i + 1] = kid;
    }
    *out = add_op(
        p, (struct cel_op){.kind = OP_MAP, .a = kids, .b = (uint32_t)(2 * a->n)});
    return ERR_OK;
}

/* matches() with a pattern that is known now. */
static enum err_kind plan_matches(struct planner *p, const struct cel_ast *a,
                                  uint32_t text, struct span pattern, uint32_t *out)
{
    struct cel_plan *plan = p->plan;
    struct cel_regex *regex;
    struct err why = {0};
    size_t at;
    enum err_kind k = cel_regex_compile(&regex, pattern, &at, &why);

    if (k != ERR_OK)
        return cel_refuse(p->text, a->args[1]->at, k, p->e, "pattern, %zu: %s", at + 1,
                          why.msg);
    plan->regexes = mem_grow(plan->regexes, plan->n_regexes + 1, sizeof *plan->regexes);
    plan->regexes[plan->n_regexes] = regex;
    *out =
        add_op(p, (struct cel_op){
                      .kind = OP_MATCHES, .a = text, .b = (uint32_t)plan->n_regexes++});
    return ERR_OK;
}

static enum err_kind plan_function(struct planner *p, const struct cel_ast *a,
                                   uint32_t kids, bool consts, uint32_t *out)
{
    struct cel_value found = {.kind = CEL_NULL};

    *out = add_op(p, (struct cel_op){.kind = OP_CALL,
                                     .n = (uint8_t)a->n,
                                     .a = kids,
                                     .b = (uint32_t)(a->function - cel_functions)});
    if (consts)
        fold(p, *out, &found);
    return refuse_literal(p, a, found);
}

static enum err_kind plan_call(struct planner *p, const struct cel_ast *a,
                               uint32_t *out)
{
    bool consts;
    uint32_t at;

    // Lenient checking lets calls pass that nobody can answer.
    if (a->function == NULL || a->n > CEL_ARGS_MOST)
        if (a->function == NULL ||
            (a->function->op != OP_AND && a->function->op != OP_OR)) {
            *out = add_op(p, (struct cel_op){.kind = OP_NONE});
            return ERR_OK;
        }
    TRY(plan_all(p, a, &at, &consts));
    const uint32_t *kids = p->plan->kids + at;
    struct cel_op op = {.kind = (uint8_t)a->function->op, .n = (uint8_t)a->n};
    switch (op.kind) {
    case OP_CALL:
        if (a->function->run == cel_matches && a->n == 2 && is_const(p, kids[1])) {
            struct cel_value pattern = p->plan->consts[p->plan->ops[kids[1]].a];

            if (pattern.kind == CEL_STRING)
                return plan_matches(p, a, kids[0], pattern.s, out);
        }
        return plan_function(p, a, at, consts, out);
    case OP_AND:
    case OP_OR:
        op.a = at;
        op.b = (uint32_t)a->n;
        break;
    default:
        op.a = kids[0];
        op.b = a->n > 1 ? kids[1] : 0;
        op.c = a->n > 2 ? kids[2] : 0;
        break;
    }
    *out = add_op(p, op);
    return ERR_OK;
}

static enum err_kind plan_loop(struct planner *p, const struct cel_ast *a,
                               uint32_t *out)
{
    bool consts;
    uint32_t kids;

    if ((size_t)a->local + 1 > p->plan->locals)
        p->plan->locals = (size_t)a->local + 1;
    TRY(plan_all(p, a, &kids, &consts));
    *out = add_op(p, (struct cel_op){.kind = OP_LOOP,
                                     .n = (uint8_t)a->n,
                                     .local = (uint16_t)a->local,
                                     .a = kids,
                                     .b = a->loop});
    return ERR_OK;
}

static enum err_kind plan(struct planner *p, const struct cel_ast *a, uint32_t *out)
{
    if (a->kind == AST_CONST || a->is_type) {
        *out =
            add_op(p, (struct cel_op){.kind = OP_CONST, .a = add_const(p, a->value)});
        return ERR_OK;
    }
    if (a->is_variable) {
        *out =
            add_op(p, (struct cel_op){.kind = OP_VARIABLE, .a = (uint32_t)a->variable});
        return ERR_OK;
    }
    switch (a->kind) {
    case AST_NAME:
        *out = add_op(p, (struct cel_op){.kind = a->variable < 0 ? OP_LOCAL : OP_NONE,
                                         .local = (uint16_t)a->local});
        return ERR_OK;
    case AST_SELECT: return plan_select(p, a, out);
    case AST_CALL: return plan_call(p, a, out);
    case AST_LIST: return plan_literal(p, a, OP_LIST, out);
    case AST_MAP: return plan_literal(p, a, OP_MAP, out);
    case AST_MAKE: return plan_make(p, a, out);
    default: return plan_loop(p, a, out);
    }
}

enum err_kind cel_plan_make(struct cel_plan *out, struct cel_ast *tree,
                            struct cel_rules *set, struct span text, struct arena *keep,
                            struct err *e)
{
    struct planner p = {.plan = out, .set = set, .text = text, .keep = keep, .e = e};

    *out = (struct cel_plan){.first_scratch = set != NULL ? set->n_regexes : 0};
    out->cap_kids = 8; // there from the start: an empty list's are somewhere too
    out->kids = mem_array(out->cap_kids, sizeof *out->kids);
    enum err_kind k = plan(&p, tree, &out->root);
    if (k != ERR_OK) {
        cel_plan_free(out);
        return k;
    }
    if (set != NULL)
        set->n_regexes += out->n_regexes;
    return ERR_OK;
}

void cel_plan_free(struct cel_plan *p)
{
    for (size_t i = 0; i < p->n_regexes; i++)
        cel_regex_free(p->regexes[i]);
    free(p->regexes);
    free(p->ops);
    free(p->kids);
    free(p->consts);
    *p = (struct cel_plan){0};
}
