#include "loaders/stage_rows.h"

#include "avro-core/canon.h"
#include "format/format.h"
#include "loaders/sink_files_inside.h"
#include "place/spool.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define PIECE ((size_t)4 << 20)      // read of a file at once
#define SPOOL_HEAD ((size_t)1 << 20) // of a file kept in memory
#define SCHEMA_MOST ((size_t)4 << 20)

/* One file of the claim. */
struct cursor {
    const struct stage_file *file;
    struct stage_runs runs;
    int64_t row;         // the next one's number in the file
    int64_t offset;      // its offset, -1 = all were given
    struct spool *spool; // NULL = not opened yet
    struct place_bytes bytes;
    struct format_reader *reader;
    int32_t schema;
};

struct stage_rows {
    struct stage_rows_from from;
    const struct stage_claim *claim;
    struct av_schema *schema; // of json and csv; held, NULL = not asked for yet
    struct cursor *cursors;
    size_t n;
    struct cursor *at;    // gives its rows up to `until`
    struct cursor *given; // had the last row, which the caller still looks at
    int64_t until;        // the least offset of the others
    bool counted;
};

bool stage_rows_counted(const struct stage_claim *c)
{
    for (size_t i = 0; i < c->n_files; i++)
        if (!c->files[i].rejects && c->files[i].runs[0] == '\0')
            return true;
    return false;
}

int64_t stage_rows_mark(const struct stage_claim *c, int64_t next)
{
    struct buf text = BUF_INIT(1 << 20);

    if (next == c->last + 1)
        return c->mark;
    if (!stage_rows_counted(c))
        return -1; // an offset like any other
    buf_printf(&text, "%s/%" PRId32 "@%" PRId64 "-%" PRId64 "#%" PRId64, c->topic,
               c->partition, c->first, c->last, next);
    for (size_t i = 0; i < c->n_files; i++)
        buf_printf(&text, " %s", c->files[i].sha256);
    int64_t mark = (int64_t)(av_crc64(buf_span(&text)) & INT64_MAX);
    buf_free(&text);
    return mark;
}

/* --- schemas ---------------------------------------------------------------------- */

enum err_kind stage_rows_schema(struct place *p, const struct stage_claim *c,
                                struct av_schema **out, struct err *e)
{
    const struct av_parse_limits written_long_ago = {.bytes = SCHEMA_MOST,
                                                     .keep_bad_defaults = true};
    struct buf text = BUF_INIT(SCHEMA_MOST);
    char name[STAGE_NAME], key[STAGE_SCHEMA];

    if (c->schema[0] == '\0')
        return err_set(
            e, ERR_NOT_FOUND,
            "its claim names no schema, for an older loader made it: JSON and "
            "CSV cannot be read without");
    stage_schema_name(name, c->schema);
    enum err_kind rc = place_read(p, name, 0, SCHEMA_MOST, &text, e);
    if (rc == ERR_OK)
        rc = buf_status(&text, e);
    stage_schema_key(key, buf_span(&text));
    if (rc == ERR_OK && strcmp(key, c->schema) != 0)
        rc = err_set(e, ERR_INTERNAL, "%.100s is not what its name says", name);
    if (rc == ERR_OK)
        rc = av_schema_parse(out, buf_span(&text), NULL, 0, &written_long_ago, e);
    buf_free(&text);
    return rc == ERR_NOT_FOUND ? err_set(e, ERR_INTERNAL, "%.100s is gone", name) : rc;
}

/* A cell of CSV does not say which branch it is of. */
static enum err_kind check_csv(const struct av_schema *s, struct err *e)
{
    const struct av_node *root = av_schema_root(s);

    for (size_t i = 0; root->type == AV_RECORD && i < root->n_fields; i++) {
        const struct av_node *f = root->fields[i].type;
        size_t values = 0;
        for (size_t k = 0; f->type == AV_UNION && k < f->n_branches; k++)
            values += f->branches[k]->type != AV_NULL;
        if (values > 1)
            return err_set(
                e, ERR_INVALID,
                "field " SPAN_FMT
                " has several types, and CSV does not say which: stage it as "
                "parquet, ocf or json",
                SPAN_ARG(root->fields[i].name));
    }
    return ERR_OK;
}

static enum err_kind schema_for(struct stage_rows *r, const char *format,
                                struct av_schema **out, struct err *e)
{
    *out = NULL;
    if (strcmp(format, "parquet") == 0 || strcmp(format, "ocf") == 0)
        return ERR_OK;
    if (r->schema == NULL)
        TRY(stage_rows_schema(r->from.place, r->claim, &r->schema, e));
    *out = r->schema;
    return strcmp(format, "csv") == 0 ? check_csv(r->schema, e) : ERR_OK;
}

/* --- files ------------------------------------------------------------------------ */

static void close_cursor(struct cursor *c)
{
    format_reader_close(c->reader);
    spool_close(c->spool);
    c->reader = NULL;
    c->spool = NULL;
}

static enum err_kind fetch(struct stage_rows *r, struct spool *to, const char *name,
                           int64_t bytes, struct err *e)
{
    struct buf piece = BUF_INIT(PIECE);
    enum err_kind rc = ERR_OK;

    while (rc == ERR_OK && spool_size(to) < bytes) {
        int64_t left = bytes - spool_size(to);
        buf_reset(&piece);
        rc = place_read(r->from.place, name, spool_size(to),
                        left < (int64_t)PIECE ? (size_t)left : PIECE, &piece, e);
        if (rc == ERR_OK)
            rc = buf_status(&piece, e);
        if (rc == ERR_OK && piece.n == 0)
            rc = err_set(e, ERR_INTERNAL,
                         "it ends after %" PRId64 " of %" PRId64 " bytes",
                         spool_size(to), bytes);
        if (rc == ERR_OK)
            rc = spool_put(to, buf_span(&piece), e);
    }
    buf_free(&piece);
    return rc;
}

static enum err_kind check_whole(const struct spool *s, const char *sha256,
                                 struct err *e)
{
    char found[SPOOL_SHA];

    spool_sha256(s, found);
    if (strcmp(found, sha256) == 0)
        return ERR_OK;
    return err_set(e, ERR_INTERNAL,
                   "its bytes are not those that were staged (SHA-256)");
}

/* ERR_NOT_FOUND: it is not there. */
static enum err_kind take_file(struct stage_rows *r, struct spool **out,
                               const char *name, int64_t bytes, const char *sha256,
                               struct err *e)
{
    struct place_entry there;

    TRY(place_stat(r->from.place, name, &there, e));
    if (there.bytes != bytes)
        return err_set(e, ERR_INTERNAL,
                       "it has %" PRId64 " bytes, staged were %" PRId64, there.bytes,
                       bytes);
    struct spool *s = spool_open(r->from.spool, SPOOL_HEAD);
    enum err_kind rc = fetch(r, s, name, bytes, e);
    if (rc == ERR_OK)
        rc = check_whole(s, sha256, e);
    if (rc == ERR_OK)
        *out = s;
    else
        spool_close(s);
    return rc;
}

/* A loader that died between its claim and the names: anybody may go on there. */
static enum err_kind find_file(struct stage_rows *r, struct cursor *c, struct err *e)
{
    const struct stage_file *f = c->file;

    enum err_kind rc = take_file(r, &c->spool, f->final, f->bytes, f->sha256, e);
    if (rc != ERR_NOT_FOUND)
        return rc;
    rc = files_finish(r->from.place, r->claim, e);
    if (rc == ERR_OK)
        rc = take_file(r, &c->spool, f->final, f->bytes, f->sha256, e);
    return rc == ERR_NOT_FOUND ? err_set(e, ERR_CONFLICT, "it is gone") : rc;
}

static enum err_kind read_spool(void *ctx, uint64_t at, uint8_t *to, size_t n,
                                struct err *e)
{
    const struct cursor *c = ctx;

    return c->bytes.read(c->bytes.arg, (int64_t)at, to, n, e);
}

static enum err_kind open_reader(struct stage_rows *r, struct cursor *c,
                                 const char *name, struct err *e)
{
    struct format_options how = {0};
    struct format_source from = {read_spool, c, (uint64_t)spool_size(c->spool)};
    const char *format = format_of_path(name);
    struct av_schema *schema = NULL;

    if (format == NULL ||
        (r->from.format != NULL &&
         strcmp(format_suffix(format), format_suffix(r->from.format)) != 0))
        return err_set(e, ERR_INVALID, "it is no %s file",
                       r->from.format == NULL ? format_names : r->from.format);
    TRY(schema_for(r, format, &schema, e));
    c->bytes = spool_bytes(c->spool);
    enum err_kind rc = format_read(&c->reader, format, schema, &how, &from, e);
    if (rc == ERR_UNAVAILABLE) // not installed: waiting does not bring it
        e->kind = rc = ERR_INVALID;
    if (rc == ERR_OK)
        rc =
            stage_schemas_add(r->from.schemas, format_reader_schema(c->reader),
                              r->claim->schema_id, r->claim->started_ms, &c->schema, e);
    return rc;
}

static enum err_kind read_row(struct cursor *c, struct span *datum, struct err *e)
{
    bool more = false;

    TRY(format_next(c->reader, datum, &more, e));
    if (!more)
        return err_set(e, ERR_INTERNAL, "it ends after %" PRIu64 " of %" PRId64 " rows",
                       format_reader_rows(c->reader), c->file->rows);
    return ERR_OK;
}

static enum err_kind open_cursor(struct stage_rows *r, struct cursor *c, struct err *e)
{
    struct span datum;

    TRY(find_file(r, c, e));
    TRY(open_reader(r, c, c->file->final, e));
    for (int64_t i = 0; i < c->row; i++)
        TRY(read_row(c, &datum, e));
    return ERR_OK;
}

/* Its last row was given: there must be no other. */
static enum err_kind end_cursor(struct cursor *c, struct err *e)
{
    struct span datum;
    bool more = false;

    TRY(format_next(c->reader, &datum, &more, e));
    if (more)
        return err_set(e, ERR_INTERNAL, "it has more than %" PRId64 " rows",
                       c->file->rows);
    close_cursor(c);
    return ERR_OK;
}

static enum err_kind blame(const struct cursor *c, struct err *e)
{
    if (e->kind != ERR_UNAVAILABLE)
        e->kind = ERR_CONFLICT;
    return err_prefix(e, "%.120s", c->file->final);
}

/* --- order ------------------------------------------------------------------------ */

/* The file that has the next row, and how far it may go. */
static void choose(struct stage_rows *r)
{
    r->at = NULL;
    r->until = INT64_MAX;
    for (size_t i = 0; i < r->n; i++) {
        struct cursor *c = &r->cursors[i];
        if (c->offset < 0)
            continue;
        if (r->at == NULL || c->offset < r->at->offset) {
            if (r->at != NULL)
                r->until = r->at->offset;
            r->at = c;
        } else if (c->offset < r->until) {
            r->until = c->offset;
        }
    }
}

static int64_t offset_of(const struct stage_rows *r, struct cursor *c)
{
    if (c->row == c->file->rows)
        return -1;
    return r->counted ? c->offset + 1 : stage_runs_next(&c->runs);
}

/* Passes over what lies before `at` without opening anything. */
static void start_cursor(struct stage_rows *r, struct cursor *c,
                         const struct stage_file *f, int64_t *counted, int64_t at)
{
    *c = (struct cursor){.file = f, .runs = stage_runs_begin(r->claim, f)};
    if (r->counted) {
        c->row = at <= *counted ? 0 : at - *counted < f->rows ? at - *counted : f->rows;
        c->offset = c->row == f->rows ? -1 : *counted + c->row;
        *counted += f->rows;
        return;
    }
    while ((c->offset = stage_runs_next(&c->runs)) >= 0 && c->offset < at)
        c->row++;
}

static enum err_kind check_claim(const struct stage_claim *c, struct err *e)
{
    int64_t rows = 0;

    for (size_t i = 0; i < c->n_files; i++) {
        if (c->files[i].rejects)
            continue;
        if (c->files[i].rows > c->last - c->first + 1 - rows)
            return err_set(e, ERR_CONFLICT, "it has more rows than offsets");
        rows += c->files[i].rows;
    }
    if (rows != c->loaded)
        return err_set(e, ERR_CONFLICT,
                       "it speaks of %" PRId64 " rows, its files have %" PRId64,
                       c->loaded, rows);
    return ERR_OK;
}

enum err_kind stage_rows_open(struct stage_rows **out,
                              const struct stage_rows_from *from,
                              const struct stage_claim *c, int64_t at, struct err *e)
{
    int64_t counted = c->first;

    TRY(check_claim(c, e));
    struct stage_rows *r = mem_alloc(sizeof *r);
    r->from = *from;
    r->claim = c;
    r->counted = stage_rows_counted(c);
    r->cursors = mem_array(c->n_files + 1, sizeof *r->cursors);
    for (size_t i = 0; i < c->n_files; i++)
        if (!c->files[i].rejects && c->files[i].rows > 0)
            start_cursor(r, &r->cursors[r->n++], &c->files[i], &counted, at);
    choose(r);
    *out = r;
    return ERR_OK;
}

/* Two files that speak of the same offset: one of them lies. */
static enum err_kind move_on(struct stage_rows *r, struct cursor *c, struct err *e)
{
    int64_t given = c->offset;

    c->row++;
    c->offset = offset_of(r, c);
    if (c->offset < 0)
        TRY(end_cursor(c, e));
    if (c->offset >= 0 && c->offset < r->until)
        return ERR_OK;
    choose(r);
    if (r->at != NULL && r->at->offset <= given)
        return err_set(e, ERR_CONFLICT, "offset %" PRId64 " is another file's too",
                       given);
    return ERR_OK;
}

static enum err_kind give_row(struct stage_rows *r, struct cursor *c,
                              struct stage_row *out, struct err *e)
{
    if (c->reader == NULL)
        TRY(open_cursor(r, c, e));
    TRY(read_row(c, &out->datum, e));
    out->offset = c->offset;
    out->schema = c->schema;
    return ERR_OK;
}

enum err_kind stage_rows_next(struct stage_rows *r, struct stage_row *out, bool *more,
                              struct err *e)
{
    if (r->given != NULL && move_on(r, r->given, e) != ERR_OK)
        return blame(r->given, e);
    r->given = r->at;
    *more = r->at != NULL;
    if (r->at != NULL && give_row(r, r->at, out, e) != ERR_OK)
        return blame(r->at, e);
    return ERR_OK;
}

void stage_rows_close(struct stage_rows *r)
{
    if (r == NULL)
        return;
    for (size_t i = 0; i < r->n; i++)
        close_cursor(&r->cursors[i]);
    if (r->schema != NULL)
        av_schema_release(r->schema);
    free(r->cursors);
    free(r);
}
