/*
 * deletion.h - a tombstone's key, as the row it deletes: the key's columns, and NULL in
 * the others.
 *
 * A framed key is a record with the key's fields by name (others do not matter), or the
 * value of the only one; a key that is no frame is text, for a table with one key
 * column of text, uuid or integer.  Its values are written in the forms of the target's
 * columns (copy.h).
 *
 * One thread.
 */
#pragma once

#include "loaders/rows.h"
#include "loaders/sift.h"

struct deletion {
    // private to deletion.c
    const struct table *target; // borrowed
    struct rows rows;
    struct table key; // of the last framed key's schema; n 0 = none yet
    char misfit[200]; // why its fields are not the table's key, "" = they are
};

void deletion_init(struct deletion *d);
void deletion_free(struct deletion *d);
/* From now on rows of this table, which must outlive their use. */
void deletion_use(struct deletion *d, const struct table *target);

/* Appends the row to `out`; the caller appends `extra` fields more.  ERR_INVALID: the
 * key names no row, and `out` is as it was. */
enum err_kind deletion_put(struct deletion *d, struct buf *out, uint16_t extra,
                           struct sift *sift, const struct record *r,
                           struct err *e) MUST_USE;
