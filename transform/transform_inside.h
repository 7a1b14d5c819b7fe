/*
 * transform_inside.h - what the files of transform/ share.
 *
 *      YAML ── given.c ──> tree ── read.c, verb by verb ──> steps
 *      steps, schema ── compile.c ──> ops on registers
 *      datum ── walk.c ──> registers ── run.c, op by op ──> registers ──> datum
 *
 * A register is a value's bytes, a union's branch with it: the first n_in are the
 * fields of the record that came in, where they lie; each value that a step makes has
 * one more.  Select and rename are over when the program is made.
 */
#pragma once

#include "avro-core/decode.h"
#include "base/mem.h"
#include "base/tab.h"
#include "cel/cel.h"
#include "transform/transform.h"

/* --- as written: given.c ---------------------------------------------------------- */

struct given {
    const char *key;  // of a list's item its number, from 1
    const char *text; // NULL: it has members
    const char *from; // "pipeline.yaml:3:5"
    bool list;
    struct given *first, *last, *next;
    size_t n;
};

struct given *tr_given_read(const struct conf_tree *tree, struct arena *a);
const struct given *tr_given_get(const struct given *g, const char *key);
/* A member that must be text; NULL when it is missing and `must` is false. */
enum err_kind tr_given_text(const char **out, const struct given *g, const char *key,
                            bool must, struct err *e) MUST_USE;
/* "a", or ["a", "b"]. */
enum err_kind tr_given_names(const char *const **out, size_t *n, const struct given *g,
                             struct arena *a, struct err *e) MUST_USE;
/* ERR_INVALID for a member that is none of `known` ("file|on|take"). */
enum err_kind tr_given_known(const struct given *g, const char *known,
                             struct err *e) MUST_USE;
/* Where it was written, in front of the message. */
enum err_kind tr_given_refuse(const struct given *g, struct err *e, const char *fmt,
                              ...) PRINTF_LIKE(3, 4);

/* --- types: type.c ---------------------------------------------------------------- */

struct tr_type {
    enum av_type type;
    enum av_logical logical;
    int precision, scale;
    char name[40]; // "decimal(12,2)"
};

enum err_kind tr_type_read(struct tr_type *out, const char *text,
                           struct err *e) MUST_USE;

enum tr_null { TR_NEVER_NULL, TR_NULL_FIRST, TR_NULL_LAST };

struct span tr_type_json(const struct tr_type *t, enum tr_null null, struct arena *a);

/* ["null", T] taken apart; another type is itself. */
struct tr_nullable {
    const struct av_node *value;
    enum tr_null null;
};
struct tr_nullable tr_nullable_of(const struct av_node *n);
void tr_put_branch(struct buf *out, enum tr_null null, bool is_null);
/* Takes the branch off a value that was walked; true: it is null. */
bool tr_take_branch(struct span *value, enum tr_null null);
int64_t tr_per_second(enum av_logical l); // of a time's or timestamp's unit
/* How values of this type alone are decoded. */
enum err_kind tr_plan_of(struct av_plan **out, const struct av_node *n,
                         struct err *e) MUST_USE;
/* "null" or "reject", the usual. */
enum err_kind tr_read_else(bool *else_null, const char *text, const struct given *g,
                           struct err *e) MUST_USE;

/* --- steps ------------------------------------------------------------------------ */

struct verb;

struct step {
    const struct verb *verb;
    const struct given *given; // what stands behind the verb
    char name[64];             // "3:cast", or as given
    void *read;                // what verb->read made of it
};

struct transform {
    struct arena arena;
    struct step *steps;
    size_t n;
};

/* --- compiling -------------------------------------------------------------------- */

struct column { // a field of the record between two steps
    struct span name;
    const struct av_field *field; // its type, default and more; or
    struct span type;             // JSON; or
    const struct av_node *node;   // a record of the schema before
    enum tr_null null;            // of `node`
    size_t reg;
};

struct piece { // registers that lie side by side
    size_t from, to;
    bool made;
};

struct view { // a record put together
    struct piece *pieces;
    size_t n;
    bool whole; // it is the record that came in
};

struct op;
typedef enum err_kind op_run(struct transform_run *r, const struct op *op,
                             struct transform_result *out, struct err *e);

struct op {
    op_run *run;
    const struct step *step;
    void *made;              // the verb's own
    const struct view *view; // the record it is asked of, or NULL
    const struct cel_rules *rules;
};

struct transform_program {
    struct arena arena;
    struct av_plan *whole;      // of the schema that comes in, for what is malformed
    struct av_schema **schemas; // the first is the reader's, the last what comes out
    size_t n_schemas;
    struct cel_rules **rules;
    size_t n_rules;
    size_t n_in, n_regs;
    struct op *ops;
    size_t n_ops;
    const struct view *out;
    struct program_thing { // freed with the program
        void (*free)(void *);
        void *thing;
        struct program_thing *next;
    } * things;
};

struct compiler {
    const struct transform *transform;
    struct transform_program *p;
    const struct step *step;
    struct av_schema *schema; // before the step
    struct column *columns;   // its fields
    size_t n;
    struct view *view;       // of the columns, once somebody wanted it
    struct cel_rules *rules; // over them
    size_t n_dedupes;        // so far
};

struct verb {
    const char *name;
    enum err_kind (*read)(struct step *s, struct arena *a, struct err *e);
    void (*forget)(struct step *s); // NULL: all is in the arena
    enum err_kind (*compile)(struct compiler *c, const struct step *s, struct err *e);
};

/* key.c: appends a value that was walked so that equal ones have equal bytes. */
bool tr_key_may_be(const struct av_node *n);
void tr_put_key(struct buf *out, const struct av_node *n, struct span value);

extern const struct verb tr_verb_cast, tr_verb_compute, tr_verb_parse, tr_verb_lookup,
    tr_verb_dedupe;
extern const struct verb tr_verb_select, tr_verb_drop, tr_verb_rename, tr_verb_filter;

/* The column called so, NULL when there is none; tr_column_must() says which there are.
 */
struct column *tr_column_find(const struct compiler *c, const char *name);
enum err_kind tr_column_must(struct column **out, const struct compiler *c,
                             const char *name, struct err *e) MUST_USE;
enum err_kind tr_column_check_name(const char *name, struct err *e) MUST_USE;
/* Adds to `columns`, which begin as the compiler's: behind the others, or in the place
 * of the one that is called so. */
void tr_place(const struct compiler *c, struct column *columns, size_t *n,
              const struct column *col);
size_t tr_new_register(struct compiler *c);
/* Its op; what it is to be asked of is the record as it stands (tr_compile_view()). */
struct op *tr_add_op(struct compiler *c, op_run *run, void *made);
const struct view *tr_compile_view(struct compiler *c);
enum err_kind tr_compile_rules(struct compiler *c, struct cel_rules **out,
                               struct err *e) MUST_USE;
/* From now on these are the columns. */
enum err_kind tr_compile_adopt(struct compiler *c, const struct column *columns,
                               size_t n, struct err *e) MUST_USE;
/* Frees `thing` with the program. */
void tr_program_owns(struct transform_program *p, void (*free_it)(void *), void *thing);

/* schema.c: a record of these fields, else like the one of `from`. */
enum err_kind tr_schema_make(struct av_schema **out, const struct av_schema *from,
                             const struct column *columns, size_t n,
                             struct err *e) MUST_USE;
/* Appends the type as JSON, all of it: for a schema's text that has no others. */
void tr_schema_put_type(struct buf *out, const struct av_node *n);

/* --- running ---------------------------------------------------------------------- */

struct transform_run {
    const struct transform_program *p;
    const struct transform_origin *origin;
    struct span datum;
    size_t *at; // of the fields that came in, and the end
    size_t cap_at;
    struct {
        size_t at, n;
    } * made; // of the other registers, in scratch
    size_t cap_made;
    struct buf scratch, record, text;
    const struct view *in_record;  // what `record` holds, NULL = nothing yet
    const struct cel_rules *began; // cel_begin() was called for these
    struct cel_run *cel;
    struct transform_memory *memory;     // of dedupes; outlives programs
    struct transform_memory *own_memory; // NULL = it is borrowed
    struct run_window {                  // of each dedupe, where its last record was
        struct window *window;
        const char *of; // identity
        uint64_t epoch;
        int32_t partition;
    } * windows;
    size_t n_windows;
};

/* memory.c, dedupe.c */
struct transform_memory *tr_memory_new(int64_t last);
/* Windows that were asked for are gone when it is another. */
uint64_t tr_memory_epoch(const struct transform_memory *m);
/* The window of the step with this identity; made when it is not there. */
struct window *tr_memory_window(struct transform_memory *m, int32_t partition,
                                const char *identity);
/* How many offsets, 0 = no step remembers anything. */
int64_t tr_looks_back(const struct transform *t);

struct span tr_register(const struct transform_run *r, size_t reg);
/* A value is appended to r->scratch between these two. */
size_t tr_make(struct transform_run *r);
void tr_made(struct transform_run *r, size_t reg, size_t at);
/* The record of the view; borrowed until another view is asked for. */
struct span tr_view(struct transform_run *r, const struct view *v);
/* Makes ready to ask op->rules. */
void tr_begin(struct transform_run *r, const struct op *op);
/* The step is to blame, at this field of it ("" = at none). */
enum err_kind tr_refuse(struct transform_result *out, const struct op *op,
                        struct span field, struct err *e, const char *fmt, ...)
    PRINTF_LIKE(5, 6);

/* walk.c: where the fields of a record begin, and where the last ends.  False: it is
 * malformed, or goes on behind the last. */
bool tr_walk_record(const struct av_node *record, struct span datum,
                    size_t *at) MUST_USE;
