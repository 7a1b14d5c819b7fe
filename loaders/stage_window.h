/*
 * stage_window.h - in which directory of the stage a record belongs.
 *
 *      partition_by: [{field: date, as: day}, {field: city}]
 *                              dt=2026-11-20/city=M%C3%BCnchen
 *      {as: hour}              dt=2026-11-20/hour=09        of the record's own time
 *      {field: at, as: month}  month=2026-11
 *
 * Hive's way of writing them: name=value, what a path cannot hold as %XX, null as
 * __HIVE_DEFAULT_PARTITION__.  Always UTC.  `name` gives another name: {field: at, as:
 * day, name: day}.  A field is one of the record's own: date, timestamp-*,
 * local-timestamp-*, or text that begins with an ISO date for day, hour and month; for
 * `as: value`, which is the default, also string, enum, int, long and boolean; nullable
 * or not.
 *
 * A replay of the same record comes to the same directory: nothing of ours, no clock,
 * is asked.  One thread.
 */
#pragma once

#include "avro-core/decode.h"
#include "base/conf.h"

#define WINDOWS_MOST 4 // rules

struct windows {
    struct av_visitor visitor; // private, like the rest
    struct window_rule {
        const char *field; // NULL = the record's time
        int as;
        const char *name;
        int index; // of the field in the reader's schema, -1 = none
    } rules[WINDOWS_MOST];
    size_t n;
    size_t depth;
    uint32_t at; // field of the root that comes, UINT32_MAX = inside or none
    struct window_value {
        bool there, is_text;
        int64_t number;
        const struct av_node *node;
        char text[200];
        size_t length;
    } values[WINDOWS_MOST];
    bool decodes; // a rule names a field
};

/* `rules` as conf.h flattens the list.  ERR_INVALID names what is wrong. */
enum err_kind windows_read(struct windows *w, const struct conf_pairs *rules,
                           struct err *e) MUST_USE;
/* ERR_INVALID: this schema has no such field, or one of another type. */
enum err_kind windows_use(struct windows *w, struct av_schema *reader,
                          struct err *e) MUST_USE;
/* Appends the directory, "" without rules.  The plan's reader is windows_use()'s; NULL
 * and no datum: a tombstone, whose fields are null.
 * ERR_INVALID: the record is to be set aside. */
enum err_kind windows_of(struct windows *w, const struct av_plan *plan,
                         struct span datum, int64_t timestamp_ms, struct buf *out,
                         struct err *e) MUST_USE;
