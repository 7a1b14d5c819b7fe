#include "transform/transform_inside.h"

#include "avro-core/varint.h"

#define DEPTH_MOST 64 // as decode.h

static bool skip(const struct av_node *n, struct span *s, unsigned depth);

static bool skip_bytes(struct span *s, int64_t n)
{
    if (n < 0 || (uint64_t)n > s->n)
        return false;
    if (n > 0) // an empty span may point nowhere
        *s = span_of(s->p + n, s->n - (size_t)n);
    return true;
}

static bool skip_sized(struct span *s)
{
    int64_t n;

    return varint_take(s, &n) && skip_bytes(s, n);
}

/* One item after another.  Items of no bytes are all alike: one is enough. */
static bool skip_counted(const struct av_node *n, struct span *s, int64_t count,
                         unsigned depth)
{
    for (int64_t i = 0; i < count; i++) {
        size_t left = s->n;
        if (n->type == AV_MAP && !skip_sized(s))
            return false;
        if (!skip(n->items, s, depth))
            return false;
        if (s->n == left)
            return true;
    }
    return true;
}

static bool skip_blocks(const struct av_node *n, struct span *s, unsigned depth)
{
    int64_t count, bytes;

    while (varint_take(s, &count)) {
        if (count == 0)
            return true;
        if (count < 0 && (!varint_take(s, &bytes) || !skip_bytes(s, bytes)))
            return false;
        if (count > 0 && !skip_counted(n, s, count, depth))
            return false;
    }
    return false;
}

static bool skip(const struct av_node *n, struct span *s, unsigned depth)
{
    int64_t x;

    if (depth >= DEPTH_MOST)
        return false;
    switch (n->type) {
    case AV_NULL: return true;
    case AV_BOOLEAN: return skip_bytes(s, 1);
    case AV_INT:
    case AV_LONG:
    case AV_ENUM: return varint_take(s, &x);
    case AV_FLOAT: return skip_bytes(s, 4);
    case AV_DOUBLE: return skip_bytes(s, 8);
    case AV_BYTES:
    case AV_STRING: return skip_sized(s);
    case AV_FIXED: return skip_bytes(s, (int64_t)n->size);
    case AV_ARRAY:
    case AV_MAP: return skip_blocks(n, s, depth + 1);
    case AV_UNION:
        return varint_take(s, &x) && x >= 0 && (uint64_t)x < n->n_branches &&
               skip(n->branches[x], s, depth);
    case AV_RECORD:
        for (size_t i = 0; i < n->n_fields; i++)
            if (!skip(n->fields[i].type, s, depth + 1))
                return false;
        return true;
    }
    return false;
}

bool tr_walk_record(const struct av_node *record, struct span datum, size_t *at)
{
    struct span rest = datum;

    for (size_t i = 0; i < record->n_fields; i++) {
        at[i] = datum.n - rest.n;
        if (!skip(record->fields[i].type, &rest, 1))
            return false;
    }
    at[record->n_fields] = datum.n - rest.n;
    return rest.n == 0;
}
