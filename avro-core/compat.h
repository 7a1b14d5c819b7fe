/*
 * compat.h - can a reader of schema R read what a writer of schema W wrote?
 *
 * Avro specification, "Schema Resolution", as Avro Java's SchemaCompatibility words it:
 * the kinds and the locations are the ones Confluent's registry reports.  Every reason
 * is gathered, not the first only.  Pure; safe from any thread.
 */
#pragma once

#include "avro-core/schema.h"

enum av_incompat_kind {
    AV_NAME_MISMATCH,
    AV_FIXED_SIZE_MISMATCH,
    AV_MISSING_ENUM_SYMBOLS,
    AV_READER_FIELD_MISSING_DEFAULT_VALUE,
    AV_TYPE_MISMATCH,
    AV_MISSING_UNION_BRANCH,
};

const char *av_incompat_kind_name(enum av_incompat_kind k); // "NAME_MISMATCH"

struct av_incompat {
    enum av_incompat_kind kind;
    struct span reader_path; // JSON pointer into the reader's text: "/fields/1/type"
    struct span writer_path; // the same for the writer, where there is a counterpart
    struct span location;    // as Avro Java says it: "/fields/1"
    struct span detail;      // as Avro Java's message: "f", "reader type: INT not ..."
    struct span message;     // one sentence: what was found, what was wanted
    const struct av_incompat *next;
};

/*
 * All reasons, in Avro Java's order, in `a`; NULL when compatible.  At most `most` are
 * gathered (0 = 1000).  Bounded in time, memory and stack: what is too large to be
 * compared is answered with one AV_TYPE_MISMATCH that says so.
 */
const struct av_incompat *av_compat(const struct av_schema *reader,
                                    const struct av_schema *writer, size_t most,
                                    struct arena *a);

/* The registry's levels: what is compared with what. */
enum av_level {
    AV_LEVEL_NONE,
    AV_LEVEL_BACKWARD,
    AV_LEVEL_BACKWARD_TRANSITIVE,
    AV_LEVEL_FORWARD,
    AV_LEVEL_FORWARD_TRANSITIVE,
    AV_LEVEL_FULL,
    AV_LEVEL_FULL_TRANSITIVE,
};

const char *av_level_name(enum av_level l); // "FULL_TRANSITIVE"
/* Case-insensitive.  ERR_INVALID lists the levels. */
enum err_kind av_level_read(enum av_level *out, struct span name,
                            struct err *e) MUST_USE;

struct av_verdict {
    size_t version;     // index into `old` of the schema it failed against
    bool new_reads_old; // else: old reads new (forward)
    const struct av_incompat *reasons; // never NULL
    const struct av_verdict *next;
};

/*
 * `fresh` against `old[0..n)`, oldest first, as `level` says (a level that is not
 * transitive looks at the last only).  NULL when it may be registered.  Verdicts begin
 * with the newest version; of one version, new reads old comes first.
 */
const struct av_verdict *av_compat_level(enum av_level level,
                                         const struct av_schema *fresh,
                                         const struct av_schema *const *old, size_t n,
                                         struct arena *a);
