/*
 * ocf.h - Avro object container files, bytes in, records out, and back.
 *
 *      "Obj" 0x01 | {"avro.schema": ..., "avro.codec": ...} | sync, 16 bytes
 *      count, size | records, compressed | sync                 a block, any number
 *
 * Avro specification, "Object Container Files".  Codecs: null, deflate, snappy (with
 * its CRC-32), zstandard.  A block's declared sizes are checked against what is left
 * before anything is allocated; a block may inflate to at most `block_bytes`, whatever
 * it claims.
 *
 * A reader borrows the file's bytes, a writer the buf.  One thread at a time.
 */
#pragma once

#include "avro-core/decode.h"

struct av_ocf_limits {
    size_t block_bytes;             // inflated; 0 = 64 MiB
    size_t header_bytes;            // 0 = 4 MiB
    struct av_decode_limits decode; // of each record
};

struct av_ocf_reader;

/* ERR_INVALID: no container file, an unknown codec (it is named), a schema that is
 * none. */
enum err_kind av_ocf_open(struct av_ocf_reader **out, struct span file,
                          const struct av_ocf_limits *lim, struct err *e) MUST_USE;
void av_ocf_close(struct av_ocf_reader *r);

struct av_schema *av_ocf_schema(struct av_ocf_reader *r); // borrowed: the writer's
const char *av_ocf_codec(const struct av_ocf_reader *r);
/* What the header says under `key`, empty when it says nothing; borrowed from the file.
 */
struct span av_ocf_meta(const struct av_ocf_reader *r, const char *key);

/*
 * The next record, walked into `v`; *more = false at the end.  `plan` says where a
 * record ends: av_plan_new(av_ocf_schema(r), any reader).  `datum` (may be NULL) gets
 * its Avro binary, borrowed until the next call. Errors say the record's number (from
 * 0) and its byte offset.  After one, only close.
 */
enum err_kind av_ocf_next(struct av_ocf_reader *r, const struct av_plan *plan,
                          struct av_visitor *v, struct span *datum, bool *more,
                          struct err *e) MUST_USE;
size_t av_ocf_records(const struct av_ocf_reader *r); // so many were read

/*
 * For who has not the whole file at hand: opens with a span that holds the header (more
 * does no harm), then goes on with whole blocks, each borrowed until all its records
 * are read.  `at` is where `blocks` stand in the file.  The header stays borrowed.
 */
void av_ocf_feed(struct av_ocf_reader *r, struct span blocks, uint64_t at);

/* Offset reached in the file; in a compressed block, where its data begins. */
size_t av_ocf_at(const struct av_ocf_reader *r);

struct av_ocf_writer;

/*
 * `codec`: "null", "deflate", "snappy", "zstandard", "bzip2", "xz"; ERR_INVALID lists
 * them.  The header is appended to `out` at once, a block whenever 64 KiB have come
 * together; take from `out` what is there whenever you like.  The schema's text goes
 * into the header; what it uses of other schemas is written out in it.
 */
enum err_kind av_ocf_writer_new(struct av_ocf_writer **w, const struct av_schema *s,
                                const char *codec, struct buf *out,
                                struct err *e) MUST_USE;

/* A header's entry beyond avro.schema and avro.codec. */
struct av_ocf_note {
    const char *key;
    struct span value;
};
/* The same with notes in the header.  ERR_INVALID: a key is there twice, or begins with
 * "avro.", which the specification reserves. */
enum err_kind av_ocf_writer_new_noted(struct av_ocf_writer **w,
                                      const struct av_schema *s, const char *codec,
                                      const struct av_ocf_note *notes, size_t n,
                                      struct buf *out, struct err *e) MUST_USE;
size_t av_ocf_waiting(const struct av_ocf_writer *w); // bytes of the block that is open
void av_ocf_write(struct av_ocf_writer *w,
                  struct span datum); // one record's Avro binary
/* Ends the block.  ERR_LIMIT when `out` dropped something since the last flush. */
enum err_kind av_ocf_flush(struct av_ocf_writer *w, struct err *e) MUST_USE;
void av_ocf_writer_free(struct av_ocf_writer *w); // what was not flushed is lost
