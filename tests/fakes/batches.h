/*
 * batches.h - batches of framed records, made from JSON.
 */
#pragma once

#include "avro-core/encode.h"
#include "loaders/batch.h"
#include "tests/check.h"
#include "tests/fakes/rc.h"
#include "wire/frame.h"

/* Adds one record; with `id` not registered its body is rubbish. */
static inline void add_json(struct batch *b, int32_t id, const char *json)
{
    struct buf value = BUF_INIT(1 << 20);
    struct err e = {0};

    frame_write_head(&value, id);
    if (id >= 1 && id <= FAKE_SCHEMAS && fake_registry.schemas[id - 1] != NULL) {
        struct av_encoder *enc;
        struct av_problems p = {0};
        CHECK_INT(av_encoder_new(&enc, fake_registry.schemas[id - 1], NULL, &e),
                  ERR_OK);
        enum err_kind rc = av_encode(enc, span_str(json), &value, &p);
        if (rc != ERR_OK)
            printf("    %s: " SPAN_FMT "\n", json,
                   SPAN_ARG(p.first == NULL ? (struct span){0} : p.first->message));
        CHECK_INT(rc, ERR_OK);
        av_problems_free(&p);
        av_encoder_free(enc);
    }
    struct record r = {.offset = b->next,
                       .timestamp_ms = 1700000000000,
                       .key = span_str("k"),
                       .value = buf_span(&value)};
    batch_add(b, &r);
    buf_free(&value);
}

static inline void add_rubbish(struct batch *b)
{
    struct record r = {
        .offset = b->next, .timestamp_ms = -1, .value = span_str("no frame")};

    batch_add(b, &r);
}
