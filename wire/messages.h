/*
 * messages.h - why a schema does not fit, in the lines Confluent's registry answers.
 *
 *      {errorType:'TYPE_MISMATCH', description:'...', additionalInfo:'...'}
 *      {oldSchemaVersion: 1}
 *      {oldSchema: '...'}
 *      {validateFields: 'false', compatibility: 'BACKWARD'}
 *
 * They look like JSON and are none; people and a few tools read them.  Pure.
 */
#pragma once

#include "avro-core/compat.h"

struct messages_old { // what was compared with, in the order of av_compat_level()'s
                      // `old`
    int32_t version;
    struct span text;
};

/* One line for each reason of the verdict, then the three about the old schema; *n of
 * them, in `a`.  `v` not NULL. */
const struct span *messages_of(const struct av_verdict *v,
                               const struct messages_old *old, enum av_level level,
                               struct arena *a, size_t *n);
