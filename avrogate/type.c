/* A type as the caller sees it: our av_node behind another name. */
#include "avrogate/inside.h"

#include <assert.h>

static_assert((int)AVROGATE_NULL == AV_NULL && (int)AVROGATE_LONG == AV_LONG &&
                  (int)AVROGATE_STRING == AV_STRING &&
                  (int)AVROGATE_RECORD == AV_RECORD && (int)AVROGATE_FIXED == AV_FIXED,
              "avrogate/serde.h and avro-core/schema.h count types the same way");

static const struct av_node *node_of(const struct avrogate_type *t)
{
    return (const struct av_node *)t;
}

static struct avrogate_bytes bytes_of(struct span s)
{
    return (struct avrogate_bytes){s.p, s.n};
}

const struct avrogate_type *avrogate_schema_type(const struct avrogate_schema *s)
{
    return (const struct avrogate_type *)av_schema_root(s->s.schema);
}

enum avrogate_type_kind avrogate_type_kind(const struct avrogate_type *t)
{
    return (enum avrogate_type_kind)node_of(t)->type;
}

const char *avrogate_type_logical(const struct avrogate_type *t)
{
    return av_logical_name(node_of(t)->logical);
}

int avrogate_type_scale(const struct avrogate_type *t)
{
    return node_of(t)->scale;
}

size_t avrogate_type_size(const struct avrogate_type *t)
{
    const struct av_node *n = node_of(t);

    switch (n->type) {
    case AV_RECORD: return n->n_fields;
    case AV_ENUM: return n->n_symbols;
    case AV_UNION: return n->n_branches;
    case AV_FIXED: return n->size;
    case AV_ARRAY:
    case AV_MAP: return 1;
    default: return 0;
    }
}

const struct avrogate_type *avrogate_type_part(const struct avrogate_type *t, size_t i)
{
    const struct av_node *n = node_of(t), *part = NULL;

    if (n->type == AV_RECORD && i < n->n_fields)
        part = n->fields[i].type;
    else if (n->type == AV_UNION && i < n->n_branches)
        part = n->branches[i];
    else if ((n->type == AV_ARRAY || n->type == AV_MAP) && i == 0)
        part = n->items;
    return (const struct avrogate_type *)part;
}

struct avrogate_bytes avrogate_type_label(const struct avrogate_type *t, size_t i)
{
    const struct av_node *n = node_of(t);

    if (n->type == AV_RECORD && i < n->n_fields)
        return bytes_of(n->fields[i].name);
    if (n->type == AV_ENUM && i < n->n_symbols)
        return bytes_of(n->symbols[i]);
    return (struct avrogate_bytes){0};
}

struct avrogate_bytes avrogate_type_name(const struct avrogate_type *t)
{
    return bytes_of(node_of(t)->name.base);
}

struct avrogate_bytes avrogate_type_namespace(const struct avrogate_type *t)
{
    return bytes_of(node_of(t)->name.space);
}
