/*
 * out_kafka.h - rows into a topic as they change: framed Avro, the key's fields as key.
 *
 * Rows and the changelog's positions (as offsets of the group JOB-published) are one
 * transaction under a name that one instance has; who comes new has ended the former's
 * (kafka/transaction.h).  Schemas are registered as TOPIC-key and TOPIC-value.
 */
#pragma once

#include "aggregator/engine.h"
#include "aggregator/out.h"

/* Borrows all of it. */
void kafka_out_open(struct out **out, const struct aggregator_settings *s,
                    struct engine *g);
