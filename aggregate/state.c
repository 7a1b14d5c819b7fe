#include "aggregate/state.h"

#include "avro-core/varint.h"
#include "base/bytes.h"

#include <inttypes.h>

/* CRC-64-AVRO of the schemas' canonical forms, little-endian; a test compares. */
#define HEAD 10
static const uint8_t position_head[HEAD] = {0xc3, 0x01, 0x45, 0x54, 0xc7,
                                            0xd0, 0xbb, 0x7a, 0x46, 0xc3};
static const uint8_t shape_head[HEAD] = {0xc3, 0x01, 0x00, 0x10, 0x90,
                                         0xba, 0x59, 0xc8, 0xaf, 0xed};
static const uint8_t row_head[HEAD] = {0xc3, 0x01, 0x20, 0xf4, 0x3d,
                                       0xac, 0xc9, 0x85, 0x81, 0xad};

static const uint8_t seen_head[HEAD] = {0xc3, 0x01, 0x10, 0x1f, 0xb8,
                                        0x43, 0x0c, 0x1c, 0xce, 0x2e};
#define SEEN_KEY 13

const struct span agg_state_position_key = {(const uint8_t *)"p", 1};
const struct span agg_state_shape_key = {(const uint8_t *)"s", 1};

enum { BRANCH_NULL, BRANCH_WHOLE, BRANCH_REAL, BRANCH_TEXT };

/* --- writing -----------------------------------------------------------------------
 */

static void put_double(struct buf *out, double x)
{
    uint64_t u;

    memcpy(&u, &x, sizeof u);
    buf_put_le(out, u, sizeof u);
}

static void put_value(struct buf *out, const struct agg_cell *c)
{
    uint8_t whole[WHOLE_BYTES];

    switch (c->kind) {
    case AGG_NONE: varint_append(out, BRANCH_NULL); break;
    case AGG_WHOLE:
        varint_append(out, BRANCH_WHOLE);
        whole_write(whole, c->whole.v);
        buf_put(out, span_of(whole, sizeof whole));
        break;
    case AGG_REAL:
        varint_append(out, BRANCH_REAL);
        put_double(out, c->real.sum);
        put_double(out, c->real.rest);
        break;
    case AGG_TEXT:
        varint_append(out, BRANCH_TEXT);
        varint_append(out, c->text.n);
        buf_put(out, span_of(c->text.p, c->text.n));
        break;
    }
}

void agg_state_put_key(struct buf *out, const struct agg_table *t,
                       const struct agg_row *r)
{
    buf_put_u8(out, 'r');
    buf_put(out, agg_row_key(t, r));
}

void agg_state_put_row(struct buf *out, const struct agg_table *t,
                       const struct agg_row *r)
{
    buf_put(out, span_of(row_head, HEAD));
    varint_append(out, (int64_t)t->shape->n_columns);
    for (size_t i = 0; i < t->shape->n_columns; i++) {
        varint_append(out, r->cells[i].n);
        varint_append(out, r->cells[i].time);
        put_value(out, &r->cells[i]);
    }
    varint_append(out, 0);
}

void agg_state_put_position(struct buf *out, const struct agg_position *p)
{
    const int64_t numbers[] = {p->next, p->watermark, p->records,
                               p->late, p->rejected,  p->filtered,
                               p->mark, p->marked,    p->bytes};

    buf_put(out, span_of(position_head, HEAD));
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        varint_append(out, numbers[i]);
}

void agg_state_put_shape(struct buf *out, const struct agg_shape *s)
{
    struct buf text = BUF_INIT(AGG_SHAPE_BYTES);

    agg_shape_put(&text, s);
    buf_put(out, span_of(shape_head, HEAD));
    varint_append(out, (int64_t)text.n);
    buf_put(out, buf_span(&text));
    buf_free(&text);
}

void agg_state_put_seen_key(struct buf *out, int64_t next, uint32_t piece)
{
    buf_put_u8(out, 'w');
    buf_put_be32(out, (uint32_t)(next >> 32));
    buf_put_be32(out, (uint32_t)next);
    buf_put_be32(out, piece);
}

void agg_state_put_seen(struct buf *out, struct span keys)
{
    buf_put(out, span_of(seen_head, HEAD));
    varint_append(out, (int64_t)keys.n);
    buf_put(out, keys);
}

/* --- reading -----------------------------------------------------------------------
 */

enum err_kind agg_state_kind(enum agg_record *out, struct span key, struct err *e)
{
    if (span_eq(key, agg_state_position_key)) {
        *out = AGG_POSITION;
        return ERR_OK;
    }
    if (span_eq(key, agg_state_shape_key)) {
        *out = AGG_SHAPE;
        return ERR_OK;
    }
    if (key.n > AGG_WINDOW_BYTES && key.p[0] == 'r') {
        *out = AGG_ROW;
        return ERR_OK;
    }
    if (key.n == SEEN_KEY && key.p[0] == 'w' && key.p[1] < 0x80) {
        *out = AGG_SEEN;
        return ERR_OK;
    }
    return err_set(
        e, ERR_INVALID,
        "a key of %zu bytes that is no row's, nor the position's or the shape's",
        key.n);
}

static enum err_kind take_head(struct span *s, const uint8_t head[HEAD],
                               const char *what, struct err *e)
{
    if (s->n < HEAD || memcmp(s->p, head, HEAD) != 0)
        return err_set(
            e, ERR_INVALID,
            "no %s of this version: another program wrote it, or a newer one", what);
    *s = span_skip(*s, HEAD);
    return ERR_OK;
}

static enum err_kind take_long(struct span *s, int64_t *out, struct err *e)
{
    if (!varint_take(s, out))
        return err_set(e, ERR_INVALID, "cut in the middle of a number");
    return ERR_OK;
}

static enum err_kind take_bytes(struct span *s, struct span *out, struct err *e)
{
    int64_t n = 0;

    TRY(take_long(s, &n, e));
    if (n < 0 || (uint64_t)n > s->n)
        return err_set(e, ERR_INVALID, "text of %" PRId64 " bytes, %zu are left", n,
                       s->n);
    *out = span_of(s->p, (size_t)n);
    *s = span_skip(*s, (size_t)n);
    return ERR_OK;
}

static enum err_kind at_end(struct span s, struct err *e)
{
    if (s.n > 0)
        return err_set(e, ERR_INVALID, "%zu bytes too many", s.n);
    return ERR_OK;
}

int64_t agg_state_seen_next(struct span key)
{
    return (int64_t)((uint64_t)bytes_be32(key.p + 1) << 32 | bytes_be32(key.p + 5));
}

enum err_kind agg_state_read_seen(struct span *keys, struct span value, struct err *e)
{
    TRY(take_head(&value, seen_head, "keys of dedupe", e));
    TRY(take_bytes(&value, keys, e));
    return at_end(value, e);
}

enum err_kind agg_state_read_position(struct agg_position *out, struct span value,
                                      struct err *e)
{
    struct agg_position p;
    int64_t *const numbers[] = {&p.next, &p.watermark, &p.records,
                                &p.late, &p.rejected,  &p.filtered,
                                &p.mark, &p.marked,    &p.bytes};

    TRY(take_head(&value, position_head, "position", e));
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        TRY(take_long(&value, numbers[i], e));
    TRY(at_end(value, e));
    if (p.next < 0 || p.records < 0 || p.late < 0 || p.rejected < 0 || p.filtered < 0 ||
        p.bytes < 0)
        return err_set(e, ERR_INVALID, "a position before the beginning");
    *out = p;
    return ERR_OK;
}

enum err_kind agg_state_read_shape(struct span *text, struct span value, struct err *e)
{
    struct span t;

    TRY(take_head(&value, shape_head, "shape", e));
    TRY(take_bytes(&value, &t, e));
    TRY(at_end(value, e));
    *text = t;
    return ERR_OK;
}

static enum err_kind take_double(struct span *s, double *out, struct err *e)
{
    uint64_t u = 0;

    if (s->n < 8)
        return err_set(e, ERR_INVALID, "cut in the middle of a double");
    for (size_t i = 8; i-- > 0;)
        u = u << 8 | s->p[i];
    memcpy(out, &u, sizeof u);
    *s = span_skip(*s, 8);
    return ERR_OK;
}

static enum err_kind take_whole(struct span *s, struct whole *out, struct err *e)
{
    __int128 x;

    if (s->n < WHOLE_BYTES || !whole_read(&x, span_of(s->p, WHOLE_BYTES)))
        return err_set(e, ERR_INVALID, "cut in the middle of a number of 16 bytes");
    if (!whole_fits(x, WHOLE_MOST))
        return err_set(e, ERR_INVALID, "a number of more than %d digits", WHOLE_DIGITS);
    out->v = x;
    *s = span_skip(*s, WHOLE_BYTES);
    return ERR_OK;
}

struct read_cell { // before it is the table's
    struct agg_cell cell;
    struct span text;
};

static enum err_kind take_value(struct span *s, struct read_cell *c, struct err *e)
{
    int64_t branch = BRANCH_NULL;

    TRY(take_long(s, &branch, e));
    switch (branch) {
    case BRANCH_NULL: c->cell.kind = AGG_NONE; return ERR_OK;
    case BRANCH_WHOLE:
        c->cell.kind = AGG_WHOLE;
        return take_whole(s, &c->cell.whole, e);
    case BRANCH_REAL:
        c->cell.kind = AGG_REAL;
        TRY(take_double(s, &c->cell.real.sum, e));
        return take_double(s, &c->cell.real.rest, e);
    case BRANCH_TEXT: c->cell.kind = AGG_TEXT; return take_bytes(s, &c->text, e);
    default:
        return err_set(e, ERR_INVALID, "a value of branch %" PRId64 ", there are four",
                       branch);
    }
}

static bool fits(const struct agg_cell *c, const struct agg_field *f)
{
    if (c->n < 0 || (f->fn == AGG_COUNT && c->kind != AGG_NONE))
        return false;
    if (f->fn == AGG_COUNT || c->kind == AGG_NONE)
        return f->fn == AGG_COUNT || c->n == 0;
    return c->n > 0 && c->kind == f->type.kind;
}

static enum err_kind take_cells(const struct agg_shape *shape, struct span s,
                                struct read_cell *cells, struct err *e)
{
    int64_t n = 0;

    TRY(take_head(&s, row_head, "row", e));
    TRY(take_long(&s, &n, e));
    if (n != (int64_t)shape->n_columns)
        return err_set(e, ERR_INVALID, "a row of %" PRId64 " cells, wanted %zu", n,
                       shape->n_columns);
    for (size_t i = 0; i < shape->n_columns; i++) {
        TRY(take_long(&s, &cells[i].cell.n, e));
        TRY(take_long(&s, &cells[i].cell.time, e));
        TRY(take_value(&s, &cells[i], e));
        if (!fits(&cells[i].cell, &shape->fields[shape->n_keys + i]))
            return err_set(e, ERR_INVALID, "cell %zu does not fit its column", i);
    }
    TRY(take_long(&s, &n, e));
    if (n != 0)
        return err_set(e, ERR_INVALID, "a row of two blocks");
    return at_end(s, e);
}

static enum err_kind check_key(const struct agg_shape *shape, struct span key,
                               struct err *e)
{
    struct arena mem = {0};
    struct agg_value v;
    int64_t start;
    bool good = key.n <= AGG_KEY_BYTES && agg_key_window(&key, &start);

    for (size_t i = 0; good && i < shape->n_keys; i++)
        good = agg_key_next(&key, &v, &mem) &&
               (v.kind == AGG_NONE || v.kind == shape->fields[i].type.kind);
    arena_free(&mem);
    if (!good || key.n > 0)
        return err_set(e, ERR_INVALID, "a row whose key is not of %zu values",
                       shape->n_keys);
    return ERR_OK;
}

static void put_cell(struct agg_table *t, struct agg_cell *c, const struct read_cell *r)
{
    if (r->cell.kind != AGG_TEXT) {
        if (c->kind == AGG_TEXT)
            t->bytes -= c->text.cap;
        agg_cell_free(c);
        *c = r->cell;
        return;
    }
    agg_cell_set_text(t, c, r->text);
    c->n = r->cell.n;
    c->time = r->cell.time;
}

enum err_kind agg_state_apply(struct agg_table *t, struct span key, struct span value,
                              struct err *e)
{
    struct read_cell cells[AGG_COLUMNS_MOST] = {0};
    struct span row = span_skip(key, 1);
    bool made;

    TRY(check_key(t->shape, row, e));
    if (value.p == NULL) {
        struct agg_row *old = agg_table_find(t, row);
        if (old != NULL)
            agg_table_drop(t, old);
        return ERR_OK;
    }
    TRY(take_cells(t->shape, value, cells, e));
    struct agg_row *r = agg_table_get(t, row, &made);
    for (size_t i = 0; i < t->shape->n_columns; i++)
        put_cell(t, &r->cells[i], &cells[i]);
    agg_table_touch(t, r);
    return ERR_OK;
}
