/*
 * pick.h - the value of one field of a record, read from its Avro: so it has been
 * checked.
 */
#pragma once

#include "avro-core/decode.h"

enum picked_kind {
    PICKED_NULL,
    PICKED_BOOLEAN,
    PICKED_INT64,
    PICKED_TEXT,  // string, bytes, fixed or an enum's symbol
    PICKED_OTHER, // a real, or what has several values
};

struct picked {
    enum picked_kind kind;
    const struct av_node *node; // its type, a union's branch; not of PICKED_NULL
    bool boolean;
    int64_t int64;
    struct span text; // borrowed from the datum or the schema
};

/* ERR_INVALID: the schema's root has no such field, or the datum is none of it. */
enum err_kind pick_field(struct picked *out, const struct av_plan *plan,
                         struct span field, struct span datum, struct err *e) MUST_USE;
