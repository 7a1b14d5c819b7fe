/*
 * format_inside.h - what a format is made of: a row in format.c's table, and a writer
 * and reader that begin with these structs.  For this folder's own files.
 */
#pragma once

#include "format/format.h"

#include "base/buf.h"

struct format_ops {
    const char *name, *suffix;
    const char *other_names; // with commas around each: ",avro,"
    /* Makes the writer; what is here already (sink, schema, ops) is filled by
     * format_open() in front of it.  On an error nothing is left behind. */
    enum err_kind (*open)(struct format_writer **out, struct av_schema *schema,
                          const struct format_options *o, const struct format_sink *to,
                          struct err *e);
    enum err_kind (*append)(struct format_writer *w, const struct av_plan *plan,
                            struct span datum, const struct av_decode_limits *lim,
                            struct err *e);
    enum err_kind (*cut)(struct format_writer *w, struct err *e); // NULL = nothing is
    uint64_t (*waiting)(const struct format_writer *w); // bytes not at the sink yet
    bool (*note)(struct format_writer *w, const char *key, const char *value);
    enum err_kind (*finish)(struct format_writer *w, struct err *e);
    void (*close)(struct format_writer *w);

    enum err_kind (*read)(struct format_reader **out, struct av_schema *schema,
                          const struct format_options *o,
                          const struct format_source *from, struct err *e);
    struct span (*reader_note)(struct format_reader *r, const char *key);
    enum err_kind (*next)(struct format_reader *r, struct span *datum, bool *more,
                          struct err *e);
    void (*reader_close)(struct format_reader *r);
};

extern const struct format_ops format_parquet, format_ocf, format_json, format_csv;

struct format_writer { // first in the format's own struct
    const struct format_ops *ops;
    struct av_schema *schema; // retained
    struct format_sink to;
    uint64_t rows, bytes; // bytes: at the sink
    bool finished;
};

struct format_reader { // first in the format's own struct
    const struct format_ops *ops;
    struct av_schema *schema; // retained, or the format's own
    struct format_source from;
    uint64_t rows;
};

/* Gives bytes to the sink and counts them. */
enum err_kind format_put(struct format_writer *w, struct span bytes,
                         struct err *e) MUST_USE;

#define FORMAT_PIECE ((size_t)256 << 10) // given to the sink at once
#define FORMAT_RECORD_MOST ((size_t)1 << 30)
/* Gives what `b` holds to the sink when it is worth it, or when `now`; then b is empty.
 */
enum err_kind format_drain(struct format_writer *w, struct buf *b, bool now,
                           struct err *e) MUST_USE;
