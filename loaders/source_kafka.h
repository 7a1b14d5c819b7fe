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
 * next(), done(), drop() belong to the pump's thread; the rest to any.
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

struct kafka_source_state {
    bool finished;   // until_end: and it is
    bool drained;    // kafka_source_drain() was called and nothing is left to load
    bool read_all;   // until_end: and nothing more of our partitions is to come
    size_t assigned; // partitions in hand
    size_t stopped;  // ... of which so many stand still for good
    char why[240];   // the first of those, in words
    int64_t lag;     // records between what is loaded and the ends last seen
    int64_t held;    // bytes read ahead
};

void kafka_source_state(struct source *s, struct kafka_source_state *out);
/* What is said of each partition in hand: a number and how far it is loaded, and the
 * end last seen. */
void kafka_source_each(struct source *s,
                       void (*tell)(void *arg, int32_t partition, int64_t loaded,
                                    int64_t end),
                       void *arg);
/* How far a partition is loaded: the next offset, -1 when it is not ours. */
int64_t kafka_source_loaded(struct source *s, int32_t partition);
/* Reads no more; what was read is sealed and may still be loaded. */
void kafka_source_drain(struct source *s);
/* Leaves the group and ends the thread.  Nobody may be in next() any more. */
void kafka_source_close(struct source *s);
