/*
 * repair.h - looking after the topic `_schemas`: is it sound, what is in it, how does
 * what was lost come back.
 *
 * Pure: records in, text or events out; repair_run.c reads and writes Kafka.  Nothing
 * here overwrites: what stands in the topic and says something else is left alone and
 * said so.
 */
#pragma once

#include "registry/state.h"

struct reg_record {
    struct span key, value; // value.p NULL is a tombstone
    int64_t offset, ts;
    const struct reg_act *acts; // that its headers tell
};

/* A line for each thing that is wrong, then a summary; how many are wrong. */
size_t reg_fsck(struct buf *report, const struct reg_record *all, size_t n);

/*
 * The backup: one line of JSON for each record that counts, in the log's order.  What
 * was written over, what is gone and what cannot be decoded is not in it.
 *      {"offset":4,"ts":1700000000000,"key":"...","value":"...","acts":[{...}]}
 */
void reg_backup_put(struct buf *out, const struct reg_record *all, size_t n);
/* ERR_INVALID names the line. */
enum err_kind reg_backup_read(struct reg_record **out, size_t *n, struct span text,
                              struct arena *a, struct err *e) MUST_USE;

/* What is to be written, and a line for each of it and of what is left alone.  Whose
 * doing it is, their acts do not say yet. */
struct reg_plan {
    struct reg_state was, now;
    struct reg_event *events; // borrow from `was`
    size_t n, cap, left_alone;
    struct buf lines;
    struct arena arena;
};

/* What the backup has and the topic has not; of schemas those of `id` alone when it is
 * not 0, and then no settings. */
void reg_plan_restore(struct reg_plan *out, const struct reg_record *backup,
                      size_t n_backup, const struct reg_record *all, size_t n,
                      int32_t id);
/* Versions of `subject` that were deleted, softly or (while the log still has them) for
 * good; `version` 0 is all whose schema does not stand in another version. */
void reg_plan_undelete(struct reg_plan *out, const struct reg_record *all, size_t n,
                       struct span subject, int32_t version);
void reg_plan_free(struct reg_plan *p);
