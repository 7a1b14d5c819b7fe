/*
 * Object container files: a record's Avro binary as it came where the schemas are the
 * same, else written again.
 */
#include "avro-core/ocf.h"

#include "avro-core/varint.h"
#include "base/mem.h"
#include "format/format_inside.h"
#include "format/rewrite.h"
#include "format/window.h"

#include <stdlib.h>

#define HEADER_MOST ((size_t)4 << 20)
#define BLOCK_MOST ((size_t)64 << 20)
#define SYNC 16

/* ---- writing ---- */

struct ocf_writer {
    struct format_writer base;
    struct av_ocf_writer *ocf;
    struct buf file;  // from ocf to the sink
    struct buf datum; // written again
    struct rewrite rewrite;
};

static struct ocf_writer *as_writer(struct format_writer *w)
{
    return (struct ocf_writer *)w;
}

static enum err_kind start(struct ocf_writer *w, struct av_schema *schema,
                           const struct format_options *o, struct err *e)
{
    struct av_ocf_note *notes = mem_array(o->n_notes, sizeof *notes);

    for (size_t i = 0; i < o->n_notes; i++)
        notes[i] = (struct av_ocf_note){o->notes[i].key, span_str(o->notes[i].value)};
    enum err_kind k = av_ocf_writer_new_noted(&w->ocf, schema,
                                              o->codec != NULL ? o->codec : "zstandard",
                                              notes, o->n_notes, &w->file, e);
    free(notes);
    return k;
}

static void ocf_close(struct format_writer *base)
{
    struct ocf_writer *w = as_writer(base);

    av_ocf_writer_free(w->ocf);
    buf_free(&w->file);
    buf_free(&w->datum);
    rewrite_free(&w->rewrite);
    free(w);
}

static enum err_kind ocf_open(struct format_writer **out, struct av_schema *schema,
                              const struct format_options *o,
                              const struct format_sink *to, struct err *e)
{
    struct ocf_writer *w = mem_alloc(sizeof *w);

    w->base.to = *to;
    w->file = BUF_INIT(FORMAT_RECORD_MOST * 2);
    w->datum = BUF_INIT(FORMAT_RECORD_MOST);
    rewrite_init(&w->rewrite, &w->datum);
    enum err_kind k = start(w, schema, o, e);
    if (k != ERR_OK) {
        ocf_close(&w->base);
        return k;
    }
    *out = &w->base;
    return ERR_OK;
}

static const struct av_visitor_ops nobody;

/* The datum's bytes in the file's schema; checked, so that no block holds a bad one. */
static enum err_kind resolve(struct ocf_writer *w, const struct av_plan *plan,
                             struct span *datum, const struct av_decode_limits *lim,
                             struct err *e)
{
    struct av_visitor v = {&nobody};

    if (av_plan_writer(plan) == w->base.schema)
        return av_decode_all(plan, *datum, lim, &v, e);
    buf_reset(&w->datum);
    rewrite_reset(&w->rewrite);
    TRY(av_decode_all(plan, *datum, lim, &w->rewrite.visitor, e));
    TRY(buf_status(&w->datum, e));
    *datum = buf_span(&w->datum);
    return ERR_OK;
}

static enum err_kind ocf_append(struct format_writer *base, const struct av_plan *plan,
                                struct span datum, const struct av_decode_limits *lim,
                                struct err *e)
{
    struct ocf_writer *w = as_writer(base);

    TRY(resolve(w, plan, &datum, lim, e));
    av_ocf_write(w->ocf, datum);
    return format_drain(base, &w->file, false, e);
}

static uint64_t ocf_waiting(const struct format_writer *base)
{
    const struct ocf_writer *w = (const struct ocf_writer *)base;

    return w->file.n + av_ocf_waiting(w->ocf);
}

static enum err_kind ocf_finish(struct format_writer *base, struct err *e)
{
    struct ocf_writer *w = as_writer(base);

    TRY(av_ocf_flush(w->ocf, e));
    return format_drain(base, &w->file, true, e);
}

/* ---- reading: the header once, then block by block ---- */

struct ocf_reader {
    struct format_reader base;
    struct window window;
    struct buf header; // its notes are asked for
    struct av_ocf_reader *ocf;
    struct av_plan *plan;
    size_t used; // of the window, by the block in hand
};

static struct ocf_reader *as_reader(struct format_reader *r)
{
    return (struct ocf_reader *)r;
}

static void ocf_reader_close(struct format_reader *base)
{
    struct ocf_reader *r = as_reader(base);

    av_ocf_close(r->ocf);
    av_plan_free(r->plan);
    window_free(&r->window);
    buf_free(&r->header);
    free(r);
}

/* Nobody knows how long a header is: more is read until it can be. */
static enum err_kind read_header(struct ocf_reader *r, struct err *e)
{
    const struct av_ocf_limits lim = {.header_bytes = HEADER_MOST};
    enum err_kind k;

    do {
        TRY(window_more(&r->window, e));
        struct span ready = window_ready(&r->window);
        buf_reset(&r->header);
        buf_put(&r->header, ready);
        TRY(buf_status(&r->header, e));
        k = av_ocf_open(&r->ocf, buf_span(&r->header), &lim, e);
    } while (k == ERR_INVALID && !window_end(&r->window) && r->header.n < HEADER_MOST);
    if (k != ERR_OK)
        return k;
    window_use(&r->window, av_ocf_at(r->ocf));
    av_ocf_feed(r->ocf, (struct span){0}, av_ocf_at(r->ocf));
    return ERR_OK;
}

static enum err_kind ocf_read(struct format_reader **out, struct av_schema *schema,
                              const struct format_options *o,
                              const struct format_source *from, struct err *e)
{
    struct ocf_reader *r = mem_alloc(sizeof *r);

    (void)schema, (void)o;
    r->base.from = *from;
    r->header = BUF_INIT(HEADER_MOST * 2);
    window_init(&r->window, from, BLOCK_MOST);
    enum err_kind k = read_header(r, e);
    if (k == ERR_OK)
        k = av_plan_new(&r->plan, av_ocf_schema(r->ocf), av_ocf_schema(r->ocf), e);
    if (k != ERR_OK) {
        ocf_reader_close(&r->base);
        return k;
    }
    r->base.schema = av_schema_retain(av_ocf_schema(r->ocf));
    *out = &r->base;
    return ERR_OK;
}

static struct span ocf_reader_note(struct format_reader *r, const char *key)
{
    return av_ocf_meta(as_reader(r)->ocf, key);
}

/* How long the next block is with all that belongs to it; 0 when its head is broken or
 * cut, which av_ocf_next() says better. */
static size_t block_size(struct span ready)
{
    size_t all = ready.n;
    int64_t count, size;

    if (!varint_take(&ready, &count) || !varint_take(&ready, &size) || size < 0)
        return 0;
    return (uint64_t)size > BLOCK_MOST ? SIZE_MAX : all - ready.n + (size_t)size + SYNC;
}

/* Feeds the next block; what is wrong with it is said when it is read. */
static enum err_kind feed_block(struct ocf_reader *r, struct err *e)
{
    window_use(&r->window, r->used);
    r->used = 0;
    TRY(window_want(&r->window, 2 * VARINT_MOST, e));
    size_t n = block_size(window_ready(&r->window));
    if (n == SIZE_MAX)
        return err_set(e, ERR_LIMIT, "byte %llu: a block of more than %zu bytes",
                       (unsigned long long)window_offset(&r->window), BLOCK_MOST);
    TRY(window_want(&r->window, n, e));
    struct span ready = window_ready(&r->window);
    if (n > 0 && n < ready.n)
        ready.n = n;
    r->used = ready.n;
    av_ocf_feed(r->ocf, ready, window_offset(&r->window));
    return ERR_OK;
}

static enum err_kind ocf_next(struct format_reader *base, struct span *datum,
                              bool *more, struct err *e)
{
    struct ocf_reader *r = as_reader(base);
    struct av_visitor v = {&nobody};

    for (;;) {
        TRY(av_ocf_next(r->ocf, r->plan, &v, datum, more, e));
        if (*more)
            return ERR_OK;
        if (window_end(&r->window) && window_ready(&r->window).n == r->used)
            return ERR_OK;
        TRY(feed_block(r, e));
    }
}

const struct format_ops format_ocf = {
    .name = "ocf",
    .suffix = ".avro",
    .other_names = ",avro,",
    .open = ocf_open,
    .append = ocf_append,
    .waiting = ocf_waiting,
    .finish = ocf_finish,
    .close = ocf_close,
    .read = ocf_read,
    .reader_note = ocf_reader_note,
    .next = ocf_next,
    .reader_close = ocf_reader_close,
};
