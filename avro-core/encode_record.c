/*
 * Records.  JSON's members come in any order, Avro's fields in the schema's.
 *
 * As long as the members come in order, each is encoded where it belongs.  From the
 * first that comes too early on, they are encoded as they come, and a table in the
 * scratch remembers where each one went; at the end they are put in order, once.
 */
#include "avro-core/encode_inside.h"
#include "base/near.h"

#include <stdio.h>

/* Where a field's bytes went, from the start of the table's part of the output. */
struct piece {
    uint32_t at, n;
};
#define UNSEEN UINT32_MAX

struct record {
    const struct node *n;
    const uint8_t *at; // of the '{'
    struct place here;
    uint32_t next;  // in order: the field that should come; else: the one that may
    uint32_t from;  // the table begins with this field
    bool shuffled;  // there is a table
    bool ascending; // and every piece lies behind those of the fields before it
    size_t base;    // offset in the output of what the table speaks of
};

static struct piece piece_get(const struct walk *w, const struct record *r, uint32_t i)
{
    struct piece x;

    memcpy(&x, (uint8_t *)walk_scratch(w) + (i - r->from) * sizeof x, sizeof x);
    return x;
}

static void piece_set(struct walk *w, const struct record *r, uint32_t i,
                      struct piece x)
{
    memcpy((uint8_t *)walk_scratch(w) + (i - r->from) * sizeof x, &x, sizeof x);
}

static size_t table_size(const struct record *r)
{
    return (r->n->n - r->from) * sizeof(struct piece);
}

static bool begin_table(struct walk *w, struct record *r)
{
    r->from = r->next;
    r->base = walk_written(w);
    uint8_t *table = walk_push(w, table_size(r));
    if (table == NULL)
        return false;
    memset(table, 0xff, table_size(r)); // all UNSEEN
    r->shuffled = r->ascending = true;
    return true;
}

/* ---- what may be wrong with a member ---- */

static bool is_alias(const struct av_field *f, struct span name)
{
    for (size_t i = 0; i < f->n_aliases; i++)
        if (span_eq(f->aliases[i], name))
            return true;
    return false;
}

#define NEAR 48 // bytes: longer names are near to none

static size_t distance(struct span a, struct span b)
{
    return a.n > NEAR || b.n > NEAR ? NEAR : near_distance(a, b);
}

/* The field somebody may have meant by `name`, or NULL. */
static const struct av_field *meant(const struct node *n, struct span name)
{
    const struct av_field *near = NULL;
    size_t best = name.n < 3 ? 1 : name.n < 4 ? 2 : name.n < 9 ? 3 : 4; // > slips

    for (size_t i = 0; i < n->n && i < 1000; i++) {
        const struct av_field *f = &n->schema->fields[i];
        if (is_alias(f, name))
            return f;
        size_t d = distance(f->name, name);
        if (d < best) {
            best = d;
            near = f;
        }
    }
    return near;
}

static void suggest(char *to, size_t room, const struct node *n, struct span name)
{
    const struct av_field *f = meant(n, name);

    to[0] = '\0';
    if (f != NULL && is_alias(f, name))
        snprintf(to, room, "an alias; data names the field \"" SPAN_FMT "\"",
                 SPAN_ARG(f->name));
    else if (f != NULL)
        snprintf(to, room, "did you mean \"" SPAN_FMT "\"?", SPAN_ARG(f->name));
}

static bool unknown(struct walk *w, struct record *r, const uint8_t *at,
                    struct span raw)
{
    char why[160], wanted[AV_FULLNAME_SHOWN + 20], name[AV_FULLNAME_SHOWN];

    if (w->enc->options.unknown_fields == AV_UNKNOWN_IGNORE)
        return true;
    if (w->trying > 0)
        return false;
    suggest(why, sizeof why, r->n, raw);
    av_node_name(name, r->n->schema);
    snprintf(wanted, sizeof wanted, "a field of %s", name);
    r->here.name = raw;
    r->here.raw = true;
    w->why = why[0] != '\0' ? why : NULL;
    walk_note(w, "unknown-field", at, span_str(wanted), span_of(at, raw.n + 2));
    w->why = NULL;
    return true;
}

static bool twice(struct walk *w, struct record *r, uint32_t i, const uint8_t *at)
{
    if (w->trying > 0)
        return false;
    r->here.name = r->n->members[i].name;
    r->here.raw = false;
    walk_note_text(w, "duplicate-key", at, span_str("each name once"),
                   "the name again");
    return true;
}

/* ---- members ---- */

static inline bool is_key(const struct walk *w, const struct member *m)
{
    size_t left = (size_t)(w->end - w->p), n = m->key.n;
    uint64_t head[2];

    if (left < sizeof head)
        return left >= n && memcmp(w->p, m->key.p, n) == 0;
    memcpy(head, w->p, sizeof head);
    if ((((head[0] ^ m->head[0]) & m->mask[0]) |
         ((head[1] ^ m->head[1]) & m->mask[1])) != 0)
        return false;
    if (n <= sizeof head)
        return true;
    return left >= n &&
           memcmp(w->p + sizeof head, m->key.p + sizeof head, n - sizeof head) == 0;
}

static bool is_seen(const struct walk *w, const struct record *r, uint32_t i)
{
    if (i < (r->shuffled ? r->from : r->next))
        return true;
    return r->shuffled && piece_get(w, r, i).at != UNSEEN;
}

/* Field `i` comes now.  False: stopped. */
static bool place_field(struct walk *w, struct record *r, uint32_t i)
{
    if (!r->shuffled && i != r->next && !begin_table(w, r))
        return false;
    if (r->shuffled) {
        r->ascending = r->ascending && i >= r->next;
        piece_set(w, r, i, (struct piece){(uint32_t)(walk_written(w) - r->base), 0});
    }
    r->next = i + 1;
    return true;
}

/* The key is not the expected one.  *i is the field, LOOKUP_NONE: its value is skipped.
 */
static bool take_other_name(struct walk *w, struct record *r, uint32_t *i)
{
    const uint8_t *at = w->p;
    struct string s;
    struct span name;

    *i = LOOKUP_NONE;
    if (walk_token(w) != TOKEN_STRING)
        return walk_no_json(w, w->p, "a name in quotes");
    if (!text_scan(w, &s))
        return false;
    if (s.bad)
        return true;
    if (!text_plain(w, &s, &name))
        return false;
    uint32_t found = lookup_find(&r->n->lookup, name);
    if (found == LOOKUP_NONE)
        return unknown(w, r, at, s.raw);
    if (is_seen(w, r, found))
        return twice(w, r, found, at);
    *i = found;
    return place_field(w, r, found);
}

static bool take_other_key(struct walk *w, struct record *r, uint32_t *i)
{
    if (!take_other_name(w, r, i))
        return false;
    if (!walk_take(w, ':'))
        return walk_no_json(w, w->p, "':'");
    walk_blanks(w);
    return true;
}

/* The expected name mostly comes, the colon at once behind it. */
static inline bool take_key(struct walk *w, struct record *r, uint32_t *i)
{
    const struct node *n = r->n;

    if (r->next >= n->n || !is_key(w, &n->members[r->next]) ||
        (r->shuffled && is_seen(w, r, r->next)))
        return take_other_key(w, r, i);
    *i = r->next;
    w->p += n->members[*i].key.n;
    walk_blanks(w);
    if (r->shuffled)
        return place_field(w, r, *i);
    r->next++;
    return true;
}

static void close_piece(struct walk *w, struct record *r, uint32_t i)
{
    struct piece x = piece_get(w, r, i);

    x.n = (uint32_t)(walk_written(w) - r->base - x.at);
    piece_set(w, r, i, x);
}

static inline bool take_member(struct walk *w, struct record *r)
{
    uint32_t i;

    if (!take_key(w, r, &i))
        return false;
    if (i == LOOKUP_NONE)
        return text_skip(w);
    r->here.name = r->n->members[i].name;
    r->here.raw = false;
    if (!encode_value(w, r->n->members[i].type))
        return false;
    if (r->shuffled)
        close_piece(w, r, i);
    return true;
}

/* ---- the end of a record ---- */

bool encode_fallback(struct walk *w, const struct member *m)
{
    if (!walk_room(w, m->fallback.n))
        return false;
    if (m->fallback.n > 0)
        memcpy(w->w, m->fallback.p, m->fallback.n);
    w->w += m->fallback.n;
    return true;
}

/* A field that is not there and has no default.  False: stopped. */
bool encode_missing(struct walk *w, const struct node *n, const struct member *m,
                    const uint8_t *at)
{
    const struct av_node *other;

    (void)n;
    if (w->trying > 0)
        return false;
    if (av_is_nullable(m->type->schema, &other))
        w->why = "null must be given, or the schema declare a default";
    walk_note_text(w, "missing-field", at, m->type->wanted, "nothing");
    w->why = NULL;
    return true;
}

static bool note_missing(struct walk *w, struct record *r, const struct member *m)
{
    r->here.name = m->name;
    r->here.raw = false;
    return encode_missing(w, r->n, m, r->at);
}

static bool fill_in_order(struct walk *w, struct record *r)
{
    for (uint32_t i = r->next; i < r->n->n; i++) {
        const struct member *m = &r->n->members[i];
        if (!(m->has_fallback ? encode_fallback(w, m) : note_missing(w, r, m)))
            return false;
    }
    return true;
}

/* Bytes of the defaults to put in; *whole is false when a field has none. */
static bool count_fallbacks(struct walk *w, struct record *r, size_t *n, bool *whole)
{
    *n = 0;
    *whole = true;
    for (uint32_t i = r->from; i < r->n->n; i++) {
        const struct member *m = &r->n->members[i];
        if (is_seen(w, r, i))
            continue;
        *n += m->fallback.n;
        if (m->has_fallback)
            continue;
        *whole = false;
        if (!note_missing(w, r, m))
            return false;
    }
    return true;
}

static struct span bytes_of(struct walk *w, struct record *r, uint32_t i)
{
    struct piece x = piece_get(w, r, i);

    if (x.at == UNSEEN)
        return r->n->members[i].fallback;
    return span_of(w->out->p + r->base + x.at, x.n);
}

/* Defaults open gaps between pieces that are in order: spread them from the back. */
static void spread(struct walk *w, struct record *r, size_t more)
{
    w->w += more;
    uint8_t *to = w->w;
    for (uint32_t i = r->n->n; i-- > r->from;) {
        struct span x = bytes_of(w, r, i);
        to -= x.n;
        if (x.n > 0)
            memmove(to, x.p, x.n);
    }
}

/* Written again in order behind themselves, and moved down. */
static void rewrite(struct walk *w, struct record *r)
{
    uint8_t *base = w->out->p + r->base, *fresh = w->w, *to = fresh;

    for (uint32_t i = r->from; i < r->n->n; i++) {
        struct span x = bytes_of(w, r, i);
        if (x.n > 0)
            memcpy(to, x.p, x.n);
        to += x.n;
    }
    memmove(base, fresh, (size_t)(to - fresh));
    w->w = base + (to - fresh);
}

static bool put_in_order(struct walk *w, struct record *r)
{
    size_t more;
    bool whole;

    if (!count_fallbacks(w, r, &more, &whole))
        return false;
    if (whole && r->ascending) {
        if (!walk_room(w, more))
            return false;
        spread(w, r, more);
    } else if (whole) {
        if (!walk_room(w, walk_written(w) - r->base + more))
            return false;
        rewrite(w, r);
    }
    walk_pop(w, table_size(r));
    return true;
}

static bool take_members(struct walk *w, struct record *r)
{
    w->p++;
    walk_blanks(w);
    if (w->p < w->end && *w->p == '}') {
        w->p++;
        return fill_in_order(w, r);
    }
    for (;;) {
        if (!take_member(w, r))
            return false;
        walk_blanks(w);
        if (w->p == w->end)
            break;
        uint8_t c = *w->p;
        if (c == ',') {
            w->p++;
            walk_blanks(w);
            continue;
        }
        if (c != '}')
            break;
        w->p++;
        return r->shuffled ? put_in_order(w, r) : fill_in_order(w, r);
    }
    return walk_no_json(w, w->p, "',' or '}'");
}

bool encode_record(struct walk *w, const struct node *n)
{
    struct record r;

    if (walk_token(w) != TOKEN_OBJECT)
        return walk_wrong_kind(w, n);
    if (walk_at_depth_limit(w))
        return walk_too_deep(w);
    r.n = n;
    r.at = w->p;
    r.next = 0;
    r.shuffled = false;
    walk_enter(w, &r.here);
    bool on = take_members(w, &r);
    walk_leave(w);
    return on;
}
