#include "cel/cel_inside.h"

#include <stdarg.h>
#include <stdio.h>

static struct cel_value eval(struct cel_run *run, uint32_t i);

/* Limits */

void *cel_room(struct cel_run *run, size_t n)
{
    if (n > CEL_ROOM_MOST || run->arena.used > CEL_ROOM_MOST - n) {
        if (run->broken == NULL)
            run->broken = "the expression takes too much memory";
        return NULL;
    }
    return arena_alloc(&run->arena, n);
}

bool cel_steps(struct cel_run *run, size_t n)
{
    run->steps += n;
    if (run->steps <= CEL_STEPS_MOST)
        return run->broken == NULL;
    if (run->broken == NULL)
        run->broken = "the expression takes too long";
    return false;
}

struct cel_value cel_broken(const struct cel_run *run)
{
    return cel_fail(run->broken);
}

struct cel_regex_scratch *cel_scratch(struct cel_run *run, size_t i)
{
    for (; run->n_scratches <= i; run->n_scratches++) {
        run->scratches =
            mem_grow(run->scratches, run->n_scratches + 1, sizeof *run->scratches);
        run->scratches[run->n_scratches] = cel_regex_scratch_open();
    }
    return run->scratches[i];
}

struct span cel_type_name(struct cel_run *run, struct cel_value v)
{
    if (v.kind != CEL_MESSAGE)
        return span_str(cel_kind_name(v.kind));
    buf_reset(&run->text);
    cel_node_name_put(&run->text, v.node);
    return cel_text(run, CEL_STRING, &run->text).s;
}

/* Errors */

#define MESSAGE_MOST 300

struct cel_value cel_failf(struct cel_run *run, const char *fmt, ...)
{
    char text[MESSAGE_MOST];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    cel_tidy(text);
    size_t length = strlen(text);
    char *p = cel_room(run, length);
    if (p == NULL)
        return cel_broken(run);
    memcpy(p, text, length);
    return (struct cel_value){.kind = CEL_ERROR, .s = span_of(p, length)};
}

struct cel_value cel_no_overload(struct cel_run *run, const char *name,
                                 const struct cel_value *args, size_t n)
{
    char types[160];
    size_t at = 0;

    for (size_t i = 0; i < n; i++)
        at += (size_t)snprintf(types + at, sizeof types - at, "%s%s", i > 0 ? ", " : "",
                               cel_kind_name(args[i].kind));
    return cel_failf(run, "no such overload: %s(%s)", name, types);
}

/* Operators */

/* One that decides does, whatever error stands before or behind it. */
static struct cel_value logical(struct cel_run *run, const struct cel_op *op)
{
    const uint32_t *kids = run->plan->kids + op->a;
    bool decides = op->kind == OP_OR;
    struct cel_value failed = {.kind = CEL_NULL};

    for (uint32_t i = 0; i < op->b; i++) {
        struct cel_value v = eval(run, kids[i]);

        if (v.kind == CEL_BOOL && v.b == decides)
            return v;
        if (v.kind != CEL_BOOL && v.kind != CEL_ERROR)
            v = cel_no_overload(run, decides ? "||" : "&&", &v, 1);
        if (v.kind == CEL_ERROR && failed.kind != CEL_ERROR)
            failed = v;
        if (run->broken != NULL)
            return cel_broken(run);
    }
    return failed.kind == CEL_ERROR ? failed : cel_bool(!decides);
}

static struct cel_value choose(struct cel_run *run, const struct cel_op *op)
{
    struct cel_value v = eval(run, op->a);

    if (v.kind == CEL_BOOL)
        return eval(run, v.b ? op->b : op->c);
    return v.kind == CEL_ERROR ? v : cel_no_overload(run, "?:", &v, 1);
}

static struct cel_value negated(struct cel_run *run, const struct cel_op *op)
{
    struct cel_value v = eval(run, op->a);

    if (v.kind == CEL_BOOL)
        return cel_bool(!v.b);
    return v.kind == CEL_ERROR ? v : cel_no_overload(run, "!", &v, 1);
}

static struct cel_value ordered(struct cel_run *run, const struct cel_op *op)
{
    static const char *const names[] = {"<", "<=", ">", ">="};
    struct cel_value v[2] = {eval(run, op->a)};

    if (v[0].kind == CEL_ERROR)
        return v[0];
    v[1] = eval(run, op->b);
    if (v[1].kind == CEL_ERROR)
        return v[1];
    int c = cel_compare(run, v[0], v[1]);
    if (c == CEL_INCOMPARABLE)
        return cel_no_overload(run, names[op->kind - OP_LT], v, 2);
    if (c == CEL_UNORDERED)
        return cel_bool(false);
    switch (op->kind) {
    case OP_LT: return cel_bool(c < 0);
    case OP_LE: return cel_bool(c <= 0);
    case OP_GT: return cel_bool(c > 0);
    default: return cel_bool(c >= 0);
    }
}

static struct cel_value equal(struct cel_run *run, const struct cel_op *op)
{
    struct cel_value x = eval(run, op->a);

    if (x.kind == CEL_ERROR)
        return x;
    struct cel_value y = eval(run, op->b);
    if (y.kind == CEL_ERROR)
        return y;
    return cel_bool(cel_equal(run, x, y) == (op->kind == OP_EQ));
}

static struct cel_value is_in(struct cel_run *run, struct cel_value x,
                              struct cel_value of)
{
    struct cel_each each = cel_each_of(run, of);
    struct cel_value v;

    if (of.kind == CEL_MAP)
        return cel_bool(cel_find(run, of, x, &v));
    if (of.kind != CEL_LIST)
        return cel_no_overload(run, "in", (struct cel_value[]){x, of}, 2);
    while (cel_next(&each, &v, NULL))
        if (cel_equal(run, x, v))
            return cel_bool(true);
    return cel_bool(false);
}

static struct cel_value in_or_index(struct cel_run *run, const struct cel_op *op)
{
    struct cel_value x = eval(run, op->a);

    if (x.kind == CEL_ERROR)
        return x;
    struct cel_value y = eval(run, op->b);
    if (y.kind == CEL_ERROR)
        return y;
    return op->kind == OP_IN ? is_in(run, x, y) : cel_index(run, x, y);
}

/* Fields */

static struct cel_value slot(struct cel_run *run, uint32_t i)
{
    if (!run->walked && !cel_walk(run))
        return cel_broken(run);
    if (run->broken != NULL)
        return cel_broken(run);
    if (run->slots[i] == NULL)
        return cel_fail("a field of a record that is null");
    return cel_load(run, run->set->slot_nodes[i], run->slots[i]);
}

static struct cel_value field(struct cel_run *run, const struct cel_op *op)
{
    struct cel_value of = eval(run, op->a);

    if (of.kind != CEL_MESSAGE)
        return of.kind == CEL_ERROR ? of : cel_fail("a field of a record that is null");
    const uint8_t *p = cel_field_at(run, of.node, op->b, of.p);
    return p != NULL ? cel_load(run, of.node->fields[op->b].type, p) : cel_broken(run);
}

static struct cel_value named(struct cel_run *run, const struct cel_op *op)
{
    struct cel_value of = eval(run, op->a);
    struct span name = run->plan->consts[op->b].s;

    if (of.kind == CEL_ERROR)
        return of;
    return op->kind == OP_HAS ? cel_has(run, of, name) : cel_select(run, of, name);
}

/* Of a field whose place is known: there is nothing to look for, it is null or not. */
static struct cel_value present(struct cel_run *run, const struct cel_op *op)
{
    struct cel_value v = eval(run, op->a);

    return v.kind == CEL_ERROR ? v : cel_bool(v.kind != CEL_NULL);
}

/* Calls and literals */

static struct cel_value call(struct cel_run *run, const struct cel_op *op)
{
    const uint32_t *kids = run->plan->kids + op->a;
    struct cel_value args[CEL_ARGS_MOST];

    for (uint32_t i = 0; i < op->n; i++) {
        args[i] = eval(run, kids[i]);
        if (args[i].kind == CEL_ERROR)
            return args[i];
    }
    struct cel_value v = cel_functions[op->b].run(run, args, op->n);
    return run->broken != NULL ? cel_broken(run) : v;
}

/* The values of `n` ops, or an error. */
static struct cel_value *values(struct cel_run *run, const struct cel_op *op,
                                struct cel_value *failed)
{
    const uint32_t *kids = run->plan->kids + op->a;
    struct cel_value *items = cel_room(run, op->b * sizeof *items);

    *failed = items == NULL ? cel_broken(run) : *failed;
    for (uint32_t i = 0; items != NULL && i < op->b; i++) {
        items[i] = eval(run, kids[i]);
        if (items[i].kind == CEL_ERROR) {
            *failed = items[i];
            return NULL;
        }
    }
    return items;
}

static struct cel_value list(struct cel_run *run, const struct cel_op *op)
{
    struct cel_value failed;
    struct cel_value *items = values(run, op, &failed);

    if (items == NULL)
        return failed;
    return (struct cel_value){.kind = CEL_LIST, .items = items, .n = op->b};
}

static bool is_key(struct cel_value v)
{
    return v.kind == CEL_BOOL || v.kind == CEL_INT || v.kind == CEL_UINT ||
           v.kind == CEL_STRING;
}

static struct cel_value map(struct cel_run *run, const struct cel_op *op)
{
    struct cel_value failed, other;
    struct cel_value *items = values(run, op, &failed);
    struct cel_value m = {.kind = CEL_MAP, .items = items};

    if (items == NULL)
        return failed;
    for (; 2 * m.n < op->b; m.n++) {
        if (!is_key(items[2 * m.n]))
            return cel_failf(run, "unsupported key type: %s",
                             cel_kind_name(items[2 * m.n].kind));
        if (cel_find(run, m, items[2 * m.n], &other))
            return cel_fail("repeated key in a map");
    }
    return m;
}

static struct cel_value matches(struct cel_run *run, const struct cel_op *op)
{
    struct cel_value v = eval(run, op->a);

    if (v.kind == CEL_ERROR)
        return v;
    if (v.kind != CEL_STRING)
        return cel_no_overload(run, "matches", &v, 1);
    if (!cel_steps(run, v.s.n / 64))
        return cel_broken(run);
    return cel_bool(
        cel_regex_matches(run->plan->regexes[op->b], v.s,
                          cel_scratch(run, run->plan->first_scratch + op->b)));
}

/* Macros */

struct looping {
    const struct cel_op *op;
    const uint32_t *kids; // range, [filter,] what
    struct cel_value failed;
    size_t found;
    bool decided;
    struct cel_value *made; // MAP, FILTER
    size_t n, cap;
};

static bool keep(struct cel_run *run, struct looping *l, struct cel_value v)
{
    if (l->n == l->cap) {
        size_t cap = l->cap * 2 + 8;
        struct cel_value *more = cel_room(run, cap * sizeof *more);

        if (more == NULL)
            return false;
        if (l->n > 0)
            memcpy(more, l->made, l->n * sizeof *more);
        l->made = more;
        l->cap = cap;
    }
    l->made[l->n++] = v;
    return true;
}

/* A condition's bool, anything else made an error. */
static struct cel_value asked(struct cel_run *run, uint32_t i)
{
    struct cel_value v = eval(run, i);

    if (v.kind == CEL_BOOL || v.kind == CEL_ERROR)
        return v;
    return cel_no_overload(run, "a macro's condition", &v, 1);
}

/* all, exists: as && and || of all of them. */
static bool decide(struct cel_run *run, struct looping *l, bool decides)
{
    struct cel_value v = asked(run, l->kids[1]);

    if (v.kind == CEL_ERROR && l->failed.kind != CEL_ERROR)
        l->failed = v;
    l->decided = v.kind == CEL_BOOL && v.b == decides;
    return !l->decided;
}

/* The others: the first error ends it. */
static bool gather(struct cel_run *run, struct looping *l, struct cel_value item)
{
    struct cel_value v = cel_bool(true);

    if (l->op->b != LOOP_MAP || l->op->n == 3)
        v = asked(run, l->kids[1]);
    if (v.kind == CEL_BOOL && !v.b)
        return true;
    if (v.kind == CEL_BOOL && l->op->b == LOOP_MAP)
        v = eval(run, l->kids[l->op->n - 1]);
    else if (v.kind == CEL_BOOL)
        v = item;
    if (v.kind == CEL_ERROR) {
        l->failed = v;
        return false;
    }
    l->found++;
    return l->op->b == LOOP_EXISTS_ONE || keep(run, l, v);
}

static bool one(struct cel_run *run, struct looping *l, struct cel_value item)
{
    if (item.kind == CEL_ERROR) {
        l->failed = item;
        return l->op->b == LOOP_ALL || l->op->b == LOOP_EXISTS;
    }
    run->locals[l->op->local] = item;
    switch (l->op->b) {
    case LOOP_ALL: return decide(run, l, false);
    case LOOP_EXISTS: return decide(run, l, true);
    default: return gather(run, l, item);
    }
}

static struct cel_value loop_result(const struct looping *l)
{
    if (l->decided)
        return cel_bool(l->op->b == LOOP_EXISTS);
    if (l->failed.kind == CEL_ERROR)
        return l->failed;
    switch (l->op->b) {
    case LOOP_ALL: return cel_bool(true);
    case LOOP_EXISTS: return cel_bool(false);
    case LOOP_EXISTS_ONE: return cel_bool(l->found == 1);
    default: return (struct cel_value){.kind = CEL_LIST, .items = l->made, .n = l->n};
    }
}

static struct cel_value loop(struct cel_run *run, const struct cel_op *op)
{
    struct looping l = {.op = op, .kids = run->plan->kids + op->a};
    struct cel_value item, range = eval(run, l.kids[0]);

    l.failed.kind = CEL_NULL;
    if (range.kind == CEL_ERROR)
        return range;
    if (range.kind != CEL_LIST && range.kind != CEL_MAP)
        return cel_no_overload(run, "a macro", &range, 1);
    struct cel_each each = cel_each_of(run, range);
    while (cel_next(&each, &item, NULL) && one(run, &l, item))
        ;
    return run->broken != NULL ? cel_broken(run) : loop_result(&l);
}

static struct cel_value eval(struct cel_run *run, uint32_t i)
{
    const struct cel_op *op = &run->plan->ops[i];

    if (!cel_steps(run, 1))
        return cel_broken(run);
    switch ((enum cel_op_kind)op->kind) {
    case OP_CALL: return call(run, op);
    case OP_CONST: return run->plan->consts[op->a];
    case OP_VARIABLE: return run->variables[op->a];
    case OP_LOCAL: return run->locals[op->local];
    case OP_SLOT: return slot(run, op->a);
    case OP_FIELD: return field(run, op);
    case OP_SELECT:
    case OP_HAS: return named(run, op);
    case OP_PRESENT: return present(run, op);
    case OP_AND:
    case OP_OR: return logical(run, op);
    case OP_IF: return choose(run, op);
    case OP_NOT: return negated(run, op);
    case OP_EQ:
    case OP_NE: return equal(run, op);
    case OP_LT:
    case OP_LE:
    case OP_GT:
    case OP_GE: return ordered(run, op);
    case OP_IN:
    case OP_INDEX: return in_or_index(run, op);
    case OP_LIST: return list(run, op);
    case OP_MAP: return map(run, op);
    case OP_MATCHES: return matches(run, op);
    case OP_LOOP: return loop(run, op);
    case OP_NONE: return cel_fail("no such overload");
    }
    return cel_fail("an operation that is none");
}

struct cel_value cel_eval(struct cel_run *run, const struct cel_plan *plan,
                          const struct cel_value *variables)
{
    run->plan = plan;
    run->variables = variables;
    if (plan->locals > run->cap_locals) {
        run->locals = mem_grow(run->locals, plan->locals, sizeof *run->locals);
        run->cap_locals = plan->locals;
    }
    struct cel_value v = eval(run, plan->root);
    return run->broken != NULL ? cel_broken(run) : v;
}
