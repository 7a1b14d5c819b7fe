/*
 * Parquet files through abi.h and our side of it.  A byte or more of a good file is
 * changed: what Arrow makes of the rest is Arrow's, but whatever it hands over, our
 * side reads it within its bounds.
 */
#include "avro-core/encode.h"
#include "format/format.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static const char schema_text[] =
    "{\"type\":\"record\",\"name\":\"R\",\"fields\":["
    "{\"name\":\"a\",\"type\":[\"null\",\"long\",\"string\"]},"
    "{\"name\":\"e\",\"type\":{\"type\":\"enum\",\"name\":\"E\",\"symbols\":[\"P\","
    "\"Q\"]}"
    "},{\"name\":\"c\",\"type\":{\"type\":\"array\",\"items\":{\"type\":\"map\","
    "\"values\":\"bytes\"}}}]}";

static struct buf good = {.limit = 1 << 20};

static enum err_kind give(void *ctx, uint64_t at, uint8_t *to, size_t n, struct err *e)
{
    const struct span *file = ctx;

    if (at > file->n || n > file->n - at)
        return err_set(e, ERR_UNAVAILABLE, "asked for more than there is");
    if (n > 0)
        memcpy(to, file->p + at, n);
    return ERR_OK;
}

static enum err_kind keep(void *ctx, struct span bytes, struct err *e)
{
    buf_put(ctx, bytes);
    return buf_status(ctx, e);
}

static void make_good(void)
{
    static const char *const rows[] = {
        "{\"a\":1,\"e\":\"Q\",\"c\":[{\"k\":\"AA==\"},{}]}",
        "{\"a\":\"x\",\"e\":\"P\",\"c\":[]}",
        "{\"a\":null,\"e\":\"P\",\"c\":[{\"x\":\"\",\"y\":\"AAAA\"}]}"};
    const struct format_options o = {.codec = "none"};
    const struct format_sink to = {keep, &good};
    struct buf datum = BUF_INIT(1000);
    struct av_problems problems = {0};
    struct format_writer *w;
    struct av_encoder *enc;
    struct av_schema *s;
    struct av_plan *plan;
    struct err e = {0};

    if (av_schema_parse(&s, span_str(schema_text), NULL, 0, NULL, &e) != ERR_OK ||
        av_plan_new(&plan, s, s, &e) != ERR_OK ||
        av_encoder_new(&enc, s, NULL, &e) != ERR_OK)
        abort();
    if (format_open(&w, "parquet", s, &o, &to, &e) != ERR_OK)
        exit(0); // its library was not built here
    for (size_t i = 0; i < 3; i++) {
        buf_reset(&datum);
        if (av_encode(enc, span_str(rows[i]), &datum, &problems) != ERR_OK ||
            format_append(w, plan, buf_span(&datum), NULL, &e) != ERR_OK)
            abort();
    }
    if (format_finish(w, &e) != ERR_OK)
        abort();
    format_close(w);
    av_encoder_free(enc);
    av_plan_free(plan);
    av_schema_release(s);
    buf_free(&datum);
}

static void read_all(struct span file)
{
    static const struct av_visitor_ops nobody;
    const struct format_source from = {give, &file, file.n};
    struct av_visitor v = {&nobody};
    struct format_reader *r;
    struct av_plan *plan;
    struct err e = {0};
    struct span datum;
    bool more = true;

    if (format_read(&r, "parquet", NULL, NULL, &from, &e) != ERR_OK)
        return;
    if (av_plan_new(&plan, format_reader_schema(r), format_reader_schema(r), &e) ==
        ERR_OK) {
        while (format_next(r, &datum, &more, &e) == ERR_OK && more)
            (void)!av_decode_all(plan, datum, NULL, &v, &e);
        av_plan_free(plan);
    }
    format_reader_close(r);
}

/* The input is changes: three bytes say where and what. */
int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    if (good.n == 0)
        make_good();
    uint8_t *copy = malloc(good.n);
    memcpy(copy, good.p, good.n);
    for (size_t i = 0; i + 3 <= n && i < 60; i += 3)
        copy[((size_t)p[i] << 8 | p[i + 1]) % good.n] = p[i + 2];
    read_all(span_of(copy, good.n));
    free(copy);
    return 0;
}
