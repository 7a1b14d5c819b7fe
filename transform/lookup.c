#include "transform/lookup.h"

#include "avro-core/row.h"
#include "base/tab.h"
#include "transform/transform_inside.h"
#include "wire/csv.h"

#include <stdio.h>
#include <stdlib.h>

struct lookup_row {
    size_t line;
    const uint8_t *bytes;
    uint32_t at[]; // where each taken column begins, and the last ends
};

struct lookup {
    struct tab rows; // by key
    struct arena arena;
};

struct reading {
    struct lookup *l;
    const char *file;
    const struct lookup_column *columns;
    size_t n_keys, n_taken;
    struct av_schema *schema;
    struct av_encoder *encoder;
    size_t *at; // of a row's fields
    struct buf datum;
    struct av_problems problems;
};

/* --- rows ------------------------------------------------------------------------- */

static enum err_kind refuse(const struct reading *r, size_t line, struct err *e)
{
    const struct av_problem *p = r->problems.first;

    return err_set(e, ERR_INVALID, "%.60s:%zu: %.*s", r->file, line,
                   (int)(p->message.n < 150 ? p->message.n : 150),
                   (const char *)p->message.p);
}

static enum err_kind add_row(struct reading *r, size_t line, struct err *e)
{
    struct span datum = buf_span(&r->datum);

    if (r->l->rows.n >= LOOKUP_ROWS)
        return err_set(e, ERR_LIMIT, "%.60s:%zu: more than %d rows", r->file, line,
                       LOOKUP_ROWS);
    if (!tr_walk_record(av_schema_root(r->schema), datum, r->at))
        return err_set(e, ERR_INTERNAL, "%.60s:%zu: a row that we wrote", r->file,
                       line);
    struct span key = span_of(datum.p, r->at[r->n_keys]);
    const struct lookup_row *there = tab_get(&r->l->rows, key);
    if (there != NULL)
        return err_set(e, ERR_INVALID, "%.60s:%zu: its key stands in line %zu already",
                       r->file, line, there->line);
    struct lookup_row *row =
        arena_alloc(&r->l->arena, sizeof *row + (r->n_taken + 1) * sizeof row->at[0]);
    row->line = line;
    row->bytes = arena_copy(&r->l->arena, span_skip(datum, key.n)).p;
    for (size_t i = 0; i <= r->n_taken; i++)
        row->at[i] = (uint32_t)(r->at[r->n_keys + i] - key.n);
    tab_put(&r->l->rows, key, row);
    return ERR_OK;
}

static bool is_name(const char *s)
{
    struct err ignored = {0};

    return tr_column_check_name(s, &ignored) == ERR_OK;
}

/* A column whose name no field may have is called by its number. */
static void field_name(const struct reading *r, size_t i, char out[80])
{
    if (is_name(r->columns[i].name) && strlen(r->columns[i].name) < 80)
        snprintf(out, 80, "%s", r->columns[i].name);
    else
        snprintf(out, 80, "column_%zu_of_the_file", i + 1);
}

static enum err_kind make_encoder(struct reading *r, struct err *e)
{
    struct av_encode_options o = {.unknown_fields = AV_UNKNOWN_IGNORE};
    struct buf text = BUF_INIT(1 << 20);
    char name[80];

    buf_put_str(&text, "{\"type\":\"record\",\"name\":\"Row\",\"fields\":[");
    for (size_t i = 0; i < r->n_keys + r->n_taken; i++) {
        field_name(r, i, name);
        buf_printf(&text, "%s{\"name\":\"%s\",\"type\":%s%s}", i == 0 ? "" : ",", name,
                   r->columns[i].type,
                   r->columns[i].type[0] == '[' ? ",\"default\":null" : "");
    }
    buf_put_str(&text, "]}");
    enum err_kind rc = buf_status(&text, e);
    if (rc == ERR_OK)
        rc = av_schema_parse(&r->schema, buf_span(&text), NULL, 0, NULL, e);
    if (rc == ERR_OK)
        rc = av_encoder_new(&r->encoder, r->schema, &o, e);
    buf_free(&text);
    return rc;
}

/* --- CSV -------------------------------------------------------------------------- */

static enum err_kind bind(struct reading *r, const struct av_cell *cells, size_t n,
                          struct av_row **row, struct err *e)
{
    struct arena a = {0};
    size_t wanted = r->n_keys + r->n_taken;
    struct av_row_map *map = arena_array(&a, wanted, sizeof *map);
    struct span *headers = arena_array(&a, n + 1, sizeof *headers);

    for (size_t i = 0; i < n; i++)
        headers[i] = cells[i].text;
    for (size_t i = 0; i < wanted; i++) {
        char *name = arena_alloc(&a, 80);
        field_name(r, i, name);
        map[i] = (struct av_row_map){span_str(r->columns[i].name), span_str(name)};
    }
    enum err_kind rc = av_row_bind(row, r->encoder, headers, n, map, wanted, e);
    arena_free(&a);
    return rc == ERR_OK ? ERR_OK : err_prefix(e, "%.60s:1", r->file);
}

static enum err_kind next_row(struct csv_reader *csv, const struct reading *r,
                              const struct av_cell **cells, size_t *n, bool *more,
                              struct err *e)
{
    if (csv_next(csv, cells, n, more, e) != ERR_OK)
        return err_prefix(e, "%.60s:%zu", r->file, csv_line(csv));
    return ERR_OK;
}

static enum err_kind read_rows(struct reading *r, struct csv_reader *csv,
                               const struct av_row *row, struct err *e)
{
    const struct av_cell *cells;
    bool more;
    size_t n;

    for (;;) {
        TRY(next_row(csv, r, &cells, &n, &more, e));
        if (!more)
            return ERR_OK;
        buf_reset(&r->datum);
        av_problems_reset(&r->problems);
        if (av_row_encode(row, cells, n, csv_offset(csv), &r->datum, &r->problems) !=
            ERR_OK)
            return refuse(r, csv_line(csv), e);
        TRY(add_row(r, csv_line(csv), e));
    }
}

static enum err_kind read_csv(struct reading *r, struct span text, struct err *e)
{
    struct csv_reader *csv;
    struct av_row *row = NULL;
    const struct av_cell *cells;
    bool more;
    size_t n;

    TRY(csv_open(&csv, NULL, e));
    csv_feed(csv, text, true);
    enum err_kind rc = next_row(csv, r, &cells, &n, &more, e);
    if (rc == ERR_OK && !more)
        rc = err_set(e, ERR_INVALID, "%.60s: no header", r->file);
    if (rc == ERR_OK)
        rc = bind(r, cells, n, &row, e);
    if (rc == ERR_OK)
        rc = read_rows(r, csv, row, e);
    av_row_free(row);
    csv_close(csv);
    return rc;
}

/* --- JSON lines ------------------------------------------------------------------- */

static bool is_blank(struct span line)
{
    for (size_t i = 0; i < line.n; i++)
        if (line.p[i] != ' ' && line.p[i] != '\t' && line.p[i] != '\r')
            return false;
    return true;
}

static enum err_kind read_line(struct reading *r, struct span line, size_t number,
                               struct err *e)
{
    if (is_blank(line))
        return ERR_OK;
    buf_reset(&r->datum);
    av_problems_reset(&r->problems);
    if (av_encode(r->encoder, line, &r->datum, &r->problems) != ERR_OK)
        return refuse(r, number, e);
    return add_row(r, number, e);
}

static enum err_kind read_lines(struct reading *r, struct span text, struct err *e)
{
    for (size_t i = 0; i < r->n_keys + r->n_taken; i++)
        if (!is_name(r->columns[i].name))
            return err_set(e, ERR_INVALID,
                           "column \"%.60s\" of %.60s: of JSON lines, wanted letters, "
                           "digits and _",
                           r->columns[i].name, r->file);
    for (size_t number = 1; text.n > 0; number++) {
        const uint8_t *end = memchr(text.p, '\n', text.n);
        size_t n = end == NULL ? text.n : (size_t)(end - text.p);
        TRY(read_line(r, span_of(text.p, n), number, e));
        text = span_skip(text, n + 1);
    }
    return ERR_OK;
}

/* --- the table -------------------------------------------------------------------- */

static bool ends_in(const char *file, const char *end)
{
    size_t n = strlen(file), m = strlen(end);

    return n > m && strcmp(file + n - m, end) == 0;
}

static enum err_kind read_all(struct reading *r, struct span text, struct err *e)
{
    TRY(make_encoder(r, e));
    r->at = mem_array(r->n_keys + r->n_taken + 1, sizeof *r->at);
    if (ends_in(r->file, ".csv"))
        return read_csv(r, text, e);
    if (ends_in(r->file, ".json") || ends_in(r->file, ".jsonl") ||
        ends_in(r->file, ".ndjson"))
        return read_lines(r, text, e);
    return err_set(e, ERR_INVALID, "%.100s, wanted .csv, .json, .jsonl or .ndjson",
                   r->file);
}

enum err_kind tr_lookup_new(struct lookup **out, const char *file, struct span text,
                            const struct lookup_column *columns, size_t n_keys,
                            size_t n_taken, struct err *e)
{
    struct reading r = {.l = mem_alloc(sizeof *r.l),
                        .file = file,
                        .columns = columns,
                        .n_keys = n_keys,
                        .n_taken = n_taken,
                        .datum = BUF_INIT(LOOKUP_BYTES),
                        .problems = {.most = 1}};

    enum err_kind rc = read_all(&r, text, e);
    av_encoder_free(r.encoder);
    av_schema_release(r.schema);
    av_problems_free(&r.problems);
    buf_free(&r.datum);
    free(r.at);
    if (rc != ERR_OK) {
        tr_lookup_free(r.l);
        return rc;
    }
    *out = r.l;
    return ERR_OK;
}

void tr_lookup_free(struct lookup *l)
{
    if (l == NULL)
        return;
    tab_free(&l->rows);
    arena_free(&l->arena);
    free(l);
}

const struct lookup_row *tr_lookup_find(const struct lookup *l, struct span key)
{
    return tab_get(&l->rows, key);
}

struct span tr_lookup_value(const struct lookup_row *row, size_t i)
{
    return span_of(row->bytes + row->at[i], row->at[i + 1] - row->at[i]);
}
