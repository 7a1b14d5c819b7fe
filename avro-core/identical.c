#include "avro-core/identical.h"

#include <stdlib.h>

/* A named type is compared once: `met[index of a]` is 1 + the index of b it is taken to
 * equal from then on, which is what ends the walk through a recursive schema. */
struct walk {
    uint32_t *met;
};

static bool is_whole(struct span number)
{
    for (size_t i = 0; i < number.n; i++)
        if (number.p[i] == '.' || number.p[i] == 'e' || number.p[i] == 'E')
            return false;
    return true;
}

static double as_double(struct span number)
{
    char text[400];
    size_t n = number.n < sizeof text ? number.n : sizeof text - 1;

    memcpy(text, number.p, n);
    text[n] = 0;
    return strtod(text, NULL);
}

/* Java reads 1 as an integer and 1.0 as a double, which never equal each other. */
static bool same_number(struct span a, struct span b)
{
    if (is_whole(a) != is_whole(b))
        return false;
    return is_whole(a) ? span_eq(a, b) : as_double(a) == as_double(b);
}

static bool same_json(const struct json *a, const struct json *b);

static bool same_children(const struct json *a, const struct json *b)
{
    const struct json *y = b->first;

    if (a->n != b->n)
        return false;
    for (const struct json *x = a->first; x != NULL; x = x->next) {
        const struct json *other =
            a->kind == JSON_OBJECT ? json_member_span(b, x->name) : y;
        if (other == NULL || !same_json(x, other))
            return false;
        y = y->next;
    }
    return true;
}

static bool same_json(const struct json *a, const struct json *b)
{
    if (a == NULL || b == NULL || a->kind != b->kind)
        return a == b;

    switch (a->kind) {
    case JSON_NUMBER: return same_number(a->text, b->text);
    case JSON_STRING: return span_eq(a->text, b->text);
    case JSON_ARRAY:
    case JSON_OBJECT: return same_children(a, b);
    default: return true;
    }
}

static const struct av_attr *attr_of(const struct av_attr *attrs, size_t n,
                                     struct span name)
{
    for (size_t i = 0; i < n; i++)
        if (span_eq(attrs[i].name, name))
            return &attrs[i];
    return NULL;
}

static bool same_attrs(const struct av_attr *a, size_t n_a, const struct av_attr *b,
                       size_t n_b)
{
    if (n_a != n_b)
        return false;
    for (size_t i = 0; i < n_a; i++) {
        const struct av_attr *other = attr_of(b, n_b, a[i].name);
        if (other == NULL || !same_json(a[i].value, other->value))
            return false;
    }
    return true;
}

static bool has_span(const struct span *all, size_t n, struct span one)
{
    for (size_t i = 0; i < n; i++)
        if (span_eq(all[i], one))
            return true;
    return false;
}

/* Sets, so what stands twice counts once. */
static bool spans_within(const struct span *a, size_t n_a, const struct span *b,
                         size_t n_b)
{
    for (size_t i = 0; i < n_a; i++)
        if (!has_span(b, n_b, a[i]))
            return false;
    return true;
}

static bool has_name(const struct av_name *all, size_t n, const struct av_name *one)
{
    for (size_t i = 0; i < n; i++)
        if (av_name_eq(&all[i], one))
            return true;
    return false;
}

static bool names_within(const struct av_node *a, const struct av_node *b)
{
    for (size_t i = 0; i < a->n_aliases; i++)
        if (!has_name(b->aliases, b->n_aliases, &a->aliases[i]))
            return false;
    return true;
}

static bool same_doc(bool has_a, struct span a, bool has_b, struct span b)
{
    return has_a == has_b && (!has_a || span_eq(a, b));
}

static bool same_node(struct walk *w, const struct av_node *a, const struct av_node *b);

static bool same_field(struct walk *w, const struct av_field *a,
                       const struct av_field *b)
{
    return span_eq(a->name, b->name) && a->order == b->order &&
           same_doc(a->has_doc, a->doc, b->has_doc, b->doc) &&
           same_json(a->fallback, b->fallback) &&
           spans_within(a->aliases, a->n_aliases, b->aliases, b->n_aliases) &&
           spans_within(b->aliases, b->n_aliases, a->aliases, a->n_aliases) &&
           same_attrs(a->attrs, a->n_attrs, b->attrs, b->n_attrs) &&
           same_node(w, a->type, b->type);
}

static bool same_parts(struct walk *w, const struct av_node *a, const struct av_node *b)
{
    switch (a->type) {
    case AV_RECORD:
        for (size_t i = 0; i < a->n_fields && a->n_fields == b->n_fields; i++)
            if (!same_field(w, &a->fields[i], &b->fields[i]))
                return false;
        return a->n_fields == b->n_fields && a->is_error == b->is_error;
    case AV_ENUM:
        for (size_t i = 0; i < a->n_symbols && a->n_symbols == b->n_symbols; i++)
            if (!span_eq(a->symbols[i], b->symbols[i]))
                return false;
        return a->n_symbols == b->n_symbols && a->fallback == b->fallback;
    case AV_FIXED: return a->size == b->size;
    case AV_ARRAY:
    case AV_MAP: return same_node(w, a->items, b->items);
    case AV_UNION:
        for (size_t i = 0; i < a->n_branches && a->n_branches == b->n_branches; i++)
            if (!same_node(w, a->branches[i], b->branches[i]))
                return false;
        return a->n_branches == b->n_branches;
    default: return true;
    }
}

static bool is_named(const struct av_node *n)
{
    return n->type == AV_RECORD || n->type == AV_ENUM || n->type == AV_FIXED;
}

static bool same_node(struct walk *w, const struct av_node *a, const struct av_node *b)
{
    if (a->type != b->type || !same_attrs(a->attrs, a->n_attrs, b->attrs, b->n_attrs))
        return false;
    if (is_named(a)) {
        if (w->met[a->index] != 0)
            return w->met[a->index] == b->index + 1;
        w->met[a->index] = b->index + 1;
        if (!av_name_eq(&a->name, &b->name) || !names_within(a, b) ||
            !names_within(b, a) || !same_doc(a->has_doc, a->doc, b->has_doc, b->doc))
            return false;
    }
    return same_parts(w, a, b);
}

bool av_identical(const struct av_schema *a, const struct av_schema *b)
{
    struct walk w = {.met = mem_array(av_schema_nodes(a), sizeof *w.met)};
    bool same = same_node(&w, av_schema_root(a), av_schema_root(b));

    free(w.met);
    return same;
}
