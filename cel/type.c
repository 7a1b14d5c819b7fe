#include "cel/cel_inside.h"

#define PLAIN(k) [k] = {.kind = k}
static const struct cel_type plain[] = {
    PLAIN(CEL_ERROR),
    PLAIN(CEL_NULL),
    PLAIN(CEL_BOOL),
    PLAIN(CEL_INT),
    PLAIN(CEL_UINT),
    PLAIN(CEL_DOUBLE),
    PLAIN(CEL_STRING),
    PLAIN(CEL_BYTES),
    PLAIN(CEL_TYPE),
    PLAIN(CEL_TIMESTAMP),
    PLAIN(CEL_DURATION),
    PLAIN(CEL_DECIMAL),
    PLAIN(CEL_DYN),
    [CEL_LIST] = {.kind = CEL_LIST, .a = &plain[CEL_DYN]},
    [CEL_MAP] = {.kind = CEL_MAP, .a = &plain[CEL_DYN], .b = &plain[CEL_DYN]},
};

static const char *const names[] = {
    [CEL_ERROR] = "error",
    [CEL_NULL] = "null_type",
    [CEL_BOOL] = "bool",
    [CEL_INT] = "int",
    [CEL_UINT] = "uint",
    [CEL_DOUBLE] = "double",
    [CEL_STRING] = "string",
    [CEL_BYTES] = "bytes",
    [CEL_LIST] = "list",
    [CEL_MAP] = "map",
    [CEL_MESSAGE] = "record",
    [CEL_TIMESTAMP] = "google.protobuf.Timestamp",
    [CEL_DURATION] = "google.protobuf.Duration",
    [CEL_TYPE] = "type",
    [CEL_DECIMAL] = "decimal",
    [CEL_DYN] = "dyn",
};

const char *cel_kind_name(enum cel_kind k)
{
    return names[k];
}

/* Of an empty list's items: dyn, until somebody knows better. */
const struct cel_type cel_type_open = {.kind = CEL_DYN};

const struct cel_type *cel_type_of(enum cel_kind k)
{
    return &plain[k];
}

static const struct cel_type *make(struct arena *a, struct cel_type t)
{
    struct cel_type *out = arena_alloc(a, sizeof *out);

    *out = t;
    return out;
}

const struct cel_type *cel_type_list(struct arena *a, const struct cel_type *item)
{
    return make(a, (struct cel_type){.kind = CEL_LIST, .a = item});
}

const struct cel_type *cel_type_map(struct arena *a, const struct cel_type *key,
                                    const struct cel_type *value)
{
    return make(a, (struct cel_type){.kind = CEL_MAP, .a = key, .b = value});
}

const struct cel_type *cel_type_nullable(struct arena *a, const struct cel_type *t)
{
    if (t->kind == CEL_NULLABLE || t->kind == CEL_DYN || t->kind == CEL_NULL)
        return t;
    return make(a, (struct cel_type){.kind = CEL_NULLABLE, .a = t});
}

const struct cel_type *cel_type_sure(const struct cel_type *t)
{
    return t->kind == CEL_NULLABLE ? t->a : t;
}

/* What a logical type makes of its type; CEL_ERROR: nothing. */
static const enum cel_kind logical_kinds[] = {
    [AV_DECIMAL] = CEL_DECIMAL,
    [AV_BIG_DECIMAL] = CEL_DECIMAL,
    [AV_DATE] = CEL_TIMESTAMP,
    [AV_TIME_MILLIS] = CEL_DURATION,
    [AV_TIME_MICROS] = CEL_DURATION,
    [AV_TIMESTAMP_MILLIS] = CEL_TIMESTAMP,
    [AV_TIMESTAMP_MICROS] = CEL_TIMESTAMP,
    [AV_TIMESTAMP_NANOS] = CEL_TIMESTAMP,
    [AV_LOCAL_TIMESTAMP_MILLIS] = CEL_TIMESTAMP,
    [AV_LOCAL_TIMESTAMP_MICROS] = CEL_TIMESTAMP,
    [AV_LOCAL_TIMESTAMP_NANOS] = CEL_TIMESTAMP,
    [AV_UUID] = CEL_STRING,
    [AV_DURATION] = CEL_ERROR, // months, days and milliseconds: its bytes
};

static const enum cel_kind kinds[] = {
    [AV_NULL] = CEL_NULL,   [AV_BOOLEAN] = CEL_BOOL,  [AV_INT] = CEL_INT,
    [AV_LONG] = CEL_INT,    [AV_FLOAT] = CEL_DOUBLE,  [AV_DOUBLE] = CEL_DOUBLE,
    [AV_BYTES] = CEL_BYTES, [AV_STRING] = CEL_STRING, [AV_ENUM] = CEL_STRING,
    [AV_FIXED] = CEL_BYTES,
};

const struct cel_type *cel_type_of_node(struct arena *a, const struct av_node *n)
{
    const struct av_node *other;

    switch (n->type) {
    case AV_RECORD: return make(a, (struct cel_type){.kind = CEL_MESSAGE, .node = n});
    case AV_ARRAY: return cel_type_list(a, cel_type_of_node(a, n->items));
    case AV_MAP:
        return cel_type_map(a, cel_type_of(CEL_STRING), cel_type_of_node(a, n->items));
    case AV_UNION:
        if (av_is_nullable(n, &other))
            return cel_type_nullable(a, cel_type_of_node(a, other));
        return cel_type_of(CEL_DYN);
    default: break;
    }
    enum cel_kind k = logical_kinds[n->logical];
    return cel_type_of(k != CEL_ERROR ? k : kinds[n->type]);
}

/* Joining */

static bool takes_null(const struct cel_type *t)
{
    return t->kind == CEL_NULLABLE || t->kind == CEL_MESSAGE ||
           t->kind == CEL_TIMESTAMP || t->kind == CEL_DURATION;
}

static const struct cel_type *join_parts(struct arena *a, const struct cel_type *x,
                                         const struct cel_type *y)
{
    const struct cel_type *first = cel_type_join(a, x->a, y->a);
    const struct cel_type *second =
        x->kind == CEL_MAP ? cel_type_join(a, x->b, y->b) : NULL;

    if (first == NULL || (x->kind == CEL_MAP && second == NULL))
        return NULL;
    return x->kind == CEL_MAP ? cel_type_map(a, first, second)
                              : cel_type_list(a, first);
}

static const struct cel_type *join_nullable(struct arena *a, const struct cel_type *x,
                                            const struct cel_type *y)
{
    const struct cel_type *t = cel_type_join(a, cel_type_sure(x), cel_type_sure(y));

    return t != NULL ? cel_type_nullable(a, t) : NULL;
}

const struct cel_type *cel_type_join(struct arena *a, const struct cel_type *x,
                                     const struct cel_type *y)
{
    if (x == y || y == &cel_type_open)
        return x;
    if (x == &cel_type_open)
        return y;
    if (x->kind == CEL_DYN || y->kind == CEL_DYN)
        return cel_type_of(CEL_DYN);
    if (x->kind == CEL_NULL && y->kind != CEL_NULL)
        return takes_null(y) ? y : NULL;
    if (y->kind == CEL_NULL && x->kind != CEL_NULL)
        return takes_null(x) ? x : NULL;
    if (x->kind == CEL_NULLABLE || y->kind == CEL_NULLABLE)
        return join_nullable(a, x, y);
    if (x->kind != y->kind)
        return NULL;
    if (x->kind == CEL_LIST || x->kind == CEL_MAP)
        return join_parts(a, x, y);
    if (x->kind == CEL_MESSAGE)
        return av_name_eq(&x->node->name, &y->node->name) ? x : NULL;
    return x;
}

void cel_node_name_put(struct buf *out, const struct av_node *n)
{
    buf_put(out, n->name.space);
    if (n->name.space.n > 0)
        buf_put_u8(out, '.');
    buf_put(out, n->name.base);
}

void cel_type_put(struct buf *out, const struct cel_type *t)
{
    switch (t->kind) {
    case CEL_LIST:
        buf_put_str(out, "list(");
        cel_type_put(out, t->a);
        buf_put_u8(out, ')');
        break;
    case CEL_MAP:
        buf_put_str(out, "map(");
        cel_type_put(out, t->a);
        buf_put_str(out, ", ");
        cel_type_put(out, t->b);
        buf_put_u8(out, ')');
        break;
    case CEL_NULLABLE:
        cel_type_put(out, t->a);
        buf_put_str(out, " or null");
        break;
    case CEL_MESSAGE: cel_node_name_put(out, t->node); break;
    default: buf_put_str(out, names[t->kind]); break;
    }
}
