#include "loaders/stage_rows.h"

#include "avro-core/canon.h"
#include "format/format.h"
#include "loaders/sink_files_inside.h"
#include "loaders/stage_envelope.h"
#include "loaders/stage_where.h"
#include "place/spool.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define PIECE ((size_t)4 << 20) // read of a file at once
#define FILES_KEPT 8
#define TRIES 4                      // of a file that is merged while it is read
#define SPOOL_HEAD ((size_t)1 << 20) // of a file kept in memory
#define SCHEMA_MOST ((size_t)4 << 20)

/* A file as it lies in the place, here. */
struct opened {
    char *name;
    bool merged; // holds the rows of other claims too
    struct spool *spool;
    struct place_bytes bytes;
    struct format_reader *reader;
    int64_t row; // the next one that it gives
};

struct stage_files {
    struct stage_where *where;
    struct opened *kept[FILES_KEPT]; // merged, and not read to the end
    size_t next;                     // to be given up
    char value[STAGE_SCHEMA];        // key of the last claim's values, where they have
    struct av_schema *value_schema;  // ... an envelope; NULL = none yet
};

/* One file of the claim. */
struct cursor {
    const struct stage_file *file;
    struct stage_runs runs;
    int64_t row;           // the next one's number in the file
    int64_t offset;        // its offset, -1 = all were given
    struct opened *opened; // NULL = not yet
    int32_t schema;
    struct envelope *envelope; // takes its rows apart; NULL = they are values
};

struct stage_rows {
    struct stage_rows_from from;
    const struct stage_claim *claim;
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

enum err_kind stage_rows_schema(struct place *p, const char *key,
                                struct av_schema **out, struct err *e)
{
    const struct av_parse_limits written_long_ago = {.bytes = SCHEMA_MOST,
                                                     .keep_bad_defaults = true};
    struct buf text = BUF_INIT(SCHEMA_MOST);
    char name[STAGE_NAME], found[STAGE_SCHEMA];

    if (key[0] == '\0')
        return err_set(
            e, ERR_NOT_FOUND,
            "its claim names no schema, for an older loader made it: JSON and "
            "CSV cannot be read without");
    stage_schema_name(name, key);
    enum err_kind rc = place_read(p, name, 0, SCHEMA_MOST, &text, e);
    if (rc == ERR_OK)
        rc = buf_status(&text, e);
    stage_schema_key(found, buf_span(&text));
    if (rc == ERR_OK && strcmp(found, key) != 0)
        rc = err_set(e, ERR_INTERNAL, "%.100s is not what its name says", name);
    if (rc == ERR_OK)
        rc = av_schema_parse(out, buf_span(&text), NULL, 0, &written_long_ago, e);
    buf_free(&text);
    return rc == ERR_NOT_FOUND ? err_set(e, ERR_INTERNAL, "%.100s is gone", name) : rc;
}

const char *stage_rows_value(const struct stage_claim *c)
{
    return c->envelope != 0 ? c->value_schema : c->schema;
}

/* Claims in a row nearly always have the same. */
static enum err_kind value_schema(struct stage_rows *r, struct av_schema **out,
                                  struct err *e)
{
    struct stage_files *f = r->from.files;
    struct av_schema *found;

    if (f->value_schema == NULL || strcmp(f->value, r->claim->value_schema) != 0) {
        TRY(stage_rows_schema(r->from.place, r->claim->value_schema, &found, e));
        av_schema_release(f->value_schema);
        f->value_schema = found;
        snprintf(f->value, sizeof f->value, "%s", r->claim->value_schema);
    }
    *out = f->value_schema;
    return ERR_OK;
}

static enum err_kind learn_key(struct stage_rows *r, const struct stage_key *k,
                               struct err *e)
{
    struct av_schema *schema;
    bool known;

    TRY(stage_schemas_key_known(r->from.schemas, k->id, k->schema, &known, e));
    if (known)
        return ERR_OK;
    TRY(stage_rows_schema(r->from.place, k->schema, &schema, e));
    stage_schemas_add_key(r->from.schemas, k->id, k->schema, schema);
    av_schema_release(schema);
    return ERR_OK;
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

/* Parquet and OCF bring theirs: NULL. */
static enum err_kind schema_for(struct stage_rows *r, const char *format,
                                const struct stage_lies *l, struct av_schema **out,
                                struct err *e)
{
    *out = NULL;
    if (strcmp(format, "parquet") == 0 || strcmp(format, "ocf") == 0)
        return ERR_OK;
    TRY(stage_rows_schema(r->from.place, l->merged ? l->schema : r->claim->schema, out,
                          e));
    return strcmp(format, "csv") == 0 ? check_csv(*out, e) : ERR_OK;
}

/* --- files ------------------------------------------------------------------------ */

static void close_opened(struct opened *o)
{
    if (o == NULL)
        return;
    format_reader_close(o->reader);
    spool_close(o->spool);
    free(o->name);
    free(o);
}

struct stage_files *stage_files_open(struct place *p)
{
    struct stage_files *f = mem_alloc(sizeof *f);

    f->where = stage_where_open(p);
    return f;
}

void stage_files_close(struct stage_files *f)
{
    if (f == NULL)
        return;
    for (size_t i = 0; i < FILES_KEPT; i++)
        close_opened(f->kept[i]);
    av_schema_release(f->value_schema);
    stage_where_close(f->where);
    free(f);
}

static void keep_open(struct stage_files *f, struct opened *o)
{
    struct opened **slot = &f->kept[f->next++ % FILES_KEPT];

    close_opened(*slot);
    *slot = o;
}

/* One that stands at this row or before it. */
static struct opened *take_kept(struct stage_files *f, const char *name, int64_t row)
{
    for (size_t i = 0; i < FILES_KEPT; i++) {
        struct opened *o = f->kept[i];
        if (o == NULL || o->row > row || strcmp(o->name, name) != 0)
            continue;
        f->kept[i] = NULL;
        return o;
    }
    return NULL;
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

static enum err_kind read_spool(void *ctx, uint64_t at, uint8_t *to, size_t n,
                                struct err *e)
{
    const struct opened *o = ctx;

    return o->bytes.read(o->bytes.arg, (int64_t)at, to, n, e);
}

static enum err_kind open_reader(struct stage_rows *r, struct opened *o,
                                 const struct stage_lies *l, struct err *e)
{
    struct format_options how = {0};
    struct format_source from = {read_spool, o, (uint64_t)spool_size(o->spool)};
    const char *format = format_of_path(l->name);
    struct av_schema *schema = NULL;

    if (format == NULL ||
        (r->from.format != NULL &&
         strcmp(format_suffix(format), format_suffix(r->from.format)) != 0))
        return err_set(e, ERR_INVALID, "it is no %s file",
                       r->from.format == NULL ? format_names : r->from.format);
    enum err_kind rc = schema_for(r, format, l, &schema, e);
    o->bytes = spool_bytes(o->spool);
    if (rc == ERR_OK &&
        format_read(&o->reader, format, schema, &how, &from, e) != ERR_OK) {
        if (e->kind == ERR_UNAVAILABLE) // not installed: waiting does not bring it
            e->kind = ERR_INVALID;
        rc = e->kind;
    }
    av_schema_release(schema);
    return rc;
}

static enum err_kind fill_opened(struct stage_rows *r, struct opened *o,
                                 const struct stage_lies *l, const char *sha256,
                                 struct err *e)
{
    o->name = mem_str(span_str(l->name));
    o->merged = l->merged;
    o->spool = spool_open(r->from.spool, SPOOL_HEAD);
    TRY(fetch(r, o->spool, l->name, l->bytes, e));
    TRY(check_whole(o->spool, sha256, e));
    return open_reader(r, o, l, e);
}

static enum err_kind check_length(const struct stage_file *f,
                                  const struct stage_lies *l, struct err *e)
{
    if (l->merged && f->rows > l->rows - l->first)
        return err_set(e, ERR_INTERNAL,
                       "it was merged into %.100s, which has %" PRId64 " rows, from "
                       "row %" PRId64 " on",
                       l->name, l->rows, l->first);
    if (l->merged || l->bytes == f->bytes)
        return ERR_OK;
    return err_set(e, ERR_INTERNAL, "it has %" PRId64 " bytes, staged were %" PRId64,
                   l->bytes, f->bytes);
}

static enum err_kind read_row(struct opened *o, struct span *datum, struct err *e)
{
    bool more = false;

    TRY(format_next(o->reader, datum, &more, e));
    if (!more)
        return err_set(e, ERR_INTERNAL, "it ends after %" PRId64 " rows", o->row);
    o->row++;
    return ERR_OK;
}

static enum err_kind skip_rows(struct opened *o, int64_t to, struct err *e)
{
    struct span datum;

    while (o->row < to)
        TRY(read_row(o, &datum, e));
    return ERR_OK;
}

/* What its rows are framed with: the file's schema, or that of the values in it. */
static enum err_kind use_schema(struct stage_rows *r, struct cursor *c,
                                struct av_schema *file, struct err *e)
{
    struct av_schema *value = file;

    envelope_free(c->envelope);
    c->envelope = NULL;
    if (r->claim->envelope != 0) {
        TRY(value_schema(r, &value, e));
        TRY(envelope_new(&c->envelope, value, r->claim->envelope, e));
        TRY(envelope_from(c->envelope, file, e));
    }
    return stage_schemas_add(r->from.schemas, value, r->claim->schema_id,
                             r->claim->started_ms, &c->schema, e);
}

/* At the row that the cursor stands at. */
static enum err_kind open_there(struct stage_rows *r, struct cursor *c,
                                const struct stage_lies *l, struct err *e)
{
    int64_t row = l->first + c->row;

    TRY(check_length(c->file, l, e));
    struct opened *o = l->merged ? take_kept(r->from.files, l->name, row) : NULL;
    enum err_kind rc = ERR_OK;
    if (o == NULL) {
        o = mem_alloc(sizeof *o);
        rc = fill_opened(r, o, l, l->merged ? l->sha256 : c->file->sha256, e);
    }
    if (rc == ERR_OK)
        rc = skip_rows(o, row, e);
    if (rc == ERR_OK)
        rc = use_schema(r, c, format_reader_schema(o->reader), e);
    if (rc == ERR_OK)
        c->opened = o;
    else
        close_opened(o);
    return rc;
}

/* A loader that died between its claim and the names: anybody may go on there. */
static enum err_kind give_name(struct stage_rows *r, const char *name,
                               struct stage_lies *out, struct err *e)
{
    enum err_kind rc = files_finish(r->from.place, r->claim, e);

    if (rc == ERR_OK)
        rc = stage_where_find(r->from.files->where, name, out, e);
    return rc == ERR_NOT_FOUND
               ? err_set(e, ERR_CONFLICT, "it is gone, and no merge names it")
               : rc;
}

/* What was found may be merged on before it is read. */
static enum err_kind open_cursor(struct stage_rows *r, struct cursor *c, struct err *e)
{
    enum err_kind rc = ERR_NOT_FOUND;

    for (int i = 0; i < TRIES && rc == ERR_NOT_FOUND; i++) {
        struct stage_lies l;
        rc = stage_where_find(r->from.files->where, c->file->final, &l, e);
        if (rc == ERR_NOT_FOUND)
            rc = give_name(r, c->file->final, &l, e);
        if (rc == ERR_OK)
            rc = open_there(r, c, &l, e);
    }
    return rc == ERR_NOT_FOUND ? err_set(e, ERR_UNAVAILABLE, "it is being merged") : rc;
}

/* Its last row was given: there must be no other, but of what was merged. */
static enum err_kind end_cursor(struct stage_rows *r, struct cursor *c, struct err *e)
{
    struct opened *o = c->opened;
    struct span datum;
    bool more = false;

    c->opened = NULL;
    if (o->merged) {
        keep_open(r->from.files, o);
        return ERR_OK;
    }
    enum err_kind rc = format_next(o->reader, &datum, &more, e);
    close_opened(o);
    if (rc == ERR_OK && more)
        rc = err_set(e, ERR_INTERNAL, "it has more than %" PRId64 " rows",
                     c->file->rows);
    return rc;
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
    c->row = stage_runs_skip(&c->runs, at);
    c->offset = stage_runs_next(&c->runs);
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
    for (size_t i = 0; i < c->n_keys; i++)
        if (learn_key(r, &c->keys[i], e) != ERR_OK) {
            stage_rows_close(r);
            return e->kind;
        }
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
        TRY(end_cursor(r, c, e));
    if (c->offset >= 0 && c->offset < r->until)
        return ERR_OK;
    choose(r);
    if (r->at != NULL && r->at->offset <= given)
        return err_set(e, ERR_CONFLICT, "offset %" PRId64 " is another file's too",
                       given);
    return ERR_OK;
}

/* What the row says of itself must be what the claim says of it. */
static enum err_kind take_apart(struct stage_rows *r, struct cursor *c,
                                struct stage_row *out, struct err *e)
{
    struct record rec;
    int32_t partition;

    if (envelope_take(c->envelope, out->datum, &rec, &partition, e) != ERR_OK)
        return err_prefix(e, "row %" PRId64, c->row);
    if (partition >= 0 && partition != r->claim->partition)
        return err_set(e, ERR_CONFLICT, "row %" PRId64 " is partition %" PRId32 "'s",
                       c->row, partition);
    if ((r->claim->envelope & ENVELOPE_OFFSET) && !r->counted &&
        rec.offset != c->offset)
        return err_set(e, ERR_CONFLICT,
                       "row %" PRId64 " is of offset %" PRId64 ", claimed as %" PRId64,
                       c->row, rec.offset, c->offset);
    out->datum = rec.value;
    out->deleted = rec.value.p == NULL;
    out->timestamp_ms = rec.timestamp_ms;
    out->key = rec.key;
    out->headers = rec.headers;
    return ERR_OK;
}

static enum err_kind give_row(struct stage_rows *r, struct cursor *c,
                              struct stage_row *out, struct err *e)
{
    *out = (struct stage_row){.timestamp_ms = -1};
    if (c->opened == NULL)
        TRY(open_cursor(r, c, e));
    TRY(read_row(c->opened, &out->datum, e));
    out->offset = c->offset;
    out->schema = c->schema;
    return c->envelope != NULL ? take_apart(r, c, out, e) : ERR_OK;
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
    for (size_t i = 0; i < r->n; i++) {
        close_opened(r->cursors[i].opened);
        envelope_free(r->cursors[i].envelope);
    }
    free(r->cursors);
    free(r);
}
