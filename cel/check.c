#include "cel/cel_inside.h"

#include <stdio.h>

/*
 * Types from the leaves to the root.  Nothing is guessed: an argument fits a parameter,
 * or the expression is refused; dyn fits everything and is asked about when it runs.
 */
struct local {
    struct span name;
    const struct cel_type *type;
    const struct local *outer;
    int index;
};

struct checker {
    const struct cel_scope *scope;
    struct span text;
    struct arena *arena;
    struct err *e;
    const struct local *locals;
};

static enum err_kind check(struct checker *c, struct cel_ast *a);

#define DYN cel_type_of(CEL_DYN)

/* Saying no.  Lenient: it becomes dyn, and an error when it runs. */

#define TYPES_SHOWN 160

static enum err_kind no(struct checker *c, struct cel_ast *a, const char *what,
                        struct span name, const char *of)
{
    a->type = DYN;
    if (c->scope->lenient)
        return ERR_OK;
    return cel_refuse(c->text, a->at, ERR_INVALID, c->e, "%s \"" SPAN_FMT "\"%s", what,
                      SPAN_ARG(name), of);
}

/* "(double, int)" */
static void put_types(struct buf *out, const struct cel_ast *a)
{
    buf_put_u8(out, '(');
    for (size_t i = 0; i < a->n; i++) {
        if (i > 0)
            buf_put_str(out, ", ");
        cel_type_put(out, a->args[i]->type);
    }
    buf_put_u8(out, ')');
}

static const struct {
    const char *name, *shown;
} shown_operators[] = {{"@in", "in"}, {"_[_]", "[]"}, {"_?_:_", "?:"}};

/* "_+_" is shown as "+". */
static struct span shown_name(struct span name)
{
    for (size_t i = 0; i < sizeof shown_operators / sizeof *shown_operators; i++)
        if (span_eq(name, span_str(shown_operators[i].name)))
            return span_str(shown_operators[i].shown);
    while (name.n > 1 && name.p[0] == '_')
        name = span_skip(name, 1);
    while (name.n > 1 && name.p[name.n - 1] == '_')
        name.n--;
    return name;
}

static enum err_kind no_overload(struct checker *c, struct cel_ast *a)
{
    struct buf types = BUF_INIT(CEL_TEXT_MOST);
    struct span name = shown_name(a->name);

    a->type = DYN;
    if (c->scope->lenient)
        return ERR_OK;
    put_types(&types, a);
    size_t n = types.n < TYPES_SHOWN ? types.n : TYPES_SHOWN;
    enum err_kind k = cel_refuse(c->text, a->at, ERR_INVALID, c->e,
                                 "\"" SPAN_FMT "\" does not take %.*s", SPAN_ARG(name),
                                 (int)n, (const char *)types.p);
    buf_free(&types);
    return k;
}

/* Signatures */

struct bound {
    const struct cel_type *to[2]; // of A, B
};

/* The type that starts at *s, which then stands behind it. */
static const struct cel_type *read_type(struct arena *a, const char **s)
{
    static const struct {
        char letter;
        enum cel_kind kind;
    } letters[] = {
        {'b', CEL_BOOL},      {'i', CEL_INT},      {'u', CEL_UINT},
        {'d', CEL_DOUBLE},    {'s', CEL_STRING},   {'y', CEL_BYTES},
        {'n', CEL_NULL},      {'*', CEL_DYN},      {'T', CEL_TYPE},
        {'t', CEL_TIMESTAMP}, {'r', CEL_DURATION}, {'m', CEL_DECIMAL},
    };
    char c = *(*s)++;

    if (c == '[')
        return cel_type_list(a, read_type(a, s));
    if (c == '{') {
        const struct cel_type *key = read_type(a, s);

        return cel_type_map(a, key, read_type(a, s));
    }
    if (c == 'A' || c == 'B') {
        struct cel_type *t = arena_alloc(a, sizeof *t);

        *t = (struct cel_type){.kind = CEL_PARAM, .param = (unsigned)(c - 'A')};
        return t;
    }
    for (size_t i = 0; i < sizeof letters / sizeof *letters; i++)
        if (letters[i].letter == c)
            return cel_type_of(letters[i].kind);
    return DYN;
}

static bool bind(struct checker *c, const struct cel_type *param,
                 const struct cel_type *arg, struct bound *b)
{
    const struct cel_type **to = &b->to[param->param];
    const struct cel_type *joined = *to ? cel_type_join(c->arena, *to, arg) : arg;

    if (joined == NULL)
        return false;
    *to = joined;
    return true;
}

/* What nothing is known of fills every place. */
static void bind_dyn(const struct cel_type *param, struct bound *b)
{
    if (param->kind == CEL_PARAM && b->to[param->param] == NULL)
        b->to[param->param] = DYN;
    if (param->kind == CEL_LIST || param->kind == CEL_MAP)
        bind_dyn(param->a, b);
    if (param->kind == CEL_MAP)
        bind_dyn(param->b, b);
}

static bool fits(struct checker *c, const struct cel_type *param,
                 const struct cel_type *arg, struct bound *b)
{
    if (param->kind == CEL_PARAM)
        return bind(c, param, arg, b);
    arg = cel_type_sure(arg);
    if (param->kind == CEL_DYN)
        return true;
    if (arg->kind == CEL_DYN) {
        bind_dyn(param, b);
        return true;
    }
    if (param->kind != arg->kind)
        return false;
    if (param->kind != CEL_LIST && param->kind != CEL_MAP)
        return true;
    return fits(c, param->a, arg->a, b) &&
           (param->kind == CEL_LIST || fits(c, param->b, arg->b, b));
}

static const struct cel_type *filled(struct checker *c, const struct cel_type *t,
                                     const struct bound *b)
{
    if (t->kind == CEL_PARAM)
        return b->to[t->param] != NULL ? b->to[t->param] : DYN;
    if (t->kind == CEL_LIST)
        return cel_type_list(c->arena, filled(c, t->a, b));
    return t;
}

/* One alternative: its result, or NULL; *s then stands behind it. */
static const struct cel_type *match(struct checker *c, const char **s,
                                    const struct cel_ast *a)
{
    struct bound b = {0};
    bool fit = true;
    size_t i = 0;

    for (; **s != '>'; i++) {
        const struct cel_type *param = read_type(c->arena, s);

        fit = fit && i < a->n && fits(c, param, a->args[i]->type, &b);
    }
    ++*s;
    const struct cel_type *result = read_type(c->arena, s);
    while (**s == ' ')
        ++*s;
    return fit && i == a->n ? filled(c, result, &b) : NULL;
}

/* Several may fit what is dyn: then the result is only known when they agree. */
static const struct cel_type *result_of(struct checker *c, const struct cel_function *f,
                                        const struct cel_ast *a)
{
    const struct cel_type *result = NULL;

    for (const char *s = f->signatures; *s != '\0';) {
        const struct cel_type *t = match(c, &s, a);

        if (t != NULL && result != NULL && t->kind != result->kind)
            return DYN;
        if (t != NULL)
            result = t;
    }
    return result;
}

/* Calls */

static const struct cel_function *find_function(struct span name, bool member)
{
    for (size_t i = 0; i < cel_n_functions; i++)
        if (span_eq(name, span_str(cel_functions[i].name)) &&
            (cel_functions[i].style & (member ? CEL_MEMBER : CEL_GLOBAL)) != 0)
            return &cel_functions[i];
    return NULL;
}

static bool may_be(const struct cel_type *t, enum cel_kind k)
{
    t = cel_type_sure(t);
    return t->kind == k || t->kind == CEL_DYN;
}

static enum err_kind check_logical(struct checker *c, struct cel_ast *a)
{
    a->type = cel_type_of(CEL_BOOL);
    for (size_t i = 0; i < a->n; i++)
        if (!may_be(a->args[i]->type, CEL_BOOL))
            return no_overload(c, a);
    return ERR_OK;
}

/* Has it a signature of so many arguments? */
static bool takes(const struct cel_function *f, size_t n)
{
    size_t count = 0;

    for (const char *s = f->signatures; *s != '\0'; s++) {
        if (*s == '>' && count == n)
            return true;
        if (*s == ' ')
            count = 0;
        else if (*s == '{')
            count--; // key and value are one
        else if (*s != '[')
            count++;
    }
    return false;
}

/* "strings.quote(x)": a function whose name has a dot looks like a member's. */
static const struct cel_function *dotted_function(struct cel_ast *a,
                                                  struct arena *arena)
{
    const struct cel_ast *of = a->args[0];

    if (of->kind != AST_NAME)
        return NULL;
    struct span name = arena_printf(arena, SPAN_FMT "." SPAN_FMT, SPAN_ARG(of->name),
                                    SPAN_ARG(a->name));
    const struct cel_function *f = find_function(name, false);
    if (f != NULL) {
        a->name = name;
        a->member = false;
        a->args++;
        a->n--;
    }
    return f;
}

static enum err_kind check_call(struct checker *c, struct cel_ast *a)
{
    if (a->member)
        a->function = dotted_function(a, c->arena);
    if (a->function == NULL)
        a->function = find_function(a->name, a->member);
    for (size_t i = 0; i < a->n; i++)
        TRY(check(c, a->args[i]));
    if (a->function == NULL)
        return no(c, a, "no function", a->name, "");
    if (a->function->op == OP_AND || a->function->op == OP_OR)
        return check_logical(c, a);
    a->type = result_of(c, a->function, a);
    if (!takes(a->function, a->n))
        a->function = NULL;
    return a->type != NULL ? ERR_OK : no_overload(c, a);
}

/* Names */

static const struct {
    const char *name;
    enum cel_kind kind;
} types[] = {
    {"bool", CEL_BOOL},
    {"int", CEL_INT},
    {"uint", CEL_UINT},
    {"double", CEL_DOUBLE},
    {"string", CEL_STRING},
    {"bytes", CEL_BYTES},
    {"list", CEL_LIST},
    {"map", CEL_MAP},
    {"null_type", CEL_NULL},
    {"type", CEL_TYPE},
    {"decimal", CEL_DECIMAL},
    {"google.protobuf.Timestamp", CEL_TIMESTAMP},
    {"google.protobuf.Duration", CEL_DURATION},
};

static bool is_record_called(const struct av_node *n, struct span name)
{
    size_t space = n->name.space.n + (n->name.space.n > 0);

    return n->type == AV_RECORD && name.n == space + n->name.base.n &&
           (space == 0 || (memcmp(name.p, n->name.space.p, space - 1) == 0 &&
                           name.p[space - 1] == '.')) &&
           memcmp(name.p + space, n->name.base.p, n->name.base.n) == 0;
}

static const struct av_node *record_called(const struct checker *c, struct span name)
{
    const struct av_schema *s = c->scope->schema;

    for (size_t i = 0; s != NULL && i < av_schema_nodes(s); i++)
        if (is_record_called(av_schema_node(s, (uint32_t)i), name))
            return av_schema_node(s, (uint32_t)i);
    return NULL;
}

static bool is_type_called(const struct checker *c, struct span name)
{
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (span_eq(name, span_str(types[i].name)))
            return true;
    return record_called(c, name) != NULL;
}

/* A variable or a type of exactly that name. */
static bool resolve_exact(struct checker *c, struct cel_ast *a, struct span name)
{
    for (size_t i = 0; i < c->scope->n; i++)
        if (span_eq(c->scope->variables[i].name, name)) {
            a->is_variable = true;
            a->variable = (int)i;
            a->type = c->scope->variables[i].type;
            return true;
        }
    if (!is_type_called(c, name))
        return false;
    a->is_type = true;
    a->value = cel_type_value(arena_copy(c->arena, name));
    a->type = cel_type_of(CEL_TYPE);
    return true;
}

/* Within a container a.b, name c is a.b.c, a.c or c, the first that there is. */
static bool resolve(struct checker *c, struct cel_ast *a, struct span name, bool rooted)
{
    struct span space = rooted ? span_str("") : c->scope->container;

    while (space.n > 0) {
        struct span full =
            arena_printf(c->arena, "%.*s.%.*s", (int)space.n, (const char *)space.p,
                         (int)name.n, (const char *)name.p);
        if (resolve_exact(c, a, full))
            return true;
        while (space.n > 0 && space.p[space.n - 1] != '.')
            space.n--;
        space.n -= space.n > 0;
    }
    return resolve_exact(c, a, name);
}

static const struct local *find_local(const struct checker *c, const struct cel_ast *a)
{
    const struct local *l = a->rooted ? NULL : c->locals;

    while (l != NULL && !span_eq(l->name, a->name))
        l = l->outer;
    return l;
}

/* Is it a field of the record, and neither `message` nor `now`? */
static bool is_bare_field(const struct checker *c, const struct cel_ast *a)
{
    if (c->scope->bare == NULL || a->rooted ||
        cel_field_index(c->scope->bare, a->name) < 0)
        return false;
    for (size_t i = 0; i < c->scope->n; i++)
        if (span_eq(c->scope->variables[i].name, a->name))
            return false;
    return true;
}

/* `amount` becomes `message.amount`. */
static enum err_kind check_bare_field(struct checker *c, struct cel_ast *a)
{
    struct cel_ast *record = arena_alloc(c->arena, sizeof *record);

    *record = (struct cel_ast){
        .kind = AST_NAME, .at = a->at, .depth = a->depth, .name = span_str("message")};
    a->args = arena_array(c->arena, 1, sizeof(struct cel_ast *));
    a->args[0] = record;
    a->n = 1;
    a->kind = AST_SELECT;
    return check(c, a);
}

static enum err_kind check_name(struct checker *c, struct cel_ast *a)
{
    const struct local *l = find_local(c, a);

    if (l != NULL) {
        a->variable = -1;
        a->local = l->index;
        a->type = l->type;
        return ERR_OK;
    }
    if (is_bare_field(c, a))
        return check_bare_field(c, a);
    if (resolve(c, a, a->name, a->rooted))
        return ERR_OK;
    return no(c, a, "nothing is called", a->name, "");
}

/* "a.b.c" of nested selects whose first is no local; empty otherwise. */
static struct span dotted_name(struct checker *c, const struct cel_ast *a, bool *rooted)
{
    if (a->kind == AST_NAME) {
        *rooted = a->rooted;
        return find_local(c, a) == NULL ? a->name : (struct span){0};
    }
    if (a->kind != AST_SELECT || a->has)
        return (struct span){0};
    struct span before = dotted_name(c, a->args[0], rooted);
    if (before.n == 0)
        return before;
    return arena_printf(c->arena, "%.*s.%.*s", (int)before.n, (const char *)before.p,
                        (int)a->name.n, (const char *)a->name.p);
}

/* Selecting */

static enum err_kind check_field(struct checker *c, struct cel_ast *a,
                                 const struct av_node *record)
{
    char name[AV_FULLNAME_SHOWN], of[AV_FULLNAME_SHOWN + 16];
    int i = cel_field_index(record, a->name);

    if (i >= 0) {
        a->type = cel_type_of_node(c->arena, record->fields[i].type);
        return ERR_OK;
    }
    av_node_name(name, record);
    snprintf(of, sizeof of, " in record %s", name);
    return no(c, a, "no field", a->name, of);
}

static enum err_kind check_select(struct checker *c, struct cel_ast *a)
{
    bool rooted = false;
    struct span name = dotted_name(c, a, &rooted);

    if (name.n > 0 && resolve(c, a, name, rooted))
        return ERR_OK;
    TRY(check(c, a->args[0]));
    const struct cel_type *of = cel_type_sure(a->args[0]->type);
    enum err_kind k = ERR_OK;
    if (of->kind == CEL_MESSAGE) {
        k = check_field(c, a, of->node);
    } else if (of->kind == CEL_MAP && may_be(of->a, CEL_STRING)) {
        a->type = of->b;
    } else if (of->kind == CEL_DYN) {
        a->type = DYN;
    } else {
        char type[64];

        snprintf(type, sizeof type, " in a value of type %s", cel_kind_name(of->kind));
        k = no(c, a, "no field", a->name, type);
    }
    if (a->has)
        a->type = cel_type_of(CEL_BOOL);
    return k;
}

/* Literals */

/* What all of every `step`th argument are; dyn when they differ. */
static const struct cel_type *common(struct checker *c, const struct cel_ast *a,
                                     size_t from, size_t step)
{
    const struct cel_type *t = NULL;

    for (size_t i = from; i < a->n; i += step) {
        t = t == NULL ? a->args[i]->type : cel_type_join(c->arena, t, a->args[i]->type);
        if (t == NULL)
            return DYN;
    }
    return t != NULL ? t : &cel_type_open;
}

static enum err_kind check_all(struct checker *c, struct cel_ast *a)
{
    for (size_t i = 0; i < a->n; i++)
        TRY(check(c, a->args[i]));
    return ERR_OK;
}

static bool is_key(const struct cel_type *t)
{
    return may_be(t, CEL_BOOL) || may_be(t, CEL_INT) || may_be(t, CEL_UINT) ||
           may_be(t, CEL_STRING);
}

static enum err_kind check_map(struct checker *c, struct cel_ast *a)
{
    TRY(check_all(c, a));
    for (size_t i = 0; i < a->n; i += 2)
        if (!is_key(a->args[i]->type) && !c->scope->lenient)
            return cel_refuse(c->text, a->args[i]->at, ERR_INVALID, c->e,
                              "a map's key is a bool, int, uint or string");
    a->type = cel_type_map(c->arena, common(c, a, 0, 2), common(c, a, 1, 2));
    return ERR_OK;
}

/* Order{id: 1} is the map of its fields, each looked at here. */
static enum err_kind check_make(struct checker *c, struct cel_ast *a)
{
    struct span name = a->name;

    if (name.n > 0 && name.p[0] == '.')
        name = span_skip(name, 1);
    TRY(check_all(c, a));
    a->node = record_called(c, name);
    if (a->node == NULL)
        return no(c, a, "no record is called", name, "");
    for (size_t i = 0; i < a->n; i++) {
        struct cel_ast field = {
            .kind = AST_SELECT, .at = a->args[i]->at, .name = a->names[i]};

        TRY(check_field(c, &field, a->node));
        if (cel_type_join(c->arena, field.type, a->args[i]->type) == NULL)
            return no(c, a->args[i], "a value that does not fit field", a->names[i],
                      "");
    }
    a->type = cel_type_map(c->arena, cel_type_of(CEL_STRING), DYN);
    return ERR_OK;
}

/* Macros */

static const struct cel_type *element(struct checker *c, struct cel_ast *range,
                                      enum err_kind *k)
{
    const struct cel_type *t = cel_type_sure(range->type);

    if (t->kind == CEL_LIST || t->kind == CEL_MAP)
        return t->a;
    if (t->kind != CEL_DYN && !c->scope->lenient)
        *k = cel_refuse(c->text, range->at, ERR_INVALID, c->e,
                        "a macro goes along a list or a map, this is a %s",
                        cel_kind_name(t->kind));
    return DYN;
}

static enum err_kind check_predicate(struct checker *c, struct cel_ast *a)
{
    TRY(check(c, a));
    if (!may_be(a->type, CEL_BOOL) && !c->scope->lenient)
        return cel_refuse(c->text, a->at, ERR_INVALID, c->e,
                          "a macro's condition is a bool, this is a %s",
                          cel_kind_name(cel_type_sure(a->type)->kind));
    return ERR_OK;
}

static enum err_kind check_parts(struct checker *c, struct cel_ast *a)
{
    if (a->loop != LOOP_MAP)
        return check_predicate(c, a->args[1]);
    if (a->n == 3)
        TRY(check_predicate(c, a->args[1]));
    return check(c, a->args[a->n - 1]);
}

static const struct cel_type *loop_type(struct checker *c, const struct cel_ast *a,
                                        const struct cel_type *item)
{
    switch (a->loop) {
    case LOOP_MAP: return cel_type_list(c->arena, a->args[a->n - 1]->type);
    case LOOP_FILTER: return cel_type_list(c->arena, item);
    default: return cel_type_of(CEL_BOOL);
    }
}

static enum err_kind check_loop(struct checker *c, struct cel_ast *a)
{
    enum err_kind k = ERR_OK;

    TRY(check(c, a->args[0]));
    struct local here = {
        .name = a->name,
        .type = element(c, a->args[0], &k),
        .outer = c->locals,
        .index = c->locals != NULL ? c->locals->index + 1 : 0,
    };
    TRY(k);
    a->local = here.index;
    c->locals = &here;
    k = check_parts(c, a);
    c->locals = here.outer;
    TRY(k);
    a->type = loop_type(c, a, here.type);
    return ERR_OK;
}

static enum err_kind check(struct checker *c, struct cel_ast *a)
{
    switch (a->kind) {
    case AST_CONST: a->type = cel_type_of(a->value.kind); return ERR_OK;
    case AST_NAME: return check_name(c, a);
    case AST_SELECT: return check_select(c, a);
    case AST_CALL: return check_call(c, a);
    case AST_LIST:
        TRY(check_all(c, a));
        a->type = cel_type_list(c->arena, common(c, a, 0, 1));
        return ERR_OK;
    case AST_MAP: return check_map(c, a);
    case AST_MAKE: return check_make(c, a);
    default: return check_loop(c, a);
    }
}

enum err_kind cel_type_check(struct cel_ast *tree, const struct cel_scope *scope,
                             struct span text, struct arena *a, struct err *e)
{
    struct checker c = {.scope = scope, .text = text, .arena = a, .e = e};

    return check(&c, tree);
}
