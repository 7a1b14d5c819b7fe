#include "gateway/pick.h"

struct picker {
    struct av_visitor visitor;
    struct picked *out;
    struct span field;
    int depth;   // of what holds values; 1 is the root
    bool wanted; // the value that comes is it
    bool found;
};

/* Where the value goes; NULL: it is not the one. */
static struct picked *take(struct av_visitor *v, const struct av_node *node,
                           enum picked_kind kind)
{
    struct picker *p = (struct picker *)v;

    if (!p->wanted)
        return NULL;
    p->wanted = false;
    p->out->kind = kind;
    p->out->node = node;
    return p->out;
}

static enum err_kind on_null(struct av_visitor *v, const struct av_node *node,
                             struct err *e)
{
    (void)e;
    take(v, node, PICKED_NULL);
    return ERR_OK;
}

static enum err_kind on_boolean(struct av_visitor *v, const struct av_node *node,
                                bool x, struct err *e)
{
    struct picked *to = take(v, node, PICKED_BOOLEAN);

    (void)e;
    if (to != NULL)
        to->boolean = x;
    return ERR_OK;
}

static enum err_kind on_int64(struct av_visitor *v, const struct av_node *node,
                              int64_t x, struct err *e)
{
    struct picked *to = take(v, node, PICKED_INT64);

    (void)e;
    if (to != NULL)
        to->int64 = x;
    return ERR_OK;
}

static enum err_kind on_text(struct av_visitor *v, const struct av_node *node,
                             struct span x, struct err *e)
{
    struct picked *to = take(v, node, PICKED_TEXT);

    (void)e;
    if (to != NULL)
        to->text = x;
    return ERR_OK;
}

static enum err_kind on_symbol(struct av_visitor *v, const struct av_node *node,
                               uint32_t i, struct err *e)
{
    struct picked *to = take(v, node, PICKED_TEXT);

    (void)e;
    if (to != NULL)
        to->text = node->symbols[i];
    return ERR_OK;
}

static enum err_kind on_real(struct av_visitor *v, const struct av_node *node, double x,
                             struct err *e)
{
    (void)x, (void)e;
    take(v, node, PICKED_OTHER);
    return ERR_OK;
}

static enum err_kind on_begin(struct av_visitor *v, const struct av_node *node,
                              struct err *e)
{
    (void)e;
    take(v, node, PICKED_OTHER);
    ((struct picker *)v)->depth++;
    return ERR_OK;
}

static enum err_kind on_end(struct av_visitor *v, const struct av_node *node,
                            struct err *e)
{
    (void)node, (void)e;
    ((struct picker *)v)->depth--;
    return ERR_OK;
}

static enum err_kind on_field(struct av_visitor *v, const struct av_node *node,
                              uint32_t i, struct err *e)
{
    struct picker *p = (struct picker *)v;

    (void)e;
    if (p->depth == 1 && span_eq(node->fields[i].name, p->field))
        p->found = p->wanted = true;
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

enum err_kind pick_field(struct picked *out, const struct av_plan *plan,
                         struct span field, struct span datum, struct err *e)
{
    struct picker p = {.visitor = {&ops}, .out = out, .field = field};

    TRY(av_decode_all(plan, datum, NULL, &p.visitor, e));
    if (!p.found)
        return err_set(e, ERR_INVALID, "the schema has no field \"" SPAN_FMT "\"",
                       SPAN_ARG(field));
    return ERR_OK;
}
