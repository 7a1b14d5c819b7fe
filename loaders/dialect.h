/*
 * dialect.h - how a database wants to be spoken to, as rows of a table.
 *
 *      postgres  sqlite  sqlserver  snowflake  generic (SQL:2003)
 *
 * What differs between databases is data: a type's name and how a value of it is handed
 * over, the words of a statement, what a number of theirs means.  What is composed of
 * it (dialect_sql.h) has no branch for any of them; two families of statements, ON
 * CONFLICT and MERGE, are functions in the row.
 *
 * Templates have {names} that are filled in.  Pure, any thread.
 */
#pragma once

#include "loaders/table.h"
#include "odbc/odbc.h"

enum dialect_kind { // what a column holds
    KIND_BOOL,
    KIND_INT,
    KIND_LONG,
    KIND_FLOAT,
    KIND_DOUBLE,
    KIND_DECIMAL,
    KIND_BIG_DECIMAL, // any scale, or more digits than the database's decimals have
    KIND_TEXT,
    KIND_BYTES,
    KIND_UUID,
    KIND_DATE,
    KIND_TIME,
    KIND_INSTANT, // timestamp-*
    KIND_LOCAL,   // local-timestamp-*
    KIND_DURATION,
    KIND_JSON,
    KIND_KEY_TEXT, // what may stand in a primary key
    KIND_KEY_BYTES,
    KIND_NAME, // of a job, a topic
    KINDS,
};

struct dialect_type {
    const char *sql; // "numeric{ps}": with precision and scale
    enum odbc_bind bind;
    const char *marker; // "?", or what makes it of its type: "CAST(? AS uuid)"
    /* Where a value can be made only in a SELECT: its type in the stage, and the
     * expression of the column {c} there.  NULL = the same everywhere. */
    const char *stage, *from_stage;
    /* Of the column {c}, what is equal where the value is the same, to the last byte;
     * NULL = the column. */
    const char *same;
};

enum apply_mode {
    APPLY_APPEND,
    APPLY_IGNORE,  // the first record of a key is the row
    APPLY_UPSERT,  // the last
    APPLY_HISTORY, // each change is a row with its time span
    APPLY_MIRROR,  // upsert, and where the last is a tombstone, there is no row
};

struct dialect {
    const char *name;
    const char *dbms; // how SQL_DBMS_NAME begins, "" = any
    char open, close; // around a name
    bool upper;       // names unquoted are upper case: ours are, too
    bool case_blind;  // "a" and "A" are one column
    bool loose;       // NOT NULL can never be dropped: only keys have it
    struct dialect_type types[KINDS];
    int digits_most; // of a decimal; 0 = decimals are text
    int year_min, year_max;
    bool no_nan;                     // nor infinities
    unsigned rows_most, params_most; // of one statement; rows 1 = arrays instead
    bool via_stage;                  // also where rows are only added
    bool json_in_ledger;             // JSON is handed over like any value
    bool migrated;                   // the ledger is the Postgres sink's (migrate.h)

    const char *text_open;
    bool backslash; // is an escape in a literal
    const char *bytes_open, *bytes_close, *time_open;
    const char *yes, *no, *now;
    const char *ago; // {s} seconds before now; NULL = our own clock is asked
    const char *join, *octets,
        *limit; // of texts; length in bytes; of an ordered SELECT

    const char *add,
        *add_end;      // ALTER TABLE t add c type DEFAULT x add_end, when nullable
    const char *widen; // NULL = it takes any value anyway
    const char *relax; // NULL = cannot
    const char *stage_make, *stage_end, *stage_prefix;
    const char *savepoint, *back, *release; // NULL = a statement that fails did nothing
    const char *connect_with; // ";KEYWORD=..." that a driver has to be told when it
                              // connects; NULL = none; a KEYWORD in the settings wins
    bool dsn_may_tell; // it is many options in one: what a DSN has is not replaced
    const char *greet[8];
    const char
        *end_session; // of a run that lost its partition or its line; NULL = none

    void (*put_once)(struct buf *sql, const struct dialect *d, const char *table,
                     const char *const *columns, const char *const *values, size_t n,
                     size_t rows, size_t keys);
    void (*put_apply)(struct buf *sql, const struct dialect *d, enum apply_mode mode,
                      const struct table *t, const char *quoted, const char *stage);
    /* APPLY_MIRROR, where put_apply cannot delete; NULL = it does. */
    void (*put_delete)(struct buf *sql, const struct dialect *d, const struct table *t,
                       const char *quoted, const char *stage);
    /* APPLY_HISTORY: ends rows that hold no more (dialect_sql.h). */
    void (*put_close)(struct buf *sql, const struct dialect *d, const struct table *t,
                      const char *quoted, const char *stage);
    /* ... and what a table for it is made with: {i} the index, {p} the table's schema
     * and a dot, {n} its name, {t} both, {k} its key.  NULL = there are no such. */
    const char *index[2];
    const char *merge_hint, *merge_end;

    /* By which the database takes in staged files itself; NULL = it cannot. */
    const char *copy_into;
    struct {
        const char *suffix, *format;
    } copy_kinds[5];
    const struct odbc_code *codes;
    size_t n_codes;
};

extern const struct dialect dialects[];
extern const size_t n_dialects;

const struct dialect *dialect_named(const char *name); // NULL = none
const struct dialect *dialect_of(const char *dbms);    // never NULL

enum dialect_kind dialect_kind(const struct dialect *d, const struct column *c);

/* A name in quotes; what it may not contain is doubled. */
void dialect_put_name(struct buf *sql, const struct dialect *d, struct span name);
/* "staging.weather" is two names.  ERR_INVALID: an empty one. */
enum err_kind dialect_put_table(struct buf *sql, const struct dialect *d,
                                const char *table, struct err *e) MUST_USE;
/* NULL is NULL; what is no UTF-8 is '?'. */
void dialect_put_text(struct buf *sql, const struct dialect *d, const char *text);
void dialect_put_bytes(struct buf *sql, const struct dialect *d, struct span bytes);
void dialect_put_time(struct buf *sql, const struct dialect *d, int64_t wall_ms);
/* So long ago, by the database's clock where it can say that. */
void dialect_put_ago(struct buf *sql, const struct dialect *d, int64_t ms);
/* The type of a column that is made. */
void dialect_put_type(struct buf *sql, const struct dialect *d, const struct column *c);
/* A template with {names} filled in: pairs of name and value, NULL at the end. */
void dialect_put(struct buf *sql, const char *template, const char *const *pairs);
