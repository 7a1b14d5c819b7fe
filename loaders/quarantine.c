#include "loaders/quarantine.h"

#include "base/clock.h"
#include "loaders/copy.h"
#include "loaders/etl_log.h"

#define HAS_MOST 1600 // MaxHeapAttributeNumber

const struct own_column quarantine_columns[QUARANTINE_EXTRA] = {
    {"_errors", FORM_JSONB, true},   {"_topic", FORM_TEXT, true},
    {"_partition", FORM_INT4, true}, {"_offset", FORM_INT8, true},
    {"_run_id", FORM_UUID, true},    {"_quarantined", FORM_TIMESTAMP, true},
};
static const char *const types[QUARANTINE_EXTRA] = {"jsonb",  "text", "integer",
                                                    "bigint", "uuid", "timestamptz"};

static int extra_of(const char *name)
{
    for (int i = 0; i < QUARANTINE_EXTRA; i++)
        if (strcmp(quarantine_columns[i].name, name) == 0)
            return i;
    return -1;
}

static enum err_kind check_names(const struct table *t, struct err *e)
{
    for (size_t i = 0; i < t->n; i++)
        if (extra_of(t->columns[i].name) >= 0)
            return err_set(e, ERR_INVALID,
                           "field %s: the quarantine has a column of that name",
                           t->columns[i].name);
    return ERR_OK;
}

static enum err_kind put_missing(const bool *there, const char *quoted, bool evolve,
                                 struct buf *ddl, struct err *e)
{
    bool any = false;

    for (int i = 0; i < QUARANTINE_EXTRA; i++) {
        if (there[i])
            continue;
        if (!evolve)
            return err_set(e, ERR_INVALID,
                           "table %s has no column %s (and evolve is off)", quoted,
                           quarantine_columns[i].name);
        buf_printf(ddl, any ? ", ADD COLUMN %s %s" : "ALTER TABLE %s ADD COLUMN %s %s",
                   any ? quarantine_columns[i].name : quoted,
                   any ? types[i] : quarantine_columns[i].name, any ? "" : types[i]);
        any = true;
    }
    if (any)
        buf_put_str(ddl, ";\n");
    return ERR_OK;
}

enum err_kind quarantine_plan(struct table *out, struct av_schema *reader,
                              const struct table_has *has, size_t n_has,
                              const char *quoted, bool evolve, struct buf *ddl,
                              struct err *e)
{
    struct table_has others[HAS_MOST];
    bool there[QUARANTINE_EXTRA] = {false};
    size_t n = 0;

    for (size_t i = 0; has != NULL && i < n_has && n < HAS_MOST; i++) {
        int k = extra_of(has[i].name);
        if (k >= 0)
            there[k] = true;
        else
            others[n++] = has[i];
    }
    TRY(table_plan(out, reader, has != NULL ? others : NULL, n, quoted, evolve, NULL,
                   ddl, e));
    enum err_kind rc = check_names(out, e);
    if (rc == ERR_OK)
        rc = put_missing(there, quoted, evolve || has == NULL, ddl, e);
    if (rc != ERR_OK)
        table_free(out);
    return rc;
}

void quarantine_put_copy(struct buf *out, const struct table *t, const char *quoted)
{
    buf_printf(out, "COPY %s (", quoted);
    for (size_t i = 0; i < t->n; i++) {
        pg_put_name(out, span_str(t->columns[i].name));
        buf_put_str(out, ", ");
    }
    for (int i = 0; i < QUARANTINE_EXTRA; i++)
        buf_printf(out, "%s%s", i > 0 ? ", " : "", quarantine_columns[i].name);
    buf_put_str(out, ") FROM STDIN (FORMAT binary)");
}

static void put_clean(struct buf *out, const char *before, struct span text)
{
    size_t at = copy_open(out);

    buf_put_str(out, before);
    etl_put_clean(out, text);
    copy_close(out, at);
}

void quarantine_put_extra(struct buf *out, const struct quarantined *q)
{
    struct err never = {0};

    put_clean(out, "\1", q->errors); // jsonb's version
    put_clean(out, "", span_str(q->topic));
    (void)!copy_int4(out, q->partition, &never);
    copy_int8(out, q->offset);
    (void)!copy_uuid(out, span_str(q->run_id), &never);
    (void)!copy_timestamp(out, q->wall_ms, 1000, &never);
}

enum err_kind quarantine_put(struct rows *rows, const struct batch *b,
                             const struct record *rec, const struct sifted *got,
                             const char *run_id, struct err *e)
{
    size_t at = rows->out.n;

    rows_begin(rows);
    if (av_decode_all(got->plan, got->datum, NULL, &rows->visitor, e) != ERR_OK) {
        rows_take_back(rows);
        return e->kind;
    }
    TRY(rows_end(rows, e));
    quarantine_put_extra(&rows->out, &(struct quarantined){.topic = b->topic,
                                                           .run_id = run_id,
                                                           .partition = b->partition,
                                                           .offset = rec->offset,
                                                           .wall_ms = wall_ms(),
                                                           .errors = got->errors});
    if (buf_status(&rows->out, e) == ERR_OK)
        return ERR_OK;
    buf_cut(&rows->out, at);
    rows->out.over = false;
    return e->kind;
}
