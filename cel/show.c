#include "avro-core/put.h"
#include "avro-core/to_json.h"
#include "base/utf8.h"
#include "cel/cel_inside.h"

#include <math.h>

/* A record is told to the visitor that writes plain JSON: what comes out goes in. */

static bool tell(struct cel_run *run, struct av_visitor *v, const struct av_node *n,
                 const uint8_t **p, struct err *e);

#define SAID(call) ((call) == ERR_OK)

static bool tell_fields(struct cel_run *run, struct av_visitor *v,
                        const struct av_node *n, const uint8_t **p, struct err *e)
{
    if (!SAID(v->ops->record_begin(v, n, e)))
        return false;
    for (size_t i = 0; i < n->n_fields; i++)
        if (!SAID(v->ops->field(v, n, (uint32_t)i, e)) ||
            !tell(run, v, n->fields[i].type, p, e))
            return false;
    return SAID(v->ops->record_end(v, n, e));
}

static bool tell_items(struct cel_run *run, struct av_visitor *v,
                       const struct av_node *n, const uint8_t *p, struct err *e)
{
    struct cel_each each = cel_each_of(run, cel_load(run, n, p));
    bool map = n->type == AV_MAP;
    struct cel_value item;

    if (!SAID(map ? v->ops->map_begin(v, n, e) : v->ops->array_begin(v, n, e)))
        return false;
    while (cel_next(&each, &item, NULL)) {
        const uint8_t *at = each.at;

        if (!SAID(map ? v->ops->key(v, n, item.s, e) : v->ops->item(v, n, e)) ||
            !tell(run, v, n->items, &at, e))
            return false;
    }
    return SAID(map ? v->ops->map_end(v, n, e) : v->ops->array_end(v, n, e));
}

static bool tell_union(struct cel_run *run, struct av_visitor *v,
                       const struct av_node *n, const uint8_t **p, struct err *e)
{
    int64_t i;

    return cel_take_long(run, p, &i) && i >= 0 && (uint64_t)i < n->n_branches &&
           SAID(v->ops->branch(v, n, (uint32_t)i, e)) &&
           tell(run, v, n->branches[i], p, e);
}

static struct span bytes_at(const struct av_node *n, const uint8_t *p,
                            const uint8_t *behind)
{
    size_t size = (size_t)(behind - p);

    if (n->type == AV_FIXED)
        return span_of(p, n->size);
    while (size > 0 && (*p & 0x80) != 0)
        p++, size--;
    return span_of(p + 1, size - 1);
}

static bool tell(struct cel_run *run, struct av_visitor *v, const struct av_node *n,
                 const uint8_t **p, struct err *e)
{
    const uint8_t *start = *p;
    struct cel_value x;
    int64_t i;

    if (n->type == AV_RECORD)
        return tell_fields(run, v, n, p, e);
    if (n->type == AV_UNION)
        return tell_union(run, v, n, p, e);
    *p = cel_skip(run, n, start);
    if (*p == NULL)
        return false;
    switch (n->type) {
    case AV_NULL: return SAID(v->ops->null(v, n, e));
    case AV_BOOLEAN: return SAID(v->ops->boolean(v, n, *start != 0, e));
    case AV_INT:
    case AV_LONG:
        return cel_take_long(run, &start, &i) && SAID(v->ops->int64(v, n, i, e));
    case AV_FLOAT:
    case AV_DOUBLE:
        x = cel_load(run, n, start);
        return SAID(v->ops->real(v, n, x.d, e));
    case AV_STRING: return SAID(v->ops->string(v, n, bytes_at(n, start, *p), e));
    case AV_BYTES:
    case AV_FIXED: return SAID(v->ops->bytes(v, n, bytes_at(n, start, *p), e));
    case AV_ENUM:
        return cel_take_long(run, &start, &i) && i >= 0 && (uint64_t)i < n->n_symbols &&
               SAID(v->ops->symbol(v, n, (uint32_t)i, e));
    default: return tell_items(run, v, n, start, e);
    }
}

bool cel_record_put(struct cel_run *run, const struct av_node *n, const uint8_t *p,
                    struct buf *out)
{
    struct av_to_json w;
    struct err e = {0};

    av_to_json_init(&w, out, false);
    return tell(run, &w.visitor, n, &p, &e);
}

/* Values */

static void put_string(struct buf *out, struct span s)
{
    struct buf clean = BUF_INIT(out->limit);
    uint8_t utf8[4];
    size_t n;

    if (utf8_ok(s)) {
        json_put_string(out, s);
        return;
    }
    for (; s.n > 0; s = span_skip(s, n)) {
        size_t length = cel_utf8_put(utf8, cel_code_point(s, &n));

        buf_put(&clean, span_of(utf8, length));
    }
    json_put_string(out, buf_span(&clean));
    buf_free(&clean);
}

static void put_double(struct buf *out, struct cel_value v)
{
    if (v.said != NULL)
        buf_put(out, v.said->text);
    else if (isnan(v.d))
        buf_put_str(out, "\"NaN\"");
    else if (isinf(v.d))
        buf_put_str(out, v.d > 0 ? "\"Infinity\"" : "\"-Infinity\"");
    else
        json_put_double(out, v.d);
}

static bool put_list(struct cel_run *run, struct cel_value v, struct buf *out)
{
    struct cel_each each = cel_each_of(run, v);
    struct cel_value item;

    buf_put_u8(out, '[');
    for (size_t i = 0; cel_next(&each, &item, NULL); i++) {
        if (i > 0)
            buf_put_u8(out, ',');
        if (!cel_json_put(run, item, out))
            return false;
    }
    buf_put_u8(out, ']');
    return run->broken == NULL;
}

static void put_key(struct buf *out, struct cel_value key)
{
    switch (key.kind) {
    case CEL_STRING: put_string(out, key.s); return;
    case CEL_BOOL: buf_put_str(out, key.b ? "\"true\"" : "\"false\""); return;
    case CEL_UINT: buf_printf(out, "\"%llu\"", (unsigned long long)key.u); return;
    default: buf_printf(out, "\"%lld\"", (long long)key.i); return;
    }
}

static bool put_map(struct cel_run *run, struct cel_value v, struct buf *out)
{
    struct cel_each each = cel_each_of(run, v);
    struct cel_value key, value;

    buf_put_u8(out, '{');
    for (size_t i = 0; cel_next(&each, &key, &value); i++) {
        if (i > 0)
            buf_put_u8(out, ',');
        put_key(out, key);
        buf_put_u8(out, ':');
        if (!cel_json_put(run, value, out))
            return false;
    }
    buf_put_u8(out, '}');
    return run->broken == NULL;
}

bool cel_json_put(struct cel_run *run, struct cel_value v, struct buf *out)
{
    if (!cel_steps(run, 1) || out->over)
        return false;
    switch ((enum cel_kind)v.kind) {
    case CEL_NULL: buf_put_str(out, "null"); return true;
    case CEL_BOOL: buf_put_str(out, v.b ? "true" : "false"); return true;
    case CEL_INT: json_put_int(out, v.i); return true;
    case CEL_UINT: buf_printf(out, "%llu", (unsigned long long)v.u); return true;
    case CEL_DOUBLE: put_double(out, v); return true;
    case CEL_STRING:
    case CEL_TYPE: put_string(out, v.s); return true;
    case CEL_BYTES:
        buf_put_u8(out, '"');
        put_base64(out, v.s);
        buf_put_u8(out, '"');
        return true;
    case CEL_LIST: return put_list(run, v, out);
    case CEL_MAP: return put_map(run, v, out);
    case CEL_MESSAGE: return cel_record_put(run, v.node, v.p, out);
    case CEL_TIMESTAMP:
        buf_put_u8(out, '"');
        cel_timestamp_put(out, v);
        buf_put_u8(out, '"');
        return true;
    case CEL_DURATION:
        buf_put_u8(out, '"');
        cel_duration_put(out, v.i);
        buf_put_u8(out, '"');
        return true;
    case CEL_DECIMAL: {
        buf_put_u8(out, '"');
        bool written = cel_decimal_put(run, v, out);
        buf_put_u8(out, '"');
        return written;
    }
    default: return false;
    }
}
