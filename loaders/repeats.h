/*
 * repeats.h - records of a batch that bear an id, and which of them are there already.
 *
 * What the gateway got with an Idempotency-Key has a header avrogate.idempotency-id: 32
 * hex digits, ':', an index.  Of records with the same id the first is a row; what was
 * loaded before stands in etl_seen, under the place it was loaded from: the same place
 * again, after somebody set the position back, is no repeat.
 *
 * The ids are those of the batch, each once and in order, so that two instances which
 * lock rows of etl_seen for them do not wait for each other in a circle.
 *
 * Pure; one thread.  Use as from {0}.
 */
#pragma once

#include "base/tab.h"
#include "loaders/batch.h"

struct repeats_id {
    struct span id; // borrowed from the batch; SQL takes it as it is
    size_t record;
};

struct repeats {
    struct repeats_id *ids;
    size_t n, cap;
    struct tab again; // records, by index
};

void repeats_find(struct repeats *s, const struct batch *b); // forgets the batch before
void repeats_add(struct repeats *s, size_t record);
bool repeats_has(const struct repeats *s, size_t record);
size_t repeats_count(const struct repeats *s); // how many
void repeats_reset(struct repeats *s);         // of no batch
void repeats_free(struct repeats *s);
