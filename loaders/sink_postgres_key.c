/* A tombstone's key, as the row it deletes. */
#include "loaders/sink_postgres_inside.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

static size_t count_keys(const struct table *t)
{
    size_t n = 0;

    for (size_t i = 0; i < t->n; i++)
        n += t->columns[i].key;
    return n;
}

/* --- a key that is no frame: text, for a table with one key column -----------------
 */

static bool read_int(struct span text, int64_t *out)
{
    char digits[24], *end;

    if (text.n == 0 || text.n >= sizeof digits || text.p[0] == ' ' || text.p[0] == '+')
        return false;
    snprintf(digits, sizeof digits, "%.*s", (int)text.n, (const char *)text.p);
    *out = strtoll(digits, &end, 10);
    return *end == '\0' && strlen(digits) == text.n;
}

static enum err_kind put_int(struct buf *out, const struct column *c, int64_t x,
                             struct err *e)
{
    if (c->form == FORM_INT2)
        return copy_int2(out, x, e);
    if (c->form == FORM_INT4)
        return copy_int4(out, x, e);
    if (c->form == FORM_NUMERIC)
        copy_numeric_int(out, x);
    else
        copy_int8(out, x);
    return ERR_OK;
}

static enum err_kind put_text_key(struct buf *out, const struct column *c,
                                  struct span key, struct err *e)
{
    int64_t x;

    switch (c->form) {
    case FORM_TEXT: return copy_text(out, key, e);
    case FORM_UUID: return copy_uuid(out, key, e);
    case FORM_INT2:
    case FORM_INT4:
    case FORM_INT8:
        if (!read_int(key, &x))
            return err_set(e, ERR_INVALID, "key \"%.*s\", column %s wants an integer",
                           key.n > 60 ? 60 : (int)key.n, (const char *)key.p, c->name);
        return put_int(out, c, x, e);
    default:
        return err_set(e, ERR_INVALID,
                       "the record's key is text, column %s wants it as framed Avro",
                       c->name);
    }
}

static enum err_kind put_plain(struct postgres *p, struct span key, struct err *e)
{
    if (count_keys(&p->table) != 1)
        return err_set(e, ERR_INVALID,
                       "the record's key is text, the table's has %zu columns: wanted "
                       "a framed Avro record with these fields",
                       count_keys(&p->table));
    for (size_t i = 0; i < p->table.n; i++) {
        if (p->table.columns[i].key)
            TRY(put_text_key(&p->rows.out, &p->table.columns[i], key, e));
        else
            copy_null(&p->rows.out);
    }
    return ERR_OK;
}

/* --- a framed key ------------------------------------------------------------------
 */

static bool is_integer(enum table_form form)
{
    return form == FORM_INT2 || form == FORM_INT4 || form == FORM_INT8;
}

/* May a key's value be written in the form of the table's column? */
static bool may_be(const struct column *key, const struct column *c)
{
    if (key->form == c->form && key->unit_us == c->unit_us)
        return true;
    if (is_integer(key->form) && key->node->logical == AV_PLAIN)
        return is_integer(c->form) || c->form == FORM_NUMERIC;
    return (key->form == FORM_TEXT && c->form == FORM_UUID) ||
           (key->form == FORM_UUID && c->form == FORM_TEXT);
}

/* A record's fields by name; a key that is no record is the only key column. */
static struct column *find(struct table *key, const struct column *c, size_t n_keys)
{
    if (!key->is_record)
        return n_keys == 1 ? &key->columns[0] : NULL;
    for (size_t i = 0; i < key->n; i++)
        if (c->field != NULL && span_eq(key->columns[i].field->name, c->field->name))
            return &key->columns[i];
    return NULL;
}

static void adapt(struct postgres *p, struct table *key)
{
    p->key_misfit[0] = '\0';
    for (size_t i = 0; i < p->table.n; i++) {
        const struct column *c = &p->table.columns[i];
        if (!c->key)
            continue;
        struct column *k = find(key, c, count_keys(&p->table));
        if (k == NULL || !may_be(k, c)) {
            snprintf(p->key_misfit, sizeof p->key_misfit,
                     k == NULL ? "the record's key has no field for column %s"
                               : "the record's key does not fit column %s",
                     c->name);
            return;
        }
        k->form = c->form;
        k->unit_us = c->unit_us;
        k->precision = c->precision;
    }
}

static enum err_kind use_key_schema(struct postgres *p, struct av_schema *schema,
                                    struct err *e)
{
    struct buf ddl = BUF_INIT(4 << 20);
    struct table t;

    if (p->key_table.n > 0 && p->key_table.reader == schema)
        return ERR_OK;
    enum err_kind rc = table_plan(&t, schema, NULL, 0, "", true, NULL, &ddl, e);
    buf_free(&ddl);
    TRY(rc);
    if (p->key_table.n > 0)
        table_free(&p->key_table);
    p->key_table = t;
    adapt(p, &p->key_table);
    rows_use(&p->key_rows, &p->key_table);
    return ERR_OK;
}

static struct span cell(struct postgres *p, const struct column *c)
{
    const struct column *k = find(&p->key_table, c, count_keys(&p->table));
    struct span rest = span_skip(buf_span(&p->key_rows.out), 2);

    for (const struct column *at = p->key_table.columns;; at++) {
        uint32_t n = (uint32_t)rest.p[0] << 24 | (uint32_t)rest.p[1] << 16 |
                     (uint32_t)rest.p[2] << 8 | rest.p[3];
        size_t all = n == UINT32_MAX ? 4 : 4 + (size_t)n;
        if (at == k)
            return span_of(rest.p, all);
        rest = span_skip(rest, all);
    }
}

static enum err_kind put_framed(struct postgres *p, struct sift *sift,
                                const struct record *r, struct av_schema *schema,
                                struct err *e)
{
    TRY(use_key_schema(p, schema, e));
    if (p->key_misfit[0] != '\0')
        return err_set(e, ERR_INVALID, "%s", p->key_misfit);
    rows_reset(&p->key_rows);
    rows_begin(&p->key_rows);
    TRY(sift_key(sift, r, &p->key_rows.visitor, e));
    TRY(rows_end(&p->key_rows, e));
    for (size_t i = 0; i < p->table.n; i++) {
        if (p->table.columns[i].key)
            buf_put(&p->rows.out, cell(p, &p->table.columns[i]));
        else
            copy_null(&p->rows.out);
    }
    return ERR_OK;
}

enum err_kind postgres_put_deletion(struct postgres *p, struct sift *sift,
                                    const struct record *r, struct err *e)
{
    struct av_schema *schema;
    size_t at = p->rows.out.n;

    if (r->key.p == NULL)
        return err_set(e, ERR_INVALID, "a tombstone without a key deletes nothing");
    TRY(sift_key_schema(sift, r, &schema, e));
    copy_row(&p->rows.out, (uint16_t)(p->table.n + MERGE_EXTRA));
    enum err_kind rc =
        schema == NULL ? put_plain(p, r->key, e) : put_framed(p, sift, r, schema, e);
    if (rc != ERR_OK)
        buf_cut(&p->rows.out, at);
    return rc;
}
