/*
 * ocf.h - Avro object container files, bytes in, records out, and back.
 *
 * Avro specification, "Object Container Files".  Codecs: null, deflate, snappy,
 * zstandard.  A block's declared sizes are checked against what is left before anything
 * is allocated; a block may inflate to at most `block_bytes` (0 = 64 MiB), whatever it
 * claims.
 */
#pragma once

#include "avro-core/decode.h"

struct av_ocf_limits {
    size_t block_bytes;
};

struct av_ocf_reader; // borrows the file's bytes

enum err_kind av_ocf_open(struct av_ocf_reader **out, struct span file,
                          const struct av_ocf_limits *lim, struct err *e) MUST_USE;
struct av_schema *av_ocf_schema(struct av_ocf_reader *r); // borrowed: the writer's
/*
 * The next record's bytes, borrowed until the next call, with `at` the offset in the
 * file (of its block's data, for compressed ones); *more = false at the end.
 * `plan` is needed to know where a record ends: av_plan_new(schema, any reader).
 * The record is walked into `v` on the way.
 */
enum err_kind av_ocf_next(struct av_ocf_reader *r, const struct av_plan *plan,
                          struct av_visitor *v, bool *more, struct err *e) MUST_USE;
size_t av_ocf_at(const struct av_ocf_reader *r); // offset reached, for messages
void av_ocf_close(struct av_ocf_reader *r);

struct av_ocf_writer;

/* `codec`: "null", "deflate", "snappy", "zstandard".  Appends to `out`, borrowed. */
enum err_kind av_ocf_writer_new(struct av_ocf_writer **w, const struct av_schema *s,
                                const char *codec, struct buf *out,
                                struct err *e) MUST_USE;
void av_ocf_write(struct av_ocf_writer *w,
                  struct span datum); // one record's Avro binary
enum err_kind av_ocf_flush(struct av_ocf_writer *w,
                           struct err *e) MUST_USE; // ends the block
void av_ocf_writer_free(struct av_ocf_writer *w);
