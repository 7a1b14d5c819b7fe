#include "cli/produce_rejects.h"

#include "base/json.h"
#include "base/utf8.h"
#include "cli/produce_parcel.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define CELL_SHOWN 60
#define LINE_MOST ((size_t)64 << 20)

/* ---- where ---- */

/* "field" of "/field/0/x", "~1" and "~0" undone. */
static struct span first_step(struct span pointer, struct arena *a)
{
    if (pointer.n == 0 || pointer.p[0] != '/')
        return (struct span){0};
    const uint8_t *end = memchr(pointer.p + 1, '/', pointer.n - 1);
    size_t n = (end != NULL ? (size_t)(end - pointer.p) : pointer.n) - 1, k = 0;
    uint8_t *out = arena_alloc(a, n + 1);
    for (size_t i = 1; i <= n; i++) {
        bool escape = pointer.p[i] == '~' && i < n;
        out[k++] = !escape ? pointer.p[i] : pointer.p[++i] == '1' ? '/' : '~';
    }
    return span_of(out, k);
}

static size_t column_called(const struct header *h, struct span field)
{
    for (size_t i = 0; field.n > 0 && i < h->n; i++)
        if (span_eq(h->fields[i], field))
            return i + 1;
    return 0;
}

/* The column whose cell holds byte `at` of the row; 0 at its very beginning when
 * nothing says that the first cell is meant. */
static size_t column_at(const struct av_cell *cells, size_t n, size_t at)
{
    size_t column = 0;

    for (size_t i = 0; i < n && cells[i].offset <= at; i++)
        column = i + 1;
    return column;
}

static uint64_t feeds_before(struct span text, size_t at)
{
    uint64_t feeds = 0;

    for (size_t i = 0; i < at && i < text.n; i++)
        feeds += text.p[i] == '\n';
    return feeds;
}

static void fill_place(struct place *out, const struct header *h,
                       const struct av_cell *cells, size_t n, struct span text,
                       const struct refusal *r, size_t at, struct arena *a)
{
    size_t column = column_called(h, first_step(r->pointer, a));

    if (column == 0 && r->pointer.n > 0 && r->has_offset)
        column = column_at(cells, n, at);
    if (column == 0 || column > n)
        return;
    out->column = column;
    out->cell = arena_copy(a, cells[column - 1].text);
    out->line += feeds_before(text, cells[column - 1].offset);
    if (column <= h->n)
        out->name = h->names[column - 1];
}

void place_find(struct place *out, const struct header *h, struct span text,
                uint64_t line, const struct refusal *r, size_t at, struct arena *a)
{
    const struct csv_options o = {
        .delimiter = h->delimiter, .row_bytes = text.n + 1, .cells = SIZE_MAX};
    const struct av_cell *cells;
    struct csv_reader *csv;
    struct err ignored = {0};
    bool more;
    size_t n;

    *out = (struct place){.line = line};
    if (csv_open(&csv, &o, &ignored) != ERR_OK)
        return;
    csv_feed(csv, text, true);
    if (csv_next(csv, &cells, &n, &more, &ignored) == ERR_OK && more)
        fill_place(out, h, cells, n, text, r, at, a);
    csv_close(csv);
}

/* ---- in words ---- */

/* As a JSON string.  What is no UTF-8 has no such: its bytes beyond ASCII become '?'.
 */
static void put_text(struct buf *out, struct span s)
{
    if (utf8_ok(s)) {
        json_put_string(out, s);
        return;
    }
    struct buf plain = BUF_INIT(LINE_MOST);
    for (size_t i = 0; i < s.n; i++)
        buf_put_u8(&plain, s.p[i] < 0x80 ? s.p[i] : '?');
    json_put_string(out, buf_span(&plain));
    buf_free(&plain);
}

/* Quoted and escaped, cut where a character ends. */
static void put_shown(struct buf *out, struct span s)
{
    bool cut = s.n > CELL_SHOWN;

    if (cut)
        for (s.n = CELL_SHOWN; s.n > 0 && (s.p[s.n] & 0xc0) == 0x80;)
            s.n--;
    put_text(out, s);
    if (cut)
        buf_put_str(out, "...");
}

static bool skip_word(struct span *s, struct span word)
{
    if (s->n < word.n || memcmp(s->p, word.p, word.n) != 0)
        return false;
    *s = span_skip(*s, word.n);
    return true;
}

/* "/field: cell "x", wanted ..." behind a column that says the same: not twice. */
static void put_in_column(struct buf *out, const struct place *p,
                          const struct refusal *r)
{
    struct span rest = r->message;

    buf_printf(out, "column %zu ", p->column);
    put_shown(out, p->name);
    if (!skip_word(&rest, r->pointer) || !skip_word(&rest, span_str(": ")))
        rest = r->message;
    struct span ours = rest;
    if (skip_word(&ours, span_str("cell \""))) {
        buf_put_str(out, ", ");
    } else {
        buf_put_str(out, ", cell ");
        put_shown(out, p->cell);
        buf_put_str(out, ": ");
    }
    buf_put(out, rest);
}

void reject_print(struct buf *out, const char *file, const struct place *p,
                  const struct refusal *r, size_t at, bool is_csv)
{
    buf_printf(out, "%s:%llu: ", file, (unsigned long long)p->line);
    if (p->column > 0) {
        put_in_column(out, p, r);
        return;
    }
    if (!is_csv && r->has_offset)
        buf_printf(out, "column %zu: ", at + 1);
    buf_put(out, r->message);
}

/* ---- the file of rejects ---- */

static void put_header(const struct rejects *r, struct buf *out)
{
    for (size_t i = 0; i < r->h->n; i++) {
        csv_put_cell(out, r->h->names[i], r->h->delimiter);
        buf_put_u8(out, (uint8_t)r->h->delimiter);
    }
    buf_printf(out, "%s%c%s\n", REJECTS_LINE, r->h->delimiter, REJECTS_ERRORS);
}

static void write_out(const struct rejects *r, struct buf *out)
{
    // What is lost here shows in ferror() when it is closed.
    (void)fwrite(out->p, 1, out->n, r->file);
    buf_free(out);
}

enum err_kind rejects_open(struct rejects *r, const char *path, bool append,
                           const struct rows *not_this, struct err *e)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
    struct stat st;

    if (fd < 0 || fstat(fd, &st) != 0)
        return err_set(e, ERR_INVALID, "rejects: %s: %s", path, strerror(errno));
    if (rows_same_file(not_this, fd)) {
        close(fd);
        return err_set(e, ERR_INVALID,
                       "rejects: %s is the file to be read, wanted another one", path);
    }
    if (!append && ftruncate(fd, 0) != 0 && S_ISREG(st.st_mode)) {
        close(fd);
        return err_set(e, ERR_INVALID, "rejects: %s: %s", path, strerror(errno));
    }
    r->file = fdopen(fd, "a");
    r->path = path;
    if (r->h != NULL && (!append || st.st_size == 0)) {
        struct buf out = BUF_INIT(LINE_MOST);
        put_header(r, &out);
        write_out(r, &out);
    }
    return ERR_OK;
}

enum err_kind rejects_close(struct rejects *r, struct err *e)
{
    if (r->file == NULL)
        return ERR_OK;
    bool lost = ferror(r->file) != 0;
    lost |= fclose(r->file) != 0;
    r->file = NULL;
    if (lost)
        return err_set(e, ERR_UNAVAILABLE, "rejects: %s: not all could be written",
                       r->path);
    return ERR_OK;
}

static void put_messages(struct buf *out, const struct refusal *refusals, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        buf_put_str(out, i > 0 ? "; " : "");
        buf_put(out, refusals[i].message);
    }
}

/* A row that cannot be read as cells would break the file: it becomes one cell. */
static bool is_whole_row(const struct refusal *r)
{
    return !span_eq(r->rule, span_str("csv"));
}

static void put_csv(struct buf *out, const struct header *h, struct span text,
                    uint64_t line, const struct refusal *refusals, size_t n)
{
    struct buf messages = BUF_INIT(LINE_MOST);

    put_messages(&messages, refusals, n);
    if (is_whole_row(&refusals[0]))
        buf_put(out, text);
    else
        csv_put_cell(out, text, h->delimiter);
    buf_printf(out, "%c%llu%c", h->delimiter, (unsigned long long)line, h->delimiter);
    csv_put_cell(out, buf_span(&messages), h->delimiter);
    buf_put_u8(out, '\n');
    buf_free(&messages);
}

static void put_ndjson(struct buf *out, struct span text, uint64_t line, size_t at,
                       const struct refusal *refusals, size_t n)
{
    buf_printf(out, "{\"line\":%llu,\"errors\":[", (unsigned long long)line);
    for (size_t i = 0; i < n; i++) {
        const struct refusal *r = &refusals[i];
        buf_put_str(out, i > 0 ? ",{\"pointer\":" : "{\"pointer\":");
        json_put_string(out, r->pointer);
        if (r->has_offset && r->offset >= at)
            buf_printf(out, ",\"column\":%zu", r->offset - at + 1);
        buf_put_str(out, ",\"rule\":");
        json_put_string(out, r->rule);
        buf_put_str(out, ",\"message\":");
        json_put_string(out, r->message);
        buf_put_u8(out, '}');
    }
    buf_put_str(out, "],\"text\":");
    put_text(out, text);
    buf_put_str(out, "}\n");
}

static void keep(const struct rejects *r, struct span text, uint64_t line, size_t at,
                 const struct refusal *refusals, size_t n)
{
    struct buf out = BUF_INIT(LINE_MOST);

    if (r->h != NULL)
        put_csv(&out, r->h, text, line, refusals, n);
    else
        put_ndjson(&out, text, line, at, refusals, n);
    write_out(r, &out);
}

static void show(const struct rejects *r, struct span text, uint64_t line, size_t at,
                 const struct refusal *refusal)
{
    struct buf out = BUF_INIT(LINE_MOST);
    struct place place = {.line = line};
    struct arena scratch = {0};
    size_t in_row = refusal->offset > at ? refusal->offset - at : 0;

    if (r->h != NULL && is_whole_row(refusal))
        place_find(&place, r->h, text, line, refusal, in_row, &scratch);
    reject_print(&out, r->name, &place, refusal, in_row, r->h != NULL);
    fprintf(stderr, "%.*s\n", (int)out.n, (const char *)out.p);
    buf_free(&out);
    arena_free(&scratch);
}

void rejects_take(struct rejects *r, struct span text, uint64_t line, size_t at,
                  const struct refusal *refusals, size_t n)
{
    if (r->file != NULL)
        keep(r, text, line, at, refusals, n);
    if (r->shown++ >= r->most_shown)
        return;
    for (size_t i = 0; i < n; i++)
        show(r, text, line, at, &refusals[i]);
    if (r->shown == r->most_shown)
        fprintf(stderr, "%s: more refused rows are counted, not shown%s\n", r->name,
                r->file != NULL ? "" : "; --rejects FILE keeps them all");
}
