/*
 * stage_envelope.h - what a record is beside its value, as columns of a staged file.
 *
 *      {long id; string city}    envelope: [key, timestamp, deleted]
 *      is staged as
 *      _key  _timestamp                _deleted  id    city
 *      6b31  2026-11-20T09:00:00.000Z  false     7     Ulm
 *      6b31  2026-11-20T09:00:01.000Z  true      null  null     a tombstone
 *
 *      key        ["null", bytes]                as it was on the topic
 *      timestamp  ["null", timestamp-millis]     null: it had none
 *      headers    array of {key; value}          in their order, doubles and all; the
 *                                                value is bytes or null
 *      partition  int       offset  long
 *      deleted    boolean   true: a tombstone, and every field of the value is null,
 * which therefore may be null
 *
 * The columns come first, in this order; a value that is no record is the column
 * "value".  Both directions are here: the files sink puts the columns in front, the
 * stage source takes them off again and has the record as it was.
 *
 * What is taken apart is a stranger's: lengths are checked before they are believed.
 * One thread.
 */
#pragma once

#include "avro-core/decode.h"
#include "loaders/batch.h"

enum envelope_part {
    ENVELOPE_KEY = 1,
    ENVELOPE_TIMESTAMP = 2,
    ENVELOPE_HEADERS = 4,
    ENVELOPE_PARTITION = 8,
    ENVELOPE_OFFSET = 16,
    ENVELOPE_DELETED = 32,
};

/* "key, timestamp, headers, partition, offset, deleted" */
extern const char envelope_words[];
#define ENVELOPE_WORDS 6
/* The part of that name, 0 = none; the name of a part. */
unsigned envelope_part(struct span word);
/* All of them.  ERR_INVALID names the one that is none. */
enum err_kind envelope_read(unsigned *parts, const char *const *words, size_t n,
                            struct err *e) MUST_USE;
const char *envelope_word(unsigned part);

struct envelope;

/* For values of this schema.  ERR_INVALID: it has a field of a column's name. */
enum err_kind envelope_new(struct envelope **out, struct av_schema *value,
                           unsigned parts, struct err *e) MUST_USE;
void envelope_free(struct envelope *v); // NULL is fine
/* Of the file.  Borrowed. */
struct av_schema *envelope_schema(const struct envelope *v);

/* ---- writing ---- */

struct envelope_row { // for format_append(); borrowed until the next one
    const struct av_plan *plan;
    struct span datum;
    struct av_decode_limits lim;
};

/*
 * The record's row.  `plan` reads `datum` as the value's schema; NULL: it is a
 * tombstone, ENVELOPE_DELETED is among the parts.  ERR_INVALID, ERR_LIMIT blame the
 * record.
 */
enum err_kind envelope_put(struct envelope *v, const struct record *r,
                           int32_t partition, const struct av_plan *plan,
                           struct span datum, struct envelope_row *out,
                           struct err *e) MUST_USE;

/* ---- reading ---- */

/* From now on rows are of this schema; ERR_INVALID when it cannot be read as ours. */
enum err_kind envelope_from(struct envelope *v, struct av_schema *file,
                            struct err *e) MUST_USE;

/*
 * Takes a row apart: `value` is bare Avro binary of the value's schema, p NULL = it is
 * a tombstone.  What is none of the parts is -1 or nothing.  Borrowed until the next
 * one, and of `datum`.  ERR_INVALID, ERR_LIMIT.
 */
enum err_kind envelope_take(struct envelope *v, struct span datum, struct record *out,
                            int32_t *partition, struct err *e) MUST_USE;
