#include "avro-core/schema_inside.h"

#include <search.h>

static int by_name(const void *x, const void *y)
{
    return av_name_cmp(x, y);
}

struct named *names_find(const struct build *b, const struct av_name *name)
{
    struct named **hit = tfind(name, &b->names, by_name);

    return hit != NULL ? *hit : NULL;
}

void names_add(struct build *b, const struct named *entry)
{
    struct named *kept = arena_alloc(&b->scratch, sizeof *kept);

    *kept = *entry;
    if (tsearch(kept, &b->names, by_name) == NULL)
        mem_alloc(SIZE_MAX); // the one way house code runs out of memory
}

static void leave(void *entry)
{
    (void)entry; // it is in an arena
}

void names_free(struct build *b)
{
    tdestroy(b->names, leave);
}

static enum err_kind lend_name(struct build *b, struct lender *l,
                               const struct av_node *n)
{
    struct named *entry = names_find(b, &n->name);
    char shown_name[AV_FULLNAME_SHOWN];
    bool same;

    if (entry == NULL) {
        names_add(b, &(struct named){.name = n->name, .lent = n, .lender = l});
        return ERR_OK;
    }
    TRY(same_definition(b, NULL, n, entry->lent, &same));
    if (same)
        return ERR_OK;
    av_node_name(shown_name, n);
    return err_set(b->e, ERR_INVALID, "two references define %s, and not alike",
                   shown_name);
}

enum err_kind lend_names(struct build *b)
{
    b->lenders = arena_array(&b->scratch, b->s->n_known, sizeof *b->lenders);
    for (size_t i = 0; i < b->s->n_known; i++) {
        struct lender *l = &b->lenders[i];
        l->s = b->s->known[i];
        l->copies = arena_array(&b->scratch, l->s->n_nodes, sizeof(struct av_node *));
        for (size_t k = 0; k < l->s->n_nodes; k++)
            if (is_named(l->s->nodes[k]))
                TRY(lend_name(b, l, l->s->nodes[k]));
    }
    return ERR_OK;
}

/* One node, still pointing into the lender's graph. */
static enum err_kind copy_node(struct build *b, struct lender *l,
                               const struct av_node *from, struct av_node **out)
{
    struct av_node *n;

    TRY(add_node(b, &n, from->type, NULL));
    uint32_t index = n->index;
    *n = *from;
    n->index = index;
    b->origins[index].lender = l;
    *out = n;
    return ERR_OK;
}

static enum err_kind copy_unnamed(struct build *b, struct lender *l,
                                  const struct av_node *from, struct av_node **out)
{
    struct av_node **slot = &l->copies[from->index];

    if (from->type <= AV_STRING && from->n_attrs == 0)
        slot = &b->plain[from->type];
    if (*slot == NULL)
        TRY(copy_node(b, l, from, slot));
    *out = *slot;
    return ERR_OK;
}

static enum err_kind copy_named(struct build *b, struct named *entry,
                                struct av_node **out)
{
    if (entry->node == NULL) {
        struct av_node *n;
        TRY(copy_node(b, entry->lender, entry->lent, &n));
        if (n->name.space.n > 0)
            n->borrowed_from =
                arena_printf(&b->s->arena, "%.*s.%.*s", (int)n->name.space.n,
                             n->name.space.p, (int)n->name.base.n, n->name.base.p);
        else
            n->borrowed_from = n->name.base;
        entry->node = n;
    }
    *out = entry->node;
    return ERR_OK;
}

static enum err_kind copy_of(struct build *b, struct lender *l,
                             const struct av_node *from, struct av_node **out)
{
    return is_named(from) ? copy_named(b, names_find(b, &from->name), out)
                          : copy_unnamed(b, l, from, out);
}

static enum err_kind relink_fields(struct build *b, struct lender *l, struct av_node *n)
{
    struct av_field *own = arena_array(&b->s->arena, n->n_fields, sizeof *own);

    for (size_t i = 0; i < n->n_fields; i++) {
        struct av_node *type;
        TRY(copy_of(b, l, n->fields[i].type, &type));
        own[i] = n->fields[i];
        own[i].type = type;
    }
    n->fields = own;
    return ERR_OK;
}

static enum err_kind relink_branches(struct build *b, struct lender *l,
                                     struct av_node *n)
{
    const struct av_node **own =
        arena_array(&b->s->arena, n->n_branches, sizeof(struct av_node *));

    for (size_t i = 0; i < n->n_branches; i++) {
        struct av_node *type;
        TRY(copy_of(b, l, n->branches[i], &type));
        own[i] = type;
    }
    n->branches = own;
    return ERR_OK;
}

/* Makes a fresh copy point to copies, which may be new as well. */
static enum err_kind relink(struct build *b, struct av_node *n)
{
    struct lender *l = b->origins[n->index].lender;
    struct av_node *items;

    switch (n->type) {
    case AV_RECORD: return relink_fields(b, l, n);
    case AV_UNION: return relink_branches(b, l, n);
    case AV_ARRAY:
    case AV_MAP:
        TRY(copy_of(b, l, n->items, &items));
        n->items = items;
        return ERR_OK;
    default: return ERR_OK;
    }
}

enum err_kind named_node(struct build *b, struct named *entry, struct av_node **out)
{
    size_t fresh = b->s->n_nodes;

    if (entry->node == NULL) {
        TRY(copy_named(b, entry, out));
        for (; fresh < b->s->n_nodes; fresh++) // grows while it runs: no recursion
            TRY(relink(b, b->s->nodes[fresh]));
    }
    *out = entry->node;
    return ERR_OK;
}
