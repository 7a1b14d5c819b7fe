/*
 * odbc.h - one connection by ODBC, and what its answers mean to us.
 *
 *      08, 53, 57P, 58, 25006, HYT, IM, the line is dead   ERR_UNAVAILABLE
 *      40, 55P03, 57014, HY008                             ERR_UNAVAILABLE, busy
 *      22, 23                                              ERR_INVALID: a row is to
 * blame anything else                                       ERR_NOT_FOUND: a person
 * must act
 *
 * A driver that says HY000 to everything is read by its database's own numbers:
 * `codes`, set by whoever knows the database.
 *
 * The connection is made when first needed and again after it broke; whatever a call
 * says, it is usable or closed when the call returns.  The connection string is the
 * driver manager's ("DSN=warehouse;UID=...", "Driver=...;..."), and in no message of
 * ours.  ODBC 3.8 by Microsoft's reference; unixODBC 2.3.
 *
 * One thread; odbc_cancel() any.
 */
#pragma once

#include "base/buf.h"
#include "base/mem.h"

#include <pthread.h>

#define ODBC_NAME 130 // of a column: 128 in SQL:2003

/* What a database means by a number of its own, where SQLSTATE does not say it. */
struct odbc_code {
    int native;
    const char *sqlstate; // as what it is taken
};

struct odbc {
    const char *connection; // borrowed
    const struct odbc_code *codes;
    size_t n_codes;
    /* Run on every new connection, NULL = nothing. */
    enum err_kind (*greet)(struct odbc *o, struct err *e);
    int64_t timeout_ms; // of a statement, where the driver can; 0 = none

    char dbms[64]; // SQL_DBMS_NAME, once connected
    uint64_t made; // connections so far

    // about the last failure
    bool lost; // no answer: the outcome is unknown
    bool busy; // only a lock or a deadlock, try soon
    char sqlstate[6];
    int native;

    // private to odbc.c
    const struct odbc_api *api;
    void *env, *dbc, *stmt;
    struct odbc_prepared {
        void *h;
        char *sql;
    } prepared[2];
    bool in_transaction;
    pthread_mutex_t lock;
    void *waits;    // under lock: the statement that odbc_cancel() stops
    bool cancelled; // under lock: stays so; every call fails from then on
};

void odbc_init(struct odbc *o, const char *connection);
void odbc_close(struct odbc *o);
void odbc_cancel(struct odbc *o);
bool odbc_is_cancelled(struct odbc *o); // any thread

enum err_kind odbc_connect(struct odbc *o, struct err *e) MUST_USE;
void odbc_drop(struct odbc *o);

/* Every statement is a transaction, but between begin and commit or rollback. */
enum err_kind odbc_begin(struct odbc *o, struct err *e) MUST_USE;
enum err_kind odbc_commit(struct odbc *o, struct err *e) MUST_USE;
void odbc_rollback(struct odbc *o); // drops the connection where it cannot
/* From the next on, what a transaction reads is of one moment (SERIALIZABLE), where the
 * driver can. */
void odbc_isolate(struct odbc *o);

/* Runs one statement; *changed (NULL = who asks) is how many rows it touched, -1 when
 * the driver does not say. */
enum err_kind odbc_run(struct odbc *o, const char *sql, int64_t *changed,
                       struct err *e) MUST_USE;

enum odbc_type { // of a column, as the driver describes it
    ODBC_OTHER,  // one that ODBC has no number for
    ODBC_BIT,
    ODBC_SMALLINT,
    ODBC_INTEGER,
    ODBC_BIGINT,
    ODBC_REAL,
    ODBC_FLOAT,
    ODBC_DECIMAL,
    ODBC_CHARACTERS,
    ODBC_BINARY,
    ODBC_GUID,
    ODBC_DATE,
    ODBC_TIME,
    ODBC_TIMESTAMP,
};

const char *odbc_type_name(enum odbc_type t); // "integer"
bool odbc_is_number(enum odbc_type t);

/* A column that a SELECT has. */
struct odbc_column {
    char name[ODBC_NAME];
    enum odbc_type type;
    size_t size;
    int digits;
    bool not_null; // said so; unknown is false
};
/* A short answer, as text; of a binary column its bytes. */
struct odbc_answer {
    size_t rows, columns;
    struct odbc_column *heads;
    struct span *cells; // by row; p NULL = NULL.  In the arena, a zero byte behind each
    struct arena arena;
};
#define ODBC_ROWS_MOST 100000
enum err_kind odbc_ask(struct odbc *o, const char *sql, struct odbc_answer *out,
                       struct err *e) MUST_USE;
const char *odbc_cell(const struct odbc_answer *a, size_t row, size_t column);
struct span odbc_bytes(const struct odbc_answer *a, size_t row, size_t column);
void odbc_answer_free(struct odbc_answer *a);

/* The columns a SELECT would have. */
#define ODBC_COLUMNS_MOST 2000
enum err_kind odbc_describe(struct odbc *o, const char *sql, struct odbc_column **out,
                            size_t *n, struct err *e) MUST_USE;

/* Values of one parameter for many rows, one behind the other. */
enum odbc_bind {
    ODBC_INT,    // int64_t
    ODBC_DOUBLE, // double
    ODBC_TEXT,   // UTF-8
    ODBC_WIDE,   // UTF-16 of this machine's order
    ODBC_BYTES,
};
struct odbc_values {
    enum odbc_bind bind;
    size_t stride;  // bytes from one row's value to the next's
    uint8_t *p;     // rows * stride
    int64_t *sizes; // of each value in bytes, ODBC_NULL
};
#define ODBC_NULL (-1)

/*
 * Runs a statement with parameters for `rows` rows: `by_array` hands each row to the
 * driver as a set of parameters of its own (SQL_ATTR_PARAMSET_SIZE, column by column);
 * without, the statement has all rows' parameters, row by row.  `slot` is 0 or 1: a
 * statement stays prepared there until another comes.  *hint is the row that the driver
 * blames, -1 when it does not say or cannot be believed.
 */
enum err_kind odbc_put(struct odbc *o, int slot, const char *sql,
                       const struct odbc_values *columns, size_t n, size_t rows,
                       bool by_array, int64_t *hint, struct err *e) MUST_USE;
