#include "aggregate/show.h"

#include "avro-core/put.h"
#include "base/json.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

/* --- values ------------------------------------------------------------------------
 */

static bool put_moment(struct buf *out, enum av_logical l, int64_t x)
{
    switch (l) {
    case AV_DATE: return put_date(out, x);
    case AV_TIME_MILLIS: return put_time(out, x, 1000);
    case AV_TIME_MICROS: return put_time(out, x, 1000000);
    case AV_TIMESTAMP_MILLIS: return put_instant(out, x, 1000, false);
    case AV_TIMESTAMP_MICROS: return put_instant(out, x, 1000000, false);
    case AV_TIMESTAMP_NANOS: return put_instant(out, x, 1000000000, false);
    case AV_LOCAL_TIMESTAMP_MILLIS: return put_instant(out, x, 1000, true);
    case AV_LOCAL_TIMESTAMP_MICROS: return put_instant(out, x, 1000000, true);
    case AV_LOCAL_TIMESTAMP_NANOS: return put_instant(out, x, 1000000000, true);
    default: return false;
    }
}

static void put_whole(struct buf *out, const struct agg_type *t, __int128 x)
{
    if (t->avro == AV_BOOLEAN)
        buf_put_str(out, x != 0 ? "true" : "false");
    else if (!put_moment(out, t->logical, (int64_t)x))
        whole_print(out, x, t->scale);
}

static void put_real(struct buf *out, double x)
{
    if (isfinite(x))
        json_put_double(out, x);
    else
        buf_put_str(out, isnan(x) ? "NaN" : x < 0 ? "-Infinity" : "Infinity");
}

void agg_show_value(struct buf *out, const struct agg_type *t,
                    const struct agg_value *v)
{
    switch (v->kind) {
    case AGG_NONE: break;
    case AGG_WHOLE: put_whole(out, t, v->whole.v); break;
    case AGG_REAL: put_real(out, v->real); break;
    case AGG_TEXT:
        if (t->avro == AV_BYTES)
            put_base64(out, v->text);
        else
            buf_put(out, v->text);
        break;
    }
}

/* Is the text a JSON number, or true or false? */
static bool is_bare(const struct agg_type *t, const struct agg_value *v)
{
    return (v->kind == AGG_WHOLE && t->logical == AV_PLAIN) ||
           (v->kind == AGG_REAL && isfinite(v->real));
}

static void put_json(struct buf *out, const struct agg_type *t,
                     const struct agg_value *v)
{
    struct buf text = BUF_INIT(out->limit);

    if (v->kind == AGG_NONE) {
        buf_put_str(out, "null");
        return;
    }
    agg_show_value(&text, t, v);
    if (is_bare(t, v))
        buf_put(out, buf_span(&text));
    else
        json_put_string(out, buf_span(&text));
    buf_free(&text);
}

/* --- a row, field by field: keys, the window, columns --------------------------------
 */

static const struct agg_type instant = {AGG_WHOLE, AV_LONG, AV_TIMESTAMP_MILLIS, 0};

struct shown { // one field of a row
    struct span name;
    const struct agg_type *type;
    struct agg_value value;
};

static size_t n_shown(const struct agg_shape *s)
{
    return s->n_keys + (s->window_ms > 0 ? 2 : 0) + s->n_columns;
}

static struct agg_value at_ms(int64_t ms)
{
    return (struct agg_value){.kind = AGG_WHOLE, .whole = {ms}};
}

/* All fields of the row; texts of keys are made in `a`. */
static void row_fields(const struct agg_merged *m, struct shown *f, struct arena *a)
{
    const struct agg_shape *s = m->shape;
    struct span key = m->key;
    int64_t start = 0;
    bool good = agg_key_window(&key, &start);

    for (size_t i = 0; i < s->n_keys; i++, f++) {
        *f = (struct shown){s->fields[i].name, &s->fields[i].type, {0}};
        good = good && agg_key_next(&key, &f->value, a);
    }
    if (s->window_ms > 0) {
        *f++ = (struct shown){span_str("window_start"), &instant, at_ms(start)};
        *f++ = (struct shown){span_str("window_end"), &instant,
                              at_ms(start + s->window_ms)};
    }
    for (size_t i = 0; i < s->n_columns; i++, f++) {
        const struct agg_field *c = &s->fields[s->n_keys + i];
        *f = (struct shown){c->name, &c->type, {0}};
        if (!agg_merged_value(m, i, &f->value))
            f->value = (struct agg_value){0};
    }
}

void agg_show_json(struct buf *out, const struct agg_merged *m)
{
    struct shown fields[AGG_KEYS_MOST + AGG_COLUMNS_MOST + 2];
    struct arena mem = {0};

    row_fields(m, fields, &mem);
    for (size_t i = 0; i < n_shown(m->shape); i++) {
        buf_put_u8(out, i == 0 ? '{' : ',');
        json_put_string(out, fields[i].name);
        buf_put_u8(out, ':');
        put_json(out, fields[i].type, &fields[i].value);
    }
    buf_put_u8(out, '}');
    arena_free(&mem);
}

/* --- a table -----------------------------------------------------------------------
 */

struct grid {
    struct buf text;   // of all cells, one behind the other
    size_t *ends;      // where each ends in it
    size_t n, columns; // cells
    size_t *widths;    // characters
};

static size_t characters(struct span s)
{
    size_t n = 0;

    for (size_t i = 0; i < s.n; i++)
        n += (s.p[i] & 0xc0) != 0x80;
    return n;
}

/* What a terminal would obey becomes '?': C0, DEL and C1. */
static void put_harmless(struct buf *out, struct span s)
{
    size_t n = 0;

    for (size_t i = 0; i < s.n && n <= AGG_SHOW_WIDTH; i++) {
        bool c1 = s.p[i] == 0xc2 && i + 1 < s.n && s.p[i + 1] < 0xa0;

        n += (s.p[i] & 0xc0) != 0x80;
        if (n > AGG_SHOW_WIDTH)
            break;
        buf_put_u8(out, s.p[i] < 0x20 || s.p[i] == 0x7f || c1 ? '?' : s.p[i]);
        i += c1;
    }
}

static void add_cell(struct grid *g, struct span text)
{
    size_t from = g->text.n, column = g->n % g->columns;

    put_harmless(&g->text, text);
    size_t width = characters(span_of(g->text.p + from, g->text.n - from));
    if (width > g->widths[column])
        g->widths[column] = width;
    g->ends[g->n++] = g->text.n;
}

static void add_row(struct grid *g, const struct agg_merged *m, struct buf *scratch)
{
    struct shown fields[AGG_KEYS_MOST + AGG_COLUMNS_MOST + 2];
    struct arena mem = {0};

    row_fields(m, fields, &mem);
    for (size_t i = 0; i < g->columns; i++) {
        buf_reset(scratch);
        if (fields[i].value.kind == AGG_NONE)
            buf_put_str(scratch, "null");
        agg_show_value(scratch, fields[i].type, &fields[i].value);
        add_cell(g, buf_span(scratch));
    }
    arena_free(&mem);
}

static void add_names(struct grid *g, const struct agg_shape *s)
{
    for (size_t i = 0; i < s->n_keys; i++)
        add_cell(g, s->fields[i].name);
    if (s->window_ms > 0) {
        add_cell(g, span_str("window_start"));
        add_cell(g, span_str("window_end"));
    }
    for (size_t i = 0; i < s->n_columns; i++)
        add_cell(g, s->fields[s->n_keys + i].name);
}

static void put_many(struct buf *out, uint8_t c, size_t n)
{
    while (n-- > 0)
        buf_put_u8(out, c);
}

static void put_line(struct buf *out, const struct grid *g)
{
    for (size_t i = 0; i < g->columns; i++) {
        buf_put_u8(out, '+');
        put_many(out, '-', g->widths[i]);
    }
    buf_put_str(out, "+\n");
}

/* Numbers stand to the right. */
static bool is_right(const struct agg_shape *s, size_t column)
{
    if (column >= s->n_keys)
        column -= s->window_ms > 0 ? 2 : 0;
    if (column < s->n_keys || column >= s->n_keys + s->n_columns)
        return false;
    const struct agg_type *t = &s->fields[column].type;
    return t->kind != AGG_TEXT && t->avro != AV_BOOLEAN;
}

static void put_cells(struct buf *out, const struct grid *g, const struct agg_shape *s,
                      size_t row)
{
    for (size_t i = 0; i < g->columns; i++) {
        size_t k = row * g->columns + i, from = k == 0 ? 0 : g->ends[k - 1];
        struct span text = span_of(g->text.p + from, g->ends[k] - from);
        size_t pad = g->widths[i] - characters(text);

        buf_put_u8(out, '|');
        if (is_right(s, i) && row > 0)
            put_many(out, ' ', pad);
        buf_put(out, text);
        if (!is_right(s, i) || row == 0)
            put_many(out, ' ', pad);
    }
    buf_put_str(out, "|\n");
}

static void put_grid(struct buf *out, const struct grid *g, const struct agg_shape *s)
{
    put_line(out, g);
    put_cells(out, g, s, 0);
    put_line(out, g);
    for (size_t i = 1; i < g->n / g->columns; i++)
        put_cells(out, g, s, i);
    put_line(out, g);
}

void agg_show_table(struct buf *out, struct agg_view *v, size_t most)
{
    struct buf scratch = BUF_INIT(1 << 20);
    struct agg_merged m = {0};
    size_t n;

    if (!v->has_shape) {
        buf_put_str(out, "nothing was counted yet\n");
        return;
    }
    const struct span *keys = agg_view_keys(v, &n);
    size_t rows = most == 0 || n < most ? n : most;
    struct grid g = {.text = BUF_INIT(out->limit), .columns = n_shown(&v->shape)};
    g.ends = mem_array((rows + 1) * g.columns, sizeof *g.ends);
    g.widths = mem_array(g.columns, sizeof *g.widths);
    add_names(&g, &v->shape);
    for (size_t i = 0; i < rows; i++)
        if (agg_view_merge(v, keys[i], &m))
            add_row(&g, &m, &scratch);
    if (!g.text.over)
        put_grid(out, &g, &v->shape);
    else
        buf_put_str(out, "the table is too large to be shown: say print.rows\n");
    if (rows < n)
        buf_printf(out, "only the first %zu of %zu rows\n", rows, n);
    agg_merged_free(&m);
    buf_free(&scratch);
    buf_free(&g.text);
    free(g.ends);
    free(g.widths);
}
