#include "avro-core/canon.h"

#include "avro-core/seen.h"

struct canonical {
    struct buf *out;
    struct seen seen;
    unsigned depth;
};

static void put_node(struct canonical *c, const struct av_node *n);

/* Nothing here needs escaping: a name is letters, digits and underscores. */
static void put_fullname(struct buf *out, const struct av_name *name)
{
    buf_put_u8(out, '"');
    if (name->space.n > 0) {
        buf_put(out, name->space);
        buf_put_u8(out, '.');
    }
    buf_put(out, name->base);
    buf_put_u8(out, '"');
}

static void put_fields(struct canonical *c, const struct av_node *n)
{
    buf_put_str(c->out, ",\"fields\":[");
    for (size_t i = 0; i < n->n_fields; i++) {
        buf_put_str(c->out, i > 0 ? ",{\"name\":\"" : "{\"name\":\"");
        buf_put(c->out, n->fields[i].name);
        buf_put_str(c->out, "\",\"type\":");
        put_node(c, n->fields[i].type);
        buf_put_u8(c->out, '}');
    }
    buf_put_u8(c->out, ']');
}

static void put_symbols(struct canonical *c, const struct av_node *n)
{
    buf_put_str(c->out, ",\"symbols\":[");
    for (size_t i = 0; i < n->n_symbols; i++) {
        buf_put_str(c->out, i > 0 ? ",\"" : "\"");
        buf_put(c->out, n->symbols[i]);
        buf_put_u8(c->out, '"');
    }
    buf_put_u8(c->out, ']');
}

static void put_named(struct canonical *c, const struct av_node *n)
{
    if (!av_seen_add(&c->seen, &n->name)) {
        put_fullname(c->out, &n->name);
        return;
    }
    buf_put_str(c->out, "{\"name\":");
    put_fullname(c->out, &n->name);
    buf_printf(c->out, ",\"type\":\"%s\"", av_type_name(n->type));
    if (n->type == AV_RECORD)
        put_fields(c, n);
    else if (n->type == AV_ENUM)
        put_symbols(c, n);
    else
        buf_printf(c->out, ",\"size\":%zu", n->size);
    buf_put_u8(c->out, '}');
}

static void put_container(struct canonical *c, const struct av_node *n,
                          const char *what)
{
    buf_printf(c->out, "{\"type\":\"%s\",\"%s\":", av_type_name(n->type), what);
    put_node(c, n->items);
    buf_put_u8(c->out, '}');
}

static void put_union(struct canonical *c, const struct av_node *n)
{
    buf_put_u8(c->out, '[');
    for (size_t i = 0; i < n->n_branches; i++) {
        if (i > 0)
            buf_put_u8(c->out, ',');
        put_node(c, n->branches[i]);
    }
    buf_put_u8(c->out, ']');
}

static void put_node(struct canonical *c, const struct av_node *n)
{
    if (c->depth == AV_PRINT_DEPTH) {
        c->out->over = true;
        return;
    }
    c->depth++;
    switch (n->type) {
    case AV_RECORD:
    case AV_ENUM:
    case AV_FIXED: put_named(c, n); break;
    case AV_ARRAY: put_container(c, n, "items"); break;
    case AV_MAP: put_container(c, n, "values"); break;
    case AV_UNION: put_union(c, n); break;
    default: buf_printf(c->out, "\"%s\"", av_type_name(n->type)); break;
    }
    c->depth--;
}

void av_print_canonical(struct buf *out, const struct av_schema *s)
{
    struct canonical c = {.out = out};

    put_node(&c, av_schema_root(s));
    av_seen_free(&c.seen);
}
