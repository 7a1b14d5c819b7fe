#include "format/parquet_reader.h"

#include "base/mem.h"
#include "format/cells.h"
#include "format/library.h"

#include <stdlib.h>

#define BATCH_ROWS 8192
#define SCHEMA_MOST ((size_t)4 << 20)

struct parquet_reader {
    struct format_reader base;
    const struct pq_abi *pq;
    struct pq_reader *file;
    struct cells *cells;
    struct ArrowArray batch; // release NULL: none in hand
    size_t at;               // the next row of it
    struct buf datum;
    struct err source_said;
};

static struct parquet_reader *as_reader(struct format_reader *r)
{
    return (struct parquet_reader *)r;
}

static int on_read(void *ctx, uint64_t at, void *to, size_t n)
{
    struct parquet_reader *r = ctx;

    return r->base.from.read_at(r->base.from.ctx, at, to, n, &r->source_said) == ERR_OK
               ? 0
               : -1;
}

/* What Arrow says is about the file, unless the source failed. */
static enum err_kind failed(struct parquet_reader *r, int rc, const char *why,
                            struct err *e)
{
    if (rc == PQ_IO && r->source_said.kind != ERR_OK) {
        *e = r->source_said;
        return e->kind;
    }
    return err_set(e, ERR_INVALID, "parquet: %.200s", why);
}

static void drop_batch(struct parquet_reader *r)
{
    if (r->batch.release != NULL)
        r->batch.release(&r->batch);
    r->batch.release = NULL;
}

void parquet_reader_close(struct format_reader *base)
{
    struct parquet_reader *r = as_reader(base);

    drop_batch(r);
    cells_free(r->cells);
    if (r->file != NULL)
        r->pq->reader_close(r->file);
    buf_free(&r->datum);
    free(r);
}

struct span parquet_reader_note(struct format_reader *base, const char *key)
{
    struct parquet_reader *r = as_reader(base);
    size_t n = 0;
    const char *value = r->pq->value(r->file, key, &n);

    return value == NULL ? (struct span){0} : span_of(value, n);
}

/* The schema `text` says, if its columns are these. */
static enum err_kind bind(struct parquet_reader *r, struct span text,
                          const struct ArrowSchema *columns, struct err *e)
{
    const struct av_parse_limits written_long_ago = {.bytes = SCHEMA_MOST,
                                                     .keep_bad_defaults = true};
    struct av_schema *s;

    TRY(av_schema_parse(&s, text, NULL, 0, &written_long_ago, e));
    enum err_kind k = cells_new(&r->cells, s, columns, e);
    if (k == ERR_OK)
        r->base.schema = s;
    else
        av_schema_release(s);
    return k;
}

static enum err_kind bind_derived(struct parquet_reader *r,
                                  const struct ArrowSchema *columns, struct err *e)
{
    struct buf text = BUF_INIT(SCHEMA_MOST);
    enum err_kind k = cells_schema(&text, columns, e);

    if (k == ERR_OK && bind(r, buf_span(&text), columns, e) != ERR_OK)
        k = err_prefix(e, "the file's columns as an Avro schema");
    buf_free(&text);
    return k;
}

static enum err_kind find_schema(struct parquet_reader *r, struct err *e)
{
    struct span text = parquet_reader_note(&r->base, "avro.schema");
    struct ArrowSchema columns;
    struct err ours = {0};
    char why[PQ_WHY];

    int rc = r->pq->schema(r->file, &columns, why);
    if (rc != 0)
        return failed(r, rc, why, e);
    enum err_kind k = ERR_OK;
    if (text.n == 0 || bind(r, text, &columns, &ours) != ERR_OK)
        k = bind_derived(r, &columns, e);
    columns.release(&columns);
    return k;
}

enum err_kind parquet_read(struct format_reader **out, struct av_schema *schema,
                           const struct format_options *o,
                           const struct format_source *from, struct err *e)
{
    const struct pq_abi *pq;
    char why[PQ_WHY];

    (void)schema, (void)o;
    TRY(library_open(&pq, e));
    struct parquet_reader *r = mem_alloc(sizeof *r);
    r->pq = pq;
    r->base.from = *from;
    r->datum = BUF_INIT(FORMAT_RECORD_MOST);
    int rc = pq->read(&r->file, on_read, r, from->size, BATCH_ROWS, why);
    enum err_kind k = rc == 0 ? find_schema(r, e) : failed(r, rc, why, e);
    if (k != ERR_OK) {
        av_schema_release(r->base.schema);
        parquet_reader_close(&r->base);
        return k;
    }
    *out = &r->base;
    return ERR_OK;
}

static enum err_kind next_batch(struct parquet_reader *r, struct err *e)
{
    char why[PQ_WHY];

    drop_batch(r);
    r->at = 0;
    int rc = r->pq->next(r->file, &r->batch, why);
    if (rc != 0) {
        r->batch.release = NULL;
        return failed(r, rc, why, e);
    }
    return r->batch.release == NULL ? ERR_OK : cells_take(r->cells, &r->batch, e);
}

enum err_kind parquet_next(struct format_reader *base, struct span *datum, bool *more,
                           struct err *e)
{
    struct parquet_reader *r = as_reader(base);

    while (r->batch.release == NULL || r->at == (size_t)r->batch.length) {
        TRY(next_batch(r, e));
        *more = r->batch.release != NULL;
        if (!*more)
            return ERR_OK;
    }
    buf_reset(&r->datum);
    if (cells_put(r->cells, r->at, &r->datum, e) != ERR_OK)
        return err_prefix(e, "record %llu", (unsigned long long)base->rows + 1);
    r->at++;
    *datum = buf_span(&r->datum);
    *more = true;
    return ERR_OK;
}
