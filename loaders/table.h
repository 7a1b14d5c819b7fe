/*
 * table.h - what a table must look like for records of a schema, and how to get there.
 *
 *      boolean boolean      int integer      long bigint      float real
 *      double double precision   string, enum text   bytes, fixed bytea
 *      decimal numeric(p,s)   big-decimal numeric   uuid uuid   date date
 *      time-* time   timestamp-* timestamptz   local-timestamp-* timestamp
 *      *-nanos bigint (timestamptz would cut three digits)   duration interval
 *      array of the above T[]   map, record, other arrays and unions jsonb
 *      ["null", T] T, nullable
 *
 * A table that is there is taken as it is: columns are found by name (exactly, else by
 * the only one that differs in case alone), and any type that holds every value will
 * do. What is missing is added, what is too narrow is widened where nothing can be
 * lost, what the schema no longer has stays and becomes nullable.  What cannot be
 * brought together is ERR_INVALID and names both sides.
 *
 * A column of a domain is one of the type under it, and is not altered; what the
 * domain's CHECK refuses is set aside row by row.
 *
 * Pure: it reads a description of the table and writes statements.  One thread.
 */
#pragma once

#include "avro-core/schema.h"

enum table_form { // the bytes of a field, see copy.h
    FORM_BOOL,
    FORM_INT2,
    FORM_INT4,
    FORM_INT8,
    FORM_FLOAT4,
    FORM_FLOAT8,
    FORM_NUMERIC,
    FORM_TEXT,
    FORM_BYTEA,
    FORM_UUID,
    FORM_DATE,
    FORM_TIME,
    FORM_TIMESTAMP, // with and without time zone: the same bytes
    FORM_INTERVAL,
    FORM_JSONB,
    FORM_JSON, // json, or text that holds JSON: no version byte in front
};

#define COLUMN_NAME 64 // PostgreSQL's NAMEDATALEN

struct column {
    char name[COLUMN_NAME];
    const struct av_field *field; // NULL when the root is no record
    const struct av_node *node;   // the type, without the null of ["null", T]
    const struct av_node *item;   // T of a T[], without null; NULL = it is no SQL array
    uint32_t item_oid;            // its type's
    bool nullable;
    bool key;             // of the row, see struct table_keys
    enum table_form form; // of an SQL array: of its items
    int64_t unit_us;      // FORM_TIME, FORM_TIMESTAMP: of one unit of Avro's number
    int letters;          // FORM_TEXT in varchar(n): n, 0 = any
    int precision;        // FORM_NUMERIC from a decimal: digits that fit, 0 = any
};

struct table {
    struct av_schema *reader; // held
    struct column *columns;   // by index of the reader's field
    size_t n;
    bool is_record; // else one column, "value"
};

/* A column of the table that is there, as pg_attribute tells. */
struct table_has {
    const char *name;
    const char *type; // format_type(atttypid, NULL): "timestamp with time zone"
    int typmod;       // -1 = none
    bool not_null, has_default, generated;
    bool is_enum;       // or an array of one
    const char *domain; // its name, `type` and `typmod` being what is under it; or NULL
    bool filled;        // maybe, by a trigger before each row
    uint32_t item_oid;  // of an array: pg_type's of its items; 0 = not known
};

/* What makes a row the same row: fields of the record that are never null, and no JSON.
 * A history has three columns of its own beside the record's (merge.h). */
struct table_keys {
    const char *const *names;
    size_t n; // 0 = none: rows are only added
    bool history;
};

/*
 * Plans for `reader`.  `has` NULL: there is no table yet.  Appends to `ddl` what must
 * be run first, statements with ';' after each; with `evolve` false nothing may be
 * altered and a table that does not fit is ERR_INVALID.  `quoted` is the table's name
 * in SQL.  A table that is made has an index for `keys` (NULL = none), one that is
 * there must (merge_put_probe()).
 */
enum err_kind table_plan(struct table *out, struct av_schema *reader,
                         const struct table_has *has, size_t n_has, const char *quoted,
                         bool evolve, const struct table_keys *keys, struct buf *ddl,
                         struct err *e) MUST_USE;
void table_free(struct table *t);

/* A column that no field has: the quarantine's, a history's. */
struct own_column {
    const char *name;
    enum table_form form;
    bool nullable;
};
extern const struct own_column history_columns[];
#define HISTORY_COLUMNS 3 // valid_from, valid_to, is_current

/* Puts such columns behind the record's.  ERR_INVALID: a field has one of the names,
 * and the table is as it was. */
enum err_kind table_append(struct table *t, const struct own_column *own, size_t n,
                           const char *whose, struct err *e) MUST_USE;

/* "numeric(9,2)[]": what a column made for it is. */
void table_put_type(struct buf *out, const struct column *c);
/* COPY "t" ("a", "b") FROM STDIN (FORMAT binary) */
void table_put_copy(struct buf *out, const struct table *t, const char *quoted);
