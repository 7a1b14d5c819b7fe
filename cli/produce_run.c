#include "cli/produce_run.h"

#include "base/clock.h"
#include "cli/produce_sample.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define BURST_US 1000000 // how far behind its rate it may fall and still catch up
#define NOTE_MS 5000     // between two notes that it waits
#define FIRST_PAUSE_MS 200
#define LAST_PAUSE_MS 5000
#define OWN_COLUMNS 2 // of a file of rejects

struct run {
    const struct run_settings *s;
    struct run_totals *t;
    struct way *way;
    const volatile int *stop;

    struct rows *rows;
    struct arena arena; // the header's texts
    struct header header;
    struct span header_line; // as it is sent
    bool own_columns;        // the file is one of rejects: its last columns are ours

    struct parcel parcel;
    size_t most_rows, most_bytes; // of a request, as far as we have learned
    struct rejects rejects;
    struct progress progress;
    uint64_t done, whole; // for the progress
    int64_t due_us;       // when the next row may go
    int64_t noted_ms;
};

static bool is_over(const struct run *r)
{
    return r->t->ending != GOING;
}

static void end(struct run *r, enum ending ending, const char *why)
{
    r->t->ending = ending;
    snprintf(r->t->why, sizeof r->t->why, "%s", why);
}

/* True when somebody wants it to stop; then it is over. */
static bool is_interrupted(struct run *r)
{
    if (*r->stop != 0 && !is_over(r))
        end(r, INTERRUPTED, "");
    return is_over(r);
}

/* Sleeps until `at_us`; a signal ends it early. */
static void sleep_until(struct run *r, int64_t at_us)
{
    while (!is_interrupted(r) && clock_us() < at_us) {
        int64_t left = at_us - clock_us();
        if (left > 100000)
            left = 100000; // a signal between the question and the sleep costs this
        if (left > 0)
            nanosleep(&(struct timespec){.tv_nsec = left * 1000}, NULL);
        progress_show(&r->progress, r->t->read, r->t->refused, r->done, r->whole);
    }
}

/* ---- what became of a parcel ---- */

static void take_refused_row(struct run *r, size_t row, const struct verdict *v,
                             size_t *next)
{
    const struct parcel_row *at = &r->parcel.rows[row];
    struct refusal none = {
        .row = row,
        .rule = span_str("refused"),
        .message = span_str("refused; the reason was not given, for more is wrong in "
                            "this request than is listed (a smaller --batch helps)")};
    size_t n = 0;

    while (*next + n < v->n_refusals && v->refusals[*next + n].row == row)
        n++;
    progress_wipe(&r->progress);
    rejects_take(&r->rejects, parcel_row_text(&r->parcel, row), at->line, at->at,
                 n > 0 ? &v->refusals[*next] : &none, n > 0 ? n : 1);
    *next += n;
}

/* Counts the rows by fate, and tells of the refused. */
static void account(struct run *r, const struct verdict *v)
{
    size_t next = 0;

    for (size_t i = 0; i < v->n; i++) {
        while (next < v->n_refusals && v->refusals[next].row < i)
            next++;
        switch (v->fates[i]) {
        case FATE_WRITTEN: r->t->written++; break;
        case FATE_UNKNOWN: r->t->unknown++; break;
        case FATE_NOT_WRITTEN: r->t->not_written++; break;
        case FATE_REFUSED:
            r->t->refused++;
            take_refused_row(r, i, v, &next);
            break;
        }
    }
}

/* The first n rows are settled. */
static void settle(struct run *r, size_t n)
{
    r->t->bytes += parcel_body(&r->parcel, n).n - r->parcel.head;
    r->t->next_line = r->parcel.rows[n - 1].next_line;
    parcel_drop(&r->parcel, n);
}

static void leave_in_doubt(struct run *r, size_t n, const struct verdict *v)
{
    account(r, v);
    r->t->doubt_from = r->parcel.rows[0].line;
    r->t->doubt_until = r->parcel.rows[n - 1].next_line - 1;
    parcel_drop(&r->parcel, n);
    end(r, IN_DOUBT, v->why);
}

/* Too large for the other side: from now on smaller; a row alone is refused. */
static void make_smaller(struct run *r, size_t n, struct verdict *v)
{
    if (n > 1) {
        r->most_rows = n / 2;
        r->most_bytes = parcel_body(&r->parcel, n).n / 2;
        return;
    }
    struct refusal too_large = {.rule = span_str("size"), .message = span_str(v->why)};
    v->fates[0] = FATE_REFUSED;
    v->refusals = &too_large;
    v->n_refusals = 1;
    account(r, v);
    settle(r, 1);
}

/* Nothing was written.  Waits, or gives up; `since` is the first failure in a row. */
static void wait_to_try_again(struct run *r, const struct verdict *v, int64_t since,
                              int64_t *pause)
{
    int64_t now = clock_ms(), wait = v->after_ms > *pause ? v->after_ms : *pause;

    if (now - since + wait > r->s->patience_ms) {
        end(r, FAILED, v->why);
        return;
    }
    if (!r->s->quiet && (r->noted_ms < since || now - r->noted_ms > NOTE_MS)) {
        progress_wipe(&r->progress);
        fprintf(stderr, "%s:%llu: nothing written, trying again: %s\n", r->s->name,
                (unsigned long long)r->parcel.rows[0].line, v->why);
        r->noted_ms = now;
    }
    *pause = *pause * 2 < LAST_PAUSE_MS ? *pause * 2 : LAST_PAUSE_MS;
    sleep_until(r, clock_us() + wait * 1000);
}

/* Sends the first n rows until they are settled, must be fewer, or it is over. */
static void deliver(struct run *r, size_t n)
{
    int64_t since = clock_ms(), pause = FIRST_PAUSE_MS;
    bool again = true;

    while (again && !is_over(r)) {
        struct verdict v;
        verdict_begin(&v, n);
        r->way->ops->send(r->way, &r->parcel, n, &v);
        again = v.kind == VERDICT_AGAIN;
        switch (v.kind) {
        case VERDICT_DONE:
            account(r, &v);
            settle(r, n);
            break;
        case VERDICT_AGAIN: wait_to_try_again(r, &v, since, &pause); break;
        case VERDICT_SPLIT: make_smaller(r, n, &v); break;
        case VERDICT_STOP:
            account(r, &v);
            parcel_drop(&r->parcel, n);
            end(r, FAILED, v.why);
            break;
        case VERDICT_DOUBT: leave_in_doubt(r, n, &v); break;
        }
        verdict_free(&v);
    }
}

/* Rows go when their rate lets them; what was missed by more than a second is not
 * made up for. */
static void keep_pace(struct run *r, size_t n)
{
    if (r->s->rate <= 0)
        return;
    int64_t now = clock_us();
    if (r->due_us < now - BURST_US)
        r->due_us = now;
    sleep_until(r, r->due_us);
    r->due_us += (int64_t)((double)n * 1e6 / r->s->rate);
}

static void flush(struct run *r)
{
    while (r->parcel.n > 0 && !is_interrupted(r)) {
        size_t n = parcel_fits(&r->parcel, r->most_rows, r->most_bytes);
        keep_pace(r, n);
        if (is_over(r))
            return;
        deliver(r, n);
        progress_show(&r->progress, r->t->read, r->t->refused, r->done, r->whole);
    }
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
    r->done = r->s->count > 0 ? r->t->read : row->offset + row->text.n;
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

    if (p->n >= r->most_rows || (p->n > 0 && p->body.n + text.n + 1 > r->most_bytes))
        flush(r);
    if (is_over(r))
        return;
    parcel_add(&r->parcel, text, row->line, row->next_line);
    r->t->read++;
    note_done(r, row);
    if (r->parcel.n >= r->most_rows)
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
    if (!is_over(r))
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

static void run_at_random(struct run *r)
{
    struct sample sample;
    struct row row;
    struct err e = {0};

    sample_begin(&sample, 0, (uint64_t)wall_ms() * 1000003 + (uint64_t)getpid());
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
    struct run r = {.s = s, .t = totals, .way = way, .stop = stop};
    struct err lost = {0};

    *totals = (struct run_totals){0};
    r.most_rows = s->batch_rows;
    r.most_bytes = s->batch_bytes;
    progress_begin(&r.progress, s->name, s->quiet);
    enum err_kind rc = open_all(&r, e);
    if (rc == ERR_OK && !is_over(&r)) {
        r.whole = measure_of_progress(&r);
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
    totals->read -= r.parcel.n; // read ahead, and never sent
    rows_close(r.rows);
    parcel_free(&r.parcel);
    arena_free(&r.arena);
    return rc;
}
