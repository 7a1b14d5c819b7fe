/*
 * cel_inside.h - what the files of cel/ share.
 *
 *      text ── lex.c, parse.c ──> tree ── check.c ──> typed tree ── plan.c ──> ops
 *      datum ── field.c ──> slots ── eval.c on ops ──> value ── rule.c ──> outcome
 */
#pragma once

#include "base/buf.h"
#include "base/json.h"
#include "base/mem.h"
#include "cel/cel.h"
#include "cel/regex.h"

/* Values */

enum cel_kind {
    CEL_ERROR,
    CEL_NULL,
    CEL_BOOL,
    CEL_INT,
    CEL_UINT,
    CEL_DOUBLE,
    CEL_STRING,
    CEL_BYTES,
    CEL_LIST,
    CEL_MAP,
    CEL_MESSAGE, // a record
    CEL_TIMESTAMP,
    CEL_DURATION,
    CEL_TYPE,
    CEL_DECIMAL,
    // of types only:
    CEL_DYN,
    CEL_NULLABLE, // T or null
    CEL_PARAM,    // of a signature
};

/*
 * 24 bytes, passed around by value.  What is larger lives in the run's arena, in the
 * rule (constants) or still in the datum: an Avro list is `node` and where it starts.
 */
struct cel_value {
    uint8_t kind;  // enum cel_kind
    bool in_datum; // LIST, MAP: `node` and `p`, not `items` and `n`
    int32_t nanos; // TIMESTAMP: beside `i`, the seconds
    union {
        bool b;
        int64_t i; // INT; TIMESTAMP: seconds since 1970; DURATION: nanoseconds
        uint64_t u;
        struct {
            double d;
            const struct json *said; // as it was written, where JSON has it; or NULL
        };
        struct span s; // STRING, BYTES; ERROR: why; TYPE: its name
        struct {
            const struct cel_value *items; // MAP: key, value, key, value
            size_t n;                      // pairs of a MAP
        };
        struct {
            const struct av_node *node; // LIST, MAP, MESSAGE, DECIMAL
            const uint8_t *p;           // into run->datum
        };
    };
};

static inline struct cel_value cel_null(void)
{
    return (struct cel_value){.kind = CEL_NULL};
}

static inline struct cel_value cel_bool(bool b)
{
    return (struct cel_value){.kind = CEL_BOOL, .b = b};
}

static inline struct cel_value cel_int(int64_t i)
{
    return (struct cel_value){.kind = CEL_INT, .i = i};
}

static inline struct cel_value cel_uint(uint64_t u)
{
    return (struct cel_value){.kind = CEL_UINT, .u = u};
}

static inline struct cel_value cel_double(double d)
{
    return (struct cel_value){.kind = CEL_DOUBLE, .d = d};
}

static inline struct cel_value cel_string(struct span s)
{
    return (struct cel_value){.kind = CEL_STRING, .s = s};
}

static inline struct cel_value cel_bytes(struct span s)
{
    return (struct cel_value){.kind = CEL_BYTES, .s = s};
}

static inline struct cel_value cel_type_value(struct span name)
{
    return (struct cel_value){.kind = CEL_TYPE, .s = name};
}

static inline struct cel_value cel_duration(int64_t nanos)
{
    return (struct cel_value){.kind = CEL_DURATION, .i = nanos};
}

/* Of a text that lives for ever. */
static inline struct cel_value cel_fail(const char *why)
{
    return (struct cel_value){.kind = CEL_ERROR, .s = span_str(why)};
}

/* Types */

struct cel_type {
    enum cel_kind kind;
    const struct cel_type *a, *b; // LIST, NULLABLE: a; MAP: a to b
    const struct av_node *node;   // MESSAGE
    unsigned param;               // PARAM
};

/* The one without parts; list(dyn), map(dyn, dyn). */
const struct cel_type *cel_type_of(enum cel_kind k);
extern const struct cel_type cel_type_open; // dyn for want of anything known
const struct cel_type *cel_type_list(struct arena *a, const struct cel_type *item);
const struct cel_type *cel_type_map(struct arena *a, const struct cel_type *key,
                                    const struct cel_type *value);
const struct cel_type *cel_type_nullable(struct arena *a, const struct cel_type *t);
const struct cel_type *cel_type_of_node(struct arena *a, const struct av_node *n);
/* What both are, or NULL: null and T are nullable T, dyn takes everything. */
const struct cel_type *cel_type_join(struct arena *a, const struct cel_type *x,
                                     const struct cel_type *y);
/* T of nullable T. */
const struct cel_type *cel_type_sure(const struct cel_type *t);
void cel_type_put(struct buf *out, const struct cel_type *t);
const char *cel_kind_name(enum cel_kind k);
/* What values of it are as Avro; texts in the arena. */
struct cel_result cel_type_result(const struct cel_type *t, struct arena *a);
void cel_node_name_put(struct buf *out, const struct av_node *n); // com.shop.Order

/* Tokens: lex.c */

enum cel_token_kind {
    TOK_END,
    TOK_IDENT,
    TOK_QUOTED, // `a.b`
    TOK_INT,    // magnitude in u, for the sign comes from the parser
    TOK_UINT,
    TOK_DOUBLE,
    TOK_STRING,
    TOK_BYTES,
    TOK_IN,
    TOK_TRUE,
    TOK_FALSE,
    TOK_NULL,
    TOK_OR,
    TOK_AND,
    TOK_EQ,
    TOK_NE,
    TOK_LE,
    TOK_GE,
    TOK_LT,
    TOK_GT,
    TOK_PLUS,
    TOK_MINUS,
    TOK_STAR,
    TOK_SLASH,
    TOK_PERCENT,
    TOK_NOT,
    TOK_QUESTION,
    TOK_COLON,
    TOK_COMMA,
    TOK_DOT,
    TOK_OPEN,
    TOK_CLOSE,
    TOK_OPEN_LIST,
    TOK_CLOSE_LIST,
    TOK_OPEN_MAP,
    TOK_CLOSE_MAP,
    TOK_SEMICOLON,
};

struct cel_token {
    enum cel_token_kind kind;
    size_t at, end;   // bytes of the text
    struct span text; // IDENT, QUOTED: the name; STRING, BYTES: unescaped
    uint64_t u;
    double d;
};

struct cel_lexer {
    struct span text;
    size_t at;
    struct arena *arena; // for unescaped text
};

enum err_kind cel_lex(struct cel_lexer *l, struct cel_token *out,
                      struct err *e) MUST_USE;

/* "line:column: " in front of the message, for byte `at` of `text`. */
enum err_kind cel_refuse(struct span text, size_t at, enum err_kind kind, struct err *e,
                         const char *fmt, ...) PRINTF_LIKE(5, 6);

/* The tree: parse.c */

enum cel_ast_kind {
    AST_CONST,
    AST_NAME,   // a variable, a type, or a part of a dotted name
    AST_SELECT, // args[0].name; `has`: is it there?
    AST_CALL,   // name(args), args[0].name(args...) when `member`, and all operators
    AST_LIST,
    AST_MAP,  // key, value, ...
    AST_MAKE, // com.shop.Order{name: value}: args are the values, names beside them
    AST_LOOP, // a macro over args[0], with `local` bound to `name`
};

enum cel_loop { LOOP_ALL, LOOP_EXISTS, LOOP_EXISTS_ONE, LOOP_MAP, LOOP_FILTER };

struct cel_ast {
    enum cel_ast_kind kind;
    uint32_t at; // byte of the text
    uint16_t depth;
    bool has, member, rooted; // rooted: ".name"
    enum cel_loop loop;
    struct span name;
    struct cel_ast **args; // LOOP: range, [filter,] what
    size_t n;
    struct cel_value value; // CONST
    struct span *names;     // MAKE
    // filled by check.c
    const struct cel_type *type;
    const struct cel_function *function;
    int variable;               // NAME: index of the variable, -1 when a local
    int local;                  // NAME, LOOP: index of the local
    bool is_type;               // NAME, SELECT: the name of a type; value is it
    bool is_variable;           // NAME, SELECT: `variable` is it
    const struct av_node *node; // MAKE
};

struct cel_parsed {
    struct cel_ast *guard; // or NULL
    struct cel_ast *body;
};

enum err_kind cel_parse(struct cel_parsed *out, struct span text, struct arena *a,
                        struct err *e) MUST_USE;

/* Functions and operators: functions.c */

enum cel_op_kind {
    OP_CALL, // function->run on the arguments
    OP_CONST,
    OP_VARIABLE,
    OP_LOCAL,
    OP_SLOT,    // a field of the record, found by the walk: slots[a]
    OP_FIELD,   // field b of message a, its type known
    OP_SELECT,  // name consts[b] of a, whatever that is
    OP_HAS,     // is SELECT's there?
    OP_PRESENT, // is a, a field that is there, not null?
    OP_AND,     // n operands
    OP_OR,
    OP_IF,
    OP_NOT,
    OP_EQ,
    OP_NE,
    OP_LT,
    OP_LE,
    OP_GT,
    OP_GE,
    OP_IN,
    OP_INDEX,
    OP_LIST,
    OP_MAP,
    OP_MATCHES, // a against regexes[b]
    OP_LOOP,    // cel_loop b over kids[a]
    OP_NONE,    // what lenient checking let pass: an error
};

struct cel_function {
    const char *name;
    const char *signatures; // "ss>b [A>i": see functions.c
    enum { CEL_GLOBAL = 1, CEL_MEMBER = 2, CEL_BOTH = 3 } style;
    enum cel_op_kind op;
    struct cel_value (*run)(struct cel_run *run, const struct cel_value *args,
                            size_t n); // no argument is an error
};

#define CEL_ARGS_MOST 4 // of a function, what it is called on among them

extern const struct cel_function cel_functions[];
extern const size_t cel_n_functions;

/* Checking: check.c */

struct cel_variable {
    struct span name; // may have dots
    const struct cel_type *type;
};

/* What an expression is checked against. */
struct cel_scope {
    const struct cel_variable *variables;
    size_t n;
    const struct av_schema *schema; // its records are types; NULL for none
    struct span container;          // names are looked up within it first
    bool lenient;                   // what does not fit is dyn and an error when asked
    const struct av_node *bare;     // the record whose fields are names, too; or NULL
};

/* Fills the tree's types.  `text` is for places. */
enum err_kind cel_type_check(struct cel_ast *tree, const struct cel_scope *scope,
                             struct span text, struct arena *a, struct err *e) MUST_USE;

/* The same, and it must be able to be a bool: rule.c. */
enum err_kind cel_guard_check(struct cel_ast *guard, const struct cel_scope *scope,
                              struct span text, struct arena *a,
                              struct err *e) MUST_USE;

/* Plans: plan.c */

struct cel_op {
    uint8_t kind; // enum cel_op_kind
    uint8_t n;    // OP_CALL: arguments in a, b, c
    uint16_t local;
    uint32_t a, b,
        c; // ops, or as enum cel_op_kind says; kids: from a on, n or b of them
};

struct cel_plan {
    struct cel_op *ops;
    size_t n, cap;
    uint32_t *kids; // of ops with many
    size_t n_kids, cap_kids;
    struct cel_value *consts;
    size_t n_consts, cap_consts;
    struct cel_regex **regexes;
    size_t n_regexes;
    size_t first_scratch; // where those of the regexes are in a run
    uint32_t root;
    size_t locals; // how many at once
};

/*
 * The walk along a record that finds the fields which the rules of a set want: a tree
 * of records, each with what to do with its fields in turn.
 */
#define CEL_SLOTS_MOST 4096

struct cel_want {
    const struct av_node *record;
    size_t n;                // fields up to the last wanted one
    int32_t *slot;           // of each field; -1: nobody wants it
    struct cel_want **inner; // of each field: what is wanted within, or NULL
};

struct cel_tag {
    struct span path, tag;
    struct cel_tag *next;
};

struct cel_rules {
    struct av_schema *schema;
    struct arena arena;    // types, constants, wants
    struct cel_want *want; // NULL: nothing yet
    const struct av_node **slot_nodes;
    size_t n_slots, cap_slots;
    struct cel_rule *first; // newest first
    size_t n_regexes;
    bool bare; // `amount` is `message.amount`
    struct cel_tag *tags, **tags_end;
    struct cel_visits *visits; // CEL_FIELD: what is known of each; NULL: not asked
};

struct cel_rule {
    struct cel_rules *set;
    const struct span *only; // tags; of one of them a field must be
    size_t n_only;
    enum cel_mode mode;
    enum cel_yield yield;
    struct cel_result result;
    bool has_guard;
    struct cel_plan guard, body;
    struct cel_rule *next;
};

/*
 * What is constant is computed here and kept in `keep`; a regex, timestamp or duration
 * that is wrong in itself is refused.  `set`: variable 0 is its record, whose fields
 * get slots; NULL for none.
 */
enum err_kind cel_plan_make(struct cel_plan *out, struct cel_ast *tree,
                            struct cel_rules *set, struct span text, struct arena *keep,
                            struct err *e) MUST_USE;
void cel_plan_free(struct cel_plan *p);

/* Asking: eval.c */

struct cel_zone;

struct cel_run {
    struct arena arena;
    const struct cel_rules *set;
    struct span datum;
    const uint8_t *end;
    const uint8_t **slots; // NULL: the record around it is null
    size_t cap_slots;
    size_t nesting; // of what is being skipped or compared
    bool walked;
    const char *broken; // the walk failed, a limit was met: nothing absorbs this
    size_t steps;
    struct cel_value now;
    const struct cel_plan *plan;
    const struct cel_value *variables;
    struct cel_value *locals;
    size_t cap_locals;
    struct cel_zone *zones;               // read so far
    struct cel_regex_scratch **scratches; // of regexes; the last for those made here
    size_t n_scratches;
    struct buf text; // for messages and lines
};

/* A question begins: what the one before left is gone. */
void cel_ask(struct cel_run *run);
struct cel_value cel_eval(struct cel_run *run, const struct cel_plan *plan,
                          const struct cel_value *variables);

/* Memory of the run; NULL when the record has had its share, and nothing goes on then.
 */
void *cel_room(struct cel_run *run, size_t n);
/* Counts work; false when there was too much. */
bool cel_steps(struct cel_run *run, size_t n);
/* An error whose text is made here. */
struct cel_value cel_failf(struct cel_run *run, const char *fmt, ...) PRINTF_LIKE(2, 3);
struct cel_value cel_broken(const struct cel_run *run);
struct cel_regex_scratch *cel_scratch(struct cel_run *run, size_t i);
/* A copy that needs neither the run nor the datum. */
struct cel_value cel_keep(struct arena *a, struct cel_value v);
struct cel_value cel_no_overload(struct cel_run *run, const char *name,
                                 const struct cel_value *args, size_t n);

/* The name that type(v) has. */
struct span cel_type_name(struct cel_run *run, struct cel_value v);

/* Values of the datum: field.c */

/* The value of type `n` at `p`. */
struct cel_value cel_load(struct cel_run *run, const struct av_node *n,
                          const uint8_t *p);
/* Behind the value of type `n` at `p`; NULL when it is cut: the run is broken then. */
const uint8_t *cel_skip(struct cel_run *run, const struct av_node *n, const uint8_t *p);
/* Where field `i` of the record at `p` stands; NULL as above. */
const uint8_t *cel_field_at(struct cel_run *run, const struct av_node *record, size_t i,
                            const uint8_t *p);
int cel_field_index(const struct av_node *record, struct span name); // -1: none
/* Finds all slots. */
bool cel_walk(struct cel_run *run);
bool cel_take_long(struct cel_run *run, const uint8_t **p, int64_t *out);

/* Lists and maps, wherever they are. */
struct cel_each {
    struct cel_run *run;
    struct cel_value of;
    size_t i;          // made ones
    const uint8_t *p;  // in the datum: the next one
    const uint8_t *at; // the value of the last one
    int64_t left;      // of the block
    bool done;
};

struct cel_each cel_each_of(struct cel_run *run, struct cel_value list_or_map);
/* The next item; of a map key and value (`value` may be NULL, it is not loaded then).
 */
bool cel_next(struct cel_each *each, struct cel_value *item, struct cel_value *value);

int64_t cel_count(struct cel_run *run, struct cel_value list_or_map);
struct cel_value cel_index(struct cel_run *run, struct cel_value of,
                           struct cel_value key);
/* The entry of a map, false when there is none. */
bool cel_find(struct cel_run *run, struct cel_value map, struct cel_value key,
              struct cel_value *out);
struct cel_value cel_select(struct cel_run *run, struct cel_value of, struct span name);
struct cel_value cel_has(struct cel_run *run, struct cel_value of, struct span name);

/* Comparing: value.c */

bool cel_equal(struct cel_run *run, struct cel_value x, struct cel_value y);
/* -1, 0, 1; CEL_UNORDERED for a NaN; CEL_INCOMPARABLE for kinds that do not compare. */
#define CEL_UNORDERED 2
#define CEL_INCOMPARABLE 3
int cel_compare(struct cel_run *run, struct cel_value x, struct cel_value y);

/* Decimals: decimal.c */

int cel_decimal_compare(struct cel_run *run, struct cel_value x, struct cel_value y);
/* Keeps the scale: 1.10.  False for a malformed big-decimal. */
bool cel_decimal_put(struct cel_run *run, struct cel_value x, struct buf *out);
struct cel_value cel_decimal_double(struct cel_run *run, struct cel_value x);
struct cel_value cel_decimal_whole(struct cel_run *run, struct cel_value x); // an int

/* Times: time.c, zone.c */

bool cel_is_leap(int64_t year);
int64_t cel_days_before_year(int64_t year); // since 1970, to its first day

#define CEL_SECOND_FIRST (-62135596800) // 0001-01-01T00:00:00Z
#define CEL_SECOND_LAST 253402300799    // 9999-12-31T23:59:59Z

struct cel_value cel_timestamp(int64_t seconds, int64_t nanos); // or an error
bool cel_timestamp_read(struct cel_value *out, struct span text);
bool cel_duration_read(int64_t *nanos, struct span text);
void cel_timestamp_put(struct buf *out, struct cel_value t);
void cel_duration_put(struct buf *out, int64_t nanos); // 1.5s
void cel_zones_free(struct cel_run *run);

/* Text: text.c */

size_t cel_code_points(struct span s);
/* The first code point, its length in *n; a byte that is none is U+FFFD. s.n > 0. */
uint32_t cel_code_point(struct span s, size_t *n);
size_t cel_utf8_put(uint8_t out[4], uint32_t point);
/* A message is a line of UTF-8: what was cut in the middle of a character goes. */
void cel_tidy(char *text);
void cel_double_put(struct buf *out, double d);       // as Go's %g: 1e+06
void cel_double_put_plain(struct buf *out, double d); // without an exponent
/* A run's copy of what was written; an error when there is no room. */
struct cel_value cel_text(struct cel_run *run, enum cel_kind kind, struct buf *b);

/* What a value looks like: show.c */

/* JSON; false when the value has none or `out` is full. */
bool cel_json_put(struct cel_run *run, struct cel_value v, struct buf *out);

/* The record of type `n` at `p` as plain JSON: as it would be sent. */
bool cel_record_put(struct cel_run *run, const struct av_node *n, const uint8_t *p,
                    struct buf *out);

/* A value as Avro binary of type `n`: fit.c.  False: *why says what does not fit. */
bool cel_fit(struct cel_run *run, struct cel_value v, const struct av_node *n,
             struct buf *out, struct cel_value *why);
