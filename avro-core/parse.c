#include "avro-core/schema_inside.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#define BYTES_DEFAULT (1 << 20)
#define DEPTH_DEFAULT 64
#define DEPTH_MOST 1000 // reading types recurses
#define NODES_DEFAULT 100000
#define NAME_MOST 1024        // bytes of a fullname: they are compared often
#define ALIASES_MOST 1000     // of one type or field
#define FIXED_MOST 2147483639 // the longest array Java has

/* ---- saying what is wrong ---- */

#define POINTER_SHOWN 100

/* The pointer of `j`; of a long one the end, which says more. */
static void show_pointer(char out[POINTER_SHOWN + 4], const struct json *j)
{
    struct buf b = BUF_INIT(1 << 16);
    struct err e = {0};

    json_pointer(&b, j);
    if (buf_status(&b, &e) != ERR_OK)
        buf_cut(&b, b.n);
    size_t cut = b.n > POINTER_SHOWN ? b.n - POINTER_SHOWN : 0;
    snprintf(out, POINTER_SHOWN + 4, "%s%.*s", cut > 0 ? "..." : "", (int)(b.n - cut),
             b.n > 0 ? (const char *)b.p + cut : "");
    buf_free(&b);
}

enum err_kind refuse(struct build *b, const struct json *at, enum err_kind kind,
                     const char *fmt, ...)
{
    char pointer[POINTER_SHOWN + 4];
    size_t line, column;
    va_list ap;

    va_start(ap, fmt);
    b->e->kind = kind;
    vsnprintf(b->e->msg, sizeof b->e->msg, fmt, ap);
    va_end(ap);
    if (at == NULL)
        return kind;
    json_place(b->text, at->at, &line, &column);
    show_pointer(pointer, at);
    return err_prefix(b->e, "%s%sat %zu:%zu", pointer, pointer[0] != '\0' ? " " : "",
                      line, column);
}

const char *shown(char out[SHOWN], const struct json *j)
{
    if (j == NULL)
        snprintf(out, SHOWN, "missing");
    else if (j->kind == JSON_STRING)
        snprintf(
            out, SHOWN, "string \"%.*s\"%s", (int)(j->text.n < 40 ? j->text.n : 40),
            j->text.n > 0 ? (const char *)j->text.p : "", j->text.n > 40 ? "..." : "");
    else if (j->kind == JSON_NUMBER)
        snprintf(out, SHOWN, "number %.*s%s", (int)(j->text.n < 40 ? j->text.n : 40),
                 (const char *)j->text.p, j->text.n > 40 ? "..." : "");
    else if (j->kind == JSON_TRUE || j->kind == JSON_FALSE)
        snprintf(out, SHOWN, "%s", j->kind == JSON_TRUE ? "true" : "false");
    else
        snprintf(out, SHOWN, "%s%s", j->kind == JSON_NULL ? "" : "an ",
                 json_kind_name(j->kind));
    return out;
}

enum err_kind take_steps(struct build *b, const struct json *at, size_t n)
{
    if (n > b->steps)
        return refuse(b, at, ERR_LIMIT,
                      "more than %d steps for defaults and attributes", STEPS_MOST);
    b->steps -= n;
    return ERR_OK;
}

/* "/name at 1:9: "name" is number 5, wanted a name"; at `in` when it is missing. */
static enum err_kind refuse_member(struct build *b, const struct json *in,
                                   const char *name, const char *what)
{
    const struct json *v = json_member(in, name);
    char found[SHOWN];

    return refuse(b, v != NULL ? v : in, ERR_INVALID, "\"%s\" is %s, wanted %s", name,
                  shown(found, v), what);
}

/* ---- keeping what the tree says ---- */

/* Spans into the text stay; unescaped ones move from the tree's arena to the schema's.
 */
static struct span keep(struct build *b, struct span s)
{
    if (s.n == 0 || (s.p >= b->text.p && s.p < b->text.p + b->text.n))
        return s;
    return arena_copy(&b->s->arena, s);
}

static struct json *keep_value(struct build *b, const struct json *j,
                               struct json *parent)
{
    struct json *kept = arena_alloc(&b->s->arena, sizeof *kept);

    *kept = *j;
    kept->name = keep(b, j->name);
    kept->text = keep(b, j->text);
    kept->first = kept->next = NULL;
    kept->parent = parent;
    return kept;
}

/* The whole of `j`, alone: it has neither parent nor sibling. */
static const struct json *keep_json(struct build *b, const struct json *j)
{
    struct json *root = keep_value(b, j, NULL), *to = root;
    const struct json *from = j;

    for (;;) {
        if (from->first != NULL) {
            from = from->first;
            to = to->first = keep_value(b, from, to);
            continue;
        }
        while (from != j && from->next == NULL) {
            from = from->parent;
            to = (struct json *)to->parent;
        }
        if (from == j)
            return root;
        from = from->next;
        to = to->next = keep_value(b, from, (struct json *)to->parent);
    }
}

static struct span text_of(const struct json *j, bool *there)
{
    *there = json_is(j, JSON_STRING);
    return *there ? j->text : (struct span){0};
}

static bool is_reserved(struct span name, const char *const *reserved)
{
    for (; *reserved != NULL; reserved++)
        if (span_eq(name, span_str(*reserved)))
            return true;
    return false;
}

/* What the specification does not define, in order. */
static const struct av_attr *read_attrs(struct build *b, const struct json *j,
                                        const char *const *reserved, size_t *n)
{
    size_t count = 0;

    *n = 0;
    for (const struct json *m = j->first; m != NULL; m = m->next)
        count += !is_reserved(m->name, reserved);
    if (count == 0)
        return NULL;
    struct av_attr *attrs = arena_array(&b->s->arena, count, sizeof *attrs);
    for (const struct json *m = j->first; m != NULL; m = m->next)
        if (!is_reserved(m->name, reserved)) {
            attrs[*n].name = keep(b, m->name);
            attrs[(*n)++].value = keep_json(b, m);
        }
    return attrs;
}

static const char *const of_types[] = {"type",    "name",    "namespace", "doc",
                                       "fields",  "items",   "values",    "size",
                                       "symbols", "aliases", NULL};
static const char *const of_enums[] = {"type",    "name",    "namespace", "doc",
                                       "fields",  "items",   "values",    "size",
                                       "symbols", "aliases", "default",   NULL};
static const char *const of_fields[] = {"name",  "type",    "doc", "default",
                                        "order", "aliases", NULL};

static void read_type_attrs(struct build *b, const struct json *j, struct av_node *n)
{
    n->attrs = read_attrs(b, j, n->type == AV_ENUM ? of_enums : of_types, &n->n_attrs);
    find_logical(n);
}

/* ---- nodes ---- */

enum err_kind add_node(struct build *b, struct av_node **out, enum av_type type,
                       const struct json *at)
{
    struct av_schema *s = b->s;

    if (s->n_nodes >= b->nodes_most)
        return refuse(b, at, ERR_LIMIT, "more than %zu types", b->nodes_most);
    if (s->n_nodes == b->cap) {
        b->cap = b->cap > 0 ? b->cap * 2 : 32;
        s->nodes = mem_grow(s->nodes, b->cap, sizeof *s->nodes);
        b->origins = mem_grow(b->origins, b->cap, sizeof *b->origins);
    }
    struct av_node *n = arena_alloc(&s->arena, sizeof *n);
    n->type = type;
    n->index = (uint32_t)s->n_nodes;
    n->fallback = -1;
    b->origins[s->n_nodes] = (struct origin){.at = at};
    s->nodes[s->n_nodes++] = n;
    *out = n;
    return ERR_OK;
}

/* Takes back the newest node. */
static void drop_node(struct build *b, const struct av_node *n)
{
    if (n->index == b->s->n_nodes - 1)
        b->s->n_nodes--;
}

static enum err_kind plain_node(struct build *b, struct av_node **out,
                                enum av_type type, const struct json *at)
{
    if (b->plain[type] == NULL)
        TRY(add_node(b, &b->plain[type], type, at));
    *out = b->plain[type];
    return ERR_OK;
}

static bool primitive_called(struct span name, enum av_type *out)
{
    for (enum av_type t = AV_NULL; t <= AV_STRING; t++)
        if (span_eq(name, span_str(av_type_name(t)))) {
            *out = t;
            return true;
        }
    return false;
}

/* ---- names ---- */

/* Splits at the last dot, which a name may begin with: ".Order" has no namespace. */
static struct av_name split(struct span written, struct span space)
{
    for (size_t i = written.n; i-- > 0;)
        if (written.p[i] == '.')
            return (struct av_name){span_of(written.p, i), span_skip(written, i + 1)};
    return (struct av_name){space, written};
}

static enum err_kind check_name(struct build *b, const struct json *at,
                                struct av_name *name)
{
    struct av_name checked;

    if (name->space.n + name->base.n >= NAME_MOST)
        return refuse(b, at, ERR_LIMIT, "a name of more than %d bytes", NAME_MOST);
    if (name->base.n > 0 && memchr(name->base.p, '.', name->base.n) != NULL)
        return refuse(b, at, ERR_INVALID, "name \"" SPAN_FMT "\" has a dot",
                      SPAN_ARG(name->base));
    if (av_name_resolve(&checked, name->base, name->space, (struct span){0}, b->e) !=
        ERR_OK) {
        char why[sizeof b->e->msg];
        snprintf(why, sizeof why, "%s", b->e->msg);
        return refuse(b, at, ERR_INVALID, "%s", why);
    }
    return ERR_OK;
}

/* The name of the type defined by `j`, inside the namespace `around`. */
static enum err_kind read_name(struct build *b, const struct json *j,
                               struct span around, struct av_name *out)
{
    const struct json *name_j = json_member(j, "name");
    bool has_name, has_space;
    enum av_type primitive;
    struct span written = text_of(name_j, &has_name);
    struct span space = text_of(json_member(j, "namespace"), &has_space);

    if (!has_name)
        return refuse_member(b, j, "name", "a name in quotes");
    struct av_name name = split(written, has_space ? space : around);
    TRY(check_name(b, name_j, &name));
    if (name.space.n == 0 && primitive_called(name.base, &primitive))
        return refuse(b, name_j, ERR_INVALID, "a type called \"%s\", as a primitive is",
                      av_type_name(primitive));
    out->space = keep(b, name.space);
    out->base = keep(b, name.base);
    return ERR_OK;
}

static void read_doc(struct build *b, const struct json *j, struct span *doc, bool *has)
{
    *doc = keep(b, text_of(json_member(j, "doc"), has));
}

/* The array "aliases", NULL when there is none; only strings in it. */
static enum err_kind find_aliases(struct build *b, const struct json *j,
                                  const struct json **out)
{
    const struct json *list = json_member(j, "aliases");

    *out = list;
    if (list == NULL)
        return ERR_OK;
    if (list->kind != JSON_ARRAY)
        return refuse_member(b, j, "aliases", "an array of names");
    if (list->n > ALIASES_MOST)
        return refuse(b, list, ERR_LIMIT, "more than %d aliases", ALIASES_MOST);
    for (const struct json *k = list->first; k != NULL; k = k->next)
        if (k->kind != JSON_STRING) {
            char found[SHOWN];
            return refuse(b, k, ERR_INVALID, "alias is %s, wanted a name in quotes",
                          shown(found, k));
        }
    return ERR_OK;
}

static bool has_alias(const struct av_node *n, const struct av_name *alias)
{
    for (size_t i = 0; i < n->n_aliases; i++)
        if (av_name_eq(&n->aliases[i], alias))
            return true;
    return false;
}

/* Relative to the namespace of the type; what is said twice counts once. */
static enum err_kind read_type_aliases(struct build *b, const struct json *j,
                                       struct av_node *n)
{
    const struct json *list;

    TRY(find_aliases(b, j, &list));
    if (list == NULL || list->n == 0)
        return ERR_OK;
    struct av_name *aliases = arena_array(&b->s->arena, list->n, sizeof *aliases);
    n->aliases = aliases;
    for (const struct json *k = list->first; k != NULL; k = k->next) {
        struct av_name alias = split(k->text, n->name.space);
        struct av_name base = {.base = alias.base}; // Java looks at this part only
        TRY(check_name(b, k, &base));
        alias.space = keep(b, alias.space);
        alias.base = keep(b, alias.base);
        if (!has_alias(n, &alias))
            aliases[n->n_aliases++] = alias;
    }
    return ERR_OK;
}

static bool field_has_alias(const struct av_field *f, struct span alias)
{
    for (size_t i = 0; i < f->n_aliases; i++)
        if (span_eq(f->aliases[i], alias))
            return true;
    return false;
}

static enum err_kind read_field_aliases(struct build *b, const struct json *j,
                                        struct av_field *f)
{
    const struct json *list;

    TRY(find_aliases(b, j, &list));
    if (list == NULL || list->n == 0)
        return ERR_OK;
    struct span *aliases = arena_array(&b->s->arena, list->n, sizeof *aliases);
    f->aliases = aliases;
    for (const struct json *k = list->first; k != NULL; k = k->next)
        if (!field_has_alias(f, k->text))
            aliases[f->n_aliases++] = keep(b, k->text);
    return ERR_OK;
}

/* ---- types used by name ---- */

static enum err_kind await(struct build *b, const struct json *at, struct av_name *name,
                           struct av_node **out)
{
    struct pending *p = arena_alloc(&b->scratch, sizeof *p);

    p->node.type = AV_RECORD; // what is not known yet passes for a record, as in Java
    p->node.index = PENDING;
    p->node.name = *name;
    p->at = at;
    *b->pending_end = p;
    b->pending_end = &p->next;
    *out = &p->node;
    return ERR_OK;
}

/* A primitive; else in this namespace; else in none; else defined further on. */
static enum err_kind use_name(struct build *b, const struct json *at, struct span space,
                              struct av_node **out)
{
    bool dot_first = at->text.n > 0 && at->text.p[0] == '.'; // good in definitions only
    struct av_name bare = {.base = at->text};
    struct av_name name = dot_first ? bare : split(at->text, space);
    enum av_type primitive;
    struct named *entry;

    if (primitive_called(at->text, &primitive))
        return plain_node(b, out, primitive, at);
    if (name.space.n + name.base.n >= NAME_MOST)
        return refuse(b, at, ERR_LIMIT, "a name of more than %d bytes", NAME_MOST);
    entry = names_find(b, &name);
    if (entry == NULL)
        entry = names_find(b, &bare);
    if (entry == NULL)
        return await(b, at, &name, out);
    return named_node(b, entry, out);
}

static enum err_kind defined_otherwise(struct build *b, const struct json *at,
                                       const struct named *entry)
{
    struct av_node n = {.type = AV_RECORD, .name = entry->name};
    char name[AV_FULLNAME_SHOWN];
    size_t line, column;

    av_node_name(name, &n);
    if (entry->at == NULL)
        return refuse(b, at, ERR_INVALID,
                      "%s is defined again, and not as in the reference", name);
    json_place(b->text, entry->at->at, &line, &column);
    return refuse(b, at, ERR_INVALID, "%s is defined again, and not as at %zu:%zu",
                  name, line, column);
}

/*
 * Enters a definition.  One that equals an earlier one of that name gives way to it:
 * Avro Java takes such schemas, and people have them.
 */
static enum err_kind define(struct build *b, const struct json *at,
                            struct av_node **node)
{
    struct av_node *n = *node;
    struct named *entry = names_find(b, &n->name);
    bool same;

    if (entry == NULL) {
        names_add(b, &(struct named){.name = n->name, .node = n, .at = at});
        return ERR_OK;
    }
    TRY(same_definition(b, at, n, entry->node != NULL ? entry->node : entry->lent,
                        &same));
    if (!same)
        return defined_otherwise(b, at, entry);
    drop_node(b, n);
    return named_node(b, entry, node);
}

/* ---- types ---- */

static enum err_kind read_type(struct build *b, const struct json *j, struct span space,
                               struct av_node **out);

static enum err_kind read_order(struct build *b, const struct json *j,
                                struct av_field *f)
{
    static const char *const names[] = {"ascending", "descending", "ignore"};
    const struct json *order = json_member(j, "order");

    f->order = AV_ASCENDING;
    if (order == NULL)
        return ERR_OK;
    for (int i = 0; i < 3 && order->kind == JSON_STRING; i++)
        if (order->text.n == strlen(names[i]) &&
            strncasecmp((const char *)order->text.p, names[i], order->text.n) == 0) {
            f->order = (enum av_order)i;
            return ERR_OK;
        }
    return refuse_member(b, j, "order", "\"ascending\", \"descending\" or \"ignore\"");
}

static enum err_kind read_fallback(struct build *b, const struct json *j,
                                   struct av_field *f)
{
    const struct json *v = json_member(j, "default");

    if (v == NULL)
        return ERR_OK;
    enum err_kind k = check_fallback(b, f->type, v);
    if (k != ERR_OK && (k != ERR_INVALID || !b->keep_bad_defaults))
        return k;
    f->fallback = keep_json(b, v);
    return ERR_OK;
}

static enum err_kind read_field(struct build *b, const struct json *j,
                                struct span space, struct av_field *f)
{
    const struct json *name_j = json_member(j, "name"),
                      *type_j = json_member(j, "type");
    struct av_name name = {0};
    struct av_node *type;
    char found[SHOWN];
    bool has_name;

    if (j->kind != JSON_OBJECT)
        return refuse(b, j, ERR_INVALID, "field is %s, wanted an object",
                      shown(found, j));
    name.base = text_of(name_j, &has_name);
    if (!has_name)
        return refuse_member(b, j, "name", "a name in quotes");
    if (type_j == NULL)
        return refuse_member(b, j, "type", "a type");
    TRY(read_type(b, type_j, space, &type));
    TRY(check_name(b, name_j, &name));
    f->name = keep(b, name.base);
    f->type = type;
    read_doc(b, j, &f->doc, &f->has_doc);
    TRY(read_order(b, j, f));
    TRY(read_fallback(b, j, f));
    TRY(read_field_aliases(b, j, f));
    f->attrs = read_attrs(b, j, of_fields, &f->n_attrs);
    return ERR_OK;
}

static const struct json *nth(const struct json *list, size_t n)
{
    const struct json *k = list->first;

    while (n-- > 0)
        k = k->next;
    return k;
}

static enum err_kind check_field_names(struct build *b, const struct json *list,
                                       const struct av_field *fields)
{
    struct span *names = arena_array(&b->scratch, list->n, sizeof *names);
    size_t first, again;

    for (size_t i = 0; i < list->n; i++)
        names[i] = fields[i].name;
    if (!av_names_repeat(names, list->n, &first, &again))
        return ERR_OK;
    return refuse(b, json_member(nth(list, again), "name"), ERR_INVALID,
                  "field \"" SPAN_FMT "\" again, fields/%zu is called so",
                  SPAN_ARG(names[again]), first);
}

static enum err_kind read_record(struct build *b, const struct json *j,
                                 struct span space, struct av_node **out)
{
    const struct json *list = json_member(j, "fields");
    struct av_name name;
    struct av_node *n = NULL;
    size_t i = 0;

    TRY(read_name(b, j, space, &name));
    if (!json_is(list, JSON_ARRAY))
        return refuse_member(b, j, "fields", "an array of fields");
    struct av_field *fields = arena_array(&b->s->arena, list->n, sizeof *fields);
    for (const struct json *k = list->first; k != NULL; k = k->next)
        TRY(read_field(b, k, name.space, &fields[i++]));
    TRY(check_field_names(b, list, fields));

    TRY(add_node(b, &n, AV_RECORD, j)); // behind its fields, so that it can be dropped
    n->name = name;
    n->fields = fields;
    n->n_fields = list->n;
    n->is_error = span_eq(json_member(j, "type")->text, span_str("error"));
    read_doc(b, j, &n->doc, &n->has_doc);
    read_type_attrs(b, j, n);
    TRY(read_type_aliases(b, j, n));
    *out = n;
    return define(b, j, out);
}

static enum err_kind read_symbols(struct build *b, const struct json *list,
                                  struct av_node *n)
{
    struct span *symbols = arena_array(&b->s->arena, list->n, sizeof *symbols);
    size_t first, again;
    char found[SHOWN];

    for (const struct json *k = list->first; k != NULL; k = k->next) {
        struct av_name symbol = {.base = k->text};
        if (k->kind != JSON_STRING)
            return refuse(b, k, ERR_INVALID, "symbol is %s, wanted a name in quotes",
                          shown(found, k));
        TRY(check_name(b, k, &symbol));
        symbols[n->n_symbols++] = keep(b, k->text);
    }
    n->symbols = symbols;
    if (av_names_repeat(symbols, n->n_symbols, &first, &again))
        return refuse(b, nth(list, again), ERR_INVALID,
                      "symbol \"" SPAN_FMT "\" again, symbols/%zu is the same",
                      SPAN_ARG(symbols[again]), first);
    return ERR_OK;
}

static enum err_kind read_enum_default(struct build *b, const struct json *j,
                                       struct av_node *n)
{
    const struct json *v = json_member(j, "default");

    if (!json_is(v, JSON_STRING)) // anything else is no default, in Java
        return ERR_OK;
    for (size_t i = 0; i < n->n_symbols; i++)
        if (span_eq(n->symbols[i], v->text)) {
            n->fallback = (int)i;
            return ERR_OK;
        }
    return refuse_member(b, j, "default", "one of the symbols");
}

static enum err_kind read_enum(struct build *b, const struct json *j, struct span space,
                               struct av_node **out)
{
    const struct json *list = json_member(j, "symbols");
    struct av_node *n = NULL;

    TRY(add_node(b, &n, AV_ENUM, j));
    TRY(read_name(b, j, space, &n->name));
    if (!json_is(list, JSON_ARRAY))
        return refuse_member(b, j, "symbols", "an array of names");
    TRY(read_symbols(b, list, n));
    TRY(read_enum_default(b, j, n));
    read_doc(b, j, &n->doc, &n->has_doc);
    read_type_attrs(b, j, n);
    TRY(read_type_aliases(b, j, n));
    *out = n;
    return define(b, j, out);
}

static enum err_kind read_size(struct build *b, const struct json *j, size_t *out)
{
    const struct json *v = json_member(j, "size");
    struct err e = {0};
    int64_t size;

    if (!json_is(v, JSON_NUMBER) || strpbrk(arena_str(&b->scratch, v->text), ".eE") ||
        json_int(&size, v, 0, FIXED_MOST, &e) != ERR_OK)
        return refuse_member(b, j, "size", "a whole number from 0 to 2147483639");
    *out = (size_t)size;
    return ERR_OK;
}

static enum err_kind read_fixed(struct build *b, const struct json *j,
                                struct span space, struct av_node **out)
{
    struct av_node *n = NULL;

    TRY(add_node(b, &n, AV_FIXED, j));
    TRY(read_name(b, j, space, &n->name));
    TRY(read_size(b, j, &n->size));
    read_doc(b, j, &n->doc, &n->has_doc);
    read_type_attrs(b, j, n);
    TRY(read_type_aliases(b, j, n));
    *out = n;
    return define(b, j, out);
}

static enum err_kind read_container(struct build *b, const struct json *j,
                                    struct span space, enum av_type type,
                                    const char *of, struct av_node **out)
{
    const struct json *of_j = json_member(j, of);
    struct av_node *items;

    if (of_j == NULL)
        return refuse_member(b, j, of, "a type");
    TRY(read_type(b, of_j, space, &items));
    TRY(add_node(b, out, type, j));
    (*out)->items = items;
    read_type_attrs(b, j, *out);
    return ERR_OK;
}

static enum err_kind read_array(struct build *b, const struct json *j,
                                struct span space, struct av_node **out)
{
    return read_container(b, j, space, AV_ARRAY, "items", out);
}

static enum err_kind read_map(struct build *b, const struct json *j, struct span space,
                              struct av_node **out)
{
    return read_container(b, j, space, AV_MAP, "values", out);
}

static enum err_kind read_union(struct build *b, const struct json *j,
                                struct span space, struct av_node **out)
{
    const struct av_node **branches =
        arena_array(&b->s->arena, j->n, sizeof(struct av_node *));
    size_t i = 0;

    for (const struct json *k = j->first; k != NULL; k = k->next) {
        struct av_node *branch;
        TRY(read_type(b, k, space, &branch));
        branches[i++] = branch;
    }
    TRY(add_node(b, out, AV_UNION, j));
    (*out)->branches = branches;
    (*out)->n_branches = j->n;
    return ERR_OK;
}

static enum err_kind read_primitive(struct build *b, const struct json *j,
                                    enum av_type type, struct av_node **out)
{
    struct av_node *n = NULL;

    TRY(add_node(b, &n, type, j));
    read_type_attrs(b, j, n);
    if (n->n_attrs == 0) {
        drop_node(b, n);
        return plain_node(b, out, type, j);
    }
    *out = n;
    return ERR_OK;
}

static enum err_kind read_object(struct build *b, const struct json *j,
                                 struct span space, struct av_node **out)
{
    static const struct {
        const char *name;
        enum err_kind (*read)(struct build *, const struct json *, struct span,
                              struct av_node **);
    } kinds[] = {
        {"record", read_record}, {"error", read_record}, {"enum", read_enum},
        {"array", read_array},   {"map", read_map},      {"fixed", read_fixed},
    };
    const struct json *type_j = json_member(j, "type");
    enum av_type primitive;

    if (!json_is(type_j, JSON_STRING))
        return refuse_member(b, j, "type", "the name of a type");
    if (primitive_called(type_j->text, &primitive))
        return read_primitive(b, j, primitive, out);
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (span_eq(type_j->text, span_str(kinds[i].name)))
            return kinds[i].read(b, j, space, out);
    return use_name(b, type_j, space,
                    out); // what else stands there is lost, in Java too
}

static enum err_kind read_type(struct build *b, const struct json *j, struct span space,
                               struct av_node **out)
{
    enum err_kind k;
    char found[SHOWN];

    if (++b->depth > b->depth_most)
        return refuse(b, j, ERR_LIMIT, "more than %zu types inside each other",
                      b->depth_most);
    switch (j->kind) {
    case JSON_STRING: k = use_name(b, j, space, out); break;
    case JSON_OBJECT: k = read_object(b, j, space, out); break;
    case JSON_ARRAY: k = read_union(b, j, space, out); break;
    default: k = refuse(b, j, ERR_INVALID, "%s, wanted a type", shown(found, j)); break;
    }
    b->depth--;
    return k;
}

/* ---- the whole ---- */

static void retain_known(struct av_schema *s, struct av_schema *const *known, size_t n)
{
    s->known = arena_array(&s->arena, n, sizeof(struct av_schema *));
    for (; s->n_known < n; s->n_known++)
        s->known[s->n_known] = av_schema_retain(known[s->n_known]);
}

static enum err_kind read_tree(struct build *b, const struct json **out)
{
    // A record inside a record takes three containers; attributes and defaults some
    // more.
    const struct json_limits lim = {.depth = 3 * b->depth_most + 64};
    enum err_kind k;

    b->text = without_comments(b->s->text, &b->s->arena);
    k = json_read(out, b->text, &lim, &b->scratch, b->e);
    return k != ERR_OK ? err_prefix(b->e, "JSON") : ERR_OK;
}

static enum err_kind build_schema(struct build *b)
{
    const struct json *tree;
    struct av_node *root;

    TRY(read_tree(b, &tree));
    TRY(lend_names(b));
    TRY(read_type(b, tree, (struct span){0}, &root));
    return finish(b, root);
}

enum err_kind av_schema_parse(struct av_schema **out, struct span text,
                              struct av_schema *const *known, size_t n_known,
                              const struct av_parse_limits *lim, struct err *e)
{
    static const struct av_parse_limits none;
    const struct av_parse_limits *l = lim != NULL ? lim : &none;
    size_t bytes = l->bytes > 0 ? l->bytes : BYTES_DEFAULT;
    size_t depth = l->depth > 0 ? l->depth : DEPTH_DEFAULT;

    if (text.n > bytes)
        return err_set(e, ERR_LIMIT, "schema of %zu bytes, at most %zu are taken",
                       text.n, bytes);
    struct av_schema *s = mem_alloc(sizeof *s);
    struct build b = {
        .s = s,
        .e = e,
        .depth_most = depth < DEPTH_MOST ? depth : DEPTH_MOST,
        .nodes_most = l->nodes > 0 ? l->nodes : NODES_DEFAULT,
        .keep_bad_defaults = l->keep_bad_defaults,
        .steps = STEPS_MOST,
    };
    b.pending_end = &b.pending;
    atomic_init(&s->refs, 1);
    s->text = arena_copy(&s->arena, text);
    retain_known(s, known, n_known);

    enum err_kind k = build_schema(&b);
    names_free(&b);
    free(b.origins);
    arena_free(&b.scratch);
    if (k != ERR_OK) {
        av_schema_release(s);
        return k;
    }
    *out = s;
    return ERR_OK;
}
