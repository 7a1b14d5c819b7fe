#include "avro-core/compat.h"

#include "avro-core/jackson.h"
#include "avro-core/where.h"

#include <stdio.h>
#include <stdlib.h>

/*
 * The walk is Avro Java's, result for result: a pair of types is compared once, a pair
 * met again answers with what was found the first time (and with the locations of the
 * first time), a pair met inside itself counts as compatible.
 *
 * Where a branch of a union is only tried, nobody hears the reasons.  Java gathers them
 * all the same, and shows them if the pair comes up again.  So do we until the schemas
 * turn out to be large; then a try ends with the first reason, and a pair that comes up
 * again is compared again, with the locations of that time.
 */

/* What a hostile pair of schemas may cost.  Past that the answer is no. */
#define DEPTH_MOST 512     // types inside each other; a stack frame each
#define WORK_MOST 10000000 // pairs, symbols and reasons handled
#define WORK_EXACT 500000  // of that as Java does it, reasons nobody hears included
#define PAIRS_MOST 500000  // pairs remembered
#define REASONS_MOST 1000

enum step { ROOT, FIELD, ITEMS, VALUES, BRANCH };

/* A type in one of the schemas, and the way there. */
struct at {
    const struct at *up;               // what it is part of, NULL at the root
    const struct av_node *const *slot; // where that refers to it
    enum step step;                    // as what
    size_t index;                      // of the FIELD or BRANCH
};

/* Avro Java's location, which is not quite the way there: "" at the root. */
struct token {
    const struct token *up;
    const char *word; // NULL: the number
    size_t number;
};

struct reasons {
    const struct av_incompat **p;
    size_t n, cap; // cap 0: p belongs to another list too
};

struct pair {
    const void *reader, *writer;
    struct reasons found;
    enum { NEW, IN_PROGRESS, DONE, FAILED } state; // FAILED: why has not been asked
};

struct check {
    const struct av_schema *reader, *writer;
    struct where where_reader, where_writer; // made with the first reason
    struct arena scratch;
    struct pair *pairs; // open addressing
    size_t n_pairs, cap_pairs;
    size_t most, work;
    unsigned depth;
    unsigned tries; // branches being tried around this place
    bool gave_up;
};

static const struct av_node *node_of(const struct at *t)
{
    return *t->slot;
}

static bool is_named(const struct av_node *n)
{
    return n->type == AV_RECORD || n->type == AV_ENUM || n->type == AV_FIXED;
}

static bool is_primitive(const struct av_node *n)
{
    return n->type <= AV_STRING;
}

static void spend(struct check *c, size_t work)
{
    c->work += work;
    if (c->work > WORK_MOST)
        c->gave_up = true;
}

/* Whether a yes or no will do. */
static bool is_hasty(const struct check *c)
{
    return c->tries > 0 && c->work > WORK_EXACT;
}

/* Reasons */

/* The no of a hasty comparison. */
static struct reasons unexplained(void)
{
    static const struct av_incompat reason = {0};
    static const struct av_incompat *list[] = {&reason};

    return (struct reasons){list, 1, 0};
}

static void add(struct check *c, struct reasons *to, const struct av_incompat *reason)
{
    if (to->n == c->most)
        return;
    if (to->n == to->cap || to->cap == 0) {
        size_t cap = to->n < 4 ? 8 : to->n * 2;
        const struct av_incompat **p = arena_array(&c->scratch, cap, sizeof *p);
        if (to->n > 0)
            memcpy(p, to->p, to->n * sizeof *p);
        spend(c, cap);
        to->p = p;
        to->cap = cap;
    }
    to->p[to->n++] = reason;
}

static void add_all(struct check *c, struct reasons *to, struct reasons more)
{
    if (to->n == 0) { // most lists have one source, and share its memory
        *to = more;
        to->cap = 0;
        return;
    }
    for (size_t i = 0; i < more.n && !c->gave_up; i++)
        add(c, to, more.p[i]);
}

/* Paths are made from their ends, since that is where we stand: once for the length,
 * once for the text. */
#define PART_MOST 48

static size_t token_text(char out[PART_MOST], const struct token *t)
{
    int n = t->word != NULL ? snprintf(out, PART_MOST, "/%s", t->word)
                            : snprintf(out, PART_MOST, "/%zu", t->number);

    return (size_t)n;
}

static struct span location_of(struct check *c, const struct token *end)
{
    char part[PART_MOST];
    size_t total = 0;

    for (const struct token *t = end; t->up != NULL; t = t->up)
        total += token_text(part, t);
    if (total == 0)
        return span_str("/");
    uint8_t *p = arena_alloc(&c->scratch, total);
    size_t at = total;
    for (const struct token *t = end; t->up != NULL; t = t->up) {
        size_t n = token_text(part, t);
        at -= n;
        memcpy(p + at, part, n);
    }
    spend(c, total / 16);
    return span_of(p, total);
}

static size_t step_text(char out[PART_MOST], const struct at *t)
{
    switch (t->step) {
    case FIELD: return (size_t)snprintf(out, PART_MOST, "/fields/%zu/type", t->index);
    case BRANCH: return (size_t)snprintf(out, PART_MOST, "/%zu", t->index);
    case ITEMS: return (size_t)snprintf(out, PART_MOST, "/items");
    case VALUES: return (size_t)snprintf(out, PART_MOST, "/values");
    case ROOT: break;
    }
    return 0;
}

/* The nearest type around `end` that the text defines under a name, and where. */
static const struct at *find_start(struct span *start, const struct where *where,
                                   const struct at *end)
{
    const struct at *t = end;

    while (t != NULL &&
           !(is_named(node_of(t)) && where_defined(start, where, node_of(t))))
        t = t->up;
    return t;
}

/* The way to `end`, and on along `tail`. */
static struct span pointer_to(struct check *c, const struct where *where,
                              const struct at *end, const char *tail)
{
    struct span start = {0};
    const struct at *from = find_start(&start, where, end);
    char part[PART_MOST];
    size_t total = start.n + strlen(tail);

    for (const struct at *t = end; t != from; t = t->up)
        total += step_text(part, t);
    uint8_t *p = arena_alloc(&c->scratch, total);
    size_t at = total - strlen(tail);
    memcpy(p + at, tail, strlen(tail));
    for (const struct at *t = end; t != from; t = t->up) {
        size_t n = step_text(part, t);
        at -= n;
        memcpy(p + at, part, n);
    }
    if (start.n > 0)
        memcpy(p, start.p, start.n);
    spend(c, total / 16);
    return span_of(p, total);
}

/* What is compared, and where we are. */
struct here {
    const struct at *r, *w;
    const struct token *location;
};

/* Tails lead from the two types to the part that is wrong: "/name", "/fields/3", "". */
static struct reasons blame(struct check *c, const struct here *h,
                            enum av_incompat_kind kind, struct span detail,
                            const char *reader_tail, const char *writer_tail,
                            struct span message)
{
    struct av_incompat *reason = arena_alloc(&c->scratch, sizeof *reason);
    struct reasons found = {0};

    if (c->where_reader.schema == NULL) {
        where_make(&c->where_reader, c->reader, &c->scratch);
        where_make(&c->where_writer, c->writer, &c->scratch);
    }
    spend(c, 16);
    *reason = (struct av_incompat){
        .kind = kind,
        .reader_path = pointer_to(c, &c->where_reader, h->r, reader_tail),
        .writer_path = pointer_to(c, &c->where_writer, h->w, writer_tail),
        .location = location_of(c, h->location),
        .detail = detail,
        .message = message,
    };
    add(c, &found, reason);
    return found;
}

/* The same, with a last word on the location. */
static struct reasons blame_part(struct check *c, const struct here *h,
                                 const char *part, enum av_incompat_kind kind,
                                 struct span detail, struct span message)
{
    const struct token last = {h->location, part, 0};
    const struct here there = {h->r, h->w, &last};
    char tail[16];

    snprintf(tail, sizeof tail, "/%s", part);
    return blame(c, &there, kind, detail, tail, tail, message);
}

/* Java's name of the type: "INT". */
static const char *shouted(const struct av_node *n)
{
    static const char *const words[] = {
        [AV_NULL] = "NULL",   [AV_BOOLEAN] = "BOOLEAN", [AV_INT] = "INT",
        [AV_LONG] = "LONG",   [AV_FLOAT] = "FLOAT",     [AV_DOUBLE] = "DOUBLE",
        [AV_BYTES] = "BYTES", [AV_STRING] = "STRING",   [AV_RECORD] = "RECORD",
        [AV_ENUM] = "ENUM",   [AV_ARRAY] = "ARRAY",     [AV_MAP] = "MAP",
        [AV_UNION] = "UNION", [AV_FIXED] = "FIXED",
    };

    return words[n->type];
}

/* "string", "record com.x.Y", "union [null, int]"; cut to fit. */
static const char *described(char out[AV_FULLNAME_SHOWN + 16], const struct av_node *n)
{
    char name[AV_FULLNAME_SHOWN];
    size_t room = AV_FULLNAME_SHOWN + 16, used;

    if (n->type != AV_UNION) {
        av_node_name(name, n);
        snprintf(out, room, "%s%s%s", is_named(n) ? av_type_name(n->type) : "",
                 is_named(n) ? " " : "", name);
        return out;
    }
    used = (size_t)snprintf(out, room, "union [");
    for (size_t i = 0; i < n->n_branches; i++) {
        av_node_name(name, n->branches[i]);
        size_t len = strlen(name);
        if (used + len + 8 > room) {
            snprintf(out + used, room - used, "...");
            used += 3;
            break;
        }
        used += (size_t)snprintf(out + used, room - used, "%s%s", name,
                                 i + 1 < n->n_branches ? ", " : "");
    }
    snprintf(out + used, room - used, "]");
    return out;
}

static struct reasons type_mismatch(struct check *c, const struct here *h)
{
    const struct av_node *r = node_of(h->r), *w = node_of(h->w);
    char reader[AV_FULLNAME_SHOWN + 16], writer[AV_FULLNAME_SHOWN + 16];

    if (is_hasty(c))
        return unexplained();
    return blame(
        c, h, AV_TYPE_MISMATCH,
        arena_printf(&c->scratch, "reader type: %s not compatible with writer type: %s",
                     shouted(r), shouted(w)),
        "", "",
        arena_printf(&c->scratch, "a reader's %s cannot be read from a writer's %s",
                     described(reader, r), described(writer, w)));
}

static struct reasons missing_branch(struct check *c, const struct here *h,
                                     const struct av_node *branch)
{
    char reader[AV_FULLNAME_SHOWN + 16], writer[AV_FULLNAME_SHOWN + 16];

    if (is_hasty(c))
        return unexplained();
    return blame(
        c, h, AV_MISSING_UNION_BRANCH,
        arena_printf(&c->scratch, "reader union lacking writer type: %s",
                     shouted(branch)),
        "", "",
        arena_printf(&c->scratch, "no branch of the reader's %s takes a writer's %s",
                     described(reader, node_of(h->r)), described(writer, branch)));
}

/* Pairs seen */

static size_t hash_pair(const void *r, const void *w)
{
    uint64_t h = ((uint64_t)(uintptr_t)r * UINT64_C(0x9e3779b97f4a7c15)) ^
                 ((uint64_t)(uintptr_t)w * UINT64_C(0xc2b2ae3d27d4eb4f));

    return (size_t)(h ^ (h >> 29));
}

static struct pair *slot_of(struct pair *pairs, size_t cap, const void *r,
                            const void *w)
{
    size_t i = hash_pair(r, w) & (cap - 1);

    while (pairs[i].reader != NULL && (pairs[i].reader != r || pairs[i].writer != w))
        i = (i + 1) & (cap - 1);
    return &pairs[i];
}

static void make_room(struct check *c)
{
    if (c->n_pairs * 2 < c->cap_pairs)
        return;
    size_t cap = c->cap_pairs == 0 ? 64 : c->cap_pairs * 2;
    struct pair *wider = mem_array(cap, sizeof *wider);
    for (size_t i = 0; i < c->cap_pairs; i++)
        if (c->pairs[i].reader != NULL)
            *slot_of(wider, cap, c->pairs[i].reader, c->pairs[i].writer) = c->pairs[i];
    free(c->pairs);
    c->pairs = wider;
    c->cap_pairs = cap;
}

/* A named type is the same wherever it is used; another type is told by its place. */
static const void *identity(const struct at *t)
{
    return is_named(node_of(t)) ? (const void *)node_of(t) : (const void *)t->slot;
}

static struct pair *pair_of(struct check *c, const struct here *h)
{
    const void *r = identity(h->r), *w = identity(h->w);

    make_room(c);
    struct pair *p = slot_of(c->pairs, c->cap_pairs, r, w);
    if (p->reader == NULL) {
        p->reader = r;
        p->writer = w;
        if (++c->n_pairs > PAIRS_MOST)
            c->gave_up = true;
    }
    return p;
}

/* The rules */

static struct reasons compare(struct check *c, const struct here *h);

/* Whether `r` can be read from `w`.  Java begins the location anew when it tries. */
static bool try_branch(struct check *c, const struct at *r, const struct at *w)
{
    const struct token root = {NULL, "", 0};

    c->tries++;
    bool fits = compare(c, &(struct here){r, w, &root}).n == 0;
    c->tries--;
    return fits;
}

static struct reasons compare_parts(struct check *c, const struct here *h,
                                    const char *word, enum step step)
{
    const struct token last = {h->location, word, 0};
    const struct at r = {h->r, &node_of(h->r)->items, step, 0};
    const struct at w = {h->w, &node_of(h->w)->items, step, 0};

    return compare(c, &(struct here){&r, &w, &last});
}

/* An alias without a namespace, of a type that has one, is no fullname in Java. */
static bool names_match(const struct av_node *r, const struct av_node *w)
{
    if (span_eq(r->name.base, w->name.base))
        return true;
    for (size_t i = 0; i < r->n_aliases; i++)
        if ((r->aliases[i].space.n > 0 || r->name.space.n == 0) &&
            av_name_eq(&r->aliases[i], &w->name))
            return true;
    return false;
}

static struct reasons compare_names(struct check *c, const struct here *h)
{
    const struct av_node *r = node_of(h->r), *w = node_of(h->w);
    char reader[AV_FULLNAME_SHOWN], writer[AV_FULLNAME_SHOWN];

    spend(c, r->n_aliases);
    if (names_match(r, w))
        return (struct reasons){0};
    if (is_hasty(c))
        return unexplained();
    av_node_name(reader, r);
    av_node_name(writer, w);
    return blame_part(
        c, h, "name", AV_NAME_MISMATCH,
        arena_printf(&c->scratch, "expected: %s", writer),
        arena_printf(&c->scratch,
                     "the reader's %s %s is the writer's %s: the names differ, and no "
                     "alias of the reader's is the writer's",
                     av_type_name(r->type), reader, writer));
}

static struct reasons compare_sizes(struct check *c, const struct here *h)
{
    const struct av_node *r = node_of(h->r), *w = node_of(h->w);
    char name[AV_FULLNAME_SHOWN];

    if (r->size == w->size)
        return (struct reasons){0};
    if (is_hasty(c))
        return unexplained();
    av_node_name(name, r);
    return blame_part(
        c, h, "size", AV_FIXED_SIZE_MISMATCH,
        arena_printf(&c->scratch, "expected: %zu, found: %zu", w->size, r->size),
        arena_printf(&c->scratch,
                     "fixed %s has %zu bytes for the reader, %zu for the writer", name,
                     r->size, w->size));
}

static int by_text(const void *a, const void *b)
{
    const struct span *x = a, *y = b;

    return jackson_order(*x, *y);
}

/* A copy, the caller's to free. */
static struct span *sorted_symbols(struct check *c, const struct av_node *n)
{
    struct span *s = mem_array(n->n_symbols, sizeof *s);

    if (n->n_symbols > 0)
        memcpy(s, n->symbols, n->n_symbols * sizeof *s);
    qsort(s, n->n_symbols, sizeof *s, by_text);
    spend(c, n->n_symbols);
    return s;
}

/* "[A, B]": what of `wants` is not in `has`; both are sorted.  Nothing when all is. */
static void put_lacking(struct buf *out, const struct span *has, size_t n_has,
                        const struct span *wants, size_t n_wants)
{
    size_t at = 0;

    for (size_t i = 0; i < n_wants; i++) {
        while (at < n_has && jackson_order(has[at], wants[i]) < 0)
            at++;
        if (at < n_has && span_eq(has[at], wants[i]))
            continue;
        buf_put_str(out, out->n == 0 ? "[" : ", ");
        buf_put(out, wants[i]);
    }
    buf_put_str(out, out->n > 0 ? "]" : "");
}

/* The writer's symbols that the reader lacks; empty when there are none. */
static struct span lacking_symbols(struct check *c, const struct av_node *r,
                                   const struct av_node *w)
{
    struct span *has = sorted_symbols(c, r), *wants = sorted_symbols(c, w);
    struct buf list = BUF_INIT(SIZE_MAX);

    put_lacking(&list, has, r->n_symbols, wants, w->n_symbols);
    struct span kept = arena_copy(&c->scratch, buf_span(&list));
    buf_free(&list);
    free(has);
    free(wants);
    return kept;
}

static struct reasons compare_symbols(struct check *c, const struct here *h)
{
    const struct av_node *r = node_of(h->r), *w = node_of(h->w);
    char name[AV_FULLNAME_SHOWN];

    if (r->fallback >= 0)
        return (struct reasons){0};
    struct span lacking = lacking_symbols(c, r, w);
    if (lacking.n == 0)
        return (struct reasons){0};
    if (is_hasty(c))
        return unexplained();
    av_node_name(name, r);
    return blame_part(
        c, h, "symbols", AV_MISSING_ENUM_SYMBOLS, lacking,
        arena_printf(
            &c->scratch,
            "the reader's enum %s has no default and lacks symbols of the writer's: %s",
            name, (const char *)lacking.p));
}

static const struct av_field *field_called(struct check *c, const struct av_node *n,
                                           struct span name, size_t likely)
{
    if (likely < n->n_fields && span_eq(n->fields[likely].name, name))
        return &n->fields[likely];
    spend(c, n->n_fields / 64);
    for (size_t i = 0; i < n->n_fields; i++)
        if (span_eq(n->fields[i].name, name))
            return &n->fields[i];
    return NULL;
}

/* By name, then by each alias.  *several: more than one field of the writer's is meant.
 */
static const struct av_field *writers_field(struct check *c, const struct av_node *w,
                                            const struct av_field *f, size_t likely,
                                            bool *several)
{
    const struct av_field *found = field_called(c, w, f->name, likely);
    bool direct = found != NULL;

    *several = false;
    for (size_t i = 0; i < f->n_aliases; i++) {
        const struct av_field *other = field_called(c, w, f->aliases[i], likely);
        if (other == NULL)
            continue;
        *several |= found != NULL && (direct || other != found);
        found = found != NULL ? found : other;
    }
    return found;
}

static struct reasons ambiguous_field(struct check *c, const struct here *h,
                                      const struct av_field *f, const char *tail)
{
    if (is_hasty(c))
        return unexplained();
    struct span said = arena_printf(&c->scratch,
                                    "field \"" SPAN_FMT
                                    "\" of the reader's means several of the writer's",
                                    SPAN_ARG(f->name));

    return blame(c, h, AV_NAME_MISMATCH, said, tail, "", said);
}

static struct reasons missing_field(struct check *c, const struct here *h,
                                    const struct av_field *f, const char *tail)
{
    char name[AV_FULLNAME_SHOWN];

    if (is_hasty(c))
        return unexplained();
    av_node_name(name, node_of(h->r));
    return blame(c, h, AV_READER_FIELD_MISSING_DEFAULT_VALUE, f->name, tail, "",
                 arena_printf(&c->scratch,
                              "field \"" SPAN_FMT "\" of the reader's record %s has no "
                              "default, and the writer has no such field",
                              SPAN_ARG(f->name), name));
}

/* Field `i` of the reader's record; `h` has its location. */
static struct reasons compare_field(struct check *c, const struct here *h, size_t i)
{
    const struct av_field *f = &node_of(h->r)->fields[i];
    bool several;
    const struct av_field *from = writers_field(c, node_of(h->w), f, i, &several);
    const struct token type = {h->location, "type", 0};
    const struct at r = {h->r, &f->type, FIELD, i};
    char tail[40];

    snprintf(tail, sizeof tail, "/fields/%zu", i);
    if (several)
        return ambiguous_field(c, h, f, tail);
    if (from != NULL) {
        const struct at w = {h->w, &from->type, FIELD,
                             (size_t)(from - node_of(h->w)->fields)};
        return compare(c, &(struct here){&r, &w, &type});
    }
    if (f->fallback != NULL)
        return (struct reasons){0};
    /* Java looks at an enum's own default here, and then compares it with the record.
     */
    if (f->type->type == AV_ENUM && f->type->fallback >= 0)
        return compare(c, &(struct here){&r, h->w, &type});
    return missing_field(c, h, f, tail);
}

static struct reasons compare_fields(struct check *c, const struct here *h)
{
    const struct token fields = {h->location, "fields", 0};
    struct reasons found = {0};

    for (size_t i = 0; i < node_of(h->r)->n_fields && !c->gave_up; i++) {
        const struct token at = {&fields, NULL, i};
        if (found.n > 0 && is_hasty(c))
            break;
        spend(c, 1);
        add_all(c, &found, compare_field(c, &(struct here){h->r, h->w, &at}, i));
    }
    return found;
}

/* Two unions: each branch of the writer's against the whole of the reader's. */
static struct reasons compare_unions(struct check *c, const struct here *h)
{
    const struct av_node *w = node_of(h->w);
    struct reasons found = {0};

    for (size_t i = 0; i < w->n_branches && !c->gave_up; i++) {
        const struct at branch = {h->w, &w->branches[i], BRANCH, i};
        const struct token last = {h->location, NULL, i};
        if (!try_branch(c, h->r, &branch))
            add_all(c, &found,
                    missing_branch(c, &(struct here){h->r, &branch, &last},
                                   w->branches[i]));
    }
    return found;
}

static struct reasons read_from_each_branch(struct check *c, const struct here *h)
{
    const struct av_node *w = node_of(h->w);
    struct reasons found = {0};

    for (size_t i = 0; i < w->n_branches && !c->gave_up; i++) {
        const struct at branch = {h->w, &w->branches[i], BRANCH, i};
        const struct token last = {h->location, NULL, i};
        add_all(c, &found, compare(c, &(struct here){h->r, &branch, &last}));
    }
    return found;
}

static struct reasons find_branch(struct check *c, const struct here *h)
{
    const struct av_node *r = node_of(h->r);

    for (size_t i = 0; i < r->n_branches && !c->gave_up; i++) {
        const struct at branch = {h->r, &r->branches[i], BRANCH, i};
        if (try_branch(c, &branch, h->w))
            return (struct reasons){0};
    }
    return missing_branch(c, h, node_of(h->w));
}

/* "Schema Resolution": what a reader's type may be promoted from. */
static bool is_promoted(enum av_type reader, enum av_type writer)
{
    static const uint16_t from[AV_FIXED + 1] = {
        [AV_LONG] = 1 << AV_INT,
        [AV_FLOAT] = 1 << AV_INT | 1 << AV_LONG,
        [AV_DOUBLE] = 1 << AV_INT | 1 << AV_LONG | 1 << AV_FLOAT,
        [AV_BYTES] = 1 << AV_STRING,
        [AV_STRING] = 1 << AV_BYTES,
    };

    return (from[reader] >> writer & 1) != 0;
}

static struct reasons compare_same_type(struct check *c, const struct here *h)
{
    struct reasons found = {0};

    switch (node_of(h->r)->type) {
    case AV_ARRAY: return compare_parts(c, h, "items", ITEMS);
    case AV_MAP: return compare_parts(c, h, "values", VALUES);
    case AV_UNION: return compare_unions(c, h);
    case AV_FIXED:
        found = compare_names(c, h);
        add_all(c, &found, compare_sizes(c, h));
        return found;
    case AV_ENUM:
        found = compare_names(c, h);
        add_all(c, &found, compare_symbols(c, h));
        return found;
    case AV_RECORD:
        found = compare_names(c, h);
        if (found.n == 0 || !is_hasty(c))
            add_all(c, &found, compare_fields(c, h));
        return found;
    default: return found;
    }
}

static struct reasons compare_afresh(struct check *c, const struct here *h)
{
    const struct av_node *r = node_of(h->r), *w = node_of(h->w);

    if (r->type == w->type)
        return compare_same_type(c, h);
    if (w->type == AV_UNION)
        return read_from_each_branch(c, h);
    if (r->type == AV_UNION)
        return find_branch(c, h);
    if (is_promoted(r->type, w->type))
        return (struct reasons){0};
    return type_mismatch(c, h);
}

/* Once for each pair.  Two primitives are no pair: nothing can lead to them twice. */
static struct reasons compare(struct check *c, const struct here *h)
{
    spend(c, 1);
    if (c->depth == DEPTH_MOST)
        c->gave_up = true;
    if (c->gave_up)
        return (struct reasons){0};
    if (is_primitive(node_of(h->r)) && is_primitive(node_of(h->w)))
        return compare_afresh(c, h);

    struct pair *p = pair_of(c, h);
    if (p->state == IN_PROGRESS)
        return (struct reasons){0};
    if (p->state == DONE || (p->state == FAILED && is_hasty(c)))
        return p->found;
    p->state = IN_PROGRESS;
    c->depth++;
    struct reasons found = compare_afresh(c, h);
    c->depth--;
    p = pair_of(c, h); // the table may have grown
    p->state = found.n > 0 && is_hasty(c) ? FAILED : DONE;
    p->found = found;
    return found;
}

/* Results */

static struct av_incompat *keep(const struct av_incompat *from, struct arena *a)
{
    struct av_incompat *to = arena_alloc(a, sizeof *to);

    to->kind = from->kind;
    to->reader_path = arena_copy(a, from->reader_path);
    to->writer_path = arena_copy(a, from->writer_path);
    to->location = arena_copy(a, from->location);
    to->detail = arena_copy(a, from->detail);
    to->message = arena_copy(a, from->message);
    return to;
}

static const struct av_incompat *keep_all(struct reasons found, struct arena *a)
{
    const struct av_incompat *first = NULL;

    for (size_t i = found.n; i-- > 0;) {
        struct av_incompat *to = keep(found.p[i], a);
        to->next = first;
        first = to;
    }
    return first;
}

/* Not compared to the end is not compatible. */
static const struct av_incompat *too_large(struct arena *a)
{
    struct av_incompat *reason = arena_alloc(a, sizeof *reason);

    *reason = (struct av_incompat){
        .kind = AV_TYPE_MISMATCH,
        .reader_path = span_str(""),
        .writer_path = span_str(""),
        .location = span_str("/"),
        .detail = span_str("schemas too large to be compared"),
        .message =
            arena_printf(a,
                         "the schemas are too large to be compared: more than %d "
                         "types inside each other, or %d pairs of types",
                         DEPTH_MOST, PAIRS_MOST),
    };
    return reason;
}

const struct av_incompat *av_compat(const struct av_schema *reader,
                                    const struct av_schema *writer, size_t most,
                                    struct arena *a)
{
    struct check c = {
        .reader = reader, .writer = writer, .most = most > 0 ? most : REASONS_MOST};
    const struct av_node *r_root = av_schema_root(reader),
                         *w_root = av_schema_root(writer);
    const struct at r = {NULL, &r_root, ROOT, 0}, w = {NULL, &w_root, ROOT, 0};
    const struct token root = {NULL, "", 0};

    struct reasons found = compare(&c, &(struct here){&r, &w, &root});
    const struct av_incompat *kept = c.gave_up ? too_large(a) : keep_all(found, a);
    free(c.pairs);
    arena_free(&c.scratch);
    return kept;
}

const char *av_incompat_kind_name(enum av_incompat_kind k)
{
    static const char *const names[] = {
        [AV_NAME_MISMATCH] = "NAME_MISMATCH",
        [AV_FIXED_SIZE_MISMATCH] = "FIXED_SIZE_MISMATCH",
        [AV_MISSING_ENUM_SYMBOLS] = "MISSING_ENUM_SYMBOLS",
        [AV_READER_FIELD_MISSING_DEFAULT_VALUE] = "READER_FIELD_MISSING_DEFAULT_VALUE",
        [AV_TYPE_MISMATCH] = "TYPE_MISMATCH",
        [AV_MISSING_UNION_BRANCH] = "MISSING_UNION_BRANCH",
    };

    return names[k];
}
