#include "avro-core/schema_inside.h"

static enum err_kind find_pending(struct build *b)
{
    for (struct pending *p = b->pending; p != NULL; p = p->next) {
        struct named *entry = names_find(b, &p->node.name);
        char name[AV_FULLNAME_SHOWN];

        if (entry != NULL) {
            TRY(named_node(b, entry, &p->target));
            continue;
        }
        av_node_name(name, &p->node);
        return refuse(b, p->at, ERR_INVALID, "unknown type \"%s\"", name);
    }
    return ERR_OK;
}

static const struct av_node *target_of(const struct av_node *n)
{
    return is_pending(n) ? ((const struct pending *)n)->target : n;
}

/* The arrays are the schema's own until the parse is over; const is for everybody else.
 */
static void link_node(struct av_node *n)
{
    struct av_field *fields = (struct av_field *)n->fields;
    const struct av_node **branches = (const struct av_node **)n->branches;

    for (size_t i = 0; i < n->n_fields; i++)
        fields[i].type = target_of(fields[i].type);
    for (size_t i = 0; i < n->n_branches; i++)
        branches[i] = target_of(branches[i]);
    if (n->items != NULL)
        n->items = target_of(n->items);
}

static enum err_kind refuse_branch(struct build *b, const struct av_node *n, size_t i,
                                   const char *fmt)
{
    const struct json *k = b->origins[n->index].at->first;
    char name[AV_FULLNAME_SHOWN];

    for (size_t skip = i; skip > 0; skip--)
        k = k->next;
    av_node_name(name, n->branches[i]);
    return refuse(b, k, ERR_INVALID, fmt, name);
}

/*
 * `seen` has, by index, the last union that each named type was found in.  A union from
 * a reference was checked where it was written.
 */
static enum err_kind check_union(struct build *b, const struct av_node *n,
                                 uint32_t *seen)
{
    uint32_t unnamed = 0, mark = n->index + 1;

    for (size_t i = 0; i < n->n_branches; i++) {
        const struct av_node *t = n->branches[i];
        uint32_t bit = is_named(t) ? 0 : 1u << t->type;

        if (t->type == AV_UNION)
            return refuse_branch(b, n, i, "%s directly in a union");
        if ((unnamed & bit) != 0 || (bit == 0 && seen[t->index] == mark))
            return refuse_branch(b, n, i, "%s twice in a union");
        unnamed |= bit;
        if (bit == 0)
            seen[t->index] = mark;
    }
    return ERR_OK;
}

static enum err_kind check_unions(struct build *b)
{
    uint32_t *seen = arena_array(&b->scratch, b->s->n_nodes, sizeof *seen);

    for (size_t i = 0; i < b->s->n_nodes; i++)
        if (b->s->nodes[i]->type == AV_UNION && b->origins[i].lender == NULL)
            TRY(check_union(b, b->s->nodes[i], seen));
    return ERR_OK;
}

enum err_kind finish(struct build *b, const struct av_node *root)
{
    TRY(find_pending(b));
    if (b->pending != NULL)
        for (size_t i = 0; i < b->s->n_nodes; i++)
            link_node(b->s->nodes[i]);
    TRY(check_unions(b));
    TRY(encode_fallbacks(b));
    b->s->root = target_of(root);
    return ERR_OK;
}
