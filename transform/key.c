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

static void put_text(struct buf *out, struct span text)
{
    varint_append(out, (int64_t)text.n);
    buf_put(out, text);
}

/* A varint may be longer than it must; all else has one form.  Symbols and branches by
 * name: in another version of the schema they may have another number. */
void tr_put_key(struct buf *out, const struct av_node *n, struct span value)
{
    int64_t x = 0;

    switch (n->type) {
    case AV_INT:
    case AV_LONG:
        (void)!varint_take(&value, &x);
        varint_append(out, x);
        break;
    case AV_ENUM:
        if (varint_take(&value, &x) && x >= 0 && (size_t)x < n->n_symbols)
            put_text(out, n->symbols[x]);
        break;
    case AV_STRING:
    case AV_BYTES:
        (void)!varint_take(&value, &x);
        put_text(out, value);
        break;
    case AV_UNION:
        (void)!varint_take(&value, &x);
        buf_put_u8(out, (uint8_t)n->branches[x]->type);
        put_text(out, n->branches[x]->name.space);
        put_text(out, n->branches[x]->name.base);
        tr_put_key(out, n->branches[x], value);
        break;
    default: buf_put(out, span_of(value.p, size_of(n))); break;
    }
}
