/*
 * json.h - JSON (RFC 8259) read into a tree, and written piece by piece.
 *
 * Reading is strict: UTF-8 checked, no lone surrogates, no duplicate names, no NaN, one
 * value and nothing behind it.  Every value remembers its byte offset and numbers keep
 * their text, so that whoever reads a schema can point at it and lose nothing.  The
 * hot path of the gateway does not come here (avro-core/encode.h).
 *
 * The tree lives in the arena it was read into; strings without escapes borrow from
 * the text, which must therefore live as long.  Pure; safe from any thread.
 */
#pragma once

#include "base/buf.h"
#include "base/mem.h"

enum json_kind {
    JSON_NULL,
    JSON_FALSE,
    JSON_TRUE,
    JSON_NUMBER,
    JSON_STRING,
    JSON_ARRAY,
    JSON_OBJECT,
};

struct json {
    enum json_kind kind;
    size_t at, end;            // the value's bytes in the text: [at, end)
    struct span name;          // of an object's member, unescaped
    size_t name_at;            // where that name stands
    struct span text;          // NUMBER: as written; STRING: unescaped
    const struct json *parent; // NULL for the root
    struct json *first;        // ARRAY, OBJECT: children in order
    struct json *next;         // the next child of the same parent
    size_t n;                  // number of children
};

struct json_limits {
    size_t depth;  // containers inside each other; 0 = 64
    size_t values; // in the whole text; 0 = 1,000,000
};

/*
 * Reads `text`.  ERR_INVALID with "line:column: found, wanted"; ERR_LIMIT past a limit.
 * `lim` may be NULL for the defaults.
 */
enum err_kind json_read(const struct json **out, struct span text,
                        const struct json_limits *lim, struct arena *a,
                        struct err *e) MUST_USE;

/* Line and column (from 1, columns in bytes) of offset `at` in `text`. */
void json_place(struct span text, size_t at, size_t *line, size_t *column);

/* Appends the JSON pointer (RFC 6901) of `j` within its tree: "" is the root. */
void json_pointer(struct buf *out, const struct json *j);

/* The member called `name`, or NULL; NULL too when `obj` is NULL or no object.  Looks
 * at one member after the other: do not call it for each of many names. */
const struct json *json_member(const struct json *obj, const char *name);
const struct json *json_member_span(const struct json *obj, struct span name);

/* Nothing but white space (RFC 8259), or nothing at all. */
bool json_is_blank(struct span text);

/* "object", "string", ... for messages. */
const char *json_kind_name(enum json_kind k);

static inline bool json_is(const struct json *j, enum json_kind k)
{
    return j != NULL && j->kind == k;
}

/* A whole number in [min, max]: ERR_INVALID naming what was found. 1.0 and 1e3 are. */
enum err_kind json_int(int64_t *out, const struct json *j, int64_t min, int64_t max,
                       struct err *e) MUST_USE;

/* Appends "..." with what RFC 8259 requires escaped (and nothing else) escaped.  Bytes
 * that are no UTF-8 become U+FFFD: a message may have been cut in a character. */
void json_put_string(struct buf *out, struct span s);
void json_put_int(struct buf *out, int64_t v);
/* Shortest digits that read back as the same double, laid out as ECMAScript (and RFC
 * 8785) do, but -0 keeps its sign; v is finite. */
void json_put_double(struct buf *out, double v);
/* Writes the tree back without white space, names and numbers as they were. */
void json_put(struct buf *out, const struct json *j);
