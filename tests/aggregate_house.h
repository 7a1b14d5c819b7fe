/*
 * aggregate_house.h - orders to aggregate: a schema, a spec and records of it, for the
 * tests.
 */
#pragma once

#include "aggregate/plan.h"
#include "aggregate/show.h"
#include "avro-core/decode.h"
#include "avro-core/encode.h"
#include "tests/check.h"

#include <stdlib.h>

#define NOW_MS INT64_C(2000000000000)

static const char orders_text[] =
    "{\"type\":\"record\",\"name\":\"Order\",\"fields\":["
    "{\"name\":\"customer\",\"type\":[\"null\",\"string\"]},"
    "{\"name\":\"amount\",\"type\":[\"null\",{\"type\":\"bytes\",\"logicalType\":"
    "\"decimal\",\"precision\":38,\"scale\":2}]},"
    "{\"name\":\"items\",\"type\":\"long\"},"
    "{\"name\":\"weight\",\"type\":\"double\"},"
    "{\"name\":\"lines\",\"type\":{\"type\":\"array\",\"items\":{\"type\":\"record\","
    "\"name\":\"Line\",\"fields\":[{\"name\":\"amount\",\"type\":\"long\"}]}}},"
    "{\"name\":\"address\",\"type\":[\"null\",{\"type\":\"record\",\"name\":"
    "\"Address\","
    "\"fields\":[{\"name\":\"city\",\"type\":\"string\"}]}]},"
    "{\"name\":\"at\",\"type\":{\"type\":\"long\",\"logicalType\":\"timestamp-millis\"}"
    "}"
    "]}";

struct shop {
    struct agg_spec spec;
    struct av_schema *schema;
    struct av_encoder *encoder;
    struct av_plan *decoding;
    struct agg_plan *plan;
    struct agg_taker taker;
    struct agg_table table;
    int64_t watermark;
};

static inline void must(enum err_kind rc, const struct err *e)
{
    if (rc == ERR_OK)
        return;
    printf("Bail out! %s\n", e->msg);
    exit(1);
}

/* "a,b" and "name=sum(x),..." */
static inline enum err_kind spec_of(struct agg_spec *out, const char *keys,
                                    const char *columns, int64_t window_ms,
                                    int64_t grace_ms, struct err *e)
{
    static char texts[2][1000];
    const char *items[AGG_KEYS_MOST + 5];
    struct conf_pair pairs[AGG_COLUMNS_MOST + 5];
    struct conf_list list = {items, 0};
    struct conf_pairs all = {pairs, 0};

    snprintf(texts[0], sizeof texts[0], "%s", keys);
    snprintf(texts[1], sizeof texts[1], "%s", columns);
    for (char *at = NULL, *k = strtok_r(texts[0], ",", &at); k != NULL;
         k = strtok_r(NULL, ",", &at))
        items[list.n++] = k;
    for (char *at = NULL, *c = strtok_r(texts[1], ",", &at); c != NULL;
         c = strtok_r(NULL, ",", &at)) {
        char *value = strchr(c, '=');
        *value = '\0';
        pairs[all.n++] = (struct conf_pair){c, value + 1, false};
    }
    struct agg_asked asked = {.keys = &list,
                              .columns = &all,
                              .time_field = window_ms > 0 ? "at" : NULL,
                              .window_ms = window_ms,
                              .grace_ms = grace_ms,
                              .keep_ms = 10 * window_ms,
                              .ahead_ms = 1000};
    return agg_spec_read(out, &asked, e);
}

static inline void shop_open(struct shop *s, const char *keys, const char *columns,
                             int64_t window_ms, int64_t grace_ms)
{
    struct err e = {0};

    *s = (struct shop){.watermark = INT64_MIN};
    must(spec_of(&s->spec, keys, columns, window_ms, grace_ms, &e), &e);
    must(av_schema_parse(&s->schema, span_str(orders_text), NULL, 0, NULL, &e), &e);
    must(av_encoder_new(&s->encoder, s->schema, NULL, &e), &e);
    must(av_plan_new(&s->decoding, s->schema, s->schema, &e), &e);
    must(agg_plan_new(&s->plan, &s->spec, s->schema, &e), &e);
    agg_taker_init(&s->taker, s->plan);
    agg_table_init(&s->table, agg_plan_shape(s->plan));
}

static inline void shop_close(struct shop *s)
{
    agg_table_free(&s->table);
    agg_taker_free(&s->taker);
    agg_plan_free(s->plan);
    av_plan_free(s->decoding);
    av_encoder_free(s->encoder);
    av_schema_release(s->schema);
    agg_spec_free(&s->spec);
}

static inline void order_json(char out[400], const char *customer, const char *amount,
                              int64_t items, double weight, int64_t at)
{
    snprintf(out, 400,
             "{\"customer\":%s,\"amount\":%s,\"items\":%lld,\"weight\":%g,\"lines\":[{"
             "\"amount\":7}],\"address\":{\"city\":\"Bern\"},\"at\":%lld}",
             customer, amount, (long long)items, weight, (long long)at);
}

static inline enum err_kind shop_order(struct shop *s, const char *customer,
                                       const char *amount, int64_t items, double weight,
                                       int64_t at, enum agg_outcome *outcome,
                                       struct err *e)
{
    struct buf datum = BUF_INIT(1 << 16);
    struct av_problems problems = {0};
    char json[400];

    order_json(json, customer, amount, items, weight, at);
    must(av_encode(s->encoder, span_str(json), &datum, &problems), e);
    agg_take_begin(&s->taker);
    enum err_kind rc =
        av_decode_all(s->decoding, buf_span(&datum), NULL, &s->taker.visitor, e);
    if (rc == ERR_OK)
        rc = agg_take(&s->taker, &s->table, at, NOW_MS, &s->watermark, outcome, e);
    buf_free(&datum);
    return rc;
}

static inline void order(struct shop *s, const char *customer, const char *amount,
                         int64_t items, double weight, int64_t at)
{
    enum agg_outcome outcome;
    struct err e = {0};

    must(shop_order(s, customer, amount, items, weight, at, &outcome, &e), &e);
}

/* The changelog's records of what is dirty, into a view's partition. */
static inline void shop_show(struct shop *s, struct agg_view *v, size_t partition)
{
    struct buf key = BUF_INIT(1 << 20), value = BUF_INIT(1 << 20);
    struct err e = {0};

    agg_state_put_shape(&value, agg_plan_shape(s->plan));
    must(agg_view_apply(v, partition, 0, agg_state_shape_key, buf_span(&value), &e),
         &e);
    for (size_t i = 0; i < s->table.n_dirty; i++) {
        const struct agg_row *r = s->table.dirty[i];

        buf_reset(&key);
        buf_reset(&value);
        agg_state_put_key(&key, &s->table, r);
        agg_state_put_row(&value, &s->table, r);
        must(agg_view_apply(v, partition, 1, buf_span(&key),
                            r->dropped ? (struct span){0} : buf_span(&value), &e),
             &e);
    }
    agg_table_forget_dirty(&s->table);
    buf_free(&key);
    buf_free(&value);
}

/* Every row as a line of JSON. */
static inline void view_json(struct agg_view *v, struct buf *out)
{
    struct agg_merged m = {0};
    size_t n;
    const struct span *keys = agg_view_keys(v, &n);

    for (size_t i = 0; i < n; i++) {
        CHECK(agg_view_merge(v, keys[i], &m));
        agg_show_json(out, &m);
        buf_put_u8(out, '\n');
    }
    agg_merged_free(&m);
}
