/*
 * Parquet: batches of columns, handed to Arrow's writer as they lie.
 */
#include "avro-core/canon.h"
#include "base/mem.h"
#include "format/columns.h"
#include "format/format_inside.h"
#include "format/library.h"
#include "format/parquet_reader.h"

#include <stdio.h>
#include <stdlib.h>

#define BATCH_ROWS 16384               // a batch of columns stays in the second cache
#define BATCH_BYTES ((size_t)4 << 20)  // of Avro
#define COLUMN_BYTES ((size_t)1 << 30) // of one batch; beyond, a record is refused
#define GROUP_ROWS ((size_t)1 << 20)
#define GROUP_BYTES ((size_t)64 << 20)
#define ROUTES 64 // kept; a topic has fewer writers' schemas
#define SCHEMA_MOST ((size_t)4 << 20)

struct parquet_writer {
    struct format_writer base;
    const struct pq_abi *pq;
    struct pq_writer *file;
    struct columns *columns;
    struct route *routes[ROUTES]; // the one used last stands first
    size_t n_routes;
    size_t batch_bytes; // of Avro
    size_t batch_rows;  // so many are a batch
    size_t group_rows, group_bytes, group_most, group_rows_most;
    uint64_t packed_from, waiting; // bytes of columns: all that went, since it came out
    struct err sink_said;          // the sink's own words
    bool broken;
};

static struct parquet_writer *as_writer(struct format_writer *w)
{
    return (struct parquet_writer *)w;
}

static int on_write(void *ctx, const void *bytes, size_t n)
{
    struct parquet_writer *w = ctx;

    if (w->broken || format_put(&w->base, span_of(bytes, n), &w->sink_said) != ERR_OK) {
        w->broken = true;
        return -1;
    }
    return 0;
}

/* What Arrow says is about our columns, so it is our fault, unless the sink failed. */
static enum err_kind failed(struct parquet_writer *w, int rc, const char *why,
                            struct err *e)
{
    w->broken = true;
    if (rc == PQ_IO && w->sink_said.kind != ERR_OK) {
        *e = w->sink_said;
        return e->kind;
    }
    return err_set(e, ERR_INTERNAL, "parquet: %.200s", why);
}

static void parquet_close(struct format_writer *base)
{
    struct parquet_writer *w = as_writer(base);

    w->broken = true; // closing what is not finished writes nothing more
    if (w->file != NULL)
        w->pq->close(w->file);
    for (size_t i = 0; i < w->n_routes; i++)
        route_free(w->routes[i]);
    columns_free(w->columns);
    free(w);
}

/* ---- opening ---- */

static struct pq_sort *sort_of(const struct format_options *o)
{
    struct pq_sort *sort = mem_array(o->n_sort, sizeof *sort);

    for (size_t i = 0; i < o->n_sort; i++)
        sort[i] = (struct pq_sort){o->sort[i].column, o->sort[i].descending,
                                   o->sort[i].nulls_first};
    return sort;
}

static enum err_kind open_file(struct parquet_writer *w, const struct format_options *o,
                               struct err *e)
{
    struct pq_sort *sort = sort_of(o);
    struct ArrowSchema schema;
    char why[PQ_WHY];
    struct pq_options how = {
        .codec = o->codec != NULL ? o->codec : "zstd",
        .level = o->level,
        .row_group_rows = (int64_t)w->group_rows_most,
        .bloom = o->bloom,
        .n_bloom = o->n_bloom,
        .sort = sort,
        .n_sort = o->n_sort,
        .no_dictionary = o->no_dictionary,
        .no_statistics = o->no_statistics,
        .no_page_index = o->no_page_index,
        .created_by = "avrogate version " AVROGATE_VERSION,
    };

    columns_schema(w->columns, &schema);
    int rc = w->pq->open(&w->file, &schema, &how, on_write, w, why);
    free(sort);
    if (rc != 0)
        return err_set(e, ERR_INVALID, "parquet: %.200s", why);
    return ERR_OK;
}

static enum err_kind add_note(struct parquet_writer *w, const char *key,
                              const char *value, struct err *e)
{
    char why[PQ_WHY];

    if (w->pq->note(w->file, key, value, why) != 0)
        return err_set(e, ERR_INTERNAL, "note %.80s: %.140s", key, why);
    return ERR_OK;
}

/* As parquet-avro does, so that who reads the file has the schema again. */
static enum err_kind add_schema(struct parquet_writer *w, const struct av_schema *s,
                                struct err *e)
{
    struct buf text = BUF_INIT(SCHEMA_MOST);

    av_print_alone(&text, s);
    buf_put_u8(&text, 0);
    enum err_kind k = buf_status(&text, e);
    if (k == ERR_OK)
        k = add_note(w, "avro.schema", (const char *)text.p, e);
    buf_free(&text);
    return k;
}

static enum err_kind add_notes(struct parquet_writer *w, const struct av_schema *s,
                               const struct format_options *o, struct err *e)
{
    TRY(add_schema(w, s, e));
    for (size_t i = 0; i < o->n_notes; i++)
        TRY(add_note(w, o->notes[i].key, o->notes[i].value, e));
    return ERR_OK;
}

static enum err_kind start(struct parquet_writer *w, struct av_schema *s,
                           const struct format_options *o, struct err *e)
{
    TRY(library_open(&w->pq, e));
    TRY(columns_new(&w->columns, s, COLUMN_BYTES, o->uuids, e));
    TRY(open_file(w, o, e));
    return add_notes(w, s, o, e);
}

/* A batch never goes over the end of a row group. */
static size_t rows_of_next(const struct parquet_writer *w)
{
    size_t left = w->group_rows < w->group_rows_most
                      ? w->group_rows_most - w->group_rows
                      : w->group_rows_most;

    return left < BATCH_ROWS ? left : BATCH_ROWS;
}

static enum err_kind parquet_open(struct format_writer **out, struct av_schema *s,
                                  const struct format_options *o,
                                  const struct format_sink *to, struct err *e)
{
    struct parquet_writer *w = mem_alloc(sizeof *w);

    w->base.to = *to;
    w->group_rows_most = o->row_group_rows > 0 ? o->row_group_rows : GROUP_ROWS;
    w->group_most = o->row_group_bytes > 0 ? o->row_group_bytes : GROUP_BYTES;
    w->batch_rows = rows_of_next(w);
    enum err_kind k = start(w, s, o, e);
    if (k != ERR_OK) {
        parquet_close(&w->base);
        return k;
    }
    *out = &w->base;
    return ERR_OK;
}

/* ---- rows ---- */

static void move_to_front(struct parquet_writer *w, size_t i)
{
    struct route *r = w->routes[i];

    memmove(&w->routes[1], &w->routes[0], i * sizeof *w->routes);
    w->routes[0] = r;
}

static enum err_kind find_route(struct parquet_writer *w, const struct av_plan *plan,
                                struct err *e)
{
    struct route *r;

    for (size_t i = 0; i < w->n_routes; i++)
        if (route_plan(w->routes[i]) == av_plan_id(plan)) {
            if (i > 0)
                move_to_front(w, i);
            return ERR_OK;
        }
    TRY(route_new(&r, w->columns, plan, e));
    if (w->n_routes == ROUTES)
        route_free(w->routes[--w->n_routes]);
    w->routes[w->n_routes] = r;
    move_to_front(w, w->n_routes++);
    return ERR_OK;
}

/* The batch to Arrow.  A row group ends where its columns were so many bytes. */
static enum err_kind write_batch(struct parquet_writer *w, struct err *e)
{
    size_t rows = columns_rows(w->columns), bytes = columns_bytes(w->columns);
    bool new_group = w->group_rows > 0 && (w->group_bytes >= w->group_most ||
                                           w->group_rows >= w->group_rows_most);
    uint64_t before = w->base.bytes;
    struct ArrowArray batch;
    char why[PQ_WHY];

    if (rows == 0)
        return ERR_OK;
    if (new_group)
        w->group_rows = w->group_bytes = 0;
    columns_export(w->columns, &batch);
    int rc = w->pq->write(w->file, &batch, new_group, why);
    if (rc != 0)
        return failed(w, rc, why, e);
    w->group_rows += rows;
    w->group_bytes += bytes;
    if (w->base.bytes > before) { // a group went out, and this batch began another
        w->packed_from += w->waiting;
        w->waiting = 0;
    }
    w->waiting += bytes;
    w->batch_bytes = 0;
    w->batch_rows = rows_of_next(w);
    columns_reset(w->columns);
    return ERR_OK;
}

static enum err_kind parquet_append(struct format_writer *base,
                                    const struct av_plan *plan, struct span datum,
                                    const struct av_decode_limits *lim, struct err *e)
{
    struct parquet_writer *w = as_writer(base);

    if (w->n_routes == 0 || route_plan(w->routes[0]) != av_plan_id(plan))
        TRY(find_route(w, plan, e));
    TRY(columns_append(w->columns, w->routes[0], plan, datum, lim, e));
    w->batch_bytes += datum.n;
    if (columns_rows(w->columns) < w->batch_rows && w->batch_bytes < BATCH_BYTES)
        return ERR_OK;
    return write_batch(w, e);
}

/* The group is as full as it may be, whatever it holds. */
static enum err_kind parquet_cut(struct format_writer *base, struct err *e)
{
    struct parquet_writer *w = as_writer(base);

    TRY(write_batch(w, e));
    if (w->group_rows > 0)
        w->group_rows = w->group_rows_most;
    w->batch_rows = rows_of_next(w);
    return ERR_OK;
}

/* What waits will be packed as what went out was; before that nobody knows. */
static uint64_t parquet_waiting(const struct format_writer *base)
{
    const struct parquet_writer *w = (const struct parquet_writer *)base;
    double ratio =
        w->packed_from > 0 ? (double)w->base.bytes / (double)w->packed_from : 1;
    uint64_t open = columns_bytes(w->columns);

    return (uint64_t)((double)(w->waiting + open) * ratio);
}

static bool parquet_note(struct format_writer *base, const char *key, const char *value)
{
    struct err ignored;

    return add_note(as_writer(base), key, value, &ignored) == ERR_OK;
}

static enum err_kind parquet_finish(struct format_writer *base, struct err *e)
{
    struct parquet_writer *w = as_writer(base);
    char why[PQ_WHY];

    TRY(write_batch(w, e));
    int rc = w->pq->finish(w->file, why);
    return rc == 0 ? ERR_OK : failed(w, rc, why, e);
}

const struct format_ops format_parquet = {
    .name = "parquet",
    .suffix = ".parquet",
    .other_names = ",pq,",
    .open = parquet_open,
    .append = parquet_append,
    .cut = parquet_cut,
    .waiting = parquet_waiting,
    .note = parquet_note,
    .finish = parquet_finish,
    .close = parquet_close,
    .read = parquet_read,
    .reader_note = parquet_reader_note,
    .next = parquet_next,
    .reader_close = parquet_reader_close,
};
