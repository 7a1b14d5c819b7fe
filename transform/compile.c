#include "transform/transform_inside.h"

#include <stdlib.h>

/* --- the columns ------------------------------------------------------------------ */

struct column *tr_column_find(const struct compiler *c, const char *name)
{
    for (size_t i = 0; i < c->n; i++)
        if (span_eq(c->columns[i].name, span_str(name)))
            return &c->columns[i];
    return NULL;
}

enum err_kind tr_column_must(struct column **out, const struct compiler *c,
                             const char *name, struct err *e)
{
    struct buf known = BUF_INIT(140);

    *out = tr_column_find(c, name);
    if (*out != NULL)
        return ERR_OK;
    for (size_t i = 0; i < c->n; i++) {
        if (known.n > 0)
            buf_put_str(&known, ", ");
        buf_put(&known, c->columns[i].name);
    }
    err_set(e, ERR_INVALID, "there is no field \"%.60s\", only: %.*s%s", name,
            (int)known.n, known.n > 0 ? (const char *)known.p : "none",
            known.over ? " ..." : "");
    buf_free(&known);
    return e->kind;
}

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

enum err_kind tr_column_check_name(const char *name, struct err *e)
{
    bool good = is_letter(name[0]);

    for (const char *at = name; *at != '\0'; at++)
        good = good && (is_letter(*at) || (*at >= '0' && *at <= '9'));
    if (good)
        return ERR_OK;
    return err_set(e, ERR_INVALID,
                   "\"%.60s\" is no field's name, wanted letters, digits and _, no "
                   "digit first",
                   name);
}

void tr_place(const struct compiler *c, struct column *columns, size_t *n,
              const struct column *col)
{
    for (size_t i = 0; i < c->n; i++)
        if (span_eq(c->columns[i].name, col->name)) {
            columns[i] = *col;
            return;
        }
    columns[(*n)++] = *col;
}

static enum err_kind check_twice(const struct column *columns, size_t n, struct err *e)
{
    struct span *names = mem_array(n + 1, sizeof *names);
    size_t first = 0, again = 0;

    for (size_t i = 0; i < n; i++)
        names[i] = columns[i].name;
    bool twice = av_names_repeat(names, n, &first, &again);
    free(names);
    if (twice)
        return err_set(e, ERR_INVALID, "two fields would be called " SPAN_FMT,
                       SPAN_ARG(columns[again].name));
    return ERR_OK;
}

/* --- the program's parts ---------------------------------------------------------- */

size_t tr_new_register(struct compiler *c)
{
    return c->p->n_regs++;
}

struct op *tr_add_op(struct compiler *c, op_run *run, void *made)
{
    struct transform_program *p = c->p;

    p->ops = mem_grow(p->ops, p->n_ops + 1, sizeof *p->ops);
    struct op *op = &p->ops[p->n_ops++];
    *op = (struct op){.run = run, .step = c->step, .made = made};
    return op;
}

void tr_program_owns(struct transform_program *p, void (*free_it)(void *), void *thing)
{
    struct program_thing *t = arena_alloc(&p->arena, sizeof *t);

    *t = (struct program_thing){free_it, thing, p->things};
    p->things = t;
}

/* Fields of the record that came in, side by side as they were, are one piece. */
static void add_piece(struct view *v, size_t reg, size_t n_in)
{
    struct piece *last = v->n > 0 ? &v->pieces[v->n - 1] : NULL;

    if (last != NULL && !last->made && reg < n_in && last->to == reg)
        last->to = reg + 1;
    else
        v->pieces[v->n++] = (struct piece){reg, reg + 1, reg >= n_in};
}

const struct view *tr_compile_view(struct compiler *c)
{
    if (c->view != NULL)
        return c->view;
    struct view *v = arena_alloc(&c->p->arena, sizeof *v);
    v->pieces = arena_array(&c->p->arena, c->n + 1, sizeof *v->pieces);
    for (size_t i = 0; i < c->n; i++)
        add_piece(v, c->columns[i].reg, c->p->n_in);
    v->whole = c->p->n_in == 0
                   ? v->n == 0
                   : v->n == 1 && v->pieces[0].from == 0 &&
                         v->pieces[0].to == c->p->n_in && !v->pieces[0].made;
    return c->view = v;
}

enum err_kind tr_compile_rules(struct compiler *c, struct cel_rules **out,
                               struct err *e)
{
    struct transform_program *p = c->p;

    if (c->rules == NULL) {
        TRY(cel_rules_new(&c->rules, c->schema, e));
        cel_rules_bare(c->rules);
        p->rules = mem_grow(p->rules, p->n_rules + 1, sizeof(struct cel_rules *));
        p->rules[p->n_rules++] = c->rules;
    }
    *out = c->rules;
    return ERR_OK;
}

/* --- from step to step ------------------------------------------------------------ */

static void use_schema(struct compiler *c, struct av_schema *take)
{
    struct transform_program *p = c->p;
    const struct av_node *root = av_schema_root(take);

    p->schemas = mem_grow(p->schemas, p->n_schemas + 1, sizeof(struct av_schema *));
    p->schemas[p->n_schemas++] = c->schema = take;
    for (size_t i = 0; i < c->n; i++) {
        c->columns[i].name = root->fields[i].name;
        c->columns[i].field = &root->fields[i];
        c->columns[i].type = (struct span){0};
        c->columns[i].node = NULL;
    }
    c->view = NULL;
    c->rules = NULL;
}

enum err_kind tr_compile_adopt(struct compiler *c, const struct column *columns,
                               size_t n, struct err *e)
{
    struct av_schema *s;

    if (n > TRANSFORM_FIELDS)
        return err_set(e, ERR_LIMIT, "%zu fields, %d are allowed", n, TRANSFORM_FIELDS);
    TRY(check_twice(columns, n, e));
    TRY(tr_schema_make(&s, c->schema, columns, n, e));
    struct column *kept = arena_array(&c->p->arena, n + 1, sizeof *kept);
    memcpy(kept, columns, n * sizeof *kept);
    c->columns = kept;
    c->n = n;
    use_schema(c, s);
    return ERR_OK;
}

static enum err_kind begin(struct compiler *c, struct av_schema *reader, struct err *e)
{
    const struct av_node *root = av_schema_root(reader);

    if (root->type != AV_RECORD)
        return err_set(e, ERR_INVALID,
                       "transform: the subject's schema is a %s, wanted a record",
                       av_type_name(root->type));
    if (root->n_fields > TRANSFORM_FIELDS)
        return err_set(e, ERR_LIMIT,
                       "transform: a record of %zu fields, %d are allowed",
                       root->n_fields, TRANSFORM_FIELDS);
    c->p->n_in = c->p->n_regs = c->n = root->n_fields;
    c->columns = arena_array(&c->p->arena, c->n + 1, sizeof *c->columns);
    for (size_t i = 0; i < c->n; i++)
        c->columns[i].reg = i;
    use_schema(c, av_schema_retain(reader));
    return av_plan_new(&c->p->whole, reader, reader, e);
}

static enum err_kind compile_steps(struct compiler *c, const struct transform *t,
                                   struct err *e)
{
    for (size_t i = 0; i < t->n; i++) {
        c->step = &t->steps[i];
        if (c->step->verb->compile(c, c->step, e) != ERR_OK)
            return err_prefix(e, "transform %s", c->step->name);
    }
    c->p->out = tr_compile_view(c);
    return ERR_OK;
}

enum err_kind transform_compile(struct transform_program **out,
                                const struct transform *t, struct av_schema *reader,
                                struct err *e)
{
    struct transform_program *p = mem_alloc(sizeof *p);
    struct compiler c = {.transform = t, .p = p};

    enum err_kind rc = begin(&c, reader, e);
    if (rc == ERR_OK)
        rc = compile_steps(&c, t, e);
    if (rc != ERR_OK) {
        transform_program_free(p);
        return rc;
    }
    *out = p;
    return ERR_OK;
}

struct av_schema *transform_schema(const struct transform_program *p)
{
    return p->schemas[p->n_schemas - 1];
}

void transform_program_free(struct transform_program *p)
{
    if (p == NULL)
        return;
    for (struct program_thing *t = p->things; t != NULL; t = t->next)
        t->free(t->thing);
    for (size_t i = 0; i < p->n_rules; i++)
        cel_rules_free(p->rules[i]);
    for (size_t i = 0; i < p->n_schemas; i++)
        av_schema_release(p->schemas[i]);
    av_plan_free(p->whole);
    free(p->rules);
    free(p->schemas);
    free(p->ops);
    arena_free(&p->arena);
    free(p);
}
