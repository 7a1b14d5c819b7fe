#include "loaders/deletion.h"

#include "loaders/copy.h"

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

/* --- a key that is no frame: text ------------------------------------------------- */

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

static enum err_kind put_plain(struct buf *out, const struct table *t, struct span key,
                               struct err *e)
{
    if (count_keys(t) != 1)
        return err_set(e, ERR_INVALID,
                       "the record's key is text, the table's has %zu columns: wanted "
                       "a framed Avro record with these fields",
                       count_keys(t));
    for (size_t i = 0; i < t->n; i++) {
        if (t->columns[i].key)
            TRY(put_text_key(out, &t->columns[i], key, e));
        else
            copy_null(out);
    }
    return ERR_OK;
}

/* --- a framed key ----------------------------------------------------------------- */

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

static void adapt(struct deletion *d)
{
    d->misfit[0] = '\0';
    for (size_t i = 0; i < d->target->n; i++) {
        const struct column *c = &d->target->columns[i];
        if (!c->key)
            continue;
        struct column *k = find(&d->key, c, count_keys(d->target));
        if (k == NULL || !may_be(k, c)) {
            snprintf(d->misfit, sizeof d->misfit,
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

static enum err_kind use_key_schema(struct deletion *d, struct av_schema *schema,
                                    struct err *e)
{
    struct buf ddl = BUF_INIT(4 << 20);
    struct table t;

    if (d->key.n > 0 && d->key.reader == schema)
        return ERR_OK;
    enum err_kind rc = table_plan(&t, schema, NULL, 0, "", true, NULL, &ddl, e);
    buf_free(&ddl);
    TRY(rc);
    if (d->key.n > 0)
        table_free(&d->key);
    d->key = t;
    adapt(d);
    rows_use(&d->rows, &d->key);
    return ERR_OK;
}

static struct span cell(struct deletion *d, const struct column *c)
{
    const struct column *k = find(&d->key, c, count_keys(d->target));
    struct span rest = span_skip(buf_span(&d->rows.out), 2);

    for (const struct column *at = d->key.columns;; at++) {
        uint32_t n = (uint32_t)rest.p[0] << 24 | (uint32_t)rest.p[1] << 16 |
                     (uint32_t)rest.p[2] << 8 | rest.p[3];
        size_t all = n == UINT32_MAX ? 4 : 4 + (size_t)n;
        if (at == k)
            return span_of(rest.p, all);
        rest = span_skip(rest, all);
    }
}

static enum err_kind put_framed(struct deletion *d, struct buf *out, struct sift *sift,
                                const struct record *r, struct av_schema *schema,
                                struct err *e)
{
    TRY(use_key_schema(d, schema, e));
    if (d->misfit[0] != '\0')
        return err_set(e, ERR_INVALID, "%s", d->misfit);
    rows_reset(&d->rows);
    rows_begin(&d->rows);
    TRY(sift_key(sift, r, &d->rows.visitor, e));
    TRY(rows_end(&d->rows, e));
    for (size_t i = 0; i < d->target->n; i++) {
        if (d->target->columns[i].key)
            buf_put(out, cell(d, &d->target->columns[i]));
        else
            copy_null(out);
    }
    return ERR_OK;
}

/* --- the row ---------------------------------------------------------------------- */

void deletion_init(struct deletion *d)
{
    *d = (struct deletion){0};
    rows_init(&d->rows, (size_t)64 << 20);
}

void deletion_free(struct deletion *d)
{
    if (d->key.n > 0)
        table_free(&d->key);
    rows_free(&d->rows);
}

void deletion_use(struct deletion *d, const struct table *target)
{
    d->target = target;
    if (d->key.n > 0)
        table_free(&d->key); // it was adapted to the table before
}

enum err_kind deletion_put(struct deletion *d, struct buf *out, uint16_t extra,
                           struct sift *sift, const struct record *r, struct err *e)
{
    struct av_schema *schema;
    size_t at = out->n;

    if (r->key.p == NULL)
        return err_set(e, ERR_INVALID, "a tombstone without a key deletes nothing");
    TRY(sift_key_schema(sift, r, &schema, e));
    copy_row(out, (uint16_t)(d->target->n + extra));
    enum err_kind rc = schema == NULL ? put_plain(out, d->target, r->key, e)
                                      : put_framed(d, out, sift, r, schema, e);
    if (rc != ERR_OK)
        buf_cut(out, at);
    return rc;
}
