/*
 * schema.h - an Avro schema: text in, an immutable graph of types out.
 *
 * Apache Avro 1.12 specification, "Schema Declaration", with the choices of Confluent's
 * registry (Avro Java 1.12.1) where the specification leaves one: see docs/avro.md.
 *
 *      av_schema ── root ──> av_node (record) ── fields ──> av_field ── type ──>
 * av_node ... ^                                                 |
 *                                 '------------- recursion points back -------------'
 *
 * Everything a schema text says is kept, in order: attributes nobody knows, docs,
 * aliases, defaults.  Each node has an index, dense from 0, so that whoever compiles a
 * plan from the graph can keep an array beside it.
 *
 * An av_schema is reference-counted and never changes after av_schema_parse(): share it
 * among threads freely.  All spans and nodes live as long as it does.
 */
#pragma once

#include "avro-core/name.h"
#include "base/buf.h"
#include "base/json.h"

enum av_type {
    AV_NULL,
    AV_BOOLEAN,
    AV_INT,
    AV_LONG,
    AV_FLOAT,
    AV_DOUBLE,
    AV_BYTES,
    AV_STRING,
    AV_RECORD,
    AV_ENUM,
    AV_ARRAY,
    AV_MAP,
    AV_UNION,
    AV_FIXED,
};

/* A logical type that does not fit its type is AV_PLAIN: the specification says ignore.
 */
enum av_logical {
    AV_PLAIN,
    AV_DECIMAL,     // bytes, fixed
    AV_BIG_DECIMAL, // bytes
    AV_UUID,        // string, fixed(16)
    AV_DATE,        // int
    AV_TIME_MILLIS, // int
    AV_TIME_MICROS, // long
    AV_TIMESTAMP_MILLIS,
    AV_TIMESTAMP_MICROS,
    AV_TIMESTAMP_NANOS,
    AV_LOCAL_TIMESTAMP_MILLIS,
    AV_LOCAL_TIMESTAMP_MICROS,
    AV_LOCAL_TIMESTAMP_NANOS,
    AV_DURATION, // fixed(12)
};

enum av_order { AV_ASCENDING, AV_DESCENDING, AV_IGNORE };

/* An attribute that the specification does not define, as it was written. */
struct av_attr {
    struct span name;
    const struct json *value;
};

struct av_field {
    struct span name;
    const struct av_node *type;
    struct span doc;
    bool has_doc;
    enum av_order order;
    const struct json *fallback; // "default"; NULL when there is none
    struct span fallback_avro;  // the same in Avro binary, of `type`; n may be 0 (null)
    const struct span *aliases; // short names, in the order written
    size_t n_aliases;
    const struct av_attr *attrs;
    size_t n_attrs;
};

struct av_node {
    enum av_type type;
    enum av_logical logical;
    int precision, scale; // AV_DECIMAL
    uint32_t index;       // dense within the schema; the root need not be 0

    struct av_name name; // record, enum, fixed
    bool is_error;       // record written as "error"
    struct span doc;
    bool has_doc;
    const struct av_name *aliases; // fullnames, in the order written
    size_t n_aliases;

    const struct av_field *fields; // record
    size_t n_fields;
    const struct span *symbols; // enum
    size_t n_symbols;
    int fallback;                // enum: index of its default, -1 when it has none
    size_t size;                 // fixed
    const struct av_node *items; // array's items, map's values
    const struct av_node *const *branches; // union
    size_t n_branches;

    const struct av_attr *attrs; // others, in order; a logicalType is among them
    size_t n_attrs;
    struct span borrowed_from; // fullname of a type that a reference brought; or empty
};

struct av_schema; // see below for what can be asked

struct av_parse_limits {
    size_t bytes; // of text; 0 = 1 MiB
    size_t depth; // types inside each other; 0 = 64, at most 1000
    size_t nodes; // 0 = 100,000
    // For schemas somebody else has accepted long ago: a default that does not fit its
    // type is kept in `fallback`, without a fallback_avro, instead of refused.
    bool keep_bad_defaults;
};

/*
 * Parses `text`.  `known` are schemas whose named types may be used by name (registry
 * references); they are retained, and what is used of them is copied into the new
 * graph. `lim` NULL = defaults.  What is accepted is what Avro Java 1.12.1 accepts;
 * docs/avro.md lists the exceptions. ERR_INVALID: "/fields/2/type at 4:17: unknown type
 * \"strin\""; ERR_LIMIT.
 */
enum err_kind av_schema_parse(struct av_schema **out, struct span text,
                              struct av_schema *const *known, size_t n_known,
                              const struct av_parse_limits *lim,
                              struct err *e) MUST_USE;

struct av_schema *av_schema_retain(struct av_schema *s);
void av_schema_release(struct av_schema *s); // NULL is fine

const struct av_node *av_schema_root(const struct av_schema *s);
size_t av_schema_nodes(const struct av_schema *s); // how many indexes there are
/* The node of that index. */
const struct av_node *av_schema_node(const struct av_schema *s, uint32_t index);
struct span av_schema_text(const struct av_schema *s); // as given to av_schema_parse
/* The i-th of the `known` given to av_schema_parse(); NULL past the last. */
const struct av_schema *av_schema_known(const struct av_schema *s, size_t i);

const char *av_type_name(enum av_type t);       // "record"
const char *av_logical_name(enum av_logical l); // "timestamp-millis"; "" for AV_PLAIN

/* "com.shop.Order" of a named type, "string" of the others. Into `out`, cut to fit. */
#define AV_FULLNAME_SHOWN 200
void av_node_name(char out[AV_FULLNAME_SHOWN], const struct av_node *n);

/* The attribute called `name`, or NULL. */
const struct json *av_attr_get(const struct av_attr *attrs, size_t n, const char *name);

/* True for ["null", T] and [T, "null"]; *other is T then. */
bool av_is_nullable(const struct av_node *n, const struct av_node **other);
