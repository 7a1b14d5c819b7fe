/*
 * Whatever file arrives, reading it ends; a record that was read is one of its schema,
 * and is written and read again.
 */
#include "avro-core/ocf.h"
#include "format/format.h"

#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static const char schema_text[] =
    "{\"type\":\"record\",\"name\":\"R\",\"fields\":["
    "{\"name\":\"a\",\"type\":[\"null\",\"long\"],\"default\":null},"
    "{\"name\":\"b\",\"type\":\"string\",\"default\":\"x\"},"
    "{\"name\":\"c\",\"type\":{\"type\":\"array\",\"items\":\"double\"},\"default\":[]}"
    "]}";

static struct av_schema *schema;

static enum err_kind give(void *ctx, uint64_t at, uint8_t *to, size_t n, struct err *e)
{
    const struct span *file = ctx;

    if (at > file->n || n > file->n - at)
        return err_set(e, ERR_INTERNAL, "asked for more than there is");
    if (n > 0)
        memcpy(to, file->p + at, n);
    return ERR_OK;
}

static enum err_kind keep(void *ctx, struct span bytes, struct err *e)
{
    buf_put(ctx, bytes);
    return buf_status(ctx, e);
}

static size_t read_all(const char *format, struct span file, struct format_writer *w)
{
    const struct format_source from = {give, &file, file.n};
    struct format_reader *r;
    struct av_plan *plan = NULL;
    struct err e = {0};
    struct span datum;
    size_t rows = 0;
    bool more = true;

    if (format_read(&r, format, schema, NULL, &from, &e) != ERR_OK)
        return 0;
    if (av_plan_new(&plan, format_reader_schema(r), schema, &e) != ERR_OK)
        more = false;
    for (int bad = 0; more && bad < 100 && rows < 5000;) {
        enum err_kind k = format_next(r, &datum, &more, &e);
        if (k == ERR_INTERNAL)
            abort();
        bad += k != ERR_OK;
        if (k != ERR_OK && strcmp(format, "ocf") == 0)
            break;
        if (k != ERR_OK || !more)
            continue;
        rows++;
        if (w != NULL && format_append(w, plan, datum, NULL, &e) != ERR_OK) {
            fprintf(stderr, "%s\n", e.msg);
            abort();
        }
    }
    av_plan_free(plan);
    format_reader_close(r);
    return rows;
}

static struct format_writer *open_writer(const char *format, struct buf *out)
{
    const struct format_sink to = {keep, out};
    struct format_writer *w;
    struct err e = {0};

    if (format_open(&w, format, schema, NULL, &to, &e) != ERR_OK)
        abort();
    return w;
}

static void read_and_write(const char *format, struct span file)
{
    struct buf out = BUF_INIT(1 << 26);
    struct format_writer *w = open_writer(format, &out);
    struct err e = {0};
    size_t rows = read_all(format, file, w);

    if (format_finish(w, &e) != ERR_OK)
        abort();
    format_close(w);
    if (read_all(format, buf_span(&out), NULL) != rows)
        abort();
    buf_free(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    struct err e = {0};

    if (schema == NULL &&
        av_schema_parse(&schema, span_str(schema_text), NULL, 0, NULL, &e) != ERR_OK)
        abort();
    if (n == 0)
        return 0;
    struct span file = span_of(p + 1, n - 1);
    switch (p[0] % 3) {
    case 0: read_and_write("csv", file); break;
    case 1: read_and_write("json", file); break;
    default: (void)read_all("ocf", file, NULL); break;
    }
    return 0;
}
