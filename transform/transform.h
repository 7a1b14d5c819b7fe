/*
 * transform.h - steps that make other records of records: Avro in, Avro out.
 *
 *      steps (YAML) ── transform_read ──> transform                        once
 *      transform, reader's schema ── transform_compile ──> program         a schema
 *      program, datum ── transform_apply ──> datum of the derived schema,  a record
 *                                            nothing, or why not
 *
 * What comes out is a record of another schema, transform_schema(), and whoever loads
 * it sees nothing but that schema.  A record is walked once; what no step touches is
 * copied as it lies.  docs/transforms.md has the steps, and what each promises.
 *
 * A transform and its programs are immutable: any number of threads may use them.  A
 * run belongs to one thread; it holds the bytes, and what dedupe remembers, unless that
 * is to outlive it (transform/memory.h).
 */
#pragma once

#include "avro-core/schema.h"
#include "base/conf.h"

#define TRANSFORM_STEPS 100                // of a pipeline
#define TRANSFORM_FIELDS 2000              // of a record, between any two steps
#define TRANSFORM_BYTES ((size_t)64 << 20) // of one record, and of what its steps made

struct transform;
struct transform_program;
struct transform_run;
struct transform_memory;

/*
 * The steps as a pipeline file has them: a list.  Reads the files that lookups name.
 * The tree must live as long.
 * ERR_INVALID, ERR_LIMIT, and of files ERR_NOT_FOUND: "pipeline.yaml:9:5: transform
 * 2:cast: ...".
 */
enum err_kind transform_read(struct transform **out, const struct conf_tree *steps,
                             struct err *e) MUST_USE;
void transform_free(struct transform *t); // NULL is nothing
/* ERR_INVALID, ERR_LIMIT: this schema does not fit the steps, with the step's name.
 * Retains the schema, borrows `t`. */
enum err_kind transform_compile(struct transform_program **out,
                                const struct transform *t, struct av_schema *reader,
                                struct err *e) MUST_USE;
void transform_program_free(struct transform_program *p); // NULL is nothing

/* Of the records that come out; the program's. */
struct av_schema *transform_schema(const struct transform_program *p);

enum transform_fate {
    TRANSFORM_KEPT,
    TRANSFORM_FILTERED, // a filter said no
    TRANSFORM_REPEATED, // dedupe has seen its key
};

struct transform_origin { // of a record; dedupe goes by it
    int32_t partition;
    int64_t offset; // they rise within a partition, or begin again below
    int64_t now;    // nanoseconds since 1970, of expressions
};

struct transform_result {
    enum transform_fate fate;
    struct span datum; // KEPT: borrowed from the run until its next record
    const char *step;  // that failed, or let it go: "3:cast"; NULL = the record itself
    char pointer[256]; // where, in the record as that step saw it; "" = at no field
};

/* `m` is where dedupe remembers (memory.h), borrowed; NULL: in the run, as long as it
 * lives. */
struct transform_run *transform_run_new(struct transform_memory *m);
void transform_run_free(struct transform_run *r); // NULL is nothing

/*
 * One record: Avro binary of the program's reader.  ERR_INVALID, ERR_LIMIT: it cannot
 * be; *out says at which step, the message everything: "transform 3:cast: /amount:
 * \"12x\", wanted decimal(12,2)".
 */
enum err_kind transform_apply(struct transform_run *r,
                              const struct transform_program *p,
                              const struct transform_origin *o, struct span datum,
                              struct transform_result *out, struct err *e) MUST_USE;
