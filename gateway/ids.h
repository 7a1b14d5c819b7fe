/*
 * ids.h - which schema ids the frames of a body may bear: those of its subject.
 *
 * Whoever sends framed Avro may have been built with an older version of the schema;
 * what it sends is good as long as that version stands under the subject.  Asked of the
 * registry version by version, newest first, from the client's memory where it can be.
 */
#pragma once

#include "gateway/batch.h"
#include "gateway/publish.h"

#define IDS_VERSIONS 100 // so many versions back, and no more

struct gateway;

struct ids {
    struct gw_batch_ids batch; // first: find() gets it
    struct gateway *gateway;
    const struct publish *publish;
    int64_t deadline_ms; // 0 = from memory only
    struct {
        int32_t id;
        struct codec *codec;
        struct gw_contract *contract;
    } known[IDS_VERSIONS];
    size_t n;
};

/* For one gw_batch_read(); ids_free() after it. */
void ids_init(struct ids *ids, struct gateway *g, const struct publish *p,
              int64_t deadline_ms);
void ids_free(struct ids *ids);
