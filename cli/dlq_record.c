#include "cli/dlq_record.h"

#include "avro-core/to_json.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/utf8.h"
#include "wire/csv.h"
#include "wire/frame.h"

#include <string.h>

#define RECORD_MOST ((size_t)64 << 20)

/* What is in `out`, if all of it is. */
static enum err_kind keep(struct span *kept, struct buf *out, struct arena *a,
                          struct err *e)
{
    enum err_kind rc = buf_status(out, e);

    if (rc == ERR_OK)
        *kept = arena_copy(a, buf_span(out));
    buf_free(out);
    return rc;
}

/* ---- CloudEvents: the record is the event's data ---- */

static enum err_kind find_data(const struct json **data, struct span text,
                               struct arena *a, struct err *e)
{
    const struct json *event;

    if (json_read(&event, text, NULL, a, e) != ERR_OK)
        return err_prefix(e, "the event is no JSON");
    *data = json_member(event, "data");
    return *data != NULL ? ERR_OK
                         : err_set(e, ERR_INVALID, "the event has no data as JSON");
}

static enum err_kind open_event(struct span *json, const struct record_form *f,
                                struct span text, struct arena *a, struct err *e)
{
    const struct json *data;

    (void)f;
    TRY(find_data(&data, text, a, e));
    *json = span_of(text.p + data->at, data->end - data->at);
    return ERR_OK;
}

static enum err_kind close_event(struct span *body, const struct record_form *f,
                                 struct span text, struct span json, struct arena *a,
                                 struct err *e)
{
    struct buf out = BUF_INIT(RECORD_MOST);
    const struct json *data;

    (void)f;
    TRY(find_data(&data, text, a, e));
    buf_put(&out, span_of(text.p, data->at));
    buf_put(&out, json);
    buf_put(&out, span_skip(text, data->end));
    return keep(body, &out, a, e);
}

/* ---- CSV ---- */

/* The cells of the one row in `text`; they live in the arena. */
static enum err_kind read_row(const struct av_cell **cells, size_t *n,
                              const struct record_form *f, struct span text,
                              struct arena *a, struct err *e)
{
    const struct csv_options o = {.delimiter = f->delimiter, .row_bytes = RECORD_MOST};
    const struct av_cell *read = NULL;
    struct csv_reader *r;
    bool more = false;

    TRY(csv_open(&r, &o, e));
    csv_feed(r, text, true);
    enum err_kind rc = csv_next(r, &read, n, &more, e);
    if (rc == ERR_OK && !more)
        rc = err_set(e, ERR_INVALID, "no row of CSV");
    if (rc == ERR_OK) {
        struct av_cell *copy = arena_array(a, *n, sizeof *copy);

        for (size_t i = 0; i < *n; i++) {
            copy[i] = read[i];
            copy[i].text = arena_copy(a, read[i].text);
        }
        *cells = copy;
    }
    csv_close(r);
    return rc;
}

static enum err_kind read_columns(const struct av_cell **columns, size_t *n,
                                  const struct record_form *f, struct arena *a,
                                  struct err *e)
{
    if (f->csv_header == NULL)
        return err_set(e, ERR_INVALID,
                       "it is a row of CSV: say what its columns are (--csv-header)");
    if (read_row(columns, n, f, span_str(f->csv_header), a, e) != ERR_OK)
        return err_prefix(e, "--csv-header");
    return ERR_OK;
}

static enum err_kind open_csv(struct span *json, const struct record_form *f,
                              struct span text, struct arena *a, struct err *e)
{
    struct buf out = BUF_INIT(RECORD_MOST);
    const struct av_cell *columns, *cells;
    size_t n, n_cells;

    TRY(read_columns(&columns, &n, f, a, e));
    TRY(read_row(&cells, &n_cells, f, text, a, e));
    if (n != n_cells)
        return err_set(e, ERR_INVALID, "%zu cells, the header has %zu", n_cells, n);
    if (!utf8_ok(text))
        return err_set(e, ERR_INVALID, "the row is no UTF-8");
    buf_put_u8(&out, '{');
    for (size_t i = 0; i < n; i++) {
        buf_put_str(&out, i == 0 ? "" : ",");
        json_put_string(&out, columns[i].text);
        buf_put_u8(&out, ':');
        if (cells[i].text.n == 0 && !cells[i].quoted)
            buf_put_str(&out, "null");
        else
            json_put_string(&out, cells[i].text);
    }
    buf_put_u8(&out, '}');
    return keep(json, &out, a, e);
}

static void put_quoted(struct buf *out, struct span text)
{
    buf_put_u8(out, '"');
    for (size_t i = 0; i < text.n; i++) {
        if (text.p[i] == '"')
            buf_put_u8(out, '"');
        buf_put_u8(out, text.p[i]);
    }
    buf_put_u8(out, '"');
}

static void put_cell(struct buf *out, const struct json *value)
{
    struct buf json = BUF_INIT(RECORD_MOST);

    switch (value->kind) {
    case JSON_NULL: break;
    case JSON_STRING: put_quoted(out, value->text); break;
    case JSON_ARRAY:
    case JSON_OBJECT:
        json_put(&json, value);
        put_quoted(out, buf_span(&json));
        break;
    default: json_put(out, value);
    }
    out->over |= json.over;
    buf_free(&json);
}

/* Its columns are what the record's fields are now called. */
static enum err_kind close_csv(struct span *body, const struct record_form *f,
                               struct span text, struct span json, struct arena *a,
                               struct err *e)
{
    struct buf out = BUF_INIT(RECORD_MOST);
    const struct json *record;

    (void)text;
    TRY(json_read(&record, json, NULL, a, e));
    if (record->kind != JSON_OBJECT || record->n == 0)
        return err_set(e, ERR_INVALID, "a row of CSV is made of an object's fields");
    for (const struct json *j = record->first; j != NULL; j = j->next) {
        put_quoted(&out, j->name);
        buf_put_u8(&out, j->next != NULL ? (uint8_t)f->delimiter : '\n');
    }
    for (const struct json *j = record->first; j != NULL; j = j->next) {
        put_cell(&out, j);
        buf_put_u8(&out, j->next != NULL ? (uint8_t)f->delimiter : '\n');
    }
    return keep(body, &out, a, e);
}

/* ---- framed Avro ---- */

static enum err_kind decode(struct buf *out, struct av_schema *schema,
                            struct span datum, struct err *e)
{
    const struct av_decode_limits lim = {.first = FRAME_HEAD};
    struct av_to_json w;
    struct av_plan *plan;

    TRY(av_plan_new(&plan, schema, schema, e));
    av_to_json_init(&w, out, false);
    enum err_kind rc = av_decode_all(plan, datum, &lim, &w.visitor, e);
    av_plan_free(plan);
    return rc;
}

static enum err_kind open_framed(struct span *json, const struct record_form *f,
                                 struct span text, struct arena *a, struct err *e)
{
    struct buf out = BUF_INIT(RECORD_MOST);
    struct rc_schema s;
    struct frame frame;

    if (f->registry == NULL)
        return err_set(e, ERR_INVALID,
                       "it is framed Avro: its schema is wanted (--registry)");
    TRY(frame_read(&frame, text, e));
    TRY(rc_by_id(f->registry, frame.schema_id, clock_ms() + f->timeout_ms, &s, e));
    enum err_kind rc = decode(&out, s.schema, frame.body, e);
    rc_schema_free(&s);
    if (rc == ERR_OK)
        return keep(json, &out, a, e);
    buf_free(&out);
    return rc;
}

/* ---- JSON ---- */

static enum err_kind open_json(struct span *json, const struct record_form *f,
                               struct span text, struct arena *a, struct err *e)
{
    (void)f, (void)a, (void)e;
    *json = text;
    return ERR_OK;
}

static enum err_kind close_json(struct span *body, const struct record_form *f,
                                struct span text, struct span json, struct arena *a,
                                struct err *e)
{
    (void)f, (void)text, (void)a, (void)e;
    *body = json;
    return ERR_OK;
}

static const struct {
    enum err_kind (*open)(struct span *json, const struct record_form *f,
                          struct span text, struct arena *a, struct err *e);
    enum err_kind (*close)(struct span *body, const struct record_form *f,
                           struct span text, struct span json, struct arena *a,
                           struct err *e);
} forms[] = {
    [RECORD_JSON] = {open_json, close_json},
    [RECORD_EVENT] = {open_event, close_event},
    [RECORD_CSV] = {open_csv, close_csv},
    [RECORD_FRAMED] = {open_framed, close_json},
};

enum err_kind record_open(struct span *json, const struct record_form *f,
                          struct span text, struct arena *a, struct err *e)
{
    return forms[f->kind].open(json, f, text, a, e);
}

enum err_kind record_close(struct span *body, const struct record_form *f,
                           struct span text, struct span json, struct arena *a,
                           struct err *e)
{
    return forms[f->kind].close(body, f, text, json, a, e);
}
