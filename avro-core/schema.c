#include "avro-core/schema_inside.h"

#include <stdio.h>
#include <stdlib.h>

struct av_schema *av_schema_retain(struct av_schema *s)
{
    atomic_fetch_add_explicit(&s->refs, 1, memory_order_relaxed);
    return s;
}

void av_schema_release(struct av_schema *s)
{
    if (s == NULL || atomic_fetch_sub_explicit(&s->refs, 1, memory_order_acq_rel) != 1)
        return;
    for (size_t i = 0; i < s->n_known; i++)
        av_schema_release(s->known[i]);
    free(s->nodes);
    arena_free(&s->arena);
    free(s);
}

const struct av_node *av_schema_root(const struct av_schema *s)
{
    return s->root;
}

size_t av_schema_nodes(const struct av_schema *s)
{
    return s->n_nodes;
}

const struct av_node *av_schema_node(const struct av_schema *s, uint32_t index)
{
    return s->nodes[index];
}

const struct av_schema *av_schema_known(const struct av_schema *s, size_t i)
{
    return i < s->n_known ? s->known[i] : NULL;
}

struct span av_schema_text(const struct av_schema *s)
{
    return s->text;
}

const char *av_type_name(enum av_type t)
{
    static const char *const names[] = {
        [AV_NULL] = "null",   [AV_BOOLEAN] = "boolean", [AV_INT] = "int",
        [AV_LONG] = "long",   [AV_FLOAT] = "float",     [AV_DOUBLE] = "double",
        [AV_BYTES] = "bytes", [AV_STRING] = "string",   [AV_RECORD] = "record",
        [AV_ENUM] = "enum",   [AV_ARRAY] = "array",     [AV_MAP] = "map",
        [AV_UNION] = "union", [AV_FIXED] = "fixed",
    };

    return names[t];
}

void av_node_name(char out[AV_FULLNAME_SHOWN], const struct av_node *n)
{
    if (!is_named(n))
        snprintf(out, AV_FULLNAME_SHOWN, "%s", av_type_name(n->type));
    else
        snprintf(out, AV_FULLNAME_SHOWN, "%.*s%s%.*s", (int)n->name.space.n,
                 n->name.space.n > 0 ? (const char *)n->name.space.p : "",
                 n->name.space.n > 0 ? "." : "", (int)n->name.base.n,
                 (const char *)n->name.base.p);
}

const struct json *av_attr_get(const struct av_attr *attrs, size_t n, const char *name)
{
    struct span wanted = span_str(name);

    for (size_t i = 0; i < n; i++)
        if (span_eq(attrs[i].name, wanted))
            return attrs[i].value;
    return NULL;
}

bool av_is_nullable(const struct av_node *n, const struct av_node **other)
{
    if (n->type != AV_UNION || n->n_branches != 2)
        return false;
    if (n->branches[0]->type != AV_NULL && n->branches[1]->type != AV_NULL)
        return false;
    *other = n->branches[n->branches[0]->type == AV_NULL];
    return true;
}
