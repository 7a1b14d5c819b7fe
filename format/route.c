#include "format/route_inside.h"

#include "base/mem.h"

#include <assert.h>
#include <stdlib.h>

/* ---- compiling ---- */

struct router {
    struct route *r;
    const struct av_plan *plan;
    int depth;
    struct err *e;
};

static enum err_kind compile(struct router *c, uint32_t op, struct column *to,
                             struct step *out);

static enum err_kind reserve(struct router *c, size_t n, uint32_t *first)
{
    struct route *r = c->r;

    if (n > STEPS_MOST - r->n)
        return err_set(c->e, ERR_LIMIT, "more than %u steps to get into columns",
                       STEPS_MOST);
    if (r->n + n > r->cap) {
        r->cap = r->cap * 2 > r->n + n ? r->cap * 2 : r->n + (uint32_t)n;
        r->steps = mem_grow(r->steps, r->cap, sizeof *r->steps);
    }
    *first = r->n;
    r->n += (uint32_t)n;
    memset(r->steps + *first, 0, n * sizeof *r->steps);
    return ERR_OK;
}

static enum err_kind add(struct router *c, uint32_t at, uint32_t op, struct column *to)
{
    struct step s = {0};

    TRY(compile(c, op, to, &s));
    c->r->steps[at] = s;
    return ERR_OK;
}

/* Numbers: by the op and by what the column holds. */
static uint8_t number_step(uint8_t op, enum column_kind to)
{
    bool narrow = to == COLUMN_FLOAT;

    switch (op) {
    case AV_OP_INT: return to == COLUMN_INT32 ? STEP_INT : STEP_INT_LONG;
    case AV_OP_INT_REAL: return narrow ? STEP_INT_FLOAT : STEP_INT_DOUBLE;
    case AV_OP_LONG_REAL: return narrow ? STEP_LONG_FLOAT : STEP_LONG_DOUBLE;
    case AV_OP_FLOAT: return narrow ? STEP_FLOAT : STEP_FLOAT_DOUBLE;
    default: return STEP_DOUBLE;
    }
}

static uint8_t span_step(uint8_t op, enum column_kind to)
{
    bool as_it_is = to == COLUMN_BINARY || to == COLUMN_STRING || to == COLUMN_FIXED;

    if (!as_it_is)
        return STEP_SPAN;
    if (op == AV_OP_FIXED)
        return to == COLUMN_FIXED ? STEP_FIXED : STEP_SPAN;
    return op == AV_OP_BYTES ? STEP_BYTES : STEP_TEXT;
}

static enum err_kind record_steps(struct router *c, const struct av_op *op,
                                  struct column *to, struct step *out)
{
    out->kind = to->kind == COLUMN_PRESENT ? STEP_PRESENT : STEP_RECORD;
    out->n = op->n;
    TRY(reserve(c, op->n, &out->first));
    for (uint32_t i = 0; i < op->n; i++) {
        uint32_t field = c->plan->ops[op->first + i].field;
        TRY(add(c, out->first + i, op->first + i,
                field == AV_SKIPPED ? NULL : &to->children[field]));
    }
    return ERR_OK;
}

static enum err_kind item_step(struct router *c, const struct av_op *op,
                               struct column *to, struct step *out)
{
    bool map = op->kind == AV_OP_MAP;

    out->kind = map ? STEP_MAP : STEP_ARRAY;
    out->least = op->n;
    TRY(reserve(c, 1, &out->first));
    return add(c, out->first, op->first, &to->children[map]);
}

/* Which child of a COLUMN_UNION the branch is. */
static uint32_t member_of(const struct av_node *u, uint32_t branch)
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < branch; i++)
        n += u->branches[i]->type != AV_NULL;
    return n;
}

static enum err_kind branch_step(struct router *c, const struct av_op *op,
                                 struct column *to, struct step *out)
{
    const struct av_node *u = op->node;

    if (u->branches[op->n]->type == AV_NULL) {
        out->kind = STEP_NULL;
        return ERR_OK;
    }
    if (to->kind != COLUMN_UNION || to->union_ != u)
        return compile(c, op->first, to, out);
    out->kind = STEP_MEMBER;
    out->member = member_of(u, op->n);
    TRY(reserve(c, 1, &out->first));
    return add(c, out->first, op->first, &to->children[out->member]);
}

static enum err_kind union_steps(struct router *c, const struct av_op *op,
                                 struct column *to, struct step *out)
{
    out->kind = STEP_UNION;
    out->n = op->n;
    TRY(reserve(c, op->n, &out->first));
    for (uint32_t i = 0; i < op->n; i++)
        TRY(add(c, out->first + i, op->first + i, to));
    return ERR_OK;
}

static enum err_kind compile_op(struct router *c, uint32_t at, struct column *to,
                                struct step *out)
{
    const struct av_op *op = &c->plan->ops[at];

    *out = (struct step){.to = to, .op = at, .n = op->n, .size = NO_SIZE};
    switch ((enum av_op_kind)op->kind) {
    case AV_OP_NULL: out->kind = STEP_NULL; return ERR_OK;
    case AV_OP_BOOLEAN: out->kind = STEP_BOOLEAN; return ERR_OK;
    case AV_OP_LONG: out->kind = STEP_LONG; return ERR_OK;
    case AV_OP_INT:
    case AV_OP_INT_REAL:
    case AV_OP_LONG_REAL:
    case AV_OP_FLOAT:
    case AV_OP_DOUBLE: out->kind = number_step(op->kind, to->kind); return ERR_OK;
    case AV_OP_FIXED: out->size = op->writer->size; // fall through
    case AV_OP_BYTES:
    case AV_OP_STRING:
    case AV_OP_BYTES_STRING:
    case AV_OP_STRING_BYTES:
        out->kind = span_step(op->kind, to->kind);
        out->is_text = op->kind != AV_OP_BYTES && op->kind != AV_OP_FIXED;
        return ERR_OK;
    case AV_OP_ENUM: out->kind = STEP_SYMBOL; return ERR_OK;
    case AV_OP_ENUM_MAP:
        out->kind = STEP_SYMBOL_MAP;
        out->map = op->first;
        return ERR_OK;
    case AV_OP_RECORD: return record_steps(c, op, to, out);
    case AV_OP_FALLBACK:
        out->kind = STEP_FALLBACK;
        out->fallback = op->fallback->fallback_avro;
        TRY(reserve(c, 1, &out->first));
        return add(c, out->first, op->first, to);
    case AV_OP_ARRAY:
    case AV_OP_MAP: return item_step(c, op, to, out);
    case AV_OP_UNION: return union_steps(c, op, to, out);
    case AV_OP_BRANCH: return branch_step(c, op, to, out);
    case AV_OP_REFUSE: out->kind = STEP_REFUSE; return ERR_OK;
    }
    return err_set(c->e, ERR_INTERNAL, "plan with an op of kind %d", op->kind);
}

static enum err_kind compile(struct router *c, uint32_t at, struct column *to,
                             struct step *out)
{
    const struct av_op *op = &c->plan->ops[at];

    if (to == NULL) {
        uint8_t kind = op->kind == AV_OP_LONG ? STEP_SKIP_LONG : STEP_SKIP;
        *out = (struct step){.kind = kind, .op = at};
        return ERR_OK;
    }
    if (to->kind == COLUMN_JSON && op->kind == AV_OP_RECORD) {
        *out = (struct step){.kind = STEP_JSON, .op = at, .to = to};
        return ERR_OK;
    }
    if (c->depth == COLUMNS_DEPTH * 4)
        return err_set(c->e, ERR_LIMIT, "types nest too deep for columns");
    c->depth++;
    TRY(compile_op(c, at, to, out));
    c->depth--;
    return ERR_OK;
}

static struct route *route_alloc(const struct av_plan *plan)
{
    struct route *r = mem_alloc(sizeof *r);

    r->plan = plan->id;
    r->text = BUF_INIT(TEXT_MOST);
    r->json = mem_alloc(sizeof *r->json);
    return r;
}

enum err_kind route_new(struct route **out, struct columns *to,
                        const struct av_plan *plan, struct err *e)
{
    struct router c = {.r = route_alloc(plan), .plan = plan, .e = e};
    enum err_kind k = reserve(&c, 1, &c.r->root);

    assert(plan->reader == to->schema);
    if (k == ERR_OK)
        k = add(&c, c.r->root, plan->root, to->wrapped ? to->root.children : &to->root);
    if (k != ERR_OK) {
        route_free(c.r);
        return k;
    }
    *out = c.r;
    return ERR_OK;
}

void route_free(struct route *r)
{
    if (r == NULL)
        return;
    buf_free(&r->text);
    free(r->json);
    free(r->steps);
    free(r);
}

uint64_t route_plan(const struct route *r)
{
    return r->plan;
}
