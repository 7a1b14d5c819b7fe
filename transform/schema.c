#include "transform/transform_inside.h"

#include "avro-core/seen.h"

#include <stdlib.h>

#define TEXT_MOST (4u << 20)
#define DEPTH_MOST 200

struct printer {
    struct buf *out;
    struct seen seen;
    const struct av_node *root; // of the record that is made anew
    bool recursive;             // ... and it is used inside itself
    unsigned depth;
};

static void put_type(struct printer *p, const struct av_node *n);

static void put_text(struct buf *out, const char *name, struct span text)
{
    buf_printf(out, ",\"%s\":", name);
    json_put_string(out, text);
}

static void put_attrs(struct buf *out, const struct av_attr *attrs, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        buf_put_u8(out, ',');
        json_put_string(out, attrs[i].name);
        buf_put_u8(out, ':');
        json_put(out, attrs[i].value);
    }
}

static void put_field(struct printer *p, struct span name, const struct av_field *f)
{
    buf_put_str(p->out, "{\"name\":");
    json_put_string(p->out, name);
    buf_put_str(p->out, ",\"type\":");
    put_type(p, f->type);
    if (f->has_doc)
        put_text(p->out, "doc", f->doc);
    if (f->fallback != NULL) {
        buf_put_str(p->out, ",\"default\":");
        json_put(p->out, f->fallback);
    }
    put_attrs(p->out, f->attrs, f->n_attrs);
    buf_put_u8(p->out, '}');
}

static void put_fields(struct printer *p, const struct av_node *n)
{
    buf_put_str(p->out, ",\"fields\":[");
    for (size_t i = 0; i < n->n_fields; i++) {
        if (i > 0)
            buf_put_u8(p->out, ',');
        put_field(p, n->fields[i].name, &n->fields[i]);
    }
    buf_put_u8(p->out, ']');
}

static void put_symbols(struct buf *out, const struct av_node *n)
{
    buf_put_str(out, ",\"symbols\":[");
    for (size_t i = 0; i < n->n_symbols; i++) {
        if (i > 0)
            buf_put_u8(out, ',');
        json_put_string(out, n->symbols[i]);
    }
    buf_put_u8(out, ']');
    if (n->fallback >= 0)
        put_text(out, "default", n->symbols[n->fallback]);
}

/* By its name from the second time on. */
static void put_named(struct printer *p, const struct av_node *n)
{
    p->recursive |= n == p->root;
    if (!av_seen_add(&p->seen, &n->name)) {
        buf_put_u8(p->out, '"');
        buf_put(p->out, n->name.space);
        if (n->name.space.n > 0)
            buf_put_u8(p->out, '.');
        buf_put(p->out, n->name.base);
        buf_put_u8(p->out, '"');
        return;
    }
    buf_printf(p->out, "{\"type\":\"%s\"", av_type_name(n->type));
    put_text(p->out, "name", n->name.base);
    put_text(p->out, "namespace", n->name.space);
    if (n->has_doc)
        put_text(p->out, "doc", n->doc);
    if (n->type == AV_RECORD)
        put_fields(p, n);
    else if (n->type == AV_ENUM)
        put_symbols(p->out, n);
    else
        buf_printf(p->out, ",\"size\":%zu", n->size);
    put_attrs(p->out, n->attrs, n->n_attrs);
    buf_put_u8(p->out, '}');
}

static void put_union(struct printer *p, const struct av_node *n)
{
    buf_put_u8(p->out, '[');
    for (size_t i = 0; i < n->n_branches; i++) {
        if (i > 0)
            buf_put_u8(p->out, ',');
        put_type(p, n->branches[i]);
    }
    buf_put_u8(p->out, ']');
}

static void put_plain(struct printer *p, const struct av_node *n)
{
    if (n->n_attrs == 0 && n->items == NULL) {
        buf_printf(p->out, "\"%s\"", av_type_name(n->type));
        return;
    }
    buf_printf(p->out, "{\"type\":\"%s\"", av_type_name(n->type));
    if (n->items != NULL) {
        buf_put_str(p->out, n->type == AV_ARRAY ? ",\"items\":" : ",\"values\":");
        put_type(p, n->items);
    }
    put_attrs(p->out, n->attrs, n->n_attrs);
    buf_put_u8(p->out, '}');
}

static void put_type(struct printer *p, const struct av_node *n)
{
    if (p->depth >= DEPTH_MOST) {
        p->out->over = true;
        return;
    }
    p->depth++;
    if (n->type == AV_RECORD || n->type == AV_ENUM || n->type == AV_FIXED)
        put_named(p, n);
    else if (n->type == AV_UNION)
        put_union(p, n);
    else
        put_plain(p, n);
    p->depth--;
}

void tr_schema_put_type(struct buf *out, const struct av_node *n)
{
    struct printer p = {.out = out};

    put_type(&p, n);
    av_seen_free(&p.seen);
}

static void put_nullable(struct printer *p, const struct av_node *n, enum tr_null null)
{
    buf_put_str(p->out, null != TR_NEVER_NULL ? "[\"null\"," : "");
    put_type(p, n);
    buf_put_str(p->out, null != TR_NEVER_NULL ? "]" : "");
}

static void put_column(struct printer *p, const struct column *c)
{
    if (c->field != NULL) {
        put_field(p, c->name, c->field);
        return;
    }
    buf_put_str(p->out, "{\"name\":");
    json_put_string(p->out, c->name);
    buf_put_str(p->out, ",\"type\":");
    if (c->node != NULL)
        put_nullable(p, c->node, c->null);
    else
        buf_put(p->out, c->type);
    buf_put_u8(p->out, '}');
}

/* The record's own name stays, unless the record as it was is used inside: then both
 * are in the schema. */
static bool put_record(struct buf *out, const struct av_node *root,
                       const struct column *columns, size_t n, bool renamed)
{
    struct printer p = {.out = out, .root = root};

    if (!renamed)
        (void)av_seen_add(&p.seen, &root->name);
    buf_put_str(out, "{\"type\":\"record\",\"name\":\"");
    buf_put(out, root->name.base);
    buf_put_str(out, renamed ? "_transformed\"" : "\"");
    put_text(out, "namespace", root->name.space);
    if (root->has_doc)
        put_text(out, "doc", root->doc);
    buf_put_str(out, ",\"fields\":[");
    for (size_t i = 0; i < n; i++) {
        if (i > 0)
            buf_put_u8(out, ',');
        put_column(&p, &columns[i]);
    }
    buf_put_u8(out, ']');
    put_attrs(out, root->attrs, root->n_attrs);
    buf_put_u8(out, '}');
    av_seen_free(&p.seen);
    return p.recursive;
}

enum err_kind tr_schema_make(struct av_schema **out, const struct av_schema *from,
                             const struct column *columns, size_t n, struct err *e)
{
    const struct av_node *root = av_schema_root(from);
    struct av_parse_limits lim = {.bytes = TEXT_MOST, .keep_bad_defaults = true};
    struct buf text = BUF_INIT(TEXT_MOST);

    if (put_record(&text, root, columns, n, false)) {
        buf_reset(&text);
        (void)put_record(&text, root, columns, n, true);
    }
    enum err_kind rc = buf_status(&text, e);
    if (rc == ERR_OK)
        rc = av_schema_parse(out, buf_span(&text), NULL, 0, &lim, e);
    buf_free(&text);
    return rc == ERR_OK ? ERR_OK : err_prefix(e, "the schema it would make");
}
