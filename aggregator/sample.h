/*
 * sample.h - avrogate aggregate --sample: some records, and the table they alone would
 * make.
 *
 *      orders/0@41 set aside (transform): why
 *      +--------+------+
 *      |customer|orders|
 *      ...
 *
 * The last ones of each partition, through the same transforms, condition and columns
 * as ever, from an empty table on.  Reads only: no group, no changelog, no sink, no
 * position.
 */
#pragma once

#include "aggregator/settings.h"
#include "base/buf.h"

/* Appends text for people.  ERR_UNAVAILABLE: brokers or registry are away;
 * ERR_NOT_FOUND: no such topic; ERR_INVALID: the pipeline does not fit the records. */
enum err_kind aggregator_sample(const struct aggregator_settings *s, struct buf *out,
                                struct err *e) MUST_USE;
