#include "loaders/rows.h"

#include "base/bytes.h"
#include "loaders/copy.h"
#include "loaders/pg.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

static bool is_json(const struct column *c)
{
    return c->form == FORM_JSONB || c->form == FORM_JSON;
}

static size_t index_of(const struct rows *r)
{
    return (size_t)(r->column - r->table->columns);
}

static void open_cell(struct rows *r, size_t i)
{
    r->column = &r->table->columns[i];
    r->sorted &= i == r->written;
    r->cells[i].at = r->out.n;
    r->in_json = false;
    r->branch = NULL;
}

static void close_cell(struct rows *r)
{
    if (r->column == NULL)
        return;
    if (r->in_json)
        copy_close(&r->out, r->json_at);
    struct row_cell *cell = &r->cells[index_of(r)];
    cell->n = r->out.n - cell->at;
    r->written++;
    r->in_json = false;
}

/* The first call about a value that becomes JSON. */
static enum err_kind enter_json(struct rows *r, struct err *e)
{
    if (r->in_json)
        return ERR_OK;
    r->in_json = true;
    r->json_at = copy_open(&r->out);
    if (r->column->form == FORM_JSONB)
        buf_put_u8(&r->out, 1); // jsonb's version
    av_to_json_init(&r->json, &r->out, false);
    if (r->branch == NULL || r->column->node->type != AV_UNION)
        return ERR_OK;
    return r->json.visitor.ops->branch == NULL
               ? ERR_OK
               : r->json.visitor.ops->branch(&r->json.visitor, r->branch,
                                             r->branch_index, e);
}

/* Hands a call on to the JSON writer, when there is one in its table. */
#define JSON(r, call, ...)               \
    ((r)->json.visitor.ops->call == NULL \
         ? ERR_OK                        \
         : (r)->json.visitor.ops->call(&(r)->json.visitor, __VA_ARGS__))

static struct rows *of(struct av_visitor *v)
{
    return (struct rows *)v;
}

/* What the decoder passes on as its own end: remembers that it was ours. */
static enum err_kind verdict(struct rows *r, enum err_kind rc)
{
    r->refused |= rc != ERR_OK;
    return rc;
}

static enum err_kind mismatch(const struct rows *r, const struct av_node *node,
                              struct err *e)
{
    return err_set(e, ERR_INTERNAL, "column %s: %s was not expected", r->column->name,
                   av_type_name(node->type));
}

static enum err_kind on_null(struct av_visitor *v, const struct av_node *node,
                             struct err *e)
{
    struct rows *r = of(v);

    if (r->in_json)
        return JSON(r, null, node, e);
    r->has_null |= r->in_array;
    copy_null(&r->out);
    return ERR_OK;
}

static enum err_kind on_boolean(struct av_visitor *v, const struct av_node *node,
                                bool x, struct err *e)
{
    struct rows *r = of(v);

    if (is_json(r->column)) {
        TRY(enter_json(r, e));
        return JSON(r, boolean, node, x, e);
    }
    copy_bool(&r->out, x);
    return ERR_OK;
}

static enum err_kind put_int(struct rows *r, const struct av_node *node, int64_t x,
                             struct err *e)
{
    switch (r->column->form) {
    case FORM_INT2: return copy_int2(&r->out, x, e);
    case FORM_INT4: return copy_int4(&r->out, x, e);
    case FORM_INT8: copy_int8(&r->out, x); return ERR_OK;
    case FORM_FLOAT8: copy_float8(&r->out, (double)x); return ERR_OK;
    case FORM_NUMERIC: copy_numeric_int(&r->out, x); return ERR_OK;
    case FORM_DATE: return copy_date(&r->out, x, e);
    case FORM_TIMESTAMP: return copy_timestamp(&r->out, x, r->column->unit_us, e);
    case FORM_TIME:
        if (x < 0 || x > INT64_C(86400000000))
            return copy_time(&r->out, -1, e); // before it overflows
        return copy_time(&r->out, x * r->column->unit_us, e);
    default: return mismatch(r, node, e);
    }
}

static enum err_kind on_int64(struct av_visitor *v, const struct av_node *node,
                              int64_t x, struct err *e)
{
    struct rows *r = of(v);

    if (is_json(r->column)) {
        TRY(enter_json(r, e));
        return JSON(r, int64, node, x, e);
    }
    return verdict(r, put_int(r, node, x, e));
}

static enum err_kind on_real(struct av_visitor *v, const struct av_node *node, double x,
                             struct err *e)
{
    struct rows *r = of(v);

    if (is_json(r->column)) {
        TRY(enter_json(r, e));
        return JSON(r, real, node, x, e);
    }
    if (r->column->form == FORM_FLOAT4)
        copy_float4(&r->out, (float)x);
    else if (r->column->form == FORM_FLOAT8)
        copy_float8(&r->out, x);
    else
        return mismatch(r, node, e);
    return ERR_OK;
}

static void put_uuid_text(struct buf *out, struct span x)
{
    size_t at = copy_open(out);

    for (size_t i = 0; i < x.n; i++)
        buf_printf(out, i == 4 || i == 6 || i == 8 || i == 10 ? "-%02x" : "%02x",
                   x.p[i]);
    copy_close(out, at);
}

static enum err_kind put_bytes(struct rows *r, const struct av_node *node,
                               struct span x, struct err *e)
{
    switch (r->column->form) {
    case FORM_BYTEA:
    case FORM_UUID: copy_bytea(&r->out, x); return ERR_OK;
    case FORM_TEXT: put_uuid_text(&r->out, x); return ERR_OK;
    case FORM_INTERVAL: return copy_interval(&r->out, x, e);
    case FORM_NUMERIC:
        if (node->logical == AV_BIG_DECIMAL)
            return copy_big_decimal(&r->out, x, e);
        return copy_numeric(&r->out, x, node->scale, r->column->precision, e);
    default: return mismatch(r, node, e);
    }
}

static enum err_kind on_bytes(struct av_visitor *v, const struct av_node *node,
                              struct span x, struct err *e)
{
    struct rows *r = of(v);

    if (is_json(r->column)) {
        TRY(enter_json(r, e));
        return JSON(r, bytes, node, x, e);
    }
    return verdict(r, put_bytes(r, node, x, e));
}

/* JSON can write a zero character, jsonb cannot hold it (22P05). */
static enum err_kind check_zero(const struct rows *r, struct span x, struct err *e)
{
    const uint8_t *zero = x.n == 0 ? NULL : memchr(x.p, 0, x.n);

    if (zero == NULL || r->column->form != FORM_JSONB)
        return ERR_OK;
    return err_set(e, ERR_INVALID, "a zero byte at %zu: jsonb cannot hold one",
                   (size_t)(zero - x.p));
}

/* What is too long for a varchar(n) the server refuses, but blanks (SQL has it so):
 * those it cuts without a word. */
static enum err_kind check_blanks(const struct column *c, struct span x, struct err *e)
{
    size_t letters = 0, solid = x.n;

    if (c->letters == 0 || x.n <= (size_t)c->letters || x.p[x.n - 1] != ' ')
        return ERR_OK;
    while (solid > 0 && x.p[solid - 1] == ' ')
        solid--;
    for (size_t i = 0; i < x.n; i++)
        letters += (x.p[i] & 0xc0) != 0x80;
    if (letters <= (size_t)c->letters || letters - (x.n - solid) > (size_t)c->letters)
        return ERR_OK;
    return err_set(
        e, ERR_INVALID,
        "%zu characters, the last of them blanks: varchar(%d) would cut them", letters,
        c->letters);
}

static enum err_kind on_string(struct av_visitor *v, const struct av_node *node,
                               struct span x, struct err *e)
{
    struct rows *r = of(v);

    if (is_json(r->column)) {
        TRY(verdict(r, check_zero(r, x, e)));
        TRY(enter_json(r, e));
        return JSON(r, string, node, x, e);
    }
    if (r->column->form == FORM_UUID)
        return verdict(r, copy_uuid(&r->out, x, e));
    TRY(verdict(r, check_blanks(r->column, x, e)));
    return verdict(r, copy_text(&r->out, x, e));
}

static enum err_kind on_symbol(struct av_visitor *v, const struct av_node *node,
                               uint32_t i, struct err *e)
{
    struct rows *r = of(v);

    if (is_json(r->column)) {
        TRY(enter_json(r, e));
        return JSON(r, symbol, node, i, e);
    }
    return verdict(r, copy_text(&r->out, node->symbols[i], e));
}

static enum err_kind on_branch(struct av_visitor *v, const struct av_node *node,
                               uint32_t i, struct err *e)
{
    struct rows *r = of(v);

    if (r->in_json)
        return JSON(r, branch, node, i, e);
    r->branch = node; // what follows may be null, and that is NULL, not JSON's null
    r->branch_index = i;
    return ERR_OK;
}

static enum err_kind on_field(struct av_visitor *v, const struct av_node *node,
                              uint32_t i, struct err *e)
{
    struct rows *r = of(v);

    if (r->depth > 0)
        return JSON(r, field, node, i, e);
    close_cell(r);
    open_cell(r, i);
    return ERR_OK;
}

static enum err_kind on_record_begin(struct av_visitor *v, const struct av_node *node,
                                     struct err *e)
{
    struct rows *r = of(v);

    if (r->column == NULL)
        return ERR_OK; // the row itself
    TRY(enter_json(r, e));
    r->depth++;
    return JSON(r, record_begin, node, e);
}

static enum err_kind on_record_end(struct av_visitor *v, const struct av_node *node,
                                   struct err *e)
{
    struct rows *r = of(v);

    if (r->depth == 0)
        return ERR_OK;
    r->depth--;
    return JSON(r, record_end, node, e);
}

static enum err_kind on_array_begin(struct av_visitor *v, const struct av_node *node,
                                    struct err *e)
{
    struct rows *r = of(v);

    if (r->column->item != NULL) {
        r->in_array = true;
        r->has_null = false;
        r->items = 0;
        r->array_at = copy_open_array(&r->out, r->column->item_oid);
        return ERR_OK;
    }
    TRY(enter_json(r, e));
    r->depth++;
    return JSON(r, array_begin, node, e);
}

static enum err_kind on_item(struct av_visitor *v, const struct av_node *node,
                             struct err *e)
{
    struct rows *r = of(v);

    if (!r->in_array)
        return JSON(r, item, node, e);
    r->items++;
    return ERR_OK;
}

static enum err_kind on_array_end(struct av_visitor *v, const struct av_node *node,
                                  struct err *e)
{
    struct rows *r = of(v);

    if (r->in_array) {
        r->in_array = false;
        copy_close_array(&r->out, r->array_at, r->items, r->has_null);
        return ERR_OK;
    }
    r->depth--;
    return JSON(r, array_end, node, e);
}

static enum err_kind on_map_begin(struct av_visitor *v, const struct av_node *node,
                                  struct err *e)
{
    struct rows *r = of(v);

    TRY(enter_json(r, e));
    r->depth++;
    return JSON(r, map_begin, node, e);
}

static enum err_kind on_key(struct av_visitor *v, const struct av_node *node,
                            struct span key, struct err *e)
{
    TRY(verdict(of(v), check_zero(of(v), key, e)));
    return JSON(of(v), key, node, key, e);
}

static enum err_kind on_map_end(struct av_visitor *v, const struct av_node *node,
                                struct err *e)
{
    of(v)->depth--;
    return JSON(of(v), map_end, node, e);
}

static const struct av_visitor_ops row_ops = {
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

void rows_init(struct rows *r, size_t limit)
{
    *r = (struct rows){
        .visitor = {&row_ops}, .out = BUF_INIT(limit), .scratch = BUF_INIT(limit)};
}

void rows_free(struct rows *r)
{
    buf_free(&r->out);
    buf_free(&r->scratch);
    free(r->cells);
    r->cells = NULL;
}

void rows_use(struct rows *r, const struct table *t)
{
    r->table = t;
    r->cells = mem_grow(r->cells, t->n, sizeof *r->cells);
    rows_reset(r);
}

void rows_reset(struct rows *r)
{
    buf_reset(&r->out);
    r->column = NULL;
}

void rows_begin(struct rows *r)
{
    r->row = r->out.n;
    r->written = 0;
    r->depth = 0;
    r->sorted = true;
    r->column = NULL;
    r->in_json = r->in_array = r->refused = false;
    memset(r->cells, 0, r->table->n * sizeof *r->cells);
    copy_row(&r->out, (uint16_t)(r->table->n + r->extra));
    if (!r->table->is_record)
        open_cell(r, 0);
}

void rows_take_back(struct rows *r)
{
    buf_cut(&r->out, r->row);
    r->out.over = false;
}

/* The fields came in another order than the table's. */
static void sort_cells(struct rows *r)
{
    buf_reset(&r->scratch);
    for (size_t i = 0; i < r->table->n; i++)
        buf_put(&r->scratch, span_of(r->out.p + r->cells[i].at, r->cells[i].n));
    buf_cut(&r->out, r->row + 2);
    buf_put(&r->out, buf_span(&r->scratch));
}

enum err_kind rows_end(struct rows *r, struct err *e)
{
    close_cell(r);
    r->column = NULL;
    if (buf_status(&r->out, e) != ERR_OK) {
        rows_take_back(r);
        return e->kind;
    }
    assert(r->written == r->table->n); // the decoder visits every field once
    if (!r->sorted)
        sort_cells(r);
    return ERR_OK;
}

const char *rows_failed_at(const struct rows *r)
{
    return r->column == NULL ? "" : r->column->name;
}

/* --- defaults as SQL ------------------------------------------------------------- */

static int64_t read_zigzag(struct span *in)
{
    uint64_t v = 0;

    for (unsigned shift = 0; in->n > 0; shift += 7) {
        uint8_t byte = in->p[0];
        *in = span_skip(*in, 1);
        v |= (uint64_t)(byte & 0x7f) << shift;
        if ((byte & 0x80) == 0)
            break;
    }
    return (int64_t)(v >> 1) ^ -(int64_t)(v & 1);
}

static void put_hex(struct buf *sql, struct span x)
{
    buf_put_str(sql, "'\\x");
    for (size_t i = 0; i < x.n; i++)
        buf_printf(sql, "%02x", x.p[i]);
    buf_put_str(sql, "'");
}

static unsigned be16(const uint8_t *p)
{
    return (unsigned)p[0] << 8 | p[1];
}

/* The digits of the binary form, written one behind the other. */
static bool put_decimal(struct buf *sql, const struct av_node *n, struct span x)
{
    struct buf bin = BUF_INIT(4096);
    struct err e = {0};
    enum err_kind rc = n->logical == AV_BIG_DECIMAL
                           ? copy_big_decimal(&bin, x, &e)
                           : copy_numeric(&bin, x, n->scale, n->precision, &e);
    bool ok = rc == ERR_OK && !bin.over;

    if (ok) {
        const uint8_t *p = bin.p + 4;
        int digits = (int)be16(p), weight = (int16_t)be16(p + 2);
        buf_printf(sql, "'%s0", be16(p + 4) == 0x4000 ? "-" : "");
        for (int i = 0; i < digits; i++)
            buf_printf(sql, "%04u", be16(p + 8 + 2 * i));
        buf_printf(sql, "e%d'", digits == 0 ? 0 : 4 * (weight - digits + 1));
    }
    buf_free(&bin);
    return ok;
}

static void put_time(struct buf *sql, const struct column *c, int64_t x)
{
    const char *unit = c->unit_us == 1 ? "microsecond" : "millisecond";

    if (c->form == FORM_DATE)
        buf_printf(sql, "('1970-01-01'::date + %" PRId64 ")", x);
    else if (c->form == FORM_TIME)
        buf_printf(sql, "('00:00'::time + %" PRId64 " * interval '1 %s')", x, unit);
    else
        buf_printf(
            sql, "('1970-01-01 00:00:00+00'::%s + %" PRId64 " * interval '1 %s')",
            c->node->logical >= AV_LOCAL_TIMESTAMP_MILLIS ? "timestamp" : "timestamptz",
            x, unit);
}

static void put_interval(struct buf *sql, struct span x)
{
    uint32_t ms = bytes_le32(x.p + 8);

    buf_printf(sql,
               "'%" PRIu32 " mons %" PRIu32 " days %" PRIu32 ".%03" PRIu32 " secs'",
               bytes_le32(x.p), bytes_le32(x.p + 4), ms / 1000, ms % 1000);
}

static bool put_bytes_default(struct buf *sql, const struct column *c, struct span avro)
{
    if (c->node->type == AV_BYTES) {
        size_t n = (size_t)read_zigzag(&avro);
        avro = span_of(avro.p, n < avro.n ? n : avro.n);
    }
    if (c->form == FORM_NUMERIC)
        return put_decimal(sql, c->node, avro);
    if (c->form == FORM_INTERVAL)
        put_interval(sql, avro);
    else
        put_hex(sql, avro);
    return true;
}

static bool put_scalar(struct buf *sql, const struct column *c, const struct json *j,
                       struct span avro)
{
    struct buf text = BUF_INIT(1 << 20);

    if (c->node->type == AV_BYTES || c->node->type == AV_FIXED)
        return put_bytes_default(sql, c, avro);
    if (c->form == FORM_DATE || c->form == FORM_TIME || c->form == FORM_TIMESTAMP) {
        put_time(sql, c, read_zigzag(&avro));
        return true;
    }
    if (j->kind == JSON_STRING && !is_json(c)) {
        pg_put_literal(sql, j->text);
        return true;
    }
    json_put(&text, j); // a number, true, false, or JSON: the column's type reads it
    pg_put_literal(sql, buf_span(&text));
    buf_free(&text);
    return true;
}

/* One value of a type that has a column's form, from Avro of our own making. */
static struct span take_value(struct span *in, const struct av_node *n)
{
    struct span all = *in;
    size_t size = 0;

    switch (n->type) {
    case AV_BOOLEAN: size = 1; break;
    case AV_FLOAT: size = 4; break;
    case AV_DOUBLE: size = 8; break;
    case AV_FIXED: size = n->size; break;
    case AV_STRING:
    case AV_BYTES: size = (size_t)read_zigzag(in); break;
    default: (void)read_zigzag(in); break;
    }
    *in = span_skip(*in, size < in->n ? size : in->n);
    return span_of(all.p, all.n - in->n);
}

static bool put_item(struct buf *sql, const struct column *c, const struct json *j,
                     struct span *avro)
{
    struct column one = *c;
    const struct av_node *type = c->node->items;

    one.node = c->item;
    one.item = NULL;
    if (type->type == AV_UNION)
        type = type->branches[(size_t)read_zigzag(avro) % type->n_branches];
    if (type->type != AV_NULL)
        return put_scalar(sql, &one, j, take_value(avro, type));
    buf_put_str(sql, "NULL");
    return true;
}

static bool put_array(struct buf *sql, const struct column *c, const struct json *j,
                      struct span avro)
{
    int64_t left = 0;

    buf_put_str(sql, "ARRAY[");
    for (const struct json *x = j->first; x != NULL; x = x->next) {
        if (left == 0 && (left = read_zigzag(&avro)) < 0) {
            left = -left; // and how long the block is
            (void)read_zigzag(&avro);
        }
        left--;
        buf_put_str(sql, x == j->first ? "" : ", ");
        if (!put_item(sql, c, x, &avro))
            return false;
    }
    buf_put_str(sql, "]::");
    table_put_type(sql, c);
    return true;
}

bool rows_put_default(struct buf *sql, const struct column *c)
{
    if (c->field == NULL || c->field->fallback == NULL)
        return false;

    struct span avro = c->field->fallback_avro;
    const struct av_node *type = c->field->type;
    if (type->type == AV_UNION)
        type = type->branches[(size_t)read_zigzag(&avro) % type->n_branches];
    if (type->type == AV_NULL)
        return false;
    return c->item != NULL ? put_array(sql, c, c->field->fallback, avro)
                           : put_scalar(sql, c, c->field->fallback, avro);
}
