/* Gathering: a batch's records into the files of its partition's open range. */
#include "loaders/sink_files_inside.h"

#include "avro-core/canon.h"
#include "avro-core/put.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/log.h"
#include "loaders/stage_order.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

/* --- ranges and files ------------------------------------------------------------- */

static void free_window(struct files_window *w)
{
    if (w == NULL)
        return;
    format_close(w->writer);
    spool_close(w->spool);
    buf_free(&w->ticket);
    buf_free(&w->runs);
    free(w->dir);
    free(w);
}

void files_forget(const struct files *f, struct files_range *r)
{
    for (size_t i = 0; i < r->n_windows; i++)
        free_window(r->windows[i]);
    free_window(r->rejects);
    free_window(r->aside);
    free_window(r->seen);
    r->n_windows = 0;
    r->last = r->rejects = r->aside = r->seen = NULL;
    r->loaded = r->rejected = r->duplicate = r->filtered = r->bytes = 0;
    r->quarantined = 0;
    files_forget_rules(f, r);
    r->n_ids = r->runs = r->n_keys = 0;
    arena_reset(&r->keys_a);
    r->sealed = false;
    r->end = r->stage.next;
    buf_reset(&r->body);
}

void files_free_range(const struct files *f, struct files_range *r)
{
    files_forget(f, r);
    free(r->windows);
    free(r->keys);
    arena_free(&r->keys_a);
    files_free_rules(r);
    buf_free(&r->body);
    arena_free(&r->theirs_a);
    free(r);
}

static struct files_range *range_of(struct files *f, int32_t partition)
{
    struct files_range *r = f->ranges;

    while (r != NULL && r->partition != partition)
        r = r->link;
    if (r != NULL)
        return r;
    r = mem_alloc(sizeof *r);
    r->partition = partition;
    r->body = BUF_INIT(PLACE_CLAIM);
    files_open_rules(f, r);
    r->link = f->ranges;
    return f->ranges = r;
}

/* Ours still, and the range that goes with the batch's epoch. */
static enum err_kind find_range(struct files *f, const struct batch *b,
                                struct files_range **out, struct err *e)
{
    pthread_mutex_lock(&f->lock);
    const struct files_part *p = files_part(f, b->partition);
    bool mine = p != NULL && p->epoch == b->epoch;
    int64_t next = mine ? p->next : 0, count = mine ? p->count : 0;
    pthread_mutex_unlock(&f->lock);
    if (!mine)
        return err_set(e, ERR_CONFLICT, "%s/%" PRId32 " is another epoch's", b->topic,
                       b->partition);
    struct files_range *r = range_of(f, b->partition);
    if (r->epoch != b->epoch) {
        TRY(files_recall(f, r, next, e));
        r->stage = (struct stage){.phase = STAGE_READY, .next = next};
        files_forget(f, r);
        r->epoch = b->epoch;
        r->count = count;
        r->report.any = false;
        r->last_first = r->last_next = -1;
    }
    *out = r;
    return ERR_OK;
}

static enum err_kind to_spool(void *ctx, struct span bytes, struct err *e)
{
    return spool_put(ctx, bytes, e);
}

static enum err_kind open_writer(struct files *f, const struct files_range *r,
                                 struct files_window *w, struct err *e)
{
    char partition[16], first[24], id[16];
    struct format_note notes[] = {
        {"avrogate.topic", f->o.topic},
        {"avrogate.partition", partition},
        {"avrogate.first_offset", first},
        {"avrogate.schema_id", id},
    };
    struct format_sort order[ORDER_COLUMNS];
    struct format_options how = f->o.how;
    struct format_sink to = {to_spool, w->spool};

    snprintf(partition, sizeof partition, "%" PRId32, r->partition);
    snprintf(first, sizeof first, "%" PRId64, r->stage.next);
    snprintf(id, sizeof id, "%" PRId32, f->schema_id);
    how.notes = notes;
    how.n_notes = sizeof notes / sizeof notes[0] - (f->schema_id == 0);
    how.n_sort = order_columns(order, f->o.envelope); // so a partition's records come
    how.sort = order;
    if (how.row_group_bytes == 0)
        how.row_group_bytes = (size_t)f->o.memory / 4;
    return format_open(&w->writer, f->o.format, f->reader, &how, &to, e);
}

static enum err_kind new_window(struct files *f, struct files_range *r, struct span dir,
                                struct files_window **out, struct err *e)
{
    struct files_window *w = mem_alloc(sizeof *w);

    w->dir = mem_str(dir);
    w->ticket = BUF_INIT(PLACE_CLAIM);
    w->runs = BUF_INIT(RUNS_MOST);
    w->ended = w->run_at = r->stage.next;
    w->spool = spool_open(f->o.spool, SPOOL_MEMORY);
    if (open_writer(f, r, w, e) != ERR_OK) {
        free_window(w);
        return e->kind;
    }
    r->windows = mem_grow(r->windows, r->n_windows + 1, sizeof(struct files_window *));
    r->windows[r->n_windows++] = w;
    *out = w;
    return ERR_OK;
}

static enum err_kind window_of(struct files *f, struct files_range *r, struct span dir,
                               struct files_window **out, struct err *e)
{
    if (r->last != NULL && span_eq(dir, span_str(r->last->dir))) {
        *out = r->last;
        return ERR_OK;
    }
    for (size_t i = 0; i < r->n_windows; i++)
        if (span_eq(dir, span_str(r->windows[i]->dir))) {
            *out = r->last = r->windows[i];
            return ERR_OK;
        }
    TRY(new_window(f, r, dir, out, e));
    r->last = *out;
    return ERR_OK;
}

/* --- what cannot be staged -------------------------------------------------------- */

static void put_bytes(struct buf *out, const char *name, struct span x)
{
    if (x.p == NULL) {
        buf_printf(out, ",\"%s\":null", name);
        return;
    }
    buf_printf(out, ",\"%s\":\"", name);
    put_base64(out, x);
    buf_put_u8(out, '"');
}

static void put_named(struct buf *out, const char *name, const char *text)
{
    if (text[0] == '\0')
        return;
    buf_printf(out, ",\"%s\":", name);
    json_put_string(out, span_str(text));
}

static void put_reject(struct buf *out, const struct record *r,
                       const struct sifted *got, const struct err *why)
{
    struct buf clean = BUF_INIT(4096);

    etl_put_clean(&clean, span_str(why->msg));
    buf_printf(out, "{\"offset\":%" PRId64 ",\"time_ms\":%" PRId64 ",\"stage\":\"%s\"",
               r->offset, r->timestamp_ms, got->stage);
    put_named(out, "rule", got->rule);
    put_named(out, "pointer", got->pointer);
    buf_put_str(out, ",\"error\":");
    json_put_string(out, buf_span(&clean));
    if (got->id >= 0)
        buf_printf(out, ",\"schema_id\":%" PRId32, got->id);
    put_bytes(out, "key", r->key);
    put_bytes(out, "value", r->value);
    buf_put_str(out, "}\n");
    buf_free(&clean);
}

static enum err_kind set_aside(struct files *f, struct files_range *r,
                               const struct record *rec, const struct sifted *got,
                               const struct err *why, struct err *e)
{
    struct buf line = BUF_INIT(SIZE_MAX);
    struct files_window *w = files_lines(f, &r->rejects, "_rejects");

    put_reject(&line, rec, got, why);
    enum err_kind rc = spool_put(w->spool, buf_span(&line), e);
    buf_free(&line);
    w->rows++;
    r->rejected++;
    return rc;
}

static enum err_kind check_share(const struct files *f, const struct batch *b,
                                 int64_t bad, const struct err *last, struct err *e)
{
    if ((int64_t)f->run_rejected <= f->o.reject_floor ||
        (double)bad * 100 <= f->o.reject_limit * (double)b->n)
        return ERR_OK;
    return err_set(e, ERR_LIMIT,
                   "stopped: %" PRId64
                   " of %zu records of this batch cannot be staged, "
                   "more than reject_limit %g %%; the last: %.100s",
                   bad, b->n, f->o.reject_limit, last->msg);
}

/* What is known of the run goes to the others. */
void files_end_run(struct files_range *r, struct files_window *w)
{
    size_t before = w->runs.n;

    if (w->run == 0)
        return;
    if (r->runs < RUNS_MOST)
        stage_runs_put(&w->runs, w->run_at - w->ended, w->run);
    r->runs += w->runs.n - before;
    w->ended = w->run_at + w->run;
    w->run = 0;
}

/* --- records ---------------------------------------------------------------------- */

static void note_id(struct files_range *r, int32_t id)
{
    if (r->n_ids > 0 && r->ids[r->n_ids - 1] == id)
        return;
    for (size_t i = 0; i < r->n_ids; i++)
        if (r->ids[i] == id)
            return;
    if (r->n_ids < STAGE_IDS)
        r->ids[r->n_ids++] = id;
}

static void note_offset(struct files_range *r, struct files_window *w, int64_t offset)
{
    if (offset == w->run_at + w->run) {
        w->run++;
        return;
    }
    files_end_run(r, w);
    w->run_at = offset;
    w->run = 1;
}

/* A tombstone is a row too, where an envelope says so: of no field. */
static bool is_deletion(const struct files *f, const struct record *rec)
{
    return rec->value.p == NULL && (f->o.envelope & ENVELOPE_DELETED);
}

static enum err_kind find_row(struct files *f, struct files_range *r, struct sift *sift,
                              const struct record *rec, struct sifted *got,
                              struct err *why, struct err *e)
{
    if (is_deletion(f, rec)) {
        *got =
            (struct sifted){.id = -1, .stage = "tombstone", .rule = "", .pointer = ""};
        return files_note_key(f, r, sift, rec, why, e);
    }
    TRY(sift_find(sift, rec, got, why));
    note_id(r, got->id);
    return ERR_OK;
}

static enum err_kind append(struct files *f, const struct files_range *r,
                            struct files_window *w, const struct record *rec,
                            const struct sifted *got, struct err *why)
{
    struct envelope_row row = {.plan = got->plan, .datum = got->datum};

    if (f->envelope != NULL)
        TRY(envelope_put(f->envelope, rec, r->partition, got->plan, got->datum, &row,
                         why));
    return format_append(w->writer, row.plan, row.datum, &row.lim, why);
}

/* ERR_INVALID, ERR_LIMIT: it is to be set aside, and *why says so instead of *e. */
static enum err_kind add_record(struct files *f, struct files_range *r,
                                struct sift *sift, const struct record *rec,
                                struct sifted *got, struct err *why, struct err *e)
{
    struct files_window *w = NULL;

    TRY(find_row(f, r, sift, rec, got, why, e));
    r->filtered += got->fate == SIFT_FILTERED;
    r->duplicate += got->fate == SIFT_REPEATED;
    if (got->fate == SIFT_ASIDE)
        return files_put_aside(f, r, rec, got, why, e);
    if (got->fate == SIFT_STOP)
        return files_stop(f, r, rec, got, e);
    if (got->fate != SIFT_ROW)
        return ERR_OK;
    buf_reset(&f->dir);
    TRY(windows_of(&f->windows, got->plan, got->datum, rec->timestamp_ms, &f->dir,
                   why));
    TRY(buf_status(&f->dir, why));
    enum err_kind rc = window_of(f, r, buf_span(&f->dir), &w, e);
    if (rc != ERR_OK)
        return ERR_INTERNAL; // *e tells: not this record's fault
    rc = append(f, r, w, rec, got, why);
    if (rc == ERR_OK) {
        w->rows++;
        note_offset(r, w, rec->offset);
        r->loaded++;
    } else if (!err_blames_input(rc)) {
        *e = *why;
        return ERR_INTERNAL;
    }
    return rc;
}

/* Cuts the batch behind its i-th record. */
static void end_at(struct batch *b, size_t i)
{
    b->n = i + 1;
    b->next = b->records[i].offset + 1;
    b->mark = -1; // of another record, where the batch brought one
    b->bytes = 0;
    for (size_t k = 0; k < b->n; k++)
        b->bytes +=
            b->records[k].key.n + b->records[k].value.n + b->records[k].headers.n;
}

/* Bytes are asked for now and then: there may be many files to ask. */
static bool is_enough(const struct files *f, const struct files_range *r, size_t i)
{
    return r->loaded + r->rejected + r->quarantined >= f->o.rotate_rows ||
           r->n_windows >= DIRS_MOST || (i % 1024 == 0 && files_is_full(f, r));
}

/* As many as a range may have: *b is cut to them. */
static enum err_kind add_all(struct files *f, struct files_range *r, struct batch *b,
                             struct sift *sift, struct err *e)
{
    struct err why = {0};
    int64_t bad = r->rejected;

    for (size_t i = 0; i < b->n; i++) {
        if (i > 0 && is_enough(f, r, i)) {
            end_at(b, i - 1);
            break;
        }
        struct sifted got = {.id = -1, .stage = "crash", .rule = "", .pointer = ""};
        enum err_kind rc =
            b->undecoded
                ? err_set(&why, ERR_INVALID, "the loader died of it: not looked at")
                : add_record(f, r, sift, &b->records[i], &got, &why, e);
        if (rc == ERR_OK)
            continue;
        if (!err_blames_input(rc))
            return e->kind;
        f->run_rejected++;
        TRY(set_aside(f, r, &b->records[i], &got, &why, e));
    }
    return check_share(f, b, r->rejected - bad, &why, e);
}

static void note_batch(struct files_range *r, const struct batch *b)
{
    if (r->end == r->stage.next) {
        r->opened_ms = clock_ms();
        r->started_ms = wall_ms();
    }
    r->end = b->next;
    r->bytes += (int64_t)b->bytes;
    r->mark = batch_mark(b);
}

/* Part of the batch may be in the files: what is gathered is given up, and with it the
 * claim to what follows; it will be read again. */
static enum err_kind give_up(struct files *f, struct files_range *r, struct err *e)
{
    files_forget(f, r);
    r->end = -1; // nothing follows this
    if (e->kind == ERR_LIMIT || e->kind == ERR_INVALID)
        return e->kind; // a person must act
    log_err(LOG_WARN, "what was gathered is given up, and read again", e);
    return e->kind = ERR_CONFLICT;
}

enum err_kind files_write(struct sink *s, const struct batch *b, struct sift *sift,
                          struct receipt *out, struct err *e)
{
    struct files *f = files_of(s);
    struct files_range *r = NULL;

    *out = (struct receipt){0};
    TRY(find_range(f, b, &r, e));
    if (b->first == r->last_first && b->next == r->last_next) {
        *out = r->last_receipt;
        out->again = true;
        return ERR_OK;
    }
    f->schema_id = sift_reader_id(sift);
    if (b->first != r->end)
        return err_set(e, ERR_CONFLICT,
                       "%s/%" PRId32 ": batch of %" PRId64 ", wanted %" PRId64,
                       b->topic, b->partition, b->first, r->end);
    struct batch taken = *b;
    files_begin_rules(r, b, sift);
    if (add_all(f, r, &taken, sift, e) != ERR_OK)
        return give_up(f, r, e);
    files_step_rules(r, &taken);
    note_batch(r, &taken);
    out->held = true;
    out->part = taken.n < b->n ? taken.n : 0;
    return ERR_OK;
}

/* --- the schema ------------------------------------------------------------------- */

static enum err_kind no_bytes(void *ctx, struct span bytes, struct err *e)
{
    (void)ctx, (void)bytes, (void)e;
    return ERR_OK;
}

static enum err_kind try_format(const struct files *f, struct av_schema *reader,
                                struct err *e)
{
    struct format_writer *w;
    struct format_sink nowhere = {no_bytes, NULL};

    TRY(format_open(&w, f->o.format, reader, &f->o.how, &nowhere, e));
    format_close(w);
    return ERR_OK;
}

static void name_schema(char key[STAGE_SCHEMA], struct av_schema *schema)
{
    struct buf printed = BUF_INIT(PLACE_CLAIM);

    av_print_alone(&printed, schema);
    stage_schema_key(key, buf_span(&printed));
    buf_free(&printed);
}

/* From now on. */
static void use_shape(struct files *f, struct av_schema *value,
                      struct envelope *envelope, const struct windows *w)
{
    struct av_schema *file = envelope != NULL ? envelope_schema(envelope) : value;

    av_schema_retain(file);
    av_schema_retain(value);
    av_schema_release(f->reader);
    av_schema_release(f->value);
    envelope_free(f->envelope);
    f->reader = file;
    f->value = value;
    f->envelope = envelope;
    name_schema(f->schema, file);
    name_schema(f->value_key, value);
    f->schema_there = false;
    f->windows = *w;
}

static enum err_kind try_shape(const struct files *f, struct av_schema *value,
                               struct envelope **envelope, struct windows *w,
                               struct err *e)
{
    *envelope = NULL;
    if (f->o.envelope != 0)
        TRY(envelope_new(envelope, value, f->o.envelope, e));
    TRY(try_format(f, *envelope != NULL ? envelope_schema(*envelope) : value, e));
    return windows_use(w, value, e);
}

static enum err_kind end_old(struct files *f, struct err *e)
{
    for (struct files_range *r = f->ranges; r != NULL; r = r->link)
        if (r->end > r->stage.next && !r->report.any)
            TRY(files_rotate(f, r, e));
    return ERR_OK;
}

/* A file has one schema: what is open under the old one is staged first. */
enum err_kind files_shape(struct sink *s, struct av_schema *reader, struct err *e)
{
    struct files *f = files_of(s);
    struct windows w = f->windows;
    struct envelope *envelope;

    enum err_kind rc = try_shape(f, reader, &envelope, &w, e);
    // what is not installed is a person's business: waiting does not bring it
    if (rc == ERR_UNAVAILABLE)
        rc = e->kind = ERR_INVALID;
    if (rc == ERR_OK)
        rc = end_old(f, e);
    if (rc == ERR_OK)
        use_shape(f, reader, envelope, &w);
    else
        envelope_free(envelope);
    return rc;
}
