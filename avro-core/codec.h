/*
 * codec.h - how an object container file packs its blocks: one row a codec.
 *
 * Avro specification, "Required Codecs" and "Optional Codecs".  For ocf.c.
 */
#pragma once

#include "base/buf.h"

struct codec {
    const char *name;
    /* Appends what `in` holds to `out`, whose limit holds; ERR_INVALID, ERR_LIMIT. */
    enum err_kind (*inflate)(struct span in, struct buf *out, struct err *e);
    /* Appends `in`, packed. */
    enum err_kind (*deflate)(struct span in, struct buf *out, struct err *e);
};

/* NULL when there is no codec of that name. */
const struct codec *codec_find(struct span name);
/* "null, deflate, snappy, zstandard, bzip2, xz" */
extern const char codec_names[];
