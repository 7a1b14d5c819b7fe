/*
 * decode.h - Avro binary + plan -> calls on a visitor.
 *
 * The plan comes from resolve.h and holds both schemas.  The input is a stranger's:
 * lengths are checked against what is left before anything is believed, and depth,
 * items of no size and total bytes have limits (failure-model.md, 6).  No recursion
 * deeper than the depth limit, no allocation.
 */
#pragma once

#include "avro-core/resolve.h"
#include "avro-core/visitor.h"

struct av_decode_limits {
    size_t depth;       // 0 = 64
    size_t empty_items; // array items or map values that take no bytes; 0 = 1,000,000
    size_t items;       // of one datum in all; 0 = 16,000,000
    size_t first;       // no limit: the number that messages give the first byte
};

/*
 * Decodes one datum from the start of `in`; *used says how many bytes it took.
 * ERR_INVALID and ERR_LIMIT name the byte offset and the path: "byte 17 (/items/3):
 * string of 912 bytes, 4 are left"; so do the visitor's errors of those kinds, with the
 * place put in front.  Its other errors pass through.  `used` is set on ERR_OK only.
 */
enum err_kind av_decode(const struct av_plan *plan, struct span in,
                        const struct av_decode_limits *lim, struct av_visitor *v,
                        size_t *used, struct err *e) MUST_USE;

/* The same, and the datum must be all there is. */
enum err_kind av_decode_all(const struct av_plan *plan, struct span in,
                            const struct av_decode_limits *lim, struct av_visitor *v,
                            struct err *e) MUST_USE;
