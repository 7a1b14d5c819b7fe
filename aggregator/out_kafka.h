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

/* A tombstone for each row, and no position; whoever writes it now is shut out.  `n`
 * partitions of the changelog.  *rows: how many there were, with `count_only` how many
 * there are and nothing is changed. */
enum err_kind kafka_out_clear(const struct aggregator_settings *s, struct kf_admin *a,
                              const char *changelog, int32_t n, bool count_only,
                              int64_t *rows, struct err *e) MUST_USE;

/* Borrows all of it. */
void kafka_out_open(struct out **out, const struct aggregator_settings *s,
                    struct engine *g);
