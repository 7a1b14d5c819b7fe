/*
 * batch.h - the records of one request: cut out of its body, checked, framed.
 *
 *      body    [ {"id":1}, {"id":"x"}, {"id":3} ]
 *      items      0: frame      1: problems   2: frame
 *      frames  00 00000007 02 | 00 00000007 06
 *
 * One pass: the encoder reads each record where it stands in the body and appends its
 * Avro binary behind the frame's head; a refused one is cut back and leaves its
 * problems. All records are looked at, whatever is wrong with the first.
 *
 * A batch belongs to one request and one thread at a time.  It borrows the body.
 */
#pragma once

#include "avro-core/decode.h"
#include "gateway/ask.h"
#include "kafka/producer.h"

/* Which rule of the contract refused a record.  Lives in the problems' arena. */
struct broken_rule {
    struct span rule, doc, expr;
    struct span field; // CEL_FIELD: its full name
    struct span why;   // "is false", "error: ..."
    struct span subject;
    int32_t schema_id;
    bool dead; // the rule sends it to the dead letters, whatever the request says
};

struct item {
    struct span text;         // the record as it was sent
    size_t frame_at, frame_n; // in batch.frames
    size_t key_at, key_n;     // in batch.keys
    bool refused;             // nothing of it is sent, but to the DLQ
    bool is_null;             // its value is a tombstone
    bool has_key;
    const struct kf_header *headers; // of its own
    size_t n_headers, beside;        // and their bytes
    int64_t timestamp_ms;            // 0 = of the request, or now
    const struct av_problem *first;  // the first of its problems in batch.problems
    size_t n_problems;
    size_t more;                      // problems that were not kept
    const struct broken_rule *broken; // NULL: no rule refused it
    struct span observed;             // rules that would have, "a,b"
};

struct gw_batch_limits {
    size_t records;  // in one request
    size_t record;   // bytes of a frame and its key: what Kafka takes
    size_t frames;   // bytes of Avro of one request
    size_t problems; // kept for one request in all; 20 for each record
};

struct gw_batch {
    struct gw_batch_limits limits;
    struct buf frames, keys;
    struct item *items;
    size_t n, cap;
    size_t bad;
    bool lent;   // `items` is not ours to free
    bool beside; // some have headers or a time of their own
    struct av_problems problems;
};

void gw_batch_init(struct gw_batch *b, const struct gw_batch_limits *lim);
/* Of a body of so many bytes: `one` is room for its first record, all zero, which
 * outlives the batch. */
void gw_batch_expect(struct gw_batch *b, size_t bytes, struct item *one);
void gw_batch_free(struct gw_batch *b);

/* One more, all zero, whose frame begins where the last one ends.  ERR_LIMIT. */
enum err_kind gw_batch_add(struct gw_batch *b, struct item **out,
                           struct err *e) MUST_USE;

/* What the records are checked against. */
struct gw_batch_schema {
    const struct av_encoder *encoder;
    const struct av_plan *plan; // schema to itself
    int32_t id;
    struct gw_contract *contract; // NULL = no rules; else with the caller's run
    struct gw_run *run;
    struct gw_batch_ids *others; // BODY_FRAMED: NULL = no other id is taken
};

/* Which other ids a frame may bear: those of the same subject. */
struct gw_batch_ids {
    /* ERR_INVALID: not that one.  ERR_UNAVAILABLE: it cannot be said now; ERR_CONFLICT:
     * its rules cannot be kept here.  Both end gw_batch_read(). */
    enum err_kind (*find)(struct gw_batch_ids *ids, int32_t id,
                          struct gw_batch_schema *out, struct err *e);
};

/*
 * Reads the whole body.  ERR_OK: every record is in items, good or bad.  ERR_INVALID:
 * the body is not what its content type says, the message says where.
 * ERR_CONFLICT: a CSV header or a container file's schema that ours cannot take.
 * ERR_LIMIT: too many or too large.
 */
enum err_kind gw_batch_read(struct gw_batch *b, const struct ask *a,
                            const struct gw_batch_schema *s, struct span body,
                            struct err *e) MUST_USE;

/* p NULL for a tombstone. */
struct span gw_batch_frame(const struct gw_batch *b, size_t i);
/* p NULL when it has no key. */
struct span gw_batch_key(const struct gw_batch *b, size_t i);
/* What is wrong with it, as a JSON array. */
void gw_batch_put_problems(struct buf *out, const struct item *it);
/* Is any record's problem that it is no JSON or no CSV row (400, not 422)? */
bool gw_batch_blames_form(const struct gw_batch *b);
/* Is every bad record's problem that it is too large (413, not 422)? */
bool gw_batch_blames_size(const struct gw_batch *b);
