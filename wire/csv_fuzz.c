/*
 * Whatever bytes come, in whatever chunks: rows come out, the same ones for every way
 * to cut them, cells lie inside their rows, and offsets and lines only grow.
 */
#include "wire/csv.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static void want(bool ok)
{
    if (!ok)
        abort();
}

static void put_cells(struct buf *out, const struct av_cell *cells, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        buf_printf(out, "%zu %zu %d ", cells[i].offset, cells[i].text.n,
                   cells[i].quoted);
        buf_put(out, cells[i].text);
    }
    buf_put_u8(out, '\n');
}

/* Rows and refusals of the text, cut into chunks. */
static void read_all(struct buf *out, struct span text, size_t chunk)
{
    const struct csv_options o = {.row_bytes = 1000, .cells = 50};
    const struct av_cell *cells;
    struct csv_reader *r;
    struct err e = {0};
    size_t n, line = 0, offset = 0;
    bool more;

    want(csv_open(&r, &o, &e) == ERR_OK);
    for (size_t at = 0;; at += chunk) {
        size_t size = text.n - at < chunk ? text.n - at : chunk;
        enum err_kind k;
        csv_feed(r, span_of(text.p + at, size), at + size == text.n);
        while ((k = csv_next(r, &cells, &n, &more, &e)) == ERR_INVALID || more) {
            want(csv_line(r) > line || (csv_line(r) == line && csv_offset(r) > offset));
            line = csv_line(r);
            offset = csv_offset(r);
            if (k == ERR_OK)
                put_cells(out, cells, n);
            else
                buf_printf(out, "%s\n", e.msg);
        }
        if (k == ERR_LIMIT || at + size == text.n)
            break;
    }
    csv_close(r);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    struct buf whole = BUF_INIT(1 << 20), cut = BUF_INIT(1 << 20);

    if (n < 3 || n > 4096)
        return 0;
    read_all(&whole, span_of(p + 1, n - 1), n);
    read_all(&cut, span_of(p + 1, n - 1), 1 + p[0] % 61);
    if (p[1] < 0xfe) // a UTF-16 mark cut in two is not seen
        want(whole.n == cut.n &&
             (whole.n == 0 || memcmp(whole.p, cut.p, whole.n) == 0));
    buf_free(&whole);
    buf_free(&cut);
    return 0;
}
