/*
 * Whatever body arrives, it is read or refused, and what is good decodes again.
 * First byte: the kind of body.
 */
#include "gateway/batch.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static void must(bool held)
{
    if (!held)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    static const char text[] =
        "{\"type\":\"record\",\"name\":\"R\",\"fields\":[{\"name\":\"id\",\"type\":"
        "\"long\"},"
        "{\"name\":\"x\",\"type\":[\"null\",\"string\",\"double\"],\"default\":null}]}";
    static const struct av_visitor_ops nothing;
    static struct av_schema *schema;
    static struct av_encoder *encoder;
    static struct av_plan *plan;
    const struct gw_batch_limits limits = {1000, 500, 100000, 50};
    struct av_visitor blind = {&nothing};
    struct err e = {0};
    struct gw_batch b;

    if (schema == NULL) {
        must(av_schema_parse(&schema, span_str(text), NULL, 0, NULL, &e) == ERR_OK);
        must(av_encoder_new(&encoder, schema, NULL, &e) == ERR_OK);
        must(av_plan_new(&plan, schema, schema, &e) == ERR_OK);
    }
    if (n == 0)
        return 0;
    struct ask a = {.body = (enum body_kind)(p[0] & 7),
                    .delimiter = ',',
                    .key_field = span_str(p[0] & 8 ? "id" : ""),
                    .timestamp_field = span_str(p[0] & 16 ? "id" : "")};
    const struct gw_batch_schema against = {.encoder = encoder, .plan = plan, .id = 1};
    gw_batch_init(&b, &limits);
    if (gw_batch_read(&b, &a, &against, span_of(p + 1, n - 1), &e) == ERR_OK)
        for (size_t i = 0; i < b.n; i++) {
            bool good = b.items[i].frame_n > 0;
            must(good || b.items[i].n_problems + b.items[i].more > 0);
            must(!good || av_decode_all(plan, span_skip(gw_batch_frame(&b, i), 5), NULL,
                                        &blind, &e) == ERR_OK);
        }
    gw_batch_free(&b);
    return 0;
}
