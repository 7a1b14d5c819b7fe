/*
 * schema_inside.h - how a schema is built; for the files that build it only.
 *
 *      text ── json_read ──> tree ── parse.c ──> nodes ── finish.c ──> av_schema
 *                                      |  ^                    |
 *                          names ──────'  '── borrow.c         '── fallback.c
 *
 * struct build lives for one av_schema_parse() on one thread.  What the schema keeps is
 * in s->arena; the tree and all tables are in `scratch` and gone afterwards.
 */
#pragma once

#include "avro-core/schema.h"

#include <stdatomic.h>

struct av_schema {
    atomic_size_t refs;
    struct arena arena;
    struct span text;
    const struct av_node *root;
    struct av_node **nodes; // by index
    size_t n_nodes;
    struct av_schema **known; // retained
    size_t n_known;
};

/* A schema to borrow from, and what has been copied from it already. */
struct lender {
    const struct av_schema *s;
    struct av_node **copies; // by index in s; NULL where not copied
};

/* An entry of the table of names: defined here, or lent and perhaps not copied yet. */
struct named {
    struct av_name name; // first: looked up by it
    struct av_node *node;
    const struct json *at; // where it was defined; NULL when lent
    const struct av_node *lent;
    struct lender *lender;
};

/* A name used before its definition: stands in the graph until that comes. */
struct pending {
    struct av_node node; // first: index is PENDING
    const struct json *at;
    struct av_node *target;
    struct pending *next;
};

#define PENDING UINT32_MAX

/* Where a node came from. */
struct origin {
    const struct json *at;
    struct lender *lender;
};

struct build {
    struct av_schema *s;
    struct span text; // what the tree borrows from: s->text, or a copy without comments
    struct arena scratch;
    struct err *e;
    size_t depth, depth_most, nodes_most;
    bool keep_bad_defaults;

    struct origin *origins;               // by node index
    size_t cap;                           // of s->nodes and origins
    struct av_node *plain[AV_STRING + 1]; // primitives without attributes are shared
    void *names;                          // tsearch() tree of struct named
    struct lender *lenders;
    struct pending *pending, **pending_end;
    size_t steps;          // left, of the work that grows faster than the text
    size_t fallback_bytes; // so far
};

#define STEPS_MOST 4000000

/* Fills *b->e: "/fields/0/type at 1:17: ...".  `at` says where; returns `kind`. */
enum err_kind refuse(struct build *b, const struct json *at, enum err_kind kind,
                     const char *fmt, ...) PRINTF_LIKE(4, 5);

/* "string "abc"", "number 5", "an object", for messages. */
#define SHOWN 64
const char *shown(char out[SHOWN], const struct json *j);

/* Takes `n` of the steps left; ERR_LIMIT when there are none. */
enum err_kind take_steps(struct build *b, const struct json *at, size_t n) MUST_USE;

/* A new node with an index; its origin is `at`. ERR_LIMIT past nodes_most. */
enum err_kind add_node(struct build *b, struct av_node **out, enum av_type type,
                       const struct json *at) MUST_USE;

static inline bool is_pending(const struct av_node *n)
{
    return n->index == PENDING;
}

static inline bool is_named(const struct av_node *n)
{
    return n->type == AV_RECORD || n->type == AV_ENUM || n->type == AV_FIXED;
}

/* comments.c: `text`, with its comments made blanks in a copy (Avro Java allows them).
 */
struct span without_comments(struct span text, struct arena *a);

/* borrow.c: the table of names, and types of other schemas */

/* NULL when nobody is called so. */
struct named *names_find(const struct build *b, const struct av_name *name);
void names_add(struct build *b, const struct named *entry);
void names_free(struct build *b);

/* Enters every named type of b->s->known.  ERR_INVALID when two differ under one name.
 */
enum err_kind lend_names(struct build *b) MUST_USE;

/* The node of `entry` in this schema, copied with all it needs when it is lent. */
enum err_kind named_node(struct build *b, struct named *entry,
                         struct av_node **out) MUST_USE;

/* same.c: *same: Avro Java calls the two definitions equal (docs, aliases do not
 * count). */
enum err_kind same_definition(struct build *b, const struct json *at,
                              const struct av_node *x, const struct av_node *y,
                              bool *same) MUST_USE;

/* logical.c: sets logical, precision and scale from the attributes. */
void find_logical(struct av_node *n);

/* finish.c: resolves what is pending, checks unions, encodes the defaults. */
enum err_kind finish(struct build *b, const struct av_node *root) MUST_USE;

/* fallback.c */

/* The default `v` of a field of `type` while types may still be pending: may it fit? */
enum err_kind check_fallback(struct build *b, const struct av_node *type,
                             const struct json *v) MUST_USE;

/* Fills fallback_avro of every field, when nothing is pending any more. */
enum err_kind encode_fallbacks(struct build *b) MUST_USE;

/* "NaN", "Infinity", " -1.5e3 ": what Java's Double.parseDouble() takes. */
bool read_java_double(struct build *b, struct span text, double *out);
