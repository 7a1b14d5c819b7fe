#include "gateway/key.h"

#include <assert.h>

struct keyer {
    struct av_visitor visitor;
    struct buf *out;
    struct span field;
    int depth;   // of the record we are in; 1 is the root
    bool wanted; // the value that comes is the key
    bool found, has;
    const struct av_node *refused; // what the key is instead
};

static enum err_kind take(struct keyer *k, struct span text)
{
    if (k->wanted) {
        buf_put(k->out, text);
        k->has = true;
    }
    k->wanted = false;
    return ERR_OK;
}

static enum err_kind on_null(struct av_visitor *v, const struct av_node *node,
                             struct err *e)
{
    (void)node, (void)e;
    ((struct keyer *)v)->wanted = false;
    return ERR_OK;
}

static enum err_kind on_boolean(struct av_visitor *v, const struct av_node *node,
                                bool x, struct err *e)
{
    (void)node, (void)e;
    return take((struct keyer *)v, span_str(x ? "true" : "false"));
}

static enum err_kind on_int64(struct av_visitor *v, const struct av_node *node,
                              int64_t x, struct err *e)
{
    struct keyer *k = (struct keyer *)v;

    (void)node, (void)e;
    if (k->wanted) {
        json_put_int(k->out, x);
        k->has = true;
    }
    k->wanted = false;
    return ERR_OK;
}

static enum err_kind on_text(struct av_visitor *v, const struct av_node *node,
                             struct span x, struct err *e)
{
    (void)node, (void)e;
    return take((struct keyer *)v, x);
}

static enum err_kind on_symbol(struct av_visitor *v, const struct av_node *node,
                               uint32_t i, struct err *e)
{
    (void)e;
    return take((struct keyer *)v, node->symbols[i]);
}

static enum err_kind refuse(struct keyer *k, const struct av_node *node, struct err *e)
{
    k->refused = node;
    return err_set(e, ERR_INVALID, "a value of type %s", av_type_name(node->type));
}

static enum err_kind on_real(struct av_visitor *v, const struct av_node *node, double x,
                             struct err *e)
{
    struct keyer *k = (struct keyer *)v;

    (void)x;
    return k->wanted ? refuse(k, node, e) : ERR_OK;
}

static enum err_kind on_begin(struct av_visitor *v, const struct av_node *node,
                              struct err *e)
{
    struct keyer *k = (struct keyer *)v;

    k->depth++;
    return k->wanted ? refuse(k, node, e) : ERR_OK;
}

static enum err_kind on_end(struct av_visitor *v, const struct av_node *node,
                            struct err *e)
{
    (void)node, (void)e;
    ((struct keyer *)v)->depth--;
    return ERR_OK;
}

static enum err_kind on_field(struct av_visitor *v, const struct av_node *node,
                              uint32_t i, struct err *e)
{
    struct keyer *k = (struct keyer *)v;

    (void)e;
    if (k->depth == 1 && span_eq(node->fields[i].name, k->field))
        k->found = k->wanted = true;
    return ERR_OK;
}

static const struct av_visitor_ops ops = {
    .null = on_null,
    .boolean = on_boolean,
    .int64 = on_int64,
    .real = on_real,
    .bytes = on_text,
    .string = on_text,
    .symbol = on_symbol,
    .record_begin = on_begin,
    .field = on_field,
    .record_end = on_end,
    .array_begin = on_begin,
    .array_end = on_end,
    .map_begin = on_begin,
    .map_end = on_end,
};

enum err_kind key_of(struct buf *out, const struct av_plan *plan, struct span field,
                     struct span datum, bool *has, struct err *e)
{
    struct keyer k = {.visitor = {&ops}, .out = out, .field = field};

    enum err_kind rc = av_decode_all(plan, datum, NULL, &k.visitor, e);
    if (k.refused != NULL) // the decoder has said where in the Avro: nobody sent that
        return err_set(e, ERR_INVALID, "a value of type %s",
                       av_type_name(k.refused->type));
    if (rc != ERR_OK)
        return rc;
    if (!k.found)
        return err_set(e, ERR_INVALID, "the schema has no field \"" SPAN_FMT "\"",
                       SPAN_ARG(field));
    TRY(buf_status(out, e));
    *has = k.has;
    return ERR_OK;
}
