/*
 * rewrite.h - a visitor that writes Avro binary: what was written in one schema, as
 * the reader's.
 *
 *      {long id; string name}  read as  {string name; double id; int n = 3}
 *      is                               name | id | 06
 *
 * Fields arrive in the order of the writer and are put into that of the reader; arrays
 * and maps become one block.  One thread; once for any number of data.
 */
#pragma once

#include "avro-core/decode.h"

struct rewrite {
    struct av_visitor visitor; // first: pass &w.visitor
    struct buf *out;           // borrowed; appended to
    struct rewrite_level *levels;
    size_t n_levels, cap_levels;
    struct rewrite_part *parts; // the fields of the open records, in order of arrival
    size_t n_parts, cap_parts;
    struct buf ordered;
};

void rewrite_init(struct rewrite *w, struct buf *out);
void rewrite_free(struct rewrite *w);
void rewrite_reset(struct rewrite *w); // after a walk that failed
