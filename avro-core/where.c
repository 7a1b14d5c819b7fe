#include "avro-core/where.h"

#include "avro-core/schema_inside.h"

struct walk {
    struct where *where;
    struct arena *arena;
};

/* Goes down the text and the graph together.  The text has been parsed: it is as deep
 * as the parser allowed, and where it does not fit the graph there is nothing to find.
 */
static void visit(const struct walk *k, const struct json *j, const struct av_node *n,
                  struct span path);

static void visit_union(const struct walk *k, const struct json *j,
                        const struct av_node *n, struct span path)
{
    const struct json *branch = j->first;

    for (size_t i = 0; i < n->n_branches && branch != NULL; i++, branch = branch->next)
        visit(k, branch, n->branches[i],
              arena_printf(k->arena, "%.*s/%zu", (int)path.n, (const char *)path.p, i));
}

static void visit_fields(const struct walk *k, const struct json *j,
                         const struct av_node *n, struct span path)
{
    const struct json *fields = json_member(j, "fields");
    const struct json *field = json_is(fields, JSON_ARRAY) ? fields->first : NULL;

    for (size_t i = 0; i < n->n_fields && field != NULL; i++, field = field->next)
        visit(k, json_member(field, "type"), n->fields[i].type,
              arena_printf(k->arena, "%.*s/fields/%zu/type", (int)path.n,
                           (const char *)path.p, i));
}

static bool is_definition(struct span type)
{
    static const char *const words[] = {"record", "error", "enum", "fixed"};

    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (span_eq(type, span_str(words[i])))
            return true;
    return false;
}

static void visit_object(const struct walk *k, const struct json *j,
                         const struct av_node *n, struct span path)
{
    const struct json *type = json_member(j, "type");

    if (json_is(type, JSON_OBJECT) || json_is(type, JSON_ARRAY)) {
        visit(k, type, n,
              arena_printf(k->arena, "%.*s/type", (int)path.n, (const char *)path.p));
    } else if (n->type == AV_ARRAY || n->type == AV_MAP) {
        const char *what = n->type == AV_ARRAY ? "items" : "values";
        visit(
            k, json_member(j, what), n->items,
            arena_printf(k->arena, "%.*s/%s", (int)path.n, (const char *)path.p, what));
    } else if (json_is(type, JSON_STRING) && is_definition(type->text) &&
               av_schema_node(k->where->schema, n->index) == n &&
               k->where->defined[n->index].p == NULL) {
        k->where->defined[n->index] = path;
        visit_fields(k, j, n, path);
    }
}

static void visit(const struct walk *k, const struct json *j, const struct av_node *n,
                  struct span path)
{
    if (json_is(j, JSON_ARRAY) && n->type == AV_UNION)
        visit_union(k, j, n, path);
    else if (json_is(j, JSON_OBJECT))
        visit_object(k, j, n, path);
}

void where_make(struct where *w, const struct av_schema *s, struct arena *a)
{
    const struct json_limits as_deep_as_it_is = {.depth = 10000};
    const struct json *j;
    struct err ignored;

    w->schema = s;
    w->defined = arena_array(a, av_schema_nodes(s), sizeof *w->defined);
    struct span text = without_comments(av_schema_text(s), a);
    if (json_read(&j, text, &as_deep_as_it_is, a, &ignored) != ERR_OK)
        return;
    visit(&(struct walk){w, a}, j, av_schema_root(s), span_str(""));
}

bool where_defined(struct span *out, const struct where *w, const struct av_node *n)
{
    if (n->index >= av_schema_nodes(w->schema) ||
        av_schema_node(w->schema, n->index) != n || w->defined[n->index].p == NULL)
        return false;
    *out = w->defined[n->index];
    return true;
}
