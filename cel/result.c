#include "cel/cel_inside.h"

/*
 * CEL's types as Avro's, the other way of type.c: one type each where there is a plain
 * one.  A record has its own, which is written by whoever writes the schema.
 */
static const char *const types[] = {
    [CEL_BOOL] = "\"boolean\"",
    [CEL_INT] = "\"long\"",
    [CEL_DOUBLE] = "\"double\"",
    [CEL_STRING] = "\"string\"",
    [CEL_BYTES] = "\"bytes\"",
    [CEL_TIMESTAMP] = "{\"type\":\"long\",\"logicalType\":\"timestamp-micros\"}",
    [CEL_PARAM] = NULL,
};

static bool put_type(struct buf *out, const struct cel_type *t);

static bool put_inside(struct buf *out, const char *around, const char *name,
                       const struct cel_type *t)
{
    buf_printf(out, "{\"type\":\"%s\",\"%s\":", around, name);
    bool null = t->kind == CEL_NULLABLE;
    buf_put_str(out, null ? "[\"null\"," : "");
    if (!put_type(out, cel_type_sure(t)))
        return false;
    buf_put_str(out, null ? "]}" : "}");
    return true;
}

/* False: there is none. */
static bool put_type(struct buf *out, const struct cel_type *t)
{
    if (t->kind == CEL_LIST)
        return put_inside(out, "array", "items", t->a);
    if (t->kind == CEL_MAP)
        return t->a->kind == CEL_STRING && put_inside(out, "map", "values", t->b);
    if (types[t->kind] == NULL)
        return false;
    buf_put_str(out, types[t->kind]);
    return true;
}

struct cel_result cel_type_result(const struct cel_type *t, struct arena *a)
{
    struct cel_result r = {.nullable = t->kind == CEL_NULLABLE};
    struct buf out = BUF_INIT(CEL_TEXT_MOST);

    t = cel_type_sure(t);
    if (t->kind == CEL_MESSAGE)
        r.record = t->node;
    else if (put_type(&out, t) && !out.over)
        r.type = arena_copy(a, buf_span(&out));
    buf_free(&out);
    return r;
}
