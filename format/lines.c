/*
 * JSON lines: a value a line, as docs/json.md has it.
 */
#include "avro-core/encode.h"
#include "avro-core/to_json.h"
#include "base/mem.h"
#include "format/format_inside.h"
#include "format/window.h"

#include <stdlib.h>

#define LINE_MOST ((size_t)64 << 20)

/* ---- writing ---- */

struct lines_writer {
    struct format_writer base;
    struct av_to_json json;
    struct buf lines;
};

static struct lines_writer *as_writer(struct format_writer *w)
{
    return (struct lines_writer *)w;
}

static void lines_close(struct format_writer *base)
{
    buf_free(&as_writer(base)->lines);
    free(base);
}

static enum err_kind lines_open(struct format_writer **out, struct av_schema *schema,
                                const struct format_options *o,
                                const struct format_sink *to, struct err *e)
{
    (void)schema;
    if (o->codec != NULL && strcmp(o->codec, "none") != 0)
        return err_set(e, ERR_INVALID, "codec \"%.40s\": JSON lines are not packed",
                       o->codec);
    struct lines_writer *w = mem_alloc(sizeof *w);
    w->base.to = *to;
    w->lines = BUF_INIT(FORMAT_RECORD_MOST);
    av_to_json_init(&w->json, &w->lines, o->avro_json);
    *out = &w->base;
    return ERR_OK;
}

static enum err_kind lines_append(struct format_writer *base,
                                  const struct av_plan *plan, struct span datum,
                                  const struct av_decode_limits *lim, struct err *e)
{
    struct lines_writer *w = as_writer(base);
    size_t before = w->lines.n;
    enum err_kind k = av_decode_all(plan, datum, lim, &w->json.visitor, e);

    if (k == ERR_OK)
        k = buf_status(&w->lines, e);
    if (k != ERR_OK) {
        buf_cut(&w->lines, before);
        av_to_json_init(&w->json, &w->lines, w->json.avro_json);
        return k;
    }
    buf_put_u8(&w->lines, '\n');
    return format_drain(base, &w->lines, false, e);
}

static uint64_t lines_waiting(const struct format_writer *base)
{
    return ((const struct lines_writer *)base)->lines.n;
}

static enum err_kind lines_finish(struct format_writer *base, struct err *e)
{
    return format_drain(base, &as_writer(base)->lines, true, e);
}

/* ---- reading ---- */

struct lines_reader {
    struct format_reader base;
    struct window window;
    struct av_encoder *encoder;
    struct av_problems problems;
    struct buf datum;
    uint64_t line; // of the one in hand, from 1
    size_t used;   // of the window, by the line in hand
};

static struct lines_reader *as_reader(struct format_reader *r)
{
    return (struct lines_reader *)r;
}

static void lines_reader_close(struct format_reader *base)
{
    struct lines_reader *r = as_reader(base);

    av_encoder_free(r->encoder);
    av_problems_free(&r->problems);
    window_free(&r->window);
    buf_free(&r->datum);
    free(r);
}

static enum err_kind lines_read(struct format_reader **out, struct av_schema *schema,
                                const struct format_options *o,
                                const struct format_source *from, struct err *e)
{
    const struct av_encode_options how = {.strict_avro_json = o->avro_json,
                                          .bytes = LINE_MOST};
    struct av_encoder *encoder;

    if (schema == NULL)
        return err_set(e, ERR_INVALID,
                       "JSON lines bring no schema: say which one they are of");
    TRY(av_encoder_new(&encoder, schema, &how, e));
    struct lines_reader *r = mem_alloc(sizeof *r);
    r->base.from = *from;
    r->base.schema = av_schema_retain(schema);
    r->encoder = encoder;
    r->problems.most = 1;
    r->datum = BUF_INIT(LINE_MOST);
    window_init(&r->window, from, LINE_MOST);
    *out = &r->base;
    return ERR_OK;
}

/* The next line without its end; *used says how many bytes it takes with it. */
static enum err_kind find_line(struct lines_reader *r, struct span *line, struct err *e)
{
    const uint8_t *end = NULL;
    size_t seen = 0;

    for (;;) {
        struct span ready = window_ready(&r->window);
        if (ready.n > seen)
            end = memchr(ready.p + seen, '\n', ready.n - seen);
        if (end != NULL || window_end(&r->window)) {
            line->p = ready.p;
            line->n = end != NULL ? (size_t)(end - ready.p) : ready.n;
            r->used = line->n + (end != NULL);
            return ERR_OK;
        }
        seen = ready.n;
        if (window_more(&r->window, e) != ERR_OK)
            return err_prefix(e, "line %llu", (unsigned long long)r->line);
    }
}

static bool is_blank(struct span line)
{
    for (size_t i = 0; i < line.n; i++)
        if (line.p[i] != ' ' && line.p[i] != '\t' && line.p[i] != '\r')
            return false;
    return true;
}

static enum err_kind blame(const struct lines_reader *r, uint64_t at, enum err_kind k,
                           struct err *e)
{
    const struct av_problem *p = r->problems.first;
    struct span why = p != NULL ? p->message : span_str("longer than a record may be");

    if (p != NULL)
        at += p->offset;
    return err_set(e, k, "line %llu, byte %llu: %.*s%s", (unsigned long long)r->line,
                   (unsigned long long)at, (int)(why.n < 180 ? why.n : 180),
                   (const char *)why.p, r->problems.more > 0 ? " (and more)" : "");
}

static enum err_kind lines_next(struct format_reader *base, struct span *datum,
                                bool *more, struct err *e)
{
    struct lines_reader *r = as_reader(base);
    struct span line;

    do {
        window_use(&r->window, r->used);
        r->used = 0;
        if (window_ready(&r->window).n == 0 && window_end(&r->window)) {
            *more = false;
            return ERR_OK;
        }
        r->line++;
        TRY(find_line(r, &line, e));
    } while (is_blank(line));

    buf_reset(&r->datum);
    av_problems_reset(&r->problems);
    enum err_kind k = av_encode(r->encoder, line, &r->datum, &r->problems);
    if (k != ERR_OK)
        return blame(r, window_offset(&r->window), k, e);
    *datum = buf_span(&r->datum);
    *more = true;
    return ERR_OK;
}

const struct format_ops format_json = {
    .name = "json",
    .suffix = ".jsonl",
    .other_names = ",jsonl,ndjson,",
    .open = lines_open,
    .append = lines_append,
    .waiting = lines_waiting,
    .finish = lines_finish,
    .close = lines_close,
    .read = lines_read,
    .next = lines_next,
    .reader_close = lines_reader_close,
};
