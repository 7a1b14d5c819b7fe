/*
 * dlq_record.h - the record in a dead letter as JSON, whatever it was sent as, and JSON
 * as what the gateway is sent.
 *
 *      a line of JSON      is it
 *      a CloudEvent        its `data`
 *      a row of CSV        {"column": "cell", ...}; an empty cell without quotes is
 * null framed Avro         decoded with the schema it names; sent as JSON then
 *
 * One thread; asks the registry for framed Avro only.
 */
#pragma once

#include "base/err.h"
#include "base/mem.h"
#include "registry-client/registry_client.h"

enum record_kind { RECORD_JSON, RECORD_EVENT, RECORD_CSV, RECORD_FRAMED };

struct record_form {
    enum record_kind kind;
    const char *csv_header;
    char delimiter;
    struct rc *registry; // NULL = none was named
    int64_t timeout_ms;  // for it
};

/* The record in `text`, as JSON; borrowed from it or in the arena. */
enum err_kind record_open(struct span *json, const struct record_form *f,
                          struct span text, struct arena *a, struct err *e) MUST_USE;

/* The body that has `json` for the record of `text`. */
enum err_kind record_close(struct span *body, const struct record_form *f,
                           struct span text, struct span json, struct arena *a,
                           struct err *e) MUST_USE;
