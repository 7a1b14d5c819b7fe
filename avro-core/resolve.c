#include "avro-core/resolve_inside.h"

#include "base/mem.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

/*
 * Types may nest further by name than the text nests by brackets, so compiling has a
 * depth of its own; data deeper than decode.h's limit is refused there.
 */
#define DEPTH_MOST 512
#define OPS_MOST (1u << 20)
#define NO_HINT UINT32_MAX

/* A pair of types met before.  `r` NULL: not a pair, only w's least size in `least`. */
struct pair {
    const struct av_node *w, *r;
    struct av_op op;
    uint32_t least;
};

struct compiler {
    struct av_op *ops;
    uint32_t n_ops, cap_ops;
    uint32_t *symbols;
    uint32_t n_symbols;
    struct pair *pairs; // open addressing; cap_pairs is a power of two
    size_t n_pairs, cap_pairs;
    int depth;
    struct err *e;
};

/* ---- pairs ---- */

static size_t pair_slot(const struct compiler *c, const struct av_node *w,
                        const struct av_node *r)
{
    uint64_t h = ((uintptr_t)w ^ (uintptr_t)r * 31) * 0x9E3779B97F4A7C15u;
    size_t i = (size_t)(h >> 20) & (c->cap_pairs - 1);

    while (c->pairs[i].w != NULL && (c->pairs[i].w != w || c->pairs[i].r != r))
        i = (i + 1) & (c->cap_pairs - 1);
    return i;
}

static void grow_pairs(struct compiler *c)
{
    struct compiler old = *c;

    c->cap_pairs = old.cap_pairs == 0 ? 64 : old.cap_pairs * 2;
    c->pairs = mem_array(c->cap_pairs, sizeof *c->pairs);
    for (size_t i = 0; i < old.cap_pairs; i++)
        if (old.pairs[i].w != NULL)
            c->pairs[pair_slot(c, old.pairs[i].w, old.pairs[i].r)] = old.pairs[i];
    free(old.pairs);
}

/* The pair's entry, new (w == NULL) or met before.  Valid until the next call. */
static struct pair *find_pair(struct compiler *c, const struct av_node *w,
                              const struct av_node *r)
{
    if (c->n_pairs * 2 >= c->cap_pairs)
        grow_pairs(c);
    return &c->pairs[pair_slot(c, w, r)];
}

static void keep_pair(struct compiler *c, struct pair made)
{
    struct pair *p = find_pair(c, made.w, made.r);

    c->n_pairs += p->w == NULL;
    *p = made;
}

/* ---- room ---- */

static enum err_kind reserve(struct compiler *c, size_t n, uint32_t *first)
{
    if (n > OPS_MOST - c->n_ops)
        return err_set(c->e, ERR_LIMIT, "a plan of more than %u steps", OPS_MOST);
    if (c->n_ops + n > c->cap_ops) {
        c->cap_ops =
            c->cap_ops * 2 > c->n_ops + n ? c->cap_ops * 2 : c->n_ops + (uint32_t)n;
        c->ops = mem_grow(c->ops, c->cap_ops, sizeof *c->ops);
    }
    *first = c->n_ops;
    c->n_ops += (uint32_t)n;
    memset(c->ops + *first, 0, n * sizeof *c->ops);
    return ERR_OK;
}

/* ---- how few bytes a writer's type takes ---- */

static uint32_t add_sizes(uint32_t a, size_t b)
{
    return b > UINT32_MAX - a ? UINT32_MAX : a + (uint32_t)b;
}

static uint32_t least_size(struct compiler *c, const struct av_node *w);

/* 0, which is always true, for a record inside itself or nested beyond reason. */
static uint32_t least_record(struct compiler *c, const struct av_node *w)
{
    struct pair *met = find_pair(c, w, NULL);
    uint32_t sum = 0;

    if (met->w != NULL || c->depth == DEPTH_MOST)
        return met->w != NULL ? met->least : 0;
    keep_pair(c, (struct pair){.w = w});
    c->depth++;
    for (size_t i = 0; i < w->n_fields; i++)
        sum = add_sizes(sum, least_size(c, w->fields[i].type));
    c->depth--;
    keep_pair(c, (struct pair){.w = w, .least = sum});
    return sum;
}

static uint32_t least_size(struct compiler *c, const struct av_node *w)
{
    switch (w->type) {
    case AV_NULL: return 0;
    case AV_FLOAT: return 4;
    case AV_DOUBLE: return 8;
    case AV_FIXED: return add_sizes(0, w->size);
    case AV_RECORD: return least_record(c, w);
    default: return 1;
    }
}

/* ---- which types meet ---- */

/* Kinds of op by writer's and reader's type; AV_OP_REFUSE is 0 here. */
#define GOES(kind) ((kind) + 1)
static const uint8_t leaves[AV_STRING + 1][AV_STRING + 1] = {
    [AV_NULL] = {[AV_NULL] = GOES(AV_OP_NULL)},
    [AV_BOOLEAN] = {[AV_BOOLEAN] = GOES(AV_OP_BOOLEAN)},
    [AV_INT] = {[AV_INT] = GOES(AV_OP_INT),
                [AV_LONG] = GOES(AV_OP_INT),
                [AV_FLOAT] = GOES(AV_OP_INT_REAL),
                [AV_DOUBLE] = GOES(AV_OP_INT_REAL)},
    [AV_LONG] = {[AV_LONG] = GOES(AV_OP_LONG),
                 [AV_FLOAT] = GOES(AV_OP_LONG_REAL),
                 [AV_DOUBLE] = GOES(AV_OP_LONG_REAL)},
    [AV_FLOAT] = {[AV_FLOAT] = GOES(AV_OP_FLOAT), [AV_DOUBLE] = GOES(AV_OP_FLOAT)},
    [AV_DOUBLE] = {[AV_DOUBLE] = GOES(AV_OP_DOUBLE)},
    [AV_BYTES] =
        {[AV_BYTES] = GOES(AV_OP_BYTES), [AV_STRING] = GOES(AV_OP_BYTES_STRING)},
    [AV_STRING] =
        {[AV_STRING] = GOES(AV_OP_STRING), [AV_BYTES] = GOES(AV_OP_STRING_BYTES)},
};

static uint8_t leaf_kind(const struct av_node *w, const struct av_node *r)
{
    if (w->type > AV_STRING || r->type > AV_STRING || leaves[w->type][r->type] == 0)
        return AV_OP_REFUSE;
    return leaves[w->type][r->type] - 1;
}

/*
 * What a number or text means.  Two types that both say so must say the same: to read
 * milliseconds as microseconds, or cents as units, is to change data silently.
 */
enum meaning {
    ANY,
    DECIMAL,
    BIG_DECIMAL,
    UUID,
    DAYS,
    DAY_MILLIS,
    DAY_MICROS,
    MILLIS,
    MICROS,
    NANOS,
    DURATION
};

static const uint8_t meanings[] = {
    [AV_PLAIN] = ANY,
    [AV_DECIMAL] = DECIMAL,
    [AV_BIG_DECIMAL] = BIG_DECIMAL,
    [AV_UUID] = UUID,
    [AV_DATE] = DAYS,
    [AV_TIME_MILLIS] = DAY_MILLIS,
    [AV_TIME_MICROS] = DAY_MICROS,
    [AV_TIMESTAMP_MILLIS] = MILLIS,
    [AV_TIMESTAMP_MICROS] = MICROS,
    [AV_TIMESTAMP_NANOS] = NANOS,
    [AV_LOCAL_TIMESTAMP_MILLIS] = MILLIS,
    [AV_LOCAL_TIMESTAMP_MICROS] = MICROS,
    [AV_LOCAL_TIMESTAMP_NANOS] = NANOS,
    [AV_DURATION] = DURATION,
};

static bool meanings_clash(const struct av_node *w, const struct av_node *r)
{
    enum meaning a = meanings[w->logical], b = meanings[r->logical];

    if (a == ANY || b == ANY)
        return false;
    return a != b || (a == DECIMAL && w->scale != r->scale);
}

static bool has_alias(const struct av_node *r, const struct av_name *name)
{
    for (size_t i = 0; i < r->n_aliases; i++)
        if (av_name_eq(&r->aliases[i], name))
            return true;
    return false;
}

/* Unqualified, as the specification and Avro Java have it. */
static bool names_meet(const struct av_node *w, const struct av_node *r)
{
    if (span_eq(w->name.base, r->name.base))
        return true;
    for (size_t i = 0; i < r->n_aliases; i++)
        if (span_eq(r->aliases[i].base, w->name.base))
            return true;
    return false;
}

/* ---- compiling ---- */

static enum err_kind compile(struct compiler *c, const struct av_node *w,
                             const struct av_node *r, uint32_t hint, struct av_op *out);

static struct av_op refusal(enum av_refusal why, const struct av_node *w,
                            const struct av_node *r)
{
    return (struct av_op){
        .kind = AV_OP_REFUSE, .why = why, .hopeless = true, .node = r, .writer = w};
}

static struct av_op leaf(const struct av_node *w, const struct av_node *r)
{
    uint8_t kind = leaf_kind(w, r);

    if (kind == AV_OP_REFUSE)
        return refusal(AV_REFUSE_TYPE, w, r);
    if (meanings_clash(w, r))
        return refusal(AV_REFUSE_LOGICAL, w, r);
    return (struct av_op){.kind = kind, .node = r, .writer = w};
}

static struct av_op fixed(const struct av_node *w, const struct av_node *r)
{
    if (!names_meet(w, r))
        return refusal(AV_REFUSE_NAME, w, r);
    if (w->size != r->size)
        return refusal(AV_REFUSE_SIZE, w, r);
    if (meanings_clash(w, r))
        return refusal(AV_REFUSE_LOGICAL, w, r);
    return (struct av_op){.kind = AV_OP_FIXED, .node = r, .writer = w};
}

/* Names sorted, so that schemas of very many fields or symbols cost no square of it. */
struct listed {
    struct span name;
    uint32_t at;
};

static int by_name(const void *a, const void *b)
{
    const struct listed *x = a, *y = b;
    size_t n = x->name.n < y->name.n ? x->name.n : y->name.n;
    int order = n == 0 ? 0 : memcmp(x->name.p, y->name.p, n);

    return order != 0 ? order : (x->name.n > y->name.n) - (x->name.n < y->name.n);
}

static struct listed *list_fields(const struct av_node *record)
{
    struct listed *list = mem_array(record->n_fields, sizeof *list);

    for (uint32_t i = 0; i < record->n_fields; i++)
        list[i] = (struct listed){record->fields[i].name, i};
    qsort(list, record->n_fields, sizeof *list, by_name);
    return list;
}

static struct listed *list_symbols(const struct av_node *enumeration)
{
    struct listed *list = mem_array(enumeration->n_symbols, sizeof *list);

    for (uint32_t i = 0; i < enumeration->n_symbols; i++)
        list[i] = (struct listed){enumeration->symbols[i], i};
    qsort(list, enumeration->n_symbols, sizeof *list, by_name);
    return list;
}

static uint32_t find_listed(const struct listed *list, size_t n, struct span name)
{
    struct listed key = {.name = name};
    const struct listed *found = bsearch(&key, list, n, sizeof *list, by_name);

    return found == NULL ? AV_SKIPPED : found->at;
}

static bool same_start(const struct av_node *w, const struct av_node *r)
{
    for (size_t i = 0; i < w->n_symbols; i++)
        if (i >= r->n_symbols || !span_eq(w->symbols[i], r->symbols[i]))
            return false;
    return true;
}

/* The reader's number for each of the writer's symbols.  True when none has one. */
static bool map_symbols(uint32_t *to, const struct av_node *w, const struct av_node *r)
{
    struct listed *list = list_symbols(r);
    bool none = true;

    for (size_t i = 0; i < w->n_symbols; i++) {
        to[i] = find_listed(list, r->n_symbols, w->symbols[i]);
        if (to[i] == AV_SKIPPED)
            to[i] = r->fallback >= 0 ? (uint32_t)r->fallback : AV_NO_SYMBOL;
        none &= to[i] == AV_NO_SYMBOL;
    }
    free(list);
    return none;
}

static enum err_kind enumeration(struct compiler *c, const struct av_node *w,
                                 const struct av_node *r, struct av_op *out)
{
    if (!names_meet(w, r)) {
        *out = refusal(AV_REFUSE_NAME, w, r);
        return ERR_OK;
    }
    *out = (struct av_op){.kind = AV_OP_ENUM, .node = r, .writer = w};
    out->n = (uint32_t)w->n_symbols;
    if (w == r || same_start(w, r))
        return ERR_OK;

    if (w->n_symbols > OPS_MOST - c->n_symbols)
        return err_set(c->e, ERR_LIMIT, "a plan of more than %u symbols", OPS_MOST);
    out->kind = AV_OP_ENUM_MAP;
    out->first = c->n_symbols;
    c->n_symbols += out->n;
    c->symbols = mem_grow(c->symbols, c->n_symbols, sizeof *c->symbols);
    out->hopeless = map_symbols(c->symbols + out->first, w, r);
    return ERR_OK;
}

/*
 * For each of the reader's fields the writer's that feeds it, and the other way round:
 * the one of its name, else the first its aliases name that feeds no other. AV_SKIPPED:
 * none.
 */
static void feed_by_name(uint32_t *fed_by, uint32_t *feeds, const struct av_node *w,
                         const struct av_node *r)
{
    struct listed *list = list_fields(r);

    for (uint32_t i = 0; i < w->n_fields; i++) {
        feeds[i] = find_listed(list, r->n_fields, w->fields[i].name);
        if (feeds[i] != AV_SKIPPED)
            fed_by[feeds[i]] = i;
    }
    free(list);
}

static void feed_by_alias(uint32_t *fed_by, uint32_t *feeds, const struct av_node *w,
                          const struct av_node *r)
{
    struct listed *list = list_fields(w);

    for (uint32_t i = 0; i < r->n_fields; i++) {
        const struct av_field *f = &r->fields[i];

        for (size_t k = 0; k < f->n_aliases && fed_by[i] == AV_SKIPPED; k++) {
            uint32_t from = find_listed(list, w->n_fields, f->aliases[k]);
            if (from == AV_SKIPPED || feeds[from] != AV_SKIPPED)
                continue;
            feeds[from] = i;
            fed_by[i] = from;
        }
    }
    free(list);
}

/* One step of a record: a field of the writer's, to the reader or skipped. */
static enum err_kind writer_step(struct compiler *c, uint32_t at,
                                 const struct av_field *f, const struct av_node *r,
                                 uint32_t feeds, bool *hopeless)
{
    struct av_op op;
    const struct av_node *to = feeds == AV_SKIPPED ? f->type : r->fields[feeds].type;

    TRY(compile(c, f->type, to, NO_HINT, &op));
    op.field = feeds;
    *hopeless |= op.hopeless;
    c->ops[at] = op;
    return ERR_OK;
}

static enum err_kind fallback_step(struct compiler *c, uint32_t at,
                                   const struct av_node *r, uint32_t field)
{
    const struct av_field *f = &r->fields[field];
    struct av_op op;
    uint32_t child;

    TRY(reserve(c, 1, &child));
    TRY(compile(c, f->type, f->type, NO_HINT, &op));
    c->ops[child] = op;
    c->ops[at] = (struct av_op){.kind = AV_OP_FALLBACK,
                                .field = field,
                                .first = child,
                                .node = f->type,
                                .fallback = f};
    return ERR_OK;
}

static enum err_kind record_steps(struct compiler *c, const struct av_node *w,
                                  const struct av_node *r, const uint32_t *fed_by,
                                  const uint32_t *feeds, struct av_op *op)
{
    uint32_t at = op->first;

    for (uint32_t i = 0; i < w->n_fields; i++)
        TRY(writer_step(c, at++, &w->fields[i], r, feeds[i], &op->hopeless));
    for (uint32_t i = 0; i < r->n_fields; i++)
        if (fed_by[i] == AV_SKIPPED)
            TRY(fallback_step(c, at++, r, i));
    return ERR_OK;
}

static enum err_kind record_from(struct compiler *c, const struct av_node *w,
                                 const struct av_node *r, const uint32_t *fed_by,
                                 const uint32_t *feeds, struct av_op *out)
{
    struct av_op op = {.kind = AV_OP_RECORD, .node = r, .writer = w};

    op.n = (uint32_t)w->n_fields;
    for (uint32_t i = 0; i < r->n_fields; i++) {
        if (fed_by[i] != AV_SKIPPED)
            continue;
        if (r->fields[i].fallback_avro.p == NULL) { // none, or one that does not fit
            *out = refusal(AV_REFUSE_FIELD, w, r);
            out->first = i;
            return ERR_OK;
        }
        op.n++;
    }
    TRY(reserve(c, op.n, &op.first));
    keep_pair(c, (struct pair){.w = w, .r = r, .op = op});
    TRY(record_steps(c, w, r, fed_by, feeds, &op));
    *out = op;
    return ERR_OK;
}

static enum err_kind record(struct compiler *c, const struct av_node *w,
                            const struct av_node *r, struct av_op *out)
{
    uint32_t *fed_by = mem_array(r->n_fields + w->n_fields, sizeof *fed_by);
    uint32_t *feeds = fed_by + r->n_fields;

    memset(fed_by, 0xFF, (r->n_fields + w->n_fields) * sizeof *fed_by);
    feed_by_name(fed_by, feeds, w, r);
    feed_by_alias(fed_by, feeds, w, r);
    enum err_kind k = record_from(c, w, r, fed_by, feeds, out);
    free(fed_by);
    return k;
}

/* Arrays and maps.  Never hopeless: they may be empty. */
static enum err_kind container(struct compiler *c, uint8_t kind,
                               const struct av_node *w, const struct av_node *r,
                               struct av_op *out)
{
    struct av_op op = {.kind = kind, .node = r, .writer = w}, child;
    uint32_t key = kind == AV_OP_MAP ? 1 : 0;

    op.n = add_sizes(key, least_size(c, w->items));
    TRY(reserve(c, 1, &op.first));
    keep_pair(c, (struct pair){.w = w, .r = r, .op = op});
    TRY(compile(c, w->items, r->items, NO_HINT, &child));
    c->ops[op.first] = child;
    *out = op;
    return ERR_OK;
}

static enum err_kind writer_union(struct compiler *c, const struct av_node *w,
                                  const struct av_node *r, struct av_op *out)
{
    struct av_op op = {.kind = AV_OP_UNION, .node = r, .writer = w}, child;
    bool hopeless = true;

    op.n = (uint32_t)w->n_branches;
    TRY(reserve(c, op.n, &op.first));
    keep_pair(c, (struct pair){.w = w, .r = r, .op = op});
    for (uint32_t i = 0; i < op.n; i++) {
        TRY(compile(c, w->branches[i], r, i, &child));
        c->ops[op.first + i] = child;
        hopeless &= child.hopeless;
    }
    op.hopeless = hopeless;
    *out = op;
    return ERR_OK;
}

/* ---- the reader's union: which branch ---- */

static uint32_t branch_of_fullname(const struct av_node *w, const struct av_node *r)
{
    for (uint32_t i = 0; i < r->n_branches; i++)
        if (r->branches[i]->type == w->type &&
            av_name_eq(&r->branches[i]->name, &w->name))
            return i;
    for (uint32_t i = 0; i < r->n_branches; i++)
        if (r->branches[i]->type == w->type && has_alias(r->branches[i], &w->name))
            return i;
    return AV_SKIPPED;
}

/* True when a writer's w could be read as b: neither it nor a field of it is refused.
 */
static enum err_kind fits(struct compiler *c, const struct av_node *w,
                          const struct av_node *b, bool *yes)
{
    struct av_op op;

    *yes = false;
    if (b->type != w->type)
        return ERR_OK;
    TRY(compile(c, w, b, NO_HINT, &op));
    *yes = op.kind != AV_OP_REFUSE;
    if (op.kind == AV_OP_RECORD)
        for (uint32_t i = 0; i < op.n; i++)
            *yes &= c->ops[op.first + i].kind != AV_OP_REFUSE;
    return ERR_OK;
}

/*
 * Named types: by fullname or alias; else the branch at the same place, if its short
 * name is the same; else, as Avro Java, the last branch of that short name that fits,
 * or a record's first that fits at all.
 */
static enum err_kind named_branch(struct compiler *c, const struct av_node *w,
                                  const struct av_node *r, uint32_t hint, uint32_t *out)
{
    *out = branch_of_fullname(w, r);
    if (*out != AV_SKIPPED)
        return ERR_OK;

    for (uint32_t i = 0; i < r->n_branches; i++) {
        const struct av_node *b = r->branches[i];
        bool yes;

        TRY(fits(c, w, b, &yes));
        if (!yes)
            continue;
        bool same_name = span_eq(b->name.base, w->name.base);
        if (*out == AV_SKIPPED || same_name)
            *out = i;
        if (same_name && i == hint)
            return ERR_OK;
    }
    return ERR_OK;
}

/* The same type, else the first it can be promoted to. */
static uint32_t plain_branch(const struct av_node *w, const struct av_node *r)
{
    for (uint32_t i = 0; i < r->n_branches; i++)
        if (r->branches[i]->type == w->type)
            return i;
    for (uint32_t i = 0; i < r->n_branches; i++)
        if (leaf_kind(w, r->branches[i]) != AV_OP_REFUSE)
            return i;
    return AV_SKIPPED;
}

static bool is_named(const struct av_node *n)
{
    return n->type == AV_RECORD || n->type == AV_ENUM || n->type == AV_FIXED;
}

static enum err_kind reader_union(struct compiler *c, const struct av_node *w,
                                  const struct av_node *r, uint32_t hint,
                                  struct av_op *out)
{
    struct av_op op = {.kind = AV_OP_BRANCH, .node = r, .writer = w}, child;

    op.n = AV_SKIPPED;
    if (is_named(w))
        TRY(named_branch(c, w, r, hint, &op.n));
    else
        op.n = plain_branch(w, r);
    if (op.n == AV_SKIPPED) {
        *out = refusal(AV_REFUSE_BRANCH, w, r);
        return ERR_OK;
    }
    TRY(reserve(c, 1, &op.first));
    TRY(compile(c, w, r->branches[op.n], NO_HINT, &child));
    c->ops[op.first] = child;
    op.hopeless = child.hopeless;
    *out = op;
    return ERR_OK;
}

static enum err_kind compile_new(struct compiler *c, const struct av_node *w,
                                 const struct av_node *r, uint32_t hint,
                                 struct av_op *out)
{
    if (w->type == AV_UNION)
        return writer_union(c, w, r, out);
    if (r->type == AV_UNION)
        return reader_union(c, w, r, hint, out);
    if (w->type != r->type) {
        *out = leaf(w, r);
        return ERR_OK;
    }
    switch (w->type) {
    case AV_RECORD: return record(c, w, r, out);
    case AV_ARRAY: return container(c, AV_OP_ARRAY, w, r, out);
    case AV_MAP: return container(c, AV_OP_MAP, w, r, out);
    case AV_ENUM: return enumeration(c, w, r, out);
    case AV_FIXED: *out = fixed(w, r); return ERR_OK;
    default: *out = leaf(w, r); return ERR_OK;
    }
}

/* The op for a pair.  Only what has children is remembered; what depends on its place
 * in a union (the hint) is not. */
static enum err_kind compile(struct compiler *c, const struct av_node *w,
                             const struct av_node *r, uint32_t hint, struct av_op *out)
{
    bool keeps = w->type >= AV_RECORD && (w->type == AV_UNION || r->type != AV_UNION);

    if (keeps) {
        struct pair *met = find_pair(c, w, r);
        if (met->w != NULL) {
            *out = met->op;
            return ERR_OK;
        }
    }
    if (c->depth == DEPTH_MOST)
        return err_set(c->e, ERR_LIMIT, "types nest more than %d deep", DEPTH_MOST);
    if (c->n_pairs > OPS_MOST)
        return err_set(c->e, ERR_LIMIT, "more than %u pairs of types to compare",
                       OPS_MOST);
    c->depth++;
    TRY(compile_new(c, w, r, hint, out));
    c->depth--;
    if (keeps)
        keep_pair(c, (struct pair){.w = w, .r = r, .op = *out});
    return ERR_OK;
}

/* ---- saying why not ---- */

void av_refusal_say(char out[AV_REFUSAL_SHOWN], const struct av_op *op)
{
    char w[AV_FULLNAME_SHOWN], r[AV_FULLNAME_SHOWN];
    const size_t n = AV_REFUSAL_SHOWN;

    assert(op->kind == AV_OP_REFUSE);
    av_node_name(w, op->writer);
    av_node_name(r, op->node);
    switch ((enum av_refusal)op->why) {
    case AV_REFUSE_TYPE:
        snprintf(out, n, "the writer's %.80s cannot be read as %.80s", w, r);
        return;
    case AV_REFUSE_NAME:
        snprintf(out, n,
                 "the writer's %s %.80s is not the reader's %.80s, nor an alias of it",
                 av_type_name(op->writer->type), w, r);
        return;
    case AV_REFUSE_SIZE:
        snprintf(out, n,
                 "fixed %.80s takes %zu bytes at the writer's, %zu at the reader's", r,
                 op->writer->size, op->node->size);
        return;
    case AV_REFUSE_FIELD:
        snprintf(
            out, n,
            "the writer's %.60s has no field \"%.*s\", and the reader's no default "
            "that fits",
            w, (int)(op->node->fields[op->first].name.n % 60),
            (const char *)op->node->fields[op->first].name.p);
        return;
    case AV_REFUSE_BRANCH:
        snprintf(out, n, "the reader's union has no branch for the writer's %.80s", w);
        return;
    case AV_REFUSE_LOGICAL:
        snprintf(out, n, "the writer's %s (scale %d) cannot be read as %s (scale %d)",
                 av_logical_name(op->writer->logical), op->writer->scale,
                 av_logical_name(op->node->logical), op->node->scale);
        return;
    }
}

/* The child because of which `op` is hopeless, and what to call it in a path; NULL when
 * it is so by itself. */
static const struct av_op *blamed(const struct compiler *c, const struct av_op *op,
                                  struct span *name)
{
    *name = (struct span){0};
    if (op->kind != AV_OP_RECORD && op->kind != AV_OP_UNION && op->kind != AV_OP_BRANCH)
        return NULL;
    for (uint32_t i = 0; i < (op->kind == AV_OP_BRANCH ? 1 : op->n); i++) {
        const struct av_op *child = &c->ops[op->first + i];

        if (!child->hopeless)
            continue;
        if (op->kind == AV_OP_RECORD)
            *name = op->writer->fields[i].name;
        return child;
    }
    return NULL;
}

/* What ends the way down: a refusal, an enum, or a union without branches. */
static void say_cause(char why[AV_REFUSAL_SHOWN], const struct av_op *op)
{
    if (op->kind == AV_OP_REFUSE)
        av_refusal_say(why, op);
    else if (op->kind == AV_OP_ENUM_MAP)
        snprintf(why, AV_REFUSAL_SHOWN,
                 "the reader's enum has none of the writer's symbols");
    else
        snprintf(why, AV_REFUSAL_SHOWN, "the writer's union has no branch");
}

static enum err_kind say_hopeless(const struct compiler *c, const struct av_op *op)
{
    char why[AV_REFUSAL_SHOWN], path[120] = "";
    const struct av_op *child = op;
    struct span name;
    size_t n = 0;

    while (child != NULL) {
        op = child;
        child = blamed(c, op, &name);
        if (child != NULL && name.n > 0 && n < sizeof path)
            n += (size_t)snprintf(path + n, sizeof path - n, "/" SPAN_FMT,
                                  SPAN_ARG(name));
    }
    say_cause(why, op);
    return err_set(c->e, ERR_INVALID, "%s%s%s", path, n > 0 ? ": " : "", why);
}

static enum err_kind compile_root(struct compiler *c, struct av_plan *p)
{
    struct av_op root;

    TRY(reserve(c, 1, &p->root));
    TRY(compile(c, av_schema_root(p->writer), av_schema_root(p->reader), NO_HINT,
                &root));
    c->ops[p->root] = root;
    return root.hopeless ? say_hopeless(c, &root) : ERR_OK;
}

enum err_kind av_plan_new(struct av_plan **out, struct av_schema *writer,
                          struct av_schema *reader, struct err *e)
{
    static _Atomic uint64_t plans;
    struct av_plan *p = mem_alloc(sizeof *p);
    struct compiler c = {.e = e};

    p->id = ++plans;
    p->writer = av_schema_retain(writer);
    p->reader = av_schema_retain(reader);
    enum err_kind k = compile_root(&c, p);
    p->ops = c.ops;
    p->symbols = c.symbols;
    free(c.pairs);
    if (k != ERR_OK) {
        av_plan_free(p);
        return k;
    }
    *out = p;
    return ERR_OK;
}

void av_plan_free(struct av_plan *p)
{
    if (p == NULL)
        return;
    av_schema_release(p->writer);
    av_schema_release(p->reader);
    free(p->ops);
    free(p->symbols);
    free(p);
}

uint64_t av_plan_id(const struct av_plan *p)
{
    return p->id;
}

const struct av_schema *av_plan_writer(const struct av_plan *p)
{
    return p->writer;
}

const struct av_schema *av_plan_reader(const struct av_plan *p)
{
    return p->reader;
}
