#include "avro-core/canon.h"

#include "avro-core/jackson.h"
#include "avro-core/seen.h"

#include <stdlib.h>

/*
 * Avro Java's Schema.toString().  What av_print_normalized() writes is the same for the
 * schema that Confluent's normalization leaves behind: `normalized` marks the places
 * where the two differ.
 */
struct printer {
    struct buf *out;
    struct seen seen;
    bool normalized;
    unsigned depth;
};

/* `space` is the namespace around; its n is 0 for none, as Java's null. */
static void put_node(struct printer *p, const struct av_node *n, struct span space);

static void put_key(struct printer *p, const char *name)
{
    buf_printf(p->out, ",\"%s\":", name);
}

static void put_text(struct printer *p, const char *name, struct span text)
{
    put_key(p, name);
    jackson_put_string(p->out, text);
}

/* A type's short name can stand for it only where it is not the word for a kind of
 * type. */
static bool is_type_word(struct span base)
{
    for (int t = AV_NULL; t <= AV_FIXED; t++)
        if (span_eq(base, span_str(av_type_name((enum av_type)t))))
            return true;
    return false;
}

static void put_qualified(struct printer *p, const struct av_name *name,
                          struct span space)
{
    bool beside = name->space.n > 0 && span_eq(name->space, space);

    buf_put_u8(p->out, '"');
    if (name->space.n > 0 && (!beside || is_type_word(name->base))) {
        buf_put(p->out, name->space);
        buf_put_u8(p->out, '.');
    }
    buf_put(p->out, name->base);
    buf_put_u8(p->out, '"');
}

static void put_name(struct printer *p, const struct av_name *name, struct span space)
{
    put_text(p, "name", name->base);
    if (!span_eq(name->space, space))
        put_text(p, "namespace", name->space);
}

/* An alias, under the text by which Java tells and sorts them. */
struct alias {
    struct span key;
    size_t at;                  // its place as written
    const struct av_name *name; // of a type's alias
};

static int by_key(const void *a, const void *b)
{
    const struct alias *x = a, *y = b;
    int order = jackson_order(x->key, y->key);

    return order != 0 ? order : (x->at > y->at) - (x->at < y->at);
}

static int by_place(const void *a, const void *b)
{
    const struct alias *x = a, *y = b;

    return (x->at > y->at) - (x->at < y->at);
}

/* Aliases are a set: Java keeps the first of two that are equal. */
static size_t arrange(const struct printer *p, struct alias *s, size_t n)
{
    size_t kept = 0;

    qsort(s, n, sizeof *s, by_key);
    for (size_t i = 0; i < n; i++)
        if (i == 0 || !span_eq(s[kept - 1].key, s[i].key))
            s[kept++] = s[i];
    if (!p->normalized)
        qsort(s, kept, sizeof *s, by_place);
    return kept;
}

static void put_field_aliases(struct printer *p, const struct av_field *f)
{
    if (f->n_aliases == 0)
        return;
    struct alias *s = mem_array(f->n_aliases, sizeof *s);
    for (size_t i = 0; i < f->n_aliases; i++)
        s[i] = (struct alias){.key = f->aliases[i], .at = i};
    size_t n = arrange(p, s, f->n_aliases);
    put_key(p, "aliases");
    for (size_t i = 0; i < n; i++) {
        buf_put_u8(p->out, i == 0 ? '[' : ',');
        jackson_put_string(p->out, s[i].key);
    }
    buf_put_u8(p->out, ']');
    free(s);
}

/* The whole name; one without a namespace, of a type that has one, begins with a dot.
 */
static struct span alias_key(const struct av_name *alias, const struct av_node *n,
                             struct arena *a)
{
    if (alias->space.n == 0 && n->name.space.n == 0)
        return alias->base;
    uint8_t *key = arena_alloc(a, alias->space.n + 1 + alias->base.n);
    memcpy(key, alias->space.p != NULL ? alias->space.p : key, alias->space.n);
    key[alias->space.n] = '.';
    memcpy(key + alias->space.n + 1, alias->base.p, alias->base.n);
    return span_of(key, alias->space.n + 1 + alias->base.n);
}

static void put_type_aliases(struct printer *p, const struct av_node *n)
{
    struct arena keys = {0};

    if (n->n_aliases == 0)
        return;
    struct alias *s = arena_array(&keys, n->n_aliases, sizeof *s);
    for (size_t i = 0; i < n->n_aliases; i++)
        s[i] = (struct alias){alias_key(&n->aliases[i], n, &keys), i, &n->aliases[i]};
    size_t count = arrange(p, s, n->n_aliases);
    put_key(p, "aliases");
    for (size_t i = 0; i < count; i++) {
        buf_put_u8(p->out, i == 0 ? '[' : ',');
        put_qualified(p, s[i].name, n->name.space);
    }
    buf_put_u8(p->out, ']');
    arena_free(&keys);
}

static void put_attr(struct printer *p, const struct av_attr *attr)
{
    buf_put_u8(p->out, ',');
    jackson_put_string(p->out, attr->name);
    buf_put_u8(p->out, ':');
    jackson_put(p->out, attr->value, p->normalized);
}

/*
 * Normalization writes what makes the logical type first, then all attributes sorted.
 * Those already there keep their places.  A scale of 0 is not part of what makes it.
 */
static int attr_rank(const struct av_attr *attr, const struct av_node *n)
{
    if (n == NULL || n->logical == AV_PLAIN)
        return 3;
    if (span_eq(attr->name, span_str("logicalType")))
        return 0;
    if (n->logical == AV_DECIMAL && span_eq(attr->name, span_str("precision")))
        return 1;
    if (n->logical == AV_DECIMAL && n->scale != 0 &&
        span_eq(attr->name, span_str("scale")))
        return 2;
    return 3;
}

struct ranked {
    int rank;
    const struct av_attr *attr;
};

static int by_rank(const void *a, const void *b)
{
    const struct ranked *x = a, *y = b;

    return x->rank != y->rank ? x->rank - y->rank
                              : jackson_order(x->attr->name, y->attr->name);
}

/* `n` is the type they belong to, NULL for a field's. */
static void put_attrs(struct printer *p, const struct av_attr *attrs, size_t count,
                      const struct av_node *n)
{
    if (count == 0)
        return;
    struct ranked *r = mem_array(count, sizeof *r);
    for (size_t i = 0; i < count; i++)
        r[i] = (struct ranked){p->normalized ? attr_rank(&attrs[i], n) : 0, &attrs[i]};
    if (p->normalized)
        qsort(r, count, sizeof *r, by_rank);
    for (size_t i = 0; i < count; i++)
        put_attr(p, r[i].attr);
    free(r);
}

static const struct av_node *first_branch(const struct av_node *n)
{
    return n->type == AV_UNION && n->n_branches > 0 ? n->branches[0] : n;
}

static bool fits_long(struct span digits)
{
    struct err ignored;
    struct json number = {.kind = JSON_NUMBER, .text = digits};
    int64_t v;

    return json_int(&v, &number, INT64_MIN, INT64_MAX, &ignored) == ERR_OK;
}

static bool number_fits(const struct json *j, enum av_type type)
{
    if (type == AV_FLOAT || type == AV_DOUBLE)
        return !jackson_is_integer(j->text) || fits_long(j->text);
    return (type == AV_INT || type == AV_LONG) && jackson_is_integer(j->text) &&
           fits_long(j->text);
}

/*
 * Whether Java finds a value in default `j`.  It reads a union's default as of its
 * first branch even where it was let in as another's, and then finds none.
 */
static bool has_value(const struct json *j, const struct av_node *n)
{
    n = first_branch(n);
    if (j->kind == JSON_NUMBER)
        return number_fits(j, n->type);
    if (j->kind == JSON_STRING)
        return n->type == AV_STRING || n->type == AV_ENUM || n->type == AV_BYTES ||
               n->type == AV_FIXED || n->type == AV_FLOAT || n->type == AV_DOUBLE;
    return true;
}

/* Bytes are ISO 8859-1 in a default: what lies beyond becomes a question mark. */
static void put_latin1(struct buf *out, struct span s)
{
    struct buf kept = BUF_INIT(s.n);

    for (size_t i = 0; i < s.n; i++) {
        uint8_t c = s.p[i];

        if (c < 0x80 || (c & 0xfe) == 0xc2)
            buf_put_u8(&kept, c);
        else if (c >= 0xc0)
            buf_put_u8(&kept, '?');
        else if (i > 0 && (s.p[i - 1] & 0xfe) == 0xc2)
            buf_put_u8(&kept, c);
    }
    jackson_put_string(out, buf_span(&kept));
    buf_free(&kept);
}

static void put_value(struct printer *p, const struct json *j, const struct av_node *n);

/* The type of member `name` of a default for `n`; NULL when `n` gives none. */
static const struct av_node *member_type(const struct av_node *n, struct span name)
{
    if (n->type == AV_MAP)
        return n->items;
    if (n->type != AV_RECORD)
        return NULL;
    for (size_t i = 0; i < n->n_fields; i++)
        if (span_eq(n->fields[i].name, name))
            return n->fields[i].type;
    return NULL;
}

static int by_name(const void *a, const void *b)
{
    const struct json *const *x = a, *const *y = b;

    return jackson_order((*x)->name, (*y)->name);
}

static void put_object(struct printer *p, const struct json *j, const struct av_node *n)
{
    const struct json **members = mem_array(j->n, sizeof *members);
    size_t count = 0;

    for (const struct json *m = j->first; m != NULL; m = m->next)
        members[count++] = m;
    qsort(members, count, sizeof *members, by_name);
    buf_put_u8(p->out, '{');
    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            buf_put_u8(p->out, ',');
        jackson_put_string(p->out, members[i]->name);
        buf_put_u8(p->out, ':');
        put_value(p, members[i], member_type(n, members[i]->name));
    }
    buf_put_u8(p->out, '}');
    free(members);
}

static void put_array(struct printer *p, const struct json *j, const struct av_node *n)
{
    buf_put_u8(p->out, '[');
    for (const struct json *m = j->first; m != NULL; m = m->next) {
        if (m != j->first)
            buf_put_u8(p->out, ',');
        put_value(p, m, n->type == AV_ARRAY ? n->items : NULL);
    }
    buf_put_u8(p->out, ']');
}

/* A default in the form of its type: 1 of a double is 1.0. */
static void put_value(struct printer *p, const struct json *j, const struct av_node *n)
{
    n = n != NULL ? first_branch(n) : NULL;
    if (n == NULL)
        jackson_put(p->out, j, true);
    else if (j->kind == JSON_NUMBER && n->type == AV_FLOAT)
        jackson_put_float(p->out, (float)jackson_double(j->text));
    else if (j->kind == JSON_NUMBER && n->type == AV_DOUBLE)
        jackson_put_double(p->out, jackson_double(j->text));
    else if (j->kind == JSON_STRING && (n->type == AV_BYTES || n->type == AV_FIXED))
        put_latin1(p->out, j->text);
    else if (j->kind == JSON_OBJECT)
        put_object(p, j, n);
    else if (j->kind == JSON_ARRAY)
        put_array(p, j, n);
    else
        jackson_put(p->out, j, true);
}

/* Avro Java reads "default": "1.5" of a float or double as the number. */
static void put_default(struct printer *p, const struct av_field *f)
{
    bool real = f->type->type == AV_FLOAT || f->type->type == AV_DOUBLE;

    if (f->fallback == NULL || (p->normalized && !has_value(f->fallback, f->type)))
        return;
    put_key(p, "default");
    if (real && f->fallback->kind == JSON_STRING) {
        double v = jackson_double(f->fallback->text);
        if (p->normalized && f->type->type == AV_FLOAT)
            jackson_put_float(p->out, (float)v);
        else
            jackson_put_double(p->out, v);
    } else if (p->normalized) {
        put_value(p, f->fallback, f->type);
    } else {
        jackson_put(p->out, f->fallback, false);
    }
}

static void put_field(struct printer *p, const struct av_field *f, struct span space)
{
    static const char *const orders[] = {
        [AV_DESCENDING] = "descending", [AV_IGNORE] = "ignore"};

    buf_put_str(p->out, "{\"name\":");
    jackson_put_string(p->out, f->name);
    put_key(p, "type");
    put_node(p, f->type, space);
    if (f->has_doc)
        put_text(p, "doc", f->doc);
    put_default(p, f);
    if (f->order != AV_ASCENDING)
        put_text(p, "order", span_str(orders[f->order]));
    put_field_aliases(p, f);
    put_attrs(p, f->attrs, f->n_attrs, NULL);
    buf_put_u8(p->out, '}');
}

static void put_fields(struct printer *p, const struct av_node *n)
{
    put_key(p, "fields");
    buf_put_u8(p->out, '[');
    for (size_t i = 0; i < n->n_fields; i++) {
        if (i > 0)
            buf_put_u8(p->out, ',');
        put_field(p, &n->fields[i], n->name.space);
    }
    buf_put_u8(p->out, ']');
}

static void put_symbols(struct printer *p, const struct av_node *n)
{
    put_key(p, "symbols");
    buf_put_u8(p->out, '[');
    for (size_t i = 0; i < n->n_symbols; i++) {
        if (i > 0)
            buf_put_u8(p->out, ',');
        jackson_put_string(p->out, n->symbols[i]);
    }
    buf_put_u8(p->out, ']');
    if (n->fallback >= 0)
        put_text(p, "default", n->symbols[n->fallback]);
}

static void put_named(struct printer *p, const struct av_node *n, struct span space)
{
    bool error = n->is_error && !p->normalized;

    if (!av_seen_add(&p->seen, &n->name)) {
        put_qualified(p, &n->name, space);
        return;
    }
    buf_printf(p->out, "{\"type\":\"%s\"", error ? "error" : av_type_name(n->type));
    put_name(p, &n->name, space);
    if (n->has_doc && !(p->normalized && n->doc.n == 0))
        put_text(p, "doc", n->doc);
    if (n->type == AV_RECORD)
        put_fields(p, n);
    else if (n->type == AV_ENUM)
        put_symbols(p, n);
    else
        buf_printf(p->out, ",\"size\":%zu", n->size);
    put_attrs(p, n->attrs, n->n_attrs, n);
    put_type_aliases(p, n);
    buf_put_u8(p->out, '}');
}

static void put_container(struct printer *p, const struct av_node *n, const char *what,
                          struct span space)
{
    buf_printf(p->out, "{\"type\":\"%s\",\"%s\":", av_type_name(n->type), what);
    put_node(p, n->items, space);
    put_attrs(p, n->attrs, n->n_attrs, n);
    buf_put_u8(p->out, '}');
}

static void put_union(struct printer *p, const struct av_node *n, struct span space)
{
    buf_put_u8(p->out, '[');
    for (size_t i = 0; i < n->n_branches; i++) {
        if (i > 0)
            buf_put_u8(p->out, ',');
        put_node(p, n->branches[i], space);
    }
    buf_put_u8(p->out, ']');
}

static void put_primitive(struct printer *p, const struct av_node *n)
{
    if (n->n_attrs == 0) {
        buf_printf(p->out, "\"%s\"", av_type_name(n->type));
        return;
    }
    buf_printf(p->out, "{\"type\":\"%s\"", av_type_name(n->type));
    put_attrs(p, n->attrs, n->n_attrs, n);
    buf_put_u8(p->out, '}');
}

static void put_node(struct printer *p, const struct av_node *n, struct span space)
{
    if (p->depth == AV_PRINT_DEPTH) {
        p->out->over = true;
        return;
    }
    p->depth++;
    switch (n->type) {
    case AV_RECORD:
    case AV_ENUM:
    case AV_FIXED: put_named(p, n, space); break;
    case AV_ARRAY: put_container(p, n, "items", space); break;
    case AV_MAP: put_container(p, n, "values", space); break;
    case AV_UNION: put_union(p, n, space); break;
    default: put_primitive(p, n); break;
    }
    p->depth--;
}

static bool is_named(const struct av_node *n)
{
    return n->type == AV_RECORD || n->type == AV_ENUM || n->type == AV_FIXED;
}

/* The roots of references count as written; not the types inside them. */
static void know_references(struct printer *p, const struct av_schema *s)
{
    const struct av_schema *known;

    for (size_t i = 0; (known = av_schema_known(s, i)) != NULL; i++)
        if (is_named(av_schema_root(known)))
            av_seen_add(&p->seen, &av_schema_root(known)->name);
}

static void print(struct buf *out, const struct av_schema *s, bool normalized,
                  bool alone)
{
    struct printer p = {.out = out, .normalized = normalized};

    if (!alone)
        know_references(&p, s);
    put_node(&p, av_schema_root(s), (struct span){0});
    av_seen_free(&p.seen);
}

void av_print(struct buf *out, const struct av_schema *s)
{
    print(out, s, false, false);
}

void av_print_normalized(struct buf *out, const struct av_schema *s)
{
    print(out, s, true, false);
}

void av_print_alone(struct buf *out, const struct av_schema *s)
{
    print(out, s, false, true);
}
