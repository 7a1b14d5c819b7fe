#include "format/cells.h"

#include "avro-core/encode.h"
#include "avro-core/number.h"
#include "avro-core/put.h"
#include "avro-core/varint.h"
#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>

/* A column of the schema and the array it stands in. */
struct cell {
    const struct column *column;
    const struct ArrowSchema *type; // the caller's, until cells_new() has returned
    const struct ArrowArray *array; // of this batch
    uint8_t letter;                 // of a number: which one it is stored as
    bool large;                     // offsets of 64 bits
    bool by_dictionary;
    struct cell *children;
    uint32_t *symbols; // ENUM by dictionary: its numbers as ours
    size_t n_symbols;
    struct av_schema *inner; // JSON: of the record in it
    struct av_encoder *encoder;
};

struct cells {
    struct columns *columns; // only what they are
    struct cell root;
    struct av_problems problems;
    struct buf text;
};

#define NO_SYMBOL UINT32_MAX

/* ---- are these the columns of that schema? ---- */

static enum err_kind bind(struct cells *set, struct cell *cell, const struct column *c,
                          const struct ArrowSchema *type, struct err *e);

static enum err_kind wrong(const struct cell *cell, struct err *e)
{
    const struct column *c = cell->column;

    return err_set(e, ERR_INVALID,
                   "column %.80s is of Arrow's type \"%.40s\", not \"%s\"", c->name,
                   cell->type->format, c->format);
}

static bool is_enum(const struct column *c)
{
    return c->kind == COLUMN_ENUM || c->kind == COLUMN_SYMBOL;
}

static bool is_one_of(const char *format, const char *letters)
{
    return format[0] != '\0' && format[1] == '\0' && strchr(letters, format[0]) != NULL;
}

/* Numbers may be stored narrower, texts with longer offsets. */
static bool take_plain(struct cell *cell, const char *format)
{
    const char *wanted = cell->column->format;

    cell->letter = (uint8_t)wanted[0];
    if (strcmp(format, wanted) == 0)
        return true;
    cell->letter = (uint8_t)format[0];
    if (strcmp(wanted, "i") == 0)
        return is_one_of(format, "cCsS");
    if (strcmp(wanted, "l") == 0)
        return is_one_of(format, "cCsSiI");
    cell->large = true;
    if (strcmp(wanted, "u") == 0)
        return is_one_of(format, "U");
    if (strcmp(wanted, "z") == 0)
        return is_one_of(format, "Z");
    return strcmp(wanted, "+l") == 0 && strcmp(format, "+L") == 0;
}

static bool has_texts(const struct ArrowSchema *type)
{
    return is_one_of(type->format, "uUzZ");
}

static enum err_kind bind_children(struct cells *set, struct cell *cell,
                                   const struct ArrowSchema *type, struct err *e)
{
    const struct column *c = cell->column;

    if (type->n_children != (int64_t)c->n_children)
        return err_set(e, ERR_INVALID, "column %.80s has %lld parts, not %zu", c->name,
                       (long long)type->n_children, c->n_children);
    cell->children = mem_array(c->n_children, sizeof *cell->children);
    for (size_t i = 0; i < c->n_children; i++) {
        bool named = c->kind == COLUMN_STRUCT || c->kind == COLUMN_UNION;
        if (named && strcmp(type->children[i]->name, c->children[i].name) != 0)
            return err_set(e, ERR_INVALID, "column %.80s stands where %.80s should",
                           type->children[i]->name, c->children[i].name);
        TRY(bind(set, &cell->children[i], &c->children[i], type->children[i], e));
    }
    return ERR_OK;
}

/* The record inside itself, as a schema of its own. */
static enum err_kind bind_json(struct cells *set, struct cell *cell, struct err *e)
{
    char name[AV_FULLNAME_SHOWN], text[AV_FULLNAME_SHOWN + 2];
    struct av_schema *known[] = {set->columns->schema};

    av_node_name(name, cell->column->node);
    snprintf(text, sizeof text, "\"%s\"", name);
    TRY(av_schema_parse(&cell->inner, span_str(text), known, 1, NULL, e));
    return av_encoder_new(&cell->encoder, cell->inner, NULL, e);
}

static enum err_kind bind(struct cells *set, struct cell *cell, const struct column *c,
                          const struct ArrowSchema *type, struct err *e)
{
    cell->column = c;
    cell->type = type;
    cell->letter = (uint8_t)type->format[0];
    cell->by_dictionary = type->dictionary != NULL;
    if (cell->by_dictionary) {
        bool texts = is_enum(c) || c->kind == COLUMN_STRING;
        if (!texts || !is_one_of(type->format, "cCsSiIl") ||
            !has_texts(type->dictionary))
            return wrong(cell, e);
        cell->large = is_one_of(type->dictionary->format, "UZ");
        return ERR_OK;
    }
    if (is_enum(c)) {
        cell->large = is_one_of(type->format, "UZ");
        return has_texts(type) ? ERR_OK : wrong(cell, e);
    }
    if (!take_plain(cell, type->format))
        return wrong(cell, e);
    if (c->kind == COLUMN_JSON)
        TRY(bind_json(set, cell, e));
    if (c->n_children == 0)
        return type->n_children == 0 ? ERR_OK : wrong(cell, e);
    if (c->kind == COLUMN_MAP) {
        if (type->n_children != 1)
            return wrong(cell, e);
        type = type->children[0];
    }
    return bind_children(set, cell, type, e);
}

static enum err_kind new_cells(struct cells **out, struct av_schema *s,
                               const struct ArrowSchema *columns, bool uuids,
                               struct err *e)
{
    struct cells *c = mem_alloc(sizeof *c);

    c->problems.most = 1;
    c->text = BUF_INIT((size_t)1 << 30);
    enum err_kind k = columns_new(&c->columns, s, (size_t)1 << 30, uuids, e);
    if (k == ERR_OK)
        k = bind(c, &c->root, &c->columns->root, columns, e);
    if (k != ERR_OK) {
        cells_free(c);
        return k;
    }
    *out = c;
    return ERR_OK;
}

enum err_kind cells_new(struct cells **out, struct av_schema *s,
                        const struct ArrowSchema *columns, struct err *e)
{
    struct err ignored;

    if (new_cells(out, s, columns, true, &ignored) == ERR_OK)
        return ERR_OK;
    return new_cells(out, s, columns, false, e);
}

static void free_cell(struct cell *c)
{
    for (size_t i = 0; c->children != NULL && i < c->column->n_children; i++)
        free_cell(&c->children[i]);
    free(c->children);
    free(c->symbols);
    av_encoder_free(c->encoder);
    av_schema_release(c->inner);
}

void cells_free(struct cells *c)
{
    if (c == NULL)
        return;
    free_cell(&c->root);
    columns_free(c->columns);
    av_problems_free(&c->problems);
    buf_free(&c->text);
    free(c);
}

/* ---- reading an array ---- */

static bool bit(const void *bits, size_t i)
{
    return ((const uint8_t *)bits)[i >> 3] >> (i & 7) & 1;
}

static bool is_null(const struct ArrowArray *a, size_t i)
{
    return a->n_buffers > 0 && a->buffers[0] != NULL &&
           !bit(a->buffers[0], i + (size_t)a->offset);
}

static int64_t offset_at(const struct ArrowArray *a, bool large, size_t i)
{
    i += (size_t)a->offset;
    return large ? ((const int64_t *)a->buffers[1])[i]
                 : ((const int32_t *)a->buffers[1])[i];
}

static struct span text_at(const struct ArrowArray *a, bool large, size_t i)
{
    int64_t from = offset_at(a, large, i), to = offset_at(a, large, i + 1);

    return span_of((const uint8_t *)a->buffers[2] + from, (size_t)(to - from));
}

static int64_t number_at(const struct ArrowArray *a, uint8_t letter, size_t i)
{
    const void *p = a->buffers[1];

    i += (size_t)a->offset;
    switch (letter) {
    case 'c': return ((const int8_t *)p)[i];
    case 'C': return ((const uint8_t *)p)[i];
    case 's': return ((const int16_t *)p)[i];
    case 'S': return ((const uint16_t *)p)[i];
    case 'I': return ((const uint32_t *)p)[i];
    case 'l': return ((const int64_t *)p)[i];
    default: return ((const int32_t *)p)[i];
    }
}

static struct span fixed_at(const struct ArrowArray *a, size_t width, size_t i)
{
    return span_of((const uint8_t *)a->buffers[1] + (i + (size_t)a->offset) * width,
                   width);
}

/* ---- a batch ---- */

static uint32_t find_symbol(const struct av_node *n, struct span text)
{
    for (size_t i = 0; i < n->n_symbols; i++)
        if (span_eq(n->symbols[i], text))
            return (uint32_t)i;
    return NO_SYMBOL;
}

static void take_dictionary(struct cell *c)
{
    const struct ArrowArray *d = c->array->dictionary;

    c->n_symbols = (size_t)d->length;
    c->symbols = mem_grow(c->symbols, c->n_symbols + 1, sizeof *c->symbols);
    for (size_t i = 0; i < c->n_symbols; i++)
        c->symbols[i] = is_null(d, i)
                            ? NO_SYMBOL
                            : find_symbol(c->column->node, text_at(d, c->large, i));
}

static enum err_kind take(struct cell *c, const struct ArrowArray *a, struct err *e)
{
    c->array = a;
    if (c->by_dictionary && a->dictionary == NULL)
        return err_set(e, ERR_INVALID, "column %.80s lost its dictionary",
                       c->column->name);
    if (c->by_dictionary && is_enum(c->column))
        take_dictionary(c);
    if (c->children == NULL)
        return ERR_OK;
    if (c->column->kind == COLUMN_MAP)
        a = a->children[0];
    for (size_t i = 0; i < c->column->n_children; i++)
        TRY(take(&c->children[i], a->children[i], e));
    return ERR_OK;
}

enum err_kind cells_take(struct cells *c, const struct ArrowArray *batch, struct err *e)
{
    return take(&c->root, batch, e);
}

/* ---- a value ---- */

static enum err_kind put(struct cells *set, const struct cell *c, size_t i,
                         struct buf *out, struct err *e);

static void put_bytes(struct buf *out, struct span x)
{
    varint_append(out, (int64_t)x.n);
    buf_put(out, x);
}

static struct span text_of(const struct cell *c, size_t i)
{
    if (!c->by_dictionary)
        return text_at(c->array, c->large, i);
    return text_at(c->array->dictionary, c->large,
                   (size_t)number_at(c->array, c->letter, i));
}

static enum err_kind put_symbol(const struct cell *c, size_t i, struct buf *out,
                                struct err *e)
{
    uint32_t symbol;

    if (c->by_dictionary) {
        uint64_t at = (uint64_t)number_at(c->array, c->letter, i);
        symbol = at < c->n_symbols ? c->symbols[at] : NO_SYMBOL;
    } else {
        symbol = find_symbol(c->column->node, text_of(c, i));
    }
    if (symbol == NO_SYMBOL)
        return err_set(e, ERR_INVALID, "column %.80s: a symbol its enum has not",
                       c->column->name);
    varint_append(out, symbol);
    return ERR_OK;
}

/* Two's complement: little-endian as Arrow has it, big-endian as Avro. */
static void put_decimal_bytes(struct buf *out, const struct av_node *n, struct span x)
{
    uint8_t sign = x.p[x.n - 1] >= 0x80 ? 0xFF : 0, be[32];

    for (size_t i = 0; i < x.n; i++)
        be[x.n - 1 - i] = x.p[i];
    size_t skip = 0;
    while (skip + 1 < x.n && be[skip] == sign && (be[skip + 1] ^ sign) < 0x80)
        skip++;
    size_t wants = x.n - skip;
    if (n->type == AV_BYTES) {
        put_bytes(out, span_of(be + skip, wants));
        return;
    }
    for (size_t i = wants; i < n->size; i++)
        buf_put_u8(out, sign);
    buf_put(out, span_of(be + skip, wants));
}

/* False when a fixed has no room for the number. */
static bool decimal_fits_fixed(const struct av_node *n, struct span x)
{
    if (n->type == AV_BYTES || n->size >= x.n)
        return true;
    uint8_t sign = x.p[x.n - 1] >= 0x80 ? 0xFF : 0;
    for (size_t i = n->size; i < x.n; i++)
        if (x.p[i] != sign)
            return false;
    return n->size > 0 && (x.p[n->size - 1] ^ sign) < 0x80;
}

static enum err_kind put_decimal_of(const struct cell *c, size_t i, struct buf *out,
                                    struct err *e)
{
    struct span x = fixed_at(c->array, c->column->width, i);

    if (!decimal_fits_fixed(c->column->node, x))
        return err_set(e, ERR_INVALID,
                       "column %.80s: a decimal that its fixed of %zu bytes has not "
                       "room for",
                       c->column->name, c->column->node->size);
    put_decimal_bytes(out, c->column->node, x);
    return ERR_OK;
}

static enum err_kind no_number(const struct cell *c, struct span text, struct err *e)
{
    return err_set(e, ERR_INVALID, "column %.80s: \"" SPAN_FMT "\" is no such decimal",
                   c->column->name, SPAN_ARG(text));
}

static enum err_kind put_decimal_text(const struct cell *c, size_t i, struct buf *out,
                                      struct err *e)
{
    const struct av_node *node = c->column->node;
    struct span text = text_of(c, i);
    struct number_bytes made;
    struct number n;

    if (!number_scan(&n, text) || n.text.n != text.n ||
        number_decimal(&made, &n, node->precision, node->scale) != NUMBER_FITS)
        return no_number(c, text, e);
    if (node->type == AV_BYTES) {
        put_bytes(out, span_of(made.p, made.n));
        return ERR_OK;
    }
    if (made.n > node->size)
        return no_number(c, text, e);
    for (size_t k = made.n; k < node->size; k++)
        buf_put_u8(out, made.n > 0 && made.p[0] >= 0x80 ? 0xFF : 0);
    buf_put(out, span_of(made.p, made.n));
    return ERR_OK;
}

static enum err_kind put_big_decimal_of(struct cells *set, const struct cell *c,
                                        size_t i, struct buf *out, struct err *e)
{
    struct span text = text_of(c, i);
    struct number_bytes made;
    struct number n;
    int32_t scale;

    if (!number_scan(&n, text) || n.text.n != text.n ||
        number_big_decimal(&made, &scale, &n) != NUMBER_FITS)
        return no_number(c, text, e);
    buf_reset(&set->text);
    put_bytes(&set->text, span_of(made.p, made.n));
    varint_append(&set->text, scale);
    put_bytes(out, buf_span(&set->text));
    return ERR_OK;
}

static void put_uuid_of(const struct cell *c, size_t i, struct buf *out)
{
    struct span x = fixed_at(c->array, 16, i);

    if (c->column->node->type == AV_FIXED) {
        buf_put(out, x);
        return;
    }
    varint_append(out, 36);
    put_uuid(out, x.p);
}

static void put_duration_of(const struct cell *c, size_t i, struct buf *out)
{
    i += (size_t)c->array->offset;
    for (size_t k = 0; k < 3; k++) {
        uint32_t part = (uint32_t)number_at(c->children[k].array, 'I', i);
        for (int shift = 0; shift < 32; shift += 8)
            buf_put_u8(out, (uint8_t)(part >> shift));
    }
}

static enum err_kind put_json_of(struct cells *set, const struct cell *c, size_t i,
                                 struct buf *out, struct err *e)
{
    av_problems_reset(&set->problems);
    if (av_encode(c->encoder, text_of(c, i), out, &set->problems) == ERR_OK)
        return ERR_OK;
    const struct av_problem *p = set->problems.first;
    struct span why = p != NULL ? p->message : span_str("too large");
    return err_set(e, ERR_INVALID, "column %.80s: " SPAN_FMT, c->column->name,
                   SPAN_ARG(why));
}

static enum err_kind put_items(struct cells *set, const struct cell *c, size_t i,
                               struct buf *out, struct err *e)
{
    int64_t from = offset_at(c->array, c->large, i),
            to = offset_at(c->array, c->large, i + 1);
    int64_t moved = c->column->kind == COLUMN_MAP ? c->array->children[0]->offset : 0;

    if (to > from)
        varint_append(out, to - from);
    for (int64_t k = from + moved; k < to + moved; k++)
        for (size_t part = 0; part < c->column->n_children; part++)
            TRY(put(set, &c->children[part], (size_t)k, out, e));
    buf_put_u8(out, 0);
    return ERR_OK;
}

static enum err_kind put_fields(struct cells *set, const struct cell *c, size_t i,
                                struct buf *out, struct err *e)
{
    i += (size_t)c->array->offset;
    for (size_t k = 0; k < c->column->n_children; k++)
        TRY(put(set, &c->children[k], i, out, e));
    return ERR_OK;
}

/* The number of the union's branch that `other` of its branches that are no null is. */
static uint32_t branch_of(const struct av_node *u, size_t other)
{
    for (uint32_t i = 0; i < u->n_branches; i++)
        if (u->branches[i]->type != AV_NULL && other-- == 0)
            return i;
    return 0;
}

static uint32_t null_of(const struct av_node *u)
{
    uint32_t i = 0;

    while (u->branches[i]->type != AV_NULL)
        i++;
    return i;
}

static enum err_kind put_member(struct cells *set, const struct cell *c, size_t i,
                                struct buf *out, struct err *e)
{
    i += (size_t)c->array->offset;
    for (size_t k = 0; k < c->column->n_children; k++) {
        if (is_null(c->children[k].array, i))
            continue;
        varint_append(out, branch_of(c->column->union_, k));
        return put(set, &c->children[k], i, out, e);
    }
    return err_set(e, ERR_INVALID, "column %.80s: no member of the union has a value",
                   c->column->name);
}

static enum err_kind put_value(struct cells *set, const struct cell *c, size_t i,
                               struct buf *out, struct err *e)
{
    switch (c->column->kind) {
    case COLUMN_NULL: return ERR_OK;
    case COLUMN_BOOLEAN:
        buf_put_u8(out, bit(c->array->buffers[1], i + (size_t)c->array->offset));
        return ERR_OK;
    case COLUMN_INT32:
    case COLUMN_INT64:
        varint_append(out,
                      c->letter == 't'
                          ? number_at(c->array, c->column->width == 8 ? 'l' : 'i', i)
                          : number_at(c->array, c->letter, i));
        return ERR_OK;
    case COLUMN_FLOAT:
    case COLUMN_DOUBLE:
    case COLUMN_FIXED:
        buf_put(out, fixed_at(c->array, c->column->width, i));
        return ERR_OK;
    case COLUMN_BINARY:
        if (c->column->node->type == AV_FIXED) // of no size
            return ERR_OK;                     // fall through
    case COLUMN_STRING: put_bytes(out, text_of(c, i)); return ERR_OK;
    case COLUMN_UUID: put_uuid_of(c, i, out); return ERR_OK;
    case COLUMN_DECIMAL: return put_decimal_of(c, i, out, e);
    case COLUMN_DECIMAL_TEXT: return put_decimal_text(c, i, out, e);
    case COLUMN_BIG_DECIMAL: return put_big_decimal_of(set, c, i, out, e);
    case COLUMN_DURATION: put_duration_of(c, i, out); return ERR_OK;
    case COLUMN_ENUM:
    case COLUMN_SYMBOL: return put_symbol(c, i, out, e);
    case COLUMN_LIST:
    case COLUMN_MAP: return put_items(set, c, i, out, e);
    case COLUMN_STRUCT: return put_fields(set, c, i, out, e);
    case COLUMN_PRESENT: return ERR_OK;
    case COLUMN_UNION: return put_member(set, c, i, out, e);
    case COLUMN_JSON: return put_json_of(set, c, i, out, e);
    }
    return ERR_OK;
}

static enum err_kind put(struct cells *set, const struct cell *c, size_t i,
                         struct buf *out, struct err *e)
{
    const struct column *column = c->column;
    const struct av_node *u = column->union_;
    bool null = column->kind == COLUMN_NULL || is_null(c->array, i);

    if (null && u != NULL && column->nullable) {
        varint_append(out, null_of(u));
        return ERR_OK;
    }
    if (null && column->kind != COLUMN_NULL)
        return err_set(e, ERR_INVALID, "column %.80s: null where none may be",
                       column->name);
    if (u != NULL && column->kind != COLUMN_UNION)
        varint_append(out, branch_of(u, 0));
    return put_value(set, c, i, out, e);
}

enum err_kind cells_put(struct cells *c, size_t i, struct buf *out, struct err *e)
{
    TRY(put(c, &c->root, i, out, e));
    return buf_status(out, e);
}
