/*
 * seen.h - which named types a writer of schemas has written already.
 *
 * A named type is written out once and by its name from then on.  Fullnames count, not
 * nodes: a type may be written twice in one text, and come from several texts.
 * Belongs to one call.  Use as from {0}.
 */
#pragma once

#include "avro-core/name.h"
#include "base/tab.h"

struct seen {
    struct tab names;
};

/* True when `name` was not in it; it is then. */
bool av_seen_add(struct seen *s, const struct av_name *name);
void av_seen_free(struct seen *s);
