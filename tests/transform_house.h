/*
 * transform_house.h - steps as YAML, a schema, and what becomes of records given as
 * JSON.
 */
#pragma once

#include "avro-core/canon.h"
#include "avro-core/encode.h"
#include "avro-core/to_json.h"
#include "base/conf.h"
#include "tests/check.h"
#include "transform/transform.h"

#include <stdlib.h>

struct transform_house {
    struct conf conf;
    struct {
        struct conf_tree transform;
    } settings;
    struct transform *t;
    struct av_schema *schema;
    struct transform_program *p;
    struct transform_run *run;
    struct av_encoder *encoder;
    struct av_plan *made;
    struct transform_result result;
    int64_t offset; // of the next record, in partition 0
    struct err e;   // of the last call
    struct buf out, text;
};

static const struct conf_row transform_house_rows[] = {
    {"transform", CONF_TREE, 0, .help = "steps"}, {0}};

/* ERR_OK and everything is there, or `e` says why not. */
static inline enum err_kind transform_house_open(struct transform_house *h,
                                                 const char *schema, const char *yaml)
{
    *h = (struct transform_house){.out = BUF_INIT(1 << 24), .text = BUF_INIT(1 << 20)};
    struct av_encode_options o = {0};

    TRY(conf_read_text(&h->conf, transform_house_rows, "p.yaml", span_str(yaml),
                       &h->settings, &h->e));
    TRY(av_schema_parse(&h->schema, span_str(schema), NULL, 0, NULL, &h->e));
    TRY(transform_read(&h->t, &h->settings.transform, &h->e));
    TRY(transform_compile(&h->p, h->t, h->schema, &h->e));
    TRY(av_encoder_new(&h->encoder, h->schema, &o, &h->e));
    TRY(av_plan_new(&h->made, transform_schema(h->p), transform_schema(h->p), &h->e));
    h->run = transform_run_new(NULL);
    return ERR_OK;
}

static inline void transform_house_close(struct transform_house *h)
{
    av_plan_free(h->made);
    av_encoder_free(h->encoder);
    transform_run_free(h->run);
    transform_program_free(h->p);
    transform_free(h->t);
    av_schema_release(h->schema);
    conf_free(&h->conf);
    buf_free(&h->out);
    buf_free(&h->text);
}

/* The record as JSON, "filtered", "repeated", or "error: why". */
static inline const char *transform_house_says(struct transform_house *h,
                                               const char *json)
{
    struct buf datum = BUF_INIT(1 << 24);
    struct av_problems problems = {0};
    struct transform_origin o = {0, h->offset++, 1700000000123000000};
    struct av_to_json w;

    buf_reset(&h->text);
    h->e = (struct err){0};
    if (av_encode(h->encoder, span_str(json), &datum, &problems) != ERR_OK) {
        buf_put_str(&h->text, "no record: ");
        buf_put(&h->text, problems.first->message);
    } else if (transform_apply(h->run, h->p, &o, buf_span(&datum), &h->result, &h->e) !=
               ERR_OK) {
        buf_printf(&h->text, "error: %s", h->e.msg);
    } else if (h->result.fate != TRANSFORM_KEPT) {
        buf_put_str(&h->text,
                    h->result.fate == TRANSFORM_FILTERED ? "filtered" : "repeated");
    } else {
        av_to_json_init(&w, &h->text, false);
        if (av_decode_all(h->made, h->result.datum, NULL, &w.visitor, &h->e) != ERR_OK)
            buf_printf(&h->text, "malformed: %s", h->e.msg);
    }
    av_problems_free(&problems);
    buf_free(&datum);
    buf_put_u8(&h->text, 0);
    return (const char *)h->text.p;
}

/* The printed form of what comes out. */
static inline const char *transform_house_schema(struct transform_house *h)
{
    buf_reset(&h->text);
    av_print(&h->text, transform_schema(h->p));
    buf_put_u8(&h->text, 0);
    return (const char *)h->text.p;
}
