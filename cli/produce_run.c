#include "cli/produce_run.h"

#include "base/clock.h"
#include "cli/produce_sample.h"

#include <stdlib.h>
#include <unistd.h>

#define OWN_COLUMNS 2 // of a file of rejects

struct run {
    const struct run_settings *s;
    struct run_totals *t;

    struct rows *rows;
    struct arena arena; // the header's texts
    struct header header;
    struct span header_line; // as it is sent
    bool own_columns;        // the file is one of rejects: its last columns are ours

    struct parcel parcel;
    struct sender sender;
    struct rejects rejects;
    struct progress progress;
};

static bool is_over(const struct run *r)
{
    return sender_is_over(&r->sender);
}

static bool is_interrupted(struct run *r)
{
    return sender_is_interrupted(&r->sender);
}

static void end(struct run *r, enum ending ending, const char *why)
{
    sender_end(&r->sender, ending, why);
}

static void flush(struct run *r)
{
    sender_flush(&r->sender, &r->parcel);
}

/* ---- rows ---- */

/* Of a file of rejects, the row without the two columns put behind it. */
static struct span without_ours(const struct run *r, const struct row *row)
{
    struct span text = row->text;

    if (!r->own_columns || row->n_cells <= OWN_COLUMNS)
        return text;
    const struct av_cell *first = &row->cells[row->n_cells - OWN_COLUMNS];
    text.n = (size_t)(first->offset - (row->cells[0].offset - row->cells[0].quoted)) -
             first->quoted - 1;
    return text;
}

static void note_done(struct run *r, const struct row *row)
{
    r->sender.done = r->s->count > 0 ? r->t->read : row->offset + row->text.n + 1;
}

static void take_broken(struct run *r, const struct row *row)
{
    struct refusal why = {.rule = span_str("csv"), .message = span_str(row->why)};

    flush(r);
    if (is_over(r))
        return;
    r->t->read++;
    r->t->refused++;
    progress_wipe(&r->progress);
    rejects_take(&r->rejects, row->text, row->line, 0, &why, 1);
    r->t->next_line = row->next_line;
    if (r->s->count == 0)
        note_done(r, row);
}

static void take_row(struct run *r, const struct row *row)
{
    struct span text = without_ours(r, row);
    const struct parcel *p = &r->parcel;

    if (p->n >= r->sender.most_rows ||
        (p->n > 0 && p->body.n + text.n + 1 > r->sender.most_bytes))
        flush(r);
    if (is_over(r))
        return;
    parcel_add(&r->parcel, text, row->line, row->next_line);
    r->t->read++;
    note_done(r, row);
    if (r->parcel.n >= r->sender.most_rows)
        flush(r);
    if (!is_over(r) && r->s->count > 0 && r->t->read >= r->s->count) {
        flush(r);
        if (!is_over(r))
            end(r, ENDED, "");
    }
}

/* A line inside a row is no place to begin: the next row is. */
static bool is_before(struct run *r, const struct row *row)
{
    if (row->line >= r->s->from_line)
        return false;
    r->progress.done_at_begin = row->offset + row->text.n;
    if (row->next_line > r->s->from_line)
        fprintf(stderr,
                "%s:%llu: this line is inside a row that begins in line %llu; going on "
                "behind it\n",
                r->s->name, (unsigned long long)r->s->from_line,
                (unsigned long long)row->line);
    return true;
}

/* ---- header ---- */

static enum err_kind no_such_column(struct span wanted, const struct span *names,
                                    size_t n, struct err *e)
{
    struct buf known = BUF_INIT(150);

    for (size_t i = 0; i < n; i++)
        buf_printf(&known, "%s" SPAN_FMT, i > 0 ? ", " : "", SPAN_ARG(names[i]));
    err_set(e, ERR_INVALID, "map: the file has no column \"" SPAN_FMT "\", it has %.*s",
            SPAN_ARG(wanted), (int)known.n, known.n > 0 ? (const char *)known.p : "");
    buf_free(&known);
    return ERR_INVALID;
}

static enum err_kind map_one(struct span *fields, const struct span *names, size_t n,
                             const char *item, struct err *e)
{
    const char *equals = strrchr(item, '='); // no field has one in its name
    bool found = false;

    if (equals == NULL || equals == item || equals[1] == '\0')
        return err_set(e, ERR_INVALID, "map: \"%s\", wanted HEADER=FIELD", item);
    struct span header = span_of(item, (size_t)(equals - item));
    for (size_t i = 0; i < n; i++) {
        if (!span_eq(names[i], header))
            continue;
        fields[i] = span_str(equals + 1);
        found = true;
    }
    return found ? ERR_OK : no_such_column(header, names, n, e);
}

enum err_kind header_map(struct span *fields, const struct span *names, size_t n,
                         const struct conf_list *map, struct err *e)
{
    for (size_t i = 0; i < n; i++)
        fields[i] = names[i];
    for (size_t i = 0; i < map->n; i++)
        TRY(map_one(fields, names, n, map->items[i], e));
    return ERR_OK;
}

static bool are_ours(const struct av_cell *cells, size_t n)
{
    return n > OWN_COLUMNS && span_eq(cells[n - 2].text, span_str(REJECTS_LINE)) &&
           span_eq(cells[n - 1].text, span_str(REJECTS_ERRORS));
}

static enum err_kind take_header(struct run *r, const struct row *row, struct err *e)
{
    r->own_columns = are_ours(row->cells, row->n_cells);
    size_t n = row->n_cells - (r->own_columns ? OWN_COLUMNS : 0);
    struct span *names = arena_array(&r->arena, n, sizeof *names);
    struct span *fields = arena_array(&r->arena, n, sizeof *fields);
    struct buf line = BUF_INIT(ROW_MOST * 2);

    for (size_t i = 0; i < n; i++)
        names[i] = arena_copy(&r->arena, row->cells[i].text);
    TRY(header_map(fields, names, n, &r->s->map, e));
    r->header = (struct header){names, fields, n, r->s->delimiter};
    for (size_t i = 0; i < n; i++) {
        if (i > 0)
            buf_put_u8(&line, (uint8_t)r->s->delimiter);
        csv_put_cell(&line, fields[i], r->s->delimiter);
    }
    r->header_line = arena_copy(&r->arena, buf_span(&line));
    buf_free(&line);
    return ERR_OK;
}

/* The first row that is one; ROWS_END when there is none or it was interrupted. */
static enum err_kind first_row(struct run *r, enum rows_got *got, struct row *row,
                               struct err *e)
{
    do
        TRY(rows_next(r->rows, got, row, e));
    while (*got == ROWS_IDLE && !is_interrupted(r));
    return ERR_OK;
}

static enum err_kind read_header(struct run *r, struct err *e)
{
    enum rows_got got;
    struct row row;

    r->t->next_line = 1;
    if (r->s->kind == ROWS_NDJSON)
        return ERR_OK;
    if (first_row(r, &got, &row, e) != ERR_OK)
        return err_prefix(e, "%s", r->s->name);
    if (got == ROWS_BROKEN)
        return err_set(e, ERR_INVALID, "%s: header: %s", r->s->name, row.why);
    if (is_over(r))
        return ERR_OK;
    if (got == ROWS_END)
        return err_set(e, ERR_INVALID, "%s: empty, wanted a header line", r->s->name);
    r->t->next_line = row.next_line;
    return take_header(r, &row, e);
}

/* ---- from beginning to end ---- */

static void fail(struct run *r, const struct err *e)
{
    if (!is_over(r))
        flush(r); // what was read before is whole
    if (!is_over(r))
        end(r, FAILED, e->msg);
}

/* Back to the first row, behind the header. */
static enum err_kind begin_again(struct run *r, struct err *e)
{
    enum rows_got got = ROWS_ROW;
    struct row row;

    TRY(rows_go(r->rows, (struct rows_mark){0, 1}, e));
    return r->s->kind == ROWS_CSV ? first_row(r, &got, &row, e) : ERR_OK;
}

static void read_through(struct run *r, bool first_pass)
{
    enum rows_got got = ROWS_ROW;
    struct row row;
    struct err e = {0};

    while (got != ROWS_END && !is_interrupted(r)) {
        if (rows_next(r->rows, &got, &row, &e) != ERR_OK) {
            fail(r, &e);
            return;
        }
        if (got == ROWS_IDLE)
            flush(r);
        else if (got == ROWS_END || (first_pass && is_before(r, &row)))
            continue;
        else if (got == ROWS_BROKEN)
            take_broken(r, &row);
        else
            take_row(r, &row);
    }
    if (!is_over(r))
        flush(r);
}

static void run_in_order(struct run *r)
{
    struct err e = {0};
    uint64_t before;
    bool first_pass = true;

    do {
        before = r->t->read;
        read_through(r, first_pass);
        first_pass = false;
        if (is_over(r))
            return;
        if (r->s->loop && begin_again(r, &e) != ERR_OK)
            fail(r, &e);
    } while (r->s->loop && r->t->read > before && !is_over(r));
    if (is_over(r))
        return;
    if (r->s->from_line > 1 && r->t->read == 0)
        fprintf(stderr, "%s: no row begins in line %llu or behind it\n", r->s->name,
                (unsigned long long)r->s->from_line);
    end(r, ENDED, "");
}

static bool index_rows(struct run *r, struct sample *sample)
{
    enum rows_got got = ROWS_ROW;
    struct row row;
    struct err e = {0};

    while (got != ROWS_END && !is_interrupted(r)) {
        if (rows_next(r->rows, &got, &row, &e) != ERR_OK) {
            fail(r, &e);
            return false;
        }
        if (got == ROWS_ROW)
            sample_add(sample, &row);
    }
    if (!is_over(r) && sample->rows == 0)
        end(r, ENDED, "");
    return !is_over(r);
}

static uint64_t seed_of(const struct run_settings *s)
{
    return s->seed != 0 ? s->seed : (uint64_t)wall_ms() * 1000003 + (uint64_t)getpid();
}

static void run_at_random(struct run *r)
{
    struct sample sample;
    struct row row;
    struct err e = {0};

    sample_begin(&sample, 0, seed_of(r->s));
    bool ready = index_rows(r, &sample);
    while (ready && !is_interrupted(r)) {
        if (sample_read(&sample, r->rows, sample_draw(&sample), &row, &e) != ERR_OK)
            fail(r, &e);
        else
            take_row(r, &row);
    }
    sample_free(&sample);
}

static enum err_kind open_all(struct run *r, struct err *e)
{
    const struct run_settings *s = r->s;

    TRY(rows_open(&r->rows, s->path, s->kind, s->delimiter, e));
    if ((s->sample || s->loop) && !rows_is_file(r->rows))
        return err_set(e, ERR_INVALID,
                       "%s: %s needs a file that can be read more than once", s->name,
                       s->sample ? "--sample" : "--loop");
    TRY(read_header(r, e));
    r->rejects = (struct rejects){.name = s->name,
                                  .h = s->kind == ROWS_CSV ? &r->header : NULL,
                                  .most_shown = s->show};
    if (s->rejects != NULL && !is_over(r))
        TRY(rejects_open(&r->rejects, s->rejects, s->append_rejects, r->rows, e));
    parcel_begin(&r->parcel, r->header_line);
    return ERR_OK;
}

static uint64_t measure_of_progress(const struct run *r)
{
    if (r->s->count > 0)
        return r->s->count;
    return r->s->loop || r->s->sample ? 0 : rows_size(r->rows);
}

enum err_kind run_rows(struct run_totals *totals, const struct run_settings *s,
                       struct way *way, const volatile int *stop, struct err *e)
{
    struct run r = {.s = s, .t = totals};
    struct err lost = {0};

    *totals = (struct run_totals){0};
    r.sender = (struct sender){.way = way,
                               .name = s->name,
                               .batch_rows = s->batch_rows,
                               .batch_bytes = s->batch_bytes,
                               .patience_ms = s->patience_ms,
                               .rate = s->rate,
                               .quiet = s->quiet,
                               .to_dlq = s->to_dlq,
                               .stop = stop,
                               .t = totals,
                               .rejects = &r.rejects,
                               .progress = &r.progress};
    sender_begin(&r.sender);
    progress_begin(&r.progress, s->name, s->quiet);
    enum err_kind rc = open_all(&r, e);
    if (rc == ERR_OK && !is_over(&r)) {
        r.sender.whole = measure_of_progress(&r);
        if (s->from_line > totals->next_line)
            totals->next_line = s->from_line;
        if (s->sample)
            run_at_random(&r);
        else
            run_in_order(&r);
    }
    progress_wipe(&r.progress);
    if (rejects_close(&r.rejects, &lost) != ERR_OK) {
        fprintf(stderr, "%s: %s\n", s->name, lost.msg);
        if (totals->ending == ENDED)
            end(&r, FAILED, lost.msg);
    }
    totals->elapsed_ms = progress_elapsed_ms(&r.progress);
    sender_finish(&r.sender, &r.parcel);
    rows_close(r.rows);
    parcel_free(&r.parcel);
    arena_free(&r.arena);
    return rc;
}
