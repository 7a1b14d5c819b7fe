#include "base/utf8.h"
#include "cel/cel_inside.h"

/*
 * By recursive descent, one function a level of the grammar:
 *
 *      rule    = [[expr] ";"] expr
 *      expr    = or ["?" or ":" expr]
 *      or, and, relation, sum, product, unary, member, primary
 */
struct parser {
    struct cel_lexer lexer;
    struct cel_token now; // what stands at the head
    struct arena *arena;
    struct err *e;
    size_t depth, nodes;
};

static enum err_kind expr(struct parser *p, struct cel_ast **out);

/* Refusing */

static enum err_kind refuse_at(struct parser *p, size_t at, const char *what)
{
    return cel_refuse(p->lexer.text, at, ERR_INVALID, p->e, "%s", what);
}

static enum err_kind unexpected(struct parser *p, const char *wanted)
{
    struct span t = span_of(p->lexer.text.p + p->now.at, p->now.end - p->now.at);

    if (p->now.kind == TOK_END)
        return cel_refuse(p->lexer.text, p->now.at, ERR_INVALID, p->e,
                          "the end, wanted %s", wanted);
    return cel_refuse(p->lexer.text, p->now.at, ERR_INVALID, p->e,
                      "\"" SPAN_FMT "\", wanted %s", SPAN_ARG(t), wanted);
}

/* Reading */

static enum err_kind advance(struct parser *p)
{
    return cel_lex(&p->lexer, &p->now, p->e);
}

static bool at(const struct parser *p, enum cel_token_kind k)
{
    return p->now.kind == k;
}

static enum err_kind want(struct parser *p, enum cel_token_kind k, const char *name)
{
    return at(p, k) ? advance(p) : unexpected(p, name);
}

static enum err_kind enter(struct parser *p)
{
    if (++p->depth > CEL_DEPTH_MOST)
        return cel_refuse(p->lexer.text, p->now.at, ERR_LIMIT, p->e,
                          "more than %d expressions inside each other", CEL_DEPTH_MOST);
    return ERR_OK;
}

/* Nodes */

static enum err_kind node(struct parser *p, struct cel_ast **out,
                          enum cel_ast_kind kind, size_t place)
{
    if (++p->nodes > CEL_NODES_MOST)
        return cel_refuse(p->lexer.text, place, ERR_LIMIT, p->e, "more than %d parts",
                          CEL_NODES_MOST);
    *out = arena_alloc(p->arena, sizeof **out);
    **out = (struct cel_ast){.kind = kind, .at = (uint32_t)place, .depth = 1};
    return ERR_OK;
}

static enum err_kind set_args(struct parser *p, struct cel_ast *a,
                              struct cel_ast *const *args, size_t n)
{
    a->args = arena_array(p->arena, n, sizeof *a->args);
    a->n = n;
    for (size_t i = 0; i < n; i++) {
        a->args[i] = args[i];
        if (args[i]->depth >= a->depth)
            a->depth = (uint16_t)(args[i]->depth + 1);
    }
    if (a->depth > CEL_DEPTH_MOST)
        return cel_refuse(p->lexer.text, a->at, ERR_LIMIT, p->e,
                          "more than %d expressions inside each other", CEL_DEPTH_MOST);
    return ERR_OK;
}

static enum err_kind call(struct parser *p, struct cel_ast **out, const char *name,
                          size_t place, struct cel_ast *const *args, size_t n)
{
    struct cel_ast *a = NULL;

    TRY(node(p, &a, AST_CALL, place));
    a->name = span_str(name);
    TRY(set_args(p, a, args, n));
    *out = a; // may be one of the arguments until here
    return ERR_OK;
}

static enum err_kind constant(struct parser *p, struct cel_ast **out,
                              struct cel_value v)
{
    TRY(node(p, out, AST_CONST, p->now.at));
    (*out)->value = v;
    return advance(p);
}

/* Lists of things of unknown number */

struct pile {
    struct cel_ast **p;
    size_t n, cap;
};

static void pile_add(struct parser *p, struct pile *pile, struct cel_ast *a)
{
    if (pile->n == pile->cap) {
        size_t cap = pile->cap * 2 + 4;
        struct cel_ast **more = arena_array(p->arena, cap, sizeof *more);

        for (size_t i = 0; i < pile->n; i++)
            more[i] = pile->p[i];
        pile->p = more;
        pile->cap = cap;
    }
    pile->p[pile->n++] = a;
}

/* Expressions up to `end`, which is taken. */
static enum err_kind expressions(struct parser *p, struct pile *pile,
                                 enum cel_token_kind end, const char *end_name,
                                 bool trailing_comma)
{
    while (!at(p, end)) {
        struct cel_ast *a;

        TRY(expr(p, &a));
        pile_add(p, pile, a);
        if (!at(p, TOK_COMMA))
            break;
        TRY(advance(p));
        if (at(p, end) && !trailing_comma)
            return unexpected(p, "an expression");
    }
    return want(p, end, end_name);
}

/* Macros */

static enum err_kind loop(struct parser *p, struct cel_ast **out, enum cel_loop kind,
                          size_t place, struct cel_ast *range,
                          struct cel_ast *const *args, size_t n)
{
    struct cel_ast *all[3] = {range};

    if (args[0]->kind != AST_NAME || args[0]->rooted)
        return refuse_at(p, args[0]->at, "a macro's first argument is a simple name");
    TRY(node(p, out, AST_LOOP, place));
    (*out)->loop = kind;
    (*out)->name = args[0]->name;
    for (size_t i = 1; i < n; i++)
        all[i] = args[i];
    return set_args(p, *out, all, n);
}

static const struct {
    const char *name;
    size_t args;
    enum cel_loop loop;
} macros[] = {
    {"all", 2, LOOP_ALL},
    {"exists", 2, LOOP_EXISTS},
    {"exists_one", 2, LOOP_EXISTS_ONE},
    {"existsOne", 2, LOOP_EXISTS_ONE},
    {"map", 2, LOOP_MAP},
    {"map", 3, LOOP_MAP},
    {"filter", 2, LOOP_FILTER},
};

static enum err_kind member_call(struct parser *p, struct cel_ast **out,
                                 struct cel_ast *of, struct span name, size_t place)
{
    struct pile args = {0}, all = {0};

    TRY(expressions(p, &args, TOK_CLOSE, ")", false));
    for (size_t i = 0; i < sizeof macros / sizeof *macros; i++)
        if (args.n == macros[i].args && span_eq(name, span_str(macros[i].name)))
            return loop(p, out, macros[i].loop, place, of, args.p, args.n);
    pile_add(p, &all, of);
    for (size_t i = 0; i < args.n; i++)
        pile_add(p, &all, args.p[i]);
    TRY(node(p, out, AST_CALL, place));
    (*out)->name = name;
    (*out)->member = true;
    return set_args(p, *out, all.p, all.n);
}

static enum err_kind global_call(struct parser *p, struct cel_ast **out,
                                 struct span name, size_t place)
{
    struct pile args = {0};

    TRY(expressions(p, &args, TOK_CLOSE, ")", false));
    if (span_eq(name, span_str("has")) && args.n == 1) {
        if (args.p[0]->kind != AST_SELECT || args.p[0]->has)
            return refuse_at(p, args.p[0]->at, "has() takes a field: has(message.f)");
        *out = args.p[0];
        (*out)->has = true;
        return ERR_OK;
    }
    TRY(node(p, out, AST_CALL, place));
    (*out)->name = name;
    return set_args(p, *out, args.p, args.n);
}

/* Primary */

/* The language keeps them for hosts' languages; as field names they are fine. */
static const char *const reserved[] = {
    "as",        "break",  "const",  "continue", "else", "for",
    "function",  "if",     "import", "let",      "loop", "package",
    "namespace", "return", "var",    "void",     "while"};

static bool is_reserved(struct span name)
{
    for (size_t i = 0; i < sizeof reserved / sizeof *reserved; i++)
        if (span_eq(name, span_str(reserved[i])))
            return true;
    return false;
}

static enum err_kind name_or_call(struct parser *p, struct cel_ast **out)
{
    bool rooted = at(p, TOK_DOT);
    size_t place = p->now.at;

    if (rooted)
        TRY(advance(p));
    struct span name = p->now.text;
    if (!at(p, TOK_IDENT))
        return unexpected(p, "a name");
    if (is_reserved(name))
        return unexpected(p, "a name that is not reserved");
    TRY(advance(p));
    if (at(p, TOK_OPEN)) {
        TRY(advance(p));
        return global_call(p, out, name, place);
    }
    TRY(node(p, out, AST_NAME, place));
    (*out)->name = name;
    (*out)->rooted = rooted;
    return ERR_OK;
}

static enum err_kind list(struct parser *p, struct cel_ast **out)
{
    size_t place = p->now.at;
    struct pile items = {0};

    TRY(advance(p));
    TRY(expressions(p, &items, TOK_CLOSE_LIST, "]", true));
    TRY(node(p, out, AST_LIST, place));
    return set_args(p, *out, items.p, items.n);
}

static enum err_kind map(struct parser *p, struct cel_ast **out)
{
    size_t place = p->now.at;
    struct pile entries = {0};
    struct cel_ast *a;

    TRY(advance(p));
    while (!at(p, TOK_CLOSE_MAP)) {
        TRY(expr(p, &a));
        pile_add(p, &entries, a);
        TRY(want(p, TOK_COLON, "\":\""));
        TRY(expr(p, &a));
        pile_add(p, &entries, a);
        if (!at(p, TOK_COMMA))
            break;
        TRY(advance(p));
    }
    TRY(want(p, TOK_CLOSE_MAP, "\"}\""));
    TRY(node(p, out, AST_MAP, place));
    return set_args(p, *out, entries.p, entries.n);
}

static enum err_kind number(struct parser *p, struct cel_ast **out, bool negative)
{
    uint64_t u = p->now.u;

    switch (p->now.kind) {
    case TOK_DOUBLE:
        return constant(p, out, cel_double(negative ? -p->now.d : p->now.d));
    case TOK_UINT:
        if (negative)
            return unexpected(p, "a number that can be negative");
        return constant(p, out, cel_uint(u));
    default:
        if (u > (uint64_t)INT64_MAX + negative)
            return refuse_at(p, p->now.at, "a number of more than 64 bits");
        return constant(p, out, cel_int(negative ? (int64_t)(0 - u) : (int64_t)u));
    }
}

static bool at_number(const struct parser *p)
{
    return at(p, TOK_INT) || at(p, TOK_UINT) || at(p, TOK_DOUBLE);
}

static enum err_kind primary(struct parser *p, struct cel_ast **out)
{
    switch (p->now.kind) {
    case TOK_OPEN:
        TRY(advance(p));
        TRY(expr(p, out));
        return want(p, TOK_CLOSE, "\")\"");
    case TOK_OPEN_LIST: return list(p, out);
    case TOK_OPEN_MAP: return map(p, out);
    case TOK_STRING: return constant(p, out, cel_string(p->now.text));
    case TOK_BYTES: return constant(p, out, cel_bytes(p->now.text));
    case TOK_TRUE: return constant(p, out, cel_bool(true));
    case TOK_FALSE: return constant(p, out, cel_bool(false));
    case TOK_NULL: return constant(p, out, cel_null());
    case TOK_INT:
    case TOK_UINT:
    case TOK_DOUBLE: return number(p, out, false);
    case TOK_DOT:
    case TOK_IDENT: return name_or_call(p, out);
    default: return unexpected(p, "an expression");
    }
}

/* Member */

/* "a.b.c" of nested selects, or nothing. */
static bool dotted(const struct cel_ast *a, struct buf *out)
{
    if (a->kind == AST_SELECT && !a->has) {
        if (!dotted(a->args[0], out))
            return false;
        buf_put_u8(out, '.');
    } else if (a->kind != AST_NAME) {
        return false;
    } else if (a->rooted) {
        buf_put_u8(out, '.');
    }
    buf_put(out, a->name);
    return true;
}

/* com.shop.Order{id: 1} */
static enum err_kind make(struct parser *p, struct cel_ast **out, struct cel_ast *of)
{
    struct buf name = BUF_INIT(CEL_TEXT_MOST);
    struct pile values = {0}, names = {0};
    bool is_name = dotted(of, &name);
    const struct cel_ast *start = of;
    struct span type = arena_copy(p->arena, buf_span(&name));

    buf_free(&name);
    if (!is_name)
        return unexpected(p, "an operator or the end");
    TRY(advance(p));
    while (!at(p, TOK_CLOSE_MAP)) {
        struct cel_ast *a;

        if (!at(p, TOK_IDENT) && !at(p, TOK_QUOTED))
            return unexpected(p, "the name of a field");
        TRY(node(p, &a, AST_NAME, p->now.at));
        a->name = p->now.text;
        pile_add(p, &names, a);
        TRY(advance(p));
        TRY(want(p, TOK_COLON, "\":\""));
        TRY(expr(p, &a));
        pile_add(p, &values, a);
        if (!at(p, TOK_COMMA))
            break;
        TRY(advance(p));
    }
    TRY(want(p, TOK_CLOSE_MAP, "\"}\""));
    while (start->n > 0)
        start = start->args[0];
    TRY(node(p, out, AST_MAKE, start->at));
    (*out)->name = type;
    (*out)->names = arena_array(p->arena, names.n, sizeof(struct span));
    for (size_t i = 0; i < names.n; i++)
        (*out)->names[i] = names.p[i]->name;
    return set_args(p, *out, values.p, values.n);
}

static enum err_kind select_or_call(struct parser *p, struct cel_ast **out,
                                    struct cel_ast *of)
{
    size_t dot = p->now.at;

    TRY(advance(p));
    struct span name = p->now.text;
    bool quoted = at(p, TOK_QUOTED);
    size_t place = p->now.at;
    if (at(p, TOK_QUESTION))
        return refuse_at(p, dot, "optional fields (.?) are no part of this language");
    if (!at(p, TOK_IDENT) && !quoted)
        return unexpected(p, "the name of a field or function");
    TRY(advance(p));
    if (at(p, TOK_OPEN) && !quoted) {
        TRY(advance(p));
        return member_call(p, out, of, name, place);
    }
    TRY(node(p, out, AST_SELECT, place));
    (*out)->name = name;
    return set_args(p, *out, &of, 1);
}

static enum err_kind index_of(struct parser *p, struct cel_ast **out,
                              struct cel_ast *of)
{
    struct cel_ast *args[2] = {of};
    size_t place = p->now.at;

    TRY(advance(p));
    TRY(expr(p, &args[1]));
    TRY(want(p, TOK_CLOSE_LIST, "\"]\""));
    return call(p, out, "_[_]", place, args, 2);
}

static enum err_kind member_of(struct parser *p, struct cel_ast *a,
                               struct cel_ast **out)
{
    for (;;) {
        switch (p->now.kind) {
        case TOK_DOT: TRY(select_or_call(p, &a, a)); break;
        case TOK_OPEN_LIST: TRY(index_of(p, &a, a)); break;
        case TOK_OPEN_MAP: TRY(make(p, &a, a)); break;
        default: *out = a; return ERR_OK;
        }
    }
}

/* Operators */

static enum err_kind unary(struct parser *p, struct cel_ast **out)
{
    struct cel_ast *a;
    size_t place = p->now.at;
    bool minus = at(p, TOK_MINUS);

    if (!minus && !at(p, TOK_NOT)) {
        TRY(primary(p, &a));
        return member_of(p, a, out);
    }
    TRY(advance(p));
    if (minus && at_number(p)) {
        TRY(number(p, &a, true));
        a->at = (uint32_t)place;
        return member_of(p, a, out);
    }
    // The grammar has --a and !!a, but not -!a.
    if (at(p, minus ? TOK_NOT : TOK_MINUS) && minus)
        return unexpected(p, "an operand");
    TRY(enter(p));
    TRY(unary(p, &a));
    p->depth--;
    return call(p, out, minus ? "-_" : "!_", place, &a, 1);
}

struct level {
    struct {
        enum cel_token_kind token;
        const char *name;
    } row[7];
    size_t n;
};

static const struct level levels[] = {
    {{{TOK_LT, "_<_"},
      {TOK_LE, "_<=_"},
      {TOK_GT, "_>_"},
      {TOK_GE, "_>=_"},
      {TOK_EQ, "_==_"},
      {TOK_NE, "_!=_"},
      {TOK_IN, "@in"}},
     7},
    {{{TOK_PLUS, "_+_"}, {TOK_MINUS, "_-_"}}, 2},
    {{{TOK_STAR, "_*_"}, {TOK_SLASH, "_/_"}, {TOK_PERCENT, "_%_"}}, 3},
};
#define N_LEVELS (sizeof levels / sizeof *levels)

static const char *operator_at(const struct parser *p, const struct level *l)
{
    for (size_t i = 0; i < l->n; i++)
        if (at(p, l->row[i].token))
            return l->row[i].name;
    return NULL;
}

static enum err_kind binary(struct parser *p, size_t level, struct cel_ast **out)
{
    struct cel_ast *args[2];
    const char *name;

    if (level == N_LEVELS)
        return unary(p, out);
    TRY(binary(p, level + 1, &args[0]));
    while ((name = operator_at(p, &levels[level])) != NULL) {
        size_t place = p->now.at;

        TRY(advance(p));
        TRY(binary(p, level + 1, &args[1]));
        TRY(call(p, &args[0], name, place, args, 2));
    }
    *out = args[0];
    return ERR_OK;
}

/* a && b && c is one node, so a long rule is no deep one. */
static enum err_kind logical(struct parser *p, bool is_or, struct cel_ast **out)
{
    enum cel_token_kind token = is_or ? TOK_OR : TOK_AND;
    struct pile parts = {0};
    size_t place = 0;

    for (;;) {
        TRY(is_or ? logical(p, false, out) : binary(p, 0, out));
        pile_add(p, &parts, *out);
        if (!at(p, token))
            break;
        place = p->now.at;
        TRY(advance(p));
    }
    if (parts.n == 1)
        return ERR_OK;
    return call(p, out, is_or ? "_||_" : "_&&_", place, parts.p, parts.n);
}

static enum err_kind expr(struct parser *p, struct cel_ast **out)
{
    struct cel_ast *args[3];

    TRY(enter(p));
    TRY(logical(p, true, out));
    if (at(p, TOK_QUESTION)) {
        size_t place = p->now.at;

        args[0] = *out;
        TRY(advance(p));
        TRY(logical(p, true, &args[1]));
        TRY(want(p, TOK_COLON, "\":\""));
        TRY(expr(p, &args[2]));
        TRY(call(p, out, "_?_:_", place, args, 3));
    }
    p->depth--;
    return ERR_OK;
}

static enum err_kind rule(struct parser *p, struct cel_parsed *out)
{
    TRY(advance(p));
    if (at(p, TOK_SEMICOLON)) {
        TRY(advance(p));
    } else {
        TRY(expr(p, &out->body));
        if (!at(p, TOK_SEMICOLON))
            return want(p, TOK_END, "an operator or the end");
        TRY(advance(p));
        out->guard = out->body;
    }
    TRY(expr(p, &out->body));
    return at(p, TOK_END) ? ERR_OK : unexpected(p, "an operator or the end");
}

enum err_kind cel_parse(struct cel_parsed *out, struct span text, struct arena *a,
                        struct err *e)
{
    struct parser p = {.lexer = {.text = text, .arena = a}, .arena = a, .e = e};
    size_t good = utf8_good(text);

    *out = (struct cel_parsed){0};
    if (text.n > CEL_TEXT_MOST)
        return cel_refuse(text, CEL_TEXT_MOST, ERR_LIMIT, e, "more than %d bytes",
                          CEL_TEXT_MOST);
    if (good < text.n)
        return cel_refuse(text, good, ERR_INVALID, e, "a byte that is no UTF-8");
    return rule(&p, out);
}
