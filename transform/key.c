/* Values as keys: equal values have equal bytes, whoever wrote them. */
#include "transform/transform_inside.h"

#include "avro-core/varint.h"

bool tr_key_may_be(const struct av_node *n)
{
    switch (n->type) {
    case AV_ARRAY:
    case AV_MAP:
    case AV_NULL: return false;
    case AV_UNION:
        for (size_t i = 0; i < n->n_branches; i++)
            if (n->branches[i]->type != AV_NULL && !tr_key_may_be(n->branches[i]))
                return false;
        return true;
    case AV_RECORD: return false;
    default: return true;
    }
}

static size_t size_of(const struct av_node *n)
{
    switch (n->type) {
    case AV_BOOLEAN: return 1;
    case AV_FLOAT: return 4;
    case AV_DOUBLE: return 8;
    case AV_FIXED: return n->size;
    default: return 0;
    }
}

/* A varint may be longer than it must; all else has one form. */
void tr_put_key(struct buf *out, const struct av_node *n, struct span value)
{
    int64_t x = 0;

    switch (n->type) {
    case AV_INT:
    case AV_LONG:
    case AV_ENUM:
        (void)!varint_take(&value, &x);
        varint_append(out, x);
        break;
    case AV_STRING:
    case AV_BYTES:
        (void)!varint_take(&value, &x);
        varint_append(out, x);
        buf_put(out, value);
        break;
    case AV_UNION:
        (void)!varint_take(&value, &x);
        varint_append(out, x);
        tr_put_key(out, n->branches[x], value);
        break;
    default: buf_put(out, span_of(value.p, size_of(n))); break;
    }
}
