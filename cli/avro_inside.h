/*
 * avro_inside.h - what `avrogate avro decode` and `encode` share.
 */
#pragma once

#include "avro-core/schema.h"

#define AVRO_FILE_MOST ((size_t)4 << 30) // bytes of an input
#define AVRO_JSON_MOST ((size_t)1 << 30) // bytes of one record's JSON

enum avro_kind { KIND_GUESS, KIND_DATUM, KIND_CONFLUENT, KIND_OCF };

struct avro_job {
    enum avro_kind kind;
    const char *file;                   // "-": standard input
    const char *schema, *reader_schema; // files; NULL when not given
    const char *codec;
    int32_t id;
    bool avro_json, ignore_unknown;
};

/* Both return the process's exit code and have said what there is to say. */
int avro_decode_run(const struct avro_job *job);
int avro_encode_run(const struct avro_job *job);

/* Reads and parses a schema's file; the message names it.  `old`: data were written
 * with it, so it is too late to mind a default that does not fit. */
enum err_kind avro_schema_load(struct av_schema **out, const char *path, bool old,
                               struct err *e) MUST_USE;

/* Writes all of it to standard output. */
enum err_kind avro_write(struct span bytes, struct err *e) MUST_USE;
