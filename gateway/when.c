#include "gateway/when.h"

#include "avro-core/moment.h"

#include <stdio.h>

struct clock_reader {
    struct av_visitor visitor;
    struct span field;
    int depth;   // of the record we are in; 1 is the root
    bool wanted; // the value that comes is the time
    bool found, has;
    int64_t ms;
    char refused[120]; // why it is none
};

bool when_read(int64_t *ms, struct span text)
{
    int64_t ns;

    if (moment_instant(ms, text, 1000, false) == MOMENT_FITS)
        return true;
    if (moment_instant(&ns, text, 1000000000, false) != MOMENT_FITS)
        return false;
    *ms = ns / 1000000 - (ns % 1000000 < 0);
    return true;
}

static int64_t floor_by(int64_t v, int64_t unit)
{
    return v / unit - (v % unit < 0);
}

static enum err_kind refuse(struct clock_reader *c, const char *what, struct err *e)
{
    snprintf(c->refused, sizeof c->refused, "%s", what);
    return err_set(e, ERR_INVALID, "%s", what);
}

static enum err_kind on_null(struct av_visitor *v, const struct av_node *node,
                             struct err *e)
{
    (void)node, (void)e;
    ((struct clock_reader *)v)->wanted = false;
    return ERR_OK;
}

static enum err_kind on_int64(struct av_visitor *v, const struct av_node *node,
                              int64_t x, struct err *e)
{
    struct clock_reader *c = (struct clock_reader *)v;

    if (!c->wanted)
        return ERR_OK;
    c->wanted = false;
    switch (node->logical) {
    case AV_TIMESTAMP_MICROS:
    case AV_LOCAL_TIMESTAMP_MICROS: x = floor_by(x, 1000); break;
    case AV_TIMESTAMP_NANOS:
    case AV_LOCAL_TIMESTAMP_NANOS: x = floor_by(x, 1000000); break;
    case AV_DATE: x *= 86400000; break;
    default:
        if (node->type != AV_LONG)
            return refuse(c, "a value of type int", e);
    }
    if (x <= 0)
        return refuse(c, "a time before 1970", e);
    c->ms = x;
    c->has = true;
    return ERR_OK;
}

static enum err_kind on_string(struct av_visitor *v, const struct av_node *node,
                               struct span x, struct err *e)
{
    struct clock_reader *c = (struct clock_reader *)v;

    (void)node;
    if (!c->wanted)
        return ERR_OK;
    c->wanted = false;
    if (!when_read(&c->ms, x))
        return refuse(c, "text that is no time of RFC 3339", e);
    if (c->ms <= 0)
        return refuse(c, "a time before 1970", e);
    c->has = true;
    return ERR_OK;
}

static enum err_kind refuse_type(struct clock_reader *c, const struct av_node *node,
                                 struct err *e)
{
    char text[60];

    if (!c->wanted)
        return ERR_OK;
    snprintf(text, sizeof text, "a value of type %s", av_type_name(node->type));
    return refuse(c, text, e);
}

static enum err_kind on_boolean(struct av_visitor *v, const struct av_node *node,
                                bool x, struct err *e)
{
    (void)x;
    return refuse_type((struct clock_reader *)v, node, e);
}

static enum err_kind on_real(struct av_visitor *v, const struct av_node *node, double x,
                             struct err *e)
{
    (void)x;
    return refuse_type((struct clock_reader *)v, node, e);
}

static enum err_kind on_bytes(struct av_visitor *v, const struct av_node *node,
                              struct span x, struct err *e)
{
    (void)x;
    return refuse_type((struct clock_reader *)v, node, e);
}

static enum err_kind on_symbol(struct av_visitor *v, const struct av_node *node,
                               uint32_t i, struct err *e)
{
    (void)i;
    return refuse_type((struct clock_reader *)v, node, e);
}

static enum err_kind on_begin(struct av_visitor *v, const struct av_node *node,
                              struct err *e)
{
    struct clock_reader *c = (struct clock_reader *)v;

    c->depth++;
    return refuse_type(c, node, e);
}

static enum err_kind on_end(struct av_visitor *v, const struct av_node *node,
                            struct err *e)
{
    (void)node, (void)e;
    ((struct clock_reader *)v)->depth--;
    return ERR_OK;
}

static enum err_kind on_field(struct av_visitor *v, const struct av_node *node,
                              uint32_t i, struct err *e)
{
    struct clock_reader *c = (struct clock_reader *)v;

    (void)e;
    if (c->depth == 1 && span_eq(node->fields[i].name, c->field))
        c->found = c->wanted = true;
    return ERR_OK;
}

static const struct av_visitor_ops ops = {
    .null = on_null,
    .boolean = on_boolean,
    .int64 = on_int64,
    .real = on_real,
    .bytes = on_bytes,
    .string = on_string,
    .symbol = on_symbol,
    .record_begin = on_begin,
    .field = on_field,
    .record_end = on_end,
    .array_begin = on_begin,
    .array_end = on_end,
    .map_begin = on_begin,
    .map_end = on_end,
};

enum err_kind when_of(int64_t *ms, const struct av_plan *plan, struct span field,
                      struct span datum, bool *has, struct err *e)
{
    struct clock_reader c = {.visitor = {&ops}, .field = field};

    enum err_kind rc = av_decode_all(plan, datum, NULL, &c.visitor, e);
    if (c.refused[0] != '\0') // the decoder has said where in the Avro
        return err_set(e, ERR_INVALID, "%s", c.refused);
    if (rc != ERR_OK)
        return rc;
    if (!c.found)
        return err_set(e, ERR_INVALID, "the schema has no field \"" SPAN_FMT "\"",
                       SPAN_ARG(field));
    *ms = c.ms;
    *has = c.has;
    return ERR_OK;
}
