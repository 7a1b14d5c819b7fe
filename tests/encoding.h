/*
 * encoding.h - tables of JSON and the Avro it becomes, or what is said against it.
 *
 *      static const struct encoding cases[] = {
 *          {"\"int\"", "5", "0a", NULL},
 *          {NULL, "true", NULL, "true, wanted int (type)\n"},
 *      };
 *      CHECK_ALL(cases, NULL);
 */
#pragma once

#include "avro-core/encode.h"
#include "tests/check.h"

#include <stdlib.h>

static inline struct av_encoder *encoder_for(const char *schema,
                                             const struct av_encode_options *o)
{
    struct av_schema *s = NULL;
    struct av_encoder *enc = NULL;
    struct err e = {0};

    if (av_schema_parse(&s, span_str(schema), NULL, 0, NULL, &e) != ERR_OK ||
        av_encoder_new(&enc, s, o, &e) != ERR_OK)
        printf("    %s: %s\n", schema, e.msg);
    av_schema_release(s); // the encoder has its own
    return enc;
}

static inline void to_hex(char *to, size_t room, struct span bytes)
{
    to[0] = '\0';
    for (size_t i = 0; i < bytes.n && 2 * i + 3 < room; i++)
        sprintf(to + 2 * i, "%02x", bytes.p[i]);
}

struct encoding {
    const char *schema; // NULL: that of the case before
    const char *json;
    const char *hex;      // NULL: refused
    const char *messages; // then: all of them, '\n' after each
};

static inline void join_messages(struct buf *out, const struct av_problems *p)
{
    for (const struct av_problem *x = p->first; x != NULL; x = x->next) {
        buf_put(out, x->message);
        buf_put_u8(out, '\n');
    }
    buf_put_u8(out, '\0');
}

static inline void check_encoding(const struct av_encoder *enc,
                                  const struct encoding *c)
{
    struct buf out = BUF_INIT(1 << 20), said = BUF_INIT(1 << 16);
    struct av_problems p = {0};
    char hex[2000] = "";
    /* A text of its own size, so that ASan sees a read behind its end. */
    struct span text = {.n = strlen(c->json)};
    uint8_t *copy = malloc(text.n + 1);
    text.p = memcpy(copy, c->json, text.n);
    if (text.n > 0)
        text.p = copy = realloc(copy, text.n);

    buf_put_str(&out, "before");
    enum err_kind k = av_encode(enc, text, &out, &p);
    CHECK_INT(k, c->hex != NULL ? ERR_OK : ERR_INVALID);
    CHECK_INT(p.n > 0, k != ERR_OK);
    join_messages(&said, &p);
    to_hex(hex, sizeof hex, span_skip(buf_span(&out), 6));
    CHECK_STR(hex, c->hex != NULL ? c->hex : "");
    if (c->messages != NULL || k == ERR_OK)
        CHECK_STR((const char *)said.p, c->messages != NULL ? c->messages : "");
    if ((k == ERR_OK) != (c->hex != NULL))
        printf("    of %s\n    %s\n", c->json, (const char *)said.p);
    free(copy);
    av_problems_free(&p);
    buf_free(&said);
    buf_free(&out);
}

static inline void check_all(const struct encoding *c, size_t n,
                             const struct av_encode_options *o)
{
    struct av_encoder *enc = NULL;

    for (size_t i = 0; i < n; i++) {
        if (c[i].schema != NULL) {
            av_encoder_free(enc);
            enc = encoder_for(c[i].schema, o);
        }
        CHECK(enc != NULL);
        if (enc != NULL)
            check_encoding(enc, &c[i]);
    }
    av_encoder_free(enc);
}

#define CHECK_ALL(cases, o) check_all(cases, sizeof cases / sizeof *cases, o)

/* ---- what a table cannot say ---- */

static inline enum err_kind encode_into(const char *schema, const char *json,
                                        const struct av_encode_options *o,
                                        struct buf *out, struct av_problems *p)
{
    struct av_encoder *enc = encoder_for(schema, o);
    enum err_kind k = av_encode(enc, span_str(json), out, p);

    av_encoder_free(enc);
    return k;
}

#define FIELD(name, type) "{\"name\":\"" name "\",\"type\":" type "}"
#define FILLED(name, type, fallback) \
    "{\"name\":\"" name "\",\"type\":" type ",\"default\":" fallback "}"
#define RECORD(name, fields) \
    "{\"type\":\"record\",\"name\":\"" name "\",\"fields\":[" fields "]}"

#define THREE                                                                 \
    RECORD("com.shop.Order",                                                  \
           FIELD("id", "\"long\"") "," FIELD("name", "\"string\"") "," FIELD( \
               "paid", "\"boolean\""))

#define LOGICAL(type, logical) "{\"type\":\"" type "\",\"logicalType\":\"" logical "\"}"
#define DECIMAL \
    "{\"type\":\"bytes\",\"logicalType\":\"decimal\",\"precision\":6,\"scale\":2}"
