/*
 * publish.h - what is in flight: a request's records, until the last delivery report.
 *
 *      handler --publish_start--> Kafka ... reports (producer's poll thread) --> done()
 *
 * A publish holds the request, its batch and one outcome a record.  The last report, on
 * whatever thread it comes, calls `done` once; that answers the request and frees the
 * publish. From publish_start() on nobody else touches it.
 */
#pragma once

#include "gateway/batch.h"
#include "gateway/codec.h"
#include "gateway/contracts.h"
#include "http/server.h"
#include "kafka/producer.h"
#include "registry-client/registry_client.h"

#include <stdatomic.h>

enum outcome {
    OUTCOME_NONE,    // not sent: refused by its schema, or a dry run
    OUTCOME_WRITTEN, // Kafka has it
    OUTCOME_NOT_WRITTEN,
    OUTCOME_UNKNOWN, // may be there
};

struct written {
    enum outcome outcome;
    enum err_kind kind; // of a failure
    int32_t partition;
    int64_t offset;
    int64_t timestamp_ms; // the record's, -1 when unknown
    const char *reason;   // librdkafka's words
};

struct publish {
    struct kf_waiter waiter; // first: reports come back to this
    struct http_req *req;
    struct ask ask;
    struct gw_batch batch;
    const struct kf_record *extra; // an item: partition, headers, time; NULL = of `ask`
    struct rc_schema schema;
    struct codec *codec;
    struct gw_contract *contract; // NULL = no rules
    struct written *main,
        *dlq;        // an outcome per item: of the record, of its copy in the DLQ
    uint32_t *order; // report index -> item, `batch.n` more for the DLQ
    size_t sent;     // records in flight, for admission to take off again
    size_t bytes;
    bool in_arena; // of its request, as are its outcomes when `small`: freed with it
    bool small;
    bool held; // no record is sent, one of them being bad; dead letters are
    int64_t began_us, found_us, checked_us; // begun; schema and topic known; encoded
    uint32_t good;      // reports of records: those behind are the DLQ's
    atomic_size_t left; // reports to come, and one for the sender
    void (*done)(struct publish *p);
    void (*drop)(struct publish *p); // frees what it is a part of; NULL = nothing
};

/* Does item `i` go to the dead letters?  By the request, or by the rule it broke. */
bool publish_buries(const struct publish *p, size_t i);
bool publish_buries_any(const struct publish *p);

/* `p->batch` holds one frame a good item.  Sends the good ones to the topic, and of
 * the bad ones those to be buried to `<topic>.dlq`, as they were sent; not those whose
 * outcome says already that they are written. */
void publish_start(struct publish *p, struct kf_producer *producer);
void publish_free(struct publish *p); // not the request
/* Room for the outcomes of its batch, all of them none. */
void publish_expect(struct publish *p);
/* Of one that lies in its request's arena: frees all it has but the outcomes, which may
 * be asked for still.  It can do nothing but be freed. */
void publish_shed(struct publish *p);
