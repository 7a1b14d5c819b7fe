/*
 * CSV with a header, RFC 4180: a column for each field of the record.
 *
 *      id,note,tags\n
 *      7,"a, ""b""","[""x"",""y""]"\n
 *      8,,[]\n                          no note
 *      9,"",[]\n                        a note of no letters
 *
 * Values are docs/json.md's without quotes, arrays, maps and records are JSON.
 */
#include "wire/csv.h"

#include "avro-core/to_json.h"
#include "base/mem.h"
#include "format/format_inside.h"
#include "format/rewrite.h"

#include <stdlib.h>

#define ROW_MOST ((size_t)64 << 20)
#define CELLS_MOST 100000

/* ---- writing: a visitor that makes cells ---- */

struct cells_visitor {
    struct av_visitor visitor; // first
    struct buf *rows;
    char delimiter;
    size_t depth;           // 1: between the fields of the row
    size_t cells;           // of this row
    struct av_to_json json; // of the cell in hand
    struct buf cell;
};

static struct cells_visitor *self(struct av_visitor *v)
{
    return (struct cells_visitor *)v;
}

static bool wants_quotes(struct span x, char delimiter)
{
    for (size_t i = 0; i < x.n; i++)
        if (x.p[i] == '"' || x.p[i] == '\n' || x.p[i] == '\r' ||
            x.p[i] == (uint8_t)delimiter)
            return true;
    return x.n == 0;
}

static void put_quoted(struct buf *out, struct span x)
{
    const uint8_t *end = x.p + x.n, *quote;

    buf_put_u8(out, '"');
    while (x.n > 0 && (quote = memchr(x.p, '"', x.n)) != NULL) {
        buf_put(out, span_of(x.p, (size_t)(quote + 1 - x.p)));
        buf_put_u8(out, '"');
        x = span_of(quote + 1, (size_t)(end - quote - 1));
    }
    buf_put(out, x);
    buf_put_u8(out, '"');
}

static void put_cell(struct cells_visitor *v, struct span x)
{
    if (wants_quotes(x, v->delimiter))
        put_quoted(v->rows, x);
    else
        buf_put(v->rows, x);
}

/* What JSON has in quotes is put without: dates, base64, symbols have nothing escaped.
 */
static enum err_kind end_cell(struct cells_visitor *v, struct err *e)
{
    TRY(buf_status(&v->cell, e));
    struct span x = buf_span(&v->cell);
    if (v->depth == 1 && x.n >= 2 && x.p[0] == '"')
        x = span_of(x.p + 1, x.n - 2);
    put_cell(v, x);
    buf_reset(&v->cell);
    return buf_status(v->rows, e);
}

#define TO_JSON(v, call, ...) \
    (self(v)->json.visitor.ops->call(&self(v)->json.visitor, __VA_ARGS__))

/* A value by itself, or inside of a nested one. */
#define PASS_VALUE(v, call, ...)                                    \
    do {                                                            \
        TRY(TO_JSON(v, call, __VA_ARGS__));                         \
        return self(v)->depth == 1 ? end_cell(self(v), e) : ERR_OK; \
    } while (0)

static enum err_kind on_null(struct av_visitor *v, const struct av_node *node,
                             struct err *e)
{
    if (self(v)->depth == 1) // nothing at all
        return ERR_OK;
    return TO_JSON(v, null, node, e);
}

static enum err_kind on_boolean(struct av_visitor *v, const struct av_node *node,
                                bool x, struct err *e)
{
    PASS_VALUE(v, boolean, node, x, e);
}

static enum err_kind on_int64(struct av_visitor *v, const struct av_node *node,
                              int64_t x, struct err *e)
{
    PASS_VALUE(v, int64, node, x, e);
}

static enum err_kind on_real(struct av_visitor *v, const struct av_node *node, double x,
                             struct err *e)
{
    PASS_VALUE(v, real, node, x, e);
}

static enum err_kind on_bytes(struct av_visitor *v, const struct av_node *node,
                              struct span x, struct err *e)
{
    PASS_VALUE(v, bytes, node, x, e);
}

static enum err_kind on_string(struct av_visitor *v, const struct av_node *node,
                               struct span x, struct err *e)
{
    if (self(v)->depth > 1)
        return TO_JSON(v, string, node, x, e);
    put_cell(self(v), x);
    return buf_status(self(v)->rows, e);
}

static enum err_kind on_symbol(struct av_visitor *v, const struct av_node *node,
                               uint32_t i, struct err *e)
{
    PASS_VALUE(v, symbol, node, i, e);
}

/* A cell has no wrapper: which branch it is, the text has to say. */
static enum err_kind on_branch(struct av_visitor *v, const struct av_node *node,
                               uint32_t i, struct err *e)
{
    return self(v)->depth == 1 ? ERR_OK : TO_JSON(v, branch, node, i, e);
}

static enum err_kind on_field(struct av_visitor *v, const struct av_node *node,
                              uint32_t i, struct err *e)
{
    if (self(v)->depth > 1)
        return TO_JSON(v, field, node, i, e);
    if (self(v)->cells++ > 0)
        buf_put_u8(self(v)->rows, (uint8_t)self(v)->delimiter);
    return ERR_OK;
}

static enum err_kind on_record_begin(struct av_visitor *v, const struct av_node *node,
                                     struct err *e)
{
    return self(v)->depth++ == 0 ? ERR_OK : TO_JSON(v, record_begin, node, e);
}

static enum err_kind on_record_end(struct av_visitor *v, const struct av_node *node,
                                   struct err *e)
{
    if (--self(v)->depth == 0)
        return ERR_OK;
    PASS_VALUE(v, record_end, node, e);
}

static enum err_kind on_array_begin(struct av_visitor *v, const struct av_node *node,
                                    struct err *e)
{
    self(v)->depth++;
    return TO_JSON(v, array_begin, node, e);
}

static enum err_kind on_item(struct av_visitor *v, const struct av_node *node,
                             struct err *e)
{
    return TO_JSON(v, item, node, e);
}

static enum err_kind on_array_end(struct av_visitor *v, const struct av_node *node,
                                  struct err *e)
{
    self(v)->depth--;
    PASS_VALUE(v, array_end, node, e);
}

static enum err_kind on_map_begin(struct av_visitor *v, const struct av_node *node,
                                  struct err *e)
{
    self(v)->depth++;
    return TO_JSON(v, map_begin, node, e);
}

static enum err_kind on_key(struct av_visitor *v, const struct av_node *node,
                            struct span key, struct err *e)
{
    return TO_JSON(v, key, node, key, e);
}

static enum err_kind on_map_end(struct av_visitor *v, const struct av_node *node,
                                struct err *e)
{
    self(v)->depth--;
    PASS_VALUE(v, map_end, node, e);
}

static const struct av_visitor_ops calls = {
    .null = on_null,
    .boolean = on_boolean,
    .int64 = on_int64,
    .real = on_real,
    .bytes = on_bytes,
    .string = on_string,
    .symbol = on_symbol,
    .branch = on_branch,
    .record_begin = on_record_begin,
    .field = on_field,
    .record_end = on_record_end,
    .array_begin = on_array_begin,
    .item = on_item,
    .array_end = on_array_end,
    .map_begin = on_map_begin,
    .key = on_key,
    .map_end = on_map_end,
};

struct csv_writer {
    struct format_writer base;
    struct cells_visitor cells;
    struct buf rows;
    struct buf datum; // in the order of the file's schema
    struct rewrite rewrite;
    struct av_plan *in_order; // of the file's schema to itself
    bool crlf;
};

static struct csv_writer *as_writer(struct format_writer *w)
{
    return (struct csv_writer *)w;
}

static void csv_writer_close(struct format_writer *base)
{
    struct csv_writer *w = as_writer(base);

    buf_free(&w->rows);
    buf_free(&w->datum);
    buf_free(&w->cells.cell);
    rewrite_free(&w->rewrite);
    av_plan_free(w->in_order);
    free(w);
}

static void end_row(struct csv_writer *w)
{
    buf_put_str(&w->rows, w->crlf ? "\r\n" : "\n");
}

static void put_header(struct csv_writer *w, const struct av_node *root)
{
    for (size_t i = 0; i < root->n_fields; i++) {
        if (i > 0)
            buf_put_u8(&w->rows, (uint8_t)w->cells.delimiter);
        put_cell(&w->cells, root->fields[i].name);
    }
    end_row(w);
}

static enum err_kind check_options(const struct av_node *root,
                                   const struct format_options *o, struct err *e)
{
    struct csv_reader *r;
    const struct csv_options how = {.delimiter = o->delimiter};

    if (root->type != AV_RECORD || root->n_fields == 0)
        return err_set(e, ERR_INVALID,
                       "CSV has a column for each field: the schema must be a record "
                       "with fields");
    if (o->codec != NULL && strcmp(o->codec, "none") != 0)
        return err_set(e, ERR_INVALID, "codec \"%.40s\": CSV is not packed", o->codec);
    TRY(csv_open(&r, &how, e)); // it knows what can be a delimiter
    csv_close(r);
    return ERR_OK;
}

static enum err_kind csv_writer_open(struct format_writer **out, struct av_schema *s,
                                     const struct format_options *o,
                                     const struct format_sink *to, struct err *e)
{
    struct av_plan *in_order;

    TRY(check_options(av_schema_root(s), o, e));
    TRY(av_plan_new(&in_order, s, s, e));
    struct csv_writer *w = mem_alloc(sizeof *w);
    w->base.to = *to;
    w->in_order = in_order;
    w->crlf = o->crlf;
    w->rows = BUF_INIT(FORMAT_RECORD_MOST);
    w->datum = BUF_INIT(FORMAT_RECORD_MOST);
    rewrite_init(&w->rewrite, &w->datum);
    w->cells =
        (struct cells_visitor){.visitor = {&calls},
                               .rows = &w->rows,
                               .delimiter = o->delimiter != 0 ? o->delimiter : ',',
                               .cell = BUF_INIT(ROW_MOST)};
    put_header(w, av_schema_root(s));
    *out = &w->base;
    return ERR_OK;
}

static void begin_row(struct csv_writer *w)
{
    w->cells.depth = w->cells.cells = 0;
    buf_reset(&w->cells.cell);
    av_to_json_init(&w->cells.json, &w->cells.cell, false);
}

static enum err_kind put_row(struct csv_writer *w, const struct av_plan *plan,
                             struct span datum, const struct av_decode_limits *lim,
                             struct err *e)
{
    begin_row(w);
    if (av_plan_writer(plan) == w->base.schema)
        return av_decode_all(plan, datum, lim, &w->cells.visitor, e);
    buf_reset(&w->datum);
    rewrite_reset(&w->rewrite);
    TRY(av_decode_all(plan, datum, lim, &w->rewrite.visitor, e));
    TRY(buf_status(&w->datum, e));
    return av_decode_all(w->in_order, buf_span(&w->datum), lim, &w->cells.visitor, e);
}

static enum err_kind csv_writer_append(struct format_writer *base,
                                       const struct av_plan *plan, struct span datum,
                                       const struct av_decode_limits *lim,
                                       struct err *e)
{
    struct csv_writer *w = as_writer(base);
    size_t before = w->rows.n;
    enum err_kind k = put_row(w, plan, datum, lim, e);

    if (k == ERR_OK) {
        end_row(w);
        k = buf_status(&w->rows, e);
    }
    if (k != ERR_OK) {
        buf_cut(&w->rows, before);
        return k;
    }
    return format_drain(base, &w->rows, false, e);
}

static uint64_t csv_writer_waiting(const struct format_writer *base)
{
    return ((const struct csv_writer *)base)->rows.n;
}

static enum err_kind csv_writer_finish(struct format_writer *base, struct err *e)
{
    return format_drain(base, &as_writer(base)->rows, true, e);
}

/* ---- reading ---- */

struct csv_file {
    struct format_reader base;
    struct csv_reader *csv;
    struct av_encoder *encoder;
    struct av_row *row; // once the header was read
    struct av_problems problems;
    struct buf datum;
    uint8_t *piece;
    uint64_t at; // of the file, behind what was fed
    bool hungry;
};

static struct csv_file *as_file(struct format_reader *r)
{
    return (struct csv_file *)r;
}

static void csv_file_close(struct format_reader *base)
{
    struct csv_file *r = as_file(base);

    csv_close(r->csv);
    av_row_free(r->row);
    av_encoder_free(r->encoder);
    av_problems_free(&r->problems);
    buf_free(&r->datum);
    free(r->piece);
    free(r);
}

static enum err_kind feed(struct csv_file *r, struct err *e)
{
    uint64_t left = r->base.from.size - r->at;
    size_t n = left < FORMAT_PIECE ? (size_t)left : FORMAT_PIECE;

    if (n > 0)
        TRY(r->base.from.read_at(r->base.from.ctx, r->at, r->piece, n, e));
    r->at += n;
    csv_feed(r->csv, span_of(r->piece, n), r->at == r->base.from.size);
    r->hungry = false;
    return ERR_OK;
}

/* The next row's cells; *more false at the end. */
static enum err_kind next_row(struct csv_file *r, const struct av_cell **cells,
                              size_t *n, bool *more, struct err *e)
{
    for (;;) {
        if (r->hungry)
            TRY(feed(r, e));
        enum err_kind k = csv_next(r->csv, cells, n, more, e);
        if (k != ERR_OK)
            return err_prefix(e, "line %zu", csv_line(r->csv));
        if (*more || r->at == r->base.from.size)
            return ERR_OK;
        r->hungry = true;
    }
}

static enum err_kind bind_header(struct csv_file *r, struct err *e)
{
    const struct av_cell *cells = NULL;
    bool more = false;
    size_t n = 0;

    TRY(next_row(r, &cells, &n, &more, e));
    if (!more)
        return err_set(e, ERR_INVALID, "a CSV file without a header");
    struct span *names = mem_array(n, sizeof *names);
    for (size_t i = 0; i < n; i++)
        names[i] = cells[i].text;
    enum err_kind k = av_row_bind(&r->row, r->encoder, names, n, NULL, 0, e);
    free(names);
    return k;
}

static enum err_kind start(struct csv_file *r, struct av_schema *s,
                           const struct format_options *o, struct err *e)
{
    const struct csv_options how = {
        .delimiter = o->delimiter, .row_bytes = ROW_MOST, .cells = CELLS_MOST};
    const struct av_encode_options as = {.bytes = ROW_MOST};

    TRY(csv_open(&r->csv, &how, e));
    TRY(av_encoder_new(&r->encoder, s, &as, e));
    return bind_header(r, e);
}

static enum err_kind csv_file_open(struct format_reader **out, struct av_schema *s,
                                   const struct format_options *o,
                                   const struct format_source *from, struct err *e)
{
    if (s == NULL)
        return err_set(e, ERR_INVALID,
                       "CSV brings no types: say which schema it is of");
    if (av_schema_root(s)->type != AV_RECORD)
        return err_set(e, ERR_INVALID,
                       "CSV has a column for each field: the schema must be a record");
    struct csv_file *r = mem_alloc(sizeof *r);
    r->base.from = *from;
    r->hungry = true;
    r->problems.most = 1;
    r->datum = BUF_INIT(ROW_MOST);
    r->piece = mem_array(FORMAT_PIECE, 1);
    enum err_kind k = start(r, s, o, e);
    if (k != ERR_OK) {
        csv_file_close(&r->base);
        return k;
    }
    r->base.schema = av_schema_retain(s);
    *out = &r->base;
    return ERR_OK;
}

static enum err_kind blame(const struct csv_file *r, enum err_kind k, struct err *e)
{
    const struct av_problem *p = r->problems.first;
    struct span why = p != NULL ? p->message : span_str("longer than a record may be");

    return err_set(e, k, "line %zu: %.*s%s", csv_line(r->csv),
                   (int)(why.n < 180 ? why.n : 180), (const char *)why.p,
                   r->problems.more > 0 ? " (and more)" : "");
}

static enum err_kind csv_file_next(struct format_reader *base, struct span *datum,
                                   bool *more, struct err *e)
{
    struct csv_file *r = as_file(base);
    const struct av_cell *cells = NULL;
    size_t n = 0;

    TRY(next_row(r, &cells, &n, more, e));
    if (!*more)
        return ERR_OK;
    buf_reset(&r->datum);
    av_problems_reset(&r->problems);
    enum err_kind k =
        av_row_encode(r->row, cells, n, csv_offset(r->csv), &r->datum, &r->problems);
    if (k != ERR_OK)
        return blame(r, k, e);
    *datum = buf_span(&r->datum);
    return ERR_OK;
}

const struct format_ops format_csv = {
    .name = "csv",
    .suffix = ".csv",
    .other_names = ",",
    .open = csv_writer_open,
    .append = csv_writer_append,
    .waiting = csv_writer_waiting,
    .finish = csv_writer_finish,
    .close = csv_writer_close,
    .read = csv_file_open,
    .next = csv_file_next,
    .reader_close = csv_file_close,
};
