/*
 * codec.h - compiled schemas, kept by id and options: a request finds its encoder
 * ready.
 *
 * A codec is immutable and counted; the table holds at most `most` and lets any go that
 * nobody uses when it is full.  Any thread; the lock covers the look-up only, compiling
 * is done outside.
 */
#pragma once

#include "avro-core/encode.h"
#include "avro-core/resolve.h"
#include "base/tab.h"

#include <pthread.h>
#include <stdatomic.h>

struct codec {
    struct av_encoder *encoder;
    struct av_plan *plan; // the schema read as itself
    atomic_size_t users;
};

struct codecs {
    size_t most;
    pthread_mutex_t lock;
    struct tab table; // under lock: "id options" -> codec, one user each
};

void codecs_init(struct codecs *t, size_t most);
void codecs_free(struct codecs *t);

/* The codec of schema `id`, which is `schema`; codec_release() when done.  Of the
 * options these count: unknown_fields, bytes_as, strict_avro_json. */
enum err_kind codec_get(struct codecs *t, int32_t id, struct av_schema *schema,
                        const struct av_encode_options *o, struct codec **out,
                        struct err *e) MUST_USE;
void codec_release(struct codec *c); // NULL is fine
