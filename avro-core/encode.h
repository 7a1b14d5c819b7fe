/*
 * encode.h - JSON + schema -> Avro binary, in one pass from bytes to bytes.
 *
 * An av_encoder is a plan compiled from a schema; a record is encoded by walking the
 * plan along the text: no tree, no allocation per record (once buf has grown).
 *
 * What is accepted (docs/json.md is the whole table):
 *   - plain JSON first: a union takes the value of the one branch it fits, without a
 *     wrapper; a missing field with a default takes the default; date, time and
 * timestamp types take ISO 8601 text or the number; decimals take an exact number or
 * text; bytes and fixed take base64 (or Avro's \u00XX text, by option).
 *   - strict Avro JSON as well: {"string": "x"} in a union.  Where a value fits two
 *     branches it is an error that names both.
 * Every number is exact or refused: int and long by range, doubles correctly rounded.
 * Every problem of a record is reported, up to a limit, with pointer and byte offset.
 *
 * An encoder is immutable: any number of threads may use one.  It retains its schema.
 */
#pragma once

#include "avro-core/problem.h"
#include "avro-core/schema.h"

enum av_unknown { AV_UNKNOWN_REJECT, AV_UNKNOWN_IGNORE };
enum av_bytes_as { AV_BYTES_BASE64, AV_BYTES_AVRO_JSON };

struct av_encode_options {
    enum av_unknown unknown_fields;
    enum av_bytes_as bytes_as;
    bool strict_avro_json; // only Avro JSON: wrappers wanted, no defaults, no ISO text
    size_t depth;          // 0 = 64
    size_t bytes;          // of one record's Avro binary; 0 = 16 MiB
};

struct av_encoder;

/* `o` NULL = defaults.  ERR_LIMIT when the schema is too large to compile. */
enum err_kind av_encoder_new(struct av_encoder **out, struct av_schema *s,
                             const struct av_encode_options *o, struct err *e) MUST_USE;
void av_encoder_free(struct av_encoder *enc);
const struct av_schema *av_encoder_schema(const struct av_encoder *enc);

/*
 * Encodes the one JSON value that starts at text[*at] (white space before it is
 * skipped) and appends its Avro binary to `out`; *at then stands behind the value.
 *
 * ERR_INVALID: problems were added to `p`, nothing was appended.  If the text is JSON
 * but not of this schema, *at stands behind the value all the same and the next one can
 * be tried; if it is no JSON at all, the last problem's rule is "json", *at stands
 * where reading stopped, and nothing behind it can be trusted.
 */
enum err_kind av_encode_next(const struct av_encoder *enc, struct span text, size_t *at,
                             struct buf *out, struct av_problems *p) MUST_USE;

/* The same for a text that holds one value and nothing else. */
enum err_kind av_encode(const struct av_encoder *enc, struct span text, struct buf *out,
                        struct av_problems *p) MUST_USE;

/* True when the reason was the text, not the data: rule "json" is among the problems.
 */
bool av_problems_blame_json(const struct av_problems *p);
