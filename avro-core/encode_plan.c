#include "avro-core/encode_inside.h"

#include <stdio.h>
#include <stdlib.h>

/* ---- names to indexes ---- */

static uint32_t hash(struct span s)
{
    uint64_t h = s.n, x;
    size_t i = 0;

    for (; s.n - i >= sizeof x; i += sizeof x) {
        memcpy(&x, s.p + i, sizeof x);
        h = (h ^ x) * 0x9e3779b97f4a7c15u;
        h ^= h >> 32;
    }
    for (; i < s.n; i++)
        h = (h ^ s.p[i]) * 0x100000001b3u;
    return (uint32_t)(h ^ h >> 29);
}

uint32_t lookup_find(const struct lookup *l, struct span name)
{
    for (uint32_t i = hash(name) & l->mask;; i = (i + 1) & l->mask) {
        uint32_t slot = l->slots[i];
        if (slot == 0)
            return LOOKUP_NONE;
        if (span_eq(l->names[slot - 1], name))
            return slot - 1;
    }
}

static void make_lookup(struct arena *a, struct lookup *l, const struct span *names,
                        size_t n)
{
    size_t size = 4;

    while (size < 2 * n)
        size *= 2;
    uint32_t *slots = arena_array(a, size, sizeof *slots);
    l->mask = (uint32_t)(size - 1);
    l->slots = slots;
    l->names = names;
    for (uint32_t k = 0; k < n; k++) {
        uint32_t i = hash(names[k]) & l->mask;
        while (slots[i] != 0)
            i = (i + 1) & l->mask;
        slots[i] = k + 1;
    }
}

/* ---- what a person is told was wanted ---- */

#define WANTED_SHOWN 200

static struct span list(struct arena *a, const struct span *names, size_t n)
{
    struct buf b = BUF_INIT(WANTED_SHOWN + 512);

    buf_put_str(&b, "one of: ");
    for (size_t i = 0; i < n; i++) {
        if (i > 0)
            buf_put_str(&b, ", ");
        if (b.n > WANTED_SHOWN) {
            buf_put_str(&b, "...");
            break;
        }
        buf_put(&b, span_of(names[i].p, names[i].n < 256 ? names[i].n : 256));
    }
    struct span s = arena_copy(a, buf_span(&b));
    buf_free(&b);
    return s;
}

static struct span short_name(struct arena *a, const struct av_node *n, bool strict)
{
    char name[AV_FULLNAME_SHOWN];

    if (n->logical == AV_DECIMAL && !strict)
        return arena_printf(a, "decimal(%d,%d)", n->precision, n->scale);
    if (n->logical != AV_PLAIN && !strict)
        return arena_copy(a, span_str(av_logical_name(n->logical)));
    av_node_name(name, n);
    return arena_copy(a, span_str(name));
}

static struct span union_wanted(struct arena *a, const struct av_node *n, bool strict)
{
    struct span *names = arena_array(a, n->n_branches, sizeof *names);

    for (size_t i = 0; i < n->n_branches; i++)
        names[i] = short_name(a, n->branches[i], strict);
    return list(a, names, n->n_branches);
}

static struct span wanted(struct arena *a, const struct av_node *n, bool strict)
{
    if (n->type == AV_UNION)
        return union_wanted(a, n, strict);
    if (n->type == AV_ENUM)
        return list(a, n->symbols, n->n_symbols);

    struct span name = short_name(a, n, strict);
    if (n->type == AV_FIXED && (strict || n->logical == AV_PLAIN))
        return arena_printf(a, SPAN_FMT ", %zu bytes", SPAN_ARG(name), n->size);
    return name;
}

/* ---- nodes ---- */

/* The name as most programs write it: in quotes, the colon at once behind. */
static struct span make_key(struct arena *a, struct span name)
{
    uint8_t *p = arena_alloc(a, name.n + 3);

    p[0] = p[name.n + 1] = '"';
    p[name.n + 2] = ':';
    if (name.n > 0)
        memcpy(p + 1, name.p, name.n);
    return span_of(p, name.n + 3);
}

static void make_head(struct member *m)
{
    uint8_t head[sizeof m->head] = {0}, mask[sizeof m->mask] = {0};
    size_t n = m->key.n < sizeof head ? m->key.n : sizeof head;

    memcpy(head, m->key.p, n);
    memset(mask, 0xff, n);
    memcpy(m->head, head, sizeof head);
    memcpy(m->mask, mask, sizeof mask);
}

static void make_record(struct av_encoder *enc, struct node *out)
{
    const struct av_node *n = out->schema;
    struct member *members = arena_array(&enc->arena, n->n_fields, sizeof *members);
    struct span *names = arena_array(&enc->arena, n->n_fields, sizeof *names);

    for (size_t i = 0; i < n->n_fields; i++) {
        const struct av_field *f = &n->fields[i];
        members[i].name = names[i] = f->name;
        members[i].key = make_key(&enc->arena, f->name);
        members[i].type = &enc->nodes[f->type->index];
        members[i].has_fallback =
            f->fallback_avro.p != NULL && !enc->options.strict_avro_json;
        members[i].fallback = f->fallback_avro;
        make_head(&members[i]);
    }
    out->members = members;
    out->n = (uint32_t)n->n_fields;
    make_lookup(&enc->arena, &out->lookup, names, n->n_fields);
}

static struct span wrapper_name(struct arena *a, const struct av_node *n)
{
    if (n->type == AV_NULL)
        return (struct span){0}; // null goes bare
    if (n->name.base.n == 0)
        return span_str(av_type_name(n->type));
    if (n->name.space.n == 0)
        return n->name.base;

    size_t size = n->name.space.n + 1 + n->name.base.n;
    uint8_t *p = arena_alloc(a, size);
    memcpy(p, n->name.space.p, n->name.space.n);
    p[n->name.space.n] = '.';
    memcpy(p + n->name.space.n + 1, n->name.base.p, n->name.base.n);
    return span_of(p, size);
}

static void make_branches(struct av_encoder *enc, struct node *out)
{
    const struct av_node *n = out->schema;
    struct branch *branches = arena_array(&enc->arena, n->n_branches, sizeof *branches);

    for (size_t i = 0; i < n->n_branches; i++) {
        uint8_t index[VARINT];
        branches[i].node = &enc->nodes[n->branches[i]->index];
        branches[i].wrapper = wrapper_name(&enc->arena, n->branches[i]);
        branches[i].index_n = (uint8_t)(varint_put(index, (int64_t)i) - index);
        memcpy(branches[i].index, index, branches[i].index_n);
    }
    out->branches = branches;
    out->n = (uint32_t)n->n_branches;
}

/* Once all nodes know what they take. */
static void make_picks(struct node *n)
{
    for (int token = 0; token < TOKENS; token++)
        for (uint32_t i = n->n; i-- > 0;)
            if ((n->branches[i].node->takes >> token & 1) != 0) {
                n->pick[token].first = i;
                n->pick[token].n++;
            }
}

static int64_t units_per_second(enum av_logical l)
{
    switch (l) {
    case AV_TIME_MICROS:
    case AV_TIMESTAMP_MICROS:
    case AV_LOCAL_TIMESTAMP_MICROS: return 1000000;
    case AV_TIMESTAMP_NANOS:
    case AV_LOCAL_TIMESTAMP_NANOS: return 1000000000;
    default: return 1000;
    }
}

static void make_scalar(struct av_encoder *enc, struct node *out)
{
    const struct av_node *n = out->schema;
    const struct kind *plain = scalar_kind(n, true);
    const struct kind *k = scalar_kind(n, enc->options.strict_avro_json);

    out->encode = k->encode;
    out->from_text = k->from_text;
    out->from_number = k->from_number != NULL ? k->from_number : plain->from_number;
    out->integral = n->type == AV_INT || n->type == AV_LONG;
    out->per_second = units_per_second(n->logical);
    out->is_local = n->logical >= AV_LOCAL_TIMESTAMP_MILLIS &&
                    n->logical <= AV_LOCAL_TIMESTAMP_NANOS;
    out->takes |=
        (uint8_t)((out->from_text != NULL || n->type == AV_STRING) << TOKEN_STRING |
                  (out->from_number != NULL) << TOKEN_NUMBER |
                  (n->type == AV_NULL) << TOKEN_NULL |
                  (n->type == AV_BOOLEAN) << TOKEN_BOOL);
    if (n->type == AV_ENUM) {
        make_lookup(&enc->arena, &out->lookup, n->symbols, n->n_symbols);
        out->n = (uint32_t)n->n_symbols;
    }
}

static void make_node(struct av_encoder *enc, struct node *out, const struct av_node *n)
{
    out->schema = n;
    out->size = n->size;
    out->wanted = wanted(&enc->arena, n, enc->options.strict_avro_json);
    switch (n->type) {
    case AV_RECORD:
        out->encode = encode_record;
        out->takes = 1 << TOKEN_OBJECT;
        make_record(enc, out);
        return;
    case AV_ARRAY:
        out->encode = encode_array;
        out->takes = 1 << TOKEN_ARRAY;
        out->items = &enc->nodes[n->items->index];
        return;
    case AV_MAP:
        out->encode = encode_map;
        out->takes = 1 << TOKEN_OBJECT;
        out->items = &enc->nodes[n->items->index];
        return;
    case AV_UNION:
        out->encode = encode_union;
        make_branches(enc, out);
        return;
    default: make_scalar(enc, out); return;
    }
}

#define DEPTH_UNSAID 64
#define DEPTH_MOST 1000 // the walk recurses
#define BYTES_UNSAID ((size_t)16 * 1024 * 1024)
#define BYTES_MOST ((size_t)1 << 31) // offsets in the tables have 32 bits

static void fill_options(struct av_encode_options *out,
                         const struct av_encode_options *o)
{
    if (o != NULL)
        *out = *o;
    if (out->depth == 0)
        out->depth = DEPTH_UNSAID;
    if (out->depth > DEPTH_MOST)
        out->depth = DEPTH_MOST;
    if (out->bytes == 0)
        out->bytes = BYTES_UNSAID;
    if (out->bytes > BYTES_MOST)
        out->bytes = BYTES_MOST;
    if (out->strict_avro_json)
        out->bytes_as = AV_BYTES_AVRO_JSON;
}

#define NODES_MOST 1000000

enum err_kind av_encoder_new(struct av_encoder **out, struct av_schema *s,
                             const struct av_encode_options *o, struct err *e)
{
    size_t n = av_schema_nodes(s);

    if (n > NODES_MOST)
        return err_set(e, ERR_LIMIT, "schema of %zu types, at most %d are encoded", n,
                       NODES_MOST);

    struct av_encoder *enc = mem_alloc(sizeof *enc);
    enc->schema = av_schema_retain(s);
    fill_options(&enc->options, o);
    enc->nodes = arena_array(&enc->arena, n, sizeof *enc->nodes);
    for (uint32_t i = 0; i < n; i++)
        make_node(enc, &enc->nodes[i], av_schema_node(s, i));
    for (uint32_t i = 0; i < n; i++)
        if (enc->nodes[i].schema->type == AV_UNION)
            make_picks(&enc->nodes[i]);
    enc->root = &enc->nodes[av_schema_root(s)->index];
    *out = enc;
    return ERR_OK;
}

void av_encoder_free(struct av_encoder *enc)
{
    if (enc == NULL)
        return;
    av_schema_release(enc->schema);
    arena_free(&enc->arena);
    free(enc);
}

const struct av_schema *av_encoder_schema(const struct av_encoder *enc)
{
    return enc->schema;
}
