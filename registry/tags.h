/*
 * tags.h - tags of records and fields, which a schema carries in its own text:
 *
 *      {"type":"record","name":"shop.R","confluent:tags":["PII"],"fields":[
 *       {"name":"a","type":"int","confluent:tags":["KEY"]}]}
 *
 * A place is named by the full name of a record, "shop.R", or that and a field's,
 * "shop.R.a".  Only what this text itself defines has places: not what it refers to.
 * Works on the text and leaves all else in it as it was, but for white space.  Pure.
 */
#pragma once

#include "base/json.h"

#define REG_TAGS_MOST 10000 // in one request

struct reg_tag { // one tag of one place
    bool of_field;
    struct span path;
    struct span name;
    // while a schema is walked
    struct reg_tag *next; // of the same place
    bool seen;            // the schema has the place
};

struct reg_tags {
    struct reg_tag *items;
    size_t n, cap;
};

/* [{"schemaEntity":{"entityPath":"shop.R","entityType":"sr_record"},"tags":["PII"]}] */
enum err_kind reg_tags_read(struct reg_tags *out, const struct json *list,
                            struct arena *a, struct err *e) MUST_USE;

/* Those of `schema` that `wanted` names ("*" are all), the same way round: a place with
 * one of them is told with all it has. */
void reg_tags_put(struct buf *out, struct span schema, const struct span *wanted,
                  size_t n, struct arena *a);

/* All tags of `schema`, in its order.  What cannot be read has none. */
struct reg_tags reg_tags_of(struct span schema, struct arena *a);

/*
 * `schema` with those of `add`, then without those of `drop`.  ERR_INVALID: it is no
 * JSON, or has not the place that a tag of them is for; places that `maybe` names and
 * it has not are left out.
 */
enum err_kind reg_tags_change(struct span *out, struct span schema,
                              const struct reg_tags *add, const struct reg_tags *drop,
                              const struct reg_tags *maybe, struct arena *a,
                              struct err *e) MUST_USE;
