/*
 * state.h - the table as records of a compacted topic, and back.
 *
 *      key             value (Avro single-object encoding, specification 1.12)
 *      "s"             AGG_SHAPE_SCHEMA: the shape, once, before all else
 *      "p"             AGG_POSITION_SCHEMA: the position
 *      "r" row's key   AGG_ROW_SCHEMA: its cells; none: the row is gone
 *      "w" next piece  AGG_SEEN_SCHEMA: what dedupe remembers of records before `next`,
 *                      since the commit before; none: it no longer matters
 *
 * One partition of the changelog belongs to one partition of the input.  A transaction
 * writes the rows that changed and the position behind them; whoever reads it committed
 * from its beginning to its end has the table as of `next`.
 *
 * Readers of foreign bytes: every length is checked, whatever does not fit the shape is
 * ERR_INVALID.  Pure.
 */
#pragma once

#include "aggregate/table.h"

#define AGG_POSITION_SCHEMA                                                            \
    "{\"type\":\"record\",\"name\":\"Position\",\"namespace\":\"avrogate.aggregate\"," \
    "\"fields\":[{\"name\":\"next\",\"type\":\"long\"},{\"name\":\"watermark\","       \
    "\"type\":\"long\"},{\"name\":\"records\",\"type\":\"long\"},{\"name\":\"late\","  \
    "\"type\":\"long\"},{\"name\":\"rejected\",\"type\":\"long\"},{\"name\":"          \
    "\"filtered\",\"type\":\"long\"},{\"name\":\"mark\",\"type\":\"long\"},{\"name\":" \
    "\"marked\",\"type\":\"long\"},{\"name\":\"bytes\",\"type\":\"long\"}]}"
#define AGG_SHAPE_SCHEMA                                                            \
    "{\"type\":\"record\",\"name\":\"Shape\",\"namespace\":\"avrogate.aggregate\"," \
    "\"fields\":[{\"name\":\"text\",\"type\":\"string\"}]}"
#define AGG_ROW_SCHEMA                                                                 \
    "{\"type\":\"record\",\"name\":\"Row\",\"namespace\":\"avrogate.aggregate\","      \
    "\"fields\":[{\"name\":\"cells\",\"type\":{\"type\":\"array\",\"items\":{"         \
    "\"type\":\"record\",\"name\":\"Cell\",\"fields\":[{\"name\":\"n\",\"type\":"      \
    "\"long\"},{\"name\":\"time\",\"type\":\"long\"},{\"name\":\"value\",\"type\":["   \
    "\"null\",{\"type\":\"fixed\",\"name\":\"Whole\",\"size\":16},{\"type\":"          \
    "\"record\",\"name\":\"Real\",\"fields\":[{\"name\":\"sum\",\"type\":\"double\"}," \
    "{\"name\":\"rest\",\"type\":\"double\"}]},\"bytes\"]}]}}}]}"
#define AGG_SEEN_SCHEMA                                                            \
    "{\"type\":\"record\",\"name\":\"Seen\",\"namespace\":\"avrogate.aggregate\"," \
    "\"fields\":[{\"name\":\"keys\",\"type\":\"bytes\"}]}"

struct agg_position {
    int64_t next;      // the input's offset that comes
    int64_t watermark; // INT64_MIN: no record had a time
    /* What became of all records before `next`, since the beginning. */
    int64_t records, late, rejected, filtered; // counted; too late; set aside; `where`
    int64_t mark;   // fingerprint of the last of those records, 0 = none yet
    int64_t marked; // ... and its offset
    int64_t bytes;  // of all those records, as they were on the topic
};
#define AGG_NOWHERE ((struct agg_position){.watermark = INT64_MIN})

/* The value for a row; the key is agg_state_put_key()'s. */
void agg_state_put_key(struct buf *out, const struct agg_table *t,
                       const struct agg_row *r);
void agg_state_put_row(struct buf *out, const struct agg_table *t,
                       const struct agg_row *r);
void agg_state_put_position(struct buf *out, const struct agg_position *p);
void agg_state_put_shape(struct buf *out, const struct agg_shape *s);
extern const struct span agg_state_position_key, agg_state_shape_key;

/* Of many pieces of one commit the `piece`-th. */
void agg_state_put_seen_key(struct buf *out, int64_t next, uint32_t piece);
void agg_state_put_seen(struct buf *out, struct span keys);

enum agg_record { AGG_ROW, AGG_POSITION, AGG_SHAPE, AGG_SEEN };

/* Which of the four a record of the changelog is. */
enum err_kind agg_state_kind(enum agg_record *out, struct span key,
                             struct err *e) MUST_USE;
/* The shape's text (agg_shape_read()), borrowed from the value. */
enum err_kind agg_state_read_shape(struct span *text, struct span value,
                                   struct err *e) MUST_USE;
/* The key's number; the value's keys, borrowed. */
int64_t agg_state_seen_next(struct span key);
enum err_kind agg_state_read_seen(struct span *keys, struct span value,
                                  struct err *e) MUST_USE;
enum err_kind agg_state_read_position(struct agg_position *out, struct span value,
                                      struct err *e) MUST_USE;
/*
 * A row into the table, in place of what stands there; value p NULL: the row is gone.
 * The row is dirty then, for whoever shows changes.  On failure nothing was changed.
 */
enum err_kind agg_state_apply(struct agg_table *t, struct span key, struct span value,
                              struct err *e) MUST_USE;
