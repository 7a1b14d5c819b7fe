#include "loaders/dialect_sql.h"

#include "base/json.h"
#include "loaders/bound.h"
#include "loaders/dialect_inside.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

void dialect_put_column(struct buf *sql, const struct dialect *d,
                        const struct column *c)
{
    dialect_put_name(sql, d, span_str(c->name));
}

const struct dialect_type *dialect_type_of(const struct dialect *d,
                                           const struct column *c)
{
    return &d->types[dialect_kind(d, c)];
}

void dialect_put_typed(struct buf *sql, const struct column *c, const char *template,
                       const char *name)
{
    char ps[40];

    snprintf(ps, sizeof ps, "(%d,%d)", c->node->precision, c->node->scale);
    dialect_put(sql, template, (const char *[]){"ps", ps, "c", name, NULL});
}

/* "a", "b": of all columns, or of the keys alone. */
void dialect_put_columns(struct buf *sql, const struct dialect *d,
                         const struct table *t, const char *prefix, bool keys)
{
    bool first = true;

    for (size_t i = 0; i < t->n; i++) {
        if (keys && !t->columns[i].key)
            continue;
        buf_put_str(sql, first ? "" : ", ");
        buf_put_str(sql, prefix);
        dialect_put_column(sql, d, &t->columns[i]);
        first = false;
    }
}

static bool has_keys(const struct table *t)
{
    for (size_t i = 0; i < t->n; i++)
        if (t->columns[i].key)
            return true;
    return false;
}

/* --- tables ----------------------------------------------------------------------- */

void dialect_put_create(struct buf *sql, const struct dialect *d, const struct table *t,
                        const char *quoted, bool primary)
{
    buf_printf(sql, "CREATE TABLE %s (", quoted);
    for (size_t i = 0; i < t->n; i++) {
        const struct column *c = &t->columns[i];
        buf_put_str(sql, i == 0 ? "\n    " : ",\n    ");
        dialect_put_column(sql, d, c);
        buf_put_u8(sql, ' ');
        dialect_put_type(sql, d, c);
        if (c->key || (!c->nullable && !d->loose))
            buf_put_str(sql, " NOT NULL");
    }
    if (primary && has_keys(t)) {
        buf_put_str(sql, ",\n    PRIMARY KEY (");
        dialect_put_columns(sql, d, t, "", true);
        buf_put_u8(sql, ')');
    }
    buf_put_str(sql, "\n)");
}

static int64_t read_zigzag(struct span *in)
{
    uint64_t v = 0;

    for (unsigned shift = 0; in->n > 0 && shift < 64; shift += 7) {
        uint8_t byte = in->p[0];
        *in = span_skip(*in, 1);
        v |= (uint64_t)(byte & 0x7f) << shift;
        if ((byte & 0x80) == 0)
            break;
    }
    return (int64_t)(v >> 1) ^ -(int64_t)(v & 1);
}

/* The default as the bytes of a row (copy.h); false when they cannot be made. */
static bool encode_default(struct buf *out, const struct column *c, struct span avro)
{
    struct err ignored = {0};
    int64_t x;

    if (c->node->type == AV_BYTES) {
        size_t n = (size_t)read_zigzag(&avro);
        avro = span_of(avro.p, n < avro.n ? n : avro.n);
    }
    switch (c->form) {
    case FORM_DATE: return copy_date(out, read_zigzag(&avro), &ignored) == ERR_OK;
    case FORM_TIME:
        x = read_zigzag(&avro);
        return x >= 0 && x <= INT64_C(86400000000) &&
               copy_time(out, x * c->unit_us, &ignored) == ERR_OK;
    case FORM_TIMESTAMP:
        x = read_zigzag(&avro);
        return copy_timestamp(out, x, c->unit_us, &ignored) == ERR_OK;
    case FORM_INTERVAL: return copy_interval(out, avro, &ignored) == ERR_OK;
    case FORM_NUMERIC:
        if (c->node->logical == AV_BIG_DECIMAL)
            return copy_big_decimal(out, avro, &ignored) == ERR_OK;
        return copy_numeric(out, avro, c->node->scale, c->precision, &ignored) ==
               ERR_OK;
    default: copy_bytea(out, avro); return true;
    }
}

static bool put_encoded(struct buf *sql, const struct dialect *d,
                        const struct column *c, struct span avro)
{
    struct buf field = BUF_INIT(1 << 20), text = BUF_INIT(1 << 20);
    bool ok = encode_default(&field, c, avro);
    struct span bytes = span_skip(buf_span(&field), 4);

    if (ok && (c->form == FORM_BYTEA || (c->form == FORM_UUID && bytes.n != 16))) {
        dialect_put_bytes(sql, d, bytes);
    } else if (ok) {
        bound_put_text(&text, c->form, dialect_kind(d, c) == KIND_INSTANT, bytes);
        bool bare = dialect_kind(d, c) == KIND_DECIMAL;
        buf_put_str(sql, bare ? "" : "'");
        buf_put(sql, buf_span(&text));
        buf_put_str(sql, bare ? "" : "'");
    }
    buf_free(&field);
    buf_free(&text);
    return ok;
}

static bool is_encoded(const struct column *c)
{
    return c->form == FORM_DATE || c->form == FORM_TIME || c->form == FORM_TIMESTAMP ||
           c->node->type == AV_BYTES || c->node->type == AV_FIXED;
}

static void put_json(struct buf *sql, const struct dialect *d, const struct json *j,
                     bool quoted)
{
    struct buf text = BUF_INIT(1 << 20);

    json_put(&text, j);
    buf_put_u8(&text, 0);
    if (quoted)
        dialect_put_text(sql, d, (const char *)text.p);
    else
        buf_put_str(sql, (const char *)text.p);
    buf_free(&text);
}

/* False when there is none, or it is null, or has no literal here. */
static bool put_default(struct buf *sql, const struct dialect *d,
                        const struct column *c)
{
    if (c->field == NULL || c->field->fallback == NULL ||
        (c->form == FORM_JSONB && dialect_type_of(d, c)->from_stage != NULL))
        return false;
    const struct json *j = c->field->fallback;
    struct span avro = c->field->fallback_avro;
    const struct av_node *type = c->field->type;

    if (type->type == AV_UNION)
        type = type->branches[(size_t)read_zigzag(&avro) % type->n_branches];
    if (type->type == AV_NULL)
        return false;
    if (is_encoded(c))
        return put_encoded(sql, d, c, avro);
    if (c->form == FORM_BOOL)
        buf_put_str(sql, j->kind == JSON_TRUE ? d->yes : d->no);
    else if (j->kind == JSON_STRING && c->form != FORM_JSONB) {
        char *text = mem_str(j->text);
        dialect_put_text(sql, d, text);
        free(text);
    } else
        put_json(sql, d, j, c->form == FORM_JSONB);
    return true;
}

void dialect_put_add(struct buf *sql, const struct dialect *d, const char *quoted,
                     const struct column *c)
{
    buf_printf(sql, "ALTER TABLE %s %s ", quoted, d->add);
    dialect_put_column(sql, d, c);
    buf_put_u8(sql, ' ');
    dialect_put_type(sql, d, c);
    size_t before = sql->n;
    buf_put_str(sql, " DEFAULT ");
    if (!put_default(sql, d, c)) {
        buf_cut(sql, before); // null, or none: NULL where there are rows
        return;
    }
    buf_put_str(sql, c->nullable || d->loose ? d->add_end : " NOT NULL");
}

void dialect_put_alter(struct buf *sql, const struct dialect *d, const char *quoted,
                       const struct column *c, bool relax)
{
    struct buf name = BUF_INIT(500), type = BUF_INIT(500);

    dialect_put_column(&name, d, c);
    buf_put_u8(&name, 0);
    if (c->node != NULL)
        dialect_put_type(&type, d, c);
    buf_put_u8(&type, 0);
    buf_printf(sql, "ALTER TABLE %s ", quoted);
    dialect_put(sql, relax ? d->relax : d->widen,
                (const char *[]){"c", (const char *)name.p, "t", (const char *)type.p,
                                 "null", c->nullable ? "NULL" : "NOT NULL", NULL});
    buf_free(&name);
    buf_free(&type);
}

const struct stage_column stage_columns[] = {
    {STAGE_SEQ, KIND_LONG, FORM_INT8},
    {STAGE_OP, KIND_INT, FORM_INT4},
    {STAGE_AT, KIND_INSTANT, FORM_TIMESTAMP},
};

size_t stage_extra(enum apply_mode mode)
{
    return mode == APPLY_HISTORY ? 3 : mode == APPLY_MIRROR ? 2 : 1;
}

void dialect_put_stage(struct buf *sql, const struct dialect *d, enum apply_mode mode,
                       const struct table *t, const char *stage)
{
    buf_printf(sql, "%s %s (", d->stage_make, stage);
    for (size_t i = 0; i < t->n; i++) {
        const struct dialect_type *type = dialect_type_of(d, &t->columns[i]);
        dialect_put_column(sql, d, &t->columns[i]);
        buf_put_u8(sql, ' ');
        dialect_put_typed(sql, &t->columns[i],
                          type->stage == NULL ? type->sql : type->stage, "");
        buf_put_str(sql, ", ");
    }
    for (size_t i = 0; i < stage_extra(mode); i++) {
        const struct dialect_type *type = &d->types[stage_columns[i].kind];
        buf_printf(sql, "%s%s %s", i == 0 ? "" : ", ", stage_columns[i].name,
                   type->stage == NULL ? type->sql : type->stage);
    }
    if (mode == APPLY_HISTORY)
        dialect_put_stage_spans(sql, d);
    buf_printf(sql, ")%s", d->stage_end);
}

/* --- rows ------------------------------------------------------------------------- */

void dialect_put_insert(struct buf *sql, const struct dialect *d, const struct table *t,
                        const char *into, size_t extra, size_t rows)
{
    buf_printf(sql, "INSERT INTO %s (", into);
    dialect_put_columns(sql, d, t, "", false);
    for (size_t i = 0; i < extra; i++)
        buf_printf(sql, ", %s", stage_columns[i].name);
    buf_put_str(sql, ") VALUES ");
    for (size_t r = 0; r < rows; r++) {
        buf_put_str(sql, r == 0 ? "(" : ", (");
        for (size_t i = 0; i < t->n; i++) {
            buf_put_str(sql, i == 0 ? "" : ", ");
            dialect_put_typed(sql, &t->columns[i],
                              dialect_type_of(d, &t->columns[i])->marker, "");
        }
        for (size_t i = 0; i < extra; i++)
            buf_printf(sql, ", %s", d->types[stage_columns[i].kind].marker);
        buf_put_u8(sql, ')');
    }
}

void dialect_put_probe(struct buf *sql, const struct dialect *d, const struct table *t,
                       const char *quoted)
{
    buf_put_str(sql, "SELECT ");
    dialect_put_columns(sql, d, t, "", false);
    buf_printf(sql, " FROM %s WHERE 1 = 0", quoted);
}

/* The stage with one row a key: the last, or the first. */
static void put_distinct(struct buf *sql, const struct dialect *d,
                         const struct table *t, const char *stage, bool last)
{
    buf_put_str(sql, "(SELECT s.*, ROW_NUMBER() OVER (PARTITION BY ");
    dialect_put_columns(sql, d, t, "s.", true);
    buf_printf(sql, " ORDER BY s." STAGE_SEQ "%s) AS avrogate_rank FROM %s s) s",
               last ? " DESC" : "", stage);
}

void dialect_put_same_key(struct buf *sql, const struct dialect *d,
                          const struct table *t)
{
    bool first = true;

    for (size_t i = 0; i < t->n; i++) {
        if (!t->columns[i].key)
            continue;
        buf_put_str(sql, first ? "t." : " AND t.");
        dialect_put_column(sql, d, &t->columns[i]);
        buf_put_str(sql, " = s.");
        dialect_put_column(sql, d, &t->columns[i]);
        first = false;
    }
}

void dialect_put_count(struct buf *sql, const struct dialect *d, enum apply_mode mode,
                       const struct table *t, const char *quoted, const char *stage)
{
    const struct column *key = t->columns;

    if (mode == APPLY_HISTORY) {
        dialect_put_spans_count(sql, stage);
        return;
    }
    while (!key->key)
        key++;
    buf_put_str(sql, "SELECT COUNT(*), COUNT(t.");
    dialect_put_column(sql, d, key);
    buf_put_str(sql, mode == APPLY_MIRROR ? "), COUNT(CASE WHEN s." STAGE_OP
                                            " = 0 THEN 1 END) FROM "
                                          : "), COUNT(*) FROM ");
    put_distinct(sql, d, t, stage, true);
    buf_printf(sql, " LEFT JOIN %s t ON ", quoted);
    dialect_put_same_key(sql, d, t);
    buf_put_str(sql, " WHERE s.avrogate_rank = 1");
}

void dialect_put_staged(struct buf *sql, const struct dialect *d,
                        const struct column *c)
{
    const struct dialect_type *type = dialect_type_of(d, c);
    struct buf name = BUF_INIT(500);

    buf_put_str(&name, "s.");
    dialect_put_column(&name, d, c);
    buf_put_u8(&name, 0);
    dialect_put_typed(sql, c, type->from_stage == NULL ? "{c}" : type->from_stage,
                      (const char *)name.p);
    buf_free(&name);
}

static void put_staged(struct buf *sql, const struct dialect *d, const struct table *t)
{
    for (size_t i = 0; i < t->n; i++) {
        buf_put_str(sql, i == 0 ? "" : ", ");
        dialect_put_staged(sql, d, &t->columns[i]);
    }
}

static void put_append(struct buf *sql, const struct dialect *d, const struct table *t,
                       const char *quoted, const char *stage)
{
    buf_printf(sql, "INSERT INTO %s (", quoted);
    dialect_put_columns(sql, d, t, "", false);
    buf_put_str(sql, ") SELECT ");
    put_staged(sql, d, t);
    buf_printf(sql, " FROM %s s", stage);
}

/* c = excluded.c of what is no key; false when there is nothing. */
static bool put_sets(struct buf *sql, const struct dialect *d, const struct table *t,
                     const char *from)
{
    bool any = false;

    for (size_t i = 0; i < t->n; i++) {
        if (t->columns[i].key)
            continue;
        buf_put_str(sql, any ? ", " : "");
        dialect_put_column(sql, d, &t->columns[i]);
        buf_printf(sql, " = %s", from);
        dialect_put_column(sql, d, &t->columns[i]);
        any = true;
    }
    return any;
}

void dialect_conflict_apply(struct buf *sql, const struct dialect *d,
                            enum apply_mode mode, const struct table *t,
                            const char *quoted, const char *stage)
{
    if (mode == APPLY_APPEND) {
        put_append(sql, d, t, quoted, stage);
        return;
    }
    buf_printf(sql, "INSERT INTO %s (", quoted);
    dialect_put_columns(sql, d, t, "", false);
    buf_put_str(sql, ") SELECT ");
    put_staged(sql, d, t);
    buf_put_str(sql, " FROM ");
    put_distinct(sql, d, t, stage, mode != APPLY_IGNORE);
    buf_put_str(sql, " WHERE s.avrogate_rank = 1");
    buf_put_str(sql, mode == APPLY_MIRROR ? " AND s." STAGE_OP " = 0" : "");
    buf_put_str(sql, " ON CONFLICT (");
    dialect_put_columns(sql, d, t, "", true);
    buf_put_str(sql, ") DO ");
    size_t before = sql->n;
    buf_put_str(sql, "UPDATE SET ");
    if (mode != APPLY_IGNORE && put_sets(sql, d, t, "excluded."))
        return;
    buf_cut(sql, before);
    buf_put_str(sql, "NOTHING");
}

void dialect_conflict_delete(struct buf *sql, const struct dialect *d,
                             const struct table *t, const char *quoted,
                             const char *stage)
{
    buf_printf(sql, "DELETE FROM %s WHERE (", quoted);
    dialect_put_columns(sql, d, t, "", true);
    buf_put_str(sql, ") IN (SELECT "); // of rows: by the key's index
    dialect_put_columns(sql, d, t, "s.", true);
    buf_put_str(sql, " FROM ");
    put_distinct(sql, d, t, stage, true);
    buf_put_str(sql, " WHERE s.avrogate_rank = 1 AND s." STAGE_OP " = 1)");
}

static void put_matched(struct buf *sql, const struct dialect *d, enum apply_mode mode,
                        const struct table *t)
{
    if (mode == APPLY_MIRROR)
        buf_put_str(sql, " WHEN MATCHED AND s." STAGE_OP " = 1 THEN DELETE");
    size_t before = sql->n;
    buf_put_str(sql, " WHEN MATCHED THEN UPDATE SET ");
    if (mode == APPLY_IGNORE || !put_sets(sql, d, t, "s."))
        buf_cut(sql, before);
    buf_put_str(sql, " WHEN NOT MATCHED");
    buf_put_str(sql, mode == APPLY_MIRROR ? " AND s." STAGE_OP " = 0" : "");
}

void dialect_merge_apply(struct buf *sql, const struct dialect *d, enum apply_mode mode,
                         const struct table *t, const char *quoted, const char *stage)
{
    if (mode == APPLY_APPEND) {
        put_append(sql, d, t, quoted, stage);
        return;
    }
    buf_printf(sql, "MERGE INTO %s%s AS t USING (SELECT ", quoted, d->merge_hint);
    for (size_t i = 0; i < t->n; i++) { // a converted column keeps its name
        buf_put_str(sql, i == 0 ? "" : ", ");
        dialect_put_staged(sql, d, &t->columns[i]);
        buf_put_str(sql, " AS ");
        dialect_put_column(sql, d, &t->columns[i]);
    }
    if (mode == APPLY_MIRROR)
        buf_put_str(sql, ", s." STAGE_OP " AS " STAGE_OP);
    buf_put_str(sql, " FROM ");
    put_distinct(sql, d, t, stage, mode != APPLY_IGNORE);
    buf_put_str(sql, " WHERE s.avrogate_rank = 1) AS s ON (");
    dialect_put_same_key(sql, d, t);
    buf_put_u8(sql, ')');
    put_matched(sql, d, mode, t);
    buf_put_str(sql, " THEN INSERT (");
    dialect_put_columns(sql, d, t, "", false);
    buf_put_str(sql, ") VALUES (");
    dialect_put_columns(sql, d, t, "s.", false);
    buf_printf(sql, ")%s", d->merge_end);
}

/* --- rows, each once -------------------------------------------------------------- */

static void put_list(struct buf *sql, const char *const *words, size_t n,
                     const char *prefix)
{
    for (size_t i = 0; i < n; i++)
        buf_printf(sql, "%s%s%s", i == 0 ? "" : ", ", prefix, words[i]);
}

static void put_values(struct buf *sql, const char *const *values, size_t n,
                       size_t rows)
{
    buf_put_str(sql, "VALUES ");
    for (size_t r = 0; r < rows; r++) {
        buf_put_str(sql, r == 0 ? "(" : ", (");
        put_list(sql, values + r * n, n, "");
        buf_put_u8(sql, ')');
    }
}

void dialect_conflict_once(struct buf *sql, const struct dialect *d, const char *table,
                           const char *const *columns, const char *const *values,
                           size_t n, size_t rows, size_t keys)
{
    (void)d;
    buf_printf(sql, "INSERT INTO %s (", table);
    put_list(sql, columns, n, "");
    buf_put_str(sql, ") ");
    put_values(sql, values, n, rows);
    buf_put_str(sql, " ON CONFLICT (");
    put_list(sql, columns, keys, "");
    buf_put_str(sql, ") DO NOTHING");
}

void dialect_merge_once(struct buf *sql, const struct dialect *d, const char *table,
                        const char *const *columns, const char *const *values, size_t n,
                        size_t rows, size_t keys)
{
    buf_printf(sql, "MERGE INTO %s%s AS t USING (", table, d->merge_hint);
    put_values(sql, values, n, rows);
    buf_put_str(sql, ") AS s (");
    put_list(sql, columns, n, "");
    buf_put_str(sql, ") ON (");
    for (size_t i = 0; i < keys; i++)
        buf_printf(sql, "%st.%s = s.%s", i == 0 ? "" : " AND ", columns[i], columns[i]);
    buf_put_str(sql, ") WHEN NOT MATCHED THEN INSERT (");
    put_list(sql, columns, n, "");
    buf_put_str(sql, ") VALUES (");
    put_list(sql, columns, n, "s.");
    buf_printf(sql, ")%s", d->merge_end);
}

/* --- the ledger ------------------------------------------------------------------- */

enum { MAYBE, ALWAYS, KEY }; // may it be NULL

static const struct ledger {
    const char *table;
    struct {
        const char *name;
        enum dialect_kind kind;
        int how;
    } columns[LEDGER_COLUMNS + 1];
} ledgers[] = {
    {"etl_offsets",
     {{"pipeline", KIND_NAME, KEY},
      {"topic", KIND_NAME, KEY},
      {"part", KIND_INT, KEY},
      {"next_offset", KIND_LONG, ALWAYS},
      {"epoch", KIND_LONG, ALWAYS},
      {"owner", KIND_NAME, ALWAYS},
      {"updated", KIND_INSTANT, MAYBE},
      {"cluster_id", KIND_NAME, MAYBE},
      {"generation", KIND_INT, ALWAYS},
      {"mark", KIND_LONG, MAYBE},
      {"released", KIND_BOOL, ALWAYS},
      {"trying", KIND_BOOL, ALWAYS},
      {"crash_offset", KIND_LONG, MAYBE},
      {"crashes", KIND_INT, ALWAYS},
      {"isolate_until", KIND_LONG, ALWAYS}}},
    {"etl_log",
     {{"run_id", KIND_UUID, KEY},
      {"start_time", KIND_INSTANT, ALWAYS},
      {"end_time", KIND_INSTANT, MAYBE},
      {"job_name", KIND_NAME, ALWAYS},
      {"status", KIND_NAME, ALWAYS},
      {"records_processed", KIND_LONG, ALWAYS},
      {"error_message", KIND_TEXT, MAYBE},
      {"source", KIND_TEXT, ALWAYS},
      {"topic", KIND_NAME, ALWAYS},
      {"target", KIND_NAME, ALWAYS},
      {"partition", KIND_INT, MAYBE},
      {"first_offset", KIND_LONG, MAYBE},
      {"last_offset", KIND_LONG, MAYBE},
      {"partitions", KIND_TEXT, ALWAYS},
      {"records_rejected", KIND_LONG, ALWAYS},
      {"records_duplicate", KIND_LONG, ALWAYS},
      {"records_filtered", KIND_LONG, ALWAYS},
      {"records_quarantined", KIND_LONG, MAYBE}, // as in etl_batch
      {"batches", KIND_LONG, ALWAYS},
      {"bytes", KIND_LONG, ALWAYS},
      {"schema_ids", KIND_TEXT, ALWAYS},
      {"last_sign", KIND_INSTANT, ALWAYS},
      {"changed", KIND_INSTANT, ALWAYS},
      {"instance", KIND_NAME, ALWAYS},
      {"program", KIND_NAME, ALWAYS}}},
    {"etl_batch",
     {{"pipeline", KIND_NAME, KEY},
      {"topic", KIND_NAME, KEY},
      {"part", KIND_INT, KEY},
      {"generation", KIND_INT, KEY},
      {"first_offset", KIND_LONG, KEY},
      {"last_offset", KIND_LONG, ALWAYS},
      {"run_id", KIND_UUID, ALWAYS},
      {"rows_in", KIND_LONG, ALWAYS},
      {"rows_loaded", KIND_LONG, ALWAYS},
      {"rows_rejected", KIND_LONG, ALWAYS},
      {"rows_duplicate", KIND_LONG, ALWAYS},
      {"rows_filtered", KIND_LONG, ALWAYS},
      {"rows_quarantined", KIND_LONG, MAYBE}, // ledgers of before have NULL
      {"rows_added", KIND_LONG, MAYBE},
      {"bytes", KIND_LONG, ALWAYS},
      {"quarantine", KIND_NAME, MAYBE},
      {"target", KIND_NAME, ALWAYS},
      {"schema_ids", KIND_TEXT, ALWAYS},
      {"started", KIND_INSTANT, ALWAYS},
      {"finished", KIND_INSTANT, ALWAYS},
      {"duration_us", KIND_LONG, ALWAYS},
      {"instance", KIND_NAME, ALWAYS},
      {"epoch", KIND_LONG, ALWAYS}}},
    {"etl_reject",
     {{"pipeline", KIND_NAME, KEY},
      {"topic", KIND_NAME, KEY},
      {"part", KIND_INT, KEY},
      {"generation", KIND_INT, KEY},
      {"record_offset", KIND_LONG, KEY},
      {"run_id", KIND_UUID, ALWAYS},
      {"rejected", KIND_INSTANT, ALWAYS},
      {"record_time", KIND_INSTANT, MAYBE},
      {"stage", KIND_NAME, ALWAYS},
      {"error", KIND_TEXT, ALWAYS},
      {"sqlstate", KIND_NAME, MAYBE},
      {"column_name", KIND_NAME, MAYBE},
      {"constraint_name", KIND_NAME, MAYBE},
      {"schema_id", KIND_INT, MAYBE},
      {"record_key", KIND_BYTES, MAYBE},
      {"record_value", KIND_BYTES, MAYBE},
      {"headers", KIND_JSON, MAYBE},
      {"rule", KIND_TEXT, MAYBE},
      {"pointer", KIND_TEXT, MAYBE}}},
    {"etl_seen",
     {{"pipeline", KIND_NAME, KEY},
      {"id", KIND_NAME, KEY},
      {"topic", KIND_NAME, ALWAYS},
      {"part", KIND_INT, ALWAYS},
      {"generation", KIND_INT, ALWAYS},
      {"record_offset", KIND_LONG, ALWAYS},
      {"seen", KIND_INSTANT, ALWAYS}}},
    {"etl_rule_result",
     {{"run_id", KIND_UUID, KEY},
      {"topic", KIND_NAME, KEY},
      {"rule", KIND_NAME, KEY},
      {"pipeline", KIND_NAME, ALWAYS},
      {"severity", KIND_NAME, ALWAYS},
      {"form", KIND_NAME, ALWAYS},
      {"wanted", KIND_TEXT, ALWAYS},
      {"checked", KIND_LONG, ALWAYS},
      {"failed", KIND_LONG, ALWAYS},
      {"errors", KIND_LONG, ALWAYS},
      {"last_failed", KIND_TEXT, MAYBE},
      {"stopped", KIND_TEXT, MAYBE},
      {"changed", KIND_INSTANT, ALWAYS}}},
    {"etl_rule_seen",
     {{"pipeline", KIND_NAME, KEY},
      {"topic", KIND_NAME, KEY},
      {"part", KIND_INT, KEY},
      {"generation", KIND_INT, KEY},
      {"rule", KIND_NAME, KEY},
      {"first_offset", KIND_LONG, KEY},
      {"last_offset", KIND_LONG, ALWAYS},
      {"keys", KIND_BYTES, ALWAYS}}},
    {"etl_dedupe",
     {{"pipeline", KIND_NAME, KEY},
      {"topic", KIND_NAME, KEY},
      {"part", KIND_INT, KEY},
      {"generation", KIND_INT, KEY},
      {"first_offset", KIND_LONG, KEY},
      {"piece", KIND_INT, KEY},
      {"last_offset", KIND_LONG, ALWAYS},
      {"keys", KIND_TEXT, ALWAYS}}},
    {"etl_phase",
     {{"run_id", KIND_UUID, KEY},
      {"number", KIND_INT, KEY},
      {"job_name", KIND_NAME, ALWAYS},
      {"phase", KIND_NAME, ALWAYS},
      {"start_time", KIND_INSTANT, ALWAYS},
      {"end_time", KIND_INSTANT, MAYBE},
      {"status", KIND_NAME, ALWAYS},
      {"rows_in", KIND_LONG, ALWAYS},
      {"rows_out", KIND_LONG, ALWAYS},
      {"files_in", KIND_LONG, ALWAYS},
      {"files_out", KIND_LONG, ALWAYS},
      {"bytes_in", KIND_LONG, ALWAYS},
      {"bytes_out", KIND_LONG, ALWAYS},
      {"load_run", KIND_UUID, MAYBE},
      {"error_message", KIND_TEXT, MAYBE}}},
    {"etl_pause",
     {{"pipeline", KIND_NAME, KEY},
      {"since", KIND_INSTANT, ALWAYS},
      {"who", KIND_NAME, ALWAYS},
      {"reason", KIND_TEXT, ALWAYS}}},
    {"etl_reset",
     {{"pipeline", KIND_NAME, KEY},
      {"topic", KIND_NAME, KEY},
      {"part", KIND_INT, KEY},
      {"generation", KIND_INT, KEY},
      {"was", KIND_LONG, MAYBE},
      {"goes_on", KIND_LONG, ALWAYS},
      {"at", KIND_INSTANT, ALWAYS},
      {"who", KIND_NAME, ALWAYS},
      {"reason", KIND_TEXT, ALWAYS}}},
    {"etl_attempt",
     {{"run_id", KIND_UUID, ALWAYS},
      {"pipeline", KIND_NAME, ALWAYS},
      {"topic", KIND_NAME, ALWAYS},
      {"part", KIND_INT, ALWAYS},
      {"first_offset", KIND_LONG, ALWAYS},
      {"at", KIND_INSTANT, ALWAYS},
      {"sqlstate", KIND_NAME, MAYBE},
      {"error", KIND_TEXT, ALWAYS}}},
};

/* Words that are reserved somewhere (SQL:2003: PARTITION, AT; Transact-SQL: RULE;
 * MySQL: KEYS; Oracle: NUMBER). */
static const char *const reserved[] = {"partition", "rule", "at", "keys", "number"};

void dialect_put_ledger_name(struct buf *sql, const struct dialect *d, const char *name)
{
    char folded[40];

    for (size_t i = 0; i < sizeof reserved / sizeof reserved[0]; i++) {
        if (strcmp(name, reserved[i]) != 0)
            continue;
        size_t n = strlen(name);
        for (size_t k = 0; k < n; k++)
            folded[k] = d->upper ? (char)(name[k] - 'a' + 'A') : name[k];
        dialect_put_name(sql, d, span_of(folded, n));
        return;
    }
    buf_put_str(sql, name);
}

static void put_ledger_column(struct buf *sql, const struct dialect *d,
                              const char *name, enum dialect_kind kind, bool maybe)
{
    if (kind == KIND_JSON && !d->json_in_ledger)
        kind = KIND_TEXT;
    dialect_put_ledger_name(sql, d, name);
    buf_printf(sql, " %s%s", d->types[kind].sql, maybe ? "" : " NOT NULL");
}

bool dialect_put_ledger(struct buf *sql, const struct dialect *d, size_t i,
                        const char **table)
{
    bool first = true;

    if (i >= sizeof ledgers / sizeof ledgers[0])
        return false;
    const struct ledger *l = &ledgers[i];
    *table = l->table;
    buf_printf(sql, "CREATE TABLE %s (", l->table);
    for (size_t c = 0; l->columns[c].name != NULL; c++) {
        buf_put_str(sql, c == 0 ? "" : ", ");
        put_ledger_column(sql, d, l->columns[c].name, l->columns[c].kind,
                          l->columns[c].how == MAYBE);
    }
    for (size_t c = 0; l->columns[c].name != NULL && l->columns[c].how == KEY; c++) {
        buf_put_str(sql, first ? ", PRIMARY KEY (" : ", ");
        dialect_put_ledger_name(sql, d, l->columns[c].name);
        first = false;
    }
    buf_put_str(sql, first ? ")" : "))");
    return true;
}

bool dialect_put_ledger_add(struct buf *sql, const struct dialect *d, size_t i,
                            size_t column, const char **name)
{
    const struct ledger *l = &ledgers[i];

    *name = l->columns[column].name;
    if (*name == NULL)
        return false;
    buf_printf(sql, "ALTER TABLE %s %s ", l->table, d->add);
    put_ledger_column(sql, d, *name, l->columns[column].kind, true);
    return true;
}
