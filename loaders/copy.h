/*
 * copy.h - PostgreSQL's binary COPY format: the bytes of a row.
 *
 *      "PGCOPY\n\377\r\n\0"  flags 0  extension 0        the head, 19 bytes
 *      fields (16)  { length (32, -1 = NULL)  bytes }*   a row
 *      -1 (16)                                           the end
 *
 * All integers big-endian (PostgreSQL 15, "COPY", Binary Format; the field formats are
 * those of the types' receive functions).  Each copy_x() appends one field with its
 * length.  What the type cannot hold is ERR_INVALID, never wrapped or cut, and then
 * nothing is appended.
 *
 * Pure; a buf belongs to one thread.
 */
#pragma once

#include "base/buf.h"

extern const struct span copy_head, copy_end;

void copy_row(struct buf *out, uint16_t fields);
void copy_null(struct buf *out);
void copy_bool(struct buf *out, bool x);
enum err_kind copy_int2(struct buf *out, int64_t x, struct err *e) MUST_USE;
enum err_kind copy_int4(struct buf *out, int64_t x, struct err *e) MUST_USE;
void copy_int8(struct buf *out, int64_t x);
void copy_float4(struct buf *out, float x);
void copy_float8(struct buf *out, double x);
void copy_bytea(struct buf *out, struct span x);

/* UTF-8 is the decoder's promise; a zero byte is what PostgreSQL cannot hold. */
enum err_kind copy_text(struct buf *out, struct span x, struct err *e) MUST_USE;

/* Days since 1970-01-01. */
enum err_kind copy_date(struct buf *out, int64_t days, struct err *e) MUST_USE;
/* Since midnight; 24:00:00 is legal. */
enum err_kind copy_time(struct buf *out, int64_t us, struct err *e) MUST_USE;
/* `x` units since 1970-01-01T00:00:00, `unit_us` microseconds each. Also timestamptz.
 */
enum err_kind copy_timestamp(struct buf *out, int64_t x, int64_t unit_us,
                             struct err *e) MUST_USE;
/* Avro's duration: 12 bytes, months, days, milliseconds, little-endian. */
enum err_kind copy_interval(struct buf *out, struct span duration,
                            struct err *e) MUST_USE;

/* From 8-4-4-4-12 hexadecimal digits; sixteen bytes are copy_bytea()'s. */
enum err_kind copy_uuid(struct buf *out, struct span x, struct err *e) MUST_USE;

/*
 * numeric: `unscaled` is big-endian two's complement, the value unscaled * 10^-scale,
 * scale from -1000 to 16383.  `precision` > 0: more digits than that are ERR_INVALID.
 */
enum err_kind copy_numeric(struct buf *out, struct span unscaled, int64_t scale,
                           int precision, struct err *e) MUST_USE;
/* The same for an integer. */
void copy_numeric_int(struct buf *out, int64_t x);
/* Avro's big-decimal: bytes (with their length) and a scale, both as Avro writes them.
 */
enum err_kind copy_big_decimal(struct buf *out, struct span x, struct err *e) MUST_USE;

/* A field whose length is not known yet: begin, append, end. */
size_t copy_open(struct buf *out);
void copy_close(struct buf *out, size_t opened);

/* An array of one dimension, from 1: open, append its items as fields, close.  `oid` is
 * the items' type (array_recv() insists on it). */
size_t copy_open_array(struct buf *out, uint32_t oid);
void copy_close_array(struct buf *out, size_t opened, uint32_t items, bool has_null);
