/*
 * cel_house.h - a schema of everything, a record of it, and what a rule says of it.
 */
#pragma once

#include "avro-core/encode.h"
#include "cel/cel.h"
#include "tests/check.h"

#include <stdio.h>
#include <stdlib.h>

#define CEL_NOW 1700000000123000000 // 2023-11-14T22:13:20.123Z

static const char cel_schema[] =
    "{\"type\":\"record\",\"name\":\"Order\",\"namespace\":\"com.shop\",\"fields\":["
    "{\"name\":\"id\",\"type\":\"long\"},"
    "{\"name\":\"count\",\"type\":\"int\"},"
    "{\"name\":\"paid\",\"type\":\"boolean\"},"
    "{\"name\":\"weight\",\"type\":\"float\"},"
    "{\"name\":\"amount\",\"type\":\"double\"},"
    "{\"name\":\"email\",\"type\":\"string\",\"confluent:tags\":[\"PII\",\"MAIL\"]},"
    "{\"name\":\"raw\",\"type\":\"bytes\"},"
    "{\"name\":\"note\",\"type\":[\"null\",\"string\"],\"default\":null},"
    "{\"name\":\"status\",\"type\":{\"type\":\"enum\",\"name\":\"Status\",\"symbols\":"
    "[\"NEW\",\"DONE\"]}},"
    "{\"name\":\"hash\",\"type\":{\"type\":\"fixed\",\"name\":\"Hash\",\"size\":2}},"
    "{\"name\":\"key\",\"type\":{\"type\":\"string\",\"logicalType\":\"uuid\"}},"
    "{\"name\":\"key16\",\"type\":{\"type\":\"fixed\",\"name\":\"K16\",\"size\":16,"
    "\"logicalType\":\"uuid\"}},"
    "{\"name\":\"at\",\"type\":{\"type\":\"long\",\"logicalType\":\"timestamp-millis\"}"
    "},"
    "{\"name\":\"at6\",\"type\":{\"type\":\"long\",\"logicalType\":\"timestamp-"
    "micros\"}"
    "},"
    "{\"name\":\"at9\",\"type\":{\"type\":\"long\",\"logicalType\":\"timestamp-nanos\"}"
    "},"
    "{\"name\":\"local\",\"type\":{\"type\":\"long\",\"logicalType\":\"local-timestamp-"
    "millis\"}},"
    "{\"name\":\"day\",\"type\":{\"type\":\"int\",\"logicalType\":\"date\"}},"
    "{\"name\":\"time\",\"type\":{\"type\":\"int\",\"logicalType\":\"time-millis\"}},"
    "{\"name\":\"time6\",\"type\":{\"type\":\"long\",\"logicalType\":\"time-micros\"}},"
    "{\"name\":\"price\",\"type\":{\"type\":\"bytes\",\"logicalType\":\"decimal\","
    "\"precision\":30,\"scale\":2}},"
    "{\"name\":\"fee\",\"type\":{\"type\":\"fixed\",\"name\":\"Fee\",\"size\":5,"
    "\"logicalType\":\"decimal\",\"precision\":9,\"scale\":3}},"
    "{\"name\":\"big\",\"type\":{\"type\":\"bytes\",\"logicalType\":\"big-decimal\"}},"
    "{\"name\":\"address\",\"type\":[\"null\",{\"type\":\"record\",\"name\":"
    "\"Address\","
    "\"fields\":[{\"name\":\"street\",\"type\":\"string\"},{\"name\":\"city\",\"type\":"
    "\"string\",\"default\":\"Bern\"}]}],\"default\":null},"
    "{\"name\":\"bill\",\"type\":\"Address\"},"
    "{\"name\":\"items\",\"type\":{\"type\":\"array\",\"items\":{\"type\":\"record\","
    "\"name\":\"Item\",\"fields\":[{\"name\":\"sku\",\"type\":\"string\"},{\"name\":"
    "\"qty\",\"type\":\"int\"}]}}},"
    "{\"name\":\"labels\",\"type\":{\"type\":\"map\",\"values\":\"string\"}},"
    "{\"name\":\"scores\",\"type\":{\"type\":\"array\",\"items\":\"double\"}},"
    "{\"name\":\"either\",\"type\":[\"null\",\"string\",\"long\"],\"default\":null},"
    "{\"name\":\"period\",\"type\":[\"null\",{\"type\":\"fixed\",\"name\":\"P\","
    "\"size\":"
    "12,\"logicalType\":\"duration\"}],\"default\":null}]}";

#define CEL_ALWAYS                                                                   \
    "\"id\":7,\"count\":3,\"paid\":true,\"weight\":1.5,\"amount\":19.5,"             \
    "\"email\":\"ann@x.org\",\"raw\":\"AP8=\",\"status\":\"NEW\",\"hash\":\"AQI=\"," \
    "\"key\":\"123e4567-e89b-12d3-a456-426614174000\","                              \
    "\"key16\":\"123e4567-e89b-12d3-a456-426614174001\","                            \
    "\"at\":\"2024-02-29T04:05:06.789Z\",\"at6\":\"2024-02-29T04:05:06.000001Z\","   \
    "\"at9\":\"1969-12-31T23:59:59.999999999Z\",\"local\":\"2024-02-29T04:05:06\","  \
    "\"day\":\"2024-02-29\",\"time\":\"01:02:03.5\",\"time6\":\"00:00:01\","         \
    "\"price\":\"10.50\",\"fee\":\"-0.125\",\"big\":\"1.10\","                       \
    "\"bill\":{\"street\":\"Main 1\",\"city\":\"Basel\"}"

/* Nothing that may be null, nothing in the containers. */
#define CEL_BARE "{" CEL_ALWAYS ",\"items\":[],\"labels\":{},\"scores\":[]}"
#define CEL_FULL                                                                    \
    "{" CEL_ALWAYS ",\"note\":\"hi\",\"address\":{\"street\":\"Gasse 2\",\"city\":" \
    "\"Chur\"},\"items\":[{\"sku\":\"a\",\"qty\":1},{\"sku\":\"b\",\"qty\":3}],"    \
    "\"labels\":{\"k\":\"v\",\"z\":\"\"},\"scores\":[0.5,2],\"either\":5}"

struct cel_house {
    struct av_schema *schema;
    struct av_encoder *encoder;
    struct buf datum, out;
};

static inline void cel_house_open(struct cel_house *h, const char *record)
{
    struct av_problems problems = {0};
    struct err e = {0};

    h->datum = BUF_INIT(1 << 20);
    h->out = BUF_INIT(1 << 24);
    if (av_schema_parse(&h->schema, span_str(cel_schema), NULL, 0, NULL, &e) !=
            ERR_OK ||
        av_encoder_new(&h->encoder, h->schema, NULL, &e) != ERR_OK) {
        printf("%s\n", e.msg);
        abort();
    }
    if (av_encode(h->encoder, span_str(record), &h->datum, &problems) != ERR_OK) {
        printf("%.*s\n", (int)problems.first->message.n,
               (const char *)problems.first->message.p);
        abort();
    }
    av_problems_free(&problems);
}

static inline void cel_house_close(struct cel_house *h)
{
    av_encoder_free(h->encoder);
    av_schema_release(h->schema);
    buf_free(&h->datum);
    buf_free(&h->out);
}

/* The line that `avrogate schema rule` would print, or why the rule is refused. */
static inline struct span cel_says(const char *rule, enum cel_mode mode,
                                   const char *record)
{
    static char said[100000];
    struct cel_house h;
    struct cel_rules *set;
    struct cel_rule *r;
    struct err e = {0};

    cel_house_open(&h, record);
    if (cel_rules_new(&set, h.schema, &e) != ERR_OK)
        abort();
    if (cel_rules_add(set, span_str(rule), mode, &r, &e) != ERR_OK) {
        buf_put_str(&h.out, e.msg);
    } else {
        struct cel_run *run = cel_run_new();

        cel_begin(run, set, buf_span(&h.datum), CEL_NOW);
        cel_show(run, r, &h.out);
        cel_run_free(run);
    }
    size_t n = h.out.n < sizeof said ? h.out.n : sizeof said;
    memcpy(said, h.out.p, n);
    cel_rules_free(set);
    cel_house_close(&h);
    return span_of(said, n);
}

struct cel_case {
    const char *rule, *says;
};

static inline void cel_check_all(const struct cel_case *cases, size_t n,
                                 const char *record)
{
    for (size_t i = 0; i < n; i++) {
        struct span said = cel_says(cases[i].rule, CEL_RECORD, record);
        bool ok = span_eq(said, span_str(cases[i].says));

        check_count(ok);
        if (!ok)
            printf("    %s\n      says   %.*s\n      wanted %s\n", cases[i].rule,
                   (int)said.n, (const char *)said.p, cases[i].says);
    }
}

#define CEL_CHECK(cases, record) \
    cel_check_all(cases, sizeof(cases) / sizeof *(cases), record)
