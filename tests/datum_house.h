/*
 * datum_house.h - what a record of a schema is as Avro, for tests that read its fields.
 */
#pragma once

#include "avro-core/encode.h"
#include "avro-core/resolve.h"
#include "tests/check.h"

struct datum_house {
    struct av_schema *schema;
    struct av_plan *plan; // from the schema to itself
    struct buf datum;
};

static inline void open_datum(struct datum_house *h, const char *schema,
                              const char *json)
{
    struct av_problems problems = {.most = 9};
    struct av_encoder *encoder;
    struct err e = {0};

    *h = (struct datum_house){.datum = BUF_INIT(1000)};
    CHECK_INT(av_schema_parse(&h->schema, span_str(schema), NULL, 0, NULL, &e), ERR_OK);
    CHECK_INT(av_encoder_new(&encoder, h->schema, NULL, &e), ERR_OK);
    CHECK_INT(av_plan_new(&h->plan, h->schema, h->schema, &e), ERR_OK);
    CHECK_INT(av_encode(encoder, span_str(json), &h->datum, &problems), ERR_OK);
    av_encoder_free(encoder);
    av_problems_free(&problems);
}

static inline void close_datum(struct datum_house *h)
{
    av_plan_free(h->plan);
    av_schema_release(h->schema);
    buf_free(&h->datum);
}
