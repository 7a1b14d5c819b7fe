/*
 * stage_where.h - where the rows of a staged file lie by now.
 *
 *      t+3+100+199.csv --merge 7--> t+merged-7.csv --merge 9--> backup/t-2026...csv
 *         rows 0..99                  rows 400..499               rows 1400..1499
 *
 * Knows every merge of a place that was not forgotten (stage_clean.h) and
 * follows a name through them.  Rows keep their order, and those of one file stay
 * together.  One thread.
 */
#pragma once

#include "place/place.h"

struct stage_where;

struct stage_lies {   // texts live until stage_where_close()
    const char *name; // what was asked for, or relative to the place as that; its
                      // suffix says the format
    int64_t bytes;    // of that file
    int64_t first;    // row of it that was the staged file's first

    // of what was merged
    bool merged;
    int64_t rows;       // of that file
    const char *sha256; // of its bytes
    const char *schema; // stage_schema_name() of it, "" = not known
};

/* Borrows the place; asks nobody yet. */
struct stage_where *stage_where_open(struct place *p);
void stage_where_close(struct stage_where *w); // NULL is fine

/*
 * ERR_NOT_FOUND: neither the file nor what it was merged into is there: it has not got
 * its name yet (files_finish() first, and ask again), or it was cleaned.  What was
 * found may be merged on while it is read: a name that is gone then is asked for again.
 */
enum err_kind stage_where_find(struct stage_where *w, const char *name,
                               struct stage_lies *out, struct err *e) MUST_USE;
