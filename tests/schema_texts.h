/*
 * schema_texts.h - schemas as the tests of avro-core write them.
 */
#pragma once

#include "avro-core/schema.h"
#include "tests/check.h"

/* The schema of `text`, or NULL and its message in `e`. */
static inline struct av_schema *parse(const char *text, struct err *e)
{
    struct av_schema *s = NULL;

    *e = (struct err){0};
    return av_schema_parse(&s, span_str(text), NULL, 0, NULL, e) == ERR_OK ? s : NULL;
}

/* A schema that must parse. */
static inline struct av_schema *must(const char *text)
{
    struct err e;
    struct av_schema *s = parse(text, &e);

    CHECK_STR(e.msg, "");
    return s;
}

struct row {
    const char *text, *want;
};

/* "ok" or the message, for each row. */
static inline void check_rows(const struct row *t, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct err e;
        struct av_schema *s = parse(t[i].text, &e);
        CHECK_STR(s != NULL ? "ok" : e.msg, t[i].want);
        av_schema_release(s);
    }
}

#define CHECK_ROWS(t) check_rows(t, sizeof t / sizeof *t)

#define R(fields) "{\"type\":\"record\",\"name\":\"R\",\"fields\":[" fields "]}"
#define F(type) R("{\"name\":\"f\",\"type\":" type "}")
#define D(type, value) R("{\"name\":\"f\",\"type\":" type ",\"default\":" value "}")
#define FIXED2 "{\"type\":\"fixed\",\"name\":\"X\",\"size\":2}"
#define ENUM "{\"type\":\"enum\",\"name\":\"E\",\"symbols\":[\"a\",\"b\"]}"

/* `n` times `open`, then `middle`, then `n` times `close`. */
static inline void nest(struct buf *out, size_t n, const char *open, const char *middle,
                        const char *close)
{
    for (size_t i = 0; i < n; i++)
        buf_put_str(out, open);
    buf_put_str(out, middle);
    for (size_t i = 0; i < n; i++)
        buf_put_str(out, close);
}
