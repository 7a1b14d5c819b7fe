/*
 * format.h - records in files: one writer and one reader for all formats.
 *
 *      parquet  columns, zstd; needs libavrogate-parquet.so (parquet.h)      .parquet
 *      ocf      Avro object container files                                  .avro
 *      json     one JSON value a line, plain or Avro's                       .jsonl
 *      csv      a header and rows, RFC 4180                                  .csv
 *
 * What a file can say of each Avro type, and how it reads back: docs/formats.md, whose
 * rows a test holds.
 *
 * Writing: bytes go to a sink in order, never back, so a file needs no place of its own
 * before it is whole.  A datum is walked from its Avro binary straight into columns or
 * text.  Memory: a batch of columns and what the codec keeps (Parquet: one row group).
 * Reading: from a source that gives any range of bytes; records come as Avro binary of
 * one schema, so that whoever reads decodes them as he decodes Kafka's.
 *
 * A writer or reader belongs to one thread at a time; it copies its options and retains
 * its schema.
 */
#pragma once

#include "avro-core/decode.h"

/* ---- what both have ---- */

/* A note in the file: "avrogate.topic".  Texts, UTF-8. */
struct format_note {
    const char *key, *value;
};

struct format_sort {
    const char *column; // a path with dots
    bool descending, nulls_first;
};

struct format_options {
    /*
     * How it is packed; NULL is the format's own choice.  ocf: null, deflate, snappy,
     * zstandard (its choice), bzip2, xz.  parquet: none, snappy, gzip, lz4, brotli,
     * zstd (its choice).  json and csv: none.
     */
    const char *codec;
    int level; // parquet; 0 = the codec's own
    /* ocf and parquet keep them in the file; format_note() adds what is known late. */
    const struct format_note *notes;
    size_t n_notes;

    bool avro_json; // json: the specification's JSON encoding instead of plain JSON

    char delimiter; // csv; 0 = ','
    bool crlf;      // csv: rows end in \r\n, as the RFC has it; else \n

    /* parquet */
    size_t row_group_rows;    // 0 = 1,048,576
    size_t row_group_bytes;   // of columns before they are packed; 0 = 64 MiB
    const char *const *bloom; // paths of the columns that get a bloom filter
    size_t n_bloom;
    const struct format_sort *sort; // what the rows are sorted by: told, not done
    size_t n_sort;
    bool no_dictionary, no_statistics, no_page_index;
    bool uuids; // as Parquet's UUID, which Spark refuses; else text, bytes (decision
                // 129)
};

/* The formats' names with commas, for messages: "parquet, ocf, json, csv". */
extern const char format_names[];
/* ".parquet"; NULL when there is no such format. */
const char *format_suffix(const char *format);
/* The format that a file's name ends in, NULL when none. */
const char *format_of_path(const char *path);

/* ---- writing ---- */

/* Where a file's bytes go.  An error of it ends the writer and is passed through. */
struct format_sink {
    enum err_kind (*write)(void *ctx, struct span bytes, struct err *e);
    void *ctx;
};

struct format_writer;

/*
 * `schema`: of all records of the file.  ERR_INVALID: no such format or codec, an
 * option that is none, a schema the format cannot hold (docs/formats.md); the message
 * says which.  ERR_UNAVAILABLE: what the format needs is not installed.
 */
enum err_kind format_open(struct format_writer **out, const char *format,
                          struct av_schema *schema, const struct format_options *o,
                          const struct format_sink *to, struct err *e) MUST_USE;

/*
 * Adds one record: `datum` in the writer's schema of `plan`, whose reader must be the
 * schema of the file (the same object).  `lim` may be NULL.
 *
 * ERR_INVALID and ERR_LIMIT blame the datum ("byte 17 (/items/3): ..."): nothing of it
 * is in the file, and the next one can be added.  After any other error only
 * format_close().
 */
enum err_kind format_append(struct format_writer *w, const struct av_plan *plan,
                            struct span datum, const struct av_decode_limits *lim,
                            struct err *e) MUST_USE;

/* Parquet: the next record begins a row group.  The others have none. */
enum err_kind format_cut(struct format_writer *w, struct err *e) MUST_USE;

uint64_t format_rows(const struct format_writer *w);
/* Bytes of the file so far: given to the sink, and what waits, which is estimated where
 * it is not packed yet.  Exact after format_finish(). */
uint64_t format_bytes(const struct format_writer *w);

/* A note that is known only now; false when the format has no place left for one. */
bool format_note(struct format_writer *w, const char *key, const char *value);

/* Writes what waits, and the footer.  Then only the two questions above and close. */
enum err_kind format_finish(struct format_writer *w, struct err *e) MUST_USE;
/* Without format_finish() before it: aborted, and what the sink got is no file. */
void format_close(struct format_writer *w); // NULL is fine

/* ---- reading ---- */

/* Where a file's bytes come from: all `n` of them or an error.  Read by one thread. */
struct format_source {
    enum err_kind (*read_at)(void *ctx, uint64_t at, uint8_t *to, size_t n,
                             struct err *e);
    void *ctx;
    uint64_t size;
};

struct format_reader;

/*
 * `schema`: for json and csv, which bring none, what their text is read as; NULL for
 * ocf and parquet, which have theirs in the file (a Parquet file without avro.schema
 * gets one made from its columns).  ERR_INVALID: no such file.
 */
enum err_kind format_read(struct format_reader **out, const char *format,
                          struct av_schema *schema, const struct format_options *o,
                          const struct format_source *from, struct err *e) MUST_USE;

struct av_schema *format_reader_schema(struct format_reader *r); // borrowed
/* What the file says under `key`; empty when nothing.  Borrowed from the reader. */
struct span format_reader_note(struct format_reader *r, const char *key);

/*
 * The next record's Avro binary in format_reader_schema(), valid until the next call;
 * *more false at the end.  Errors say which record, counted from 1, and where.  After
 * ERR_INVALID or ERR_LIMIT json and csv go on behind the line; the others only close.
 */
enum err_kind format_next(struct format_reader *r, struct span *datum, bool *more,
                          struct err *e) MUST_USE;
uint64_t format_reader_rows(const struct format_reader *r); // so many were given
void format_reader_close(struct format_reader *r);          // NULL is fine
