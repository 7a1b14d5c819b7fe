/*
 * where.h - where in a schema's text its types stand, as JSON pointers (RFC 6901).
 *
 * A type used by its name stands where it is defined, not where it is named: pointers
 * made here can be followed in the text.  Types that came from a reference stand
 * nowhere in this text.  The table lives in the arena it was made in; one thread.
 */
#pragma once

#include "avro-core/schema.h"

struct where {
    const struct av_schema *schema;
    struct span *defined; // by node index; p is NULL where nothing is
};

void where_make(struct where *w, const struct av_schema *s, struct arena *a);

/* The pointer of a named type's definition; false when the text has none. */
bool where_defined(struct span *out, const struct where *w, const struct av_node *n);
