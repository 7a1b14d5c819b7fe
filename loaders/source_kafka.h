/*
 * source_kafka.h - batches of a topic's partitions, as a member of a consumer group.
 *
 *      reader thread: kf_poll -> an open batch per partition -> (rows, bytes, age) ->
 *                     sealed, in a queue -> next() on the pump's thread
 *
 * Where a partition starts is the sink's word (sink->take), never Kafka's committed
 * offset; that one is only written, for lag tools.  A partition whose next record is
 * gone, or whose topic was made anew, is stopped with a sentence and never skipped; the
 * others go on.
 *
 * `memory` bounds what is read ahead: past it the partitions are paused, while polling,
 * and with it the membership in the group, goes on.
 *
 * next(), done(), drop() belong to the pump's thread; state(), loaded() and drain() to
 * any.
 */
#pragma once

#include "base/conf.h"
#include "loaders/sink.h"
#include "loaders/source.h"

struct kafka_source_options {
    const char *bootstrap, *topic, *group;
    const struct conf_pairs *properties; // librdkafka's, NULL = none
    int64_t batch_rows, batch_bytes, batch_age_ms;
    int64_t memory;
    bool until_end; // finished once everything there at the start is loaded
    bool latest;    // a partition never seen before starts at its end
};

/* Borrows `sink` and the options' texts.  ERR_NOT_FOUND: there is no such topic. */
enum err_kind kafka_source_open(struct source **out,
                                const struct kafka_source_options *o, struct sink *sink,
                                struct err *e) MUST_USE;
