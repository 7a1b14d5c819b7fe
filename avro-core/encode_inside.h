/*
 * encode_inside.h - what the files of the encoder share.
 *
 *      encode_plan.c    schema -> struct node, once
 *      encode_walk.c    room in the output, problems and their places
 *      encode_text.c    JSON's strings, and skipping what nobody wants
 *      encode_scalar.c  null ... string, bytes, enum, fixed
 *      encode_logical.c dates, decimals, UUIDs
 *      encode_record.c  records; encode_many.c arrays and maps; encode_union.c
 *      encode.c         the public calls; row.c stands on the same plan
 *
 * How a walk goes wrong.  Every function that reads a value returns whether the walk
 * goes on.  A wrong value is noted and stepped over, and the walk goes on.  It stops
 * (false) when the text is no JSON, when the output is full, or, while a union tries
 * its branches (`trying`), at the first thing that does not fit: then nothing is noted.
 *
 * The output's memory serves as scratch from its far end, so that a record costs no
 * allocation:
 *
 *      out->p        w                        w_end              out->p + out->cap
 *      | earlier ... | free ...               | scratch (a stack, grows down) |
 */
#pragma once

#include "avro-core/encode.h"
#include "avro-core/number.h"

enum token {
    TOKEN_NONE, // what no value begins with
    TOKEN_NULL,
    TOKEN_BOOL,
    TOKEN_NUMBER,
    TOKEN_STRING,
    TOKEN_ARRAY,
    TOKEN_OBJECT,
    TOKENS
};

struct walk;
struct node;

/* Names to indexes: open addressing, made once. */
struct lookup {
    uint32_t mask;
    const uint32_t *slots; // index + 1, 0 = free
    const struct span *names;
};
#define LOOKUP_NONE UINT32_MAX
uint32_t lookup_find(const struct lookup *l, struct span name);

struct member {
    uint64_t head[2], mask[2]; // the first 16 bytes of key
    struct span key;           // "name": with its quotes and the colon
    struct span name;
    const struct node *type;
    struct span fallback; // Avro binary
    bool has_fallback;
};

struct branch {
    const struct node *node;
    struct span wrapper; // "string", "com.shop.Money"
    uint8_t index[5];    // as Avro writes it
    uint8_t index_n;
};

struct pick {
    uint32_t n;     // branches that take this token
    uint32_t first; // the first of them
};

struct node {
    /* Encodes the value at w->p. */
    bool (*encode)(struct walk *w, const struct node *n);
    /* The same for a string's text and for a number: NULL, or the rule that was broken.
     */
    const char *(*from_text)(struct walk *w, const struct node *n, struct span text);
    const char *(*from_number)(struct walk *w, const struct node *n,
                               const struct number *x);
    const struct av_node *schema;
    uint8_t takes; // tokens, as bits
    bool integral; // an integer literal is meant for it
    bool is_local; // no zone
    int64_t per_second;
    size_t size; // fixed
    struct span wanted;

    const struct member *members; // record
    uint32_t n;                   // of members, branches or symbols
    struct lookup lookup;
    const struct node *items; // array, map
    const struct branch *branches;
    struct pick pick[TOKENS];
};

struct av_encoder {
    struct arena arena;
    struct av_schema *schema;
    struct av_encode_options options; // with the defaults filled in
    const struct node *root;
    struct node *nodes; // by av_node.index
};

/* Where we are, one frame a container; names are borrowed. */
struct place {
    const struct place *up;
    struct span name; // of the member; p NULL: an index
    bool raw;         // name stands as in the text, with its escapes
    size_t index;
};
#define NOWHERE SIZE_MAX // index: inside, before the first member

struct walk {
    const uint8_t *p, *end; // the text
    uint8_t *w, *w_end;     // the output
    const struct place *place;
    const struct av_encoder *enc;
    struct av_problems *problems;
    struct buf *out;
    const uint8_t *text;
    size_t offset;  // of text in what the person sent
    size_t start;   // of this record in the output
    size_t scratch; // bytes of it in use
    size_t depth;
    unsigned trying;
    bool failed;      // a problem was noted
    bool stopped;     // and nothing more can be said
    bool text_broken; // because it is no JSON
    const char *why;  // a word more about a broken rule, or NULL
    const struct node
        *choice; // the union whose only branch reads the value at choice_at
    const uint8_t *choice_at;
    const uint8_t *first;  // of the record
    size_t tried, may_try; // bytes read while trying
};

/* encode_walk.c */
bool walk_grow(struct walk *w, size_t n);
void *walk_push(struct walk *w, size_t n); // scratch; NULL: stopped
void *walk_scratch(const struct walk *w);  // the newest piece; it moves when w grows
void walk_pop(struct walk *w, size_t n);
void walk_note(struct walk *w, const char *rule, const uint8_t *at, struct span wanted,
               struct span value);
void walk_note_text(struct walk *w, const char *rule, const uint8_t *at,
                    struct span wanted, const char *found);
bool walk_no_json(struct walk *w, const uint8_t *at, const char *wanted);
bool walk_wrong(struct walk *w, const struct node *n, const char *rule,
                const uint8_t *at);
bool walk_wrong_kind(struct walk *w, const struct node *n);
bool walk_too_deep(struct walk *w);
bool walk_too_large(struct walk *w);

/* encode_text.c */
struct string {
    struct span raw; // between the quotes
    bool escaped;
    bool bad; // noted: not UTF-8, or half a surrogate pair
};
bool text_scan(struct walk *w, struct string *s); // w->p at the quote, then behind
bool text_skip(struct walk *w);                   // a whole value, checked
bool text_plain(struct walk *w, const struct string *s, struct span *plain);
bool text_is_utf8(struct span s);
size_t text_unescape(uint8_t *to, struct span raw); // raw was scanned; to has raw.n
extern const uint8_t text_tokens[256];              // first byte -> enum token

/* encode_scalar.c and its neighbours */
struct kind {
    enum av_type type;
    enum av_logical logical;
    bool (*encode)(struct walk *w, const struct node *n);
    const char *(*from_text)(struct walk *w, const struct node *n, struct span text);
    const char *(*from_number)(struct walk *w, const struct node *n,
                               const struct number *x);
};
const struct kind *scalar_kind(const struct av_node *n, bool strict); // NULL: none
const struct kind *logical_kind(const struct av_node *n);
bool encode_scalar(struct walk *w, const struct node *n);
bool encode_record(struct walk *w, const struct node *n);
bool encode_array(struct walk *w, const struct node *n);
bool encode_map(struct walk *w, const struct node *n);
bool encode_union(struct walk *w, const struct node *n);

/* encode_record.c */
bool encode_fallback(struct walk *w, const struct member *m);
bool encode_missing(struct walk *w, const struct node *n, const struct member *m,
                    const uint8_t *at);

/* encode.c: a walk over text that appends to out (false: it cannot), and what became of
 * it. */
bool walk_begin(struct walk *w, const struct av_encoder *enc, struct span text,
                struct buf *out, struct av_problems *p);
enum err_kind walk_end(struct walk *w);

static inline bool walk_room(struct walk *w, size_t n)
{
    return (size_t)(w->w_end - w->w) >= n || walk_grow(w, n);
}

static inline void walk_blanks(struct walk *w)
{
    const uint8_t *p = w->p;

    while (p < w->end && *p <= ' ' &&
           (*p == ' ' || *p == '\n' || *p == '\r' || *p == '\t'))
        p++;
    w->p = p;
}

static inline bool walk_take(struct walk *w, uint8_t c)
{
    walk_blanks(w);
    if (w->p == w->end || *w->p != c)
        return false;
    w->p++;
    return true;
}

static inline size_t walk_written(const struct walk *w) // offset of w->w in the output
{
    return (size_t)(w->w - w->out->p);
}

static inline enum token walk_token(const struct walk *w)
{
    return w->p < w->end ? (enum token)text_tokens[*w->p] : TOKEN_NONE;
}

/* Avro's zigzag varint: at most 10 bytes, for which there is room. */
#define VARINT 10
static inline uint8_t *varint_put(uint8_t *to, int64_t v)
{
    uint64_t x = (uint64_t)v << 1 ^ (uint64_t)(v >> 63);

    for (; x >= 0x80; x >>= 7)
        *to++ = (uint8_t)(x | 0x80);
    *to++ = (uint8_t)x;
    return to;
}

/* A container is entered and left; the caller has asked walk_at_depth_limit() first. */
static inline bool walk_at_depth_limit(const struct walk *w)
{
    return w->depth >= w->enc->options.depth;
}

static inline void walk_enter(struct walk *w, struct place *here)
{
    *here = (struct place){.up = w->place, .index = NOWHERE};
    w->place = here;
    w->depth++;
}

static inline void walk_leave(struct walk *w)
{
    w->place = w->place->up;
    w->depth--;
}

static inline bool encode_value(struct walk *w, const struct node *n)
{
    return n->encode(w, n);
}
