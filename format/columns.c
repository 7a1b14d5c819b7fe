#include "format/columns_inside.h"

#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>

#define FIRST_CAP 64
#define FIRST_BYTES 1024
#define TEXT_MOST ((size_t)INT32_MAX - COLUMN_SLACK) // offsets are of 32 bits

/* ---- growing ---- */

static bool is_bits(const struct column *c)
{
    return c->kind == COLUMN_BOOLEAN || c->kind == COLUMN_PRESENT;
}

static bool has_offsets(const struct column *c)
{
    switch (c->kind) {
    case COLUMN_BINARY:
    case COLUMN_STRING:
    case COLUMN_DECIMAL_TEXT:
    case COLUMN_BIG_DECIMAL:
    case COLUMN_SYMBOL:
    case COLUMN_JSON:
    case COLUMN_LIST:
    case COLUMN_MAP: return true;
    default: return false;
    }
}

static size_t bits_bytes(size_t n)
{
    return (n + 7) / 8;
}

/* What `cap` values take beside the bytes of texts. */
static size_t cap_cost(const struct column *c, size_t cap)
{
    return (c->nullable ? bits_bytes(cap) : 0) + (is_bits(c) ? bits_bytes(cap) : 0) +
           c->width * cap + (has_offsets(c) ? (cap + 1) * sizeof *c->offsets : 0);
}

static uint8_t *grow_bits(uint8_t *bits, size_t cap, size_t to)
{
    size_t had = bits_bytes(cap), wants = bits_bytes(to);

    bits = mem_grow(bits, wants, 1);
    memset(bits + had, 0, wants - had);
    return bits;
}

bool column_grow(struct columns *set, struct column *c)
{
    size_t to = c->cap == 0 ? FIRST_CAP : c->cap * 2;
    size_t cost = cap_cost(c, to) - (c->cap == 0 ? 0 : cap_cost(c, c->cap));

    if (cost > set->most - set->held || to > TEXT_MOST)
        return false;
    set->held += cost;
    if (c->nullable && c->kind != COLUMN_NULL)
        c->valid = grow_bits(c->valid, c->cap, to);
    if (is_bits(c))
        c->values = grow_bits(c->values, c->cap, to);
    else if (c->width > 0)
        c->values = mem_grow(c->values, to, c->width);
    if (has_offsets(c)) {
        c->offsets = mem_grow(c->offsets, to + 1, sizeof *c->offsets);
        if (c->cap == 0)
            c->offsets[0] = 0;
    }
    c->cap = to;
    return true;
}

bool column_grow_bytes(struct columns *set, struct column *c, size_t n)
{
    size_t to = c->cap_bytes == 0 ? FIRST_BYTES : c->cap_bytes;

    if (n > TEXT_MOST - c->n_bytes)
        return false;
    while (to - c->n_bytes < n)
        to *= 2;
    if (to > TEXT_MOST)
        to = TEXT_MOST;
    if (to - c->cap_bytes > set->most - set->held)
        return false;
    set->held += to - c->cap_bytes;
    c->bytes = mem_grow(c->bytes, to + COLUMN_SLACK, 1);
    c->cap_bytes = to;
    return true;
}

bool column_append_null(struct columns *set, struct column *c)
{
    if (c->n == c->cap && !column_grow(set, c))
        return false;
    if (c->width > 0)
        memset(c->values + c->n * c->width, 0, c->width);
    if (c->offsets != NULL)
        c->offsets[c->n + 1] = c->offsets[c->n];
    if (c->kind == COLUMN_STRUCT || c->kind == COLUMN_UNION ||
        c->kind == COLUMN_DURATION)
        for (size_t i = 0; i < c->n_children; i++)
            if (!column_append_null(set, &c->children[i]))
                return false;
    c->n++;
    c->nulls += c->nullable;
    return true;
}

static bool bit(const uint8_t *bits, size_t i)
{
    return bits[i >> 3] >> (i & 7) & 1;
}

static void clear_bits(uint8_t *bits, size_t from, size_t to)
{
    for (; from < to && (from & 7) != 0; from++)
        bits[from >> 3] &= (uint8_t) ~(1u << (from & 7));
    if (from < to)
        memset(bits + (from >> 3), 0, bits_bytes(to) - (from >> 3));
}

/* Its own values; one more than c->n may be half there: a bit, a text's bytes. */
static void cut_values(struct column *c, size_t n)
{
    if (c->kind == COLUMN_NULL)
        c->nulls = n;
    else if (c->nullable)
        for (size_t i = n; i < c->n; i++)
            c->nulls -= !bit(c->valid, i);
    size_t touched = c->n < c->cap ? c->n + 1 : c->n;
    if (c->valid != NULL)
        clear_bits(c->valid, n, touched);
    if (is_bits(c))
        clear_bits(c->values, n, touched);
    if (c->offsets != NULL)
        c->n_bytes = (size_t)c->offsets[n];
    c->n = n;
}

void column_cut(struct column *c, size_t n)
{
    cut_values(c, n);
    size_t of_children =
        c->kind == COLUMN_LIST || c->kind == COLUMN_MAP ? (size_t)c->offsets[n] : n;
    for (size_t i = 0; i < c->n_children; i++)
        column_cut(&c->children[i], of_children);
}

/* ---- which type becomes which column ---- */

struct builder {
    struct columns *set;
    const struct av_node *open[COLUMNS_DEPTH]; // records we are inside
    size_t n_open, depth;
    struct err *e;
};

static enum err_kind build(struct builder *b, struct column *c, char *take_name,
                           const struct av_node *node, bool nullable);

static const struct {
    enum column_kind kind;
    size_t width;
    const char *format;
} plain[] = {
    [AV_NULL] = {COLUMN_NULL, 0, "n"},      [AV_BOOLEAN] = {COLUMN_BOOLEAN, 0, "b"},
    [AV_INT] = {COLUMN_INT32, 4, "i"},      [AV_LONG] = {COLUMN_INT64, 8, "l"},
    [AV_FLOAT] = {COLUMN_FLOAT, 4, "f"},    [AV_DOUBLE] = {COLUMN_DOUBLE, 8, "g"},
    [AV_BYTES] = {COLUMN_BINARY, 0, "z"},   [AV_STRING] = {COLUMN_STRING, 0, "u"},
    [AV_RECORD] = {COLUMN_STRUCT, 0, "+s"}, [AV_ENUM] = {COLUMN_ENUM, 4, "i"},
    [AV_ARRAY] = {COLUMN_LIST, 0, "+l"},    [AV_MAP] = {COLUMN_MAP, 0, "+m"},
    [AV_UNION] = {COLUMN_UNION, 0, "+s"},   [AV_FIXED] = {COLUMN_FIXED, 0, ""},
};

static const char *const clocks[] = {
    [AV_DATE] = "tdD",
    [AV_TIME_MILLIS] = "ttm",
    [AV_TIME_MICROS] = "ttu",
    [AV_TIMESTAMP_MILLIS] = "tsm:UTC",
    [AV_TIMESTAMP_MICROS] = "tsu:UTC",
    [AV_TIMESTAMP_NANOS] = "tsn:UTC",
    [AV_LOCAL_TIMESTAMP_MILLIS] = "tsm:",
    [AV_LOCAL_TIMESTAMP_MICROS] = "tsu:",
    [AV_LOCAL_TIMESTAMP_NANOS] = "tsn:",
    [AV_DURATION] = NULL,
};

static void set_kind(struct column *c, enum column_kind kind, size_t width,
                     const char *format)
{
    c->kind = kind;
    c->width = width;
    snprintf(c->format, sizeof c->format, "%s", format);
}

/* 10^precision, in four words, low first. */
static void set_bound(struct column *c, int precision)
{
    memset(c->bound, 0, sizeof c->bound);
    c->bound[0] = 1;
    for (int i = 0; i < precision; i++) {
        unsigned __int128 carry = 0;
        for (int k = 0; k < 4; k++) {
            carry += (unsigned __int128)c->bound[k] * 10;
            c->bound[k] = (uint64_t)carry;
            carry >>= 64;
        }
    }
}

static void set_decimal(struct column *c, const struct av_node *n)
{
    char format[sizeof c->format];

    if (n->precision > 76) {
        set_kind(c, COLUMN_DECIMAL_TEXT, 0, "u");
        return;
    }
    bool wide = n->precision > 38;
    snprintf(format, sizeof format, "d:%d,%d%s", n->precision, n->scale,
             wide ? ",256" : "");
    set_kind(c, COLUMN_DECIMAL, wide ? 32 : 16, format);
    set_bound(c, n->precision);
}

static enum err_kind add_child(struct builder *b, struct column *c, const char *name,
                               const struct av_node *node, bool nullable)
{
    struct column *child = &c->children[c->n_children++];

    return build(b, child, mem_str(span_str(name)), node, nullable);
}

static enum err_kind set_duration(struct builder *b, struct column *c)
{
    static const char *const parts[] = {"months", "days", "milliseconds"};

    set_kind(c, COLUMN_DURATION, 0, "+s");
    c->children = mem_array(3, sizeof *c->children);
    for (int i = 0; i < 3; i++) {
        struct column *part = &c->children[c->n_children++];
        part->name = mem_str(span_str(parts[i]));
        set_kind(part, COLUMN_INT32, 4, "I");
        if (!column_grow(b->set, part))
            return err_set(b->e, ERR_LIMIT, "too many columns for the memory allowed");
    }
    return ERR_OK;
}

static void set_fixed(struct column *c, size_t size)
{
    char format[sizeof c->format];

    if (size == 0) { // Parquet has no fixed of no size
        set_kind(c, COLUMN_BINARY, 0, "z");
        return;
    }
    snprintf(format, sizeof format, "w:%zu", size);
    set_kind(c, COLUMN_FIXED, size, format);
}

static void set_dictionary(struct column *c)
{
    struct column *d = c->dictionary = mem_alloc(sizeof *d);

    set_kind(d, COLUMN_STRING, 0, "u");
    d->name = mem_str(span_str(""));
    d->offsets = mem_array(c->node->n_symbols + 1, sizeof *d->offsets);
    for (size_t i = 0; i < c->node->n_symbols; i++)
        d->n_bytes += c->node->symbols[i].n;
    d->bytes = mem_array(d->n_bytes + 1, 1);
    for (size_t i = 0, at = 0; i < c->node->n_symbols; i++) {
        struct span s = c->node->symbols[i];
        memcpy(d->bytes + at, s.p, s.n);
        at += s.n;
        d->offsets[i + 1] = (int32_t)at;
    }
    d->n = d->cap = c->node->n_symbols;
}

/*
 * A dictionary is what makes a table of symbols small to hold; but Arrow cannot read
 * one inside a record, list or map from several row groups ("Nested data conversions
 * not implemented for chunked array outputs"), so there it is text.
 */
static void set_enum(struct builder *b, struct column *c)
{
    const struct column *first = b->set->root.children;

    if (c >= first && c < first + b->set->root.n_children)
        set_dictionary(c);
    else
        set_kind(c, COLUMN_SYMBOL, 0, "u");
}

static bool is_open(const struct builder *b, const struct av_node *node)
{
    for (size_t i = 0; i < b->n_open; i++)
        if (b->open[i] == node)
            return true;
    return false;
}

static enum err_kind add_fields(struct builder *b, struct column *c)
{
    const struct av_node *n = c->node;

    c->children = mem_array(n->n_fields, sizeof *c->children);
    b->open[b->n_open++] = n;
    for (size_t i = 0; i < n->n_fields; i++) {
        char *name = mem_str(n->fields[i].name);
        TRY(build(b, &c->children[c->n_children++], name, n->fields[i].type, false));
    }
    b->n_open--;
    return ERR_OK;
}

static size_t same_base(const struct av_node *u, const struct av_name *name)
{
    size_t n = 0;

    for (size_t i = 0; i < u->n_branches; i++)
        n += u->branches[i]->name.base.n > 0 &&
             span_eq(u->branches[i]->name.base, name->base);
    return n;
}

/* "long", "Order"; "shop_Order" where two branches are called Order. */
static void member_name(char out[AV_FULLNAME_SHOWN], const struct av_node *u,
                        const struct av_node *branch)
{
    av_node_name(out, branch);
    if (branch->name.base.n > 0 && same_base(u, &branch->name) == 1)
        snprintf(out, AV_FULLNAME_SHOWN, "%.*s", (int)branch->name.base.n,
                 (const char *)branch->name.base.p);
    for (char *p = out; *p != '\0'; p++)
        if (*p == '.')
            *p = '_';
}

static enum err_kind add_members(struct builder *b, struct column *c)
{
    const struct av_node *u = c->union_;
    char name[AV_FULLNAME_SHOWN];

    c->children = mem_array(u->n_branches, sizeof *c->children);
    for (size_t i = 0; i < u->n_branches; i++) {
        if (u->branches[i]->type == AV_NULL)
            continue;
        member_name(name, u, u->branches[i]);
        TRY(add_child(b, c, name, u->branches[i], true));
    }
    return ERR_OK;
}

/* What is no union and has no logical type of its own form. */
static enum err_kind set_type(struct builder *b, struct column *c)
{
    const struct av_node *n = c->node;

    set_kind(c, plain[n->type].kind, plain[n->type].width, plain[n->type].format);
    switch (n->type) {
    case AV_NULL: c->nullable = true; return ERR_OK;
    case AV_FIXED: set_fixed(c, n->size); return ERR_OK;
    case AV_ENUM: set_enum(b, c); return ERR_OK;
    case AV_ARRAY:
        c->children = mem_array(1, sizeof *c->children);
        return add_child(b, c, "element", n->items, false);
    case AV_MAP:
        c->children = mem_array(2, sizeof *c->children);
        c->children[0].name = mem_str(span_str("key"));
        set_kind(&c->children[0], COLUMN_STRING, 0, "u");
        c->n_children = 1;
        if (!column_grow(b->set, &c->children[0]))
            return err_set(b->e, ERR_LIMIT, "too many columns for the memory allowed");
        return add_child(b, c, "value", n->items, false);
    case AV_RECORD:
        if (is_open(b, n))
            set_kind(c, COLUMN_JSON, 0, "u");
        else if (n->n_fields == 0)
            set_kind(c, COLUMN_PRESENT, 0, "b");
        else
            return add_fields(b, c);
        return ERR_OK;
    default: return ERR_OK;
    }
}

static enum err_kind set_logical(struct builder *b, struct column *c)
{
    switch (c->node->logical) {
    case AV_PLAIN: return set_type(b, c);
    case AV_DECIMAL: set_decimal(c, c->node); return ERR_OK;
    case AV_BIG_DECIMAL: set_kind(c, COLUMN_BIG_DECIMAL, 0, "u"); return ERR_OK;
    case AV_UUID:
        if (!b->set->uuids)
            return set_type(b, c);
        set_kind(c, COLUMN_UUID, 16, "w:16");
        return ERR_OK;
    case AV_DURATION: return set_duration(b, c);
    default:
        TRY(set_type(b, c));
        snprintf(c->format, sizeof c->format, "%s", clocks[c->node->logical]);
        return ERR_OK;
    }
}

/* A union of one type is that type, with null it is that type which may be null. */
static enum err_kind set_union(struct builder *b, struct column *c)
{
    const struct av_node *u = c->node, *only = NULL;
    size_t others = 0;

    c->union_ = u;
    for (size_t i = 0; i < u->n_branches; i++)
        if (u->branches[i]->type == AV_NULL) {
            c->nullable = true;
        } else {
            only = u->branches[i];
            others++;
        }
    if (others > 1) {
        set_kind(c, COLUMN_UNION, 0, "+s");
        return add_members(b, c);
    }
    c->node = others == 1 ? only : u->branches[0];
    return set_logical(b, c);
}

static enum err_kind build(struct builder *b, struct column *c, char *take_name,
                           const struct av_node *node, bool nullable)
{
    c->name = take_name;
    c->node = node;
    c->nullable = nullable;
    if (b->depth == COLUMNS_DEPTH)
        return err_set(b->e, ERR_LIMIT, "%.80s: types nest deeper than %d", c->name,
                       COLUMNS_DEPTH);
    if (++b->set->total > COLUMNS_MOST)
        return err_set(b->e, ERR_LIMIT, "more than %d columns", COLUMNS_MOST);
    b->depth++;
    TRY(node->type == AV_UNION ? set_union(b, c) : set_logical(b, c));
    b->depth--;
    if (!column_grow(b->set, c))
        return err_set(b->e, ERR_LIMIT, "%.80s: more columns than %zu bytes hold",
                       c->name, b->set->most);
    return ERR_OK;
}

/* A schema that is no record is a record of one field. */
static enum err_kind build_root(struct builder *b)
{
    struct columns *set = b->set;
    const struct av_node *root = av_schema_root(set->schema);

    if (root->type == AV_RECORD && root->n_fields == 0)
        return err_set(b->e, ERR_INVALID,
                       "a record without fields has no columns to write");
    set->wrapped = root->type != AV_RECORD;
    if (!set->wrapped)
        return build(b, &set->root, mem_str(span_str("")), root, false);
    set->root.name = mem_str(span_str(""));
    set_kind(&set->root, COLUMN_STRUCT, 0, "+s");
    set->root.children = mem_array(1, sizeof *set->root.children);
    if (!column_grow(set, &set->root))
        return err_set(b->e, ERR_LIMIT, "more columns than %zu bytes hold", set->most);
    return add_child(b, &set->root, "value", root, false);
}

enum err_kind columns_new(struct columns **out, struct av_schema *s, size_t most_bytes,
                          bool uuids, struct err *e)
{
    struct columns *set = mem_alloc(sizeof *set);
    struct builder b = {.set = set, .e = e};

    set->schema = av_schema_retain(s);
    set->most = most_bytes;
    set->uuids = uuids;
    enum err_kind k = build_root(&b);
    if (k != ERR_OK) {
        columns_free(set);
        return k;
    }
    *out = set;
    return ERR_OK;
}

static void free_column(struct column *c)
{
    for (size_t i = 0; i < c->n_children; i++)
        free_column(&c->children[i]);
    if (c->dictionary != NULL)
        free_column(c->dictionary);
    free(c->dictionary);
    free(c->children);
    free(c->name);
    free(c->valid);
    free(c->values);
    free(c->offsets);
    free(c->bytes);
}

void columns_free(struct columns *c)
{
    if (c == NULL)
        return;
    free_column(&c->root);
    av_schema_release(c->schema);
    free(c);
}

static void reset_column(struct column *c)
{
    if (c->valid != NULL)
        memset(c->valid, 0, bits_bytes(c->n));
    if (is_bits(c))
        memset(c->values, 0, bits_bytes(c->n));
    c->n = c->nulls = c->n_bytes = 0;
    for (size_t i = 0; i < c->n_children; i++)
        reset_column(&c->children[i]);
}

void columns_reset(struct columns *c)
{
    reset_column(&c->root);
}

size_t columns_rows(const struct columns *c)
{
    return c->root.n;
}

static size_t used_bytes(const struct column *c)
{
    size_t n = cap_cost(c, c->n) + (c->bytes != NULL ? c->n_bytes : 0);

    for (size_t i = 0; i < c->n_children; i++)
        n += used_bytes(&c->children[i]);
    return n;
}

size_t columns_bytes(const struct columns *c)
{
    return used_bytes(&c->root);
}
