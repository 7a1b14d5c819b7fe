/*
 * resolve.h - writer's schema + reader's schema -> a plan for decode.h.
 *
 * Avro specification, "Schema Resolution": fields by name and alias, defaults,
 * promotions (int -> long -> float -> double, string <-> bytes), enum defaults, unions
 * on either side.  What can only be known from the data (a union branch the reader
 * lacks, a symbol without a default) is refused when it comes, not before.
 *
 * A plan is immutable and retains both schemas; any number of threads may use it.
 */
#pragma once

#include "avro-core/schema.h"

struct av_plan;

/* `reader` may be the same schema as `writer`.  ERR_INVALID names what cannot resolve.
 */
enum err_kind av_plan_new(struct av_plan **out, struct av_schema *writer,
                          struct av_schema *reader, struct err *e) MUST_USE;
void av_plan_free(struct av_plan *p);
/* No two plans of a process have the same, not even one after the other. */
uint64_t av_plan_id(const struct av_plan *p);
const struct av_schema *av_plan_writer(const struct av_plan *p);
const struct av_schema *av_plan_reader(const struct av_plan *p);
