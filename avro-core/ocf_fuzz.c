/*
 * Whatever file arrives, reading it ends; and what was read is written and read again.
 * Files that do not begin like one get a header in front, of the codec their first byte
 * picks.
 */
#include "avro-core/ocf.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

#define SYNC "0123456789abcdef"

static const struct av_visitor_ops nothing;

static void read_on(struct av_ocf_reader *r, struct av_plan *plan)
{
    struct av_visitor v = {&nothing};
    struct av_ocf_writer *w;
    struct buf again = BUF_INIT(1 << 24);
    struct span datum;
    struct err e = {0};
    bool more = true;

    if (av_ocf_writer_new(&w, av_ocf_schema(r), av_ocf_codec(r), &again, &e) != ERR_OK)
        abort();
    while (av_ocf_next(r, plan, &v, &datum, &more, &e) == ERR_OK && more)
        if (av_ocf_records(r) < 1000)
            av_ocf_write(w, datum);
        else
            break;
    if (av_ocf_flush(w, &e) != ERR_OK)
        abort();
    av_ocf_writer_free(w);
    buf_free(&again);
}

static void read_file(struct span file)
{
    const struct av_ocf_limits lim = {
        .block_bytes = 1 << 20,
        .decode = {.items = 10000, .empty_items = 1000},
    };
    struct av_ocf_reader *r;
    struct av_plan *plan;
    struct err e = {0};

    if (av_ocf_open(&r, file, &lim, &e) != ERR_OK)
        return;
    if (av_plan_new(&plan, av_ocf_schema(r), av_ocf_schema(r), &e) == ERR_OK) {
        read_on(r, plan);
        av_plan_free(plan);
    }
    av_ocf_close(r);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    static const char *const codecs[] = {"\10null",      "\16deflate", "\14snappy",
                                         "\22zstandard", "\12bzip2",   "\4xz"};
    struct buf file = BUF_INIT((size_t)1 << 24);

    if (n == 0)
        return 0;
    if (p[0] != 'O') {
        buf_put(&file, span_str("Obj\1\4\26avro.schema\20\"string\"\24avro.codec"));
        buf_put_str(&file, codecs[p[0] % 6]);
        buf_put_u8(&file, 0);
        buf_put_str(&file, SYNC);
        buf_put(&file, span_of(p + 1, n - 1));
    } else {
        buf_put(&file, span_of(p, n));
    }
    read_file(buf_span(&file));
    buf_free(&file);
    return 0;
}
