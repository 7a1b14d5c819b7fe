/*
 * state.h - what the registry knows: the projection of its log.
 *
 *      reg_state ──> reg_context "." ──> reg_subject ──> reg_version ─┐
 *           │              │                                 ^       v
 *           │              '── by id, by md5 ──────────> reg_schema (places)
 *           '──> reg_scope: settings and mode of a subject, of a context, of all
 *
 * It changes by reg_state_apply() alone; replay is apply in a loop, and a state depends
 * on nothing but the events applied.  Ids are unique in their context and mean one
 * schema for ever: of two schemas under one id the first in the log wins, and the state
 * remembers that somebody wrote a second (`clashes`).
 *
 * Pure, not thread-safe: whoever shares it holds a lock (tail.h).  What a read returns
 * lives until the next apply.
 */
#pragma once

#include "base/tab.h"
#include "registry/history.h"
#include "wire/subject.h"

struct reg_schema { // what an id means
    int32_t id;
    uint8_t md5[16];        // guid.h
    struct api_schema what; // text, type, references, metadata, rules
    struct reg_context *context;
    struct reg_version *places,
        *last_place;         // where it stands, oldest first; never none
    struct reg_schema *same; // the next of this md5 in the context
    struct arena arena;      // owns all of it
};

struct reg_odd_key { // a form of a key that we do not write (a tombstone must)
    struct span key;
    struct reg_odd_key *next;
};

struct reg_version {
    struct reg_subject *subject;
    int32_t version;
    bool deleted; // softly
    struct reg_schema *schema;
    int64_t offset, ts; // of the record that said so last
    struct reg_version *next_place;
    struct reg_odd_key *odd_keys;
    struct reg_history history; // never empty
};

struct reg_subject {
    struct reg_context *context;
    struct span name;      // inside its context
    struct span qualified; // ":.ctx:name", the default context left out
    struct reg_version **versions;
    size_t n, cap;                // ascending by version
    struct reg_history deletions; // of all its versions to some number
};

struct reg_context {
    struct span name; // "." or ".ctx"
    struct tab subjects, ids, md5s;
    int32_t max_id; // the largest ever seen
    size_t live;    // versions that are not deleted
};

struct reg_scope {
    struct api_config config;
    bool has_config;
    enum api_mode mode;
    bool has_mode;
    struct reg_odd_key *odd_config_keys, *odd_mode_keys;
    struct arena arena; // owns the config
};

struct reg_state {
    struct tab contexts, scopes;
    uint64_t applied; // events
    uint64_t clashes; // schemas written under an id that means another
    uint64_t foreign; // of key types we do not interpret
};

void reg_state_init(struct reg_state *s);
void reg_state_free(struct reg_state *s);
void reg_state_apply(struct reg_state *s, const struct reg_event *ev);

/* A qualified subject in the one form it is kept in: ":.:a" is "a". */
struct span reg_subject_normal(struct span subject, struct arena *a);
/* The same, and where its settings name an alias that one: whose versions are meant. */
struct span reg_subject_meant(const struct reg_state *s, struct span subject,
                              struct arena *a);

/* Each NULL when there is none.  Subjects are given as people write them. */
const struct reg_context *reg_context_of(const struct reg_state *s,
                                         struct span subject);
const struct reg_subject *reg_subject_of(const struct reg_state *s,
                                         struct span subject);
const struct reg_schema *reg_schema_by_id(const struct reg_context *c, int32_t id);
const struct reg_schema *reg_schema_by_md5(const struct reg_context *c,
                                           const uint8_t md5[16]);
const struct reg_version *reg_version_of(const struct reg_subject *subject,
                                         int32_t version);
/* The newest; the softly deleted count when `deleted`. */
const struct reg_version *reg_version_latest(const struct reg_subject *subject,
                                             bool deleted);
/* Does any version count? */
bool reg_subject_lives(const struct reg_subject *subject, bool deleted);

/* The settings exactly of `subject` ("" = all of the default context), or NULL. */
const struct reg_scope *reg_scope_of(const struct reg_state *s, struct span subject);
/* Settings and mode in force: subject, then context, then all contexts, then default.
 */
struct api_config reg_config_in_force(const struct reg_state *s, struct span subject);
enum av_level reg_level_of(const struct api_config *in_force);
enum api_mode reg_mode_in_force(const struct reg_state *s, struct span subject);

/* The qualified names of all subjects that begin with `prefix` (":*:" = every context),
 * sorted, in `a`. */
const struct reg_subject **reg_subjects(const struct reg_state *s, struct span prefix,
                                        struct arena *a, size_t *n);

/* The id of some schema that refers to this version, or 0. */
int32_t reg_referrer_of(const struct reg_version *v);

/* All of them, ascending, in `a`; those that live in deleted versions only count when
 * `deleted`. */
int32_t *reg_referrers_of(const struct reg_version *v, bool deleted, struct arena *a,
                          size_t *n);

/* Everything it holds, as JSON lines in a fixed order: two states are the same when
 * this is. */
void reg_state_put(struct buf *out, const struct reg_state *s);
