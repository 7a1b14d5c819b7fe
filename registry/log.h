/*
 * log.h - an event, and the record of the topic `_schemas` it is.
 *
 * Written byte for byte as Confluent's registry writes it, because compaction goes by
 * the key's bytes and other readers parse the values (docs/registry.md):
 *
 *      {"keytype":"SCHEMA","subject":"s","version":1,"magic":1}
 *      {"subject":"s","version":1,"id":7,"schema":"\"string\"","deleted":false}
 *
 * Read liberally: any order of members, magic 0 or 1, null subjects, members nobody
 * knows.  Pure; safe from any thread.
 */
#pragma once

#include "wire/api.h"

enum reg_event_kind {
    REG_SCHEMA,         // a version of a subject, as it is from now on
    REG_CONFIG,         // the settings of a subject, of a context or of all
    REG_MODE,           // its mode
    REG_DELETE_SUBJECT, // every version up to `version` is softly deleted
    REG_CLEAR_SUBJECT,  // softly deleted versions are forgotten
    REG_NOOP,           // nothing; moves the offset
    REG_CONTEXT,        // a context came to be
    REG_FOREIGN,        // a key type we do not interpret
};

enum reg_deed {
    REG_WRITTEN, // what is not one of those below, or changes nothing
    REG_REGISTERED,
    REG_DELETED,
    REG_UNDELETED,
    REG_RESTORED, // from a backup
};

/* Something done to a version: history.h.  Texts may be empty: not known. */
struct reg_act {
    enum reg_deed deed;
    int32_t up_to;    // DELETED with its subject: every version to this one; else 0
    int32_t left_out; // acts between the one before and this that are not kept
    int64_t ts;       // milliseconds since 1970; 0 = not known
    struct span who, client, agent, reason;
    struct reg_act *next;
};

struct reg_event {
    enum reg_event_kind kind;
    bool gone;           // a null value: what the key names is no more
    struct span subject; // as written, maybe ":.ctx:name"; empty = all of a context
    int32_t version;     // SCHEMA, DELETE_SUBJECT
    struct api_schema schema; // SCHEMA, unless gone
    struct api_config config; // CONFIG, unless gone
    enum api_mode mode;       // MODE, unless gone
    struct span context;      // CONTEXT: ".ctx"
    struct span odd_key;      // the key's bytes where they are not the ones we write
    int64_t offset, ts;       // where and when it was written; set by the tail
    // Told by headers, not by key and value.
    const struct reg_act *acts; // oldest first; read: this event's own is the last
    struct reg_act act;         // to be written: this event's own, after those
    bool acts_now;              // `act` is to be written
};

/*
 * `value.p` NULL is a tombstone.  ERR_INVALID: no record of ours, with what is wrong.
 * What is read borrows from key, value and arena.
 */
enum err_kind reg_event_read(struct reg_event *out, struct span key, struct span value,
                             struct arena *a, struct err *e) MUST_USE;

/* The key; `odd_key` as it stands when there is one. */
void reg_event_put_key(struct buf *out, const struct reg_event *ev);
/* The value; false when it is null. */
bool reg_event_put_value(struct buf *out, const struct reg_event *ev);

/* JSON text that is an object, no deeper than wire/api.h reads bodies; ERR_INVALID says
 * what it is instead. */
enum err_kind reg_object_read(const struct json **out, struct span text,
                              struct arena *a, struct err *e) MUST_USE;
