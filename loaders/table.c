#include "loaders/table.h"

#include "avro-core/canon.h"
#include "base/mem.h"
#include "loaders/pg.h"
#include "loaders/rows.h"

#include <assert.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

/* Avro's types, as what they are in the table. */
static const struct native {
    enum av_type type;
    enum av_logical logical;
    const char *sql;
    enum table_form form;
    int64_t unit_us;
    int digits; // of a second, behind the point
} natives[] = {
    {AV_NULL, AV_PLAIN, "text", FORM_TEXT, 0, 0},
    {AV_BOOLEAN, AV_PLAIN, "boolean", FORM_BOOL, 0, 0},
    {AV_INT, AV_DATE, "date", FORM_DATE, 0, 0},
    {AV_INT, AV_TIME_MILLIS, "time without time zone", FORM_TIME, 1000, 3},
    {AV_INT, AV_PLAIN, "integer", FORM_INT4, 0, 0},
    {AV_LONG, AV_TIME_MICROS, "time without time zone", FORM_TIME, 1, 6},
    {AV_LONG, AV_TIMESTAMP_MILLIS, "timestamp with time zone", FORM_TIMESTAMP, 1000, 3},
    {AV_LONG, AV_TIMESTAMP_MICROS, "timestamp with time zone", FORM_TIMESTAMP, 1, 6},
    {AV_LONG, AV_LOCAL_TIMESTAMP_MILLIS, "timestamp without time zone", FORM_TIMESTAMP,
     1000, 3},
    {AV_LONG, AV_LOCAL_TIMESTAMP_MICROS, "timestamp without time zone", FORM_TIMESTAMP,
     1, 6},
    {AV_LONG, AV_PLAIN, "bigint", FORM_INT8, 0, 0},
    {AV_FLOAT, AV_PLAIN, "real", FORM_FLOAT4, 0, 0},
    {AV_DOUBLE, AV_PLAIN, "double precision", FORM_FLOAT8, 0, 0},
    {AV_STRING, AV_UUID, "uuid", FORM_UUID, 0, 0},
    {AV_STRING, AV_PLAIN, "text", FORM_TEXT, 0, 0},
    {AV_ENUM, AV_PLAIN, "text", FORM_TEXT, 0, 0},
    {AV_BYTES, AV_DECIMAL, "numeric", FORM_NUMERIC, 0, 0},
    {AV_BYTES, AV_BIG_DECIMAL, "numeric", FORM_NUMERIC, 0, 0},
    {AV_BYTES, AV_PLAIN, "bytea", FORM_BYTEA, 0, 0},
    {AV_FIXED, AV_DECIMAL, "numeric", FORM_NUMERIC, 0, 0},
    {AV_FIXED, AV_UUID, "uuid", FORM_UUID, 0, 0},
    {AV_FIXED, AV_DURATION, "interval", FORM_INTERVAL, 0, 0},
    {AV_FIXED, AV_PLAIN, "bytea", FORM_BYTEA, 0, 0},
};
static const struct native nested = {AV_RECORD, AV_PLAIN, "jsonb", FORM_JSONB, 0, 0};

/* What array_recv() wants to be told (PostgreSQL 15, pg_type.dat). */
static const struct {
    const char *type;
    uint32_t oid;
} oids[] = {
    {"boolean", 16},
    {"bytea", 17},
    {"bigint", 20},
    {"smallint", 21},
    {"integer", 23},
    {"text", 25},
    {"real", 700},
    {"double precision", 701},
    {"character", 1042},
    {"character varying", 1043},
    {"date", 1082},
    {"time without time zone", 1083},
    {"timestamp without time zone", 1114},
    {"timestamp with time zone", 1184},
    {"interval", 1186},
    {"numeric", 1700},
    {"uuid", 2950},
};

/* Other types of a column that take values of ours.  A narrow one is altered where we
 * may; where not, the values that do not fit are set aside. */
static const struct other {
    enum table_form native;
    const char *type;
    enum table_form form;
    bool narrow;
} others[] = {
    {FORM_INT4, "bigint", FORM_INT8, false},
    {FORM_INT4, "numeric", FORM_NUMERIC, false},
    {FORM_INT4, "double precision", FORM_FLOAT8, false},
    {FORM_INT4, "smallint", FORM_INT2, true},
    {FORM_INT8, "numeric", FORM_NUMERIC, false},
    {FORM_INT8, "integer", FORM_INT4, true},
    {FORM_INT8, "smallint", FORM_INT2, true},
    {FORM_FLOAT4, "double precision", FORM_FLOAT8, false},
    {FORM_TEXT, "character varying", FORM_TEXT, false},
    {FORM_TEXT, "character", FORM_TEXT, false},
    {FORM_TEXT, "citext", FORM_TEXT, false},
    {FORM_UUID, "text", FORM_TEXT, false},
    {FORM_UUID, "character varying", FORM_TEXT, false},
    {FORM_TIMESTAMP, "timestamp with time zone", FORM_TIMESTAMP, false},
    {FORM_TIMESTAMP, "timestamp without time zone", FORM_TIMESTAMP, false},
    {FORM_JSONB, "json", FORM_JSON, false},
    {FORM_JSONB, "text", FORM_JSON, false},
};

/* A change of type that keeps every value that is there. */
static const struct {
    const char *from, *to;
} widenings[] = {
    {"smallint", "integer"},      {"smallint", "bigint"},
    {"smallint", "real"},         {"smallint", "double precision"},
    {"integer", "bigint"},        {"integer", "double precision"},
    {"real", "double precision"}, {"character varying", "text"},
    {"integer", "numeric"},       {"bigint", "numeric"},
};

static const char *const system_columns[] = {"tableoid", "ctid", "xmin",
                                             "cmin",     "xmax", "cmax"};

static const struct native *native_of(const struct av_node *n)
{
    for (size_t i = 0; i < sizeof natives / sizeof natives[0]; i++)
        if (natives[i].type == n->type && natives[i].logical == n->logical)
            return &natives[i];
    // nanoseconds, and whatever logical type comes next: the plain number
    for (size_t i = 0; i < sizeof natives / sizeof natives[0]; i++)
        if (natives[i].type == n->type && natives[i].logical == AV_PLAIN)
            return &natives[i];
    return &nested;
}

/* 63 bytes are what PostgreSQL keeps of a name; it would cut two long ones to the same.
 */
static void name_column(char out[COLUMN_NAME], struct span field)
{
    if (field.n < COLUMN_NAME)
        snprintf(out, COLUMN_NAME, "%.*s", (int)field.n, (const char *)field.p);
    else
        snprintf(out, COLUMN_NAME, "%.54s_%08lx", (const char *)field.p,
                 (unsigned long)(av_crc64(field) >> 32));
    for (size_t i = 0; i < sizeof system_columns / sizeof system_columns[0]; i++)
        if (strcmp(out, system_columns[i]) == 0)
            strcat(out, "_");
}

static uint32_t oid_of(const char *type)
{
    for (size_t i = 0; i < sizeof oids / sizeof oids[0]; i++)
        if (strcmp(oids[i].type, type) == 0)
            return oids[i].oid;
    return 0;
}

/* The items' type of an array that SQL has a type for, without null; else NULL: arrays
 * in arrays would have to be rectangular, and JSON is what holds the others. */
static const struct av_node *plain_items(const struct av_node *n)
{
    const struct av_node *item = n->type == AV_ARRAY ? n->items : NULL;

    if (item == NULL || item->type == AV_NULL)
        return NULL;
    (void)av_is_nullable(item, &item);
    return native_of(item) == &nested ? NULL : item;
}

/* What one value of the column, or one item of it, is. */
static const struct av_node *scalar_of(const struct column *c)
{
    return c->item != NULL ? c->item : c->node;
}

static void set_native(struct column *c)
{
    const struct native *n = native_of(scalar_of(c));

    c->form = n->form;
    c->unit_us = n->unit_us;
    c->item_oid = oid_of(n->sql);
}

static void set_type(struct column *c, const struct av_node *type)
{
    const struct av_node *other;

    c->node = type;
    c->nullable = type->type == AV_NULL;
    if (av_is_nullable(type, &other)) {
        c->node = other;
        c->nullable = true;
    }
    if (c->node->type == AV_UNION)
        for (size_t i = 0; i < c->node->n_branches; i++)
            c->nullable |= c->node->branches[i]->type == AV_NULL;

    c->item = plain_items(c->node);
    set_native(c);
    other = scalar_of(c);
    c->precision = other->logical == AV_DECIMAL ? other->precision : 0;
}

void table_put_type(struct buf *out, const struct column *c)
{
    const struct av_node *n = scalar_of(c);
    const struct native *t = native_of(n);

    buf_put_str(out, t->sql);
    if (n->logical == AV_DECIMAL && t->form == FORM_NUMERIC)
        buf_printf(out, "(%d,%d)", n->precision, n->scale);
    if (c->item != NULL)
        buf_put_str(out, "[]");
}

static void put_column(struct buf *out, const char *name)
{
    pg_put_name(out, span_str(name));
}

static void put_keys(struct buf *ddl, const struct table *t)
{
    bool first = true;

    for (size_t i = 0; i < t->n; i++) {
        if (!t->columns[i].key)
            continue;
        buf_put_str(ddl, first ? "" : ", ");
        put_column(ddl, t->columns[i].name);
        first = false;
    }
}

static void put_create_end(struct buf *ddl, const struct table *t, const char *quoted,
                           const struct table_keys *keys)
{
    if (keys == NULL || keys->n == 0) {
        buf_put_str(ddl, "\n);\n");
        return;
    }
    if (!keys->history) {
        buf_put_str(ddl, ",\n    PRIMARY KEY (");
        put_keys(ddl, t);
        buf_put_str(ddl, ")\n);\n");
        return;
    }
    buf_printf(ddl,
               ",\n    valid_from timestamp with time zone NOT NULL,\n    valid_to "
               "timestamp with time zone,\n    is_current boolean NOT NULL\n);\n"
               "CREATE UNIQUE INDEX ON %s (",
               quoted);
    put_keys(ddl, t);
    buf_printf(ddl, ") WHERE is_current;\nCREATE INDEX ON %s (", quoted);
    put_keys(ddl, t);
    buf_put_str(ddl, ", valid_from);\n");
}

static void put_create(struct buf *ddl, const struct table *t, const char *quoted,
                       const struct table_keys *keys)
{
    buf_printf(ddl, "CREATE TABLE %s (", quoted);
    for (size_t i = 0; i < t->n; i++) {
        const struct column *c = &t->columns[i];
        buf_put_str(ddl, i == 0 ? "\n    " : ",\n    ");
        put_column(ddl, c->name);
        buf_put_u8(ddl, ' ');
        table_put_type(ddl, c);
        if (!c->nullable)
            buf_put_str(ddl, " NOT NULL");
    }
    put_create_end(ddl, t, quoted, keys);
}

static void put_alter(struct buf *ddl, const char *quoted, const char *what,
                      const char *column)
{
    buf_printf(ddl, "ALTER TABLE %s %s ", quoted, what);
    put_column(ddl, column);
}

/*
 * A column for a new field.  Rows that are there get the field's default, which is what
 * resolution gives to records written before the field; so does an instance that does
 * not know the column yet.
 */
static void put_add(struct buf *ddl, const struct column *c, const char *quoted)
{
    size_t before;

    put_alter(ddl, quoted, "ADD COLUMN", c->name);
    buf_put_u8(ddl, ' ');
    table_put_type(ddl, c);
    before = ddl->n;
    buf_put_str(ddl, " DEFAULT ");
    if (!rows_put_default(ddl, c))
        buf_cut(ddl, before); // null, or none: NULL where there are rows
    else if (!c->nullable)
        buf_put_str(ddl, " NOT NULL");
    buf_put_str(ddl, ";\n");
}

static const struct table_has *find(const char *name, const struct table_has *has,
                                    size_t n)
{
    const struct table_has *alike = NULL;
    size_t found = 0;

    for (size_t i = 0; i < n; i++)
        if (strcmp(has[i].name, name) == 0)
            return &has[i];
    for (size_t i = 0; i < n; i++)
        if (strcasecmp(has[i].name, name) == 0) {
            alike = &has[i];
            found++;
        }
    return found == 1 ? alike : NULL;
}

static bool is_widening(const char *from, const char *to)
{
    for (size_t i = 0; i < sizeof widenings / sizeof widenings[0]; i++)
        if (strcmp(widenings[i].from, from) == 0 && strcmp(widenings[i].to, to) == 0)
            return true;
    return false;
}

struct change { // what one column of the plan needs
    const struct table_has *has;
    char type[COLUMN_NAME]; // the column's, or of its items
    bool is_array;
    bool evolve;
    const char *quoted;
    struct buf *ddl;
};

/* "integer[]" is an array of integer; one of domains is not ours to write. */
static void read_type(struct change *ch)
{
    size_t n = strlen(ch->has->type);

    ch->is_array = n > 2 && strcmp(ch->has->type + n - 2, "[]") == 0;
    snprintf(ch->type, sizeof ch->type, "%.*s", (int)(ch->is_array ? n - 2 : n),
             ch->has->type);
}

static enum err_kind misfit(const struct column *c, const struct change *ch,
                            struct err *e)
{
    struct buf wanted = BUF_INIT(100);

    table_put_type(&wanted, c);
    (void)err_set(e, ERR_INVALID,
                  "column %s.%s is %s%s%s, the schema's %s wants " SPAN_FMT "%s",
                  ch->quoted, ch->has->name, ch->has->type,
                  ch->has->domain == NULL ? "" : " under domain ",
                  ch->has->domain == NULL ? "" : ch->has->domain,
                  av_type_name(c->node->type), SPAN_ARG(buf_span(&wanted)),
                  ch->evolve ? ": alter it by hand" : " (and evolve is off)");
    buf_free(&wanted);
    return e->kind;
}

/* A domain is somebody's word about the column: its type is not ours to change. */
static bool may_alter(const struct change *ch)
{
    return ch->evolve && ch->has->domain == NULL;
}

static enum err_kind widen(struct column *c, const struct change *ch, const char *type,
                           struct err *e)
{
    if (!may_alter(ch))
        return misfit(c, ch, e);
    put_alter(ch->ddl, ch->quoted, "ALTER COLUMN", ch->has->name);
    buf_printf(ch->ddl, " TYPE %s%s;\n", type, ch->is_array ? "[]" : "");
    if (oid_of(type) != 0) // else "numeric(9,2)": the same type with more room
        c->item_oid = oid_of(type);
    return ERR_OK;
}

static int most(int a, int b)
{
    return a > b ? a : b;
}

/* numeric(p,s) rounds what has more digits behind the point: nobody would notice. */
static enum err_kind fit_numeric(struct column *c, const struct change *ch,
                                 struct err *e)
{
    const struct av_node *node = scalar_of(c);
    int typmod = ch->has->typmod - 4;
    char type[40];

    if (ch->has->typmod < 0)
        return ERR_OK;
    int p = typmod >> 16 & 0xffff, s = typmod & 0x7ff;
    bool decimal = node->logical == AV_DECIMAL;
    int want_s = decimal ? node->scale : 0;
    int want_p = decimal ? node->precision : node->type == AV_INT ? 10 : 19;
    if (node->logical == AV_BIG_DECIMAL)
        return widen(c, ch, "numeric", e);
    if (p - s >= want_p - want_s && s >= want_s)
        return ERR_OK;
    s = most(s, want_s);
    snprintf(type, sizeof type, "numeric(%d,%d)",
             most(p - (typmod & 0x7ff), want_p - want_s) + s, s);
    return widen(c, ch, type, e);
}

/* So does timestamp(3). */
static enum err_kind fit_seconds(struct column *c, const struct change *ch,
                                 struct err *e)
{
    if (ch->has->typmod < 0 || ch->has->typmod >= native_of(scalar_of(c))->digits)
        return ERR_OK;
    return widen(c, ch, ch->type, e);
}

static enum err_kind fit_modifier(struct column *c, const struct change *ch,
                                  struct err *e)
{
    if (c->form == FORM_NUMERIC)
        return fit_numeric(c, ch, e);
    if (c->form == FORM_TIME || c->form == FORM_TIMESTAMP)
        return fit_seconds(c, ch, e);
    if (c->form == FORM_INTERVAL && ch->has->typmod >= 0) // "interval day" cuts hours
        return widen(c, ch, ch->type, e);
    if (c->form == FORM_TEXT && strcmp(ch->type, "character varying") == 0)
        c->letters = ch->has->typmod < 0 ? 0 : ch->has->typmod - 4;
    return ERR_OK;
}

static const struct other *find_other(enum table_form native, const char *type)
{
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        if (others[i].native == native && strcmp(others[i].type, type) == 0)
            return &others[i];
    return NULL;
}

/* A table of before, or made by hand: arrays as JSON. */
static bool holds_json(const char *type)
{
    return strcmp(type, nested.sql) == 0 || find_other(nested.form, type) != NULL;
}

static enum err_kind fit_scalar(struct column *c, const struct change *ch,
                                struct err *e)
{
    const struct native *n = native_of(scalar_of(c));
    const struct other *o = find_other(n->form, ch->type);

    if (strcmp(n->sql, ch->type) == 0)
        return fit_modifier(c, ch, e);
    if (n->form == FORM_TEXT && ch->has->is_enum) {
        c->item_oid = ch->has->item_oid; // an enum's receive function takes the label
        return ERR_OK;
    }
    if (o != NULL && !(o->narrow && may_alter(ch))) {
        c->form = o->form;
        // that of citext is another in every database
        c->item_oid = oid_of(o->type) != 0 ? oid_of(o->type) : ch->has->item_oid;
        return fit_modifier(c, ch, e);
    }
    if (is_widening(ch->type, n->sql))
        return widen(c, ch, n->sql, e);
    return misfit(c, ch, e);
}

static enum err_kind fit_type(struct column *c, const struct change *ch, struct err *e)
{
    if (c->item != NULL && !ch->is_array && holds_json(ch->type)) {
        c->item = NULL;
        set_native(c);
    }
    if (ch->is_array != (c->item != NULL))
        return misfit(c, ch, e);
    return fit_scalar(c, ch, e);
}

static enum err_kind fit_null(const struct column *c, const struct change *ch,
                              struct err *e)
{
    if (!c->nullable || !ch->has->not_null)
        return ERR_OK;
    if (!ch->evolve)
        return err_set(e, ERR_INVALID,
                       "column %s.%s is NOT NULL, the schema's may be null "
                       "(and evolve is off)",
                       ch->quoted, ch->has->name);
    put_alter(ch->ddl, ch->quoted, "ALTER COLUMN", ch->has->name);
    buf_put_str(ch->ddl, " DROP NOT NULL;\n");
    return ERR_OK;
}

static enum err_kind fit_column(struct column *c, const struct change *ch,
                                struct err *e)
{
    if (ch->has->generated)
        return err_set(e, ERR_INVALID,
                       "column %s.%s is generated: nothing can be loaded into it",
                       ch->quoted, ch->has->name);
    TRY(fit_type(c, ch, e));
    TRY(fit_null(c, ch, e));
    snprintf(c->name, sizeof c->name, "%s", ch->has->name);
    return ERR_OK;
}

static bool is_used(const struct table *t, const char *name)
{
    for (size_t i = 0; i < t->n; i++)
        if (strcmp(t->columns[i].name, name) == 0)
            return true;
    return false;
}

const struct own_column history_columns[] = {
    {"valid_from", FORM_TIMESTAMP, false},
    {"valid_to", FORM_TIMESTAMP, true},
    {"is_current", FORM_BOOL, false},
};

static bool is_of_history(const char *name)
{
    for (size_t i = 0; i < HISTORY_COLUMNS; i++)
        if (strcmp(history_columns[i].name, name) == 0)
            return true;
    return false;
}

/* A column the schema has not (any more) stays; rows without it must be allowed. */
static enum err_kind release_others(const struct table *t, const struct table_has *has,
                                    size_t n, const char *quoted, bool evolve,
                                    bool history, struct buf *ddl, struct err *e)
{
    for (size_t i = 0; i < n; i++) {
        if (!has[i].not_null || has[i].has_default || has[i].generated ||
            is_used(t, has[i].name) || (history && is_of_history(has[i].name)))
            continue;
        if (!evolve && has[i].filled)
            continue;
        if (!evolve)
            return err_set(
                e, ERR_INVALID,
                "column %s.%s is NOT NULL and has no default, and the schema "
                "has no such field (and evolve is off)",
                quoted, has[i].name);
        put_alter(ddl, quoted, "ALTER COLUMN", has[i].name);
        buf_put_str(ddl, " DROP NOT NULL;\n");
    }
    return ERR_OK;
}

static enum err_kind check_history(const struct table_has *has, size_t n_has,
                                   const char *quoted, struct err *e)
{
    for (size_t i = 0; i < HISTORY_COLUMNS; i++)
        if (find(history_columns[i].name, has, n_has) == NULL)
            return err_set(e, ERR_INVALID,
                           "table %s has no column %s, which a history needs: "
                           "valid_from timestamptz NOT NULL, valid_to timestamptz, "
                           "is_current boolean NOT NULL",
                           quoted, history_columns[i].name);
    return ERR_OK;
}

static enum err_kind fit(struct table *t, const struct table_has *has, size_t n_has,
                         const char *quoted, bool evolve, const struct table_keys *keys,
                         struct buf *ddl, struct err *e)
{
    bool history = keys != NULL && keys->history;

    if (history)
        TRY(check_history(has, n_has, quoted, e));
    for (size_t i = 0; i < t->n; i++) {
        struct column *c = &t->columns[i];
        struct change ch = {
            .has = find(c->name, has, n_has),
            .evolve = evolve,
            .quoted = quoted,
            .ddl = ddl,
        };

        if (ch.has != NULL)
            read_type(&ch);
        if (ch.has != NULL)
            TRY(fit_column(c, &ch, e));
        else if (evolve)
            put_add(ddl, c, quoted);
        else
            return err_set(e, ERR_INVALID,
                           "table %s has no column %s (and evolve is off)", quoted,
                           c->name);
    }
    return release_others(t, has, n_has, quoted, evolve, history, ddl, e);
}

static enum err_kind check_names(const struct table *t, struct err *e)
{
    for (size_t i = 0; i < t->n; i++)
        for (size_t k = 0; k < i; k++)
            if (strcmp(t->columns[i].name, t->columns[k].name) == 0)
                return err_set(e, ERR_INVALID, "two fields want the column %s",
                               t->columns[i].name);
    return ERR_OK;
}

static void columns_of(struct table *t, const struct av_node *root)
{
    t->is_record = root->type == AV_RECORD;
    t->n = t->is_record ? root->n_fields : 1;
    t->columns = mem_array(t->n == 0 ? 1 : t->n, sizeof *t->columns);
    if (!t->is_record) {
        name_column(t->columns[0].name, span_str("value"));
        set_type(&t->columns[0], root);
        return;
    }
    for (size_t i = 0; i < t->n; i++) {
        t->columns[i].field = &root->fields[i];
        name_column(t->columns[i].name, root->fields[i].name);
        set_type(&t->columns[i], root->fields[i].type);
    }
}

static struct column *named(struct table *t, const char *field)
{
    for (size_t i = 0; i < t->n; i++)
        if (t->columns[i].field != NULL
                ? span_eq(t->columns[i].field->name, span_str(field))
                : strcmp(t->columns[i].name, field) == 0)
            return &t->columns[i];
    return NULL;
}

static enum err_kind mark_key(struct table *t, const char *field, struct err *e)
{
    struct column *c = named(t, field);

    if (c == NULL)
        return err_set(e, ERR_INVALID, "key %.100s: the schema has no such field",
                       field);
    if (c->nullable)
        return err_set(e, ERR_INVALID, "key %.100s: the field may be null", field);
    if (c->form == FORM_JSONB || c->item != NULL)
        return err_set(e, ERR_INVALID, "key %.100s: of type %s is no key", field,
                       av_type_name(c->node->type));
    if (c->key)
        return err_set(e, ERR_INVALID, "key %.100s: named twice", field);
    c->key = true;
    return ERR_OK;
}

static enum err_kind mark_keys(struct table *t, const struct table_keys *keys,
                               struct err *e)
{
    for (size_t i = 0; keys != NULL && i < keys->n; i++)
        TRY(mark_key(t, keys->names[i], e));
    for (size_t i = 0; keys != NULL && keys->history && i < t->n; i++)
        if (is_of_history(t->columns[i].name))
            return err_set(e, ERR_INVALID,
                           "field %s: a history has a column of that name",
                           t->columns[i].name);
    return ERR_OK;
}

static enum err_kind plan(struct table *t, const struct table_has *has, size_t n_has,
                          const char *quoted, bool evolve,
                          const struct table_keys *keys, struct buf *ddl, struct err *e)
{
    if (t->n == 0)
        return err_set(e, ERR_INVALID, "a record without fields makes no table");
    TRY(check_names(t, e));
    TRY(mark_keys(t, keys, e));
    if (has == NULL)
        put_create(ddl, t, quoted, keys);
    else
        TRY(fit(t, has, n_has, quoted, evolve, keys, ddl, e));
    TRY(check_names(t, e));
    return buf_status(ddl, e);
}

enum err_kind table_plan(struct table *out, struct av_schema *reader,
                         const struct table_has *has, size_t n_has, const char *quoted,
                         bool evolve, const struct table_keys *keys, struct buf *ddl,
                         struct err *e)
{
    struct table t = {.reader = av_schema_retain(reader)};

    columns_of(&t, av_schema_root(reader));
    enum err_kind rc = plan(&t, has, n_has, quoted, evolve, keys, ddl, e);
    if (rc != ERR_OK) {
        table_free(&t);
        return rc;
    }
    *out = t;
    return ERR_OK;
}

/* A type for each form that columns of our own have. */
static const struct av_node own_nodes[] = {
    [FORM_BOOL] = {.type = AV_BOOLEAN},
    [FORM_INT4] = {.type = AV_INT},
    [FORM_INT8] = {.type = AV_LONG},
    [FORM_TEXT] = {.type = AV_STRING},
    [FORM_UUID] = {.type = AV_STRING, .logical = AV_UUID},
    [FORM_TIMESTAMP] = {.type = AV_LONG, .logical = AV_TIMESTAMP_MICROS},
    [FORM_JSONB] = {.type = AV_MAP},
};

enum err_kind table_append(struct table *t, const struct own_column *own, size_t n,
                           const char *whose, struct err *e)
{
    for (size_t i = 0; i < n; i++)
        if (is_used(t, own[i].name))
            return err_set(e, ERR_INVALID, "field %s: %s has a column of that name",
                           own[i].name, whose);
    t->columns = mem_grow(t->columns, t->n + n, sizeof *t->columns);
    for (size_t i = 0; i < n; i++) {
        struct column *c = &t->columns[t->n++];
        *c = (struct column){.node = &own_nodes[own[i].form],
                             .nullable = own[i].nullable,
                             .form = own[i].form,
                             .unit_us = own[i].form == FORM_TIMESTAMP};
        snprintf(c->name, sizeof c->name, "%s", own[i].name);
    }
    return ERR_OK;
}

void table_free(struct table *t)
{
    av_schema_release(t->reader);
    free(t->columns);
    *t = (struct table){0};
}

void table_put_copy(struct buf *out, const struct table *t, const char *quoted)
{
    buf_printf(out, "COPY %s (", quoted);
    for (size_t i = 0; i < t->n; i++) {
        buf_put_str(out, i == 0 ? "" : ", ");
        put_column(out, t->columns[i].name);
    }
    buf_put_str(out, ") FROM STDIN (FORMAT binary)");
}
