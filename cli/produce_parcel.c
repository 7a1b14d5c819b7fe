#include "cli/produce_parcel.h"

#include <assert.h>
#include <stdlib.h>

void parcel_free(struct parcel *p)
{
    buf_free(&p->body);
    free(p->rows);
    *p = (struct parcel){0};
}

void parcel_begin(struct parcel *p, struct span header)
{
    p->body.limit = SIZE_MAX / 4; // the rows' own limits bound it
    buf_reset(&p->body);
    p->n = 0;
    buf_put(&p->body, header);
    if (header.n > 0)
        buf_put_u8(&p->body, '\n');
    p->head = p->body.n;
}

void parcel_add(struct parcel *p, struct span text, uint64_t line, uint64_t next_line)
{
    if (p->n == p->cap) {
        p->cap = p->cap == 0 ? 64 : p->cap * 2;
        p->rows = mem_grow(p->rows, p->cap, sizeof *p->rows);
    }
    p->rows[p->n++] = (struct parcel_row){p->body.n, text.n, line, next_line};
    buf_put(&p->body, text);
    buf_put_u8(&p->body, '\n');
}

struct span parcel_body(const struct parcel *p, size_t n)
{
    assert(n > 0 && n <= p->n);
    return span_of(p->body.p, p->rows[n - 1].at + p->rows[n - 1].n + 1);
}

struct span parcel_row_text(const struct parcel *p, size_t i)
{
    return span_of(p->body.p + p->rows[i].at, p->rows[i].n);
}

size_t parcel_fits(const struct parcel *p, size_t rows, size_t bytes)
{
    size_t n = 1;

    while (n < p->n && n < rows && p->rows[n].at + p->rows[n].n + 1 <= bytes)
        n++;
    return n;
}

size_t parcel_keep(struct parcel *p, size_t n, const bool *keep)
{
    size_t end = p->head, before = p->body.n, kept = 0;

    for (size_t i = 0; i < p->n; i++) {
        struct parcel_row row = p->rows[i];
        if (i < n && !keep[i])
            continue;
        memmove(p->body.p + end, p->body.p + row.at, row.n + 1);
        row.at = end;
        end += row.n + 1;
        p->rows[kept++] = row;
    }
    p->n = kept;
    buf_cut(&p->body, end);
    return before - end;
}

static bool wants_quotes(struct span cell, char delimiter)
{
    for (size_t i = 0; i < cell.n; i++)
        if (cell.p[i] == '"' || cell.p[i] == '\n' || cell.p[i] == '\r' ||
            cell.p[i] == (uint8_t)delimiter)
            return true;
    return false;
}

void csv_put_cell(struct buf *out, struct span cell, char delimiter)
{
    if (!wants_quotes(cell, delimiter)) {
        buf_put(out, cell);
        return;
    }
    buf_put_u8(out, '"');
    for (size_t i = 0; i < cell.n; i++) {
        if (cell.p[i] == '"')
            buf_put_u8(out, '"');
        buf_put_u8(out, cell.p[i]);
    }
    buf_put_u8(out, '"');
}
