#include "loaders/stage_order.h"

#include "loaders/stage_envelope.h"

size_t order_columns(struct format_sort out[ORDER_COLUMNS], unsigned envelope)
{
    size_t n = 0;

    if ((envelope & ENVELOPE_OFFSET) == 0)
        return 0;
    if (envelope & ENVELOPE_PARTITION)
        out[n++] = (struct format_sort){.column = "_partition"};
    out[n++] = (struct format_sort){.column = "_offset"};
    return n;
}

/* --- one row ---------------------------------------------------------------------- */

static struct stage_order *of(struct av_visitor *v)
{
    return (struct stage_order *)v;
}

/* They stand in front: once both are known, the rest is not walked. */
static enum err_kind int64_(struct av_visitor *v, const struct av_node *node, int64_t x,
                            struct err *e)
{
    struct stage_order *o = of(v);

    (void)node, (void)e;
    if (o->depth != 1 || (o->field != o->partition && o->field != o->offset))
        return ERR_OK;
    *(o->field == o->offset ? &o->at.offset : &o->at.partition) = x;
    return o->at.offset >= 0 && o->at.partition >= 0 ? ERR_CONFLICT : ERR_OK;
}

static enum err_kind record_begin(struct av_visitor *v, const struct av_node *node,
                                  struct err *e)
{
    (void)node, (void)e;
    of(v)->depth++;
    return ERR_OK;
}

static enum err_kind record_end(struct av_visitor *v, const struct av_node *node,
                                struct err *e)
{
    (void)node, (void)e;
    of(v)->depth--;
    return ERR_OK;
}

static enum err_kind field(struct av_visitor *v, const struct av_node *node, uint32_t i,
                           struct err *e)
{
    (void)node, (void)e;
    if (of(v)->depth == 1)
        of(v)->field = i;
    return ERR_OK;
}

static const struct av_visitor_ops watch = {
    .int64 = int64_,
    .record_begin = record_begin,
    .record_end = record_end,
    .field = field,
};

/* --- and the one before it -------------------------------------------------------- */

static int64_t find(const struct av_node *root, const char *name, enum av_type type)
{
    for (size_t i = 0; root->type == AV_RECORD && i < root->n_fields; i++)
        if (span_eq(root->fields[i].name, span_str(name)))
            return root->fields[i].type->type == type ? (int64_t)i : -1;
    return -1;
}

void order_use(struct stage_order *o, struct av_schema *file)
{
    const struct av_node *root = av_schema_root(file);

    *o = (struct stage_order){.visitor = {&watch}};
    o->offset = find(root, "_offset", AV_LONG);
    o->partition = find(root, "_partition", AV_INT);
    if (o->offset >= 0)
        o->envelope =
            ENVELOPE_OFFSET | (o->partition >= 0 ? (unsigned)ENVELOPE_PARTITION : 0);
}

static bool is_before(const struct order_at *a, const struct order_at *b)
{
    return a->partition != b->partition ? a->partition < b->partition
                                        : a->offset < b->offset;
}

enum err_kind order_next(struct stage_order *o, const struct av_plan *plan,
                         struct span datum, bool *falls, struct err *e)
{
    o->depth = 0;
    o->field = -1;
    o->at = (struct order_at){o->partition < 0 ? 0 : -1, -1};
    enum err_kind rc = av_decode_all(plan, datum, NULL, &o->visitor, e);
    if (rc != ERR_OK && rc != ERR_CONFLICT)
        return rc;
    *falls = o->began && is_before(&o->at, &o->last);
    o->last = o->at;
    o->began = true;
    return ERR_OK;
}
