/* Reads the inputs of a merge, record by record, into one file. */
#include "loaders/stage_merge_inside.h"

#include "avro-core/canon.h"

#include <inttypes.h>
#include <stdio.h>

#define WINDOW (1 << 20) // read at once; what is larger goes past it
#define SPOOLED (1 << 20)
#define RUNS_FREE 8    // row groups that may be short for the order's sake
#define RUN_ROWS 16384 // of more than that each has so many rows, taken together

static enum err_kind fill(struct merge_file *f, uint64_t at, size_t n, struct err *e)
{
    buf_reset(&f->window);
    f->at = at;
    TRY(place_read(f->place, f->name, (int64_t)at, n < WINDOW ? WINDOW : n, &f->window,
                   e));
    TRY(buf_status(&f->window, e));
    if (f->window.n < n)
        return err_set(e, ERR_INTERNAL, "%.100s ends before byte %" PRIu64, f->name,
                       at + n);
    return ERR_OK;
}

static enum err_kind read_at(void *ctx, uint64_t at, uint8_t *to, size_t n,
                             struct err *e)
{
    struct merge_file *f = ctx;

    if (at < f->at || at + n > f->at + f->window.n)
        TRY(fill(f, at, n, e));
    memcpy(to, f->window.p + (at - f->at), n);
    return ERR_OK;
}

bool merge_is_bare(const char *format)
{
    const char *suffix = format_suffix(format);

    return strcmp(suffix, ".jsonl") == 0 || strcmp(suffix, ".csv") == 0;
}

enum err_kind merge_file_open(struct merge_file *f, const struct merging *m,
                              const struct swap_input *in, struct av_schema *schema,
                              struct err *e)
{
    struct format_options how = {0};
    struct place_entry there;
    struct format_source from = {read_at, f, (uint64_t)in->bytes};
    bool bare = merge_is_bare(m->o->format);

    *f = (struct merge_file){
        .place = m->o->place, .name = in->name, .window = BUF_INIT(SIZE_MAX / 4)};
    TRY(place_stat(f->place, in->name, &there, e));
    if (there.bytes != in->bytes)
        return err_set(e, ERR_INTERNAL, "%.100s has changed while we looked at it",
                       in->name);
    if (format_read(&f->reader, m->o->format, bare ? schema : NULL, &how, &from, e) !=
        ERR_OK)
        return err_prefix(e, "%.120s", in->name);
    return ERR_OK;
}

void merge_file_close(struct merge_file *f)
{
    format_reader_close(f->reader);
    buf_free(&f->window);
}

struct writing {
    struct merging *m;
    struct format_writer *writer;
    int64_t rows, bytes, whole;
    bool ordered; // the file says what its row groups are sorted by
    struct stage_order order;
    int64_t runs; // that ended
    bool torn;    // too many
};

bool merge_has_order(const struct merging *m, struct av_schema *schema)
{
    struct stage_order o;

    if (strcmp(format_suffix(m->o->to), ".parquet") != 0)
        return false;
    order_use(&o, schema);
    return o.envelope != 0;
}

static enum err_kind to_spool(void *ctx, struct span bytes, struct err *e)
{
    return spool_put(ctx, bytes, e);
}

/* Where the rows fall back, so that each row group is in order.  Short row groups cost
 * every reader more than the order is worth to some. */
static enum err_kind end_run(struct writing *w, struct err *e)
{
    w->torn = ++w->runs > RUNS_FREE && w->rows / w->runs < RUN_ROWS;
    if (w->torn)
        return err_set(e, ERR_CONFLICT, "%" PRId64 " rows in %" PRId64 " runs", w->rows,
                       w->runs);
    return format_cut(w->writer, e);
}

static enum err_kind copy_row(struct writing *w, const struct av_plan *plan,
                              struct span datum, struct err *e)
{
    bool falls = false;

    if (w->ordered)
        TRY(order_next(&w->order, plan, datum, &falls, e));
    if (falls)
        TRY(end_run(w, e));
    return format_append(w->writer, plan, datum, NULL, e);
}

static enum err_kind copy_rows(struct writing *w, struct merge_file *f,
                               const struct av_plan *plan, struct err *e)
{
    struct span datum;
    bool more = true;

    while (more) {
        TRY(format_next(f->reader, &datum, &more, e));
        if (!more)
            break;
        TRY(copy_row(w, plan, datum, e));
        if (++w->rows % 4096 == 0 && w->m->o->progress != NULL)
            w->m->o->progress(w->m->o->arg, w->rows, w->bytes, w->whole);
    }
    return ERR_OK;
}

static enum err_kind copy_file(struct writing *w, struct swap_input *in, struct err *e)
{
    struct merge_file f;
    struct av_plan *plan = NULL;
    int64_t before = w->rows;

    enum err_kind rc = merge_file_open(&f, w->m, in, w->m->schema, e);
    if (rc == ERR_OK)
        rc = av_plan_new(&plan, format_reader_schema(f.reader), w->m->schema, e);
    if (rc == ERR_OK && (rc = copy_rows(w, &f, plan, e)) != ERR_OK)
        err_prefix(e, "%.120s", in->name);
    av_plan_free(plan);
    merge_file_close(&f);
    w->bytes += in->bytes;
    in->rows = w->rows - before;
    return rc;
}

static enum err_kind copy_all(struct merging *m, struct writing *w, struct err *e)
{
    char seq[24];
    const struct format_note notes[] = {{"avrogate.topic", m->swap.topic},
                                        {"avrogate.merge", seq}};
    struct format_sort sort[ORDER_COLUMNS];
    struct format_options how = m->o->how;
    struct format_sink to = {to_spool, m->spool};

    snprintf(seq, sizeof seq, "%" PRId64, m->swap.seq);
    how.notes = notes;
    how.n_notes = sizeof notes / sizeof notes[0];
    if (w->ordered) {
        order_use(&w->order, m->schema);
        how.n_sort = order_columns(sort, w->order.envelope);
        how.sort = sort;
    }
    TRY(format_open(&w->writer, m->o->to, m->schema, &how, &to, e));
    for (size_t i = 0; i < m->swap.n; i++)
        w->whole += m->swap.inputs[i].bytes;
    for (size_t i = 0; i < m->swap.n; i++)
        TRY(copy_file(w, &m->swap.inputs[i], e));
    TRY(format_finish(w->writer, e));
    if (format_rows(w->writer) != (uint64_t)w->rows)
        return err_set(e, ERR_INTERNAL, "%" PRId64 " rows read, %" PRIu64 " written",
                       w->rows, format_rows(w->writer));
    if (spool_size(m->spool) == 0)
        return err_set(e, ERR_INVALID, "%.100s and what goes with it hold nothing",
                       m->swap.inputs[0].name);
    return ERR_OK;
}

static enum err_kind try_output(struct merging *m, struct writing *w, struct err *e)
{
    m->spool = spool_open(m->o->spool, SPOOLED);
    enum err_kind rc = copy_all(m, w, e);
    format_close(w->writer);
    if (rc == ERR_OK)
        return ERR_OK;
    spool_close(m->spool);
    m->spool = NULL;
    return rc;
}

/* Until it is whole it is nothing: a try that failed begins anew. */
static enum err_kind make_output(struct merging *m, struct err *e)
{
    struct writing w = {.m = m, .ordered = merge_has_order(m, m->schema)};

    enum err_kind rc = try_output(m, &w, e);
    if (rc != ERR_OK && w.torn) {
        w = (struct writing){.m = m};
        rc = try_output(m, &w, e);
    }
    if (rc != ERR_OK)
        return rc;
    spool_sha256(m->spool, m->sha256);
    m->swap.into = (struct stage_file){.final = m->final,
                                       .bytes = spool_size(m->spool),
                                       .rows = w.rows,
                                       .sha256 = m->sha256};
    return ERR_OK;
}

/* Two could win one claim where nothing refuses the second. */
static enum err_kind probe(struct merging *m, struct err *e)
{
    if (!m->probed)
        TRY(place_probe(m->o->place, e));
    m->probed = true;
    return ERR_OK;
}

/* So that whoever reads the output has it, though its format brings none. */
static enum err_kind store_schema(struct merging *m, struct err *e)
{
    struct buf printed = BUF_INIT(PLACE_CLAIM), found = BUF_INIT(PLACE_CLAIM);
    char name[STAGE_NAME], tmp[100];

    av_print_alone(&printed, m->schema);
    stage_schema_key(m->key, buf_span(&printed));
    stage_schema_name(name, m->key);
    merge_private_name(m, tmp);
    enum err_kind rc = buf_status(&printed, e);
    if (rc == ERR_OK)
        rc = place_claim(m->o->place, name, tmp, buf_span(&printed), &found, e);
    m->swap.schema = m->key;
    buf_free(&printed);
    buf_free(&found);
    return rc == ERR_CONFLICT ? err_set(e, ERR_INTERNAL, "%.100s holds another", name)
                              : rc;
}

enum err_kind merge_write(struct merging *m, struct err *e)
{
    char tmp[100];

    TRY(store_schema(m, e));
    TRY(probe(m, e));
    if (m->spool == NULL)
        TRY(make_output(m, e));
    struct place_bytes bytes = spool_bytes(m->spool);
    merge_private_name(m, tmp);
    TRY(place_write(m->o->place, tmp, m->final, &bytes, &m->ticket, e));
    m->swap.into.ticket = buf_span(&m->ticket);
    return buf_status(&m->ticket, e);
}
