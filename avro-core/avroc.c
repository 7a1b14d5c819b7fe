#include "avro-core/avroc.h"

#include "avro-core/varint.h"
#include "base/mem.h"

#include <avro.h>
#include <stdlib.h>

/*
 * avro-c builds a class from a schema by itself, and loops on links; 64 is as deep as
 * decode.h goes, and a union takes a place of its own.
 */
#define DEPTH 130

enum err_kind avroc_schema(struct avro_obj_t **out, const struct av_schema *s,
                           struct err *e)
{
    struct span text = av_schema_text(s);
    avro_schema_t made;

    if (avro_schema_from_json_length((const char *)text.p, text.n, &made) != 0)
        return err_set(e, ERR_INVALID, "avro-c: %.160s", avro_strerror());
    *out = made;
    return ERR_OK;
}

/* ---- filling a value ---- */

struct filler {
    struct av_visitor visitor; // first
    avro_value_t at[DEPTH];    // the values that are open, the last one comes next
    bool holds[DEPTH];         // an array or map: it stays open when an item is done
    size_t depth;
};

static enum err_kind avroc_failed(int rc, struct err *e)
{
    if (rc == 0)
        return ERR_OK;
    return err_set(e, ERR_INVALID, "avro-c: %.160s", avro_strerror());
}

static avro_value_t *top(struct filler *f)
{
    return &f->at[f->depth - 1];
}

static enum err_kind push(struct filler *f, avro_value_t v, struct err *e)
{
    if (f->depth == DEPTH)
        return err_set(e, ERR_LIMIT, "more than %d values inside each other", DEPTH);
    f->at[f->depth] = v;
    f->holds[f->depth++] = false;
    return ERR_OK;
}

/* The value that comes next is done: it and the unions it was a branch of. */
static enum err_kind pop(struct filler *f, int rc, struct err *e)
{
    f->depth--;
    while (f->depth > 0 && !f->holds[f->depth - 1])
        f->depth--;
    return avroc_failed(rc, e);
}

static enum err_kind fill_null(struct av_visitor *v, const struct av_node *node,
                               struct err *e)
{
    struct filler *f = (struct filler *)v;

    (void)node;
    return pop(f, avro_value_set_null(top(f)), e);
}

static enum err_kind fill_boolean(struct av_visitor *v, const struct av_node *node,
                                  bool x, struct err *e)
{
    struct filler *f = (struct filler *)v;

    (void)node;
    return pop(f, avro_value_set_boolean(top(f), x), e);
}

static enum err_kind fill_int64(struct av_visitor *v, const struct av_node *node,
                                int64_t x, struct err *e)
{
    struct filler *f = (struct filler *)v;

    if (node->type == AV_INT)
        return pop(f, avro_value_set_int(top(f), (int32_t)x), e);
    return pop(f, avro_value_set_long(top(f), x), e);
}

static enum err_kind fill_real(struct av_visitor *v, const struct av_node *node,
                               double x, struct err *e)
{
    struct filler *f = (struct filler *)v;

    if (node->type == AV_FLOAT)
        return pop(f, avro_value_set_float(top(f), (float)x), e);
    return pop(f, avro_value_set_double(top(f), x), e);
}

/* avro-c copies what it is given, and only says so by taking no const. */
static void *lent(struct span x)
{
    return (void *)(uintptr_t)(x.n > 0 ? x.p : (const uint8_t *)"");
}

static enum err_kind fill_bytes(struct av_visitor *v, const struct av_node *node,
                                struct span x, struct err *e)
{
    struct filler *f = (struct filler *)v;

    if (node->type == AV_FIXED)
        return pop(f, avro_value_set_fixed(top(f), lent(x), x.n), e);
    return pop(f, avro_value_set_bytes(top(f), lent(x), x.n), e);
}

/* avro-c wants the NUL counted and believes it is there, so it gets a copy that has
 * one. */
static int set_string(avro_value_t *value, struct span x)
{
    char *text = mem_str(x);
    int rc = avro_value_set_string_len(value, text, x.n + 1);

    free(text);
    return rc;
}

static enum err_kind fill_string(struct av_visitor *v, const struct av_node *node,
                                 struct span x, struct err *e)
{
    struct filler *f = (struct filler *)v;

    (void)node;
    if (x.n > 0 && memchr(x.p, 0, x.n) != NULL)
        return err_set(e, ERR_INVALID, "string with a NUL, which avro-c cannot hold");
    return pop(f, set_string(top(f), x), e);
}

static enum err_kind fill_symbol(struct av_visitor *v, const struct av_node *node,
                                 uint32_t i, struct err *e)
{
    struct filler *f = (struct filler *)v;

    (void)node;
    return pop(f, avro_value_set_enum(top(f), (int)i), e);
}

static enum err_kind fill_branch(struct av_visitor *v, const struct av_node *node,
                                 uint32_t i, struct err *e)
{
    struct filler *f = (struct filler *)v;
    avro_value_t branch;

    (void)node;
    TRY(avroc_failed(avro_value_set_branch(top(f), (int)i, &branch), e));
    return push(f, branch, e);
}

/* What holds others stays on the stack until its end. */
static enum err_kind open_holder(struct av_visitor *v, const struct av_node *node,
                                 struct err *e)
{
    struct filler *f = (struct filler *)v;

    (void)node, (void)e;
    f->holds[f->depth - 1] = true;
    return ERR_OK;
}

static enum err_kind close_holder(struct av_visitor *v, const struct av_node *node,
                                  struct err *e)
{
    struct filler *f = (struct filler *)v;

    (void)node;
    f->holds[f->depth - 1] = false;
    return pop(f, 0, e);
}

static enum err_kind fill_field(struct av_visitor *v, const struct av_node *node,
                                uint32_t i, struct err *e)
{
    struct filler *f = (struct filler *)v;
    avro_value_t field;

    (void)node;
    TRY(avroc_failed(avro_value_get_by_index(top(f), i, &field, NULL), e));
    return push(f, field, e);
}

static enum err_kind fill_item(struct av_visitor *v, const struct av_node *node,
                               struct err *e)
{
    struct filler *f = (struct filler *)v;
    avro_value_t item;

    (void)node;
    TRY(avroc_failed(avro_value_append(top(f), &item, NULL), e));
    return push(f, item, e);
}

static enum err_kind fill_key(struct av_visitor *v, const struct av_node *node,
                              struct span key, struct err *e)
{
    struct filler *f = (struct filler *)v;
    avro_value_t value;

    (void)node;
    if (key.n > 0 && memchr(key.p, 0, key.n) != NULL)
        return err_set(e, ERR_INVALID, "key with a NUL, which avro-c cannot hold");
    char *name = mem_str(key);
    int is_new = 0, rc = avro_value_add(top(f), name, &value, NULL, &is_new);
    free(name);
    TRY(avroc_failed(rc, e));
    if (!is_new) // a key that comes twice: the last one counts, as in Java
        TRY(avroc_failed(avro_value_reset(&value), e));
    return push(f, value, e);
}

static const struct av_visitor_ops filling = {
    .null = fill_null,
    .boolean = fill_boolean,
    .int64 = fill_int64,
    .real = fill_real,
    .bytes = fill_bytes,
    .string = fill_string,
    .symbol = fill_symbol,
    .branch = fill_branch,
    .record_begin = open_holder,
    .field = fill_field,
    .record_end = close_holder,
    .array_begin = open_holder,
    .item = fill_item,
    .array_end = close_holder,
    .map_begin = open_holder,
    .key = fill_key,
    .map_end = close_holder,
};

enum err_kind avroc_decode(const struct av_plan *plan, struct span in,
                           const struct av_decode_limits *lim, struct avro_value *value,
                           struct err *e)
{
    struct filler f = {.visitor = {&filling}, .at = {*value}, .depth = 1};

    TRY(avroc_failed(avro_value_reset(value), e));
    return av_decode_all(plan, in, lim, &f.visitor, e);
}

/* ---- reading a value ---- */

struct taker {
    struct buf *out;
    struct err *e;
    size_t depth;
};

static enum err_kind take(struct taker *t, const struct av_node *n,
                          const avro_value_t *v);

static void put_span(struct buf *out, struct span x)
{
    varint_append(out, (int64_t)x.n);
    buf_put(out, x);
}

static void put_bits(struct buf *out, uint64_t bits, int n)
{
    for (int i = 0; i < n; i++)
        buf_put_u8(out, (uint8_t)(bits >> 8 * i));
}

static int take_whole(struct taker *t, const struct av_node *n, const avro_value_t *v)
{
    int32_t i = 0;
    int64_t l = 0;
    int rc;

    if (n->type == AV_INT) {
        rc = avro_value_get_int(v, &i);
        l = i;
    } else {
        rc = avro_value_get_long(v, &l);
    }
    varint_append(t->out, l);
    return rc;
}

static int take_boolean(struct taker *t, const avro_value_t *v)
{
    int yes = 0, rc = avro_value_get_boolean(v, &yes);

    buf_put_u8(t->out, yes != 0);
    return rc;
}

static int take_float(struct taker *t, const avro_value_t *v)
{
    float x = 0;
    uint32_t bits;
    int rc = avro_value_get_float(v, &x);

    memcpy(&bits, &x, sizeof bits);
    put_bits(t->out, bits, 4);
    return rc;
}

static int take_double(struct taker *t, const avro_value_t *v)
{
    double x = 0;
    uint64_t bits;
    int rc = avro_value_get_double(v, &x);

    memcpy(&bits, &x, sizeof bits);
    put_bits(t->out, bits, 8);
    return rc;
}

static int take_bytes(struct taker *t, const avro_value_t *v)
{
    const void *p = NULL;
    size_t n = 0;
    int rc = avro_value_get_bytes(v, &p, &n);

    put_span(t->out, span_of(p, rc == 0 ? n : 0));
    return rc;
}

static int take_string(struct taker *t, const avro_value_t *v)
{
    const char *p = NULL;
    size_t n = 0;
    int rc =
        avro_value_get_string(v, &p, &n); // its NUL is counted; never set, it is empty

    put_span(t->out, span_of(p, rc == 0 && n > 0 ? n - 1 : 0));
    return rc;
}

static enum err_kind take_fixed(struct taker *t, const struct av_node *n,
                                const avro_value_t *v)
{
    const void *p = NULL;
    size_t size = 0;

    TRY(avroc_failed(avro_value_get_fixed(v, &p, &size), t->e));
    if (size != n->size)
        return err_set(t->e, ERR_INVALID, "fixed of %zu bytes, wanted %zu", size,
                       n->size);
    buf_put(t->out, span_of(p, size));
    return ERR_OK;
}

static enum err_kind take_symbol(struct taker *t, const struct av_node *n,
                                 const avro_value_t *v)
{
    int i = -1;

    TRY(avroc_failed(avro_value_get_enum(v, &i), t->e));
    if (i < 0 || (size_t)i >= n->n_symbols)
        return err_set(t->e, ERR_INVALID, "symbol %d, there are %zu", i, n->n_symbols);
    varint_append(t->out, i);
    return ERR_OK;
}

static enum err_kind take_union(struct taker *t, const struct av_node *n,
                                const avro_value_t *v)
{
    avro_value_t branch;
    int i = -1;

    TRY(avroc_failed(avro_value_get_discriminant(v, &i), t->e));
    if (i < 0 || (size_t)i >= n->n_branches)
        return err_set(t->e, ERR_INVALID, "union of which no branch was set");
    varint_append(t->out, i);
    TRY(avroc_failed(avro_value_get_current_branch(v, &branch), t->e));
    return take(t, n->branches[i], &branch);
}

static enum err_kind take_record(struct taker *t, const struct av_node *n,
                                 const avro_value_t *v)
{
    avro_value_t field;

    for (size_t i = 0; i < n->n_fields; i++) {
        TRY(avroc_failed(avro_value_get_by_index(v, i, &field, NULL), t->e));
        TRY(take(t, n->fields[i].type, &field));
    }
    return ERR_OK;
}

/* Arrays and maps: one block. */
static enum err_kind take_items(struct taker *t, const struct av_node *n,
                                const avro_value_t *v)
{
    const char *key = NULL;
    avro_value_t item;
    size_t size = 0;

    TRY(avroc_failed(avro_value_get_size(v, &size), t->e));
    if (size > 0)
        varint_append(t->out, (int64_t)size);
    for (size_t i = 0; i < size; i++) {
        TRY(avroc_failed(avro_value_get_by_index(v, i, &item, &key), t->e));
        if (n->type == AV_MAP)
            put_span(t->out, span_str(key));
        TRY(take(t, n->items, &item));
    }
    varint_append(t->out, 0);
    return ERR_OK;
}

static const avro_type_t types[] = {
    [AV_NULL] = AVRO_NULL,   [AV_BOOLEAN] = AVRO_BOOLEAN, [AV_INT] = AVRO_INT32,
    [AV_LONG] = AVRO_INT64,  [AV_FLOAT] = AVRO_FLOAT,     [AV_DOUBLE] = AVRO_DOUBLE,
    [AV_BYTES] = AVRO_BYTES, [AV_STRING] = AVRO_STRING,   [AV_RECORD] = AVRO_RECORD,
    [AV_ENUM] = AVRO_ENUM,   [AV_ARRAY] = AVRO_ARRAY,     [AV_MAP] = AVRO_MAP,
    [AV_UNION] = AVRO_UNION, [AV_FIXED] = AVRO_FIXED,
};

static enum err_kind take_one(struct taker *t, const struct av_node *n,
                              const avro_value_t *v)
{
    switch (n->type) {
    case AV_NULL: return ERR_OK;
    case AV_BOOLEAN: return avroc_failed(take_boolean(t, v), t->e);
    case AV_INT:
    case AV_LONG: return avroc_failed(take_whole(t, n, v), t->e);
    case AV_FLOAT: return avroc_failed(take_float(t, v), t->e);
    case AV_DOUBLE: return avroc_failed(take_double(t, v), t->e);
    case AV_BYTES: return avroc_failed(take_bytes(t, v), t->e);
    case AV_STRING: return avroc_failed(take_string(t, v), t->e);
    case AV_FIXED: return take_fixed(t, n, v);
    case AV_ENUM: return take_symbol(t, n, v);
    case AV_UNION: return take_union(t, n, v);
    case AV_RECORD: return take_record(t, n, v);
    case AV_ARRAY:
    case AV_MAP: return take_items(t, n, v);
    }
    return err_set(t->e, ERR_INTERNAL, "a type of number %d", n->type);
}

static enum err_kind take(struct taker *t, const struct av_node *n,
                          const avro_value_t *v)
{
    avro_type_t is = avro_value_get_type(v);

    if (is != types[n->type])
        return err_set(t->e, ERR_INVALID, "a value of avro-c's type %d, wanted %s",
                       (int)is, av_type_name(n->type));
    if (t->depth == DEPTH)
        return err_set(t->e, ERR_LIMIT, "more than %d values inside each other", DEPTH);
    t->depth++;
    TRY(take_one(t, n, v));
    t->depth--;
    return buf_status(t->out, t->e);
}

enum err_kind avroc_encode(const struct av_schema *s, const struct avro_value *value,
                           struct buf *out, struct err *e)
{
    struct taker t = {.out = out, .e = e};
    size_t before = out->n;
    enum err_kind k = take(&t, av_schema_root(s), value);

    if (k != ERR_OK)
        buf_cut(out, before);
    return k;
}
