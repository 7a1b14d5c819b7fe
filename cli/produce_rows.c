#include "cli/produce_rows.h"

#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define BLOCK ((size_t)256 << 10)
#define FIRST_BLOCK ((size_t)8 << 10) // behind a jump: often one row is wanted

struct rows {
    int fd;
    struct stat st;
    enum rows_kind kind;
    char delimiter;
    struct rows_mark from; // where the reader below began
    bool end;              // the file has no more bytes
    uint8_t *block;
    size_t block_n; // how much to read next

    struct csv_reader *csv;
    bool hungry; // csv_next() said it wants more

    struct buf text; // NDJSON: read and not used yet, from `at`
    size_t at, scanned;
    uint64_t offset, line; // of text.p[at]
    bool skipping;         // a line too long: on to its end
};

static enum err_kind open_csv(struct rows *r, struct err *e)
{
    const struct csv_options o = {.delimiter = r->delimiter, .row_bytes = ROW_MOST};

    r->hungry = true;
    return csv_open(&r->csv, &o, e);
}

static enum err_kind begin_at(struct rows *r, struct rows_mark m, struct err *e)
{
    r->from = m;
    r->end = false;
    r->block_n = m.offset > 0 ? FIRST_BLOCK : BLOCK;
    if (r->kind == ROWS_CSV) {
        csv_close(r->csv);
        r->csv = NULL;
        return open_csv(r, e);
    }
    buf_reset(&r->text);
    r->at = r->scanned = 0;
    r->offset = m.offset;
    r->line = m.line;
    r->skipping = false;
    return ERR_OK;
}

static enum err_kind open_file(struct rows *r, const char *path, struct err *e)
{
    r->fd =
        strcmp(path, "-") == 0 ? dup(STDIN_FILENO) : open(path, O_RDONLY | O_CLOEXEC);
    if (r->fd < 0 || fstat(r->fd, &r->st) != 0)
        return err_set(e, ERR_NOT_FOUND, "%s: %s", path, strerror(errno));
    if (S_ISDIR(r->st.st_mode))
        return err_set(e, ERR_NOT_FOUND, "%s: is a directory", path);
    (void)posix_fadvise(r->fd, 0, 0, POSIX_FADV_SEQUENTIAL); // a hint, no more
    return ERR_OK;
}

enum err_kind rows_open(struct rows **out, const char *path, enum rows_kind kind,
                        char delimiter, struct err *e)
{
    struct rows *r = mem_alloc(sizeof *r);

    r->kind = kind;
    r->delimiter = delimiter;
    r->text = BUF_INIT(ROW_MOST + 2 * BLOCK);
    r->block = mem_array(BLOCK, 1);
    enum err_kind rc = open_file(r, path, e);
    if (rc == ERR_OK)
        rc = begin_at(r, (struct rows_mark){0, 1}, e);
    if (rc != ERR_OK) {
        rows_close(r);
        return rc;
    }
    *out = r;
    return ERR_OK;
}

void rows_close(struct rows *r)
{
    if (r == NULL)
        return;
    if (r->fd >= 0)
        close(r->fd);
    csv_close(r->csv);
    buf_free(&r->text);
    free(r->block);
    free(r);
}

bool rows_is_file(const struct rows *r)
{
    return S_ISREG(r->st.st_mode);
}

uint64_t rows_size(const struct rows *r)
{
    return rows_is_file(r) ? (uint64_t)r->st.st_size : 0;
}

bool rows_same_file(const struct rows *r, int fd)
{
    struct stat st;

    return fstat(fd, &st) == 0 && st.st_dev == r->st.st_dev &&
           st.st_ino == r->st.st_ino;
}

enum err_kind rows_go(struct rows *r, struct rows_mark to, struct err *e)
{
    if (!rows_is_file(r))
        return err_set(e, ERR_INVALID, "what is no regular file can be read once only");
    if (lseek(r->fd, (off_t)to.offset, SEEK_SET) < 0)
        return err_set(e, ERR_UNAVAILABLE, "cannot go to byte %llu: %s",
                       (unsigned long long)to.offset, strerror(errno));
    return begin_at(r, to, e);
}

/* The next block of the file; *idle when nothing came for a moment. */
static enum err_kind read_block(struct rows *r, size_t *n, bool *idle, struct err *e)
{
    struct pollfd p = {.fd = r->fd, .events = POLLIN};

    *n = 0;
    *idle = !rows_is_file(r) && poll(&p, 1, ROWS_IDLE_MS) <= 0;
    if (*idle)
        return ERR_OK;
    ssize_t got = read(r->fd, r->block, r->block_n);
    if (got < 0 && (errno == EINTR || errno == EAGAIN)) {
        *idle = true;
        return ERR_OK;
    }
    if (got < 0)
        return err_set(e, ERR_UNAVAILABLE, "cannot read: %s", strerror(errno));
    r->end = got == 0;
    r->block_n = r->block_n * 2 < BLOCK ? r->block_n * 2 : BLOCK;
    *n = (size_t)got;
    return ERR_OK;
}

static uint64_t feeds_in(struct span s)
{
    uint64_t feeds = 0;
    const uint8_t *end = s.p + s.n;

    for (const uint8_t *p = s.p; s.n > 0 && p < end; p++, feeds++) {
        p = memchr(p, '\n', (size_t)(end - p));
        if (p == NULL)
            break;
    }
    return feeds;
}

/* ---- CSV ---- */

static void fill_csv_row(const struct rows *r, struct row *row)
{
    row->text = csv_text(r->csv);
    row->offset = r->from.offset + csv_offset(r->csv);
    row->line = r->from.line + csv_line(r->csv) - 1;
    row->next_line = row->line + feeds_in(row->text) + 1;
}

static enum err_kind next_csv(struct rows *r, enum rows_got *got, struct row *row,
                              struct err *e)
{
    struct err broken = {0};
    bool more, idle;
    size_t n;

    for (;;) {
        if (r->hungry && !r->end) {
            TRY(read_block(r, &n, &idle, e));
            *got = ROWS_IDLE;
            if (idle)
                return ERR_OK;
            csv_feed(r->csv, span_of(r->block, n), r->end);
            r->hungry = false;
        }
        enum err_kind rc = csv_next(r->csv, &row->cells, &row->n_cells, &more, &broken);
        if (rc == ERR_INVALID) {
            *got = ROWS_BROKEN;
            fill_csv_row(r, row);
            snprintf(row->why, sizeof row->why, "%.*s", (int)sizeof row->why - 1,
                     broken.msg);
            return ERR_OK;
        }
        if (rc != ERR_OK) {
            *e = broken;
            return rc;
        }
        if (more) {
            *got = ROWS_ROW;
            fill_csv_row(r, row);
            return ERR_OK;
        }
        *got = ROWS_END;
        if (r->end)
            return ERR_OK;
        r->hungry = true;
    }
}

/* ---- NDJSON ---- */

static bool is_blank(struct span line)
{
    for (size_t i = 0; i < line.n; i++)
        if (line.p[i] != ' ' && line.p[i] != '\t' && line.p[i] != '\r')
            return false;
    return true;
}

static void step_over(struct rows *r, size_t n, bool feed)
{
    r->at += n + feed;
    r->offset += n + feed;
    r->line += feed;
    r->scanned = 0;
}

/* Drops what was used and adds the next block behind the rest. */
static enum err_kind refill(struct rows *r, bool *idle, struct err *e)
{
    size_t left = r->text.n - r->at, n;

    TRY(read_block(r, &n, idle, e));
    if (n == 0)
        return ERR_OK;
    if (r->at > 0 && left > 0)
        memmove(r->text.p, r->text.p + r->at, left);
    buf_cut(&r->text, left);
    r->at = 0;
    buf_put(&r->text, span_of(r->block, n));
    return ERR_OK;
}

/* True when a whole line stands at `at`: *n bytes of it, and whether a feed ends it. */
static bool find_line(struct rows *r, size_t *n, bool *feed)
{
    size_t left = r->text.n - r->at;
    const uint8_t *from = left > 0 ? r->text.p + r->at : NULL;
    const uint8_t *end =
        left > r->scanned ? memchr(from + r->scanned, '\n', left - r->scanned) : NULL;

    r->scanned = left;
    *feed = end != NULL;
    *n = end != NULL ? (size_t)(end - from) : left;
    return end != NULL || (r->end && left > 0);
}

static void fill_line(struct rows *r, struct row *row, size_t n, bool feed)
{
    struct span text = span_of(r->text.p + r->at, n);

    if (text.n > 0 && text.p[text.n - 1] == '\r')
        text.n--;
    *row = (struct row){
        .text = text, .offset = r->offset, .line = r->line, .next_line = r->line + 1};
    step_over(r, n, feed);
}

static void step_over_mark(struct rows *r)
{
    if (r->offset == 0 && r->text.n - r->at >= 3 &&
        memcmp(r->text.p + r->at, "\xef\xbb\xbf", 3) == 0)
        step_over(r, 3, false);
}

static void fill_too_long(struct rows *r, struct row *row, size_t n, bool feed)
{
    fill_line(r, row, n, feed);
    row->text.n = 0;
    snprintf(row->why, sizeof row->why, "a line of more than %zu bytes", ROW_MOST);
    r->skipping = !feed;
}

static enum err_kind next_line(struct rows *r, enum rows_got *got, struct row *row,
                               struct err *e)
{
    bool feed, idle = false;
    size_t n;

    for (;;) {
        step_over_mark(r);
        if (find_line(r, &n, &feed)) {
            bool none = r->skipping || is_blank(span_of(r->text.p + r->at, n));
            r->skipping = false;
            *got = n > ROW_MOST ? ROWS_BROKEN : ROWS_ROW;
            if (!none && n > ROW_MOST)
                return fill_too_long(r, row, n, feed), ERR_OK;
            if (!none)
                return fill_line(r, row, n, feed), ERR_OK;
            step_over(r, n, feed);
            continue;
        }
        if (r->skipping) {
            step_over(r, n, false);
            n = 0;
        }
        *got = ROWS_BROKEN;
        if (n > ROW_MOST)
            return fill_too_long(r, row, n, false), ERR_OK;
        *got = r->end ? ROWS_END : ROWS_IDLE;
        if (r->end || idle)
            return ERR_OK;
        TRY(refill(r, &idle, e));
    }
}

enum err_kind rows_next(struct rows *r, enum rows_got *got, struct row *row,
                        struct err *e)
{
    return r->kind == ROWS_CSV ? next_csv(r, got, row, e) : next_line(r, got, row, e);
}
