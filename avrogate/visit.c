#include "avrogate/visit.h"

#include <stddef.h>

/* What a visitor said, as ours: its kind and its words. */
static enum err_kind said(enum avrogate_kind kind, const struct avrogate_error *said_e,
                          struct err *e)
{
    if (kind == AVROGATE_OK)
        return ERR_OK;
    return err_set(e, (enum err_kind)kind, "%s", said_e->message);
}

static const struct avrogate_type *type_of(const struct av_node *node)
{
    return (const struct avrogate_type *)node;
}

static struct avrogate_bytes bytes_of(struct span x)
{
    return (struct avrogate_bytes){x.p, x.n};
}

/* One call passed on; `theirs` is its name in avrogate/serde.h. */
#define PASS(ours, theirs)                                                             \
    static enum err_kind pass_##ours(struct av_visitor *v, const struct av_node *node, \
                                     struct err *e)                                    \
    {                                                                                  \
        struct visit *to = (struct visit *)v;                                          \
        struct avrogate_error why = {0};                                               \
                                                                                       \
        if (to->to->theirs == NULL)                                                    \
            return ERR_OK;                                                             \
        return said(to->to->theirs(to->arg, type_of(node), &why), &why, e);            \
    }

#define PASS_VALUE(ours, theirs, type, value)                                          \
    static enum err_kind pass_##ours(struct av_visitor *v, const struct av_node *node, \
                                     type x, struct err *e)                            \
    {                                                                                  \
        struct visit *to = (struct visit *)v;                                          \
        struct avrogate_error why = {0};                                               \
                                                                                       \
        if (to->to->theirs == NULL)                                                    \
            return ERR_OK;                                                             \
        return said(to->to->theirs(to->arg, type_of(node), value, &why), &why, e);     \
    }

PASS(null, null)
PASS_VALUE(boolean, boolean, bool, x)
PASS_VALUE(int64, integer, int64_t, x)
PASS_VALUE(real, real, double, x)
PASS_VALUE(bytes, bytes, struct span, bytes_of(x))
PASS_VALUE(string, string, struct span, bytes_of(x))
PASS_VALUE(symbol, symbol, uint32_t, x)
PASS_VALUE(branch, branch, uint32_t, x)
PASS(record_begin, record_begin)
PASS_VALUE(field, field, uint32_t, x)
PASS(record_end, record_end)
PASS(array_begin, array_begin)
PASS(item, item)
PASS(array_end, array_end)
PASS(map_begin, map_begin)
PASS_VALUE(key, key, struct span, bytes_of(x))
PASS(map_end, map_end)

static const struct av_visitor_ops passing = {
    .null = pass_null,
    .boolean = pass_boolean,
    .int64 = pass_int64,
    .real = pass_real,
    .bytes = pass_bytes,
    .string = pass_string,
    .symbol = pass_symbol,
    .branch = pass_branch,
    .record_begin = pass_record_begin,
    .field = pass_field,
    .record_end = pass_record_end,
    .array_begin = pass_array_begin,
    .item = pass_item,
    .array_end = pass_array_end,
    .map_begin = pass_map_begin,
    .key = pass_key,
    .map_end = pass_map_end,
};

void visit_init(struct visit *v, const struct avrogate_visitor *to, void *arg)
{
    *v = (struct visit){.visitor = {&passing}, .to = to, .arg = arg};
}
