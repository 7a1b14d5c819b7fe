#include "wire/csv.h"

#include <assert.h>
#include <stdlib.h>

#define ROW_BYTES ((size_t)1024 * 1024)
#define CELLS 10000

enum state {
    CELL_BEGIN,
    BARE,
    QUOTED,
    QUOTE_SEEN, // in a quoted cell: it ended, or a quote is doubled
    CR_SEEN,    // behind a quoted cell
    BROKEN,     // the row was refused: on to the end of its line
    TOO_LARGE,
};

struct csv_reader {
    struct csv_options o;
    struct span left; // what was fed and not used yet; a row begins where it begins
    struct buf held;  // where left points when a chunk had cut a row
    bool last;

    // the row being read; positions count from its first byte
    enum state state;
    size_t pos;        // read up to here
    size_t begin;      // of the current cell
    bool doubled;      // it has doubled quotes
    size_t line_feeds; // inside quotes

    struct av_cell *cells; // text.p is not set until the row is whole
    size_t *begins;
    bool *has_doubled;
    size_t n, room;
    struct buf plain; // cells whose doubled quotes were undone

    size_t used;      // bytes of `left` that the row given last took
    size_t offset;    // of left's first byte in all that was fed
    size_t next_line; // of left's first byte
    size_t row_line, row_offset;
    struct span row; // bytes of the row given last
    size_t columns;  // of the first row
    bool begun;      // the byte order mark is behind us
};

enum err_kind csv_open(struct csv_reader **out, const struct csv_options *o,
                       struct err *e)
{
    char delimiter = o != NULL && o->delimiter != 0 ? o->delimiter : ',';

    if (delimiter == '"' || delimiter == '\n' || delimiter == '\r')
        return err_set(e, ERR_INVALID, "byte 0x%02x cannot separate cells",
                       (uint8_t)delimiter);

    struct csv_reader *r = mem_alloc(sizeof *r);
    r->o.delimiter = delimiter;
    r->o.row_bytes = o != NULL && o->row_bytes > 0 ? o->row_bytes : ROW_BYTES;
    r->o.cells = o != NULL && o->cells > 0 ? o->cells : CELLS;
    r->held = BUF_INIT(SIZE_MAX / 4);
    r->plain = BUF_INIT(SIZE_MAX / 4);
    r->next_line = 1;
    *out = r;
    return ERR_OK;
}

void csv_close(struct csv_reader *r)
{
    if (r == NULL)
        return;
    buf_free(&r->held);
    buf_free(&r->plain);
    free(r->cells);
    free(r->begins);
    free(r->has_doubled);
    free(r);
}

void csv_feed(struct csv_reader *r, struct span chunk, bool last)
{
    assert(!r->last);
    r->last = last;
    if (r->held.n == 0) {
        r->left = chunk;
        return;
    }
    buf_put(&r->held, chunk);
    r->left = buf_span(&r->held);
}

/* The fed bytes end inside a row: keep its beginning. */
static void hold(struct csv_reader *r)
{
    struct span left = r->left;
    bool ours = r->held.n > 0;

    if (!ours) {
        buf_put(&r->held, left);
    } else {
        if (left.n > 0)
            memmove(r->held.p, left.p, left.n);
        buf_cut(&r->held, left.n);
    }
    r->left = buf_span(&r->held);
}

static void forget_row(struct csv_reader *r)
{
    r->left = span_skip(r->left, r->used);
    r->offset += r->used;
    r->used = 0;
    r->row = (struct span){0};
    r->pos = r->begin = r->n = r->line_feeds = 0;
    r->doubled = false;
    buf_reset(&r->plain);
}

static void make_room(struct csv_reader *r)
{
    if (r->n < r->room)
        return;
    r->room = r->room > 0 ? r->room * 2 : 16;
    r->cells = mem_grow(r->cells, r->room, sizeof *r->cells);
    r->begins = mem_grow(r->begins, r->room, sizeof *r->begins);
    r->has_doubled = mem_grow(r->has_doubled, r->room, sizeof *r->has_doubled);
}

static void end_cell(struct csv_reader *r, size_t end, bool quoted)
{
    make_room(r);
    r->begins[r->n] = r->begin;
    r->has_doubled[r->n] = r->doubled;
    r->cells[r->n++] = (struct av_cell){
        .text = {NULL, end - r->begin},
        .offset = r->offset + r->begin,
        .quoted = quoted,
    };
    r->doubled = false;
    r->state = CELL_BEGIN;
}

/* ---- one step a state; true: the row ends at r->pos, behind its line end ---- */

static bool in_bare(struct csv_reader *r)
{
    const uint8_t *p = r->left.p, delimiter = (uint8_t)r->o.delimiter;
    size_t i = r->pos, n = r->left.n;

    while (i < n && p[i] != delimiter && p[i] != '\n')
        i++;
    r->pos = i;
    if (i == n)
        return false;
    r->pos++;
    bool feed = p[i] == '\n';
    end_cell(r, feed && i > r->begin && p[i - 1] == '\r' ? i - 1 : i, false);
    return feed;
}

static size_t count_feeds(const uint8_t *p, size_t n)
{
    size_t feeds = 0;

    for (size_t i = 0; i < n; i++)
        feeds += p[i] == '\n';
    return feeds;
}

static void in_quotes(struct csv_reader *r)
{
    const uint8_t *p = r->left.p + r->pos;
    size_t n = r->left.n - r->pos;
    const uint8_t *quote = memchr(p, '"', n);

    if (quote != NULL) {
        n = (size_t)(quote - p) + 1;
        r->state = QUOTE_SEEN;
    }
    r->line_feeds += count_feeds(p, n);
    r->pos += n;
}

static bool behind_quote(struct csv_reader *r)
{
    uint8_t c = r->left.p[r->pos];
    size_t end = r->pos - 1; // where the quote stands

    if (c == '"') {
        r->doubled = true;
        r->state = QUOTED;
    } else if (c == (uint8_t)r->o.delimiter || c == '\n') {
        end_cell(r, end, true);
    } else if (c == '\r') {
        r->state = CR_SEEN;
    } else {
        r->state = BROKEN;
        return false;
    }
    r->pos++;
    return c == '\n';
}

static bool behind_cr(struct csv_reader *r)
{
    if (r->left.p[r->pos] != '\n') {
        r->state = BROKEN;
        return false;
    }
    end_cell(r, r->pos - 2, true);
    r->pos++;
    return true;
}

static void begin_cell(struct csv_reader *r)
{
    bool quote = r->left.p[r->pos] == '"';

    r->state = quote ? QUOTED : BARE;
    r->pos += quote;
    r->begin = r->pos;
}

static bool step(struct csv_reader *r)
{
    switch (r->state) {
    case CELL_BEGIN: begin_cell(r); return false;
    case BARE: return in_bare(r);
    case QUOTED: in_quotes(r); return false;
    case QUOTE_SEEN: return behind_quote(r);
    case CR_SEEN: return behind_cr(r);
    case BROKEN:
    case TOO_LARGE: break;
    }
    return false;
}

/* The text ends where the row is: what is open is closed.  False: in quotes. */
static bool finish(struct csv_reader *r)
{
    switch (r->state) {
    case BARE:
        end_cell(
            r, r->pos > r->begin && r->left.p[r->pos - 1] == '\r' ? r->pos - 1 : r->pos,
            false);
        return true;
    case CELL_BEGIN:
        r->begin = r->pos;
        end_cell(r, r->pos, false);
        return true;
    case QUOTE_SEEN: end_cell(r, r->pos - 1, true); return true;
    case CR_SEEN: end_cell(r, r->pos - 2, true); return true;
    default: return false;
    }
}

static struct span undouble(struct csv_reader *r, struct span s)
{
    uint8_t *to = buf_room(&r->plain, s.n), *first = to;

    for (size_t i = 0; i < s.n; i++) {
        *to++ = s.p[i];
        i += s.p[i] == '"';
    }
    buf_added(&r->plain, (size_t)(to - first));
    return span_of(first, (size_t)(to - first));
}

/* The row is whole: its cells get their texts. */
static void give(struct csv_reader *r)
{
    const uint8_t *p = r->left.p;
    size_t n = r->pos;

    (void)buf_room(&r->plain, r->pos + 1); // once, so that nothing moves
    for (size_t i = 0; i < r->n; i++) {
        r->cells[i].text.p = p + r->begins[i];
        if (r->has_doubled[i])
            r->cells[i].text = undouble(r, r->cells[i].text);
    }
    if (n > 0 && p[n - 1] == '\n')
        n--;
    if (n > 0 && p[n - 1] == '\r')
        n--;
    r->row = span_of(p, n);
    r->row_line = r->next_line;
    r->row_offset = r->offset;
    r->next_line += r->line_feeds + (r->pos > n);
    r->used = r->pos;
}

static enum err_kind too_large(struct csv_reader *r, struct err *e)
{
    r->state = TOO_LARGE;
    return err_set(e, ERR_LIMIT, "line %zu: a row of more than %zu bytes or %zu cells",
                   r->next_line, r->o.row_bytes, r->o.cells);
}

static enum err_kind broken(struct csv_reader *r, const char *what, struct err *e)
{
    r->row_line = r->next_line;
    r->row_offset = r->offset;
    r->row = span_of(r->left.p, r->pos);
    return err_set(e, ERR_INVALID, "line %zu, cell %zu: %s", r->next_line, r->n + 1,
                   what);
}

/* Drops the rest of a broken row's line; false when its end was not fed yet. */
static bool drop_line(struct csv_reader *r)
{
    const uint8_t *p = r->left.p + r->pos;
    const uint8_t *feed =
        r->pos < r->left.n ? memchr(p, '\n', r->left.n - r->pos) : NULL;

    r->used = feed != NULL ? (size_t)(feed - r->left.p) + 1 : r->left.n;
    size_t feeds = r->line_feeds;
    forget_row(r);
    r->line_feeds = feed != NULL ? 0 : feeds;
    if (feed == NULL) {
        buf_reset(&r->held);
        r->left = (struct span){0};
        return false;
    }
    r->next_line += feeds + 1;
    r->state = CELL_BEGIN;
    return true;
}

static const uint8_t mark[] = {0xef, 0xbb, 0xbf};

/* Steps over the byte order mark; false when more bytes are needed to tell. */
static enum err_kind take_mark(struct csv_reader *r, struct err *e)
{
    size_t n = r->left.n < sizeof mark ? r->left.n : sizeof mark;

    if (n >= 2 && ((r->left.p[0] == 0xff && r->left.p[1] == 0xfe) ||
                   (r->left.p[0] == 0xfe && r->left.p[1] == 0xff))) {
        r->state = TOO_LARGE;
        return err_set(e, ERR_LIMIT, "the text is UTF-16, wanted UTF-8");
    }
    if (n > 0 && memcmp(r->left.p, mark, n) != 0)
        r->begun = true;
    else if (n == sizeof mark) {
        r->left = span_skip(r->left, n);
        r->offset = n;
        r->begun = true;
    } else if (r->last) {
        r->begun = true;
    }
    return ERR_OK;
}

static bool is_blank(const struct csv_reader *r)
{
    return r->n == 1 && r->cells[0].text.n == 0 && !r->cells[0].quoted &&
           r->columns != 1;
}

/* Reads on until a row is whole (*whole) or the bytes end. */
static enum err_kind read_row(struct csv_reader *r, bool *whole, struct err *e)
{
    *whole = false;
    while (!*whole && r->pos < r->left.n) {
        *whole = step(r);
        if (r->pos > r->o.row_bytes || r->n > r->o.cells)
            return too_large(r, e);
        if (r->state == BROKEN)
            return broken(r, "text behind the closing quote", e);
    }
    if (*whole || !r->last || r->pos == 0)
        return ERR_OK;
    *whole = finish(r);
    if (!*whole) {
        r->state = BROKEN;
        return broken(r, "the quote is never closed", e);
    }
    return ERR_OK;
}

enum err_kind csv_next(struct csv_reader *r, const struct av_cell **cells, size_t *n,
                       bool *more, struct err *e)
{
    bool whole;

    *more = false;
    if (r->state == TOO_LARGE)
        return too_large(r, e);
    if (!r->begun)
        TRY(take_mark(r, e));
    if (!r->begun) {
        hold(r);
        return ERR_OK;
    }
    if (r->used > 0)
        forget_row(r);
    if (r->state == BROKEN && !drop_line(r))
        return ERR_OK;
    for (;;) {
        TRY(read_row(r, &whole, e));
        if (!whole)
            break;
        give(r);
        if (!is_blank(r)) {
            if (r->columns == 0)
                r->columns = r->n;
            *cells = r->cells;
            *n = r->n;
            *more = true;
            return ERR_OK;
        }
        forget_row(r);
    }
    hold(r);
    return ERR_OK;
}

size_t csv_line(const struct csv_reader *r)
{
    return r->row_line;
}

size_t csv_offset(const struct csv_reader *r)
{
    return r->row_offset;
}

struct span csv_text(const struct csv_reader *r)
{
    return r->row;
}
