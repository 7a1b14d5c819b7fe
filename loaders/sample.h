/*
 * sample.h - a few records of a topic, and what a pipeline's transforms make of them.
 *
 *      orders/0@41
 *         {"id":41,"country":"CH"}
 *      -> {"id":"41"}              or: filtered by 3:filter; set aside (transform): why
 *
 * The last ones of each partition.  Reads only; no group, no position, no sink.
 */
#pragma once

#include "base/conf.h"
#include "loaders/sift.h"

struct sample_options {
    const char *bootstrap, *topic;
    const struct conf_pairs *kafka;
    size_t records; // in all
};

/* Appends text for people.  ERR_UNAVAILABLE: brokers or registry are away;
 * ERR_NOT_FOUND: no such topic or subject; ERR_INVALID: the transforms do not fit. */
enum err_kind loader_sample_records(const struct sample_options *o, struct sift *sift,
                                    struct buf *out, struct err *e) MUST_USE;
