#include "format/rewrite.h"

#include "avro-core/varint.h"
#include "base/mem.h"

#include <stdlib.h>

#define ORDERED_MOST ((size_t)1 << 30)

/* A record, array or map that is open. */
struct rewrite_level {
    size_t start; // in out
    size_t count; // array, map: items so far
    size_t parts; // record: its first one
};

/* A field of an open record: [at, the next one's at) in out. */
struct rewrite_part {
    uint32_t field;
    size_t at;
};

static struct rewrite *self(struct av_visitor *v)
{
    return (struct rewrite *)v;
}

static struct rewrite_level *top(struct rewrite *w)
{
    return &w->levels[w->n_levels - 1];
}

static void push(struct rewrite *w)
{
    if (w->n_levels == w->cap_levels) {
        w->cap_levels = w->cap_levels * 2 + 8;
        w->levels = mem_grow(w->levels, w->cap_levels, sizeof *w->levels);
    }
    w->levels[w->n_levels++] =
        (struct rewrite_level){.start = w->out->n, .parts = w->n_parts};
}

/* ---- values ---- */

static enum err_kind on_boolean(struct av_visitor *v, const struct av_node *node,
                                bool x, struct err *e)
{
    (void)node, (void)e;
    buf_put_u8(self(v)->out, x);
    return ERR_OK;
}

static enum err_kind on_int64(struct av_visitor *v, const struct av_node *node,
                              int64_t x, struct err *e)
{
    (void)node, (void)e;
    varint_append(self(v)->out, x);
    return ERR_OK;
}

static void put_little_endian(struct buf *out, uint64_t bits, int n)
{
    uint8_t bytes[8];

    for (int i = 0; i < n; i++)
        bytes[i] = (uint8_t)(bits >> (8 * i));
    buf_put(out, span_of(bytes, (size_t)n));
}

static enum err_kind on_real(struct av_visitor *v, const struct av_node *node, double x,
                             struct err *e)
{
    float f = (float)x;
    uint32_t narrow;
    uint64_t wide;

    (void)e;
    memcpy(&narrow, &f, sizeof narrow);
    memcpy(&wide, &x, sizeof wide);
    put_little_endian(self(v)->out, node->type == AV_FLOAT ? narrow : wide,
                      node->type == AV_FLOAT ? 4 : 8);
    return ERR_OK;
}

static enum err_kind on_bytes(struct av_visitor *v, const struct av_node *node,
                              struct span x, struct err *e)
{
    (void)e;
    if (node->type != AV_FIXED)
        varint_append(self(v)->out, (int64_t)x.n);
    buf_put(self(v)->out, x);
    return ERR_OK;
}

static enum err_kind on_index(struct av_visitor *v, const struct av_node *node,
                              uint32_t i, struct err *e)
{
    return on_int64(v, node, i, e);
}

/* ---- records ---- */

static enum err_kind on_begin(struct av_visitor *v, const struct av_node *node,
                              struct err *e)
{
    (void)node, (void)e;
    push(self(v));
    return ERR_OK;
}

static enum err_kind on_field(struct av_visitor *v, const struct av_node *node,
                              uint32_t i, struct err *e)
{
    struct rewrite *w = self(v);

    (void)node, (void)e;
    if (w->n_parts == w->cap_parts) {
        w->cap_parts = w->cap_parts * 2 + 32;
        w->parts = mem_grow(w->parts, w->cap_parts, sizeof *w->parts);
    }
    w->parts[w->n_parts++] = (struct rewrite_part){i, w->out->n};
    return ERR_OK;
}

static bool in_order(const struct rewrite_part *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (p[i].field != i)
            return false;
    return true;
}

/* Each field comes once, so its number is its place. */
static void put_in_order(struct rewrite *w, size_t start, const struct rewrite_part *p,
                         size_t n)
{
    buf_reset(&w->ordered);
    for (uint32_t want = 0; want < n; want++) {
        size_t i = 0;
        while (p[i].field != want)
            i++;
        size_t end = i + 1 < n ? p[i + 1].at : w->out->n;
        buf_put(&w->ordered, span_of(w->out->p + p[i].at, end - p[i].at));
    }
    memcpy(w->out->p + start, w->ordered.p, w->ordered.n);
}

static enum err_kind on_record_end(struct av_visitor *v, const struct av_node *node,
                                   struct err *e)
{
    struct rewrite *w = self(v);
    const struct rewrite_level *l = top(w);
    size_t n = w->n_parts - l->parts;

    (void)node;
    TRY(buf_status(w->out, e));
    if (!in_order(w->parts + l->parts, n) && w->out->n > l->start)
        put_in_order(w, l->start, w->parts + l->parts, n);
    w->n_parts = l->parts;
    w->n_levels--;
    return ERR_OK;
}

/* ---- arrays and maps ---- */

static enum err_kind on_item(struct av_visitor *v, const struct av_node *node,
                             struct err *e)
{
    (void)node, (void)e;
    top(self(v))->count++;
    return ERR_OK;
}

static enum err_kind on_key(struct av_visitor *v, const struct av_node *node,
                            struct span key, struct err *e)
{
    (void)node, (void)e;
    top(self(v))->count++;
    varint_append(self(v)->out, (int64_t)key.n);
    buf_put(self(v)->out, key);
    return ERR_OK;
}

/* How many items there are is known now, and stands in front of them. */
static enum err_kind on_items_end(struct av_visitor *v, const struct av_node *node,
                                  struct err *e)
{
    struct rewrite *w = self(v);
    struct rewrite_level l = *top(w);
    size_t n = w->out->n;

    (void)node;
    w->n_levels--;
    if (l.count > 0) {
        varint_append(w->out, (int64_t)l.count);
        TRY(buf_status(w->out, e));
        uint8_t head[VARINT_MOST];
        size_t head_n = w->out->n - n;
        memcpy(head, w->out->p + n, head_n);
        memmove(w->out->p + l.start + head_n, w->out->p + l.start, n - l.start);
        memcpy(w->out->p + l.start, head, head_n);
    }
    buf_put_u8(w->out, 0);
    return buf_status(w->out, e);
}

static const struct av_visitor_ops calls = {
    .boolean = on_boolean,
    .int64 = on_int64,
    .real = on_real,
    .bytes = on_bytes,
    .string = on_bytes,
    .symbol = on_index,
    .branch = on_index,
    .record_begin = on_begin,
    .field = on_field,
    .record_end = on_record_end,
    .array_begin = on_begin,
    .item = on_item,
    .array_end = on_items_end,
    .map_begin = on_begin,
    .key = on_key,
    .map_end = on_items_end,
};

void rewrite_init(struct rewrite *w, struct buf *out)
{
    *w = (struct rewrite){
        .visitor = {&calls}, .out = out, .ordered = BUF_INIT(ORDERED_MOST)};
}

void rewrite_reset(struct rewrite *w)
{
    w->n_levels = w->n_parts = 0;
}

void rewrite_free(struct rewrite *w)
{
    free(w->levels);
    free(w->parts);
    buf_free(&w->ordered);
}
