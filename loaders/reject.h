/*
 * reject.h - records of the batch at hand that are set aside, and their rows in
 * etl_reject as copy.h writes them, for the sinks that keep one.
 *
 * The texts are copied.  Pure; one thread.
 */
#pragma once

#include "base/mem.h"
#include "loaders/batch.h"
#include "loaders/etl_field.h"
#include "loaders/sift.h"
#include "loaders/table.h"

struct reject {
    size_t record; // by index in the batch
    int32_t schema_id;
    const char *stage;         // a literal
    struct span rule, pointer; // "" = none; these and `error` in the rejects' arena
    struct span error;
    char sqlstate[6];
    char column[COLUMN_NAME], constraint[COLUMN_NAME]; // "" = not said
};

struct rejects {
    struct reject *items;
    size_t n, cap;
    struct arena texts;
};

/* The rest of it is the caller's to fill. */
struct reject *rejects_add(struct rejects *all, size_t record, int32_t id,
                           const char *stage, const char *error);
/* A record that the sift or its row refused, `column` the one it failed at. */
void rejects_add_sifted(struct rejects *all, size_t record, const struct sifted *got,
                        const char *column, const char *error);
void rejects_reset(struct rejects *all); // none, memory kept
void rejects_free(struct rejects *all);
/* etl_check_rejects() of these: `last` is the last one's error. */
enum err_kind rejects_check(const struct rejects *all, const struct batch *b,
                            size_t before, int64_t floor, double limit,
                            struct err *e) MUST_USE;

#define REJECT_FIELDS 19
/* In the order of reject_put()'s fields. */
#define REJECT_COLUMNS                                                               \
    "pipeline, topic, part, generation, record_offset, run_id, rejected, "           \
    "record_time, stage, error, sqlstate, column_name, constraint_name, schema_id, " \
    "record_key, record_value, headers, rule, pointer"

/* Appends the row.  Times past `ms_most` are NULL: no database here holds them. */
void reject_put(struct buf *out, const struct reject *r, const struct batch *b,
                const char *job, const char *run_id, int64_t ms_most);
