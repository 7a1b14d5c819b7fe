/*
 * source_stage.h - batches of rows that another loader staged in files.
 *
 *      _claims/weather/00003/...  -->  rows of the claims, in order  -->
 * weather/3@100-199
 *
 * Position and batch names are the topic's offsets, as of a Kafka source: the claims
 * say them.  A claim is loaded in batches of the usual size; what a batch cuts in two
 * is read on from the middle (stage_rows.h).  Values are framed again, with the schema
 * the file was written in (stage_schemas.h).
 *
 * Nobody hands out partitions here.  Each instance takes all of its share when it
 * starts; who had one before is refused by the sink, and stands by: it looks whether
 * the position moves, and takes the partition back when it has not for fifteen
 * intervals although there is more (decisions/162).
 *
 * A partition whose claims do not follow each other, or whose files are not what the
 * claim says, is stopped with a sentence; the others go on.  A place that is away is
 * waited for.
 */
#pragma once

#include "loaders/sink.h"
#include "loaders/source.h"
#include "loaders/stage_schemas.h"
#include "place/place.h"

struct stage_source_options { // borrowed
    struct place_settings place;
    const char *topic;
    const char *format;    // NULL = any
    const char *spool;     // directory for the file that is read
    int32_t share, shares; // partitions with p % shares = share
    int64_t interval_ms;   // between two looks for new claims
    int64_t batch_rows, batch_bytes, batch_age_ms;
    int64_t memory;
    bool until_end; // finished once everything claimed at the start is loaded
    bool ordered;   // the sink wants to know which row came first
    struct stage_schemas *schemas;
};

/* Looks at the settings only: ERR_INVALID.  Borrows `sink`. */
enum err_kind stage_source_open(struct source **out,
                                const struct stage_source_options *o, struct sink *sink,
                                struct err *e) MUST_USE;
/* Reads the schemas of the newest claims into `schemas`, once, without a thread. */
enum err_kind stage_source_learn(const struct stage_source_options *o,
                                 struct err *e) MUST_USE;
