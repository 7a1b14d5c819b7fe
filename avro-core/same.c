#include "avro-core/schema_inside.h"

#include <stdlib.h>

/* Two readings of one number: the same text, or fractions of the same value. */
static bool same_number(struct build *b, struct span x, struct span y)
{
    char *p, *q;

    if (span_eq(x, y))
        return true;
    p = arena_str(&b->scratch, x);
    q = arena_str(&b->scratch, y);
    return strpbrk(p, ".eE") != NULL && strpbrk(q, ".eE") != NULL &&
           strtod(p, NULL) == strtod(q, NULL);
}

static enum err_kind same_json(struct build *b, const struct json *at,
                               const struct json *x, const struct json *y, bool *same);

/* The member of `y` called as `m` is: mostly the one at hand, `hint`. */
static enum err_kind counterpart(struct build *b, const struct json *at,
                                 const struct json *y, const struct json *m,
                                 const struct json *hint, const struct json **out)
{
    if (hint != NULL && span_eq(hint->name, m->name)) {
        *out = hint;
        return ERR_OK;
    }
    TRY(take_steps(b, at, y->n));
    *out = json_member_span(y, m->name);
    return ERR_OK;
}

static enum err_kind same_children(struct build *b, const struct json *at,
                                   const struct json *x, const struct json *y,
                                   bool *same)
{
    const struct json *k = y->first;

    *same = x->n == y->n;
    for (const struct json *m = x->first; m != NULL && *same; m = m->next) {
        const struct json *other = k;
        if (x->kind == JSON_OBJECT)
            TRY(counterpart(b, at, y, m, k, &other));
        *same = other != NULL;
        if (*same)
            TRY(same_json(b, at, m, other, same));
        k = k->next;
    }
    return ERR_OK;
}

static enum err_kind same_json(struct build *b, const struct json *at,
                               const struct json *x, const struct json *y, bool *same)
{
    TRY(take_steps(b, at, 1));
    if (x == NULL || y == NULL) {
        *same = x == y;
        return ERR_OK;
    }
    *same = x->kind == y->kind;
    if (!*same)
        return ERR_OK;
    switch (x->kind) {
    case JSON_NUMBER: *same = same_number(b, x->text, y->text); return ERR_OK;
    case JSON_STRING: *same = span_eq(x->text, y->text); return ERR_OK;
    case JSON_ARRAY:
    case JSON_OBJECT: return same_children(b, at, x, y, same);
    default: return ERR_OK;
    }
}

static const struct json *attr_called(const struct av_attr *attrs, size_t n,
                                      struct span name)
{
    for (size_t i = 0; i < n; i++)
        if (span_eq(attrs[i].name, name))
            return attrs[i].value;
    return NULL;
}

/* In any order, as Java's maps are compared. */
static enum err_kind same_attrs(struct build *b, const struct json *at,
                                const struct av_attr *x, size_t nx,
                                const struct av_attr *y, size_t ny, bool *same)
{
    *same = nx == ny;
    for (size_t i = 0; i < nx && *same; i++) {
        const struct json *other = y[i].value;
        if (!span_eq(x[i].name, y[i].name)) {
            TRY(take_steps(b, at, ny));
            other = attr_called(y, ny, x[i].name);
        }
        TRY(same_json(b, at, x[i].value, other, same));
    }
    return ERR_OK;
}

static enum err_kind same_type(struct build *b, const struct json *at,
                               const struct av_node *x, const struct av_node *y,
                               bool *same);

static enum err_kind same_branches(struct build *b, const struct json *at,
                                   const struct av_node *x, const struct av_node *y,
                                   bool *same)
{
    *same = x->n_branches == y->n_branches;
    for (size_t i = 0; i < x->n_branches && *same; i++)
        TRY(same_type(b, at, x->branches[i], y->branches[i], same));
    return ERR_OK;
}

/*
 * Named types by name alone: each name has one definition here.  One still pending
 * equals itself only, as in Java; so a type that contains itself cannot be said twice.
 */
static enum err_kind same_type(struct build *b, const struct json *at,
                               const struct av_node *x, const struct av_node *y,
                               bool *same)
{
    TRY(take_steps(b, at, 1));
    *same = x == y;
    if (*same || x->type != y->type || is_pending(x) || is_pending(y))
        return ERR_OK;
    if (is_named(x)) {
        *same = av_name_eq(&x->name, &y->name);
        return ERR_OK;
    }
    TRY(same_attrs(b, at, x->attrs, x->n_attrs, y->attrs, y->n_attrs, same));
    if (!*same)
        return ERR_OK;
    if (x->type == AV_UNION)
        return same_branches(b, at, x, y, same);
    if (x->items != NULL)
        return same_type(b, at, x->items, y->items, same);
    return ERR_OK;
}

static enum err_kind same_field(struct build *b, const struct json *at,
                                const struct av_field *x, const struct av_field *y,
                                bool *same)
{
    *same = span_eq(x->name, y->name) && x->order == y->order;
    if (*same)
        TRY(same_type(b, at, x->type, y->type, same));
    if (*same)
        TRY(same_json(b, at, x->fallback, y->fallback, same));
    if (*same)
        TRY(same_attrs(b, at, x->attrs, x->n_attrs, y->attrs, y->n_attrs, same));
    return ERR_OK;
}

static bool same_symbols(const struct av_node *x, const struct av_node *y)
{
    if (x->n_symbols != y->n_symbols)
        return false;
    for (size_t i = 0; i < x->n_symbols; i++)
        if (!span_eq(x->symbols[i], y->symbols[i]))
            return false;
    return true;
}

enum err_kind same_definition(struct build *b, const struct json *at,
                              const struct av_node *x, const struct av_node *y,
                              bool *same)
{
    *same = x->type == y->type && x->size == y->size && x->n_fields == y->n_fields &&
            same_symbols(x, y);
    if (*same)
        TRY(same_attrs(b, at, x->attrs, x->n_attrs, y->attrs, y->n_attrs, same));
    for (size_t i = 0; i < x->n_fields && *same; i++)
        TRY(same_field(b, at, &x->fields[i], &y->fields[i], same));
    return ERR_OK;
}
