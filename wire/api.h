/*
 * api.h - the bodies of the registry's HTTP interface, read and written by the same
 * rows.
 *
 * Confluent's interface (docs/registry.md).  Each body is a struct; a table in api.c
 * says which member stands where, and reading and writing both walk it.  What a
 * struct's value calls absent (an empty span, a 0, API_UNSAID) is not written.  Members
 * nobody knows are skipped, null is absent.  JSON comes out without white space, in the
 * order Confluent writes it: registry/log.c writes the records of `_schemas` from the
 * same rows.
 *
 * What is read borrows from the body and from the arena.  Pure; safe from any thread.
 */
#pragma once

#include "avro-core/compat.h"
#include "base/buf.h"
#include "base/json.h"

struct api_reference {
    struct span name, subject;
    int32_t version;
};

enum api_said { API_UNSAID, API_NO, API_YES };

/* A schema in any role: sent to be registered, answered, stored. */
struct api_schema {
    struct span subject;
    int32_t version; // 0 = none; -1 in a request: the next, said
    int32_t id;      // 0 = none; -1 in a request says none too
    struct span md5; // base64; only in records of `_schemas`
    struct span guid;
    struct span type; // "AVRO" when empty
    const struct api_reference *references;
    size_t n_references;
    struct span metadata, rules; // JSON without white space; empty = none
    struct span schema;          // the text; never absent
    struct span tags;            // those in the text that were asked for; JSON
    int64_t ts;                  // milliseconds, 0 = none
    enum api_said deleted;
    int64_t max_id; // 0 = none
};

#define API_REFERENCES_MOST 1000

/* ERR_INVALID names the member, what was found and what was wanted. */
enum err_kind api_schema_read(struct api_schema *out, struct span body, struct arena *a,
                              struct err *e) MUST_USE;
enum err_kind api_schema_of(struct api_schema *out, const struct json *j,
                            struct arena *a, struct err *e) MUST_USE;
void api_schema_put(struct buf *out, const struct api_schema *s);

static inline bool api_is_avro(const struct api_schema *s)
{
    return s->type.n == 0 || span_eq(s->type, span_str("AVRO"));
}

/*
 * The settings of a subject, of a context or of all: each member as its JSON text.
 * Empty = not set.  In a change an empty member stays as it was and `null` clears it.
 */
enum api_config_member {
    API_ALIAS,
    API_ALIAS_FOR_DEKS,
    API_NORMALIZE,
    API_VALIDATE_FIELDS,
    API_VALIDATE_NEW_SCHEMAS,
    API_VALIDATE_RULES,
    API_LEVEL,
    API_POLICY,
    API_GROUP,
    API_DEFAULT_METADATA,
    API_OVERRIDE_METADATA,
    API_DEFAULT_RULES,
    API_OVERRIDE_RULES,
    API_CONFIG_MEMBERS,
};

struct api_config {
    struct span member[API_CONFIG_MEMBERS];
};

/* The level is called "compatibilityLevel" where it is read and "compatibility" where
 * it is set; reading takes both. */
enum api_config_style { API_CONFIG_GET, API_CONFIG_SET };

const char *api_config_name(enum api_config_member m);
enum err_kind api_config_read(struct api_config *out, struct span body, struct arena *a,
                              struct err *e) MUST_USE;
void api_config_of(struct api_config *out, const struct json *j, struct arena *a);
void api_config_put(struct buf *out, const struct api_config *c,
                    enum api_config_style style);
/* The members without the braces, each with a comma before it unless `first`. */
void api_config_put_members(struct buf *out, const struct api_config *c,
                            enum api_config_style style, bool first);
bool api_config_is_empty(const struct api_config *c);
/* `into` changed by `change`. */
void api_config_change(struct api_config *into, const struct api_config *change);
/* What `into` does not set is taken from `wider`. */
void api_config_inherit(struct api_config *into, const struct api_config *wider);
/* The level, or false when it is not set (or is no level). */
bool api_config_level(const struct api_config *c, enum av_level *out);
bool api_config_true(const struct api_config *c, enum api_config_member m);

enum api_mode {
    API_READWRITE,
    API_READONLY,
    API_READONLY_OVERRIDE,
    API_IMPORT,
    API_FORWARD,
};

const char *api_mode_name(enum api_mode m);
bool api_mode_of(enum api_mode *out, struct span name); // case ignored
enum err_kind api_mode_read(enum api_mode *out, struct span body, struct arena *a,
                            struct err *e) MUST_USE;
void api_mode_put(struct buf *out, enum api_mode m);

struct api_error {
    int64_t code;
    struct span message;
};

/* For clients: ERR_INVALID when it is not such a body. */
enum err_kind api_error_read(struct api_error *out, struct span body, struct arena *a,
                             struct err *e) MUST_USE;
void api_error_put(struct buf *out, int code, struct span message);

/* [1,2,3] and ["a","b"]. */
void api_ints_put(struct buf *out, const int32_t *v, size_t n);
void api_texts_put(struct buf *out, const struct span *v, size_t n);

struct api_place { // where a schema is registered
    struct span subject;
    int32_t version;
};
void api_places_put(struct buf *out, const struct api_place *v, size_t n);

/* {"is_compatible":false,"messages":[...]}; `messages` NULL = not asked for. */
void api_compat_put(struct buf *out, bool compatible, const struct span *messages,
                    size_t n);
