/*
 * sift.h - from a framed record to calls on a visitor, in the schema of the table.
 *
 *      frame ── schema by id ──> datum ── resolved ──> the latest's ── transforms ──>
 * the table's
 *
 * The schema is the latest of the subject, or what the pipeline's transforms make of it
 * (transform/transform.h).  When a record comes whose writer
 * knows fields that the reader does not, the latest is asked for again: it becomes the
 * reader, sift_shape() changes, and the sink brings its table along (sink.h).
 *
 * Waiting and deciding are apart: sift_prepare() looks up every schema a batch needs,
 * and may wait for the registry; sift_record() then only decodes, so that a sink can
 * call it in the middle of a transaction.
 *
 * An outage never sets a record aside.  An id the registry *answers* that it does not
 * know, for as long as `unknown_ms`, does.
 *
 * One thread.
 */
#pragma once

#include "avro-core/decode.h"
#include "loaders/batch.h"
#include "quality/quality.h"
#include "registry-client/registry_client.h"
#include "transform/transform.h"

struct sift;

/* Where schemas come from that are in no registry: staged files bring their own.  As
 * rc_by_id() and rc_latest() answer. */
struct sift_schemas {
    enum err_kind (*by_id)(void *arg, int32_t id, struct rc_schema *out, struct err *e);
    enum err_kind (*key_by_id)(void *arg, int32_t id, struct rc_schema *out,
                               struct err *e); // of tombstones' keys
    enum err_kind (*latest)(void *arg, struct rc_schema *out, struct err *e);
    void *arg;
};

struct sift_options {
    const char *subject;    // "weather-value"
    int64_t unknown_ms;     // an unknown id is waited for so long
    int64_t timeout_ms;     // one request to the registry
    const char *shape_text; // a fixed reader instead of the latest, NULL = latest
    bool keys;              // make ready for the keys of tombstones, too
    const struct sift_schemas *schemas; // instead of the registry, NULL = that
    const struct transform *transform;  // NULL = none; borrowed
    struct transform_memory *memory; // of its dedupes; NULL = the sift's own; borrowed
    struct quality *quality;         // asked of what comes out; NULL = none; borrowed
};

enum sift_fate {
    SIFT_ROW,      // it is to be loaded
    SIFT_FILTERED, // a transform let it go
    SIFT_REPEATED, // a transform has seen its key before
    SIFT_ASIDE,    // a quality rule sends it to the quarantine
    SIFT_STOP,     // a quality rule says that nothing more is to be loaded
};

/* What became of a record.  Borrowed until the sift's next one. */
struct sifted {
    enum sift_fate fate;
    int32_t id;          // its schema's, -1 when it has none
    const char *stage;   // at what it failed: "frame", "schema", "decode", "transform",
                         // "tombstone"; a literal
    const char *rule;    // the transform that failed or let it go, or the quality rule
                         // that says stop, "" = none
    const char *pointer; // and at which field, "" = at none
    const struct av_plan *plan; // SIFT_ROW, SIFT_ASIDE: how to read it ...
    struct span datum;          // ... and what
    struct span errors;         // SIFT_ASIDE: JSON, see quality.h
    struct span why;            // SIFT_STOP
};

/* Borrows `rc`. */
enum err_kind sift_open(struct sift **out, struct rc *rc, const struct sift_options *o,
                        struct err *e) MUST_USE;
void sift_close(struct sift *s);

/*
 * Makes ready for every record of `b`.  ERR_UNAVAILABLE: the registry is away, or has
 * not known an id for long enough yet; call again later.  A schema that does not parse
 * or resolve stops nothing: it sets its records aside.  ERR_INVALID: transforms or
 * quality rules do not fit the latest schema, and a person must see to it
 * (sift_misfits()).
 */
enum err_kind sift_prepare(struct sift *s, const struct batch *b,
                           struct err *e) MUST_USE;

/* Asks for the latest schema of the subject without waiting for a record.
 * ERR_NOT_FOUND: the subject is not registered yet.  ERR_INVALID as above. */
enum err_kind sift_latest(struct sift *s, struct err *e) MUST_USE;
bool sift_misfits(const struct sift *s);

/* The schema of what comes out (NULL before the first), and a number that rises when it
 * does. */
struct av_schema *sift_reader(const struct sift *s);
uint64_t sift_shape(const struct sift *s);
/* The id in the registry of what comes out, 0 = it has none. */
int32_t sift_reader_id(const struct sift *s);

/* A tombstone's key.  The schema of a framed one, NULL when it is not framed;
 * ERR_INVALID when its schema is not to be had.  Then sift_key() decodes it, as it was
 * written. */
enum err_kind sift_key_schema(struct sift *s, const struct record *r,
                              struct av_schema **out, struct err *e) MUST_USE;
enum err_kind sift_key(struct sift *s, const struct record *r, struct av_visitor *v,
                       struct err *e) MUST_USE;

/* From now on what quality rules say is counted there; NULL = nowhere of interest. */
void sift_count(struct sift *s, struct quality_count *counts);

/*
 * Decodes one record of a prepared batch; `v` is called only for a SIFT_ROW.
 * ERR_INVALID, ERR_LIMIT: set it aside, *out says at what it failed.
 */
enum err_kind sift_record(struct sift *s, const struct record *r, struct av_visitor *v,
                          struct sifted *out, struct err *e) MUST_USE;
/* As it came, in the latest schema of the subject, before any transform. */
enum err_kind sift_before(struct sift *s, const struct record *r, struct av_visitor *v,
                          struct err *e) MUST_USE;
/* The same without decoding. */
enum err_kind sift_find(struct sift *s, const struct record *r, struct sifted *out,
                        struct err *e) MUST_USE;
